//! What can be changed in a file without moving its parts: limits, names and kinds of its data sources, parameters of its
//! forecasting archives. Each [`Knob`] is an option of `tune`. Changes to what a file is made of are in [`crate::modify`].

use std::ops::{Bound, RangeBounds};

use crate::definition::{Cf, Kind, duration};
use crate::image::{Archive, Image};
use crate::layout::{CDP_WORDS, HISTORY_MAX, NAME, PDP_WORDS};
use crate::{UNKNOWN, decimal};

/// Something to turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knob {
    Heartbeat,
    Minimum,
    Maximum,
    SourceType,
    SourceName,
    DeltaPos,
    DeltaNeg,
    WindowLength,
    FailureThreshold,
    Alpha,
    Beta,
    Gamma,
    GammaDeviation,
    SmoothingWindow,
    SmoothingWindowDeviation,
    AberrantReset,
}

impl Knob {
    /// With the option's name and letter.
    pub(crate) const ALL: [(Self, &'static str, char); 16] = [
        (Self::Heartbeat, "heartbeat", 'h'),
        (Self::Minimum, "minimum", 'i'),
        (Self::Maximum, "maximum", 'a'),
        (Self::SourceType, "data-source-type", 'd'),
        (Self::SourceName, "data-source-rename", 'r'),
        (Self::DeltaPos, "deltapos", 'p'),
        (Self::DeltaNeg, "deltaneg", 'n'),
        (Self::WindowLength, "window-length", 'w'),
        (Self::FailureThreshold, "failure-threshold", 'f'),
        (Self::Alpha, "alpha", 'x'),
        (Self::Beta, "beta", 'y'),
        (Self::Gamma, "gamma", 'z'),
        (Self::GammaDeviation, "gamma-deviation", 'v'),
        (Self::SmoothingWindow, "smoothing-window", 's'),
        (
            Self::SmoothingWindowDeviation,
            "smoothing-window-deviation",
            'S',
        ),
        (Self::AberrantReset, "aberrant-reset", 'b'),
    ];

    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(knob, _, _)| *knob == self);
        found.map_or("", |(_, name, _)| name)
    }
}

/// Why a knob does not turn.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TuneError {
    /// The value has not the form that the option needs.
    #[error("--{option}: expected {expected}, found '{found}'")]
    Form {
        /// The option.
        option: &'static str,
        /// What would be right.
        expected: &'static str,
        /// The value.
        found: String,
    },
    /// No data source of that name.
    #[error("unknown data source name '{0}'")]
    Source(String),
    /// The name is that of another data source already.
    #[error("duplicate data source name '{0}'")]
    Duplicate(String),
    /// The file forecasts nothing.
    #[error("--{option}: there is no {archive} archive in this RRD")]
    Archive {
        /// The option.
        option: &'static str,
        /// The consolidation function that is needed.
        archive: Cf,
    },
}

/// Turns one knob; after an error nothing has changed.
pub(crate) fn turn(image: &mut Image, knob: Knob, text: &str) -> Result<(), TuneError> {
    const PREDICT: [Cf; 2] = [Cf::HwPredict, Cf::MhwPredict];
    match knob {
        Knob::Heartbeat => heartbeat(image, knob, text),
        Knob::Minimum => limit(image, knob, text, 1),
        Knob::Maximum => limit(image, knob, text, 2),
        Knob::SourceType => change_kind(image, knob, text),
        Knob::SourceName => rename(image, knob, text),
        Knob::DeltaPos => parameter(image, knob, text, &[Cf::Failures], 1, &AT_LEAST_A_TENTH),
        Knob::DeltaNeg => parameter(image, knob, text, &[Cf::Failures], 2, &AT_LEAST_A_TENTH),
        Knob::WindowLength => window(image, knob, text, 4),
        Knob::FailureThreshold => window(image, knob, text, 5),
        Knob::Alpha => parameter(image, knob, text, &PREDICT, 1, &BETWEEN_0_AND_1),
        Knob::Beta => parameter(image, knob, text, &PREDICT, 2, &BETWEEN_0_AND_1),
        Knob::Gamma => parameter(image, knob, text, &[Cf::Seasonal], 1, &BETWEEN_0_AND_1),
        Knob::GammaDeviation => {
            parameter(image, knob, text, &[Cf::DevSeasonal], 1, &BETWEEN_0_AND_1)
        }
        Knob::SmoothingWindow => smoothing(image, knob, text, Cf::Seasonal),
        Knob::SmoothingWindowDeviation => smoothing(image, knob, text, Cf::DevSeasonal),
        Knob::AberrantReset => {
            let index = image.sources.iter().position(|source| source.name == text);
            reset(
                image,
                index.ok_or_else(|| TuneError::Source(text.to_owned()))?,
            );
            Ok(())
        }
    }
}

/// The numbers that an option takes.
struct Allowed {
    range: (Bound<f64>, Bound<f64>),
    text: &'static str,
}

const AT_LEAST_A_TENTH: Allowed = Allowed {
    range: (Bound::Included(0.1), Bound::Unbounded),
    text: "a number of at least 0.1",
};
const BETWEEN_0_AND_1: Allowed = Allowed {
    range: (Bound::Excluded(0.0), Bound::Excluded(1.0)),
    text: "a number between 0 and 1",
};
const FROM_0_TO_1: Allowed = Allowed {
    range: (Bound::Included(0.0), Bound::Included(1.0)),
    text: "a number from 0 to 1",
};

impl Knob {
    fn form(self, expected: &'static str, found: &str) -> TuneError {
        TuneError::Form {
            option: self.name(),
            expected,
            found: found.to_owned(),
        }
    }

    /// The name of a data source and what is behind it.
    fn named(self, text: &str) -> Result<(&str, &str), TuneError> {
        text.split_once(':')
            .ok_or_else(|| self.form("DS-NAME:VALUE", text))
    }
}

fn heartbeat(image: &mut Image, knob: Knob, text: &str) -> Result<(), TuneError> {
    let (name, value) = knob.named(text)?;
    let seconds = duration(value, 1).ok_or_else(|| knob.form("DS-NAME:SECONDS", text))?;
    source(image, name)?.parameters[0] = seconds;
    Ok(())
}

fn limit(image: &mut Image, knob: Knob, text: &str, index: usize) -> Result<(), TuneError> {
    let (name, value) = knob.named(text)?;
    let limit = if value == "U" {
        Some(UNKNOWN)
    } else {
        number(value, &..)
    };
    let limit = limit.ok_or_else(|| knob.form("DS-NAME:NUMBER or DS-NAME:U", text))?;
    source(image, name)?.parameters[index] = limit.to_bits();
    Ok(())
}

fn change_kind(image: &mut Image, knob: Knob, text: &str) -> Result<(), TuneError> {
    let (name, value) = knob.named(text)?;
    let kind = value.parse().map_err(|_| knob.form("DS-NAME:TYPE", text))?;
    let source = source(image, name)?;
    if source.kind != kind {
        if kind == Kind::Compute || source.kind == Kind::Compute {
            let expected = "a type other than COMPUTE, which has a formula in place of limits";
            return Err(knob.form(expected, text));
        }
        source.kind = kind;
        forget_input(&mut source.state);
    }
    Ok(())
}

fn rename(image: &mut Image, knob: Knob, text: &str) -> Result<(), TuneError> {
    let (name, new) = knob.named(text)?;
    if !is_name(new) {
        return Err(knob.form("OLD-NAME:NEW-NAME of 1 to 19 of A-Z a-z 0-9 _ -", text));
    }
    if name != new && source(image, new).is_ok() {
        return Err(TuneError::Duplicate(new.to_owned()));
    }
    source(image, name)?.name = new.to_owned();
    Ok(())
}

fn parameter(
    image: &mut Image,
    knob: Knob,
    text: &str,
    of: &[Cf],
    index: usize,
    allowed: &Allowed,
) -> Result<(), TuneError> {
    let number = number(text, &allowed.range).ok_or_else(|| knob.form(allowed.text, text))?;
    archive(image, knob, of)?.parameters[index] = number.to_bits();
    Ok(())
}

/// Before version 4 the window is not in the file.
fn smoothing(image: &mut Image, knob: Knob, text: &str, of: Cf) -> Result<(), TuneError> {
    parameter(image, knob, text, &[of], 2, &FROM_0_TO_1)?;
    image.version = image.version.max(4);
    Ok(())
}

fn window(image: &mut Image, knob: Knob, text: &str, index: usize) -> Result<(), TuneError> {
    let count = text.parse().ok();
    let count = count.filter(|count| (1..=HISTORY_MAX as u64).contains(count));
    let count = count.ok_or_else(|| knob.form("a number from 1 to 28", text))?;
    let failures = archive(image, knob, &[Cf::Failures])?;
    failures.parameters[index] = count;
    let window = failures.parameters[4];
    for state in &mut failures.states {
        forget_violations(state, window);
    }
    Ok(())
}

fn source<'a>(image: &'a mut Image, name: &str) -> Result<&'a mut crate::image::Source, TuneError> {
    let found = image.sources.iter_mut().find(|source| source.name == name);
    found.ok_or_else(|| TuneError::Source(name.to_owned()))
}

/// The first archive with the first of the functions that there is one with.
fn archive<'a>(image: &'a mut Image, knob: Knob, cfs: &[Cf]) -> Result<&'a mut Archive, TuneError> {
    let find = |cf: &Cf| image.archives.iter().position(|archive| archive.cf == *cf);
    let found = cfs.iter().find_map(find);
    found
        .map(|index| &mut image.archives[index])
        .ok_or(TuneError::Archive {
            option: knob.name(),
            archive: cfs[0],
        })
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..NAME).contains(&text.len()) && text.bytes().all(allowed)
}

fn number(text: &str, range: &impl RangeBounds<f64>) -> Option<f64> {
    decimal::parse(text.as_bytes()).filter(|number| range.contains(number))
}

/// Makes the last input unknown as rrdtool does: `UNKN` and a NUL, in front of what is left of the old text.
fn forget_input(state: &mut [u64; PDP_WORDS]) {
    state[0] = u64::from_le_bytes(*b"UNKN\0\0\0\0") | (state[0] & 0xffff_ff00_0000_0000);
}

/// Clears the flags of a FAILURES archive, a byte each, as far as they are looked at.
fn forget_violations(state: &mut [u64; CDP_WORDS], window: u64) {
    for at in 0..window.min(HISTORY_MAX as u64) as usize {
        state[at / 8] &= !(0xff << (at % 8 * 8));
    }
}

/// Lets the forecasts of a source begin anew. Whether its seasons are settled is kept: all sources are smoothed at once.
fn reset(image: &mut Image, index: usize) {
    let unknown = UNKNOWN.to_bits();
    let width = image.sources.len();
    for archive in &mut image.archives {
        let state = &mut archive.states[index];
        match archive.cf {
            Cf::HwPredict | Cf::MhwPredict => {
                state[2..6].fill(unknown);
                state[6..8].fill(1);
            }
            Cf::Seasonal | Cf::DevSeasonal => {
                state[2..4].fill(unknown);
                let column = archive.cells.iter_mut().skip(index).step_by(width);
                column.for_each(|cell| *cell = UNKNOWN);
            }
            Cf::Failures => forget_violations(state, archive.parameters[4]),
            Cf::Average | Cf::Min | Cf::Max | Cf::Last | Cf::DevPredict => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::create;
    use crate::definition::Definition;

    fn image() -> Image {
        let lines = ["DS:a:GAUGE:600:U:U", "DS:b:GAUGE:600:0:U", "RRA:LAST:0:1:1"];
        let file = create(&Definition::parse(300, 1_000_000_000, &lines).unwrap()).unwrap();
        Image::parse(&file).unwrap()
    }

    #[track_caller]
    fn refused(knob: Knob, text: &str, expect: &str) {
        let mut image = image();
        let before = image.bytes();
        assert_eq!(
            turn(&mut image, knob, text).unwrap_err().to_string(),
            expect
        );
        assert!(image.bytes() == before);
    }

    #[test]
    fn what_is_wrong_is_named_and_changes_nothing() {
        let expect = "--heartbeat: expected DS-NAME:SECONDS, found 'a:0'";
        refused(Knob::Heartbeat, "a:0", expect);
        let expect = "--heartbeat: expected DS-NAME:VALUE, found 'a'";
        refused(Knob::Heartbeat, "a", expect);
        refused(Knob::Maximum, "c:1", "unknown data source name 'c'");
        let expect = "--minimum: expected DS-NAME:NUMBER or DS-NAME:U, found 'a:x'";
        refused(Knob::Minimum, "a:x", expect);
        refused(Knob::SourceName, "a:b", "duplicate data source name 'b'");
        let expect = "--data-source-type: expected a type other than COMPUTE, which has a formula in place of limits, found \
                      'a:COMPUTE'";
        refused(Knob::SourceType, "a:COMPUTE", expect);
        let expect = "--beta: expected a number between 0 and 1, found '1'";
        refused(Knob::Beta, "1", expect);
        refused(
            Knob::Alpha,
            "0.5",
            "--alpha: there is no HWPREDICT archive in this RRD",
        );
        let expect = "--window-length: expected a number from 1 to 28, found '29'";
        refused(Knob::WindowLength, "29", expect);
    }

    #[test]
    fn a_new_kind_makes_the_last_input_unknown() {
        let mut image = image();
        crate::layout::put_text(&mut image.sources[0].state, "123456789.5");
        turn(&mut image, Knob::SourceType, "a:GAUGE").unwrap();
        assert_eq!(image.sources[0].state[0].to_le_bytes(), *b"12345678");
        turn(&mut image, Knob::SourceType, "a:COUNTER").unwrap();
        assert_eq!(image.sources[0].state[0].to_le_bytes(), *b"UNKN\x00678");
    }
}
