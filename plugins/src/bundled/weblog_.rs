//! `weblog_`: requests by status, bytes and latency, from a web server's access log (`weblog_nginx`).
//!
//! Settings: `env.log` (else the usual place of the instance's: `nginx`, `apache2`, `httpd`), `env.latency_unit` (`s`, `ms`
//! or `us`; else a number with a point is seconds, as nginx writes `$request_time`, and a whole one microseconds, as
//! Apache writes `%D`).
//!
//! Three graphs: requests a second by status, below it `bytes`, and `latency` where lines end with one. Counted is from the
//! first run on. What is read is remembered by file and place: after a rotation the rest of the old file is read, too, while
//! it is called `LOG.1` or `LOG-...`; one that was cut is read from its beginning. A line is read when it is whole.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::declaration::Declaration;
use crate::munin::offer::Autoconf;
use crate::name::{GraphName, NameError};
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::system::System;
use super::{BundledError, Entry, PluginSample, Request, state};

mod latency;
mod line;
mod tally;

use line::{Entry as Line, Unit};
use tally::Tally;

pub(super) const ENTRY: Entry = Entry {
    name: "weblog_",
    summary: "requests, bytes and latency from an access log",
    automatic: false,
    config: declare,
    fetch,
    autoconf: |environment| match suggest(environment.system()).is_empty() {
        true => Autoconf::No(Some("no access log in its usual place".to_owned())),
        false => Autoconf::Yes,
    },
    suggest,
};

/// Instances and where their logs usually are.
const USUAL: [(&str, &str); 3] = [
    ("nginx", "/var/log/nginx/access.log"),
    ("apache2", "/var/log/apache2/access.log"),
    ("httpd", "/var/log/httpd/access_log"),
];

/// Bytes that one run reads; the rest waits for the next.
const RUN_BYTES_MAX: u64 = 256 << 20;
/// A longer line is passed over.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// The end of a log that tells whether its lines have a latency.
const SAMPLE_BYTES: u64 = 64 << 10;

fn suggest(system: &System) -> Vec<String> {
    let there = USUAL
        .iter()
        .filter(|(_, log)| File::open(system.path(log)).is_ok());
    there.map(|(instance, _)| (*instance).to_owned()).collect()
}

fn log(request: &Request<'_>) -> Result<PathBuf, BundledError> {
    let usual = USUAL
        .iter()
        .find(|(instance, _)| *instance == request.instance)
        .map(|(_, log)| *log);
    let log = request.environment.setting("log").or(usual);
    log.map(|log| request.system().path(log))
        .ok_or(BundledError::Setting {
            name: "log",
            expected: "the path of an access log",
            found: String::new(),
        })
}

fn unit(environment: &Environment) -> Result<Unit, BundledError> {
    match environment.setting("latency_unit") {
        None => Ok(Unit::AsWritten),
        Some("s") => Ok(Unit::Seconds),
        Some("ms") => Ok(Unit::Milliseconds),
        Some("us") => Ok(Unit::Microseconds),
        Some(text) => Err(BundledError::Setting {
            name: "latency_unit",
            expected: "s, ms or us",
            found: text.to_owned(),
        }),
    }
}

/// Fields of the first graph: name, label, colour, info.
const STATUSES: [(&str, &str, &str, &str); 5] = [
    ("s2xx", "2xx", "00CC00", "Answers with what was asked for"),
    ("s3xx", "3xx", "0066B3", "Answers that lead elsewhere"),
    ("s4xx", "4xx", "FF8000", "Requests that were wrong"),
    ("s5xx", "5xx", "FF0000", "Failures of the server"),
    (
        "other",
        "other",
        "808080",
        "Other answers, and lines that are no request",
    ),
];

/// Fields of the latency graph: name, label, part of the requests.
const PERCENTILES: [(&str, &str, f64); 4] = [
    ("p50", "median", 0.50),
    ("p90", "90 %", 0.90),
    ("p99", "99 %", 0.99),
    ("max", "slowest", 1.0),
];

fn below(graph: &GraphName, name: &str) -> Result<GraphName, NameError> {
    GraphName::new(&format!("{graph}.{name}"))
}

fn declare(request: &Request<'_>) -> Result<Vec<Declaration>, BundledError> {
    let log = log(request)?;
    let mut graphs = vec![declare_requests(request)?, declare_bytes(request)?];
    if has_latency(&log, unit(request.environment)?)? {
        graphs.push(declare_latency(request)?);
    }
    Ok(graphs)
}

fn declare_requests(request: &Request<'_>) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        request.graph,
        &[
            ("graph_title", &format!("Requests to {}", request.instance)),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_vlabel", "requests per ${graph_period}"),
            ("graph_category", "webserver"),
            ("graph_total", "total"),
            (
                "graph_info",
                "Requests in the access log, by the status that they were answered with.",
            ),
        ],
    );
    for (name, label, colour, info) in STATUSES {
        draft
            .field(
                name,
                &[
                    ("label", label),
                    ("type", "DERIVE"),
                    ("min", "0"),
                    ("draw", "AREASTACK"),
                    ("colour", colour),
                    ("info", info),
                ],
            )?
            .limits(request.environment);
    }
    Ok(draft.finish())
}

fn declare_bytes(request: &Request<'_>) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        &below(request.graph, "bytes")?,
        &[
            (
                "graph_title",
                &format!("Bytes sent by {}", request.instance),
            ),
            ("graph_args", "--base 1024 -l 0"),
            ("graph_vlabel", "bytes per ${graph_period}"),
            ("graph_category", "webserver"),
            ("graph_info", "Bytes of the answers in the access log."),
        ],
    );
    let bytes = [
        ("label", "sent"),
        ("type", "DERIVE"),
        ("min", "0"),
        ("draw", "AREA"),
        ("info", "Bytes of answers, as the access log has them"),
    ];
    draft.field("sent", &bytes)?.limits(request.environment);
    Ok(draft.finish())
}

fn declare_latency(request: &Request<'_>) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        &below(request.graph, "latency")?,
        &[
            ("graph_title", &format!("Latency of {}", request.instance)),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_vlabel", "seconds"),
            ("graph_category", "webserver"),
            (
                "graph_info",
                "How long the requests since the last reading took, to within 2 percent.",
            ),
        ],
    );
    for (name, label, part) in PERCENTILES {
        let info = format!(
            "{} percent of the requests took at most this long",
            part * 100.0
        );
        draft
            .field(name, &[("label", label), ("info", &info)])?
            .limits(request.environment);
    }
    Ok(draft.finish())
}

/// Whether the last lines of a log end with a latency.
fn has_latency(log: &Path, unit: Unit) -> Result<bool, BundledError> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(end.saturating_sub(SAMPLE_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(SAMPLE_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|source| unreadable(log, source))?;
    let last = bytes.split(|byte| *byte == b'\n').rev();
    let mut entries = last.filter_map(|line| Line::parse(line, unit));
    Ok(entries.next().is_some_and(|entry| entry.latency.is_some()))
}

fn unreadable(path: &Path, source: std::io::Error) -> BundledError {
    BundledError::Read {
        path: path.display().to_string(),
        source,
    }
}

fn fetch(request: &Request<'_>) -> Result<Vec<PluginSample>, BundledError> {
    let (log, unit) = (log(request)?, unit(request.environment)?);
    let path = state::path(request, ENTRY.name)?;
    let mut tally = Tally::parse(&state::load(&path));
    follow(&log, unit, &mut tally)?;
    state::replace(&path, &tally.text())?;
    read(request.graph, &tally)
}

/// Reads what was written since the last run.
fn follow(log: &Path, unit: Unit, tally: &mut Tally) -> Result<(), BundledError> {
    let failed = |source| unreadable(log, source);
    let file = File::open(log).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    let Some(place) = tally.place else {
        // The first run: what was there before is history that nobody waited for.
        tally.place = Some(Place::end_of(&file, &meta).map_err(failed)?);
        tally.has_latency = has_latency(log, unit)?;
        return Ok(());
    };
    let mut budget = RUN_BYTES_MAX;
    let mut start = Place::beginning_of(&meta);
    if place.is_of(&meta) {
        start.offset = if place.offset <= meta.len() {
            place.offset
        } else {
            0
        };
    } else if let Some(old) = rotated(log, place) {
        let end = count(&old, place.offset, unit, &mut budget, tally).map_err(failed)?;
        if budget == 0 {
            tally.place = Some(Place {
                offset: end,
                ..place
            });
            return Ok(());
        }
    }
    let end = count(&file, start.offset, unit, &mut budget, tally).map_err(failed)?;
    tally.place = Some(Place {
        offset: end,
        ..start
    });
    Ok(())
}

/// Where in which file the last run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    device: u64,
    file: u64,
    offset: u64,
}

impl Place {
    fn beginning_of(meta: &fs::Metadata) -> Self {
        Self {
            device: meta.dev(),
            file: meta.ino(),
            offset: 0,
        }
    }

    /// Behind the last whole line.
    fn end_of(file: &File, meta: &fs::Metadata) -> std::io::Result<Self> {
        let mut file = file;
        let from = meta.len().saturating_sub(LINE_BYTES_MAX);
        file.seek(SeekFrom::Start(from))?;
        let mut end = Vec::new();
        file.take(LINE_BYTES_MAX).read_to_end(&mut end)?;
        let whole = end
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        Ok(Self {
            offset: from + whole as u64,
            ..Self::beginning_of(meta)
        })
    }

    fn is_of(&self, meta: &fs::Metadata) -> bool {
        (self.device, self.file) == (meta.dev(), meta.ino())
    }
}

/// The file that was the log at `place`, by its new name beside it.
fn rotated(log: &Path, place: Place) -> Option<File> {
    let name = log.file_name()?.to_str()?;
    let entries = fs::read_dir(log.parent()?).ok()?;
    let mut beside = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let other = entry.file_name().into_string().ok()?;
        let is_next = other.strip_prefix(name)?.starts_with(['.', '-']);
        is_next.then(|| entry.path())
    });
    beside.find_map(|path| {
        let file = File::open(path).ok()?;
        let meta = file.metadata().ok()?;
        place.is_of(&meta).then_some(file)
    })
}

/// Counts whole lines from `offset` on, at most `budget` bytes of them; says where it stopped.
fn count(
    file: &File,
    offset: u64,
    unit: Unit,
    budget: &mut u64,
    tally: &mut Tally,
) -> std::io::Result<u64> {
    let mut file = file;
    file.seek(SeekFrom::Start(offset))?;
    let mut reader = BufReader::with_capacity(256 << 10, file);
    let mut line = Vec::new();
    let (mut at, mut too_long) = (offset, false);
    // Bytes of a long line that was passed over in parts.
    let mut passed = 0;
    while *budget > 0 {
        line.clear();
        let count = (&mut reader)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)? as u64;
        *budget = budget.saturating_sub(count);
        if line.last() == Some(&b'\n') {
            if !too_long {
                tally.add(Line::parse(&line, unit));
            }
            at += passed + count;
            (too_long, passed) = (false, 0);
        } else if count == LINE_BYTES_MAX {
            too_long = true;
            passed += count;
        } else {
            break;
        }
    }
    Ok(at)
}

fn read(graph: &GraphName, tally: &Tally) -> Result<Vec<PluginSample>, BundledError> {
    let mut samples = Vec::with_capacity(10);
    for ((name, ..), count) in STATUSES.iter().zip(tally.statuses) {
        samples.push(sample(graph, name, Reading::Count(count))?);
    }
    let bytes = Reading::Count(tally.bytes);
    samples.push(sample(&below(graph, "bytes")?, "sent", bytes)?);
    if tally.has_latency {
        let graph = below(graph, "latency")?;
        for (name, _, part) in PERCENTILES {
            let seconds = tally.latencies.quantile(part);
            let reading = seconds.map_or(Reading::Unknown, Reading::from_f64);
            samples.push(sample(&graph, name, reading)?);
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests;
