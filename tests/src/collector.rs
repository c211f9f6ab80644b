//! A collector under test: its data and configuration in a folder of its own, on an address that stays the same when it
//! is started again.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::http::{self, Answer};
use crate::program::{self, Output, Running};
use crate::push::Pusher;
use crate::{tool, wait};

/// No local agent and no graphs of its own: what is in it was pushed.
pub const WITHOUT_AGENT: &str = "[agent]\nenabled = false\nown_graphs = false\n";

/// The collector.
#[derive(Debug)]
pub struct Collector {
    running: Option<Running>,
    address: SocketAddr,
    folder: TempDir,
}

impl Collector {
    /// One that will be configured by `toml` (without `[http]`); not started yet.
    #[must_use]
    pub fn new(toml: &str) -> Self {
        let folder = TempDir::new().unwrap();
        // Started by root, plugins run as another user, who keeps state below it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let collector = Self {
            running: None,
            address: tool::free_address(),
            folder,
        };
        collector.configure(toml);
        collector
    }

    /// One that is started.
    #[must_use]
    pub fn started(toml: &str) -> Self {
        let mut collector = Self::new(toml);
        collector.start();
        collector
    }

    /// Writes another configuration; a running collector does not know until it is told.
    pub fn configure(&self, toml: &str) {
        let text = format!("[http]\nlisten = \"{}\"\n{toml}", self.address);
        fs::write(self.config(), text).unwrap();
    }

    /// The command that starts it.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = program::command(program::path("ravenry"));
        command.arg("serve").arg("-c").arg(self.config());
        command.arg("--data").arg(self.data());
        command
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn start(&mut self) {
        self.start_for("/api/v1/hosts");
    }

    /// Starts it and waits until it answers 200 to somebody who asks for `path`.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn start_for(&mut self, path: &str) {
        let mut running = Running::start(&mut self.command(), &self.log_file());
        wait::until("the collector answers", || {
            assert_eq!(running.ended(), None, "it ended: {}", running.log());
            http::get(self.address, path).is_ok_and(|answer| answer.status == 200)
        });
        self.running = Some(running);
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.running.take().unwrap().kill();
    }

    /// Asks it to stop; how it ended and how long that took.
    pub fn stop(&mut self, signal: Signal) -> (ExitStatus, Duration) {
        self.running.take().unwrap().stop(signal)
    }

    /// Tells it to read its configuration again.
    pub fn reload(&self) {
        self.running.as_ref().unwrap().signal(Signal::SIGHUP);
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.as_ref().unwrap().pid()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder in which everything of this test is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder().join("ravenry.toml")
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("ravenry.log")
    }

    /// All that it printed since the first start.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Runs `ravenry` with `args` on its data directory.
    #[must_use]
    pub fn administer(&self, args: &[&str]) -> Output {
        let data = self.data().display().to_string();
        program::output("ravenry", &[args, &["--data", &data]].concat())
    }

    /// Somebody with a new token of the name `name`.
    ///
    /// # Panics
    /// When there is one of the name.
    #[must_use]
    pub fn pusher(&self, name: &str) -> Pusher {
        let output = self.administer(&["token", "new", name]);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        Pusher {
            address: self.address,
            token: output.stdout.trim().to_owned(),
        }
    }

    /// Makes it write everything to the RRD files.
    ///
    /// # Panics
    /// When that fails.
    pub fn flush(&self) {
        let output = self.administer(&["store", "flush"]);
        assert_eq!(output.code, 0, "{output:?}");
    }

    /// The file of a graph.
    #[must_use]
    pub fn rrd(&self, host: &str, graph: &str) -> PathBuf {
        self.data()
            .join("rrd")
            .join(host)
            .join(format!("{graph}.rrd"))
    }

    /// Asks for `path`.
    ///
    /// # Panics
    /// When nobody answers.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        http::get(self.address, path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Asks the API; `path` follows `/api/v1`.
    ///
    /// # Panics
    /// When it does not answer 200.
    #[must_use]
    pub fn api(&self, path: &str) -> Value {
        let answer = self.get(&format!("/api/v1{path}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// The same, `None` when it answers anything but 200.
    #[must_use]
    pub fn api_if_there(&self, path: &str) -> Option<Value> {
        let answer = self.get(&format!("/api/v1{path}"));
        (answer.status == 200).then(|| answer.json())
    }

    /// The rows of a graph between two times, by field and by the time at which they end; and their step.
    #[must_use]
    pub fn rows(&self, host: &str, graph: &str, start: i64, end: i64, step: i64) -> Rows {
        let path =
            format!("/hosts/{host}/graphs/{graph}/data?start={start}&end={end}&resolution={step}");
        Rows::of(&self.api(&path))
    }
}

/// The rows of a graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Seconds between rows.
    pub step: i64,
    /// Fields in their order, each with its rows by the time at which they end.
    pub fields: Vec<(String, BTreeMap<i64, Option<f64>>)>,
}

impl Rows {
    fn of(data: &Value) -> Self {
        let whole = |value: &Value| {
            let number = value.as_f64().unwrap();
            format!("{number}").parse::<i64>().unwrap()
        };
        let (start, step) = (whole(&data["start"]), whole(&data["step"]));
        let fields = data["fields"].as_array().unwrap().iter().map(|field| {
            let values = field["values"]
                .as_array()
                .unwrap()
                .iter()
                .map(Value::as_f64);
            let rows = (1..)
                .zip(values)
                .map(|(n, value)| (start + n * step, value));
            (field["field"].as_str().unwrap().to_owned(), rows.collect())
        });
        Self {
            step,
            fields: fields.collect(),
        }
    }

    /// The rows of `field` that are known.
    #[must_use]
    pub fn known(&self, field: &str) -> BTreeMap<i64, f64> {
        let found = self.fields.iter().find(|(name, _)| name == field);
        let rows = found.map(|(_, rows)| rows.iter());
        rows.into_iter()
            .flatten()
            .filter_map(|(time, value)| Some((*time, (*value)?)))
            .collect()
    }
}
