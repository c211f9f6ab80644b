//! The log of what happened, one entry each: checks that changed, incidents that came and went, people who were not told
//! and why, what people did. Plain values; what was told stands in the ledger.

use std::fmt;

use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::check::{CheckName, Transition};
use crate::rule::ContactName;
use crate::severity::Severity;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Happening,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// The confirmed severity of a check changed.
    Changed {
        /// Of which check.
        check: CheckName,
        /// From what to what.
        transition: Transition,
    },
    /// An incident began.
    Opened {
        /// Its number.
        incident: u64,
        /// Its cause.
        cause: CheckName,
        /// How bad it was.
        severity: Severity,
        /// What was wrong.
        summary: String,
    },
    /// An incident is over.
    Closed {
        /// Its number.
        incident: u64,
        /// Its cause.
        cause: CheckName,
    },
    /// Somebody was not told, or nobody where no contact is named.
    NotTold {
        /// Of which incident.
        incident: u64,
        /// Who.
        contact: Option<ContactName>,
        /// Why.
        reason: String,
    },
    /// Somebody did something.
    Done {
        /// Who.
        by: String,
        /// What, one sentence.
        said: String,
    },
}

impl Happening {
    /// The check that it is about.
    #[must_use]
    pub fn check(&self) -> Option<&CheckName> {
        match self {
            Self::Changed { check, .. } => Some(check),
            Self::Opened { cause, .. } | Self::Closed { cause, .. } => Some(cause),
            Self::NotTold { .. } | Self::Done { .. } => None,
        }
    }

    /// The incident that it is about.
    #[must_use]
    pub fn incident(&self) -> Option<u64> {
        match self {
            Self::Opened { incident, .. }
            | Self::Closed { incident, .. }
            | Self::NotTold { incident, .. } => Some(*incident),
            Self::Changed { .. } | Self::Done { .. } => None,
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { check, transition } => {
                let Transition { from, to, .. } = transition;
                write!(f, "{check} went from {from} to {to}")
            }
            Self::Opened {
                incident, summary, ..
            } => write!(f, "incident {incident} began: {summary}"),
            Self::Closed { incident, cause } => {
                write!(f, "incident {incident} is over, its cause was {cause}")
            }
            Self::NotTold {
                incident,
                contact,
                reason,
            } => match contact {
                Some(contact) => {
                    write!(f, "{contact} was not told of incident {incident}: {reason}")
                }
                None => write!(f, "nobody was told of incident {incident}: {reason}"),
            },
            Self::Done { by, said } => write!(f, "{by}: {said}"),
        }
    }
}
