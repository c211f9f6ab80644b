//! `proc_pri`: processes of raised or lowered priority, or with pages locked in memory, from `/proc/PID/stat` and
//! `/proc/PID/status`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::processes::Process;
use super::system::System;
use super::{BundledError, Entry, PluginSample, always, no_instances};

pub(super) const ENTRY: Entry = Entry {
    name: "proc_pri",
    summary: "number of processes of high and low priority",
    automatic: true,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| {
        let system = request.system();
        let processes = system.processes();
        read(request.graph, &processes, count_locked(system, &processes))
    },
    autoconf: always,
    suggest: no_instances,
};

fn declare(graph: &GraphName, environment: &Environment) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Processes priority"),
            ("graph_order", "low high locked"),
            ("graph_category", "processes"),
            (
                "graph_info",
                "How many processes have another than the normal priority, or memory that cannot be swapped out.",
            ),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_vlabel", "Number of processes"),
        ],
    );
    let fields = [
        (
            "high",
            "high priority",
            "STACK",
            "Processes with a nice value below 0",
        ),
        (
            "low",
            "low priority",
            "AREA",
            "Processes with a nice value above 0",
        ),
        (
            "locked",
            "locked in memory",
            "STACK",
            "Processes with pages locked in memory, as those that must answer at once have",
        ),
    ];
    for (name, label, draw, info) in fields {
        draft
            .field(name, &[("label", label), ("draw", draw), ("info", info)])?
            .limits(environment);
    }
    Ok(draft.finish())
}

fn read(
    graph: &GraphName,
    processes: &[Process],
    locked: usize,
) -> Result<Vec<PluginSample>, BundledError> {
    let high = processes.iter().filter(|process| process.nice < 0).count();
    let low = processes.iter().filter(|process| process.nice > 0).count();
    [("high", high), ("low", low), ("locked", locked)]
        .into_iter()
        .map(|(name, count)| sample(graph, name, Reading::Count(count as u64)))
        .collect()
}

/// Processes with locked pages. Their `status` is dear, the kernel's sum of all locked pages cheap and mostly 0.
fn count_locked(system: &System, processes: &[Process]) -> usize {
    let memory = system.text_if_there("/proc/meminfo").unwrap_or_default();
    if kilobytes(&memory, "Mlocked:") == Some("0") {
        return 0;
    }
    let with_memory = processes.iter().filter(|process| process.has_memory);
    let statuses = with_memory
        .filter_map(|process| system.text_if_there(&format!("/proc/{}/status", process.pid)));
    statuses.filter(|status| has_locked(status)).count()
}

/// Whether `VmLck:  N kB` says that the process has locked pages.
fn has_locked(status: &str) -> bool {
    kilobytes(status, "VmLck:").is_some_and(|kilobytes| kilobytes != "0")
}

/// `N` of the line `name N kB`.
fn kilobytes<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_memory_is_told_from_none() {
        assert!(has_locked("Name:\tx\nVmLck:\t    13 kB\n"));
        assert!(!has_locked("Name:\tx\nVmLck:\t     0 kB\n"));
        assert!(!has_locked("Name:\tkworker\n"));
    }
}
