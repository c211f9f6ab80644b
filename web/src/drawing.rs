//! From a graph and a stretch of time to a picture or the numbers beside it: asks for history and hands it to [`graph`].
//!
//! A graph that has been declared and not stored yet is drawn empty; one whose file cannot be read is an error.

use std::io::Write;
use std::time::Duration;

use chrono_tz::Tz;
use flate2::Compression;
use flate2::write::GzEncoder;
use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_plugins::timestamp::Timestamp;

use crate::answer::Encoded;
use crate::choice::{Ago, Choice};
use crate::graph::{
    self, Earlier, Event, Input, Legend, Model, Options, Paint, Readout, Scale, Side,
    Size as DrawnSize, Theme, png, svg,
};
use crate::live;
use crate::period::{Period, Stretch};
use crate::picture::{self, Format, Wanted};
use crate::refusal::Refusal;
use crate::shot::Size;
use crate::source::{Consolidation, FetchError, GraphDetail, History, Query, Source};

/// What the reader chose.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// Of the whole picture; without it the plot has the graph's own size or Munin's, and the rest comes around it.
    pub(crate) size: Option<Size>,
    pub(crate) scale: Scale,
    pub(crate) theme: Theme,
    pub(crate) zone: Tz,
    pub(crate) legend: bool,
    pub(crate) hidden: Vec<FieldName>,
    /// The lines alone.
    pub(crate) sparkline: bool,
    pub(crate) title_suffix: Option<&'static str>,
    pub(crate) choice: Choice,
}

/// The picture. SVG is kept compressed too, so that it is compressed once.
pub(crate) fn draw(source: &dyn Source, wanted: &Wanted) -> Result<Encoded, Refusal> {
    let histories = Histories::of_picture(source, wanted)?;
    let options = options(wanted);
    let model = if wanted.look.sparkline {
        Model::sparkline(&histories.input(&wanted.detail), &options)
    } else {
        histories.model(&wanted.detail, &options)
    };
    match wanted.format {
        Format::Png => Ok(Encoded::plain(png(&model))),
        Format::Svg => {
            let text = svg(&model);
            let mut gzip = GzEncoder::new(Vec::new(), Compression::new(4));
            let written = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish());
            Ok(Encoded {
                plain: text.into(),
                gzip: written.ok().map(Into::into),
            })
        }
        Format::Csv | Format::Json | Format::Values => {
            Err(Refusal::Broken("a table is not drawn".to_owned()))
        }
    }
}

/// What is drawn, as numbers.
pub(crate) fn readout(source: &dyn Source, wanted: &Wanted) -> Result<Readout, Refusal> {
    // All that the picture is made of: its axes, and so the place of its plot, depend on it.
    let histories = Histories::of_picture(source, wanted)?;
    let options = options(wanted);
    let input = histories.input(&wanted.detail);
    let model = Model::resolve(&input, &options);
    Ok(graph::readout(&model, &input, &options))
}

/// The last day of a graph as a PNG, for a mail: with its legend, in the light theme, sharp on a phone. Nothing when there is
/// no such graph or its history cannot be read.
#[must_use]
pub fn day_picture(source: &dyn Source, host: &HostName, graph: &GraphName) -> Option<Vec<u8>> {
    let detail = source.graph(host, graph)?;
    let now = source.now();
    let stretch = Stretch::of_period(Period::Day, detail.step, detail.last_update, now);
    let wanted = Wanted {
        events: picture::events(&source.happenings(&detail), &stretch),
        trial: None,
        combined: None,
        detail,
        stretch,
        format: Format::Png,
        look: Look {
            size: None,
            scale: Scale::Two,
            theme: Theme::Light,
            zone: Tz::UTC,
            legend: true,
            hidden: Vec::new(),
            sparkline: false,
            title_suffix: Some(Period::Day.by()),
            choice: Choice::default(),
        },
    };
    draw(source, &wanted).ok().map(|file| file.plain.to_vec())
}

fn options(wanted: &Wanted) -> Options {
    let (look, graph) = (&wanted.look, &wanted.detail.graph);
    let plot = |own: Option<u32>, munins: u32| own.unwrap_or(munins);
    Options {
        size: match look.size {
            Some(Size { width, height }) => DrawnSize::Picture(width, height),
            None => DrawnSize::Plot(plot(graph.width, 400), plot(graph.height, 175)),
        },
        scale: look.scale,
        theme: look.theme,
        zone: look.zone,
        title_suffix: look.title_suffix.map(str::to_owned),
        legend: look.legend,
        band: look.choice.band.unwrap_or(true),
        trend: look.choice.trend,
        forecast: look.choice.forecast,
        billing: look.choice.billing.unwrap_or(graph.sums),
        hidden: look.hidden.clone(),
        ..Options::new(wanted.stretch.start, wanted.stretch.end)
    }
}

/// The same question about an earlier time; there is none before 1970.
pub(crate) fn earlier(query: Query, ago: Ago) -> Query {
    let start = (query.start - ago.span()).max(Timestamp::EPOCH);
    Query {
        start,
        end: (query.end - ago.span()).max(start + query.resolution),
        ..query
    }
}

/// What a picture is made of.
struct Histories {
    average: History,
    min: Option<History>,
    max: Option<History>,
    earlier: Option<(Ago, History)>,
    events: Vec<Event>,
}

impl Histories {
    fn of_picture(source: &dyn Source, wanted: &Wanted) -> Result<Self, Refusal> {
        let (detail, look) = (&wanted.detail, &wanted.look);
        // Rows of one reading are their own least and greatest.
        let band = look.choice.band.unwrap_or(true) && wanted.stretch.resolution > detail.step;
        // The least of a sum is not the sum of the least.
        let extremes = (look.legend || band) && wanted.combined.is_none();
        let mut histories = Self::fetch(source, detail, &wanted.stretch, extremes)?;
        if let Some(ago) = look.choice.earlier {
            let query = earlier(wanted.query(Consolidation::Average), ago);
            histories.earlier = Some((ago, fetch(source, detail, &query)?));
        }
        histories.events.clone_from(&wanted.events);
        if let Some(trial) = &wanted.trial {
            histories.events.extend(trial.events(&histories.average));
        }
        Ok(histories)
    }

    fn fetch(
        source: &dyn Source,
        detail: &GraphDetail,
        stretch: &Stretch,
        extremes: bool,
    ) -> Result<Self, Refusal> {
        let fetch = |consolidation| {
            fetch(
                source,
                detail,
                &picture::query(detail, stretch, consolidation),
            )
        };
        let extreme = |consolidation| extremes.then(|| fetch(consolidation)).transpose();
        Ok(Self {
            average: fetch(Consolidation::Average)?,
            min: extreme(Consolidation::Min)?,
            max: extreme(Consolidation::Max)?,
            earlier: None,
            events: Vec::new(),
        })
    }

    fn input<'a>(&'a self, detail: &'a GraphDetail) -> Input<'a> {
        Input {
            graph: &detail.graph,
            average: &self.average,
            min: self.min.as_ref(),
            max: self.max.as_ref(),
            earlier: self.earlier.as_ref().map(|(ago, history)| Earlier {
                history,
                seconds: ago.seconds(),
                words: ago.words(),
            }),
            events: &self.events,
            last_update: detail.last_update,
        }
    }

    fn model(&self, detail: &GraphDetail, options: &Options) -> Model {
        Model::resolve(&self.input(detail), options)
    }
}

/// The history of a graph that exists. Without a row stored it is empty, which is not an error.
pub(crate) fn fetch(
    source: &dyn Source,
    detail: &GraphDetail,
    query: &Query,
) -> Result<History, Refusal> {
    match source.fetch(query) {
        Ok(history) => Ok(history),
        Err(FetchError::NotStored { .. }) => Ok(History {
            start: query.start,
            end: query.end,
            step: query.resolution,
            columns: detail
                .graph
                .fields
                .iter()
                .map(|field| (field.name.clone(), Vec::new()))
                .collect(),
        }),
        Err(error @ FetchError::Unreadable { .. }) => Err(Refusal::Unreadable(error.to_string())),
    }
}

/// The legend over the last readings alone, as if they were a row: labels, colours, and the numbers as the graph shows
/// them.
pub(crate) fn legend_of_latest(detail: &GraphDetail) -> Legend {
    let end = detail.last_update.unwrap_or_default();
    let step = Duration::from_secs(1);
    let average = History {
        start: end - step,
        end,
        step,
        columns: detail
            .latest
            .iter()
            .map(|latest| (latest.field.clone(), vec![latest.value.unwrap_or(f64::NAN)]))
            .collect(),
    };
    let histories = Histories {
        average,
        min: None,
        max: None,
        earlier: None,
        events: Vec::new(),
    };
    histories
        .model(detail, &Options::new(end - step, end))
        .legend
}

/// A line of the table of numbers.
pub(crate) struct LegendRow {
    /// None for the total.
    pub(crate) field: Option<FieldName>,
    /// It is drawn with the field before it, below zero.
    pub(crate) is_mirrored: bool,
    pub(crate) label: String,
    pub(crate) paint: Paint,
    pub(crate) now: String,
    /// [`columns`] of each stretch.
    pub(crate) periods: Vec<Vec<String>>,
}

/// The names of the numbers of a stretch.
pub(crate) fn columns(billing: bool) -> Vec<&'static str> {
    let more: &[&str] = if billing { &["95%", "total"] } else { &[] };
    ["min", "avg", "max"].iter().chain(more).copied().collect()
}

/// The table of numbers of `stretches`. What cannot be read has dashes; its picture says why.
pub(crate) fn legend(
    source: &dyn Source,
    detail: &GraphDetail,
    stretches: &[Stretch],
    billing: bool,
) -> Vec<LegendRow> {
    let legend_of = |stretch: &Stretch| {
        let options = Options {
            billing,
            ..Options::new(stretch.start, stretch.end)
        };
        let histories = Histories::fetch(source, detail, stretch, true).ok();
        histories.map(|histories| histories.model(detail, &options).legend)
    };
    let stretches: Vec<Option<Legend>> = stretches.iter().map(legend_of).collect();
    let latest = legend_of_latest(detail);
    latest
        .rows
        .iter()
        .enumerate()
        .map(|(i, row)| LegendRow {
            field: row.field.clone(),
            is_mirrored: row.side == Side::Down,
            label: live::label(row),
            paint: row.paint,
            now: live::text(row),
            periods: stretches
                .iter()
                .map(|legend| numbers(legend.as_ref(), i, billing))
                .collect(),
        })
        .collect()
}

fn numbers(legend: Option<&Legend>, row: usize, billing: bool) -> Vec<String> {
    match legend.and_then(|legend| legend.rows.get(row)) {
        // The first is the current one, which stands for all stretches.
        Some(row) => row.shown_cells().skip(1).map(ToString::to_string).collect(),
        None => vec!["–".to_owned(); columns(billing).len()],
    }
}
