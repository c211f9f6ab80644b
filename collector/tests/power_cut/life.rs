//! A collector's life, drawn from a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::libc;
use ravenry::config;
use ravenry::database::Database;
use ravenry::health::Health;
use ravenry::ingest::{self, Ingest, PushError};
use ravenry::journal::Journal;
use ravenry::journal::segment::{Limits, SegmentJournal};
use ravenry::recovery;
use ravenry::store::Store;
use ravenry::store::checkpoint::{Flush, Report};
use ravenry_plugins::disk::{BreakingDisk, Disk, Failures, MemoryDisk};
use ravenry_plugins::name::HostName;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::{Batch, Key};
use tokio::runtime::Runtime;

use crate::chance::Chance;
use crate::plot::{BASE, DAY, Habit, Piece, Plot, There};
use crate::reference;

const LIMITS: Limits = Limits {
    segment_bytes: 3000,
    journal_bytes_max: 1 << 20,
    entry_bytes_max: 100_000,
};
/// Times that a collector that loses its power while it recovers is started again, in a row.
const STARTS_MAX: usize = 50;

/// What goes wrong in a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Power,
    Errors,
    Both,
}

/// A collector that runs.
struct Body {
    store: Arc<Store>,
    journal: Arc<Mutex<SegmentJournal>>,
    database: Mutex<Database>,
    ingest: Ingest,
    committer: JoinHandle<()>,
}

/// What was pushed and not answered: an agent pushes it again, with its key.
struct Outstanding {
    plot: usize,
    pieces: Vec<(i64, usize, usize)>,
    batch: Batch,
    /// Whether it was later than everything that its graph had.
    in_order: bool,
}

/// A life.
pub(crate) struct Life {
    trouble: Trouble,
    chance: Chance,
    settings: config::store::Store,
    disk: BreakingDisk,
    /// While nothing runs.
    database: Option<Database>,
    body: Option<Body>,
    runtime: Runtime,
    plots: Vec<Plot>,
    /// Of each host's agent: the last batch that was pushed, and the last that was acknowledged.
    sequences: BTreeMap<String, u64>,
    acknowledged: BTreeMap<String, u64>,
    outstanding: Option<Outstanding>,
    /// What the journal's next position was when something was last acknowledged.
    position: u64,
    bonds: u64,
    /// Whether a checkpoint failed, so that files may be half written until the next one.
    is_half_done: bool,
    /// Whether calls of the disk fail now.
    is_failing: bool,
    diary: Diary,
}

/// What happened, told when the life ends in a panic.
struct Diary {
    seed: u64,
    trouble: Trouble,
    lines: Vec<String>,
}

impl Drop for Diary {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.lines.join("\n"));
            eprintln!("RAVENRY_SEED={} ({:?})", self.seed, self.trouble);
        }
    }
}

impl Life {
    pub(crate) fn new(seed: u64, trouble: Trouble) -> Self {
        let mut chance = Chance::new(seed);
        let plots = 1 + chance.index(4);
        let plots = (0..plots)
            .map(|index| Plot::draw(index, &mut chance))
            .collect();
        let windows = [0, 0, DAY / 2, 3 * DAY];
        let window = windows[chance.index(windows.len())] as u64;
        let settings = config::store::Store {
            reorder_window: Duration::from_secs(window),
            ..config::store::Store::default()
        };
        Self {
            trouble,
            chance,
            settings,
            disk: BreakingDisk::new(MemoryDisk::new(), u64::MAX),
            database: Some(Database::open(Path::new(":memory:")).unwrap()),
            body: None,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
            plots,
            sequences: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            outstanding: None,
            position: 0,
            bonds: 0,
            is_half_done: false,
            is_failing: false,
            diary: Diary {
                seed,
                trouble,
                lines: vec![format!("reorder window {window} s")],
            },
        }
    }

    /// Lives it, and checks everything on the way. The plots and the disk as they are at the end.
    pub(crate) fn live(mut self) -> (MemoryDisk, Vec<Plot>) {
        self.start_again(false);
        let deeds = 10 + self.chance.below(50);
        for _ in 0..deeds {
            self.deed();
            if self.disk.is_cut() {
                self.power_comes_back();
            }
        }
        self.mend();
        self.disk.cut_after(u64::MAX);
        self.flush_and_check();
        self.flush_and_check();
        self.nothing_is_left_over();
        self.end();
        let disk = self.disk.after_power_cut(0);
        (disk, std::mem::take(&mut self.plots))
    }

    fn deed(&mut self) {
        if self.trouble != Trouble::Power && self.chance.percent(12) {
            return if self.is_failing {
                self.mend();
            } else {
                self.break_disk();
            };
        }
        match self.chance.below(100) {
            0..62 => self.push(),
            62..67 => self.push_again(),
            67..80 => self.checkpoint(Flush::Due),
            80..86 => self.checkpoint(Flush::All),
            86..90 => {
                let plot = self.chance.index(self.plots.len());
                self.plots[plot].change();
                self.say(|life| format!("{} changes", life.plots[plot].graph));
            }
            90..93 if !self.is_failing => {
                if self.is_half_done {
                    self.checkpoint(Flush::Due);
                }
                if !self.disk.is_cut() {
                    self.check("on the way");
                }
            }
            93..95 => {
                self.say(|_| "killed".to_owned());
                self.mend();
                self.end();
                self.start_again(false);
            }
            95..99 if !self.is_failing => self.flush_and_check(),
            _ => {}
        }
    }

    fn say(&mut self, line: impl FnOnce(&Self) -> String) {
        let left = self.disk.operations_left();
        let left = if left == u64::MAX {
            String::new()
        } else {
            format!(" [{left} operations left]")
        };
        let line = line(self) + &left;
        self.diary.lines.push(line);
    }

    fn body(&self) -> &Body {
        self.body.as_ref().unwrap()
    }

    fn now(&self) -> Timestamp {
        let last = self.plots.iter().map(|plot| plot.next).max();
        Timestamp::from_seconds(last.unwrap_or(BASE))
    }

    // Starting and ending.

    /// Draws when the power goes next.
    fn draw_cut(&mut self, soon: bool) {
        let operations = match self.trouble {
            Trouble::Errors => u64::MAX,
            Trouble::Power | Trouble::Both if soon => self.chance.below(25),
            Trouble::Power | Trouble::Both => 1 + self.chance.below(300),
        };
        self.disk.cut_after(operations);
    }

    /// Starts until a start succeeds; the power may go while it does.
    fn start_again(&mut self, cuts: bool) {
        for attempt in 0..STARTS_MAX {
            let soon = cuts && attempt + 1 < STARTS_MAX && self.chance.percent(50);
            self.draw_cut(soon);
            match self.start() {
                Ok(()) => {
                    if !soon {
                        return;
                    }
                    // The rest of the operations belongs to what it does then.
                    return self.say(|_| "started".to_owned());
                }
                Err(error) => {
                    assert!(self.disk.is_cut(), "it does not start: {error}");
                    self.say(|_| format!("power cut while starting: {error}"));
                    self.lose_power();
                }
            }
        }
    }

    fn start(&mut self) -> Result<(), String> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let journal_disk = Arc::clone(&disk);
        let database = self.database.as_ref().unwrap();
        let found = recovery::recover(&*disk, journal_disk, database, &self.settings, LIMITS);
        let found = found.map_err(|error| error.to_string())?;
        let (mut catalog, journal) = (found.catalog, found.journal);
        self.accept(&found.problems);
        let replayed = recovery::replay(&journal, &mut catalog, |_, _| {});
        let (_, problems) = replayed.map_err(|error| error.to_string())?;
        self.accept(&problems);
        let next = journal.bounds().next;
        assert!(
            next >= self.position,
            "positions go back: {next} < {}",
            self.position
        );
        assert_eq!(
            catalog.position + 1,
            next,
            "an entry of the journal is not applied"
        );
        let store = Arc::new(Store::new(disk, catalog, &self.settings));
        let journal = Arc::new(Mutex::new(journal));
        let limits = ingest::Limits {
            future_max: Duration::from_secs(1000 * DAY as u64),
            entry_bytes_max: LIMITS.entry_bytes_max,
            pending_max: u64::MAX,
        };
        let log = Arc::clone(&journal) as Arc<Mutex<dyn Journal>>;
        let (ingest, committer) = Ingest::start(
            Arc::clone(&store),
            log,
            limits,
            Arc::<Health>::default(),
            |_, _| {},
        );
        let database = Mutex::new(self.database.take().unwrap());
        self.body = Some(Body {
            store,
            journal,
            database,
            ingest,
            committer,
        });
        Ok(())
    }

    /// A record that was being written when the power went is nothing to report to anybody but the log. Anything else is.
    fn accept(&mut self, problems: &[String]) {
        for problem in problems {
            self.say(|_| format!("problem: {problem}"));
            let torn = problem.starts_with("journal/") && problem.contains("is not whole");
            assert!(torn || self.trouble != Trouble::Power, "{problem}");
        }
    }

    /// Ends the process, not the machine.
    fn end(&mut self) {
        let Some(body) = self.body.take() else { return };
        body.ingest.stop();
        body.committer.join().unwrap();
        self.database = Some(body.database.into_inner().unwrap());
    }

    fn lose_power(&mut self) {
        let seed = self.chance.below(u64::MAX);
        self.disk = BreakingDisk::new(self.disk.after_power_cut(seed), u64::MAX);
        self.is_failing = false;
    }

    fn power_comes_back(&mut self) {
        self.say(|_| "power cut".to_owned());
        self.end();
        self.lose_power();
        self.start_again(true);
        if self.disk.is_cut() {
            return self.power_comes_back();
        }
        self.check("after the power cut");
        self.keys_are_known();
        if self.chance.percent(50) {
            self.push_outstanding();
        } else {
            self.outstanding = None;
        }
    }

    // Errors.

    fn break_disk(&mut self) {
        let codes = [libc::EIO, libc::ENOSPC];
        let times = [1, 1, 2, 5, u64::MAX];
        let failures = Failures {
            after: self.chance.below(60),
            times: times[self.chance.index(times.len())],
            one_in: [1, 1, 4, 12][self.chance.index(4)],
            code: codes[self.chance.index(codes.len())],
            seed: self.chance.below(u64::MAX),
        };
        self.say(|_| format!("{failures:?}"));
        self.disk.fail(Some(failures));
        self.is_failing = true;
    }

    fn mend(&mut self) {
        if std::mem::take(&mut self.is_failing) {
            self.say(|_| "mended".to_owned());
            self.disk.fail(None);
            if !self.disk.is_cut() {
                self.push_outstanding();
            }
        }
    }

    // Pushing.

    fn push(&mut self) {
        if self.outstanding.is_some() {
            return self.push_outstanding();
        }
        let index = self.chance.index(self.plots.len());
        let (pieces, in_order) = self.draw_pieces(index);
        if pieces.is_empty() {
            return;
        }
        let plot = &self.plots[index];
        let mut batch = plot.batch(&pieces, false);
        let host = plot.host.clone();
        if self.chance.percent(70) {
            batch.key = Some(self.next_key(&host));
        }
        let plot = index;
        self.outstanding = Some(Outstanding {
            plot,
            pieces,
            batch,
            in_order,
        });
        self.push_outstanding();
    }

    fn next_key(&mut self, host: &str) -> Key {
        let sequence = self.sequences.entry(host.to_owned()).or_default();
        *sequence += 1;
        Key {
            agent: format!("agent of {host}"),
            incarnation: 1,
            sequence: *sequence,
        }
    }

    /// What is pushed next of a graph, and whether it is later than what it has.
    fn draw_pieces(&mut self, index: usize) -> (Vec<(i64, usize, usize)>, bool) {
        let chance = &mut self.chance;
        let plot = &mut self.plots[index];
        let times = plot
            .pieces
            .keys()
            .map(|(time, _)| *time)
            .collect::<BTreeSet<_>>();
        let times: Vec<i64> = times.into_iter().collect();
        match chance.below(100) {
            // Other fields of a moment that is there.
            0..10 if plot.groups() > 1 && !times.is_empty() => {
                let time = times[times.len().saturating_sub(1 + chance.index(3))];
                let group = 1 + chance.index(plot.groups() - 1);
                let main = plot.pieces.get(&(time, 0));
                let is_free = !plot.pieces.contains_key(&(time, group));
                let fits = is_free && main.is_some_and(|main| main.there == There::Yes);
                let pieces = if fits {
                    vec![(time, group, plot.fields)]
                } else {
                    Vec::new()
                };
                (pieces, false)
            }
            // A moment between others.
            10..20 if plot.habit != Habit::Skewed && times.len() > 2 => {
                let before = times[times.len() - 2 - chance.index(times.len().min(6) - 2)];
                let time = before + plot.stride / 600 / 3 * 600;
                let pieces = if plot.pieces.contains_key(&(time, 0)) {
                    Vec::new()
                } else {
                    vec![(time, 0, plot.fields)]
                };
                (pieces, false)
            }
            dice => {
                let mut pieces = Vec::new();
                for _ in 0..1 + chance.below(3) {
                    pieces.push((plot.next, 0, plot.fields));
                    for group in 1..plot.groups() {
                        if plot.habit == Habit::Skewed || chance.percent(60) {
                            pieces.push((plot.next, group, plot.fields));
                        }
                    }
                    plot.next += plot.stride;
                }
                if dice > 95 && plot.habit != Habit::Skewed {
                    plot.next += (1 + chance.below(5) as i64) * plot.stride;
                }
                if plot.habit == Habit::Skewed && chance.percent(30) {
                    pieces.pop();
                }
                (pieces, true)
            }
        }
    }

    /// Pushes what was not answered yet, and remembers what became of it.
    fn push_outstanding(&mut self) {
        let Some(outstanding) = self.outstanding.take() else {
            return;
        };
        let key = outstanding.batch.key.clone();
        let now = self.now();
        let body = self.body.as_ref().unwrap();
        let pushed = self
            .runtime
            .block_on(body.ingest.push(outstanding.batch.clone(), now));
        self.say(|life| {
            let graph = &life.plots[outstanding.plot].graph;
            format!(
                "push {graph} {:?} key {key:?}: {pushed:?}",
                outstanding.pieces
            )
        });
        let there = match &pushed {
            Ok(ack) if ack.duplicate && outstanding.in_order => There::Yes,
            // A late reading is taken when the file cannot be asked how far it is.
            Ok(_) if self.is_failing && !outstanding.in_order => There::Maybe,
            Ok(ack) if ack.refused == 0 && !ack.duplicate => There::Yes,
            Ok(_) => There::Maybe,
            Err(error) => {
                assert!(
                    self.disk.is_cut() || self.is_failing,
                    "refused for no reason: {error}"
                );
                assert!(!matches!(error, PushError::TooLarge(_)), "{error}");
                There::Maybe
            }
        };
        let whole = outstanding.in_order && pushed.is_err();
        for &(time, group, fields) in &outstanding.pieces {
            self.bonds += u64::from(!whole);
            let bond = self.bonds;
            let piece = Piece {
                fields,
                there,
                bond,
            };
            self.plots[outstanding.plot]
                .pieces
                .insert((time, group), piece);
        }
        self.bonds += 1;
        match pushed {
            Ok(_) => {
                let next = self.body().journal.lock().unwrap().bounds().next;
                assert!(next >= self.position, "positions go back");
                self.position = next;
                if let Some(key) = key {
                    self.acknowledged
                        .insert(outstanding.batch.host.to_string(), key.sequence);
                }
            }
            Err(_) => self.outstanding = Some(outstanding),
        }
    }

    /// What is there is pushed a second time, with other values: nothing changes.
    fn push_again(&mut self) {
        let index = self.chance.index(self.plots.len());
        let plot = &self.plots[index];
        let there: Vec<_> = plot
            .pieces
            .iter()
            .filter(|(_, piece)| piece.there == There::Yes)
            .map(|(&(time, group), piece)| (time, group, piece.fields))
            .collect();
        if there.is_empty() {
            return;
        }
        let piece = there[there.len() - 1 - self.chance.index(there.len().min(4))];
        let mut batch = self.plots[index].batch(&[piece], true);
        let host = self.plots[index].host.clone();
        let last = self.acknowledged.get(&host).copied();
        match self.chance.below(3) {
            // A batch that was acknowledged.
            0 if last.is_some() => {
                let mut key = self.next_key(&host);
                *self.sequences.get_mut(&host).unwrap() -= 1;
                key.sequence = last.unwrap();
                batch.key = Some(key);
            }
            // Another batch with the same readings.
            1 if self.outstanding.is_none() => batch.key = Some(self.next_key(&host)),
            _ => {}
        }
        let is_old = batch
            .key
            .as_ref()
            .is_some_and(|key| Some(key.sequence) == last);
        let key = batch.key.clone();
        let body = self.body.as_ref().unwrap();
        let pushed = self.runtime.block_on(body.ingest.push(batch, self.now()));
        self.say(|_| format!("push again {piece:?} key {key:?}: {pushed:?}"));
        match pushed {
            Ok(ack) => {
                // Taken when the file cannot be asked how far it is, and dropped by the next checkpoint.
                let accepted = if self.is_failing { 0 } else { ack.accepted };
                assert_eq!(
                    (accepted, ack.duplicate),
                    (0, is_old),
                    "taken twice: {ack:?}"
                );
                if let Some(key) = key {
                    self.acknowledged.insert(host, key.sequence);
                }
            }
            Err(error) => assert!(self.disk.is_cut() || self.is_failing, "{error}"),
        }
    }

    // Checkpoints.

    fn checkpoint(&mut self, flush: Flush) {
        drop(self.attempt(flush));
    }

    fn attempt(&mut self, flush: Flush) -> Option<Report> {
        let now = self.now();
        let body = self.body();
        let journal: &Mutex<dyn Journal> = &*body.journal;
        let done = body.store.checkpoint(now, flush, journal, &body.database);
        self.say(|_| match &done {
            Ok(report) => format!("checkpoint {flush:?}: {report:?}"),
            Err(error) => format!("checkpoint {flush:?}: {error}"),
        });
        self.is_half_done = done
            .as_ref()
            .map_or(true, |report| !report.problems.is_empty());
        match done {
            Ok(report) => {
                let wrong = !report.problems.is_empty() || report.late > 0;
                let excused = self.disk.is_cut() || self.trouble != Trouble::Power;
                assert!(excused || !wrong, "{report:?}");
                Some(report)
            }
            Err(error) => {
                assert!(self.disk.is_cut() || self.is_failing, "{error}");
                None
            }
        }
    }

    /// Writes everything: then the files have all of it, and what is not there will never be.
    fn flush_and_check(&mut self) {
        // What is on its way to the files may keep what came later waiting for a second turn.
        for _ in 0..2 {
            if self.attempt(Flush::All).is_none() {
                return;
            }
        }
        let body = self.body();
        let pending = body.store.catalog().counts.pending;
        assert_eq!(pending, 0, "readings that are in no file after a flush");
        let found = self.check("after a flush");
        for (plot, present) in self.plots.iter_mut().zip(found) {
            let Some(present) = present else { continue };
            plot.pieces
                .retain(|key, piece| piece.there == There::Yes || present.contains(key));
            plot.pieces
                .values_mut()
                .for_each(|piece| piece.there = There::Yes);
        }
        // What nobody answered is resolved too: pushed again it would come late.
        self.outstanding = None;
    }

    // Checking.

    fn check(&mut self, when: &str) -> Vec<Option<BTreeSet<(i64, usize)>>> {
        let store = Arc::clone(&self.body().store);
        let mut found = Vec::new();
        for plot in &self.plots {
            match reference::present(&store, plot) {
                Ok(present) => found.push(present),
                Err(why) => panic!("{when}: {why}"),
            }
        }
        self.say(|_| format!("checked {when}"));
        found
    }

    /// Batches that were acknowledged are known, the next one is not.
    fn keys_are_known(&self) {
        let catalog = self.body().store.catalog();
        for (host, &sequence) in &self.acknowledged {
            let key = |sequence| Key {
                agent: format!("agent of {host}"),
                incarnation: 1,
                sequence,
            };
            let name = HostName::new(host).unwrap();
            assert!(
                catalog.has_seen(&name, &key(sequence)),
                "{host}: batch {sequence} is forgotten"
            );
            let next = self.sequences[host] + 1;
            assert!(
                !catalog.has_seen(&name, &key(next)),
                "{host}: batch {next} never came"
            );
        }
    }

    fn nothing_is_left_over(&self) {
        let list = |folder: &str| self.disk.list(Path::new(folder)).unwrap();
        let excused = self.trouble != Trouble::Power;
        for host in ["host0", "host1"] {
            let files = list(&format!("rrd/{host}"));
            let strange = files.iter().find(|name| !name.ends_with(".rrd"));
            let strange = strange
                .filter(|name| !(excused && (name.contains(".damaged") || name.ends_with(".new"))));
            assert_eq!(strange, None, "{files:?}");
        }
        let segments = list("journal");
        let strange = segments
            .iter()
            .find(|name| !name.ends_with(".segment") && *name != "torn");
        assert_eq!(strange, None, "{segments:?}");
        assert!(segments.len() <= 2, "{segments:?}");
    }
}
