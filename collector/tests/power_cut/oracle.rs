//! The installed rrdtool reads the files that a life left behind.

use std::path::Path;
use std::process::Stdio;

use ravenry_plugins::disk::{Disk, MemoryDisk, Open, read_whole};
use ravenry_rrd::header::Header;

use crate::plot::Plot;

/// What a program prints for `args`; `None` where rrdtool is not installed, which is a failure with
/// `RAVENRY_TESTS_STRICT`.
#[expect(
    clippy::disallowed_methods,
    reason = "the oracle is the real tool, started by a test"
)]
fn printed(program: &str, args: &[&str]) -> Option<String> {
    let output = std::process::Command::new(program)
        .args(args)
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        assert!(
            std::env::var_os("RAVENRY_TESTS_STRICT").is_none(),
            "{program} is missing"
        );
        return None;
    };
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Every file is one to rrdtool, too: it shows the same header, the same rows and the same last readings.
pub(crate) fn agrees((disk, plots): &(MemoryDisk, Vec<Plot>)) {
    let folder = tempfile::tempdir().unwrap();
    for plot in plots {
        let path = format!("rrd/{}/{}.rrd", plot.host, plot.graph);
        let Ok(file) = disk.open(Path::new(&path), Open::Existing) else {
            continue;
        };
        let bytes = read_whole(&*file, 1 << 30).unwrap();
        let place = folder.path().join(format!("{}.rrd", plot.graph));
        std::fs::write(&place, &bytes).unwrap();
        compare(&bytes, &place.display().to_string());
    }
}

fn compare(bytes: &[u8], place: &str) {
    let header = Header::parse(bytes, bytes.len() as u64).unwrap();
    for args in [
        vec!["info", place],
        vec!["dump", place],
        vec!["lastupdate", place],
        vec![
            "fetch",
            place,
            "AVERAGE",
            "-s",
            "1699920000",
            "-e",
            "1707696000",
        ],
    ] {
        let ours = printed(
            env!("CARGO_BIN_EXE_ravenry"),
            &[&["rrd"], &args[..]].concat(),
        );
        let Some(theirs) = printed("rrdtool", &args) else {
            return;
        };
        assert_eq!(ours, Some(theirs), "{args:?} of {:?}", header.last_update());
    }
}
