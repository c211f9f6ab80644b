//! `/over/{graph}/{field}`: one field over the hosts of a group, or over all: stacked, as lines, as a sum, as a mean, or
//! each in a picture of its own, the greatest first.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono_tz::Tz;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::name::{FieldName, GraphName, GroupName, HostName};
use ravenry_plugins::timestamp::Timestamp;

use crate::choice::Choice;
use crate::combined::{Combined, Form};
use crate::graph;
use crate::pages::address::Address;
use crate::pages::beside::BesideLine;
use crate::pages::frame::{Frame, Viewer};
use crate::pages::show;
use crate::pages::time::{Step, TimeLine};
use crate::parameter::{Parameters, Segments};
use crate::period::Period;
use crate::picture;
use crate::refusal::Refusal;
use crate::shot::{Shot, Size};
use crate::site::Site;
use crate::source::{GraphDetail, Source};
use crate::span::Span;

/// Hosts in the table.
const ROWS_MAX: usize = 200;
/// Pictures of a host each.
const CARDS_MAX: usize = 100;

#[derive(Template)]
#[template(path = "over.html")]
struct OverPage {
    frame: Frame,
    time: TimeLine,
    beside: BesideLine,
    title: String,
    /// Empty for all hosts.
    group: String,
    forms: Vec<Step>,
    fields: Vec<(String, String, bool)>,
    shots: Vec<Shot>,
    cards: Vec<Card>,
    rows: Vec<Row>,
    hosts: usize,
}

/// A host's own picture.
struct Card {
    graph: GraphDetail,
    shot: Shot,
}

struct Row {
    host: String,
    path: String,
    text: String,
}

/// Answers it.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    viewer: Viewer,
    headers: HeaderMap,
    segments: Segments,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let (graph, field) = segments.series()?;
    let frame = Frame::without_counts(&site, viewer.zone, "").seen_by(&viewer);
    site.ask(move |source| {
        let span = Span::take(&mut parameters, source.now(), frame.zone)?;
        let choice = Choice::take(&mut parameters, Period::Year.span())?;
        let group = picture::take_group(&mut parameters)?;
        let expected = "stack, lines, sum, average or each";
        let form = parameters.take("as", expected, |text| match text {
            "each" => Some(None),
            text => Form::parse(text).map(Some),
        })?;
        let choices = Choice::PARAMETERS;
        parameters.finish(&format!("group, as, start, end, {choices}"))?;
        let asked = Asked {
            graph,
            field,
            group,
            form: form.unwrap_or(Some(Form::Stack)),
            span,
            choice,
        };
        let page = OverPage::of(source, frame, &asked)?;
        super::answer(&headers, &page)
    })
    .await?
}

/// What the address says.
struct Asked {
    graph: GraphName,
    field: FieldName,
    group: Option<GroupName>,
    /// None is each host by itself.
    form: Option<Form>,
    span: Option<Span>,
    choice: Choice,
}

impl Asked {
    fn path(&self) -> String {
        format!("/over/{}/{}", self.graph, self.field)
    }

    fn form_name(&self) -> &'static str {
        self.form.map_or("each", Form::as_str)
    }

    fn shot(
        &self,
        detail: &GraphDetail,
        period: Period,
        (zone, now): (Tz, Timestamp),
        size: Size,
    ) -> Shot {
        match self.span {
            Some(span) => Shot::over(detail, &span, zone, now, size),
            None => Shot::of(detail, period, zone, now, size),
        }
    }

    fn here(&self) -> Address {
        let group = self
            .group
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        Address::default()
            .with_all(self.span.iter().flat_map(Span::pairs))
            .with("group", group)
            .with("as", self.form_name())
            .with_all(self.choice.pairs())
    }
}

impl OverPage {
    fn of(source: &dyn Source, frame: Frame, asked: &Asked) -> Result<Self, Refusal> {
        let (now, zone) = (source.now(), frame.zone);
        let of = (&asked.graph, &asked.field);
        let form = asked.form.unwrap_or(Form::Sum);
        let combined = Combined::of(source, of, asked.group.as_ref(), form)?;
        let here = asked.here();
        let own = here.without(&["start", "end"]).without(&CHOICES);
        let periods = match (asked.form, asked.span) {
            (None, _) => &[][..],
            (Some(_), Some(_)) => &[Period::Day][..],
            (Some(_), None) => Period::of_graph(false),
        };
        let size = if asked.span.is_some() {
            Shot::OWN
        } else {
            Shot::LARGE
        };
        let title = &combined.detail.graph.title;
        let shots = periods.iter().map(|period| {
            asked
                .shot(&combined.detail, *period, (zone, now), size)
                .at(&asked.path(), title, own.pairs())
                .beside(&asked.choice)
        });
        let member = |host| source.graph(host, &asked.graph);
        let first = combined.hosts.iter().find_map(|(host, _)| member(host));
        let rows = combined
            .hosts
            .iter()
            .take(ROWS_MAX)
            .map(|(host, value)| Row {
                host: host.to_string(),
                path: format!("/graph/{host}/{}", asked.graph),
                text: reading(first.as_ref(), &asked.field, *value),
            });
        let steps = ["stack", "lines", "sum", "average", "each"].map(|word| Step {
            word,
            name: "as",
            address: Some(here.with("as", word).to_string()),
            current: word == asked.form_name(),
        });
        let query = here.to_string();
        let fields = first
            .iter()
            .flat_map(|detail| &detail.graph.fields)
            .map(|field| {
                let address = format!("/over/{}/{}{query}", asked.graph, field.name);
                (address, field.label.clone(), field.name == asked.field)
            });
        Ok(Self {
            title: title.clone(),
            group: asked
                .group
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            forms: steps.to_vec(),
            fields: fields.collect(),
            shots: shots.collect(),
            cards: cards(source, &combined, asked, (zone, now)),
            rows: rows.collect(),
            hosts: combined.hosts.len(),
            time: TimeLine::of(asked.span, &here, &frame, now),
            beside: BesideLine::of(&asked.choice, &here, false),
            frame: frame.with_counts(source),
        })
    }
}

/// Each host's own picture of the field alone, where that is asked for.
fn cards(
    source: &dyn Source,
    combined: &Combined,
    asked: &Asked,
    when: (Tz, Timestamp),
) -> Vec<Card> {
    let cards_max = if asked.form.is_none() { CARDS_MAX } else { 0 };
    let card = |(host, _): &(HostName, Option<f64>)| {
        let graph = source.graph(host, &asked.graph)?;
        let fields = graph.graph.fields.iter();
        let others = fields.filter(|field| field.name != asked.field);
        let others: Vec<&str> = others.map(|field| field.name.as_str()).collect();
        let shot = asked.shot(&graph, Period::Day, when, Shot::CARD);
        let shot = shot.beside(&asked.choice).hiding(&others.join(","));
        Some(Card { graph, shot })
    };
    combined
        .hosts
        .iter()
        .take(cards_max)
        .filter_map(card)
        .collect()
}

/// What is no part of a picture's own address: it is put there as far as the picture has room for it.
const CHOICES: [&str; 5] = ["band", "earlier", "trend", "forecast", "billing"];

/// A reading as its graph shows it.
pub(crate) fn reading(like: Option<&GraphDetail>, field: &FieldName, value: Option<f64>) -> String {
    let known = value.filter(|value| !value.is_nan());
    let shown = known.map(|value| {
        let graph = like.map(|detail| &detail.graph);
        let field = graph.and_then(|graph| Some((graph, graph.field(field.as_str())?)));
        match field {
            Some((graph, field)) => graph::shown_reading(graph, field, value),
            None => show::number(value),
        }
    });
    shown.unwrap_or_else(|| "–".to_owned())
}
