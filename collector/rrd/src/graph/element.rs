//! The elements of a graph and how they are written.

use chrono_tz::Tz;

use super::argument::Argument;
use super::summary::Function;
use super::{ELEMENTS_MAX, Frame, GraphError};
use crate::at::{self, Time};
use crate::decimal;
use crate::definition::Cf;
use crate::rpn::Program;

/// Bytes of a name, and of a legend or format.
const NAME_MAX: usize = 255;
const LEGEND_MAX: usize = 200;
/// Times before 1980 are taken for a mistake.
const START_MIN: i64 = 315_360_000;

/// One element. `name` is what others call it, when it is a variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// The variable's name, or that of the variable that it shows.
    pub name: String,
    /// Its words in the legend, still with their control codes.
    pub legend: String,
    /// What it is.
    pub kind: Kind,
}

/// What an element is. Variables are given by the index of their element.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Rows of a file.
    Def(Def),
    /// A formula over rows; for each of its variables the element.
    Cdef(Program, Vec<usize>),
    /// A value out of rows.
    Vdef(Function, usize),
    /// Moves rows in time.
    Shift(Shift),
    /// A column of an export.
    Xport(usize),
    /// A line of text as an answer.
    Print(Printed),
    /// A text in the legend.
    GPrint(Printed),
    /// A text in the legend.
    Comment,
    /// How the legend's texts stand from here on.
    TextAlign(Align),
    /// A line.
    Line(Line),
    /// A filled area.
    Area(Area),
    /// Marks where rows are known and not zero.
    Tick(Tick),
    /// A horizontal line.
    HRule(Rule),
    /// A vertical line.
    VRule(Rule),
    /// An axis declaration, without effect in rrdtool, too.
    Axis,
}

/// `DEF`.
#[derive(Clone, Debug, PartialEq)]
pub struct Def {
    /// The file.
    pub path: String,
    /// The data source.
    pub source: String,
    /// How the file consolidated the rows.
    pub cf: Cf,
    /// How they are consolidated further; as `cf`, where it is not said.
    pub reduce: Cf,
    /// UTC seconds.
    pub start: i64,
    /// UTC seconds.
    pub end: i64,
    /// Seconds per row that are asked for.
    pub step: u64,
}

/// `SHIFT`.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// What is moved.
    pub target: usize,
    /// Seconds, or the VDEF that has them.
    pub by: Operand,
}

/// `PRINT` and `GPRINT`.
#[derive(Clone, Debug, PartialEq)]
pub struct Printed {
    /// The variable.
    pub source: usize,
    /// What is made of rows.
    pub cf: Cf,
    /// How the value is shown.
    pub format: String,
    /// Whether the time of the value is shown instead.
    pub strftime: bool,
    /// What kind of value it is.
    pub formatter: Formatter,
}

/// What a printed value is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formatter {
    /// A number.
    Numeric,
    /// Seconds since 1970.
    Timestamp,
    /// Milliseconds.
    Duration,
}

/// Where the legend's texts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// At the left.
    Left,
    /// At the right.
    Right,
    /// In the middle.
    Center,
    /// From border to border.
    Justified,
}

/// A variable or a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operand {
    /// The index of an element.
    Variable(usize),
    /// A number.
    Number(f64),
}

/// Red, green, blue and opacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color(pub [u8; 4]);

/// `LINE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it shows.
    pub source: Operand,
    /// Without a colour it is not drawn.
    pub color: Option<Color>,
    /// In pixels.
    pub width: f64,
    /// Whether it stands on the element before it.
    pub stack: bool,
    /// Whether the axis leaves it out of account.
    pub skip_scale: bool,
    /// Lengths of dashes and gaps; none for a solid line.
    pub dashes: Vec<f64>,
}

/// `AREA`.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    /// What it shows.
    pub source: Operand,
    /// Without a colour it is not drawn.
    pub color: Option<Color>,
    /// The other end of a gradient.
    pub color2: Option<Color>,
    /// Whether it stands on the element before it.
    pub stack: bool,
    /// Whether the axis leaves it out of account.
    pub skip_scale: bool,
}

/// `TICK`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where it is.
    pub source: Operand,
    /// Its colour.
    pub color: Option<Color>,
    /// Its length, as a share of the height; negative ones hang from above.
    pub fraction: f64,
}

/// `HRULE` and `VRULE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The value or the time; of a VDEF.
    pub at: Operand,
    /// Its colour.
    pub color: Option<Color>,
    /// Lengths of dashes and gaps.
    pub dashes: Vec<f64>,
}

pub(super) fn parse(frame: &Frame, arguments: &[&str]) -> Result<Vec<Element>, GraphError> {
    if arguments.len() > ELEMENTS_MAX {
        return Err(GraphError::new(format!(
            "a graph may have {ELEMENTS_MAX} arguments, found {}",
            arguments.len()
        )));
    }
    let mut parser = Parser {
        frame,
        elements: Vec::new(),
    };
    for text in arguments {
        let mut argument = Argument::parse(text)?;
        let element = parser.element(&mut argument)?;
        argument.finish()?;
        parser.elements.push(element);
    }
    Ok(parser.elements)
}

struct Parser<'a> {
    frame: &'a Frame,
    elements: Vec<Element>,
}

/// What LINE, AREA, TICK, rules and XPORT have in common.
struct Shown {
    name: String,
    source: Operand,
    color: Option<Color>,
    color2: Option<Color>,
    legend: String,
}

impl Parser<'_> {
    fn element(&mut self, argument: &mut Argument<'_>) -> Result<Element, GraphError> {
        let command = argument.command()?;
        argument.take("debug");
        match command.as_str() {
            "DEF" => self.def(argument),
            "CDEF" => self.cdef(argument),
            "VDEF" => self.vdef(argument),
            "SHIFT" => self.shift(argument),
            "XPORT" => self.xport(argument),
            "PRINT" => self.printed(argument, Kind::Print),
            "GPRINT" => self.printed(argument, Kind::GPrint),
            "COMMENT" => comment(argument),
            "TEXTALIGN" => text_align(argument),
            "AREA" => self.area(argument),
            "TICK" => self.tick(argument),
            "HRULE" => self.rule(argument, Kind::HRule),
            "VRULE" => self.rule(argument, Kind::VRule),
            "STACK" => self.stack(argument),
            "XAXIS" | "YAXIS" => Ok(Element {
                name: String::new(),
                legend: String::new(),
                kind: Kind::Axis,
            }),
            _ => match command.strip_prefix("LINE") {
                Some(width) => self.line(argument, width),
                None => Err(GraphError::new(format!(
                    "'{command}' is not a valid function name in {}",
                    argument.text
                ))),
            },
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        let variable = |element: &Element| {
            matches!(element.kind, Kind::Def(_) | Kind::Cdef(..) | Kind::Vdef(..))
        };
        self.elements
            .iter()
            .rposition(|element| variable(element) && element.name == name)
    }

    /// A name that is not taken.
    fn new_name(&self, name: &str) -> Result<String, GraphError> {
        let name = cut(name.split('#').next().unwrap_or(name), NAME_MAX);
        match self.find(name) {
            Some(_) => Err(GraphError::new(format!("trying to reuse vname {name}"))),
            None => Ok(name.to_owned()),
        }
    }

    fn def(&self, argument: &mut Argument<'_>) -> Result<Element, GraphError> {
        let (name, path) = (argument.take("vname"), argument.take("rrd"));
        let (source, cf) = (argument.take("ds"), argument.take("cf"));
        let reduce = argument.take("reduce");
        let reduce = reduce
            .map(|word| {
                word.parse::<Cf>()
                    .map_err(|_| GraphError::new(format!("bad reduce CF: {word}")))
            })
            .transpose()?;
        if argument.take("daemon").is_some() {
            return Err(GraphError::new("a daemon cannot be asked, only files"));
        }
        let step = match argument.take("step") {
            Some(text) => whole(&text)
                .and_then(|step| u64::try_from(step).ok())
                .filter(|step| *step > 0)
                .ok_or_else(|| GraphError::new(format!("Bad step value: {text}")))?,
            None => self.frame.step,
        };
        let (start, end) = self.period(argument)?;
        let (name, path) = both(argument, name, path)?;
        let mut next = |given: Option<String>, what: &str| {
            let text = argument.text;
            given
                .or_else(|| argument.next().map(|(_, value, _)| value))
                .ok_or_else(|| {
                    GraphError::new(format!("No argument for definition of {what} in {text}"))
                })
        };
        let source = next(source, "DS")?;
        let cf = next(cf, "CF")?;
        let cf = cf
            .parse()
            .map_err(|_| GraphError::new(format!("bad CF: {cf}")))?;
        Ok(Element {
            name: self.new_name(&name)?,
            legend: String::new(),
            kind: Kind::Def(Def {
                path,
                source: cut(&source, 19).to_owned(),
                cf,
                reduce: reduce.unwrap_or(cf),
                start,
                end,
                step,
            }),
        })
    }

    /// `start=` and `end=`, relative to the graph's.
    fn period(&self, argument: &mut Argument<'_>) -> Result<(i64, i64), GraphError> {
        let zone: Tz = self.frame.zone;
        let mut time = |name: &str, default: i64| match argument.take(name) {
            None => Ok(Time::of_seconds(default)),
            Some(text) => {
                Time::parse(&text).map_err(|error| GraphError::new(format!("{name} time: {error}")))
            }
        };
        let (start, end) = (
            time("start", self.frame.start)?,
            time("end", self.frame.end)?,
        );
        let (start, end) = at::range(&start, &end, self.frame.now, zone)
            .map_err(|error| GraphError::new(error.to_string()))?;
        if start < START_MIN {
            return Err(GraphError::new(format!(
                "the first entry to fetch should be after 1980 ({start})"
            )));
        }
        if end < start {
            return Err(GraphError::new(format!(
                "start ({start}) should be less than end ({end})"
            )));
        }
        Ok((start, end))
    }

    fn cdef(&self, argument: &mut Argument<'_>) -> Result<Element, GraphError> {
        let (name, rpn) = (argument.take("vname"), argument.take("rpn"));
        let (name, rpn) = both(argument, name, rpn)?;
        let name = self.new_name(&name)?;
        let program = Program::parse(&rpn).map_err(|error| GraphError::new(error.to_string()))?;
        let find = |name: &String| {
            self.find(name)
                .ok_or_else(|| GraphError::new(format!("don't understand '{name}' in '{rpn}'")))
        };
        let variables = program
            .variables()
            .iter()
            .map(find)
            .collect::<Result<_, _>>()?;
        Ok(Element {
            name,
            legend: String::new(),
            kind: Kind::Cdef(program, variables),
        })
    }

    fn vdef(&self, argument: &mut Argument<'_>) -> Result<Element, GraphError> {
        let (name, rpn) = (argument.take("vname"), argument.take("rpn"));
        let (name, rpn) = both(argument, name, rpn)?;
        let name = self.new_name(&name)?;
        let (source, function) = rpn
            .split_once(',')
            .ok_or_else(|| GraphError::new(format!("Comma expected in VDEF definition {rpn}")))?;
        let index = self
            .find(source)
            .ok_or_else(|| GraphError::new(format!("Not a valid vname: {source} in line {rpn}")))?;
        if matches!(self.elements[index].kind, Kind::Vdef(..)) {
            return Err(GraphError::new(format!(
                "variable '{source}' not DEF nor CDEF in VDEF '{rpn}'"
            )));
        }
        let function = Function::parse(function, &name)?;
        Ok(Element {
            name,
            legend: String::new(),
            kind: Kind::Vdef(function, index),
        })
    }

    fn shift(&self, argument: &mut Argument<'_>) -> Result<Element, GraphError> {
        let name = given_or_next(argument, "vname")
            .ok_or_else(|| GraphError::new("No positional VNAME"))?;
        let name = name.split('#').next().unwrap_or(&name).to_owned();
        let target = self
            .find(&name)
            .ok_or_else(|| GraphError::new(format!("vname {name} not found")))?;
        if matches!(self.elements[target].kind, Kind::Vdef(..)) {
            return Err(GraphError::new(format!(
                "Cannot shift a VDEF: '{name}' in line '{}'",
                argument.text
            )));
        }
        let by =
            given_or_next(argument, "shift").ok_or_else(|| GraphError::new("No shift given"))?;
        let by = match self.find(&by) {
            Some(index) if matches!(self.elements[index].kind, Kind::Vdef(..)) => {
                Operand::Variable(index)
            }
            Some(_) => {
                return Err(GraphError::new(format!(
                    "Offset cannot be a (C)DEF: '{by}' in line '{}'",
                    argument.text
                )));
            }
            None => {
                let seconds = whole(&by).filter(|seconds| seconds.abs() < 1 << 50);
                let seconds =
                    seconds.ok_or_else(|| GraphError::new(format!("error parsing number {by}")))?;
                Operand::Number(seconds as f64)
            }
        };
        Ok(Element {
            name,
            legend: String::new(),
            kind: Kind::Shift(Shift { target, by }),
        })
    }

    /// `vname#color#color2`, what stands between it and the legend, and the legend.
    fn shown(
        &self,
        argument: &mut Argument<'_>,
        between: impl FnOnce(&mut Argument<'_>) -> Result<(), GraphError>,
    ) -> Result<Shown, GraphError> {
        let keys = ["vname", "color", "color2", "legend"].map(|key| argument.take(key));
        let [name, color, color2, legend] = keys;
        let name = name
            .or_else(|| argument.next().map(|(_, value, _)| value))
            .ok_or_else(|| GraphError::new("No positional VNAME"))?;
        between(argument)?;
        let legend = legend.or_else(|| argument.next().map(|(_, _, whole)| whole));
        let mut parts = name.splitn(3, '#');
        let name = cut(parts.next().unwrap_or(""), NAME_MAX).to_owned();
        let parse = |text: Option<String>| text.map(|text| Color::parse(&text)).transpose();
        let mut colors = [color, color2].map(|key| (key, parts.next().map(str::to_owned)));
        let [color, color2] = colors
            .each_mut()
            .map(|(key, place)| key.take().or(place.take()));
        let source =
            match self.find(&name) {
                Some(index) => Operand::Variable(index),
                None => Operand::Number(decimal::parse(name.as_bytes()).ok_or_else(|| {
                    GraphError::new(format!("{name} is not a vname nor a number"))
                })?),
            };
        Ok(Shown {
            name,
            source,
            color: parse(color)?,
            color2: parse(color2)?,
            legend: cut(&legend.unwrap_or_default(), LEGEND_MAX).to_owned(),
        })
    }

    fn xport(&self, argument: &mut Argument<'_>) -> Result<Element, GraphError> {
        let shown = self.shown(argument, |_| Ok(()))?;
        match shown.source {
            Operand::Variable(index) if !matches!(self.elements[index].kind, Kind::Vdef(..)) => {
                Ok(Element {
                    name: shown.name,
                    legend: shown.legend,
                    kind: Kind::Xport(index),
                })
            }
            Operand::Variable(_) | Operand::Number(_) => Err(GraphError::new(format!(
                "expected a DEF or CDEF, found '{}' in line '{}'",
                shown.name, argument.text
            ))),
        }
    }

    fn line(&self, argument: &mut Argument<'_>, width: &str) -> Result<Element, GraphError> {
        let width = if width.is_empty() {
            argument.take("linewidth").unwrap_or_default()
        } else {
            width.to_owned()
        };
        let width = match width.as_str() {
            "" => 1.0,
            text => decimal::parse(text.as_bytes())
                .filter(|width| *width >= 0.0)
                .ok_or_else(|| GraphError::new(format!("Bad line width: {text}")))?,
        };
        let (stack, skip_scale, dashes) = style(argument)?;
        let shown = self.shown(argument, |_| Ok(()))?;
        Ok(Element {
            name: shown.name,
            legend: indented(&shown.legend),
            kind: Kind::Line(Line {
                source: shown.source,
                color: shown.color,
                width,
                stack,
                skip_scale,
                dashes,
            }),
        })
    }

    fn area(&self, argument: &mut Argument<'_>) -> Result<Element, GraphError> {
        argument.take("gradheight");
        let stack = argument.take("stack").is_some();
        let skip_scale = argument.take("skipscale").is_some();
        axes(argument);
        let shown = self.shown(argument, |_| Ok(()))?;
        Ok(Element {
            name: shown.name,
            legend: indented(&shown.legend),
            kind: Kind::Area(Area {
                source: shown.source,
                color: shown.color,
                color2: shown.color2,
                stack,
                skip_scale,
            }),
        })
    }

    /// `STACK`, the old form: on top of the line or area before it, and of its kind.
    fn stack(&self, argument: &mut Argument<'_>) -> Result<Element, GraphError> {
        axes(argument);
        let shown = self.shown(argument, |_| Ok(()))?;
        let before = self.elements.iter().rev();
        let kind = before
            .map(|element| &element.kind)
            .find_map(|kind| match kind {
                Kind::Line(line) => Some(Kind::Line(Line {
                    source: shown.source,
                    color: shown.color,
                    stack: true,
                    skip_scale: false,
                    dashes: Vec::new(),
                    ..line.clone()
                })),
                Kind::Area(_) => Some(Kind::Area(Area {
                    source: shown.source,
                    color: shown.color,
                    color2: shown.color2,
                    stack: true,
                    skip_scale: false,
                })),
                _ => None,
            });
        let kind = kind.ok_or_else(|| {
            GraphError::new(format!(
                "No previous LINE or AREA found for {}",
                argument.text
            ))
        })?;
        Ok(Element {
            name: shown.name,
            legend: indented(&shown.legend),
            kind,
        })
    }

    fn tick(&self, argument: &mut Argument<'_>) -> Result<Element, GraphError> {
        let mut fraction = argument.take("fraction");
        let shown = self.shown(argument, |argument| {
            if fraction.is_none() {
                fraction = argument.next().map(|(_, value, _)| value);
            }
            Ok(())
        })?;
        let fraction = fraction.ok_or_else(|| GraphError::new("No positional FRACTION"))?;
        let fraction = match fraction.as_str() {
            "vname" => 0.5,
            text => decimal::parse(text.as_bytes())
                .ok_or_else(|| GraphError::new(format!("error parsing number {text}")))?,
        };
        Ok(Element {
            name: shown.name,
            legend: shown.legend,
            kind: Kind::Tick(Tick {
                source: shown.source,
                color: shown.color,
                fraction,
            }),
        })
    }

    fn rule(
        &self,
        argument: &mut Argument<'_>,
        kind: fn(Rule) -> Kind,
    ) -> Result<Element, GraphError> {
        let (_, _, dashes) = style(argument)?;
        let shown = self.shown(argument, |_| Ok(()))?;
        if let Operand::Variable(index) = shown.source
            && !matches!(self.elements[index].kind, Kind::Vdef(..))
        {
            return Err(GraphError::new(format!(
                "Using vname {} of wrong type in line {}",
                shown.name, argument.text
            )));
        }
        Ok(Element {
            name: shown.name,
            legend: indented(&shown.legend),
            kind: kind(Rule {
                at: shown.source,
                color: shown.color,
                dashes,
            }),
        })
    }

    fn printed(
        &self,
        argument: &mut Argument<'_>,
        kind: fn(Printed) -> Kind,
    ) -> Result<Element, GraphError> {
        let cf_of = |word: &str, error: &str| {
            word.parse::<Cf>()
                .map_err(|_| GraphError::new(format!("{error}: {word}")))
        };
        let (name, cf) = (argument.take("vname"), argument.take("cf"));
        let format = argument.take("format").filter(|format| !format.is_empty());
        let strftime = argument.take("strftime").is_some();
        let formatter = match argument.take("vformatter").as_deref() {
            None => Formatter::Numeric,
            Some("timestamp") => Formatter::Timestamp,
            Some("duration") => Formatter::Duration,
            Some(other) => {
                return Err(GraphError::new(format!("Unsupported vformatter: {other}")));
            }
        };
        let name = name
            .or_else(|| argument.next().map(|(_, _, whole)| whole))
            .ok_or_else(|| GraphError::new("No positional VNAME"))?;
        let source = self
            .find(&name)
            .ok_or_else(|| GraphError::new(format!("undefined vname {name}")))?;
        let mut cf = cf.map(|word| cf_of(&word, "bad CF")).transpose()?;
        if cf.is_none() && !matches!(self.elements[source].kind, Kind::Vdef(..)) {
            let (_, word, _) = argument
                .next()
                .ok_or_else(|| GraphError::new("No positional CDEF"))?;
            cf = Some(cf_of(&word, "bad CF for DEF/CDEF")?);
        }
        let format = format
            .or_else(|| argument.next().map(|(_, _, whole)| whole))
            .ok_or_else(|| GraphError::new("No positional CF/FORMAT"))?;
        Ok(Element {
            name,
            legend: String::new(),
            kind: kind(Printed {
                source,
                cf: cf.unwrap_or(Cf::Average),
                format: cut(&format, LEGEND_MAX).to_owned(),
                strftime,
                formatter,
            }),
        })
    }
}

fn comment(argument: &mut Argument<'_>) -> Result<Element, GraphError> {
    let given = argument.take("legend").filter(|legend| !legend.is_empty());
    let legend = given
        .or_else(|| argument.next().map(|(_, _, whole)| whole))
        .ok_or_else(|| GraphError::new("No positional CF/FORMAT"))?;
    Ok(Element {
        name: String::new(),
        legend: cut(&legend, LEGEND_MAX).to_owned(),
        kind: Kind::Comment,
    })
}

fn text_align(argument: &mut Argument<'_>) -> Result<Element, GraphError> {
    let align =
        given_or_next(argument, "align").ok_or_else(|| GraphError::new("No alignment given"))?;
    let align = match align.as_str() {
        "left" => Align::Left,
        "right" => Align::Right,
        "justified" => Align::Justified,
        "center" => Align::Center,
        other => return Err(GraphError::new(format!("Unknown alignment type '{other}'"))),
    };
    Ok(Element {
        name: String::new(),
        legend: String::new(),
        kind: Kind::TextAlign(align),
    })
}

/// `name=other`, of which either may have been said by its key.
fn both(
    argument: &mut Argument<'_>,
    name: Option<String>,
    other: Option<String>,
) -> Result<(String, String), GraphError> {
    if let (Some(name), Some(other)) = (&name, &other) {
        return Ok((name.clone(), other.clone()));
    }
    let text = argument.text;
    let (key, value, _) = argument.next().ok_or_else(|| {
        GraphError::new(format!("No argument for definition of vdef/rrd in {text}"))
    })?;
    Ok((name.unwrap_or(key), other.unwrap_or(value)))
}

fn given_or_next(argument: &mut Argument<'_>, key: &str) -> Option<String> {
    argument
        .take(key)
        .or_else(|| argument.next().map(|(_, value, _)| value))
}

/// There is one axis of each kind, so these say nothing.
fn axes(argument: &mut Argument<'_>) {
    argument.take("xaxis");
    argument.take("yaxis");
}

/// `STACK`, `skipscale` and dashes.
fn style(argument: &mut Argument<'_>) -> Result<(bool, bool, Vec<f64>), GraphError> {
    let stack = argument.take("stack").is_some();
    let skip_scale = argument.take("skipscale").is_some();
    axes(argument);
    let number = |text: &str| {
        decimal::parse(text.as_bytes())
            .filter(|number| number.is_finite() && *number >= 0.0)
            .ok_or_else(|| GraphError::new(format!("Could not parse number: {text}")))
    };
    let dashes = match argument.take("dashes") {
        Some(text) => text.split(',').map(number).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    if let Some(text) = argument.take("dash-offset") {
        number(&text)?;
    }
    Ok((stack, skip_scale, dashes))
}

/// Room for the coloured box.
fn indented(legend: &str) -> String {
    if legend.is_empty() {
        String::new()
    } else {
        format!("  {legend}")
    }
}

fn whole(text: &str) -> Option<i64> {
    text.trim_start().parse().ok()
}

fn cut(text: &str, bytes: usize) -> &str {
    let end = text
        .char_indices()
        .map(|(at, letter)| at + letter.len_utf8());
    &text[..end.take_while(|end| *end <= bytes).last().unwrap_or(0)]
}

impl Color {
    /// `RGB`, `RGBA`, `RRGGBB` or `RRGGBBAA`, in hexadecimal digits.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<Self, GraphError> {
        let error = || GraphError::new(format!("expected a colour as RRGGBB[AA], found '{text}'"));
        let digit = |letter: char| {
            letter
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let digits: Vec<u8> = text
            .chars()
            .map(digit)
            .collect::<Option<_>>()
            .ok_or_else(error)?;
        let pair = |index: usize| digits[2 * index] << 4 | digits[2 * index + 1];
        match digits.len() {
            3 => Ok(Self([digits[0] * 17, digits[1] * 17, digits[2] * 17, 255])),
            4 => Ok(Self([0, 1, 2, 3].map(|index| digits[index] * 17))),
            6 => Ok(Self([pair(0), pair(1), pair(2), 255])),
            8 => Ok(Self([0, 1, 2, 3].map(pair))),
            _ => Err(error()),
        }
    }
}
