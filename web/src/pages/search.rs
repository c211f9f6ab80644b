//! `/search?q=`: everything that the words find, by kind, the best first.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::pages::frame::{Frame, Viewer};
use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::search::{self, Hit, Kind, QUESTION_MAX, WORDS_MAX, Words};
use crate::site::Site;

/// Of each kind so many are shown.
const SHOWN_MAX: usize = 50;

#[derive(Template)]
#[template(path = "search.html")]
struct Search {
    frame: Frame,
    question: String,
    sections: Vec<Section>,
    /// Why nothing was looked for; empty when it was.
    problem: String,
}

struct Section {
    kind: Kind,
    hits: Vec<Hit>,
    hidden: usize,
}

/// Answers `/search`.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let question = parameters.take("q", "words", |text| Some(text.trim().to_owned()))?;
    parameters.finish("q")?;
    let question = question.unwrap_or_default();
    let frame = Frame::without_counts(&site, viewer.zone, "search").seen_by(&viewer);
    site.ask(move |source| {
        let words = Words::of(&question);
        let problem = if words.is_none() && !question.is_empty() {
            format!("Expected at most {WORDS_MAX} words and {QUESTION_MAX} characters.")
        } else {
            String::new()
        };
        let found = words.map(|words| search::search(source, &words, SHOWN_MAX));
        let found = found.unwrap_or_default();
        let section = |kind: Kind| {
            let hits: Vec<Hit> = found
                .hits
                .iter()
                .filter(|hit| hit.kind == kind)
                .cloned()
                .collect();
            let count = found.counts.get(&kind).copied().unwrap_or(0);
            let hidden = count - hits.len();
            (!hits.is_empty()).then_some(Section { kind, hits, hidden })
        };
        let mut frame = frame.with_counts(source);
        frame.question.clone_from(&question);
        let page = Search {
            frame,
            sections: Kind::ALL.into_iter().filter_map(section).collect(),
            question,
            problem,
        };
        super::answer(&headers, &page)
    })
    .await?
}
