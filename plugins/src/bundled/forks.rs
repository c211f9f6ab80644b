//! `forks`: processes started, from `/proc/stat`.

use crate::declaration::Declaration;
use crate::name::GraphName;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::interrupts::{STAT, counter};
use super::{BundledError, Entry, PluginSample, no_instances};

pub(super) const ENTRY: Entry = Entry {
    name: "forks",
    summary: "processes started",
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
            ("graph_title", "Fork rate"),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_vlabel", "forks / ${graph_period}"),
            ("graph_category", "processes"),
            ("graph_info", "How many processes and threads are started."),
        ],
    );
    draft
        .field(
            "forks",
            &[
                ("label", "forks"),
                ("type", "DERIVE"),
                ("min", "0"),
                ("max", "100000"),
                ("info", "Processes and threads started a second."),
            ],
        )?
        .limits(environment);
    Ok(draft.finish())
}

fn read(graph: &GraphName, stat: &str) -> Result<Vec<PluginSample>, BundledError> {
    Ok(vec![sample(graph, "forks", counter(stat, "processes"))?])
}
