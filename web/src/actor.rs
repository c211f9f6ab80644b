//! Who asks for something to be done: the one place from which an author comes.
//!
//! Allowed are whoever the server vouches for by a [`Known`] extension, and requests from this machine that no proxy
//! passed on and that were addressed to this machine by its own name, so that no page of a foreign name can make a browser
//! send them. The header `Ravenry-Author` says who it is where the server does not.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::refusal::Refusal;

/// The header with the name of whoever asks.
pub const AUTHOR: &str = "ravenry-author";

/// Who is at the other end of a connection: an extension of each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// The server knows who asks and vouches for them: an extension of a request. The name may be empty when only their right
/// is known.
#[derive(Clone, Debug)]
pub struct Known(pub String);

/// Headers that a proxy adds.
const PASSED_ON: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Whoever may do something.
pub(crate) struct Actor(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let known = parts.extensions.get::<Known>();
        let peer = parts.extensions.get::<Peer>();
        let name = match known {
            Some(Known(name)) if !name.is_empty() => return Ok(Self(name.clone())),
            Some(Known(_)) => author(&parts.headers),
            None if peer.is_some_and(|Peer(ip)| is_loopback(*ip)) && is_direct(parts) => {
                author(&parts.headers)
            }
            None => return Err(Refusal::Forbidden),
        };
        Ok(Self(name.unwrap_or_else(|| {
            String::from("somebody on the collector's machine")
        })))
    }
}

fn author(headers: &HeaderMap) -> Option<String> {
    let name = headers.get(AUTHOR)?;
    let name = std::str::from_utf8(name.as_bytes()).ok()?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Whether no proxy passed it on, and the browser, if it was one, was told to come here by an address of this machine.
fn is_direct(parts: &Parts) -> bool {
    let host = parts.uri.authority().map(|it| it.as_str()).or_else(|| {
        let host = parts.headers.get(header::HOST)?;
        host.to_str().ok()
    });
    let is_here = host.is_some_and(|host| {
        let name = host.rsplit_once(':').map_or(host, |(name, port)| {
            let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
            if is_port { name } else { host }
        });
        let ip = name.trim_matches(['[', ']']).parse();
        name == "localhost" || ip.is_ok_and(is_loopback)
    });
    is_here && !PASSED_ON.iter().any(|it| parts.headers.contains_key(*it))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn found(ip: &str, headers: &[(&str, &str)], known: Option<&str>) -> String {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(Peer(ip.parse().unwrap()));
        if let Some(name) = known {
            parts.extensions.insert(Known(name.to_owned()));
        }
        match Actor::from_request_parts(&mut parts, &()).await {
            Ok(Actor(name)) => name,
            Err(refusal) => refusal.status().to_string(),
        }
    }

    #[tokio::test]
    async fn only_this_machine_by_its_own_name_or_who_is_known_may_act() {
        let check =
            async |ip: &str, headers: &[(&str, &str)], known: Option<&str>, expect: &str| {
                assert_eq!(found(ip, headers, known).await, expect, "{ip} {headers:?}");
            };
        let here = "somebody on the collector's machine";
        let no = "403 Forbidden";
        check("127.0.0.1", &[("host", "localhost:4950")], None, here).await;
        check("::1", &[("host", "[::1]:4950")], None, here).await;
        check("::1", &[("host", "[::1]")], None, here).await;
        check("::ffff:127.0.0.1", &[("host", "127.0.0.1")], None, here).await;
        check("127.0.0.1", &[], None, no).await;
        check("127.0.0.1", &[("host", "evil.example:4950")], None, no).await;
        check("192.0.2.1", &[("host", "localhost")], None, no).await;
        let proxied = [("host", "localhost"), ("x-forwarded-for", "192.0.2.1")];
        check("127.0.0.1", &proxied, None, no).await;
        let named = [("host", "localhost"), ("ravenry-author", " dora ")];
        check("127.0.0.1", &named, None, "dora").await;
        check("192.0.2.1", &named, Some(""), "dora").await;
        check("192.0.2.1", &named, Some("emil"), "emil").await;
    }
}
