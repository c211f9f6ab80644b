//! Silence: when something must be heard of a host and of each of its checks, and what it means when nothing is.

use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::name::{HostName, SeriesName};
use ravenry_plugins::timestamp::Timestamp;

use super::{Check, Engine, Host, ONCE, RecordKey};
use crate::check::{CheckName, Verdict};
use crate::rule::{DownAfter, Rules};

impl Engine {
    pub(super) fn resettle(&mut self, now: Timestamp) {
        self.alarms.clear();
        for (name, host) in &mut self.hosts {
            host.heard_since = now;
            host.silence_check_at = now;
            host.last_contact = host.last_contact.map(|_| now);
            host.expected_by = None;
            if host.liveness.state.since.is_some() {
                host.expect(&self.rules, now);
            }
            host.has_alarm = host.expected_by.is_some();
            self.alarms
                .extend(host.expected_by.map(|by| (by, name.clone())));
            let fields = host
                .graphs
                .values_mut()
                .flat_map(|it| it.fields.values_mut());
            let verdicts = host.verdicts.values_mut().map(|it| &mut it.check);
            fields.chain(verdicts).for_each(|check| check.resettle(now));
        }
        let latest = now + self.rules.settle;
        for (at, id) in std::mem::take(&mut self.holds) {
            let at = at.min(latest);
            self.holds.insert((at, id));
            if let Some(incident) = self.incidents.get_mut(&id) {
                incident.held_until = Some(at);
                self.changed.insert(RecordKey::Incident(id));
            }
        }
    }

    /// Something was heard of a host: it is up, and a gap in what is heard of it ends here.
    pub(super) fn hear(&mut self, name: &HostName, at: Timestamp, now: Timestamp) {
        let at = at.min(now);
        let host = self.host_entry(name, now);
        let is_down = !host.liveness.state.severity.is_ok();
        if is_down && host.liveness.state.since.is_some_and(|since| at <= since) {
            return;
        }
        let gap_max = (2 * host.step).max(Duration::from_secs(150));
        if host.last_contact.is_none_or(|last| at > last + gap_max) {
            host.heard_since = now;
            self.hear_anew(name, now);
        }
        let host = self.host_entry(name, now);
        host.last_contact = host.last_contact.max(Some(at));
        if host.spec.alive.is_some() {
            return;
        }
        let rules = Arc::clone(&self.rules);
        let host = self.host_entry(name, now);
        host.expect(&rules, now);
        let is_known = host.liveness.state.since.is_some() && !is_down;
        if let (false, Some(by)) = (host.has_alarm, host.expected_by) {
            host.has_alarm = true;
            self.alarms.insert((by, name.clone()));
        }
        self.wake(&CheckName::Host(name.clone()));
        if !is_known {
            self.judge(
                &CheckName::Host(name.clone()),
                ONCE,
                Verdict::Ok,
                at,
                now,
                false,
            );
        }
    }

    /// The host spoke: fields that it has not spoken of for too long are silent.
    pub(super) fn judge_silence(&mut self, name: &HostName, now: Timestamp) {
        let Some(host) = self.hosts.get_mut(name) else {
            return;
        };
        if now < host.silence_check_at {
            return;
        }
        let (silent, next) = host.silent_checks(name, &self.rules, now);
        host.silence_check_at = next;
        for check in silent {
            self.judge(&check, ONCE, Verdict::Silent, now, now, false);
        }
    }

    pub(super) fn alarm(&mut self, name: &HostName, now: Timestamp) {
        let Some(host) = self.hosts.get_mut(name) else {
            return;
        };
        host.has_alarm = false;
        match host.expected_by {
            Some(by) if by > now => {
                host.has_alarm = true;
                self.alarms.insert((by, name.clone()));
            }
            Some(_) if host.liveness.incident.is_none() => {
                self.judge(
                    &CheckName::Host(name.clone()),
                    ONCE,
                    Verdict::Critical,
                    now,
                    now,
                    false,
                );
                self.blind(name, now);
            }
            Some(_) | None => {}
        }
    }

    /// A host is down: what was fine on it, and what only its agent spoke of, is unknown now, and explained.
    pub(super) fn blind(&mut self, name: &HostName, now: Timestamp) {
        self.blind_one(name, now);
        self.blind_spoken_of(name, now);
    }

    pub(super) fn blind_one(&mut self, name: &HostName, now: Timestamp) {
        let Some(host) = self.hosts.get(name) else {
            return;
        };
        for check in host.check_names(name) {
            let fine = |check: &Check| check.state.severity.is_ok() && check.state.since.is_some();
            if self.check(&check).is_some_and(fine) {
                self.judge(&check, ONCE, Verdict::Silent, now, now, false);
            }
        }
    }
}

pub(super) fn silence_of(rules: &Rules, step: Duration) -> Duration {
    (rules.field_steps * step).max(rules.silence_min)
}

impl Host {
    /// Moves the time by which something must be heard of the host, given that it was heard of `at`.
    pub(super) fn expect(&mut self, rules: &Rules, at: Timestamp) {
        let silence = match self.spec.down_after {
            Some(DownAfter::Never) => {
                self.expected_by = None;
                return;
            }
            Some(DownAfter::Silence(silence)) => silence,
            None if self.spec.alive.is_some() => {
                self.expected_by = None;
                return;
            }
            None => (rules.host_steps * self.step).max(rules.silence_min),
        };
        self.expected_by = self.expected_by.max(Some(at + silence));
    }

    /// The checks that are silent and not yet known to be, and before when none of the others is.
    pub(super) fn silent_checks(
        &self,
        host: &HostName,
        rules: &Rules,
        now: Timestamp,
    ) -> (Vec<CheckName>, Timestamp) {
        let mut silent = Vec::new();
        let mut next = now + silence_of(rules, Duration::ZERO);
        for (name, known) in self
            .verdict_names(host)
            .into_iter()
            .zip(self.verdicts.values())
        {
            let Some(interval) = known.interval else {
                continue;
            };
            let by = self.heard_of(&known.check) + known.silence(rules, interval);
            if by > now {
                next = next.min(by);
            } else if known.check.is_news_if_silent(now) {
                silent.push(name);
            }
        }
        for (graph, checks) in &self.graphs {
            let silence = silence_of(rules, checks.step);
            for (field, check) in &checks.fields {
                if check.last.is_none() || check.judged_by.is_none() {
                    continue;
                }
                let by = self.heard_of(check) + silence;
                if by > now {
                    next = next.min(by);
                } else if check.is_news_if_silent(now) {
                    silent.push(CheckName::Field(SeriesName {
                        host: host.clone(),
                        graph: graph.clone(),
                        field: field.clone(),
                    }));
                }
            }
        }
        (silent, next)
    }

    /// Since when a check may have been heard of and was not.
    pub(super) fn heard_of(&self, check: &Check) -> Timestamp {
        let heard = check.heard;
        heard.map_or(self.heard_since, |heard| heard.max(self.heard_since))
    }
}

impl Check {
    /// Whether silence would change it.
    pub(super) fn is_news_if_silent(&self, now: Timestamp) -> bool {
        let by = self.judged_by.as_ref();
        by.is_none_or(|by| by.spec.is_judged(now))
            && (!self.state.severity.is_unknown() || self.incident.is_none())
    }

    /// After a step of the clock: what bears a time that has not come yet must not keep what comes next from being judged.
    pub(super) fn resettle(&mut self, now: Timestamp) {
        let before = now - Duration::from_secs(1);
        self.heard = self.heard.map(|heard| heard.min(now));
        self.last = self.last.map(|last| if last > now { before } else { last });
        self.previous = self.previous.filter(|previous| previous.at <= now);
    }
}
