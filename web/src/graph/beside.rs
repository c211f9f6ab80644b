//! What is drawn beside a field's own means: the band from its least to its greatest numbers, the same period earlier,
//! and the trend.
//!
//! A stack has no band (the least of a sum is not the sum of the least); earlier, and as a trend, it is the one line of
//! its top. The trend is the straight line of least squares through the rows shown, on a logarithmic axis through their
//! logarithms; a forecast is that line drawn on, which says when it meets a threshold.

use ravenry_plugins::graph::{Field, Graph};
use ravenry_plugins::timestamp::Timestamp;

use super::axis;
use super::formula;
use super::legend;
use super::model::{Input, Options, Outline, Plot, Shape, layer_shape, logarithms, member_of};
use super::palette::Paint;
use super::series::{self, Cut, Grid, Points, Window};
use super::stack::{self, Layer, Member};

/// How opaque the band is, and an earlier line, of 255.
const BAND_ALPHA: u8 = 0x38;
const EARLIER_ALPHA: u8 = 0x90;
/// Bands of more fields than these say nothing any more.
const BANDS_MAX: usize = 8;
/// Notes on where trends lead.
const NOTES_MAX: usize = 4;

/// From the least to the greatest of a field.
struct Band {
    paint: usize,
    grid: Grid,
    low: Vec<f64>,
    high: Vec<f64>,
}

/// A straight line `at + slope * (x - from)`, in the coordinate of the axis.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Trend {
    paint: usize,
    middle: f64,
    at: f64,
    slope: f64,
}

/// All of it, for one picture.
#[derive(Default)]
pub(super) struct Beside {
    bands: Vec<Band>,
    earlier: Vec<(Layer, Grid)>,
    trends: Vec<Trend>,
    logarithmic: bool,
}

/// What it is made of.
pub(super) struct Material<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) options: &'a Options,
    /// The drawn fields, before rows are made coarser.
    pub(super) members: &'a [(&'a Field, Member)],
    /// The period, the forecast with it.
    pub(super) x: (f64, f64),
}

impl Beside {
    /// What `options` wants and `input` has; the legend is told about it in words.
    pub(super) fn of(
        material: &Material<'_>,
        paints: &mut Vec<Paint>,
        notes: &mut Vec<String>,
    ) -> Self {
        let mut beside = Self {
            logarithmic: material.input.graph.args.logarithmic,
            ..Self::default()
        };
        if material.options.band {
            beside.bands = bands(material, paints);
        }
        if let Some(earlier) = &material.input.earlier {
            beside.earlier = earlier_lines(material, earlier, paints);
            notes.push(format!("faint line: {} earlier", earlier.words));
        }
        if material.options.trend {
            beside.trends = trends(material);
            notes.push("dashed line: trend".to_owned());
            notes.extend(arrivals(material, &beside.trends));
        }
        beside
    }

    /// The least and the greatest number of it, not a logarithm, within the period.
    pub(super) fn extent(&self, x: (f64, f64)) -> Option<(f64, f64)> {
        let within = |grid: &Grid, rows: &[f64]| {
            let (grid, mut extent) = (*grid, None);
            for (index, number) in rows.iter().enumerate() {
                let inside = grid.begin(index + 1) > x.0 && grid.begin(index) < x.1;
                if inside && !number.is_nan() {
                    extent = wider(extent, Some((*number, *number)));
                }
            }
            extent
        };
        let bands = self.bands.iter().map(|band| {
            wider(
                within(&band.grid, &band.low),
                within(&band.grid, &band.high),
            )
        });
        let earlier = self
            .earlier
            .iter()
            .map(|(layer, grid)| within(grid, &layer.rows));
        let trends = self.trends.iter().map(|trend| {
            let ends = [x.0, x.1].map(|x| {
                let end = trend.value(x);
                if self.logarithmic {
                    10.0_f64.powf(end.clamp(-200.0, 200.0))
                } else {
                    end
                }
            });
            Some((ends[0].min(ends[1]), ends[0].max(ends[1])))
        });
        bands.chain(earlier).chain(trends).fold(None, wider)
    }

    /// What lies below the fields: bands.
    pub(super) fn under(&self, plot: &Plot) -> Vec<Shape> {
        drawn(self.bands.iter().map(|band| self.band_shape(band, plot)))
    }

    /// What lies above them, because areas would hide it: earlier lines, then trends.
    pub(super) fn over(&self, plot: &Plot) -> Vec<Shape> {
        let earlier = self
            .earlier
            .iter()
            .map(|(layer, grid)| layer_shape(layer, *grid, plot, self.logarithmic));
        let trends = self.trends.iter().map(|trend| trend.dashes(plot));
        drawn(earlier.chain(trends))
    }

    fn band_shape(&self, band: &Band, plot: &Plot) -> Shape {
        let window = Window {
            x: plot.x,
            y: plot.y,
            run_min: 0.0,
        };
        let edge = |rows: &[f64]| {
            if !self.logarithmic {
                return series::trace(band.grid, rows, window, Cut::Area);
            }
            // Down to zero is down to the bottom of the axis.
            let mut logarithms = logarithms(rows);
            for (logarithm, number) in logarithms.iter_mut().zip(rows) {
                if logarithm.is_nan() && !number.is_nan() {
                    *logarithm = plot.y.0;
                }
            }
            series::trace(band.grid, &logarithms, window, Cut::Area)
        };
        let (high, low) = (edge(&band.high), edge(&band.low));
        let mut points = Points::default();
        for (high, low) in high.runs().zip(low.runs()) {
            points.points.extend_from_slice(high);
            points.points.extend(low.iter().rev());
            points.ends.push(points.points.len());
        }
        Shape {
            paint: band.paint,
            outline: Outline::Closed,
            points,
        }
    }
}

fn drawn(shapes: impl Iterator<Item = Shape>) -> Vec<Shape> {
    shapes
        .filter(|shape| !shape.points.points.is_empty())
        .collect()
}

fn wider(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (one, None) | (None, one) => one,
    }
}

fn faint(paints: &mut Vec<Paint>, paint: usize, alpha: u8) -> usize {
    if let Some(paint) = paints.get(paint).copied() {
        paints.push(paint.faint(alpha));
    }
    paints.len().saturating_sub(1)
}

fn bands(material: &Material<'_>, paints: &mut Vec<Paint>) -> Vec<Band> {
    let (Some(min), Some(max)) = (material.input.min, material.input.max) else {
        return Vec::new();
    };
    let plain: Vec<Member> = material
        .members
        .iter()
        .map(|(_, member)| member.clone())
        .collect();
    let lone = stack::lone(&plain);
    if lone.len() > BANDS_MAX {
        return Vec::new();
    }
    let mut bands = Vec::new();
    for index in lone {
        let Some((field, member)) = material.members.get(index) else {
            continue;
        };
        let graph = material.input.graph;
        let least = member_of(graph, field, min, member.paint);
        let most = member_of(graph, field, max, member.paint);
        let mirrored = least.mirrored.zip(most.mirrored);
        let sides = [(least.rows, most.rows, &member.rows)].into_iter().chain(
            mirrored
                .zip(member.mirrored.as_ref())
                .map(|((least, most), means)| (least, most, means)),
        );
        for (a, b, means) in sides {
            let Some((grid, low, high)) = edges(material.options, Grid::of(min), &a, &b, means)
            else {
                continue;
            };
            bands.push(Band {
                paint: faint(paints, member.paint, BAND_ALPHA),
                grid,
                low,
                high,
            });
        }
    }
    bands
}

/// The edges of a band, no finer than the picture; none where they are what the line shows already.
fn edges(
    options: &Options,
    grid: Grid,
    a: &[f64],
    b: &[f64],
    means: &[f64],
) -> Option<(Grid, Vec<f64>, Vec<f64>)> {
    let differs = |rows: &[f64]| rows.iter().zip(means).any(|(a, b)| a != b && !a.is_nan());
    if a.len() != b.len() || !(differs(a) || differs(b)) {
        return None;
    }
    // A formula may turn least into greatest.
    let pairs = a.iter().zip(b);
    let (low, high): (Vec<f64>, Vec<f64>) = pairs
        .map(|(a, b)| match a.is_nan() || b.is_nan() {
            true => (f64::NAN, f64::NAN),
            false => (a.min(*b), a.max(*b)),
        })
        .unzip();
    let factor = series::factor(grid, options.rows_max());
    let reduce = |rows: Vec<f64>, pick: fn(f64, f64) -> f64| -> Vec<f64> {
        let chunks = rows.chunks(factor);
        // `min` and `max` keep the number beside a NaN.
        chunks
            .map(|rows| rows.iter().copied().reduce(pick).unwrap_or(f64::NAN))
            .collect()
    };
    Some((
        grid.coarser(factor),
        reduce(low, f64::min),
        reduce(high, f64::max),
    ))
}

/// The history of an earlier period, to be laid over the one that is shown.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// In its own time.
    pub history: &'a crate::source::History,
    /// How much earlier, in seconds.
    pub seconds: u32,
    /// The same in words, such as `a week`.
    pub words: &'a str,
}

fn earlier_lines(
    material: &Material<'_>,
    earlier: &Earlier<'_>,
    paints: &mut Vec<Paint>,
) -> Vec<(Layer, Grid)> {
    let graph = material.input.graph;
    let mut members: Vec<Member> = material
        .members
        .iter()
        .map(|(field, member)| member_of(graph, field, earlier.history, member.paint))
        .collect();
    let grid = Grid::of(earlier.history);
    let mut grid = super::model::coarsen(grid, &mut members, material.options);
    grid.start += f64::from(earlier.seconds);
    stack::outlines(&members)
        .into_iter()
        .map(|layer| {
            let paint = faint(paints, layer.paint, EARLIER_ALPHA);
            (Layer { paint, ..layer }, grid)
        })
        .collect()
}

/// In the colours of the fields, a stack's in that of text.
fn trends(material: &Material<'_>) -> Vec<Trend> {
    let members: Vec<Member> = material
        .members
        .iter()
        .map(|(_, member)| member.clone())
        .collect();
    let grid = Grid::of(material.input.average);
    let x = (material.x.0, material.options.end.seconds_f64());
    let logarithmic = material.input.graph.args.logarithmic;
    let trend = |layer: Layer| {
        let rows = if logarithmic {
            logarithms(&layer.rows)
        } else {
            layer.rows
        };
        Trend::fit(grid, &rows, x, layer.paint)
    };
    stack::outlines(&members)
        .into_iter()
        .filter_map(trend)
        .collect()
}

impl Trend {
    /// The line of least squares through the known rows within `x`; none through fewer than three.
    fn fit(grid: Grid, rows: &[f64], x: (f64, f64), paint: usize) -> Option<Self> {
        const ROWS_MIN: f64 = 3.0;
        let known = || {
            let times = (0..rows.len()).map(|index| grid.begin(index) + grid.step * 0.5);
            let points = times.zip(rows.iter().copied());
            points.filter(|(time, number)| !number.is_nan() && *time >= x.0 && *time <= x.1)
        };
        let count = known().count() as f64;
        if count < ROWS_MIN {
            return None;
        }
        let middle = known().map(|(time, _)| time / count).sum::<f64>();
        let at = known().map(|(_, number)| number / count).sum::<f64>();
        let (mut across, mut along) = (0.0, 0.0);
        for (time, number) in known() {
            across += (time - middle) * (number - at);
            along += (time - middle) * (time - middle);
        }
        let slope = across / along;
        (slope.is_finite() && at.is_finite()).then_some(Self {
            paint,
            middle,
            at,
            slope,
        })
    }

    fn value(&self, x: f64) -> f64 {
        self.at + self.slope * (x - self.middle)
    }

    /// When it has that value; none when it never has.
    fn reaches(&self, value: f64) -> Option<f64> {
        let x = self.middle + (value - self.at) / self.slope;
        x.is_finite().then_some(x)
    }

    fn dashes(&self, plot: &Plot) -> Shape {
        const DASH: f64 = 7.0;
        const GAP: f64 = 4.0;
        let [_, _, width, _] = plot.area;
        let pixel = (plot.x.1 - plot.x.0) / f64::from(width.max(1));
        let mut points = Points::default();
        let mut from = 0.0;
        while from < f64::from(width) {
            let to = (from + DASH).min(f64::from(width));
            let [a, b] = [from, to].map(|column| plot.x.0 + column * pixel);
            let piece = series::inside((a, self.value(a)), (b, self.value(b)), plot.y);
            if let Some((a, b)) = piece {
                points.points.extend([a, b]);
                points.ends.push(points.points.len());
            }
            from += DASH + GAP;
        }
        Shape {
            paint: self.paint,
            outline: Outline::Line(1.0),
            points,
        }
    }
}

/// The trend through the rows of `history` that `column` has, and `more` rows further; unknown where there is none.
pub(crate) fn trend_rows(
    history: &crate::source::History,
    column: &[f64],
    more: usize,
) -> Vec<f64> {
    let grid = Grid {
        rows: column.len(),
        ..Grid::of(history)
    };
    let x = (f64::NEG_INFINITY, f64::INFINITY);
    let trend = Trend::fit(grid, column, x, 0);
    let value = |index| {
        trend.map_or(f64::NAN, |trend| {
            trend.value(grid.begin(index) + grid.step * 0.5)
        })
    };
    (0..column.len() + more).map(value).collect()
}

/// Where trends lead within the forecast: the soonest first, the time before the label, which may be long.
fn arrivals(material: &Material<'_>, trends: &[Trend]) -> Vec<String> {
    let now = material.options.end.seconds_f64();
    let mut arrivals: Vec<(f64, String)> = Vec::new();
    for (field, member) in material.members {
        let Some(trend) = trends.iter().find(|trend| trend.paint == member.paint) else {
            continue;
        };
        for level in levels(material.input.graph, field) {
            let coordinate = if material.input.graph.args.logarithmic {
                level.log10()
            } else {
                level
            };
            let at = trend
                .reaches(coordinate)
                .filter(|at| *at > now && *at <= material.x.1);
            if let Some(at) = at {
                let cell = legend::format_of(material.input.graph).cell(level);
                arrivals.push((at, format!("{} reaches {cell}", field.label)));
            }
        }
    }
    arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let sentence = |(at, what): (f64, String)| {
        let seconds = Timestamp::from_seconds_f64(at)?.seconds();
        let time = axis::written_out(seconds, material.options.zone);
        Some(format!("{time}: {what} by its trend"))
    };
    arrivals
        .into_iter()
        .filter_map(sentence)
        .take(NOTES_MAX)
        .collect()
}

/// The numbers that it matters to reach: thresholds, else the limits of the axis that the plugin gave.
fn levels(graph: &Graph, field: &Field) -> Vec<f64> {
    let ends = [field.warning, field.critical]
        .into_iter()
        .flatten()
        .flat_map(|range| [range.start(), range.end()]);
    let mut levels: Vec<f64> = ends
        .flatten()
        .filter_map(|end| formula::of_number(graph, field, end))
        .collect();
    if levels.is_empty() {
        levels.extend(graph.args.lower.into_iter().chain(graph.args.upper));
    }
    levels.dedup();
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(rows: usize) -> Grid {
        Grid {
            start: 0.0,
            step: 10.0,
            rows,
        }
    }

    #[test]
    fn a_trend_is_the_line_of_least_squares() {
        let check = |rows: &[f64], expect: Option<(f64, f64)>| {
            let trend = Trend::fit(grid(rows.len()), rows, (0.0, 100.0), 0);
            let round = |number: f64| (number * 1e9).round() / 1e9 + 0.0;
            let found = trend.map(|trend| (round(trend.value(0.0)), round(trend.value(100.0))));
            assert_eq!(found, expect, "{rows:?}");
        };
        check(&[0.5, 1.5, 2.5, 3.5], Some((0.0, 10.0)));
        check(&[0.5, f64::NAN, 2.5, 3.5], Some((0.0, 10.0)));
        check(&[2.0, 2.0, 2.0], Some((2.0, 2.0)));
        check(&[1.0, 2.0], None);
        check(&[f64::NAN; 9], None);
    }

    #[test]
    fn a_trend_says_when_it_arrives() {
        let trend = Trend::fit(grid(4), &[0.5, 1.5, 2.5, 3.5], (0.0, 100.0), 0).unwrap();
        let at = trend.reaches(9.0).unwrap();
        assert!((at - 90.0).abs() < 1e-6, "{at}");
        let flat = Trend {
            slope: 0.0,
            ..trend
        };
        assert_eq!(flat.reaches(9.0), None);
    }

    #[test]
    fn a_band_keeps_the_extremes_of_what_it_puts_together() {
        let options = Options {
            size: super::super::Size::Plot(20, 20),
            ..Options::new(Timestamp::from_seconds(0), Timestamp::from_seconds(800))
        };
        let low: Vec<f64> = (0..80).map(f64::from).collect();
        let high: Vec<f64> = low.iter().map(|number| number + 5.0).collect();
        let (grid, a, b) = edges(&options, grid(80), &high, &low, &low).unwrap();
        assert_eq!((grid.step, a[1], b[1]), (20.0, 2.0, 8.0));
        assert!(
            edges(&options, grid, &low, &low, &low).is_none(),
            "no band of no width"
        );
    }
}
