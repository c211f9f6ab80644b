//! The operators of a counted number of values: the count is on top of the stack, the values below it. They work on the
//! stack in place.

use super::machine::pop;
use super::{Operator, RpnError, STACK_MAX};

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
        Operator::Sort => values.sort_unstable_by(unknown_first),
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

fn unknown_first(a: &f64, b: &f64) -> std::cmp::Ordering {
    b.is_nan()
        .cmp(&a.is_nan())
        .then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
}

fn summary(operator: Operator, values: &mut [f64], percent: f64) -> f64 {
    match operator {
        Operator::Percent => {
            values.sort_unstable_by(unknown_first);
            // For the lowest percentages rrdtool reads what lies before its values; here it is the smallest.
            let rank = (percent * values.len() as f64 / 100.0).round() as usize;
            values
                .get(rank.saturating_sub(1))
                .copied()
                .unwrap_or(f64::NAN)
        }
        Operator::Avg => mean(values),
        Operator::SMin => values.iter().copied().fold(f64::NAN, f64::min),
        Operator::SMax => values.iter().copied().fold(f64::NAN, f64::max),
        Operator::StDev => deviation(values),
        Operator::Median => {
            values.sort_unstable_by(unknown_first);
            let known = &values[values.iter().take_while(|value| value.is_nan()).count()..];
            let middle = known.len() / 2;
            match known {
                [] => f64::NAN,
                _ if known.len() % 2 == 1 => known[middle],
                _ => (known[middle - 1] + known[middle]) / 2.0,
            }
        }
        _ => f64::NAN,
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
    if count > 0.0 { sum / count } else { f64::NAN }
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
        return f64::NAN;
    }
    f64::sqrt(squares / (count - 1.0))
}

/// The value below which `share` of the sample is, between two values in proportion; a negative share takes the nearest.
pub(super) fn between(sample: &mut [f64], share: f64) -> f64 {
    if sample.is_empty() {
        return f64::NAN;
    }
    sample.sort_unstable_by(unknown_first);
    let at = |place: f64| sample.get(place as usize).copied().unwrap_or(f64::NAN);
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
