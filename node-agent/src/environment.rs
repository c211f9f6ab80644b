//! What a plugin finds around it: the environment variables that Munin's plugins look at, a directory for its state, the
//! user that it runs as.

use std::collections::HashSet;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::unistd::{Uid, User, chown, geteuid};
use ravenry_plugins::bundled::Environment;
use ravenry_plugins::name::HostName;
use ravenry_plugins::run::RunSpec;

use crate::config::Config;
use crate::directory::{Kind, Plugin};

/// Whom plugins run as when the agent is root and nothing is said, as with Munin.
const DEFAULT_USER: &str = "nobody";

/// What is the same for every plugin of a Debian system with Munin's plugins: names and values that they look at.
const FIXED: &[(&str, &str)] = &[
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("LC_ALL", "C"),
    ("LANG", "C"),
    ("PYTHONIOENCODING", "utf8:replace"),
    ("MUNIN_DEBUG", "0"),
    ("MUNIN_MASTER_IP", ""),
    ("MUNIN_CAP_MULTIGRAPH", "1"),
    ("MUNIN_CAP_DIRTYCONFIG", "1"),
    ("MUNIN_PREFIX", "/usr"),
    ("MUNIN_CONFDIR", "/etc/munin"),
    ("MUNIN_BINDIR", "/usr/bin"),
    ("MUNIN_SBINDIR", "/usr/sbin"),
    ("MUNIN_DOCDIR", "/usr/share/doc/munin"),
    ("MUNIN_LIBDIR", "/usr/share/munin"),
    ("MUNIN_DBDIR", "/var/lib/munin"),
    ("MUNIN_SPOOLDIR", "/var/lib/munin-async"),
    ("MUNIN_LOGDIR", "/var/log/munin"),
    ("MUNIN_STATEDIR", "/var/run/munin"),
    ("MUNIN_USER", "munin"),
    ("MUNIN_GROUP", "munin"),
    ("MUNIN_PLUGINUSER", DEFAULT_USER),
    ("MUNIN_VERSION", "2.0.73"),
    ("MUNIN_PERL", "/usr/bin/perl"),
    ("MUNIN_PERLLIB", "/usr/share/perl5"),
    ("MUNIN_GOODSH", "/bin/sh"),
    ("MUNIN_BASH", "/bin/bash"),
    ("MUNIN_PYTHON", "/usr/bin/python3"),
    ("MUNIN_RUBY", "/usr/bin/ruby"),
    ("MUNIN_OSTYPE", "linux"),
    ("MUNIN_MKTEMP", "mktemp -p /tmp/ $1"),
    ("MUNIN_HASSETR", "1"),
];

/// What every plugin finds around it.
#[derive(Debug)]
pub struct Base {
    host: HostName,
    /// Holds a directory for each user that plugins run as.
    state_dir: PathBuf,
    /// Users whose directory is there.
    made: Mutex<HashSet<String>>,
}

impl Base {
    /// What `config` says of it.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            host: config.host.clone(),
            state_dir: config.state_dir.join("plugin-state"),
            made: Mutex::default(),
        }
    }

    /// How a foreign plugin is run for `word`. Makes its state directory.
    ///
    /// # Errors
    /// One sentence, when there is no such user or the directory cannot be made.
    pub async fn spec(
        &self,
        plugin: &Plugin,
        word: Option<&str>,
        helper: &Path,
    ) -> Result<RunSpec, String> {
        let Kind::Foreign { path } = &plugin.kind else {
            return Err("a bundled plugin is no program".to_owned());
        };
        let user = user_of(plugin);
        let state_dir = self.state_dir_of(user.as_deref())?;
        let (program, args) = plugin.settings.command_line(path, word);
        let mut spec = RunSpec::new(program);
        spec.args = args;
        spec.env = self.variables(plugin, &state_dir);
        spec.user = user;
        spec.groups = plugin.settings.groups();
        helper.clone_into(&mut spec.helper);
        Ok(spec)
    }

    /// The surroundings of a bundled plugin, which runs as the agent itself.
    ///
    /// # Errors
    /// One sentence, when its state directory cannot be made.
    pub fn for_bundled(&self, plugin: &Plugin) -> Result<Environment, String> {
        let state_dir = self.state_dir_of(None)?;
        Ok(Environment::new(plugin.settings.env()).with_state_dir(state_dir))
    }

    fn variables(&self, plugin: &Plugin, state_dir: &Path) -> Vec<(String, String)> {
        let state = state_dir.display().to_string();
        let own = [
            ("FQDN", self.host.to_string()),
            ("MUNIN_HOSTNAME", self.host.to_string()),
            ("MUNIN_STATEFILE", format!("{state}/{}-", plugin.name)),
            ("MUNIN_PLUGSTATE", state),
        ];
        let fixed = FIXED
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let own = own
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        // What is set later counts: `plugin-conf.d` may replace any of them.
        fixed.chain(own).chain(plugin.settings.env()).collect()
    }

    /// The state directory of plugins that run as `user`, made when it is missing. Blocks, the first time.
    fn state_dir_of(&self, user: Option<&str>) -> Result<PathBuf, String> {
        let uid = match user {
            Some(name) => uid_of(name)?,
            None => geteuid(),
        };
        let name = user.map_or_else(|| uid.to_string(), str::to_owned);
        let dir = self.state_dir.join(name.replace('/', "_"));
        if self
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&name)
        {
            return Ok(dir);
        }
        make(&dir, uid).map_err(|error| {
            format!("state directory {}: cannot be made: {error}", dir.display())
        })?;
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name);
        Ok(dir)
    }
}

/// Whom a plugin runs as: what is said, else `nobody` when the agent is root, else the agent's own user.
fn user_of(plugin: &Plugin) -> Option<String> {
    let said = plugin.settings.user().map(str::to_owned);
    said.or_else(|| geteuid().is_root().then(|| DEFAULT_USER.to_owned()))
}

fn uid_of(name: &str) -> Result<Uid, String> {
    if let Ok(number) = name.parse() {
        return Ok(Uid::from_raw(number));
    }
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid),
        Ok(None) => Err(format!("there is no user {name:?}")),
        Err(error) => Err(format!("user {name:?} cannot be looked up: {error}")),
    }
}

fn make(dir: &Path, uid: Uid) -> io::Result<()> {
    if let Some(above) = dir.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(above)?;
    }
    match DirBuilder::new().mode(0o755).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    if geteuid().is_root() {
        chown(dir, Some(uid), None).map_err(io::Error::from)
    } else {
        Ok(())
    }
}
