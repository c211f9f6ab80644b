//! A checkpoint: pending rows become part of the history files, and the journal lets go of them.
//!
//! For some hundred files at a time:
//! 1. rows that are due are taken from the catalog, where readers still see them;
//! 2. a new file, or one that gets new fields, is written whole beside its place, made safe, and renamed;
//! 3. for all others the bytes to write are computed and made safe in the [`super::redo`] file;
//! 4. they are written in place, under rrdtool's lock.
//!
//! Then everything is made safe at once, the catalog is saved with the journal position up to which nothing is needed any
//! more, the redo file is emptied and the journal shortened. The power may go at any point: a whole chunk of the redo file
//! is written again, everything else is in the journal.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ravenry_plugins::disk::{Open, read_whole};
use ravenry_plugins::graph::Graph;
use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_plugins::timestamp::Timestamp;
use ravenry_rrd::create::create;
use ravenry_rrd::definition::{DataSource, Definition};
use ravenry_rrd::header::Header;
use ravenry_rrd::reshape::reshape;
use ravenry_rrd::writes::Writes;

use super::graph_file::{FILE_BYTES_MAX, FileError, GraphFile, advance};
use super::pending::Row;
use super::redo::Redo;
use super::{Store, layout};
use crate::catalog::Catalog;
use crate::database::{Changes, Database, DatabaseError};
use crate::journal::{Journal, JournalError};

/// Files of a chunk at most: so many are open at once.
const CHUNK_FILES: usize = 200;
/// Bytes of a chunk, about: a chunk is sealed when it has more.
const CHUNK_BYTES: usize = 8 << 20;

/// Which rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Those older than the reorder window.
    Due,
    /// All of them.
    All,
}

/// What a checkpoint did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files written.
    pub files: u64,
    /// Rows that are in the files now.
    pub rows: u64,
    /// Rows that the files had moved past.
    pub late: u64,
    /// Files that were set aside or left for later, one sentence each.
    pub problems: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows written to {} files", self.rows, self.files)
    }
}

/// Why a checkpoint stopped. What was not written waits for the next one.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The disk fails, or is full.
    #[error("history cannot be written: {0}")]
    Disk(#[from] io::Error),
    /// The catalog cannot be saved.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The journal cannot be shortened.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A graph with rows on their way to its file.
struct Work {
    host: HostName,
    graph: GraphName,
    path: PathBuf,
    definition: Arc<Graph>,
    declared: bool,
    columns: Vec<FieldName>,
    rows: Arc<Vec<Row>>,
}

/// How a graph's rows get into its file.
enum Plan {
    /// These bytes are written in place.
    InPlace(Box<GraphFile>, Writes),
    /// This whole file takes its place.
    Replace(Vec<u8>),
}

impl Store {
    /// Writes rows to the files.
    ///
    /// # Errors
    /// When the disk, the database or the journal fails: nothing is lost, and the next checkpoint tries again.
    pub fn checkpoint(
        &self,
        now: Timestamp,
        flush: Flush,
        journal: &Mutex<dyn Journal>,
        database: &Mutex<Database>,
    ) -> Result<Report, CheckpointError> {
        let until = match flush {
            Flush::Due => Some(now - self.reorder_window),
            Flush::All => None,
        };
        let mut report = Report::default();
        let mut redo = Redo::begin(&*self.disk)?;
        let due = self.due(until);
        for keys in due.chunks(CHUNK_FILES) {
            let works = self.take(keys, until);
            self.write_chunk(works, now, &mut redo, &mut report)?;
        }
        self.disk.sync_all()?;
        let position = self.save(database)?;
        redo.end()?;
        journal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .forget_until(position)?;
        Ok(report)
    }

    /// Saves the catalog and says up to which position the journal is not needed any more.
    fn save(&self, database: &Mutex<Database>) -> Result<u64, DatabaseError> {
        let changes = {
            let mut catalog = self.catalog_mut();
            let position = catalog.settled_position();
            Changes::collect(&mut catalog, position)
        };
        let saved = database
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .save(&changes);
        if saved.is_err() {
            changes.give_back(&mut self.catalog_mut());
        }
        saved.map(|()| changes.position)
    }

    fn due(&self, until: Option<Timestamp>) -> Vec<(HostName, GraphName)> {
        let catalog = self.catalog();
        let mut due = Vec::new();
        for (host, known) in &catalog.hosts {
            let waiting = known
                .graphs
                .iter()
                .filter(|(_, stored)| stored.pending.is_due(until));
            due.extend(waiting.map(|(graph, _)| (host.clone(), graph.clone())));
        }
        due
    }

    fn take(&self, keys: &[(HostName, GraphName)], until: Option<Timestamp>) -> Vec<Work> {
        let mut catalog = self.catalog_mut();
        let mut works = Vec::with_capacity(keys.len());
        for (host, graph) in keys {
            let Some(stored) = catalog.graph_mut(host, graph) else {
                continue;
            };
            works.push(Work {
                host: host.clone(),
                graph: graph.clone(),
                path: Self::path(host, graph),
                definition: Arc::clone(&stored.graph),
                declared: stored.declared,
                columns: stored
                    .columns
                    .iter()
                    .map(|column| column.field.clone())
                    .collect(),
                rows: stored.pending.begin_writing(until),
            });
        }
        works
    }

    fn write_chunk(
        &self,
        works: Vec<Work>,
        now: Timestamp,
        redo: &mut Redo,
        report: &mut Report,
    ) -> Result<(), CheckpointError> {
        let mut unwritten = Unwritten { store: self, works };
        let mut replaced = Vec::new();
        let mut in_place = Vec::new();
        for (index, work) in unwritten.works.iter().enumerate() {
            match self.plan(work, now, report)? {
                Some(Plan::Replace(bytes)) => {
                    self.write_beside(&work.path, &bytes)?;
                    replaced.push(index);
                }
                Some(Plan::InPlace(file, writes)) => {
                    redo.add(&work.path, file.file.size_bytes()?, &writes);
                    in_place.push((index, file, writes));
                    if redo.chunk_bytes() > CHUNK_BYTES {
                        redo.seal()?;
                    }
                }
                None => {}
            }
        }
        if !replaced.is_empty() {
            self.disk.sync_all()?;
            for index in replaced {
                let path = &unwritten.works[index].path;
                self.disk.rename(&beside(path), path)?;
                report.files += 1;
            }
        }
        if !in_place.is_empty() {
            redo.seal()?;
        }
        let mut busy = Vec::new();
        for (index, file, writes) in in_place {
            match self.write_in_place(&file, &writes) {
                Ok(()) => report.files += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    report.problems.push(format!("{error}; its readings wait"));
                    busy.push(index);
                }
                Err(error) => return Err(error.into()),
            }
        }
        unwritten.settle(&busy, report);
        Ok(())
    }

    fn write_in_place(&self, file: &GraphFile, writes: &Writes) -> io::Result<()> {
        let _alone = self
            .in_place
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        file.file.locked(&mut || {
            writes
                .iter()
                .try_for_each(|(offset, bytes)| file.file.write_at(bytes, offset))
        })
    }

    fn write_beside(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = self.disk.open(&beside(path), Open::OrCreate)?;
        file.set_size(0)?;
        file.reserve(bytes.len() as u64)?;
        file.write_at(bytes, 0)
    }

    /// Decides how the rows of `work` get into its file; `None` when there is no way, which is reported.
    fn plan(
        &self,
        work: &Work,
        now: Timestamp,
        report: &mut Report,
    ) -> Result<Option<Plan>, CheckpointError> {
        let planned = match GraphFile::open(&*self.disk, &work.path) {
            Ok(Some(file)) => self.plan_existing(work, file, report),
            Ok(None) => self.plan_new(work, report),
            Err(error) => Err(error),
        };
        match planned {
            Ok(plan) => Ok(Some(plan)),
            Err(FileError::Disk(error)) => Err(error.into()),
            Err(FileError::Damaged(error)) => {
                let aside =
                    PathBuf::from(format!("{}.damaged-{}", work.path.display(), now.seconds()));
                self.disk.rename(&work.path, &aside)?;
                let (path, aside) = (work.path.display(), aside.display());
                report.problems.push(format!(
                    "{path} is damaged ({error}): set aside as {aside}, begun anew"
                ));
                Ok(self.plan_new(work, report).ok())
            }
            Err(error @ (FileError::Definition(_) | FileError::Update(_))) => {
                report.problems.push(format!(
                    "{}: {} rows dropped: {error}",
                    work.path.display(),
                    work.rows.len()
                ));
                Ok(None)
            }
        }
    }

    fn plan_new(&self, work: &Work, report: &mut Report) -> Result<Plan, FileError> {
        let bytes = new_file(work, &self.catalog())?;
        replacement(work, bytes, report)
    }

    fn plan_existing(
        &self,
        work: &Work,
        file: GraphFile,
        report: &mut Report,
    ) -> Result<Plan, FileError> {
        if let Some(sources) = changed_sources(work, &file.header, &self.catalog()) {
            let bytes = read_whole(&*file.file, FILE_BYTES_MAX)?;
            return match reshape(&bytes, &sources) {
                Ok(reshaped) => replacement(work, reshaped, report),
                Err(error) => {
                    let path = work.path.display();
                    report.problems.push(format!(
                        "{path}: fields cannot be added or changed: {error}"
                    ));
                    in_place(work, file, report)
                }
            };
        }
        file.header.updatable()?;
        in_place(work, file, report)
    }
}

fn in_place(work: &Work, mut file: GraphFile, report: &mut Report) -> Result<Plan, FileError> {
    let mut writes = Writes::new();
    let advanced = advance(
        &mut file.header,
        &work.columns,
        work.rows.iter(),
        &mut writes,
    )?;
    writes.merge();
    report.rows += advanced.taken;
    report.late += advanced.past;
    Ok(Plan::InPlace(Box::new(file), writes))
}

fn replacement(work: &Work, mut bytes: Vec<u8>, report: &mut Report) -> Result<Plan, FileError> {
    let mut header = Header::parse(&bytes, bytes.len() as u64)?;
    let mut writes = Writes::new();
    let advanced = advance(&mut header, &work.columns, work.rows.iter(), &mut writes)?;
    writes.apply(&mut bytes);
    report.rows += advanced.taken;
    report.late += advanced.past;
    Ok(Plan::Replace(bytes))
}

fn new_file(work: &Work, catalog: &Catalog) -> Result<Vec<u8>, FileError> {
    let first = work.rows.first().map_or(0, |row| row.time.seconds());
    Ok(create(&definition(
        &work.definition,
        work.declared,
        catalog,
        first,
    ))?)
}

/// The definition of a graph's file whose first reading is taken at `first`.
pub(super) fn definition(
    graph: &Graph,
    declared: bool,
    catalog: &Catalog,
    first: i64,
) -> Definition {
    let step = layout::step(graph, catalog.layout()).as_secs() as i64;
    layout::definition(graph, declared, catalog.layout(), first - step)
}

/// The data sources that the file should have, when they are not those it has. A source of a field that is not declared
/// any more stays.
fn changed_sources(work: &Work, header: &Header, catalog: &Catalog) -> Option<Vec<DataSource>> {
    let mut sources = header.definition()?.sources;
    let mut changed = false;
    for wanted in definition(&work.definition, work.declared, catalog, 0).sources {
        match sources.iter_mut().find(|have| have.name == wanted.name) {
            Some(have) if same(have, &wanted) => {}
            Some(have) => {
                *have = wanted;
                changed = true;
            }
            None => {
                sources.push(wanted);
                changed = true;
            }
        }
    }
    changed.then_some(sources)
}

fn same(a: &DataSource, b: &DataSource) -> bool {
    let bits = |source: &DataSource| (source.min.to_bits(), source.max.to_bits());
    a.kind == b.kind && a.heartbeat == b.heartbeat && bits(a) == bits(b)
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Rows that were taken from the catalog: given back unless they are settled.
struct Unwritten<'s> {
    store: &'s Store,
    works: Vec<Work>,
}

impl Unwritten<'_> {
    fn settle(&mut self, busy: &[usize], report: &mut Report) {
        let mut catalog = self.store.catalog_mut();
        for (index, work) in std::mem::take(&mut self.works).into_iter().enumerate() {
            let readings = work
                .rows
                .iter()
                .map(|row| row.slots.iter().flatten().count() as u64)
                .sum::<u64>();
            let Some(stored) = catalog.graph_mut(&work.host, &work.graph) else {
                continue;
            };
            if busy.contains(&index) {
                stored.pending.put_back();
            } else {
                stored.pending.settle();
                catalog.counts.pending = catalog.counts.pending.saturating_sub(readings);
            }
        }
        catalog.counts.late += std::mem::take(&mut report.late);
    }
}

impl Drop for Unwritten<'_> {
    fn drop(&mut self) {
        let works = std::mem::take(&mut self.works);
        if works.is_empty() {
            return;
        }
        let mut catalog = self.store.catalog_mut();
        for work in works {
            if let Some(stored) = catalog.graph_mut(&work.host, &work.graph) {
                stored.pending.put_back();
            }
        }
    }
}

#[cfg(test)]
mod tests;
