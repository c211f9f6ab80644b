//! The pages, one file each; the folder of templates has the same names. Every page is rendered whole on the server and
//! works without the script.

pub(crate) mod ack;
pub(crate) mod act;
pub(crate) mod address;
pub(crate) mod agents;
pub(crate) mod beside;
pub(crate) mod downtimes;
pub(crate) mod frame;
pub(crate) mod gallery;
pub(crate) mod graph;
pub(crate) mod host;
pub(crate) mod incident;
pub(crate) mod incidents;
pub(crate) mod log;
pub(crate) mod over;
pub(crate) mod overview;
pub(crate) mod problems;
pub(crate) mod reports;
pub(crate) mod search;
pub(crate) mod show;
pub(crate) mod sign_in;
pub(crate) mod time;
pub(crate) mod tries;
pub(crate) mod wall;

use askama::Template;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::answer::{self, Encoded, Freshness};
use crate::etag::Tag;
use crate::refusal::Refusal;

/// A rendered page with the validator of its content.
pub(crate) fn answer(headers: &HeaderMap, page: &impl Template) -> Result<Response, Refusal> {
    let html = page.render()?;
    let tag = Tag::of(&[html.as_bytes()]);
    Ok(answer::conditional(
        headers,
        tag,
        Freshness::Revalidate,
        "text/html; charset=utf-8",
        || Encoded::plain(html),
    ))
}
