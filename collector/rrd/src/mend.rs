//! Files that are damaged, with what is sound of them saved: one that was cut short gets its length back and unknown rows,
//! a number that no file can have is set right. Bytes in, bytes and what was done to them out.

use std::fmt;

use crate::create::FILE_SIZE_MAX;
use crate::header::{Header, HeaderError, Outline};
use crate::layout::{
    ARCHIVE_DEF, AT_ARCHIVES, AT_ROWS, AT_SOURCES, AT_STEPS, CDP_WORDS, PDP_WORDS, SOURCE_DEF,
    STAT_HEAD, UNKNOWN_BITS, live_head_len, live_offset, word,
};

/// Microseconds of a second.
const MICROS: u64 = 1_000_000;

/// What was done to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The end was missing: these bytes of rows are unknown now.
    Lengthened {
        /// How many.
        bytes: u64,
    },
    /// There was more than a file needs.
    Shortened {
        /// By how much.
        bytes: u64,
    },
    /// The row that an archive wrote last was none that it has; another archive of the same rows knew which.
    RowFound {
        /// Number of the archive.
        archive: usize,
    },
    /// The row that an archive wrote last was none that it has, and nobody knows which: its rows are unknown now.
    RowsLost {
        /// Number of the archive.
        archive: usize,
    },
    /// The last update had more microseconds than a second.
    Microseconds,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lengthened { bytes } => {
                write!(
                    f,
                    "{bytes} bytes of rows were missing at the end: they are unknown"
                )
            }
            Self::Shortened { bytes } => write!(f, "{bytes} bytes behind its end were cut off"),
            Self::RowFound { archive } => write!(
                f,
                "the current row of archive {archive} was none: taken from another archive"
            ),
            Self::RowsLost { archive } => write!(
                f,
                "the current row of archive {archive} was none: its rows are unknown"
            ),
            Self::Microseconds => write!(f, "the microseconds of its last update were none: 0"),
        }
    }
}

/// The bytes that a file with this header should have.
#[must_use]
pub fn whole_len(header: &Header) -> u64 {
    let end = |archive: &crate::header::Archive| {
        archive.offset + 8 * archive.rows * header.sources().len() as u64
    };
    header.archives().iter().map(end).max().unwrap_or(0)
}

/// A file that can be used, made of one that cannot, and what was done to it.
///
/// # Errors
/// When what is wrong cannot be set right.
pub fn mend(file: &[u8]) -> Result<(Vec<u8>, Vec<Change>), HeaderError> {
    let len = file.len() as u64;
    let outline = Outline::parse(file, len)?;
    let mut bytes = file.to_vec();
    let mut changes = Vec::new();
    let version = file[7] - b'0';
    mend_live(&mut bytes, version, outline.header_len, &mut changes);
    let header = Header::parse(&bytes, FILE_SIZE_MAX.max(len))?;
    let whole = whole_len(&header);
    if len < whole {
        // Half a number is none.
        bytes.truncate(file.len() / 8 * 8);
        let missing = (whole as usize - bytes.len()) / 8;
        bytes.extend(std::iter::repeat_n(UNKNOWN_BITS.to_le_bytes(), missing).flatten());
        changes.push(Change::Lengthened { bytes: whole - len });
    }
    if len > whole {
        bytes.truncate(whole as usize);
        changes.push(Change::Shortened { bytes: len - whole });
    }
    for change in &changes {
        if let Change::RowsLost { archive } = change {
            let archive = &header.archives()[*archive];
            let cells = archive.rows as usize * header.sources().len();
            let rows = &mut bytes[archive.offset as usize..][..8 * cells];
            rows.chunks_exact_mut(8)
                .for_each(|cell| cell.copy_from_slice(&UNKNOWN_BITS.to_le_bytes()));
        }
    }
    Header::parse(&bytes, bytes.len() as u64)?;
    Ok((bytes, changes))
}

/// What an archive is, as far as its current row goes.
#[derive(PartialEq)]
struct Rows {
    rows: u64,
    steps: u64,
}

fn mend_live(bytes: &mut [u8], version: u8, header_len: usize, changes: &mut Vec<Change>) {
    let sources = word(bytes, AT_SOURCES) as usize;
    let archives = word(bytes, AT_ARCHIVES) as usize;
    let live = live_offset(sources, archives);
    if version >= 3 && word(bytes, live + 8) >= MICROS {
        bytes[live + 8..live + 16].fill(0);
        changes.push(Change::Microseconds);
    }
    let definitions = STAT_HEAD + SOURCE_DEF * sources;
    let rows_of = |bytes: &[u8], archive: usize| {
        let at = definitions + ARCHIVE_DEF * archive;
        Rows {
            rows: word(bytes, at + AT_ROWS),
            steps: word(bytes, at + AT_STEPS),
        }
    };
    let pointers =
        live + live_head_len(version) + 8 * (PDP_WORDS * sources + CDP_WORDS * archives * sources);
    debug_assert_eq!(
        pointers + 8 * archives,
        header_len,
        "the header ends with them"
    );
    for archive in 0..archives {
        let rows = rows_of(bytes, archive);
        let at = pointers + 8 * archive;
        if word(bytes, at) < rows.rows {
            continue;
        }
        let sibling = (0..archives).find(|&other| {
            rows_of(bytes, other) == rows && word(bytes, pointers + 8 * other) < rows.rows
        });
        let (row, change) = match sibling {
            Some(other) => (
                word(bytes, pointers + 8 * other),
                Change::RowFound { archive },
            ),
            None => (0, Change::RowsLost { archive }),
        };
        bytes[at..at + 8].copy_from_slice(&row.to_le_bytes());
        changes.push(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::create;
    use crate::definition::Definition;
    use crate::layout::NAME;
    use crate::update::Input;
    use crate::writes::Writes;

    const START: i64 = 1_000_000_200;

    fn file() -> Vec<u8> {
        let lines = [
            "DS:a:GAUGE:120:U:U",
            "RRA:AVERAGE:0.5:1:10",
            "RRA:AVERAGE:0.5:5:10",
            "RRA:MAX:0.5:5:10",
        ];
        let mut file = create(&Definition::parse(60, START, &lines).unwrap()).unwrap();
        let mut header = Header::parse(&file, file.len() as u64).unwrap();
        let mut writes = Writes::new();
        for minute in 1..33 {
            let value = [Input::Number(minute as f64)];
            header
                .update(START + 60 * minute, 0, &value, &mut writes)
                .unwrap();
        }
        header.live_write(&mut writes);
        writes.apply(&mut file);
        file
    }

    fn check(damage: impl FnOnce(&mut Vec<u8>), same_until: usize, expect: &[Change]) {
        let whole = file();
        let mut damaged = whole.clone();
        damage(&mut damaged);
        let (mended, changes) = mend(&damaged).unwrap();
        assert_eq!(changes, expect);
        assert_eq!(mended.len(), whole.len());
        assert!(mended[..same_until] == whole[..same_until], "{expect:?}");
    }

    fn pointer(archive: usize) -> usize {
        Header::parse(&file(), 1 << 20).unwrap().size_bytes() - 8 * (3 - archive)
    }

    #[test]
    fn a_sound_file_stays_as_it_is() {
        check(|_| (), file().len(), &[]);
    }

    #[test]
    fn a_file_that_was_cut_short_keeps_the_rows_that_are_there() {
        let len = file().len();
        check(
            |file| file.truncate(len - 83),
            len - 88,
            &[Change::Lengthened { bytes: 83 }],
        );
        check(
            |file| file.extend([1; 5]),
            len,
            &[Change::Shortened { bytes: 5 }],
        );
    }

    #[test]
    fn a_current_row_that_is_none_is_known_from_a_sibling_or_costs_the_archive() {
        let set = |archive: usize| {
            move |file: &mut Vec<u8>| {
                file[pointer(archive)..][..8].copy_from_slice(&10_u64.to_le_bytes());
            }
        };
        check(set(1), file().len(), &[Change::RowFound { archive: 1 }]);
        check(set(2), file().len(), &[Change::RowFound { archive: 2 }]);
        check(set(0), pointer(0), &[Change::RowsLost { archive: 0 }]);
    }

    #[test]
    fn microseconds_that_are_none_are_set_right() {
        let live = Header::parse(&file(), 1 << 20).unwrap().live_offset() as usize;
        let damage = |file: &mut Vec<u8>| file[live + 8..live + 16].fill(0xff);
        check(damage, file().len(), &[Change::Microseconds]);
    }

    #[test]
    fn what_no_header_can_be_read_from_is_refused() {
        assert!(mend(&file()[..900]).is_err());
        assert!(mend(b"not a file").is_err());
        let mut many = file();
        many[AT_SOURCES..AT_SOURCES + 8].fill(0xff);
        assert!(mend(&many).is_err());
        let mut kind = file();
        kind[STAT_HEAD + NAME] = b'x';
        assert!(mend(&kind).is_err());
    }
}
