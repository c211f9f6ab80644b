//! History in files: which file a graph is kept in, what waits to be written, how it is written so that a power cut tears
//! nothing, and how it is read together with what waits.

pub mod layout;
pub mod pending;
