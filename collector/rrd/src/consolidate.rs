//! Steps become rows: how the rates of completed steps are fed to an archive, and which rows that completes. The state of
//! each (archive, source) is ten words of the live part, as in [`crate::layout`].

use crate::UNKNOWN;
use crate::definition::Cf;
use crate::header::Archive;
use crate::layout::{CDP_PRIMARY, CDP_SECONDARY, CDP_UNKNOWN, CDP_VALUE, CDP_WORDS, stored};
use crate::writes::Writes;

/// The part of an update that closes steps.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    /// Seconds since the last update.
    pub(crate) interval: f64,
    /// Of these, seconds before the end of the last complete step.
    pub(crate) pre: f64,
    /// Seconds after it.
    pub(crate) post: f64,
    /// Steps completed.
    pub(crate) elapsed: u64,
    /// Number of the step that the last update fell in.
    pub(crate) step_number: u64,
    /// When the span ends, UTC seconds.
    pub(crate) end: u64,
}

/// What rrdtool would call the rows of an archive.
#[derive(Clone, Copy)]
pub(crate) struct Label {
    /// Number of the archive.
    pub(crate) archive: usize,
    /// When the span that completes the rows ends.
    pub(crate) end: u64,
    /// Seconds of a step.
    pub(crate) step: u64,
}

/// Feeds an archive's sources with the rates; the number of rows to write.
pub(crate) fn consolidate(archive: &Archive, pairs: &mut [u64], rates: &[f64], span: Span) -> u64 {
    let start = archive.steps - span.step_number % archive.steps;
    let rows = if start <= span.elapsed {
        ((span.elapsed - start) / archive.steps + 1).min(archive.rows)
    } else {
        0
    };
    for (pair, &rate) in pairs.chunks_exact_mut(CDP_WORDS).zip(rates) {
        if archive.steps == 1 {
            pair[CDP_PRIMARY] = rate.to_bits();
            if span.elapsed > 1 {
                pair[CDP_SECONDARY] = rate.to_bits();
            }
        } else if rows > 0 {
            complete_row(archive, pair, rate, start, span.elapsed);
        } else {
            continue_row(archive.cf, pair, rate, span.elapsed);
        }
    }
    rows
}

/// `start` steps complete the row in progress; what is left over begins the next.
pub(crate) fn complete_row(
    archive: &Archive,
    pair: &mut [u64],
    rate: f64,
    start: u64,
    elapsed: u64,
) {
    let mut unknown = pair[CDP_UNKNOWN];
    if rate.is_nan() {
        unknown = unknown.wrapping_add(start);
    }
    let primary = if unknown as f64 > archive.steps as f64 * archive.xff {
        UNKNOWN
    } else {
        row_value(
            archive,
            f64::from_bits(pair[CDP_VALUE]),
            rate,
            start,
            unknown,
        )
    };
    let rest = (elapsed - start) % archive.steps;
    pair[CDP_PRIMARY] = primary.to_bits();
    pair[CDP_SECONDARY] = stored(rate);
    pair[CDP_VALUE] = stored(carried(archive.cf, rate, rest));
    pair[CDP_UNKNOWN] = if rate.is_nan() { rest } else { 0 };
}

fn row_value(archive: &Archive, value: f64, rate: f64, start: u64, unknown: u64) -> f64 {
    let or = |number: f64, other: f64| if number.is_nan() { other } else { number };
    match archive.cf {
        Cf::Average => {
            let known = archive.steps.wrapping_sub(unknown) as f64;
            f64::from_bits(stored(
                (or(value, 0.0) + or(rate, 0.0) * start as f64) / known,
            ))
        }
        Cf::Max => {
            let (value, rate) = (or(value, f64::NEG_INFINITY), or(rate, f64::NEG_INFINITY));
            if rate > value { rate } else { value }
        }
        Cf::Min => {
            let (value, rate) = (or(value, f64::INFINITY), or(rate, f64::INFINITY));
            if rate < value { rate } else { value }
        }
        Cf::Last
        | Cf::HwPredict
        | Cf::MhwPredict
        | Cf::Seasonal
        | Cf::DevSeasonal
        | Cf::DevPredict
        | Cf::Failures => rate,
    }
}

/// The value that the next row begins with.
fn carried(cf: Cf, rate: f64, rest: u64) -> f64 {
    let nothing = rest == 0 || rate.is_nan();
    match cf {
        Cf::Average => {
            if nothing {
                0.0
            } else {
                rate * rest as f64
            }
        }
        Cf::Max => {
            if nothing {
                f64::NEG_INFINITY
            } else {
                rate
            }
        }
        Cf::Min => {
            if nothing {
                f64::INFINITY
            } else {
                rate
            }
        }
        Cf::Last
        | Cf::HwPredict
        | Cf::MhwPredict
        | Cf::Seasonal
        | Cf::DevSeasonal
        | Cf::DevPredict
        | Cf::Failures => {
            if nothing {
                UNKNOWN
            } else {
                rate
            }
        }
    }
}

/// The row in progress stays in progress.
pub(crate) fn continue_row(cf: Cf, pair: &mut [u64], rate: f64, elapsed: u64) {
    if rate.is_nan() {
        pair[CDP_UNKNOWN] = pair[CDP_UNKNOWN].wrapping_add(elapsed);
        return;
    }
    let value = f64::from_bits(pair[CDP_VALUE]);
    let weighted = rate * elapsed as f64;
    let value = match cf {
        Cf::Average => {
            if value.is_nan() {
                weighted
            } else {
                value + weighted
            }
        }
        Cf::Max => {
            if value.is_nan() || rate > value {
                rate
            } else {
                value
            }
        }
        Cf::Min => {
            if value.is_nan() || rate < value {
                rate
            } else {
                value
            }
        }
        Cf::Last
        | Cf::HwPredict
        | Cf::MhwPredict
        | Cf::Seasonal
        | Cf::DevSeasonal
        | Cf::DevPredict
        | Cf::Failures => rate,
    };
    pair[CDP_VALUE] = stored(value);
}

/// Writes the first row's values once and the further rows' values after it, moving the current row.
pub(crate) fn write_rows(
    archive: &Archive,
    pairs: &[u64],
    rows: u64,
    current: &mut u64,
    writes: &mut Writes,
) {
    for number in 0..rows {
        let slot = if number == 0 {
            CDP_PRIMARY
        } else {
            CDP_SECONDARY
        };
        advance_row(archive, current);
        write_row(archive, pairs, slot, *current, writes);
    }
}

pub(crate) fn advance_row(archive: &Archive, current: &mut u64) {
    *current += 1;
    if *current >= archive.rows {
        *current = 0;
    }
}

/// Writes one row: of each source the word `slot`.
pub(crate) fn write_row(
    archive: &Archive,
    pairs: &[u64],
    slot: usize,
    row: u64,
    writes: &mut Writes,
) {
    let width = 8 * (pairs.len() / CDP_WORDS) as u64;
    let values = pairs.chunks_exact(CDP_WORDS).map(|pair| pair[slot]);
    writes.push_words(archive.offset + row * width, values);
}
