//! Readings of one graph that are in the journal and not yet in its file: rows by time, readings by column. Pure.
//!
//! Rows wait in `rows`, oldest first; a checkpoint moves the due ones to `writing`, where readers still see them, and
//! when they are in the file [`Pending::settle`] drops them. What is not later than the file cannot be taken any more.

use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::timestamp::Timestamp;

use super::row::{Cell, Row, Rows};

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
    rows: Rows,
    /// Nothing while nothing is on its way.
    writing: Option<Arc<Rows>>,
    /// The file's last update, once it is known.
    written: Option<Timestamp>,
    /// Whether the file has been asked for it.
    is_known: bool,
}

impl Pending {
    /// Takes readings in order of time and column, and tells `each`, by their numbers in order, what became of them.
    pub fn take(
        &mut self,
        position: u64,
        readings: &[(Timestamp, Cell)],
        mut each: impl FnMut(usize, Taken),
    ) {
        let horizon = self.horizon();
        let late = readings.partition_point(|(time, _)| Some(*time) <= horizon);
        (0..late).for_each(|number| each(number, Taken::Late));
        if late < readings.len() {
            self.rows.expect(readings.len() - late);
        }
        for (number, &(time, cell)) in readings.iter().enumerate().skip(late) {
            if self.rows.append(time, position, cell) {
                each(number, Taken::New);
                continue;
            }
            self.rows
                .merge(position, &readings[number..], |behind, is_new| {
                    let taken = if is_new { Taken::New } else { Taken::Repeated };
                    each(number + behind, taken);
                });
            return;
        }
    }

    /// The time up to which rows are in the file or on their way to it.
    #[must_use]
    pub fn horizon(&self) -> Option<Timestamp> {
        let writing = self.writing.as_ref().and_then(|rows| rows.last_time());
        writing.max(self.written)
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
    pub fn begin_writing(&mut self, until: Option<Timestamp>, step: Duration) -> Arc<Rows> {
        if let Some(writing) = &self.writing {
            return Arc::clone(writing);
        }
        let due = match until {
            None => self.rows.len(),
            Some(until) => {
                let due = self.rows.earlier_than(until + Duration::from_micros(1));
                group_start(&self.rows, due, step)
            }
        };
        if due == 0 {
            return Arc::default();
        }
        let later = self.rows.split_off(due);
        let writing = Arc::new(std::mem::replace(&mut self.rows, later));
        self.writing = Some(Arc::clone(&writing));
        writing
    }

    /// Whether rows are on their way, or may have got there although that failed.
    #[must_use]
    pub fn is_on_its_way(&self) -> bool {
        self.writing.is_some()
    }

    /// The rows on their way are in the file, whose last update is `written`: later than they are when all of them came from
    /// the journal a second time.
    pub fn settle(&mut self, written: Option<Timestamp>) {
        self.written = self.horizon().max(written);
        self.is_known = true;
        self.writing = None;
    }

    /// The rows on their way did not get there: they wait again.
    pub fn put_back(&mut self) {
        if let Some(writing) = self.writing.take() {
            let mut rows = Arc::unwrap_or_clone(writing);
            rows.extend(&self.rows);
            self.rows = rows;
        }
    }

    /// All rows that are not in the file, oldest first.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let writing = self.writing.iter().flat_map(|rows| rows.iter());
        writing.chain(self.rows.iter())
    }

    /// A copy of all of them.
    #[must_use]
    pub fn copy(&self) -> Rows {
        let mut rows = self.writing.as_deref().cloned().unwrap_or_default();
        rows.extend(&self.rows);
        rows
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

/// Readings that are written together.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The time of the last of them.
    pub time: Timestamp,
    /// The first journal entry that brought one of them.
    pub position: u64,
    /// The readings, each column once.
    pub cells: Vec<Cell>,
}

impl Group {
    fn begin(&mut self, row: Row<'_>) {
        self.time = row.time;
        self.position = row.position;
        self.cells.clear();
        self.cells.extend_from_slice(row.cells);
    }

    fn join(&mut self, row: Row<'_>) {
        self.time = row.time;
        self.position = self.position.min(row.position);
        self.cells.extend_from_slice(row.cells);
    }
}

/// Gives rows that belong together to `each`: an RRD file is updated in all its columns at once, and a column for which
/// nothing came would count as unknown. Rows of different columns that lie within a step of each other become one, at the
/// time of the last of them.
///
/// # Errors
/// What `each` says; nothing more is given to it.
pub fn merged<'r, E>(
    rows: impl Iterator<Item = Row<'r>>,
    step: Duration,
    mut each: impl FnMut(&Group) -> Result<(), E>,
) -> Result<(), E> {
    let mut group = Group::default();
    let mut began = None;
    for row in rows {
        match began {
            Some(start) if joins(&group.cells, start, row, step) => group.join(row),
            Some(_) => {
                each(&group)?;
                group.begin(row);
                began = Some(row.time);
            }
            None => {
                group.begin(row);
                began = Some(row.time);
            }
        }
    }
    began.map_or(Ok(()), |_| each(&group))
}

fn joins(cells: &[Cell], began: Timestamp, row: Row<'_>, step: Duration) -> bool {
    row.time.since(began) < step && !shares_a_column(row.cells, cells)
}

fn shares_a_column(cells: &[Cell], others: &[Cell]) -> bool {
    let has = |cell: &Cell| others.iter().any(|other| other.column() == cell.column());
    cells.iter().any(has)
}

/// The start of the group that row number `due` would be joined with, or `due` itself.
fn group_start(rows: &Rows, due: usize, step: Duration) -> usize {
    let Some(next) = rows.iter().nth(due) else {
        return due;
    };
    let mut start = 0;
    let mut began: Option<Timestamp> = None;
    let mut cells: Vec<Cell> = Vec::new();
    for (index, row) in rows.iter().take(due).enumerate() {
        if !began.is_some_and(|began| joins(&cells, began, row, step)) {
            start = index;
            began = Some(row.time);
            cells.clear();
        }
        cells.extend_from_slice(row.cells);
    }
    let splits = began.is_some_and(|began| joins(&cells, began, next, step));
    if splits { start } else { due }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use ravenry_plugins::reading::Reading;

    use super::*;

    const STEP: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn take(pending: &mut Pending, column: u32, times: &[i64]) -> Vec<Taken> {
        let readings: Vec<_> = times
            .iter()
            .map(|time| (at(*time), Cell::new(column, Reading::Count(1))))
            .collect();
        let mut all = Vec::new();
        pending.take(7, &readings, |number, taken| {
            assert_eq!(number, all.len());
            all.push(taken);
        });
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
        let mut found = Vec::new();
        let Ok(()) = merged(pending.rows(), STEP, |group| {
            found.push((group.time.seconds(), group.cells.len()));
            Ok::<(), Infallible>(())
        });
        assert_eq!(found, [(63, 2), (125, 3), (183, 2)]);
        assert_eq!(
            pending.begin_writing(Some(at(121)), STEP).len(),
            2,
            "120 waits for 123 and 125"
        );
    }
}
