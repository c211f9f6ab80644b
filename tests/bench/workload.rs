//! What everybody is given: the same readings at the same times, in the form that each of them takes.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// Seconds between readings, and after the step at which they come.
pub(crate) const STEP: i64 = 300;
pub(crate) const OFF_STEP: i64 = 7;
/// Fields of a graph, and graphs of a host, where nothing else is said.
pub(crate) const FIELDS: usize = 10;
pub(crate) const GRAPHS: usize = 20;
/// Series of a host.
pub(crate) const HOST_SERIES: usize = FIELDS * GRAPHS;

/// The start of a load whose readings all lie in the past.
#[must_use]
pub(crate) fn start(rounds: i64) -> i64 {
    let now = ravenry_tests::wait::utc_seconds();
    now / STEP * STEP - (rounds + 2) * STEP
}

/// When the readings of a round were taken.
#[must_use]
pub(crate) fn time(start: i64, round: i64) -> i64 {
    start + round * STEP + OFF_STEP
}

/// Half of the series are gauges with two decimals, half are counters.
#[must_use]
pub(crate) fn is_gauge(file: usize, field: usize) -> bool {
    (file + field).is_multiple_of(2)
}

/// What a series was read as; hundredths of a gauge.
fn number(file: usize, field: usize, round: i64) -> i64 {
    let (file_, field_) = (whole(file), whole(field));
    if is_gauge(file, field) {
        (file_ * 7919 + field_ * 104_729 + round * 31_337) % 100_000
    } else {
        round * (1000 + (file_ * 31 + field_) % 977) + file_ * field_
    }
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap()
}

/// The reading as text.
pub(crate) fn write_reading(text: &mut String, file: usize, field: usize, round: i64) {
    let number = number(file, field, round);
    let _ = if is_gauge(file, field) {
        write!(text, "{}.{:02}", number / 100, number % 100)
    } else {
        write!(text, "{number}")
    };
}

#[expect(clippy::cast_precision_loss, reason = "below 100,000")]
fn reading(file: usize, field: usize, round: i64) -> Value {
    let number = number(file, field, round);
    if is_gauge(file, field) {
        json!(number as f64 / 100.0)
    } else {
        json!(number)
    }
}

/// A batch of all series of `hosts`, as an agent (of one host) or a gateway (of many) pushes it. The first round declares.
#[must_use]
pub(crate) fn batch(hosts: std::ops::Range<usize>, start: i64, round: i64) -> Vec<u8> {
    batch_at(hosts, time(start, round), round)
}

/// The same, taken at another time.
#[must_use]
pub(crate) fn batch_at(hosts: std::ops::Range<usize>, seconds: i64, round: i64) -> Vec<u8> {
    let one_host = hosts.len() == 1;
    let series = hosts.clone().flat_map(|host| {
        let files = host * GRAPHS..(host + 1) * GRAPHS;
        files.flat_map(move |file| (0..FIELDS).map(move |field| (host, file, field)))
    });
    let series: Vec<(usize, usize, usize)> = series.collect();
    let of_all = |name: &dyn Fn(&(usize, usize, usize)) -> Value| -> Vec<Value> {
        series.iter().map(name).collect()
    };
    let mut columns = json!({
        "graph": of_all(&|(_, file, _)| json!(format!("graph{}", file % GRAPHS))),
        "field": of_all(&|(_, _, field)| json!(format!("f{field}"))),
    });
    if !one_host {
        columns["host"] = json!(of_all(&|(host, ..)| json!(format!("host{host}"))));
    }
    let mut batch = json!({
        "version": 1,
        "host": format!("host{}", hosts.start),
        "key": {"agent": format!("agent{}", hosts.start), "incarnation": 1, "sequence": round + 1},
        "series": columns,
        "samples": {
            "series": (0..series.len()).collect::<Vec<_>>(),
            "time": vec![seconds; series.len()],
            "value": of_all(&|&(_, file, field)| reading(file, field, round)),
        },
    });
    if round == 0 {
        let graphs = hosts.flat_map(|host| {
            (host * GRAPHS..(host + 1) * GRAPHS).map(move |file| declaration(host, file))
        });
        batch["graphs"] = graphs.collect();
    }
    rmp_serde::to_vec_named(&batch).unwrap()
}

fn declaration(host: usize, file: usize) -> Value {
    let fields = (0..FIELDS).map(|field| {
        let kind = if is_gauge(file, field) { "GAUGE" } else { "DERIVE" };
        json!({"field": format!("f{field}"), "attributes": [["label", format!("field {field}")], ["type", kind]]})
    });
    json!({
        "host": format!("host{host}"),
        "graph": format!("graph{}", file % GRAPHS),
        "attributes": [["graph_title", format!("Graph {}", file % GRAPHS)], ["graph_category", "bench"]],
        "fields": fields.collect::<Vec<_>>(),
    })
}

/// The same readings in the text form of Prometheus.
#[must_use]
pub(crate) fn prometheus(hosts: std::ops::Range<usize>, start: i64, round: i64) -> Vec<u8> {
    let mut text = String::new();
    let millis = 1000 * time(start, round);
    for host in hosts {
        for file in host * GRAPHS..(host + 1) * GRAPHS {
            for field in 0..FIELDS {
                let _ = write!(
                    text,
                    "graph{}{{host=\"host{host}\",field=\"f{field}\"}} ",
                    file % GRAPHS
                );
                write_reading(&mut text, file, field, round);
                let _ = writeln!(text, " {millis}");
            }
        }
    }
    text.into_bytes()
}
