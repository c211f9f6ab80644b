//! An incident: the problems that share one root cause, and who has been told of them.

use std::collections::{BTreeMap, BTreeSet};

use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::check::CheckName;
use crate::escalation::Via;
use crate::gate::Reason;
use crate::quiet::Acknowledgement;
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
    /// When the first bad result of the cause was taken.
    #[serde(default)]
    pub began: Timestamp,
    /// The same of the cause that joined last.
    #[serde(default)]
    pub grew: Timestamp,
    /// Further causes: problems that began with this one and have no other explanation known.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub folded: BTreeSet<CheckName>,
    /// Whether many different checks began to fail together.
    #[serde(default)]
    pub burst: bool,
    /// The incident that explained these problems and is over for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_by: Option<u64>,
    /// Since when no cause is bad, while the incident settles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok_since: Option<Timestamp>,
    /// How often a cause came back and failed again.
    #[serde(default)]
    pub relapses: u32,
    /// Who knows of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
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
    /// Since when it is there to be told and nobody has acknowledged it: from then on it escalates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
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
    /// When the first one was.
    #[serde(default)]
    pub first: Timestamp,
    /// Of how many causes.
    #[serde(default)]
    pub causes: usize,
    /// How many updates there were.
    #[serde(default)]
    pub updates: u32,
    /// How many reminders there were of this severity.
    #[serde(default)]
    pub reminders: u32,
    /// How they came to be told.
    #[serde(default, skip_serializing_if = "Via::is_route")]
    pub via: Via,
}

/// From so many relapses on an incident is flapping.
pub const FLAPPING: u32 = 3;

impl Incident {
    /// Whether its causes come and go: it is over only after a longer quiet time.
    #[must_use]
    pub fn is_flapping(&self) -> bool {
        self.relapses >= FLAPPING
    }

    /// All its causes, the first one first.
    pub fn causes(&self) -> impl Iterator<Item = &CheckName> {
        std::iter::once(&self.cause).chain(&self.folded)
    }

    /// Takes in how bad the cause is now.
    pub(crate) fn note(&mut self, severity: Severity, summary: String) {
        if severity >= self.severity {
            self.summary = summary;
        }
        self.severity = severity;
        self.worst = self.worst.max(severity);
    }
}
