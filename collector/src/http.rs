//! Serves a router: an accept loop with limits on connections and on those who say nothing, and an end that waits for
//! answers, but not for long.
//!
//! A connection is one task, and all of them are in one set: when [`serve`] returns, none is left. It is closed when its
//! first request does not come, when no request comes for a while, and when nothing moves on it any more.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::Request;
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use ravenry_plugins::clock;
use ravenry_web::access::Peer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::Service;

use crate::port;

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 4096;
/// Answers that are under way get this long when the collector stops.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Pause after an accept that failed, as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection may do nothing.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// A client must have sent the headers of a request by then.
    headers: Duration,
    /// A connection without a request stays open so long after the last one.
    idle: Duration,
    /// An answer that nobody takes is given up after this.
    stalled: Duration,
    /// How often a connection is looked at.
    look: Duration,
}

const PATIENCE: Patience = Patience {
    headers: Duration::from_secs(15),
    idle: Duration::from_secs(60),
    stalled: Duration::from_secs(30),
    look: Duration::from_secs(5),
};

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {why}")]
pub struct BindError {
    address: SocketAddr,
    why: String,
}

/// Listens on `address`.
///
/// # Errors
/// With who holds it, when somebody does.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|error| {
        let held = (error.kind() == io::ErrorKind::AddrInUse)
            .then(|| port::holder(address))
            .flatten();
        let why = match held {
            Some(holder) => format!("{holder} listens there already"),
            None => error.to_string(),
        };
        BindError { address, why }
    })
}

/// Serves until `stop` holds true; then no connection is left.
pub async fn serve(listener: TcpListener, router: Router, stop: watch::Receiver<bool>) {
    serve_with(listener, router, stop, PATIENCE).await;
}

async fn serve_with(
    listener: TcpListener,
    router: Router,
    mut stop: watch::Receiver<bool>,
    patience: Patience,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut open = JoinSet::new();
    loop {
        let slot = Arc::clone(&slots).acquire_owned();
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = open.join_next() => continue,
            accepted = async { (slot.await, listener.accept().await) } => accepted,
        };
        match accepted {
            (Ok(slot), Ok((stream, _))) => {
                let attended = attend(stream, router.clone(), stop.clone(), patience);
                open.spawn(async move {
                    attended.await;
                    drop(slot);
                });
            }
            (_, Err(error)) => {
                tracing::warn!("accepting a connection: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
            (Err(_), _) => break,
        }
    }
    drop(listener);
    let last = async { while open.join_next().await.is_some() {} };
    if timeout(LAST_ANSWERS, last).await.is_err() {
        open.shutdown().await;
    }
}

/// Serves one connection until it ends, or is to be ended.
async fn attend(
    stream: TcpStream,
    router: Router,
    mut stop: watch::Receiver<bool>,
    patience: Patience,
) {
    drop(stream.set_nodelay(true));
    let peer = stream.peer_addr().ok().map(|address| Peer(address.ip()));
    let seen = Seen::new(clock::monotonic());
    let builder = builder(patience);
    let stream = TokioIo::new(Watched {
        stream,
        seen: seen.clone(),
    });
    let service = TowerToHyperService::new(Counted {
        router,
        seen: seen.clone(),
        peer,
    });
    let mut connection = pin!(builder.serve_connection(stream, service));
    let mut is_ending = false;
    loop {
        let end = tokio::select! {
            // A client that goes away in the middle is no news.
            _ = connection.as_mut() => return,
            _ = stop.wait_for(|stop| *stop), if !is_ending => End::Soon,
            () = sleep(patience.look) => seen.end_at(clock::monotonic(), patience),
        };
        match end {
            End::Now => return,
            End::Soon if !is_ending => {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
            End::Soon | End::Not => {}
        }
    }
}

fn builder(patience: Patience) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.headers);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(patience.stalled))
        .keep_alive_timeout(patience.headers)
        .max_concurrent_streams(128);
    builder
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It goes on.
    Not,
    /// When what is under way has been answered.
    Soon,
    /// At once.
    Now,
}

/// What has happened on a connection.
#[derive(Clone, Debug)]
struct Seen(Arc<Mutex<Marks>>);

#[derive(Clone, Copy, Debug)]
struct Marks {
    opened: Instant,
    /// When bytes last went in or out.
    moved: Instant,
    /// When the last request was answered.
    answered: Option<Instant>,
    /// Requests that wait for their answer's beginning.
    requests: usize,
}

impl Seen {
    fn new(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(Marks {
            opened: now,
            moved: now,
            answered: None,
            requests: 0,
        })))
    }

    fn mark(&self, change: impl FnOnce(&mut Marks)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn end_at(&self, now: Instant, patience: Patience) -> End {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .end_at(now, patience)
    }
}

impl Marks {
    fn end_at(&self, now: Instant, patience: Patience) -> End {
        if self.requests > 0 {
            return End::Not;
        }
        let since = |then: Instant| now.saturating_duration_since(then);
        match self.answered {
            None if since(self.opened) >= patience.headers => End::Now,
            Some(_) if since(self.moved) >= patience.stalled.max(patience.idle) => End::Now,
            Some(answered) if since(answered) >= patience.idle => End::Soon,
            None | Some(_) => End::Not,
        }
    }
}

/// A stream that notes when bytes move.
struct Watched {
    stream: TcpStream,
    seen: Seen,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.seen.mark(|marks| marks.moved = clock::monotonic());
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.seen.mark(|marks| marks.moved = clock::monotonic());
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.seen.mark(|marks| marks.moved = clock::monotonic());
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The router, with its requests counted.
#[derive(Clone)]
struct Counted {
    router: Router,
    seen: Seen,
    peer: Option<Peer>,
}

impl<B> Service<Request<B>> for Counted
where
    Router: Service<Request<B>, Response = Response, Error = Infallible>,
    <Router as Service<Request<B>>>::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.router.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        let counted = Count::new(self.seen.clone());
        let answer = self.router.call(request);
        Box::pin(async move {
            let answer = answer.await;
            drop(counted);
            answer
        })
    }
}

/// One request that waits for its answer.
struct Count(Seen);

impl Count {
    fn new(seen: Seen) -> Self {
        seen.mark(|marks| marks.requests += 1);
        Self(seen)
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.mark(|marks| {
            marks.requests -= 1;
            marks.answered = Some(clock::monotonic());
        });
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, Bytes};
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SHORT: Patience = Patience {
        headers: Duration::from_millis(200),
        idle: Duration::from_millis(400),
        stalled: Duration::from_millis(400),
        look: Duration::from_millis(20),
    };
    /// Much longer than what is waited for.
    const ENOUGH: Duration = Duration::from_secs(10);

    struct Served {
        address: SocketAddr,
        stop: watch::Sender<bool>,
        task: tokio::task::JoinHandle<()>,
    }

    async fn served(patience: Patience) -> Served {
        let large = || async { Body::from(vec![b'x'; 64 << 20]) };
        let taken = |body: Bytes| async move { body.len().to_string() };
        let router = Router::new()
            .route("/large", get(large))
            .route("/push", post(taken))
            .route("/", get(|| async { "hello" }));
        let listener = bind((std::net::Ipv4Addr::LOCALHOST, 0).into())
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(serve_with(listener, router, stopped, patience));
        Served {
            address,
            stop,
            task,
        }
    }

    /// What a client hears who sends `text` and then nothing more, until the connection is closed.
    async fn heard(address: SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        let closed = timeout(ENOUGH, stream.read_to_end(&mut heard)).await;
        // A reset closes a connection, too.
        drop(closed.expect("the connection stays open"));
        String::from_utf8_lossy(&heard).into_owned()
    }

    #[tokio::test]
    async fn who_says_nothing_is_shut_out() {
        let served = served(SHORT).await;
        for text in ["", "PRI * HT", "GET / HTTP/1.1\r\nhost:"] {
            heard(served.address, text).await;
        }
        let answer = heard(served.address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.ends_with("hello"), "{answer}");
    }

    #[tokio::test]
    async fn a_stop_waits_neither_for_a_body_nor_for_a_reader() {
        let served = served(PATIENCE).await;
        let mut open = Vec::new();
        for text in [
            "POST /push HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{",
            "GET /large HTTP/1.1\r\nhost: x\r\n\r\n",
            "",
        ] {
            let mut stream = TcpStream::connect(served.address).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            open.push(stream);
        }
        // The answer has begun: the connections before it have been accepted.
        open[1].readable().await.unwrap();
        served.stop.send_replace(true);
        timeout(4 * LAST_ANSWERS, served.task)
            .await
            .expect("a connection holds up the stop")
            .unwrap();
    }
}
