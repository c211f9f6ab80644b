//! Which part of a row's time has a value already. The seconds that a further value adds are counted as rrdtool counts
//! them, one-second rows that it puts into the wrong place included, because they weigh the value.

/// Seconds in a row, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    covered: bool,
    start: i64,
    end: i64,
}

impl Interval {
    fn new(covered: bool, start: i64, end: i64) -> Self {
        Self {
            covered,
            start,
            end,
        }
    }

    fn seconds(self) -> i64 {
        self.end - self.start + 1
    }
}

/// The time of one row.
#[derive(Debug)]
pub(super) struct Coverage {
    /// One behind the other, without gaps; neighbours differ.
    intervals: Vec<Interval>,
    start: i64,
    end: i64,
}

impl Coverage {
    pub(super) fn new(start: i64, end: i64) -> Self {
        Self {
            intervals: vec![Interval::new(false, start, end)],
            start,
            end,
        }
    }

    /// Covers what lies between `start` and `end`; the seconds that were not covered before.
    pub(super) fn add(&mut self, start: i64, end: i64) -> i64 {
        let (mut start, end) = (start.max(self.start), end.min(self.end));
        if end < self.start || start > self.end {
            return 0;
        }
        let mut new = 0;
        let mut at = 0;
        while at < self.intervals.len() {
            let here = self.intervals[at];
            if is_within(start, end, here.start, here.end) {
                if !here.covered {
                    new += end - start + 1;
                    self.split(at, start, end);
                }
                break;
            }
            if is_within(here.start, here.end, start, end) && !here.covered {
                self.intervals[at].covered = true;
                new += here.seconds();
            }
            if (here.start..=here.end).contains(&start) {
                if !self.intervals[at].covered {
                    // It begins in the middle, and goes on behind this one.
                    let rest = Interval::new(true, start, here.end);
                    self.intervals[at].end = start - 1;
                    self.intervals.insert(at + 1, rest);
                    new += rest.seconds();
                }
                start = here.end + 1;
            }
            at += 1;
        }
        self.join();
        new
    }

    /// Covers a part of an interval.
    fn split(&mut self, at: usize, start: i64, end: i64) {
        let here = self.intervals[at];
        let before = (here.start != start).then(|| Interval::new(false, here.start, start - 1));
        let behind = (here.end != end).then(|| Interval::new(false, end + 1, here.end));
        let parts = [before, Some(Interval::new(true, start, end)), behind];
        self.intervals.splice(at..=at, parts.into_iter().flatten());
    }

    /// Neighbours of one kind become one.
    fn join(&mut self) {
        self.intervals.dedup_by(|next, kept| {
            let same = next.covered == kept.covered;
            if same {
                kept.end = next.end;
            }
            same
        });
    }
}

/// Whether one interval lies in another. A single second lies in everything, as rrdtool counts.
fn is_within(start: i64, end: i64, outer_start: i64, outer_end: i64) -> bool {
    if end - start > outer_end - outer_start {
        return false;
    }
    let overlap =
        if start >= end || outer_start >= outer_end || start > outer_end || outer_start > end {
            0
        } else {
            end.min(outer_end) - start.max(outer_start)
        };
    overlap == end - start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(parts: &[(i64, i64)], expect: &[i64]) {
        let mut coverage = Coverage::new(1, 30);
        let new: Vec<i64> = parts
            .iter()
            .map(|(start, end)| coverage.add(*start, *end))
            .collect();
        assert_eq!(new, expect, "{parts:?}");
    }

    #[test]
    fn only_what_is_new_counts() {
        check(&[(1, 10), (11, 20), (21, 30)], &[10, 10, 10]);
        check(&[(11, 20), (11, 20), (5, 25), (1, 30)], &[10, 0, 11, 9]);
        check(&[(1, 5), (10, 15), (20, 25), (1, 30)], &[5, 6, 6, 13]);
        check(&[(-10, 5), (25, 60), (40, 50)], &[5, 6, 0]);
    }
}
