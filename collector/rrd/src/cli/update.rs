//! `update FILE [-t NAMES] [-s] TIME:VALUE…` and `updatev`, which also prints the rows that it writes. Arguments before a
//! bad one stay applied, those behind it are not; of the bad one the file keeps what was done before the error, as rrdtool's
//! does.

use std::io::Write;
use std::path::Path;

use chrono_tz::Tz;

use super::options::{Flag, Options};
use super::{Outcome, told};
use crate::at::Time;
use crate::definition::Kind;
use crate::header::{Header, TIME_MAX};
use crate::update::{Input, UpdateError};
use crate::writes::Writes;
use crate::{decimal, file, print};

pub(super) fn run(args: &[String], now: (i64, u32), zone: Tz) -> Outcome {
    let flags = [TEMPLATE, SKIP, Flag::daemon('d')];
    let options = Options::parse(args, &flags)?;
    let call = Call::of(&options, now, zone)?;
    file::update(call.path, |header, writes| call.apply(header, writes)).map_err(told)?
}

/// `updatev`, which has no `--daemon`.
pub(super) fn verbose(
    args: &[String],
    now: (i64, u32),
    zone: Tz,
    output: &mut dyn Write,
) -> Outcome {
    let options = Options::parse(args, &[TEMPLATE, SKIP])?;
    let call = Call::of(&options, now, zone)?;
    let change = |header: &mut Header, writes: &mut Writes| {
        *writes = Writes::describing_rows();
        let outcome = call.apply(header, writes);
        (outcome, print::rows_written(header, writes.rows()))
    };
    let (outcome, rows) =
        file::update(call.path, change).unwrap_or_else(|error| (Err(told(error)), String::new()));
    let status = if outcome.is_ok() { 0 } else { -1 };
    super::print(output, &format!("return_value = {status}\n{rows}"))?;
    outcome
}

const TEMPLATE: Flag = Flag::value("template", 't');
const SKIP: Flag = Flag::switch("skip-past-updates", 's');

/// One call with all that it was given.
struct Call<'a> {
    path: &'a Path,
    template: Option<&'a str>,
    readings: &'a [&'a str],
    skip_past: bool,
    now: (i64, u32),
    zone: Tz,
}

impl<'a> Call<'a> {
    fn of(options: &'a Options<'a>, now: (i64, u32), zone: Tz) -> Result<Self, String> {
        match options.words.as_slice() {
            [path, readings @ ..] if !readings.is_empty() => Ok(Self {
                path: Path::new(*path),
                template: options.value("template"),
                readings,
                skip_past: options.has("skip-past-updates"),
                now,
                zone,
            }),
            _ => Err("Not enough arguments".to_owned()),
        }
    }

    fn apply(&self, header: &mut Header, writes: &mut Writes) -> Outcome {
        let columns = columns(header, self.template)?;
        header.set_now(self.now.0);
        self.readings
            .iter()
            .try_for_each(|reading| self.apply_one(header, writes, &columns, reading))
            .and_then(|()| header.smooth(writes).map_err(told))
            .map_err(|error| format!("{}: {error}", self.path.display()))
    }

    fn apply_one(
        &self,
        header: &mut Header,
        writes: &mut Writes,
        columns: &[usize],
        reading: &str,
    ) -> Outcome {
        let (time, values) = self.split(reading)?;
        let mut inputs = vec![Input::Unknown; header.inputs().len()];
        let mut found = 0;
        for text in values.split(':') {
            match columns.get(found) {
                Some(&column) => inputs[column] = Input::Text(text.as_bytes()),
                None => return Err(format!("found extra data on update argument: {text}")),
            }
            found += 1;
        }
        if found < columns.len() {
            return Err(format!(
                "expected {} data source readings (got {found}) from {reading}",
                columns.len()
            ));
        }
        match header.update_in_place(time.0, time.1, &inputs, writes) {
            Err(UpdateError::NotLater { .. }) if self.skip_past => Ok(()),
            result => result.map_err(told),
        }
    }

    /// The time of an argument, which may be in words when an `@` ends it, and its values.
    fn split<'r>(&self, reading: &'r str) -> Result<((i64, u32), &'r str), String> {
        if let Some((time, values)) = reading.split_once('@') {
            let seconds = Time::parse(time)
                .and_then(|time| time.alone(self.now.0, self.zone))
                .map_err(|error| format!("ds time: {time}: {error}"))?;
            return Ok(((seconds, 0), values));
        }
        let (time, values) = reading
            .split_once(':')
            .ok_or_else(|| format!("expected timestamp not found in data source from {reading}"))?;
        Ok((moment(time, self.now)?, values))
    }
}

/// Which input each value of an argument is.
fn columns(header: &Header, template: Option<&str>) -> Result<Vec<usize>, String> {
    let Some(template) = template else {
        return Ok((0..header.inputs().len()).collect());
    };
    let find = |name: &str| {
        let mut sources = header.sources().iter();
        let number = sources
            .position(|source| source.name() == name)
            .ok_or_else(|| format!("unknown DS name '{name}'"))?;
        if header.sources()[number].kind == Kind::Compute {
            return Err(format!("DS '{name}' is computed and takes no value"));
        }
        let inputs = header.inputs().iter();
        // The inputs before it.
        Ok(inputs.take_while(|&&source| source < number).count())
    };
    let (named, known) = (template.split(':').count(), header.sources().len());
    if named > known {
        return Err(format!(
            "the template names {named} data sources, the file has {known}"
        ));
    }
    template.split(':').map(find).collect()
}

/// `N`, seconds with decimals, or, when negative, seconds before now.
fn moment(text: &str, now: (i64, u32)) -> Result<(i64, u32), String> {
    if text == "N" {
        return Ok(now);
    }
    let number = decimal::parse(text.as_bytes())
        .ok_or_else(|| format!("error while parsing time - Cannot convert '{text}' to float"))?;
    let number = if number < 0.0 {
        now.0 as f64 + f64::from(now.1) / 1e6 + number
    } else {
        number
    };
    let seconds = number.floor();
    if !(0.0..TIME_MAX as f64).contains(&seconds) {
        return Err(format!("time {text} is out of range"));
    }
    Ok((seconds as i64, ((number - seconds) * 1e6) as u32))
}
