//! Incidents: which problem belongs to which, and who is told of them when.
//!
//! A problem joins an open incident only when that one's cause explains it: its host is down, or another field of the same
//! graph lost its readings too (the plugin behind them did). Every other problem is an incident of its own, told at once.
//! An incident ends when its cause is ok; one of lost readings when all that it explains is ok, too. When a host comes
//! back, what it explained is let go: what is still not ok then becomes a problem of its own after its own patience.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ravenry_plugins::timestamp::Timestamp;

use super::{Check, Effect, Engine, RecordKey};
use crate::check::{CheckName, Patience, Transition};
use crate::gate::{Question, Reason, ask_all};
use crate::incident::{Incident, Told};
use crate::notice::{Kind, Notice, NoticeKey, problem, said};
use crate::rule::{Contact, ContactName, Route};
use crate::severity::Severity;

impl Engine {
    /// A result was judged: brings the check's incident up to date, or finds it one.
    pub(super) fn follow(
        &mut self,
        name: &CheckName,
        patience: Patience,
        transition: Option<Transition>,
        late: bool,
        now: Timestamp,
    ) {
        let Some(check) = self.check(name) else {
            return;
        };
        let severity = check.state.severity;
        match check.incident {
            Some(id) if self.is_cause(id, name) => {
                self.follow_cause(id, severity, transition, late, now);
            }
            Some(id) => self.follow_explained(id, name, severity, late, now),
            None if !severity.is_ok() && check.state.is_settled(patience) => {
                self.find_incident(name, severity, transition, late, now);
            }
            None => {}
        }
    }

    fn is_cause(&self, id: u64, name: &CheckName) -> bool {
        self.incidents
            .get(&id)
            .is_some_and(|incident| incident.cause == *name)
    }

    fn find_incident(
        &mut self,
        name: &CheckName,
        severity: Severity,
        transition: Option<Transition>,
        late: bool,
        now: Timestamp,
    ) {
        match self.explained_by(name, severity) {
            Some(id) => {
                if let Some(incident) = self.incidents.get_mut(&id) {
                    incident.explains.insert(name.clone());
                }
                self.changed.insert(RecordKey::Incident(id));
                self.attach(name, Some(id));
            }
            None => self.open(
                name,
                severity,
                transition.map_or(now, |it| it.at),
                late,
                now,
            ),
        }
    }

    /// The open incident whose cause explains this problem.
    fn explained_by(&self, name: &CheckName, severity: Severity) -> Option<u64> {
        let series = match name {
            CheckName::Host(_) => return None,
            CheckName::Field(series) => Some(series),
            CheckName::Verdict(_) => None,
        };
        let host = self.hosts.get(name.host())?;
        if let Some(down) = host.liveness.incident {
            return Some(down);
        }
        let series = series.filter(|_| severity.is_unknown())?;
        let siblings = host.graphs.get(&series.graph)?.fields.values();
        siblings.filter_map(|check| check.incident).find(|id| {
            let of = self.incidents.get(id);
            of.is_some_and(|incident| {
                incident.severity.is_unknown() && same_graph(&incident.cause, name)
            })
        })
    }

    fn open(
        &mut self,
        name: &CheckName,
        severity: Severity,
        opened: Timestamp,
        late: bool,
        now: Timestamp,
    ) {
        let id = self.next_incident;
        self.next_incident += 1;
        let incident = Incident {
            id,
            cause: name.clone(),
            opened,
            closed: None,
            severity,
            worst: severity,
            summary: self.summary(name),
            explains: BTreeSet::new(),
            told: BTreeMap::new(),
            not_told: BTreeMap::new(),
            held_until: None,
        };
        self.incidents.insert(id, incident);
        self.attach(name, Some(id));
        if late {
            self.hold(id, now);
        }
        self.to_review.insert(id);
    }

    fn follow_cause(
        &mut self,
        id: u64,
        severity: Severity,
        transition: Option<Transition>,
        late: bool,
        now: Timestamp,
    ) {
        let Some(incident) = self.incidents.get(&id) else {
            return;
        };
        let is_held = incident.held_until.is_some();
        if let Some(transition) = transition {
            let summary = self.summary(&incident.cause.clone());
            if let Some(incident) = self.incidents.get_mut(&id) {
                incident.note(severity, summary);
            }
            self.changed.insert(RecordKey::Incident(id));
            match severity {
                Severity::Ok => return self.close_when_over(id, transition.at, now),
                Severity::Unknown | Severity::Warning | Severity::Critical if late => {
                    self.hold(id, now);
                }
                Severity::Unknown | Severity::Warning | Severity::Critical => self.lift(id),
            }
            self.to_review.insert(id);
        } else if is_held && !late && !severity.is_ok() {
            self.release(id);
        }
    }

    fn follow_explained(
        &mut self,
        id: u64,
        name: &CheckName,
        severity: Severity,
        late: bool,
        now: Timestamp,
    ) {
        let unknown = severity.is_unknown();
        if unknown {
            return;
        }
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.explains.remove(name);
        }
        self.changed.insert(RecordKey::Incident(id));
        self.attach(name, None);
        if !severity.is_ok() {
            self.find_incident(name, severity, None, late, now);
        }
        let over = self
            .incidents
            .get(&id)
            .is_some_and(|incident| incident.severity.is_ok());
        if over {
            self.close_when_over(id, now, now);
        }
    }

    fn close_when_over(&mut self, id: u64, at: Timestamp, now: Timestamp) {
        let waits = self
            .incidents
            .get(&id)
            .is_some_and(|incident| match &incident.cause {
                CheckName::Host(_) | CheckName::Verdict(_) => false,
                CheckName::Field(_) => !incident.explains.is_empty(),
            });
        if !waits {
            self.close(id, Kind::Recovery, at, now);
        }
    }

    /// Ends an incident, and says so to everybody who was told of it.
    fn close(&mut self, id: u64, kind: Kind, at: Timestamp, now: Timestamp) {
        self.lift(id);
        let Some(mut incident) = self.incidents.remove(&id) else {
            return;
        };
        incident.closed = Some(at);
        let told: Vec<ContactName> = incident.told.keys().cloned().collect();
        for contact in told {
            if self.route_of(&incident.cause).muted || self.rules.muted {
                self.refuse(&mut incident, Some(contact), Reason::Muted);
            } else if self.rules.contacts.iter().any(|it| it.name == contact) {
                self.tell(&mut incident, contact, kind, now);
            }
        }
        if incident.told.is_empty() {
            self.refuse(&mut incident, None, Reason::OverUntold);
        }
        for name in std::iter::once(&incident.cause).chain(&incident.explains) {
            self.attach(name, None);
        }
        let cause = incident.cause.clone();
        self.effects
            .push(Effect::Store(super::Record::Incident(incident)));
        self.changed.remove(&RecordKey::Incident(id));
        if let CheckName::Host(host) = &cause {
            let waiting = |incident: &&Incident| incident.cause.host() == host;
            let waiting = self.incidents.values().filter(waiting);
            self.to_review.extend(waiting.map(|it| it.id));
        }
    }

    /// A check is not judged any more.
    pub(super) fn withdraw(&mut self, name: &CheckName, now: Timestamp) {
        let Some(check) = self.check(name) else {
            return;
        };
        match check.incident {
            Some(id) if self.is_cause(id, name) => self.close(id, Kind::Withdrawn, now, now),
            Some(id) => self.follow_explained(id, name, Severity::Ok, false, now),
            None => {}
        }
        self.changed.insert(RecordKey::Check(name.clone()));
        let Some(host) = self.hosts.get_mut(name.host()) else {
            return;
        };
        match name {
            CheckName::Host(_) => host.liveness = Check::default(),
            CheckName::Field(series) => {
                if let Some(checks) = host.graphs.get_mut(&series.graph) {
                    checks.fields.remove(&series.field);
                }
            }
            CheckName::Verdict(verdict) => {
                host.verdicts.remove(&verdict.check);
            }
        }
    }

    /// Incidents that nobody was told of are asked about again: contacts and mutes may have changed.
    pub(super) fn review_untold(&mut self) {
        let untold = |incident: &&Incident| incident.told.is_empty();
        let untold = self.incidents.values().filter(untold).map(|it| it.id);
        self.to_review.extend(untold);
    }

    /// Asks about every incident that the input concerned.
    pub(super) fn review_all(&mut self, now: Timestamp) {
        for id in std::mem::take(&mut self.to_review) {
            self.review(id, now);
        }
    }

    /// What was held is held no longer.
    pub(super) fn release(&mut self, id: u64) {
        self.lift(id);
        self.to_review.insert(id);
    }

    fn hold(&mut self, id: u64, now: Timestamp) {
        self.lift(id);
        let until = now + self.rules.settle;
        self.holds.insert((until, id));
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.held_until = Some(until);
        }
    }

    fn lift(&mut self, id: u64) {
        if let Some(incident) = self.incidents.get_mut(&id)
            && let Some(until) = incident.held_until.take()
        {
            self.holds.remove(&(until, id));
            self.changed.insert(RecordKey::Incident(id));
        }
    }

    /// Asks the gates for every contact of the incident's route, and tells those whom none keeps from being told.
    fn review(&mut self, id: u64, now: Timestamp) {
        let Some(mut incident) = self.incidents.remove(&id) else {
            return;
        };
        let route = self.route_of(&incident.cause);
        let rules = Arc::clone(&self.rules);
        let mut contacts = rules.contacts_of(&route).peekable();
        if contacts.peek().is_none() {
            self.refuse(&mut incident, None, Reason::NoContact);
        }
        for contact in contacts
            .filter(|_| !incident.severity.is_ok())
            .collect::<Vec<&Contact>>()
        {
            let question = self.question(&incident, contact, &route, now);
            match ask_all(&question) {
                Some((_, reason)) => self.refuse(&mut incident, Some(contact.name.clone()), reason),
                None if incident.told.contains_key(&contact.name) => {
                    self.tell(&mut incident, contact.name.clone(), Kind::Worse, now);
                }
                None => self.tell(&mut incident, contact.name.clone(), Kind::Problem, now),
            }
        }
        self.changed.insert(RecordKey::Incident(id));
        self.incidents.insert(id, incident);
    }

    fn question<'a>(
        &'a self,
        incident: &'a Incident,
        contact: &'a Contact,
        route: &Route,
        now: Timestamp,
    ) -> Question<'a> {
        Question {
            contact,
            severity: incident.severity,
            muted: route.muted || self.rules.muted,
            explained_by: self.cause_above(&incident.cause),
            held_until: incident.held_until,
            told: incident.told.get(&contact.name),
            now,
        }
    }

    /// The cause of the incident that explains this one as a whole: the host is down.
    fn cause_above(&self, cause: &CheckName) -> Option<&CheckName> {
        let below = match cause {
            CheckName::Host(_) => false,
            CheckName::Field(_) | CheckName::Verdict(_) => true,
        };
        let host = self.hosts.get(cause.host()).filter(|_| below)?;
        let down = host.liveness.incident?;
        self.incidents.get(&down).map(|incident| &incident.cause)
    }

    fn route_of(&self, name: &CheckName) -> Route {
        match (name, self.hosts.get(name.host())) {
            (CheckName::Host(_), Some(host)) => host.spec.route.clone(),
            (CheckName::Field(_) | CheckName::Verdict(_), Some(_)) => self
                .check(name)
                .and_then(|check| check.judged_by.as_ref())
                .map_or_else(Route::default, |by| by.spec.route.clone()),
            (_, None) => Route::default(),
        }
    }

    fn tell(&mut self, incident: &mut Incident, contact: ContactName, kind: Kind, now: Timestamp) {
        let told = incident.told.get(&contact);
        let sequence = told.map_or(0, |told| told.sequence) + 1;
        let was = match kind {
            Kind::Worse => told.map_or(Severity::Ok, |told| told.severity),
            Kind::Problem | Kind::Test => Severity::Ok,
            Kind::Recovery | Kind::Withdrawn => incident.worst,
        };
        incident.not_told.remove(&contact);
        incident.told.insert(
            contact.clone(),
            Told {
                severity: incident.severity.max(was),
                sequence,
                at: now,
            },
        );
        let key = NoticeKey {
            incident: incident.id,
            contact,
            sequence,
        };
        let notice = self.notice(incident, key, kind, was, now);
        self.effects.push(Effect::Tell(notice));
    }

    fn notice(
        &self,
        incident: &Incident,
        key: NoticeKey,
        kind: Kind,
        was: Severity,
        now: Timestamp,
    ) -> Notice {
        let check = self.check(&incident.cause);
        let by = check.and_then(|check| check.judged_by.as_ref());
        let value = check.and_then(|check| check.value);
        Notice {
            key,
            kind,
            check: Some(incident.cause.clone()),
            severity: incident.severity,
            was,
            label: by.map_or_else(|| fallback_label(&incident.cause), |by| by.label.clone()),
            value,
            threshold: by.map_or_else(String::new, |by| {
                by.spec.violated_words(incident.severity, value)
            }),
            output: check.map_or_else(String::new, |check| check.said.clone()),
            since: incident.opened,
            at: now,
            hidden: incident.explains.len(),
        }
    }

    /// Notes why somebody is not told, once for as long as the reason stays the same.
    fn refuse(&mut self, incident: &mut Incident, contact: Option<ContactName>, reason: Reason) {
        if let Some(contact) = &contact {
            match &reason {
                Reason::AlreadyTold { .. } => return,
                reason if incident.not_told.get(contact) == Some(reason) => return,
                reason => incident.not_told.insert(contact.clone(), reason.clone()),
            };
        }
        self.effects.push(Effect::NotTold {
            incident: incident.id,
            contact,
            reason,
        });
    }

    fn summary(&self, name: &CheckName) -> String {
        let Some(check) = self.check(name) else {
            return name.to_string();
        };
        match (name, &check.judged_by) {
            (CheckName::Host(host), _) => format!("{host}: nothing is heard of the host"),
            (CheckName::Field(series), Some(by)) => {
                let severity = check.state.severity;
                let threshold = by.spec.violated_words(severity, check.value);
                let what = problem(&by.label, severity, check.value, &threshold, 0);
                format!("{}: {what}", series.host)
            }
            (CheckName::Verdict(verdict), _) => {
                let what = said(verdict.check.as_str(), check.state.severity, &check.said);
                format!("{}: {what}", verdict.host)
            }
            (CheckName::Field(series), None) => {
                format!(
                    "{}: {} is {}",
                    series.host,
                    fallback_label(name),
                    check.state.severity
                )
            }
        }
    }

    fn attach(&mut self, name: &CheckName, incident: Option<u64>) {
        if let Some(check) = self.check_mut(name) {
            check.incident = incident;
            self.changed.insert(RecordKey::Check(name.clone()));
        }
    }
}

fn same_graph(a: &CheckName, b: &CheckName) -> bool {
    match (a, b) {
        (CheckName::Field(a), CheckName::Field(b)) => a.host == b.host && a.graph == b.graph,
        (CheckName::Host(_) | CheckName::Verdict(_), _)
        | (CheckName::Field(_), CheckName::Host(_) | CheckName::Verdict(_)) => false,
    }
}

/// What a field is called while nothing is known of its graph.
fn fallback_label(name: &CheckName) -> String {
    match name {
        CheckName::Host(host) => host.to_string(),
        CheckName::Field(series) => format!("{} {}", series.graph, series.field),
        CheckName::Verdict(verdict) => verdict.check.to_string(),
    }
}
