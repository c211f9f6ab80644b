//! How notices and pages put numbers, times and problems into words. Pure.

use std::time::Duration;

use chrono::DateTime;
use ravenry_plugins::timestamp::Timestamp;

use crate::severity::Severity;

/// A longer unit is not one that is said behind a number.
const UNIT_CHARS_MAX: usize = 20;

/// A problem of a field in words: `df / is 99.1 % (critical above 98)`.
#[must_use]
pub(crate) fn problem(
    label: &str,
    severity: Severity,
    value: Option<(f64, &str)>,
    threshold: &str,
    others: usize,
) -> String {
    match (severity, value) {
        (Severity::Unknown, _) if others > 0 => format!("{label} and {others} more have no value"),
        (Severity::Unknown, _) => format!("{label} has no value"),
        (Severity::Ok | Severity::Warning | Severity::Critical, Some((value, unit))) => {
            format!("{label} is {} ({threshold})", measured(value, unit))
        }
        (Severity::Ok | Severity::Warning | Severity::Critical, None) => {
            format!("{label} is {severity} ({threshold})")
        }
    }
}

/// A Nagios check's verdict in words: what it said itself, where it said anything.
#[must_use]
pub(crate) fn said(label: &str, severity: Severity, output: &str) -> String {
    let first = output.lines().next().unwrap_or_default();
    match (severity, first) {
        (Severity::Unknown, "") => format!("{label} has no result"),
        (Severity::Ok | Severity::Warning | Severity::Critical, "") => {
            format!("{label} is {severity}")
        }
        (_, first) => format!("{label}: {first}"),
    }
}

/// A number with its unit: `99.1 %`, `2.1475 Gbytes`, `17`.
#[must_use]
pub fn measured(value: f64, unit: &str) -> String {
    let number = number(value);
    match (unit, number.ends_with(char::is_alphabetic)) {
        ("", _) => number,
        (unit, true) if value.is_finite() => format!("{number}{unit}"),
        (unit, _) => format!("{number} {unit}"),
    }
}

/// The text beside an axis, where it is short enough to be said behind a number; else nothing.
#[must_use]
pub fn unit_of(axis: &str) -> String {
    let text = line(axis, usize::MAX);
    let plain = !text.contains(['$', '(', ')']) && text.chars().count() <= UNIT_CHARS_MAX;
    if plain { text } else { String::new() }
}

/// A number as people read it: five significant digits, no zeros behind, from a million on with a letter: `2.1475 G`.
#[must_use]
pub fn number(number: f64) -> String {
    const LETTERS: [(f64, &str); 4] = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")];
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e18).contains(&size) {
        return format!("{number:.4e}");
    }
    let letter = LETTERS.iter().find(|(least, _)| size >= *least);
    letter.map_or_else(
        || digits(number),
        |(least, letter)| format!("{} {letter}", digits(number / least)),
    )
}

fn digits(number: f64) -> String {
    let size = number.abs();
    let decimals = match size {
        _ if size >= 10_000.0 => 0,
        _ if size >= 1000.0 => 1,
        _ if size >= 100.0 => 2,
        _ if size >= 10.0 => 3,
        _ if size >= 1.0 => 4,
        _ => 7,
    };
    let text = format!("{number:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A text as one line that can stand in a header: no control characters, single blanks, at most `chars_max` characters, the
/// last of which are dots where something is missing.
#[must_use]
pub fn line(text: &str, chars_max: usize) -> String {
    let blank = |c: char| c.is_control() || c.is_whitespace();
    let words: Vec<&str> = text.split(blank).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    if line.chars().count() <= chars_max {
        return line;
    }
    let kept: String = line.chars().take(chars_max.saturating_sub(3)).collect();
    format!("{}...", kept.trim_end())
}

/// A duration as people read it, the two largest units: `3d 4h`, `12m 5s`.
#[must_use]
pub fn words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let two = |large: u64, name: &str, small: u64, unit: &str| match small {
        0 => format!("{large}{name}"),
        _ => format!("{large}{name} {small}{unit}"),
    };
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => two(seconds / 60, "m", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// A moment as people read it, in UTC.
#[must_use]
pub fn clock_time(at: Timestamp) -> String {
    DateTime::from_timestamp(at.seconds(), 0).map_or_else(
        || at.to_string(),
        |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_people_read() {
        let check = |value: f64, expect: &str| assert_eq!(number(value), expect);
        check(99.1, "99.1");
        check(99.0, "99");
        check(0.1 + 0.2, "0.3");
        check(-0.5, "-0.5");
        check(12_345.678, "12346");
        check(123_456.0, "123456");
        check(1_234.567, "1234.6");
        check(2_147_483_648.0, "2.1475 G");
        check(-1_500_000.0, "-1.5 M");
        check(0.0, "0");
        check(1.5e20, "1.5000e20");
        check(f64::INFINITY, "inf");
    }

    #[test]
    fn a_number_has_its_unit() {
        let check =
            |value: f64, unit: &str, expect: &str| assert_eq!(measured(value, unit), expect);
        check(99.1, "%", "99.1 %");
        check(17.0, "", "17");
        check(2e9, "bytes", "2 Gbytes");
        check(f64::INFINITY, "ms", "inf ms");
        assert_eq!(unit_of(" % "), "%");
        assert_eq!(unit_of("bytes in (-) / out (+)"), "");
        assert_eq!(unit_of("per ${graph_period}"), "");
    }

    #[test]
    fn durations_have_two_units() {
        let check = |seconds: u64, expect: &str| {
            assert_eq!(words(Duration::from_secs(seconds)), expect);
        };
        check(5, "5s");
        check(300, "5m");
        check(725, "12m 5s");
        check(7_260, "2h 1m");
        check(277_200, "3d 5h");
    }

    #[test]
    fn a_line_is_one_line_whatever_it_was() {
        let check = |text: &str, max, expect: &str| assert_eq!(line(text, max), expect);
        check("a\r\nBcc: b\0\u{85}\u{2028}  c", 99, "a Bcc: b c");
        check("twelve chars", 12, "twelve chars");
        check("twelve chars and more", 12, "twelve ch...");
        check("äöüß", 4, "äöüß");
    }
}
