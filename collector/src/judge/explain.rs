//! `ravenry explain`: whom or what it asks about, and the answer from the engine, the log and the ledger.

use std::collections::BTreeSet;

use ravenry_alerts::action::{Refusal, Subject};
use ravenry_alerts::check::CheckName;
use ravenry_alerts::engine::Engine;
use ravenry_alerts::explain::{Explained, Happened, check_then};
use ravenry_alerts::log::{Happening, LogEntry};
use ravenry_alerts::outbox::{LedgerEntry, LedgerEvent};
use ravenry_alerts::rule::ContactName;
use ravenry_plugins::clock;
use ravenry_plugins::timestamp::Timestamp;

use super::JudgeHandle;

/// The newest entries of the ledger that are looked through for a person.
const NOTICES_ASKED: usize = 5000;

/// Incidents of a check of which is said who was told, the newest ones.
const INCIDENTS_ASKED: usize = 20;

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    Subject(Subject),
    Person(ContactName),
}

impl About {
    /// A name may be that of a person or of a host: that of a host that is known goes before. `contact:NAME` is a person.
    pub(super) fn parse(text: &str, engine: &Engine) -> Result<Self, Refusal> {
        let is_contact = |name: &str| {
            let mut contacts = engine.rules().contacts.iter();
            contacts.any(|contact| contact.name.as_str() == name)
        };
        if let Some(name) = text.strip_prefix("contact:") {
            return Ok(Self::Person(ContactName::new(name)));
        }
        match text.parse::<Subject>() {
            Ok(Subject::Check(name)) if is_contact(text) && !engine.is_known(&name) => {
                Ok(Self::Person(ContactName::new(text)))
            }
            Ok(subject) => Ok(Self::Subject(subject)),
            Err(_) if is_contact(text) => Ok(Self::Person(ContactName::new(text))),
            Err(why) => Err(Refusal::Invalid(why)),
        }
    }

    /// Whether an entry of the log is about it.
    fn is_in(&self, entry: &LogEntry) -> bool {
        match self {
            // Of the host, what concerns another check is left out.
            Self::Subject(Subject::Check(name)) => {
                let of_other = entry.what.check().is_some_and(|other| other != name);
                !of_other || matches!(name, CheckName::Host(_))
            }
            Self::Subject(Subject::Incident(_)) => true,
            Self::Person(name) => match &entry.what {
                Happening::NotTold { contact, .. } => contact.as_ref() == Some(name),
                Happening::Changed { .. }
                | Happening::Opened { .. }
                | Happening::Closed { .. }
                | Happening::Done { .. } => false,
            },
        }
    }
}

impl JudgeHandle {
    /// How a check, an incident or a person stands, and what led to it; `at` a time in the past by what is remembered up to
    /// then. Reads the file: not for the runtime.
    ///
    /// # Errors
    /// When there is nothing of that name.
    pub fn explain(&self, of: &str, at: Option<Timestamp>) -> Result<Explained, Refusal> {
        let now = clock::now();
        let about = About::parse(of, &self.engine())?;
        let at = at.filter(|at| *at < now);
        let until = at.unwrap_or(now);
        let entries = self.entries(&about, until);
        let events = self.happened(&about, &entries, until);
        let stands = match (&about, at) {
            (About::Person(name), None) => self.engine().explain_person(name, now),
            (About::Subject(on), None) => self.engine().explain_subject(on, now),
            (_, Some(_)) => Ok(then(&about, until, &entries)),
        };
        match stands {
            Ok(stands) => Ok(Explained { events, ..stands }),
            // An incident that is over, or a check that is gone, is explained by what is remembered of it.
            Err(_) if !events.is_empty() => Ok(Explained {
                events,
                ..then(&about, until, &entries)
            }),
            Err(refusal) => Err(refusal),
        }
    }

    /// What the log has of it up to then, in the order of time.
    fn entries(&self, about: &About, until: Timestamp) -> Vec<LogEntry> {
        let (host, incident) = match about {
            About::Subject(Subject::Check(name)) => (Some(name.host()), None),
            About::Subject(Subject::Incident(id)) => (None, Some(*id)),
            About::Person(_) => (None, None),
        };
        let mut entries = self.read("the log", |reader| reader.log_until(host, incident, until));
        entries.retain(|entry| about.is_in(entry));
        entries
    }

    /// The same in words, with what was told.
    fn happened(&self, about: &About, entries: &[LogEntry], until: Timestamp) -> Vec<Happened> {
        let mut incidents: BTreeSet<u64> =
            entries.iter().filter_map(|it| it.what.incident()).collect();
        let mut events: Vec<Happened> = entries.iter().map(Happened::of).collect();
        if let About::Subject(Subject::Incident(id)) = about {
            incidents.insert(*id);
        }
        let notices = match about {
            About::Person(name) => {
                let mut all = self.notices(None, NOTICES_ASKED);
                all.retain(|(_, entry)| entry.key.contact == *name);
                all.into_iter().map(|(_, entry)| entry).collect()
            }
            About::Subject(_) => self.read("the ledger", |reader| {
                let of_each = incidents.iter().rev().take(INCIDENTS_ASKED);
                let all: Result<Vec<_>, _> = of_each.map(|id| reader.told(*id)).collect();
                all.map(|all| all.into_iter().flatten().collect())
            }),
        };
        let notices: Vec<LedgerEntry> = notices;
        let told = notices.into_iter().filter(|entry| {
            entry.at <= until && !matches!(entry.event, LedgerEvent::Sending { .. })
        });
        events.extend(told.map(|entry| Happened {
            at: entry.at,
            said: format!("incident {}: {entry}", entry.key.incident),
        }));
        events.sort();
        events
    }
}

/// How it stood then.
fn then(about: &About, at: Timestamp, entries: &[LogEntry]) -> Explained {
    let (of, said) = match about {
        About::Subject(Subject::Check(name)) => (name.to_string(), vec![check_then(name, entries)]),
        About::Subject(Subject::Incident(id)) => (format!("incident {id}"), Vec::new()),
        About::Person(name) => (format!("contact {name}"), Vec::new()),
    };
    Explained {
        of,
        at,
        said,
        ..Explained::default()
    }
}
