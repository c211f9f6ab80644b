//! `ping_` and `ping6_`: how long an echo takes to a host and back (`ping_192.0.2.1`), and how many are lost.
//!
//! Settings: `env.host` (else the instance), `env.count` (2), `env.timeout` in seconds for each echo (1).
//!
//! Needs to be root or to have CAP_NET_RAW, or a system that lets everybody send echo requests
//! (`net.ipv4.ping_group_range`).

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::clock;
use crate::declaration::Declaration;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::system::System;
use super::{Autoconf, BundledError, Entry, PluginSample, Request};

pub(super) const ENTRY: Entry = Entry {
    name: "ping_",
    summary: "round trip to a host over IPv4, and packets lost",
    automatic: false,
    config: |request| Ok(vec![declare(request, &V4)?]),
    fetch: |request| fetch(request, &V4),
    autoconf: |environment| match gateway(environment.system()) {
        Some(_) => Autoconf::Yes,
        None => needs_host(environment),
    },
    suggest: |system| gateway(system).into_iter().collect(),
};

pub(super) const ENTRY_6: Entry = Entry {
    name: "ping6_",
    summary: "round trip to a host over IPv6, and packets lost",
    automatic: false,
    config: |request| Ok(vec![declare(request, &V6)?]),
    fetch: |request| fetch(request, &V6),
    autoconf: needs_host,
    suggest: |_| Vec::new(),
};

fn needs_host(environment: &Environment) -> Autoconf {
    match environment.setting("host") {
        Some(_) => Autoconf::Yes,
        None => Autoconf::No(Some("needs a host, in its name or as env.host".to_owned())),
    }
}

const COUNT: u16 = 2;
const COUNT_MAX: u16 = 20;
const TIMEOUT: Duration = Duration::from_secs(1);
/// Between the answer to one echo and the next, so that one burst of loss does not take them all.
const PAUSE: Duration = Duration::from_millis(200);
const PAYLOAD: &[u8] = b"ravenry echo request, 48 bytes and nothing more..";

/// What is different between the versions of IP.
struct Version {
    plugin: &'static str,
    name: &'static str,
    domain: Domain,
    protocol: Protocol,
    request: u8,
    reply: u8,
}

const V4: Version = Version {
    plugin: "ping_",
    name: "IPv4",
    domain: Domain::IPV4,
    protocol: Protocol::ICMPV4,
    request: 8,
    reply: 0,
};

const V6: Version = Version {
    plugin: "ping6_",
    name: "IPv6",
    domain: Domain::IPV6,
    protocol: Protocol::ICMPV6,
    request: 128,
    reply: 129,
};

fn host<'a>(request: &Request<'a>, version: &Version) -> Result<&'a str, BundledError> {
    let host = request
        .environment
        .setting("host")
        .unwrap_or(request.instance);
    if host.is_empty() {
        return Err(BundledError::Instance {
            plugin: version.plugin,
            example: "www.example.net",
        });
    }
    Ok(host)
}

fn declare(request: &Request<'_>, version: &Version) -> Result<Declaration, BundledError> {
    let host = host(request, version)?;
    let mut draft = Draft::new(
        request.graph,
        &[
            (
                "graph_title",
                &format!("{} ping times to {host}", version.name),
            ),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_vlabel", "roundtrip time (seconds)"),
            ("graph_category", "network"),
            (
                "graph_info",
                "How long an echo takes there and back, and how many do not come back.",
            ),
        ],
    );
    let time = [
        ("label", host),
        ("info", "Mean of the echoes that came back"),
    ];
    draft.field("ping", &time)?.limits(request.environment);
    let loss = [
        ("label", "packet loss"),
        ("graph", "no"),
        ("info", "Percent of the echoes that did not come back"),
    ];
    draft
        .field("packetloss", &loss)?
        .limits(request.environment);
    Ok(draft.finish())
}

/// The first gateway of the IPv4 routing table that leads everywhere.
fn gateway(system: &System) -> Option<String> {
    let routes = system.text_if_there("/proc/net/route")?;
    routes.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (destination, gateway) = (words.get(1)?, words.get(2)?);
        if *destination != "00000000" || *gateway == "00000000" {
            return None;
        }
        let number = u32::from_str_radix(gateway, 16).ok()?;
        let [a, b, c, d] = number.to_ne_bytes();
        Some(format!("{a}.{b}.{c}.{d}"))
    })
}

fn setting<T: std::str::FromStr + PartialOrd>(
    environment: &Environment,
    name: &'static str,
    otherwise: T,
    range: std::ops::RangeInclusive<T>,
    expected: &'static str,
) -> Result<T, BundledError> {
    let Some(text) = environment.setting(name) else {
        return Ok(otherwise);
    };
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| BundledError::Setting {
        name,
        expected,
        found: text.to_owned(),
    })
}

fn fetch(request: &Request<'_>, version: &Version) -> Result<Vec<PluginSample>, BundledError> {
    let environment = request.environment;
    let host = host(request, version)?;
    let count = setting(environment, "count", COUNT, 1..=COUNT_MAX, "1 to 20 echoes")?;
    let timeout = setting(
        environment,
        "timeout",
        TIMEOUT.as_secs_f64(),
        0.1..=10.0,
        "0.1 to 10 seconds",
    )?;
    let failed = |why: String| BundledError::Ask {
        of: host.to_owned(),
        why,
    };
    let address = address(host, version).map_err(failed)?;
    let times = echoes(version, address, count, Duration::from_secs_f64(timeout))
        .map_err(|error| failed(explain(&error)))?;
    let back = times.len() as f64;
    let mean = times.iter().map(Duration::as_secs_f64).sum::<f64>() / back;
    let lost = 100.0 * (1.0 - back / f64::from(count));
    Ok(vec![
        sample(request.graph, "ping", Reading::from_f64(mean))?,
        sample(request.graph, "packetloss", Reading::from_f64(lost))?,
    ])
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "sending echo requests takes root or CAP_NET_RAW, or a net.ipv4.ping_group_range that holds this group"
                .to_owned()
        }
        _ => format!("sending an echo request: {error}"),
    }
}

fn address(host: &str, version: &Version) -> Result<SocketAddr, String> {
    let found = (host, 0)
        .to_socket_addrs()
        .map_err(|error| format!("lookup: {error}"))?;
    let fits = |address: &SocketAddr| match address.ip() {
        IpAddr::V4(_) => version.domain == Domain::IPV4,
        IpAddr::V6(_) => version.domain == Domain::IPV6,
    };
    let mut fitting = found.filter(fits);
    fitting
        .next()
        .ok_or_else(|| format!("lookup: no address of {}", version.name))
}

/// The times of the echoes that came back.
fn echoes(
    version: &Version,
    address: SocketAddr,
    count: u16,
    timeout: Duration,
) -> io::Result<Vec<Duration>> {
    let socket = Echo::open(version)?;
    let mut times = Vec::with_capacity(usize::from(count));
    for sequence in 1..=count {
        if sequence > 1 {
            std::thread::sleep(PAUSE);
        }
        let began = clock::monotonic();
        match socket.send(address, sequence) {
            // Somebody on the way said so of an echo before: this one is lost.
            Err(error) if is_loss(&error) => continue,
            sent => sent?,
        }
        if socket.answered(address.ip(), sequence, began + timeout)? {
            times.push(clock::monotonic().saturating_duration_since(began));
        }
    }
    Ok(times)
}

fn is_loss(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
    )
}

struct Echo<'a> {
    version: &'a Version,
    socket: Socket,
    /// Whether the kernel hands us every message, with its IP header, and leaves it to us which are ours.
    raw: bool,
    identifier: u16,
}

impl<'a> Echo<'a> {
    /// A socket for echoes only, which needs no rights, else one for everything.
    fn open(version: &'a Version) -> io::Result<Self> {
        let open = |kind| Socket::new(version.domain, kind, Some(version.protocol));
        let (socket, raw) = match open(Type::DGRAM) {
            Ok(socket) => (socket, false),
            Err(_) => (open(Type::RAW)?, true),
        };
        // What several runs at a time are told apart by. The kernel replaces it where the socket is for echoes only.
        let micros = clock::now().subsec_micros() ^ std::process::id();
        Ok(Self {
            version,
            socket,
            raw,
            identifier: (micros & 0xffff) as u16,
        })
    }

    fn send(&self, address: SocketAddr, sequence: u16) -> io::Result<()> {
        let message = message(self.version, self.identifier, sequence);
        self.socket.send_to(&message, &address.into()).map(drop)
    }

    /// Waits for the answer to an echo; false when it does not come in time.
    fn answered(&self, from: IpAddr, sequence: u16, until: Instant) -> io::Result<bool> {
        let mut buffer = [0; 2048];
        loop {
            let left = until.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return Ok(false);
            }
            self.socket.set_read_timeout(Some(left))?;
            match (&self.socket).read(&mut buffer) {
                Ok(count) if self.is_answer(&buffer[..count], from, sequence) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_loss(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    fn is_answer(&self, bytes: &[u8], from: IpAddr, sequence: u16) -> bool {
        let (message, sender) = if self.raw && matches!(from, IpAddr::V4(_)) {
            let Some((message, sender)) = without_ip_header(bytes) else {
                return false;
            };
            (message, Some(sender))
        } else {
            (bytes, None)
        };
        let Some(([kind, _, _, _, id_high, id_low, high, low], payload)) =
            message.split_first_chunk::<8>()
        else {
            return false;
        };
        let is_ours = !self.raw || u16::from_be_bytes([*id_high, *id_low]) == self.identifier;
        is_ours
            && sender.is_none_or(|sender| sender == from)
            && *kind == self.version.reply
            && u16::from_be_bytes([*high, *low]) == sequence
            && payload == PAYLOAD
    }
}

/// The message behind the header of a packet of IPv4, and who sent it.
fn without_ip_header(packet: &[u8]) -> Option<(&[u8], IpAddr)> {
    let words = usize::from(packet.first()? & 0x0f);
    let sender: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    Some((packet.get(words * 4..)?, IpAddr::from(sender)))
}

/// An echo request (RFC 792, RFC 4443). The checksum of version 6 is the kernel's business.
fn message(version: &Version, identifier: u16, sequence: u16) -> Vec<u8> {
    let mut message = vec![version.request, 0, 0, 0];
    message.extend(identifier.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    message.extend(PAYLOAD);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// The complement of the sum of all pairs of bytes in one's complement (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_add_up_to_nothing() {
        // The example of RFC 1071 section 3.
        assert_eq!(
            checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
            !0xddf2
        );
        assert_eq!(checksum(&message(&V4, 0x1234, 7)), 0);
    }

    #[test]
    fn only_the_answer_to_the_own_echo_counts() {
        let Ok(mut echo) = Echo::open(&V4) else {
            println!("left out: this user may not send echo requests");
            return;
        };
        echo.raw = true;
        let from = IpAddr::from([192, 0, 2, 1]);
        let packet = |kind: u8, identifier: u16, sequence: u16, sender: [u8; 4]| {
            let mut packet = vec![0x45; 12];
            packet.extend(sender);
            packet.extend([10, 0, 0, 1]);
            let mut inner = message(&V4, identifier, sequence);
            inner[0] = kind;
            packet.extend(inner);
            packet
        };
        let own = echo.identifier;
        let check = |packet: &[u8], expect: bool| {
            assert_eq!(echo.is_answer(packet, from, 3), expect, "{packet:?}");
        };
        check(&packet(0, own, 3, [192, 0, 2, 1]), true);
        check(&packet(8, own, 3, [192, 0, 2, 1]), false);
        check(&packet(0, own.wrapping_add(1), 3, [192, 0, 2, 1]), false);
        check(&packet(0, own, 2, [192, 0, 2, 1]), false);
        check(&packet(0, own, 3, [192, 0, 2, 2]), false);
        check(&packet(0, own, 3, [192, 0, 2, 1])[..25], false);
        check(&[], false);
    }

    #[test]
    fn the_gateway_is_suggested() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("proc/net")).unwrap();
        let table = "Iface\tDestination\tGateway\tFlags\neth0\t0000A8C0\t00000000\t1\neth0\t00000000\t0101A8C0\t3\n";
        std::fs::write(root.path().join("proc/net/route"), table).unwrap();
        let found = gateway(&System::at(root.path()));
        if cfg!(target_endian = "little") {
            assert_eq!(found.as_deref(), Some("192.168.1.1"));
        }
    }
}
