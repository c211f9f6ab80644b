//! What stands before every page and the API: is it our name, did it come a way we know, who is it, and may they.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ravenry_plugins::clock;
use tower_http::csrf::ProtectionError;

use super::session::Session;
use super::{Access, Peer, Visitor};
use crate::actor::Actor;
use crate::refusal::Refusal;
use crate::site::Site;

/// What is served to whoever is not known yet: it holds nothing of what is watched, or carries a signature of its own.
const OPEN: [&str; 3] = ["/sign-in", "/assets/", "/ack/"];

/// Lets a request through with its [`Actor`] and [`Visitor`], or says why not.
pub(crate) async fn guard(
    State(site): State<Arc<Site>>,
    mut request: Request,
    next: Next,
) -> Response {
    let admitted = match site.access.admit(&request) {
        Ok(admitted) => admitted,
        Err(refusal) => return refusal.into_response(),
    };
    let extensions = request.extensions_mut();
    extensions.insert(admitted.visitor);
    if let Some(actor) = admitted.actor {
        extensions.insert(actor);
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if site.access.asks() {
        keep_to_one(headers);
    }
    if let Some(cookie) = admitted.renewed
        && !headers.contains_key(header::SET_COOKIE)
    {
        headers.insert(header::SET_COOKIE, cookie);
    }
    response
}

/// What one person may see is kept by that person's browser, and by no cache between.
fn keep_to_one(headers: &mut HeaderMap) {
    let control = headers
        .get(header::CACHE_CONTROL)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("no-cache");
    if control.starts_with("public") || control == "no-store" {
        return;
    }
    if let Ok(value) = HeaderValue::from_str(&format!("private, {control}")) {
        headers.insert(header::CACHE_CONTROL, value);
    }
}

/// The answer to a request that another site made a browser send.
pub(crate) fn rejected(_: ProtectionError) -> Response {
    Refusal::CrossSite.into_response()
}

struct Admitted {
    visitor: Visitor,
    actor: Option<Actor>,
    renewed: Option<HeaderValue>,
}

impl Access {
    /// Whether anybody is asked who they are.
    fn asks(&self) -> bool {
        !self.known().users.is_empty() || !self.door.is_loopback()
    }

    fn admit(&self, request: &Request) -> Result<Admitted, Refusal> {
        let headers = request.headers();
        self.door.check_name(request.uri(), headers)?;
        let peer = request.extensions().get::<Peer>().map(|Peer(ip)| *ip);
        let visitor = self.door.visitor(peer, headers, self.asks())?;
        let path = request.uri().path();
        if path.starts_with("/api/") && is_of_another_site(headers) {
            return Err(Refusal::CrossSite);
        }
        let now = clock::now();
        let session = cookie(headers, self.cookie_name(visitor));
        let found = self.actor(headers, session, now);
        if OPEN.iter().any(|open| path.starts_with(open)) {
            return Ok(Admitted {
                visitor,
                actor: found.ok().map(|(actor, _)| actor),
                renewed: None,
            });
        }
        let (actor, session) = found?;
        let looks = matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS
        );
        if !looks && !actor.may_act() && path != "/sign-out" {
            return Err(Refusal::Role(actor.name));
        }
        Ok(Admitted {
            renewed: session.and_then(|session| self.renewal(&session, visitor)),
            visitor,
            actor: Some(actor),
        })
    }

    fn renewal(&self, session: &Session, visitor: Visitor) -> Option<HeaderValue> {
        let value = self.renewed(session, clock::now())?;
        self.cookie(visitor, &value)
    }

    /// Cookies do not know ports: two collectors on one machine have one each. Over TLS the browser itself sees to it
    /// that nobody else can set it.
    pub(crate) fn cookie_name(&self, visitor: Visitor) -> &str {
        if visitor.is_tls {
            &self.names_of_cookie.1
        } else {
            &self.names_of_cookie.0
        }
    }

    /// The header that sets the session's cookie; an empty value removes it.
    pub(crate) fn cookie(&self, visitor: Visitor, value: &str) -> Option<HeaderValue> {
        let name = self.cookie_name(visitor);
        let age = if value.is_empty() {
            0
        } else {
            self.session.as_secs()
        };
        let secure = if visitor.is_tls { "; Secure" } else { "" };
        HeaderValue::from_str(&format!(
            "{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"
        ))
        .ok()
    }
}

/// Whether a page of another site reads this in the background. To follow a link is no such thing.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let says = |name: &str, value: &str| headers.get(name).is_some_and(|have| have == value);
    says("sec-fetch-site", "cross-site") && !says("sec-fetch-mode", "navigate")
}

/// The value of the cookie `name`.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(have, value)| (have == name).then_some(value))
}

/// The secret of the header `Authorization: Bearer SECRET`.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(header) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let words = header.to_str().ok().and_then(|text| text.split_once(' '));
    match words {
        Some((scheme, secret)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(secret.trim())),
        Some(_) | None => Err(Refusal::UnknownToken),
    }
}

/// Lets a page be asked for on behalf of whoever asked for another one.
pub(crate) fn carry_over(from: &Extensions, to: &mut Extensions) {
    if let Some(visitor) = from.get::<Visitor>() {
        to.insert(*visitor);
    }
    if let Some(actor) = from.get::<Actor>() {
        to.insert(actor.clone());
    }
}
