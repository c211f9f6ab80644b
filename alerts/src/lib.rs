//! Decides who is told what, and tells them.
//!
//! The engine is pure: check results, silence, commands and `now` go in, transitions, incidents, notices and reasons come
//! out. Only [`channel`] speaks to the outside. The collector's loop stores what the engine returns and carries it out.

pub mod check;
pub mod severity;
