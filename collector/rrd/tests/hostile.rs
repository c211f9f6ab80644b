//! Damaged and crafted files: whatever the bytes are, nothing panics, hangs or needs more memory than the file's size
//! explains, and no write lies outside the file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt;

use proptest::prelude::*;
use ravenry_rrd::definition::{Cf, Kind};
use ravenry_rrd::fetch::{self, Request};
use ravenry_rrd::header::{Header, TIME_MAX};
use ravenry_rrd::print::{self, Head};
use ravenry_rrd::update::Input;
use ravenry_rrd::writes::Writes;

/// Counts text instead of keeping it.
struct Counter(usize);

impl fmt::Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Does with a file whatever can be done with it.
fn exercise(file: &[u8], times: &[i64]) {
    let Ok(mut header) = Header::parse(file, file.len() as u64) else {
        return;
    };
    assert!(header.size_bytes() <= file.len());
    assert!(!print::info(&header, "file").is_empty());
    assert!(!print::last_inputs(&header).is_empty());
    let mut text = Counter(0);
    print::dump(&header, file, Head::Dtd, chrono_tz::Tz::UTC, &mut text).unwrap();
    // A number is at most 18 letters, a row's comment 60 more.
    assert!(text.0 < 100_000 + 20 * file.len());
    let mut writes = Writes::new();
    for &time in times {
        for cf in Cf::ALL {
            ask(
                &header,
                file,
                Request {
                    cf,
                    start: time - 5000,
                    end: time,
                    resolution: 1,
                },
            );
        }
        let kinds = header
            .inputs()
            .iter()
            .map(|&source| header.sources()[source].kind);
        let inputs: Vec<Input<'_>> = kinds.map(input).collect();
        let _ = header.update(time, 0, &inputs, &mut writes);
    }
    header.live_write(&mut writes);
    for (offset, bytes) in writes.iter() {
        assert!(offset + bytes.len() as u64 <= file.len() as u64);
    }
}

fn input(kind: Kind) -> Input<'static> {
    match kind {
        Kind::Counter | Kind::Derive => Input::Count(123),
        Kind::Gauge | Kind::Absolute | Kind::DCounter | Kind::DDerive | Kind::Compute => {
            Input::Number(1.5)
        }
    }
}

fn ask(header: &Header, file: &[u8], request: Request) {
    if let Ok(plan) = fetch::plan(header, &request) {
        plan.read(header, |offset, bytes| fetch::slice(file, offset, bytes))
            .unwrap();
    }
}

fn golden() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec!["kinds", "version1", "compute", "forecast"]).prop_map(|name| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
        std::fs::read(format!("{folder}/{name}.after.rrd")).unwrap()
    })
}

/// Where to put which byte; interesting bytes more often.
fn damage() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    let byte = prop_oneof![
        Just(0),
        Just(0xff),
        Just(0x7f),
        Just(0x80),
        Just(1),
        any::<u8>()
    ];
    prop::collection::vec((any::<prop::sample::Index>(), byte), 1..5)
}

/// Which word of the header becomes which number.
fn words() -> impl Strategy<Value = Vec<(prop::sample::Index, u64)>> {
    let word = prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        Just(1 << 56),
        Just(1 << 31),
        Just(f64::NAN.to_bits()),
        0_u64..5000,
        (0_u32..63).prop_map(|bit| 1 << bit),
        any::<u64>()
    ];
    prop::collection::vec((any::<prop::sample::Index>(), word), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_do_no_harm(mut file in golden(), damage in damage(), keep in any::<prop::sample::Index>()) {
        for (at, byte) in damage {
            let at = at.index(file.len());
            file[at] = byte;
        }
        exercise(&file, &[1_000_003_600, 1_000_003_601, 1_500_000_000, TIME_MAX]);
        file.truncate(keep.index(file.len()));
        exercise(&file, &[1_000_003_600]);
    }

    #[test]
    fn crafted_numbers_do_no_harm(mut file in golden(), words in words()) {
        for (at, word) in words {
            // The first 800 bytes hold all that is counted with; names are left alone more often than not.
            let at = 8 * at.index(100.min(file.len() / 8));
            file[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        exercise(&file, &[1_000_003_600, 1_000_003_601, 1_500_000_000, TIME_MAX]);
    }
}
