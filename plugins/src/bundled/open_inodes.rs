//! `open_inodes`: how many inodes the kernel holds, from `/proc/sys/fs/inode-nr`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::{BundledError, Entry, PluginSample, no_instances};

const INODE_NR: &str = "/proc/sys/fs/inode-nr";

pub(super) const ENTRY: Entry = Entry {
    name: "open_inodes",
    summary: "inodes that the kernel holds",
    automatic: true,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| read(request.graph, &request.text(INODE_NR)?),
    autoconf: |environment| environment.system().autoconf_if_readable(INODE_NR),
    suggest: no_instances,
};

fn declare(graph: &GraphName, environment: &Environment) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Inode table usage"),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_vlabel", "number of open inodes"),
            ("graph_category", "system"),
            (
                "graph_info",
                "How many inodes the kernel holds, and how many of them are in use.",
            ),
        ],
    );
    let fields = [
        ("used", "open inodes", "Inodes in use."),
        (
            "max",
            "inode table size",
            "Inodes held; the kernel makes the table larger and smaller as needed.",
        ),
    ];
    for (name, label, info) in fields {
        draft
            .field(name, &[("label", label), ("info", info)])?
            .limits(environment);
    }
    Ok(draft.finish())
}

fn read(graph: &GraphName, inode_nr: &str) -> Result<Vec<PluginSample>, BundledError> {
    let mut columns = inode_nr
        .split_ascii_whitespace()
        .map_while(|column| column.parse::<u64>().ok());
    let (Some(held), Some(unused)) = (columns.next(), columns.next()) else {
        return Err(BundledError::Form {
            path: INODE_NR,
            expected: "two numbers",
        });
    };
    Ok(vec![
        sample(graph, "used", Reading::Count(held.saturating_sub(unused)))?,
        sample(graph, "max", Reading::Count(held))?,
    ])
}
