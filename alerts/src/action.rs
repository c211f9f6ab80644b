//! What people do about problems: acknowledge, announce a downtime, comment, mute. One [`Action`] is one of these, in the
//! form in which pages, the API and the command line ask for it; [`crate::engine::Engine::act`] checks it and carries it
//! out. Plain values; pure.

use std::fmt;
use std::str::FromStr;

use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::check::CheckName;
use crate::quiet::Plan;

/// One thing that a person does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Says that somebody knows of an incident, or of the one that a check belongs to.
    Acknowledge {
        /// What.
        on: Subject,
        /// What they say; may be empty.
        #[serde(default)]
        comment: String,
        /// It ends then.
        #[serde(default)]
        expires: Option<Timestamp>,
    },
    /// Takes that back.
    Unacknowledge {
        /// Of what.
        on: Subject,
    },
    /// Announces a downtime.
    AddDowntime(Plan),
    /// Takes a downtime back, or ends it.
    RemoveDowntime {
        /// Its number.
        id: u64,
    },
    /// Writes something beside an incident, a check or a host, for others to read.
    AddComment {
        /// Beside what.
        on: Subject,
        /// What.
        text: String,
    },
    /// Takes a comment away.
    RemoveComment {
        /// Its number.
        id: u64,
    },
    /// Nobody is told anything for a while.
    Mute {
        /// Why.
        comment: String,
        /// It ends then; without, when somebody takes it back.
        #[serde(default)]
        expires: Option<Timestamp>,
    },
    /// People are told again.
    Unmute,
}

/// What an action is about: `12` is an incident, anything else a check as [`CheckName`] is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An incident, by its number.
    Incident(u64),
    /// A check; a host's own is the host.
    Check(CheckName),
}

/// An action was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// One sentence for whoever did it.
    pub said: String,
    /// The number of what it was done to: the incident, the downtime, the comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
}

/// An action was not carried out. The text is one sentence for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is about something that does not exist.
    #[error("{0}")]
    Unknown(String),
    /// What it says makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It makes sense, but not as things stand.
    #[error("{0}")]
    Conflict(String),
    /// There is nobody to carry it out, or it cannot be written down; asking again later may help.
    #[error("{0}")]
    Unavailable(String),
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse().map(Self::Incident);
            return number.map_err(|_| format!("expected the number of an incident, found {text}"));
        }
        let check = text.parse().map(Self::Check);
        check.map_err(|why| {
            format!(
                "expected the number of an incident, HOST, HOST/CHECK or HOST/GRAPH/FIELD, found {text:?}: {why}"
            )
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incident(id) => write!(f, "{id}"),
            Self::Check(name) => write!(f, "{name}"),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_written_as_people_write_it() {
        let check = |text: &str, expect: &str| {
            let found = match text.parse::<Subject>() {
                Ok(subject) => {
                    assert_eq!(subject.to_string(), text);
                    format!("{subject:?}")
                }
                Err(why) => why,
            };
            assert!(found.contains(expect), "{text}: {found}");
        };
        check("12", "Incident(12)");
        check("web1", "Host");
        check("web1/http", "Verdict");
        check("web1/df/root", "Field");
        check("web1/df/root/x", "expected");
        check("", "expected");
        check("99999999999999999999999", "expected the number");
    }

    #[test]
    fn an_action_is_read_from_the_json_that_is_documented() {
        let check = |json: &str, expect: Action| {
            let read: Action = serde_json::from_str(json).unwrap();
            assert_eq!(read, expect);
            let again: Action =
                serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
            assert_eq!(again, expect);
        };
        check(
            r#"{"action": "acknowledge", "on": "3", "comment": "on it", "expires": 60}"#,
            Action::Acknowledge {
                on: Subject::Incident(3),
                comment: String::from("on it"),
                expires: Some(Timestamp::from_seconds(60)),
            },
        );
        check(r#"{"action": "unmute"}"#, Action::Unmute);
        check(
            r#"{"action": "add_downtime", "host": "web*", "start": 1, "end": 2, "comment": "disks"}"#,
            Action::AddDowntime(Plan {
                host: Some(String::from("web*")),
                start: Some(Timestamp::from_seconds(1)),
                end: Timestamp::from_seconds(2),
                comment: String::from("disks"),
                ..Plan::default()
            }),
        );
    }
}
