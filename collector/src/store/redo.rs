//! The redo file: what a checkpoint is about to write into history files, safe before the first byte of it is.
//!
//! History files are written in place, so a power cut can leave one half written. It is then written again from here. A
//! chunk that is not whole was not being carried out yet: the files are as they were, and the journal brings the rows.
//!
//! ```text
//! offset  size  a chunk, one behind the other
//!      0     4  length of the body; 0 ends the file
//!      4     4  CRC-32 of the body
//!      8        body: for each file
//!                 2 + n  length and text of its path
//!                 8      length that the file has
//!                 4      number of writes
//!                        for each write: 8 offset, 4 length, bytes
//! ```

use std::io;
use std::path::{Path, PathBuf};

use ravenry_plugins::disk::{Disk, DiskFile, Open, read_whole};
use ravenry_rrd::writes::Writes;

const NAME: &str = "redo";
const HEADER: usize = 8;
/// A larger redo file is none of ours.
const FILE_BYTES_MAX: u64 = 64 << 30;

/// The redo file of one checkpoint.
pub struct Redo {
    file: Box<dyn DiskFile>,
    end: u64,
    chunk: Vec<u8>,
}

impl Redo {
    /// Opens the file, empty.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn begin(disk: &dyn Disk) -> io::Result<Self> {
        let file = disk.open(Path::new(NAME), Open::OrCreate)?;
        Ok(Self {
            file,
            end: 0,
            chunk: vec![0; HEADER],
        })
    }

    /// Adds a file's writes to the chunk.
    pub fn add(&mut self, path: &Path, file_len: u64, writes: &Writes) {
        let path = path.as_os_str().as_encoded_bytes();
        self.chunk.extend((path.len() as u16).to_le_bytes());
        self.chunk.extend(path);
        self.chunk.extend(file_len.to_le_bytes());
        self.chunk.extend((writes.len() as u32).to_le_bytes());
        for (offset, bytes) in writes.iter() {
            self.chunk.extend(offset.to_le_bytes());
            self.chunk.extend((bytes.len() as u32).to_le_bytes());
            self.chunk.extend(bytes);
        }
    }

    /// Bytes of the chunk so far.
    #[must_use]
    pub fn chunk_bytes(&self) -> usize {
        self.chunk.len()
    }

    /// Makes the chunk safe: from now on its writes may be carried out.
    ///
    /// # Errors
    /// When the disk fails or is full; nothing of the chunk may be carried out.
    pub fn seal(&mut self) -> io::Result<()> {
        let body = &self.chunk[HEADER..];
        let (len, crc) = (body.len() as u32, crc32fast::hash(body));
        self.chunk[..4].copy_from_slice(&len.to_le_bytes());
        self.chunk[4..HEADER].copy_from_slice(&crc.to_le_bytes());
        self.file.write_at(&self.chunk, self.end)?;
        self.file.sync()?;
        self.end += self.chunk.len() as u64;
        self.chunk.truncate(HEADER);
        Ok(())
    }

    /// All writes are safe in their files: nothing needs to be done again.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn end(self) -> io::Result<()> {
        self.file.set_size(0)?;
        self.file.sync()
    }
}

/// Carries out again what the last checkpoint may have left half done. Says which files it wrote, and what it could not.
///
/// # Errors
/// When the disk fails.
pub fn carry_out_again(disk: &dyn Disk) -> io::Result<(u64, Vec<String>)> {
    let file = match disk.open(Path::new(NAME), Open::Existing) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, Vec::new())),
        file => file?,
    };
    let bytes = read_whole(&*file, FILE_BYTES_MAX)?;
    let (mut written, mut problems) = (0, Vec::new());
    let mut rest = bytes.as_slice();
    while let Some(body) = chunk(&mut rest) {
        for image in images(body) {
            match image.write(disk)? {
                None => written += 1,
                Some(problem) => problems.push(problem),
            }
        }
    }
    disk.sync_all()?;
    file.set_size(0)?;
    file.sync()?;
    Ok((written, problems))
}

/// One file's part of a chunk.
struct Image<'b> {
    path: PathBuf,
    file_len: u64,
    writes: Vec<(u64, &'b [u8])>,
}

impl Image<'_> {
    /// Writes it, unless the file is another one by now: then the journal has what belongs in it.
    fn write(&self, disk: &dyn Disk) -> io::Result<Option<String>> {
        let file = match disk.open(&self.path, Open::Existing) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let found = file.size_bytes()?;
        if found != self.file_len {
            let path = self.path.display();
            return Ok(Some(format!(
                "{path}: expected {} bytes, found {found}: left alone",
                self.file_len
            )));
        }
        file.locked(&mut || {
            self.writes
                .iter()
                .try_for_each(|(offset, bytes)| file.write_at(bytes, *offset))
        })?;
        Ok(None)
    }
}

fn chunk<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let len = u32::from_le_bytes(*rest.first_chunk()?) as usize;
    let crc = u32::from_le_bytes(rest.get(4..HEADER)?.try_into().ok()?);
    let body = rest
        .get(HEADER..HEADER + len)
        .filter(|body| !body.is_empty() && crc32fast::hash(body) == crc)?;
    *rest = &rest[HEADER + len..];
    Some(body)
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
    use ravenry_plugins::disk::MemoryDisk;

    use super::*;

    fn sealed(disk: &MemoryDisk) {
        disk.open(Path::new("rrd/a"), Open::OrCreate)
            .unwrap()
            .set_size(10)
            .unwrap();
        let mut redo = Redo::begin(disk).unwrap();
        for (path, byte) in [("rrd/a", b"x"), ("rrd/gone", b"y")] {
            let mut writes = Writes::new();
            writes.push(3, byte);
            redo.add(Path::new(path), 10, &writes);
            redo.seal().unwrap();
        }
    }

    fn read(disk: &MemoryDisk) -> Vec<u8> {
        read_whole(
            &*disk.open(Path::new("rrd/a"), Open::Existing).unwrap(),
            100,
        )
        .unwrap()
    }

    #[test]
    fn sealed_chunks_are_carried_out_again() {
        let disk = MemoryDisk::new();
        sealed(&disk);
        assert_eq!(carry_out_again(&disk).unwrap(), (2, Vec::new()));
        assert_eq!(read(&disk), b"\0\0\0x\0\0\0\0\0\0");
        assert_eq!(
            carry_out_again(&disk).unwrap(),
            (0, Vec::new()),
            "only once"
        );
    }

    #[test]
    fn a_torn_chunk_and_a_file_of_another_size_are_left_alone() {
        let disk = MemoryDisk::new();
        sealed(&disk);
        disk.open(Path::new(NAME), Open::Existing)
            .unwrap()
            .write_at(b"?", 12)
            .unwrap();
        assert_eq!(carry_out_again(&disk).unwrap(), (0, Vec::new()));

        sealed(&disk);
        disk.open(Path::new("rrd/a"), Open::Existing)
            .unwrap()
            .set_size(11)
            .unwrap();
        let (_, problems) = carry_out_again(&disk).unwrap();
        assert_eq!(problems, ["rrd/a: expected 10 bytes, found 11: left alone"]);
    }
}
