//! Readings as they come in life: fields that appear or change their type and limits, long names, readings that are late,
//! that come twice, at different times in one graph, or several in a step. What rrdtool sees in the files afterwards.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use ravenry_tests::collector::{Collector, WITHOUT_AGENT};
use ravenry_tests::push::Pusher;
use ravenry_tests::rrdtool::Rrdtool;
use ravenry_tests::wait;
use serde_json::{Value, json};

/// A push, and a flush after it: fields with their attributes, and readings as (field, seconds since the beginning, value).
struct Phase<'p> {
    fields: &'p [(&'p str, &'p [[&'p str; 2]])],
    readings: Vec<(usize, i64, f64)>,
    /// Readings taken and refused.
    answer: (u64, u64),
}

fn phase<'p>(
    fields: &'p [(&'p str, &'p [[&'p str; 2]])],
    readings: Vec<(usize, i64, f64)>,
) -> Phase<'p> {
    let answer = (readings.len() as u64, 0);
    Phase {
        fields,
        readings,
        answer,
    }
}

/// One reading of each field a minute, `value(field, minute)`.
fn minutes(
    minutes: std::ops::Range<i64>,
    fields: usize,
    value: impl Fn(usize, i64) -> f64,
) -> Vec<(usize, i64, f64)> {
    let all = minutes.flat_map(|minute| (0..fields).map(move |field| (field, minute)));
    all.map(|(field, minute)| (field, 60 * minute, value(field, minute)))
        .collect()
}

struct Rig {
    collector: Collector,
    by: Pusher,
    rrdtool: Rrdtool,
    begin: i64,
}

impl Rig {
    /// `None` where there is no rrdtool.
    fn new() -> Option<Self> {
        let Some(rrdtool) = Rrdtool::find() else {
            eprintln!("skipped: rrdtool is not installed");
            return None;
        };
        let collector = Collector::started(WITHOUT_AGENT);
        Some(Self {
            by: collector.pusher("test"),
            collector,
            rrdtool,
            begin: wait::utc_seconds() / 60 * 60 - 1800,
        })
    }

    fn batch(&self, graph: &str, phase: &Phase<'_>) -> Value {
        let fields: Vec<Value> = phase
            .fields
            .iter()
            .map(|(field, attributes)| json!({"field": field, "attributes": attributes}))
            .collect();
        let names: Vec<&str> = phase.fields.iter().map(|(field, _)| *field).collect();
        let times: Vec<i64> = phase
            .readings
            .iter()
            .map(|(_, second, _)| self.begin + second)
            .collect();
        json!({
            "version": 1, "host": "h",
            "graphs": [{"graph": graph, "attributes": [], "fields": fields}],
            "series": {"graph": vec![graph; names.len()], "field": names},
            "samples": {
                "series": phase.readings.iter().map(|(field, ..)| *field).collect::<Vec<_>>(),
                "time": times,
                "value": phase.readings.iter().map(|(.., value)| *value).collect::<Vec<_>>(),
            },
        })
    }

    /// Pushes and flushes each phase; then the rows of each source, by minute, are these (`-` is unknown).
    fn check(&self, graph: &str, phases: &[Phase<'_>], expect: &[(&str, &str)]) {
        for phase in phases {
            let answer = self.by.push(&self.batch(graph, phase)).unwrap().json();
            let found = (
                answer["accepted"].as_u64().unwrap(),
                answer["refused"].as_u64().unwrap(),
            );
            assert_eq!(found, phase.answer, "{graph}: {answer}");
            self.collector.flush();
        }
        let file = self.collector.rrd("h", graph);
        let rows = expect[0].1.split(' ').count() as i64;
        let fetched = self
            .rrdtool
            .fetch(&file, 60, self.begin, self.begin + 60 * rows);
        for (source, values) in expect {
            let found = fetched.sources.get(*source);
            assert!(found.is_some(), "{graph}: {source} of {fetched:?}");
            let found = found.unwrap();
            let found: Vec<String> = (1..=rows)
                .map(|minute| match found.get(&(self.begin + 60 * minute)) {
                    Some(Some(value)) => format!("{}", (value * 1000.0).round() / 1000.0),
                    Some(None) | None => "-".to_owned(),
                })
                .collect();
            assert_eq!(found.join(" "), *values, "{graph}: {source}");
        }
        let verified = self.collector.administer(&["store", "verify"]);
        assert_eq!(verified.code, 0, "{graph}: {verified:?}");
    }
}

#[test]
fn rrdtool_sees_what_came_in_whatever_way_it_came() {
    let Some(rig) = Rig::new() else { return };
    fields_that_change(&rig);
    readings_that_come_oddly(&rig);
}

fn fields_that_change(rig: &Rig) {
    rig.check(
        "a_field_that_appears",
        &[
            phase(&[("one", &[])], minutes(1..5, 1, |_, minute| minute as f64)),
            phase(
                &[
                    ("one", &[]),
                    ("a_very_long_field_name_1", &[]),
                    ("a_very_long_field_name_2", &[]),
                ],
                minutes(5..8, 3, |field, minute| (minute + 10 * field as i64) as f64),
            ),
        ],
        &[
            ("one", "1 2 3 4 5 6 7 -"),
            ("a_very_5dad36f3fca7", "- - - - 15 16 17 -"),
            ("a_very_98b75b773d34", "- - - - 25 26 27 -"),
        ],
    );
    rig.check(
        "a_type_that_changes",
        &[
            phase(&[("x", &[])], minutes(1..5, 1, |_, _| 5.0)),
            phase(
                &[("x", &[["type", "DERIVE"], ["min", "0"]])],
                minutes(5..9, 1, |_, minute| 600.0 * minute as f64),
            ),
        ],
        &[("x", "5 5 5 5 - 10 10 10 -")],
    );
    rig.check(
        "limits_that_change",
        &[
            phase(
                &[("x", &[["max", "10"]])],
                minutes(1..5, 1, |_, minute| 4.0 * minute as f64),
            ),
            phase(
                &[("x", &[["max", "100"], ["min", "25"]])],
                minutes(5..9, 1, |_, minute| 4.0 * minute as f64),
            ),
        ],
        &[("x", "4 8 - - - - 28 32 -")],
    );
}

fn readings_that_come_oddly(rig: &Rig) {
    let x: &[(&str, &[[&str; 2]])] = &[("x", &[])];
    rig.check(
        "late_and_twice",
        &[
            phase(
                x,
                [
                    minutes(1..3, 1, |_, minute| minute as f64),
                    vec![(0, 240, 4.0), (0, 180, 3.0)],
                ]
                .concat(),
            ),
            Phase {
                answer: (0, 2),
                ..phase(x, vec![(0, 120, 99.0), (0, 190, 99.0)])
            },
            phase(x, vec![(0, 300, 5.0)]),
        ],
        &[("x", "1 2 3 4 5 -")],
    );
    let twice = rig.batch(
        "late_and_twice",
        &phase(x, vec![(0, 360, 6.0), (0, 360, 7.0)]),
    );
    assert_eq!(
        rig.by.push(&twice).unwrap().json()["accepted"],
        1,
        "the first of two counts"
    );

    let derive: &[[&str; 2]] = &[["type", "DERIVE"]];
    let at_seven = |readings: Vec<(usize, i64, f64)>| {
        readings
            .into_iter()
            .map(|(field, second, value)| (field, second + 7 * field as i64, value))
            .collect()
    };
    rig.check(
        "different_times",
        &[phase(
            &[("x", derive), ("y", derive)],
            at_seven(minutes(1..8, 2, |field, minute| {
                (60 * minute * (field as i64 + 1)) as f64
            })),
        )],
        &[("x", "- 1 1 1 1 1 1 -"), ("y", "- 2 2 2 2 2 2 -")],
    );
    let six_a_minute = (1..5).flat_map(|minute| {
        (0..60)
            .step_by(10)
            .map(move |second| (0, 60 * minute + second, second as f64))
    });
    rig.check(
        "supersampled",
        &[phase(x, six_a_minute.collect())],
        &[("x", "0 25 25 25 -")],
    );
}
