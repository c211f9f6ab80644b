//! What file a graph is kept in: its path, its archives, and a data source for each field. Pure.

use std::path::PathBuf;
use std::time::Duration;

use ravenry_plugins::graph::{self, Graph};
use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_rrd::UNKNOWN;
use ravenry_rrd::definition::{Archive, Cf, DataSource, Definition, Kind};
use xxhash_rust::xxh3::xxh3_64;

use crate::config::store::Layout;

/// The step of a graph whose plugin says nothing else.
pub const STEP: Duration = Duration::from_secs(60);
/// Readings may be this far apart before the time between them is unknown, where nothing was declared.
const UNDECLARED_HEARTBEAT_SECONDS: u64 = 600;
/// A data source's name has at most this many characters.
const SOURCE_NAME_MAX: usize = 19;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Seconds between rows, and how far back they reach.
type Tier = (u64, u64);

const STANDARD: [Tier; 4] = [
    (0, 36 * HOUR),
    (300, 8 * DAY),
    (1800, 35 * DAY),
    (6 * HOUR, 450 * DAY),
];
const MUNIN: [Tier; 4] = [
    (300, 2 * DAY),
    (1800, 9 * DAY),
    (2 * HOUR, 45 * DAY),
    (DAY, 450 * DAY),
];

/// The file of a graph below the folder of all files. Both names have been checked: neither holds a `/`.
#[must_use]
pub fn path(host: &HostName, graph: &GraphName) -> PathBuf {
    PathBuf::from(host.as_str()).join(format!("{graph}.rrd"))
}

/// The time between two rows of the finest archive.
#[must_use]
pub fn step(graph: &Graph, layout: Layout) -> Duration {
    match (layout, graph.update_rate) {
        (Layout::Munin, _) => Duration::from_secs(300),
        (Layout::Standard, Some(rate)) => Duration::from_secs(rate.as_secs().clamp(1, DAY)),
        (Layout::Standard, None) => STEP,
    }
}

/// What the file of `graph` is made of. `start` is the time of its "last update": its first reading must be later.
#[must_use]
pub fn definition(graph: &Graph, declared: bool, layout: Layout, start: i64) -> Definition {
    let step = step(graph, layout).as_secs();
    let rate = graph
        .update_rate
        .map_or(step, |rate| rate.as_secs().max(step));
    let heartbeat = if declared {
        3 * rate
    } else {
        UNDECLARED_HEARTBEAT_SECONDS.max(3 * rate)
    };
    let sources = graph.fields.iter().map(|field| DataSource {
        name: source_name(&field.name),
        kind: kind(field.kind),
        heartbeat,
        min: field.min.unwrap_or(UNKNOWN),
        // A limit that leaves no room is none: rrdtool refuses such a source.
        max: field
            .max
            .filter(|max| field.min.is_none_or(|min| min < *max))
            .unwrap_or(UNKNOWN),
    });
    Definition {
        step,
        start,
        sources: sources.collect(),
        archives: archives(step, layout),
    }
}

/// rrdtool's word for how a field counts.
#[must_use]
pub fn kind(kind: graph::Kind) -> Kind {
    match kind {
        graph::Kind::Gauge => Kind::Gauge,
        graph::Kind::Counter => Kind::Counter,
        graph::Kind::Derive => Kind::Derive,
        graph::Kind::Absolute => Kind::Absolute,
    }
}

/// A field's data source: its own name where that is short enough, else its beginning and a hash of the whole.
#[must_use]
pub fn source_name(field: &FieldName) -> String {
    let name = field.as_str();
    if name.len() <= SOURCE_NAME_MAX {
        return name.to_owned();
    }
    let hash = xxh3_64(name.as_bytes()) >> 16;
    format!("{}_{hash:012x}", &name[..6])
}

fn archives(step: u64, layout: Layout) -> Vec<Archive> {
    let tiers = merged(step, layout);
    let mut archives = Vec::with_capacity(3 * tiers.len());
    for cf in [Cf::Average, Cf::Min, Cf::Max] {
        for &(steps, reach) in &tiers {
            // The least and the greatest of a single step are its average, and rrdtool knows it.
            if steps > 1 || cf == Cf::Average || layout == Layout::Munin {
                archives.push(Archive {
                    cf,
                    xff: 0.5,
                    steps,
                    rows: reach.div_ceil(steps * step),
                });
            }
        }
    }
    archives
}

/// The tiers in steps; those that this step makes equally fine become one that reaches as far as the farthest.
fn merged(step: u64, layout: Layout) -> Vec<Tier> {
    let tiers = match layout {
        Layout::Standard => STANDARD,
        Layout::Munin => MUNIN,
    };
    let mut merged: Vec<Tier> = Vec::with_capacity(tiers.len());
    for (seconds, reach) in tiers {
        let steps = seconds.div_ceil(step).max(1);
        match merged.last_mut() {
            Some(last) if last.0 == steps => last.1 = reach,
            _ => merged.push((steps, reach)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use ravenry_plugins::declaration::Declaration;
    use ravenry_rrd::create::create;

    use super::*;

    fn graph(name: &str) -> Graph {
        let json = format!(r#"{{"graph":"{name}","fields":[{{"field":"a"}}]}}"#);
        Graph::resolve(&serde_json::from_str::<Declaration>(&json).unwrap()).0
    }

    fn tiers(step: u64, layout: Layout) -> Vec<String> {
        let text = |archive: Archive| format!("{} {}x{}", archive.cf, archive.steps, archive.rows);
        archives(step, layout).into_iter().map(text).collect()
    }

    #[test]
    fn a_series_takes_156_kilobytes_at_one_minute() {
        let file = create(&definition(
            &graph("load"),
            true,
            Layout::Standard,
            1_700_000_000,
        ))
        .unwrap();
        assert_eq!(file.len() / 1000, 158);
        let expect =
            ["1x2160", "5x2304", "30x1680", "360x1800"].map(|tier| format!("AVERAGE {tier}"));
        assert_eq!(tiers(60, Layout::Standard)[..4], expect);
    }

    #[test]
    fn munins_layout_is_munins() {
        let expect = ["1x576", "6x432", "24x540", "288x450"].map(|tier| format!("MIN {tier}"));
        assert_eq!(tiers(300, Layout::Munin)[4..8], expect);
    }

    #[test]
    fn slow_plugins_have_no_tier_twice() {
        assert_eq!(
            tiers(3600, Layout::Standard)[..2],
            ["AVERAGE 1x840", "AVERAGE 6x1800"]
        );
    }

    #[test]
    fn readings_that_come_seldom_are_waited_for() {
        let heartbeat = |rate: &str, layout: Layout| {
            let json = format!(
                r#"{{"graph":"g","attributes":[["update_rate","{rate}"]],"fields":[{{"field":"a"}}]}}"#
            );
            let graph = Graph::resolve(&serde_json::from_str::<Declaration>(&json).unwrap()).0;
            definition(&graph, true, layout, 1_700_000_000).sources[0].heartbeat
        };
        assert_eq!(heartbeat("3600", Layout::Munin), 3 * 3600);
        assert_eq!(heartbeat("7d", Layout::Standard), 21 * DAY);
        assert_eq!(heartbeat("10", Layout::Standard), 30);
    }

    #[test]
    fn limits_that_leave_no_room_are_none() {
        let json =
            r#"{"graph":"g","fields":[{"field":"a","attributes":[["min","0"],["max","0"]]}]}"#;
        let graph = Graph::resolve(&serde_json::from_str::<Declaration>(json).unwrap()).0;
        let definition = definition(&graph, true, Layout::Standard, 1_700_000_000);
        assert!(definition.sources[0].max.is_nan());
        create(&definition).unwrap();
    }

    #[test]
    fn long_field_names_get_short_unique_sources() {
        let fields = [
            "short",
            "a_very_long_field_name_1",
            "a_very_long_field_name_2",
        ];
        let names = fields.map(|field| source_name(&FieldName::new(field).unwrap()));
        assert_eq!(names[0], "short");
        assert!(
            names.iter().all(|name| name.len() <= SOURCE_NAME_MAX),
            "{names:?}"
        );
        assert_ne!(names[1], names[2]);
    }
}
