//! `VDEF`: one value, and perhaps its time, out of rows.

use super::GraphError;
use super::calculation::Series;

/// What is taken of the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// The largest, when it first was.
    Maximum,
    /// The smallest, when it first was.
    Minimum,
    /// The mean.
    Average,
    /// The standard deviation.
    StDev,
    /// The first known, at its begin.
    First,
    /// The last known.
    Last,
    /// The sum over time.
    Total,
    /// The value that so many percent of the rows do not exceed; unknown is smaller than all numbers.
    Percent(f64),
    /// The same of the known rows.
    PercentNan(f64),
    /// Slope a row of the line through the rows with the least squares.
    LslSlope,
    /// Where that line begins.
    LslInt,
    /// How well it fits.
    LslCorrel,
}

/// A value; not all have a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The value.
    pub value: f64,
    /// UTC seconds.
    pub when: Option<i64>,
}

impl Function {
    /// `AVERAGE`, or `95,PERCENT`; `name` is that of the VDEF, for errors.
    pub(super) fn parse(text: &str, name: &str) -> Result<Self, GraphError> {
        let (parameter, word) = match text.split_once(',') {
            Some((parameter, word)) => (crate::decimal::parse(parameter.as_bytes()), word),
            None => (None, text),
        };
        let unknown =
            || GraphError::new(format!("Unknown function string '{text}' in VDEF '{name}'"));
        if text.contains(',') && parameter.is_none() {
            return Err(unknown());
        }
        let percent = || match parameter {
            None => Err(GraphError::new(format!(
                "Function '{word}' needs parameter in VDEF '{name}'"
            ))),
            Some(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
            Some(percent) => Err(GraphError::new(format!(
                "Parameter '{percent:.6}' out of range in VDEF '{name}'"
            ))),
        };
        let function = match word {
            "PERCENT" => return percent().map(Self::Percent),
            "PERCENTNAN" => return percent().map(Self::PercentNan),
            "MAXIMUM" => Self::Maximum,
            "MINIMUM" => Self::Minimum,
            "AVERAGE" => Self::Average,
            "STDEV" => Self::StDev,
            "FIRST" => Self::First,
            "LAST" => Self::Last,
            "TOTAL" => Self::Total,
            "LSLSLOPE" => Self::LslSlope,
            "LSLINT" => Self::LslInt,
            "LSLCORREL" => Self::LslCorrel,
            _ => return Err(unknown()),
        };
        if parameter.is_some() {
            return Err(GraphError::new(format!(
                "Function '{word}' needs no parameter in VDEF '{name}'"
            )));
        }
        Ok(function)
    }

    pub(super) fn of(self, series: &Series) -> Summary {
        let values = &series.values[..];
        match self {
            Self::Maximum => extreme(series, |value, most| value > most),
            Self::Minimum => extreme(series, |value, least| value < least),
            Self::First => known_at(series, values.iter().position(|value| !value.is_nan()), 0),
            Self::Last => known_at(series, values.iter().rposition(|value| !value.is_nan()), 1),
            Self::Average => timeless(average(values)),
            Self::Total => timeless(total(values, series.step)),
            Self::StDev => timeless(deviation(values)),
            Self::Percent(percent) => timeless(ranked(values.to_vec(), percent)),
            Self::PercentNan(percent) => {
                let known = values.iter().copied().filter(|value| !value.is_nan());
                timeless(ranked(known.collect(), percent))
            }
            Self::LslSlope | Self::LslInt | Self::LslCorrel => timeless(self.of_line(values)),
        }
    }

    fn of_line(self, values: &[f64]) -> f64 {
        let (mut count, mut x, mut y, mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (row, value) in values
            .iter()
            .enumerate()
            .filter(|(_, value)| value.is_finite())
        {
            let row = row as f64;
            count += 1.0;
            x += row;
            xx += row * row;
            xy += row * value;
            y += value;
            yy += value * value;
        }
        if count == 0.0 {
            return f64::NAN;
        }
        let slope = (x * y - count * xy) / (x * x - count * xx);
        match self {
            Self::LslSlope => slope,
            Self::LslInt => (y - slope * x) / count,
            _ => (xy - (x * y) / count) / ((xx - (x * x) / count) * (yy - (y * y) / count)).sqrt(),
        }
    }
}

fn timeless(value: f64) -> Summary {
    Summary { value, when: None }
}

/// The value of a row, at its end or its begin.
fn known_at(series: &Series, row: Option<usize>, ends: usize) -> Summary {
    match row {
        None => timeless(f64::NAN),
        Some(row) => Summary {
            value: series.values[row],
            when: Some(series.start + (row + ends) as i64 * series.step as i64),
        },
    }
}

/// The first known value, even an infinite one, unless a finite one is better.
fn extreme(series: &Series, better: impl Fn(f64, f64) -> bool) -> Summary {
    let first = series.values.iter().position(|value| !value.is_nan());
    let best = first.map(|first| {
        (first..series.values.len()).fold(first, |best, row| {
            let value = series.values[row];
            if value.is_finite() && better(value, series.values[best]) {
                row
            } else {
                best
            }
        })
    });
    known_at(series, best, 1)
}

fn finite(values: &[f64]) -> impl Iterator<Item = f64> {
    values.iter().copied().filter(|value| value.is_finite())
}

fn sum(values: &[f64]) -> (f64, f64) {
    finite(values).fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0))
}

fn average(values: &[f64]) -> f64 {
    let (sum, count) = sum(values);
    if count == 0.0 { f64::NAN } else { sum / count }
}

fn total(values: &[f64], step: u64) -> f64 {
    let (sum, count) = sum(values);
    if count == 0.0 {
        f64::NAN
    } else {
        sum * step as f64
    }
}

fn deviation(values: &[f64]) -> f64 {
    let average = average(values);
    if average.is_nan() {
        return f64::NAN;
    }
    let (squares, count) = finite(values).fold((0.0, 0.0), |(squares, count), value| {
        (squares + (value - average) * (value - average), count + 1.0)
    });
    f64::sqrt(squares / count)
}

/// Unknown, negative infinity, numbers, infinity.
fn ranked(mut values: Vec<f64>, percent: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let unknown = |value: &f64| !value.is_nan();
    values.sort_unstable_by(|a, b| unknown(a).cmp(&unknown(b)).then(a.total_cmp(b)));
    let rank = (percent * (values.len() - 1) as f64 / 100.0).round();
    values.get(rank as usize).copied().unwrap_or(f64::NAN)
}
