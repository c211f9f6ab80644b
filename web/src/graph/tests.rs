//! Pictures: golden files, and that nothing outside can make the drawing fail.

use std::time::Duration;

use ravenry_plugins::declaration::{Attributes, Declaration, FieldDeclaration};
use ravenry_plugins::graph::Graph;
use ravenry_plugins::name::{FieldName, GraphName};
use ravenry_plugins::timestamp::Timestamp;

use super::*;
use crate::source::History;

mod golden;
mod robust;

/// A graph of the lines that a plugin would print.
pub(super) fn graph(lines: &str) -> Graph {
    let mut declaration = Declaration {
        host: None,
        graph: GraphName::new("graph").unwrap(),
        attributes: Attributes::default(),
        fields: Vec::new(),
    };
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, text) = line.split_once(' ').unwrap();
        match name.split_once('.') {
            None => {
                declaration.attributes.keep_first(name, text);
            }
            Some((field, attribute)) => {
                field_of(&mut declaration, field).keep_last(attribute, text);
            }
        }
    }
    let (graph, problems) = Graph::resolve(&declaration);
    assert!(problems.is_empty(), "{problems:?}");
    graph
}

fn field_of<'d>(declaration: &'d mut Declaration, name: &str) -> &'d mut Attributes {
    let name = FieldName::new(name).unwrap();
    let fields = &mut declaration.fields;
    let index = fields
        .iter()
        .position(|field| field.field == name)
        .unwrap_or_else(|| {
            fields.push(FieldDeclaration {
                field: name,
                attributes: Attributes::default(),
            });
            fields.len() - 1
        });
    &mut fields[index].attributes
}

/// 2026-10-24 22:00 UTC, midnight in Berlin before the night in which its clocks go back.
pub(super) const START: i64 = 1_792_879_200;
pub(super) const DAY: i64 = 86_400;

/// History of `rows` rows over `seconds`; `number` says the value of a column in a row.
pub(super) fn history(
    graph: &Graph,
    seconds: i64,
    rows: usize,
    number: impl Fn(usize, usize) -> f64,
) -> History {
    let column = |(index, field): (usize, &ravenry_plugins::graph::Field)| {
        (
            field.name.clone(),
            (0..rows).map(|row| number(index, row)).collect(),
        )
    };
    History {
        start: Timestamp::from_seconds(START),
        end: Timestamp::from_seconds(START + seconds),
        step: Duration::from_secs((seconds / rows.max(1) as i64).unsigned_abs().max(1)),
        columns: graph.fields.iter().enumerate().map(column).collect(),
    }
}

pub(super) fn options(seconds: i64) -> Options {
    Options {
        zone: chrono_tz::Europe::Berlin,
        ..Options::new(
            Timestamp::from_seconds(START),
            Timestamp::from_seconds(START + seconds),
        )
    }
}

pub(super) fn input<'a>(graph: &'a Graph, history: &'a History) -> Input<'a> {
    Input {
        graph,
        average: history,
        min: None,
        max: None,
        earlier: None,
        events: &[],
        last_update: Some(history.end),
    }
}
