//! Serves a router: an accept loop with limits on connections and on slow senders, and an end that waits for answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::port;

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 4096;
/// A client must have sent its headers by then.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);
/// Answers that are under way get this long when the collector stops.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Pause after an accept that failed, as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
        let held = (error.kind() == std::io::ErrorKind::AddrInUse)
            .then(|| port::holder(address))
            .flatten();
        let why = match held {
            Some(holder) => format!("{holder} listens there already"),
            None => error.to_string(),
        };
        BindError { address, why }
    })
}

/// Serves until `stop` holds true.
pub async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let open = GracefulShutdown::new();
    loop {
        let slot = Arc::clone(&slots).acquire_owned();
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = async { (slot.await, listener.accept().await) } => accepted,
        };
        match accepted {
            (Ok(slot), Ok((stream, _))) => {
                let answered = open.watch(connection(stream, router.clone()));
                tokio::spawn(async move {
                    // A client that goes away in the middle is no news.
                    drop(answered.await);
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
    drop(timeout(LAST_ANSWERS, open.shutdown()).await);
}

fn connection(
    stream: TcpStream,
    router: Router,
) -> auto::Connection<'static, TokioIo<TcpStream>, TowerToHyperService<Router>, TokioExecutor> {
    drop(stream.set_nodelay(true));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(128);
    builder
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .into_owned()
}
