//! The way in: batches are screened, written to the journal in groups, applied to the catalog, and only then acknowledged.
//!
//! One thread owns the order: whatever waits is appended together and made safe by one sync (group commit), then applied
//! entry by entry. Who pushes waits for that; when too many wait, more are told to come back.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::{Ack, Batch, PROBLEMS_MAX};
use tokio::sync::{mpsc, oneshot};

use crate::catalog::Applied;
use crate::entry::Entry;
use crate::journal::{Journal, JournalError};
use crate::store::Store;

/// Batches that may wait for the journal.
const WAITING_MAX: usize = 1024;
/// A group has at most this many batches, and about this many bytes.
const GROUP_BATCHES_MAX: usize = 256;
const GROUP_BYTES_MAX: usize = 8 << 20;
/// Readings older than this lie before everything that is kept.
const AGE_MAX: Duration = Duration::from_secs(450 * 86_400);

/// Takes batches. Clones share the queue; when all are gone the thread ends.
#[derive(Clone)]
pub struct Ingest {
    queue: mpsc::Sender<Push>,
    store: Arc<Store>,
    future_max: Duration,
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

struct Push {
    bytes: Vec<u8>,
    entry: Entry,
    reply: oneshot::Sender<Result<Ack, PushError>>,
}

impl Ingest {
    /// Starts the thread. `judged` is told what came of each entry, in order, and when it arrived; while it blocks, pushes wait.
    pub fn start(
        store: Arc<Store>,
        journal: Arc<Mutex<dyn Journal>>,
        future_max: Duration,
        judged: impl FnMut(Applied, Timestamp) + Send + 'static,
    ) -> (Self, thread::JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let committer = Arc::clone(&store);
        let thread = thread::spawn(move || commit_all(&committer, &*journal, waiting, judged));
        (
            Self {
                queue,
                store,
                future_max,
            },
            thread,
        )
    }

    /// Takes a batch; returns when its readings survive a power cut.
    ///
    /// # Errors
    /// See [`PushError`]; nothing of the batch was taken.
    pub async fn push(&self, batch: Batch, now: Timestamp) -> Result<Ack, PushError> {
        if batch
            .key
            .as_ref()
            .is_some_and(|key| self.store.catalog().has_seen(&batch.host, key))
        {
            return Ok(Ack {
                duplicate: true,
                ..Ack::default()
            });
        }
        let screened = screen(batch, now, self.future_max);
        if screened.batch.samples.series.is_empty()
            && screened.batch.graphs.is_empty()
            && screened.batch.key.is_none()
        {
            return Ok(screened.ack(Ack::default()));
        }
        let entry = Entry {
            received: now,
            batch: screened.batch.clone(),
        };
        let bytes = entry.encode().map_err(PushError::Failed)?;
        let (reply, answer) = oneshot::channel();
        self.queue
            .try_send(Push {
                bytes,
                entry,
                reply,
            })
            .map_err(|error| {
                PushError::Busy(match error {
                    mpsc::error::TrySendError::Full(_) => {
                        format!("{WAITING_MAX} pushes are waiting already")
                    }
                    mpsc::error::TrySendError::Closed(_) => "the collector is stopping".to_owned(),
                })
            })?;
        let ack = answer
            .await
            .map_err(|_| PushError::Busy("the collector is stopping".to_owned()))??;
        Ok(screened.ack(ack))
    }
}

/// A batch without the readings whose times make no sense.
#[derive(Debug)]
struct Screened {
    batch: Batch,
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

fn screen(mut batch: Batch, now: Timestamp, future_max: Duration) -> Screened {
    let (earliest, latest) = (now - AGE_MAX, now + future_max);
    let samples = &mut batch.samples;
    let good: Vec<usize> = (0..samples.time.len())
        .filter(|&i| (earliest..=latest).contains(&samples.time[i]))
        .collect();
    let refused = (samples.time.len() - good.len()) as u64;
    let mut problems = Vec::new();
    if refused > 0 {
        let bad = samples
            .time
            .iter()
            .find(|time| !(earliest..=latest).contains(*time));
        let found = bad.map_or_else(String::new, ToString::to_string);
        problems.push(format!(
            "{refused} readings: expected times from {earliest} to {latest} (by the collector's clock), found {found}"
        ));
        samples.series = good.iter().map(|&i| samples.series[i]).collect();
        samples.value = good.iter().map(|&i| samples.value[i]).collect();
        samples.time = good.iter().map(|&i| samples.time[i]).collect();
    }
    Screened {
        batch,
        refused,
        problems,
    }
}

fn commit_all(
    store: &Store,
    journal: &Mutex<dyn Journal>,
    mut waiting: mpsc::Receiver<Push>,
    mut judged: impl FnMut(Applied, Timestamp),
) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        let mut bytes = group[0].bytes.len();
        while group.len() < GROUP_BATCHES_MAX && bytes < GROUP_BYTES_MAX {
            let Ok(next) = waiting.try_recv() else { break };
            bytes += next.bytes.len();
            group.push(next);
        }
        commit(store, journal, group, &mut judged);
    }
}

fn commit(
    store: &Store,
    journal: &Mutex<dyn Journal>,
    mut group: Vec<Push>,
    judged: &mut impl FnMut(Applied, Timestamp),
) {
    let entries: Vec<Vec<u8>> = group
        .iter_mut()
        .map(|push| std::mem::take(&mut push.bytes))
        .collect();
    let appended = journal
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .append(&entries);
    let first = match appended {
        Ok(first) => first,
        Err(error) => {
            let error = PushError::from(error);
            tracing::error!("{error}");
            for push in group {
                drop(push.reply.send(Err(error.clone())));
            }
            return;
        }
    };
    for (position, push) in (first..).zip(group) {
        let mut applied = store.apply(position, &push.entry);
        drop(push.reply.send(Ok(std::mem::take(&mut applied.ack))));
        judged(applied, push.entry.received);
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
    use super::*;

    #[test]
    fn readings_of_the_far_future_and_past_are_refused_and_the_rest_is_kept() {
        let json = r#"{"version":1,"host":"a","series":{"graph":["g"],"field":["f"]},
            "samples":{"series":[0,0,0],"time":[1000,1700000000,1700009999],"value":[1,2,3]}}"#;
        let batch: Batch = serde_json::from_str(json).unwrap();
        let now = Timestamp::from_seconds(1_700_000_100);
        let screened = screen(batch, now, Duration::from_secs(600));
        assert_eq!(
            screened.batch.samples.time,
            [Timestamp::from_seconds(1_700_000_000)]
        );
        assert_eq!(screened.refused, 2);
        assert_eq!(
            screened.problems,
            [
                "2 readings: expected times from 1661120100 to 1700000700 (by the collector's clock), found 1000"
            ]
        );
    }
}
