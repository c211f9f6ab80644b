//! A journal in files of a fixed size, `journal/POSITION.segment`, each named after its first entry.
//!
//! ```text
//! offset  size  a segment
//!      0     8  magic "RAVENJNL"
//!      8     4  version, 1
//!     12     4  CRC-32 of the 8 bytes that follow
//!     16     8  position of the first entry
//!     24        records, one behind the other, then zeroes to the end of the reserved room
//!
//! offset  size  a record
//!      0     4  length of the entry; 0 ends the segment
//!      4     4  CRC-32 of the position (8 bytes) and the entry
//!      8        the entry
//! ```
//!
//! All numbers are little endian. The room of a segment is reserved when it is made, so that a full disk is met there and
//! not in the middle of a record. A record that does not match its CRC ends its segment: it was being written when the
//! power went. A restart begins a new segment and never writes behind such a record.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use ravenry_plugins::disk::{Disk, DiskFile, Open, read_whole};

use super::{Bounds, Journal, JournalError};

/// The folder of the segments below the data directory.
pub const FOLDER: &str = "journal";
const SUFFIX: &str = ".segment";
/// A segment whose first entry was not whole.
const TORN: &str = "torn";
const MAGIC: &[u8; 8] = b"RAVENJNL";
const VERSION: u32 = 1;
const HEADER: usize = 24;
const RECORD: usize = 8;

/// Sizes that tests make small.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Room of a segment; an entry larger than that gets a segment of its own size.
    pub segment_bytes: u64,
    /// All segments together.
    pub journal_bytes_max: u64,
    /// One entry.
    pub entry_bytes_max: u64,
}

/// A journal on a disk.
pub struct SegmentJournal {
    disk: Arc<dyn Disk>,
    limits: Limits,
    /// First position and room of each segment, oldest first.
    segments: Vec<Segment>,
    open: Option<Tail>,
    next: u64,
    /// Up to here no entry is needed any more.
    forgotten: u64,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    first: u64,
    size_bytes: u64,
}

/// The segment that is being written.
struct Tail {
    file: Box<dyn DiskFile>,
    end: u64,
    room: u64,
}

impl SegmentJournal {
    /// Opens the journal on `disk`, and says what of it could not be read. `applied` is the last position that is known
    /// elsewhere: new entries never get it again.
    ///
    /// # Errors
    /// When the folder or a segment cannot be read at all.
    pub fn open(
        disk: Arc<dyn Disk>,
        limits: Limits,
        applied: u64,
    ) -> Result<(Self, Vec<String>), JournalError> {
        let mut journal = Self {
            disk,
            limits,
            segments: Vec::new(),
            open: None,
            next: applied + 1,
            forgotten: 0,
            buffer: Vec::new(),
        };
        let mut problems = Vec::new();
        let mut firsts = Vec::new();
        for name in journal.disk.list(FOLDER.as_ref())? {
            match first_of(&name) {
                Some(first) => firsts.push(first),
                None if name == TORN => {}
                None => problems.push(format!("{FOLDER}/{name}: not a segment, left alone")),
            }
        }
        for &first in &firsts {
            journal.adopt(first, firsts.last() == Some(&first), &mut problems)?;
        }
        Ok((journal, problems))
    }

    fn adopt(
        &mut self,
        first: u64,
        is_newest: bool,
        problems: &mut Vec<String>,
    ) -> Result<(), JournalError> {
        let bytes = self.read(first)?;
        let name = path(first);
        let read = records(first, &bytes, &mut |_, _| {});
        let holds_nothing = read.next == first;
        match read.problem {
            None if holds_nothing => self.disk.remove(&name)?,
            // Another version's, or damaged: what it holds may have been acknowledged, so it is kept for a person. If its
            // first entry was just being written when the power went, it was not, and the last such is kept.
            Some(problem) if holds_nothing => {
                let is_torn = is_newest && bytes.get(..HEADER) == Some(&header(first));
                let aside = if is_torn {
                    name.with_file_name(TORN)
                } else {
                    name.with_extension("damaged")
                };
                self.disk.rename(&name, &aside)?;
                let (name, aside) = (name.display(), aside.display());
                problems.push(format!("{name}: {problem}; set aside as {aside}"));
            }
            problem => {
                problems.extend(problem.map(|problem| format!("{}: {problem}", name.display())));
                let size_bytes = bytes.len() as u64;
                self.segments.push(Segment { first, size_bytes });
                self.next = self.next.max(read.next);
            }
        }
        Ok(())
    }

    /// A segment may be larger than today's limits: they may have been others when it was written.
    fn read(&self, first: u64) -> io::Result<Vec<u8>> {
        let file = self.disk.open(&path(first), Open::Existing)?;
        read_whole(&*file, u64::from(u32::MAX))
    }

    /// Puts the records of `entries` into the buffer.
    fn encode(&mut self, entries: &[Vec<u8>]) -> Result<(), JournalError> {
        self.buffer.clear();
        for (position, entry) in (self.next..).zip(entries) {
            let size_bytes = entry.len() as u64;
            let limit_bytes = self.limits.entry_bytes_max.min(u64::from(u32::MAX));
            if size_bytes > limit_bytes || entry.is_empty() {
                return Err(JournalError::TooLarge {
                    size_bytes,
                    limit_bytes,
                });
            }
            self.buffer.extend((size_bytes as u32).to_le_bytes());
            self.buffer.extend(checksum(position, entry).to_le_bytes());
            self.buffer.extend(entry);
        }
        Ok(())
    }

    /// Takes the open segment when it has room for what is in the buffer, else begins one. When that fails the open one
    /// stays, for entries that fit.
    fn tail(&mut self) -> Result<Tail, JournalError> {
        let wanted = self.buffer.len() as u64;
        match self.open.take_if(|tail| tail.room - tail.end >= wanted) {
            Some(tail) => Ok(tail),
            None => self.begin(wanted),
        }
    }

    fn begin(&mut self, wanted: u64) -> Result<Tail, JournalError> {
        let room = self.limits.segment_bytes.max(HEADER as u64 + wanted);
        if self.size_bytes() + room > self.limits.journal_bytes_max {
            self.let_go_of_the_last()?;
        }
        let size_bytes = self.size_bytes();
        if size_bytes + room > self.limits.journal_bytes_max {
            return Err(JournalError::Limit {
                size_bytes,
                limit_bytes: self.limits.journal_bytes_max,
            });
        }
        let path = path(self.next);
        let made = self.make(&path, room);
        if made.is_err() {
            // What is left of it would be adopted as an empty segment, and removed, at the next start.
            drop(self.disk.remove(&path));
        }
        let file = made?;
        self.segments.push(Segment {
            first: self.next,
            size_bytes: room,
        });
        Ok(Tail {
            file,
            end: HEADER as u64,
            room,
        })
    }

    /// The segment that is being written stays when nothing of it is needed, for what comes next; unless it is in the way.
    fn let_go_of_the_last(&mut self) -> io::Result<()> {
        if self.segments.len() == 1 && self.forgotten + 1 >= self.next {
            self.open = None;
            self.remove_oldest()?;
        }
        Ok(())
    }

    fn remove_oldest(&mut self) -> io::Result<()> {
        match self.disk.remove(&path(self.segments[0].first)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            // Also where somebody else, or a call that failed, has removed it.
            Ok(()) | Err(_) => {
                self.segments.remove(0);
                Ok(())
            }
        }
    }

    fn make(&self, path: &std::path::Path, room: u64) -> io::Result<Box<dyn DiskFile>> {
        let file = self.disk.open(path, Open::OrCreate)?;
        file.set_size(0)?;
        file.reserve(room)?;
        file.write_at(&header(self.next), 0)?;
        self.disk.sync_all()?;
        Ok(file)
    }

    /// Takes an entry-less segment back after a failed write, so that its position can be used again.
    fn abandon(&mut self) {
        if self
            .segments
            .last()
            .is_some_and(|last| last.first == self.next)
        {
            self.segments.pop();
            drop(self.disk.remove(&path(self.next)));
        }
    }
}

impl Journal for SegmentJournal {
    fn append(&mut self, entries: &[Vec<u8>]) -> Result<u64, JournalError> {
        self.encode(entries)?;
        let mut tail = self.tail()?;
        let written = tail
            .file
            .write_at(&self.buffer, tail.end)
            .and_then(|()| tail.file.sync());
        if let Err(error) = written {
            // Nobody knows what is on the disk now: cut it off if possible, and never write behind it.
            drop(tail.file.set_size(tail.end));
            self.abandon();
            return Err(error.into());
        }
        tail.end += self.buffer.len() as u64;
        self.open = Some(tail);
        let first = self.next;
        self.next += entries.len() as u64;
        Ok(first)
    }

    fn tail(
        &self,
        from: u64,
        visit: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<Vec<String>, JournalError> {
        let mut problems = Vec::new();
        for (i, segment) in self.segments.iter().enumerate() {
            let ends_before = self
                .segments
                .get(i + 1)
                .is_some_and(|next| next.first <= from);
            if ends_before {
                continue;
            }
            let bytes = self.read(segment.first)?;
            let read = records(segment.first, &bytes, &mut |position, entry| {
                if position >= from {
                    visit(position, entry);
                }
            });
            problems.extend(
                read.problem
                    .map(|problem| format!("{}: {problem}", path(segment.first).display())),
            );
        }
        Ok(problems)
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            first: self
                .segments
                .first()
                .map_or(self.next, |segment| segment.first),
            next: self.next,
        }
    }

    fn forget_until(&mut self, position: u64) -> Result<(), JournalError> {
        self.forgotten = self.forgotten.max(position);
        loop {
            let next = self.segments.get(1).map_or(self.next, |next| next.first);
            let is_open = self.segments.len() == 1 && self.open.is_some();
            if self.segments.is_empty() || next > position + 1 || is_open {
                return Ok(());
            }
            self.remove_oldest()?;
        }
    }

    fn is_pressed(&self) -> bool {
        self.size_bytes() > self.limits.journal_bytes_max / 2
    }

    fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size_bytes).sum()
    }
}

fn path(first: u64) -> PathBuf {
    PathBuf::from(FOLDER).join(format!("{first:020}{SUFFIX}"))
}

fn header(first: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&crc32fast::hash(&first.to_le_bytes()).to_le_bytes());
    header[16..].copy_from_slice(&first.to_le_bytes());
    header
}

fn checksum(position: u64, entry: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&position.to_le_bytes());
    hasher.update(entry);
    hasher.finalize()
}

/// What reading a segment came to.
#[derive(Debug)]
pub struct Read {
    /// The position behind its last good entry.
    pub next: u64,
    /// Why it ended there, if not because it was full or because nothing more was written.
    pub problem: Option<String>,
}

/// The position of a segment's first entry, as its file's name says; `None` when the file is none.
#[must_use]
pub fn first_of(name: &str) -> Option<u64> {
    name.strip_suffix(SUFFIX)?.parse().ok()
}

/// Shows the entries in the bytes of a segment.
pub fn records(first: u64, bytes: &[u8], visit: &mut dyn FnMut(u64, &[u8])) -> Read {
    if bytes.get(..HEADER) != Some(&header(first)) {
        // Nothing but zeroes: it was being made when the power went.
        let is_blank = bytes.iter().all(|byte| *byte == 0);
        let problem = (!is_blank).then(|| "not a segment of this version, or cut short".to_owned());
        return Read {
            next: first,
            problem,
        };
    }
    let (mut next, mut at) = (first, HEADER);
    while let Some(size) = word(bytes, at).filter(|size| *size != 0) {
        let entry = bytes
            .get(at + RECORD..)
            .and_then(|rest| rest.get(..size as usize));
        let Some(entry) = entry.filter(|entry| word(bytes, at + 4) == Some(checksum(next, entry)))
        else {
            let problem = format!(
                "entry {next} at byte {at} is not whole; nothing behind it in this segment is read"
            );
            return Read {
                next,
                problem: Some(problem),
            };
        };
        visit(next, entry);
        next += 1;
        at += RECORD + entry.len();
    }
    Read {
        next,
        problem: None,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use ravenry_plugins::disk::{BreakingDisk, MemoryDisk};

    use super::*;

    const SMALL: Limits = Limits {
        segment_bytes: 200,
        journal_bytes_max: 1000,
        entry_bytes_max: 500,
    };

    fn open(disk: &Arc<dyn Disk>) -> SegmentJournal {
        SegmentJournal::open(Arc::clone(disk), SMALL, 0).unwrap().0
    }

    fn read(journal: &SegmentJournal, from: u64) -> Vec<(u64, Vec<u8>)> {
        let mut found = Vec::new();
        journal
            .tail(from, &mut |position, entry| {
                found.push((position, entry.to_vec()));
            })
            .unwrap();
        found
    }

    fn entry(byte: u8) -> Vec<u8> {
        vec![byte; 40 + usize::from(byte % 7)]
    }

    #[test]
    fn entries_are_read_again_after_a_restart() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let mut journal = open(&disk);
        assert_eq!(journal.append(&[entry(1), entry(2)]).unwrap(), 1);
        assert_eq!(journal.append(&[entry(3)]).unwrap(), 3);
        let mut journal = open(&disk);
        assert_eq!(journal.append(&[entry(4)]).unwrap(), 4);
        assert_eq!(
            read(&journal, 2),
            [(2, entry(2)), (3, entry(3)), (4, entry(4))]
        );
        assert_eq!(journal.bounds(), Bounds { first: 1, next: 5 });
    }

    #[test]
    fn positions_known_elsewhere_are_not_given_again() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let (mut journal, _) = SegmentJournal::open(disk, SMALL, 41).unwrap();
        assert_eq!(journal.append(&[entry(1)]).unwrap(), 42);
    }

    #[test]
    fn segments_go_when_all_their_entries_may() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let mut journal = open(&disk);
        for byte in 0..9 {
            journal.append(&[entry(byte)]).unwrap();
        }
        let before = journal.size_bytes();
        journal.forget_until(4).unwrap();
        assert!(journal.size_bytes() < before);
        assert_eq!(read(&journal, 5).len(), 5, "what is needed stays");
        journal.forget_until(9).unwrap();
        assert_eq!(journal.append(&[entry(9)]).unwrap(), 10);
    }

    #[test]
    fn a_full_journal_and_a_full_disk_refuse_and_go_on_when_there_is_room() {
        let memory = MemoryDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        let mut journal = open(&disk);
        let mut position = 0;
        while let Ok(first) = journal.append(&[entry(1)]) {
            position = first;
        }
        assert!(matches!(
            journal.append(&[entry(1)]),
            Err(JournalError::Limit {
                size_bytes: 1000,
                ..
            })
        ));
        journal.forget_until(position).unwrap();
        memory.set_capacity(Some(150));
        assert!(matches!(
            journal.append(&[entry(1)]),
            Err(JournalError::Full(_))
        ));
        memory.set_capacity(None);
        assert_eq!(journal.append(&[entry(1)]).unwrap(), position + 1);
        assert_eq!(read(&open(&disk), position + 1).len(), 1);
    }

    #[test]
    fn a_journal_of_one_segment_goes_on_when_nothing_of_it_is_needed() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let limits = Limits {
            journal_bytes_max: 200,
            ..SMALL
        };
        let (mut journal, _) = SegmentJournal::open(Arc::clone(&disk), limits, 0).unwrap();
        let mut position = 0;
        while let Ok(first) = journal.append(&[entry(1)]) {
            position = first;
        }
        journal.forget_until(position - 1).unwrap();
        assert!(matches!(
            journal.append(&[entry(1)]),
            Err(JournalError::Limit { .. })
        ));
        journal.forget_until(position).unwrap();
        assert_eq!(journal.append(&[entry(2)]).unwrap(), position + 1);
        assert_eq!(read(&journal, 1), [(position + 1, entry(2))]);
    }

    #[test]
    fn a_segment_that_somebody_removed_is_no_reason_to_stop() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let mut journal = open(&disk);
        for byte in 0..9 {
            journal.append(&[entry(byte)]).unwrap();
        }
        disk.remove(&path(1)).unwrap();
        journal.forget_until(9).unwrap();
        assert_eq!(journal.append(&[entry(9)]).unwrap(), 10);
    }

    #[test]
    fn a_segment_that_was_being_made_or_begun_leaves_one_file_at_most() {
        let memory = MemoryDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        for (torn, problems) in [(&b""[..], 0), (b"torn", 1), (b"torn", 1)] {
            let file = disk.open(&path(1), Open::OrCreate).unwrap();
            file.set_size(200).unwrap();
            if !torn.is_empty() {
                file.write_at(&header(1), 0).unwrap();
                file.write_at(torn, HEADER as u64).unwrap();
            }
            let (_, said) = SegmentJournal::open(Arc::clone(&disk), SMALL, 0).unwrap();
            assert_eq!(said.len(), problems, "{said:?}");
            let left = memory.list(FOLDER.as_ref()).unwrap();
            assert_eq!(left, vec![TORN; problems]);
        }
    }

    #[test]
    fn an_entry_that_is_too_large_is_refused() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let mut journal = open(&disk);
        let error = journal.append(&[vec![1; 501]]).unwrap_err().to_string();
        assert_eq!(
            error,
            "journal: expected an entry of at most 500 bytes, found 501"
        );
        assert_eq!(
            journal.append(&[vec![1; 500]]).unwrap(),
            1,
            "larger than a segment, within the limit"
        );
    }

    #[test]
    fn a_bad_segment_costs_only_itself() {
        let memory = MemoryDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        let mut journal = open(&disk);
        for byte in 0..6 {
            journal.append(&[entry(byte)]).unwrap();
        }
        memory
            .open(&path(1), Open::Existing)
            .unwrap()
            .write_at(b"X", 40)
            .unwrap();
        let (journal, problems) = SegmentJournal::open(disk, SMALL, 0).unwrap();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(!read(&journal, 1).is_empty());
    }

    /// For each operation at which the power can go and several ways the disk can look then: what was appended is found,
    /// in order, and at most what was being appended besides.
    #[test]
    fn a_power_cut_loses_nothing_that_was_appended() {
        for cut in 0..60 {
            for seed in 0..8 {
                let breaking = BreakingDisk::new(MemoryDisk::new(), cut);
                let mut kept = 0;
                if let Ok((mut journal, _)) =
                    SegmentJournal::open(Arc::new(breaking.clone()), SMALL, 0)
                {
                    while kept < 12 && journal.append(&[entry(kept + 1)]).is_ok() {
                        kept += 1;
                    }
                }
                let disk: Arc<dyn Disk> = Arc::new(breaking.after_power_cut(seed));
                let (journal, _) = SegmentJournal::open(disk, SMALL, 0).unwrap();
                let found = read(&journal, 1);
                let expect: Vec<(u64, Vec<u8>)> = (1..=found.len() as u8)
                    .map(|byte| (u64::from(byte), entry(byte)))
                    .collect();
                assert_eq!(found, expect, "cut {cut} seed {seed}");
                assert!(
                    found.len() >= usize::from(kept),
                    "cut {cut} seed {seed}: {} < {kept}",
                    found.len()
                );
            }
        }
    }
}
