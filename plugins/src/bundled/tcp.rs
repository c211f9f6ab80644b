//! `tcp`: TCP sockets by state, from `/proc/net/tcp` and `/proc/net/tcp6`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::{BundledError, Entry, PluginSample, no_instances};

const TCP: &str = "/proc/net/tcp";
const TCP6: &str = "/proc/net/tcp6";

pub(super) const ENTRY: Entry = Entry {
    name: "tcp",
    summary: "TCP sockets by state",
    automatic: false,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| {
        let tcp = request.text(TCP)?;
        // A host without IPv6 does not have it.
        let tcp6 = request.system().text_if_there(TCP6).unwrap_or_default();
        read(request.graph, &[&tcp, &tcp6])
    },
    autoconf: |environment| environment.system().autoconf_if_readable(TCP),
    suggest: no_instances,
};

/// In the order of the kernel's numbers, which begin at 1.
const STATES: [(&str, &str); 11] = [
    ("established", "Open connections"),
    ("syn_sent", "Connections that this host has asked for"),
    (
        "syn_recv",
        "Connections that others have asked for and not yet confirmed",
    ),
    (
        "fin_wait1",
        "Closed here, the other side has not confirmed it",
    ),
    (
        "fin_wait2",
        "Closed here, the other side has confirmed it and not closed",
    ),
    (
        "time_wait",
        "Closed by both sides, kept a while for late packets",
    ),
    ("close", "Not in use"),
    (
        "close_wait",
        "Closed by the other side and not yet by the program here; many of them are a leak of it",
    ),
    (
        "last_ack",
        "Closed by both sides, the last confirmation is missing",
    ),
    ("listen", "Waiting for connections"),
    ("closing", "Closed by both sides at once"),
];

fn declare(graph: &GraphName, environment: &Environment) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "TCP"),
            ("graph_vlabel", "TCP Sockets"),
            ("graph_category", "network"),
            ("graph_args", "-l 0"),
            ("graph_info", "TCP sockets of this host by state."),
        ],
    );
    for (name, info) in STATES {
        draft
            .field(name, &[("label", name), ("info", info)])?
            .limits(environment);
    }
    Ok(draft.finish())
}

fn read(graph: &GraphName, tables: &[&str]) -> Result<Vec<PluginSample>, BundledError> {
    let mut counts = [0; STATES.len()];
    for line in tables.iter().flat_map(|table| table.lines()) {
        let state = line.split_ascii_whitespace().nth(3);
        let number = state.and_then(|text| usize::from_str_radix(text, 16).ok());
        let count = number.and_then(|number| counts.get_mut(number.checked_sub(1)?));
        if let Some(count) = count {
            *count += 1;
        }
    }
    STATES
        .iter()
        .zip(counts)
        .map(|((name, _), count)| sample(graph, name, Reading::Count(count)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_both_tables_are_counted() {
        let heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let listen = "   0: 0100007F:1355 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n";
        let open = "   1: 0100007F:1355 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 1 1\n";
        let graph = GraphName::new("tcp").unwrap();
        let samples = read(
            &graph,
            &[
                &[heading, listen, open].concat(),
                &[heading, listen].concat(),
            ],
        )
        .unwrap();
        let count = |name: &str| {
            samples
                .iter()
                .find(|one| one.field.as_str() == name)
                .unwrap()
                .reading
        };
        assert_eq!(count("listen"), Reading::Count(2));
        assert_eq!(count("established"), Reading::Count(1));
        assert_eq!(count("closing"), Reading::Count(0));
    }
}
