//! Enrolment: a one-time token of the collector becomes the agent's own, which is kept with the collector's address in the
//! state directory, readable by its user alone. It counts where the configuration names no collector.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Token, collector_url};
use crate::environment::make_passable;
use crate::uplink::{HttpUplinkError, address_of, chain, client, first_words};

/// Where it is kept.
const FILE: &str = "enrolled.json";

/// What an agent knows after it was enrolled.
#[derive(Serialize, Deserialize)]
struct Enrolled {
    collector: String,
    token: String,
}

/// Why an agent is not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// There can be no HTTP client.
    #[error(transparent)]
    Client(#[from] HttpUplinkError),
    /// Nobody answered, or something that is no collector.
    #[error("{url}: {why}")]
    NoAnswer {
        /// Whom it was asked of.
        url: String,
        /// One sentence.
        why: String,
    },
    /// The collector does not want it.
    #[error("the collector refuses: {why}")]
    Refused {
        /// What it said.
        why: String,
    },
    /// What it said cannot be kept. The one-time token is used up.
    #[error("{path}: cannot be written; the one-time token is used up, make another")]
    Disk {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Asks the collector for a token of the agent's own, and keeps it.
///
/// # Errors
/// See [`EnrolmentError`].
pub async fn enroll(config: &Config, collector: &Url, once: &Token) -> Result<(), EnrolmentError> {
    let url = address_of(collector, &["api", "v1", "enroll"]);
    let no_answer = |why: String| EnrolmentError::NoAnswer {
        url: url.to_string(),
        why,
    };
    let answer = client(std::slice::from_ref(collector))?
        .post(url.clone())
        .bearer_auth(once.secret())
        .json(&serde_json::json!({ "host": config.host }))
        .send()
        .await
        .map_err(|error| no_answer(chain(&error.without_url())))?;
    let status = answer.status();
    let body = answer
        .bytes()
        .await
        .map_err(|error| no_answer(chain(&error.without_url())))?;
    if !status.is_success() {
        let why = format!("HTTP {}: {}", status.as_u16(), first_words(&body));
        return Err(EnrolmentError::Refused { why });
    }
    #[derive(Deserialize)]
    struct Answer {
        token: String,
    }
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|error| no_answer(format!("expected a collector's answer: {error}")))?;
    let enrolled = Enrolled {
        collector: collector.to_string(),
        token: answer.token,
    };
    save(&config.state_dir, &enrolled).map_err(|source| EnrolmentError::Disk {
        path: config.state_dir.join(FILE),
        source,
    })
}

/// Puts in the collector and the token of an enrolment, where the configuration names no collector.
///
/// # Errors
/// When there is an enrolment and it cannot be read.
pub fn fill_in(config: &mut Config) -> io::Result<()> {
    if !config.collectors.is_empty() {
        return Ok(());
    }
    let bytes = match fs::read(config.state_dir.join(FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let enrolled: Enrolled = serde_json::from_slice(&bytes)?;
    let collector = collector_url(&enrolled.collector).map_err(io::Error::other)?;
    config.collectors.push(collector);
    if config.token.is_none() {
        config.token = Some(enrolled.token.parse().map_err(io::Error::other)?);
    }
    Ok(())
}

fn save(state_dir: &Path, enrolled: &Enrolled) -> io::Result<()> {
    make_passable(state_dir)?;
    let (beside, path) = (state_dir.join("enrolled.new"), state_dir.join(FILE));
    // One that was left behind might be readable by others.
    drop(fs::remove_file(&beside));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(&serde_json::to_vec(enrolled)?)?;
    file.sync_all()?;
    fs::rename(beside, path)
}
