//! From definitions to columns: what DEFs fetch, what SHIFTs move, what CDEFs and VDEFs calculate, in the order in which
//! they are written.

use std::rc::Rc;

use super::element::{Def, Element, Kind, Operand};
use super::reduction::Rows;
use super::summary::Summary;
use super::{Fetch, Frame, Graph, GraphError, VALUES_MAX};
use crate::fetch::{Fetched, Request};
use crate::rpn::{Column, Grid, Program};

/// A column with its times: row `n` covers the `step` seconds up to `start + (n + 1) · step`.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// UTC seconds.
    pub start: i64,
    /// UTC seconds: the time of the last row.
    pub end: i64,
    /// Seconds per row.
    pub step: u64,
    /// Seconds that it was moved by.
    shift: i64,
    /// Unknown is NaN.
    pub values: Rc<Vec<f64>>,
}

/// What an element came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// It is no variable.
    None,
    /// A DEF or CDEF.
    Series(Series),
    /// A VDEF.
    Summary(Summary),
}

/// A graph with all its values; those of an element are at its index.
#[derive(Clone, Debug)]
pub struct Calculated {
    /// What the graph is about.
    pub frame: Frame,
    /// The elements.
    pub elements: Vec<Element>,
    /// What they came to.
    pub values: Vec<Value>,
}

impl Series {
    /// The value that is shown at a time: that of the row which begins at it or before it.
    #[must_use]
    pub fn at(&self, time: i64) -> f64 {
        let row = (time - self.start).div_euclid(self.step.max(1) as i64);
        let row = usize::try_from(row).ok();
        row.and_then(|row| self.values.get(row).copied())
            .unwrap_or(f64::NAN)
    }
}

impl Graph {
    /// Fetches and calculates.
    ///
    /// # Errors
    /// Those of `fetch` and of the formulas.
    pub fn calculate(self, fetch: &mut Fetch<'_>) -> Result<Calculated, GraphError> {
        let mut calculated = Calculated {
            frame: self.frame,
            values: vec![Value::None; self.elements.len()],
            elements: self.elements,
        };
        let mut room = Room(VALUES_MAX);
        calculated.fetch(fetch, &mut room)?;
        for index in 0..calculated.elements.len() {
            calculated.element(index, &mut room)?;
        }
        Ok(calculated)
    }
}

/// Values that there may still be.
struct Room(usize);

impl Room {
    fn take(&mut self, count: usize) -> Result<(), GraphError> {
        self.0 = self.0.checked_sub(count).ok_or_else(|| {
            GraphError::new(format!(
                "the graph's columns have more than {VALUES_MAX} values"
            ))
        })?;
        Ok(())
    }
}

/// What was asked of a file, and the answer, for the next column of it.
type Asked = (String, Request, Rc<Fetched>);

impl Calculated {
    fn fetch(&mut self, fetch: &mut Fetch<'_>, room: &mut Room) -> Result<(), GraphError> {
        let mut last: Option<Asked> = None;
        for (element, value) in self.elements.iter().zip(&mut self.values) {
            let Kind::Def(def) = &element.kind else {
                continue;
            };
            let request = Request {
                cf: def.cf,
                start: def.start,
                end: def.end,
                resolution: def.step,
            };
            let fetched = match &last {
                Some((path, asked, fetched)) if *path == def.path && *asked == request => {
                    Rc::clone(fetched)
                }
                _ => fetch(&def.path, &request).map_err(GraphError)?,
            };
            last = Some((def.path.clone(), request, Rc::clone(&fetched)));
            let series = column(def, &fetched, self.frame.step)?;
            room.take(series.values.len())?;
            *value = Value::Series(series);
        }
        Ok(())
    }

    fn element(&mut self, index: usize, room: &mut Room) -> Result<(), GraphError> {
        match &self.elements[index].kind {
            Kind::Shift(shift) => {
                let by = match shift.by {
                    Operand::Number(seconds) => seconds,
                    Operand::Variable(variable) => self.number(variable),
                };
                let target = shift.target;
                if let Value::Series(series) = &mut self.values[target] {
                    series.move_by(by as i64);
                }
            }
            Kind::Vdef(function, source) => {
                if let Value::Series(series) = &self.values[*source] {
                    self.values[index] = Value::Summary(function.of(series));
                }
            }
            Kind::Cdef(program, variables) => {
                let series = self.formula(program, variables)?;
                room.take(series.values.len())?;
                self.values[index] = Value::Series(series);
            }
            Kind::Def(_)
            | Kind::Xport(_)
            | Kind::Print(_)
            | Kind::GPrint(_)
            | Kind::Comment
            | Kind::TextAlign(_)
            | Kind::Line(_)
            | Kind::Area(_)
            | Kind::Tick(_)
            | Kind::HRule(_)
            | Kind::VRule(_)
            | Kind::Axis => {}
        }
        Ok(())
    }

    /// The column of a variable.
    #[must_use]
    pub fn series(&self, variable: usize) -> Option<&Series> {
        match self.values.get(variable)? {
            Value::Series(series) => Some(series),
            Value::Summary(_) | Value::None => None,
        }
    }

    /// The value of a VDEF.
    #[must_use]
    pub fn number(&self, variable: usize) -> f64 {
        match self.values.get(variable) {
            Some(Value::Summary(summary)) => summary.value,
            Some(Value::Series(_) | Value::None) | None => f64::NAN,
        }
    }

    /// A formula's rows reach from the latest begin to the earliest end of its columns, in the largest step of which all
    /// their steps are multiples.
    fn formula(&self, program: &Program, variables: &[usize]) -> Result<Series, GraphError> {
        let columns = || {
            variables
                .iter()
                .filter_map(|variable| self.series(*variable))
        };
        let step = columns().map(|series| series.step).fold(0, common);
        let start = columns().map(|series| series.start).fold(0, i64::max);
        let end = columns().map(|series| series.end).min().unwrap_or(0);
        if step == 0 {
            return Err(GraphError::new(
                "rpn expressions without DEF or CDEF variables are not supported",
            ));
        }
        let rows = usize::try_from((end - start) / step as i64).unwrap_or(0);
        if rows > VALUES_MAX {
            return Err(GraphError::new(format!(
                "a formula has {rows} rows, at most {VALUES_MAX} are calculated"
            )));
        }
        let mut program = program.clone();
        let mut inputs = Vec::with_capacity(variables.len());
        for (place, variable) in variables.iter().enumerate() {
            inputs.push(match self.series(*variable) {
                Some(series) => {
                    let first = (start - series.start) / series.step as i64;
                    let first = usize::try_from(first).unwrap_or(0);
                    Column::on_steps(&series.values, series.step, first)
                }
                None => {
                    program
                        .substitute(place, self.number(*variable))
                        .map_err(|error| GraphError::new(error.to_string()))?;
                    Column::on_steps(&[], step, 0)
                }
            });
        }
        let grid = Grid {
            first: start + step as i64,
            step,
            rows,
            now: self.frame.now,
        };
        let values = program
            .evaluate_columns(&inputs, grid, self.frame.zone)
            .map_err(|error| GraphError::new(error.to_string()))?;
        Ok(Series {
            start,
            end,
            step,
            shift: 0,
            values: Rc::new(values),
        })
    }
}

impl Series {
    /// Moves it by whole rows from where it was fetched.
    fn move_by(&mut self, seconds: i64) {
        let step = self.step as i64;
        let shift = seconds.clamp(-(1 << 50), 1 << 50) / step * step;
        self.start += shift - self.shift;
        self.end += shift - self.shift;
        self.shift = shift;
    }
}

/// The largest number of which both are multiples.
pub(super) fn common(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common(b, a % b) }
}

/// The column that a DEF names, in rows that are no shorter than it asks for.
fn column(def: &Def, fetched: &Fetched, step: u64) -> Result<Series, GraphError> {
    let index = fetched.names.iter().rposition(|name| *name == def.source);
    let index = index.ok_or_else(|| {
        GraphError::new(format!("No DS called '{}' in '{}'", def.source, def.path))
    })?;
    let rows = Rows {
        start: fetched.start,
        end: fetched.end,
        step: fetched.step,
        values: fetched.column(index).collect(),
    };
    let rows = rows.reduced(def.step.max(step), def.reduce)?;
    Ok(Series {
        start: rows.start,
        end: rows.end,
        step: rows.step,
        shift: 0,
        values: Rc::new(rows.values),
    })
}
