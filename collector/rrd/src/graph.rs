//! The data engine of rrdtool's `graph` and `xport`: definitions (`DEF`, `CDEF`, `VDEF`, `SHIFT`) become columns and
//! values, and those become texts (`PRINT`, `XPORT`) and the description of a picture.
//!
//! [`Graph::parse`] reads the words of a command line, [`Graph::calculate`] fetches through its caller and calculates,
//! [`Calculated::prints`] and [`export`] make texts. No clock, file or environment: present, zone and a function that
//! fetches are arguments. Results are rrdtool's, its errors too where they tell something.

use std::rc::Rc;

use chrono_tz::Tz;

use crate::fetch::{Fetched, Request};

mod argument;
mod calculation;
mod element;
pub mod export;
mod format;
mod legend;
pub mod picture;
mod print;
mod reduction;
mod summary;

pub use calculation::{Calculated, Series, Value};
pub use element::{
    Align, Area, Color, Def, Element, Formatter, Kind, Line, Operand, Printed, Rule, Shift, Tick,
};
pub use print::Print;
pub use summary::{Function, Summary};

/// Values that all columns of a graph may have together.
pub const VALUES_MAX: usize = 1 << 25;
/// Arguments that a graph may have.
pub const ELEMENTS_MAX: usize = 10_000;

/// Why a graph cannot be made, in a sentence for whoever wrote its definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GraphError(String);

impl GraphError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// What a graph is about and what is around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// UTC seconds.
    pub start: i64,
    /// UTC seconds.
    pub end: i64,
    /// Seconds per row that are asked for; 0 takes the finest rows.
    pub step: u64,
    /// UTC seconds.
    pub now: i64,
    /// The zone of times in texts.
    pub zone: Tz,
    /// What a kilo is: 1000 or 1024.
    pub base: f64,
}

/// The elements of a graph.
#[derive(Clone, Debug)]
pub struct Graph {
    frame: Frame,
    elements: Vec<Element>,
}

/// Fetches rows of a file, or says why not.
pub type Fetch<'a> = dyn FnMut(&str, &Request) -> Result<Rc<Fetched>, String> + 'a;

impl Graph {
    /// Reads arguments such as `DEF:…`.
    ///
    /// # Errors
    /// The first argument that makes no sense, in rrdtool's words.
    pub fn parse(frame: Frame, arguments: &[&str]) -> Result<Self, GraphError> {
        let elements = element::parse(&frame, arguments)?;
        Ok(Self { frame, elements })
    }

    /// All elements, in order.
    #[must_use]
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }
}
