//! The host as the plugins see it: files below a root, file systems, processes, the time. Nothing is parsed here.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use crate::clock;
use crate::timestamp::Timestamp;

use super::{Autoconf, BundledError};

/// The longest text that is read of one file; a longer one is refused.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// Where the host's files are: below `/`, or below another root that holds a recording of one.
#[derive(Clone, Debug)]
pub struct System {
    root: PathBuf,
    now: Option<Timestamp>,
}

impl Default for System {
    fn default() -> Self {
        Self::running()
    }
}

/// What a file system holds, in bytes and files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Space {
    /// Its device's number: two mounts of one file system have the same.
    pub(super) device: u64,
    pub(super) bytes: u64,
    pub(super) bytes_free: u64,
    /// What is free for users other than root.
    pub(super) bytes_available: u64,
    pub(super) files: u64,
    pub(super) files_free: u64,
}

impl System {
    /// The host that we run on.
    #[must_use]
    pub fn running() -> Self {
        Self::at("/")
    }

    /// A recording of `/proc`, `/sys` and the rest below `root`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            now: None,
        }
    }

    /// The same at a moment that stands still.
    #[must_use]
    pub fn frozen(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(clock::now)
    }

    /// The path of a file of the host, which begins with `/`.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The bytes of a file of the host.
    pub(super) fn bytes(&self, path: &str) -> Result<Vec<u8>, BundledError> {
        read_limited(&self.path(path)).map_err(|source| BundledError::Read {
            path: path.to_owned(),
            source,
        })
    }

    /// The text of a file of the host; what is not UTF-8 is replaced.
    pub(super) fn text(&self, path: &str) -> Result<String, BundledError> {
        let bytes = self.bytes(path)?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// The text of a file of the host, if it can be read.
    pub(super) fn text_if_there(&self, path: &str) -> Option<String> {
        self.text(path).ok()
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// Names in a directory of the host, sorted; none when it cannot be read.
    pub(super) fn names(&self, directory: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(directory)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        names
    }

    /// The text of the file `name` of each process; those that end meanwhile are left out.
    pub(super) fn process_texts(&self, name: &str) -> Vec<String> {
        self.names("/proc")
            .iter()
            .filter(|pid| pid.bytes().all(|b| b.is_ascii_digit()))
            .filter_map(|pid| self.text_if_there(&format!("/proc/{pid}/{name}")))
            .collect()
    }

    /// What is on the file system mounted at `point`; `None` when it may not be asked.
    pub(super) fn space(&self, point: &str) -> Option<Space> {
        let path = self.path(point);
        let device = fs::metadata(&path).ok()?.dev();
        let stat = statvfs(&path).ok()?;
        let block = widen(stat.fragment_size());
        Some(Space {
            device,
            bytes: widen(stat.blocks()).saturating_mul(block),
            bytes_free: widen(stat.blocks_free()).saturating_mul(block),
            bytes_available: widen(stat.blocks_available()).saturating_mul(block),
            files: widen(stat.files()),
            files_free: widen(stat.files_free()),
        })
    }

    /// `yes` when the host lets a file be read.
    pub(super) fn autoconf_if_readable(&self, path: &str) -> Autoconf {
        match File::open(self.path(path)) {
            Ok(_) => Autoconf::Yes,
            Err(error) => Autoconf::No(Some(format!("cannot read {path}: {error}"))),
        }
    }
}

/// Counts of file systems have 32 bits on some machines.
fn widen(count: impl Into<u64>) -> u64 {
    count.into()
}

fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(TEXT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {TEXT_BYTES_MAX} bytes"),
        ));
    }
    Ok(bytes)
}
