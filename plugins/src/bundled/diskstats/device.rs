//! Disks, their names and their counters.

use std::collections::BTreeMap;

use crate::bundled::BundledError;
use crate::bundled::draft::field_of;
use crate::bundled::environment::Environment;
use crate::bundled::system::System;

const BLOCK: &str = "/sys/block";
const DISKSTATS: &str = "/proc/diskstats";

/// A disk that has been used since boot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Device {
    /// The kernel's name.
    pub(super) name: String,
    /// A logical volume's or mapping's own name, which outlives the kernel's `dm-7`; else the kernel's.
    pub(super) pretty: String,
    /// The last part of it.
    pub(super) short: String,
    /// What fields and graphs are called after.
    pub(super) id: String,
    pub(super) counters: Counters,
}

/// What the kernel counts of a disk since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) reads: u64,
    pub(super) read_sectors: u64,
    pub(super) read_ms: u64,
    pub(super) writes: u64,
    pub(super) written_sectors: u64,
    pub(super) write_ms: u64,
    pub(super) busy_ms: u64,
}

impl Counters {
    /// Parses the columns of `/sys/block/DISK/stat`, of which newer kernels have more than the eleven read here.
    fn parse(columns: &str) -> Option<Self> {
        let columns: Vec<u64> = columns
            .split_ascii_whitespace()
            .map_while(|column| column.parse().ok())
            .collect();
        let [
            reads,
            _,
            read_sectors,
            read_ms,
            writes,
            _,
            written_sectors,
            write_ms,
            _,
            busy_ms,
            _,
            ..,
        ] = columns[..]
        else {
            return None;
        };
        Some(Self {
            reads,
            read_sectors,
            read_ms,
            writes,
            written_sectors,
            write_ms,
            busy_ms,
        })
    }

    pub(super) fn to_array(self) -> [u64; 7] {
        let Self {
            reads,
            read_sectors,
            read_ms,
            writes,
            written_sectors,
            write_ms,
            busy_ms,
        } = self;
        [
            reads,
            read_sectors,
            read_ms,
            writes,
            written_sectors,
            write_ms,
            busy_ms,
        ]
    }

    pub(super) fn from_array(counts: [u64; 7]) -> Self {
        let [
            reads,
            read_sectors,
            read_ms,
            writes,
            written_sectors,
            write_ms,
            busy_ms,
        ] = counts;
        Self {
            reads,
            read_sectors,
            read_ms,
            writes,
            written_sectors,
            write_ms,
            busy_ms,
        }
    }

    /// What was counted since `before`; `None` when a counter was set back.
    pub(super) fn since(&self, before: &Self) -> Option<Self> {
        let mut differences = self.to_array();
        for (after, before) in differences.iter_mut().zip(before.to_array()) {
            *after = counted(before, *after)?;
        }
        Some(Self::from_array(differences))
    }

    fn is_used(&self) -> bool {
        self.reads > 0 || self.writes > 0
    }

    /// Whether the disk says how long its operations take.
    pub(super) fn has_times(&self) -> bool {
        self.read_ms > 0 || self.write_ms > 0
    }
}

/// The difference of a counter, of which some have 32 bits: one that falls from their upper half into the lower has
/// wrapped, any other that falls was set back.
fn counted(before: u64, after: u64) -> Option<u64> {
    const WRAP: u64 = 1 << 32;
    if after >= before {
        return Some(after - before);
    }
    let wrapped = (WRAP / 2..WRAP).contains(&before) && after < WRAP / 2;
    wrapped.then(|| after + WRAP - before)
}

/// The disks that are shown, those of the device mapper last.
pub(super) fn devices(environment: &Environment) -> Result<Vec<Device>, BundledError> {
    let system = environment.system();
    let used = lines(system)?
        .into_iter()
        .filter_map(|(name, columns)| Some((name, Counters::parse(&columns)?)))
        .filter(|(_, counters)| counters.is_used());
    let without_partitions = whole_disks(used.collect());
    let mut devices: Vec<Device> = without_partitions
        .into_iter()
        .map(|(name, counters)| {
            let pretty = mapped_name(system, &name).unwrap_or_else(|| name.clone());
            device(environment, name, &pretty, counters)
        })
        .collect::<Result<_, _>>()?;
    let filter = Filter::of(environment)?;
    devices.retain(|device| filter.shows(device));
    devices.sort_by_key(|device| (device.name.starts_with("dm-"), device.name.clone()));
    Ok(devices)
}

fn device(
    environment: &Environment,
    name: String,
    pretty: &str,
    counters: Counters,
) -> Result<Device, BundledError> {
    let short = pretty.rsplit('/').next().unwrap_or(pretty);
    let trim = environment.setting("trim_labels").is_some();
    let width = base_width(environment)?;
    let trimmed = |text: &str, numbers| {
        if trim {
            trim_label(text, width, numbers)
        } else {
            text.to_owned()
        }
    };
    Ok(Device {
        id: field_of(pretty),
        short: trimmed(short, MIRRORED),
        pretty: trimmed(pretty, PLAIN),
        name,
        counters,
    })
}

/// Each disk's name and the columns of its counters; partitions are among them where there is no `/sys`.
pub(super) fn lines(system: &System) -> Result<Vec<(String, String)>, BundledError> {
    let disks = system.names(BLOCK);
    let lines: Vec<(String, String)> = disks
        .into_iter()
        .filter_map(|disk| {
            Some((
                disk.replace('!', "/"),
                system.text_if_there(&format!("{BLOCK}/{disk}/stat"))?,
            ))
        })
        .collect();
    if !lines.is_empty() {
        return Ok(lines);
    }
    let text = system.text(DISKSTATS)?;
    Ok(text.lines().filter_map(parse_diskstats_line).collect())
}

/// `MAJOR MINOR NAME COLUMNS...`
fn parse_diskstats_line(line: &str) -> Option<(String, String)> {
    let mut columns = line.split_ascii_whitespace().skip(2);
    let name = columns.next()?.to_owned();
    Some((name, columns.collect::<Vec<_>>().join(" ")))
}

/// Leaves partitions out: `sda1` beside `sda`, `c0d0p1` beside `c0d0`; not `dm-10` beside `dm-1`.
fn whole_disks(mut disks: Vec<(String, Counters)>) -> Vec<(String, Counters)> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_partition = |name: &str, disk: &str| {
        let Some(rest) = name.strip_prefix(disk) else {
            return false;
        };
        let numbered = disk.ends_with(|c: char| c.is_ascii_digit());
        rest.strip_prefix('p').is_some_and(is_number) || (!numbered && is_number(rest))
    };
    disks.sort_by_key(|(name, _)| name.len());
    let mut whole: Vec<(String, Counters)> = Vec::new();
    for (name, counters) in disks {
        if !whole.iter().any(|(disk, _)| is_partition(&name, disk)) {
            whole.push((name, counters));
        }
    }
    whole
}

/// The name of a mapping behind `dm-7`: `GROUP/VOLUME` for a logical volume, else `mapper/NAME`.
fn mapped_name(system: &System, name: &str) -> Option<String> {
    if !name.starts_with("dm-") {
        return None;
    }
    let mapping = system.text_if_there(&format!("{BLOCK}/{name}/dm/name"))?;
    let mapping = mapping.trim();
    let volume =
        volume_of_mapping(mapping).filter(|volume| system.exists(&format!("/dev/{volume}")));
    let mapper = format!("mapper/{mapping}");
    volume.or_else(|| system.exists(&format!("/dev/{mapper}")).then_some(mapper))
}

/// A logical volume's mapping joins its group and itself by `-` and doubles every `-` within them.
fn volume_of_mapping(mapping: &str) -> Option<String> {
    let bytes = mapping.as_bytes();
    let is_dash = |at: usize| bytes.get(at) == Some(&b'-');
    let single =
        (1..bytes.len()).find(|&at| is_dash(at) && !is_dash(at - 1) && !is_dash(at + 1))?;
    let (group, volume) = (&mapping[..single], &mapping[single + 1..]);
    Some(format!(
        "{}/{}",
        group.replace("--", "-"),
        volume.replace("--", "-")
    ))
}

/// `env.include_only` or `env.exclude`: parts of names, separated by commas.
enum Filter {
    All,
    Only(Vec<String>),
    Without(Vec<String>),
}

impl Filter {
    fn of(environment: &Environment) -> Result<Self, BundledError> {
        let parts = |text: &str| {
            let parts = text
                .split(',')
                .map(|part| part.trim().trim_start_matches("/dev/").to_owned());
            parts.filter(|part| !part.is_empty()).collect()
        };
        match (
            environment.setting("include_only"),
            environment.setting("exclude"),
        ) {
            (None, None) => Ok(Self::All),
            (Some(only), None) => Ok(Self::Only(parts(only))),
            (None, Some(without)) => Ok(Self::Without(parts(without))),
            (Some(_), Some(without)) => Err(BundledError::Setting {
                name: "exclude",
                expected: "nothing beside env.include_only",
                found: without.to_owned(),
            }),
        }
    }

    fn shows(&self, device: &Device) -> bool {
        let meets = |parts: &[String]| {
            parts
                .iter()
                .any(|part| device.name.contains(part) || device.pretty.contains(part))
        };
        match self {
            Self::All => true,
            Self::Only(parts) => meets(parts),
            Self::Without(parts) => !meets(parts),
        }
    }
}

/// Characters of four numbers in a legend row.
const PLAIN: usize = 32;
/// Characters of four pairs of numbers, where fields are mirrored.
const MIRRORED: usize = 64;
const PADDING: usize = 10;
const CHARACTER_PIXELS: usize = 6;
const BORDER_PIXELS: usize = 97;

fn base_width(environment: &Environment) -> Result<usize, BundledError> {
    match environment.setting("graph_width") {
        None => Ok(400),
        Some(text) => text.parse().map_err(|_| BundledError::Setting {
            name: "graph_width",
            expected: "a whole number of pixels",
            found: text.to_owned(),
        }),
    }
}

/// The width at which no name breaks the rows of the legend: that asked for, made wider in steps of 50.
pub(super) fn graph_width(
    environment: &Environment,
    devices: &[Device],
) -> Result<usize, BundledError> {
    let base = base_width(environment)?;
    if environment.setting("trim_labels").is_some() {
        return Ok(base);
    }
    let wide = |name: &str, numbers| {
        CHARACTER_PIXELS * (PADDING + numbers + name.chars().count()) - BORDER_PIXELS
    };
    let widths = devices
        .iter()
        .map(|device| wide(&device.short, MIRRORED).max(wide(&device.pretty, PLAIN)));
    let missing = widths.max().unwrap_or(0).saturating_sub(base);
    Ok(base + missing.div_ceil(50) * 50)
}

/// Cuts a name at its beginning so that a legend row stays one row.
fn trim_label(name: &str, width: usize, numbers: usize) -> String {
    let room = ((width + BORDER_PIXELS) / CHARACTER_PIXELS).saturating_sub(PADDING + numbers);
    let length = name.chars().count();
    if length <= room {
        return name.to_owned();
    }
    let kept = room.saturating_sub(2);
    "..".chars()
        .chain(name.chars().skip(length - kept))
        .collect()
}

/// Counters by the kernel's name.
pub(super) fn by_name(devices: &[Device]) -> BTreeMap<String, Counters> {
    devices
        .iter()
        .map(|device| (device.name.clone(), device.counters))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Device {
        device(
            &Environment::default(),
            name.to_owned(),
            name,
            Counters::default(),
        )
        .unwrap()
    }

    #[test]
    fn columns_of_every_kernel_are_read() {
        let expect = Counters {
            reads: 42_321,
            read_sectors: 5_634_362,
            read_ms: 26_084,
            writes: 14_725,
            written_sectors: 19_898_744,
            write_ms: 74_262,
            busy_ms: 11_660,
        };
        let old = "42321 8216 5634362 26084 14725 60590 19898744 74262 0 11660 101000";
        for text in [old.to_owned(), format!("{old} 7146 66 432736 620 922 33")] {
            assert_eq!(Counters::parse(&text), Some(expect));
        }
        assert_eq!(Counters::parse("42321 8216 5634362"), None);
        let (name, columns) = parse_diskstats_line(&format!(" 254       0 vda {old}")).unwrap();
        assert_eq!(
            (name.as_str(), Counters::parse(&columns)),
            ("vda", Some(expect))
        );
    }

    #[test]
    fn a_counter_that_wraps_goes_on_and_one_set_back_does_not() {
        let check = |before: u64, after: u64, expect: Option<u64>| {
            assert_eq!(counted(before, after), expect, "{before} -> {after}");
        };
        check(5, 7, Some(2));
        check((1 << 32) - 5, 10, Some(15));
        check(1000, 10, None);
        check(1 << 40, 10, None);
    }

    #[test]
    fn partitions_are_left_out_and_like_names_are_not() {
        let names = [
            "sda1",
            "sda",
            "sdaa",
            "c0d0p1",
            "c0d0",
            "dm-1",
            "dm-10",
            "nvme0n1",
            "nvme0n1p2",
            "mmcblk0boot0",
            "mmcblk0",
        ];
        let disks = names
            .map(|name| (name.to_owned(), Counters::default()))
            .to_vec();
        let mut whole: Vec<String> = whole_disks(disks)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        whole.sort();
        assert_eq!(
            whole,
            [
                "c0d0",
                "dm-1",
                "dm-10",
                "mmcblk0",
                "mmcblk0boot0",
                "nvme0n1",
                "sda",
                "sdaa"
            ]
        );
    }

    #[test]
    fn mappings_of_volumes_are_taken_apart() {
        let check = |mapping: &str, expect: Option<&str>| {
            assert_eq!(volume_of_mapping(mapping).as_deref(), expect, "{mapping}");
        };
        check("vg-root", Some("vg/root"));
        check("my--vg-my--root", Some("my-vg/my-root"));
        check("crypt", None);
        check("luks--x", None);
    }

    #[test]
    fn long_names_make_graphs_wider_or_are_cut() {
        let check = |name: &str, expect: usize| {
            let width = graph_width(&Environment::default(), &[named(name)]).unwrap();
            assert_eq!(width, expect, "{name}");
        };
        check("vda", 400);
        check("12345678", 400);
        check("123456789", 450);
        assert_eq!(trim_label("12345678", 400, MIRRORED), "12345678");
        assert_eq!(trim_label("123456789", 400, MIRRORED), "..456789");
    }

    #[test]
    fn parts_of_names_choose_disks() {
        let check = |name: &str, text: &str, disk: &str, expect: bool| {
            let environment = Environment::new([(name.to_owned(), text.to_owned())]);
            let shows = Filter::of(&environment).unwrap().shows(&named(disk));
            assert_eq!(shows, expect, "{name} {text}: {disk}");
        };
        check("include_only", "sda, /dev/sdb", "sdb", true);
        check("include_only", "sda", "vda", false);
        check("exclude", "sd", "sdc", false);
        check("exclude", "sd", "vda", true);
    }
}
