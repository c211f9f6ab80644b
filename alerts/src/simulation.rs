//! A scenario in virtual time: results, topology and what people do go in, notices come out. Pure.
//!
//! The whole engine runs, with the outbox behind it. At a restart both are made anew from their rows, which go through the
//! form in which the collector stores them; a crash leaves only what had been stored as it changed.

pub mod score;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::name::{GraphName, HostName, NameError, VerdictName};
use ravenry_plugins::pattern::Pattern;
use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::check::{CheckName, Verdict};
use crate::engine::{Effect, Engine, Record, RecordKey, Said};
use crate::notice::{Kind, Notice, NoticeKey};
use crate::outbox::{Failure, Outbox, OutboxEffect, Pending};
use crate::quiet::Downtime;
use crate::rule::{Contact, ContactName, DownAfter, FieldRule, HostRule, Rules};
use crate::severity::Severity;
use crate::topology::{CheckSet, Dependency, QUORUM_CHECK, Quorum, Share};

/// 2026-01-01 00:00:00 UTC: the scenario's second 0.
const START: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// The name under which a host's own results come.
const ALIVE: &str = "host-alive";

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A line is not what a scenario says.
    #[error("{file} line {line}: expected a scenario's {what}")]
    Line {
        /// Which file.
        file: &'static str,
        /// Counted from 1.
        line: usize,
        /// What was expected.
        what: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What was stored cannot be read again: a fault of ours.
    #[error("stored state")]
    Stored(#[source] serde_json::Error),
}

/// A scenario, read.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What is watched.
    pub topology: Topology,
    /// Results in order of time.
    pub events: Vec<Event>,
    /// What people and the world do, in order of time.
    pub actions: Vec<Action>,
}

/// What is watched, as `topology.json` says.
#[derive(Clone, Debug, Deserialize)]
pub struct Topology {
    /// Seconds that the scenario lasts.
    pub duration: f64,
    /// Seconds between two results that are ok, at most.
    pub heartbeat_ok: f64,
    /// The hosts.
    pub hosts: Vec<Host>,
    /// Their checks.
    pub services: Vec<Service>,
    /// Groups whose failures count together.
    #[serde(default)]
    pub clusters: Vec<Cluster>,
    /// What needs what.
    #[serde(default)]
    pub dependencies: Vec<Needs>,
    /// Who is on call.
    pub teams: BTreeMap<String, Team>,
}

/// A host.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields of topology.json")]
pub struct Host {
    pub name: String,
    pub team: String,
    #[serde(default)]
    pub parents: Vec<String>,
    pub attempts: u32,
    pub paged: bool,
}

/// A check of a host.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields of topology.json")]
pub struct Service {
    pub host: String,
    pub name: String,
    pub team: String,
    pub attempts: u32,
    pub page_on: Vec<String>,
    pub freshness: Option<f64>,
    pub paged: bool,
}

/// Checks that are one to people.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields of topology.json")]
pub struct Cluster {
    pub name: String,
    #[serde(default)]
    pub team: Option<String>,
    pub members: Vec<(String, Option<String>)>,
    pub page_at: usize,
}

/// Checks that need another one.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields of topology.json")]
pub struct Needs {
    pub master: (String, Option<String>),
    pub dependents: Vec<(String, Option<String>)>,
}

/// A team.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields of topology.json")]
pub struct Team {
    pub oncall: String,
}

/// One result.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields of events.jsonl")]
pub struct Event {
    pub t: f64,
    pub host: String,
    pub service: Option<String>,
    pub state: u8,
    #[serde(default)]
    pub output: String,
}

/// What people or the world do.
#[derive(Clone, Debug, Deserialize)]
pub struct Action {
    /// When, in seconds.
    pub t: f64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can be done.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields of actions.jsonl")]
pub enum What {
    Downtime {
        host: String,
        #[serde(default)]
        service: Option<String>,
        start: f64,
        end: f64,
        #[serde(default)]
        author: String,
        #[serde(default)]
        comment: String,
    },
    Ack {
        host: String,
        service: Option<String>,
        #[serde(default)]
        author: String,
        #[serde(default)]
        comment: String,
    },
    Restart {
        kind: Stop,
        down_for: f64,
    },
    Mail {
        up: bool,
    },
}

/// How it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// It saves everything.
    Clean,
    /// Only what had been stored is left.
    Crash,
}

/// A notice that a channel took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told {
    /// When, in seconds.
    pub t: f64,
    /// Who.
    pub contact: String,
    /// `sms` or `mail`.
    pub channel: &'static str,
    /// `problem`, `update` or `recovery`.
    pub kind: &'static str,
    /// About which incident.
    pub incident: String,
    /// Of which causes.
    pub about: Vec<(String, Option<String>)>,
    /// How many further checks it hides.
    pub affected: usize,
    /// Its words.
    pub text: String,
}

impl Scenario {
    /// Reads the three files of a scenario.
    ///
    /// # Errors
    /// When a line is not what it has to be.
    pub fn parse(topology: &str, events: &str, actions: &str) -> Result<Self, ScenarioError> {
        let topology = serde_json::from_str(topology).map_err(|source| ScenarioError::Line {
            file: "topology.json",
            line: source.line(),
            what: "topology",
            source,
        })?;
        Ok(Self {
            topology,
            events: lines(events, "events.jsonl", "result")?,
            actions: lines(actions, "actions.jsonl", "action")?,
        })
    }
}

fn lines<T: for<'a> Deserialize<'a>>(
    text: &str,
    file: &'static str,
    what: &'static str,
) -> Result<Vec<T>, ScenarioError> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(i, line)| {
            serde_json::from_str(line).map_err(|source| ScenarioError::Line {
                file,
                line: i + 1,
                what,
                source,
            })
        })
        .collect()
}

/// Runs a scenario to its end; gives every notice that a channel took, in order.
///
/// # Errors
/// When it names what cannot be a name.
pub fn run(scenario: &Scenario) -> Result<Vec<Told>, ScenarioError> {
    let mut world = World::new(rules(&scenario.topology)?);
    world.heartbeat = duration(scenario.topology.heartbeat_ok);
    world.fresh = fresh(&scenario.topology);
    let mut actions = scenario.actions.iter().peekable();
    for event in &scenario.events {
        while let Some(action) = actions.next_if(|action| action.t <= event.t) {
            world.act(action)?;
        }
        world.take(event)?;
    }
    for action in actions {
        world.act(action)?;
    }
    world.pass_until(START + duration(scenario.topology.duration))?;
    Ok(world.told)
}

struct World {
    rules: Arc<Rules>,
    engine: Engine,
    outbox: Outbox,
    heartbeat: Duration,
    /// The checks whose silence means something.
    fresh: BTreeSet<(String, String)>,
    /// What the collector would have on its disk.
    records: BTreeMap<RecordKey, String>,
    pending: BTreeMap<NoticeKey, String>,
    mail_up: bool,
    /// Until when nothing runs, and what arrives then.
    down: Option<(Timestamp, Vec<Said>)>,
    downtimes: u64,
    now: Timestamp,
    told: Vec<Told>,
}

impl World {
    fn new(rules: Rules) -> Self {
        let rules = Arc::new(rules);
        Self {
            engine: Engine::new(Arc::clone(&rules)),
            outbox: Outbox::restore(rules.channels(), Vec::new()),
            rules,
            heartbeat: Duration::ZERO,
            fresh: BTreeSet::new(),
            records: BTreeMap::new(),
            pending: BTreeMap::new(),
            mail_up: true,
            down: None,
            downtimes: 0,
            now: START,
            told: Vec::new(),
        }
    }

    fn take(&mut self, event: &Event) -> Result<(), ScenarioError> {
        let at = START + duration(event.t);
        self.pass_until(at)?;
        let said = self.said(event, at)?;
        match &mut self.down {
            Some((_, waiting)) => waiting.push(said),
            None => {
                self.engine.handle_verdicts(&[said], at);
                self.carry_out()?;
            }
        }
        Ok(())
    }

    fn said(&self, event: &Event, at: Timestamp) -> Result<Said, ScenarioError> {
        let verdict = match (&event.service, event.state) {
            (_, 0) => Verdict::Ok,
            (None, _) | (Some(_), 2) => Verdict::Critical,
            (Some(_), 1) => Verdict::Warning,
            (Some(_), _) => Verdict::Unknown,
        };
        let service = event.service.as_deref();
        let is_fresh =
            service.is_none_or(|it| self.fresh.contains(&(event.host.clone(), it.to_owned())));
        Ok(Said {
            name: VerdictName {
                host: HostName::new(&event.host)?,
                check: GraphName::new(service.unwrap_or(ALIVE))?,
            },
            verdict,
            text: event.output.clone(),
            at,
            interval: is_fresh.then_some(self.heartbeat),
        })
    }

    fn act(&mut self, action: &Action) -> Result<(), ScenarioError> {
        let at = START + duration(action.t);
        self.pass_until(at)?;
        match &action.what {
            What::Mail { up } => self.mail_up = *up,
            What::Restart { kind, down_for } => self.stop(*kind, at + duration(*down_for))?,
            What::Downtime {
                host,
                service,
                start,
                end,
                author,
                comment,
            } => {
                self.downtimes += 1;
                let downtime = Downtime {
                    id: self.downtimes,
                    host: host.clone(),
                    group: None,
                    check: service.clone(),
                    flexible_seconds: None,
                    begun: None,
                    repeats: None,
                    start: START + duration(*start),
                    end: START + duration(*end),
                    author: author.clone(),
                    comment: comment.clone(),
                };
                self.engine.handle_downtime(downtime, at);
            }
            What::Ack {
                host,
                service,
                author,
                comment,
            } => {
                let name = check_name(host, service.as_deref())?;
                self.engine
                    .handle_acknowledge(&name, author, comment, None, at);
            }
        }
        self.carry_out()
    }

    fn stop(&mut self, kind: Stop, until: Timestamp) -> Result<(), ScenarioError> {
        match kind {
            Stop::Crash => {}
            Stop::Clean => {
                for record in self.engine.records() {
                    self.store(&record)?;
                }
            }
        }
        self.down = Some((until, Vec::new()));
        Ok(())
    }

    fn start(&mut self, waiting: &[Said]) -> Result<(), ScenarioError> {
        let records: Result<Vec<Record>, _> = self
            .records
            .values()
            .map(|text| serde_json::from_str(text))
            .collect();
        let pending: Result<Vec<Pending>, _> = self
            .pending
            .values()
            .map(|text| serde_json::from_str(text))
            .collect();
        let records = records.map_err(ScenarioError::Stored)?;
        let pending = pending.map_err(ScenarioError::Stored)?;
        self.engine = Engine::restore(Arc::clone(&self.rules), records, self.now);
        self.outbox = Outbox::restore(self.rules.channels(), pending);
        for said in waiting {
            self.engine
                .handle_verdicts(std::slice::from_ref(said), self.now);
        }
        self.carry_out()
    }

    fn pass_until(&mut self, until: Timestamp) -> Result<(), ScenarioError> {
        if let Some((at, _)) = &self.down {
            if until < *at {
                return Ok(());
            }
            self.now = *at;
            let waiting = self.down.take().map(|(_, waiting)| waiting);
            self.start(&waiting.unwrap_or_default())?;
        }
        loop {
            let engine = self.engine.poll_timeout();
            let outbox = self.outbox.poll_timeout(self.now);
            let next = engine.into_iter().chain(outbox).min();
            let Some(at) = next.filter(|at| *at < until) else {
                break;
            };
            self.now = at.max(self.now);
            self.engine.handle_timeout(self.now);
            self.carry_out()?;
        }
        self.now = until.max(self.now);
        Ok(())
    }

    fn store(&mut self, record: &Record) -> Result<(), ScenarioError> {
        let text = serde_json::to_string(record).map_err(ScenarioError::Stored)?;
        self.records.insert(record.key(), text);
        Ok(())
    }

    fn carry_out(&mut self) -> Result<(), ScenarioError> {
        for effect in self.engine.take_effects() {
            match effect {
                Effect::Transition { .. } | Effect::NotTold { .. } => {}
                Effect::Tell(notice) => self.outbox.handle_tell(notice, self.now),
                Effect::Store(record) => self.store(&record)?,
                Effect::Forget(key) => {
                    self.records.remove(&key);
                }
            }
        }
        loop {
            let due = self.outbox.due(self.now);
            self.note()?;
            if due.is_empty() {
                return Ok(());
            }
            for delivery in due {
                let key = delivery.notice.key.clone();
                match delivery.address {
                    Address::Mail { .. } if !self.mail_up => {
                        let why = Failure::later("the mail server does not answer");
                        self.outbox.handle_failed(&key, &why, self.now);
                    }
                    Address::Mail { .. } => self.deliver(&delivery.notice, "mail"),
                    Address::Webhook(_) | Address::Command(_) | Address::Line(_) => {
                        self.deliver(&delivery.notice, "sms");
                    }
                }
            }
        }
    }

    fn note(&mut self) -> Result<(), ScenarioError> {
        for effect in self.outbox.take_effects() {
            match effect {
                OutboxEffect::Store(row) => {
                    let text = serde_json::to_string(&row).map_err(ScenarioError::Stored)?;
                    self.pending.insert(row.notice.key.clone(), text);
                }
                OutboxEffect::Remove(key) => {
                    self.pending.remove(&key);
                }
                OutboxEffect::Ledger(_) => {}
            }
        }
        Ok(())
    }

    fn deliver(&mut self, notice: &Notice, channel: &'static str) {
        self.outbox.handle_sent(&notice.key, self.now);
        let about = notice.check.iter().chain(&notice.others);
        let micros = self.now.since(START).as_micros();
        self.told.push(Told {
            t: micros as f64 / 1e6,
            contact: notice.key.contact.to_string(),
            channel,
            kind: kind(notice.kind),
            incident: notice.key.incident.to_string(),
            about: about.map(|name| about_of(&self.rules, name)).collect(),
            affected: notice.hidden + notice.causes.saturating_sub(1 + notice.others.len()),
            text: notice.subject(None),
        });
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Problem | Kind::Worse | Kind::Digest | Kind::Test => "problem",
        Kind::Update | Kind::Acknowledged => "update",
        Kind::Reminder => "reminder",
        Kind::Recovery | Kind::Withdrawn => "recovery",
    }
}

fn about_of(rules: &Rules, name: &CheckName) -> (String, Option<String>) {
    let host = name.host().to_string();
    match name {
        CheckName::Host(_) => (host, None),
        CheckName::Field(series) => (host, Some(format!("{}/{}", series.graph, series.field))),
        CheckName::Verdict(verdict) => {
            let is_quorum = verdict.check.as_str() == QUORUM_CHECK
                && rules.quorums.iter().any(|it| it.name == verdict.host);
            if is_quorum {
                (format!("cluster:{host}"), None)
            } else {
                (host, Some(verdict.check.to_string()))
            }
        }
    }
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn check_name(host: &str, service: Option<&str>) -> Result<CheckName, NameError> {
    let host = HostName::new(host)?;
    Ok(match service {
        None => CheckName::Host(host),
        Some(service) => CheckName::Verdict(VerdictName {
            host,
            check: GraphName::new(service)?,
        }),
    })
}

fn fresh(topology: &Topology) -> BTreeSet<(String, String)> {
    let services = topology.services.iter();
    services
        .filter(|service| service.freshness.is_some())
        .map(|service| (service.host.clone(), service.name.clone()))
        .collect()
}

/// The rules that the topology stands for.
fn rules(topology: &Topology) -> Result<Rules, ScenarioError> {
    let person = |team: &String| {
        let team = topology.teams.get(team);
        team.map(|team| ContactName::new(team.oncall.clone()))
    };
    let people: BTreeSet<&String> = topology.teams.values().map(|team| &team.oncall).collect();
    let contacts = people.into_iter().map(|name| Contact {
        channels: vec![
            Address::webhook(format!("sms:{name}")),
            Address::mail(format!("{name}@example.net")),
        ],
        ..Contact::new(name.clone())
    });
    let text = |(host, service): &(String, Option<String>)| match service {
        None => host.clone(),
        Some(service) => format!("{host}/{service}"),
    };
    let mut rules = Rules {
        contacts: contacts.collect(),
        fields: service_rules(&topology.services, &person),
        ..Rules::default()
    };
    for host in &topology.hosts {
        let parents: Result<Vec<HostName>, _> = host
            .parents
            .iter()
            .map(|name| HostName::new(name))
            .collect();
        rules.hosts.push(HostRule {
            host: Pattern::new(&host.name),
            down_after: Some(DownAfter::Never),
            alive: Some(GraphName::new(ALIVE)?),
            attempts: Some(host.attempts),
            parents: Some(parents?),
            contacts: Some(
                person(&host.team)
                    .filter(|_| host.paged)
                    .into_iter()
                    .collect(),
            ),
            ..HostRule::default()
        });
    }
    for needs in &topology.dependencies {
        rules.dependencies.push(Dependency {
            on: check_name(&needs.master.0, needs.master.1.as_deref())?,
            of: CheckSet::new(needs.dependents.iter().map(text)),
        });
    }
    for cluster in &topology.clusters {
        let members = cluster.members.first().map(|(host, _)| host);
        let of_host = topology.hosts.iter().find(|it| Some(&it.name) == members);
        let team = cluster.team.as_ref().or(of_host.map(|host| &host.team));
        rules.quorums.push(Quorum {
            name: HostName::new(&cluster.name)?,
            members: CheckSet::new(cluster.members.iter().map(text)),
            critical: Share::Number(cluster.page_at),
            contacts: Some(team.and_then(person).into_iter().collect()),
        });
    }
    Ok(rules)
}

/// One rule for all checks of a name where they agree, else one each.
fn service_rules(
    services: &[Service],
    person: &impl Fn(&String) -> Option<ContactName>,
) -> Vec<FieldRule> {
    let mut by_name: BTreeMap<&str, Vec<(&str, FieldRule)>> = BTreeMap::new();
    for service in services {
        let rule = FieldRule {
            graph: Pattern::new(&service.name),
            attempts: Some(service.attempts),
            freshness: service.freshness.map(duration),
            contacts: Some(
                person(&service.team)
                    .filter(|_| service.paged)
                    .into_iter()
                    .collect(),
            ),
            severities: Some(
                service
                    .page_on
                    .iter()
                    .filter_map(|it| severity(it))
                    .collect(),
            ),
            ..FieldRule::default()
        };
        let of_name = by_name.entry(&service.name).or_default();
        of_name.push((&service.host, rule));
    }
    let mut rules = Vec::new();
    for of_name in by_name.into_values() {
        let first = of_name[0].1.clone();
        let others: Vec<_> = of_name
            .into_iter()
            .filter(|(_, rule)| *rule != first)
            .collect();
        rules.push(first);
        rules.extend(others.into_iter().map(|(host, rule)| FieldRule {
            host: Pattern::new(host),
            ..rule
        }));
    }
    rules
}

fn severity(letter: &str) -> Option<Severity> {
    match letter {
        "w" => Some(Severity::Warning),
        "c" => Some(Severity::Critical),
        "u" => Some(Severity::Unknown),
        _ => None,
    }
}
