//! `GET /api/v1/checks`: every check with its severity and why it was or was not told.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::check::CheckName;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_plugins::timestamp::Timestamp;
use serde::Serialize;

use crate::api::page::Page;
use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::CheckView;

#[derive(Serialize)]
struct Checks {
    checks: Vec<Check>,
    next: Option<String>,
}

/// Checks that one answer holds.
pub(crate) const CHECKS_MAX: u32 = 2_000_000;

/// A check. A host's own has no graph and no field, a Nagios check has a name (`check`) and words (`output`) of its own.
#[derive(Serialize)]
pub(crate) struct Check {
    #[serde(flatten)]
    name: Name,
    severity: Severity,
    since: Option<Timestamp>,
    value: Option<f64>,
    threshold: String,
    output: String,
    reason: String,
}

/// What a check is about.
#[derive(Serialize)]
pub(crate) struct Name {
    host: HostName,
    graph: Option<GraphName>,
    field: Option<FieldName>,
    check: Option<GraphName>,
}

impl From<CheckName> for Name {
    fn from(name: CheckName) -> Self {
        match name {
            CheckName::Host(host) => Self {
                host,
                graph: None,
                field: None,
                check: None,
            },
            CheckName::Field(series) => Self {
                host: series.host,
                graph: Some(series.graph),
                field: Some(series.field),
                check: None,
            },
            CheckName::Verdict(verdict) => Self {
                host: verdict.host,
                graph: None,
                field: None,
                check: Some(verdict.check),
            },
        }
    }
}

impl From<CheckView> for Check {
    fn from(check: CheckView) -> Self {
        Self {
            name: check.name.into(),
            severity: check.severity,
            since: check.since,
            value: check.value,
            threshold: check.threshold,
            output: check.output,
            reason: check.reason,
        }
    }
}

pub(crate) fn severity(text: &str) -> Option<Severity> {
    Severity::ALL
        .into_iter()
        .find(|severity| severity.as_str() == text)
}

/// Answers it.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let wanted = parameters.take("severity", "ok, unknown, warning or critical", severity)?;
    let host = parameters.take("host", "a host's name", |text| HostName::new(text).ok())?;
    let page = Page::take(&mut parameters, CHECKS_MAX, CHECKS_MAX)?;
    parameters.finish("severity, host, limit, after")?;
    site.ask(move |source| {
        let mut checks = match &host {
            Some(host) => source.host(host).map_or_else(Vec::new, |host| host.checks),
            None => source.checks(),
        };
        checks.retain(|check| wanted.is_none_or(|wanted| check.severity == wanted));
        if page.is_part_of(checks.len()) {
            checks.sort_by_cached_key(|check| check.name.to_string());
        }
        let (checks, next) = page.of_sorted(checks, |check| check.name.to_string());
        let checks = checks.into_iter().map(Check::from).collect();
        super::answer(&headers, &Checks { checks, next })
    })
    .await?
}
