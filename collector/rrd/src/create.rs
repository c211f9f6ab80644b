//! A definition becomes the bytes of a new file. The same definition always gives the same bytes: where rrdtool draws a
//! random first row, every archive here starts so that the first row written is row 0.

use crate::definition::{Archive, Cf, DataSource, Definition, DefinitionError, Origin};
use crate::header::HeaderError;
use crate::image::Image;
use crate::layout::{self, UNKNOWN_BITS};
use crate::prefill::prefill;

/// Larger files are refused.
pub const FILE_SIZE_MAX: u64 = 1 << 30;

/// The whole new file.
///
/// # Errors
/// What [`Definition::check`] says, or [`DefinitionError::TooLarge`].
pub fn create(definition: &Definition) -> Result<Vec<u8>, DefinitionError> {
    definition.check()?;
    let size = file_size(definition).ok_or(DefinitionError::TooLarge)?;
    let mut file = Vec::with_capacity(size);
    stat_head(definition, &mut file);
    for source in &definition.sources {
        source_definition(source, &mut file);
    }
    for archive in &definition.archives {
        archive_definition(archive, &mut file);
    }
    live_part(definition, &mut file);
    let cells = (size - file.len()) / 8;
    file.extend(std::iter::repeat_n(UNKNOWN_BITS.to_le_bytes(), cells).flatten());
    Ok(file)
}

/// The whole new file with the history of other whole files in it, as far as it is theirs: `origins` has for each data
/// source where it is taken from.
///
/// # Errors
/// As [`create`], and when one of `files` is none that we can read.
pub fn create_from(
    definition: &Definition,
    files: &[&[u8]],
    origins: &[Origin],
) -> Result<Vec<u8>, CreateError> {
    let mut image = Image::parse(&create(definition)?)?;
    let files = files.iter().map(|file| Image::parse(file));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    prefill(&mut image, &files, origins)?;
    Ok(image.bytes().ok_or(DefinitionError::TooLarge)?)
}

/// Why no file can be made from others.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CreateError {
    /// The definition is none.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// One of the files is none.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

/// `None` when beyond [`FILE_SIZE_MAX`].
fn file_size(definition: &Definition) -> Option<usize> {
    let (sources, archives) = (definition.sources.len(), definition.archives.len());
    let cells: u128 = definition
        .archives
        .iter()
        .map(|archive| u128::from(archive.rows) * sources as u128)
        .sum();
    let size = header_size(sources, archives)? as u128 + 8 * cells;
    (size <= u128::from(FILE_SIZE_MAX)).then_some(size as usize)
}

fn header_size(sources: usize, archives: usize) -> Option<usize> {
    let pairs = sources.checked_mul(archives)?;
    (pairs <= FILE_SIZE_MAX as usize / 80)
        .then(|| layout::live_offset(sources, archives) + layout::live_len(3, sources, archives))
}

fn stat_head(definition: &Definition, file: &mut Vec<u8>) {
    file.extend(layout::COOKIE);
    file.extend(format!("{:04}", definition.version).bytes());
    file.resize(layout::AT_FLOAT_COOKIE, 0);
    file.extend(layout::FLOAT_COOKIE.to_le_bytes());
    words(
        file,
        &[
            definition.sources.len() as u64,
            definition.archives.len() as u64,
            definition.step,
        ],
    );
    file.resize(layout::STAT_HEAD, 0);
}

fn source_definition(source: &DataSource, file: &mut Vec<u8>) {
    let end = file.len() + layout::SOURCE_DEF;
    name(file, &source.name);
    name(file, source.kind.name());
    match source.formula {
        Some(formula) => words(file, &formula.to_words()),
        None => words(
            file,
            &[source.heartbeat, source.min.to_bits(), source.max.to_bits()],
        ),
    }
    file.resize(end, 0);
}

fn archive_definition(archive: &Archive, file: &mut Vec<u8>) {
    let end = file.len() + layout::ARCHIVE_DEF;
    name(file, archive.cf.name());
    file.extend([0; 4]);
    words(file, &[archive.rows, archive.steps]);
    words(file, &archive.parameters());
    file.resize(end, 0);
}

fn live_part(definition: &Definition, file: &mut Vec<u8>) {
    let (start, step) = (definition.start as u64, definition.step);
    words(file, &[start, 0]);
    for _ in &definition.sources {
        words(file, &new_source_state(start, step));
    }
    for archive in &definition.archives {
        for _ in &definition.sources {
            words(
                file,
                &new_archive_state(start, step, archive.cf, archive.steps),
            );
        }
    }
    for archive in &definition.archives {
        words(file, &[archive.rows - 1]);
    }
}

/// A data source that has seen nothing since its step began.
pub(crate) fn new_source_state(last_update: u64, step: u64) -> [u64; layout::PDP_WORDS] {
    let mut state = [0; layout::PDP_WORDS];
    state[0] = u64::from(b'U');
    state[layout::PDP_UNKNOWN] = last_update % step;
    state[layout::PDP_VALUE] = UNKNOWN_BITS;
    state
}

/// A (archive, source) whose steps since the row began are unknown, or that has learned nothing yet.
pub(crate) fn new_archive_state(
    last_update: u64,
    step: u64,
    cf: Cf,
    steps: u64,
) -> [u64; layout::CDP_WORDS] {
    let mut state = [0; layout::CDP_WORDS];
    match cf {
        Cf::Average | Cf::Min | Cf::Max | Cf::Last | Cf::DevPredict => {
            state[layout::CDP_VALUE] = UNKNOWN_BITS;
            state[layout::CDP_UNKNOWN] = (last_update - last_update % step) % (step * steps) / step;
        }
        Cf::HwPredict | Cf::MhwPredict => {
            state[layout::INTERCEPT..=layout::SLOPE_BEFORE].fill(UNKNOWN_BITS);
            state[layout::UNKNOWN_STEPS] = 1;
            state[layout::UNKNOWN_STEPS_BEFORE] = 1;
        }
        Cf::Seasonal | Cf::DevSeasonal => {
            state[layout::SEASON] = UNKNOWN_BITS;
            state[layout::SEASON_BEFORE] = UNKNOWN_BITS;
            state[layout::CYCLES] = 1;
        }
        Cf::Failures => {}
    }
    state
}

fn name(file: &mut Vec<u8>, text: &str) {
    let end = file.len() + layout::NAME;
    file.extend(text.bytes().take(layout::NAME - 1));
    file.resize(end, 0);
}

fn words(file: &mut Vec<u8>, words: &[u64]) {
    file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn munin(sources: usize) -> Definition {
        let names: Vec<String> = (0..sources)
            .map(|index| format!("DS:f{index}:GAUGE:600:U:U"))
            .collect();
        let mut lines: Vec<&str> = names.iter().map(String::as_str).collect();
        let archives = ["1:576", "6:432", "24:540", "288:450"]
            .iter()
            .flat_map(|size| ["AVERAGE", "MIN", "MAX"].map(|cf| format!("RRA:{cf}:0.5:{size}")))
            .collect::<Vec<_>>();
        lines.extend(archives.iter().map(String::as_str));
        Definition::parse(300, 1_000_000_000, &lines).unwrap()
    }

    #[test]
    fn munins_files_have_their_known_sizes() {
        assert_eq!(create(&munin(1)).unwrap().len(), 50_824);
        assert_eq!(create(&munin(10)).unwrap().len(), 493_120);
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused_before_it_is_built() {
        let lines = ["DS:a:GAUGE:600:U:U", "RRA:LAST:0:1:200000000"];
        let definition = Definition::parse(1, 1_000_000_000, &lines).unwrap();
        assert_eq!(create(&definition), Err(DefinitionError::TooLarge));
    }
}
