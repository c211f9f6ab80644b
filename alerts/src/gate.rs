//! The gates between a problem and a person: one ordered list, asked anew each time; the first that holds gives the reason
//! that people see. Pure.

use std::fmt;

use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::check::CheckName;
use crate::incident::Told;
use crate::rule::Contact;
use crate::severity::Severity;

/// All gates, in the order in which they are asked. A new quiet is a new line here.
pub const GATES: [Gate; 5] = [
    Gate::Muted,
    Gate::Dependency,
    Gate::Settling,
    Gate::ContactSeverity,
    Gate::AlreadyTold,
];

/// One reason not to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The configuration says that nobody is told.
    Muted,
    /// Another check explains this one.
    Dependency,
    /// What was seen is old, as after an outage of the network: fresh results are awaited.
    Settling,
    /// The contact does not want to hear of this severity.
    ContactSeverity,
    /// The contact has been told of this incident at this severity or a worse one.
    AlreadyTold,
}

/// What a gate is asked: may this contact be told of this problem now?
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who would be told.
    pub contact: &'a Contact,
    /// How bad it is now.
    pub severity: Severity,
    /// Whether notices about the check, or all, are muted.
    pub muted: bool,
    /// The check that explains this one, when another does.
    pub explained_by: Option<&'a CheckName>,
    /// Until when fresh results are awaited.
    pub held_until: Option<Timestamp>,
    /// What the contact has been told of this incident.
    pub told: Option<&'a Told>,
    /// The time.
    pub now: Timestamp,
}

/// Why somebody was not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// [`Gate::Muted`].
    Muted,
    /// [`Gate::Dependency`].
    Explained {
        /// The cause.
        by: CheckName,
    },
    /// [`Gate::Settling`].
    Settling {
        /// Told then at the latest, if it is still so.
        until: Timestamp,
    },
    /// [`Gate::ContactSeverity`].
    Unwanted {
        /// What the contact wants to hear of.
        wants: Vec<Severity>,
    },
    /// [`Gate::AlreadyTold`].
    AlreadyTold {
        /// When.
        at: Timestamp,
        /// At which severity.
        severity: Severity,
    },
    /// There is no contact that this could be told to.
    NoContact,
    /// It was over before anybody had been told.
    OverUntold,
}

impl Gate {
    /// The reason not to tell, when this gate holds.
    #[must_use]
    pub fn ask(self, question: &Question<'_>) -> Option<Reason> {
        match self {
            Self::Muted => question.muted.then_some(Reason::Muted),
            Self::Dependency => question
                .explained_by
                .map(|by| Reason::Explained { by: by.clone() }),
            Self::Settling => question
                .held_until
                .filter(|until| *until > question.now)
                .map(|until| Reason::Settling { until }),
            Self::ContactSeverity => {
                let wants = &question.contact.severities;
                let unwanted = !wants.contains(&question.severity);
                unwanted.then(|| Reason::Unwanted {
                    wants: wants.clone(),
                })
            }
            Self::AlreadyTold => question
                .told
                .filter(|told| told.severity >= question.severity)
                .map(|told| Reason::AlreadyTold {
                    at: told.at,
                    severity: told.severity,
                }),
        }
    }
}

/// The first gate that holds, and its reason.
#[must_use]
pub fn ask_all(question: &Question<'_>) -> Option<(Gate, Reason)> {
    GATES
        .into_iter()
        .find_map(|gate| gate.ask(question).map(|reason| (gate, reason)))
}

impl fmt::Display for Reason {
    /// One clause, to stand behind `not told: `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Muted => f.write_str("notices about it are muted in the configuration"),
            Self::Explained {
                by: CheckName::Host(host),
            } => write!(f, "host {host} is down, which explains it"),
            Self::Explained {
                by: CheckName::Field(series),
            } => write!(f, "{series} explains it"),
            Self::Explained {
                by: CheckName::Verdict(verdict),
            } => write!(f, "{verdict} explains it"),
            Self::Settling { until } => write!(
                f,
                "the readings arrived late; fresh ones are awaited until {}",
                crate::notice::clock_time(*until)
            ),
            Self::Unwanted { wants } if wants.is_empty() => f.write_str("wants to hear of nothing"),
            Self::Unwanted { wants } => {
                let wants: Vec<&str> = wants.iter().map(|severity| severity.as_str()).collect();
                write!(f, "wants to hear only of {}", wants.join(", "))
            }
            Self::AlreadyTold { at, severity } => {
                write!(
                    f,
                    "already told of {severity} at {}",
                    crate::notice::clock_time(*at)
                )
            }
            Self::NoContact => f.write_str("no contact is configured for it"),
            Self::OverUntold => f.write_str("it was over before anybody had been told"),
        }
    }
}

#[cfg(test)]
mod tests {
    use ravenry_plugins::name::HostName;

    use super::*;

    #[test]
    fn the_first_gate_that_holds_gives_the_reason() {
        let contact = Contact {
            severities: vec![Severity::Critical],
            ..Contact::new("ops")
        };
        let host = CheckName::Host(HostName::new("web1").unwrap());
        let told = Told {
            severity: Severity::Critical,
            sequence: 1,
            at: Timestamp::EPOCH,
        };
        let mut question = Question {
            contact: &contact,
            severity: Severity::Warning,
            muted: true,
            explained_by: Some(&host),
            held_until: Some(Timestamp::from_seconds(60)),
            told: Some(&told),
            now: Timestamp::EPOCH,
        };
        let check = |question: &Question<'_>, expect: Option<Gate>| {
            assert_eq!(ask_all(question).map(|(gate, _)| gate), expect);
        };
        check(&question, Some(Gate::Muted));
        question.muted = false;
        check(&question, Some(Gate::Dependency));
        question.explained_by = None;
        check(&question, Some(Gate::Settling));
        question.now = Timestamp::from_seconds(60);
        check(&question, Some(Gate::ContactSeverity));
        question.severity = Severity::Critical;
        check(&question, Some(Gate::AlreadyTold));
        question.told = None;
        check(&question, None);
    }
}
