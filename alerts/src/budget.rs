//! How many notices a person gets: budgets and reminders. What is over a budget is gathered into digests, nothing is lost.
//! Pure.

use std::time::Duration;

use ravenry_plugins::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::notice::Notice;

/// What comes together is gathered for this long before a digest goes out.
const GATHER: Duration = Duration::from_secs(60);

/// How many notices one by one, before digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// So many.
    pub notices: u32,
    /// In any time of this length.
    pub per: Duration,
    /// When these are used up, a digest at most this often.
    pub digest_every: Duration,
}

/// How often somebody is told again of what nobody acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remind {
    /// This long after the last notice.
    pub every: Duration,
    /// So many times for one severity.
    pub at_most: u32,
}

/// What lies on a person's desk: what they were sent lately, and what waits for them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Desk {
    /// When notices were sent, as far as the budget asks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sent: Vec<Timestamp>,
    /// When the last digest was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_digest: Option<Timestamp>,
    /// When to look at it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) look_at: Option<Timestamp>,
    /// Ends of incidents that could not be told yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ends: Vec<Notice>,
}

impl Desk {
    /// When the next digest goes out, where `more` notices are over the budget; nothing where they are not.
    #[must_use]
    pub fn over(&self, budget: &Budget, more: usize, now: Timestamp) -> Option<Timestamp> {
        let lately = self.sent.iter().filter(|at| **at + budget.per > now);
        let room = (budget.notices as usize).saturating_sub(lately.count());
        let next = self.last_digest.map(|last| last + budget.digest_every);
        let digest = next.max(Some(now + GATHER)).unwrap_or(now);
        // What waits already goes out when that was to be, whatever came since.
        let waits = self.look_at.filter(|at| *at > now);
        (more > room).then(|| waits.map_or(digest, |at| at.min(digest)))
    }

    /// A notice went out.
    pub(crate) fn note_sent(&mut self, budget: &Budget, now: Timestamp) {
        self.sent.retain(|at| *at + budget.per > now);
        self.sent.push(now);
        let most = budget.notices as usize;
        let surplus = self.sent.len().saturating_sub(most);
        self.sent.drain(..surplus);
    }

    /// A digest went out.
    pub(crate) fn note_digest(&mut self, now: Timestamp) {
        self.last_digest = Some(now);
    }

    /// Whether there is nothing on it that has to be kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_budget_waits_for_a_digest_and_digests_are_some_time_apart() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let at = |minute: u64| Timestamp::EPOCH + minutes(minute);
        let budget = Budget {
            notices: 2,
            per: minutes(60),
            digest_every: minutes(10),
        };
        let mut desk = Desk::default();
        assert_eq!(desk.over(&budget, 2, at(0)), None);
        assert_eq!(desk.over(&budget, 3, at(0)), Some(at(1)));
        desk.note_sent(&budget, at(0));
        assert_eq!(desk.over(&budget, 1, at(0)), None);
        desk.note_sent(&budget, at(5));
        assert_eq!(desk.over(&budget, 1, at(5)), Some(at(6)));
        desk.note_digest(at(6));
        assert_eq!(desk.over(&budget, 1, at(7)), Some(at(16)));
        assert_eq!(desk.over(&budget, 1, at(40)), Some(at(41)));
        // The first one is an hour ago.
        assert_eq!(desk.over(&budget, 1, at(60)), None);
    }
}
