//! Each test: what a plugin prints, and what is understood of it.

use std::fmt::Write;

use expect_test::{Expect, expect};

use super::*;

fn plugin() -> GraphName {
    GraphName::new("plugin").unwrap()
}

fn show(parsed: &Parsed) -> String {
    let mut text = String::new();
    for declaration in &parsed.declarations {
        let host = declaration.host.as_ref().map(|host| format!(" on {host}"));
        writeln!(text, "{}{}", declaration.graph, host.unwrap_or_default()).unwrap();
        for (name, value) in declaration.attributes.iter() {
            writeln!(text, "  {name} = {value}").unwrap();
        }
        for field in &declaration.fields {
            let attributes: Vec<String> = field
                .attributes
                .iter()
                .map(|(name, value)| format!("{name} = {value}"))
                .collect();
            writeln!(text, "  {}: {}", field.field, attributes.join(", ")).unwrap();
        }
    }
    for PluginSample {
        graph,
        field,
        time,
        reading,
        line: _,
    } in &parsed.samples
    {
        let time = time.map(|time| format!(" at {time}")).unwrap_or_default();
        writeln!(text, "{graph}/{field} is {reading}{time}").unwrap();
    }
    for Extinfo {
        graph,
        field,
        text: info,
    } in &parsed.extinfo
    {
        writeln!(text, "{graph}/{field} says {info}").unwrap();
    }
    for problem in &parsed.problems {
        writeln!(text, "! {problem}").unwrap();
    }
    text
}

#[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
fn config(text: &str, expect: Expect) {
    expect.assert_eq(&show(&parse_config(text, &plugin())));
}

#[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
fn fetch(text: &str, expect: Expect) {
    expect.assert_eq(&show(&parse_fetch(text, &plugin())));
}

#[test]
fn first_graph_attribute_and_last_field_attribute_win() {
    config(
        "graph_title One\ngraph_title Two\na.label x\nb.label y\na.label z\n",
        expect![[r#"
            plugin
              graph_title = One
              a: label = z
              b: label = y
        "#]],
    );
}

#[test]
fn blank_lines_comments_and_line_ends_say_nothing() {
    config(
        "# hello\r\n\r\n  \t\ngraph_title T  \r\na.label x\ra.min 0\n# bye",
        expect![[r#"
            plugin
              graph_title = T
              a: label = x, min = 0
        "#]],
    );
}

#[test]
fn fields_are_in_the_order_of_their_labels() {
    config(
        "c.min 0\na.label A\nb.label B\nd.max 1\nc.label C\n",
        expect![[r#"
            plugin
              a: label = A
              b: label = B
              c: min = 0, label = C
              d: max = 1
        "#]],
    );
}

#[test]
fn field_names_are_cleaned() {
    config(
        "lost+found.label x\n192_168.label y\n/dev/sda1.label z\n",
        expect![[r#"
            plugin
              lost_found: label = x
              _92_168: label = y
              _dev_sda1: label = z
        "#]],
    );
}

#[test]
fn an_empty_attribute_is_as_if_it_were_not_there() {
    config(
        "graph_period \nhost_name\na.label A\na.max \n",
        expect![[r#"
            plugin
              a: label = A
        "#]],
    );
}

#[test]
fn error_messages_and_typing_errors_cost_their_line() {
    config(
        "ping: : Name or service not known\ngraph_oder a\ngraph_title T\n/x.sh: line 3: no\na.b.label x\na.skipprint 1\n.label x\n",
        expect![[r#"
            plugin
              graph_title = T
            ! config:1: expected `graph_...`, `field.attribute text` or a comment, found "ping: : Name or service not known"
            ! config:2: expected `graph_...`, `field.attribute text` or a comment, found "graph_oder a"
            ! config:4: field "/x": expected an attribute such as label, type or warning, found "sh:"
            ! config:5: field "a": expected an attribute such as label, type or warning, found "b.label"
            ! config:6: field "a": expected an attribute such as label, type or warning, found "skipprint"
            ! config:7: field name "": expected 1 to 150 characters
        "#]],
    );
}

#[test]
fn multigraph_opens_a_graph_and_continues_it_in_config() {
    config(
        "multigraph if.eth0\ngraph_title E\na.label A\nmultigraph if\ngraph_title I\nmultigraph if.eth0\nb.label B\n",
        expect![[r#"
            if.eth0
              graph_title = E
              a: label = A
              b: label = B
            if
              graph_title = I
        "#]],
    );
}

#[test]
fn a_refused_graph_name_costs_its_lines() {
    config(
        "multigraph /dev/sda\ngraph_title X\na.label A\nmultigraph ok\ngraph_title Y\n",
        expect![[r#"
            ok
              graph_title = Y
            ! config:1: multigraph: graph name "/dev/sda": expected 1 to 150 letters, digits, '_', '-', '.', ':', without a leading, trailing or double '.', and not 'multigraph'; its lines are ignored
        "#]],
    );
}

#[test]
fn a_host_name_counts_for_the_whole_plugin() {
    config(
        "host_name sw1\nmultigraph a\ngraph_title A\nmultigraph b\nhost_name sw2\ngraph_title B\n",
        expect![[r#"
            a on sw1
              graph_title = A
            b on sw2
              graph_title = B
        "#]],
    );
    config(
        "host_name ../etc\ngraph_title A\n",
        expect![[r#"
            plugin
              graph_title = A
            ! config:1: host name "../etc": expected 1 to 253 letters, digits, '.', '-', '_', beginning with a letter or digit, without '..'
        "#]],
    );
}

#[test]
fn values_in_config_are_samples() {
    config(
        "graph_title T\na.label A\na.value 5\n",
        expect![[r#"
            plugin
              graph_title = T
              a: label = A
            plugin/a is 5
        "#]],
    );
}

#[test]
fn values_may_have_times() {
    fetch(
        "a.value 1700000000:1\na.value 1700000060.5:2\nb.value N:3\nc.value U\nd.value -3.9e-05\n",
        expect![[r#"
            plugin/a is 1 at 1700000000
            plugin/a is 2 at 1700000060.500000
            plugin/b is 3
            plugin/c is U
            plugin/d is -0.000039
        "#]],
    );
}

#[test]
fn only_the_first_word_behind_value_counts() {
    fetch(
        "a.value 5 apples\nb.value 7\t# seven\n",
        expect![[r#"
            plugin/a is 5
            plugin/b is 7
        "#]],
    );
}

#[test]
fn lines_that_are_no_reading_cost_themselves() {
    fetch(
        "down.value up.value 3\nc.value\nd.value 1,5\n.\ne.value x:1\nf.value 99999999999999:1\nok.value 1\nok.value 2\n",
        expect![[r#"
            plugin/ok is 1
            ! fetch:1: field down: expected a number or U, found "up.value 3"
            ! fetch:2: field c: expected a number or U, found ""
            ! fetch:3: field d: expected a number or U, found "1,5"
            ! fetch:4: expected `field.value reading`, found "."
            ! fetch:5: field e: expected a number or U, found "x:1"
            ! fetch:6: field f: expected a number or U, found "99999999999999:1"
            ! fetch:8: field ok: expected one reading without a time, found a second
        "#]],
    );
}

#[test]
fn a_graph_opened_again_in_fetch_begins_anew() {
    fetch(
        "multigraph a\nx.value 1\nmultigraph b\nx.value 2\nmultigraph a\ny.value 3\n",
        expect![[r#"
            a/y is 3
            b/x is 2
            ! fetch:5: multigraph: this graph was opened before; its earlier readings are replaced
        "#]],
    );
}

#[test]
fn extinfo_may_come_with_the_readings() {
    fetch(
        "a.value 1\na.extinfo disk 3 of 8\n",
        expect![[r#"
            plugin/a is 1
            plugin/a says disk 3 of 8
        "#]],
    );
}

#[test]
fn latin_1_is_read_line_by_line() {
    assert_eq!(text_of(b"gr\xfc\xdfe\nna\xc3\xafve\n"), "grüße\nnaïve\n");
}

#[test]
fn every_limit_is_stated() {
    let check = |text: &str, kept: usize, problem: &str| {
        let parsed = parse_fetch(text, &plugin());
        assert_eq!(parsed.samples.len(), kept, "{problem}");
        assert!(
            parsed.problems[0].text.contains(problem),
            "{}",
            parsed.problems[0]
        );
        assert!(parsed.problems.len() <= PROBLEMS_MAX + 1);
    };
    let lines =
        |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    check(
        &"#\n".repeat(LINES_MAX + 1),
        0,
        "expected at most 200000 lines",
    );
    check(
        &format!("a.value {}1\nb.value 1\n", " ".repeat(LINE_BYTES_MAX)),
        1,
        "bytes in a line",
    );
    check(
        &format!("a.value 1\n{}", "#######\n".repeat(BYTES_MAX / 8)),
        1,
        "expected at most 4194304 bytes",
    );
    check(
        &lines(GRAPHS_MAX + 5, &|at| {
            format!("multigraph g{at}\na.value 1\n")
        }),
        GRAPHS_MAX,
        "expected at most 1000 graphs",
    );
    check(
        &lines(SAMPLES_MAX + 5, &|at| format!("a.value {at}:1\n")),
        SAMPLES_MAX,
        "expected at most 100000 readings",
    );
    let fields = parse_config(
        &lines(FIELDS_MAX + 5, &|at| format!("f{at}.label x\n")),
        &plugin(),
    );
    assert_eq!(fields.declarations[0].fields.len(), FIELDS_MAX);
    assert_eq!(fields.problems.len(), 5);
    let junk = parse_fetch(&"junk\n".repeat(1000), &plugin());
    assert_eq!(junk.problems.len(), PROBLEMS_MAX + 1);
    assert_eq!(
        junk.problems[PROBLEMS_MAX].text,
        "900 more lines were not understood"
    );
}

#[test]
fn quirks_seen_in_the_wild() {
    // Attributes before any label, tabs, trailing blanks, a lone CR, words glued by `echo -n`.
    config(
        "\ta.draw AREA \ngraph_title\tT\t\na.label\tA\rb.label B   \n a.info x  y \ndown.label down.value up.value\n",
        expect![[r#"
            plugin
              graph_title = T
              a: draw = AREA, label = A, info = x  y
              b: label = B
              down: label = down.value up.value
        "#]],
    );
    // Source text of another language before the first line, and what a shell complains on stdout.
    config(
        "<?php\n// \nWarning: foo in x.php on line 3\n/bin/sh: 1: bc: not found\ngraph_title T\na.label A\n",
        expect![[r#"
            plugin
              graph_title = T
              a: label = A
            ! config:1: expected `graph_...`, `field.attribute text` or a comment, found "<?php"
            ! config:2: expected `graph_...`, `field.attribute text` or a comment, found "//"
            ! config:3: expected `graph_...`, `field.attribute text` or a comment, found "Warning: foo in x.php on line 3"
            ! config:4: expected `graph_...`, `field.attribute text` or a comment, found "/bin/sh: 1: bc: not found"
        "#]],
    );
    fetch(
        "a.value 3.9e-05\nb.value -nan\nc.value .5\nd.value 1.\ne.value +3\nf.value -0\ng.value 0x10\nh.value 1e400\ni.value 12%\nj.value U (timeout)\nno_final.value 1",
        expect![[r#"
            plugin/a is 0.000039
            plugin/b is U
            plugin/c is 0.5
            plugin/d is 1
            plugin/e is 3
            plugin/f is -0
            plugin/h is inf
            plugin/j is U
            plugin/no_final is 1
            ! fetch:7: field g: expected a number or U, found "0x10"
            ! fetch:9: field i: expected a number or U, found "12%"
        "#]],
    );
    // Several readings of a field with times, the last without a final newline; blank and dotted lines between.
    fetch(
        "multigraph a.b.c\nx.value 1700000000:1\n\nx.value 1700000060:U\n#x.value 3\nx.value 1700000120:-2.5",
        expect![[r#"
            a.b.c/x is 1 at 1700000000
            a.b.c/x is U at 1700000060
            a.b.c/x is -2.5 at 1700000120
        "#]],
    );
}

#[test]
fn names_are_kept_whatever_their_length_and_script() {
    config(
        "graph_title Größe €\na_field_name_that_is_longer_than_nineteen.label x\n24h.label d\nroot.label r\nmunin-node.label m\nöl.label o\n",
        expect![[r#"
            plugin
              graph_title = Größe €
              a_field_name_that_is_longer_than_nineteen: label = x
              _4h: label = d
              root: label = r
              munin_node: label = m
              _l: label = o
        "#]],
    );
}

#[test]
fn a_multigraph_without_a_name_is_a_problem() {
    config(
        "multigraph\ngraph_title T\nmultigraph  two words\nmultigraph multigraph\nmultigraph .a\nmultigraph a..b\n",
        expect![[r#"
            plugin
              graph_title = T
            ! config:1: expected `graph_...`, `field.attribute text` or a comment, found "multigraph"
            ! config:3: multigraph: graph name "two words": expected 1 to 150 letters, digits, '_', '-', '.', ':', without a leading, trailing or double '.', and not 'multigraph'; its lines are ignored
            ! config:4: multigraph: graph name "multigraph": expected 1 to 150 letters, digits, '_', '-', '.', ':', without a leading, trailing or double '.', and not 'multigraph'; its lines are ignored
            ! config:5: multigraph: graph name ".a": expected 1 to 150 letters, digits, '_', '-', '.', ':', without a leading, trailing or double '.', and not 'multigraph'; its lines are ignored
            ! config:6: multigraph: graph name "a..b": expected 1 to 150 letters, digits, '_', '-', '.', ':', without a leading, trailing or double '.', and not 'multigraph'; its lines are ignored
        "#]],
    );
}

#[test]
fn the_line_of_an_attribute_is_known() {
    let text =
        "graph_title T\nwarning 5\na.label A\na.type GAUGE\na.type GAGUE\nmultigraph b\nx.min 0\n";
    let parsed = parse_config(text, &plugin());
    let check = |graph: &str, field: Option<&str>, attribute: &str, line: u32| {
        let (graph, field) = (
            GraphName::new(graph).unwrap(),
            field.map(|field| FieldName::new(field).unwrap()),
        );
        let found = parsed.lines.of(&graph, field.as_ref(), attribute);
        assert_eq!(found, line, "{graph} {field:?} {attribute}");
    };
    check("plugin", None, "graph_title", 1);
    check("plugin", Some("a"), "type", 5);
    check("plugin", Some("a"), "warning", 2);
    check("plugin", Some("a"), "max", 3);
    check("b", Some("x"), "label", 7);
    check("b", None, "graph_title", 7);
    check("c", None, "graph_title", 0);
}

#[test]
fn the_text_of_a_reading_is_found_again() {
    let text = "a.value 1.50 x\n b-c.value\t3.9e-05\rd.value 1700000000:0.000\n";
    let parsed = parse_fetch(text, &plugin());
    let lines: Vec<&str> = text.split('\n').collect();
    let printed: Vec<_> = parsed
        .samples
        .iter()
        .map(|sample| printed_reading(&lines, sample).unwrap())
        .collect();
    assert_eq!(printed, ["1.50", "3.9e-05", "0.000"]);
}

/// Pieces of lines, so that random texts say something.
const PIECES: [&str; 26] = [
    "a",
    "b.c",
    "f",
    ".",
    ".value",
    ".label",
    ".draw",
    ".type",
    ".warning",
    ".negative",
    ".cdef",
    "graph_title",
    "graph_order",
    "graph_args",
    "multigraph",
    "host_name",
    "update_rate",
    " ",
    "\n",
    "\n",
    "\r",
    "\t",
    "U",
    "12:7",
    "-l 'x",
    "STACK",
];

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(bytes in proptest::collection::vec(0u8..=255, 0..200)) {
        let text = text_of(&bytes);
        let _ = parse_config(&text, &plugin());
        let _ = parse_fetch(&text, &plugin());
    }

    #[test]
    fn whatever_is_said_problems_have_lines_and_readings_their_texts(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..60)
    ) {
        let text = pieces.concat();
        let lines: Vec<&str> = text.split('\n').collect();
        let (config, fetch) = (parse_config(&text, &plugin()), parse_fetch(&text, &plugin()));
        for declaration in &config.declarations {
            let place = |field: Option<&FieldName>, attribute: &str| {
                Problem::new("config", config.lines.of(&declaration.graph, field, attribute), "")
            };
            for problem in crate::graph::Graph::resolve_from(declaration, &place).1 {
                proptest::prop_assert!((1..=lines.len()).contains(&(problem.line as usize)), "{}", problem);
            }
        }
        for problem in config.problems.iter().chain(&fetch.problems) {
            proptest::prop_assert!((1..=lines.len()).contains(&(problem.line as usize)), "{}", problem);
        }
        for sample in config.samples.iter().chain(&fetch.samples) {
            proptest::prop_assert!(printed_reading(&lines, sample).is_some(), "{:?}", sample);
        }
    }
}
