//! The graphs of a check's numbers: one for each unit, since one axis has one unit.
//!
//! A graph's name is the check's, with the unit behind it where there is one (`check_http_seconds`), so that it does not
//! depend on the order in which a check prints its numbers. Times become seconds, sizes bytes, with their thresholds. Those
//! are shown beside the numbers and not judged: the check's own verdict counts (`graph_check`).

use crate::declaration::{Attributes, Declaration, FieldDeclaration};
use crate::munin::PluginSample;
use crate::nagios::Perfdata;
use crate::name::{FieldName, GraphName};
use crate::problem::Problem;
use crate::range::Range;
use crate::reading::Reading;

/// The graphs of a check's numbers, and the numbers.
#[must_use]
pub fn graphs(
    check: &GraphName,
    perfdata: &[Perfdata],
) -> (Vec<Declaration>, Vec<PluginSample>, Vec<Problem>) {
    let mut drafts: Vec<Draft<'_>> = Vec::new();
    let mut problems = Vec::new();
    for number in perfdata {
        let unit = Unit::of(&number.unit);
        let at = drafts.iter().position(|draft| draft.unit.name == unit.name);
        let draft = match at {
            Some(at) => &mut drafts[at],
            None => {
                drafts.push(Draft {
                    unit: unit.clone(),
                    numbers: Vec::new(),
                });
                let last = drafts.len() - 1;
                &mut drafts[last]
            }
        };
        if let Err(text) = draft.take(number, unit.factor) {
            problems.push(Problem::new("check", 0, text));
        }
    }
    let (mut declarations, mut samples) = (Vec::new(), Vec::new());
    for draft in drafts {
        let Some(graph) = draft.unit.graph_of(check) else {
            let text = format!("{check}: expected a name with room for its unit behind it");
            problems.push(Problem::new("check", 0, text));
            continue;
        };
        samples.extend(draft.numbers.iter().map(|number| PluginSample {
            graph: graph.clone(),
            field: number.field.clone(),
            time: None,
            line: 1,
            reading: draft.unit.reading(number.perfdata.value, number.factor),
        }));
        declarations.push(draft.declaration(check, graph));
    }
    (declarations, samples, problems)
}

/// What a number counts in.
#[derive(Clone, Debug, PartialEq)]
struct Unit {
    /// Behind the check's name; empty for a number without a unit.
    name: String,
    /// Beside the axis.
    axis: Option<String>,
    /// What a number is multiplied with.
    factor: f64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Bytes,
    Counter,
}

impl Unit {
    fn of(unit: &str) -> Self {
        let seconds = |factor| Self::named("seconds", factor, Kind::Plain);
        match unit {
            "" => Self {
                name: String::new(),
                axis: None,
                factor: 1.0,
                kind: Kind::Plain,
            },
            "s" => seconds(1.0),
            "ms" => seconds(1e-3),
            "us" | "µs" => seconds(1e-6),
            "ns" => seconds(1e-9),
            "%" => Self {
                axis: Some("%".to_owned()),
                ..Self::named("percent", 1.0, Kind::Plain)
            },
            "c" => Self {
                axis: Some("per ${graph_period}".to_owned()),
                ..Self::named("rate", 1.0, Kind::Counter)
            },
            other => match bytes(other) {
                Some(factor) => Self::named("bytes", factor, Kind::Bytes),
                None => Self::named(other, 1.0, Kind::Plain),
            },
        }
    }

    fn named(name: &str, factor: f64, kind: Kind) -> Self {
        let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        Self {
            name: name.chars().map(legal).collect(),
            axis: Some(name.to_owned()),
            factor,
            kind,
        }
    }

    fn graph_of(&self, check: &GraphName) -> Option<GraphName> {
        if self.name.is_empty() {
            return Some(check.clone());
        }
        GraphName::new(&format!("{check}_{}", self.name)).ok()
    }

    fn reading(&self, reading: Reading, factor: f64) -> Reading {
        match (reading, self.kind) {
            // rrdtool counts in whole numbers.
            (Reading::Number(number), Kind::Counter) if (0.0..1e18).contains(&number) => {
                Reading::Number(number.floor())
            }
            (Reading::Number(number), _) => Reading::Number(number * factor),
            (Reading::Count(count), _) if factor != 1.0 => Reading::Number(count as f64 * factor),
            (Reading::Count(_) | Reading::Unknown, _) => reading,
        }
    }
}

/// How many bytes a unit of memory has. The plugins that everybody has say `MB` and mean 1024 times 1024.
fn bytes(unit: &str) -> Option<f64> {
    let prefix = unit.strip_suffix("iB").or(unit.strip_suffix('B'))?;
    let power = match prefix {
        "" => 0,
        "k" | "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        "P" => 5,
        "E" => 6,
        _ => return None,
    };
    Some(1024_f64.powi(power))
}

/// A graph that is being put together.
struct Draft<'a> {
    unit: Unit,
    numbers: Vec<Number<'a>>,
}

struct Number<'a> {
    field: FieldName,
    factor: f64,
    perfdata: &'a Perfdata,
}

impl<'a> Draft<'a> {
    fn take(&mut self, perfdata: &'a Perfdata, factor: f64) -> Result<(), String> {
        let label = &perfdata.label;
        if self.numbers.iter().any(|it| it.perfdata.label == *label) {
            return Err(format!(
                "label {label:?}: expected once, found again; the first one counts"
            ));
        }
        let field = self
            .free_name(label)
            .ok_or_else(|| format!("label {label:?}: expected at most 150 characters"))?;
        self.numbers.push(Number {
            field,
            factor,
            perfdata,
        });
        Ok(())
    }

    /// The label as a field's name; with a number behind it where another label has become the same.
    fn free_name(&self, label: &str) -> Option<FieldName> {
        let name = FieldName::clean(label)?;
        let taken = |name: &FieldName| self.numbers.iter().any(|it| it.field == *name);
        if !taken(&name) {
            return Some(name);
        }
        (2..=self.numbers.len() + 2)
            .filter_map(|count| FieldName::new(&format!("{name}_{count}")).ok())
            .find(|name| !taken(name))
    }

    fn declaration(&self, check: &GraphName, graph: GraphName) -> Declaration {
        let title = match self.unit.name.as_str() {
            "" => check.to_string(),
            name => format!("{check} ({name})"),
        };
        let mut attributes = Attributes::default();
        attributes.keep_last("graph_title", &title);
        attributes.keep_last("graph_category", "checks");
        attributes.keep_last("graph_check", check.as_str());
        if let Some(axis) = &self.unit.axis {
            attributes.keep_last("graph_vlabel", axis);
        }
        if let Some(args) = self.args() {
            attributes.keep_last("graph_args", args);
        }
        Declaration {
            host: None,
            graph,
            attributes,
            fields: self
                .numbers
                .iter()
                .map(|number| number.declaration(self.unit.kind))
                .collect(),
        }
    }

    fn args(&self) -> Option<&'static str> {
        let from_zero = self
            .numbers
            .iter()
            .all(|it| it.perfdata.min.is_some_and(|min| min == 0.0));
        match (self.unit.kind, from_zero) {
            (Kind::Bytes, true) => Some("--base 1024 --lower-limit 0"),
            (Kind::Bytes, false) => Some("--base 1024"),
            (Kind::Plain, true) => Some("--lower-limit 0"),
            (Kind::Plain, false) | (Kind::Counter, _) => None,
        }
    }
}

impl Number<'_> {
    fn declaration(&self, kind: Kind) -> FieldDeclaration {
        let mut attributes = Attributes::default();
        attributes.keep_last("label", &self.perfdata.label);
        match kind {
            // The check's thresholds are about the count, the graph is about its rate.
            Kind::Counter => {
                attributes.keep_last("type", "DERIVE");
                attributes.keep_last("min", "0");
            }
            Kind::Plain | Kind::Bytes => {
                let thresholds = [
                    ("warning", self.perfdata.warning),
                    ("critical", self.perfdata.critical),
                ];
                for (name, range) in thresholds {
                    if let Some(range) = range {
                        attributes.keep_last(name, &self.scaled(range).to_string());
                    }
                }
            }
        }
        FieldDeclaration {
            field: self.field.clone(),
            attributes,
        }
    }

    fn scaled(&self, range: Range) -> Range {
        range.scaled(self.factor)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(output: &str, expect: Expect) {
        let (said, _) = crate::nagios::parse(0, output);
        let (graphs, samples, problems) =
            graphs(&GraphName::new("check_it").unwrap(), &said.perfdata);
        let mut found = String::new();
        for graph in &graphs {
            let words: Vec<String> = graph
                .attributes
                .iter()
                .map(|(name, text)| format!("{}={text:?}", name.trim_start_matches("graph_")))
                .collect();
            found += &format!("{}: {}\n", graph.graph, words.join(" "));
            for field in &graph.fields {
                let words: Vec<String> = field
                    .attributes
                    .iter()
                    .map(|(name, text)| format!("{name}={text:?}"))
                    .collect();
                let sample = samples
                    .iter()
                    .find(|sample| sample.graph == graph.graph && sample.field == field.field);
                let reading = sample.map_or_else(String::new, |it| it.reading.to_string());
                found += &format!("  {} = {reading} {}\n", field.field, words.join(" "));
            }
            assert!(crate::graph::Graph::resolve(graph).1.is_empty());
        }
        for problem in problems {
            found += &format!("! {problem}\n");
        }
        expect.assert_eq(&found);
    }

    #[test]
    fn each_unit_has_a_graph_and_base_units() {
        check(
            "x|time=12ms;~:100;@5:10;0 size=2KB;;;0 load1=0.5;1;2;0 'load 5'=U up=7c;5 temp=41C",
            expect![[r#"
                check_it_seconds: title="check_it (seconds)" category="checks" check="check_it" vlabel="seconds" args="--lower-limit 0"
                  time = 0.012 label="time" warning=":0.1" critical="@0.005:0.01"
                check_it_bytes: title="check_it (bytes)" category="checks" check="check_it" vlabel="bytes" args="--base 1024 --lower-limit 0"
                  size = 2048 label="size"
                check_it: title="check_it" category="checks" check="check_it"
                  load1 = 0.5 label="load1" warning="0:1" critical="0:2"
                  load_5 = U label="load 5"
                check_it_rate: title="check_it (rate)" category="checks" check="check_it" vlabel="per ${graph_period}"
                  up = 7 label="up" type="DERIVE" min="0"
                check_it_C: title="check_it (C)" category="checks" check="check_it" vlabel="C"
                  temp = 41 label="temp"
            "#]],
        );
    }

    #[test]
    fn labels_that_become_the_same_name_are_told_apart() {
        check(
            "x|/a-b=1 /a_b=2 /=3 /=4",
            expect![[r#"
                check_it: title="check_it" category="checks" check="check_it"
                  _a_b = 1 label="/a-b"
                  _a_b_2 = 2 label="/a_b"
                  _ = 3 label="/"
                ! check: label "/": expected once, found again; the first one counts
            "#]],
        );
    }

    #[test]
    fn a_count_is_a_whole_number() {
        check(
            "x|a=1.5c b=18446744073709551615c",
            expect![[r#"
                check_it_rate: title="check_it (rate)" category="checks" check="check_it" vlabel="per ${graph_period}"
                  a = 1 label="a" type="DERIVE" min="0"
                  b = 18446744073709551615 label="b" type="DERIVE" min="0"
            "#]],
        );
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_check_prints_has_graphs_that_are_understood(text in "[ -~'|=;µ]{0,80}") {
            let (said, _) = crate::nagios::parse(0, &format!("|{text}"));
            let (graphs, samples, _) = graphs(&GraphName::new("c").unwrap(), &said.perfdata);
            for sample in samples {
                let graph = graphs.iter().find(|graph| graph.graph == sample.graph).unwrap();
                assert!(graph.fields.iter().any(|field| field.field == sample.field));
            }
        }
    }
}
