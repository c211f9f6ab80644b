//! What an update wants written: byte ranges of a file in the order they arose, in one arena, so that a batch costs no
//! allocation once the arena has grown. A later write to the same place wins.

use std::ops::Range;

use crate::consolidate::Label;
use crate::header::Archive;
use crate::layout::{CDP_PRIMARY, CDP_SECONDARY, CDP_WORDS};

/// A list of writes to one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writes {
    spans: Vec<Span>,
    bytes: Vec<u8>,
    rows: Option<Vec<Row>>,
}

/// A state of [`Writes`] before something is added.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    spans: usize,
    last_len: usize,
    bytes: usize,
    rows: usize,
}

/// A row of an archive that an update wrote, for people to read.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Number of the archive.
    pub archive: usize,
    /// The time that rrdtool's `updatev` says it is of, UTC seconds: of several rows written at once it names the last
    /// one a row too late, and those before it a row too late as well.
    pub time: i64,
    /// One value for each data source.
    pub values: Vec<f64>,
}

/// rrdtool counts the rows that are left from 1 for the first row, and from 2 for the others.
fn described(archive: &Archive, label: Label, count: u64, number: u64, pairs: &[u64]) -> Row {
    let (slot, subtracted) = if number == 0 {
        (CDP_PRIMARY, 1)
    } else {
        (CDP_SECONDARY, 2)
    };
    let seconds = label.step * archive.steps;
    let left = (count - number) as i64 - subtracted;
    let values = pairs.chunks_exact(CDP_WORDS);
    Row {
        archive: label.archive,
        time: (label.end - label.end % seconds) as i64 - left * seconds as i64,
        values: values.map(|pair| f64::from_bits(pair[slot])).collect(),
    }
}

/// A write: `bytes[from..from + len]` goes to `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    offset: u64,
    from: usize,
    len: usize,
}

impl Span {
    fn end(&self) -> u64 {
        self.offset + self.len as u64
    }
}

impl Writes {
    /// No writes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No writes, but rows will be described: see [`Self::rows`].
    #[must_use]
    pub fn describing_rows() -> Self {
        Self {
            rows: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// Forgets all writes, keeps the memory.
    pub fn clear(&mut self) {
        self.spans.clear();
        self.bytes.clear();
        if let Some(rows) = &mut self.rows {
            rows.clear();
        }
    }

    /// Where the writes stand, for [`Self::back_to`].
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            spans: self.spans.len(),
            last_len: self.spans.last().map_or(0, |last| last.len),
            bytes: self.bytes.len(),
            rows: self.rows().len(),
        }
    }

    /// Takes back what was added since the mark.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.spans.truncate(mark.spans);
        if let Some(last) = self.spans.last_mut() {
            last.len = mark.last_len;
        }
        self.bytes.truncate(mark.bytes);
        if let Some(rows) = &mut self.rows {
            rows.truncate(mark.rows);
        }
    }

    /// The rows written by updates, in order; none unless made by [`Self::describing_rows`].
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        self.rows.as_deref().unwrap_or_default()
    }

    /// Whether rows are to be described.
    pub(crate) fn describes_rows(&self) -> bool {
        self.rows.is_some()
    }

    /// Describes the `count` rows of an archive that a span completed.
    pub(crate) fn describe(&mut self, archive: &Archive, label: Label, count: u64, pairs: &[u64]) {
        if let Some(rows) = &mut self.rows {
            rows.extend((0..count).map(|number| described(archive, label, count, number, pairs)));
        }
    }

    /// True when nothing is to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The number of writes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Bytes of all writes together.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The writes, `(offset, bytes)`, to be carried out in this order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &[u8])> {
        self.spans
            .iter()
            .map(|span| (span.offset, &self.bytes[span.from..span.from + span.len]))
    }

    /// Adds a write; one that continues the last one becomes a part of it.
    pub fn push(&mut self, offset: u64, bytes: &[u8]) {
        self.begin(offset);
        self.bytes.extend_from_slice(bytes);
        self.finish();
    }

    /// Adds a write of words, little endian.
    pub(crate) fn push_words(&mut self, offset: u64, words: impl ExactSizeIterator<Item = u64>) {
        self.begin(offset);
        let from = self.bytes.len();
        self.bytes.resize(from + 8 * words.len(), 0);
        for (place, word) in self.bytes[from..].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        self.finish();
    }

    fn begin(&mut self, offset: u64) {
        if self.spans.last().is_none_or(|last| last.end() != offset) {
            self.spans.push(Span {
                offset,
                from: self.bytes.len(),
                len: 0,
            });
        }
    }

    fn finish(&mut self) {
        if let Some(last) = self.spans.last_mut() {
            last.len = self.bytes.len() - last.from;
        }
    }

    /// Sorts by offset and joins what touches or overlaps, so that a batch's rows of one archive become one write.
    pub fn merge(&mut self) {
        let mut merged = Self {
            rows: self.rows.take(),
            ..Self::default()
        };
        self.merge_onto(&mut merged);
        *self = merged;
    }

    /// Adds these writes, merged, behind those of `all`, which may be of other files. Gives their numbers there.
    pub fn merge_onto(&self, all: &mut Self) -> Range<usize> {
        let first = all.spans.len();
        let mut order: Vec<usize> = (0..self.spans.len()).collect();
        order.sort_by_key(|&index| self.spans[index].offset);
        let mut rest = order.as_mut_slice();
        while !rest.is_empty() {
            let (count, end) = self.group(rest);
            let (group, after) = rest.split_at_mut(count);
            self.join(group, end, all);
            rest = after;
        }
        first..all.spans.len()
    }

    /// How many of the spans in `order` touch or overlap the first one (through each other), and where they end.
    fn group(&self, order: &[usize]) -> (usize, u64) {
        let mut end = self.spans[order[0]].end();
        let mut count = 1;
        for &index in &order[1..] {
            if self.spans[index].offset > end {
                break;
            }
            end = end.max(self.spans[index].end());
            count += 1;
        }
        (count, end)
    }

    fn join(&self, group: &mut [usize], end: u64, merged: &mut Self) {
        let offset = self.spans[group[0]].offset;
        let from = merged.bytes.len();
        let len = (end - offset) as usize;
        let sum: usize = group.iter().map(|&index| self.spans[index].len).sum();
        if sum == len {
            // Nothing overlaps.
            for &index in &*group {
                merged.bytes.extend_from_slice(self.of(self.spans[index]));
            }
        } else {
            merged.bytes.resize(from + len, 0);
            group.sort_unstable();
            for &index in &*group {
                let span = self.spans[index];
                let at = from + (span.offset - offset) as usize;
                merged.bytes[at..at + span.len].copy_from_slice(self.of(span));
            }
        }
        merged.spans.push(Span { offset, from, len });
    }

    fn of(&self, span: Span) -> &[u8] {
        &self.bytes[span.from..span.from + span.len]
    }

    /// The writes with these numbers, `(offset, bytes)`, to be carried out in this order.
    pub fn numbered(&self, numbers: Range<usize>) -> impl DoubleEndedIterator<Item = (u64, &[u8])> {
        let spans = self.spans.get(numbers).unwrap_or_default();
        spans.iter().map(|&span| (span.offset, self.of(span)))
    }

    /// Gives `each` what is needed to bring a file that begins with `known` to its new state again: the writes with these
    /// numbers, without the words of `known` that stay as they are.
    pub fn changes(&self, numbers: Range<usize>, known: &[u8], mut each: impl FnMut(u64, &[u8])) {
        for (offset, bytes) in self.numbered(numbers) {
            let old = known.get(offset as usize..).unwrap_or_default();
            let old = &old[..old.len().min(bytes.len())];
            let (inside, beyond) = bytes.split_at(old.len());
            changed(offset, inside, old, &mut each);
            if !beyond.is_empty() {
                each(offset + inside.len() as u64, beyond);
            }
        }
    }

    /// Lays the writes over `bytes`, which were read from the file at `offset`: a reader then sees what is not in the
    /// file yet.
    pub fn overlay(&self, offset: u64, bytes: &mut [u8]) {
        let end = offset + bytes.len() as u64;
        for (at, written) in self.iter() {
            let from = at.max(offset);
            let to = (at + written.len() as u64).min(end);
            if from < to {
                let source = &written[(from - at) as usize..(to - at) as usize];
                bytes[(from - offset) as usize..(to - offset) as usize].copy_from_slice(source);
            }
        }
    }

    /// Carries the writes out on a whole file in memory; what lies beyond its end is dropped.
    pub fn apply(&self, file: &mut [u8]) {
        self.overlay(0, file);
    }
}

/// Gives `each` the words of `new` that are others than those of `old`, which is as long. A word that stays the same is
/// given too where that saves a write.
fn changed(offset: u64, new: &[u8], old: &[u8], each: &mut impl FnMut(u64, &[u8])) {
    let ((new_words, new_rest), (old_words, old_rest)) =
        (new.as_chunks::<8>(), old.as_chunks::<8>());
    let mut give = |run: Range<usize>| {
        let (from, to) = (8 * run.start, 8 * run.end);
        if from < to {
            each(offset + from as u64, &new[from..to]);
        }
    };
    let mut run = 0..0;
    for (at, (new, old)) in new_words.iter().zip(old_words).enumerate() {
        if new == old {
            continue;
        }
        if at > run.end + 1 {
            give(std::mem::replace(&mut run, at..at));
        }
        run = if run.is_empty() { at } else { run.start }..at + 1;
    }
    give(run);
    if new_rest != old_rest {
        each(offset + (new.len() - new_rest.len()) as u64, new_rest);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(writes: &Writes) -> Vec<(u64, Vec<u8>)> {
        writes
            .iter()
            .map(|(offset, bytes)| (offset, bytes.to_vec()))
            .collect()
    }

    #[test]
    fn a_write_that_continues_the_last_is_joined() {
        let mut writes = Writes::new();
        writes.push(8, b"ab");
        writes.push(10, b"cd");
        writes.push(8, b"x");
        assert_eq!(listed(&writes), [(8, b"abcd".to_vec()), (8, b"x".to_vec())]);
    }

    #[test]
    fn merging_keeps_the_later_of_two_writes() {
        let mut writes = Writes::new();
        writes.push(20, b"zz");
        writes.push(8, b"abcd");
        writes.push(9, b"X");
        writes.push(12, b"e");
        writes.merge();
        assert_eq!(
            listed(&writes),
            [(8, b"aXcde".to_vec()), (20, b"zz".to_vec())]
        );
    }

    proptest! {
        #[test]
        fn merging_changes_no_byte(list in prop::collection::vec((0_u64..60, prop::collection::vec(any::<u8>(), 0..12)), 0..20)) {
            let mut writes = Writes::new();
            for (offset, bytes) in &list {
                writes.push(*offset, bytes);
            }
            let mut plain = vec![0; 80];
            writes.apply(&mut plain);
            let mut all = Writes::new();
            all.push(3, b"another file's");
            let numbers = writes.merge_onto(&mut all);
            prop_assert_eq!(numbers.start, 1);
            let mut merged = vec![0; 80];
            writes.merge();
            prop_assert_eq!(listed(&writes), all.numbered(numbers).map(|(at, bytes)| (at, bytes.to_vec())).collect::<Vec<_>>());
            writes.apply(&mut merged);
            prop_assert_eq!(plain, merged);
        }

        #[test]
        fn changes_bring_a_file_to_the_same_state(list in prop::collection::vec((0_u64..60, prop::collection::vec(0_u8..2, 0..24)), 0..20), known in 0_usize..80) {
            let mut writes = Writes::new();
            for (offset, bytes) in &list {
                writes.push(*offset, bytes);
            }
            writes.merge();
            let file = vec![0; 90];
            let (mut plain, mut changed) = (file.clone(), file.clone());
            writes.apply(&mut plain);
            writes.changes(0..writes.len(), &file[..known], |offset, bytes| {
                let offset = offset as usize;
                changed[offset..offset + bytes.len()].copy_from_slice(bytes);
            });
            prop_assert_eq!(plain, changed);
        }

        #[test]
        fn an_overlay_equals_reading_after_applying(list in prop::collection::vec((0_u64..60, prop::collection::vec(any::<u8>(), 1..12)), 0..20), from in 0_usize..40, len in 0_usize..40) {
            let mut writes = Writes::new();
            for (offset, bytes) in &list {
                writes.push(*offset, bytes);
            }
            let mut file = vec![0; 80];
            writes.apply(&mut file);
            let mut part = vec![0; len];
            writes.overlay(from as u64, &mut part);
            prop_assert_eq!(&part[..], &file[from..from + len]);
        }
    }
}
