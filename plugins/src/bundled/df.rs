//! `df` and `df_inode`: how full the file systems are, in space and in files, from `/proc/mounts` and statvfs(2).
//!
//! Which mounts are shown follows df(1) as Munin calls it: local ones, each file system once, none without a size, none
//! of the types in `env.exclude`, none that `env.exclude_re` meets unless `env.include_re` does.

use regex::Regex;

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, field_of, sample};
use super::environment::Environment;
use super::system::{Space, System};
use super::{Autoconf, BundledError, Entry, PluginSample, Request, no_instances};

const MOUNTS: &str = "/proc/mounts";

pub(super) const SPACE: Entry = Entry {
    name: "df",
    summary: "how full the file systems are",
    automatic: true,
    config: |request| config(request, &BYTES),
    fetch: |request| fetch(request, &BYTES),
    autoconf: |environment| autoconf(environment.system(), &BYTES),
    suggest: no_instances,
};

pub(super) const INODES: Entry = Entry {
    name: "df_inode",
    summary: "how many of the file systems' inodes are used",
    automatic: true,
    config: |request| config(request, &FILES),
    fetch: |request| fetch(request, &FILES),
    autoconf: |environment| autoconf(environment.system(), &FILES),
    suggest: no_instances,
};

/// What the two plugins differ in.
struct Measure {
    title: &'static str,
    about: &'static str,
    info: fn(&Shown) -> String,
    exclude: &'static str,
    percent: fn(&Space) -> f64,
}

const BYTES: Measure = Measure {
    title: "Disk usage in percent",
    about: "How much of each file system's space is used; what is reserved for root counts as used.",
    info: |shown| format!("{} on {} ({})", shown.source, shown.point, shown.kind),
    exclude: "none unknown rootfs iso9660 squashfs udf romfs ramfs debugfs cgroup_root devtmpfs",
    percent: |space| {
        let used = space.bytes.saturating_sub(space.bytes_free);
        percent(used, space.bytes_available)
    },
};

const FILES: Measure = Measure {
    title: "Inode usage in percent",
    about: "How many of each file system's inodes are used: without a free one no file can be made, whatever the space.",
    info: |shown| {
        format!(
            "Inodes of {} on {} ({})",
            shown.source, shown.point, shown.kind
        )
    },
    exclude: "none unknown iso9660 squashfs udf romfs ramfs vfat debugfs nilfs2 rootfs reiserfs",
    percent: |space| {
        let used = space.files.saturating_sub(space.files_free);
        percent(used, space.files_free)
    },
};

fn percent(used: u64, available: u64) -> f64 {
    if used == 0 {
        return 0.0;
    }
    used as f64 / (used as f64 + available as f64) * 100.0
}

/// Types that hold no files of their own; df(1) never shows them.
const TYPES_WITHOUT_FILES: [&str; 14] = [
    "autofs",
    "cgroup",
    "cgroup2",
    "debugfs",
    "devpts",
    "fuse.portal",
    "fusectl",
    "mqueue",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "sysfs",
    "tracefs",
];

/// Types whose files are elsewhere. Asking one may block for as long as its server is away.
const TYPES_OF_NETWORKS: [&str; 16] = [
    "9p",
    "acfs",
    "afs",
    "auristorfs",
    "ceph",
    "cifs",
    "coda",
    "fhgfs",
    "fuse.sshfs",
    "gpfs",
    "ibrix",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb3",
    "vxfs",
];

/// Sources that say nothing, so that the mount point names the field.
const SOURCES_WITHOUT_NAME: [&str; 4] = ["tmpfs", "none", "udev", "simfs"];

/// A line of `/proc/mounts`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    source: String,
    point: String,
    kind: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let mut columns = line.split(' ').map(unescape);
        Some(Self {
            source: columns.next()?,
            point: columns.next()?,
            kind: columns.next()?,
        })
    }

    fn is_remote(&self) -> bool {
        TYPES_OF_NETWORKS.contains(&self.kind.as_str())
            || self.source.contains(':')
            || self.source.starts_with("//")
    }
}

/// The kernel writes blank, tab, newline and backslash as `\` and three octal digits.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

/// A file system that is shown.
#[derive(Clone, Debug, PartialEq)]
struct Shown {
    field: String,
    source: String,
    point: String,
    kind: String,
    space: Space,
}

/// Which mounts are shown, as configured.
struct Filter {
    exclude: Vec<String>,
    include_patterns: Vec<Regex>,
    exclude_patterns: Vec<Regex>,
}

impl Filter {
    fn of(environment: &Environment, measure: &Measure) -> Result<Self, BundledError> {
        let exclude = environment.setting("exclude").unwrap_or(measure.exclude);
        Ok(Self {
            exclude: exclude
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect(),
            include_patterns: patterns(environment, "include_re")?,
            exclude_patterns: patterns(environment, "exclude_re")?,
        })
    }

    fn may_be_asked(&self, mount: &Mount) -> bool {
        !mount.is_remote()
            && !TYPES_WITHOUT_FILES.contains(&mount.kind.as_str())
            && !self.exclude.contains(&mount.kind)
    }

    fn shows(&self, mount: &Mount) -> bool {
        let meets = |patterns: &[Regex]| {
            patterns
                .iter()
                .any(|pattern| pattern.is_match(&mount.source) || pattern.is_match(&mount.point))
        };
        meets(&self.include_patterns) || !meets(&self.exclude_patterns)
    }
}

fn patterns(environment: &Environment, name: &'static str) -> Result<Vec<Regex>, BundledError> {
    let texts = environment.setting(name).unwrap_or_default();
    texts
        .split_ascii_whitespace()
        .map(|text| {
            Regex::new(text).map_err(|_| BundledError::Setting {
                name,
                expected: "regular expressions separated by blanks",
                found: text.to_owned(),
            })
        })
        .collect()
}

/// The file systems that are shown, in the order of their mounts. `space` asks one of them.
fn shown(mounts: &str, filter: &Filter, space: impl Fn(&str) -> Option<Space>) -> Vec<Shown> {
    let mounts = mounts.lines().filter_map(Mount::parse);
    let asked = mounts
        .filter(|mount| filter.may_be_asked(mount))
        .filter_map(|mount| space(&mount.point).map(|space| (mount, space)));
    let mut once: Vec<(Mount, Space)> = Vec::new();
    for (mount, space) in asked {
        let same = once
            .iter_mut()
            .find(|(_, have)| have.device == space.device);
        match same {
            Some(have) if is_better(&mount, &have.0) => *have = (mount, space),
            Some(_) => {}
            None => once.push((mount, space)),
        }
    }
    let mut shown: Vec<Shown> = Vec::new();
    for (mount, space) in once {
        if space.bytes == 0 || !filter.shows(&mount) {
            continue;
        }
        let is_free = |name: &String| shown.iter().all(|one| one.field != *name);
        if let Some(field) = fields_of(&mount).into_iter().find(is_free) {
            let Mount {
                source,
                point,
                kind,
            } = mount;
            shown.push(Shown {
                field,
                source,
                point,
                kind,
                space,
            });
        }
    }
    shown
}

/// What a mount's field may be called: as its source, unless that says nothing; else, where another has that name (the
/// `overlay` of containers, subvolumes), as its mount point.
fn fields_of(mount: &Mount) -> Vec<String> {
    let by_point = field_of(&mount.point);
    if SOURCES_WITHOUT_NAME.contains(&mount.source.as_str()) {
        vec![by_point]
    } else {
        vec![field_of(&mount.source), by_point]
    }
}

/// Which of two mounts of one file system speaks for it: the one of a real device, the one mounted over the other, else
/// the one nearer to the root.
fn is_better(mount: &Mount, have: &Mount) -> bool {
    let is_real = |mount: &Mount| mount.source.contains('/');
    let covers = mount.point == have.point && mount.source != have.source;
    (is_real(mount) && !is_real(have)) || covers || mount.point.len() < have.point.len()
}

fn shown_on(request: &Request<'_>, measure: &Measure) -> Result<Vec<Shown>, BundledError> {
    let system = request.system();
    let filter = Filter::of(request.environment, measure)?;
    Ok(shown(&request.text(MOUNTS)?, &filter, |point| {
        system.space(point)
    }))
}

fn config(request: &Request<'_>, measure: &Measure) -> Result<Vec<Declaration>, BundledError> {
    let shown = shown_on(request, measure)?;
    Ok(vec![declare(
        request.graph,
        request.environment,
        measure,
        &shown,
    )?])
}

fn declare(
    graph: &GraphName,
    environment: &Environment,
    measure: &Measure,
    shown: &[Shown],
) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", measure.title),
            ("graph_args", "--upper-limit 100 -l 0"),
            ("graph_vlabel", "%"),
            ("graph_scale", "no"),
            ("graph_category", "disk"),
            ("graph_info", measure.about),
        ],
    );
    for one in shown {
        let info = (measure.info)(one);
        draft
            .field(&one.field, &[("label", &one.point), ("info", &info)])?
            .limits_or(environment, "92", "98");
    }
    Ok(draft.finish())
}

fn fetch(request: &Request<'_>, measure: &Measure) -> Result<Vec<PluginSample>, BundledError> {
    shown_on(request, measure)?
        .iter()
        .map(|one| {
            sample(
                request.graph,
                &one.field,
                Reading::Number((measure.percent)(&one.space)),
            )
        })
        .collect()
}

fn autoconf(system: &System, measure: &Measure) -> Autoconf {
    let environment = Environment::default();
    let any = Filter::of(&environment, measure).ok().and_then(|filter| {
        let mounts = system.text_if_there(MOUNTS)?;
        Some(!shown(&mounts, &filter, |point| system.space(point)).is_empty())
    });
    match any {
        Some(true) => Autoconf::Yes,
        Some(false) => Autoconf::No(Some("no local file system with a size".to_owned())),
        None => Autoconf::No(Some(format!("cannot read {MOUNTS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = "\
proc /proc proc rw,relatime 0 0
devtmpfs /dev devtmpfs rw,mode=755 0 0
tmpfs /dev/shm tmpfs rw,relatime 0 0
/dev/vda / ext4 rw,relatime 0 0
/dev/vda /srv/bound ext4 rw,relatime 0 0
tmpfs /dev/shm tmpfs rw,relatime 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
files:/export /mnt/nfs nfs4 rw 0 0
//files/share /mnt/smb cifs rw 0 0
overlay /c/one overlay rw 0 0
overlay /c/two overlay rw 0 0
/dev/sdb1 /mnt/two\\040words xfs rw 0 0
empty /mnt/empty tmpfs rw 0 0
";

    /// Devices by mount point; a network must not be asked.
    fn space(point: &str) -> Option<Space> {
        let (device, bytes) = match point {
            "/dev" => (1, 100),
            "/dev/shm" => (2, 100),
            "/" | "/srv/bound" => (3, 100),
            "/mnt/two words" => (4, 1000),
            "/mnt/empty" => (5, 0),
            "/c/one" => (6, 100),
            "/c/two" => (7, 100),
            other => panic!("{other} was asked"),
        };
        Some(Space {
            device,
            bytes,
            bytes_free: 40,
            bytes_available: 20,
            files: 10,
            files_free: 5,
        })
    }

    fn check(settings: &[(&str, &str)], expect: &[&str]) {
        let pairs = settings
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let filter = Filter::of(&Environment::new(pairs), &BYTES).unwrap();
        let found = shown(RECORDED, &filter, space);
        let found: Vec<String> = found
            .iter()
            .map(|one| format!("{} {}", one.field, one.point))
            .collect();
        assert_eq!(found, expect, "{settings:?}");
    }

    #[test]
    fn each_local_file_system_with_a_size_is_shown_once() {
        check(
            &[],
            &[
                "_dev_shm /dev/shm",
                "_dev_vda /",
                "overlay /c/one",
                "_c_two /c/two",
                "_dev_sdb1 /mnt/two words",
            ],
        );
    }

    #[test]
    fn types_and_patterns_leave_file_systems_out() {
        check(
            &[("exclude", "tmpfs xfs overlay")],
            &["devtmpfs /dev", "_dev_vda /"],
        );
        check(
            &[("exclude_re", "^/dev/s ^/mnt ^/c/one")],
            &["_dev_vda /", "overlay /c/two"],
        );
        check(
            &[("exclude_re", "."), ("include_re", "^/$")],
            &["_dev_vda /"],
        );
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        let environment = Environment::new([("exclude_re".to_owned(), "^/mnt (".to_owned())]);
        let error = Filter::of(&environment, &BYTES).err().unwrap().to_string();
        assert_eq!(
            error,
            "env.exclude_re: expected regular expressions separated by blanks, found \"(\""
        );
    }

    #[test]
    fn what_is_reserved_for_root_counts_as_used() {
        let space = Space {
            bytes: 100,
            bytes_free: 40,
            bytes_available: 20,
            ..Space::default()
        };
        assert_eq!((BYTES.percent)(&space), 75.0);
        assert_eq!((FILES.percent)(&space), 0.0);
    }

    #[test]
    fn blanks_in_mount_points_are_read_back() {
        let check = |text: &str, expect: &str| assert_eq!(unescape(text), expect);
        check(r"/a\040b\134c", r"/a b\c");
        check(r"/a\", r"/a\");
        check(r"/a\9zz", r"/a\9zz");
    }
}
