//! History in files: which file a graph is kept in, what waits to be written, how it is written so that a power cut tears
//! nothing, and how it is read together with what waits.
//!
//! ```text
//! journal ─ apply ─► catalog (pending rows) ─ checkpoint ─► redo ─► rrd/HOST/GRAPH.rrd
//!                          │                                             │
//!                          └───────────────── fetch ─────────────────────┘
//! ```
//!
//! Invariants: a file is written by the checkpoint alone. What is in the files, in the redo file or in the journal is
//! everything that was acknowledged, at every moment. A reader never sees a file half written.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use ravenry_plugins::disk::Disk;
use ravenry_plugins::name::{GraphName, HostName};

use crate::catalog::{Applied, Catalog};
use crate::config;
use crate::entry::Entry;
use crate::store::graph_file::{GraphFile, last_update};

pub mod checkpoint;
pub mod fault;
pub mod graph_file;
pub mod history;
pub mod layout;
pub mod pending;
pub mod redo;
pub mod repair;
pub mod row;
pub mod verify;

/// Folder of the history files below the data directory.
pub const FOLDER: &str = "rrd";

/// Files and what waits for them.
pub struct Store {
    disk: Arc<dyn Disk>,
    catalog: RwLock<Catalog>,
    /// Held for writing while a file is written in place, for reading while one is read.
    in_place: RwLock<()>,
    reorder_window: Duration,
    /// Files that a checkpoint has open at once.
    chunk_files: usize,
    /// Bytes of the redo file, about: with more, all is made safe and it begins anew.
    redo_bytes: u64,
}

impl Store {
    /// A store of what `catalog` knows, with its files on `disk`.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, catalog: Catalog, settings: &config::store::Store) -> Self {
        Self {
            disk,
            catalog: RwLock::new(catalog),
            in_place: RwLock::new(()),
            reorder_window: settings.reorder_window,
            chunk_files: usize::try_from(settings.open_files_max).unwrap_or(usize::MAX),
            redo_bytes: settings.redo_bytes_max,
        }
    }

    /// The catalog, to look something up: let go of it soon.
    pub fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The catalog, to change it.
    pub fn catalog_mut(&self) -> RwLockWriteGuard<'_, Catalog> {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an entry of the journal. What the files of its graphs hold is asked for first where that is not known yet, so
    /// that a reading which comes too late is refused and not taken in vain.
    pub fn apply(&self, position: u64, entry: &Entry) -> Applied {
        let unknown = self.catalog().unknown_files(&entry.batch);
        let mut start = Vec::new();
        for (host, graph) in unknown.files {
            // A file that cannot be read is the next checkpoint's to report, and is asked again.
            let path = Self::path(&host, &graph);
            let Ok(file) = GraphFile::open(&*self.disk, &path, 1, &mut start) else {
                continue;
            };
            let written = file.map(|file| last_update(&file.header));
            if let Some(stored) = self.catalog_mut().graph_mut(&host, &graph) {
                stored.pending.written_until(written);
            }
        }
        let mut catalog = self.catalog_mut();
        let hosts = unknown.hosts.iter();
        hosts.for_each(|host| catalog.files_were_asked(host));
        catalog.apply(position, entry)
    }

    /// The file of a graph, relative to the data directory.
    #[must_use]
    pub fn path(host: &HostName, graph: &GraphName) -> PathBuf {
        PathBuf::from(FOLDER).join(layout::path(host, graph))
    }
}
