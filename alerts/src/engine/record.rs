//! What an engine keeps: a row a check that was ever judged, a row an incident. Rows are stored as they change, and in
//! whole at a clean stop; an engine restored from them goes on as if nothing had been.
//!
//! After a crash the row of a check may be older than its last readings: those changed nothing, so judging them again
//! when the journal is replayed changes nothing either.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::name::HostName;
use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Check, Engine, GraphChecks, Host, Standing, VerdictCheck};
use crate::budget::Desk;
use crate::check::{CheckName, State};
use crate::incident::Incident;
use crate::quiet::{Comment, Downtime};
use crate::rate::Previous;
use crate::rule::{ContactName, Rules};

/// A row, in the form in which it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    /// Where a check stands.
    Check(CheckRecord),
    /// An incident, open or closed.
    Incident(Incident),
    /// A downtime that is not over.
    Downtime(Downtime),
    /// What somebody wrote.
    Comment(Comment),
    /// What holds for everything.
    Standing(Standing),
    /// What waits for somebody.
    Desk(DeskRecord),
}

/// The identity of a [`Record`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKey {
    /// Of a check.
    Check(CheckName),
    /// Of an incident.
    Incident(u64),
    /// Of a downtime.
    Downtime(u64),
    /// Of a comment.
    Comment(u64),
    /// Of the one [`Record::Standing`].
    Standing,
    /// Of what waits for somebody.
    Desk(ContactName),
}

/// What waits for somebody, and what they were sent lately.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeskRecord {
    contact: ContactName,
    desk: Desk,
}

/// Where a check stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckRecord {
    /// Its name.
    name: CheckName,
    /// Its state.
    state: State,
    /// The last value that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    /// When the last reading was taken that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Timestamp>,
    /// That reading, for rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Previous>,
    /// The incident that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incident: Option<u64>,
    /// The incident that it was in before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    was_in: Option<u64>,
    /// The incident that explained it and does not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
    /// Since when it waits for news of what it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waits_since: Option<Timestamp>,
    /// What a Nagios check said last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    said: String,
    /// How often a Nagios check is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interval: Option<Duration>,
    /// Of a host without an agent: whose agent speaks of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spoken_of_by: Option<HostName>,
}

impl Record {
    /// Its identity.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Check(check) => RecordKey::Check(check.name.clone()),
            Self::Incident(incident) => RecordKey::Incident(incident.id),
            Self::Downtime(downtime) => RecordKey::Downtime(downtime.id),
            Self::Comment(comment) => RecordKey::Comment(comment.id),
            Self::Standing(_) => RecordKey::Standing,
            Self::Desk(row) => RecordKey::Desk(row.contact.clone()),
        }
    }
}

impl Engine {
    /// The engine that stored these records: all of checks, all open incidents, and at least the newest incident.
    /// Graphs are declared to it again; what it hears of in the meantime counts from then on, and silence only from a
    /// grace after `now`.
    #[must_use]
    pub fn restore(rules: Arc<Rules>, records: Vec<Record>, now: Timestamp) -> Self {
        let mut engine = Self::new(rules);
        engine.now = Some(now);
        for record in records {
            match record {
                Record::Check(check) => engine.restore_check(&check, now),
                Record::Incident(incident) => engine.restore_incident(incident),
                Record::Downtime(downtime) => {
                    engine.downtimes.insert(downtime.id, downtime);
                }
                Record::Comment(comment) => {
                    engine.comments.insert(comment.id, comment);
                }
                Record::Standing(standing) => engine.standing = standing,
                Record::Desk(row) => {
                    let at = row.desk.look_at.map(|at| (at, row.contact.clone()));
                    engine.desk_times.extend(at);
                    engine.desks.insert(row.contact, row.desk);
                }
            }
        }
        engine.mend();
        engine.remember(now);
        engine
    }

    /// All rows, for a clean stop.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let mut records: Vec<Record> = self
            .incidents
            .values()
            .cloned()
            .map(Record::Incident)
            .collect();
        records.extend(self.downtimes.values().cloned().map(Record::Downtime));
        records.extend(self.comments.values().cloned().map(Record::Comment));
        records.push(Record::Standing(self.standing.clone()));
        records.extend(self.desks.keys().filter_map(|name| self.desk_record(name)));
        for (name, host) in &self.hosts {
            let names =
                std::iter::once(CheckName::Host(name.clone())).chain(host.check_names(name));
            records.extend(names.filter_map(|name| self.check_record(&name)));
        }
        records
    }

    pub(super) fn record(&self, key: &RecordKey) -> Option<Record> {
        match key {
            RecordKey::Check(name) => self.check_record(name),
            RecordKey::Incident(id) => self.incidents.get(id).cloned().map(Record::Incident),
            RecordKey::Downtime(id) => self.downtimes.get(id).cloned().map(Record::Downtime),
            RecordKey::Comment(id) => self.comments.get(id).cloned().map(Record::Comment),
            RecordKey::Standing => Some(Record::Standing(self.standing.clone())),
            RecordKey::Desk(name) => self.desk_record(name),
        }
    }

    fn desk_record(&self, name: &ContactName) -> Option<Record> {
        let desk = self.desks.get(name).filter(|desk| !desk.is_empty())?;
        Some(Record::Desk(DeskRecord {
            contact: name.clone(),
            desk: desk.clone(),
        }))
    }

    fn check_record(&self, name: &CheckName) -> Option<Record> {
        let check = self.check(name)?;
        let spoken_of_by = match name {
            CheckName::Host(host) => self.hosts.get(host)?.spoken_of_by.clone(),
            CheckName::Field(_) | CheckName::Verdict(_) => None,
        };
        if check.state == State::default() && check.last.is_none() && spoken_of_by.is_none() {
            return None;
        }
        Some(Record::Check(CheckRecord {
            name: name.clone(),
            state: check.state,
            value: check.value.filter(|value| value.is_finite()),
            last: check.last,
            previous: check.previous,
            incident: check.incident,
            was_in: check.was_in,
            left: check.left,
            waits_since: check.waits_since,
            said: check.said.clone(),
            interval: self.interval_of(name),
            spoken_of_by,
        }))
    }

    fn restore_check(&mut self, record: &CheckRecord, now: Timestamp) {
        let check = Check {
            judged_by: None,
            state: record.state,
            value: record.value,
            last: record.last,
            previous: record.previous,
            heard: None,
            incident: record.incident,
            was_in: record.was_in,
            left: record.left,
            waits_since: record.waits_since,
            said: record.said.clone(),
        };
        let rules = Arc::clone(&self.rules);
        let host = self.host_entry(record.name.host(), now);
        match &record.name {
            CheckName::Host(name) => {
                host.liveness = check;
                host.spoken_of_by.clone_from(&record.spoken_of_by);
                if let Some(by) = &record.spoken_of_by {
                    self.remember_spoken_of(by, name);
                }
                let host = self.host_entry(name, now);
                if host.liveness.state.since.is_none() && host.liveness.last.is_none() {
                    return;
                }
                host.expect(&rules, now + rules.start_grace);
                host.has_alarm = host.expected_by.is_some();
                let alarm = host.expected_by.map(|by| (by, name.clone()));
                self.alarms.extend(alarm);
            }
            CheckName::Field(series) => {
                let step = rules.step;
                let graph = host.graphs.entry(series.graph.clone());
                let graph = graph.or_insert_with(|| GraphChecks::undeclared(step));
                graph.fields.insert(series.field.clone(), check);
            }
            CheckName::Verdict(name) => {
                let mut known = VerdictCheck::new(&rules, name);
                known.interval = record.interval;
                known.check = Check {
                    judged_by: known.check.judged_by,
                    ..check
                };
                host.verdicts.insert(name.check.clone(), known);
            }
        }
    }

    fn restore_incident(&mut self, incident: Incident) {
        self.next_incident = self.next_incident.max(incident.id + 1);
        if incident.closed.is_some() {
            return;
        }
        self.holds
            .extend(incident.held_until.map(|until| (until, incident.id)));
        let acknowledged = incident.acknowledged.as_ref();
        let expires = acknowledged.and_then(|it| it.expires);
        self.deadlines.extend(expires.map(|at| (at, incident.id)));
        self.kept.insert(incident.id);
        self.incidents.insert(incident.id, incident);
    }

    /// What can be told from the rows: which incident takes in what, what waits, who belongs to which quorum.
    fn remember(&mut self, now: Timestamp) {
        let incidents: Vec<Incident> = self.incidents.values().cloned().collect();
        for incident in &incidents {
            self.index(incident);
            self.deadlines.insert((self.mark(now), incident.id));
            self.to_review.insert(incident.id);
            let after = self.rules.memory.update_after;
            let updates = incident.told.values().map(|told| told.first + after);
            let updates = updates.filter(|at| *at > now);
            self.deadlines.extend(updates.map(|at| (at, incident.id)));
        }
        for name in self.all_checks() {
            let Some(check) = self.check(&name) else {
                continue;
            };
            let (state, incident) = (check.state, check.incident);
            let waited = check.waits_since.is_some();
            if let Some(onset) = state.onset {
                self.recent.insert((onset, name.clone()));
            }
            if waited {
                self.to_place.insert(name, false);
            } else if !state.severity.is_ok() && incident.is_none() && state.suspect == 0 {
                let until = now + self.rules.memory.hold;
                self.note_wait(&name, Some(now));
                let waiting = super::Waiting { until, on: None };
                self.waiting.insert(name.clone(), waiting);
                self.waits.insert((until, name));
            }
        }
        self.recount(now);
    }

    /// Who belongs to which quorum, counted anew.
    pub(super) fn recount(&mut self, now: Timestamp) {
        self.quorums.clear();
        if self.rules.quorums.is_empty() {
            return;
        }
        for name in self.all_checks() {
            if self
                .check(&name)
                .is_some_and(|check| check.state.since.is_some())
            {
                self.count_quietly(&name);
            }
        }
        let quorums: Vec<_> = self.quorums.keys().cloned().collect();
        for quorum in quorums {
            self.judge_quorum(&quorum, now);
        }
    }

    fn all_checks(&self) -> Vec<CheckName> {
        let hosts = self.hosts.iter();
        hosts
            .flat_map(|(name, host)| {
                std::iter::once(CheckName::Host(name.clone())).chain(host.check_names(name))
            })
            .collect()
    }

    /// A row that was lost must not leave a check waiting for an incident that does not exist, or the reverse.
    fn mend(&mut self) {
        let open: BTreeSet<u64> = self.incidents.keys().copied().collect();
        for check in self.hosts.values_mut().flat_map(Host::checks_mut) {
            check.incident = check.incident.filter(|id| open.contains(id));
        }
        let attached: Vec<(u64, CheckName)> = self
            .incidents
            .values()
            .flat_map(|it| {
                it.explains
                    .iter()
                    .chain(it.causes())
                    .map(|name| (it.id, name.clone()))
            })
            .collect();
        for (id, name) in attached {
            match self.check_mut(&name) {
                Some(check) if check.incident == Some(id) => {}
                Some(check) if check.incident.is_none() => {
                    check.incident = Some(id);
                }
                Some(_) | None => self.orphan(id, &name),
            }
        }
    }

    /// An incident's check is gone or belongs elsewhere: without its cause the incident cannot end, so it is not kept.
    fn orphan(&mut self, id: u64, name: &CheckName) {
        let Some(incident) = self.incidents.get_mut(&id) else {
            return;
        };
        incident.explains.remove(name);
        incident.folded.remove(name);
        if incident.cause == *name {
            self.incidents.remove(&id);
            self.holds.retain(|(_, held)| *held != id);
        }
    }
}

impl GraphChecks {
    fn undeclared(step: Duration) -> Self {
        Self {
            graph: None,
            step,
            fields: std::collections::BTreeMap::new(),
        }
    }
}

impl Host {
    fn checks_mut(&mut self) -> impl Iterator<Item = &mut Check> {
        let fields = self
            .graphs
            .values_mut()
            .flat_map(|it| it.fields.values_mut());
        let verdicts = self.verdicts.values_mut().map(|it| &mut it.check);
        std::iter::once(&mut self.liveness)
            .chain(fields)
            .chain(verdicts)
    }
}
