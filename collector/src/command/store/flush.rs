//! `ravenry store flush`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use ravenry::{admin, lock};

use super::{Data, count};

/// Has the running collector write what is pending; 1 when not all of it could be written.
pub(super) fn flush(data: &Data) -> anyhow::Result<ExitCode> {
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
    let number = |key: &str| answer[key].as_u64().unwrap_or(0);
    println!(
        "{} written to {}",
        count(number("rows"), "row"),
        count(number("files"), "file")
    );
    for problem in answer["problems"].as_array().into_iter().flatten() {
        eprintln!("{}", problem.as_str().unwrap_or_default());
    }
    match number("unwritten") {
        0 => Ok(ExitCode::SUCCESS),
        unwritten => {
            eprintln!("{} could not be written", count(unwritten, "file"));
            Ok(ExitCode::FAILURE)
        }
    }
}
