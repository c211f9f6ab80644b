//! Notices as HTTP POST requests with a JSON body, version 1:
//!
//! ```json
//! {"version": 1, "key": "12-ops-1", "incident": 12, "contact": "ops", "sequence": 1,
//!  "kind": "problem", "severity": "critical", "was": "ok",
//!  "host": "web1", "graph": "df", "field": "root", "label": "df /",
//!  "check": null, "value": 99.1, "threshold": "critical above 98", "output": "",
//!  "since": 1700000000, "at": 1700000120, "over": null, "explains": 0,
//!  "subject": "[critical] web1: df / is 99.1 (critical above 98)", "text": "...",
//!  "links": {"check": "http://...", "incidents": "http://..."}}
//! ```
//!
//! `kind` is `problem`, `worse`, `recovery`, `withdrawn` or `test`; times are UTC seconds; `over` is when the problem
//! ended, where the receiver hears of both only now; `host`, `graph`, `field` and `check` (a Nagios check's name, its words
//! are in `output`) are null where there is none. The header
//! `Idempotency-Key` is the same whenever the same notice is sent again. Any 2xx is success; 408, 425, 429, 5xx and no
//! answer are tried again; anything else, redirects included, is a refusal. The answer's body is not read.

use std::time::Duration;

use ravenry_plugins::timestamp::Timestamp;
use reqwest::{StatusCode, redirect};
use serde::Serialize;

use super::{Channel, Sending, chain};
use crate::check::CheckName;
use crate::notice::{Kind, Links};
use crate::outbox::{Delivery, Failure};
use crate::rule::Address;
use crate::severity::Severity;

/// Why webhooks cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("webhooks: no HTTP client can be set up")]
pub struct WebhookError(#[from] reqwest::Error);

/// The webhook channel.
#[derive(Debug)]
pub struct Webhook {
    client: reqwest::Client,
    links: Links,
}

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
    threshold: &'a str,
    output: &'a str,
    since: Timestamp,
    at: Timestamp,
    over: Option<Timestamp>,
    explains: usize,
    subject: String,
    text: String,
    links: BodyLinks,
}

#[derive(Debug, Serialize)]
struct BodyLinks {
    check: Option<String>,
    incidents: String,
}

impl Webhook {
    /// Sets webhooks up; nothing is connected yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(timeout: Duration, links: &Links) -> Result<Self, WebhookError> {
        install_tls();
        let client = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("ravenry/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            client,
            links: links.clone(),
        })
    }

    async fn post(&self, delivery: &Delivery, url: &str) -> Result<(), Failure> {
        let notice = &delivery.notice;
        let key = format!("ravenry-{}-{}", notice.key, notice.at.micros());
        let request = self
            .client
            .post(url)
            .header("Idempotency-Key", key)
            .json(&Body::of(delivery, &self.links));
        let answer = request.send().await.map_err(failure)?;
        answered(answer.status())
    }
}

impl Channel for Webhook {
    fn send<'a>(&'a self, delivery: &'a Delivery) -> Sending<'a> {
        Box::pin(async move {
            match &delivery.address {
                Address::Webhook { url } => self.post(delivery, url).await,
                Address::Mail { .. } => {
                    Err(Failure::Refused(String::from("not a webhook address")))
                }
            }
        })
    }
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
            threshold: &notice.threshold,
            output: &notice.output,
            since: notice.since,
            at: notice.at,
            over: delivery.over,
            explains: notice.hidden,
            subject: notice.subject(delivery.over),
            text: notice.text(delivery.over, links),
            links: BodyLinks {
                check: notice.check.as_ref().map(|check| links.check(check)),
                incidents: links.incidents(),
            },
        }
    }
}

fn answered(status: StatusCode) -> Result<(), Failure> {
    let why = || format!("the webhook answered {status}");
    match status.as_u16() {
        200..=299 => Ok(()),
        408 | 425 | 429 | 500..=599 => Err(Failure::Later(why())),
        _ => Err(Failure::Refused(why())),
    }
}

fn failure(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let why = chain(&error);
    if error.is_builder() {
        Failure::Refused(why)
    } else if error.is_connect() {
        Failure::Later(why)
    } else {
        Failure::Doubtful(why)
    }
}

/// One TLS provider for the whole process; the first to need it installs it.
pub(super) fn install_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been faster, with the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
