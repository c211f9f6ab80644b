//! How values are written: C's formats of floats with a unit (`%6.2lf %sbit/s`), durations, times that never were.

use super::GraphError;

/// Letters that a number may be padded to, and digits behind its point.
const WIDTH_MAX: usize = 1000;

/// A format for one number and perhaps its unit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Format {
    before: String,
    number: Number,
    between: String,
    /// Whether a unit is written.
    pub(super) unit: Option<Unit>,
    after: String,
}

/// Where the unit of a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// `%s`: from the number.
    Own,
    /// `%S`: from the first number that had one.
    Shared,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Number {
    flag: Option<char>,
    /// Zeros in front instead of blanks.
    zeros: bool,
    width: usize,
    decimals: Option<usize>,
    conversion: char,
}

const SAFE: &str = "(?:[^%]+|%%)*";

impl Format {
    pub(super) fn parse(text: &str) -> Result<Self, GraphError> {
        read(text).ok_or_else(|| {
            let float = "%[-+ 0#]?[0-9]*(?:[.][0-9]+)?l[eEfFgG]";
            GraphError::new(format!(
                "invalid format string '{text}' (should match '^{SAFE}{float}{SAFE}(?:%[sS])?{SAFE}$')"
            ))
        })
    }

    pub(super) fn write(&self, value: f64, unit: &str) -> String {
        let unit = if self.unit.is_some() { unit } else { "" };
        let number = self.number.write(value);
        format!(
            "{}{number}{}{unit}{}",
            self.before, self.between, self.after
        )
    }
}

fn read(text: &str) -> Option<Format> {
    let (before, rest) = safe(text);
    let rest = rest.strip_prefix('%')?;
    let flag = rest
        .chars()
        .next()
        .filter(|letter| "-+ 0#".contains(*letter));
    let rest = &rest[flag.map_or(0, char::len_utf8)..];
    let (width, rest) = digits(rest);
    let (decimals, rest) = match rest.strip_prefix('.') {
        Some(rest) => match digits(rest) {
            ("", _) => return None,
            (decimals, rest) => (Some(decimals), rest),
        },
        None => (None, rest),
    };
    let rest = rest.strip_prefix('l')?;
    let conversion = rest
        .chars()
        .next()
        .filter(|letter| "eEfFgG".contains(*letter))?;
    let (between, rest) = safe(&rest[1..]);
    let unit = match rest.get(..2) {
        Some("%s") => Some(Unit::Own),
        Some("%S") => Some(Unit::Shared),
        _ => None,
    };
    let (after, rest) = safe(unit.map_or(rest, |_| &rest[2..]));
    let limited = |digits: &str| digits.parse().ok().filter(|number| *number <= WIDTH_MAX);
    rest.is_empty().then_some(())?;
    Some(Format {
        before,
        number: Number {
            flag,
            zeros: flag == Some('0') || width.starts_with('0'),
            width: if width.is_empty() { 0 } else { limited(width)? },
            decimals: match decimals {
                Some(decimals) => Some(limited(decimals)?),
                None => None,
            },
            conversion,
        },
        between,
        unit,
        after,
    })
}

/// Text up to the next `%` that is not doubled.
fn safe(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut rest = text;
    loop {
        let (plain, found) = rest.split_at(rest.find('%').unwrap_or(rest.len()));
        out.push_str(plain);
        match found.strip_prefix("%%") {
            Some(after) => {
                out.push('%');
                rest = after;
            }
            None => return (out, found),
        }
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

impl Number {
    fn write(self, value: f64) -> String {
        let sign = match self.flag {
            _ if value.is_sign_negative() => "-",
            Some('+') => "+",
            Some(' ') => " ",
            _ => "",
        };
        let body = self.body(value.abs());
        let body = if self.conversion.is_ascii_uppercase() {
            body.to_ascii_uppercase()
        } else {
            body
        };
        let missing = self.width.saturating_sub(sign.len() + body.len());
        match self.flag {
            Some('-') => format!("{sign}{body}{}", " ".repeat(missing)),
            _ if self.zeros && value.is_finite() => format!("{sign}{}{body}", "0".repeat(missing)),
            _ => format!("{}{sign}{body}", " ".repeat(missing)),
        }
    }

    /// A number that is not negative.
    fn body(self, value: f64) -> String {
        if value.is_nan() {
            return "nan".to_owned();
        }
        if value.is_infinite() {
            return "inf".to_owned();
        }
        let decimals = self.decimals.unwrap_or(6);
        let point = |text: String| {
            if self.flag == Some('#') && !text.contains('.') {
                text + "."
            } else {
                text
            }
        };
        match self.conversion.to_ascii_lowercase() {
            'f' => point(format!("{value:.decimals$}")),
            'e' => {
                let (digits, exponent) = scientific(value, decimals);
                format!("{}{}", point(digits), shown(exponent))
            }
            _ => self.shortest(value, decimals.max(1)),
        }
    }

    /// `%g`: the shorter of both, without zeros at the end.
    fn shortest(self, value: f64, places: usize) -> String {
        let (digits, exponent) = scientific(value, places - 1);
        let small = exponent < -4 || exponent >= places as i32;
        let number = if small {
            digits
        } else {
            let decimals = (places as i32 - 1 - exponent).max(0) as usize;
            format!("{value:.decimals$}")
        };
        let number = match self.flag {
            Some('#') if !number.contains('.') => number + ".",
            Some('#') => number,
            _ if number.contains('.') => number
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned(),
            _ => number,
        };
        if small {
            number + &shown(exponent)
        } else {
            number
        }
    }
}

fn scientific(value: f64, decimals: usize) -> (String, i32) {
    let text = format!("{value:.decimals$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (digits.to_owned(), exponent.parse().unwrap_or(0))
}

fn shown(exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("e{sign}{:02}", exponent.abs())
}

/// The units of thousands (or of 1024s), from 10^-18 to 10^18.
const UNITS: [&str; 13] = [
    "a", "f", "p", "n", "u", "m", " ", "k", "M", "G", "T", "P", "E",
];

/// A value in its unit, the unit, and what one of it is.
pub(super) fn scaled(value: f64, base: f64) -> (f64, &'static str, f64) {
    if value == 0.0 || value.is_nan() {
        return (value, UNITS[6], 1.0);
    }
    if value.is_infinite() {
        return (value, "?", 0.0);
    }
    let power = (value.abs().ln() / base.ln()).floor();
    let factor = base.powf(power);
    let place = usize::try_from(power as i32 + 6).ok();
    let unit = place
        .and_then(|place| UNITS.get(place))
        .copied()
        .unwrap_or("?");
    (value / factor, unit, factor)
}

/// Milliseconds as `format` says: `%H:%02m:%02s`, capitals for all of it, small letters for what is left of the larger.
pub(super) fn duration(format: &str, milliseconds: f64) -> Result<String, GraphError> {
    let seconds = milliseconds.abs() / 1000.0;
    let minutes = seconds / 60.0;
    let hours = minutes / 60.0;
    let days = hours / 24.0;
    let weeks = days / 7.0;
    let wrong = || GraphError::new("Wrong duration format");
    let mut out = if milliseconds < 0.0 {
        "-".to_owned()
    } else {
        String::new()
    };
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let zeros = rest.starts_with('0');
        let (width, after) = digits(rest.strip_prefix('0').unwrap_or(rest));
        let (decimals, after) = after.strip_prefix('.').map_or(("", after), digits);
        let limited = |digits: &str| match digits {
            "" => Ok(0),
            digits => digits
                .parse()
                .ok()
                .filter(|n| *n <= WIDTH_MAX)
                .ok_or_else(wrong),
        };
        let (width, decimals) = (limited(width)?, limited(decimals)?);
        let letter = after.chars().next().ok_or_else(wrong)?;
        rest = &after[letter.len_utf8()..];
        let value = match letter {
            '%' => {
                out.push('%');
                continue;
            }
            'W' => weeks,
            'd' => days - weeks.trunc() * 7.0,
            'D' => days,
            'h' => hours - days.trunc() * 24.0,
            'H' => hours,
            'm' => minutes - hours.trunc() * 60.0,
            'M' => minutes,
            's' => seconds - minutes.trunc() * 60.0,
            'S' => seconds,
            'f' => milliseconds.abs() - seconds.trunc() * 1000.0,
            _ => return Err(wrong()),
        };
        let scale = 10.0_f64.powi(decimals as i32);
        let number = Number {
            flag: None,
            zeros,
            width,
            decimals: Some(decimals),
            conversion: 'f',
        };
        out.push_str(&number.write((value * scale).trunc() / scale));
    }
    out.push_str(rest);
    Ok(out)
}

/// A `strftime` format for a time that never was: dashes in the place of digits.
pub(super) fn never(format: &str) -> String {
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        out.push_str(match letters.next() {
            Some('E' | 'O') => {
                letters.next();
                "-"
            }
            Some('C' | 'd' | 'g' | 'H' | 'I' | 'm' | 'M' | 'S' | 'U' | 'V' | 'W' | 'y') => "--",
            Some('j') => "---",
            Some('G' | 'Y') => "----",
            Some('R') => "--:--",
            Some('T') => "--:--:--",
            Some('F') => "----------",
            Some('D') => "--/--/--",
            Some('n') => "\r\n",
            Some('t') => "\t",
            Some('%') => "%",
            Some(' ') => "% ",
            Some('.') => "%.",
            Some('@') => "%@",
            Some(_) | None => "-",
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: &str, value: f64, expect: &str) {
        let shown = Format::parse(format).map_or_else(
            |_| "invalid".to_owned(),
            |format| {
                let (value, unit, _) = scaled(value, 1000.0);
                format.write(value, unit)
            },
        );
        assert_eq!(shown, expect, "{format}");
    }

    #[test]
    fn numbers_are_written_as_c_writes_them() {
        check("%lf", 12_345.678, "12.345678");
        check("%6.2lf %sB", 12_345.678, " 12.35 kB");
        check("a%%b %-8.1le|%S", 1.5, "a%b 1.5e+00 | ");
        check("%+lg%s", 2e-6, "+2u");
        check("%08.3lf", -1.5, "-001.500");
        check("%#lg", 1.0, "1.00000");
        check("% lg", 100.0, " 100");
        check("% 08.1lf", 100.0, " 00100.0");
        check("%5.1lf", f64::NAN, "  nan");
        check("%05lE", f64::NEG_INFINITY, " -INF");
        check("%.0lf%s", 1e30, "1?");
    }

    #[test]
    fn formats_of_something_else_are_refused() {
        for format in [
            "",
            "%d",
            "%lf %lf",
            "%s",
            "%lf %s %s",
            "%lf%",
            "%5.lf",
            "%99999lf",
            "%.9999lf",
        ] {
            check(format, 1.0, "invalid");
        }
    }

    #[test]
    fn durations_are_written_in_their_parts() {
        for (format, milliseconds, expect) in [
            ("%H:%02m:%02s", 3_723_000.0, "1:02:03"),
            ("%W %d %h", 1_000_000_000.0, "1 4 13"),
            ("%.2S%%", -1555.0, "-1.55%"),
            ("%3f|%03f", 7.0, "  7|007"),
        ] {
            assert_eq!(duration(format, milliseconds).unwrap(), expect);
        }
        assert!(duration("%x", 1.0).is_err());
        assert!(duration("%", 1.0).is_err());
    }
}
