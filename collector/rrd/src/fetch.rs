//! Rows out of a file: which archive answers, which rows at which times, which bytes they are. The choice and the times
//! are rrdtool's. Nothing is read here: [`Plan::read`] asks its caller for byte ranges, at most two an archive lap.
//!
//! Pending writes: give the header that has them and read through [`crate::writes::Writes::overlay`]:
//!
//! ```
//! # use ravenry_rrd::{definition::{Cf, Definition}, create::create, header::Header, update::Input, writes::Writes};
//! # use ravenry_rrd::fetch::{self, Request};
//! # let definition = Definition::parse(300, 1_000_000_200, &["DS:a:GAUGE:600:U:U", "RRA:LAST:0:1:10"]).unwrap();
//! # let file = create(&definition).unwrap();
//! # let mut header = Header::parse(&file, file.len() as u64).unwrap();
//! # let mut writes = Writes::new();
//! # header.update(1_000_000_500, 0, &[Input::Count(7)], &mut writes).unwrap();
//! let request = Request { cf: Cf::Last, start: 1_000_000_200, end: 1_000_000_499, resolution: 1 };
//! let fetched = fetch::plan(&header, &request)?.read(&header, |offset, bytes| {
//!     fetch::slice(&file, offset, bytes)?;
//!     writes.overlay(offset, bytes);
//!     Ok::<(), fetch::FetchError>(())
//! })?;
//! assert_eq!(fetched.values, [7.0]);
//! # Ok::<(), fetch::FetchError>(())
//! ```

use crate::UNKNOWN;
use crate::definition::Cf;
use crate::header::{Archive, Header, TIME_MAX};

/// Values (rows × columns) that one answer may have.
pub const VALUES_MAX: u64 = 1 << 24;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The consolidation function. Archives of one step answer for AVERAGE, MIN, MAX and LAST alike.
    pub cf: Cf,
    /// UTC seconds; the first row is later.
    pub start: i64,
    /// UTC seconds; the last row is not earlier, and later by a step when this is a multiple of it.
    pub end: i64,
    /// Seconds per row that would be best; the archive nearest to it that reaches back far enough is taken.
    pub resolution: u64,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// UTC seconds; row `n` covers the `step` seconds up to `start + (n + 1) · step`.
    pub start: i64,
    /// The time of the last row.
    pub end: i64,
    /// Seconds per row.
    pub step: u64,
    /// The columns' names.
    pub names: Vec<String>,
    /// Row after row, a value for each column; unknown is NaN.
    pub values: Vec<f64>,
}

impl Fetched {
    /// The rows with their times.
    pub fn rows(&self) -> impl Iterator<Item = (i64, &[f64])> {
        let times = (1..).map(|row| self.start + row * self.step as i64);
        times.zip(self.values.chunks_exact(self.names.len().max(1)))
    }

    /// One column, in order of time.
    pub fn column(&self, index: usize) -> impl Iterator<Item = f64> {
        self.values
            .iter()
            .skip(index)
            .step_by(self.names.len().max(1))
            .copied()
    }
}

/// Where the answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Index of the archive.
    pub archive: usize,
    /// As in [`Fetched`].
    pub start: i64,
    /// As in [`Fetched`].
    pub end: i64,
    /// As in [`Fetched`].
    pub step: u64,
}

/// Why a question cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No archive for this consolidation function.
    #[error("the RRD does not contain an RRA matching the chosen CF")]
    NoArchive,
    /// The start is behind the end, or a time is out of range.
    #[error("start ({start}) should be less than end ({end})")]
    Times {
        /// The start asked for.
        start: i64,
        /// The end asked for.
        end: i64,
    },
    /// More than [`VALUES_MAX`] values.
    #[error("{0} values were asked for, at most {VALUES_MAX} are given at once")]
    TooMany(u64),
    /// The reader was asked beyond the end of the bytes it has.
    #[error("the file ends before offset {0}")]
    Truncated(u64),
}

/// Chooses the archive and the times of the rows.
///
/// # Errors
/// See [`FetchError`].
pub fn plan(header: &Header, request: &Request) -> Result<Plan, FetchError> {
    let Request { start, end, .. } = *request;
    if start > end || start < 0 || end > TIME_MAX {
        return Err(FetchError::Times { start, end });
    }
    let archive = choose(header, request).ok_or(FetchError::NoArchive)?;
    let step = header.step() * header.archives()[archive].steps;
    let signed = step as i64;
    let (start, end) = (start - start % signed, end + signed - end % signed);
    let values = ((end - start) as u64 / step).saturating_mul(header.sources().len() as u64);
    if values > VALUES_MAX {
        return Err(FetchError::TooMany(values));
    }
    Ok(Plan {
        archive,
        start,
        end,
        step,
    })
}

/// How well an archive fits: one that reaches back to the start beats all that do not. Among the former the nearest
/// resolution wins, among the latter the one that reaches back furthest, then the nearest. The first wins a tie.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Full { distance: u64 },
    Partial { missing: i64, distance: u64 },
}

fn choose(header: &Header, request: &Request) -> Option<usize> {
    let candidates = header.archives().iter().enumerate();
    let fits = candidates
        .filter(|(_, archive)| answers(archive, request.cf))
        .map(|(index, archive)| (fit(header, archive, request), index));
    fits.min().map(|(_, index)| index)
}

fn answers(archive: &Archive, cf: Cf) -> bool {
    archive.cf == cf || (archive.steps == 1 && archive.cf.is_plain() && cf.is_plain())
}

fn fit(header: &Header, archive: &Archive, request: &Request) -> Fit {
    let row = header.step() * archive.steps;
    let last = header.last_update().0;
    let end = last - last % row as i64;
    let begin = end - (row * archive.rows) as i64;
    let distance = request.resolution.abs_diff(row);
    if begin <= request.start {
        Fit::Full { distance }
    } else {
        Fit::Partial {
            missing: begin - request.start,
            distance,
        }
    }
}

impl Plan {
    /// Reads the rows. `read(offset, bytes)` fills `bytes` from the file at `offset`; the ranges lie within the file that
    /// the header was parsed for.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read<E>(
        &self,
        header: &Header,
        mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<Fetched, E> {
        let width = header.sources().len();
        let rows = ((self.end - self.start) as u64 / self.step) as usize;
        let mut values = vec![UNKNOWN; rows * width];
        let mut bytes = Vec::new();
        for run in self.runs(header) {
            bytes.resize(8 * width * run.rows, 0);
            read(run.offset, &mut bytes)?;
            let cells = values[run.first * width..].iter_mut();
            for (cell, eight) in cells.zip(bytes.chunks_exact(8)) {
                *cell = f64::from_bits(crate::layout::word(eight, 0));
            }
        }
        let names = header
            .sources()
            .iter()
            .map(|source| source.name().to_owned())
            .collect();
        Ok(Fetched {
            start: self.start,
            end: self.end,
            step: self.step,
            names,
            values,
        })
    }

    /// The stretches of answered rows that lie in one piece in the file: none, one, or two where the archive wraps.
    fn runs(&self, header: &Header) -> impl Iterator<Item = Run> {
        let archive = &header.archives()[self.archive];
        let step = self.step as i64;
        let last = header.last_update().0;
        let newest = last - last % step;
        let oldest = newest - (archive.rows as i64 - 1) * step;
        let first = oldest.max(self.start + step);
        let end = newest.min(self.end);
        let count = if first <= end {
            ((end - first) / step + 1) as u64
        } else {
            0
        };
        let age = if count > 0 {
            ((newest - first) / step) as u64
        } else {
            0
        };
        let row = (header.current_row(self.archive) + archive.rows - age) % archive.rows;
        let before_wrap = count.min(archive.rows - row);
        let at = if count > 0 {
            ((first - self.start) / step - 1) as usize
        } else {
            0
        };
        let width = 8 * header.sources().len() as u64;
        [
            Run {
                first: at,
                rows: before_wrap as usize,
                offset: archive.offset + row * width,
            },
            Run {
                first: at + before_wrap as usize,
                rows: (count - before_wrap) as usize,
                offset: archive.offset,
            },
        ]
        .into_iter()
        .filter(|run| run.rows > 0)
    }
}

/// Rows `first..first + rows` of the answer are at `offset`.
struct Run {
    first: usize,
    rows: usize,
    offset: u64,
}

/// A reader for [`Plan::read`] over a whole file in memory.
///
/// # Errors
/// [`FetchError::Truncated`] when `file` is shorter than the header says.
pub fn slice(file: &[u8], offset: u64, into: &mut [u8]) -> Result<(), FetchError> {
    let from = usize::try_from(offset).map_err(|_| FetchError::Truncated(offset))?;
    let bytes = from
        .checked_add(into.len())
        .and_then(|end| file.get(from..end))
        .ok_or(FetchError::Truncated(offset))?;
    into.copy_from_slice(bytes);
    Ok(())
}
