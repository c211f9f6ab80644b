//! What file a graph is kept in: its path, its archives, and a data source for each field. Pure.
//!
//! How much history a graph keeps is said, in this order, by a `[[layout]]` of the configuration that matches it, by the
//! plugin's own `graph_data_size` and `update_rate`, and by `[store]`. What a plugin asks for has a limit
//! (`store.series_bytes_max`), and no file is larger than [`FILE_SIZE_MAX`]: then the next in that order counts.

use std::path::PathBuf;
use std::time::Duration;

use ravenry_plugins::graph::{self, Graph};
use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_plugins::settings::duration_text;
use ravenry_rrd::UNKNOWN;
use ravenry_rrd::create::FILE_SIZE_MAX;
use ravenry_rrd::definition::{Archive, Cf, DataSource, Definition, Kind};
use ravenry_rrd::header::{self, Header};
use xxhash_rust::xxh3::xxh3_64;

use crate::config::layout::{Coarse, Custom, Fine, Layout, Layouts};

/// The step of a graph of which nobody says anything else.
pub const STEP: Duration = Duration::from_secs(60);
/// Munin's.
const MUNIN_STEP: Duration = Duration::from_secs(300);
/// Readings may be this far apart before the time between them is unknown, where nothing was declared.
const UNDECLARED_HEARTBEAT_SECONDS: u64 = 600;
/// A data source's name has at most this many characters.
const SOURCE_NAME_MAX: usize = 19;

/// No archive reaches back further: a thousand years.
const REACH_MAX: u64 = 1000 * 366 * DAY;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Seconds between rows, and how far back they reach.
type Tier = (u64, u64);

const STANDARD: [Tier; 4] = [
    (0, 36 * HOUR),
    (300, 8 * DAY),
    (1800, 35 * DAY),
    (6 * HOUR, 450 * DAY),
];
const MUNIN: [Tier; 4] = [
    (300, 2 * DAY),
    (1800, 9 * DAY),
    (2 * HOUR, 45 * DAY),
    (DAY, 450 * DAY),
];
const HUGE: [Tier; 1] = [(0, 400 * DAY)];

/// The file of a graph below the folder of all files. Both names have been checked: neither holds a `/`.
#[must_use]
pub fn path(host: &HostName, graph: &GraphName) -> PathBuf {
    PathBuf::from(host.as_str()).join(format!("{graph}.rrd"))
}

/// How often a graph is expected to have something new.
#[must_use]
pub fn interval(graph: &Graph) -> Duration {
    graph.update_rate.map_or(STEP, |rate| {
        Duration::from_secs(rate.as_secs().clamp(1, DAY))
    })
}

/// The rows of a graph's file, as many for each field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Seconds between two rows of the finest archive.
    pub step: u64,
    /// Steps of a row and rows of each archive, the finest first.
    pub tiers: Vec<(u64, u64)>,
    /// Whether single steps have archives of their least and greatest value too, although rrdtool needs none.
    pub is_munins: bool,
}

impl Shape {
    fn new(layout: &Layout, step: u64) -> Self {
        let by_reach = |tiers: &[Tier]| {
            let steps = |seconds: u64| seconds.div_ceil(step).max(1);
            let tier = |&(seconds, reach): &Tier| {
                let steps = steps(seconds);
                (steps, reach.div_ceil(steps * step))
            };
            tiers.iter().map(tier).collect()
        };
        let tiers = match layout {
            Layout::Standard => by_reach(&STANDARD),
            Layout::Munin => by_reach(&MUNIN),
            Layout::Huge => by_reach(&HUGE),
            Layout::Custom(custom) => custom_tiers(custom, step),
        };
        Self {
            step,
            tiers: merged(tiers),
            is_munins: *layout == Layout::Munin,
        }
    }

    /// The archives of a file.
    #[must_use]
    pub fn archives(&self) -> Vec<Archive> {
        let mut archives = Vec::with_capacity(3 * self.tiers.len());
        for cf in [Cf::Average, Cf::Min, Cf::Max] {
            for &(steps, rows) in &self.tiers {
                // The least and the greatest of a single step are its average, and rrdtool knows it.
                if steps > 1 || cf == Cf::Average || self.is_munins {
                    archives.push(Archive::plain(cf, 0.5, steps, rows));
                }
            }
        }
        archives
    }

    /// Whether a file has these rows.
    #[must_use]
    pub fn is_of(&self, header: &Header) -> bool {
        let archives = self.archives();
        let same = |(have, want): (&header::Archive, &Archive)| {
            have.cf == want.cf && have.steps == want.steps && have.rows == want.rows
        };
        header.step() == self.step
            && header.archives().len() == archives.len()
            && header.archives().iter().zip(&archives).all(same)
    }

    /// Seconds that the longest archive reaches back.
    fn reach(&self) -> u64 {
        let reach =
            |&(steps, rows): &(u64, u64)| self.step.saturating_mul(steps).saturating_mul(rows);
        self.tiers.iter().map(reach).max().unwrap_or(0)
    }

    /// Bytes that a field takes, without its part of the header.
    #[must_use]
    pub fn series_bytes(&self) -> u64 {
        let rows = self
            .archives()
            .iter()
            .map(|archive| archive.rows)
            .sum::<u64>();
        rows.saturating_mul(8)
    }
}

/// Rows in words: `1m for 36h, 5m for 8d`.
#[must_use]
pub fn rows_text(step: u64, tiers: impl Iterator<Item = (u64, u64)>) -> String {
    let mut seen: Vec<(u64, u64)> = tiers.collect();
    seen.sort_unstable();
    seen.dedup();
    let text = |(steps, rows): (u64, u64)| {
        let each = Duration::from_secs(step.saturating_mul(steps));
        let reach = Duration::from_secs(each.as_secs().saturating_mul(rows));
        format!("{} for {}", duration_text(each), duration_text(reach))
    };
    let texts: Vec<String> = seen.into_iter().map(text).collect();
    texts.join(", ")
}

fn custom_tiers(custom: &Custom, step: u64) -> Vec<(u64, u64)> {
    // A tenth more than a person asked for, as Munin does it: what is drawn ends before what is kept.
    let rows = |reach: Duration, steps: u64| {
        let rows = reach.as_secs().div_ceil(steps.saturating_mul(step));
        rows.saturating_add(rows.div_ceil(10)).max(1)
    };
    let fine = match custom.fine {
        Fine::Rows(rows) => (1, rows),
        Fine::For(reach) => (1, rows(reach, 1)),
    };
    let coarse = custom.coarse.iter().map(|tier| match *tier {
        Coarse::Rows { steps, rows } => (steps, rows),
        Coarse::For { each, reach } => {
            let steps = (each.as_secs() / step).max(1);
            (steps, rows(reach, steps))
        }
    });
    std::iter::once(fine).chain(coarse).collect()
}

/// The finest first; of those that are equally fine the one that reaches farthest.
fn merged(mut tiers: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    tiers.sort_by_key(|&(steps, rows)| (steps, std::cmp::Reverse(rows)));
    tiers.dedup_by_key(|(steps, _)| *steps);
    tiers
}

/// What was decided about a graph's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Its rows.
    pub shape: Shape,
    /// What was asked for and is not done, in a sentence.
    pub problem: Option<String>,
}

impl Layouts {
    /// The rows of a graph's file.
    #[must_use]
    pub fn decide(&self, host: &HostName, graph: &Graph) -> Decided {
        let chosen = self.chosen(host, &graph.name);
        let fields = graph.fields.len().max(1) as u64;
        let fits = |shape: &Shape| {
            let header = 10_000 * fields;
            let bytes = shape.series_bytes().saturating_mul(fields);
            bytes.saturating_add(header) < FILE_SIZE_MAX && shape.reach() <= REACH_MAX
        };
        let mut problem = None;
        let asked = match &graph.data_size {
            Some(words) if chosen.layout.is_none() => {
                Layout::parse_munin(words).unwrap_or_else(|why| {
                    problem = Some(format!("graph_data_size: {why}"));
                    None
                })
            }
            Some(_) | None => None,
        };
        if let Some(layout) = asked {
            let shape = Shape::new(&layout, self.step_of(chosen.step, graph, &layout));
            let (found, limit) = (shape.series_bytes(), self.series_bytes_max);
            if found <= limit && fits(&shape) {
                return Decided {
                    shape,
                    problem: None,
                };
            }
            problem = Some(format!(
                "graph_data_size: expected at most {limit} bytes a field (store.series_bytes_max), found {found} bytes"
            ));
        }
        let layout = chosen.layout.unwrap_or(&self.default);
        let shape = Shape::new(layout, self.step_of(chosen.step, graph, layout));
        if fits(&shape) {
            return Decided { shape, problem };
        }
        let problem = Some(format!(
            "{fields} fields of {} bytes are more than a file may have ({FILE_SIZE_MAX} bytes): kept as by the standard, at {} s",
            shape.series_bytes(),
            STEP.as_secs()
        ));
        let shape = Shape::new(&Layout::Standard, STEP.as_secs());
        Decided { shape, problem }
    }

    /// What the configuration says of this graph; else the plugin, unless the layout is Munin's; else the default.
    fn step_of(&self, chosen: Option<Duration>, graph: &Graph, layout: &Layout) -> u64 {
        let own = match layout {
            Layout::Munin => None,
            Layout::Standard | Layout::Huge | Layout::Custom(_) => {
                graph.update_rate.map(|_| interval(graph))
            }
        };
        let is_munins = *layout == Layout::Munin || self.default == Layout::Munin;
        let otherwise = if is_munins { MUNIN_STEP } else { STEP };
        chosen.or(own).or(self.step).unwrap_or(otherwise).as_secs()
    }

    /// The time between two rows of the finest archive.
    #[must_use]
    pub fn step(&self, host: &HostName, graph: &Graph) -> Duration {
        Duration::from_secs(self.decide(host, graph).shape.step)
    }

    /// What the file of `graph` is made of. `first` is the time of its first reading.
    #[must_use]
    pub fn definition(
        &self,
        host: &HostName,
        graph: &Graph,
        declared: bool,
        first: i64,
    ) -> Definition {
        let shape = self.decide(host, graph).shape;
        Definition {
            step: shape.step,
            start: first - shape.step as i64,
            version: 3,
            sources: sources(graph, declared, shape.step),
            archives: shape.archives(),
        }
    }
}

/// A data source for each field.
fn sources(graph: &Graph, declared: bool, step: u64) -> Vec<DataSource> {
    let rate = graph
        .update_rate
        .map_or(step, |rate| rate.as_secs().max(step));
    let heartbeat = if declared {
        3 * rate
    } else {
        UNDECLARED_HEARTBEAT_SECONDS.max(3 * rate)
    };
    let source = |field: &graph::Field| {
        // A limit that leaves no room is none: rrdtool refuses such a source.
        let max = field
            .max
            .filter(|max| field.min.is_none_or(|min| min < *max));
        DataSource::input(
            source_name(&field.name),
            kind(field.kind),
            heartbeat,
            field.min.unwrap_or(UNKNOWN),
            max.unwrap_or(UNKNOWN),
        )
    };
    graph.fields.iter().map(source).collect()
}

/// rrdtool's word for how a field counts.
#[must_use]
pub fn kind(kind: graph::Kind) -> Kind {
    match kind {
        graph::Kind::Gauge => Kind::Gauge,
        graph::Kind::Counter => Kind::Counter,
        graph::Kind::Derive => Kind::Derive,
        graph::Kind::Absolute => Kind::Absolute,
    }
}

/// Whether `source` is the data source of a field.
#[must_use]
pub fn is_source_of(source: &str, field: &FieldName) -> bool {
    let name = field.as_str();
    if name.len() <= SOURCE_NAME_MAX {
        source == name
    } else {
        source == source_name(field)
    }
}

/// A field's data source: its own name where that is short enough, else its beginning and a hash of the whole.
#[must_use]
pub fn source_name(field: &FieldName) -> String {
    let name = field.as_str();
    if name.len() <= SOURCE_NAME_MAX {
        return name.to_owned();
    }
    let hash = xxh3_64(name.as_bytes()) >> 16;
    format!("{}_{hash:012x}", &name[..6])
}

#[cfg(test)]
mod tests;
