//! `/graph/{host}/{graph}/{file}`: a graph as a file. `{file}` is `day`, `week`, `month`, `year` or `range` (with `start`
//! and `end`), and `.svg`, `.png`, `.csv` or `.json`; `.values.json` is what a picture of the same parameters shows, as
//! numbers beside the place of its plot, for those who point at it. A graph's name may hold `.`, `:` and `-`, but never `/`: the file is
//! a segment of its own, and no name is mistaken for another.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono_tz::Tz;
use ravenry_plugins::name::{FieldName, GroupName};
use ravenry_plugins::timestamp::Timestamp;
use serde::Serialize;

use crate::answer::{self, Encoded, Freshness};
use crate::api::{data, graph};
use crate::choice::Choice;
use crate::combined::{Combined, Form};
use crate::drawing::{self, Look};
use crate::etag::{Tag, TagMaker};
use crate::graph::{Event, Scale, Theme};
use crate::live;
use crate::parameter::{Parameters, Segments};
use crate::period::{Period, Stretch};
use crate::refusal::Refusal;
use crate::shot::Size;
use crate::site::Site;
use crate::source::{Consolidation, GraphDetail, Happening, Query, Source};
use crate::trial::Trial;

/// What a file's name ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    /// For browsers.
    Svg,
    /// For mail and wikis.
    Png,
    /// For spreadsheets.
    Csv,
    /// For programs.
    Json,
    /// For the script of the pages.
    Values,
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::Svg => "image/svg+xml",
            Self::Png => "image/png",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json | Self::Values => "application/json",
        }
    }
}

/// `day.svg` and the like; no period is a range of one's own.
fn parse_file(file: &str) -> Option<(Option<Period>, Format)> {
    let (name, extension) = file.split_once('.')?;
    let format = match extension {
        "svg" => Format::Svg,
        "png" => Format::Png,
        "csv" => Format::Csv,
        "json" => Format::Json,
        "values.json" => Format::Values,
        _ => return None,
    };
    match name {
        "range" => Some((None, format)),
        _ => Some((Some(Period::parse(name)?), format)),
    }
}

/// Answers it.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    segments: Segments,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let (host, name) = segments.graph()?;
    let find = move |source: &dyn Source, _: &mut Parameters| {
        Ok((graph::find(source, &host, &name)?, None))
    };
    respond(site, headers, segments, parameters, find).await
}

/// Answers `/over/{graph}/{field}/{file}`: the same of one field over many hosts.
pub(crate) async fn over(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    segments: Segments,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let of = segments.series()?;
    let find = move |source: &dyn Source, parameters: &mut Parameters| {
        let group = take_group(parameters)?;
        let form = parameters.take("as", "stack, lines, sum or average", Form::parse)?;
        let form = form.unwrap_or(Form::Stack);
        let combined = Combined::of(source, (&of.0, &of.1), group.as_ref(), form)?;
        Ok((combined.detail.clone(), Some(combined)))
    };
    respond(site, headers, segments, parameters, find).await
}

/// `group`; empty is all hosts.
pub(crate) fn take_group(parameters: &mut Parameters) -> Result<Option<GroupName>, Refusal> {
    let read = |text: &str| match text {
        "" => Some(None),
        text => GroupName::new(text).ok().map(Some),
    };
    let group = parameters.take("group", "the name of a group", read)?;
    Ok(group.flatten())
}

async fn respond(
    site: Arc<Site>,
    headers: HeaderMap,
    segments: Segments,
    mut parameters: Parameters,
    find: impl FnOnce(&dyn Source, &mut Parameters) -> Result<(GraphDetail, Option<Combined>), Refusal>
    + Send
    + 'static,
) -> Result<Response, Refusal> {
    let file = segments.text("file").to_owned();
    let Some((period, format)) = parse_file(&file) else {
        return Err(Refusal::NoPage(format!("no file {file:?} of a graph")));
    };
    let zone = site.options.zone;
    let wanted = site
        .ask(move |source| {
            let (detail, combined) = find(source, &mut parameters)?;
            Wanted::read(source, (detail, combined), period, format, parameters, zone)
        })
        .await??;
    let freshness = Freshness::For(wanted.stretch.fresh);
    let tag = wanted.tag();
    if let Some(response) = answer::not_modified(&headers, tag, freshness) {
        return Ok(response);
    }
    let file = match format {
        Format::Svg | Format::Png => {
            let draw = || async {
                site.ask(move |source| wanted.over(source, drawing::draw))
                    .await?
            };
            site.pictures.picture(tag, draw).await?
        }
        Format::Csv | Format::Json => site.ask(move |source| wanted.over(source, table)).await??,
        Format::Values => {
            site.ask(move |source| wanted.over(source, values))
                .await??
        }
    };
    Ok(answer::full(
        &headers,
        tag,
        freshness,
        format.content_type(),
        file,
    ))
}

/// Everything that a file depends on.
pub(crate) struct Wanted {
    pub(crate) detail: GraphDetail,
    pub(crate) stretch: Stretch,
    pub(crate) format: Format,
    pub(crate) look: Look,
    /// What happened in that time.
    pub(crate) events: Vec<Event>,
    /// What is tried on it; its thresholds are those of the graph.
    pub(crate) trial: Option<Trial>,
    /// What the graph is made of, where it is not one of a host.
    pub(crate) combined: Option<Combined>,
}

/// Pixels that a picture may have, as it is asked for.
const WIDTHS: (u32, u32) = (160, 4000);
const HEIGHTS: (u32, u32) = (80, 2000);
/// A sparkline may be smaller.
const SPARKLINE_LEAST: (u32, u32) = (20, 20);

impl Wanted {
    fn read(
        source: &dyn Source,
        (mut detail, combined): (GraphDetail, Option<Combined>),
        period: Option<Period>,
        format: Format,
        mut parameters: Parameters,
        zone: Tz,
    ) -> Result<Self, Refusal> {
        let now = source.now();
        let stretch = match period {
            Some(period) => Stretch::of_period(period, detail.step, detail.last_update, now),
            None => range(&mut parameters, &detail, now)?
                .ok_or_else(|| Refusal::parameter("start", "UTC seconds since 1970", ""))?,
        };
        let choice = Choice::take(&mut parameters, stretch.end.since(stretch.start))?;
        let look = match format {
            Format::Svg | Format::Png | Format::Values => {
                look(&mut parameters, format, period, zone)?
            }
            Format::Csv | Format::Json => Look::of_table(),
        };
        let look = Look { choice, ..look };
        let (events, trial) = match format {
            Format::Svg | Format::Png | Format::Values if combined.is_some() => (Vec::new(), None),
            Format::Svg | Format::Png | Format::Values => (
                events(&source.happenings(&detail), &stretch),
                Trial::take(&mut parameters)?,
            ),
            Format::Csv | Format::Json => (Vec::new(), None),
        };
        if let Some(trial) = &trial {
            detail.graph = Arc::new(trial.on(&detail.graph)?);
        }
        parameters.take("row", "any text", |_| Some(()))?;
        let time = if period.is_none() { "start, end, " } else { "" };
        let look_words = match format {
            Format::Svg | Format::Values => "form, width, height, theme, tz, legend, hide, ",
            Format::Png => "form, width, height, scale, theme, tz, legend, hide, ",
            Format::Csv | Format::Json => "",
        };
        let tries = match format {
            Format::Svg | Format::Values | Format::Png => Trial::PARAMETERS,
            Format::Csv | Format::Json => "",
        };
        let join = if tries.is_empty() { "" } else { ", " };
        let choices = Choice::PARAMETERS;
        parameters.finish(&format!("{time}{look_words}{choices}{join}{tries}"))?;
        Ok(Self {
            detail,
            stretch,
            format,
            look,
            events,
            trial,
            combined,
        })
    }

    /// Does `work` with the source that has the graph.
    fn over<T>(&self, source: &dyn Source, work: impl FnOnce(&dyn Source, &Self) -> T) -> T {
        match &self.combined {
            Some(combined) => work(&combined.over(source), self),
            None => work(source, self),
        }
    }

    fn tag(&self) -> Tag {
        let mut tag = TagMaker::new();
        tag.part(self.detail.host.as_str().as_bytes());
        tag.debug(&self.detail.graph);
        tag.debug(&(
            self.stretch.start,
            self.stretch.end,
            self.stretch.resolution,
        ));
        tag.debug(&(self.stretch.last_row, self.detail.step, self.format));
        tag.debug(&(&self.look, &self.events, &self.trial));
        tag.debug(&self.combined.as_ref().map(Combined::key));
        tag.finish()
    }

    pub(crate) fn query(&self, consolidation: Consolidation) -> Query {
        query(&self.detail, &self.stretch, consolidation)
    }
}

/// What of `happenings` a picture of `stretch` shows; what lasts does so to its end.
pub(crate) fn events(happenings: &[Happening], stretch: &Stretch) -> Vec<Event> {
    let event = |happening: &Happening| Event {
        start: happening.start,
        end: happening.end.unwrap_or(stretch.end).min(stretch.end),
        kind: happening.kind,
    };
    let events = happenings.iter().map(event);
    let mut events: Vec<Event> = events
        .filter(|event| event.start < stretch.end && event.end > stretch.start)
        .collect();
    events.sort_by_key(|event| (event.start, event.end));
    events
}

/// The question for the rows of a stretch.
pub(crate) fn query(
    detail: &GraphDetail,
    stretch: &Stretch,
    consolidation: Consolidation,
) -> Query {
    Query {
        host: detail.host.clone(),
        graph: detail.graph.name.clone(),
        start: stretch.start,
        end: stretch.end,
        resolution: stretch.resolution,
        consolidation,
    }
}

/// `start` and `end`, where there are any: the stretch between them, ending now when only `start` is given.
fn range(
    parameters: &mut Parameters,
    detail: &GraphDetail,
    now: Timestamp,
) -> Result<Option<Stretch>, Refusal> {
    let end = parameters.take_time("end", now)?;
    let Some(start) = parameters.take_time("start", now)? else {
        return match end {
            None => Ok(None),
            Some(_) => Err(Refusal::parameter(
                "start",
                "UTC seconds since 1970 beside end",
                "",
            )),
        };
    };
    let end = end.unwrap_or(now);
    if end.since(start) < detail.step {
        let expected = format!("a time at least {} s before end", detail.step.as_secs());
        return Err(Refusal::parameter("start", expected, &start.to_string()));
    }
    Ok(Some(Stretch::of_times(
        start,
        end,
        detail.step,
        detail.last_update,
        now,
    )))
}

impl Look {
    /// A table looks the same to everyone.
    fn of_table() -> Self {
        Self {
            size: None,
            scale: Scale::One,
            theme: Theme::Light,
            zone: Tz::UTC,
            legend: false,
            hidden: Vec::new(),
            sparkline: false,
            title_suffix: None,
            choice: Choice::default(),
        }
    }
}

fn look(
    parameters: &mut Parameters,
    format: Format,
    period: Option<Period>,
    zone: Tz,
) -> Result<Look, Refusal> {
    let theme = parameters.take("theme", "light, dark or auto", |text| match text {
        "light" => Some(Theme::Light),
        "dark" => Some(Theme::Dark),
        "auto" => Some(Theme::Auto),
        _ => None,
    })?;
    let scale = match format {
        Format::Png => parameters.take("scale", "1 or 2", |text| match text {
            "1" => Some(Scale::One),
            "2" => Some(Scale::Two),
            _ => None,
        })?,
        Format::Svg | Format::Csv | Format::Json | Format::Values => None,
    };
    let legend = parameters.take("legend", "yes or no", |text| match text {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    })?;
    let form = parameters.take("form", "picture or sparkline", |text| match text {
        "picture" => Some(false),
        "sparkline" => Some(true),
        _ => None,
    })?;
    let sparkline = form.unwrap_or(false);
    let own_zone = parameters.take("tz", "a time zone such as Europe/Berlin", |text| {
        text.parse().ok()
    })?;
    Ok(Look {
        size: size(parameters, sparkline)?,
        sparkline,
        scale: scale.unwrap_or_default(),
        theme: theme.unwrap_or_default(),
        zone: own_zone.unwrap_or(zone),
        legend: legend.unwrap_or(true),
        hidden: hidden(parameters)?,
        title_suffix: period.map(Period::by),
        choice: Choice::default(),
    })
}

/// `hide`: the fields that are left out.
pub(crate) fn hidden(parameters: &mut Parameters) -> Result<Vec<FieldName>, Refusal> {
    let names = |text: &str| {
        let names = text.split(',').filter(|name| !name.is_empty());
        names.map(|name| FieldName::new(name).ok()).collect()
    };
    let found = parameters.take("hide", "names of fields joined by ','", names)?;
    Ok(found.unwrap_or_default())
}

/// Both or neither: half a size would be a guess.
fn size(parameters: &mut Parameters, sparkline: bool) -> Result<Option<Size>, Refusal> {
    let least = if sparkline {
        SPARKLINE_LEAST
    } else {
        (WIDTHS.0, HEIGHTS.0)
    };
    let width = parameters.take_number("width", least.0, WIDTHS.1)?;
    let height = parameters.take_number("height", least.1, HEIGHTS.1)?;
    match (width, height) {
        (Some(width), Some(height)) => Ok(Some(Size { width, height })),
        (None, None) => Ok(None),
        (Some(width), None) => Err(Refusal::parameter(
            "height",
            "pixels beside width",
            &format!("width={width} alone"),
        )),
        (None, Some(height)) => Err(Refusal::parameter(
            "width",
            "pixels beside height",
            &format!("height={height} alone"),
        )),
    }
}

fn table(source: &dyn Source, wanted: &Wanted) -> Result<Encoded, Refusal> {
    let data = data::Data::fetch(
        source,
        &wanted.detail,
        wanted.query(Consolidation::Average),
        &wanted.look.choice,
    )?;
    if wanted.format == Format::Csv {
        return Ok(Encoded::plain(data.csv()));
    }
    let json = serde_json::to_vec(&data);
    Ok(Encoded::plain(
        json.map_err(|error| Refusal::Broken(error.to_string()))?,
    ))
}

/// What a picture shows at each of its moments.
#[derive(Serialize)]
struct Values {
    size: [u32; 2],
    /// Left, top, width, height of the plot in pixels.
    plot: Option<[u32; 4]>,
    /// The times at the plot's left and right edge.
    from: f64,
    to: f64,
    start: f64,
    step: f64,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    field: Option<FieldName>,
    label: String,
    light: String,
    dark: String,
    texts: Vec<Option<String>>,
}

fn values(source: &dyn Source, wanted: &Wanted) -> Result<Encoded, Refusal> {
    let readout = drawing::readout(source, wanted)?;
    let Stretch { start, end, .. } = wanted.stretch;
    let (from, to) = readout
        .plot
        .map_or_else(|| (start.seconds_f64(), end.seconds_f64()), |plot| plot.x);
    let values = Values {
        size: readout.size,
        plot: readout.plot.map(|plot| plot.area),
        from,
        to,
        start: readout.start,
        step: readout.step,
        lines: readout
            .lines
            .into_iter()
            .map(|line| Line {
                label: live::label(&line.row),
                light: line.row.paint.light.css(),
                dark: line.row.paint.dark.css(),
                field: line.row.field,
                texts: line.texts,
            })
            .collect(),
    };
    let json = serde_json::to_vec(&values);
    Ok(Encoded::plain(
        json.map_err(|error| Refusal::Broken(error.to_string()))?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_period_and_a_form() {
        let check = |file: &str, expect| assert_eq!(parse_file(file), expect, "{file}");
        check("day.svg", Some((Some(Period::Day), Format::Svg)));
        check("year.csv", Some((Some(Period::Year), Format::Csv)));
        check("range.json", Some((None, Format::Json)));
        check("day.values.json", Some((Some(Period::Day), Format::Values)));
        for file in [
            "day",
            "day.gif",
            "day.svg.gz",
            "decade.svg",
            ".svg",
            "svg",
            "",
        ] {
            check(file, None);
        }
    }
}
