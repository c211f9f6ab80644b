//! Gathers what runs of plugins gave into batches. Pure: runs and moments in, batches (still without a key) out.
//!
//! - A graph's declaration travels when it is new, changed or asked for; after a start all are new.
//! - A reading whose graph or field no `config` declared is not sent; [`Gather::handle_run`] says that `config` is stale.
//! - Times of a series only grow within a batch: where the clock went back, another batch begins.
//! - Of a plugin that prints its history at each fetch, only what was not sent yet travels.
//! - A graph of a host belongs to the plugin that declared it first; another one's is a problem of that other's run.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use ravenry_plugins::declaration::Declaration;
use ravenry_plugins::munin::{Extinfo, PluginSample};
use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_plugins::problem::Problem;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::{
    Batch, Gone, GoneWhat, PROBLEMS_MAX, RunReport, Samples, Series, VERSION, VerdictReport,
};

use crate::inventory::Inventory;
use crate::schedule::PluginName;

#[cfg(test)]
mod tests;

/// Samples of a batch; a run with more is cut into several.
pub const SAMPLES_MAX: usize = 10_000;
/// Bytes that a batch's texts may have, about; a declaration that alone has more travels alone.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Graphs, and reports of runs, of a batch.
const LIST_MAX: usize = 1_000;
/// How long after a start batches leave quickly, so that people see something.
const EAGER: Duration = Duration::from_secs(30);
/// How long a reading waits for others then.
const LINGER_EAGER: Duration = Duration::from_millis(500);
/// How long a reading waits for others at most, later.
const LINGER_MAX: Duration = Duration::from_secs(10);
/// A stamp that lies further ahead than this is not taken for what was sent last.
const AHEAD_MAX: Duration = Duration::from_secs(600);

/// What one run of a plugin gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The plugin.
    pub plugin: PluginName,
    /// The time of its readings, where it gives none itself.
    pub time: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// What `config` declared; `None` when it was not asked or failed.
    pub declarations: Option<Vec<Declaration>>,
    /// What it read.
    pub samples: Vec<PluginSample>,
    /// Explanations that it printed along with its readings.
    pub extinfo: Vec<Extinfo>,
    /// What it found, when it is a Nagios check.
    pub verdict: Option<VerdictReport>,
    /// Why it failed, one sentence.
    pub error: Option<String>,
    /// Lines of its output that were not understood.
    pub problems: Vec<Problem>,
    /// Whether `declarations`, where there are any, are all that the plugin has.
    pub declares_all: bool,
}

/// The graphs of this agent's plugins, and readings that wait to be sealed into a batch.
#[derive(Debug)]
pub struct Gather {
    host: HostName,
    started: Instant,
    linger: Duration,
    graphs: BTreeMap<GraphKey, Graph>,
    /// Which graph of which host a plugin means by a name.
    meant: HashMap<(PluginName, GraphName), GraphKey>,
    /// The last stamp that a plugin itself gave.
    stamped: HashMap<SeriesKey, Timestamp>,
    inventory: Inventory,
    pending: Pending,
    sealed: VecDeque<Batch>,
}

type GraphKey = (Option<HostName>, GraphName);
type SeriesKey = (Option<HostName>, GraphName, FieldName);

#[derive(Debug)]
struct Graph {
    owner: PluginName,
    declaration: Declaration,
    /// Whether it waits to be sent.
    unsent: bool,
}

#[derive(Debug, Default)]
struct Pending {
    since: Option<Instant>,
    index: HashMap<SeriesKey, u32>,
    /// The last time of each series.
    last: Vec<Timestamp>,
    series: Series,
    samples: Samples,
    graphs: Vec<Declaration>,
    runs: Vec<RunReport>,
    verdicts: Vec<VerdictReport>,
    gone: BTreeSet<Gone>,
    text_bytes: usize,
}

impl Gather {
    /// Nothing yet. `interval` is the usual one of plugins.
    #[must_use]
    pub fn new(now: Instant, host: HostName, interval: Duration) -> Self {
        Self {
            host,
            started: now,
            linger: (interval / 6).clamp(LINGER_EAGER, LINGER_MAX),
            graphs: BTreeMap::new(),
            meant: HashMap::new(),
            stamped: HashMap::new(),
            inventory: Inventory::default(),
            pending: Pending::default(),
            sealed: VecDeque::new(),
        }
    }

    /// The same with what plugins had before.
    #[must_use]
    pub fn with_inventory(mut self, inventory: Inventory) -> Self {
        self.inventory = inventory;
        self
    }

    /// What plugins have, when that has changed since this was asked last.
    pub fn unsaved_inventory(&mut self) -> Option<Inventory> {
        self.inventory.unsaved()
    }

    /// Takes what a run gave. Says whether the plugin read something that its `config` had not declared, so that
    /// `config` should be asked at its next run.
    pub fn handle_run(&mut self, now: Instant, run: Run) -> bool {
        let fresh = run.declarations.is_some();
        let mut problems = run.problems;
        let mut has = BTreeSet::new();
        for declaration in run.declarations.into_iter().flatten() {
            has.extend(self.declare(now, &run.plugin, declaration, &mut problems));
        }
        if fresh && run.declares_all && problems.is_empty() {
            let gone = self.inventory.replace(&run.plugin, has);
            self.part_with(now, gone);
        } else {
            for item in has {
                self.inventory.add(&run.plugin, item);
            }
        }
        for extinfo in &run.extinfo {
            self.explain(&run.plugin, extinfo);
        }
        let mut samples = run.samples;
        samples.sort_by_key(|sample| sample.time);
        let mut undeclared: BTreeMap<GraphName, FieldName> = BTreeMap::new();
        for sample in &samples {
            if !self.take_sample(now, &run.plugin, run.time, sample) {
                undeclared
                    .entry(sample.graph.clone())
                    .or_insert_with(|| sample.field.clone());
            }
        }
        if fresh {
            let texts = undeclared.iter().map(|(graph, field)| {
                let text = format!(
                    "graph {graph}, field {field}: has a value, but config declares no such field"
                );
                Problem::new("fetch", 0, text)
            });
            problems.extend(texts);
        }
        self.send_unsent(now);
        if let Some(verdict) = run.verdict {
            let check = Gone {
                host: verdict.host.clone(),
                what: GoneWhat::Check(verdict.check.clone()),
            };
            self.pending.gone.remove(&check);
            self.inventory.add(&run.plugin, check);
            self.pending.text_bytes += verdict.text.len();
            self.pending.verdicts.push(verdict);
        }
        self.report(
            now,
            RunReport {
                plugin: run.plugin.to_string(),
                time: run.time,
                duration_seconds: run.duration.as_secs_f64(),
                error: run.error,
                problems: limited(problems),
            },
        );
        !fresh && !undeclared.is_empty()
    }

    /// Sends a report along, of a run or of the agent itself.
    pub fn report(&mut self, now: Instant, report: RunReport) {
        self.pending.text_bytes += report
            .problems
            .iter()
            .map(|problem| problem.text.len() + 32)
            .sum::<usize>();
        self.pending.runs.push(report);
        self.touch(now);
    }

    /// The hosts that plugins declare graphs of, where it is not this one.
    #[must_use]
    pub fn other_hosts(&self) -> BTreeMap<PluginName, BTreeSet<HostName>> {
        let mut hosts: BTreeMap<PluginName, BTreeSet<HostName>> = BTreeMap::new();
        for ((plugin, _), (host, _)) in &self.meant {
            if let Some(host) = host {
                hosts
                    .entry(plugin.clone())
                    .or_default()
                    .insert(host.clone());
            }
        }
        hosts
    }

    /// Plugins that are gone free their graphs for others at once; the collector is told when they stay away.
    pub fn handle_plugins(&mut self, now: Instant, is_there: impl Fn(&str) -> bool) {
        let gone = self.inventory.handle_plugins(now, &is_there);
        self.graphs.retain(|_, graph| is_there(&graph.owner));
        self.meant.retain(|(plugin, _), _| is_there(plugin));
        let graphs = &self.graphs;
        self.stamped
            .retain(|(host, graph, _), _| graphs.contains_key(&(host.clone(), graph.clone())));
        self.part_with(now, gone);
    }

    /// Tells the collector what is there no more.
    fn part_with(&mut self, now: Instant, gone: Vec<Gone>) {
        if gone.is_empty() {
            return;
        }
        for item in &gone {
            if let GoneWhat::Graph(graph) = &item.what {
                self.graphs.remove(&(item.host.clone(), graph.clone()));
            }
        }
        self.pending.gone.extend(gone);
        self.touch(now);
    }

    /// The collector lacks declarations: all of them travel again, since it may name few of those that it lacks.
    pub fn handle_stranger(&mut self, now: Instant) {
        for graph in self.graphs.values_mut() {
            graph.unsent = true;
        }
        self.send_unsent(now);
    }

    /// The next batch that is to leave at `now`. Call it until it has none.
    pub fn poll_batch(&mut self, now: Instant) -> Option<Batch> {
        if self.seal_due().is_some_and(|due| due <= now) {
            self.seal();
        }
        self.sealed.pop_front()
    }

    /// Everything that waits, at the end.
    pub fn drain(&mut self) -> Vec<Batch> {
        self.seal();
        self.sealed.drain(..).collect()
    }

    /// When [`Self::poll_batch`] will have something; `None` while nothing waits.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.sealed.is_empty() {
            self.seal_due()
        } else {
            Some(self.started)
        }
    }

    fn seal_due(&self) -> Option<Instant> {
        let since = self.pending.since?;
        let eager = since.saturating_duration_since(self.started) < EAGER;
        Some(since + if eager { LINGER_EAGER } else { self.linger })
    }

    /// Takes a declaration over, unless the graph is another plugin's; gives what the plugin has by it.
    fn declare(
        &mut self,
        now: Instant,
        plugin: &PluginName,
        declaration: Declaration,
        problems: &mut Vec<Problem>,
    ) -> Option<Gone> {
        let key = (declaration.host.clone(), declaration.graph.clone());
        match self.graphs.get_mut(&key) {
            Some(graph) if graph.owner != *plugin => {
                let text = format!(
                    "graph {} is already plugin {}'s: expected another name",
                    key.1, graph.owner
                );
                problems.push(Problem::new("config", 0, text));
                return None;
            }
            Some(graph) if graph.declaration == declaration => {}
            Some(graph) => {
                graph.declaration = declaration;
                graph.unsent = true;
            }
            None => {
                self.graphs.insert(
                    key.clone(),
                    Graph {
                        owner: plugin.clone(),
                        declaration,
                        unsent: true,
                    },
                );
            }
        }
        let item = Gone {
            host: key.0.clone(),
            what: GoneWhat::Graph(key.1.clone()),
        };
        self.pending.gone.remove(&item);
        self.meant.insert((plugin.clone(), key.1.clone()), key);
        self.touch(now);
        Some(item)
    }

    fn explain(&mut self, plugin: &PluginName, extinfo: &Extinfo) {
        let Some(key) = self.meant.get(&(plugin.clone(), extinfo.graph.clone())) else {
            return;
        };
        let Some(graph) = self.graphs.get_mut(key) else {
            return;
        };
        let field = graph
            .declaration
            .fields
            .iter_mut()
            .find(|field| field.field == extinfo.field);
        if let Some(field) = field
            && field.attributes.text("extinfo") != Some(&extinfo.text)
        {
            field.attributes.keep_last("extinfo", &extinfo.text);
            graph.unsent = true;
        }
    }

    /// Whether the sample belongs to a declared field; then it is taken, or known to have been sent.
    fn take_sample(
        &mut self,
        now: Instant,
        plugin: &PluginName,
        time: Timestamp,
        sample: &PluginSample,
    ) -> bool {
        let Some(key) = self.meant.get(&(plugin.clone(), sample.graph.clone())) else {
            return false;
        };
        let Some(graph) = self.graphs.get(key) else {
            return false;
        };
        if !graph
            .declaration
            .fields
            .iter()
            .any(|field| field.field == sample.field)
        {
            return false;
        }
        let series = (key.0.clone(), key.1.clone(), sample.field.clone());
        if let Some(stamp) = sample.time {
            let sent = self.stamped.get(&series).copied();
            if sent.is_some_and(|sent| stamp <= sent && sent <= time + AHEAD_MAX) {
                return true;
            }
            self.stamped.insert(series.clone(), stamp);
        }
        self.push(now, series, sample.time.unwrap_or(time), sample);
        true
    }

    fn push(&mut self, now: Instant, key: SeriesKey, time: Timestamp, sample: &PluginSample) {
        let last = self
            .pending
            .index
            .get(&key)
            .and_then(|index| self.pending.last.get(*index as usize));
        if last.is_some_and(|last| *last >= time) || self.pending.is_full() {
            self.seal();
        }
        self.touch(now);
        self.pending.push(key, time, sample);
    }

    fn send_unsent(&mut self, now: Instant) {
        let mut unsent = Vec::new();
        for graph in self.graphs.values_mut().filter(|graph| graph.unsent) {
            graph.unsent = false;
            unsent.push(graph.declaration.clone());
        }
        for declaration in unsent {
            if self.pending.is_full() {
                self.seal();
            }
            self.touch(now);
            self.pending.text_bytes += text_bytes(&declaration);
            self.pending.graphs.push(declaration);
        }
    }

    fn touch(&mut self, now: Instant) {
        self.pending.since.get_or_insert(now);
    }

    fn seal(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let says_nothing = pending.graphs.is_empty() && pending.samples.value.is_empty();
        if says_nothing && pending.runs.is_empty() && pending.gone.is_empty() {
            return;
        }
        self.sealed.push_back(Batch {
            version: VERSION,
            host: self.host.clone(),
            key: None,
            graphs: pending.graphs,
            series: pending.series.into(),
            samples: pending.samples,
            runs: pending.runs,
            verdicts: pending.verdicts,
            gone: pending.gone.into_iter().collect(),
        });
    }
}

impl Pending {
    fn is_full(&self) -> bool {
        self.samples.value.len() >= SAMPLES_MAX
            || self.text_bytes >= TEXT_BYTES_MAX
            || self.graphs.len() >= LIST_MAX
            || self.runs.len() >= LIST_MAX
    }

    fn push(&mut self, key: SeriesKey, time: Timestamp, sample: &PluginSample) {
        let index = match self.index.get(&key) {
            Some(index) => *index,
            None => self.add_series(key),
        };
        if let Some(last) = self.last.get_mut(index as usize) {
            *last = time;
        }
        self.samples.series.push(index);
        self.samples.time.push(time);
        self.samples.value.push(sample.reading);
    }

    fn add_series(&mut self, key: SeriesKey) -> u32 {
        let index = u32::try_from(self.last.len()).unwrap_or(u32::MAX);
        self.text_bytes += key.1.as_str().len() + key.2.as_str().len();
        self.series.graph.push(key.1.clone());
        self.series.field.push(key.2.clone());
        if key.0.is_some() && self.series.host.is_empty() {
            self.series.host = vec![None; self.last.len()];
        }
        if key.0.is_some() || !self.series.host.is_empty() {
            self.series.host.push(key.0.clone());
        }
        self.last.push(Timestamp::from_micros(i64::MIN));
        self.index.insert(key, index);
        index
    }
}

fn text_bytes(declaration: &Declaration) -> usize {
    let of = |attributes: &ravenry_plugins::declaration::Attributes| {
        attributes
            .iter()
            .map(|(name, text)| name.len() + text.len())
            .sum::<usize>()
    };
    of(&declaration.attributes)
        + declaration
            .fields
            .iter()
            .map(|field| field.field.as_str().len() + of(&field.attributes))
            .sum::<usize>()
}

/// The first problems; the last of them says how many more there were.
fn limited(mut problems: Vec<Problem>) -> Vec<Problem> {
    let more = problems.len().saturating_sub(PROBLEMS_MAX);
    if more > 0 {
        problems.truncate(PROBLEMS_MAX);
        if let Some(last) = problems.last_mut() {
            last.text.push_str(&format!(" (and {more} more problems)"));
        }
    }
    problems
}
