//! `PRINT` and `GPRINT`: values as texts.

use chrono_tz::Tz;

use super::calculation::{Calculated, Value};
use super::element::{Formatter, Kind, Printed};
use super::format::{self, Format, Unit};
use super::reduction::one;
use super::{Frame, GraphError};
use crate::strftime;

/// The text of a PRINT or GPRINT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Print {
    /// The element's index.
    pub element: usize,
    /// What it says.
    pub text: String,
}

/// Years that a time may be in, as seconds.
const TIMESTAMP_MAX: f64 = 6e12;

/// What one print leaves to the next.
struct Printer<'a> {
    frame: &'a Frame,
    /// The factor of `%S`, once there is one, and the unit last used.
    factor: Option<f64>,
    unit: &'static str,
    /// The time that `strftime` shows.
    time: i64,
}

impl Calculated {
    /// The texts of all PRINTs and GPRINTs, in order.
    ///
    /// # Errors
    /// The first format that makes no sense.
    pub fn prints(&self) -> Result<Vec<Print>, GraphError> {
        let mut printer = Printer {
            frame: &self.frame,
            factor: None,
            unit: "",
            time: self.frame.now,
        };
        let mut prints = Vec::new();
        for (index, element) in self.elements.iter().enumerate() {
            if let Kind::Print(printed) | Kind::GPrint(printed) = &element.kind {
                let text = printer.text(printed, &self.values[printed.source])?;
                prints.push(Print {
                    element: index,
                    text,
                });
            }
        }
        Ok(prints)
    }
}

impl Printer<'_> {
    fn text(&mut self, printed: &Printed, source: &Value) -> Result<String, GraphError> {
        let mut never = false;
        let value = match source {
            Value::Summary(summary) => {
                never = summary.when.is_none();
                self.time = summary.when.unwrap_or(0);
                summary.value
            }
            Value::Series(series) => {
                let known = series
                    .values
                    .iter()
                    .copied()
                    .filter(|value| value.is_finite());
                one(known, printed.cf)
            }
            Value::None => f64::NAN,
        };
        if printed.strftime {
            return Ok(if never {
                format::never(&printed.format)
            } else {
                strftime::format(&printed.format, self.time, self.frame.zone)
            });
        }
        let or = |default| {
            if printed.format.is_empty() {
                default
            } else {
                printed.format.as_str()
            }
        };
        match printed.formatter {
            Formatter::Numeric => self.number(&printed.format, value),
            Formatter::Timestamp if value.is_finite() && value.abs() < TIMESTAMP_MAX => Ok(
                strftime::format(or("%Y-%m-%d %H:%M:%S"), value as i64, Tz::GMT),
            ),
            Formatter::Timestamp => Format::parse("%.0lf").map(|format| format.write(value, "")),
            Formatter::Duration if value.is_finite() => format::duration(or("%H:%02m:%02s"), value),
            Formatter::Duration => Format::parse("%lf").map(|format| format.write(value, "")),
        }
    }

    fn number(&mut self, text: &str, value: f64) -> Result<String, GraphError> {
        let format = Format::parse(text)?;
        let (scaled, unit, factor) = format::scaled(value, self.frame.base);
        let shown = match (format.unit, self.factor) {
            (None, _) => value,
            (Some(Unit::Shared), Some(known)) => value / known,
            (Some(Unit::Shared | Unit::Own), _) => {
                self.unit = unit;
                // A zero says nothing about the unit of those behind it.
                let shared = format.unit == Some(Unit::Shared);
                self.factor = Some(factor).filter(|_| !shared || scaled != 0.0);
                scaled
            }
        };
        Ok(format.write(shown, self.unit))
    }
}
