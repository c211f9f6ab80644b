//! How much of a stretch of time a check was ok, from its confirmed changes; pure. Time in downtimes stands apart: it is
//! neither availability nor the lack of it.

use std::ops::AddAssign;

use ravenry_plugins::timestamp::Timestamp;

use crate::check::Transition;
use crate::severity::Severity;

/// Seconds that a check was in each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// Outside downtimes, in the order of [`Severity::ALL`].
    pub seconds: [f64; 4],
    /// Inside downtimes, ok or not.
    pub downtime: f64,
    /// Of which nothing is known: before the check's first result.
    pub no_data: f64,
}

impl Times {
    /// The part of the known time outside downtimes that it was ok, from 0 to 1; nothing when there was none.
    #[must_use]
    pub fn ok(&self) -> Option<f64> {
        let known: f64 = self.seconds.iter().sum();
        (known > 0.0).then(|| self.seconds[Severity::Ok as usize] / known)
    }
}

impl AddAssign for Times {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in self.seconds.iter_mut().zip(other.seconds) {
            *sum += more;
        }
        self.downtime += other.downtime;
        self.no_data += other.no_data;
    }
}

/// The times of a check from `start` to `end`. `now` is its severity and since when, which lasts until `end`;
/// `transitions` are its changes since `start`, the oldest first; `downtimes` its downtimes, from when to when.
#[must_use]
pub fn times(
    now: (Severity, Option<Timestamp>),
    transitions: &[Transition],
    downtimes: &[(Timestamp, Timestamp)],
    start: Timestamp,
    end: Timestamp,
) -> Times {
    let downtimes = joined(downtimes);
    let mut times = Times::default();
    let mut known = 0.0;
    let before = transitions
        .iter()
        .map(|it| (it.from, it.at - it.lasted, it.at));
    let last = now.1.map(|since| (now.0, since, end));
    for (severity, from, to) in before.chain(last) {
        let (from, to) = (from.max(start), to.min(end));
        if from >= to {
            continue;
        }
        let all = seconds(from, to);
        let quiet: f64 = downtimes
            .iter()
            .map(|(a, b)| seconds((*a).max(from), (*b).min(to)))
            .sum();
        known += all;
        times.downtime += quiet;
        times.seconds[severity as usize] += all - quiet;
    }
    times.no_data = (seconds(start, end) - known).max(0.0);
    times
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    if from < to {
        to.since(from).as_secs_f64()
    } else {
        0.0
    }
}

/// Those that overlap as one.
fn joined(downtimes: &[(Timestamp, Timestamp)]) -> Vec<(Timestamp, Timestamp)> {
    let mut sorted = downtimes.to_vec();
    sorted.sort_unstable();
    let mut joined: Vec<(Timestamp, Timestamp)> = Vec::with_capacity(sorted.len());
    for (from, to) in sorted {
        match joined.last_mut() {
            Some((_, until)) if from <= *until => *until = (*until).max(to),
            Some(_) | None => joined.push((from, to)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn change(from: Severity, to: Severity, lasted: u64, when: i64) -> Transition {
        Transition {
            from,
            to,
            at: at(when),
            lasted: Duration::from_secs(lasted),
        }
    }

    #[test]
    fn time_is_split_by_severity_downtime_and_ignorance() {
        use Severity::{Critical, Ok, Unknown, Warning};
        let check = |now: (Severity, Option<i64>),
                     transitions: &[Transition],
                     downtimes: &[(i64, i64)],
                     expect: ([f64; 4], f64, f64)| {
            let downtimes: Vec<_> = downtimes.iter().map(|(a, b)| (at(*a), at(*b))).collect();
            let now = (now.0, now.1.map(at));
            let found = times(now, transitions, &downtimes, at(1000), at(2000));
            let found_sum = found.seconds.iter().sum::<f64>() + found.downtime + found.no_data;
            assert_eq!((found.seconds, found.downtime, found.no_data), expect);
            assert_eq!(found_sum, 1000.0);
        };
        // Never judged; ok all the time; ok since the middle, and nothing known before.
        check((Ok, None), &[], &[], ([0.0; 4], 0.0, 1000.0));
        check((Ok, Some(0)), &[], &[], ([1000.0, 0.0, 0.0, 0.0], 0.0, 0.0));
        check(
            (Ok, Some(1500)),
            &[],
            &[],
            ([500.0, 0.0, 0.0, 0.0], 0.0, 500.0),
        );
        let fell = [
            change(Ok, Critical, 5000, 1200),
            change(Critical, Warning, 100, 1300),
            change(Warning, Unknown, 50, 1350),
            change(Unknown, Ok, 50, 1400),
        ];
        let split = |ok, unknown, warning, critical| {
            let mut seconds = [0.0; 4];
            for (severity, value) in [
                (Ok, ok),
                (Unknown, unknown),
                (Warning, warning),
                (Critical, critical),
            ] {
                seconds[severity as usize] = value;
            }
            seconds
        };
        check(
            (Ok, Some(1400)),
            &fell,
            &[],
            (split(800.0, 50.0, 50.0, 100.0), 0.0, 0.0),
        );
        // Two downtimes overlap, one is outside.
        let quiet = [(1150, 1250), (1200, 1300), (100, 200)];
        check(
            (Ok, Some(1400)),
            &fell,
            &quiet,
            (split(750.0, 50.0, 50.0, 0.0), 150.0, 0.0),
        );
    }

    #[test]
    fn availability_is_of_the_known_time_outside_downtimes() {
        let mut sum = Times {
            seconds: [300.0, 0.0, 0.0, 0.0],
            downtime: 50.0,
            no_data: 10.0,
        };
        sum.seconds[Severity::Critical as usize] = 100.0;
        assert_eq!(sum.ok(), Some(0.75));
        assert_eq!(Times::default().ok(), None);
        sum += sum;
        assert_eq!((sum.downtime, sum.ok()), (100.0, Some(0.75)));
    }
}
