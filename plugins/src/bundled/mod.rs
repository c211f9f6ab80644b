//! The bundled plugins: what Munin's core plugins say about a Linux host, read without a process, a shell or an awk.
//!
//! One file a plugin. Each splits in two: `declare` and `read` are pure, texts of `/proc` in and declarations or
//! samples out; what is read from the host comes through [`System`], what is configured through [`Environment`].
//! Graphs, fields, types and attributes are those of the Munin plugin of the same name, so that its history goes on;
//! where one differs on purpose, `tests/bundled_match_munin.rs` says so and why.
//!
//! The environment of the process is not read here: whoever calls fills [`Environment`]. `diskstats` and `weblog_` keep
//! state, in [`Environment::state_dir`]. Some ask a service (`apache_`, `http_`, `nginx_`, `ping_`): they wait for its
//! answer at most ten seconds, or as `env.timeout` says, and are never enabled without being asked for. `ntp_offset` asks
//! only this host's own daemon, two seconds at most.

mod apache;
mod certificate;
mod cpu;
mod cpuspeed;
mod df;
mod diskstats;
mod draft;
mod entropy;
mod environment;
mod forks;
mod fw_conntrack;
mod http_;
mod if_;
mod if_err_;
mod interrupts;
mod irqstats;
mod load;
mod memory;
mod netstat;
mod nginx;
mod ntp_offset;
mod open_files;
mod open_inodes;
mod ping_;
mod postfix_mailqueue;
mod proc_pri;
mod processes;
mod sensors_;
mod state;
mod swap;
mod system;
mod tcp;
mod threads;
mod uptime;
mod users;
mod vmstat;
mod web;
mod weblog_;

pub use environment::Environment;
pub use system::System;

use crate::declaration::Declaration;
use crate::munin::PluginSample;
use crate::munin::offer::Autoconf;
use crate::name::{GraphName, NameError};

/// Why a bundled plugin could not answer. The run has failed: there is nothing to record.
#[derive(Debug, thiserror::Error)]
pub enum BundledError {
    /// A file of the host could not be read.
    #[error("cannot read {path}")]
    Read {
        /// Where it is.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A file of the host is there and does not hold what it should.
    #[error("{path}: expected {expected}, found none")]
    Form {
        /// Where it is.
        path: &'static str,
        /// What should be in it.
        expected: &'static str,
    },
    /// A setting (`env.NAME`) has a value that is not understood.
    #[error("env.{name}: expected {expected}, found {found:?}")]
    Setting {
        /// The setting's name without `env.`.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A service did not answer as it should.
    #[error("{of}: {why}")]
    Ask {
        /// What was asked.
        of: String,
        /// What it did instead, with what was expected.
        why: String,
    },
    /// Something on the host has a name that no graph or field can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A wildcard plugin was called without saying of what.
    #[error("{plugin}: expected an instance behind the name, as in {plugin}{example}, found none")]
    Instance {
        /// The wildcard plugin's name.
        plugin: &'static str,
        /// An instance.
        example: &'static str,
    },
    /// The plugin compares with its last run and has no directory to remember it in.
    #[error("{plugin} needs a state directory (MUNIN_PLUGSTATE), found none")]
    NoState {
        /// The plugin's name.
        plugin: &'static str,
    },
    /// What is to be remembered could not be written.
    #[error("cannot write {path}")]
    State {
        /// Where it should be.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// One row of the table of plugins.
struct Entry {
    /// The plugin's name; ends in `_` when an instance follows.
    name: &'static str,
    /// One line for people who choose.
    summary: &'static str,
    /// Whether [`suggested`] may name it (Munin's family `auto`).
    automatic: bool,
    config: fn(&Request<'_>) -> Result<Vec<Declaration>, BundledError>,
    fetch: fn(&Request<'_>) -> Result<Vec<PluginSample>, BundledError>,
    autoconf: fn(&Environment) -> Autoconf,
    suggest: fn(&System) -> Vec<String>,
}

/// What a plugin is asked: under which name it runs, about what, with which settings, on which host.
struct Request<'a> {
    /// The graph that a plugin with one graph declares; the others derive theirs from it.
    graph: &'a GraphName,
    /// What stands behind the name of a wildcard plugin.
    instance: &'a str,
    environment: &'a Environment,
}

impl Request<'_> {
    fn system(&self) -> &System {
        self.environment.system()
    }

    /// The text of a file of the host that the plugin cannot do without.
    fn text(&self, path: &str) -> Result<String, BundledError> {
        self.system().text(path)
    }
}

/// All plugins, in alphabetical order.
const ENTRIES: &[Entry] = &[
    apache::ACCESSES,
    apache::PROCESSES,
    apache::VOLUME,
    cpu::ENTRY,
    cpuspeed::ENTRY,
    df::SPACE,
    df::INODES,
    diskstats::ENTRY,
    entropy::ENTRY,
    forks::ENTRY,
    fw_conntrack::ENTRY,
    http_::ENTRY,
    if_::ENTRY,
    if_err_::ENTRY,
    interrupts::ENTRY,
    irqstats::ENTRY,
    load::ENTRY,
    memory::ENTRY,
    netstat::ENTRY,
    nginx::REQUEST,
    nginx::STATUS,
    ntp_offset::ENTRY,
    open_files::ENTRY,
    open_inodes::ENTRY,
    ping_::ENTRY_6,
    ping_::ENTRY,
    postfix_mailqueue::ENTRY,
    proc_pri::ENTRY,
    processes::ENTRY,
    sensors_::ENTRY,
    swap::ENTRY,
    tcp::ENTRY,
    threads::ENTRY,
    uptime::ENTRY,
    users::ENTRY,
    vmstat::ENTRY,
    weblog_::ENTRY,
];

/// Plugins that only read what the kernel keeps in memory: they neither wait for a disk, a network or another program,
/// nor remember anything.
const INSTANT: &[&str] = &[
    "cpu",
    "entropy",
    "forks",
    "fw_conntrack",
    "if_",
    "if_err_",
    "interrupts",
    "irqstats",
    "load",
    "memory",
    "netstat",
    "open_files",
    "open_inodes",
    "proc_pri",
    "processes",
    "swap",
    "tcp",
    "threads",
    "uptime",
    "vmstat",
];

/// A bundled plugin under the name of a link: `load`, or `if_eth0` for the wildcard `if_` and its instance `eth0`.
pub struct Bundled {
    entry: &'static Entry,
    instance: String,
    graph: GraphName,
}

impl std::fmt::Debug for Bundled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bundled({}{})", self.entry.name, self.instance)
    }
}

impl Bundled {
    /// The plugin's own name; `if_` for `if_eth0`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.entry.name
    }

    /// What stands behind the name of a wildcard plugin, else empty.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// One line on what it is for.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.entry.summary
    }

    /// The graph that it declares where it has only one; the others derive theirs from it. A link's name as Munin's
    /// master cleans it.
    #[must_use]
    pub fn graph(&self) -> &GraphName {
        &self.graph
    }

    /// Whether it needs an instance behind its name.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.entry.name.ends_with('_')
    }

    /// Whether it answers at once whatever the state of the host, so that it can run on one thread with others.
    #[must_use]
    pub fn is_instant(&self) -> bool {
        INSTANT.contains(&self.entry.name)
    }

    /// The graphs and fields that it has on this host.
    ///
    /// # Errors
    /// When the host, a setting or the name does not let it answer.
    pub fn config(&self, environment: &Environment) -> Result<Vec<Declaration>, BundledError> {
        (self.entry.config)(&self.request(environment))
    }

    /// What its fields read now. May block on the host's file systems, as `df` does.
    ///
    /// # Errors
    /// When the host, a setting, the name or the state directory does not let it answer.
    pub fn fetch(&self, environment: &Environment) -> Result<Vec<PluginSample>, BundledError> {
        (self.entry.fetch)(&self.request(environment))
    }

    /// Whether it has something to say on this host. A plugin of a service asks that service, and may take as long.
    #[must_use]
    pub fn autoconf(&self, environment: &Environment) -> Autoconf {
        (self.entry.autoconf)(environment)
    }

    /// Instances that a wildcard plugin has on this host; nothing for any other.
    #[must_use]
    pub fn suggest(&self, system: &System) -> Vec<String> {
        (self.entry.suggest)(system)
    }

    fn request<'a>(&'a self, environment: &'a Environment) -> Request<'a> {
        Request {
            graph: &self.graph,
            instance: &self.instance,
            environment,
        }
    }
}

/// The plugin of a name or of the name of a link; of two wildcards that fit, the one with the longer name.
#[must_use]
pub fn find(link: &str) -> Option<Bundled> {
    let exact = ENTRIES.iter().find(|entry| entry.name == link);
    let entry = exact.or_else(|| {
        ENTRIES
            .iter()
            .filter(|entry| entry.name.ends_with('_') && link.starts_with(entry.name))
            .max_by_key(|entry| entry.name.len())
    })?;
    Some(Bundled {
        entry,
        instance: link[entry.name.len()..].to_owned(),
        graph: GraphName::of_plugin(link)?,
    })
}

/// Every plugin: its name (a wildcard's ends in `_`) and one line on what it is for.
pub fn list() -> impl ExactSizeIterator<Item = (&'static str, &'static str)> {
    ENTRIES.iter().map(|entry| (entry.name, entry.summary))
}

/// Names of links that make sense on this host without configuration: every plugin that has something to say, the
/// wildcards once for each instance; of network interfaces those that carry traffic of their own.
#[must_use]
pub fn suggested(system: &System) -> Vec<String> {
    let environment = Environment::default().with_system(system.clone());
    let mut links = Vec::new();
    for entry in ENTRIES.iter().filter(|entry| entry.automatic) {
        if (entry.autoconf)(&environment) != Autoconf::Yes {
            continue;
        }
        if entry.name.ends_with('_') {
            let instances = (entry.suggest)(system).into_iter();
            let own = instances.filter(|interface| !if_::is_plumbing(interface));
            links.extend(own.map(|interface| format!("{}{interface}", entry.name)));
        } else {
            links.push(entry.name.to_owned());
        }
    }
    links
}

/// `autoconf` of plugins that always have something to say.
fn always(_: &Environment) -> Autoconf {
    Autoconf::Yes
}

/// `suggest` of plugins that are no wildcards.
fn no_instances(_: &System) -> Vec<String> {
    Vec::new()
}

#[cfg(test)]
mod tests;
