//! Readings of one graph that are in the journal and not yet in its file: rows by time, a slot a column. Pure.
//!
//! Rows wait in `rows`, oldest first; a checkpoint moves the due ones to `writing`, where readers still see them, and
//! when they are in the file [`Pending::settle`] drops them. What is not later than `written` cannot be taken any more.

use std::sync::Arc;

use ravenry_plugins::reading::Reading;
use ravenry_plugins::timestamp::Timestamp;

/// The readings of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// When they were taken.
    pub time: Timestamp,
    /// The first journal entry that brought one of them.
    pub position: u64,
    /// A slot for each column of the graph; `None` where nothing came. May be shorter than the graph is wide now.
    pub slots: Vec<Option<Reading>>,
}

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It waits for the next checkpoint.
    New,
    /// The same column has a reading of that very time.
    Repeated,
    /// The file has moved on to that time or beyond.
    Late,
}

/// What waits of one graph.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    rows: Vec<Row>,
    writing: Arc<Vec<Row>>,
    written: Option<Timestamp>,
}

impl Pending {
    /// Takes a reading.
    pub fn take(
        &mut self,
        time: Timestamp,
        column: usize,
        reading: Reading,
        position: u64,
    ) -> Taken {
        if self.horizon().is_some_and(|horizon| time <= horizon) {
            return Taken::Late;
        }
        let at = match self.rows.last() {
            Some(last) if last.time < time => self.rows.len(),
            None => 0,
            Some(_) => match self.rows.binary_search_by_key(&time, |row| row.time) {
                Ok(at) => return fill(&mut self.rows[at], column, reading),
                Err(at) => at,
            },
        };
        let mut row = Row {
            time,
            position,
            slots: Vec::with_capacity(column + 1),
        };
        fill(&mut row, column, reading);
        self.rows.insert(at, row);
        Taken::New
    }

    /// The time up to which rows are in the file or on their way to it.
    #[must_use]
    pub fn horizon(&self) -> Option<Timestamp> {
        self.writing.last().map(|row| row.time).max(self.written)
    }

    /// The file's last update became known.
    pub fn written_until(&mut self, time: Timestamp) {
        self.written = self.written.max(Some(time));
    }

    /// Whether there is something to write up to `until`.
    #[must_use]
    pub fn is_due(&self, until: Option<Timestamp>) -> bool {
        let first = self.rows().next();
        first.is_some_and(|row| until.is_none_or(|until| row.time <= until))
    }

    /// Moves rows up to `until` (all of them when `None`) on their way to the file, unless some are already. The rows
    /// stay visible to readers.
    pub fn begin_writing(&mut self, until: Option<Timestamp>) -> Arc<Vec<Row>> {
        if self.writing.is_empty() {
            let due = until.map_or(self.rows.len(), |until| {
                self.rows.partition_point(|row| row.time <= until)
            });
            self.writing = Arc::new(self.rows.drain(..due).collect());
        }
        Arc::clone(&self.writing)
    }

    /// The rows on their way are in the file.
    pub fn settle(&mut self) {
        self.written = self.horizon();
        self.writing = Arc::default();
    }

    /// The rows on their way did not get there: they wait again.
    pub fn put_back(&mut self) {
        let mut rows = Arc::unwrap_or_clone(std::mem::take(&mut self.writing));
        rows.append(&mut self.rows);
        self.rows = rows;
    }

    /// All rows that are not in the file, oldest first.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.writing.iter().chain(&self.rows)
    }

    /// The earliest journal entry that holds a row which still waits.
    #[must_use]
    pub fn first_position(&self) -> Option<u64> {
        self.rows().map(|row| row.position).min()
    }

    /// Rows that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len() + self.writing.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn fill(row: &mut Row, column: usize, reading: Reading) -> Taken {
    if row.slots.len() <= column {
        row.slots.resize(column + 1, None);
    }
    let slot = &mut row.slots[column];
    if slot.is_some() {
        return Taken::Repeated;
    }
    *slot = Some(reading);
    Taken::New
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn times(pending: &Pending) -> Vec<i64> {
        pending.rows().map(|row| row.time.seconds()).collect()
    }

    #[test]
    fn readings_are_put_in_order_of_time() {
        let mut pending = Pending::default();
        for (time, column) in [(10, 0), (30, 0), (20, 0), (20, 1)] {
            assert_eq!(
                pending.take(at(time), column, Reading::Count(1), 1),
                Taken::New
            );
        }
        assert_eq!(times(&pending), [10, 20, 30]);
        assert_eq!(
            pending.take(at(20), 1, Reading::Count(9), 1),
            Taken::Repeated
        );
    }

    #[test]
    fn rows_on_their_way_are_seen_and_earlier_ones_are_late() {
        let mut pending = Pending::default();
        for time in [10, 20, 30] {
            pending.take(at(time), 0, Reading::Count(1), 1);
        }
        assert_eq!(pending.begin_writing(Some(at(20))).len(), 2);
        assert_eq!(times(&pending), [10, 20, 30]);
        assert_eq!(pending.take(at(15), 0, Reading::Count(1), 2), Taken::Late);
        pending.settle();
        assert_eq!(times(&pending), [30]);
        assert_eq!(pending.take(at(20), 0, Reading::Count(1), 2), Taken::Late);
    }

    #[test]
    fn a_failed_write_loses_nothing() {
        let mut pending = Pending::default();
        for time in [10, 20] {
            pending.take(at(time), 0, Reading::Count(1), 7);
        }
        pending.begin_writing(None);
        pending.take(at(30), 0, Reading::Count(1), 8);
        pending.put_back();
        assert_eq!(times(&pending), [10, 20, 30]);
        assert_eq!(pending.first_position(), Some(7));
        assert_eq!(pending.take(at(15), 0, Reading::Count(1), 9), Taken::New);
    }
}
