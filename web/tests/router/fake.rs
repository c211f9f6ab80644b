//! A source in memory: a small site that was read by agents up to [`NOW`], with names and texts that are awkward on
//! purpose. History is computed, the same for the same question.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ravenry_alerts::action::{Action, Done, Refusal, Subject};
use ravenry_alerts::availability::Times;
use ravenry_alerts::check::CheckName;
use ravenry_alerts::explain::{Explained, GateSaid, Happened, Judged};
use ravenry_alerts::log::{Happening, LogEntry};
use ravenry_alerts::rule::ContactName;
use ravenry_alerts::severity::{HostState, Severity};
use ravenry_plugins::declaration::{Attributes, Declaration, FieldDeclaration};
use ravenry_plugins::graph::{Graph, Kind};
use ravenry_plugins::name::{FieldName, GraphName, GroupName, HostName, SeriesName};
use ravenry_plugins::problem::Problem;
use ravenry_plugins::range::Range;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::RunReport;
use ravenry_web::source::{
    CheckView, Consolidation, FetchError, GraphDetail, History, HostDetail, HostSummary,
    IncidentView, Latest, LogQuery, Query, Source, View,
};

/// 2026-11-20 18:40:20 UTC.
pub(crate) const NOW: i64 = 1_795_200_020;
/// Text that would be markup where it is not escaped.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script>&\"'";

const STEP: Duration = Duration::from_secs(60);

/// The site.
pub(crate) struct Fake {
    hosts: Vec<HostDetail>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// What was asked to be done, by whom.
    done: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// At [`NOW`], with `more` plain hosts.
    pub(crate) fn new(more: usize) -> Self {
        Self::at(more, || Timestamp::from_seconds(NOW))
    }

    /// Whose clock is `now`.
    pub(crate) fn at(more: usize, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let read = now();
        let mut hosts = vec![
            busy_host("web1.example.net", &["Berlin DC/web", "production"], read),
            host(
                "db-1",
                &["Berlin DC/db"],
                HostState::Up,
                Severity::Warning,
                read,
            ),
            host(
                "10.0.0.7",
                &["ungrouped"],
                HostState::Down,
                Severity::Unknown,
                read,
            ),
            host(
                "new_host",
                &["ungrouped"],
                HostState::Pending,
                Severity::Ok,
                read,
            ),
        ];
        for i in 0..more {
            hosts.push(host(
                &format!("node{i:05}"),
                &["farm"],
                HostState::Up,
                Severity::Ok,
                read,
            ));
        }
        hosts.sort_by(|a, b| a.summary.name.cmp(&b.summary.name));
        Self {
            hosts,
            now: Box::new(now),
            done: Arc::default(),
        }
    }

    /// What will have been asked to be done.
    pub(crate) fn done(&self) -> Arc<Mutex<Vec<String>>> {
        Arc::clone(&self.done)
    }
}

impl Source for Fake {
    fn availability(
        &self,
        wanted: &dyn Fn(&CheckName) -> bool,
        start: Timestamp,
    ) -> Vec<(CheckName, Times)> {
        let all = self.now().since(start).as_secs_f64();
        let checks = self.hosts.iter().flat_map(|host| &host.checks);
        let checks = checks.filter(|check| wanted(&check.name));
        let times = checks.map(|check| {
            let mut times = Times::default();
            times.seconds[check.severity as usize] = all / 4.0;
            times.seconds[Severity::Ok as usize] += all / 2.0;
            times.downtime = all / 4.0;
            (check.name.clone(), times)
        });
        times.collect()
    }

    fn log(&self, query: &LogQuery) -> Vec<(u64, LogEntry)> {
        let what = |number: u64| match number {
            300 => Happening::Opened {
                incident: 42,
                cause: check(
                    "web1.example.net",
                    Some(("df", "_dev_vda1")),
                    Severity::Critical,
                )
                .name,
                severity: Severity::Critical,
                summary: HOSTILE.to_owned(),
            },
            _ => Happening::Done {
                by: HOSTILE.to_owned(),
                said: format!("did thing {number}"),
            },
        };
        (1..=300)
            .rev()
            .filter(|number| query.before.is_none_or(|before| *number < before))
            .take(query.limit)
            .map(|number| {
                let at = Timestamp::from_seconds(NOW);
                (
                    number,
                    LogEntry {
                        at,
                        what: what(number),
                    },
                )
            })
            .collect()
    }

    fn noise(&self, _: Timestamp) -> Vec<(IncidentView, u64)> {
        let incidents = self.incidents(10).into_iter();
        incidents
            .map(|incident| (incident.clone(), incident.id))
            .collect()
    }

    fn explain(&self, of: &str, at: Option<Timestamp>) -> Result<Explained, Refusal> {
        let gate = GateSaid {
            gate: "muted",
            holds: false,
            said: "lets it pass".to_owned(),
        };
        let judged = Judged {
            incident: 42,
            contact: ContactName::new("ops"),
            said: "to be told now".to_owned(),
            gates: vec![gate],
        };
        let at = at.unwrap_or(self.now());
        let said = "it began".to_owned();
        Ok(Explained {
            of: of.to_owned(),
            at,
            said: vec!["it is so".to_owned()],
            people: vec![judged],
            events: vec![Happened { at, said }],
        })
    }

    fn act(&self, by: &str, action: Action) -> Result<Done, Refusal> {
        if let Action::Acknowledge {
            on: Subject::Incident(id @ 1000..),
            ..
        } = action
        {
            return Err(Refusal::Unknown(format!("no incident {id}")));
        }
        let said = format!("{by}: {}", serde_json::to_string(&action).unwrap());
        self.done.lock().unwrap().push(said.clone());
        Ok(Done { said, id: None })
    }

    fn now(&self) -> Timestamp {
        (self.now)()
    }

    fn hosts(&self) -> Vec<HostSummary> {
        self.hosts.iter().map(|host| host.summary.clone()).collect()
    }

    fn host(&self, name: &HostName) -> Option<HostDetail> {
        let mut host = self
            .hosts
            .iter()
            .find(|host| host.summary.name == *name)?
            .clone();
        for graph in &mut host.graphs {
            bring_up_to(graph, self.now());
        }
        Some(host)
    }

    fn graph(&self, host: &HostName, graph: &GraphName) -> Option<GraphDetail> {
        let host = self
            .hosts
            .iter()
            .find(|known| known.summary.name == *host)?;
        let mut graph = host
            .graphs
            .iter()
            .find(|known| known.graph.name == *graph)?
            .clone();
        bring_up_to(&mut graph, self.now());
        Some(graph)
    }

    fn fetch(&self, query: &Query) -> Result<History, FetchError> {
        let detail = self
            .graph(&query.host, &query.graph)
            .filter(|detail| detail.last_update.is_some());
        let detail = detail.ok_or_else(|| FetchError::NotStored {
            host: query.host.clone(),
            graph: query.graph.clone(),
        })?;
        if query.graph.as_str() == "broken" {
            return Err(FetchError::Unreadable {
                host: query.host.clone(),
                graph: query.graph.clone(),
                why: "the file holds 12 bytes, expected at least 112".to_owned(),
            });
        }
        Ok(history(&detail, query))
    }

    fn views(&self) -> Vec<View> {
        let view = |name: &str, title: &str, address: &str| View {
            name: name.to_owned(),
            title: title.to_owned(),
            address: address.to_owned(),
        };
        vec![
            view("all", "Everything", "/"),
            view("web", "Load of all", "/compare/load?period=week"),
        ]
    }

    fn incidents(&self, limit: usize) -> Vec<IncidentView> {
        incidents(Timestamp::from_seconds(NOW))
            .into_iter()
            .take(limit)
            .collect()
    }
}

/// Samples come 7 s after the minute.
fn bring_up_to(graph: &mut GraphDetail, now: Timestamp) {
    let Some(last) = &mut graph.last_update else {
        return;
    };
    *last = (now - Duration::from_secs(7)).floor_to(STEP) + Duration::from_secs(7);
    let (last, graph_name) = (*last, graph.graph.name.clone());
    for latest in &mut graph.latest {
        latest.time = last;
        if latest.value.is_some() {
            latest.value = Some(level(&graph_name, &latest.field, last.seconds_f64()));
        }
    }
}

/// A smooth number that depends on nothing but names and time.
fn level(graph: &GraphName, field: &FieldName, time: f64) -> f64 {
    let seed = graph.as_str().bytes().chain(field.as_str().bytes());
    let seed = seed.fold(7_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    let phase = (seed % 628) as f64 / 100.0;
    let size = match graph.as_str() {
        "load" => 0.8,
        "cpu" => 40.0,
        "memory" => 3e9,
        name if name.starts_with("if_") => 2.5e6,
        _ => 60.0,
    };
    let day = (time / 86_400.0 * std::f64::consts::TAU + phase).sin();
    let wave = (time / 4700.0 + phase * 3.0).sin() * (time / 1300.0 + phase).cos();
    size * (1.2 + 0.6 * day + 0.35 * wave).max(0.02) * (0.3 + (seed % 70) as f64 / 100.0)
}

fn history(detail: &GraphDetail, query: &Query) -> History {
    let steps = [60, 300, 1800, 21600].map(Duration::from_secs);
    let step = steps
        .into_iter()
        .rfind(|step| *step <= query.resolution)
        .unwrap_or(STEP);
    let (start, end) = (query.start.floor_to(step), query.end.floor_to(step));
    let rows = end.since(start).as_secs() / step.as_secs();
    let wider = match query.consolidation {
        Consolidation::Average => 1.0,
        Consolidation::Min => 0.9,
        Consolidation::Max => 1.1,
    };
    let column = |field: &FieldName| {
        let row = |i: u64| {
            let time = (start + step * (i as u32 + 1)).seconds_f64();
            let gap = (time as i64 / 3600) % 29 == 0 || (time as i64) < NOW - 300 * 86_400;
            if gap {
                f64::NAN
            } else {
                level(&query.graph, field, time) * wider
            }
        };
        (0..rows).map(row).collect::<Vec<f64>>()
    };
    let fields = detail.graph.fields.iter();
    History {
        start,
        end,
        step,
        columns: fields
            .map(|field| (field.name.clone(), column(&field.name)))
            .collect(),
    }
}

fn attributes(text: &[(&str, &str)]) -> Attributes {
    let mut attributes = Attributes::default();
    for (name, value) in text {
        attributes.keep_last(name, value);
    }
    attributes
}

type Words<'a> = &'a [(&'a str, &'a str)];

fn graph(host: &str, name: &str, about: Words<'_>, fields: &[(&str, Words<'_>)]) -> GraphDetail {
    let declaration = Declaration {
        host: None,
        graph: GraphName::new(name).unwrap(),
        attributes: attributes(about),
        fields: fields
            .iter()
            .map(|(field, words)| FieldDeclaration {
                field: FieldName::new(field).unwrap(),
                attributes: attributes(words),
            })
            .collect(),
    };
    let (graph, _) = Graph::resolve(&declaration);
    let time = Timestamp::from_seconds(NOW);
    GraphDetail {
        host: HostName::new(host).unwrap(),
        latest: graph
            .fields
            .iter()
            .map(|field| Latest {
                field: field.name.clone(),
                time,
                value: (field.kind == Kind::Gauge || field.name.as_str() != "first").then_some(1.0),
            })
            .collect(),
        checks: graph
            .fields
            .iter()
            .filter(|field| field.warning.is_some() || field.critical.is_some())
            .map(|field| check(host, Some((name, field.name.as_str())), Severity::Ok))
            .collect(),
        graph: Arc::new(graph),
        step: STEP,
        first_update: None,
        last_update: Some(time),
    }
}

fn check(host: &str, field: Option<(&str, &str)>, severity: Severity) -> CheckView {
    let host = HostName::new(host).unwrap();
    let reason = match severity {
        Severity::Ok => "nothing to tell",
        Severity::Unknown => "not told: the host is down, incident 41 covers it",
        Severity::Warning => "not told: attempt 2 of 3",
        Severity::Critical => "told night shift at 18:31",
    };
    CheckView {
        name: match field {
            None => CheckName::Host(host),
            Some((graph, field)) => CheckName::Field(SeriesName {
                host,
                graph: GraphName::new(graph).unwrap(),
                field: FieldName::new(field).unwrap(),
            }),
        },
        severity,
        since: Some(Timestamp::from_seconds(NOW - 620)),
        value: Some(97.25),
        threshold: if field.is_some() {
            "critical above 98".to_owned()
        } else {
            String::new()
        },
        warning: None,
        critical: field.and_then(|_| Range::parse_munin("98").ok()),
        output: String::new(),
        reason: reason.to_owned(),
        incident: None,
    }
}

fn df(host: &str) -> GraphDetail {
    let mut df = graph(
        host,
        "df",
        &[
            ("graph_title", "Disk usage in percent"),
            ("graph_category", "disk"),
            ("graph_args", "--upper-limit 100 -l 0"),
            ("graph_vlabel", "%"),
            (
                "graph_info",
                "How full each file system is.\n<b>Bold</b> is Munin's HTML and shown as text.",
            ),
            ("graph_scale", "no"),
        ],
        &[
            (
                "_dev_vda1",
                &[
                    ("label", "/"),
                    ("warning", "92"),
                    ("critical", "98"),
                    ("info", "/dev/vda1 mounted on /"),
                ],
            ),
            ("_run", &[("label", "/run")]),
            (
                "_srv_backup",
                &[
                    ("label", "/srv/backup/with/a/rather/long/path"),
                    ("warning", ":92"),
                ],
            ),
        ],
    );
    for check in &mut df.checks {
        check.severity = Severity::Critical;
        check.reason = "told night shift at 18:31".to_owned();
    }
    df
}

fn cpu(host: &str) -> GraphDetail {
    let stacked = |label| [("label", label), ("draw", "AREASTACK")];
    graph(
        host,
        "cpu",
        &[
            ("graph_title", "CPU usage"),
            ("graph_category", "system"),
            ("graph_vlabel", "%"),
            ("graph_args", "--base 1000 -r --lower-limit 0"),
            ("graph_info", "How CPU time is spent."),
        ],
        &[
            ("system", &stacked("system")),
            ("user", &stacked("user")),
            ("nice", &stacked("nice")),
            ("iowait", &stacked("iowait")),
            ("steal", &stacked("steal")),
        ],
    )
}

fn load(host: &str) -> GraphDetail {
    graph(
        host,
        "load",
        &[
            ("graph_title", "Load average"),
            ("graph_category", "system"),
            ("graph_vlabel", "load"),
            ("graph_scale", "no"),
        ],
        &[(
            "load",
            &[
                ("label", "load"),
                ("warning", "10"),
                ("info", "5 minute load average"),
            ],
        )],
    )
}

fn traffic(host: &str, name: &str) -> GraphDetail {
    graph(
        host,
        name,
        &[
            ("graph_title", "Traffic of eth0:1"),
            ("graph_category", "network"),
            ("graph_vlabel", "bits in (-) / out (+) per ${graph_period}"),
            ("graph_order", "down up"),
        ],
        &[
            (
                "down",
                &[
                    ("label", "received"),
                    ("type", "DERIVE"),
                    ("graph", "no"),
                    ("cdef", "down,8,*"),
                ],
            ),
            (
                "up",
                &[
                    ("label", "bps"),
                    ("type", "DERIVE"),
                    ("negative", "down"),
                    ("cdef", "up,8,*"),
                ],
            ),
        ],
    )
}

fn odd(host: &str) -> Vec<GraphDetail> {
    let hostile = graph(
        host,
        "hostile",
        &[
            ("graph_title", HOSTILE),
            ("graph_category", HOSTILE),
            ("graph_info", HOSTILE),
            ("graph_vlabel", HOSTILE),
        ],
        &[(
            "a",
            &[("label", HOSTILE), ("info", HOSTILE), ("cdef", HOSTILE)],
        )],
    );
    let mut fresh = graph(
        host,
        "fresh",
        &[
            ("graph_title", "Declared a moment ago"),
            ("graph_category", "other"),
        ],
        &[
            (
                "first",
                &[("label", "counter read once"), ("type", "DERIVE")],
            ),
            ("second", &[("label", "gauge")]),
        ],
    );
    fresh.last_update = None;
    let broken = graph(
        host,
        "broken",
        &[("graph_title", "File cannot be read")],
        &[("x", &[("label", "x")])],
    );
    vec![hostile, fresh, broken]
}

fn run(plugin: &str, seconds: f64, error: Option<&str>, problems: &[&str]) -> RunReport {
    RunReport {
        plugin: plugin.to_owned(),
        time: Timestamp::from_seconds(NOW - 13),
        duration_seconds: seconds,
        error: error.map(str::to_owned),
        problems: problems
            .iter()
            .enumerate()
            .map(|(i, text)| Problem::new("fetch", i as u32 + 3, *text))
            .collect(),
    }
}

fn busy_host(name: &str, groups: &[&str], now: Timestamp) -> HostDetail {
    let mut host = host(name, groups, HostState::Up, Severity::Critical, now);
    let memory = graph(
        name,
        "memory",
        &[
            ("graph_title", "Memory usage"),
            ("graph_category", "system"),
            ("graph_args", "--base 1024 -l 0"),
        ],
        &[
            ("apps", &[("label", "apps"), ("draw", "AREA")]),
            ("cached", &[("label", "cache"), ("draw", "STACK")]),
            ("free", &[("label", "unused"), ("draw", "STACK")]),
            ("committed", &[("label", "committed"), ("draw", "LINE2")]),
        ],
    );
    host.graphs = vec![df(name), traffic(name, "if_bytes.eth0:1")];
    host.graphs.extend(odd(name));
    host.graphs.extend([cpu(name), load(name), memory]);
    host.graphs.sort_by(|a, b| {
        (&a.graph.category, &a.graph.title).cmp(&(&b.graph.category, &b.graph.title))
    });
    host.checks = vec![check(name, None, Severity::Ok)];
    host.checks
        .extend(host.graphs.iter().flat_map(|graph| graph.checks.clone()));
    host.runs = vec![
        run("cpu", 0.002, None, &[]),
        run("df", 0.011, None, &[]),
        run(
            "hddtemp_smartctl",
            0.4,
            Some("exited with status 1: smartctl: <permission> denied"),
            &[],
        ),
        run(
            "if_eth0",
            0.004,
            None,
            &["expected a number or U, found \"12 apples\"", HOSTILE],
        ),
        run(
            "slow_one",
            10.0,
            Some("stopped after 10 s; its process group was ended"),
            &[],
        ),
    ];
    host.summary.graphs = host.graphs.len();
    host.summary.checks = [2, 0, 0, 2];
    host
}

fn host(
    name: &str,
    groups: &[&str],
    state: HostState,
    worst: Severity,
    now: Timestamp,
) -> HostDetail {
    let known = state != HostState::Pending;
    let graphs = if known { vec![load(name)] } else { Vec::new() };
    let mut checks = [usize::from(known), 0, 0, 0];
    if worst != Severity::Ok {
        checks[Severity::ALL
            .iter()
            .position(|severity| *severity == worst)
            .unwrap()] += 1;
    }
    HostDetail {
        summary: HostSummary {
            name: HostName::new(name).unwrap(),
            groups: groups
                .iter()
                .map(|group| GroupName::new(group).unwrap())
                .collect(),
            state,
            worst,
            checks,
            last_contact: match state {
                HostState::Pending => None,
                HostState::Up => Some(now.floor_to(STEP)),
                HostState::Down | HostState::Unreachable => {
                    Some(Timestamp::from_seconds(NOW - 7260))
                }
            },
            graphs: graphs.len(),
        },
        checks: if known {
            vec![check(name, None, worst)]
        } else {
            Vec::new()
        },
        runs: if known {
            vec![run("load", 0.001, None, &[])]
        } else {
            Vec::new()
        },
        graphs,
    }
}

fn incidents(now: Timestamp) -> Vec<IncidentView> {
    let ago = |seconds: u64| now - Duration::from_secs(seconds);
    let incident = |id, name: &str, field, severity, summary: &str, told: &[&str]| IncidentView {
        id,
        cause: check(name, field, severity).name,
        severity,
        opened: ago(620),
        closed: None,
        summary: summary.to_owned(),
        told: told.iter().map(|told| (*told).to_owned()).collect(),
        causes: vec![check(name, field, severity).name],
        hides: Vec::new(),
        settling: None,
        flapping: false,
        acknowledged: None,
    };
    let mut old = incident(
        39,
        "db-1",
        Some(("load", "load")),
        Severity::Warning,
        "load is 12.5, above 10",
        &[
            "night shift by mail at 03:12: problem",
            "night shift by mail at 03:31: all clear",
        ],
    );
    (old.opened, old.closed) = (ago(60_000), Some(ago(58_860)));
    vec![
        incident(
            42,
            "web1.example.net",
            Some(("df", "_dev_vda1")),
            Severity::Critical,
            "/ is 98.4 % full, above 98",
            &["night shift by mail at 18:31: problem"],
        ),
        incident(
            41,
            "10.0.0.7",
            None,
            Severity::Critical,
            "nothing heard for 2 hours <b>!</b>",
            &[],
        ),
        old,
    ]
}
