//! The collector's own graphs: what it takes, what waits, how it writes, and how near its limits it is. They are pushed once
//! a minute like anybody's readings, journal and all, with a declaration as a plugin prints it, on the host that the
//! collector runs on, in the category `ravenry`.
//!
//! [`batch`] is pure; [`Measured::now`] asks the parts of the collector and the kernel, [`push_all`] is the loop.

mod metric;

use std::fmt::Write as _;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ravenry_plugins::clock;
use ravenry_plugins::declaration::{Attributes, Declaration, FieldDeclaration};
use ravenry_plugins::name::{FieldName, GraphName, HostName, NameError};
use ravenry_plugins::reading::Reading;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::{Batch, Samples, Series, VERSION};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::config;
use crate::health::{Flushes, Health};
use crate::ingest::Ingest;
use crate::journal::Journal;
use crate::store::Store;

/// How often: also the step of the graphs.
const EVERY: Duration = Duration::from_secs(60);
/// Declarations are sent at the start and then as often, so that they come back after a catalog was lost.
const DECLARED_EVERY: u64 = 60;

/// What is measured, as far as it could be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    accepted: Reported,
    refused: Reported,
    late: Reported,
    journal_bytes: Reported,
    pending: Reported,
    hosts: Reported,
    graphs: Reported,
    series: Reported,
    flushes: Flushes,
    flush_age_seconds: Reported,
    descriptors: Reported,
    descriptors_max: Reported,
    mappings: Reported,
    mappings_max: Reported,
    resident_bytes: Reported,
    swapped_bytes: Reported,
}

/// A number, when it is known.
type Reported = Option<u64>;

/// The limits that are drawn as lines and made thresholds of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    journal_bytes: u64,
    pending: u64,
    flush_interval: Duration,
}

impl Limits {
    /// Those of the configuration.
    #[must_use]
    pub fn of(settings: &config::store::Store) -> Self {
        Self {
            journal_bytes: settings.journal_bytes_max,
            pending: settings.pending_samples_max,
            flush_interval: settings.flush_interval,
        }
    }
}

/// One graph: what is declared, and its fields.
struct OwnGraph {
    name: &'static str,
    title: &'static str,
    vlabel: &'static str,
    args: &'static str,
    info: &'static str,
    fields: Vec<OwnField>,
}

/// One field of it.
struct OwnField {
    name: &'static str,
    label: &'static str,
    /// Further attributes as a plugin prints them, `NAME TEXT`.
    attributes: Vec<String>,
    value: Reading,
}

fn field(name: &'static str, label: &'static str, value: Reported) -> OwnField {
    OwnField {
        name,
        label,
        attributes: Vec::new(),
        value: value.map_or(Reading::Unknown, Reading::Count),
    }
}

impl OwnField {
    fn with(mut self, attribute: impl Into<String>) -> Self {
        self.attributes.push(attribute.into());
        self
    }

    /// Counted since the start.
    fn counted(self) -> Self {
        self.with("type DERIVE").with("min 0")
    }
}

const PLAIN: &str = "--base 1000 -l 0";
const BYTES: &str = "--base 1024 -l 0";

/// All graphs with their readings.
fn graphs(measured: &Measured, limits: Limits) -> Vec<OwnGraph> {
    let mut graphs = taken(measured, limits);
    graphs.extend(flushed(measured, limits));
    graphs.extend(sizes(measured));
    graphs
}

/// What comes in, and what waits.
fn taken(measured: &Measured, limits: Limits) -> Vec<OwnGraph> {
    let journal_max = limits.journal_bytes;
    vec![
        OwnGraph {
            name: "ravenry_samples",
            title: "Readings taken",
            vlabel: "readings per ${graph_period}",
            args: PLAIN,
            info: "What was pushed to this collector.",
            fields: vec![
                field("accepted", "taken", measured.accepted).counted(),
                field("refused", "refused", measured.refused)
                    .counted()
                    .with("info By a limit, an unknown graph or a time that makes no sense; the page of the collector's troubles names them."),
                field("late", "late or repeated", measured.late)
                    .counted()
                    .with("info Their file has moved on to a later time, or has them already."),
            ],
        },
        OwnGraph {
            name: "ravenry_journal",
            title: "Journal",
            vlabel: "bytes",
            args: BYTES,
            info: "What was acknowledged and is not in the files yet. When the limit (store.journal_bytes_max) is reached, pushes are answered with 503.",
            fields: vec![
                field("bytes", "on disk", measured.journal_bytes)
                    .with("draw AREA")
                    .with(format!("warning :{}", journal_max / 5 * 4))
                    .with(format!("critical :{}", journal_max / 20 * 19)),
                field("limit", "limit", Some(journal_max)),
            ],
        },
        OwnGraph {
            name: "ravenry_pending",
            title: "Readings that wait",
            vlabel: "readings",
            args: PLAIN,
            info: "Readings in memory that are not in the files yet. Above the limit (store.pending_samples_max) all are written at once.",
            fields: vec![
                field("waiting", "waiting", measured.pending).with("draw AREA"),
                field("limit", "limit", Some(limits.pending)),
            ],
        },
    ]
}

/// What is written.
fn flushed(measured: &Measured, limits: Limits) -> Vec<OwnGraph> {
    let flush = measured.flushes.last;
    let of_flush = |value: fn(&crate::health::Flush) -> u64| flush.as_ref().map(value);
    let flush_seconds = limits.flush_interval.as_secs();
    vec![
        OwnGraph {
            name: "ravenry_flush_time",
            title: "Time of a flush",
            vlabel: "milliseconds",
            args: PLAIN,
            info: "How long the last flush took: the readings that were due got into their files, and all was made safe.",
            fields: vec![
                field("took", "last flush", of_flush(|flush| flush.millis)).with("draw AREA"),
            ],
        },
        OwnGraph {
            name: "ravenry_flush_age",
            title: "Age of the last good flush",
            vlabel: "seconds",
            args: PLAIN,
            info: "How long ago all that was due got into the files: what rrdtool sees may be that much behind.",
            fields: vec![
                field("age", "age", measured.flush_age_seconds)
                    .with("draw AREA")
                    .with(format!("warning :{}", 3 * flush_seconds.max(20)))
                    .with(format!("critical :{}", 12 * flush_seconds.max(20))),
            ],
        },
        OwnGraph {
            name: "ravenry_written",
            title: "Written by a flush",
            vlabel: "per flush",
            args: PLAIN,
            info: "What the last flush wrote.",
            fields: vec![
                field("files", "files", of_flush(|flush| flush.files)),
                field("rows", "rows", of_flush(|flush| flush.rows)),
            ],
        },
        OwnGraph {
            name: "ravenry_problems",
            title: "History files in trouble",
            vlabel: "files",
            args: PLAIN,
            info: "Files that the last flush could not use or not write; the first page and the log name them, and so does ravenry store verify.",
            fields: vec![
                field(
                    "problems",
                    "set aside, gone or odd",
                    of_flush(|flush| flush.problems),
                ),
                field(
                    "unwritten",
                    "not written",
                    // Judged: before the first flush nothing waits that one could not write.
                    Some(flush.as_ref().map_or(0, |flush| flush.unwritten)),
                )
                .with("warning :0"),
                field(
                    "failed",
                    "flushes that failed",
                    Some(measured.flushes.failed),
                )
                .counted()
                .with("info Per second; the disk was full, or failed."),
            ],
        },
    ]
}

/// How large it all is.
fn sizes(measured: &Measured) -> Vec<OwnGraph> {
    let descriptors_warning = measured.descriptors_max.unwrap_or(u64::MAX) / 10 * 9;
    vec![
        OwnGraph {
            name: "ravenry_kept",
            title: "What is kept",
            vlabel: "number",
            args: PLAIN,
            info: "Hosts, graphs (a file each) and series (a field each) that are known.",
            fields: vec![
                field("series", "series", measured.series),
                field("graphs", "graphs", measured.graphs),
                field("hosts", "hosts", measured.hosts),
            ],
        },
        OwnGraph {
            name: "ravenry_descriptors",
            title: "Descriptors and mappings",
            vlabel: "number",
            args: "--base 1000 -l 1 --logarithmic",
            info: "Open files, connections and memory maps of the collector, and how many the system allows it.",
            fields: vec![
                field("descriptors", "open descriptors", measured.descriptors)
                    .with(format!("warning :{descriptors_warning}")),
                field(
                    "descriptors_max",
                    "limit of descriptors",
                    measured.descriptors_max,
                ),
                field("mappings", "memory maps", measured.mappings),
                field("mappings_max", "limit of maps", measured.mappings_max),
            ],
        },
        OwnGraph {
            name: "ravenry_memory",
            title: "Memory of the collector",
            vlabel: "bytes",
            args: BYTES,
            info: "What the process has in memory.",
            fields: vec![
                field("resident", "resident", measured.resident_bytes).with("draw AREA"),
                field("swapped", "swapped out", measured.swapped_bytes),
            ],
        },
    ]
}

/// A push of all graphs, declared when `declares`.
///
/// # Errors
/// When a name of ours is none.
pub fn batch(
    host: &HostName,
    measured: &Measured,
    limits: Limits,
    now: Timestamp,
    declares: bool,
) -> Result<Batch, NameError> {
    let (mut series, mut samples) = (Series::default(), Samples::default());
    let mut declarations = Vec::new();
    for graph in graphs(measured, limits) {
        for field in &graph.fields {
            samples.series.push(series.graph.len() as u32);
            samples.time.push(now);
            samples.value.push(field.value);
            series.graph.push(GraphName::new(graph.name)?);
            series.field.push(FieldName::new(field.name)?);
        }
        if declares {
            declarations.push(declaration(&graph)?);
        }
    }
    Ok(Batch {
        version: VERSION,
        host: host.clone(),
        key: None,
        graphs: declarations,
        series: series.into(),
        samples,
        runs: Vec::new(),
        verdicts: Vec::new(),
        gone: Vec::new(),
    })
}

fn declaration(graph: &OwnGraph) -> Result<Declaration, NameError> {
    let mut attributes = Attributes::default();
    let mut order = String::new();
    let mut fields = Vec::new();
    for field in &graph.fields {
        let mut own = Attributes::default();
        own.keep_first("label", field.label);
        for attribute in &field.attributes {
            let (name, text) = attribute.split_once(' ').unwrap_or((attribute, ""));
            own.keep_first(name, text);
        }
        // Writing to a String cannot fail.
        let _ = write!(order, "{} ", field.name);
        fields.push(FieldDeclaration {
            field: FieldName::new(field.name)?,
            attributes: own,
        });
    }
    for (name, text) in [
        ("graph_title", graph.title),
        ("graph_vlabel", graph.vlabel),
        ("graph_args", graph.args),
        ("graph_category", "ravenry"),
        ("graph_info", graph.info),
        ("graph_order", order.trim_end()),
    ] {
        attributes.keep_first(name, text);
    }
    Ok(Declaration {
        host: None,
        graph: GraphName::new(graph.name)?,
        attributes,
        fields,
    })
}

/// The parts that are asked.
pub struct Parts {
    /// Counts, and what waits.
    pub store: Arc<Store>,
    /// Its size.
    pub journal: Arc<Mutex<dyn Journal>>,
    /// How flushes went.
    pub health: Arc<Health>,
    /// Where the readings go.
    pub ingest: Ingest,
    /// Whose graphs they are.
    pub host: HostName,
    /// The lines in them.
    pub limits: Limits,
}

impl Measured {
    /// Asks everybody.
    #[must_use]
    pub fn now(parts: &Parts, now: Timestamp) -> Self {
        let flushes = parts.health.flushes();
        let age = flushes.last_good.map(|last| now.since(last).as_secs());
        let journal = parts
            .journal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .size_bytes();
        let mut measured = Self {
            journal_bytes: Some(journal),
            flushes,
            flush_age_seconds: age,
            ..Self::of_process()
        };
        let catalog = parts.store.catalog();
        let counts = &catalog.counts;
        let graphs = catalog
            .hosts
            .values()
            .map(|host| host.graphs.len())
            .sum::<usize>();
        measured.accepted = Some(counts.accepted);
        measured.refused = Some(counts.refused);
        measured.late = Some(counts.late);
        measured.pending = Some(counts.pending);
        measured.series = Some(counts.series);
        measured.hosts = Some(catalog.hosts.len() as u64);
        measured.graphs = Some(graphs as u64);
        measured
    }

    /// What the kernel says about this process.
    fn of_process() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let status = text("/proc/self/status");
        let entries = |path: &str| Some(fs::read_dir(path).ok()?.count() as u64);
        Self {
            descriptors: entries("/proc/self/fd"),
            descriptors_max: soft_limit(&text("/proc/self/limits")),
            mappings: Some(text("/proc/self/maps").lines().count() as u64).filter(|maps| *maps > 0),
            mappings_max: text("/proc/sys/vm/max_map_count").trim().parse().ok(),
            resident_bytes: kilobytes(&status, "VmRSS:"),
            swapped_bytes: kilobytes(&status, "VmSwap:"),
            ..Self::default()
        }
    }
}

/// `VmRSS:     12345 kB` of /proc/self/status, in bytes.
fn kilobytes(status: &str, key: &str) -> Reported {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// `Max open files            1024                 524288               files` of /proc/self/limits.
fn soft_limit(limits: &str) -> Reported {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Pushes the graphs once a minute until it is told to stop.
pub async fn push_all(parts: Arc<Parts>, mut stopped: watch::Receiver<bool>) {
    let mut minute = interval(EVERY);
    minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rounds: u64 = 0;
    loop {
        tokio::select! {
            _ = minute.tick() => {}
            _ = stopped.changed() => return,
        }
        let declares = rounds.is_multiple_of(DECLARED_EVERY);
        rounds += 1;
        let asked = Arc::clone(&parts);
        let made = tokio::task::spawn_blocking(move || {
            let now = clock::now();
            let measured = Measured::now(&asked, now);
            batch(&asked.host, &measured, asked.limits, now, declares)
        });
        let pushed = match made.await {
            Ok(Ok(batch)) => parts.ingest.push(batch, clock::now()).await,
            Ok(Err(error)) => return tracing::error!("the collector's own graphs: {error}"),
            Err(error) => return tracing::error!("the collector's own graphs: {error}"),
        };
        if let Err(error) = pushed {
            // A journal that is full or fails is told of by those who own it.
            tracing::debug!("the collector's own graphs were not taken: {error}");
            rounds = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use ravenry_plugins::graph::Graph;

    use super::*;

    fn whole() -> Batch {
        let limits = Limits::of(&config::store::Store::default());
        let host = HostName::new("here").unwrap();
        let measured = Measured {
            accepted: Some(7),
            ..Measured::of_process()
        };
        batch(
            &host,
            &measured,
            limits,
            Timestamp::from_seconds(1_700_000_000),
            true,
        )
        .unwrap()
    }

    #[test]
    fn every_graph_is_declared_without_a_problem_and_drawn_in_its_category() {
        for declaration in &whole().graphs {
            let (graph, problems) = Graph::resolve(declaration);
            assert_eq!(problems, [], "{}", graph.name);
            assert_eq!(graph.category, "ravenry");
            assert!(graph.draws && graph.info.is_some(), "{}", graph.name);
        }
    }

    #[test]
    fn readings_are_of_the_fields_that_are_declared_and_few() {
        let batch = whole();
        let declared: usize = batch.graphs.iter().map(|graph| graph.fields.len()).sum();
        assert_eq!(
            (batch.series.field.len(), batch.samples.value.len()),
            (declared, declared)
        );
        assert!(declared <= 30, "{declared} readings a minute");
        assert_eq!(batch.samples.value[0], Reading::Count(7));
    }

    #[test]
    fn the_kernel_is_understood() {
        let measured = Measured::of_process();
        for found in [
            measured.descriptors,
            measured.descriptors_max,
            measured.mappings,
            measured.resident_bytes,
        ] {
            assert!(found.is_some_and(|found| found > 2), "{measured:?}");
        }
    }
}
