//! From columns of history to what is drawn: graph period, formula, mirroring, stacks, gaps, and the points of lines and
//! areas cut to the picture.
//!
//! Unknown stays NaN until it becomes a gap; it is never drawn as zero. Within a stack a member that is unknown adds
//! nothing, and only where all are unknown there is a gap.

use std::borrow::Cow;

use ravenry_plugins::graph::{Field, Graph, Kind};

use crate::source::History;

/// What is larger counts as unknown in a picture, so that sums and spans stay finite.
const DRAWN_MAX: f64 = 1e200;

/// When the rows of a column are: row `i` is the mean over `start + i step` to `start + (i + 1) step`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grid {
    pub(super) start: f64,
    pub(super) step: f64,
    pub(super) rows: usize,
}

impl Grid {
    pub(super) fn of(history: &History) -> Self {
        let rows = history.columns.iter().map(|(_, column)| column.len()).max();
        let step = history.step.as_secs_f64();
        Self {
            start: history.start.seconds_f64(),
            step: if step > 0.0 { step } else { 1.0 },
            rows: rows.unwrap_or(0),
        }
    }

    /// The time at which row `index` begins.
    pub(super) fn begin(&self, index: usize) -> f64 {
        self.start + index as f64 * self.step
    }

    /// A grid of rows `factor` times as long.
    pub(super) fn coarser(&self, factor: usize) -> Self {
        Self {
            start: self.start,
            step: self.step * factor as f64,
            rows: self.rows.div_ceil(factor),
        }
    }
}

/// The numbers of `field` as the graph shows them: rates for the graph's period, then its formula. `None` when the
/// history does not have the field.
pub(super) fn shown<'a>(
    graph: &Graph,
    field: &Field,
    history: &'a History,
) -> Option<Cow<'a, [f64]>> {
    super::formula::apply(graph, field, history)
}

/// A column with rates for the graph's period.
pub(super) fn column<'a>(
    graph: &Graph,
    field: &Field,
    history: &'a History,
) -> Option<Cow<'a, [f64]>> {
    let (_, column) = history
        .columns
        .iter()
        .find(|(name, _)| *name == field.name)?;
    let seconds = period_factor(graph, field);
    if seconds == 1.0 {
        return Some(Cow::Borrowed(column));
    }
    Some(Cow::Owned(
        column.iter().map(|number| number * seconds).collect(),
    ))
}

/// What a number of `field` is multiplied by before it is shown.
pub(super) fn period_factor(graph: &Graph, field: &Field) -> f64 {
    match field.kind {
        Kind::Gauge => 1.0,
        Kind::Counter | Kind::Derive | Kind::Absolute => f64::from(graph.period.seconds()),
    }
}

/// How many rows become one so that there are at most `rows_max`.
pub(super) fn factor(grid: Grid, rows_max: usize) -> usize {
    grid.rows.div_ceil(rows_max.max(1)).max(1)
}

/// Rows averaged so that there are at most `rows_max`. What is known in them counts, so that a lone sample stays.
pub(super) fn reduce(grid: Grid, columns: &mut [Vec<f64>], rows_max: usize) -> Grid {
    let factor = factor(grid, rows_max);
    if factor == 1 {
        return grid;
    }
    for column in columns {
        let means = column.chunks(factor).map(|rows| {
            let known = rows.iter().filter(|number| !number.is_nan());
            let (sum, count) = known.fold((0.0, 0_usize), |(sum, count), number| {
                (sum + number, count + 1)
            });
            if count > 0 {
                sum / count as f64
            } else {
                f64::NAN
            }
        });
        *column = means.collect();
    }
    grid.coarser(factor)
}

/// Makes infinities and what cannot be drawn unknown.
pub(super) fn drawable(numbers: &[f64]) -> Vec<f64> {
    let keep = |number: &f64| {
        if number.abs() <= DRAWN_MAX {
            *number
        } else {
            f64::NAN
        }
    };
    numbers.iter().map(keep).collect()
}

/// Adds `numbers` to `sum` row by row; unknown adds nothing, but stays unknown where nothing was known.
pub(super) fn add(sum: &mut Vec<f64>, numbers: &[f64]) {
    if sum.len() < numbers.len() {
        sum.resize(numbers.len(), f64::NAN);
    }
    for (sum, number) in sum.iter_mut().zip(numbers) {
        *sum = match (sum.is_nan(), number.is_nan()) {
            (true, _) => *number,
            (false, true) => *sum,
            (false, false) => *sum + *number,
        };
    }
}

/// Points of lines or areas: runs without a gap, one behind the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// Time in UTC seconds, and the number in the coordinate of the axis.
    pub points: Vec<(f64, f64)>,
    /// The index behind the last point of each run.
    pub ends: Vec<usize>,
}

impl Points {
    /// The runs.
    pub fn runs(&self) -> impl Iterator<Item = &[(f64, f64)]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins
            .zip(&self.ends)
            .filter_map(|(begin, end)| self.points.get(begin..*end))
    }

    fn end_run(&mut self) {
        let begin = self.ends.last().copied().unwrap_or(0);
        if self.points.len() > begin {
            self.ends.push(self.points.len());
        }
    }
}

/// The window that points are cut to, and how wide a lone row is at least.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) x: (f64, f64),
    pub(super) y: (f64, f64),
    pub(super) run_min: f64,
}

/// The points of `rows` (numbers in axis coordinates, NaN for a gap): straight from the middle of a row to the middle of
/// the next, flat in the outer halves of the first and last row of a run. A run is never narrower than the window says.
pub(super) fn trace(grid: Grid, rows: &[f64], window: Window, cut: Cut) -> Points {
    let mut out = Points::default();
    let mut pen = Pen {
        out: &mut out,
        window,
        cut,
        last: None,
    };
    let mut index = 0;
    while let Some(number) = rows.get(index) {
        if number.is_nan() {
            index += 1;
            continue;
        }
        let length = rows
            .iter()
            .skip(index)
            .take_while(|number| !number.is_nan())
            .count();
        pen.run(
            grid,
            index,
            rows.get(index..index + length).unwrap_or_default(),
        );
        index += length;
    }
    out.points.shrink_to_fit();
    out
}

/// What happens to points outside of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// An area ends at the edge.
    Area,
    /// A line is not drawn outside.
    Line,
}

struct Pen<'a> {
    out: &'a mut Points,
    window: Window,
    cut: Cut,
    last: Option<(f64, f64)>,
}

impl Pen<'_> {
    fn run(&mut self, grid: Grid, first: usize, numbers: &[f64]) {
        let (Some(first_number), Some(last_number)) = (numbers.first(), numbers.last()) else {
            return;
        };
        let (mut begin, mut end) = (grid.begin(first), grid.begin(first + numbers.len()));
        let missing = self.window.run_min - (end - begin);
        if missing > 0.0 {
            begin -= missing * 0.5;
            end += missing * 0.5;
        }
        self.last = None;
        self.to((begin, *first_number));
        for (index, number) in numbers.iter().enumerate() {
            self.to((grid.begin(first + index) + grid.step * 0.5, *number));
        }
        self.to((end, *last_number));
        self.out.end_run();
    }

    fn to(&mut self, point: (f64, f64)) {
        if let Some(from) = self.last.replace(point)
            && let Some((a, b)) = between(from, point, self.window.x)
        {
            match self.cut {
                Cut::Area => self.area(a, b),
                Cut::Line => self.line(a, b),
            }
        }
    }

    /// A piece of an area's edge, held within the window and bent where it leaves it.
    fn area(&mut self, a: (f64, f64), b: (f64, f64)) {
        let (low, high) = self.window.y;
        self.push((a.0, a.1.clamp(low, high)));
        let (near, far) = if a.1 < b.1 { (low, high) } else { (high, low) };
        for edge in [near, far] {
            let share = (edge - a.1) / (b.1 - a.1);
            if share > 0.0 && share < 1.0 {
                self.push((a.0 + (b.0 - a.0) * share, edge));
            }
        }
        self.push((b.0, b.1.clamp(low, high)));
    }

    /// A piece of a line, of which only what is inside is kept.
    fn line(&mut self, a: (f64, f64), b: (f64, f64)) {
        let Some((first, last)) = inside(a, b, self.window.y) else {
            self.out.end_run();
            return;
        };
        if self.out.points.last() != Some(&first) {
            self.out.end_run();
        }
        self.push(first);
        self.push(last);
    }

    fn push(&mut self, point: (f64, f64)) {
        let run_begun = self.out.points.len() > self.out.ends.last().copied().unwrap_or(0);
        if !(run_begun && self.out.points.last() == Some(&point)) {
            self.out.points.push(point);
        }
    }
}

type Piece = ((f64, f64), (f64, f64));

/// The part of the piece from `a` to `b` whose numbers lie within `limits`, in its direction.
pub(super) fn inside(a: (f64, f64), b: (f64, f64), limits: (f64, f64)) -> Option<Piece> {
    let flip = |(x, y): (f64, f64)| (y, x);
    let rises = a.1 <= b.1;
    let (low, high) = if rises { (a, b) } else { (b, a) };
    let (low, high) = between(flip(low), flip(high), limits)?;
    let (low, high) = (flip(low), flip(high));
    Some(if rises { (low, high) } else { (high, low) })
}

/// The part of the piece from `a` to `b` (`a.0 <= b.0`) whose first coordinate lies within `limits`.
fn between(a: (f64, f64), b: (f64, f64), limits: (f64, f64)) -> Option<Piece> {
    if b.0 < limits.0 || a.0 > limits.1 {
        return None;
    }
    let at = |x: f64| (x, a.1 + (b.1 - a.1) * ((x - a.0) / (b.0 - a.0)));
    let first = if a.0 < limits.0 { at(limits.0) } else { a };
    let last = if b.0 > limits.1 { at(limits.1) } else { b };
    Some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;

    fn grid(rows: usize) -> Grid {
        Grid {
            start: 0.0,
            step: 10.0,
            rows,
        }
    }

    fn check(rows: &[f64], cut: Cut, expect: &str) {
        let window = Window {
            x: (0.0, 100.0),
            y: (0.0, 10.0),
            run_min: 5.0,
        };
        let points = trace(grid(rows.len()), rows, window, cut);
        let runs = points.runs().map(|run| {
            let points = run.iter().map(|(x, y)| format!("{x},{y}"));
            points.collect::<Vec<_>>().join(" ")
        });
        assert_eq!(runs.collect::<Vec<_>>().join(" | "), expect, "{rows:?}");
    }

    #[test]
    fn gaps_part_runs_and_a_lone_row_is_as_wide_as_it_lasts() {
        check(&[1.0, 3.0], Cut::Line, "0,1 5,1 15,3 20,3");
        check(&[1.0, NAN, 3.0], Cut::Line, "0,1 5,1 10,1 | 20,3 25,3 30,3");
        check(&[1.0, NAN, 3.0], Cut::Area, "0,1 5,1 10,1 | 20,3 25,3 30,3");
        check(&[NAN, NAN], Cut::Area, "");
        check(&[], Cut::Area, "");
    }

    #[test]
    fn what_leaves_the_window_is_cut() {
        check(
            &[5.0, 15.0, 5.0],
            Cut::Area,
            "0,5 5,5 10,10 15,10 20,10 25,5 30,5",
        );
        check(
            &[5.0, 15.0, 5.0],
            Cut::Line,
            "0,5 5,5 10,10 | 20,10 25,5 30,5",
        );
        check(&[15.0, 15.0], Cut::Line, "");
        check(
            &[-5.0, 15.0],
            Cut::Area,
            "0,0 5,0 7.5,0 12.5,10 15,10 20,10",
        );
    }

    #[test]
    fn what_is_known_is_added_and_nothing_is_unknown() {
        let mut sum = vec![1.0, NAN, NAN];
        add(&mut sum, &[2.0, 3.0, NAN, NAN]);
        assert_eq!(format!("{sum:?}"), "[3.0, 3.0, NaN, NaN]");
    }

    #[test]
    fn many_rows_become_at_most_so_many() {
        let mut columns = vec![vec![1.0, 3.0, NAN, 5.0, NAN]];
        let coarse = reduce(grid(5), &mut columns, 3);
        assert_eq!((coarse.rows, coarse.step), (3, 20.0));
        assert_eq!(format!("{columns:?}"), "[[2.0, 5.0, NaN]]");
    }
}
