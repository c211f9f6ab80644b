//! rrdtool's command line by itself, for trying it and for rrdtool's own test scripts:
//! `RRDTOOL=target/debug/examples/rrd TOP_BUILDDIR=/nowhere bash tests/rrdcreate`.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use ravenry_rrd::cli::{self, Surroundings};
use ravenry_rrd::zone;

#[expect(
    clippy::disallowed_methods,
    reason = "the shell around the library, which is told the time"
)]
fn main() -> ExitCode {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut output = io::BufWriter::new(io::stdout().lock());
    let mut around = Surroundings {
        now: (now.as_secs() as i64, now.subsec_micros()),
        zone: zone::of_system(),
        input: &mut io::stdin().lock(),
        output: &mut output,
        errors: &mut io::stderr().lock(),
    };
    let status = cli::main(&args, &mut around);
    let flushed = output.flush().is_ok();
    if status == 0 && flushed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
