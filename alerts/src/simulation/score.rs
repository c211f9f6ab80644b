//! How far what was told of an outage is what a person on call would want: `tests/flood/score.py` says the same. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Told, Topology};

/// A notice may come this many seconds after the time by which it is wanted.
const GRACE: f64 = 10.0;

/// Causes in a notice among which one that must not be hidden can still be seen.
const SEEN_AMONG: usize = 5;

/// What a person on call would want to receive, as `ideal.json` says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of ideal.json")]
pub struct Ideal {
    pub problem_pages_min: usize,
    pub problem_pages_max: usize,
    pub recovery_pages_max: usize,
    pub must_page: Vec<Want>,
}

/// A notice that somebody has to receive.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of ideal.json")]
pub struct Want {
    pub id: String,
    pub any_of: Vec<(String, Option<String>)>,
    pub since: f64,
    pub by: f64,
    #[serde(default)]
    pub team: Option<String>,
    #[serde(default)]
    pub must_not_be_hidden: bool,
}

/// What was told, counted, and what is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Notices of a problem that reached a person's first channel.
    pub pages: usize,
    /// All-clears.
    pub recoveries: usize,
    /// Where this is not ideal.
    pub faults: Vec<Fault>,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nobody was told.
    Missed {
        /// Of what.
        id: String,
    },
    /// The first notice came too late.
    Late {
        /// Of what.
        id: String,
        /// By how many seconds.
        by: f64,
    },
    /// It went to somebody who is not on call for it.
    Misdirected {
        /// What.
        id: String,
        /// Who was told.
        to: String,
        /// Who is on call.
        instead_of: String,
    },
    /// It was one of many in a list.
    Buried {
        /// What.
        id: String,
        /// Of how many.
        among: usize,
    },
    /// Too many notices, or too few.
    Pages {
        /// How many there were.
        pages: usize,
        /// At least wanted.
        least: usize,
        /// At most wanted.
        most: usize,
    },
    /// Too many all-clears.
    Recoveries {
        /// How many there were.
        recoveries: usize,
        /// At most wanted.
        most: usize,
    },
}

/// Compares what was told with what is wanted. Where anything went by `sms`, only that counts.
#[must_use]
pub fn score(topology: &Topology, ideal: &Ideal, told: &[Told]) -> Score {
    let has_sms = told.iter().any(|it| it.channel == "sms");
    let counted = told.iter().filter(|it| !has_sms || it.channel == "sms");
    let (pages, all_clears): (Vec<&Told>, Vec<&Told>) =
        counted.partition(|it| it.kind != "recovery");
    let wants = ideal.must_page.iter();
    let mut faults: Vec<Fault> = wants
        .filter_map(|want| fault(want, topology, &pages))
        .collect();
    let (least, most) = (ideal.problem_pages_min, ideal.problem_pages_max);
    if !(least..=most).contains(&pages.len()) {
        faults.push(Fault::Pages {
            pages: pages.len(),
            least,
            most,
        });
    }
    if all_clears.len() > ideal.recovery_pages_max {
        faults.push(Fault::Recoveries {
            recoveries: all_clears.len(),
            most: ideal.recovery_pages_max,
        });
    }
    Score {
        pages: pages.len(),
        recoveries: all_clears.len(),
        faults,
    }
}

fn fault(want: &Want, topology: &Topology, pages: &[&Told]) -> Option<Fault> {
    let mut pages = pages.iter();
    let id = want.id.clone();
    let first = pages.find(|page| {
        page.t >= want.since - 1.0 && page.kind != "update" && names(page, &want.any_of)
    });
    let Some(first) = first else {
        return Some(Fault::Missed { id });
    };
    if first.t > want.by + GRACE {
        let by = first.t - want.by;
        return Some(Fault::Late { id, by });
    }
    let team = want.team.as_ref().and_then(|it| topology.teams.get(it));
    if let Some(team) = team.filter(|team| team.oncall != first.contact) {
        return Some(Fault::Misdirected {
            id,
            to: first.contact.clone(),
            instead_of: team.oncall.clone(),
        });
    }
    let among = first.about.len();
    (want.must_not_be_hidden && among > SEEN_AMONG).then_some(Fault::Buried { id, among })
}

fn names(page: &Told, patterns: &[(String, Option<String>)]) -> bool {
    page.about.iter().any(|(host, service)| {
        patterns.iter().any(|(of_host, of_service)| {
            let service = match (of_service.as_deref(), service) {
                (Some("*"), _) | (None, None) => true,
                (Some(pattern), Some(service)) => fits(pattern, service),
                (Some(_), None) | (None, Some(_)) => false,
            };
            service && fits(of_host, host)
        })
    })
}

/// As a shell's pattern: `*`, `?` and `[abc]`.
fn fits(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    let mut letters = name.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => {
            let starts = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            let mut tails = starts.map(|at| &name[at..]);
            tails.any(|tail| fits(rest.as_str(), tail))
        }
        Some('?') => letters.next().is_some() && fits(rest.as_str(), letters.as_str()),
        Some('[') => {
            let Some((set, rest)) = rest.as_str().split_once(']') else {
                return false;
            };
            letters.next().is_some_and(|it| set.contains(it)) && fits(rest, letters.as_str())
        }
        Some(letter) => letters.next() == Some(letter) && fits(rest.as_str(), letters.as_str()),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missed { id } => write!(f, "{id} MISSED"),
            Self::Late { id, by } => write!(f, "{id} late by {by:.0} s"),
            Self::Misdirected { id, to, instead_of } => {
                write!(f, "{id} told to {to} instead of {instead_of}")
            }
            Self::Buried { id, among } => write!(f, "{id} buried among {among}"),
            Self::Pages { pages, least, most } => write!(f, "{pages} pages, ideal {least}-{most}"),
            Self::Recoveries { recoveries, most } => {
                write!(f, "{recoveries} recoveries, at most {most}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_shells() {
        for (pattern, name, expect) in [
            ("app01", "app01", true),
            ("app01", "app012", false),
            ("app*", "app01", true),
            ("*", "", true),
            ("*01", "app01", true),
            ("a*p*1", "app01", true),
            ("app[123]?", "app27", true),
            ("app[123]?", "app47", false),
            ("cluster:*", "cluster:web", true),
            ("app?", "app", false),
        ] {
            assert_eq!(fits(pattern, name), expect, "{pattern} {name}");
        }
    }
}
