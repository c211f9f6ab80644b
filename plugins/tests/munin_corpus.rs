//! Recorded outputs of plugins beside what Munin's own parser made of them.
//!
//! `RAVENRY_CORPUS` is a folder of triples: `NAME.config` and `NAME.fetch` are what a plugin printed, `NAME.json` is
//! `{"service", "config": {"global": {GRAPH: [[word, text]]}, "data_source": {GRAPH: {FIELD: {attribute: text}}}},
//! "fetch": {GRAPH: {FIELD: {"value": [text], "when": [time]}}}}`. Without the variable these tests say so and pass.
//!
//! [`Kind`] lists every way in which we understand something else than Munin, with its reason; docs/munin.md says the same
//! to people.

#![expect(clippy::unwrap_used, reason = "in a test, panicking is reporting")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ravenry_plugins::declaration::Declaration;
use ravenry_plugins::graph::Graph;
use ravenry_plugins::munin::parser::{FIELD_ATTRIBUTES, GRAPH_ATTRIBUTES};
use ravenry_plugins::munin::{Parsed, parse_config, parse_fetch, printed_reading, text_of};
use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_plugins::problem::Problem;
use ravenry_plugins::reading::Reading;
use serde_json::Value;

type Object = serde_json::Map<String, Value>;

/// A way in which we differ on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Munin lists the plugin's own graph, or one that `multigraph` named, also when nothing is said of it. There is nothing
    /// to draw or store.
    EmptyGraph,
    /// Munin takes the first word of any line for an attribute: of an error message, of a typing error. For us it is a
    /// problem, so that its author hears of it.
    UnknownWord,
    /// Munin writes `No .label provided` and a note into the texts of a field without a label. We draw its name and report
    /// the problem.
    AddedText,
    /// Munin hands any text behind `.value` to rrdtool, which refuses it later. For us it is a problem with its line.
    NoReading,
    /// Munin keeps readings that `config` printed among the attributes. For us they are readings.
    ReadingInConfig,
    /// Munin keeps a text of blanks. An empty title says nothing.
    Blank,
    /// Munin takes any text for a host. Ours becomes a part of a path and has to be a name.
    HostName,
    /// Munin lists fields in the order of their labels, those without one not at all. Ours are declared, last.
    UnlabelledLast,
}

/// What differs, and why if it is on purpose.
#[derive(Debug)]
struct Difference {
    kind: Option<Kind>,
    what: String,
}

fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("RAVENRY_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        println!("left out: RAVENRY_CORPUS names no folder");
    }
    folder
}

fn recordings(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(recordings(&path));
        } else if path.extension().is_some_and(|ext| ext == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn recorded_plugins_are_understood_as_munin_does() {
    let Some(folder) = corpus() else { return };
    let recordings = recordings(&folder);
    assert!(!recordings.is_empty(), "{folder:?} holds no recording");
    let differences: Vec<Difference> = recordings.iter().flat_map(|path| compare(path)).collect();
    let mut by_kind: BTreeMap<Kind, usize> = BTreeMap::new();
    for difference in &differences {
        if let Some(kind) = difference.kind {
            *by_kind.entry(kind).or_default() += 1;
        }
    }
    println!(
        "{} recordings, differences on purpose: {by_kind:?}",
        recordings.len()
    );
    let rest: Vec<&str> = differences
        .iter()
        .filter(|difference| difference.kind.is_none())
        .map(|difference| difference.what.as_str())
        .collect();
    assert!(
        rest.is_empty(),
        "{} differences:\n{}",
        rest.len(),
        rest.join("\n")
    );
}

fn output(path: &Path, extension: &str) -> String {
    let bytes = fs::read(path.with_extension("")).unwrap_or_default();
    assert!(bytes.is_empty(), "{path:?} is no folder of triples");
    let mut file = path.as_os_str().to_owned().into_string().unwrap();
    file.truncate(file.len() - "json".len());
    text_of(&fs::read(file + extension).unwrap_or_default()).into_owned()
}

fn compare(path: &Path) -> Vec<Difference> {
    let munin: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let plugin = GraphName::of_plugin(munin["service"].as_str().unwrap()).unwrap();
    let (config, fetch) = (output(path, "config"), output(path, "fetch"));
    let mut comparison = Comparison {
        path,
        config: parse_config(&config, &plugin),
        fetch: parse_fetch(&fetch, &plugin),
        differences: Vec::new(),
    };
    let part = |value: &Value| value.as_object().cloned().unwrap_or_default();
    comparison.graphs(&part(&munin["config"]["global"]));
    comparison.fields(&part(&munin["config"]["data_source"]));
    let lines: Vec<&str> = fetch.split('\n').collect();
    comparison.readings(&part(&munin["fetch"]), &lines);
    comparison.differences
}

struct Comparison<'a> {
    path: &'a Path,
    config: Parsed,
    fetch: Parsed,
    differences: Vec<Difference>,
}

impl Comparison<'_> {
    fn differ(&mut self, kind: Option<Kind>, what: std::fmt::Arguments<'_>) {
        let what = format!("{:?} {what}", self.path);
        self.differences.push(Difference { kind, what });
    }

    fn declaration(&self, graph: &str) -> Option<&Declaration> {
        let mut all = self.config.declarations.iter();
        all.find(|declaration| declaration.graph.as_str() == graph)
    }

    /// Munin's graphs and their attributes, of which the first counts.
    fn graphs(&mut self, graphs: &Object) {
        for (graph, words) in graphs.iter().filter(|(name, _)| *name != "multigraph") {
            let mut said: BTreeMap<&str, &str> = BTreeMap::new();
            for pair in words.as_array().unwrap() {
                said.entry(pair[0].as_str().unwrap())
                    .or_insert(pair[1].as_str().unwrap());
            }
            let Some(declaration) = self.declaration(graph).cloned() else {
                let known = said.keys().any(|word| GRAPH_ATTRIBUTES.contains(word));
                let kind = (!known).then_some(Kind::EmptyGraph);
                self.differ(kind, format_args!("{graph}: is not there"));
                continue;
            };
            for (word, text) in &said {
                self.graph_attribute(&declaration, word, text);
            }
            for (word, text) in declaration.attributes.iter() {
                if !said.contains_key(word) {
                    self.differ(None, format_args!("{graph}: {word} {text} is only ours"));
                }
            }
        }
    }

    fn graph_attribute(&mut self, declaration: &Declaration, word: &str, text: &str) {
        let ours = match word {
            "graph_order" => return self.order(declaration, text),
            "host_name" => declaration.host.as_ref().map(HostName::as_str),
            _ => declaration.attributes.text(word),
        };
        let kind = match ours {
            Some(ours) if ours == text => return,
            Some(_) => None,
            None if !GRAPH_ATTRIBUTES.contains(&word) => Some(Kind::UnknownWord),
            None if text.trim().is_empty() => Some(Kind::Blank),
            None if word == "host_name" && HostName::new(text).is_err() => Some(Kind::HostName),
            None => None,
        };
        self.differ(
            kind,
            format_args!("{}: {word}: {text:?} or {ours:?}", declaration.graph),
        );
    }

    /// Munin writes the order of labels behind what the plugin says, or writes it where it says none.
    fn order(&mut self, declaration: &Declaration, text: &str) {
        let mut expected: Vec<&str> = Vec::new();
        for word in text.split_whitespace() {
            if !expected.contains(&word) {
                expected.push(word);
            }
        }
        let said = declaration.attributes.text("graph_order").unwrap_or("");
        let fields = declaration.fields.iter();
        let (labelled, unlabelled): (Vec<_>, Vec<_>) =
            fields.partition(|field| field.attributes.text("label").is_some());
        let mut ours: Vec<&str> = Vec::new();
        let names = labelled.iter().map(|field| field.field.as_str());
        for name in said.split_whitespace().chain(names) {
            if !ours.contains(&name) {
                ours.push(name);
            }
        }
        if !unlabelled.is_empty() {
            self.differ(
                Some(Kind::UnlabelledLast),
                format_args!("{}: {} fields", declaration.graph, unlabelled.len()),
            );
        }
        let is_labelled = |name: &&str| !unlabelled.iter().any(|one| one.field.as_str() == *name);
        expected.retain(is_labelled);
        ours.retain(is_labelled);
        if ours != expected {
            self.differ(
                None,
                format_args!("{}: order {expected:?} or {ours:?}", declaration.graph),
            );
        }
    }

    fn fields(&mut self, graphs: &Object) {
        for (graph, fields) in graphs {
            let declaration = self.declaration(graph).cloned();
            let fields = fields.as_object().unwrap();
            for (field, attributes) in fields {
                let ours = declaration.as_ref().and_then(|declaration| {
                    let mut fields = declaration.fields.iter();
                    fields.find(|ours| ours.field.as_str() == field)
                });
                for (name, text) in attributes.as_object().unwrap() {
                    let found = ours.and_then(|field| field.attributes.text(name));
                    if found != text.as_str() || found.is_none() {
                        let kind = field_kind(name, text);
                        let what = format_args!("{graph}/{field}.{name}: {text} or {found:?}");
                        self.differ(kind, what);
                    }
                }
            }
            let only_ours: Vec<String> = declaration
                .iter()
                .flat_map(|declaration| &declaration.fields)
                .filter(|ours| !fields.contains_key(ours.field.as_str()))
                .map(|ours| ours.field.to_string())
                .collect();
            for field in only_ours {
                self.differ(None, format_args!("{graph}/{field} is only ours"));
            }
        }
    }

    /// Every reading with its text, and none that Munin did not find.
    fn readings(&mut self, graphs: &Object, lines: &[&str]) {
        let mut ours: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for sample in &self.fetch.samples {
            let key = (sample.graph.to_string(), sample.field.to_string());
            let text = printed_reading(lines, sample).unwrap().to_owned();
            ours.entry(key).or_default().push(text);
        }
        for (graph, fields) in graphs {
            for (field, values) in fields.as_object().unwrap() {
                let texts = values["value"].as_array().cloned().unwrap_or_default();
                let texts: Vec<String> = texts
                    .iter()
                    .filter_map(|text| text.as_str().map(str::to_owned))
                    .collect();
                let found = ours
                    .remove(&(graph.clone(), field.clone()))
                    .unwrap_or_default();
                if found != texts {
                    let none = texts.iter().all(|text| Reading::parse(text).is_none());
                    let kind = (none && found.is_empty()).then_some(Kind::NoReading);
                    self.differ(
                        kind,
                        format_args!("{graph}/{field}: {texts:?} or {found:?}"),
                    );
                }
            }
        }
        for ((graph, field), texts) in ours {
            self.differ(
                None,
                format_args!("{graph}/{field}: {texts:?} is only ours"),
            );
        }
    }
}

fn field_kind(name: &str, text: &Value) -> Option<Kind> {
    let added = text.as_str().is_some_and(|text| {
        text == "No .label provided" || text.starts_with("NOTE: The plugin did not")
    });
    match name {
        _ if added => Some(Kind::AddedText),
        "value" | "when" => Some(Kind::ReadingInConfig),
        _ if !FIELD_ATTRIBUTES.contains(&name) => Some(Kind::UnknownWord),
        _ => None,
    }
}

/// A small generator of randomness, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }
}

/// Loses, doubles, moves and garbles bytes and lines.
fn mutate(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    const BYTES: &[u8] = b" .:\n\r\t#U-0\xff\0e/";
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(8) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(40)).min(bytes.len());
        match dice.below(5) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.insert(at, BYTES[dice.below(BYTES.len())]),
            2 => {
                let part = bytes[at..end].to_vec();
                let to = dice.below(bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            3 if at < bytes.len() => bytes[at] = BYTES[dice.below(BYTES.len())],
            _ => bytes.truncate(bytes.len() - dice.below(bytes.len() / 20 + 1)),
        }
    }
    bytes
}

#[test]
fn garbled_recordings_break_nothing_and_problems_have_lines() {
    const SEED: u64 = 0x1234_5678_9abc_def1;
    let Some(folder) = corpus() else { return };
    println!("seed {SEED:#x}");
    let mut dice = Dice(SEED);
    for path in recordings(&folder) {
        for extension in ["config", "fetch"] {
            let text = output(&path, extension);
            for _ in 0..10 {
                let garbled = mutate(text.as_bytes(), &mut dice);
                check_garbled(&text_of(&garbled), &path);
            }
        }
    }
}

fn check_garbled(text: &str, path: &Path) {
    let plugin = GraphName::new("plugin").unwrap();
    let lines: Vec<&str> = text.split('\n').collect();
    for parsed in [parse_config(text, &plugin), parse_fetch(text, &plugin)] {
        for sample in &parsed.samples {
            let printed = printed_reading(&lines, sample);
            assert!(printed.is_some(), "{path:?} {sample:?}");
        }
        let mut problems = parsed.problems.clone();
        for declaration in &parsed.declarations {
            let place = |field: Option<&FieldName>, attribute: &str| {
                let line = parsed.lines.of(&declaration.graph, field, attribute);
                Problem::new("config", line, "")
            };
            problems.extend(Graph::resolve_from(declaration, &place).1);
        }
        for problem in problems {
            let line = usize::try_from(problem.line).unwrap();
            let has_line = (1..=lines.len()).contains(&line)
                || problem.text.ends_with("more lines were not understood");
            assert!(has_line, "{path:?} {problem}");
        }
    }
}
