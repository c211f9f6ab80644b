//! What each plugin has declared, kept in the state directory, so that the collector is told when something is there no
//! more: also what vanished while no agent ran. Pure but for [`Inventory::save`] and [`Inventory::load`].
//!
//! - A plugin that is not there for [`GONE_AFTER`] is gone, with all that it had. Until then somebody may be replacing it.
//! - What a plugin declared once and does not any more is gone when it has declared everything else again without a problem.
//! - What another plugin has, too, stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use ravenry_plugins::wire::{Gone, GoneWhat};

const FILE: &str = "inventory.json";

/// How long a plugin must be away to be gone: longer than its package takes to be replaced, shorter than it takes for its
/// silence to be noticed.
pub const GONE_AFTER: Duration = Duration::from_secs(120);

/// What plugins have.
#[derive(Clone, Debug, PartialEq)]
pub struct Inventory {
    plugins: BTreeMap<String, BTreeSet<Gone>>,
    /// Since when plugins are not there.
    missing: BTreeMap<String, Instant>,
    gone_after: Duration,
    /// Whether it differs from what was saved last.
    changed: bool,
}

impl Default for Inventory {
    fn default() -> Self {
        Self {
            plugins: BTreeMap::new(),
            missing: BTreeMap::new(),
            gone_after: GONE_AFTER,
            changed: false,
        }
    }
}

impl Inventory {
    /// The same with another patience than [`GONE_AFTER`].
    #[must_use]
    pub fn gone_after(mut self, gone_after: Duration) -> Self {
        self.gone_after = gone_after;
        self
    }

    /// A plugin has this, besides what it has already.
    pub fn add(&mut self, plugin: &str, item: Gone) {
        let has = self.plugins.get(plugin);
        if has.is_none_or(|has| !has.contains(&item)) {
            self.changed = true;
            let has = self.plugins.entry(plugin.to_owned()).or_default();
            has.insert(item);
        }
    }

    /// A plugin has these and nothing else. Gives what is gone.
    pub fn replace(&mut self, plugin: &str, items: BTreeSet<Gone>) -> Vec<Gone> {
        let before = self.plugins.get(plugin);
        if before == Some(&items) {
            return Vec::new();
        }
        self.changed = true;
        let before = self.plugins.insert(plugin.to_owned(), items);
        self.without_owner(before.unwrap_or_default())
    }

    /// Gives what is gone with the plugins that are not there for long enough.
    pub fn handle_plugins(&mut self, now: Instant, is_there: impl Fn(&str) -> bool) -> Vec<Gone> {
        self.missing.retain(|name, _| !is_there(name));
        for name in self.plugins.keys().filter(|name| !is_there(name)) {
            self.missing.entry(name.clone()).or_insert(now);
        }
        let gone_after = self.gone_after;
        let is_over = |since: &Instant| now.saturating_duration_since(*since) >= gone_after;
        let over: Vec<String> = self
            .missing
            .iter()
            .filter(|(_, since)| is_over(since))
            .map(|(name, _)| name.clone())
            .collect();
        let mut gone = Vec::new();
        for name in over {
            self.missing.remove(&name);
            self.changed = true;
            let had = self.plugins.remove(&name).unwrap_or_default();
            gone.extend(self.without_owner(had));
            gone.push(Gone {
                host: None,
                what: GoneWhat::Plugin(name),
            });
        }
        gone
    }

    fn without_owner(&self, items: BTreeSet<Gone>) -> Vec<Gone> {
        let has_owner = |item: &Gone| self.plugins.values().any(|has| has.contains(item));
        items.into_iter().filter(|item| !has_owner(item)).collect()
    }

    /// What is to be saved, when that differs from what was saved last.
    pub fn unsaved(&mut self) -> Option<Self> {
        std::mem::take(&mut self.changed).then(|| self.clone())
    }

    /// Saves it. Blocks.
    ///
    /// # Errors
    /// When the disk does not let us.
    pub fn save(&self, state_dir: &Path) -> io::Result<()> {
        let beside = state_dir.join("inventory.new");
        fs::write(&beside, serde_json::to_vec(&self.plugins)?)?;
        fs::rename(beside, state_dir.join(FILE))
    }

    /// What an agent saved; nothing when there is none or it cannot be understood. Blocks.
    #[must_use]
    pub fn load(state_dir: &Path) -> Self {
        let bytes = fs::read(state_dir.join(FILE)).unwrap_or_default();
        Self {
            plugins: serde_json::from_slice(&bytes).unwrap_or_default(),
            ..Self::default()
        }
    }
}
