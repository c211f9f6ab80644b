//! The short way for what agents send: a batch as MessagePack, read without a copy of each name.
//!
//! The columns of samples are read straight into their places, and a table of series that has come before is recognised by
//! its bytes ([`Tables`]), so that its names are not read again. Whatever is not as expected (another order of things is
//! fine) is left to the general reader of [`super::codec`], which knows what to say about it: both agree on what they take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use super::codec::{NESTING_MAX, message_pack};
use super::{
    Batch, Gone, Key, RunReport, SAMPLES_MAX, Samples, Series, VERSION, VerdictReport, bounded,
};
use crate::declaration::Declaration;
use crate::name::HostName;
use crate::reading::Reading;
use crate::timestamp::Timestamp;

/// Bytes that remembered tables may take, about, in each of two generations.
const TABLES_BYTES_MAX: usize = 64 << 20;
/// What a series takes in memory besides its bytes, about.
const SERIES_BYTES: usize = 40;

/// Tables of series that have come before. An agent's table is mostly the one that it sent last.
#[derive(Debug, Default)]
pub struct Tables(Mutex<Generations>);

/// What was used lately, and what was used before that; the older ones go when the younger ones are too many.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<u64, Table>,
    old: HashMap<u64, Table>,
    young_bytes: usize,
}

#[derive(Debug)]
struct Table {
    bytes: Box<[u8]>,
    series: Arc<Series>,
}

impl Tables {
    fn find(&self, bytes: &[u8]) -> Option<Arc<Series>> {
        let hash = xxh3_64(bytes);
        let mut tables = self.lock();
        let is_it = |table: &&Table| *table.bytes == *bytes;
        if let Some(table) = tables.young.get(&hash).filter(is_it) {
            return Some(Arc::clone(&table.series));
        }
        tables.old.get(&hash).filter(is_it)?;
        let table = tables.old.remove(&hash)?;
        let series = Arc::clone(&table.series);
        tables.keep(hash, table);
        Some(series)
    }

    fn keep(&self, bytes: &[u8], series: &Arc<Series>) {
        let table = Table {
            bytes: bytes.into(),
            series: Arc::clone(series),
        };
        self.lock().keep(xxh3_64(bytes), table);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn keep(&mut self, hash: u64, table: Table) {
        self.young_bytes += table.bytes.len() + SERIES_BYTES * table.series.graph.len();
        self.young.insert(hash, table);
        if self.young_bytes > TABLES_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

/// The batch in `bytes` and how many of them it takes; `None` when it is for the general reader to say.
pub(super) fn read(bytes: &[u8], tables: &Tables) -> Option<(Batch, usize)> {
    let mut at = Cursor { bytes, at: 0 };
    let (mut version, mut host, mut key) = (None, None, None);
    let (mut graphs, mut series, mut samples) = (None, None, None);
    let (mut runs, mut verdicts, mut gone) = (None, None, None);
    for _ in 0..at.map()? {
        match at.text()? {
            b"version" => once(&mut version, at.unsigned()?)?,
            b"host" => once(&mut host, decode::<HostName>(at.value()?)?)?,
            b"key" => once(&mut key, decode::<Option<Key>>(at.value()?)?)?,
            b"graphs" => once(&mut graphs, decode::<Graphs>(at.value()?)?.0)?,
            b"series" => once(&mut series, table(at.value()?, tables)?)?,
            b"samples" => once(&mut samples, at.samples()?)?,
            b"runs" => once(&mut runs, decode::<Runs>(at.value()?)?.0)?,
            b"verdicts" => once(&mut verdicts, decode::<Verdicts>(at.value()?)?.0)?,
            b"gone" => once(&mut gone, decode::<AllGone>(at.value()?)?.0)?,
            // Of a later version, which the general reader may know something about.
            _ => return None,
        }
    }
    let batch = Batch {
        version: VERSION,
        host: host?,
        key: key.unwrap_or_default(),
        graphs: graphs.unwrap_or_default(),
        series: series.unwrap_or_default(),
        samples: samples.unwrap_or_default(),
        runs: runs.unwrap_or_default(),
        verdicts: verdicts.unwrap_or_default(),
        gone: gone.unwrap_or_default(),
    };
    (version? == u64::from(VERSION)).then_some((batch, at.at))
}

/// What comes twice is not what agents send.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Graphs(#[serde(deserialize_with = "bounded::graphs")] Vec<Declaration>);

#[derive(Deserialize)]
#[serde(transparent)]
struct Runs(#[serde(deserialize_with = "bounded::runs")] Vec<RunReport>);

#[derive(Deserialize)]
#[serde(transparent)]
struct Verdicts(#[serde(deserialize_with = "bounded::verdicts")] Vec<VerdictReport>);

#[derive(Deserialize)]
#[serde(transparent)]
struct AllGone(#[serde(deserialize_with = "bounded::gone")] Vec<Gone>);

fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    T::deserialize(&mut message_pack(bytes)).ok()
}

fn table(bytes: &[u8], tables: &Tables) -> Option<Arc<Series>> {
    if let Some(series) = tables.find(bytes) {
        return Some(series);
    }
    let series: Series = decode(bytes)?;
    let series = Arc::new(series.with_shared_names());
    tables.keep(bytes, &series);
    Some(series)
}

/// A place in MessagePack. Each reader gives what lies there and goes on behind it; `None` for the end, and for anything
/// else than what it reads.
struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// An unsigned number of `count` bytes, the greatest first.
    fn big_endian(&mut self, count: usize) -> Option<u64> {
        let bytes = self.take(count)?;
        Some(
            bytes
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte)),
        )
    }

    fn length(&mut self, count: usize) -> Option<usize> {
        usize::try_from(self.big_endian(count)?).ok()
    }

    fn map(&mut self) -> Option<usize> {
        match self.byte()? {
            marker @ 0x80..=0x8f => Some(usize::from(marker & 0x0f)),
            0xde => self.length(2),
            0xdf => self.length(4),
            _ => None,
        }
    }

    fn list(&mut self) -> Option<usize> {
        match self.byte()? {
            marker @ 0x90..=0x9f => Some(usize::from(marker & 0x0f)),
            0xdc => self.length(2),
            0xdd => self.length(4),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<&'b [u8]> {
        let length = match self.byte()? {
            marker @ 0xa0..=0xbf => usize::from(marker & 0x1f),
            0xd9 => self.length(1)?,
            0xda => self.length(2)?,
            0xdb => self.length(4)?,
            _ => return None,
        };
        self.take(length)
    }

    fn unsigned(&mut self) -> Option<u64> {
        match self.byte()? {
            marker @ 0x00..=0x7f => Some(u64::from(marker)),
            0xcc => self.big_endian(1),
            0xcd => self.big_endian(2),
            0xce => self.big_endian(4),
            0xcf => self.big_endian(8),
            _ => None,
        }
    }

    fn time(&mut self) -> Option<Timestamp> {
        /// Up to here seconds as a float, as the general reader takes them, are exact to the microsecond.
        const EXACT: u64 = 1 << 33;
        if *self.bytes.get(self.at)? == 0xcb {
            self.at += 1;
            return Timestamp::from_seconds_f64(f64::from_bits(self.big_endian(8)?));
        }
        let seconds = self.unsigned().filter(|seconds| *seconds < EXACT)?;
        Some(Timestamp::from_seconds(i64::try_from(seconds).ok()?))
    }

    fn reading(&mut self) -> Option<Reading> {
        let signed = |number: i64| {
            u64::try_from(number).map_or(Reading::Number(number as f64), Reading::Count)
        };
        Some(match *self.bytes.get(self.at)? {
            0xcb => {
                self.at += 1;
                Reading::from_f64(f64::from_bits(self.big_endian(8)?))
            }
            0x00..=0x7f | 0xcc..=0xcf => Reading::Count(self.unsigned()?),
            0xc0 => {
                self.at += 1;
                Reading::Unknown
            }
            marker @ 0xe0..=0xff => {
                self.at += 1;
                signed(i64::from(marker.cast_signed()))
            }
            marker @ 0xd0..=0xd3 => {
                self.at += 1;
                let count = 1 << (marker - 0xd0);
                let unused = 64 - 8 * count as u32;
                signed((self.big_endian(count)? << unused).cast_signed() >> unused)
            }
            _ => return None,
        })
    }

    fn column<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.list()?;
        // Each takes a byte at least, so that a length that is a lie gets no memory.
        if count > SAMPLES_MAX || count > self.bytes.len() - self.at {
            return None;
        }
        let mut column = Vec::with_capacity(count);
        for _ in 0..count {
            column.push(read(self)?);
        }
        Some(column)
    }

    fn samples(&mut self) -> Option<Samples> {
        let (mut series, mut time, mut value) = (None, None, None);
        for _ in 0..self.map()? {
            match self.text()? {
                b"series" => once(
                    &mut series,
                    self.column(|at| u32::try_from(at.unsigned()?).ok())?,
                )?,
                b"time" => once(&mut time, self.column(Self::time)?)?,
                b"value" => once(&mut value, self.column(Self::reading)?)?,
                _ => return None,
            }
        }
        Some(Samples {
            series: series.unwrap_or_default(),
            time: time.unwrap_or_default(),
            value: value.unwrap_or_default(),
        })
    }

    /// The bytes of the value that lies here, whatever it is.
    fn value(&mut self) -> Option<&'b [u8]> {
        let from = self.at;
        self.skip(NESTING_MAX - 1)?;
        self.bytes.get(from..self.at)
    }

    fn skip(&mut self, depth: usize) -> Option<()> {
        let marker = *self.bytes.get(self.at)?;
        let elements = match marker {
            0x80..=0x8f | 0xde | 0xdf => 2 * self.map()?,
            0x90..=0x9f | 0xdc | 0xdd => self.list()?,
            0xa0..=0xbf | 0xd9..=0xdb => return self.text().map(drop),
            _ => {
                self.at += 1;
                let length = match marker {
                    0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => 0,
                    0xcc | 0xd0 => 1,
                    0xcd | 0xd1 => 2,
                    0xca | 0xce | 0xd2 => 4,
                    0xcb | 0xcf | 0xd3 => 8,
                    _ => return None,
                };
                return self.take(length).map(drop);
            }
        };
        let depth = depth.checked_sub(1)?;
        (0..elements).try_for_each(|_| self.skip(depth))
    }
}
