//! What pages ask for, answered from the catalog, the store and the judge.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use ravenry_alerts::action::{Action, Done, Refusal};
use ravenry_alerts::availability::Times;
use ravenry_alerts::check::CheckName;
use ravenry_alerts::explain::Explained;
use ravenry_alerts::log::LogEntry;
use ravenry_alerts::notice::clock_time;
use ravenry_alerts::outbox::LedgerEntry;
use ravenry_alerts::outbox::Picture;
use ravenry_alerts::quiet::{Comment, Downtime, Mute};
use ravenry_alerts::severity::Severity;
use ravenry_plugins::clock;
use ravenry_plugins::graph::{Field, Graph};
use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_plugins::timestamp::Timestamp;
use ravenry_web::graph::EventKind;
use ravenry_web::source::{
    CheckView, FetchError, GraphDetail, Happening, History, HostDetail, HostSummary, IncidentView,
    Latest, LogQuery, Measure, Pending, Query, Refused, Source, Thing, Trouble, View,
};
use tokio::time::timeout;

use crate::catalog::{Host, StoredGraph};
use crate::config::group::{Group, groups_of};
use crate::config::layout::Layouts;
use crate::health::Health;
use crate::judge::{Draw, JudgeError, JudgeHandle, TestOutcome};
use crate::own_graphs;
use crate::store::Store;

/// So long a test message is waited for.
const TEST_WITHIN: Duration = Duration::from_secs(60);

/// The source of this collector's own pages.
pub struct LocalSource {
    store: Arc<Store>,
    judge: JudgeHandle,
    health: Arc<Health>,
    groups: RwLock<Arc<Vec<Group>>>,
    recent: Mutex<Option<(Timestamp, Arc<Vec<IncidentView>>)>>,
    views: RwLock<Vec<View>>,
    own: OnceLock<Arc<own_graphs::Parts>>,
}

/// How old the incidents beside a picture may be.
const RECENT: Duration = Duration::from_secs(5);

impl LocalSource {
    /// A source over `store` and `judge`.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        judge: JudgeHandle,
        health: Arc<Health>,
        groups: Vec<Group>,
        views: Vec<View>,
    ) -> Self {
        Self {
            store,
            judge,
            health,
            groups: RwLock::new(Arc::new(groups)),
            recent: Mutex::new(None),
            views: RwLock::new(views),
            own: OnceLock::new(),
        }
    }

    /// What is asked for what the collector measures of itself.
    pub fn measure(&self, parts: Arc<own_graphs::Parts>) {
        drop(self.own.set(parts));
    }

    /// Groups and views are others from now on.
    pub fn reload(&self, groups: Vec<Group>, views: Vec<View>) {
        *self.views.write().unwrap_or_else(PoisonError::into_inner) = views;
        *self.groups.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(groups);
    }

    fn groups(&self) -> Arc<Vec<Group>> {
        Arc::clone(&self.groups.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The newest incidents, at most [`RECENT`] old: they are in the database, and every picture asks.
    fn recent_incidents(&self) -> Arc<Vec<IncidentView>> {
        let now = clock::now();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        match &*recent {
            Some((read, incidents)) if now >= *read && now.since(*read) < RECENT => {
                Arc::clone(incidents)
            }
            Some(_) | None => {
                let incidents = Arc::new(self.judge.incidents(Happening::LOOKED_AT));
                *recent = Some((now, Arc::clone(&incidents)));
                incidents
            }
        }
    }

    fn summary(
        &self,
        groups: &[Group],
        name: &HostName,
        host: &Host,
        checks: &[CheckView],
    ) -> HostSummary {
        let mut counts = [0; 4];
        for check in checks {
            counts[check.severity as usize] += 1;
        }
        HostSummary {
            name: name.clone(),
            groups: groups_of(groups, name),
            state: self.judge.host_state(name),
            worst: checks
                .iter()
                .map(|check| check.severity)
                .max()
                .unwrap_or(Severity::Ok),
            checks: counts,
            last_contact: host.last_contact.or_else(|| last_reading(host)),
            graphs: host.graphs.len(),
        }
    }
}

/// What became of a test message on each channel.
fn tested(contact: &str, outcomes: &[TestOutcome]) -> Result<Done, Refusal> {
    let one = |it: &TestOutcome| match &it.outcome {
        Ok(()) => format!("{}: taken", it.over),
        Err(why) => format!("{}: failed: {why}", it.over),
    };
    let each: Vec<String> = outcomes.iter().map(one).collect();
    let said = format!("test message to {contact}: {}", each.join("; "));
    if outcomes.iter().any(|it| it.outcome.is_err()) {
        return Err(Refusal::Unavailable(said));
    }
    Ok(Done { said, id: None })
}

fn muted_words(mute: &Mute) -> String {
    let until = mute.expires.map_or_else(
        || String::from("until somebody takes it back"),
        |at| format!("until {}", clock_time(at)),
    );
    format!(
        "nobody is told anything {until}: muted by {} ({})",
        mute.author, mute.comment
    )
}

/// What stands for a contact with a host that has no agent: its newest reading.
fn last_reading(host: &Host) -> Option<Timestamp> {
    let columns = host.graphs.values().flat_map(|stored| &stored.columns);
    columns.filter_map(|column| Some(column.last?.at)).max()
}

/// Draws the graph that a check is about, for as long as the source is there: the check's own, or the first one that a
/// Nagios check's numbers make. A host has none.
pub fn draw_by(source: &Arc<LocalSource>) -> Draw {
    let source = Arc::downgrade(source);
    Arc::new(move |check| {
        let source = source.upgrade()?;
        let (host, graph) = source.graph_of(check)?;
        let png = ravenry_web::day_picture(&*source, &host, &graph)?;
        let name = format!("{host}-{graph}-day.png");
        Some(Picture { name, png })
    })
}

impl LocalSource {
    fn graph_of(&self, check: &CheckName) -> Option<(HostName, GraphName)> {
        match check {
            CheckName::Host(_) => None,
            CheckName::Field(series) => Some((series.host.clone(), series.graph.clone())),
            CheckName::Verdict(verdict) => {
                let catalog = self.store.catalog();
                let graphs = &catalog.hosts.get(&verdict.host)?.graphs;
                let of_check =
                    |stored: &&StoredGraph| stored.graph.check.as_ref() == Some(&verdict.check);
                let stored = graphs.values().find(of_check)?;
                Some((verdict.host.clone(), stored.graph.name.clone()))
            }
        }
    }
}

impl Source for LocalSource {
    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn hosts(&self) -> Vec<HostSummary> {
        let groups = self.groups();
        let catalog = self.store.catalog();
        let hosts = catalog.hosts.iter();
        hosts
            .map(|(name, host)| self.summary(&groups, name, host, &self.judge.checks_of(name)))
            .collect()
    }

    fn host(&self, host: &HostName) -> Option<HostDetail> {
        let checks = self.judge.checks_of(host);
        let catalog = self.store.catalog();
        let known = catalog.hosts.get(host)?;
        let graphs = known.graphs.values();
        let mut graphs: Vec<GraphDetail> = graphs
            .map(|stored| detail(host, stored, &checks, catalog.layouts()))
            .collect();
        graphs.sort_by(|a, b| {
            let key =
                |detail: &GraphDetail| (detail.graph.category.clone(), detail.graph.title.clone());
            key(a).cmp(&key(b))
        });
        let summary = self.summary(&self.groups(), host, known, &checks);
        Some(HostDetail {
            summary,
            graphs,
            runs: known.runs.values().cloned().collect(),
            checks,
        })
    }

    fn graph(&self, host: &HostName, graph: &GraphName) -> Option<GraphDetail> {
        let checks = self.judge.checks_of(host);
        let catalog = self.store.catalog();
        Some(detail(
            host,
            catalog.graph(host, graph)?,
            &checks,
            catalog.layouts(),
        ))
    }

    fn fetch(&self, query: &Query) -> Result<History, FetchError> {
        self.store.fetch(query)
    }

    fn troubles(&self) -> Vec<Trouble> {
        let mut troubles = self.health.troubles();
        troubles.extend(self.judge.muted().map(|mute| Trouble {
            since: mute.since,
            text: muted_words(&mute),
        }));
        troubles
    }

    fn act(&self, by: &str, action: Action) -> Result<Done, Refusal> {
        self.judge.act(by, action)
    }

    fn notify_test(&self, contact: String) -> Pending {
        let judge = self.judge.clone();
        Box::pin(async move {
            let Ok(tried) = timeout(TEST_WITHIN, judge.notify_test(&contact)).await else {
                return Err(Refusal::Unavailable(format!(
                    "no try to reach {contact} has ended within a minute: earlier messages may be waiting"
                )));
            };
            match tried {
                Ok(outcomes) => tested(&contact, &outcomes),
                Err(error @ JudgeError::NoContact(_)) => Err(Refusal::Unknown(error.to_string())),
                Err(error) => Err(Refusal::Unavailable(error.to_string())),
            }
        })
    }

    fn explain(&self, of: &str, at: Option<Timestamp>) -> Result<Explained, Refusal> {
        self.judge.explain(of, at)
    }

    fn downtimes(&self) -> Vec<Downtime> {
        self.judge.downtimes()
    }

    fn comments(&self) -> Vec<Comment> {
        self.judge.comments()
    }

    fn muted(&self) -> Option<Mute> {
        self.judge.muted()
    }

    fn refused(&self) -> Vec<Refused> {
        self.health.refused()
    }

    fn checks(&self) -> Vec<CheckView> {
        let names: Vec<HostName> = self.store.catalog().hosts.keys().cloned().collect();
        let checks = names.iter().flat_map(|name| self.judge.checks_of(name));
        checks.collect()
    }

    fn look_through(&self, look: &mut dyn FnMut(Thing<'_>)) {
        let groups = self.groups();
        let mut verdicts = self.judge.verdicts();
        let catalog = self.store.catalog();
        for (name, host) in &catalog.hosts {
            look(Thing::Host(name, &groups_of(&groups, name)));
            for stored in host.graphs.values() {
                look(Thing::Graph(&stored.graph));
            }
            for plugin in host.runs.keys() {
                look(Thing::Plugin(plugin));
            }
            for (check, severity) in verdicts.remove(name).unwrap_or_default() {
                look(Thing::Check(&check, severity));
            }
        }
    }

    fn views(&self) -> Vec<View> {
        self.views
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn measured(&self) -> Vec<Measure> {
        let Some(parts) = self.own.get() else {
            return Vec::new();
        };
        own_graphs::Measured::now(parts, clock::now()).metrics()
    }

    fn incidents(&self, limit: usize) -> Vec<IncidentView> {
        self.judge.incidents(limit)
    }

    fn log(&self, query: &LogQuery) -> Vec<(u64, LogEntry)> {
        self.judge.log(query)
    }

    fn notices(&self, before: Option<u64>, limit: usize) -> Vec<(u64, LedgerEntry)> {
        self.judge.notices(before, limit)
    }

    fn noise(&self, since: Timestamp) -> Vec<(IncidentView, u64)> {
        self.judge.noise(since)
    }

    fn availability(
        &self,
        wanted: &dyn Fn(&CheckName) -> bool,
        start: Timestamp,
    ) -> Vec<(CheckName, Times)> {
        self.judge.availability(wanted, start, self.now())
    }

    fn incident(&self, id: u64) -> Option<IncidentView> {
        self.judge.incident(id)
    }

    fn latest(&self, graph: &GraphName, field: &FieldName) -> Vec<(HostName, Option<f64>)> {
        let catalog = self.store.catalog();
        let of_host = |(name, host): (&HostName, &Host)| {
            let stored = host.graphs.get(graph)?;
            stored.graph.field(field.as_str())?;
            let column = stored.columns.iter().find(|column| column.field == *field);
            Some((name.clone(), column.and_then(|column| column.value)))
        };
        catalog.hosts.iter().filter_map(of_host).collect()
    }

    fn happenings(&self, detail: &GraphDetail) -> Vec<Happening> {
        let mut happenings = Happening::of_graph(&self.recent_incidents(), detail);
        let groups = self.groups();
        let downtimes = self.judge.downtimes();
        let downtimes = downtimes
            .iter()
            .filter(|downtime| is_seen(downtime, detail, &groups));
        happenings.extend(downtimes.map(|downtime| Happening {
            start: downtime.begun.unwrap_or(downtime.start),
            end: Some(downtime.over_at()),
            kind: EventKind::Downtime,
            text: format!("downtime by {}: {}", downtime.author, downtime.comment),
            incident: None,
        }));
        happenings
    }
}

/// Whether a graph is seen beside a downtime: one of its host or of a check of it, that has begun or will at a fixed time.
fn is_seen(downtime: &Downtime, detail: &GraphDetail, groups: &[Group]) -> bool {
    let has_a_time = downtime.flexible_seconds.is_none() || downtime.begun.is_some();
    let host = CheckName::Host(detail.host.clone());
    let mut checks = detail.checks.iter().map(|check| &check.name);
    has_a_time
        && (downtime.is_about(&host, groups) || checks.any(|name| downtime.is_about(name, groups)))
}

/// The graph with the thresholds that its fields are judged by, where configuration changes what the plugin said.
fn judged(graph: &Arc<Graph>, checks: &[CheckView]) -> Arc<Graph> {
    let mut graph = Arc::clone(graph);
    for check in checks {
        let CheckName::Field(series) = &check.name else {
            continue;
        };
        // After a start a check waits for its graph, and nothing is known of its thresholds.
        if series.graph != graph.name || check.threshold.is_empty() {
            continue;
        }
        let differs = |field: &Field| {
            field.name == series.field
                && (field.warning, field.critical) != (check.warning, check.critical)
        };
        if graph.fields.iter().any(differs) {
            let fields = Arc::make_mut(&mut graph).fields.iter_mut();
            for field in fields.filter(|field| differs(field)) {
                (field.warning, field.critical) = (check.warning, check.critical);
            }
        }
    }
    graph
}

fn detail(
    host: &HostName,
    stored: &StoredGraph,
    checks: &[CheckView],
    layouts: &Layouts,
) -> GraphDetail {
    let of_graph = |check: &&CheckView| match &check.name {
        CheckName::Field(series) => series.graph == stored.graph.name,
        CheckName::Verdict(verdict) => stored.graph.check.as_ref() == Some(&verdict.check),
        CheckName::Host(_) => false,
    };
    let latest = stored.columns.iter().filter_map(|column| {
        let last = column.last?;
        Some(Latest {
            field: column.field.clone(),
            time: last.at,
            value: column.value,
        })
    });
    GraphDetail {
        host: host.clone(),
        graph: judged(&stored.graph, checks),
        step: layouts.step(host, &stored.graph),
        first_update: stored.first_update,
        last_update: stored
            .columns
            .iter()
            .filter_map(|column| Some(column.last?.at))
            .max(),
        latest: latest.collect(),
        checks: checks.iter().filter(of_graph).cloned().collect(),
    }
}
