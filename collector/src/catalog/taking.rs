//! Readings of one graph go to its columns and to what waits for its file.

use std::sync::Arc;

use ravenry_plugins::graph::Kind;
use ravenry_plugins::name::{GraphName, HostName, SeriesName};
use ravenry_plugins::reading::Reading;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::{Ack, Batch, PROBLEMS_MAX};

use super::{Applied, Column, Counts, StoredGraph, refuse};
use crate::store::pending::Taken;
use crate::store::row::Cell;

/// The readings of one graph in a batch.
pub(super) struct Taking<'b> {
    pub(super) position: u64,
    pub(super) batch: &'b Batch,
    pub(super) host: &'b HostName,
    pub(super) graph: &'b GraphName,
}

impl Taking<'_> {
    /// Takes `samples` of the batch into the graph, where it is known; `room` is room. Gives the newest of them.
    pub(super) fn take(
        &self,
        mut stored: Option<&mut StoredGraph>,
        samples: &[u32],
        room: &mut Vec<(Timestamp, Cell)>,
        counts: &mut Counts,
        applied: &mut Applied,
    ) -> Option<(SeriesName, Reading, Timestamp)> {
        let Self {
            position,
            batch,
            host,
            graph,
        } = *self;
        let ack = &mut applied.ack;
        room.clear();
        let mut guess = 0;
        for &sample in samples {
            let sample = sample as usize;
            let field = &batch.series.field[batch.samples.series[sample] as usize];
            let column = stored
                .as_mut()
                .and_then(|stored| stored.find_column(field, guess));
            let (Some(column), Some(stored)) = (column, &mut stored) else {
                counts.refused += 1;
                ack.refused += 1;
                ask_for(graph, batch, ack);
                continue;
            };
            guess = column + 1;
            let (time, reading) = (batch.samples.time[sample], batch.samples.value[sample]);
            if fits(stored.kind(column), reading) {
                room.push((time, Cell::new(column as u32, reading)));
                continue;
            }
            counts.refused += 1;
            refuse(ack, 1, || {
                format!(
                    "{host}/{graph}/{field}: expected a whole number for a counter, found {reading}"
                )
            });
        }
        let stored = stored?;
        // An agent's are in order already.
        if !room.is_sorted_by_key(|(time, cell)| (*time, cell.column())) {
            room.sort_by_key(|(time, cell)| (*time, cell.column()));
        }
        let newest = take_rows(stored, position, (host, graph), room, counts, applied);
        if stored.gone && newest.is_some() {
            // Somebody else has it still.
            stored.come_back();
            let declared = (host.clone(), Arc::clone(&stored.graph));
            applied.declared.push(declared);
        }
        newest
    }
}

/// An agent that never declared a graph is asked to.
fn ask_for(graph: &GraphName, batch: &Batch, ack: &mut Ack) {
    let is_asked = batch.key.is_none() || ack.undeclared.contains(graph);
    if ack.undeclared.len() < PROBLEMS_MAX && !is_asked {
        ack.undeclared.push(graph.clone());
    }
}

/// Takes readings of one graph in order of time and column; gives the newest one that is new.
fn take_rows(
    stored: &mut StoredGraph,
    position: u64,
    (host, graph): (&HostName, &GraphName),
    readings: &[(Timestamp, Cell)],
    counts: &mut Counts,
    applied: &mut Applied,
) -> Option<(SeriesName, Reading, Timestamp)> {
    let series = |column: &Column| SeriesName {
        host: host.clone(),
        graph: graph.clone(),
        field: column.field.clone(),
    };
    let mut newest = None;
    let StoredGraph {
        shape,
        pending,
        columns,
        first_update,
        unsaved,
        ..
    } = stored;
    let ack = &mut applied.ack;
    pending.take(position, readings, |number, taken| {
        let (time, cell) = readings[number];
        let column = &mut columns[cell.column() as usize];
        match taken {
            Taken::New => {
                if first_update.is_none_or(|first| time < first) {
                    *first_update = Some(time);
                    *unsaved = true;
                }
                counts.accepted += 1;
                counts.pending += 1;
                ack.accepted += 1;
                column.see(shape, cell.reading(), time);
                if column.watched {
                    applied
                        .readings
                        .push((series(column), cell.reading(), time));
                }
                newest = Some(number);
            }
            Taken::Repeated => counts.late += 1,
            Taken::Late => {
                counts.late += 1;
                refuse(ack, 1, || {
                    let field = &column.field;
                    format!(
                        "{host}/{graph}/{field}: {time} is late: later readings have been stored"
                    )
                });
            }
        }
    });
    let (time, cell) = readings[newest?];
    let column = &columns[cell.column() as usize];
    Some((series(column), cell.reading(), time))
}

/// rrdtool takes only whole numbers for what is counted.
fn fits(kind: Kind, reading: Reading) -> bool {
    match (kind, reading) {
        (Kind::Counter, Reading::Number(number)) => number >= 0.0 && is_whole(number),
        (Kind::Derive, Reading::Number(number)) => is_whole(number),
        (Kind::Counter | Kind::Derive, Reading::Unknown | Reading::Count(_))
        | (Kind::Gauge | Kind::Absolute, _) => true,
    }
}

/// Whether a number has a form in digits that rrdtool reads back.
fn is_whole(number: f64) -> bool {
    const DIGITS_MAX: f64 = 1e18;
    number.fract() == 0.0 && number.abs() < DIGITS_MAX
}
