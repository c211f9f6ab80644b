//! `GET /api/v1/hosts/{host}`: a host with its graphs and their last readings, its checks and its plugins' last runs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::name::{FieldName, GraphName};
use ravenry_plugins::problem::Problem;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::RunReport;
use serde::Serialize;

use crate::api::checks::Check;
use crate::api::hosts::Host;
use crate::parameter::{Parameters, Segments};
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::{GraphDetail, HostDetail, Latest};

#[derive(Serialize)]
struct Detail {
    host: Host,
    graphs: Vec<Graph>,
    checks: Vec<Check>,
    runs: Vec<Run>,
}

#[derive(Serialize)]
struct Graph {
    name: GraphName,
    title: String,
    category: String,
    step: f64,
    last_update: Option<Timestamp>,
    worst: Severity,
    latest: Vec<Reading>,
}

/// A field's last reading.
#[derive(Serialize)]
pub(crate) struct Reading {
    field: FieldName,
    time: Timestamp,
    value: Option<f64>,
}

/// A plugin's last run; `error` is null when it went well.
#[derive(Serialize)]
struct Run {
    plugin: String,
    time: Timestamp,
    duration: f64,
    error: Option<String>,
    problems: Vec<Problem>,
}

impl From<Latest> for Reading {
    fn from(latest: Latest) -> Self {
        Self {
            field: latest.field,
            time: latest.time,
            value: latest.value,
        }
    }
}

impl From<RunReport> for Run {
    fn from(run: RunReport) -> Self {
        Self {
            plugin: run.plugin,
            time: run.time,
            duration: run.duration_seconds,
            error: run.error,
            problems: run.problems,
        }
    }
}

impl From<GraphDetail> for Graph {
    fn from(detail: GraphDetail) -> Self {
        Self {
            name: detail.graph.name.clone(),
            title: detail.graph.title.clone(),
            category: detail.graph.category.clone(),
            step: detail.step.as_secs_f64(),
            last_update: detail.last_update,
            worst: detail.worst(),
            latest: detail.latest.into_iter().map(Reading::from).collect(),
        }
    }
}

impl From<HostDetail> for Detail {
    fn from(detail: HostDetail) -> Self {
        Self {
            host: detail.summary.into(),
            graphs: detail.graphs.into_iter().map(Graph::from).collect(),
            checks: detail.checks.into_iter().map(Check::from).collect(),
            runs: detail.runs.into_iter().map(Run::from).collect(),
        }
    }
}

/// Answers it.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    segments: Segments,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let name = segments.host()?;
    parameters.finish("no parameters")?;
    site.ask(move |source| {
        let host = source
            .host(&name)
            .ok_or_else(|| Refusal::NoHost(name.to_string()))?;
        super::answer(&headers, &Detail::from(host))
    })
    .await?
}
