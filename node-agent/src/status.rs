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
    /// The first line of its `config` that was not understood when it was asked last: it is not asked each time.
    #[serde(default)]
    config_problem: Option<String>,
}

impl Status {
    /// Notes how a run went.
    pub fn note(&mut self, run: &Run) {
        let before = self.plugins.get(&*run.plugin);
        let config_problem = match &run.declarations {
            Some(_) => run
                .problems
                .iter()
                .find(|problem| problem.source == "config")
                .map(ToString::to_string),
            None => before.and_then(|before| before.config_problem.clone()),
        };
        let problem = run
            .error
            .clone()
            .or_else(|| run.problems.first().map(ToString::to_string))
            .or_else(|| config_problem.clone());
        let last = LastRun {
            time: run.time,
            duration_seconds: run.duration.as_secs_f64(),
            problem,
            config_problem,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ravenry_plugins::problem::Problem;

    use super::*;

    #[test]
    fn what_config_got_wrong_is_shown_until_it_is_asked_again() {
        let mut status = Status::default();
        let mut note = |asked: bool, problem: Option<&'static str>, error: Option<&str>| {
            status.note(&Run {
                plugin: "df".into(),
                time: Timestamp::from_seconds(1000),
                duration: Duration::from_millis(20),
                declarations: asked.then(Vec::new),
                samples: Vec::new(),
                extinfo: Vec::new(),
                verdict: None,
                error: error.map(str::to_owned),
                problems: problem
                    .map(|source| Problem::new(source, 3, "expected a field"))
                    .into_iter()
                    .collect(),
                declares_all: true,
            });
            let last = status.of("df").and_then(|last| last.problem.clone());
            last.unwrap_or_default()
        };
        assert_eq!(
            note(true, Some("config"), None),
            "config:3: expected a field"
        );
        assert_eq!(note(false, None, None), "config:3: expected a field");
        assert_eq!(
            note(false, Some("fetch"), None),
            "fetch:3: expected a field"
        );
        assert_eq!(note(false, None, Some("timed out")), "timed out");
        assert_eq!(note(false, None, None), "config:3: expected a field");
        assert_eq!(note(true, None, None), "");
    }
}
