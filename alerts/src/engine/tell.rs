//! Who is told of an incident: the gates are asked for every contact of its route.

use std::sync::Arc;

use ravenry_plugins::name::{GraphName, HostName};
use ravenry_plugins::timestamp::Timestamp;

use super::memory::LOOK;
use super::place::Explanation;
use super::{Check, Effect, Engine, RecordKey};
use crate::address::Address;
use crate::budget::Remind;
use crate::check::CheckName;
use crate::escalation::Via;
use crate::gate::{GATES, Question, Reason, ask_all};
use crate::incident::{Incident, Told};
use crate::notice::{Kind, Notice, NoticeKey, problem, said};
use crate::period::Period;
use crate::rule::{Contact, ContactName, Route};
use crate::severity::Severity;

/// Updates of an incident to a contact, at most.
const UPDATES_MAX: u32 = 2;

/// An update is due when an incident has so many times the causes that were told.
const WIDER: usize = 3;

/// Causes that a notice names, at most.
const NAMED_MAX: usize = 5;

impl Engine {
    /// Every incident is asked about again: contacts, their hours, routes and mutes may have changed.
    pub(super) fn review_open(&mut self) {
        self.to_review.extend(self.incidents.keys());
    }

    /// Asks about every incident that the input concerned.
    pub(super) fn review_all(&mut self, now: Timestamp) {
        self.place_all(now);
        while let Some((at, incident)) = self.deadlines.first().copied() {
            if at > now {
                break;
            }
            self.deadlines.pop_first();
            if at == self.mark(at) {
                self.tend(incident, now);
            } else {
                self.to_review.insert(incident);
            }
        }
        self.place_all(now);
        for id in std::mem::take(&mut self.to_review) {
            self.begin_downtimes(id, now);
            self.review(id, now);
        }
        self.tend_desks(now);
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
        // Its members may be thousands, and asking changes none of them.
        let asked = |it: &Incident| (it.told.clone(), it.not_told.clone(), it.due);
        let before = asked(&incident);
        if !incident.severity.is_ok() {
            self.ask_about(&mut incident, now);
        }
        let explained = |it: &Reason| matches!(it, Reason::Explained { .. });
        if incident.not_told.values().any(explained) {
            self.deadlines.insert((self.mark(now + LOOK / 2), id));
        }
        if asked(&incident) != before || !self.kept.contains(&id) {
            self.kept.insert(id);
            self.changed.insert(RecordKey::Incident(id));
        }
        self.incidents.insert(id, incident);
    }

    /// Asks the gates for everybody whom an incident concerns.
    fn ask_about(&mut self, incident: &mut Incident, now: Timestamp) {
        let route = self.route_of(&incident.cause);
        let above = self.cause_above(incident);
        let rules = Arc::clone(&self.rules);
        incident.due = self.due(incident, &route, above.as_ref(), now);
        let (severity, due) = (incident.severity, incident.due);
        let concerned = rules.concerned(&route, severity, due, now);
        if concerned.is_empty() {
            self.refuse(incident, None, Reason::NoContact);
        }
        let is_concerned = |name: &ContactName| concerned.iter().any(|(it, _)| it.name == *name);
        incident.not_told.retain(|name, _| is_concerned(name));
        for (contact, via) in &concerned {
            let name = contact.name.clone();
            let question = self.question(incident, contact, &route, above.as_ref(), now);
            match ask_all(&question) {
                Some((_, reason)) => {
                    if let Reason::Budget { until } = reason {
                        self.look_at_desk(&name, until);
                    }
                    self.refuse(incident, Some(name), reason);
                }
                None => {
                    let kind = self.kind_for(incident, contact, now);
                    self.tell(incident, name, kind, via.clone(), now);
                }
            }
        }
        let next = self.next_look(incident, &route, &concerned, now);
        self.deadlines.extend(next.map(|at| (at, incident.id)));
    }

    /// Since when an incident is there to be told and nobody has acknowledged it.
    fn due(
        &self,
        incident: &Incident,
        route: &Route,
        above: Option<&CheckName>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let anybody = self.rules.contacts.first()?;
        let question = self.question(incident, anybody, route, above, now);
        let gates = GATES.into_iter().filter(|gate| gate.is_for_everybody());
        let mut holding = gates.filter_map(|gate| gate.ask(&question));
        match holding.next() {
            Some(_) => None,
            None => Some(incident.due.unwrap_or(now)),
        }
    }

    /// When time alone may change who is told.
    fn next_look(
        &self,
        incident: &Incident,
        route: &Route,
        concerned: &[(&Contact, Via)],
        now: Timestamp,
    ) -> Option<Timestamp> {
        let (severity, due) = (incident.severity, incident.due);
        let concern = self.rules.next_concern(route, severity, due, now);
        let off = |period: &Option<Arc<Period>>| {
            let off = period.as_ref().filter(|it| !it.contains(now))?;
            off.next_change(now)
        };
        let periods = concerned.iter().filter_map(|(it, _)| off(&it.period));
        let reminders = concerned.iter().filter_map(|(contact, _)| {
            let told = incident.told.get(&contact.name)?;
            let remind = contact.remind.filter(|it| told.reminders < it.at_most)?;
            due.map(|_| told.at + remind.every)
        });
        let all = concern.into_iter().chain(periods).chain(reminders);
        all.chain(off(&route.period)).filter(|at| *at > now).min()
    }

    /// What a notice to this contact would be about.
    pub(super) fn kind_for(&self, incident: &Incident, contact: &Contact, now: Timestamp) -> Kind {
        let scope = self.bad_causes(incident, now).len();
        match incident.told.get(&contact.name) {
            None => Kind::Problem,
            Some(told) if incident.severity > told.severity => Kind::Worse,
            Some(told) if self.is_update_due(incident, told, scope, now) => Kind::Update,
            Some(_) => Kind::Reminder,
        }
    }

    /// How somebody came to be concerned.
    pub(super) fn via(&self, incident: &Incident, contact: &Contact, now: Timestamp) -> Via {
        let route = self.route_of(&incident.cause);
        let (severity, due) = (incident.severity, incident.due);
        let concerned = self.rules.concerned(&route, severity, due, now);
        let known = concerned
            .into_iter()
            .find(|(it, _)| it.name == contact.name);
        known.map_or(Via::Route, |(_, via)| via)
    }

    pub(super) fn question<'a>(
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
            again: told.is_some_and(|told| {
                self.is_update_due(incident, told, scope, now)
                    || is_reminder_due(contact, told, now)
            }),
            check_period: route.period.as_deref().filter(|it| !it.contains(now)),
            contact_period: contact.period.as_deref().filter(|it| !it.contains(now)),
            digest_at: self.digest_at(contact, now),
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
    pub(super) fn cause_above(&self, incident: &Incident) -> Option<CheckName> {
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
    pub(super) fn knows_route_of(&self, name: &CheckName) -> bool {
        let waits = |check: &Check| check.judged_by.is_none();
        !matches!(name, CheckName::Field(_)) || !self.check(name).is_some_and(waits)
    }

    /// Incidents of a graph that was declared are asked about: only now it may be known whom they concern.
    pub(super) fn review_graph(&mut self, host: &HostName, graph: &GraphName) {
        let known = self.hosts.get(host).and_then(|host| host.graphs.get(graph));
        let checks = known.into_iter().flat_map(|graph| graph.fields.values());
        let open = checks.filter_map(|check| check.incident);
        self.to_review.extend(open);
    }

    pub(super) fn route_of(&self, name: &CheckName) -> Arc<Route> {
        if let Some(quorum) = self.quorum_of(name) {
            let mut route = self.rules.base_route(name, &self.rules.place(name.host()));
            if let Some(contacts) = &quorum.contacts {
                route.tell(contacts);
            }
            return Arc::new(route);
        }
        match (name, self.hosts.get(name.host())) {
            (CheckName::Host(_), Some(host)) => Arc::clone(&host.spec.route),
            (CheckName::Field(_) | CheckName::Verdict(_), Some(_)) => self
                .check(name)
                .and_then(|check| check.judged_by.as_ref())
                .map_or_else(Arc::default, |by| Arc::clone(&by.spec.route)),
            (_, None) => Arc::default(),
        }
    }

    pub(super) fn tell(
        &mut self,
        incident: &mut Incident,
        contact: ContactName,
        kind: Kind,
        via: Via,
        now: Timestamp,
    ) {
        let notice = self.prepare(incident, contact, kind, via, now);
        self.post(notice, now);
    }

    /// The notice to a contact; from now on the incident knows that they are told.
    pub(super) fn prepare(
        &mut self,
        incident: &mut Incident,
        contact: ContactName,
        kind: Kind,
        via: Via,
        now: Timestamp,
    ) -> Notice {
        let told = incident.told.get(&contact);
        let sequence = told.map_or(0, |told| told.sequence) + 1;
        let was = match kind {
            Kind::Worse | Kind::Update | Kind::Reminder => {
                told.map_or(Severity::Ok, |told| told.severity)
            }
            Kind::Problem | Kind::Acknowledged | Kind::Digest | Kind::Test => Severity::Ok,
            Kind::Recovery | Kind::Withdrawn => incident.worst,
        };
        let first = told.map_or(now, |told| told.first);
        let updates = told.map_or(0, |told| told.updates) + u32::from(kind == Kind::Update);
        let causes = self.bad_causes(incident, now).len();
        let causes = told.map_or(causes, |told| told.causes.max(causes));
        let why = match (kind.is_problem(), via.is_route()) {
            (true, true) => self.why_told(&incident.cause),
            (true, false) => via.to_string(),
            (false, _) => String::new(),
        };
        let reminders = match kind {
            Kind::Problem | Kind::Worse => 0,
            Kind::Reminder => told.map_or(1, |told| told.reminders + 1),
            Kind::Update
            | Kind::Acknowledged
            | Kind::Recovery
            | Kind::Withdrawn
            | Kind::Digest
            | Kind::Test => told.map_or(0, |told| told.reminders),
        };
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
                reminders,
                via,
            },
        );
        let key = NoticeKey {
            incident: incident.id,
            contact,
            sequence,
        };
        let notice = self.notice(incident, key, kind, was, now);
        Notice { why, ..notice }
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
            why: String::new(),
            digest: Vec::new(),
            hides: incident.explains.iter().take(NAMED_MAX).cloned().collect(),
            often: 0,
            unit: by.map_or_else(String::new, |by| by.unit.clone()),
        }
    }

    /// Services that keep who knows of what hear of an acknowledgement, if they were told of the incident.
    pub(super) fn pass_on_acknowledgement(&mut self, id: u64, by: &str, now: Timestamp) {
        let Some(mut incident) = self.incidents.remove(&id) else {
            return;
        };
        let rules = Arc::clone(&self.rules);
        let keeps =
            |contact: &&Contact| contact.channels.iter().any(Address::takes_acknowledgements);
        for contact in rules.contacts.iter().filter(keeps) {
            let Some(told) = incident.told.get_mut(&contact.name) else {
                continue;
            };
            told.sequence += 1;
            let key = NoticeKey {
                incident: id,
                contact: contact.name.clone(),
                sequence: told.sequence,
            };
            let notice = self.notice(&incident, key, Kind::Acknowledged, Severity::Ok, now);
            let why = format!("{by} has acknowledged it");
            self.effects.push(Effect::Tell(Notice { why, ..notice }));
        }
        self.incidents.insert(id, incident);
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

fn is_reminder_due(contact: &Contact, told: &Told, now: Timestamp) -> bool {
    let due = |it: &Remind| told.reminders < it.at_most && now >= told.at + it.every;
    contact.remind.as_ref().is_some_and(due)
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
