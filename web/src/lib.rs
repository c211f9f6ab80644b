//! Graphs, pages and the JSON API. Asks through [`source::Source`] and never sees a file.
//!
//! [`access`] stands before everything. `GET` and `HEAD` change nothing; at a few addresses of the API people act by `POST`
//! and `DELETE` ([`actor`] says who). A page is rendered whole on the server and works without the
//! script; a picture depends on the last row that it shows and is drawn once for all who look. Questions to the source
//! and drawing happen on a bounded number of blocking threads, never on the async runtime.
//!
//! The tree of addresses:
//!
//! ```text
//! /                                      overview; /group/GROUP the same for one group
//! /host/HOST                             ?start=&end= here and below: all graphs over a stretch of one's own
//! /graph/HOST/GRAPH                      four periods; ?hide= leaves out fields, ?earlier=1w and the like add, ?field=&warning= tries
//! /graph/HOST/GRAPH/PERIOD.FORM          day week month year range . svg png csv json values.json
//! /category/CATEGORY  /compare/GRAPH     over all hosts
//! /over/GRAPH/FIELD                      one field over the hosts of ?group= as a stack, lines, sum or average, or each
//! /over/GRAPH/FIELD/PERIOD.FORM          the same as a file
//! /incidents  /incident/ID  /problems  /downtimes  /agents
//! /reports  /reports.csv  /log  /notices
//! /act                                   POST: what people do by the forms of these pages
//! /search?q=                             everything by its name
//! /views  /view/NAME  /wall?views=&every= saved addresses, and one after the other
//! /sign-in  /sign-out
//! /metrics                               for Prometheus
//! /ack/INCIDENT?contact=...              from a notice; who has the signed link needs nothing else
//! /api/v1/...                            docs/api.md
//! /assets/NAME-HASH.EXTENSION            kept for ever
//! ```

#![forbid(unsafe_code)]

pub mod access;
pub mod actor;
mod answer;
mod api;
mod asset;
mod cache;
mod choice;
mod combined;
mod drawing;
mod etag;
pub mod graph;
mod live;
mod metrics;
mod options;
mod pages;
mod parameter;
mod period;
mod picture;
mod refusal;
mod search;
mod shot;
mod site;
pub mod source;
mod span;
mod trial;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, OriginalUri, Request};
use axum::http::HeaderMap;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::{CsrfLayer, ProtectionError};

pub use drawing::day_picture;
pub use options::Options;

use crate::access::Access;
use crate::pages::wall::Wall;
use crate::parameter::Segments;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::Source;

/// All pages, pictures and the JSON API over `source`, for those whom `access` lets in. Other routes can be merged beside
/// it: nobody guards them.
pub fn router(source: Arc<dyn Source>, options: Options, access: Arc<Access>) -> Router {
    let ours_only = cross_site(access.door.origin.as_deref());
    let site = Arc::new(Site::new(source, options, access));
    let pages = pages_and_api(&site);
    let wall = Wall {
        site: Arc::clone(&site),
        pages: pages.clone(),
    };
    pages
        .merge(
            Router::new()
                .route("/wall", get(pages::wall::wall))
                .with_state(wall),
        )
        .fallback(no_page)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(ours_only)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&site),
            access::guard,
        ))
        .layer(middleware::from_fn_with_state(site, refusal::dress))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(answer::seal))
}

fn pages_and_api(site: &Arc<Site>) -> Router {
    Router::new()
        .route("/", get(pages::overview::all))
        .route("/group/{*group}", get(pages::overview::group))
        .route("/host/{host}", get(pages::host::answer))
        .route("/graph/{host}/{graph}", get(pages::graph::answer))
        .route("/graph/{host}/{graph}/{file}", get(picture::answer))
        .route("/category/{category}", get(pages::gallery::category))
        .route("/compare/{graph}", get(pages::gallery::compare))
        .route("/over/{graph}/{field}", get(pages::over::answer))
        .route("/over/{graph}/{field}/{file}", get(picture::over))
        .route("/incidents", get(pages::incidents::answer))
        .route("/incident/{id}", get(pages::incident::answer))
        .route("/problems", get(pages::problems::answer))
        .route("/downtimes", get(pages::downtimes::answer))
        .route("/reports", get(pages::reports::answer))
        .route("/reports.csv", get(pages::reports::csv))
        .route("/log", get(pages::log::answer))
        .route("/notices", get(pages::log::notices))
        .merge(forms())
        .route("/agents", get(pages::agents::answer))
        .route("/search", get(pages::search::answer))
        .route("/views", get(pages::wall::views))
        .route("/view/{name}", get(pages::wall::view))
        .route("/metrics", get(metrics::answer))
        .route(
            "/ack/{id}",
            get(pages::ack::form)
                .post(pages::ack::acknowledge)
                .layer(DefaultBodyLimit::max(api::act::BODY_BYTES_MAX)),
        )
        .route("/assets/{file}", get(asset_file))
        .route(
            "/sign-in",
            get(pages::sign_in::form)
                .post(pages::sign_in::answer)
                .layer(DefaultBodyLimit::max(pages::sign_in::FORM_BYTES_MAX)),
        )
        .route("/sign-out", post(pages::sign_in::sign_out))
        .nest("/api/v1", api())
        .with_state(Arc::clone(site))
}

/// Refuses what a page of another site makes a browser send to change something.
fn cross_site(origin: Option<&str>) -> CsrfLayer<fn(ProtectionError) -> Response> {
    let layer = CsrfLayer::new().with_rejection_response(access::rejected as fn(_) -> _);
    match origin {
        Some(origin) => layer.clone().add_trusted_origin(origin).unwrap_or(layer),
        None => layer,
    }
}

fn forms() -> Router<Arc<Site>> {
    Router::new()
        .route("/act", post(pages::act::answer))
        .layer(DefaultBodyLimit::max(pages::act::BODY_BYTES_MAX))
}

fn api() -> Router<Arc<Site>> {
    Router::new()
        .route("/hosts", get(api::hosts::answer))
        .route("/hosts/{host}", get(api::host::answer))
        .route("/hosts/{host}/graphs/{graph}", get(api::graph::answer))
        .route("/hosts/{host}/graphs/{graph}/data", get(api::data::answer))
        .route("/incidents", get(api::incidents::answer))
        .route("/checks", get(api::checks::answer))
        .route("/explain", get(api::explain::answer))
        .route("/search", get(api::search::answer))
        .route("/events", get(api::events::answer))
        .route("/openapi.json", get(api::description::answer))
        .merge(actions())
}

fn actions() -> Router<Arc<Site>> {
    use api::act;
    Router::new()
        .route(
            "/acknowledgements",
            get(act::acknowledgements).post(act::acknowledge),
        )
        .route("/acknowledgements/{id}", delete(act::unacknowledge))
        .route("/downtimes", get(act::downtimes).post(act::announce))
        .route("/downtimes/{id}", delete(act::end_downtime))
        .route("/comments", get(act::comments).post(act::comment))
        .route("/comments/{id}", delete(act::remove_comment))
        .route("/mute", get(act::muted).post(act::mute).delete(act::unmute))
        .route("/notify-test", post(act::notify_test))
        .layer(DefaultBodyLimit::max(act::BODY_BYTES_MAX))
}

/// A panic is one request's; what it said is in the log.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Refusal::Broken("it failed, and the log says how".to_owned()).into_response()
}

async fn asset_file(headers: HeaderMap, segments: Segments) -> Result<Response, Refusal> {
    asset::answer(&headers, segments.text("file"))
}

async fn no_page(OriginalUri(uri): OriginalUri) -> Refusal {
    Refusal::NoPage(uri.path().chars().take(200).collect())
}

async fn wrong_method(request: Request) -> Refusal {
    Refusal::Method(request.method().to_string())
}
