//! What people say so that they are not told: downtimes and acknowledgements.

use ravenry_plugins::timestamp::Timestamp;

use super::{Engine, RecordKey};
use crate::check::CheckName;
use crate::incident::Incident;
use crate::quiet::{Acknowledgement, Downtime};

/// An acknowledgement ends when the incident has this many times the causes that it was given for.
const WIDER: usize = 3;

impl Engine {
    /// A downtime is announced, or another one of this number takes its place. What it covers and was told before stays told.
    pub fn handle_downtime(&mut self, downtime: Downtime, now: Timestamp) {
        let now = self.tick(now);
        self.changed.insert(RecordKey::Downtime(downtime.id));
        self.downtimes.insert(downtime.id, downtime);
        self.review_all(now);
    }

    /// A downtime is taken back; what is wrong is told.
    pub fn handle_downtime_over(&mut self, id: u64, now: Timestamp) {
        let now = self.tick(now);
        self.end_downtime(id);
        self.review_all(now);
    }

    /// Somebody knows of the incident that this check belongs to. Gives its number; nothing when nothing is wrong with it.
    pub fn handle_acknowledge(
        &mut self,
        name: &CheckName,
        author: &str,
        comment: &str,
        expires: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<u64> {
        let now = self.tick(now);
        let id = self.check(name)?.incident?;
        let incident = self.incidents.get(&id)?;
        let acknowledged = Acknowledgement {
            author: author.to_owned(),
            comment: comment.to_owned(),
            severity: incident.severity,
            scope: self.bad_causes(incident, now).len(),
            expires,
        };
        self.incidents.get_mut(&id)?.acknowledged = Some(acknowledged);
        self.deadlines.extend(expires.map(|at| (at.max(now), id)));
        self.changed.insert(RecordKey::Incident(id));
        self.to_review.insert(id);
        self.review_all(now);
        Some(id)
    }

    /// The downtimes that are announced or run.
    pub fn downtimes(&self) -> impl Iterator<Item = &Downtime> {
        self.downtimes.values()
    }

    /// Downtimes that are over: what they kept from being told is asked about again.
    pub(super) fn end_downtimes(&mut self, now: Timestamp) {
        let over = |downtime: &&Downtime| downtime.end <= now;
        let over: Vec<u64> = self
            .downtimes
            .values()
            .filter(over)
            .map(|it| it.id)
            .collect();
        for id in over {
            self.end_downtime(id);
        }
    }

    fn end_downtime(&mut self, id: u64) {
        if self.downtimes.remove(&id).is_some() {
            self.changed.insert(RecordKey::Downtime(id));
            self.to_review.extend(self.incidents.keys());
        }
    }

    /// When the first downtime ends.
    pub(super) fn next_downtime_end(&self) -> Option<Timestamp> {
        self.downtimes.values().map(|downtime| downtime.end).min()
    }

    pub(super) fn is_in_downtime(&self, name: &CheckName, now: Timestamp) -> bool {
        self.downtimes.values().any(|it| it.covers(name, now))
    }

    /// The causes that are bad and not in a downtime.
    pub(super) fn bad_causes<'a>(
        &self,
        incident: &'a Incident,
        now: Timestamp,
    ) -> Vec<&'a CheckName> {
        let bad = |name: &&CheckName| {
            let check = self.check(name);
            check.is_some_and(|check| !check.state.severity.is_ok())
        };
        let causes = incident.causes().filter(bad);
        causes
            .filter(|name| !self.is_in_downtime(name, now))
            .collect()
    }

    /// Until when downtimes cover every cause that is bad; nothing where one is covered by none.
    pub(super) fn downtime_until(&self, incident: &Incident, now: Timestamp) -> Option<Timestamp> {
        if self.downtimes.is_empty() || !self.bad_causes(incident, now).is_empty() {
            return None;
        }
        let covering = self.downtimes.values().filter(|downtime| {
            let mut causes = incident.causes();
            causes.any(|name| downtime.covers(name, now))
        });
        covering.map(|downtime| downtime.end).max()
    }

    /// The acknowledgement, where it holds for what the incident has become.
    pub(super) fn acknowledgement<'a>(
        &self,
        incident: &'a Incident,
        scope: usize,
        now: Timestamp,
    ) -> Option<&'a Acknowledgement> {
        incident.acknowledged.as_ref().filter(|it| {
            incident.severity <= it.severity
                && scope < (WIDER * it.scope).max(2)
                && it.expires.is_none_or(|expires| now < expires)
        })
    }
}
