//! The JSON API, version 1, one endpoint a file. docs/api.md describes it for people, `web/tests/api.rs` pins its shapes.
//!
//! All times are UTC seconds; what is unknown is null; an error is `{"error": "one sentence", "code": "word"}` with the
//! status code that means it. [`description`] says all of it for programs.

pub(crate) mod act;
pub(crate) mod checks;
pub(crate) mod data;
pub(crate) mod description;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod graph;
pub(crate) mod host;
pub(crate) mod hosts;
pub(crate) mod incidents;
pub(crate) mod page;
pub(crate) mod search;

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;

use crate::answer::{self, Encoded, Freshness};
use crate::etag::Tag;
use crate::refusal::Refusal;

/// JSON with the validator of its content.
pub(crate) fn answer(headers: &HeaderMap, body: &impl Serialize) -> Result<Response, Refusal> {
    let json = serde_json::to_vec(body).map_err(|error| Refusal::Broken(error.to_string()))?;
    let tag = Tag::of(&[&json]);
    Ok(answer::conditional(
        headers,
        tag,
        Freshness::Revalidate,
        "application/json",
        || Encoded::plain(json),
    ))
}
