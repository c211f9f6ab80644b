//! What pages and graphs ask for. The local store answers; later another collector over HTTP can.
//!
//! Calls may read files: they are made from blocking threads, never from the async runtime.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ravenry_alerts::action::{Action, Done, Refusal};
use ravenry_alerts::availability::Times;
use ravenry_alerts::check::CheckName;
pub use ravenry_alerts::engine::CheckView;
use ravenry_alerts::explain::Explained;
use ravenry_alerts::log::LogEntry;
use ravenry_alerts::outbox::LedgerEntry;
use ravenry_alerts::quiet::{Acknowledgement, Comment, Downtime, Mute};
use ravenry_alerts::severity::{HostState, Severity};
use ravenry_plugins::graph::Graph;
use ravenry_plugins::name::{FieldName, GraphName, GroupName, HostName};
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::RunReport;

use crate::graph::EventKind;

/// Everything that a page can ask.
pub trait Source: Send + Sync {
    /// The time by the collector's clock.
    fn now(&self) -> Timestamp;

    /// All hosts, sorted by name.
    fn hosts(&self) -> Vec<HostSummary>;

    /// One host with its graphs, checks and plugin runs.
    fn host(&self, host: &HostName) -> Option<HostDetail>;

    /// One graph, resolved, with what was last read.
    fn graph(&self, host: &HostName, graph: &GraphName) -> Option<GraphDetail>;

    /// Consolidated history of all fields of a graph.
    ///
    /// # Errors
    /// When the graph is not stored or its file cannot be read.
    fn fetch(&self, query: &Query) -> Result<History, FetchError>;

    /// Incidents, open ones first, then the newest closed ones, at most `limit`.
    fn incidents(&self, limit: usize) -> Vec<IncidentView>;

    /// One incident, open or closed.
    fn incident(&self, id: u64) -> Option<IncidentView> {
        let mut all = self.incidents(usize::MAX).into_iter();
        all.find(|incident| incident.id == id)
    }

    /// What happened, the newest first, each with its number.
    fn log(&self, query: &LogQuery) -> Vec<(u64, LogEntry)> {
        let _ = query;
        Vec::new()
    }

    /// What was told to whom, the newest first, each with its number; before the one of that number.
    fn notices(&self, before: Option<u64>, limit: usize) -> Vec<(u64, LedgerEntry)> {
        let _ = (before, limit);
        Vec::new()
    }

    /// Of each incident that somebody was told of since then: how many notices were sent.
    fn noise(&self, since: Timestamp) -> Vec<(IncidentView, u64)> {
        let _ = since;
        Vec::new()
    }

    /// How long the checks that `wanted` names were in which severity, from `start` to now.
    fn availability(
        &self,
        wanted: &dyn Fn(&CheckName) -> bool,
        start: Timestamp,
    ) -> Vec<(CheckName, Times)> {
        let _ = (wanted, start);
        Vec::new()
    }

    /// Carries out what a person does; `by` is who.
    ///
    /// # Errors
    /// With one sentence for whoever asked, when it makes no sense, or cannot be carried out or kept.
    fn act(&self, by: &str, action: Action) -> Result<Done, Refusal> {
        let _ = (by, action);
        Err(Refusal::Unavailable(String::from(
            "nothing can be done from here: these pages only show",
        )))
    }

    /// Sends a test message to a contact, and waits until one try has an outcome. Called from the runtime.
    fn notify_test(&self, contact: String) -> Pending {
        let why = format!("nobody can be told from here, so {contact} cannot");
        Box::pin(async { Err(Refusal::Unavailable(why)) })
    }

    /// How a check, an incident or a person stands, and why: `12`, `web1/df/root`, `ops`; `at` a time in the past by what is
    /// remembered up to then.
    ///
    /// # Errors
    /// When there is nothing of that name.
    fn explain(&self, of: &str, at: Option<Timestamp>) -> Result<Explained, Refusal> {
        let _ = at;
        let why = format!("nothing is remembered here, so nothing of {of}");
        Err(Refusal::Unavailable(why))
    }

    /// The downtimes that are announced or run.
    fn downtimes(&self) -> Vec<Downtime> {
        Vec::new()
    }

    /// What people wrote, the oldest first.
    fn comments(&self) -> Vec<Comment> {
        Vec::new()
    }

    /// Who said that nobody is told anything, while that holds. [`Self::troubles`] says so too.
    fn muted(&self) -> Option<Mute> {
        None
    }

    /// What happened to a graph: incidents caused by its checks or its host, as far back as incidents are listed. A source
    /// whose incidents are far away keeps them for a while: every picture asks.
    fn happenings(&self, detail: &GraphDetail) -> Vec<Happening> {
        Happening::of_graph(&self.incidents(Happening::LOOKED_AT), detail)
    }

    /// The last reading of a field on every host that has it, by host. A source that has them together answers faster than
    /// host by host.
    fn latest(&self, graph: &GraphName, field: &FieldName) -> Vec<(HostName, Option<f64>)> {
        let hosts = self.hosts().into_iter().filter_map(|host| {
            let detail = self.graph(&host.name, graph)?;
            detail.graph.field(field.as_str())?;
            let latest = detail.latest.iter().find(|latest| latest.field == *field);
            Some((host.name, latest.and_then(|latest| latest.value)))
        });
        hosts.collect()
    }

    /// What is wrong with the collector itself.
    fn troubles(&self) -> Vec<Trouble> {
        Vec::new()
    }

    /// Pushes that were refused, the last one first.
    fn refused(&self) -> Vec<Refused> {
        Vec::new()
    }

    /// Shows everything that has a name: each host, and after it its graphs, plugins and Nagios checks. A source that
    /// copies nothing answers much faster than this does.
    fn look_through(&self, look: &mut dyn FnMut(Thing<'_>)) {
        for host in self.hosts() {
            look(Thing::Host(&host.name, &host.groups));
            let Some(detail) = self.host(&host.name) else {
                continue;
            };
            for graph in &detail.graphs {
                look(Thing::Graph(&graph.graph));
            }
            for run in &detail.runs {
                look(Thing::Plugin(&run.plugin));
            }
            for check in &detail.checks {
                if let CheckName::Verdict(verdict) = &check.name {
                    look(Thing::Check(&verdict.check, check.severity));
                }
            }
        }
    }

    /// The views that the configuration saves.
    fn views(&self) -> Vec<View> {
        Vec::new()
    }

    /// What the collector measures of itself.
    fn measured(&self) -> Vec<Measure> {
        Vec::new()
    }

    /// All checks, by host. A source that keeps them together answers faster than host by host.
    fn checks(&self) -> Vec<CheckView> {
        self.hosts()
            .iter()
            .filter_map(|host| self.host(&host.name))
            .flat_map(|host| host.checks)
            .collect()
    }
}

/// Something that has a name.
#[derive(Clone, Copy, Debug)]
pub enum Thing<'a> {
    /// A host with its groups.
    Host(&'a HostName, &'a [GroupName]),
    /// A graph of the host that was last shown; hosts that declare the same may share it.
    Graph(&'a Arc<Graph>),
    /// A plugin that has run on it.
    Plugin(&'a str),
    /// A Nagios check of it.
    Check(&'a GraphName, Severity),
}

/// A page that the configuration gives a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// In addresses.
    pub name: String,
    /// For people.
    pub title: String,
    /// Path and parameters of the page.
    pub address: String,
}

/// A number that the collector measures of itself, for Prometheus.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Its name, as Prometheus wants it.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Whether it only grows.
    pub is_counter: bool,
    /// A label and its value, where there are several of one name; these stand together.
    pub label: Option<(&'static str, String)>,
    /// The number.
    pub value: f64,
}
/// The outcome of what takes its time.
pub type Pending = Pin<Box<dyn Future<Output = Result<Done, Refusal>> + Send>>;

/// A host as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct HostSummary {
    /// Its name.
    pub name: HostName,
    /// The groups that it is in, sorted; never empty (`ungrouped` when nothing else is said).
    pub groups: Vec<GroupName>,
    /// Whether it is heard of.
    pub state: HostState,
    /// The worst severity of its checks.
    pub worst: Severity,
    /// How many checks are ok, unknown, warning, critical, in the order of [`Severity::ALL`].
    pub checks: [usize; 4],
    /// When it was last heard of.
    pub last_contact: Option<Timestamp>,
    /// How many graphs it has.
    pub graphs: usize,
}

/// A host as its own page shows it.
#[derive(Clone, Debug)]
pub struct HostDetail {
    /// As in lists.
    pub summary: HostSummary,
    /// Its graphs, sorted by category, then title.
    pub graphs: Vec<GraphDetail>,
    /// The last run of each of its plugins, sorted by name.
    pub runs: Vec<RunReport>,
    /// The host's own check and those of its fields.
    pub checks: Vec<CheckView>,
}

/// A graph with what was last read.
#[derive(Clone, Debug)]
pub struct GraphDetail {
    /// The host that it belongs to.
    pub host: HostName,
    /// The declaration with all defaults filled in; thresholds are those that are judged by.
    pub graph: Arc<Graph>,
    /// The time between two stored rows of the finest archive.
    pub step: Duration,
    /// The time of the oldest sample that is known of; `None` when there is none, or it was too long ago to be known.
    pub first_update: Option<Timestamp>,
    /// The time of the newest sample of any field.
    pub last_update: Option<Timestamp>,
    /// The last reading of each field that has one.
    pub latest: Vec<Latest>,
    /// The checks of its fields.
    pub checks: Vec<CheckView>,
}

/// So long a graph is young.
const YOUTH: Duration = Duration::from_secs(4 * 3600);

impl GraphDetail {
    /// Whether its history is so short that a picture of a day would look empty.
    #[must_use]
    pub fn is_young(&self, now: Timestamp) -> bool {
        self.first_update
            .is_some_and(|first| now.since(first) < YOUTH)
    }

    /// The worst severity of its checks.
    #[must_use]
    pub fn worst(&self) -> Severity {
        self.checks
            .iter()
            .map(|check| check.severity)
            .max()
            .unwrap_or_default()
    }
}

/// The last reading of a field, in the unit that the graph shows before cdef: counters as a rate per second.
#[derive(Clone, Debug, PartialEq)]
pub struct Latest {
    /// The field.
    pub field: FieldName,
    /// When it was read.
    pub time: Timestamp,
    /// `None` when unknown, or when a counter has been read only once.
    pub value: Option<f64>,
}

/// An incident as pages show it.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentView {
    /// Its number.
    pub id: u64,
    /// The check that is the cause.
    pub cause: CheckName,
    /// The worst severity that it has had.
    pub severity: Severity,
    /// When it began.
    pub opened: Timestamp,
    /// When it ended; `None` while it is open.
    pub closed: Option<Timestamp>,
    /// What is wrong, one sentence.
    pub summary: String,
    /// Who was told and when, one sentence each, oldest first.
    pub told: Vec<String>,
    /// All that began with it and has no other explanation, itself first.
    pub causes: Vec<CheckName>,
    /// Checks that the cause explains and that are not ok.
    pub hides: Vec<CheckName>,
    /// Since when no cause is bad, while it is watched whether that lasts.
    pub settling: Option<Timestamp>,
    /// Whether its causes come and go.
    pub flapping: bool,
    /// Who knows of it.
    pub acknowledged: Option<Acknowledgement>,
}

/// Something that lasted and that numbers are seen beside.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// Since when.
    pub start: Timestamp,
    /// Until when; `None` while it lasts.
    pub end: Option<Timestamp>,
    /// What it was.
    pub kind: EventKind,
    /// One sentence.
    pub text: String,
    /// The incident, where it is one.
    pub incident: Option<u64>,
}

impl Happening {
    /// So many incidents are looked through.
    pub const LOOKED_AT: usize = 500;

    /// Those of `incidents` that a graph is seen beside.
    #[must_use]
    pub fn of_graph(incidents: &[IncidentView], detail: &GraphDetail) -> Vec<Self> {
        let concerns = |incident: &&IncidentView| match &incident.cause {
            CheckName::Host(host) => *host == detail.host,
            CheckName::Field(series) => {
                series.host == detail.host && series.graph == detail.graph.name
            }
            CheckName::Verdict(verdict) => {
                verdict.host == detail.host && detail.graph.check.as_ref() == Some(&verdict.check)
            }
        };
        let happening = |incident: &IncidentView| {
            let kind = match incident.severity {
                Severity::Ok => return None,
                Severity::Unknown => EventKind::Unknown,
                Severity::Warning => EventKind::Warning,
                Severity::Critical => EventKind::Critical,
            };
            Some(Self {
                start: incident.opened,
                end: incident.closed,
                kind,
                text: incident.summary.clone(),
                incident: Some(incident.id),
            })
        };
        let concerned = incidents.iter().filter(concerns);
        concerned.filter_map(happening).collect()
    }
}

/// Which entries of the log are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Those before the one of this number.
    pub before: Option<u64>,
    /// Of this host and its checks only.
    pub host: Option<HostName>,
    /// Of this incident only.
    pub incident: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// Something wrong with the collector itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// One sentence.
    pub text: String,
}

/// Pushes that were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// By whom they came, as far as known, and why they were refused.
    pub text: String,
    /// How many.
    pub count: u64,
    /// When the last one came.
    pub last: Timestamp,
}

/// How rows are made of readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consolidation {
    /// The mean.
    Average,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

/// A question for history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The host.
    pub host: HostName,
    /// The graph, all of whose fields are fetched.
    pub graph: GraphName,
    /// Rows later than this.
    pub start: Timestamp,
    /// Rows up to and including the one that holds this.
    pub end: Timestamp,
    /// The wanted time between rows; the nearest archive that reaches back far enough answers.
    pub resolution: Duration,
    /// What rows are made of.
    pub consolidation: Consolidation,
}

/// The answer: rows at `start + step`, `start + 2 step`, ... up to `end`.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// One step before the first row.
    pub start: Timestamp,
    /// The time of the last row.
    pub end: Timestamp,
    /// Between rows.
    pub step: Duration,
    /// A column a field, all of the same length; NaN is unknown. Counters are rates per second.
    pub columns: Vec<(FieldName, Vec<f64>)>,
}

/// Why there is no history.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nothing is stored under that name.
    #[error("no history of {host}/{graph}: nothing has been stored under that name")]
    NotStored {
        /// The host.
        host: HostName,
        /// The graph.
        graph: GraphName,
    },
    /// The file is there but cannot be read or makes no sense.
    #[error("history of {host}/{graph} cannot be read: {why}")]
    Unreadable {
        /// The host.
        host: HostName,
        /// The graph.
        graph: GraphName,
        /// One sentence.
        why: String,
    },
}
