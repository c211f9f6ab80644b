//! A life of a gatherer is a list of runs, written as a plugin prints them; its outcome is the list of batches.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use ravenry_plugins::clock;
use ravenry_plugins::munin::{parse_config, parse_fetch};

use super::*;

/// A run: seconds after the start, plugin, what `config` printed (empty: not asked), what fetch printed.
type Line = (u64, &'static str, &'static str, &'static str);

const CPU: &str = "graph_title CPU\nuser.label user\n";

fn run_of((at, plugin, config, fetch): &Line, wall: i64) -> Run {
    let name = GraphName::new(plugin).unwrap();
    let fetched = parse_fetch(fetch, &name);
    Run {
        plugin: (*plugin).into(),
        time: Timestamp::from_seconds(wall + i64::try_from(*at).unwrap()),
        duration: Duration::from_millis(20),
        declarations: (!config.is_empty()).then(|| parse_config(config, &name).declarations),
        samples: fetched.samples,
        extinfo: fetched.extinfo,
        verdict: None,
        error: None,
        problems: fetched.problems,
        declares_all: true,
    }
}

fn show(batch: &Batch, at: u64) -> String {
    let mut text = format!("{at:<4}");
    for graph in &batch.graphs {
        let _ = write!(
            text,
            " declares {}{}",
            graph
                .host
                .as_ref()
                .map_or(String::new(), |host| format!("{host}/")),
            graph.graph
        );
    }
    for (i, index) in batch.samples.series.iter().enumerate() {
        let at = *index as usize;
        let host = batch
            .series
            .host
            .get(at)
            .cloned()
            .flatten()
            .map_or(String::new(), |host| format!("{host}/"));
        let (graph, field) = (&batch.series.graph[at], &batch.series.field[at]);
        let _ = write!(
            text,
            " {host}{graph}.{field}={}@{}",
            batch.samples.value[i], batch.samples.time[i]
        );
    }
    for gone in &batch.gone {
        let of = gone.host.as_ref().map_or("", |host| host.as_str());
        let _ = write!(text, " gone {of}{:?}", gone.what);
    }
    for problem in batch.runs.iter().flat_map(|run| &run.problems) {
        let _ = write!(text, "\n     problem {problem}");
    }
    text + "\n"
}

fn play(lines: &[Line]) -> (Gather, Instant, String) {
    let origin = clock::monotonic();
    let mut gather = Gather::new(
        origin,
        HostName::new("web1").unwrap(),
        Duration::from_secs(60),
    );
    let mut shown = String::new();
    for line in lines {
        let now = origin + Duration::from_secs(line.0);
        while let Some(due) = gather.poll_timeout().filter(|due| *due <= now) {
            if let Some(batch) = gather.poll_batch(due) {
                shown += &show(&batch, (due - origin).as_secs());
            }
        }
        if gather.handle_run(now, run_of(line, 1000)) {
            shown += &format!("{:<4} config of {} is stale\n", line.0, line.1);
        }
    }
    (gather, origin, shown)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a snapshot is made where it is used"
)]
fn check(lines: &[Line], expect: Expect) {
    let (mut gather, _, mut shown) = play(lines);
    for batch in gather.drain() {
        shown += &show(&batch, 999);
    }
    expect.assert_eq(&shown);
}

#[test]
fn a_declaration_travels_once_and_again_when_it_changes() {
    check(
        &[
            (0, "cpu", CPU, "user.value 1"),
            (60, "cpu", "", "user.value 2"),
            (120, "cpu", CPU, "user.value 3"),
            (
                180,
                "cpu",
                "graph_title CPU\nuser.label used\n",
                "user.value 4",
            ),
        ],
        expect![[r#"
            0    declares cpu cpu.user=1@1000
            70   cpu.user=2@1060
            130  cpu.user=3@1120
            999  declares cpu cpu.user=4@1180
        "#]],
    );
}

#[test]
fn runs_of_a_short_time_share_a_batch() {
    check(
        &[
            (0, "cpu", CPU, "user.value 1"),
            (
                0,
                "load",
                "graph_title Load\nload.label load\n",
                "load.value 0.5",
            ),
            (60, "cpu", "", "user.value 2"),
            (69, "load", "", "load.value 0.7"),
            (71, "cpu", "", "user.value 3"),
        ],
        expect![[r#"
            0    declares cpu declares load cpu.user=1@1000 load.load=0.5@1000
            70   cpu.user=2@1060 load.load=0.7@1069
            999  cpu.user=3@1071
        "#]],
    );
}

#[test]
fn what_config_does_not_declare_is_not_sent_and_asked_for() {
    check(
        &[
            (0, "cpu", CPU, "user.value 1\nsystem.value 2"),
            (60, "cpu", "", "user.value 1\nsystem.value 2\nidle.value 3"),
            (
                120,
                "cpu",
                "graph_title CPU\nuser.label user\nsystem.label system\n",
                "user.value 1\nsystem.value 2",
            ),
        ],
        expect![[r#"
            0    declares cpu cpu.user=1@1000
                 problem fetch: graph cpu, field system: has a value, but config declares no such field
            60   config of cpu is stale
            70   cpu.user=1@1060
            999  declares cpu cpu.user=1@1120 cpu.system=2@1120
        "#]],
    );
}

#[test]
fn history_printed_again_is_not_sent_again() {
    check(
        &[
            (0, "cpu", CPU, "user.value 980:1\nuser.value 990:2"),
            (60, "cpu", "", "user.value 990:2\nuser.value 1000:3"),
        ],
        expect![[r#"
            0    declares cpu cpu.user=1@980 cpu.user=2@990
            999  cpu.user=3@1000
        "#]],
    );
}

#[test]
fn history_printed_backwards_is_put_in_order() {
    check(
        &[(0, "cpu", CPU, "user.value 990:2\nuser.value 980:1")],
        expect![[r#"
            999  declares cpu cpu.user=1@980 cpu.user=2@990
        "#]],
    );
}

#[test]
fn a_graph_belongs_to_the_plugin_that_declared_it_first() {
    check(
        &[
            (0, "cpu", CPU, "user.value 1"),
            (
                0,
                "other",
                "multigraph cpu\ngraph_title CPU\nuser.label user\n",
                "multigraph cpu\nuser.value 7",
            ),
        ],
        expect![[r#"
            999  declares cpu cpu.user=1@1000
                 problem config: graph cpu is already plugin cpu's: expected another name
                 problem fetch: graph cpu, field user: has a value, but config declares no such field
        "#]],
    );
}

#[test]
fn a_plugin_that_speaks_for_another_host_names_it() {
    check(
        &[
            (0, "cpu", CPU, "user.value 1"),
            (
                0,
                "snmp_sw1_if",
                "host_name sw1\ngraph_title If\nrecv.label recv\n",
                "recv.value 5",
            ),
            (
                0,
                "load",
                "graph_title Load\nload.label load\n",
                "load.value 0.5",
            ),
        ],
        expect![[r#"
            999  declares cpu declares sw1/snmp_sw1_if declares load cpu.user=1@1000 sw1/snmp_sw1_if.recv=5@1000 load.load=0.5@1000
        "#]],
    );
}

#[test]
fn an_explanation_changes_the_declaration() {
    check(
        &[
            (0, "cpu", CPU, "user.value 1"),
            (
                60,
                "cpu",
                "",
                "user.value 2\nuser.extinfo busy with backups",
            ),
            (
                120,
                "cpu",
                "",
                "user.value 2\nuser.extinfo busy with backups",
            ),
        ],
        expect![[r#"
            0    declares cpu cpu.user=1@1000
            70   declares cpu cpu.user=2@1060
            999  cpu.user=2@1120
        "#]],
    );
}

#[test]
fn what_the_collector_does_not_know_travels_again() {
    let (mut gather, origin, _) = play(&[(0, "cpu", CPU, "user.value 1")]);
    let _ = gather.drain();
    let now = origin + Duration::from_secs(100);
    gather.handle_stranger(now);
    assert_eq!(gather.drain()[0].graphs.len(), 1);
    assert!(gather.drain().is_empty());
}

#[test]
fn a_clock_that_goes_back_begins_another_batch() {
    let origin = clock::monotonic();
    let mut gather = Gather::new(
        origin,
        HostName::new("web1").unwrap(),
        Duration::from_secs(60),
    );
    for wall in [1000, 900, 901] {
        gather.handle_run(origin, run_of(&(0, "cpu", CPU, "user.value 1"), wall));
    }
    let times: Vec<Vec<i64>> = gather
        .drain()
        .iter()
        .map(|batch| {
            batch
                .samples
                .time
                .iter()
                .map(|time| time.seconds())
                .collect()
        })
        .collect();
    assert_eq!(times, [vec![1000], vec![900, 901]]);
}

#[test]
fn a_run_too_large_for_a_batch_is_cut() {
    let origin = clock::monotonic();
    let mut gather = Gather::new(
        origin,
        HostName::new("web1").unwrap(),
        Duration::from_secs(60),
    );
    let stamps: String = (0..25_000)
        .map(|i| format!("user.value {}:{i}\n", 100 + i))
        .collect();
    let name = GraphName::new("cpu").unwrap();
    let mut run = run_of(&(0, "cpu", CPU, ""), 1000);
    run.samples = parse_fetch(&stamps, &name).samples;
    gather.handle_run(origin, run);
    let sizes: Vec<usize> = gather
        .drain()
        .iter()
        .map(|batch| batch.samples.value.len())
        .collect();
    assert_eq!(sizes, [10_000, 10_000, 5_000]);
}

#[test]
fn a_plugin_that_is_gone_frees_its_graphs() {
    let (mut gather, origin, _) = play(&[(0, "cpu", CPU, "user.value 1")]);
    gather.handle_plugins(origin, |name| name == "other");
    let _ = gather.drain();
    let line = (
        9,
        "other",
        "multigraph cpu\ngraph_title CPU\nuser.label user\n",
        "multigraph cpu\nuser.value 7",
    );
    gather.handle_run(origin + Duration::from_secs(9), run_of(&line, 1000));
    assert_eq!(gather.drain()[0].samples.value.len(), 1);
}

const TWO: &str =
    "multigraph a\ngraph_title A\nx.label x\nmultigraph b\ngraph_title B\nx.label x\n";
const ONE: &str = "multigraph a\ngraph_title A\nx.label x\n";

/// What is gone according to the batches so far.
fn gone(gather: &mut Gather) -> String {
    let batches = gather.drain();
    let gone = batches.iter().flat_map(|batch| &batch.gone);
    gone.map(|gone| format!("{:?} ", gone.what)).collect()
}

#[test]
fn a_plugin_that_stays_away_is_gone_with_all_it_had() {
    let (mut gather, origin, _) = play(&[(0, "two", TWO, ""), (0, "cpu", CPU, "user.value 1")]);
    let mut look = |seconds, there: &str| {
        let now = origin + Duration::from_secs(seconds);
        gather.handle_plugins(now, |name| there.contains(name));
        gone(&mut gather)
    };
    assert_eq!(look(10, "cpu two"), "");
    assert_eq!(look(20, "cpu"), "");
    assert_eq!(look(130, "cpu two"), "", "it was replaced");
    assert_eq!(look(140, "cpu"), "");
    assert_eq!(look(260, "cpu"), r#"Graph("a") Graph("b") Plugin("two") "#);
    assert_eq!(look(270, "cpu"), "", "it is told once");
}

#[test]
fn a_graph_that_is_not_declared_any_more_is_gone_and_one_that_comes_back_is_not() {
    let check = |lines: &[Line], expect: &str| {
        let (mut gather, _, _) = play(lines);
        assert_eq!(gone(&mut gather), expect);
    };
    let two = (0, "two", TWO, "");
    check(&[two, (1, "two", ONE, "")], r#"Graph("b") "#);
    check(&[two, (1, "two", "", "")], "");
    check(&[two, (1, "two", ONE, ""), (2, "two", TWO, "")], "");
    let odd = "multigraph a\ngraph_title A\nx.label x\nmultigraph ///\n";
    check(&[two, (1, "two", odd, "multigraph a\nx.value odd\n")], "");
}

#[test]
fn what_vanished_while_no_agent_ran_is_gone_and_what_moved_is_not() {
    let (mut before, origin, _) = play(&[(0, "two", TWO, ""), (0, "cpu", CPU, "user.value 1")]);
    let inventory = before.unsaved_inventory().unwrap();
    assert_eq!(before.unsaved_inventory(), None);
    let host = HostName::new("web1").unwrap();
    let mut gather = Gather::new(origin, host, Duration::from_secs(60)).with_inventory(inventory);
    gather.handle_run(origin, run_of(&(0, "other", ONE, ""), 1000));
    for seconds in [0, 120] {
        let now = origin + Duration::from_secs(seconds);
        gather.handle_plugins(now, |name| name == "other" || name == "cpu");
    }
    assert_eq!(gone(&mut gather), r#"Graph("b") Plugin("two") "#);
}
