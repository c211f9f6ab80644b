//! `cpu`: how the processors spend their time, from the first line of `/proc/stat`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::{BundledError, Entry, PluginSample, no_instances};

const STAT: &str = "/proc/stat";

pub(super) const ENTRY: Entry = Entry {
    name: "cpu",
    summary: "how the processors spend their time",
    automatic: true,
    config: |request| {
        let text = request.text(STAT)?;
        Ok(vec![declare(request.graph, request.environment, &text)?])
    },
    fetch: |request| read(request.graph, request.environment, &request.text(STAT)?),
    autoconf: |environment| environment.system().autoconf_if_readable(STAT),
    suggest: no_instances,
};

/// A kind of time: where the kernel writes it and how it is drawn.
struct Kind {
    name: &'static str,
    /// Its column behind `cpu`.
    column: usize,
    /// Columns that the kernel must write before it is shown.
    columns_min: usize,
    info: &'static str,
}

#[rustfmt::skip]
const KINDS: [Kind; 9] = [
    Kind { name: "system", column: 2, columns_min: 4, info: "Time in the kernel, working for programs" },
    Kind { name: "user", column: 0, columns_min: 4, info: "Time in programs of normal priority" },
    Kind { name: "nice", column: 1, columns_min: 4, info: "Time in programs of lowered priority (nice)" },
    Kind { name: "idle", column: 3, columns_min: 4, info: "Time with nothing to do" },
    Kind { name: "iowait", column: 4, columns_min: 7, info: "Time with nothing to do but to wait for disks. A busy processor hides it: see the latency of the disks too" },
    Kind { name: "irq", column: 5, columns_min: 7, info: "Time in interrupt handlers" },
    Kind { name: "softirq", column: 6, columns_min: 7, info: "Time in the deferred part of interrupts, such as network packets" },
    Kind { name: "steal", column: 7, columns_min: 8, info: "Time in which this virtual machine wanted to run and its host ran others" },
    Kind { name: "guest", column: 8, columns_min: 9, info: "Time spent running virtual machines; it is contained in user" },
];

fn declare(
    graph: &GraphName,
    environment: &Environment,
    stat: &str,
) -> Result<Declaration, BundledError> {
    let columns = ticks(stat)?.len();
    let processors = processors(stat).max(1);
    let scaled = environment.setting("scaleto100") == Some("yes");
    let limit = if scaled { 100 } else { processors * 100 };
    let order = if columns >= 7 {
        "system user nice idle iowait irq softirq"
    } else {
        "system user nice idle"
    };
    let arguments = format!("--base 1000 -r --lower-limit 0 --upper-limit {limit}");
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "CPU usage"),
            ("graph_order", order),
            ("graph_args", &arguments),
            ("graph_vlabel", "%"),
            ("graph_scale", "no"),
            (
                "graph_info",
                "What the processors do with their time; each processor adds 100 %.",
            ),
            ("graph_category", "system"),
            ("graph_period", "second"),
        ],
    );
    for kind in KINDS.iter().filter(|kind| columns >= kind.columns_min) {
        let draw = if kind.name == "system" {
            "AREA"
        } else {
            "STACK"
        };
        let mut field = draft.field(
            kind.name,
            &[
                ("label", kind.name),
                ("draw", draw),
                ("min", "0"),
                ("type", "DERIVE"),
                ("info", kind.info),
            ],
        )?;
        if is_ignored(environment, kind.name) {
            field = field.set("graph", "no");
        }
        if scaled {
            field = field.set("cdef", &format!("{},{processors},/", kind.name));
        }
        field.limits_of(environment, limit);
    }
    Ok(draft.finish())
}

fn read(
    graph: &GraphName,
    environment: &Environment,
    stat: &str,
) -> Result<Vec<PluginSample>, BundledError> {
    let ticks = ticks(stat)?;
    let hertz = hertz(environment)?;
    KINDS
        .iter()
        .filter(|kind| ticks.len() >= kind.columns_min)
        .map(|kind| {
            let percent = u128::from(ticks[kind.column]) * 100 + u128::from(hertz / 2);
            let percent = u64::try_from(percent / u128::from(hertz)).unwrap_or(u64::MAX);
            sample(graph, kind.name, Reading::Count(percent))
        })
        .collect()
}

/// The columns behind `cpu`, at least four.
fn ticks(stat: &str) -> Result<Vec<u64>, BundledError> {
    let columns = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let ticks: Vec<u64> = columns
        .into_iter()
        .flat_map(str::split_ascii_whitespace)
        .map_while(|column| column.parse().ok())
        .collect();
    if ticks.len() < 4 {
        return Err(BundledError::Form {
            path: STAT,
            expected: "a line 'cpu' with four or more numbers",
        });
    }
    Ok(ticks)
}

fn processors(stat: &str) -> u64 {
    let is_processor = |line: &&str| {
        line.strip_prefix("cpu")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    stat.lines().filter(is_processor).count() as u64
}

/// Ticks a second: 100 on every Linux, whatever its own clock does.
fn hertz(environment: &Environment) -> Result<u64, BundledError> {
    match environment.setting("HZ") {
        None => Ok(100),
        Some(text) => match text.parse() {
            Ok(hertz) if hertz > 0 => Ok(hertz),
            Ok(_) | Err(_) => Err(BundledError::Setting {
                name: "HZ",
                expected: "a whole number of ticks a second",
                found: text.to_owned(),
            }),
        },
    }
}

fn is_ignored(environment: &Environment, field: &str) -> bool {
    environment
        .setting("ignore_fields")
        .is_some_and(|fields| fields.split([' ', ',', '\t']).any(|name| name == field))
}
