//! `ravenry store`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use ravenry::{admin, lock};

use super::Data;

/// `ravenry store`
#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Make the running collector write all that is pending to the RRD files, so that rrdtool sees it
    Flush {
        #[command(flatten)]
        data: Data,
    },
}

impl Store {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Flush { data } => flush(&data),
        }
    }
}

fn flush(data: &Data) -> anyhow::Result<ExitCode> {
    let dir = data.dir();
    let Some(url) = lock::running(&dir)? else {
        bail!(
            "no collector works in {}: what it had taken is written when it starts",
            dir.display()
        );
    };
    let secret = admin::secret(&dir)
        .with_context(|| format!("{}: the secret cannot be read", dir.display()))?;
    let answer = tokio::runtime::Runtime::new()?.block_on(async {
        let client = admin::client()?;
        let response = client
            .post(format!("{url}/api/v1/admin/flush"))
            .bearer_auth(secret)
            .send()
            .await?;
        anyhow::Ok(response.json::<serde_json::Value>().await?)
    })?;
    if let Some(error) = answer["error"].as_str() {
        bail!("{error}");
    }
    println!(
        "{} rows written to {} files",
        answer["rows"], answer["files"]
    );
    for problem in answer["problems"].as_array().into_iter().flatten() {
        println!("{}", problem.as_str().unwrap_or_default());
    }
    Ok(ExitCode::SUCCESS)
}
