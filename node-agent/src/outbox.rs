//! Batches on their way: on disk, the oldest first, and in memory only while the disk does not take them.
//!
//! - A batch is on disk before it is sent, so that a killed agent loses none that was sealed.
//! - When the disk refuses (it is full, say), batches wait in memory up to [`MEMORY_BYTES_MAX`] and are sent from there
//!   once those on disk are gone; they go to disk as soon as it takes them.
//! - What exceeds a limit is dropped, the oldest first, and counted.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ravenry_plugins::disk::{Disk, FileDisk};
use ravenry_plugins::problem::Problem;
use ravenry_plugins::spool::{Position, Spool, SpoolError, SpoolLimits};
use tokio::task::JoinError;
use tracing::warn;

#[cfg(test)]
mod tests;

/// Bytes that wait in memory at most while the disk refuses.
pub const MEMORY_BYTES_MAX: usize = 8 << 20;
/// The spool drops this part of its limit at once.
const SEGMENTS: u64 = 16;
/// Bytes of a segment at most.
const SEGMENT_BYTES_MAX: u64 = 4 << 20;

/// Why the disk did not do it. The batch is kept in memory.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The spool's folder cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The folder itself cannot be made.
    #[error("spool {path}: {source}")]
    Folder {
        /// The folder.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Part of the agent itself failed.
    #[error("internal error")]
    Internal(#[from] JoinError),
}

/// Batches that wait to be taken. Calls do not block the runtime.
pub struct Outbox(Arc<Mutex<Queue>>);

impl Outbox {
    /// Opens the spool in `folder`; what was lost of it is logged.
    ///
    /// # Errors
    /// When the disk does not let us.
    pub async fn open(folder: &Path, bytes_max: u64) -> Result<Self, OutboxError> {
        let folder = folder.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let failed = |source| OutboxError::Folder {
                path: folder.display().to_string(),
                source,
            };
            let disk = FileDisk::private(&folder).map_err(failed)?;
            Ok::<_, OutboxError>(Queue::open(Arc::new(disk), bytes_max)?)
        });
        let (queue, problems) = opened.await??;
        for problem in problems {
            warn!("spool: {problem}");
        }
        Ok(Self(Arc::new(Mutex::new(queue))))
    }

    /// Adds a packed batch.
    ///
    /// # Errors
    /// When it is only in memory, or was dropped because it can never fit.
    pub async fn push(&self, packed: Vec<u8>) -> Result<(), OutboxError> {
        self.on_disk(move |queue| queue.push(packed)).await
    }

    /// The oldest batch; it stays until [`Self::pop`].
    ///
    /// # Errors
    /// When the disk does not give it.
    pub async fn oldest(&self) -> Result<Option<Vec<u8>>, OutboxError> {
        if self.is_empty() {
            return Ok(None);
        }
        self.on_disk(Queue::oldest).await
    }

    /// Forgets the batch that [`Self::oldest`] gave.
    ///
    /// # Errors
    /// When the disk does not forget it: it will be sent again.
    pub async fn pop(&self) -> Result<(), OutboxError> {
        self.on_disk(Queue::pop).await
    }

    /// Batches dropped since the start, for want of room or because they were damaged.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .dropped()
    }

    /// Whether nothing waits; asks no disk, so that an agent with nothing to send wakes no other thread.
    fn is_empty(&self) -> bool {
        let queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queue.spool.is_empty() && queue.memory.is_empty()
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Queue) -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let queue = self.0.clone();
        let act = move || act(&mut queue.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(tokio::task::spawn_blocking(act).await??)
    }
}

/// The same, blocking.
struct Queue {
    spool: Spool,
    memory: VecDeque<Vec<u8>>,
    memory_bytes: usize,
    memory_dropped: u64,
    /// What the spool had dropped before this start.
    dropped_before: u64,
    /// The batch that [`Self::oldest`] gave last.
    given: Option<Given>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    OnDisk(Position),
    InMemory,
}

impl Queue {
    fn open(disk: Arc<dyn Disk>, bytes_max: u64) -> Result<(Self, Vec<Problem>), SpoolError> {
        let limits = SpoolLimits {
            total_bytes: bytes_max,
            segment_bytes: (bytes_max / SEGMENTS).min(SEGMENT_BYTES_MAX),
            ..SpoolLimits::default()
        };
        let (spool, problems) = Spool::open(disk, Path::new(""), limits)?;
        let queue = Self {
            dropped_before: spool.dropped(),
            spool,
            memory: VecDeque::new(),
            memory_bytes: 0,
            memory_dropped: 0,
            given: None,
        };
        Ok((queue, problems))
    }

    fn push(&mut self, packed: Vec<u8>) -> Result<(), SpoolError> {
        self.memory_bytes += packed.len();
        self.memory.push_back(packed);
        let moved = self.move_to_disk();
        while self.memory_bytes > MEMORY_BYTES_MAX {
            self.drop_from_memory();
        }
        moved
    }

    /// Moves what is in memory to disk, unless its first batch is on its way.
    fn move_to_disk(&mut self) -> Result<(), SpoolError> {
        while self.given != Some(Given::InMemory) {
            let Some(first) = self.memory.front() else {
                break;
            };
            match self.spool.push(first) {
                Ok(_) => self.forget_first(),
                Err(error @ SpoolError::Record { .. }) => {
                    self.drop_from_memory();
                    return Err(error);
                }
                Err(error @ SpoolError::Disk(_)) => return Err(error),
            }
        }
        Ok(())
    }

    fn forget_first(&mut self) {
        if let Some(first) = self.memory.pop_front() {
            self.memory_bytes -= first.len();
        }
    }

    fn drop_from_memory(&mut self) {
        self.forget_first();
        self.memory_dropped += 1;
        if self.given == Some(Given::InMemory) {
            self.given = None;
        }
    }

    fn oldest(&mut self) -> Result<Option<Vec<u8>>, SpoolError> {
        self.given = None;
        if let Some((position, packed)) = self.spool.peek()? {
            self.given = Some(Given::OnDisk(position));
            return Ok(Some(packed));
        }
        let first = self.memory.front().cloned();
        self.given = first.is_some().then_some(Given::InMemory);
        Ok(first)
    }

    fn pop(&mut self) -> Result<(), SpoolError> {
        match self.given.take() {
            Some(Given::OnDisk(position)) => {
                self.spool.pop(position)?;
            }
            Some(Given::InMemory) => self.forget_first(),
            None => {}
        }
        Ok(())
    }

    fn dropped(&self) -> u64 {
        self.spool.dropped().saturating_sub(self.dropped_before) + self.memory_dropped
    }
}
