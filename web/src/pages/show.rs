//! Small pieces that several pages show: times, severities, numbers, links to what a check is about. Those that are
//! [`HtmlSafe`] write markup and hold no text from outside; all other text is escaped by the templates.

use std::borrow::Borrow;
use std::fmt;

use askama::filters::HtmlSafe;
use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;
use ravenry_alerts::check::CheckName;
use ravenry_alerts::severity::{HostState, Severity};
use ravenry_plugins::timestamp::Timestamp;

use crate::graph::EventKind;
use crate::source::{CheckView, HostSummary, IncidentView};

/// A time: UTC for programs, the zone of the viewer for people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    time: Timestamp,
    zone: Tz,
    age: bool,
}

impl Moment {
    pub(crate) fn at(time: Timestamp, zone: Tz) -> Self {
        Self {
            time,
            zone,
            age: false,
        }
    }

    pub(crate) fn as_age(self) -> Self {
        Self { age: true, ..self }
    }
}

impl HtmlSafe for Moment {}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(utc) = DateTime::from_timestamp(self.time.seconds(), 0) else {
            return f.write_str("–");
        };
        let local = self.zone.from_utc_datetime(&utc.naive_utc());
        let class = if self.age { " class=\"age\"" } else { "" };
        write!(
            f,
            "<time{class} datetime=\"{}\">{}</time>",
            utc.format("%Y-%m-%dT%H:%M:%SZ"),
            local.format("%Y-%m-%d %H:%M:%S")
        )
    }
}

/// A local time as a browser's field for one has it.
pub(crate) fn local_field(time: Timestamp, zone: Tz) -> String {
    DateTime::from_timestamp(time.seconds(), 0).map_or_else(String::new, |utc| {
        let local = zone.from_utc_datetime(&utc.naive_utc());
        local.format("%Y-%m-%dT%H:%M:%S").to_string()
    })
}

/// A severity as a word in its colour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chip(&'static str);

impl HtmlSafe for Chip {}

impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<span class=\"chip {0}\">{0}</span>", self.0)
    }
}

pub(crate) fn chip(severity: impl Borrow<Severity>) -> Chip {
    Chip(severity.borrow().as_str())
}

/// The word for something that happened.
pub(crate) fn event_chip(kind: impl Borrow<EventKind>) -> Chip {
    Chip(match kind.borrow() {
        EventKind::Downtime => "downtime",
        EventKind::Unknown => "unknown",
        EventKind::Warning | EventKind::TriedWarning => "warning",
        EventKind::Critical | EventKind::TriedCritical => "critical",
    })
}

/// The one word for a host: its own state when that is not up, else the worst of its checks.
pub(crate) fn host_word(host: &HostSummary) -> &'static str {
    match host.state {
        HostState::Pending => "pending",
        HostState::Down => "down",
        HostState::Unreachable => "unreachable",
        HostState::Up => host.worst.as_str(),
    }
}

pub(crate) fn host_chip(host: &HostSummary) -> Chip {
    Chip(host_word(host))
}

/// How urgent a host is, to sort by; more is worse.
pub(crate) fn host_rank(host: &HostSummary) -> u8 {
    match (host.state, host.worst) {
        (HostState::Down, _) => 6,
        (HostState::Up, Severity::Critical) => 5,
        (HostState::Unreachable, _) => 4,
        (HostState::Up, Severity::Warning) => 3,
        (HostState::Up, Severity::Unknown) => 2,
        (HostState::Pending, _) => 1,
        (HostState::Up, Severity::Ok) => 0,
    }
}

/// The page of what a check is about.
pub(crate) fn check_path(name: &CheckName) -> String {
    match name {
        CheckName::Host(host) => format!("/host/{host}"),
        CheckName::Field(series) => {
            format!("/graph/{}/{}#f-{}", series.host, series.graph, series.field)
        }
        CheckName::Verdict(verdict) => format!("/host/{}#checks", verdict.host),
    }
}

/// What a check is about, said on its host's page.
pub(crate) fn check_short(name: &CheckName) -> String {
    match name {
        CheckName::Host(_) => "host".to_owned(),
        CheckName::Field(series) => format!("{}/{}", series.graph, series.field),
        CheckName::Verdict(verdict) => verdict.check.to_string(),
    }
}

/// A number that was judged, or a dash.
pub(crate) fn judged(check: &CheckView) -> String {
    check.value.map_or_else(|| "–".to_owned(), number)
}

/// The class of a count, so that zeros stand back.
pub(crate) fn nil(count: &usize) -> &'static str {
    if *count == 0 { " nil" } else { "" }
}

/// Any text as one segment of a path.
pub(crate) fn path_segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

/// A path of several segments.
pub(crate) fn path_of_parts(text: &str) -> String {
    let parts: Vec<String> = text.split('/').map(path_segment).collect();
    parts.join("/")
}

/// Those that are not closed.
pub(crate) fn is_open(incident: &IncidentView) -> bool {
    incident.closed.is_none()
}

/// Four digits and a prefix: `1.234 k`, `250 µ`.
pub(crate) fn number(value: f64) -> String {
    const PREFIXES: [(f64, &str); 9] = [
        (1e15, " P"),
        (1e12, " T"),
        (1e9, " G"),
        (1e6, " M"),
        (1e4, " k"),
        (1e-2, ""),
        (1e-3, " m"),
        (1e-6, " µ"),
        (1e-9, " n"),
    ];
    let size = value.abs();
    if value.is_nan() {
        return "–".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "−∞" }.to_owned();
    }
    if size == 0.0 {
        return "0".to_owned();
    }
    match PREFIXES.iter().find(|(from, _)| size >= *from) {
        Some((from, prefix)) if size < 1e18 => {
            let unit = match *prefix {
                "" => 1.0,
                " k" => 1e3,
                _ => *from,
            };
            format!("{}{prefix}", digits(value / unit))
        }
        Some(_) | None => format!("{value:.3e}"),
    }
}

/// About four significant digits, without zeros at the end.
fn digits(value: f64) -> String {
    let places = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// How long, in the two largest units: `3 h 12 min`.
pub(crate) fn duration(seconds: impl Borrow<f64>) -> String {
    let seconds = *seconds.borrow();
    if !(0.0..1e12).contains(&seconds) {
        return "–".to_owned();
    }
    if seconds < 1.0 {
        return format!("{} ms", (seconds * 1000.0).round());
    }
    if seconds < 60.0 {
        return format!("{} s", digits((seconds * 10.0).round() / 10.0));
    }
    let minutes = (seconds / 60.0).floor();
    let (hours, days) = ((minutes / 60.0).floor(), (minutes / 1440.0).floor());
    if minutes < 60.0 {
        format!("{minutes} min")
    } else if hours < 24.0 {
        format!("{hours} h {} min", minutes - hours * 60.0)
    } else {
        format!("{days} d {} h", hours - days * 24.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits_and_a_prefix() {
        let check = |value: f64, expect: &str| assert_eq!(number(value), expect, "{value}");
        check(0.0, "0");
        check(-0.0, "0");
        check(1.5, "1.5");
        check(0.25, "0.25");
        check(0.0123, "0.012");
        check(42.0, "42");
        check(9999.4, "9999");
        check(12_345.6, "12.35 k");
        check(-1_234_567.0, "-1.235 M");
        check(0.002_5, "2.5 m");
        check(0.000_25, "250 µ");
        check(1e-7, "100 n");
        check(-1e-12, "-1.000e-12");
        check(1e30, "1.000e30");
        check(f64::NAN, "–");
        check(f64::INFINITY, "∞");
    }

    #[test]
    fn durations_are_told_in_two_units() {
        let check = |seconds: f64, expect: &str| assert_eq!(duration(seconds), expect);
        check(0.0123, "12 ms");
        check(3.25, "3.3 s");
        check(125.0, "2 min");
        check(3.0 * 3600.0 + 720.0, "3 h 12 min");
        check(86400.0 * 3.0 + 7300.0, "3 d 2 h");
        check(f64::NAN, "–");
        check(-1.0, "–");
    }

    #[test]
    fn local_time_is_only_for_show() {
        let shown =
            |seconds| Moment::at(Timestamp::from_seconds(seconds), Tz::Europe__Berlin).to_string();
        // The hour that clocks are put back by is there twice, and UTC tells which it is.
        let hour = |utc: &str| {
            format!("<time datetime=\"2026-10-25T{utc}:00Z\">2026-10-25 02:30:00</time>")
        };
        assert_eq!(shown(1_792_888_200), hour("00:30"));
        assert_eq!(shown(1_792_891_800), hour("01:30"));
    }
}
