//! `ravenry token`.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use ravenry::database::{self, Database};
use ravenry::serve::DATABASE;
use ravenry::token::{draw, hash};
use ravenry_plugins::clock;

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
            Self::New { name, hosts, data } => new(&name, hosts, &data),
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

fn new(name: &str, hosts: String, data: &Data) -> anyhow::Result<ExitCode> {
    let secret = draw()?;
    let token = database::Token {
        name: name.to_owned(),
        sha256: hash(&secret),
        hosts,
        created: clock::now(),
    };
    if !open(data)?.add_token(&token)? {
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
    Ok(ExitCode::SUCCESS)
}

fn utc(time: ravenry_plugins::timestamp::Timestamp) -> String {
    let time = chrono::DateTime::from_timestamp(time.seconds(), 0);
    time.map_or_else(String::new, |time| {
        time.format("%Y-%m-%d %H:%M UTC").to_string()
    })
}

fn remove(name: &str, data: &Data) -> anyhow::Result<ExitCode> {
    if !open(data)?.remove_token(name)? {
        bail!("there is no token of the name {name:?}: `ravenry token list` shows those there are");
    }
    Ok(ExitCode::SUCCESS)
}
