//! The way in: batches are screened, written to the journal in groups, applied to the catalog, and only then acknowledged.
//!
//! One thread owns the order: whatever waits is appended together and made safe by one sync (group commit), then applied
//! entry by entry. Who pushes waits for that; when too many wait, more are told to come back.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ravenry_plugins::clock;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::{Ack, Batch, PROBLEMS_MAX, Received};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use crate::catalog::Applied;
use crate::entry::Entry;
use crate::health::{Health, Part};
use crate::journal::{Journal, JournalError};
use crate::store::Store;

/// Batches that may wait for the journal.
const WAITING_MAX: usize = 1024;
/// A group has at most this many batches, and about this many bytes.
const GROUP_BATCHES_MAX: usize = 256;
const GROUP_BYTES_MAX: usize = 8 << 20;
/// Readings older than this lie before everything that is kept.
const AGE_MAX: Duration = Duration::from_secs(450 * 86_400);

/// Takes batches. Clones share the queue.
#[derive(Clone)]
pub struct Ingest {
    queue: mpsc::Sender<Order>,
    store: Arc<Store>,
    limits: Limits,
}

/// What is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How far ahead of our clock a reading may be.
    pub future_max: Duration,
    /// Bytes of an entry that the journal takes.
    pub entry_bytes_max: u64,
    /// Readings that may wait for the history files.
    pub pending_max: u64,
}

/// Why a batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// Too much is waiting: come back later.
    #[error("{0}")]
    Busy(String),
    /// There is no room on the disk: come back later.
    #[error("{0}")]
    Full(String),
    /// Larger than what the journal takes: never.
    #[error("{0}")]
    TooLarge(String),
    /// The disk fails: come back later.
    #[error("{0}")]
    Failed(String),
}

enum Order {
    Push(Push),
    Stop,
}

struct Push {
    bytes: Vec<u8>,
    entry: Box<Entry>,
    reply: oneshot::Sender<Result<Ack, PushError>>,
}

impl Ingest {
    /// Starts the thread. `judged` is told what came of each entry, in order, and when it arrived; while it blocks, pushes wait.
    pub fn start(
        store: Arc<Store>,
        journal: Arc<Mutex<dyn Journal>>,
        limits: Limits,
        health: Arc<Health>,
        judged: impl FnMut(Applied, Timestamp) + Send + 'static,
    ) -> (Self, thread::JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let committer = Committer {
            store: Arc::clone(&store),
            journal,
            health,
        };
        let thread = thread::spawn(move || committer.commit_all(waiting, judged));
        let ingest = Self {
            queue,
            store,
            limits,
        };
        (ingest, thread)
    }

    /// Takes a batch; returns when its readings survive a power cut.
    ///
    /// # Errors
    /// See [`PushError`]; nothing of the batch was taken.
    pub async fn push(&self, batch: Batch, now: Timestamp) -> Result<Ack, PushError> {
        let ingest = self.clone();
        let received = Received {
            batch,
            packed: None,
        };
        let prepared = spawn_blocking(move || ingest.prepare(received, now)).await;
        let failed = |_| PushError::Failed("the batch could not be screened".to_owned());
        self.commit(prepared.map_err(failed)??).await
    }

    /// Takes what [`Self::prepare`] made; returns when its readings survive a power cut.
    ///
    /// # Errors
    /// See [`PushError`]; nothing of the batch was taken.
    pub async fn commit(&self, prepared: Prepared) -> Result<Ack, PushError> {
        let (entry, bytes, screened) = match prepared.0 {
            Screening::Answered(ack) => return Ok(ack),
            Screening::Ready(entry, bytes, screened) => (entry, bytes, screened),
        };
        let (reply, answer) = oneshot::channel();
        let stopping = "the collector is stopping";
        let push = Push {
            bytes,
            entry,
            reply,
        };
        self.queue.try_send(Order::Push(push)).map_err(|error| {
            PushError::Busy(match error {
                mpsc::error::TrySendError::Full(_) => {
                    format!("{WAITING_MAX} pushes are waiting already")
                }
                mpsc::error::TrySendError::Closed(_) => stopping.to_owned(),
            })
        })?;
        let ack = answer
            .await
            .map_err(|_| PushError::Busy(stopping.to_owned()))??;
        Ok(screened.ack(ack))
    }

    /// Ends the thread when what waits has been taken, whoever holds a clone of this. Blocks.
    pub fn stop(&self) {
        // An error means that it has ended.
        drop(self.queue.blocking_send(Order::Stop));
    }

    /// Everything that can be done before a batch's turn comes: what is long is not done on the runtime.
    ///
    /// # Errors
    /// See [`PushError`]; nothing of the batch was taken.
    pub fn prepare(&self, received: Received, now: Timestamp) -> Result<Prepared, PushError> {
        self.screen(received, now).map(Prepared)
    }

    fn screen(&self, received: Received, now: Timestamp) -> Result<Screening, PushError> {
        let Received { mut batch, packed } = received;
        let has_seen = |key| self.store.catalog().has_seen(&batch.host, key);
        if batch.key.as_ref().is_some_and(has_seen) {
            return Ok(Screening::Answered(Ack {
                duplicate: true,
                ..Ack::default()
            }));
        }
        let pending = self.store.catalog().counts.pending;
        if pending > self.limits.pending_max {
            let text = format!("{pending} readings wait to be written to the history already");
            return Err(PushError::Busy(text));
        }
        let screened = screen(&mut batch, now, self.limits.future_max);
        let says_nothing = batch.samples.series.is_empty()
            && batch.graphs.is_empty()
            && batch.verdicts.is_empty()
            && batch.gone.is_empty();
        if says_nothing && batch.key.is_none() {
            return Ok(Screening::Answered(screened.ack(Ack::default())));
        }
        let entry = Entry {
            received: now,
            batch,
        };
        let bytes = match packed.filter(|_| screened.refused == 0) {
            Some(packed) => Entry::encode_packed(now, &packed),
            None => entry.encode(),
        };
        let bytes = bytes.map_err(PushError::Failed)?;
        let (size_bytes, limit_bytes) = (bytes.len() as u64, self.limits.entry_bytes_max);
        if size_bytes > limit_bytes {
            let error = JournalError::TooLarge {
                size_bytes,
                limit_bytes,
            };
            return Err(error.into());
        }
        Ok(Screening::Ready(Box::new(entry), bytes, screened))
    }
}

/// A batch before its turn.
pub struct Prepared(Screening);

enum Screening {
    /// There is nothing to do for it.
    Answered(Ack),
    /// What is journalled, its bytes, and what was refused of it.
    Ready(Box<Entry>, Vec<u8>, Screened),
}

/// Readings of a batch that were left out since their times make no sense.
#[derive(Debug)]
struct Screened {
    refused: u64,
    problems: Vec<String>,
}

impl Screened {
    fn ack(&self, mut ack: Ack) -> Ack {
        ack.refused += self.refused;
        ack.problems.splice(0..0, self.problems.iter().cloned());
        ack.problems.truncate(PROBLEMS_MAX);
        ack
    }
}

fn screen(batch: &mut Batch, now: Timestamp, future_max: Duration) -> Screened {
    let (earliest, latest) = (now - AGE_MAX, now + future_max);
    let samples = &mut batch.samples;
    let good: Vec<usize> = (0..samples.time.len())
        .filter(|&i| (earliest..=latest).contains(&samples.time[i]))
        .collect();
    let refused = (samples.time.len() - good.len()) as u64;
    let mut problems = Vec::new();
    let verdicts = batch.verdicts.len();
    batch
        .verdicts
        .retain(|verdict| (earliest..=latest).contains(&verdict.time));
    let ill_timed = verdicts - batch.verdicts.len();
    if ill_timed > 0 {
        problems.push(format!(
            "verdicts refused: {ill_timed}; expected times from {} to {} (by the collector's clock)",
            earliest.seconds(),
            latest.seconds()
        ));
    }
    let samples = &mut batch.samples;
    if refused > 0 {
        let bad = samples
            .time
            .iter()
            .find(|time| !(earliest..=latest).contains(*time));
        let found = bad.map_or_else(String::new, ToString::to_string);
        problems.push(format!(
            "readings refused: {refused}; expected times from {} to {} (by the collector's clock), found {found}",
            earliest.seconds(),
            latest.seconds()
        ));
        samples.series = good.iter().map(|&i| samples.series[i]).collect();
        samples.value = good.iter().map(|&i| samples.value[i]).collect();
        samples.time = good.iter().map(|&i| samples.time[i]).collect();
    }
    Screened {
        refused: refused + ill_timed as u64,
        problems,
    }
}

/// What the thread works with.
struct Committer {
    store: Arc<Store>,
    journal: Arc<Mutex<dyn Journal>>,
    health: Arc<Health>,
}

impl Committer {
    fn commit_all(
        &self,
        mut waiting: mpsc::Receiver<Order>,
        mut judged: impl FnMut(Applied, Timestamp),
    ) {
        while let Some(Order::Push(first)) = waiting.blocking_recv() {
            let mut group = vec![first];
            let mut bytes = group[0].bytes.len();
            while group.len() < GROUP_BATCHES_MAX && bytes < GROUP_BYTES_MAX {
                match waiting.try_recv() {
                    Ok(Order::Push(next)) => {
                        bytes += next.bytes.len();
                        group.push(next);
                    }
                    Ok(Order::Stop) => return self.commit(group, &mut judged),
                    Err(_) => break,
                }
            }
            self.commit(group, &mut judged);
        }
    }

    fn commit(&self, mut group: Vec<Push>, judged: &mut impl FnMut(Applied, Timestamp)) {
        let entries: Vec<Vec<u8>> = group
            .iter_mut()
            .map(|push| std::mem::take(&mut push.bytes))
            .collect();
        let appended = {
            let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
            journal.append(&entries).map_err(PushError::from)
        };
        let outcome = appended.as_ref().map(drop).map_err(ToString::to_string);
        let is_news = self.health.report(Part::Journal, outcome, clock::now());
        let first = match appended {
            Ok(first) => first,
            Err(error) => {
                if is_news {
                    tracing::error!("{error}; pushes are refused until that is over");
                }
                for push in group {
                    drop(push.reply.send(Err(error.clone())));
                }
                return;
            }
        };
        let mut all = Vec::with_capacity(group.len());
        let mut replies = Vec::with_capacity(group.len());
        for (position, push) in (first..).zip(group) {
            let mut applied = self.store.apply(position, &push.entry);
            replies.push((push.reply, std::mem::take(&mut applied.ack)));
            all.push((applied, push.entry.received));
        }
        // All at once: the first of them wakes a thread of the runtime, which then takes the others too.
        for (reply, ack) in replies {
            drop(reply.send(Ok(ack)));
        }
        for (applied, received) in all {
            judged(applied, received);
        }
    }
}

impl From<JournalError> for PushError {
    fn from(error: JournalError) -> Self {
        let text = error.to_string();
        match error {
            JournalError::Full(_) => Self::Full(text),
            JournalError::Limit { .. } => Self::Busy(text),
            JournalError::TooLarge { .. } => Self::TooLarge(text),
            JournalError::Disk(_) => Self::Failed(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use ravenry_plugins::disk::{Disk, MemoryDisk};

    use super::*;
    use crate::catalog::Catalog;
    use crate::journal::segment::{self, SegmentJournal};

    #[test]
    fn readings_of_the_far_future_and_past_are_refused_and_the_rest_is_kept() {
        let json = r#"{"version":1,"host":"a","series":{"graph":["g"],"field":["f"]},
            "samples":{"series":[0,0,0],"time":[1000,1700000000,1700009999],"value":[1,2,3]}}"#;
        let mut batch: Batch = serde_json::from_str(json).unwrap();
        let now = Timestamp::from_seconds(1_700_000_100);
        let screened = screen(&mut batch, now, Duration::from_secs(600));
        assert_eq!(batch.samples.time, [Timestamp::from_seconds(1_700_000_000)]);
        assert_eq!(screened.refused, 2);
        assert_eq!(
            screened.problems,
            [
                "readings refused: 2; expected times from 1661120100 to 1700000700 (by the collector's clock), found 1000"
            ]
        );
    }

    #[tokio::test]
    async fn a_batch_that_the_journal_cannot_take_is_refused_alone_and_a_stop_needs_no_last_clone()
    {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let limits = segment::Limits {
            segment_bytes: 1 << 20,
            journal_bytes_max: 1 << 20,
            entry_bytes_max: 1 << 10,
        };
        let (journal, _) = SegmentJournal::open(Arc::clone(&disk), limits, 0).unwrap();
        let settings = crate::config::store::Store::default();
        let store = Arc::new(Store::new(disk, Catalog::new(&settings), &settings));
        let limits = Limits {
            future_max: settings.future_max,
            entry_bytes_max: limits.entry_bytes_max,
            pending_max: u64::MAX,
        };
        let journal = Arc::new(Mutex::new(journal));
        let (ingest, thread) = Ingest::start(store, journal, limits, Arc::default(), |_, _| {});
        let now = Timestamp::from_seconds(1_700_000_000);
        let push = |readings: i64| {
            let times: Vec<i64> = (0..readings).map(|at| 1_699_990_000 + at).collect();
            let batch = serde_json::json!({"version": 1, "host": "a",
                "series": {"graph": ["g"], "field": ["f"]},
                "samples": {"series": vec![0; times.len()], "time": times, "value": vec![1; times.len()]}});
            ingest.push(serde_json::from_value(batch).unwrap(), now)
        };
        let (small, large) = tokio::join!(push(1), push(1000));
        assert_eq!(small.unwrap().accepted, 1);
        let error = large.unwrap_err();
        assert!(
            matches!(&error, PushError::TooLarge(text) if text.contains("at most 1024 bytes")),
            "{error}"
        );
        let stopping = ingest.clone();
        let ended = spawn_blocking(move || {
            stopping.stop();
            thread.join().unwrap();
        });
        ended.await.unwrap();
        let refused = push(1).await.unwrap_err();
        assert_eq!(
            refused,
            PushError::Busy("the collector is stopping".to_owned())
        );
    }
}
