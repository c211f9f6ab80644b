//! Records that wait on disk until they are delivered: first in, first out, within a stated number of bytes.
//!
//! A folder holds segments `<first position>.spool` and a `cursor`. All numbers are little-endian.
//!
//! ```text
//! segment:  8  "RVNSPL1\n"            cursor:  8  position of the oldest record that is not delivered
//!           8  first position                  8  records dropped
//!           records                            4  crc32 of the 16 bytes before
//! record:   4  length, not 0
//!           4  crc32 of position (8 bytes) and payload
//!           .  payload
//! ```
//!
//! Positions count records from 0 and are not stored: a record's is its segment's first plus the records before it.
//!
//! - A record is safe when [`Spool::push`] returns; it is delivered once [`Spool::pop`] returns. A power cut in between
//!   delivers a record twice, never not at all.
//! - Beyond its limit the spool drops its oldest segment, and counts every record in it that was not delivered.
//! - A torn end is cut when the spool is opened, and said to be. A record that went bad later costs the rest of its
//!   segment, counted as dropped.
//!
//! Calls block; they belong on a thread of their own.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, Open, read_whole};
use crate::problem::Problem;

const MAGIC: [u8; 8] = *b"RVNSPL1\n";
const SEGMENT_HEADER: u64 = 16;
const RECORD_HEADER: u64 = 8;
const CURSOR: &str = "cursor";

/// What a spool may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Bytes of all segments together.
    pub total_bytes: u64,
    /// Bytes at which a segment is full; what is dropped at once when there is no room.
    pub segment_bytes: u64,
    /// Bytes of one record.
    pub record_bytes: u32,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self {
            total_bytes: 256 << 20,
            segment_bytes: 4 << 20,
            record_bytes: 16 << 20,
        }
    }
}

/// Why the spool could not do it. What it held before it holds still.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The record will never fit: do not try again.
    #[error("record: expected 1 to {limit} bytes, found {found}")]
    Record {
        /// Bytes a record may have.
        limit: u64,
        /// Bytes it has.
        found: usize,
    },
    /// The disk failed or is full: try again later.
    #[error("spool: {0}")]
    Disk(#[from] io::Error),
}

/// A place in the spool; grows with every record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

/// The records that wait.
pub struct Spool {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    limits: SpoolLimits,
    /// Oldest first; positions increase, with gaps where something was lost.
    segments: VecDeque<Segment>,
    /// The last segment, open for writing.
    tail: Option<Box<dyn DiskFile>>,
    cursor: Box<dyn DiskFile>,
    /// Oldest record that is not delivered, and its offset in the first segment.
    front: u64,
    front_offset: u64,
    dropped: u64,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    first: u64,
    records: u64,
    size_bytes: u64,
}

impl Segment {
    fn next(&self) -> u64 {
        self.first + self.records
    }
}

impl Spool {
    /// Opens the spool in `folder` of `disk`, or makes it. Says what was lost of it.
    ///
    /// # Errors
    /// When the disk fails; damage is no error.
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        limits: SpoolLimits,
    ) -> Result<(Self, Vec<Problem>), SpoolError> {
        let mut problems = Vec::new();
        let firsts = segment_names(&*disk, folder)?;
        let cursor = disk.open(&folder.join(CURSOR), Open::OrCreate)?;
        let (front, dropped) = match read_cursor(&*cursor)? {
            Some(read) => read,
            None if firsts.is_empty() => (0, 0),
            None if cursor.size_bytes()? == 0 => (firsts[0], 0),
            None => {
                let text = "expected a whole cursor; what waits is delivered again";
                problems.push(problem(folder, CURSOR, text));
                (firsts[0], 0)
            }
        };
        let mut spool = Self {
            disk,
            folder: folder.to_owned(),
            limits,
            segments: VecDeque::new(),
            tail: None,
            cursor,
            front,
            front_offset: SEGMENT_HEADER,
            dropped,
        };
        spool.load(&firsts, &mut problems)?;
        spool.seek_front()?;
        Ok((spool, problems))
    }

    /// Appends a record; it is safe when this returns. Drops the oldest segments when there is no room.
    ///
    /// # Errors
    /// When the record is empty or too large, or the disk fails; then the record is not in the spool.
    pub fn push(&mut self, payload: &[u8]) -> Result<Position, SpoolError> {
        let size = RECORD_HEADER + payload.len() as u64;
        let limit = u64::from(self.limits.record_bytes).min(
            self.limits
                .total_bytes
                .saturating_sub(SEGMENT_HEADER + RECORD_HEADER),
        );
        if payload.is_empty() || payload.len() as u64 > limit {
            let found = payload.len();
            return Err(SpoolError::Record { limit, found });
        }
        while self.size_bytes() + size + SEGMENT_HEADER > self.limits.total_bytes
            && !self.segments.is_empty()
        {
            self.drop_oldest()?;
        }
        let full = self.segments.back().is_none_or(|last| {
            last.records > 0 && last.size_bytes + size > self.limits.segment_bytes
        });
        if full || self.tail.is_none() {
            self.begin_segment()?;
        }
        self.append(payload)
    }

    /// The oldest record that is not delivered.
    ///
    /// # Errors
    /// When the disk fails. A record that is damaged is no error: it is dropped with the rest of its segment, counted.
    pub fn peek(&mut self) -> Result<Option<(Position, Vec<u8>)>, SpoolError> {
        while let Some(segment) = self.segments.front().copied() {
            if self.front >= segment.next() {
                return Ok(None);
            }
            let file = self.disk.open(&self.path(segment.first), Open::Existing)?;
            if let Some(payload) = self.record(&*file, self.front_offset, self.front)? {
                return Ok(Some((Position(self.front), payload)));
            }
            self.drop_oldest()?;
        }
        Ok(None)
    }

    /// Forgets the record that [`Self::peek`] gave. Says whether it was still the oldest: it is not, when it was
    /// dropped meanwhile.
    ///
    /// # Errors
    /// When the disk fails; the record then is delivered again.
    pub fn pop(&mut self, position: Position) -> Result<bool, SpoolError> {
        if position.0 != self.front || self.is_empty() {
            return Ok(false);
        }
        let Some(segment) = self.segments.front().copied() else {
            return Ok(false);
        };
        let file = self.disk.open(&self.path(segment.first), Open::Existing)?;
        let mut header = [0; RECORD_HEADER as usize];
        file.read_at(&mut header, self.front_offset)?;
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        self.save_cursor(self.front + 1, self.dropped)?;
        self.front_offset += RECORD_HEADER + u64::from(length);
        if self.front == segment.next() && self.segments.len() > 1 {
            self.remove_oldest()?;
        }
        Ok(true)
    }

    /// Records that wait.
    #[must_use]
    pub fn len(&self) -> u64 {
        let records: u64 = self.segments.iter().map(|segment| segment.records).sum();
        let delivered = self
            .segments
            .front()
            .map_or(0, |oldest| self.delivered(oldest));
        records - delivered
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that its segments take.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size_bytes).sum()
    }

    /// Records that were dropped since the spool was made: for want of room, or because they went bad.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn path(&self, first: u64) -> PathBuf {
        self.folder.join(segment_name(first))
    }

    fn delivered(&self, oldest: &Segment) -> u64 {
        self.front.saturating_sub(oldest.first).min(oldest.records)
    }

    /// Takes in the segments that are there: those before the cursor go, the last one is read to its end.
    fn load(&mut self, firsts: &[u64], problems: &mut Vec<Problem>) -> Result<(), SpoolError> {
        for (at, &first) in firsts.iter().enumerate() {
            let file = self.disk.open(&self.path(first), Open::Existing)?;
            let segment = match firsts.get(at + 1) {
                Some(next) => Segment {
                    first,
                    records: next - first,
                    size_bytes: file.size_bytes()?,
                },
                None => self.mend_tail(first, &*file, problems)?,
            };
            if segment.next() <= self.front {
                drop(file);
                self.disk.remove(&self.path(first))?;
                continue;
            }
            if at + 1 == firsts.len() {
                self.tail = Some(file);
            }
            self.segments.push_back(segment);
        }
        Ok(())
    }

    /// Reads the last segment and cuts what is no record.
    fn mend_tail(
        &self,
        first: u64,
        file: &dyn DiskFile,
        problems: &mut Vec<Problem>,
    ) -> Result<Segment, SpoolError> {
        let found = file.size_bytes()?;
        let mut segment = Segment {
            first,
            records: 0,
            size_bytes: SEGMENT_HEADER,
        };
        if has_header(file, first)? {
            while let Some(payload) = self.record(file, segment.size_bytes, segment.next())? {
                segment.size_bytes += RECORD_HEADER + payload.len() as u64;
                segment.records += 1;
            }
        } else {
            file.write_at(&header(first), 0)?;
        }
        if segment.size_bytes != found {
            file.set_size(segment.size_bytes)?;
            file.sync()?;
            let text = format!(
                "expected whole records, found {} bytes that are none behind {} records; they were cut",
                found.saturating_sub(segment.size_bytes),
                segment.records
            );
            problems.push(problem(&self.folder, &segment_name(first), &text));
        }
        Ok(segment)
    }

    /// Finds the offset of the oldest record that is not delivered.
    fn seek_front(&mut self) -> Result<(), SpoolError> {
        let Some(oldest) = self.segments.front().copied() else {
            return Ok(());
        };
        self.front_offset = SEGMENT_HEADER;
        if self.front <= oldest.first {
            self.front = oldest.first;
            return Ok(());
        }
        let file = self.disk.open(&self.path(oldest.first), Open::Existing)?;
        for position in oldest.first..self.front {
            match self.record(&*file, self.front_offset, position)? {
                Some(payload) => self.front_offset += RECORD_HEADER + payload.len() as u64,
                // Damaged: `peek` will find the same and drop the segment.
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// The record at `offset`; `None` when it is not whole.
    fn record(
        &self,
        file: &dyn DiskFile,
        offset: u64,
        position: u64,
    ) -> Result<Option<Vec<u8>>, SpoolError> {
        let mut header = [0; RECORD_HEADER as usize];
        if file.read_at(&mut header, offset)? < header.len() {
            return Ok(None);
        }
        let [a, b, c, d, checksum @ ..] = header;
        let length = u32::from_le_bytes([a, b, c, d]);
        // A record within an older limit may be longer than today's: what counts is that the file holds it.
        let end = offset + RECORD_HEADER + u64::from(length);
        if length == 0 || end > file.size_bytes()? {
            return Ok(None);
        }
        let mut payload = vec![0; length as usize];
        let read = file.read_at(&mut payload, offset + RECORD_HEADER)?;
        let whole = read == payload.len() && crc(position, &payload).to_le_bytes() == checksum;
        Ok(whole.then_some(payload))
    }

    fn begin_segment(&mut self) -> Result<(), SpoolError> {
        let first = self
            .segments
            .back()
            .map_or(self.front, Segment::next)
            .max(self.front);
        let file = self.disk.open(&self.path(first), Open::OrCreate)?;
        file.set_size(0)?;
        file.write_at(&header(first), 0)?;
        file.sync()?;
        // So that its name is safe before any record in it is.
        self.disk.sync_all()?;
        if self.is_empty() {
            self.forget_delivered()?;
        }
        if self.segments.is_empty() {
            self.front = first;
            self.front_offset = SEGMENT_HEADER;
        }
        self.segments.push_back(Segment {
            first,
            records: 0,
            size_bytes: SEGMENT_HEADER,
        });
        self.tail = Some(file);
        Ok(())
    }

    fn append(&mut self, payload: &[u8]) -> Result<Position, SpoolError> {
        let (Some(file), Some(last)) = (&self.tail, self.segments.back_mut()) else {
            return Err(io::Error::other("the spool has no segment to write to").into());
        };
        let position = last.next();
        let mut record = Vec::with_capacity(RECORD_HEADER as usize + payload.len());
        record.extend((payload.len() as u32).to_le_bytes());
        record.extend(crc(position, payload).to_le_bytes());
        record.extend(payload);
        let written = file
            .write_at(&record, last.size_bytes)
            .and_then(|()| file.sync());
        if let Err(error) = written {
            // What is half there is overwritten by the next record; cutting it is a kindness to the next opening.
            let _ = file.set_size(last.size_bytes);
            return Err(error.into());
        }
        last.size_bytes += record.len() as u64;
        last.records += 1;
        Ok(Position(position))
    }

    /// Drops the oldest segment with what waits in it.
    fn drop_oldest(&mut self) -> Result<(), SpoolError> {
        let Some(oldest) = self.segments.front().copied() else {
            return Ok(());
        };
        let lost = oldest.records - self.delivered(&oldest);
        self.save_cursor(oldest.next().max(self.front), self.dropped + lost)?;
        self.remove_oldest()
    }

    fn forget_delivered(&mut self) -> Result<(), SpoolError> {
        while !self.segments.is_empty() {
            self.remove_oldest()?;
        }
        Ok(())
    }

    /// Removes the oldest segment, of which nothing waits any more.
    fn remove_oldest(&mut self) -> Result<(), SpoolError> {
        let Some(oldest) = self.segments.front() else {
            return Ok(());
        };
        let path = self.path(oldest.first);
        self.segments.pop_front();
        if self.segments.is_empty() {
            self.tail = None;
        }
        self.front_offset = SEGMENT_HEADER;
        if let Some(oldest) = self.segments.front() {
            self.front = self.front.max(oldest.first);
        }
        self.disk.remove(&path)?;
        Ok(())
    }

    /// Makes the cursor safe, then believes it.
    fn save_cursor(&mut self, front: u64, dropped: u64) -> Result<(), SpoolError> {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&front.to_le_bytes());
        bytes[8..16].copy_from_slice(&dropped.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..16]);
        bytes[16..].copy_from_slice(&checksum.to_le_bytes());
        self.cursor.write_at(&bytes, 0)?;
        self.cursor.sync()?;
        (self.front, self.dropped) = (front, dropped);
        Ok(())
    }
}

fn segment_name(first: u64) -> String {
    format!("{first:020}.spool")
}

/// First positions of the segments in a folder, increasing.
fn segment_names(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<u64>> {
    let names = disk.list(folder)?;
    let mut firsts: Vec<u64> = names
        .iter()
        .filter_map(|name| name.strip_suffix(".spool")?.parse().ok())
        .collect();
    firsts.sort_unstable();
    Ok(firsts)
}

fn read_cursor(file: &dyn DiskFile) -> io::Result<Option<(u64, u64)>> {
    let bytes = read_whole(file, 1 << 20)?;
    let Some((numbers, checksum)) = bytes
        .get(..20)
        .and_then(|bytes| bytes.split_last_chunk::<4>())
    else {
        return Ok(None);
    };
    if crc32fast::hash(numbers).to_le_bytes() != *checksum {
        return Ok(None);
    }
    let number = |at: usize| {
        let bytes = numbers.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    Ok(number(0).zip(number(8)))
}

fn header(first: u64) -> [u8; SEGMENT_HEADER as usize] {
    let mut header = [0; SEGMENT_HEADER as usize];
    header[..8].copy_from_slice(&MAGIC);
    header[8..].copy_from_slice(&first.to_le_bytes());
    header
}

fn has_header(file: &dyn DiskFile, first: u64) -> io::Result<bool> {
    let mut found = [0; SEGMENT_HEADER as usize];
    Ok(file.read_at(&mut found, 0)? == found.len() && found == header(first))
}

fn crc(position: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&position.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

fn problem(folder: &Path, name: &str, text: &str) -> Problem {
    Problem::new(folder.join(name).display().to_string(), 0, text)
}

#[cfg(test)]
mod tests;
