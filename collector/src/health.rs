//! What is wrong with the collector itself, and what it refused: for the people who look at its pages.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ravenry_plugins::timestamp::Timestamp;
use ravenry_web::source::{Refused, Trouble};

/// Different refusals that are remembered; the one that is longest ago gives way.
const REFUSED_MAX: usize = 100;

/// A part of the collector that can fail while the rest goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Pushes cannot be put on stable storage.
    Journal,
    /// History cannot be written to its files.
    History,
    /// Some files were damaged, gone or could not be used.
    Files,
    /// What is decided about alerts cannot be written down.
    Alerts,
    /// Notices do not arrive.
    Delivery,
    /// The dead man's address does not answer.
    DeadMan,
}

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flush {
    /// How long it took.
    pub millis: u64,
    /// Files that it wrote.
    pub files: u64,
    /// Rows that are in them now.
    pub rows: u64,
    /// Files that were set aside or left.
    pub problems: u64,
    /// Files that it could not write.
    pub unwritten: u64,
}

/// How flushes went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushes {
    /// The last one that was carried out.
    pub last: Option<Flush>,
    /// When that was; before the first one, when the collector was started.
    pub last_good: Option<Timestamp>,
    /// Those that failed since the start.
    pub failed: u64,
}

/// The state of the collector's own parts. Shared by those who fail and those who show it.
#[derive(Debug, Default)]
pub struct Health {
    troubles: Mutex<BTreeMap<Part, Trouble>>,
    refused: Mutex<BTreeMap<String, Refused>>,
    flushes: Mutex<Flushes>,
}

impl Health {
    /// A part works again, or works no more since `now`; a trouble that lasts keeps its beginning. Says whether that is
    /// news.
    pub fn report(&self, part: Part, outcome: Result<(), String>, now: Timestamp) -> bool {
        let mut troubles = lock(&self.troubles);
        match outcome {
            Ok(()) => troubles.remove(&part).is_some(),
            Err(text) => {
                let since = troubles.get(&part).map_or(now, |trouble| trouble.since);
                let is_news = since == now;
                troubles.insert(part, Trouble { since, text });
                is_news
            }
        }
    }

    /// Forgets a trouble that is over and was shown for long enough.
    pub fn expire(&self, part: Part, shown_for: Duration, now: Timestamp) {
        let mut troubles = lock(&self.troubles);
        if troubles
            .get(&part)
            .is_some_and(|trouble| now.since(trouble.since) >= shown_for)
        {
            troubles.remove(&part);
        }
    }

    /// Whether a part does not work now.
    #[must_use]
    pub fn is_troubled(&self, part: Part) -> bool {
        lock(&self.troubles).contains_key(&part)
    }

    /// What is wrong now.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        lock(&self.troubles).values().cloned().collect()
    }

    /// A flush ended; `None` when it failed.
    pub fn flushed(&self, flush: Option<Flush>, now: Timestamp) {
        let mut flushes = lock(&self.flushes);
        match flush {
            Some(flush) => {
                flushes.last = Some(flush);
                flushes.last_good = Some(now);
            }
            None => flushes.failed += 1,
        }
    }

    /// How flushes went since the start.
    #[must_use]
    pub fn flushes(&self) -> Flushes {
        *lock(&self.flushes)
    }

    /// The collector was started.
    pub fn started(&self, now: Timestamp) {
        lock(&self.flushes).last_good = Some(now);
    }

    /// A push was refused; `text` says by whom it came, as far as known, and why.
    pub fn refuse(&self, text: String, now: Timestamp) {
        let mut refused = lock(&self.refused);
        if let Some(known) = refused.get_mut(&text) {
            known.count += 1;
            known.last = now;
            return;
        }
        if refused.len() >= REFUSED_MAX {
            let oldest = refused.values().min_by_key(|known| known.last);
            if let Some(oldest) = oldest.map(|oldest| oldest.text.clone()) {
                refused.remove(&oldest);
            }
        }
        tracing::warn!("push refused: {text}");
        let new = Refused {
            text: text.clone(),
            count: 1,
            last: now,
        };
        refused.insert(text, new);
    }

    /// Pushes that were refused, the last one first.
    #[must_use]
    pub fn refused(&self) -> Vec<Refused> {
        let mut refused: Vec<Refused> = lock(&self.refused).values().cloned().collect();
        refused.sort_by_key(|known| std::cmp::Reverse(known.last));
        refused
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_trouble_keeps_its_beginning_until_it_is_over() {
        let health = Health::default();
        assert!(health.report(Part::Journal, Err("full".to_owned()), at(1)));
        assert!(!health.report(Part::Journal, Err("still full".to_owned()), at(9)));
        assert_eq!(
            health.troubles(),
            [Trouble {
                since: at(1),
                text: "still full".to_owned()
            }]
        );
        health.report(Part::Journal, Ok(()), at(10));
        assert_eq!(health.troubles(), []);
    }

    #[test]
    fn refusals_are_counted_and_bounded() {
        let health = Health::default();
        for second in 0..3 * REFUSED_MAX as i64 {
            health.refuse(format!("token {second}"), at(second));
            health.refuse("401 nobody knows this token".to_owned(), at(second));
        }
        let refused = health.refused();
        assert_eq!(refused.len(), REFUSED_MAX);
        let common = refused
            .iter()
            .find(|known| known.text.starts_with("401"))
            .unwrap();
        assert_eq!(common.count, 3 * REFUSED_MAX as u64);
    }
}
