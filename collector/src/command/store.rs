//! `ravenry store`.

mod flush;
mod repair;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use ravenry::config::{self, Config};
use ravenry::lock;
use ravenry::store::verify::{Scope, Verified};
use ravenry_plugins::clock;

use super::Data;

/// How far ahead of the clock a file may be: what the configuration may allow readings at most.
const AHEAD: Duration = Duration::from_secs(86_400);

/// `ravenry store`
#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Make the running collector write all that is pending to the RRD files, so that rrdtool sees it
    Flush {
        #[command(flatten)]
        data: Data,
    },
    /// Read every file and say what is wrong; exits with 1 when anything is. Works while the collector does
    Verify(verify::Verify),
    /// Mend what can be mended; the collector must be stopped
    Repair(repair::Repair),
    /// Give existing files the rows that configuration and plugins ask for, also where that costs some of their history;
    /// the collector must be stopped
    Reshape(repair::Reshape),
}

impl Store {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Flush { data } => flush::flush(&data),
            Self::Verify(verify) => verify.run(),
            Self::Repair(repair) => repair.run(),
            Self::Reshape(reshape) => reshape.run(),
        }
    }
}

/// Which files of which directory.
#[derive(Args, Debug)]
struct Files {
    #[command(flatten)]
    data: Data,
    /// Configuration file, for how much should be kept [default: ravenry.toml in the data directory, or in /etc/ravenry]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only these history files, as HOST/GRAPH.rrd or by their paths
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Files {
    fn scope(&self) -> anyhow::Result<Scope> {
        let data = self.data.dir();
        if !data.is_dir() {
            bail!(
                "no data directory {}: name another one with --data",
                data.display()
            );
        }
        Ok(Scope {
            layouts: self.config(&data)?.store.layouts,
            latest: clock::now() + AHEAD,
            is_running: lock::running(&data)?.is_some(),
            data,
        })
    }

    fn config(&self, data: &Path) -> anyhow::Result<Config> {
        let own = data.join("ravenry.toml");
        let file = match &self.config {
            Some(file) => file.clone(),
            None if own.exists() => own,
            None => PathBuf::from(config::DEFAULT_FILE),
        };
        config::load(&file, self.config.is_some()).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("the configuration is refused:\n{}", lines.join("\n"))
        })
    }

    /// The files that are meant, relative to the data directory.
    fn chosen(&self, scope: &Scope) -> anyhow::Result<Vec<PathBuf>> {
        if self.files.is_empty() {
            return Ok(scope.list()?);
        }
        self.files
            .iter()
            .map(|file| below(&scope.data, file))
            .collect()
    }

    /// Looks at all of them, with a bar where somebody watches.
    fn verify(&self, scope: &Scope) -> anyhow::Result<Verified> {
        let files = self.chosen(scope)?;
        let bar = progress(files.len(), "files read");
        let mut verified = scope.verify(&files, |_| bar.inc(1));
        bar.finish_and_clear();
        scope.look_again(&mut verified);
        if !self.files.is_empty() {
            let chosen = |path: &str| files.iter().any(|file| Path::new(path) == file);
            verified.findings.retain(|finding| chosen(&finding.path));
        }
        Ok(verified)
    }
}

/// A file below the data directory's folder of history, however it was named.
fn below(data: &Path, file: &Path) -> anyhow::Result<PathBuf> {
    let history = Path::new(ravenry::store::FOLDER);
    let absolute = std::path::absolute(file)?;
    let candidates = [
        absolute
            .strip_prefix(std::path::absolute(data)?)
            .ok()
            .map(Path::to_owned),
        Some(file.to_owned()),
        Some(history.join(file)),
    ];
    let exists = |path: &PathBuf| {
        path.is_relative()
            && path.starts_with(history)
            && data.join(path).symlink_metadata().is_ok()
    };
    match candidates.into_iter().flatten().find(exists) {
        Some(path) => Ok(path),
        None => bail!(
            "{}: no file of the history in {}",
            file.display(),
            data.join(history).display()
        ),
    }
}

/// A bar on standard error, when that is a terminal.
fn progress(len: usize, what: &'static str) -> indicatif::ProgressBar {
    let style =
        indicatif::ProgressStyle::with_template("{bar:40} {pos} of {len} {msg}, {eta} left");
    let bar = indicatif::ProgressBar::new(len as u64).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// `1 file`, `2 files`.
fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
