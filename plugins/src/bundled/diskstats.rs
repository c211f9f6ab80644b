//! `diskstats`: latency, utilization, throughput and operations of each disk, from `/sys/block/*/stat` or
//! `/proc/diskstats`: four graphs of all disks, and below each one for every disk.
//!
//! What it reads are averages since an earlier run, so it remembers its last ones ([`history`]). The first run, a disk
//! that is new and counters that were set back read unknown. Disks and their names are [`device`]'s part.

mod device;
mod history;

use crate::declaration::Declaration;
use crate::name::{GraphName, NameError};
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::uptime;
use super::{Autoconf, BundledError, Entry, PluginSample, Request, no_instances, state};

use device::{Counters, Device};
use history::History;

const NAME: &str = "diskstats";
const SECTOR_BYTES: f64 = 512.0;

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    summary: "latency, utilization, throughput and operations of disks",
    automatic: true,
    config: |request| {
        let devices = device::devices(request.environment)?;
        declare(request.graph, request.environment, &devices)
    },
    fetch,
    autoconf: |environment| match device::lines(environment.system()) {
        Ok(lines) if lines.is_empty() => Autoconf::No(Some("no disks".to_owned())),
        Ok(_) => Autoconf::Yes,
        Err(error) => Autoconf::No(Some(error.to_string())),
    },
    suggest: no_instances,
};

fn fetch(request: &Request<'_>) -> Result<Vec<PluginSample>, BundledError> {
    let system = request.system();
    let path = state::path(request, NAME)?;
    let now = system.now();
    let devices = device::devices(request.environment)?;
    let up_seconds = uptime::seconds(&request.text(uptime::UPTIME)?)?;
    let mut history = History::load(&path);
    let rates = |device: &Device| {
        let run = history.earlier(now)?;
        let seconds = now.since(run.time).as_secs_f64();
        if up_seconds < seconds {
            return Rates::between(&Counters::default(), &device.counters, up_seconds);
        }
        Rates::between(run.counters.get(&device.name)?, &device.counters, seconds)
    };
    let rates: Vec<Option<Rates>> = devices.iter().map(rates).collect();
    history.add(now, &devices);
    history.save(&path)?;
    read(request.graph, &devices, &rates)
}

/// What a disk did a second, or on average for an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rates {
    reads: f64,
    writes: f64,
    read_bytes: f64,
    written_bytes: f64,
    busy_percent: f64,
    /// Seconds that the disk itself took for an operation.
    service_seconds: f64,
    /// Seconds from the request to its end, time in the queue included.
    wait_seconds: f64,
    read_wait_seconds: f64,
    write_wait_seconds: f64,
    /// Size of an operation in kilobytes of 1000 bytes.
    read_kilobytes: f64,
    write_kilobytes: f64,
}

impl Rates {
    /// `None` when a counter was set back or no time has passed.
    fn between(before: &Counters, after: &Counters, seconds: f64) -> Option<Self> {
        if seconds <= 0.0 {
            return None;
        }
        let Counters {
            reads,
            read_sectors,
            read_ms,
            writes,
            written_sectors,
            write_ms,
            busy_ms,
        } = after.since(before)?;
        let per = |whole: f64, count: f64| if count > 0.0 { whole / count } else { 0.0 };
        let [reads, writes, read_ms, write_ms, busy_ms] =
            [reads, writes, read_ms, write_ms, busy_ms].map(|count| count as f64);
        let read_bytes = read_sectors as f64 * SECTOR_BYTES;
        let written_bytes = written_sectors as f64 * SECTOR_BYTES;
        Some(Self {
            reads: reads / seconds,
            writes: writes / seconds,
            read_bytes: read_bytes / seconds,
            written_bytes: written_bytes / seconds,
            busy_percent: busy_ms / seconds / 10.0,
            service_seconds: per(busy_ms / 1000.0, reads + writes),
            wait_seconds: per((read_ms + write_ms) / 1000.0, reads + writes),
            read_wait_seconds: per(read_ms / 1000.0, reads),
            write_wait_seconds: per(write_ms / 1000.0, writes),
            read_kilobytes: per(read_bytes / 1000.0, reads),
            write_kilobytes: per(written_bytes / 1000.0, writes),
        })
    }
}

/// A field of one disk: of its own graph, and if it has a `suffix` also of the graph of all disks.
struct Field {
    name: &'static str,
    /// The field of the graph of all disks is the disk's name and this.
    suffix: Option<&'static str>,
    label: &'static str,
    attributes: &'static [(&'static str, &'static str)],
    info: &'static str,
    rate: fn(&Rates) -> f64,
}

/// A graph of all disks and the one that each disk has below it.
struct Kind {
    name: &'static str,
    /// Whether disks without times (some virtual ones) are left out.
    needs_times: bool,
    all: &'static [(&'static str, &'static str)],
    title: &'static str,
    one: &'static [(&'static str, &'static str)],
    fields: &'static [Field],
}

const HIDDEN: (&str, &str) = ("graph", "no");
const BUSY_ARGUMENTS: &str = "--base 1000 --lower-limit 0 --upper-limit 100 --rigid";

#[rustfmt::skip]
const KINDS: [Kind; 4] = [
    Kind {
        name: "latency",
        needs_times: true,
        all: &[
            ("graph_title", "Disk latency per device"),
            ("graph_args", "--base 1000"),
            ("graph_vlabel", "Average IO Wait (seconds)"),
            ("graph_info", "How long an operation takes on average, from the request to its end."),
        ],
        title: "Average latency for /dev/",
        one: &[
            ("graph_args", "--base 1000 --logarithmic"),
            ("graph_vlabel", "seconds"),
            ("graph_info", "How long operations take on average. Where the time with the queue is far above the time of the disk itself, the disk has more to do than it can."),
        ],
        fields: &[
            Field { name: "svctm", suffix: None, label: "Device IO time", attributes: &[], info: "What the disk itself takes for an operation, without the queue", rate: |rates| rates.service_seconds },
            Field { name: "avgwait", suffix: Some("avgwait"), label: "IO Wait time", attributes: &[], info: "From the request of an operation to its end, the queue included", rate: |rates| rates.wait_seconds },
            Field { name: "avgrdwait", suffix: None, label: "Read IO Wait time", attributes: &[("warning", "0:3")], info: "From the request of a read to its end, the queue included", rate: |rates| rates.read_wait_seconds },
            Field { name: "avgwrwait", suffix: None, label: "Write IO Wait time", attributes: &[("warning", "0:3")], info: "From the request of a write to its end, the queue included", rate: |rates| rates.write_wait_seconds },
        ],
    },
    Kind {
        name: "utilization",
        needs_times: true,
        all: &[
            ("graph_title", "Utilization per device"),
            ("graph_args", BUSY_ARGUMENTS),
            ("graph_vlabel", "% busy"),
            ("graph_scale", "no"),
            ("graph_info", "For how much of the time a disk had something to do."),
        ],
        title: "Disk utilization for /dev/",
        one: &[
            ("graph_args", BUSY_ARGUMENTS),
            ("graph_vlabel", "% busy"),
            ("graph_scale", "no"),
            ("graph_info", "For how much of the time the disk had something to do."),
        ],
        fields: &[
            Field { name: "util", suffix: Some("util"), label: "Utilization", attributes: &[], info: "Part of the time with an operation under way. At 100 % a single disk is saturated; an array or a solid-state disk may still have room", rate: |rates| rates.busy_percent },
        ],
    },
    Kind {
        name: "throughput",
        needs_times: false,
        all: &[
            ("graph_title", "Throughput per device"),
            ("graph_args", "--base 1024"),
            ("graph_vlabel", "Bytes/${graph_period} read (-) / write (+)"),
            ("graph_info", "Bytes read and written; 1 K is 1024 bytes."),
        ],
        title: "Disk throughput for /dev/",
        one: &[
            ("graph_args", "--base 1024"),
            ("graph_vlabel", "Pr ${graph_period} read (-) / write (+)"),
            ("graph_info", "Bytes read and written; 1 K is 1024 bytes."),
        ],
        fields: &[
            Field { name: "rdbytes", suffix: Some("rdbytes"), label: "Bytes read", attributes: &[HIDDEN], info: "Bytes read", rate: |rates| rates.read_bytes },
            Field { name: "wrbytes", suffix: Some("wrbytes"), label: "Bytes", attributes: &[("negative", "rdbytes")], info: "Bytes written, and below zero bytes read", rate: |rates| rates.written_bytes },
        ],
    },
    Kind {
        name: "iops",
        needs_times: false,
        all: &[
            ("graph_title", "Disk IOs per device"),
            ("graph_args", "--base 1000"),
            ("graph_vlabel", "IOs/${graph_period} read (-) / write (+)"),
            ("graph_info", "Read and write operations."),
        ],
        title: "IOs for /dev/",
        one: &[
            ("graph_args", "--base 1000"),
            ("graph_vlabel", "Units read (-) / write (+)"),
            ("graph_info", "Read and write operations, and their average size in kilobytes of 1000 bytes. Many small ones give little throughput and long waits."),
        ],
        fields: &[
            Field { name: "rdio", suffix: Some("rdio"), label: "Reads/sec", attributes: &[HIDDEN], info: "Read operations", rate: |rates| rates.reads },
            Field { name: "wrio", suffix: Some("wrio"), label: "IO/sec", attributes: &[("negative", "rdio")], info: "Write operations, and below zero reads", rate: |rates| rates.writes },
            Field { name: "avgrdrqsz", suffix: None, label: "Read Size (KB)", attributes: &[HIDDEN], info: "Average size of a read", rate: |rates| rates.read_kilobytes },
            Field { name: "avgwrrqsz", suffix: None, label: "Req Size (KB)", attributes: &[("negative", "avgrdrqsz")], info: "Average size of a write, and below zero of a read, in kilobytes of 1000 bytes", rate: |rates| rates.write_kilobytes },
        ],
    },
];

impl Kind {
    fn graph(&self, plugin: &GraphName) -> Result<GraphName, NameError> {
        GraphName::new(&format!("{plugin}_{}", self.name))
    }

    fn graph_of(&self, plugin: &GraphName, device: &Device) -> Result<GraphName, NameError> {
        GraphName::new(&format!("{plugin}_{}.{}", self.name, device.id))
    }

    fn shows(&self, device: &Device) -> bool {
        !self.needs_times || device.counters.has_times()
    }
}

fn declare(
    plugin: &GraphName,
    environment: &Environment,
    devices: &[Device],
) -> Result<Vec<Declaration>, BundledError> {
    let width = device::graph_width(environment, devices)?.to_string();
    let mut declarations = Vec::new();
    for kind in &KINDS {
        declarations.push(declare_all(kind, plugin, devices, &width)?);
    }
    for device in devices {
        for kind in KINDS.iter().filter(|kind| kind.shows(device)) {
            declarations.push(declare_one(kind, plugin, device)?);
        }
    }
    Ok(declarations)
}

/// The graph with a line for each disk.
fn declare_all(
    kind: &Kind,
    plugin: &GraphName,
    devices: &[Device],
    width: &str,
) -> Result<Declaration, BundledError> {
    let common = [("graph_category", "disk"), ("graph_width", width)];
    let attributes: Vec<_> = kind.all.iter().copied().chain(common).collect();
    let mut draft = Draft::new(&kind.graph(plugin)?, &attributes);
    for device in devices.iter().filter(|device| kind.shows(device)) {
        for field in kind.fields {
            let Some(suffix) = field.suffix else { continue };
            // Where fields are mirrored the legend has two numbers for each and less room for names.
            let label = if kind.needs_times {
                &device.pretty
            } else {
                &device.short
            };
            let name = format!("{}_{suffix}", device.id);
            let mut draft = draft
                .field(
                    &name,
                    &[
                        ("label", label),
                        ("type", "GAUGE"),
                        ("min", "0"),
                        ("draw", "LINE1"),
                    ],
                )?
                .set("info", field.info);
            for (attribute, text) in field.attributes {
                draft = match *attribute {
                    "negative" => draft.set(attribute, &format!("{}_{text}", device.id)),
                    _ => draft.set(attribute, text),
                };
            }
        }
    }
    Ok(draft.finish())
}

/// The graph of one disk.
fn declare_one(
    kind: &Kind,
    plugin: &GraphName,
    device: &Device,
) -> Result<Declaration, BundledError> {
    let title = format!("{}{}", kind.title, device.pretty);
    let common = [("graph_title", title.as_str()), ("graph_category", "disk")];
    let attributes: Vec<_> = common.into_iter().chain(kind.one.iter().copied()).collect();
    let mut draft = Draft::new(&kind.graph_of(plugin, device)?, &attributes);
    for field in kind.fields {
        let mut draft = draft.field(
            field.name,
            &[
                ("label", field.label),
                ("type", "GAUGE"),
                ("info", field.info),
                ("min", "0"),
                ("draw", "LINE1"),
            ],
        )?;
        for (attribute, text) in field.attributes {
            draft = draft.set(attribute, text);
        }
    }
    Ok(draft.finish())
}

/// `rates` belongs to `devices`, one to one.
fn read(
    plugin: &GraphName,
    devices: &[Device],
    rates: &[Option<Rates>],
) -> Result<Vec<PluginSample>, BundledError> {
    let mut samples = Vec::new();
    let reading = |field: &Field, rates: &Option<Rates>| {
        rates.map_or(Reading::Unknown, |rates| {
            Reading::from_f64((field.rate)(&rates))
        })
    };
    for kind in &KINDS {
        let graph = kind.graph(plugin)?;
        for (device, rates) in devices
            .iter()
            .zip(rates)
            .filter(|(device, _)| kind.shows(device))
        {
            for field in kind.fields {
                if let Some(suffix) = field.suffix {
                    let name = format!("{}_{suffix}", device.id);
                    samples.push(sample(&graph, &name, reading(field, rates))?);
                }
            }
        }
    }
    for (device, rates) in devices.iter().zip(rates) {
        for kind in KINDS.iter().filter(|kind| kind.shows(device)) {
            let graph = kind.graph_of(plugin, device)?;
            for field in kind.fields {
                samples.push(sample(&graph, field.name, reading(field, rates))?);
            }
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_are_those_of_the_time_between() {
        let before = Counters::default();
        let after = Counters {
            reads: 100,
            read_sectors: 2000,
            read_ms: 500,
            writes: 300,
            written_sectors: 6000,
            write_ms: 3500,
            busy_ms: 2000,
        };
        let rates = Rates::between(&before, &after, 10.0).unwrap();
        let expect = Rates {
            reads: 10.0,
            writes: 30.0,
            read_bytes: 102_400.0,
            written_bytes: 307_200.0,
            busy_percent: 20.0,
            service_seconds: 0.005,
            wait_seconds: 0.01,
            read_wait_seconds: 0.005,
            write_wait_seconds: 3.5 / 300.0,
            read_kilobytes: 10.24,
            write_kilobytes: 10.24,
        };
        assert_eq!(rates, expect);
    }

    #[test]
    fn an_idle_disk_reads_zero_and_no_time_reads_nothing() {
        let counters = Counters {
            reads: 7,
            ..Counters::default()
        };
        let rates = Rates::between(&counters, &counters, 60.0).unwrap();
        assert_eq!(rates.wait_seconds, 0.0);
        assert_eq!(rates.read_kilobytes, 0.0);
        assert_eq!(Rates::between(&counters, &counters, 0.0), None);
    }
}
