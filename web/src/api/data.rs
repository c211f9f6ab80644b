//! `GET /api/v1/hosts/{host}/graphs/{graph}/data`: the stored history of all fields of a graph, as JSON; the same as CSV
//! for `/graph/{host}/{graph}/{period}.csv`.
//!
//! Numbers are those stored: counters as rates per second, before the graph's own formulas (cdef, graph_period).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_plugins::graph::Kind;
use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_plugins::timestamp::Timestamp;
use serde::Serialize;

use crate::api::graph;
use crate::choice::Choice;
use crate::drawing;
use crate::graph::{billing_numbers, trend_rows};
use crate::parameter::{Parameters, Segments};
use crate::period;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::{Consolidation, GraphDetail, History, Query, Source};

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

/// A field with what was asked for beside it; all columns are of one length.
#[derive(Serialize)]
struct Column {
    field: FieldName,
    values: Vec<Option<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trend: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    billing: Option<Billing>,
}

#[derive(Serialize)]
struct Billing {
    percentile95: Option<f64>,
    total: Option<f64>,
}

fn known(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn all_known(values: impl IntoIterator<Item = f64>) -> Vec<Option<f64>> {
    values.into_iter().map(known).collect()
}

impl Column {
    fn of(field: FieldName, values: Vec<f64>) -> Self {
        Self {
            field,
            values: all_known(values),
            min: None,
            max: None,
            earlier: None,
            trend: None,
            billing: None,
        }
    }

    /// The columns of numbers with what stands behind the field's name.
    fn columns(&self) -> impl Iterator<Item = (&'static str, &[Option<f64>])> {
        let more = [
            (".min", &self.min),
            (".max", &self.max),
            (".earlier", &self.earlier),
            (".trend", &self.trend),
        ];
        let more = more.into_iter();
        let more = more.filter_map(|(name, column)| Some((name, column.as_deref()?)));
        std::iter::once(("", self.values.as_slice())).chain(more)
    }
}

/// The rows of `other`, `seconds` later, that hold the middles of the rows of `history`.
fn laid_over(history: &History, other: &History, column: &[f64], seconds: u32) -> Vec<Option<f64>> {
    let rows = history.columns.iter().map(|(_, values)| values.len()).max();
    let step = history.step.as_secs_f64();
    let value = |row: usize| {
        let middle = history.start.seconds_f64() + (row as f64 + 0.5) * step - f64::from(seconds);
        let at = (middle - other.start.seconds_f64()) / other.step.as_secs_f64().max(1e-6);
        (at >= 0.0).then(|| column.get(at as usize).copied().and_then(known))?
    };
    (0..rows.unwrap_or(0)).map(value).collect()
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
    fn of(query: Query, history: History) -> Self {
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
                .map(|(field, values)| Column::of(field, values))
                .collect(),
        }
    }

    /// What `query` asks for, and beside it what was chosen.
    pub(crate) fn fetch(
        source: &dyn Source,
        detail: &GraphDetail,
        query: Query,
        choice: &Choice,
    ) -> Result<Self, Refusal> {
        let history = drawing::fetch(source, detail, &query)?;
        let mut data = Self::of(query.clone(), history.clone());
        if choice.band == Some(true) {
            let fetch = |consolidation| {
                let query = Query {
                    consolidation,
                    ..query.clone()
                };
                drawing::fetch(source, detail, &query)
            };
            let (min, max) = (fetch(Consolidation::Min)?, fetch(Consolidation::Max)?);
            data.each(&min, |column, rows| {
                column.min = Some(laid_over(&history, &min, rows, 0));
            });
            data.each(&max, |column, rows| {
                column.max = Some(laid_over(&history, &max, rows, 0));
            });
        }
        if let Some(ago) = choice.earlier {
            let earlier = drawing::fetch(source, detail, &drawing::earlier(query, ago))?;
            data.each(&earlier, |column, rows| {
                column.earlier = Some(laid_over(&history, &earlier, rows, ago.seconds()));
            });
        }
        if choice.billing.unwrap_or(detail.graph.sums) {
            data.each(&history, |column, rows| {
                column.billing = Some(billing(detail, &column.field, rows, history.step));
            });
        }
        if choice.trend {
            let steps = choice.forecast.as_secs_f64() / history.step.as_secs_f64().max(1.0);
            let more = steps.floor() as usize;
            data.each(&history, |column, rows| {
                column.trend = Some(all_known(trend_rows(&history, rows, more)));
            });
            data.lengthen(more);
        }
        Ok(data)
    }

    /// Calls `change` with each column of its own and that of `history`.
    fn each(&mut self, history: &History, mut change: impl FnMut(&mut Column, &[f64])) {
        for column in &mut self.fields {
            let rows = history
                .columns
                .iter()
                .find(|(field, _)| *field == column.field);
            if let Some((_, rows)) = rows {
                change(column, rows);
            }
        }
    }

    /// So many rows of the future, in which only the trend is known.
    fn lengthen(&mut self, more: usize) {
        self.end = self.end + Duration::from_secs_f64(self.step * more as f64);
        for column in &mut self.fields {
            let own = [&mut column.min, &mut column.max, &mut column.earlier];
            let own = own.into_iter().flatten().chain([&mut column.values]);
            for values in own {
                values.resize(values.len() + more, None);
            }
        }
    }

    /// As CSV: a line of names, then a line a row, its time in UTC seconds first; unknown is empty.
    pub(crate) fn csv(&self) -> String {
        let mut text = String::from("time");
        for column in &self.fields {
            for (suffix, _) in column.columns() {
                text.push(',');
                text.push_str(column.field.as_str());
                text.push_str(suffix);
            }
        }
        text.push_str("\r\n");
        let rows = self.fields.iter().map(|column| column.values.len()).max();
        let step = Duration::from_secs_f64(self.step);
        let mut time = self.start;
        for row in 0..rows.unwrap_or(0) {
            time = time + step;
            text.push_str(&time.to_string());
            for (_, values) in self.fields.iter().flat_map(Column::columns) {
                text.push(',');
                if let Some(value) = values.get(row).copied().flatten() {
                    text.push_str(&value.to_string());
                }
            }
            text.push_str("\r\n");
        }
        text
    }
}

fn billing(detail: &GraphDetail, field: &FieldName, rows: &[f64], step: Duration) -> Billing {
    let kind = detail.graph.field(field.as_str()).map(|field| field.kind);
    let seconds = match kind {
        Some(Kind::Counter | Kind::Derive | Kind::Absolute) => Some(step.as_secs_f64()),
        Some(Kind::Gauge) | None => None,
    };
    let [percentile95, total] = billing_numbers(rows, seconds).map(known);
    Billing {
        percentile95,
        total,
    }
}

/// Reads the question out of the parameters.
fn query(
    detail: &GraphDetail,
    mut parameters: Parameters,
    now: Timestamp,
) -> Result<(Query, Choice), Refusal> {
    let end = parameters.take_time("end", now)?.unwrap_or(now);
    let start = parameters
        .take_time("start", now)?
        .unwrap_or(end - DEFAULT_SPAN);
    let resolution = parameters.take_number("resolution", 1, 366 * 86_400)?;
    let consolidation = parameters
        .take("cf", "average, min or max", consolidation)?
        .unwrap_or(Consolidation::Average);
    let choice = Choice::take(&mut parameters, end.since(start))?;
    parameters.finish(&format!(
        "start, end, resolution, cf, {}",
        Choice::PARAMETERS
    ))?;
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
    let query = Query {
        host: detail.host.clone(),
        graph: detail.graph.name.clone(),
        start,
        end,
        resolution,
        consolidation,
    };
    Ok((query, choice))
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
        let (query, choice) = query(&detail, parameters, source.now())?;
        super::answer(&headers, &Data::fetch(source, &detail, query, &choice)?)
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
        let query = Query {
            host: HostName::new("h").unwrap(),
            graph: GraphName::new("g").unwrap(),
            start: history.start,
            end: history.end,
            resolution: history.step,
            consolidation: Consolidation::Average,
        };
        let csv = Data::of(query, history).csv();
        assert_eq!(csv, "time,a,b\r\n60,1.5,\r\n120,,-2\r\n");
    }
}
