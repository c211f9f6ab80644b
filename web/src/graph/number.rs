//! How numbers are written: printf formats of the legend, SI prefixes, labels of the value axis.

/// The base of prefixes: a kilo is 1000 or 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Base {
    /// 1000.
    #[default]
    Thousand,
    /// 1024, as `--base 1024` says; the letters are the same, as in rrdtool.
    Binary,
}

impl Base {
    pub(super) fn factor(self) -> f64 {
        match self {
            Self::Thousand => 1000.0,
            Self::Binary => 1024.0,
        }
    }
}

const PREFIXES: [&str; 17] = [
    "y", "z", "a", "f", "p", "n", "µ", "m", "", "k", "M", "G", "T", "P", "E", "Z", "Y",
];
const NO_PREFIX: i32 = 8;
/// What stands for a reading that is not known.
pub(super) const UNKNOWN: &str = "–";

/// A power of the base with its letter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Prefix {
    pub(super) divisor: f64,
    pub(super) letter: &'static str,
}

impl Prefix {
    pub(super) const NONE: Self = Self {
        divisor: 1.0,
        letter: "",
    };

    /// The prefix with which `number` has one to three digits before the point.
    pub(super) fn of(number: f64, base: Base) -> Self {
        let size = number.abs();
        if size == 0.0 || !size.is_finite() {
            return Self::NONE;
        }
        let power = (size.ln() / base.factor().ln() + 1e-9).floor() as i32;
        let power = power.clamp(-NO_PREFIX, NO_PREFIX);
        Self {
            divisor: base.factor().powi(power),
            letter: usize::try_from(power + NO_PREFIX)
                .ok()
                .and_then(|index| PREFIXES.get(index))
                .copied()
                .unwrap_or(""),
        }
    }
}

/// A number as a table shows it: digits are aligned at their right, prefixes at their left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Digits with sign, or a dash where nothing is known.
    pub digits: String,
    /// The SI prefix and what the format has behind the number.
    pub unit: String,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gap = if self.unit.is_empty() || self.unit.starts_with([' ', '%']) {
            ""
        } else {
            " "
        };
        write!(f, "{}{gap}{}", self.digits, self.unit)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notation {
    Fixed,
    Scientific,
    Shortest,
}

/// A printf format of one number, such as `%6.2lf%s`.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    before: String,
    after: String,
    decimals: usize,
    notation: Notation,
    prefixed: bool,
    base: Base,
}

const DECIMALS_MAX: usize = 12;
const DECIMALS_DEFAULT: usize = 2;

impl Format {
    /// Reads a printf format: flags, width, precision, `f`, `e` or `g` with any `l`, then text in which `%s` is the SI
    /// prefix and `%%` a percent sign. What cannot be understood is `%.2f`. `prefixed` adds `%s` where it is missing.
    #[must_use]
    pub fn parse(printf: &str, prefixed: bool, base: Base) -> Self {
        let mut format = Self {
            before: String::new(),
            after: String::new(),
            decimals: DECIMALS_DEFAULT,
            notation: Notation::Fixed,
            prefixed,
            base,
        };
        let mut rest = printf;
        let mut number_seen = false;
        while let Some((text, conversion)) = rest.split_once('%') {
            format.push_literal(text, number_seen);
            rest = format.take_conversion(conversion, &mut number_seen);
        }
        format.push_literal(rest, number_seen);
        format
    }

    fn push_literal(&mut self, text: &str, number_seen: bool) {
        if number_seen {
            self.after.push_str(text);
        } else {
            self.before.push_str(text);
        }
    }

    /// Takes one conversion whose `%` has been read; gives what follows.
    fn take_conversion<'a>(&mut self, text: &'a str, number_seen: &mut bool) -> &'a str {
        if let Some(rest) = text.strip_prefix('%') {
            self.push_literal("%", *number_seen);
            return rest;
        }
        if let Some(rest) = text.strip_prefix(['s', 'S']) {
            self.prefixed = true;
            return rest;
        }
        let spec_end = text
            .find(|c: char| !(c.is_ascii_digit() || "+- #0.'lL".contains(c)))
            .unwrap_or(text.len());
        let (spec, rest) = text.split_at(spec_end);
        let notation = match rest.chars().next() {
            Some('f' | 'F' | 'd' | 'i' | 'u') => Notation::Fixed,
            Some('e' | 'E') => Notation::Scientific,
            Some('g' | 'G') => Notation::Shortest,
            _ => return rest,
        };
        self.notation = notation;
        let decimals = spec
            .split_once('.')
            .and_then(|(_, digits)| digits.trim_end_matches(['l', 'L']).parse().ok());
        let whole = rest.starts_with(['d', 'i', 'u']);
        self.decimals = if whole {
            0
        } else {
            decimals.unwrap_or(DECIMALS_DEFAULT)
        }
        .min(DECIMALS_MAX);
        *number_seen = true;
        rest.get(1..).unwrap_or_default()
    }

    /// `number` in this format; unknown is a dash.
    #[must_use]
    pub fn cell(&self, number: f64) -> Cell {
        if number.is_nan() {
            return Cell {
                digits: UNKNOWN.to_owned(),
                unit: String::new(),
            };
        }
        let prefix = if self.prefixed && number.is_finite() {
            self.prefix_of_rounded(number)
        } else {
            Prefix::NONE
        };
        Cell {
            digits: format!(
                "{}{}",
                self.before.trim_start(),
                self.digits(number / prefix.divisor)
            ),
            unit: format!("{}{}", prefix.letter, self.after.trim_end()),
        }
    }

    /// The prefix after rounding: 999.999 with two decimals is 1.00 k, not 1000.00.
    fn prefix_of_rounded(&self, number: f64) -> Prefix {
        let prefix = Prefix::of(number, self.base);
        let ulp = 10_f64.powi(-i32::try_from(self.decimals).unwrap_or(0));
        let rounded = (number / prefix.divisor / ulp).round() * ulp;
        if rounded.abs() >= self.base.factor() {
            Prefix::of(
                number.signum() * prefix.divisor * self.base.factor(),
                self.base,
            )
        } else {
            prefix
        }
    }

    fn digits(&self, number: f64) -> String {
        if number.is_infinite() {
            return if number > 0.0 { "∞" } else { "−∞" }.to_owned();
        }
        let decimals = self.decimals;
        let text = match self.notation {
            Notation::Fixed if number.abs() < 1e15 => format!("{number:.decimals$}"),
            Notation::Fixed | Notation::Scientific => format!("{number:.decimals$e}"),
            Notation::Shortest => shortest(number, decimals.max(1)),
        };
        with_minus_sign(text)
    }
}

/// At most `digits` significant digits, without trailing zeros, as printf's `%g`.
fn shortest(number: f64, digits: usize) -> String {
    let exponent = if number == 0.0 {
        0
    } else {
        number.abs().log10().floor() as i32
    };
    let digits_before = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= digits_before {
        let decimals = digits - 1;
        return format!("{number:.decimals$e}");
    }
    let decimals = usize::try_from(digits_before - 1 - exponent).unwrap_or(0);
    let text = format!("{number:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A real minus sign, and none before zero.
fn with_minus_sign(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| matches!(b, b'0' | b'.')) => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// The labels of ticks that are `step` apart: one prefix and one number of decimals for all, chosen by `largest`.
pub(super) fn axis_label(
    value: f64,
    step: f64,
    largest: f64,
    prefixed: bool,
    base: Base,
) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let prefix = if prefixed {
        Prefix::of(largest, base)
    } else {
        Prefix::NONE
    };
    let (value, step) = (value / prefix.divisor, step / prefix.divisor);
    let size = value.abs();
    let text = if !(1e-6..1e9).contains(&size) {
        shortest(value, 4)
    } else {
        let decimals = (0..9)
            .find(|&decimals| is_whole(step * 10_f64.powi(decimals)))
            .unwrap_or(9);
        let decimals = usize::try_from(decimals).unwrap_or(0);
        format!("{value:.decimals$}")
    };
    let gap = if prefix.letter.is_empty() {
        ""
    } else {
        "\u{a0}"
    };
    format!("{}{gap}{}", with_minus_sign(text), prefix.letter)
}

fn is_whole(number: f64) -> bool {
    (number - number.round()).abs() < 1e-6 * number.abs().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legend_numbers_are_as_sysadmins_expect() {
        let check = |printf: &str, prefixed: bool, base: Base, number: f64, expect: &str| {
            let cell = Format::parse(printf, prefixed, base).cell(number);
            assert_eq!(
                format!("{}|{}", cell.digits, cell.unit),
                expect,
                "{printf} of {number}"
            );
        };
        let ten = Base::Thousand;
        check("%6.2lf", true, ten, 0.0, "0.00|");
        check("%6.2lf", true, ten, 1234.5, "1.23|k");
        check("%6.2lf%s", false, ten, 999.999, "1.00|k");
        check("%6.2lf%s", false, ten, 999.99, "999.99|");
        check("%6.2lf", true, ten, 0.05, "50.00|m");
        check("%6.2lf", false, ten, 0.05, "0.05|");
        check("%6.2lf", true, ten, -2.5e9, "−2.50|G");
        check("%6.2lf", true, ten, 1e300, "1.00e276|Y");
        check("%.0f", false, ten, 12.7, "13|");
        check("%d", false, ten, 12.7, "13|");
        check("%5.1lf %%", false, ten, 12.34, "12.3| %");
        check("%.3lg", false, ten, 12.3456, "12.3|");
        check("%.2le", false, ten, 12345.0, "1.23e4|");
        check("%6.2lf%s", false, ten, f64::NAN, "–|");
        check("%6.2lf%s", false, ten, f64::NEG_INFINITY, "−∞|");
        check("%6.2lf%s", false, ten, -0.001e-30, "0.00|y");
        check("%7.2lf", true, Base::Binary, 1024.0 * 1024.0, "1.00|M");
        check("%7.2lf", true, Base::Binary, 1000.0, "1000.00|");
        check("nonsense", false, ten, 1.0, "nonsense1.00|");
        check("%", true, ten, 1.0, "1.00|");
    }

    #[test]
    fn axis_labels_share_prefix_and_decimals() {
        let check = |value: f64, step: f64, largest: f64, expect: &str| {
            assert_eq!(
                axis_label(value, step, largest, true, Base::Thousand),
                expect
            );
        };
        check(0.0, 0.5e6, 2e6, "0");
        check(0.5e6, 0.5e6, 2e6, "0.5\u{a0}M");
        check(2e6, 0.5e6, 2e6, "2.0\u{a0}M");
        check(-20.0, 20.0, 100.0, "−20");
        check(0.25, 0.05, 0.5, "250\u{a0}m");
    }
}
