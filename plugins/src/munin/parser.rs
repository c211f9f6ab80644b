//! What a Munin plugin prints, for `config` and for fetch, as declarations and samples.
//!
//! Text in, [`Parsed`] out; nothing is run or stored here. A line that is not understood costs that line and is a
//! problem with its number. The rules are Munin's, written from reading its behaviour:
//!
//! - lines end with LF, CR or both; blank lines and lines beginning with `#` say nothing;
//! - `multigraph NAME` opens a graph: in `config` a name seen before is continued, in fetch it begins anew;
//! - of a repeated graph attribute the first counts, of a repeated field attribute the last;
//! - an attribute with nothing behind it is as if it were not there;
//! - the first word behind `.value` is the reading: `V`, `EPOCH:V` or `N:V`; `.value` in `config` counts as well.
//!
//! What we do otherwise on purpose, and why, is in docs/munin.md; `tests/munin_corpus.rs` holds it against recordings of
//! some 450 plugins.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::declaration::{Declaration, FieldDeclaration};
use crate::name::{FieldName, GraphName, HostName};
use crate::problem::Problem;
use crate::reading::Reading;
use crate::timestamp::Timestamp;

mod lines;

use lines::GraphLines;
pub use lines::Lines;

/// Bytes of one reply that are looked at.
pub const BYTES_MAX: usize = 4 << 20;
/// Lines of one reply that are looked at.
pub const LINES_MAX: usize = 200_000;
/// Bytes of a line.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// Graphs of one plugin.
pub const GRAPHS_MAX: usize = 1_000;
/// Fields of one graph.
pub const FIELDS_MAX: usize = 1_000;
/// Samples of one reply.
pub const SAMPLES_MAX: usize = 100_000;
/// Problems that are kept of one reply; the last then says how many more there were.
pub const PROBLEMS_MAX: usize = 100;

/// What was understood of a plugin's output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The graphs, in the order in which they were opened. Empty for fetch.
    pub declarations: Vec<Declaration>,
    /// The readings, graph by graph, in the order in which they were printed.
    pub samples: Vec<PluginSample>,
    /// `field.extinfo` lines of a fetch: they change what `config` declared.
    pub extinfo: Vec<Extinfo>,
    /// Lines that were not understood.
    pub problems: Vec<Problem>,
    /// Where each attribute of the declarations stands.
    pub lines: Lines,
}

/// A reading as a plugin printed it.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginSample {
    /// The graph.
    pub graph: GraphName,
    /// The field.
    pub field: FieldName,
    /// When it was read, where the plugin said so; else it is the time of the run.
    pub time: Option<Timestamp>,
    /// What was read.
    pub reading: Reading,
    /// The line of the output, from 1; 0 where nothing was printed.
    pub line: u32,
}

/// A field's explanation for alerts, printed along with its reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extinfo {
    /// The graph.
    pub graph: GraphName,
    /// The field.
    pub field: FieldName,
    /// The explanation.
    pub text: String,
}

/// Words that a plugin may say of a graph: Munin's, two old names of them, and three words of fields, which count for the
/// fields that do not say them.
pub const GRAPH_ATTRIBUTES: [&str; 26] = [
    "graph_title",
    "graph_args",
    "graph_args_after",
    "graph_vlabel",
    "graph_category",
    "graph_info",
    "graph_order",
    "graph_sources",
    "graph_period",
    "graph_scale",
    "graph_total",
    "graph_printf",
    "graph_width",
    "graph_height",
    "graph",
    "update",
    "update_rate",
    "graph_data_size",
    "graph_sums",
    "graph_future",
    "host_name",
    "graph_noscale",
    "graph_vtitle",
    "warning",
    "critical",
    "unknown_limit",
];

/// Words that a plugin may say of a field.
pub const FIELD_ATTRIBUTES: [&str; 31] = [
    "label",
    "type",
    "min",
    "max",
    "draw",
    "info",
    "warning",
    "critical",
    "unknown_limit",
    "cdef",
    "graph",
    "skipdraw",
    "negative",
    "colour",
    "extinfo",
    "line",
    "sum",
    "stack",
    "special_stack",
    "special_sum",
    "oldname",
    "onlynullcdef",
    "cdef_name",
    "predict",
    "trend",
    "update_rate",
    "graph_data_size",
    "realname",
    "filename",
    "state",
    "process",
];

/// What stands behind `.value` for `sample` in the text that it was parsed from: the reading as it was printed.
#[must_use]
pub fn printed_reading<'t>(lines: &[&'t str], sample: &PluginSample) -> Option<&'t str> {
    let line = lines.get(usize::try_from(sample.line).ok()?.checked_sub(1)?)?;
    line.split('\r').map(str::trim).find_map(|line| {
        let (word, text) = split_word(line);
        let field = word.strip_suffix(".value").and_then(FieldName::clean)?;
        let printed = split_word(text).0;
        let same = field == sample.field && parse_value(printed)? == (sample.time, sample.reading);
        same.then(|| printed.split_once(':').map_or(printed, |(_, value)| value))
    })
}

/// A plugin's bytes as text: UTF-8 where they are, else each line that is not as Latin-1.
#[must_use]
pub fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let decoded: Vec<Cow<'_, str>> = lines
        .map(|line| match std::str::from_utf8(line) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(line.iter().map(|byte| char::from(*byte)).collect()),
        })
        .collect();
    Cow::Owned(decoded.concat())
}

/// Parses what `PLUGIN config` printed. Lines before the first `multigraph` belong to the graph `plugin`.
#[must_use]
pub fn parse_config(text: &str, plugin: &GraphName) -> Parsed {
    let mut parser = Parser::new("config", plugin);
    parser.each_line(text, Parser::config_line);
    parser.finish()
}

/// Parses what `PLUGIN` printed without an argument. Lines before the first `multigraph` belong to the graph `plugin`.
#[must_use]
pub fn parse_fetch(text: &str, plugin: &GraphName) -> Parsed {
    let mut parser = Parser::new("fetch", plugin);
    parser.each_line(text, Parser::fetch_line);
    parser.finish()
}

/// One graph while its lines come in.
struct Draft {
    declaration: Declaration,
    /// Index of each field in the declaration.
    fields: HashMap<FieldName, usize>,
    /// For each field, how many labels came before its own: Munin's order of fields.
    label_order: Vec<usize>,
    labels: usize,
    lines: GraphLines,
    samples: Vec<PluginSample>,
    /// Fields that have a reading without a time.
    untimed: HashSet<FieldName>,
    extinfo: Vec<Extinfo>,
}

/// The graph that a line belongs to.
#[derive(Clone, Copy)]
enum Current {
    /// The plugin's own, before the first `multigraph`; opened by its first line, so that graphs keep their order.
    Own,
    /// That draft.
    Draft(usize),
    /// None, after a `multigraph` line that was refused.
    Refused,
}

struct Parser<'a> {
    plugin: &'a GraphName,
    source: &'static str,
    /// Line that is being looked at.
    line: u32,
    drafts: Vec<Draft>,
    index: HashMap<GraphName, usize>,
    current: Current,
    /// The first `host_name`: munin-node knows one host per plugin.
    host: Option<HostName>,
    samples: usize,
    problems: Vec<Problem>,
    more_problems: usize,
}

impl<'a> Parser<'a> {
    fn new(source: &'static str, plugin: &'a GraphName) -> Self {
        Self {
            plugin,
            source,
            line: 0,
            drafts: Vec::new(),
            index: HashMap::new(),
            current: Current::Own,
            host: None,
            samples: 0,
            problems: Vec::new(),
            more_problems: 0,
        }
    }

    fn each_line(&mut self, text: &str, parse: fn(&mut Self, &str)) {
        let text = self.cut(text);
        for (at, line) in text.split('\n').enumerate() {
            if at >= LINES_MAX {
                self.problem(&format_args!(
                    "expected at most {LINES_MAX} lines, found more; the rest is ignored"
                ));
                return;
            }
            self.line = u32::try_from(at + 1).unwrap_or(u32::MAX);
            if line.len() > LINE_BYTES_MAX {
                self.problem(&format_args!(
                    "expected at most {LINE_BYTES_MAX} bytes in a line, found {}",
                    line.len()
                ));
                continue;
            }
            for line in line.split('\r').map(str::trim) {
                if !line.is_empty() && !line.starts_with('#') {
                    parse(self, line);
                }
            }
        }
    }

    /// The text up to its limit, ending with a whole line.
    fn cut<'t>(&mut self, text: &'t str) -> &'t str {
        if text.len() <= BYTES_MAX {
            return text;
        }
        self.problem(&format_args!(
            "expected at most {BYTES_MAX} bytes, found {}; the rest is ignored",
            text.len()
        ));
        let kept = &text.as_bytes()[..BYTES_MAX];
        let end = kept.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        &text[..end]
    }

    fn config_line(&mut self, line: &str) {
        let (word, text) = split_word(line);
        if word == "multigraph" && !text.is_empty() {
            return self.multigraph(text);
        }
        match word.split_once('.') {
            None => self.graph_attribute(word, text),
            Some((field, "value")) => self.value(field, text),
            Some((field, attribute)) => self.field_attribute(field, attribute, text),
        }
    }

    fn fetch_line(&mut self, line: &str) {
        let (word, text) = split_word(line);
        if word == "multigraph" && !text.is_empty() {
            self.multigraph(text);
            return self.begin_anew();
        }
        match word.split_once('.') {
            Some((field, "value")) => self.value(field, text),
            Some((field, "extinfo")) => self.extinfo(field, text),
            Some(_) | None => self.not_understood(line, "`field.value reading`"),
        }
    }

    fn multigraph(&mut self, name: &str) {
        match GraphName::new(name) {
            Ok(name) => self.open(name),
            Err(error) => {
                self.current = Current::Refused;
                self.problem(&format_args!("multigraph: {error}; its lines are ignored"));
            }
        }
    }

    fn open(&mut self, graph: GraphName) {
        if let Some(at) = self.index.get(&graph) {
            self.current = Current::Draft(*at);
            return;
        }
        if self.drafts.len() >= GRAPHS_MAX {
            self.current = Current::Refused;
            return self.problem(&format_args!(
                "graph {graph}: expected at most {GRAPHS_MAX} graphs of a plugin; its lines are ignored"
            ));
        }
        self.current = Current::Draft(self.drafts.len());
        self.index.insert(graph.clone(), self.drafts.len());
        self.drafts.push(Draft::new(graph));
    }

    /// Forgets what an earlier block of the open graph held.
    fn begin_anew(&mut self) {
        let Some(draft) = self.draft() else { return };
        let replaced = draft.samples.len();
        draft.samples.clear();
        draft.untimed.clear();
        draft.extinfo.clear();
        self.samples -= replaced;
        if replaced > 0 {
            self.problem(
                &"multigraph: this graph was opened before; its earlier readings are replaced",
            );
        }
    }

    fn graph_attribute(&mut self, name: &str, text: &str) {
        let Some(name) = GRAPH_ATTRIBUTES.iter().find(|known| **known == name) else {
            return self.not_understood_word(name, text);
        };
        if text.is_empty() {
            return;
        }
        if *name == "host_name" {
            return self.host_name(text);
        }
        let line = self.line;
        let Some(draft) = self.draft() else { return };
        if draft.declaration.attributes.keep_first(name, text) {
            draft.lines.push((None, name, line));
        }
    }

    fn host_name(&mut self, text: &str) {
        match HostName::new(text) {
            Ok(host) => {
                self.host.get_or_insert_with(|| host.clone());
                if let Some(draft) = self.draft() {
                    draft.declaration.host.get_or_insert(host);
                }
            }
            Err(error) => self.problem(&error),
        }
    }

    fn field_attribute(&mut self, field: &str, attribute: &str, text: &str) {
        let known = FIELD_ATTRIBUTES.iter().find(|known| **known == attribute);
        let Some(attribute) = known else {
            return self.problem(&format_args!(
                "field {:?}: expected an attribute such as label, type or warning, found {:?}",
                short(field),
                short(attribute)
            ));
        };
        if text.is_empty() {
            return;
        }
        let Some(field) = self.field_name(field) else {
            return;
        };
        let line = self.line;
        let full = self
            .draft()
            .is_some_and(|draft| !draft.set(&field, attribute, text, line));
        if full {
            self.problem(&format_args!(
                "field {field}: expected at most {FIELDS_MAX} fields of a graph"
            ));
        }
    }

    fn value(&mut self, field: &str, text: &str) {
        let Some(field) = self.field_name(field) else {
            return;
        };
        let Some((time, reading)) = parse_value(split_word(text).0) else {
            return self.problem(&format_args!(
                "field {field}: expected a number or U, found {:?}",
                short(text)
            ));
        };
        if self.samples >= SAMPLES_MAX {
            return self.problem(&format_args!(
                "field {field}: expected at most {SAMPLES_MAX} readings"
            ));
        }
        let line = self.line;
        let Some(draft) = self.draft() else { return };
        if time.is_none() && !draft.untimed.insert(field.clone()) {
            return self.problem(&format_args!(
                "field {field}: expected one reading without a time, found a second"
            ));
        }
        let graph = draft.declaration.graph.clone();
        draft.samples.push(PluginSample {
            graph,
            field,
            time,
            reading,
            line,
        });
        self.samples += 1;
    }

    fn extinfo(&mut self, field: &str, text: &str) {
        let Some(field) = self.field_name(field) else {
            return;
        };
        let Some(draft) = self.draft() else { return };
        if text.is_empty() || draft.extinfo.len() >= FIELDS_MAX {
            return;
        }
        draft.extinfo.push(Extinfo {
            graph: draft.declaration.graph.clone(),
            field,
            text: text.to_owned(),
        });
    }

    fn draft(&mut self) -> Option<&mut Draft> {
        if matches!(self.current, Current::Own) {
            self.open(self.plugin.clone());
        }
        match self.current {
            Current::Draft(at) => self.drafts.get_mut(at),
            Current::Own | Current::Refused => None,
        }
    }

    fn field_name(&mut self, text: &str) -> Option<FieldName> {
        let name = FieldName::clean(text);
        if name.is_none() {
            self.problem(&format_args!(
                "field name {:?}: expected 1 to 150 characters",
                short(text)
            ));
        }
        name
    }

    fn not_understood_word(&mut self, name: &str, text: &str) {
        let line = format!("{name} {text}");
        self.not_understood(
            line.trim_end(),
            "`graph_...`, `field.attribute text` or a comment",
        );
    }

    fn not_understood(&mut self, line: &str, expected: &str) {
        self.problem(&format_args!(
            "expected {expected}, found {:?}",
            short(line)
        ));
    }

    fn problem(&mut self, text: &dyn std::fmt::Display) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems
                .push(Problem::new(self.source, self.line, text.to_string()));
        } else {
            self.more_problems += 1;
        }
    }

    fn finish(mut self) -> Parsed {
        if self.more_problems > 0 {
            let text = format!("{} more lines were not understood", self.more_problems);
            self.problems.push(Problem::new(self.source, 0, text));
        }
        let mut parsed = Parsed {
            problems: self.problems,
            ..Parsed::default()
        };
        for mut draft in self.drafts {
            parsed.samples.append(&mut draft.samples);
            parsed.extinfo.append(&mut draft.extinfo);
            let lines = std::mem::take(&mut draft.lines);
            if let Some(declaration) = draft.declared(self.host.as_ref()) {
                parsed.lines.insert(&declaration.graph, lines);
                parsed.declarations.push(declaration);
            }
        }
        parsed
    }
}

impl Draft {
    fn new(graph: GraphName) -> Self {
        Self {
            declaration: Declaration {
                host: None,
                graph,
                attributes: Default::default(),
                fields: Vec::new(),
            },
            fields: HashMap::new(),
            label_order: Vec::new(),
            labels: 0,
            lines: GraphLines::new(),
            samples: Vec::new(),
            untimed: HashSet::new(),
            extinfo: Vec::new(),
        }
    }

    /// Sets a field's attribute; false when there is no room for another field.
    fn set(&mut self, field: &FieldName, attribute: &'static str, text: &str, line: u32) -> bool {
        let at = match self.fields.get(field) {
            Some(at) => *at,
            None if self.fields.len() >= FIELDS_MAX => return false,
            None => self.add(field),
        };
        if attribute == "label" && self.label_order[at] == usize::MAX {
            self.label_order[at] = self.labels;
            self.labels += 1;
        }
        self.declaration.fields[at]
            .attributes
            .keep_last(attribute, text);
        self.lines.push((Some(field.clone()), attribute, line));
        true
    }

    fn add(&mut self, field: &FieldName) -> usize {
        let at = self.declaration.fields.len();
        self.fields.insert(field.clone(), at);
        self.label_order.push(usize::MAX);
        self.declaration.fields.push(FieldDeclaration {
            field: field.clone(),
            attributes: Default::default(),
        });
        at
    }

    /// The declaration with its fields in the order of their labels; `None` when nothing was said of the graph.
    fn declared(self, host: Option<&HostName>) -> Option<Declaration> {
        let Self {
            mut declaration,
            label_order,
            ..
        } = self;
        if declaration.attributes.is_empty() && declaration.fields.is_empty() {
            return None;
        }
        let mut ordered: Vec<_> = label_order.into_iter().zip(declaration.fields).collect();
        ordered.sort_by_key(|(order, _)| *order);
        declaration.fields = ordered.into_iter().map(|(_, field)| field).collect();
        declaration.host = declaration.host.or_else(|| host.cloned());
        Some(declaration)
    }
}

/// The first word of a line and what follows it.
fn split_word(line: &str) -> (&str, &str) {
    match line.split_once(char::is_whitespace) {
        Some((word, text)) => (word, text.trim()),
        None => (line, ""),
    }
}

/// `V`, `EPOCH:V`, `N:V`.
fn parse_value(word: &str) -> Option<(Option<Timestamp>, Reading)> {
    match word.split_once(':') {
        None => Some((None, Reading::parse(word)?)),
        Some(("N" | "n", reading)) => Some((None, Reading::parse(reading)?)),
        Some((epoch, reading)) => {
            let time = Timestamp::from_seconds_f64(epoch.parse().ok()?)?;
            Some((Some(time), Reading::parse(reading)?))
        }
    }
}

fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(80) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
    }
}

#[cfg(test)]
mod tests;
