//! `ntp_offset`: how far the clock is off, as the daemon that sets it says: chrony's, or ntpd (also of ntpsec).
//!
//! Settings: `env.nodelay` (`1` hides the delay), `env.timeout`. Readings are in milliseconds, as with Munin. Of ntpd they
//! are those of its system peer; of chrony the offset that was left at its last update, the delay to the source of its
//! time, and the mean of its offsets as jitter.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::declaration::Declaration;
use crate::munin::offer::Autoconf;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::{BundledError, Entry, Request, no_instances, web};

mod chrony;
mod ntpd;

pub(super) const ENTRY: Entry = Entry {
    name: "ntp_offset",
    summary: "how far the clock is off, from chrony or ntpd",
    automatic: true,
    config: |request| Ok(vec![declare(request)?]),
    fetch: |request| {
        let timing = Timing::ask(request.environment)?;
        [
            ("delay", timing.delay_ms),
            ("offset", timing.offset_ms),
            ("jitter", timing.jitter_ms),
        ]
        .into_iter()
        .map(|(name, ms)| {
            let reading = ms.map_or(Reading::Unknown, Reading::from_f64);
            sample(request.graph, name, reading)
        })
        .collect()
    },
    autoconf: |environment| match Timing::ask(environment) {
        Ok(_) => Autoconf::Yes,
        Err(error) => Autoconf::No(Some(error.to_string())),
    },
    suggest: no_instances,
};

/// Where ntpd and chronyd answer by themselves, and only to this host.
const NTPD: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 123);
const CHRONYD: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 323);
/// A daemon on this host answers at once or not at all.
const TIMEOUT_MAX: Duration = Duration::from_secs(2);

/// What a daemon says; `None` is what it does not know (yet).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Timing {
    delay_ms: Option<f64>,
    offset_ms: Option<f64>,
    jitter_ms: Option<f64>,
}

impl Timing {
    /// Of chrony where it runs, else of ntpd.
    fn ask(environment: &Environment) -> Result<Self, BundledError> {
        let timeout = web::timeout(environment)?.min(TIMEOUT_MAX);
        let (of_chrony, of_ntpd) = (
            chrony::ask(CHRONYD, timeout),
            // Only where there is no chrony.
            || ntpd::ask(NTPD, timeout),
        );
        let why_not_chrony = match of_chrony {
            Ok(timing) => return Ok(timing),
            Err(why) => why,
        };
        of_ntpd().map_err(|why| BundledError::Ask {
            of: "this host's clock".to_owned(),
            why: format!("chronyd at {CHRONYD}: {why_not_chrony}; ntpd at {NTPD}: {why}"),
        })
    }
}

fn declare(request: &Request<'_>) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        request.graph,
        &[
            ("graph_title", "NTP timing statistics for system peer"),
            (
                "graph_args",
                "--base 1000 --vertical-label seconds --lower-limit 0",
            ),
            ("graph_category", "time"),
            ("graph_vlabel", "seconds"),
            (
                "graph_info",
                "What the daemon that sets this host's clock knows of its source of time.",
            ),
        ],
    );
    let fields = [
        ("delay", "Delay", "There and back to the source of time"),
        ("offset", "Offset", "How far the clock is off"),
        ("jitter", "Jitter", "How much the offset varies"),
    ];
    for (name, label, info) in fields {
        let cdef = format!("{name},1000,/");
        let mut field = draft.field(name, &[("label", label), ("cdef", &cdef), ("info", info)])?;
        if name == "delay" && request.environment.setting("nodelay") == Some("1") {
            field = field.set("graph", "no");
        }
        field.limits(request.environment);
    }
    Ok(draft.finish())
}

/// Sends a question and gives the first answer that `parse` takes; what it does not take was another's.
fn exchange<T>(
    socket: &UdpSocket,
    question: &[u8],
    parse: impl Fn(&[u8]) -> Option<T>,
) -> Result<T, String> {
    /// Strange packets that are looked at before giving up.
    const STRANGE_MAX: usize = 20;
    let explain = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => error.to_string(),
    };
    socket.send(question).map_err(explain)?;
    let mut buffer = [0; 2048];
    for _ in 0..STRANGE_MAX {
        let count = socket.recv(&mut buffer).map_err(explain)?;
        if let Some(parsed) = parse(&buffer[..count]) {
            return Ok(parsed);
        }
    }
    Err("expected an answer in its protocol, found others".to_owned())
}

/// A socket that speaks to one address only.
fn socket_to(address: SocketAddr, timeout: Duration) -> Result<UdpSocket, String> {
    let open = || -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(address)?;
        socket.set_read_timeout(Some(timeout))?;
        Ok(socket)
    };
    open().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A daemon that answers each packet with what `answer` makes of it.
    fn daemon(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                socket.send_to(&answer(&buffer[..count]), from).unwrap();
            }
        });
        address
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn chrony_is_understood() {
        let address = daemon(chrony::tests::answer);
        let expect = Timing {
            delay_ms: Some(31.25),
            offset_ms: Some(-0.488_281_25),
            jitter_ms: Some(0.244_140_625),
        };
        assert_eq!(chrony::ask(address, SECOND), Ok(expect));
    }

    #[test]
    fn ntpd_is_understood() {
        let address = daemon(ntpd::tests::answer);
        let expect = Timing {
            delay_ms: Some(12.5),
            offset_ms: Some(-0.125),
            jitter_ms: Some(0.75),
        };
        assert_eq!(ntpd::ask(address, SECOND), Ok(expect));
    }

    #[test]
    fn another_protocol_is_no_answer() {
        let address = daemon(|_| b"hello".to_vec());
        let short = Duration::from_millis(50);
        assert_eq!(chrony::ask(address, short), Err("no answer".to_owned()));
        assert_eq!(ntpd::ask(address, short), Err("no answer".to_owned()));
    }
}
