//! `sensors_`: fans, temperatures, voltages and power (`sensors_temp`, ...), from `/sys/class/hwmon`.
//!
//! Munin's plugin numbers what lm-sensors prints; this one what the kernel has, chip by chip, which is the same unless
//! lm-sensors is configured to leave something out.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, FieldDraft, sample};
use super::environment::Environment;
use super::system::System;
use super::{Autoconf, BundledError, Entry, PluginSample, Request};

const CHIPS: &str = "/sys/class/hwmon";

pub(super) const ENTRY: Entry = Entry {
    name: "sensors_",
    summary: "fans, temperatures, voltages or power of the hardware",
    automatic: true,
    config: |request| {
        let kind = kind_of(request)?;
        let sensors = sensors(request.system(), kind);
        Ok(vec![declare(
            request.graph,
            request.environment,
            kind,
            &sensors,
        )?])
    },
    fetch: |request| {
        let kind = kind_of(request)?;
        read(request.graph, kind, &sensors(request.system(), kind))
    },
    autoconf: |environment| {
        if suggest(environment.system()).is_empty() {
            Autoconf::No(Some(format!("no sensor below {CHIPS}")))
        } else {
            Autoconf::Yes
        }
    },
    suggest,
};

/// A kind of sensor.
#[derive(Debug)]
struct Kind {
    /// The instance, and the beginning of the fields' names.
    name: &'static str,
    title: &'static str,
    vlabel: &'static str,
    args: &'static str,
    /// How the kernel's files begin.
    file: &'static str,
    /// What the kernel's numbers are divided by.
    unit: f64,
    limits: fn(FieldDraft<'_>, &Sensor, &Environment),
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "fan",
        title: "Fans",
        vlabel: "RPM",
        args: "--base 1000 -l 0",
        file: "fan",
        unit: 1.0,
        limits: fan_limits,
    },
    Kind {
        name: "temp",
        title: "Temperatures",
        vlabel: "degrees Celsius",
        args: "--base 1000 -l 0",
        file: "temp",
        unit: 1e3,
        limits: temperature_limits,
    },
    Kind {
        name: "volt",
        title: "Voltages",
        vlabel: "Volt",
        args: "--base 1000 --logarithmic",
        file: "in",
        unit: 1e3,
        limits: voltage_limits,
    },
    Kind {
        name: "power",
        title: "Power",
        vlabel: "Watts",
        args: "--base 1000 --logarithmic",
        file: "power",
        unit: 1e6,
        limits: power_limits,
    },
];

/// A sensor as the kernel has it.
#[derive(Debug, Default, PartialEq)]
struct Sensor {
    label: String,
    chip: String,
    value: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    critical: Option<f64>,
}

fn kind_of(request: &Request<'_>) -> Result<&'static Kind, BundledError> {
    let mut kinds = KINDS.iter();
    kinds
        .find(|kind| kind.name == request.instance)
        .ok_or_else(|| BundledError::Ask {
            of: ENTRY.name.to_owned(),
            why: format!(
                "expected fan, temp, volt or power behind the name, found {:?}",
                request.instance
            ),
        })
}

fn suggest(system: &System) -> Vec<String> {
    let kinds = KINDS
        .iter()
        .filter(|kind| !sensors(system, kind).is_empty());
    kinds.map(|kind| kind.name.to_owned()).collect()
}

/// The sensors of a kind, by the numbers of their chips and their own.
fn sensors(system: &System, kind: &Kind) -> Vec<Sensor> {
    let number =
        |name: &str, before: &str| -> Option<u32> { name.strip_prefix(before)?.parse().ok() };
    let mut chips: Vec<u32> = system
        .names(CHIPS)
        .iter()
        .filter_map(|name| number(name, "hwmon"))
        .collect();
    chips.sort_unstable();
    let mut found = Vec::new();
    for chip in chips {
        let folder = format!("{CHIPS}/hwmon{chip}");
        let mut numbers: Vec<u32> = system
            .names(&folder)
            .iter()
            .filter_map(|name| {
                let name = name
                    .strip_suffix("_input")
                    .or(name.strip_suffix("_average"))?;
                number(name, kind.file)
            })
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        found.extend(
            numbers
                .iter()
                .map(|number| sensor(system, kind, &folder, *number)),
        );
    }
    found
}

fn sensor(system: &System, kind: &Kind, folder: &str, number: u32) -> Sensor {
    let name = format!("{}{number}", kind.file);
    let text = |what| system.text_if_there(&format!("{folder}/{name}_{what}"));
    let value = |what| -> Option<f64> {
        let number: f64 = text(what)?.trim().parse().ok()?;
        number.is_finite().then_some(number / kind.unit)
    };
    let label = text("label").map(|label| label.trim().to_owned());
    let chip = system.text_if_there(&format!("{folder}/name"));
    Sensor {
        chip: chip.unwrap_or_default().trim().to_owned(),
        label: label
            .filter(|label| !label.is_empty())
            .unwrap_or(name.clone()),
        value: value("input").or_else(|| value("average")),
        min: value("min"),
        max: value("max"),
        critical: value("crit"),
    }
}

fn declare(
    graph: &GraphName,
    environment: &Environment,
    kind: &Kind,
    sensors: &[Sensor],
) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", kind.title),
            ("graph_vlabel", kind.vlabel),
            ("graph_args", kind.args),
            ("graph_category", "sensors"),
            ("graph_info", "What the sensors of the hardware read."),
        ],
    );
    for (at, sensor) in sensors.iter().enumerate() {
        let name = format!("{}{}", kind.name, at + 1);
        let info = format!("{} of {}", sensor.label, sensor.chip);
        let mut field = draft.field(&name, &[("label", &sensor.label), ("info", &info)])?;
        if environment.setting(&format!("ignore_{name}")).is_some() {
            field = field.set("graph", "no");
        }
        (kind.limits)(field, sensor, environment);
    }
    Ok(draft.finish())
}

fn read(
    graph: &GraphName,
    kind: &Kind,
    sensors: &[Sensor],
) -> Result<Vec<PluginSample>, BundledError> {
    let numbered = sensors.iter().enumerate();
    numbered
        .map(|(at, sensor)| {
            let reading = sensor.value.map_or(Reading::Unknown, Reading::from_f64);
            sample(graph, &format!("{}{}", kind.name, at + 1), reading)
        })
        .collect()
}

/// A setting in percent.
fn percent(environment: &Environment, name: &str, otherwise: f64) -> f64 {
    let set = environment.setting(name).and_then(|text| text.parse().ok());
    set.unwrap_or(otherwise) / 100.0
}

/// A fan that should turn and is near its slowest, or below.
fn fan_limits(field: FieldDraft<'_>, sensor: &Sensor, environment: &Environment) {
    let Some(min) = sensor.min.filter(|min| *min > 0.0) else {
        return field.limits(environment);
    };
    let more = min * (1.0 + percent(environment, "fan_warn_percent", 5.0));
    field.limits_or(
        environment,
        &format!("{}:", more.floor()),
        &format!("{}:", min.floor()),
    );
}

/// Above what the chip calls high, and what it calls critical. Chips that do not know say zero.
fn temperature_limits(field: FieldDraft<'_>, sensor: &Sensor, environment: &Environment) {
    let known = |limit: Option<f64>| limit.filter(|limit| *limit > 0.0);
    match (known(sensor.max), known(sensor.critical)) {
        (Some(high), Some(critical)) => field.limits_or(
            environment,
            &high.min(critical).to_string(),
            &high.max(critical).to_string(),
        ),
        (None, Some(critical)) | (Some(critical), None) => {
            field.critical_or(environment, &critical.to_string());
        }
        (None, None) => field.limits(environment),
    }
}

/// Near the ends of the range, or beyond them.
fn voltage_limits(field: FieldDraft<'_>, sensor: &Sensor, environment: &Environment) {
    let (Some(min), Some(max)) = (sensor.min, sensor.max) else {
        return field.limits(environment);
    };
    if max <= min {
        return field.limits(environment);
    }
    let near = (max - min) * percent(environment, "volt_warn_percent", 20.0);
    field.limits_or(
        environment,
        &format!("{:.2}:{:.2}", min + near, max - near),
        &format!("{min}:{max}"),
    );
}

/// Near what the chip calls critical, or above.
fn power_limits(field: FieldDraft<'_>, sensor: &Sensor, environment: &Environment) {
    let Some(critical) = sensor.critical.filter(|critical| *critical > 0.0) else {
        return field.limits(environment);
    };
    let near = critical * (1.0 - percent(environment, "watt_warn_percent", 20.0));
    field.limits_or(environment, &format!(":{near:.2}"), &format!(":{critical}"));
}
