//! The engine: readings, contacts, declarations, rules and `now` go in, effects come out. Deterministic, and pure: it reads
//! no clock, file, socket, environment or randomness.
//!
//! ```text
//! verdicts ────────────────┐
//! readings ─► rate ─► check machine ─► transition ─► incident ─► gates ─► Tell | NotTold
//! contacts ─► host up/down ────┘           joined when explained     every change ─► Store | Forget
//! ```
//!
//! Invariants: absence is not recovery; a notice's key is given out once; an input repeated changes nothing (a reading at
//! or before the last one judged is ignored); an engine restored from what it stored goes on as if nothing had been.
//!
//! Silence needs a witness. A host is down when nothing was heard of it for a time; a field is silent only when its host
//! spoke without it. When the clock steps or the process slept, every such time begins anew: nobody is told of that.
//!
//! Here are what the engine holds and its inputs. How a check is judged is `engine/judge.rs`, what silence means
//! `engine/silence.rs`, to which incident a problem belongs `engine/place.rs`, what becomes of an incident
//! `engine/memory.rs`, who is told of it `engine/tell.rs` and [`crate::gate::GATES`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::graph::Graph;
use ravenry_plugins::name::{FieldName, GraphName, HostName, SeriesName, VerdictName};
use ravenry_plugins::reading::Reading;
use ravenry_plugins::timestamp::Timestamp;

use crate::budget::Desk;
use crate::check::{CheckName, Patience, State, Transition};
use crate::gate::Reason;
use crate::incident::Incident;
use crate::notice::Notice;
use crate::quiet::{Comment, Downtime};
use crate::rate::{Previous, Scale};
use crate::rule::{CheckSpec, ContactName, DownAfter, HostSpec, Rules};

mod desk;
mod explain;
mod judge;
mod memory;
mod place;
mod quiet;
mod record;
mod silence;
mod spoken;
mod tell;
mod verdict;
mod view;

#[cfg(test)]
mod tests;

pub use quiet::Standing;
pub use record::{Record, RecordKey};
pub use verdict::Said;
use verdict::VerdictCheck;
pub use view::CheckView;

/// [`Engine::poll_timeout`] never lies further ahead than this while a host is known.
pub const TICK: Duration = Duration::from_secs(30);

/// Longer than this between two inputs is a step of the clock or a sleep.
const STEP_FORWARD: Duration = Duration::from_secs(120);

/// Inputs may come out of order by this much before it is a step of the clock.
const STEP_BACK: Duration = Duration::from_secs(10);

/// Decides who is told what. See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Engine {
    rules: Arc<Rules>,
    hosts: BTreeMap<HostName, Host>,
    /// The open ones.
    incidents: BTreeMap<u64, Incident>,
    next_incident: u64,
    /// When to look whether a host is silent: at most one entry a host, never later than its `expected_by`.
    alarms: BTreeSet<(Timestamp, HostName)>,
    /// When incidents that wait for fresh readings are told anyway.
    holds: BTreeSet<(Timestamp, u64)>,
    /// Problems that are confirmed and have no incident yet, with whether their readings came late.
    to_place: BTreeMap<CheckName, bool>,
    /// Those that wait for news of what they need.
    waiting: BTreeMap<CheckName, Waiting>,
    /// When they wait no longer.
    waits: BTreeSet<(Timestamp, CheckName)>,
    /// Whose news they wait for.
    waiting_on: BTreeMap<CheckName, BTreeSet<CheckName>>,
    /// When incidents are to be looked at.
    deadlines: BTreeSet<(Timestamp, u64)>,
    /// What began to fail in the last minutes.
    recent: BTreeSet<(Timestamp, CheckName)>,
    /// The last incident of a kind of check and its people.
    kinds: BTreeMap<String, u64>,
    /// The last burst of some people.
    bursts: BTreeMap<String, u64>,
    /// The incident of what another one left behind, by its people.
    leftovers: BTreeMap<(u64, String), u64>,
    quorums: BTreeMap<HostName, Members>,
    /// Hosts without an agent, by the one whose agent speaks of them.
    spoken_of: BTreeMap<HostName, BTreeSet<HostName>>,
    downtimes: BTreeMap<u64, Downtime>,
    comments: BTreeMap<u64, Comment>,
    standing: Standing,
    /// What waits for people, and what they were sent lately.
    desks: BTreeMap<ContactName, Desk>,
    /// When to look at them.
    desk_times: BTreeSet<(Timestamp, ContactName)>,
    /// Incidents of which a row was stored.
    kept: BTreeSet<u64>,
    /// The time of the last input.
    now: Option<Timestamp>,
    /// Incidents of which somebody may have to be told, asked about when the whole input has been taken in.
    to_review: BTreeSet<u64>,
    effects: Vec<Effect>,
    changed: BTreeSet<RecordKey>,
}

/// What an input led to, in order; the collector carries it out. Within one call of [`Engine::take_effects`] all `Store`
/// and `Forget` come last and belong into one transaction with the notices.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A check's confirmed severity changed.
    Transition {
        /// The check.
        check: CheckName,
        /// From what to what.
        transition: Transition,
    },
    /// Somebody is to be told.
    Tell(Notice),
    /// Somebody was not told, or nobody where no contact is named.
    NotTold {
        /// The incident.
        incident: u64,
        /// Who.
        contact: Option<ContactName>,
        /// Why.
        reason: Reason,
    },
    /// This row is new or changed.
    Store(Record),
    /// This row is gone.
    Forget(RecordKey),
}

/// A problem that waits for news of what it needs.
#[derive(Clone, Debug, PartialEq)]
struct Waiting {
    until: Timestamp,
    on: Option<CheckName>,
}

/// Who belongs to a quorum, of those that were ever judged.
#[derive(Clone, Debug, Default, PartialEq)]
struct Members {
    all: BTreeSet<CheckName>,
    bad: BTreeSet<CheckName>,
}

#[derive(Clone, Debug, PartialEq)]
struct Host {
    spec: HostSpec,
    liveness: Check,
    graphs: BTreeMap<GraphName, GraphChecks>,
    verdicts: BTreeMap<GraphName, VerdictCheck>,
    /// The shortest step of its graphs.
    step: Duration,
    last_contact: Option<Timestamp>,
    /// Since when it has been heard of without a gap.
    heard_since: Timestamp,
    /// It is down when nothing is heard by then.
    expected_by: Option<Timestamp>,
    has_alarm: bool,
    /// No field of it is silent before.
    silence_check_at: Timestamp,
    /// When the last verdict came.
    last_word: Option<Timestamp>,
    /// Whose agent spoke of it last, where it has none of its own.
    spoken_of_by: Option<HostName>,
}

#[derive(Clone, Debug, PartialEq)]
struct GraphChecks {
    /// Nothing between a start and the declaration.
    graph: Option<Arc<Graph>>,
    step: Duration,
    fields: BTreeMap<FieldName, Check>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Check {
    /// By what it is judged: nothing for a host, and for a field until its graph is declared.
    judged_by: Option<JudgedBy>,
    state: State,
    value: Option<f64>,
    /// The time of the last reading that was judged, by the clock of who took it.
    last: Option<Timestamp>,
    previous: Option<Previous>,
    /// When that reading arrived, by our clock.
    heard: Option<Timestamp>,
    incident: Option<u64>,
    /// The incident that it was in before.
    was_in: Option<u64>,
    /// The incident that explained it and does not any more, though it has not been ok since.
    left: Option<u64>,
    /// Since when it waits for news of what it needs.
    waits_since: Option<Timestamp>,
    /// What a Nagios check said last.
    said: String,
}

#[derive(Clone, Debug, PartialEq)]
struct JudgedBy {
    spec: CheckSpec,
    scale: Scale,
    label: String,
    /// What its values are measured in.
    unit: String,
}

impl Engine {
    /// An engine that knows nothing yet.
    #[must_use]
    pub fn new(rules: Arc<Rules>) -> Self {
        Self {
            rules,
            hosts: BTreeMap::new(),
            incidents: BTreeMap::new(),
            next_incident: 1,
            alarms: BTreeSet::new(),
            holds: BTreeSet::new(),
            to_place: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waits: BTreeSet::new(),
            waiting_on: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            recent: BTreeSet::new(),
            kinds: BTreeMap::new(),
            bursts: BTreeMap::new(),
            leftovers: BTreeMap::new(),
            quorums: BTreeMap::new(),
            spoken_of: BTreeMap::new(),
            downtimes: BTreeMap::new(),
            comments: BTreeMap::new(),
            standing: Standing::default(),
            desks: BTreeMap::new(),
            desk_times: BTreeSet::new(),
            kept: BTreeSet::new(),
            now: None,
            to_review: BTreeSet::new(),
            effects: Vec::new(),
            changed: BTreeSet::new(),
        }
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// A graph of a host is new or changed: its fields with thresholds are judged from now on, others no longer.
    pub fn handle_declare(&mut self, host: &HostName, graph: &Arc<Graph>, now: Timestamp) {
        let now = self.tick(now);
        self.host_entry(host, now);
        self.declare(host, graph, now);
        self.review_all(now);
    }

    /// Readings that arrived at `now`, in order of time within a series.
    pub fn handle_readings(&mut self, batch: &[(SeriesName, Reading, Timestamp)], now: Timestamp) {
        let now = self.tick(now);
        let mut hosts = BTreeSet::new();
        for of_host in batch.chunk_by(|a, b| a.0.host == b.0.host) {
            let Some(newest) = of_host.iter().map(|(_, _, at)| *at).max() else {
                continue;
            };
            let host = &of_host[0].0.host;
            if self.listens_to_readings(host) {
                self.hear(host, newest, now);
            }
            hosts.insert(host);
            for (series, reading, at) in of_host {
                self.read(series, *reading, *at, now);
            }
        }
        for host in hosts {
            self.judge_silence_by(host, now);
        }
        self.review_all(now);
    }

    /// Whether a reading is a sign of life: of a host whose agent has been heard of, or that the rules expect to speak. What
    /// somebody pushes by hand once, or each night, makes no host that is missed a few minutes later.
    fn listens_to_readings(&self, host: &HostName) -> bool {
        self.hosts.get(host).is_some_and(|host| {
            host.last_contact.is_some()
                || matches!(host.spec.down_after, Some(DownAfter::Silence(_)))
        })
    }

    /// Something was heard of a host at `at`, by our clock.
    pub fn handle_contact(&mut self, host: &HostName, at: Timestamp, now: Timestamp) {
        let now = self.tick(now);
        self.host_entry(host, now);
        self.hear(host, at, now);
        self.judge_silence_by(host, now);
        self.review_all(now);
    }

    /// Other rules are in force; all states are kept.
    pub fn handle_rules(&mut self, rules: Arc<Rules>, now: Timestamp) {
        let now = self.tick(now);
        self.rules = rules;
        let mut graphs: Vec<(HostName, Arc<Graph>)> = Vec::new();
        for (name, host) in &mut self.hosts {
            host.spec = self.rules.resolve_host(name);
            host.expected_by = None;
            if host.liveness.state.since.is_some() {
                host.expect(&self.rules, now);
            }
            for (check, known) in &mut host.verdicts {
                let name = VerdictName {
                    host: name.clone(),
                    check: check.clone(),
                };
                known.check.judged_by = Some(JudgedBy::verdict(&self.rules, &name));
            }
            let declared = host.graphs.values().filter_map(|it| it.graph.clone());
            graphs.extend(declared.map(|graph| (name.clone(), graph)));
            if let Some(by) = host.expected_by {
                host.has_alarm = true;
                self.alarms.insert((by, name.clone()));
            }
        }
        for (host, graph) in graphs {
            self.declare(&host, &graph, now);
        }
        self.recount(now);
        self.review_open();
        self.review_all(now);
    }

    /// A graph is not watched any more; open incidents about it end.
    pub fn handle_undeclare(&mut self, host: &HostName, graph: &GraphName, now: Timestamp) {
        let now = self.tick(now);
        let Some(checks) = self.hosts.get(host).and_then(|host| host.graphs.get(graph)) else {
            return;
        };
        let names = checks.names(host, graph);
        for name in &names {
            self.withdraw(name, now);
        }
        if let Some(host) = self.hosts.get_mut(host) {
            host.graphs.remove(graph);
            host.step = host.shortest_step(self.rules.step);
        }
        self.review_all(now);
    }

    /// A host is not watched any more; open incidents about it end.
    pub fn handle_forget(&mut self, host: &HostName, now: Timestamp) {
        let now = self.tick(now);
        let Some(known) = self.hosts.get(host) else {
            return;
        };
        let graphs: Vec<GraphName> = known.graphs.keys().cloned().collect();
        let verdicts = known.verdict_names(host);
        for graph in &graphs {
            self.handle_undeclare(host, graph, now);
        }
        for verdict in &verdicts {
            self.withdraw(verdict, now);
        }
        self.withdraw(&CheckName::Host(host.clone()), now);
        self.hosts.remove(host);
        self.alarms.retain(|(_, name)| name != host);
        self.spoken_of.remove(host);
    }

    /// When [`Self::handle_timeout`] is wanted at the latest; `None` while there is nothing to watch.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let next_tick = self.now.filter(|_| !self.hosts.is_empty())? + TICK;
        let alarm = self.alarms.first().map(|(at, _)| *at);
        let hold = self.holds.first().map(|(at, _)| *at);
        let wait = self.waits.first().map(|(at, _)| *at);
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let quiet = self.next_quiet_end();
        let desk = self.desk_times.first().map(|(at, _)| *at);
        [Some(next_tick), alarm, hold, wait, deadline, quiet, desk]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time has passed: hosts that are silent for too long are down, what was held is told.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let now = self.tick(now);
        while let Some((at, host)) = self.alarms.first().cloned() {
            if at > now {
                break;
            }
            self.alarms.pop_first();
            self.alarm(&host, now);
        }
        while let Some((at, incident)) = self.holds.first().copied() {
            if at > now {
                break;
            }
            self.release(incident);
        }
        while let Some((at, name)) = self.waits.first().cloned() {
            if at > now {
                break;
            }
            self.waits.pop_first();
            self.to_place.insert(name, false);
        }
        self.end_quiet(now);
        self.review_all(now);
    }

    /// What the inputs since the last call led to.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        let mut effects = std::mem::take(&mut self.effects);
        for key in std::mem::take(&mut self.changed) {
            effects.push(self.record(&key).map_or(Effect::Forget(key), Effect::Store));
        }
        effects
    }

    /// The time that counts: it goes back, or far ahead, only as a step of the clock, after which every silence begins anew.
    fn tick(&mut self, now: Timestamp) -> Timestamp {
        match self.now {
            Some(last) if now > last + STEP_FORWARD || now + STEP_BACK < last => self.resettle(now),
            Some(last) if now < last => return last,
            Some(_) | None => {}
        }
        self.now = Some(now);
        now
    }

    fn host_entry(&mut self, host: &HostName, now: Timestamp) -> &mut Host {
        let rules = &self.rules;
        self.hosts
            .entry(host.clone())
            .or_insert_with(|| Host::new(rules, host, now))
    }
}

/// What needs no repetition: it has been waited for already.
const ONCE: Patience = Patience {
    attempts: 1,
    unknown_limit: 1,
};
