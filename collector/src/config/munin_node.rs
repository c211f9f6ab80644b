//! `[[munin_node]]`: existing munin-nodes that the collector polls.

use std::time::Duration;

use ravenry_plugins::name::HostName;
use ravenry_plugins::pattern::Pattern;
use ravenry_plugins::settings::Section;

use super::Given;

/// The port of munin-node.
const PORT: u16 = 4949;
/// Hosts that are polled at most.
const POLLED_MAX: usize = 10_000;

/// A host with a munin-node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolledHost {
    /// `host`: its name here.
    pub host: HostName,
    /// `address`: where it is asked, a name or an address; by default its name.
    pub address: String,
    /// `port`
    pub port: u16,
    /// `interval`: how often.
    pub interval: Duration,
    /// `timeout`: how long an answer may take.
    pub timeout: Duration,
    /// `hosts`: the other hosts that it may speak for.
    pub hosts: Vec<Pattern>,
}

/// Takes all polled hosts of a file.
pub(super) fn read(root: &mut Section<'_, '_>, given: &mut Given, polled: &mut Vec<PolledHost>) {
    for mut section in root.repeated_sections("munin_node") {
        let host = section.parsed::<HostName>("host");
        let address = section.text("address");
        let port = section.integer("port", 1..=65_535);
        let second = Duration::from_secs(1);
        let interval = section.duration("interval", second..=Duration::from_secs(86_400));
        let timeout = section.duration("timeout", second..=Duration::from_secs(600));
        let hosts = section.list("hosts").unwrap_or_default();
        match host {
            None if section.has_problems() => {}
            None => section.report(&section.span(), "host", "expected one, found none"),
            Some(_) if polled.len() >= POLLED_MAX => {
                let text = format_args!("expected at most {POLLED_MAX} munin-nodes");
                section.report(&section.span(), "host", text);
            }
            Some(host) => {
                let whole = format!("munin_node {host}");
                if given.first_time(root, &whole, section.span_of("host")) {
                    polled.push(PolledHost {
                        address: address.unwrap_or_else(|| host.to_string()),
                        port: port
                            .and_then(|port| u16::try_from(port).ok())
                            .unwrap_or(PORT),
                        interval: interval.unwrap_or(Duration::from_secs(300)),
                        timeout: timeout.unwrap_or(Duration::from_secs(60)),
                        hosts,
                        host,
                    });
                }
            }
        }
        section.end();
    }
}
