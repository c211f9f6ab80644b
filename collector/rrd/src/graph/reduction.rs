//! Rows of a file to longer rows: whole groups of rows become one, on times that are multiples of the longer step.

use crate::definition::Cf;

use super::GraphError;

/// Rows with their times: row `n` covers the `step` seconds up to `start + (n + 1) · step`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rows {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) step: u64,
    pub(super) values: Vec<f64>,
}

impl Rows {
    /// Rows of at least `step` seconds. The first and the last are unknown where the file's rows do not fill them.
    pub(super) fn reduced(self, step: u64, cf: Cf) -> Result<Self, GraphError> {
        if self.step >= step || self.step == 0 {
            return Ok(self);
        }
        let factor = step.div_ceil(self.step);
        let (short, long) = (self.step as i64, self.step.saturating_mul(factor) as i64);
        let (before, after) = (self.start % long, self.end % long);
        let count = (self.end - self.start) / short;
        let skipped = if before == 0 {
            0
        } else {
            (long - before) / short
        };
        let whole = count - skipped - after / short;
        // rrdtool's own test, in its own arithmetic without signs.
        if !(whole as u64).is_multiple_of(factor) {
            return Err(GraphError::new(format!(
                "SANITY CHECK: {} rows cannot be reduced by {factor}",
                whole as u64
            )));
        }
        let mut values = Vec::new();
        if before != 0 {
            values.push(f64::NAN);
        }
        if let (Ok(skipped), Ok(whole)) = (usize::try_from(skipped), usize::try_from(whole)) {
            let rows = self.values.iter().skip(skipped).take(whole);
            let rows: Vec<f64> = rows.copied().collect();
            values.extend(
                rows.chunks(factor as usize)
                    .map(|group| one(group.iter().copied(), cf)),
            );
        }
        if after != 0 {
            values.push(f64::NAN);
        }
        Ok(Self {
            start: self.start - before,
            end: if after == 0 {
                self.end
            } else {
                self.end - after + long
            },
            step: long as u64,
            values,
        })
    }
}

/// One value of the known ones.
pub(super) fn one(values: impl Iterator<Item = f64>, cf: Cf) -> f64 {
    let mut known = values.filter(|value| !value.is_nan());
    let Some(first) = known.next() else {
        return f64::NAN;
    };
    match cf {
        Cf::Average
        | Cf::HwPredict
        | Cf::MhwPredict
        | Cf::DevSeasonal
        | Cf::DevPredict
        | Cf::Seasonal => {
            let (sum, count) = known.fold((first, 1_u32), |(sum, count), value| {
                (sum + value, count + 1)
            });
            sum / f64::from(count)
        }
        Cf::Min => known.fold(
            first,
            |least, value| if least < value { least } else { value },
        ),
        Cf::Max | Cf::Failures => {
            known.fold(first, |most, value| if most > value { most } else { value })
        }
        Cf::Last => known.last().unwrap_or(first),
    }
}
