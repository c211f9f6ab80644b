//! How each plugin's last run went, kept in the state directory for `ravenry-agent list`.
//!
//! Written beside and renamed, at most every few seconds, and not synced: it is worth nothing after a power cut.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gather::Run;

const FILE: &str = "status.json";

/// The last run of each plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    plugins: BTreeMap<String, LastRun>,
    /// Whether it differs from what was saved last.
    #[serde(skip)]
    changed: bool,
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// When its values were read.
    pub time: Timestamp,
    /// How long it took.
    pub duration_seconds: f64,
    /// Why it failed, or the first line of its output that was not understood.
    pub problem: Option<String>,
}

impl Status {
    /// Notes how a run went.
    pub fn note(&mut self, run: &Run) {
        let problem = run
            .error
            .clone()
            .or_else(|| run.problems.first().map(ToString::to_string));
        let last = LastRun {
            time: run.time,
            duration_seconds: run.duration.as_secs_f64(),
            problem,
        };
        self.plugins.insert(run.plugin.to_string(), last);
        self.changed = true;
    }

    /// Forgets plugins that are gone.
    pub fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.plugins.retain(|name, _| is_there(name));
    }

    /// What is to be saved, when that differs from what was saved last.
    pub fn unsaved(&mut self) -> Option<Self> {
        std::mem::take(&mut self.changed).then(|| self.clone())
    }

    /// The last run of `plugin`.
    #[must_use]
    pub fn of(&self, plugin: &str) -> Option<&LastRun> {
        self.plugins.get(plugin)
    }

    /// Saves it. Blocks.
    ///
    /// # Errors
    /// When the disk does not let us.
    pub fn save(&self, state_dir: &Path) -> io::Result<()> {
        let beside = state_dir.join("status.new");
        fs::write(&beside, serde_json::to_vec(self)?)?;
        fs::rename(beside, state_dir.join(FILE))
    }

    /// What an agent saved; nothing when there is none or it cannot be understood.
    #[must_use]
    pub fn load(state_dir: &Path) -> Self {
        let bytes = fs::read(state_dir.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}
