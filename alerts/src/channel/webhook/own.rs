//! Our own JSON, version 1, for webhooks and programs; documented in `docs/channels.md`. Within a version keys are only added.

use ravenry_plugins::timestamp::Timestamp;
use serde::Serialize;

use crate::check::CheckName;
use crate::notice::{Kind, Links};
use crate::outbox::Delivery;
use crate::severity::Severity;

#[derive(Debug, Serialize)]
struct Body<'a> {
    version: u32,
    key: String,
    incident: u64,
    contact: &'a str,
    sequence: u64,
    kind: Kind,
    severity: Severity,
    was: Severity,
    host: Option<&'a str>,
    graph: Option<&'a str>,
    field: Option<&'a str>,
    check: Option<&'a str>,
    label: &'a str,
    value: Option<f64>,
    unit: &'a str,
    threshold: &'a str,
    output: &'a str,
    since: Timestamp,
    at: Timestamp,
    over: Option<Timestamp>,
    causes: usize,
    also: Vec<String>,
    explains: usize,
    hides: Vec<String>,
    often: u32,
    why: &'a str,
    subject: String,
    short: String,
    text: String,
    links: BodyLinks,
}

#[derive(Debug, Serialize)]
struct BodyLinks {
    check: Option<String>,
    host: Option<String>,
    incident: Option<String>,
    acknowledge: Option<String>,
}

/// The notice as JSON.
pub(in crate::channel) fn body(delivery: &Delivery, links: &Links) -> String {
    // Texts, numbers and lists of them can always be written.
    serde_json::to_string(&Body::of(delivery, links)).unwrap_or_default()
}

impl<'a> Body<'a> {
    fn of(delivery: &'a Delivery, links: &Links) -> Self {
        let notice = &delivery.notice;
        let host = notice.check.as_ref().map(|check| check.host().as_str());
        let (graph, field, check) = match &notice.check {
            None | Some(CheckName::Host(_)) => (None, None, None),
            Some(CheckName::Field(series)) => (
                Some(series.graph.as_str()),
                Some(series.field.as_str()),
                None,
            ),
            Some(CheckName::Verdict(verdict)) => (None, None, Some(verdict.check.as_str())),
        };
        Self {
            version: 1,
            key: notice.key.to_string(),
            incident: notice.key.incident,
            contact: notice.key.contact.as_str(),
            sequence: notice.key.sequence,
            kind: notice.kind,
            severity: notice.severity,
            was: notice.was,
            host,
            graph,
            field,
            check,
            label: &notice.label,
            value: notice.value,
            unit: &notice.unit,
            threshold: &notice.threshold,
            output: &notice.output,
            since: notice.since,
            at: notice.at,
            over: delivery.over,
            causes: notice.causes,
            also: notice.others.iter().map(ToString::to_string).collect(),
            explains: notice.hidden,
            hides: notice.hides.iter().map(ToString::to_string).collect(),
            often: notice.often,
            why: &notice.why,
            subject: notice.subject(delivery.over),
            short: notice.short(delivery.over),
            text: notice.text(delivery.over, links),
            links: BodyLinks {
                check: notice.check.as_ref().and_then(|check| links.check(check)),
                host: notice.check.as_ref().and_then(|check| links.host(check)),
                incident: notice
                    .check
                    .as_ref()
                    .and_then(|_| links.incident(notice.key.incident)),
                acknowledge: links.acknowledge(notice),
            },
        }
    }
}
