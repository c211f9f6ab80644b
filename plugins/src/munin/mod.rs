//! Munin's plugin protocol: what a plugin prints, read ([`parser`]) and written ([`emit`]); how plugins offer themselves
//! ([`offer`]); what they are run with ([`plugin_conf`], [`environment`]); the munin-node protocol ([`node`]).

pub mod emit;
pub mod environment;
pub mod node;
pub mod offer;
pub mod parser;
pub mod plugin_conf;

pub use parser::{
    Extinfo, Lines, Parsed, PluginSample, parse_config, parse_fetch, printed_reading, text_of,
};
