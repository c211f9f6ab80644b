//! A graph with everything resolved: what a [`Declaration`] means, defaults filled in, nothing left to decide for those
//! who draw it, store it or judge its readings.
//!
//! An attribute that is not understood is a problem and counts as not given; the graph is always there.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::declaration::{Attributes, Declaration};
use crate::name::{FieldName, GraphName, HostName};
use crate::problem::Problem;
use crate::range::Range;

mod args;
mod field;

pub use args::Args;
use field::Form;
pub use field::{Colour, Draw, Field, Kind, Line};

/// A graph as it is drawn, stored and judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// The host that it is about, when it is not the one that the plugin runs on.
    pub host: Option<HostName>,
    /// Its name.
    pub name: GraphName,
    /// `graph_title`; its name where there is none.
    pub title: String,
    /// `graph_vlabel`, the text beside the axis.
    pub vlabel: Option<String>,
    /// `graph_category` in lower case; `other` where there is none.
    pub category: String,
    /// `graph_info`.
    pub info: Option<String>,
    /// What `graph_args` asks for.
    pub args: Args,
    /// `graph_period`: the time that rates are given for.
    pub period: Period,
    /// Whether numbers get SI prefixes (`graph_scale`).
    pub scale: bool,
    /// `graph_total`: the label of a line with the sum of the drawn fields.
    pub total: Option<String>,
    /// `graph_sums`: what rates add up to is of interest.
    pub sums: bool,
    /// `graph_printf`: the format of numbers in the legend, as of `printf`.
    pub printf: Option<String>,
    /// `graph_width` in pixels of the drawing area.
    pub width: Option<u32>,
    /// `graph_height` in pixels of the drawing area.
    pub height: Option<u32>,
    /// `graph_data_size`, Munin's word for how much history is kept.
    pub data_size: Option<String>,
    /// Whether the graph is shown at all (`graph no`).
    pub draws: bool,
    /// `graph_check`: the Nagios check that these are the numbers of. Its verdict is what counts, so that the thresholds of
    /// the fields are shown and not judged.
    pub check: Option<GraphName>,
    /// `update_rate`: the step at which the plugin has something new.
    pub update_rate: Option<Duration>,
    /// The names of `fields`.
    pub order: Vec<FieldName>,
    /// Its fields in drawing order: those that `graph_order` names, then the others as they were declared.
    pub fields: Vec<Field>,
}

/// The time that rates are given for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Period {
    /// Per second.
    #[default]
    Second,
    /// Per minute.
    Minute,
    /// Per hour.
    Hour,
}

impl Period {
    /// How many seconds it has: what a rate per second is multiplied by.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }

    /// `second`, `minute`, `hour`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }
}

impl Graph {
    /// What `declaration` means. Always a graph; the problems name the graph as their source.
    #[must_use]
    pub fn resolve(declaration: &Declaration) -> (Self, Vec<Problem>) {
        let graph = declaration.graph.as_str();
        Self::resolve_from(declaration, &|_, _| Problem::new(graph, 0, ""))
    }

    /// The same, where `place` knows a problem's source and line by the field that it is about, if it is about one, and
    /// the attribute.
    #[must_use]
    pub fn resolve_from(
        declaration: &Declaration,
        place: &dyn Fn(Option<&FieldName>, &str) -> Problem,
    ) -> (Self, Vec<Problem>) {
        let mut reader = Reader::of(declaration, place);
        let (args, period) = (reader.args(), reader.period());
        let mut fields = reader.fields(declaration, period);
        reader.order(&mut fields);
        let fields = field::join(fields, &mut reader);
        let graph = Self {
            host: declaration.host.clone(),
            name: declaration.graph.clone(),
            title: reader
                .text("graph_title")
                .unwrap_or_else(|| declaration.graph.to_string()),
            vlabel: reader
                .text("graph_vlabel")
                .or_else(|| reader.text("graph_vtitle"))
                .or_else(|| args.vlabel.clone())
                .map(|label| with_period(&label, period)),
            category: reader
                .text("graph_category")
                .map_or_else(|| "other".to_owned(), |category| category.to_lowercase()),
            info: reader.text("graph_info"),
            scale: reader.scale(&args),
            args,
            period,
            total: reader.text("graph_total").filter(|label| label != "undef"),
            sums: reader.flag("graph_sums").unwrap_or(false),
            printf: reader.text("graph_printf"),
            width: reader.parsed("graph_width", "a number of pixels"),
            height: reader.parsed("graph_height", "a number of pixels"),
            data_size: reader.text("graph_data_size"),
            draws: reader.draws(),
            check: reader.parsed("graph_check", "a check's name"),
            update_rate: reader.update_rate(),
            order: fields.iter().map(|field| field.name.clone()).collect(),
            fields,
        };
        (graph, reader.problems)
    }

    /// The field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.as_str() == name)
    }
}

/// Reads attributes of the graph or of one field, and collects what is wrong with them.
struct Reader<'a> {
    place: &'a dyn Fn(Option<&FieldName>, &str) -> Problem,
    /// The field that is read; none for the graph itself.
    field: Option<&'a FieldName>,
    attributes: &'a Attributes,
    /// The graph's own, which stand in for what a field does not say.
    of_graph: &'a Attributes,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn of(
        declaration: &'a Declaration,
        place: &'a dyn Fn(Option<&FieldName>, &str) -> Problem,
    ) -> Self {
        Self {
            place,
            field: None,
            attributes: &declaration.attributes,
            of_graph: &declaration.attributes,
            problems: Vec::new(),
        }
    }

    /// A problem with an attribute of what is read.
    fn problem(&mut self, attribute: &str, text: impl std::fmt::Display) {
        self.problem_of(self.field, attribute, text);
    }

    fn problem_of(
        &mut self,
        field: Option<&FieldName>,
        attribute: &str,
        text: impl std::fmt::Display,
    ) {
        let mut problem = (self.place)(field, attribute);
        problem.text = match field {
            Some(field) => format!("field {field}: {attribute}: {text}"),
            None => format!("{attribute}: {text}"),
        };
        self.problems.push(problem);
    }

    fn text(&self, name: &str) -> Option<String> {
        self.attributes.text(name).map(str::to_owned)
    }

    /// The field's, else the graph's: with Munin what judges readings is inherited.
    fn inherited(&self, name: &str) -> Option<&'a str> {
        self.attributes
            .text(name)
            .or_else(|| self.of_graph.text(name))
    }

    fn parsed<T: std::str::FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let text = self.attributes.text(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.problem(name, format_args!("expected {expected}, found {text:?}"));
        }
        parsed
    }

    fn unknown_limit(&mut self) -> Option<u32> {
        let text = self.inherited("unknown_limit")?;
        let limit = text.parse().ok();
        if limit.is_none() {
            self.problem(
                "unknown_limit",
                format_args!("expected a count, found {text:?}"),
            );
        }
        limit
    }

    /// Munin's words for yes and no.
    fn flag(&mut self, name: &str) -> Option<bool> {
        let text = self.attributes.text(name)?;
        match text.to_ascii_lowercase().as_str() {
            "yes" | "true" | "on" | "enable" | "enabled" | "1" => Some(true),
            "no" | "false" | "off" | "disable" | "disabled" | "0" => Some(false),
            _ => {
                self.problem(name, format_args!("expected `yes` or `no`, found {text:?}"));
                None
            }
        }
    }

    fn range(&mut self, name: &str) -> Option<Range> {
        match Range::parse_munin(self.inherited(name)?) {
            Ok(range) => Some(range),
            Err(error) => {
                self.problem(name, error);
                None
            }
        }
    }

    fn args(&mut self) -> Args {
        let attributes = self.attributes;
        let mut args = Args::default();
        for name in ["graph_args", "graph_args_after"] {
            for problem in args.read(attributes.text(name).unwrap_or("")) {
                self.problem(name, problem);
            }
        }
        args
    }

    fn period(&mut self) -> Period {
        let Some(text) = self.attributes.text("graph_period") else {
            return Period::default();
        };
        match text.to_ascii_lowercase().as_str() {
            "second" => Period::Second,
            "minute" => Period::Minute,
            "hour" => Period::Hour,
            _ => {
                self.problem(
                    "graph_period",
                    format_args!("expected `second`, `minute` or `hour`, found {text:?}"),
                );
                Period::default()
            }
        }
    }

    fn scale(&mut self, args: &Args) -> bool {
        let scale = self.flag("graph_scale");
        let noscale = self.flag("graph_noscale");
        scale.or(noscale.map(|no| !no)).unwrap_or(true) && !args.unscaled
    }

    /// `graph yes|no|on-demand`: what is drawn on demand is drawn.
    fn draws(&mut self) -> bool {
        self.attributes.text("graph") == Some("on-demand") || self.flag("graph").unwrap_or(true)
    }

    /// `60`, `5m`, each with ` aligned` behind it.
    fn update_rate(&mut self) -> Option<Duration> {
        let text = self.attributes.text("update_rate")?;
        let rate = parse_seconds(text.trim_end_matches("aligned").trim());
        if rate.is_none() {
            self.problem(
                "update_rate",
                format_args!("expected seconds or a number with s, m, h or d, found {text:?}"),
            );
        }
        rate
    }

    fn fields(&mut self, declaration: &'a Declaration, period: Period) -> Vec<(Field, Form)> {
        let graph = self.attributes;
        let mut fields = Vec::with_capacity(declaration.fields.len());
        for declared in &declaration.fields {
            self.field = Some(&declared.field);
            self.attributes = &declared.attributes;
            fields.push(Field::resolve(&declared.field, self, period));
        }
        self.field = None;
        self.attributes = graph;
        fields
    }

    /// Sorts `fields` as `graph_order` says and hides those that it names with a `-`.
    fn order(&mut self, fields: &mut [(Field, Form)]) {
        let mut at: HashMap<FieldName, usize> = HashMap::new();
        let known: HashSet<FieldName> =
            fields.iter().map(|(field, _)| field.name.clone()).collect();
        let mut hidden = HashSet::new();
        let order = self.attributes.text("graph_order").unwrap_or("");
        for word in order.split_whitespace() {
            let name = word.trim_start_matches('-');
            let name = match name.split_once('=') {
                None => name,
                Some((name, _path)) => {
                    self.problem(
                        "graph_order",
                        format_args!(
                            "{word:?} borrows another field's history, which is not done here"
                        ),
                    );
                    name
                }
            };
            let Some(name) = FieldName::clean(name).filter(|name| known.contains(name)) else {
                self.problem(
                    "graph_order",
                    format_args!("expected fields of this graph, found {word:?}"),
                );
                continue;
            };
            if word.starts_with('-') {
                hidden.insert(name.clone());
            }
            let next = at.len();
            at.entry(name).or_insert(next);
        }
        fields.sort_by_key(|(field, _)| at.get(&field.name).copied().unwrap_or(usize::MAX));
        for (field, _) in fields {
            field.drawn &= !hidden.contains(&field.name);
        }
    }
}

fn with_period(text: &str, period: Period) -> String {
    text.replace("${graph_period}", period.as_str())
}

/// Seconds, or a number with a unit of Munin's `s m h d w t y`; at least one second, at most ten years.
fn parse_seconds(text: &str) -> Option<Duration> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit = match unit.trim() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "t" => 31 * 86_400,
        "y" => 365 * 86_400,
        _ => return None,
    };
    let seconds = number.parse::<u64>().ok()?.checked_mul(unit)?;
    (1..=3650 * 86_400)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
