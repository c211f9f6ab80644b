//! `/graph/{host}/{graph}`: day, week, month and year, the numbers of each, every field with its thresholds and
//! explanations; with `start` and `end` also a stretch of one's own.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::graph::Field;
use ravenry_plugins::timestamp::Timestamp;

use crate::api::graph;
use crate::drawing::{self, LegendRow};
use crate::live;
use crate::pages::frame::Frame;
use crate::pages::show;
use crate::parameter::{Parameters, Segments};
use crate::period::{Period, Stretch};
use crate::picture;
use crate::refusal::Refusal;
use crate::shot::{Shot, Size};
use crate::site::Site;
use crate::source::{CheckView, GraphDetail, Source};

#[derive(Template)]
#[template(path = "graph.html")]
struct GraphPage {
    frame: Frame,
    graph: GraphDetail,
    own: Option<Own>,
    /// Stretches up to now that are a link away.
    zooms: [(&'static str, u32); 4],
    shots: Vec<Shot>,
    legend: Vec<LegendRow>,
    fields: Vec<FieldRow>,
}

struct FieldRow {
    field: Field,
    kind: &'static str,
    check: Option<CheckView>,
}

/// The picture of a stretch of one's own.
struct Own {
    stem: String,
    start: Timestamp,
    end: Timestamp,
    size: Size,
    words: String,
    zone: String,
    row: Timestamp,
}

impl Own {
    fn of(detail: &GraphDetail, stretch: &Stretch, frame: &Frame) -> Self {
        Self {
            stem: format!("/graph/{}/{}/range", detail.host, detail.graph.name),
            start: stretch.start,
            end: stretch.end,
            size: Size {
                width: 1240,
                height: 340,
            },
            words: show::duration(stretch.end.since(stretch.start).as_secs_f64()),
            zone: show::path_segment(frame.zone.name()),
            row: stretch.last_row.unwrap_or_default(),
        }
    }

    fn address(&self) -> String {
        let Size { width, height } = self.size;
        let (start, end) = (self.start.seconds(), self.end.seconds());
        format!(
            "{}.svg?start={start}&end={end}&row={}&tz={}&theme=auto&legend=no&width={width}&height={height}",
            self.stem, self.row, self.zone
        )
    }

    fn file(&self, extension: &str) -> String {
        let (start, end) = (self.start.seconds(), self.end.seconds());
        format!("{}.{extension}?start={start}&end={end}", self.stem)
    }
}

/// Answers `/graph/{host}/{graph}`.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    segments: Segments,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let (host, name) = segments.graph()?;
    let frame = Frame::without_counts(&site, site.viewer_zone(&headers), "");
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
        let own = picture::range(&mut parameters, &graph, now)?;
        parameters.finish("start or end")?;
        let frame = frame.with_counts(source);
        let periods = Period::of_graph(graph.is_young(now));
        Ok(Self {
            own: own.map(|stretch| Own::of(&graph, &stretch, &frame)),
            zooms: [
                ("hour", 3600),
                ("3 hours", 3 * 3600),
                ("6 hours", 6 * 3600),
                ("12 hours", 12 * 3600),
            ],
            shots: periods
                .iter()
                .map(|period| Shot::of(&graph, *period, frame.zone, now, Shot::LARGE))
                .collect(),
            legend: drawing::legend(source, &graph, periods, now),
            fields: fields(&graph),
            frame,
            graph,
        })
    }
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
