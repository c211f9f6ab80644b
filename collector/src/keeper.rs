//! Makes checkpoints: at intervals, when too much waits, when asked, and at the end.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ravenry_plugins::clock;
use tokio::sync::oneshot;

use crate::database::Database;
use crate::health::{self, Health, Part};
use crate::journal::Journal;
use crate::store::Store;
use crate::store::checkpoint::{Flush, Report};

/// Requests that may wait.
const WAITING_MAX: usize = 16;
/// How often it is looked whether too much waits.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Checkpoints that are made because too much waits are this far apart at least.
const HURRY_EVERY: Duration = Duration::from_secs(5);
/// How long pages show what was wrong with files.
const SHOWN_FOR: Duration = Duration::from_secs(3600);
/// The thread that writes history.
#[derive(Debug)]
pub struct Keeper {
    orders: SyncSender<Order>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

enum Order {
    Flush(oneshot::Sender<Result<Report, String>>),
    Stop,
}

/// What the thread works with.
pub struct Parts {
    /// Files and what waits for them.
    pub store: Arc<Store>,
    /// Shortened by each checkpoint.
    pub journal: Arc<Mutex<dyn Journal>>,
    /// Where it is shown that history cannot be written.
    pub health: Arc<Health>,
    /// Where the catalog is saved.
    pub database: Arc<Mutex<Database>>,
    /// Time between checkpoints.
    pub interval: Duration,
    /// Readings that make one at once.
    pub pending_max: u64,
    /// How long the last one may take; what it does not get to is left to the journal.
    pub last_within: Duration,
}

impl Keeper {
    /// Starts the thread.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        let (orders, waiting) = sync_channel(WAITING_MAX);
        let thread = thread::spawn(move || parts.keep(&waiting));
        Self {
            orders,
            thread: Mutex::new(Some(thread)),
        }
    }

    /// Writes everything that is pending.
    ///
    /// # Errors
    /// When it cannot be written, with one sentence; it goes on waiting.
    pub async fn flush(&self) -> Result<Report, String> {
        let (reply, answer) = oneshot::channel();
        self.orders
            .try_send(Order::Flush(reply))
            .map_err(|_| "too many flushes are waiting".to_owned())?;
        answer
            .await
            .unwrap_or_else(|_| Err("the collector is stopping".to_owned()))
    }

    /// Whether the thread has ended: unasked, it did so in a panic.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_none_or(thread::JoinHandle::is_finished)
    }

    /// Makes the last checkpoint and ends the thread. Blocks.
    pub fn stop(&self) {
        drop(self.orders.send(Order::Stop));
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!(
                "the thread that writes history ended in a panic; the journal has what it did not write"
            );
        }
    }
}

impl Parts {
    fn keep(&self, orders: &Receiver<Order>) {
        let mut last = clock::monotonic();
        loop {
            match orders.recv_timeout(LOOK_EVERY) {
                Ok(Order::Flush(reply)) => drop(reply.send(self.checkpoint(Flush::All))),
                Err(RecvTimeoutError::Timeout) if self.is_due(last) => {
                    drop(self.checkpoint(self.flush()));
                    last = clock::monotonic();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let until = clock::monotonic() + self.last_within;
        drop(self.checkpoint(Flush::AllUntil(until)));
    }

    fn is_due(&self, last: Instant) -> bool {
        let since = clock::monotonic().saturating_duration_since(last);
        since >= self.interval
            || (since >= HURRY_EVERY && (self.is_overfull() || self.journal_is_pressed()))
    }

    /// What is due; everything, when too much waits.
    fn flush(&self) -> Flush {
        if self.is_overfull() {
            Flush::All
        } else {
            Flush::Due
        }
    }

    fn is_overfull(&self) -> bool {
        self.store.catalog().counts.pending > self.pending_max
    }

    fn journal_is_pressed(&self) -> bool {
        self.journal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_pressed()
    }

    /// Shows what is wrong with files, for an hour after the last of it.
    fn show(&self, problems: &[String]) {
        let now = clock::now();
        problems
            .iter()
            .for_each(|problem| tracing::error!("{problem}"));
        match problems {
            [] => self.health.expire(Part::Files, SHOWN_FOR, now),
            [first] => drop(self.health.report(Part::Files, Err(first.clone()), now)),
            [first, rest @ ..] => {
                let text = format!("{first}; and {} more, in the log", rest.len());
                self.health.report(Part::Files, Err(text), now);
            }
        }
    }

    fn checkpoint(&self, flush: Flush) -> Result<Report, String> {
        let began = clock::monotonic();
        let done = self
            .store
            .checkpoint(clock::now(), flush, &*self.journal, &self.database);
        let took = clock::monotonic().saturating_duration_since(began);
        let counted = done.as_ref().ok().map(|report| health::Flush {
            millis: took.as_millis() as u64,
            files: report.files,
            rows: report.rows,
            problems: report.problems.len() as u64,
            unwritten: report.unwritten,
        });
        self.health.flushed(counted, clock::now());
        match &done {
            Ok(report) => {
                tracing::debug!("{report}");
                self.show(&report.problems);
                if report.late > 0 {
                    self.store.catalog_mut().counts.late += report.late;
                    tracing::warn!("{} readings came too late for their files", report.late);
                }
                if report.unfit > 0 {
                    let unfit = report.unfit;
                    tracing::warn!(
                        "{unfit} readings do not fit the type that their field has now: unknown"
                    );
                }
            }
            Err(error) => tracing::error!("{error}; it is tried again"),
        }
        let done = done.map_err(|error| error.to_string());
        let outcome = done.as_ref().map(drop).map_err(Clone::clone);
        self.health.report(Part::History, outcome, clock::now());
        done
    }
}
