//! `GET /api/v1/incidents`: open incidents, then closed ones, the newest first.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::name::HostName;
use ravenry_plugins::timestamp::Timestamp;
use serde::Serialize;

use crate::api::checks::{Name, severity};
use crate::api::page::Page;
use crate::pages::frame::INCIDENTS_MAX;
use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::IncidentView;

#[derive(Serialize)]
struct Incidents {
    incidents: Vec<Incident>,
    next: Option<String>,
}

/// Incidents that are kept, and may be gone through.
const KEPT_MAX: usize = 10_000;

/// Which incidents are wanted.
struct Filter {
    is_open: Option<bool>,
    severity: Option<Severity>,
    host: Option<HostName>,
}

impl Filter {
    fn take(parameters: &mut Parameters) -> Result<Self, Refusal> {
        let state = |text: &str| match text {
            "open" => Some(true),
            "closed" => Some(false),
            _ => None,
        };
        Ok(Self {
            is_open: parameters.take("state", "open or closed", state)?,
            severity: parameters.take("severity", "ok, unknown, warning or critical", severity)?,
            host: parameters.take("host", "a host's name", |text| HostName::new(text).ok())?,
        })
    }

    fn wants(&self, incident: &IncidentView) -> bool {
        self.is_open
            .is_none_or(|open| open == incident.closed.is_none())
            && self
                .severity
                .is_none_or(|severity| severity == incident.severity)
            && self
                .host
                .as_ref()
                .is_none_or(|host| host == incident.cause.host())
    }
}

/// An incident as lists show it.
#[derive(Serialize)]
pub(crate) struct Incident {
    id: u64,
    cause: Name,
    severity: Severity,
    opened: Timestamp,
    closed: Option<Timestamp>,
    summary: String,
    told: Vec<String>,
}

impl From<IncidentView> for Incident {
    fn from(incident: IncidentView) -> Self {
        Self {
            id: incident.id,
            cause: incident.cause.into(),
            severity: incident.severity,
            opened: incident.opened,
            closed: incident.closed,
            summary: incident.summary,
            told: incident.told,
        }
    }
}

/// Answers it.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let max = u32::try_from(INCIDENTS_MAX).unwrap_or(u32::MAX);
    let filter = Filter::take(&mut parameters)?;
    let page = Page::take(&mut parameters, max, 100)?;
    parameters.finish("state, severity, host, limit, after")?;
    site.ask(move |source| {
        let mut incidents = source.incidents(KEPT_MAX);
        incidents.retain(|incident| filter.wants(incident));
        let (incidents, next) = page.of_listed(incidents, |incident| incident.id.to_string())?;
        let incidents = incidents.into_iter().map(Incident::from).collect();
        super::answer(&headers, &Incidents { incidents, next })
    })
    .await?
}
