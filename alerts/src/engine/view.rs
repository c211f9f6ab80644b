//! What pages show of an engine: where each check stands, and why somebody was told of it or not.

use ravenry_plugins::name::{GraphName, HostName};
use ravenry_plugins::range::Range;
use ravenry_plugins::timestamp::Timestamp;

use super::{Check, Engine, Host};
use crate::check::CheckName;
use crate::incident::Incident;
use crate::notice::clock_time;
use crate::rule::CheckSpec;
use crate::severity::{HostState, Severity};

/// A check as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckView {
    /// Its name.
    pub name: CheckName,
    /// The confirmed severity.
    pub severity: Severity,
    /// Since when; `None` while nothing has been judged.
    pub since: Option<Timestamp>,
    /// The last value that was judged.
    pub value: Option<f64>,
    /// The thresholds in words; empty for a host and for a Nagios check.
    pub threshold: String,
    /// The same as ranges: what they are now, whether the plugin or an override said so.
    pub warning: Option<Range>,
    /// Likewise.
    pub critical: Option<Range>,
    /// What a Nagios check said last, all its lines.
    pub output: String,
    /// Why somebody was told of it or not, one sentence.
    pub reason: String,
    /// The incident that it belongs to.
    pub incident: Option<u64>,
}

impl Engine {
    /// The host's own check, then those of its fields by name, then its Nagios checks; nothing for a host that is not known.
    #[must_use]
    pub fn checks_of(&self, name: &HostName) -> Vec<CheckView> {
        let Some(host) = self.hosts.get(name) else {
            return Vec::new();
        };
        let names = std::iter::once(CheckName::Host(name.clone())).chain(host.check_names(name));
        names.filter_map(|name| self.snapshot(name)).collect()
    }

    /// All Nagios checks with the severity that they have now.
    pub fn verdicts(&self) -> impl Iterator<Item = (&HostName, &GraphName, Severity)> {
        self.hosts.iter().flat_map(|(host, known)| {
            let verdicts = known.verdicts.iter();
            verdicts.map(move |(name, verdict)| (host, name, verdict.check.state.severity))
        })
    }

    /// Where each check stands, and since when.
    pub fn stands(&self) -> impl Iterator<Item = (CheckName, Severity, Option<Timestamp>)> {
        let names = self.hosts.iter().flat_map(|(name, host)| {
            std::iter::once(CheckName::Host(name.clone())).chain(host.check_names(name))
        });
        names.filter_map(|name| {
            let state = self.check(&name)?.state;
            Some((name, state.severity, state.since))
        })
    }

    /// Whether there is such a check.
    #[must_use]
    pub fn is_known(&self, name: &CheckName) -> bool {
        self.check(name).is_some()
    }

    /// Whether the host is heard of.
    #[must_use]
    pub fn host_state(&self, name: &HostName) -> HostState {
        match self
            .hosts
            .get(name)
            .map(|host| (host.liveness.state.since, host.liveness.state.severity))
        {
            None | Some((None, _)) => HostState::Pending,
            Some((Some(_), Severity::Ok)) => HostState::Up,
            Some((Some(_), Severity::Unknown | Severity::Warning | Severity::Critical)) => {
                HostState::Down
            }
        }
    }

    /// When the host was last heard of since the start.
    #[must_use]
    pub fn last_contact(&self, name: &HostName) -> Option<Timestamp> {
        self.hosts.get(name).and_then(|host| host.last_contact)
    }

    /// The open incidents, oldest first.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values()
    }

    pub(super) fn snapshot(&self, name: CheckName) -> Option<CheckView> {
        let check = self.check(&name)?;
        let spec = check.judged_by.as_ref().map(|by| &by.spec);
        Some(CheckView {
            severity: check.state.severity,
            since: check.state.since,
            value: check.value,
            threshold: spec.map(CheckSpec::in_words).unwrap_or_default(),
            warning: spec.and_then(|spec| spec.warning),
            critical: spec.and_then(|spec| spec.critical),
            output: check.said.clone(),
            reason: self.reason(&name, check),
            incident: check.incident,
            name,
        })
    }

    fn reason(&self, name: &CheckName, check: &Check) -> String {
        let waiting = match (name, self.hosts.get(name.host())) {
            (CheckName::Host(_), Some(host)) => host.waiting(),
            (CheckName::Field(_) | CheckName::Verdict(_), _) => check.waiting(),
            (CheckName::Host(_), None) => None,
        };
        match check.incident.and_then(|id| self.incidents.get(&id)) {
            Some(incident) if incident.causes().any(|cause| cause == name) => incident.reason(),
            Some(incident) => format!(
                "not told: incident {} explains it ({})",
                incident.id, incident.summary
            ),
            None => match self.waiting.get(name) {
                Some(waits) => format!(
                    "not told yet: news of {} is awaited until {}",
                    waits
                        .on
                        .as_ref()
                        .map_or_else(|| String::from("what it needs"), ToString::to_string),
                    clock_time(waits.until)
                ),
                None => waiting.unwrap_or_else(|| String::from("nothing to tell")),
            },
        }
    }
}

impl Check {
    /// What its next change waits for.
    fn waiting(&self) -> Option<String> {
        let Some(by) = &self.judged_by else {
            return Some(String::from(
                "its graph has not been declared since the start",
            ));
        };
        let patience = by.spec.patience;
        match (self.state.suspect, self.state.unknowns, self.state.severity) {
            (0, 0, _) if self.state.since.is_none() => Some(String::from("nothing to judge yet")),
            (0, 0, Severity::Ok | Severity::Warning | Severity::Critical) => None,
            (0, _, Severity::Unknown) => Some(String::from(
                "not told yet: its host was down and fresh readings are awaited",
            )),
            (0, unknown, _) => {
                let limit = patience.unknown_limit;
                Some(format!(
                    "not told yet: {unknown} unknown readings in a row of {limit}"
                ))
            }
            (suspect, _, _) => {
                let attempts = patience.attempts;
                let what = if by.spec.judges() {
                    "outside its thresholds"
                } else {
                    "not ok"
                };
                Some(format!(
                    "not told yet: {what} {suspect} times in a row of {attempts}"
                ))
            }
        }
    }
}

impl Host {
    fn waiting(&self) -> Option<String> {
        match (self.last_contact, self.expected_by) {
            (None, _) => Some(String::from("nothing has been heard of it since the start")),
            (Some(last), Some(by)) => Some(format!(
                "last heard of {}, down if nothing is heard by {}",
                clock_time(last),
                clock_time(by)
            )),
            (Some(last), None) => Some(format!(
                "last heard of {}, it may be silent as long as it likes",
                clock_time(last)
            )),
        }
    }
}

impl Incident {
    /// Who was told of it and who was not, in one sentence.
    #[must_use]
    pub fn reason(&self) -> String {
        let told = self.told.iter().map(|(contact, told)| {
            format!(
                "{contact} was told of {} at {}",
                told.severity,
                clock_time(told.at)
            )
        });
        let not_told = self
            .not_told
            .iter()
            .map(|(contact, reason)| format!("{contact} was not told: {reason}"));
        let all: Vec<String> = told.chain(not_told).collect();
        if all.is_empty() {
            return format!(
                "incident {}: not told: {}",
                self.id,
                crate::gate::Reason::NoContact
            );
        }
        format!("incident {}: {}", self.id, all.join("; "))
    }
}
