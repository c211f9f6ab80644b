//! What `plugin-conf.d` says about each plugin, read again when one of its files has changed.
use crate::config::Config;
use ravenry_plugins::exec::GroupWanted;
use ravenry_plugins::name::HostName;
use ravenry_plugins::problem::Problem;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings;
impl Settings {
    pub fn update_rate(&self) -> Option<Duration> {
        None
    }
    pub fn timeout(&self) -> Option<Duration> {
        None
    }
    pub fn host_name(&self) -> Option<&HostName> {
        None
    }
    pub fn user(&self) -> Option<&str> {
        None
    }
    pub fn groups(&self) -> Vec<GroupWanted> {
        Vec::new()
    }
    pub fn env(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    pub fn command_line(&self, path: &Path, word: Option<&str>) -> (OsString, Vec<OsString>) {
        (path.into(), word.map(OsString::from).into_iter().collect())
    }
}
#[derive(Clone, Debug)]
pub struct SettingsDir;
impl SettingsDir {
    pub fn new(_config: &Config) -> Self {
        Self
    }
    pub fn refresh(&mut self, _problems: &mut Vec<Problem>) {}
    pub fn of(&self, _name: &str) -> Arc<Settings> {
        Arc::new(Settings)
    }
}
