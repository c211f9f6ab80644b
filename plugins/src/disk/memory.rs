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
    pub(super) names: Names,
    pub(super) bodies: Vec<Body>,
    /// Names as they are safe, and what was done to them since.
    pub(super) names_safe: Names,
    pub(super) names_since: Vec<Naming>,
    capacity_bytes: Option<u64>,
}

/// Which file has which name.
pub(super) type Names = BTreeMap<PathBuf, usize>;

/// A change of names.
#[derive(Clone, Debug)]
pub(super) struct Naming {
    pub(super) body: usize,
    pub(super) from: Option<PathBuf>,
    pub(super) to: Option<PathBuf>,
}

impl Naming {
    /// Takes the file's old name away and gives it the new one.
    pub(super) fn apply(&self, names: &mut Names) {
        if let Some(from) = &self.from
            && names.get(from) == Some(&self.body)
        {
            names.remove(from);
        }
        if let Some(to) = &self.to {
            names.insert(to.clone(), self.body);
        }
    }
}

/// A file's bytes, now and as they are safe; the pages between are those written since.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) safe: Vec<u8>,
    pub(super) unsafe_pages: BTreeSet<usize>,
    /// Whether the length was changed since it was safe.
    pub(super) unsafe_length: bool,
}

impl Body {
    /// Writes what is not safe; a page that is not known to be unsafe stays as it is on the disk.
    pub(super) fn sync(&mut self) {
        self.sync_length();
        for page in std::mem::take(&mut self.unsafe_pages) {
            self.sync_page(page);
        }
    }

    pub(super) fn sync_length(&mut self) {
        if std::mem::take(&mut self.unsafe_length) {
            self.safe.resize(self.bytes.len(), 0);
        }
    }

    pub(super) fn sync_page(&mut self, page: usize) {
        let (from, to) = (page * PAGE, ((page + 1) * PAGE).min(self.bytes.len()));
        if from < to {
            if self.safe.len() < to {
                self.safe.resize(to, 0);
            }
            self.safe[from..to].copy_from_slice(&self.bytes[from..to]);
        }
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

    pub(super) fn open_body(&self, path: &Path, how: Open) -> io::Result<OpenBody> {
        let path = checked(path)?;
        let mut state = self.state();
        if how == Open::OrCreate && !state.names.contains_key(path) {
            state.bodies.push(Body::default());
            let body = state.bodies.len() - 1;
            state.name(body, None, Some(path));
        }
        let body = state.body(path)?;
        Ok(OpenBody {
            disk: self.clone(),
            body,
        })
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

    fn name(&mut self, body: usize, from: Option<&Path>, to: Option<&Path>) {
        let naming = Naming {
            body,
            from: from.map(Path::to_owned),
            to: to.map(Path::to_owned),
        };
        naming.apply(&mut self.names);
        self.names_since.push(naming);
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
            body.unsafe_length = true;
        }
        Ok(())
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.open_body(path, how)?))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let body = state.body(checked(from)?)?;
        state.name(body, Some(from), Some(checked(to)?));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let body = state.body(checked(path)?)?;
        state.name(body, Some(path), None);
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

pub(super) struct OpenBody {
    disk: MemoryDisk,
    pub(super) body: usize,
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
        // The rest of the last page is zeroed, and that is a write.
        body.touch(size, body.bytes.len());
        body.unsafe_length |= size != body.bytes.len();
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
