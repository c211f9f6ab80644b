//! A life of a schedule is a list of plugins, each with how long its runs take and which of them fail; its outcome is the
//! list of starts, in virtual time.

use expect_test::{Expect, expect};
use ravenry_plugins::clock;

use super::*;

/// A plugin of a played schedule.
#[derive(Clone)]
struct Actor {
    name: &'static str,
    takes_seconds: f64,
    /// Runs that fail, counted from 1.
    fails: std::ops::Range<u64>,
    declares: Option<u64>,
    appears_seconds: u64,
    changes_seconds: Option<u64>,
}

fn actor(name: &'static str) -> Actor {
    Actor {
        name,
        takes_seconds: 0.1,
        fails: 0..0,
        declares: None,
        appears_seconds: 0,
        changes_seconds: None,
    }
}

struct Played {
    name: &'static str,
    at: Duration,
    run: u64,
    config: bool,
    running: usize,
    back_off: Option<Duration>,
}

/// Plays `actors` for `length` in virtual time; plugins are looked for each 10 s.
fn play(actors: &[Actor], concurrency_max: usize, length: Duration) -> Vec<Played> {
    let origin = clock::monotonic();
    let mut schedule = Schedule::new(origin, Duration::from_secs(60), concurrency_max);
    let mut now = origin;
    let mut scan_due = origin;
    let mut ends: Vec<(Instant, Start, u64, usize)> = Vec::new();
    let mut runs: BTreeMap<PluginName, u64> = BTreeMap::new();
    let mut played: Vec<Played> = Vec::new();
    while now - origin <= length {
        let of = |start: &Start| {
            actors
                .iter()
                .find(|actor| *actor.name == *start.name)
                .unwrap()
        };
        while let Some(at) = ends.iter().position(|(end, ..)| *end <= now) {
            let (_, start, nth, index) = ends.remove(at);
            let interval = of(&start).declares.map(Duration::from_secs);
            let good = !of(&start).fails.contains(&nth);
            let next = schedule.handle_finished(now, &start, Finished { good, interval });
            played[index].back_off = next.and_then(|next| next.back_off);
        }
        if scan_due <= now {
            schedule.handle_found(now, &found(actors, now - origin));
            scan_due = now + Duration::from_secs(10);
        }
        for start in schedule.start_due(now) {
            let nth = runs.entry(start.name.clone()).or_default();
            *nth += 1;
            let takes = Duration::from_secs_f64(of(&start).takes_seconds);
            let name = of(&start).name;
            let config = start.config;
            ends.push((now + takes, start, *nth, played.len()));
            played.push(Played {
                name,
                at: now - origin,
                run: *nth,
                config,
                running: ends.len(),
                back_off: None,
            });
        }
        let wakes = ends
            .iter()
            .map(|end| end.0)
            .chain(schedule.poll_timeout())
            .chain([scan_due]);
        let wake = wakes.min().unwrap();
        assert!(
            wake > now,
            "the schedule wants to be woken at once, for ever"
        );
        now = wake;
    }
    played
}

fn found(actors: &[Actor], at: Duration) -> Vec<Found> {
    let there = actors
        .iter()
        .filter(|actor| actor.appears_seconds <= at.as_secs());
    there
        .map(|actor| Found {
            name: actor.name.into(),
            fingerprint: u64::from(
                actor
                    .changes_seconds
                    .is_some_and(|change| change <= at.as_secs()),
            ),
            interval: None,
            point: actor.name.into(),
            instant: false,
        })
        .collect()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a snapshot is made where it is used"
)]
fn check(actors: &[Actor], concurrency_max: usize, length_seconds: u64, expect: Expect) {
    let played = play(actors, concurrency_max, Duration::from_secs(length_seconds));
    let lines = played.iter().map(|start| {
        let config = if start.config { " config" } else { "" };
        let back_off = start.back_off.map_or_else(String::new, |pause| {
            format!(" then pause {}s", pause.as_secs())
        });
        format!(
            "{:<7.1} {}{config}{back_off}\n",
            start.at.as_secs_f64(),
            start.name
        )
    });
    expect.assert_eq(&lines.collect::<String>());
}

#[test]
fn everything_is_read_at_once_then_again_then_spread() {
    check(
        &[actor("cpu"), actor("df"), actor("load")],
        8,
        140,
        expect![[r#"
            0.0     cpu config
            0.0     df config
            0.0     load config
            10.0    cpu
            10.0    df
            10.0    load
            54.9    load
            63.8    df
            65.1    cpu
            114.9   load
            123.8   df
            125.1   cpu
        "#]],
    );
}

#[test]
fn no_more_run_at_once_than_allowed() {
    let slow = |name| Actor {
        takes_seconds: 3.0,
        ..actor(name)
    };
    check(
        &[slow("a"), slow("b"), slow("c"), slow("d"), slow("e")],
        2,
        9,
        expect![[r#"
            0.0     a config
            0.0     b config
            2.0     c config
            2.0     d config
            4.0     e config
        "#]],
    );
}

#[test]
fn a_plugin_slower_than_its_interval_skips_points_and_never_overlaps_itself() {
    check(
        &[
            Actor {
                takes_seconds: 90.0,
                ..actor("apt")
            },
            actor("cpu"),
        ],
        8,
        400,
        expect![[r#"
            0.0     apt config
            0.0     cpu config
            10.0    cpu
            65.1    cpu
            90.0    apt
            125.1   cpu
            185.1   cpu
            233.2   apt
            245.1   cpu
            305.1   cpu
            353.2   apt
            365.1   cpu
        "#]],
    );
}

#[test]
fn a_broken_plugin_runs_less_and_less_often_until_it_recovers() {
    check(
        &[Actor {
            fails: 2..9,
            ..actor("mysql")
        }],
        8,
        4_100,
        expect![[r#"
            0.0     mysql config
            10.0    mysql
            37.9    mysql
            97.9    mysql then pause 120s
            218.0   mysql then pause 240s
            458.1   mysql then pause 480s
            938.2   mysql then pause 960s
            1898.3  mysql then pause 1920s
            3818.4  mysql config
            3877.9  mysql
            3937.9  mysql
            3997.9  mysql
            4057.9  mysql
        "#]],
    );
}

#[test]
fn a_changed_file_ends_the_pause_and_asks_for_config() {
    check(
        &[Actor {
            fails: 1..6,
            changes_seconds: Some(400),
            ..actor("mysql")
        }],
        8,
        500,
        expect![[r#"
            0.0     mysql config
            37.9    mysql config
            97.9    mysql config then pause 120s
            218.0   mysql config then pause 240s
            400.0   mysql config
            457.9   mysql config
            467.9   mysql
        "#]],
    );
}

#[test]
fn a_dropped_plugin_is_picked_up() {
    check(
        &[Actor {
            appears_seconds: 65,
            ..actor("new")
        }],
        8,
        130,
        expect![[r#"
            70.0    new config
            80.0    new
            109.3   new
        "#]],
    );
}

#[test]
fn a_declared_rate_is_kept() {
    check(
        &[Actor {
            declares: Some(300),
            ..actor("smart")
        }],
        8,
        1000,
        expect![[r#"
            0.0     smart config
            265.5   smart
            565.5   smart
            865.5   smart
        "#]],
    );
}

#[test]
fn config_is_asked_again_each_hour_and_not_each_run() {
    let played = play(&[actor("cpu")], 8, Duration::from_secs(3 * 3600));
    let configs: Vec<u64> = played
        .iter()
        .filter(|start| start.config)
        .map(|start| start.at.as_secs() / 60)
        .collect();
    assert_eq!(configs, [0, 60, 120]);
}

#[test]
fn a_week_of_many_plugins_is_even_complete_and_within_its_limit() {
    let names: Vec<&'static str> = (0..24).map(|i| &*format!("plugin_{i}").leak()).collect();
    let mut actors: Vec<Actor> = names
        .iter()
        .map(|name| Actor {
            takes_seconds: 1.0,
            ..actor(name)
        })
        .collect();
    actors[7].takes_seconds = 600.0;
    let week = Duration::from_secs(7 * 86_400);
    let played = play(&actors, 4, week);
    assert!(
        played.iter().all(|start| start.running <= 5),
        "4 and a slow one"
    );
    let quick = played
        .iter()
        .filter(|start| start.name == "plugin_3")
        .count();
    assert!(
        (10_070..=10_090).contains(&quick),
        "{quick} runs in 10080 minutes"
    );
    let last = played
        .iter()
        .filter(|start| start.name == "plugin_3")
        .map(|start| start.run)
        .max();
    assert_eq!(last, Some(quick as u64));
    let mut by_second = [0_usize; 60];
    for start in played.iter().filter(|start| start.at.as_secs() > 3600) {
        by_second[usize::try_from(start.at.as_secs() % 60).unwrap()] += 1;
    }
    let most = by_second.iter().max().unwrap();
    assert!(
        *most < 4 * 10_080,
        "at most 3 of 24 start within one second, found {most}"
    );
}

#[test]
fn a_hundred_plugins_that_hang_delay_no_other() {
    let starts_of_quick = |hanging: usize| {
        let names = (0..hanging).map(|i| &*format!("hangs_{i}").leak());
        let mut actors: Vec<Actor> = names
            .map(|name| Actor {
                takes_seconds: 32.0,
                ..actor(name)
            })
            .collect();
        actors.push(actor("quick"));
        let played = play(&actors, 4, Duration::from_secs(7200));
        let most = played.iter().map(|start| start.running).max();
        let quick = played.iter().filter(|start| start.name == "quick");
        let starts: Vec<Duration> = quick.map(|start| start.at).collect();
        (starts, most.unwrap())
    };
    let (alone, _) = starts_of_quick(0);
    let (beside, most) = starts_of_quick(100);
    // It may wait once, while nobody knows yet who hangs.
    let later = |starts: &[Duration]| -> Vec<Duration> {
        let starts = starts.iter().filter(|at| at.as_secs() > 300);
        starts.copied().collect()
    };
    assert_eq!(later(&beside), later(&alone));
    assert_eq!(most, 4 + 4 * SLOW_LANE, "places, usual and slow");
}

#[test]
fn a_slow_run_gives_its_place_up() {
    let slow = |name| Actor {
        takes_seconds: 30.0,
        ..actor(name)
    };
    check(
        &[slow("a"), slow("b"), actor("c")],
        1,
        70,
        expect![[r#"
        0.0     a config
        2.0     b config
        4.0     c config
        14.0    c
        30.0    a
        32.0    b
        64.4    c
    "#]],
    );
}

#[test]
fn a_run_of_a_plugin_that_is_gone_is_ignored() {
    let now = clock::monotonic();
    let mut schedule = Schedule::new(now, Duration::from_secs(60), 1);
    let one = [Found {
        name: "a".into(),
        fingerprint: 0,
        interval: None,
        point: "a".into(),
        instant: false,
    }];
    schedule.handle_found(now, &one);
    let start = schedule.start_due(now).remove(0);
    schedule.handle_found(now, &[]);
    schedule.handle_found(now, &one);
    let again = schedule.start_due(now).remove(0);
    let good = Finished {
        good: true,
        interval: None,
    };
    assert_eq!(schedule.handle_finished(now, &start, good), None);
    assert!(schedule.handle_finished(now, &again, good).is_some());
    assert_eq!((schedule.taken.usual, schedule.taken.slow), (0, 0));
}

#[test]
fn instant_plugins_share_a_point_and_take_nobodys_place() {
    let now = clock::monotonic();
    let mut schedule = Schedule::new(now, Duration::from_secs(60), 1);
    let found = |name: &str, point: &str, instant| Found {
        name: name.into(),
        fingerprint: 0,
        interval: None,
        point: point.into(),
        instant,
    };
    let all = [
        found("cpu", "host", true),
        found("disk", "disk", false),
        found("load", "host", true),
        found("sensors", "sensors", false),
    ];
    schedule.handle_found(now, &all);
    let names = |starts: &[Start]| {
        starts
            .iter()
            .map(|start| start.name.to_string())
            .collect::<Vec<_>>()
    };
    let first = schedule.start_due(now);
    assert_eq!(names(&first), ["cpu", "disk", "load"]);
    let good = Finished {
        good: true,
        interval: None,
    };
    let soon = now + Duration::from_secs(1);
    assert_eq!(names(&schedule.start_due(soon)), [""; 0]);
    schedule.handle_finished(soon, &first[1], good);
    assert_eq!(names(&schedule.start_due(soon)), ["sensors"]);
    let mut dues = Vec::new();
    for start in first.iter().filter(|start| *start.name != *"disk") {
        schedule.handle_finished(now, start, good);
        let later = now + SECOND_READING;
        let again = schedule.start_due(later);
        let again = again.iter().find(|again| again.name == start.name);
        dues.push(
            schedule
                .handle_finished(later, again.unwrap(), good)
                .unwrap()
                .due,
        );
    }
    assert_eq!(dues[0], dues[1]);
}
