//! `ravenry rrd`: rrdtool's command line.

use std::io::{self, Write};
use std::process::ExitCode;

use ravenry_plugins::clock;

pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let now = clock::now();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let now = (now.seconds(), now.subsec_micros());
    let code = ravenry_rrd::cli::main(arguments, now, &mut out, &mut io::stderr().lock());
    match out.flush() {
        Ok(()) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(_) => ExitCode::FAILURE,
    }
}
