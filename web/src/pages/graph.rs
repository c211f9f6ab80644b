//! `/graph/{host}/{graph}`: day, week, month and year, the numbers of each, every field with its thresholds and
//! explanations; with `start` and `end` first a stretch of one's own; with `hide` without some fields; with `earlier`,
//! `trend` and the like with more beside the numbers; with `field`, `warning`, `critical` and `for` a threshold is tried.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::graph::Field;
use ravenry_plugins::name::FieldName;

use crate::api::graph;
use crate::choice::Choice;
use crate::drawing::{self, LegendRow};
use crate::live;
use crate::pages::address::Address;
use crate::pages::beside::BesideLine;
use crate::pages::frame::{Frame, Viewer};
use crate::pages::show;
use crate::pages::time::TimeLine;
use crate::pages::tries::Tries;
use crate::parameter::{Parameters, Segments};
use crate::period::{Period, Stretch};
use crate::picture;
use crate::refusal::Refusal;
use crate::shot::Shot;
use crate::site::Site;
use crate::source::{CheckView, GraphDetail, Happening, Source};
use crate::span::Span;
use crate::trial::Trial;

#[derive(Template)]
#[template(path = "graph.html")]
struct GraphPage {
    frame: Frame,
    time: TimeLine,
    beside: BesideLine,
    graph: GraphDetail,
    own: Option<Shot>,
    shots: Vec<Shot>,
    /// The heads of the legend's columns, and the numbers below each.
    columns: Vec<String>,
    numbers: Vec<&'static str>,
    legend: Vec<Entry>,
    /// The address on which all fields are shown, when some are not.
    all: Option<String>,
    fields: Vec<FieldRow>,
    tries: Tries,
    happenings: Vec<Happening>,
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
    /// The page on which its thresholds are tried.
    try_it: String,
}

/// So many of the newest events are listed.
const HAPPENINGS_SHOWN: usize = 20;

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
        let choice = Choice::take(&mut parameters, Period::Year.span())?;
        let trial = Trial::take(&mut parameters)?;
        let (choices, tries) = (Choice::PARAMETERS, Trial::PARAMETERS);
        parameters.finish(&format!("start, end, hide, {choices}, {tries}"))?;
        if let Some(trial) = &trial {
            trial.on(&graph.graph)?;
        }
        let frame = frame.with_counts(source);
        let periods = Period::of_graph(graph.is_young(now));
        let hide = joined(hidden.iter());
        let here = Address::default()
            .with_all(span.iter().flat_map(Span::pairs))
            .with("hide", hide.clone())
            .with_all(choice.pairs())
            .with_all(trial.iter().flat_map(Trial::pairs));
        let dressed = |shot: Shot| shot.beside(&choice).hiding(&hide).trying(trial.as_ref());
        let own = span.map(|span| dressed(Shot::over(&graph, &span, frame.zone, now, Shot::OWN)));
        let shot = |period: &Period| Shot::of(&graph, *period, frame.zone, now, Shot::LARGE);
        let shots: Vec<Shot> = periods.iter().map(|period| dressed(shot(period))).collect();
        let columns: Vec<String> = own
            .iter()
            .chain(&shots)
            .map(|shot| shot.period.clone())
            .collect();
        let own_stretch = span.map(|span| {
            let (start, end) = span.for_graph(&graph);
            Stretch::of_times(start, end, graph.step, graph.last_update, now)
        });
        let of_period =
            |period: &Period| Stretch::of_period(*period, graph.step, graph.last_update, now);
        let stretches = own_stretch.into_iter().chain(periods.iter().map(of_period));
        let stretches: Vec<Stretch> = stretches.collect();
        let billing = choice.billing.unwrap_or(graph.graph.sums);
        let rows = drawing::legend(source, &graph, &stretches, billing);
        let mut happenings = source.happenings(&graph);
        happenings.sort_by_key(|happening| std::cmp::Reverse(happening.start));
        happenings.truncate(HAPPENINGS_SHOWN);
        Ok(Self {
            numbers: drawing::columns(billing),
            legend: entries(rows, &hidden, &here),
            all: (!hidden.is_empty()).then(|| here.without(&["hide"]).to_string()),
            time: TimeLine::of(span, &here, &frame, now),
            beside: BesideLine::of(&choice, &here, graph.graph.sums),
            fields: fields(&graph, &here),
            tries: Tries::of(
                source,
                &graph,
                trial.as_ref(),
                &here,
                (&columns, &stretches),
            ),
            columns,
            own,
            shots,
            happenings,
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
fn entries(rows: Vec<LegendRow>, hidden: &[FieldName], here: &Address) -> Vec<Entry> {
    let names = rows.iter().filter(|row| !row.is_mirrored);
    let drawn: Vec<FieldName> = names.filter_map(|row| row.field.clone()).collect();
    let page = |hidden: String| here.with("hide", hidden).to_string();
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

fn fields(detail: &GraphDetail, here: &Address) -> Vec<FieldRow> {
    let graph = &detail.graph;
    let try_it = |field: &Field| {
        let trial = Trial {
            field: field.name.clone(),
            warning: field.warning,
            critical: field.critical,
            held: Duration::ZERO,
        };
        format!("{}#try", here.with_all(trial.pairs()))
    };
    graph
        .fields
        .iter()
        .map(|field| FieldRow {
            kind: graph::kind_word(field.kind),
            check: live::check_of(&detail.checks, &field.name).cloned(),
            try_it: try_it(field),
            field: field.clone(),
        })
        .collect()
}
