//! A file's header in memory: what the file is made of, and the live part that an update changes. Bytes in, a checked
//! [`Header`] out; nothing behind [`Header::parse`] needs to doubt a number. How it moves forward is in [`crate::update`].
//!
//! Memory: the live part (10.8 KB for 10 sources and 12 archives) plus about 100 bytes a source or archive, never more
//! than a small multiple of the file's own header.

use crate::UNKNOWN;
use crate::definition::{self, Cf, Definition, Forecast, Kind, SPAN_MAX, STEP_MAX};
use crate::foreign::{self, Machine};
use crate::formula::Formula;
use crate::holt_winters::Forecaster;
use crate::layout::{self, CDP_WORDS, PDP_WORDS};
use crate::rpn::Program;
use crate::update::LastInput;
use crate::writes::Writes;

/// Why a file with forecasts cannot be updated before [`Header::load_seasons`].
const NOT_LOADED: &str = "forecasting (Holt-Winters) archives whose seasons were not read";

/// Times beyond are refused, so that no arithmetic on times can overflow.
pub const TIME_MAX: i64 = 1 << 56;

/// The header of one file.
#[derive(Clone, Debug)]
pub struct Header {
    pub(crate) version: u8,
    pub(crate) step: u64,
    pub(crate) sources: Vec<Source>,
    pub(crate) archives: Vec<Archive>,
    /// Words of the live part: head, sources, (archive, source) pairs, current rows.
    pub(crate) live: Vec<u64>,
    /// Each source's last input, where it is not the text in `live`.
    pub(crate) last: Vec<LastInput>,
    /// Room for an update: what each source gained, what is left of it behind an open step, the rates of the steps.
    pub(crate) gains: Vec<f64>,
    pub(crate) rest: Vec<f64>,
    pub(crate) rates: Vec<f64>,
    /// The sources that take an input, and those that are calculated from the ones before them.
    pub(crate) takers: Vec<usize>,
    pub(crate) calculations: Vec<Calculation>,
    /// For files with forecasting archives.
    pub(crate) forecaster: Option<Box<Forecaster>>,
    /// The present, for formulas that ask.
    pub(crate) now: Option<i64>,
    /// What the file has that cannot be updated.
    pub(crate) refusal: Option<&'static str>,
    file_len: u64,
}

/// What a COMPUTE source calculates.
#[derive(Clone, Debug)]
pub(crate) struct Calculation {
    pub(crate) source: usize,
    /// Its variables are the numbers of sources before it. `None` when nobody can calculate it.
    pub(crate) program: Option<Program>,
}

/// One data source.
#[derive(Clone, Debug)]
pub struct Source {
    name: Name,
    /// How inputs become rates.
    pub kind: Kind,
    /// Seconds between two inputs beyond which the time between is unknown.
    pub heartbeat: u64,
    /// Rates below are unknown; NaN for no limit.
    pub min: f64,
    /// Rates above are unknown; NaN for no limit.
    pub max: f64,
    /// The ten parameters as stored; a COMPUTE source has its formula in them.
    pub parameters: [u64; 10],
}

impl Source {
    fn definition(&self) -> definition::DataSource {
        let name = self.name().to_owned();
        if self.kind == Kind::Compute {
            return definition::DataSource {
                name,
                kind: self.kind,
                heartbeat: 0,
                min: UNKNOWN,
                max: UNKNOWN,
                formula: Some(Formula::from_words(self.parameters)),
            };
        }
        definition::DataSource::input(name, self.kind, self.heartbeat, self.min, self.max)
    }

    /// The name, 1 to 19 characters.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.text()
    }

    /// Whether it is what `definition` says.
    #[must_use]
    pub fn is(&self, definition: &definition::DataSource) -> bool {
        self.kind == definition.kind
            && self.kind != Kind::Compute
            && self.heartbeat == definition.heartbeat
            && self.min.to_bits() == definition.min.to_bits()
            && self.max.to_bits() == definition.max.to_bits()
            && self.name() == definition.name
    }
}

/// One archive.
#[derive(Clone, Debug)]
pub struct Archive {
    /// How the steps of a row become one number.
    pub cf: Cf,
    /// The part of a row's steps that may be unknown with the row still known; only for plain functions.
    pub xff: f64,
    /// Steps per row.
    pub steps: u64,
    /// Rows.
    pub rows: u64,
    /// Offset of row 0 in the file.
    pub offset: u64,
    /// The ten parameters as stored.
    pub parameters: [u64; 10],
}

/// Text of up to 19 printable ASCII characters in 20 bytes.
#[derive(Clone, Copy, Debug)]
struct Name([u8; layout::NAME]);

impl Name {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; layout::NAME] = bytes.try_into().ok()?;
        let len = bytes.iter().position(|&byte| byte == 0)?;
        (len > 0 && bytes[..len].iter().all(|&byte| matches!(byte, b' '..=b'~')))
            .then_some(Self(bytes))
    }

    fn text(&self) -> &str {
        let len = self
            .0
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..len]).unwrap_or_default()
    }
}

/// Why bytes are not the header of a file that we can read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HeaderError {
    /// Another kind of file.
    #[error("not an RRD file")]
    NotRrd,
    /// Written on another kind of machine.
    #[error(
        "this RRD was created on another architecture, it seems on {0}: make XML of it there (rrdtool dump) and a file of \
         that here (restore)"
    )]
    Architecture(Machine),
    /// A version that is not 0001, 0003, 0004 or 0005.
    #[error("cannot handle RRD file version {0:?}")]
    Version(String),
    /// Fewer bytes than the header or the file needs.
    #[error("the {what} is too small: expected {expected} bytes, found {found}")]
    TooSmall {
        /// `header` or `file`.
        what: &'static str,
        /// Bytes needed.
        expected: u128,
        /// Bytes there.
        found: u64,
    },
    /// A number that no file of rrdtool's can have.
    #[error("{what} is out of range: {found}")]
    Range {
        /// Which.
        what: &'static str,
        /// Its value.
        found: u64,
    },
    /// A name that is not 1 to 19 printable characters.
    #[error("the name of {what} {index} is not text of 1 to 19 characters")]
    Name {
        /// `data source` or `archive`.
        what: &'static str,
        /// Its number from 0.
        index: usize,
    },
    /// An unknown data source kind or consolidation function.
    #[error("{0}")]
    Word(#[from] definition::DefinitionError),
}

/// The counts in the first [`layout::STAT_HEAD`] bytes, and the lengths that follow from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    version: u8,
    sources: usize,
    archives: usize,
    step: u64,
    /// Bytes of the whole header: what [`Header::parse`] needs to be given.
    pub header_len: usize,
}

impl Outline {
    /// Reads the start of a file of `file_len` bytes.
    ///
    /// # Errors
    /// See [`HeaderError`]; in particular when the header would be longer than the file.
    pub fn parse(start: &[u8], file_len: u64) -> Result<Self, HeaderError> {
        if !start.starts_with(layout::COOKIE) {
            return Err(HeaderError::NotRrd);
        }
        if start.len() < layout::STAT_HEAD {
            return Err(too_small(
                "header",
                layout::STAT_HEAD as u128,
                start.len() as u64,
            ));
        }
        if let Some(machine) = foreign::machine(start) {
            return Err(HeaderError::Architecture(machine));
        }
        let version = version(&start[layout::AT_VERSION..layout::AT_VERSION + 5])?;
        let sources = layout::word(start, layout::AT_SOURCES);
        let archives = layout::word(start, layout::AT_ARCHIVES);
        let step = layout::word(start, layout::AT_STEP);
        within("step", step, 1, STEP_MAX)?;
        let header_len = header_len(version, sources, archives, file_len)?;
        Ok(Self {
            version,
            sources: sources as usize,
            archives: archives as usize,
            step,
            header_len,
        })
    }
}

fn version(text: &[u8]) -> Result<u8, HeaderError> {
    match text {
        b"0001\0" => Ok(1),
        b"0003\0" => Ok(3),
        b"0004\0" => Ok(4),
        b"0005\0" => Ok(5),
        _ => Err(HeaderError::Version(
            String::from_utf8_lossy(text)
                .trim_end_matches('\0')
                .to_owned(),
        )),
    }
}

/// The length for counts that may be anything; it fits the file, so all sums of it fit a usize.
fn header_len(
    version: u8,
    sources: u64,
    archives: u64,
    file_len: u64,
) -> Result<usize, HeaderError> {
    within("number of data sources", sources, 1, file_len)?;
    within("number of archives", archives, 1, file_len)?;
    let (d, r) = (u128::from(sources), u128::from(archives));
    let fixed = (layout::STAT_HEAD + layout::live_head_len(version)) as u128;
    let len = fixed + d * (120 + 8 * PDP_WORDS as u128) + r * 128 + r * d * 8 * CDP_WORDS as u128;
    if len > u128::from(file_len) {
        return Err(too_small("file", len, file_len));
    }
    usize::try_from(len).map_err(|_| too_small("file", len, file_len))
}

fn too_small(what: &'static str, expected: u128, found: u64) -> HeaderError {
    HeaderError::TooSmall {
        what,
        expected,
        found,
    }
}

fn within(what: &'static str, found: u64, min: u64, max: u64) -> Result<(), HeaderError> {
    if (min..=max).contains(&found) {
        Ok(())
    } else {
        Err(HeaderError::Range { what, found })
    }
}

impl Header {
    /// Reads and checks a header. `bytes` begin at the start of a file of `file_len` bytes and reach at least to the end
    /// of the header ([`Outline::header_len`]; the whole file will do).
    ///
    /// # Errors
    /// The first thing that is wrong. A file longer than needed is fine, as it is to rrdtool.
    pub fn parse(bytes: &[u8], file_len: u64) -> Result<Self, HeaderError> {
        let outline = Outline::parse(bytes, file_len)?;
        let header = bytes
            .get(..outline.header_len)
            .ok_or_else(|| too_small("header", outline.header_len as u128, bytes.len() as u64))?;
        let (sources, rest) =
            header[layout::STAT_HEAD..].split_at(outline.sources * layout::SOURCE_DEF);
        let (archives, live) = rest.split_at(outline.archives * layout::ARCHIVE_DEF);
        let sources = sources
            .chunks_exact(layout::SOURCE_DEF)
            .enumerate()
            .map(|(index, bytes)| source(bytes, index))
            .collect::<Result<Vec<_>, _>>()?;
        let archives = archives_of(archives, &outline, file_len)?;
        let mut header = Self {
            version: outline.version,
            step: outline.step,
            live: live
                .chunks_exact(8)
                .map(|eight| layout::word(eight, 0))
                .collect(),
            last: vec![LastInput::Text; sources.len()],
            gains: vec![0.0; sources.len()],
            rest: vec![0.0; sources.len()],
            rates: vec![0.0; sources.len()],
            takers: (0..sources.len())
                .filter(|&index| sources[index].kind != Kind::Compute)
                .collect(),
            calculations: Vec::new(),
            forecaster: None,
            now: None,
            refusal: None,
            sources,
            archives,
            file_len,
        };
        header.check_live()?;
        header.prepare_updates();
        Ok(header)
    }

    /// Reads the formulas, and finds out whether the file can be updated.
    fn prepare_updates(&mut self) {
        for (source, definition) in self.sources.iter().enumerate() {
            if definition.kind == Kind::Compute {
                let formula = Formula::from_words(definition.parameters);
                let program = formula
                    .check(source)
                    .ok()
                    .and_then(|()| Program::unpack(formula));
                self.calculations.push(Calculation { source, program });
            }
        }
        match Forecaster::plan(&self.archives, self.sources.len()) {
            Ok(None) => {}
            Ok(Some(forecaster)) => {
                self.forecaster = Some(Box::new(forecaster));
                self.refusal = Some(NOT_LOADED);
            }
            Err(why) => self.refusal = Some(why),
        }
    }

    /// Reads what updates of forecasting (Holt-Winters) archives need besides the header: the rows of the seasons. Other
    /// files need nothing. `read` fills a buffer from an offset.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn load_seasons<E>(
        &mut self,
        read: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(forecaster) = &mut self.forecaster {
            forecaster.load(&self.archives, read)?;
            if self.refusal == Some(NOT_LOADED) {
                self.refusal = None;
            }
        }
        Ok(())
    }

    /// Tells the present to formulas that ask for it (`NOW`), UTC seconds.
    pub fn set_now(&mut self, now: i64) {
        self.now = Some(now);
    }

    fn check_live(&self) -> Result<(), HeaderError> {
        within("last update", self.live[0], 0, TIME_MAX as u64)?;
        if self.version >= 3 {
            within("microseconds of the last update", self.live[1], 0, 999_999)?;
        }
        for (archive, &row) in self.archives.iter().zip(&self.live[self.rows_at()..]) {
            within("current row", row, 0, archive.rows - 1)?;
        }
        Ok(())
    }

    /// 1, 3, 4 or 5.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version
    }

    /// Seconds of a step.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The data sources, in the order of columns.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The numbers of the data sources that take an input, in the order of an update's inputs: all but COMPUTE.
    #[must_use]
    pub fn inputs(&self) -> &[usize] {
        &self.takers
    }

    /// The archives, in file order.
    #[must_use]
    pub fn archives(&self) -> &[Archive] {
        &self.archives
    }

    /// UTC seconds and microseconds of the last update.
    #[must_use]
    pub fn last_update(&self) -> (i64, u32) {
        let micros = if self.version >= 3 {
            self.live[1] as u32
        } else {
            0
        };
        (self.live[0] as i64, micros)
    }

    /// Bytes of the header.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.live_offset() as usize + 8 * self.live.len()
    }

    /// Bytes of the file that this header was read from.
    #[must_use]
    pub fn file_len(&self) -> u64 {
        self.file_len
    }

    /// Text of a source's last input, at most 30 bytes; `U` when unknown.
    #[must_use]
    pub fn last_input(&self, source: usize) -> Vec<u8> {
        let mut text = self.last_text(source).to_vec();
        text.truncate(
            text.iter()
                .position(|&byte| byte == 0)
                .unwrap_or(text.len()),
        );
        text
    }

    /// What a source gathered in the current step: unknown seconds and value.
    #[must_use]
    pub fn gathered(&self, source: usize) -> (u64, f64) {
        let state = &self.live[self.source_at(source)..][..PDP_WORDS];
        (
            state[layout::PDP_UNKNOWN],
            f64::from_bits(state[layout::PDP_VALUE]),
        )
    }

    /// The ten words of state of a source in an archive, as in [`layout`].
    #[must_use]
    pub fn consolidating(&self, archive: usize, source: usize) -> &[u64] {
        let at = self.pairs_at() + CDP_WORDS * (archive * self.sources.len() + source);
        &self.live[at..at + CDP_WORDS]
    }

    /// The row of an archive that was written last.
    #[must_use]
    pub fn current_row(&self, archive: usize) -> u64 {
        self.live[self.rows_at() + archive]
    }

    /// The time that the rows of all archives are counted from: the end of the last complete step.
    #[must_use]
    pub fn last_step(&self) -> i64 {
        let last = self.live[0];
        (last - last % self.step) as i64
    }

    /// The time of the oldest row of an archive, known or not.
    #[must_use]
    pub fn first(&self, archive: usize) -> i64 {
        let archive = &self.archives[archive];
        let row = self.step * archive.steps;
        let last = self.live[0] - self.live[0] % row;
        last as i64 - ((archive.rows - 1) * row) as i64
    }

    /// Adds the live part to `writes`: once after a batch of updates, behind its rows.
    pub fn live_write(&mut self, writes: &mut Writes) {
        self.write_last_inputs();
        writes.push_words(self.live_offset(), self.live.iter().copied());
    }

    /// The definition that would create a file like this one, starting at its last update; `None` when it has sources
    /// or archives that [`crate::create`] cannot make.
    #[must_use]
    pub fn definition(&self) -> Option<Definition> {
        let sources = self.sources.iter().map(Source::definition);
        let archives = self.archives.iter().map(|archive| definition::Archive {
            cf: archive.cf,
            xff: archive.xff,
            steps: archive.steps,
            rows: archive.rows,
            forecast: Forecast::from_words(archive.cf, &archive.parameters),
        });
        let definition = Definition {
            step: self.step,
            start: self.live[0] as i64,
            version: self.version.max(3),
            sources: sources.collect(),
            archives: archives.collect(),
        };
        definition.check().is_ok().then_some(definition)
    }

    /// As [`Self::definition`], `None` also when sources or archives refer to each other by number.
    pub(crate) fn independent_definition(&self) -> Option<Definition> {
        let computed = self.takers.len() < self.sources.len();
        let independent = !computed && self.archives.iter().all(|archive| archive.cf.is_plain());
        self.definition().filter(|_| independent)
    }

    /// Offset of the live part in the file.
    #[must_use]
    pub fn live_offset(&self) -> u64 {
        layout::live_offset(self.sources.len(), self.archives.len()) as u64
    }

    pub(crate) fn source_at(&self, source: usize) -> usize {
        layout::live_head_len(self.version) / 8 + PDP_WORDS * source
    }

    pub(crate) fn pairs_at(&self) -> usize {
        self.source_at(self.sources.len())
    }

    pub(crate) fn rows_at(&self) -> usize {
        self.pairs_at() + CDP_WORDS * self.sources.len() * self.archives.len()
    }
}

fn source(bytes: &[u8], index: usize) -> Result<Source, HeaderError> {
    let wrong = HeaderError::Name {
        what: "data source",
        index,
    };
    let name = Name::parse(&bytes[..layout::NAME]).ok_or_else(|| wrong.clone())?;
    let kind = Name::parse(&bytes[layout::NAME..2 * layout::NAME])
        .ok_or(wrong)?
        .text()
        .parse()?;
    let parameters = parameters(bytes);
    Ok(Source {
        name,
        kind,
        heartbeat: parameters[0],
        min: f64::from_bits(parameters[1]),
        max: f64::from_bits(parameters[2]),
        parameters,
    })
}

fn parameters(bytes: &[u8]) -> [u64; 10] {
    std::array::from_fn(|index| layout::word(bytes, layout::AT_PARAMETERS + 8 * index))
}

fn archives_of(
    bytes: &[u8],
    outline: &Outline,
    file_len: u64,
) -> Result<Vec<Archive>, HeaderError> {
    let mut offset = outline.header_len as u64;
    let mut archives = Vec::with_capacity(outline.archives);
    for (index, bytes) in bytes.chunks_exact(layout::ARCHIVE_DEF).enumerate() {
        let archive = archive(bytes, index, outline.step, offset)?;
        let len = u128::from(archive.rows) * outline.sources as u128 * 8;
        let end = u128::from(offset) + len;
        if end > u128::from(file_len) {
            return Err(too_small("file", end, file_len));
        }
        offset = end as u64;
        archives.push(archive);
    }
    Ok(archives)
}

fn archive(bytes: &[u8], index: usize, step: u64, offset: u64) -> Result<Archive, HeaderError> {
    let wrong = HeaderError::Name {
        what: "archive",
        index,
    };
    let cf = Name::parse(&bytes[..layout::NAME])
        .ok_or(wrong)?
        .text()
        .parse()?;
    let rows = layout::word(bytes, layout::AT_ROWS);
    let steps = layout::word(bytes, layout::AT_STEPS);
    within("rows of an archive", rows, 1, SPAN_MAX)?;
    within("steps per row of an archive", steps, 1, SPAN_MAX)?;
    let row = u128::from(step) * u128::from(steps);
    let span = row.saturating_mul(u128::from(rows));
    if span > u128::from(SPAN_MAX) {
        return Err(HeaderError::Range {
            what: "rows of an archive",
            found: rows,
        });
    }
    let parameters = parameters(bytes);
    Ok(Archive {
        cf,
        xff: f64::from_bits(parameters[0]),
        steps,
        rows,
        offset,
        parameters,
    })
}
