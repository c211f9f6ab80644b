//! Files as the journal, the spool and the store need them: bytes at offsets, and a word on when they are safe.
//!
//! What is assumed of a disk, and what [`BreakingDisk`] does to who assumes more:
//! - Written bytes are safe after [`DiskFile::sync`] of their file or [`Disk::sync_all`], and not before; until then each
//!   sector of 512 bytes may or may not survive a power cut, in any combination.
//! - Creating, renaming and removing are safe after [`Disk::sync_all`]; until then any of them may survive. A rename
//!   replaces what had the name in one step.
//! - A file's length is safe with its bytes.
//! - A call that fails may have done any part of what it was asked for, or all. What a failed sync was to make safe must be
//!   written again before another sync can.
//!
//! Paths are relative to the disk's root and must not leave it.

use std::io;
use std::path::{Component, Path, PathBuf};

use nix::libc;

mod breaking;
mod file;
mod memory;

pub use breaking::{BreakingDisk, Failures};
pub use file::FileDisk;
pub use memory::MemoryDisk;

/// What is cached, and written back, at once.
pub(crate) const PAGE: usize = 4096;

/// A folder of files.
pub trait Disk: Send + Sync {
    /// Opens a file that is there, or with [`Open::OrCreate`] makes it and the folders above it.
    ///
    /// # Errors
    /// As of the operating system; with the path in the text.
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name; what had that name is gone.
    ///
    /// # Errors
    /// As of the operating system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As of the operating system; a file that is not there is one.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Names of the files in a folder, sorted; none where the folder is not there.
    ///
    /// # Errors
    /// As of the operating system.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Makes everything safe that was written, created, renamed and removed on this disk.
    ///
    /// # Errors
    /// As of the operating system; then nothing is known to be safe.
    fn sync_all(&self) -> io::Result<()>;
}

/// Whether a file must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// It must.
    Existing,
    /// It is made, empty, when it is not.
    OrCreate,
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Fills `bytes` from `offset`; stops early only at the end of the file, and says how many it read.
    ///
    /// # Errors
    /// As of the operating system.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`, growing the file where needed.
    ///
    /// # Errors
    /// As of the operating system, a full disk among them; any part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// As of the operating system.
    fn size_bytes(&self) -> io::Result<u64>;

    /// Cuts the file, or grows it with zeroes.
    ///
    /// # Errors
    /// As of the operating system.
    fn set_size(&self, size_bytes: u64) -> io::Result<()>;

    /// Reserves room, so that writing below `size_bytes` never finds the disk full. Grows the file to that.
    ///
    /// # Errors
    /// When there is no room.
    fn reserve(&self, size_bytes: u64) -> io::Result<()>;

    /// Makes the file's bytes and length safe.
    ///
    /// # Errors
    /// As of the operating system; then nothing is known to be safe.
    fn sync(&self) -> io::Result<()>;

    /// Runs `write` while other programs that take rrdtool's lock cannot read or write the file.
    ///
    /// # Errors
    /// When another program holds the lock for too long, and whatever `write` says.
    fn locked(&self, write: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;
}

/// Reads a whole file of at most `size_bytes_max`.
///
/// # Errors
/// When it is larger, or cannot be read.
pub fn read_whole(file: &dyn DiskFile, size_bytes_max: u64) -> io::Result<Vec<u8>> {
    let size = file.size_bytes()?;
    if size > size_bytes_max {
        return Err(io::Error::other(format!(
            "expected at most {size_bytes_max} bytes, found {size}"
        )));
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// An error of the operating system and the file that it is about.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}", path = path.display())]
struct PathError {
    path: PathBuf,
    source: io::Error,
}

/// The same error, with the path in its text.
fn named(path: &Path, source: io::Error) -> io::Error {
    let path = path.to_owned();
    io::Error::new(source.kind(), PathError { path, source })
}

/// The operating system's number of an error, also where it has been given a path.
#[must_use]
pub fn os_code(error: &io::Error) -> Option<i32> {
    let named = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<PathError>());
    named.map_or(error, |named| &named.source).raw_os_error()
}

/// Whether an error would meet every other file too: there is no room, no memory or no descriptor left.
#[must_use]
pub fn concerns_all_files(error: &io::Error) -> bool {
    use io::ErrorKind::{OutOfMemory, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | OutOfMemory)
        || matches!(os_code(error), Some(libc::EMFILE | libc::ENFILE))
}

/// A path that stays below the root.
fn checked(path: &Path) -> io::Result<&Path> {
    let stays = path
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if stays {
        Ok(path)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{}: expected a path below the root", path.display()),
        ))
    }
}

#[cfg(test)]
mod tests;
