//! The gates between a problem and a person: one ordered list, asked anew each time; the first that holds gives the reason
//! that people see. Pure.

use std::fmt;

use ravenry_plugins::name::HostName;
use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::check::CheckName;
use crate::incident::Told;
use crate::period::Period;
use crate::quiet::{Acknowledgement, Mute};
use crate::rule::Contact;
use crate::severity::Severity;

/// All gates, in the order in which they are asked. A new quiet is a new line here.
pub const GATES: [Gate; 12] = [
    Gate::Muted,
    Gate::MutedByHand,
    Gate::Downtime,
    Gate::Dependency,
    Gate::Settling,
    Gate::QuorumMember,
    Gate::Acknowledged,
    Gate::ContactSeverity,
    Gate::AlreadyTold,
    Gate::CheckPeriod,
    Gate::ContactPeriod,
    Gate::Budget,
];

/// One reason not to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The configuration says that nobody is told.
    Muted,
    /// Somebody said that nobody is told anything.
    MutedByHand,
    /// It was announced.
    Downtime,
    /// Another check explains this one.
    Dependency,
    /// What was seen is old, as after an outage of the network: fresh results are awaited.
    Settling,
    /// It is one of many, and the whole is judged.
    QuorumMember,
    /// Somebody knows of it.
    Acknowledged,
    /// The contact does not want to hear of this severity, or nobody of this check.
    ContactSeverity,
    /// People are told of the check at certain times only.
    CheckPeriod,
    /// The contact is told at certain times only.
    ContactPeriod,
    /// The contact has been told of this incident at this severity or a worse one.
    AlreadyTold,
    /// The contact had as many notices as it wants at once: the next digest says this, too.
    Budget,
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
    /// Who muted all notices, where that holds.
    pub mute: Option<&'a Mute>,
    /// Until when downtimes cover all its causes.
    pub downtime_until: Option<Timestamp>,
    /// The quorum that its causes belong to.
    pub quorum: Option<&'a HostName>,
    /// How somebody acknowledged it, where that holds.
    pub acknowledged: Option<&'a Acknowledgement>,
    /// Of which severities the check's rule lets anybody hear.
    pub severities: Option<&'a [Severity]>,
    /// Whether it has become so much wider that an update is due, or nobody has acknowledged it and a reminder is due.
    pub again: bool,
    /// The period outside of which nobody is told of the check, where it is not on.
    pub check_period: Option<&'a Period>,
    /// The contact's period, where it is not on.
    pub contact_period: Option<&'a Period>,
    /// When the contact's next digest goes out, where its budget is used up.
    pub digest_at: Option<Timestamp>,
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
    /// [`Gate::MutedByHand`].
    MutedByHand {
        /// By whom.
        by: String,
        /// Told then, if it is still so.
        until: Option<Timestamp>,
    },
    /// [`Gate::Downtime`].
    Downtime {
        /// Told then, if it is still so.
        until: Timestamp,
    },
    /// [`Gate::QuorumMember`].
    QuorumMember {
        /// Of which quorum.
        of: HostName,
    },
    /// [`Gate::Acknowledged`].
    Acknowledged {
        /// By whom.
        by: String,
    },
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
    /// [`Gate::CheckPeriod`].
    CheckPeriod {
        /// The period's name.
        period: String,
        /// When it begins: told then, if it is still so.
        until: Option<Timestamp>,
    },
    /// [`Gate::ContactPeriod`].
    ContactPeriod {
        /// The period's name.
        period: String,
        /// When it begins: told then, if it is still so.
        until: Option<Timestamp>,
    },
    /// [`Gate::Budget`].
    Budget {
        /// Told then, together with what else is held back.
        until: Timestamp,
    },
    /// There is no contact that this could be told to.
    NoContact,
    /// It was over before anybody had been told.
    OverUntold,
}

impl Gate {
    /// One to three words for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Muted => "muted",
            Self::MutedByHand => "muted by hand",
            Self::Downtime => "downtime",
            Self::Dependency => "explained by another",
            Self::Settling => "fresh readings",
            Self::QuorumMember => "quorum",
            Self::Acknowledged => "acknowledged",
            Self::ContactSeverity => "severity",
            Self::AlreadyTold => "already told",
            Self::CheckPeriod => "hours of the check",
            Self::ContactPeriod => "hours of the contact",
            Self::Budget => "budget",
        }
    }

    /// Whether it is about the incident, not about one contact: while it holds, nothing escalates.
    #[must_use]
    pub fn is_for_everybody(self) -> bool {
        match self {
            Self::Muted
            | Self::MutedByHand
            | Self::Downtime
            | Self::Dependency
            | Self::Settling
            | Self::QuorumMember
            | Self::Acknowledged
            | Self::CheckPeriod => true,
            Self::ContactSeverity | Self::ContactPeriod | Self::AlreadyTold | Self::Budget => false,
        }
    }

    /// The reason not to tell, when this gate holds.
    #[must_use]
    pub fn ask(self, question: &Question<'_>) -> Option<Reason> {
        match self {
            Self::Muted => question.muted.then_some(Reason::Muted),
            Self::MutedByHand => question.mute.map(Reason::muted_by),
            Self::Downtime => question
                .downtime_until
                .map(|until| Reason::Downtime { until }),
            Self::QuorumMember => question
                .quorum
                .map(|of| Reason::QuorumMember { of: of.clone() }),
            Self::Acknowledged => question.acknowledged.map(|it| Reason::Acknowledged {
                by: it.author.clone(),
            }),
            Self::Dependency => question
                .explained_by
                .map(|by| Reason::Explained { by: by.clone() }),
            Self::Settling => question
                .held_until
                .filter(|until| *until > question.now)
                .map(|until| Reason::Settling { until }),
            Self::ContactSeverity => {
                let ofs = [Some(&question.contact.severities[..]), question.severities];
                let unwanted = ofs
                    .into_iter()
                    .flatten()
                    .find(|wants| !wants.contains(&question.severity));
                unwanted.map(|wants| Reason::Unwanted {
                    wants: wants.to_vec(),
                })
            }
            Self::AlreadyTold => question
                .told
                .filter(|told| told.severity >= question.severity && !question.again)
                .map(|told| Reason::AlreadyTold {
                    at: told.at,
                    severity: told.severity,
                }),
            Self::CheckPeriod => question.check_period.map(|it| Reason::CheckPeriod {
                period: it.name.clone(),
                until: it.next_change(question.now),
            }),
            Self::ContactPeriod => question.contact_period.map(|it| Reason::ContactPeriod {
                period: it.name.clone(),
                until: it.next_change(question.now),
            }),
            Self::Budget => question.digest_at.map(|until| Reason::Budget { until }),
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

impl Reason {
    /// All notices are muted.
    pub(crate) fn muted_by(mute: &Mute) -> Self {
        Self::MutedByHand {
            by: mute.author.clone(),
            until: mute.expires,
        }
    }

    /// Whether only time keeps somebody from being told.
    #[must_use]
    pub fn is_a_wait(&self) -> bool {
        match self {
            Self::CheckPeriod { .. } | Self::ContactPeriod { .. } | Self::Budget { .. } => true,
            Self::Muted
            | Self::MutedByHand { .. }
            | Self::Downtime { .. }
            | Self::QuorumMember { .. }
            | Self::Acknowledged { .. }
            | Self::Explained { .. }
            | Self::Settling { .. }
            | Self::Unwanted { .. }
            | Self::AlreadyTold { .. }
            | Self::NoContact
            | Self::OverUntold => false,
        }
    }
}

impl fmt::Display for Reason {
    /// One clause, to stand behind `not told: `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Muted => f.write_str("notices about it are muted in the configuration"),
            Self::MutedByHand { by, until: None } => write!(f, "{by} muted all notices"),
            Self::MutedByHand {
                by,
                until: Some(until),
            } => write!(
                f,
                "{by} muted all notices until {}",
                crate::notice::clock_time(*until)
            ),
            Self::Downtime { until } => {
                write!(f, "in downtime until {}", crate::notice::clock_time(*until))
            }
            Self::QuorumMember { of } => write!(f, "it belongs to quorum {of}, which is told of"),
            Self::Acknowledged { by } => write!(f, "acknowledged by {by}"),
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
            Self::CheckPeriod { period, until } => write!(
                f,
                "people are told of it in period {period} only, {}",
                begins(*until)
            ),
            Self::ContactPeriod { period, until } => write!(
                f,
                "wants to be told in period {period} only, {}",
                begins(*until)
            ),
            Self::Budget { until } => write!(
                f,
                "had as many notices as the budget allows; the digest of {} says it",
                crate::notice::clock_time(*until)
            ),
            Self::NoContact => f.write_str("no contact is configured for it"),
            Self::OverUntold => f.write_str("it was over before anybody had been told"),
        }
    }
}

fn begins(until: Option<Timestamp>) -> String {
    until.map_or_else(
        || String::from("which does not begin within two years"),
        |until| format!("which begins {}", crate::notice::clock_time(until)),
    )
}

#[cfg(test)]
mod tests {
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
            first: Timestamp::EPOCH,
            causes: 1,
            updates: 0,
            reminders: 0,
            via: crate::escalation::Via::Route,
        };
        let night = Period {
            name: String::from("night"),
            zone: chrono_tz::UTC,
            times: vec!["daily 22:00-06:00".parse().unwrap()],
            except: Vec::new(),
            exclude: Vec::new(),
        };
        let farm = HostName::new("farm").unwrap();
        let known = Acknowledgement {
            author: String::from("dora"),
            comment: String::new(),
            severity: Severity::Critical,
            scope: 1,
            at: Timestamp::EPOCH,
            expires: None,
        };
        let mute = Mute {
            author: String::from("emil"),
            comment: String::from("moving the mail server"),
            since: Timestamp::EPOCH,
            expires: None,
        };
        let mut question = Question {
            contact: &contact,
            severity: Severity::Warning,
            muted: true,
            mute: Some(&mute),
            downtime_until: Some(Timestamp::from_seconds(60)),
            quorum: Some(&farm),
            acknowledged: Some(&known),
            severities: None,
            again: false,
            check_period: Some(&night),
            contact_period: Some(&night),
            digest_at: Some(Timestamp::from_seconds(60)),
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
        check(&question, Some(Gate::MutedByHand));
        question.mute = None;
        check(&question, Some(Gate::Downtime));
        question.downtime_until = None;
        check(&question, Some(Gate::Dependency));
        question.explained_by = None;
        check(&question, Some(Gate::Settling));
        question.now = Timestamp::from_seconds(60);
        check(&question, Some(Gate::QuorumMember));
        question.quorum = None;
        check(&question, Some(Gate::Acknowledged));
        question.acknowledged = None;
        check(&question, Some(Gate::ContactSeverity));
        question.severity = Severity::Critical;
        check(&question, Some(Gate::AlreadyTold));
        question.told = None;
        check(&question, Some(Gate::CheckPeriod));
        question.check_period = None;
        check(&question, Some(Gate::ContactPeriod));
        question.contact_period = None;
        check(&question, Some(Gate::Budget));
        question.digest_at = None;
        check(&question, None);
    }
}
