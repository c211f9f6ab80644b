//! To which incident a confirmed problem belongs: to that of what explains it, to one that began with it, or to its own.
//!
//! ```text
//! confirmed ─► place ─► a master is bad and has an incident ──────────► it is explained there
//!                ▲  ├─► a master is suspect, or not heard of since ───► waits, a bounded time
//!                │  ├─► others began to fail with it ────────────────► a further cause of theirs
//!     news of a master, └─► none of these ──────────────────────────► an incident of its own
//!     or time is up
//! ```
//!
//! A master is what a check needs: its host, what a dependency names, a host's parents (of several, all must be bad). What a
//! master has not been heard of since is looked for behind it, so that a dead router explains what lies two hops further.
//! A suspicion only holds back; what is confirmed explains.

use std::collections::BTreeSet;
use std::time::Duration;

use ravenry_plugins::name::HostName;
use ravenry_plugins::timestamp::Timestamp;

use super::{Check, Engine, RecordKey};
use crate::check::{CheckName, Spell};
use crate::incident::Incident;
use crate::topology::{QUORUM_CHECK, Quorum};

/// Hops from a check to its cause, at most: dependencies may go in circles.
const HOPS_MAX: u32 = 16;

/// So many checks that begin to fail within [`BURST_SPAN`] of each other, and have the same people, are one incident.
const BURST_MIN: usize = 5;

/// How close the beginnings of a burst lie together.
const BURST_SPAN: Duration = Duration::from_secs(120);

/// A burst is over this long after its first problem began.
const BURST_MAX: Duration = Duration::from_secs(600);

/// How long the beginning of a problem is remembered to find bursts.
const RECENT: Duration = Duration::from_secs(600);

/// Leftovers of an incident that are told one by one before further ones join them.
const LEFTOVERS_MIN: usize = 3;

/// Why a check fails, as far as what it needs can tell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Explanation {
    /// This incident explains it.
    By(u64),
    /// Not known yet: news of these is awaited, for so many intervals at most.
    Open(Vec<CheckName>, u32),
    /// Nothing that it needs is wrong.
    None,
}

/// What is asked of a master.
#[derive(Clone, Copy)]
struct Failure {
    /// When it began.
    onset: Timestamp,
    /// When it was confirmed.
    since: Timestamp,
    /// Whether an incident whose cause is over still counts.
    settling: bool,
}

impl Failure {
    /// Whether it may come of something that was bad then.
    fn comes_of(self, spell: Spell, engine: &Engine) -> bool {
        self.onset < spell.to && !engine.is_late(self.onset, spell)
    }
}

impl Engine {
    /// The quorum whose own check this is.
    pub(super) fn quorum_of(&self, name: &CheckName) -> Option<&Quorum> {
        match name {
            CheckName::Verdict(verdict) if verdict.check.as_str() == QUORUM_CHECK => self
                .rules
                .quorums
                .iter()
                .find(|quorum| quorum.name == verdict.host),
            CheckName::Host(_) | CheckName::Field(_) | CheckName::Verdict(_) => None,
        }
    }

    /// What a check needs, and for a host through what it is reached.
    pub(super) fn masters(&self, name: &CheckName) -> Vec<CheckName> {
        let mut masters = self.needs_of(name);
        masters.extend(self.parents_of(name));
        masters
    }

    /// What a check cannot be well without: each of these.
    fn needs_of(&self, name: &CheckName) -> Vec<CheckName> {
        let mut needs = self.rules.needs_of(name);
        match name {
            CheckName::Host(_) => {}
            CheckName::Field(_) | CheckName::Verdict(_) => {
                needs.push(CheckName::Host(name.host().clone()));
                needs.extend(self.witness_of(name));
            }
        }
        needs
    }

    /// The hosts through which a host is reached: one of these is enough.
    fn parents_of(&self, name: &CheckName) -> Vec<CheckName> {
        match name {
            CheckName::Host(host) => {
                let parents = self.hosts.get(host).map(|host| host.spec.parents.iter());
                let parents = parents.into_iter().flatten().cloned();
                parents.map(CheckName::Host).collect()
            }
            CheckName::Field(_) | CheckName::Verdict(_) => Vec::new(),
        }
    }

    /// Whether what the check needs explains its failure.
    pub(super) fn explanation(&self, name: &CheckName, settling: bool) -> Explanation {
        let Some((check, since)) = self
            .check(name)
            .and_then(|check| Some((check, check.state.since?)))
        else {
            return Explanation::None;
        };
        if let Some(quorum) = self.quorum_of(name) {
            return self.quorum_explanation(quorum);
        }
        let failure = Failure {
            onset: check.state.onset.unwrap_or(since),
            since,
            // What an incident has let go of is explained by nothing that is well.
            settling: settling && check.left.is_none(),
        };
        self.explain(name, failure, 0)
    }

    fn explain(&self, name: &CheckName, failure: Failure, hops: u32) -> Explanation {
        if hops >= HOPS_MAX {
            return Explanation::None;
        }
        let ask = |masters: Vec<CheckName>| -> Vec<Explanation> {
            let answers = masters.iter();
            answers
                .filter_map(|master| self.ask_master(master, failure, hops))
                .collect()
        };
        let needs = any_of(ask(self.needs_of(name)));
        if matches!(needs, Explanation::By(_)) {
            return needs;
        }
        any_of(vec![needs, all_of(ask(self.parents_of(name)))])
    }

    /// Nothing when the master was never heard of and has no master itself.
    fn ask_master(&self, master: &CheckName, failure: Failure, hops: u32) -> Option<Explanation> {
        let check = self.check(master);
        let Some(check) = check.filter(|check| check.state.since.is_some()) else {
            self.hosts.get(master.host())?;
            return match self.explain(master, failure, hops + 1) {
                Explanation::None => None,
                known @ (Explanation::By(_) | Explanation::Open(..)) => Some(known),
            };
        };
        let patience = check.patience_of(self.hosts.get(master.host()), master);
        let suspect = || Explanation::Open(vec![master.clone()], patience + 1);
        if !check.state.severity.is_ok() {
            return Some(check.incident.map_or_else(suspect, Explanation::By));
        }
        if !check.state.is_steady() {
            return Some(suspect());
        }
        let spell = check.state.last_spell();
        if let Some(spell) =
            spell.filter(|spell| failure.settling && failure.comes_of(*spell, self))
        {
            match self.remembered(check) {
                Some(incident) => return Some(Explanation::By(incident.id)),
                // It was bad too shortly to count; what came of it may last a little longer.
                None if spell.from < spell.to => {
                    return Some(Explanation::Open(vec![master.clone()], 2));
                }
                None => {}
            }
        }
        if self.heard_at(master, check) >= Some(failure.since) {
            return Some(Explanation::None);
        }
        match self.explain(master, failure, hops + 1) {
            Explanation::None => Some(Explanation::Open(vec![master.clone()], 1)),
            known @ (Explanation::By(_) | Explanation::Open(..)) => Some(known),
        }
    }

    /// When the last result of a master was taken.
    fn heard_at(&self, master: &CheckName, check: &Check) -> Option<Timestamp> {
        match master {
            CheckName::Host(host) => {
                let contact = self.hosts.get(host).and_then(|host| host.last_contact);
                contact.max(check.last)
            }
            CheckName::Field(_) | CheckName::Verdict(_) => check.last,
        }
    }

    /// The open incident that a check was in before it was ok.
    fn remembered(&self, check: &Check) -> Option<&Incident> {
        let id = check.incident.or(check.was_in)?;
        self.incidents.get(&id)
    }

    /// A problem that began when what it needs was about to come back, and not with its failure either, is news.
    pub(super) fn is_late(&self, onset: Timestamp, spell: Spell) -> bool {
        let interval = self.rules.step;
        onset + 2 * interval >= spell.to && onset > spell.from + 3 * interval
    }

    fn quorum_explanation(&self, quorum: &Quorum) -> Explanation {
        let Some(members) = self.quorums.get(&quorum.name) else {
            return Explanation::None;
        };
        let limit = quorum.critical.of(members.all.len());
        let mut counts: std::collections::BTreeMap<u64, usize> = std::collections::BTreeMap::new();
        let mut open = Vec::new();
        for name in &members.bad {
            match self.check(name).map(|check| check.incident) {
                Some(Some(id)) if self.is_foreign(id, name) => *counts.entry(id).or_default() += 1,
                Some(None) => open.push(name.clone()),
                Some(Some(_)) | None => {}
            }
        }
        let bad = members.bad.len();
        let widest = counts.into_iter().max_by_key(|(_, count)| *count);
        match widest {
            Some((id, count)) if bad - count < limit => Explanation::By(id),
            _ if bad - open.len() < limit => Explanation::Open(open, 4),
            _ => Explanation::None,
        }
    }

    /// Whether a member fails for a cause elsewhere than on its own host.
    fn is_foreign(&self, incident: u64, member: &CheckName) -> bool {
        self.incidents.get(&incident).is_some_and(|incident| {
            let mut causes = incident.causes();
            incident.explains.contains(member) && causes.all(|cause| cause.host() != member.host())
        })
    }

    /// There is news of a check: what waited for it is placed again.
    pub(super) fn wake(&mut self, name: &CheckName) {
        if self.waiting_on.is_empty() {
            return;
        }
        if let Some(waiting) = self.waiting_on.remove(name) {
            let waiting = waiting.into_iter().map(|name| (name, false));
            self.to_place.extend(waiting);
        }
    }

    /// Places every problem that has no incident yet and can be placed now.
    pub(super) fn place_all(&mut self, now: Timestamp) {
        while let Some((name, late)) = self.to_place.pop_first() {
            self.place(&name, late, now);
        }
    }

    fn place(&mut self, name: &CheckName, late: bool, now: Timestamp) {
        let Some(check) = self.check(name) else {
            self.stop_waiting(name);
            return;
        };
        // What has other results since it was confirmed is placed when these count.
        let is_settled = check.state.is_settled(check.patience());
        if check.state.severity.is_ok() || check.incident.is_some() || !is_settled {
            self.stop_waiting(name);
            return;
        }
        let first = check.waits_since.unwrap_or(now);
        let explanation = match self.lost_with(name) {
            Some(id) => Explanation::By(id),
            None => self.explanation(name, true),
        };
        match explanation {
            Explanation::By(id) => {
                self.stop_waiting(name);
                self.join(id, name, now);
            }
            Explanation::Open(on, intervals)
                if now < self.awaited_until(name, first, intervals) =>
            {
                let until = self.awaited_until(name, first, intervals);
                self.wait(name, first, until, on);
            }
            Explanation::None if now < self.back_with_host_by(name) => {
                let until = self.back_with_host_by(name);
                self.wait(name, first, until, vec![name.clone()]);
            }
            Explanation::Open(..) | Explanation::None => {
                self.stop_waiting(name);
                match self.began_with(name) {
                    Some(id) => self.fold(id, name, now),
                    None => self.open(name, late, now),
                }
            }
        }
    }

    /// How long news of what it needs is awaited. Where nothing there is suspect, a failure would be seen within an interval
    /// of the first one here, give or take half a minute on both sides.
    fn awaited_until(&self, name: &CheckName, first: Timestamp, intervals: u32) -> Timestamp {
        let hold = self.rules.memory.hold;
        if intervals > 1 {
            return first + hold * intervals;
        }
        let interval = self.step_of(name);
        let seen = self.onset(name, first) + interval * 5 / 2;
        seen.max(first).min(first + hold)
    }

    fn step_of(&self, name: &CheckName) -> Duration {
        let known = match name {
            CheckName::Host(_) => None,
            CheckName::Verdict(_) => self.interval_of(name),
            CheckName::Field(series) => {
                let host = self.hosts.get(&series.host);
                let graph = host.and_then(|host| host.graphs.get(&series.graph));
                graph.map(|graph| graph.step)
            }
        };
        known.unwrap_or(self.rules.step)
    }

    /// What was lost with its host has the time to settle when that is back, before it is missed.
    fn back_with_host_by(&self, name: &CheckName) -> Timestamp {
        let back = match name {
            CheckName::Host(_) => None,
            CheckName::Field(_) | CheckName::Verdict(_) => self.check(name).and_then(|check| {
                let lost = check.state.since.filter(|lost| check.last < Some(*lost))?;
                let host = self.hosts.get(name.host())?.liveness.state;
                let since = host
                    .since
                    .filter(|since| host.severity.is_ok() && *since > lost)?;
                check.state.severity.is_unknown().then_some(since)
            }),
        };
        back.map_or(Timestamp::EPOCH, |back| back + self.rules.memory.settle)
    }

    fn wait(&mut self, name: &CheckName, since: Timestamp, until: Timestamp, on: Vec<CheckName>) {
        if let Some(waiting) = self.waiting.remove(name) {
            self.waits.remove(&(waiting.until, name.clone()));
        }
        self.waits.insert((until, name.clone()));
        let first_on = on.first().cloned();
        for master in on {
            let waiting = self.waiting_on.entry(master).or_default();
            waiting.insert(name.clone());
        }
        let waiting = super::Waiting {
            until,
            on: first_on,
        };
        self.waiting.insert(name.clone(), waiting);
        self.note_wait(name, Some(since));
    }

    pub(super) fn note_wait(&mut self, name: &CheckName, since: Option<Timestamp>) {
        if let Some(check) = self.check_mut(name)
            && check.waits_since != since
        {
            check.waits_since = since;
            self.changed.insert(RecordKey::Check(name.clone()));
        }
    }

    /// It may stay listed under what it waited for: being placed again changes nothing then.
    fn stop_waiting(&mut self, name: &CheckName) {
        if let Some(waiting) = self.waiting.remove(name) {
            self.waits.remove(&(waiting.until, name.clone()));
        }
        self.note_wait(name, None);
    }

    /// An incident of readings that were lost together: the plugin behind the graph is the cause.
    fn lost_with(&self, name: &CheckName) -> Option<u64> {
        let CheckName::Field(series) = name else {
            return None;
        };
        self.check(name)
            .filter(|check| check.state.severity.is_unknown())?;
        let host = self.hosts.get(&series.host)?;
        if host.liveness.incident.is_some() && !host.liveness.state.severity.is_ok() {
            return None;
        }
        let siblings = host.graphs.get(&series.graph)?.fields.values();
        siblings.filter_map(|check| check.incident).find(|id| {
            let of = self.incidents.get(id);
            of.is_some_and(|incident| {
                incident.severity.is_unknown() && super::tell::same_graph(&incident.cause, name)
            })
        })
    }

    fn join(&mut self, id: u64, name: &CheckName, now: Timestamp) {
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.explains.insert(name.clone());
        }
        self.changed.insert(RecordKey::Incident(id));
        self.attach(name, Some(id));
        self.deadlines.insert((self.mark(now), id));
    }

    /// The open incident of problems that began with this one.
    fn began_with(&self, name: &CheckName) -> Option<u64> {
        let check = self.check(name)?;
        let onset = check.state.onset.or(check.state.since)?;
        if let Some(left) = check.left {
            return self.left_with(left, name);
        }
        let fold = self.rules.memory.fold;
        let span = match name {
            CheckName::Host(_) => fold.min(BURST_SPAN),
            CheckName::Field(_) | CheckName::Verdict(_) => fold,
        };
        if fold.is_zero() || self.quorum_of(name).is_some() {
            return None;
        }
        let open = |id: &u64| self.incidents.get(id).filter(|it| !it.severity.is_ok());
        let same = self.kinds.get(&self.kind_of(name)).and_then(open);
        if let Some(same) = same
            && apart(onset, same.grew) <= span
        {
            return Some(same.id);
        }
        let burst = self.bursts.get(&self.people_of(name)).and_then(open)?;
        let fits = onset + BURST_SPAN >= burst.began
            && onset <= burst.grew + BURST_SPAN
            && onset <= burst.began + BURST_MAX;
        fits.then_some(burst.id)
    }

    /// What an incident explained and what has not come back by itself is told together, while nobody has been told.
    fn left_with(&self, left: u64, name: &CheckName) -> Option<u64> {
        let id = self.leftovers.get(&(left, self.people_of(name)))?;
        let incident = self.incidents.get(id)?;
        let joins = incident.told.is_empty() || incident.folded.len() + 1 >= LEFTOVERS_MIN;
        (joins && !incident.severity.is_ok()).then_some(*id)
    }

    fn fold(&mut self, id: u64, name: &CheckName, now: Timestamp) {
        let onset = self.onset(name, now);
        let severity = self.check(name).map(|check| check.state.severity);
        let severity = severity.unwrap_or_default();
        let Some(incident) = self.incidents.get_mut(&id) else {
            return;
        };
        incident.folded.insert(name.clone());
        incident.grew = incident.grew.max(onset);
        let is_told = !incident.told.is_empty() && severity <= incident.severity;
        self.attach(name, Some(id));
        self.weigh(id, severity, now);
        if is_told {
            self.deadlines.insert((self.mark(now), id));
        } else {
            self.to_review.insert(id);
        }
    }

    pub(super) fn onset(&self, name: &CheckName, now: Timestamp) -> Timestamp {
        let state = self.check(name).map(|check| check.state);
        state
            .and_then(|state| state.onset.or(state.since))
            .unwrap_or(now)
    }

    /// Lets later problems find the incident that they belong to.
    pub(super) fn index(&mut self, incident: &Incident) {
        let (kind, people) = (
            self.kind_of(&incident.cause),
            self.people_of(&incident.cause),
        );
        if let Some(left) = incident.left_by {
            self.leftovers.insert((left, people), incident.id);
            return;
        }
        if incident.burst {
            self.bursts.insert(people, incident.id);
        }
        self.kinds.insert(kind, incident.id);
    }

    /// Whether many others with the same people began to fail with this one, and nothing that they need explains it.
    pub(super) fn is_burst(&self, name: &CheckName, onset: Timestamp) -> bool {
        if self.rules.memory.fold.is_zero() || self.quorum_of(name).is_some() {
            return false;
        }
        let people = self.people_of(name);
        let from = (onset - BURST_SPAN, CheckName::Host(name.host().clone()));
        let near = self
            .recent
            .iter()
            .filter(|(at, _)| *at >= from.0 && *at <= onset + BURST_SPAN);
        let failing = near.filter(|(_, other)| {
            let bad = self.check(other).is_some_and(|it| it.state.onset.is_some());
            bad && self.people_of(other) == people && !self.has_bad_master(other)
        });
        failing.take(BURST_MIN).count() >= BURST_MIN
    }

    fn has_bad_master(&self, name: &CheckName) -> bool {
        let bad = |master: &CheckName| {
            let check = self.check(master);
            check.is_some_and(|check| check.state.onset.is_some())
        };
        self.masters(name).iter().any(bad)
    }

    /// A check began to fail.
    pub(super) fn note_onset(&mut self, name: &CheckName, onset: Timestamp, now: Timestamp) {
        while let Some(first) = self.recent.first()
            && first.0 + RECENT < now
        {
            self.recent.pop_first();
        }
        self.recent.insert((onset, name.clone()));
    }

    fn kind_of(&self, name: &CheckName) -> String {
        let what = match name {
            CheckName::Host(_) => String::from("host"),
            CheckName::Field(series) => format!("{}/{}", series.graph, series.field),
            CheckName::Verdict(verdict) => verdict.check.to_string(),
        };
        let unknown = self
            .check(name)
            .is_some_and(|check| check.state.severity.is_unknown());
        format!("{what} {unknown} {}", self.people_of(name))
    }

    fn people_of(&self, name: &CheckName) -> String {
        self.route_of(name).people()
    }

    /// A check became ok, or not: the quorums that it belongs to are judged.
    pub(super) fn count_member(&mut self, name: &CheckName, now: Timestamp) {
        for quorum in self.count_quietly(name) {
            self.judge_quorum(&quorum, now);
        }
    }

    /// The quorums for which it makes a difference.
    pub(super) fn count_quietly(&mut self, name: &CheckName) -> Vec<HostName> {
        let of: Vec<HostName> = self.rules.memberships(name);
        let bad = self
            .check(name)
            .is_some_and(|check| !check.state.severity.is_ok());
        let known = self.check(name).is_some();
        let mut changed_of = Vec::new();
        for quorum in of {
            let members = self.quorums.entry(quorum.clone()).or_default();
            let changed = match (known, bad) {
                (true, true) => members.all.insert(name.clone()) | members.bad.insert(name.clone()),
                (true, false) => members.all.insert(name.clone()) | members.bad.remove(name),
                (false, _) => members.all.remove(name) | members.bad.remove(name),
            };
            if changed {
                changed_of.push(quorum);
            }
        }
        changed_of
    }

    pub(super) fn judge_quorum(&mut self, name: &HostName, now: Timestamp) {
        let rules = std::sync::Arc::clone(&self.rules);
        let Some(quorum) = rules.quorums.iter().find(|quorum| quorum.name == *name) else {
            return;
        };
        let Some((members, check)) = self.quorums.get(name).zip(quorum.check()) else {
            return;
        };
        let (all, bad) = (members.all.len(), members.bad.len());
        let limit = quorum.critical.of(all);
        let first: Vec<String> = members
            .bad
            .iter()
            .take(20)
            .map(ToString::to_string)
            .collect();
        let text = match bad {
            0 => format!("all {all} are ok"),
            _ => format!(
                "{bad} of {all} are not ok (critical from {limit}): {}",
                first.join(" ")
            ),
        };
        self.say_quorum(&check, bad >= limit, text, now);
    }
}

fn apart(a: Timestamp, b: Timestamp) -> Duration {
    a.since(b).max(b.since(a))
}

/// Any explanation is one, and goes before a doubt.
fn any_of(answers: Vec<Explanation>) -> Explanation {
    let mut open: BTreeSet<CheckName> = BTreeSet::new();
    let mut longest = 0;
    for answer in answers {
        match answer {
            Explanation::By(id) => return Explanation::By(id),
            Explanation::Open(on, intervals) => {
                open.extend(on);
                longest = longest.max(intervals);
            }
            Explanation::None => {}
        }
    }
    if open.is_empty() {
        return Explanation::None;
    }
    Explanation::Open(open.into_iter().collect(), longest)
}

/// All must explain it; a doubt about one is a doubt.
fn all_of(answers: Vec<Explanation>) -> Explanation {
    if answers.contains(&Explanation::None) {
        return Explanation::None;
    }
    let is_open = |answer: &Explanation| matches!(answer, Explanation::Open(..));
    let open: Vec<Explanation> = answers.iter().filter(|it| is_open(it)).cloned().collect();
    any_of(if open.is_empty() { answers } else { open })
}
