//! Finds the plugins: entries of the plugin directory by Munin's rules, the bundled ones that are wanted without one, and
//! Nagios checks: entries of their own directory, and those that the configuration names.
//!
//! A directory that cannot be read is a problem of its own and takes nothing else with it: bundled plugins go on, and
//! those found there before are kept until it can be read again.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ravenry_plugins::bundled::{self, System};
use ravenry_plugins::munin::plugin_conf::{PluginSettings, is_leftover};
use ravenry_plugins::name::GraphName;
use ravenry_plugins::problem::Problem;

use crate::config::check::CheckEntry;
use crate::config::{Bundled, CHECK_DIR, Config, PLUGIN_DIR};
use crate::schedule::{Found, PluginName};
use crate::settings::SettingsDir;

/// Plugins of one host at most.
pub const PLUGINS_MAX: usize = 2_000;
/// How often the bundled plugins that suit this machine are asked for anew: interfaces come and go.
const SUGGEST_EVERY: Duration = Duration::from_secs(300);
/// The program whose links are the bundled plugins.
const BUNDLED_PROGRAM: &str = "ravenry-plugin";

/// A plugin that can be run.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Its name in the directory, or the one its link would have.
    pub name: PluginName,
    /// The graph that it declares when it names none.
    pub graph: GraphName,
    /// How it is run.
    pub kind: Kind,
    /// What `plugin-conf.d` says about it.
    pub settings: Arc<PluginSettings>,
    /// Whether it answers at once, as most bundled ones do.
    pub is_instant: bool,
    point: PluginName,
    fingerprint: u64,
}

/// How a plugin is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In this process.
    Bundled,
    /// As a program, by the path of its link.
    Foreign {
        /// That path.
        path: PathBuf,
    },
    /// As a Nagios check: its exit code and its output are its verdict.
    Check {
        /// A program and its arguments.
        words: Vec<String>,
    },
}

impl Plugin {
    /// The plugin as the schedule sees it.
    #[must_use]
    pub fn found(&self) -> Found {
        Found {
            name: self.name.clone(),
            fingerprint: self.fingerprint,
            interval: self.settings.update_rate,
            point: self.point.clone(),
            instant: self.is_instant,
        }
    }
}

/// An entry of the directory that is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Its name.
    pub name: String,
    /// Why not.
    pub why: &'static str,
}

impl Ignored {
    /// Whether the disk only does not give it for the moment.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.why == LOST
    }
}

/// What a look at the directory found.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// The plugins, by name.
    pub plugins: Vec<Plugin>,
    /// What is there and is not run.
    pub ignored: Vec<Ignored>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Whether there may be more: a directory could not be read.
    pub incomplete: bool,
}

/// Where plugins are looked for, and what is remembered between two looks.
#[derive(Clone, Debug)]
pub struct Directory {
    plugins: Folder,
    checks: Folder,
    /// Those that the configuration names.
    named_checks: Vec<Entry>,
    bundled: Bundled,
    settings: SettingsDir,
    /// What bundled plugins hash to be due together, at another moment than those of other hosts.
    point: PluginName,
    suggested: Option<(Instant, Vec<String>)>,
}

/// A folder of executables.
#[derive(Clone, Debug)]
struct Folder {
    path: PathBuf,
    /// Whether it was named, so that its absence is a problem.
    named: bool,
    /// How what is in it is run.
    holds: Holds,
    /// What was found when it could last be read.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Plugins,
    Checks,
}

#[derive(Clone, Debug)]
struct Entry {
    name: PluginName,
    kind: Kind,
    file: u64,
    /// What counts before `plugin-conf.d`.
    settings: PluginSettings,
}

impl Directory {
    /// The directory that `config` names.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            plugins: Folder::new(config.plugin_dir.as_ref(), PLUGIN_DIR, Holds::Plugins),
            checks: Folder::new(config.check_dir.as_ref(), CHECK_DIR, Holds::Checks),
            named_checks: config.checks.iter().map(Entry::of_check).collect(),
            bundled: config.bundled.clone(),
            settings: SettingsDir::new(config),
            point: config.host.as_str().into(),
            suggested: None,
        }
    }

    /// Looks. Blocks on the disk.
    pub fn scan(&mut self, now: Instant) -> Scan {
        let mut scan = Scan::default();
        self.settings.refresh(&mut scan.problems);
        self.plugins.read(&mut scan);
        self.checks.read(&mut scan);
        scan.ignored.sort_by(|a, b| a.name.cmp(&b.name));
        let mut entries = self.plugins.entries.clone();
        entries.extend(self.wanted_bundled(now, &mut scan.problems));
        entries.extend(self.named_checks.iter().cloned());
        entries.extend(self.checks.entries.iter().cloned());
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.dedup_by(|again, first| {
            let is_twice = again.name == first.name;
            if is_twice && matches!(again.kind, Kind::Check { .. }) {
                let why = "another plugin or check has its name";
                scan.ignored.push(ignored(&again.name, why));
            }
            is_twice
        });
        if entries.len() > PLUGINS_MAX {
            let text = format!(
                "expected at most {PLUGINS_MAX} plugins, found {}: the last ones are not run",
                entries.len()
            );
            scan.problems
                .push(Problem::new(self.plugins.source(), 0, text));
            entries.truncate(PLUGINS_MAX);
        }
        for entry in entries {
            match self.plugin(&entry) {
                Some(plugin) => scan.plugins.push(plugin),
                None => scan
                    .ignored
                    .push(ignored(&entry.name, "no graph can have this name")),
            }
        }
        scan
    }

    /// The program at `path` as it would be run if it were in the directory under `name`. Blocks on the disk.
    #[must_use]
    pub fn candidate(&self, name: &str, path: &Path) -> Option<Plugin> {
        let entry = read_entry(path, name, Holds::Plugins).ok()?;
        self.plugin(&entry)
    }

    fn plugin(&self, entry: &Entry) -> Option<Plugin> {
        let mut settings = entry.settings.clone();
        settings.fill_in(&self.settings.of(&entry.name));
        let mut hasher = DefaultHasher::new();
        (entry.file, format!("{:?}{settings:?}", entry.kind)).hash(&mut hasher);
        let bundled = (entry.kind == Kind::Bundled).then(|| bundled::find(&entry.name));
        let bundled = bundled.flatten();
        let point = bundled.as_ref().map_or(&entry.name, |_| &self.point);
        Some(Plugin {
            is_instant: bundled.is_some_and(|bundled| bundled.is_instant()),
            point: point.clone(),
            name: entry.name.clone(),
            graph: GraphName::of_plugin(&entry.name)?,
            kind: entry.kind.clone(),
            settings: Arc::new(settings),
            fingerprint: hasher.finish(),
        })
    }

    fn wanted_bundled(&mut self, now: Instant, problems: &mut Vec<Problem>) -> Vec<Entry> {
        let names = match &self.bundled {
            Bundled::Off => Vec::new(),
            Bundled::Auto => self.suggested(now),
            Bundled::These(names) => names.clone(),
        };
        let (known, unknown): (BTreeSet<String>, BTreeSet<String>) = names
            .into_iter()
            .partition(|name| bundled::find(name).is_some());
        problems.extend(unknown.iter().map(|name| {
            Problem::new(
                "bundled",
                0,
                format!("expected the name of a bundled plugin, found {name:?}"),
            )
        }));
        known
            .iter()
            .map(|name| Entry {
                name: name.as_str().into(),
                kind: Kind::Bundled,
                file: 0,
                settings: PluginSettings::default(),
            })
            .collect()
    }

    fn suggested(&mut self, now: Instant) -> Vec<String> {
        let fresh = |at: Instant| now.saturating_duration_since(at) < SUGGEST_EVERY;
        match &self.suggested {
            Some((at, names)) if fresh(*at) => names.clone(),
            Some(_) | None => {
                let names = bundled::suggested(&System::running());
                self.suggested = Some((now, names.clone()));
                names
            }
        }
    }
}

impl Folder {
    fn new(said: Option<&PathBuf>, default: &str, holds: Holds) -> Self {
        Self {
            path: said.cloned().unwrap_or_else(|| PathBuf::from(default)),
            named: said.is_some(),
            holds,
            entries: Vec::new(),
        }
    }

    fn source(&self) -> String {
        self.path.display().to_string()
    }

    fn read(&mut self, scan: &mut Scan) {
        let listed = fs::read_dir(&self.path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.named => {
                return self.entries.clear();
            }
            Err(error) => {
                let text = format!("expected a directory of plugins that can be read: {error}");
                scan.problems.push(Problem::new(self.source(), 0, text));
                scan.incomplete = true;
                return;
            }
        };
        self.entries.clear();
        for entry in listed {
            let name = entry.file_name().to_string_lossy().into_owned();
            match read_entry(&entry.path(), &name, self.holds) {
                Ok(entry) => self.entries.push(entry),
                Err(why) => scan.ignored.push(ignored(&name, why)),
            }
        }
    }
}

impl Entry {
    fn of_check(check: &CheckEntry) -> Self {
        Self {
            name: check.name.as_str().into(),
            kind: Kind::Check {
                words: check.command.clone(),
            },
            file: 0,
            settings: check.settings.clone(),
        }
    }
}

fn ignored(name: &str, why: &'static str) -> Ignored {
    Ignored {
        name: name.to_owned(),
        why,
    }
}

/// Why an entry is not run that may be back at any time.
const LOST: &str = "it cannot be read, or its link leads nowhere";

/// An entry of the directory, or why it is no plugin.
fn read_entry(path: &Path, name: &str, holds: Holds) -> Result<Entry, &'static str> {
    if let Some(why) = name_refused(name) {
        return Err(why);
    }
    let meta = fs::metadata(path).map_err(|_| LOST)?;
    if !meta.is_file() {
        return Err("it is no file");
    }
    if meta.mode() & 0o111 == 0 {
        return Err("it is not executable");
    }
    let kind = match holds {
        Holds::Checks => Kind::Check {
            words: vec![path.to_str().ok_or("its path is not UTF-8")?.to_owned()],
        },
        Holds::Plugins if is_bundled(path, name)? => Kind::Bundled,
        Holds::Plugins => Kind::Foreign {
            path: path.to_owned(),
        },
    };
    Ok(Entry {
        name: name.into(),
        kind,
        file: fingerprint(&meta),
        settings: PluginSettings::default(),
    })
}

fn is_bundled(path: &Path, name: &str) -> Result<bool, &'static str> {
    let target = fs::canonicalize(path).map_err(|_| LOST)?;
    let program = target.file_name();
    Ok(program.is_some_and(|program| program == BUNDLED_PROGRAM) && bundled::find(name).is_some())
}

/// Munin's rule for names of plugins.
fn name_refused(name: &str) -> Option<&'static str> {
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'@' | b'.' | b':');
    if name.starts_with('.') {
        Some("its name begins with a dot")
    } else if Path::new(name).extension().is_some_and(|end| end == "conf") {
        Some("its name ends in .conf")
    } else if is_leftover(name) {
        Some("it is what an editor or a package manager leaves")
    } else if name.is_empty() || name.len() > 150 || !name.bytes().all(word) {
        Some("its name holds other characters than letters, digits and - _ @ . :")
    } else {
        None
    }
}

fn fingerprint(meta: &Metadata) -> u64 {
    let mut hasher = DefaultHasher::new();
    (
        meta.dev(),
        meta.ino(),
        meta.size(),
        meta.mtime(),
        meta.mtime_nsec(),
    )
        .hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use ravenry_plugins::clock;

    use super::*;
    use crate::config::Surroundings;

    fn directory(path: &Path, bundled: Bundled) -> Directory {
        let surroundings = Surroundings {
            hostname: "web1".to_owned(),
            state_dir: path.join("state"),
        };
        let config = Config {
            plugin_dir: Some(path.to_owned()),
            bundled,
            ..Config::defaults(&surroundings)
        };
        Directory::new(&config)
    }

    fn put(path: &Path, name: &str, mode: u32) {
        fs::write(path.join(name), "#!/bin/sh\n").unwrap();
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn show(scan: &Scan) -> String {
        let plugins = scan.plugins.iter().map(|plugin| match &plugin.kind {
            Kind::Bundled => format!("{} bundled\n", plugin.name),
            Kind::Foreign { .. } => format!("{} as {}\n", plugin.name, plugin.graph),
            Kind::Check { words } => format!("{} check {}\n", plugin.name, words.join(" ")),
        });
        let ignored = scan
            .ignored
            .iter()
            .map(|ignored| format!("{}: {}\n", ignored.name, ignored.why));
        plugins.chain(ignored).collect()
    }

    #[test]
    fn entries_are_plugins_by_the_rules_of_munin() {
        let dir = tempfile::tempdir().unwrap();
        for (name, mode) in [
            ("df", 0o755),
            ("snmp_sw@1", 0o755),
            ("plain", 0o644),
            (".swp", 0o755),
            ("a.conf", 0o755),
            ("df.dpkg-old", 0o755),
            ("a b", 0o755),
        ] {
            put(dir.path(), name, mode);
        }
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::create_dir(dir.path().join("lib")).unwrap();
        put(&dir.path().join("lib"), BUNDLED_PROGRAM, 0o755);
        symlink(
            dir.path().join("lib").join(BUNDLED_PROGRAM),
            dir.path().join("if_eth7"),
        )
        .unwrap();
        symlink("nowhere", dir.path().join("lost")).unwrap();
        let scan = directory(
            dir.path(),
            Bundled::These(vec!["cpu".to_owned(), "df".to_owned()]),
        )
        .scan(clock::monotonic());
        expect_test::expect![[r#"
            cpu bundled
            df as df
            if_eth7 bundled
            snmp_sw@1 as snmp_sw_1
            .swp: its name begins with a dot
            a b: its name holds other characters than letters, digits and - _ @ . :
            a.conf: its name ends in .conf
            df.dpkg-old: it is what an editor or a package manager leaves
            lib: it is no file
            lost: it cannot be read, or its link leads nowhere
            plain: it is not executable
            sub: it is no file
        "#]]
        .assert_eq(&show(&scan));
        assert!(scan.problems.is_empty(), "{:?}", scan.problems);
    }

    #[test]
    fn checks_come_from_their_directory_and_from_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let text = r#"
            [[check]]
            name = "disk"
            command = ["/check_disk", "-w", "10%"]
            interval = 300
            [[check]]
            name = "df"
            command = "true"
        "#;
        for folder in ["plugins", "checks"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        put(&dir.path().join("plugins"), "df", 0o755);
        put(&dir.path().join("checks"), "check_load", 0o755);
        put(&dir.path().join("checks"), "check_off", 0o644);
        let surroundings = Surroundings {
            hostname: "web1".to_owned(),
            state_dir: dir.path().join("state"),
        };
        let draft = crate::config::parse(text, "agent.toml", &surroundings).unwrap();
        let config = Config {
            plugin_dir: Some(dir.path().join("plugins")),
            check_dir: Some(dir.path().join("checks")),
            bundled: Bundled::Off,
            ..draft.config
        };
        let scan = Directory::new(&config).scan(clock::monotonic());
        let shown = show(&scan).replace(&dir.path().display().to_string(), "");
        expect_test::expect![[r#"
            check_load check /checks/check_load
            df as df
            disk check /check_disk -w 10%
            check_off: it is not executable
            df: another plugin or check has its name
        "#]]
        .assert_eq(&shown);
        let disk = scan.plugins.iter().find(|it| &*it.name == "disk").unwrap();
        assert_eq!(disk.found().interval, Some(Duration::from_secs(300)));
    }

    #[test]
    fn a_directory_that_vanishes_is_one_problem_and_keeps_what_was_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plugins");
        fs::create_dir(&path).unwrap();
        put(&path, "mine", 0o755);
        let mut directory = directory(&path, Bundled::Off);
        assert_eq!(directory.scan(clock::monotonic()).plugins.len(), 1);
        fs::rename(&path, dir.path().join("moved")).unwrap();
        let scan = directory.scan(clock::monotonic());
        assert_eq!((scan.plugins.len(), scan.problems.len()), (1, 1));
        assert!(
            scan.problems[0]
                .text
                .starts_with("expected a directory of plugins"),
            "{}",
            scan.problems[0]
        );
    }

    #[test]
    fn a_changed_file_has_another_fingerprint() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "mine", 0o755);
        let mut directory = directory(dir.path(), Bundled::Off);
        let before = directory.scan(clock::monotonic()).plugins.remove(0).found();
        assert_eq!(
            before,
            directory.scan(clock::monotonic()).plugins.remove(0).found()
        );
        fs::write(dir.path().join("mine"), "#!/bin/sh\necho\n").unwrap();
        assert_ne!(
            before,
            directory.scan(clock::monotonic()).plugins.remove(0).found()
        );
    }

    #[test]
    fn an_unknown_bundled_name_is_a_problem() {
        let dir = tempfile::tempdir().unwrap();
        let scan =
            directory(dir.path(), Bundled::These(vec!["cpuu".to_owned()])).scan(clock::monotonic());
        assert_eq!(
            scan.problems[0].to_string(),
            "bundled: expected the name of a bundled plugin, found \"cpuu\""
        );
    }
}
