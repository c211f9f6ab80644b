//! Smoothing a season: every row becomes the mean of its neighbours, and the mean of the whole season moves into the level
//! of the forecast. rrdtool does it once at the end of a call, however many updates that had.

use super::{Forecaster, Model};
use crate::definition::{Cf, Forecast, SMOOTHING_WINDOW};
use crate::header::Archive;
use crate::layout::{CDP_WORDS, INTERCEPT};
use crate::writes::Writes;

impl Forecaster {
    /// Smooths all seasons when an update made that due. Says whether every season belongs to a forecast; the first that
    /// does not ends the work.
    pub(crate) fn smooth(
        &mut self,
        version: u8,
        archives: &[Archive],
        pairs: &mut [u64],
        writes: &mut Writes,
    ) -> bool {
        if !std::mem::take(&mut self.smoothing_is_due) {
            return true;
        }
        for season in &mut self.seasons {
            let archive = &archives[season.archive];
            let Some(Forecast::Season {
                window, predict, ..
            }) = Forecast::from_words(archive.cf, &archive.parameters)
            else {
                continue;
            };
            let window = if version < 4 {
                SMOOTHING_WINDOW
            } else {
                window
            };
            let reach = reach(window, archive.rows);
            let mut cells: Vec<f64> = season
                .cells
                .iter()
                .map(|cell| f64::from_bits(*cell))
                .collect();
            if reach == 0 || cells.iter().any(|cell| cell.is_nan()) {
                continue;
            }
            let means = average(&mut cells, self.width, reach);
            if archive.cf == Cf::Seasonal {
                let predict = predict as usize;
                let Some(model) = Model::of(archives[predict].cf) else {
                    return false;
                };
                let levels = &mut pairs[CDP_WORDS * self.width * predict..];
                lift(&mut cells, &means, model, levels);
            }
            season.cells.clear();
            season.cells.extend(cells.iter().map(|cell| cell.to_bits()));
            writes.push_words(archive.offset, season.cells.iter().copied());
        }
        true
    }

    /// Forgets that seasons are to be smoothed: a call that ends with an error does not.
    pub(crate) fn forget_smoothing(&mut self) {
        self.smoothing_is_due = false;
    }
}

/// Rows on each side that a smoothed row is the mean of; none for a window that no rrdtool writes.
fn reach(window: f64, rows: u64) -> usize {
    if (0.0..=1.0).contains(&window) {
        (window / 2.0 * rows as f64).floor() as usize
    } else {
        0
    }
}

/// Replaces each cell by the mean of `reach` rows before it, itself and `reach` rows behind it, round and round; the mean
/// of all new cells of each column.
fn average(cells: &mut [f64], width: usize, reach: usize) -> Vec<f64> {
    let before = cells.to_vec();
    let rows = cells.len() / width;
    let count = (2 * reach + 1) as f64;
    (0..width)
        .map(|column| {
            let cell = |row: usize| before[row % rows * width + column];
            // The running sum keeps its rounding errors, so the order is in the bytes. The first row of the window is
            // that of `reach` rows before row 0.
            let first = rows - reach % rows;
            let mut sum = (0..2 * reach).fold(0.0, |sum, row| sum + cell(first + row));
            let mut total = 0.0;
            for row in 0..rows {
                sum += cell(row + reach);
                let mean = sum / count;
                cells[row * width + column] = mean;
                total += mean;
                sum -= cell(first + row);
            }
            total / rows as f64
        })
        .collect()
}

/// Moves the mean of each column into the level of the forecast.
fn lift(cells: &mut [f64], means: &[f64], model: Model, levels: &mut [u64]) {
    for row in cells.chunks_exact_mut(means.len()) {
        for (cell, mean) in row.iter_mut().zip(means) {
            *cell = model.first_season(*cell, *mean);
        }
    }
    for (mean, pair) in means.iter().zip(levels.chunks_exact_mut(CDP_WORDS)) {
        pair[INTERCEPT] = (f64::from_bits(pair[INTERCEPT]) + mean).to_bits();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_the_mean_of_its_neighbours() {
        let mut cells = [0.0, 10.0, 3.0, 10.0, 6.0, 10.0, 9.0, 10.0];
        assert_eq!(average(&mut cells, 2, 1), [4.5, 10.0]);
        assert_eq!(cells, [4.0, 10.0, 3.0, 10.0, 6.0, 10.0, 5.0, 10.0]);
    }

    #[test]
    fn a_window_without_neighbours_smooths_nothing() {
        for (window, rows, expect) in [
            (0.05, 40, 1),
            (0.05, 39, 0),
            (1.0, 7, 3),
            (1e300, 7, 0),
            (f64::NAN, 7, 0),
            (-1.0, 7, 0),
        ] {
            assert_eq!(reach(window, rows), expect, "{window} of {rows}");
        }
    }
}
