//! `GET /api/v1/hosts/{host}/graphs/{graph}/data`: the stored history of all fields of a graph, as JSON; the same as CSV
//! for `/graph/{host}/{graph}/{period}.csv`.
//!
//! Numbers are those stored: counters as rates per second, before the graph's own formulas (cdef, graph_period).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_plugins::timestamp::Timestamp;
use serde::Serialize;

use crate::api::graph;
use crate::drawing;
use crate::parameter::{Parameters, Segments};
use crate::period;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::{Consolidation, GraphDetail, History, Query};

/// Rows that one answer holds at most.
const ROWS_MAX: u64 = 50_000;

/// What is asked for when nothing else is said, in seconds before now.
const DEFAULT_SPAN: Duration = Duration::from_secs(86_400);

/// History as JSON: the value at index `i` of a field is of the row that ends at `start + (i + 1) * step`.
#[derive(Serialize)]
pub(crate) struct Data {
    host: HostName,
    graph: GraphName,
    cf: &'static str,
    start: Timestamp,
    end: Timestamp,
    step: f64,
    fields: Vec<Column>,
}

#[derive(Serialize)]
struct Column {
    field: FieldName,
    values: Vec<Option<f64>>,
}

fn known(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn word(consolidation: Consolidation) -> &'static str {
    match consolidation {
        Consolidation::Average => "average",
        Consolidation::Min => "min",
        Consolidation::Max => "max",
    }
}

fn consolidation(text: &str) -> Option<Consolidation> {
    [
        Consolidation::Average,
        Consolidation::Min,
        Consolidation::Max,
    ]
    .into_iter()
    .find(|consolidation| word(*consolidation) == text)
}

impl Data {
    pub(crate) fn of(query: Query, history: History) -> Self {
        Self {
            host: query.host,
            graph: query.graph,
            cf: word(query.consolidation),
            start: history.start,
            end: history.end,
            step: history.step.as_secs_f64(),
            fields: history
                .columns
                .into_iter()
                .map(|(field, values)| Column {
                    field,
                    values: values.into_iter().map(known).collect(),
                })
                .collect(),
        }
    }
}

/// History as CSV: a line of names, then a line a row, its time in UTC seconds first; unknown is empty.
pub(crate) fn csv(history: &History) -> String {
    let mut text = String::from("time");
    for (field, _) in &history.columns {
        text.push(',');
        text.push_str(field.as_str());
    }
    text.push_str("\r\n");
    let rows = history.columns.iter().map(|(_, values)| values.len()).max();
    let mut time = history.start;
    for row in 0..rows.unwrap_or(0) {
        time = time + history.step;
        text.push_str(&time.to_string());
        for (_, values) in &history.columns {
            text.push(',');
            if let Some(value) = values.get(row).copied().and_then(known) {
                text.push_str(&value.to_string());
            }
        }
        text.push_str("\r\n");
    }
    text
}

/// Reads the question out of the parameters.
fn query(
    detail: &GraphDetail,
    mut parameters: Parameters,
    now: Timestamp,
) -> Result<Query, Refusal> {
    let end = parameters.take_time("end", now)?.unwrap_or(now);
    let start = parameters
        .take_time("start", now)?
        .unwrap_or(end - DEFAULT_SPAN);
    let resolution = parameters.take_number("resolution", 1, 366 * 86_400)?;
    let consolidation = parameters
        .take("cf", "average, min or max", consolidation)?
        .unwrap_or(Consolidation::Average);
    parameters.finish("start, end, resolution or cf")?;
    if start >= end {
        let found = format!("{start} to {end}");
        return Err(Refusal::parameter("start", "a time before end", &found));
    }
    let span = end.since(start);
    let resolution = match resolution {
        Some(seconds) => Duration::from_secs(u64::from(seconds)).max(detail.step),
        None => period::resolution(span, detail.step),
    };
    let rows = span.as_secs() / resolution.as_secs().max(1);
    if rows > ROWS_MAX {
        let expected = format!("at most {ROWS_MAX} rows between start and end");
        return Err(Refusal::parameter(
            "resolution",
            expected,
            &format!("{rows} rows"),
        ));
    }
    Ok(Query {
        host: detail.host.clone(),
        graph: detail.graph.name.clone(),
        start,
        end,
        resolution,
        consolidation,
    })
}

/// Answers it.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    segments: Segments,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let (host, graph) = segments.graph()?;
    site.ask(move |source| {
        let detail = graph::find(source, &host, &graph)?;
        let query = query(&detail, parameters, source.now())?;
        let history = drawing::fetch(source, &detail, &query)?;
        super::answer(&headers, &Data::of(query, history))
    })
    .await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_an_empty_cell() {
        let history = History {
            start: Timestamp::from_seconds(0),
            end: Timestamp::from_seconds(120),
            step: Duration::from_secs(60),
            columns: vec![
                (FieldName::new("a").unwrap(), vec![1.5, f64::NAN]),
                (FieldName::new("b").unwrap(), vec![f64::INFINITY, -2.0]),
            ],
        };
        assert_eq!(csv(&history), "time,a,b\r\n60,1.5,\r\n120,,-2\r\n");
    }
}
