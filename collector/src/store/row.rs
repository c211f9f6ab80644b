//! Rows of readings that wait for their file, packed: 12 bytes a reading and 24 a row. Pure.

use ravenry_plugins::reading::Reading;
use ravenry_plugins::timestamp::Timestamp;

/// Rows of one graph, the oldest first, no two of one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    heads: Vec<Head>,
    /// The readings of all rows, one row behind the other, in a row by column.
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    time: Timestamp,
    position: u64,
    /// Where its cells end.
    end: usize,
}

/// The readings of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'r> {
    /// When they were taken.
    pub time: Timestamp,
    /// The first journal entry that brought one of them.
    pub position: u64,
    /// By column; nothing where nothing came.
    pub cells: &'r [Cell],
}

/// A reading of a column. What the reading is lies in the two lowest bits of the column's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell([u32; 3]);

/// Rows of a graph that wait at once, about.
const ROWS_EXPECTED: usize = 4;

const UNKNOWN: u32 = 0;
const COUNT: u32 = 1;
const NUMBER: u32 = 2;

impl Cell {
    /// The reading of a column; there are fewer than 2^30 columns.
    #[must_use]
    pub fn new(column: u32, reading: Reading) -> Self {
        let (kind, bits) = match reading {
            Reading::Unknown => (UNKNOWN, 0),
            Reading::Count(count) => (COUNT, count),
            Reading::Number(number) => (NUMBER, number.to_bits()),
        };
        Self([column << 2 | kind, bits as u32, (bits >> 32) as u32])
    }

    /// The number of the column.
    #[must_use]
    pub fn column(self) -> u32 {
        self.0[0] >> 2
    }

    /// The reading.
    #[must_use]
    pub fn reading(self) -> Reading {
        let bits = u64::from(self.0[1]) | u64::from(self.0[2]) << 32;
        match self.0[0] & 3 {
            COUNT => Reading::Count(bits),
            NUMBER => Reading::Number(f64::from_bits(bits)),
            _ => Reading::Unknown,
        }
    }
}

impl Rows {
    /// Makes room for some rows of so many cells, where there is none yet: rows come one by one, and grow a cell at a time.
    pub fn expect(&mut self, cells: usize) {
        if self.heads.capacity() == 0 {
            self.heads.reserve_exact(ROWS_EXPECTED);
            self.cells.reserve_exact(ROWS_EXPECTED * cells);
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// How many readings all rows have.
    #[must_use]
    pub fn readings(&self) -> usize {
        self.cells.len()
    }

    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).map(|index| self.row(index))
    }

    fn row(&self, index: usize) -> Row<'_> {
        let Head {
            time,
            position,
            end,
        } = self.heads[index];
        Row {
            time,
            position,
            cells: &self.cells[self.start(index)..end],
        }
    }

    /// Where the cells of row `index` begin.
    fn start(&self, index: usize) -> usize {
        index
            .checked_sub(1)
            .map_or(0, |before| self.heads[before].end)
    }

    /// The time of the newest row.
    #[must_use]
    pub fn last_time(&self) -> Option<Timestamp> {
        self.heads.last().map(|head| head.time)
    }

    /// The number of rows earlier than `time`.
    #[must_use]
    pub fn earlier_than(&self, time: Timestamp) -> usize {
        self.heads.partition_point(|head| head.time < time)
    }

    /// Adds a reading behind all others: one of a later time, or of the last one's and a later column. Says whether it was.
    pub fn append(&mut self, time: Timestamp, position: u64, cell: Cell) -> bool {
        match self.heads.last_mut() {
            Some(last) if last.time > time => return false,
            Some(last) if last.time == time => {
                if self
                    .cells
                    .last()
                    .is_some_and(|before| before.column() >= cell.column())
                {
                    return false;
                }
                last.end += 1;
            }
            _ => self.heads.push(Head {
                time,
                position,
                end: self.cells.len() + 1,
            }),
        }
        self.cells.push(cell);
        true
    }

    /// Adds a whole row behind all others.
    fn push(&mut self, row: Row<'_>) {
        self.cells.extend_from_slice(row.cells);
        self.heads.push(Head {
            time: row.time,
            position: row.position,
            end: self.cells.len(),
        });
    }

    /// Adds rows that are all later than these.
    pub fn extend(&mut self, later: &Self) {
        later.iter().for_each(|row| self.push(row));
    }

    /// Takes the rows from number `index` on out of these.
    #[must_use]
    pub fn split_off(&mut self, index: usize) -> Self {
        let start = self.start(index);
        let cells = self.cells.split_off(start);
        let mut heads = self.heads.split_off(index);
        heads.iter_mut().for_each(|head| head.end -= start);
        Self { heads, cells }
    }

    /// These rows with `incoming` ones, which are in order of time and column, put in their places; what is there stays.
    /// `each` is told of each of them, by its number, whether it is new.
    pub fn merge(
        &mut self,
        position: u64,
        incoming: &[(Timestamp, Cell)],
        mut each: impl FnMut(usize, bool),
    ) {
        let Some(&(first, _)) = incoming.first() else {
            return;
        };
        let behind = self.split_off(self.earlier_than(first));
        let mut behind = behind.iter().peekable();
        let mut number = 0;
        for moment in incoming.chunk_by(|a, b| a.0 == b.0) {
            let time = moment[0].0;
            while let Some(row) = behind.next_if(|row| row.time < time) {
                self.push(row);
            }
            let known = behind.next_if(|row| row.time == time);
            let position = known.map_or(position, |row| row.position);
            let mut known = known.map_or(&[][..], |row| row.cells).iter().peekable();
            for &(_, cell) in moment {
                while let Some(&before) = known.next_if(|have| have.column() <= cell.column()) {
                    self.append(time, position, before);
                }
                each(number, self.append(time, position, cell));
                number += 1;
            }
            for &cell in known {
                self.append(time, position, cell);
            }
        }
        for row in behind {
            self.push(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cell_holds_every_reading() {
        for reading in [
            Reading::Unknown,
            Reading::Count(u64::MAX),
            Reading::Number(-0.25),
            Reading::Number(f64::INFINITY),
        ] {
            let cell = Cell::new(3_999, reading);
            assert_eq!((cell.column(), cell.reading()), (3_999, reading));
        }
    }

    proptest! {
        /// Whatever comes in whatever order, the first reading of a column and moment stays, and each is told once.
        #[test]
        fn rows_are_what_a_map_would_hold(batches in prop::collection::vec(prop::collection::vec((0_i64..8, 0_u32..4), 0..12), 0..8)) {
            let mut rows = Rows::default();
            let mut map: BTreeMap<(i64, u32), u64> = BTreeMap::new();
            for (position, mut batch) in (1..).zip(batches) {
                batch.sort_unstable();
                let incoming: Vec<_> = batch.iter().map(|&(time, column)| {
                    (Timestamp::from_seconds(time), Cell::new(column, Reading::Count(position)))
                }).collect();
                let mut told = Vec::new();
                rows.merge(position, &incoming, |number, is_new| told.push((number, is_new)));
                for (number, (key, told)) in batch.iter().zip(told).enumerate() {
                    prop_assert_eq!(told, (number, !map.contains_key(key)));
                    map.entry(*key).or_insert(position);
                }
            }
            let found: Vec<_> = rows.iter().flat_map(|row| {
                row.cells.iter().map(move |cell| ((row.time.seconds(), cell.column()), cell.reading()))
            }).collect();
            let expect: Vec<_> = map.into_iter().map(|(key, position)| (key, Reading::Count(position))).collect();
            prop_assert_eq!(found, expect);
            prop_assert!(rows.iter().zip(rows.iter().skip(1)).all(|(a, b)| a.time < b.time));
        }
    }
}
