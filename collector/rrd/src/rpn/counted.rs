//! The operators of a counted number of values: the count is on top of the stack, the values below it. They work on the
//! stack in place.

use super::machine::pop;
use super::{Operator, RpnError, STACK_MAX};
use crate::UNKNOWN;

pub(super) fn apply(operator: Operator, stack: &mut Vec<f64>) -> Result<(), RpnError> {
    let word = operator.word();
    let turns = if operator == Operator::Roll {
        pop(stack, word)?
    } else {
        0.0
    };
    let count = count(word, pop(stack, word)?)?;
    let percent = if operator == Operator::Percent {
        pop(stack, word)?
    } else {
        0.0
    };
    if !(0.0..=100.0).contains(&percent) {
        return Err(RpnError::Percent(percent.to_string()));
    }
    let start = stack
        .len()
        .checked_sub(count)
        .ok_or_else(|| RpnError::Underflow(word.to_owned()))?;
    let values = &mut stack[start..];
    match operator {
        Operator::Sort => sort(values),
        Operator::Rev => values.reverse(),
        Operator::Roll if !values.is_empty() => {
            let turns = (turns as i64).rem_euclid(count as i64) as usize;
            values.rotate_right(turns);
        }
        Operator::Roll => {}
        Operator::Copy => stack.extend_from_within(start..),
        Operator::Index => {
            // The zeroth value from the top is the zero itself.
            let value = values.first().copied().unwrap_or(0.0);
            stack.push(value);
        }
        _ => {
            let value = summary(operator, values, percent);
            stack.truncate(start);
            stack.push(value);
        }
    }
    Ok(())
}

fn count(word: &str, count: f64) -> Result<usize, RpnError> {
    if (0.0..=STACK_MAX as f64).contains(&count) {
        Ok(count as usize)
    } else {
        Err(RpnError::Count {
            word: word.to_owned(),
            found: count.to_string(),
        })
    }
}

/// Sorts as rrdtool does, unknown values first.
fn sort(values: &mut [f64]) {
    if values.iter().any(|value| value.is_infinite()) {
        merge_sort(values);
    } else {
        values.sort_by(unknown_first);
    }
}

fn unknown_first(a: &f64, b: &f64) -> std::cmp::Ordering {
    b.is_nan()
        .cmp(&a.is_nan())
        .then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
}

/// rrdtool's comparison takes an infinity to be below what stands before it when that is finite, so its place depends on
/// the steps of the sort: those of the C library's merge sort.
fn merge_sort(values: &mut [f64]) {
    if values.len() < 2 {
        return;
    }
    let middle = values.len() / 2;
    merge_sort(&mut values[..middle]);
    merge_sort(&mut values[middle..]);
    let (left, right) = (values[..middle].to_vec(), values[middle..].to_vec());
    let (mut left, mut right) = (left.as_slice(), right.as_slice());
    for slot in values {
        let from_left = match (left.first(), right.first()) {
            (Some(a), Some(b)) => !is_above(*a, *b),
            (left, _) => left.is_some(),
        };
        let side = if from_left { &mut left } else { &mut right };
        if let Some((first, rest)) = side.split_first() {
            *slot = *first;
            *side = rest;
        }
    }
}

fn is_above(a: f64, b: f64) -> bool {
    if a.is_nan() || b.is_nan() {
        return !a.is_nan();
    }
    if a.is_infinite() {
        return a > 0.0;
    }
    if b.is_infinite() {
        return b > 0.0;
    }
    a - b > 0.0
}

/// The middle one of the known values, or the mean of the two in the middle. Each unknown value gives its place to the
/// last one not looked at, which the sort may feel.
fn median(values: &mut [f64]) -> f64 {
    let (mut good, mut known) = (0, values.len());
    while good < known {
        if values[good].is_nan() {
            known -= 1;
            values[good] = values[known];
        } else {
            good += 1;
        }
    }
    let all_unknown = values.first().copied().unwrap_or(UNKNOWN);
    let values = &mut values[..known];
    sort(values);
    match known {
        0 => all_unknown,
        odd if odd % 2 == 1 => values[odd / 2],
        even => 0.5 * (values[even / 2] + values[even / 2 - 1]),
    }
}

/// The value that beats all others, the one on top of the stack first; without a known one, that at the bottom.
fn extreme(values: &[f64], beats: impl Fn(f64, f64) -> bool) -> f64 {
    values.iter().rev().fold(UNKNOWN, |best, value| {
        if best.is_nan() || beats(*value, best) {
            *value
        } else {
            best
        }
    })
}

fn summary(operator: Operator, values: &mut [f64], percent: f64) -> f64 {
    match operator {
        Operator::Percent => {
            sort(values);
            // For the lowest percentages rrdtool reads what lies before its values; here it is the smallest.
            let rank = (percent * values.len() as f64 / 100.0).round() as usize;
            values
                .get(rank.saturating_sub(1))
                .copied()
                .unwrap_or(UNKNOWN)
        }
        Operator::Avg => mean(values),
        Operator::SMin => extreme(values, |value, least| value < least),
        Operator::SMax => extreme(values, |value, most| value > most),
        Operator::StDev => deviation(values),
        Operator::Median => median(values),
        _ => UNKNOWN,
    }
}

/// The known values, top of the stack first: the order is in the last bits.
fn known(values: &[f64]) -> impl Iterator<Item = f64> {
    values.iter().rev().copied().filter(|value| !value.is_nan())
}

fn mean(values: &[f64]) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in known(values) {
        sum += value;
        count += 1.0;
    }
    if count > 0.0 { sum / count } else { UNKNOWN }
}

/// Welford's running deviation, of a sample.
fn deviation(values: &[f64]) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in known(values) {
        count += 1.0;
        let distance = value - mean;
        mean += distance / count;
        squares += distance * (value - mean);
    }
    if count < 2.0 {
        return UNKNOWN;
    }
    f64::sqrt(squares / (count - 1.0))
}

/// The value below which `share` of the sample is, between two values in proportion; a negative share takes the nearest.
pub(super) fn between(sample: &mut [f64], share: f64) -> f64 {
    if sample.is_empty() {
        return UNKNOWN;
    }
    sort(sample);
    let at = |place: f64| sample.get(place as usize).copied().unwrap_or(UNKNOWN);
    let place = share * (sample.len() as f64 - 1.0);
    if share < 0.0 {
        return at(place.abs().round());
    }
    let below = at(place.floor());
    let rest = place - place.floor();
    if rest == 0.0 {
        return below;
    }
    below + (at(place.floor() + 1.0) - below) * rest
}
