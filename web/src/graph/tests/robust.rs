//! Nothing that a plugin, a file or a reader can say makes the drawing panic or write what is not a number.

use super::*;

const GRAPHS: [&str; 4] = [
    "a.label a\na.draw AREA\nb.label b\nb.draw STACK\nc.label c\nc.draw LINESTACK2",
    "graph_args -o\na.label a\nb.label b\nb.draw AREA\nc.label c",
    "graph_total t\na.label a\na.graph no\nb.label b\nb.negative a\nb.draw AREA\nc.label c\nc.cdef a,b,/,c,+\nc.line 5:ff0000:x",
    "graph_args -r -l 5 -u 1\ngraph_scale no\na.label a\na.warning 1:2\na.critical :1e308\nb.label b\nc.label <c>&\"\nc.draw LINE3\nd.label d\nd.draw AREA",
];

const NUMBERS: [f64; 16] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.0,
    -0.0,
    1.0,
    -1.0,
    1e308,
    -1e308,
    f64::MIN_POSITIVE,
    5e-324,
    1e-200,
    1e199,
    -1e201,
    4_503_599_627_370_497.5,
    0.1,
];

/// A number generator that is the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

fn check(graph: &Graph, history: &History, options: &Options) {
    let span = |from: i64, to: i64, kind| Event {
        start: Timestamp::from_seconds(from),
        end: Timestamp::from_seconds(to),
        kind,
    };
    let events = [
        span(0, i64::from(u32::MAX), EventKind::Downtime),
        span(START, START, EventKind::Critical),
        span(START + 9, START, EventKind::TriedWarning),
    ];
    let beside = Input {
        events: &events,
        min: Some(history),
        max: Some(history),
        earlier: Some(Earlier {
            history,
            seconds: 86_400,
            words: "a day",
        }),
        ..input(graph, history)
    };
    let model = Model::resolve(&beside, options);
    let svg = svg(&model);
    assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{svg}");
    assert!(svg.len() < 3_000_000, "{}", svg.len());
    assert!(png(&model).starts_with(b"\x89PNG"));
    let sparkline = Model::sparkline(&input(graph, history), options);
    assert!(png(&sparkline).starts_with(b"\x89PNG"));
}

#[test]
fn any_numbers_sizes_and_periods_are_drawn() {
    let graphs = GRAPHS.map(graph_of);
    let seed = 20_261_120;
    let mut random = Random(seed);
    for round in 0..400 {
        let graph = &graphs[round % graphs.len()];
        let rows = random.pick(&[0, 1, 2, 3, 40, 300]);
        let seconds = random.pick(&[0, 1, 60, 3600, DAY, 400 * DAY, 40_000 * DAY]);
        let simple = random.below(2) == 0;
        let numbers: Vec<f64> = (0..rows * 3 + 3)
            .map(|_| {
                if simple {
                    random.below(1000) as f64 - 300.0
                } else {
                    random.pick(&NUMBERS)
                }
            })
            .collect();
        let history = history(graph, seconds, rows, |column, row| {
            numbers[row * 3 + column % 3]
        });
        let sides = [0, 1, 20, 61, 400];
        let (width, height) = (random.pick(&sides), random.pick(&sides));
        let options = Options {
            size: if random.below(2) == 0 {
                Size::Plot(width, height)
            } else {
                Size::Picture(width, height)
            },
            theme: random.pick(&[Theme::Light, Theme::Dark, Theme::Auto]),
            trend: random.below(2) == 0,
            forecast: Duration::from_secs(random.pick(&[0, 0, 3600, 864_000])),
            billing: random.below(2) == 0,
            scale: random.pick(&[Scale::One, Scale::Two]),
            start: Timestamp::from_seconds(START - random.pick(&[0, 0, 500, DAY])),
            zone: random.pick(&[
                chrono_tz::UTC,
                chrono_tz::Asia::Beirut,
                chrono_tz::Australia::Lord_Howe,
            ]),
            ..options(random.pick(&[-5, 0, 1, seconds, seconds / 2]))
        };
        check(graph, &history, &options);
    }
}

fn graph_of(lines: &str) -> Graph {
    graph(lines)
}

#[test]
fn a_history_without_the_fields_is_an_empty_picture() {
    let graph = graph(GRAPHS[0]);
    let mut history = history(&graph, DAY, 10, |_, _| 1.0);
    history.columns.clear();
    check(&graph, &history, &options(DAY));
    history.step = Duration::ZERO;
    check(&graph, &history, &options(DAY));
}

#[test]
fn a_lone_sample_leaves_a_trace() {
    for (lines, colour) in [
        ("a.label a", "0072b2"),
        ("a.label a\na.draw AREA", "0072b2"),
    ] {
        let graph = graph(lines);
        let history = history(&graph, 400 * DAY, 9600, |_, row| {
            if row == 4000 { 1.0 } else { f64::NAN }
        });
        let model = Model::resolve(&input(&graph, &history), &options(400 * DAY));
        assert_eq!(model.shapes.len(), 1, "{lines}");
        let plot_colour = svg(&model).matches(colour).count();
        assert!(plot_colour >= 2, "shape and swatch: {lines}");
    }
}

#[test]
fn unknown_is_never_drawn_as_zero() {
    let graph = graph("a.label a\na.draw AREA");
    let history = history(
        &graph,
        DAY,
        4,
        |_, row| if row == 2 { f64::NAN } else { 5.0 },
    );
    let model = Model::resolve(&input(&graph, &history), &options(DAY));
    let points = &model.shapes[0].points;
    assert_eq!(points.runs().count(), 2);
    assert!(points.points.iter().all(|(_, number)| *number == 5.0));
}

#[test]
fn hostile_labels_stay_text() {
    let graph = graph("graph_title <script>alert(1)</script>\na.label \"><script>");
    let history = history(&graph, DAY, 4, |_, _| 1.0);
    let svg = svg(&Model::resolve(&input(&graph, &history), &options(DAY)));
    assert!(!svg.contains("<script"), "{svg}");
}
