//! XML of any form. What becomes a file is dumped, and what that dump becomes has the same dump.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravenry_rrd::header::Header;
use ravenry_rrd::print::{Head, dump};
use ravenry_rrd::restore::restore;

fn dumped(file: &[u8]) -> String {
    let header = Header::parse(file, file.len() as u64).unwrap();
    let mut text = String::new();
    dump(&header, file, Head::None, chrono_tz::Tz::UTC, &mut text).unwrap();
    text
}

fuzz_target!(|xml: &[u8]| {
    let _ = restore(xml, true);
    if let Ok(file) = restore(xml, false) {
        assert!(file.len() < 1000 + 40 * xml.len());
        let text = dumped(&file);
        let again = restore(text.as_bytes(), false).unwrap();
        assert_eq!(dumped(&again), text);
    }
});
