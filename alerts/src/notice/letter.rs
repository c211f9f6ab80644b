//! The message below the subject, as text, for those who read it at three in the morning: what, where, since when, how bad,
//! what it hides, why they are told, what comes next. The same facts in the same order are the HTML of [`super::html`].

use ravenry_plugins::timestamp::Timestamp;

use super::{Kind, Links, Notice, clock_time, line, words};
use crate::check::CheckName;

/// Lines of a check's output that are said, and characters of each.
const OUTPUT_LINES_MAX: usize = 20;
const OUTPUT_CHARS_MAX: usize = 300;

/// One thing that a notice says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is: `Value`.
    pub name: &'static str,
    /// Its text, one line or several.
    pub text: String,
    /// Where it leads.
    pub link: Option<String>,
}

impl Notice {
    /// The message below the subject.
    #[must_use]
    pub fn text(&self, over: Option<Timestamp>, links: &Links) -> String {
        let mut lines = vec![self.subject(over), String::new()];
        if self.kind == Kind::Test {
            lines.push(format!("{}.\n", self.sentence(over)));
        }
        for fact in self.facts(over, links) {
            let mut name = fact.name;
            for text in fact.text.lines() {
                lines.push(format!("{name:<12} {text}"));
                name = "";
            }
        }
        let all = self.all_links(links);
        if !all.is_empty() {
            lines.push(String::new());
        }
        for (name, link) in all {
            lines.push(format!("{name:<12} {link}"));
        }
        lines.push(String::new());
        lines.push(self.foot());
        lines.push(String::new());
        lines.join("\n")
    }

    /// What it says about the incident, in the order in which a person wants it.
    #[must_use]
    pub fn facts(&self, over: Option<Timestamp>, links: &Links) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut say = |name, text: String, link| facts.push(Fact { name, text, link });
        let Some(check) = &self.check else {
            return facts;
        };
        if self.kind == Kind::Digest {
            let lines: Vec<String> = self.digest.iter().map(ToString::to_string).collect();
            say("Held back", lines.join("\n"), None);
            let why = "Your budget of notices was used up, so these are told together.";
            say("Why you", why.to_owned(), None);
            return facts;
        }
        say("Check", check.to_string(), links.check(check));
        if let Some(value) = self.value {
            say("Value", self.measured(value), None);
        }
        if !self.threshold.is_empty() {
            say("Threshold", line(&self.threshold, OUTPUT_CHARS_MAX), None);
        }
        if !self.output.is_empty() {
            say("Output", self.output_lines(), None);
        }
        say("Since", self.since_words(over), None);
        if let Some(over) = over.or_else(|| (!self.kind.is_problem()).then_some(self.at)) {
            let lasted = words(over.since(self.since));
            say(
                "Over",
                format!("{}, after {lasted}", clock_time(over)),
                None,
            );
        }
        if self.often > 1 && self.kind.is_problem() {
            let often = format!("{} times in 7 days, this one included", self.often);
            say("Often", often, None);
        }
        if !self.others.is_empty() {
            say("Also", self.also(), None);
        }
        if self.hidden > 0 {
            say("Hides", self.hides_words(), None);
        }
        if !self.why.is_empty() {
            say(
                "Why you",
                sentence(&line(&self.why, OUTPUT_CHARS_MAX)),
                None,
            );
        }
        let next = self.next(over);
        if !next.is_empty() {
            say("Next", next.to_owned(), None);
        }
        facts
    }

    /// The links that a person follows, each with its name.
    #[must_use]
    pub fn all_links(&self, links: &Links) -> Vec<(&'static str, String)> {
        let Some(check) = &self.check else {
            return Vec::new();
        };
        if self.kind == Kind::Digest {
            let page = links.incidents();
            return page.map(|link| ("Incidents", link)).into_iter().collect();
        }
        let page = match check {
            CheckName::Field(_) => "Graph",
            CheckName::Host(_) | CheckName::Verdict(_) => "Host",
        };
        let host = match check {
            CheckName::Field(_) => links.host(check),
            // Its page is the host's.
            CheckName::Host(_) | CheckName::Verdict(_) => None,
        };
        let all = [
            ("Acknowledge", links.acknowledge(self)),
            (page, links.check(check)),
            ("Host", host),
            ("Incident", links.incident(self.key.incident)),
        ];
        let present = all.into_iter();
        present
            .filter_map(|(name, link)| Some((name, link?)))
            .collect()
    }

    /// The last line: by what this message is known.
    #[must_use]
    pub fn foot(&self) -> String {
        let decided = clock_time(self.at);
        match self.key.incident {
            0 => format!("Ravenry, notice {}, asked for {decided}", self.key),
            incident => format!(
                "Ravenry, incident {incident}, notice {}, decided {decided}",
                self.key
            ),
        }
    }

    fn output_lines(&self) -> String {
        let all = self.output.lines().count();
        let mut lines: Vec<String> = self
            .output
            .lines()
            .take(OUTPUT_LINES_MAX)
            .map(|text| line(text, OUTPUT_CHARS_MAX))
            .collect();
        if all > OUTPUT_LINES_MAX {
            lines.push(format!("... and {} lines more", all - OUTPUT_LINES_MAX));
        }
        lines.join("\n")
    }

    fn since_words(&self, over: Option<Timestamp>) -> String {
        let since = clock_time(self.since);
        let ago = self.at.since(self.since);
        if over.is_some() || !self.kind.is_problem() || ago.as_secs() == 0 {
            return since;
        }
        format!("{since}, {} before this notice", words(ago))
    }

    fn also(&self) -> String {
        let mut lines: Vec<String> = self.others.iter().map(ToString::to_string).collect();
        let named = 1 + self.others.len();
        if self.causes > named {
            lines.push(format!("and {} more", self.causes - named));
        }
        lines.join("\n")
    }

    fn hides_words(&self) -> String {
        let (checks, need) = match self.hidden {
            1 => ("1 check that needs".to_owned(), "it is"),
            hidden => (format!("{hidden} checks that need"), "they are"),
        };
        let named = self.hides.iter().map(ToString::to_string);
        let named = named.collect::<Vec<_>>().join(", ");
        let named = match (named.is_empty(), self.hides.len() < self.hidden) {
            (true, _) => String::new(),
            (false, true) => format!(" ({named}, ...)"),
            (false, false) => format!(" ({named})"),
        };
        format!("{checks} this{named}; {need} not told one by one")
    }

    fn next(&self, over: Option<Timestamp>) -> &'static str {
        match (over, self.kind) {
            (Some(_), _) => {
                "Nothing needs to be done at once: it was over before this could be delivered."
            }
            (None, Kind::Problem | Kind::Worse | Kind::Update | Kind::Reminder) => {
                "You hear again if it gets worse or spreads, and once when all of it is well."
            }
            (None, Kind::Recovery) => {
                "Nothing needs to be done. If it comes back, that is told as a new problem."
            }
            (None, Kind::Withdrawn) => "Nothing more is said of it.",
            (None, Kind::Acknowledged | Kind::Test | Kind::Digest) => "",
        }
    }
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    format!("{first}{}.", chars.as_str())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use expect_test::expect;
    use ravenry_plugins::name::SeriesName;

    use super::*;
    use crate::notice::NoticeKey;
    use crate::rule::ContactName;
    use crate::severity::Severity;

    fn field(host: &str) -> CheckName {
        CheckName::Field(SeriesName {
            host: host.parse().unwrap(),
            graph: "df".parse().unwrap(),
            field: "root".parse().unwrap(),
        })
    }

    fn links() -> Links {
        Links {
            base: Some(String::from("https://ravenry.example.net")),
            sign: Some(Arc::new(|key, _| format!("/ack?incident={}", key.incident))),
        }
    }

    fn problem() -> Notice {
        Notice {
            key: NoticeKey {
                incident: 12,
                contact: ContactName::new("ops"),
                sequence: 1,
            },
            kind: Kind::Problem,
            check: Some(field("web1")),
            severity: Severity::Critical,
            label: String::from("df /"),
            value: Some(99.1),
            unit: String::from("%"),
            threshold: String::from("critical above 98"),
            since: Timestamp::from_seconds(1_767_225_600),
            often: 4,
            others: vec![field("web2")],
            causes: 3,
            hidden: 2,
            hides: vec![CheckName::Host("app1".parse().unwrap())],
            why: String::from("nothing says who is told of this check, so everybody is"),
            ..Notice::test(
                ContactName::new("ops"),
                Timestamp::from_seconds(1_767_226_325),
            )
        }
    }

    #[test]
    fn the_text_says_what_where_since_when_why_and_what_comes_next() {
        expect![[r"
            [critical] web1: df / is 99.1 % (critical above 98) and 2 more

            Check        web1/df/root
            Value        99.1 %
            Threshold    critical above 98
            Since        2026-01-01 00:00:00 UTC, 12m 5s before this notice
            Often        4 times in 7 days, this one included
            Also         web2/df/root
                         and 1 more
            Hides        2 checks that need this (app1, ...); they are not told one by one
            Why you      Nothing says who is told of this check, so everybody is.
            Next         You hear again if it gets worse or spreads, and once when all of it is well.

            Acknowledge  https://ravenry.example.net/ack?incident=12
            Graph        https://ravenry.example.net/graph/web1/df
            Host         https://ravenry.example.net/host/web1
            Incident     https://ravenry.example.net/incident/12

            Ravenry, incident 12, notice 12-ops-1, decided 2026-01-01 00:12:05 UTC
        "]]
        .assert_eq(&problem().text(None, &links()));
    }

    #[test]
    fn what_was_over_before_it_arrived_says_so() {
        let over = Some(Timestamp::from_seconds(1_767_226_000));
        let problem = Notice {
            often: 1,
            others: Vec::new(),
            causes: 1,
            hidden: 0,
            why: String::new(),
            ..problem()
        };
        expect![[r"
            [recovered meanwhile] web1: df / is 99.1 % (critical above 98), for 6m 40s

            Check        web1/df/root
            Value        99.1 %
            Threshold    critical above 98
            Since        2026-01-01 00:00:00 UTC
            Over         2026-01-01 00:06:40 UTC, after 6m 40s
            Next         Nothing needs to be done at once: it was over before this could be delivered.

            Ravenry, incident 12, notice 12-ops-1, decided 2026-01-01 00:12:05 UTC
        "]]
        .assert_eq(&problem.text(over, &Links::default()));
    }

    #[test]
    fn a_test_says_that_nothing_is_wrong() {
        let test = Notice::test(ContactName::new("ops"), Timestamp::EPOCH);
        expect![[r"
            [test] Ravenry can reach ops

            This is a test, nothing is wrong.


            Ravenry, notice 0-ops-0, asked for 1970-01-01 00:00:00 UTC
        "]]
        .assert_eq(&test.text(None, &links()));
    }

    #[test]
    fn a_long_output_is_cut() {
        let long = Notice {
            output: "line\n".repeat(30),
            ..problem()
        };
        let text = long.text(None, &Links::default());
        assert_eq!(text.matches("line\n").count(), OUTPUT_LINES_MAX);
        assert!(
            text.contains("             ... and 10 lines more\n"),
            "{text}"
        );
    }
}
