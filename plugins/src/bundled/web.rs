//! One GET over HTTP/1.1, on a connection of its own, within a limit of time and bytes; what it took and what it showed.
//!
//! Not followed: redirects, proxies, cookies. A certificate that browsers would refuse does not end it: whether it is
//! trusted is part of the answer. The lookup of a name takes as long as the system lets it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use url::Url;

use crate::clock;
use crate::munin::offer::Autoconf;

use super::BundledError;
use super::environment::Environment;

mod tls;

pub(super) use tls::Certificate;

/// How long a service may take where `env.timeout` does not say.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read; the rest is not asked for.
const BODY_BYTES_MAX: usize = 1 << 20;
const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 100;
const AGENT: &str = concat!("ravenry/", env!("CARGO_PKG_VERSION"));

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) times: Times,
    /// What the server showed of itself, over TLS.
    pub(super) certificate: Option<Certificate>,
}

/// How long each part took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    /// Until the name had an address.
    pub(super) lookup: Duration,
    /// Until the connection stood.
    pub(super) connect: Duration,
    /// Until it was encrypted.
    pub(super) encrypt: Duration,
    /// Until the first byte of the answer.
    pub(super) wait: Duration,
    /// Until the last one.
    pub(super) receive: Duration,
}

/// The page at `url`.
///
/// # Errors
/// What did not work, in one sentence that begins with the part.
pub(super) fn get(url: &Url, timeout: Duration) -> Result<Answer, String> {
    let mut clock = Stopwatch::start(timeout);
    let mut times = Times::default();
    let addresses = addresses(url)?;
    times.lookup = clock.lap();
    let stream = connect(&addresses, &clock)?;
    times.connect = clock.lap();
    let timed = Timed {
        stream,
        until: clock.until,
    };
    let (mut stream, certificate): (Box<dyn Stream>, _) = match url.scheme() {
        "https" => {
            let (stream, certificate) = tls::wrap(url.host_str().unwrap_or_default(), timed)?;
            (Box::new(stream), Some(certificate))
        }
        _ => (Box::new(timed), None),
    };
    times.encrypt = clock.lap();
    let asked = stream.write_all(request(url).as_bytes());
    asked
        .and_then(|()| stream.flush())
        .map_err(|error| format!("asking: {}", explain(&error)))?;
    let mut bytes = vec![0; 16 << 10];
    let count = read(&mut *stream, &mut bytes)?;
    bytes.truncate(count);
    times.wait = clock.lap();
    let (status, body) = receive(&mut *stream, bytes)?;
    times.receive = clock.lap();
    Ok(Answer {
        status,
        body,
        times,
        certificate,
    })
}

/// The text of a page that a service has for such questions, at an address from the settings.
///
/// # Errors
/// When it cannot be had, with the address.
pub(super) fn status_page(environment: &Environment, url: &str) -> Result<String, BundledError> {
    let ask = |why: String| BundledError::Ask {
        of: url.to_owned(),
        why,
    };
    let address = Url::parse(url).map_err(|error| ask(format!("expected an address: {error}")))?;
    let answer = get(&address, timeout(environment)?).map_err(ask)?;
    if answer.status != 200 {
        return Err(ask(format!("expected status 200, found {}", answer.status)));
    }
    Ok(String::from_utf8_lossy(&answer.body).into_owned())
}

/// `yes` where the page is there and holds `mark`.
pub(super) fn autoconf(environment: &Environment, url: &str, mark: &str) -> Autoconf {
    match status_page(environment, url) {
        Ok(text) if text.contains(mark) => Autoconf::Yes,
        Ok(_) => Autoconf::No(Some(format!("{url}: expected {mark:?}, found none"))),
        Err(error) => Autoconf::No(Some(error.to_string())),
    }
}

/// `env.timeout` in seconds.
///
/// # Errors
/// When it is not a number from 0.1 to 300.
pub(super) fn timeout(environment: &Environment) -> Result<Duration, BundledError> {
    let Some(text) = environment.setting("timeout") else {
        return Ok(TIMEOUT);
    };
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=300.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Ok(_) | Err(_) => Err(BundledError::Setting {
            name: "timeout",
            expected: "0.1 to 300 seconds",
            found: text.to_owned(),
        }),
    }
}

/// A connection, encrypted or not.
trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

struct Stopwatch {
    lap: Instant,
    until: Instant,
}

impl Stopwatch {
    fn start(timeout: Duration) -> Self {
        let now = clock::monotonic();
        Self {
            lap: now,
            until: now + timeout,
        }
    }

    fn lap(&mut self) -> Duration {
        let now = clock::monotonic();
        let lap = now.saturating_duration_since(self.lap);
        self.lap = now;
        lap
    }

    fn left(&self) -> Option<Duration> {
        left(self.until)
    }
}

fn left(until: Instant) -> Option<Duration> {
    let left = until.saturating_duration_since(clock::monotonic());
    (!left.is_zero()).then_some(left)
}

/// A connection on which nothing waits beyond a moment.
#[derive(Debug)]
struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        left(self.until).ok_or_else(|| ErrorKind::TimedOut.into())
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A time that is over has two names.
fn explain(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => error.to_string(),
    }
}

fn addresses(url: &Url) -> Result<Vec<SocketAddr>, String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("expected http or https, found {:?}", url.scheme()));
    }
    let port = url.port_or_known_default().unwrap_or(80);
    let found = match url.host() {
        Some(url::Host::Domain(name)) => {
            let looked_up = (name, port).to_socket_addrs();
            looked_up
                .map_err(|error| format!("lookup of {name}: {error}"))?
                .collect()
        }
        Some(url::Host::Ipv4(address)) => vec![SocketAddr::from((address, port))],
        Some(url::Host::Ipv6(address)) => vec![SocketAddr::from((address, port))],
        None => Vec::new(),
    };
    if found.is_empty() {
        return Err("lookup: no address".to_owned());
    }
    Ok(found)
}

/// To the first address that answers.
fn connect(addresses: &[SocketAddr], clock: &Stopwatch) -> Result<TcpStream, String> {
    let mut why = "connecting: no answer in time".to_owned();
    for address in addresses {
        let Some(left) = clock.left() else { break };
        match TcpStream::connect_timeout(address, left) {
            Ok(stream) => {
                // What is asked goes out at once; a socket that cannot has its reasons.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => why = format!("connecting to {address}: {}", explain(&error)),
        }
    }
    Err(why)
}

fn request(url: &Url) -> String {
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
}

fn read(stream: &mut dyn Stream, buffer: &mut [u8]) -> Result<usize, String> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Many servers end an encrypted connection without saying so.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
            read => return read.map_err(|error| format!("reading: {}", explain(&error))),
        }
    }
}

/// What ends a body.
enum Length {
    Bytes(usize),
    Chunks,
    Close,
}

/// The status and the body of an answer whose first bytes are there.
fn receive(stream: &mut dyn Stream, mut bytes: Vec<u8>) -> Result<(u16, Vec<u8>), String> {
    let (status, length, body_at) = loop {
        if let Some(head) = parse_head(&bytes)? {
            break head;
        }
        if bytes.len() > HEAD_BYTES_MAX || !fill(stream, &mut bytes)? {
            return Err("reading: expected the head of an answer over HTTP, found none".to_owned());
        }
    };
    let mut body = bytes.split_off(body_at);
    let wanted = match length {
        Length::Bytes(wanted) => wanted.min(BODY_BYTES_MAX),
        Length::Chunks | Length::Close => BODY_BYTES_MAX,
    };
    while body.len() < wanted && fill(stream, &mut body)? {
        if matches!(length, Length::Chunks) && unchunked(&body).1 {
            break;
        }
    }
    if let Length::Chunks = length {
        body = unchunked(&body).0;
    }
    body.truncate(wanted);
    Ok((status, body))
}

/// Reads more; false at the end.
fn fill(stream: &mut dyn Stream, bytes: &mut Vec<u8>) -> Result<bool, String> {
    let mut buffer = [0; 16 << 10];
    let count = read(stream, &mut buffer)?;
    bytes.extend_from_slice(&buffer[..count]);
    Ok(count > 0)
}

/// Status, length of the body and where it begins; none while there is more to come.
fn parse_head(bytes: &[u8]) -> Result<Option<(u16, Length, usize)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(body_at) = head
        .parse(bytes)
        .map_err(|error| format!("reading: expected an answer over HTTP: {error}"))?
    else {
        return Ok(None);
    };
    let header = |name: &str| {
        let mut all = head.headers.iter();
        let header = all.find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let is_chunked = header("transfer-encoding")
        .is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"));
    let length = match header("content-length").and_then(|text| text.trim().parse().ok()) {
        _ if is_chunked => Length::Chunks,
        Some(bytes) => Length::Bytes(bytes),
        None => Length::Close,
    };
    Ok(Some((head.code.unwrap_or_default(), length, body_at)))
}

/// The chunks of a body as far as they are there, and whether that is all.
fn unchunked(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::with_capacity(bytes.len());
    while let Ok(httparse::Status::Complete((at, size))) = httparse::parse_chunk_size(bytes) {
        if size == 0 {
            return (body, true);
        }
        let rest = &bytes[at..];
        let Some((chunk, after)) = usize::try_from(size)
            .ok()
            .and_then(|size| rest.split_at_checked(size))
        else {
            body.extend_from_slice(rest);
            return (body, false);
        };
        body.extend_from_slice(chunk);
        bytes = after.strip_prefix(b"\r\n").unwrap_or(after);
    }
    (body, false)
}

#[cfg(test)]
mod tests;
