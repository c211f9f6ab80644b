//! `threads`: the number of threads of all processes, from `/proc/PID/stat`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::processes::Process;
use super::{BundledError, Entry, PluginSample, always, no_instances};

pub(super) const ENTRY: Entry = Entry {
    name: "threads",
    summary: "number of threads of all processes",
    automatic: true,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| read(request.graph, &request.system().processes()),
    autoconf: always,
    suggest: no_instances,
};

fn declare(graph: &GraphName, environment: &Environment) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Number of threads"),
            ("graph_vlabel", "number of threads"),
            ("graph_category", "processes"),
            (
                "graph_info",
                "How many threads all processes have together.",
            ),
        ],
    );
    draft
        .field(
            "threads",
            &[
                ("label", "threads"),
                ("info", "Threads at the moment of the run."),
            ],
        )?
        .limits(environment);
    Ok(draft.finish())
}

fn read(graph: &GraphName, processes: &[Process]) -> Result<Vec<PluginSample>, BundledError> {
    let threads = processes.iter().map(|process| process.threads).sum();
    Ok(vec![sample(graph, "threads", Reading::Count(threads))?])
}
