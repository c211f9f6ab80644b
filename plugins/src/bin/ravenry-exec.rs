//! `ravenry-exec`: the exec helper by itself. It becomes a plugin in half the time of a program that has the rest of the
//! agent in it; the agent uses it where it lies beside it. People have no use for it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use ravenry_plugins::exec;

fn main() -> ExitCode {
    exec::dispatch();
    eprintln!(
        "ravenry-exec: the agent starts plugins with it; to run one by hand: ravenry-agent fetch PLUGIN"
    );
    ExitCode::from(2)
}
