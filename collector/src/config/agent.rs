//! `[agent]`: the agent inside the collector, which watches the collector's own machine.

use std::path::PathBuf;
use std::time::Duration;

use ravenry_agent::config::Surroundings;
use ravenry_agent::config::check::{self, CheckEntry};
use ravenry_plugins::name::HostName;
use ravenry_plugins::settings::Section;

/// The local agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAgent {
    /// `enabled`: whether it runs.
    pub enabled: bool,
    /// `own_graphs`: whether the collector draws graphs of itself, with or without the agent.
    pub own_graphs: bool,
    /// `host`: the name of this machine; by default its host name.
    pub host: Option<HostName>,
    /// `plugin_dir`: plugins to run beside the bundled ones.
    pub plugin_dir: Option<PathBuf>,
    /// `check_dir`: Nagios checks that need no arguments.
    pub check_dir: Option<PathBuf>,
    /// `[[agent.check]]`: Nagios checks by their command lines.
    pub checks: Vec<CheckEntry>,
    /// `plugin_conf_dir`: their settings, in Munin's form.
    pub plugin_conf_dir: Option<PathBuf>,
    /// `interval`: how often a plugin runs that does not say otherwise.
    pub interval: Duration,
}

impl Default for LocalAgent {
    fn default() -> Self {
        Self {
            enabled: true,
            own_graphs: true,
            host: None,
            plugin_dir: None,
            check_dir: None,
            checks: Vec::new(),
            plugin_conf_dir: None,
            interval: Duration::from_secs(60),
        }
    }
}

impl LocalAgent {
    /// The name of this machine among the hosts.
    #[must_use]
    pub fn host_name(&self) -> HostName {
        let otherwise =
            || ravenry_agent::config::Config::defaults(&Surroundings::of_this_process()).host;
        self.host.clone().unwrap_or_else(otherwise)
    }

    /// The settings that differ from those of `running` and are read at a start only.
    pub(super) fn waits_for_start(&self, running: &Self) -> Vec<&'static str> {
        let Self {
            enabled,
            own_graphs,
            host,
            plugin_dir,
            check_dir,
            checks,
            plugin_conf_dir,
            interval,
        } = self;
        super::changed([
            ("agent.enabled", *enabled != running.enabled),
            ("agent.own_graphs", *own_graphs != running.own_graphs),
            ("agent.host", *host != running.host),
            ("agent.plugin_dir", *plugin_dir != running.plugin_dir),
            ("agent.check_dir", *check_dir != running.check_dir),
            ("agent.check", *checks != running.checks),
            (
                "agent.plugin_conf_dir",
                *plugin_conf_dir != running.plugin_conf_dir,
            ),
            ("agent.interval", *interval != running.interval),
        ])
    }

    /// Takes what the section says.
    pub fn read(&mut self, section: &mut Section<'_, '_>) {
        if let Some(enabled) = section.boolean("enabled") {
            self.enabled = enabled;
        }
        if let Some(own_graphs) = section.boolean("own_graphs") {
            self.own_graphs = own_graphs;
        }
        self.host = section.parsed("host").or(self.host.take());
        self.plugin_dir = section
            .text("plugin_dir")
            .map(PathBuf::from)
            .or(self.plugin_dir.take());
        self.check_dir = section
            .text("check_dir")
            .map(PathBuf::from)
            .or(self.check_dir.take());
        self.checks = check::read(section);
        self.plugin_conf_dir = section
            .text("plugin_conf_dir")
            .map(PathBuf::from)
            .or(self.plugin_conf_dir.take());
        if let Some(interval) = section.duration(
            "interval",
            Duration::from_secs(1)..=Duration::from_secs(3600),
        ) {
            self.interval = interval;
        }
    }
}
