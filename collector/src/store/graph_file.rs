//! The RRD file of one graph: opened and checked, and moved forward by rows in memory.

use std::io;
use std::path::Path;
use std::time::Duration;

use ravenry_plugins::disk::{Disk, DiskFile, Open};
use ravenry_plugins::name::FieldName;
use ravenry_plugins::reading::Reading;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_rrd::definition::DefinitionError;
use ravenry_rrd::header::{Header, HeaderError, Outline};
use ravenry_rrd::update::{Input, UpdateError};
use ravenry_rrd::writes::Writes;

use super::layout::is_source_of;
use super::pending::{Group, merged};
use super::row::Row;

/// A whole file is read at most this large, when it is rewritten.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// A file whose header has been read.
pub struct GraphFile {
    /// The file.
    pub file: Box<dyn DiskFile>,
    /// What it is made of, and where it stands.
    pub header: Header,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The disk fails, or is full: try again later.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// The file is damaged: set it aside.
    #[error("{0}")]
    Damaged(#[from] HeaderError),
    /// No file can hold this graph.
    #[error("{0}")]
    Definition(#[from] DefinitionError),
    /// The file has what we do not write.
    #[error("{0}")]
    Update(#[from] UpdateError),
}

impl GraphFile {
    /// Opens a file and reads its header; `None` when it is not there. `columns` is about how many sources it has, `start`
    /// is room, and holds the header as it is in the file afterwards.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn open(
        disk: &dyn Disk,
        path: &Path,
        columns: usize,
        start: &mut Vec<u8>,
    ) -> Result<Option<Self>, FileError> {
        let file = match disk.open(path, Open::Existing) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let size = file.size_bytes()?;
        read(&*file, START + SOURCE * columns.min(SOURCES_MAX), start)?;
        let outline = Outline::parse(start, size)?;
        if outline.header_len > start.len() {
            read(&*file, outline.header_len, start)?;
        }
        let header = Header::parse(start, size)?;
        start.truncate(outline.header_len);
        Ok(Some(Self { file, header }))
    }
}

/// How long a header is, about: 2.9 KB for a source and 13.6 KB for ten in Munin's layout. A longer one is read again.
const START: usize = 2 << 10;
const SOURCE: usize = 1200;
const SOURCES_MAX: usize = 100;

fn read(file: &dyn DiskFile, len: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.resize(len, 0);
    let read = file.read_at(bytes, 0)?;
    bytes.truncate(read);
    Ok(())
}

/// The time up to which a file has been updated: what is not later cannot be taken any more.
pub fn last_update(header: &Header) -> Timestamp {
    let (seconds, micros) = header.last_update();
    Timestamp::from_seconds(seconds) + Duration::from_micros(u64::from(micros))
}

/// What became of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advanced {
    /// Rows that moved the header forward.
    pub taken: u64,
    /// Readings of rows that the file had moved past already, and that came after `fresh_from`.
    pub late: u64,
    /// Readings that the file's kind of source cannot hold; they count as unknown.
    pub unfit: u64,
}

/// Moves `header` forward by `rows`, whose readings belong to `columns`, and collects what is to be written. Rows of
/// entries before `fresh_from` were read again from the journal: that the file has moved past them is no news.
///
/// # Errors
/// When the file has what cannot be updated.
pub fn advance<'r>(
    header: &mut Header,
    columns: &[FieldName],
    rows: impl Iterator<Item = Row<'r>>,
    fresh_from: u64,
    writes: &mut Writes,
) -> Result<Advanced, UpdateError> {
    header.updatable()?;
    let sources = sources(header, columns);
    let mut inputs = vec![Input::Unknown; header.sources().len()];
    let mut advanced = Advanced::default();
    let step = Duration::from_secs(header.step());
    let written = last_update(header);
    let mut late = 0;
    // Before rows are joined: one that the file has must not come again with a later one.
    let rows = rows.filter(|row| {
        let is_later = row.time > written;
        if !is_later && row.position >= fresh_from {
            late += row.cells.len() as u64;
        }
        is_later
    });
    merged(rows, step, |group| {
        inputs.fill(Input::Unknown);
        for cell in &group.cells {
            if let Some(Some(source)) = sources.get(cell.column() as usize) {
                inputs[*source] = input(cell.reading());
            }
        }
        match update(header, group, &mut inputs, writes) {
            Ok(unfit) => {
                advanced.taken += 1;
                advanced.unfit += unfit;
            }
            Err(UpdateError::NotLater { .. }) if group.position < fresh_from => {}
            Err(UpdateError::NotLater { .. }) => advanced.late += group.cells.len() as u64,
            Err(error) => return Err(error),
        }
        Ok(())
    })?;
    advanced.late += late;
    if advanced.taken > 0 {
        header.live_write(writes);
    }
    Ok(advanced)
}

/// Moves the header by one row; an input that its source cannot hold becomes unknown. Says how many.
fn update(
    header: &mut Header,
    group: &Group,
    inputs: &mut [Input<'_>],
    writes: &mut Writes,
) -> Result<u64, UpdateError> {
    let mut unfit = 0;
    loop {
        let updated = header.update(
            group.time.seconds(),
            group.time.subsec_micros(),
            inputs,
            writes,
        );
        let name = match updated {
            Ok(()) => return Ok(unfit),
            Err(
                UpdateError::NotAnInteger { ref name, .. }
                | UpdateError::NotANumber { ref name, .. },
            ) => name,
            Err(error) => return Err(error),
        };
        let source = header
            .sources()
            .iter()
            .position(|source| source.name() == name);
        match source.filter(|source| inputs[*source] != Input::Unknown) {
            Some(source) => inputs[source] = Input::Unknown,
            None => return updated.map(|()| unfit),
        }
        unfit += 1;
    }
}

/// The number of the data source of each column; `None` where the file has none yet.
pub fn sources(header: &Header, columns: &[FieldName]) -> Vec<Option<usize>> {
    let is_it = |source: usize, column: &FieldName| {
        let found = header.sources().get(source);
        found.is_some_and(|source| is_source_of(source.name(), column))
    };
    // Mostly columns and sources are in the same order.
    let number = |(index, column): (usize, &FieldName)| {
        if is_it(index, column) {
            return Some(index);
        }
        (0..header.sources().len()).find(|source| is_it(*source, column))
    };
    columns.iter().enumerate().map(number).collect()
}

fn input(reading: Reading) -> Input<'static> {
    match reading {
        Reading::Unknown => Input::Unknown,
        Reading::Count(count) => Input::Count(count),
        Reading::Number(number) => Input::Number(number),
    }
}
