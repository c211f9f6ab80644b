//! `/incident/{id}`: one incident with its causes, what it hides, the picture of what happened, who was told, and what can
//! be done about it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::action::Subject;
use ravenry_alerts::check::CheckName;
use ravenry_alerts::quiet::Comment;
use ravenry_plugins::timestamp::Timestamp;

use crate::actor::Actor;
use crate::pages::act::LENGTHS;
use crate::pages::frame::{Frame, INCIDENTS_MAX, Viewer};
use crate::pages::show;
use crate::parameter::{Parameters, Segments};
use crate::refusal::Refusal;
use crate::shot::Shot;
use crate::site::Site;
use crate::source::{CheckView, IncidentView, Source};
use crate::span::Span;

/// The picture begins so long before the incident, or longer when that took long.
const BEFORE: Duration = Duration::from_secs(3600);

/// So many checks of each kind are listed.
const LISTED_MAX: usize = 200;

#[derive(Template)]
#[template(path = "incident.html")]
struct IncidentPage {
    frame: Frame,
    incident: IncidentView,
    may_act: bool,
    /// How long it lasted or has lasted.
    lasted: String,
    /// Why the cause was or was not told, while it is open.
    reason: String,
    causes: Vec<CheckView>,
    hides: Vec<CheckView>,
    /// Those that are not listed.
    more_causes: usize,
    more_hides: usize,
    shot: Option<(String, Shot)>,
    comments: Vec<Comment>,
    address: String,
    lengths: &'static [(&'static str, u64)],
}

/// Answers `/incident/{id}`.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    actor: Actor,
    headers: HeaderMap,
    segments: Segments,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    parameters.finish("no parameters")?;
    let text = segments.text("id").to_owned();
    let frame = Frame::without_counts(&site, viewer.zone, "incidents").seen_by(&viewer);
    site.ask(move |source| {
        let id: Option<u64> = text.parse().ok();
        let incident = id.and_then(|id| source.incident(id)).ok_or_else(|| {
            let text: String = text.chars().take(30).collect();
            Refusal::NothingStored(format!(
                "no incident {text:?}: there was none of that number, or it was too long ago"
            ))
        })?;
        let page = IncidentPage::of(source, frame, incident, actor.may_act());
        super::answer(&headers, &page)
    })
    .await?
}

impl IncidentPage {
    fn of(source: &dyn Source, frame: Frame, incident: IncidentView, may_act: bool) -> Self {
        let now = source.now();
        let until = incident.closed.unwrap_or(now);
        let causes = states(source, &incident.causes);
        let hides = states(source, &incident.hides);
        let of_cause = causes.iter().find(|check| check.name == incident.cause);
        let reason = of_cause.map(|check| check.reason.clone());
        let reason = reason.filter(|_| show::is_open(&incident));
        let about = |comment: &Comment| match &comment.on {
            Subject::Incident(id) => *id == incident.id,
            Subject::Check(check) => incident.causes.contains(check),
        };
        let mut comments = source.comments();
        comments.retain(about);
        Self {
            lasted: show::duration(until.since(incident.opened).as_secs_f64()),
            reason: reason.unwrap_or_default(),
            more_causes: incident.causes.len().saturating_sub(LISTED_MAX),
            more_hides: incident.hides.len().saturating_sub(LISTED_MAX),
            shot: shot(source, &incident, &frame, now),
            address: format!("/incident/{}", incident.id),
            frame: frame.with_incidents(source, &source.incidents(INCIDENTS_MAX)),
            lengths: &LENGTHS,
            causes,
            hides,
            comments,
            may_act,
            incident,
        }
    }
}

/// Where these checks stand, as far as they are still there.
fn states(source: &dyn Source, names: &[CheckName]) -> Vec<CheckView> {
    let mut hosts = HashMap::new();
    let names = names.iter().take(LISTED_MAX);
    names
        .filter_map(|name| {
            let checks = hosts.entry(name.host()).or_insert_with(|| {
                let host = source.host(name.host());
                host.map(|host| host.checks).unwrap_or_default()
            });
            checks.iter().find(|check| check.name == *name).cloned()
        })
        .collect()
}

/// The graph of the cause around the time of the incident, and its page.
fn shot(
    source: &dyn Source,
    incident: &IncidentView,
    frame: &Frame,
    now: Timestamp,
) -> Option<(String, Shot)> {
    let CheckName::Field(series) = &incident.cause else {
        return None;
    };
    let graph = source.graph(&series.host, &series.graph)?;
    let until = incident
        .closed
        .map_or(now, |closed| now.min(closed + BEFORE));
    let lasted = until.since(incident.opened);
    let span = Span::between(incident.opened - BEFORE.max(lasted / 2), until)?;
    let page = format!("/graph/{}/{}?{}", series.host, series.graph, span.query());
    let shot = Shot::over(&graph, &span, frame.zone, now, Shot::WIDE);
    Some((page, shot))
}
