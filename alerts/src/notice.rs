//! A notice: one message to one contact about an incident, and its words. Pure.

use std::fmt;
use std::time::Duration;

use chrono::DateTime;
use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::check::CheckName;
use crate::rule::ContactName;
use crate::severity::Severity;
use crate::topology::QUORUM_CHECK;

/// By which a notice is known for ever: the same key is the same notice, however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NoticeKey {
    /// The incident's number; 0 is a test.
    pub incident: u64,
    /// Who is told.
    pub contact: ContactName,
    /// Counts the notices of an incident to a contact, from 1.
    pub sequence: u64,
}

impl fmt::Display for NoticeKey {
    /// `12-ops-1`; what is neither a letter nor a digit in the contact's name becomes `_`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contact: String = self
            .contact
            .as_str()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        write!(f, "{}-{contact}-{}", self.incident, self.sequence)
    }
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something is wrong.
    Problem,
    /// It is worse than what the contact was told.
    Worse,
    /// It has become much wider than what the contact was told.
    Update,
    /// It is still so, and nobody has acknowledged it.
    Reminder,
    /// Several incidents at once, for somebody whose budget of notices is used up.
    Digest,
    /// It is over.
    Recovery,
    /// It is not watched any more: its threshold or its host was taken away.
    Withdrawn,
    /// Somebody wants to see whether notices arrive.
    Test,
}

impl Kind {
    /// Whether it says that something is wrong (and is not out of date when it is over).
    #[must_use]
    pub fn is_problem(self) -> bool {
        match self {
            Self::Problem | Self::Worse | Self::Update | Self::Reminder => true,
            Self::Recovery | Self::Withdrawn | Self::Digest | Self::Test => false,
        }
    }

    /// Lowercase, as in webhooks.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Worse => "worse",
            Self::Update => "update",
            Self::Reminder => "reminder",
            Self::Digest => "digest",
            Self::Recovery => "recovery",
            Self::Withdrawn => "withdrawn",
            Self::Test => "test",
        }
    }
}

/// One message to one contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Its identity.
    pub key: NoticeKey,
    /// What it is about.
    pub kind: Kind,
    /// The cause; nothing for a test.
    pub check: Option<CheckName>,
    /// How bad it is now.
    pub severity: Severity,
    /// How bad it was before.
    pub was: Severity,
    /// The check in people's words, without the host: `df /`; empty for a host.
    pub label: String,
    /// The value that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The threshold in words.
    pub threshold: String,
    /// What a Nagios check said, all its lines.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// Since when the problem lasts, or lasted.
    pub since: Timestamp,
    /// When this was decided.
    pub at: Timestamp,
    /// Further causes, the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<CheckName>,
    /// How many causes there are in all, this one included.
    #[serde(default)]
    pub causes: usize,
    /// How many checks it explains that are told nothing of.
    #[serde(default)]
    pub hidden: usize,
    /// How this contact came to be told, where that is not just the route: `on call in oncall`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What a digest is about, the worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digest: Vec<DigestLine>,
}

/// One incident in a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestLine {
    /// Its number.
    pub incident: u64,
    /// What a notice about it alone would have been about.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// The subject of that notice.
    pub subject: String,
}

/// Where pages are found, for links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// The collector's address as people reach it, without a slash at the end: `http://127.0.0.1:4950`.
    pub base: String,
}

impl Links {
    /// The page of the check: a graph's, or a host's.
    #[must_use]
    pub fn check(&self, check: &CheckName) -> String {
        match check {
            CheckName::Host(host) => format!("{}/host/{host}", self.base),
            CheckName::Field(series) => {
                format!("{}/graph/{}/{}", self.base, series.host, series.graph)
            }
            // A quorum's name is no host's.
            CheckName::Verdict(verdict) if verdict.check.as_str() == QUORUM_CHECK => {
                self.incidents()
            }
            CheckName::Verdict(verdict) => format!("{}/host/{}#checks", self.base, verdict.host),
        }
    }

    /// The page of all incidents.
    #[must_use]
    pub fn incidents(&self) -> String {
        format!("{}/incidents", self.base)
    }
}

impl Notice {
    /// A message that only proves that messages arrive.
    #[must_use]
    pub fn test(contact: ContactName, now: Timestamp) -> Self {
        Self {
            key: NoticeKey {
                incident: 0,
                contact,
                sequence: now.micros().unsigned_abs(),
            },
            kind: Kind::Test,
            check: None,
            severity: Severity::Ok,
            was: Severity::Ok,
            label: String::new(),
            value: None,
            threshold: String::new(),
            output: String::new(),
            since: now,
            at: now,
            others: Vec::new(),
            causes: 1,
            hidden: 0,
            why: String::new(),
            digest: Vec::new(),
        }
    }

    /// One line: `[critical] web1: df / is 99.1 (critical above 98)`.
    ///
    /// `over` is when the problem ended, where the contact hears of both only now.
    #[must_use]
    pub fn subject(&self, over: Option<Timestamp>) -> String {
        let tag = match (over, self.kind, &self.check) {
            (Some(_), _, _) => "recovered meanwhile",
            (None, Kind::Test, _) => "test",
            (None, Kind::Digest, _) => return self.digest_subject(),
            (None, Kind::Withdrawn, _) => "not watched any more",
            (
                None,
                Kind::Problem | Kind::Worse | Kind::Update | Kind::Reminder,
                Some(CheckName::Host(_)),
            ) => "down",
            (None, Kind::Recovery, Some(CheckName::Host(_))) => "up",
            (
                None,
                Kind::Problem | Kind::Worse | Kind::Update | Kind::Reminder | Kind::Recovery,
                _,
            ) => self.severity.as_str(),
        };
        let more = match self.causes.saturating_sub(1) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        match &self.check {
            None => format!("[{tag}] Ravenry can reach {}", self.key.contact),
            Some(check) => format!("[{tag}] {}: {}{more}", check.host(), self.sentence(over)),
        }
    }

    /// `[digest] 7 incidents, 5 of them open`.
    fn digest_subject(&self) -> String {
        let all = self.digest.len();
        let open = |line: &&DigestLine| line.kind.is_problem();
        match self.digest.iter().filter(open).count() {
            0 => format!("[digest] {all} incidents are over"),
            open => format!("[digest] {all} incidents, {open} of them open"),
        }
    }

    /// What is wrong or over, without the host; `over` as in [`Self::subject`].
    #[must_use]
    pub fn sentence(&self, over: Option<Timestamp>) -> String {
        let lasted = words(over.unwrap_or(self.at).since(self.since));
        match (&self.check, self.kind) {
            (_, Kind::Digest) => {
                let subject = self.digest_subject();
                subject.trim_start_matches("[digest] ").to_owned()
            }
            (None, _) | (_, Kind::Test) => String::from("This is a test, nothing is wrong"),
            (
                Some(CheckName::Host(_)),
                Kind::Problem | Kind::Worse | Kind::Update | Kind::Reminder,
            ) => match over {
                None => String::from("nothing is heard of the host"),
                Some(_) => format!("nothing was heard of the host for {lasted}"),
            },
            (Some(CheckName::Host(_)), Kind::Recovery) => {
                format!("the host is heard of again after {lasted}")
            }
            (Some(CheckName::Host(_)), Kind::Withdrawn) => {
                String::from("the host was taken out while it was down")
            }
            (
                Some(CheckName::Field(_)),
                Kind::Problem | Kind::Worse | Kind::Update | Kind::Reminder,
            ) => {
                let (severity, value) = (self.severity, self.value);
                let text = problem(&self.label, severity, value, &self.threshold, self.hidden);
                match over {
                    None => text,
                    Some(_) => format!("{text}, for {lasted}"),
                }
            }
            (Some(CheckName::Field(_)), Kind::Recovery) => {
                let value = self
                    .value
                    .map_or_else(String::new, |value| format!(" is {}", number(value)));
                format!("{}{value} (was {} for {lasted})", self.label, self.was)
            }
            (
                Some(CheckName::Verdict(_)),
                Kind::Problem | Kind::Worse | Kind::Update | Kind::Reminder,
            ) => {
                let text = said(&self.label, self.severity, &self.output);
                match over {
                    None => text,
                    Some(_) => format!("{text}, for {lasted}"),
                }
            }
            (Some(CheckName::Verdict(_)), Kind::Recovery) => {
                let text = said(&self.label, self.severity, &self.output);
                format!("{text} (was {} for {lasted})", self.was)
            }
            (Some(CheckName::Field(_) | CheckName::Verdict(_)), Kind::Withdrawn) => {
                format!(
                    "{} is not judged any more (was {} for {lasted})",
                    self.label, self.was
                )
            }
        }
    }

    /// The message below the subject.
    #[must_use]
    pub fn text(&self, over: Option<Timestamp>, links: &Links) -> String {
        let mut lines = vec![self.subject(over), String::new()];
        if self.kind == Kind::Test {
            lines.push(format!("{}.\n", self.sentence(over)));
        }
        if self.kind == Kind::Digest {
            lines.push(String::from(
                "Your budget of notices is used up; these were held back and are told together:\n",
            ));
            lines.extend(self.digest.iter().map(DigestLine::to_string));
            lines.push(String::new());
        }
        let mut say = |name: &str, text: String| lines.push(format!("{name:<10} {text}"));
        if self.kind == Kind::Digest {
            say("Incidents", links.incidents());
        } else if let Some(check) = &self.check {
            say("Check", check.to_string());
            if let Some(value) = self.value {
                say("Value", number(value));
            }
            if !self.threshold.is_empty() {
                say("Threshold", self.threshold.clone());
            }
            let mut name = "Output";
            for line in self.output.lines() {
                say(name, line.to_owned());
                name = "";
            }
            say("Since", clock_time(self.since));
            if let Some(over) = over {
                say("Over", clock_time(over));
            } else if !self.kind.is_problem() {
                say("Over", clock_time(self.at));
            }
            for other in &self.others {
                say("Also", other.to_string());
            }
            if self.hidden > 0 {
                say(
                    "Explains",
                    format!("{} checks that are not told one by one", self.hidden),
                );
            }
            say("Page", links.check(check));
            say(
                "Incident",
                format!("{} at {}", self.key.incident, links.incidents()),
            );
        }
        if !self.why.is_empty() {
            say("Why", self.why.clone());
        }
        say(
            "Notice",
            format!("{} decided {}", self.key, clock_time(self.at)),
        );
        lines.push(String::new());
        lines.join("\n")
    }
}

impl fmt::Display for DigestLine {
    /// `[critical] web1: df / is 99.1 (critical above 98), incident 12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, incident {}", self.subject, self.incident)
    }
}

/// A problem of a field in words: `df / is 99.1 (critical above 98)`.
#[must_use]
pub(crate) fn problem(
    label: &str,
    severity: Severity,
    value: Option<f64>,
    threshold: &str,
    others: usize,
) -> String {
    match (severity, value) {
        (Severity::Unknown, _) if others > 0 => format!("{label} and {others} more have no value"),
        (Severity::Unknown, _) => format!("{label} has no value"),
        (Severity::Ok | Severity::Warning | Severity::Critical, Some(value)) => {
            format!("{label} is {} ({threshold})", number(value))
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

/// A number as people read it: five significant digits, no zeros behind.
#[must_use]
pub fn number(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e15).contains(&size) {
        return format!("{number:.4e}");
    }
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
    use std::fmt::Write as _;

    use expect_test::expect;
    use ravenry_plugins::name::SeriesName;

    use super::*;

    fn field() -> CheckName {
        CheckName::Field(SeriesName {
            host: "web1".parse().unwrap(),
            graph: "df".parse().unwrap(),
            field: "root".parse().unwrap(),
        })
    }

    fn notice(check: CheckName, kind: Kind, severity: Severity) -> Notice {
        Notice {
            kind,
            check: Some(check),
            severity,
            was: Severity::Critical,
            label: String::from("df /"),
            value: Some(99.1),
            threshold: String::from("critical above 98"),
            since: Timestamp::from_seconds(1_767_225_600),
            hidden: 2,
            ..Notice::test(
                ContactName::new("ops team"),
                Timestamp::from_seconds(1_767_226_325),
            )
        }
    }

    #[test]
    fn a_subject_says_what_where_and_how_bad() {
        let host = || CheckName::Host("web1".parse().unwrap());
        let over = Some(Timestamp::from_seconds(1_767_226_000));
        let mut found = String::new();
        for (check, kind, severity, over) in [
            (field(), Kind::Problem, Severity::Critical, None),
            (field(), Kind::Problem, Severity::Critical, over),
            (field(), Kind::Worse, Severity::Warning, None),
            (field(), Kind::Problem, Severity::Unknown, None),
            (field(), Kind::Recovery, Severity::Ok, None),
            (field(), Kind::Withdrawn, Severity::Critical, None),
            (host(), Kind::Problem, Severity::Critical, None),
            (host(), Kind::Problem, Severity::Critical, over),
            (host(), Kind::Recovery, Severity::Ok, None),
            (host(), Kind::Withdrawn, Severity::Critical, None),
        ] {
            writeln!(found, "{}", notice(check, kind, severity).subject(over)).unwrap();
        }
        let test = Notice::test(ContactName::new("ops"), Timestamp::EPOCH);
        writeln!(found, "{}", test.subject(None)).unwrap();
        expect![[r#"
            [critical] web1: df / is 99.1 (critical above 98)
            [recovered meanwhile] web1: df / is 99.1 (critical above 98), for 6m 40s
            [warning] web1: df / is 99.1 (critical above 98)
            [unknown] web1: df / and 2 more have no value
            [ok] web1: df / is 99.1 (was critical for 12m 5s)
            [not watched any more] web1: df / is not judged any more (was critical for 12m 5s)
            [down] web1: nothing is heard of the host
            [recovered meanwhile] web1: nothing was heard of the host for 6m 40s
            [up] web1: the host is heard of again after 12m 5s
            [not watched any more] web1: the host was taken out while it was down
            [test] Ravenry can reach ops
        "#]]
        .assert_eq(&found);
    }

    #[test]
    fn the_text_says_the_value_the_threshold_since_when_and_where_to_look() {
        let links = Links {
            base: String::from("https://ravenry.example.net"),
        };
        let problem = notice(field(), Kind::Problem, Severity::Critical);
        let over = Some(Timestamp::from_seconds(1_767_226_000));
        expect![[r#"
            [recovered meanwhile] web1: df / is 99.1 (critical above 98), for 6m 40s

            Check      web1/df/root
            Value      99.1
            Threshold  critical above 98
            Since      2026-01-01 00:00:00 UTC
            Over       2026-01-01 00:06:40 UTC
            Explains   2 checks that are not told one by one
            Page       https://ravenry.example.net/graph/web1/df
            Incident   0 at https://ravenry.example.net/incidents
            Notice     0-ops_team-1767226325000000 decided 2026-01-01 00:12:05 UTC
        "#]]
        .assert_eq(&problem.text(over, &links));
        let test = Notice::test(ContactName::new("ops"), Timestamp::EPOCH);
        expect![[r#"
            [test] Ravenry can reach ops

            This is a test, nothing is wrong.

            Notice     0-ops-0 decided 1970-01-01 00:00:00 UTC
        "#]]
        .assert_eq(&test.text(None, &links));
    }

    #[test]
    fn numbers_are_as_long_as_people_read() {
        let check = |value: f64, expect: &str| assert_eq!(number(value), expect);
        check(99.1, "99.1");
        check(99.0, "99");
        check(0.1 + 0.2, "0.3");
        check(-0.5, "-0.5");
        check(12_345.678, "12346");
        check(1_234.567, "1234.6");
        check(0.0, "0");
        check(1.5e20, "1.5000e20");
        check(f64::INFINITY, "inf");
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
}
