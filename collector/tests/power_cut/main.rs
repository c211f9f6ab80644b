//! The collector's storage loses nothing: whole lives of it, drawn from seeds, on a disk that fails and whose power is cut
//! at any operation, compared with a collector that nothing ever happened to.
//!
//! A life pushes through [`ravenry::ingest::Ingest`], makes checkpoints, adds fields, changes types, is killed, loses its
//! power (while it recovers, too), and starts with the code that the program starts with. At any time everything that was
//! acknowledged must be there exactly once in what pages read; after a flush also in the files.
//!
//! The state database is SQLite's own promise: here it is in memory, a save is there as soon as it returned and not before,
//! which is what `synchronous=FULL` on a journal of writes ahead promises; a cut before or after it is a cut at the disk
//! operation before or after. A save that were lost later would lose keys and declarations: it must not be.
//!
//! `RAVENRY_SEEDS` is how many lives there are, `RAVENRY_SEED` one of them alone; a life that fails says its seed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is a failure with its place"
)]

mod chance;
mod life;
mod oracle;
mod plot;
mod reference;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use life::{Life, Trouble};

/// Lives of the ordinary run, for each kind of trouble.
const LIVES: u64 = 500;
/// Every so many lives end with rrdtool reading the files.
const RRDTOOL_EVERY: u64 = 100;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap())
}

/// Lives through all seeds, on all processors.
fn live(trouble: Trouble) {
    let seeds = match (number("RAVENRY_SEED"), number("RAVENRY_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, lives) => 0..lives.unwrap_or(LIVES),
    };
    let next = AtomicU64::new(seeds.start);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    let life = Life::new(seed, trouble);
                    let ended = life.live();
                    if seed.is_multiple_of(RRDTOOL_EVERY) {
                        oracle::agrees(&ended);
                    }
                }
            });
        }
    });
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_is_cut() {
    live(Trouble::Power);
}

#[test]
fn nothing_acknowledged_is_lost_whatever_call_of_the_disk_fails() {
    live(Trouble::Errors);
}

#[test]
fn nothing_acknowledged_is_lost_when_calls_fail_and_the_power_is_cut() {
    live(Trouble::Both);
}
