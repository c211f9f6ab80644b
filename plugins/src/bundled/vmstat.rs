//! `vmstat`: tasks that run and tasks that wait for disks, from `/proc/stat`.

use crate::declaration::Declaration;
use crate::name::GraphName;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::interrupts::{STAT, counter};
use super::{BundledError, Entry, PluginSample, no_instances};

pub(super) const ENTRY: Entry = Entry {
    name: "vmstat",
    summary: "tasks that run and tasks that wait for disks",
    automatic: true,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| read(request.graph, &request.text(STAT)?),
    autoconf: |environment| environment.system().autoconf_if_readable(STAT),
    suggest: no_instances,
};

fn declare(graph: &GraphName, environment: &Environment) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "VMstat"),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_vlabel", "process states"),
            ("graph_category", "processes"),
            (
                "graph_info",
                "How many tasks run or want to, and how many wait for a disk.",
            ),
        ],
    );
    let fields = [
        ("wait", "running", "Tasks that run or wait for a processor"),
        (
            "sleep",
            "I/O sleep",
            "Tasks that wait for a disk and cannot be woken before",
        ),
    ];
    for (name, label, info) in fields {
        draft
            .field(
                name,
                &[
                    ("label", label),
                    ("type", "GAUGE"),
                    ("max", "500000"),
                    ("info", info),
                ],
            )?
            .limits(environment);
    }
    Ok(draft.finish())
}

fn read(graph: &GraphName, stat: &str) -> Result<Vec<PluginSample>, BundledError> {
    Ok(vec![
        sample(graph, "wait", counter(stat, "procs_running"))?,
        sample(graph, "sleep", counter(stat, "procs_blocked"))?,
    ])
}
