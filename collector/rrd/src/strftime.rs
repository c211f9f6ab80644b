//! C's `strftime` in C's own locale, over what a zone's clocks show.

use std::fmt::Write as _;

use chrono_tz::Tz;

use crate::civil::Date;
use crate::local::{Local, zone_name};

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Formats may stand for other formats, which stand for none.
const LETTERS_MAX: usize = 4096;

/// `time`, UTC seconds, as `format` says. Flags and widths of glibc (`%-d`, `%_5H`) are understood; what is no conversion
/// stays as it is.
pub(crate) fn format(format: &str, time: i64, zone: Tz) -> String {
    let moment = Moment {
        time,
        zone,
        local: Local::at(time, zone),
    };
    let mut out = String::new();
    moment.write(format, &mut out);
    out
}

struct Moment {
    time: i64,
    zone: Tz,
    local: Local,
}

/// A conversion's flags and width.
#[derive(Clone, Copy, Default)]
struct Style {
    /// `-` is none, `_` a blank, `0` a zero.
    padding: Option<char>,
    upper: bool,
    swapped: bool,
    width: usize,
}

impl Moment {
    fn write(&self, format: &str, out: &mut String) {
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                out.push(letter);
                continue;
            }
            let before = letters.as_str();
            let mut style = Style::default();
            let mut conversion = letters.next();
            while let Some(flag @ ('-' | '_' | '0' | '^' | '#')) = conversion {
                match flag {
                    '^' => style.upper = true,
                    '#' => style.swapped = true,
                    padding => style.padding = Some(padding),
                }
                conversion = letters.next();
            }
            while let Some(digit) = conversion.and_then(|letter| letter.to_digit(10)) {
                style.width = (style.width * 10 + digit as usize).min(LETTERS_MAX);
                conversion = letters.next();
            }
            // Other ways to write the same, in locales that have them.
            if let Some('E' | 'O') = conversion {
                conversion = letters.next();
            }
            let written = conversion.is_some_and(|letter| self.conversion(letter, style, out));
            if !written {
                let length = before.len() - letters.as_str().len();
                out.push('%');
                out.push_str(&before[..length]);
            }
        }
    }

    /// False for what is no conversion.
    fn conversion(&self, letter: char, style: Style, out: &mut String) -> bool {
        let Date { year, month, day } = self.local.date;
        let Local {
            hour,
            minute,
            second,
            ..
        } = self.local;
        let (weekday, yearday) = (self.local.date.weekday(), self.local.date.day_of_year());
        let half = (hour + 11) % 12 + 1;
        let (iso_year, iso_week) = self.iso_week();
        let name = |names: &[&'static str], index: i64| {
            usize::try_from(index)
                .ok()
                .and_then(|index| names.get(index))
                .copied()
                .unwrap_or("?")
        };
        let (day_name, month_name) = (name(&DAYS, weekday), name(&MONTHS, month - 1));
        let mut number = |value: i64, width: usize, pad: char| style.number(value, width, pad, out);
        match letter {
            'C' => number(year.div_euclid(100), 2, '0'),
            'd' => number(day, 2, '0'),
            'e' => number(day, 2, ' '),
            'g' => number(iso_year.rem_euclid(100), 2, '0'),
            'G' => number(iso_year, 1, '0'),
            'H' => number(hour, 2, '0'),
            'I' => number(half, 2, '0'),
            'j' => number(yearday + 1, 3, '0'),
            'k' => number(hour, 2, ' '),
            'l' => number(half, 2, ' '),
            'm' => number(month, 2, '0'),
            'M' => number(minute, 2, '0'),
            's' => number(self.time, 1, '0'),
            'S' => number(second, 2, '0'),
            'u' => number((weekday + 6) % 7 + 1, 1, '0'),
            'U' => number((yearday + 7 - weekday) / 7, 2, '0'),
            'V' => number(iso_week, 2, '0'),
            'w' => number(weekday, 1, '0'),
            'W' => number((yearday + 7 - (weekday + 6) % 7) / 7, 2, '0'),
            'y' => number(year.rem_euclid(100), 2, '0'),
            'Y' => number(year, 1, '0'),
            'a' => style.text(&day_name[..3], out),
            'A' => style.text(day_name, out),
            'b' | 'h' => style.text(&month_name[..3], out),
            'B' => style.text(month_name, out),
            'p' => style.text(if hour < 12 { "AM" } else { "PM" }, out),
            'P' => style.text(if hour < 12 { "am" } else { "pm" }, out),
            'Z' => style.text(&zone_name(self.time, self.zone), out),
            'z' => {
                let east = self.local.east;
                let sign = if east < 0 { '-' } else { '+' };
                let (hours, minutes) = (east.abs() / 3600, east.abs() / 60 % 60);
                let _ = write!(out, "{sign}{hours:02}{minutes:02}");
            }
            'n' => style.text("\n", out),
            't' => style.text("\t", out),
            '%' => style.text("%", out),
            'c' => self.inner("%a %b %e %H:%M:%S %Y", style, out),
            'D' | 'x' => self.inner("%m/%d/%y", style, out),
            'F' => self.inner("%Y-%m-%d", style, out),
            'r' => self.inner("%I:%M:%S %p", style, out),
            'R' => self.inner("%H:%M", style, out),
            'T' | 'X' => self.inner("%H:%M:%S", style, out),
            _ => return false,
        }
        true
    }

    fn inner(&self, format: &str, style: Style, out: &mut String) {
        let mut inner = String::new();
        self.write(format, &mut inner);
        style.text(&inner, out);
    }

    /// Year and week of ISO 8601: a week is of the year that has its Thursday.
    fn iso_week(&self) -> (i64, i64) {
        let number = self.local.date.number();
        let thursday = Date::of_day(number - (self.local.date.weekday() + 6) % 7 + 3);
        (thursday.year, thursday.day_of_year() / 7 + 1)
    }
}

impl Style {
    fn number(self, value: i64, width: usize, pad: char, out: &mut String) {
        let width = if self.padding == Some('-') {
            0
        } else {
            width.max(self.width)
        };
        let pad = match self.padding {
            Some('_') => ' ',
            Some('0') => '0',
            _ => pad,
        };
        let _ = if pad == '0' {
            write!(out, "{value:0width$}")
        } else {
            write!(out, "{value:width$}")
        };
    }

    fn text(self, text: &str, out: &mut String) {
        let text = if self.upper || (self.swapped && text != "AM" && text != "PM") {
            text.to_uppercase()
        } else if self.swapped {
            text.to_lowercase()
        } else {
            text.to_owned()
        };
        let pad = if self.padding == Some('0') { '0' } else { ' ' };
        let missing = self.width.saturating_sub(text.chars().count());
        if self.padding != Some('-') {
            out.extend(std::iter::repeat_n(pad, missing));
        }
        out.push_str(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-07-05 07:08:09 in Zürich, a Sunday.
    const MOMENT: i64 = 1_783_228_089;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(format(text, MOMENT, Tz::Europe__Zurich), expect, "{text}");
    }

    #[test]
    fn conversions_are_those_of_c() {
        check("%Y-%m-%d %H:%M:%S %Z %z", "2026-07-05 07:08:09 CEST +0200");
        check(
            "%F %T|%D|%R|%r",
            "2026-07-05 07:08:09|07/05/26|07:08|07:08:09 AM",
        );
        check(
            "%a %A %b %B %c",
            "Sun Sunday Jul July Sun Jul  5 07:08:09 2026",
        );
        check("%C %e %g %G %I %j %k %l", "20  5 26 2026 07 186  7  7");
        check(
            "%u %U %V %w %W %y %s %p %P",
            "7 27 27 0 26 26 1783228089 AM am",
        );
        check("%-d %_m %5H %^a %#p %Ey %Od", "5  7 00007 SUN am 26 05");
        check("100%% %Q %", "100% %Q %");
    }
}
