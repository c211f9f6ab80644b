//! What the judge writes into the log of what happened, and what is read from log and ledger for reports.

use ravenry_alerts::availability::{self, Times};
use ravenry_alerts::check::CheckName;
use ravenry_alerts::incident::Incident;
use ravenry_alerts::log::{Happening, LogEntry};
use ravenry_alerts::outbox::LedgerEntry;
use ravenry_alerts::rule::ContactName;
use ravenry_alerts::severity::Severity;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_web::source::{IncidentView, LogQuery};
use tracing::{debug, error};

use super::table::Reader;
use super::{Judge, JudgeError, JudgeHandle, lock};

/// So many reasons are remembered, so that the log does not repeat them.
const REASONS_MAX: usize = 10_000;

impl Judge {
    /// Each reason is logged once, however often the gates are asked.
    pub(super) fn log_not_told(
        &mut self,
        incident: u64,
        contact: Option<ContactName>,
        reason: String,
        now: Timestamp,
    ) {
        let key = (incident, contact);
        if self.last_reasons.get(&key) == Some(&reason) {
            return;
        }
        if self.last_reasons.len() >= REASONS_MAX {
            self.last_reasons.clear();
        }
        debug!(incident, contact = ?key.1, "not told: {reason}");
        self.last_reasons.insert(key.clone(), reason.clone());
        let (incident, contact) = key;
        let what = Happening::NotTold {
            incident,
            contact,
            reason,
        };
        self.writes.log.push(LogEntry { at: now, what });
    }

    pub(super) fn log_incident(&mut self, incident: &Incident, now: Timestamp) {
        if incident.id > self.last_incident {
            self.last_incident = incident.id;
            let what = Happening::Opened {
                incident: incident.id,
                cause: incident.cause.clone(),
                severity: incident.severity,
                summary: incident.summary.clone(),
            };
            self.writes.log.push(LogEntry { at: now, what });
        }
        if let Some(at) = incident.closed {
            let what = Happening::Closed {
                incident: incident.id,
                cause: incident.cause.clone(),
            };
            self.writes.log.push(LogEntry { at, what });
        }
    }
}

impl JudgeHandle {
    /// The log, the newest first. Reads the file, as all that follow: not for the runtime.
    #[must_use]
    pub fn log(&self, query: &LogQuery) -> Vec<(u64, LogEntry)> {
        self.read("the log", |reader| reader.log(query))
    }

    /// The ledger, the newest first.
    #[must_use]
    pub fn notices(&self, before: Option<u64>, limit: usize) -> Vec<(u64, LedgerEntry)> {
        self.read("the ledger", |reader| reader.notices(before, limit))
    }

    /// Of each incident that somebody was told of since then: how many notices were sent.
    #[must_use]
    pub fn noise(&self, since: Timestamp) -> Vec<(IncidentView, u64)> {
        self.read("the ledger", |reader| reader.noise(since))
    }

    /// Where the checks that `wanted` names were, from `start` to now.
    #[must_use]
    pub fn availability(
        &self,
        wanted: &dyn Fn(&CheckName) -> bool,
        start: Timestamp,
        now: Timestamp,
    ) -> Vec<(CheckName, Times)> {
        let mut changes = self.read("the log", |reader| reader.changes(start));
        let downtimes = self.read("downtimes", |reader| reader.past_downtimes(start));
        let engine = self.engine();
        let groups = engine.rules().groups.clone();
        let checks: Vec<_> = engine.stands().filter(|(name, ..)| wanted(name)).collect();
        drop(engine);
        let of = |(name, severity, since): (CheckName, Severity, Option<Timestamp>)| {
            let quiet = downtimes
                .iter()
                .filter(|(it, _)| it.is_about(&name, &groups));
            let quiet: Vec<_> = quiet
                .filter_map(|(it, ended)| Some((it.begins()?, *ended)))
                .collect();
            let changes = changes.remove(&name).unwrap_or_default();
            let times = availability::times((severity, since), &changes, &quiet, start, now);
            (name, times)
        };
        checks.into_iter().map(of).collect()
    }

    pub(super) fn read<T: Default>(
        &self,
        what: &str,
        ask: impl FnOnce(&Reader) -> Result<T, JudgeError>,
    ) -> T {
        ask(&lock(&self.reader)).unwrap_or_else(|error| {
            error!(%error, "{what} cannot be read");
            T::default()
        })
    }
}
