//! `GET /api/v1/incidents`: open incidents, then closed ones, the newest first.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::timestamp::Timestamp;
use serde::Serialize;

use crate::api::checks::Name;
use crate::pages::frame::INCIDENTS_MAX;
use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::IncidentView;

#[derive(Serialize)]
struct Incidents {
    incidents: Vec<Incident>,
}

#[derive(Serialize)]
struct Incident {
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
    let limit = parameters.take_number("limit", 1, max)?.unwrap_or(100);
    parameters.finish("limit")?;
    site.ask(move |source| {
        let incidents = source.incidents(usize::try_from(limit).unwrap_or(INCIDENTS_MAX));
        let incidents = incidents.into_iter().map(Incident::from).collect();
        super::answer(&headers, &Incidents { incidents })
    })
    .await?
}
