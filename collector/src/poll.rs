//! Polls existing munin-nodes, so that a site can move host by host: what they say goes the way of a push.
//!
//! One task a host. It connects, asks `config` of a plugin at first and then each hour, its values each time, and hangs up;
//! a node with a spool (munin-async) is asked once for all that is newer than what it gave last. What is gathered is a
//! batch as an agent would push it, so that graphs, silence and thresholds are the same. A node that does not answer gives
//! no batch: its host is down when that has lasted.
//!
//! At most [`SESSIONS_MAX`] nodes are asked at the same time. A batch that the collector cannot take now is tried again
//! until the next poll, and then dropped with a word in the log: the node still has what it reads.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ravenry_agent::gather::{Gather, Run};
use ravenry_agent::schedule::CONFIG_AGE_MAX;
use ravenry_plugins::clock;
use ravenry_plugins::declaration::Declaration;
use ravenry_plugins::munin::node::{Failure, ReplyReader, Request};
use ravenry_plugins::munin::{Parsed, parse_config, parse_fetch};
use ravenry_plugins::name::{GraphName, HostName};
use ravenry_plugins::problem::Problem;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::{Batch, Key};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use crate::config::munin_node::PolledHost;
use crate::ingest::{Ingest, PushError};
use crate::store::Store;

/// Nodes that are asked at the same time.
pub const SESSIONS_MAX: usize = 64;
/// Plugins of a node that are asked; the rest is a problem.
const PLUGINS_MAX: usize = 2_000;
/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long until a batch that was not taken is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// Of a spool so much is asked at first.
const SPOOL_FIRST: Duration = Duration::from_secs(86_400);
/// The rate of what a spool holds, where its plugin does not say.
const SPOOL_RATE: Duration = Duration::from_secs(300);
/// Under this name a spool's answer is shown among the runs of its host.
const SPOOL: &str = "spoolfetch";

/// Starts a task for each host; they end when what is returned is dropped.
#[must_use]
pub fn start(polled: &[PolledHost], ingest: &Ingest, store: &Arc<Store>) -> JoinSet<()> {
    let room = Arc::new(Semaphore::new(SESSIONS_MAX));
    let mut tasks = JoinSet::new();
    for host in polled {
        let poller = Poller::new(host.clone(), ingest.clone(), store);
        tasks.spawn(poller.poll_for_ever(Arc::clone(&room)));
    }
    tasks
}

/// Why a node gave nothing.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it hung up")]
    HungUp,
    #[error("{0}")]
    Reply(#[from] ravenry_plugins::munin::node::ReplyError),
}

struct Poller {
    config: PolledHost,
    ingest: Ingest,
    gather: Gather,
    /// By which its batches are known.
    key: Key,
    /// When `config` of a plugin was last understood.
    asked: HashMap<String, Instant>,
    /// The newest stamp that a spool gave.
    spooled: Timestamp,
    /// Whether the last poll failed, and why.
    trouble: Option<String>,
}

impl Poller {
    fn new(config: PolledHost, ingest: Ingest, store: &Store) -> Self {
        let agent = format!("munin-node {}", config.host);
        let catalog = store.catalog();
        let known = catalog.hosts.get(&config.host);
        let last = known.and_then(|known| known.agents.get(&agent));
        let incarnation = last.map_or(0, |last| last.incarnation) + 1;
        let readings = known.into_iter().flat_map(|known| known.graphs.values());
        let columns = readings.flat_map(|stored| &stored.columns);
        let newest = columns.filter_map(|column| Some(column.last?.at)).max();
        let now = clock::monotonic();
        Self {
            gather: Gather::new(now, config.host.clone(), config.interval),
            key: Key {
                agent,
                incarnation,
                sequence: 0,
            },
            asked: HashMap::new(),
            spooled: newest.unwrap_or(clock::now() - SPOOL_FIRST),
            trouble: None,
            config,
            ingest,
        }
    }

    async fn poll_for_ever(mut self, room: Arc<Semaphore>) {
        let mut due = clock::monotonic();
        loop {
            {
                let Ok(_room) = room.acquire().await else {
                    return;
                };
                let polled = self.poll().await;
                self.note(polled.err().map(|error| error.to_string()));
            }
            // A poll that took longer than the interval is followed by the next one at once.
            due = clock::monotonic().max(due + self.config.interval);
            self.push(due).await;
            sleep_until(due.into()).await;
        }
    }

    fn note(&mut self, trouble: Option<String>) {
        let PolledHost {
            host,
            address,
            port,
            ..
        } = &self.config;
        match (&self.trouble, &trouble) {
            (before, Some(why)) if before.as_ref() != Some(why) => {
                tracing::warn!("munin-node of {host}, {address}:{port}: {why}");
            }
            (Some(_), None) => tracing::info!("munin-node of {host} answers again"),
            (_, _) => {}
        }
        self.trouble = trouble;
    }

    /// Asks for everything; what was read until an error came is kept.
    async fn poll(&mut self) -> Result<(), PollError> {
        let mut node = Conversation::begin(&self.config).await?;
        let caps = node
            .ask(&Request::Cap(vec![
                "multigraph".to_owned(),
                "dirtyconfig".to_owned(),
            ]))
            .await?;
        if caps.split_whitespace().any(|word| word == "spool") {
            return self.ask_spool(&mut node).await;
        }
        let mut plugins = names(&node.ask(&Request::List(None)).await?, None);
        if !self.config.hosts.is_empty() {
            for other in names(&node.ask(&Request::Nodes).await?, None) {
                if let Some(host) = self.other_host(&other.name, &node.name) {
                    let list = node.ask(&Request::List(Some(other.name))).await?;
                    plugins.extend(names(&list, Some(&host)));
                }
            }
        }
        plugins.truncate(PLUGINS_MAX);
        let is_there =
            |name: &str| plugins.iter().any(|plugin| plugin.name == name) || name == SPOOL;
        self.gather.handle_plugins(clock::monotonic(), is_there);
        self.asked.retain(|name, _| is_there(name));
        for plugin in &plugins {
            let run = self.run(&mut node, plugin).await?;
            self.take(run);
        }
        node.end().await;
        Ok(())
    }

    fn take(&mut self, run: Run) {
        let plugin = run.plugin.clone();
        if self.gather.handle_run(clock::monotonic(), run) {
            self.asked.remove(&*plugin);
        }
    }

    /// A host that the node speaks for besides its own, where it may.
    fn other_host(&self, name: &str, node: &str) -> Option<HostName> {
        let host = HostName::new(name).ok()?;
        let is_own = name.eq_ignore_ascii_case(node) || host == self.config.host;
        (!is_own && self.may_speak_for(&host)).then_some(host)
    }

    fn may_speak_for(&self, host: &HostName) -> bool {
        self.config
            .hosts
            .iter()
            .any(|pattern| pattern.matches(host.as_str()))
    }

    async fn run(&mut self, node: &mut Conversation, plugin: &Listed) -> Result<Run, PollError> {
        let began = clock::monotonic();
        let mut run = empty_run(&plugin.name);
        let Some(graph) = GraphName::of_plugin(&plugin.name) else {
            run.error = Some("no graph can have its name".to_owned());
            return Ok(run);
        };
        let asked = self.asked.get(&plugin.name);
        let age = asked.map(|asked| began.saturating_duration_since(*asked));
        if age.is_none_or(|age| age >= CONFIG_AGE_MAX) {
            let reply = node.ask(&Request::Config(plugin.name.clone())).await?;
            run.error = failure("config", &reply);
            let parsed = parse_config(&reply, &graph);
            self.take_config(&mut run, parsed, plugin.host.as_ref(), &node.name);
            for declaration in run.declarations.iter_mut().flatten() {
                say_rate(declaration, self.config.interval);
            }
            if run.declarations.is_some() {
                self.asked.insert(plugin.name.clone(), began);
            }
        }
        if run.error.is_none() && run.samples.is_empty() {
            run.time = clock::now();
            let reply = node.ask(&Request::Fetch(plugin.name.clone())).await?;
            run.error = failure("fetch", &reply);
            let parsed = parse_fetch(&reply, &graph);
            run.samples = parsed.samples;
            run.extinfo = parsed.extinfo;
            run.problems.extend(parsed.problems);
        }
        if run.error.is_some() {
            run.samples.clear();
        }
        run.duration = clock::monotonic().saturating_duration_since(began);
        Ok(run)
    }

    /// Everything that a spool has got since the last time, in one answer: `config` and stamped values of all plugins.
    async fn ask_spool(&mut self, node: &mut Conversation) -> Result<(), PollError> {
        let began = clock::monotonic();
        let mut run = empty_run(SPOOL);
        let reply = node
            .ask(&Request::Spoolfetch(self.spooled.seconds()))
            .await?;
        let Some(root) = GraphName::of_plugin(SPOOL) else {
            return Ok(());
        };
        let parsed = parse_config(&reply, &root);
        self.take_config(&mut run, parsed, None, &node.name);
        for declaration in run.declarations.iter_mut().flatten() {
            let seconds = SPOOL_RATE.as_secs().to_string();
            declaration.attributes.keep_first("update_rate", &seconds);
        }
        let newest = run.samples.iter().filter_map(|sample| sample.time).max();
        self.spooled = self.spooled.max(newest.unwrap_or(self.spooled));
        run.duration = clock::monotonic().saturating_duration_since(began);
        self.take(run);
        node.end().await;
        Ok(())
    }

    /// Takes over what `config` says, as far as the node may say it. `host` is the one that was asked for.
    fn take_config(&self, run: &mut Run, parsed: Parsed, host: Option<&HostName>, node: &str) {
        run.problems.extend(parsed.problems);
        run.samples = parsed.samples;
        let (mut kept, mut refused) = (Vec::new(), Vec::new());
        for mut declaration in parsed.declarations {
            if declaration.fields.is_empty() {
                continue;
            }
            let said = declaration.host.take().or_else(|| host.cloned());
            let own = |host: &HostName| {
                *host == self.config.host || host.as_str().eq_ignore_ascii_case(node)
            };
            declaration.host = said.filter(|host| !own(host));
            match &declaration.host {
                Some(other) if !self.may_speak_for(other) => refused.push(other.clone()),
                Some(_) | None => kept.push(declaration),
            }
        }
        if let Some(other) = refused.first() {
            let text = format!(
                "it speaks of host {other}, which `hosts` of its [[munin_node]] does not name"
            );
            run.problems.push(Problem::new("config", 0, text));
        }
        if !kept.is_empty() {
            run.declarations = Some(kept);
        }
    }

    /// Brings what was gathered to the journal, trying until `deadline`.
    async fn push(&mut self, deadline: Instant) {
        for mut batch in self.gather.drain() {
            self.key.sequence += 1;
            batch.key = Some(self.key.clone());
            if let Err(error) = self.push_one(&batch, deadline).await {
                tracing::error!(
                    "what munin-node of {} said is lost: {error}",
                    self.config.host
                );
            }
        }
    }

    async fn push_one(&mut self, batch: &Batch, deadline: Instant) -> Result<(), PushError> {
        loop {
            match self.ingest.push(batch.clone(), clock::now()).await {
                Ok(ack) => {
                    if !ack.undeclared.is_empty() {
                        self.gather.handle_stranger(clock::monotonic());
                    }
                    for problem in &ack.problems {
                        tracing::warn!("munin-node of {}: {problem}", self.config.host);
                    }
                    return Ok(());
                }
                Err(error @ PushError::TooLarge(_)) => return Err(error),
                Err(error) if clock::monotonic() + AGAIN >= deadline => return Err(error),
                Err(PushError::Busy(_) | PushError::Full(_) | PushError::Failed(_)) => {
                    sleep(AGAIN).await;
                }
            }
        }
    }
}

fn empty_run(plugin: &str) -> Run {
    Run {
        plugin: plugin.into(),
        time: clock::now(),
        duration: Duration::ZERO,
        declarations: None,
        samples: Vec::new(),
        extinfo: Vec::new(),
        verdict: None,
        error: None,
        problems: Vec::new(),
        // A spool says what is new.
        declares_all: plugin != SPOOL,
    }
}

fn failure(word: &str, reply: &str) -> Option<String> {
    let what = match Failure::of(reply)? {
        Failure::UnknownService => "the node does not know it",
        Failure::BadExit => "it failed on the node",
        Failure::TimedOut => "it took too long on the node",
    };
    Some(format!("{word}: {what}"))
}

/// A graph that is read each `rate` says so, unless it is read less often still.
fn say_rate(declaration: &mut Declaration, rate: Duration) {
    let said = declaration.attributes.text("update_rate");
    let said = said.and_then(ravenry_plugins::settings::parse_duration);
    if said.is_none_or(|said| said < rate) {
        let seconds = rate.as_secs().to_string();
        declaration.attributes.keep_last("update_rate", &seconds);
    }
}

/// A plugin that a node lists.
struct Listed {
    name: String,
    /// The host that it was listed for, where it is not the node's own.
    host: Option<HostName>,
}

fn names(list: &str, host: Option<&HostName>) -> Vec<Listed> {
    let names = list.split_whitespace().map(|name| Listed {
        name: name.to_owned(),
        host: host.cloned(),
    });
    names.collect()
}

/// One connection to a node.
struct Conversation {
    stream: TcpStream,
    reader: ReplyReader,
    /// What it calls itself.
    name: String,
    timeout: Duration,
}

impl Conversation {
    async fn begin(config: &PolledHost) -> Result<Self, PollError> {
        let connecting = TcpStream::connect((config.address.as_str(), config.port));
        let stream = timeout(CONNECT_MAX, connecting).await;
        let stream = stream.map_err(|_| PollError::Late(CONNECT_MAX))??;
        stream.set_nodelay(true)?;
        let mut node = Self {
            stream,
            reader: ReplyReader::new(),
            name: String::new(),
            timeout: config.timeout,
        };
        node.name = node.read(ReplyReader::greeting).await?;
        Ok(node)
    }

    async fn ask(&mut self, request: &Request) -> Result<String, PollError> {
        let line = request.line();
        let written = timeout(self.timeout, self.stream.write_all(line.as_bytes()));
        written.await.map_err(|_| PollError::Late(self.timeout))??;
        self.read(|reader| reader.reply(request)).await
    }

    /// Reads until `look` finds what it looks for.
    async fn read(
        &mut self,
        look: impl Fn(&mut ReplyReader) -> Option<String>,
    ) -> Result<String, PollError> {
        let mut bytes = [0; 16 << 10];
        let reading = async {
            loop {
                if let Some(found) = look(&mut self.reader) {
                    return Ok(found);
                }
                match self.stream.read(&mut bytes).await? {
                    0 => return Err(PollError::HungUp),
                    read => self.reader.feed(&bytes[..read])?,
                }
            }
        };
        match timeout(self.timeout, reading).await {
            Ok(found) => found,
            Err(_) => Err(PollError::Late(self.timeout)),
        }
    }

    async fn end(&mut self) {
        // It hangs up by itself otherwise.
        drop(self.stream.write_all(Request::Quit.line().as_bytes()).await);
    }
}
