//! The Nagios plugin protocol: an exit code for the verdict, a line of text, more lines, and numbers behind a `|`.
//!
//! ```text
//! TEXT | perfdata            the first line; both parts are trimmed
//! long text                  until a second `|`, behind which all is perfdata
//! long text | perfdata
//! perfdata
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::range::Range;
use crate::reading::Reading;

pub mod numbers;

/// Numbers of one check at most.
pub const PERFDATA_MAX: usize = 1_000;

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct NagiosResult {
    /// Its verdict.
    pub verdict: Verdict,
    /// One line for people; empty when it printed none.
    pub text: String,
    /// More lines for people.
    pub long_text: String,
    /// Its numbers.
    pub perfdata: Vec<Perfdata>,
}

/// A check's verdict, by its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// 0.
    Ok,
    /// 1.
    Warning,
    /// 2.
    Critical,
    /// 3, and every code that has no meaning.
    Unknown,
}

impl Verdict {
    /// The verdict of an exit code; none when the protocol knows no such code.
    #[must_use]
    pub const fn of_exit_code(code: i32) -> Option<Self> {
        match code {
            0 => Some(Self::Ok),
            1 => Some(Self::Warning),
            2 => Some(Self::Critical),
            3 => Some(Self::Unknown),
            _ => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        })
    }
}

/// A number of a check: `'label'=value[unit];[warning];[critical];[min];[max]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Perfdata {
    /// Its name; any text.
    pub label: String,
    /// The number.
    pub value: Reading,
    /// `s`, `ms`, `%`, `B`, `KB`, `c` (a counter), ... or nothing.
    pub unit: String,
    /// What the check warns of.
    pub warning: Option<Range>,
    /// What the check finds critical.
    pub critical: Option<Range>,
    /// The least that it can be.
    pub min: Option<f64>,
    /// The most that it can be.
    pub max: Option<f64>,
}

/// What a check says by its exit code and its output.
#[must_use]
pub fn parse(exit_code: i32, output: &str) -> (NagiosResult, Vec<Problem>) {
    let mut problems = Vec::new();
    let verdict = Verdict::of_exit_code(exit_code).unwrap_or_else(|| {
        let text = format!("expected exit code 0, 1, 2 or 3, found {exit_code}");
        problems.push(Problem::new("check", 0, text));
        Verdict::Unknown
    });
    let (first, rest) = output.split_once('\n').unwrap_or((output, ""));
    let (text, numbers) = first.split_once('|').unwrap_or((first, ""));
    let (long_text, more_numbers) = rest.split_once('|').unwrap_or((rest, ""));
    let mut perfdata = Vec::new();
    let mut line = 1;
    for part in std::iter::once(numbers).chain(more_numbers.lines()) {
        parse_perfdata(part, line, &mut perfdata, &mut problems);
        // The numbers behind the second `|` begin on the line that the long text ends on.
        line = if line == 1 {
            1 + line_count(long_text)
        } else {
            line + 1
        };
    }
    let result = NagiosResult {
        verdict,
        text: text.trim().to_owned(),
        long_text: long_text.trim().to_owned(),
        perfdata,
    };
    (result, problems)
}

/// Lines of a text, the one that it ends on included.
fn line_count(text: &str) -> u32 {
    u32::try_from(text.matches('\n').count() + 1).unwrap_or(u32::MAX)
}

fn parse_perfdata(
    text: &str,
    line: u32,
    perfdata: &mut Vec<Perfdata>,
    problems: &mut Vec<Problem>,
) {
    let mut rest = text.trim();
    while !rest.is_empty() {
        if perfdata.len() >= PERFDATA_MAX {
            let text = format!("expected at most {PERFDATA_MAX} numbers; the rest is ignored");
            problems.push(Problem::new("check", line, text));
            return;
        }
        let (item, after) = split_item(rest);
        match parse_item(item) {
            Ok((number, unclear)) => {
                perfdata.push(number);
                problems.extend(
                    unclear
                        .into_iter()
                        .map(|text| Problem::new("check", line, text)),
                );
            }
            Err(text) => problems.push(Problem::new("check", line, text)),
        }
        rest = after;
    }
}

/// The first item and what follows it; blanks within quotes do not separate.
fn split_item(text: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => return (&text[..at], text[at..].trim_start()),
            _ => {}
        }
    }
    (text, "")
}

/// A number, and what of its ranges and limits is not understood.
fn parse_item(item: &str) -> Result<(Perfdata, Vec<String>), String> {
    let not_understood = || {
        format!(
            "expected 'label'=value[unit];[warn];[crit];[min];[max], found {:?}",
            short(item)
        )
    };
    let (label, data) = split_label(item).ok_or_else(not_understood)?;
    let mut parts = data.split(';');
    let (value, unit) = split_unit(parts.next().unwrap_or(""));
    // `1,5` is no number with the unit `,5`.
    let value = Reading::parse(value)
        .filter(|_| !unit.starts_with(','))
        .ok_or_else(not_understood)?;
    let mut unclear = Vec::new();
    let mut ranges = [None, None];
    for range in &mut ranges {
        let text = parts.next().unwrap_or("").trim();
        if !text.is_empty() {
            *range = Range::parse_nagios(text)
                .map_err(|error| unclear.push(format!("{label}: {error}")))
                .ok();
        }
    }
    let mut limits = [None, None];
    for limit in &mut limits {
        let text = parts.next().unwrap_or("").trim();
        if !text.is_empty() {
            *limit = split_unit(text)
                .0
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite());
            if limit.is_none() {
                unclear.push(format!(
                    "{label}: expected a number, found {:?}",
                    short(text)
                ));
            }
        }
    }
    let perfdata = Perfdata {
        label,
        value,
        unit: unit.to_owned(),
        warning: ranges[0],
        critical: ranges[1],
        min: limits[0],
        max: limits[1],
    };
    Ok((perfdata, unclear))
}

/// The label, its quotes undone, and what stands behind the `=`.
fn split_label(item: &str) -> Option<(String, &str)> {
    let (label, data) = match item.strip_prefix('\'') {
        None => {
            let (label, data) = item.split_once('=')?;
            (label.to_owned(), data)
        }
        Some(quoted) => {
            let (label, data) = quoted.rsplit_once("'=")?;
            (label.replace("''", "'"), data)
        }
    };
    (!label.trim().is_empty()).then_some((label, data))
}

/// A number and the unit that sticks to it.
fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    if let Some(unit) = text.strip_prefix('U') {
        return (&text[..1], unit);
    }
    let bytes = text.as_bytes();
    let is_number = |at: usize| match bytes[at] {
        b'0'..=b'9' | b'.' => true,
        b'+' | b'-' => at == 0 || bytes[at - 1].eq_ignore_ascii_case(&b'e'),
        // An exponent only with digits behind it: `5EB` is five exabytes.
        b'e' | b'E' => {
            let behind = &bytes[at + 1..];
            let digits = behind
                .strip_prefix(b"-")
                .or(behind.strip_prefix(b"+"))
                .unwrap_or(behind);
            at > 0 && digits.first().is_some_and(u8::is_ascii_digit)
        }
        _ => false,
    };
    let end = (0..bytes.len())
        .find(|&at| !is_number(at))
        .unwrap_or(bytes.len());
    text.split_at(end)
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(exit_code: i32, output: &str, expect: Expect) {
        let (result, problems) = parse(exit_code, output);
        let mut found = format!("{}: {}\n", result.verdict, result.text);
        if !result.long_text.is_empty() {
            found += &format!("{:?}\n", result.long_text);
        }
        for Perfdata {
            label,
            value,
            unit,
            warning,
            critical,
            min,
            max,
        } in result.perfdata
        {
            let range =
                |range: Option<Range>| range.map_or("-".to_owned(), |range| range.to_string());
            let (warning, critical) = (range(warning), range(critical));
            found += &format!(
                "  {label} = {value} {unit:?} warning {warning} critical {critical} {min:?} {max:?}\n"
            );
        }
        for problem in problems {
            found += &format!("! {problem}\n");
        }
        expect.assert_eq(&found);
    }

    #[test]
    fn a_line_with_numbers() {
        check(
            1,
            "DISK WARNING - free space: / 3326 MB (5%); | /=2643MB;5948;5958;0;5968 'a b'=5%;@1:5;~:9 c=U time=0.25s\n",
            expect![[r#"
                warning: DISK WARNING - free space: / 3326 MB (5%);
                  / = 2643 "MB" warning 0:5948 critical 0:5958 Some(0.0) Some(5968.0)
                  a b = 5 "%" warning @1:5 critical :9 None None
                  c = U "" warning - critical - None None
                  time = 0.25 "s" warning - critical - None None
            "#]],
        );
    }

    #[test]
    fn more_lines_and_more_numbers() {
        check(
            0,
            "OK|a=1\nfirst\nsecond|b=2\nc=3\nbad\n",
            expect![[r#"
                ok: OK
                "first\nsecond"
                  a = 1 "" warning - critical - None None
                  b = 2 "" warning - critical - None None
                  c = 3 "" warning - critical - None None
                ! check:5: expected 'label'=value[unit];[warn];[crit];[min];[max], found "bad"
            "#]],
        );
    }

    #[test]
    fn odd_numbers() {
        check(
            0,
            "|'it''s'=1 'a=b'=2 e=1e3 big=5EB neg=-1.5e-2c;;;0 empty= x=1,5 y=1;junk;5:1;zero =1",
            expect![[r#"
                ok: 
                  it's = 1 "" warning - critical - None None
                  a=b = 2 "" warning - critical - None None
                  e = 1000 "" warning - critical - None None
                  big = 5 "EB" warning - critical - None None
                  neg = -0.015 "c" warning - critical - Some(0.0) None
                  y = 1 "" warning - critical - None None
                ! check:1: expected 'label'=value[unit];[warn];[crit];[min];[max], found "empty="
                ! check:1: expected 'label'=value[unit];[warn];[crit];[min];[max], found "x=1,5"
                ! check:1: y: range "junk": expected `[@]start:end`, `end`, `start:` or `~:end`, found "junk"
                ! check:1: y: range "5:1": expected the start not to be above the end
                ! check:1: y: expected a number, found "zero"
                ! check:1: expected 'label'=value[unit];[warn];[crit];[min];[max], found "=1"
            "#]],
        );
    }

    #[test]
    fn a_code_without_meaning_is_unknown() {
        check(
            127,
            "",
            expect![[r#"
                unknown: 
                ! check: expected exit code 0, 1, 2 or 3, found 127
            "#]],
        );
        check(
            3,
            "no idea",
            expect![["
            unknown: no idea
        "]],
        );
    }

    proptest::proptest! {
        #[test]
        fn no_output_makes_it_panic(text in "[ -~\n'|=;eEU0-9é]{0,80}") {
            let _ = parse(0, &text);
        }
    }
}
