//! `netstat`: TCP connections opened, refused and reset, and how many there are, from `/proc/net/snmp`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::{BundledError, Entry, PluginSample, no_instances};

const SNMP: &str = "/proc/net/snmp";
const GRAPH: &str = "netstat";
const GRAPH_ESTABLISHED: &str = "netstat_established";

pub(super) const ENTRY: Entry = Entry {
    name: "netstat",
    summary: "TCP connections opened, refused and reset",
    automatic: true,
    config: |request| declare(request.environment),
    fetch: |request| read(&request.text(SNMP)?),
    autoconf: |environment| environment.system().autoconf_if_readable(SNMP),
    suggest: no_instances,
};

/// A field and the kernel's name for its counter.
struct Counter {
    field: &'static str,
    kernel: &'static str,
    info: &'static str,
}

#[rustfmt::skip]
const COUNTERS: [Counter; 4] = [
    Counter { field: "active", kernel: "ActiveOpens", info: "Connections opened by this host, a second." },
    Counter { field: "passive", kernel: "PassiveOpens", info: "Connections opened by others and accepted, a second." },
    Counter { field: "failed", kernel: "AttemptFails", info: "Attempts to connect, either way, that failed, a second." },
    Counter { field: "resets", kernel: "EstabResets", info: "Open connections that were cut off, a second." },
];

const ESTABLISHED: [(&str, &str); 3] = [
    ("label", "established"),
    ("type", "GAUGE"),
    ("info", "Connections open at the moment."),
];

fn declare(environment: &Environment) -> Result<Vec<Declaration>, BundledError> {
    let mut combined = Draft::new(
        &GraphName::new(GRAPH)?,
        &[
            ("graph_title", "Netstat, combined"),
            ("graph_args", "--units=si -l 1 --base 1000 --logarithmic"),
            ("graph_vlabel", "TCP connections"),
            ("graph_category", "network"),
            ("graph_period", "second"),
            (
                "graph_info",
                "TCP on all network interfaces together: connections opened, failed and reset, and those open.",
            ),
        ],
    );
    for counter in &COUNTERS {
        combined
            .field(
                counter.field,
                &[
                    ("label", counter.field),
                    ("type", "DERIVE"),
                    ("min", "0"),
                    ("max", "50000"),
                    ("info", counter.info),
                ],
            )?
            .limits(environment);
    }
    combined
        .field("established", &ESTABLISHED)?
        .limits(environment);
    let mut established = Draft::new(
        &GraphName::new(GRAPH_ESTABLISHED)?,
        &[
            ("graph_title", "Netstat, established only"),
            ("graph_args", "--lower-limit 0"),
            ("graph_vlabel", "TCP connections"),
            ("graph_category", "network"),
            ("graph_period", "second"),
            (
                "graph_info",
                "TCP connections that are open, on all network interfaces together.",
            ),
        ],
    );
    established
        .field("established", &ESTABLISHED)?
        .limits(environment);
    Ok(vec![combined.finish(), established.finish()])
}

fn read(snmp: &str) -> Result<Vec<PluginSample>, BundledError> {
    let (names, counts) = tcp(snmp).ok_or(BundledError::Form {
        path: SNMP,
        expected: "two lines 'Tcp:'",
    })?;
    let counter = |name: &str| {
        let mut pairs = names
            .split_ascii_whitespace()
            .zip(counts.split_ascii_whitespace());
        pairs
            .find(|(have, _)| *have == name)
            .and_then(|(_, count)| Reading::parse(count))
            .unwrap_or(Reading::Unknown)
    };
    let combined = GraphName::new(GRAPH)?;
    let mut samples = Vec::new();
    for one in &COUNTERS {
        samples.push(sample(&combined, one.field, counter(one.kernel))?);
    }
    for graph in [combined, GraphName::new(GRAPH_ESTABLISHED)?] {
        samples.push(sample(&graph, "established", counter("CurrEstab"))?);
    }
    Ok(samples)
}

/// The names and the counts of TCP, each a line.
fn tcp(snmp: &str) -> Option<(&str, &str)> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Tcp:"));
    Some((lines.next()?, lines.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_name_whatever_the_kernel_adds() {
        let text = "Ip: Forwarding\nIp: 2\nTcp: New MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab\nTcp: 9 -1 21 2 5 4 3\n";
        let found: Vec<String> = read(text)
            .unwrap()
            .iter()
            .map(|sample| format!("{}.{} {}", sample.graph, sample.field, sample.reading))
            .collect();
        assert_eq!(
            found,
            [
                "netstat.active 21",
                "netstat.passive 2",
                "netstat.failed 5",
                "netstat.resets 4",
                "netstat.established 3",
                "netstat_established.established 3",
            ]
        );
    }
}
