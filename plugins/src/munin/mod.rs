//! Munin's plugin protocol: what a plugin prints, read ([`parser`]) and written ([`emit`]); how plugins offer themselves
//! ([`offer`]); the configuration they are run with ([`plugin_conf`]); the munin-node protocol ([`node`]).

pub mod emit;
pub mod offer;
pub mod parser;

pub use parser::{Extinfo, Parsed, PluginSample, parse_config, parse_fetch, text_of};
