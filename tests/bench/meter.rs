//! What a process used, and what lies on the disk: CPU from the process's own clock (user and system, all its threads),
//! memory and written bytes from `/proc`, blocks from `stat`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use ravenry_tests::wait;

/// What was used between two looks at a process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// User and system time of all threads.
    pub(crate) cpu: Duration,
    /// Time that passed.
    pub(crate) wall: Duration,
}

/// A look at a process that goes on.
pub(crate) struct Meter {
    pid: u32,
    cpu: Duration,
    wall: Instant,
}

impl Meter {
    /// Looks at process `pid`.
    #[must_use]
    pub(crate) fn start(pid: u32) -> Self {
        Self {
            pid,
            cpu: cpu(pid),
            wall: wait::now(),
        }
    }

    /// What it used since.
    #[must_use]
    pub(crate) fn used(&self) -> Used {
        Used {
            cpu: cpu(self.pid) - self.cpu,
            wall: self.wall.elapsed(),
        }
    }
}

/// User and system time of a process since it was started.
pub(crate) fn cpu(pid: u32) -> Duration {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap());
    let clock = clock_getcpuclockid(pid).unwrap();
    clock_gettime(clock).unwrap().into()
}

/// Memory of a process in KiB that is its own, without the pages of files: now, or `peak` the most of all it has had.
#[must_use]
pub(crate) fn memory_kib(pid: u32, peak: bool) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number.map_or(0, |number| number.parse::<u64>().unwrap())
    };
    if peak {
        line("VmHWM:")
    } else {
        line("RssAnon:")
    }
}

/// Bytes that a process gave to the disk so far.
#[must_use]
pub(crate) fn written_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "));
    line.map_or(0, |number| number.parse().unwrap())
}

/// Bytes of the blocks that everything below `folder` takes.
#[must_use]
pub(crate) fn disk_bytes(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        bytes += metadata.blocks() * 512;
        if metadata.is_dir() {
            bytes += disk_bytes(&entry.path());
        }
    }
    bytes
}

/// Bytes that are free where `folder` is.
#[must_use]
pub(crate) fn free_bytes(folder: &Path) -> u64 {
    let found = nix::sys::statvfs::statvfs(folder).unwrap();
    found.blocks_available() * found.fragment_size()
}

/// Waits until everything written is on the disk, so that one's bytes are not another's time.
pub(crate) fn settle() {
    nix::unistd::sync();
}
