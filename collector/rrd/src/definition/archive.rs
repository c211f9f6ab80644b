//! `RRA:…` lines: plain archives, and the forecasting (Holt-Winters) ones, which refer to each other by number.

use super::{Cf, DefinitionError, SPAN_MAX, duration, range, within};
use crate::decimal;

/// A sequence of rows that are overwritten in turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Archive {
    /// How the steps of a row become one number.
    pub cf: Cf,
    /// The part of a row's steps that may be unknown with the row still known: 0 ≤ xff < 1. 0 for forecasts.
    pub xff: f64,
    /// Steps per row, at least 1; always 1 for forecasts.
    pub steps: u64,
    /// Rows, at least 1.
    pub rows: u64,
    /// What a forecasting function needs to know; none for the plain functions.
    pub forecast: Option<Forecast>,
}

/// The parameters of a forecasting archive. References are numbers of archives in the file, from 0; [`Forecast::NOTHING`]
/// where a definition names none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Forecast {
    /// HWPREDICT and MHWPREDICT.
    Predict {
        /// Weight of a new value in the level, above 0 and below 1.
        alpha: f64,
        /// Weight of a new value in the slope, 0 to 1.
        beta: f64,
        /// The SEASONAL archive.
        seasonal: u64,
        /// Rows of a season.
        period: f64,
    },
    /// SEASONAL and DEVSEASONAL.
    Season {
        /// Weight of a new value in a row of the season, above 0 and below 1.
        gamma: f64,
        /// Part of the season that one smoothed row is the mean of, 0 to 1. Only files of version 4 and later heed it.
        window: f64,
        /// The HWPREDICT or MHWPREDICT archive.
        predict: u64,
        /// The row at which the season is smoothed.
        smooth_row: u64,
    },
    /// DEVPREDICT.
    Deviation {
        /// The DEVSEASONAL archive.
        deviations: u64,
    },
    /// FAILURES.
    Failures {
        /// Deviations above the forecast that are too many.
        above: f64,
        /// Deviations below the forecast that are too many.
        below: f64,
        /// The DEVSEASONAL archive.
        deviations: u64,
        /// Steps that are looked at, 1 to [`FAILURES_WINDOW_MAX`].
        window: u64,
        /// Steps of these outside the band that make a failure.
        threshold: u64,
    },
}

/// Steps that FAILURES can look at: the flags must fit the state of an archive.
pub const FAILURES_WINDOW_MAX: u64 = 28;

/// Part of a season that a smoothed row is the mean of, where nobody says otherwise.
pub(crate) const SMOOTHING_WINDOW: f64 = 0.05;

impl Forecast {
    /// The reference that refers to no archive.
    pub const NOTHING: u64 = u64::MAX;

    /// The parameters as a file has them.
    #[must_use]
    pub fn to_words(self) -> [u64; 10] {
        let mut words = [0; 10];
        match self {
            Self::Predict {
                alpha,
                beta,
                seasonal,
                period,
            } => {
                words[1] = alpha.to_bits();
                words[2] = beta.to_bits();
                words[3] = seasonal;
                words[4] = period.to_bits();
            }
            Self::Season {
                gamma,
                window,
                predict,
                smooth_row,
            } => {
                words[1] = gamma.to_bits();
                words[2] = window.to_bits();
                words[3] = predict;
                words[4] = smooth_row;
            }
            Self::Deviation { deviations } => words[3] = deviations,
            Self::Failures {
                above,
                below,
                deviations,
                window,
                threshold,
            } => {
                words[1] = above.to_bits();
                words[2] = below.to_bits();
                words[3] = deviations;
                words[4] = window;
                words[5] = threshold;
            }
        }
        words
    }

    /// Reads a file's parameters; `None` for the plain functions, which have none of these.
    #[must_use]
    pub fn from_words(cf: Cf, words: &[u64; 10]) -> Option<Self> {
        let number = |index: usize| f64::from_bits(words[index]);
        match cf {
            Cf::Average | Cf::Min | Cf::Max | Cf::Last => None,
            Cf::HwPredict | Cf::MhwPredict => Some(Self::Predict {
                alpha: number(1),
                beta: number(2),
                seasonal: words[3],
                period: number(4),
            }),
            Cf::Seasonal | Cf::DevSeasonal => Some(Self::Season {
                gamma: number(1),
                window: number(2),
                predict: words[3],
                smooth_row: words[4],
            }),
            Cf::DevPredict => Some(Self::Deviation {
                deviations: words[3],
            }),
            Cf::Failures => Some(Self::Failures {
                above: number(1),
                below: number(2),
                deviations: words[3],
                window: words[4],
                threshold: words[5],
            }),
        }
    }
}

/// What an `RRA:` line makes: the archive, and what it asks of the rest of the file.
pub(super) struct Parsed {
    pub(super) archive: Archive,
    /// The lowest version that knows what the line has.
    pub(super) version: u8,
    /// The forecast names no seasons: they are to be made.
    pub(super) wants_dependents: bool,
}

impl Archive {
    /// An archive of one of the plain functions.
    #[must_use]
    pub fn plain(cf: Cf, xff: f64, steps: u64, rows: u64) -> Self {
        Self {
            cf,
            xff,
            steps,
            rows,
            forecast: None,
        }
    }

    fn forecasting(cf: Cf, rows: u64, forecast: Forecast) -> Self {
        Self {
            cf,
            xff: 0.0,
            steps: 1,
            rows,
            forecast: Some(forecast),
        }
    }

    /// The ten parameters as a file has them.
    pub(crate) fn parameters(&self) -> [u64; 10] {
        self.forecast.map_or_else(
            || {
                let mut words = [0; 10];
                words[0] = self.xff.to_bits();
                words
            },
            Forecast::to_words,
        )
    }

    /// Parses what follows `RRA:` in `line`. `name_hash` decides where the seasons of this file are smoothed.
    pub(super) fn parse(line: &str, step: u64, name_hash: u64) -> Result<Parsed, DefinitionError> {
        // rrdtool overlooks empty fields.
        let words = line.split(':').skip(1).filter(|word| !word.is_empty());
        let fields = Fields {
            line,
            words: words.collect(),
            step,
        };
        let cf = fields.function()?;
        match cf {
            Cf::Average | Cf::Min | Cf::Max | Cf::Last => fields.plain(cf),
            Cf::HwPredict | Cf::MhwPredict => fields.predict(cf),
            Cf::Seasonal | Cf::DevSeasonal => fields.season(cf, name_hash),
            Cf::DevPredict => fields.deviation(),
            Cf::Failures => fields.failures(),
        }
    }

    /// The archives that a forecast without seasons of its own brings along, to be put behind it. `own` is the number of
    /// the forecast.
    pub(super) fn dependents(&mut self, own: u64, name_hash: u64) -> Vec<Self> {
        let Some(Forecast::Predict {
            alpha,
            seasonal,
            period,
            ..
        }) = &mut self.forecast
        else {
            return Vec::new();
        };
        *seasonal = own + 1;
        let rows = *period as u64;
        // rrdtool leaves the window 0 here: files of version 3 do not heed it, those of version 4 never smooth.
        let season = Forecast::Season {
            gamma: *alpha,
            window: 0.0,
            predict: own,
            smooth_row: name_hash.checked_rem(rows).unwrap_or(0),
        };
        let deviations = own + 2;
        let failures = Forecast::Failures {
            above: 2.0,
            below: 2.0,
            deviations,
            window: 9,
            threshold: 7,
        };
        vec![
            Self::forecasting(Cf::Seasonal, rows, season),
            Self::forecasting(Cf::DevSeasonal, rows, season),
            Self::forecasting(
                Cf::DevPredict,
                self.rows,
                Forecast::Deviation { deviations },
            ),
            Self::forecasting(Cf::Failures, rows, failures),
        ]
    }

    pub(super) fn check(&self, step: u64) -> Result<(), DefinitionError> {
        if self.cf.is_plain() == self.forecast.is_some() {
            return Err(DefinitionError::Parameters(self.cf));
        }
        if !(0.0..1.0).contains(&self.xff) {
            return Err(range("xff", self.xff, "0 to below 1"));
        }
        within("steps", self.steps, 1, SPAN_MAX, "at least 1")?;
        within("rows", self.rows, 1, SPAN_MAX, "at least 1")?;
        let row = u128::from(step) * u128::from(self.steps);
        let span = row.saturating_mul(u128::from(self.rows));
        if span > u128::from(SPAN_MAX) {
            return Err(range("archive span in seconds", span, "up to 2^56"));
        }
        Ok(())
    }
}

/// The words of a line.
struct Fields<'a> {
    line: &'a str,
    words: Vec<&'a str>,
    step: u64,
}

impl Fields<'_> {
    /// rrdtool takes the capital letters that the word begins with.
    fn function(&self) -> Result<Cf, DefinitionError> {
        let word = self.words.first().copied().unwrap_or_default();
        let capitals = word.bytes().take_while(u8::is_ascii_uppercase).count();
        word[..capitals.min(19)].parse()
    }

    fn has(&self, form: &'static str, least: usize, most: usize) -> Result<(), DefinitionError> {
        if (least..=most).contains(&self.words.len()) {
            Ok(())
        } else {
            Err(DefinitionError::Fields {
                expected: form,
                found: self.line.to_owned(),
            })
        }
    }

    fn wrong(&self, what: &'static str, expected: &'static str, found: usize) -> DefinitionError {
        DefinitionError::Number {
            what,
            of: self.line.to_owned(),
            expected,
            found: self.words[found].to_owned(),
        }
    }

    fn count(&self, at: usize, what: &'static str, unit: u64) -> Result<u64, DefinitionError> {
        duration(self.words[at], unit)
            .ok_or_else(|| self.wrong(what, "a count or a duration of whole units", at))
    }

    fn number(
        &self,
        at: usize,
        what: &'static str,
        expected: &'static str,
        fits: impl Fn(f64) -> bool,
    ) -> Result<f64, DefinitionError> {
        decimal::parse(self.words[at].as_bytes())
            .filter(|number| fits(*number))
            .ok_or_else(|| self.wrong(what, expected, at))
    }

    /// An archive's number, counted from 1 in the line and from 0 in the file.
    fn reference(&self, at: usize) -> u64 {
        i64::from(integer(self.words[at]).wrapping_sub(1)) as u64
    }

    fn parsed(archive: Archive, version: u8) -> Parsed {
        Parsed {
            archive,
            version,
            wants_dependents: false,
        }
    }

    fn plain(&self, cf: Cf) -> Result<Parsed, DefinitionError> {
        self.has("RRA:function:xff:steps:rows", 4, 4)?;
        let xff = self.number(1, "xff", "a number from 0 to below 1", |xff| {
            (0.0..1.0).contains(&xff)
        })?;
        let steps = self.count(2, "steps", self.step)?;
        let rows = self.count(3, "rows", self.step.saturating_mul(steps))?;
        Ok(Self::parsed(Archive::plain(cf, xff, steps, rows), 3))
    }

    fn predict(&self, cf: Cf) -> Result<Parsed, DefinitionError> {
        self.has(
            "RRA:HWPREDICT:rows:alpha:beta:period[:number of the SEASONAL archive]",
            5,
            6,
        )?;
        let rows = self.count(1, "rows", self.step)?;
        let alpha = self.number(2, "alpha", "a number above 0 and below 1", inside)?;
        let beta = self.number(3, "beta", "a number from 0 to 1", |beta| {
            (0.0..=1.0).contains(&beta)
        })?;
        let period = integer(self.words[4]) as u16;
        let named = self.words.len() == 6;
        if u64::from(period) > rows || (period == 0 && !named) {
            return Err(self.wrong("period", "a count from 1 to the rows of the archive", 4));
        }
        let forecast = Forecast::Predict {
            alpha,
            beta,
            seasonal: if named {
                self.reference(5)
            } else {
                Forecast::NOTHING
            },
            period: f64::from(period),
        };
        Ok(Parsed {
            archive: Archive::forecasting(cf, rows, forecast),
            version: if cf == Cf::MhwPredict { 4 } else { 3 },
            wants_dependents: !named,
        })
    }

    fn season(&self, cf: Cf, name_hash: u64) -> Result<Parsed, DefinitionError> {
        // DEVSEASONAL may leave out what it belongs to, as far as rrdtool is concerned.
        let least = if cf == Cf::Seasonal { 4 } else { 3 };
        self.has(
            "RRA:SEASONAL:rows:gamma:number of the HWPREDICT archive[:smoothing-window=fraction]",
            least,
            6,
        )?;
        let rows = self.count(1, "rows", self.step)?;
        let gamma = self.number(2, "gamma", "a number above 0 and below 1", inside)?;
        let window = if self.words.len() > 4 {
            Some(self.smoothing_window(4)?)
        } else {
            None
        };
        let predict = match self.words.len() {
            3 => Forecast::NOTHING,
            6 => self.reference(5),
            _ => self.reference(3),
        };
        let forecast = Forecast::Season {
            gamma,
            window: window.unwrap_or(SMOOTHING_WINDOW),
            predict,
            smooth_row: name_hash % rows,
        };
        let version = if window.is_some() { 4 } else { 3 };
        Ok(Self::parsed(
            Archive::forecasting(cf, rows, forecast),
            version,
        ))
    }

    /// Read by C's own `strtod`, not rrdtool's: correctly rounded, and what follows the number does not matter.
    fn smoothing_window(&self, at: usize) -> Result<f64, DefinitionError> {
        let text = self.words[at].strip_prefix("smoothing-window=");
        let number = text.and_then(|text| {
            let numeric = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
            let most = text.bytes().take_while(|byte| numeric(*byte)).count();
            (1..=most)
                .rev()
                .find_map(|len| text[..len].parse::<f64>().ok())
        });
        number
            .filter(|window| (0.0..=1.0).contains(window))
            .ok_or_else(|| self.wrong("option", "smoothing-window=0 to smoothing-window=1", at))
    }

    fn deviation(&self) -> Result<Parsed, DefinitionError> {
        self.has(
            "RRA:DEVPREDICT:rows:number of the DEVSEASONAL archive",
            3,
            3,
        )?;
        let forecast = Forecast::Deviation {
            deviations: self.reference(2),
        };
        let rows = self.count(1, "rows", self.step)?;
        Ok(Self::parsed(
            Archive::forecasting(Cf::DevPredict, rows, forecast),
            3,
        ))
    }

    fn failures(&self) -> Result<Parsed, DefinitionError> {
        self.has(
            "RRA:FAILURES:rows:threshold:window:number of the DEVSEASONAL archive",
            5,
            6,
        )?;
        let rows = self.count(1, "rows", self.step)?;
        let window_max = FAILURES_WINDOW_MAX as i32;
        let [threshold, window] = [2, 3].map(|at| integer(self.words[at]));
        if !(1..=window_max).contains(&threshold) {
            return Err(self.wrong("threshold", "1 to 28", 2));
        }
        if !(threshold..=window_max).contains(&window) {
            return Err(self.wrong("window", "the threshold to 28", 3));
        }
        let forecast = Forecast::Failures {
            above: 2.0,
            below: 2.0,
            // A sixth field takes the place of the fifth, as in rrdtool.
            deviations: self.reference(self.words.len() - 1),
            window: window as u64,
            threshold: threshold as u64,
        };
        Ok(Self::parsed(
            Archive::forecasting(Cf::Failures, rows, forecast),
            3,
        ))
    }
}

fn inside(weight: f64) -> bool {
    weight > 0.0 && weight < 1.0
}

/// C's `atoi`: the number that the text begins with, or 0.
fn integer(text: &str) -> i32 {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = digits
        .bytes()
        .take_while(u8::is_ascii_digit)
        .fold(0_i64, |sum, digit| {
            sum.saturating_mul(10)
                .saturating_add(i64::from(digit - b'0'))
        });
    (if negative { -magnitude } else { magnitude }) as i32
}
