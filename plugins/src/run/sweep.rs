//! Finds what a run left behind wherever it went, by a variable of its environment.
//!
//! A process may leave its group and session (`setsid`, a daemon); its environment it keeps. `/proc/PID/environ` is what the
//! process was started with, readable by its own user and by root.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::{Signal, kill as send};
use nix::unistd::Pid;

use crate::timestamp::Timestamp;

/// The variable in the environment of a plugin that names its run.
pub const MARK: &str = "RAVENRY_RUN";
/// Looks at all processes at most: one that forks all the time could outrun us for ever.
const LOOKS_MAX: usize = 10;

/// A value of [`MARK`] that no other run has.
pub(super) fn mark(started: Timestamp) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}.{}.{number}", std::process::id(), started.micros())
}

/// Kills every process of the run that `mark` names; looks again until it finds none.
pub(super) fn kill(mark: &str) {
    let variable = format!("{MARK}={mark}");
    for _ in 0..LOOKS_MAX {
        let found = processes(variable.as_bytes());
        if found.is_empty() {
            return;
        }
        for process in found {
            let _ = send(process, Signal::SIGKILL);
        }
    }
}

/// The processes that were started with that variable and have not ended.
fn processes(variable: &[u8]) -> Vec<Pid> {
    let Ok(folder) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // A process that has ended has no environment any more.
    let has_variable = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|one| one == variable)
    };
    pids.filter(has_variable).map(Pid::from_raw).collect()
}
