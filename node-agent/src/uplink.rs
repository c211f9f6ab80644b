//! How a batch gets to the collector: over HTTP, or over a channel to the collector that this agent lives in.
//!
//! One batch in, one [`Reply`] out. When to send and what to do with the answer is [`crate::session`]'s part.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ravenry_plugins::wire::{self, Ack, Batch, Encoding, Limits};
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER,
};
use reqwest::{Client, StatusCode, Url, redirect};
use rustls::RootCertStore;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use crate::config::Token;
use crate::session::Reply;

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long a whole exchange may take.
const EXCHANGE_MAX: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 256 << 10;
/// Characters of an answer that are repeated to people.
const WHY_CHARS_MAX: usize = 300;

/// The way to the collector.
#[derive(Clone, Debug)]
pub enum Uplink {
    /// `POST {collector}/api/v1/push`.
    Http(HttpUplink),
    /// To the collector in whose process this agent runs.
    Local(mpsc::Sender<Delivery>),
}

/// A batch for the collector in this process.
#[derive(Debug)]
pub struct Delivery {
    /// What is delivered.
    pub batch: Batch,
    /// Where the answer goes. Dropped without one, the batch is delivered again.
    pub reply: oneshot::Sender<Result<Ack, Refusal>>,
}

/// Why a batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not now: deliver it again after a pause.
    Busy {
        /// One sentence.
        why: String,
    },
    /// Never: drop it, and tell people.
    Refused {
        /// One sentence.
        why: String,
    },
    /// Not from this agent: keep it, tell people, try again from time to time.
    Unauthorized {
        /// One sentence.
        why: String,
    },
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy { why } => Self::Busy {
                why,
                retry_after: None,
            },
            Refusal::Refused { why } => Self::Refused { why },
            Refusal::Unauthorized { why } => Self::Unauthorized { why },
        }
    }
}

impl Uplink {
    /// Sends a batch as [`pack`] made it.
    pub async fn send(&self, packed: Vec<u8>) -> Reply {
        match self {
            Self::Http(http) => http.send(packed).await,
            Self::Local(deliveries) => send_local(deliveries, &packed).await,
        }
    }
}

/// A batch as it waits in the spool and travels: MessagePack, compressed with gzip.
#[must_use]
pub fn pack(batch: &Batch) -> Vec<u8> {
    wire::gzip(&wire::encode(batch, Encoding::MessagePack))
}

/// The reverse of [`pack`].
///
/// # Errors
/// When the bytes are anything else.
pub fn unpack(packed: &[u8]) -> Result<Batch, wire::WireError> {
    let content_type = Some(Encoding::MessagePack.content_type());
    wire::decode(packed, content_type, Some("gzip"), Limits::default())
}

async fn send_local(deliveries: &mpsc::Sender<Delivery>, packed: &[u8]) -> Reply {
    let batch = match unpack(packed) {
        Ok(batch) => batch,
        Err(error) => {
            return Reply::Refused {
                why: format!("batch in the spool: {error}"),
            };
        }
    };
    let (reply, answer) = oneshot::channel();
    let exchange = async {
        deliveries.send(Delivery { batch, reply }).await.ok()?;
        answer.await.ok()
    };
    match tokio::time::timeout(EXCHANGE_MAX, exchange).await {
        Ok(Some(Ok(ack))) => Reply::Taken(ack),
        Ok(Some(Err(refusal))) => refusal.into(),
        Ok(None) => Reply::Unreachable {
            why: "the collector in this process has stopped".to_owned(),
        },
        Err(_) => Reply::Unreachable {
            why: format!("no answer within {} s", EXCHANGE_MAX.as_secs()),
        },
    }
}

/// A collector somewhere else, by one or more addresses. The one that answered last is asked; the next ones in turn when
/// it does not answer.
#[derive(Clone, Debug)]
pub struct HttpUplink {
    client: Client,
    urls: Arc<[Url]>,
    /// Index of the one that answered last.
    current: Arc<AtomicUsize>,
    token: Option<Token>,
}

/// Why there can be no HTTP uplink at all.
#[derive(Debug, thiserror::Error)]
#[error("http client")]
pub struct HttpUplinkError(#[from] reqwest::Error);

impl HttpUplink {
    /// The way to the collector at `collectors`.
    ///
    /// # Errors
    /// When the system's certificates cannot be used.
    pub fn new(collectors: &[Url], token: Option<Token>) -> Result<Self, HttpUplinkError> {
        Ok(Self {
            client: client(collectors)?,
            urls: collectors.iter().map(push_url).collect(),
            current: Arc::default(),
            token,
        })
    }

    /// Sends to the collector that answered last, and to the others in turn for as long as none answers.
    async fn send(&self, packed: Vec<u8>) -> Reply {
        let first = self.current.load(Ordering::Relaxed);
        let mut whys = Vec::new();
        for turn in 0..self.urls.len() {
            let at = (first + turn) % self.urls.len();
            match self.send_to(&self.urls[at], packed.clone()).await {
                Reply::Unreachable { why } if self.urls.len() == 1 => whys.push(why),
                Reply::Unreachable { why } => {
                    let host = self.urls[at].authority();
                    whys.push(format!("{host}: {why}"));
                }
                reply => {
                    self.current.store(at, Ordering::Relaxed);
                    return reply;
                }
            }
        }
        Reply::Unreachable {
            why: whys.join("; "),
        }
    }

    async fn send_to(&self, url: &Url, packed: Vec<u8>) -> Reply {
        let mut request = self
            .client
            .post(url.clone())
            .header(CONTENT_TYPE, Encoding::MessagePack.content_type())
            .header(CONTENT_ENCODING, "gzip")
            .body(packed);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.secret()));
        }
        let unreachable = |error: reqwest::Error| Reply::Unreachable {
            why: chain(&error.without_url()),
        };
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return unreachable(error),
        };
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_BYTES_MAX => {
                    body.extend_from_slice(&chunk);
                }
                Ok(Some(_)) | Ok(None) => break,
                Err(error) => return unreachable(error),
            }
        }
        judge(response.status(), response.headers(), &body)
    }
}

/// The client of every exchange with `collectors`: certificates checked, redirects not followed, limits on time.
///
/// # Errors
/// When the system's certificates cannot be used.
pub(crate) fn client(collectors: &[Url]) -> Result<Client, HttpUplinkError> {
    // Fails only when a provider is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder();
    if collectors.iter().all(|url| url.scheme() == "http") {
        // Nobody will be asked for a certificate: those of the system, a megabyte, stay on disk.
        let none = rustls::ClientConfig::builder().with_root_certificates(RootCertStore::empty());
        builder = builder.tls_backend_preconfigured(none.with_no_client_auth());
    }
    let client = builder
        .connect_timeout(CONNECT_MAX)
        .timeout(EXCHANGE_MAX)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("ravenry-agent/", env!("CARGO_PKG_VERSION")))
        .build()?;
    Ok(client)
}

fn push_url(collector: &Url) -> Url {
    address_of(collector, &["api", "v1", "push"])
}

/// An address below a collector's own, which may have a path.
pub(crate) fn address_of(collector: &Url, segments: &[&str]) -> Url {
    let mut url = collector.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// What an answer means for the batch. 404 and 405 say that there is no collector at this address, not that the batch is
/// bad: it is kept until somebody has mended the address.
fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Reply {
    let why = format!("HTTP {}: {}", status.as_u16(), first_words(body));
    match status.as_u16() {
        200..=299 => match serde_json::from_slice(body) {
            Ok(ack) => Reply::Taken(ack),
            Err(error) => Reply::Unreachable {
                why: format!("{why}: expected a collector's answer: {error}"),
            },
        },
        401 | 403 => Reply::Unauthorized { why },
        408 | 429 | 500..=599 => Reply::Busy {
            why,
            retry_after: retry_after(headers),
        },
        300..=399 => {
            let to = headers
                .get(LOCATION)
                .and_then(|to| to.to_str().ok())
                .unwrap_or("nowhere");
            Reply::Unreachable {
                why: format!(
                    "HTTP {}: redirected to {to}, which is not followed",
                    status.as_u16()
                ),
            }
        }
        404 | 405 => Reply::Unreachable {
            why: format!("{why}: expected a collector at this address"),
        },
        _ => Reply::Refused { why },
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

/// What an answer says for people, or its beginning; on one line and without control characters.
pub(crate) fn first_words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Answer {
        error: String,
    }
    let text = match serde_json::from_slice::<Answer>(body) {
        Ok(answer) => answer.error.into(),
        Err(_) => String::from_utf8_lossy(body),
    };
    let words = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().take(WHY_CHARS_MAX).collect()
}

/// An error with what caused it: reqwest's own text names only the outermost.
pub(crate) fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, reqwest::header::HeaderValue::from_static("7"));
        format!(
            "{:?}",
            judge(
                StatusCode::from_u16(status).unwrap(),
                &headers,
                body.as_bytes()
            )
        )
    }

    #[test]
    fn every_answer_has_a_meaning() {
        let check = |status, body: &str, expect: &str| assert_eq!(judged(status, body), expect);
        assert!(judged(200, r#"{"accepted":3}"#).starts_with("Taken(Ack { accepted: 3"));
        assert!(judged(200, "<html>").starts_with("Unreachable"));
        assert!(judged(404, "").starts_with("Unreachable"));
        check(401, "who?", r#"Unauthorized { why: "HTTP 401: who?" }"#);
        check(
            403,
            r#"{"code":"other_host","error":"this token speaks for web1"}"#,
            r#"Unauthorized { why: "HTTP 403: this token speaks for web1" }"#,
        );
        check(
            400,
            "batch version 9:\n\texpected 1",
            r#"Refused { why: "HTTP 400: batch version 9: expected 1" }"#,
        );
        check(413, "", r#"Refused { why: "HTTP 413: " }"#);
        check(
            429,
            "",
            r#"Busy { why: "HTTP 429: ", retry_after: Some(7s) }"#,
        );
        check(
            507,
            "disk full",
            r#"Busy { why: "HTTP 507: disk full", retry_after: Some(7s) }"#,
        );
        assert!(judged(302, "").starts_with("Unreachable"));
    }

    #[test]
    fn the_push_address_keeps_a_base_path() {
        let check = |base: &str, expect: &str| {
            assert_eq!(push_url(&Url::parse(base).unwrap()).as_str(), expect);
        };
        check("http://h:4950", "http://h:4950/api/v1/push");
        check("https://h/ravenry", "https://h/ravenry/api/v1/push");
        check("https://h/ravenry/", "https://h/ravenry/api/v1/push");
    }

    #[tokio::test]
    async fn a_local_collector_answers_and_one_that_is_gone_is_unreachable() {
        let (deliveries, mut collector) = mpsc::channel::<Delivery>(1);
        let uplink = Uplink::Local(deliveries);
        let batch: Batch = serde_json::from_str(r#"{"version":1,"host":"web1"}"#).unwrap();
        let answer = async {
            let delivery = collector.recv().await.unwrap();
            assert_eq!(delivery.batch.host.as_str(), "web1");
            delivery
                .reply
                .send(Err(Refusal::Busy {
                    why: "full".to_owned(),
                }))
                .unwrap();
        };
        let (reply, ()) = tokio::join!(uplink.send(pack(&batch)), answer);
        assert_eq!(
            reply,
            Reply::Busy {
                why: "full".to_owned(),
                retry_after: None
            }
        );
        drop(collector);
        assert!(matches!(
            uplink.send(pack(&batch)).await,
            Reply::Unreachable { .. }
        ));
    }
}
