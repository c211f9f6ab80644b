//! What a plugin would print for declarations and samples: the reverse of [`super::parser`].
//!
//! `parse_config(emit::config(x)) == x` where labelled fields come first and all graphs have the same host, which is
//! all that the text can say; `parse_fetch(emit::fetch(x)) == x` where the samples of a graph stand together.

use std::fmt::Write;

use super::parser::PluginSample;
use crate::declaration::Declaration;
use crate::name::GraphName;

/// What `PLUGIN config` prints. A graph that is not `plugin` is opened by `multigraph`.
#[must_use]
pub fn config(declarations: &[Declaration], plugin: &GraphName) -> String {
    let mut text = String::new();
    let mut open = plugin;
    for declaration in declarations {
        switch(&mut text, &mut open, &declaration.graph);
        graph(&mut text, declaration);
    }
    text
}

/// What `PLUGIN` prints without an argument.
#[must_use]
pub fn fetch(samples: &[PluginSample], plugin: &GraphName) -> String {
    let mut text = String::new();
    let mut open = plugin;
    for sample in samples {
        switch(&mut text, &mut open, &sample.graph);
        value(&mut text, sample);
    }
    text
}

fn switch<'a>(text: &mut String, open: &mut &'a GraphName, graph: &'a GraphName) {
    if *open != graph {
        line(text, "multigraph", graph.as_str());
        *open = graph;
    }
}

fn graph(text: &mut String, declaration: &Declaration) {
    if let Some(host) = &declaration.host {
        line(text, "host_name", host.as_str());
    }
    for (name, value) in declaration.attributes.iter() {
        line(text, name, value);
    }
    for field in &declaration.fields {
        for (name, value) in field.attributes.iter() {
            line(text, &format!("{}.{name}", field.field), value);
        }
    }
}

fn value(text: &mut String, sample: &PluginSample) {
    let word = format!("{}.value", sample.field);
    match sample.time {
        None => line(text, &word, &sample.reading.to_string()),
        Some(time) => line(text, &word, &format!("{time}:{}", sample.reading)),
    }
}

/// A line; what would end it early becomes a blank.
fn line(text: &mut String, word: &str, value: &str) {
    let value = value.replace(['\r', '\n'], " ");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{word} {value}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::declaration::{Attributes, FieldDeclaration};
    use crate::munin::parser::{FIELD_ATTRIBUTES, GRAPH_ATTRIBUTES, parse_config, parse_fetch};
    use crate::name::{FieldName, HostName};
    use crate::reading::Reading;
    use crate::timestamp::Timestamp;

    fn text() -> impl Strategy<Value = String> {
        "[!-~äé€]([ -~äé€]{0,20}[!-~äé€])?"
    }

    fn attributes(names: &'static [&'static str]) -> impl Strategy<Value = Attributes> {
        let pairs = prop::collection::vec((prop::sample::select(names), text()), 0..5);
        pairs.prop_map(|pairs| {
            let mut attributes = Attributes::default();
            for (name, text) in pairs {
                if name != "host_name" {
                    attributes.keep_first(name, &text);
                }
            }
            attributes
        })
    }

    fn field() -> impl Strategy<Value = FieldDeclaration> {
        let name = "[A-Za-z_][A-Za-z0-9_]{0,8}";
        (name, text(), attributes(&FIELD_ATTRIBUTES)).prop_map(|(name, label, mut attributes)| {
            attributes.keep_last("label", &label);
            let field = FieldName::new(&name).unwrap();
            FieldDeclaration { field, attributes }
        })
    }

    fn declaration() -> impl Strategy<Value = Declaration> {
        let fields = prop::collection::vec(field(), 1..5);
        let name = "[a-z][a-z0-9_:-]{0,6}(\\.[a-z0-9]{1,3}){0,2}";
        (name, attributes(&GRAPH_ATTRIBUTES), fields).prop_map(|(name, attributes, mut fields)| {
            let graph = GraphName::new(&name).unwrap();
            let mut seen = std::collections::HashSet::new();
            fields.retain(|field| seen.insert(field.field.clone()));
            let host = Some(HostName::new("router.example").unwrap());
            Declaration {
                host,
                graph,
                attributes,
                fields,
            }
        })
    }

    fn sample() -> impl Strategy<Value = PluginSample> {
        let reading = prop_oneof![
            Just(Reading::Unknown),
            any::<u64>().prop_map(Reading::Count),
            (-1e12..-1e-12).prop_map(Reading::Number),
        ];
        let time = prop::option::of(0..4_000_000_000_000_000_i64);
        ("[abc]", "[a-z]{8}", time, reading).prop_map(|(graph, field, time, reading)| {
            PluginSample {
                graph: GraphName::new(&graph).unwrap(),
                field: FieldName::new(&field).unwrap(),
                time: time.map(Timestamp::from_micros),
                reading,
                line: 0,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed_to_the_same(mut declarations in prop::collection::vec(declaration(), 0..5)) {
            let plugin = GraphName::new("plugin").unwrap();
            let mut seen = std::collections::HashSet::new();
            declarations.retain(|declaration| seen.insert(declaration.graph.clone()));
            let parsed = parse_config(&config(&declarations, &plugin), &plugin);
            prop_assert_eq!(parsed.problems, vec![]);
            prop_assert_eq!(parsed.declarations, declarations);
        }

        #[test]
        fn samples_are_parsed_to_the_same(mut samples in prop::collection::vec(sample(), 0..9)) {
            let plugin = GraphName::new("b").unwrap();
            samples.sort_by_key(|sample| (sample.graph.as_str() != "b", sample.graph.clone()));
            let mut seen = std::collections::HashSet::new();
            samples.retain(|sample| seen.insert((sample.graph.clone(), sample.field.clone())));
            let mut parsed = parse_fetch(&fetch(&samples, &plugin), &plugin);
            prop_assert_eq!(parsed.problems, vec![]);
            parsed.samples.iter_mut().for_each(|sample| sample.line = 0);
            prop_assert_eq!(parsed.samples, samples);
        }
    }

    #[test]
    fn a_line_break_in_a_text_does_not_end_its_line() {
        let mut attributes = Attributes::default();
        attributes.keep_first("graph_title", "a\nevil.value 1\r\nb");
        let plugin = GraphName::new("plugin").unwrap();
        let declaration = Declaration {
            host: None,
            graph: plugin.clone(),
            attributes,
            fields: vec![],
        };
        assert_eq!(
            config(&[declaration], &plugin),
            "graph_title a evil.value 1  b\n"
        );
    }
}
