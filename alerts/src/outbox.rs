//! The outbox: the plan by which decided notices reach people. Pure: notices, outcomes and `now` in; deliveries, rows and
//! ledger entries out. The collector stores these before a delivery is carried out and after it.
//!
//! ```text
//! handle_tell ─► waiting ─► due: ledger "sending" ─► on its way ─► handle_sent: ledger "sent", row gone
//!                   ▲                                   │
//!                   └── next channel, or back-off ◄─────┴─ handle_failed: ledger "failed"
//! ```
//!
//! A contact has one notice on its way at a time, notices of an incident in their order. A channel that fails is left
//! alone for a growing time, or for as long as it asked for, and the contact's next channel is tried at once. What a
//! channel refuses for good is tried there again all the same, but seldom: a mistake in a setting is mended within the days
//! that a notice waits. A problem that is over before it was delivered is one notice that says so; one that became worse
//! gives way to the worse one.
//!
//! Delivery is at least once: a notice whose delivery is in doubt (the process died, or no answer came) is sent again under
//! the same key, by which the receiver can know it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::notice::{Kind, Notice, NoticeKey, clock_time};
use crate::rule::ContactName;

/// Deliveries on their way at once, at most.
pub const ON_THEIR_WAY_MAX: usize = 16;

/// A notice that could not be delivered for this long is given up: 3 days.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(3 * 86_400);

/// Notices that wait for one contact, at most; beyond it those that are over are given up first, then the oldest.
pub const WAITING_MAX: usize = 500;

/// How long a channel that fails is left alone, at first and at most.
const BACK_OFF_MIN: Duration = Duration::from_secs(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(300);

/// The same of a channel that refused a notice, which then waits for it three times as long each time.
const REFUSED_MIN: Duration = Duration::from_secs(300);
const REFUSED_MAX: Duration = Duration::from_secs(6 * 3600);

/// A channel that asks for more time than this is asked again after it all the same.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// What waits to be delivered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outbox {
    contacts: BTreeMap<ContactName, Vec<Address>>,
    queues: BTreeMap<ContactName, Queue>,
    health: BTreeMap<Address, Health>,
    on_their_way: usize,
    /// Counts what came in, so that what came first goes first.
    arrivals: u64,
    effects: Vec<OutboxEffect>,
}

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// What is to be delivered.
    pub notice: Notice,
    /// When the problem ended, where it did before it was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Timestamp>,
    /// Whether it may have arrived.
    #[serde(default)]
    pub in_doubt: bool,
}

/// One notice to be sent now over one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// What.
    pub notice: Notice,
    /// When the problem ended, if it did meanwhile.
    pub over: Option<Timestamp>,
    /// Over which channel.
    pub address: Address,
    /// The graph of the cause, where the channel shows one and whoever carries this out could draw it.
    pub picture: Option<Picture>,
}

/// A picture that goes with a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The name of the file: `web1-df-day.png`.
    pub name: String,
    /// The file.
    pub png: Vec<u8>,
}

/// What is to be made durable, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum OutboxEffect {
    /// This row is new or changed.
    Store(Box<Pending>),
    /// This row is gone.
    Remove(NoticeKey),
    /// This happened.
    Ledger(LedgerEntry),
}

/// A line of the ledger: what happened to a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// When.
    pub at: Timestamp,
    /// To which notice.
    pub key: NoticeKey,
    /// What the notice said.
    pub kind: Kind,
    /// What happened.
    pub event: LedgerEvent,
}

/// What can happen to a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LedgerEvent {
    /// It is about to be sent.
    Sending {
        /// Over which channel.
        over: String,
    },
    /// The channel took it.
    Sent {
        /// Over which channel.
        over: String,
    },
    /// The channel did not take it, or it is not known whether it did.
    Failed {
        /// Over which channel.
        over: String,
        /// Why.
        why: String,
    },
    /// The notice before it was still waiting and says this, too.
    Merged,
    /// A worse one took its place before it was delivered.
    Superseded,
    /// It will not be delivered.
    GivenUp {
        /// Why.
        why: String,
    },
}

/// How a delivery failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The channel may take it later: it could not be reached, or said so.
    Later {
        /// What it said.
        why: String,
        /// How long it wants to be left alone.
        after: Option<Duration>,
    },
    /// The channel will not take this notice.
    Refused(String),
    /// No answer came: it may have arrived.
    Doubtful(String),
}

impl Failure {
    /// The channel may take it later; it did not say when.
    pub fn later(why: impl Into<String>) -> Self {
        Self::Later {
            why: why.into(),
            after: None,
        }
    }

    /// What the channel said.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Later { why, .. } | Self::Refused(why) | Self::Doubtful(why) => why,
        }
    }
}

/// A notice that has waited for longer than it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    /// For whom.
    pub contact: ContactName,
    /// Since when.
    pub since: Timestamp,
    /// What the last channel said, where one was tried.
    pub why: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Queue {
    waiting: BTreeMap<u64, Waiting>,
    order: BTreeMap<(u64, u64), u64>,
    on_its_way: Option<(NoticeKey, Address)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Waiting {
    pending: Pending,
    /// Channels that refused it.
    refused: BTreeMap<Address, Health>,
    /// What the channel said that was tried last.
    why: Option<String>,
}

/// How often a channel failed, and the time for which it is left alone.
#[derive(Clone, Debug, Default, PartialEq)]
struct Health {
    failures: u32,
    from: Timestamp,
    until: Timestamp,
}

impl Health {
    fn pause(&mut self, wait: Duration, now: Timestamp) {
        (self.from, self.until) = (now, now + wait);
    }

    /// When the channel may be tried: at once if the pause begins in the future, which is a step of the clock back.
    fn ready_at(&self, now: Timestamp) -> Timestamp {
        if self.from > now {
            now
        } else {
            self.until.max(now)
        }
    }
}

impl Outbox {
    /// The outbox of these rows, given the channels of each contact.
    #[must_use]
    pub fn restore(contacts: BTreeMap<ContactName, Vec<Address>>, mut rows: Vec<Pending>) -> Self {
        let mut outbox = Self {
            contacts,
            ..Self::default()
        };
        rows.sort_by(|a, b| (a.notice.at, &a.notice.key).cmp(&(b.notice.at, &b.notice.key)));
        for row in rows {
            outbox.put(row);
        }
        outbox
    }

    /// Contacts have other channels now.
    pub fn handle_contacts(&mut self, contacts: BTreeMap<ContactName, Vec<Address>>) {
        self.contacts = contacts;
        self.health.clear();
    }

    /// Somebody is to be told.
    pub fn handle_tell(&mut self, notice: Notice, now: Timestamp) {
        let (key, kind) = (notice.key.clone(), notice.kind);
        let row = Pending {
            notice,
            over: None,
            in_doubt: false,
        };
        self.effects
            .push(OutboxEffect::Store(Box::new(row.clone())));
        self.put(row);
        match self.contacts.get(&key.contact).map(Vec::is_empty) {
            Some(false) => {
                self.settle(&key.contact, key.incident, now);
                self.bound(&key.contact, now);
            }
            Some(true) => self.give_up(
                &key,
                kind,
                now,
                format!("contact {} has no channel", key.contact),
            ),
            None => self.give_up(
                &key,
                kind,
                now,
                format!("contact {} is not configured", key.contact),
            ),
        }
    }

    /// What is to be sent now. Carry it out once [`Self::take_effects`] are durable, and report how it went.
    pub fn due(&mut self, now: Timestamp) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        let idle: Vec<ContactName> = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.on_its_way.is_none() && !queue.waiting.is_empty())
            .map(|(contact, _)| contact.clone())
            .collect();
        for contact in idle {
            if self.on_their_way >= ON_THEIR_WAY_MAX {
                break;
            }
            self.expire(&contact, now);
            deliveries.extend(self.next_for(&contact, now));
        }
        deliveries
    }

    /// A delivery arrived.
    pub fn handle_sent(&mut self, key: &NoticeKey, now: Timestamp) {
        let Some((kind, address)) = self.back(key) else {
            return;
        };
        self.health.remove(&address);
        let over = address.to_string();
        self.log(key, kind, now, LedgerEvent::Sent { over });
        self.remove(key);
    }

    /// A delivery failed: the contact's next channel is tried, or the same one later.
    pub fn handle_failed(&mut self, key: &NoticeKey, failure: &Failure, now: Timestamp) {
        let Some((kind, address)) = self.back(key) else {
            return;
        };
        let why = failure.why().to_owned();
        self.leave_alone(key, &address, failure, now);
        let over = address.to_string();
        let failed = LedgerEvent::Failed {
            over,
            why: why.clone(),
        };
        self.log(key, kind, now, failed);
        if let Some(waiting) = self.waiting_mut(key) {
            waiting.pending.in_doubt = matches!(failure, Failure::Doubtful(_));
            waiting.why = Some(why);
            let row = waiting.pending.clone();
            self.effects.push(OutboxEffect::Store(Box::new(row)));
        }
        self.settle(&key.contact, key.incident, now);
    }

    /// A channel that failed is not tried for a time: with this notice only when it refused that, else with none.
    fn leave_alone(
        &mut self,
        key: &NoticeKey,
        address: &Address,
        failure: &Failure,
        now: Timestamp,
    ) {
        match failure {
            Failure::Refused(_) => {
                if let Some(waiting) = self.waiting_mut(key) {
                    let refusal = waiting.refused.entry(address.clone()).or_default();
                    refusal.failures = refusal.failures.saturating_add(1);
                    let wait = grown(REFUSED_MIN, 3, refusal.failures, REFUSED_MAX);
                    refusal.pause(jittered(wait, address, refusal.failures), now);
                }
            }
            Failure::Later { after, .. } => {
                let health = self.failed_once_more(address);
                let wait = grown(BACK_OFF_MIN, 2, health.failures, BACK_OFF_MAX);
                let wait = jittered(wait, address, health.failures);
                let asked = after.unwrap_or_default().min(RETRY_AFTER_MAX);
                health.pause(wait.max(asked), now);
            }
            Failure::Doubtful(_) => {
                let health = self.failed_once_more(address);
                let wait = grown(BACK_OFF_MIN, 2, health.failures, BACK_OFF_MAX);
                health.pause(jittered(wait, address, health.failures), now);
            }
        }
    }

    fn failed_once_more(&mut self, address: &Address) -> &mut Health {
        let health = self.health.entry(address.clone()).or_default();
        health.failures = health.failures.saturating_add(1);
        health
    }

    /// The notice that waits longest, if it is one that was decided longer than `patience` ago.
    #[must_use]
    pub fn late(&self, patience: Duration, now: Timestamp) -> Option<Late> {
        let all = self.queues.iter().flat_map(|(contact, queue)| {
            let waiting = queue.waiting.values();
            waiting.map(move |waiting| (waiting.pending.notice.at, contact, waiting))
        });
        let (since, contact, waiting) = all.min_by_key(|(at, _, _)| *at)?;
        (now.since(since) > patience).then(|| Late {
            contact: contact.clone(),
            since,
            why: waiting.why.clone(),
        })
    }

    /// When [`Self::due`] may have something again; `None` while only outcomes are awaited.
    #[must_use]
    pub fn poll_timeout(&self, now: Timestamp) -> Option<Timestamp> {
        if self.on_their_way >= ON_THEIR_WAY_MAX {
            return None;
        }
        self.queues
            .iter()
            .filter(|(_, queue)| queue.on_its_way.is_none())
            .filter_map(|(contact, queue)| {
                let channels = self.contacts.get(contact)?;
                let when =
                    |waiting: &Waiting| self.choose(channels, waiting, now).map(|(at, _)| at);
                queue.heads().filter_map(|(_, waiting)| when(waiting)).min()
            })
            .min()
    }

    /// How many notices wait or are on their way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queues.values().map(|queue| queue.waiting.len()).sum()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is to be made durable since the last call.
    pub fn take_effects(&mut self) -> Vec<OutboxEffect> {
        std::mem::take(&mut self.effects)
    }

    fn put(&mut self, pending: Pending) {
        let key = pending.notice.key.clone();
        let queue = self.queues.entry(key.contact).or_default();
        self.arrivals += 1;
        queue
            .order
            .insert((key.incident, key.sequence), self.arrivals);
        let waiting = Waiting {
            pending,
            refused: BTreeMap::new(),
            why: None,
        };
        queue.waiting.insert(self.arrivals, waiting);
    }

    /// Gives up what is beyond the number that may wait.
    fn bound(&mut self, contact: &ContactName, now: Timestamp) {
        let Some(queue) = self.queues.get(contact) else {
            return;
        };
        let beyond = queue.waiting.len().saturating_sub(WAITING_MAX);
        if beyond == 0 {
            return;
        }
        let on_its_way = queue.on_its_way.as_ref().map(|(key, _)| key);
        let mut waiting: Vec<&Pending> = queue
            .waiting
            .values()
            .map(|waiting| &waiting.pending)
            .filter(|pending| Some(&pending.notice.key) != on_its_way)
            .collect();
        waiting.sort_by_key(|pending| pending.over.is_none());
        let lost: Vec<(NoticeKey, Kind)> = waiting
            .into_iter()
            .take(beyond)
            .map(|pending| (pending.notice.key.clone(), pending.notice.kind))
            .collect();
        for (key, kind) in lost {
            let why = format!("{WAITING_MAX} notices wait for {contact} already");
            self.give_up(&key, kind, now, why);
        }
    }

    fn remove(&mut self, key: &NoticeKey) {
        if let Some(queue) = self.queues.get_mut(&key.contact)
            && let Some(arrival) = queue.order.remove(&(key.incident, key.sequence))
        {
            queue.waiting.remove(&arrival);
            if queue.waiting.is_empty() {
                self.queues.remove(&key.contact);
            }
        }
        self.effects.push(OutboxEffect::Remove(key.clone()));
    }

    /// Takes a delivery back from its way.
    fn back(&mut self, key: &NoticeKey) -> Option<(Kind, Address)> {
        let queue = self.queues.get_mut(&key.contact)?;
        let (_, address) = queue.on_its_way.take_if(|(sent, _)| sent == key)?;
        self.on_their_way -= 1;
        let kind = self.waiting_mut(key)?.pending.notice.kind;
        Some((kind, address))
    }

    fn waiting_mut(&mut self, key: &NoticeKey) -> Option<&mut Waiting> {
        let queue = self.queues.get_mut(&key.contact)?;
        let arrival = queue.order.get(&(key.incident, key.sequence))?;
        queue.waiting.get_mut(arrival)
    }

    fn next_for(&mut self, contact: &ContactName, now: Timestamp) -> Option<Delivery> {
        let channels = self.contacts.get(contact)?;
        let queue = self.queues.get(contact)?;
        let (arrival, address) = queue.heads().find_map(|(arrival, waiting)| {
            let (at, address) = self.choose(channels, waiting, now)?;
            (at <= now).then(|| (arrival, address.clone()))
        })?;
        let queue = self.queues.get_mut(contact)?;
        let waiting = queue.waiting.get_mut(&arrival)?;
        waiting.pending.in_doubt = true;
        let row = waiting.pending.clone();
        queue.on_its_way = Some((row.notice.key.clone(), address.clone()));
        self.on_their_way += 1;
        self.effects
            .push(OutboxEffect::Store(Box::new(row.clone())));
        let over = address.to_string();
        self.log(
            &row.notice.key,
            row.notice.kind,
            now,
            LedgerEvent::Sending { over },
        );
        Some(Delivery {
            notice: row.notice,
            over: row.over,
            address,
            picture: None,
        })
    }

    /// The first channel that can be tried now, or the one that can be tried soonest, and when.
    fn choose<'a>(
        &self,
        channels: &'a [Address],
        waiting: &Waiting,
        now: Timestamp,
    ) -> Option<(Timestamp, &'a Address)> {
        let when = |address: &Address| {
            let pauses = [self.health.get(address), waiting.refused.get(address)];
            let ready = pauses.into_iter().flatten().map(|it| it.ready_at(now));
            ready.max().unwrap_or(now)
        };
        let notice = &waiting.pending.notice;
        let mut fit = channels.iter().filter(|address| fits(address, notice));
        let ready = fit.clone().find(|address| when(address) <= now);
        let ready = ready.map(|address| (now, address));
        ready.or_else(|| {
            fit.by_ref()
                .map(|address| (when(address), address))
                .min_by_key(|(at, _)| *at)
        })
    }

    /// Among the waiting notices of one incident to one contact: a worse problem replaces one that did not arrive, and an
    /// end is said by the problem that did not arrive.
    fn settle(&mut self, contact: &ContactName, incident: u64, now: Timestamp) {
        let Some(queue) = self.queues.get(contact) else {
            return;
        };
        let of_incident: Vec<&Waiting> = queue
            .order
            .range((incident, 0)..=(incident, u64::MAX))
            .filter_map(|(_, arrival)| queue.waiting.get(arrival))
            .collect();
        let movable = |waiting: &Waiting| {
            waiting.pending.notice.kind.is_problem() && !waiting.pending.in_doubt
        };
        let mut merged = Vec::new();
        // A digest speaks of other incidents, too; who acknowledged it is no end.
        let alone = |waiting: &Waiting| {
            !matches!(
                waiting.pending.notice.kind,
                Kind::Digest | Kind::Acknowledged
            )
        };
        let pairs = of_incident.windows(2);
        for pair in pairs.filter(|pair| movable(pair[0]) && alone(pair[1])) {
            let (first, then) = (&pair[0].pending.notice, &pair[1].pending.notice);
            merged.push((first.clone(), then.clone()));
        }
        for (first, then) in merged {
            if then.kind.is_problem() {
                self.log(&first.key, first.kind, now, LedgerEvent::Superseded);
                self.remove(&first.key);
            } else if let Some(waiting) = self.waiting_mut(&first.key) {
                waiting.pending.over = Some(then.at);
                let row = waiting.pending.clone();
                self.effects.push(OutboxEffect::Store(Box::new(row)));
                self.log(&then.key, then.kind, now, LedgerEvent::Merged);
                self.remove(&then.key);
            }
        }
    }

    /// Gives up what has waited for too long, and what has nowhere to go.
    fn expire(&mut self, contact: &ContactName, now: Timestamp) {
        let channels = self.contacts.get(contact).map_or(&[][..], Vec::as_slice);
        let has_channel = !channels.is_empty();
        let fits_none = |waiting: &Waiting| {
            let notice = &waiting.pending.notice;
            !channels.iter().any(|address| fits(address, notice))
        };
        let Some(queue) = self.queues.get(contact) else {
            return;
        };
        let too_old = |waiting: &&Waiting| now.since(waiting.pending.notice.at) > GIVE_UP_AFTER;
        let lost: Vec<(NoticeKey, Kind)> = queue
            .waiting
            .values()
            .filter(|waiting| fits_none(waiting) || too_old(waiting))
            .map(|waiting| {
                (
                    waiting.pending.notice.key.clone(),
                    waiting.pending.notice.kind,
                )
            })
            .collect();
        let why = match has_channel {
            true => "no channel took it for 3 days".to_owned(),
            false => format!("contact {contact} is not configured, or has no channel"),
        };
        for (key, kind) in lost {
            self.give_up(&key, kind, now, why.clone());
        }
    }

    fn give_up(&mut self, key: &NoticeKey, kind: Kind, now: Timestamp, why: String) {
        self.log(key, kind, now, LedgerEvent::GivenUp { why });
        self.remove(key);
    }

    fn log(&mut self, key: &NoticeKey, kind: Kind, at: Timestamp, event: LedgerEvent) {
        let key = key.clone();
        let entry = LedgerEntry {
            at,
            key,
            kind,
            event,
        };
        self.effects.push(OutboxEffect::Ledger(entry));
    }
}

impl Queue {
    /// The first waiting notice of each incident, in the order in which they came.
    fn heads(&self) -> impl Iterator<Item = (u64, &Waiting)> {
        let mut seen = BTreeSet::new();
        self.waiting
            .iter()
            .filter(move |(_, waiting)| seen.insert(waiting.pending.notice.key.incident))
            .map(|(arrival, waiting)| (*arrival, waiting))
    }
}

/// Whether a channel takes notices of this kind.
fn fits(address: &Address, notice: &Notice) -> bool {
    notice.kind != Kind::Acknowledged || address.takes_acknowledgements()
}

/// `first`, then `times` as long after each failure, at most `longest`.
fn grown(first: Duration, times: u32, failures: u32, longest: Duration) -> Duration {
    let steps = failures.saturating_sub(1).min(10);
    first
        .saturating_mul(times.saturating_pow(steps))
        .min(longest)
}

/// A little less than `wait`, differently for each channel and try, so that those who failed together are not tried
/// together. The same for the same question: nothing here is random.
fn jittered(wait: Duration, address: &Address, failures: u32) -> Duration {
    let mut hasher = DefaultHasher::new();
    (address, failures).hash(&mut hasher);
    let percent = 80 + u32::try_from(hasher.finish() % 21).unwrap_or_default();
    wait * percent / 100
}

impl fmt::Display for LedgerEntry {
    /// One sentence: `ops: problem sent by mail to ops@example.net at 2026-01-01 00:00:00 UTC`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (contact, kind) = (&self.key.contact, self.kind.as_str());
        write!(f, "{contact}: {kind} ")?;
        match &self.event {
            LedgerEvent::Sending { over } => write!(f, "is being sent by {over}")?,
            LedgerEvent::Sent { over } => write!(f, "sent by {over}")?,
            LedgerEvent::Failed { over, why } => write!(f, "not delivered by {over}: {why};")?,
            LedgerEvent::Merged => {
                f.write_str("said by the problem's notice, which was still waiting,")?;
            }
            LedgerEvent::Superseded => {
                f.write_str("replaced by a worse one before it was delivered,")?;
            }
            LedgerEvent::GivenUp { why } => write!(f, "given up: {why};")?,
        }
        write!(f, " at {}", clock_time(self.at))
    }
}

#[cfg(test)]
mod tests;
