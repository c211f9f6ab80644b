//! `/sign-in`: name and password for a session, and back to the page that was wanted. `/sign-out` ends it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Form};
use ravenry_plugins::clock;
use serde::Deserialize;

use crate::access::{self, Access, Visitor};
use crate::pages::frame::Frame;
use crate::parameter::Parameters;
use crate::refusal::{Refusal, see_other};
use crate::site::Site;

/// A larger form is refused.
pub(crate) const FORM_BYTES_MAX: usize = 8 << 10;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    name: String,
    /// The page that was wanted.
    to: String,
    /// Why the last try was none.
    problem: String,
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Said {
    name: String,
    password: String,
    #[serde(default)]
    to: String,
}

/// Only a page of this site is gone back to.
fn local(to: &str) -> &str {
    let is_path = to.starts_with('/') && !to.starts_with("//") && to.len() <= 2000;
    let is_plain = to
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path && is_plain { to } else { "/" }
}

/// Answers `GET /sign-in`.
pub(crate) async fn form(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let to = parameters.take("to", "a path", |text| Some(local(text).to_owned()))?;
    parameters.finish("to")?;
    let page = SignIn {
        frame: Frame::without_counts(&site, site.viewer_zone(&headers), "sign-in"),
        name: String::new(),
        to: to.unwrap_or_else(|| "/".to_owned()),
        problem: String::new(),
    };
    let mut response = super::answer(&headers, &page)?;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Answers `POST /sign-in`.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    said: Result<Form<Said>, FormRejection>,
) -> Result<Response, Refusal> {
    let Form(said) = said.map_err(|error| Refusal::Body(error.body_text()))?;
    let Said { name, password, to } = said;
    let to = local(&to).to_owned();
    match signed_in(&site.access, visitor, name.clone(), password).await {
        Ok(cookie) => {
            let mut response = see_other(&to);
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            Ok(response)
        }
        Err(refusal @ (Refusal::WrongPassword | Refusal::TooOften(_))) => {
            let page = SignIn {
                frame: Frame::without_counts(&site, site.viewer_zone(&headers), "sign-in"),
                name: name.chars().take(64).collect(),
                to,
                problem: refusal.to_string(),
            };
            let html = (
                [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
                page.render()?,
            );
            let mut response = (refusal.status(), html).into_response();
            response.headers_mut().extend(refusal.headers());
            Ok(response)
        }
        Err(refusal) => Err(refusal),
    }
}

async fn signed_in(
    access: &Arc<Access>,
    visitor: Visitor,
    name: String,
    password: String,
) -> Result<HeaderValue, Refusal> {
    if !visitor.is_private && !access.door.without_tls {
        return Err(Refusal::Proxy(
            "a password would cross the network readable: expected https, or without_tls = true in [http]"
                .to_owned(),
        ));
    }
    let access = Arc::clone(access);
    let session = Arc::clone(&access)
        .sign_in(visitor.address, name, password, clock::now())
        .await?;
    let cookie = access.cookie(visitor, &session);
    cookie.ok_or_else(|| Refusal::Broken("the session does not fit a cookie".to_owned()))
}

/// Answers `POST /sign-out`.
pub(crate) async fn sign_out(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let access = &site.access;
    if let Some(session) = access::cookie(&headers, access.cookie_name(visitor)) {
        access.sign_out(session, clock::now()).await?;
    }
    let mut response = see_other("/sign-in");
    if let Some(gone) = access.cookie(visitor, "") {
        response.headers_mut().insert(header::SET_COOKIE, gone);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        let check = |to: &str, expect: &str| assert_eq!(local(to), expect);
        check("/host/a?x=1&y=%20", "/host/a?x=1&y=%20");
        check("//evil.example", "/");
        check("/\\evil.example", "/");
        check("https://evil.example", "/");
        check("javascript:alert(1)", "/");
        check("/a b", "/");
        check("/\r\nset-cookie: a", "/");
        check("", "/");
    }
}
