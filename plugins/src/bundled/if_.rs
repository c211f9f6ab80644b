//! `if_INTERFACE`: traffic of a network interface, from `/sys/class/net` or `/proc/net/dev`. Also what `if_err_` has in
//! common with it: the counters' places and the interfaces that there are.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::system::System;
use super::{BundledError, Entry, PluginSample, Request};

pub(super) const DEV: &str = "/proc/net/dev";

pub(super) const ENTRY: Entry = Entry {
    name: "if_",
    summary: "traffic of a network interface",
    automatic: true,
    config: |request| {
        let interface = interface_of(request, ENTRY.name)?;
        let speed = speed(request.environment, interface)?;
        Ok(vec![declare(
            request.graph,
            request.environment,
            interface,
            speed,
        )?])
    },
    fetch: |request| {
        let interface = interface_of(request, ENTRY.name)?;
        read(request.system(), request.graph, interface, &COUNTERS)
    },
    autoconf: |environment| environment.system().autoconf_if_readable(DEV),
    suggest: interfaces,
};

/// A field and where its counter is: a file below `statistics`, a column of `/proc/net/dev` behind the name.
pub(super) struct Counter {
    pub(super) field: &'static str,
    pub(super) file: &'static str,
    pub(super) column: usize,
}

const COUNTERS: [Counter; 2] = [
    Counter {
        field: "down",
        file: "rx_bytes",
        column: 0,
    },
    Counter {
        field: "up",
        file: "tx_bytes",
        column: 8,
    },
];

fn declare(
    graph: &GraphName,
    environment: &Environment,
    interface: &str,
    speed: Option<u64>,
) -> Result<Declaration, BundledError> {
    let title = format!("{interface} traffic");
    let info = format!("Traffic of the network interface {interface}, in bits.");
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_order", "down up"),
            ("graph_title", &title),
            ("graph_args", "--base 1000"),
            ("graph_vlabel", "bits in (-) / out (+) per ${graph_period}"),
            ("graph_category", "network"),
            ("graph_info", &info),
        ],
    );
    let bits_max = speed.map(|megabits| megabits.saturating_mul(1_000_000).to_string());
    let mut down = draft
        .field(
            "down",
            &[
                ("label", "received"),
                ("type", "DERIVE"),
                ("graph", "no"),
                ("cdef", "down,8,*"),
                ("min", "0"),
            ],
        )?
        .set("info", "Bits received");
    if let Some(bits) = &bits_max {
        down = down.set("max", bits);
    }
    down.limits(environment);
    let info = match speed {
        Some(megabits) => format!("Bits sent, and below zero bits received. The interface carries at most {megabits} Mb/s."),
        None => "Bits sent, and below zero bits received. The interface does not say how much it can carry; env.speed can (in Mb/s).".to_owned(),
    };
    let mut up = draft
        .field(
            "up",
            &[
                ("label", "bps"),
                ("type", "DERIVE"),
                ("negative", "down"),
                ("cdef", "up,8,*"),
                ("min", "0"),
            ],
        )?
        .set("info", &info);
    if let Some(bits) = &bits_max {
        up = up.set("max", bits);
    }
    up.limits(environment);
    Ok(draft.finish())
}

/// What the interface carries at most in megabits a second, as set or as its driver says; virtual ones do not say.
fn speed(environment: &Environment, interface: &str) -> Result<Option<u64>, BundledError> {
    if let Some(text) = environment.setting("speed") {
        return match text.parse() {
            Ok(speed) => Ok(Some(speed)),
            Err(_) => Err(BundledError::Setting {
                name: "speed",
                expected: "a whole number of megabits a second",
                found: text.to_owned(),
            }),
        };
    }
    let text = environment
        .system()
        .text_if_there(&format!("/sys/class/net/{interface}/speed"));
    // An interface without a link says -1.
    let speed = text.and_then(|text| text.trim().parse().ok());
    Ok(speed.filter(|speed| *speed > 0))
}

/// The interface of a request. It becomes part of a path, so it may be nothing that leads elsewhere.
pub(super) fn interface_of<'a>(
    request: &Request<'a>,
    plugin: &'static str,
) -> Result<&'a str, BundledError> {
    let interface = request.instance;
    if interface.is_empty() || interface.contains('/') || interface == "." || interface == ".." {
        return Err(BundledError::Instance {
            plugin,
            example: "eth0",
        });
    }
    Ok(interface)
}

/// The counters of an interface; unknown where it is not there, as a dialled connection that is down.
pub(super) fn read(
    system: &System,
    graph: &GraphName,
    interface: &str,
    counters: &[Counter],
) -> Result<Vec<PluginSample>, BundledError> {
    let folder = format!("/sys/class/net/{interface}/statistics");
    let dev = if system.exists(&folder) {
        None
    } else {
        Some(system.text(DEV)?)
    };
    counters
        .iter()
        .map(|counter| {
            let reading = match &dev {
                None => system
                    .text_if_there(&format!("{folder}/{}", counter.file))
                    .and_then(|text| Reading::parse(text.trim())),
                Some(dev) => column(dev, interface, counter.column),
            };
            sample(graph, counter.field, reading.unwrap_or(Reading::Unknown))
        })
        .collect()
}

/// A column of an interface's line, whose first number may touch the colon.
fn column(dev: &str, interface: &str, column: usize) -> Option<Reading> {
    let (_, columns) = rows(dev).find(|(name, _)| *name == interface)?;
    Reading::parse(columns.split_ascii_whitespace().nth(column)?)
}

/// Each interface's name and its columns.
fn rows(dev: &str) -> impl Iterator<Item = (&str, &str)> {
    dev.lines()
        .filter_map(|line| line.rsplit_once(':'))
        .map(|(name, columns)| (name.trim(), columns))
}

/// The interfaces worth a graph, as Munin chooses: not the loopback, not unused tunnels, not VLANs, whose traffic their
/// parent counts.
pub(super) fn interfaces(system: &System) -> Vec<String> {
    let Some(dev) = system.text_if_there(DEV) else {
        return Vec::new();
    };
    rows(&dev)
        .map(|(name, _)| name)
        .filter(|name| !is_left_out(name))
        .map(str::to_owned)
        .collect()
}

fn is_left_out(interface: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_tunnel = |prefix| interface.strip_prefix(prefix).is_some_and(is_number);
    let is_vlan = interface.rsplit_once('.').is_some_and(|(parent, tag)| {
        is_number(tag)
            && parent
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    });
    interface == "lo" || is_tunnel("gre") || is_tunnel("sit") || is_vlan
}

/// Interfaces that containers, virtual machines and traffic shaping make by the dozen: graphs of them are for those who
/// ask for them.
pub(super) fn is_plumbing(interface: &str) -> bool {
    const PREFIXES: [&str; 13] = [
        "br-",
        "cali",
        "cni",
        "docker",
        "dummy",
        "flannel",
        "ifb",
        "lxc",
        "nodelocaldns",
        "tap",
        "veth",
        "virbr",
        "vnet",
    ];
    PREFIXES.iter().any(|prefix| interface.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3693      39    0    0    0     0          0         0     3693      39    0    0    0     0       0          0
  eth0:84665471    3419    7    0    0     0          0         0   198333    1998    0    0    0     5       0          0
eth0.12: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
";

    #[test]
    fn columns_are_found_where_the_number_touches_the_colon() {
        let check = |interface: &str, at: usize, expect: Option<u64>| {
            assert_eq!(
                column(RECORDED, interface, at),
                expect.map(Reading::Count),
                "{interface}"
            );
        };
        check("eth0", 0, Some(84_665_471));
        check("eth0", 8, Some(198_333));
        check("eth0", 13, Some(5));
        check("eth0.12", 8, Some(9));
        check("eth1", 0, None);
        check("face |bytes", 0, None);
    }

    #[test]
    fn interfaces_without_traffic_of_their_own_are_not_suggested() {
        for name in ["lo", "gre0", "sit1", "eth0.12"] {
            assert!(is_left_out(name), "{name}");
        }
        for name in [
            "eth0", "wlp3s0", "gretap0", "bond0", "br-lan", "wg0", "situ",
        ] {
            assert!(!is_left_out(name), "{name}");
        }
    }

    #[test]
    fn the_limit_comes_from_the_setting_before_the_driver() {
        let graph = GraphName::new("if_eth0").unwrap();
        let set = |text: &str| Environment::new([("speed".to_owned(), text.to_owned())]);
        assert_eq!(speed(&set("100"), "eth0").unwrap(), Some(100));
        let error = speed(&set("fast"), "eth0").unwrap_err().to_string();
        assert_eq!(
            error,
            "env.speed: expected a whole number of megabits a second, found \"fast\""
        );
        let declared = declare(&graph, &Environment::default(), "eth0", Some(100)).unwrap();
        assert_eq!(declared.fields[1].attributes.text("max"), Some("100000000"));
    }
}
