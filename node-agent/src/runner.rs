//! Runs one plugin once: asks its `config` where that is due, then its values, and brings back a [`Run`] whatever happens.
//!
//! A foreign plugin is a program, started through the exec helper with what `plugin-conf.d` says and the environment that
//! Munin's plugins expect. A bundled one is called on a thread of its own: when it hangs (a dead file system), the run ends
//! with an error, the thread is left behind, and the plugin is not called again until it has come back. Bundled ones that
//! cannot hang share a thread.

use std::collections::HashSet;
use std::error::Error;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ravenry_plugins::bundled::{self, BundledError, Environment, System};
use ravenry_plugins::clock;
use ravenry_plugins::declaration::Declaration;
use ravenry_plugins::exec;
use ravenry_plugins::munin::{
    Extinfo, Parsed, PluginSample, emit, parse_config, parse_fetch, text_of,
};
use ravenry_plugins::nagios::{self, NagiosResult, Verdict};
use ravenry_plugins::name::HostName;
use ravenry_plugins::problem::Problem;
use ravenry_plugins::run::{self, RunLimits, RunOutcome, RunResult};
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::{VERDICT_TEXT_BYTES_MAX, VerdictReport};
use tokio::sync::oneshot;

use crate::config::Config;
use crate::directory::{Kind, Plugin};
use crate::environment::{Asker, Base};
use crate::gather::Run;
use crate::schedule::PluginName;

/// Bytes of what a plugin complained that a person is shown.
const COMPLAINT_CHARS_MAX: usize = 200;

/// Runs plugins.
#[derive(Clone, Debug)]
pub struct Runner {
    base: Arc<Base>,
    timeout: Duration,
    helper: PathBuf,
    /// Bundled plugins that are being called now.
    busy: Arc<Mutex<HashSet<PluginName>>>,
}

/// A bundled plugin, and whether its `config` is wanted.
type Call = (Plugin, bool);

/// Why a bundled plugin has no run that it could tell of itself.
const BROKEN: &str = "broke down";

/// When a run began, by both clocks.
#[derive(Clone, Copy, Debug)]
struct Began {
    time: Timestamp,
    at: Instant,
}

impl Began {
    fn now() -> Self {
        Self {
            time: clock::now(),
            at: clock::monotonic(),
        }
    }
}

/// Runs of several plugins that are under way.
pub type RunningAll = Pin<Box<dyn Future<Output = Vec<Run>> + Send>>;

/// A run that is under way; its processes are killed when it is dropped.
pub type Running = Pin<Box<dyn Future<Output = Run> + Send>>;

impl Runner {
    /// A runner with the time-out, the state directory and the helper of `config`.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            base: Arc::new(Base::new(config)),
            timeout: config.timeout,
            helper: config.exec_helper.clone().unwrap_or_else(exec::helper),
            busy: Arc::default(),
        }
    }

    /// Runs `plugin`, with its `config` first where that is wanted.
    #[must_use]
    pub fn run(&self, plugin: &Plugin, config: bool) -> Running {
        let (runner, plugin) = (self.clone(), plugin.clone());
        Box::pin(async move {
            let began = Began::now();
            let gained = match &plugin.kind {
                Kind::Bundled => return runner.call(plugin, config).await,
                Kind::Foreign { .. } => runner.execute(&plugin, config).await,
                Kind::Check { .. } => {
                    Gained::from_check(&plugin, &runner.print(&plugin, None).await)
                }
            };
            finish(&plugin, began, gained)
        })
    }

    /// Runs bundled plugins that are instant, one after the other: a thread and a wake-up for all, and the same processes
    /// seen by all. Each comes with whether its `config` is wanted.
    #[must_use]
    pub fn run_instant(&self, calls: Vec<(Plugin, bool)>) -> RunningAll {
        let runner = self.clone();
        Box::pin(async move { runner.call_all(calls).await })
    }

    /// What a foreign plugin prints for `word` (`config`, or nothing for its values).
    pub async fn print(&self, plugin: &Plugin, word: Option<&str>) -> RunResult {
        self.print_for(plugin, word, &Asker::agent()).await
    }

    /// The same, asked by somebody else.
    pub async fn print_for(&self, plugin: &Plugin, word: Option<&str>, asker: &Asker) -> RunResult {
        let limits = RunLimits {
            timeout: self.limit(plugin),
            ..RunLimits::default()
        };
        let (base, helper, asked) = (self.base.clone(), self.helper.clone(), plugin.clone());
        let (argument, asker) = (word.map(str::to_owned), asker.clone());
        let spec = tokio::task::spawn_blocking(move || {
            base.spec(&asked, argument.as_deref(), &asker, &helper)
        })
        .await;
        match spec.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(spec) => run::run(&spec, &limits).await,
            Err(why) => RunResult {
                outcome: RunOutcome::NotStarted { why },
                stdout: Vec::new(),
                stderr: Vec::new(),
                started: clock::now(),
                duration: Duration::ZERO,
            },
        }
    }

    /// What a bundled plugin would print for `word`.
    ///
    /// # Errors
    /// One sentence, when it could not answer.
    pub async fn print_bundled(
        &self,
        plugin: &Plugin,
        word: Option<&'static str>,
    ) -> Result<String, String> {
        let (base, plugin) = (self.base.clone(), plugin.clone());
        let answer = tokio::task::spawn_blocking(move || {
            let bundled =
                bundled::find(&plugin.name).ok_or("there is no bundled plugin of this name")?;
            let environment = base.for_bundled(&plugin);
            let text = match word {
                Some(_) => bundled
                    .config(&environment)
                    .map(|graphs| emit::config(&graphs, bundled.graph())),
                None => bundled
                    .fetch(&environment)
                    .map(|samples| emit::fetch(&samples, bundled.graph())),
            };
            text.map_err(|error| chain(&error))
        });
        answer.await.map_err(|error| error.to_string())?
    }

    async fn execute(&self, plugin: &Plugin, config: bool) -> Gained {
        let mut gained = Gained::default();
        if config {
            let result = self.print(plugin, Some("config")).await;
            gained.take_config(plugin, &result);
            if gained.error.is_some() || !gained.samples.is_empty() {
                return gained;
            }
        }
        let result = self.print(plugin, None).await;
        gained.take_fetch(plugin, &result);
        gained
    }

    async fn call(&self, plugin: Plugin, config: bool) -> Run {
        let began = Began::now();
        let runs = self.call_all(vec![(plugin.clone(), config)]).await;
        let run = runs.into_iter().next();
        run.unwrap_or_else(|| finish(&plugin, began, Gained::failed(BROKEN.to_owned())))
    }

    /// Calls bundled plugins on a thread of their own; a run for each, in any order.
    async fn call_all(&self, calls: Vec<Call>) -> Vec<Run> {
        let began = Began::now();
        let limits = calls.iter().map(|(plugin, _)| self.limit(plugin));
        let limit = limits.max().unwrap_or(self.timeout);
        let (free, mut runs) = self.claim(calls, began);
        let Some((first, _)) = free.first() else {
            return runs;
        };
        let (send, receive) = oneshot::channel();
        let (runner, called) = (self.clone(), free.clone());
        let thread = std::thread::Builder::new().name(first.name.chars().take(15).collect());
        let spawned = thread.spawn(move || {
            // Nobody listens any more when the run's time was over.
            let _ = send.send(runner.call_here(&called));
        });
        let why = match spawned {
            Err(error) => {
                self.release(&free);
                format!("was not started: {error}")
            }
            Ok(_) => match tokio::time::timeout(limit, receive).await {
                Ok(Ok(done)) => {
                    runs.extend(done);
                    return runs;
                }
                Ok(Err(_)) => {
                    self.release(&free);
                    BROKEN.to_owned()
                }
                // They stay busy until the thread comes back.
                Err(_) => format!("timed out after {} s", limit.as_secs()),
            },
        };
        let failed = |(plugin, _): &Call| finish(plugin, began, Gained::failed(why.clone()));
        runs.extend(free.iter().map(failed));
        runs
    }

    /// Marks plugins as busy; those that are already have their run at once, which failed.
    fn claim(&self, calls: Vec<Call>, began: Began) -> (Vec<Call>, Vec<Run>) {
        let mut busy = self.lock_busy();
        let (free, late): (Vec<Call>, Vec<Call>) = calls
            .into_iter()
            .partition(|(plugin, _)| busy.insert(plugin.name.clone()));
        let why = "its last run has not come back yet";
        let late = late.iter();
        let failed = late.map(|(plugin, _)| finish(plugin, began, Gained::failed(why.to_owned())));
        (free, failed.collect())
    }

    fn release(&self, calls: &[Call]) {
        let mut busy = self.lock_busy();
        for (plugin, _) in calls {
            busy.remove(&plugin.name);
        }
    }

    /// Calls bundled plugins in turn. Blocks. What breaks one down leaves the others whole.
    fn call_here(&self, calls: &[Call]) -> Vec<Run> {
        let system = System::running().for_one_round();
        let call = |(plugin, config): &Call| {
            let began = Began::now();
            let answer = AssertUnwindSafe(|| self.answer(plugin, *config, &system));
            let gained = catch_unwind(answer);
            let gained = gained.unwrap_or_else(|_| Gained::failed(BROKEN.to_owned()));
            self.lock_busy().remove(&plugin.name);
            finish(plugin, began, gained)
        };
        calls.iter().map(call).collect()
    }

    fn answer(&self, plugin: &Plugin, config: bool, system: &System) -> Gained {
        let Some(bundled) = bundled::find(&plugin.name) else {
            return Gained::failed("there is no bundled plugin of this name".to_owned());
        };
        let environment = self.base.for_bundled(plugin).with_system(system.clone());
        Gained::from_bundled(&bundled, &environment, config)
            .unwrap_or_else(|error| Gained::failed(chain(&error)))
    }

    fn limit(&self, plugin: &Plugin) -> Duration {
        plugin.settings.timeout.unwrap_or(self.timeout)
    }

    fn lock_busy(&self) -> std::sync::MutexGuard<'_, HashSet<PluginName>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a run has given so far.
#[derive(Debug, Default)]
struct Gained {
    declarations: Option<Vec<Declaration>>,
    samples: Vec<PluginSample>,
    extinfo: Vec<Extinfo>,
    verdict: Option<VerdictReport>,
    /// When the values were read, if that is not when the run began.
    time: Option<Timestamp>,
    error: Option<String>,
    problems: Vec<Problem>,
}

impl Gained {
    fn failed(error: String) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }

    fn from_bundled(
        plugin: &bundled::Bundled,
        environment: &Environment,
        config: bool,
    ) -> Result<Self, BundledError> {
        let declarations = config.then(|| plugin.config(environment)).transpose()?;
        let time = clock::now();
        let samples = plugin.fetch(environment)?;
        Ok(Self {
            declarations,
            samples,
            time: Some(time),
            ..Self::default()
        })
    }

    /// What a Nagios check found. Every end of its run is a verdict; those that it did not choose itself are unknown.
    fn from_check(plugin: &Plugin, result: &RunResult) -> Self {
        let (said, mut problems) = match result.outcome.exit_code() {
            Some(code) => nagios::parse(code, &text_of(&result.stdout)),
            None => (unknown(&result.outcome), Vec::new()),
        };
        let (declarations, samples, more) = nagios::numbers::graphs(&plugin.graph, &said.perfdata);
        problems.extend(more);
        let notice = result.outcome.notice();
        problems.extend(notice.map(|notice| Problem::new("check", 0, notice)));
        let ended = result.outcome.exit_code().is_some();
        Self {
            declarations: (!declarations.is_empty()).then_some(declarations),
            samples,
            verdict: Some(VerdictReport {
                host: None,
                check: plugin.graph.clone(),
                time: result.started,
                verdict: said.verdict,
                text: words_of(&said, &result.stderr),
                interval_seconds: None,
            }),
            time: Some(result.started),
            error: (!ended).then(|| format!("{}{}", result.outcome, complaint(&result.stderr))),
            problems,
            ..Self::default()
        }
    }

    fn take_config(&mut self, plugin: &Plugin, result: &RunResult) {
        let Some(parsed) = self.take(plugin, "config", result) else {
            return;
        };
        if parsed
            .declarations
            .iter()
            .all(|graph| graph.fields.is_empty())
        {
            self.error = Some(format!(
                "config: declares no field{}",
                complaint(&result.stderr)
            ));
            return;
        }
        self.declarations = Some(parsed.declarations);
        self.samples = parsed.samples;
    }

    fn take_fetch(&mut self, plugin: &Plugin, result: &RunResult) {
        let Some(parsed) = self.take(plugin, "fetch", result) else {
            return;
        };
        if parsed.samples.is_empty() {
            let text = format!("printed no value{}", complaint(&result.stderr));
            self.problems.push(Problem::new("fetch", 0, text));
        }
        self.samples = parsed.samples;
        self.extinfo = parsed.extinfo;
    }

    /// What was understood of a reply; nothing, and an error, when the run failed.
    fn take(&mut self, plugin: &Plugin, word: &'static str, result: &RunResult) -> Option<Parsed> {
        self.time = Some(result.started);
        if !result.outcome.succeeded() {
            self.error = Some(format!(
                "{word}: {}{}",
                result.outcome,
                complaint(&result.stderr)
            ));
            return None;
        }
        let text = text_of(&result.stdout);
        let mut parsed = if word == "config" {
            parse_config(&text, &plugin.graph)
        } else {
            parse_fetch(&text, &plugin.graph)
        };
        self.problems.append(&mut parsed.problems);
        self.problems.extend(
            result
                .outcome
                .notice()
                .map(|notice| Problem::new(word, 0, notice)),
        );
        Some(parsed)
    }
}

/// What there is to report of a run that began at `began`.
fn finish(plugin: &Plugin, began: Began, mut gained: Gained) -> Run {
    if let Some(host) = &plugin.settings.host_name {
        speak_for(host, gained.declarations.iter_mut().flatten());
        if let Some(verdict) = &mut gained.verdict {
            verdict.host = Some(host.clone());
        }
    }
    if gained.error.is_some() {
        gained.samples.clear();
    }
    Run {
        plugin: plugin.name.clone(),
        time: gained.time.unwrap_or(began.time),
        duration: clock::monotonic().saturating_duration_since(began.at),
        declarations: gained.declarations,
        samples: gained.samples,
        extinfo: gained.extinfo,
        verdict: gained.verdict,
        error: gained.error,
        problems: gained.problems,
        // A check declares what it printed numbers of, this time.
        declares_all: !matches!(plugin.kind, Kind::Check { .. }),
    }
}

/// `host_name` of `plugin-conf.d` counts where the plugin itself names no host.
fn speak_for<'a>(host: &HostName, declarations: impl Iterator<Item = &'a mut Declaration>) {
    for declaration in declarations {
        declaration.host.get_or_insert_with(|| host.clone());
    }
}

/// A check that did not come to its end by itself.
fn unknown(outcome: &RunOutcome) -> NagiosResult {
    NagiosResult {
        verdict: Verdict::Unknown,
        text: format!("the check {outcome}"),
        long_text: String::new(),
        perfdata: Vec::new(),
    }
}

/// What a check said for people, or what it complained when it said nothing.
fn words_of(said: &NagiosResult, stderr: &[u8]) -> String {
    let mut text = said.text.clone();
    if text.is_empty() {
        text = format!("it printed nothing{}", complaint(stderr));
    }
    if !said.long_text.is_empty() {
        text = format!("{text}\n{}", said.long_text);
    }
    text.retain(|c| c == '\n' || !c.is_control());
    let mut end = VERDICT_TEXT_BYTES_MAX.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// The first thing that a plugin complained about, as the end of a sentence. Lines beginning with `#` are notes.
#[must_use]
pub fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    line.map_or_else(String::new, |line| {
        let plain = line
            .chars()
            .filter(|c| !c.is_control())
            .take(COMPLAINT_CHARS_MAX);
        format!(": {}", plain.collect::<String>())
    })
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
