//! A file with other parts: data sources and archives that come or go, archives with more or fewer rows. What is new is
//! filled from the archives that are there, as rrdtool's `tune` and `resize` do it, rough edges included: the values are
//! made for pictures, not for accounts (an archive's xff is not looked at).
//!
//! Where rrdtool goes wrong beyond that we do not follow: behind an archive that goes it takes the rows of the others from
//! the wrong places, and the state that it gives new forecasting archives is that of a plain one.

use crate::UNKNOWN;
use crate::consolidate::continue_row;
use crate::create::{FILE_SIZE_MAX, new_archive_state};
use crate::definition::{self, Cf, Definition, DefinitionError, Forecast, Kind};
use crate::formula::Formula;
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
    /// A formula that speaks of a source that would go.
    #[error("data source {0} is computed from one that would go")]
    Computed(String),
    /// A forecast whose other half would go.
    #[error("RRA {own} depends on RRA {before}, which would go")]
    Forecast {
        /// The number of the one that stays.
        own: usize,
        /// The number of the one that it needs.
        before: u64,
    },
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

/// The changed file. Names and numbers of sources and archives that are not there are passed over, as rrdtool does. The
/// file's name, as its user writes it, decides when the seasons of a new forecast are smoothed.
///
/// # Errors
/// See [`ModifyError`].
pub(crate) fn modify(
    old: &Image,
    changes: &Changes<'_>,
    file_name: &str,
) -> Result<Image, ModifyError> {
    let stretched = changes.step.map(|step| stretch(old, step)).transpose()?;
    let old = stretched.as_ref().unwrap_or(old);
    let width = old.sources.len();
    let kept: Vec<usize> = (0..width)
        .filter(|&index| stays(&old.sources[index], changes))
        .collect();
    let resized: Vec<(usize, usize)> = old
        .archives
        .iter()
        .enumerate()
        .map(|(index, archive)| (index, changes.rows_of(index, archive.rows(width))))
        .filter(|(_, rows)| *rows > 0)
        .collect();
    let kept_archives: Vec<usize> = resized.iter().map(|(index, _)| *index).collect();

    let mut new = Image {
        sources: kept_sources(old, &kept)?,
        archives: Vec::new(),
        ..*old
    };
    let added = added(&new, old, &kept_archives, changes, file_name)?;
    // Which column of the old file each new one is.
    let mut columns: Vec<Option<usize>> = kept.into_iter().map(Some).collect();
    columns.resize(columns.len() + added.sources.len(), None);
    new.sources.extend(added.sources);
    for (index, rows) in resized {
        let mut archive = resized_archive(old, &old.archives[index], &columns, rows)?;
        refer(&mut archive, index, &kept_archives)?;
        new.archives.push(archive);
    }
    for archive in &added.archives {
        add_archive(old, &mut new, &columns, archive)?;
    }
    Ok(new)
}

/// The sources that stay; their formulas know the others by their new numbers.
fn kept_sources(old: &Image, kept: &[usize]) -> Result<Vec<Source>, ModifyError> {
    let number = |before: i16| {
        let before = usize::try_from(before).ok()?;
        let now = kept.iter().position(|&index| index == before)?;
        i16::try_from(now).ok()
    };
    let renumbered = |source: &Source| {
        let mut source = source.clone();
        if source.kind == Kind::Compute && kept.len() < old.sources.len() {
            let formula = Formula::from_words(source.parameters).renumbered(number);
            let formula = formula.ok_or_else(|| ModifyError::Computed(source.name.clone()))?;
            source.parameters = formula.to_words();
        }
        Ok(source)
    };
    kept.iter()
        .map(|&index| renumbered(&old.sources[index]))
        .collect()
}

/// Lets a forecasting archive, number `own` before, know the one that it depends on by its new number.
fn refer(archive: &mut Archive, own: usize, kept: &[usize]) -> Result<(), ModifyError> {
    let before = archive.parameters[3];
    if archive.cf.is_plain() || before == Forecast::NOTHING {
        return Ok(());
    }
    let now = kept.iter().position(|&index| index as u64 == before);
    let now = now.ok_or(ModifyError::Forecast { own, before })?;
    archive.parameters[3] = now as u64;
    Ok(())
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

/// What comes to a file.
struct Added {
    sources: Vec<Source>,
    archives: Vec<definition::Archive>,
}

/// The sources and archives that are asked for, behind the sources of `new` and the archives of `old` that stay: formulas
/// know sources by their names, forecasts archives by their numbers.
fn added(
    new: &Image,
    old: &Image,
    kept_archives: &[usize],
    changes: &Changes<'_>,
    file_name: &str,
) -> Result<Added, ModifyError> {
    let width = old.sources.len();
    let archive = |index: &usize| {
        let archive = &old.archives[*index];
        definition::Archive {
            cf: archive.cf,
            xff: f64::from_bits(archive.parameters[0]),
            steps: archive.steps,
            rows: archive.rows(width) as u64,
            forecast: Forecast::from_words(archive.cf, &archive.parameters),
        }
    };
    let mut definition = Definition {
        step: old.step,
        start: old.last_update,
        version: old.version,
        sources: new.sources.iter().map(definition_of).collect(),
        archives: kept_archives.iter().map(archive).collect(),
    };
    definition.extend(&changes.sources, file_name)?;
    definition.extend(&changes.archives, file_name)?;
    if definition.sources.is_empty() {
        return Err(ModifyError::Nothing("data source"));
    }
    if definition.archives.is_empty() {
        return Err(ModifyError::Nothing("archive"));
    }
    // What is there is not judged by what create would allow.
    if !changes.sources.is_empty() || !changes.archives.is_empty() {
        definition.check()?;
    }
    let source = |source: definition::DataSource| Source {
        parameters: parameters(&source),
        name: source.name,
        kind: source.kind,
        state: unseen(old),
    };
    Ok(Added {
        sources: definition
            .sources
            .drain(new.sources.len()..)
            .map(source)
            .collect(),
        archives: definition.archives.drain(kept_archives.len()..).collect(),
    })
}

fn definition_of(source: &Source) -> definition::DataSource {
    let [heartbeat, min, max, ..] = source.parameters;
    let formula = (source.kind == Kind::Compute).then(|| Formula::from_words(source.parameters));
    definition::DataSource {
        name: source.name.clone(),
        kind: source.kind,
        heartbeat,
        min: f64::from_bits(min),
        max: f64::from_bits(max),
        formula,
    }
}

fn parameters(source: &definition::DataSource) -> [u64; 10] {
    if let Some(formula) = source.formula {
        return formula.to_words();
    }
    let mut parameters = [0; 10];
    parameters[..3].copy_from_slice(&[
        source.heartbeat,
        source.min.to_bits(),
        source.max.to_bits(),
    ]);
    parameters
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
fn resized_archive(
    old: &Image,
    archive: &Archive,
    columns: &[Option<usize>],
    rows: usize,
) -> Result<Archive, ModifyError> {
    let width = old.sources.len();
    let before = archive.rows(width);
    cells(rows, columns.len())?;
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
fn add_archive(
    old: &Image,
    new: &mut Image,
    columns: &[Option<usize>],
    wanted: &definition::Archive,
) -> Result<(), ModifyError> {
    let rows = wanted.rows as usize;
    let mut archive = Archive {
        cf: wanted.cf,
        steps: wanted.steps,
        parameters: wanted.parameters(),
        states: Vec::new(),
        cells: vec![UNKNOWN; cells(rows, columns.len())?],
        current_row: rows - 1,
    };
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
        return Ok(());
    }
    let candidates = candidates(old, cf);
    let fine = |candidate: &&Candidate<'_>| {
        candidate.archive.steps == 1 || candidate.archive.cf == Cf::Average
    };
    let Some(candidate) = candidates.iter().find(fine) else {
        return Ok(());
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
    Ok(())
}

/// How many values so many rows are.
fn cells(rows: usize, width: usize) -> Result<usize, DefinitionError> {
    let cells = rows.checked_mul(width);
    let fits = cells.filter(|cells| *cells as u64 <= FILE_SIZE_MAX / 8);
    fits.ok_or(DefinitionError::TooLarge)
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
    let mut values = Vec::new();
    let mut current_row = archive.current_row;
    if grow {
        values.resize(cells(count, width)?, UNKNOWN);
        values.extend(&archive.cells);
    } else if count >= rows {
        return Err(ModifyError::TooFewRows { rows });
    } else {
        values.extend(archive.cells.iter().skip(count * width));
        let behind = rows - 1 - current_row;
        current_row -= count.saturating_sub(behind);
    }
    let mut new = old.clone();
    new.archives[index].cells = values;
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
        let file =
            crate::create::create(&Definition::parse(300, 1_000_000_200, &LINES).unwrap()).unwrap();
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
        modify(&image(), &Changes::parse(words)?, "file.rrd")
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

    const FORECAST: [&str; 7] = [
        "DS:a:GAUGE:600:U:U",
        "DS:b:GAUGE:600:U:U",
        "DS:c:COMPUTE:b,2,*",
        "DS:d:COMPUTE:c,b,+",
        "RRA:AVERAGE:0.5:1:4",
        "RRA:AVERAGE:0.5:2:4",
        "RRA:HWPREDICT:10:0.1:0.2:5",
    ];

    fn forecast(words: &[&str]) -> Result<Image, ModifyError> {
        let file =
            crate::create::create(&Definition::parse(300, 1_000_000_200, &FORECAST).unwrap())
                .unwrap();
        modify(
            &Image::parse(&file).unwrap(),
            &Changes::parse(words)?,
            "file.rrd",
        )
    }

    #[test]
    fn formulas_know_the_sources_that_stay_by_their_new_numbers() {
        let image = forecast(&["DEL:a"]).unwrap();
        let names = ["b", "c", "d"];
        let texts =
            [1, 2].map(|index| crate::rpn::packed_text(&image.sources[index].parameters, &names));
        assert_eq!(texts, ["b,2,*", "c,b,+"]);
        let error = forecast(&["DEL:b"]).unwrap_err().to_string();
        assert_eq!(error, "data source c is computed from one that would go");
        assert_eq!(
            forecast(&["DEL:b", "DEL:c", "DEL:d"])
                .unwrap()
                .sources
                .len(),
            1
        );
    }

    #[test]
    fn forecasts_know_the_archives_that_stay_by_their_new_numbers() {
        let needs = |image: &Image| -> Vec<u64> {
            let forecasts = image
                .archives
                .iter()
                .filter(|archive| !archive.cf.is_plain());
            forecasts.map(|archive| archive.parameters[3]).collect()
        };
        let before = needs(&forecast(&["RRA#0:+1"]).unwrap());
        let after = needs(&forecast(&["DELRRA:1"]).unwrap());
        assert_eq!(
            after,
            before.iter().map(|number| number - 1).collect::<Vec<_>>()
        );
        let error = forecast(&["DELRRA:3"]).unwrap_err().to_string();
        assert_eq!(error, "RRA 2 depends on RRA 3, which would go");
        let all = ["DELRRA:2", "DELRRA:3", "DELRRA:4", "DELRRA:5", "DELRRA:6"];
        assert_eq!(forecast(&all).unwrap().archives.len(), 2);
    }

    #[test]
    fn a_forecast_is_added_with_all_that_it_needs() {
        let image = modified(&["RRA:HWPREDICT:10:0.1:0.2:5"]).unwrap();
        let cfs: Vec<&str> = image.archives[3..]
            .iter()
            .map(|archive| archive.cf.name())
            .collect();
        assert_eq!(
            cfs,
            [
                "HWPREDICT",
                "SEASONAL",
                "DEVSEASONAL",
                "DEVPREDICT",
                "FAILURES"
            ]
        );
        assert!(
            image
                .bytes()
                .is_some_and(|file| Image::parse(&file).is_ok())
        );
    }

    #[test]
    fn a_shorter_step_keeps_the_time_of_the_rows() {
        let mut changes = Changes::parse(&["RRA#0:+1"]).unwrap();
        changes.step = Some(60);
        let image = modify(&image(), &changes, "file.rrd").unwrap();
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
        refused(&["DS:a:GAUGE:600:U:U"], "duplicate data source name \"a\"");
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
        let error = modify(&image(), &changes, "file.rrd")
            .unwrap_err()
            .to_string();
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
