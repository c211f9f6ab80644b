//! `if_err_INTERFACE`: errors, drops and collisions of a network interface.

use crate::declaration::Declaration;
use crate::name::GraphName;

use super::draft::Draft;
use super::environment::Environment;
use super::if_::{Counter, DEV, interface_of, interfaces, read};
use super::{BundledError, Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "if_err_",
    summary: "errors, drops and collisions of a network interface",
    automatic: true,
    config: |request| {
        let interface = interface_of(request, ENTRY.name)?;
        Ok(vec![declare(
            request.graph,
            request.environment,
            interface,
        )?])
    },
    fetch: |request| {
        let interface = interface_of(request, ENTRY.name)?;
        read(request.system(), request.graph, interface, &COUNTERS)
    },
    autoconf: |environment| environment.system().autoconf_if_readable(DEV),
    suggest: interfaces,
};

const COUNTERS: [Counter; 5] = [
    Counter {
        field: "rcvd",
        file: "rx_errors",
        column: 2,
    },
    Counter {
        field: "trans",
        file: "tx_errors",
        column: 10,
    },
    Counter {
        field: "rxdrop",
        file: "rx_dropped",
        column: 3,
    },
    Counter {
        field: "txdrop",
        file: "tx_dropped",
        column: 11,
    },
    Counter {
        field: "collisions",
        file: "collisions",
        column: 13,
    },
];

struct Field {
    name: &'static str,
    label: &'static str,
    attributes: &'static [(&'static str, &'static str)],
    info: &'static str,
    /// Whether settings may give it thresholds; those meant for errors would be wrong for drops.
    has_limits: bool,
}

const HIDDEN: (&str, &str) = ("graph", "no");

#[rustfmt::skip]
const FIELDS: [Field; 5] = [
    Field { name: "rcvd", label: "errors", attributes: &[HIDDEN, ("warning", "1")], info: "Packets that arrived damaged", has_limits: true },
    Field { name: "trans", label: "errors", attributes: &[("negative", "rcvd"), ("warning", "1")], info: "Packets that could not be sent, and below zero those that arrived damaged", has_limits: true },
    Field { name: "rxdrop", label: "drops", attributes: &[HIDDEN], info: "Packets that arrived and were dropped, for want of room or of a receiver", has_limits: false },
    Field { name: "txdrop", label: "drops", attributes: &[("negative", "rxdrop")], info: "Packets dropped before they were sent, and below zero those dropped on arrival", has_limits: false },
    Field { name: "collisions", label: "collisions", attributes: &[], info: "Collisions, which only half-duplex links have", has_limits: false },
];

fn declare(
    graph: &GraphName,
    environment: &Environment,
    interface: &str,
) -> Result<Declaration, BundledError> {
    let title = format!("{interface} errors");
    let info = format!(
        "Packets that the network interface {interface} received or sent with errors or had to drop, and collisions."
    );
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_order", "rcvd trans"),
            ("graph_title", &title),
            ("graph_args", "--base 1000"),
            (
                "graph_vlabel",
                "packets in (-) / out (+) per ${graph_period}",
            ),
            ("graph_category", "network"),
            ("graph_info", &info),
        ],
    );
    for field in &FIELDS {
        let mut draft = draft.field(field.name, &[("label", field.label), ("type", "COUNTER")])?;
        for (attribute, text) in field.attributes {
            draft = draft.set(attribute, text);
        }
        let draft = draft.set("info", field.info);
        if field.has_limits {
            draft.limits(environment);
        }
    }
    Ok(draft.finish())
}
