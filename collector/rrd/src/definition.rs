//! What a file is made of, as a person writes it: data sources and archives. Text in rrdtool's words in, values out.

use std::fmt;
use std::str::FromStr;

use crate::{UNKNOWN, decimal, layout};

/// What [`crate::create::create`] needs to know. The order of sources and archives is their order in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Seconds of a step, at least 1.
    pub step: u64,
    /// The time of the "last update" of a new file, UTC seconds: values must be later.
    pub start: i64,
    /// At least one, names all different.
    pub sources: Vec<DataSource>,
    /// At least one.
    pub archives: Vec<Archive>,
}

/// One column of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSource {
    /// 1 to 19 of `A-Z a-z 0-9 _ -`.
    pub name: String,
    /// How inputs become rates.
    pub kind: Kind,
    /// Seconds between two inputs beyond which the time between is unknown.
    pub heartbeat: u64,
    /// Rates below are unknown; NaN for no limit.
    pub min: f64,
    /// Rates above are unknown; NaN for no limit.
    pub max: f64,
}

/// A sequence of rows that are overwritten in turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Archive {
    /// How the steps of a row become one number.
    pub cf: Cf,
    /// The part of a row's steps that may be unknown with the row still known: 0 ≤ xff < 1.
    pub xff: f64,
    /// Steps per row, at least 1.
    pub steps: u64,
    /// Rows, at least 1.
    pub rows: u64,
}

/// How a data source's inputs become rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The input is the value.
    Gauge,
    /// A whole number that grows; smaller than before means that it wrapped at 32 or 64 bits.
    Counter,
    /// A whole number; its change per second, either way.
    Derive,
    /// A number counted since the last input.
    Absolute,
    /// A float that grows; smaller than before means that it was reset.
    DCounter,
    /// A float; its change per second, either way.
    DDerive,
    /// Calculated from other sources; takes no input.
    Compute,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Gauge,
        Self::Counter,
        Self::Derive,
        Self::Absolute,
        Self::DCounter,
        Self::DDerive,
        Self::Compute,
    ];

    /// The word in files and commands.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gauge => "GAUGE",
            Self::Counter => "COUNTER",
            Self::Derive => "DERIVE",
            Self::Absolute => "ABSOLUTE",
            Self::DCounter => "DCOUNTER",
            Self::DDerive => "DDERIVE",
            Self::Compute => "COMPUTE",
        }
    }
}

/// A consolidation function. The last six are rrdtool's Holt-Winters forecasting: such files can be read, not updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cf {
    /// Mean of the known steps.
    Average,
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// The last step, known or not.
    Last,
    /// Forecast with additive seasons.
    HwPredict,
    /// Forecast with multiplicative seasons.
    MhwPredict,
    /// Seasonal coefficients.
    Seasonal,
    /// Seasonal deviations.
    DevSeasonal,
    /// Forecast of the deviation.
    DevPredict,
    /// 1 where too many values left the forecast's band.
    Failures,
}

impl Cf {
    /// All consolidation functions.
    pub const ALL: [Self; 10] = [
        Self::Average,
        Self::Min,
        Self::Max,
        Self::Last,
        Self::HwPredict,
        Self::MhwPredict,
        Self::Seasonal,
        Self::DevSeasonal,
        Self::DevPredict,
        Self::Failures,
    ];

    /// The word in files and commands.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Average => "AVERAGE",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::Last => "LAST",
            Self::HwPredict => "HWPREDICT",
            Self::MhwPredict => "MHWPREDICT",
            Self::Seasonal => "SEASONAL",
            Self::DevSeasonal => "DEVSEASONAL",
            Self::DevPredict => "DEVPREDICT",
            Self::Failures => "FAILURES",
        }
    }

    /// True for AVERAGE, MIN, MAX and LAST, false for the forecasting functions.
    #[must_use]
    pub fn is_plain(self) -> bool {
        match self {
            Self::Average | Self::Min | Self::Max | Self::Last => true,
            Self::HwPredict
            | Self::MhwPredict
            | Self::Seasonal
            | Self::DevSeasonal
            | Self::DevPredict
            | Self::Failures => false,
        }
    }
}

/// Why a definition is refused; the text is for the person who wrote it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DefinitionError {
    /// Neither `DS:` nor `RRA:`.
    #[error("expected DS:… or RRA:…, found {0:?}")]
    NotADefinition(String),
    /// A word that is no data source kind.
    #[error("unknown data source type {0:?}")]
    Kind(String),
    /// A word that is no consolidation function.
    #[error("unrecognized consolidation function {0:?}")]
    Cf(String),
    /// Supported by rrdtool, not here.
    #[error("{0} is not supported yet")]
    Unsupported(&'static str),
    /// A name outside the allowed alphabet or length.
    #[error("a data source name has 1 to 19 of A-Z a-z 0-9 _ -, found {0:?}")]
    Name(String),
    /// The same name twice.
    #[error("duplicate data source name {0:?}")]
    Duplicate(String),
    /// A number or duration that is not one.
    #[error("{what} of {of:?}: expected {expected}, found {found:?}")]
    Number {
        /// Which part.
        what: &'static str,
        /// Of which line.
        of: String,
        /// What would be right.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// Fields are missing or too many.
    #[error("expected {expected}, found {found:?}")]
    Fields {
        /// The form.
        expected: &'static str,
        /// The line.
        found: String,
    },
    /// min is not below max.
    #[error("data source {name:?}: min {min} must be less than max {max}")]
    Limits {
        /// The data source.
        name: String,
        /// Its lower limit.
        min: f64,
        /// Its upper limit.
        max: f64,
    },
    /// A count of zero where one is needed.
    #[error("a file needs at least one {0}")]
    Missing(&'static str),
    /// A number outside what a file can hold.
    #[error("{what} {found} is out of range: {expected}")]
    Range {
        /// Which number.
        what: &'static str,
        /// Its value.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// The file would be larger than [`crate::create::FILE_SIZE_MAX`].
    #[error("the file would be larger than {} bytes", crate::create::FILE_SIZE_MAX)]
    TooLarge,
}

impl Definition {
    /// Parses `DS:name:KIND:heartbeat:min:max` and `RRA:CF:xff:steps:rows` lines in any order. Durations may have one of
    /// the units s m h d w M y.
    ///
    /// # Errors
    /// The first line that is wrong, or what is missing on the whole.
    pub fn parse(step: u64, start: i64, lines: &[&str]) -> Result<Self, DefinitionError> {
        let mut definition = Self {
            step,
            start,
            sources: Vec::new(),
            archives: Vec::new(),
        };
        for line in lines {
            match line.split_once(':') {
                Some(("DS", rest)) => definition.sources.push(DataSource::parse(line, rest)?),
                Some(("RRA", rest)) => definition.archives.push(Archive::parse(line, rest, step)?),
                Some(_) | None => return Err(DefinitionError::NotADefinition((*line).to_owned())),
            }
        }
        definition.check()?;
        Ok(definition)
    }

    /// Checks all that [`crate::create::create`] relies on, except the size.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), DefinitionError> {
        within("step", self.step, 1, STEP_MAX, "1 to 2^40 seconds")?;
        if !(0..=crate::header::TIME_MAX).contains(&self.start) {
            return Err(range("start", self.start, "0 to 2^56 seconds"));
        }
        for (index, source) in self.sources.iter().enumerate() {
            source.check()?;
            if self.sources[..index]
                .iter()
                .any(|other| other.name == source.name)
            {
                return Err(DefinitionError::Duplicate(source.name.clone()));
            }
        }
        for archive in &self.archives {
            archive.check(self.step)?;
        }
        if self.sources.is_empty() {
            return Err(DefinitionError::Missing("data source"));
        }
        if self.archives.is_empty() {
            return Err(DefinitionError::Missing("archive"));
        }
        Ok(())
    }
}

/// Largest step in seconds.
pub(crate) const STEP_MAX: u64 = 1 << 40;
/// Longest time that an archive may span, in seconds.
pub(crate) const SPAN_MAX: u64 = 1 << 56;

fn range(what: &'static str, found: impl fmt::Display, expected: &'static str) -> DefinitionError {
    DefinitionError::Range {
        what,
        found: found.to_string(),
        expected,
    }
}

fn within(
    what: &'static str,
    found: u64,
    min: u64,
    max: u64,
    expected: &'static str,
) -> Result<(), DefinitionError> {
    if (min..=max).contains(&found) {
        Ok(())
    } else {
        Err(range(what, found, expected))
    }
}

impl DataSource {
    fn parse(line: &str, rest: &str) -> Result<Self, DefinitionError> {
        const FORM: &str = "DS:name:type:heartbeat:min:max";
        let fields: Vec<&str> = rest.split(':').collect();
        let kind = fields.get(1).map(|word| word.parse::<Kind>()).transpose()?;
        if kind == Some(Kind::Compute) {
            return Err(DefinitionError::Unsupported(
                "creating a COMPUTE data source",
            ));
        }
        let (&[name, _, heartbeat, min, max], Some(kind)) = (fields.as_slice(), kind) else {
            return Err(DefinitionError::Fields {
                expected: FORM,
                found: line.to_owned(),
            });
        };
        let heartbeat = duration(heartbeat, 1).ok_or_else(|| DefinitionError::Number {
            what: "heartbeat",
            of: line.to_owned(),
            expected: "seconds or a duration",
            found: heartbeat.to_owned(),
        })?;
        let (min, max) = (limit("min", line, min)?, limit("max", line, max)?);
        Ok(Self {
            name: name.to_owned(),
            kind,
            heartbeat,
            min,
            max,
        })
    }

    fn check(&self) -> Result<(), DefinitionError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if self.name.is_empty()
            || self.name.len() >= layout::NAME
            || !self.name.bytes().all(allowed)
        {
            return Err(DefinitionError::Name(self.name.clone()));
        }
        if self.kind == Kind::Compute {
            return Err(DefinitionError::Unsupported(
                "creating a COMPUTE data source",
            ));
        }
        within(
            "heartbeat",
            self.heartbeat,
            1,
            SPAN_MAX,
            "at least 1 second",
        )?;
        if self.min >= self.max {
            return Err(DefinitionError::Limits {
                name: self.name.clone(),
                min: self.min,
                max: self.max,
            });
        }
        Ok(())
    }
}

fn limit(what: &'static str, line: &str, text: &str) -> Result<f64, DefinitionError> {
    if text.starts_with('U') {
        return Ok(UNKNOWN);
    }
    decimal::parse(text.as_bytes()).ok_or_else(|| DefinitionError::Number {
        what,
        of: line.to_owned(),
        expected: "a number or U",
        found: text.to_owned(),
    })
}

impl Archive {
    fn parse(line: &str, rest: &str, step: u64) -> Result<Self, DefinitionError> {
        const FORM: &str = "RRA:function:xff:steps:rows";
        let fields: Vec<&str> = rest.split(':').collect();
        let cf = fields[0].parse::<Cf>()?;
        if !cf.is_plain() {
            return Err(DefinitionError::Unsupported(
                "creating a forecasting archive",
            ));
        }
        let &[_, xff, steps, rows] = fields.as_slice() else {
            return Err(DefinitionError::Fields {
                expected: FORM,
                found: line.to_owned(),
            });
        };
        let wrong = |what, found: &str, expected| DefinitionError::Number {
            what,
            of: line.to_owned(),
            expected,
            found: found.to_owned(),
        };
        let xff_number = decimal::parse(xff.as_bytes())
            .ok_or_else(|| wrong("xff", xff, "a number from 0 to below 1"))?;
        let steps = duration(steps, step)
            .ok_or_else(|| wrong("steps", steps, "a count or a duration of whole steps"))?;
        let rows = duration(rows, step.saturating_mul(steps))
            .ok_or_else(|| wrong("rows", rows, "a count or a duration of whole rows"))?;
        Ok(Self {
            cf,
            xff: xff_number,
            steps,
            rows,
        })
    }

    fn check(&self, step: u64) -> Result<(), DefinitionError> {
        if !self.cf.is_plain() {
            return Err(DefinitionError::Unsupported(
                "creating a forecasting archive",
            ));
        }
        if !(0.0..1.0).contains(&self.xff) {
            return Err(range("xff", self.xff, "0 to below 1"));
        }
        within("steps", self.steps, 1, SPAN_MAX, "at least 1")?;
        within("rows", self.rows, 1, SPAN_MAX, "at least 1")?;
        let span = u128::from(step) * u128::from(self.steps) * u128::from(self.rows);
        if span > u128::from(SPAN_MAX) {
            return Err(range("archive span in seconds", span, "up to 2^56"));
        }
        Ok(())
    }
}

/// Reads a count, or a duration with a unit that must be a whole number of `unit` seconds; the result counts units.
/// `None` when it is neither, or zero.
#[must_use]
pub fn duration(text: &str, unit: u64) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = match suffix {
        "" => return (number > 0).then_some(number),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "M" => 31 * 86_400,
        "y" => 366 * 86_400,
        _ => return None,
    };
    let total = number.checked_mul(seconds)?;
    (total > 0 && unit > 0 && total % unit == 0).then(|| total / unit)
}

impl FromStr for Kind {
    type Err = DefinitionError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == word)
            .ok_or_else(|| DefinitionError::Kind(word.to_owned()))
    }
}

impl FromStr for Cf {
    type Err = DefinitionError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|cf| cf.name() == word)
            .ok_or_else(|| DefinitionError::Cf(word.to_owned()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Cf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(line: &str, expect: &Expect) {
        let lines = ["DS:a:GAUGE:600:0:U", "RRA:AVERAGE:0.5:1:10", line];
        expect.assert_eq(&match Definition::parse(300, 1_000_000_000, &lines) {
            Ok(definition) => format!(
                "{:?} {:?}",
                definition.sources.get(1),
                definition.archives.get(1)
            ),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn durations_count_whole_units() {
        for (text, unit, count) in [
            ("5", 300, Some(5)),
            ("10m", 300, Some(2)),
            ("1d", 300, Some(288)),
            ("1M", 86_400, Some(31)),
            ("1y", 86_400, Some(366)),
            ("90s", 60, None),
            ("0", 1, None),
            ("0h", 1, None),
            ("", 1, None),
            ("5x", 1, None),
            ("99999999999999999999", 1, None),
        ] {
            assert_eq!(duration(text, unit), count, "{text} in {unit} s");
        }
    }

    #[test]
    fn a_source_is_its_five_fields() {
        check(
            "DS:if-in_0:DERIVE:10m:0:1e9",
            &expect![[
                r#"Some(DataSource { name: "if-in_0", kind: Derive, heartbeat: 600, min: 0.0, max: 1000000000.0 }) None"#
            ]],
        );
    }

    #[test]
    fn an_archive_scales_durations_by_the_step() {
        check(
            "RRA:MAX:0.25:1h:30d",
            &expect!["None Some(Archive { cf: Max, xff: 0.25, steps: 12, rows: 720 })"],
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        check(
            "DS:b:GAUGE:600:0",
            &expect![[r#"expected DS:name:type:heartbeat:min:max, found "DS:b:GAUGE:600:0""#]],
        );
        check(
            "DS:b:SPEED:600:0:U",
            &expect![[r#"unknown data source type "SPEED""#]],
        );
        check(
            "DS:a:GAUGE:600:0:U",
            &expect![[r#"duplicate data source name "a""#]],
        );
        check(
            "DS:a b:GAUGE:600:0:U",
            &expect![[r#"a data source name has 1 to 19 of A-Z a-z 0-9 _ -, found "a b""#]],
        );
        check(
            "DS:b:GAUGE:600:5:5",
            &expect![[r#"data source "b": min 5 must be less than max 5"#]],
        );
        check(
            "DS:b:GAUGE:0:U:U",
            &expect![[
                r#"heartbeat of "DS:b:GAUGE:0:U:U": expected seconds or a duration, found "0""#
            ]],
        );
        check(
            "RRA:MEAN:0.5:1:10",
            &expect![[r#"unrecognized consolidation function "MEAN""#]],
        );
        check(
            "RRA:LAST:1:1:10",
            &expect!["xff 1 is out of range: 0 to below 1"],
        );
        check(
            "RRA:LAST:0.5:400s:10",
            &expect![[
                r#"steps of "RRA:LAST:0.5:400s:10": expected a count or a duration of whole steps, found "400s""#
            ]],
        );
        check(
            "RRA:HWPREDICT:9:0.1:0.1:3",
            &expect!["creating a forecasting archive is not supported yet"],
        );
        check(
            "DX:b",
            &expect![[r#"expected DS:… or RRA:…, found "DX:b""#]],
        );
    }
}
