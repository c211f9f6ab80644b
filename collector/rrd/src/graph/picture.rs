//! A picture with everything resolved: the values of each pixel column, the range of the axis, where plot and legend are.
//! Sizes, ranges and the places of the legend are rrdtool's; whoever draws it decides how lines, grid and letters look.

use super::GraphError;
use super::calculation::{Calculated, Value};
use super::element::{Color, Kind, Operand};
use super::legend::{self, Item};

/// Pixels around the plot.
const SPACE: i64 = 15;
/// Points of the fonts that rrdtool takes by default.
const TITLE_SIZE: f64 = 9.0;
const AXIS_SIZE: f64 = 7.0;
const UNIT_SIZE: f64 = 8.0;
const WATERMARK_SIZE: f64 = 5.5;
/// Pixels of a letter on the axes.
const AXIS_LETTER: i64 = 6;
/// Pixels of a side.
pub const SIDE_MAX: i64 = 10_000;
/// Pixels of a picture.
pub const PIXELS_MAX: i64 = 1 << 24;
/// Pixels of a line's width.
const LINE_WIDTH_MAX: f64 = 100.0;

/// What the options of `graph` say of the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Pixels of the plot, or with `full_size` of the whole picture.
    pub size: (i64, i64),
    /// What `size` is of.
    pub full_size: bool,
    /// Only the plot, nothing around it.
    pub only_graph: bool,
    /// No legend.
    pub no_legend: bool,
    /// Rules have their words in the legend even where they are not seen.
    pub force_rules: bool,
    /// Above the plot.
    pub title: String,
    /// Left of it.
    pub vertical_label: String,
    /// Below all.
    pub watermark: String,
    /// The least value that the axis has at least.
    pub lower: Option<f64>,
    /// The greatest.
    pub upper: Option<f64>,
    /// The limits hold whatever the values are.
    pub rigid: bool,
    /// With `rigid`: unless the values need less.
    pub allow_shrink: bool,
    /// How the range is rounded.
    pub rounding: Rounding,
    /// Distance of the lines of the grid, and how many of them come to a label.
    pub grid: Option<(f64, f64)>,
    /// Whether there are value labels, and time labels.
    pub axes: (bool, bool),
    /// A logarithmic value axis.
    pub logarithmic: bool,
    /// Letters that value labels may have, where it is said.
    pub units_length: Option<i64>,
    /// Whether the edge at the right has no name of the tool, and less room.
    pub no_tag: bool,
    /// Lines from value to value instead of steps.
    pub slope: bool,
}

/// How the range of the values becomes that of the axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the next number that looks good.
    Round,
    /// By a tenth on both sides.
    Both,
    /// By a tenth below.
    Below,
    /// By a tenth above.
    Above,
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Pixels.
    pub width: i64,
    /// Pixels.
    pub height: i64,
    /// Left, top, width and height of the plot.
    pub plot: [i64; 4],
    /// UTC seconds at the plot's edges.
    pub time: (i64, i64),
    /// The values at the plot's edges.
    pub values: (f64, f64),
    /// What is drawn in the plot, in order.
    pub layers: Vec<Layer>,
    /// The legend.
    pub legend: Vec<Words>,
    /// As it was set.
    pub settings: Settings,
}

/// An element as it is drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// A line through a value for each column; NaN is a gap.
    Line {
        /// The values.
        columns: Vec<f64>,
        /// The colour.
        color: Color,
        /// Pixels.
        width: f64,
    },
    /// An area between two values for each column.
    Area {
        /// The values.
        columns: Vec<f64>,
        /// Where it begins: zero, or the element that it stands on.
        base: Vec<f64>,
        /// The colour.
        color: Color,
    },
    /// Short vertical lines in some columns.
    Ticks {
        /// Which columns.
        columns: Vec<usize>,
        /// The colour.
        color: Color,
        /// Share of the plot's height; negative from above.
        fraction: f64,
    },
    /// A line across the plot at a value.
    Across {
        /// The value.
        value: f64,
        /// The colour.
        color: Color,
        /// Dashes and gaps.
        dashes: Vec<f64>,
    },
    /// A line through the plot at a time.
    Upright {
        /// UTC seconds.
        time: i64,
        /// The colour.
        color: Color,
        /// Dashes and gaps.
        dashes: Vec<f64>,
    },
}

/// Words of the legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    /// What they say.
    pub text: String,
    /// Left, top, right and base line, in pixels of the picture.
    pub place: [f64; 4],
    /// The box in front of them.
    pub color: Option<Color>,
}

impl Calculated {
    /// Whether an element is an answer of its own, not one in the legend.
    #[must_use]
    pub fn is_print(&self, element: usize) -> bool {
        matches!(self.elements[element].kind, Kind::Print(_))
    }

    /// Whether there is anything to draw. Without it rrdtool makes no picture.
    #[must_use]
    pub fn is_picture(&self) -> bool {
        self.elements.iter().any(|element| match element.kind {
            Kind::GPrint(_)
            | Kind::Line(_)
            | Kind::Area(_)
            | Kind::Tick(_)
            | Kind::HRule(_)
            | Kind::VRule(_) => true,
            Kind::Def(_)
            | Kind::Cdef(..)
            | Kind::Vdef(..)
            | Kind::Shift(_)
            | Kind::Xport(_)
            | Kind::Print(_)
            | Kind::Comment
            | Kind::TextAlign(_)
            | Kind::Axis => false,
        })
    }

    /// Resolves the picture.
    ///
    /// # Errors
    /// When a format or a code of the legend makes no sense.
    pub fn picture(&self, settings: Settings) -> Result<Picture, GraphError> {
        let items = self.legend_items(&settings)?;
        let layout = layout(&settings, items)?;
        let columns = layout.plot[2].max(1) as usize;
        let mut range = Range::default();
        let layers = self.layers(columns, &settings, &mut range);
        Ok(Picture {
            width: layout.size.0,
            height: layout.size.1,
            plot: layout.plot,
            time: (self.frame.start, self.frame.end),
            values: range.of_axis(&settings, self.frame.base),
            layers,
            legend: self.words(layout.legend),
            settings,
        })
    }

    fn words(&self, placed: Vec<legend::Placed>) -> Vec<Words> {
        let words = placed.into_iter().map(|placed| {
            let color = match &self.elements[placed.element].kind {
                Kind::Line(line) => Some(line.color),
                Kind::Area(area) => Some(area.color),
                Kind::Tick(tick) => Some(tick.color),
                Kind::HRule(rule) | Kind::VRule(rule) => Some(rule.color),
                _ => None,
            };
            let (right, bottom) = (
                placed.x + legend::width(&placed.text) as f64,
                placed.y as f64,
            );
            Words {
                text: placed.text,
                place: [placed.x, bottom - legend::HEIGHT as f64, right, bottom],
                color: color.map(|color| color.unwrap_or(Color([0; 4]))),
            }
        });
        words.collect()
    }

    fn legend_items(&self, settings: &Settings) -> Result<Vec<Item>, GraphError> {
        if settings.no_legend || settings.only_graph {
            return Ok(Vec::new());
        }
        let mut prints = self.prints()?;
        let mut items = Vec::new();
        for (index, element) in self.elements.iter().enumerate() {
            let legend = || element.legend.clone();
            let text = match &element.kind {
                Kind::TextAlign(align) => {
                    items.push(Item::Align(*align));
                    continue;
                }
                Kind::GPrint(_) => {
                    let print = prints.iter_mut().find(|print| print.element == index);
                    print
                        .map(|print| std::mem::take(&mut print.text))
                        .unwrap_or_default()
                }
                Kind::HRule(rule) => {
                    let value = self.height(rule.at);
                    let hidden = settings.lower.is_some_and(|lower| value < lower)
                        || settings.upper.is_some_and(|upper| value > upper);
                    if hidden && !settings.force_rules {
                        String::new()
                    } else {
                        legend()
                    }
                }
                Kind::VRule(rule) => {
                    let time = self.moment(rule.at);
                    let seen = (self.frame.start..=self.frame.end).contains(&time);
                    if seen || settings.force_rules {
                        legend()
                    } else {
                        String::new()
                    }
                }
                Kind::Line(_) | Kind::Area(_) | Kind::Tick(_) | Kind::Comment => legend(),
                Kind::Def(_)
                | Kind::Cdef(..)
                | Kind::Vdef(..)
                | Kind::Shift(_)
                | Kind::Xport(_)
                | Kind::Print(_)
                | Kind::Axis => String::new(),
            };
            items.push(Item::Words(index, text));
        }
        Ok(items)
    }

    fn layers(&self, columns: usize, settings: &Settings, range: &mut Range) -> Vec<Layer> {
        let mut layers = Vec::new();
        let mut below = vec![0.0; columns];
        let none = Color([0; 4]);
        for element in &self.elements {
            match &element.kind {
                Kind::Line(line) => {
                    let values = self.stacked(line.source, line.stack, &mut below);
                    range.count(&values, line.skip_scale, settings.logarithmic);
                    layers.push(Layer::Line {
                        columns: values,
                        color: line.color.unwrap_or(none),
                        width: line.width.min(LINE_WIDTH_MAX),
                    });
                }
                Kind::Area(area) => {
                    let base = if area.stack {
                        below.clone()
                    } else {
                        vec![0.0; columns]
                    };
                    let values = self.stacked(area.source, area.stack, &mut below);
                    range.count(&values, area.skip_scale, settings.logarithmic);
                    layers.push(Layer::Area {
                        columns: values,
                        base,
                        color: area.color.unwrap_or(none),
                    });
                }
                Kind::Tick(tick) => {
                    // What is stacked on it stands on its values, as in rrdtool.
                    let values = self.stacked(tick.source, false, &mut below);
                    let columns = values.iter().enumerate();
                    let shown = columns.filter(|(_, value)| !value.is_nan() && **value != 0.0);
                    layers.push(Layer::Ticks {
                        columns: shown.map(|(column, _)| column).collect(),
                        color: tick.color.unwrap_or(none),
                        fraction: tick.fraction,
                    });
                }
                Kind::HRule(rule) => layers.push(Layer::Across {
                    value: self.height(rule.at),
                    color: rule.color.unwrap_or(none),
                    dashes: rule.dashes.clone(),
                }),
                Kind::VRule(rule) => layers.push(Layer::Upright {
                    time: self.moment(rule.at),
                    color: rule.color.unwrap_or(none),
                    dashes: rule.dashes.clone(),
                }),
                Kind::Def(_)
                | Kind::Cdef(..)
                | Kind::Vdef(..)
                | Kind::Shift(_)
                | Kind::Xport(_)
                | Kind::Print(_)
                | Kind::GPrint(_)
                | Kind::Comment
                | Kind::TextAlign(_)
                | Kind::Axis => {}
            }
        }
        layers
    }

    /// The values of an element in each column, on those of the element before it where it is stacked. What is unknown
    /// leaves the stack as it was.
    fn stacked(&self, source: Operand, stack: bool, below: &mut [f64]) -> Vec<f64> {
        let count = below.len();
        let values = below.iter_mut().enumerate().map(|(column, below)| {
            if !stack {
                *below = 0.0;
            }
            let value = self.at_column(source, column, count);
            if value.is_nan() {
                return f64::NAN;
            }
            *below += value;
            *below
        });
        values.collect()
    }

    fn at_column(&self, source: Operand, column: usize, columns: usize) -> f64 {
        let variable = match source {
            Operand::Number(number) => return number,
            Operand::Variable(variable) => variable,
        };
        let per_pixel = (self.frame.end - self.frame.start) as f64 / columns as f64;
        let time = (self.frame.start as f64 + per_pixel * column as f64) as i64;
        match &self.values[variable] {
            Value::Summary(summary) => summary.value,
            Value::Series(series) if time < series.end => series.at(time),
            Value::Series(_) | Value::None => f64::NAN,
        }
    }
}

struct Layout {
    size: (i64, i64),
    plot: [i64; 4],
    /// Placed in the picture.
    legend: Vec<legend::Placed>,
}

/// Pixels around the plot, the legend apart.
struct Margins {
    left: i64,
    right: i64,
    top: i64,
    /// For the time labels.
    times: i64,
    below: i64,
}

impl Margins {
    fn of(settings: &Settings) -> Self {
        let (value_labels, time_labels) = settings.axes;
        let letters = settings.units_length.unwrap_or(6).clamp(0, 100);
        let labelled = value_labels || settings.units_length.is_some();
        let left = if labelled { AXIS_LETTER * letters } else { 0 } + SPACE;
        let vertical = if settings.vertical_label.is_empty() {
            0
        } else {
            (UNIT_SIZE * 2.0) as i64
        };
        let right = SPACE + if settings.no_tag { 0 } else { SPACE };
        let top = match settings.title.lines().count() {
            0 => SPACE,
            lines => (TITLE_SIZE * (lines + 1) as f64 * 1.6) as i64,
        };
        let times = if time_labels {
            (AXIS_SIZE * 2.5) as i64
        } else {
            0
        };
        let mark = if settings.watermark.is_empty() {
            0
        } else {
            (WATERMARK_SIZE * 2.0) as i64
        };
        // Half of it, cut to whole pixels on the way to the whole height or from it.
        let foot = match (settings.no_legend, settings.full_size) {
            (false, _) => 0,
            (true, false) => SPACE / 2,
            (true, true) => SPACE / 2 + 1,
        };
        Self {
            left: vertical + left,
            right,
            top,
            times,
            below: mark + foot,
        }
    }
}

/// Title on top, labels left of the plot and below it, then the legend, then the watermark.
fn layout(settings: &Settings, items: Vec<Item>) -> Result<Layout, GraphError> {
    let (width, height) = settings.size;
    if settings.only_graph && width * height <= PIXELS_MAX {
        return Ok(Layout {
            size: (width, height),
            plot: [0, 0, width, height],
            legend: Vec::new(),
        });
    }
    let Margins {
        left,
        right,
        top,
        times,
        below,
    } = Margins::of(settings);
    let beside = left + right;
    let whole_width = if settings.full_size {
        width
    } else {
        width + beside
    };
    let (mut legend, legend_height) = if settings.no_legend {
        (Vec::new(), 0)
    } else {
        legend::place(items, whole_width)?
    };
    let around = top + times + legend_height + below;
    let (plot, size) = if settings.full_size {
        (
            ((width - beside).max(1), (height - around).max(1)),
            (width, height),
        )
    } else {
        ((width, height), (whole_width, height + around))
    };
    if size.1 > SIDE_MAX || size.0 * size.1 > PIXELS_MAX {
        return Err(GraphError::new(format!(
            "the picture is {} x {} pixels, at most {SIDE_MAX} a side and {PIXELS_MAX} in all are drawn",
            size.0, size.1
        )));
    }
    for words in &mut legend {
        words.y += top + plot.1 + times;
    }
    Ok(Layout {
        size,
        plot: [left, top, plot.0, plot.1],
        legend,
    })
}

/// The least and the greatest value that is drawn.
#[derive(Default)]
struct Range(Option<(f64, f64)>);

impl Range {
    fn count(&mut self, columns: &[f64], skip: bool, logarithmic: bool) {
        for value in columns
            .iter()
            .copied()
            .filter(|value| value.is_finite() && !skip)
        {
            let least_counts = !(logarithmic && value <= 0.0);
            self.0 = Some(match self.0 {
                None => (if least_counts { value } else { f64::NAN }, value),
                Some((least, most)) => {
                    let lower = least_counts && (least.is_nan() || value < least);
                    (
                        if lower { value } else { least },
                        if value > most { value } else { most },
                    )
                }
            });
        }
    }

    fn of_axis(&self, settings: &Settings, base: f64) -> (f64, f64) {
        let logarithmic = settings.logarithmic;
        let (mut least, mut most) = self.0.unwrap_or((f64::NAN, f64::NAN));
        if logarithmic {
            if least.is_nan() || most.is_nan() || most <= 0.0 {
                (least, most) = (0.0, 5.1);
            }
            if least <= 0.0 {
                least = most / 10e8;
            }
        } else if least.is_nan() || most.is_nan() {
            (least, most) = (0.0, 1.0);
        }
        let (below, above) = if logarithmic {
            (least / 2.0, most * 2.0)
        } else {
            (least, most)
        };
        let Settings {
            rigid,
            allow_shrink,
            ..
        } = *settings;
        let shrinks = rigid && allow_shrink;
        let mut low = settings.lower.unwrap_or(below);
        if (!rigid && low > least) || (shrinks && low < least) {
            low = below;
        }
        let mut high = settings.upper.unwrap_or(above);
        if (!rigid && high < most) || (shrinks && high > most) {
            high = above;
        }
        if low > high {
            low = if low > 0.0 { 0.99 * high } else { 1.01 * high };
        }
        if alike(low, high) {
            high *= if high > 0.0 { 1.01 } else { 0.99 };
            if alike(high, 0.0) {
                high = 1.0;
            }
        }
        if (rigid && !allow_shrink) || logarithmic {
            return (low, high);
        }
        rounded(low, high, settings, base)
    }
}

/// Whether two numbers are at most four floats of 32 bits apart.
fn alike(a: f64, b: f64) -> bool {
    let place = |number: f64| {
        let bits = (number as f32).to_bits() as i32;
        if bits < 0 {
            i32::MIN.wrapping_sub(bits)
        } else {
            bits
        }
    };
    place(a).wrapping_sub(place(b)).unsigned_abs() <= 4
}

/// Numbers that look good at the ends of an axis.
const ROUND: [f64; 46] = [
    1000.0, 900.0, 800.0, 750.0, 700.0, 600.0, 500.0, 400.0, 300.0, 250.0, 200.0, 125.0, 100.0,
    90.0, 80.0, 75.0, 70.0, 60.0, 50.0, 40.0, 30.0, 25.0, 20.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0,
    3.5, 3.0, 2.5, 2.0, 1.8, 1.5, 1.2, 1.0, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1,
];

fn rounded(low: f64, high: f64, settings: &Settings, base: f64) -> (f64, f64) {
    if let Some((step, factor)) = settings.grid {
        let unit = factor * step;
        return (unit * (low / unit).floor(), unit * (high / unit).ceil());
    }
    let largest = low.abs().max(high.abs());
    let unit = base.powf((largest.ln() / base.ln()).floor());
    let tenth = (high - low) * 0.1;
    match settings.rounding {
        Rounding::Both => {
            let least = 2.0 * 10.0_f64.powf((largest / unit).log10().floor() - 2.0);
            let span = high - low;
            let more = if span < least {
                (least - span) * 0.55
            } else {
                tenth
            };
            (low - more, high + more)
        }
        Rounding::Below => (low - tenth, high),
        Rounding::Above => (low, high + tenth),
        Rounding::Round => {
            let (mut new_low, mut new_high) = (low, high);
            let (low, high) = (low / unit, high / unit);
            for pair in ROUND.windows(2) {
                let (above, below) = (pair[0], pair[1]);
                if (below..=above).contains(&low) {
                    new_low = below * unit;
                }
                if (-above..=-below).contains(&low) {
                    new_low = -above * unit;
                }
                if (below..=above).contains(&high) {
                    new_high = above * unit;
                }
                if (-above..=-below).contains(&high) {
                    new_high = -below * unit;
                }
            }
            (new_low, new_high)
        }
    }
}
