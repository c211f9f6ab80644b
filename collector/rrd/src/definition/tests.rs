use expect_test::{Expect, expect};

use super::*;

#[track_caller]
fn check(line: &str, expect: &Expect) {
    let lines = ["DS:a:GAUGE:600:0:U", "RRA:AVERAGE:0.5:1:10", line];
    expect.assert_eq(&match Definition::parse(300, 1_000_000_000, &lines) {
        Ok(definition) => format!(
            "{:?} {:?}",
            definition.sources.get(1),
            definition.archives.get(1)
        ),
        Err(error) => error.to_string(),
    });
}

#[test]
fn durations_count_whole_units() {
    for (text, unit, count) in [
        ("5", 300, Some(5)),
        ("10m", 300, Some(2)),
        ("1d", 300, Some(288)),
        ("1M", 86_400, Some(31)),
        ("1y", 86_400, Some(366)),
        ("90s", 60, None),
        ("0", 1, None),
        ("0h", 1, None),
        ("", 1, None),
        ("5x", 1, None),
        ("99999999999999999999", 1, None),
    ] {
        assert_eq!(duration(text, unit), count, "{text} in {unit} s");
    }
}

#[test]
fn a_source_is_its_five_fields() {
    check(
        "DS:if-in_0:DERIVE:10m:0:1e9",
        &expect![[
            r#"Some(DataSource { name: "if-in_0", kind: Derive, heartbeat: 600, min: 0.0, max: 1000000000.0, formula: None }) None"#
        ]],
    );
}

#[test]
fn an_archive_scales_durations_by_the_step() {
    check(
        "RRA:MAX:0.25:1h:30d",
        &expect!["None Some(Archive { cf: Max, xff: 0.25, steps: 12, rows: 720, forecast: None })"],
    );
}

#[test]
fn what_is_wrong_is_named() {
    check(
        "DS:b:GAUGE:600:0",
        &expect![[
            r#"expected DS:name:type:heartbeat:min:max or DS:name:COMPUTE:formula, found "DS:b:GAUGE:600:0""#
        ]],
    );
    check(
        "DS:b:SPEED:600:0:U",
        &expect![[r#"unknown data source type "SPEED""#]],
    );
    check(
        "DS:a:GAUGE:600:0:U",
        &expect![[r#"duplicate data source name "a""#]],
    );
    check(
        "DS:a b:GAUGE:600:0:U",
        &expect![[r#"a data source name has 1 to 19 of A-Z a-z 0-9 _ -, found "a b""#]],
    );
    check(
        "DS:b:GAUGE:600:5:5",
        &expect![[r#"data source "b": min 5 must be less than max 5"#]],
    );
    check(
        "DS:b:GAUGE:0:U:U",
        &expect![[r#"heartbeat of "DS:b:GAUGE:0:U:U": expected seconds or a duration, found "0""#]],
    );
    check(
        "RRA:MEAN:0.5:1:10",
        &expect![[r#"unrecognized consolidation function "MEAN""#]],
    );
    check(
        "RRA:LAST:1:1:10",
        &expect![[r#"xff of "RRA:LAST:1:1:10": expected a number from 0 to below 1, found "1""#]],
    );
    check(
        "RRA:LAST:0.5:400s:10",
        &expect![[
            r#"steps of "RRA:LAST:0.5:400s:10": expected a count or a duration of whole units, found "400s""#
        ]],
    );
    check(
        "RRA:HWPREDICT:9:0.1:0.1:3",
        &expect![
            "None Some(Archive { cf: HwPredict, xff: 0.0, steps: 1, rows: 9, forecast: Some(Predict { alpha: 0.1, beta: 0.1, seasonal: 2, period: 3.0 }) })"
        ],
    );
    check(
        "DX:b",
        &expect![[r#"expected DS:… or RRA:…, found "DX:b""#]],
    );
}
