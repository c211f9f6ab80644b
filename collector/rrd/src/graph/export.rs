//! `xport`: columns as XML or JSON, letter by letter as rrdtool writes them.
//!
//! Where rrdtool's text is broken, ours is not: quotes in JSON and `<` and `&` in XML are escaped, a comma stands between
//! legend and prints, and rules say where they are.

use std::fmt::Write as _;

use super::calculation::{Calculated, Series, Value};
use super::element::{Align, Kind, Operand};
use super::{GraphError, VALUES_MAX};
use crate::print::Unsigned;

/// How it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// JSON instead of XML.
    pub json: bool,
    /// Each row begins with its time.
    pub show_time: bool,
    /// XML's columns are numbered.
    pub enumerate: bool,
}

struct Table<'a> {
    start: i64,
    end: i64,
    step: u64,
    columns: Vec<&'a Series>,
    legends: Vec<&'a str>,
}

impl Calculated {
    /// What `xport` prints.
    ///
    /// # Errors
    /// Without an XPORT, and those of the prints.
    pub fn export(&self, style: Style) -> Result<String, GraphError> {
        let table = self.table()?;
        let mut out = String::new();
        if style.json {
            out.push_str("{ \"about\": \"RRDtool graph JSON output\",\n  \"meta\": {\n");
        } else {
            out.push_str("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n\n<xport>\n  <meta>\n");
        }
        table.meta(style, &mut out);
        self.notes(style, &mut out)?;
        out.push_str(if style.json {
            "     },\n  \"data\": [\n"
        } else {
            "  </meta>\n  <data>\n"
        });
        table.rows(style, &mut out);
        out.push_str(if style.json {
            "  ]\n}\n"
        } else {
            "  </data>\n</xport>\n"
        });
        Ok(out)
    }

    /// All exported columns, in a step of which all their steps are multiples, over the time that was asked for.
    fn table(&self) -> Result<Table<'_>, GraphError> {
        let mut columns = Vec::new();
        let mut legends = Vec::new();
        for element in &self.elements {
            if let Kind::Xport(source) = element.kind
                && let Value::Series(series) = &self.values[source]
            {
                columns.push(series);
                legends.push(element.legend.as_str());
            }
        }
        if columns.is_empty() {
            return Err(GraphError::new("no XPORT found, nothing to do"));
        }
        let step = columns
            .iter()
            .map(|series| series.step)
            .fold(0, super::calculation::common);
        let signed = step.max(1) as i64;
        let (start, end) = (self.frame.start, self.frame.end);
        let table = Table {
            start: start - start % signed,
            end: end + (signed - end % signed) % signed,
            step,
            columns,
            legends,
        };
        let values = table.times().count().saturating_mul(table.columns.len());
        if values > VALUES_MAX {
            return Err(GraphError::new(format!(
                "the export has {values} values, at most {VALUES_MAX} are written"
            )));
        }
        Ok(table)
    }

    /// What PRINT, GPRINT, COMMENT, LINE and the others beside XPORT say.
    fn notes(&self, style: Style, out: &mut String) -> Result<(), GraphError> {
        let mut texts = self.prints()?.into_iter();
        let [mut prints, mut legend, mut rules] = [(); 3].map(|()| Vec::new());
        for (element, kind) in self.elements.iter().map(|element| (element, &element.kind)) {
            let words = &element.legend;
            match kind {
                Kind::Print(_) => prints.extend(texts.next().map(|print| ("print", print.text))),
                Kind::GPrint(_) => legend.extend(texts.next().map(|print| ("gprint", print.text))),
                Kind::Comment => legend.push(("comment", words.clone())),
                Kind::Line(_) => legend.push(("line", words.trim_start().to_owned())),
                Kind::Area(_) => legend.push(("area", words.clone())),
                Kind::TextAlign(align) => legend.push(("align", align_name(*align).to_owned())),
                Kind::HRule(rule) => {
                    rules.push(("hrule", Unsigned(self.height(rule.at)).to_string()));
                }
                Kind::VRule(rule) => rules.push(("vrule", self.moment(rule.at).to_string())),
                Kind::Def(_)
                | Kind::Cdef(..)
                | Kind::Vdef(..)
                | Kind::Shift(_)
                | Kind::Xport(_)
                | Kind::Tick(_)
                | Kind::Axis => {}
            }
        }
        note("prints", &prints, style, out);
        note("gprints", &legend, style, out);
        note("rules", &rules, style, out);
        Ok(())
    }

    /// The value that a horizontal rule is at.
    #[must_use]
    pub fn height(&self, at: Operand) -> f64 {
        match at {
            Operand::Number(value) => value,
            Operand::Variable(variable) => self.number(variable),
        }
    }

    /// The time that a vertical rule is at, UTC seconds; 0 for a value without a time.
    #[must_use]
    pub fn moment(&self, at: Operand) -> i64 {
        match at {
            Operand::Number(time) => time as i64,
            Operand::Variable(variable) => match &self.values[variable] {
                Value::Summary(summary) => summary.when.unwrap_or(0),
                Value::Series(_) | Value::None => 0,
            },
        }
    }
}

fn align_name(align: Align) -> &'static str {
    match align {
        Align::Left => "left",
        Align::Right => "right",
        Align::Center => "center",
        Align::Justified => "justified",
    }
}

fn note(name: &str, entries: &[(&str, String)], style: Style, out: &mut String) {
    if entries.is_empty() {
        return;
    }
    if style.json {
        let entries = entries
            .iter()
            .map(|(tag, text)| format!("        {{ \"{tag}\": \"{}\" }}", json(text)));
        let entries: Vec<String> = entries.collect();
        let _ = write!(
            out,
            "    ,\"{name}\": [\n{}\n        ]\n",
            entries.join(",\n")
        );
    } else {
        let _ = writeln!(out, "    <{name}>");
        for (tag, text) in entries {
            let _ = writeln!(out, "        <{tag}>{}</{tag}>", xml(text));
        }
        let _ = writeln!(out, "    </{name}>");
    }
}

impl Table<'_> {
    fn times(&self) -> impl Iterator<Item = i64> + use<> {
        let step = self.step.max(1);
        (self.start..self.end).step_by(usize::try_from(step).unwrap_or(usize::MAX))
    }

    fn meta(&self, style: Style, out: &mut String) {
        let first = self.start + self.step as i64;
        let (end, step) = (self.end, self.step);
        let legends = self.legends.iter().map(|legend| legend.trim_start());
        if style.json {
            let _ = write!(
                out,
                "    \"start\": {first},\n    \"end\": {end},\n    \"step\": {step},\n    \"legend\": [\n"
            );
            let legends: Vec<String> = legends
                .map(|legend| format!("      \"{}\"", json(legend)))
                .collect();
            let _ = write!(out, "{}\n          ]\n", legends.join(",\n"));
            return;
        }
        let (rows, columns) = (self.times().count(), self.columns.len());
        let _ = write!(
            out,
            "    <start>{first}</start>\n    <end>{end}</end>\n    <step>{step}</step>\n    \
             <rows>{rows}</rows>\n    <columns>{columns}</columns>\n    <legend>\n"
        );
        for legend in legends {
            let _ = writeln!(out, "      <entry>{}</entry>", xml(legend));
        }
        out.push_str("    </legend>\n");
    }

    fn rows(&self, style: Style, out: &mut String) {
        for begin in self.times() {
            let time = begin + self.step as i64;
            if style.json {
                self.json_row(begin, time, style, out);
            } else {
                self.xml_row(begin, time, style, out);
            }
        }
    }

    fn json_row(&self, begin: i64, time: i64, style: Style, out: &mut String) {
        out.push_str("    [ ");
        if style.show_time {
            let _ = write!(out, "\"{time}\",");
        }
        for (place, series) in self.columns.iter().enumerate() {
            out.push_str(if place == 0 { "" } else { ", " });
            let value = series.at(begin);
            if value.is_finite() {
                let _ = write!(out, "{}", Unsigned(value));
            } else {
                out.push_str("null");
            }
        }
        out.push_str(if time < self.end { " ],\n" } else { " ]\n" });
    }

    fn xml_row(&self, begin: i64, time: i64, style: Style, out: &mut String) {
        out.push_str("    <row>");
        if style.show_time {
            let _ = write!(out, "<t>{time}</t>");
        }
        for (place, series) in self.columns.iter().enumerate() {
            let value = Unsigned(series.at(begin));
            let _ = if style.enumerate {
                write!(out, "<v{place}>{value}</v{place}>")
            } else {
                write!(out, "<v>{value}</v>")
            };
        }
        out.push_str("</row>\n");
    }
}

fn json(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            control if u32::from(control) < 32 => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            plain => out.push(plain),
        }
    }
    out
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
