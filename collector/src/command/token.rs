//! `ravenry token`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Subcommand;
use ravenry::database::{self, Database};
use ravenry::serve::DATABASE;
use ravenry::token::{draw, hash};
use ravenry_plugins::clock;
use ravenry_plugins::settings::parse_duration;

use super::Data;

/// `ravenry token`
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token and print it: it is not shown again
    New {
        /// Its name, for people: the host or site that gets it
        name: String,
        /// A pattern: the hosts that it may speak for
        #[arg(long, default_value = "*", value_name = "PATTERN")]
        hosts: String,
        /// Make a one-time token, for `ravenry-agent enroll`: an agent gets its own for it
        #[arg(long)]
        once: bool,
        /// How long a one-time token is good
        #[arg(long, default_value = "24h", value_name = "DURATION", value_parser = duration)]
        expires: Duration,
        #[command(flatten)]
        data: Data,
    },
    /// List the tokens there are
    List {
        #[command(flatten)]
        data: Data,
    },
    /// Remove a token: within half a minute nobody can use it
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        data: Data,
    },
}

impl Token {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::New {
                name,
                hosts,
                once,
                expires,
                data,
            } => new(&name, hosts, once.then_some(expires), &data),
            Self::List { data } => list(&data),
            Self::Remove { name, data } => remove(&name, &data),
        }
    }
}

fn open(data: &Data) -> anyhow::Result<Database> {
    let dir = data.dir();
    if !dir.join("lock").exists() {
        bail!(
            "no data directory {}: start ravenry on it first, or name another one with --data",
            dir.display()
        );
    }
    Ok(Database::open(&dir.join(DATABASE))?)
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = parse_duration(text).filter(|duration| !duration.is_zero());
    parsed.ok_or_else(|| "expected a duration such as 90s, 5m, 36h, 7d".to_owned())
}

/// Makes a token, or with `once` a one-time token that is good that long.
fn new(name: &str, hosts: String, once: Option<Duration>, data: &Data) -> anyhow::Result<ExitCode> {
    let secret = draw()?;
    let token = database::Token {
        name: name.to_owned(),
        sha256: hash(&secret),
        hosts,
        created: clock::now(),
    };
    let database = open(data)?;
    let added = match once {
        None => database.add_token(&token)?,
        Some(good) => database.add_enrolment(&token, token.created + good)?,
    };
    if !added {
        bail!(
            "there is a token of the name {name:?} already: remove it first, or take another name"
        );
    }
    println!("{secret}");
    Ok(ExitCode::SUCCESS)
}

fn list(data: &Data) -> anyhow::Result<ExitCode> {
    for token in open(data)?.tokens()? {
        println!(
            "{:<24} hosts {:<24} made {}",
            token.name,
            token.hosts,
            utc(token.created)
        );
    }
    for (token, expires) in open(data)?.enrolments()? {
        println!(
            "{:<24} hosts {:<24} made {}, one-time, good until {}",
            token.name,
            token.hosts,
            utc(token.created),
            utc(expires)
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn utc(time: ravenry_plugins::timestamp::Timestamp) -> String {
    let time = chrono::DateTime::from_timestamp(time.seconds(), 0);
    time.map_or_else(String::new, |time| {
        time.format("%Y-%m-%d %H:%M UTC").to_string()
    })
}

fn remove(name: &str, data: &Data) -> anyhow::Result<ExitCode> {
    let database = open(data)?;
    let (known, one_time) = (
        database.remove_token(name)?,
        database.remove_enrolment(name)?,
    );
    if !known && !one_time {
        bail!("there is no token of the name {name:?}: `ravenry token list` shows those there are");
    }
    Ok(ExitCode::SUCCESS)
}
