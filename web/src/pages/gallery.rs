//! `/category/{category}`: the graphs of a category on all hosts. `/compare/{graph}`: one graph on all hosts that have it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::name::GraphName;

use crate::choice::Choice;
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
use crate::source::{GraphDetail, Source};
use crate::span::Span;

/// Graphs on one page; it says how many more there are.
const GRAPHS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "gallery.html")]
struct Gallery {
    frame: Frame,
    time: TimeLine,
    beside: BesideLine,
    /// What the addresses of its graphs say, too.
    query: String,
    title: String,
    /// This page's path, for the links to its other periods.
    path: String,
    period: &'static str,
    periods: [&'static str; 5],
    cards: Vec<Card>,
    hidden: usize,
}

struct Card {
    graph: GraphDetail,
    shot: Shot,
}

/// Which graphs are wanted.
enum Wanted {
    Category(String),
    Graph(GraphName),
}

impl Wanted {
    fn title(&self) -> String {
        match self {
            Self::Category(category) => category.clone(),
            Self::Graph(graph) => graph.to_string(),
        }
    }

    fn path(&self, segment: &str) -> String {
        match self {
            Self::Category(_) => format!("/category/{segment}"),
            Self::Graph(graph) => format!("/compare/{graph}"),
        }
    }

    fn none(&self) -> Refusal {
        Refusal::NothingStored(match self {
            Self::Category(category) => format!("no category {category:?}: no graph is in it"),
            Self::Graph(graph) => format!("no graph \"{graph}\" on any host"),
        })
    }

    fn graphs(&self, source: &dyn Source) -> Vec<GraphDetail> {
        let hosts = source.hosts();
        match self {
            Self::Category(category) => hosts
                .iter()
                .filter_map(|host| source.host(&host.name))
                .flat_map(|host| host.graphs)
                .filter(|detail| detail.graph.draws && detail.graph.category == *category)
                .collect(),
            Self::Graph(graph) => hosts
                .iter()
                .filter_map(|host| source.graph(&host.name, graph))
                .collect(),
        }
    }
}

/// Answers `/category/{category}`.
pub(crate) async fn category(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
    segments: Segments,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let category = segments.text("category").to_owned();
    answer(
        site,
        viewer,
        headers,
        Wanted::Category(category),
        parameters,
    )
    .await
}

/// Answers `/compare/{graph}`.
pub(crate) async fn compare(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
    segments: Segments,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let text = segments.text("graph");
    let graph = GraphName::new(text).map_err(|_| {
        let name: String = text.chars().take(80).collect();
        Refusal::NothingStored(format!("no graph {name:?} on any host"))
    })?;
    answer(site, viewer, headers, Wanted::Graph(graph), parameters).await
}

async fn answer(
    site: Arc<Site>,
    viewer: Viewer,
    headers: HeaderMap,
    wanted: Wanted,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let period = parameters
        .take("period", "hour, day, week, month or year", Period::parse)?
        .unwrap_or(Period::Day);
    let frame = Frame::without_counts(&site, viewer.zone, "").seen_by(&viewer);
    site.ask(move |source| {
        let now = source.now();
        let span = Span::take(&mut parameters, now, frame.zone)?;
        let choice = Choice::take(&mut parameters, Period::Year.span())?;
        parameters.finish(&format!("period, start, end, {}", Choice::PARAMETERS))?;
        let page = Gallery::of(source, frame, &wanted, (period, span, choice))?;
        super::answer(&headers, &page)
    })
    .await?
}

impl Gallery {
    fn of(
        source: &dyn Source,
        frame: Frame,
        wanted: &Wanted,
        (period, span, choice): (Period, Option<Span>, Choice),
    ) -> Result<Self, Refusal> {
        let mut graphs = wanted.graphs(source);
        if graphs.is_empty() {
            return Err(wanted.none());
        }
        let hidden = graphs.len().saturating_sub(GRAPHS_MAX);
        graphs.truncate(GRAPHS_MAX);
        let (zone, now) = (frame.zone, source.now());
        let segment = show::path_segment(&wanted.title());
        let own = Address::default()
            .with_all(span.iter().flat_map(Span::pairs))
            .with_all(choice.pairs());
        let here = match span {
            Some(_) => own.clone(),
            None => Address::default()
                .with("period", period.as_str())
                .with_all(choice.pairs()),
        };
        Ok(Self {
            time: TimeLine::of(span, &own, &frame, now),
            beside: BesideLine::of(&choice, &here, false),
            query: if own.is_empty() {
                String::new()
            } else {
                own.to_string()
            },
            frame: frame.with_counts(source),
            title: wanted.title(),
            path: wanted.path(&segment),
            period: period.as_str(),
            periods: Period::ALL.map(Period::as_str),
            cards: graphs
                .into_iter()
                .map(|graph| Card {
                    shot: match span {
                        Some(span) => Shot::over(&graph, &span, zone, now, Shot::CARD),
                        None => Shot::of(&graph, period, zone, now, Shot::CARD),
                    }
                    .beside(&choice),
                    graph,
                })
                .collect(),
            hidden,
        })
    }
}
