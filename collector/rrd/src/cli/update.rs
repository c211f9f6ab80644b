//! `update FILE [-t NAMES] [-s] TIME:VALUE…`. Arguments before a bad one stay applied, those behind it are not; of the bad
//! one the file keeps the texts of the values that were good, as rrdtool's does.

use std::path::Path;

use chrono_tz::Tz;

use super::options::{Flag, Options};
use super::{Outcome, told};
use crate::at::Time;
use crate::header::{Header, TIME_MAX};
use crate::update::{Input, UpdateError};
use crate::writes::Writes;
use crate::{decimal, file};

pub(super) fn run(args: &[String], now: (i64, u32), zone: Tz) -> Outcome {
    let flags = [
        Flag::value("template", 't'),
        Flag::switch("skip-past-updates", 's'),
    ];
    let options = Options::parse(args, &flags)?;
    let Some((path, readings)) = options
        .words
        .split_first()
        .filter(|(_, readings)| !readings.is_empty())
    else {
        return Err("Not enough arguments".to_owned());
    };
    let skip = options.has("skip-past-updates");
    let change = |header: &mut Header, writes: &mut Writes| {
        let columns = columns(header, options.value("template"))?;
        header.set_now(now.0);
        readings
            .iter()
            .try_for_each(|reading| apply(header, writes, &columns, reading, (now, zone), skip))
            .and_then(|()| header.smooth(writes).map_err(told))
            .map_err(|error| format!("{path}: {error}"))
    };
    file::update(Path::new(path), change).map_err(told)?
}

/// Which input each value of an argument is.
fn columns(header: &Header, template: Option<&str>) -> Result<Vec<usize>, String> {
    let Some(template) = template else {
        return Ok((0..header.inputs().len()).collect());
    };
    let find = |name: &str| {
        let place = header
            .inputs()
            .iter()
            .position(|&source| header.sources()[source].name() == name);
        place.ok_or_else(|| format!("unknown DS name '{name}'"))
    };
    template.split(':').map(find).collect()
}

fn apply(
    header: &mut Header,
    writes: &mut Writes,
    columns: &[usize],
    reading: &str,
    (now, zone): ((i64, u32), Tz),
    skip_past: bool,
) -> Outcome {
    let (time, values) = if let Some((time, values)) = reading.split_once('@') {
        (
            Time::parse(time)
                .and_then(|time| time.alone(now.0, zone))
                .map(|seconds| (seconds, 0))
                .map_err(told)?,
            values,
        )
    } else {
        let parts = reading.split_once(':');
        let (time, values) = parts
            .ok_or_else(|| format!("expected timestamp not found in data source from {reading}"))?;
        (moment(time, now)?, values)
    };
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
        Err(UpdateError::NotLater { .. }) if skip_past => Ok(()),
        result => result.map_err(told),
    }
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
