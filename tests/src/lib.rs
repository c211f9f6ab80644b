//! What the black-box tests share: the built programs started and ended, real servers and tools beside them, and waiting
//! for what should happen. Nothing of Ravenry is linked in: the programs are driven as people and agents drive them.
//!
//! Everything that is started here is killed when its owner is dropped, so that a test that fails leaves nothing behind.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is a failure with its place"
)]

pub mod agent;
pub mod browser;
pub mod collector;
pub mod http;
pub mod mail;
pub mod munin;
pub mod plugin;
pub mod program;
pub mod push;
pub mod random;
pub mod rrdtool;
pub mod tool;
pub mod wait;
pub mod web_tools;
pub mod webhook;
