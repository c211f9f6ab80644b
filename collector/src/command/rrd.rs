//! `ravenry rrd`: rrdtool's command line, and with `-` its pipe mode.

mod picture;
mod pipe;

use std::io::{self, Write};
use std::process::ExitCode;

use ravenry_plugins::clock;
use ravenry_rrd::cli::{self, Surroundings};
use ravenry_rrd::zone;

pub(crate) fn run(arguments: &[String]) -> ExitCode {
    // rrdtool would ask the daemon there first: without it answers may be old and updates come in the wrong order.
    if std::env::var_os("RRDCACHED_ADDRESS").is_some_and(|address| !address.is_empty()) {
        eprintln!(
            "ERROR: RRDCACHED_ADDRESS is set, and rrdcached is not supported: unset it to work on the files themselves"
        );
        return ExitCode::FAILURE;
    }
    if let [dash, folder @ ..] = arguments
        && dash == "-"
        && folder.len() < 2
    {
        return pipe::run(folder.first().map(String::as_str));
    }
    let now = clock::now();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut around = Surroundings {
        now: (now.seconds(), now.subsec_micros()),
        zone: zone::of_system(),
        input: &mut io::stdin().lock(),
        output: &mut out,
        errors: &mut io::stderr().lock(),
    };
    let code = cli::main_drawing(arguments, &mut around, &mut picture::draw);
    match out.flush() {
        Ok(()) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(_) => ExitCode::FAILURE,
    }
}
