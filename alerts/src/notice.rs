//! A notice: one message to one contact about an incident, and its words. Pure.
//!
//! Everything that a channel says comes from here: the subject, the sentence, the facts below them, the short form. Texts
//! that stem from outside (labels, the output of checks) are single lines without control characters when they are said.

use std::fmt;
use std::sync::Arc;

use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::check::CheckName;
use crate::rule::ContactName;
use crate::severity::Severity;
use crate::topology::QUORUM_CHECK;

mod html;
mod letter;
mod words;

pub use letter::Fact;
pub use words::{clock_time, line, measured, number, unit_of, words};
pub(crate) use words::{problem, said};

/// A subject has at most this many characters.
const SUBJECT_CHARS_MAX: usize = 200;

/// The short form, for pagers and phones.
pub const SHORT_CHARS_MAX: usize = 160;

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
    /// Somebody knows of it. Only services that keep that are told: see [`crate::address::Address::takes_acknowledgements`].
    Acknowledged,
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
            Self::Acknowledged | Self::Recovery | Self::Withdrawn | Self::Digest | Self::Test => {
                false
            }
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
            Self::Acknowledged => "acknowledged",
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
    /// The first few of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hides: Vec<CheckName>,
    /// How many incidents the check has been the cause of in the last 7 days, this one included; 0 where nobody counted.
    #[serde(default)]
    pub often: u32,
    /// What the value is measured in: `%`; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
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

/// Makes the path and query of the link by which a contact acknowledges an incident, signed, as of a time.
pub type Sign = Arc<dyn Fn(&NoticeKey, Timestamp) -> String + Send + Sync>;

/// Where pages are found. Without an address there are no links.
#[derive(Clone, Default)]
pub struct Links {
    /// The collector's address as people reach it, without a slash at the end: `https://ravenry.example.net`.
    pub base: Option<String>,
    /// Signs the link to acknowledge; without it there is none.
    pub sign: Option<Sign>,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Links {
    /// The page of the check: a graph's, or a host's.
    #[must_use]
    pub fn check(&self, check: &CheckName) -> Option<String> {
        let base = self.base.as_ref()?;
        Some(match check {
            CheckName::Host(host) => format!("{base}/host/{host}"),
            CheckName::Field(series) => format!("{base}/graph/{}/{}", series.host, series.graph),
            // A quorum's name is no host's.
            CheckName::Verdict(verdict) if verdict.check.as_str() == QUORUM_CHECK => {
                format!("{base}/incidents")
            }
            CheckName::Verdict(verdict) => format!("{base}/host/{}#checks", verdict.host),
        })
    }

    /// The page of the check's host; none for a quorum, which has none.
    #[must_use]
    pub fn host(&self, check: &CheckName) -> Option<String> {
        let base = self.base.as_ref()?;
        let is_quorum =
            matches!(check, CheckName::Verdict(it) if it.check.as_str() == QUORUM_CHECK);
        (!is_quorum).then(|| format!("{base}/host/{}", check.host()))
    }

    /// The page of all incidents.
    #[must_use]
    pub fn incidents(&self) -> Option<String> {
        let base = self.base.as_ref()?;
        Some(format!("{base}/incidents"))
    }

    /// Where the incident is shown.
    #[must_use]
    pub fn incident(&self, id: u64) -> Option<String> {
        let base = self.base.as_ref()?;
        Some(format!("{base}/incident/{id}"))
    }

    /// Where the contact acknowledges what the notice tells, if it tells of a problem.
    #[must_use]
    pub fn acknowledge(&self, notice: &Notice) -> Option<String> {
        let (base, sign) = (self.base.as_ref()?, self.sign.as_ref()?);
        let one = notice.check.is_some() && notice.kind != Kind::Digest;
        let wanted = notice.kind.is_problem() && one;
        wanted.then(|| format!("{base}{}", sign(&notice.key, notice.at)))
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
            hides: Vec::new(),
            often: 0,
            unit: String::new(),
            why: String::new(),
            digest: Vec::new(),
        }
    }

    /// One line: `[critical] web1: df / is 99.1 % (critical above 98)`.
    ///
    /// `over` is when the problem ended, where the contact hears of both only now.
    #[must_use]
    pub fn subject(&self, over: Option<Timestamp>) -> String {
        let tag = self.tag(over);
        let subject = match &self.check {
            _ if self.kind == Kind::Digest => format!("[{tag}] {}", self.sentence(over)),
            None => format!("[{tag}] Ravenry can reach {}", self.key.contact),
            Some(check) => format!(
                "[{tag}] {}: {}{}",
                check.host(),
                self.sentence(over),
                self.more()
            ),
        };
        line(&subject, SUBJECT_CHARS_MAX)
    }

    /// The subject for a pager or a phone: at most [`SHORT_CHARS_MAX`] characters, with the incident's number, by which it can
    /// be acknowledged.
    #[must_use]
    pub fn short(&self, over: Option<Timestamp>) -> String {
        let end = match self.key.incident {
            0 => String::new(),
            incident => format!(" #{incident}"),
        };
        let room = SHORT_CHARS_MAX - end.chars().count();
        format!("{}{end}", line(&self.subject(over), room))
    }

    /// One word for what the notice is: `critical`, `down`, `ok`, `recovered meanwhile`.
    #[must_use]
    pub fn tag(&self, over: Option<Timestamp>) -> &'static str {
        match (over, self.kind, &self.check) {
            (Some(_), _, _) => "recovered meanwhile",
            (None, Kind::Test, _) => "test",
            (None, Kind::Digest, _) => "digest",
            (None, Kind::Acknowledged, _) => "acknowledged",
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
        }
    }

    /// ` and 3 more`, where it has more causes than the one that it names.
    fn more(&self) -> String {
        match self.causes.saturating_sub(1) {
            0 => String::new(),
            more => format!(" and {more} more"),
        }
    }

    /// `7 incidents, 5 of them open`.
    fn digest_sentence(&self) -> String {
        let all = self.digest.len();
        let open = |line: &&DigestLine| line.kind.is_problem();
        match self.digest.iter().filter(open).count() {
            0 => format!("{all} incidents are over"),
            open => format!("{all} incidents, {open} of them open"),
        }
    }

    /// What is wrong or over, without the host; `over` as in [`Self::subject`].
    #[must_use]
    pub fn sentence(&self, over: Option<Timestamp>) -> String {
        let lasted = words(over.unwrap_or(self.at).since(self.since));
        match (&self.check, self.kind) {
            (_, Kind::Digest) => self.digest_sentence(),
            (Some(_), Kind::Acknowledged) => self.why.clone(),
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
                let value = self.value.map(|value| (value, self.unit.as_str()));
                let severity = self.severity;
                let text = problem(&self.label, severity, value, &self.threshold, self.hidden);
                match over {
                    None => text,
                    Some(_) => format!("{text}, for {lasted}"),
                }
            }
            (Some(CheckName::Field(_)), Kind::Recovery) => {
                let value = self
                    .value
                    .map_or_else(String::new, |value| format!(" is {}", self.measured(value)));
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

    fn measured(&self, value: f64) -> String {
        measured(value, &self.unit)
    }
}

impl fmt::Display for DigestLine {
    /// `[critical] web1: df / is 99.1 % (critical above 98), incident 12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, incident {}", self.subject, self.incident)
    }
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
            unit: String::from("%"),
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
            [critical] web1: df / is 99.1 % (critical above 98)
            [recovered meanwhile] web1: df / is 99.1 % (critical above 98), for 6m 40s
            [warning] web1: df / is 99.1 % (critical above 98)
            [unknown] web1: df / and 2 more have no value
            [ok] web1: df / is 99.1 % (was critical for 12m 5s)
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
    fn the_short_form_fits_a_text_message_and_names_the_incident() {
        let long = Notice {
            key: NoticeKey {
                incident: 12,
                ..notice(field(), Kind::Problem, Severity::Critical).key
            },
            label: "df /a/very/long/path".repeat(20),
            ..notice(field(), Kind::Problem, Severity::Critical)
        };
        let short = long.short(None);
        assert_eq!(short.chars().count(), SHORT_CHARS_MAX);
        assert!(short.starts_with("[critical] web1: df /a/very"), "{short}");
        assert!(short.ends_with("... #12"), "{short}");
        let test = Notice::test(ContactName::new("ops"), Timestamp::EPOCH);
        assert_eq!(test.short(None), "[test] Ravenry can reach ops");
    }

    #[test]
    fn a_subject_is_one_line_whatever_a_plugin_says() {
        let hostile = Notice {
            label: String::from("df\r\nBcc: all@example.net\n\n<script>"),
            threshold: String::from("critical\tabove\u{0}98"),
            ..notice(field(), Kind::Problem, Severity::Critical)
        };
        assert_eq!(
            hostile.subject(None),
            "[critical] web1: df Bcc: all@example.net <script> is 99.1 % (critical above 98)"
        );
    }

    #[test]
    fn without_an_address_there_are_no_links() {
        let problem = notice(field(), Kind::Problem, Severity::Critical);
        let none = Links::default();
        assert_eq!(none.check(&field()), None);
        assert_eq!(none.acknowledge(&problem), None);
        let links = Links {
            base: Some(String::from("https://r.example")),
            sign: Some(Arc::new(|key, _| {
                format!("/ack/{}/{}", key.incident, key.contact)
            })),
        };
        let ack = |kind| links.acknowledge(&notice(field(), kind, Severity::Critical));
        assert_eq!(
            ack(Kind::Problem).unwrap(),
            "https://r.example/ack/0/ops team"
        );
        assert_eq!(ack(Kind::Recovery), None);
    }
}
