//! `ravenry check-config`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use ravenry::config::{self, DEFAULT_FILE};

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
            Ok(_) => {
                println!("{}: no problems", file.display());
                ExitCode::SUCCESS
            }
            Err(problems) => {
                problems.iter().for_each(|problem| println!("{problem}"));
                ExitCode::FAILURE
            }
        }
    }
}
