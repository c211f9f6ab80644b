//! A file with other parts: data sources and archives that come or go, archives with more or fewer rows. What is new is
//! filled from the archives that are there, as rrdtool's `tune` and `resize` do it, rough edges included: the values are
//! made for pictures, not for accounts (an archive's xff is not looked at).
//!
//! Where rrdtool goes wrong beyond that we do not follow: behind an archive that goes it takes the rows of the others from
//! the wrong places, and the state that it gives new forecasting archives is that of a plain one.

use crate::UNKNOWN;
use crate::consolidate::continue_row;
use crate::create::{create, new_archive_state};
use crate::definition::{Cf, Definition, DefinitionError};
use crate::image::{Archive, Image, Source};
use crate::layout::{CDP_PRIMARY, CDP_SECONDARY, CDP_WORDS, PDP_UNKNOWN, PDP_WORDS};

/// What to change, in the order in which it was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes<'a> {
    /// `--step`: divides the step, each row then has several times the steps.
    pub(crate) step: Option<u64>,
    removed: Vec<&'a str>,
    sources: Vec<&'a str>,
    archives: Vec<&'a str>,
    rows: Vec<(usize, Rows)>,
}

/// What becomes of the rows of an archive; none left means that the archive goes.
#[derive(Clone, Copy, Debug)]
enum Rows {
    Exactly(usize),
    More(usize),
    Fewer(usize),
}

/// Why a file cannot be changed so.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModifyError {
    /// A word that is none of the forms.
    #[error(
        "unparseable argument: expected DEL:NAME, DS:…, DELRRA:NUMBER, RRA:… or RRA#NUMBER:[+-=]ROWS, found {0:?}"
    )]
    Form(String),
    /// A new source or archive that cannot be.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// A new source with the name of one that stays.
    #[error("Duplicate DS name: {0}")]
    Duplicate(String),
    /// A step that does not divide the present one.
    #[error(
        "the new step must divide the old one, {old} seconds, without a remainder, found {new}"
    )]
    Step {
        /// Seconds of the file's step.
        old: u64,
        /// Seconds asked for.
        new: u64,
    },
    /// All sources or archives would go.
    #[error("a file needs at least one {0}")]
    Nothing(&'static str),
    /// No archive of that number, or fewer rows than should go.
    #[error("no such RRA in this RRD: {0}")]
    NoArchive(usize),
    /// A RRA keeps at least one row.
    #[error("this RRA is not that big: it has {rows} rows")]
    TooFewRows {
        /// How many it has.
        rows: usize,
    },
}

impl<'a> Changes<'a> {
    /// Reads the words of a command line.
    ///
    /// # Errors
    /// [`ModifyError::Form`] for the first that is none of the forms.
    pub(crate) fn parse(words: &[&'a str]) -> Result<Self, ModifyError> {
        let mut changes = Self::default();
        for word in words {
            changes
                .add(word)
                .ok_or_else(|| ModifyError::Form((*word).to_owned()))?;
        }
        Ok(changes)
    }

    fn add(&mut self, word: &'a str) -> Option<()> {
        if let Some(name) = word.strip_prefix("DEL:").filter(|name| !name.is_empty()) {
            self.removed.push(name);
        } else if word.starts_with("DS:") {
            self.sources.push(word);
        } else if let Some(index) = word.strip_prefix("DELRRA:") {
            self.rows.push((index.parse().ok()?, Rows::Exactly(0)));
        } else if let Some(rest) = word.strip_prefix("RRA#") {
            let (index, change) = rest.split_once(':')?;
            let count = change.get(1..)?.parse().ok()?;
            let rows = match change.as_bytes()[0] {
                b'=' => Rows::Exactly(count),
                b'+' => Rows::More(count),
                b'-' => Rows::Fewer(count),
                _ => return None,
            };
            self.rows.push((index.parse().ok()?, rows));
        } else if word.starts_with("RRA:") {
            self.archives.push(word);
        } else {
            return None;
        }
        Some(())
    }

    /// True when nothing was asked for; `--step` alone changes nothing, as with rrdtool.
    pub(crate) fn is_empty(&self) -> bool {
        self.removed.is_empty()
            && self.sources.is_empty()
            && self.archives.is_empty()
            && self.rows.is_empty()
    }

    /// The rows that an archive is going to have.
    fn rows_of(&self, index: usize, now: usize) -> usize {
        let change = self.rows.iter().find(|(of, _)| *of == index);
        match change.map(|(_, rows)| *rows) {
            Some(Rows::Exactly(rows)) => rows,
            Some(Rows::More(rows)) => now.saturating_add(rows),
            Some(Rows::Fewer(rows)) => now.saturating_sub(rows),
            None => now,
        }
    }
}

/// The changed file. Names and numbers of sources and archives that are not there are passed over, as rrdtool does.
///
/// # Errors
/// See [`ModifyError`].
pub(crate) fn modify(old: &Image, changes: &Changes<'_>) -> Result<Image, ModifyError> {
    let stretched = changes.step.map(|step| stretch(old, step)).transpose()?;
    let old = stretched.as_ref().unwrap_or(old);
    let added = added(old, changes)?;
    let kept = (0..old.sources.len()).filter(|&index| stays(&old.sources[index], changes));
    // Which column of the old file each new one is.
    let columns: Vec<Option<usize>> = kept
        .map(Some)
        .chain(added.sources.iter().map(|_| None))
        .collect();
    let new_sources = added.sources.into_iter().map(|source| Source {
        state: unseen(old),
        ..source
    });
    let sources = columns
        .iter()
        .flatten()
        .map(|&index| old.sources[index].clone())
        .chain(new_sources);
    let mut new = Image {
        sources: sources.collect(),
        archives: Vec::new(),
        ..*old
    };
    for (index, archive) in old.archives.iter().enumerate() {
        let rows = changes.rows_of(index, archive.rows(old.sources.len()));
        if rows > 0 {
            let archive = resized(old, archive, &columns, rows)?;
            new.archives.push(archive);
        }
    }
    for archive in added.archives {
        add_archive(old, &mut new, &columns, archive);
    }
    Ok(new)
}

fn stays(source: &Source, changes: &Changes<'_>) -> bool {
    !changes.removed.contains(&source.name.as_str())
}

/// The same rows, of more and shorter steps.
fn stretch(old: &Image, step: u64) -> Result<Image, ModifyError> {
    let times = old.step.checked_div(step).unwrap_or_default();
    if times < 2 || !old.step.is_multiple_of(step) {
        return Err(ModifyError::Step {
            old: old.step,
            new: step,
        });
    }
    let mut new = old.clone();
    new.step = step;
    for archive in &mut new.archives {
        archive.steps = archive.steps.saturating_mul(times);
        archive.unroll(old.sources.len());
        if archive.cf.is_plain() {
            for state in &mut archive.states {
                state[crate::layout::CDP_UNKNOWN] =
                    state[crate::layout::CDP_UNKNOWN].saturating_mul(times);
            }
        }
    }
    Ok(new)
}

/// The new sources and archives as parts of a file, as they are when created behind those that stay.
fn added(old: &Image, changes: &Changes<'_>) -> Result<Image, ModifyError> {
    let kept: Vec<&Source> = old
        .sources
        .iter()
        .filter(|source| stays(source, changes))
        .collect();
    // Formulas know the sources before them by name, forecasts other archives by number.
    let mut lines: Vec<String> = kept
        .iter()
        .map(|source| format!("DS:{}:GAUGE:1:U:U", source.name))
        .collect();
    for line in &changes.sources {
        let name = line.split(':').nth(1).unwrap_or_default();
        if kept.iter().any(|source| source.name == name) {
            return Err(ModifyError::Duplicate(name.to_owned()));
        }
    }
    lines.extend(changes.sources.iter().map(|line| (*line).to_owned()));
    if lines.is_empty() {
        return Err(ModifyError::Nothing("data source"));
    }
    let stay = |(index, archive): (usize, &Archive)| {
        changes.rows_of(index, archive.rows(old.sources.len())) > 0
    };
    let archives = old
        .archives
        .iter()
        .enumerate()
        .filter(|&pair| stay(pair))
        .count();
    if archives + changes.archives.len() == 0 {
        return Err(ModifyError::Nothing("archive"));
    }
    lines.extend((0..archives).map(|_| "RRA:LAST:0:1:1".to_owned()));
    lines.extend(changes.archives.iter().map(|line| (*line).to_owned()));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let file = create(&Definition::parse(old.step, old.last_update, &lines)?)?;
    let mut parts = Image::parse(&file).map_err(|_| DefinitionError::TooLarge)?;
    parts.sources.drain(..kept.len());
    parts.archives.drain(..archives);
    Ok(parts)
}

/// The state that rrdtool gives to a source that appears.
fn unseen(old: &Image) -> [u64; PDP_WORDS] {
    let mut state = [0; PDP_WORDS];
    state[0] = u64::from(b'U');
    state[PDP_UNKNOWN] = old.last_update as u64 % old.step;
    state
}

/// The state of an archive for a source that it has seen nothing of.
fn unseen_in(old: &Image, archive: &Archive) -> [u64; CDP_WORDS] {
    let last_update = old.last_update as u64;
    new_archive_state(last_update, old.step, archive.cf, archive.steps)
}

/// An archive of the old file with the columns of the new one and so many rows: the oldest go, or older ones come.
fn resized(
    old: &Image,
    archive: &Archive,
    columns: &[Option<usize>],
    rows: usize,
) -> Result<Archive, ModifyError> {
    let width = old.sources.len();
    let before = archive.rows(width);
    let fits = rows
        .checked_mul(columns.len())
        .filter(|cells| *cells as u64 <= crate::create::FILE_SIZE_MAX / 8);
    fits.ok_or(DefinitionError::TooLarge)?;
    let (grown, dropped) = (rows.saturating_sub(before), before.saturating_sub(rows));
    let mut new = Archive {
        states: columns
            .iter()
            .map(|column| {
                column.map_or_else(|| unseen_in(old, archive), |column| archive.states[column])
            })
            .collect(),
        cells: vec![UNKNOWN; grown * columns.len()],
        ..archive.clone()
    };
    for row in archive.cells.chunks_exact(width).skip(dropped) {
        new.cells.extend(
            columns
                .iter()
                .map(|column| column.map_or(UNKNOWN, |column| row[column])),
        );
    }
    new.unroll(columns.len());
    populate(old, &mut new, columns, grown);
    Ok(new)
}

/// An archive of the old file that can fill others, with its rows where the file has them: rrdtool counts rows so, and what
/// it does at the ends of an archive depends on it.
struct Candidate<'a> {
    archive: &'a Archive,
    rows: i64,
    width: usize,
    seconds: i64,
    last_update: i64,
}

impl Candidate<'_> {
    fn current_row(&self) -> i64 {
        self.archive.current_row as i64
    }

    /// The row whose time a moment falls in.
    fn row(&self, time: i64) -> Option<i64> {
        let time = time + (-time).rem_euclid(self.seconds);
        let age = (self.last_update - time) / self.seconds;
        let covered = time <= self.last_update
            && time > self.last_update - self.rows * self.seconds
            && age < self.rows;
        covered.then(|| (self.current_row() - age).rem_euclid(self.rows))
    }

    fn value(&self, row: i64, column: usize) -> f64 {
        let age = (self.current_row() - row).rem_euclid(self.rows);
        let cell = (self.rows - 1 - age) as usize * self.width + column;
        self.archive.cells[cell]
    }
}

/// Archives of the same function or of averages, the finest first, of equal ones the longest.
fn candidates<'a>(old: &'a Image, cf: Cf) -> Vec<Candidate<'a>> {
    let width = old.sources.len();
    let usable = old
        .archives
        .iter()
        .filter(|archive| archive.cf == cf || archive.cf == Cf::Average);
    let mut candidates: Vec<Candidate<'a>> = usable
        .map(|archive| Candidate {
            archive,
            rows: archive.rows(width) as i64,
            width,
            seconds: (archive.steps * old.step) as i64,
            last_update: old.last_update,
        })
        .collect();
    candidates
        .sort_by_key(|candidate| (candidate.archive.steps, std::cmp::Reverse(candidate.rows)));
    candidates
}

/// Fills the first `count` rows of an archive, where they are unknown, from the candidates in turn.
fn populate(old: &Image, archive: &mut Archive, columns: &[Option<usize>], count: usize) {
    if !archive.cf.is_plain() || count == 0 {
        return;
    }
    let candidates = candidates(old, archive.cf);
    let seconds = (archive.steps * old.step) as i64;
    let newest = old.last_update - old.last_update % seconds;
    let rows = archive.rows(columns.len());
    for (row, cells) in archive
        .cells
        .chunks_exact_mut(columns.len())
        .take(count)
        .enumerate()
    {
        let end = newest - (rows - 1 - row) as i64 * seconds;
        for candidate in &candidates {
            let Some((first, count)) = overlap(candidate, end - seconds + 1, end) else {
                continue;
            };
            for (cell, column) in cells.iter_mut().zip(columns) {
                if let (true, Some(column)) = (cell.is_nan(), *column) {
                    let values = (first..first + count).map(|row| candidate.value(row, column));
                    *cell = consolidated(archive.cf, values, candidate.seconds);
                }
            }
        }
    }
}

/// The first row of a candidate for a time and how many there are; `None` when it has none. Where the time begins before
/// the candidate does rrdtool begins with its newest row, and we with it.
fn overlap(candidate: &Candidate<'_>, start: i64, end: i64) -> Option<(i64, i64)> {
    let current = candidate.current_row();
    let (first, last) = match (candidate.row(start), candidate.row(end)) {
        (None, None) => return None,
        (None, Some(last)) => (current, last),
        // Not counted as a number below zero is.
        (Some(first), None) => (first, ((current - 1) as u64 % candidate.rows as u64) as i64),
        (Some(first), Some(last)) => (first, last),
    };
    let count = last - first + 1;
    Some((
        first,
        if count < 0 {
            count + candidate.rows
        } else {
            count
        },
    ))
}

/// One value for several rows of so many seconds, unknown ones passed over.
fn consolidated(cf: Cf, values: impl Iterator<Item = f64>, seconds: i64) -> f64 {
    let mut known = values.filter(|value| !value.is_nan());
    let Some(first) = known.next() else {
        return UNKNOWN;
    };
    match cf {
        Cf::Average => {
            let weight = seconds as f64;
            let (sum, covered) = known.fold((first * weight, seconds), |(sum, covered), value| {
                (sum + value * weight, covered + seconds)
            });
            sum / covered as f64
        }
        Cf::Min => known.fold(
            first,
            |least, value| if least < value { least } else { value },
        ),
        Cf::Max => known.fold(first, |most, value| if most > value { most } else { value }),
        Cf::Last
        | Cf::HwPredict
        | Cf::MhwPredict
        | Cf::Seasonal
        | Cf::DevSeasonal
        | Cf::DevPredict
        | Cf::Failures => known.last().unwrap_or(first),
    }
}

/// Adds an archive, fills it, and makes the state that it would have, had it been there before.
fn add_archive(old: &Image, new: &mut Image, columns: &[Option<usize>], mut archive: Archive) {
    archive.cells.fill(UNKNOWN);
    let rows = archive.rows(columns.len());
    archive.unroll(columns.len());
    populate(old, &mut archive, columns, rows);
    archive.states = columns.iter().map(|_| unseen_in(old, &archive)).collect();
    let cf = archive.cf;
    let rows_before: usize = new
        .archives
        .iter()
        .map(|archive| archive.rows(columns.len()))
        .sum();
    new.archives.push(archive);
    if !cf.is_plain() {
        return;
    }
    let candidates = candidates(old, cf);
    let fine = |candidate: &&Candidate<'_>| {
        candidate.archive.steps == 1 || candidate.archive.cf == Cf::Average
    };
    let Some(candidate) = candidates.iter().find(fine) else {
        return;
    };
    for (index, column) in columns.iter().enumerate() {
        if let Some(column) = *column {
            // rrdtool counts the rows before as if they were values, and so looks at the newest row of the new archive
            // only where the file has a single source.
            let primary = value(new, rows_before + columns.len() * (rows - 1) + index);
            let state = gathered(old, new, candidate, column, primary);
            if let Some(archive) = new.archives.last_mut() {
                archive.states[index] = state;
            }
        }
    }
}

/// A value by its number among all values of the file.
fn value(image: &Image, mut number: usize) -> f64 {
    for archive in &image.archives {
        match archive.cells.get(number) {
            Some(value) => return *value,
            None => number -= archive.cells.len(),
        }
    }
    UNKNOWN
}

/// The state of the newest archive of `new` for a column of the old file: the rows of the candidate that its row in
/// progress covers, gathered.
fn gathered(
    old: &Image,
    new: &Image,
    candidate: &Candidate<'_>,
    column: usize,
    primary: f64,
) -> [u64; CDP_WORDS] {
    let mut state = [0; CDP_WORDS];
    let Some(archive) = new.archives.last() else {
        return state;
    };
    state[CDP_PRIMARY] = primary.to_bits();
    let seconds = (archive.steps * old.step) as i64;
    let end = old.last_update + (-old.last_update).rem_euclid(seconds);
    let Some(start) = candidate.row(end - seconds + 1) else {
        state[CDP_SECONDARY] = candidate.archive.states[column][CDP_PRIMARY];
        return state;
    };
    let before = (start - 1).rem_euclid(candidate.rows);
    state[CDP_SECONDARY] = candidate.value(before, column).to_bits();
    let current = candidate.current_row();
    let last = if current < start {
        current + candidate.rows
    } else {
        current
    };
    for row in start..=last {
        let value = candidate.value(row, column);
        continue_row(archive.cf, &mut state, value, 1);
    }
    state
}

/// The file with one archive of more (`GROW`) or fewer (`SHRINK`) rows: new ones are unknown and the oldest, the oldest go.
/// The other rows stay where they are in the file.
///
/// # Errors
/// [`ModifyError::NoArchive`], [`ModifyError::TooFewRows`], and when the file would be too large.
pub(crate) fn resize(
    old: &Image,
    index: usize,
    grow: bool,
    count: usize,
) -> Result<Image, ModifyError> {
    let width = old.sources.len();
    let archive = old
        .archives
        .get(index)
        .ok_or(ModifyError::NoArchive(index))?;
    let rows = archive.rows(width);
    let mut cells = Vec::new();
    let mut current_row = archive.current_row;
    if grow {
        let room = count
            .checked_mul(width)
            .filter(|cells| *cells as u64 <= crate::create::FILE_SIZE_MAX / 8);
        cells.resize(room.ok_or(DefinitionError::TooLarge)?, UNKNOWN);
        cells.extend(&archive.cells);
    } else if count >= rows {
        return Err(ModifyError::TooFewRows { rows });
    } else {
        cells.extend(archive.cells.iter().skip(count * width));
        let behind = rows - 1 - current_row;
        current_row -= count.saturating_sub(behind);
    }
    let mut new = old.clone();
    new.archives[index].cells = cells;
    new.archives[index].current_row = current_row;
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 5] = [
        "DS:a:GAUGE:600:U:U",
        "DS:b:GAUGE:600:U:U",
        "RRA:AVERAGE:0.5:1:4",
        "RRA:MAX:0.5:2:3",
        "RRA:LAST:0.5:1:2",
    ];

    /// Every value is the number of its place in the file.
    fn image() -> Image {
        let file = create(&Definition::parse(300, 1_000_000_200, &LINES).unwrap()).unwrap();
        let mut image = Image::parse(&file).unwrap();
        let cells = image
            .archives
            .iter_mut()
            .flat_map(|archive| &mut archive.cells);
        for (number, cell) in cells.enumerate() {
            *cell = number as f64;
        }
        image
    }

    fn modified(words: &[&str]) -> Result<Image, ModifyError> {
        modify(&image(), &Changes::parse(words)?)
    }

    #[track_caller]
    fn refused(words: &[&str], expect: &str) {
        assert_eq!(modified(words).unwrap_err().to_string(), expect);
    }

    #[test]
    fn archives_behind_one_that_goes_keep_their_rows() {
        let image = modified(&["DELRRA:0"]).unwrap();
        let cells: Vec<&[f64]> = image
            .archives
            .iter()
            .map(|archive| archive.cells.as_slice())
            .collect();
        assert_eq!(
            cells,
            [
                &[8.0, 9.0, 10.0, 11.0, 12.0, 13.0][..],
                &[14.0, 15.0, 16.0, 17.0]
            ]
        );
    }

    #[test]
    fn a_source_goes_with_its_column() {
        let image = modified(&["DEL:a", "RRA#1:-1"]).unwrap();
        assert_eq!(image.sources.len(), 1);
        assert_eq!(image.archives[0].cells, [1.0, 3.0, 5.0, 7.0]);
        assert_eq!(image.archives[1].cells, [11.0, 13.0]);
        assert!(
            image
                .archives
                .iter()
                .all(|archive| archive.states.len() == 1)
        );
    }

    #[test]
    fn a_shorter_step_keeps_the_time_of_the_rows() {
        let mut changes = Changes::parse(&["RRA#0:+1"]).unwrap();
        changes.step = Some(60);
        let image = modify(&image(), &changes).unwrap();
        assert_eq!(image.step, 60);
        assert_eq!(
            image
                .archives
                .iter()
                .map(|archive| archive.steps)
                .collect::<Vec<_>>(),
            [5, 10, 5]
        );
        assert_eq!(
            image.archives[0].cells[2..],
            [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
        );
    }

    #[test]
    fn what_makes_no_file_is_refused() {
        refused(&["DEL:a", "DEL:b"], "a file needs at least one data source");
        refused(
            &["DELRRA:0", "DELRRA:1", "DELRRA:2"],
            "a file needs at least one archive",
        );
        refused(&["DS:a:GAUGE:600:U:U"], "Duplicate DS name: a");
        refused(
            &["RRA#0:+999999999999"],
            "the file would be larger than 1073741824 bytes",
        );
        let expect = "unparseable argument: expected DEL:NAME, DS:…, DELRRA:NUMBER, RRA:… or RRA#NUMBER:[+-=]ROWS, found ";
        for word in ["RRA#0:*5", "RRA#0", "RRA#0:+", "DEL:", "DELRRA:-1", "GROW"] {
            refused(&[word], &format!("{expect}{word:?}"));
        }
        let mut changes = Changes::parse(&["RRA#0:+1"]).unwrap();
        changes.step = Some(7);
        let error = modify(&image(), &changes).unwrap_err().to_string();
        assert_eq!(
            error,
            "the new step must divide the old one, 300 seconds, without a remainder, found 7"
        );
        assert_eq!(
            resize(&image(), 3, true, 1).unwrap_err(),
            ModifyError::NoArchive(3)
        );
        assert_eq!(
            resize(&image(), 2, false, 2).unwrap_err(),
            ModifyError::TooFewRows { rows: 2 }
        );
    }
}
