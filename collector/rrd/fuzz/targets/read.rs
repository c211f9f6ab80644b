//! A file of any bytes: nothing panics, and what is printed stays in proportion to the file.
#![no_main]

use std::fmt;

use libfuzzer_sys::fuzz_target;
use ravenry_rrd::definition::Cf;
use ravenry_rrd::fetch::{self, Request};
use ravenry_rrd::header::Header;
use ravenry_rrd::print::{self, Head};

struct Counter(usize);

impl fmt::Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

fuzz_target!(|file: &[u8]| {
    let Ok(header) = Header::parse(file, file.len() as u64) else {
        return;
    };
    assert!(header.size_bytes() <= file.len());
    let info = print::info(&header, "file");
    print::last_inputs(&header);
    let mut text = Counter(0);
    print::dump(&header, file, Head::Dtd, chrono_tz::Tz::Europe__Zurich, &mut text).unwrap();
    assert!(info.len() + text.0 < 100_000 + 50 * file.len());
    let end = header.last_update().0;
    for cf in Cf::ALL {
        for resolution in [1, 3600] {
            let request = Request { cf, start: end.saturating_sub(5000).max(0), end, resolution };
            if let Ok(plan) = fetch::plan(&header, &request) {
                let answer = plan.read(&header, |offset, into| fetch::slice(file, offset, into)).unwrap();
                print::fetched(&answer);
            }
        }
    }
});
