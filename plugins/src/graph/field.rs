//! A field with everything resolved.

use std::collections::HashSet;

use super::{Period, Reader, with_period};
use crate::name::FieldName;
use crate::range::Range;

/// A line of a graph: what it stores, how it is drawn, when it alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: FieldName,
    /// The legend's text; its name where the plugin gave none.
    pub label: String,
    /// How readings become numbers per second.
    pub kind: Kind,
    /// Numbers below are unknown.
    pub min: Option<f64>,
    /// Numbers above are unknown.
    pub max: Option<f64>,
    /// How it is drawn.
    pub draw: Draw,
    /// Its colour; none is the next of the palette.
    pub colour: Option<Colour>,
    /// The field that is drawn mirrored below zero, in this one's colour.
    pub negative: Option<FieldName>,
    /// The formula that what is drawn goes through, in RPN over the fields of this graph.
    pub cdef: Option<String>,
    /// Readings outside of it are a warning.
    pub warning: Option<Range>,
    /// Readings outside of it are critical.
    pub critical: Option<Range>,
    /// Unknown readings in a row before the check is unknown.
    pub unknown_limit: Option<u32>,
    /// What it means, for the graph's page.
    pub info: Option<String>,
    /// What it means, for alerts.
    pub extinfo: Option<String>,
    /// Whether it is drawn on its own (`graph no`); one that is not may still be a formula's or a `negative`'s part.
    pub drawn: bool,
    /// A horizontal line.
    pub line: Option<Line>,
    /// The name under which its history was stored before.
    pub oldname: Option<FieldName>,
}

/// How readings become numbers per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The reading is the number.
    #[default]
    Gauge,
    /// A counter that only grows and wraps around at 32 or 64 bits: difference by time.
    Counter,
    /// Difference by time, in both directions.
    Derive,
    /// A counter that each reading sets to zero: reading by time.
    Absolute,
}

/// How a field is drawn. What is stacked stands on the field drawn before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Draw {
    /// A line of that width.
    Line(f64),
    /// An area down to zero.
    Area,
    /// A line on top of the field before.
    StackedLine(f64),
    /// An area on top of the field before.
    StackedArea,
}

/// A field's own colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Colour {
    /// Red, green, blue.
    Rgb([u8; 3]),
    /// That entry of the palette, from 0, wrapping around.
    Palette(usize),
}

/// A horizontal line at a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Where.
    pub at: f64,
    /// Its colour; none is the field's.
    pub colour: Option<Colour>,
    /// Its text in the legend.
    pub label: Option<String>,
}

impl Field {
    /// The field, and how it wants to be drawn: [`join`] says how it is.
    pub(super) fn resolve(
        name: &FieldName,
        reader: &mut Reader<'_>,
        period: Period,
    ) -> (Self, Form) {
        let label = reader.text("label");
        if label.is_none() {
            reader.problem("label", "expected one, found none");
        }
        let shown = reader.flag("graph").unwrap_or(true);
        let skipped = reader.flag("skipdraw").unwrap_or(false);
        let field = Self {
            name: name.clone(),
            label: label.map_or_else(|| name.to_string(), |label| with_period(&label, period)),
            kind: kind(reader),
            min: limit(reader, "min"),
            max: limit(reader, "max"),
            draw: Draw::Line(1.0),
            colour: colour(reader),
            negative: negative(name, reader),
            cdef: reader.text("cdef"),
            warning: reader.range("warning"),
            critical: reader.range("critical"),
            unknown_limit: reader.unknown_limit(),
            info: reader.text("info"),
            extinfo: reader.text("extinfo"),
            drawn: shown && !skipped,
            line: line(reader),
            oldname: reader
                .text("oldname")
                .and_then(|name| FieldName::clean(&name)),
        };
        (field, form(reader))
    }
}

/// `draw` as a plugin says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// `LINE`, `LINE2`, `LINE0.5`.
    Line(f64),
    /// `AREA`.
    Area,
    /// `STACK`: on the field before, as that one is drawn; a line where there is none.
    Stack,
    /// `LINESTACK2`: a line for the first that stacks by itself, then like `STACK`.
    LineStack(f64),
    /// `AREASTACK`: an area for the first that stacks by itself, then like `STACK`.
    AreaStack,
}

/// What depends on the fields before and beside: stacks stand on one, `negative` needs its field.
pub(super) fn join(fields: Vec<(Field, Form)>, reader: &mut Reader<'_>) -> Vec<Field> {
    let known: HashSet<FieldName> = fields.iter().map(|(field, _)| field.name.clone()).collect();
    let mut before = None;
    let mut stacking = false;
    let mut joined = Vec::with_capacity(fields.len());
    for (mut field, form) in fields {
        if let Some(negative) = field.negative.take_if(|name| !known.contains(name)) {
            reader.problem_of(
                Some(&field.name),
                "negative",
                format_args!("expected a field of this graph, found {negative:?}"),
            );
        }
        field.draw = match form {
            Form::Line(width) => Draw::Line(width),
            Form::Area => Draw::Area,
            Form::LineStack(width) if !stacking => Draw::Line(width),
            Form::AreaStack if !stacking => Draw::Area,
            Form::Stack | Form::LineStack(_) | Form::AreaStack => stacked_on(before),
        };
        if field.drawn {
            stacking |= matches!(form, Form::LineStack(_) | Form::AreaStack);
            before = Some(field.draw);
        }
        joined.push(field);
    }
    joined
}

fn stacked_on(before: Option<Draw>) -> Draw {
    match before {
        None => Draw::Line(1.0),
        Some(Draw::Line(width) | Draw::StackedLine(width)) => Draw::StackedLine(width),
        Some(Draw::Area | Draw::StackedArea) => Draw::StackedArea,
    }
}

fn form(reader: &mut Reader<'_>) -> Form {
    let Some(text) = reader.text("draw") else {
        return Form::Line(1.0);
    };
    match parse_form(&text.to_ascii_uppercase()) {
        Some(form) => form,
        None => {
            reader.problem(
                "draw",
                format_args!(
                    "expected LINE, LINE2, AREA, STACK, AREASTACK or LINESTACK, found {text:?}"
                ),
            );
            Form::Line(1.0)
        }
    }
}

fn parse_form(text: &str) -> Option<Form> {
    match text {
        "AREA" => Some(Form::Area),
        "STACK" => Some(Form::Stack),
        "AREASTACK" => Some(Form::AreaStack),
        _ => match text.strip_prefix("LINESTACK") {
            Some(width) => parse_width(width).map(Form::LineStack),
            None => parse_width(text.strip_prefix("LINE")?).map(Form::Line),
        },
    }
}

/// Above 0 and at most 20 pixels; 1 where nothing is said.
fn parse_width(text: &str) -> Option<f64> {
    if text.is_empty() {
        return Some(1.0);
    }
    let width = text.parse::<f64>().ok()?;
    (width > 0.0 && width <= 20.0).then_some(width)
}

fn colour(reader: &mut Reader<'_>) -> Option<Colour> {
    let text = reader.text("colour")?;
    let colour = parse_colour(&text);
    if colour.is_none() {
        reader.problem(
            "colour",
            format_args!("expected RRGGBB or COLOURn, found {text:?}"),
        );
    }
    colour
}

/// `RRGGBB`, with or without `#` before and two digits of opacity behind, which are not kept; `COLOUR3`.
fn parse_colour(text: &str) -> Option<Colour> {
    if let Some(number) = text.to_ascii_uppercase().strip_prefix("COLOUR") {
        return number.parse().ok().map(Colour::Palette);
    }
    let digits = text.strip_prefix('#').unwrap_or(text);
    let all_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !all_hex || !matches!(digits.len(), 6 | 8) {
        return None;
    }
    let part = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    Some(Colour::Rgb([part(0)?, part(2)?, part(4)?]))
}

/// `value[:colour[:label]]`.
fn line(reader: &mut Reader<'_>) -> Option<Line> {
    let text = reader.text("line")?;
    let mut parts = text.splitn(3, ':');
    let at = parts
        .next()
        .and_then(|number| number.trim().parse::<f64>().ok());
    let Some(at) = at.filter(|number| number.is_finite()) else {
        reader.problem(
            "line",
            format_args!("expected `value[:colour[:label]]`, found {text:?}"),
        );
        return None;
    };
    let colour = parts.next().and_then(parse_colour);
    let label = parts.next().map(str::to_owned);
    Some(Line { at, colour, label })
}

fn negative(name: &FieldName, reader: &mut Reader<'_>) -> Option<FieldName> {
    let text = reader.text("negative")?;
    let negative = FieldName::clean(&text).filter(|negative| negative != name);
    if negative.is_none() {
        reader.problem(
            "negative",
            format_args!("expected another field, found {text:?}"),
        );
    }
    negative
}

fn kind(reader: &mut Reader<'_>) -> Kind {
    let Some(text) = reader.text("type") else {
        return Kind::default();
    };
    match text.to_ascii_uppercase().as_str() {
        "GAUGE" => Kind::Gauge,
        "COUNTER" => Kind::Counter,
        "DERIVE" => Kind::Derive,
        "ABSOLUTE" => Kind::Absolute,
        _ => {
            reader.problem(
                "type",
                format_args!("expected GAUGE, COUNTER, DERIVE or ABSOLUTE, found {text:?}"),
            );
            Kind::default()
        }
    }
}

fn limit(reader: &mut Reader<'_>, name: &str) -> Option<f64> {
    let text = reader
        .text(name)
        .filter(|text| !text.eq_ignore_ascii_case("U"))?;
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Some(number),
        Ok(_) | Err(_) => {
            reader.problem(name, format_args!("expected a number or U, found {text:?}"));
            None
        }
    }
}
