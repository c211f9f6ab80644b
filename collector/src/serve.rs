//! The collector at work: puts the parts together, starts them in order, and stops them in the reverse one.

use std::any::Any;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ravenry_agent::config::{Surroundings, user_home};
use ravenry_agent::uplink::{Delivery, Refusal, Uplink};
use ravenry_alerts::channel;
use ravenry_alerts::link::AckLinks;
use ravenry_alerts::notice::{Links, NoticeKey};
use ravenry_plugins::clock;
use ravenry_plugins::disk::{Disk, FileDisk};
use ravenry_plugins::timestamp::Timestamp;
use ravenry_web::access::Access;
use ravenry_web::source::Source;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tower_http::catch_panic::CatchPanicLayer;

use crate::accounts::Accounts;
use crate::admin::{self, Admin};
use crate::catalog::{Applied, Catalog};
use crate::config::dead_man::DeadMan;
use crate::config::{self, Config};
use crate::database::Database;
use crate::dead_man;
use crate::enroll;
use crate::health::Health;
use crate::http;
use crate::ingest::{self, Ingest, PushError};
use crate::journal::Journal;
use crate::journal::segment::{Limits, SegmentJournal};
use crate::judge::{self, JudgeHandle};
use crate::keeper::{Keeper, Parts};
use crate::lock::DataLock;
use crate::own_graphs;
use crate::poll;
use crate::receive::{self, Receiver};
use crate::recovery;
use crate::refusal::refusal;
use crate::secret;
use crate::source::{self, LocalSource};
use crate::store::Store;

/// The state database below the data directory.
pub const DATABASE: &str = "state.sqlite";
/// What signs links in notices.
const LINK_SECRET: &str = "link.secret";
/// Room of a journal segment.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Batches of the local agent that wait for an answer.
const DELIVERIES_MAX: usize = 4;
/// How often it is looked whether all threads are alive.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The local agent has this long to put on disk what it has.
const AGENT_WITHIN: Duration = Duration::from_secs(2);
/// When the time of the last flush is over, what it has begun has this long to end.
const LAST_CHUNK: Duration = Duration::from_millis(500);

/// What a collector is started with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Where everything is kept.
    pub data: PathBuf,
    /// What the configuration says.
    pub config: Config,
    /// Where it is read from again on SIGHUP, and whether it must be there.
    pub file: PathBuf,
    /// Whether `file` was asked for by name.
    pub file_must_exist: bool,
}

/// Runs a collector until it is told to stop.
///
/// # Errors
/// When it cannot start: one sentence that says what holds it.
pub async fn run(start: Start) -> anyhow::Result<()> {
    let mut lock = DataLock::take(&start.data)?;
    let database = start.data.join(DATABASE);
    let accounts = spawn_blocking(move || Database::open(&database)?.count_accounts()).await??;
    if let Some(why) = start.config.http.refusal(accounts) {
        bail!("{why}");
    }
    let listener = http::bind(start.config.http.listen).await?;
    let address = listener.local_addr()?;
    let pushes = match start.config.push.listen {
        Some(address) => Some(http::bind(address).await?),
        None => None,
    };
    if let Err(error) = lock.note(&format!("http://{address}")) {
        tracing::error!("the address cannot be written down for `ravenry store`: {error}");
    }
    let signals = Signals::new()?;
    let collector = Collector::open(&start).await?;
    announce(&start, address, accounts);
    collector.run(&start, listener, pushes, signals).await
}

fn announce(start: &Start, address: SocketAddr, accounts: usize) {
    let (data, file) = (start.data.display(), start.file.display());
    let found = if start.file.exists() {
        ""
    } else {
        " (not there: defaults)"
    };
    println!("Ravenry {} is running", env!("CARGO_PKG_VERSION"));
    let whom = match accounts {
        0 => " (this machine only, nobody need sign in)",
        _ => " (for who signs in)",
    };
    println!("  pages          http://{address}/{whom}");
    if let Some(pushes) = start.config.push.listen {
        println!("  pushes         http://{pushes}/");
    }
    println!("  data           {data}");
    println!("  configuration  {file}{found}");
}

/// The parts that live as long as the collector.
struct Collector {
    store: Arc<Store>,
    journal: Arc<Mutex<dyn Journal>>,
    judge: JudgeHandle,
    ingest: Ingest,
    committer: thread::JoinHandle<()>,
    keeper: Arc<Keeper>,
    source: Arc<LocalSource>,
    health: Arc<Health>,
    judge_stop: watch::Sender<bool>,
    dead_man: watch::Sender<Option<DeadMan>>,
}

impl Collector {
    async fn open(start: &Start) -> anyhow::Result<Self> {
        let start = start.clone();
        spawn_blocking(move || Self::open_blocking(&start)).await?
    }

    fn open_blocking(start: &Start) -> anyhow::Result<Self> {
        let settings = &start.config.store;
        let Recovered {
            disk,
            database,
            catalog,
            judge,
            judge_stop,
            health,
            journal,
            entry_bytes_max,
        } = recover(start)?;
        let store = Arc::new(Store::new(disk, catalog, settings));
        let journal: Arc<Mutex<dyn Journal>> = Arc::new(Mutex::new(journal));
        let feed = judge.clone();
        let judged = move |applied: Applied, received: Timestamp| {
            tell_judge(&feed, applied, received, clock::now());
        };
        let limits = ingest::Limits {
            future_max: settings.future_max,
            entry_bytes_max,
            // Above the setting all is written at once; this is for a disk that does not keep up.
            pending_max: 2 * settings.pending_samples_max,
        };
        let (ingest, committer) = Ingest::start(
            Arc::clone(&store),
            Arc::clone(&journal),
            limits,
            Arc::clone(&health),
            judged,
        );
        let keeper = Arc::new(Keeper::start(Parts {
            store: Arc::clone(&store),
            journal: Arc::clone(&journal),
            health: Arc::clone(&health),
            database: Arc::new(Mutex::new(database)),
            interval: settings.flush_interval,
            pending_max: settings.pending_samples_max,
            last_within: settings.last_flush,
        }));
        health.started(clock::now());
        let source = LocalSource::new(
            Arc::clone(&store),
            judge.clone(),
            Arc::clone(&health),
            start.config.groups.clone(),
            start.config.views.clone(),
        );
        let source = Arc::new(source);
        judge.draw_by(source::draw_by(&source));
        Ok(Self {
            store,
            journal,
            judge,
            ingest,
            committer,
            keeper,
            source,
            health,
            judge_stop,
            dead_man: watch::Sender::new(start.config.dead_man.clone()),
        })
    }

    async fn run(
        self,
        start: &Start,
        listener: TcpListener,
        pushes: Option<TcpListener>,
        mut signals: Signals,
    ) -> anyhow::Result<()> {
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let accounts = self.accounts(start, address)?;
        let ours = self.routes_for_agents(start)?;
        let pages = self.pages(start, accounts.access(), ours.clone())?;
        let served = tokio::spawn(http::serve(listener, pages, stopped.clone()));
        let pushed = pushes.map(|listener| {
            let router = ours.fallback(nothing_but_pushes);
            tokio::spawn(http::serve(listener, router, stopped.clone()))
        });
        let accounts = tokio::spawn(accounts.keep(stopped.clone()));
        let agent = self.start_agent(start, &stopped);
        let pollers = poll::start(&start.config.polled, &self.ingest, &self.store);
        let own_graphs = self.start_own_graphs(start, &stopped);
        let heart = dead_man::start(
            self.judge.clone(),
            Arc::clone(&self.health),
            self.dead_man.subscribe(),
            stopped.clone(),
        );
        let mut start = start.clone();
        start.file_must_exist |= start.file.exists();
        let broken = loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Reload => {
                        self.reload(&start).await;
                        start.file_must_exist |= start.file.exists();
                    }
                    Signal::Stop(name) => {
                        tracing::info!("{name}: stopping");
                        break None;
                    }
                },
                () = sleep(LOOK_EVERY) => if let Some(broken) = self.broken() {
                    tracing::error!("{broken} ended in a panic: stopping");
                    break Some(broken);
                }
            }
        };
        stop.send_replace(true);
        drop(pollers);
        let (served, ()) = tokio::join!(served, end_agent(agent));
        served?;
        if let Some(pushed) = pushed {
            pushed.await?;
        }
        accounts.await?;
        if let Some(own_graphs) = own_graphs {
            own_graphs.await?;
        }
        if let Some(heart) = heart {
            heart.await?;
        }
        self.end(start.config.store.last_flush).await?;
        broken.map_or(Ok(()), |broken| Err(anyhow!("{broken} ended in a panic")))
    }

    /// The thread that is gone although nobody told it to: without it nothing is taken, kept or told any more.
    fn broken(&self) -> Option<&'static str> {
        if self.committer.is_finished() {
            Some("the thread that takes pushes")
        } else if self.keeper.has_ended() {
            Some("the thread that writes history")
        } else if self.judge.has_ended() {
            Some("the thread that judges")
        } else {
            None
        }
    }

    /// Ends the threads: no more pushes, then the last checkpoint, and the judge at the same time.
    async fn end(self, last_flush: Duration) -> anyhow::Result<()> {
        let Self {
            ingest,
            committer,
            keeper,
            judge,
            judge_stop,
            store,
            ..
        } = self;
        spawn_blocking(move || {
            ingest.stop();
            if committer.join().is_err() {
                tracing::error!("the thread that takes pushes ended in a panic");
            }
        })
        .await?;
        judge_stop.send_replace(true);
        let history = spawn_blocking(move || keeper.stop());
        let judged = spawn_blocking(move || judge.join());
        let (judged, history) = tokio::join!(judged, timeout(last_flush + LAST_CHUNK, history));
        judged?;
        let Ok(history) = history else {
            // To go now is what a power cut would do: the journal and the redo file have all of it.
            let waiting = store.catalog().counts.pending;
            tracing::info!(
                "the last flush takes long and is left: up to {waiting} readings wait in the journal for the next start"
            );
            return Ok(());
        };
        history?;
        let waiting = store.catalog().counts.pending;
        if waiting > 0 {
            tracing::info!("{waiting} readings wait in the journal for the next start");
        }
        Ok(())
    }

    /// Who may look and act, as the database has it.
    fn accounts(&self, start: &Start, address: SocketAddr) -> anyhow::Result<Accounts> {
        let database = Database::open(&start.data.join(DATABASE))?;
        let secret = admin::secret_or_new(&start.data)?;
        Ok(Accounts::open(
            &start.config.http,
            address,
            database,
            &secret,
        )?)
    }

    /// What agents need: to push, and to enrol.
    fn routes_for_agents(&self, start: &Start) -> anyhow::Result<Router> {
        let bytes_max = usize::try_from(start.config.http.push_bytes_max)?;
        let tokens = Database::open(&start.data.join(DATABASE))?;
        let receiver = Receiver::new(
            self.ingest.clone(),
            tokens,
            bytes_max,
            Arc::clone(&self.health),
        );
        let enrolments = Database::open(&start.data.join(DATABASE))?;
        let ours = receive::router(receiver).merge(enroll::router(enrolments));
        Ok(ours.layer(CatchPanicLayer::custom(panicked)))
    }

    /// Pages and API for those whom `access` lets in, and `agents`, whose tokens are all that is asked of them.
    fn pages(&self, start: &Start, access: Arc<Access>, agents: Router) -> anyhow::Result<Router> {
        let admin = Admin::new(&start.data, Arc::clone(&self.keeper))?;
        let source: Arc<dyn Source> = Arc::clone(&self.source) as Arc<dyn Source>;
        let options = ravenry_web::Options {
            ack_links: Some(ack_links(&start.data)?),
            ..ravenry_web::Options::default()
        };
        let pages = ravenry_web::router(source, options, access);
        let admin = admin::router(admin).layer(CatchPanicLayer::custom(panicked));
        Ok(pages.merge(agents).merge(admin))
    }

    /// Starts the local agent, and the task that takes its batches.
    fn start_agent(
        &self,
        start: &Start,
        stopped: &watch::Receiver<bool>,
    ) -> Option<(JoinHandle<()>, JoinHandle<()>)> {
        let settings = &start.config.agent;
        if !settings.enabled {
            return None;
        }
        let mut config = ravenry_agent::config::Config::defaults(&Surroundings::of_this_process());
        config.state_dir = start.data.join("agent");
        config.interval = settings.interval;
        config.host = settings.host_name();
        config.plugin_dir = settings.plugin_dir.clone().or(config.plugin_dir);
        config.check_dir = settings.check_dir.clone().or(config.check_dir);
        config.checks.clone_from(&settings.checks);
        config.plugin_conf_dir = settings.plugin_conf_dir.clone().or(config.plugin_conf_dir);
        let (sender, deliveries) = mpsc::channel(DELIVERIES_MAX);
        let taken = tokio::spawn(take_deliveries(self.ingest.clone(), deliveries));
        let stopped = stopped.clone();
        let agent = tokio::spawn(async move {
            if let Err(error) =
                ravenry_agent::agent::run(config, Uplink::Local(sender), stopped).await
            {
                tracing::error!("the local agent cannot work: {error}");
            }
        });
        Some((agent, taken))
    }

    /// Starts the task that pushes the collector's own graphs.
    fn start_own_graphs(
        &self,
        start: &Start,
        stopped: &watch::Receiver<bool>,
    ) -> Option<JoinHandle<()>> {
        let config = &start.config;
        let parts = Arc::new(own_graphs::Parts {
            store: Arc::clone(&self.store),
            journal: Arc::clone(&self.journal),
            health: Arc::clone(&self.health),
            ingest: self.ingest.clone(),
            host: config.agent.host_name(),
            limits: own_graphs::Limits::of(&config.store),
        });
        self.source.measure(Arc::clone(&parts));
        let wanted = config.agent.own_graphs;
        wanted.then(|| tokio::spawn(own_graphs::push_all(parts, stopped.clone())))
    }

    /// Reads the configuration again: all of it takes effect, or nothing of it.
    async fn reload(&self, start: &Start) {
        let (file, must_exist) = (start.file.clone(), start.file_must_exist);
        let loaded = spawn_blocking(move || config::load(&file, must_exist)).await;
        let config = match loaded {
            Ok(Ok(config)) => config,
            Ok(Err(problems)) => {
                problems
                    .iter()
                    .for_each(|problem| tracing::error!("{problem}"));
                tracing::error!("the configuration is refused; the running one stays in force");
                return;
            }
            Err(error) => return tracing::error!("the configuration could not be read: {error}"),
        };
        let channels = match channel_settings(&config, &start.data) {
            Ok(channels) => channels,
            Err(error) => {
                return tracing::error!(
                    "the configuration is refused: {error}; the running one stays in force"
                );
            }
        };
        let rules = Arc::new(config.alerts.rules.clone());
        self.store.catalog_mut().watch_by(Arc::clone(&rules));
        if let Err(error) = self.judge.reload(rules, &channels).await {
            return tracing::error!(
                "the configuration is refused: {error}; the running one stays in force"
            );
        }
        self.dead_man.send_replace(config.dead_man.clone());
        let waiting = config.waits_for_start(&start.config);
        if !waiting.is_empty() {
            tracing::warn!(
                "changed, and in force from the next start on: {}",
                waiting.join(", ")
            );
        }
        self.source.reload(config.groups, config.views);
        tracing::info!("the configuration was read again and is in force");
    }
}

/// Lets the local agent end.
async fn end_agent(agent: Option<(JoinHandle<()>, JoinHandle<()>)>) {
    let Some((agent, deliveries)) = agent else {
        return;
    };
    let (stop_agent, stop_deliveries) = (agent.abort_handle(), deliveries.abort_handle());
    let ended = async { (agent.await, deliveries.await) };
    if timeout(AGENT_WITHIN, ended).await.is_err() {
        tracing::warn!("the local agent does not end, and is ended");
        stop_agent.abort();
        stop_deliveries.abort();
    }
}

/// The address of pushes has nothing else.
async fn nothing_but_pushes() -> Response {
    let error = "expected POST /api/v1/push or /api/v1/enroll: pages and API are on the address of [http] listen";
    refusal(StatusCode::NOT_FOUND, error).into_response()
}

/// A panic is one request's; what it said is in the log.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    let error = "it failed, and the log says how";
    refusal(StatusCode::INTERNAL_SERVER_ERROR, error).into_response()
}

/// Everything as it was when the collector last ended, however it did.
struct Recovered {
    disk: Arc<dyn Disk>,
    database: Database,
    catalog: Catalog,
    judge: JudgeHandle,
    judge_stop: watch::Sender<bool>,
    health: Arc<Health>,
    journal: SegmentJournal,
    entry_bytes_max: u64,
}

/// Finishes what was being written, loads what was saved, and applies what only the journal knows.
fn recover(start: &Start) -> anyhow::Result<Recovered> {
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(&start.data)?);
    let journal_disk = Arc::new(FileDisk::new(&start.data)?);
    let database_path = start.data.join(DATABASE);
    let database =
        Database::open(&database_path).with_context(|| database_path.display().to_string())?;
    let limits = Limits {
        segment_bytes: SEGMENT_BYTES,
        journal_bytes_max: start.config.store.journal_bytes_max,
        entry_bytes_max: 4 * start.config.http.push_bytes_max,
    };
    let settings = &start.config.store;
    let found = recovery::recover(&*disk, journal_disk, &database, settings, limits)?;
    let (mut catalog, journal) = (found.catalog, found.journal);
    if found.rewritten > 0 {
        tracing::info!(
            "{} history files were being written when the collector ended, and were written again",
            found.rewritten
        );
    }
    warn_all(&found.problems);

    let (judge_stop, stop) = watch::channel(false);
    let rules = Arc::new(start.config.alerts.rules.clone());
    let channels = channel_settings(&start.config, &start.data)?;
    let health = Arc::new(Health::default());
    catalog.watch_by(Arc::clone(&rules));
    let judge = judge::start(&database_path, rules, &channels, Arc::clone(&health), stop)?;
    let now = clock::now();
    for (host, known) in &catalog.hosts {
        for stored in known.graphs.values().filter(|stored| !stored.gone) {
            judge.declare_blocking(host.clone(), Arc::clone(&stored.graph), now)?;
        }
    }
    replay(&journal, &mut catalog, &judge, now)?;
    judge.live_blocking(clock::now())?;
    Ok(Recovered {
        disk,
        database,
        catalog,
        judge,
        judge_stop,
        health,
        journal,
        entry_bytes_max: limits.entry_bytes_max,
    })
}

fn warn_all(problems: &[String]) {
    problems
        .iter()
        .for_each(|problem| tracing::warn!("{problem}"));
}

/// Applies what the journal has beyond what the database knows. To the judge all of it arrives `now`: an entry's own time
/// is when its host was heard of, and a clock that went back to it would have everything judged, and told, again.
pub(crate) fn replay(
    journal: &SegmentJournal,
    catalog: &mut Catalog,
    judge: &JudgeHandle,
    now: Timestamp,
) -> anyhow::Result<()> {
    let (entries, problems) = recovery::replay(journal, catalog, |applied, entry| {
        tell_judge(judge, applied, entry.received, now);
    })?;
    warn_all(&problems);
    if entries > 0 {
        tracing::info!("{entries} batches were read from the journal");
    }
    Ok(())
}

/// What was `received` comes to the judge at `now`.
fn tell_judge(judge: &JudgeHandle, applied: Applied, received: Timestamp, now: Timestamp) {
    let mut told = Ok(());
    for (host, graph) in applied.declared {
        told = told.and_then(|()| judge.declare_blocking(host, graph, now));
    }
    if let Some(host) = applied.contact {
        if !applied.spoken_of.is_empty() {
            let of = applied.spoken_of.into_iter().collect();
            told = told.and_then(|()| judge.spoken_of_blocking(host.clone(), of, now));
        }
        told = told.and_then(|()| judge.contact_blocking(host, received, now));
    }
    if !applied.readings.is_empty() {
        told = told.and_then(|()| judge.readings_blocking(applied.readings, now));
    }
    if !applied.verdicts.is_empty() {
        told = told.and_then(|()| judge.verdicts_blocking(applied.verdicts, now));
    }
    if !applied.gone.is_empty() || !applied.gone_checks.is_empty() {
        told = told.and_then(|()| judge.gone_blocking(applied.gone, applied.gone_checks, now));
    }
    if let Err(error) = told {
        tracing::error!("{error}: readings are stored but not judged");
    }
}

async fn take_deliveries(ingest: Ingest, mut deliveries: mpsc::Receiver<Delivery>) {
    while let Some(delivery) = deliveries.recv().await {
        let taken = ingest
            .push(delivery.batch, clock::now())
            .await
            .map_err(|error| match error {
                PushError::TooLarge(why) => Refusal::Refused { why },
                PushError::Busy(why) | PushError::Full(why) | PushError::Failed(why) => {
                    Refusal::Busy { why }
                }
            });
        drop(delivery.reply.send(taken));
    }
}

fn channel_settings(config: &Config, data: &Path) -> std::io::Result<channel::Settings> {
    let links = ack_links(data)?;
    let sign = move |key: &NoticeKey, now| links.ack_link(key.incident, key.contact.as_str(), now);
    Ok(channel::Settings {
        mail: Some(config.alerts.mail()),
        links: Links {
            base: config.http.url.clone(),
            sign: Some(Arc::new(sign)),
        },
        ..channel::Settings::default()
    })
}

/// What signs links in notices, and knows them again.
fn ack_links(data: &Path) -> std::io::Result<AckLinks> {
    Ok(AckLinks::new(secret::keep(data, LINK_SECRET)?.as_bytes()))
}

/// What the system tells the process.
enum Signal {
    Reload,
    Stop(&'static str),
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Signal::Stop("SIGINT"),
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }
}

/// The data directory when nothing is said: `/var/lib/ravenry` for root, else below the user's state directory.
#[must_use]
pub fn default_data_dir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/ravenry");
    }
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    state
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| user_home().join(".local/state"))
        .join("ravenry")
}
