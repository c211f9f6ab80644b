//! `swap`: pages moved to and from swap, from `/proc/vmstat`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::{BundledError, Entry, PluginSample, no_instances};

const VMSTAT: &str = "/proc/vmstat";

pub(super) const ENTRY: Entry = Entry {
    name: "swap",
    summary: "pages moved to and from swap space",
    automatic: true,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| read(request.graph, &request.text(VMSTAT)?),
    autoconf: |environment| environment.system().autoconf_if_readable(VMSTAT),
    suggest: no_instances,
};

fn declare(graph: &GraphName, environment: &Environment) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Swap in/out"),
            ("graph_args", "-l 0 --base 1000"),
            ("graph_vlabel", "pages per ${graph_period} in (-) / out (+)"),
            ("graph_category", "system"),
            (
                "graph_info",
                "Pages that the kernel moves between memory and swap. A little is normal, a lot for long means too little memory.",
            ),
        ],
    );
    let counter = [
        ("label", "swap"),
        ("type", "DERIVE"),
        ("max", "100000"),
        ("min", "0"),
    ];
    draft
        .field("swap_in", &counter)?
        .set("graph", "no")
        .set("info", "Pages read back from swap")
        .limits(environment);
    draft
        .field("swap_out", &counter)?
        .set("negative", "swap_in")
        .set("info", "Pages written to swap")
        .limits(environment);
    Ok(draft.finish())
}

fn read(graph: &GraphName, vmstat: &str) -> Result<Vec<PluginSample>, BundledError> {
    let counter = |name: &str| {
        let of_name = |line: &str| {
            let (have, count) = line.split_once(' ')?;
            (have == name).then(|| Reading::parse(count.trim()))?
        };
        vmstat.lines().find_map(of_name).unwrap_or(Reading::Unknown)
    };
    Ok(vec![
        sample(graph, "swap_in", counter("pswpin"))?,
        sample(graph, "swap_out", counter("pswpout"))?,
    ])
}
