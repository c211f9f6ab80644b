//! `ravenry`: the command line around the library.

#![forbid(unsafe_code)]

mod command;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use ravenry_plugins::exec;

use crate::command::Cli;

fn main() -> ExitCode {
    exec::dispatch();
    // rrdtool's command line has rules of its own, which clap must not see.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "rrd") {
        return match words
            .map(OsString::into_string)
            .collect::<Result<Vec<_>, _>>()
        {
            Ok(arguments) => command::rrd::run(&arguments),
            Err(word) => {
                eprintln!("ERROR: expected arguments in UTF-8, found {word:?}");
                ExitCode::FAILURE
            }
        };
    }
    let cli = Cli::parse();
    match command::carry_out(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ravenry: {}", in_words(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each said once.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}
