//! Nagios checks: they say themselves how things stand. What is left to the engine is how many results in a row it takes,
//! what their absence means, and who is told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::name::{GraphName, HostName, VerdictName};
use ravenry_plugins::timestamp::Timestamp;

use super::silence::silence_of;
use super::{Check, Engine, Host, JudgedBy};
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
        let has_witness = host.spoken_of_by.is_some();
        if !has_witness
            && host
                .last_word
                .is_none_or(|last| now.since(last) > WITNESS_GAP)
        {
            // It could not be heard: what it has not spoken of yet is not silent.
            host.heard_since = now;
        }
        host.last_word = Some(now);
        if host.spec.alive.as_ref() == Some(&said.name.check) {
            return self.take_alive(said, now);
        }
        let host = self.host_entry(&said.name.host, now);
        let known = host
            .verdicts
            .entry(said.name.check.clone())
            .or_insert_with(|| VerdictCheck::new(&rules, &said.name));
        let freshness = known.freshness();
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
        let by = check.judged_by.as_ref();
        if by.is_some_and(|by| !by.spec.is_judged(now)) {
            return;
        }
        let patience = check.patience();
        let (next, _) = check.state.step(patience, said.verdict, said.at);
        let is_news = next != check.state || check.incident.is_some() || !next.severity.is_ok();
        if let Some(interval) = said.interval {
            let silence = freshness.unwrap_or_else(|| silence_of(&rules, interval));
            host.silence_check_at = host.silence_check_at.min(now + silence);
        }
        if !self.waiting_on.is_empty() {
            self.wake(&CheckName::Verdict(said.name.clone()));
        }
        if is_news {
            let interval = said.interval.unwrap_or(rules.step);
            let late = now.since(said.at) > rules.late_after.max(3 * interval);
            let name = CheckName::Verdict(said.name.clone());
            self.judge(&name, patience, said.verdict, said.at, now, late);
        }
    }

    /// A verdict about the host itself. When it is down, what was fine on it is not known any more.
    fn take_alive(&mut self, said: &Said, now: Timestamp) {
        let host = self.host_entry(&said.name.host, now);
        let patience = host.spec.patience;
        let check = &mut host.liveness;
        if check.last.is_some_and(|last| said.at <= last) {
            return;
        }
        check.last = Some(said.at);
        check.heard = Some(now);
        if check.said != said.text {
            check.said.clone_from(&said.text);
        }
        // Nagios takes a warning of a host's check for up.
        let verdict = match said.verdict {
            Verdict::Ok | Verdict::Warning => Verdict::Ok,
            Verdict::Critical | Verdict::Unknown | Verdict::Silent => Verdict::Critical,
        };
        let was_ok = check.state.severity.is_ok();
        let name = CheckName::Host(said.name.host.clone());
        self.wake(&name);
        let interval = said.interval.unwrap_or(self.rules.step);
        let late = now.since(said.at) > self.rules.late_after.max(3 * interval);
        self.judge(&name, patience, verdict, said.at, now, late);
        let is_ok = |engine: &Self| {
            let check = engine.check(&name);
            check.is_some_and(|check| check.state.severity.is_ok())
        };
        if was_ok && !is_ok(self) {
            self.blind(&said.name.host, now);
        }
    }

    /// A quorum's own check, judged whenever a member changes.
    pub(super) fn say_quorum(&mut self, name: &CheckName, bad: bool, text: String, now: Timestamp) {
        let CheckName::Verdict(verdict) = name else {
            return;
        };
        let rules = Arc::clone(&self.rules);
        let host = self.host_entry(&verdict.host, now);
        let known = host
            .verdicts
            .entry(verdict.check.clone())
            .or_insert_with(|| VerdictCheck::new(&rules, verdict));
        known.check.last = Some(now);
        known.check.heard = Some(now);
        known.check.said = text;
        let verdict = if bad { Verdict::Critical } else { Verdict::Ok };
        self.judge(name, super::ONCE, verdict, now, now, false);
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
            unit: String::new(),
        }
    }
}

/// When a host was not heard of for longer, its silence began anew: two of the longest usual intervals.
const WITNESS_GAP: Duration = Duration::from_secs(660);

impl VerdictCheck {
    fn freshness(&self) -> Option<Duration> {
        self.check.judged_by.as_ref()?.spec.freshness
    }

    /// How long it may be missing.
    pub(super) fn silence(&self, rules: &Rules, interval: Duration) -> Duration {
        self.freshness()
            .unwrap_or_else(|| silence_of(rules, interval))
    }

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
