//! What Alertmanager posts to its webhooks, version 4
//! (<https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>), for services that understand that. An
//! incident is a group; its causes are the alerts. A cause keeps its fingerprint from the first notice to the end.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};
use ravenry_plugins::timestamp::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::check::CheckName;
use crate::notice::{Kind, Links, Notice};
use crate::outbox::Delivery;
use crate::severity::Severity;

/// The end of what has not ended.
const NOT_ENDED: &str = "0001-01-01T00:00:00Z";

/// Names and values, as in Prometheus.
type Labels = BTreeMap<&'static str, String>;

/// What is posted.
pub(super) fn body(delivery: &Delivery, links: &Links) -> Value {
    let (notice, over) = (&delivery.notice, delivery.over);
    let ended = over.or_else(|| is_end(notice.kind).then_some(notice.at));
    let status = if ended.is_some() {
        "resolved"
    } else {
        "firing"
    };
    let group = Labels::from([("incident", notice.key.incident.to_string())]);
    let one = notice
        .check
        .as_ref()
        .filter(|_| notice.kind != Kind::Digest);
    let all: Vec<Labels> = match one {
        None => vec![labels(notice, None)],
        Some(check) => std::iter::once(check)
            .chain(&notice.others)
            .map(|check| labels(notice, Some(check)))
            .collect(),
    };
    let annotations = json!({
        "summary": notice.subject(over),
        "description": notice.text(over, links),
    });
    let base = links.base.clone().unwrap_or_default();
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{incident=\"{}\"}}", notice.key.incident),
        "truncatedAlerts": notice.causes.saturating_sub(all.len()),
        "status": status,
        "receiver": notice.key.contact.as_str(),
        "groupLabels": group,
        "commonLabels": common(&all),
        "commonAnnotations": annotations,
        "externalURL": base,
        "alerts": all.iter().map(|labels| json!({
            "status": status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": date(notice.since),
            "endsAt": ended.map_or_else(|| NOT_ENDED.to_owned(), date),
            "generatorURL": page(notice, labels, links),
            "fingerprint": fingerprint(notice, labels),
        })).collect::<Vec<Value>>(),
    })
}

fn is_end(kind: Kind) -> bool {
    match kind {
        Kind::Problem
        | Kind::Worse
        | Kind::Update
        | Kind::Reminder
        | Kind::Acknowledged
        | Kind::Digest
        | Kind::Test => false,
        Kind::Recovery | Kind::Withdrawn => true,
    }
}

/// The severity is that of the problem, at its end too: receivers choose by labels whom to tell.
fn labels(notice: &Notice, check: Option<&CheckName>) -> Labels {
    let severity = match is_end(notice.kind) {
        true => notice.was,
        false => notice.severity,
    };
    let mut labels = Labels::from([
        ("incident", notice.key.incident.to_string()),
        ("severity", severity_word(severity).to_owned()),
    ]);
    let (name, host) = match check {
        None if notice.kind == Kind::Digest => ("RavenryDigest", String::from("ravenry")),
        None => ("RavenryTest", String::from("ravenry")),
        Some(check @ CheckName::Host(_)) => ("HostDown", check.host().to_string()),
        Some(check @ CheckName::Field(series)) => {
            labels.insert("graph", series.graph.to_string());
            labels.insert("field", series.field.to_string());
            (series.graph.as_str(), check.host().to_string())
        }
        Some(check @ CheckName::Verdict(verdict)) => {
            labels.insert("check", verdict.check.to_string());
            (verdict.check.as_str(), check.host().to_string())
        }
    };
    labels.insert("alertname", name.to_owned());
    labels.insert("host", host.clone());
    labels.insert("instance", host);
    labels
}

/// As rules for Prometheus are usually labelled.
fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Unknown | Severity::Ok => "info",
    }
}

fn common(all: &[Labels]) -> Labels {
    let mut common = all.first().cloned().unwrap_or_default();
    common.retain(|name, value| all.iter().all(|labels| labels.get(name) == Some(value)));
    common
}

/// 16 hexadecimal digits of the cause in its incident.
fn fingerprint(notice: &Notice, labels: &Labels) -> String {
    let mut hash = Sha256::new();
    hash.update(notice.since.micros().to_be_bytes());
    for (name, value) in labels.iter().filter(|(name, _)| **name != "severity") {
        hash.update(format!("{name}\0{value}\0"));
    }
    hash.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn page(notice: &Notice, labels: &Labels, links: &Links) -> String {
    let causes = notice.check.iter().chain(&notice.others);
    let same = |check: &&CheckName| self::labels(notice, Some(check)) == *labels;
    let check = causes.into_iter().find(same);
    check
        .and_then(|check| links.check(check))
        .unwrap_or_default()
}

/// `2026-01-01T00:00:00Z`
pub(super) fn date(at: Timestamp) -> String {
    DateTime::from_timestamp(at.seconds(), 0).map_or_else(
        || NOT_ENDED.to_owned(),
        |time| time.to_rfc3339_opts(SecondsFormat::Secs, true),
    )
}
