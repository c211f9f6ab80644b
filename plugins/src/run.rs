//! Runs a plugin and brings back what it printed, whatever the plugin does.
//!
//! A run ends in one of the ways of [`RunOutcome`] and within time-out + grace + a second. Its memory is limited by
//! [`RunLimits`]. Nothing that it started survives a run that is cut short, also when the future is dropped: processes of
//! its group, and those that left the group, which are known by a variable of their environment, [`MARK`]. What a plugin
//! left behind after it closed its output, and what hides from us by emptying its environment, is its own business.
//!
//! The plugin's process dies with the thread that started it (see [`crate::exec`]): call [`run`] on the runtime's own
//! threads, not under `spawn_blocking` or `block_in_place`.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use crate::clock;
use crate::exec::{self, GroupWanted, Order};
use crate::timestamp::Timestamp;

mod sweep;

pub use sweep::MARK;

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSpec {
    /// Path of the executable, which it sees as its own name; without `/` it is looked up in `PATH`.
    pub program: OsString,
    /// Its arguments; none for a fetch.
    pub args: Vec<OsString>,
    /// Its whole environment: nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Name or number of the user; none is our own.
    pub user: Option<String>,
    /// Groups instead of the user's own.
    pub groups: Vec<GroupWanted>,
    /// What it finds on its standard input; nothing is the end of the file at once.
    pub stdin: Vec<u8>,
    /// The program that calls [`exec::dispatch`].
    pub helper: PathBuf,
}

impl RunSpec {
    /// A run of `program` as ourselves, without arguments and with an empty environment.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            user: None,
            groups: Vec::new(),
            stdin: Vec::new(),
            helper: PathBuf::from("/proc/self/exe"),
        }
    }
}

/// What a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    /// Until it is told to stop.
    pub timeout: Duration,
    /// Between being told to stop (SIGHUP, SIGTERM) and being killed.
    pub grace: Duration,
    /// How long its output is awaited after it exited, when something it started still holds it.
    pub drain: Duration,
    /// Bytes of stdout; more ends the run.
    pub stdout_bytes: usize,
    /// Bytes of stderr that are kept; more is read and dropped.
    pub stderr_bytes: usize,
    /// Files that it may have open.
    pub open_files: u64,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            grace: Duration::from_secs(2),
            drain: Duration::from_millis(500),
            stdout_bytes: crate::munin::parser::BYTES_MAX,
            stderr_bytes: 64 << 10,
            open_files: 1024,
        }
    }
}

/// Every way in which a run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// It ran to its end.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// It ran to its end, but something that it started kept its output open; its process group was ended. The output counts.
    HeldOutput {
        /// Its exit code.
        code: i32,
    },
    /// A signal that is not ours ended it.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// It was stopped because its time was over.
    TimedOut {
        /// The time it had.
        after: Duration,
    },
    /// It was stopped because it printed too much.
    OutputTooLong {
        /// The bytes it had.
        limit_bytes: usize,
    },
    /// It never ran.
    NotStarted {
        /// One sentence.
        why: String,
    },
    /// It ran, but how it ended could not be learnt.
    Lost {
        /// What the system said.
        why: String,
    },
}

impl RunOutcome {
    /// The exit code of a run that came to its end by itself: its output counts.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Exited { code } | Self::HeldOutput { code } => Some(*code),
            Self::Signalled { .. }
            | Self::TimedOut { .. }
            | Self::OutputTooLong { .. }
            | Self::NotStarted { .. }
            | Self::Lost { .. } => None,
        }
    }

    /// Whether it went well, as Munin sees it: it came to its end and exited with 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.exit_code() == Some(0)
    }

    /// What is to be reported although the output counts.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        matches!(self, Self::HeldOutput { .. }).then(|| self.to_string())
    }
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "exited with code {code}"),
            Self::HeldOutput { code } => write!(
                f,
                "exited with code {code}, but something that it started kept its output open and was killed"
            ),
            Self::Signalled { signal } => match Signal::try_from(*signal) {
                Ok(name) => write!(f, "was ended by {name}"),
                Err(_) => write!(f, "was ended by signal {signal}"),
            },
            Self::TimedOut { after } => {
                write!(
                    f,
                    "timed out after {} s and was stopped",
                    after.as_secs_f64()
                )
            }
            Self::OutputTooLong { limit_bytes } => {
                write!(f, "printed more than {limit_bytes} bytes and was stopped")
            }
            Self::NotStarted { why } => write!(f, "was not started: {why}"),
            Self::Lost { why } => write!(f, "was lost: {why}"),
        }
    }
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunResult {
    /// How it ended.
    pub outcome: RunOutcome,
    /// What it printed, up to the limit; also of a run that was stopped.
    pub stdout: Vec<u8>,
    /// What it complained, up to the limit.
    pub stderr: Vec<u8>,
    /// When it was started.
    pub started: Timestamp,
    /// How long it took.
    pub duration: Duration,
}

/// Runs a plugin to its end.
pub async fn run(spec: &RunSpec, limits: &RunLimits) -> RunResult {
    let started = clock::now();
    let began = clock::monotonic();
    let mut output = Output::default();
    let mark = sweep::mark(started);
    let outcome = match start(spec, limits, &mark) {
        Ok(child) => follow(child, mark, spec, limits, &mut output).await,
        Err(why) => RunOutcome::NotStarted { why },
    };
    let outcome = refusal(outcome, &output);
    RunResult {
        outcome,
        stdout: output.stdout,
        stderr: output.stderr,
        started,
        duration: clock::monotonic().saturating_duration_since(began),
    }
}

fn start(spec: &RunSpec, limits: &RunLimits, mark: &str) -> Result<Child, String> {
    let order = Order {
        user: spec.user.clone(),
        groups: spec.groups.clone(),
        open_files: limits.open_files,
        parent: i32::try_from(std::process::id()).unwrap_or_default(),
    };
    let order = serde_json::to_string(&order).map_err(|error| error.to_string())?;
    match spawn(&spec.helper, spec, &order, mark) {
        // It was there when we began: the programs are being replaced.
        Err(error) if error.kind() == ErrorKind::NotFound && exec::is_helper(&spec.helper) => {
            spawn(Path::new(exec::OURSELVES), spec, &order, mark)
        }
        spawned => spawned,
    }
    .map_err(|error| format!("{}: {error}", spec.helper.display()))
}

fn spawn(helper: &Path, spec: &RunSpec, order: &str, mark: &str) -> io::Result<Child> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that starts programs"
    )]
    Command::new(helper)
        .arg(exec::WORD)
        .arg(order)
        .arg(&spec.program)
        .args(&spec.args)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .env(MARK, mark)
        .stdin(match spec.stdin.is_empty() {
            true => Stdio::null(),
            false => Stdio::piped(),
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// A helper that refused is a run that never started, for the reason that it printed.
fn refusal(outcome: RunOutcome, output: &Output) -> RunOutcome {
    if outcome.exit_code() != Some(exec::REFUSED) {
        return outcome;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    match said.strip_prefix(exec::REFUSAL) {
        Some(why) => RunOutcome::NotStarted {
            why: why.trim_end().to_owned(),
        },
        None => outcome,
    }
}

#[derive(Default)]
struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// The processes of a run; killed when this is dropped before [`Self::leave`].
struct ProcessGroup {
    leader: Option<Pid>,
    mark: String,
}

impl ProcessGroup {
    fn of(child: &Child, mark: String) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        Self {
            leader: leader.map(Pid::from_raw),
            mark,
        }
    }

    /// Sends `signal` to all of them; to none while the helper has not made the group yet.
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            let _ = killpg(leader, signal);
        }
    }

    /// To those that outlived their leader: its number still names the group, for they are in it. And to those that left
    /// the group.
    async fn kill_rest(&mut self) {
        if let Some(leader) = self.leader.take() {
            let _ = killpg(leader, Signal::SIGKILL);
            let mark = std::mem::take(&mut self.mark);
            // Reads /proc, which takes some milliseconds.
            let _ = tokio::task::spawn_blocking(move || sweep::kill(&mark)).await;
        }
    }

    fn leave(mut self) {
        self.leader = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if self.leader.is_none() {
            return;
        }
        self.signal(Signal::SIGKILL);
        let mark = std::mem::take(&mut self.mark);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || sweep::kill(&mark));
        } else {
            sweep::kill(&mark);
        }
    }
}

/// How the reading of a run's output ended.
enum Ending {
    Exited(ExitStatus),
    Held(ExitStatus),
    TooLong,
    Failed(io::Error),
}

async fn follow(
    mut child: Child,
    mark: String,
    spec: &RunSpec,
    limits: &RunLimits,
    output: &mut Output,
) -> RunOutcome {
    let mut group = ProcessGroup::of(&child, mark);
    let conversation = converse(&mut child, &spec.stdin, limits, output);
    let ending = timeout(limits.timeout, conversation).await;
    match ending {
        Ok(Ending::Exited(status)) => {
            group.leave();
            ended(status, |code| RunOutcome::Exited { code })
        }
        Ok(Ending::Held(status)) => {
            group.kill_rest().await;
            ended(status, |code| RunOutcome::HeldOutput { code })
        }
        Ok(Ending::TooLong) => {
            stop(&mut child, &mut group, Duration::ZERO).await;
            RunOutcome::OutputTooLong {
                limit_bytes: limits.stdout_bytes,
            }
        }
        Ok(Ending::Failed(error)) => {
            stop(&mut child, &mut group, Duration::ZERO).await;
            RunOutcome::Lost {
                why: error.to_string(),
            }
        }
        Err(_elapsed) => {
            stop(&mut child, &mut group, limits.grace).await;
            RunOutcome::TimedOut {
                after: limits.timeout,
            }
        }
    }
}

fn ended(status: ExitStatus, with_code: impl FnOnce(i32) -> RunOutcome) -> RunOutcome {
    match (status.code(), status.signal()) {
        (Some(code), _) => with_code(code),
        (None, Some(signal)) => RunOutcome::Signalled { signal },
        (None, None) => RunOutcome::Lost {
            why: format!("it {status}"),
        },
    }
}

/// Writes its input while its output is read; what it does not read is its own business.
async fn converse(
    child: &mut Child,
    input: &[u8],
    limits: &RunLimits,
    output: &mut Output,
) -> Ending {
    let stdin = child.stdin.take();
    let write = async {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(input).await;
        }
        std::future::pending::<std::convert::Infallible>().await
    };
    tokio::select! {
        ending = read(child, limits, output) => ending,
        never = write => match never {},
    }
}

/// Reads both outputs until they are closed and the child is gone, or a limit is met.
async fn read(child: &mut Child, limits: &RunLimits, output: &mut Output) -> Ending {
    let mut pumped = pin!(pump(
        child.stdout.take(),
        child.stderr.take(),
        limits,
        output
    ));
    tokio::select! {
        biased;
        whole = &mut pumped => {
            if !whole {
                return Ending::TooLong;
            }
            child.wait().await.map_or_else(Ending::Failed, Ending::Exited)
        }
        status = child.wait() => match (status, timeout(limits.drain, pumped).await) {
            (Err(error), _) => Ending::Failed(error),
            (Ok(_), Ok(false)) => Ending::TooLong,
            (Ok(status), Ok(true)) => Ending::Exited(status),
            (Ok(status), Err(_elapsed)) => Ending::Held(status),
        },
    }
}

/// Reads both outputs until they are closed; false when stdout is too long.
async fn pump(
    mut stdout: Option<ChildStdout>,
    mut stderr: Option<ChildStderr>,
    limits: &RunLimits,
    output: &mut Output,
) -> bool {
    let (mut from_stdout, mut from_stderr) = ([0; 16 << 10], [0; 4 << 10]);
    while stdout.is_some() || stderr.is_some() {
        tokio::select! {
            count = some(&mut stdout, &mut from_stdout) => {
                let room = limits.stdout_bytes.saturating_sub(output.stdout.len());
                output.stdout.extend_from_slice(&from_stdout[..count.min(room)]);
                if count > room {
                    return false;
                }
            }
            count = some(&mut stderr, &mut from_stderr) => {
                let room = limits.stderr_bytes.saturating_sub(output.stderr.len());
                output.stderr.extend_from_slice(&from_stderr[..count.min(room)]);
            }
        }
    }
    true
}

/// Waits for bytes; at the end of the pipe it becomes none, and for none this waits for ever.
async fn some(pipe: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    let Some(open) = pipe else {
        return std::future::pending().await;
    };
    match open.read(buffer).await {
        Ok(count) if count > 0 => count,
        Ok(_) | Err(_) => {
            *pipe = None;
            0
        }
    }
}

/// Tells the group to stop, waits for the leader as long as `grace`, then kills it.
async fn stop(child: &mut Child, group: &mut ProcessGroup, grace: Duration) {
    /// A process that does not even die when killed (it hangs in the kernel) is left to the system.
    const DEATH: Duration = Duration::from_secs(1);
    if !grace.is_zero() {
        group.signal(Signal::SIGHUP);
        group.signal(Signal::SIGTERM);
        let _ = timeout(grace, child.wait()).await;
    }
    if child.id().is_some() {
        group.signal(Signal::SIGKILL);
        let _ = child.start_kill();
        let _ = timeout(DEATH, child.wait()).await;
    }
    group.kill_rest().await;
}
