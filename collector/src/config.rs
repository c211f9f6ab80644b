//! What `ravenry.toml` and `conf.d/*.toml` say, checked and with every default filled in.
//!
//! [`parse`] is pure: texts in, a [`Config`] and every [`Problem`] with its file and line out. [`load`] reads the files. A
//! configuration with a problem is refused whole; the running one stays in force. One section of the file, one module.

pub mod agent;
pub mod alerts;
mod calendar;
pub mod channel;
pub mod dead_man;
pub mod group;
pub mod http;
pub mod layout;
pub mod munin_node;
pub mod push;
pub mod store;
pub mod view;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use calendar::Calendar;
use ravenry_plugins::problem::Problem;
use ravenry_plugins::settings::{Document, Section, Templates};
use ravenry_web::source::View;

/// Where the service's configuration is when nothing else is said.
pub const DEFAULT_FILE: &str = "/etc/ravenry/ravenry.toml";
/// A configuration file may have this many bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The data directory; the command line goes before it.
    pub data: Option<PathBuf>,
    /// `[http]`
    pub http: http::Http,
    /// `[push]`
    pub push: push::Push,
    /// `[store]`
    pub store: store::Store,
    /// `[agent]`: the local agent.
    pub agent: agent::LocalAgent,
    /// `[[munin_node]]`
    pub polled: Vec<munin_node::PolledHost>,
    /// `[group.NAME]`
    pub groups: Vec<group::Group>,
    /// `[channel.NAME]`
    pub channels: channel::Named,
    /// `[dead_man]`
    pub dead_man: Option<dead_man::DeadMan>,
    /// `[[view]]`
    pub views: Vec<View>,
    /// `[alerts]`, `[[threshold]]`, `[[host]]`, `[contact.NAME]`, `[mail]`
    pub alerts: alerts::Alerts,
}

/// Reads `file` and the `conf.d/*.toml` beside it, in the order of their names. A `file` that is not there is an error
/// only when it was asked for by name, that is when `must_exist`.
///
/// # Errors
/// Every problem of every file.
pub fn load(file: &Path, must_exist: bool) -> Result<Config, Vec<Problem>> {
    let mut texts = Vec::new();
    let mut problems = Vec::new();
    if must_exist || file.exists() {
        read_into(file, &mut texts, &mut problems);
    }
    for path in conf_d(file, &mut problems) {
        read_into(&path, &mut texts, &mut problems);
    }
    let (config, more) = parse(&texts);
    problems.extend(more);
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(problems)
    }
}

/// Reads configuration texts, each with the name of its file.
#[must_use]
pub fn parse(texts: &[(String, String)]) -> (Config, Vec<Problem>) {
    let documents: Vec<Document<'_>> = texts
        .iter()
        .map(|(source, text)| Document::new(source.as_str(), text))
        .collect();
    let mut config = Config::default();
    let mut given = Given::default();
    let templates = Templates::collect(&documents);
    given.calendar = Calendar::collect(&documents, &templates, &mut given);
    for (source, document) in documents.iter().enumerate() {
        let mut root = document.root_with(&templates);
        root.skip("period");
        root.skip("escalation");
        config.read(&mut root, &mut given, source);
        root.end();
    }
    config.alerts.rules.groups.clone_from(&config.groups);
    for (source, span, text) in config.alerts.missing_contacts(&given.contacts) {
        documents[source].report(span, text);
    }
    for (source, span, text) in config.alerts.missing_members(&given.members) {
        documents[source].report(span, text);
    }
    let contacts = &mut config.alerts.rules.contacts;
    for (source, span, text) in config.channels.hand_out(&given.channels, contacts) {
        documents[source].report(span, text);
    }
    drop(templates);
    let problems = documents
        .into_iter()
        .flat_map(Document::into_problems)
        .collect();
    (config, problems)
}

impl Config {
    /// The settings that differ from those of `running` and are read at a start only.
    #[must_use]
    pub fn waits_for_start(&self, running: &Self) -> Vec<&'static str> {
        let Self {
            data,
            http,
            push,
            store,
            agent,
            polled,
            groups: _,
            channels: _,
            dead_man: _,
            views: _,
            alerts: _,
        } = self;
        let data = (*data != running.data).then_some("data");
        let parts = [
            http.waits_for_start(&running.http),
            push.waits_for_start(&running.push),
            store.waits_for_start(&running.store),
            agent.waits_for_start(&running.agent),
        ];
        let polled = (*polled != running.polled).then_some("munin_node");
        data.into_iter()
            .chain(polled)
            .chain(parts.into_iter().flatten())
            .collect()
    }

    fn read(&mut self, root: &mut Section<'_, '_>, given: &mut Given, source: usize) {
        if let Some(data) = root.text("data")
            && given.first_time(root, "data", root.span_of("data"))
        {
            self.data = Some(PathBuf::from(data));
        }
        given.once(root, "http", |section| self.http.read(section));
        given.once(root, "push", |section| self.push.read(section));
        given.once(root, "store", |section| self.store.read(section));
        self.store.layouts.read_rules(root);
        given.once(root, "agent", |section| self.agent.read(section));
        munin_node::read(root, given, &mut self.polled);
        group::read(root, given, &mut self.groups);
        self.channels.read(root, given);
        given.once(root, "dead_man", |section| {
            self.dead_man = dead_man::read(section);
        });
        view::read(root, given, &mut self.views);
        self.alerts.read(root, given, source);
    }
}

/// The names of those that differ.
fn changed<const N: usize>(all: [(&'static str, bool); N]) -> Vec<&'static str> {
    let changed = all.into_iter().filter(|(_, changed)| *changed);
    changed.map(|(name, _)| name).collect()
}

/// What earlier files have said already, so that nothing is said twice, and what later ones must still say.
#[derive(Default)]
pub struct Given {
    seen: HashSet<String>,
    contacts: Vec<alerts::Named>,
    members: Vec<alerts::Member>,
    calendar: Calendar,
    channels: Vec<channel::Wanted>,
}

impl Given {
    /// Reads a section that may stand in one file only.
    fn once(
        &mut self,
        root: &mut Section<'_, '_>,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_, '_>),
    ) {
        let mut section = root.section(key);
        if section.is_present() && self.first_time(root, key, section.span()) {
            read(&mut section);
            section.end();
        }
    }

    /// Whether `name` is said for the first time; if not, that is a problem.
    fn first_time(&mut self, root: &Section<'_, '_>, name: &str, span: Range<usize>) -> bool {
        let first = self.seen.insert(name.to_owned());
        if !first {
            root.report(&span, name, "expected once in all files, found again");
        }
        first
    }
}

fn read_into(path: &Path, texts: &mut Vec<(String, String)>, problems: &mut Vec<Problem>) {
    let source = path.display().to_string();
    match read_bounded(path) {
        Ok(text) => texts.push((source, text)),
        Err(error) => problems.push(Problem::new(
            source,
            0,
            format!("expected a readable file, found: {error}"),
        )),
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let size = fs::metadata(path)?.len();
    if size > FILE_BYTES_MAX {
        return Err(io::Error::other(format!(
            "{size} bytes, more than {FILE_BYTES_MAX}"
        )));
    }
    fs::read_to_string(path)
}

fn conf_d(file: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let Some(folder) = file
        .parent()
        .map(|parent| parent.join("conf.d"))
        .filter(|folder| folder.is_dir())
    else {
        return Vec::new();
    };
    let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut paths: Vec<PathBuf> = match entries {
        Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
        Err(error) => {
            let text = format!("expected a readable directory, found: {error}");
            problems.push(Problem::new(folder.display().to_string(), 0, text));
            Vec::new()
        }
    };
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    paths.sort();
    paths
}
