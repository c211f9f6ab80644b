//! Damaged and crafted files: whatever the bytes are, nothing panics, hangs or needs more memory than the file's size
//! explains, and no write lies outside the file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt;

use proptest::prelude::*;
use ravenry_rrd::definition::{Cf, Kind};
use ravenry_rrd::fetch::{self, Request};
use ravenry_rrd::header::{Header, TIME_MAX};
use ravenry_rrd::print::{self, Head};
use ravenry_rrd::restore::restore;
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

/// A golden file with words at these offsets that are others is refused with this.
#[track_caller]
fn refused(words: &[(usize, u64)], expect: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut file = std::fs::read(format!("{folder}/version1.after.rrd")).unwrap();
    for (at, word) in words {
        file[*at..at + 8].copy_from_slice(&word.to_le_bytes());
    }
    let error = Header::parse(&file, file.len() as u64).unwrap_err();
    assert_eq!(error.to_string(), expect);
}

/// Found by fuzzing or thought of: numbers whose products no integer holds.
#[test]
fn counts_beyond_all_bounds_are_refused() {
    let archive = 128 + 2 * 120;
    let (rows, steps) = (archive + 24, archive + 32);
    let words = [(40, 1 << 40), (rows, 1 << 56), (steps, 1 << 56)];
    let expect = "rows of an archive is out of range: 72057594037927936";
    refused(&words, expect);
    refused(&[(40, 0)], "step is out of range: 0");
    refused(&[(rows, 0)], "rows of an archive is out of range: 0");
    refused(
        &[(steps, 0)],
        "steps per row of an archive is out of range: 0",
    );
    let expect = "number of data sources is out of range: 72057594037927936";
    refused(&[(24, 1 << 56)], expect);
    let expect = "number of archives is out of range: 72057594037927936";
    refused(&[(32, 1 << 56)], expect);
    refused(
        &[(24, 1000)],
        "the file is too small: expected 392392 bytes, found 1304",
    );
}

/// Such XML becomes no file.
#[track_caller]
fn no_dump(xml: &str, expect: &str) {
    let error = restore(xml.as_bytes(), false).unwrap_err();
    assert_eq!(error.to_string(), expect);
}

#[test]
fn xml_that_is_no_dump_is_refused_with_its_line() {
    no_dump("", "line 1: expected a tag, found the end of the XML");
    no_dump("<rra>", "line 1: expected <rrd>, found <rra>");
    no_dump(
        "<rrd>\n<ds>\n",
        "line 3: expected a tag, found the end of the XML",
    );
    no_dump(
        "<rrd>\n text",
        "line 2: expected a tag, found the text 'text'",
    );
    no_dump(
        "<rrd><row/></rrd>",
        "line 1: expected a part of <rrd>, found <row>",
    );
    no_dump(
        "<rrd><version>9</version>",
        "line 1: expected version 1 to 5, found '9'",
    );
    let expect = "line 1: expected a whole number, found '18446744073709551616'";
    no_dump("<rrd><step>18446744073709551616</step>", expect);
    let expect = "line 1: expected seconds since 1970, found '18446744073709551615'";
    no_dump("<rrd><lastupdate>18446744073709551615</lastupdate>", expect);
    let expect = "line 1: expected at most 19 characters, found 'abcdefghijklmnopqrst'";
    no_dump("<rrd><ds><name>abcdefghijklmnopqrst</name>", expect);
    no_dump(
        "<rrd><ds><min>1e9999</min>",
        "line 1: expected a number, found '1e9999'",
    );
    let expect = "line 2: unknown data source type \"HEAP\"";
    no_dump("<rrd>\n<ds><type>HEAP</type>", expect);
    let expect = "line 1: expected data sources before archives, found <ds> behind <rra>";
    no_dump("<rrd><rra><cdp_prep/></rra><ds/></rrd>", expect);
    no_dump(
        "<rrd><ds/><rra/></rrd>",
        "line 1: expected <cdp_prep> in <rra>, found none",
    );
    let expect = "line 1: expected <ds>, found a closing tag";
    no_dump("<rrd><ds/><rra><cdp_prep/></rra></rrd>", expect);
    let expect = "line 1: expected a <row> in <database>, found none";
    no_dump("<rrd><ds/><rra><database/></rra></rrd>", expect);
    let expect = "line 1: expected <v>, found a closing tag";
    no_dump(
        "<rrd><ds/><rra><database><row/></database></rra></rrd>",
        expect,
    );
    let expect = "what the XML describes is no RRD: step is out of range: 0";
    no_dump("<rrd></rrd>", expect);
    no_dump("<rrd></rrd> <!-- the end -->\n", expect);
    let expect = "line 2: expected the end of the XML behind </rrd>, found ";
    no_dump("<rrd></rrd>\n<rrd></rrd>", &format!("{expect}<rrd>"));
    no_dump("<rrd></rrd>\nmore", &format!("{expect}the text 'more'"));
}

/// Entities that grow when they are expanded, tags without end and in each other without end.
#[test]
fn xml_that_is_a_bomb_is_refused_before_it_goes_off() {
    let mut bomb = "<!DOCTYPE rrd [<!ENTITY a0 \"aaaaaaaaaa\">".to_owned();
    for level in 1..30 {
        let inner = format!("&a{};", level - 1);
        bomb += &format!("<!ENTITY a{level} \"{}\">", inner.repeat(10));
    }
    bomb += "]>\n<rrd><ds><name>&a29;</name>";
    no_dump(
        &bomb,
        "line 2: expected text, found the unknown entity '&a29;'",
    );
    let external =
        "<!DOCTYPE r [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><rrd><ds><name>&f;</name>";
    no_dump(
        external,
        "line 1: expected text, found the unknown entity '&f;'",
    );
    let endless = format!("<rrd>\n<{}", "a".repeat(2 << 20));
    let expect =
        "line 2: error reading/parsing XML: I/O error: a tag or text is longer than 1048576 bytes";
    no_dump(&endless, expect);
    let deep = format!("<rrd>{}", "<ds>".repeat(1_000_000));
    no_dump(&deep, "line 1: expected a part of <ds>, found <ds>");
    let text = format!("<rrd><step>{}", "<![CDATA[x]]>".repeat(2 << 20));
    no_dump(&text, "line 1: expected a value, found a text without end");
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
