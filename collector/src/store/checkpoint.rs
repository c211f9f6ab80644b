//! A checkpoint: pending rows become part of the history files, and the journal lets go of them.
//!
//! First, what the last checkpoint sealed and could not finish is written again. Then, for some hundred files at a time:
//! 1. rows that are due are taken from the catalog, where readers still see them;
//! 2. for each file it is decided what to write: a new file, or one that gets new fields, is written whole beside its place;
//!    for all others the bytes to write are computed;
//! 3. new files are made safe and renamed, the bytes for the others are made safe in the [`super::redo`] file: from here on
//!    the chunk will be written, whatever happens, and until here nothing has been;
//! 4. they are written in place, under rrdtool's lock.
//!
//! Then everything is made safe at once, the catalog is saved with the journal position up to which nothing is needed any
//! more, the redo file is emptied and the journal shortened. The power may go at any point: a whole chunk of the redo file
//! is written again, everything else is in the journal.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ravenry_plugins::clock;
use ravenry_plugins::disk::{DiskFile, Open, concerns_all_files, os_code, read_whole};
use ravenry_plugins::graph::Graph;
use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_plugins::timestamp::Timestamp;
use ravenry_rrd::create::create;
use ravenry_rrd::definition::{DataSource, Definition};
use ravenry_rrd::header::{Header, Source};
use ravenry_rrd::mend::{Change, mend};
use ravenry_rrd::resample::{loses_nothing, resample};
use ravenry_rrd::reshape::reshape;
use ravenry_rrd::writes::Writes;

use super::Store;
use super::graph_file::{FILE_BYTES_MAX, FileError, GraphFile, advance, last_update};
use super::layout::{Decided, Shape};
use super::redo::{self, Redo, Stubborn};
use super::row::Rows;
use crate::catalog::Catalog;
use crate::config::layout::Layouts;
use crate::database::{Changes, Database, DatabaseError};
use crate::journal::{Journal, JournalError};

/// New files are written in pieces of this size: Linux keeps what was written at once in one piece of its cache, and each
/// small write into a large piece looks through all of it.
const PIECE: usize = 16 << 10;
/// Files that get more rows in one checkpoint at most, and their bytes, about: each is read and written whole, at 23 ms for
/// ten fields of the standard's.
const GROWN_FILES_MAX: usize = 200;
const GROWN_BYTES_MAX: usize = 256 << 20;

/// Which rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Those older than the reorder window.
    Due,
    /// All of them.
    All,
    /// All of them, as far as the time reaches; the journal keeps the others.
    AllUntil(Instant),
}

/// What a checkpoint did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files written.
    pub files: u64,
    /// Files that could not be written; what belongs in them waits, or could not be kept.
    pub unwritten: u64,
    /// Rows that are in the files now.
    pub rows: u64,
    /// Readings that came too late: the files had moved past them.
    pub late: u64,
    /// Readings that their file cannot hold, because their field became another type: they count as unknown.
    pub unfit: u64,
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
    graph_definition: Arc<Graph>,
    declared: bool,
    columns: Vec<FieldName>,
    rows: Arc<Rows>,
    /// Whether it had a file before.
    had_file: bool,
    /// Whether the last checkpoint may have written them already: that the file has moved past them is no news.
    again: bool,
}

impl Work {
    fn decided(&self, catalog: &Catalog) -> Decided {
        catalog.layouts().decide(&self.host, &self.graph_definition)
    }

    fn definition(&self, catalog: &Catalog, first: i64) -> Definition {
        catalog
            .layouts()
            .definition(&self.host, &self.graph_definition, self.declared, first)
    }
}

/// How a graph's rows get into its file.
enum Plan {
    /// It is updated in place.
    InPlace(InPlace),
    /// This whole file, updated until then, takes its place.
    Replace(Vec<u8>, Timestamp),
    /// They cannot be kept.
    Drop,
    /// Not now.
    Wait,
}

/// A file that is updated in place.
struct InPlace {
    file: Box<dyn DiskFile>,
    /// Which of the chunk's writes are this file's.
    writes: Range<usize>,
    /// Until when it is updated then.
    written: Timestamp,
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
            Flush::All | Flush::AllUntil(_) => None,
        };
        let mut report = Report::default();
        let pressed = lock(journal).is_pressed();
        self.finish_last(pressed, &mut report)?;
        let redo = Redo::begin(&*self.disk)?;
        let mut run = Run {
            now,
            pressed,
            fresh_from: self.catalog().fresh_from,
            redo,
            layouts: Arc::clone(self.catalog().layouts()),
            wanted: HashMap::new(),
            unfinished: false,
            grown_files: 0,
            grown_bytes: 0,
            report,
            start: Vec::new(),
            writes: Writes::new(),
            chunk: Writes::new(),
        };
        let due = self.due(until);
        for keys in due.chunks(self.chunk_files) {
            let is_over = matches!(flush, Flush::AllUntil(until) if clock::monotonic() >= until);
            if is_over {
                break;
            }
            self.write_chunk(keys, until, &mut run)?;
            if run.redo.size_bytes() > self.redo_bytes && !run.unfinished {
                self.disk.sync_all()?;
                run.redo.end()?;
            }
        }
        self.disk.sync_all()?;
        let position = self.save(database)?;
        if !run.unfinished {
            run.redo.end()?;
        }
        lock(journal).forget_until(position)?;
        Ok(run.report)
    }

    /// Writes again what the last checkpoint sealed, when it could not make all of it safe.
    ///
    /// What was sealed is in memory no more. A file that cannot be written now holds everything back, until the journal
    /// grows too large for that.
    fn finish_last(&self, pressed: bool, report: &mut Report) -> io::Result<()> {
        let stubborn = if pressed {
            Stubborn::SetAside
        } else {
            Stubborn::WaitsFor
        };
        let _alone = self
            .in_place
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let again = redo::carry_out_again(&*self.disk, stubborn)?;
        report.files += again.files;
        report.problems.extend(again.problems);
        Ok(())
    }

    /// Saves the catalog and says up to which position the journal is not needed any more.
    fn save(&self, database: &Mutex<Database>) -> Result<u64, DatabaseError> {
        let changes = {
            let mut catalog = self.catalog_mut();
            let position = catalog.settled_position();
            Changes::collect(&mut catalog, position)
        };
        let saved = lock(database).save(&changes);
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
        let layouts = Arc::clone(catalog.layouts());
        let mut works = Vec::with_capacity(keys.len());
        for (host, graph) in keys {
            let Some(stored) = catalog.graph_mut(host, graph) else {
                continue;
            };
            let step = until.map_or(Duration::ZERO, |_| layouts.step(host, &stored.graph));
            let had_file = stored.pending.has_file();
            let again = stored.pending.is_on_its_way();
            let rows = stored.pending.begin_writing(until, step);
            if rows.is_empty() {
                continue;
            }
            works.push(Work {
                host: host.clone(),
                graph: graph.clone(),
                path: Self::path(host, graph),
                graph_definition: Arc::clone(&stored.graph),
                declared: stored.declared,
                columns: stored.column_names(),
                rows,
                had_file,
                again,
            });
        }
        works
    }

    fn write_chunk(
        &self,
        keys: &[(HostName, GraphName)],
        until: Option<Timestamp>,
        run: &mut Run,
    ) -> Result<(), CheckpointError> {
        let mut chunk = Chunk::new(self, self.take(keys, until));
        run.chunk.clear();
        let sealed = self.seal_chunk(&mut chunk, run);
        if sealed.is_err() {
            run.redo.discard();
        }
        for (index, file) in sealed? {
            match self.write_in_place(&file, &run.chunk) {
                Ok(()) => run.report.files += 1,
                Err(error) => {
                    run.unfinished = true;
                    run.report.unwritten += 1;
                    run.report
                        .problems
                        .push(format!("{error}; it is written at the next checkpoint"));
                    chunk.fates[index] = Fate::Sealed;
                }
            }
        }
        drop(chunk);
        Ok(())
    }

    /// Decides what becomes of each file of a chunk, and makes it safe. When this fails, what has no fate yet waits.
    fn seal_chunk(
        &self,
        chunk: &mut Chunk<'_>,
        run: &mut Run,
    ) -> Result<Vec<(usize, InPlace)>, CheckpointError> {
        let mut replaced = Vec::new();
        let mut in_place = Vec::new();
        for (index, work) in chunk.works.iter().enumerate() {
            match self.plan(work, run)? {
                Plan::Replace(bytes, written) => {
                    self.write_beside(&work.path, &bytes)?;
                    replaced.push((index, written));
                }
                Plan::InPlace(file) => in_place.push((index, file)),
                Plan::Drop => {
                    chunk.fates[index] = Fate::Settled(None);
                    run.report.unwritten += 1;
                }
                Plan::Wait => run.report.unwritten += 1,
            }
        }
        if !replaced.is_empty() {
            self.disk.sync_all()?;
        }
        // From here on a call that fails may have done its work all the same: what is on its way stays on its way.
        for (index, written) in replaced {
            chunk.fates[index] = Fate::Sealed;
            let path = &chunk.works[index].path;
            self.disk.rename(&beside(path), path)?;
            chunk.fates[index] = Fate::Settled(Some(written));
            run.report.files += 1;
        }
        if !in_place.is_empty() {
            in_place
                .iter()
                .for_each(|(index, _)| chunk.fates[*index] = Fate::Sealed);
            run.redo.seal()?;
        }
        for (index, file) in &in_place {
            chunk.fates[*index] = Fate::Settled(Some(file.written));
        }
        Ok(in_place)
    }

    fn write_in_place(&self, file: &InPlace, chunk: &Writes) -> io::Result<()> {
        file.file.locked(&mut || {
            let _alone = self
                .in_place
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            // The header last, as rrdtool does: until it is there, what was written counts for nothing.
            let mut writes = chunk.numbered(file.writes.clone()).rev();
            writes.try_for_each(|(offset, bytes)| file.file.write_at(bytes, offset))
        })
    }

    fn write_beside(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = self.disk.open(&beside(path), Open::OrCreate)?;
        file.set_size(0)?;
        file.reserve(bytes.len() as u64)?;
        let mut pieces = (0..).step_by(PIECE).zip(bytes.chunks(PIECE));
        pieces.try_for_each(|(at, piece)| file.write_at(piece, at))
    }

    /// Decides how the rows of `work` get into its file.
    ///
    /// # Errors
    /// When the disk is full or the process has no descriptor left: that is not this file's fault.
    fn plan(&self, work: &Work, run: &mut Run) -> Result<Plan, CheckpointError> {
        if work.rows.iter().any(|row| row.position < run.fresh_from) {
            // The power may have gone while a file was being replaced that is not replaced any more.
            drop(self.disk.remove(&beside(&work.path)));
        }
        let columns = work.columns.len();
        let planned = match GraphFile::open(&*self.disk, &work.path, columns, &mut run.start) {
            Ok(Some(file)) => self.plan_existing(work, file, run),
            Ok(None) => {
                if work.had_file {
                    let problem = format!(
                        "{} is gone, and its history with it: begun anew",
                        work.path.display()
                    );
                    run.report.problems.push(problem);
                }
                self.plan_new(work, run)
            }
            Err(error) => Err(error),
        };
        let path = work.path.display();
        match planned {
            Ok(plan) => Ok(plan),
            Err(FileError::Disk(error)) if concerns_all_files(&error) => Err(error.into()),
            Err(FileError::Disk(error)) if is_no_file(&error) || run.pressed => {
                self.begin_anew(work, &error, run)
            }
            // Somebody may mend that; but not while the journal grows without end.
            Err(FileError::Disk(error)) => {
                let problem = format!("{error}; its readings wait");
                run.report.problems.push(problem);
                Ok(Plan::Wait)
            }
            Err(FileError::Damaged(error)) => self.begin_anew(work, &error, run),
            Err(error @ (FileError::Definition(_) | FileError::Update(_))) => {
                let rows = work.rows.len();
                run.report
                    .problems
                    .push(format!("{path}: {rows} rows dropped: {error}"));
                Ok(Plan::Drop)
            }
        }
    }

    /// Sets a file that cannot be used aside, and begins a new one with what is sound of it.
    fn begin_anew(
        &self,
        work: &Work,
        why: &dyn fmt::Display,
        run: &mut Run,
    ) -> Result<Plan, CheckpointError> {
        let path = work.path.display();
        let aside = format!("{path}.damaged-{}", run.now.seconds());
        if let Err(error) = self.disk.rename(&work.path, Path::new(&aside)) {
            run.report.problems.push(format!(
                "{path} cannot be used ({why}) nor set aside ({error}); its readings wait"
            ));
            return Ok(Plan::Wait);
        }
        let (planned, begun) = match self.mended(Path::new(&aside)) {
            Some((bytes, changes)) => {
                let changes: Vec<String> = changes.iter().map(Change::to_string).collect();
                let begun = format!("goes on with what is sound of it ({})", changes.join("; "));
                (replacement(work, bytes, run), begun)
            }
            None => (self.plan_new(work, run), "begun anew".to_owned()),
        };
        run.report.problems.push(format!(
            "{path} cannot be used ({why}): set aside as {aside}, {begun}"
        ));
        match planned {
            Err(FileError::Disk(error)) => Err(error.into()),
            planned => Ok(planned.unwrap_or(Plan::Drop)),
        }
    }

    /// What is sound of a file that was set aside.
    fn mended(&self, aside: &Path) -> Option<(Vec<u8>, Vec<Change>)> {
        let file = self.disk.open(aside, Open::Existing).ok()?;
        let bytes = read_whole(&*file, FILE_BYTES_MAX).ok()?;
        mend(&bytes).ok()
    }

    fn plan_new(&self, work: &Work, run: &mut Run) -> Result<Plan, FileError> {
        if let Some(problem) = work.decided(&self.catalog()).problem {
            let path = work.path.display();
            run.report.problems.push(format!("{path}: {problem}"));
        }
        let bytes = new_file(work, &self.catalog())?;
        replacement(work, bytes, run)
    }

    fn plan_existing(
        &self,
        work: &Work,
        file: GraphFile,
        run: &mut Run,
    ) -> Result<Plan, FileError> {
        let wanted = run.wanted(work);
        let sources = changed_sources(&wanted.sources, &file.header);
        let shape = if wanted.shape.is_of(&file.header) {
            None
        } else {
            grown_shape(work, &wanted.shape, &file.header, &self.catalog())
        };
        let shape = shape.filter(|_| run.may_grow());
        if sources.is_none() && shape.is_none() {
            return in_place(work, file, run);
        }
        let mut bytes = read_whole(&*file.file, FILE_BYTES_MAX)?;
        let path = work.path.display();
        if let Some(sources) = sources {
            match reshape(&bytes, &sources) {
                Ok(reshaped) => bytes = reshaped,
                Err(error) => {
                    let problem = format!("{path}: fields cannot be added or changed: {error}");
                    run.report.problems.push(problem);
                    return in_place(work, file, run);
                }
            }
        }
        if let Some(shape) = shape {
            // What cannot get more rows keeps those that it has.
            if let Ok(grown) = resample(&bytes, shape.step, &shape.archives()) {
                tracing::info!(
                    "{path}: keeps more history from now on, at {} s",
                    shape.step
                );
                run.grown_files += 1;
                run.grown_bytes += grown.len();
                bytes = grown;
            }
        }
        replacement(work, bytes, run)
    }
}

/// Whether there is something else where the file should be: a link, a folder.
pub(super) fn is_no_file(error: &io::Error) -> bool {
    use nix::libc::{EISDIR, ELOOP, ENOTDIR};
    matches!(os_code(error), Some(EISDIR | ELOOP | ENOTDIR))
}

fn in_place(work: &Work, mut file: GraphFile, run: &mut Run) -> Result<Plan, FileError> {
    let mut writes = std::mem::take(&mut run.writes);
    writes.clear();
    let advanced = run.advance(work, &mut file.header, &mut writes);
    let numbers = writes.merge_onto(&mut run.chunk);
    run.writes = writes;
    advanced?;
    let (path, file_len) = (&work.path, file.header.file_len());
    run.redo
        .add(path, file_len, &run.chunk, numbers.clone(), &run.start);
    Ok(Plan::InPlace(InPlace {
        file: file.file,
        writes: numbers,
        written: last_update(&file.header),
    }))
}

fn replacement(work: &Work, mut bytes: Vec<u8>, run: &mut Run) -> Result<Plan, FileError> {
    let mut header = Header::parse(&bytes, bytes.len() as u64)?;
    let mut writes = Writes::new();
    run.advance(work, &mut header, &mut writes)?;
    writes.apply(&mut bytes);
    Ok(Plan::Replace(bytes, last_update(&header)))
}

fn new_file(work: &Work, catalog: &Catalog) -> Result<Vec<u8>, FileError> {
    let first = work.rows.iter().next().map_or(0, |row| row.time.seconds());
    Ok(create(&work.definition(catalog, first))?)
}

/// The data sources that the file should have, when they are not those it has. A source of a field that is not declared
/// any more stays. For a file with computed sources these are the declared ones alone, and reshaping says no.
pub(super) fn changed_sources(wanted: &[DataSource], header: &Header) -> Option<Vec<DataSource>> {
    let is_it = |(have, wanted): (&Source, &DataSource)| have.is(wanted);
    if wanted.len() == header.sources().len() && header.sources().iter().zip(wanted).all(is_it) {
        return None;
    }
    let Some(have) = header.definition() else {
        let named = |name: &str| header.sources().iter().any(|source| source.name() == name);
        let changed = !wanted.iter().all(|wanted| named(&wanted.name));
        return changed.then(|| wanted.to_vec());
    };
    let mut sources = have.sources;
    let mut changed = false;
    for wanted in wanted {
        match sources.iter_mut().find(|have| have.name == wanted.name) {
            Some(have) if same(have, wanted) => {}
            Some(have) => {
                *have = wanted.clone();
                changed = true;
            }
            None => {
                sources.push(wanted.clone());
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

/// The rows that the file should have, when they are others than it has and nothing of these would be lost. Rows are taken
/// away only by `ravenry store reshape`: a declaration or a setting that changes for a day must not cost a year's history.
fn grown_shape(work: &Work, shape: &Shape, header: &Header, catalog: &Catalog) -> Option<Shape> {
    let stored = catalog.graph(&work.host, &work.graph)?;
    let began = stored.first_update.map_or(0, Timestamp::seconds);
    let loses_nothing = loses_nothing(header, began, shape.step, &shape.archives());
    loses_nothing.then(|| shape.clone())
}

/// What one checkpoint carries along.
struct Run {
    /// Files that were given more rows, and their bytes.
    grown_files: usize,
    grown_bytes: usize,
    now: Timestamp,
    /// Whether the journal is so full that no file may hold it back.
    pressed: bool,
    /// The first journal entry that was not read again at the start.
    fresh_from: u64,
    redo: Redo,
    layouts: Arc<Layouts>,
    /// What files should have, by what they were declared as.
    wanted: HashMap<usize, Arc<Wanted>>,
    /// Whether something that was sealed could not be written.
    unfinished: bool,
    report: Report,
    /// The header of the file at hand, as it is in the file.
    start: Vec<u8>,
    /// What is to be written to the file at hand.
    writes: Writes,
    /// What is to be written in place, to all files of the chunk at hand.
    chunk: Writes,
}

/// What the file of a graph should have.
struct Wanted {
    /// What it was declared as; held here, so that no other gets its place in memory.
    graph: Arc<Graph>,
    declared: bool,
    shape: Shape,
    sources: Vec<DataSource>,
}

impl Run {
    fn may_grow(&self) -> bool {
        self.grown_files < GROWN_FILES_MAX && self.grown_bytes < GROWN_BYTES_MAX
    }

    /// What the file should have. Hosts that declare the same share it, unless the configuration has rules by host.
    fn wanted(&mut self, work: &Work) -> Arc<Wanted> {
        let graph = &work.graph_definition;
        let key = Arc::as_ptr(graph).addr();
        let known = self.wanted.get(&key).filter(|wanted| {
            Arc::ptr_eq(&wanted.graph, graph)
                && wanted.declared == work.declared
                && self.layouts.rules.is_empty()
        });
        if let Some(known) = known {
            return Arc::clone(known);
        }
        let definition = self.layouts.definition(&work.host, graph, work.declared, 0);
        let wanted = Arc::new(Wanted {
            graph: Arc::clone(graph),
            declared: work.declared,
            shape: self.layouts.decide(&work.host, graph).shape,
            sources: definition.sources,
        });
        self.wanted.insert(key, Arc::clone(&wanted));
        wanted
    }

    fn advance(
        &mut self,
        work: &Work,
        header: &mut Header,
        writes: &mut Writes,
    ) -> Result<(), FileError> {
        let fresh_from = if work.again {
            u64::MAX
        } else {
            self.fresh_from
        };
        let advanced = advance(header, &work.columns, work.rows.iter(), fresh_from, writes)?;
        self.report.rows += advanced.taken;
        self.report.late += advanced.late;
        self.report.unfit += advanced.unfit;
        Ok(())
    }
}

/// What becomes of the rows of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// They are in the file, which was updated until then, or nowhere.
    Settled(Option<Timestamp>),
    /// They may be in the file already, or will be; until that is known readers see them.
    Sealed,
    /// They wait for the next checkpoint.
    Waiting,
}

/// Graphs whose rows were taken from the catalog, and what becomes of them when this is dropped.
struct Chunk<'s> {
    store: &'s Store,
    works: Vec<Work>,
    fates: Vec<Fate>,
}

impl<'s> Chunk<'s> {
    fn new(store: &'s Store, works: Vec<Work>) -> Self {
        let fates = vec![Fate::Waiting; works.len()];
        Self {
            store,
            works,
            fates,
        }
    }
}

impl Drop for Chunk<'_> {
    fn drop(&mut self) {
        let mut catalog = self.store.catalog_mut();
        for (work, fate) in self.works.iter().zip(&self.fates) {
            let Some(stored) = catalog.graph_mut(&work.host, &work.graph) else {
                continue;
            };
            match fate {
                Fate::Settled(written) => {
                    stored.pending.settle(*written);
                    let readings = work.rows.readings() as u64;
                    catalog.counts.pending = catalog.counts.pending.saturating_sub(readings);
                }
                Fate::Waiting => stored.pending.put_back(),
                Fate::Sealed => {}
            }
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
