//! Reads everything in a data directory and says what is wrong with it. Changes nothing, takes no more than a reader's
//! lock, and works whether or not a collector does.
//!
//! A collector at work changes things while they are looked at: a file is there before the catalog that names it is saved.
//! What may be such a moment's ([`Fault::may_pass`]) is looked at again before it is said.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ravenry_plugins::disk::FileDisk;
use ravenry_plugins::name::{GraphName, HostName};
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::Tables;
use ravenry_rrd::file::{Lock, LockKind};
use ravenry_rrd::header::{Header, HeaderError, Outline};
use ravenry_rrd::layout::STAT_HEAD;
use ravenry_rrd::mend::{Change, mend, whole_len};

use super::fault::Fault;
use super::graph_file::FILE_BYTES_MAX;
use super::layout::{rows_text, source_name};
use super::{FOLDER, redo};
use crate::catalog::StoredGraph;
use crate::config::layout::Layouts;
use crate::database::{Database, DatabaseError};
use crate::entry::Entry;
use crate::journal::segment;
use crate::serve::DATABASE;

/// What may be a moment's is looked at so often, this far apart: longer than a checkpoint takes.
const LOOKS: u32 = 5;
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// How a file is read to its end.
const READ_BYTES: usize = 256 << 10;

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about, relative to the data directory.
    pub path: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// All that was found, and how much was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// History files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// In the order of their paths; state, journal and redo file last.
    pub findings: Vec<Finding>,
}

/// What is to be looked at, and how.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The data directory.
    pub data: PathBuf,
    /// What the configuration says about how much is kept.
    pub layouts: Layouts,
    /// Last updates beyond this are in the future.
    pub latest: Timestamp,
    /// Whether a collector works there.
    pub is_running: bool,
}

type Key = (HostName, GraphName);

/// What the state database and the journal know.
#[derive(Default)]
struct Known {
    graphs: BTreeMap<Key, StoredGraph>,
    /// Graphs of which something waits in the journal.
    waiting: BTreeSet<Key>,
    findings: Vec<Finding>,
}

impl Scope {
    /// The history files, and everything else that lies beside them, relative to the data directory.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn list(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for host in sorted(&self.data.join(FOLDER))? {
            if host.file_type()?.is_dir() {
                let files = sorted(&host.path())?;
                found.extend(files.iter().map(fs::DirEntry::path));
            } else {
                found.push(host.path());
            }
        }
        let relative = |path: PathBuf| path.strip_prefix(&self.data).map(Path::to_owned);
        Ok(found
            .into_iter()
            .filter_map(|path| relative(path).ok())
            .collect())
    }

    /// Looks at `files`, and at state, journal and redo file; `each` is told of each file that was looked at.
    #[must_use]
    pub fn verify(&self, files: &[PathBuf], mut each: impl FnMut(&Path)) -> Verified {
        let mut verified = Verified::default();
        let known = Known::read(self);
        for path in files {
            self.look(path, &known, &mut verified);
            each(path);
        }
        self.find_gone(&known, &mut verified);
        verified.findings.extend(known.findings);
        verified
    }

    /// Looks again at what may have been a moment's, until it has passed or has lasted.
    pub fn look_again(&self, verified: &mut Verified) {
        for _ in 0..LOOKS {
            let passing = |finding: &Finding| finding.fault.may_pass();
            if !self.is_running || !verified.findings.iter().any(passing) {
                return;
            }
            thread::sleep(LOOK_PAUSE);
            let known = Known::read(self);
            let (again, stay): (Vec<_>, Vec<_>) = verified
                .findings
                .drain(..)
                .filter(|finding| finding.path.starts_with(FOLDER))
                .partition(passing);
            let mut second = Verified::default();
            let mut paths: Vec<PathBuf> = again
                .into_iter()
                .map(|finding| finding.path.into())
                .collect();
            paths.dedup();
            for path in paths
                .iter()
                .filter(|path| self.data.join(path).symlink_metadata().is_ok())
            {
                self.look(path, &known, &mut second);
            }
            self.find_gone(&known, &mut second);
            verified.findings = stay;
            verified.findings.extend(second.findings);
            verified.findings.sort_by(|a, b| a.path.cmp(&b.path));
            verified.findings.extend(known.findings);
        }
    }

    fn find_gone(&self, known: &Known, verified: &mut Verified) {
        for (key, stored) in &known.graphs {
            let path = super::Store::path(&key.0, &key.1);
            let has_file = self.data.join(&path).symlink_metadata().is_ok();
            if stored.first_update.is_some() && !known.waiting.contains(key) && !has_file {
                verified.findings.push(Finding {
                    path: path.display().to_string(),
                    fault: Fault::Gone,
                });
            }
        }
    }

    /// Looks at something below the folder of history files.
    fn look(&self, path: &Path, known: &Known, verified: &mut Verified) {
        let mut faults = Vec::new();
        match kind_of(path) {
            Kind::History(host, graph) => {
                verified.files += 1;
                let looked = self.look_at_file(path, &mut faults);
                if let Some((header, bytes)) = looked {
                    verified.bytes += bytes;
                    self.compare(&header, &host, &graph, known, &mut faults);
                }
            }
            Kind::Leftover => faults.push(Fault::Leftover),
            Kind::SetAside(place) => {
                let mut inside = Vec::new();
                let is_sound = self.look_at_file(path, &mut inside).is_some() && inside.is_empty();
                let is_free = self.data.join(&place).symlink_metadata().is_err();
                let place = is_free.then(|| place.display().to_string());
                faults.push(Fault::SetAside { is_sound, place });
            }
            Kind::Stray => faults.push(Fault::Stray),
        }
        let path = path.display().to_string();
        verified
            .findings
            .extend(faults.into_iter().map(|fault| Finding {
                path: path.clone(),
                fault,
            }));
    }

    /// Reads a history file to its end: its header, when that makes sense, and its length.
    fn look_at_file(&self, path: &Path, faults: &mut Vec<Fault>) -> Option<(Header, u64)> {
        let place = self.data.join(path);
        let read = || -> io::Result<Result<(Header, u64), Fault>> {
            let metadata = place.symlink_metadata()?;
            if let Some(found) = no_file(&metadata) {
                return Ok(Err(Fault::NoFile { found }));
            }
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o600 != 0o600 {
                return Ok(Err(Fault::Mode(mode)));
            }
            let mut file = File::open(&place)?;
            let len = metadata.len();
            let header = read_header(&mut file, len)?;
            read_to_end(&mut file)?;
            match header {
                Ok(header) if whole_len(&header) < len => {
                    let bytes = len - whole_len(&header);
                    Ok(Err(Fault::Mendable(vec![Change::Shortened { bytes }])))
                }
                Ok(header) => Ok(Ok((header, len))),
                Err(error) => Ok(Err(mendable(&place, len, &error))),
            }
        };
        match read() {
            Ok(Ok(looked)) => {
                let (seconds, _) = looked.0.last_update();
                let last_update = Timestamp::from_seconds(seconds);
                if last_update > self.latest {
                    faults.push(Fault::Future(last_update));
                }
                Some(looked)
            }
            Ok(Err(fault)) => {
                faults.push(fault);
                None
            }
            Err(error) => {
                faults.push(Fault::Unreadable(error.to_string()));
                None
            }
        }
    }

    /// Compares a file with what is known of its graph.
    fn compare(
        &self,
        header: &Header,
        host: &HostName,
        graph: &GraphName,
        known: &Known,
        faults: &mut Vec<Fault>,
    ) {
        let key = (host.clone(), graph.clone());
        let Some(stored) = known.graphs.get(&key) else {
            if !known.waiting.contains(&key) {
                faults.push(Fault::Unclaimed);
            }
            return;
        };
        let columns: BTreeSet<String> = stored
            .columns
            .iter()
            .map(|column| source_name(&column.field))
            .collect();
        let names = header
            .sources()
            .iter()
            .map(|source| source.name().to_owned());
        let unknown: Vec<String> = names.filter(|name| !columns.contains(name)).collect();
        if !unknown.is_empty() {
            faults.push(Fault::UnknownSources(unknown));
        }
        let shape = self.layouts.decide(host, &stored.graph).shape;
        if !shape.is_of(header) && !known.waiting.contains(&key) {
            let have = header
                .archives()
                .iter()
                .map(|archive| (archive.steps, archive.rows));
            faults.push(Fault::OtherRows {
                have: rows_text(header.step(), have),
                want: rows_text(shape.step, shape.tiers.iter().copied()),
                shape,
            });
        }
    }
}

impl Known {
    fn read(scope: &Scope) -> Self {
        let mut known = Self::default();
        let path = scope.data.join(DATABASE);
        let position = if path.exists() {
            known.read_state(&path).unwrap_or_else(|error| {
                known.find(DATABASE, Fault::State(error.to_string()));
                None
            })
        } else {
            if scope.data.join(FOLDER).exists() {
                let gone = "state database: it is not there; hosts and graphs come back with the next pushes, tokens and what alerts remembered do not";
                known.find(DATABASE, Fault::State(gone.to_owned()));
            }
            None
        };
        let journal = known.read_journal(scope, position);
        if let Err(error) = journal {
            known.find(segment::FOLDER, Fault::Journal(error.to_string()));
        }
        let disk = FileDisk::new(&scope.data);
        match disk.and_then(|disk| redo::waiting(&disk)) {
            Ok(0) => {}
            // A checkpoint is at work.
            Ok(_) if scope.is_running => {}
            Ok(files) => known.find(redo::NAME, Fault::Redo { files }),
            Err(error) => known.find(redo::NAME, Fault::Unreadable(error.to_string())),
        }
        known
    }

    fn find(&mut self, path: &str, fault: Fault) {
        let path = path.to_owned();
        self.findings.push(Finding { path, fault });
    }

    fn read_state(&mut self, path: &Path) -> Result<Option<u64>, DatabaseError> {
        let database = Database::look_at(path)?;
        for problem in database.integrity()? {
            self.find(DATABASE, Fault::State(format!("state database: {problem}")));
        }
        let (graphs, problems) = database.graphs()?;
        for problem in problems {
            self.find(DATABASE, Fault::State(problem));
        }
        for graph in graphs {
            self.graphs.insert((graph.host, graph.name), graph.stored);
        }
        database.position().map(Some)
    }

    /// Reads all segments; what is behind `position` is not in the files yet.
    fn read_journal(&mut self, scope: &Scope, position: Option<u64>) -> io::Result<()> {
        let folder = scope.data.join(segment::FOLDER);
        let mut batches = 0;
        let mut unreadable = None;
        for entry in sorted(&folder)? {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{}/{name}", segment::FOLDER);
            let Some(first) = segment::first_of(&name) else {
                let fault = if name.ends_with(".damaged") {
                    Fault::SetAside {
                        is_sound: false,
                        place: None,
                    }
                } else {
                    Fault::Stray
                };
                self.find(&path, fault);
                continue;
            };
            let bytes = fs::read(entry.path())?;
            let read = segment::records(first, &bytes, &mut |at, bytes| {
                if position.is_some_and(|position| at <= position) {
                    return;
                }
                batches += 1;
                match Entry::decode(bytes, &Tables::default()) {
                    Ok(entry) => self.waiting.extend(graphs_of(&entry)),
                    Err(error) => unreadable = Some(format!("entry {at}: {error}")),
                }
            });
            for problem in read.problem.into_iter().chain(unreadable.take()) {
                self.find(&path, Fault::Journal(problem));
            }
        }
        if batches > 0 && !scope.is_running {
            self.find(segment::FOLDER, Fault::Waiting { batches });
        }
        Ok(())
    }
}

fn graphs_of(entry: &Entry) -> impl Iterator<Item = Key> + '_ {
    let batch = &entry.batch;
    batch.series.graph.iter().enumerate().map(|(index, graph)| {
        let host = batch.series.host.get(index).and_then(Option::as_ref);
        (host.unwrap_or(&batch.host).clone(), graph.clone())
    })
}

/// What a path below the folder of history files is, by its name.
enum Kind {
    History(HostName, GraphName),
    Leftover,
    /// Where it belongs.
    SetAside(PathBuf),
    Stray,
}

fn kind_of(path: &Path) -> Kind {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    let &[_, host, name] = parts.as_slice() else {
        return Kind::Stray;
    };
    let Ok(host) = HostName::new(host) else {
        return Kind::Stray;
    };
    if name.ends_with(".new") {
        return Kind::Leftover;
    }
    if let Some((place, _)) = name.split_once(".rrd.damaged") {
        return Kind::SetAside(path.with_file_name(format!("{place}.rrd")));
    }
    match name.strip_suffix(".rrd").map(GraphName::new) {
        Some(Ok(graph)) => Kind::History(host, graph),
        Some(Err(_)) | None => Kind::Stray,
    }
}

fn no_file(metadata: &fs::Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_file() {
        None
    } else if kind.is_symlink() {
        Some("a link")
    } else if kind.is_dir() {
        Some("a directory")
    } else {
        Some("a device or socket")
    }
}

/// The entries of a folder in the order of their names; none where there is no folder.
fn sorted(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

/// Reads the header under rrdtool's lock.
fn read_header(file: &mut File, len: u64) -> io::Result<Result<Header, HeaderError>> {
    let reader: &File = file;
    let _lock = Lock::take(reader, LockKind::Shared)?;
    let mut bytes = Vec::new();
    reader.take(STAT_HEAD as u64).read_to_end(&mut bytes)?;
    let outline = match Outline::parse(&bytes, len) {
        Ok(outline) => outline,
        Err(error) => return Ok(Err(error)),
    };
    let rest = (outline.header_len - STAT_HEAD) as u64;
    reader.take(rest).read_to_end(&mut bytes)?;
    Ok(Header::parse(&bytes, len))
}

/// A disk that cannot give back what was written says so only when it is read.
fn read_to_end(file: &mut File) -> io::Result<()> {
    let mut bytes = vec![0; READ_BYTES];
    while file.read(&mut bytes)? > 0 {}
    Ok(())
}

/// A file whose header makes no sense: can it be mended?
fn mendable(place: &Path, len: u64, error: &HeaderError) -> Fault {
    let damaged = Fault::Damaged(error.to_string());
    if len > FILE_BYTES_MAX {
        return damaged;
    }
    match fs::read(place).map(|bytes| mend(&bytes)) {
        Ok(Ok((_, changes))) => Fault::Mendable(changes),
        Ok(Err(_)) => damaged,
        Err(error) => Fault::Unreadable(error.to_string()),
    }
}
