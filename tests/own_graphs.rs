//! The collector draws itself like any other host's plugin: declared, stored, judged, and without an agent too.

use ravenry_tests::collector::Collector;
use ravenry_tests::wait;
use serde_json::Value;

const WITHOUT_AGENT: &str = "[agent]\nenabled = false\nhost = \"here\"\n";

#[test]
fn the_collector_draws_itself() {
    let collector = Collector::started(WITHOUT_AGENT);
    let graphs = || {
        collector
            .api_if_there("/hosts/here")
            .map(|host| host["graphs"].clone())
    };
    wait::until("it has its graphs", || {
        graphs().is_some_and(|graphs| graphs.as_array().is_some_and(|graphs| graphs.len() == 10))
    });
    collector.flush();
    for graph in graphs()
        .as_ref()
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        assert_eq!(graph["category"], "ravenry", "{graph}");
        let name = graph["name"].as_str().unwrap_or_default();
        assert!(collector.rrd("here", name).exists(), "{graph}");
    }
    let latest = |graph: &str, field: &str| {
        let graph = collector.api(&format!("/hosts/here/graphs/{graph}"));
        let latest = graph["latest"].as_array().cloned().unwrap_or_default();
        let found = latest.iter().find(|latest| latest["field"] == field);
        found.and_then(|found| found["value"].as_f64())
    };
    assert!(latest("ravenry_memory", "resident").is_some_and(|bytes| bytes > 1e6));
    assert!(latest("ravenry_descriptors", "descriptors").is_some_and(|open| open > 5.0));
    assert_eq!(
        latest("ravenry_journal", "limit"),
        Some(f64::from(4 << 10) * 1024.0 * 1024.0)
    );
    let checks = collector.api("/hosts/here")["checks"].clone();
    let thresholds: Vec<&str> = checks
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|check| check["threshold"].as_str())
        .filter(|threshold| !threshold.is_empty())
        .collect();
    assert_eq!(thresholds.len(), 4, "{checks}");
}
