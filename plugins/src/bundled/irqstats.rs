//! `irqstats`: interrupts by line and device, from `/proc/interrupts`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, field_of, sample};
use super::environment::Environment;
use super::{BundledError, Entry, PluginSample, no_instances};

const INTERRUPTS: &str = "/proc/interrupts";
/// Longer descriptions make way for the line's name.
const LABEL_CHARACTERS_MAX: usize = 47;

pub(super) const ENTRY: Entry = Entry {
    name: "irqstats",
    summary: "interrupts by line and device",
    automatic: true,
    config: |request| {
        let lines = parse(&request.text(INTERRUPTS)?)?;
        Ok(vec![declare(request.graph, request.environment, &lines)?])
    },
    fetch: |request| {
        parse(&request.text(INTERRUPTS)?)?
            .iter()
            .map(|line| sample(request.graph, &line.field(), Reading::Count(line.count)))
            .collect::<Result<Vec<PluginSample>, BundledError>>()
    },
    autoconf: |environment| environment.system().autoconf_if_readable(INTERRUPTS),
    suggest: no_instances,
};

/// A line of the table.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    /// A number, or the kernel's abbreviation.
    name: String,
    /// Interrupts on all processors together.
    count: u64,
    /// The devices, or what the abbreviation stands for; may be empty.
    about: String,
}

impl Line {
    fn field(&self) -> String {
        field_of(&format!("i{}", self.name))
    }

    fn label(&self) -> &str {
        if self.about.is_empty() || self.about.chars().count() > LABEL_CHARACTERS_MAX {
            &self.name
        } else {
            &self.about
        }
    }
}

/// The table: a heading with a word for each processor, then `NAME: COUNT... DESCRIPTION`.
fn parse(interrupts: &str) -> Result<Vec<Line>, BundledError> {
    let mut lines = interrupts.lines();
    let processors = lines
        .next()
        .map_or(0, |heading| heading.split_ascii_whitespace().count());
    if processors == 0 {
        return Err(BundledError::Form {
            path: INTERRUPTS,
            expected: "a heading with the processors",
        });
    }
    Ok(lines
        .filter_map(|line| parse_line(line, processors))
        .collect())
}

fn parse_line(line: &str, processors: usize) -> Option<Line> {
    let (name, rest) = line.split_once(':')?;
    let name = name.trim();
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let counts: Vec<u64> = words
        .iter()
        .take(processors)
        .map_while(|word| word.parse().ok())
        .collect();
    let is_number = name.bytes().all(|b| b.is_ascii_digit());
    let about = &words[counts.len()..];
    (!name.is_empty()).then(|| Line {
        name: name.to_owned(),
        count: counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count)),
        about: if is_number {
            devices(name, about)
        } else {
            about.join(" ")
        },
    })
}

/// The devices of a numbered line, whose description is `CHIP [HARDWARE-NUMBER] [Level|Edge] DEVICES`. The number of the
/// hardware is kept where it is another than the line's.
fn devices(name: &str, description: &[&str]) -> String {
    let mut words = description;
    let is_number = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
    if let [chip, rest @ ..] = words {
        words = rest;
        if let ("MPIC", ["1" | "2", rest @ ..]) = (*chip, words) {
            words = rest;
        }
    }
    let mut hardware = None;
    if let [number, rest @ ..] = words
        && is_number(number)
        && !rest.is_empty()
    {
        hardware = (*number != name).then_some(*number);
        words = rest;
    }
    if let ["Level" | "Edge", rest @ ..] = words {
        words = rest;
    }
    match hardware {
        Some(number) => format!("{} [{number}]", words.join(" ")),
        None => words.join(" "),
    }
}

fn declare(
    graph: &GraphName,
    environment: &Environment,
    lines: &[Line],
) -> Result<Declaration, BundledError> {
    let order = lines.iter().map(Line::field).collect::<Vec<_>>().join(" ");
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Individual interrupts"),
            ("graph_args", "--base 1000 --logarithmic"),
            ("graph_vlabel", "interrupts / ${graph_period}"),
            ("graph_category", "system"),
            (
                "graph_info",
                "Interrupts by line. Disks and networks at work raise theirs; a line that rises while nothing else does points to its hardware or driver.",
            ),
            ("graph_order", &order),
        ],
    );
    for line in lines {
        let mut field = draft.field(
            &line.field(),
            &[("label", line.label()), ("type", "DERIVE"), ("min", "0")],
        )?;
        if let Some(info) = info(line) {
            field = field.set("info", &info);
        }
        field.limits(environment);
    }
    Ok(draft.finish())
}

fn info(line: &Line) -> Option<String> {
    Some(match (line.name.as_str(), line.about.as_str()) {
        ("NMI", _) => {
            "Non-maskable interrupts: often of the performance counters, else of failing hardware"
                .to_owned()
        }
        ("LOC", _) => "Timer interrupts of each processor; they follow how busy it is".to_owned(),
        (_, "") => return None,
        (name, about) => format!("Interrupt {name}: {about}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_of_all_machines_are_understood() {
        let check = |line: &str, expect: (&str, u64, &str)| {
            let found = parse_line(line, 2).unwrap();
            assert_eq!(
                (found.name.as_str(), found.count, found.about.as_str()),
                expect,
                "{line}"
            );
        };
        check(
            " 24:    1    0  IO-APIC   5-edge      ACPI:Ged",
            ("24", 1, "5-edge ACPI:Ged"),
        );
        check(
            "LOC: 53377 59234   Local timer interrupts",
            ("LOC", 112_611, "Local timer interrupts"),
        );
        check("ERR:          0", ("ERR", 0, ""));
        check(
            " 11:  5  6     GICv2  30 Level     arch_timer",
            ("11", 11, "arch_timer [30]"),
        );
        check(
            " 30:  5  6     GICv2  30 Edge     eth0, eth1",
            ("30", 11, "eth0, eth1"),
        );
        check("  3:  5  6  MPIC 1 Edge i2c", ("3", 11, "i2c"));
        check(
            "IPI0:  10  20  Rescheduling interrupts",
            ("IPI0", 30, "Rescheduling interrupts"),
        );
    }

    #[test]
    fn fields_keep_munins_names() {
        let text = "  CPU0 CPU1\n 24: 1 0 IO-APIC 5-edge x\nNMI: 0 0 Non-maskable interrupts\n\n";
        let fields: Vec<String> = parse(text).unwrap().iter().map(Line::field).collect();
        assert_eq!(fields, ["i24", "iNMI"]);
    }

    #[test]
    fn a_long_description_makes_way_for_the_number() {
        let line = Line {
            name: "9".into(),
            count: 0,
            about: "x".repeat(48),
        };
        assert_eq!(line.label(), "9");
    }
}
