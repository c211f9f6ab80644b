//! Readings of one graph that are in the journal and not yet in its file: rows by time, readings by column. Pure.
//!
//! Rows wait in `rows`, oldest first; a checkpoint moves the due ones to `writing`, where readers still see them, and
//! when they are in the file [`Pending::settle`] drops them. What is not later than the file cannot be taken any more.

use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::reading::Reading;
use ravenry_plugins::timestamp::Timestamp;

/// The readings of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// When they were taken.
    pub time: Timestamp,
    /// The first journal entry that brought one of them.
    pub position: u64,
    /// Column and reading, by column; nothing where nothing came.
    pub readings: Vec<(u32, Reading)>,
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
    /// The file's last update, once it is known.
    written: Option<Timestamp>,
    /// Whether the file has been asked for it.
    is_known: bool,
}

impl Pending {
    /// Takes readings of one column, in order of time, and tells `each` what became of them.
    pub fn take_series(
        &mut self,
        column: u32,
        position: u64,
        readings: &[(Timestamp, Reading)],
        mut each: impl FnMut(Timestamp, Reading, Taken),
    ) {
        let horizon = self.horizon();
        let late = readings.partition_point(|(time, _)| Some(*time) <= horizon);
        for &(time, reading) in &readings[..late] {
            each(time, reading, Taken::Late);
        }
        let readings = &readings[late..];
        let Some(&(first, _)) = readings.first() else {
            return;
        };
        let split = self.rows.partition_point(|row| row.time < first);
        let mut behind = self.rows.split_off(split).into_iter().peekable();
        for &(time, reading) in readings {
            self.rows.extend(std::iter::from_fn(|| {
                behind.next_if(|row| row.time <= time)
            }));
            let taken = match self.rows.last_mut() {
                Some(row) if row.time == time => row.fill(column, reading),
                _ => {
                    let readings = vec![(column, reading)];
                    self.rows.push(Row {
                        time,
                        position,
                        readings,
                    });
                    Taken::New
                }
            };
            each(time, reading, taken);
        }
        self.rows.extend(behind);
    }

    /// The time up to which rows are in the file or on their way to it.
    #[must_use]
    pub fn horizon(&self) -> Option<Timestamp> {
        self.writing.last().map(|row| row.time).max(self.written)
    }

    /// Whether there was a file when it was last looked for or written.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.written.is_some()
    }

    /// Whether the file's last update is known, or that there is no file.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// The file's last update became known; `None` when there is no file.
    pub fn written_until(&mut self, time: Option<Timestamp>) {
        self.written = self.written.max(time);
        self.is_known = true;
    }

    /// Moves rows up to `until` (all of them when `None`) on their way to the file, unless some are already. The rows
    /// stay visible to readers. Rows that [`merged`] would join with later ones stay with them.
    pub fn begin_writing(&mut self, until: Option<Timestamp>, step: Duration) -> Arc<Vec<Row>> {
        if self.writing.is_empty() {
            let due = match until {
                None => self.rows.len(),
                Some(until) => {
                    let due = self.rows.partition_point(|row| row.time <= until);
                    group_start(&self.rows, due, step)
                }
            };
            self.writing = Arc::new(self.rows.drain(..due).collect());
        }
        Arc::clone(&self.writing)
    }

    /// Whether rows are on their way, or may have got there although that failed.
    #[must_use]
    pub fn is_on_its_way(&self) -> bool {
        !self.writing.is_empty()
    }

    /// The rows on their way are in the file, whose last update is `written`: later than they are when all of them came from
    /// the journal a second time.
    pub fn settle(&mut self, written: Option<Timestamp>) {
        self.written = self.horizon().max(written);
        self.is_known = true;
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

    /// Whether there is something to write up to `until`.
    #[must_use]
    pub fn is_due(&self, until: Option<Timestamp>) -> bool {
        let first = self.rows().next();
        first.is_some_and(|row| until.is_none_or(|until| row.time <= until))
    }

    /// The earliest journal entry that holds a row which still waits.
    #[must_use]
    pub fn first_position(&self) -> Option<u64> {
        self.rows().map(|row| row.position).min()
    }
}

impl Row {
    fn fill(&mut self, column: u32, reading: Reading) -> Taken {
        match self
            .readings
            .binary_search_by_key(&column, |(have, _)| *have)
        {
            Ok(_) => Taken::Repeated,
            Err(at) => {
                self.readings.insert(at, (column, reading));
                Taken::New
            }
        }
    }

    fn shares_a_column(&self, other: &[(u32, Reading)]) -> bool {
        self.readings
            .iter()
            .any(|(column, _)| other.iter().any(|(have, _)| have == column))
    }
}

/// Joins rows that belong together: an RRD file is updated in all its columns at once, and a column for which nothing came
/// would count as unknown. Rows of different columns that lie within a step of each other become one, at the time of the
/// last of them.
pub fn merged<'r>(rows: impl Iterator<Item = &'r Row>, step: Duration) -> Vec<Row> {
    let mut merged: Vec<Row> = Vec::new();
    let mut began = Timestamp::EPOCH;
    for row in rows {
        match merged.last_mut() {
            Some(last) if joins(last, began, row, step) => {
                last.time = row.time;
                last.position = last.position.min(row.position);
                last.readings.extend(&row.readings);
            }
            _ => {
                began = row.time;
                merged.push(row.clone());
            }
        }
    }
    merged
}

fn joins(last: &Row, began: Timestamp, row: &Row, step: Duration) -> bool {
    row.time.since(began) < step && !row.shares_a_column(&last.readings)
}

/// The start of the group that row number `due` would be joined with, or `due` itself.
fn group_start(rows: &[Row], due: usize, step: Duration) -> usize {
    let Some(next) = rows.get(due) else {
        return due;
    };
    let mut start = 0;
    let mut columns: Vec<(u32, Reading)> = Vec::new();
    for (index, row) in rows[..due].iter().enumerate() {
        let began = rows[start].time;
        if row.time.since(began) < step && !row.shares_a_column(&columns) {
            columns.extend(&row.readings);
        } else {
            start = index;
            columns.clone_from(&row.readings);
        }
    }
    let splits =
        due > 0 && next.time.since(rows[start].time) < step && !next.shares_a_column(&columns);
    if splits { start } else { due }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn take(pending: &mut Pending, column: u32, times: &[i64]) -> Vec<Taken> {
        let readings: Vec<_> = times
            .iter()
            .map(|time| (at(*time), Reading::Count(1)))
            .collect();
        let mut all = Vec::new();
        pending.take_series(column, 7, &readings, |_, _, taken| all.push(taken));
        all
    }

    fn times(pending: &Pending) -> Vec<i64> {
        pending.rows().map(|row| row.time.seconds()).collect()
    }

    #[test]
    fn readings_are_put_in_order_of_time() {
        let mut pending = Pending::default();
        assert_eq!(take(&mut pending, 0, &[10, 30]), [Taken::New; 2]);
        assert_eq!(take(&mut pending, 1, &[5, 10, 20, 40]), [Taken::New; 4]);
        assert_eq!(times(&pending), [5, 10, 20, 30, 40]);
        assert_eq!(
            take(&mut pending, 1, &[10, 30]),
            [Taken::Repeated, Taken::New]
        );
    }

    #[test]
    fn rows_on_their_way_are_seen_and_earlier_ones_are_late() {
        let mut pending = Pending::default();
        take(&mut pending, 0, &[10, 20, 30]);
        assert_eq!(pending.begin_writing(Some(at(20)), STEP).len(), 2);
        assert_eq!(times(&pending), [10, 20, 30]);
        assert_eq!(take(&mut pending, 0, &[15]), [Taken::Late]);
        pending.settle(Some(at(20)));
        assert_eq!(times(&pending), [30]);
        assert_eq!(take(&mut pending, 0, &[20, 25]), [Taken::Late, Taken::New]);
    }

    #[test]
    fn a_failed_write_loses_nothing() {
        let mut pending = Pending::default();
        take(&mut pending, 0, &[10, 20]);
        pending.begin_writing(None, STEP);
        take(&mut pending, 0, &[30]);
        pending.put_back();
        assert_eq!(times(&pending), [10, 20, 30]);
        assert_eq!(pending.first_position(), Some(7));
        assert_eq!(take(&mut pending, 0, &[15]), [Taken::New]);
    }

    #[test]
    fn columns_that_are_read_apart_are_written_together() {
        let mut pending = Pending::default();
        take(&mut pending, 0, &[60, 120, 180]);
        take(&mut pending, 1, &[63, 123, 183]);
        take(&mut pending, 2, &[125]);
        let rows = merged(pending.rows(), STEP);
        let found: Vec<(i64, usize)> = rows
            .iter()
            .map(|row| (row.time.seconds(), row.readings.len()))
            .collect();
        assert_eq!(found, [(63, 2), (125, 3), (183, 2)]);
        assert_eq!(
            pending.begin_writing(Some(at(121)), STEP).len(),
            2,
            "120 waits for 123 and 125"
        );
    }
}
