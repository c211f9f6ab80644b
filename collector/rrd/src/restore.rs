//! A dump becomes a file again. XML in, the bytes of a file out. What a dump lacks is lost: the microseconds of the last
//! update, digits behind the eleventh, and the row of the file that is the newest, which is always the last here.
//!
//! Tags may have any case. Entities that the document itself defines are refused, not expanded. Memory: a tag or text is
//! held while it is read, at most [`TOKEN_MAX`] bytes of it, and what is gathered is at most about 30 times the XML: no
//! number in it makes room for anything.

use std::io::{self, BufRead, Read};

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::create::FILE_SIZE_MAX;
use crate::decimal;
use crate::definition::{Cf, DefinitionError, Kind};
use crate::formula::Formula;
use crate::header::{Header, HeaderError};
use crate::image::{Archive, Image, Source};
use crate::layout::{
    CDP_PRIMARY, CDP_SECONDARY, CDP_UNKNOWN, CDP_VALUE, CDP_WORDS, HISTORY_MAX, LAST_INPUT, NAME,
    PDP_UNKNOWN, PDP_VALUE, PDP_WORDS,
};
use crate::{UNKNOWN, layout};

/// Bytes that a tag, a text or a comment may have.
pub const TOKEN_MAX: usize = 1 << 20;

/// Why XML does not become a file; the text is for the person who has it.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It cannot be read, or is no XML.
    #[error("line {line}: error reading/parsing XML: {text}")]
    Xml {
        /// Counted from 1.
        line: u64,
        /// What the parser says.
        text: String,
    },
    /// XML, but not that of a dump.
    #[error("line {line}: expected {expected}, found {found}")]
    Unexpected {
        /// Counted from 1.
        line: u64,
        /// What would be right here.
        expected: String,
        /// What is here.
        found: String,
    },
    /// A name or formula that no file can have.
    #[error("line {line}: {source}")]
    Definition {
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        source: DefinitionError,
    },
    /// The parts are well formed, but make no file.
    #[error("what the XML describes is no RRD: {0}")]
    Header(#[from] HeaderError),
    /// The file would be larger than [`FILE_SIZE_MAX`].
    #[error("the file would be larger than {FILE_SIZE_MAX} bytes")]
    TooLarge,
}

/// The file that a dump describes. With `range_check`, values outside the limits of their source become unknown.
///
/// # Errors
/// See [`RestoreError`].
pub fn restore(xml: impl BufRead, range_check: bool) -> Result<Vec<u8>, RestoreError> {
    let mut reader = Reader::from_reader(Lines::new(xml));
    reader.config_mut().expand_empty_elements = true;
    let mut dump = Dump {
        reader,
        buffer: Vec::new(),
        range_check,
    };
    let file = dump.rrd()?.bytes().ok_or(RestoreError::TooLarge)?;
    Header::parse(&file, file.len() as u64)?;
    Ok(file)
}

/// What comes next in the XML: comments, declarations and blanks between tags left out.
enum Piece {
    Open(String),
    Text(String),
    Close,
    End,
}

struct Dump<R> {
    reader: Reader<Lines<R>>,
    buffer: Vec<u8>,
    range_check: bool,
}

impl<R: BufRead> Dump<R> {
    fn line(&mut self) -> u64 {
        self.reader.get_mut().line
    }

    fn unexpected(
        &mut self,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> RestoreError {
        RestoreError::Unexpected {
            line: self.line(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    fn piece(&mut self) -> Result<Piece, RestoreError> {
        loop {
            self.buffer.clear();
            self.reader.get_mut().token = 0;
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(error) => {
                    let text = error.to_string();
                    let line = self.line();
                    return Err(RestoreError::Xml { line, text });
                }
            };
            match event {
                Event::Start(tag) => {
                    return Ok(Piece::Open(tag.name().into_inner().to_ascii_lowercase()));
                }
                Event::End(_) => return Ok(Piece::Close),
                Event::Eof => return Ok(Piece::End),
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                Event::Text(text) => return Ok(Piece::Text(text.to_string())),
                Event::CData(text) => return Ok(Piece::Text(text.to_string())),
                Event::GeneralRef(entity) => {
                    let letter = entity.resolve_char_ref().ok().flatten().map(String::from);
                    let known =
                        quick_xml::escape::resolve_predefined_entity(&entity).map(str::to_owned);
                    let name = entity.to_string();
                    return match letter.or(known) {
                        Some(text) => Ok(Piece::Text(text)),
                        None => {
                            Err(self.unexpected("text", format!("the unknown entity '&{name};'")))
                        }
                    };
                }
                // `Empty` is expanded.
                Event::Empty(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_) => {}
            }
        }
    }

    /// The tag that opens next, in lower case; `None` when the one around it closes.
    fn open(&mut self) -> Result<Option<String>, RestoreError> {
        match self.piece()? {
            Piece::Open(tag) => Ok(Some(tag)),
            Piece::Close => Ok(None),
            Piece::Text(text) => {
                Err(self.unexpected("a tag", format!("the text '{}'", text.trim_ascii())))
            }
            Piece::End => Err(self.unexpected("a tag", "the end of the XML")),
        }
    }

    fn expect_open(&mut self, tag: &str) -> Result<(), RestoreError> {
        match self.open()? {
            Some(found) if found == tag => Ok(()),
            Some(found) => Err(self.unexpected(format!("<{tag}>"), format!("<{found}>"))),
            None => Err(self.unexpected(format!("<{tag}>"), "a closing tag")),
        }
    }

    fn expect_close(&mut self) -> Result<(), RestoreError> {
        match self.open()? {
            None => Ok(()),
            Some(found) => Err(self.unexpected("a closing tag", format!("<{found}>"))),
        }
    }

    /// The text up to the closing tag: its first word, as rrdtool takes it.
    fn text(&mut self) -> Result<String, RestoreError> {
        let mut text = String::new();
        loop {
            match self.piece()? {
                Piece::Text(more) if text.len() + more.len() <= TOKEN_MAX => text += &more,
                Piece::Text(_) => return Err(self.unexpected("a value", "a text without end")),
                Piece::Close => break,
                Piece::Open(tag) => return Err(self.unexpected("a value", format!("<{tag}>"))),
                Piece::End => return Err(self.unexpected("a value", "the end of the XML")),
            }
        }
        Ok(text
            .split_ascii_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned())
    }

    fn short_text(&mut self, size: usize) -> Result<String, RestoreError> {
        let text = self.text()?;
        if text.len() >= size {
            return Err(self.unexpected(
                format!("at most {} characters", size - 1),
                format!("'{text}'"),
            ));
        }
        Ok(text)
    }

    fn count(&mut self) -> Result<u64, RestoreError> {
        let text = self.text()?;
        text.parse()
            .map_err(|_| self.unexpected("a whole number", format!("'{text}'")))
    }

    fn number(&mut self) -> Result<f64, RestoreError> {
        let text = self.text()?.to_ascii_lowercase();
        if text.contains("nan") {
            Ok(UNKNOWN)
        } else if text.contains("-inf") {
            Ok(f64::NEG_INFINITY)
        } else if text.contains("inf") {
            Ok(f64::INFINITY)
        } else {
            decimal::parse(text.as_bytes())
                .ok_or_else(|| self.unexpected("a number", format!("'{text}'")))
        }
    }

    fn bits(&mut self) -> Result<u64, RestoreError> {
        self.number().map(f64::to_bits)
    }

    fn rrd(&mut self) -> Result<Image, RestoreError> {
        self.expect_open("rrd")?;
        let mut image = Image {
            version: 3,
            step: 0,
            last_update: 0,
            microseconds: 0,
            sources: Vec::new(),
            archives: Vec::new(),
        };
        while let Some(tag) = self.open()? {
            match tag.as_str() {
                "version" => image.version = self.version()?,
                "step" => image.step = self.count()?,
                "lastupdate" => {
                    let time = self.count()?;
                    image.last_update = i64::try_from(time)
                        .map_err(|_| self.unexpected("seconds since 1970", format!("'{time}'")))?;
                }
                "ds" if image.archives.is_empty() => {
                    let source = self.source(&image.sources)?;
                    image.sources.push(source);
                }
                "ds" => {
                    return Err(
                        self.unexpected("data sources before archives", "<ds> behind <rra>")
                    );
                }
                "rra" => {
                    let archive = self.archive(&image)?;
                    image.archives.push(archive);
                }
                _ => return Err(self.unexpected("a part of <rrd>", format!("<{tag}>"))),
            }
        }
        self.end()?;
        Ok(image)
    }

    /// Two dumps in one file are more likely a mistake than the first of them what is wanted.
    fn end(&mut self) -> Result<(), RestoreError> {
        let found = match self.piece()? {
            Piece::End => return Ok(()),
            Piece::Open(tag) => format!("<{tag}>"),
            Piece::Text(text) => format!("the text '{}'", text.trim_ascii()),
            Piece::Close => "a closing tag".to_owned(),
        };
        Err(self.unexpected("the end of the XML behind </rrd>", found))
    }

    /// Files are never written in a version before 3.
    fn version(&mut self) -> Result<u8, RestoreError> {
        match self.count()? {
            1..=3 => Ok(3),
            4 => Ok(4),
            5 => Ok(5),
            other => Err(self.unexpected("version 1 to 5", format!("'{other}'"))),
        }
    }

    fn source(&mut self, before: &[Source]) -> Result<Source, RestoreError> {
        let mut source = Source {
            name: String::new(),
            kind: Kind::Gauge,
            parameters: [0; 10],
            state: [0; PDP_WORDS],
        };
        let mut formula = None;
        while let Some(tag) = self.open()? {
            match tag.as_str() {
                "name" => source.name = self.short_text(NAME)?,
                "type" => {
                    let kind = self.text()?.parse();
                    source.kind = self.defined(kind)?;
                }
                "minimal_heartbeat" => source.parameters[0] = self.count()?,
                "min" => source.parameters[1] = self.bits()?,
                "max" => source.parameters[2] = self.bits()?,
                "cdef" => formula = Some(self.text()?),
                "last_ds" => {
                    let text = self.short_text(LAST_INPUT)?;
                    layout::put_text(&mut source.state, &text);
                }
                "value" => source.state[PDP_VALUE] = self.bits()?,
                "unknown_sec" => source.state[PDP_UNKNOWN] = self.count()?,
                _ => return Err(self.unexpected("a part of <ds>", format!("<{tag}>"))),
            }
        }
        if source.kind == Kind::Compute {
            let names: Vec<&str> = before.iter().map(|source| source.name.as_str()).collect();
            let text = formula.unwrap_or_default();
            let formula = Formula::parse(&text, &names).map_err(|error| DefinitionError::Formula {
                name: source.name.clone(),
                source: error,
            });
            source.parameters = self.defined(formula)?.to_words();
        }
        Ok(source)
    }

    fn defined<T>(&mut self, result: Result<T, DefinitionError>) -> Result<T, RestoreError> {
        result.map_err(|source| RestoreError::Definition {
            line: self.line(),
            source,
        })
    }

    fn archive(&mut self, image: &Image) -> Result<Archive, RestoreError> {
        let mut archive = Archive {
            cf: Cf::Average,
            steps: 0,
            parameters: [0; 10],
            states: Vec::new(),
            cells: Vec::new(),
            current_row: 0,
        };
        while let Some(tag) = self.open()? {
            match tag.as_str() {
                "cf" => {
                    let cf = self.text()?.parse();
                    archive.cf = self.defined(cf)?;
                }
                "pdp_per_row" => archive.steps = self.count()?,
                // Where version 1 has it.
                "xff" => archive.parameters[0] = self.bits()?,
                "params" => archive.parameters = self.parameters()?,
                "cdp_prep" => archive.states = self.states(image.sources.len())?,
                "database" => archive.cells = self.rows(image)?,
                _ => return Err(self.unexpected("a part of <rra>", format!("<{tag}>"))),
            }
        }
        if archive.states.len() != image.sources.len() {
            return Err(self.unexpected("<cdp_prep> in <rra>", "none"));
        }
        archive.unroll(image.sources.len());
        Ok(archive)
    }

    fn parameters(&mut self) -> Result<[u64; 10], RestoreError> {
        let mut parameters = [0; 10];
        let mut values = 0;
        while let Some(tag) = self.open()? {
            let (index, whole) = match tag.as_str() {
                "xff" => (0, false),
                "hw_alpha" | "seasonal_gamma" | "delta_pos" => (1, false),
                "hw_beta" | "smoothing_window" | "delta_neg" => (2, false),
                "dependent_rra_idx" => (3, true),
                "seasonal_smooth_idx" | "window_len" => (4, true),
                "failure_threshold" => (5, true),
                // rrdtool 1.0.49 wrote them all under one name.
                "value" if values < parameters.len() => {
                    values += 1;
                    (values - 1, (3..=5).contains(&(values - 1)))
                }
                _ => return Err(self.unexpected("a part of <params>", format!("<{tag}>"))),
            };
            parameters[index] = if whole { self.count()? } else { self.bits()? };
        }
        Ok(parameters)
    }

    fn states(&mut self, sources: usize) -> Result<Vec<[u64; CDP_WORDS]>, RestoreError> {
        let mut states = Vec::new();
        for _ in 0..sources {
            self.expect_open("ds")?;
            states.push(self.state()?);
        }
        self.expect_close()?;
        Ok(states)
    }

    fn state(&mut self) -> Result<[u64; CDP_WORDS], RestoreError> {
        let mut state = [0; CDP_WORDS];
        while let Some(tag) = self.open()? {
            match tag.as_str() {
                "primary_value" => state[CDP_PRIMARY] = self.bits()?,
                "secondary_value" => state[CDP_SECONDARY] = self.bits()?,
                "value" => state[CDP_VALUE] = self.bits()?,
                "unknown_datapoints" => state[CDP_UNKNOWN] = self.count()?,
                "intercept" | "seasonal" => state[2] = self.bits()?,
                "last_intercept" | "last_seasonal" => state[3] = self.bits()?,
                "slope" => state[4] = self.bits()?,
                "last_slope" => state[5] = self.bits()?,
                "nan_count" | "init_flag" => state[6] = self.count()?,
                "last_nan_count" => state[7] = self.count()?,
                "history" => {
                    let flags = self.text()?;
                    for (at, flag) in flags.bytes().take(HISTORY_MAX).enumerate() {
                        state[at / 8] |= u64::from(flag == b'1') << (at % 8 * 8);
                    }
                }
                _ => return Err(self.unexpected("a part of <cdp_prep>", format!("<{tag}>"))),
            }
        }
        Ok(state)
    }

    fn rows(&mut self, image: &Image) -> Result<Vec<f64>, RestoreError> {
        let mut cells = Vec::new();
        while let Some(tag) = self.open()? {
            if tag != "row" {
                return Err(self.unexpected("<row>", format!("<{tag}>")));
            }
            for source in &image.sources {
                self.expect_open("v")?;
                let value = self.number()?;
                cells.push(if self.range_check {
                    source.checked(value)
                } else {
                    value
                });
            }
            self.expect_close()?;
            if cells.len() as u64 > FILE_SIZE_MAX / 8 {
                return Err(RestoreError::TooLarge);
            }
        }
        if cells.is_empty() {
            return Err(self.unexpected("a <row> in <database>", "none"));
        }
        Ok(cells)
    }
}

impl Source {
    /// Unknown when outside the limits.
    fn checked(&self, value: f64) -> f64 {
        let [_, min, max, ..] = self.parameters.map(f64::from_bits);
        let outside = self.kind != Kind::Compute && (value < min || value > max);
        if outside { UNKNOWN } else { value }
    }
}

/// Counts the lines that were consumed and the bytes of the current tag or text.
struct Lines<R> {
    input: R,
    line: u64,
    token: usize,
}

impl<R> Lines<R> {
    fn new(input: R) -> Self {
        Self {
            input,
            line: 1,
            token: 0,
        }
    }
}

impl<R: BufRead> Read for Lines<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(into.len());
        into[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Lines<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.token > TOKEN_MAX {
            let text = format!("a tag or text is longer than {TOKEN_MAX} bytes");
            return Err(io::Error::other(text));
        }
        self.input.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        // Nothing is read here: what is consumed is in the buffer.
        if let Ok(bytes) = self.input.fill_buf() {
            let lines = bytes
                .iter()
                .take(count)
                .filter(|&&byte| byte == b'\n')
                .count();
            self.line += lines as u64;
        }
        self.token += count;
        self.input.consume(count);
    }
}
