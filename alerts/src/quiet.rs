//! What people say so that they are not told, and what they write beside it: acknowledgements, downtimes, the mute,
//! comments. Plain values; pure.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Days, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use ravenry_plugins::name::HostName;
use ravenry_plugins::pattern::Pattern;
use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::Subject;
use crate::check::CheckName;
use crate::severity::Severity;
use crate::topology::{Group, is_in_group};

/// Somebody knows of an incident. It holds for what they knew: what becomes worse, or three times as wide, is told again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub author: String,
    /// What they say.
    pub comment: String,
    /// How bad it was.
    pub severity: Severity,
    /// How many causes it had.
    pub scope: usize,
    /// When they said so.
    #[serde(default)]
    pub at: Timestamp,
    /// It ends then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// Nobody is told anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// Who said so.
    pub author: String,
    /// Why.
    pub comment: String,
    /// Since when.
    pub since: Timestamp,
    /// It ends then; without, when somebody takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// What somebody wrote beside an incident, a check or a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// Its number.
    pub id: u64,
    /// Beside what.
    pub on: Subject,
    /// Who.
    pub author: String,
    /// What.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// A downtime as somebody asks for it: of a host, of a group, or of both together (hosts of the group that fit).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Of which hosts, by pattern.
    #[serde(default)]
    pub host: Option<String>,
    /// Of the hosts of which group, and of those below it.
    #[serde(default)]
    pub group: Option<String>,
    /// Of which of their checks, by pattern; `None` is the hosts and all their checks.
    #[serde(default)]
    pub check: Option<String>,
    /// From when; `None` is at once.
    #[serde(default)]
    pub start: Option<Timestamp>,
    /// Until when; what is still wrong then is told.
    pub end: Timestamp,
    /// It begins with the first problem between start and end, and lasts so long.
    #[serde(default)]
    pub flexible_seconds: Option<u64>,
    /// It comes again.
    #[serde(default)]
    pub every: Option<Every>,
    /// In which time zone it comes again at the same time of day; `None` is UTC.
    #[serde(default)]
    pub zone: Option<Tz>,
    /// Why.
    pub comment: String,
}

/// How often a downtime comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// Each day at the same time of day.
    Day,
    /// Each week on the same day.
    Week,
}

/// A time in which nobody is told of some checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// Its number.
    pub id: u64,
    /// Of which hosts, by pattern.
    pub host: String,
    /// Of the hosts of which group only, and of those below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Of which of their checks, by pattern; `None` is the hosts and all their checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// From when; of one that comes again, the time that runs or is next.
    pub start: Timestamp,
    /// Until when; what is still wrong then is told.
    pub end: Timestamp,
    /// It begins with the first problem between start and end, and lasts so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flexible_seconds: Option<u64>,
    /// When it began so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Timestamp>,
    /// How it comes again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeats>,
    /// Who said so.
    pub author: String,
    /// Why.
    pub comment: String,
}

/// How a downtime comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeats {
    /// How often.
    pub every: Every,
    /// At the same local time here.
    pub zone: Tz,
    /// When it began first.
    pub first_start: Timestamp,
    /// When it ended first.
    pub first_end: Timestamp,
    /// How often it has come since.
    pub round: u32,
}

impl Every {
    /// The time between one and the next.
    #[must_use]
    pub fn span(self) -> Duration {
        match self {
            Self::Day => Duration::from_secs(86_400),
            Self::Week => Duration::from_secs(7 * 86_400),
        }
    }
}

impl Mute {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

impl Downtime {
    /// Whether it is about this host, or checks of it.
    #[must_use]
    pub fn is_of_host(&self, host: &HostName, groups: &[Group]) -> bool {
        let group = self.group.as_ref();
        Pattern::new(&self.host).matches(host.as_str())
            && group.is_none_or(|group| is_in_group(groups, group, host))
    }

    /// Whether it is about this check, whenever that is.
    #[must_use]
    pub fn is_about(&self, name: &CheckName, groups: &[Group]) -> bool {
        if !self.is_of_host(name.host(), groups) {
            return false;
        }
        let check = self.check.as_ref().map(|check| Pattern::new(check));
        match (name, check) {
            (_, None) => true,
            (CheckName::Host(_), Some(_)) => false,
            (CheckName::Verdict(verdict), Some(check)) => check.matches(verdict.check.as_str()),
            (CheckName::Field(series), Some(check)) => {
                check.matches(series.graph.as_str())
                    || check.matches(&format!("{}/{}", series.graph, series.field))
            }
        }
    }

    /// Whether it runs.
    #[must_use]
    pub fn runs(&self, now: Timestamp) -> bool {
        match (self.flexible_seconds, self.begun) {
            (None, _) => self.start <= now && now < self.end,
            (Some(_), Some(begun)) => begun <= now && now < self.over_at(),
            (Some(_), None) => false,
        }
    }

    /// When it begins or began; nothing while it waits for a problem.
    #[must_use]
    pub fn begins(&self) -> Option<Timestamp> {
        match self.flexible_seconds {
            None => Some(self.start),
            Some(_) => self.begun,
        }
    }

    /// Whether a problem now would begin it.
    #[must_use]
    pub fn awaits(&self, now: Timestamp) -> bool {
        let open = self.start <= now && now < self.end;
        self.flexible_seconds.is_some() && self.begun.is_none() && open
    }

    /// When it is over, or its present time is.
    #[must_use]
    pub fn over_at(&self) -> Timestamp {
        match (self.flexible_seconds, self.begun) {
            (Some(seconds), Some(begun)) => begun + Duration::from_secs(seconds),
            (Some(_), None) | (None, _) => self.end,
        }
    }

    /// Whether it is about this check and runs.
    #[must_use]
    pub fn covers(&self, name: &CheckName, groups: &[Group], now: Timestamp) -> bool {
        self.runs(now) && self.is_about(name, groups)
    }

    /// Its next time after `now`; nothing when it does not come again.
    #[must_use]
    pub fn next(mut self, now: Timestamp) -> Option<Self> {
        let mut repeats = self.repeats?;
        while self.over_at() <= now {
            self.begun = None;
            repeats.round = repeats.round.checked_add(1)?;
            self.start = repeats.later(repeats.first_start)?;
            self.end = repeats.later(repeats.first_end)?.max(self.start);
        }
        self.repeats = Some(repeats);
        Some(self)
    }

    /// Of what it is, in words.
    #[must_use]
    pub fn scope(&self) -> String {
        let what = match &self.check {
            None => String::new(),
            Some(check) => format!("{check} on "),
        };
        match (&self.group, self.host.as_str()) {
            (None, "*") => format!("{what}all hosts"),
            (None, host) => format!("{what}{host}"),
            (Some(group), "*") => format!("{what}group {group}"),
            (Some(group), host) => format!("{what}{host} in group {group}"),
        }
    }
}

impl Repeats {
    /// The time `round` days or weeks after `first`, at the same local time of day.
    fn later(&self, first: Timestamp) -> Option<Timestamp> {
        let days = match self.every {
            Every::Day => 1,
            Every::Week => 7,
        };
        let utc = DateTime::<Utc>::from_timestamp(first.seconds(), 0)?;
        let local = utc.with_timezone(&self.zone).naive_local();
        let later = local.checked_add_days(Days::new(days * u64::from(self.round)))?;
        Some(Timestamp::from_seconds(
            instant(self.zone, later)?.timestamp(),
        ))
    }
}

/// A local time as a moment: of two the first, of one that the clock leaves out the one an hour on.
fn instant(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Tz>> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at),
        LocalResult::None => zone
            .from_local_datetime(&(local + TimeDelta::hours(1)))
            .earliest(),
    }
}

impl fmt::Display for Downtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "downtime {} of {}", self.id, self.scope())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
        Timestamp::from_seconds(time.and_utc().timestamp())
    }

    fn downtime() -> Downtime {
        Downtime {
            id: 1,
            host: String::from("web*"),
            group: None,
            check: None,
            start: at("2026-03-28 01:00"),
            end: at("2026-03-28 02:00"),
            flexible_seconds: None,
            begun: None,
            repeats: None,
            author: String::from("dora"),
            comment: String::from("disks"),
        }
    }

    #[test]
    fn a_flexible_downtime_begins_with_the_first_problem() {
        let mut it = Downtime {
            flexible_seconds: Some(7200),
            ..downtime()
        };
        let check = |it: &Downtime, now: &str, expect: (bool, bool)| {
            assert_eq!((it.awaits(at(now)), it.runs(at(now))), expect, "{now}");
        };
        check(&it, "2026-03-28 00:59", (false, false));
        check(&it, "2026-03-28 01:30", (true, false));
        check(&it, "2026-03-28 02:00", (false, false));
        it.begun = Some(at("2026-03-28 01:30"));
        check(&it, "2026-03-28 03:29", (false, true));
        check(&it, "2026-03-28 03:30", (false, false));
        assert_eq!(it.next(at("2026-03-28 03:30")), None);
    }

    #[test]
    fn what_comes_again_keeps_its_local_time() {
        let zone = Tz::Europe__Vienna;
        // 02:00 to 03:00 on the clock of Vienna, which leaves out that hour on the 29th.
        let it = Downtime {
            repeats: Some(Repeats {
                every: Every::Day,
                zone,
                first_start: at("2026-03-28 01:00"),
                first_end: at("2026-03-28 02:00"),
                round: 0,
            }),
            ..downtime()
        };
        let check = |now: &str, expect: (&str, &str)| {
            let next = it.clone().next(at(now)).unwrap();
            assert_eq!(
                (next.start, next.end),
                (at(expect.0), at(expect.1)),
                "{now}"
            );
        };
        check("2026-03-28 01:59", ("2026-03-28 01:00", "2026-03-28 02:00"));
        check("2026-03-29 02:00", ("2026-03-30 00:00", "2026-03-30 01:00"));
        check("2026-04-05 10:00", ("2026-04-06 00:00", "2026-04-06 01:00"));
    }

    #[test]
    fn a_downtime_is_of_hosts_of_a_group_and_of_checks() {
        let groups = [Group {
            name: "prod/web".parse().unwrap(),
            hosts: vec![Pattern::new("web*"), Pattern::new("cache")],
        }];
        let check = |host: &str, group: Option<&str>, of: Option<&str>, expect: &str| {
            let it = Downtime {
                host: host.to_owned(),
                group: group.map(str::to_owned),
                check: of.map(str::to_owned),
                ..downtime()
            };
            let all = ["web1", "web1/http", "web1/df/root", "db1", "cache"];
            let about = |name: &&&str| it.is_about(&name.parse().unwrap(), &groups);
            let found: Vec<&str> = all.iter().filter(about).copied().collect();
            assert_eq!(found.join(" "), expect, "{host} {group:?} {of:?}");
        };
        check("web1", None, None, "web1 web1/http web1/df/root");
        check("web1", None, Some("http"), "web1/http");
        check("web1", None, Some("df/*"), "web1/df/root");
        check("*", Some("prod"), None, "web1 web1/http web1/df/root cache");
        check(
            "web*",
            Some("prod/web"),
            Some("*"),
            "web1/http web1/df/root",
        );
        check("*", Some("pro"), None, "");
    }
}
