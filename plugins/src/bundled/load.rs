//! `load`: the load average over five minutes, from `/proc/loadavg`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::{BundledError, Entry, PluginSample, no_instances};

const LOADAVG: &str = "/proc/loadavg";

pub(super) const ENTRY: Entry = Entry {
    name: "load",
    summary: "load average over five minutes",
    automatic: true,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| read(request.graph, &request.text(LOADAVG)?),
    autoconf: |environment| environment.system().autoconf_if_readable(LOADAVG),
    suggest: no_instances,
};

fn declare(graph: &GraphName, environment: &Environment) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Load average"),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_vlabel", "load"),
            ("graph_scale", "no"),
            ("graph_category", "system"),
            (
                "graph_info",
                "How many tasks on average were running, waiting for a processor or waiting for a disk.",
            ),
        ],
    );
    draft
        .field(
            "load",
            &[
                ("label", "load"),
                ("info", "Load average over the last 5 minutes"),
            ],
        )?
        .limits(environment);
    Ok(draft.finish())
}

fn read(graph: &GraphName, loadavg: &str) -> Result<Vec<PluginSample>, BundledError> {
    let five_minutes = loadavg.split_ascii_whitespace().nth(1);
    let reading = five_minutes
        .and_then(Reading::parse)
        .ok_or(BundledError::Form {
            path: LOADAVG,
            expected: "three load averages",
        })?;
    Ok(vec![sample(graph, "load", reading)?])
}
