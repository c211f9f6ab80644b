//! A whole file taken apart, for the commands that put files together anew: every part a value, the rows of each archive in
//! order of time. [`Image::parse`] and [`Image::bytes`] are each other's inverse, except that a file of version 0001 becomes
//! one of version 0003.

use crate::UNKNOWN;
use crate::create::FILE_SIZE_MAX;
use crate::definition::{Cf, Kind};
use crate::header::{Header, HeaderError};
use crate::layout::{self, CDP_WORDS, PDP_WORDS};

/// A file's parts.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// 3, 4 or 5.
    pub(crate) version: u8,
    /// Seconds of a step.
    pub(crate) step: u64,
    /// UTC seconds of the last update.
    pub(crate) last_update: i64,
    /// And its microseconds.
    pub(crate) microseconds: u32,
    pub(crate) sources: Vec<Source>,
    pub(crate) archives: Vec<Archive>,
}

/// A data source: its definition and what it gathered.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// At most 19 bytes of text.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Heartbeat, minimum and maximum, or a formula.
    pub(crate) parameters: [u64; 10],
    pub(crate) state: [u64; PDP_WORDS],
}

/// An archive: its definition, its state for each source, its rows.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    pub(crate) cf: Cf,
    /// Steps per row.
    pub(crate) steps: u64,
    pub(crate) parameters: [u64; 10],
    /// One for each source.
    pub(crate) states: Vec<[u64; CDP_WORDS]>,
    /// Row after row, the oldest first, a value for each source.
    pub(crate) cells: Vec<f64>,
    /// The row of the file in which the newest is.
    pub(crate) current_row: usize,
}

impl Archive {
    /// How many rows it has in a file of so many sources.
    pub(crate) fn rows(&self, sources: usize) -> usize {
        self.cells.len() / sources.max(1)
    }

    /// Puts the newest row at the end of the archive's part of the file.
    pub(crate) fn unroll(&mut self, sources: usize) {
        self.current_row = self.rows(sources).saturating_sub(1);
    }
}

impl Image {
    /// Takes a whole file apart.
    ///
    /// # Errors
    /// See [`Header::parse`].
    pub(crate) fn parse(file: &[u8]) -> Result<Self, HeaderError> {
        let header = Header::parse(file, file.len() as u64)?;
        let (last_update, microseconds) = header.last_update();
        let states = |at: usize, words: usize| header.live[at..].chunks_exact(words);
        let sources = header
            .sources()
            .iter()
            .zip(states(header.source_at(0), PDP_WORDS));
        let pairs_of_archive = CDP_WORDS * header.sources().len();
        let pairs = states(header.pairs_at(), pairs_of_archive);
        let archives = header.archives().iter().zip(pairs).enumerate();
        Ok(Self {
            version: header.version().max(3),
            step: header.step(),
            last_update,
            microseconds,
            sources: sources
                .map(|(source, state)| Source {
                    name: source.name().to_owned(),
                    kind: source.kind,
                    parameters: source.parameters,
                    state: array(state),
                })
                .collect(),
            archives: archives
                .map(|(index, (archive, pairs))| Archive {
                    cf: archive.cf,
                    steps: archive.steps,
                    parameters: archive.parameters,
                    states: pairs.chunks_exact(CDP_WORDS).map(array).collect(),
                    cells: header.cells(index, file).collect(),
                    current_row: header.current_row(index) as usize,
                })
                .collect(),
        })
    }

    /// The bytes of the file; `None` when they would be more than [`FILE_SIZE_MAX`].
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        let mut file = Vec::with_capacity(self.size()?);
        self.definitions(&mut file);
        words(
            &mut file,
            &[self.last_update as u64, u64::from(self.microseconds)],
        );
        for source in &self.sources {
            words(&mut file, &source.state);
        }
        for state in self.archives.iter().flat_map(|archive| &archive.states) {
            words(&mut file, state);
        }
        for archive in &self.archives {
            words(&mut file, &[archive.current_row as u64]);
        }
        for archive in &self.archives {
            let newest_last = archive.cells.len();
            let behind = (archive.current_row + 1) * self.sources.len();
            let (older, newer) = archive.cells.split_at(newest_last.saturating_sub(behind));
            for cell in newer.iter().chain(older) {
                file.extend(cell.to_bits().to_le_bytes());
            }
        }
        Some(file)
    }

    /// The part before the live part: what the file is made of.
    pub(crate) fn definitions(&self, file: &mut Vec<u8>) {
        file.extend(layout::COOKIE);
        file.extend(format!("{:04}", self.version).bytes());
        file.resize(layout::AT_FLOAT_COOKIE, 0);
        file.extend(layout::FLOAT_COOKIE.to_le_bytes());
        let counts = [
            self.sources.len() as u64,
            self.archives.len() as u64,
            self.step,
        ];
        words(file, &counts);
        file.resize(layout::STAT_HEAD, 0);
        for source in &self.sources {
            name(file, &source.name);
            name(file, source.kind.name());
            words(file, &source.parameters);
        }
        for archive in &self.archives {
            name(file, archive.cf.name());
            let rows = archive.rows(self.sources.len()) as u64;
            file.extend([0; 4]);
            words(file, &[rows, archive.steps]);
            words(file, &archive.parameters);
        }
    }

    fn size(&self) -> Option<usize> {
        let (sources, archives) = (self.sources.len(), self.archives.len());
        let cells: usize = self
            .archives
            .iter()
            .map(|archive| archive.cells.len())
            .sum();
        let pairs = sources.checked_mul(archives)?;
        let size = (layout::live_offset(sources, archives) as u64)
            .checked_add(16 + 8 * (PDP_WORDS * sources + archives) as u64)?
            .checked_add((pairs as u64).checked_mul(8 * CDP_WORDS as u64)?)?
            .checked_add((cells as u64).checked_mul(8)?)?;
        (size <= FILE_SIZE_MAX).then_some(size as usize)
    }
}

/// The first words of a slice that has at least so many.
fn array<const N: usize>(words: &[u64]) -> [u64; N] {
    std::array::from_fn(|index| words.get(index).copied().unwrap_or_default())
}

fn name(file: &mut Vec<u8>, text: &str) {
    let end = file.len() + layout::NAME;
    file.extend(text.bytes().take(layout::NAME - 1));
    file.resize(end, 0);
}

fn words(file: &mut Vec<u8>, words: &[u64]) {
    file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

impl Header {
    /// The values of an archive in order of time, from a whole `file` in memory; unknown where it is too short for them.
    pub(crate) fn cells<'a>(
        &self,
        index: usize,
        file: &'a [u8],
    ) -> impl Iterator<Item = f64> + use<'a> {
        let archive = &self.archives[index];
        let width = self.sources.len() as u64;
        let (cells, offset) = (archive.rows * width, archive.offset);
        let oldest = (self.current_row(index) + 1) % archive.rows * width;
        (0..cells).map(move |number| {
            let at = (offset + (oldest + number) % cells * 8) as usize;
            file.get(at..at + 8)
                .map_or(UNKNOWN, |eight| f64::from_bits(layout::word(eight, 0)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_taken_apart_and_put_together_is_the_same() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        for name in ["kinds", "compute", "forecast"] {
            let file = std::fs::read(folder.join(format!("{name}.after.rrd"))).unwrap();
            assert!(Image::parse(&file).unwrap().bytes() == Some(file), "{name}");
        }
    }

    #[test]
    fn version_1_becomes_version_3() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let file = std::fs::read(folder.join("version1.after.rrd")).unwrap();
        let newer = Image::parse(&file).unwrap().bytes().unwrap();
        assert_eq!(newer.len(), file.len() + 8);
        assert!(Image::parse(&newer).unwrap().bytes() == Some(newer));
    }
}
