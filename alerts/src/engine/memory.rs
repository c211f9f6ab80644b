//! What becomes of an incident: its causes come and go, what it explains comes back, it ends when all has been well for a time.
//!
//! When what a check needs is well again, the check has a settle time to come back by itself; the times follow one another
//! along a chain, for a host is needed by its checks. What is still bad then is released, together, and placed anew. What
//! began only when the outage was nearly over is released at once.

use std::collections::BTreeMap;
use std::time::Duration;

use ravenry_plugins::timestamp::Timestamp;

use super::place::Explanation;
use super::tell::same_graph;
use super::{Effect, Engine, Record, RecordKey};
use crate::check::{CheckName, Patience, Transition};
use crate::gate::Reason;
use crate::incident::Incident;
use crate::notice::Kind;
use crate::rule::ContactName;
use crate::severity::Severity;

/// How often an incident in which something changes is looked at.
pub(super) const LOOK: Duration = Duration::from_secs(30);

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
        let (state, incident) = (check.state, check.incident);
        if let Some(transition) = transition
            && (transition.from.is_ok() != transition.to.is_ok() || transition.lasted.is_zero())
        {
            self.count_member(name, now);
        }
        match incident {
            Some(id) if self.is_cause(id, name) => self.follow_cause(id, transition, late, now),
            Some(id) => self.follow_explained(id, name, state.severity, now),
            None if !state.severity.is_ok() && state.is_settled(patience) => {
                self.to_place.insert(name.clone(), late);
            }
            None => {}
        }
    }

    fn is_cause(&self, id: u64, name: &CheckName) -> bool {
        let incident = self.incidents.get(&id);
        incident.is_some_and(|it| it.cause == *name || it.folded.contains(name))
    }

    pub(super) fn open(&mut self, name: &CheckName, late: bool, now: Timestamp) {
        let Some(check) = self.check(name) else {
            return;
        };
        let (severity, left_by) = (check.state.severity, check.left);
        let opened = check.state.since.unwrap_or(now);
        let began = self.onset(name, now);
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
            began,
            grew: began,
            folded: std::collections::BTreeSet::new(),
            burst: self.is_burst(name, began),
            left_by,
            ok_since: None,
            relapses: 0,
            acknowledged: None,
            explains: std::collections::BTreeSet::new(),
            told: BTreeMap::new(),
            not_told: BTreeMap::new(),
            held_until: None,
            due: None,
        };
        self.index(&incident);
        self.incidents.insert(id, incident);
        self.attach(name, Some(id));
        if late {
            self.hold(id, now);
        }
        self.to_review.insert(id);
    }

    /// How bad the causes of an incident are now, given that none has become worse than `most`; notes when the last one
    /// became ok, and when one failed again.
    pub(super) fn weigh(&mut self, id: u64, most: Severity, now: Timestamp) {
        let Some(incident) = self.incidents.get(&id) else {
            return;
        };
        let most = most.max(incident.severity);
        let mut worst: Option<(Severity, &CheckName)> = None;
        // Those that come back in order of their names are at the front: of thousands, few are looked at each time.
        for name in std::iter::once(&incident.cause).chain(incident.folded.iter().rev()) {
            let severity = self.check(name).map(|check| check.state.severity);
            if let Some(severity) = severity.filter(|it| worst.is_none_or(|(worst, _)| *it > worst))
            {
                worst = Some((severity, name));
                if severity == most {
                    break;
                }
            }
        }
        let severity = worst.map_or(Severity::Ok, |(severity, _)| severity);
        let summary = worst.map_or_else(String::new, |(_, name)| self.summary(name));
        let Some(incident) = self.incidents.get_mut(&id) else {
            return;
        };
        incident.note(severity, summary);
        match (severity.is_ok(), incident.ok_since) {
            (true, None) => incident.ok_since = Some(now),
            (false, Some(_)) => {
                incident.ok_since = None;
                incident.relapses = incident.relapses.saturating_add(1);
            }
            (true, Some(_)) | (false, None) => {}
        }
        self.changed.insert(RecordKey::Incident(id));
    }

    fn follow_cause(
        &mut self,
        id: u64,
        transition: Option<Transition>,
        late: bool,
        now: Timestamp,
    ) {
        let is_held = |it: &Incident| it.held_until.is_some();
        let is_held = self.incidents.get(&id).is_some_and(is_held);
        let severity = |engine: &Self| engine.incidents.get(&id).map(|it| it.severity);
        if let Some(transition) = transition {
            self.weigh(id, transition.to, now);
            if transition.to.is_ok() {
                self.settle_from(id, now);
            }
            match transition.to {
                Severity::Ok => {}
                Severity::Unknown | Severity::Warning | Severity::Critical if late => {
                    self.hold(id, now);
                }
                Severity::Unknown | Severity::Warning | Severity::Critical => self.lift(id),
            }
            self.to_review.insert(id);
        } else if is_held && !late && severity(self).is_some_and(|it| !it.is_ok()) {
            self.release(id);
        }
    }

    fn follow_explained(&mut self, id: u64, name: &CheckName, severity: Severity, now: Timestamp) {
        let is_sibling = self
            .incidents
            .get(&id)
            .is_some_and(|incident| same_graph(&incident.cause, name));
        let leaves = severity.is_ok() || is_sibling && !severity.is_unknown();
        if !leaves {
            return;
        }
        self.leave(id, name);
        if let Some(check) = self.check_mut(name) {
            check.was_in = severity.is_ok().then_some(id);
        }
        if !severity.is_ok() {
            self.to_place.insert(name.clone(), false);
        }
        self.settle_from(id, now);
    }

    fn leave(&mut self, id: u64, name: &CheckName) {
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.explains.remove(name);
        }
        self.changed.insert(RecordKey::Incident(id));
        self.attach(name, None);
    }

    /// Something of an incident is well again: looks at it now, and when what hangs on that has had its time.
    fn settle_from(&mut self, id: u64, now: Timestamp) {
        self.deadlines.insert((self.mark(now), id));
        let has_dependents = |it: &Incident| !it.explains.is_empty();
        if self.incidents.get(&id).is_some_and(has_dependents) {
            self.deadlines
                .insert((self.mark(now + self.rules.step), id));
            let settled = now + self.rules.memory.settle;
            self.deadlines.insert((self.mark(settled), id));
        }
    }

    /// When an incident is looked at, at the earliest, for what is to be done at this time: at full and half minutes only. So
    /// thousands of changes at once cost few looks, and after a restart it is looked at when it would have been.
    pub(super) fn mark(&self, at: Timestamp) -> Timestamp {
        if self.rules.memory.all_clear.is_zero() {
            return at;
        }
        let look = i64::try_from(LOOK.as_micros()).unwrap_or(i64::MAX);
        let beyond = at.micros().rem_euclid(look);
        let wait = if beyond == 0 { 0 } else { look - beyond };
        at + Duration::from_micros(wait.unsigned_abs())
    }

    /// Releases what has had its time, and ends the incident when all has been well for long enough.
    pub(super) fn tend(&mut self, id: u64, now: Timestamp) {
        let Some(incident) = self.incidents.get(&id) else {
            return;
        };
        let mut released = Vec::new();
        let mut next: Option<Timestamp> = None;
        for name in &incident.explains {
            match self.released_at(incident, name, now) {
                Some(at) if at <= now => released.push(name.clone()),
                Some(at) => next = Some(next.map_or(at, |next: Timestamp| next.min(at))),
                None => {}
            }
        }
        for name in released {
            self.leave(id, &name);
            let is_settled = self
                .check(&name)
                .is_some_and(|check| check.state.is_settled(check.patience()));
            if let Some(check) = self.check_mut(&name) {
                check.was_in = Some(id);
                check.left = Some(id);
            }
            if is_settled && self.is_heard_again(&name) {
                self.to_place.insert(name, false);
            }
        }
        let quiet = self.incidents.get(&id).and_then(|incident| {
            let clear = if incident.is_flapping() {
                self.rules.memory.flapping_clear
            } else {
                self.rules.memory.all_clear
            };
            let over = incident.ok_since.filter(|_| incident.explains.is_empty())?;
            Some((over, over + clear))
        });
        match quiet {
            // One that begins to fail again is awaited.
            Some((_, at)) if at <= now && self.is_suspect(id) => {
                let at = now + LOOK / 2;
                next = Some(next.map_or(at, |next| next.min(at)));
            }
            Some((over, at)) if at <= now => return self.close(id, Kind::Recovery, over, now),
            Some((_, at)) => next = Some(next.map_or(at, |next| next.min(at))),
            None => {}
        }
        if self
            .incidents
            .get(&id)
            .is_some_and(|it| !it.explains.is_empty())
        {
            // What it explains may be explained no longer by things that happen elsewhere.
            let at = now + LOOK / 2;
            next = Some(next.map_or(at, |next| next.min(at)));
        }
        self.deadlines.extend(next.map(|at| (self.mark(at), id)));
        self.to_review.insert(id);
    }

    /// Whether a cause that is ok has begun to fail.
    fn is_suspect(&self, id: u64) -> bool {
        let Some(incident) = self.incidents.get(&id) else {
            return false;
        };
        let mut states = incident
            .causes()
            .filter_map(|name| self.check(name).map(|check| check.state));
        states.any(|state| state.onset.is_some())
    }

    /// Whether there was a result since the check was lost, or one is still to come whose absence would be noticed.
    fn is_heard_again(&self, name: &CheckName) -> bool {
        let Some(check) = self.check(name) else {
            return false;
        };
        let heard = check.last >= check.state.since || !check.state.severity.is_unknown();
        heard || self.rules.memory.settle > Duration::ZERO
    }

    /// When a check has had its time to come back; nothing while what it needs is bad.
    fn released_at(
        &self,
        incident: &Incident,
        name: &CheckName,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let check = self.check(name)?;
        let unknown = check.state.severity.is_unknown();
        if same_graph(&incident.cause, name) && unknown {
            return None;
        }
        match self.explanation(name, false) {
            Explanation::By(_) | Explanation::Open(..) => return None,
            Explanation::None => {}
        }
        let spell = |master: &CheckName| {
            let state = self.check(master)?.state;
            state.last_spell().filter(|_| state.severity.is_ok())
        };
        let masters = self.masters(name);
        let spells = masters.iter().chain([&incident.cause]).filter_map(spell);
        let last = spells.max_by_key(|spell| spell.to)?;
        let over = last.to;
        if !unknown && self.is_late(self.onset(name, now), last) {
            return Some(over + self.rules.memory.hold);
        }
        let settle = self.rules.memory.settle;
        let announced = incident.told.is_empty() && self.downtime_until(incident, now).is_some();
        let settle = if announced || self.is_in_downtime(name, now) {
            settle.min(3 * self.rules.step)
        } else {
            settle
        };
        Some(over + settle)
    }

    /// Ends an incident, and says so to everybody who was told of it.
    pub(super) fn close(&mut self, id: u64, kind: Kind, at: Timestamp, now: Timestamp) {
        self.lift(id);
        let Some(mut incident) = self.incidents.remove(&id) else {
            return;
        };
        incident.closed = Some(at);
        let told: Vec<ContactName> = incident.told.keys().cloned().collect();
        for contact in told {
            let mute = self.standing.mute.as_ref().filter(|mute| mute.holds(now));
            if self.route_of(&incident.cause).muted || self.rules.muted {
                self.refuse(&mut incident, Some(contact), Reason::Muted);
            } else if let Some(reason) = mute.map(Reason::muted_by) {
                self.refuse(&mut incident, Some(contact), reason);
            } else if self.rules.contacts.iter().any(|it| it.name == contact) {
                let via = incident.told.get(&contact).map(|told| told.via.clone());
                self.tell(&mut incident, contact, kind, via.unwrap_or_default(), now);
            }
        }
        let waited = incident.not_told.iter().filter(|(_, it)| it.is_a_wait());
        let waited: Vec<ContactName> = waited.map(|(contact, _)| contact.clone()).collect();
        for contact in waited {
            self.refuse(&mut incident, Some(contact), Reason::OverUntold);
        }
        if incident.told.is_empty() {
            self.refuse(&mut incident, None, Reason::OverUntold);
        }
        let left: Vec<CheckName> = incident
            .causes()
            .chain(&incident.explains)
            .cloned()
            .collect();
        for name in &left {
            self.attach(name, None);
            if kind == Kind::Withdrawn && *name != incident.cause {
                self.to_place.insert(name.clone(), false);
            }
        }
        self.kinds.retain(|_, of| *of != id);
        self.bursts.retain(|_, of| *of != id);
        self.leftovers.retain(|_, of| *of != id);
        let cause = incident.cause.clone();
        self.effects.push(Effect::Store(Record::Incident(incident)));
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
            Some(id) if self.is_cause(id, name) => self.withdraw_cause(id, name, now),
            Some(id) => self.follow_explained(id, name, Severity::Ok, now),
            None => {}
        }
        self.changed.insert(RecordKey::Check(name.clone()));
        self.wake(name);
        self.remove_check(name);
        self.count_member(name, now);
    }

    /// The incident goes on while it has another cause that is bad.
    fn withdraw_cause(&mut self, id: u64, name: &CheckName, now: Timestamp) {
        let Some(incident) = self.incidents.get_mut(&id) else {
            return;
        };
        let was_first = incident.cause == *name;
        incident.folded.remove(name);
        if was_first {
            match incident.folded.pop_first() {
                Some(next) => incident.cause = next,
                None => return self.close(id, Kind::Withdrawn, now, now),
            }
        }
        self.attach(name, None);
        self.weigh(id, Severity::Ok, now);
        self.deadlines.insert((self.mark(now), id));
    }

    fn remove_check(&mut self, name: &CheckName) {
        let Some(host) = self.hosts.get_mut(name.host()) else {
            return;
        };
        match name {
            CheckName::Host(_) => host.liveness = super::Check::default(),
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
}
