use expect_test::{Expect, expect};
use ravenry_plugins::declaration::Declaration;
use ravenry_plugins::pattern::Pattern;
use ravenry_rrd::create::create;

use super::*;
use crate::config::layout::Rule;

fn graph(attributes: &str) -> Graph {
    let pairs: Vec<String> = attributes
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, text)| format!("[{name:?},{text:?}]"))
        .collect();
    let json = format!(
        r#"{{"graph":"g","attributes":[{}],"fields":[{{"field":"a"}}]}}"#,
        pairs.join(",")
    );
    Graph::resolve(&serde_json::from_str::<Declaration>(&json).unwrap()).0
}

fn host() -> HostName {
    HostName::new("web1").unwrap()
}

fn layouts(default: Layout) -> Layouts {
    Layouts {
        default,
        ..Layouts::default()
    }
}

fn text(decided: &Decided) -> String {
    let shape = &decided.shape;
    let tiers = shape
        .tiers
        .iter()
        .map(|(steps, rows)| format!(" {steps}x{rows}"));
    let problem = decided
        .problem
        .as_ref()
        .map_or_else(String::new, |problem| format!(" ({problem})"));
    format!("{}:{}{problem}\n", shape.step, tiers.collect::<String>())
}

/// Attributes of a graph, and what its file is: `STEP: STEPSxROWS ...`.
fn check(layouts: &Layouts, graphs: &[&str], expect: &Expect) {
    let decided = graphs
        .iter()
        .map(|attributes| text(&layouts.decide(&host(), &graph(attributes))));
    expect.assert_eq(&decided.collect::<String>());
}

#[test]
fn a_series_takes_156_kilobytes_at_one_minute() {
    let layouts = Layouts::default();
    let definition = layouts.definition(&host(), &graph(""), true, 1_700_000_000);
    assert_eq!(create(&definition).unwrap().len() / 1000, 158);
    check(
        &layouts,
        &[
            "",
            "graph_data_size=normal",
            "update_rate=3600",
            "update_rate=10",
        ],
        &expect![[r#"
            60: 1x2160 5x2304 30x1680 360x1800
            60: 1x2160 5x2304 30x1680 360x1800
            3600: 1x840 6x1800
            10: 1x12960 30x2304 180x1680 2160x1800
        "#]],
    );
}

#[test]
fn munins_layout_is_munins() {
    let definition = layouts(Layout::Munin).definition(&host(), &graph(""), true, 1_700_000_000);
    assert_eq!(create(&definition).unwrap().len(), 50_824);
    check(
        &layouts(Layout::Munin),
        &["", "update_rate=10", "graph_data_size=huge"],
        &expect![[r#"
            300: 1x576 6x432 24x540 288x450
            300: 1x576 6x432 24x540 288x450
            300: 1x115200
        "#]],
    );
}

#[test]
fn a_plugin_says_how_much_is_kept() {
    check(
        &Layouts::default(),
        &[
            "graph_data_size=huge",
            "graph_data_size=huge;update_rate=300",
            "graph_data_size=custom 576, 6 432, 24 540, 288 450;update_rate=300",
            "graph_data_size=custom 2d, 30m for 9d, 2h for 45d;update_rate=300",
            "graph_data_size=custom 1d, 1h for 1t, 1d for 1y",
        ],
        &expect![[r#"
            60: 1x576000
            300: 1x115200
            300: 1x576 6x432 24x540 288x450
            300: 1x634 6x476 24x594
            60: 1x1584 60x819 1440x402
        "#]],
    );
}

#[test]
fn what_a_plugin_may_not_have_is_said_and_the_default_kept() {
    check(
        &Layouts::default(),
        &[
            "graph_data_size=huge;update_rate=1",
            "graph_data_size=custom 18446744073709551615",
            "graph_data_size=custom",
            "graph_data_size=enormous",
        ],
        &expect![[r#"
            1: 1x129600 300x2304 1800x1680 21600x1800 (graph_data_size: expected at most 16777216 bytes a field (store.series_bytes_max), found 276480000 bytes)
            60: 1x2160 5x2304 30x1680 360x1800 (graph_data_size: expected after `custom` how many rows or how long single steps are kept, such as `576` or `2d`, found "18446744073709551615")
            60: 1x2160 5x2304 30x1680 360x1800 (graph_data_size: expected after `custom` how many rows or how long single steps are kept, such as `576` or `2d`, found "")
            60: 1x2160 5x2304 30x1680 360x1800 (graph_data_size: expected `normal`, `huge` or `custom ...`, found "enormous")
        "#]],
    );
}

#[test]
fn the_configuration_goes_before_the_plugin_and_later_rules_before_earlier_ones() {
    let rule = |graph: &str, layout: Option<Layout>, step: Option<u64>| Rule {
        host: Pattern::new("web*"),
        graph: Pattern::new(graph),
        layout,
        step: step.map(Duration::from_secs),
    };
    let layouts = Layouts {
        rules: vec![
            rule("*", Some(Layout::Munin), None),
            rule("g", Some(Layout::Standard), None),
            rule("g", None, Some(10)),
            rule("other", Some(Layout::Huge), None),
        ],
        ..Layouts::default()
    };
    check(
        &layouts,
        &["graph_data_size=huge;update_rate=300"],
        &expect![[r#"
            10: 1x12960 30x2304 180x1680 2160x1800
        "#]],
    );
    let other = HostName::new("db1").unwrap();
    assert_eq!(
        layouts.step(&other, &graph("update_rate=300")).as_secs(),
        300
    );
}

#[test]
fn a_file_that_would_be_too_large_is_the_standard() {
    let fields: Vec<String> = (0..1000)
        .map(|i| format!(r#"{{"field":"f{i}"}}"#))
        .collect();
    let json = format!(
        r#"{{"graph":"g","attributes":[["update_rate","1"]],"fields":[{}]}}"#,
        fields.join(",")
    );
    let graph = Graph::resolve(&serde_json::from_str::<Declaration>(&json).unwrap()).0;
    let decided = Layouts::default().decide(&host(), &graph);
    assert_eq!(decided.shape, Shape::new(&Layout::Standard, 60));
    assert!(decided.problem.unwrap().contains("1000 fields of"));
}

#[test]
fn readings_that_come_seldom_are_waited_for() {
    let heartbeat = |rate: &str, layout: Layout| {
        let graph = graph(&format!("update_rate={rate}"));
        layouts(layout)
            .definition(&host(), &graph, true, 1_700_000_000)
            .sources[0]
            .heartbeat
    };
    assert_eq!(heartbeat("3600", Layout::Munin), 3 * 3600);
    assert_eq!(heartbeat("7d", Layout::Standard), 21 * DAY);
    assert_eq!(heartbeat("10", Layout::Standard), 30);
}

#[test]
fn limits_that_leave_no_room_are_none() {
    let json = r#"{"graph":"g","fields":[{"field":"a","attributes":[["min","0"],["max","0"]]}]}"#;
    let graph = Graph::resolve(&serde_json::from_str::<Declaration>(json).unwrap()).0;
    let definition = Layouts::default().definition(&host(), &graph, true, 1_700_000_000);
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
