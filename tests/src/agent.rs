//! An agent under test: its plugins, its checks and its state in a folder of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::plugin::Folder;
use crate::program::{self, Output, Running};

/// The agent. Its plugins run each second, and no bundled one does unless its configuration says so.
#[derive(Debug)]
pub struct Agent {
    running: Option<Running>,
    folder: TempDir,
    /// Its plugins.
    pub plugins: Folder,
    /// Its Nagios checks.
    pub checks: Folder,
}

impl Agent {
    /// One that will be configured by `toml` beside what every agent of a test is told; not started yet.
    #[must_use]
    pub fn new(toml: &str) -> Self {
        let folder = TempDir::new().unwrap();
        // Started by root, plugins run as another user, who keeps state below it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let agent = Self {
            running: None,
            plugins: Folder::new(folder.path().join("plugins")),
            checks: Folder::new(folder.path().join("checks")),
            folder,
        };
        agent.configure(toml);
        agent
    }

    /// Writes another configuration; a running agent does not know until it is told.
    pub fn configure(&self, toml: &str) {
        let usual = [
            ("interval", "\"1s\"".to_owned()),
            ("bundled", "\"off\"".to_owned()),
            ("plugin_dir", format!("{:?}", self.plugins.path())),
            ("check_dir", format!("{:?}", self.checks.path())),
            ("state_dir", format!("{:?}", self.state_dir())),
        ];
        let said = |key: &str| {
            toml.lines()
                .any(|line| line.starts_with(&format!("{key} =")))
        };
        let usual = usual.iter().filter(|(key, _)| !said(key));
        let lines: Vec<String> = usual
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        fs::write(self.config(), format!("{}{toml}", lines.concat())).unwrap();
    }

    /// Starts it.
    pub fn start(&mut self) {
        let log = self.path("agent.log");
        self.running = Some(Running::start(&mut self.command(&["run"]), &log));
    }

    /// The command `args` with its configuration.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = program::command(program::path("ravenry-agent"));
        command.args(args).arg("-c").arg(self.config());
        command
    }

    /// Runs `ravenry-agent` with `args` and its configuration to its end.
    #[must_use]
    pub fn output(&self, args: &[&str]) -> Output {
        program::output_of(&mut self.command(args))
    }

    /// Its process.
    ///
    /// # Panics
    /// When it is not running.
    pub fn running(&mut self) -> &mut Running {
        self.running.as_mut().unwrap()
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.running.take().unwrap().kill();
    }

    /// Asks it to stop, and waits for that.
    pub fn stop(&mut self) {
        let (status, _) = self.running.take().unwrap().stop(Signal::SIGTERM);
        assert!(status.success(), "{status}");
    }

    /// All that it printed since the first start.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("agent.log")).unwrap_or_default()
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path("agent.toml")
    }

    /// Its state directory.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    /// A path in its folder.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }
}
