//! `ravenry token`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Subcommand;
use ravenry::database;
use ravenry::token::{draw, hash};
use ravenry_plugins::clock;
use ravenry_plugins::settings::parse_duration;
use ravenry_web::access::{ApiToken, Role};

use super::{Data, utc};

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
        /// Make a token for a script that asks the API: viewer (looks) or operator (acts, too)
        #[arg(long, value_name = "ROLE", conflicts_with_all = ["hosts", "once", "expires"])]
        role: Option<Role>,
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
                role: None,
                data,
            } => new(&name, hosts, once.then_some(expires), &data),
            Self::New {
                name,
                role: Some(role),
                data,
                hosts: _,
                once: _,
                expires: _,
            } => new_for_api(name, role, &data),
            Self::List { data } => list(&data),
            Self::Remove { name, data } => remove(&name, &data),
        }
    }
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
    let database = data.database()?;
    let added = match once {
        None => database.add_token(&token)?,
        Some(good) => database.add_enrolment(&token, token.created + good)?,
    };
    if !added {
        return taken(name);
    }
    println!("{secret}");
    Ok(ExitCode::SUCCESS)
}

/// Makes a token for a script.
fn new_for_api(name: String, role: Role, data: &Data) -> anyhow::Result<ExitCode> {
    let secret = draw()?;
    let sha256 = hash(&secret);
    let token = ApiToken { name, sha256, role };
    if !data.database()?.add_api_token(&token, clock::now())? {
        return taken(&token.name);
    }
    println!("{secret}");
    Ok(ExitCode::SUCCESS)
}

fn taken(name: &str) -> anyhow::Result<ExitCode> {
    bail!("there is a token of the name {name:?} already: remove it first, or take another name")
}

fn list(data: &Data) -> anyhow::Result<ExitCode> {
    let database = data.database()?;
    for (token, created) in database.api_tokens()? {
        println!(
            "{:<24} asks as {:<22} made {}",
            token.name,
            token.role.as_str(),
            utc(created)
        );
    }
    for token in database.tokens()? {
        println!(
            "{:<24} hosts {:<24} made {}",
            token.name,
            token.hosts,
            utc(token.created)
        );
    }
    for (token, expires) in database.enrolments()? {
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

fn remove(name: &str, data: &Data) -> anyhow::Result<ExitCode> {
    let database = data.database()?;
    let removed = [
        database.remove_token(name)?,
        database.remove_enrolment(name)?,
        database.remove_api_token(name)?,
    ];
    if !removed.contains(&true) {
        bail!("there is no token of the name {name:?}: `ravenry token list` shows those there are");
    }
    Ok(ExitCode::SUCCESS)
}
