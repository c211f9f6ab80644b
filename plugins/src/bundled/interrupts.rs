//! `interrupts`: interrupts and context switches, from `/proc/stat`. Also the lookup of one of its counters, which
//! `forks` and `vmstat` use.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::{BundledError, Entry, PluginSample, no_instances};

pub(super) const STAT: &str = "/proc/stat";

pub(super) const ENTRY: Entry = Entry {
    name: "interrupts",
    summary: "interrupts and context switches",
    automatic: true,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| read(request.graph, &request.text(STAT)?),
    autoconf: |environment| environment.system().autoconf_if_readable(STAT),
    suggest: no_instances,
};

/// The first number behind `name` in `/proc/stat`; unknown when this kernel does not write it.
pub(super) fn counter(stat: &str, name: &str) -> Reading {
    stat.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(have, _)| *have == name)
        .and_then(|(_, rest)| rest.split_ascii_whitespace().next())
        .and_then(Reading::parse)
        .unwrap_or(Reading::Unknown)
}

fn declare(graph: &GraphName, environment: &Environment) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Interrupts and context switches"),
            ("graph_args", "--base 1000 -l 0"),
            (
                "graph_vlabel",
                "interrupts & ctx switches / ${graph_period}",
            ),
            ("graph_category", "system"),
            (
                "graph_info",
                "How often devices interrupt the processors, and how often these change from one task to another. Both rise with the work done.",
            ),
        ],
    );
    let fields = [
        (
            "intr",
            "interrupts",
            "Interrupts by devices and timers, each of which takes a processor away from what it did.",
        ),
        (
            "ctx",
            "context switches",
            "Changes of a processor from one task to another.",
        ),
    ];
    for (name, label, info) in fields {
        draft
            .field(
                name,
                &[
                    ("info", info),
                    ("label", label),
                    ("type", "DERIVE"),
                    ("min", "0"),
                ],
            )?
            .limits(environment);
    }
    Ok(draft.finish())
}

fn read(graph: &GraphName, stat: &str) -> Result<Vec<PluginSample>, BundledError> {
    Ok(vec![
        sample(graph, "intr", counter(stat, "intr"))?,
        sample(graph, "ctx", counter(stat, "ctxt"))?,
    ])
}
