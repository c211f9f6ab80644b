//! Why a request is not answered: one sentence and the status code that means it. Handlers return it; [`dress`] turns it
//! into a page, JSON or plain text by what was asked for.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ravenry_alerts::action;
use ravenry_plugins::name::{GraphName, HostName};

use tower_http::csrf::ProtectionError;

use crate::pages::frame::Frame;
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
    /// 403.
    #[error(
        "expected a request from the collector's own machine, or with the secret of admin.token in its data directory"
    )]
    Forbidden,
    /// 403: a page from elsewhere made a browser ask.
    #[error("expected a request from these pages, found one from another site")]
    CrossSite,
    /// Something was asked to be done that cannot be done.
    #[error("{0}")]
    Action(action::Refusal),
    /// 405.
    #[error("{0} is not possible here")]
    Method(String),
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

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoPage(_) | Self::NoHost(_) | Self::NoGraph { .. } | Self::NothingStored(_) => {
                StatusCode::NOT_FOUND
            }
            Self::Parameter { .. } | Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::Action(action::Refusal::Unknown(_)) => StatusCode::NOT_FOUND,
            Self::Action(action::Refusal::Invalid(_)) => StatusCode::BAD_REQUEST,
            Self::Action(action::Refusal::Conflict(_)) => StatusCode::CONFLICT,
            Self::Action(action::Refusal::Unavailable(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unreadable(_) | Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
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

/// Refuses what a page from elsewhere made a browser ask.
pub(crate) fn cross_site(_: ProtectionError) -> Response {
    Refusal::CrossSite.into_response()
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
    let (parts, body) = request.into_parts();
    let zone = site.viewer_zone(&parts.headers);
    let response = next.run(Request::from_parts(parts, body)).await;
    let Some(refusal) = response.extensions().get::<Arc<Refusal>>().cloned() else {
        return response;
    };
    if refusal.status().is_server_error() {
        tracing::warn!(path, "{refusal}");
    }
    let (content_type, body) = dressed(&site, &path, zone, &refusal);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = refusal.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match *refusal {
        Refusal::Busy(_) => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        // The router itself says what is allowed instead.
        Refusal::Method(_)
        | Refusal::NoPage(_)
        | Refusal::NoHost(_)
        | Refusal::NoGraph { .. }
        | Refusal::NothingStored(_)
        | Refusal::Parameter { .. }
        | Refusal::Body(_)
        | Refusal::Forbidden
        | Refusal::CrossSite
        | Refusal::Action(_)
        | Refusal::Unreadable(_)
        | Refusal::Broken(_) => {}
    }
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
    let picture_path = path.starts_with("/graph/") && path.matches('/').count() == 4;
    if path.starts_with("/api/") || (picture_path && file.ends_with(".json")) {
        let body = serde_json::json!({ "error": sentence });
        return ("application/json", body.to_string());
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
