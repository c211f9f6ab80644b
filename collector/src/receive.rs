//! `POST /api/v1/push`: batches from agents and from curl.
//!
//! | status | meaning |
//! |---|---|
//! | 200 | taken, and on stable storage; the body says what of it was refused |
//! | 400 | not a batch, or of another version: the same body will never be taken |
//! | 401 | no token, or one that nobody knows |
//! | 403 | a token that does not speak for that host |
//! | 408 | the body did not arrive within a minute |
//! | 413 | larger than the limit |
//! | 415 | another content type or encoding |
//! | 503 | too busy, or the journal is at its limit: push again later |
//! | 507 | the disk is full: push again later |

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use ravenry_plugins::clock;
use ravenry_plugins::pattern::Pattern;
use ravenry_plugins::wire::{self, Ack, Batch, Limits, WireError};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::database::Database;
use crate::ingest::{Ingest, PushError};
use crate::token::Tokens;

/// Bodies that are in memory at once: they, and what they become, are what pushes may take of it.
const BODIES_MAX: usize = 32;
/// How long a push waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(10);
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(60);

/// What the endpoint needs.
#[derive(Clone)]
pub struct Receiver {
    /// Where batches go.
    pub ingest: Ingest,
    /// Who may push.
    pub tokens: Arc<Mutex<Tokens>>,
    /// Where tokens are that were made since the start.
    pub database: Arc<Mutex<Database>>,
    /// A larger body is refused.
    pub bytes_max: usize,
    /// Taken while a body is in memory.
    turns: Arc<Semaphore>,
}

/// The route.
pub fn router(receiver: Receiver) -> Router {
    Router::new()
        .route("/api/v1/push", post(push))
        .with_state(receiver)
}

/// Asks who it is before anything of the body is read.
async fn push(
    State(receiver): State<Receiver>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Ack>, Refused> {
    let hosts = receiver.hosts_of(&headers).await?;
    let _turn = receiver.turn().await?;
    let body = receiver.read(&headers, body).await?;
    let batch = decode(headers, body, receiver.bytes_max).await?;
    if let Some(host) = hosts_named(&batch).find(|host| !hosts.matches(host)) {
        let text = format!("this token speaks for hosts {hosts}, not for {host}");
        return Err(Refused(StatusCode::FORBIDDEN, text));
    }
    Ok(Json(receiver.ingest.push(batch, clock::now()).await?))
}

impl Receiver {
    /// An endpoint that gives batches to `ingest`.
    #[must_use]
    pub fn new(ingest: Ingest, database: Arc<Mutex<Database>>, bytes_max: usize) -> Self {
        let tokens = Arc::default();
        let turns = Arc::new(Semaphore::new(BODIES_MAX));
        Self {
            ingest,
            tokens,
            database,
            bytes_max,
            turns,
        }
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, Refused> {
        match timeout(TURN_WITHIN, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => {
                let text = format!("{BODIES_MAX} pushes are being read already");
                Err(Refused(StatusCode::SERVICE_UNAVAILABLE, text))
            }
        }
    }

    async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Refused> {
        let too_large = || {
            let text = format!(
                "body: expected at most {} bytes, found more",
                self.bytes_max
            );
            Refused(StatusCode::PAYLOAD_TOO_LARGE, text)
        };
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > self.bytes_max) {
            return Err(too_large());
        }
        match timeout(BODY_WITHIN, to_bytes(body, self.bytes_max)).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) if error.to_string().contains("length limit") => Err(too_large()),
            Ok(Err(error)) => Err(Refused(StatusCode::BAD_REQUEST, format!("body: {error}"))),
            Err(_) => {
                let text = format!(
                    "body: expected within {} s, it did not end",
                    BODY_WITHIN.as_secs()
                );
                Err(Refused(StatusCode::REQUEST_TIMEOUT, text))
            }
        }
    }

    /// The hosts that the sender may speak for.
    async fn hosts_of(&self, headers: &HeaderMap) -> Result<Pattern, Refused> {
        let unauthorized = |text: &str| Refused(StatusCode::UNAUTHORIZED, text.to_owned());
        let header = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let secret = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| {
            unauthorized("expected the header `Authorization: Bearer TOKEN`; `ravenry token new NAME` makes a token")
        })?;
        if let Some(hosts) = self.known(secret) {
            return Ok(hosts);
        }
        let (receiver, secret) = (self.clone(), secret.to_owned());
        let found = spawn_blocking(move || receiver.look_up(&secret))
            .await
            .ok()
            .flatten();
        found.ok_or_else(|| {
            unauthorized("nobody knows this token; `ravenry token list` shows those there are")
        })
    }

    fn known(&self, secret: &str) -> Option<Pattern> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.is_stale(clock::now()) {
            None
        } else {
            tokens.hosts_of(secret)
        }
    }

    /// Asks the database, where a token may have been added or removed since the last look.
    fn look_up(&self, secret: &str) -> Option<Pattern> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.may_look_again(clock::now()) {
            let known = self
                .database
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .tokens();
            match known {
                Ok(known) => tokens.replace(known),
                Err(error) => tracing::error!("{error}"),
            }
        }
        tokens.hosts_of(secret)
    }
}

async fn decode(headers: HeaderMap, body: Bytes, bytes_max: usize) -> Result<Batch, Refused> {
    let decoded = spawn_blocking(move || {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let limits = Limits {
            expanded_bytes: bytes_max,
        };
        wire::decode(
            &body,
            text(header::CONTENT_TYPE),
            text(header::CONTENT_ENCODING),
            limits,
        )
    });
    match decoded.await {
        Ok(batch) => Ok(batch?),
        Err(_) => Err(Refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the batch could not be read".to_owned(),
        )),
    }
}

fn hosts_named(batch: &Batch) -> impl Iterator<Item = &str> {
    let declared = batch
        .graphs
        .iter()
        .filter_map(|declaration| declaration.host.as_ref());
    let named = batch.series.host.iter().flatten();
    std::iter::once(&batch.host)
        .chain(declared)
        .chain(named)
        .map(AsRef::as_ref)
}

/// An error's answer: a status and one sentence.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(serde_json::json!({ "error": self.1 }))).into_response()
    }
}

impl From<WireError> for Refused {
    fn from(error: WireError) -> Self {
        let status = match error {
            WireError::ContentType { .. } | WireError::ContentEncoding { .. } => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            WireError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            WireError::Truncated
            | WireError::Compression { .. }
            | WireError::Version { .. }
            | WireError::Malformed { .. } => StatusCode::BAD_REQUEST,
        };
        Self(status, error.to_string())
    }
}

impl From<PushError> for Refused {
    fn from(error: PushError) -> Self {
        let status = match error {
            PushError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            PushError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
            PushError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            PushError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}
