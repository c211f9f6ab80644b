//! `/incidents`: what is wrong now, what was, who was told, and where nobody was, why not.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::check::CheckName;

use crate::pages::frame::{Frame, INCIDENTS_MAX, Viewer};
use crate::pages::show;
use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::{IncidentView, Source};

#[derive(Template)]
#[template(path = "incidents.html")]
struct Incidents {
    frame: Frame,
    open: Vec<IncidentRow>,
    closed: Vec<IncidentRow>,
    limit: usize,
}

/// An incident with what its cause says of itself.
pub(crate) struct IncidentRow {
    pub(crate) incident: IncidentView,
    /// Why the cause was or was not told; empty when it is gone.
    pub(crate) reason: String,
    /// How long it lasted, for a closed one.
    pub(crate) lasted: String,
}

/// Open incidents whose cause is looked up; the reasons of more would cost more than they say.
const REASONS_MAX: usize = 100;

/// Rows for a table.
pub(crate) fn rows<'a>(
    source: &dyn Source,
    incidents: impl Iterator<Item = &'a IncidentView>,
) -> Vec<IncidentRow> {
    incidents
        .enumerate()
        .map(|(i, incident)| IncidentRow {
            reason: if show::is_open(incident) && i < REASONS_MAX {
                reason(source, &incident.cause)
            } else {
                String::new()
            },
            lasted: incident.closed.map_or_else(String::new, |closed| {
                show::duration(closed.since(incident.opened).as_secs_f64())
            }),
            incident: incident.clone(),
        })
        .collect()
}

fn reason(source: &dyn Source, cause: &CheckName) -> String {
    let checks = match cause {
        CheckName::Host(_) | CheckName::Verdict(_) => {
            source.host(cause.host()).map(|host| host.checks)
        }
        CheckName::Field(series) => source
            .graph(&series.host, &series.graph)
            .map(|graph| graph.checks),
    };
    checks
        .unwrap_or_default()
        .into_iter()
        .find(|check| check.name == *cause)
        .map_or_else(String::new, |check| check.reason)
}

/// Answers `/incidents`.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    parameters.finish("no parameters")?;
    let frame = Frame::without_counts(&site, viewer.zone, "incidents").seen_by(&viewer);
    site.ask(move |source| {
        let incidents = source.incidents(INCIDENTS_MAX);
        let open = |wanted: bool| {
            incidents
                .iter()
                .filter(move |incident| show::is_open(incident) == wanted)
        };
        let page = Incidents {
            frame: frame.with_incidents(source, &incidents),
            open: rows(source, open(true)),
            closed: rows(source, open(false)),
            limit: INCIDENTS_MAX,
        };
        super::answer(&headers, &page)
    })
    .await?
}
