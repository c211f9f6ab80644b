//! Notices as HTTP POST requests with a JSON body: our own form ([`own`]) or that of a service.
//!
//! Any 2xx is success; 408, 425, 429, 5xx and no answer are tried again, not before the time that `Retry-After` names;
//! anything else, redirects included, is a refusal, with the beginning of the answer as its reason. The header
//! `Idempotency-Key` is the same whenever the same notice is sent again.
//!
//! With a secret each request is signed: `Ravenry-Signature: t=SECONDS,v1=HEX`, where `HEX` is the HMAC-SHA256 of
//! `SECONDS.BODY` and `SECONDS` is when it was sent, so that a request that somebody recorded cannot be used later.

use std::time::Duration;

use chrono::DateTime;
use hmac::{Hmac, KeyInit, Mac};
use ravenry_plugins::clock;
use ravenry_plugins::timestamp::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, redirect};
use sha2::Sha256;

use super::{Channel, Sending, chain, misdirected, said};
use crate::address::{Address, Format, Hook, Secret};
use crate::notice::Links;
use crate::outbox::{Delivery, Failure};

mod alertmanager;
mod chat;
mod ntfy;
pub(super) mod own;
mod pagerduty;

#[cfg(test)]
mod tests;

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 2048;

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

    async fn post(&self, delivery: &Delivery, hook: &Hook) -> Result<(), Failure> {
        let request = self.request(delivery, hook, clock::now());
        let answer = request.send().await.map_err(failure)?;
        answered(answer, clock::now()).await
    }

    fn request(&self, delivery: &Delivery, hook: &Hook, now: Timestamp) -> RequestBuilder {
        let notice = &delivery.notice;
        let key = format!("ravenry-{}-{}", notice.key, notice.at.micros());
        let body = body(delivery, hook, &self.links);
        let url = match hook.format {
            Format::Ntfy => ntfy::place(hook.url.reveal()).0,
            Format::Ravenry
            | Format::Slack
            | Format::Mattermost
            | Format::PagerDuty
            | Format::Alertmanager => hook.url.reveal(),
        };
        let mut request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", key);
        if let Some(secret) = &hook.secret {
            let signature = signature(secret, now, body.as_bytes());
            request = request.header("Ravenry-Signature", signature);
        }
        // PagerDuty's key is in the body.
        if let Some(key) = hook
            .key
            .as_ref()
            .filter(|_| hook.format != Format::PagerDuty)
        {
            request = request.header(AUTHORIZATION, format!("Bearer {}", key.reveal()));
        }
        request.body(body)
    }
}

impl Channel for Webhook {
    fn send<'a>(&'a self, delivery: &'a Delivery) -> Sending<'a> {
        Box::pin(async move {
            match &delivery.address {
                Address::Webhook(hook) => self.post(delivery, hook).await,
                Address::Mail { .. } | Address::Command(_) | Address::Line(_) => {
                    Err(misdirected(delivery))
                }
            }
        })
    }
}

/// What is posted.
fn body(delivery: &Delivery, hook: &Hook, links: &Links) -> String {
    match hook.format {
        Format::Ravenry => own::body(delivery, links),
        Format::Slack => chat::slack(delivery, links).to_string(),
        Format::Mattermost => chat::mattermost(delivery, links).to_string(),
        Format::PagerDuty => pagerduty::body(delivery, links, hook.key.as_ref()).to_string(),
        Format::Ntfy => ntfy::body(delivery, links, hook.url.reveal()).to_string(),
        Format::Alertmanager => alertmanager::body(delivery, links).to_string(),
    }
}

/// `t=SECONDS,v1=HEX`.
fn signature(secret: &Secret, now: Timestamp, body: &[u8]) -> String {
    let seconds = now.seconds();
    let key = secret.reveal().as_bytes();
    // Keys of any length are taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let hex: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("t={seconds},v1={hex}")
}

async fn answered(answer: Response, now: Timestamp) -> Result<(), Failure> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let header = answer.headers().get(RETRY_AFTER);
    let after = header.and_then(|value| retry_after(value.to_str().ok()?, now));
    let text = beginning(answer).await;
    let why = match text.as_str() {
        "" => format!("the webhook answered {status}"),
        text => format!("the webhook answered {status}: {text}"),
    };
    match status.as_u16() {
        408 | 425 | 429 | 500..=599 => Err(Failure::Later { why, after }),
        _ => Err(Failure::Refused(why)),
    }
}

/// The beginning of what it says, as far as it comes.
async fn beginning(mut answer: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        let room = ANSWER_BYTES_MAX - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if bytes.len() == ANSWER_BYTES_MAX {
            break;
        }
    }
    said(&bytes)
}

/// How long from now on: a number of seconds, or a date as in other headers.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some(Timestamp::from_seconds(date.timestamp()).since(now))
}

fn failure(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let why = chain(&error);
    if error.is_builder() {
        Failure::Refused(why)
    } else if error.is_connect() {
        Failure::later(why)
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
