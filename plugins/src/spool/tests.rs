//! A spool on disks that are full, damaged, or lose their power at every single operation.

use std::sync::Arc;

use super::*;
use crate::disk::{BreakingDisk, MemoryDisk};

const SMALL: SpoolLimits = SpoolLimits {
    total_bytes: 600,
    segment_bytes: 150,
    record_bytes: 100,
};

fn open(disk: impl Disk + 'static, limits: SpoolLimits) -> (Spool, Vec<String>) {
    let (spool, problems) = Spool::open(Arc::new(disk), Path::new("spool"), limits).unwrap();
    (spool, problems.iter().map(ToString::to_string).collect())
}

fn roomy(disk: impl Disk + 'static) -> Spool {
    let (spool, problems) = open(disk, SpoolLimits::default());
    assert_eq!(problems, Vec::<String>::new());
    spool
}

fn peeked(spool: &mut Spool) -> Option<String> {
    let record = spool.peek().unwrap();
    record.map(|(_, payload)| String::from_utf8(payload).unwrap())
}

/// Takes everything out, oldest first.
fn drain(spool: &mut Spool) -> Vec<String> {
    let mut records = Vec::new();
    while let Some((position, payload)) = spool.peek().unwrap() {
        assert!(spool.pop(position).unwrap());
        records.push(String::from_utf8(payload).unwrap());
    }
    assert_eq!(spool.len(), 0);
    records
}

#[test]
fn records_come_out_as_they_went_in() {
    let mut spool = roomy(MemoryDisk::new());
    assert_eq!(peeked(&mut spool), None);
    for record in ["a", "b", "c"] {
        spool.push(record.as_bytes()).unwrap();
    }
    assert_eq!((spool.len(), peeked(&mut spool)), (3, Some("a".to_owned())));
    assert_eq!(peeked(&mut spool), Some("a".to_owned()));
    assert_eq!(drain(&mut spool), ["a", "b", "c"]);
    spool.push(b"d").unwrap();
    assert_eq!(drain(&mut spool), ["d"]);
}

#[test]
fn what_waits_and_what_was_delivered_survives_opening_again() {
    let disk = MemoryDisk::new();
    for round in 0..20 {
        let (mut spool, problems) = open(disk.clone(), SMALL);
        assert_eq!(problems, Vec::<String>::new(), "{round}");
        assert_eq!(spool.len(), round.min(1), "{round}");
        spool.push(format!("record {round}").as_bytes()).unwrap();
        if round > 0 {
            let (position, payload) = spool.peek().unwrap().unwrap();
            assert_eq!(payload, format!("record {}", round - 1).as_bytes());
            assert!(spool.pop(position).unwrap());
        }
    }
    assert!(
        disk.list(Path::new("spool")).unwrap().len() <= 3,
        "delivered segments are removed"
    );
}

#[test]
fn only_the_oldest_is_popped_and_only_once() {
    let mut spool = roomy(MemoryDisk::new());
    let first = spool.push(b"a").unwrap();
    let second = spool.push(b"b").unwrap();
    assert!(!spool.pop(second).unwrap());
    assert!(spool.pop(first).unwrap());
    assert!(!spool.pop(first).unwrap());
    assert_eq!(drain(&mut spool), ["b"]);
}

#[test]
fn without_room_the_oldest_are_dropped_and_counted() {
    let disk = MemoryDisk::new();
    let (mut spool, _) = open(disk.clone(), SMALL);
    for record in 0..100 {
        spool.push(format!("{record:>40}").as_bytes()).unwrap();
        assert!(spool.size_bytes() <= SMALL.total_bytes);
    }
    let (waiting, dropped) = (spool.len(), spool.dropped());
    assert_eq!(waiting + dropped, 100);
    assert!(waiting >= 6, "{waiting}");
    drop(spool);
    let (mut spool, _) = open(disk, SMALL);
    assert_eq!((spool.len(), spool.dropped()), (waiting, dropped));
    assert_eq!(drain(&mut spool).last().unwrap().trim(), "99");
}

#[test]
fn a_record_dropped_while_it_is_on_its_way_is_not_popped() {
    let (mut spool, _) = open(MemoryDisk::new(), SMALL);
    let first = spool.push(&[b'x'; 90]).unwrap();
    for _ in 0..10 {
        spool.push(&[b'y'; 90]).unwrap();
    }
    assert!(!spool.pop(first).unwrap());
    assert_eq!(drain(&mut spool).len() as u64 + spool.dropped(), 11);
}

#[test]
fn a_record_that_never_fits_is_refused() {
    let (mut spool, _) = open(MemoryDisk::new(), SMALL);
    let check =
        |size: usize, spool: &mut Spool| spool.push(&vec![1; size]).unwrap_err().to_string();
    assert_eq!(
        check(0, &mut spool),
        "record: expected 1 to 100 bytes, found 0"
    );
    assert_eq!(
        check(101, &mut spool),
        "record: expected 1 to 100 bytes, found 101"
    );
    spool.push(&[1; 100]).unwrap();
}

#[test]
fn a_full_disk_costs_the_record_that_finds_it_full() {
    let disk = MemoryDisk::new();
    let mut spool = roomy(disk.clone());
    spool.push(b"first").unwrap();
    let position = spool.peek().unwrap().unwrap().0;
    spool.push(b"second").unwrap();
    assert!(spool.pop(position).unwrap());
    disk.set_capacity(Some(100));
    let error = spool.push(&[b'x'; 200]).unwrap_err();
    assert!(matches!(error, SpoolError::Disk(_)), "{error}");
    disk.set_capacity(None);
    spool.push(b"third").unwrap();
    drop(spool);
    assert_eq!(drain(&mut roomy(disk)), ["second", "third"]);
}

#[test]
fn a_torn_end_is_cut_and_said_to_be() {
    let written = MemoryDisk::new();
    let mut spool = roomy(written.clone());
    spool.push(b"whole").unwrap();
    let end = spool.size_bytes();
    spool.push(b"torn record").unwrap();
    let torn_end = spool.size_bytes();
    drop(spool);
    for size in end + 1..torn_end {
        let disk = BreakingDisk::new(written.clone(), u64::MAX).after_power_cut(1);
        let name = Path::new("spool/00000000000000000000.spool");
        disk.open(name, Open::Existing)
            .unwrap()
            .set_size(size)
            .unwrap();
        let (mut spool, problems) = open(disk, SpoolLimits::default());
        assert_eq!(
            problems,
            [format!(
                "spool/00000000000000000000.spool: expected whole records, found {} bytes that are none behind 1 records; they were cut",
                size - end
            )]
        );
        spool.push(b"next").unwrap();
        assert_eq!(drain(&mut spool), ["whole", "next"]);
    }
}

#[test]
fn a_bad_record_costs_the_rest_of_its_segment() {
    let disk = MemoryDisk::new();
    let (mut spool, _) = open(disk.clone(), SMALL);
    for record in 0..6 {
        spool.push(format!("{record:>40}").as_bytes()).unwrap();
    }
    let name = Path::new("spool/00000000000000000000.spool");
    disk.open(name, Open::Existing)
        .unwrap()
        .write_at(b"?", SEGMENT_HEADER + 20)
        .unwrap();
    let records = drain(&mut spool);
    assert_eq!(records.len() as u64 + spool.dropped(), 6);
    assert_eq!(records[0].trim(), "2");
}

#[test]
fn a_damaged_cursor_delivers_again() {
    let disk = MemoryDisk::new();
    let mut spool = roomy(disk.clone());
    let position = spool.push(b"a").unwrap();
    spool.push(b"b").unwrap();
    spool.pop(position).unwrap();
    disk.open(Path::new("spool/cursor"), Open::Existing)
        .unwrap()
        .write_at(b"?", 3)
        .unwrap();
    let (mut spool, problems) = open(disk, SpoolLimits::default());
    assert_eq!(
        problems,
        ["spool/cursor: expected a whole cursor; what waits is delivered again"]
    );
    assert_eq!(drain(&mut spool), ["a", "b"]);
}

#[test]
fn any_bytes_can_be_opened() {
    for seed in 0..200_u64 {
        let disk = MemoryDisk::new();
        let (mut spool, _) = open(disk.clone(), SMALL);
        for record in 0..8 {
            spool.push(format!("{record:>30}").as_bytes()).unwrap();
        }
        for (at, name) in disk.list(Path::new("spool")).unwrap().iter().enumerate() {
            let file = disk
                .open(&Path::new("spool").join(name), Open::Existing)
                .unwrap();
            let offset = (seed * 7919 + at as u64 * 31) % 160;
            file.write_at(
                &seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes(),
                offset,
            )
            .unwrap();
        }
        let (mut spool, _) = open(disk, SMALL);
        drain(&mut spool);
        spool.push(b"new").unwrap();
        assert_eq!(drain(&mut spool), ["new"], "seed {seed}");
    }
}

/// What a user of the spool knows of it when the power is cut.
#[derive(Default)]
struct Ledger {
    pushed: Vec<String>,
    popped: usize,
    /// A pop or push that failed may have happened all the same.
    unsure_pop: bool,
    unsure_push: Option<String>,
    dropped: u64,
}

/// Pushes three and pops two, again and again, until the power is cut.
fn use_until_cut(disk: &BreakingDisk, limits: SpoolLimits) -> Ledger {
    let mut ledger = Ledger::default();
    let Ok((mut spool, _)) = Spool::open(Arc::new(disk.clone()), Path::new("spool"), limits) else {
        return ledger;
    };
    for step in 0..40 {
        if step % 5 < 3 {
            let record = format!("record {step:>20}");
            if spool.push(record.as_bytes()).is_err() {
                ledger.unsure_push = Some(record);
                break;
            }
            ledger.pushed.push(record);
        } else if let Ok(Some((position, _))) = spool.peek() {
            if spool.pop(position).is_err() {
                ledger.unsure_pop = true;
                break;
            }
            ledger.popped += 1;
        }
    }
    ledger.dropped = spool.dropped();
    ledger
}

#[test]
fn nothing_that_was_pushed_is_lost_wherever_the_power_is_cut() {
    let roomy = SpoolLimits {
        total_bytes: 1 << 20,
        ..SMALL
    };
    for operations in 0..180 {
        for seed in 0..20 {
            let disk = BreakingDisk::new(MemoryDisk::new(), operations);
            let ledger = use_until_cut(&disk, roomy);
            let (mut spool, _) = open(disk.after_power_cut(seed), roomy);
            let found = drain(&mut spool);
            let at = format!("cut after {operations}, seed {seed}");
            let mut expect = ledger.pushed[ledger.popped..].to_vec();
            if ledger.unsure_pop && found.len() < expect.len() {
                expect.remove(0);
            }
            if found.len() > expect.len() {
                expect.extend(ledger.unsure_push);
            }
            assert_eq!(found, expect, "{at}");
            assert_eq!(spool.dropped(), 0, "{at}");
        }
    }
}

#[test]
fn what_is_dropped_is_counted_wherever_the_power_is_cut() {
    let tight = SpoolLimits {
        total_bytes: 300,
        segment_bytes: 100,
        record_bytes: 100,
    };
    for operations in 0..180 {
        for seed in 0..10 {
            let disk = BreakingDisk::new(MemoryDisk::new(), operations);
            let ledger = use_until_cut(&disk, tight);
            let (mut spool, _) = open(disk.after_power_cut(seed), tight);
            let found = drain(&mut spool).len() as u64;
            let known = (ledger.pushed.len() - ledger.popped) as u64;
            let accounted = found + spool.dropped();
            let slack = u64::from(ledger.unsure_pop) + u64::from(ledger.unsure_push.is_some());
            assert!(
                accounted + u64::from(ledger.unsure_pop) >= known && accounted <= known + slack,
                "cut after {operations}, seed {seed}: {found} found, {} dropped, {known} waited",
                spool.dropped()
            );
            assert!(spool.dropped() >= ledger.dropped);
        }
    }
}
