//! Where everything goes: title at the top, axes around the plot, the legend as a table below.

use chrono_tz::Tz;
use ravenry_plugins::timestamp::Timestamp;

use super::axis::{self, ValueTick};
use super::event::{self, Event, EventKind};
use super::font::{self, TEXT_PX, TITLE_PX};
use super::legend::{Row, base_of};
use super::model::{Anchor, Input, Mark, Model, Options, Plot, Rule, Size, Text, paint};
use super::number::Cell;

/// What the plot holds, in the coordinates of the axes.
pub(super) struct Content {
    pub(super) x: (f64, f64),
    pub(super) y: (f64, f64),
    pub(super) gaps: Vec<(f64, f64)>,
    pub(super) rules: Vec<Rule>,
    pub(super) logarithmic: bool,
}

/// What is put around the shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dress {
    /// Title, axes, legend, as far as they fit.
    Full,
    /// Nothing.
    Bare,
}

const MARGIN: f32 = 8.0;
const TITLE_HEIGHT: f32 = 24.0;
const VLABEL_WIDTH: f32 = 16.0;
const TICK_GAP: f32 = 5.0;
const RIGHT: f32 = 16.0;
const TIME_LABELS_HEIGHT: f32 = 18.0;
const LINE_HEIGHT: f32 = 15.0;
const LEGEND_GAP: f32 = 10.0;
const SWATCH: f32 = 9.0;
const LEGEND_ROWS_MAX: usize = 64;
/// A plot must keep this much before anything is put beside it.
const PLOT_MIN: (f32, f32) = (60.0, 40.0);

/// A side of a picture that can be made.
pub(super) fn clamp_side(pixels: u32) -> u32 {
    pixels.clamp(20, 4000)
}

/// What is put around the plot.
#[derive(Clone, Copy, Debug)]
struct Around {
    labels: bool,
    legend: bool,
}

/// The frame: the plot and what is left and below of it.
#[derive(Clone, Copy, Debug)]
struct Frame {
    around: Around,
    plot: [f32; 4],
    width: f32,
    height: f32,
}

/// Fills in sizes, plot and marks.
pub(super) fn lay_out(model: &mut Model, input: &Input<'_>, options: &Options, content: &Content) {
    let legend_height = legend_height(model);
    let frame = frame(options, legend_height, |plot_height| {
        left_of(input, content, plot_height)
    });
    (model.width, model.height) = (frame.width as u32, frame.height as u32);
    model.plot = Some(Plot {
        area: frame.plot.map(|side| side as u32),
        x: content.x,
        y: content.y,
    });
    let mut painter = Painter { model, frame };
    painter.ground();
    painter.gaps(content);
    painter.events_under(content, input.events);
    let values = value_ticks(input, content, frame.plot[3]);
    painter.value_axis(&values, content);
    painter.time_axis(content, options.zone);
    painter.rules(content);
    painter.events_over(content, input.events);
    if frame.around.labels {
        painter.title();
        painter.vlabel(input.graph.vlabel.as_deref());
    }
    if frame.around.legend {
        painter.legend();
        painter.footer(input.last_update, options);
    }
}

/// Fills in sizes, plot and the bands without data, and nothing else.
pub(super) fn lay_out_bare(model: &mut Model, options: &Options, content: &Content) {
    let (Size::Plot(width, height) | Size::Picture(width, height)) = options.size;
    let (width, height) = (clamp_side(width), clamp_side(height));
    (model.width, model.height) = (width, height);
    model.plot = Some(Plot {
        area: [0, 0, width, height],
        x: content.x,
        y: content.y,
    });
    let around = Around {
        labels: false,
        legend: false,
    };
    let frame = Frame {
        around,
        plot: [0.0, 0.0, width as f32, height as f32],
        width: width as f32,
        height: height as f32,
    };
    Painter { model, frame }.gaps(content);
}

fn legend_height(model: &Model) -> f32 {
    let rows = model.legend.rows.len().min(LEGEND_ROWS_MAX);
    let more = usize::from(model.legend.rows.len() > LEGEND_ROWS_MAX);
    LEGEND_GAP + LINE_HEIGHT * (rows + more + model.legend.notes.len() + 2) as f32
}

/// The room left of the plot: label, tick labels, gaps.
fn left_of(input: &Input<'_>, content: &Content, plot_height: f32) -> f32 {
    let ticks = value_ticks(input, content, plot_height);
    let widest = ticks
        .iter()
        .map(|tick| font::width(&tick.label, TEXT_PX))
        .fold(0.0, f32::max);
    let vlabel = if input.graph.vlabel.is_some() {
        VLABEL_WIDTH
    } else {
        0.0
    };
    // In steps, so that the plots of graphs below each other mostly begin at the same place.
    let room = MARGIN + vlabel + widest + TICK_GAP;
    (room / 8.0).ceil() * 8.0
}

fn frame(options: &Options, legend_height: f32, left_of: impl Fn(f32) -> f32) -> Frame {
    let side = |pixels: u32| clamp_side(pixels) as f32;
    let legend = if options.legend { legend_height } else { 0.0 };
    match options.size {
        Size::Plot(width, height) => {
            let (width, height) = (side(width), side(height));
            let left = left_of(height);
            Frame {
                around: Around {
                    labels: true,
                    legend: options.legend,
                },
                plot: [left, TITLE_HEIGHT, width, height],
                width: left + width + RIGHT,
                height: TITLE_HEIGHT + height + TIME_LABELS_HEIGHT + legend + 4.0,
            }
        }
        Size::Picture(width, height) => {
            let (width, height) = (side(width), side(height));
            let spare = height - TITLE_HEIGHT - TIME_LABELS_HEIGHT - 4.0;
            let legend_fits = options.legend && spare - legend >= PLOT_MIN.1;
            let plot_height = spare - if legend_fits { legend } else { 0.0 };
            let left = left_of(plot_height.max(1.0));
            let labels = plot_height >= PLOT_MIN.1 && width - left - RIGHT >= PLOT_MIN.0;
            let around = Around {
                labels,
                legend: legend_fits && labels,
            };
            let plot = if labels {
                [left, TITLE_HEIGHT, width - left - RIGHT, plot_height]
            } else {
                [0.0, 0.0, width, height]
            };
            Frame {
                around,
                plot,
                width,
                height,
            }
        }
    }
}

fn value_ticks(input: &Input<'_>, content: &Content, height: f32) -> Vec<ValueTick> {
    let (low, high) = content.y;
    let (scale, base) = (input.graph.scale, base_of(input.graph));
    if input.graph.args.logarithmic {
        axis::log_ticks(low, high, height, scale, base)
    } else {
        axis::value_ticks(low, high, height, scale, base)
    }
}

struct Painter<'m> {
    model: &'m mut Model,
    frame: Frame,
}

impl Painter<'_> {
    fn under(&mut self, rectangle: [f32; 4], paint: usize) {
        self.model.under.push(Mark::Rectangle(rectangle, paint));
    }

    fn over(&mut self, rectangle: [f32; 4], paint: usize) {
        self.model.over.push(Mark::Rectangle(rectangle, paint));
    }

    fn text(&mut self, at: (f32, f32), anchor: Anchor, text: impl Into<String>, paint: usize) {
        self.model.over.push(Mark::Text(Text {
            at,
            anchor,
            text: text.into(),
            size: TEXT_PX,
            paint,
            upright: false,
        }));
    }

    fn ground(&mut self) {
        self.under(
            [0.0, 0.0, self.frame.width, self.frame.height],
            paint::GROUND,
        );
        self.under(self.frame.plot, paint::CANVAS);
    }

    /// The whole pixel column at which a time is.
    fn column(&self, content: &Content, time: f64) -> f32 {
        let [left, _, width, _] = self.frame.plot;
        let share = (time - content.x.0) / (content.x.1 - content.x.0);
        left + (share * f64::from(width))
            .round()
            .clamp(0.0, f64::from(width)) as f32
    }

    /// The whole pixel row whose upper edge is nearest to a value; none when it is not on the axis.
    fn line(&self, content: &Content, value: f64) -> Option<f32> {
        let [_, top, _, height] = self.frame.plot;
        let share = (content.y.1 - value) / (content.y.1 - content.y.0);
        (-1e-9..=1.0 + 1e-9)
            .contains(&share)
            .then(|| top + (share * f64::from(height)).round() as f32)
    }

    fn gaps(&mut self, content: &Content) {
        const NO_DATA: &str = "no data";
        let [_, top, _, height] = self.frame.plot;
        for gap in &content.gaps {
            let (from, to) = (self.column(content, gap.0), self.column(content, gap.1));
            if to - from < 1.0 {
                continue;
            }
            self.under([from, top, to - from, height], paint::NO_DATA);
            if self.frame.around.labels && to - from > font::width(NO_DATA, TEXT_PX) + 8.0 {
                let middle = ((from + to) * 0.5, top + (height * 0.5).round() + 4.0);
                self.text(middle, Anchor::Middle, NO_DATA, paint::MUTED);
            }
        }
    }

    /// The columns from a beginning to an end that are in the plot, two at least; none when it is outside.
    fn columns(&self, content: &Content, event: &Event) -> Option<(f32, f32)> {
        let (start, end) = (event.start.seconds_f64(), event.end.seconds_f64());
        if end < content.x.0 || start > content.x.1 {
            return None;
        }
        let [left, _, width, _] = self.frame.plot;
        let (from, to) = (self.column(content, start), self.column(content, end));
        let from = from.min(left + width - 2.0);
        Some((from, to.max(from + 2.0)))
    }

    fn events_under(&mut self, content: &Content, events: &[Event]) {
        let [_, top, _, height] = self.frame.plot;
        for event in events {
            match (event.kind, self.columns(content, event)) {
                (EventKind::Downtime, Some((from, to))) => {
                    self.under([from, top, to - from, height], paint::DOWNTIME);
                }
                (
                    EventKind::Downtime
                    | EventKind::Unknown
                    | EventKind::Warning
                    | EventKind::Critical
                    | EventKind::TriedWarning
                    | EventKind::TriedCritical,
                    _,
                ) => {}
            }
        }
    }

    fn events_over(&mut self, content: &Content, events: &[Event]) {
        let [_, top, _, height] = self.frame.plot;
        for event in events {
            let Some((from, to)) = self.columns(content, event) else {
                continue;
            };
            let paint = match event.kind {
                EventKind::Downtime => paint::DOWNTIME_STRIP,
                EventKind::Unknown => paint::UNKNOWN,
                EventKind::Warning | EventKind::TriedWarning => paint::WARNING,
                EventKind::Critical | EventKind::TriedCritical => paint::CRITICAL,
            };
            let (below, high) = event::strip(event.kind);
            if below + high < height {
                self.over([from, top + below, to - from, high], paint);
            }
        }
    }

    fn value_axis(&mut self, ticks: &[ValueTick], content: &Content) {
        let [left, top, width, height] = self.frame.plot;
        for tick in ticks {
            let Some(line) = self.line(content, tick.at) else {
                continue;
            };
            let zero = tick.at == 0.0 && content.y.0 < 0.0 && !content.logarithmic;
            if line > top && line < top + height && !zero {
                let paint = if tick.label.is_empty() {
                    paint::GRID
                } else {
                    paint::GRID_MAJOR
                };
                self.over([left, line, width, 1.0], paint);
            }
            if zero {
                self.over([left, line, width, 1.0], paint::AXIS);
            }
            if self.frame.around.labels && !tick.label.is_empty() {
                let at = (left - TICK_GAP, line + 4.0);
                self.text(at, Anchor::End, tick.label.clone(), paint::MUTED);
            }
        }
        if self.frame.around.labels {
            self.over([left - 1.0, top, 1.0, height + 1.0], paint::AXIS);
            self.over([left - 1.0, top + height, width + 1.0, 1.0], paint::AXIS);
        }
    }

    fn time_axis(&mut self, content: &Content, zone: Tz) {
        let [left, top, width, height] = self.frame.plot;
        let bottom = top + height;
        let mut free_from = f32::MIN;
        for tick in axis::time_ticks(content.x.0 as i64, content.x.1 as i64, width, zone) {
            let column = self.column(content, tick.at as f64);
            if column > left && column < left + width {
                let paint = if tick.label.is_empty() {
                    paint::GRID
                } else {
                    paint::GRID_MAJOR
                };
                self.over([column, top, 1.0, height], paint);
                if tick.bold {
                    self.over([column, top, 1.0, height], paint::GRID_MAJOR);
                }
            }
            if !self.frame.around.labels || tick.label.is_empty() {
                continue;
            }
            self.over([column, bottom + 1.0, 1.0, 3.0], paint::AXIS);
            let half = font::width(&tick.label, TEXT_PX) * 0.5;
            if column - half >= free_from && column + half <= self.frame.width {
                let paint = if tick.bold { paint::TEXT } else { paint::MUTED };
                self.text((column, bottom + 15.0), Anchor::Middle, tick.label, paint);
                free_from = column + half + 4.0;
            }
        }
    }

    fn rules(&mut self, content: &Content) {
        let [left, _, width, _] = self.frame.plot;
        for rule in &content.rules {
            let Some(line) = self.line(content, rule.at) else {
                continue;
            };
            let (dash, gap) = rule.dash;
            if gap == 0.0 {
                self.over([left, line, width, 1.0], rule.paint);
                continue;
            }
            let mut from = 0.0;
            while from < width {
                self.over([left + from, line, dash.min(width - from), 1.0], rule.paint);
                from += dash + gap;
            }
        }
    }

    fn title(&mut self) {
        let [left, _, width, _] = self.frame.plot;
        let room = self.frame.width - 2.0 * MARGIN;
        let title = font::fit(&self.model.title, TITLE_PX, room);
        let half = font::width(&title, TITLE_PX) * 0.5;
        // Over the plot's middle, unless it would leave the picture there.
        let middle = (left + width * 0.5)
            .min(self.frame.width - MARGIN - half)
            .max(MARGIN + half);
        self.model.over.push(Mark::Text(Text {
            at: (middle.round(), 16.0),
            anchor: Anchor::Middle,
            text: title,
            size: TITLE_PX,
            paint: paint::TEXT,
            upright: false,
        }));
    }

    fn vlabel(&mut self, label: Option<&str>) {
        let [_, top, _, height] = self.frame.plot;
        if let Some(label) = label {
            self.model.over.push(Mark::Text(Text {
                at: (MARGIN + 9.0, (top + height * 0.5).round()),
                anchor: Anchor::Middle,
                text: font::fit(label, TEXT_PX, height + TITLE_HEIGHT),
                size: TEXT_PX,
                paint: paint::MUTED,
                upright: true,
            }));
        }
    }

    fn legend(&mut self) {
        let [left, top, width, height] = self.frame.plot;
        let mut line = top + height + TIME_LABELS_HEIGHT + LEGEND_GAP + 10.0;
        // Small plots lend the room left of them.
        let left = if width < 480.0 { MARGIN } else { left };
        let rows: Vec<Row> = self
            .model
            .legend
            .rows
            .iter()
            .take(LEGEND_ROWS_MAX)
            .cloned()
            .collect();
        let left_out = self.model.legend.rows.len() - rows.len();
        let names = self.model.legend.columns();
        let table = Table::of(&names, &rows, self.frame.width - RIGHT - left);
        for (name, digits_end) in names.into_iter().zip(&table.digits_ends) {
            self.text((left + digits_end, line), Anchor::End, name, paint::MUTED);
        }
        for row in &rows {
            line += LINE_HEIGHT;
            self.legend_row(row, (left, line), &table);
        }
        if left_out > 0 {
            line += LINE_HEIGHT;
            let text = format!("and {left_out} more");
            self.text(
                (left + SWATCH + 6.0, line),
                Anchor::Start,
                text,
                paint::MUTED,
            );
        }
        for note in self.model.legend.notes.clone() {
            line += LINE_HEIGHT;
            let note = font::fit(&note, TEXT_PX, self.frame.width - RIGHT - left);
            self.text((left, line), Anchor::Start, note, paint::MUTED);
        }
    }

    fn legend_row(&mut self, row: &Row, (left, line): (f32, f32), table: &Table) {
        let paint = self.paint_index(row);
        if row.side == super::legend::Side::Down {
            // Hollow: the same colour, below zero.
            let [x, y] = [left, line - SWATCH + 0.5].map(f32::round);
            for edge in [
                [x, y, SWATCH, 1.0],
                [x, y + SWATCH - 1.0, SWATCH, 1.0],
                [x, y, 1.0, SWATCH],
                [x + SWATCH - 1.0, y, 1.0, SWATCH],
            ] {
                self.over(edge, paint);
            }
        } else {
            self.over(
                [left.round(), (line - SWATCH + 0.5).round(), SWATCH, SWATCH],
                paint,
            );
        }
        let label = label_of(row, table.label_width);
        self.text(
            (left + SWATCH + 6.0, line),
            Anchor::Start,
            label,
            paint::TEXT,
        );
        for (cell, digits_end) in row.shown_cells().zip(&table.digits_ends) {
            self.text(
                (left + digits_end, line),
                Anchor::End,
                cell.digits.clone(),
                paint::TEXT,
            );
            let unit = cell.unit.trim_start();
            if !unit.is_empty() {
                self.text(
                    (left + digits_end + UNIT_GAP, line),
                    Anchor::Start,
                    unit,
                    paint::MUTED,
                );
            }
        }
    }

    fn paint_index(&self, row: &Row) -> usize {
        let index = self
            .model
            .paints
            .iter()
            .rposition(|paint| *paint == row.paint);
        index.unwrap_or(paint::TEXT)
    }

    fn footer(&mut self, last_update: Option<Timestamp>, options: &Options) {
        let text = match last_update {
            Some(time) => format!(
                "Last update {}",
                axis::written_out(time.seconds(), options.zone)
            ),
            None => "Never updated".to_owned(),
        };
        let at = (self.frame.width - RIGHT, self.frame.height - 8.0);
        self.text(at, Anchor::End, text, paint::MUTED);
    }
}

const UNIT_GAP: f32 = 3.0;

/// The label with its sign, the label cut where there is no room for both.
fn label_of(row: &Row, room: f32) -> String {
    let sign = row.side.sign();
    let label = font::fit(&row.label, TEXT_PX, room - font::width(sign, TEXT_PX));
    format!("{label}{sign}")
}

/// The columns of the legend, from its left edge.
struct Table {
    label_width: f32,
    digits_ends: Vec<f32>,
}

impl Table {
    fn of(names: &[&str], rows: &[Row], room: f32) -> Self {
        const GAP_MIN: f32 = 12.0;
        const GAP_MAX: f32 = 28.0;
        let widest = |of: &dyn Fn(&Row) -> f32| rows.iter().map(of).fold(0.0, f32::max);
        let label =
            widest(&|row| font::width(&row.label, TEXT_PX) + font::width(row.side.sign(), TEXT_PX));
        let cell = |column: usize, of: fn(&Cell) -> f32| {
            widest(&|row| row.shown_cells().nth(column).map_or(0.0, of))
        };
        let widths = names.iter().enumerate().map(|(column, name)| {
            let digits = cell(column, |cell| font::width(&cell.digits, TEXT_PX));
            let unit = cell(column, |cell| font::width(cell.unit.trim_start(), TEXT_PX));
            (digits.max(font::width(name, TEXT_PX)), unit + UNIT_GAP)
        });
        let widths: Vec<(f32, f32)> = widths.collect();
        let columns = names.len().max(1) as f32;
        let numbers: f32 = widths.iter().map(|(digits, unit)| digits + unit).sum();
        let before_label = SWATCH + 6.0;
        let spare = room - before_label - label - numbers;
        let gap = (spare / columns).clamp(GAP_MIN, GAP_MAX);
        let label_width = label
            .min(room - before_label - numbers - columns * gap)
            .max(0.0);
        let mut at = before_label + label_width;
        let digits_ends = widths.into_iter().map(|(digits, unit)| {
            let end = (at + gap + digits).round();
            at = end + unit;
            end
        });
        let digits_ends = digits_ends.collect();
        Self {
            label_width,
            digits_ends,
        }
    }
}
