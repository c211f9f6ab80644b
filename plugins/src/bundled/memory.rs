//! `memory`: what the machine uses its memory for, from `/proc/meminfo` and the page merger's counters.

use std::collections::BTreeMap;

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::system::System;
use super::{BundledError, Entry, PluginSample, no_instances};

const MEMINFO: &str = "/proc/meminfo";
const KSM: &str = "/sys/kernel/mm/ksm";
/// The kernel counts merged pages in its own page size; Munin's plugin, whose history goes on, takes it for 4096.
const KSM_PAGE_BYTES: u64 = 4096;

pub(super) const ENTRY: Entry = Entry {
    name: "memory",
    summary: "what the memory is used for",
    automatic: true,
    config: |request| {
        let memory = Memory::of(request.system())?;
        Ok(vec![declare(request.graph, request.environment, &memory)?])
    },
    fetch: |request| read(request.graph, &Memory::of(request.system())?),
    autoconf: |environment| environment.system().autoconf_if_readable(MEMINFO),
    suggest: no_instances,
};

/// Bytes by the kernel's names for them.
struct Memory(BTreeMap<String, u64>);

impl Memory {
    fn of(system: &System) -> Result<Self, BundledError> {
        let ksm = |file: &str| system.text_if_there(&format!("{KSM}/{file}"));
        let merged_pages = match ksm("run") {
            Some(run) if run.trim() != "0" => ksm("pages_sharing"),
            Some(_) | None => None,
        };
        Self::parse(&system.text(MEMINFO)?, merged_pages.as_deref())
    }

    fn parse(meminfo: &str, merged_pages: Option<&str>) -> Result<Self, BundledError> {
        let mut bytes: BTreeMap<String, u64> = meminfo.lines().filter_map(kilobytes).collect();
        if let Some(pages) = merged_pages.and_then(|text| text.trim().parse::<u64>().ok()) {
            bytes.insert("KSM".to_owned(), pages.saturating_mul(KSM_PAGE_BYTES));
        }
        if !bytes.contains_key("MemTotal") {
            return Err(BundledError::Form {
                path: MEMINFO,
                expected: "a line 'MemTotal: N kB'",
            });
        }
        Ok(Self(bytes))
    }

    /// Zero for what this kernel does not have.
    fn bytes(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }
}

/// `Name:  N kB` as its name and bytes.
fn kilobytes(line: &str) -> Option<(String, u64)> {
    let (name, rest) = line.split_once(':')?;
    let mut words = rest.split_ascii_whitespace();
    let kilobytes: u64 = words.next()?.parse().ok()?;
    let unit = words.next()?;
    let is_kilobytes = unit.eq_ignore_ascii_case("kb");
    is_kilobytes.then(|| (name.to_owned(), kilobytes.saturating_mul(1024)))
}

/// How a field's bytes come from the kernel's.
enum Source {
    /// As the kernel says; the field is there if the kernel says it.
    Kernel(&'static str),
    /// Everything that has no name of its own.
    Apps,
    /// The page cache without shared memory, which the kernel counts into it.
    Cached,
    /// The swap space in use.
    Swap,
    /// As the kernel says; the field is always there.
    Always(&'static str),
}

struct Field {
    name: &'static str,
    source: Source,
    label: &'static str,
    draw: &'static str,
    colour: &'static str,
    info: &'static str,
}

#[rustfmt::skip]
const FIELDS: [Field; 16] = [
    Field { name: "apps", source: Source::Apps, label: "apps", draw: "AREA", colour: "COLOUR0", info: "Memory of programs: all that none of the others accounts for." },
    Field { name: "buffers", source: Source::Always("Buffers"), label: "buffers", draw: "STACK", colour: "COLOUR5", info: "Cached blocks of block devices, among them what is still to be written." },
    Field { name: "swap", source: Source::Swap, label: "swap", draw: "STACK", colour: "COLOUR7", info: "Swap space in use." },
    Field { name: "cached", source: Source::Cached, label: "cache", draw: "STACK", colour: "COLOUR4", info: "Contents of files kept for the next reader; given up when programs need memory." },
    Field { name: "free", source: Source::Always("MemFree"), label: "unused", draw: "STACK", colour: "COLOUR6", info: "Memory that serves nothing at the moment." },
    Field { name: "shmem", source: Source::Kernel("Shmem"), label: "shmem", draw: "STACK", colour: "COLOUR9", info: "Shared memory and files on tmpfs." },
    Field { name: "slab", source: Source::Kernel("Slab"), label: "slab_cache", draw: "STACK", colour: "COLOUR3", info: "Objects of the kernel, mostly cached inodes and directory entries." },
    Field { name: "swap_cache", source: Source::Kernel("SwapCached"), label: "swap_cache", draw: "STACK", colour: "COLOUR2", info: "Pages that are back in memory and still have their copy in swap." },
    Field { name: "page_tables", source: Source::Kernel("PageTables"), label: "page_tables", draw: "STACK", colour: "COLOUR1", info: "Tables that map addresses of programs to memory." },
    Field { name: "per_cpu", source: Source::Kernel("Percpu"), label: "per_cpu", draw: "STACK", colour: "COLOUR20", info: "Data of the kernel that each processor has a copy of." },
    Field { name: "vmalloc_used", source: Source::Kernel("VmallocUsed"), label: "vmalloc_used", draw: "LINE2", colour: "COLOUR8", info: "Memory that the kernel took by vmalloc." },
    Field { name: "committed", source: Source::Kernel("Committed_AS"), label: "committed", draw: "LINE2", colour: "COLOUR10", info: "Memory promised to programs. More than there is is normal; steady growth may be a leak." },
    Field { name: "mapped", source: Source::Kernel("Mapped"), label: "mapped", draw: "LINE2", colour: "COLOUR11", info: "Files mapped into programs, libraries included." },
    Field { name: "active", source: Source::Kernel("Active"), label: "active", draw: "LINE2", colour: "COLOUR12", info: "Memory used lately, reclaimed last." },
    Field { name: "inactive", source: Source::Kernel("Inactive"), label: "inactive", draw: "LINE2", colour: "COLOUR15", info: "Memory not used lately, reclaimed first." },
    Field { name: "ksm_sharing", source: Source::Kernel("KSM"), label: "KSM sharing", draw: "LINE2", colour: "COLOUR19", info: "Memory saved by merging equal pages." },
];

/// What apps is not, besides free memory.
const NAMED: [&str; 7] = [
    "MemFree",
    "Buffers",
    "Cached",
    "Slab",
    "PageTables",
    "Percpu",
    "SwapCached",
];

impl Field {
    /// The field's bytes; `None` when this kernel does not have it. Sums of what the kernel counts at different moments
    /// may come out below zero.
    fn bytes(&self, memory: &Memory) -> Option<Reading> {
        Some(match self.source {
            Source::Kernel(name) => Reading::Count(*memory.0.get(name)?),
            Source::Always(name) => Reading::Count(memory.bytes(name)),
            Source::Apps => difference(
                memory.bytes("MemTotal"),
                NAMED.map(|name| memory.bytes(name)).iter().sum(),
            ),
            Source::Cached => difference(memory.bytes("Cached"), memory.bytes("Shmem")),
            Source::Swap => difference(memory.bytes("SwapTotal"), memory.bytes("SwapFree")),
        })
    }
}

fn difference(whole: u64, part: u64) -> Reading {
    whole.checked_sub(part).map_or_else(
        || Reading::Number(whole as f64 - part as f64),
        Reading::Count,
    )
}

fn declare(
    graph: &GraphName,
    environment: &Environment,
    memory: &Memory,
) -> Result<Declaration, BundledError> {
    let arguments = format!(
        "--base 1024 -l 0 --upper-limit {}",
        memory.bytes("MemTotal")
    );
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_args", &arguments),
            ("graph_vlabel", "Bytes"),
            ("graph_title", "Memory usage"),
            ("graph_category", "system"),
            (
                "graph_info",
                "What the memory of the machine is used for; the stacked areas add up to all of it and the used swap.",
            ),
            ("graph_order", &order(memory)),
        ],
    );
    for field in FIELDS.iter().filter(|field| field.bytes(memory).is_some()) {
        let draft = draft.field(
            field.name,
            &[
                ("label", field.label),
                ("draw", field.draw),
                ("info", field.info),
                ("colour", field.colour),
            ],
        )?;
        let whole = if field.name == "swap" {
            "SwapTotal"
        } else {
            "MemTotal"
        };
        draft.limits_of(environment, memory.bytes(whole));
    }
    Ok(draft.finish())
}

/// The stack from the bottom up, without what this kernel does not have.
fn order(memory: &Memory) -> String {
    const STACK: [&str; 10] = [
        "apps",
        "page_tables",
        "per_cpu",
        "swap_cache",
        "slab",
        "shmem",
        "cached",
        "buffers",
        "free",
        "swap",
    ];
    let has = |name: &&str| {
        FIELDS
            .iter()
            .any(|field| field.name == *name && field.bytes(memory).is_some())
    };
    STACK.into_iter().filter(has).collect::<Vec<_>>().join(" ")
}

fn read(graph: &GraphName, memory: &Memory) -> Result<Vec<PluginSample>, BundledError> {
    FIELDS
        .iter()
        .filter_map(|field| Some((field.name, field.bytes(memory)?)))
        .map(|(name, bytes)| sample(graph, name, bytes))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_are_what_remains() {
        let text = "MemTotal: 100 kB\nMemFree: 40 kB\nBuffers: 5 kB\nCached: 20 kB\nShmem: 3 kB\nSlab: 10 kB\n";
        let memory = Memory::parse(text, None).unwrap();
        let check = |name: &str, expect: Option<u64>| {
            let field = FIELDS.iter().find(|field| field.name == name).unwrap();
            assert_eq!(
                field.bytes(&memory),
                expect.map(|kb| Reading::Count(kb * 1024)),
                "{name}"
            );
        };
        check("apps", Some(25));
        check("cached", Some(17));
        check("free", Some(40));
        check("swap", Some(0));
        check("per_cpu", None);
        check("ksm_sharing", None);
    }

    #[test]
    fn merged_pages_are_shown_when_there_are_any() {
        let memory = Memory::parse("MemTotal: 1 kB", Some("3\n")).unwrap();
        assert_eq!(memory.bytes("KSM"), 3 * 4096);
    }

    #[test]
    fn sums_that_do_not_add_up_go_below_zero() {
        assert_eq!(difference(1, 3), Reading::Number(-2.0));
    }
}
