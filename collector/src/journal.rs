//! The journal: an ordered log of entries, on stable storage before anybody is told that they were taken.
//!
//! On one machine it is local [`segment`]s. Everything behind it is a function of its entries, so that a restart, or
//! another machine, gets to the same state by reading them again.

use std::io;

pub mod segment;

/// An ordered log. Positions count entries from 1 and are never used twice.
pub trait Journal: Send {
    /// Appends entries and returns when they are on stable storage: the position of the first one.
    ///
    /// # Errors
    /// When that cannot be promised. None of the entries counts as appended, although a restart may still find some.
    fn append(&mut self, entries: &[Vec<u8>]) -> Result<u64, JournalError>;

    /// Shows all entries from position `from` on, in order, and says what could not be read.
    ///
    /// # Errors
    /// When the log cannot be read at all.
    fn tail(
        &self,
        from: u64,
        visit: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<Vec<String>, JournalError>;

    /// Which positions there are.
    fn bounds(&self) -> Bounds;

    /// Entries up to `position` are not needed any more; they go when all beside them may.
    ///
    /// # Errors
    /// When what is not needed cannot be removed.
    fn forget_until(&mut self, position: u64) -> Result<(), JournalError>;

    /// Bytes that it takes.
    fn size_bytes(&self) -> u64;

    /// Whether it is more than half as large as it may be: then nothing may hold it back.
    fn is_pressed(&self) -> bool;
}

/// The positions that a journal holds: from `first` up to but not including `next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The oldest entry.
    pub first: u64,
    /// What the next entry gets.
    pub next: u64,
}

/// Why the journal cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is no room: wait and try again.
    #[error("journal: the disk is full: {0}")]
    Full(#[source] io::Error),
    /// The journal has its largest size: wait for a checkpoint.
    #[error(
        "journal: {size_bytes} bytes wait to be written to the history, the limit is {limit_bytes}"
    )]
    Limit {
        /// What it has.
        size_bytes: u64,
        /// `store.journal_bytes_max`
        limit_bytes: u64,
    },
    /// An entry is larger than a segment.
    #[error("journal: expected an entry of at most {limit_bytes} bytes, found {size_bytes}")]
    TooLarge {
        /// What it has.
        size_bytes: u64,
        /// What it may have.
        limit_bytes: u64,
    },
    /// The disk fails.
    #[error("journal: {0}")]
    Disk(#[source] io::Error),
}

impl From<io::Error> for JournalError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(error),
            _ => Self::Disk(error),
        }
    }
}
