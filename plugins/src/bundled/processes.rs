//! `processes`: how many processes are in which state, from `/proc/PID/stat`. Also the parser of that file, which
//! `threads` and `proc_pri` use.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::{BundledError, Entry, PluginSample, always, no_instances};

pub(super) const ENTRY: Entry = Entry {
    name: "processes",
    summary: "number of processes by state",
    automatic: true,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| read(request.graph, &request.system().processes()),
    autoconf: always,
    suggest: no_instances,
};

/// What `/proc/PID/stat` says of a process, as far as plugins ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// The kernel's letter for its state.
    pub(super) state: char,
    /// -20, the most favoured, to 19.
    pub(super) nice: i32,
    pub(super) threads: u64,
    /// Whether it has memory of its own: threads of the kernel, and what has ended, have none.
    pub(super) has_memory: bool,
}

impl Process {
    /// Parses `PID (NAME) STATE ...`; the name may hold anything, parentheses too.
    pub(super) fn parse(stat: &str) -> Option<Self> {
        let (pid, _) = stat.split_once(' ')?;
        let (_, rest) = stat.rsplit_once(')')?;
        let mut columns = rest.split_ascii_whitespace();
        Some(Self {
            pid: pid.parse().ok()?,
            state: columns.next()?.chars().next()?,
            nice: columns.nth(15)?.parse().ok()?,
            threads: columns.next()?.parse().ok()?,
            has_memory: columns.nth(2)? != "0",
        })
    }
}

struct State {
    field: &'static str,
    /// The kernel's letters for it; empty for the sum of all.
    letters: &'static [char],
    label: &'static str,
    draw: &'static str,
    colour: &'static str,
    info: &'static str,
}

#[rustfmt::skip]
const STATES: [State; 9] = [
    State { field: "dead", letters: &['X', 'x'], label: "dead", draw: "STACK", colour: "ff0000", info: "Processes that are just vanishing." },
    State { field: "paging", letters: &['W'], label: "paging", draw: "STACK", colour: "00aaaa", info: "Processes waiting for their pages; kernels since 2.6 do not say so any more." },
    State { field: "idle", letters: &['I'], label: "idle", draw: "STACK", colour: "4169e1", info: "Threads of the kernel with nothing to do." },
    State { field: "sleeping", letters: &['S'], label: "sleeping", draw: "AREA", colour: "0022ff", info: "Processes waiting for something to happen." },
    State { field: "uninterruptible", letters: &['D'], label: "uninterruptible", draw: "STACK", colour: "ffa500", info: "Processes that cannot be woken before what they wait for, mostly a disk, has answered." },
    State { field: "stopped", letters: &['T', 't'], label: "stopped", draw: "STACK", colour: "cc0000", info: "Processes stopped by a signal or held by a debugger." },
    State { field: "runnable", letters: &['R'], label: "runnable", draw: "STACK", colour: "22ff22", info: "Processes that run or wait for a processor." },
    State { field: "zombie", letters: &['Z'], label: "zombie", draw: "STACK", colour: "990000", info: "Processes that have ended and whose parent has not asked for their result." },
    State { field: "processes", letters: &[], label: "total", draw: "LINE1", colour: "c0c0c0", info: "All processes." },
];

fn declare(graph: &GraphName, environment: &Environment) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Processes"),
            (
                "graph_info",
                "How many processes there are, and in which state.",
            ),
            ("graph_category", "processes"),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_vlabel", "Number of processes"),
            (
                "graph_order",
                "sleeping idle stopped zombie dead paging uninterruptible runnable processes",
            ),
        ],
    );
    for state in &STATES {
        draft
            .field(
                state.field,
                &[
                    ("label", state.label),
                    ("draw", state.draw),
                    ("colour", state.colour),
                    ("info", state.info),
                ],
            )?
            .limits(environment);
    }
    Ok(draft.finish())
}

fn read(graph: &GraphName, processes: &[Process]) -> Result<Vec<PluginSample>, BundledError> {
    STATES
        .iter()
        .map(|state| {
            let counts = |process: &&Process| {
                state.letters.is_empty() || state.letters.contains(&process.state)
            };
            let count = processes.iter().filter(counts).count() as u64;
            sample(graph, state.field, Reading::Count(count))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASH: &str =
        "812 (bash) S 811 812 812 34816 917 4194304 2 0 0 0 1 0 0 0 20 -5 3 0 41 4 5";

    #[test]
    fn names_of_processes_cannot_mislead() {
        let expect = Process {
            pid: 812,
            state: 'S',
            nice: -5,
            threads: 3,
            has_memory: true,
        };
        for name in ["(bash)", "(a) R 1 (b)", "( )", "(\n)"] {
            let stat = BASH.replace("(bash)", name);
            assert_eq!(Process::parse(&stat), Some(expect), "{stat}");
        }
        for text in ["", "812 (bash)", "812 bash S", "812 (bash) S 1 2"] {
            assert_eq!(Process::parse(text), None, "{text}");
        }
    }

    #[test]
    fn traced_processes_count_as_stopped() {
        let graph = GraphName::new("processes").unwrap();
        let processes: Vec<Process> = ["S", "t", "T", "P", "R"]
            .iter()
            .filter_map(|state| Process::parse(&BASH.replace(") S ", &format!(") {state} "))))
            .collect();
        let samples = read(&graph, &processes).unwrap();
        let check = |field: &str, expect: u64| {
            let found = samples
                .iter()
                .find(|one| one.field.as_str() == field)
                .unwrap();
            assert_eq!(found.reading, Reading::Count(expect), "{field}");
        };
        check("stopped", 2);
        check("sleeping", 1);
        check("processes", 5);
    }
}
