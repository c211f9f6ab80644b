//! Pictures that were looked at. `UPDATE_GOLDEN=1 cargo test -p ravenry-web golden` makes them anew: look at each again.
//!
//! SVG is compared as text, PNG as pixels, of which a few may differ by little where floating point does.

use std::path::PathBuf;

use super::*;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn update() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// Compares both forms of a picture with the files `name.svg` and `name.png`.
fn check(name: &str, input: &Input<'_>, options: &Options) {
    let model = Model::resolve(input, options);
    compare_svg(&format!("{name}.svg"), &svg(&model));
    compare_png(&format!("{name}.png"), &png(&model));
}

fn compare_svg(name: &str, found: &str) {
    if update() {
        return std::fs::write(path(name), found).unwrap();
    }
    let expected = std::fs::read_to_string(path(name)).unwrap_or_default();
    assert!(
        found == expected,
        "{name} differs; to renew: UPDATE_GOLDEN=1 cargo test -p ravenry-web golden"
    );
}

fn compare_png(name: &str, found: &[u8]) {
    const DIFFERENT_BYTES_MAX: usize = 50;
    const DIFFERENCE_MAX: u8 = 3;
    if update() {
        return std::fs::write(path(name), found).unwrap();
    }
    let (expected_size, expected) = decode(&std::fs::read(path(name)).unwrap_or_default());
    let (size, pixels) = decode(found);
    assert_eq!(size, expected_size, "{name}");
    let differences = pixels
        .iter()
        .zip(&expected)
        .map(|(a, b)| a.abs_diff(*b))
        .filter(|difference| *difference > 0);
    let differences: Vec<u8> = differences.collect();
    assert!(
        differences.len() <= DIFFERENT_BYTES_MAX
            && differences
                .iter()
                .all(|difference| *difference <= DIFFERENCE_MAX),
        "{name} differs in {} bytes; to renew: UPDATE_GOLDEN=1 cargo test -p ravenry-web golden",
        differences.len()
    );
}

fn decode(png: &[u8]) -> ((u32, u32), Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    ((frame.width, frame.height), pixels)
}

/// Noise between -1 and 1 that is the same everywhere.
fn noise(series: usize, row: usize) -> f64 {
    let mut state = (series as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (row as u64 + 7).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state ^= state >> 29;
    state = state.wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^= state >> 32;
    (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// A day's course: low at night, high in the afternoon.
fn course(row: usize, rows: usize) -> f64 {
    0.5 - 0.5 * (row as f64 / rows as f64 * std::f64::consts::TAU).cos()
}

const ROWS: usize = 288;

const LOAD: &str = "
    graph_title Load average
    graph_args --base 1000 -l 0
    graph_vlabel load
    graph_scale no
    load.label load
    load.warning 10
    load.critical 120";

fn load_number(_: usize, row: usize) -> f64 {
    0.4 + 2.0 * course(row, ROWS)
        + 0.5 * noise(0, row).abs()
        + if row % 97 == 3 { 1.5 } else { 0.0 }
}

const CPU: &str = "
    graph_title CPU usage
    graph_args --base 1000 -r --lower-limit 0 --upper-limit 400
    graph_vlabel %
    graph_scale no
    graph_order system user nice idle iowait irq softirq steal
    system.label system
    system.draw AREA
    system.type DERIVE
    user.label user
    user.draw STACK
    user.type DERIVE
    nice.label nice
    nice.draw STACK
    nice.type DERIVE
    idle.label idle
    idle.draw STACK
    idle.type DERIVE
    iowait.label iowait
    iowait.draw STACK
    iowait.type DERIVE
    irq.label irq
    irq.draw STACK
    irq.type DERIVE
    softirq.label softirq
    softirq.draw STACK
    softirq.type DERIVE
    steal.label steal
    steal.draw STACK
    steal.type DERIVE";

fn cpu_number(series: usize, row: usize) -> f64 {
    let share = |series: usize| {
        let busy = [20.0, 60.0, 2.0, 0.0, 25.0, 1.0, 4.0, 0.5];
        busy[series] * (0.3 + course(row, ROWS)) * (1.0 + 0.3 * noise(series, row))
    };
    match series {
        3 => 400.0 - (0..8).filter(|other| *other != 3).map(share).sum::<f64>(),
        other => share(other),
    }
}

const IF: &str = "
    graph_title eth0 traffic
    graph_order down up
    graph_args --base 1000
    graph_vlabel bits in (-) / out (+) per ${graph_period}
    down.label received
    down.type DERIVE
    down.graph no
    down.cdef down,8,*
    up.label bps
    up.type DERIVE
    up.draw AREA
    up.negative down
    up.cdef up,8,*";

fn if_number(series: usize, row: usize) -> f64 {
    let scale = if series == 0 { 9e6 } else { 1.6e6 };
    scale * (0.15 + course(row, ROWS)) * (1.0 + 0.4 * noise(series, row))
}

const DF: &str = "
    graph_title Disk usage in percent
    graph_args --upper-limit 100 -l 0
    graph_vlabel %
    graph_scale no
    root.label /
    root.warning 92
    root.critical 98
    home.label /home
    home.warning 92
    home.critical 98
    srv.label /srv/a-very-long-mount-point/that/somebody/chose/in/a/hurry
    srv.warning 92
    srv.critical 98";

fn df_number(series: usize, row: usize) -> f64 {
    [42.0, 71.0, 88.0][series] + row as f64 / ROWS as f64 * [0.5, -3.0, 8.0][series]
}

const MEMORY: &str = "
    graph_title Memory usage
    graph_args --base 1024 -l 0
    graph_vlabel Bytes
    apps.label apps
    apps.draw AREA
    slab.label slab
    slab.draw STACK
    cache.label cache
    cache.draw STACK
    free.label unused
    free.draw STACK
    committed.label committed
    committed.draw LINE2";

fn memory_number(series: usize, row: usize) -> f64 {
    let gib = 1024.0_f64.powi(3);
    gib * match series {
        0 => 3.0 + course(row, ROWS),
        1 => 0.4,
        2 => 8.0 + row as f64 / ROWS as f64,
        3 => 15.6 - 3.0 - course(row, ROWS) - 0.4 - 8.0 - row as f64 / ROWS as f64,
        _ => 6.0 + 2.0 * course(row, ROWS),
    }
}

fn day(lines: &str, number: impl Fn(usize, usize) -> f64) -> (Graph, History) {
    let graph = graph(lines);
    let history = history(&graph, DAY, ROWS, number);
    (graph, history)
}

fn by_day() -> Options {
    Options {
        title_suffix: Some("by day".to_owned()),
        ..options(DAY)
    }
}

fn check_day(name: &str, lines: &str, number: impl Fn(usize, usize) -> f64) {
    let (graph, history) = day(lines, number);
    check(name, &input(&graph, &history), &by_day());
}

#[test]
fn golden_line() {
    check_day("load", LOAD, load_number);
}

#[test]
fn golden_stack_over_a_clock_change() {
    check_day("cpu", CPU, cpu_number);
}

#[test]
fn golden_mirrored_field() {
    check_day("if", IF, if_number);
}

#[test]
fn golden_thresholds_and_a_label_that_is_too_long() {
    check_day("df", DF, df_number);
}

#[test]
fn golden_base_1024_stack_and_line() {
    check_day("memory", MEMORY, memory_number);
}

#[test]
fn golden_nothing_known() {
    check_day("empty", LOAD, |_, _| f64::NAN);
}

#[test]
fn golden_one_sample_only() {
    check_day(
        "one-sample",
        LOAD,
        |_, row| if row == 144 { 1.25 } else { f64::NAN },
    );
}

#[test]
fn golden_gaps() {
    let number = |series: usize, row: usize| match row {
        60..90 => f64::NAN,
        150..153 => f64::NAN,
        200..230 if series == 0 || series == 2 => f64::NAN,
        250.. => f64::NAN,
        _ => memory_number(series, row),
    };
    check_day("gaps", MEMORY, number);
}

#[test]
fn golden_negative_numbers() {
    let lines = "
        graph_title Temperature
        graph_vlabel °C
        graph_scale no
        out.label outside
        in.label inside
        in.draw LINE2";
    check_day("negative", lines, |series, row| {
        let course = course(row, ROWS);
        if series == 0 {
            -12.0 + 18.0 * course + noise(0, row) * 0.3
        } else {
            19.0 + 2.5 * course
        }
    });
}

#[test]
fn golden_tiny_numbers() {
    let lines = "
        graph_title NTP offset
        graph_vlabel seconds
        offset.label offset
        jitter.label jitter
        jitter.draw AREA";
    check_day("tiny", lines, |series, row| {
        if series == 0 {
            0.000_03 * noise(0, row)
        } else {
            0.000_01 * noise(1, row).abs()
        }
    });
}

#[test]
fn golden_huge_numbers_and_total() {
    let lines = "
        graph_title Requests
        graph_vlabel requests per ${graph_period}
        graph_period minute
        graph_args -l 0
        graph_total all
        a.label alpha
        a.type DERIVE
        a.draw AREASTACK
        b.label beta
        b.type DERIVE
        b.draw AREASTACK";
    check_day("huge", lines, |series, row| {
        3e17 * (series as f64 + 1.0) * (0.2 + course(row, ROWS))
    });
}

#[test]
fn golden_logarithmic() {
    let lines = "
        graph_title Latency
        graph_vlabel seconds
        graph_args --logarithmic --lower-limit 0.001
        p50.label median
        p99.label 99 %";
    check_day("log", lines, |series, row| {
        10_f64.powf(-2.5 + 2.0 * series as f64 + noise(series, row))
    });
}

#[test]
fn golden_dark_at_twice_the_scale() {
    let (graph, history) = day(CPU, cpu_number);
    let options = Options {
        theme: Theme::Dark,
        scale: Scale::Two,
        ..by_day()
    };
    check("cpu-dark-2x", &input(&graph, &history), &options);
}

#[test]
fn golden_theme_of_the_reader() {
    let (graph, history) = day(IF, if_number);
    let options = Options {
        theme: Theme::Auto,
        ..by_day()
    };
    let model = Model::resolve(&input(&graph, &history), &options);
    compare_svg("if-auto.svg", &svg(&model));
}

#[test]
fn golden_munin_colours() {
    let (graph, history) = day(CPU, cpu_number);
    let options = Options {
        palette: Palette::Munin,
        size: Size::Plot(600, 250),
        ..by_day()
    };
    check("cpu-munin", &input(&graph, &history), &options);
}

#[test]
fn golden_without_legend_in_a_given_size() {
    let (graph, history) = day(IF, if_number);
    let options = Options {
        size: Size::Picture(360, 180),
        legend: false,
        ..by_day()
    };
    check("if-small", &input(&graph, &history), &options);
}

#[test]
fn golden_sparkline() {
    let (graph, history) = day(LOAD, load_number);
    let options = Options {
        size: Size::Picture(120, 28),
        ..by_day()
    };
    let model = Model::sparkline(&input(&graph, &history), &options);
    compare_svg("sparkline.svg", &svg(&model));
    compare_png("sparkline.png", &png(&model));
}

#[test]
fn golden_many_fields_mirrored_with_total() {
    let mut lines = String::from(
        "graph_title Ports of the switch in the cellar of Übersee, Öland\ngraph_total sum\ngraph_vlabel bits per second\n",
    );
    for port in 1..=24 {
        let plain = format!(
            "in{port}.label received {port}\nin{port}.graph no\nout{port}.label port {port}\n"
        );
        lines.push_str(&plain);
        lines.push_str(&format!(
            "out{port}.negative in{port}\nout{port}.draw AREASTACK\n"
        ));
    }
    let graph = graph(&lines);
    let history = history(&graph, DAY, ROWS, |series, row| {
        1e5 * (1.0 + series as f64) * (0.2 + course(row, ROWS)) * (1.0 + 0.2 * noise(series, row))
    });
    let options = Options {
        size: Size::Plot(600, 300),
        ..by_day()
    };
    check("ports", &input(&graph, &history), &options);
}

#[test]
fn golden_an_hour_and_what_is_to_come() {
    let lines = "
        graph_title Температура λ 温度
        graph_vlabel °C
        graph_scale no
        cpu.label CPU ≤ 80 °C
        cpu.cdef cpu,1000,/
        cpu.warning 44000
        cpu.critical 30000:48000
        cpu.line 41:ff0000:limit";
    let graph = graph(lines);
    let history = history(&graph, 3600, 60, |_, row| {
        if row > 50 {
            f64::NAN
        } else {
            42_000.0 + 1500.0 * noise(0, row)
        }
    });
    check("hour", &input(&graph, &history), &options(4200));
}

#[test]
fn golden_year() {
    let graph = graph(DF);
    let year = 400 * DAY;
    let history = history(&graph, year, 1600, |series, row| {
        df_number(series, row * ROWS / 1600) - 2.0 * noise(series, row)
    });
    let options = Options {
        title_suffix: Some("by year".to_owned()),
        ..options(year)
    };
    check("df-year", &input(&graph, &history), &options);
}

#[test]
fn golden_week() {
    let graph = graph(LOAD);
    let week = 8 * DAY;
    let history = history(&graph, week, 400, |series, row| {
        load_number(series, row * 6 % ROWS)
    });
    let options = Options {
        title_suffix: Some("by week".to_owned()),
        ..options(week)
    };
    check("load-week", &input(&graph, &history), &options);
}

/// What is asked for beside the means of a day.
fn check_beside(name: &str, lines: &str, number: fn(usize, usize) -> f64, options: &Options) {
    let (graph, average) = day(lines, number);
    let wider = |by: f64| {
        history(&graph, DAY, ROWS, |series, row| {
            number(series, row) * (1.0 + by * noise(series + 9, row).abs())
        })
    };
    let (min, max) = (wider(-0.5), wider(0.8));
    let week = history(&graph, DAY, ROWS / 6, |series, row| {
        number(series, row * 6) * 0.8
    });
    let earlier = History {
        start: week.start - Duration::from_secs(604_800),
        end: week.end - Duration::from_secs(604_800),
        ..week
    };
    let input = Input {
        min: Some(&min),
        max: Some(&max),
        earlier: Some(Earlier {
            history: &earlier,
            seconds: 604_800,
            words: "a week",
        })
        .filter(|_| !options.billing),
        ..input(&graph, &average)
    };
    check(name, &input, options);
}

#[test]
fn golden_band_and_a_week_earlier() {
    check_beside("beside-line", LOAD, load_number, &by_day());
    check_beside("beside-stack", MEMORY, memory_number, &by_day());
}

#[test]
fn golden_band_of_a_mirrored_field_and_billing() {
    let options = Options {
        billing: true,
        size: Size::Plot(600, 200),
        ..by_day()
    };
    check_beside("billing", IF, if_number, &options);
}

#[test]
fn golden_trend_that_reaches_a_threshold() {
    let options = Options {
        trend: true,
        forecast: Duration::from_secs(43_200),
        ..by_day()
    };
    let (graph, history) = day(DF, df_number);
    check("forecast", &input(&graph, &history), &options);
    let dark = Options {
        theme: Theme::Dark,
        ..options
    };
    let (graph, history) = day(MEMORY, memory_number);
    check("forecast-stack", &input(&graph, &history), &dark);
}

#[test]
fn golden_incidents_a_downtime_and_what_is_tried() {
    let (graph, history) = day(DF, df_number);
    let event = |from: i64, to: i64, kind| Event {
        start: Timestamp::from_seconds(START + from * 600),
        end: Timestamp::from_seconds(START + to * 600),
        kind,
    };
    let events = [
        event(-20, 6, EventKind::Unknown),
        event(30, 44, EventKind::Warning),
        event(40, 40, EventKind::Critical),
        event(60, 84, EventKind::Downtime),
        event(100, 130, EventKind::Critical),
        event(34, 44, EventKind::TriedWarning),
        event(101, 101, EventKind::TriedCritical),
        event(110, 130, EventKind::TriedCritical),
        event(500, 600, EventKind::Critical),
    ];
    let input = Input {
        events: &events,
        ..input(&graph, &history)
    };
    check("events", &input, &by_day());
    let dark = Options {
        theme: Theme::Dark,
        size: Size::Picture(480, 190),
        ..by_day()
    };
    check("events-dark", &input, &dark);
}
