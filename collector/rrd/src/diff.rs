//! The difference of two counter readings, taken on their decimal digits, so that 64-bit counters lose nothing before
//! the subtraction. The digits of the result are then read as [`crate::decimal`] reads digits.

use crate::{UNKNOWN, decimal};

/// Digits that rrdtool subtracts at most.
const DIGITS_MAX: usize = 30;

/// `new - old`. Text before the first digit is skipped (a `-` in it makes the number negative), text behind the digits is
/// ignored. Unknown when one of them has no digits or more than 30, or when their signs differ.
#[must_use]
pub fn diff(new: &[u8], old: &[u8]) -> f64 {
    let (new, old) = (Digits::find(new), Digits::find(old));
    if let (Some(new), Some(old)) = (new.small(), old.small()) {
        return difference(new, old);
    }
    if new.digits.is_empty() || old.digits.is_empty() || new.negative != old.negative {
        return UNKNOWN;
    }
    if new.digits.len().max(old.digits.len()) > DIGITS_MAX {
        return UNKNOWN;
    }
    let signum = if new.negative { -1.0 } else { 1.0 };
    magnitude(new.digits, old.digits) * signum
}

/// An integer reading: sign and magnitude, because rrdtool tells -0 from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) negative: bool,
    pub(crate) magnitude: u64,
}

/// [`diff`] of two integers of at most 64 bits, without text.
pub(crate) fn difference(new: Whole, old: Whole) -> f64 {
    if new.negative != old.negative {
        return UNKNOWN;
    }
    let size = rounded(new.magnitude.abs_diff(old.magnitude));
    let size = if new.magnitude < old.magnitude {
        -size
    } else {
        size
    };
    if new.negative { -size } else { size }
}

/// A count as rrdtool reads its digits: exact to 2^53, then rounded digit by digit.
pub(crate) fn rounded(count: u64) -> f64 {
    if count < 1 << 53 {
        return count as f64;
    }
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = count;
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    decimal::whole(&digits[at..])
}

struct Digits<'a> {
    negative: bool,
    digits: &'a [u8],
}

impl<'a> Digits<'a> {
    fn find(text: &'a [u8]) -> Self {
        let start = text
            .iter()
            .position(u8::is_ascii_digit)
            .unwrap_or(text.len());
        let (before, from) = text.split_at(start);
        let end = from
            .iter()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(from.len());
        Self {
            negative: before.contains(&b'-'),
            digits: &from[..end],
        }
    }

    /// As an integer when it has few enough digits for 64 bits.
    fn small(&self) -> Option<Whole> {
        if self.digits.is_empty() || self.digits.len() > 19 {
            return None;
        }
        let magnitude = self
            .digits
            .iter()
            .fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
        Some(Whole {
            negative: self.negative,
            magnitude,
        })
    }
}

/// `new - old` of two runs of digits of any length up to [`DIGITS_MAX`], column by column.
fn magnitude(new: &[u8], old: &[u8]) -> f64 {
    let width = new.len().max(old.len());
    let column = |digits: &[u8], at: usize| {
        (at + digits.len())
            .checked_sub(width)
            .map_or(0, |index| digits[index] - b'0')
    };
    let smaller = (0..width)
        .map(|at| column(new, at))
        .lt((0..width).map(|at| column(old, at)));
    let (large, small) = if smaller { (old, new) } else { (new, old) };
    let mut result = [b'0'; DIGITS_MAX];
    let mut borrow = 0;
    for at in (0..width).rev() {
        let minuend = column(large, at);
        let subtrahend = column(small, at) + borrow;
        borrow = u8::from(minuend < subtrahend);
        result[at] = b'0' + minuend + 10 * borrow - subtrahend;
    }
    let size = decimal::whole(&result[..width]);
    if smaller { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(new: &str, old: &str, expect: f64) {
        assert_eq!(
            diff(new.as_bytes(), old.as_bytes()).to_bits(),
            expect.to_bits(),
            "{new} - {old}"
        );
    }

    #[test]
    fn digits_are_subtracted_exactly() {
        check("18446744073709551615", "18446744073709551614", 1.0);
        check(
            "100000000000000000000000000000",
            "99999999999999999999999999999",
            1.0,
        );
        check(
            "99999999999999999999999999999",
            "100000000000000000000000000000",
            -1.0,
        );
        check("7", "12", -5.0);
        check("0012", "7", 5.0);
    }

    #[test]
    fn two_negatives_invert_the_sign() {
        check("-5", "-3", -2.0);
        check("-3", "-5", 2.0);
        check("-3", "-3", -0.0);
    }

    #[test]
    fn garbage_around_the_digits_is_ignored() {
        check("10", "x7y9", 3.0);
        check("-10", "a-7", -3.0);
    }

    #[test]
    fn no_digits_too_many_or_other_signs_are_unknown() {
        check("", "5", UNKNOWN);
        check("5", "KN", UNKNOWN);
        check("-5", "5", UNKNOWN);
        check("1", "1234567890123456789012345678901", UNKNOWN);
    }

    #[test]
    fn large_differences_round_digit_by_digit() {
        check("18446744073709551615", "0", rounded(u64::MAX));
        check("9007199254740993", "0", rounded(9_007_199_254_740_993));
    }
}
