//! Files on disk: made whole and renamed into place, read through a map, written in place under rrdtool's lock. The bytes
//! themselves are the business of the pure modules.
//!
//! The lock is a record lock on the whole file, as rrdtool takes it, but owned by the open file rather than the process:
//! it conflicts with rrdtool's in the same way, and is not lost when another descriptor of the file is closed.
//!
//! A map of a file that someone truncates kills the process: [`Reader`] is for the command line and for import, not for
//! files that others may write to a long-running process's harm.
#![expect(unsafe_code, reason = "memory maps")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use memmap2::Mmap;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl, posix_fallocate};
use nix::libc;

use crate::create::FILE_SIZE_MAX;
use crate::header::{Header, HeaderError, Outline};
use crate::layout;
use crate::writes::Writes;

/// Tries to get a lock, and the pause between them: together a fifth of a second.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("{doing} '{}': {}", .path.display(), plain(.source))]
    Io {
        /// `opening`, `creating` …
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Someone else holds the lock for long: try again later.
    #[error("'{}': could not lock RRD", .0.display())]
    Busy(PathBuf),
    /// The bytes are no RRD file that we can use.
    #[error("'{}': {source}", .path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: HeaderError,
    },
}

/// The text of a system error without its number.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// Who may read and write a new file. One that replaces another has the other's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 0644, whatever the umask is: what `create` gives.
    Fixed,
    /// 0666 less the umask: what `restore` gives.
    Umask,
}

/// Writes a new file beside `path` and renames it there, so that others see the old file or the new one, whole. Its blocks
/// are reserved. Not synced.
///
/// # Errors
/// [`FileError::Io`]; also when the file exists and `replace` is false.
pub fn create(path: &Path, bytes: &[u8], replace: bool) -> Result<(), FileError> {
    put(path, bytes, replace, Mode::Fixed)
}

/// As [`create`], with a choice of the mode.
///
/// # Errors
/// As [`create`].
pub fn put(path: &Path, bytes: &[u8], replace: bool, mode: Mode) -> Result<(), FileError> {
    let fail = || failed("creating", path);
    if !replace && path.symlink_metadata().is_ok() {
        return Err(fail()(io::Error::from(Errno::EEXIST)));
    }
    let replaced = path.metadata().ok().map(|metadata| metadata.permissions());
    let permissions = match (replaced, mode) {
        (Some(replaced), _) => Some(replaced),
        (None, Mode::Fixed) => Some(std::fs::Permissions::from_mode(0o644)),
        (None, Mode::Umask) => None,
    };
    let (temporary, file) = temporary(path, permissions.is_none()).map_err(fail())?;
    let written = fill(file, bytes, permissions).and_then(|()| {
        if replace {
            std::fs::rename(&temporary, path)
        } else {
            std::fs::hard_link(&temporary, path).and_then(|()| std::fs::remove_file(&temporary))
        }
    });
    if written.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&temporary);
    }
    written.map_err(fail())
}

/// A new file in the same directory.
fn temporary(path: &Path, open: bool) -> io::Result<(PathBuf, File)> {
    let mut last = io::Error::from(Errno::EEXIST);
    for attempt in 0..100 {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}-{attempt}", std::process::id()));
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(if open { 0o666 } else { 0o600 })
            .open(&name)
        {
            Ok(file) => return Ok((name.into(), file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn fill(mut file: File, bytes: &[u8], permissions: Option<std::fs::Permissions>) -> io::Result<()> {
    match posix_fallocate(&file, 0, bytes.len() as libc::off_t) {
        // Not every file system can reserve; writing every byte does it there.
        Ok(()) | Err(Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    file.write_all(bytes)?;
    permissions.map_or(Ok(()), |permissions| file.set_permissions(permissions))
}

/// What a lock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Reading: others may read too.
    Shared,
    /// Writing: nobody else may do anything. The file must be open for writing.
    Exclusive,
}

/// rrdtool's lock on a whole file; released when dropped.
#[derive(Debug)]
pub struct Lock<'a> {
    file: &'a File,
}

impl<'a> Lock<'a> {
    /// Takes the lock; a busy one is tried again for a fifth of a second.
    ///
    /// # Errors
    /// `WouldBlock` when it stays busy, and what the system says.
    pub fn take(file: &'a File, kind: LockKind) -> io::Result<Self> {
        let word = match kind {
            LockKind::Shared => libc::F_RDLCK,
            LockKind::Exclusive => libc::F_WRLCK,
        };
        let mut tries = 0;
        loop {
            match set_lock(file, word) {
                Ok(()) => return Ok(Self { file }),
                Err(Errno::EAGAIN | Errno::EACCES) => tries += 1,
                Err(error) => return Err(error.into()),
            }
            if tries == LOCK_TRIES {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            std::thread::sleep(LOCK_PAUSE);
        }
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Closing the file releases it as well.
        let _ = set_lock(self.file, libc::F_UNLCK);
    }
}

fn set_lock(file: &File, word: libc::c_int) -> Result<(), Errno> {
    let whole = libc::flock {
        l_type: word as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&whole)).map(drop)
}

fn locked<'a>(file: &'a File, path: &Path, kind: LockKind) -> Result<Lock<'a>, FileError> {
    Lock::take(file, kind).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => FileError::Busy(path.to_owned()),
        _ => failed("locking", path)(error),
    })
}

/// A file mapped for reading, under a reader's lock for as long as this lives.
#[derive(Debug)]
pub struct Reader {
    /// The header as it is in the file.
    pub header: Header,
    map: Mmap,
    /// Holds the lock: closing it gives it back.
    _file: File,
}

impl Reader {
    /// Opens, locks and checks a file.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let file = File::open(path).map_err(failed("opening", path))?;
        std::mem::forget(locked(&file, path, LockKind::Shared)?);
        // SAFETY: the map is private to this reader and only read. That nobody truncates the file meanwhile is what the
        // module's documentation asks of its users; rrdtool itself never does.
        let map = unsafe { Mmap::map(&file) }.map_err(failed("mapping", path))?;
        let header = Header::parse(&map, map.len() as u64).map_err(|source| FileError::Header {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            header,
            map,
            _file: file,
        })
    }

    /// The whole file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }
}

/// Changes a file in place: under the writer's lock, `change` is given the header and collects row writes; then these and
/// the live part are written. What `change` returns is returned.
///
/// # Errors
/// See [`FileError`]; after an error of the system in the middle of writing, the file may have a part of the writes.
pub fn update<T>(
    path: &Path,
    change: impl FnOnce(&mut Header, &mut Writes) -> T,
) -> Result<T, FileError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed("opening", path))?;
    let _lock = locked(&file, path, LockKind::Exclusive)?;
    let mut header = read_header(&file, path)?;
    header
        .load_seasons(|offset, bytes| file.read_exact_at(bytes, offset))
        .map_err(failed("reading", path))?;
    let mut writes = Writes::new();
    let result = change(&mut header, &mut writes);
    header.live_write(&mut writes);
    writes.merge();
    for (offset, bytes) in writes.iter() {
        file.write_all_at(bytes, offset)
            .map_err(failed("writing", path))?;
    }
    Ok(result)
}

/// What becomes of a file that [`rewrite`] has read.
#[derive(Debug)]
pub enum Rewrite {
    /// The bytes that are others are written where they are: the file stays the same one. Only for as many bytes as
    /// before.
    InPlace(Vec<u8>),
    /// A new file takes its place.
    Replace(Vec<u8>),
}

/// Changes a file as a whole under the writer's lock: `change` is given its bytes and says what becomes of them. After an
/// error of `change`, which is the inner one, the file is as it was.
///
/// # Errors
/// See [`FileError`]; also when the file is larger than [`FILE_SIZE_MAX`].
pub fn rewrite<E>(
    path: &Path,
    change: impl FnOnce(&[u8]) -> Result<Rewrite, E>,
) -> Result<Result<(), E>, FileError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed("opening", path))?;
    let _lock = locked(&file, path, LockKind::Exclusive)?;
    let old = read_whole(&file).map_err(failed("reading", path))?;
    match change(&old) {
        Err(error) => return Ok(Err(error)),
        Ok(Rewrite::InPlace(new)) if new.len() == old.len() => {
            write_changes(&file, &old, &new).map_err(failed("writing", path))?;
        }
        Ok(Rewrite::InPlace(new) | Rewrite::Replace(new)) => create(path, &new, true)?,
    }
    Ok(Ok(()))
}

/// At most the largest file, and what may be behind it.
fn read_whole(file: &File) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    if size > FILE_SIZE_MAX {
        return Err(io::Error::from(Errno::EFBIG));
    }
    let mut bytes = vec![0; size as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn write_changes(file: &File, old: &[u8], new: &[u8]) -> io::Result<()> {
    const BLOCK: usize = 64;
    let blocks = old.chunks(BLOCK).zip(new.chunks(BLOCK)).enumerate();
    for (number, (_, block)) in blocks.filter(|(_, (old, new))| old != new) {
        file.write_all_at(block, (number * BLOCK) as u64)?;
    }
    Ok(())
}

fn read_header(file: &File, path: &Path) -> Result<Header, FileError> {
    let wrong = |source| FileError::Header {
        path: path.to_owned(),
        source,
    };
    let file_len = file.metadata().map_err(failed("reading", path))?.len();
    let mut bytes = vec![0; layout::STAT_HEAD.min(usize::try_from(file_len).unwrap_or(usize::MAX))];
    file.read_exact_at(&mut bytes, 0)
        .map_err(failed("reading", path))?;
    let outline = Outline::parse(&bytes, file_len).map_err(wrong)?;
    bytes.resize(outline.header_len, 0);
    file.read_exact_at(&mut bytes, 0)
        .map_err(failed("reading", path))?;
    Header::parse(&bytes, file_len).map_err(wrong)
}
