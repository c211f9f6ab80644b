//! `/graph/{host}/{graph}`: day, week, month and year, the numbers of each, every field with its thresholds and
//! explanations; with `start` and `end` first a stretch of one's own; with `hide` without some fields.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::graph::Field;
use ravenry_plugins::name::FieldName;

use crate::api::graph;
use crate::drawing::{self, LegendRow};
use crate::live;
use crate::pages::frame::{Frame, Viewer};
use crate::pages::show;
use crate::pages::time::{self, TimeLine};
use crate::parameter::{Parameters, Segments};
use crate::period::{Period, Stretch};
use crate::picture;
use crate::refusal::Refusal;
use crate::shot::Shot;
use crate::site::Site;
use crate::source::{CheckView, GraphDetail, Source};
use crate::span::Span;

#[derive(Template)]
#[template(path = "graph.html")]
struct GraphPage {
    frame: Frame,
    time: TimeLine,
    graph: GraphDetail,
    own: Option<Shot>,
    shots: Vec<Shot>,
    /// The heads of the legend's columns.
    columns: Vec<String>,
    legend: Vec<Entry>,
    /// The address on which all fields are shown, when some are not.
    all: Option<String>,
    fields: Vec<FieldRow>,
}

/// A row of the legend, by which a field is shown or not.
struct Entry {
    row: LegendRow,
    hidden: bool,
    /// The page with this field the other way.
    toggle: Option<String>,
    /// The page with this field alone.
    alone: Option<String>,
}

struct FieldRow {
    field: Field,
    kind: &'static str,
    check: Option<CheckView>,
}

/// Answers `/graph/{host}/{graph}`.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
    segments: Segments,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let (host, name) = segments.graph()?;
    let frame = Frame::without_counts(&site, viewer.zone, "").seen_by(&viewer);
    site.ask(move |source| {
        let detail = graph::find(source, &host, &name)?;
        let page = GraphPage::of(source, frame, detail, parameters)?;
        super::answer(&headers, &page)
    })
    .await?
}

impl GraphPage {
    fn of(
        source: &dyn Source,
        frame: Frame,
        graph: GraphDetail,
        mut parameters: Parameters,
    ) -> Result<Self, Refusal> {
        let now = source.now();
        let span = Span::take(&mut parameters, now, frame.zone)?;
        let hidden = picture::hidden(&mut parameters)?;
        parameters.finish("start, end or hide")?;
        let frame = frame.with_counts(source);
        let periods = Period::of_graph(graph.is_young(now));
        let hide = joined(hidden.iter());
        let keep = match hide.as_str() {
            "" => Vec::new(),
            hide => vec![("hide", hide.to_owned())],
        };
        let own =
            span.map(|span| Shot::over(&graph, &span, frame.zone, now, Shot::OWN).hiding(&hide));
        let shots: Vec<Shot> = periods
            .iter()
            .map(|period| Shot::of(&graph, *period, frame.zone, now, Shot::LARGE).hiding(&hide))
            .collect();
        let own_stretch = span.map(|span| {
            let (start, end) = span.for_graph(&graph);
            Stretch::of_times(start, end, graph.step, graph.last_update, now)
        });
        let stretches: Vec<Stretch> = own_stretch
            .into_iter()
            .chain(
                periods
                    .iter()
                    .map(|period| Stretch::of_period(*period, graph.step, graph.last_update, now)),
            )
            .collect();
        let time = span.map_or_else(String::new, |span| span.query());
        Ok(Self {
            columns: own
                .iter()
                .chain(&shots)
                .map(|shot| shot.period.clone())
                .collect(),
            legend: entries(drawing::legend(source, &graph, &stretches), &hidden, &time),
            all: (!hidden.is_empty()).then(|| time::address(std::slice::from_ref(&time))),
            time: TimeLine::of(span, keep, &frame, now),
            own,
            shots,
            fields: fields(&graph),
            frame,
            graph,
        })
    }
}

fn joined<'a>(names: impl Iterator<Item = &'a FieldName>) -> String {
    names
        .map(FieldName::as_str)
        .collect::<Vec<&str>>()
        .join(",")
}

/// The rows with their links; fields come and go with those that mirror them, and the total stays.
fn entries(rows: Vec<LegendRow>, hidden: &[FieldName], time: &str) -> Vec<Entry> {
    let names = rows.iter().filter(|row| !row.is_mirrored);
    let drawn: Vec<FieldName> = names.filter_map(|row| row.field.clone()).collect();
    let page = |hidden: String| {
        let hide = match hidden.as_str() {
            "" => String::new(),
            names => format!("hide={}", show::path_segment(names)),
        };
        time::address(&[time.to_owned(), hide])
    };
    let mut before = false;
    let mut entries = Vec::new();
    for row in rows {
        let field = row.field.clone().filter(|_| !row.is_mirrored);
        let is_hidden = match &field {
            Some(field) => hidden.contains(field),
            None => before && row.is_mirrored,
        };
        before = is_hidden;
        let others = |field: &FieldName| {
            let without = |names: &[FieldName]| joined(names.iter().filter(|name| *name != field));
            let toggled = if is_hidden {
                without(hidden)
            } else {
                joined(hidden.iter().chain([field]))
            };
            [toggled, without(&drawn)].map(page)
        };
        let links = field.as_ref().filter(|_| drawn.len() > 1).map(others);
        let [toggle, alone] = links.map_or([None, None], |links| links.map(Some));
        entries.push(Entry {
            row,
            hidden: is_hidden,
            toggle,
            alone,
        });
    }
    entries
}

fn fields(detail: &GraphDetail) -> Vec<FieldRow> {
    let graph = &detail.graph;
    graph
        .fields
        .iter()
        .map(|field| FieldRow {
            kind: graph::kind_word(field.kind),
            check: live::check_of(&detail.checks, &field.name).cloned(),
            field: field.clone(),
        })
        .collect()
}
