//! What `agent.toml` says, checked and with every default filled in.
//!
//! [`parse`] is pure: text and [`Surroundings`] in, a [`Config`] or every [`Problem`] with its line out. [`load`] reads
//! the files. A configuration with a problem is refused whole; there is no half of one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use ravenry_plugins::name::HostName;
use ravenry_plugins::problem::Problem;
use ravenry_plugins::settings::{Document, Section};
use reqwest::Url;

use crate::inventory::GONE_AFTER;

pub mod check;
pub mod munin_node;

use check::CheckEntry;
use munin_node::MuninPort;

#[cfg(test)]
mod tests;

/// Where plugins are looked for when nothing is said.
pub const PLUGIN_DIR: &str = "/etc/ravenry/plugins";
/// Where Nagios checks are looked for when nothing is said.
pub const CHECK_DIR: &str = "/etc/ravenry/nagios-plugins.d";
/// Where Munin's `plugin-conf.d` files are looked for when nothing is said.
pub const PLUGIN_CONF_DIR: &str = "/etc/ravenry/plugin-conf.d";
/// A configuration file, or a token file, may have this many bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How an agent behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Name under which this host's readings are sent. Default: the system's host name.
    pub host: HostName,
    /// The collector's addresses, in the order in which they are tried; none where an uplink is given otherwise.
    pub collectors: Vec<Url>,
    /// What the collector knows this agent by.
    pub token: Option<Token>,
    /// Where foreign plugins and links to `ravenry-plugin` are. `None`: [`PLUGIN_DIR`] where there is one.
    pub plugin_dir: Option<PathBuf>,
    /// Where Nagios checks are that need no arguments. `None`: [`CHECK_DIR`] where there is one.
    pub check_dir: Option<PathBuf>,
    /// Nagios checks by their command lines.
    pub checks: Vec<CheckEntry>,
    /// Files in the form of Munin's `plugin-conf.d`. `None`: [`PLUGIN_CONF_DIR`] where there is one.
    pub plugin_conf_dir: Option<PathBuf>,
    /// The agent's own directory: its id, its spool, the state of plugins.
    pub state_dir: PathBuf,
    /// How often a plugin runs that does not say otherwise (`update_rate`).
    pub interval: Duration,
    /// How long a plugin may take that `plugin-conf.d` says nothing about.
    pub timeout: Duration,
    /// Plugins that run at the same time at most.
    pub concurrency_max: usize,
    /// Which bundled plugins run although no link names them.
    pub bundled: Bundled,
    /// Bytes that wait on disk for the collector at most; beyond it the oldest are dropped and counted.
    pub spool_bytes_max: u64,
    /// The port at which Munin masters ask; none where nothing is said.
    pub munin_node: Option<MuninPort>,
    /// The program that becomes a plugin: one whose `main` begins with [`ravenry_plugins::exec::dispatch`]. Not in the
    /// file; [`ravenry_plugins::exec::helper`] unless a test says otherwise.
    pub exec_helper: Option<PathBuf>,
    /// How long a plugin must be away to be gone. Not in the file; [`crate::inventory::GONE_AFTER`] unless a test says
    /// otherwise.
    pub gone_after: Duration,
}

/// Which bundled plugins run although no link names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bundled {
    /// Those that suit this machine.
    Auto,
    /// These, by the names that links to them would have.
    These(Vec<String>),
    /// None.
    Off,
}

/// What the collector knows an agent by. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The secret itself, for the header of a push.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = String;

    /// Accepts 1 to 512 visible ASCII characters; the error does not repeat what it found.
    fn from_str(text: &str) -> Result<Self, String> {
        let valid = (1..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err("expected 1 to 512 visible ASCII characters".to_owned())
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What defaults are made of.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The system's host name, as it stands.
    pub hostname: String,
    /// Where the agent's state goes when nothing is said.
    pub state_dir: PathBuf,
}

impl Surroundings {
    /// Asks the system: its host name, and `/var/lib/ravenry-agent` for root, else a directory under the user's state.
    #[must_use]
    pub fn of_this_process() -> Self {
        let hostname = nix::unistd::gethostname().unwrap_or_default();
        Self {
            hostname: hostname.to_string_lossy().into_owned(),
            state_dir: default_state_dir(),
        }
    }
}

fn default_state_dir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/ravenry-agent");
    }
    absolute_from("XDG_STATE_HOME")
        .unwrap_or_else(|| user_home().join(".local/state"))
        .join("ravenry-agent")
}

/// The home of this user: `HOME`, or what the user database says. Never a folder that others can write to.
#[must_use]
pub fn user_home() -> PathBuf {
    let known = || {
        nix::unistd::User::from_uid(nix::unistd::geteuid())
            .ok()
            .flatten()
    };
    absolute_from("HOME")
        .or_else(|| known().map(|user| user.dir))
        .unwrap_or_else(|| PathBuf::from("/nonexistent"))
}

fn absolute_from(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

impl Config {
    /// The configuration of an agent without a file.
    #[must_use]
    pub fn defaults(surroundings: &Surroundings) -> Self {
        Self {
            host: host_from(&surroundings.hostname),
            collectors: Vec::new(),
            token: None,
            plugin_dir: None,
            check_dir: None,
            checks: Vec::new(),
            plugin_conf_dir: None,
            state_dir: surroundings.state_dir.clone(),
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(30),
            concurrency_max: 16,
            bundled: Bundled::Auto,
            spool_bytes_max: 256 << 20,
            munin_node: None,
            exec_helper: None,
            gone_after: GONE_AFTER,
        }
    }
}

/// A system's host name as ours; `localhost` where it holds what no host name does.
fn host_from(hostname: &str) -> HostName {
    match HostName::new(hostname) {
        Ok(host) => host,
        Err(_) => HostName::new("localhost").unwrap_or_else(|_| unreachable!("a valid name")),
    }
}

/// Reads `path` and what it refers to.
///
/// # Errors
/// Every problem, each with file and line; the caller shows them all and goes on with what it had.
pub fn load(path: &Path, surroundings: &Surroundings) -> Result<Config, Vec<Problem>> {
    let source = path.display().to_string();
    let text = read(path).map_err(|text| vec![Problem::new(&source, 0, text)])?;
    let draft = parse(&text, &source, surroundings)?;
    let mut config = draft.config;
    if let Some(file) = draft.token_file {
        config.token = Some(
            load_token(&file)
                .map_err(|text| vec![Problem::new(file.display().to_string(), 0, text)])?,
        );
    }
    Ok(config)
}

fn read(path: &Path) -> Result<String, String> {
    let meta = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if meta.len() > FILE_BYTES_MAX {
        return Err(format!(
            "expected at most {FILE_BYTES_MAX} bytes, found {}",
            meta.len()
        ));
    }
    std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))
}

fn load_token(path: &Path) -> Result<Token, String> {
    read(path)?.trim().parse()
}

/// A configuration whose token file is not read yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// All the rest.
    pub config: Config,
    /// The token's file.
    pub token_file: Option<PathBuf>,
}

/// Checks the text of a configuration; `source` names it in problems.
///
/// # Errors
/// Every problem, in the order of the lines.
pub fn parse(text: &str, source: &str, surroundings: &Surroundings) -> Result<Draft, Vec<Problem>> {
    let document = Document::new(source, text);
    let mut root = document.root();
    let mut config = Config::defaults(surroundings);
    read_addresses(&mut root, surroundings, &mut config);
    let token_file = root.parsed_by("token_file", absolute);
    if let (Some(_), Some(_)) = (&config.token, &token_file) {
        root.report(
            &root.span_of("token_file"),
            "token_file",
            "expected either token or token_file, found both",
        );
    }
    read_directories(&mut root, &mut config);
    read_limits(&mut root, &mut config);
    let mut section = root.section("munin_node");
    config.munin_node = munin_node::read(&mut section);
    section.end();
    root.end();
    let problems = document.into_problems();
    if problems.is_empty() {
        Ok(Draft { config, token_file })
    } else {
        Err(problems)
    }
}

fn read_addresses(root: &mut Section<'_, '_>, surroundings: &Surroundings, config: &mut Config) {
    let host_missing = root.span_of("host") == root.span();
    put(root.parsed("host"), &mut config.host);
    if host_missing && let Err(error) = HostName::new(&surroundings.hostname) {
        root.report(
            &root.span(),
            "host",
            format_args!("not set, and the system's own is none: {error}"),
        );
    }
    let collectors: Vec<Address> = root.list("collector").unwrap_or_default();
    config.collectors = collectors.into_iter().map(|Address(url)| url).collect();
    config.token = root.parsed("token");
}

fn read_directories(root: &mut Section<'_, '_>, config: &mut Config) {
    config.plugin_dir = root.parsed_by("plugin_dir", absolute);
    config.check_dir = root.parsed_by("check_dir", absolute);
    config.checks = check::read(root);
    config.plugin_conf_dir = root.parsed_by("plugin_conf_dir", absolute);
    put(root.parsed_by("state_dir", absolute), &mut config.state_dir);
}

fn read_limits(root: &mut Section<'_, '_>, config: &mut Config) {
    let second = Duration::from_secs(1);
    put(
        root.duration("interval", second..=Duration::from_secs(86_400)),
        &mut config.interval,
    );
    put(
        root.duration("timeout", second..=Duration::from_secs(3600)),
        &mut config.timeout,
    );
    let concurrency = root.integer("concurrency", 1..=1000);
    put(
        concurrency.and_then(|count| usize::try_from(count).ok()),
        &mut config.concurrency_max,
    );
    let bundled = root
        .list::<String>("bundled")
        .map(|names| match names.as_slice() {
            [one] if one == "auto" => Bundled::Auto,
            [one] if one == "off" => Bundled::Off,
            _ => Bundled::These(names),
        });
    put(bundled, &mut config.bundled);
    put(
        root.size_bytes("spool_size", 1 << 20..=1 << 40),
        &mut config.spool_bytes_max,
    );
}

fn put<T>(said: Option<T>, slot: &mut T) {
    if let Some(said) = said {
        *slot = said;
    }
}

/// A collector's address.
struct Address(Url);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        collector_url(text).map(Self)
    }
}

/// A collector's address: `http` or `https`, with a base path where wanted.
///
/// # Errors
/// One sentence, when it is anything else.
pub fn collector_url(text: &str) -> Result<Url, String> {
    let plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    Url::parse(text).ok().filter(plain).ok_or_else(|| {
        format!("expected an address like https://ravenry.example.net:4950, found {text:?}")
    })
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!("expected an absolute path, found {text:?}"))
    }
}
