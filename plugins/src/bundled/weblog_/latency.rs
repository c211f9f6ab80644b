//! Percentiles of many durations in little memory: counts of buckets that are each 2 percent wider than the one before.

/// The shortest duration that is told from none, in seconds.
const SHORTEST: f64 = 1e-6;
/// How much longer each bucket is.
const GROWTH: f64 = 1.02;
/// Up to about five hours; longer ones count as that.
const BUCKETS: usize = 1_200;

/// How often each duration was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: f64,
}

impl Histogram {
    pub(super) fn add(&mut self, seconds: f64) {
        if self.counts.is_empty() {
            self.counts.resize(BUCKETS, 0);
        }
        self.counts[bucket(seconds)] += 1;
        self.total += 1;
        self.longest = self.longest.max(seconds);
    }

    /// The duration that `part` (0 to 1) of all were not longer than, within the width of a bucket; 1 is the longest itself.
    pub(super) fn quantile(&self, part: f64) -> Option<f64> {
        if self.total == 0 {
            return None;
        }
        let wanted = (part * self.total as f64).ceil().max(1.0);
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen as f64 >= wanted
        });
        let upper = at.map_or(self.longest, upper_end);
        Some(if part >= 1.0 {
            self.longest
        } else {
            upper.min(self.longest)
        })
    }
}

fn bucket(seconds: f64) -> usize {
    if seconds <= SHORTEST {
        return 0;
    }
    let steps = ((seconds / SHORTEST).ln() / GROWTH.ln()).ceil();
    // Compared before it is cut, so that no duration is too long.
    if steps < (BUCKETS - 1) as f64 {
        steps as usize
    } else {
        BUCKETS - 1
    }
}

fn upper_end(bucket: usize) -> f64 {
    if bucket == 0 {
        0.0
    } else {
        SHORTEST * GROWTH.powf(bucket as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn quantiles_are_within_two_percent(mut seconds in proptest::collection::vec(0.0..1e4f64, 1..200), part in 0.01..1.0f64) {
            let mut histogram = Histogram::default();
            seconds.iter().for_each(|one| histogram.add(*one));
            seconds.sort_by(f64::total_cmp);
            let at = (part * seconds.len() as f64).ceil() as usize;
            let exact = seconds[at.clamp(1, seconds.len()) - 1];
            let found = histogram.quantile(part).unwrap();
            proptest::prop_assert!((exact - 1e-6..=exact * 1.021 + 1e-6).contains(&found), "{found} {exact}");
        }
    }

    #[test]
    fn none_has_no_quantile_and_the_longest_is_exact() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for seconds in [0.0, 0.1, 1e12] {
            histogram.add(seconds);
        }
        assert_eq!(histogram.quantile(1.0), Some(1e12));
        assert_eq!(histogram.quantile(0.1), Some(0.0));
    }
}
