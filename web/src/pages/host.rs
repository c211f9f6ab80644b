//! `/host/{host}`: what is wrong with it, all its graphs by category, day beside week beside the last readings, all its
//! checks, and how its plugins ran.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::timestamp::Timestamp;

use crate::choice::Choice;
use crate::live::{self, Live};
use crate::pages::address::Address;
use crate::pages::beside::BesideLine;
use crate::pages::frame::{Frame, Viewer};
use crate::pages::show;
use crate::pages::time::TimeLine;
use crate::parameter::{Parameters, Segments};
use crate::period::Period;
use crate::refusal::Refusal;
use crate::shot::Shot;
use crate::site::Site;
use crate::source::{CheckView, GraphDetail, HostDetail};
use crate::span::Span;

#[derive(Template)]
#[template(path = "host.html")]
struct HostPage {
    frame: Frame,
    time: TimeLine,
    beside: BesideLine,
    /// What the addresses of its graphs say, too.
    query: String,
    host: HostDetail,
    /// Checks that are not ok, worst first.
    wrong: Vec<CheckView>,
    categories: Vec<Category>,
    failing: usize,
}

struct Category {
    name: String,
    worst: Severity,
    panels: Vec<Panel>,
}

struct Panel {
    graph: GraphDetail,
    /// Two beside each other, or one over the stretch that was asked for.
    shots: Vec<Shot>,
    live: Vec<Live>,
}

/// Answers `/host/{host}`.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
    segments: Segments,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let name = segments.host()?;
    let frame = Frame::without_counts(&site, viewer.zone, "").seen_by(&viewer);
    site.ask(move |source| {
        let host = source
            .host(&name)
            .ok_or_else(|| Refusal::NoHost(name.to_string()))?;
        let now = source.now();
        let span = Span::take(&mut parameters, now, frame.zone)?;
        let choice = Choice::take(&mut parameters, Period::Year.span())?;
        parameters.finish(&format!("start, end, {}", Choice::PARAMETERS))?;
        let page = HostPage::of(host, frame.with_counts(source), (span, choice), now);
        super::answer(&headers, &page)
    })
    .await?
}

impl HostPage {
    fn of(
        mut host: HostDetail,
        frame: Frame,
        (span, choice): (Option<Span>, Choice),
        now: Timestamp,
    ) -> Self {
        let graphs = std::mem::take(&mut host.graphs);
        let mut wrong: Vec<CheckView> = host
            .checks
            .iter()
            .filter(|check| check.severity != Severity::Ok)
            .cloned()
            .collect();
        wrong.sort_by_key(|check| std::cmp::Reverse(check.severity));
        let here = Address::default()
            .with_all(span.iter().flat_map(Span::pairs))
            .with_all(choice.pairs());
        Self {
            categories: categories(graphs, &frame, (span, choice), now),
            time: TimeLine::of(span, &here, &frame, now),
            beside: BesideLine::of(&choice, &here, false),
            query: if here.is_empty() {
                String::new()
            } else {
                here.to_string()
            },
            failing: host.runs.iter().filter(|run| run.error.is_some()).count(),
            wrong,
            frame,
            host,
        }
    }
}

/// The graphs come sorted by category.
fn categories(
    graphs: Vec<GraphDetail>,
    frame: &Frame,
    (span, choice): (Option<Span>, Choice),
    now: Timestamp,
) -> Vec<Category> {
    let mut categories: Vec<Category> = Vec::new();
    for graph in graphs.into_iter().filter(|detail| detail.graph.draws) {
        let name = &graph.graph.category;
        if categories.last().is_none_or(|last| last.name != *name) {
            categories.push(Category {
                name: name.clone(),
                worst: Severity::Ok,
                panels: Vec::new(),
            });
        }
        if let Some(category) = categories.last_mut() {
            category.worst = category.worst.max(graph.worst());
            category.panels.push(Panel {
                shots: shots(&graph, frame, span, now)
                    .into_iter()
                    .map(|shot| shot.beside(&choice))
                    .collect(),
                live: live::readings(&graph),
                graph,
            });
        }
    }
    categories
}

fn shots(graph: &GraphDetail, frame: &Frame, span: Option<Span>, now: Timestamp) -> Vec<Shot> {
    match span {
        Some(span) => vec![Shot::over(graph, &span, frame.zone, now, Shot::WIDE)],
        None => Period::of_panel(graph.is_young(now))
            .map(|period| Shot::of(graph, period, frame.zone, now, Shot::PANEL))
            .to_vec(),
    }
}
