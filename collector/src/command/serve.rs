//! `ravenry` and `ravenry serve`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use ravenry::config::{self, Config, DEFAULT_FILE};
use ravenry::serve::{Start, default_data_dir, run};

/// How long what is left of requests may take when all else has ended.
const AFTER_ALL: Duration = Duration::from_millis(200);

/// `ravenry serve`
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Configuration file; `conf.d/*.toml` beside it is read too
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
    /// Data directory; goes before what the configuration says
    #[arg(long, value_name = "DIR", env = "RAVENRY_DATA")]
    data: Option<PathBuf>,
}

impl Serve {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let config = load(&self.config, true)?;
        let data = self
            .data
            .or_else(|| config.data.clone())
            .unwrap_or_else(default_data_dir);
        serve(Start {
            data,
            config,
            file: self.config,
            file_must_exist: true,
        })
    }
}

/// The collector without a command: what is in the data directory decides.
pub(crate) fn local(data: &Path, config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let file_must_exist = config.is_some();
    let file = config.unwrap_or_else(|| data.join("ravenry.toml"));
    let config = load(&file, file_must_exist)?;
    serve(Start {
        data: data.to_owned(),
        config,
        file,
        file_must_exist,
    })
}

fn load(file: &Path, must_exist: bool) -> anyhow::Result<Config> {
    match config::load(file, must_exist) {
        Ok(config) => Ok(config),
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            bail!("the configuration is refused:\n{}", lines.join("\n"))
        }
    }
}

fn serve(mut start: Start) -> anyhow::Result<ExitCode> {
    // Plugins are told their place in it, and work in another directory.
    start.data = std::path::absolute(&start.data).context("data directory")?;
    let filter = tracing_subscriber::EnvFilter::try_from_env("RAVENRY_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        bail!("TLS could not be set up");
    }
    super::private_files();
    let runtime = tokio::runtime::Runtime::new().context("no runtime")?;
    let ended = runtime.block_on(run(start));
    // Requests that nobody waits for any more may still be at work: what they read hurts nobody.
    runtime.shutdown_timeout(AFTER_ALL);
    ended?;
    Ok(ExitCode::SUCCESS)
}
