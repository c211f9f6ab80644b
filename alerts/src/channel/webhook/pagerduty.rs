//! Events for PagerDuty's Events API, version 2 (<https://developer.pagerduty.com/docs/events-api-v2/overview/>). One incident
//! is one alert there: the deduplication key is made of the incident, so that what gets worse or spreads is noted on it and
//! the end resolves it, whichever contact is told.

use serde_json::{Value, json};

use super::alertmanager::date;
use crate::address::Secret;
use crate::check::CheckName;
use crate::notice::{Kind, Links, line};
use crate::outbox::Delivery;
use crate::severity::Severity;

/// PagerDuty takes 1024 characters.
const SUMMARY_CHARS_MAX: usize = 1000;

/// What is posted.
pub(super) fn body(delivery: &Delivery, links: &Links, key: Option<&Secret>) -> Value {
    let (notice, over) = (&delivery.notice, delivery.over);
    let all_links: Vec<Value> = notice
        .all_links(links)
        .into_iter()
        .map(|(name, link)| json!({"href": link, "text": name}))
        .collect();
    let mut event = json!({
        "routing_key": key.map_or("", Secret::reveal),
        "event_action": action(delivery),
        "dedup_key": dedup_key(delivery),
        "payload": payload(delivery),
        "client": "Ravenry",
        "links": all_links,
    });
    if let Some(page) = links
        .incident(notice.key.incident)
        .filter(|_| notice.check.is_some())
    {
        event["client_url"] = page.into();
    }
    if let (Some(over), Some(details)) = (over, event.pointer_mut("/payload/custom_details")) {
        details["over"] = date(over).into();
    }
    event
}

/// What was over before it could be delivered is an alert too: else nobody would hear of it. Its severity is `info`.
fn action(delivery: &Delivery) -> &'static str {
    match (delivery.over, delivery.notice.kind) {
        (Some(_), _) => "trigger",
        (
            None,
            Kind::Problem | Kind::Worse | Kind::Update | Kind::Reminder | Kind::Digest | Kind::Test,
        ) => "trigger",
        (None, Kind::Acknowledged) => "acknowledge",
        (None, Kind::Recovery | Kind::Withdrawn) => "resolve",
    }
}

fn dedup_key(delivery: &Delivery) -> String {
    let notice = &delivery.notice;
    match (notice.kind, notice.key.incident) {
        (Kind::Test, _) => format!("ravenry-test-{}", notice.key.sequence),
        // It is about several: what ends one of them does not end it.
        (Kind::Digest, _) => format!("ravenry-digest-{}-{}", notice.key, notice.at.micros()),
        (_, incident) => format!("ravenry-{incident}-{}", notice.since.micros()),
    }
}

fn payload(delivery: &Delivery) -> Value {
    let notice = &delivery.notice;
    let source = notice
        .check
        .as_ref()
        .map_or("ravenry", |check| check.host().as_str());
    let (component, group) = match &notice.check {
        None | Some(CheckName::Host(_)) => (None, None),
        Some(CheckName::Field(series)) => {
            (Some(series.field.as_str()), Some(series.graph.as_str()))
        }
        Some(CheckName::Verdict(verdict)) => (None, Some(verdict.check.as_str())),
    };
    let mut payload = json!({
        "summary": line(&notice.subject(delivery.over), SUMMARY_CHARS_MAX),
        "source": source,
        "severity": severity(delivery),
        "timestamp": date(notice.since),
        "class": notice.kind.as_str(),
        "custom_details": details(delivery),
    });
    if let Some(component) = component {
        payload["component"] = component.into();
    }
    if let Some(group) = group {
        payload["group"] = group.into();
    }
    payload
}

fn severity(delivery: &Delivery) -> &'static str {
    match (
        delivery.over,
        delivery.notice.kind,
        delivery.notice.severity,
    ) {
        (Some(_), _, _)
        | (None, Kind::Acknowledged | Kind::Test | Kind::Recovery | Kind::Withdrawn, _) => "info",
        (
            None,
            Kind::Problem | Kind::Worse | Kind::Update | Kind::Reminder | Kind::Digest,
            severity,
        ) => match severity {
            Severity::Critical => "critical",
            Severity::Warning | Severity::Unknown => "warning",
            Severity::Ok => "info",
        },
    }
}

/// The facts by their names, links apart.
fn details(delivery: &Delivery) -> Value {
    let facts = delivery.notice.facts(delivery.over, &Links::default());
    let named = facts
        .into_iter()
        .map(|fact| (fact.name.to_lowercase(), fact.text.into()));
    Value::Object(named.collect())
}
