//! `ravenry-plugin`: the bundled plugins as one program, called by name or linked under a plugin's name.
//!
//! The only place that turns the process's environment into an [`Environment`]. Exits with 0 when the plugin answered,
//! 1 when it could not, 2 when the call made no sense.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use ravenry_plugins::bundled::{self, Bundled, BundledError, Environment};
use ravenry_plugins::munin::emit;
use ravenry_plugins::munin::offer::Autoconf;

const PROGRAM: &str = "ravenry-plugin";

/// Why there is no answer.
enum Failure {
    /// The call made no sense.
    Call(String),
    /// The plugin could not.
    Plugin(String, BundledError),
}

fn main() -> ExitCode {
    ravenry_plugins::exec::dispatch();
    let arguments = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let (link, words) = call(arguments.collect());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = match (&link, &words[..]) {
        (None, [] | ["help" | "--help" | "-h"]) => Ok(help()),
        (None, ["--version" | "-V"]) => Ok(format!("{PROGRAM} {}\n", env!("CARGO_PKG_VERSION"))),
        (None, [link, words @ ..]) => run(link, words),
        (Some(link), words) => run(link, words),
    };
    match answer {
        Ok(text) => print(&text),
        Err(failure) => report(&failure),
    }
}

/// The plugin's link, when the program was called by one, and the words behind it.
fn call(mut arguments: Vec<String>) -> (Option<String>, Vec<String>) {
    if arguments.is_empty() {
        return (None, arguments);
    }
    let called = arguments.remove(0);
    let name = Path::new(&called)
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    (name.filter(|name| name != PROGRAM), arguments)
}

fn run(link: &str, words: &[&str]) -> Result<String, Failure> {
    let plugin = bundled::find(link).ok_or_else(|| {
        Failure::Call(format!(
            "{link:?} is no bundled plugin; `{PROGRAM} --help` lists them"
        ))
    })?;
    let environment = environment();
    let could_not = |error| Failure::Plugin(link.to_owned(), error);
    match words {
        [] | ["fetch"] => {
            let samples = plugin.fetch(&environment).map_err(could_not)?;
            Ok(emit::fetch(&samples, plugin.graph()))
        }
        ["config"] => {
            let declarations = plugin.config(&environment).map_err(could_not)?;
            Ok(emit::config(&declarations, plugin.graph()))
        }
        ["autoconf"] => Ok(autoconf(&plugin, &environment)),
        ["suggest"] => {
            let instances = plugin.suggest(environment.system());
            Ok(instances.iter().flat_map(|one| [one, "\n"]).collect())
        }
        words => Err(Failure::Call(format!(
            "{link}: expected config, autoconf, suggest, fetch or nothing, found {:?}",
            words.join(" ")
        ))),
    }
}

fn autoconf(plugin: &Bundled, environment: &Environment) -> String {
    match plugin.autoconf(environment) {
        Autoconf::Yes => "yes\n".to_owned(),
        Autoconf::No(None) => "no\n".to_owned(),
        Autoconf::No(Some(reason)) => format!("no ({reason})\n"),
    }
}

/// Settings are variables, as a node passes `env.NAME`; the state directory is Munin's.
fn environment() -> Environment {
    let texts = std::env::vars_os()
        .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
    let environment = Environment::new(texts);
    match std::env::var_os("MUNIN_PLUGSTATE") {
        Some(state_dir) if !state_dir.is_empty() => environment.with_state_dir(state_dir),
        Some(_) | None => environment,
    }
}

fn help() -> String {
    let mut text = format!(
        "Usage: {PROGRAM} NAME [config|autoconf|suggest|fetch]\n\n\
         Prints what the bundled plugin NAME has to say, in Munin's plugin protocol; also when called\n\
         by a link of that name. A name that ends in _ needs an instance behind it, as in if_eth0.\n\n"
    );
    for (name, summary) in bundled::list() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<14} {summary}");
    }
    text
}

/// A reader that went away is no failure of ours.
fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("cannot write the answer: {error}"));
            ExitCode::from(1)
        }
    }
}

fn report(failure: &Failure) -> ExitCode {
    match failure {
        Failure::Call(text) => {
            complain(text);
            ExitCode::from(2)
        }
        Failure::Plugin(link, error) => {
            let source = error.source().map(|source| format!(": {source}"));
            complain(&format!("{link}: {error}{}", source.unwrap_or_default()));
            ExitCode::from(1)
        }
    }
}

fn complain(text: &str) {
    // There is nowhere to say that stderr is gone.
    let _ = writeln!(io::stderr(), "{PROGRAM}: {text}");
}
