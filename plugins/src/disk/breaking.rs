//! A disk whose power is cut at a chosen operation. What was not safe by then survives by chance, the chance by a seed.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::{Body, MemoryDisk, State};
use super::{Disk, DiskFile, Open, PAGE};

/// A disk in memory that fails from a chosen operation on, as if the power had been cut there.
#[derive(Clone, Debug)]
pub struct BreakingDisk {
    disk: MemoryDisk,
    operations_left: Arc<AtomicU64>,
}

impl BreakingDisk {
    /// A disk with the files of `disk` whose power is cut after `operations` that write.
    #[must_use]
    pub fn new(disk: MemoryDisk, operations: u64) -> Self {
        Self {
            disk,
            operations_left: Arc::new(AtomicU64::new(operations)),
        }
    }

    /// Whether the power is cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.operations_left.load(Ordering::SeqCst) == 0
    }

    /// What is found when the power is back: all that was safe, and of the rest what `seed` leaves.
    #[must_use]
    pub fn after_power_cut(&self, seed: u64) -> MemoryDisk {
        let mut chance = Chance(seed);
        let mut state = self.disk.state().clone();
        state.lose_unsafe(&mut chance);
        MemoryDisk::from_state(state)
    }

    fn spend(&self) -> io::Result<()> {
        let spent = self
            .operations_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        spent
            .map(drop)
            .map_err(|_| io::Error::other("the power is cut"))
    }
}

impl State {
    fn lose_unsafe(&mut self, chance: &mut Chance) {
        let kept = chance.below(self.names_since.len() + 1);
        self.names = match kept {
            0 => self.names_safe.clone(),
            kept => self.names_since[kept - 1].clone(),
        };
        self.bodies
            .iter_mut()
            .for_each(|body| body.lose_unsafe(chance));
        self.names_safe = self.names.clone();
        self.names_since.clear();
    }
}

impl Body {
    fn lose_unsafe(&mut self, chance: &mut Chance) {
        // The length that survives is the safe one, the newest one, or that up to the last page that survives.
        let mut survived = self.safe.clone();
        if chance.below(2) == 1 {
            survived.resize(self.bytes.len(), 0);
        }
        for &page in &self.unsafe_pages {
            let (from, to) = (page * PAGE, ((page + 1) * PAGE).min(self.bytes.len()));
            if from < to && chance.below(2) == 1 {
                if survived.len() < to {
                    survived.resize(to, 0);
                }
                survived[from..to].copy_from_slice(&self.bytes[from..to]);
            }
        }
        self.bytes = survived;
        self.safe.clone_from(&self.bytes);
        self.unsafe_pages.clear();
    }
}

/// Numbers by chance, the same for the same seed (splitmix64).
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
        if how == Open::OrCreate {
            self.spend()?;
        }
        let file = self.disk.open(path, how)?;
        Ok(Box::new(BreakingFile {
            disk: self.clone(),
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.spend()?;
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.spend()?;
        self.disk.remove(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.spend()?;
        self.disk.sync_all()
    }
}

struct BreakingFile {
    disk: BreakingDisk,
    file: Box<dyn DiskFile>,
}

impl DiskFile for BreakingFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.spend()?;
        self.file.write_at(bytes, offset)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        self.file.size_bytes()
    }

    fn set_size(&self, size_bytes: u64) -> io::Result<()> {
        self.disk.spend()?;
        self.file.set_size(size_bytes)
    }

    fn reserve(&self, size_bytes: u64) -> io::Result<()> {
        self.disk.spend()?;
        self.file.reserve(size_bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.spend()?;
        self.file.sync()
    }

    fn locked(&self, write: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        self.file.locked(write)
    }
}
