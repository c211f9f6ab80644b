//! The RRD file of one graph: opened and checked, and moved forward by rows in memory.

use std::io;
use std::path::Path;

use ravenry_plugins::disk::{Disk, DiskFile, Open};
use ravenry_plugins::name::FieldName;
use ravenry_plugins::reading::Reading;
use ravenry_rrd::definition::DefinitionError;
use ravenry_rrd::header::{Header, HeaderError, Outline};
use ravenry_rrd::layout::STAT_HEAD;
use ravenry_rrd::update::{Input, UpdateError};
use ravenry_rrd::writes::Writes;

use super::layout::source_name;
use super::pending::Row;

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
    /// Opens a file and reads its header; `None` when it is not there.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn open(disk: &dyn Disk, path: &Path) -> Result<Option<Self>, FileError> {
        let file = match disk.open(path, Open::Existing) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let size = file.size_bytes()?;
        let start = read(&*file, STAT_HEAD)?;
        let outline = Outline::parse(&start, size)?;
        let header = Header::parse(&read(&*file, outline.header_len)?, size)?;
        Ok(Some(Self { file, header }))
    }
}

fn read(file: &dyn DiskFile, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// What became of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advanced {
    /// Rows that moved the header forward.
    pub taken: u64,
    /// Rows that the file had moved past already.
    pub past: u64,
}

/// Moves `header` forward by `rows`, whose slots belong to `columns`, and collects what is to be written.
///
/// # Errors
/// When the file has what cannot be updated; a row that does not fit is otherwise none.
pub fn advance<'r>(
    header: &mut Header,
    columns: &[FieldName],
    rows: impl Iterator<Item = &'r Row>,
    writes: &mut Writes,
) -> Result<Advanced, UpdateError> {
    header.updatable()?;
    let sources = sources(header, columns);
    let mut inputs = vec![Input::Unknown; header.sources().len()];
    let mut advanced = Advanced::default();
    for row in rows {
        inputs.fill(Input::Unknown);
        for (slot, source) in row.slots.iter().zip(&sources) {
            if let (Some(reading), Some(source)) = (slot, source) {
                inputs[*source] = input(*reading);
            }
        }
        match header.update(
            row.time.seconds(),
            row.time.subsec_micros(),
            &inputs,
            writes,
        ) {
            Ok(()) => advanced.taken += 1,
            Err(UpdateError::NotLater { .. }) => advanced.past += 1,
            Err(error) => return Err(error),
        }
    }
    if advanced.taken > 0 {
        header.live_write(writes);
    }
    Ok(advanced)
}

/// The number of the data source of each column; `None` where the file has none yet.
pub fn sources(header: &Header, columns: &[FieldName]) -> Vec<Option<usize>> {
    let number = |column: &FieldName| {
        let name = source_name(column);
        header
            .sources()
            .iter()
            .position(|source| source.name() == name)
    };
    columns.iter().map(number).collect()
}

fn input(reading: Reading) -> Input<'static> {
    match reading {
        Reading::Unknown => Input::Unknown,
        Reading::Count(count) => Input::Count(count),
        Reading::Number(number) => Input::Number(number),
    }
}
