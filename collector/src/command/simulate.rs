//! `ravenry simulate`: reads the files of scenarios; [`ravenry_alerts::simulation`] does the rest.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use flate2::read::MultiGzDecoder;
use ravenry_alerts::simulation::score::{Fault, Ideal, Score, score};
use ravenry_alerts::simulation::{self, Scenario};

/// The results of a scenario may take this many bytes, decompressed.
const BYTES_MAX: u64 = 4 << 30;

/// `ravenry simulate`
#[derive(Args, Debug)]
pub(crate) struct Simulate {
    /// Folders with topology.json, events.jsonl (or .gz) and, where people do something, actions.jsonl
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// Compare with what is wanted (ideal.json), a line a folder, instead of printing notices; always so for several
    /// folders. Ends with 1 when one is not ideal
    #[arg(long)]
    table: bool,
}

impl Simulate {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        if let ([folder], false) = (&self.folders[..], self.table) {
            for told in simulation::run(&read(folder)?)? {
                serde_json::to_writer(&mut out, &told)?;
                writeln!(out)?;
            }
            out.flush()?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut rows = Vec::new();
        for folder in &self.folders {
            rows.push(row(folder)?);
        }
        write_table(&rows, &mut out)?;
        out.flush()?;
        let is_ideal = rows.iter().all(|row| row.score.faults.is_empty());
        Ok(ExitCode::from(u8::from(!is_ideal)))
    }
}

/// A folder in the table.
struct Row {
    name: String,
    notices: usize,
    ideal: Ideal,
    score: Score,
}

fn row(folder: &Path) -> anyhow::Result<Row> {
    let scenario = read(folder)?;
    let wanted = folder.join("ideal.json");
    let ideal = serde_json::from_str(&text(&wanted)?);
    let ideal: Ideal = ideal.with_context(|| wanted.display().to_string())?;
    let told = simulation::run(&scenario)?;
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    Ok(Row {
        name: name.to_string_lossy().into_owned(),
        notices: told.len(),
        score: score(&scenario.topology, &ideal, &told),
        ideal,
    })
}

fn write_table(rows: &[Row], out: &mut impl io::Write) -> io::Result<()> {
    let width = rows.iter().map(|row| row.name.len()).max();
    let width = width.unwrap_or_default().max("scenario".len());
    let title = "notices  problem pages  ideal  all-clears  missed  late";
    writeln!(out, "{:<width$}  {title}", "scenario")?;
    let mut sums = [0; 7];
    for row in rows {
        let count = |of: fn(&Fault) -> bool| row.score.faults.iter().filter(|it| of(it)).count();
        let missed = count(|fault| matches!(fault, Fault::Missed { .. }));
        let late = count(|fault| matches!(fault, Fault::Late { .. }));
        let (least, most) = (row.ideal.problem_pages_min, row.ideal.problem_pages_max);
        let (pages, clears) = (row.score.pages, row.score.recoveries);
        let cells = [row.notices, pages, least, most, clears, missed, late];
        for (sum, cell) in sums.iter_mut().zip(cells) {
            *sum += cell;
        }
        let faults: Vec<String> = row.score.faults.iter().map(ToString::to_string).collect();
        write_row(out, width, &row.name, cells, &faults.join("; "))?;
    }
    write_row(out, width, "all", sums, "")
}

fn write_row(
    out: &mut impl io::Write,
    width: usize,
    name: &str,
    [notices, pages, least, most, clears, missed, late]: [usize; 7],
    faults: &str,
) -> io::Result<()> {
    let ideal = if least == most {
        least.to_string()
    } else {
        format!("{least}-{most}")
    };
    let gap = if faults.is_empty() { "" } else { "  " };
    writeln!(
        out,
        "{name:<width$}  {notices:>7}  {pages:>13}  {ideal:>5}  {clears:>10}  {missed:>6}  {late:>4}{gap}{faults}"
    )
}

fn read(folder: &Path) -> anyhow::Result<Scenario> {
    let topology = text(&folder.join("topology.json"))?;
    let plain = folder.join("events.jsonl");
    let events = if plain.exists() {
        text(&plain)?
    } else {
        let packed = folder.join("events.jsonl.gz");
        let file = File::open(&packed).with_context(|| packed.display().to_string())?;
        let mut text = String::new();
        MultiGzDecoder::new(file)
            .take(BYTES_MAX)
            .read_to_string(&mut text)
            .with_context(|| packed.display().to_string())?;
        text
    };
    let actions = folder.join("actions.jsonl");
    let actions = if actions.exists() {
        text(&actions)?
    } else {
        String::new()
    };
    Ok(Scenario::parse(&topology, &events, &actions)?)
}

fn text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}
