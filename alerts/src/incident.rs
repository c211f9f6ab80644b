//! An incident: the problems that share one root cause, and who has been told of them.

use std::collections::{BTreeMap, BTreeSet};

use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::check::CheckName;
use crate::gate::Reason;
use crate::rule::ContactName;
use crate::severity::Severity;

/// One incident; also the row that is kept of it, open or closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number, from 1, never used again.
    pub id: u64,
    /// The check that is the cause.
    pub cause: CheckName,
    /// When the cause was confirmed.
    pub opened: Timestamp,
    /// When it ended; `None` while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Timestamp>,
    /// How bad the cause is now.
    pub severity: Severity,
    /// The worst that it has been.
    pub worst: Severity,
    /// What is wrong, one sentence, as of the last change for the worse.
    pub summary: String,
    /// Checks that the cause explains and that are not ok.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub explains: BTreeSet<CheckName>,
    /// What each contact was last told of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<ContactName, Told>,
    /// Why a contact was not told, by the last time that it was asked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_told: BTreeMap<ContactName, Reason>,
    /// Nobody is told before, unless fresh results confirm the problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Timestamp>,
}

/// The last notice to a contact about an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The worst severity that the contact was told.
    pub severity: Severity,
    /// The notice's number within (incident, contact), from 1.
    pub sequence: u64,
    /// When it was decided.
    pub at: Timestamp,
}

impl Incident {
    /// Takes in how bad the cause is now.
    pub(crate) fn note(&mut self, severity: Severity, summary: String) {
        if severity >= self.severity {
            self.summary = summary;
        }
        self.severity = severity;
        self.worst = self.worst.max(severity);
    }
}
