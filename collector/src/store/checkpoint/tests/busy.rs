//! Pushes that come while a checkpoint is at work: between any two operations of the disk, and the power is cut at any.

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use ravenry_plugins::disk::DiskFile;

use super::*;

/// The last minute that [`Rig::rows`] looks at.
const LAST_MINUTE: i64 = 18;
/// A push comes before each operation with a number that is a multiple of this.
const EVERY: u64 = 3;

/// Who pushes while the disk is asked for something.
#[derive(Default)]
struct Pusher {
    rig: Mutex<Weak<Rig>>,
    /// Whether a push is being taken, whose own operations are no occasion.
    is_pushing: AtomicBool,
    operations: AtomicU64,
    minute: AtomicI64,
    acknowledged: Mutex<Vec<i64>>,
}

impl Pusher {
    fn push(&self, rig: &Rig) {
        let minute = 1 + self.minute.fetch_add(1, Ordering::SeqCst);
        let taken = rig.push(&batch("web1", "load", &["a"], minute, minute as f64));
        if taken.is_ok_and(|ack| ack.accepted == 1) {
            lock(&self.acknowledged).push(minute);
        }
    }

    fn disturb(&self) {
        if self.is_pushing.swap(true, Ordering::SeqCst) {
            return;
        }
        let number = self.operations.fetch_add(1, Ordering::SeqCst);
        let rig = lock(&self.rig).upgrade();
        let is_time =
            number.is_multiple_of(EVERY) && self.minute.load(Ordering::SeqCst) < LAST_MINUTE;
        // While the journal itself is at work a push waits for it.
        if let Some(rig) = rig.filter(|rig| is_time && rig.journal.try_lock().is_ok()) {
            self.push(&rig);
        }
        self.is_pushing.store(false, Ordering::SeqCst);
    }
}

/// A disk that is disturbed before each operation.
struct Disturbed<T> {
    below: T,
    pusher: Arc<Pusher>,
}

impl Disk for Disturbed<BreakingDisk> {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        self.pusher.disturb();
        let file = Disturbed {
            below: self.below.open(path, how)?,
            pusher: Arc::clone(&self.pusher),
        };
        Ok(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pusher.disturb();
        self.below.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.pusher.disturb();
        self.below.remove(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.pusher.disturb();
        self.below.list(folder)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.pusher.disturb();
        self.below.sync_all()
    }
}

impl DiskFile for Disturbed<Box<dyn DiskFile>> {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.pusher.disturb();
        self.below.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.pusher.disturb();
        self.below.write_at(bytes, offset)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        self.below.size_bytes()
    }

    fn set_size(&self, size_bytes: u64) -> io::Result<()> {
        self.pusher.disturb();
        self.below.set_size(size_bytes)
    }

    fn reserve(&self, size_bytes: u64) -> io::Result<()> {
        self.pusher.disturb();
        self.below.reserve(size_bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.pusher.disturb();
        self.below.sync()
    }

    fn locked(&self, write: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        self.pusher.disturb();
        self.below.locked(write)
    }
}

/// Pushes and flushes until the power goes; what was acknowledged by then.
fn life(disk: &BreakingDisk, database: Database) -> Vec<i64> {
    let pusher = Arc::new(Pusher::default());
    let disk: Arc<dyn Disk> = Arc::new(Disturbed {
        below: disk.clone(),
        pusher: Arc::clone(&pusher),
    });
    let Ok(rig) = Rig::start(&disk, database) else {
        return Vec::new();
    };
    let rig = Arc::new(rig);
    for _ in 0..3 {
        pusher.push(&rig);
        *lock(&pusher.rig) = Arc::downgrade(&rig);
        let written = rig.checkpoint();
        *lock(&pusher.rig) = Weak::new();
        if written.is_err() {
            break;
        }
    }
    std::mem::take(&mut lock(&pusher.acknowledged))
}

#[test]
fn readings_that_come_while_a_checkpoint_runs_survive_a_power_cut_at_any_moment_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut disturbed = 0;
    // All of them where somebody asked for more than usual.
    let step = std::env::var("RAVENRY_SEEDS").map_or(3, |_| 1);
    for cut in (0_u64..).step_by(step) {
        let path = folder.path().join(cut.to_string());
        let breaking = BreakingDisk::new(MemoryDisk::new(), cut);
        let acknowledged = life(&breaking, Database::open(&path).unwrap());
        disturbed = disturbed.max(acknowledged.len());

        let disk: Arc<dyn Disk> = Arc::new(breaking.after_power_cut(cut));
        let rig = Rig::start(&disk, Database::open(&path).unwrap()).unwrap();
        for _ in 0..2 {
            let rows = rig.rows("web1", "load", "a");
            for &minute in &acknowledged {
                let found = rows.get(minute as usize - 1).copied().flatten();
                assert_eq!(
                    found,
                    Some(minute as f64),
                    "cut {cut}: minute {minute} of {acknowledged:?}: {rows:?} {:?}",
                    rig.problems
                );
            }
            let report = rig.checkpoint().unwrap();
            assert!(report.problems.is_empty(), "cut {cut}: {report:?}");
        }
        if !breaking.is_cut() {
            break;
        }
    }
    assert!(disturbed > 9, "only {disturbed} pushes in all");
}
