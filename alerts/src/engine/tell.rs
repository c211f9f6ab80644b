//! Who is told of an incident: the gates are asked for every contact of its route.

use std::sync::Arc;

use ravenry_plugins::name::{GraphName, HostName};
use ravenry_plugins::timestamp::Timestamp;

use super::place::Explanation;
use super::{Check, Effect, Engine, RecordKey};
use crate::check::CheckName;
use crate::gate::{Question, Reason, ask_all};
use crate::incident::{Incident, Told};
use crate::notice::{Kind, Notice, NoticeKey, problem, said};
use crate::rule::{Contact, ContactName, Route};
use crate::severity::Severity;

/// Updates of an incident to a contact, at most.
const UPDATES_MAX: u32 = 2;

/// An update is due when an incident has so many times the causes that were told.
const WIDER: usize = 3;

/// Causes that a notice names, at most.
const NAMED_MAX: usize = 5;

impl Engine {
    /// Incidents that nobody was told of are asked about again: contacts and mutes may have changed.
    pub(super) fn review_untold(&mut self) {
        let untold = |incident: &&Incident| incident.told.is_empty();
        let untold = self.incidents.values().filter(untold).map(|it| it.id);
        self.to_review.extend(untold);
    }

    /// Asks about every incident that the input concerned.
    pub(super) fn review_all(&mut self, now: Timestamp) {
        self.place_all(now);
        while let Some((at, incident)) = self.deadlines.first().copied() {
            if at > now {
                break;
            }
            self.deadlines.pop_first();
            self.tend(incident, now);
        }
        self.place_all(now);
        for id in std::mem::take(&mut self.to_review) {
            self.begin_downtimes(id, now);
            self.review(id, now);
        }
    }

    /// What was held is held no longer.
    pub(super) fn release(&mut self, id: u64) {
        self.lift(id);
        self.to_review.insert(id);
    }

    pub(super) fn hold(&mut self, id: u64, now: Timestamp) {
        self.lift(id);
        let until = now + self.rules.settle;
        self.holds.insert((until, id));
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.held_until = Some(until);
        }
    }

    pub(super) fn lift(&mut self, id: u64) {
        if let Some(incident) = self.incidents.get_mut(&id)
            && let Some(until) = incident.held_until.take()
        {
            self.holds.remove(&(until, id));
            self.changed.insert(RecordKey::Incident(id));
        }
    }

    /// Asks the gates for every contact of the incident's route, and tells those whom none keeps from being told.
    fn review(&mut self, id: u64, now: Timestamp) {
        let cause = self.incidents.get(&id).map(|incident| &incident.cause);
        if !cause.is_some_and(|cause| self.knows_route_of(cause)) {
            return;
        }
        let Some(mut incident) = self.incidents.remove(&id) else {
            return;
        };
        let before = incident.clone();
        let route = self.route_of(&incident.cause);
        let rules = Arc::clone(&self.rules);
        let mut contacts = rules.contacts_of(&route).peekable();
        if contacts.peek().is_none() && !incident.severity.is_ok() {
            self.refuse(&mut incident, None, Reason::NoContact);
        }
        for contact in contacts
            .filter(|_| !incident.severity.is_ok())
            .collect::<Vec<&Contact>>()
        {
            let kind = match incident.told.get(&contact.name) {
                None => Kind::Problem,
                Some(told) if incident.severity > told.severity => Kind::Worse,
                Some(_) => Kind::Update,
            };
            let above = self.cause_above(&incident);
            let question = self.question(&incident, contact, &route, above.as_ref(), now);
            match ask_all(&question) {
                Some((_, reason)) => self.refuse(&mut incident, Some(contact.name.clone()), reason),
                None => self.tell(&mut incident, contact.name.clone(), kind, now),
            }
        }
        if incident != before || !self.kept.contains(&id) {
            self.kept.insert(id);
            self.changed.insert(RecordKey::Incident(id));
        }
        self.incidents.insert(id, incident);
    }

    fn question<'a>(
        &'a self,
        incident: &'a Incident,
        contact: &'a Contact,
        route: &'a Route,
        explained_by: Option<&'a CheckName>,
        now: Timestamp,
    ) -> Question<'a> {
        let scope = self.bad_causes(incident, now).len();
        let told = incident.told.get(&contact.name);
        Question {
            contact,
            severity: incident.severity,
            muted: route.muted || self.rules.muted,
            mute: self.standing.mute.as_ref().filter(|mute| mute.holds(now)),
            downtime_until: self.downtime_until(incident, now),
            quorum: self.quorum_above(incident),
            acknowledged: self.acknowledgement(incident, scope, now),
            severities: route.severities.as_deref(),
            update_due: told.is_some_and(|told| self.is_update_due(incident, told, scope, now)),
            explained_by,
            held_until: incident.held_until,
            told,
            now,
        }
    }

    /// An update is due when an incident has three times the causes that were told, not soon, not often, not for silence.
    fn is_update_due(
        &self,
        incident: &Incident,
        told: &Told,
        scope: usize,
        now: Timestamp,
    ) -> bool {
        let after = self.rules.memory.update_after;
        !after.is_zero()
            && told.updates < UPDATES_MAX
            && !incident.severity.is_unknown()
            && scope >= WIDER * told.causes.max(1)
            && now >= told.first + after
    }

    /// The quorum that judges all causes of the incident.
    fn quorum_above(&self, incident: &Incident) -> Option<&HostName> {
        let mut of_each = incident.causes().map(|name| {
            let quorums = self.rules.quorums.iter();
            quorums
                .filter(|quorum| quorum.members.contains(name))
                .map(|quorum| &quorum.name)
                .next()
        });
        let first = of_each.next()??;
        of_each.all(|other| other.is_some()).then_some(first)
    }

    /// What explains every cause of the incident by now, though it did not when they were told of or held.
    fn cause_above(&self, incident: &Incident) -> Option<CheckName> {
        let mut above = None;
        for name in incident.causes() {
            match self.explanation(name, false) {
                Explanation::By(id) if id != incident.id => {
                    above = self.incidents.get(&id).map(|it| it.cause.clone());
                }
                Explanation::By(_) | Explanation::Open(..) | Explanation::None => return None,
            }
        }
        above
    }

    /// After a restart, whom a field concerns is known when its graph has been declared again.
    fn knows_route_of(&self, name: &CheckName) -> bool {
        let waits = |check: &Check| check.judged_by.is_none();
        !matches!(name, CheckName::Field(_)) || !self.check(name).is_some_and(waits)
    }

    /// Incidents of a graph that was declared are asked about, if nobody was told of them.
    pub(super) fn review_graph(&mut self, host: &HostName, graph: &GraphName) {
        let known = self.hosts.get(host).and_then(|host| host.graphs.get(graph));
        let checks = known.into_iter().flat_map(|graph| graph.fields.values());
        let untold = |id: &u64| self.incidents.get(id).is_some_and(|it| it.told.is_empty());
        let untold = checks.filter_map(|check| check.incident).filter(untold);
        self.to_review.extend(untold);
    }

    pub(super) fn route_of(&self, name: &CheckName) -> Route {
        if let Some(quorum) = self.quorum_of(name) {
            return Route {
                contacts: quorum.contacts.clone(),
                ..Route::default()
            };
        }
        match (name, self.hosts.get(name.host())) {
            (CheckName::Host(_), Some(host)) => host.spec.route.clone(),
            (CheckName::Field(_) | CheckName::Verdict(_), Some(_)) => self
                .check(name)
                .and_then(|check| check.judged_by.as_ref())
                .map_or_else(Route::default, |by| by.spec.route.clone()),
            (_, None) => Route::default(),
        }
    }

    pub(super) fn tell(
        &mut self,
        incident: &mut Incident,
        contact: ContactName,
        kind: Kind,
        now: Timestamp,
    ) {
        let told = incident.told.get(&contact);
        let sequence = told.map_or(0, |told| told.sequence) + 1;
        let was = match kind {
            Kind::Worse | Kind::Update => told.map_or(Severity::Ok, |told| told.severity),
            Kind::Problem | Kind::Test => Severity::Ok,
            Kind::Recovery | Kind::Withdrawn => incident.worst,
        };
        let first = told.map_or(now, |told| told.first);
        let updates = told.map_or(0, |told| told.updates) + u32::from(kind == Kind::Update);
        let causes = self.bad_causes(incident, now).len();
        let causes = told.map_or(causes, |told| told.causes.max(causes));
        incident.not_told.remove(&contact);
        if kind.is_problem() && updates < UPDATES_MAX {
            let after = self.rules.memory.update_after;
            self.deadlines.insert((first + after, incident.id));
        }
        incident.told.insert(
            contact.clone(),
            Told {
                severity: incident.severity.max(was),
                sequence,
                at: now,
                first,
                causes,
                updates,
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
        let causes = self.bad_causes(incident, now);
        let lead = causes
            .iter()
            .copied()
            .max_by_key(|name| {
                let severity = self.check(name).map(|check| check.state.severity);
                (severity, **name == incident.cause)
            })
            .unwrap_or(&incident.cause);
        let check = self.check(lead);
        let by = check.and_then(|check| check.judged_by.as_ref());
        let value = check.and_then(|check| check.value);
        let others = causes.iter().filter(|name| **name != lead);
        Notice {
            key,
            kind,
            check: Some(lead.clone()),
            others: others
                .take(NAMED_MAX - 1)
                .map(|name| (*name).clone())
                .collect(),
            causes: causes.len().max(1),
            severity: incident.severity,
            was,
            label: by.map_or_else(|| fallback_label(lead), |by| by.label.clone()),
            value,
            threshold: by.map_or_else(String::new, |by| {
                by.spec.violated_words(incident.severity, value)
            }),
            output: check.map_or_else(String::new, |check| check.said.clone()),
            since: incident.opened,
            at: now,
            hidden: incident.explains.len(),
            hides: incident.explains.iter().take(NAMED_MAX).cloned().collect(),
            unit: by.map_or_else(String::new, |by| by.unit.clone()),
            why: self.why_told(&incident.cause),
        }
    }

    /// Why those on the route of the incident's cause are told.
    fn why_told(&self, cause: &CheckName) -> String {
        match self.route_of(cause).contacts {
            None => format!("no setting says who is told of {cause}, so everybody is"),
            Some(_) => format!("the settings name you for {cause}"),
        }
    }

    /// Notes why somebody is not told, once for as long as the reason stays the same.
    pub(super) fn refuse(
        &mut self,
        incident: &mut Incident,
        contact: Option<ContactName>,
        reason: Reason,
    ) {
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

    pub(super) fn summary(&self, name: &CheckName) -> String {
        let Some(check) = self.check(name) else {
            return name.to_string();
        };
        match (name, &check.judged_by) {
            (CheckName::Host(host), _) => format!("{host}: nothing is heard of the host"),
            (CheckName::Field(series), Some(by)) => {
                let severity = check.state.severity;
                let threshold = by.spec.violated_words(severity, check.value);
                let value = check.value.map(|value| (value, by.unit.as_str()));
                let what = problem(&by.label, severity, value, &threshold, 0);
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

    pub(super) fn attach(&mut self, name: &CheckName, incident: Option<u64>) {
        if let Some(check) = self.check_mut(name) {
            check.incident = incident;
            self.changed.insert(RecordKey::Check(name.clone()));
        }
        self.wake(name);
    }
}

pub(super) fn same_graph(a: &CheckName, b: &CheckName) -> bool {
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
