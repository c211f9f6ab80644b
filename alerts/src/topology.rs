//! What hangs on what: which checks need which, and which stand for a group together. Plain values; pure.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use ravenry_plugins::name::{GraphName, GroupName, HostName, VerdictName};
use ravenry_plugins::pattern::Pattern;

use crate::check::CheckName;
use crate::rule::ContactName;

/// The check of a [`Quorum`], on the host entry that bears the quorum's name.
pub const QUORUM_CHECK: &str = "quorum";

/// Some checks: `db01` is the host itself, `db01/mysql` a check or a graph of it, `db01/df/root` a field. Each part may
/// be a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CheckPattern {
    host: Pattern,
    check: Option<Pattern>,
}

impl FromStr for CheckPattern {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (host, check) = match text.split_once('/') {
            Some((host, check)) => (host, Some(Pattern::new(check))),
            None => (text, None),
        };
        Ok(Self {
            host: Pattern::new(host),
            check,
        })
    }
}

impl CheckPattern {
    /// Whether the check is one of these.
    #[must_use]
    pub fn matches(&self, name: &CheckName) -> bool {
        if !self.host.matches(name.host().as_str()) {
            return false;
        }
        match (name, &self.check) {
            (CheckName::Host(_), None) => true,
            (CheckName::Host(_), Some(_)) | (CheckName::Field(_) | CheckName::Verdict(_), None) => {
                false
            }
            (CheckName::Verdict(verdict), Some(check)) => check.matches(verdict.check.as_str()),
            (CheckName::Field(series), Some(check)) => {
                check.matches(series.graph.as_str())
                    || check.matches(&format!("{}/{}", series.graph, series.field))
            }
        }
    }
}

/// A set of checks, by name and by pattern; names are looked up, so a long list of them costs nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckSet {
    names: BTreeSet<String>,
    patterns: Vec<CheckPattern>,
}

impl CheckSet {
    /// The checks of these texts, each as in [`CheckPattern`].
    pub fn new<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Self {
        let mut set = Self::default();
        for text in texts {
            let text = text.as_ref();
            if text.contains(['*', '?']) {
                let Ok(pattern) = text.parse();
                set.patterns.push(pattern);
            } else {
                set.names.insert(text.to_owned());
            }
        }
        set
    }

    /// Whether the check is one of these.
    #[must_use]
    pub fn contains(&self, name: &CheckName) -> bool {
        let named = match name {
            CheckName::Host(host) => self.names.contains(host.as_str()),
            CheckName::Verdict(_) => self.names.contains(&name.to_string()),
            CheckName::Field(series) => {
                self.names.contains(&name.to_string())
                    || self
                        .names
                        .contains(&format!("{}/{}", series.host, series.graph))
            }
        };
        named || self.patterns.iter().any(|pattern| pattern.matches(name))
    }
}

/// Checks that cannot be well while another one is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependency {
    /// What they need.
    pub on: CheckName,
    /// They.
    pub of: CheckSet,
}

/// A named set of hosts; `/` nests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// Which hosts are in it.
    pub hosts: Vec<Pattern>,
}

impl Group {
    /// Whether it is the group of this name, or below it.
    #[must_use]
    pub fn is_below(&self, name: &str) -> bool {
        let rest = self.name.as_str().strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Whether a host is in the group of this name, or in one below it.
#[must_use]
pub fn is_in_group(groups: &[Group], name: &str, host: &HostName) -> bool {
    let mut named = groups.iter().filter(|group| group.is_below(name));
    named.any(|group| {
        let mut hosts = group.hosts.iter();
        hosts.any(|pattern| pattern.matches(host.as_str()))
    })
}

/// Many checks that are one to people: how many of them may fail.
#[derive(Clone, Debug, PartialEq)]
pub struct Quorum {
    /// Its name, not that of a host.
    pub name: HostName,
    /// Who belongs to it. Nobody is told of a member alone.
    pub members: CheckSet,
    /// From how many members that are not ok, or have no data, it is critical.
    pub critical: Share,
    /// Who is told; `None` is everybody.
    pub contacts: Option<Vec<ContactName>>,
}

/// A part of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// So many.
    Number(usize),
    /// So many of a hundred.
    Percent(f64),
}

impl Share {
    /// How many of `all` that is; at least one.
    #[must_use]
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Number(number) => number.max(1),
            Self::Percent(percent) => {
                // The least number whose share reaches the percentage.
                (1..=all)
                    .find(|bad| *bad as f64 * 100.0 >= percent * all as f64)
                    .unwrap_or(usize::MAX)
            }
        }
    }
}

impl Quorum {
    /// Its own check; nothing is ever wrong with the constant name.
    #[must_use]
    pub fn check(&self) -> Option<CheckName> {
        let check = GraphName::new(QUORUM_CHECK).ok()?;
        Some(CheckName::Verdict(VerdictName {
            host: self.name.clone(),
            check,
        }))
    }
}

/// How long the engine remembers, waits and gathers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// When a cause is over, what it explained has this long to come back by itself (7 min 30 s).
    pub settle: Duration,
    /// An incident is over when all has been well for this long (5 min 30 s).
    pub all_clear: Duration,
    /// The same for what came back and failed three times (16 min 30 s).
    pub flapping_clear: Duration,
    /// A problem waits for news of what it depends on, while there is none, for this long (60 s); for a suspect longer.
    pub hold: Duration,
    /// The same check on several hosts is one incident when it fails within this of the last one (10 min; a host within 2).
    pub fold: Duration,
    /// No update before this long after the first notice (10 min).
    pub update_after: Duration,
}

impl Memory {
    /// No memory: every change counts at once.
    pub const NONE: Self = Self {
        settle: Duration::ZERO,
        all_clear: Duration::ZERO,
        flapping_clear: Duration::ZERO,
        hold: Duration::ZERO,
        fold: Duration::ZERO,
        update_after: Duration::ZERO,
    };
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(450),
            all_clear: Duration::from_secs(330),
            flapping_clear: Duration::from_secs(990),
            hold: Duration::from_secs(60),
            fold: Duration::from_secs(600),
            update_after: Duration::from_secs(600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_a_host_a_check_or_a_field() {
        let host = CheckName::Host(HostName::new("db01").unwrap());
        let check = CheckName::Verdict(VerdictName {
            host: HostName::new("db01").unwrap(),
            check: GraphName::new("mysql").unwrap(),
        });
        let field = CheckName::Field(ravenry_plugins::name::SeriesName {
            host: HostName::new("db01").unwrap(),
            graph: GraphName::new("df").unwrap(),
            field: "root".parse().unwrap(),
        });
        for (text, expect) in [
            ("db01", [true, false, false]),
            ("db*", [true, false, false]),
            ("db01/mysql", [false, true, false]),
            ("db?1/*", [false, true, true]),
            ("*/df", [false, false, true]),
            ("db01/df", [false, false, true]),
            ("db01/df/root", [false, false, true]),
            ("web*/*", [false, false, false]),
        ] {
            let set = CheckSet::new([text]);
            let found = [&host, &check, &field].map(|name| set.contains(name));
            assert_eq!(found, expect, "{text}");
        }
    }

    #[test]
    fn a_share_is_a_number_or_a_percentage_of_all() {
        for (share, all, expect) in [
            (Share::Number(10), 50, 10),
            (Share::Number(0), 50, 1),
            (Share::Percent(20.0), 50, 10),
            (Share::Percent(20.0), 51, 11),
            (Share::Percent(100.0), 3, 3),
            (Share::Percent(1.0), 3, 1),
        ] {
            assert_eq!(share.of(all), expect, "{share:?} of {all}");
        }
    }
}
