//! Pictures of `rrd graph`: what ravenry-rrd has resolved becomes a model of ravenry-web's, which has the two backends.
//! Sizes and places are rrdtool's, ticks and letters those of our pages.

use std::borrow::Cow;

use ravenry_rrd::cli::graph::{Drawing, Image, Part};
use ravenry_rrd::graph::Color;
use ravenry_rrd::graph::picture::{Layer, Picture, Words};
use ravenry_web::graph::{
    Anchor, Base, Colour, Legend, Mark, Model, Outline, Paint, Plot, Points, Scale, Shape, Text,
    Theme, log_ticks, png, svg, time_ticks, value_ticks,
};

/// Pixels an em, of labels and legend and of the title.
const TEXT_PX: f32 = 11.0;
const TITLE_PX: f32 = 14.0;
/// Pixels between the letters that rrdtool places words by.
const LETTER: f32 = 7.0;
/// Dashes in the place of more are drawn as one line.
const DASHES_MAX: usize = 10_000;

/// The bytes of the image.
pub(crate) fn draw(drawing: &Drawing) -> Result<Vec<u8>, String> {
    let scale = match drawing.image {
        Image::Png if drawing.zoom == 2.0 => Scale::Two,
        Image::Png if drawing.zoom != 1.0 => {
            return Err(format!(
                "expected a zoom of 1 or 2 for PNG, found {}",
                drawing.zoom
            ));
        }
        Image::Png | Image::Svg => Scale::One,
    };
    let model = Painter::new(drawing, scale).painted();
    Ok(match drawing.image {
        Image::Png => png(&model),
        Image::Svg => svg(&model).into_bytes(),
    })
}

struct Painter<'a> {
    drawing: &'a Drawing,
    picture: &'a Picture,
    model: Model,
    /// The axis: values, or their decimal logarithms.
    range: (f64, f64),
}

impl<'a> Painter<'a> {
    fn new(drawing: &'a Drawing, scale: Scale) -> Self {
        let picture = &drawing.picture;
        let (low, high) = picture.values;
        let range = if picture.settings.logarithmic {
            (low.log10(), high.log10())
        } else {
            (low, high)
        };
        let plot = Plot {
            area: picture.plot.map(|side| u32::try_from(side).unwrap_or(0)),
            x: (
                picture.time.0 as f64,
                (picture.time.1 as f64).max(picture.time.0 as f64 + 1.0),
            ),
            y: range,
        };
        let model = Model {
            width: u32::try_from(picture.width).unwrap_or(0),
            height: u32::try_from(picture.height).unwrap_or(0),
            scale,
            theme: Theme::Light,
            title: picture.settings.title.clone(),
            description: String::new(),
            paints: Vec::new(),
            plot: Some(plot),
            under: Vec::new(),
            shapes: Vec::new(),
            over: Vec::new(),
            legend: Legend::default(),
        };
        Self {
            drawing,
            picture,
            model,
            range,
        }
    }

    fn painted(mut self) -> Model {
        self.ground();
        for layer in &self.picture.layers {
            self.layer(layer);
        }
        self.value_axis();
        self.time_axis();
        // rrdtool has its rules above the grid, too.
        for layer in &self.picture.layers {
            self.rule(layer);
        }
        if !self.picture.settings.only_graph {
            self.frame();
            self.titles();
            for words in &self.picture.legend {
                self.words(words);
            }
        }
        self.model
    }

    /// The index of a colour.
    fn paint(&mut self, color: Color) -> usize {
        let Color([red, green, blue, alpha]) = color;
        let colour = Colour {
            rgb: [red, green, blue],
            alpha,
        };
        let paint = Paint {
            light: colour,
            dark: colour,
        };
        let known = self.model.paints.iter().position(|known| *known == paint);
        known.unwrap_or_else(|| {
            self.model.paints.push(paint);
            self.model.paints.len() - 1
        })
    }

    fn part(&mut self, part: Part) -> usize {
        let said = self
            .drawing
            .colors
            .iter()
            .rev()
            .find(|(said, _)| *said == part);
        let color = said.map_or_else(|| Color(color_of(part)), |(_, color)| *color);
        self.paint(color)
    }

    fn plot(&self) -> [f32; 4] {
        self.picture.plot.map(|side| side as f32)
    }

    fn over(&mut self, rectangle: [f32; 4], paint: usize) {
        self.model.over.push(Mark::Rectangle(rectangle, paint));
    }

    fn text(&mut self, at: (f32, f32), anchor: Anchor, text: &str, size: f32) {
        let paint = self.part(Part::Font);
        self.model.over.push(Mark::Text(Text {
            at,
            anchor,
            text: text.to_owned(),
            size,
            paint,
            upright: false,
        }));
    }

    fn ground(&mut self) {
        // The first paint is that of the ground.
        let (back, canvas) = (self.part(Part::Back), self.part(Part::Canvas));
        let (width, height) = (self.picture.width as f32, self.picture.height as f32);
        self.model
            .under
            .push(Mark::Rectangle([0.0, 0.0, width, height], back));
        self.model.under.push(Mark::Rectangle(self.plot(), canvas));
    }

    fn frame(&mut self) {
        let (light, dark) = (self.part(Part::ShadeA), self.part(Part::ShadeB));
        let (width, height) = (self.picture.width as f32, self.picture.height as f32);
        self.over([0.0, 0.0, width, 1.0], light);
        self.over([0.0, 0.0, 1.0, height], light);
        self.over([0.0, height - 1.0, width, 1.0], dark);
        self.over([width - 1.0, 0.0, 1.0, height], dark);
    }

    /// Where a value is on the axis, brought to its ends.
    fn coordinate(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        let value = match value {
            value if self.picture.settings.logarithmic => value.max(f64::MIN_POSITIVE).log10(),
            value => value,
        };
        value.clamp(low.min(high), high.max(low))
    }

    /// The pixel row of a value; none when it is not on the axis.
    fn row(&self, at: f64) -> Option<f32> {
        let (low, high) = self.range;
        let [_, top, _, height] = self.plot();
        let share = (high - at) / (high - low);
        (-1e-9..=1.0 + 1e-9)
            .contains(&share)
            .then(|| top + (share * f64::from(height)).round() as f32)
    }

    fn time_of(&self, column: usize) -> f64 {
        let (start, end) = self.picture.time;
        start as f64 + (end - start) as f64 * column as f64 / self.picture.plot[2].max(1) as f64
    }

    fn layer(&mut self, layer: &Layer) {
        match layer {
            Layer::Line {
                columns,
                color,
                width,
            } if color.0[3] > 0 && *width > 0.0 => {
                let runs: Vec<Vec<(f64, f64)>> =
                    runs(columns).map(|run| self.path(columns, run)).collect();
                let paint = self.paint(*color);
                for points in runs {
                    self.shape(paint, Outline::Line(*width), points);
                }
            }
            Layer::Area {
                columns,
                base,
                color,
            } if color.0[3] > 0 => {
                let paint = self.paint(*color);
                let runs: Vec<std::ops::Range<usize>> = runs(columns).collect();
                for run in runs {
                    let mut points = self.path(columns, run.clone());
                    let mut below = self.path(base, run);
                    below.reverse();
                    // The polygon is closed at this value, where it ends.
                    let last = below.last().map_or(0.0, |(_, value)| *value);
                    points.append(&mut below);
                    self.shape(paint, Outline::Area(last), points);
                }
            }
            Layer::Ticks {
                columns,
                color,
                fraction,
            } if color.0[3] > 0 => {
                let paint = self.paint(*color);
                let [left, top, _, height] = self.plot();
                let length = (height * fraction.abs().min(1.0) as f32).round();
                let from = if *fraction < 0.0 {
                    top
                } else {
                    top + height - length
                };
                for column in columns {
                    let place = [left + *column as f32, from, 1.0, length];
                    self.model.over.push(Mark::Rectangle(place, paint));
                }
            }
            Layer::Line { .. }
            | Layer::Area { .. }
            | Layer::Ticks { .. }
            | Layer::Across { .. }
            | Layer::Upright { .. } => {}
        }
    }

    fn shape(&mut self, paint: usize, outline: Outline, points: Vec<(f64, f64)>) {
        let ends = vec![points.len()];
        self.model.shapes.push(Shape {
            paint,
            outline,
            points: Points { points, ends },
        });
    }

    /// The points of some columns: steps, or with slopes from value to value. What lies on a line is left out.
    fn path(&self, columns: &[f64], run: std::ops::Range<usize>) -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for column in run {
            let value = self.coordinate(columns[column]);
            let (from, to) = (self.time_of(column), self.time_of(column + 1));
            let flat = points.last().is_some_and(|(_, before)| *before == value);
            if self.picture.settings.slope {
                points.push((from, value));
                continue;
            }
            if flat {
                points.pop();
            } else {
                points.push((from, value));
            }
            points.push((to, value));
        }
        if let [only] = points[..] {
            points.push((only.0 + 1.0, only.1));
        }
        points
    }

    fn rule(&mut self, layer: &Layer) {
        let [left, top, width, height] = self.plot();
        match layer {
            Layer::Across {
                value,
                color,
                dashes,
            } if color.0[3] > 0 => {
                let at = if self.picture.settings.logarithmic {
                    value.log10()
                } else {
                    *value
                };
                if let Some(row) = self.row(at) {
                    let paint = self.paint(*color);
                    for (from, length) in dashed(width, dashes) {
                        self.over([left + from, row, length, 1.0], paint);
                    }
                }
            }
            Layer::Upright {
                time,
                color,
                dashes,
            } if color.0[3] > 0 => {
                let (start, end) = self.picture.time;
                if (start..=end).contains(time) && end > start {
                    let share = (time - start) as f32 / (end - start) as f32;
                    let column = left + (share * width).round();
                    let paint = self.paint(*color);
                    for (from, length) in dashed(height, dashes) {
                        self.over([column, top + from, 1.0, length], paint);
                    }
                }
            }
            Layer::Line { .. }
            | Layer::Area { .. }
            | Layer::Ticks { .. }
            | Layer::Across { .. }
            | Layer::Upright { .. } => {}
        }
    }

    fn value_axis(&mut self) {
        let [left, top, width, height] = self.plot();
        let (minor, major) = (self.part(Part::Grid), self.part(Part::MajorGrid));
        let settings = &self.picture.settings;
        let labelled = settings.axes.0 && !settings.only_graph;
        for (at, label) in self.value_ticks(height) {
            let Some(row) = self.row(at) else {
                continue;
            };
            if row > top && row < top + height && self.picture.settings.axes.0 {
                self.over(
                    [left, row, width, 1.0],
                    if label.is_empty() { minor } else { major },
                );
            }
            if labelled && !label.is_empty() {
                self.text((left - 5.0, row + 4.0), Anchor::End, &label, TEXT_PX);
            }
        }
        let axis = self.part(Part::Axis);
        self.over([left - 1.0, top, 1.0, height + 1.0], axis);
        self.over([left - 1.0, top + height, width + 1.0, 1.0], axis);
    }

    /// Values with their labels; empty for a minor line.
    fn value_ticks(&self, height: f32) -> Vec<(f64, String)> {
        let (low, high) = self.range;
        let base = if self.drawing.base == 1024.0 {
            Base::Binary
        } else {
            Base::Thousand
        };
        let settings = &self.picture.settings;
        let labels = |ticks: Vec<ravenry_web::graph::ValueTick>| {
            ticks
                .into_iter()
                .map(|tick| (tick.at, tick.label))
                .collect()
        };
        if settings.logarithmic {
            // Decades are decimal, whatever a kilo is.
            return labels(log_ticks(low, high, height, true, Base::Thousand));
        }
        let Some((step, factor)) = settings.grid else {
            return labels(value_ticks(low, high, height, true, base));
        };
        let first = (low / step).ceil();
        let count = ((high - low) / step).clamp(0.0, 1000.0) as usize;
        let lines = (0..=count).map(|index| first + index as f64);
        let label = |line: f64| {
            if (line % factor).abs() < 0.5 {
                shortest(line * step)
            } else {
                String::new()
            }
        };
        lines.map(|line| (line * step, label(line))).collect()
    }

    fn time_axis(&mut self) {
        let [left, top, width, height] = self.plot();
        let (start, end) = self.picture.time;
        let (minor, major) = (self.part(Part::Grid), self.part(Part::MajorGrid));
        let settings = &self.picture.settings;
        if !settings.axes.1 {
            return;
        }
        let labelled = !settings.only_graph;
        for tick in time_ticks(start, end, width, self.drawing.zone) {
            let share = (tick.at - start) as f32 / (end - start).max(1) as f32;
            let column = left + (share * width).round();
            if column > left && column < left + width {
                self.over(
                    [column, top, 1.0, height],
                    if tick.label.is_empty() { minor } else { major },
                );
            }
            if labelled && !tick.label.is_empty() {
                self.text(
                    (column, top + height + 13.0),
                    Anchor::Middle,
                    &tick.label,
                    TEXT_PX,
                );
            }
        }
    }

    fn titles(&mut self) {
        let settings = &self.picture.settings;
        let middle = (self.picture.width / 2) as f32;
        for (index, line) in settings.title.lines().enumerate() {
            let at = (middle, 18.0 + 15.0 * index as f32);
            self.text(at, Anchor::Middle, line, TITLE_PX);
        }
        let [_, top, _, height] = self.plot();
        if !settings.vertical_label.is_empty() {
            let paint = self.part(Part::Font);
            self.model.over.push(Mark::Text(Text {
                at: (13.0, (top + height / 2.0).round()),
                anchor: Anchor::Middle,
                text: settings.vertical_label.clone(),
                size: TEXT_PX,
                paint,
                upright: true,
            }));
        }
        if !settings.watermark.is_empty() {
            let at = (middle, self.picture.height as f32 - 4.0);
            self.text(at, Anchor::Middle, &settings.watermark, 8.0);
        }
    }

    fn words(&mut self, words: &Words) {
        let [left, _, _, bottom] = words.place.map(|side| side as f32);
        if let Some(color) = words.color {
            let frame = self.part(Part::Frame);
            let (x, y) = (left.round(), (bottom - 11.0).round());
            self.over([x, y, 9.0, 9.0], frame);
            let paint = self.paint(Color([color.0[0], color.0[1], color.0[2], 255]));
            self.over([x + 1.0, y + 1.0, 7.0, 7.0], paint);
        }
        for phrase in phrases(&words.text) {
            let cell = if phrase.ends { phrase.to } else { phrase.from };
            let anchor = if phrase.ends {
                Anchor::End
            } else {
                Anchor::Start
            };
            let at = (left + cell as f32 * LETTER, bottom - 3.0);
            self.text(at, anchor, &phrase.text, TEXT_PX);
        }
    }
}

/// What belongs together in a legend that was written for letters of one width: words, or a number, which is held at its
/// end so that numbers below each other stand as they should.
#[derive(Debug, PartialEq)]
struct Phrase<'t> {
    text: Cow<'t, str>,
    /// The cells of its letters.
    from: usize,
    to: usize,
    ends: bool,
}

fn phrases(text: &str) -> Vec<Phrase<'_>> {
    let mut phrases: Vec<Phrase<'_>> = Vec::new();
    let mut cell = 0;
    for word in text.split([' ', '\t']) {
        let (from, to) = (cell, cell + word.chars().count());
        cell = to + 1;
        if word.is_empty() {
            continue;
        }
        let digits = word.trim_start_matches(['-', '+', '.']);
        let ends = digits.starts_with(|letter: char| letter.is_ascii_digit());
        match phrases.last_mut() {
            Some(before) if !ends && !before.ends && before.to + 1 == from => {
                before.text = Cow::Owned(format!("{} {word}", before.text));
                before.to = to;
            }
            _ => phrases.push(Phrase {
                text: Cow::Borrowed(word),
                from,
                to,
                ends,
            }),
        }
    }
    phrases
}

/// The stretches of columns that are known.
fn runs(columns: &[f64]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let known = |column: &usize| columns.get(*column).is_some_and(|value| !value.is_nan());
    let begins = (0..columns.len())
        .filter(move |column| known(column) && (*column == 0 || !known(&(column - 1))));
    begins.map(move |from| {
        from..(from..)
            .find(|column| !known(column))
            .unwrap_or(columns.len())
    })
}

/// Where dashes begin and how long they are; one for a solid line.
fn dashed(length: f32, dashes: &[f64]) -> Vec<(f32, f32)> {
    if dashes.iter().sum::<f64>() < 1.0 {
        return vec![(0.0, length)];
    }
    let mut marks = Vec::new();
    let mut from = 0.0;
    for (index, dash) in dashes.iter().cycle().enumerate().take(DASHES_MAX) {
        if from >= length {
            break;
        }
        let dash = *dash as f32;
        if index % 2 == 0 {
            marks.push((from, dash.min(length - from)));
        }
        from += dash;
    }
    marks
}

fn shortest(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Red, green, blue and opacity of what no option gives a colour.
fn color_of(part: Part) -> [u8; 4] {
    match part {
        Part::Back => [0xf3, 0xf3, 0xf3, 255],
        Part::Canvas => [255, 255, 255, 255],
        Part::ShadeA => [0xc8, 0xc8, 0xc8, 255],
        Part::ShadeB => [0x96, 0x96, 0x96, 255],
        Part::Grid => [0x8c, 0x8c, 0x8c, 0x50],
        Part::MajorGrid => [0x82, 0x1e, 0x1e, 0x50],
        Part::Font | Part::Frame => [0, 0, 0, 255],
        Part::Axis => [0x4d, 0x4d, 0x4d, 255],
        Part::Arrow => [0x7f, 0x1f, 0x1f, 255],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_the_legend_are_held_at_their_ends() {
        let found = phrases("  cpu user   12.50 k  Max:  -3 %");
        let found: Vec<(&str, usize, usize, bool)> = found
            .iter()
            .map(|phrase| (&*phrase.text, phrase.from, phrase.to, phrase.ends))
            .collect();
        assert_eq!(
            found,
            [
                ("cpu user", 2, 10, false),
                ("12.50", 13, 18, true),
                ("k", 19, 20, false),
                ("Max:", 22, 26, false),
                ("-3", 28, 30, true),
                ("%", 31, 32, false),
            ]
        );
    }

    #[test]
    fn unknown_columns_divide_runs() {
        let nan = f64::NAN;
        let found: Vec<_> = runs(&[nan, 1.0, 2.0, nan, nan, 3.0]).collect();
        assert_eq!(found, [1..3, 5..6]);
        assert_eq!(runs(&[nan, nan]).count(), 0);
    }

    #[test]
    fn dashes_end_with_the_line() {
        assert_eq!(dashed(10.0, &[4.0, 2.0]), [(0.0, 4.0), (6.0, 4.0)]);
        assert_eq!(dashed(10.0, &[0.0, 0.0]), [(0.0, 10.0)]);
        assert_eq!(dashed(10.0, &[]), [(0.0, 10.0)]);
    }
}
