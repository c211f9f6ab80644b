//! A picture with everything resolved: the backends decide nothing.
//!
//! In: a resolved graph, its history, what the reader wants. Out: marks (rectangles and texts in pixels), shapes (points
//! in the coordinates of the axes), colours, and the legend as data. Pure; never panics, whatever the numbers are.

use std::time::Duration;

use chrono_tz::Tz;
use ravenry_plugins::graph::{Field, Graph, Kind};
use ravenry_plugins::name::FieldName;
use ravenry_plugins::timestamp::Timestamp;

use super::beside::{Beside, Earlier, Material};
use super::event::{self, Event};
use super::layout;
use super::legend::{self, Archives, Billing, Legend, Row, Side};
use super::palette::{self, Paint, Palette};
use super::range;
use super::series::{self, Cut, Grid, Points, Window};
use super::stack::{self, Form, Layer, Member};
use super::svg::Theme;
use super::{axis, formula};
use crate::source::History;

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Its means.
    pub average: &'a History,
    /// Its least numbers, for the legend; without it they are the least means.
    pub min: Option<&'a History>,
    /// Its greatest numbers, likewise.
    pub max: Option<&'a History>,
    /// The same period earlier, drawn as faint lines.
    pub earlier: Option<Earlier<'a>>,
    /// What happened in that time, and what would have been told; what is later lies over what is earlier.
    pub events: &'a [Event],
    /// The newest sample of any field.
    pub last_update: Option<Timestamp>,
}

/// What the reader wants to see.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// How large.
    pub size: Size,
    /// PNG pixels a pixel of the layout.
    pub scale: Scale,
    /// Light or dark.
    pub theme: Theme,
    /// The colours of fields that name none.
    pub palette: Palette,
    /// The picture's left edge.
    pub start: Timestamp,
    /// Its right edge.
    pub end: Timestamp,
    /// The zone of all times in it.
    pub zone: Tz,
    /// What stands behind the title, such as `by day`.
    pub title_suffix: Option<String>,
    /// Whether the picture holds the legend; the model has it as data either way.
    pub legend: bool,
    /// Whether warning and critical lines are drawn.
    pub thresholds: bool,
    /// Whether the band from least to greatest is drawn, where the history has it.
    pub band: bool,
    /// Whether the trend is drawn.
    pub trend: bool,
    /// So long the trend goes on behind the end.
    pub forecast: Duration,
    /// Whether the legend has 95th percentile and total.
    pub billing: bool,
    /// Fields that are left out, and what mirrors them; the others keep their colours.
    pub hidden: Vec<FieldName>,
}

impl Options {
    /// Munin's size, light, in UTC, with everything.
    #[must_use]
    pub fn new(start: Timestamp, end: Timestamp) -> Self {
        Self {
            size: Size::Plot(400, 175),
            scale: Scale::One,
            theme: Theme::Light,
            palette: Palette::default(),
            start,
            end,
            zone: Tz::UTC,
            title_suffix: None,
            legend: true,
            thresholds: true,
            band: true,
            trend: false,
            forecast: Duration::ZERO,
            billing: false,
            hidden: Vec::new(),
        }
    }

    /// Rows that a picture of this size is made of at most: two a pixel.
    pub(super) fn rows_max(&self) -> usize {
        let (Size::Plot(width, _) | Size::Picture(width, _)) = self.size;
        layout::clamp_side(width) as usize * 2
    }

    /// Whether `field` is a part of the picture.
    pub(super) fn shows(&self, field: &Field) -> bool {
        field.drawn && !self.hidden.contains(&field.name)
    }
}

/// The size in pixels of the layout, brought to between 20 and 4000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// Of the plot; the rest comes around it (Munin's and rrdtool's way).
    Plot(u32, u32),
    /// Of the whole picture. What does not fit is left out: legend first, then labels.
    Picture(u32, u32),
}

/// How many pixels of PNG a pixel of the layout has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scale {
    /// One.
    #[default]
    One,
    /// Two, for dense screens.
    Two,
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// In pixels of the layout.
    pub width: u32,
    /// In pixels of the layout.
    pub height: u32,
    /// For PNG.
    pub scale: Scale,
    /// Which side of the paints is used.
    pub theme: Theme,
    /// Title with suffix, also for readers that are not shown it.
    pub title: String,
    /// The picture in words.
    pub description: String,
    /// All colours; marks and shapes hold indexes.
    pub paints: Vec<Paint>,
    /// The plot; none when nothing fits.
    pub plot: Option<Plot>,
    /// Painted first, in order.
    pub under: Vec<Mark>,
    /// Painted next, in order.
    pub shapes: Vec<Shape>,
    /// Painted last, in order.
    pub over: Vec<Mark>,
    /// The numbers.
    pub legend: Legend,
}

/// Where the plot is and what its axes hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plot {
    /// Left, top, width, height in pixels.
    pub area: [u32; 4],
    /// The period in UTC seconds.
    pub x: (f64, f64),
    /// The values at bottom and top; decimal logarithms on a logarithmic axis.
    pub y: (f64, f64),
}

/// A rectangle or a text, in pixels of the layout.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// A filled rectangle: left, top, width, height.
    Rectangle([f32; 4], usize),
    /// A text.
    Text(Text),
}

/// A text and the point it is held at, on its base line.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// The point.
    pub at: (f32, f32),
    /// Where in the text the point is.
    pub anchor: Anchor,
    /// What it says.
    pub text: String,
    /// Pixels an em.
    pub size: f32,
    /// Index of its colour.
    pub paint: usize,
    /// Whether it runs upwards.
    pub upright: bool,
}

/// Where in a text the point is that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At its beginning.
    Start,
    /// In its middle.
    Middle,
    /// At its end.
    End,
}

/// A series as it is painted.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Index of its colour.
    pub paint: usize,
    /// Area or line.
    pub outline: Outline,
    /// In the coordinates of the axes, cut to them.
    pub points: Points,
}

/// How a series is painted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outline {
    /// Filled to this value.
    Area(f64),
    /// A line so many pixels wide.
    Line(f64),
    /// Filled; each run goes all the way around.
    Closed,
}

/// Indexes of the colours that every picture has; those of fields come behind.
pub(super) mod paint {
    pub(in super::super) const GROUND: usize = 0;
    pub(in super::super) const CANVAS: usize = 1;
    pub(in super::super) const GRID: usize = 2;
    pub(in super::super) const GRID_MAJOR: usize = 3;
    pub(in super::super) const AXIS: usize = 4;
    pub(in super::super) const TEXT: usize = 5;
    pub(in super::super) const MUTED: usize = 6;
    pub(in super::super) const NO_DATA: usize = 7;
    pub(in super::super) const WARNING: usize = 8;
    pub(in super::super) const CRITICAL: usize = 9;
    pub(in super::super) const TOTAL: usize = 10;
    pub(in super::super) const UNKNOWN: usize = 11;
    pub(in super::super) const DOWNTIME: usize = 12;
    pub(in super::super) const DOWNTIME_STRIP: usize = 13;
}

pub(super) fn fixed_paints() -> Vec<Paint> {
    use palette::{
        AXIS, CANVAS, CRITICAL, DOWNTIME, DOWNTIME_STRIP, GRID, GRID_MAJOR, GROUND, MUTED, NO_DATA,
        TEXT, TOTAL, UNKNOWN, WARNING,
    };
    vec![
        GROUND,
        CANVAS,
        GRID,
        GRID_MAJOR,
        AXIS,
        TEXT,
        MUTED,
        NO_DATA,
        WARNING,
        CRITICAL,
        TOTAL,
        UNKNOWN,
        DOWNTIME,
        DOWNTIME_STRIP,
    ]
}

/// A horizontal line across the plot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) at: f64,
    pub(super) paint: usize,
    /// Dash and gap in pixels; a gap of zero is a plain line.
    pub(super) dash: (f32, f32),
}

impl Model {
    /// Resolves everything.
    #[must_use]
    pub fn resolve(input: &Input<'_>, options: &Options) -> Self {
        Self::resolve_with(input, options, layout::Dress::Full)
    }

    /// A sparkline: the shapes alone, without ground, over the whole of the picture's size; for lists.
    #[must_use]
    pub fn sparkline(input: &Input<'_>, options: &Options) -> Self {
        Self::resolve_with(input, options, layout::Dress::Bare)
    }

    fn resolve_with(input: &Input<'_>, options: &Options, dress: layout::Dress) -> Self {
        let mut paints = fixed_paints();
        let (members, mut legend) = gather(input, options, &mut paints);
        let title = match &options.title_suffix {
            Some(suffix) => format!("{} – {suffix}", input.graph.title),
            None => input.graph.title.clone(),
        };
        let rules = rules(input.graph, options, &members, &mut paints);
        let x = period(options);
        let beside = match dress {
            layout::Dress::Full => {
                let material = Material {
                    input,
                    options,
                    members: &members,
                    x,
                };
                Beside::of(&material, &mut paints, &mut legend.notes)
            }
            layout::Dress::Bare => Beside::default(),
        };
        legend.notes.extend(event::notes(input.events));
        let mut members: Vec<Member> = members.into_iter().map(|(_, member)| member).collect();
        let grid = coarsen(Grid::of(input.average), &mut members, options);
        let mut layers = stack::layers(&members);
        layers.extend(total_layers(input.graph, &members));
        let reach = range::Reach {
            layers: &layers,
            grid,
            x,
            lines: &rules.iter().map(|rule| rule.at).collect::<Vec<f64>>(),
            beside: beside.extent(x),
        };
        let y = range::resolve(&input.graph.args, &reach);
        // Behind the end nothing is missing yet.
        let end = options.end.seconds_f64();
        let gaps = gaps(&members, grid, (x.0, end.clamp(x.0, x.1)));
        let mut model = Self {
            width: 0,
            height: 0,
            scale: options.scale,
            theme: options.theme,
            description: description(&legend, options),
            title,
            paints,
            plot: None,
            under: Vec::new(),
            shapes: Vec::new(),
            over: Vec::new(),
            legend,
        };
        let content = layout::Content {
            x,
            y,
            gaps,
            rules,
            logarithmic: input.graph.args.logarithmic,
        };
        match dress {
            layout::Dress::Full => layout::lay_out(&mut model, input, options, &content),
            layout::Dress::Bare => layout::lay_out_bare(&mut model, options, &content),
        }
        if let Some(plot) = model.plot {
            model.shapes = beside.under(&plot);
            let own = shapes(&layers, grid, &plot, input.graph.args.logarithmic);
            model.shapes.extend(own);
            model.shapes.extend(beside.over(&plot));
        }
        model
    }
}

/// The period, at least a second long.
fn period(options: &Options) -> (f64, f64) {
    let start = options.start.seconds_f64();
    let end = options.end.seconds_f64() + options.forecast.as_secs_f64();
    (start, end.max(start + 1.0))
}

/// The drawn fields with their rows, and the legend.
fn gather<'a>(
    input: &Input<'a>,
    options: &Options,
    paints: &mut Vec<Paint>,
) -> (Vec<(&'a Field, Member)>, Legend) {
    let graph = input.graph;
    let mut members = Vec::new();
    let mut legend = Legend::default();
    for (index, field) in graph.fields.iter().filter(|field| field.drawn).enumerate() {
        if !options.shows(field) {
            continue;
        }
        let colour = match field.colour {
            Some(colour) => options.palette.of_plugin(colour),
            None => options.palette.colour(index),
        };
        let paint = Paint::of_field(colour);
        let partner = field
            .negative
            .as_ref()
            .and_then(|name| graph.field(name.as_str()));
        let side = if partner.is_some() {
            Side::Up
        } else {
            Side::Alone
        };
        legend
            .rows
            .push(row(input, options, (field, field), paint, side));
        if let Some(partner) = partner {
            let named = (partner, field);
            legend
                .rows
                .push(row(input, options, named, paint, Side::Down));
        }
        let member = member_of(graph, field, input.average, paints.len());
        members.push((field, member));
        paints.push(paint);
    }
    legend.rows.extend(total_rows(input, options));
    legend.billing = options.billing;
    (members, legend)
}

/// A field with its mirrored partner as `history` has them.
pub(super) fn member_of(graph: &Graph, field: &Field, history: &History, paint: usize) -> Member {
    let rows_of = |field: &Field| {
        series::shown(graph, field, history).map_or_else(Vec::new, |rows| series::drawable(&rows))
    };
    let partner = field
        .negative
        .as_ref()
        .and_then(|name| graph.field(name.as_str()));
    Member {
        draw: field.draw,
        paint,
        rows: rows_of(field),
        mirrored: partner.map(|partner| {
            let rows = rows_of(partner).into_iter();
            rows.map(|number| -number).collect()
        }),
    }
}

/// The newest rows, one of which must be known for a current number.
const CURRENT_ROWS: usize = 3;

/// The legend's row for the numbers of `field` under the name of `named`.
fn row(
    input: &Input<'_>,
    options: &Options,
    (field, named): (&Field, &Field),
    paint: Paint,
    side: Side,
) -> Row {
    let of = |history| series::shown(input.graph, field, history);
    let (average, min, max) = (
        of(input.average),
        input.min.and_then(of),
        input.max.and_then(of),
    );
    let archives = Archives {
        average: average.as_deref().unwrap_or_default(),
        min: min.as_deref(),
        max: max.as_deref(),
        current_rows: CURRENT_ROWS,
    };
    let seconds = match field.kind {
        // Nothing can be said of what a gauge adds up to.
        Kind::Gauge => None,
        Kind::Counter | Kind::Derive | Kind::Absolute => Some(seconds_a_row(input)),
    };
    let billing = options
        .billing
        .then(|| Billing::of(&archives, seconds, &legend::format_of(input.graph)));
    Row {
        field: Some(field.name.clone()),
        billing,
        ..row_of_numbers(input.graph, &named.label, paint, side, archives.numbers())
    }
}

/// What a row of a rate counts for in a sum: its time in the graph's period.
fn seconds_a_row(input: &Input<'_>) -> f64 {
    input.average.step.as_secs_f64() / f64::from(input.graph.period.seconds())
}

fn row_of_numbers(graph: &Graph, label: &str, paint: Paint, side: Side, numbers: [f64; 4]) -> Row {
    let format = legend::format_of(graph);
    Row {
        field: None,
        label: label.to_owned(),
        paint,
        side,
        numbers,
        billing: None,
        cells: numbers.map(|number| format.cell(number)),
    }
}

/// The rows of `graph_total`: what is drawn upwards, then what is mirrored.
fn total_rows(input: &Input<'_>, options: &Options) -> Vec<Row> {
    let graph = input.graph;
    let Some(label) = &graph.total else {
        return Vec::new();
    };
    let sum = |fields: &[&Field], history: &History| {
        let mut sum = Vec::new();
        for field in fields {
            if let Some(rows) = series::shown(graph, field, history) {
                series::add(&mut sum, &rows);
            }
        }
        sum
    };
    let shown = graph.fields.iter().filter(|field| options.shows(field));
    let drawn: Vec<&Field> = shown.collect();
    let partner = |field: &&Field| {
        field
            .negative
            .as_ref()
            .and_then(|name| graph.field(name.as_str()))
    };
    let mirrored: Vec<&Field> = drawn.iter().filter_map(partner).collect();
    let total = |fields: &[&Field], side| {
        // The least of a sum is not the sum of the least: it is taken of the summed means.
        let average = sum(fields, input.average);
        let archives = Archives {
            average: &average,
            current_rows: CURRENT_ROWS,
            ..Archives::default()
        };
        let counted = fields.iter().all(|field| field.kind != Kind::Gauge);
        let seconds = counted.then(|| seconds_a_row(input));
        let billing = options
            .billing
            .then(|| Billing::of(&archives, seconds, &legend::format_of(graph)));
        Row {
            billing,
            ..row_of_numbers(graph, label, palette::TOTAL, side, archives.numbers())
        }
    };
    if mirrored.is_empty() {
        vec![total(&drawn, Side::Alone)]
    } else {
        vec![total(&drawn, Side::Up), total(&mirrored, Side::Down)]
    }
}

fn total_layers(graph: &Graph, members: &[Member]) -> Vec<Layer> {
    if graph.total.is_none() {
        return Vec::new();
    }
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for member in members {
        series::add(&mut above, &member.rows);
        series::add(&mut below, member.mirrored.as_deref().unwrap_or_default());
    }
    let layer = |rows| Layer {
        form: Form::Line(1.0),
        paint: paint::TOTAL,
        rows,
    };
    [above, below]
        .into_iter()
        .filter(|rows| !rows.is_empty())
        .map(layer)
        .collect()
}

/// Makes rows so coarse that there are no more than two a pixel.
pub(super) fn coarsen(grid: Grid, members: &mut [Member], options: &Options) -> Grid {
    let rows_max = options.rows_max();
    let columns = |member: &mut Member| {
        std::iter::once(std::mem::take(&mut member.rows))
            .chain(member.mirrored.take())
            .collect()
    };
    let mut coarse = grid;
    for member in members {
        let mut columns: Vec<Vec<f64>> = columns(member);
        coarse = series::reduce(grid, &mut columns, rows_max);
        let mut columns = columns.into_iter();
        member.rows = columns.next().unwrap_or_default();
        member.mirrored = columns.next();
    }
    coarse
}

/// Lines of fields and, where wanted, thresholds, each once.
fn rules(
    graph: &Graph,
    options: &Options,
    members: &[(&Field, Member)],
    paints: &mut Vec<Paint>,
) -> Vec<Rule> {
    const THRESHOLDS_MAX: usize = 8;
    let mut thresholds: Vec<Rule> = Vec::new();
    let mut lines = Vec::new();
    for (field, member) in members {
        if let Some(line) = &field.line {
            let own = line
                .colour
                .map(|colour| Paint::of_field(options.palette.of_plugin(colour)));
            let paint = own.map_or(member.paint, |own| {
                paints.push(own);
                paints.len() - 1
            });
            lines.push(Rule {
                at: line.at,
                paint,
                dash: (1.0, 0.0),
            });
        }
        push_thresholds(graph, field, 1.0, &mut thresholds);
        if let Some(partner) = field
            .negative
            .as_ref()
            .and_then(|name| graph.field(name.as_str()))
        {
            push_thresholds(graph, partner, -1.0, &mut thresholds);
        }
    }
    // More than a few different ones say nothing any more.
    if options.thresholds && thresholds.len() <= THRESHOLDS_MAX {
        lines.extend(thresholds);
    }
    if graph.args.logarithmic {
        lines.retain(|line| line.at > 0.0);
        for line in &mut lines {
            line.at = line.at.log10();
        }
    }
    lines
}

fn push_thresholds(graph: &Graph, field: &Field, sign: f64, rules: &mut Vec<Rule>) {
    let kinds = [
        (field.warning, paint::WARNING, (4.0, 4.0)),
        (field.critical, paint::CRITICAL, (9.0, 4.0)),
    ];
    for (range, paint, dash) in kinds {
        let ends = range
            .map(|range| [range.start(), range.end()])
            .unwrap_or_default();
        for end in ends.into_iter().flatten() {
            let Some(at) = formula::of_number(graph, field, end) else {
                continue;
            };
            let rule = Rule {
                at: at * sign,
                paint,
                dash,
            };
            if rule.at.is_finite() && !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
}

/// The parts of the period in which no drawn field is known.
fn gaps(members: &[Member], grid: Grid, x: (f64, f64)) -> Vec<(f64, f64)> {
    let columns = members
        .iter()
        .flat_map(|member| std::iter::once(&member.rows).chain(&member.mirrored));
    let mut known = vec![false; grid.rows];
    for column in columns {
        for (known, number) in known.iter_mut().zip(column) {
            *known |= !number.is_nan();
        }
    }
    let mut gaps = Vec::new();
    let mut from = x.0;
    for (index, known) in known.into_iter().enumerate() {
        let (begin, end) = (grid.begin(index), grid.begin(index + 1));
        if known && end > x.0 && begin < x.1 {
            if begin > from {
                gaps.push((from, begin));
            }
            from = end;
        }
    }
    if from < x.1 {
        gaps.push((from, x.1));
    }
    // The row at either edge is not whole yet, or no longer there.
    gaps.retain(|gap| gap.1 - gap.0 > 2.0 * grid.step || (gap.0 > x.0 && gap.1 < x.1));
    gaps
}

fn shapes(layers: &[Layer], grid: Grid, plot: &Plot, logarithmic: bool) -> Vec<Shape> {
    layers
        .iter()
        .map(|layer| layer_shape(layer, grid, plot, logarithmic))
        .filter(|shape| !shape.points.points.is_empty())
        .collect()
}

/// A layer in the coordinates of the axes; without points when none of it is in the plot.
pub(super) fn layer_shape(layer: &Layer, grid: Grid, plot: &Plot, logarithmic: bool) -> Shape {
    // A lone sample of a line is a dash, which must not be missed.
    const AREA_PIXELS_MIN: f64 = 2.0;
    const LINE_PIXELS_MIN: f64 = 5.0;
    let [_, _, width, _] = plot.area;
    let pixel = (plot.x.1 - plot.x.0) / f64::from(width);
    let (cut, outline, pixels_min) = match layer.form {
        Form::Area if logarithmic => (Cut::Area, Outline::Area(plot.y.0), AREA_PIXELS_MIN),
        Form::Area => {
            let base = 0.0_f64.clamp(plot.y.0, plot.y.1);
            (Cut::Area, Outline::Area(base), AREA_PIXELS_MIN)
        }
        Form::Line(width) => {
            let outline = Outline::Line(width.clamp(0.5, 20.0));
            (Cut::Line, outline, LINE_PIXELS_MIN)
        }
    };
    let window = Window {
        x: plot.x,
        y: plot.y,
        run_min: pixel * pixels_min,
    };
    let points = if logarithmic {
        series::trace(grid, &logarithms(&layer.rows), window, cut)
    } else {
        series::trace(grid, &layer.rows, window, cut)
    };
    Shape {
        paint: layer.paint,
        outline,
        points,
    }
}

/// What is zero or less is not on the axis and becomes a gap.
pub(super) fn logarithms(rows: &[f64]) -> Vec<f64> {
    rows.iter()
        .map(|number| {
            if *number > 0.0 {
                number.log10()
            } else {
                f64::NAN
            }
        })
        .collect()
}

fn description(legend: &Legend, options: &Options) -> String {
    const ROWS_MAX: usize = 30;
    let time = |time: Timestamp| axis::written_out(time.seconds(), options.zone);
    let mut text = format!("From {} to {}.", time(options.start), time(options.end));
    for row in legend.rows.iter().take(ROWS_MAX) {
        text.push(' ');
        text.push_str(&row.in_words());
        text.push('.');
    }
    for note in &legend.notes {
        text.push(' ');
        text.push_str(note);
        text.push('.');
    }
    text
}
