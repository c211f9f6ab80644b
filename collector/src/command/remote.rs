//! What the operators' commands share: the running collector, spoken to over HTTP.
//!
//! A command exits with 0 when it is done, with 1 when the collector refused it, with 2 when the command line is wrong, and
//! with 3 when no collector answered.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use nix::unistd::{User, getuid};
use ravenry::{admin, lock};
use ravenry_plugins::settings::parse_duration;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_rrd::at::Time;
use reqwest::Method;
use serde_json::Value;

use super::Data;

/// No collector answered.
const NOBODY: u8 = 3;

/// Which collector, and how to speak with it.
#[derive(Args, Debug)]
pub(crate) struct Remote {
    #[command(flatten)]
    data: Data,
    /// Address of a collector elsewhere, such as https://ravenry.example.net [default: the one that works in the data directory]
    #[arg(long, value_name = "URL", env = "RAVENRY_URL")]
    url: Option<String>,
    /// Token for a collector elsewhere, of `ravenry token new NAME --role operator`
    #[arg(
        long,
        value_name = "TOKEN",
        env = "RAVENRY_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    /// Print the collector's answer as JSON
    #[arg(long)]
    json: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    /// There is nobody to ask.
    #[error("{0}")]
    Nobody(String),
    /// It was asked, and said no.
    #[error("{0}")]
    Refused(String),
}

/// The collector, found.
pub(crate) struct Collector {
    url: String,
    secret: Option<String>,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Remote {
    /// Finds the collector, has `work` speak with it, and says what came of it.
    pub(crate) fn run(
        &self,
        work: impl FnOnce(&Collector) -> Result<Value, RemoteError>,
        print: impl FnOnce(&Value),
    ) -> anyhow::Result<ExitCode> {
        let answer = self.find().and_then(|collector| work(&collector));
        match answer {
            Ok(answer) if self.json => println!("{answer:#}"),
            Ok(answer) => print(&answer),
            Err(error) => {
                eprintln!("ravenry: {error}");
                return Ok(match error {
                    RemoteError::Nobody(_) => ExitCode::from(NOBODY),
                    RemoteError::Refused(_) => ExitCode::FAILURE,
                });
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn find(&self) -> Result<Collector, RemoteError> {
        let nobody = |why: &dyn std::fmt::Display| RemoteError::Nobody(why.to_string());
        let dir = self.data.dir();
        let (url, secret) = match &self.url {
            Some(url) => (url.trim_end_matches('/').to_owned(), self.token.clone()),
            None => {
                let running = lock::running(&dir).map_err(|error| nobody(&error))?;
                let Some(url) = running else {
                    return Err(RemoteError::Nobody(nobody_in(&dir)));
                };
                let secret = self.token.clone().or_else(|| admin::secret(&dir).ok());
                (url, secret)
            }
        };
        Ok(Collector {
            url,
            secret,
            client: admin::client().map_err(|error| nobody(&error))?,
            runtime: tokio::runtime::Runtime::new().map_err(|error| nobody(&error))?,
        })
    }
}

fn nobody_in(dir: &std::path::Path) -> String {
    let service = PathBuf::from("/var/lib/ravenry");
    let hint = if dir != service && service.exists() {
        "; the service works in /var/lib/ravenry: --data /var/lib/ravenry, or --url http://127.0.0.1:4950"
    } else {
        ": start `ravenry`, or name another directory with --data, or an address with --url"
    };
    format!("no collector works in {}{hint}", dir.display())
}

impl Collector {
    /// What the collector answers at this path of its API.
    pub(crate) fn get(&self, path: &str) -> Result<Value, RemoteError> {
        self.ask(Method::GET, path, None)
    }

    /// Has the collector do something.
    pub(crate) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, RemoteError> {
        let address = format!("{}/api/v1/{path}", self.url);
        let mut request = self.client.request(method, &address);
        if let Some(secret) = &self.secret {
            request = request.bearer_auth(secret.trim());
        }
        if let Ok(author) = reqwest::header::HeaderValue::from_str(&author()) {
            request = request.header(ravenry_web::actor::AUTHOR, author);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| {
                let why = innermost(&error);
                RemoteError::Nobody(format!("no collector answers at {}: {why}", self.url))
            })?;
            let status = response.status();
            let answer: Value = response.json().await.map_err(|_| {
                RemoteError::Refused(format!(
                    "{address}: expected JSON, found something else with status {status}: is it a collector?"
                ))
            })?;
            if status.is_success() {
                return Ok(answer);
            }
            let why = answer["error"].as_str().unwrap_or("it said no");
            Err(RemoteError::Refused(why.to_owned()))
        })
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Who acts: whoever became root, else the user.
fn author() -> String {
    let before = std::env::var("SUDO_USER").ok();
    let user = User::from_uid(getuid()).ok().flatten().map(|it| it.name);
    let mut names = before.into_iter().chain(user);
    names
        .find(|name| !name.trim().is_empty())
        .unwrap_or_else(|| String::from("somebody on the command line"))
}

/// A duration on the command line.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = parse_duration(text).filter(|duration| !duration.is_zero());
    parsed.ok_or_else(|| String::from("expected a duration such as 90s, 5m, 36h, 7d"))
}

/// A moment on the command line, as rrdtool takes it: `22:00`, `noon tomorrow`, `2026-11-21 22:00` is not one of these but
/// understood, too.
pub(crate) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, RemoteError> {
    let zone = ravenry_rrd::zone::of_system();
    let at = |text: &str| -> Option<i64> {
        let time = Time::parse(text).ok()?;
        time.alone(now.seconds(), zone).ok()
    };
    let iso = text.replace('T', " ");
    let date = chrono::NaiveDateTime::parse_from_str(&iso, "%Y-%m-%d %H:%M").ok();
    let local = date.and_then(|date| date.and_local_timezone(zone).earliest());
    let seconds = local.map(|date| date.timestamp()).or_else(|| at(text));
    seconds.map(Timestamp::from_seconds).ok_or_else(|| {
        RemoteError::Refused(format!(
            "expected a time such as 22:00, \"noon tomorrow\", \"2026-11-21 22:00\" or now-2h, found {text:?}"
        ))
    })
}

/// Text in a path or behind a `?`.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// The sentence that tells what was done.
pub(crate) fn print_said(answer: &Value) {
    println!("{}", answer["said"].as_str().unwrap_or("done"));
}
