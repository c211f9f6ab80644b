//! The agent on every host: runs plugins and sees to it that what they read reaches the collector.
//!
//! ```text
//!   directory ──► schedule ──► runner ──► gather ──► outbox ──► session, uplink ──► collector
//!   (finds)       (when)       (runs)     (batches)  (disk)     (one at a time)
//! ```
//!
//! Pure, with `now` as an argument: [`schedule`], [`gather`], [`session`], and [`config::parse`]. The rest is thin: it
//! reads directories, runs plugins, writes the spool, speaks HTTP. [`agent::run`] ties them together; the program
//! `ravenry-agent` and the collector's own local agent call it.

#![forbid(unsafe_code)]

pub mod agent;
pub mod config;
pub mod directory;
pub mod enrolment;
pub mod environment;
pub mod gather;
pub mod identity;
pub mod inventory;
pub mod library;
pub mod outbox;
pub mod port;
pub mod runner;
pub mod schedule;
pub mod session;
pub mod settings;
pub mod status;
pub mod trouble;
pub mod uplink;
