//! Which kind of machine wrote a file that this one cannot read. rrdtool writes what its memory holds, so the order of
//! bytes, the size of a `long` and where a double may begin are in the file; the float cookie shows them.

use std::fmt;

use crate::layout::{AT_FLOAT_COOKIE, AT_SOURCES, FLOAT_COOKIE, word};

/// A kind of machine whose files have other offsets or another order of bytes than ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// 32 bits, little endian, doubles at multiples of 4 bytes.
    X86,
    /// 32 bits, little endian, doubles at multiples of 8 bytes.
    Little32,
    /// 32 bits, big endian.
    Big32,
    /// 64 bits, big endian.
    Big64,
    /// 32 bits, the two halves of a double swapped.
    ArmOld,
    /// None that we know, or a damaged file.
    Unknown,
}

/// Where a double begins that must only lie at a multiple of four bytes.
const AT_PACKED_COOKIE: usize = 12;

/// Sources or archives of a file that is taken to be of a machine with 32 bits.
const COUNT_MAX: u64 = 0xffff;

/// The machine that wrote the start of a file; `None` when it is one like this one.
pub(crate) fn machine(start: &[u8]) -> Option<Machine> {
    let cookie = FLOAT_COOKIE.to_bits();
    let (aligned, packed) = (word(start, AT_FLOAT_COOKIE), word(start, AT_PACKED_COOKIE));
    // The counts behind the cookie: with 32 bits two of them are where we have one.
    let counts = word(start, AT_SOURCES);
    Some(if aligned == cookie {
        // Sources and archives, neither of them many.
        let two = [counts & 0xffff_ffff, counts >> 32];
        if !two.iter().all(|count| (1..=COUNT_MAX).contains(count)) {
            return None;
        }
        Machine::Little32
    } else if aligned == cookie.swap_bytes() {
        if counts << 32 == 0 {
            Machine::Big64
        } else {
            Machine::Big32
        }
    } else if aligned == cookie.rotate_left(32) {
        Machine::ArmOld
    } else if packed == cookie {
        Machine::X86
    } else if packed == cookie.swap_bytes() {
        Machine::Big32
    } else {
        Machine::Unknown
    })
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86 => "a 32-bit little-endian machine with packed doubles, such as i386",
            Self::Little32 => "a 32-bit little-endian machine, such as ARM or MIPS",
            Self::Big32 => "a 32-bit big-endian machine, such as PowerPC or SPARC",
            Self::Big64 => "a 64-bit big-endian machine, such as s390x or SPARC",
            Self::ArmOld => "a 32-bit ARM machine with the old floating point",
            Self::Unknown => "a machine that we do not know, if the file is not damaged",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of a file: float cookie, then two sources and twelve archives as words of so many bytes.
    #[track_caller]
    fn check(expect: Option<Machine>, at: usize, cookie: [u8; 8], counts: &[u8]) {
        let mut start = vec![0; crate::layout::STAT_HEAD];
        start[..9].copy_from_slice(b"RRD\x000003\x00");
        start[at..at + 8].copy_from_slice(&cookie);
        start[at + 8..at + 8 + counts.len()].copy_from_slice(counts);
        assert_eq!(machine(&start), expect);
    }

    #[test]
    fn machines_are_known_by_their_floats_and_counts() {
        let (little, big) = (FLOAT_COOKIE.to_le_bytes(), FLOAT_COOKIE.to_be_bytes());
        let mixed = [&little[4..], &little[..4]].concat().try_into().unwrap();
        let little_32 = [2, 0, 0, 0, 12, 0, 0, 0];
        let big_32 = [0, 0, 0, 2, 0, 0, 0, 12];
        check(None, 16, little, &[2, 0, 0, 0, 0, 0, 0, 0, 12]);
        check(Some(Machine::X86), 12, little, &little_32);
        check(Some(Machine::Little32), 16, little, &little_32);
        check(Some(Machine::Big32), 16, big, &big_32);
        check(Some(Machine::Big32), 12, big, &big_32);
        check(Some(Machine::Big64), 16, big, &[0, 0, 0, 0, 0, 0, 0, 2]);
        check(Some(Machine::ArmOld), 16, mixed, &little_32);
        check(Some(Machine::Unknown), 16, [0; 8], &little_32);
    }
}
