//! How an answer leaves: its type, its validator, how long it may be kept, and the headers that fence it in.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{
    self, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use crate::etag::Tag;

/// How long an answer may be shown without asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Kept, but asked for each time; usually answered by 304.
    Revalidate,
    /// Nothing can have changed for so long.
    For(Duration),
    /// The name changes with the content.
    Immutable,
}

impl Freshness {
    fn header(self) -> HeaderValue {
        match self {
            Self::Revalidate => HeaderValue::from_static("no-cache"),
            Self::For(time) => HeaderValue::from_str(&format!(
                "max-age={}, must-revalidate",
                time.as_secs().max(1)
            ))
            .unwrap_or(HeaderValue::from_static("no-cache")),
            Self::Immutable => HeaderValue::from_static("public, max-age=31536000, immutable"),
        }
    }
}

/// A body, and the same compressed where that was done already.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    pub(crate) plain: Bytes,
    pub(crate) gzip: Option<Bytes>,
}

impl Encoded {
    pub(crate) fn plain(bytes: impl Into<Bytes>) -> Self {
        Self {
            plain: bytes.into(),
            gzip: None,
        }
    }

    /// Bytes that it holds in memory.
    pub(crate) fn size(&self) -> usize {
        self.plain.len() + self.gzip.as_ref().map_or(0, Bytes::len)
    }
}

/// 304 when the client has this, else the body that `body` makes.
pub(crate) fn conditional(
    request: &HeaderMap,
    tag: Tag,
    freshness: Freshness,
    content_type: &'static str,
    body: impl FnOnce() -> Encoded,
) -> Response {
    match not_modified(request, tag, freshness) {
        Some(response) => response,
        None => full(request, tag, freshness, content_type, body()),
    }
}

/// The 304 of `tag`, when the client has it.
pub(crate) fn not_modified(
    request: &HeaderMap,
    tag: Tag,
    freshness: Freshness,
) -> Option<Response> {
    let known = tag.known_to(request)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    headers.insert(ETAG, known);
    headers.insert(CACHE_CONTROL, freshness.header());
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    Some(response)
}

/// The whole answer.
pub(crate) fn full(
    request: &HeaderMap,
    tag: Tag,
    freshness: Freshness,
    content_type: &'static str,
    body: Encoded,
) -> Response {
    let gzip = body.gzip.filter(|_| accepts_gzip(request));
    let encoded = gzip.is_some();
    let mut response = Response::new(Body::from(gzip.unwrap_or(body.plain)));
    let headers = response.headers_mut();
    headers.insert(ETAG, tag.header());
    headers.insert(CACHE_CONTROL, freshness.header());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if encoded {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn accepts_gzip(request: &HeaderMap) -> bool {
    request
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let named = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
            let refused = parts.any(|parameter| {
                parameter
                    .strip_prefix("q=")
                    .is_some_and(|weight| weight.parse::<f32>() == Ok(0.0))
            });
            named && !refused
        })
}

/// Nothing from elsewhere, nothing inline, in no frame.
const PAGE_POLICY: &str = "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A picture opened by itself: it may have its own styles, and does nothing else.
const PICTURE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox";

/// The headers that every answer carries; and a compressed answer is told apart from the plain one by its tag.
pub(crate) async fn seal(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let picture = headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"image/"));
    let fixed: [(HeaderName, &'static str); 4] = [
        (
            CONTENT_SECURITY_POLICY,
            if picture { PICTURE_POLICY } else { PAGE_POLICY },
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    mark_gzip(headers);
    response
}

fn mark_gzip(headers: &mut HeaderMap) {
    if headers
        .get(CONTENT_ENCODING)
        .is_none_or(|coding| coding != "gzip")
    {
        return;
    }
    let marked = headers
        .get(ETAG)
        .and_then(|tag| tag.to_str().ok())
        .map(|tag| tag.trim_start_matches("W/"))
        .and_then(|tag| tag.strip_suffix('"'))
        .filter(|tag| !tag.ends_with("-gzip"))
        .and_then(|tag| HeaderValue::from_str(&format!("{tag}-gzip\"")).ok());
    if let Some(tag) = marked {
        headers.insert(ETAG, tag);
    }
}
