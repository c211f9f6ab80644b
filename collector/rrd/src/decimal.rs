//! rrdtool's reading of a decimal number. It is not correctly rounded: digits are gathered in a float, then scaled by
//! powers of ten found by squaring, so a quarter of all numbers with three decimals end one bit beside `str::parse`.
//! Whoever wants rrdtool's bytes has to read numbers this way. Always `.`, never a locale.

use crate::UNKNOWN;

/// The number that the whole of `text` stands for, `None` when it is no number to rrdtool.
///
/// White space may lead, not trail; `5.` and `5e` are 5; exponents outside -1021..=1024 (decimals counted) are refused;
/// words that begin with `nan`, `-nan`, `inf` or `-inf` in any case pass.
#[must_use]
pub fn parse(text: &[u8]) -> Option<f64> {
    match leading(text) {
        Some((number, [])) => Some(number),
        Some(_) => None,
        None => word(text),
    }
}

/// The number at the start of `text` and what follows it, `None` when there is none.
#[must_use]
pub fn leading(text: &[u8]) -> Option<(f64, &[u8])> {
    let text = text.trim_ascii_start_c();
    let (negative, text) = sign(text);
    let mut digits = Digits::default();
    let mut rest = digits.take(text);
    let mut decimals = 0;
    if let [b'.', after @ ..] = rest {
        let before = after.len();
        rest = digits.take(after);
        decimals = i64::try_from(before - rest.len()).ok()?;
    }
    if digits.count == 0 {
        return None;
    }
    let (exponent, rest) = exponent(rest);
    let exponent = exponent.saturating_sub(decimals);
    if !(i64::from(f64::MIN_EXP)..=i64::from(f64::MAX_EXP)).contains(&exponent) {
        return None;
    }
    let number = digits.value();
    Some((
        scale(if negative { -number } else { number }, exponent),
        rest,
    ))
}

/// The value of a run of digits, rounded at every digit as rrdtool does.
#[must_use]
pub(crate) fn whole(text: &[u8]) -> f64 {
    let mut digits = Digits::default();
    digits.take(text);
    digits.value()
}

/// `isspace` of C, which has the vertical tab that Rust's ASCII white space lacks.
trait TrimC {
    fn trim_ascii_start_c(&self) -> &[u8];
}

impl TrimC for [u8] {
    fn trim_ascii_start_c(&self) -> &[u8] {
        let blanks = self
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r'))
            .count();
        &self[blanks..]
    }
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// `e`, an optional sign and digits, which may be missing.
fn exponent(text: &[u8]) -> (i64, &[u8]) {
    let [b'e' | b'E', rest @ ..] = text else {
        return (0, text);
    };
    let (negative, rest) = sign(rest);
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let exponent = rest[..digits].iter().fold(0_i64, |sum, byte| {
        sum.saturating_mul(10)
            .saturating_add(i64::from(byte - b'0'))
    });
    (if negative { -exponent } else { exponent }, &rest[digits..])
}

fn scale(mut number: f64, exponent: i64) -> f64 {
    let mut power = 10.0;
    let mut bits = exponent.unsigned_abs();
    while bits > 0 {
        if bits & 1 == 1 {
            if exponent < 0 {
                number /= power;
            } else {
                number *= power;
            }
        }
        bits >>= 1;
        power *= power;
    }
    number
}

/// The words; rrdtool swaps the sign of its NaN.
fn word(text: &[u8]) -> Option<f64> {
    let begins = |word: &[u8]| {
        text.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    if begins(b"-nan") {
        Some(UNKNOWN)
    } else if begins(b"nan") {
        Some(-UNKNOWN)
    } else if begins(b"inf") {
        Some(f64::INFINITY)
    } else if begins(b"-inf") {
        Some(f64::NEG_INFINITY)
    } else {
        None
    }
}

/// Digits gathered so far: exactly while they fit, then rounded at each digit.
#[derive(Default)]
struct Digits {
    count: usize,
    exact: u64,
    rounded: Option<f64>,
}

impl Digits {
    /// While `exact` is at most this, another digit leaves it below 2^53, where a float is exact too.
    const EXACT_MAX: u64 = (1 << 53) / 10 - 1;

    fn take<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.count += digits;
        for byte in &text[..digits] {
            self.push(byte - b'0');
        }
        &text[digits..]
    }

    fn push(&mut self, digit: u8) {
        match &mut self.rounded {
            Some(number) => *number = *number * 10.0 + f64::from(digit),
            None if self.exact <= Self::EXACT_MAX => {
                self.exact = self.exact * 10 + u64::from(digit);
            }
            None => self.rounded = Some(self.exact as f64 * 10.0 + f64::from(digit)),
        }
    }

    fn value(&self) -> f64 {
        self.rounded.unwrap_or(self.exact as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<f64>) {
        assert_eq!(
            parse(text.as_bytes()).map(f64::to_bits),
            expect.map(f64::to_bits),
            "{text}"
        );
    }

    #[test]
    fn plain_numbers_are_themselves() {
        for (text, number) in [
            ("0", 0.0),
            ("-0", -0.0),
            ("42", 42.0),
            ("+1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
        ] {
            check(text, Some(number));
        }
    }

    #[test]
    fn decimals_are_divided_out_by_squared_powers() {
        check("2.675", Some(2675.0 / 10.0 / 100.0));
        check("0.123456", Some(123_456.0 / 100.0 / 10_000.0));
        check("1e3", Some(1000.0));
        check("1e-400", Some(0.0));
        check("1e400", Some(f64::INFINITY));
    }

    #[test]
    fn an_empty_exponent_is_zero() {
        check("5e", Some(5.0));
        check("5e+", Some(5.0));
    }

    #[test]
    fn many_digits_round_one_by_one() {
        let expected = b"123456789012345678901"
            .iter()
            .fold(0.0, |sum, byte| sum * 10.0 + f64::from(byte - b'0'));
        check("123456789012345678901", Some(expected));
    }

    #[test]
    fn words_pass_by_their_beginning() {
        check("nan", Some(-UNKNOWN));
        check("-NaNny", Some(UNKNOWN));
        check("Infinity", Some(f64::INFINITY));
        check("-inf", Some(f64::NEG_INFINITY));
    }

    #[test]
    fn blanks_may_lead_only() {
        check(" 5", Some(5.0));
        check("\x0b5", Some(5.0));
        check("5 ", None);
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "-",
            ".",
            "e5",
            "0x10",
            "1.2.3",
            "1e1025",
            "1e-1022",
            "1e99999999999999999999",
            "five",
        ] {
            check(text, None);
        }
    }
}
