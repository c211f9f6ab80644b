//! A file as text, letter by letter as rrdtool prints it: `fetch`, `info`, `lastupdate`, `dump`. Values in, text out.

use std::fmt::{self, Write};

use chrono::{DateTime, Offset as _, TimeZone as _};
use chrono_tz::{OffsetName as _, Tz};

use crate::civil::Date;
use crate::definition::{Cf, Kind};
use crate::fetch::Fetched;
use crate::header::{Archive, Header, Source};
use crate::layout::{CDP_PRIMARY, CDP_SECONDARY, CDP_UNKNOWN, CDP_VALUE, HISTORY_MAX};
use crate::rpn;
use crate::writes::Row;

/// The beginning of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Names the document type.
    Dtd,
    /// Names the schema.
    Xsd,
    /// Neither, and no XML declaration.
    None,
}

/// C's `%0.10e`: ten decimals and an exponent of at least two digits; a NaN shows its sign.
#[derive(Clone, Copy, Debug)]
pub struct Scientific(pub f64);

impl fmt::Display for Scientific {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0;
        let sign = if number.is_sign_negative() { "-" } else { "" };
        if number.is_nan() {
            return write!(f, "{sign}nan");
        }
        if number.is_infinite() {
            return write!(f, "{sign}inf");
        }
        let text = format!("{number:.10e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent
            .strip_prefix('-')
            .map_or(("+", exponent), |rest| ("-", rest));
        write!(f, "{digits}e{sign}{exponent:0>2}")
    }
}

/// C's `%1.4f`.
pub(crate) fn signed(number: f64) -> String {
    if number.is_finite() {
        format!("{number:.4}")
    } else {
        Scientific(number).to_string()
    }
}

/// As [`Scientific`], but every NaN is `NaN`.
#[derive(Clone, Copy)]
struct Known(f64);

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_nan() {
            f.write_str("NaN")
        } else {
            Scientific(self.0).fmt(f)
        }
    }
}

/// As [`Known`], but as the function writes numbers that rrdtool brings along for dumps and exports. It calculates the
/// digits in floats, so the last one may be one beside the number's; zero has no sign.
#[derive(Clone, Copy)]
pub(crate) struct Unsigned(pub(crate) f64);

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0;
        if !number.is_finite() {
            return Known(number).fmt(f);
        }
        let sign = if number < 0.0 { "-" } else { "" };
        let mut exponent = exponent(number.abs());
        let mantissa = number.abs() / power_of_ten(exponent);
        let mut whole = mantissa.trunc();
        let shifted = DECIMALS * (mantissa - whole);
        let up = shifted - shifted.trunc() >= 0.5;
        let mut decimals = shifted.trunc() + f64::from(u8::from(up));
        if decimals >= DECIMALS {
            (whole, decimals) = (whole + 1.0, 0.0);
            if whole == 10.0 {
                (whole, exponent) = (1.0, exponent + 1);
            }
        }
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        let exponent = exponent.abs();
        write!(
            f,
            "{sign}{whole}.{decimals:010}e{exponent_sign}{exponent:02}"
        )
    }
}

/// A one and the ten digits behind the point.
const DECIMALS: f64 = 1e10;

/// The decimal exponent, found by dividing, and not looked for below the smallest that all floats have.
fn exponent(mut number: f64) -> i32 {
    let mut exponent = 0;
    while number < 1.0 && number > 0.0 {
        exponent -= 1;
        if exponent < f64::MIN_10_EXP {
            break;
        }
        number *= 10.0;
    }
    while number >= 10.0 {
        exponent += 1;
        number /= 10.0;
    }
    exponent
}

fn power_of_ten(exponent: i32) -> f64 {
    (0..exponent.abs()).fold(1.0, |power, _| {
        if exponent < 0 {
            power / 10.0
        } else {
            power * 10.0
        }
    })
}

/// Text in which XML's own letters stand for themselves. rrdtool's dump leaves them as they are and cannot read it again.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            other => f.write_char(other),
        })
    }
}

/// What `fetch` prints.
#[must_use]
pub fn fetched(fetched: &Fetched) -> String {
    let mut out = " ".repeat(11);
    for name in &fetched.names {
        let _ = write!(out, "{name:>20}");
    }
    out.push_str("\n\n");
    for (time, values) in fetched.rows() {
        let _ = write!(out, "{time:>10}:");
        for &value in values {
            let _ = write!(out, " {}", Scientific(value));
        }
        out.push('\n');
    }
    out
}

/// What `lastupdate` prints.
#[must_use]
pub fn last_inputs(header: &Header) -> String {
    let mut out = String::new();
    for source in header.sources() {
        let _ = write!(out, " {}", source.name());
    }
    let _ = write!(out, "\n\n{:>10}:", header.last_update().0);
    for index in 0..header.sources().len() {
        let _ = write!(out, " {}", last_input(header, index));
    }
    out.push('\n');
    out
}

/// What `updatev` prints of the rows that an update wrote.
#[must_use]
pub fn rows_written(header: &Header, rows: &[Row]) -> String {
    let mut out = String::new();
    for row in rows {
        let archive = &header.archives()[row.archive];
        for (source, value) in header.sources().iter().zip(&row.values) {
            let _ = writeln!(
                out,
                "[{}]RRA[{}][{}]DS[{}] = {}",
                row.time,
                archive.cf,
                archive.steps,
                source.name(),
                Known(*value)
            );
        }
    }
    out
}

fn last_input(header: &Header, index: usize) -> String {
    String::from_utf8_lossy(&header.last_input(index)).into_owned()
}

/// What `info` prints for a file of this name.
#[must_use]
pub fn info(header: &Header, filename: &str) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_info(header, filename, &mut out);
    out
}

fn write_info(header: &Header, filename: &str, out: &mut String) -> fmt::Result {
    writeln!(out, "filename = \"{filename}\"")?;
    writeln!(out, "rrd_version = \"{:04}\"", header.version())?;
    writeln!(out, "step = {}", header.step())?;
    writeln!(out, "last_update = {}", header.last_update().0)?;
    writeln!(out, "header_size = {}", header.size_bytes())?;
    for (index, source) in header.sources().iter().enumerate() {
        info_source(header, index, source, out)?;
    }
    for (index, archive) in header.archives().iter().enumerate() {
        info_archive(header, index, archive, out)?;
        for source in 0..header.sources().len() {
            let key = format!("rra[{index}].cdp_prep[{source}]");
            info_state(&key, archive, header.consolidating(index, source), out)?;
        }
    }
    Ok(())
}

fn info_source(header: &Header, index: usize, source: &Source, out: &mut String) -> fmt::Result {
    let key = format!("ds[{}]", source.name());
    writeln!(out, "{key}.index = {index}")?;
    writeln!(out, "{key}.type = \"{}\"", source.kind)?;
    if source.kind == Kind::Compute {
        writeln!(out, "{key}.cdef = \"{}\"", formula(header, source))?;
    } else {
        writeln!(out, "{key}.minimal_heartbeat = {}", source.heartbeat)?;
        writeln!(out, "{key}.min = {}", Known(source.min))?;
        writeln!(out, "{key}.max = {}", Known(source.max))?;
    }
    let (unknown, value) = header.gathered(index);
    writeln!(out, "{key}.last_ds = \"{}\"", last_input(header, index))?;
    writeln!(out, "{key}.value = {}", Known(value))?;
    writeln!(out, "{key}.unknown_sec = {unknown}")
}

/// The formula of a COMPUTE source.
pub(crate) fn formula(header: &Header, source: &Source) -> String {
    let names: Vec<&str> = header.sources().iter().map(Source::name).collect();
    rpn::packed_text(&source.parameters, &names)
}

fn info_archive(header: &Header, index: usize, archive: &Archive, out: &mut String) -> fmt::Result {
    let key = format!("rra[{index}]");
    writeln!(out, "{key}.cf = \"{}\"", archive.cf)?;
    writeln!(out, "{key}.rows = {}", archive.rows)?;
    writeln!(out, "{key}.cur_row = {}", header.current_row(index))?;
    writeln!(out, "{key}.pdp_per_row = {}", archive.steps)?;
    let number = |index: usize| Known(f64::from_bits(archive.parameters[index]));
    match archive.cf {
        Cf::Average | Cf::Min | Cf::Max | Cf::Last => writeln!(out, "{key}.xff = {}", number(0)),
        Cf::HwPredict | Cf::MhwPredict => {
            writeln!(out, "{key}.alpha = {}", number(1))?;
            writeln!(out, "{key}.beta = {}", number(2))
        }
        Cf::Seasonal | Cf::DevSeasonal => {
            writeln!(out, "{key}.gamma = {}", number(1))?;
            if header.version() >= 4 {
                writeln!(out, "{key}.smoothing_window = {}", number(2))?;
            }
            Ok(())
        }
        Cf::DevPredict => Ok(()),
        Cf::Failures => {
            writeln!(out, "{key}.delta_pos = {}", number(1))?;
            writeln!(out, "{key}.delta_neg = {}", number(2))?;
            writeln!(out, "{key}.failure_threshold = {}", archive.parameters[5])?;
            writeln!(out, "{key}.window_length = {}", archive.parameters[4])
        }
    }
}

fn info_state(key: &str, archive: &Archive, state: &[u64], out: &mut String) -> fmt::Result {
    let number = |index: usize| Known(f64::from_bits(state[index]));
    match archive.cf {
        Cf::Average | Cf::Min | Cf::Max | Cf::Last => {
            writeln!(out, "{key}.value = {}", number(CDP_VALUE))?;
            writeln!(out, "{key}.unknown_datapoints = {}", state[CDP_UNKNOWN])
        }
        Cf::HwPredict | Cf::MhwPredict => {
            writeln!(out, "{key}.intercept = {}", number(2))?;
            writeln!(out, "{key}.slope = {}", number(4))?;
            writeln!(out, "{key}.NaN_count = {}", state[6])
        }
        Cf::Seasonal => writeln!(out, "{key}.seasonal = {}", number(2)),
        Cf::DevSeasonal => writeln!(out, "{key}.deviation = {}", number(2)),
        Cf::DevPredict => Ok(()),
        Cf::Failures => writeln!(out, "{key}.history = \"{}\"", history(archive, state)),
    }
}

/// The flags of FAILURES, newest first: at most as many as there is room for, whatever the file says.
fn history(archive: &Archive, state: &[u64]) -> String {
    let flags = state.iter().flat_map(|word| word.to_le_bytes());
    flags
        .take(archive.parameters[4].min(HISTORY_MAX as u64) as usize)
        .map(|flag| if flag == 0 { '0' } else { '1' })
        .collect()
}

/// What `dump` prints, for a whole `file` in memory; the dates in its comments are those of `zone`. Cells that the file is
/// too short for are unknown.
///
/// # Errors
/// Those of `out`.
pub fn dump(
    header: &Header,
    file: &[u8],
    head: Head,
    zone: Tz,
    out: &mut impl Write,
) -> fmt::Result {
    dump_head(head, out)?;
    writeln!(out, "\t<version>{:04}</version>", header.version().max(3))?;
    writeln!(out, "\t<step>{}</step> <!-- Seconds -->", header.step())?;
    let last = header.last_update().0;
    writeln!(
        out,
        "\t<lastupdate>{last}</lastupdate> <!-- {} -->\n",
        Moment(last, zone)
    )?;
    for (index, source) in header.sources().iter().enumerate() {
        dump_source(header, index, source, out)?;
    }
    out.write_str("\t<!-- Round Robin Archives -->\n")?;
    for (index, archive) in header.archives().iter().enumerate() {
        out.write_str("\t<rra>\n")?;
        dump_archive(header, index, archive, out)?;
        dump_rows(header, index, archive, file, zone, out)?;
        out.write_str("\t</rra>\n")?;
    }
    out.write_str("</rrd>\n")
}

fn dump_head(head: Head, out: &mut impl Write) -> fmt::Result {
    let declaration = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";
    let comment = "<!-- Round Robin Database Dump -->\n";
    match head {
        Head::None => writeln!(out, "{comment}<rrd>"),
        Head::Dtd => write!(
            out,
            "{declaration}<!DOCTYPE rrd SYSTEM \"https://oss.oetiker.ch/rrdtool/rrdtool.dtd\">\n{comment}<rrd>\n"
        ),
        Head::Xsd => write!(
            out,
            "{declaration}{comment}<rrd xmlns=\"https://oss.oetiker.ch/rrdtool/rrdtool-dump.xml\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"\n\
             \txsi:schemaLocation=\"https://oss.oetiker.ch/rrdtool/rrdtool-dump.xml \
             https://oss.oetiker.ch/rrdtool/rrdtool-dump.xsd\">\n"
        ),
    }
}

fn dump_source(
    header: &Header,
    index: usize,
    source: &Source,
    out: &mut impl Write,
) -> fmt::Result {
    out.write_str("\t<ds>\n")?;
    writeln!(out, "\t\t<name> {} </name>", Escaped(source.name()))?;
    writeln!(out, "\t\t<type> {} </type>", source.kind)?;
    if source.kind == Kind::Compute {
        writeln!(out, "\t\t<cdef> {} </cdef>", formula(header, source))?;
    } else {
        writeln!(
            out,
            "\t\t<minimal_heartbeat>{}</minimal_heartbeat>",
            source.heartbeat
        )?;
        writeln!(out, "\t\t<min>{}</min>", Unsigned(source.min))?;
        writeln!(out, "\t\t<max>{}</max>", Unsigned(source.max))?;
    }
    let (unknown, value) = header.gathered(index);
    writeln!(out, "\n\t\t<!-- PDP Status -->")?;
    writeln!(
        out,
        "\t\t<last_ds>{}</last_ds>",
        Escaped(&last_input(header, index))
    )?;
    writeln!(out, "\t\t<value>{}</value>", Unsigned(value))?;
    writeln!(out, "\t\t<unknown_sec> {unknown} </unknown_sec>")?;
    out.write_str("\t</ds>\n\n")
}

fn dump_archive(
    header: &Header,
    index: usize,
    archive: &Archive,
    out: &mut impl Write,
) -> fmt::Result {
    let seconds = header.step() * archive.steps;
    writeln!(out, "\t\t<cf>{}</cf>", archive.cf)?;
    writeln!(
        out,
        "\t\t<pdp_per_row>{}</pdp_per_row> <!-- {seconds} seconds -->\n",
        archive.steps
    )?;
    out.write_str("\t\t<params>\n")?;
    dump_parameters(header.version(), archive, out)?;
    out.write_str("\t\t</params>\n\t\t<cdp_prep>\n")?;
    for source in 0..header.sources().len() {
        out.write_str("\t\t\t<ds>\n")?;
        dump_state(archive, header.consolidating(index, source), out)?;
        out.write_str("\t\t\t</ds>\n")?;
    }
    out.write_str("\t\t</cdp_prep>\n")
}

fn dump_parameters(version: u8, archive: &Archive, out: &mut impl Write) -> fmt::Result {
    let parameters = &archive.parameters;
    let mut number = |tag: &str, index: usize| {
        writeln!(
            out,
            "\t\t<{tag}>{}</{tag}>",
            Unsigned(f64::from_bits(parameters[index]))
        )
    };
    match archive.cf {
        Cf::Average | Cf::Min | Cf::Max | Cf::Last => return number("xff", 0),
        Cf::HwPredict | Cf::MhwPredict => {
            number("hw_alpha", 1)?;
            number("hw_beta", 2)?;
        }
        Cf::Seasonal | Cf::DevSeasonal => {
            number("seasonal_gamma", 1)?;
            writeln!(
                out,
                "\t\t<seasonal_smooth_idx>{}</seasonal_smooth_idx>",
                parameters[4]
            )?;
            if version >= 4 {
                writeln!(
                    out,
                    "\t\t<smoothing_window>{}</smoothing_window>",
                    Unsigned(f64::from_bits(parameters[2]))
                )?;
            }
        }
        Cf::DevPredict => {}
        Cf::Failures => {
            number("delta_pos", 1)?;
            number("delta_neg", 2)?;
            writeln!(out, "\t\t<window_len>{}</window_len>", parameters[4])?;
            writeln!(
                out,
                "\t\t<failure_threshold>{}</failure_threshold>",
                parameters[5]
            )?;
        }
    }
    writeln!(
        out,
        "\t\t<dependent_rra_idx>{}</dependent_rra_idx>",
        parameters[3]
    )
}

fn dump_state(archive: &Archive, state: &[u64], out: &mut impl Write) -> fmt::Result {
    let mut number = |tag: &str, index: usize| {
        writeln!(
            out,
            "\t\t\t<{tag}>{}</{tag}>",
            Unsigned(f64::from_bits(state[index]))
        )
    };
    number("primary_value", CDP_PRIMARY)?;
    number("secondary_value", CDP_SECONDARY)?;
    match archive.cf {
        Cf::Average | Cf::Min | Cf::Max | Cf::Last => {
            number("value", CDP_VALUE)?;
            writeln!(
                out,
                "\t\t\t<unknown_datapoints>{}</unknown_datapoints>",
                state[CDP_UNKNOWN]
            )
        }
        Cf::HwPredict | Cf::MhwPredict => {
            number("intercept", 2)?;
            number("last_intercept", 3)?;
            number("slope", 4)?;
            number("last_slope", 5)?;
            writeln!(out, "\t\t\t<nan_count>{}</nan_count>", state[6])?;
            writeln!(out, "\t\t\t<last_nan_count>{}</last_nan_count>", state[7])
        }
        Cf::Seasonal | Cf::DevSeasonal => {
            number("seasonal", 2)?;
            number("last_seasonal", 3)?;
            writeln!(out, "\t\t\t<init_flag>{}</init_flag>", state[6])
        }
        Cf::DevPredict => Ok(()),
        Cf::Failures => writeln!(out, "\t\t\t<history>{}</history>", history(archive, state)),
    }
}

/// All rows, the oldest first.
fn dump_rows(
    header: &Header,
    index: usize,
    archive: &Archive,
    file: &[u8],
    zone: Tz,
    out: &mut impl Write,
) -> fmt::Result {
    out.write_str("\t\t<database>\n")?;
    let seconds = (header.step() * archive.steps) as i64;
    let width = header.sources().len();
    let mut cells = header.cells(index, file);
    let mut time = header.first(index);
    for _ in 0..archive.rows {
        write!(out, "\t\t\t<!-- {} / {time} --> <row>", Moment(time, zone))?;
        for cell in cells.by_ref().take(width) {
            write!(out, "<v>{}</v>", Unsigned(cell))?;
        }
        out.write_str("</row>\n")?;
        time += seconds;
    }
    out.write_str("\t\t</database>\n")
}

/// UTC seconds as the clocks of a zone show them: `2001-09-09 03:46:40 CEST`.
#[derive(Clone, Copy)]
struct Moment(i64, Tz);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A crafted file may have times that no calendar of chrono's reaches: they are shown in UTC.
        let offset = DateTime::from_timestamp(self.0, 0)
            .map(|time| self.1.offset_from_utc_datetime(&time.naive_utc()));
        let east = offset.map_or(0, |offset| offset.fix().local_minus_utc());
        let local = self.0 + i64::from(east);
        let (days, seconds) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let Date { year, month, day } = Date::of_day(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} "
        )?;
        match offset.and_then(|offset| offset.abbreviation().map(str::to_owned)) {
            Some(name) => f.write_str(&name),
            None if east == 0 => f.write_str("UTC"),
            None if east % 3600 == 0 => write!(f, "{:+03}", east / 3600),
            None => write!(f, "{:+05}", east / 3600 * 100 + east % 3600 / 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_c_prints_them() {
        for (number, text) in [
            (0.0, "0.0000000000e+00"),
            (-0.0, "-0.0000000000e+00"),
            (12.5, "1.2500000000e+01"),
            (1e-300, "1.0000000000e-300"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (crate::UNKNOWN, "-nan"),
            (-crate::UNKNOWN, "nan"),
        ] {
            assert_eq!(Scientific(number).to_string(), text);
        }
    }

    #[test]
    fn dumps_calculate_their_digits_and_have_no_negative_zero() {
        for (number, text) in [
            (146.939_453_125, "1.4693945313e+02"),
            (-146.939_453_125, "-1.4693945313e+02"),
            // A tie that is none in floats.
            (-1_774_746_249.75, "-1.7747462497e+09"),
            (9.999_999_999_96, "1.0000000000e+01"),
            (-0.0, "0.0000000000e+00"),
            (crate::UNKNOWN, "NaN"),
        ] {
            assert_eq!(Unsigned(number).to_string(), text);
        }
    }

    #[test]
    fn dates_are_those_of_the_zones_clocks() {
        for (zone, seconds, text) in [
            (Tz::Europe__Zurich, 1_300_000_000, "2011-03-13 08:06:40 CET"),
            (
                Tz::Europe__Zurich,
                1_400_000_000,
                "2014-05-13 18:53:20 CEST",
            ),
            (
                Tz::America__Sao_Paulo,
                1_400_000_000,
                "2014-05-13 13:53:20 -03",
            ),
            (
                Tz::Asia__Kathmandu,
                1_400_000_000,
                "2014-05-13 22:38:20 +0545",
            ),
            (Tz::Europe__Zurich, 1 << 55, "1141709097-06-13 06:26:08 UTC"),
        ] {
            assert_eq!(Moment(seconds, zone).to_string(), text);
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (1_000_000_000, "2001-09-09 01:46:40 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(Moment(seconds, Tz::UTC).to_string(), text);
        }
    }
}
