//! `cpuspeed`: at which frequency each processor runs, from `/sys/devices/system/cpu`.
//!
//! Where the kernel counts how long each frequency was on, their mean; else the frequency at the moment.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::system::System;
use super::{Autoconf, BundledError, Entry, PluginSample, no_instances};

const FOLDER: &str = "/sys/devices/system/cpu";

pub(super) const ENTRY: Entry = Entry {
    name: "cpuspeed",
    summary: "frequency of each processor",
    automatic: true,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| read(request.graph, request.system()),
    autoconf: |environment| match Source::of(environment.system()) {
        Some(_) => Autoconf::Yes,
        None => Autoconf::No(Some("the kernel does not say a frequency".to_owned())),
    },
    suggest: no_instances,
};

/// Where frequencies come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// `stats/time_in_state`: lines of kHz and hundredths of a second.
    Times,
    /// `scaling_cur_freq`: kHz.
    Moment,
}

impl Source {
    fn of(system: &System) -> Option<Self> {
        let is_there = |file| system.text_if_there(&file_of(0, file)).is_some();
        if is_there("stats/time_in_state") {
            Some(Self::Times)
        } else {
            is_there("scaling_cur_freq").then_some(Self::Moment)
        }
    }
}

fn file_of(processor: u32, file: &str) -> String {
    format!("{FOLDER}/cpu{processor}/cpufreq/{file}")
}

fn processors(system: &System) -> Vec<u32> {
    let names = system.names(FOLDER).into_iter();
    let mut numbers: Vec<u32> = names
        .filter_map(|name| name.strip_prefix("cpu")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

fn declare(graph: &GraphName, environment: &Environment) -> Result<Declaration, BundledError> {
    let system = environment.system();
    let percent = environment.setting("scaleto100") == Some("yes");
    let (kind, info) = match Source::of(system) {
        Some(Source::Times) | None => (
            "DERIVE",
            "The mean frequency of each processor since the last reading.",
        ),
        Some(Source::Moment) => (
            "GAUGE",
            "The frequency of each processor at the moment of reading; its driver keeps no mean.",
        ),
    };
    let mut attributes = vec![
        ("graph_title", "CPU frequency scaling"),
        ("graph_args", "--base 1000"),
        ("graph_category", "system"),
        ("graph_vlabel", if percent { "%" } else { "Hz" }),
        ("graph_info", info),
    ];
    if percent {
        attributes.push(("graph_scale", "no"));
    }
    let mut draft = Draft::new(graph, &attributes);
    for processor in processors(system) {
        let name = format!("cpu{processor}");
        let label = format!("CPU {processor}");
        let mut field = draft.field(&name, &[("label", &label), ("type", kind), ("info", info)])?;
        let limit = |file| -> Option<u64> {
            let text = system.text_if_there(&file_of(processor, file))?;
            text.trim().parse().ok()
        };
        if let Some(most) = limit("cpuinfo_max_freq") {
            // A tenth more, because readings are not exactly a step apart.
            let most = most.saturating_add(most / 10);
            let cdef = if percent {
                format!("{name},1000,*,{most},/")
            } else {
                format!("{name},1000,*")
            };
            field = field.set("max", &most.to_string()).set("cdef", &cdef);
        }
        if let Some(least) = limit("cpuinfo_min_freq") {
            field = field.set("min", &least.to_string());
        }
        field.limits(environment);
    }
    Ok(draft.finish())
}

fn read(graph: &GraphName, system: &System) -> Result<Vec<PluginSample>, BundledError> {
    let source = Source::of(system);
    processors(system)
        .into_iter()
        .map(|processor| {
            let text = |file| system.text_if_there(&file_of(processor, file));
            let reading = match source {
                Some(Source::Times) => text("stats/time_in_state").map(|text| cycles(&text)),
                Some(Source::Moment) => {
                    text("scaling_cur_freq").and_then(|text| Reading::parse(text.trim()))
                }
                None => None,
            };
            let name = format!("cpu{processor}");
            sample(graph, &name, reading.unwrap_or(Reading::Unknown))
        })
        .collect()
}

/// Thousands of cycles since the processor was started: kHz times seconds, over all frequencies.
fn cycles(times: &str) -> Reading {
    let products = times.lines().filter_map(|line| {
        let (frequency, hundredths) = line.trim().split_once(' ')?;
        let frequency: u64 = frequency.parse().ok()?;
        frequency.checked_mul(hundredths.trim().parse().ok()?)
    });
    let sum = products.fold(0u64, u64::saturating_add);
    Reading::Count(sum.saturating_add(50) / 100)
}
