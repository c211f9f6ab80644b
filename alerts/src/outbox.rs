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
//! alone for a growing time, and the contact's next channel is tried at once. A problem that is over before it was
//! delivered is one notice that says so; one that became worse gives way to the worse one. A notice whose delivery is in
//! doubt (the process died, or no answer came) is sent again under the same key, by which the receiver can know it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::notice::{Kind, Notice, NoticeKey, clock_time};
use crate::rule::{Address, ContactName};

/// Deliveries on their way at once, at most.
pub const ON_THEIR_WAY_MAX: usize = 16;

/// A notice that could not be delivered for this long is given up: 3 days.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(3 * 86_400);

const BACK_OFF_MIN: Duration = Duration::from_secs(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(300);

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
}

/// What is to be made durable, in order.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "most are rows, and each lives for a moment"
)]
pub enum OutboxEffect {
    /// This row is new or changed.
    Store(Pending),
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
    Later(String),
    /// The channel will not take this notice.
    Refused(String),
    /// No answer came: it may have arrived.
    Doubtful(String),
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
    /// Channels that refused it, and when they are asked again all the same.
    refused: BTreeMap<Address, Timestamp>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Health {
    failures: u32,
    retry_at: Timestamp,
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
        self.effects.push(OutboxEffect::Store(row.clone()));
        self.put(row);
        match self.contacts.get(&key.contact).map(Vec::is_empty) {
            Some(false) => self.settle(&key.contact.clone(), key.incident, now),
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
    pub fn handle_failed(&mut self, key: &NoticeKey, failure: Failure, now: Timestamp) {
        let Some((kind, address)) = self.back(key) else {
            return;
        };
        let in_doubt = matches!(failure, Failure::Doubtful(_));
        let waiting = self.waiting_mut(key);
        if let (Some(waiting), Failure::Refused(_)) = (waiting, &failure) {
            waiting.refused.insert(address.clone(), now + BACK_OFF_MAX);
        } else {
            let health = self.health.entry(address.clone()).or_default();
            health.failures = health.failures.saturating_add(1);
            health.retry_at = now + back_off(health.failures);
        }
        let (Failure::Later(why) | Failure::Refused(why) | Failure::Doubtful(why)) = failure;
        let over = address.to_string();
        self.log(key, kind, now, LedgerEvent::Failed { over, why });
        if let Some(waiting) = self.waiting_mut(key) {
            waiting.pending.in_doubt = in_doubt;
            let row = waiting.pending.clone();
            self.effects.push(OutboxEffect::Store(row));
        }
        self.settle(&key.contact, key.incident, now);
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
        let refused = BTreeMap::new();
        queue
            .waiting
            .insert(self.arrivals, Waiting { pending, refused });
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
        self.effects.push(OutboxEffect::Store(row.clone()));
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
            let health = self.health.get(address).map(|health| health.retry_at);
            let at = health.max(waiting.refused.get(address).copied());
            // A time further away than any back-off stems from before a step of the clock.
            at.filter(|at| *at <= now + BACK_OFF_MAX)
                .unwrap_or(Timestamp::EPOCH)
                .max(Timestamp::EPOCH)
        };
        let ready = channels.iter().find(|address| when(address) <= now);
        let ready = ready.map(|address| (now, address));
        ready.or_else(|| {
            channels
                .iter()
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
        // A digest speaks of other incidents, too.
        let alone = |waiting: &Waiting| waiting.pending.notice.kind != Kind::Digest;
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
                self.effects.push(OutboxEffect::Store(row));
                self.log(&then.key, then.kind, now, LedgerEvent::Merged);
                self.remove(&then.key);
            }
        }
    }

    /// Gives up what has waited for too long, and what has nowhere to go.
    fn expire(&mut self, contact: &ContactName, now: Timestamp) {
        let has_channel = self
            .contacts
            .get(contact)
            .is_some_and(|channels| !channels.is_empty());
        let Some(queue) = self.queues.get(contact) else {
            return;
        };
        let too_old = |waiting: &&Waiting| now.since(waiting.pending.notice.at) > GIVE_UP_AFTER;
        let lost: Vec<(NoticeKey, Kind)> = queue
            .waiting
            .values()
            .filter(|waiting| !has_channel || too_old(waiting))
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

fn back_off(failures: u32) -> Duration {
    let doubled = failures.saturating_sub(1).min(10);
    (BACK_OFF_MIN * 2_u32.pow(doubled)).min(BACK_OFF_MAX)
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
