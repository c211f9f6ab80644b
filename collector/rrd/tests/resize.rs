//! `resize` beside rrdtool's. It writes to the current directory, so it has a process of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod oracle;

use std::path::Path;

use oracle::Oracle;
use ravenry_rrd::cli::{self, Surroundings};

fn ours(words: &[&str]) -> i32 {
    let args: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let mut around = Surroundings {
        now: (1_000_000_000, 0),
        zone: chrono_tz::Tz::UTC,
        input: &mut std::io::empty(),
        output: &mut std::io::sink(),
        errors: &mut std::io::sink(),
    };
    cli::main(&args, &mut around)
}

#[test]
fn archives_are_resized_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    std::env::set_current_dir(folder.path()).unwrap();
    let Some(mut oracle) = Oracle::start("UTC") else {
        return;
    };
    let create = "create f.rrd --start 1000000000 --step 60 DS:a:GAUGE:600:U:U DS:b:COUNTER:600:U:U RRA:AVERAGE:0.5:1:7 \
                  RRA:MAX:0:3:5 RRA:LAST:0:1:1";
    for number in 0..100 {
        oracle.run(&create.split(' ').collect::<Vec<_>>()).unwrap();
        for minute in 0..number % 17 {
            let update = format!("{}:{minute}:{}", 1_000_000_060 + 60 * minute, 9 * minute);
            oracle.run(&["update", "f.rrd", &update]).unwrap();
        }
        let (archive, rows) = ((number % 4).to_string(), (number % 7).to_string());
        let way = ["GROW", "SHRINK", "SHRINK", "SHRINK", "SHIFT"][number % 5];
        let words = ["resize", "f.rrd", &archive, way, &rows];
        let status = ours(&words);
        let resized = std::fs::read("resize.rrd").ok();
        let _ = std::fs::remove_file("resize.rrd");
        let theirs = oracle.run(&words);
        assert_eq!(status == 0, theirs.is_ok(), "{words:?} {theirs:?}");
        if theirs.is_ok() {
            assert!(resized == std::fs::read("resize.rrd").ok(), "{words:?}");
            std::fs::remove_file("resize.rrd").unwrap();
        }
        assert!(!Path::new("resize.rrd").exists());
    }
}
