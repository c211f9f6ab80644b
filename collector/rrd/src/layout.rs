//! Where everything is in a file. Little endian, 8-byte integers and floats, every block a multiple of 8 bytes.
//!
//! ```text
//! stat_head            128   0 "RRD\0"   4 version "0003\0"   16 float cookie   24 sources   32 archives   40 step
//! ds_def       × D     120   0 name[20]  20 kind[20]          40 heartbeat u64  48 min f64   56 max f64    (64 zeros)
//! rra_def      × R     120   0 cf[20]    24 rows u64          32 steps per row  40 par[10]: xff f64 first
//! ---------------------------------------------------------------------- the live part: what an update changes
//! live_head             16   0 last update i64                 8 its microseconds (absent in version 0001: 8 bytes)
//! pdp_prep     × D     112   0 last input text[30]            32 unknown seconds u64   40 value f64        (48 zeros)
//! cdp_prep     × R·D    80   0 value f64   8 unknown pdps u64 64 primary f64    72 secondary f64           archive-major
//! rra_ptr      × R       8   row written last
//! ---------------------------------------------------------------------- the data
//! rows of archive 0, 1, … R-1; a row is D f64; 8 · D · rows bytes each
//!
//! What the words of a cdp_prep are, by function (all have primary and secondary; FAILURES has one flag a byte from 0 on):
//! HWPREDICT, MHWPREDICT   16 intercept   24 intercept before   32 slope   40 slope before   48 unknown steps   56 before
//! SEASONAL, DEVSEASONAL   16 season's next row   24 season's row before   48 seasons seen (first source only)
//!
//! par[10] of a COMPUTE source is a packed formula ([`crate::formula`]), that of a forecast as in
//! [`crate::definition::Forecast::to_words`].
//! ```

/// Size of the fixed head of a file.
pub const STAT_HEAD: usize = 128;
/// Size of the definition of one data source.
pub const SOURCE_DEF: usize = 120;
/// Size of the definition of one archive.
pub const ARCHIVE_DEF: usize = 120;
/// Size of names: data source, kind and consolidation function, NUL included.
pub const NAME: usize = 20;
/// Size of the text of a data source's last input, NUL included.
pub const LAST_INPUT: usize = 30;

/// The first four bytes of every file.
pub const COOKIE: &[u8; 4] = b"RRD\0";
/// The float that shows whether a file was written on a machine like this one.
pub const FLOAT_COOKIE: f64 = 8.642_135E130;

/// Offset of the version, four digits and a NUL.
pub const AT_VERSION: usize = 4;
/// Offset of the float cookie.
pub const AT_FLOAT_COOKIE: usize = 16;
/// Offset of the number of data sources.
pub const AT_SOURCES: usize = 24;
/// Offset of the number of archives.
pub const AT_ARCHIVES: usize = 32;
/// Offset of the step in seconds.
pub const AT_STEP: usize = 40;

/// Within a source's or an archive's definition: where its ten parameters begin.
pub const AT_PARAMETERS: usize = 40;
/// Within an archive's definition: rows.
pub const AT_ROWS: usize = 24;
/// Within an archive's definition: steps per row.
pub const AT_STEPS: usize = 32;

/// Words (of 8 bytes) of the state of a data source.
pub(crate) const PDP_WORDS: usize = 14;
/// Within the words of a data source: seconds of the current step that are unknown.
pub(crate) const PDP_UNKNOWN: usize = 4;
/// Within the words of a data source: value gathered in the current step.
pub(crate) const PDP_VALUE: usize = 5;
/// Words of the state of a data source in an archive.
pub(crate) const CDP_WORDS: usize = 10;
/// Within the words of a (archive, source): value gathered in the current row.
pub(crate) const CDP_VALUE: usize = 0;
/// Within the words of a (archive, source): unknown steps of the current row.
pub(crate) const CDP_UNKNOWN: usize = 1;
/// Within the words of a (archive, source): what the last update wrote to its first row.
pub(crate) const CDP_PRIMARY: usize = 8;
/// Within the words of a (archive, source): what the last update wrote to its further rows.
pub(crate) const CDP_SECONDARY: usize = 9;

/// Within the words of a (forecast, source): level of the series, and before the last step.
pub(crate) const INTERCEPT: usize = 2;
pub(crate) const INTERCEPT_BEFORE: usize = 3;
/// Within the words of a (forecast, source): change per step, and before the last step.
pub(crate) const SLOPE: usize = 4;
pub(crate) const SLOPE_BEFORE: usize = 5;
/// Within the words of a (forecast, source): steps since the last known value, and before the last step.
pub(crate) const UNKNOWN_STEPS: usize = 6;
pub(crate) const UNKNOWN_STEPS_BEFORE: usize = 7;
/// Within the words of a (season, source): the row of the season that comes next, and the one before it.
pub(crate) const SEASON: usize = 2;
pub(crate) const SEASON_BEFORE: usize = 3;
/// Within the words of a (season, first source): seasons seen, counted up to the end of the burn-in.
pub(crate) const CYCLES: usize = 6;

/// Flags that the state of a FAILURES archive has room for, a byte each.
pub(crate) const HISTORY_MAX: usize = 28;

/// Makes `text`, cut to what fits, the last input in the words of a data source.
pub(crate) fn put_text(state: &mut [u64; PDP_WORDS], text: &str) {
    let mut bytes = [0; 32];
    let len = text.len().min(LAST_INPUT - 1);
    bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
    for (at, word) in state.iter_mut().take(4).enumerate() {
        *word = self::word(&bytes, 8 * at);
    }
}

/// The bits of [`crate::UNKNOWN`].
pub(crate) const UNKNOWN_BITS: u64 = 0xfff8_0000_0000_0000;

/// The bits that rrdtool would store for a number: every NaN is the same one.
#[inline]
pub(crate) fn stored(number: f64) -> u64 {
    if number.is_nan() {
        UNKNOWN_BITS
    } else {
        number.to_bits()
    }
}

/// Bytes of the live part for so many data sources and archives.
pub(crate) fn live_len(version: u8, sources: usize, archives: usize) -> usize {
    live_head_len(version) + 8 * (PDP_WORDS * sources + CDP_WORDS * archives * sources + archives)
}

/// Bytes of the time of the last update: version 0001 has no microseconds.
pub(crate) fn live_head_len(version: u8) -> usize {
    if version < 3 { 8 } else { 16 }
}

/// Offset of the live part.
pub(crate) fn live_offset(sources: usize, archives: usize) -> usize {
    STAT_HEAD + SOURCE_DEF * sources + ARCHIVE_DEF * archives
}

/// Little-endian word `index` of `bytes`, 0 beyond the end.
pub(crate) fn word(bytes: &[u8], offset: usize) -> u64 {
    bytes
        .get(offset..offset + 8)
        .and_then(|eight| eight.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}
