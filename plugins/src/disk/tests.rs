use super::*;

fn write(disk: &dyn Disk, path: &str, bytes: &[u8], offset: u64) -> io::Result<()> {
    disk.open(Path::new(path), Open::OrCreate)?
        .write_at(bytes, offset)
}

fn read(disk: &dyn Disk, path: &str) -> io::Result<Vec<u8>> {
    read_whole(&*disk.open(Path::new(path), Open::Existing)?, 1 << 20)
}

fn behaves_like_a_disk(disk: &dyn Disk) {
    write(disk, "a/x", b"hello", 3).unwrap();
    assert_eq!(read(disk, "a/x").unwrap(), b"\0\0\0hello");
    disk.rename(Path::new("a/x"), Path::new("a/y")).unwrap();
    assert_eq!(disk.list(Path::new("a")).unwrap(), ["y"]);
    assert_eq!(
        disk.list(Path::new("nowhere")).unwrap(),
        Vec::<String>::new()
    );
    let file = disk.open(Path::new("a/y"), Open::Existing).unwrap();
    file.set_size(4).unwrap();
    file.reserve(6).unwrap();
    file.sync().unwrap();
    file.locked(&mut || file.write_at(b"!", 5)).unwrap();
    assert_eq!(read(disk, "a/y").unwrap(), b"\0\0\0h\0!");
    assert_eq!(
        read(disk, "a/x").unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    assert_eq!(
        write(disk, "../out", b"", 0).unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
    disk.sync_all().unwrap();
    disk.remove(Path::new("a/y")).unwrap();
    assert_eq!(disk.list(Path::new("a")).unwrap(), Vec::<String>::new());
}

#[test]
fn all_disks_behave_alike() {
    let folder = tempfile::tempdir().unwrap();
    behaves_like_a_disk(&FileDisk::new(folder.path().join("new/root")).unwrap());
    behaves_like_a_disk(&MemoryDisk::new());
    behaves_like_a_disk(&BreakingDisk::new(MemoryDisk::new(), 1000));
}

#[test]
fn a_full_disk_refuses_what_does_not_fit() {
    let disk = MemoryDisk::new();
    disk.set_capacity(Some(10));
    write(&disk, "a", &[1; 10], 0).unwrap();
    assert_eq!(
        write(&disk, "b", &[1], 0).unwrap_err().kind(),
        io::ErrorKind::StorageFull
    );
    assert_eq!(read(&disk, "a").unwrap(), [1; 10]);
}

#[test]
fn what_was_synced_survives_a_power_cut_and_the_rest_may() {
    let disk = BreakingDisk::new(MemoryDisk::new(), 5);
    write(&disk, "a", &[1; 3 * PAGE], 0).unwrap();
    disk.sync_all().unwrap();
    write(&disk, "a", &[2; 3 * PAGE], 0).unwrap();
    assert!(disk.is_cut() && write(&disk, "a", &[3], 0).is_err());
    let mut whole = std::collections::BTreeSet::new();
    let mut torn = 0;
    for seed in 0..200 {
        let bytes = read(&disk.after_power_cut(seed), "a").unwrap();
        let same = |bytes: &[u8]| bytes.iter().all(|byte| *byte == bytes[0]);
        assert!(bytes.chunks(512).all(same), "sectors are whole");
        if bytes.chunks(PAGE).all(same) {
            whole.insert(bytes.chunks(PAGE).map(|page| page[0]).collect::<Vec<u8>>());
        } else {
            torn += 1;
        }
    }
    assert_eq!(whole.len(), 8, "every subset of three pages is met");
    assert!((20..180).contains(&torn), "{torn} of 200 have a torn page");
}

#[test]
fn a_file_that_was_never_synced_may_be_gone() {
    let disk = BreakingDisk::new(MemoryDisk::new(), 100);
    write(&disk, "a", b"x", 0).unwrap();
    disk.sync_all().unwrap();
    disk.rename(Path::new("a"), Path::new("b")).unwrap();
    let names = |seed| {
        disk.after_power_cut(seed)
            .list(Path::new(""))
            .unwrap()
            .concat()
    };
    let found: std::collections::BTreeSet<String> = (0..32).map(names).collect();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_call_that_fails_may_have_done_nothing_a_part_or_all() {
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..32 {
        let disk = BreakingDisk::new(MemoryDisk::new(), u64::MAX);
        let file = disk.open(Path::new("a"), Open::OrCreate).unwrap();
        disk.fail(Some(Failures {
            after: 1,
            times: 1,
            one_in: 1,
            code: libc::EIO,
            seed,
        }));
        file.write_at(&[1; PAGE], 0).unwrap();
        let error = file.write_at(&[2; 4 * PAGE], PAGE as u64).unwrap_err();
        assert_eq!(os_code(&error), Some(libc::EIO));
        lengths.insert(file.size_bytes().unwrap());
        file.write_at(&[2; 4 * PAGE], PAGE as u64).unwrap();
    }
    assert_eq!(
        lengths.into_iter().collect::<Vec<_>>(),
        [1, 3, 5].map(|pages| pages * PAGE as u64)
    );
}

#[test]
fn what_a_failed_sync_lost_is_not_saved_by_the_next_one() {
    let mut found = std::collections::BTreeSet::new();
    for seed in 0..64 {
        let disk = BreakingDisk::new(MemoryDisk::new(), u64::MAX);
        write(&disk, "a", b"old", 0).unwrap();
        disk.sync_all().unwrap();
        write(&disk, "a", b"new", 0).unwrap();
        disk.fail(Some(Failures {
            after: 0,
            times: 1,
            one_in: 1,
            code: libc::EIO,
            seed,
        }));
        disk.sync_all().unwrap_err();
        let seen = String::from_utf8(read(&disk, "a").unwrap()).unwrap();
        disk.sync_all().unwrap();
        let kept = read(&disk.after_power_cut(seed), "a").unwrap();
        found.insert((seen, String::from_utf8(kept).unwrap()));
        write(&disk, "a", b"new", 0).unwrap();
        disk.sync_all().unwrap();
        assert_eq!(read(&disk.after_power_cut(seed), "a").unwrap(), b"new");
    }
    let expect = [("new", "new"), ("new", "old"), ("old", "old")];
    let expect = expect.map(|(seen, kept)| (seen.to_owned(), kept.to_owned()));
    assert_eq!(found, expect.into());
}

#[test]
fn an_error_with_a_path_keeps_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FileDisk::new(folder.path()).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
    let error = disk.open(Path::new("link"), Open::Existing).err().unwrap();
    assert_eq!(os_code(&error), Some(libc::ELOOP));
    assert!(error.to_string().contains("/link: "), "{error}");
    assert!(!concerns_all_files(&error));
    assert!(concerns_all_files(&named(
        Path::new("x"),
        io::Error::from_raw_os_error(libc::EMFILE)
    )));
}
