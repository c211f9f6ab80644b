//! The agent on every host: decides when plugins run ([`schedule`]), and sees to it that what they say reaches the
//! collector ([`session`]).
pub mod config;
pub mod gather;
pub mod identity;
pub mod schedule;
pub mod session;
pub mod uplink;
