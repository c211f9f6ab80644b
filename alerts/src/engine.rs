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
//! To which incident a problem belongs is `engine/place.rs`, what becomes of an incident `engine/memory.rs`, who is told
//! of it `engine/tell.rs` and [`crate::gate::GATES`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::graph::{Field, Graph};
use ravenry_plugins::name::{FieldName, GraphName, HostName, SeriesName, VerdictName};
use ravenry_plugins::reading::Reading;
use ravenry_plugins::timestamp::Timestamp;

use crate::check::{CheckName, Patience, State, Transition, Verdict};
use crate::gate::Reason;
use crate::incident::Incident;
use crate::notice::Notice;
use crate::quiet::Downtime;
use crate::rate::{Previous, Scale, Value};
use crate::rule::{CheckSpec, ContactName, DownAfter, HostSpec, Rules};

mod memory;
mod place;
mod quiet;
mod record;
mod tell;
mod verdict;
mod view;

#[cfg(test)]
mod tests;

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
    downtimes: BTreeMap<u64, Downtime>,
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
    since: Timestamp,
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
    /// What a Nagios check said last.
    said: String,
}

#[derive(Clone, Debug, PartialEq)]
struct JudgedBy {
    spec: CheckSpec,
    scale: Scale,
    label: String,
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
            downtimes: BTreeMap::new(),
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
            self.judge_silence(host, now);
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
        self.judge_silence(host, now);
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
        self.review_untold();
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
    }

    /// When [`Self::handle_timeout`] is wanted at the latest; `None` while there is nothing to watch.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let next_tick = self.now.filter(|_| !self.hosts.is_empty())? + TICK;
        let alarm = self.alarms.first().map(|(at, _)| *at);
        let hold = self.holds.first().map(|(at, _)| *at);
        let wait = self.waits.first().map(|(at, _)| *at);
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let downtime = self.next_downtime_end();
        [Some(next_tick), alarm, hold, wait, deadline, downtime]
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
        self.end_downtimes(now);
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

    fn resettle(&mut self, now: Timestamp) {
        self.alarms.clear();
        for (name, host) in &mut self.hosts {
            host.heard_since = now;
            host.silence_check_at = now;
            host.last_contact = host.last_contact.map(|_| now);
            host.expected_by = None;
            if host.liveness.state.since.is_some() {
                host.expect(&self.rules, now);
            }
            host.has_alarm = host.expected_by.is_some();
            self.alarms
                .extend(host.expected_by.map(|by| (by, name.clone())));
            let fields = host
                .graphs
                .values_mut()
                .flat_map(|it| it.fields.values_mut());
            let verdicts = host.verdicts.values_mut().map(|it| &mut it.check);
            fields.chain(verdicts).for_each(|check| check.resettle(now));
        }
        let latest = now + self.rules.settle;
        for (at, id) in std::mem::take(&mut self.holds) {
            let at = at.min(latest);
            self.holds.insert((at, id));
            if let Some(incident) = self.incidents.get_mut(&id) {
                incident.held_until = Some(at);
                self.changed.insert(RecordKey::Incident(id));
            }
        }
    }

    fn host_entry(&mut self, host: &HostName, now: Timestamp) -> &mut Host {
        let rules = &self.rules;
        self.hosts
            .entry(host.clone())
            .or_insert_with(|| Host::new(rules, host, now))
    }

    fn declare(&mut self, host: &HostName, graph: &Arc<Graph>, now: Timestamp) {
        let step = graph.update_rate.unwrap_or(self.rules.step);
        let mut gone = Vec::new();
        if let Some(known) = self.hosts.get_mut(host) {
            let checks = known
                .graphs
                .entry(graph.name.clone())
                .or_insert(GraphChecks {
                    graph: None,
                    step,
                    fields: BTreeMap::new(),
                });
            checks.graph = Some(Arc::clone(graph));
            checks.step = step;
            gone = checks.judge_by(host, graph, &self.rules);
            known.step = known.shortest_step(self.rules.step);
            known.silence_check_at = known.silence_check_at.min(now);
        }
        self.review_graph(host, &graph.name);
        for check in gone {
            self.withdraw(&check, now);
        }
    }

    /// Something was heard of a host: it is up, and a gap in what is heard of it ends here.
    fn hear(&mut self, name: &HostName, at: Timestamp, now: Timestamp) {
        let at = at.min(now);
        let host = self.host_entry(name, now);
        let is_down = !host.liveness.state.severity.is_ok();
        if is_down && host.liveness.state.since.is_some_and(|since| at <= since) {
            return;
        }
        let gap_max = (2 * host.step).max(Duration::from_secs(150));
        if host.last_contact.is_none_or(|last| at > last + gap_max) {
            host.heard_since = now;
        }
        host.last_contact = host.last_contact.max(Some(at));
        if host.spec.alive.is_some() {
            return;
        }
        let rules = Arc::clone(&self.rules);
        let host = self.host_entry(name, now);
        host.expect(&rules, now);
        let is_known = host.liveness.state.since.is_some() && !is_down;
        if let (false, Some(by)) = (host.has_alarm, host.expected_by) {
            host.has_alarm = true;
            self.alarms.insert((by, name.clone()));
        }
        self.wake(&CheckName::Host(name.clone()));
        if !is_known {
            self.judge(
                &CheckName::Host(name.clone()),
                ONCE,
                Verdict::Ok,
                at,
                now,
                false,
            );
        }
    }

    fn read(&mut self, series: &SeriesName, reading: Reading, at: Timestamp, now: Timestamp) {
        let rules = Arc::clone(&self.rules);
        let Some(host) = self.hosts.get_mut(&series.host) else {
            return;
        };
        let Some(checks) = host.graphs.get_mut(&series.graph) else {
            return;
        };
        let step = checks.step;
        let Some(check) = checks.fields.get_mut(&series.field) else {
            return;
        };
        let Some(by) = &check.judged_by else {
            return;
        };
        if check.last.is_some_and(|last| at <= last) {
            return;
        }
        host.silence_check_at = host.silence_check_at.min(now + silence_of(&rules, step));
        let value = by.scale.value(check.previous, reading, at);
        let patience = by.spec.patience;
        let judged = match value {
            Value::Known(number) => Some((by.spec.judge(number), Some(number))),
            Value::Unknown => Some((Verdict::Unknown, None)),
            Value::Pending => None,
        };
        check.last = Some(at);
        check.previous = Some(Previous { at, reading });
        check.heard = Some(now);
        let Some((verdict, number)) = judged else {
            return;
        };
        check.value = number;
        let (next, _) = check.state.step(patience, verdict, at);
        if next == check.state && check.incident.is_none() && next.severity.is_ok() {
            return;
        }
        let late = now.since(at) > rules.late_after.max(3 * step);
        self.judge(
            &CheckName::Field(series.clone()),
            patience,
            verdict,
            at,
            now,
            late,
        );
    }

    /// The host spoke: fields that it has not spoken of for too long are silent.
    fn judge_silence(&mut self, name: &HostName, now: Timestamp) {
        let Some(host) = self.hosts.get_mut(name) else {
            return;
        };
        if now < host.silence_check_at {
            return;
        }
        let (silent, next) = host.silent_checks(name, &self.rules, now);
        host.silence_check_at = next;
        for check in silent {
            self.judge(&check, ONCE, Verdict::Silent, now, now, false);
        }
    }

    fn alarm(&mut self, name: &HostName, now: Timestamp) {
        let Some(host) = self.hosts.get_mut(name) else {
            return;
        };
        host.has_alarm = false;
        match host.expected_by {
            Some(by) if by > now => {
                host.has_alarm = true;
                self.alarms.insert((by, name.clone()));
            }
            Some(_) if host.liveness.incident.is_none() => {
                self.judge(
                    &CheckName::Host(name.clone()),
                    ONCE,
                    Verdict::Critical,
                    now,
                    now,
                    false,
                );
                self.blind(name, now);
            }
            Some(_) | None => {}
        }
    }

    /// A host is down: what was fine on it is unknown now, and explained.
    fn blind(&mut self, name: &HostName, now: Timestamp) {
        let Some(host) = self.hosts.get(name) else {
            return;
        };
        for check in host.check_names(name) {
            let fine = |check: &Check| check.state.severity.is_ok() && check.state.since.is_some();
            if self.check(&check).is_some_and(fine) {
                self.judge(&check, ONCE, Verdict::Silent, now, now, false);
            }
        }
    }

    fn judge(
        &mut self,
        name: &CheckName,
        patience: Patience,
        verdict: Verdict,
        at: Timestamp,
        now: Timestamp,
        late: bool,
    ) {
        let Some(check) = self.check_mut(name) else {
            return;
        };
        if verdict == Verdict::Silent {
            check.said.clear();
        }
        let (next, transition) = check.state.step(patience, verdict, at);
        let changed = next != check.state;
        let began = next.onset.filter(|_| check.state.onset.is_none());
        check.state = next;
        if changed {
            self.changed.insert(RecordKey::Check(name.clone()));
        }
        if let Some(transition) = transition {
            let check = name.clone();
            self.effects.push(Effect::Transition { check, transition });
        }
        if let Some(onset) = began {
            self.note_onset(name, onset, now);
        }
        if changed {
            self.wake(name);
        }
        self.follow(name, patience, transition, late, now);
    }

    fn check(&self, name: &CheckName) -> Option<&Check> {
        let host = self.hosts.get(name.host())?;
        match name {
            CheckName::Host(_) => Some(&host.liveness),
            CheckName::Field(series) => host.graphs.get(&series.graph)?.fields.get(&series.field),
            CheckName::Verdict(name) => Some(&host.verdicts.get(&name.check)?.check),
        }
    }

    fn check_mut(&mut self, name: &CheckName) -> Option<&mut Check> {
        let host = self.hosts.get_mut(name.host())?;
        match name {
            CheckName::Host(_) => Some(&mut host.liveness),
            CheckName::Field(series) => host
                .graphs
                .get_mut(&series.graph)?
                .fields
                .get_mut(&series.field),
            CheckName::Verdict(name) => Some(&mut host.verdicts.get_mut(&name.check)?.check),
        }
    }
}

/// What needs no repetition: it has been waited for already.
const ONCE: Patience = Patience {
    attempts: 1,
    unknown_limit: 1,
};

impl Check {
    /// Whether silence would change it.
    fn is_news_if_silent(&self) -> bool {
        !self.state.severity.is_unknown() || self.incident.is_none()
    }

    /// Results in a row until a problem of this check counts.
    fn patience_of(&self, host: Option<&Host>, name: &CheckName) -> u32 {
        match name {
            CheckName::Host(_) => host.map_or(1, |host| host.spec.patience.attempts),
            CheckName::Field(_) | CheckName::Verdict(_) => self.patience().attempts,
        }
    }

    fn patience(&self) -> Patience {
        self.judged_by.as_ref().map_or(ONCE, |by| by.spec.patience)
    }

    /// After a step of the clock: what bears a time that has not come yet must not keep what comes next from being judged.
    fn resettle(&mut self, now: Timestamp) {
        let before = now - Duration::from_secs(1);
        self.heard = self.heard.map(|heard| heard.min(now));
        self.last = self.last.map(|last| if last > now { before } else { last });
        self.previous = self.previous.filter(|previous| previous.at <= now);
    }
}

fn silence_of(rules: &Rules, step: Duration) -> Duration {
    (rules.field_steps * step).max(rules.silence_min)
}

impl Host {
    fn new(rules: &Rules, name: &HostName, now: Timestamp) -> Self {
        Self {
            spec: rules.resolve_host(name),
            liveness: Check::default(),
            graphs: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            step: rules.step,
            last_contact: None,
            heard_since: now,
            expected_by: None,
            has_alarm: false,
            silence_check_at: now,
            last_word: None,
        }
    }

    /// Moves the time by which something must be heard of the host, given that it was heard of `at`.
    fn expect(&mut self, rules: &Rules, at: Timestamp) {
        let silence = match self.spec.down_after {
            Some(DownAfter::Never) => {
                self.expected_by = None;
                return;
            }
            Some(DownAfter::Silence(silence)) => silence,
            None if self.spec.alive.is_some() => {
                self.expected_by = None;
                return;
            }
            None => (rules.host_steps * self.step).max(rules.silence_min),
        };
        self.expected_by = self.expected_by.max(Some(at + silence));
    }

    fn shortest_step(&self, default: Duration) -> Duration {
        self.graphs
            .values()
            .map(|checks| checks.step)
            .min()
            .unwrap_or(default)
    }

    /// Its fields, then its Nagios checks.
    fn check_names(&self, host: &HostName) -> Vec<CheckName> {
        let names = |(graph, checks): (&GraphName, &GraphChecks)| checks.names(host, graph);
        let mut all: Vec<CheckName> = self.graphs.iter().flat_map(names).collect();
        all.extend(self.verdict_names(host));
        all
    }

    /// The checks that are silent and not yet known to be, and before when none of the others is.
    fn silent_checks(
        &self,
        host: &HostName,
        rules: &Rules,
        now: Timestamp,
    ) -> (Vec<CheckName>, Timestamp) {
        let mut silent = Vec::new();
        let mut next = now + silence_of(rules, Duration::ZERO);
        for (name, known) in self
            .verdict_names(host)
            .into_iter()
            .zip(self.verdicts.values())
        {
            let Some(interval) = known.interval else {
                continue;
            };
            let by = self.heard_of(&known.check) + known.silence(rules, interval);
            if by > now {
                next = next.min(by);
            } else if known.check.is_news_if_silent() {
                silent.push(name);
            }
        }
        for (graph, checks) in &self.graphs {
            let silence = silence_of(rules, checks.step);
            for (field, check) in &checks.fields {
                if check.last.is_none() || check.judged_by.is_none() {
                    continue;
                }
                let by = self.heard_of(check) + silence;
                if by > now {
                    next = next.min(by);
                } else if check.is_news_if_silent() {
                    silent.push(CheckName::Field(SeriesName {
                        host: host.clone(),
                        graph: graph.clone(),
                        field: field.clone(),
                    }));
                }
            }
        }
        (silent, next)
    }

    /// Since when a check may have been heard of and was not.
    fn heard_of(&self, check: &Check) -> Timestamp {
        let heard = check.heard;
        heard.map_or(self.heard_since, |heard| heard.max(self.heard_since))
    }
}

impl GraphChecks {
    fn names(&self, host: &HostName, graph: &GraphName) -> Vec<CheckName> {
        let name = |field: &FieldName| {
            CheckName::Field(SeriesName {
                host: host.clone(),
                graph: graph.clone(),
                field: field.clone(),
            })
        };
        self.fields.keys().map(name).collect()
    }

    /// Sets by what each field is judged; gives the checks that have nothing to be judged by any more.
    fn judge_by(&mut self, host: &HostName, graph: &Graph, rules: &Rules) -> Vec<CheckName> {
        let mut judged = BTreeSet::new();
        for field in &graph.fields {
            let series = SeriesName {
                host: host.clone(),
                graph: graph.name.clone(),
                field: field.name.clone(),
            };
            let spec = rules.resolve(&series, &judged_field(graph, field));
            if !spec.judges() {
                continue;
            }
            let check = self.fields.entry(field.name.clone()).or_default();
            check.judged_by = Some(JudgedBy {
                spec,
                scale: Scale::of(field, self.step),
                label: format!("{} {}", graph.name, one_line(&field.label)),
            });
            judged.insert(CheckName::Field(series));
        }
        let names = self.names(host, &graph.name);
        names
            .into_iter()
            .filter(|name| !judged.contains(name))
            .collect()
    }
}

/// The field with the thresholds that are judged: those of a Nagios check's numbers are only shown, its verdict counts.
fn judged_field<'a>(graph: &Graph, field: &'a Field) -> Cow<'a, Field> {
    match graph.check {
        None => Cow::Borrowed(field),
        Some(_) => Cow::Owned(Field {
            warning: None,
            critical: None,
            ..field.clone()
        }),
    }
}

/// A label may come from anywhere: what would break a line is a blank, what is too long is cut.
fn one_line(label: &str) -> String {
    const CHARACTERS_MAX: usize = 120;
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    label.chars().map(blank).take(CHARACTERS_MAX).collect()
}
