//! `proc_pri`: processes of raised or lowered priority, or with pages locked in memory, from `/proc/PID/stat` and
//! `/proc/PID/status`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::processes::Process;
use super::{BundledError, Entry, PluginSample, always, no_instances};

pub(super) const ENTRY: Entry = Entry {
    name: "proc_pri",
    summary: "number of processes of high and low priority",
    automatic: true,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| {
        let stats = request.system().process_texts("stat");
        let statuses = request.system().process_texts("status");
        read(request.graph, &stats, &statuses)
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
    stats: &[String],
    statuses: &[String],
) -> Result<Vec<PluginSample>, BundledError> {
    let processes: Vec<Process> = stats
        .iter()
        .filter_map(|text| Process::parse(text))
        .collect();
    let high = processes.iter().filter(|process| process.nice < 0).count();
    let low = processes.iter().filter(|process| process.nice > 0).count();
    let locked = statuses.iter().filter(|text| has_locked(text)).count();
    [("high", high), ("low", low), ("locked", locked)]
        .into_iter()
        .map(|(name, count)| sample(graph, name, Reading::Count(count as u64)))
        .collect()
}

/// Whether `VmLck:  N kB` says that the process has locked pages.
fn has_locked(status: &str) -> bool {
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    locked
        .and_then(|rest| rest.split_ascii_whitespace().next())
        .is_some_and(|kilobytes| kilobytes != "0")
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
