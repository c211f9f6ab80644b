use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use ravenry_plugins::disk::{DiskFile, MemoryDisk, Open};

use super::*;

/// A disk that can be full.
struct FullDisk {
    disk: MemoryDisk,
    full: Arc<AtomicBool>,
}

struct FullFile(Box<dyn DiskFile>, Arc<AtomicBool>);

fn room(full: &AtomicBool) -> io::Result<()> {
    if full.load(Ordering::Relaxed) {
        Err(io::ErrorKind::StorageFull.into())
    } else {
        Ok(())
    }
}

impl Disk for FullDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(FullFile(
            self.disk.open(path, how)?,
            self.full.clone(),
        )))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.disk.sync_all()
    }
}

impl DiskFile for FullFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        // A cursor is written in place: a full disk has room for it.
        if bytes.len() != 20 {
            room(&self.1)?;
        }
        self.0.write_at(bytes, offset)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        self.0.size_bytes()
    }

    fn set_size(&self, size_bytes: u64) -> io::Result<()> {
        self.0.set_size(size_bytes)
    }

    fn reserve(&self, size_bytes: u64) -> io::Result<()> {
        room(&self.1)?;
        self.0.reserve(size_bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn locked(&self, write: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        write()
    }
}

/// Plays a life: a digit is pushed, `f` fills the disk, `r` makes room, `s` sends the oldest, `t` takes it to be sent and
/// `d` says that it was. What was sent comes out in order.
#[track_caller]
fn check(life: &str, expect: &str) {
    let full = Arc::new(AtomicBool::new(false));
    let disk = FullDisk {
        disk: MemoryDisk::default(),
        full: full.clone(),
    };
    let (mut queue, _) = Queue::open(Arc::new(disk), 1 << 20).unwrap();
    let mut sent = String::new();
    let mut out = None;
    for step in life.chars() {
        match step {
            'f' => full.store(true, Ordering::Relaxed),
            'r' => full.store(false, Ordering::Relaxed),
            's' => {
                sent.extend(queue.oldest().unwrap().map(|packed| char::from(packed[0])));
                queue.pop().unwrap();
            }
            't' => out = queue.oldest().unwrap(),
            'd' => {
                sent.extend(out.take().map(|packed| char::from(packed[0])));
                queue.pop().unwrap();
            }
            digit => {
                let kept = queue.push(vec![digit as u8]);
                let may_fail = full.load(Ordering::Relaxed);
                assert!(kept.is_ok() || may_fail, "{life}: {kept:?}");
            }
        }
    }
    assert_eq!(sent, expect, "{life}");
    assert_eq!(queue.dropped(), 0, "{life}");
}

#[test]
fn a_full_disk_changes_no_order_and_loses_nothing() {
    check("123sss", "123");
    check("1f23sss", "123");
    check("1f2s3ss", "123");
    check("f12r3sss", "123");
    check("f12s3r4ssss", "1234");
    check("f1t2r3d4sss", "1234");
    check("ss1s", "1");
}

#[test]
fn memory_is_limited_and_what_it_drops_is_counted() {
    let full = Arc::new(AtomicBool::new(false));
    let disk = FullDisk {
        disk: MemoryDisk::default(),
        full: full.clone(),
    };
    let (mut queue, _) = Queue::open(Arc::new(disk), 1 << 30).unwrap();
    full.store(true, Ordering::Relaxed);
    for i in 0..20_u8 {
        assert!(queue.push(vec![i; 1 << 20]).is_err());
    }
    assert_eq!((queue.memory.len(), queue.dropped()), (8, 12));
    assert_eq!(queue.oldest().unwrap().unwrap()[0], 12);
}

#[test]
fn a_full_spool_drops_its_oldest_and_counts() {
    let (mut queue, _) = Queue::open(Arc::new(MemoryDisk::default()), 1 << 20).unwrap();
    for i in 0..200_u8 {
        queue.push(vec![i; 10_000]).unwrap();
    }
    let first = queue.oldest().unwrap().unwrap()[0];
    assert!(
        queue.dropped() > 90 && u64::from(first) == queue.dropped(),
        "{first} {}",
        queue.dropped()
    );
}
