//! How a plugin is run: its command, its environment, the user it runs as, and a directory for what it remembers.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::unistd::{Uid, User, chown, geteuid};
use ravenry_plugins::bundled::Environment;
use ravenry_plugins::munin::environment::Surroundings;
use ravenry_plugins::name::HostName;
use ravenry_plugins::run::RunSpec;

use crate::config::Config;
use crate::directory::{Kind, Plugin};
use crate::library::{self, Library};

/// Whom plugins run as when the agent is root and nothing is said, as with Munin.
const DEFAULT_USER: &str = "nobody";
/// Where Munin, if it is installed, has what its plugins share.
const MUNIN_LIB_DIR: &str = "/usr/share/munin";

/// Who asks a plugin, as far as plugins are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Its address, or `-`: a plugin remembers for each.
    pub master: String,
    /// Whether it takes values from `config`.
    pub dirtyconfig: bool,
}

impl Asker {
    /// This agent itself.
    #[must_use]
    pub fn agent() -> Self {
        Self {
            master: "-".to_owned(),
            dirtyconfig: true,
        }
    }
}

/// What is the same for every plugin.
#[derive(Debug)]
pub struct Base {
    host: HostName,
    /// Holds a directory for each user that plugins run as.
    state_dir: PathBuf,
    /// What plugins share, as soon as one of them was run.
    library: OnceLock<Library>,
    /// The directory's name for each user whose directory is there; `None` is the agent's own.
    made: Mutex<HashMap<Option<String>, String>>,
}

impl Base {
    /// What `config` says of it.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            host: config.host.clone(),
            state_dir: config.state_dir.join("plugin-state"),
            library: OnceLock::new(),
            made: Mutex::default(),
        }
    }

    /// How a foreign plugin is run for `word`. Makes its state directory; blocks.
    ///
    /// # Errors
    /// One sentence, when there is no such user or the directory cannot be made.
    pub fn spec(
        &self,
        plugin: &Plugin,
        word: Option<&str>,
        asker: &Asker,
        helper: &Path,
    ) -> Result<RunSpec, String> {
        let (path, rest) = program(&plugin.kind)?;
        let said = plugin.settings.user.clone();
        let user = said.or_else(|| geteuid().is_root().then(|| DEFAULT_USER.to_owned()));
        let owner = self.make_state_dir(user.as_deref())?;
        let library = self.library()?;
        let words = plugin.settings.command_line(path, word).into_iter();
        let mut words = words.chain(rest.iter().cloned());
        let mut spec = RunSpec::new(words.next().ok_or("expected a command, found none")?);
        spec.args = words.map(Into::into).collect();
        spec.env = self.variables(plugin, asker, &owner, library);
        spec.user = user;
        spec.groups = plugin.settings.groups.clone().unwrap_or_default();
        helper.clone_into(&mut spec.helper);
        Ok(spec)
    }

    /// The surroundings of a bundled plugin, which runs as the agent itself. Blocks. Where no state directory can be made
    /// it has none: most remember nothing, and those that do say so.
    pub fn for_bundled(&self, plugin: &Plugin) -> Environment {
        let environment = Environment::new(plugin.settings.env.clone());
        match self.make_state_dir(None) {
            Ok(owner) => environment.with_state_dir(self.state_dir.join(owner)),
            Err(_) => environment,
        }
    }

    /// What plugins share, laid out the first time. Munin's own directory is named where it has one, because some plugins
    /// look for other things of Munin's there; its Perl modules are not used, because ours load in a quarter of the time.
    fn library(&self) -> Result<&Library, String> {
        // One run lays it out, those that began beside it wait.
        let _alone = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = self.library.get() {
            return Ok(library);
        }
        let dir = self.state_dir.with_file_name("lib");
        let mut library = Library::lay_out(&dir).map_err(|error| {
            format!(
                "what plugins share, {}: cannot be written: {error}",
                dir.display()
            )
        })?;
        if Path::new(MUNIN_LIB_DIR).join(library::SHELL_FILE).exists() {
            library.shell_dir = PathBuf::from(MUNIN_LIB_DIR);
        }
        Ok(self.library.get_or_init(|| library))
    }

    fn variables(
        &self,
        plugin: &Plugin,
        asker: &Asker,
        owner: &str,
        library: &Library,
    ) -> Vec<(String, String)> {
        let surroundings = Surroundings {
            host: self.host.as_str(),
            plugin: &plugin.name,
            user: owner,
            state_dir: &self.state_dir.display().to_string(),
            lib_dir: &library.shell_dir.display().to_string(),
            perl_dir: &library.perl_dir.display().to_string(),
            dirtyconfig: asker.dirtyconfig,
            master: &asker.master,
        };
        let mut variables = surroundings.variables(&plugin.settings.env);
        if let Kind::Check { .. } = plugin.kind {
            // Where the checks of monitoring-plugins remember things, by its older and its newer name.
            let state = surroundings.plugin_state_dir();
            for name in ["NAGIOS_PLUGIN_STATE_DIRECTORY", "MP_STATE_PATH"] {
                variables.push((name.to_owned(), state.clone()));
            }
        }
        variables
    }

    /// Makes the directory of what plugins of `user` remember, and says its name.
    fn make_state_dir(&self, user: Option<&str>) -> Result<String, String> {
        let key = user.map(str::to_owned);
        if let Some(owner) = self
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
        {
            return Ok(owner.clone());
        }
        let uid = user.map_or_else(|| Ok(geteuid()), uid_of)?;
        let owner = user.map_or_else(|| name_of(uid), str::to_owned);
        if owner.contains('/') || owner.starts_with('.') {
            return Err(format!("expected a user's name, found {owner:?}"));
        }
        let dir = self.state_dir.join(&owner);
        make(&dir, uid).map_err(|error| {
            format!("state directory {}: cannot be made: {error}", dir.display())
        })?;
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, owner.clone());
        Ok(owner)
    }
}

/// What is executed, and what stands behind the word that it is asked with.
fn program(kind: &Kind) -> Result<(&str, &[String]), String> {
    match kind {
        Kind::Bundled => Err("a bundled plugin is no program".to_owned()),
        Kind::Foreign { path } => {
            let text = path.to_str();
            let text =
                text.ok_or_else(|| format!("expected a path in UTF-8, found {}", path.display()))?;
            Ok((text, &[]))
        }
        Kind::Check { words } => {
            let (program, rest) = words
                .split_first()
                .ok_or("expected a command, found none")?;
            Ok((program, rest))
        }
    }
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

fn name_of(uid: Uid) -> String {
    User::from_uid(uid)
        .ok()
        .flatten()
        .map_or_else(|| uid.to_string(), |user| user.name)
}

/// Makes a folder, and those above it that are missing, which other users can pass through but not list: plugins of theirs
/// have their state below it. What is there already stays as it is.
pub(crate) fn make_passable(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(above) = dir.parent() {
        make_passable(above)?;
    }
    match fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    // Whatever the mask of the process says.
    fs::set_permissions(dir, Permissions::from_mode(0o751))
}

fn make(dir: &Path, uid: Uid) -> io::Result<()> {
    if let Some(above) = dir.parent() {
        make_passable(above)?;
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
