//! `[[check]]`: a Nagios check by its command line.

use std::time::Duration;

use ravenry_plugins::munin::plugin_conf::PluginSettings;
use ravenry_plugins::name::GraphName;
use ravenry_plugins::settings::Section;

/// A Nagios check that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckEntry {
    /// Its name on the host that it is about.
    pub name: GraphName,
    /// What is executed: a program and its arguments.
    pub command: Vec<String>,
    /// What is said here about how it is run; the rest may stand in `plugin-conf.d`.
    pub settings: PluginSettings,
}

/// Takes all checks of `root`, those that are wrong with a problem each.
pub fn read(root: &mut Section<'_, '_>) -> Vec<CheckEntry> {
    let mut checks: Vec<CheckEntry> = Vec::new();
    for mut section in root.repeated_sections("check") {
        if let Some(check) = read_one(&mut section) {
            if checks.iter().any(|known| known.name == check.name) {
                let text = format_args!("expected each check once, found {} again", check.name);
                section.report(&section.span_of("name"), "name", text);
            }
            checks.push(check);
        }
        section.end();
    }
    checks
}

fn read_one(section: &mut Section<'_, '_>) -> Option<CheckEntry> {
    let second = Duration::from_secs(1);
    let name = section.parsed::<GraphName>("name");
    let command = section.list::<String>("command");
    let settings = PluginSettings {
        user: section.text("user"),
        timeout: section.duration("timeout", second..=Duration::from_secs(3600)),
        host_name: section.parsed("host"),
        update_rate: section.duration("interval", second..=Duration::from_secs(86_400)),
        ..PluginSettings::default()
    };
    let needed = [("name", name.is_some()), ("command", command.is_some())];
    for (key, _) in needed.into_iter().filter(|(_, there)| !there) {
        if !section.has_problems() {
            section.report(&section.span(), key, "expected one, found none");
        }
    }
    let command = words(command?);
    if command.is_empty() {
        let text = "expected a command line, or a program and its arguments, found nothing";
        section.report(&section.span_of("command"), "command", text);
    }
    Some(CheckEntry {
        name: name?,
        command,
        settings,
    })
}

/// A text is a command line for the shell, as in nrpe.cfg; a list is a program and its arguments.
fn words(command: Vec<String>) -> Vec<String> {
    match command.as_slice() {
        [line] if line.trim().is_empty() => Vec::new(),
        [line] => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
        _ => command,
    }
}
