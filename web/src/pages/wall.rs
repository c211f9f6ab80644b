//! `/views`: the views that the configuration saves. `/view/{name}` leads to one. `/wall?views=a,b&every=30` shows one
//! after the other on a screen that nobody touches, without a script: each page says itself which comes next.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tower::Service;

use crate::pages::frame::{Frame, Viewer};
use crate::pages::show;
use crate::parameter::{Parameters, Segments};
use crate::refusal::{Refusal, see_other};
use crate::site::Site;
use crate::source::View;

/// A page on the wall may have so many bytes.
const PAGE_BYTES_MAX: usize = 8 << 20;
/// Views in one rotation.
const VIEWS_MAX: usize = 50;
/// Seconds for which one is shown.
const EVERY: std::ops::RangeInclusive<u32> = 5..=86_400;

#[derive(Template)]
#[template(path = "views.html")]
struct Views {
    frame: Frame,
    views: Vec<View>,
    /// All of them on the wall.
    wall: String,
}

/// Answers `/views`.
pub(crate) async fn views(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    parameters.finish("no parameters")?;
    let frame = Frame::without_counts(&site, viewer.zone, "views").seen_by(&viewer);
    site.ask(move |source| {
        let views = source.views();
        let names: Vec<String> = views
            .iter()
            .map(|view| show::path_segment(&view.name))
            .collect();
        let page = Views {
            frame: frame.with_counts(source),
            wall: format!("/wall?views={}&every=30", names.join(",")),
            views,
        };
        super::answer(&headers, &page)
    })
    .await?
}

/// Answers `/view/{name}`.
pub(crate) async fn view(
    State(site): State<Arc<Site>>,
    segments: Segments,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    parameters.finish("no parameters")?;
    let name = segments.text("name").to_owned();
    let views = site.ask(|source| source.views()).await?;
    find(&views, &name).map(|view| see_other(&view.address))
}

fn find<'v>(views: &'v [View], name: &str) -> Result<&'v View, Refusal> {
    views.iter().find(|view| view.name == name).ok_or_else(|| {
        let name: String = name.chars().take(80).collect();
        Refusal::NothingStored(format!(
            "no view {name:?}: expected one of [[view]] in the configuration"
        ))
    })
}

/// The pages that are shown, and what all requests share.
#[derive(Clone)]
pub(crate) struct Wall {
    pub(crate) site: Arc<Site>,
    pub(crate) pages: Router,
}

/// Answers `/wall`.
pub(crate) async fn wall(
    State(wall): State<Wall>,
    mut parameters: Parameters,
    request: Request,
) -> Result<Response, Refusal> {
    let names = parameters.take("views", "names of saved views, joined by ','", |text| {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        (names.len() <= VIEWS_MAX && names.iter().all(|name| !name.is_empty())).then_some(names)
    })?;
    let every = parameters
        .take_number("every", *EVERY.start(), *EVERY.end())?
        .unwrap_or(30);
    let at = parameters.take_number("at", 0, u32::MAX)?.unwrap_or(0);
    parameters.finish("views, every or at")?;
    let all = wall.site.ask(|source| source.views()).await?;
    let names = names.unwrap_or_else(|| all.iter().map(|view| view.name.clone()).collect());
    for name in &names {
        find(&all, name)?;
    }
    let at = usize::try_from(at).unwrap_or(0) % names.len().max(1);
    let name = names.get(at).ok_or_else(|| {
        Refusal::NothingStored("no view is saved: [[view]] in the configuration does".to_owned())
    })?;
    let view = find(&all, name)?.clone();
    let next = {
        let names: Vec<String> = names.iter().map(|name| show::path_segment(name)).collect();
        format!(
            "/wall?views={}&every={every}&at={}",
            names.join(","),
            (at + 1) % names.len()
        )
    };
    let page = page_of(wall.pages, &view, request).await?;
    hung(page, &view, &next, every).await
}

/// What the view's own address answers to the same person.
async fn page_of(mut pages: Router, view: &View, request: Request) -> Result<Response, Refusal> {
    let (mut parts, _) = request.into_parts();
    parts.uri = view.address.parse::<Uri>().map_err(|error| {
        Refusal::Broken(format!("view {:?}: {}: {error}", view.name, view.address))
    })?;
    parts.headers.remove(IF_NONE_MATCH);
    // What the outer router has put there belongs to its own address.
    let kept = parts.extensions.clone();
    parts.extensions.clear();
    crate::access::carry_over(&kept, &mut parts.extensions);
    match pages.call(Request::from_parts(parts, Body::empty())).await {
        // Only what was not routed has no reason.
        Ok(page) if page.status() == StatusCode::NOT_FOUND && page.extensions().is_empty() => {
            Err(Refusal::NoPage(view.address.clone()))
        }
        Ok(page) => Ok(page),
        Err(never) => match never {},
    }
}

/// The page with the word that tells the browser what comes next; links that begin at its own address say it whole.
async fn hung(page: Response, view: &View, next: &str, every: u32) -> Result<Response, Refusal> {
    let is_page = page.status().is_success()
        && page
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !is_page {
        return Ok(page);
    }
    let (mut parts, body) = page.into_parts();
    let body = to_bytes(body, PAGE_BYTES_MAX).await;
    let body = body.map_err(|error| Refusal::Broken(format!("the page on the wall: {error}")))?;
    let html = String::from_utf8_lossy(&body);
    let path = view.address.split('?').next().unwrap_or_default();
    let Ok(next) = askama::filters::escape(next, askama::filters::Html);
    let Ok(path) = askama::filters::escape(path, askama::filters::Html);
    let head = format!("<head>\n<meta http-equiv=\"refresh\" content=\"{every};url={next}\">");
    let html = html
        .replacen("<head>", &head, 1)
        .replacen("<body ", "<body class=\"on-wall\" ", 1)
        .replace("href=\"?", &format!("href=\"{path}?"));
    parts.headers.remove(ETAG);
    parts.headers.remove(CONTENT_LENGTH);
    Ok((parts, html).into_response())
}
