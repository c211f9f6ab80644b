//! `graph FILE …` and `graphv FILE …`: texts of PRINTs, and a picture when there is something to draw. The drawing itself
//! is the caller's ([`Draw`]).

use std::io::Write;
use std::path::Path;

use super::options::{Flag, Options};
use super::xport::{NO_LETTER, frame, leading_number, read};
use super::{Surroundings, help, told};
use crate::decimal;
use crate::graph::picture::{Picture, Rounding, SIDE_MAX, Settings};
use crate::graph::{Color, Graph};

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// Pixels.
    Png,
    /// Shapes.
    Svg,
}

/// What is drawn and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// The picture.
    pub picture: Picture,
    /// Its form.
    pub image: Image,
    /// Pixels of a PNG for a pixel of the picture.
    pub zoom: f64,
    /// Colours of the parts (`BACK`, `CANVAS`, …) as the options say.
    pub colors: Vec<(Part, Color)>,
    /// What a kilo is: 1000 or 1024.
    pub base: f64,
    /// The zone of the time labels.
    pub zone: chrono_tz::Tz,
}

/// A part of a picture with a colour of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The ground.
    Back,
    /// The ground of the plot.
    Canvas,
    /// Left and upper edge.
    ShadeA,
    /// Right and lower edge.
    ShadeB,
    /// Lines of the grid.
    Grid,
    /// Those with labels.
    MajorGrid,
    /// Letters.
    Font,
    /// Axes.
    Axis,
    /// Boxes in the legend.
    Frame,
    /// The heads of the axes.
    Arrow,
}

/// Draws: the bytes of the image.
pub type Draw<'a> = dyn FnMut(&Drawing) -> Result<Vec<u8>, String> + 'a;

/// What the commands answer with, in order.
enum Answer {
    Count(&'static str, i64),
    Value(&'static str, f64),
    Text(String, String),
}

/// All that a `graph` came to.
struct Made {
    answers: Vec<Answer>,
    info: Option<String>,
    size: (i64, i64),
    /// The image, when it is no file.
    image: Option<Vec<u8>>,
    to_output: bool,
}

const FLAGS: [Flag; 59] = [
    Flag::switch("alt-autoscale", 'A'),
    Flag::value("imgformat", 'a'),
    Flag::value("font-smoothing-threshold", 'B'),
    Flag::value("base", 'b'),
    Flag::value("color", 'c'),
    Flag::switch("full-size-mode", 'D'),
    Flag::daemon('d'),
    Flag::switch("slope-mode", 'E'),
    Flag::value("end", 'e'),
    Flag::switch("force-rules-legend", 'F'),
    Flag::value("imginfo", 'f'),
    Flag::value("graph-render-mode", 'G'),
    Flag::switch("no-legend", 'g'),
    Flag::value("height", 'h'),
    Flag::switch("no-minor", 'I'),
    Flag::switch("interlaced", 'i'),
    Flag::switch("alt-autoscale-min", 'J'),
    Flag::switch("only-graph", 'j'),
    Flag::value("units-length", 'L'),
    Flag::value("lower-limit", 'l'),
    Flag::switch("alt-autoscale-max", 'M'),
    Flag::value("zoom", 'm'),
    Flag::switch("no-gridfit", 'N'),
    Flag::value("font", 'n'),
    Flag::switch("logarithmic", 'o'),
    Flag::switch("pango-markup", 'P'),
    Flag::value("font-render-mode", 'R'),
    Flag::switch("rigid", 'r'),
    Flag::value("step", 'S'),
    Flag::value("start", 's'),
    Flag::value("tabwidth", 'T'),
    Flag::value("title", 't'),
    Flag::value("upper-limit", 'u'),
    Flag::value("vertical-label", 'v'),
    Flag::value("watermark", 'W'),
    Flag::value("width", 'w'),
    Flag::value("units-exponent", 'X'),
    Flag::value("x-grid", 'x'),
    Flag::switch("alt-y-grid", 'Y'),
    Flag::value("y-grid", 'y'),
    Flag::switch("lazy", 'z'),
    Flag::switch("use-nan-for-all-missing-data", 'Z'),
    Flag::value("units", NO_LETTER),
    Flag::switch("alt-y-mrtg", NO_LETTER),
    Flag::switch("disable-rrdtool-tag", NO_LETTER),
    Flag::value("right-axis", NO_LETTER),
    Flag::value("right-axis-label", NO_LETTER),
    Flag::value("right-axis-format", NO_LETTER),
    Flag::value("right-axis-formatter", NO_LETTER),
    Flag::value("left-axis-format", NO_LETTER),
    Flag::value("left-axis-formatter", NO_LETTER),
    Flag::value("week-fmt", NO_LETTER),
    Flag::value("graph-type", NO_LETTER),
    Flag::value("legend-position", NO_LETTER),
    Flag::value("legend-direction", NO_LETTER),
    Flag::value("border", NO_LETTER),
    Flag::value("grid-dash", NO_LETTER),
    Flag::switch("dynamic-labels", NO_LETTER),
    Flag::switch("allow-shrink", NO_LETTER),
];

/// What is understood and changes nothing here. The others of rrdtool's options change nothing that one would miss.
const WITHOUT_EFFECT: [&str; 13] = [
    "pango-markup",
    "units-exponent",
    "right-axis",
    "right-axis-label",
    "right-axis-format",
    "right-axis-formatter",
    "left-axis-format",
    "left-axis-formatter",
    "week-fmt",
    "graph-type",
    "legend-position",
    "legend-direction",
    "font",
];

/// `graph`: the picture's size and the prints.
pub(super) fn run(
    args: &[String],
    around: &mut Surroundings<'_>,
    draw: &mut Draw<'_>,
) -> super::Outcome {
    if args.is_empty() {
        return Err(help::usage("graph"));
    }
    let made = make(args, around, draw)?;
    let mut text = String::new();
    if !made.to_output {
        // It looks for the word alone, as rrdtool does.
        if !args.iter().any(|arg| arg == "--imginfo" || arg == "-f") {
            text += &format!("{}x{}\n", made.size.0, made.size.1);
        }
        for line in made
            .info
            .iter()
            .chain(made.answers.iter().filter_map(Answer::print))
        {
            text = text + line + "\n";
        }
    }
    put(around.output, text.as_bytes())?;
    put(around.output, &made.image.unwrap_or_default())
}

/// `graphv`: everything by name.
pub(super) fn run_verbose(
    args: &[String],
    around: &mut Surroundings<'_>,
    draw: &mut Draw<'_>,
) -> super::Outcome {
    if args.is_empty() {
        return Err(help::usage("graphv"));
    }
    let made = make(args, around, draw)?;
    let mut text: String = made.answers.iter().map(Answer::line).collect();
    if let Some(info) = &made.info {
        text += &format!("image_info = \"{info}\"\n");
    }
    if let Some(image) = &made.image {
        text += &format!("image = BLOB_SIZE:{}\n", image.len());
    }
    put(around.output, text.as_bytes())?;
    put(around.output, &made.image.unwrap_or_default())
}

fn put(output: &mut dyn Write, bytes: &[u8]) -> super::Outcome {
    output.write_all(bytes).map_err(told)
}

impl Answer {
    fn print(&self) -> Option<&String> {
        match self {
            Self::Text(name, text) if name.starts_with("print[") => Some(text),
            Self::Text(..) | Self::Count(..) | Self::Value(..) => None,
        }
    }

    fn line(&self) -> String {
        match self {
            Self::Count(name, count) => format!("{name} = {count}\n"),
            Self::Value(name, value) => format!("{name} = {}\n", crate::print::Scientific(*value)),
            Self::Text(name, text) => format!("{name} = \"{text}\"\n"),
        }
    }
}

fn make(
    args: &[String],
    around: &mut Surroundings<'_>,
    draw: &mut Draw<'_>,
) -> Result<Made, String> {
    let options = Options::parse(args, &FLAGS)?;
    let settings = settings(&options)?;
    let base = match options.value("base").map(leading_number) {
        None | Some(1000) => 1000.0,
        Some(1024) => 1024.0,
        Some(_) => {
            return Err("the only sensible value for base apart from 1000 is 1024".to_owned());
        }
    };
    let image = image(&options)?;
    let mut frame = frame(&options, settings.size.0, around.now.0, around.zone)?;
    frame.base = base;
    let Some((path, arguments)) = options.words.split_first() else {
        return Err("missing filename".to_owned());
    };
    let calculated = Graph::parse(frame, arguments).map_err(told)?;
    let calculated = calculated.calculate(&mut read).map_err(told)?;
    let prints = calculated.prints().map_err(told)?;
    let printed = prints
        .into_iter()
        .filter(|print| calculated.is_print(print.element));
    let mut made = Made {
        answers: Vec::new(),
        info: None,
        size: (0, 0),
        image: None,
        to_output: *path == "-",
    };
    for (index, print) in printed.enumerate() {
        made.answers
            .push(Answer::Text(format!("print[{index}]"), print.text));
    }
    if calculated.is_picture() {
        let drawing = Drawing {
            picture: calculated.picture(settings).map_err(told)?,
            image,
            zoom: number(&options, "zoom")?.unwrap_or(1.0),
            colors: colors(&options)?,
            base,
            zone: around.zone,
        };
        if !(drawing.zoom > 0.0 && drawing.zoom <= 10.0) {
            return Err("zoom factor must be > 0, and at most 10".to_owned());
        }
        for name in WITHOUT_EFFECT.into_iter().filter(|name| options.has(name)) {
            // A picture without it is better than none.
            let _ = writeln!(around.errors, "WARNING: --{name} has no effect");
        }
        let bytes = draw(&drawing)?;
        made.describe(&drawing.picture);
        if made.to_output {
            made.image = Some(bytes);
        } else {
            std::fs::write(path, bytes)
                .map_err(|error| format!("Could not save to '{path}': {error}"))?;
        }
    }
    if let Some(format) = options.value("imginfo").filter(|format| !format.is_empty()) {
        made.info = Some(image_info(format, path, made.size)?);
    }
    Ok(made)
}

impl Made {
    fn describe(&mut self, picture: &Picture) {
        let [left, top, width, height] = picture.plot;
        self.size = (picture.width, picture.height);
        let counts = [
            ("graph_left", left),
            ("graph_top", top),
            ("graph_width", width),
            ("graph_height", height),
            ("image_width", picture.width),
            ("image_height", picture.height),
            ("graph_start", picture.time.0),
            ("graph_end", picture.time.1),
        ];
        self.answers
            .extend(counts.map(|(name, count)| Answer::Count(name, count)));
        self.answers
            .push(Answer::Value("value_min", picture.values.0));
        self.answers
            .push(Answer::Value("value_max", picture.values.1));
        for (index, words) in picture.legend.iter().enumerate() {
            let place = words.place.map(|side| format!("{side:.0}")).join(",");
            self.answers
                .push(Answer::Text(format!("legend[{index}]"), words.text.clone()));
            self.answers
                .push(Answer::Text(format!("coords[{index}]"), place));
        }
    }
}

fn image(options: &Options<'_>) -> Result<Image, String> {
    match options.value("imgformat") {
        None | Some("PNG") => Ok(Image::Png),
        Some("SVG") => Ok(Image::Svg),
        Some(other) => Err(format!(
            "unsupported graphics format '{other}': expected PNG or SVG (xport writes XML and JSON)"
        )),
    }
}

/// `FILE: <img src="%s" width="%lu" height="%lu">`.
fn image_info(format: &str, path: &str, (width, height): (i64, i64)) -> Result<String, String> {
    let name = match path {
        "-" => "memory",
        path => Path::new(path)
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or(path),
    };
    let parts: Vec<&str> = format.splitn(2, "%s").collect();
    let sizes: Vec<&str> = parts
        .get(1)
        .map_or(Vec::new(), |rest| rest.split("%lu").collect());
    let texts = [parts[..1].to_vec(), sizes.clone()].concat();
    let plain = |text: &&str| !text.replace("%%", "").contains('%');
    if sizes.len() != 3 || !texts.iter().all(plain) {
        return Err(format!(
            "invalid format string '{format}' (should have %s, %lu and %lu, in this order)"
        ));
    }
    let [before, a, b, c] =
        [texts[0], texts[1], texts[2], texts[3]].map(|text| text.replace("%%", "%"));
    Ok(format!("{before}{name}{a}{width}{b}{height}{c}"))
}

fn number(options: &Options<'_>, name: &str) -> Result<Option<f64>, String> {
    let number = |text: &str| {
        decimal::parse(text.as_bytes())
            .ok_or_else(|| format!("option --{name}: cannot convert '{text}' to float"))
    };
    options.value(name).map(number).transpose()
}

fn side(options: &Options<'_>, name: &str, default: i64) -> Result<i64, String> {
    match options.value(name).map(leading_number) {
        None => Ok(default),
        Some(pixels) if pixels < 10 => Err(format!("{name} below 10 pixels")),
        Some(pixels) if pixels > SIDE_MAX => Err(format!("{name} above {SIDE_MAX} pixels")),
        Some(pixels) => Ok(pixels),
    }
}

fn settings(options: &Options<'_>) -> Result<Settings, String> {
    let text = |name: &str| options.value(name).unwrap_or_default().to_owned();
    let lower = number(options, "lower-limit")?;
    let logarithmic = options.has("logarithmic");
    if logarithmic && lower.is_some_and(|lower| lower <= 0.0) {
        return Err("for a logarithmic yaxis you must specify a lower-limit > 0".to_owned());
    }
    match options.value("units") {
        None | Some("si") => {}
        Some(other) => return Err(format!("invalid argument for --units: {other}")),
    }
    let rounding =
        match ["", "-min", "-max"].map(|name| options.has(&format!("alt-autoscale{name}"))) {
            [true, _, _] => Rounding::Both,
            [_, true, _] => Rounding::Below,
            [_, _, true] => Rounding::Above,
            [false, false, false] => Rounding::Round,
        };
    let y_grid = options.value("y-grid");
    Ok(Settings {
        size: (side(options, "width", 400)?, side(options, "height", 100)?),
        full_size: options.has("full-size-mode"),
        only_graph: options.has("only-graph"),
        no_legend: options.has("no-legend"),
        force_rules: options.has("force-rules-legend"),
        title: text("title"),
        vertical_label: text("vertical-label"),
        watermark: text("watermark"),
        lower,
        upper: number(options, "upper-limit")?,
        rigid: options.has("rigid"),
        allow_shrink: options.has("allow-shrink"),
        rounding,
        grid: y_grid
            .filter(|text| *text != "none")
            .map(grid)
            .transpose()?,
        axes: (
            y_grid != Some("none"),
            options.value("x-grid") != Some("none"),
        ),
        logarithmic,
        units_length: options.value("units-length").map(leading_number),
        no_tag: options.has("disable-rrdtool-tag"),
        slope: options.has("slope-mode"),
    })
}

/// `STEP:FACTOR`.
fn grid(text: &str) -> Result<(f64, f64), String> {
    let parts = text.split_once(':').ok_or("invalid y-grid format")?;
    let step = decimal::parse(parts.0.as_bytes()).ok_or("invalid y-grid format")?;
    let factor = leading_number(parts.1);
    if step.is_nan() || step <= 0.0 {
        return Err("grid step must be > 0".to_owned());
    }
    if factor < 1 {
        return Err("label factor must be > 0".to_owned());
    }
    Ok((step, factor as f64))
}

/// `--color TAG#RRGGBB[AA]`, as often as one likes.
fn colors(options: &Options<'_>) -> Result<Vec<(Part, Color)>, String> {
    let color = |text: &str| {
        let (tag, color) = text.split_once('#').ok_or("invalid color def format")?;
        let part = match tag {
            "BACK" => Part::Back,
            "CANVAS" => Part::Canvas,
            "SHADEA" => Part::ShadeA,
            "SHADEB" => Part::ShadeB,
            "GRID" => Part::Grid,
            "MGRID" => Part::MajorGrid,
            "FONT" => Part::Font,
            "AXIS" => Part::Axis,
            "FRAME" => Part::Frame,
            "ARROW" => Part::Arrow,
            _ => return Err(format!("invalid color name '{tag}'")),
        };
        Ok((part, Color::parse(color).map_err(told)?))
    };
    options.values("color").into_iter().map(color).collect()
}
