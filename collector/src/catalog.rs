//! Everything known of hosts, graphs and fields, in memory: a deterministic machine over the entries of the journal.
//!
//! [`Catalog::apply`] takes an entry and says what came of it; an entry that is applied again changes nothing. No clock,
//! no file: [`crate::store::checkpoint`] writes what waits in it, [`crate::database`] keeps what a restart must know.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ravenry_alerts::check::Verdict;
use ravenry_alerts::engine::Said;
use ravenry_alerts::rate::{Previous, Scale, Value};
use ravenry_alerts::rule::Rules;
use ravenry_plugins::declaration::{Attributes, Declaration, FieldDeclaration};
use ravenry_plugins::graph::{Graph, Kind};
use ravenry_plugins::nagios;
use ravenry_plugins::name::{FieldName, GraphName, HostName, SeriesName, VerdictName};
use ravenry_plugins::reading::Reading;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::{
    Ack, Batch, FIELDS_MAX, Gone, GoneWhat, Key, PROBLEMS_MAX, RunReport, VerdictReport,
};

use crate::config::layout::Layouts;
use crate::config::store::Store;
use crate::entry::Entry;
use crate::store::pending::Pending;

mod shape;
mod taking;

pub use shape::Shape;
use shape::Shapes;
use taking::Taking;

/// A host remembers this many plugins' last runs.
const RUNS_MAX: usize = 1_000;
/// A host has this many Nagios checks.
const VERDICTS_MAX: usize = 2_000;
/// So many agents speak for one host.
const AGENTS_MAX: usize = 100;
/// A graph may have had this many fields; one push declares fewer.
const COLUMNS_MAX: usize = 4_000;

/// All that is known.
#[derive(Debug)]
pub struct Catalog {
    /// By name.
    pub hosts: BTreeMap<HostName, Host>,
    /// The last entry that was applied.
    pub position: u64,
    /// The first entry that was not read again from the journal at the start.
    pub fresh_from: u64,
    /// Since the start.
    pub counts: Counts,
    layouts: Arc<Layouts>,
    series_max: u64,
    hosts_max: usize,
    shapes: Shapes,
    /// By what it is known which readings are judged; all are told where nobody said.
    rules: Option<Arc<Rules>>,
}

/// The last batch that an agent sent.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Sent {
    /// Which start of the agent.
    pub incarnation: u64,
    /// Which batch since then.
    pub sequence: u64,
}

impl Sent {
    /// The counters of a key, as far as the database can hold them.
    fn of(key: &Key) -> Self {
        const MAX: u64 = i64::MAX as u64;
        Self {
            incarnation: key.incarnation.min(MAX),
            sequence: key.sequence.min(MAX),
        }
    }
}

/// What has been counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Readings taken.
    pub accepted: u64,
    /// Readings refused.
    pub refused: u64,
    /// Readings that came too late, or a second time.
    pub late: u64,
    /// Readings that are not in the files yet.
    pub pending: u64,
    /// Series.
    pub series: u64,
}

/// One host.
#[derive(Debug, Default)]
pub struct Host {
    /// When its agent was last heard of.
    pub last_contact: Option<Timestamp>,
    /// By name.
    pub graphs: BTreeMap<GraphName, StoredGraph>,
    /// The last run of each of its plugins.
    pub runs: BTreeMap<String, RunReport>,
    /// Its Nagios checks that were heard of since the start.
    pub verdicts: BTreeSet<GraphName>,
    /// The last batch of each agent that speaks for it, by the agent's id.
    pub agents: BTreeMap<String, Sent>,
    /// Whether the database does not know it yet.
    pub unsaved: bool,
    /// Whether the files of all its graphs have been asked how far they are.
    pub files_are_known: bool,
}

/// One graph of a host.
#[derive(Debug)]
pub struct StoredGraph {
    /// As it was declared, or as it follows from the readings that came; others may share it.
    pub shape: Arc<Shape>,
    /// Whether anybody declared it.
    pub declared: bool,
    /// What that means.
    pub graph: Arc<Graph>,
    /// Its columns in the order in which they became known; they only grow.
    pub columns: Vec<Column>,
    /// The oldest reading's time.
    pub first_update: Option<Timestamp>,
    /// What waits to be written.
    pub pending: Pending,
    /// Whether its agent has it no more: it is not judged until readings come again.
    pub gone: bool,
    /// Whether the database does not know its declaration yet.
    pub unsaved: bool,
}

/// One field of a graph.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub field: FieldName,
    /// Which of its graph's fields it is, where it is declared.
    scale: Option<u16>,
    /// Its last reading.
    pub last: Option<Previous>,
    /// What that reading stands for; `None` when unknown.
    pub value: Option<f64>,
    /// Whether its readings are told to who judges.
    pub watched: bool,
}

/// What is not known of the files of a batch's graphs.
#[derive(Debug, Default)]
pub struct Unknown {
    /// Files that have not been asked how far they are.
    pub files: BTreeSet<(HostName, GraphName)>,
    /// Hosts of which some file may not have been asked.
    pub hosts: BTreeSet<HostName>,
}

/// What came of an entry.
#[derive(Debug, Default)]
pub struct Applied {
    /// The answer to who pushed it.
    pub ack: Ack,
    /// Readings to judge, in order.
    pub readings: Vec<(SeriesName, Reading, Timestamp)>,
    /// Verdicts of Nagios checks, in order.
    pub verdicts: Vec<Said>,
    /// Graphs that are new or changed.
    pub declared: Vec<(HostName, Arc<Graph>)>,
    /// The host that was heard of.
    pub contact: Option<HostName>,
    /// Other hosts that its agent spoke of.
    pub spoken_of: BTreeSet<HostName>,
    /// Graphs that are not judged any more.
    pub gone: Vec<(HostName, GraphName)>,
    /// Nagios checks of which no further result is expected.
    pub gone_checks: Vec<VerdictName>,
}

impl Catalog {
    /// Nothing known yet.
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self {
            hosts: BTreeMap::new(),
            position: 0,
            fresh_from: 0,
            counts: Counts::default(),
            layouts: Arc::new(store.layouts.clone()),
            series_max: store.series_max,
            hosts_max: usize::try_from(store.hosts_max).unwrap_or(usize::MAX),
            shapes: Shapes::default(),
            rules: None,
        }
    }

    /// From now on only readings are told that these rules judge, and the newest one of each host.
    pub fn watch_by(&mut self, rules: Arc<Rules>) {
        for (host, known) in &mut self.hosts {
            for stored in known.graphs.values_mut() {
                stored.watch_by(host, &rules);
            }
        }
        self.rules = Some(rules);
    }

    /// Takes a graph that the database knows.
    pub fn restore(&mut self, host: HostName, name: GraphName, mut stored: StoredGraph) {
        stored.shape = self.shapes.of(stored.shape.declaration.clone());
        stored.graph = Arc::clone(&stored.shape.graph);
        for (column, field) in stored.columns.iter_mut().zip(&stored.graph.fields) {
            if column.field == field.name {
                column.field = field.name.clone();
            }
        }
        self.counts.series += stored.room();
        let known = self.hosts.entry(host).or_default();
        known.files_are_known = false;
        known.graphs.insert(name, stored);
    }

    /// How much history is kept.
    #[must_use]
    pub fn layouts(&self) -> &Arc<Layouts> {
        &self.layouts
    }

    /// The graph, if there is one.
    #[must_use]
    pub fn graph(&self, host: &HostName, graph: &GraphName) -> Option<&StoredGraph> {
        self.hosts.get(host)?.graphs.get(graph)
    }

    /// The graph, to change it.
    pub fn graph_mut(&mut self, host: &HostName, graph: &GraphName) -> Option<&mut StoredGraph> {
        self.hosts.get_mut(host)?.graphs.get_mut(graph)
    }

    /// Graphs that a batch has readings of, and whose files have not been asked how far they are.
    #[must_use]
    pub fn unknown_files(&self, batch: &Batch) -> Unknown {
        let mut unknown = Unknown::default();
        let is_known = |host: &HostName| {
            let known = self.hosts.get(host);
            known.is_none_or(|known| known.files_are_known)
        };
        if batch.series.host.is_empty() && is_known(&batch.host) {
            return unknown;
        }
        let mut before: Option<(&HostName, &GraphName)> = None;
        let mut known = None;
        for series in 0..batch.series.graph.len() {
            let Some((host, graph, _)) = series_of(batch, series) else {
                continue;
            };
            if before.is_none_or(|before| before.0 != host) {
                known = self.hosts.get(host).filter(|known| !known.files_are_known);
                unknown.hosts.extend(known.map(|_| host.clone()));
            }
            if before != Some((host, graph))
                && let Some(stored) = known.and_then(|known| known.graphs.get(graph))
                && !stored.pending.is_known()
            {
                unknown.files.insert((host.clone(), graph.clone()));
            }
            before = Some((host, graph));
        }
        unknown
    }

    /// Finds out whether there is nothing more to ask about the files of `host`.
    pub fn files_were_asked(&mut self, host: &HostName) {
        if let Some(known) = self.hosts.get_mut(host) {
            let mut graphs = known.graphs.values();
            known.files_are_known = graphs.all(|stored| stored.pending.is_known());
        }
    }

    /// The position up to which no entry holds a row that still waits.
    #[must_use]
    pub fn settled_position(&self) -> u64 {
        let graphs = self.hosts.values().flat_map(|host| host.graphs.values());
        let waiting = graphs
            .filter_map(|stored| stored.pending.first_position())
            .min();
        waiting.map_or(self.position, |first| first - 1)
    }

    /// Whether a batch of `host` with this key has been applied.
    #[must_use]
    pub fn has_seen(&self, host: &HostName, key: &Key) -> bool {
        let agents = self.hosts.get(host).map(|known| &known.agents);
        let last = agents.and_then(|agents| agents.get(&key.agent));
        last.is_some_and(|last| Sent::of(key) <= *last)
    }

    /// Takes an entry of the journal. Applying one again changes nothing: a reading is known by its series and time.
    ///
    /// The key is not asked here but before the journal ([`Self::has_seen`]): after a restart the counters of agents may
    /// be ahead of the readings that the journal brings again.
    pub fn apply(&mut self, position: u64, entry: &Entry) -> Applied {
        let batch = &entry.batch;
        self.position = self.position.max(position);
        let mut applied = Applied::default();
        if self.hosts.len() >= self.hosts_max && names_a_new_host(&self.hosts, batch) {
            let hosts_max = self.hosts_max;
            let count = batch.samples.series.len() as u64;
            self.counts.refused += count;
            refuse(&mut applied.ack, count, || {
                format!("{}: more than {hosts_max} hosts in all", batch.host)
            });
            return applied;
        }
        if let Some(key) = &batch.key {
            self.hear(key, entry, &mut applied);
        }
        for declaration in &batch.graphs {
            self.declare(&batch.host, declaration, &mut applied);
        }
        if batch.key.is_none() {
            self.imply(batch, &mut applied);
        }
        self.take_samples(position, batch, &mut applied);
        self.take_verdicts(batch, &mut applied);
        for gone in &batch.gone {
            self.part_with(&batch.host, gone, &mut applied);
        }
        applied
    }

    /// Something is there no more. What is not known here was not missed.
    fn part_with(&mut self, host: &HostName, gone: &Gone, applied: &mut Applied) {
        let host = gone.host.as_ref().unwrap_or(host);
        let Some(known) = self.hosts.get_mut(host) else {
            return;
        };
        match &gone.what {
            GoneWhat::Graph(graph) => {
                if let Some(stored) = known.graphs.get_mut(graph).filter(|stored| !stored.gone) {
                    stored.gone = true;
                    stored.unsaved = true;
                    applied.gone.push((host.clone(), graph.clone()));
                }
            }
            GoneWhat::Check(check) => {
                known.verdicts.remove(check);
                known.unsaved = true;
                applied.gone_checks.push(VerdictName {
                    host: host.clone(),
                    check: check.clone(),
                });
            }
            GoneWhat::Plugin(plugin) => {
                known.runs.remove(plugin);
                known.unsaved = true;
            }
        }
    }

    fn take_verdicts(&mut self, batch: &Batch, applied: &mut Applied) {
        for report in &batch.verdicts {
            let host = report.host.as_ref().unwrap_or(&batch.host);
            let known = self.hosts.entry(host.clone()).or_default();
            if known.verdicts.len() >= VERDICTS_MAX && !known.verdicts.contains(&report.check) {
                refuse(&mut applied.ack, 1, || {
                    format!("{host}: more than {VERDICTS_MAX} Nagios checks")
                });
                continue;
            }
            if known.verdicts.insert(report.check.clone()) {
                known.unsaved = true;
            }
            applied.ack.accepted += 1;
            applied.verdicts.push(said(host, report));
        }
        applied.verdicts.sort_by_key(|said| said.at);
    }

    fn hear(&mut self, key: &Key, entry: &Entry, applied: &mut Applied) {
        let host = &entry.batch.host;
        let known = self.hosts.entry(host.clone()).or_default();
        known.last_contact = known.last_contact.max(Some(entry.received));
        known.unsaved = true;
        if known.agents.len() < AGENTS_MAX || known.agents.contains_key(&key.agent) {
            let last = known.agents.entry(key.agent.clone()).or_default();
            *last = Sent::of(key).max(*last);
        }
        for run in &entry.batch.runs {
            if known.runs.len() < RUNS_MAX || known.runs.contains_key(&run.plugin) {
                known.runs.insert(run.plugin.clone(), run.clone());
            }
        }
        applied.contact = Some(host.clone());
        let declared = entry.batch.graphs.iter().filter_map(|it| it.host.as_ref());
        let judged = entry
            .batch
            .verdicts
            .iter()
            .filter_map(|it| it.host.as_ref());
        let read = entry.batch.series.host.iter().flatten();
        let mut before = host;
        for other in declared.chain(judged).chain(read) {
            if other != host && other != before {
                applied.spoken_of.insert(other.clone());
            }
            before = other;
        }
    }

    fn declare(&mut self, host: &HostName, declaration: &Declaration, applied: &mut Applied) {
        let host = declaration.host.as_ref().unwrap_or(host);
        let known = self.graph(host, &declaration.graph);
        let is_same = |known: &StoredGraph| known.declared && known.shape.is_of(declaration);
        if known.is_some_and(|known| is_same(known) && !known.gone) {
            return;
        }
        let fields = declaration.fields.iter().map(|field| &field.field);
        match self.room_for(known, fields) {
            Ok(()) => self.keep(host, declaration.clone(), true, applied),
            Err(why) => refuse(&mut applied.ack, 0, || {
                format!("graph {host}/{} is not taken: {why}", declaration.graph)
            }),
        }
    }

    /// Whether a graph may get the columns that it does not have yet.
    fn room_for<'f>(
        &self,
        known: Option<&StoredGraph>,
        fields: impl Iterator<Item = &'f FieldName>,
    ) -> Result<(), String> {
        let columns: HashSet<&FieldName> = known
            .into_iter()
            .flat_map(|known| known.columns.iter().map(|column| &column.field))
            .collect();
        // A graph without fields takes room too.
        let new = fields.filter(|field| !columns.contains(field)).count();
        let new = new.max(usize::from(known.is_none()));
        if columns.len() + new > COLUMNS_MAX {
            return Err(format!(
                "more than {COLUMNS_MAX} fields, counting those it once had"
            ));
        }
        if self.counts.series + new as u64 > self.series_max {
            return Err(format!("more than {} series in all", self.series_max));
        }
        Ok(())
    }

    fn keep(
        &mut self,
        host: &HostName,
        declaration: Declaration,
        declared: bool,
        applied: &mut Applied,
    ) {
        let known = self.hosts.entry(host.clone()).or_default();
        let shape = self.shapes.of(declaration);
        known.files_are_known = false;
        let stored = match known.graphs.entry(shape.declaration.graph.clone()) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(place) => place.insert(StoredGraph::new(&shape)),
        };
        let before = stored.room();
        stored.redeclare(shape, declared);
        if let Some(rules) = &self.rules {
            stored.watch_by(host, rules);
        }
        self.counts.series += stored.room() - before;
        applied
            .declared
            .push((host.clone(), Arc::clone(&stored.graph)));
    }

    /// Takes the readings graph by graph: where a batch has those of one graph together, it is looked up once.
    fn take_samples(&mut self, position: u64, batch: &Batch, applied: &mut Applied) {
        let mut of_series: Vec<u32> = (0..batch.samples.series.len() as u32).collect();
        if !batch.samples.series.is_sorted() {
            of_series.sort_by_key(|&sample| batch.samples.series[sample as usize]);
        }
        let mut room = Vec::new();
        let series = |sample: u32| batch.samples.series[sample as usize] as usize;
        let same_graph = |a: &u32, b: &u32| {
            let (a, b) = (series_of(batch, series(*a)), series_of(batch, series(*b)));
            a.zip(b)
                .is_some_and(|((host_a, graph_a, _), (host_b, graph_b, _))| {
                    host_a == host_b && graph_a == graph_b
                })
        };
        let same_host = |a: &u32, b: &u32| {
            let host = |sample| batch.series.host.get(series(sample));
            batch.series.host.is_empty() || host(*a) == host(*b)
        };
        for of_host in of_series.chunk_by(same_host) {
            let Some((host, ..)) = series_of(batch, series(of_host[0])) else {
                continue;
            };
            let mut known = self.hosts.get_mut(host);
            let mut newest: Option<(SeriesName, Reading, Timestamp)> = None;
            for of_graph in of_host.chunk_by(same_graph) {
                let Some((_, graph, _)) = series_of(batch, series(of_graph[0])) else {
                    continue;
                };
                let stored = known.as_mut().and_then(|known| known.graphs.get_mut(graph));
                let taking = Taking {
                    position,
                    batch,
                    host,
                    graph,
                };
                let last = taking.take(stored, of_graph, &mut room, &mut self.counts, applied);
                let is_newer = |last: &(SeriesName, Reading, Timestamp)| {
                    newest.as_ref().is_none_or(|before| before.2 < last.2)
                };
                newest = last.filter(is_newer).or(newest);
            }
            applied
                .readings
                .extend(newest.filter(|_| self.rules.is_some()));
        }
        if !applied.ack.undeclared.is_empty() {
            let count = applied.ack.undeclared.len();
            refuse(&mut applied.ack, 0, || {
                format!("{count} graphs have not been declared: declare them, then push again")
            });
        }
    }

    fn column(&self, host: &HostName, graph: &GraphName, field: &FieldName) -> Option<usize> {
        self.graph(host, graph)?.column(field, 0)
    }

    /// Makes graphs and fields that nobody declared, for a batch that comes from a person: gauges.
    fn imply(&mut self, batch: &Batch, applied: &mut Applied) {
        let mut missing: BTreeMap<(&HostName, &GraphName), BTreeSet<&FieldName>> = BTreeMap::new();
        for series in 0..batch.series.graph.len() {
            if let Some((host, graph, field)) = series_of(batch, series)
                && self.column(host, graph, field).is_none()
            {
                missing.entry((host, graph)).or_default().insert(field);
            }
        }
        for ((host, graph), fields) in missing {
            let known = self.graph(host, graph);
            let declared_now = known.map_or(0, |known| known.shape.declaration.fields.len());
            let room = if declared_now + fields.len() > FIELDS_MAX {
                Err(format!("more than {FIELDS_MAX} fields"))
            } else {
                self.room_for(known, fields.iter().copied())
            };
            if let Err(why) = room {
                refuse(&mut applied.ack, 0, || {
                    format!("graph {host}/{graph}: new fields are not taken: {why}")
                });
                continue;
            }
            let declared = known.is_some_and(|known| known.declared);
            let mut declaration = known.map_or_else(
                || Declaration {
                    host: None,
                    graph: graph.clone(),
                    attributes: Attributes::default(),
                    fields: Vec::new(),
                },
                |known| known.shape.declaration.clone(),
            );
            let fields = fields.into_iter().map(|field| FieldDeclaration {
                field: field.clone(),
                attributes: Attributes::default(),
            });
            declaration.fields.extend(fields);
            self.keep(host, declaration, declared, applied);
        }
    }
}

fn series_of(batch: &Batch, index: usize) -> Option<(&HostName, &GraphName, &FieldName)> {
    let series = &batch.series;
    let host = series.host.get(index).and_then(Option::as_ref);
    let (graph, field) = (series.graph.get(index)?, series.field.get(index)?);
    Some((host.unwrap_or(&batch.host), graph, field))
}

fn said(host: &HostName, report: &VerdictReport) -> Said {
    Said {
        name: VerdictName {
            host: host.clone(),
            check: report.check.clone(),
        },
        verdict: match report.verdict {
            nagios::Verdict::Ok => Verdict::Ok,
            nagios::Verdict::Warning => Verdict::Warning,
            nagios::Verdict::Critical => Verdict::Critical,
            nagios::Verdict::Unknown => Verdict::Unknown,
        },
        text: report.text.clone(),
        at: report.time,
        interval: report.interval_seconds.map(Duration::from_secs_f64),
    }
}

fn names_a_new_host(hosts: &BTreeMap<HostName, Host>, batch: &Batch) -> bool {
    let declared = batch
        .graphs
        .iter()
        .filter_map(|declaration| declaration.host.as_ref());
    let judged = batch.verdicts.iter().filter_map(|it| it.host.as_ref());
    let mut named = std::iter::once(&batch.host)
        .chain(declared)
        .chain(judged)
        .chain(batch.series.host.iter().flatten());
    named.any(|host| !hosts.contains_key(host))
}

fn refuse(ack: &mut Ack, readings: u64, text: impl FnOnce() -> String) {
    ack.refused += readings;
    if ack.problems.len() < PROBLEMS_MAX {
        ack.problems.push(text());
    }
}

impl Column {
    fn new(field: FieldName) -> Self {
        Self {
            field,
            scale: None,
            last: None,
            value: None,
            watched: true,
        }
    }

    /// How its readings become values.
    fn scale_in(&self, shape: &Shape) -> Scale {
        let scale = self
            .scale
            .and_then(|scale| shape.scales.get(usize::from(scale)));
        scale.copied().unwrap_or_else(Scale::undeclared)
    }

    /// Remembers the last reading and what it stands for.
    fn see(&mut self, shape: &Shape, reading: Reading, at: Timestamp) {
        if self.last.is_some_and(|last| last.at > at) {
            return;
        }
        self.value = match self.scale_in(shape).value(self.last, reading, at) {
            Value::Known(number) => Some(number),
            Value::Unknown | Value::Pending => None,
        };
        self.last = Some(Previous { at, reading });
    }
}

impl StoredGraph {
    /// The names of its columns, in their order.
    #[must_use]
    pub fn column_names(&self) -> Vec<FieldName> {
        self.columns
            .iter()
            .map(|column| column.field.clone())
            .collect()
    }

    fn new(shape: &Arc<Shape>) -> Self {
        Self {
            graph: Arc::clone(&shape.graph),
            shape: Arc::clone(shape),
            declared: false,
            columns: Vec::new(),
            first_update: None,
            pending: Pending::default(),
            gone: false,
            unsaved: true,
        }
    }

    fn come_back(&mut self) {
        self.gone = false;
        self.unsaved = true;
    }

    /// A graph that the database knows.
    #[must_use]
    pub fn restored(
        declaration: Declaration,
        declared: bool,
        columns: Vec<FieldName>,
        first_update: Option<Timestamp>,
    ) -> Self {
        let shape = Arc::new(Shape::new(declaration));
        let mut stored = Self::new(&shape);
        // Readings of a field that is not declared any more may still be in the journal.
        stored.columns = columns.into_iter().map(Column::new).collect();
        stored.redeclare(shape, declared);
        stored.first_update = first_update;
        stored.unsaved = false;
        stored
    }

    /// Takes a declaration; fields that are new get a column. One that is not declared any more is a gauge.
    fn redeclare(&mut self, shape: Arc<Shape>, declared: bool) {
        self.graph = Arc::clone(&shape.graph);
        self.shape = shape;
        self.declared = declared;
        self.come_back();
        for column in &mut self.columns {
            column.scale = None;
        }
        for (number, field) in (0..).zip(&self.graph.fields) {
            let place = self
                .columns
                .iter()
                .position(|column| column.field == field.name);
            let place = place.unwrap_or_else(|| {
                self.columns.push(Column::new(field.name.clone()));
                self.columns.len() - 1
            });
            self.columns[place].scale = Some(number);
        }
        self.columns.shrink_to_fit();
    }

    /// Finds out which of its columns the rules judge.
    fn watch_by(&mut self, host: &HostName, rules: &Rules) {
        for column in &mut self.columns {
            let field = column
                .scale
                .and_then(|scale| self.graph.fields.get(usize::from(scale)));
            column.watched = field.is_some_and(|field| {
                let series = SeriesName {
                    host: host.clone(),
                    graph: self.graph.name.clone(),
                    field: field.name.clone(),
                };
                rules.resolve(&series, field).judges()
            });
        }
    }

    /// What it counts for among all series: a graph without fields takes room too, once it is kept.
    #[must_use]
    pub fn room(&self) -> u64 {
        match self.columns.len() as u64 {
            0 if self.declared => 1,
            columns => columns,
        }
    }

    /// As [`Self::column`]; the column takes over the name, so that the same table of series finds it by its address.
    fn find_column(&mut self, field: &FieldName, guess: usize) -> Option<usize> {
        let found = self.column(field, guess)?;
        let name = &mut self.columns[found].field;
        if !std::ptr::eq(name.as_str(), field.as_str()) {
            name.clone_from(field);
        }
        Some(found)
    }

    /// The number of a field's column; `guess` is looked at first.
    fn column(&self, field: &FieldName, guess: usize) -> Option<usize> {
        let is_it = |column: &Column| column.field == *field;
        if self.columns.get(guess).is_some_and(is_it) {
            return Some(guess);
        }
        self.columns.iter().position(is_it)
    }

    fn kind(&self, column: usize) -> Kind {
        self.columns[column].scale_in(&self.shape).kind
    }
}
