//! One collector a data directory: a lock that goes with the process, and a note of who holds it.
//!
//! It is a lock of the open file, which can be asked about without being taken: who looks is in nobody's way.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

const NAME: &str = "lock";

/// The lock on a data directory, held until it is dropped.
#[derive(Debug)]
pub struct DataLock {
    file: File,
}

/// Why a data directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another collector works in it.
    #[error(
        "data directory {data} is in use by {holder}: stop it first, or name another directory with --data"
    )]
    Held {
        /// The directory.
        data: PathBuf,
        /// What the holder wrote down about itself.
        holder: String,
    },
    /// It cannot be made or written.
    #[error("data directory {data}: {source}")]
    Io {
        /// The directory.
        data: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Makes a data directory where it is not there. It holds everybody's history and the hashes of tokens, so others cannot
/// list it; they can pass through it, because plugins that run as other users have their state below it.
///
/// # Errors
/// When it cannot be made.
pub fn make_data_dir(data: &Path) -> io::Result<()> {
    if data.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(data)?;
    // Whatever the mask of the process says.
    fs::set_permissions(data, Permissions::from_mode(0o751))
}

impl DataLock {
    /// Makes the directory where it is not there, and takes the lock.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take(data: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            data: data.to_owned(),
            source,
        };
        make_data_dir(data).map_err(failed)?;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut file = options.open(data.join(NAME)).map_err(failed)?;
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file())) {
            Ok(_) => {
                let private = Permissions::from_mode(0o600);
                file.set_permissions(private).map_err(failed)?;
                Ok(Self { file })
            }
            Err(nix::Error::EAGAIN | nix::Error::EACCES) => {
                let mut holder = String::new();
                drop(file.read_to_string(&mut holder));
                let holder = holder
                    .lines()
                    .next()
                    .unwrap_or("another process")
                    .to_owned();
                Err(LockError::Held {
                    data: data.to_owned(),
                    holder,
                })
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Writes down who holds it, and where its pages are: the second line is the address.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn note(&mut self, url: &str) -> io::Result<()> {
        let text = format!("ravenry process {} ({url})\n{url}\n", std::process::id());
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }
}

/// The address of the collector that works in `data`; `None` when none does.
///
/// # Errors
/// When the lock cannot be looked at.
pub fn running(data: &Path) -> Result<Option<String>, LockError> {
    let failed = |source| LockError::Io {
        data: data.to_owned(),
        source,
    };
    let mut file = match File::open(data.join(NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed)?,
    };
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let mut asked = whole_file();
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut asked)).map_err(|error| failed(error.into()))?;
    if asked.l_type == libc::F_UNLCK as libc::c_short {
        return Ok(None);
    }
    Ok(text.lines().nth(1).map(str::to_owned))
}

/// All of a file, for oneself.
fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_collector_is_told_who_holds_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("new");
        assert_eq!(running(&data).unwrap(), None);
        let mut lock = DataLock::take(&data).unwrap();
        lock.note("http://127.0.0.1:4950").unwrap();
        let error = DataLock::take(&data).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(
            error.contains(&format!(
                "in use by ravenry process {pid} (http://127.0.0.1:4950)"
            )),
            "{error}"
        );
        assert_eq!(
            running(&data).unwrap().as_deref(),
            Some("http://127.0.0.1:4950")
        );
        drop(lock);
        assert_eq!(running(&data).unwrap(), None);
        DataLock::take(&data).unwrap();
    }

    #[test]
    fn who_looks_is_in_nobodys_way_and_only_the_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        drop(DataLock::take(folder.path()).unwrap());
        let looks = std::thread::scope(|scope| {
            let looks = scope.spawn(|| (0..2000).all(|_| running(folder.path()).is_ok()));
            for _ in 0..200 {
                drop(DataLock::take(folder.path()).unwrap());
            }
            looks.join().unwrap()
        });
        assert!(looks);
        let mode = folder
            .path()
            .join(NAME)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
