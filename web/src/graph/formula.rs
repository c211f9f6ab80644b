//! Formulas (`cdef`): RPN over the fields of a graph, row by row. Fields stand for their numbers per period, before their
//! own formulas, as in Munin.

use std::borrow::Cow;

use ravenry_plugins::graph::{Field, Graph};
use ravenry_rrd::rpn::{Grid, Program};

use super::series;
use crate::source::History;

/// The column of `field` through its formula. `None` when the history does not have the field. A formula that makes no
/// sense, or that names what the history does not have, gives unknown.
pub(super) fn apply<'a>(
    graph: &Graph,
    field: &Field,
    history: &'a History,
) -> Option<Cow<'a, [f64]>> {
    let Some(cdef) = &field.cdef else {
        return series::column(graph, field, history);
    };
    let rows = history
        .columns
        .iter()
        .map(|(_, column)| column.len())
        .max()?;
    Some(Cow::Owned(
        evaluate(graph, cdef, history, rows).unwrap_or_else(|| vec![f64::NAN; rows]),
    ))
}

fn evaluate(graph: &Graph, cdef: &str, history: &History, rows: usize) -> Option<Vec<f64>> {
    let program = Program::parse(cdef).ok()?;
    let column = |name: &String| series::column(graph, graph.field(name)?, history);
    let columns: Option<Vec<Cow<'_, [f64]>>> = program.variables().iter().map(column).collect();
    let columns = columns?;
    let columns: Vec<&[f64]> = columns.iter().map(|column| &**column).collect();
    let step = history.step.as_secs();
    let grid = Grid {
        first: history.start.seconds().saturating_add_unsigned(step),
        step,
        rows,
        now: history.end.seconds(),
    };
    program.evaluate(&columns, grid).ok()
}

/// `number` through the formula of `field`, when that is a function of the field alone: how thresholds, which are given
/// for readings, come to stand where the picture shows the readings.
pub(super) fn of_number(graph: &Graph, field: &Field, number: f64) -> Option<f64> {
    let number = number * series::period_factor(graph, field);
    let Some(cdef) = &field.cdef else {
        return Some(number);
    };
    let program = Program::parse(cdef).ok()?;
    if !matches!(program.variables(), [name] if name == field.name.as_str()) {
        return None;
    }
    let grid = Grid {
        first: 0,
        step: 1,
        rows: 1,
        now: 0,
    };
    program.evaluate(&[&[number]], grid).ok()?.first().copied()
}
