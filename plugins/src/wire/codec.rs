//! A batch to bytes and back.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::pack::{self, Tables};
use super::{Batch, GoneWhat, ID_BYTES_MAX, VERDICT_TEXT_BYTES_MAX, VERSION};

/// The two forms that a batch has as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// MessagePack with named columns: what agents send.
    MessagePack,
    /// JSON of the same shape: what people send.
    Json,
}

impl Encoding {
    /// The content type of bytes in this form.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::MessagePack => "application/msgpack",
            Self::Json => "application/json",
        }
    }

    /// The form that a `Content-Type` header names.
    fn of(content_type: &str) -> Option<Self> {
        let (name, _parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "application/msgpack" | "application/x-msgpack" | "application/vnd.msgpack" => {
                Some(Self::MessagePack)
            }
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Limits of one body; those of its lists are constants of [`super`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that a body may have once it is decompressed.
    pub expanded_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            expanded_bytes: 16 << 20,
        }
    }
}

/// The longest that the next verdict of a check may take: ten years.
const INTERVAL_SECONDS_MAX: f64 = 3650.0 * 86_400.0;

/// How deep a body of MessagePack may nest (a batch nests 7 deep, serde_json's own limit is 128).
pub(super) const NESTING_MAX: usize = 64;

/// Why bytes are not a batch. None of these goes away by sending the same again.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The caller should answer 415.
    #[error("content type {found:?}: expected application/msgpack or application/json")]
    ContentType {
        /// What was found; empty when nothing was said.
        found: String,
    },
    /// The caller should answer 415.
    #[error("content encoding {found:?}: expected gzip, deflate or none")]
    ContentEncoding {
        /// What was found.
        found: String,
    },
    /// The caller should answer 413.
    #[error("body: expected at most {limit} bytes when decompressed, found more")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body ends too early.
    #[error("body: expected a whole batch, found the beginning of one")]
    Truncated,
    /// Not what the content encoding says.
    #[error("body: expected {encoding} data")]
    Compression {
        /// `gzip` or `deflate`.
        encoding: &'static str,
        /// What the decompressor says.
        source: io::Error,
    },
    /// Another version of the form. The sender is newer or older than we are.
    #[error("batch version {found}: expected version {VERSION}")]
    Version {
        /// The version that was found.
        found: u64,
    },
    /// The content type is right, the content is not; also when a list is longer than its limit.
    #[error("batch: {text}")]
    Malformed {
        /// What was expected and found.
        text: String,
    },
}

/// The bytes of a batch.
///
/// # Panics
/// Never: names, numbers and texts in memory always have a form as bytes.
#[must_use]
pub fn encode(batch: &Batch, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::MessagePack => {
            rmp_serde::to_vec_named(batch).expect("a batch has a form as MessagePack")
        }
        Encoding::Json => serde_json::to_vec(batch).expect("a batch has a form as JSON"),
    }
}

/// `bytes` compressed, to be sent with `Content-Encoding: gzip`.
///
/// # Panics
/// Never: memory takes every byte.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("memory takes every byte")
}

/// The batch in a request's body; its columns fit each other and every list is within its limit.
///
/// `content_type` and `content_encoding` are the headers of that name. That times of a series increase, and that the
/// sender may speak for its hosts, is not checked here.
///
/// # Errors
/// See [`WireError`]. The version is judged before anything else of the batch.
pub fn decode(
    body: &[u8],
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    limits: Limits,
) -> Result<Batch, WireError> {
    let encoding = encoding_of(content_type)?;
    let expanded = expand(body, content_encoding.unwrap_or(""), limits.expanded_bytes)?;
    let body = expanded.as_deref().unwrap_or(body);
    check_size(body, limits)?;
    read(body, encoding)
}

/// A batch that arrived.
#[derive(Debug)]
pub struct Received {
    /// What it says.
    pub batch: Batch,
    /// The same as MessagePack, where it came as that: exactly what [`unpack`] takes.
    pub packed: Option<Vec<u8>>,
}

/// As [`decode`], and quicker for what agents send, with the tables of series that came before.
///
/// # Errors
/// See [`WireError`].
pub fn receive(
    body: Vec<u8>,
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    limits: Limits,
    tables: &Tables,
) -> Result<Received, WireError> {
    let encoding = encoding_of(content_type)?;
    let expanded = expand(&body, content_encoding.unwrap_or(""), limits.expanded_bytes)?;
    let mut body = expanded.unwrap_or(body);
    check_size(&body, limits)?;
    let packed = match encoding {
        Encoding::MessagePack => pack::read(&body, tables),
        Encoding::Json => None,
    };
    let Some((batch, length)) = packed else {
        let batch = read(&body, encoding)?;
        return Ok(Received {
            batch,
            packed: None,
        });
    };
    check(&batch).map_err(|text| WireError::Malformed { text })?;
    body.truncate(length);
    Ok(Received {
        batch,
        packed: Some(body),
    })
}

/// A batch that was received and kept as [`Received::packed`]; `None` when it is anything else.
#[must_use]
pub fn unpack(bytes: &[u8], tables: &Tables) -> Option<Batch> {
    let (batch, length) = pack::read(bytes, tables)?;
    (length == bytes.len() && check(&batch).is_ok()).then_some(batch)
}

fn encoding_of(content_type: Option<&str>) -> Result<Encoding, WireError> {
    let content_type = content_type.unwrap_or("");
    Encoding::of(content_type).ok_or_else(|| WireError::ContentType {
        found: short(content_type),
    })
}

fn check_size(body: &[u8], limits: Limits) -> Result<(), WireError> {
    if body.len() > limits.expanded_bytes {
        return Err(WireError::TooLarge {
            limit: limits.expanded_bytes,
        });
    }
    Ok(())
}

fn read(body: &[u8], encoding: Encoding) -> Result<Batch, WireError> {
    check_version(body, encoding)?;
    let batch: Batch = match encoding {
        Encoding::MessagePack => {
            Batch::deserialize(&mut message_pack(body)).map_err(|error| of_rmp(&error))?
        }
        Encoding::Json => serde_json::from_slice(body).map_err(|error| of_json(&error))?,
    };
    check(&batch).map_err(|text| WireError::Malformed { text })?;
    Ok(batch)
}

/// The body decompressed; `None` when it was not compressed.
fn expand(body: &[u8], content_encoding: &str, limit: usize) -> Result<Option<Vec<u8>>, WireError> {
    match content_encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(None),
        "gzip" | "x-gzip" => read_bounded(MultiGzDecoder::new(body), "gzip", limit).map(Some),
        "deflate" => read_bounded(ZlibDecoder::new(body), "deflate", limit).map(Some),
        _ => Err(WireError::ContentEncoding {
            found: short(content_encoding),
        }),
    }
}

fn read_bounded(
    from: impl Read,
    encoding: &'static str,
    limit: usize,
) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::new();
    let mut from = from.take(limit as u64 + 1);
    match from.read_to_end(&mut bytes) {
        Ok(_) if bytes.len() > limit => Err(WireError::TooLarge { limit }),
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(WireError::Truncated),
        Err(source) => Err(WireError::Compression { encoding, source }),
    }
}

/// Looks for the version and for nothing else: what another version looks like is not known here.
fn check_version(body: &[u8], encoding: Encoding) -> Result<(), WireError> {
    let mut found = None;
    let end = match encoding {
        Encoding::MessagePack => message_pack(body)
            .deserialize_map(VersionOnly { found: &mut found })
            .map_err(|error| of_rmp(&error)),
        Encoding::Json => serde_json::Deserializer::from_slice(body)
            .deserialize_map(VersionOnly { found: &mut found })
            .map_err(|error| of_json(&error)),
    };
    match (found, end) {
        // That the reading stopped in the middle is an error to the parser, and none to us.
        (Some(version), _) if version == u64::from(VERSION) => Ok(()),
        (Some(found), _) => Err(WireError::Version { found }),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(WireError::Malformed {
            text: "expected a version, found none".to_owned(),
        }),
    }
}

/// A reader of `body` that stops where it nests deeper than a batch does, long before the stack ends.
pub(super) fn message_pack(
    body: &[u8],
) -> rmp_serde::Deserializer<rmp_serde::decode::ReadRefReader<'_, [u8]>> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(body);
    deserializer.set_max_depth(NESTING_MAX);
    deserializer
}

/// Reads a map up to its `version`.
struct VersionOnly<'a> {
    found: &'a mut Option<u64>,
}

impl<'de> Visitor<'de> for VersionOnly<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch with named columns")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Name {
            Version,
            #[serde(other)]
            Other,
        }
        while let Some(name) = map.next_key()? {
            match name {
                Name::Version => {
                    *self.found = Some(map.next_value()?);
                    return Ok(());
                }
                Name::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// What the types cannot say: columns that fit each other, names that appear once.
fn check(batch: &Batch) -> Result<(), String> {
    let (series, samples) = (&batch.series, &batch.samples);
    let count = series.graph.len();
    same_length("series.field", series.field.len(), count)?;
    if !series.host.is_empty() {
        same_length("series.host", series.host.len(), count)?;
    }
    same_length("samples.time", samples.time.len(), samples.series.len())?;
    same_length("samples.value", samples.value.len(), samples.series.len())?;
    if let Some(index) = samples
        .series
        .iter()
        .find(|index| **index as usize >= count)
    {
        return Err(format!(
            "samples.series: expected an index below {count}, found {index}"
        ));
    }
    for graph in &batch.graphs {
        let mut seen = HashSet::with_capacity(graph.fields.len());
        if let Some(twice) = graph.fields.iter().find(|field| !seen.insert(&field.field)) {
            return Err(format!(
                "graph {}: expected each field once, found {} twice",
                graph.graph, twice.field
            ));
        }
    }
    if let Some(key) = &batch.key {
        check_id("key.agent", &key.agent)?;
        check_count("key.incarnation", key.incarnation)?;
        check_count("key.sequence", key.sequence)?;
    }
    for run in &batch.runs {
        check_id("runs.plugin", &run.plugin)?;
        if !(run.duration_seconds >= 0.0 && run.duration_seconds.is_finite()) {
            return Err(format!(
                "runs.duration_seconds: expected seconds, found {}",
                run.duration_seconds
            ));
        }
    }
    for gone in &batch.gone {
        if let GoneWhat::Plugin(plugin) = &gone.what {
            check_id("gone.what.plugin", plugin)?;
        }
    }
    for verdict in &batch.verdicts {
        if verdict.text.len() > VERDICT_TEXT_BYTES_MAX {
            return Err(format!(
                "verdicts.text: expected at most {VERDICT_TEXT_BYTES_MAX} bytes, found {}",
                verdict.text.len()
            ));
        }
        let interval = verdict.interval_seconds;
        if interval.is_some_and(|interval| !(interval > 0.0 && interval <= INTERVAL_SECONDS_MAX)) {
            return Err(format!(
                "verdicts.interval_seconds: expected seconds above 0, found {}",
                interval.unwrap_or_default()
            ));
        }
    }
    Ok(())
}

fn same_length(column: &str, found: usize, expected: usize) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "{column}: expected as many entries as its neighbour has, {expected}, found {found}"
    ))
}

/// Databases count with a sign.
fn check_count(column: &str, count: u64) -> Result<(), String> {
    if i64::try_from(count).is_ok() {
        return Ok(());
    }
    Err(format!(
        "{column}: expected a number below 2^63, found {count}"
    ))
}

fn check_id(column: &str, id: &str) -> Result<(), String> {
    let legal = !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.contains(char::is_control);
    if legal {
        return Ok(());
    }
    Err(format!(
        "{column}: expected 1 to {ID_BYTES_MAX} bytes without control characters, found {:?}",
        short(id)
    ))
}

fn of_json(error: &serde_json::Error) -> WireError {
    if error.is_eof() {
        WireError::Truncated
    } else {
        malformed(error)
    }
}

fn of_rmp(error: &rmp_serde::decode::Error) -> WireError {
    use rmp_serde::decode::Error::{InvalidDataRead, InvalidMarkerRead};
    match error {
        InvalidDataRead(read) | InvalidMarkerRead(read)
            if read.kind() == io::ErrorKind::UnexpectedEof =>
        {
            WireError::Truncated
        }
        _ => malformed(error),
    }
}

fn malformed(error: &dyn fmt::Display) -> WireError {
    WireError::Malformed {
        text: short(&error.to_string()),
    }
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests;
