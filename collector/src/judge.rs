//! The alert loop: feeds the engine, makes durable what it returns, and carries it out.
//!
//! A thread of its own owns the SQLite connection, the outbox and a small runtime for deliveries, so that neither SQLite
//! nor a slow mail server holds up anybody else. In: readings, contacts, declarations, rules through one bounded queue;
//! whoever sends waits while it is full, nothing is dropped. Out: rows, ledger entries, notices, and snapshots for pages,
//! which share the engine's memory and wait for no file and no network.
//!
//! Order: what the engine decided is committed together with the notices that it decided; a ledger entry is committed
//! before a notice is sent and after. While nothing can be committed nothing is sent, and what is to be committed is kept.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::health::{Health, Part};
use ravenry_alerts::action::{Action, Done, Refusal};
use ravenry_alerts::channel::{ChannelError, Channels, Settings};
use ravenry_alerts::engine::{Effect, Engine, Record, RecordKey, Said};
use ravenry_alerts::log::{Happening, LogEntry};
use ravenry_alerts::notice::NoticeKey;
use ravenry_alerts::outbox::{Delivery, Failure, Outbox, OutboxEffect};
use ravenry_alerts::quiet::{Comment, Downtime, Mute};
use ravenry_alerts::rule::{ContactName, Rules};
use ravenry_alerts::severity::{HostState, Severity};
use ravenry_plugins::clock;
use ravenry_plugins::graph::Graph;
use ravenry_plugins::name::{GraphName, HostName, SeriesName, VerdictName};
use ravenry_plugins::reading::Reading;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_web::source::{CheckView, IncidentView};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{self, JoinSet};
use tracing::{debug, error, info, warn};

mod deliver;
mod explain;
mod log;
mod table;

pub use deliver::{Draw, Pulse, TestOutcome};
use deliver::{Pictures, PulseWanted, TestAnswer, Tested};
use table::{Reader, Tables, Writes};

/// Inputs that wait at most; whoever has one more waits for room.
const QUEUE_MAX: usize = 256;

/// Inputs that are taken in before what they led to is committed.
const COMMIT_EVERY: usize = 64;

/// How long to wait before a commit that failed is tried again.
const COMMIT_AGAIN: Duration = Duration::from_secs(5);

/// How long notices that are on their way may take at a stop.
const STOP_GRACE: Duration = Duration::from_millis(1500);

/// How long the rows of checks that are as they were may take at a stop, and how many are written at once.
const STOP_SAVING: Duration = Duration::from_secs(1);
const STOP_ROWS: usize = 2000;

/// Why the judge cannot start, or does not answer.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// SQLite says no.
    #[error("alerts: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row does not hold what this version wrote or understands.
    #[error("alert state: table {table}: expected a row of this version, found {found:?}")]
    Row {
        /// Which table.
        table: &'static str,
        /// The row's beginning.
        found: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A channel's settings make no sense.
    #[error("alert channels")]
    Channel(#[from] ChannelError),
    /// The thread or its runtime cannot be made.
    #[error("alert loop: no thread")]
    Thread(#[from] std::io::Error),
    /// The judge has stopped.
    #[error("alert loop: it has stopped")]
    Stopped,
    /// Nobody of that name is configured.
    #[error("contact {0}: expected the name of a configured contact, found none of that name")]
    NoContact(ContactName),
    /// A test notice did not arrive.
    #[error("test notice: {0}")]
    NotDelivered(String),
}

/// The judge's thread, from within.
struct Judge {
    engine: Arc<Mutex<Engine>>,
    outbox: Outbox,
    tables: Tables,
    writes: Writes,
    /// Sent once `writes` are committed.
    ready: Vec<Delivery>,
    channels: Channels,
    sends: JoinSet<Result<(), Failure>>,
    on_their_way: HashMap<task::Id, NoticeKey>,
    pictures: Pictures,
    tests: JoinSet<Tested>,
    /// Who wants to know whether all works, answered when it is committed that they asked.
    pulses: Vec<PulseWanted>,
    looked_at_delivery: Option<Timestamp>,
    /// Actions that were carried out, answered when that is committed.
    acted: Vec<(Answer, Result<Done, Refusal>)>,
    /// Whether the last commit failed: said once, not at each try.
    stuck: bool,
    /// Where that is shown.
    health: Arc<Health>,
    /// Whether what arrived before the start is still coming in; until it is over, no time passes.
    catching_up: bool,
    /// The newest incident that the log knows of.
    last_incident: u64,
    /// What the log said last of why somebody was not told.
    last_reasons: HashMap<(u64, Option<ContactName>), String>,
}

enum Input {
    Declare(HostName, Arc<Graph>, Timestamp),
    Readings(Vec<(SeriesName, Reading, Timestamp)>, Timestamp),
    Verdicts(Vec<Said>, Timestamp),
    Contact(HostName, Timestamp, Timestamp),
    SpokenOf(HostName, Vec<HostName>, Timestamp),
    Gone(Vec<(HostName, GraphName)>, Vec<VerdictName>, Timestamp),
    Reload(Arc<Rules>, Channels, Timestamp),
    Test(ContactName, TestAnswer, Timestamp),
    Pulse(PulseWanted, Timestamp),
    Act(Action, String, Answer, Timestamp),
    Live(Timestamp),
}

/// Where the outcome of an action goes.
type Answer = oneshot::Sender<Result<Done, Refusal>>;

/// The judge, from outside; cheap to clone.
#[derive(Clone)]
pub struct JudgeHandle {
    engine: Arc<Mutex<Engine>>,
    health: Arc<Health>,
    reader: Arc<Mutex<Reader>>,
    pictures: Pictures,
    inputs: mpsc::Sender<Input>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl fmt::Debug for JudgeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JudgeHandle").finish_non_exhaustive()
    }
}

/// Starts the judge on the state in `database` (its own tables in that file, made where they are missing); it stops when
/// `stop` says true, or when the last handle is gone. Time passes from [`JudgeHandle::live_blocking`] on.
///
/// Graphs are to be declared to it after each start; checks are not judged before.
///
/// # Errors
/// When the state cannot be read or written, or a channel's settings make no sense.
pub fn start(
    database: &Path,
    rules: Arc<Rules>,
    settings: &Settings,
    health: Arc<Health>,
    stop: watch::Receiver<bool>,
) -> Result<JudgeHandle, JudgeError> {
    let tables = Tables::open(database)?;
    let state = tables.load()?;
    let incidents = state.records.iter().filter_map(|record| match record {
        Record::Incident(incident) => Some(incident.id),
        Record::Check(_)
        | Record::Downtime(_)
        | Record::Comment(_)
        | Record::Standing(_)
        | Record::Desk(_) => None,
    });
    let last_incident = incidents.max().unwrap_or(0);
    let outbox = Outbox::restore(rules.channels(), state.pending);
    let engine = Engine::restore(rules, state.records, clock::now());
    let engine = Arc::new(Mutex::new(engine));
    let (sender, inputs) = mpsc::channel(QUEUE_MAX);
    let pictures = Pictures::default();
    let judge = Judge {
        engine: Arc::clone(&engine),
        outbox,
        tables,
        writes: Writes::default(),
        ready: Vec::new(),
        channels: Channels::new(settings)?,
        sends: JoinSet::new(),
        on_their_way: HashMap::new(),
        pictures: pictures.clone(),
        tests: JoinSet::new(),
        pulses: Vec::new(),
        looked_at_delivery: None,
        acted: Vec::new(),
        stuck: false,
        health: Arc::clone(&health),
        catching_up: true,
        last_incident,
        last_reasons: HashMap::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = std::thread::Builder::new()
        .name(String::from("judge"))
        .spawn(move || {
            runtime.block_on(judge.run(inputs, stop));
            // A picture that is still being drawn holds up no stop.
            runtime.shutdown_background();
        })?;
    Ok(JudgeHandle {
        engine,
        health,
        reader: Arc::new(Mutex::new(Reader::open(database)?)),
        pictures,
        inputs: sender,
        thread: Arc::new(Mutex::new(Some(thread))),
    })
}

impl JudgeHandle {
    /// All that arrived before the start has been told: from now on time passes, and who is silent is noticed.
    ///
    /// # Errors
    /// When the judge has stopped.
    pub fn live_blocking(&self, now: Timestamp) -> Result<(), JudgeError> {
        self.send_blocking(Input::Live(now))
    }

    /// A graph of a host is new or changed. Waits while the queue is full.
    ///
    /// # Errors
    /// When the judge has stopped.
    pub async fn declare(
        &self,
        host: HostName,
        graph: Arc<Graph>,
        now: Timestamp,
    ) -> Result<(), JudgeError> {
        self.send(Input::Declare(host, graph, now)).await
    }

    /// As [`Self::declare`], from a thread.
    ///
    /// # Errors
    /// When the judge has stopped.
    pub fn declare_blocking(
        &self,
        host: HostName,
        graph: Arc<Graph>,
        now: Timestamp,
    ) -> Result<(), JudgeError> {
        self.send_blocking(Input::Declare(host, graph, now))
    }

    /// Readings with their times, which arrived at `now`; within a series in order of time, those of one host together.
    /// Readings at or before the last one judged change nothing. Waits while the queue is full.
    ///
    /// # Errors
    /// When the judge has stopped.
    pub async fn readings(
        &self,
        batch: Vec<(SeriesName, Reading, Timestamp)>,
        now: Timestamp,
    ) -> Result<(), JudgeError> {
        self.send(Input::Readings(batch, now)).await
    }

    /// As [`Self::readings`], from a thread.
    ///
    /// # Errors
    /// When the judge has stopped.
    pub fn readings_blocking(
        &self,
        batch: Vec<(SeriesName, Reading, Timestamp)>,
        now: Timestamp,
    ) -> Result<(), JudgeError> {
        self.send_blocking(Input::Readings(batch, now))
    }

    /// Verdicts of Nagios checks, which arrived at `now`, in order of time. Those at or before the last one of their check
    /// change nothing. Waits while the queue is full.
    ///
    /// # Errors
    /// When the judge has stopped.
    pub fn verdicts_blocking(&self, batch: Vec<Said>, now: Timestamp) -> Result<(), JudgeError> {
        self.send_blocking(Input::Verdicts(batch, now))
    }

    /// Something was heard of a host at `at`, by our clock. Waits while the queue is full.
    ///
    /// # Errors
    /// When the judge has stopped.
    pub async fn contact(
        &self,
        host: HostName,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<(), JudgeError> {
        self.send(Input::Contact(host, at, now)).await
    }

    /// As [`Self::contact`], from a thread.
    ///
    /// # Errors
    /// When the judge has stopped.
    pub fn contact_blocking(
        &self,
        host: HostName,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<(), JudgeError> {
        self.send_blocking(Input::Contact(host, at, now))
    }

    /// The agent of a host spoke of other hosts. Waits while the queue is full.
    ///
    /// # Errors
    /// When the judge has stopped.
    pub fn spoken_of_blocking(
        &self,
        by: HostName,
        hosts: Vec<HostName>,
        now: Timestamp,
    ) -> Result<(), JudgeError> {
        self.send_blocking(Input::SpokenOf(by, hosts, now))
    }

    /// These graphs and Nagios checks are there no more. Waits while the queue is full.
    ///
    /// # Errors
    /// When the judge has stopped.
    pub fn gone_blocking(
        &self,
        graphs: Vec<(HostName, GraphName)>,
        checks: Vec<VerdictName>,
        now: Timestamp,
    ) -> Result<(), JudgeError> {
        self.send_blocking(Input::Gone(graphs, checks, now))
    }

    /// Other rules and channels are in force; all states are kept. Waits while the queue is full.
    ///
    /// # Errors
    /// When a channel's settings make no sense (the running ones stay), or the judge has stopped.
    pub async fn reload(&self, rules: Arc<Rules>, settings: &Settings) -> Result<(), JudgeError> {
        let channels = Channels::new(settings)?;
        self.send(Input::Reload(rules, channels, clock::now()))
            .await
    }

    /// Says how the graph of a check is drawn for notices; before, they go without.
    pub fn draw_by(&self, draw: Draw) {
        self.pictures.draw_by(draw);
    }

    /// Sends a test notice over every channel of a contact at once, and says how each went.
    ///
    /// # Errors
    /// When there is no such contact, it has no channel, or the judge has stopped.
    pub async fn notify_test(&self, contact: &str) -> Result<Vec<TestOutcome>, JudgeError> {
        let contact = ContactName::new(contact);
        if !self.engine().rules().channels().contains_key(&contact) {
            return Err(JudgeError::NoContact(contact));
        }
        let (answer, outcomes) = oneshot::channel();
        self.send(Input::Test(contact, answer, clock::now()))
            .await?;
        let outcomes = outcomes.await.map_err(|_| JudgeError::Stopped)?;
        outcomes.map_err(JudgeError::NotDelivered)
    }

    /// Whether decisions are made, can be written down, and arrive: a row is written, and no notice may have waited for
    /// longer than `patience`.
    ///
    /// # Errors
    /// When the judge has stopped.
    pub async fn pulse(&self, patience: Duration) -> Result<Pulse, JudgeError> {
        let (answer, pulse) = oneshot::channel();
        let wanted = PulseWanted { patience, answer };
        self.send(Input::Pulse(wanted, clock::now())).await?;
        pulse.await.map_err(|_| JudgeError::Stopped)
    }

    /// Carries out what somebody does, and waits until it is on the disk. Blocks: not for the runtime.
    ///
    /// # Errors
    /// With one sentence for whoever asked, when it makes no sense, or cannot be carried out or kept.
    pub fn act(&self, by: &str, action: Action) -> Result<Done, Refusal> {
        let gone = || Refusal::Unavailable(String::from("the collector is stopping"));
        let (answer, done) = oneshot::channel();
        self.send_blocking(Input::Act(action, by.to_owned(), answer, clock::now()))
            .map_err(|_| gone())?;
        done.blocking_recv().unwrap_or_else(|_| Err(gone()))
    }

    /// The downtimes that are announced or run.
    #[must_use]
    pub fn downtimes(&self) -> Vec<Downtime> {
        self.engine().downtimes().cloned().collect()
    }

    /// All comments, the oldest first.
    #[must_use]
    pub fn comments(&self) -> Vec<Comment> {
        self.engine().comments().cloned().collect()
    }

    /// Who said that nobody is told anything, while that holds.
    #[must_use]
    pub fn muted(&self) -> Option<Mute> {
        self.engine().mute().cloned()
    }

    /// The checks of a host: its own, then those of its fields by name.
    #[must_use]
    pub fn checks_of(&self, host: &HostName) -> Vec<CheckView> {
        let mut checks = self.engine().checks_of(host);
        if self.health.is_troubled(Part::Alerts) {
            // What was decided is neither kept nor sent yet, whatever the engine says.
            for check in checks.iter_mut().filter(|check| check.incident.is_some()) {
                "not told yet: what is decided cannot be written down"
                    .clone_into(&mut check.reason);
            }
        }
        checks
    }

    /// The Nagios checks of each host that has any.
    #[must_use]
    pub fn verdicts(&self) -> HashMap<HostName, Vec<(GraphName, Severity)>> {
        let mut verdicts: HashMap<HostName, Vec<(GraphName, Severity)>> = HashMap::new();
        for (host, check, severity) in self.engine().verdicts() {
            verdicts
                .entry(host.clone())
                .or_default()
                .push((check.clone(), severity));
        }
        verdicts
    }

    /// Whether a host is heard of.
    #[must_use]
    pub fn host_state(&self, host: &HostName) -> HostState {
        self.engine().host_state(host)
    }

    /// Incidents, open ones first, then the newest closed ones, at most `limit`. Reads the file: not for the runtime.
    #[must_use]
    pub fn incidents(&self, limit: usize) -> Vec<IncidentView> {
        self.read("incidents", |reader| reader.incidents(limit))
    }

    /// One incident, open or closed. Reads the file: not for the runtime.
    #[must_use]
    pub fn incident(&self, id: u64) -> Option<IncidentView> {
        self.read("an incident", |reader| reader.incident(id))
    }

    /// Whether the thread has ended: untold, it did so in a panic.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        lock(&self.thread)
            .as_ref()
            .is_none_or(JoinHandle::is_finished)
    }

    /// Waits until the judge has stopped; blocks.
    pub fn join(&self) {
        let thread = lock(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            error!("the alert loop ended in a panic");
        }
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        lock(&self.engine)
    }

    async fn send(&self, input: Input) -> Result<(), JudgeError> {
        self.inputs
            .send(input)
            .await
            .map_err(|_| JudgeError::Stopped)
    }

    fn send_blocking(&self, input: Input) -> Result<(), JudgeError> {
        self.inputs
            .blocking_send(input)
            .map_err(|_| JudgeError::Stopped)
    }
}

/// What was behind the lock is whole at every moment, whatever its holder did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Judge {
    async fn run(mut self, mut inputs: mpsc::Receiver<Input>, mut stop: watch::Receiver<bool>) {
        loop {
            self.act(clock::now());
            let wait = self.wait(clock::now());
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(ended) = self.sends.join_next_with_id() => self.ended(ended, clock::now()),
                Some(tested) = self.tests.join_next() => self.tested(tested, clock::now()),
                input = inputs.recv() => match input {
                    Some(input) => self.take_in(input, &mut inputs),
                    None => break,
                },
                () = tokio::time::sleep(wait) => self.let_time_pass(clock::now()),
            }
        }
        self.stop(inputs).await;
    }

    /// Takes in what waits, and lets time pass as the inputs say, so that a full queue delays no alarm.
    fn take_in(&mut self, first: Input, inputs: &mut mpsc::Receiver<Input>) {
        let mut next = Some(first);
        let mut last = None;
        let mut left = COMMIT_EVERY;
        while let Some(input) = next {
            last = Some(self.handle(input));
            left -= 1;
            next = if left == 0 {
                None
            } else {
                inputs.try_recv().ok()
            };
        }
        if let Some(now) = last {
            self.let_time_pass(now);
        }
    }

    /// While what arrived before the start comes in, its one time stands still: an engine that saw the clock run on
    /// beside it would take each entry for a step back.
    fn let_time_pass(&self, now: Timestamp) {
        if !self.catching_up {
            lock(&self.engine).handle_timeout(now);
        }
    }

    /// Takes in one input; gives its time.
    fn handle(&mut self, input: Input) -> Timestamp {
        let mut engine = lock(&self.engine);
        match input {
            Input::Declare(host, graph, now) => {
                engine.handle_declare(&host, &graph, now);
                now
            }
            Input::Readings(batch, now) => {
                engine.handle_readings(&batch, now);
                now
            }
            Input::Verdicts(batch, now) => {
                engine.handle_verdicts(&batch, now);
                now
            }
            Input::Contact(host, at, now) => {
                engine.handle_contact(&host, at, now);
                now
            }
            Input::SpokenOf(by, hosts, now) => {
                engine.handle_spoken_of(&by, &hosts, now);
                now
            }
            Input::Gone(graphs, checks, now) => {
                engine.handle_gone(&graphs, &checks, now);
                now
            }
            Input::Reload(rules, channels, now) => {
                self.outbox.handle_contacts(rules.channels());
                self.channels = channels;
                engine.handle_rules(rules, now);
                now
            }
            Input::Test(contact, answer, now) => {
                drop(engine);
                self.test(contact, answer, now);
                now
            }
            Input::Pulse(wanted, now) => {
                self.writes.pulse = Some(now);
                self.pulses.push(wanted);
                now
            }
            Input::Act(action, by, answer, now) => {
                let done = engine.act(&action, &by, now);
                if let Ok(done) = &done {
                    info!(by, "{}", done.said);
                    let what = Happening::Done {
                        by,
                        said: done.said.clone(),
                    };
                    self.writes.log.push(LogEntry { at: now, what });
                }
                self.acted.push((answer, done));
                now
            }
            Input::Live(now) => {
                self.catching_up = false;
                now
            }
        }
    }

    /// Makes durable what was decided, then sends what is due.
    fn act(&mut self, now: Timestamp) {
        self.gather(now);
        self.ready.extend(self.outbox.due(now));
        self.note();
        let is_committed = self.commit();
        self.answer_actions(is_committed);
        self.answer_pulses(is_committed, now);
        self.look_at_delivery(now);
        if is_committed {
            for delivery in std::mem::take(&mut self.ready) {
                self.send(delivery);
            }
        }
    }

    /// Says what became of actions, now that it is on the disk or cannot be.
    fn answer_actions(&mut self, is_committed: bool) {
        for (answer, done) in self.acted.drain(..) {
            let done = done.and_then(|done| match is_committed {
                true => Ok(done),
                false => Err(Refusal::Unavailable(format!(
                    "{}; but that cannot be written down now, so a restart would forget it: it is tried again",
                    done.said
                ))),
            });
            // Whoever asked may have gone.
            let _ = answer.send(done);
        }
    }

    /// Takes over what the engine decided.
    fn gather(&mut self, now: Timestamp) {
        let effects = lock(&self.engine).take_effects();
        for effect in effects {
            self.carry_out(effect, now);
        }
    }

    /// Takes over what the outbox wants to be durable.
    fn note(&mut self) {
        for effect in self.outbox.take_effects() {
            match effect {
                OutboxEffect::Store(row) => self.writes.put_pending(*row),
                OutboxEffect::Remove(key) => self.writes.remove_pending(key),
                OutboxEffect::Ledger(entry) => {
                    info!(notice = %entry.key, "{entry}");
                    self.writes.ledger.push(entry);
                }
            }
        }
    }

    fn carry_out(&mut self, effect: Effect, now: Timestamp) {
        match effect {
            Effect::Transition { check, transition } => {
                info!(%check, from = %transition.from, to = %transition.to, "severity changed");
                let what = Happening::Changed { check, transition };
                let at = transition.at;
                self.writes.log.push(LogEntry { at, what });
            }
            Effect::Tell(mut notice) => {
                notice.often = self.tables.often(&notice);
                self.outbox.handle_tell(notice, now);
            }
            Effect::NotTold {
                incident,
                contact,
                reason,
            } => self.log_not_told(incident, contact, reason.to_string(), now),
            Effect::Store(record) => {
                if let Record::Incident(incident) = &record {
                    self.log_incident(incident, now);
                }
                self.writes.put(record);
            }
            Effect::Forget(RecordKey::Downtime(id)) => {
                self.writes.ended.push((id, now));
                self.writes.forget(RecordKey::Downtime(id));
            }
            Effect::Forget(key) => self.writes.forget(key),
        }
    }

    fn commit(&mut self) -> bool {
        match self.tables.commit(&mut self.writes) {
            Ok(()) => {
                if self.stuck {
                    info!("alert state can be written again");
                }
                self.stuck = false;
                self.health.report(Part::Alerts, Ok(()), clock::now());
            }
            Err(error) if self.stuck => debug!(%error, "alert state cannot be written"),
            Err(error) => {
                let text = format!("nobody is told anything: {error}");
                error!("{text}");
                self.health.report(Part::Alerts, Err(text), clock::now());
                self.stuck = true;
            }
        }
        !self.stuck
    }

    fn wait(&self, now: Timestamp) -> Duration {
        if self.stuck {
            return COMMIT_AGAIN;
        }
        let engine = if self.catching_up {
            None
        } else {
            lock(&self.engine).poll_timeout()
        };
        let outbox = self.outbox.poll_timeout(now);
        let soonest = [engine, outbox].into_iter().flatten().min();
        let longest = ravenry_alerts::engine::TICK;
        soonest.map_or(longest, |at| at.since(now).min(longest))
    }

    /// Takes in what waits, gives notices on their way a little time, and saves everything.
    async fn stop(mut self, mut inputs: mpsc::Receiver<Input>) {
        inputs.close();
        while let Some(input) = inputs.recv().await {
            self.handle(input);
        }
        let last = async {
            while let Some(ended) = self.sends.join_next_with_id().await {
                self.ended(ended, clock::now());
            }
        };
        if tokio::time::timeout(STOP_GRACE, last).await.is_err() {
            warn!("notices are still on their way: they are sent again after the next start");
        }
        self.gather(clock::now());
        self.note();
        let is_committed = self.commit();
        self.answer_actions(is_committed);
        if is_committed {
            self.save_rest();
        }
    }

    /// What was decided is durable; now the last readings of checks that are as they were, as many as time allows. Of those
    /// that it does not allow for, the next start knows what it would know had the power gone.
    fn save_rest(&mut self) {
        let began = clock::monotonic();
        let records = lock(&self.engine).records();
        for some in records.chunks(STOP_ROWS) {
            if clock::monotonic().saturating_duration_since(began) >= STOP_SAVING {
                debug!("not the last reading of every check could be saved");
                break;
            }
            some.iter()
                .cloned()
                .for_each(|record| self.writes.put(record));
            if !self.commit() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests;
