//! `[store]`: how long history is kept, and when it is written.

use std::time::Duration;

use ravenry_plugins::settings::Section;

use super::layout::Layouts;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// How history is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// `layout`, `step`, `series_bytes_max` and `[[layout]]`: how much history is kept.
    pub layouts: Layouts,
    /// `flush_interval`: how long readings wait in memory and journal before they are written to the files: the largest
    /// lag between what the API and what rrdtool shows.
    pub flush_interval: Duration,
    /// `reorder_window`: readings younger than this wait for earlier ones of the same graph; what comes later is late.
    pub reorder_window: Duration,
    /// `pending_samples_max`: more readings than this are written at once, whatever their age.
    pub pending_samples_max: u64,
    /// `journal_bytes_max`: at this size pushes are answered with 503 until a flush succeeds.
    pub journal_bytes_max: u64,
    /// `open_files_max`: history files that a flush has open at once.
    pub open_files_max: u64,
    /// `redo_bytes_max`: about the size of the redo file, beyond which a flush makes all safe and begins it anew.
    pub redo_bytes_max: u64,
    /// `last_flush`: how long the flush at a stop may take; the journal keeps what it does not get to.
    pub last_flush: Duration,
    /// `future_max`: how far ahead of the collector's clock a reading may be.
    pub future_max: Duration,
    /// `hosts_max`: new hosts beyond this many are refused.
    pub hosts_max: u64,
    /// `series_max`: new series beyond this many are refused.
    pub series_max: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            layouts: Layouts::default(),
            flush_interval: 5 * MINUTE,
            reorder_window: Duration::from_secs(30),
            pending_samples_max: 4_000_000,
            journal_bytes_max: 4 << 30,
            open_files_max: 200,
            redo_bytes_max: 1 << 30,
            last_flush: Duration::from_secs(2),
            future_max: 10 * MINUTE,
            hosts_max: 50_000,
            series_max: 2_000_000,
        }
    }
}

impl Store {
    /// The settings that differ from those of `running` and are read at a start only.
    pub(super) fn waits_for_start(&self, running: &Self) -> Vec<&'static str> {
        let Self {
            layouts,
            flush_interval,
            reorder_window,
            pending_samples_max,
            journal_bytes_max,
            open_files_max,
            redo_bytes_max,
            last_flush,
            future_max,
            hosts_max,
            series_max,
        } = self;
        super::changed([
            ("store.layout", layouts.default != running.layouts.default),
            ("store.step", layouts.step != running.layouts.step),
            (
                "store.series_bytes_max",
                layouts.series_bytes_max != running.layouts.series_bytes_max,
            ),
            ("layout", layouts.rules != running.layouts.rules),
            (
                "store.flush_interval",
                *flush_interval != running.flush_interval,
            ),
            (
                "store.reorder_window",
                *reorder_window != running.reorder_window,
            ),
            (
                "store.pending_samples_max",
                *pending_samples_max != running.pending_samples_max,
            ),
            (
                "store.journal_bytes_max",
                *journal_bytes_max != running.journal_bytes_max,
            ),
            (
                "store.open_files_max",
                *open_files_max != running.open_files_max,
            ),
            (
                "store.redo_bytes_max",
                *redo_bytes_max != running.redo_bytes_max,
            ),
            ("store.last_flush", *last_flush != running.last_flush),
            ("store.future_max", *future_max != running.future_max),
            ("store.hosts_max", *hosts_max != running.hosts_max),
            ("store.series_max", *series_max != running.series_max),
        ])
    }

    /// Takes what the section says.
    pub fn read(&mut self, section: &mut Section<'_, '_>) {
        self.layouts.read_defaults(section);
        if let Some(interval) =
            section.duration("flush_interval", Duration::from_secs(1)..=DAY / 24)
        {
            self.flush_interval = interval;
        }
        if let Some(window) = section.duration("reorder_window", Duration::ZERO..=DAY / 24) {
            self.reorder_window = window;
        }
        if let Some(samples) = section.integer("pending_samples_max", 1_000..=1_000_000_000) {
            self.pending_samples_max = samples;
        }
        if let Some(bytes) = section.size_bytes("journal_bytes_max", 16 << 20..=1 << 40) {
            self.journal_bytes_max = bytes;
        }
        if let Some(files) = section.integer("open_files_max", 10..=100_000) {
            self.open_files_max = files;
        }
        if let Some(bytes) = section.size_bytes("redo_bytes_max", 1 << 20..=1 << 40) {
            self.redo_bytes_max = bytes;
        }
        if let Some(last) = section.duration("last_flush", Duration::ZERO..=5 * MINUTE) {
            self.last_flush = last;
        }
        if let Some(ahead) = section.duration("future_max", MINUTE..=DAY) {
            self.future_max = ahead;
        }
        if let Some(hosts) = section.integer("hosts_max", 1..=10_000_000) {
            self.hosts_max = hosts;
        }
        if let Some(series) = section.integer("series_max", 100..=100_000_000) {
            self.series_max = series;
        }
    }
}
