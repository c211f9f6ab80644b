//! The redo file: what a checkpoint is about to write into history files, safe before the first byte of it is.
//!
//! History files are written in place, so a power cut, or a disk that fails, can leave one half written. It is then written
//! again from here: at the next start, or at the beginning of the next checkpoint. A chunk that is not whole was not being
//! carried out yet: the files are as they were, and the journal brings the rows.
//!
//! ```text
//! offset  size  a chunk, one behind the other
//!      0     4  length of the body; 0 ends the file
//!      4     4  CRC-32 of what follows
//!      8     8  generation: one more at each checkpoint; a chunk of another one than the first's is what an earlier
//!               checkpoint left behind
//!     16        body: for each file
//!                 2 + n  length and text of its path
//!                 8      length that the file has
//!                 4      number of writes
//!                        for each write: 8 offset, 4 length, bytes
//! ```
//!
//! The file is emptied by writing a length of 0 at its start; its blocks stay, so that a full disk can still be written.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ravenry_plugins::disk::{Disk, DiskFile, Open, concerns_all_files};
use ravenry_rrd::writes::Writes;

use super::checkpoint::is_no_file;

/// The redo file below the data directory.
pub const NAME: &str = "redo";
const HEADER: usize = 16;
/// What the file keeps of its blocks.
const KEPT_BYTES: u64 = 64 << 20;

/// The redo file of one checkpoint.
pub struct Redo {
    file: Box<dyn DiskFile>,
    generation: u64,
    end: u64,
    chunk: Vec<u8>,
}

impl Redo {
    /// Begins a new generation. What the last one left must have been carried out ([`carry_out_again`]).
    ///
    /// # Errors
    /// When the disk fails.
    pub fn begin(disk: &dyn Disk) -> io::Result<Self> {
        let file = disk.open(Path::new(NAME), Open::OrCreate)?;
        let last = Header::read(&*file, 0)?.map_or(0, |header| header.generation);
        Ok(Self {
            file,
            generation: last.wrapping_add(1),
            end: 0,
            chunk: vec![0; HEADER],
        })
    }

    /// Adds a file's writes to the chunk: those with these `numbers`, as far as they change a file that begins with `known`.
    pub fn add(
        &mut self,
        path: &Path,
        file_len: u64,
        writes: &Writes,
        numbers: Range<usize>,
        known: &[u8],
    ) {
        let path = path.as_os_str().as_encoded_bytes();
        let chunk = &mut self.chunk;
        chunk.extend_from_slice(&(path.len() as u16).to_le_bytes());
        chunk.extend_from_slice(path);
        chunk.extend_from_slice(&file_len.to_le_bytes());
        let (at, mut count) = (chunk.len(), 0_u32);
        chunk.extend_from_slice(&count.to_le_bytes());
        writes.changes(numbers, known, |offset, bytes| {
            let mut head = [0; 12];
            head[..8].copy_from_slice(&offset.to_le_bytes());
            head[8..].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
            chunk.extend_from_slice(&head);
            chunk.extend_from_slice(bytes);
            count += 1;
        });
        self.chunk[at..at + 4].copy_from_slice(&count.to_le_bytes());
    }

    /// Forgets what was added since the last seal.
    pub fn discard(&mut self) {
        self.chunk.truncate(HEADER);
    }

    /// Bytes sealed so far.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.end
    }

    /// Makes the chunk safe: from now on its writes must be carried out, now or later.
    ///
    /// # Errors
    /// When the disk fails or is full; nothing of the chunk may be carried out.
    pub fn seal(&mut self) -> io::Result<()> {
        let len = (self.chunk.len() - HEADER) as u32;
        self.chunk[8..HEADER].copy_from_slice(&self.generation.to_le_bytes());
        let crc = crc32fast::hash(&self.chunk[8..]);
        self.chunk[..4].copy_from_slice(&len.to_le_bytes());
        self.chunk[4..8].copy_from_slice(&crc.to_le_bytes());
        self.file.write_at(&self.chunk, self.end)?;
        self.file.sync()?;
        self.end += self.chunk.len() as u64;
        self.discard();
        Ok(())
    }

    /// All writes are safe in their files: nothing needs to be done again.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn end(&mut self) -> io::Result<()> {
        empty(&*self.file, self.generation)?;
        self.generation = self.generation.wrapping_add(1);
        self.end = 0;
        Ok(())
    }
}

fn empty(file: &dyn DiskFile, generation: u64) -> io::Result<()> {
    let mut header = [0; HEADER];
    header[8..].copy_from_slice(&generation.to_le_bytes());
    file.write_at(&header, 0)?;
    if file.size_bytes()? > KEPT_BYTES {
        file.set_size(KEPT_BYTES)?;
    }
    file.sync()
}

/// What is done about a file that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stubborn {
    /// Nothing is, and the redo file stays: it may hold the only copy of what was acknowledged.
    WaitsFor,
    /// It is set aside.
    SetAside,
}

/// What carrying out again came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// Files that were written.
    pub files: u64,
    /// Files that were not, one sentence each: another program holds one, or it is another file by now.
    pub problems: Vec<String>,
}

/// Carries out again what the last checkpoint may have left half done, makes it safe, and empties the redo file.
///
/// A file that cannot be written is, as `stubborn` says, waited for, or set aside under a name that ends in `.damaged`: it
/// may be half written, and the rows that belong into it begin a new one.
///
/// # Errors
/// When the redo file itself cannot be read or emptied, the rest not be made safe, no descriptor is left, or a file is
/// waited for: then all of it is done again the next time.
pub fn carry_out_again(disk: &dyn Disk, stubborn: Stubborn) -> io::Result<Again> {
    let mut again = Again::default();
    let file = match disk.open(Path::new(NAME), Open::Existing) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(again),
        file => file?,
    };
    let Some(first) = Header::read(&*file, 0)?.filter(|header| header.len > 0) else {
        return Ok(again);
    };
    let mut at = 0;
    while let Some(body) = chunk(&*file, at, first.generation)? {
        for image in images(&body) {
            image.carry_out(disk, stubborn, &mut again)?;
        }
        at += (HEADER + body.len()) as u64;
    }
    disk.sync_all()?;
    empty(&*file, first.generation)?;
    Ok(again)
}

/// How many files would be written again by [`carry_out_again`].
///
/// # Errors
/// When the redo file cannot be read.
pub fn waiting(disk: &dyn Disk) -> io::Result<u64> {
    let file = match disk.open(Path::new(NAME), Open::Existing) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        file => file?,
    };
    let Some(first) = Header::read(&*file, 0)?.filter(|header| header.len > 0) else {
        return Ok(0);
    };
    let (mut at, mut files) = (0, 0);
    while let Some(body) = chunk(&*file, at, first.generation)? {
        files += images(&body).len() as u64;
        at += (HEADER + body.len()) as u64;
    }
    Ok(files)
}

/// The start of a chunk.
struct Header {
    len: u32,
    crc: u32,
    generation: u64,
}

impl Header {
    fn read(file: &dyn DiskFile, offset: u64) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEADER];
        if file.read_at(&mut bytes, offset)? < HEADER {
            return Ok(None);
        }
        let mut rest = &bytes[..];
        let (len, crc) = (take(&mut rest), take(&mut rest));
        let header = len.zip(crc).zip(take(&mut rest));
        Ok(header.map(|((len, crc), generation)| Self {
            len: u32::from_le_bytes(len),
            crc: u32::from_le_bytes(crc),
            generation: u64::from_le_bytes(generation),
        }))
    }
}

fn chunk(file: &dyn DiskFile, offset: u64, generation: u64) -> io::Result<Option<Vec<u8>>> {
    let header = Header::read(file, offset)?;
    let Some(header) = header.filter(|header| header.len > 0 && header.generation == generation)
    else {
        return Ok(None);
    };
    let room = file.size_bytes()?.saturating_sub(offset + HEADER as u64);
    if u64::from(header.len) > room {
        return Ok(None);
    }
    let mut body = vec![0; header.len as usize];
    let whole = file.read_at(&mut body, offset + HEADER as u64)? == body.len();
    let mut crc = crc32fast::Hasher::new();
    crc.update(&generation.to_le_bytes());
    crc.update(&body);
    Ok((whole && crc.finalize() == header.crc).then_some(body))
}

/// One file's part of a chunk.
struct Image<'b> {
    path: PathBuf,
    file_len: u64,
    writes: Vec<(u64, &'b [u8])>,
}

impl Image<'_> {
    /// Writes it, unless the file is another one by now, or gone: then the journal has what belongs in it.
    fn carry_out(&self, disk: &dyn Disk, stubborn: Stubborn, again: &mut Again) -> io::Result<()> {
        let path = self.path.display();
        match self.write(disk) {
            Ok(None) => again.files += 1,
            Ok(Some(problem)) => again.problems.push(format!("{path}: {problem}")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if concerns_all_files(&error) => return Err(error),
            Err(error) if stubborn == Stubborn::WaitsFor && !is_no_file(&error) => {
                return Err(error);
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let problem =
                    format!("{error}: it could not be written again, and may be half written");
                again.problems.push(problem);
            }
            Err(error) => {
                let mut aside = self.path.clone().into_os_string();
                aside.push(".damaged");
                let moved = disk.rename(&self.path, Path::new(&aside));
                let moved = moved.map_or_else(
                    |error| format!("cannot be set aside: {error}"),
                    |()| "set aside".to_owned(),
                );
                let problem = format!("{error}: it may be half written; {moved}");
                again.problems.push(problem);
            }
        }
        Ok(())
    }

    fn write(&self, disk: &dyn Disk) -> io::Result<Option<String>> {
        let file = disk.open(&self.path, Open::Existing)?;
        let found = file.size_bytes()?;
        if found != self.file_len {
            return Ok(Some(format!(
                "expected {} bytes, found {found}: left alone",
                self.file_len
            )));
        }
        let write = || {
            self.writes
                .iter()
                .rev()
                .try_for_each(|(offset, bytes)| file.write_at(bytes, *offset))
        };
        match file.locked(&mut || write()) {
            // A program that reads the file for so long sees it change; a file half written would be worse.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => write().map(|()| None),
            written => written.map(|()| None),
        }
    }
}

fn images(mut body: &[u8]) -> Vec<Image<'_>> {
    let mut images = Vec::new();
    while let Some(image) = image(&mut body) {
        images.push(image);
    }
    images
}

fn image<'b>(body: &mut &'b [u8]) -> Option<Image<'b>> {
    let path_len = u16::from_le_bytes(take(body)?) as usize;
    let path = std::str::from_utf8(body.split_off(..path_len)?).ok()?;
    let file_len = u64::from_le_bytes(take(body)?);
    let count = u32::from_le_bytes(take(body)?);
    let mut writes = Vec::new();
    for _ in 0..count {
        let offset = u64::from_le_bytes(take(body)?);
        let len = u32::from_le_bytes(take(body)?) as usize;
        writes.push((offset, body.split_off(..len)?));
    }
    Some(Image {
        path: PathBuf::from(path),
        file_len,
        writes,
    })
}

fn take<const N: usize>(body: &mut &[u8]) -> Option<[u8; N]> {
    body.split_off(..N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use ravenry_plugins::disk::{MemoryDisk, read_whole};

    use super::*;

    fn begin(disk: &MemoryDisk) -> Redo {
        let file = disk.open(Path::new("rrd/a"), Open::OrCreate).unwrap();
        file.set_size(10).unwrap();
        Redo::begin(disk).unwrap()
    }

    fn seal(redo: &mut Redo, path: &str, byte: u8) {
        let mut writes = Writes::new();
        writes.push(3, &[byte]);
        redo.add(Path::new(path), 10, &writes, 0..1, &[]);
        redo.seal().unwrap();
    }

    fn found(disk: &MemoryDisk) -> u8 {
        read_whole(
            &*disk.open(Path::new("rrd/a"), Open::Existing).unwrap(),
            100,
        )
        .unwrap()[3]
    }

    #[test]
    fn sealed_chunks_are_carried_out_again_once() {
        let disk = MemoryDisk::new();
        let mut redo = begin(&disk);
        seal(&mut redo, "rrd/a", b'x');
        seal(&mut redo, "rrd/gone", b'y');
        assert_eq!(
            carry_out_again(&disk, Stubborn::SetAside).unwrap(),
            Again {
                files: 1,
                problems: Vec::new()
            }
        );
        assert_eq!(found(&disk), b'x');
        assert_eq!(
            carry_out_again(&disk, Stubborn::SetAside).unwrap(),
            Again::default(),
            "only once"
        );
    }

    #[test]
    fn what_an_earlier_checkpoint_left_behind_is_not_carried_out() {
        let disk = MemoryDisk::new();
        let mut redo = begin(&disk);
        seal(&mut redo, "rrd/a", b'x');
        seal(&mut redo, "rrd/a", b'y');
        redo.end().unwrap();
        let mut redo = begin(&disk);
        seal(&mut redo, "rrd/a", b'z');
        carry_out_again(&disk, Stubborn::SetAside).unwrap();
        assert_eq!(
            found(&disk),
            b'z',
            "the y behind it is of another generation"
        );
    }

    #[test]
    fn a_torn_chunk_and_a_file_of_another_size_are_left_alone() {
        let disk = MemoryDisk::new();
        seal(&mut begin(&disk), "rrd/a", b'x');
        let file = disk.open(Path::new(NAME), Open::Existing).unwrap();
        file.write_at(b"?", HEADER as u64 + 4).unwrap();
        assert_eq!(
            carry_out_again(&disk, Stubborn::SetAside).unwrap(),
            Again::default()
        );

        seal(&mut begin(&disk), "rrd/a", b'x');
        disk.open(Path::new("rrd/a"), Open::Existing)
            .unwrap()
            .set_size(11)
            .unwrap();
        let again = carry_out_again(&disk, Stubborn::SetAside).unwrap();
        assert_eq!(
            again.problems,
            ["rrd/a: expected 10 bytes, found 11: left alone"]
        );
    }
}
