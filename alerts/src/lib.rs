//! Decides who is told what, and tells them.
//!
//! The engine is pure: readings, contacts, declarations and `now` go in; transitions, incidents, notices and reasons come
//! out ([`engine`]). What is told waits in the pure plan of [`outbox`]; only [`channel`] speaks to the outside. The
//! collector's loop stores what both return and carries it out.

#![forbid(unsafe_code)]

pub mod action;
pub mod address;
pub mod availability;
pub mod budget;
pub mod channel;
pub mod check;
pub mod engine;
pub mod escalation;
pub mod explain;
pub mod gate;
pub mod incident;
pub mod link;
pub mod log;
pub mod notice;
pub mod outbox;
pub mod period;
pub mod quiet;
pub mod rate;
pub mod rota;
pub mod route;
pub mod rule;
pub mod severity;
pub mod simulation;
pub mod topology;
pub mod wall;
