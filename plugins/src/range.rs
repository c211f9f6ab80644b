//! The range of a threshold: which readings are good, and by that which alert.
//!
//! Two texts lead here, Munin's (`warning`, `critical`) and Nagios' (perfdata, check options); they agree that the ends
//! themselves are good, and differ in what a lone number means: a highest good value for Munin, `0:number` for Nagios.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Good are the numbers from `start` to `end`, ends included, or with [`Self::inside`] those beyond.
///
/// As text: `start:end`, either side empty where there is no limit, an `@` in front of an inside range. That is Munin's
/// form; [`Self::parse_munin`] reads it back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    start: Option<f64>,
    end: Option<f64>,
    inside: bool,
}

/// Why a text is not a range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Neither of the forms.
    #[error("range {found:?}: expected {expected}, found {part:?}")]
    NotANumber {
        /// The whole text.
        found: String,
        /// The part that is no number.
        part: String,
        /// The forms.
        expected: &'static str,
    },
    /// `5:1`.
    #[error("range {found:?}: expected the start not to be above the end")]
    Reversed {
        /// The whole text.
        found: String,
    },
}

const MUNIN: &str = "`max`, `min:max`, `min:` or `:max`";
const NAGIOS: &str = "`[@]start:end`, `end`, `start:` or `~:end`";

impl Range {
    /// A range; `None` is no limit on that side.
    ///
    /// # Errors
    /// When `start` lies above `end`.
    pub fn new(start: Option<f64>, end: Option<f64>) -> Result<Self, RangeError> {
        Self {
            start,
            end,
            inside: false,
        }
        .in_order()
    }

    /// Parses Munin's form: `max`, `min:max`, `min:`, `:max`; outside of it alerts. Also what [`fmt::Display`] writes.
    ///
    /// # Errors
    /// When the text is anything else (Munin takes any other text as `0:0`).
    pub fn parse_munin(text: &str) -> Result<Self, RangeError> {
        let (inside, rest) = strip_at(text.trim());
        let (start, end) = rest.split_once(':').unwrap_or(("", rest));
        if rest.is_empty() {
            return Err(not_a_number(text, rest, MUNIN));
        }
        Self {
            start: limit(start, text, MUNIN)?,
            end: limit(end, text, MUNIN)?,
            inside,
        }
        .in_order()
    }

    /// Parses Nagios' form: `[@]start:end`; `10` is `0:10`, `10:` has no end, `~:10` no start; with `@` inside alerts.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse_nagios(text: &str) -> Result<Self, RangeError> {
        let (inside, rest) = strip_at(text.trim());
        let (start, end) = match rest.split_once(':') {
            Some((start, end)) => (start, end),
            None if rest.is_empty() => return Err(not_a_number(text, rest, NAGIOS)),
            None => ("0", rest),
        };
        let start = match start {
            "~" => None,
            "" => Some(0.0),
            number => limit(number, text, NAGIOS)?,
        };
        Self {
            start,
            end: limit(end, text, NAGIOS)?,
            inside,
        }
        .in_order()
    }

    /// Whether a reading of `number` alerts. NaN does not: an unknown reading has a severity of its own.
    #[must_use]
    pub fn violated_by(&self, number: f64) -> bool {
        if number.is_nan() {
            return false;
        }
        let outside = self.start.is_some_and(|start| number < start)
            || self.end.is_some_and(|end| number > end);
        outside != self.inside
    }

    /// The lower end.
    #[must_use]
    pub fn start(&self) -> Option<f64> {
        self.start
    }

    /// The upper end.
    #[must_use]
    pub fn end(&self) -> Option<f64> {
        self.end
    }

    /// Whether the numbers between the ends are the ones that alert (Nagios' `@`).
    #[must_use]
    pub fn inside(&self) -> bool {
        self.inside
    }

    /// The same range of readings that are `factor` (above 0) times as large. Digits beyond the twelfth are rounded, so
    /// that 100 ms are 0.1 s.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        let scaled = |limit: f64| {
            let number = limit * factor;
            format!("{number:.11e}").parse().unwrap_or(number)
        };
        if factor == 1.0 {
            return self;
        }
        Self {
            start: self.start.map(scaled),
            end: self.end.map(scaled),
            inside: self.inside,
        }
    }

    /// The range of those good readings that lie away from the ends by `part` of each end (0.05: 94.05 below 99), where there
    /// are such; otherwise the range itself.
    #[must_use]
    pub fn tightened(self, part: f64) -> Self {
        let inward = if self.inside { -part } else { part };
        let tightened = Self {
            start: self.start.map(|start| start + start.abs() * inward),
            end: self.end.map(|end| end - end.abs() * inward),
            inside: self.inside,
        };
        tightened.in_order().unwrap_or(self)
    }

    fn in_order(self) -> Result<Self, RangeError> {
        match (self.start, self.end) {
            (Some(start), Some(end)) if start > end => Err(RangeError::Reversed {
                found: self.to_string(),
            }),
            _ => Ok(self),
        }
    }
}

fn strip_at(text: &str) -> (bool, &str) {
    match text.strip_prefix('@') {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}

fn limit(part: &str, whole: &str, expected: &'static str) -> Result<Option<f64>, RangeError> {
    if part.is_empty() {
        return Ok(None);
    }
    match part.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some(number)),
        Ok(_) | Err(_) => Err(not_a_number(whole, part, expected)),
    }
}

fn not_a_number(whole: &str, part: &str, expected: &'static str) -> RangeError {
    let short = |text: &str| text.chars().take(80).collect();
    RangeError::NotANumber {
        found: short(whole),
        part: short(part),
        expected,
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inside {
            f.write_str("@")?;
        }
        if let Some(start) = self.start {
            write!(f, "{start}")?;
        }
        f.write_str(":")?;
        if let Some(end) = self.end {
            write!(f, "{end}")?;
        }
        Ok(())
    }
}

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        Self::parse_munin(text)
    }
}

impl Serialize for Range {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse_munin(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses `text`, writes it back, and lists which of -1, 0, 5, 10, 11 alert.
    fn check(parse: fn(&str) -> Result<Range, RangeError>, text: &str, expect: &str) {
        let found = match parse(text) {
            Err(error) => error.to_string(),
            Ok(range) => {
                assert_eq!(Range::parse_munin(&range.to_string()), Ok(range), "{text}");
                let alerting: Vec<String> = [-1.0, 0.0, 5.0, 10.0, 11.0]
                    .iter()
                    .filter(|number| range.violated_by(**number))
                    .map(f64::to_string)
                    .collect();
                format!("{range} alerts {}", alerting.join(" "))
            }
        };
        assert_eq!(found.trim_end(), expect, "{text}");
    }

    #[test]
    fn munin_ranges_alert_outside_their_ends() {
        let check = |text, expect| check(Range::parse_munin, text, expect);
        check("10", ":10 alerts 11");
        check(":10", ":10 alerts 11");
        check("0:10", "0:10 alerts -1 11");
        check("5:", "5: alerts -1 0");
        check("-1:", "-1: alerts");
        check("-5", ":-5 alerts -1 0 5 10 11");
        check("1e1", ":10 alerts 11");
        check(" 0:10 ", "0:10 alerts -1 11");
        check(":", ": alerts");
    }

    #[test]
    fn nagios_ranges_begin_at_zero() {
        let check = |text, expect| check(Range::parse_nagios, text, expect);
        check("10", "0:10 alerts -1 11");
        check("10:", "10: alerts -1 0 5");
        check("~:10", ":10 alerts 11");
        check("5:10", "5:10 alerts -1 0 11");
        check("@5:10", "@5:10 alerts 5 10");
        check("@10", "@0:10 alerts 0 5 10");
        check(":10", "0:10 alerts -1 11");
        check("~:", ": alerts");
    }

    #[test]
    fn junk_is_an_error_that_names_it() {
        let munin = |text, expect| check(Range::parse_munin, text, expect);
        munin(
            "90%",
            "range \"90%\": expected `max`, `min:max`, `min:` or `:max`, found \"90%\"",
        );
        munin(
            "",
            "range \"\": expected `max`, `min:max`, `min:` or `:max`, found \"\"",
        );
        munin(
            "1:2:3",
            "range \"1:2:3\": expected `max`, `min:max`, `min:` or `:max`, found \"2:3\"",
        );
        munin(
            "nan",
            "range \"nan\": expected `max`, `min:max`, `min:` or `:max`, found \"nan\"",
        );
        munin(
            "5:1",
            "range \"5:1\": expected the start not to be above the end",
        );
        check(
            Range::parse_nagios,
            "~",
            "range \"~\": expected `[@]start:end`, `end`, `start:` or `~:end`, found \"~\"",
        );
    }

    #[test]
    fn a_tighter_range_has_fewer_good_readings() {
        let check = |text, expect: &str| {
            let range = Range::parse_nagios(text).unwrap();
            assert_eq!(range.tightened(0.1).to_string(), expect, "{text}");
        };
        check("~:100", ":90");
        check("-10:", "-9:");
        check("10:100", "11:90");
        check("@10:100", "@9:110");
        check("95:100", "95:100");
    }

    #[test]
    fn an_unknown_reading_violates_nothing() {
        assert!(!Range::parse_munin("10").unwrap().violated_by(f64::NAN));
        assert!(!Range::parse_nagios("@1:2").unwrap().violated_by(f64::NAN));
    }

    #[test]
    fn the_wire_form_is_the_text() {
        let range = Range::parse_nagios("@5:10").unwrap();
        assert_eq!(serde_json::to_string(&range).unwrap(), "\"@5:10\"");
        assert_eq!(serde_json::from_str::<Range>("\"@5:10\"").unwrap(), range);
    }
}
