//! `GET /api/v1/search`: what the words `q` find, by kind, the best first.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;

use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::search::{self, Hit, QUESTION_MAX, WORDS_MAX, Words};
use crate::site::Site;

#[derive(Serialize)]
struct Search {
    hits: Vec<Hit>,
    counts: BTreeMap<&'static str, usize>,
}

/// Answers it.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let expected = format!("1 to {WORDS_MAX} words, at most {QUESTION_MAX} characters");
    let words = parameters.take("q", &expected, Words::of)?;
    let limit = parameters.take_number("limit", 1, 1000)?.unwrap_or(20);
    parameters.finish("q, limit")?;
    let words = words.ok_or_else(|| Refusal::parameter("q", expected, ""))?;
    site.ask(move |source| {
        let found = search::search(source, &words, usize::try_from(limit).unwrap_or(20));
        let counts = found.counts.iter();
        let counts = counts.map(|(kind, count)| (kind.word(), *count)).collect();
        let hits = found.hits;
        super::answer(&headers, &Search { hits, counts })
    })
    .await?
}
