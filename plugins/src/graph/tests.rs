//! Each test: what a plugin declares, and the graph that it is.

use std::fmt::Write;

use expect_test::{Expect, expect};

use super::*;
use crate::munin::parse_config;

fn resolve(text: &str) -> (Graph, Vec<Problem>) {
    let parsed = parse_config(text, &GraphName::new("plugin").unwrap());
    assert_eq!(parsed.problems, vec![]);
    Graph::resolve(&parsed.declarations[0])
}

/// The fields in drawing order with how they are drawn, then the problems.
#[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
fn drawn(text: &str, expect: Expect) {
    let (graph, problems) = resolve(text);
    let mut found = String::new();
    for field in &graph.fields {
        let Field {
            name, draw, drawn, ..
        } = field;
        let how = if *drawn {
            format!("{draw:?}")
        } else {
            "hidden".to_owned()
        };
        writeln!(found, "{name} {how}").unwrap();
    }
    for problem in problems {
        writeln!(found, "! {problem}").unwrap();
    }
    expect.assert_eq(&found);
}

#[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
fn debug(text: &str, expect: Expect) {
    expect.assert_debug_eq(&resolve(text));
}

/// What `pick` takes of the graph, and the problems.
fn check<T: std::fmt::Debug>(text: &str, pick: fn(&Graph) -> T, expect: &str) {
    let (graph, problems) = resolve(text);
    let mut found = format!("{:?}", pick(&graph));
    for problem in problems {
        write!(found, " ! {problem}").unwrap();
    }
    assert_eq!(found, expect, "{text}");
}

#[test]
fn everything_has_a_default() {
    debug(
        "a.label A\n",
        expect![[r#"
            (
                Graph {
                    host: None,
                    name: "plugin",
                    title: "plugin",
                    vlabel: None,
                    category: "other",
                    info: None,
                    args: Args {
                        base: 1000,
                        lower: None,
                        upper: None,
                        rigid: false,
                        logarithmic: false,
                        vlabel: None,
                        unscaled: false,
                    },
                    period: Second,
                    scale: true,
                    total: None,
                    sums: false,
                    printf: None,
                    width: None,
                    height: None,
                    data_size: None,
                    draws: true,
                    check: None,
                    update_rate: None,
                    order: [
                        "a",
                    ],
                    fields: [
                        Field {
                            name: "a",
                            label: "A",
                            kind: Gauge,
                            min: None,
                            max: None,
                            draw: Line(
                                1.0,
                            ),
                            colour: None,
                            negative: None,
                            cdef: None,
                            warning: None,
                            critical: None,
                            unknown_limit: None,
                            info: None,
                            extinfo: None,
                            drawn: true,
                            line: None,
                            oldname: None,
                        },
                    ],
                },
                [],
            )
        "#]],
    );
}

#[test]
fn graph_order_comes_first_then_the_declared_order() {
    drawn(
        "graph_order c -a nosuch b c d=other:load.load\na.label A\nb.label B\nc.label C\ne.label E\nd.label D\n",
        expect![[r#"
            c Line(1.0)
            a hidden
            b Line(1.0)
            d Line(1.0)
            e Line(1.0)
            ! plugin: graph_order: expected fields of this graph, found "nosuch"
            ! plugin: graph_order: "d=other:load.load" borrows another field's history, which is not done here
        "#]],
    );
}

#[test]
fn a_stack_stands_on_the_drawn_field_before() {
    drawn(
        "a.label A\na.graph no\na.draw AREA\nb.label B\nb.draw STACK\nc.label C\nc.draw AREA\nd.label D\nd.draw STACK\n",
        expect![[r#"
            a hidden
            b Line(1.0)
            c Area
            d StackedArea
        "#]],
    );
    drawn(
        "a.label A\na.draw LINE2\nb.label B\nb.draw AREASTACK\nc.label C\nc.draw AREASTACK\nd.label D\nd.draw linestack3\n",
        expect![[r#"
            a Line(2.0)
            b Area
            c StackedArea
            d StackedArea
        "#]],
    );
    drawn(
        "a.label A\na.draw LINESTACK1.5\nb.label B\nb.draw LINESTACK1.5\nc.label C\nc.draw BARS\nd.label D\nd.draw LINE99\n",
        expect![[r#"
            a Line(1.5)
            b StackedLine(1.5)
            c Line(1.0)
            d Line(1.0)
            ! plugin: field c: draw: expected LINE, LINE2, AREA, STACK, AREASTACK or LINESTACK, found "BARS"
            ! plugin: field d: draw: expected LINE, LINE2, AREA, STACK, AREASTACK or LINESTACK, found "LINE99"
        "#]],
    );
}

#[test]
fn arguments_of_rrdtool_are_split_as_a_shell_does() {
    let check = |args: &str, expect: &str| {
        let text = format!("graph_args {args}\n");
        let found = |graph: &Graph| {
            let Args {
                base,
                lower,
                upper,
                rigid,
                logarithmic,
                vlabel,
                unscaled,
            } = &graph.args;
            format!("{base} {lower:?} {upper:?} {rigid} {logarithmic} {vlabel:?} {unscaled}")
        };
        let (graph, problems) = resolve(&text);
        let problems: Vec<_> = problems
            .iter()
            .map(|problem| format!(" ! {}", problem.text))
            .collect();
        assert_eq!(found(&graph) + &problems.concat(), expect, "{args}");
    };
    check(
        "--base 1024 -l 0",
        "1024 Some(0.0) None false false None false",
    );
    check(
        "-l0 --upper-limit=100 -r",
        "1000 Some(0.0) Some(100.0) true false None false",
    );
    check(
        "-rl0 -o --slope-mode",
        "1000 Some(0.0) None true true None false",
    );
    check(
        "--upper 5 --lower -1",
        "1000 Some(-1.0) Some(5.0) false false None false",
    );
    check(
        "-v 'per second' -X 0",
        "1000 None None false false Some(\"per second\") true",
    );
    check(
        "--vertical-label \"a \\\"b\\\"\" -M",
        "1000 None None false false Some(\"a \\\"b\\\"\") false",
    );
    check(
        "--base 7 -l zero --nosuch 3 -u",
        "1000 None None false false None false ! graph_args: --base: expected 1000 or 1024, found \"7\" \
         ! graph_args: --lower-limit: expected a number, found \"zero\" \
         ! graph_args: expected an option of rrdtool graph, found \"--nosuch\" \
         ! graph_args: expected an option of rrdtool graph, found \"3\" \
         ! graph_args: expected a value behind -u",
    );
    check(
        "-v 'open",
        "1000 None None false false None false ! graph_args: expected a closing ' in \"-v 'open\"",
    );
}

#[test]
fn attributes_of_the_graph_are_resolved() {
    check("graph_category Disk\n", |g| g.category.clone(), "\"disk\"");
    check("graph_title T\ngraph no\n", |g| g.draws, "false");
    check("graph on-demand\n", |g| g.draws, "true");
    check("graph_scale no\n", |g| g.scale, "false");
    check("graph_noscale true\n", |g| g.scale, "false");
    check("graph_args -X 0\n", |g| g.scale, "false");
    check("graph_total undef\n", |g| g.total.clone(), "None");
    check(
        "graph_vlabel bytes per ${graph_period}\ngraph_period minute\n",
        |g| g.vlabel.clone(),
        "Some(\"bytes per minute\")",
    );
    check("graph_vtitle old\n", |g| g.vlabel.clone(), "Some(\"old\")");
    check(
        "graph_args -v args\n",
        |g| g.vlabel.clone(),
        "Some(\"args\")",
    );
    check("update_rate 10\n", |g| g.update_rate, "Some(10s)");
    check("update_rate 5m aligned\n", |g| g.update_rate, "Some(300s)");
    check(
        "update_rate 0\n",
        |g| g.update_rate,
        "None ! plugin: update_rate: expected seconds or a number with s, m, h or d, found \"0\"",
    );
    check(
        "graph_period day\n",
        |g| g.period,
        "Second ! plugin: graph_period: expected `second`, `minute` or `hour`, found \"day\"",
    );
    check(
        "graph_scale maybe\n",
        |g| g.scale,
        "true ! plugin: graph_scale: expected `yes` or `no`, found \"maybe\"",
    );
}

#[test]
fn attributes_of_a_field_are_resolved() {
    let field = |line: &str, pick: fn(&Field) -> String, expect: &str| {
        let (graph, problems) = resolve(&format!("a.label A\na.{line}\nb.label B\n"));
        let mut found = pick(graph.field("a").unwrap());
        for problem in problems {
            write!(found, " ! {}", problem.text).unwrap();
        }
        assert_eq!(found, expect, "{line}");
    };
    field("type DERIVE", |f| format!("{:?}", f.kind), "Derive");
    field(
        "type GAGUE",
        |f| format!("{:?}", f.kind),
        "Gauge ! field a: type: expected GAUGE, COUNTER, DERIVE or ABSOLUTE, found \"GAGUE\"",
    );
    field("min U", |f| format!("{:?}", f.min), "None");
    field("max -1.5", |f| format!("{:?}", f.max), "Some(-1.5)");
    field(
        "colour ff8000",
        |f| format!("{:?}", f.colour),
        "Some(Rgb([255, 128, 0]))",
    );
    field(
        "colour #FF800080",
        |f| format!("{:?}", f.colour),
        "Some(Rgb([255, 128, 0]))",
    );
    field(
        "colour COLOUR12",
        |f| format!("{:?}", f.colour),
        "Some(Palette(12))",
    );
    field(
        "colour orange",
        |f| format!("{:?}", f.colour),
        "None ! field a: colour: expected RRGGBB or COLOURn, found \"orange\"",
    );
    field("negative b", |f| format!("{:?}", f.negative), "Some(\"b\")");
    field(
        "negative c",
        |f| format!("{:?}", f.negative),
        "None ! field a: negative: expected a field of this graph, found \"c\"",
    );
    field("warning 1:5", |f| f.warning.unwrap().to_string(), "1:5");
    field(
        "critical 90%",
        |f| format!("{:?}", f.critical),
        "None ! field a: critical: range \"90%\": expected `max`, `min:max`, `min:` or `:max`, found \"90%\"",
    );
    field(
        "line 5:ff0000:limit: five",
        |f| format!("{:?}", f.line.clone().unwrap()),
        "Line { at: 5.0, colour: Some(Rgb([255, 0, 0])), label: Some(\"limit: five\") }",
    );
    field("skipdraw yes", |f| f.drawn.to_string(), "false");
}

#[test]
fn a_field_without_a_label_is_labelled_by_its_name() {
    check(
        "a.min 0\n",
        |g| g.fields[0].label.clone(),
        "\"a\" ! plugin: field a: label: expected one, found none",
    );
}
