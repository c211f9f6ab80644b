//! Files in memory, with a limit: a disk that can be full, and one that remembers what is safe.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, Open, PAGE, checked};

/// Files in memory. A clone is the same disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    shared: Arc<Mutex<State>>,
}

/// What a disk holds, and what of it is safe.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) names: BTreeMap<PathBuf, usize>,
    pub(super) bodies: Vec<Body>,
    /// Names as they are safe, and what was done to them since.
    pub(super) names_safe: BTreeMap<PathBuf, usize>,
    pub(super) names_since: Vec<BTreeMap<PathBuf, usize>>,
    capacity_bytes: Option<u64>,
}

/// A file's bytes, now and as they are safe; the pages between are those written since.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) safe: Vec<u8>,
    pub(super) unsafe_pages: BTreeSet<usize>,
}

impl Body {
    fn sync(&mut self) {
        self.safe.clone_from(&self.bytes);
        self.unsafe_pages.clear();
    }

    fn touch(&mut self, from: usize, to: usize) {
        self.unsafe_pages.extend(from / PAGE..to.div_ceil(PAGE));
    }
}

impl MemoryDisk {
    /// A disk without files, and without limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many bytes all files together may have; `None` is no limit.
    pub fn set_capacity(&self, size_bytes: Option<u64>) {
        self.state().capacity_bytes = size_bytes;
    }

    pub(super) fn from_state(state: State) -> Self {
        Self {
            shared: Arc::new(Mutex::new(state)),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn body(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("{}: no such file", path.display()),
            )
        })
    }

    fn named(&mut self) {
        self.names_since.push(self.names.clone());
    }

    fn grow(&mut self, body: usize, size: usize) -> io::Result<()> {
        let used: usize = self
            .names
            .values()
            .map(|&body| self.bodies[body].bytes.len())
            .sum();
        let body = &mut self.bodies[body];
        let more = size.saturating_sub(body.bytes.len());
        if self
            .capacity_bytes
            .is_some_and(|capacity| (used + more) as u64 > capacity)
        {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "no space left on the disk in memory",
            ));
        }
        if more > 0 {
            let from = body.bytes.len();
            body.bytes.resize(size, 0);
            body.touch(from, size);
        }
        Ok(())
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let path = checked(path)?;
        let mut state = self.state();
        if how == Open::OrCreate && !state.names.contains_key(path) {
            state.bodies.push(Body::default());
            let body = state.bodies.len() - 1;
            state.names.insert(path.to_owned(), body);
            state.named();
        }
        let body = state.body(path)?;
        Ok(Box::new(OpenBody {
            disk: self.clone(),
            body,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let body = state.body(checked(from)?)?;
        state.names.remove(from);
        state.names.insert(checked(to)?.to_owned(), body);
        state.named();
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.body(checked(path)?)?;
        state.names.remove(path);
        state.named();
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let folder = checked(folder)?;
        let state = self.state();
        let inside = state
            .names
            .keys()
            .filter(|path| path.parent() == Some(folder));
        Ok(inside
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn sync_all(&self) -> io::Result<()> {
        let mut state = self.state();
        state.bodies.iter_mut().for_each(Body::sync);
        state.names_safe = state.names.clone();
        state.names_since.clear();
        Ok(())
    }
}

struct OpenBody {
    disk: MemoryDisk,
    body: usize,
}

impl DiskFile for OpenBody {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        let held = &state.bodies[self.body].bytes;
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(held.len());
        let count = bytes.len().min(held.len() - from);
        bytes[..count].copy_from_slice(&held[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let to = from + bytes.len();
        let mut state = self.disk.state();
        state.grow(self.body, to)?;
        let body = &mut state.bodies[self.body];
        body.bytes[from..to].copy_from_slice(bytes);
        body.touch(from, to);
        Ok(())
    }

    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.disk.state().bodies[self.body].bytes.len() as u64)
    }

    fn set_size(&self, size_bytes: u64) -> io::Result<()> {
        let size = usize::try_from(size_bytes).map_err(io::Error::other)?;
        let mut state = self.disk.state();
        state.grow(self.body, size)?;
        let body = &mut state.bodies[self.body];
        body.touch(size, body.bytes.len());
        body.bytes.truncate(size);
        Ok(())
    }

    fn reserve(&self, size_bytes: u64) -> io::Result<()> {
        let size = usize::try_from(size_bytes).map_err(io::Error::other)?;
        self.disk.state().grow(self.body, size)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.bodies[self.body].sync();
        Ok(())
    }

    fn locked(&self, write: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        write()
    }
}
