//! `POST /api/v1/push`: batches from agents and from curl.
//!
//! | status | meaning |
//! |---|---|
//! | 200 | taken, and on stable storage; the body says what of it was refused |
//! | 400 | not a batch, or of another version: the same body will never be taken |
//! | 401 | no token, or one that nobody knows |
//! | 403 | a token that does not speak for that host |
//! | 408 | the body did not arrive within half a minute |
//! | 413 | larger than the limit |
//! | 415 | another content type or encoding |
//! | 503 | too busy, or the journal is at its limit: push again later |
//! | 507 | the disk is full: push again later |

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use ravenry_plugins::clock;
use ravenry_plugins::name::HostName;
use ravenry_plugins::pattern::Pattern;
use ravenry_plugins::wire::{self, Ack, Batch, Limits, Received, Tables, WireError};
use ravenry_web::access::Peer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::database::Database;
use crate::health::Health;
use crate::ingest::{Ingest, Prepared, PushError};
use crate::refusal::refusal;
use crate::token::{Allowed, Tokens};

/// Batches that are decoded or wait for the journal at once: they, expanded, are what pushes may take of the memory.
const BATCHES_MAX: usize = 32;
/// Bodies that are arriving may take this many times the largest body, as they arrive: a slow one takes little.
const BODIES_LARGEST: usize = 8;
/// Memory of bodies is given out in pieces of this size.
const PIECE_BYTES: usize = 64 << 10;
/// A body of at most this size, which expanded has at most that, is read on the runtime: that takes a tenth of a millisecond,
/// and to wake another thread as long.
const SMALL_BYTES: usize = 16 << 10;
const SMALL_EXPANDED_BYTES: usize = 64 << 10;
/// How long a push waits for its turn, or for memory.
const TURN_WITHIN: Duration = Duration::from_secs(10);
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// Of the reason of a refusal so many characters are remembered.
const REASON_MAX: usize = 300;

/// What the endpoint needs.
#[derive(Clone)]
pub struct Receiver {
    /// Where batches go.
    ingest: Ingest,
    /// Where refusals are shown.
    health: Arc<Health>,
    /// Who may push.
    tokens: Arc<Mutex<Tokens>>,
    /// Where tokens are that were made since the start: a connection of its own, so that nobody waits for a checkpoint.
    database: Arc<Mutex<Database>>,
    /// A larger body is refused.
    bytes_max: usize,
    /// How long a body may take.
    body_within: Duration,
    /// Pieces of memory for bodies that are arriving.
    pieces: Arc<Semaphore>,
    /// Taken from when a body has arrived until it is journalled.
    turns: Arc<Semaphore>,
    /// Tables of series that came before.
    tables: Arc<Tables>,
}

/// The route.
pub fn router(receiver: Receiver) -> Router {
    Router::new()
        .route("/api/v1/push", post(push))
        .with_state(receiver)
}

/// Takes a push, and remembers for people what of it was refused, and whose it was.
async fn push(
    State(receiver): State<Receiver>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Ack>, Refused> {
    let mut sender = peer.map_or_else(String::new, |Extension(Peer(ip))| format!("from {ip}"));
    let taken = receiver.take(headers, body, &mut sender).await;
    let refused = match &taken {
        Ok(Json(ack)) => ack
            .problems
            .first()
            .map(|problem| format!("in part: {problem}")),
        Err(Refused(status, text)) => Some(format!("{}: {text}", status.as_u16())),
    };
    if let Some(text) = refused {
        let text: String = text.chars().take(REASON_MAX).collect();
        receiver
            .health
            .refuse(format!("{sender}: {text}"), clock::now());
    }
    taken
}

/// A body, and the memory that was set aside for it.
#[derive(Default)]
struct Arrived {
    bytes: Vec<u8>,
    pieces: Option<OwnedSemaphorePermit>,
}

impl Receiver {
    /// Asks who it is before anything of the body is read.
    async fn take(
        &self,
        headers: HeaderMap,
        body: Body,
        sender: &mut String,
    ) -> Result<Json<Ack>, Refused> {
        let Allowed { name, hosts } = self.allowed(&headers).await?;
        *sender = format!("{sender} with token {name}");
        let body = self.read(&headers, body).await?;
        let _turn = self.turn().await?;
        let (named, prepared) = self.prepared(headers, body, hosts).await?;
        if let Some(host) = named {
            *sender = format!("{sender} for {host}");
        }
        Ok(Json(self.ingest.commit(prepared?).await?))
    }

    /// Reads a body and prepares what it says, and tells the host that it is about: at once where that is soon done, else
    /// where nobody waits for it.
    async fn prepared(
        &self,
        headers: HeaderMap,
        body: Arrived,
        hosts: Pattern,
    ) -> Result<(Option<HostName>, Result<Prepared, Refused>), Refused> {
        if body.bytes.len() <= SMALL_BYTES {
            let limit = SMALL_EXPANDED_BYTES.min(self.bytes_max);
            match decode(&headers, body.bytes.clone(), limit, &self.tables) {
                Err(WireError::TooLarge { .. }) => {}
                received => return Ok(self.prepare(received, &hosts)),
            }
        }
        let receiver = self.clone();
        let prepared = spawn_blocking(move || {
            let Arrived { bytes, pieces } = body;
            let received = decode(&headers, bytes, receiver.bytes_max, &receiver.tables);
            // The memory of the body is given back.
            drop(pieces);
            receiver.prepare(received, &hosts)
        });
        prepared.await.map_err(|_| {
            let text = "the batch could not be read".to_owned();
            Refused(StatusCode::INTERNAL_SERVER_ERROR, text)
        })
    }

    fn prepare(
        &self,
        received: Result<Received, WireError>,
        hosts: &Pattern,
    ) -> (Option<HostName>, Result<Prepared, Refused>) {
        let received = match received {
            Ok(received) => received,
            Err(error) => return (None, Err(error.into())),
        };
        let batch = &received.batch;
        let named = Some(batch.host.clone());
        if let Some(host) = hosts_named(batch).find(|host| !hosts.matches(host)) {
            let text = format!("this token speaks for hosts {hosts}, not for {host}");
            return (named, Err(Refused(StatusCode::FORBIDDEN, text)));
        }
        let prepared = self.ingest.prepare(received, clock::now());
        (named, prepared.map_err(Refused::from))
    }

    /// An endpoint that gives batches to `ingest` and asks `database` for tokens; it should be nobody else's.
    #[must_use]
    pub fn new(ingest: Ingest, database: Database, bytes_max: usize, health: Arc<Health>) -> Self {
        let pieces = (BODIES_LARGEST * bytes_max).div_ceil(PIECE_BYTES);
        Self {
            ingest,
            health,
            tokens: Arc::default(),
            database: Arc::new(Mutex::new(database)),
            bytes_max,
            body_within: BODY_WITHIN,
            pieces: Arc::new(Semaphore::new(pieces)),
            turns: Arc::new(Semaphore::new(BATCHES_MAX)),
            tables: Arc::default(),
        }
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, Refused> {
        match timeout(TURN_WITHIN, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => {
                let text = format!("{BATCHES_MAX} pushes are being taken already");
                Err(Refused(StatusCode::SERVICE_UNAVAILABLE, text))
            }
        }
    }

    async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Arrived, Refused> {
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > self.bytes_max) {
            return Err(self.too_large());
        }
        match timeout(self.body_within, self.collect(body)).await {
            Ok(arrived) => arrived,
            Err(_) => {
                let text = format!(
                    "body: expected within {} s, it did not end",
                    self.body_within.as_secs()
                );
                Err(Refused(StatusCode::REQUEST_TIMEOUT, text))
            }
        }
    }

    async fn collect(&self, mut body: Body) -> Result<Arrived, Refused> {
        let mut arrived = Arrived::default();
        while let Some(chunk) = next_chunk(&mut body).await {
            let chunk = chunk
                .map_err(|error| Refused(StatusCode::BAD_REQUEST, format!("body: {error}")))?;
            let length = arrived.bytes.len() + chunk.len();
            if length > self.bytes_max {
                return Err(self.too_large());
            }
            self.set_aside(&mut arrived, length).await?;
            arrived.bytes.extend_from_slice(&chunk);
        }
        Ok(arrived)
    }

    /// Waits for the memory of a body that has come to `length`.
    async fn set_aside(&self, arrived: &mut Arrived, length: usize) -> Result<(), Refused> {
        let has = arrived
            .pieces
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        let more = length.div_ceil(PIECE_BYTES).saturating_sub(has);
        let Some(more) = u32::try_from(more).ok().filter(|more| *more > 0) else {
            return Ok(());
        };
        let more = Arc::clone(&self.pieces).acquire_many_owned(more);
        match (timeout(TURN_WITHIN, more).await, &mut arrived.pieces) {
            (Ok(Ok(more)), Some(pieces)) => pieces.merge(more),
            (Ok(Ok(more)), none) => *none = Some(more),
            (Ok(Err(_)) | Err(_), _) => {
                let text = "the pushes that are arriving take all the memory there is for them";
                return Err(Refused(StatusCode::SERVICE_UNAVAILABLE, text.to_owned()));
            }
        }
        Ok(())
    }

    fn too_large(&self) -> Refused {
        let text = format!(
            "body: expected at most {} bytes, found more",
            self.bytes_max
        );
        Refused(StatusCode::PAYLOAD_TOO_LARGE, text)
    }

    /// What the sender may do.
    async fn allowed(&self, headers: &HeaderMap) -> Result<Allowed, Refused> {
        let unauthorized = |text: &str| Refused(StatusCode::UNAUTHORIZED, text.to_owned());
        let header = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let secret = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| {
            unauthorized("expected the header `Authorization: Bearer TOKEN`; `ravenry token new NAME` makes a token")
        })?;
        if let Some(allowed) = self.known(secret) {
            return Ok(allowed);
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

    fn known(&self, secret: &str) -> Option<Allowed> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.is_stale(clock::now()) {
            None
        } else {
            tokens.allowed(secret)
        }
    }

    /// Asks the database, where a token may have been added or removed since the last look. Who comes meanwhile waits for
    /// the answer, but nobody whose token is known.
    fn look_up(&self, secret: &str) -> Option<Allowed> {
        let tokens = || self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let may_look = tokens().may_look_again(clock::now());
        if may_look {
            match database.tokens() {
                Ok(known) => tokens().replace(known),
                Err(error) => tracing::error!("{error}"),
            }
        }
        tokens().allowed(secret)
    }
}

/// The next bytes of a body; trailers are passed over.
async fn next_chunk(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        match frame.map(|frame| frame.into_data().ok()) {
            Ok(Some(data)) => return Some(Ok(data)),
            Ok(None) => {}
            Err(error) => return Some(Err(error)),
        }
    }
}

fn decode(
    headers: &HeaderMap,
    body: Vec<u8>,
    bytes_max: usize,
    tables: &Tables,
) -> Result<Received, WireError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let limits = Limits {
        expanded_bytes: bytes_max,
    };
    wire::receive(
        body,
        text(header::CONTENT_TYPE),
        text(header::CONTENT_ENCODING),
        limits,
        tables,
    )
}

fn hosts_named(batch: &Batch) -> impl Iterator<Item = &str> {
    let declared = batch
        .graphs
        .iter()
        .filter_map(|declaration| declaration.host.as_ref());
    let named = batch.series.host.iter().flatten();
    let judged = batch.verdicts.iter().filter_map(|it| it.host.as_ref());
    let gone = batch.gone.iter().filter_map(|it| it.host.as_ref());
    std::iter::once(&batch.host)
        .chain(declared)
        .chain(judged)
        .chain(named)
        .chain(gone)
        .map(AsRef::as_ref)
}

/// An error's answer: a status and one sentence.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refusal(self.0, &self.1).into_response()
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use ravenry_plugins::disk::{Disk, MemoryDisk};
    use ravenry_plugins::timestamp::Timestamp;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::watch;

    use super::*;
    use crate::catalog::Catalog;
    use crate::database::Token;
    use crate::journal::segment::{self, SegmentJournal};
    use crate::store::Store;
    use crate::{config, http, ingest, token};

    const BYTES_MAX: usize = 1 << 20;
    const SECRET: &str = "rvn_test";
    const BATCH: &str = r#"{"version":1,"host":"a"}"#;

    fn ingest() -> Ingest {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let limits = segment::Limits {
            segment_bytes: 1 << 20,
            journal_bytes_max: 1 << 20,
            entry_bytes_max: 1 << 18,
        };
        let (journal, _) = SegmentJournal::open(Arc::clone(&disk), limits, 0).unwrap();
        let settings = config::store::Store::default();
        let store = Arc::new(Store::new(disk, Catalog::new(&settings), &settings));
        let limits = ingest::Limits {
            future_max: settings.future_max,
            entry_bytes_max: limits.entry_bytes_max,
            pending_max: u64::MAX,
        };
        Ingest::start(
            store,
            Arc::new(Mutex::new(journal)),
            limits,
            Arc::default(),
            |_, _| {},
        )
        .0
    }

    struct Served {
        address: SocketAddr,
        _folder: tempfile::TempDir,
        _stop: watch::Sender<bool>,
    }

    async fn served(body_within: Duration) -> Served {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("db")).unwrap();
        let token = Token {
            name: "t".to_owned(),
            sha256: token::hash(SECRET),
            hosts: "*".to_owned(),
            created: Timestamp::EPOCH,
        };
        database.add_token(&token).unwrap();
        let receiver = Receiver {
            body_within,
            ..Receiver::new(ingest(), database, BYTES_MAX, Arc::default())
        };
        let listener = http::bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(http::serve(listener, router(receiver), stopped));
        Served {
            address,
            _folder: folder,
            _stop: stop,
        }
    }

    async fn begin(served: &Served, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let head = format!(
            "POST /api/v1/push HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             authorization: Bearer {SECRET}\r\ncontent-type: application/json\r\n{headers}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    async fn answer(mut stream: TcpStream) -> String {
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        drop(read.expect("an answer"));
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn check(served: &Served, headers: &str, body: &str, status: &str) {
        let answer = answer(begin(served, headers, body).await).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }

    fn announced(length: usize) -> String {
        format!("content-length: {length}")
    }

    #[tokio::test]
    async fn bodies_that_do_not_go_on_starve_nobody() {
        let served = served(BODY_WITHIN).await;
        let mut slow = Vec::new();
        for _ in 0..100 {
            slow.push(begin(&served, &announced(BYTES_MAX), "{").await);
        }
        check(&served, &announced(BATCH.len()), BATCH, "200").await;
        drop(slow);
    }

    #[tokio::test]
    async fn a_body_has_an_end_in_time_and_in_size() {
        let served = served(Duration::from_millis(300)).await;
        check(&served, &announced(99), "{", "408").await;
        check(&served, &announced(BYTES_MAX + 1), "", "413").await;
        let chunk = format!("{:x}\r\n{}\r\n", BYTES_MAX + 1, "x".repeat(BYTES_MAX + 1));
        check(&served, "transfer-encoding: chunked", &chunk, "413").await;
        check(&served, "transfer-encoding: chunked", "zz\r\n", "400").await;
        check(&served, &announced(1), "{", "400").await;
    }
}
