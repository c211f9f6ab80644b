//! Nagios checks: they say themselves how things stand. What is left to the engine is how many results in a row it takes,
//! what their absence means, and who is told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::name::{GraphName, HostName, VerdictName};
use ravenry_plugins::timestamp::Timestamp;

use super::{Check, Engine, Host, JudgedBy, silence_of};
use crate::check::{CheckName, Verdict};
use crate::rate::Scale;
use crate::rule::Rules;

/// A Nagios check.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct VerdictCheck {
    /// How often it is made; nothing where no further result is expected, whose absence then means nothing.
    pub(super) interval: Option<Duration>,
    pub(super) check: Check,
}

/// What a Nagios check said.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Which check.
    pub name: VerdictName,
    /// Its verdict.
    pub verdict: Verdict,
    /// Its words, the first line first.
    pub text: String,
    /// When it was made, by the clock of who made it.
    pub at: Timestamp,
    /// How often it is made; nothing where no further result is expected.
    pub interval: Option<Duration>,
}

impl Engine {
    /// Verdicts of Nagios checks that arrived at `now`, in order of time within a check.
    pub fn handle_verdicts(&mut self, batch: &[Said], now: Timestamp) {
        let now = self.tick(now);
        let mut hosts = BTreeSet::new();
        for said in batch {
            let host = &said.name.host;
            if self.listens_to_readings(host) {
                self.hear(host, said.at, now);
            }
            hosts.insert(host);
            self.take_verdict(said, now);
        }
        for host in hosts {
            self.judge_silence(host, now);
        }
        self.review_all(now);
    }

    fn take_verdict(&mut self, said: &Said, now: Timestamp) {
        let rules = Arc::clone(&self.rules);
        let host = self.host_entry(&said.name.host, now);
        let known = host
            .verdicts
            .entry(said.name.check.clone())
            .or_insert_with(|| VerdictCheck::new(&rules, &said.name));
        let check = &mut known.check;
        if check.last.is_some_and(|last| said.at <= last) {
            return;
        }
        known.interval = said.interval;
        check.last = Some(said.at);
        check.heard = Some(now);
        if check.said != said.text {
            check.said.clone_from(&said.text);
        }
        let patience = check.patience();
        let (next, _) = check.state.step(patience, said.verdict, said.at);
        let is_news = next != check.state || check.incident.is_some() || !next.severity.is_ok();
        if let Some(interval) = said.interval {
            host.silence_check_at = host
                .silence_check_at
                .min(now + silence_of(&rules, interval));
        }
        if is_news {
            let interval = said.interval.unwrap_or(rules.step);
            let late = now.since(said.at) > rules.late_after.max(3 * interval);
            let name = CheckName::Verdict(said.name.clone());
            self.judge(&name, patience, said.verdict, said.at, now, late);
        }
    }

    /// How often a Nagios check is made.
    pub(super) fn interval_of(&self, name: &CheckName) -> Option<Duration> {
        match name {
            CheckName::Host(_) | CheckName::Field(_) => None,
            CheckName::Verdict(verdict) => {
                let host = self.hosts.get(&verdict.host)?;
                host.verdicts.get(&verdict.check)?.interval
            }
        }
    }
}

impl JudgedBy {
    pub(super) fn verdict(rules: &Rules, name: &VerdictName) -> Self {
        Self {
            spec: rules.resolve_verdict(name),
            scale: Scale::undeclared(),
            label: name.check.to_string(),
        }
    }
}

impl VerdictCheck {
    pub(super) fn new(rules: &Rules, name: &VerdictName) -> Self {
        Self {
            interval: None,
            check: Check {
                judged_by: Some(JudgedBy::verdict(rules, name)),
                ..Check::default()
            },
        }
    }
}

impl Host {
    pub(super) fn verdict_names(&self, host: &HostName) -> Vec<CheckName> {
        let name = |check: &GraphName| {
            CheckName::Verdict(VerdictName {
                host: host.clone(),
                check: check.clone(),
            })
        };
        self.verdicts.keys().map(name).collect()
    }
}
