//! `ravenry-agent suggest`: which plugins would work on this machine, as a table or as commands for the shell; and
//! `enable` and `disable`, which make and remove links.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use ravenry_agent::config::{Config, PLUGIN_DIR};
use ravenry_agent::directory::{Directory, Kind, Plugin, Scan};
use ravenry_agent::runner::Runner;
use ravenry_plugins::bundled::{self, System};
use ravenry_plugins::clock;
use ravenry_plugins::munin::offer::{Autoconf, parse_autoconf, parse_markers, parse_suggest};
use ravenry_plugins::munin::text_of;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::{At, configuration, show};

/// Where Debian, and Munin itself, put plugins.
const LIBRARIES: [&str; 2] = ["/usr/share/munin/plugins", "/usr/lib/munin/plugins"];
/// Bytes of a plugin in which its markers are looked for.
const MARKER_BYTES_MAX: usize = 256 << 10;

#[derive(Debug, Args)]
pub(crate) struct Suggest {
    #[command(flatten)]
    at: At,
    /// Print commands that make the missing links, to be read and given to a shell
    #[arg(long)]
    shell: bool,
    /// Folder of plugins to choose from; may be given again [default: /usr/share/munin/plugins, /usr/lib/munin/plugins]
    #[arg(long = "libdir", value_name = "DIR")]
    libraries: Vec<PathBuf>,
    /// Families of plugins to choose from
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "auto"
    )]
    families: Vec<String>,
    /// Only these plugins
    plugins: Vec<String>,
}

/// A plugin that could be linked.
struct Candidate {
    name: String,
    path: PathBuf,
    /// Whether it wants an instance behind its name.
    wildcard: bool,
    plugin: Plugin,
}

/// What came of asking it.
struct Offer {
    name: String,
    path: Option<PathBuf>,
    wildcard: bool,
    /// Names under which it runs now.
    used: BTreeSet<String>,
    is_bundled: bool,
    /// Names under which it would work, or why it would not.
    wanted: Result<BTreeSet<String>, String>,
}

/// Prints the table, or the commands. Fails when a plugin answered what no plugin may.
pub(crate) async fn suggest(suggest: Suggest) -> anyhow::Result<ExitCode> {
    let config = configuration(&suggest.at)?;
    let mut directory = Directory::new(&config);
    let scan = directory.scan(clock::monotonic());
    let candidates = candidates(&suggest, &directory);
    let (mut offers, broken) = ask_all(candidates, &config, &scan).await;
    // What is bundled needs no link: one row says so, unless somebody wants the other one.
    let bundled = bundled_offers(&suggest, &scan);
    let runs = |name: &str| {
        bundled
            .iter()
            .any(|it| it.name == name && !it.used.is_empty())
    };
    offers.retain(|offer| !offer.used.is_empty() || !runs(&offer.name));
    let others: BTreeSet<String> = offers.iter().map(|offer| offer.name.clone()).collect();
    let is_shown = |offer: &Offer| !offer.used.is_empty() || !others.contains(&offer.name);
    offers.extend(bundled.into_iter().filter(is_shown));
    offers.sort_by(|a, b| (&a.name, a.is_bundled).cmp(&(&b.name, b.is_bundled)));
    let links = config
        .plugin_dir
        .clone()
        .unwrap_or_else(|| PLUGIN_DIR.into());
    show(&if suggest.shell {
        offers.iter().map(|offer| offer.commands(&links)).collect()
    } else {
        table(&offers)
    })?;
    for why in &broken {
        eprintln!("{why}");
    }
    Ok(if broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn libraries(said: &[PathBuf]) -> Vec<PathBuf> {
    match said {
        [] => LIBRARIES
            .iter()
            .map(PathBuf::from)
            .filter(|dir| dir.is_dir())
            .collect(),
        said => said.to_vec(),
    }
}

/// The plugins of the libraries that are of the wanted families and answer `autoconf`.
fn candidates(suggest: &Suggest, directory: &Directory) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for library in libraries(&suggest.libraries) {
        for (name, path) in executables(&library) {
            let is_wanted = suggest.plugins.is_empty() || suggest.plugins.contains(&name);
            let is_known = found.iter().any(|candidate| candidate.name == name);
            let markers = parse_markers(&beginning(&path));
            if !is_wanted
                || is_known
                || !suggest.families.contains(&markers.family)
                || !markers.autoconf
            {
                continue;
            }
            if let Some(plugin) = directory.candidate(&name, &path) {
                found.push(Candidate {
                    wildcard: markers.suggest && name.ends_with('_'),
                    name,
                    path,
                    plugin,
                });
            }
        }
    }
    found
}

fn executables(library: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(library).into_iter().flatten().flatten();
    let mut found: Vec<(String, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect();
    found.sort();
    found
}

fn beginning(path: &Path) -> String {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    // What cannot be read has no markers.
    if let Ok(file) = fs::File::open(path) {
        drop(file.take(MARKER_BYTES_MAX as u64).read_to_end(&mut bytes));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Asks each for `autoconf` and `suggest`, some at a time; what broke the rules is told apart.
async fn ask_all(
    candidates: Vec<Candidate>,
    config: &Config,
    scan: &Scan,
) -> (Vec<Offer>, Vec<String>) {
    let runner = Runner::new(config);
    let room = Arc::new(Semaphore::new(config.concurrency_max));
    let mut asked = JoinSet::new();
    for candidate in candidates {
        let (runner, room) = (runner.clone(), Arc::clone(&room));
        asked.spawn(async move {
            let _room = room.acquire().await;
            let answer = ask(&runner, &candidate).await;
            (candidate, answer)
        });
    }
    let (mut offers, mut broken) = (Vec::new(), Vec::new());
    for (candidate, answer) in asked.join_all().await {
        let wanted = answer.unwrap_or_else(|why| {
            broken.push(format!("{}: {why}", candidate.path.display()));
            Err("it broke the rules of autoconf".to_owned())
        });
        offers.push(Offer {
            used: used(scan, &candidate.path),
            name: candidate.name,
            path: Some(candidate.path),
            wildcard: candidate.wildcard,
            is_bundled: false,
            wanted,
        });
    }
    broken.sort();
    (offers, broken)
}

/// The outer error is an answer that no plugin may give.
async fn ask(
    runner: &Runner,
    candidate: &Candidate,
) -> Result<Result<BTreeSet<String>, String>, String> {
    let said = |word| async move {
        let result = runner.print(&candidate.plugin, Some(word)).await;
        match result.outcome.succeeded() {
            true => Ok(text_of(&result.stdout).into_owned()),
            false => Err(format!("{word}: {}", result.outcome)),
        }
    };
    match parse_autoconf(&said("autoconf").await?)? {
        Autoconf::No(why) => return Ok(Err(why.unwrap_or_default())),
        Autoconf::Yes if !candidate.wildcard => {
            return Ok(Ok(BTreeSet::from([candidate.name.clone()])));
        }
        Autoconf::Yes => {}
    }
    let (instances, problems) = parse_suggest(&said("suggest").await?);
    if let Some(problem) = problems.first() {
        return Err(problem.to_string());
    }
    let names = instances.iter().map(|it| format!("{}{it}", candidate.name));
    Ok(Ok(names.collect()))
}

/// The names under which the program at `path` runs.
fn used(scan: &Scan, path: &Path) -> BTreeSet<String> {
    let target = fs::canonicalize(path).ok();
    let is_it = |plugin: &&Plugin| match &plugin.kind {
        Kind::Foreign { path } => target.is_some() && fs::canonicalize(path).ok() == target,
        Kind::Bundled | Kind::Check { .. } => false,
    };
    let plugins = scan.plugins.iter().filter(is_it);
    plugins.map(|plugin| plugin.name.to_string()).collect()
}

fn bundled_offers(suggest: &Suggest, scan: &Scan) -> Vec<Offer> {
    let system = System::running();
    let automatic = bundled::suggested(&system);
    let mut offers = Vec::new();
    for (name, _) in bundled::list() {
        let of_it = |link: &str| bundled::find(link).is_some_and(|found| found.name() == name);
        let used = scan
            .plugins
            .iter()
            .filter(|plugin| plugin.kind == Kind::Bundled);
        let used: BTreeSet<String> = used
            .map(|plugin| plugin.name.to_string())
            .filter(|link| of_it(link))
            .collect();
        let wanted: BTreeSet<String> = automatic
            .iter()
            .filter(|link| of_it(link))
            .cloned()
            .collect();
        if !suggest.plugins.is_empty() && !suggest.plugins.iter().any(|wanted| wanted == name) {
            continue;
        }
        offers.push(Offer {
            name: name.to_owned(),
            path: None,
            wildcard: name.ends_with('_'),
            used,
            is_bundled: true,
            wanted: if wanted.is_empty() {
                Err("not suggested here".to_owned())
            } else {
                Ok(wanted)
            },
        });
    }
    offers
}

fn table(offers: &[Offer]) -> String {
    let width = offers
        .iter()
        .map(|offer| offer.name.len())
        .max()
        .unwrap_or(0)
        .max(26);
    let line = |a: &str, b: &str, c: &str| format!("{a:<width$} | {b:<7} | {c}\n");
    let mut text = line("Plugin", "Used", "Suggestions");
    text += &line("------", "----", "-----------");
    for offer in offers {
        text += &line(&offer.name, offer.used_in_words(), &offer.suggestions());
    }
    text
}

impl Offer {
    fn used_in_words(&self) -> &'static str {
        match (self.used.is_empty(), self.is_bundled) {
            (true, _) => "no",
            (false, true) => "bundled",
            (false, false) => "yes",
        }
    }

    /// As munin-node-configure says it: `yes`, `no [why]`, and of a wildcard `+` what could be added, `-` what could go.
    fn suggestions(&self) -> String {
        let wanted = match &self.wanted {
            Err(why) if why.is_empty() => return "no".to_owned(),
            Err(why) => return format!("no [{why}]"),
            Ok(wanted) if !self.wildcard => {
                return if wanted.is_empty() { "no" } else { "yes" }.to_owned();
            }
            Ok(wanted) => wanted,
        };
        let instance = |name: &String| name.strip_prefix(&self.name).unwrap_or(name).to_owned();
        let words: Vec<String> = wanted
            .union(&self.used)
            .map(
                |name| match (wanted.contains(name), self.used.contains(name)) {
                    (true, true) => instance(name),
                    (true, false) => format!("+{}", instance(name)),
                    (false, _) => format!("-{}", instance(name)),
                },
            )
            .collect();
        format!("yes ({})", words.join(" "))
    }

    /// Links for what would work, is not linked, and is not bundled.
    fn commands(&self, links: &Path) -> String {
        let (Some(path), Ok(wanted)) = (&self.path, &self.wanted) else {
            return String::new();
        };
        let missing = wanted.difference(&self.used);
        missing
            .map(|name| format!("ln -s {} {}\n", quoted(path), quoted(&links.join(name))))
            .collect()
    }
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

#[derive(Debug, Args)]
pub(crate) struct Enable {
    #[command(flatten)]
    at: At,
    /// Folder of plugins to choose from; may be given again [default: /usr/share/munin/plugins, /usr/lib/munin/plugins]
    #[arg(long = "libdir", value_name = "DIR")]
    libraries: Vec<PathBuf>,
    /// The program, where it is in none of these folders
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Names of the links: a plugin's own name, or with an instance behind it (`if_eth0`)
    #[arg(required = true)]
    names: Vec<String>,
}

/// Links plugins; a running agent sees them within seconds.
pub(crate) fn enable(enable: &Enable) -> anyhow::Result<ExitCode> {
    let config = configuration(&enable.at)?;
    let links = config.plugin_dir.unwrap_or_else(|| PLUGIN_DIR.into());
    for name in &enable.names {
        if name.contains('/') || name.starts_with('.') {
            bail!(
                "{name:?}: expected a plugin's name, found a path: name the program with --program"
            );
        }
        let target = match &enable.program {
            Some(program) => std::path::absolute(program)?,
            None => program_of(name, &libraries(&enable.libraries))?,
        };
        let link = links.join(name);
        fs::create_dir_all(&links).with_context(|| format!("cannot make {}", links.display()))?;
        symlink(&target, &link)
            .with_context(|| format!("cannot link {} to {}", link.display(), target.display()))?;
        show(&format!("{} -> {}\n", link.display(), target.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The program of a link: of the same name, or the wildcard with the longest name that fits.
fn program_of(name: &str, libraries: &[PathBuf]) -> anyhow::Result<PathBuf> {
    let fits =
        |program: &str| program == name || (program.ends_with('_') && name.starts_with(program));
    let programs = libraries.iter().flat_map(|library| executables(library));
    let best = programs
        .filter(|(program, _)| fits(program))
        .max_by_key(|(program, _)| program.len());
    if let Some((_, path)) = best {
        return Ok(path);
    }
    let beside = std::env::current_exe()?.with_file_name("ravenry-plugin");
    if bundled::find(name).is_some() && beside.is_file() {
        return Ok(beside);
    }
    let places: Vec<String> = libraries
        .iter()
        .map(|it| it.display().to_string())
        .collect();
    bail!(
        "there is no plugin for {name:?} in {}: name its program with --program, or another folder with --libdir",
        places.join(", ")
    )
}

#[derive(Debug, Args)]
pub(crate) struct Disable {
    #[command(flatten)]
    at: At,
    /// Names of the links
    #[arg(required = true)]
    names: Vec<String>,
}

/// Removes links; a running agent sees that within seconds. A plugin that is no link is left alone.
pub(crate) fn disable(disable: &Disable) -> anyhow::Result<ExitCode> {
    let config = configuration(&disable.at)?;
    let links = config.plugin_dir.unwrap_or_else(|| PLUGIN_DIR.into());
    for name in &disable.names {
        let link = links.join(name);
        let kind = fs::symlink_metadata(&link).map(|meta| meta.file_type());
        match kind {
            Ok(kind) if kind.is_symlink() => {
                fs::remove_file(&link)
                    .with_context(|| format!("cannot remove {}", link.display()))?;
                show(&format!("{} is gone\n", link.display()))?;
            }
            Ok(_) => bail!(
                "{} is no link: move it away, or take its executable bit",
                link.display()
            ),
            Err(_) if bundled::find(name).is_some() => bail!(
                "{name} is bundled and runs without a link: name those that are to run in `bundled = [...]`"
            ),
            Err(error) => bail!("{}: expected a link: {error}", link.display()),
        }
    }
    Ok(ExitCode::SUCCESS)
}
