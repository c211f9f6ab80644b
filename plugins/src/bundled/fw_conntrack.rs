//! `fw_conntrack`: connections that the firewall tracks, from `/proc/net/nf_conntrack`. Where the kernel has no such
//! file, only the total is known.

use std::io::{BufRead, BufReader};

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::system::System;
use super::{Autoconf, BundledError, Entry, PluginSample, Request, no_instances};

const TABLES: [&str; 2] = ["/proc/net/nf_conntrack", "/proc/net/ip_conntrack"];
const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
const MOST: [&str; 4] = [
    "/proc/sys/net/nf_conntrack_max",
    "/proc/sys/net/netfilter/nf_conntrack_max",
    "/proc/sys/net/ipv4/ip_conntrack_max",
    "/proc/sys/net/ipv4/netfilter/ip_conntrack_max",
];

pub(super) const ENTRY: Entry = Entry {
    name: "fw_conntrack",
    summary: "connections that the firewall tracks",
    automatic: true,
    config: |request| {
        Ok(vec![declare(
            request.graph,
            request.environment,
            most(request.system()),
        )?])
    },
    fetch,
    autoconf: |environment| autoconf(environment.system()),
    suggest: no_instances,
};

const FIELDS: [(&str, &str, &str, &str); 7] = [
    (
        "established",
        "Established",
        "AREA",
        "TCP connections that are open",
    ),
    (
        "fin_wait",
        "FIN_WAIT",
        "STACK",
        "TCP connections that one side has closed",
    ),
    (
        "time_wait",
        "TIME_WAIT",
        "STACK",
        "TCP connections that both sides have closed, kept a while",
    ),
    (
        "syn_sent",
        "SYN_SENT",
        "STACK",
        "TCP connections that were asked for and not answered",
    ),
    ("udp", "UDP connections", "STACK", "Exchanges over UDP"),
    (
        "assured",
        "Assured",
        "LINE2",
        "Connections with traffic both ways, which a full table keeps",
    ),
    (
        "nated",
        "NATed",
        "LINE1",
        "Connections whose addresses are translated",
    ),
];

fn declare(
    graph: &GraphName,
    environment: &Environment,
    most: Option<u64>,
) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Connections through firewall"),
            ("graph_vlabel", "Connections"),
            ("graph_category", "network"),
            ("graph_args", "-l 0"),
            (
                "graph_info",
                "Connections that the kernel's firewall keeps track of. When its table is full, new ones are dropped.",
            ),
        ],
    );
    for (name, label, draw, info) in FIELDS {
        draft
            .field(
                name,
                &[
                    ("label", label),
                    ("type", "GAUGE"),
                    ("draw", draw),
                    ("info", info),
                ],
            )?
            .limits(environment);
    }
    let total = draft
        .field(
            "total",
            &[("label", "Total"), ("type", "GAUGE"), ("graph", "no")],
        )?
        .set("info", "All connections in the table");
    match most {
        Some(most) => {
            let tenths = |tenths: f64| (most as f64 * tenths / 10.0).to_string();
            total.limits_or(environment, &tenths(8.0), &tenths(9.0));
        }
        None => total.limits(environment),
    }
    Ok(draft.finish())
}

fn most(system: &System) -> Option<u64> {
    let text = MOST.iter().find_map(|path| system.text_if_there(path))?;
    text.trim().parse().ok()
}

fn autoconf(system: &System) -> Autoconf {
    let is_readable = |path: &&str| system.autoconf_if_readable(path) == Autoconf::Yes;
    if TABLES.iter().any(is_readable) {
        Autoconf::Yes
    } else {
        Autoconf::No(Some(format!(
            "cannot read {}: no connection is tracked, or not root",
            TABLES[0]
        )))
    }
}

fn fetch(request: &Request<'_>) -> Result<Vec<PluginSample>, BundledError> {
    let table = TABLES
        .iter()
        .find_map(|path| std::fs::File::open(request.system().path(path)).ok());
    if let Some(file) = table {
        // The table may be large, so it is counted as it comes. A line that cannot be read ends it.
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        return counted(request.graph, &Counts::of(lines));
    }
    total_only(request.graph, &request.text(COUNT)?)
}

/// Connections by kind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    established: u64,
    fin_wait: u64,
    time_wait: u64,
    syn_sent: u64,
    udp: u64,
    assured: u64,
    nated: u64,
    total: u64,
}

impl Counts {
    fn of(lines: impl Iterator<Item = impl AsRef<str>>) -> Self {
        let mut counts = Self::default();
        lines.for_each(|line| counts.add(line.as_ref()));
        counts
    }

    /// Counts `[ipv4 2] PROTOCOL NUMBER SECONDS [STATE] src= dst= sport= dport= src= dst= ... [ASSURED] ...`.
    fn add(&mut self, line: &str) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        self.total += 1;
        self.udp += u64::from(words.contains(&"udp"));
        self.assured += u64::from(words.contains(&"[ASSURED]"));
        self.nated += u64::from(is_translated(&words));
        let tcp = words.iter().position(|word| *word == "tcp");
        match tcp.and_then(|at| words.get(at + 3)).copied() {
            Some("ESTABLISHED") => self.established += 1,
            Some("FIN_WAIT") => self.fin_wait += 1,
            Some("TIME_WAIT") => self.time_wait += 1,
            Some("SYN_SENT") => self.syn_sent += 1,
            Some(_) | None => {}
        }
    }
}

/// Whether the answer comes from another address than the one asked, or goes to another than the one that asks. Only
/// protocols with ports are looked at.
fn is_translated(words: &[&str]) -> bool {
    let all = |prefix: &'static str| {
        words
            .iter()
            .filter_map(move |word| word.strip_prefix(prefix))
    };
    let (mut sources, mut destinations) = (all("src="), all("dst="));
    let asked = (sources.next(), destinations.next());
    let answer = (sources.next(), destinations.next());
    let (Some(source), Some(destination)) = answer else {
        return false;
    };
    all("sport=").next().is_some() && asked != (Some(destination), Some(source))
}

fn counted(graph: &GraphName, counts: &Counts) -> Result<Vec<PluginSample>, BundledError> {
    [
        ("established", counts.established),
        ("fin_wait", counts.fin_wait),
        ("time_wait", counts.time_wait),
        ("syn_sent", counts.syn_sent),
        ("udp", counts.udp),
        ("assured", counts.assured),
        ("nated", counts.nated),
        ("total", counts.total),
    ]
    .into_iter()
    .map(|(name, count)| sample(graph, name, Reading::Count(count)))
    .collect()
}

fn total_only(graph: &GraphName, count: &str) -> Result<Vec<PluginSample>, BundledError> {
    let mut samples = FIELDS
        .iter()
        .map(|(name, ..)| sample(graph, name, Reading::Unknown))
        .collect::<Result<Vec<_>, _>>()?;
    let total = Reading::parse(count.trim()).unwrap_or(Reading::Unknown);
    samples.push(sample(graph, "total", total)?);
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "ipv4     2 tcp      6 431999 ESTABLISHED src=10.0.0.2 dst=192.0.2.1 sport=40000 dport=443 \
        src=192.0.2.1 dst=10.0.0.2 sport=443 dport=40000 [ASSURED] mark=0 zone=0 use=2";

    #[test]
    fn connections_are_counted_by_kind() {
        let nated = TCP.replace("dst=10.0.0.2 sport=443", "dst=203.0.113.9 sport=443");
        let udp = "ipv4     2 udp      17 29 src=10.0.0.2 dst=10.0.0.1 sport=5 dport=53 src=10.0.0.1 dst=10.0.0.2 sport=53 dport=5";
        let syn = "tcp      6 110 SYN_SENT src=10.0.0.2 dst=10.0.0.9 sport=1 dport=2 [UNREPLIED] src=10.0.0.9 dst=10.0.0.2 sport=2 dport=1";
        let icmp = "ipv4     2 icmp     1 29 src=10.0.0.2 dst=10.0.0.1 type=8 code=0 id=1 src=9.9.9.9 dst=10.0.0.2 type=0";
        let found = Counts::of([TCP, &nated, udp, syn, icmp].into_iter());
        let expect = Counts {
            established: 2,
            syn_sent: 1,
            udp: 1,
            assured: 2,
            nated: 1,
            total: 5,
            ..Counts::default()
        };
        assert_eq!(found, expect);
    }
}
