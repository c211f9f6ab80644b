//! A check: its name, and the machine that turns what was seen into a confirmed severity.
//!
//! ```text
//!            worse, `attempts` in a row
//!     ┌──────────────────────────────────────┐
//!     │                                      ▼
//!  ┌──┴──┐ unknown_limit unknowns  ┌───────────────────┐  worse: at once   ┌──────────┐
//!  │ ok  │ ─────────┐              │      warning      │ ────────────────► │ critical │
//!  └──▲──┘          ▼              │                   │ ◄──────────────── │          │
//!     │        ┌─────────┐ worse,  └─────────┬─────────┘  better: at once  └────┬─────┘
//!     │        │ unknown │ ─`attempts`─►     │                                  │
//!     │        └──┬───▲──┘  in a row         │ silence, unknowns                │
//!     │           │   └──────────────────────┴──────────────────────────────────┘
//!     └───────────┴─ ok: at once, from everywhere
//! ```
//!
//! Pure: a result and its time in, the next state and perhaps a transition out. Absence is not recovery: silence leads to
//! unknown only.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ravenry_plugins::name::{HostName, NameError, SeriesName, VerdictName};
use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::severity::Severity;

/// What a check is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckName {
    /// A host's liveness: whether anything is heard of it.
    Host(HostName),
    /// A field with thresholds.
    Field(SeriesName),
    /// A Nagios check, by its own verdict.
    Verdict(VerdictName),
}

impl CheckName {
    /// The host that the check belongs to.
    #[must_use]
    pub fn host(&self) -> &HostName {
        match self {
            Self::Host(host) => host,
            Self::Field(series) => &series.host,
            Self::Verdict(verdict) => &verdict.host,
        }
    }
}

impl FromStr for CheckName {
    type Err = NameError;

    /// As [`fmt::Display`] writes it.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (host, rest) = match text.split_once('/') {
            Some((host, rest)) => (host.parse()?, rest),
            None => return Ok(Self::Host(text.parse()?)),
        };
        match rest.split_once('/') {
            None => Ok(Self::Verdict(VerdictName {
                host,
                check: rest.parse()?,
            })),
            Some((graph, field)) => Ok(Self::Field(SeriesName {
                host,
                graph: graph.parse()?,
                field: field.parse()?,
            })),
        }
    }
}

impl fmt::Display for CheckName {
    /// `host`, `host/graph/field` or `host/check`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "{host}"),
            Self::Field(series) => write!(f, "{series}"),
            Self::Verdict(verdict) => write!(f, "{verdict}"),
        }
    }
}

/// What one look at a check gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within its thresholds.
    Ok,
    /// Outside the warning range.
    Warning,
    /// Outside the critical range.
    Critical,
    /// There was a reading and it was unknown.
    Unknown,
    /// There was no reading for as long as one may be missing.
    Silent,
}

/// How many results it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// Results in a row before a worse severity counts; 0 is taken as 1.
    pub attempts: u32,
    /// Unknown readings in a row before the check is unknown; 0 is taken as 1.
    pub unknown_limit: u32,
}

/// Where a check stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The confirmed severity.
    pub severity: Severity,
    /// Since when; `None` while nothing has been confirmed (Nagios' pending).
    pub since: Option<Timestamp>,
    /// When the first result was taken that was not ok, of those in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<Timestamp>,
    /// Results in a row that are worse than the confirmed severity and do not count yet.
    #[serde(default)]
    pub suspect: u32,
    /// Unknown readings in a row, counted up to the limit.
    #[serde(default)]
    pub unknowns: u32,
    /// The last time that it was not ok, whether that was confirmed or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spell: Option<Spell>,
}

/// A time in which a check was not ok.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spell {
    /// When the first result was taken that was not.
    pub from: Timestamp,
    /// When the next one was taken that was ok again.
    pub to: Timestamp,
}

/// A confirmed change of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// What it was.
    pub from: Severity,
    /// What it is.
    pub to: Severity,
    /// When the result that confirmed it was taken.
    pub at: Timestamp,
    /// How long it had been `from`.
    pub lasted: Duration,
}

impl State {
    /// The next state after a result taken `at`, and the transition if that confirmed one.
    #[must_use]
    pub fn step(
        self,
        patience: Patience,
        verdict: Verdict,
        at: Timestamp,
    ) -> (Self, Option<Transition>) {
        use Severity as S;
        match (self.severity, verdict) {
            (_, Verdict::Ok) => self.becomes(S::Ok, at),
            (S::Warning | S::Critical, Verdict::Warning) => self.becomes(S::Warning, at),
            (S::Warning | S::Critical, Verdict::Critical) => self.becomes(S::Critical, at),
            (S::Ok | S::Unknown, Verdict::Warning) => self.suspects(patience, S::Warning, at),
            (S::Ok | S::Unknown, Verdict::Critical) => self.suspects(patience, S::Critical, at),
            (_, Verdict::Silent) => self.becomes(S::Unknown, at),
            (_, Verdict::Unknown) => self.misses(patience, at),
        }
    }

    /// Whether the confirmed severity is also what the last results say.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.suspect == 0 && (self.unknowns == 0 || self.severity == Severity::Unknown)
    }

    /// The last time that it was not ok; of what always was, the moment at which it was first heard of.
    pub(crate) fn last_spell(&self) -> Option<Spell> {
        let first = |at| Spell { from: at, to: at };
        self.spell.or(self.since.map(first))
    }

    /// Whether the last result is counted: nothing further of its kind is awaited.
    pub(crate) fn is_settled(&self, patience: Patience) -> bool {
        match self.severity {
            Severity::Ok | Severity::Warning | Severity::Critical => self.is_steady(),
            Severity::Unknown => {
                self.suspect == 0 && (self.unknowns == 0 || self.unknowns >= patience.unknown_limit)
            }
        }
    }

    fn becomes(self, to: Severity, at: Timestamp) -> (Self, Option<Transition>) {
        let next = Self {
            severity: to,
            since: match self.since {
                Some(since) if self.severity == to => Some(since),
                Some(_) | None => Some(at),
            },
            onset: if to.is_ok() {
                None
            } else {
                self.onset.or(Some(at))
            },
            suspect: 0,
            unknowns: 0,
            spell: match self.onset {
                Some(from) if to.is_ok() => Some(Spell { from, to: at }),
                Some(_) | None => self.spell,
            },
        };
        let transition = (self.severity != to).then(|| Transition {
            from: self.severity,
            to,
            at,
            lasted: at.since(self.since.unwrap_or(at)),
        });
        (next, transition)
    }

    fn suspects(
        self,
        patience: Patience,
        to: Severity,
        at: Timestamp,
    ) -> (Self, Option<Transition>) {
        let suspect = self.suspect.saturating_add(1);
        if suspect >= patience.attempts {
            return self.becomes(to, at);
        }
        let next = Self {
            suspect,
            unknowns: 0,
            onset: self.onset.or(Some(at)),
            ..self
        };
        (next, None)
    }

    fn misses(self, patience: Patience, at: Timestamp) -> (Self, Option<Transition>) {
        let unknowns = self.unknowns.saturating_add(1);
        if unknowns < patience.unknown_limit {
            return (Self { unknowns, ..self }, None);
        }
        let (next, transition) = self.becomes(Severity::Unknown, at);
        let unknowns = patience.unknown_limit;
        (Self { unknowns, ..next }, transition)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::{Expect, expect};

    use super::*;

    fn attempts(attempts: u32) -> Patience {
        Patience {
            attempts,
            unknown_limit: 3,
        }
    }

    /// Plays a life of a check, a result every five minutes.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a test reads as lines of data"
    )]
    fn check(patience: Patience, life: &str, expect: Expect) {
        let mut state = State::default();
        let mut found = String::new();
        for (i, word) in life.split_whitespace().enumerate() {
            let verdict = match word {
                "ok" => Verdict::Ok,
                "warn" => Verdict::Warning,
                "crit" => Verdict::Critical,
                "U" => Verdict::Unknown,
                "-" => Verdict::Silent,
                other => panic!("{other}"),
            };
            let minutes = 5 * i64::try_from(i).unwrap();
            let (next, transition) =
                state.step(patience, verdict, Timestamp::from_seconds(60 * minutes));
            state = next;
            let phase = match (state.suspect, state.unknowns) {
                _ if state.is_steady() => String::from("steady"),
                (0, 0) => unreachable!(),
                (0, n) => format!("unknown {n}/{}", patience.unknown_limit),
                (n, 0) => format!("suspect {n}/{}", patience.attempts),
                (n, m) => format!("suspect {n}/{} unknown {m}", patience.attempts),
            };
            let what = transition.map_or(String::new(), |t| {
                format!("{} -> {} after {}m", t.from, t.to, t.lasted.as_secs() / 60)
            });
            let line = format!("00:{minutes:02}  {word:<4}  {phase:<12}  {what}");
            writeln!(found, "{}", line.trim_end()).unwrap();
        }
        expect.assert_eq(&found);
    }

    #[test]
    fn third_failure_in_a_row_is_told() {
        check(
            attempts(3),
            "ok crit crit crit ok",
            expect![[r#"
            00:00  ok    steady
            00:05  crit  suspect 1/3
            00:10  crit  suspect 2/3
            00:15  crit  steady        ok -> critical after 15m
            00:20  ok    steady        critical -> ok after 5m
        "#]],
        );
    }

    #[test]
    fn a_failure_in_between_is_forgotten() {
        check(
            attempts(3),
            "ok crit crit ok crit crit ok",
            expect![[r#"
                00:00  ok    steady
                00:05  crit  suspect 1/3
                00:10  crit  suspect 2/3
                00:15  ok    steady
                00:20  crit  suspect 1/3
                00:25  crit  suspect 2/3
                00:30  ok    steady
            "#]],
        );
    }

    #[test]
    fn a_change_between_failures_goes_on_counting_and_the_last_one_counts() {
        check(
            attempts(3),
            "ok crit warn warn",
            expect![[r#"
            00:00  ok    steady
            00:05  crit  suspect 1/3
            00:10  warn  suspect 2/3
            00:15  warn  steady        ok -> warning after 15m
        "#]],
        );
    }

    #[test]
    fn worse_and_better_count_at_once_while_it_is_a_problem() {
        check(
            attempts(3),
            "warn warn warn crit warn crit ok",
            expect![[r#"
                00:00  warn  suspect 1/3
                00:05  warn  suspect 2/3
                00:10  warn  steady        ok -> warning after 0m
                00:15  crit  steady        warning -> critical after 5m
                00:20  warn  steady        critical -> warning after 5m
                00:25  crit  steady        warning -> critical after 5m
                00:30  ok    steady        critical -> ok after 5m
            "#]],
        );
    }

    #[test]
    fn unknown_counts_after_its_limit_and_keeps_the_severity_till_then() {
        check(
            attempts(2),
            "crit crit U U U ok",
            expect![[r#"
            00:00  crit  suspect 1/2
            00:05  crit  steady        ok -> critical after 0m
            00:10  U     unknown 1/3
            00:15  U     unknown 2/3
            00:20  U     steady        critical -> unknown after 15m
            00:25  ok    steady        unknown -> ok after 5m
        "#]],
        );
    }

    #[test]
    fn an_unknown_reading_does_not_clear_a_suspicion() {
        check(
            attempts(3),
            "ok crit U crit crit",
            expect![[r#"
            00:00  ok    steady
            00:05  crit  suspect 1/3
            00:10  U     suspect 1/3 unknown 1
            00:15  crit  suspect 2/3
            00:20  crit  steady        ok -> critical after 20m
        "#]],
        );
    }

    #[test]
    fn silence_turns_unknown_at_once_and_nothing_else() {
        check(
            attempts(3),
            "ok - - ok crit crit crit -",
            expect![[r#"
            00:00  ok    steady
            00:05  -     steady        ok -> unknown after 5m
            00:10  -     steady
            00:15  ok    steady        unknown -> ok after 10m
            00:20  crit  suspect 1/3
            00:25  crit  suspect 2/3
            00:30  crit  steady        ok -> critical after 15m
            00:35  -     steady        critical -> unknown after 5m
        "#]],
        );
    }

    #[test]
    fn after_unknown_a_problem_takes_its_attempts_again() {
        check(
            attempts(2),
            "ok - crit crit",
            expect![[r#"
            00:00  ok    steady
            00:05  -     steady        ok -> unknown after 5m
            00:10  crit  suspect 1/2
            00:15  crit  steady        unknown -> critical after 10m
        "#]],
        );
    }

    #[test]
    fn one_attempt_counts_at_once() {
        check(
            attempts(1),
            "crit ok",
            expect![[r#"
            00:00  crit  steady        ok -> critical after 0m
            00:05  ok    steady        critical -> ok after 5m
        "#]],
        );
    }
}
