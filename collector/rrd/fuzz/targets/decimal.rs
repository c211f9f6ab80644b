//! The texts of numbers and the difference of two counters.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravenry_rrd::{decimal, diff};

fuzz_target!(|text: &[u8]| {
    let whole = decimal::parse(text);
    if let Some((number, rest)) = decimal::leading(text) {
        assert!(rest.len() < text.len());
        assert!(!rest.is_empty() || whole.map(f64::to_bits) == Some(number.to_bits()));
    }
    let (old, new) = text.split_at(text.len() / 2);
    diff::diff(new, old);
});
