//! A disk whose operations fail, or whose power is cut, at a chosen moment; what comes of it by chance, the chance by a
//! seed.
//!
//! It is as harsh as ext4 or xfs on a drive that keeps its word may be:
//! - A page that was written and not synced survives whole, not at all, or torn: each of its sectors of 512 bytes by itself.
//! - A new length that was not synced survives or not, whatever happens to the bytes; what was never written reads as zero.
//! - Names that were changed and not synced survive up to some point of their order (the file system's own log), or, with
//!   other seeds, each change by itself. [`DiskFile::sync`] says nothing about the file's name.
//! - A call that fails did nothing of what it should, a part (of a write, whole pages), or all of it.
//! - A sync that fails is the last word on what it should have written: each page is safe; or is lost and will not be
//!   written by a later sync unless it is written to again, whether the cache still shows it or the old one.
//!
//! Assumed is that a sector is written whole or not at all, that a rename has no half, and that what was synced stays.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::memory::{Body, MemoryDisk, OpenBody, State};
use super::{Disk, DiskFile, Open, PAGE};

/// What a drive writes whole or not at all.
const SECTOR: usize = 512;

/// A disk in memory that fails when it is told to. A clone is the same disk.
#[derive(Clone, Debug)]
pub struct BreakingDisk {
    disk: MemoryDisk,
    plan: Arc<Mutex<Plan>>,
}

/// Calls that fail without a power cut; those that only read, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// So many calls work first.
    pub after: u64,
    /// So many fail then.
    pub times: u64,
    /// One in so many of those, by chance: 1 is each of them.
    pub one_in: u64,
    /// The operating system's number of the error.
    pub code: i32,
    /// Decides what a call that fails did all the same.
    pub seed: u64,
}

/// What will go wrong.
#[derive(Debug)]
struct Plan {
    /// Writing operations before the power is cut.
    operations_left: u64,
    failures: Option<Failures>,
    chance: Chance,
}

/// How much of a call that fails was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Nothing,
    Part,
    All,
}

impl BreakingDisk {
    /// A disk with the files of `disk` whose power is cut after `operations` that write.
    #[must_use]
    pub fn new(disk: MemoryDisk, operations: u64) -> Self {
        let plan = Plan {
            operations_left: operations,
            failures: None,
            chance: Chance(0),
        };
        Self {
            disk,
            plan: Arc::new(Mutex::new(plan)),
        }
    }

    /// The power is cut after so many more operations that write, and not before.
    pub fn cut_after(&self, operations: u64) {
        self.plan().operations_left = operations;
    }

    /// Operations that write until the power is cut.
    #[must_use]
    pub fn operations_left(&self) -> u64 {
        self.plan().operations_left
    }

    /// Lets calls fail; `None` mends the disk.
    pub fn fail(&self, failures: Option<Failures>) {
        let mut plan = self.plan();
        plan.chance = Chance(failures.map_or(0, |failures| failures.seed));
        plan.failures = failures;
    }

    /// Whether the power is cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.plan().operations_left == 0
    }

    /// What is found when the power is back: all that was safe, and of the rest what `seed` leaves.
    #[must_use]
    pub fn after_power_cut(&self, seed: u64) -> MemoryDisk {
        let mut state = self.disk.state().clone();
        state.lose_unsafe(&mut Chance(seed));
        MemoryDisk::from_state(state)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out an operation that writes, as far as the plan lets it.
    fn write(&self, carry_out: impl FnOnce(Extent) -> io::Result<()>) -> io::Result<()> {
        let turn = self.plan().write();
        match turn? {
            None => carry_out(Extent::All),
            Some((extent, error)) => {
                if extent != Extent::Nothing {
                    drop(carry_out(extent));
                }
                Err(error)
            }
        }
    }

    /// Carries out a call that reads, unless it is to fail.
    fn read<T>(&self, carry_out: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let error = self.plan().failure();
        error.map_or_else(carry_out, Err)
    }
}

impl Plan {
    /// Whether the next operation that writes fails, and what it does all the same.
    fn write(&mut self) -> io::Result<Option<(Extent, io::Error)>> {
        self.operations_left = match self.operations_left.checked_sub(1) {
            None => return Err(io::Error::other("the power is cut")),
            Some(_) if self.operations_left == u64::MAX => u64::MAX,
            Some(left) => left,
        };
        let Some(error) = self.failure() else {
            return Ok(None);
        };
        let extents = [Extent::Nothing, Extent::Part, Extent::All];
        Ok(Some((extents[self.chance.below(extents.len())], error)))
    }

    fn failure(&mut self) -> Option<io::Error> {
        let failures = self.failures.as_mut()?;
        match failures.after.checked_sub(1) {
            Some(after) => {
                failures.after = after;
                None
            }
            None if self.chance.below(failures.one_in as usize) > 0 => None,
            None => {
                failures.times = failures.times.checked_sub(1)?;
                Some(io::Error::from_raw_os_error(failures.code))
            }
        }
    }
}

impl State {
    fn lose_unsafe(&mut self, chance: &mut Chance) {
        self.names = self.names_safe.clone();
        let ordered = chance.below(2) == 0;
        let kept = chance.below(self.names_since.len() + 1);
        for (index, naming) in std::mem::take(&mut self.names_since).iter().enumerate() {
            let survives = if ordered {
                index < kept
            } else {
                chance.below(2) == 1
            };
            if survives {
                naming.apply(&mut self.names);
            }
        }
        self.names_safe = self.names.clone();
        for (index, body) in self.bodies.iter_mut().enumerate() {
            if self.names.values().any(|named| *named == index) {
                body.lose_unsafe(chance);
            } else {
                *body = Body::default();
            }
        }
    }

    /// A sync that fails: what it leaves unsafe stays so.
    fn fail_sync(&mut self, chance: &mut Chance) {
        self.bodies
            .iter_mut()
            .for_each(|body| body.fail_sync(chance));
    }
}

impl Body {
    fn lose_unsafe(&mut self, chance: &mut Chance) {
        let mut survived = self.safe.clone();
        if self.unsafe_length && chance.below(2) == 1 {
            survived.resize(self.bytes.len(), 0);
        }
        for &page in &self.unsafe_pages {
            let (from, to) = (page * PAGE, ((page + 1) * PAGE).min(self.bytes.len()));
            if from >= to {
                continue;
            }
            // Whole, not at all, or torn.
            let torn = chance.below(4) == 0;
            let whole = chance.below(2) == 1;
            for sector in (from..to).step_by(SECTOR) {
                let end = (sector + SECTOR).min(to);
                if if torn { chance.below(2) == 1 } else { whole } {
                    if survived.len() < end {
                        survived.resize(end, 0);
                    }
                    survived[sector..end].copy_from_slice(&self.bytes[sector..end]);
                }
            }
        }
        self.bytes = survived;
        self.safe.clone_from(&self.bytes);
        self.unsafe_pages.clear();
        self.unsafe_length = false;
    }

    fn fail_sync(&mut self, chance: &mut Chance) {
        if chance.below(2) == 1 {
            self.sync_length();
        }
        for page in std::mem::take(&mut self.unsafe_pages) {
            match chance.below(3) {
                0 => self.sync_page(page),
                1 => {}
                _ => self.forget_page(page),
            }
        }
    }

    /// The cache lets go of a page that could not be written.
    fn forget_page(&mut self, page: usize) {
        let (from, to) = (page * PAGE, ((page + 1) * PAGE).min(self.bytes.len()));
        for (offset, byte) in (from..to).zip(&mut self.bytes[from.min(to)..to]) {
            *byte = self.safe.get(offset).copied().unwrap_or(0);
        }
    }
}

/// What a write that fails did: whole pages, about half.
fn part(bytes: &[u8], offset: u64) -> &[u8] {
    let half = offset + bytes.len() as u64 / 2;
    let end = half.next_multiple_of(PAGE as u64) - offset;
    let end = usize::try_from(end).unwrap_or(usize::MAX);
    if end < bytes.len() {
        &bytes[..end]
    } else {
        &[]
    }
}

/// Numbers by chance, the same for the same seed (splitmix64).
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }
}

impl Disk for BreakingDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        match how {
            Open::OrCreate => self.write(|_| self.disk.open(path, how).map(drop))?,
            Open::Existing => self.read(|| Ok(()))?,
        }
        let file = self.disk.open_body(path, how)?;
        let disk = self.clone();
        Ok(Box::new(BreakingFile { disk, file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.write(|_| self.disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.write(|_| self.disk.remove(path))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.read(|| self.disk.list(folder))
    }

    fn sync_all(&self) -> io::Result<()> {
        let synced = self.write(|extent| match extent {
            Extent::All => self.disk.sync_all(),
            Extent::Nothing | Extent::Part => Ok(()),
        });
        if synced.is_err() && !self.is_cut() {
            self.disk.state().fail_sync(&mut self.plan().chance);
        }
        synced
    }
}

struct BreakingFile {
    disk: BreakingDisk,
    file: OpenBody,
}

impl DiskFile for BreakingFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.read(|| self.file.read_at(bytes, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.write(|extent| match extent {
            Extent::All | Extent::Nothing => self.file.write_at(bytes, offset),
            Extent::Part => self.file.write_at(part(bytes, offset), offset),
        })
    }

    fn size_bytes(&self) -> io::Result<u64> {
        self.disk.read(|| self.file.size_bytes())
    }

    fn set_size(&self, size_bytes: u64) -> io::Result<()> {
        self.disk.write(|_| self.file.set_size(size_bytes))
    }

    fn reserve(&self, size_bytes: u64) -> io::Result<()> {
        self.disk.write(|extent| match extent {
            Extent::All | Extent::Nothing => self.file.reserve(size_bytes),
            Extent::Part => self.file.reserve(size_bytes / 2),
        })
    }

    fn sync(&self) -> io::Result<()> {
        let synced = self.disk.write(|extent| match extent {
            Extent::All => self.file.sync(),
            Extent::Nothing | Extent::Part => Ok(()),
        });
        if synced.is_err() && !self.disk.is_cut() {
            let mut state = self.disk.disk.state();
            state.bodies[self.file.body].fail_sync(&mut self.disk.plan().chance);
        }
        synced
    }

    fn locked(&self, write: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        self.disk.read(|| Ok(()))?;
        self.file.locked(write)
    }
}
