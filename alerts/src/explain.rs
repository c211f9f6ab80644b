//! Why somebody was told or not: the answer to `ravenry explain`, in sentences. What holds now the engine says; what led to
//! it, or held at a time in the past, is read from the log and the ledger. Plain values.

use ravenry_plugins::timestamp::Timestamp;
use serde::Serialize;

use crate::check::CheckName;
use crate::log::{Happening, LogEntry};
use crate::notice::clock_time;
use crate::rule::ContactName;

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explained {
    /// Of what: a check, `incident 12`, `contact ops`.
    pub of: String,
    /// As of when.
    pub at: Timestamp,
    /// How it stands, one sentence each.
    pub said: Vec<String>,
    /// Each person, or for a person each open incident, with what every gate says; empty for a time in the past.
    pub people: Vec<Judged>,
    /// What led to it, oldest first.
    pub events: Vec<Happened>,
}

/// Whether one person is told of one incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The incident.
    pub incident: u64,
    /// The person.
    pub contact: ContactName,
    /// The outcome, one sentence.
    pub said: String,
    /// All gates in their order.
    pub gates: Vec<GateSaid>,
}

/// What a gate says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GateSaid {
    /// Its name.
    pub gate: &'static str,
    /// Whether it keeps the person from being told.
    pub holds: bool,
    /// Why, one clause.
    pub said: String,
}

/// Something that happened, in words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Happened {
    /// When.
    pub at: Timestamp,
    /// What.
    pub said: String,
}

impl Happened {
    /// An entry of the log in words.
    #[must_use]
    pub fn of(entry: &LogEntry) -> Self {
        Self {
            at: entry.at,
            said: entry.what.to_string(),
        }
    }
}

/// How a check stood after these entries, which are in the order of time.
#[must_use]
pub fn check_then(name: &CheckName, entries: &[LogEntry]) -> String {
    let mut changes = entries.iter().rev().filter_map(|entry| match &entry.what {
        Happening::Changed { check, transition } if check == name => Some(transition),
        Happening::Changed { .. }
        | Happening::Opened { .. }
        | Happening::Closed { .. }
        | Happening::NotTold { .. }
        | Happening::Done { .. } => None,
    });
    match changes.next() {
        Some(change) => format!("{name} was {} since {}", change.to, clock_time(change.at)),
        None => format!("no change of {name} is remembered before that"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::Transition;
    use crate::severity::Severity;

    #[test]
    fn the_past_is_what_had_changed_by_then() {
        let check: CheckName = "web1/df/root".parse().unwrap();
        let at = Timestamp::from_seconds(60);
        let changed = |of: &str| LogEntry {
            at,
            what: Happening::Changed {
                check: of.parse().unwrap(),
                transition: Transition {
                    from: Severity::Ok,
                    to: Severity::Critical,
                    at,
                    lasted: Duration::ZERO,
                },
            },
        };
        let expect = |entries: &[LogEntry], expect: &str| {
            assert_eq!(check_then(&check, entries), expect);
        };
        expect(&[], "no change of web1/df/root is remembered before that");
        expect(
            &[changed("web1")],
            "no change of web1/df/root is remembered before that",
        );
        let both = [changed("web1/df/root"), changed("web1")];
        expect(
            &both,
            "web1/df/root was critical since 1970-01-01 00:01:00 UTC",
        );
    }
}
