//! The collector's engine alone, without HTTP: batches as bytes, decoded, journalled with sync, applied, written to files;
//! and rows read back. `tests/bench` runs this beside rrdcached and librrd and compares.
//!
//! ```text
//! engine_speed DIR make FILES FIELDS START 0             declares the graphs, pushes a first round, makes the files
//! engine_speed DIR update FILES FIELDS START ROUNDS      pushes rounds of 5 minutes to these, then writes all of them; twice:
//!                                                        just started, and when it has met every file
//! engine_speed DIR fetch FILES FIELDS START COUNT        reads a day of COUNT files
//! ```
//!
//! Prints lines of `name=number`: CPU and wall time in microseconds of what is measured, memory, journal.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use ravenry::catalog::Catalog;
use ravenry::config::layout::{Layout, Layouts};
use ravenry::config::store::Store as Settings;
use ravenry::database::Database;
use ravenry::ingest::{Ingest, Limits};
use ravenry::journal::Journal;
use ravenry::journal::segment::{self, SegmentJournal};
use ravenry::store::Store;
use ravenry::store::checkpoint::Flush;
use ravenry_plugins::clock;
use ravenry_plugins::disk::{Disk, FileDisk};
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::{self, Batch, Encoding, Tables};
use ravenry_web::source::{Consolidation, Query};
use serde_json::{Value, json};
use tokio::task::JoinSet;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const STEP: i64 = 300;
/// Readings come this long after the step.
const OFF_STEP: i64 = 7;
/// Series of a host, and so readings of a batch.
const HOST_SERIES: usize = 200;
/// Agents that push at the same time.
const AT_ONCE: usize = 32;

/// What is measured on.
#[derive(Clone, Copy)]
struct Load {
    files: usize,
    fields: usize,
    start: i64,
}

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, what, numbers @ ..] = &words[..] else {
        return Err("expected DIR make|update|fetch FILES FIELDS START COUNT".into());
    };
    let numbers: Vec<i64> = numbers
        .iter()
        .map(|word| word.parse())
        .collect::<Result<_, _>>()?;
    let [files, fields, start, count] = numbers[..] else {
        return Err("expected FILES FIELDS START COUNT".into());
    };
    let load = Load {
        files: usize::try_from(files)?,
        fields: usize::try_from(fields)?,
        start,
    };
    match what.as_str() {
        "make" => run(Path::new(folder), load, &[0..=0]),
        "update" => run(Path::new(folder), load, &[1..=count, count + 1..=2 * count]),
        "fetch" => fetch(Path::new(folder), load, usize::try_from(count)?),
        _ => Err(format!("expected make, update or fetch, found {what:?}").into()),
    }
}

/// A store on a folder, with its journal and its database.
struct Opened {
    store: Arc<Store>,
    journal: Arc<Mutex<dyn Journal>>,
    database: Mutex<Database>,
}

impl Opened {
    fn new(folder: &Path) -> Result<Self, Failure> {
        let settings = Settings {
            layouts: Layouts {
                default: Layout::Munin,
                ..Layouts::default()
            },
            ..Settings::default()
        };
        let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(folder)?);
        let database = Database::open(&folder.join("state.sqlite"))?;
        let mut catalog = Catalog::new(&settings);
        database.load(&mut catalog)?;
        catalog.watch_by(Arc::default());
        let limits = segment::Limits {
            segment_bytes: 16 << 20,
            journal_bytes_max: 4 << 30,
            entry_bytes_max: 64 << 20,
        };
        let (journal, _) = SegmentJournal::open(Arc::clone(&disk), limits, catalog.position)?;
        Ok(Self {
            store: Arc::new(Store::new(disk, catalog, &settings)),
            journal: Arc::new(Mutex::new(journal)),
            database: Mutex::new(database),
        })
    }

    fn checkpoint(&self) -> Result<(), Failure> {
        let report =
            self.store
                .checkpoint(clock::now(), Flush::All, &*self.journal, &self.database)?;
        if !report.problems.is_empty() || report.late > 0 {
            return Err(format!("{report}: {:?}", report.problems).into());
        }
        Ok(())
    }
}

/// Pushes rounds to a collector that has just been started and has them written, then the next.
fn run(folder: &Path, load: Load, turns: &[RangeInclusive<i64>]) -> Result<(), Failure> {
    let opened = Opened::new(folder)?;
    let limits = Limits {
        future_max: Duration::from_secs(600),
        entry_bytes_max: 64 << 20,
        pending_max: u64::MAX,
    };
    let (ingest, thread) = Ingest::start(
        Arc::clone(&opened.store),
        Arc::clone(&opened.journal),
        limits,
        Arc::default(),
        |_, _| {},
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let tables = Arc::new(Tables::default());
    for rounds in turns {
        let bodies: Vec<Vec<Vec<u8>>> = rounds
            .clone()
            .map(|round| load.bodies(round))
            .collect::<Result<_, _>>()?;
        let (before, began) = (cpu_micros()?, clock::monotonic());
        for bodies in bodies {
            runtime.block_on(push_all(&ingest, &tables, bodies))?;
        }
        let taken = cpu_micros()?;
        let journal_bytes = lock(&opened.journal).size_bytes();
        let memory = memory_kib()?;
        opened.checkpoint()?;
        let wall = began.elapsed().as_micros();
        let (push, flush) = (taken - before, cpu_micros()? - taken);
        println!(
            "cpu={} push={push} flush={flush} wall={wall} memory_kib={memory} journal={journal_bytes}",
            push + flush
        );
    }
    ingest.stop();
    drop(runtime);
    thread
        .join()
        .map_err(|_| "the thread that takes pushes panicked")?;
    Ok(())
}

async fn push_all(
    ingest: &Ingest,
    tables: &Arc<Tables>,
    bodies: Vec<Vec<u8>>,
) -> Result<(), Failure> {
    let mut running: JoinSet<Result<(), Failure>> = JoinSet::new();
    for body in bodies {
        while running.len() >= AT_ONCE {
            running.join_next().await.transpose()?.transpose()?;
        }
        running.spawn(push(ingest.clone(), Arc::clone(tables), body));
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

async fn push(ingest: Ingest, tables: Arc<Tables>, body: Vec<u8>) -> Result<(), Failure> {
    let content_type = Some(Encoding::MessagePack.content_type());
    let received = wire::receive(body, content_type, None, wire::Limits::default(), &tables)?;
    let ack = ingest
        .commit(ingest.prepare(received, clock::now())?)
        .await?;
    if ack.refused > 0 || ack.accepted == 0 {
        return Err(format!("{ack:?}").into());
    }
    Ok(())
}

impl Load {
    fn hosts(self) -> usize {
        (self.files * self.fields).div_ceil(HOST_SERIES)
    }

    fn host_files(self) -> usize {
        HOST_SERIES / self.fields
    }

    /// Hosts have graphs of the same names.
    fn graph(self, file: usize) -> String {
        format!("graph{}", file % self.host_files())
    }

    /// A batch of each host for a round, as an agent sends it.
    fn bodies(self, round: i64) -> Result<Vec<Vec<u8>>, Failure> {
        let bodies = (0..self.hosts()).map(|host| {
            let batch: Batch = serde_json::from_value(self.batch(host, round))?;
            Ok(wire::encode(&batch, Encoding::MessagePack))
        });
        bodies.collect()
    }

    fn batch(self, host: usize, round: i64) -> Value {
        let files = host * self.host_files()..((host + 1) * self.host_files()).min(self.files);
        let fields = || 0..self.fields;
        let series = |name: &dyn Fn(usize, usize) -> String| -> Vec<String> {
            let all = files
                .clone()
                .flat_map(|file| fields().map(move |field| (file, field)));
            all.map(|(file, field)| name(file, field)).collect()
        };
        let values: Vec<Value> = files
            .clone()
            .flat_map(|file| fields().map(move |field| reading(file, field, round)))
            .collect();
        let time = self.start + round * STEP + OFF_STEP;
        let mut batch = json!({
            "version": 1,
            "host": format!("host{host}"),
            "key": {"agent": format!("agent{host}"), "incarnation": 1, "sequence": round + 1},
            "series": {
                "graph": series(&|file, _| self.graph(file)),
                "field": series(&|_, field| format!("f{field}")),
            },
            "samples": {
                "series": (0..values.len()).collect::<Vec<_>>(),
                "time": vec![time; values.len()],
                "value": values,
            },
        });
        if round == 0 {
            let graphs = files.map(|file| {
                let fields = fields().map(|field| {
                    let kind = if is_gauge(file, field) {
                        "GAUGE"
                    } else {
                        "DERIVE"
                    };
                    json!({"field": format!("f{field}"), "attributes": [["type", kind]]})
                });
                json!({"graph": self.graph(file), "fields": fields.collect::<Vec<_>>()})
            });
            batch["graphs"] = graphs.collect();
        }
        batch
    }
}

fn is_gauge(file: usize, field: usize) -> bool {
    (file + field).is_multiple_of(2)
}

/// The same numbers as `tests/bench` gives the others: half gauges with two decimals, half counters.
fn reading(file: usize, field: usize, round: i64) -> Value {
    let (file_, field_) = (file as i64, field as i64);
    if is_gauge(file, field) {
        let hundredths = (file_ * 7919 + field_ * 104_729 + round * 31_337) % 100_000;
        json!(hundredths as f64 / 100.0)
    } else {
        json!(round * (1000 + (file_ * 31 + field_) % 977) + file_ * field_)
    }
}

fn fetch(folder: &Path, load: Load, count: usize) -> Result<(), Failure> {
    let opened = Opened::new(folder)?;
    let end = load.start + 12 * STEP;
    let queries: Vec<Query> = (0..count)
        .map(|number| {
            let file = number % load.files;
            Ok(Query {
                host: format!("host{}", file / load.host_files()).parse()?,
                graph: load.graph(file).parse()?,
                start: Timestamp::from_seconds(end - 86_400),
                end: Timestamp::from_seconds(end),
                resolution: Duration::from_secs(1),
                consolidation: Consolidation::Average,
            })
        })
        .collect::<Result<_, Failure>>()?;
    let (before, began) = (cpu_micros()?, clock::monotonic());
    let mut rows = 0;
    for query in &queries {
        rows += opened.store.fetch(query)?.columns[0].1.len();
    }
    let (cpu, wall) = (cpu_micros()? - before, began.elapsed().as_micros());
    println!("cpu={cpu} wall={wall} rows={}", rows / count);
    Ok(())
}

fn usage() -> Result<Usage, Failure> {
    Ok(getrusage(UsageWho::RUSAGE_SELF)?)
}

fn cpu_micros() -> Result<i64, Failure> {
    let usage = usage()?;
    Ok(usage.user_time().num_microseconds() + usage.system_time().num_microseconds())
}

/// The most memory that this process has had.
fn memory_kib() -> Result<i64, Failure> {
    Ok(usage()?.max_rss())
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
