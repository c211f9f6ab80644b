//! CPU a picture, ours against `rrdtool -` in the same run: 8 stacked areas, 600 points, 600 x 300, legend.
//!
//! `cargo run --release -p ravenry-web --example draw_speed [ROUNDS]`

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use ravenry_plugins::declaration::{Attributes, Declaration, FieldDeclaration};
use ravenry_plugins::graph::Graph;
use ravenry_plugins::name::{FieldName, GraphName};
use ravenry_plugins::timestamp::Timestamp;
use ravenry_web::graph::{Input, Model, Options, Size, png, svg};
use ravenry_web::source::History;

type Failure = Box<dyn std::error::Error>;

const FIELDS: usize = 8;
const ROWS: i64 = 600;
const STEP: i64 = 300;
const START: i64 = 1_792_800_000;
const COLOURS: [&str; FIELDS] = [
    "0072b2", "e69f00", "009e73", "cc79a7", "56b4e9", "d55e00", "d9c500", "6a51a3",
];

fn main() -> Result<(), Failure> {
    let rounds: u32 = std::env::args()
        .nth(1)
        .map_or(Ok(200), |text| text.parse())?;
    let graph = graph()?;
    let history = history(&graph);
    let options = Options {
        size: Size::Plot(600, 300),
        ..Options::new(history.start, history.end)
    };
    let input = Input {
        graph: &graph,
        average: &history,
        min: Some(&history),
        max: Some(&history),
        earlier: None,
        events: &[],
        last_update: Some(history.end),
    };
    let ours_svg = ours(rounds, || svg(&Model::resolve(&input, &options)).len())?;
    let ours_png = ours(rounds, || png(&Model::resolve(&input, &options)).len())?;
    let folder = std::env::temp_dir().join(format!("ravenry-draw-speed-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let theirs = Rrdtool::prepare(&folder)?;
    let theirs_svg = theirs.graphs(rounds, "SVG")?;
    let theirs_png = theirs.graphs(rounds, "PNG")?;
    std::fs::remove_dir_all(&folder)?;
    report("SVG", ours_svg, theirs_svg, rounds);
    report("PNG", ours_png, theirs_png, rounds);
    Ok(())
}

fn report(form: &str, ours: Duration, theirs: Duration, rounds: u32) {
    let each = |all: Duration| all.as_secs_f64() * 1e3 / f64::from(rounds);
    println!(
        "{form}: {:.2} ms of CPU a picture, rrdtool {:.2} ms: 1/{:.1}",
        each(ours),
        each(theirs),
        theirs.as_secs_f64() / ours.as_secs_f64()
    );
}

fn number(field: usize, row: i64) -> f64 {
    let noise = ((field as i64 + 3) * 7919 + row * 104_729).rem_euclid(1000) as f64 / 1000.0;
    (field as f64 + 1.0) * 1e6 * (1.0 + 0.4 * (row as f64 / 95.0).sin() + 0.2 * noise)
}

fn graph() -> Result<Graph, Failure> {
    let mut attributes = Attributes::default();
    attributes.keep_first("graph_title", "Eight areas");
    attributes.keep_first("graph_vlabel", "bytes per second");
    let mut fields = Vec::new();
    for index in 0..FIELDS {
        let mut attributes = Attributes::default();
        attributes.keep_last("label", &format!("field {index}"));
        attributes.keep_last("draw", if index == 0 { "AREA" } else { "STACK" });
        fields.push(FieldDeclaration {
            field: FieldName::new(&format!("f{index}"))?,
            attributes,
        });
    }
    let declaration = Declaration {
        host: None,
        graph: GraphName::new("eight")?,
        attributes,
        fields,
    };
    Ok(Graph::resolve(&declaration).0)
}

fn history(graph: &Graph) -> History {
    let column = |index: usize| (1..=ROWS).map(|row| number(index, row)).collect();
    let columns = graph.fields.iter().enumerate();
    History {
        start: Timestamp::from_seconds(START),
        end: Timestamp::from_seconds(START + ROWS * STEP),
        step: Duration::from_secs(STEP.unsigned_abs()),
        columns: columns
            .map(|(index, field)| (field.name.clone(), column(index)))
            .collect(),
    }
}

/// The CPU of `rounds` pictures after one to warm up.
fn ours(rounds: u32, draw: impl Fn() -> usize) -> Result<Duration, Failure> {
    std::hint::black_box(draw());
    let before = cpu(false)?;
    for _ in 0..rounds {
        std::hint::black_box(draw());
    }
    Ok(cpu(false)? - before)
}

/// User and system time of this process, or of the children that have ended, from /proc; ticks are a hundredth second.
fn cpu(children: bool) -> Result<Duration, Failure> {
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, behind_name) = stat
        .rsplit_once(')')
        .ok_or("unexpected form of /proc/self/stat")?;
    let first = if children { 13 } else { 11 };
    let mut ticks = 0;
    for field in behind_name.split_whitespace().skip(first).take(2) {
        ticks += field.parse::<u32>()?;
    }
    Ok(TICK * ticks)
}

/// A file with the same numbers, drawn by rrdtool's pipe mode.
struct Rrdtool {
    file: String,
}

impl Rrdtool {
    fn prepare(folder: &std::path::Path) -> Result<Self, Failure> {
        let file = folder.join("eight.rrd").display().to_string();
        let mut commands = format!("create {file} --start {START} --step {STEP}");
        for index in 0..FIELDS {
            write!(commands, " DS:f{index}:GAUGE:{}:U:U", 2 * STEP)?;
        }
        for consolidation in ["AVERAGE", "MIN", "MAX"] {
            write!(commands, " RRA:{consolidation}:0.5:1:{}", ROWS + 10)?;
        }
        commands.push('\n');
        for row in 1..=ROWS {
            write!(commands, "update {file} {}", START + row * STEP)?;
            for index in 0..FIELDS {
                write!(commands, ":{}", number(index, row))?;
            }
            commands.push('\n');
        }
        pipe(&commands)?;
        Ok(Self { file })
    }

    /// The CPU of `rounds` pictures in one process.
    fn graphs(&self, rounds: u32, form: &str) -> Result<Duration, Failure> {
        let before = cpu(true)?;
        pipe(&self.command(form)?.repeat(rounds as usize))?;
        Ok(cpu(true)? - before)
    }

    fn command(&self, form: &str) -> Result<String, Failure> {
        let file = &self.file;
        let end = START + ROWS * STEP;
        let mut command = format!(
            "graph {file}.{form} -a {form} -w 600 -h 300 -s {START} -e {end} -t 'Eight areas' -v 'bytes per second' --slope-mode"
        );
        for (index, colour) in COLOURS.iter().enumerate() {
            let stack = if index == 0 { "" } else { ":STACK" };
            write!(
                command,
                " DEF:a{index}={file}:f{index}:AVERAGE DEF:i{index}={file}:f{index}:MIN"
            )?;
            write!(
                command,
                " DEF:x{index}={file}:f{index}:MAX AREA:a{index}#{colour}:'field {index}'{stack}"
            )?;
            write!(
                command,
                " GPRINT:a{index}:LAST:%6.2lf%s GPRINT:i{index}:MIN:%6.2lf%s"
            )?;
            write!(
                command,
                " GPRINT:a{index}:AVERAGE:%6.2lf%s GPRINT:x{index}:MAX:%6.2lf%s\\j"
            )?;
        }
        command.push('\n');
        Ok(command)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement by hand, not a part of the programs"
)]
fn pipe(commands: &str) -> Result<(), Failure> {
    let mut child = std::process::Command::new("rrdtool")
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().ok_or("no pipe to rrdtool")?;
    let commands = commands.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(commands.as_bytes()));
    let output = child.wait_with_output()?;
    writer.join().map_err(|_| "the writing thread panicked")??;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().find(|line| line.starts_with("ERROR")) {
        Some(line) => Err(format!("rrdtool: {line}").into()),
        None => Ok(()),
    }
}
