//! Hosts that have no agent of their own: an agent elsewhere speaks of them (`host_name` of a plugin, a switch asked by
//! SNMP). That agent is the witness of their silence. While it is heard of and says nothing of a check, the check is
//! silent; when its own host is down, what was fine on them is not known any more, and that host explains it.

use std::collections::BTreeSet;

use ravenry_plugins::name::{GraphName, HostName, VerdictName};
use ravenry_plugins::timestamp::Timestamp;

use super::{Engine, RecordKey};
use crate::check::CheckName;

impl Engine {
    /// The agent of `by` spoke of `hosts`.
    pub fn handle_spoken_of(&mut self, by: &HostName, hosts: &[HostName], now: Timestamp) {
        let now = self.tick(now);
        for name in hosts.iter().filter(|name| *name != by) {
            let host = self.host_entry(name, now);
            if host.last_contact.is_some() || host.spoken_of_by.as_ref() == Some(by) {
                continue;
            }
            host.spoken_of_by = Some(by.clone());
            self.changed
                .insert(RecordKey::Check(CheckName::Host(name.clone())));
            self.remember_spoken_of(by, name);
        }
    }

    pub(super) fn remember_spoken_of(&mut self, by: &HostName, host: &HostName) {
        let hosts = self.spoken_of.entry(by.clone()).or_default();
        hosts.insert(host.clone());
    }

    /// The hosts without an agent of their own that the agent of `by` was the last to speak of.
    pub(super) fn spoken_of_by(&self, by: &HostName) -> Vec<HostName> {
        let Some(hosts) = self.spoken_of.get(by) else {
            return Vec::new();
        };
        let is_still = |name: &&HostName| {
            let host = self.hosts.get(*name);
            host.is_some_and(|host| {
                host.last_contact.is_none() && host.spoken_of_by.as_ref() == Some(by)
            })
        };
        hosts.iter().filter(is_still).cloned().collect()
    }

    /// Who would have spoken of this check, were it known.
    pub(super) fn witness_of(&self, name: &CheckName) -> Option<CheckName> {
        let host = self.hosts.get(name.host())?;
        let by = host.spoken_of_by.as_ref()?;
        let is_unknown = self.check(name)?.state.severity.is_unknown();
        (host.last_contact.is_none() && is_unknown).then(|| CheckName::Host(by.clone()))
    }

    /// The host spoke: what it has not spoken of for too long is silent, on itself and on the hosts that it speaks of.
    pub(super) fn judge_silence_by(&mut self, by: &HostName, now: Timestamp) {
        self.judge_silence(by, now);
        for host in self.spoken_of_by(by) {
            self.judge_silence(&host, now);
        }
    }

    /// What was fine on the hosts that this one speaks of is unknown.
    pub(super) fn blind_spoken_of(&mut self, by: &HostName, now: Timestamp) {
        for host in self.spoken_of_by(by) {
            self.blind_one(&host, now);
        }
    }

    /// After a gap in what is heard of their witness their silence begins anew.
    pub(super) fn hear_anew(&mut self, by: &HostName, now: Timestamp) {
        for name in self.spoken_of_by(by) {
            self.host_entry(&name, now).heard_since = now;
        }
    }

    /// Checks that are there no more, as who made them says; open incidents about them end.
    pub fn handle_gone(
        &mut self,
        graphs: &[(HostName, GraphName)],
        checks: &[VerdictName],
        now: Timestamp,
    ) {
        let now = self.tick(now);
        for (host, graph) in graphs {
            self.handle_undeclare(host, graph, now);
        }
        let checks: BTreeSet<CheckName> = checks.iter().cloned().map(CheckName::Verdict).collect();
        for check in &checks {
            self.withdraw(check, now);
        }
        self.review_all(now);
    }
}
