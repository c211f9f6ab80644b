//! Real files below a folder.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::fcntl::{FallocateFlags, FcntlArg, fallocate, fcntl};
use nix::libc;

use super::{Disk, DiskFile, Open, checked, named};

/// How often, and how far apart, a busy lock is tried: a reader holds it for milliseconds.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The files of a folder.
///
/// What the kernel could not write back it tells once to each descriptor that was open then, and to a new one not at all
/// when somebody else was told. So the folder stays open; and who must know for himself that all is safe has a disk of his
/// own, no clone.
#[derive(Clone, Debug)]
pub struct FileDisk {
    root: PathBuf,
    folder: Arc<File>,
    /// The mode of files that are made.
    mode: u32,
}

impl FileDisk {
    /// The disk of what lies below `root`, which is made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        fs::create_dir_all(&root).map_err(|error| named(&root, error))?;
        let folder = File::open(&root).map_err(|error| named(&root, error))?;
        let folder = Arc::new(folder);
        let mode = 0o644;
        Ok(Self { root, folder, mode })
    }

    /// The same, for nobody but this user: the folder is closed to others, files that are made are too.
    ///
    /// # Errors
    /// When it cannot be made or closed.
    pub fn private(root: impl Into<PathBuf>) -> io::Result<Self> {
        let mut disk = Self::new(root)?;
        disk.mode = 0o600;
        let closed = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&disk.root, closed).map_err(|error| named(&disk.root, error))?;
        Ok(disk)
    }

    fn place(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(self.root.join(checked(path)?))
    }
}

impl Disk for FileDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let place = self.place(path)?;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NOATIME)
            .mode(self.mode);
        if how == Open::OrCreate {
            if let Some(folder) = place.parent() {
                fs::create_dir_all(folder).map_err(|error| named(folder, error))?;
            }
            options.create(true);
        }
        let file = match options.open(&place) {
            // Reading is not to change the file: when it was read last is nobody's news. That is the owner's to say.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                options.custom_flags(libc::O_NOFOLLOW).open(&place)
            }
            file => file,
        };
        let file = file.map_err(|error| named(&place, error))?;
        Ok(Box::new(OpenFile { file, place }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        fs::rename(&from, to).map_err(|error| named(&from, error))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        fs::remove_file(&place).map_err(|error| named(&place, error))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let place = self.place(folder)?;
        let entries = match fs::read_dir(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| named(&place, error))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.extend(entry.file_name().into_string().ok());
            }
        }
        names.sort();
        Ok(names)
    }

    fn sync_all(&self) -> io::Result<()> {
        nix::unistd::syncfs(self.folder.as_fd()).map_err(|error| named(&self.root, error.into()))
    }
}

struct OpenFile {
    file: File,
    place: PathBuf,
}

impl OpenFile {
    fn named<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| named(&self.place, error))
    }

    fn set_lock(&self, kind: i32) -> nix::Result<()> {
        let whole = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        fcntl(&self.file, FcntlArg::F_OFD_SETLK(&whole)).map(drop)
    }
}

impl DiskFile for OpenFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < bytes.len() {
            match self.file.read_at(&mut bytes[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.named(Err(error)),
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.named(self.file.write_all_at(bytes, offset))
    }

    fn size_bytes(&self) -> io::Result<u64> {
        self.named(self.file.metadata().map(|metadata| metadata.len()))
    }

    fn set_size(&self, size_bytes: u64) -> io::Result<()> {
        self.named(self.file.set_len(size_bytes))
    }

    fn reserve(&self, size_bytes: u64) -> io::Result<()> {
        let length = i64::try_from(size_bytes).map_err(io::Error::other)?;
        match fallocate(&self.file, FallocateFlags::empty(), 0, length) {
            // A file system that cannot reserve: the file grows as it is written.
            Err(nix::Error::EOPNOTSUPP | nix::Error::ENOSYS) => Ok(()),
            result => self.named(result.map_err(io::Error::from)),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.named(self.file.sync_data())
    }

    fn locked(&self, write: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        let mut tries = 0;
        while let Err(error) = self.set_lock(libc::F_WRLCK) {
            tries += 1;
            if !matches!(error, nix::Error::EAGAIN | nix::Error::EACCES) || tries == LOCK_TRIES {
                return self.named(Err(io::Error::new(
                    io::ErrorKind::WouldBlock,
                    format!("another program holds the lock: {error}"),
                )));
            }
            thread::sleep(LOCK_PAUSE);
        }
        let written = write();
        let unlocked = self.set_lock(libc::F_UNLCK).map_err(io::Error::from);
        written.and(self.named(unlocked))
    }
}
