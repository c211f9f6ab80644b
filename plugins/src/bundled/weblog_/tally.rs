//! What was counted since the first run, and where the last one ended. Latencies are of one run only.

use super::Place;
use super::latency::Histogram;
use super::line::Entry;

/// The first word of the file, so that another's is not taken for it.
const FORM: &str = "weblog1";

/// What is remembered between runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    /// None before the first run.
    pub(super) place: Option<Place>,
    /// 2xx, 3xx, 4xx, 5xx, other.
    pub(super) statuses: [u64; 5],
    pub(super) bytes: u64,
    /// Whether lines had latencies, in this run or an earlier one.
    pub(super) has_latency: bool,
    /// Of this run; not remembered.
    pub(super) latencies: Histogram,
}

impl Tally {
    /// Counts a line; none is one that is no request.
    pub(super) fn add(&mut self, entry: Option<Entry>) {
        let kind = match entry.map(|entry| entry.status) {
            Some(status @ 200..=599) => usize::from(status / 100 - 2),
            Some(_) | None => 4,
        };
        self.statuses[kind] = self.statuses[kind].wrapping_add(1);
        let Some(entry) = entry else { return };
        self.bytes = self.bytes.saturating_add(entry.bytes);
        if let Some(seconds) = entry.latency {
            self.has_latency = true;
            self.latencies.add(seconds);
        }
    }

    /// What a file holds; the first run's where it holds nothing of ours.
    pub(super) fn parse(text: &str) -> Self {
        Self::remembered(text).unwrap_or_default()
    }

    fn remembered(text: &str) -> Option<Self> {
        let numbers = text.strip_prefix(FORM)?.split_whitespace().map(str::parse);
        let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().ok()?;
        let [device, file, offset, a, b, c, d, e, bytes, has_latency] = numbers.try_into().ok()?;
        Some(Self {
            place: Some(Place {
                device,
                file,
                offset,
            }),
            statuses: [a, b, c, d, e],
            bytes,
            has_latency: has_latency != 0,
            latencies: Histogram::default(),
        })
    }

    pub(super) fn text(&self) -> String {
        let place = self.place.unwrap_or_default();
        let numbers = [place.device, place.file, place.offset]
            .into_iter()
            .chain(self.statuses)
            .chain([self.bytes, u64::from(self.has_latency)]);
        let words: Vec<String> = numbers.map(|number| number.to_string()).collect();
        format!("{FORM} {}\n", words.join(" "))
    }
}
