//! The commands of `ravenry`, each declared once: help, man page and completion come from here.

pub(crate) mod check_config;
pub(crate) mod explain;
pub(crate) mod operate;
pub(crate) mod remote;
pub(crate) mod rrd;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod token;
pub(crate) mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Parser, Subcommand};
use nix::sys::stat::{Mode, umask};
use ravenry::database::Database;
use ravenry::serve::{DATABASE, default_data_dir};
use ravenry_plugins::timestamp::Timestamp;

/// Monitoring, alerting and graphing: without a command the collector with a local agent, on safe defaults.
#[derive(Debug, Parser)]
#[command(
    name = "ravenry",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    local: Local,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The collector without a command.
#[derive(Args, Debug)]
struct Local {
    #[command(flatten)]
    data: Data,
    /// Configuration file [default: ravenry.toml in the data directory, where there is one]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Where the data is.
#[derive(Args, Clone, Debug)]
pub(crate) struct Data {
    /// Data directory [default: /var/lib/ravenry for root, else ravenry in the user's state directory]
    #[arg(long, value_name = "DIR", env = "RAVENRY_DATA")]
    data: Option<PathBuf>,
}

impl Data {
    fn dir(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(default_data_dir)
    }

    /// The state database of a collector that has been started there.
    fn database(&self) -> anyhow::Result<Database> {
        let dir = self.dir();
        let path = dir.join(DATABASE);
        if !dir.join("lock").exists() && !path.exists() {
            bail!(
                "no data directory {}: start ravenry on it first, or name another one with --data",
                dir.display()
            );
        }
        Ok(Database::open(&path)?)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the collector as a configuration file says
    Serve(serve::Serve),
    /// Check a configuration and print each problem with its file and line
    CheckConfig(check_config::CheckConfig),
    /// Work with RRD files; takes rrdtool's command line
    #[command(disable_help_flag = true)]
    Rrd {
        /// As for rrdtool: `create`, `update`, `fetch`, `info`, ...
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Show what is wrong now, who was told, and what is quiet
    Status(status::Status),
    /// Say why somebody was told of something or not, now or at a time in the past
    Explain(explain::Explain),
    /// Acknowledge an incident: nobody is told of it again unless it becomes worse or wider
    Ack(operate::Ack),
    /// Announce, list and end downtimes
    #[command(subcommand)]
    Downtime(operate::Downtime),
    /// Write, list and remove comments
    #[command(subcommand)]
    Comment(operate::Comment),
    /// Tell nobody anything for a while; every page says so
    Mute(operate::Mute),
    /// Tell people again
    Unmute(operate::Unmute),
    /// Send a test message to a contact and say what became of it
    NotifyTest(operate::NotifyTest),
    /// Run an outage through the alert engine in virtual time and print who is told what, as JSON lines
    Simulate(simulate::Simulate),
    /// Look after the history
    #[command(subcommand)]
    Store(store::Store),
    /// Make, list and remove the tokens by which agents and scripts are known
    #[command(subcommand)]
    Token(token::Token),
    /// Make, change, list and remove the accounts of people who look at the pages
    #[command(subcommand)]
    User(user::User),
}

/// What is written is everybody's history and the hashes of secrets; plugins get a mask of their own.
fn private_files() {
    umask(Mode::from_bits_truncate(0o027));
}

/// A moment, for lists.
fn utc(time: Timestamp) -> String {
    let time = chrono::DateTime::from_timestamp(time.seconds(), 0);
    time.map_or_else(String::new, |time| {
        time.format("%Y-%m-%d %H:%M UTC").to_string()
    })
}

pub(crate) fn carry_out(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => serve::local(&cli.local.data.dir(), cli.local.config),
        Some(Command::Serve(serve)) => serve.run(),
        Some(Command::CheckConfig(check)) => Ok(check.run()),
        Some(Command::Rrd { arguments }) => Ok(rrd::run(&arguments)),
        Some(Command::Status(status)) => status.run(),
        Some(Command::Explain(explain)) => explain.run(),
        Some(Command::Ack(ack)) => ack.run(),
        Some(Command::Downtime(downtime)) => downtime.run(),
        Some(Command::Comment(comment)) => comment.run(),
        Some(Command::Mute(mute)) => mute.run(),
        Some(Command::Unmute(unmute)) => unmute.run(),
        Some(Command::NotifyTest(test)) => test.run(),
        Some(Command::Simulate(simulate)) => simulate.run(),
        Some(Command::Store(store)) => store.run(),
        Some(Command::Token(token)) => token.run(),
        Some(Command::User(user)) => user.run(),
    }
}
