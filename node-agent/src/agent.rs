//! The loop that carries out what [`Schedule`], [`Gather`] and [`Session`] decide: looks for plugins, starts runs, puts
//! batches on disk, sends the oldest. It decides nothing itself and reads the clocks for those who do.

use std::future::{Future, pending};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ravenry_plugins::clock;
use ravenry_plugins::declaration::Declaration;
use ravenry_plugins::wire::{Batch, Key, RunReport};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::{debug, error, info, warn};

use crate::config::Config;
use crate::directory::{Directory, Plugin, Scan};
use crate::gather::{Gather, Run};
use crate::identity::{Claim, ClaimError, claim};
use crate::inventory::Inventory;
use crate::outbox::{Outbox, OutboxError};
use crate::port::{self, Offer};
use crate::runner::Runner;
use crate::schedule::{Finished, Next, Schedule, Start};
use crate::session::{Reply, Session, Tell, Verdict};
use crate::status::Status;
use crate::trouble::{Kind, Troubles};
use crate::uplink::{Uplink, pack, unpack};

/// How often plugins are looked for.
const SCAN_EVERY: Duration = Duration::from_secs(10);
/// How often the collector expects a graph to be read that does not say.
const STEP_EXPECTED: Duration = Duration::from_secs(60);
/// How often the agent's own troubles are reported although nothing changed.
const TROUBLE_EVERY: Duration = Duration::from_secs(3600);
/// How long what was running may take to end after a stop.
const STOP_MAX: Duration = Duration::from_millis(1500);

/// Why an agent cannot work at all. What fails later is reported and tried again.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The state directory cannot be used.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The spool cannot be used.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// Part of the agent itself failed.
    #[error("internal error")]
    Internal(#[from] JoinError),
}

/// Runs an agent until `stop` holds true or its sender is gone; then ends running plugins, puts what was read on disk and
/// returns within two seconds.
///
/// # Errors
/// When the state directory or the spool cannot be used.
pub async fn run(
    config: Config,
    uplink: Uplink,
    mut stop: watch::Receiver<bool>,
) -> Result<(), AgentError> {
    let state_dir = config.state_dir.clone();
    let claim = tokio::task::spawn_blocking(move || claim(&state_dir)).await??;
    let state_dir = config.state_dir.clone();
    let inventory = tokio::task::spawn_blocking(move || Inventory::load(&state_dir)).await?;
    let outbox = Outbox::open(&config.state_dir.join("spool"), config.spool_bytes_max).await?;
    let mut agent = Agent::new(config, claim, outbox, inventory, clock::monotonic());
    let _port = agent.serve_masters();
    info!(host = %agent.config.host, agent = agent.claim.agent, incarnation = agent.claim.incarnation, "agent starts");
    tokio::select! {
        () = stopped(&mut stop) => {}
        () = agent.work(&uplink) => {}
    }
    agent.stop().await;
    Ok(())
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could say stop: that is a stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn sleep_until(moment: Instant) {
    tokio::time::sleep_until(moment.into()).await;
}

/// The batch that is on its way, if there is one.
#[derive(Default)]
struct InFlight(Option<std::pin::Pin<Box<dyn Future<Output = Reply> + Send>>>);

impl InFlight {
    fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn begin(&mut self, packed: Option<Vec<u8>>, uplink: &Uplink) {
        let Some(packed) = packed else { return };
        let uplink = uplink.clone();
        self.0 = Some(Box::pin(async move { uplink.send(packed).await }));
    }

    async fn reply(&mut self) -> Reply {
        let reply = match &mut self.0 {
            Some(exchange) => exchange.await,
            None => pending().await,
        };
        self.0 = None;
        reply
    }
}

/// A batch that was sent, as it was packed, and how often. Its key is looked at only when somebody else seems to use it.
struct Sent {
    packed: Vec<u8>,
    times: u32,
}

/// An agent's id and its start, under which this process makes keys, or made them.
type Name = (String, u64);

impl Sent {
    /// The batch and its key, if the key is of this process and it was sent once: then nobody can have taken it before.
    fn new_batch(&self, names: &[Name]) -> Option<(Batch, Key)> {
        let batch = (self.times == 1)
            .then(|| unpack(&self.packed).ok())
            .flatten()?;
        let key = batch.key.clone()?;
        let mut names = names.iter();
        let is_ours = names.any(|(agent, start)| key.agent == *agent && key.incarnation == *start);
        is_ours.then_some((batch, key))
    }
}

struct Agent {
    config: Config,
    claim: Claim,
    sequence: u64,
    /// All names of this process; there is a second one when the first turned out to be somebody else's, too.
    names: Vec<Name>,
    /// The batch that is on its way.
    sent: Option<Sent>,
    directory: Directory,
    scan_due: Instant,
    plugins: Vec<Plugin>,
    runner: Runner,
    runs: JoinSet<Vec<(Start, Run)>>,
    schedule: Schedule,
    gather: Gather,
    outbox: Outbox,
    session: Session,
    status: Status,
    troubles: Troubles,
    troubles_due: Instant,
    /// What Munin masters are told there is.
    offer: watch::Sender<Arc<Offer>>,
}

impl Agent {
    fn new(
        config: Config,
        claim: Claim,
        outbox: Outbox,
        inventory: Inventory,
        now: Instant,
    ) -> Self {
        let inventory = inventory.gone_after(config.gone_after);
        Self {
            sequence: 0,
            names: vec![(claim.agent.clone(), claim.incarnation)],
            sent: None,
            directory: Directory::new(&config),
            scan_due: now,
            plugins: Vec::new(),
            runner: Runner::new(&config),
            runs: JoinSet::new(),
            schedule: Schedule::new(now, config.interval, config.concurrency_max),
            gather: Gather::new(now, config.host.clone(), config.interval)
                .with_inventory(inventory),
            outbox,
            session: Session::new(&claim.agent),
            status: Status::default(),
            troubles: Troubles::default(),
            troubles_due: now,
            offer: watch::Sender::default(),
            config,
            claim,
        }
    }

    /// Works until it is dropped, which it may be wherever it waits: what is handed to the disk is carried out all the same.
    async fn work(&mut self, uplink: &Uplink) {
        let mut sending = InFlight::default();
        loop {
            self.look_for_plugins().await;
            self.start_due();
            self.report_troubles();
            self.put_batches_on_disk().await;
            if sending.is_empty() {
                sending.begin(self.next_delivery().await, uplink);
            }
            let timeout = self.poll_timeout();
            tokio::select! {
                Some(finished) = self.runs.join_next() => self.handle_runs(finished),
                reply = sending.reply() => self.handle_reply(reply).await,
                () = sleep_until(timeout) => {}
            }
        }
    }

    /// Opens the port for Munin masters, where one is wanted; it closes when what is returned is dropped.
    fn serve_masters(&self) -> JoinSet<()> {
        let mut port = JoinSet::new();
        if let Some(config) = self.config.munin_node.clone() {
            let (host, runner) = (self.config.host.clone(), self.runner.clone());
            port.spawn(port::serve(config, host, runner, self.offer.subscribe()));
        }
        port
    }

    async fn look_for_plugins(&mut self) {
        let now = clock::monotonic();
        if self.scan_due > now {
            return;
        }
        self.scan_due = now + SCAN_EVERY;
        let mut directory = self.directory.clone();
        let (status, state_dir) = (self.status.unsaved(), self.config.state_dir.clone());
        let inventory = self.gather.unsaved_inventory();
        let scanned = tokio::task::spawn_blocking(move || {
            let scan = directory.scan(now);
            if let Some(Err(error)) = status.map(|status| status.save(&state_dir)) {
                warn!("status of plugins: {error}");
            }
            if let Some(Err(error)) = inventory.map(|inventory| inventory.save(&state_dir)) {
                warn!("what plugins have: {error}");
            }
            (directory, scan)
        });
        match scanned.await {
            Ok((directory, scan)) => {
                self.directory = directory;
                self.handle_scan(now, scan);
            }
            Err(error) => error!("looking for plugins: {error}"),
        }
    }

    fn handle_scan(&mut self, now: Instant, scan: Scan) {
        let found: Vec<_> = scan.plugins.iter().map(Plugin::found).collect();
        self.schedule.handle_found(now, &found);
        if scan.plugins.len() != self.plugins.len() {
            info!(plugins = scan.plugins.len(), "plugins found");
        }
        self.plugins = scan.plugins;
        let plugins = &self.plugins;
        let is_there = |name: &str| plugins.iter().any(|plugin| *plugin.name == *name);
        self.status.keep(is_there);
        // A directory that cannot be read, and a link that leads nowhere for the moment, have taken nothing away.
        let is_lost = |name: &str| {
            scan.ignored
                .iter()
                .any(|it| it.name == name && it.is_lost())
        };
        let may_be_there = |name: &str| scan.incomplete || is_there(name) || is_lost(name);
        self.gather.handle_plugins(now, may_be_there);
        if self.config.munin_node.is_some() {
            self.offer.send_replace(Arc::new(Offer {
                plugins: self.plugins.clone(),
                hosts: self.gather.other_hosts(),
            }));
        }
        let problems: Vec<String> = scan.problems.iter().map(ToString::to_string).collect();
        self.tell(
            Kind::Plugins,
            (!problems.is_empty()).then(|| problems.join("; ")),
        );
    }

    fn start_due(&mut self) {
        let (mut instant, mut calls) = (Vec::new(), Vec::new());
        for start in self.schedule.start_due(clock::monotonic()) {
            let Some(plugin) = self.plugins.iter().find(|plugin| plugin.name == start.name) else {
                continue;
            };
            if plugin.is_instant {
                calls.push((plugin.clone(), start.config));
                instant.push(start);
                continue;
            }
            let run = self.runner.run(plugin, start.config);
            self.runs.spawn(async move { vec![(start, run.await)] });
        }
        if !instant.is_empty() {
            let runs = self.runner.run_instant(calls);
            self.runs.spawn(async move { paired(instant, runs.await) });
        }
    }

    fn handle_runs(&mut self, finished: Result<Vec<(Start, Run)>, JoinError>) {
        match finished {
            Ok(finished) => {
                for (start, run) in finished {
                    self.handle_run(&start, run);
                }
            }
            Err(error) => error!("a plugin's run: {error}"),
        }
    }

    fn handle_run(&mut self, start: &Start, mut run: Run) {
        let now = clock::monotonic();
        let interval = run.declarations.as_deref().and_then(declared_interval);
        // A check that failed is asked again as often as ever: when it works again is what it is there for.
        let good = run.error.is_none() || run.verdict.is_some();
        if let Some(next) = self
            .schedule
            .handle_finished(now, start, Finished { good, interval })
        {
            explain_pause(now, &mut run, next);
        }
        if let Some(error) = &run.error {
            warn!(plugin = %run.plugin, "{error}");
        }
        self.status.note(&run);
        let interval = self.schedule.interval_of(&start.name);
        if let Some(verdict) = &mut run.verdict {
            verdict.interval_seconds = interval.map(|interval| interval.as_secs_f64());
        }
        say_rhythm(
            run.declarations.as_deref_mut().unwrap_or_default(),
            interval,
        );
        let plugin = run.plugin.clone();
        if self.gather.handle_run(now, run) {
            self.schedule.handle_config_stale(now, &plugin);
        }
    }

    /// Seals what has waited long enough. What is sealed is on disk before it is sent.
    async fn put_batches_on_disk(&mut self) {
        while let Some(batch) = self.gather.poll_batch(clock::monotonic()) {
            self.put_on_disk(batch).await;
        }
    }

    async fn put_on_disk(&mut self, mut batch: Batch) {
        self.sequence += 1;
        let agent = self.claim.agent.clone();
        batch.key = Some(Key {
            agent,
            incarnation: self.claim.incarnation,
            sequence: self.sequence,
        });
        let kept = self.outbox.push(pack(&batch)).await;
        self.tell(Kind::Disk, kept.err().map(|error| error.to_string()));
        let dropped = self.outbox.dropped();
        self.tell(
            Kind::Dropped,
            (dropped > 0).then(|| format!("{dropped} batches dropped unsent: the spool is full")),
        );
    }

    async fn next_delivery(&mut self) -> Option<Vec<u8>> {
        if !self.session.may_send(clock::monotonic()) {
            return None;
        }
        match self.outbox.oldest().await {
            Ok(Some(packed)) => {
                self.session.handle_sent();
                self.note_sent(&packed);
                Some(packed)
            }
            Ok(None) => None,
            Err(error) => {
                self.tell(Kind::Disk, Some(error.to_string()));
                None
            }
        }
    }

    fn note_sent(&mut self, packed: &[u8]) {
        // A batch with its key is packed once: the same bytes are the same batch.
        let again = self.sent.take_if(|before| before.packed == packed);
        let times = again.map_or(0, |before| before.times) + 1;
        self.sent = Some(Sent {
            packed: packed.to_owned(),
            times,
        });
    }

    /// A batch of this process, sent for the first time, cannot have been taken before: somebody else counts under our id,
    /// as after the state directory was copied to another machine. So that nothing is lost of us both, this agent takes
    /// another id and sends the batch again under it.
    async fn leave_shared_id(&mut self) {
        let sent = self.sent.as_ref();
        let Some((batch, key)) = sent.and_then(|sent| sent.new_batch(&self.names)) else {
            return;
        };
        self.sent = None;
        if key.agent == self.claim.agent {
            self.take_new_id();
        }
        self.put_on_disk(batch).await;
    }

    fn take_new_id(&mut self) {
        let shared = self.claim.agent.clone();
        let renewed = self.claim.renew();
        let trouble = match &renewed {
            Ok(()) => format!(
                "agent id {shared} is another agent's, too (was the state directory copied?): this agent is {} from now on",
                self.claim.agent
            ),
            Err(error) => format!(
                "agent id {shared} is another agent's, too (was the state directory copied?), and no other can be kept: {error}"
            ),
        };
        self.tell(Kind::Identity, Some(trouble));
        if renewed.is_ok() {
            self.sequence = 0;
            let name = (self.claim.agent.clone(), self.claim.incarnation);
            self.names.push(name);
            self.gather.handle_stranger(clock::monotonic());
        }
    }

    async fn handle_reply(&mut self, reply: Reply) {
        let now = clock::monotonic();
        let (verdict, tell) = self.session.handle_reply(now, &reply);
        self.tell_of_session(tell);
        if matches!(&reply, Reply::Taken(ack) if ack.duplicate) {
            self.leave_shared_id().await;
        }
        match verdict {
            Verdict::Done | Verdict::Drop => {
                if let Err(error) = self.outbox.pop().await {
                    self.tell(Kind::Disk, Some(error.to_string()));
                }
            }
            Verdict::Keep => {}
        }
        if let Reply::Taken(ack) = reply {
            debug!(
                accepted = ack.accepted,
                duplicate = ack.duplicate,
                "batch taken"
            );
            for problem in &ack.problems {
                warn!("the collector took a batch but for: {problem}");
            }
            if !ack.undeclared.is_empty() {
                // The answer names some of them only; who lost one may have lost all.
                self.gather.handle_stranger(now);
            }
        }
    }

    fn tell_of_session(&mut self, tell: Option<Tell>) {
        match tell {
            None => {}
            Some(Tell::Trouble { why, lasted }) if lasted.is_zero() => {
                warn!("the collector takes nothing: {why}; readings wait on disk");
            }
            Some(Tell::Trouble { why, lasted }) => {
                warn!(
                    "the collector takes nothing since {} s: {why}",
                    lasted.as_secs()
                );
            }
            Some(Tell::Over { lasted }) => info!(
                "the collector takes batches again after {} s",
                lasted.as_secs()
            ),
            Some(Tell::Refused { why, count }) => {
                self.tell(
                    Kind::Refused,
                    Some(format!(
                        "{count} batches refused and dropped, the last one: {why}"
                    )),
                );
            }
        }
    }

    /// Logs a trouble that is new, changed or over, and sees to it that the host's page shows it.
    fn tell(&mut self, kind: Kind, trouble: Option<String>) {
        let over = trouble.is_none();
        let text = trouble.clone().unwrap_or_default();
        if !self.troubles.set(kind, trouble) {
            return;
        }
        self.troubles_due = clock::monotonic();
        if over {
            info!("over: trouble with {kind}");
        } else {
            warn!("trouble with {kind}: {text}");
        }
    }

    fn report_troubles(&mut self) {
        let now = clock::monotonic();
        if self.troubles_due > now {
            return;
        }
        self.troubles_due = now + TROUBLE_EVERY;
        let error = self.troubles.sentence();
        let plugin = env!("CARGO_PKG_NAME").to_owned();
        let report = RunReport {
            plugin,
            time: clock::now(),
            duration_seconds: 0.0,
            error,
            problems: Vec::new(),
        };
        self.gather.report(now, report);
    }

    fn poll_timeout(&self) -> Instant {
        let now = clock::monotonic();
        // A pause that is over changes nothing while there is nothing to send.
        let pause = self.session.poll_timeout().filter(|pause| *pause > now);
        let dues = [
            self.schedule.poll_timeout(),
            self.gather.poll_timeout(),
            pause,
        ];
        dues.into_iter().flatten().fold(self.scan_due, Instant::min)
    }

    async fn keep_inventory(&mut self) {
        let Some(inventory) = self.gather.unsaved_inventory() else {
            return;
        };
        let state_dir = self.config.state_dir.clone();
        let saved = tokio::task::spawn_blocking(move || inventory.save(&state_dir)).await;
        if let Ok(Err(error)) = saved {
            warn!("what plugins have: {error}");
        }
    }

    async fn stop(mut self) {
        while let Some(finished) = self.runs.try_join_next() {
            self.handle_runs(finished);
        }
        self.runs.abort_all();
        // First what must not be lost, then what takes its time.
        let ending = async {
            for batch in self.gather.drain() {
                self.put_on_disk(batch).await;
            }
            self.keep_inventory().await;
            while self.runs.join_next().await.is_some() {}
        };
        if tokio::time::timeout(STOP_MAX, ending).await.is_err() {
            warn!(
                "what was running did not end within {} s",
                STOP_MAX.as_secs_f32()
            );
        }
        info!("agent stops");
    }
}

/// Each start with the run that came of it.
fn paired(mut starts: Vec<Start>, runs: Vec<Run>) -> Vec<(Start, Run)> {
    let pair = |run: Run| {
        let at = starts.iter().position(|start| start.name == run.plugin)?;
        Some((starts.swap_remove(at), run))
    };
    runs.into_iter().filter_map(pair).collect()
}

/// The shortest `update_rate` that a plugin's graphs declare.
fn declared_interval(declarations: &[Declaration]) -> Option<Duration> {
    let rates = declarations
        .iter()
        .filter_map(|declaration| declaration.attributes.text("update_rate"));
    rates
        .filter_map(ravenry_plugins::settings::parse_duration)
        .filter(|rate| !rate.is_zero())
        .min()
}

/// The collector expects a reading each minute where a graph says nothing else: a graph that is read less often says so.
fn say_rhythm(declarations: &mut [Declaration], interval: Option<Duration>) {
    let Some(interval) = interval.filter(|interval| *interval > STEP_EXPECTED) else {
        return;
    };
    for declaration in declarations {
        let seconds = interval.as_secs().to_string();
        declaration.attributes.keep_first("update_rate", &seconds);
    }
}

/// A person who reads why a plugin failed also wants to know when it is tried again.
fn explain_pause(now: Instant, run: &mut Run, next: Next) {
    if let (Some(error), Some(_)) = (&mut run.error, next.back_off) {
        let seconds = next.due.saturating_duration_since(now).as_secs();
        error.push_str(&format!(
            " (failed {} times in a row, next run in {seconds} s)",
            next.failures
        ));
    }
}
