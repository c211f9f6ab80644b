//! How far the value axis reaches: data, limits of the declaration, thresholds that are near.

use ravenry_plugins::graph::Args;

use super::series::Grid;
use super::stack::{Form, Layer};

/// A threshold or line that is further beyond the axis than this times its span does not stretch it: on an axis from zero
/// one above 1.6 times the data would flatten it too much.
const STRETCH_MAX: f64 = 0.6;
/// How many times the span of the data a band, an earlier line or a trend may add on either side.
const BESIDE_MAX: f64 = 2.0;
/// Air above and below the data.
const AIR: f64 = 0.05;

/// What asks for room.
pub(super) struct Reach<'a> {
    pub(super) layers: &'a [Layer],
    pub(super) grid: Grid,
    pub(super) x: (f64, f64),
    /// Thresholds and lines.
    pub(super) lines: &'a [f64],
    /// Bands, earlier lines, trends: they get so much room as does not flatten the data.
    pub(super) beside: Option<(f64, f64)>,
}

/// The ends of the axis in its own coordinate (decimal logarithms on a logarithmic one), low below high, both finite.
pub(super) fn resolve(args: &Args, reach: &Reach<'_>) -> (f64, f64) {
    let (layers, lines) = (reach.layers, reach.lines);
    if args.logarithmic {
        return logarithmic(args, reach);
    }
    let data = extent(layers, reach.grid, reach.x).map(|data| reach.with_beside(data));
    let (mut low, mut high) = data.unwrap_or((0.0, 1.0));
    if layers.iter().any(|layer| layer.form == Form::Area) || data.is_none() {
        (low, high) = (low.min(0.0), high.max(0.0));
    }
    let limits = (args.lower.map(tame), args.upper.map(tame));
    if let (Some(lower), true) = (limits.0, args.rigid || limits.0 <= Some(low)) {
        low = lower;
    }
    if let (Some(upper), true) = (limits.1, args.rigid || limits.1 >= Some(high)) {
        high = upper;
    }
    let (fixed_low, fixed_high) = (limits.0 == Some(low), limits.1 == Some(high));
    if low > high {
        // Limits that leave nothing between them; the graph is drawn all the same.
        (low, high) = (high, low);
    }
    if !args.rigid {
        (low, high) = stretched((low, high), lines);
    }
    let fixed = (fixed_low || (low == 0.0), fixed_high);
    aired(low, high, fixed)
}

impl Reach<'_> {
    /// The span of the data, and of what is beside it no more than twice as much again.
    fn with_beside(&self, (low, high): (f64, f64)) -> (f64, f64) {
        let Some(beside) = self.beside else {
            return (low, high);
        };
        let size = low.abs().max(high.abs());
        let room = (high - low).max(size * 0.5) * BESIDE_MAX;
        (
            beside.0.clamp(low - room, low),
            beside.1.clamp(high, high + room),
        )
    }
}

/// Numbers of declarations and thresholds may be anything.
fn tame(number: f64) -> f64 {
    number.clamp(-1e200, 1e200)
}

fn extent(layers: &[Layer], grid: Grid, x: (f64, f64)) -> Option<(f64, f64)> {
    let first = ((x.0 - grid.start) / grid.step).floor().max(0.0) as usize;
    let last = ((x.1 - grid.start) / grid.step).ceil().max(0.0) as usize;
    let shown = |layer: &'_ Layer| {
        let rows = layer
            .rows
            .get(first.min(layer.rows.len())..last.min(layer.rows.len()));
        rows.unwrap_or_default()
            .iter()
            .fold(None, |extent: Option<(f64, f64)>, number| {
                if number.is_nan() {
                    return extent;
                }
                let (low, high) = extent.unwrap_or((*number, *number));
                Some((low.min(*number), high.max(*number)))
            })
    };
    layers
        .iter()
        .filter_map(shown)
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

fn stretched((low, high): (f64, f64), lines: &[f64]) -> (f64, f64) {
    let size = low.abs().max(high.abs());
    let room = (high - low).max(size * 0.1) * STRETCH_MAX;
    let near = |line: &&f64| (low - room..high + room).contains(*line);
    lines
        .iter()
        .filter(near)
        .fold((low, high), |(low, high), line| {
            (low.min(*line), high.max(*line))
        })
}

fn aired(low: f64, high: f64, fixed: (bool, bool)) -> (f64, f64) {
    let span = high - low;
    let size = low.abs().max(high.abs());
    if !(span > size * 1e-9 && span > 1e-200) {
        let around = if size > 1e-190 { size * 0.1 } else { 1.0 };
        return match (low >= 0.0, high <= 0.0) {
            (true, true) => (0.0, 1.0),
            (true, false) if fixed.0 => (low, high + around),
            _ => (low - around, high + around),
        };
    }
    let below = if fixed.0 { low } else { low - span * AIR };
    let above = if fixed.1 { high } else { high + span * AIR };
    // What is never negative does not get an axis that is.
    (if low >= 0.0 { below.max(0.0) } else { below }, above)
}

fn logarithmic(args: &Args, reach: &Reach<'_>) -> (f64, f64) {
    let known = || {
        reach
            .layers
            .iter()
            .flat_map(|layer| &layer.rows)
            .copied()
            .chain(reach.beside.map(|(_, high)| tame(high)))
            .filter(|number| *number > 0.0)
    };
    let limit = |limit: Option<f64>| limit.map(tame).filter(|limit| *limit > 0.0);
    let data_low = known().reduce(f64::min);
    let data_high = known().reduce(f64::max);
    let pick =
        |limit: Option<f64>, data: Option<f64>, wider: fn(f64, f64) -> f64| match (limit, data) {
            (Some(limit), Some(data)) if !args.rigid => Some(wider(limit, data)),
            (Some(limit), _) => Some(limit),
            (None, data) => data,
        };
    let low = pick(limit(args.lower), data_low, f64::min)
        .unwrap_or(0.1)
        .log10();
    let high = pick(limit(args.upper), data_high, f64::max)
        .unwrap_or(10.0)
        .log10();
    // At least a decade, and never more than can be told apart.
    let high = high.max(low + 0.5) + 0.05;
    (low.max(high - 30.0) - 0.05, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &Args, form: Form, rows: &[f64], lines: &[f64], expect: (f64, f64)) {
        let layer = Layer {
            form,
            paint: 0,
            rows: rows.to_vec(),
        };
        let grid = Grid {
            start: 0.0,
            step: 1.0,
            rows: rows.len(),
        };
        let reach = Reach {
            layers: &[layer],
            grid,
            x: (0.0, rows.len() as f64),
            lines,
            beside: None,
        };
        let found = resolve(args, &reach);
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + b.abs());
        assert!(
            close(found.0, expect.0) && close(found.1, expect.1),
            "{rows:?}: {found:?}"
        );
    }

    fn limits(lower: Option<f64>, upper: Option<f64>, rigid: bool) -> Args {
        let mut args = Args::default();
        (args.lower, args.upper, args.rigid) = (lower, upper, rigid);
        args
    }

    const LINE: Form = Form::Line(1.0);

    #[test]
    fn the_axis_holds_data_and_limits() {
        check(&Args::default(), LINE, &[40.0, 60.0], &[], (39.0, 61.0));
        check(
            &Args::default(),
            Form::Area,
            &[40.0, 60.0],
            &[],
            (0.0, 63.0),
        );
        check(
            &limits(Some(0.0), None, false),
            LINE,
            &[40.0, 60.0],
            &[],
            (0.0, 63.0),
        );
        check(
            &limits(Some(0.0), Some(100.0), false),
            LINE,
            &[40.0, 60.0],
            &[],
            (0.0, 100.0),
        );
        check(
            &limits(Some(0.0), Some(50.0), false),
            LINE,
            &[40.0, 60.0],
            &[],
            (0.0, 63.0),
        );
        check(
            &limits(Some(0.0), Some(50.0), true),
            LINE,
            &[40.0, 60.0],
            &[],
            (0.0, 50.0),
        );
        check(&Args::default(), LINE, &[0.0, 0.0], &[], (0.0, 1.0));
        check(&Args::default(), LINE, &[f64::NAN], &[], (0.0, 1.05));
        check(
            &Args::default(),
            Form::Area,
            &[-20.0, 20.0],
            &[],
            (-22.0, 22.0),
        );
    }

    #[test]
    fn only_thresholds_that_are_near_stretch_the_axis() {
        check(
            &Args::default(),
            Form::Area,
            &[100.0],
            &[150.0],
            (0.0, 157.5),
        );
        check(
            &Args::default(),
            Form::Area,
            &[100.0],
            &[170.0],
            (0.0, 105.0),
        );
        check(
            &Args::default(),
            LINE,
            &[40.0, 60.0],
            &[30.0, 70.0, 80.0],
            (28.0, 72.0),
        );
    }
}
