//! A new file that begins with the history of others (`create --source`): every row is put together from the rows of the
//! other files that cover its time, the best fitting archives first, and what is gathered for the next row from the
//! finest. Files taken apart in, a file taken apart out. Archives are searched in rrdtool's order, which its own sort with
//! a comparison of its own makes, because it is in the values.

mod coverage;

use std::cmp::Reverse;

use coverage::Coverage;

use crate::UNKNOWN;
use crate::consolidate::{complete_row, continue_row};
use crate::create::{FILE_SIZE_MAX, new_archive_state};
use crate::definition::{Cf, DefinitionError, Origin};
use crate::header;
use crate::image::{Archive, Image};
use crate::layout::{CDP_PRIMARY, CDP_SECONDARY, CDP_UNKNOWN, CDP_WORDS};

/// Fills a new file from `files`. `origins` has for each data source where its history is to be taken from.
///
/// # Errors
/// [`DefinitionError::TooLarge`] when the longest row has more steps than can be held at once.
pub(crate) fn prefill(
    target: &mut Image,
    files: &[Image],
    origins: &[Origin],
) -> Result<(), DefinitionError> {
    let steps = finest(target)?;
    let archives = target.archives.len();
    let fine = match steps {
        Finest::Archive(index) => index,
        Finest::Missing(archive) => {
            target.archives.push(archive);
            archives
        }
    };
    for archive in 0..target.archives.len() {
        for (source, origin) in origins.iter().enumerate() {
            let mut found = candidates(&target.archives[archive], files, origin);
            sort_each_file(&mut found, target, &target.archives[archive]);
            if found.is_empty() {
                continue;
            }
            fill_rows(target, archive, source, &found);
            if let Some(state) = last_input(target, source, &found) {
                target.sources[source].state = state;
            }
        }
    }
    for archive in 0..target.archives.len() {
        for (source, origin) in origins.iter().enumerate() {
            let found = candidates(&target.archives[archive], files, origin);
            let state = gathered(target, archive, source, fine, &found);
            target.archives[archive].states[source] = state;
        }
    }
    target.archives.truncate(archives);
    Ok(())
}

/// The averages of single steps that rows in progress are gathered from.
enum Finest {
    /// An archive has enough of them.
    Archive(usize),
    /// None has: this one is to be added for the time being.
    Missing(Archive),
}

fn finest(target: &Image) -> Result<Finest, DefinitionError> {
    let width = target.sources.len();
    let longest = target.archives.iter().map(|archive| archive.steps).max();
    let needed = longest.unwrap_or(1).saturating_mul(2);
    let mut best: Option<(usize, u64)> = None;
    for (index, archive) in target.archives.iter().enumerate() {
        let rows = archive.rows(width) as u64;
        let fits = archive.steps == 1 && archive.cf == Cf::Average;
        if fits && best.is_none_or(|(_, most)| most < rows) {
            best = Some((index, rows));
        }
    }
    if let Some((index, _)) = best.filter(|(_, rows)| *rows >= needed) {
        return Ok(Finest::Archive(index));
    }
    let cells = needed
        .checked_mul(width as u64)
        .filter(|cells| *cells <= FILE_SIZE_MAX / 8)
        .ok_or(DefinitionError::TooLarge)?;
    let mut parameters = [0; 10];
    parameters[0] = 0.5_f64.to_bits();
    Ok(Finest::Missing(Archive {
        cf: Cf::Average,
        steps: 1,
        parameters,
        states: vec![[0; CDP_WORDS]; width],
        cells: vec![UNKNOWN; cells as usize],
        current_row: 0,
    }))
}

/// One column of an archive.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    file: &'a Image,
    archive: &'a Archive,
    source: usize,
}

impl Candidate<'_> {
    fn rows(&self) -> i64 {
        self.archive.rows(self.file.sources.len()) as i64
    }

    /// Seconds of a row.
    fn seconds(&self) -> i64 {
        self.file.step.saturating_mul(self.archive.steps) as i64
    }

    /// The end of the newest row.
    fn end(&self) -> i64 {
        self.file.last_update - self.file.last_update % self.seconds()
    }

    /// How many rows before the newest one the row of `time` is.
    fn age(&self, time: i64) -> Option<i64> {
        let seconds = self.seconds();
        let end = time + (seconds - time % seconds) % seconds;
        let last = self.file.last_update;
        let age = (last - end) / seconds;
        (end <= last && end > last - self.rows() * seconds && age < self.rows()).then_some(age)
    }

    fn value(&self, age: i64) -> f64 {
        let row = (self.rows() - 1 - age) as usize;
        let place = row * self.file.sources.len() + self.source;
        self.archive.cells.get(place).copied().unwrap_or(UNKNOWN)
    }
}

/// Columns of the source that an origin names, in archives of averages and of the same function: file after file, of each
/// the finest first, of equal ones the longest.
fn candidates<'a>(wanted: &Archive, files: &'a [Image], origin: &Origin) -> Vec<Candidate<'a>> {
    let mut found = Vec::new();
    for (number, file) in (1..).zip(files) {
        let place = file
            .sources
            .iter()
            .position(|source| source.name == origin.name);
        let Some(source) = place.filter(|_| origin.file.is_none_or(|only| only == number)) else {
            continue;
        };
        let fitting = |archive: &&Archive| archive.cf == Cf::Average || archive.cf == wanted.cf;
        let own = found.len();
        found.extend(
            file.archives
                .iter()
                .filter(fitting)
                .map(|archive| Candidate {
                    file,
                    archive,
                    source,
                }),
        );
        found[own..].sort_by_key(|found| (found.archive.steps, Reverse(found.rows())));
    }
    found
}

/// Puts the archives of each file in the order in which they are asked.
fn sort_each_file(found: &mut [Candidate<'_>], target: &Image, wanted: &Archive) {
    let seconds = target.step.saturating_mul(wanted.steps) as i64;
    let order = |a: &Candidate<'_>, b: &Candidate<'_>| order(a, b, wanted.cf, seconds);
    for file in found.chunk_by_mut(|a, b| std::ptr::eq(a.file, b.file)) {
        quick_sort(file, &order);
    }
}

/// Below zero when `a` goes first. An exact match always does, whatever it is compared with.
fn order(a: &Candidate<'_>, b: &Candidate<'_>, cf: Cf, seconds: i64) -> i64 {
    if a.archive.cf == cf && a.seconds() == seconds {
        return -1;
    }
    if b.archive.cf == cf && b.seconds() == seconds {
        return 1;
    }
    if a.archive.cf != b.archive.cf {
        return if a.archive.cf == Cf::Average { -1 } else { 1 };
    }
    match a.seconds() - b.seconds() {
        0 => b.rows() - a.rows(),
        difference => difference,
    }
}

/// Sorts around the first element, step by step as rrdtool does: with such a comparison that matters.
fn quick_sort<T>(items: &mut [T], order: &impl Fn(&T, &T) -> i64) {
    let Some(last) = items.len().checked_sub(1).filter(|last| *last > 0) else {
        return;
    };
    let (mut left, mut right) = (1, last);
    while left < right {
        if order(&items[left], &items[0]) <= 0 {
            left += 1;
        } else if order(&items[right], &items[0]) >= 0 {
            right -= 1;
        } else {
            items.swap(left, right);
        }
    }
    let middle = if order(&items[left], &items[0]) <= 0 {
        items.swap(left, 0);
        left - 1
    } else {
        items.swap(left - 1, 0);
        left - 1
    };
    quick_sort(&mut items[..=middle], order);
    quick_sort(&mut items[right..], order);
}

fn fill_rows(target: &mut Image, archive: usize, source: usize, found: &[Candidate<'_>]) {
    let width = target.sources.len();
    let wanted = Candidate {
        file: target,
        archive: &target.archives[archive],
        source,
    };
    let values: Vec<Option<f64>> = (0..wanted.rows())
        .map(|row| {
            let age = wanted.rows() - 1 - row;
            row_value(&wanted, wanted.end() - age * wanted.seconds(), found)
        })
        .collect();
    let cells = &mut target.archives[archive].cells;
    for (row, value) in values.into_iter().enumerate() {
        if let Some(value) = value {
            cells[row * width + source] = value;
        }
    }
}

/// The value of the row that ends at `end`; `None` when too little of its time is covered.
fn row_value(wanted: &Candidate<'_>, end: i64, found: &[Candidate<'_>]) -> Option<f64> {
    let (cf, seconds) = (wanted.archive.cf, wanted.seconds());
    let start = end - seconds + 1;
    let mut coverage = Coverage::new(start, end);
    let (mut covered, mut value) = (0, UNKNOWN);
    for candidate in found {
        let (Some(first), Some(last)) = (candidate.age(start), candidate.age(end)) else {
            continue;
        };
        // rrdtool counts round the archive: as many rows as it has are none.
        let count = (first - last + 1) % candidate.rows();
        for age in (0..count).map(|number| first - number) {
            if covered >= seconds {
                break;
            }
            let part = candidate.value(age);
            if part.is_nan() {
                continue;
            }
            let part_end = candidate.end() - age * candidate.seconds();
            let new = coverage.add(part_end - candidate.seconds() + 1, part_end);
            if new > 0 {
                covered += new;
                value = joined(cf, value, part, seconds, new);
            }
        }
    }
    let xff = f64::from_bits(wanted.archive.parameters[0]);
    if covered <= (xff * seconds as f64) as i64 {
        return None;
    }
    Some(match cf {
        Cf::Average => value / covered as f64 * seconds as f64,
        Cf::Min
        | Cf::Max
        | Cf::Last
        | Cf::HwPredict
        | Cf::MhwPredict
        | Cf::Seasonal
        | Cf::DevSeasonal
        | Cf::DevPredict
        | Cf::Failures => value,
    })
}

/// The value of a row with one more part of its time, `new` of its `seconds`.
fn joined(cf: Cf, value: f64, part: f64, seconds: i64, new: i64) -> f64 {
    match cf {
        Cf::Min | Cf::Max | Cf::Last if value.is_nan() => part,
        Cf::Min => {
            if value < part {
                value
            } else {
                part
            }
        }
        Cf::Max => {
            if value > part {
                value
            } else {
                part
            }
        }
        Cf::Last => part,
        Cf::Average
        | Cf::HwPredict
        | Cf::MhwPredict
        | Cf::Seasonal
        | Cf::DevSeasonal
        | Cf::DevPredict
        | Cf::Failures => {
            let value = if value.is_nan() { 0.0 } else { value };
            value + part / seconds as f64 * new as f64
        }
    }
}

/// The state of the first file's source that was last updated in the same step, should the target have none yet.
fn last_input(
    target: &Image,
    source: usize,
    found: &[Candidate<'_>],
) -> Option<[u64; crate::layout::PDP_WORDS]> {
    let own = &target.sources[source];
    if !is_unknown(&own.state) {
        return None;
    }
    let step_end = |file: &Image| {
        let step = file.step as i64;
        file.last_update / step * step + step
    };
    let begin = step_end(target) - target.step as i64 + 1;
    let files = found.chunk_by(|a, b| std::ptr::eq(a.file, b.file));
    let mut sources = files.filter_map(|file| file.first());
    let fits = |candidate: &&Candidate<'_>| {
        let other = &candidate.file.sources[candidate.source];
        (begin..=step_end(target)).contains(&step_end(candidate.file))
            && !is_unknown(&other.state)
            && other.kind == own.kind
    };
    let candidate = sources.find(fits)?;
    Some(candidate.file.sources[candidate.source].state)
}

/// Whether the last input is the text `U`.
fn is_unknown(state: &[u64]) -> bool {
    state[0] as u16 == u16::from(b'U')
}

/// What an archive has gathered for its row in progress: that of a file which stood at the same step, or else what the
/// averages of the steps since the row before say.
fn gathered(
    target: &Image,
    archive: usize,
    source: usize,
    fine: usize,
    found: &[Candidate<'_>],
) -> [u64; CDP_WORDS] {
    let step = target.step as i64;
    let last = target.last_update;
    let own = &target.archives[archive];
    let alike = found.iter().find(|candidate| {
        let file = candidate.file;
        let fits = candidate.archive.cf == own.cf && candidate.archive.steps == own.steps;
        fits && file.step == target.step && last / step == file.last_update / step
    });
    if let Some(candidate) = alike {
        return candidate.archive.states[candidate.source];
    }
    let mut state = new_archive_state(last as u64, target.step, own.cf, own.steps);
    state[CDP_UNKNOWN] = 0;
    let fine = Candidate {
        file: target,
        archive: &target.archives[fine],
        source,
    };
    let value = |time: i64| fine.age(time).map(|age| fine.value(age));
    let seconds = step.saturating_mul(own.steps as i64);
    let begin = last / seconds * seconds + 1;
    if own.steps == 1 {
        state[CDP_PRIMARY] = value(begin - step).unwrap_or(0.0).to_bits();
        state[CDP_SECONDARY] = 0;
        return state;
    }
    let archive = header::Archive {
        cf: own.cf,
        xff: f64::from_bits(own.parameters[0]),
        steps: own.steps,
        rows: 1,
        offset: 0,
        parameters: own.parameters,
    };
    let mut time = begin - seconds;
    while time < begin + seconds - 1 && time < last {
        if let Some(value) = value(time) {
            let left = own.steps as i64 - time % seconds / step;
            if left == 1 {
                complete_row(&archive, &mut state, value, 1, 1);
            } else {
                continue_row(own.cf, &mut state, value, 1);
            }
        }
        time += step;
    }
    state
}
