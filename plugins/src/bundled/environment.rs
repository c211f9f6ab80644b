//! What a plugin is told besides its name: settings (`env.NAME` of plugin-conf.d), where to keep state, which host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::system::System;

/// Settings and surroundings of a bundled plugin. The process's own environment is not consulted.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    settings: BTreeMap<String, String>,
    state_dir: Option<PathBuf>,
    system: System,
}

impl Environment {
    /// Settings as `plugin-conf.d` gives them, without `env.`; the running host; no state directory.
    #[must_use]
    pub fn new(settings: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            settings: settings.into_iter().collect(),
            ..Self::default()
        }
    }

    /// The same with a directory in which a plugin may remember its last runs.
    #[must_use]
    pub fn with_state_dir(mut self, state_dir: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(state_dir.into());
        self
    }

    /// The same about another system than the running one.
    #[must_use]
    pub fn with_system(mut self, system: System) -> Self {
        self.system = system;
        self
    }

    /// The directory in which a plugin may remember its last runs.
    #[must_use]
    pub fn state_dir(&self) -> Option<&Path> {
        self.state_dir.as_deref()
    }

    /// The system that is asked.
    #[must_use]
    pub fn system(&self) -> &System {
        &self.system
    }

    /// A setting; one that is set to nothing counts as not set.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// The threshold of a field: `FIELD_warning` before `warning`, or the same with `critical`.
    pub(super) fn threshold(&self, field: &str, level: &str) -> Option<&str> {
        self.setting(&format!("{field}_{level}"))
            .or_else(|| self.setting(level))
    }
}
