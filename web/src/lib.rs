//! Graphs, pages and the JSON API. Asks through [`source::Source`] and never sees a file.

pub mod source;
