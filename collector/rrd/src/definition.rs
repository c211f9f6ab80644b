//! What a file is made of, as a person writes it: data sources and archives. Text in rrdtool's words in, values out.

mod archive;
mod origin;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

pub(crate) use archive::SMOOTHING_WINDOW;
pub use archive::{Archive, FAILURES_WINDOW_MAX, Forecast};
pub use origin::Origin;

use crate::formula::{Formula, FormulaError};
use crate::{UNKNOWN, decimal, layout};

/// What [`crate::create::create`] needs to know. The order of sources and archives is their order in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Seconds of a step, at least 1.
    pub step: u64,
    /// The time of the "last update" of a new file, UTC seconds: values must be later.
    pub start: i64,
    /// The file's version: 3, or 4 or 5 where a line of the definition asks for it.
    pub version: u8,
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
    /// What a COMPUTE source calculates; none for the others. Such a source has no heartbeat and no limits.
    pub formula: Option<Formula>,
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

/// A consolidation function. The last six are rrdtool's Holt-Winters forecasting.
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
    /// A COMPUTE source's formula is none.
    #[error("data source {name:?}: {source}")]
    Formula {
        /// The data source.
        name: String,
        /// What is wrong.
        source: FormulaError,
    },
    /// A source has a formula and is not COMPUTE, or the other way round.
    #[error("data source {0:?}: COMPUTE needs a formula, and only COMPUTE has one")]
    Computed(String),
    /// A plain archive has a forecast's parameters, or the other way round.
    #[error("{0} archive: forecasting functions need their parameters, and only they have them")]
    Parameters(Cf),
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
    /// Parses `DS:` and `RRA:` lines in any order. Durations may have one of the units s m h d w M y.
    ///
    /// # Errors
    /// The first line that is wrong, or what is missing on the whole.
    pub fn parse(step: u64, start: i64, lines: &[&str]) -> Result<Self, DefinitionError> {
        let mut definition = Self {
            step,
            start,
            version: 3,
            sources: Vec::new(),
            archives: Vec::new(),
        };
        definition.extend(lines, "")?;
        definition.check()?;
        Ok(definition)
    }

    /// Adds what `lines` say. The name of the file to be, as its user writes it, decides at which row rrdtool smooths
    /// the seasons of a forecast, so that many files do not do it all at once.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn extend(&mut self, lines: &[&str], file_name: &str) -> Result<(), DefinitionError> {
        let name_hash = name_hash(file_name);
        for line in lines {
            match line.split_once(':') {
                Some(("DS", rest)) => {
                    let source = DataSource::parse(line, rest, &self.sources)?;
                    if matches!(source.kind, Kind::DCounter | Kind::DDerive) {
                        self.version = self.version.max(5);
                    }
                    self.sources.push(source);
                }
                Some(("RRA", _)) => self.add_archive(line, name_hash)?,
                Some(_) | None => return Err(DefinitionError::NotADefinition((*line).to_owned())),
            }
        }
        Ok(())
    }

    fn add_archive(&mut self, line: &str, name_hash: u64) -> Result<(), DefinitionError> {
        let mut parsed = Archive::parse(line, self.step, name_hash)?;
        let own = self.archives.len() as u64;
        let dependents = if parsed.wants_dependents {
            parsed.archive.dependents(own, name_hash)
        } else {
            Vec::new()
        };
        self.version = self.version.max(parsed.version);
        self.archives.push(parsed.archive);
        self.archives.extend(dependents);
        Ok(())
    }

    /// Where the history of each data source is to be taken from when the file is made from others: where a line of
    /// `lines` says it, else from the source of the same name.
    #[must_use]
    pub fn origins(&self, lines: &[&str]) -> Vec<Origin> {
        let told: Vec<(&str, Origin)> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("DS:")?.split_once(':'))
            .filter_map(|(name, _)| Origin::split(name))
            .collect();
        let origin = |source: &DataSource| {
            let told = told.iter().find(|(name, _)| *name == source.name);
            told.map_or_else(|| Origin::same(&source.name), |(_, origin)| origin.clone())
        };
        self.sources.iter().map(origin).collect()
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
            source.check(index)?;
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

/// FNV-1 over the bytes of a name, in 64 bits with the constants for 32, as rrdtool calculates it.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0x811c_9dc5, |hash: u64, byte| {
        hash.wrapping_mul(0x0100_0193) ^ u64::from(byte)
    })
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
    /// A source that takes inputs.
    #[must_use]
    pub fn input(name: impl Into<String>, kind: Kind, heartbeat: u64, min: f64, max: f64) -> Self {
        Self {
            name: name.into(),
            kind,
            heartbeat,
            min,
            max,
            formula: None,
        }
    }

    /// `before` are the sources that a formula may speak of.
    fn parse(line: &str, rest: &str, before: &[Self]) -> Result<Self, DefinitionError> {
        let fields = rest
            .split_once(':')
            .and_then(|(name, rest)| Some((name, rest.split_once(':')?)));
        let Some((name, (kind, rest))) = fields else {
            return Err(fields_missing(line));
        };
        let kind: Kind = kind.parse()?;
        let (name, _) = Origin::split(name).ok_or_else(|| fields_missing(line))?;
        let name = name.to_owned();
        if kind != Kind::Compute {
            let (heartbeat, min, max) = limits(line, rest)?;
            return Ok(Self::input(name, kind, heartbeat, min, max));
        }
        let names: Vec<&str> = before.iter().map(|source| source.name.as_str()).collect();
        let formula = Formula::parse(rest, &names).map_err(|source| DefinitionError::Formula {
            name: name.clone(),
            source,
        })?;
        Ok(Self {
            name,
            kind,
            heartbeat: 0,
            min: UNKNOWN,
            max: UNKNOWN,
            formula: Some(formula),
        })
    }

    fn check(&self, number: usize) -> Result<(), DefinitionError> {
        if !is_name(&self.name) {
            return Err(DefinitionError::Name(self.name.clone()));
        }
        if (self.kind == Kind::Compute) != self.formula.is_some() {
            return Err(DefinitionError::Computed(self.name.clone()));
        }
        if let Some(formula) = &self.formula {
            return formula
                .check(number)
                .map_err(|source| DefinitionError::Formula {
                    name: self.name.clone(),
                    source,
                });
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

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..layout::NAME).contains(&text.len()) && text.bytes().all(allowed)
}

fn fields_missing(line: &str) -> DefinitionError {
    DefinitionError::Fields {
        expected: "DS:name:type:heartbeat:min:max or DS:name:COMPUTE:formula",
        found: line.to_owned(),
    }
}

/// `heartbeat:min:max`; rrdtool heeds nothing behind a further colon.
fn limits(line: &str, rest: &str) -> Result<(u64, f64, f64), DefinitionError> {
    let mut fields = rest.split(':');
    let (Some(heartbeat), Some(min), Some(max)) = (fields.next(), fields.next(), fields.next())
    else {
        return Err(fields_missing(line));
    };
    let heartbeat = duration(heartbeat, 1).ok_or_else(|| DefinitionError::Number {
        what: "heartbeat",
        of: line.to_owned(),
        expected: "seconds or a duration",
        found: heartbeat.to_owned(),
    })?;
    Ok((
        heartbeat,
        limit("min", line, min)?,
        limit("max", line, max)?,
    ))
}

fn limit(what: &'static str, line: &str, text: &str) -> Result<f64, DefinitionError> {
    if text == "U" {
        return Ok(UNKNOWN);
    }
    // rrdtool has room for this many characters of a limit.
    let number = (text.len() <= 18).then(|| decimal::parse(text.as_bytes()));
    number.flatten().ok_or_else(|| DefinitionError::Number {
        what,
        of: line.to_owned(),
        expected: "a number of up to 18 characters or U",
        found: text.to_owned(),
    })
}

/// Reads a count, or a duration with a unit that must be a whole number of `unit` seconds; the result counts units. Of the
/// unit the first letter counts: `5min` is `5m`. `None` when it is neither, or zero.
#[must_use]
pub fn duration(text: &str, unit: u64) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = match suffix.bytes().next() {
        None => return (number > 0).then_some(number),
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3600,
        Some(b'd') => 86_400,
        Some(b'w') => 7 * 86_400,
        Some(b'M') => 31 * 86_400,
        Some(b'y') => 366 * 86_400,
        Some(_) => return None,
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
