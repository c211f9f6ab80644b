//! `uptime`: days since the host booted, from `/proc/uptime`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::{BundledError, Entry, PluginSample, no_instances};

pub(super) const UPTIME: &str = "/proc/uptime";
const DAY_SECONDS: f64 = 86_400.0;

pub(super) const ENTRY: Entry = Entry {
    name: "uptime",
    summary: "days since the host booted",
    automatic: true,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| read(request.graph, &request.text(UPTIME)?),
    autoconf: |environment| environment.system().autoconf_if_readable(UPTIME),
    suggest: no_instances,
};

fn declare(graph: &GraphName, environment: &Environment) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Uptime"),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_scale", "no"),
            ("graph_vlabel", "uptime in days"),
            ("graph_category", "system"),
            (
                "graph_info",
                "How long the host has been up; each fall to zero is a reboot.",
            ),
        ],
    );
    draft
        .field(
            "uptime",
            &[
                ("label", "uptime"),
                ("draw", "AREA"),
                ("info", "Days since the last boot"),
            ],
        )?
        .limits(environment);
    Ok(draft.finish())
}

fn read(graph: &GraphName, uptime: &str) -> Result<Vec<PluginSample>, BundledError> {
    let days = seconds(uptime)? / DAY_SECONDS;
    let days = (days * 100.0).round() / 100.0;
    Ok(vec![sample(graph, "uptime", Reading::from_f64(days))?])
}

/// Seconds since boot.
pub(super) fn seconds(uptime: &str) -> Result<f64, BundledError> {
    let first = uptime.split_ascii_whitespace().next();
    first
        .and_then(|text| text.parse().ok())
        .ok_or(BundledError::Form {
            path: UPTIME,
            expected: "seconds since boot",
        })
}
