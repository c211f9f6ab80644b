//! `entropy`: what the kernel's random number generator holds, from `/proc/sys/kernel/random/entropy_avail`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::{BundledError, Entry, PluginSample, no_instances};

const ENTROPY: &str = "/proc/sys/kernel/random/entropy_avail";

pub(super) const ENTRY: Entry = Entry {
    name: "entropy",
    summary: "what the random number generator holds",
    // On today's kernels a constant, which nobody needs to be offered.
    automatic: false,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| read(request.graph, &request.text(ENTROPY)?),
    autoconf: |environment| environment.system().autoconf_if_readable(ENTROPY),
    suggest: no_instances,
};

fn declare(graph: &GraphName, environment: &Environment) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Available entropy"),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_vlabel", "entropy (bits)"),
            ("graph_scale", "no"),
            ("graph_category", "system"),
            (
                "graph_info",
                "What the kernel's random number generator holds. Since Linux 5.18 that is always 256 once it has started.",
            ),
        ],
    );
    draft
        .field(
            "entropy",
            &[
                ("label", "entropy"),
                ("info", "Bits of randomness at hand."),
            ],
        )?
        .limits(environment);
    Ok(draft.finish())
}

fn read(graph: &GraphName, entropy: &str) -> Result<Vec<PluginSample>, BundledError> {
    let reading = Reading::parse(entropy.trim()).ok_or(BundledError::Form {
        path: ENTROPY,
        expected: "a number",
    })?;
    Ok(vec![sample(graph, "entropy", reading)?])
}
