//! What `plugin-conf.d` says about each plugin, read again when one of its files has changed.
//!
//! A file that cannot be read is a problem; what it said before is forgotten, the other files count.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use ravenry_plugins::munin::plugin_conf::{PluginConf, PluginSettings, is_leftover};
use ravenry_plugins::problem::Problem;

use crate::config::{Config, PLUGIN_CONF_DIR};

/// Bytes of a file at most.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Files at most.
const FILES_MAX: usize = 1_000;

/// The directory, and what its files said when they were last read.
#[derive(Clone, Debug)]
pub struct SettingsDir {
    path: PathBuf,
    /// Whether it was named, so that its absence is a problem.
    named: bool,
    read: Arc<Read>,
}

#[derive(Debug, Default)]
struct Read {
    files: Vec<(PathBuf, Option<SystemTime>, u64)>,
    conf: PluginConf,
    problems: Vec<Problem>,
}

impl SettingsDir {
    /// The directory that `config` names.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            path: config
                .plugin_conf_dir
                .clone()
                .unwrap_or_else(|| PathBuf::from(PLUGIN_CONF_DIR)),
            named: config.plugin_conf_dir.is_some(),
            read: Arc::default(),
        }
    }

    /// Looks whether files have changed and reads them anew if so. Adds what is wrong to `problems`.
    pub fn refresh(&mut self, problems: &mut Vec<Problem>) {
        match list(&self.path) {
            Ok(files) if files == self.read.files => {}
            Ok(files) => self.read = Arc::new(read(files)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.named => {
                self.read = Arc::default();
            }
            Err(error) => {
                let text = format!("expected a plugin-conf.d directory that can be read: {error}");
                problems.push(Problem::new(self.path.display().to_string(), 0, text));
            }
        }
        problems.extend(self.read.problems.iter().cloned());
    }

    /// What counts for a plugin.
    #[must_use]
    pub fn of(&self, plugin: &str) -> PluginSettings {
        self.read.conf.resolve(plugin)
    }
}

/// The files that count, as Munin chooses them, in the order of their names.
fn list(dir: &Path) -> io::Result<Vec<(PathBuf, Option<SystemTime>, u64)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        let counts = name
            .to_str()
            .is_some_and(|name| !name.starts_with('.') && name.bytes().all(legal))
            && !name.to_str().is_some_and(is_leftover);
        let Some(meta) = fs::metadata(entry.path())
            .ok()
            .filter(|meta| counts && meta.is_file())
        else {
            continue;
        };
        files.push((entry.path(), meta.modified().ok(), meta.len()));
    }
    files.sort();
    Ok(files)
}

fn read(files: Vec<(PathBuf, Option<SystemTime>, u64)>) -> Read {
    let mut read = Read::default();
    for (path, _, size_bytes) in files.iter().take(FILES_MAX) {
        let source = path.display().to_string();
        if *size_bytes > FILE_BYTES_MAX {
            let text = format!("expected at most {FILE_BYTES_MAX} bytes, found {size_bytes}");
            read.problems.push(Problem::new(source, 0, text));
            continue;
        }
        match fs::read(path) {
            Ok(bytes) => read
                .problems
                .extend(read.conf.read(&source, &String::from_utf8_lossy(&bytes))),
            Err(error) => {
                read.problems
                    .push(Problem::new(source, 0, format!("cannot be read: {error}")));
            }
        }
    }
    read.files = files;
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Surroundings;

    #[test]
    fn a_changed_file_is_read_again_and_a_bad_line_costs_itself() {
        let dir = tempfile::tempdir().unwrap();
        let surroundings = Surroundings {
            hostname: "web1".to_owned(),
            state_dir: dir.path().to_owned(),
        };
        let defaults = Config::defaults(&surroundings);
        let mut settings = SettingsDir::new(&Config {
            plugin_conf_dir: Some(dir.path().to_owned()),
            ..defaults
        });
        fs::write(dir.path().join("a"), "[df]\nuser root\nnonsense\n").unwrap();
        fs::write(dir.path().join(".hidden"), "[df]\ntimeout 5\n").unwrap();
        let mut problems = Vec::new();
        settings.refresh(&mut problems);
        assert_eq!(
            (settings.of("df").user.as_deref(), settings.of("df").timeout),
            (Some("root"), None)
        );
        assert_eq!((problems.len(), problems[0].line), (1, 3));
        fs::write(dir.path().join("b"), "[df]\nuser adm\n").unwrap();
        settings.refresh(&mut Vec::new());
        assert_eq!(settings.of("df").user.as_deref(), Some("adm"));
    }
}
