//! What a start does first: finishes what was being written, loads what was saved, and applies what only the journal knows.
//!
//! Nothing here knows how the collector ended. The power may go at any point of it, and the next start does it again.

use std::io;
use std::sync::Arc;

use ravenry_plugins::disk::Disk;
use ravenry_plugins::wire::Tables;

use crate::catalog::{Applied, Catalog};
use crate::config;
use crate::database::{Database, DatabaseError};
use crate::entry::Entry;
use crate::journal::segment::{Limits, SegmentJournal};
use crate::journal::{Journal, JournalError};
use crate::store::redo::{self, Stubborn};

/// What was found.
pub struct Recovered {
    /// As the database has it; the journal's entries are applied by [`replay`].
    pub catalog: Catalog,
    /// What was acknowledged, and more than the database knows.
    pub journal: SegmentJournal,
    /// History files that were being written, and were written again.
    pub rewritten: u64,
    /// What could not be read or written, one sentence each.
    pub problems: Vec<String>,
}

/// Why a collector cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The disk fails.
    #[error("what was being written cannot be finished: {0}")]
    Disk(#[from] io::Error),
    /// The database cannot be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Finds everything as it was. The journal is kept on `journal_disk`: the same files, but a sync that fails is told to
/// each disk by itself.
///
/// # Errors
/// When that cannot be known; nothing is lost.
pub fn recover(
    disk: &dyn Disk,
    journal_disk: Arc<dyn Disk>,
    database: &Database,
    settings: &config::store::Store,
    limits: Limits,
) -> Result<Recovered, RecoveryError> {
    let again = redo::carry_out_again(disk, Stubborn::SetAside)?;
    let mut problems = again.problems;
    let mut catalog = Catalog::new(settings);
    problems.extend(database.load(&mut catalog)?);
    let (journal, unread) = SegmentJournal::open(journal_disk, limits, catalog.position)?;
    problems.extend(unread);
    Ok(Recovered {
        catalog,
        journal,
        rewritten: again.files,
        problems,
    })
}

/// Applies what the journal has beyond what the database knows, and tells `each` of it. Says how many entries there were
/// and which could not be read.
///
/// # Errors
/// When the journal cannot be read.
pub fn replay(
    journal: &dyn Journal,
    catalog: &mut Catalog,
    mut each: impl FnMut(Applied, &Entry),
) -> Result<(u64, Vec<String>), JournalError> {
    let from = catalog.position + 1;
    let mut entries = 0;
    let mut unreadable = Vec::new();
    let tables = Tables::default();
    let mut problems = journal.tail(from, &mut |position, bytes| match Entry::decode(
        bytes, &tables,
    ) {
        Ok(entry) => {
            entries += 1;
            each(catalog.apply(position, &entry), &entry);
        }
        Err(error) => unreadable.push(format!("journal: entry {position}: {error}")),
    })?;
    problems.append(&mut unreadable);
    catalog.fresh_from = journal.bounds().next;
    Ok((entries, problems))
}
