//! `ravenry check-config`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use ravenry::config::{self, Config, DEFAULT_FILE};
use ravenry::database::Database;
use ravenry::serve::DATABASE;

use super::Data;

/// `ravenry check-config`
#[derive(Args, Debug)]
pub(crate) struct CheckConfig {
    /// Configuration file; `conf.d/*.toml` beside it is read too [default: /etc/ravenry/ravenry.toml where there is one,
    /// else ravenry.toml in the data directory]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    data: Data,
}

impl Data {
    /// Why a collector with these accounts would not start as `config` says.
    fn refusal(&self, config: &Config) -> Option<String> {
        let dir = self.data.clone().or_else(|| config.data.clone());
        let path = dir.unwrap_or_else(|| self.dir()).join(DATABASE);
        let accounts = match Database::look_at(&path) {
            Ok(database) => database.count_accounts().unwrap_or(0),
            Err(_) => 0,
        };
        config.http.refusal(accounts)
    }
}

impl CheckConfig {
    pub(crate) fn run(self) -> ExitCode {
        let is_named = self.config.is_some();
        let default = Path::new(DEFAULT_FILE);
        let file = match self.config {
            Some(file) => file,
            None if default.exists() => default.to_owned(),
            None => self.data.dir().join("ravenry.toml"),
        };
        if !is_named && !file.exists() {
            println!(
                "{}: not there, so the defaults are in force",
                file.display()
            );
            return ExitCode::SUCCESS;
        }
        match config::load(&file, true) {
            Ok(config) => match self.data.refusal(&config) {
                Some(why) => {
                    println!("{}: {why}", file.display());
                    ExitCode::FAILURE
                }
                None => {
                    println!("{}: no problems", file.display());
                    ExitCode::SUCCESS
                }
            },
            Err(problems) => {
                problems.iter().for_each(|problem| println!("{problem}"));
                ExitCode::FAILURE
            }
        }
    }
}
