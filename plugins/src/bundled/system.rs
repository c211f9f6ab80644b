//! The host as the plugins see it: files below a root, file systems, processes, the time. Of these only processes are
//! parsed here, because several plugins that run together share one look at them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use nix::sys::statvfs::statvfs;

use crate::clock;
use crate::timestamp::Timestamp;

use super::processes::Process;
use super::{Autoconf, BundledError};

/// The longest text that is read of one file; a longer one is refused.
const TEXT_BYTES_MAX: u64 = 64 << 20;
/// What most files of the kernel have less than.
const TEXT_BYTES_USUAL: usize = 4 << 10;

/// Where the host's files are: below `/`, or below another root that holds a recording of one.
#[derive(Clone, Debug)]
pub struct System {
    root: PathBuf,
    now: Option<Timestamp>,
    /// Its processes, where all plugins of a round are to see the same ones.
    round: Option<Arc<OnceLock<Arc<[Process]>>>>,
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
            round: None,
        }
    }

    /// The same at a moment that stands still.
    #[must_use]
    pub fn frozen(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// The same for plugins that run one after the other: who asks first for the processes reads them for all.
    #[must_use]
    pub fn for_one_round(mut self) -> Self {
        self.round = Some(Arc::default());
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

    /// What `/proc/PID/stat` says of each process; those that end meanwhile are left out.
    pub(super) fn processes(&self) -> Arc<[Process]> {
        match &self.round {
            Some(round) => round.get_or_init(|| self.read_processes()).clone(),
            None => self.read_processes(),
        }
    }

    fn read_processes(&self) -> Arc<[Process]> {
        let Ok(entries) = fs::read_dir(self.path("/proc")) else {
            return Arc::default();
        };
        let mut bytes = Vec::new();
        let found = entries.filter_map(|entry| {
            let pid = entry.ok()?.file_name();
            let is_pid = pid.as_encoded_bytes().iter().all(u8::is_ascii_digit);
            let mut path = is_pid.then(|| self.path("/proc"))?;
            path.push(pid);
            path.push("stat");
            read_limited_into(&path, &mut bytes).ok()?;
            Process::parse(&String::from_utf8_lossy(&bytes))
        });
        found.collect()
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
    read_limited_into(path, &mut bytes)?;
    Ok(bytes)
}

/// The same into a buffer, whose content goes.
fn read_limited_into(path: &Path, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.clear();
    // Files of /proc do not say how long they are: with room for most of them, two reads bring one.
    bytes.reserve(TEXT_BYTES_USUAL);
    File::open(path)?
        .take(TEXT_BYTES_MAX + 1)
        .read_to_end(bytes)?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {TEXT_BYTES_MAX} bytes"),
        ));
    }
    Ok(())
}
