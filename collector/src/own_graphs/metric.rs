//! The same numbers as the graphs, for Prometheus.

use ravenry_web::source::Measure;

use super::{Measured, Reported};

impl Measured {
    /// What is known, counters since the start.
    #[must_use]
    pub fn metrics(&self) -> Vec<Measure> {
        let counted = [
            ("accepted", self.accepted),
            ("refused", self.refused),
            ("late", self.late),
        ];
        let samples = counted.into_iter().filter_map(|(result, count)| {
            let help = "Readings since the start, by what became of them.";
            let mut metric = plain("ravenry_samples_total", help, count)?;
            metric.is_counter = true;
            metric.label = Some(("result", result.to_owned()));
            Some(metric)
        });
        samples
            .chain(self.of_flushes())
            .chain(self.gauges())
            .collect()
    }

    fn of_flushes(&self) -> impl Iterator<Item = Measure> {
        let failed = plain(
            "ravenry_flushes_failed_total",
            "Flushes that failed since the start.",
            Some(self.flushes.failed),
        );
        let failed = failed.map(|metric| Measure {
            is_counter: true,
            ..metric
        });
        let last = self.flushes.last.and_then(|last| {
            let help = "How long the last flush took.";
            let metric = plain("ravenry_flush_duration_seconds", help, Some(last.millis))?;
            Some(Measure {
                value: metric.value / 1000.0,
                ..metric
            })
        });
        failed.into_iter().chain(last)
    }

    fn gauges(&self) -> impl Iterator<Item = Measure> {
        [
            plain(
                "ravenry_flush_age_seconds",
                "Since the last flush that went well.",
                self.flush_age_seconds,
            ),
            plain(
                "ravenry_journal_bytes",
                "What was acknowledged and is not in the files yet.",
                self.journal_bytes,
            ),
            plain(
                "ravenry_pending_samples",
                "Readings that wait to be written.",
                self.pending,
            ),
            plain("ravenry_graphs", "Graphs that are known.", self.graphs),
            plain("ravenry_series", "Fields that are known.", self.series),
            plain(
                "process_open_fds",
                "Descriptors that are open.",
                self.descriptors,
            ),
            plain(
                "process_max_fds",
                "Descriptors that may be open.",
                self.descriptors_max,
            ),
            plain(
                "process_resident_memory_bytes",
                "Memory that is resident.",
                self.resident_bytes,
            ),
        ]
        .into_iter()
        .flatten()
    }
}

fn plain(name: &'static str, help: &'static str, value: Reported) -> Option<Measure> {
    Some(Measure {
        name,
        help,
        is_counter: false,
        label: None,
        value: value? as f64,
    })
}
