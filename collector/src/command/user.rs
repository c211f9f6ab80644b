//! `ravenry user`.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use ravenry::database::Database;
use ravenry::lock::make_data_dir;
use ravenry::serve::DATABASE;
use ravenry_plugins::clock;
use ravenry_web::access::{Role, User as Account, is_name, password};

use super::{Data, utc};

/// `ravenry user`
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Make an account; the password is asked for, or read from the standard input
    Add {
        /// Its name: letters, digits and . _ - @ +
        name: String,
        /// viewer (looks) or operator (acknowledges, plans downtimes, comments)
        #[arg(long, default_value = "operator", value_name = "ROLE")]
        role: Role,
        #[command(flatten)]
        data: Data,
    },
    /// Set another password: all sessions of the account end
    Passwd {
        /// Its name
        name: String,
        #[command(flatten)]
        data: Data,
    },
    /// List the accounts there are
    List {
        #[command(flatten)]
        data: Data,
    },
    /// Remove an account: all its sessions end
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        data: Data,
    },
}

impl User {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add { name, role, data } => add(name, role, &data),
            Self::Passwd { name, data } => passwd(&name, &data),
            Self::List { data } => list(&data),
            Self::Remove { name, data } => remove(&name, &data),
        }
    }
}

fn add(name: String, role: Role, data: &Data) -> anyhow::Result<ExitCode> {
    if !is_name(&name) {
        bail!("expected a name of 1 to 64 letters, digits and . _ - @ +, found {name:?}");
    }
    // The first account may be made before the first start.
    super::private_files();
    let dir = data.dir();
    make_data_dir(&dir).with_context(|| format!("data directory {}", dir.display()))?;
    let database = Database::open(&dir.join(DATABASE))?;
    let is_there = |database: &Database| -> anyhow::Result<bool> {
        Ok(database
            .accounts()?
            .iter()
            .any(|account| account.name == name))
    };
    if is_there(&database)? {
        bail!(
            "there is an account of the name {name:?} already: `ravenry user passwd` sets its password"
        );
    }
    let hash = password::hash(&new_password(&name)?)?;
    let user = Account { name, hash, role };
    if !database.add_user(&user, clock::now())? {
        bail!("there is an account of the name {:?} already", user.name);
    }
    println!("{} may sign in as {role}", user.name);
    Ok(ExitCode::SUCCESS)
}

fn passwd(name: &str, data: &Data) -> anyhow::Result<ExitCode> {
    let database = data.database()?;
    if !database
        .accounts()?
        .iter()
        .any(|account| account.name == name)
    {
        return unknown(name);
    }
    let hash = password::hash(&new_password(name)?)?;
    if !database.set_password(name, &hash, clock::now())? {
        return unknown(name);
    }
    println!("{name} has another password; all sessions of that account end");
    Ok(ExitCode::SUCCESS)
}

fn list(data: &Data) -> anyhow::Result<ExitCode> {
    for account in data.database()?.accounts()? {
        println!(
            "{:<24} {:<9} made {}, password of {}",
            account.name,
            account.role.as_str(),
            utc(account.created),
            utc(account.changed)
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn remove(name: &str, data: &Data) -> anyhow::Result<ExitCode> {
    if data.database()?.remove_user(name)? {
        Ok(ExitCode::SUCCESS)
    } else {
        unknown(name)
    }
}

fn unknown(name: &str) -> anyhow::Result<ExitCode> {
    bail!("there is no account of the name {name:?}: `ravenry user list` shows those there are")
}

/// A new password: asked for twice on a terminal, else the first line of the standard input.
fn new_password(name: &str) -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        return Ok(line()?);
    }
    let first = asked(&format!("Password for {name}: "))?;
    if asked("Again: ")? != first {
        bail!("the passwords differ");
    }
    Ok(first)
}

fn line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// What somebody types, unseen.
fn asked(prompt: &str) -> anyhow::Result<String> {
    eprint!("{prompt}");
    io::stderr().flush()?;
    let unseen = Unseen::start()?;
    let typed = line();
    drop(unseen);
    eprintln!();
    Ok(typed?)
}

/// While it lives the terminal does not show what is typed.
struct Unseen(Termios);

impl Unseen {
    fn start() -> nix::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut unseen = before.clone();
        unseen.local_flags.remove(LocalFlags::ECHO);
        termios::tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &unseen)?;
        Ok(Self(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.0);
    }
}
