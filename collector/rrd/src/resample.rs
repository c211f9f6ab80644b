//! The same history at another step and in other archives. A whole file in, a whole file out; each new row is made of the
//! best rows that the file has for its time: those as long as itself, else the finest, and coarser ones where the finest
//! do not reach. What nobody kept is unknown.

use crate::create::create;
use crate::definition::{Archive, Cf, Definition};
use crate::header::Header;
use crate::layout::{
    CDP_UNKNOWN, CDP_VALUE, LAST_INPUT, PDP_UNKNOWN, PDP_VALUE, PDP_WORDS, stored, word,
};
use crate::reshape::{Places, ReshapeError};

/// Whether a file with this `step` and these `archives` would have all that one with `header` has, and as fine. The file has
/// nothing from before `began`.
#[must_use]
pub fn loses_nothing(header: &Header, began: i64, step: u64, archives: &[Archive]) -> bool {
    let age = header.last_update().0.saturating_sub(began).max(0) as u64;
    header.step().is_multiple_of(step)
        && header.archives().iter().all(|old| {
            let length = header.step() * old.steps;
            archives.iter().any(|new| {
                let new_length = step * new.steps;
                serves(new.cf, new.steps, old.cf)
                    && length.is_multiple_of(new_length)
                    && new_length * new.rows >= (length * old.rows).min(age)
            })
        })
}

/// Whether an archive answers for a function: the least and the greatest of a single step are its average.
fn serves(cf: Cf, steps: u64, wanted: Cf) -> bool {
    cf == wanted || (steps == 1 && cf == Cf::Average && matches!(wanted, Cf::Min | Cf::Max))
}

/// A copy of `file` with another step and other archives.
///
/// # Errors
/// See [`ReshapeError`].
pub fn resample(file: &[u8], step: u64, archives: &[Archive]) -> Result<Vec<u8>, ReshapeError> {
    let header = Header::parse(file, file.len() as u64)?;
    let mut definition = header
        .independent_definition()
        .ok_or(ReshapeError::Unsupported)?;
    definition.step = step;
    definition.archives = archives.to_vec();
    let (mut new, places) = rows_until(file, &header, &definition)?;
    places.copy_time(&header, &mut new);
    Ok(new)
}

/// A copy of `file` as it was at `until`: what it has of later times is left out, its counters begin anew. For files into
/// which a clock that was wrong has written.
///
/// # Errors
/// See [`ReshapeError`].
pub fn rewind(file: &[u8], until: i64) -> Result<Vec<u8>, ReshapeError> {
    let header = Header::parse(file, file.len() as u64)?;
    let mut definition = header
        .independent_definition()
        .ok_or(ReshapeError::Unsupported)?;
    definition.start = until.min(definition.start);
    let (mut new, places) = rows_until(file, &header, &definition)?;
    for source in 0..header.sources().len() {
        let at = places.prepared(source);
        new[at..at + LAST_INPUT].fill(0);
        new[at] = b'U';
    }
    Ok(new)
}

/// A file as `definition` says, with what `file` has up to its start.
fn rows_until(
    file: &[u8],
    header: &Header,
    definition: &Definition,
) -> Result<(Vec<u8>, Places), ReshapeError> {
    let (step, archives) = (definition.step, &definition.archives);
    let mut new = create(definition)?;
    let old = Old {
        places: Places::of(header),
        last: header.last_update().0,
        until: definition.start,
        header,
        file,
    };
    let places = Places::of(&Header::parse(&new, new.len() as u64)?);
    for source in 0..header.sources().len() {
        old.resample_step(source, step, &places, &mut new);
        for (index, archive) in archives.iter().enumerate() {
            old.resample_rows(source, step, (index, archive), &places, &mut new);
            old.resample_open_row(source, step, (index, archive), &places, &mut new);
        }
    }
    Ok((new, places))
}

/// The file that is resampled.
struct Old<'f> {
    header: &'f Header,
    file: &'f [u8],
    places: Places,
    /// Its last update.
    last: i64,
    /// The new file's: what is later is left out.
    until: i64,
}

/// What is known of a source between two times.
#[derive(Clone, Copy, Debug)]
struct Known {
    seconds: f64,
    sum: f64,
    least: f64,
    greatest: f64,
}

impl Known {
    const NOTHING: Self = Self {
        seconds: 0.0,
        sum: 0.0,
        least: f64::INFINITY,
        greatest: f64::NEG_INFINITY,
    };

    fn add(&mut self, value: f64, seconds: i64) {
        if !value.is_nan() {
            self.seconds += seconds as f64;
            self.sum += value * seconds as f64;
            self.least = self.least.min(value);
            self.greatest = self.greatest.max(value);
        }
    }
}

impl Old<'_> {
    /// The archives that serve `cf`; those whose rows are `length` seconds long first, then the finest.
    fn serving(&self, cf: Cf, length: u64) -> Vec<usize> {
        let mut archives: Vec<usize> = (0..self.header.archives().len())
            .filter(|&index| {
                let archive = &self.header.archives()[index];
                serves(archive.cf, archive.steps, cf)
            })
            .collect();
        archives.sort_by_key(|&index| (self.length(index) != length, self.length(index)));
        archives
    }

    /// What `archives` know of (`from`, `to`].
    fn known(&self, source: usize, archives: &[usize], (from, to): (i64, i64)) -> Known {
        let mut known = Known::NOTHING;
        let open_from = from.max(self.header.last_step());
        if open_from < to {
            known.add(self.open_rate(source), to.min(self.last) - open_from);
        }
        self.gather(source, archives, (from, to.min(open_from)), &mut known);
        known
    }

    fn gather(&self, source: usize, archives: &[usize], (from, to): (i64, i64), known: &mut Known) {
        let (Some((&archive, others)), true) = (archives.split_first(), from < to) else {
            return;
        };
        let length = self.length(archive) as i64;
        let begin = (self.header.first(archive) - length).clamp(from, to);
        let end = (self.last - self.last % length).clamp(begin, to);
        let mut at = begin;
        while at < end {
            let row_end = at - at.rem_euclid(length) + length;
            let until = row_end.min(end);
            known.add(self.value(archive, source, row_end), until - at);
            at = until;
        }
        self.gather(source, others, (from, begin), known);
        self.gather(source, others, (end, to), known);
    }

    /// Seconds of a row.
    fn length(&self, archive: usize) -> u64 {
        self.header.step() * self.header.archives()[archive].steps
    }

    /// The value of the row that ends at `row_end`.
    fn value(&self, archive: usize, source: usize, row_end: i64) -> f64 {
        let length = self.length(archive) as i64;
        let rows = self.header.archives()[archive].rows;
        let newest = self.last - self.last % length;
        let back = ((newest - row_end) / length) as u64;
        let row = (self.header.current_row(archive) + rows - back) % rows;
        f64::from_bits(word(self.file, self.places.cell(archive, row, source)))
    }

    /// The rate in the step that is not complete.
    fn open_rate(&self, source: usize) -> f64 {
        let (unknown, value) = self.header.gathered(source);
        let seconds = self.last - self.header.last_step() - unknown as i64;
        if seconds > 0 {
            value / seconds as f64
        } else {
            f64::NAN
        }
    }

    /// The last input, and what was gathered in the step that is not complete.
    fn resample_step(&self, source: usize, step: u64, places: &Places, new: &mut [u8]) {
        let (from, to) = (self.places.prepared(source), places.prepared(source));
        if step == self.header.step() && self.until == self.last {
            new[to..to + 8 * PDP_WORDS].copy_from_slice(&self.file[from..from + 8 * PDP_WORDS]);
            return;
        }
        new[to..to + LAST_INPUT].copy_from_slice(&self.file[from..from + LAST_INPUT]);
        let began = self.until - self.until % step as i64;
        let serving = self.serving(Cf::Average, step);
        let known = self.known(source, &serving, (began, self.until));
        let unknown = (self.until - began) as u64 - known.seconds as u64;
        let nothing = unknown > 0 && known.seconds == 0.0;
        put(new, to + 8 * PDP_UNKNOWN, unknown);
        put(
            new,
            to + 8 * PDP_VALUE,
            stored(if nothing { f64::NAN } else { known.sum }),
        );
    }

    /// All rows, so that the newest is the last one in the file, as [`create`] expects it.
    fn resample_rows(
        &self,
        source: usize,
        step: u64,
        (index, archive): (usize, &Archive),
        places: &Places,
        new: &mut [u8],
    ) {
        let length = (step * archive.steps) as i64;
        let newest = self.until - self.until % length;
        let serving = self.serving(archive.cf, length as u64);
        for row in 0..archive.rows {
            let end = newest - (archive.rows - 1 - row) as i64 * length;
            let known = self.known(source, &serving, (end - length, end));
            let unknown = length as f64 - known.seconds;
            if known.seconds > 0.0 && unknown <= length as f64 * archive.xff {
                let value = match archive.cf {
                    Cf::Min => known.least,
                    Cf::Max => known.greatest,
                    _ => known.sum / known.seconds,
                };
                put(new, places.cell(index, row, source), stored(value));
            }
        }
    }

    /// What was gathered in the row that is not complete.
    fn resample_open_row(
        &self,
        source: usize,
        step: u64,
        (index, archive): (usize, &Archive),
        places: &Places,
        new: &mut [u8],
    ) {
        let length = (step * archive.steps) as i64;
        let (began, last_step) = (
            self.until - self.until % length,
            self.until - self.until % step as i64,
        );
        let steps = ((last_step - began) / step as i64) as u64;
        let known = self.known(source, &self.serving(archive.cf, step), (began, last_step));
        let known_steps = (known.seconds / step as f64).round() as u64;
        if steps == 0 || known_steps == 0 {
            return;
        }
        let value = match archive.cf {
            Cf::Min => known.least,
            Cf::Max => known.greatest,
            _ => known.sum / known.seconds * known_steps as f64,
        };
        let pair = places.pair(index, source);
        put(new, pair + 8 * CDP_VALUE, stored(value));
        put(
            new,
            pair + 8 * CDP_UNKNOWN,
            steps.saturating_sub(known_steps),
        );
    }
}

fn put(file: &mut [u8], at: usize, word: u64) {
    file[at..at + 8].copy_from_slice(&word.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::{Request, plan, slice};
    use crate::update::Input;
    use crate::writes::Writes;

    const START: i64 = 1_000_000_800;

    fn definition(step: u64, archives: &[&str]) -> Definition {
        let lines: Vec<&str> = std::iter::once("DS:a:GAUGE:600:U:U")
            .chain(archives.iter().copied())
            .collect();
        Definition::parse(step, START, &lines).unwrap()
    }

    /// A file that gets `value(time)` every step until `until` seconds after its start.
    fn filled(definition: &Definition, until: i64, value: impl Fn(i64) -> f64) -> Vec<u8> {
        let mut file = create(definition).unwrap();
        continued(&mut file, definition.step as i64, (0, until), value);
        file
    }

    fn continued(
        file: &mut [u8],
        every: i64,
        (from, until): (i64, i64),
        value: impl Fn(i64) -> f64,
    ) {
        let mut header = Header::parse(file, file.len() as u64).unwrap();
        let mut writes = Writes::new();
        let mut time = from + every;
        while time <= until {
            header
                .update(START + time, 0, &[Input::Number(value(time))], &mut writes)
                .unwrap();
            time += every;
        }
        header.live_write(&mut writes);
        writes.apply(file);
    }

    fn rows(file: &[u8], cf: Cf, resolution: u64, (from, to): (i64, i64)) -> Vec<Option<f64>> {
        let header = Header::parse(file, file.len() as u64).unwrap();
        let request = Request {
            cf,
            start: START + from,
            end: START + to - 1,
            resolution,
        };
        let plan = plan(&header, &request).unwrap();
        let fetched = plan
            .read(&header, |offset, into| slice(file, offset, into))
            .unwrap();
        assert_eq!(fetched.step, resolution);
        fetched
            .column(0)
            .map(|value| (!value.is_nan()).then_some(value))
            .collect()
    }

    const FINE: [&str; 4] = [
        "RRA:AVERAGE:0.5:1:60",
        "RRA:AVERAGE:0.5:5:60",
        "RRA:MIN:0.5:5:60",
        "RRA:MAX:0.5:5:60",
    ];

    #[test]
    fn a_finer_step_keeps_what_was_and_goes_on() {
        let before = filled(&definition(60, &FINE), 3570, |time| time as f64);
        let wider = definition(
            10,
            &[
                "RRA:AVERAGE:0.5:1:720",
                "RRA:AVERAGE:0.5:30:120",
                "RRA:MIN:0.5:30:120",
                "RRA:MAX:0.5:30:120",
            ],
        );
        assert!(loses_nothing(
            &Header::parse(&before, before.len() as u64).unwrap(),
            0,
            10,
            &wider.archives
        ));
        let mut after = resample(&before, 10, &wider.archives).unwrap();
        let minutes = rows(&before, Cf::Average, 60, (600, 1200));
        let tens = rows(&after, Cf::Average, 10, (600, 1200));
        let repeated: Vec<_> = minutes.iter().flat_map(|value| [*value; 6]).collect();
        assert_eq!(tens, repeated);
        for cf in [Cf::Average, Cf::Min, Cf::Max] {
            assert_eq!(
                rows(&after, cf, 300, (300, 3300)),
                rows(&before, cf, 300, (300, 3300)),
                "{cf:?}"
            );
        }
        continued(&mut after, 10, (3540, 4000), |_| 7.0);
        assert_eq!(rows(&after, Cf::Average, 10, (3600, 4000)), [Some(7.0); 40]);
    }

    #[test]
    fn longer_archives_of_the_same_step_continue_as_if_they_had_always_been_there() {
        let wave = |time: i64| (time % 840) as f64;
        let longer = definition(
            60,
            &[
                "RRA:AVERAGE:0.5:1:200",
                "RRA:AVERAGE:0.5:5:200",
                "RRA:MIN:0.5:5:200",
                "RRA:MAX:0.5:5:200",
            ],
        );
        let mut after = resample(
            &filled(&definition(60, &FINE), 3420, wave),
            60,
            &longer.archives,
        )
        .unwrap();
        continued(&mut after, 60, (3420, 7200), wave);
        let always = filled(&longer, 7200, wave);
        assert_eq!(
            rows(&after, Cf::Average, 60, (0, 7200)),
            rows(&always, Cf::Average, 60, (0, 7200))
        );
        for cf in [Cf::Average, Cf::Min, Cf::Max] {
            assert_eq!(
                rows(&after, cf, 300, (0, 7200)),
                rows(&always, cf, 300, (0, 7200)),
                "{cf:?}"
            );
        }
    }

    #[test]
    fn what_a_wrong_clock_wrote_is_taken_back() {
        let long = definition(60, &["RRA:AVERAGE:0.5:1:9000", "RRA:MAX:0.5:5:3000"]);
        let before = filled(&long, 3420, |time| time as f64);
        let mut ahead = before.clone();
        continued(&mut ahead, 86_400, (3420, 90_000), |_| 5.0);
        let mut back = rewind(&ahead, START + 3420).unwrap();
        let header = Header::parse(&back, back.len() as u64).unwrap();
        assert_eq!(header.last_update(), (START + 3420, 0));
        assert_eq!(header.last_input(0), b"U");
        for (cf, resolution, until) in [(Cf::Average, 60, 3420), (Cf::Max, 300, 3300)] {
            let (found, expected) = (
                rows(&back, cf, resolution, (0, until)),
                rows(&before, cf, resolution, (0, until)),
            );
            assert_eq!(found, expected);
        }
        continued(&mut back, 60, (3420, 3600), |_| 7.0);
        assert_eq!(rows(&back, Cf::Average, 60, (3420, 3600)), [Some(7.0); 3]);
    }

    #[test]
    fn a_coarser_step_is_the_mean_and_what_nobody_kept_is_unknown() {
        let before = filled(&definition(60, &FINE), 3600, |time| {
            if time <= 1800 { 1.0 } else { 3.0 }
        });
        let coarse = definition(1200, &["RRA:AVERAGE:0.5:1:10"]);
        assert!(!loses_nothing(
            &Header::parse(&before, before.len() as u64).unwrap(),
            0,
            1200,
            &coarse.archives
        ));
        let after = resample(&before, 1200, &coarse.archives).unwrap();
        assert_eq!(
            rows(&after, Cf::Average, 1200, (-2400, 3600)),
            [None, None, Some(1.0), Some(2.0), Some(3.0)]
        );
    }
}
