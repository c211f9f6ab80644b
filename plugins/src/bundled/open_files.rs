//! `open_files`: how much of the table of open files is used, from `/proc/sys/fs/file-nr`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::{BundledError, Entry, PluginSample, no_instances};

const FILE_NR: &str = "/proc/sys/fs/file-nr";

pub(super) const ENTRY: Entry = Entry {
    name: "open_files",
    summary: "open files of all processes",
    automatic: true,
    config: |request| {
        let text = request.text(FILE_NR)?;
        Ok(vec![declare(request.graph, request.environment, &text)?])
    },
    fetch: |request| read(request.graph, &request.text(FILE_NR)?),
    autoconf: |environment| environment.system().autoconf_if_readable(FILE_NR),
    suggest: no_instances,
};

fn declare(
    graph: &GraphName,
    environment: &Environment,
    file_nr: &str,
) -> Result<Declaration, BundledError> {
    let [_, _, most] = columns(file_nr)?;
    let percent = |percent: u128| (u128::from(most) * percent / 100).to_string();
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "File table usage"),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_vlabel", "number of open files"),
            ("graph_category", "system"),
            (
                "graph_info",
                "How many files are open, against the most that the kernel allows.",
            ),
        ],
    );
    draft
        .field(
            "used",
            &[
                ("label", "open files"),
                ("info", "Files that are open at the moment."),
            ],
        )?
        .limits_or(environment, &percent(92), &percent(98));
    Ok(draft.finish())
}

fn read(graph: &GraphName, file_nr: &str) -> Result<Vec<PluginSample>, BundledError> {
    let [allocated, unused, _] = columns(file_nr)?;
    let used = Reading::Count(allocated.saturating_sub(unused));
    Ok(vec![sample(graph, "used", used)?])
}

/// Allocated, allocated but unused, most.
fn columns(file_nr: &str) -> Result<[u64; 3], BundledError> {
    let columns: Vec<u64> = file_nr
        .split_ascii_whitespace()
        .map_while(|column| column.parse().ok())
        .collect();
    columns.try_into().map_err(|_| BundledError::Form {
        path: FILE_NR,
        expected: "three numbers",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_follow_the_kernels_limit() {
        let graph = GraphName::new("open_files").unwrap();
        let check = |most: &str, expect: &str| {
            let text = format!("411\t0\t{most}\n");
            let declared = declare(&graph, &Environment::default(), &text).unwrap();
            assert_eq!(declared.fields[0].attributes.text("critical"), Some(expect));
        };
        check("1000", "980");
        check("9223372036854775807", "9038904596117680290");
    }
}
