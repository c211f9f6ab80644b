//! From readings to severities: by what each check is judged, and the one way by which its state changes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::graph::{Field, Graph};
use ravenry_plugins::name::{FieldName, GraphName, HostName, SeriesName};
use ravenry_plugins::reading::Reading;
use ravenry_plugins::timestamp::Timestamp;

use super::silence::silence_of;
use super::{Check, Effect, Engine, GraphChecks, Host, JudgedBy, ONCE, RecordKey};
use crate::check::{CheckName, Patience, Verdict};
use crate::notice;
use crate::rate::{Previous, Scale, Value};
use crate::rule::Rules;

impl Engine {
    pub(super) fn declare(&mut self, host: &HostName, graph: &Arc<Graph>, now: Timestamp) {
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
        self.hurry_desks(now);
        for check in gone {
            self.withdraw(&check, now);
        }
    }

    pub(super) fn read(
        &mut self,
        series: &SeriesName,
        reading: Reading,
        at: Timestamp,
        now: Timestamp,
    ) {
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
            Value::Known(number) => Some((
                by.spec.judge_held(number, check.state.severity),
                Some(number),
            )),
            Value::Unknown => Some((Verdict::Unknown, None)),
            Value::Pending => None,
        };
        check.last = Some(at);
        check.previous = Some(Previous { at, reading });
        check.heard = Some(now);
        let Some((verdict, number)) = judged else {
            return;
        };
        if !by.spec.is_judged(now) {
            return;
        }
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

    pub(super) fn judge(
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
        let is_first = check.state.since.is_none() && next.since.is_some();
        check.state = next;
        if next.severity.is_ok() {
            check.left = None;
        }
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
        if is_first && transition.is_none() {
            self.count_member(name, now);
        }
        if changed && transition.is_none() && next.severity.is_ok() {
            // An incident that awaited what would come of a suspicion need not any longer.
            let incident = self.check(name).and_then(|check| check.incident);
            self.deadlines
                .extend(incident.map(|id| (self.mark(now), id)));
        }
        self.follow(name, patience, transition, late, now);
    }

    pub(super) fn check(&self, name: &CheckName) -> Option<&Check> {
        let host = self.hosts.get(name.host())?;
        match name {
            CheckName::Host(_) => Some(&host.liveness),
            CheckName::Field(series) => host.graphs.get(&series.graph)?.fields.get(&series.field),
            CheckName::Verdict(name) => Some(&host.verdicts.get(&name.check)?.check),
        }
    }

    pub(super) fn check_mut(&mut self, name: &CheckName) -> Option<&mut Check> {
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

impl Check {
    /// Results in a row until a problem of this check counts.
    pub(super) fn patience_of(&self, host: Option<&Host>, name: &CheckName) -> u32 {
        match name {
            CheckName::Host(_) => host.map_or(1, |host| host.spec.patience.attempts),
            CheckName::Field(_) | CheckName::Verdict(_) => self.patience().attempts,
        }
    }

    pub(super) fn patience(&self) -> Patience {
        self.judged_by.as_ref().map_or(ONCE, |by| by.spec.patience)
    }
}

impl Host {
    pub(super) fn new(rules: &Rules, name: &HostName, now: Timestamp) -> Self {
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
            spoken_of_by: None,
        }
    }

    pub(super) fn shortest_step(&self, default: Duration) -> Duration {
        self.graphs
            .values()
            .map(|checks| checks.step)
            .min()
            .unwrap_or(default)
    }

    /// Its fields, then its Nagios checks.
    pub(super) fn check_names(&self, host: &HostName) -> Vec<CheckName> {
        let names = |(graph, checks): (&GraphName, &GraphChecks)| checks.names(host, graph);
        let mut all: Vec<CheckName> = self.graphs.iter().flat_map(names).collect();
        all.extend(self.verdict_names(host));
        all
    }
}

impl GraphChecks {
    pub(super) fn names(&self, host: &HostName, graph: &GraphName) -> Vec<CheckName> {
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
    pub(super) fn judge_by(
        &mut self,
        host: &HostName,
        graph: &Graph,
        rules: &Rules,
    ) -> Vec<CheckName> {
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
                unit: unit_of(graph, field),
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

/// What the judged values are measured in: the text beside the axis, unless the graph shows other values than are judged.
fn unit_of(graph: &Graph, field: &Field) -> String {
    match (&graph.vlabel, &field.cdef) {
        (Some(axis), None) => notice::unit_of(axis),
        (None, _) | (_, Some(_)) => String::new(),
    }
}

/// A label may come from anywhere: what would break a line is a blank, what is too long is cut.
fn one_line(label: &str) -> String {
    const CHARACTERS_MAX: usize = 120;
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    label.chars().map(blank).take(CHARACTERS_MAX).collect()
}
