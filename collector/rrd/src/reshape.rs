//! The same history with other data sources: one that appears, or whose kind or limits change. A whole file in, a whole
//! file out; rows of sources that stay are the same bits.

use crate::create::create;
use crate::definition::{DataSource, DefinitionError};
use crate::header::{Header, HeaderError};
use crate::layout::{ARCHIVE_DEF, CDP_WORDS, PDP_WORDS, SOURCE_DEF, STAT_HEAD, live_head_len};

/// Why a file cannot be given other data sources.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReshapeError {
    /// The file is none that we can read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The new sources are not what a file can have.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// Computed sources refer to others by number, and forecasts learn from rows that a new source does not have.
    #[error("the file has computed sources or forecasting archives, which cannot be reshaped")]
    Unsupported,
}

/// A copy of `file` whose data sources are `sources`, in that order. A source that the file has under the same name keeps
/// its rows, and while its kind is the same its last input; another one is unknown until its first update.
///
/// # Errors
/// See [`ReshapeError`].
pub fn reshape(file: &[u8], sources: &[DataSource]) -> Result<Vec<u8>, ReshapeError> {
    let header = Header::parse(file, file.len() as u64)?;
    let mut definition = header
        .independent_definition()
        .ok_or(ReshapeError::Unsupported)?;
    let old = std::mem::replace(&mut definition.sources, sources.to_vec());
    definition.start = header.last_update().0;
    let mut reshaped = create(&definition)?;

    let from = Places::of(&header);
    let to = Places::of(&Header::parse(&reshaped, reshaped.len() as u64)?);
    to.copy_time(&header, &mut reshaped);
    for (target, source) in sources.iter().enumerate() {
        let Some(origin) = old.iter().position(|kept| kept.name == source.name) else {
            continue;
        };
        if old[origin].kind == source.kind {
            copy(
                file,
                from.prepared(origin),
                &mut reshaped,
                to.prepared(target),
                8 * PDP_WORDS,
            );
        }
        for archive in 0..header.archives().len() {
            let (old_pair, new_pair) = (from.pair(archive, origin), to.pair(archive, target));
            copy(file, old_pair, &mut reshaped, new_pair, 8 * CDP_WORDS);
            for row in 0..header.archives()[archive].rows {
                let (old_cell, new_cell) = (
                    from.cell(archive, row, origin),
                    to.cell(archive, row, target),
                );
                copy(file, old_cell, &mut reshaped, new_cell, 8);
            }
        }
    }
    for archive in 0..header.archives().len() {
        copy(
            file,
            from.current_row(archive),
            &mut reshaped,
            to.current_row(archive),
            8,
        );
    }
    Ok(reshaped)
}

fn copy(from: &[u8], old: usize, to: &mut [u8], new: usize, len: usize) {
    to[new..new + len].copy_from_slice(&from[old..old + len]);
}

/// Where things are in a file.
pub(crate) struct Places {
    sources: usize,
    archives: usize,
    live: usize,
    live_head: usize,
    rows_at: Vec<usize>,
}

impl Places {
    pub(crate) fn of(header: &Header) -> Self {
        let (sources, archives) = (header.sources().len(), header.archives().len());
        Self {
            sources,
            archives,
            live: STAT_HEAD + SOURCE_DEF * sources + ARCHIVE_DEF * archives,
            live_head: live_head_len(header.version()),
            rows_at: header
                .archives()
                .iter()
                .map(|archive| archive.offset as usize)
                .collect(),
        }
    }

    /// `self` is of version 3 or later, as created files are.
    pub(crate) fn copy_time(&self, header: &Header, file: &mut [u8]) {
        let (seconds, micros) = header.last_update();
        file[self.live..self.live + 8].copy_from_slice(&seconds.to_le_bytes());
        file[self.live + 8..self.live + 16].copy_from_slice(&u64::from(micros).to_le_bytes());
    }

    pub(crate) fn prepared(&self, source: usize) -> usize {
        self.live + self.live_head + 8 * PDP_WORDS * source
    }

    pub(crate) fn pair(&self, archive: usize, source: usize) -> usize {
        self.prepared(self.sources) + 8 * CDP_WORDS * (archive * self.sources + source)
    }

    fn current_row(&self, archive: usize) -> usize {
        self.pair(self.archives, 0) + 8 * archive
    }

    pub(crate) fn cell(&self, archive: usize, row: u64, source: usize) -> usize {
        self.rows_at[archive] + 8 * (row as usize * self.sources + source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Cf, Definition};
    use crate::fetch::{Request, plan, slice};
    use crate::update::Input;
    use crate::writes::Writes;

    const START: i64 = 1_000_000_200;

    fn file(lines: &[&str]) -> Vec<u8> {
        create(&Definition::parse(60, START, lines).unwrap()).unwrap()
    }

    fn update(file: &mut [u8], minutes: std::ops::Range<i64>, values: &[f64]) {
        let mut header = Header::parse(file, file.len() as u64).unwrap();
        let mut writes = Writes::new();
        for minute in minutes {
            let inputs: Vec<Input<'_>> = values.iter().map(|value| Input::Number(*value)).collect();
            header
                .update(START + 60 * minute, 0, &inputs, &mut writes)
                .unwrap();
        }
        header.live_write(&mut writes);
        writes.apply(file);
    }

    fn column(file: &[u8], name: &str) -> Vec<Option<f64>> {
        let header = Header::parse(file, file.len() as u64).unwrap();
        let end = header.last_update().0 - 1;
        let request = Request {
            cf: Cf::Average,
            start: START,
            end,
            resolution: 60,
        };
        let plan = plan(&header, &request).unwrap();
        let fetched = plan
            .read(&header, |offset, into| slice(file, offset, into))
            .unwrap();
        let index = fetched.names.iter().position(|have| have == name).unwrap();
        fetched
            .column(index)
            .map(|value| (!value.is_nan()).then_some(value))
            .collect()
    }

    const ARCHIVES: [&str; 2] = ["RRA:AVERAGE:0.5:1:10", "RRA:MAX:0.5:5:10"];

    #[test]
    fn a_new_source_leaves_the_others_as_they_were() {
        let mut before = file(&[
            "DS:a:GAUGE:120:U:U",
            "DS:b:GAUGE:120:U:U",
            ARCHIVES[0],
            ARCHIVES[1],
        ]);
        update(&mut before, 1..8, &[1.0, 2.0]);
        let wanted = Definition::parse(
            60,
            START,
            &[
                "DS:new:GAUGE:120:U:U",
                "DS:b:GAUGE:120:U:9",
                "DS:a:GAUGE:120:U:U",
                ARCHIVES[0],
            ],
        );
        let mut after = reshape(&before, &wanted.unwrap().sources).unwrap();
        assert_eq!(column(&after, "a"), column(&before, "a"));
        assert!(column(&after, "new").iter().all(Option::is_none));

        update(&mut before, 8..12, &[1.0, 2.0]);
        update(&mut after, 8..12, &[5.0, 2.0, 1.0]);
        assert_eq!(column(&after, "a"), column(&before, "a"));
        assert_eq!(column(&after, "b"), column(&before, "b"));
        assert_eq!(column(&after, "new")[7..], [Some(5.0); 4]);
    }

    #[test]
    fn the_same_sources_give_the_same_bytes() {
        let mut before = file(&["DS:a:GAUGE:120:U:U", ARCHIVES[0], ARCHIVES[1]]);
        update(&mut before, 1..25, &[1.5]);
        let sources = Header::parse(&before, before.len() as u64)
            .unwrap()
            .definition()
            .unwrap()
            .sources;
        assert_eq!(reshape(&before, &sources).unwrap(), before);
    }
}
