//! `ravenry check-config`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ravenry::config::{self, DEFAULT_FILE};

/// `ravenry check-config`
#[derive(Args, Debug)]
pub(crate) struct CheckConfig {
    /// Configuration file; `conf.d/*.toml` beside it is read too
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
}

impl CheckConfig {
    pub(crate) fn run(self) -> ExitCode {
        match config::load(&self.config, true) {
            Ok(_) => {
                println!("{}: no problems", self.config.display());
                ExitCode::SUCCESS
            }
            Err(problems) => {
                problems.iter().for_each(|problem| println!("{problem}"));
                ExitCode::FAILURE
            }
        }
    }
}
