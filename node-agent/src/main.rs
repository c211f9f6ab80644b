//! `ravenry-agent`: the command line around the library.

#![forbid(unsafe_code)]

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Parser, Subcommand};
use ravenry_agent::agent;
use ravenry_agent::config::{Config, Surroundings, collector_url, load};
use ravenry_agent::directory::{Directory, Kind, Plugin};
use ravenry_agent::enrolment;
use ravenry_agent::runner::Runner;
use ravenry_agent::status::Status;
use ravenry_agent::uplink::{HttpUplink, Uplink};
use ravenry_plugins::{clock, exec};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

mod lint;
mod once;
mod suggest;

const AFTER_HELP: &str = "\
Files:
  /etc/ravenry/agent.toml          configuration; -c names another file
  /etc/ravenry/plugins/            plugins: executables, and links as of Munin's
  /etc/ravenry/nagios-plugins.d/   Nagios checks that need no arguments
  /etc/ravenry/plugin-conf.d/      users, environment and time-outs of both, in Munin's form
  /var/lib/ravenry-agent/          id, token, spool and plugins' state; below the user's state
                                   directory where the agent is not root

Examples:
  ravenry-agent enroll http://collector.example.net:4950 rvn_...   then: ravenry-agent run
  ravenry-agent suggest --shell | sh                               link all that would work here
  ravenry-agent lint ./myplugin                                    what is understood of a plugin

Signals: SIGHUP reads the configuration again, all of it or nothing; SIGTERM ends within two seconds
what runs and keeps on disk what was read. The log goes to standard error; RAVENRY_LOG=debug says
more. Exit code: 0 all went well, 1 something did not, 2 the command line is wrong.";

/// Runs plugins on this host and pushes what they read to a Ravenry collector.
#[derive(Debug, Parser)]
#[command(name = "ravenry-agent", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run plugins and push their readings, until told to stop
    Run(At),
    /// Get a token of this agent's own from a collector, for a one-time token (`ravenry token new NAME --once`)
    Enroll {
        #[command(flatten)]
        at: At,
        /// The collector's address, such as http://collector.example.net:4950
        url: String,
        /// The one-time token
        token: String,
    },
    /// Run every plugin once and print what would be pushed
    Once {
        #[command(flatten)]
        at: At,
        /// Print the batch as JSON, as it could be pushed with curl
        #[arg(long)]
        json: bool,
    },
    /// List the plugins that would run, and what else is in their directory
    List(At),
    /// Print what a plugin declares
    Config {
        #[command(flatten)]
        at: At,
        /// Its name, as `list` shows it
        plugin: String,
    },
    /// Print what a plugin reads
    Fetch {
        #[command(flatten)]
        at: At,
        /// Its name, as `list` shows it
        plugin: String,
    },
    /// Say which plugins would work on this machine, as munin-node-configure does
    Suggest(suggest::Suggest),
    /// Link plugins into the plugin directory
    Enable(suggest::Enable),
    /// Remove links from the plugin directory
    Disable(suggest::Disable),
    /// Say what is understood of plugins' output, and every problem with its line
    Lint(lint::Lint),
}

#[derive(Debug, Args)]
struct At {
    /// Configuration file [default: /etc/ravenry/agent.toml where there is one]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Read when no file is named.
const DEFAULT_FILE: &str = "/etc/ravenry/agent.toml";
/// What may still be running when the program ends.
const SHUTDOWN_MAX: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    exec::dispatch();
    let cli = Cli::parse();
    start_logging();
    // One thread: an agent waits nearly all the time, and handing work to another thread costs more than the work.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            error!("starting: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(carry_out(cli.command));
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ravenry-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start_logging() {
    let wanted = std::env::var("RAVENRY_LOG").ok();
    // Levels by module, and not all that `EnvFilter` knows: that brings machines of regular expressions with it.
    let levels: Option<Targets> = wanted.and_then(|wanted| wanted.parse().ok());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry()
        .with(lines)
        .with(levels.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO)))
        .init();
}

async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(at) => run(&at).await,
        Command::Enroll { at, url, token } => enroll(&at, &url, &token).await,
        Command::Once { at, json } => once::once(configuration(&at)?, json).await,
        Command::List(at) => list(&configuration(&at)?),
        Command::Config { at, plugin } => print(configuration(&at)?, &plugin, Some("config")).await,
        Command::Fetch { at, plugin } => print(configuration(&at)?, &plugin, None).await,
        Command::Suggest(suggest) => suggest::suggest(suggest).await,
        Command::Enable(enable) => suggest::enable(&enable),
        Command::Disable(disable) => suggest::disable(&disable),
        Command::Lint(lint) => lint::lint(lint).await,
    }
}

/// The configuration in `at`, or the default file's, or no file's.
fn configuration(at: &At) -> anyhow::Result<Config> {
    let surroundings = Surroundings::of_this_process();
    let default = PathBuf::from(DEFAULT_FILE);
    let file = match &at.file {
        Some(file) => file,
        None if default.exists() => &default,
        None => return enrolled(Config::defaults(&surroundings)),
    };
    let config = load(file, &surroundings).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("the configuration is refused:\n{}", lines.join("\n"))
    })?;
    enrolled(config)
}

/// With the collector of an enrolment, where none is configured. Who may not read it needs it only to push.
fn enrolled(mut config: Config) -> anyhow::Result<Config> {
    match enrolment::fill_in(&mut config) {
        Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => {
            let dir = config.state_dir.display();
            Err(error).with_context(|| format!("what enrolment left in {dir} cannot be read"))
        }
        Ok(()) | Err(_) => Ok(config),
    }
}

async fn enroll(at: &At, url: &str, token: &str) -> anyhow::Result<ExitCode> {
    let config = configuration(at)?;
    let collector = collector_url(url).map_err(|why| anyhow!(why))?;
    let token = token
        .parse()
        .map_err(|why: String| anyhow!("the token: {why}"))?;
    enrolment::enroll(&config, &collector, &token).await?;
    show(&format!(
        "{} is enrolled at {collector}; its token is in {}\n",
        config.host,
        config.state_dir.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn uplink_of(config: &Config) -> anyhow::Result<Uplink> {
    if config.collectors.is_empty() {
        bail!(
            "no collector is configured: expected collector = \"http://HOST:4950\" in {DEFAULT_FILE} or the file of -c, \
             or `ravenry-agent enroll URL TOKEN` first"
        );
    }
    let token = config.token.clone();
    Ok(Uplink::Http(HttpUplink::new(&config.collectors, token)?))
}

/// Runs agents, one after the other: SIGHUP begins another with what the configuration says then.
async fn run(at: &At) -> anyhow::Result<ExitCode> {
    let mut config = configuration(at)?;
    let mut uplink = uplink_of(&config)?;
    let mut signals = Signals::new().context("listening for signals")?;
    loop {
        let (stop, stopped) = watch::channel(false);
        let mut running = tokio::spawn(agent::run(config.clone(), uplink.clone(), stopped));
        let next = loop {
            tokio::select! {
                ended = &mut running => {
                    ended??;
                    bail!("the agent ended by itself");
                }
                wanted = signals.next() => match wanted {
                    Wanted::Stop => break None,
                    Wanted::Reload => match configuration(at).and_then(|new| Ok((uplink_of(&new)?, new))) {
                        Ok(new) => break Some(new),
                        Err(error) => error!("the running configuration stays in force: {error:#}"),
                    },
                },
            }
        };
        stop.send_replace(true);
        running.await??;
        match next {
            None => return Ok(ExitCode::SUCCESS),
            Some(new) => (uplink, config) = new,
        }
        info!("the configuration was read again");
    }
}

/// The signals that mean something.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

enum Wanted {
    Stop,
    Reload,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Wanted {
        tokio::select! {
            _ = self.interrupt.recv() => Wanted::Stop,
            _ = self.terminate.recv() => Wanted::Stop,
            _ = self.hangup.recv() => Wanted::Reload,
        }
    }
}

fn list(config: &Config) -> anyhow::Result<ExitCode> {
    let scan = Directory::new(config).scan(clock::monotonic());
    let status = Status::load(&config.state_dir);
    let mut text = String::new();
    for plugin in &scan.plugins {
        let kind = match &plugin.kind {
            Kind::Bundled => "bundled".to_owned(),
            Kind::Foreign { path } => path.display().to_string(),
            Kind::Check { words } => format!("check: {}", words.join(" ")),
        };
        let problem = status
            .of(&plugin.name)
            .and_then(|last| last.problem.as_deref())
            .unwrap_or_default();
        let line = format!("{:<30} {kind:<40} {problem}", plugin.name);
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    for ignored in &scan.ignored {
        text.push_str(&format!("{:<30} not run: {}\n", ignored.name, ignored.why));
    }
    show(&text)?;
    for problem in &scan.problems {
        eprintln!("{problem}");
    }
    Ok(if scan.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Writes to stdout; who reads it may stop reading.
fn show(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("writing to stdout")
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints what a plugin prints, as it is run by the agent.
async fn print(config: Config, name: &str, word: Option<&'static str>) -> anyhow::Result<ExitCode> {
    let scan = Directory::new(&config).scan(clock::monotonic());
    let found: Option<&Plugin> = scan.plugins.iter().find(|plugin| *plugin.name == *name);
    let plugin =
        found.with_context(|| format!("there is no plugin {name:?}: see `ravenry-agent list`"))?;
    let runner = Runner::new(&config);
    if plugin.kind == Kind::Bundled {
        let text = runner.print_bundled(plugin, word).await;
        show(&text.map_err(|why| anyhow!("{name}: {why}"))?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let result = runner.print(plugin, word).await;
    show(&String::from_utf8_lossy(&result.stdout))?;
    eprint!("{}", String::from_utf8_lossy(&result.stderr));
    if result.outcome.succeeded() {
        return Ok(ExitCode::SUCCESS);
    }
    bail!("{name}: {}", result.outcome)
}
