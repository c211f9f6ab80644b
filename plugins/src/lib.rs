//! Words and forms shared by both ends of Ravenry, and the bundled plugins.
//!
//! What a host, a graph, a field and a reading are ([`name`], [`reading`], [`timestamp`]); what a plugin says
//! ([`declaration`], [`munin`], [`nagios`]) and what that means ([`graph`], [`range`]); how a plugin is run
//! ([`run`], [`exec`]); how samples travel ([`wire`]) and wait ([`spool`]).
//!
//! Pure, that is without clock, file, socket, environment, randomness or logger: everything but [`clock`], [`disk`],
//! [`spool`], [`run`], [`exec`] and [`bundled`].

#![forbid(unsafe_code)]

pub mod bundled;
pub mod clock;
pub mod declaration;
pub mod disk;
pub mod exec;
pub mod graph;
pub mod munin;
pub mod nagios;
pub mod name;
pub mod pattern;
pub mod problem;
pub mod range;
pub mod reading;
pub mod run;
pub mod settings;
pub mod spool;
pub mod timestamp;
pub mod wire;
