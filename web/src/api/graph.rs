//! `GET /api/v1/hosts/{host}/graphs/{graph}`: what a graph is, resolved, with its fields' last readings and its checks.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_plugins::graph::{Field, Kind};
use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_plugins::timestamp::Timestamp;
use serde::Serialize;

use crate::api::checks::Check;
use crate::api::host::Reading;
use crate::parameter::{Parameters, Segments};
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::{GraphDetail, Source};

#[derive(Serialize)]
struct Graph {
    host: HostName,
    name: GraphName,
    title: String,
    vlabel: Option<String>,
    category: String,
    info: Option<String>,
    base: u32,
    period: &'static str,
    step: f64,
    last_update: Option<Timestamp>,
    fields: Vec<FieldShape>,
    latest: Vec<Reading>,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct FieldShape {
    name: FieldName,
    label: String,
    #[serde(rename = "type")]
    kind: &'static str,
    drawn: bool,
    negative: Option<FieldName>,
    cdef: Option<String>,
    min: Option<f64>,
    max: Option<f64>,
    warning: Option<String>,
    critical: Option<String>,
    info: Option<String>,
}

/// Munin's word for it.
pub(crate) fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
        Kind::Derive => "derive",
        Kind::Absolute => "absolute",
    }
}

impl From<&Field> for FieldShape {
    fn from(field: &Field) -> Self {
        Self {
            name: field.name.clone(),
            label: field.label.clone(),
            kind: kind_word(field.kind),
            drawn: field.drawn,
            negative: field.negative.clone(),
            cdef: field.cdef.clone(),
            min: field.min,
            max: field.max,
            warning: field.warning.map(|range| range.to_string()),
            critical: field.critical.map(|range| range.to_string()),
            info: field.info.clone(),
        }
    }
}

impl From<GraphDetail> for Graph {
    fn from(detail: GraphDetail) -> Self {
        let graph = &detail.graph;
        Self {
            host: detail.host,
            name: graph.name.clone(),
            title: graph.title.clone(),
            vlabel: graph.vlabel.clone(),
            category: graph.category.clone(),
            info: graph.info.clone(),
            base: graph.args.base,
            period: graph.period.as_str(),
            step: detail.step.as_secs_f64(),
            last_update: detail.last_update,
            fields: graph.fields.iter().map(FieldShape::from).collect(),
            latest: detail.latest.into_iter().map(Reading::from).collect(),
            checks: detail.checks.into_iter().map(Check::from).collect(),
        }
    }
}

/// The graph, or which part of its name does not exist.
pub(crate) fn find(
    source: &dyn Source,
    host: &HostName,
    graph: &GraphName,
) -> Result<GraphDetail, Refusal> {
    source.graph(host, graph).ok_or_else(|| {
        if source.hosts().iter().any(|known| known.name == *host) {
            Refusal::no_graph(host, graph)
        } else {
            Refusal::NoHost(host.to_string())
        }
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
    parameters.finish("no parameters")?;
    site.ask(move |source| {
        let detail = find(source, &host, &graph)?;
        super::answer(&headers, &Graph::from(detail))
    })
    .await?
}
