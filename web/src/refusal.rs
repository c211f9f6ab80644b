//! Why a request is not answered: one sentence and the status code that means it. Handlers return it; [`dress`] turns it
//! into a page, JSON or plain text by what was asked for.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ravenry_alerts::action;
use ravenry_alerts::link::LinkError;
use ravenry_plugins::name::{GraphName, HostName};
use serde::Serialize;

use crate::pages::frame::Frame;
use crate::pages::show;
use crate::site::Site;

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// 404.
    #[error("no page {0:?}")]
    NoPage(String),
    /// 404.
    #[error("no host {0:?}: nothing has been heard of a host of that name")]
    NoHost(String),
    /// 404.
    #[error("no graph {graph:?} on host {host}: its plugins have not declared one of that name")]
    NoGraph {
        /// The host, which exists.
        host: HostName,
        /// What was asked for.
        graph: String,
    },
    /// 404.
    #[error("{0}")]
    NothingStored(String),
    /// 400: the parameter, what was expected, what was found.
    #[error("parameter {name}: expected {expected}, found {found:?}")]
    Parameter {
        /// Its name.
        name: String,
        /// What it may be.
        expected: String,
        /// What it was.
        found: String,
    },
    /// 400: what is wrong with a body.
    #[error("the body: {0}")]
    Body(String),
    /// 403: a link from a notice that is not good.
    #[error("{0}")]
    Link(LinkError),
    /// 413.
    #[error("the body: expected less")]
    TooLarge,
    /// Something was asked to be done that cannot be done.
    #[error("{0}")]
    Action(action::Refusal),
    /// 405.
    #[error("{0} is not possible here")]
    Method(String),
    /// 401: nobody has said who they are; browsers are sent to the page where they can.
    #[error(
        "expected somebody who has signed in, or the header `Authorization: Bearer TOKEN` (`ravenry token new NAME --role viewer` makes one)"
    )]
    SignIn,
    /// 401.
    #[error("nobody knows this token; `ravenry token list` shows those there are")]
    UnknownToken,
    /// 401.
    #[error("name or password is wrong")]
    WrongPassword,
    /// 403: nobody has an account, and this is not for everybody.
    #[error("nobody has an account here: `ravenry user add NAME` makes one")]
    NoAccount,
    /// 403: whose role does not allow it.
    #[error("{0} may look but not act: expected the role operator")]
    Role(String),
    /// 403: a page from elsewhere made a browser ask.
    #[error("expected a request from these pages, found one from another site")]
    CrossSite,
    /// 403: it came a way that it should not.
    #[error("{0}")]
    Proxy(String),
    /// 421.
    #[error("nobody answers to the name {0:?} here: name it in [http] hosts, if it is ours")]
    OtherName(String),
    /// 429, try again after so long.
    #[error("too many wrong passwords: try again in {} s", .0.as_secs() + 1)]
    TooOften(Duration),
    /// 500.
    #[error("{0}")]
    Unreadable(String),
    /// 503, try again.
    #[error("too many requests are waiting ({0}): try again in a moment")]
    Busy(usize),
    /// 500; the cause is in the log.
    #[error("this page could not be made: {0}")]
    Broken(String),
}

impl Refusal {
    /// The graph of that host, as far as it exists.
    pub(crate) fn no_graph(host: &HostName, graph: &GraphName) -> Self {
        Self::NoGraph {
            host: host.clone(),
            graph: graph.to_string(),
        }
    }

    pub(crate) fn parameter(
        name: impl Into<String>,
        expected: impl Into<String>,
        found: &str,
    ) -> Self {
        Self::Parameter {
            name: name.into(),
            expected: expected.into(),
            found: found.chars().take(80).collect(),
        }
    }

    /// One word for programs: it stays while the sentence may be put better.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoPage(_) => "no_page",
            Self::NoHost(_) => "no_host",
            Self::NoGraph { .. } => "no_graph",
            Self::NothingStored(_) => "nothing_stored",
            Self::Parameter { .. } => "bad_parameter",
            Self::Method(_) => "bad_method",
            Self::Body(_) => "bad_body",
            Self::Link(_) => "bad_link",
            Self::TooLarge => "too_large",
            Self::Action(action::Refusal::Unknown(_)) => "no_subject",
            Self::Action(action::Refusal::Invalid(_)) => "bad_action",
            Self::Action(action::Refusal::Conflict(_)) => "conflict",
            Self::Action(action::Refusal::Unavailable(_)) => "unavailable",
            Self::SignIn => "not_signed_in",
            Self::UnknownToken => "unknown_token",
            Self::WrongPassword => "wrong_password",
            Self::NoAccount => "no_account",
            Self::Role(_) => "not_operator",
            Self::CrossSite => "cross_site",
            Self::Proxy(_) => "not_through_proxy",
            Self::OtherName(_) => "other_name",
            Self::TooOften(_) => "too_often",
            Self::Unreadable(_) => "unreadable",
            Self::Busy(_) => "busy",
            Self::Broken(_) => "broken",
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoPage(_) | Self::NoHost(_) | Self::NoGraph { .. } | Self::NothingStored(_) => {
                StatusCode::NOT_FOUND
            }
            Self::Parameter { .. } | Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::Link(_) => StatusCode::FORBIDDEN,
            Self::Action(action::Refusal::Unknown(_)) => StatusCode::NOT_FOUND,
            Self::Action(action::Refusal::Invalid(_)) => StatusCode::BAD_REQUEST,
            Self::Action(action::Refusal::Conflict(_)) => StatusCode::CONFLICT,
            Self::Action(action::Refusal::Unavailable(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::SignIn | Self::UnknownToken | Self::WrongPassword => StatusCode::UNAUTHORIZED,
            Self::NoAccount | Self::Role(_) | Self::CrossSite | Self::Proxy(_) => {
                StatusCode::FORBIDDEN
            }
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::OtherName(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unreadable(_) | Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Refusal {
    /// What its status wants beside it.
    pub(crate) fn headers(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Busy(_) => Some((RETRY_AFTER, HeaderValue::from_static("2"))),
            Self::TooOften(wait) => Some((RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1))),
            Self::SignIn | Self::UnknownToken => {
                Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            Self::NoPage(_)
            | Self::NoHost(_)
            | Self::NoGraph { .. }
            | Self::NothingStored(_)
            | Self::Parameter { .. }
            | Self::Body(_)
            | Self::Link(_)
            | Self::TooLarge
            | Self::Action(_)
            // The router itself says what is allowed instead.
            | Self::Method(_)
            | Self::WrongPassword
            | Self::NoAccount
            | Self::Role(_)
            | Self::CrossSite
            | Self::Proxy(_)
            | Self::OtherName(_)
            | Self::Unreadable(_)
            | Self::Broken(_) => None,
        }
    }
}

impl From<askama::Error> for Refusal {
    fn from(error: askama::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl IntoResponse for Refusal {
    /// Undressed: the status, and the refusal itself for [`dress`].
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// What a program gets.
#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    code: &'static str,
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage {
    frame: Frame,
    title: &'static str,
    sentence: String,
}

/// Gives a refusal the form of what was asked for.
pub(crate) async fn dress(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let address = request
        .uri()
        .path_and_query()
        .map_or("/", |part| part.as_str());
    let sign_in = format!("/sign-in?to={}", show::path_segment(address));
    let zone = site.viewer_zone(request.headers());
    let wants_page = wants_page(&request);
    let response = next.run(request).await;
    let own = response.extensions().get::<Arc<Refusal>>().cloned();
    let Some(refusal) = own.or_else(|| of_framework(&response)) else {
        return response;
    };
    if refusal.status().is_server_error() {
        tracing::warn!(path, "{refusal}");
    }
    if matches!(*refusal, Refusal::SignIn) && wants_page {
        return see_other(&sign_in);
    }
    let (content_type, body) = dressed(&site, &path, zone, &refusal);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = refusal.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(refusal.headers());
    response
}

/// Why a body was not read, where that was found before any handler was asked: as plain text.
fn of_framework(response: &Response) -> Option<Arc<Refusal>> {
    let is_text = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let refusal = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
        status if status.is_client_error() => Refusal::Body("it could not be read".to_owned()),
        _ => return None,
    };
    is_text.then(|| Arc::new(refusal))
}

/// Whether a person waits for a page, and not a script for data or a page for one of its parts.
fn wants_page(request: &Request) -> bool {
    let path = request.uri().path();
    let of_program = path.starts_with("/api/") || path == "/metrics" || is_picture(path);
    let accepts = request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok());
    let html = accepts.is_none_or(|types| types.contains("text/html") || types.contains("*/*"));
    html && !of_program && matches!(*request.method(), Method::GET | Method::HEAD)
}

/// A picture or table of a graph.
fn is_picture(path: &str) -> bool {
    path.starts_with("/graph/") && path.matches('/').count() == 4
}

/// To another page of ours.
pub(crate) fn see_other(to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        LOCATION,
        HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/")),
    );
    response
}

/// Browsers show a picture whatever its status: the place of one that cannot be drawn says why.
fn in_a_picture(sentence: &str) -> String {
    let mut lines = vec![String::new()];
    for word in sentence.split_whitespace() {
        let word: String = word.chars().take(60).collect();
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < 62 => {
                line.push_str(&word);
                line.push(' ');
            }
            Some(_) | None => lines.push(word + " "),
        }
    }
    let mut picture = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"480\" height=\"190\" viewBox=\"0 0 480 190\">\
         <rect width=\"480\" height=\"190\" fill=\"#8a939d\" fill-opacity=\".15\"/>\
         <g font-family=\"'DejaVu Sans',Verdana,sans-serif\" font-size=\"12\" fill=\"#c0504d\">",
    );
    for (line, y) in lines.iter().zip((40..180).step_by(18)) {
        let Ok(line) = askama::filters::escape(line.trim_end(), askama::filters::Html);
        picture.push_str(&format!("<text x=\"16\" y=\"{y}\">{line}</text>"));
    }
    picture.push_str("</g></svg>\n");
    picture
}

fn dressed(
    site: &Site,
    path: &str,
    zone: chrono_tz::Tz,
    refusal: &Refusal,
) -> (&'static str, String) {
    let sentence = refusal.to_string();
    let file = path.rsplit('/').next().unwrap_or_default();
    let picture_path = is_picture(path);
    if path.starts_with("/api/") || (picture_path && file.ends_with(".json")) {
        let error = ErrorBody {
            error: &sentence,
            code: refusal.code(),
        };
        return (
            "application/json",
            serde_json::to_string(&error).unwrap_or_default(),
        );
    }
    if picture_path && file.ends_with(".svg") {
        return ("image/svg+xml", in_a_picture(&sentence));
    }
    if picture_path || path.starts_with("/assets/") {
        return ("text/plain; charset=utf-8", sentence + "\n");
    }
    let page = RefusalPage {
        frame: Frame::without_counts(site, zone, ""),
        title: refusal.status().canonical_reason().unwrap_or("Error"),
        sentence: sentence.clone(),
    };
    match page.render() {
        Ok(html) => ("text/html; charset=utf-8", html),
        Err(_) => ("text/plain; charset=utf-8", sentence),
    }
}
