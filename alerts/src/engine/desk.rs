//! What goes out to a person and what waits on their desk: budgets, digests, and ends that come outside of their hours.

use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::timestamp::Timestamp;

use super::{Effect, Engine, RecordKey};
use crate::budget::Desk;
use crate::gate::{Reason, ask_all};
use crate::incident::Incident;
use crate::notice::{DigestLine, Kind, Notice};
use crate::rule::{Contact, ContactName};
use crate::severity::Severity;

/// How long graphs may take to be declared again after a start, and how often that is looked at.
const DECLARED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Engine {
    /// When the contact's next digest goes out, where its budget is used up.
    pub(super) fn digest_at(&self, contact: &Contact, now: Timestamp) -> Option<Timestamp> {
        let budget = contact.budget.as_ref()?;
        match self.desks.get(&contact.name) {
            Some(desk) => desk.over(budget, 1, now),
            None => Desk::default().over(budget, 1, now),
        }
    }

    /// A notice goes out now, or with the next digest, or when the contact's period begins.
    pub(super) fn post(&mut self, notice: Notice, now: Timestamp) {
        let rules = Arc::clone(&self.rules);
        let name = notice.key.contact.clone();
        let contact = rules.contacts.iter().find(|it| it.name == name);
        let waits = match (contact, notice.kind) {
            (Some(contact), Kind::Recovery | Kind::Withdrawn) => self.waits_until(contact, now),
            (Some(_) | None, _) => None,
        };
        match waits {
            None => self.send(contact, notice, now),
            Some((until, reason)) => {
                self.effects.push(Effect::NotTold {
                    incident: notice.key.incident,
                    contact: Some(name.clone()),
                    reason,
                });
                self.desk(&name).ends.push(notice);
                self.look_at_desk(&name, until);
            }
        }
    }

    /// Until when the end of an incident waits.
    fn waits_until(&self, contact: &Contact, now: Timestamp) -> Option<(Timestamp, Reason)> {
        let off = contact.period.as_ref().filter(|it| !it.contains(now));
        if let Some(period) = off
            && let Some(until) = period.next_change(now)
        {
            let period = period.name.clone();
            let reason = Reason::ContactPeriod {
                period,
                until: Some(until),
            };
            return Some((until, reason));
        }
        let until = self.digest_at(contact, now)?;
        Some((until, Reason::Budget { until }))
    }

    fn send(&mut self, contact: Option<&Contact>, notice: Notice, now: Timestamp) {
        if let Some(contact) = contact
            && let Some(budget) = contact.budget
        {
            self.desk(&contact.name).note_sent(&budget, now);
        }
        self.effects.push(Effect::Tell(notice));
    }

    fn desk(&mut self, contact: &ContactName) -> &mut Desk {
        self.changed.insert(RecordKey::Desk(contact.clone()));
        self.desks.entry(contact.clone()).or_default()
    }

    /// Something waits for this contact until then.
    pub(super) fn look_at_desk(&mut self, contact: &ContactName, at: Timestamp) {
        let known = self.desks.get(contact).and_then(|desk| desk.look_at);
        if known.is_some_and(|known| known <= at) {
            return;
        }
        if let Some(known) = known {
            self.desk_times.remove(&(known, contact.clone()));
        }
        self.desk(contact).look_at = Some(at);
        self.desk_times.insert((at, contact.clone()));
    }

    /// Sends what waited for somebody and may go out now.
    pub(super) fn tend_desks(&mut self, now: Timestamp) {
        while let Some((at, contact)) = self.desk_times.first().cloned() {
            if at > now {
                break;
            }
            self.desk_times.pop_first();
            if self.awaits_declaration(&contact, now) {
                self.desk_times.insert((now + LOOK_AGAIN, contact));
            } else {
                self.tend_desk(&contact, now);
            }
        }
    }

    /// After a restart, what waits for somebody is known when its graphs have been declared again; those that are not
    /// declared for a while are not waited for.
    fn awaits_declaration(&self, contact: &ContactName, now: Timestamp) -> bool {
        let desk = self.desks.get(contact).and_then(|desk| desk.look_at);
        let waits = |it: &Incident| {
            matches!(it.not_told.get(contact), Some(Reason::Budget { .. }))
                && !self.knows_route_of(&it.cause)
        };
        desk.is_some_and(|at| now < at + DECLARED_WITHIN) && self.incidents.values().any(waits)
    }

    /// A graph was declared: what waited for that is looked at.
    pub(super) fn hurry_desks(&mut self, now: Timestamp) {
        let due = self.desks.iter().filter_map(|(contact, desk)| {
            let at = desk.look_at.filter(|at| *at <= now)?;
            Some((at, contact.clone()))
        });
        let due: Vec<(Timestamp, ContactName)> = due.collect();
        for (at, contact) in due {
            self.desk_times.retain(|(_, of)| *of != contact);
            self.desk_times.insert((at, contact));
        }
    }

    fn tend_desk(&mut self, name: &ContactName, now: Timestamp) {
        let rules = Arc::clone(&self.rules);
        // What something else keeps from being told by now is asked about next time.
        let waits = |it: &&Incident| matches!(it.not_told.get(name), Some(Reason::Budget { .. }));
        let waiting = self.incidents.values().filter(waits);
        self.to_review.extend(waiting.map(|it| it.id));
        self.desk(name).look_at = None;
        let Some(contact) = rules.contacts.iter().find(|it| it.name == *name) else {
            self.desks.remove(name);
            return;
        };
        if let Some(period) = contact.period.as_ref().filter(|it| !it.contains(now)) {
            let waits = self.desks.get(name).is_some_and(|it| !it.ends.is_empty());
            if let Some(until) = period.next_change(now).filter(|_| waits) {
                self.look_at_desk(name, until);
            }
            return;
        }
        let held = self.held_back(contact, now);
        let desk = self.desk(name);
        let ends = std::mem::take(&mut desk.ends);
        let waiting = held.len() + ends.len();
        let budget = contact.budget;
        if budget.is_some_and(|it| desk.over(&it, waiting, now).is_some()) {
            desk.note_digest(now);
            if waiting > 1 {
                return self.send_digest(contact, &held, ends, now);
            }
        }
        for end in ends {
            self.send(Some(contact), end, now);
        }
        for id in held {
            self.tell_held(id, contact, now);
        }
    }

    /// The open incidents that only the budget keeps from being told, the worst first.
    fn held_back(&self, contact: &Contact, now: Timestamp) -> Vec<u64> {
        let waits = |it: &&Incident| {
            let reason = it.not_told.get(&contact.name);
            matches!(reason, Some(Reason::Budget { .. }))
        };
        let waiting = self.incidents.values().filter(waits);
        let mut waiting: Vec<&Incident> = waiting
            .filter(|incident| self.may_be_told(incident, contact, now))
            .collect();
        waiting.sort_by_key(|it| (std::cmp::Reverse(it.severity), it.id));
        waiting.iter().map(|it| it.id).collect()
    }

    /// Whether nothing but the budget keeps a contact from being told.
    fn may_be_told(&self, incident: &Incident, contact: &Contact, now: Timestamp) -> bool {
        let route = self.route_of(&incident.cause);
        let above = self.cause_above(incident);
        let mut question = self.question(incident, contact, &route, above.as_ref(), now);
        question.digest_at = None;
        !incident.severity.is_ok() && ask_all(&question).is_none()
    }

    fn tell_held(&mut self, id: u64, contact: &Contact, now: Timestamp) {
        if let Some(mut incident) = self.incidents.remove(&id) {
            let via = self.via(&incident, contact, now);
            let kind = self.kind_for(&incident, contact, now);
            let notice = self.prepare(&mut incident, contact.name.clone(), kind, via, now);
            self.changed.insert(RecordKey::Incident(id));
            self.incidents.insert(id, incident);
            self.send(Some(contact), notice, now);
        }
    }

    /// All that waits for a contact, as one notice under the key of the worst.
    fn send_digest(&mut self, contact: &Contact, held: &[u64], ends: Vec<Notice>, now: Timestamp) {
        let mut notices = Vec::with_capacity(held.len() + ends.len());
        for id in held {
            let Some(mut incident) = self.incidents.remove(id) else {
                continue;
            };
            let via = self.via(&incident, contact, now);
            let kind = self.kind_for(&incident, contact, now);
            let name = contact.name.clone();
            notices.push(self.prepare(&mut incident, name, kind, via, now));
            self.changed.insert(RecordKey::Incident(*id));
            self.incidents.insert(*id, incident);
        }
        notices.extend(ends);
        let line = |notice: &Notice| DigestLine {
            incident: notice.key.incident,
            kind: notice.kind,
            severity: notice.severity,
            subject: notice.subject(None),
        };
        let digest: Vec<DigestLine> = notices.iter().map(line).collect();
        let Some(first) = notices.into_iter().next() else {
            return;
        };
        let severity = digest.iter().map(|line| line.severity).max();
        let notice = Notice {
            kind: Kind::Digest,
            severity: severity.unwrap_or(Severity::Ok),
            at: now,
            digest,
            ..first
        };
        self.send(Some(contact), notice, now);
    }
}
