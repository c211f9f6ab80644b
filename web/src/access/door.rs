//! Where requests come in: the names this program answers to, and which proxies are believed.
//!
//! A name that nobody configured is not answered: a page of somebody else's whose name was made to point here (DNS
//! rebinding) gets nothing. An address is no such name, so requests that name one are answered where it may be ours.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, Uri, header};

use super::Network;
use crate::refusal::Refusal;

/// How requests reach this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// The address that is listened on.
    pub listen: SocketAddr,
    /// Further names that are answered to, without a port.
    pub names: Vec<String>,
    /// How people reach the pages, as `https://name`, where that is known.
    pub origin: Option<String>,
    /// What these say of the client is believed.
    pub proxies: Vec<Network>,
    /// Passwords may cross a network readable.
    pub without_tls: bool,
}

/// Who asks, as far as the connection tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub(crate) address: IpAddr,
    /// Nobody between can read it: over TLS, or on this machine.
    pub(crate) is_private: bool,
    /// Over TLS.
    pub(crate) is_tls: bool,
}

/// What a proxy says of the client, first the header that we read.
static FORWARDED: [HeaderName; 5] = [
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
    header::FORWARDED,
];

impl Door {
    /// On loopback at `listen`, for this machine only.
    #[must_use]
    pub fn local(listen: SocketAddr) -> Self {
        Self {
            listen,
            names: Vec::new(),
            origin: None,
            proxies: Vec::new(),
            without_tls: false,
        }
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }

    /// Refuses a request for a name that is not ours.
    pub(super) fn check_name(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let named = match uri.authority() {
            Some(authority) => authority.as_str(),
            None => headers
                .get(header::HOST)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default(),
        };
        if self.answers_to(without_port(named)) {
            Ok(())
        } else {
            Err(Refusal::OtherName(named.chars().take(80).collect()))
        }
    }

    fn answers_to(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        let own = self.listen.ip();
        if let Some(address) = address(name) {
            let is_own = own.is_unspecified() || address == own.to_canonical();
            return address.is_loopback() || is_own || self.is_configured(name);
        }
        name.eq_ignore_ascii_case("localhost") || self.is_configured(name)
    }

    fn is_configured(&self, name: &str) -> bool {
        let is_it = |known: &str| known.eq_ignore_ascii_case(name);
        let of_origin = self.origin.as_deref().and_then(|origin| {
            let (_, authority) = origin.split_once("://")?;
            Some(without_port(authority))
        });
        of_origin.is_some_and(is_it) || self.names.iter().any(|known| is_it(known))
    }

    /// Who asks. `has_accounts`: whether anybody is asked who they are.
    pub(super) fn visitor(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
        has_accounts: bool,
    ) -> Result<Visitor, Refusal> {
        let peer = peer
            .unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
            .to_canonical();
        if self.is_proxy(peer) {
            return Ok(self.behind_proxy(peer, headers));
        }
        let forwarded = FORWARDED.iter().find(|name| headers.contains_key(*name));
        if let Some(name) = forwarded.filter(|_| !has_accounts) {
            return Err(Refusal::Proxy(format!(
                "this request came through a proxy ({name}), which is for others than this machine: make an account \
                 (`ravenry user add NAME`), and name the proxy in [http] proxy"
            )));
        }
        if !self.proxies.is_empty() && !self.without_tls && !peer.is_loopback() {
            return Err(Refusal::Proxy(format!(
                "expected a request through a proxy that [http] proxy names, found one from {peer}"
            )));
        }
        Ok(Visitor {
            address: peer,
            is_private: peer.is_loopback(),
            is_tls: false,
        })
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|proxy| proxy.contains(address))
    }

    /// The last address that no proxy of ours has is the client's: what stands before it anybody may have written.
    fn behind_proxy(&self, peer: IpAddr, headers: &HeaderMap) -> Visitor {
        let [forwarded_for, proto, ..] = &FORWARDED;
        let lines = headers.get_all(forwarded_for);
        let hops: Vec<IpAddr> = lines
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map_while(|hop| Some(address(without_port(hop.trim()))?.to_canonical()))
            .collect();
        let client = hops.iter().rev().find(|hop| !self.is_proxy(**hop));
        let proto = headers.get(proto).and_then(|value| value.to_str().ok());
        let is_tls = proto.is_some_and(|proto| {
            let last = proto.rsplit(',').next().unwrap_or_default();
            last.trim().eq_ignore_ascii_case("https")
        });
        Visitor {
            address: client.copied().unwrap_or(peer),
            is_private: is_tls || (peer.is_loopback() && hops.is_empty() && proto.is_none()),
            is_tls,
        }
    }
}

/// A name or address, in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

fn without_port(authority: &str) -> &str {
    if authority.parse::<IpAddr>().is_ok() {
        return authority;
    }
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => authority,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn door(listen: &str) -> Door {
        Door {
            names: vec!["ravenry.example.net".to_owned()],
            origin: Some("https://monitor.example.net:8443".to_owned()),
            ..Door::local(listen.parse().unwrap())
        }
    }

    #[test]
    fn only_names_that_are_ours_are_answered() {
        let check = |listen: &str, host: &str, expect: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            let found = door(listen).check_name(&Uri::from_static("/"), &headers);
            assert_eq!(found.is_ok(), expect, "{listen} {host}");
        };
        for listen in [
            "127.0.0.1:4950",
            "0.0.0.0:80",
            "192.0.2.7:4950",
            "[::]:4950",
        ] {
            check(listen, "localhost:4950", true);
            check(listen, "LOCALHOST.", true);
            check(listen, "127.0.0.1:4950", true);
            check(listen, "127.9.9.9", true);
            check(listen, "[::1]:4950", true);
            check(listen, "ravenry.example.net", true);
            check(listen, "Monitor.Example.Net:99", true);
            check(listen, "evil.example.org", false);
            check(listen, "localhost.evil.example.org", false);
            check(listen, "127.0.0.1.nip.io", false);
            check(listen, "127.0.0.1@evil.example.org", false);
            check(listen, "", false);
        }
        check("127.0.0.1:4950", "192.0.2.7", false);
        check("192.0.2.7:4950", "192.0.2.7:4950", true);
        check("192.0.2.7:4950", "192.0.2.8:4950", false);
        check("0.0.0.0:4950", "192.0.2.8", true);
        check("[::]:4950", "[2001:db8::1]:4950", true);
    }

    /// Who a request is from, with `proxy` believed; an error as its first words.
    fn visitor(
        proxy: &str,
        peer: &str,
        forwarded: &[(&'static str, &str)],
        accounts: bool,
    ) -> String {
        let mut door = door("0.0.0.0:4950");
        door.proxies = proxy
            .split_whitespace()
            .map(|text| text.parse().unwrap())
            .collect();
        let mut headers = HeaderMap::new();
        for (name, value) in forwarded {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        match door.visitor(Some(peer.parse().unwrap()), &headers, accounts) {
            Ok(visitor) => format!(
                "{}{}{}",
                visitor.address,
                if visitor.is_private { " private" } else { "" },
                if visitor.is_tls { " tls" } else { "" }
            ),
            Err(refusal) => refusal.to_string().chars().take(24).collect(),
        }
    }

    #[test]
    fn only_configured_proxies_are_believed() {
        let check = |proxy, peer, forwarded: &[(&'static str, &str)], accounts, expect: &str| {
            assert_eq!(
                visitor(proxy, peer, forwarded, accounts),
                expect,
                "{forwarded:?}"
            );
        };
        let (xff, proto) = ("x-forwarded-for", "x-forwarded-proto");
        check("", "127.0.0.1", &[], false, "127.0.0.1 private");
        check("", "::ffff:127.0.0.1", &[], false, "127.0.0.1 private");
        check("", "192.0.2.1", &[], true, "192.0.2.1");
        check(
            "",
            "127.0.0.1",
            &[(xff, "203.0.113.9")],
            false,
            "this request came throug",
        );
        check(
            "",
            "127.0.0.1",
            &[(xff, "203.0.113.9")],
            true,
            "127.0.0.1 private",
        );
        check(
            "10.0.0.1",
            "192.0.2.1",
            &[(xff, "127.0.0.1")],
            true,
            "expected a request throu",
        );
        check(
            "10.0.0.1",
            "10.0.0.1",
            &[(xff, "203.0.113.9"), (proto, "https")],
            true,
            "203.0.113.9 private tls",
        );
        check(
            "10.0.0.1",
            "10.0.0.1",
            &[(xff, "6.6.6.6, 203.0.113.9"), (proto, "http")],
            true,
            "203.0.113.9",
        );
        check(
            "10.0.0.0/8",
            "10.0.0.1",
            &[(xff, "203.0.113.9, 10.0.0.2")],
            true,
            "203.0.113.9",
        );
        check(
            "10.0.0.1",
            "10.0.0.1",
            &[(xff, "6.6.6.6"), (xff, "203.0.113.9:4711")],
            true,
            "203.0.113.9",
        );
        check(
            "10.0.0.1",
            "10.0.0.1",
            &[(xff, "[2001:db8::1]:4711")],
            true,
            "2001:db8::1",
        );
        check("127.0.0.1", "127.0.0.1", &[], true, "127.0.0.1 private");
        check(
            "127.0.0.1",
            "127.0.0.1",
            &[(proto, "http")],
            true,
            "127.0.0.1",
        );
    }
}
