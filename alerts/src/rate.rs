//! From readings to the values that thresholds judge: a gauge as it is, a counter as its rate per second.
//!
//! The value is the one that the graph shows before cdef (Munin's semantics): no `graph_period`, no rounding. What lies
//! outside the field's own `min` and `max` is unknown, as in the stored history. Pure.

use std::time::Duration;

use ravenry_plugins::graph::{Field, Kind};
use ravenry_plugins::reading::Reading;
use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// What one reading gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A number to judge.
    Known(f64),
    /// The plugin could not tell, or the counter began anew.
    Unknown,
    /// Nothing can be said yet: the first reading of a counter, or the first after a gap.
    Pending,
}

/// The reading before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Previous {
    /// When it was taken.
    pub at: Timestamp,
    /// What it was.
    pub reading: Reading,
}

/// How a field's readings become values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// What a reading stands for.
    pub kind: Kind,
    /// Values below are unknown.
    pub min: Option<f64>,
    /// Values above are unknown.
    pub max: Option<f64>,
    /// Readings further apart than this have no rate.
    pub gap_max: Duration,
}

impl Scale {
    /// The scale of a field whose readings are `step` apart: three steps are a gap.
    #[must_use]
    pub fn of(field: &Field, step: Duration) -> Self {
        Self {
            kind: field.kind,
            min: field.min,
            max: field.max,
            gap_max: (3 * step).max(Duration::from_secs(180)),
        }
    }

    /// The scale of a field that nobody declares: a gauge without limits.
    #[must_use]
    pub fn undeclared() -> Self {
        Self {
            kind: Kind::Gauge,
            min: None,
            max: None,
            gap_max: Duration::from_secs(180),
        }
    }

    /// The value of `reading`, taken `at`, given the one before it.
    #[must_use]
    pub fn value(&self, previous: Option<Previous>, reading: Reading, at: Timestamp) -> Value {
        let value = match self.kind {
            Kind::Gauge => reading.number().map_or(Value::Unknown, Value::Known),
            Kind::Derive | Kind::Counter | Kind::Absolute => self.rate(previous, reading, at),
        };
        match value {
            Value::Known(number) if self.holds(number) => value,
            Value::Known(_) | Value::Unknown => Value::Unknown,
            Value::Pending => Value::Pending,
        }
    }

    fn holds(&self, number: f64) -> bool {
        self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max)
    }

    fn rate(&self, previous: Option<Previous>, reading: Reading, at: Timestamp) -> Value {
        let Some(now) = reading.number() else {
            return Value::Unknown;
        };
        let Some(previous) = previous else {
            return Value::Pending;
        };
        let elapsed = at.since(previous.at);
        if elapsed.is_zero() || elapsed > self.gap_max {
            return Value::Pending;
        }
        let counted = match self.kind {
            Kind::Absolute => now,
            Kind::Gauge | Kind::Derive | Kind::Counter => {
                match difference(previous.reading, reading) {
                    Some(difference) => difference,
                    None => return Value::Pending,
                }
            }
        };
        if self.kind == Kind::Counter && counted < 0.0 {
            return Value::Unknown;
        }
        Value::Known(counted / elapsed.as_secs_f64())
    }
}

/// Exact for two integers; `None` when the one before was unknown.
fn difference(before: Reading, now: Reading) -> Option<f64> {
    match (before, now) {
        (Reading::Count(before), Reading::Count(now)) if now >= before => {
            Some((now - before) as f64)
        }
        (Reading::Count(before), Reading::Count(now)) => Some(-((before - now) as f64)),
        (Reading::Count(_) | Reading::Number(_) | Reading::Unknown, _) => {
            Some(now.number()? - before.number()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readings a minute apart (`-` is a minute without one), and the values that they give.
    fn check(kind: Kind, readings: &str, expect: &str) {
        let scale = Scale {
            kind,
            min: None,
            max: Some(1000.0),
            gap_max: Duration::from_secs(180),
        };
        let mut previous = None;
        let mut found = Vec::new();
        for (minute, text) in (0..).zip(readings.split(' ')) {
            let at = Timestamp::from_seconds(60 * minute);
            let Some(reading) = Reading::parse(text) else {
                continue;
            };
            found.push(match scale.value(previous, reading, at) {
                Value::Known(number) => number.to_string(),
                Value::Unknown => String::from("U"),
                Value::Pending => String::from("."),
            });
            previous = Some(Previous { at, reading });
        }
        assert_eq!(found.join(" "), expect, "{readings}");
    }

    #[test]
    fn a_gauge_is_taken_as_it_is() {
        check(Kind::Gauge, "1 U -2.5 2000", "1 U -2.5 U");
    }

    #[test]
    fn a_counter_is_a_rate_and_unknown_where_it_begins_anew() {
        check(Kind::Counter, "0 60 180 0 60", ". 1 2 U 1");
    }

    #[test]
    fn large_counters_lose_no_digit() {
        check(
            Kind::Counter,
            "18446744073709551495 18446744073709551615",
            ". 2",
        );
    }

    #[test]
    fn a_derive_may_fall() {
        check(Kind::Derive, "120 60 -60", ". -1 -2");
    }

    #[test]
    fn an_absolute_counts_since_the_reading_before() {
        check(Kind::Absolute, "60 120 0", ". 2 0");
    }

    #[test]
    fn there_is_no_rate_over_a_gap_or_beside_an_unknown() {
        check(Kind::Counter, "0 - - 180 - - - 60 120", ". 1 . 1");
        check(Kind::Derive, "0 U 60 120", ". U . 1");
    }

    #[test]
    fn a_rate_beyond_the_maximum_is_unknown() {
        check(Kind::Derive, "0 6000000 6000060", ". U 1");
    }
}
