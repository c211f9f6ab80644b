//! `ravenry simulate`: reads a scenario's files; [`ravenry_alerts::simulation`] does the rest.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use flate2::read::MultiGzDecoder;
use ravenry_alerts::simulation::{self, Scenario};

/// The results of a scenario may take this many bytes, decompressed.
const BYTES_MAX: u64 = 4 << 30;

/// `ravenry simulate`
#[derive(Args, Debug)]
pub(crate) struct Simulate {
    /// A folder with topology.json, events.jsonl (or .gz) and, where people do something, actions.jsonl
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Simulate {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let scenario = read(&self.folder)?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        for told in simulation::run(&scenario)? {
            serde_json::to_writer(&mut out, &told)?;
            writeln!(out)?;
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
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
