//! The bundled plugins beside Munin's of the same name: graphs, fields and all that history and pictures depend on must
//! be equal, and readings near each other. Where we differ on purpose, [`DIFFERENCES`] says why.
//!
//! Needs the package munin-plugins-core. Without it the tests say so and pass, unless `RAVENRY_TESTS_STRICT` is set.

#![expect(clippy::unwrap_used, reason = "in a test, panicking is reporting")]

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ravenry_plugins::declaration::{Attributes, Declaration, FieldDeclaration};
use ravenry_plugins::munin::{PluginSample, parse_config, parse_fetch, text_of};
use ravenry_plugins::name::GraphName;
use ravenry_plugins::reading::Reading;

const MUNIN: &str = "/usr/share/munin";
const OURS: &str = env!("CARGO_BIN_EXE_ravenry-plugin");

/// An attribute that is not Munin's on purpose.
struct Difference {
    /// How the graph's name begins.
    graph: &'static str,
    /// The field; empty for the graph itself.
    field: &'static str,
    attribute: &'static str,
    why: &'static str,
}

/// Besides these, `info` and `graph_info` are our own words everywhere, blanks in labels are not repeated, and
/// readings differ where [`How`] says so. Where several file systems have one source (`overlay`, subvolumes) Munin's df
/// has one field for all; ours names the others by their mount points.
const DIFFERENCES: [Difference; 5] = [
    Difference {
        graph: "entropy",
        field: "",
        attribute: "graph_vlabel",
        why: "the kernel counts bits; Munin says bytes",
    },
    Difference {
        graph: "ntp_offset",
        field: "",
        attribute: "graph_vlabel",
        why: "said as everywhere else; Munin has it among graph_args only",
    },
    Difference {
        graph: "diskstats_throughput.",
        field: "rdbytes",
        attribute: "label",
        why: "tables and alerts show the label, 'invisible' says nothing",
    },
    Difference {
        graph: "diskstats_iops.",
        field: "rdio",
        attribute: "label",
        why: "tables and alerts show the label, 'dummy' says nothing",
    },
    Difference {
        graph: "diskstats_iops.",
        field: "avgrdrqsz",
        attribute: "label",
        why: "tables and alerts show the label, 'dummy' says nothing",
    },
];

/// How readings are compared.
enum How {
    /// Ours lies between two of Munin's, one taken before and one after, or at most this far beside them.
    Near(f64),
    /// Only the fields, for the reason given.
    FieldsOnly(&'static str),
    /// Nothing, for the reason given: what is read is not on every machine.
    NotRead(&'static str),
}

const NEEDS_SERVICE: How = How::NotRead("needs a service; tests/services.rs has some");

/// A plugin, its settings and how its readings are compared.
struct Case {
    link: &'static str,
    settings: &'static [(&'static str, &'static str)],
    how: How,
}

const fn case(link: &'static str, how: How) -> Case {
    Case {
        link,
        settings: &[],
        how,
    }
}

const CASES: [Case; 33] = [
    case("apache_accesses", NEEDS_SERVICE),
    case("apache_processes", NEEDS_SERVICE),
    case("apache_volume", NEEDS_SERVICE),
    case(
        "cpuspeed",
        How::FieldsOnly("frequencies change at any moment"),
    ),
    case("nginx_request", NEEDS_SERVICE),
    case("nginx_status", NEEDS_SERVICE),
    case("ntp_offset", NEEDS_SERVICE),
    case("ping_127.0.0.1", How::Near(0.01)),
    case("postfix_mailqueue", NEEDS_SERVICE),
    case("cpu", How::Near(200.0)),
    case("df", How::Near(0.5)),
    case("df_inode", How::Near(0.5)),
    case(
        "diskstats",
        How::FieldsOnly(
            "averages since different runs; ours read unknown at first, Munin's nothing",
        ),
    ),
    case("entropy", How::Near(300.0)),
    case("forks", How::Near(50.0)),
    case(
        "fw_conntrack",
        How::NotRead("needs a firewall that tracks connections"),
    ),
    case("if_lo", How::Near(50_000.0)),
    case("if_err_lo", How::Near(0.0)),
    case("interrupts", How::Near(5_000.0)),
    case("irqstats", How::Near(5_000.0)),
    case("load", How::Near(0.5)),
    case("memory", How::Near(5e8)),
    case("netstat", How::Near(20.0)),
    case("open_files", How::Near(500.0)),
    case("open_inodes", How::Near(5_000.0)),
    case("proc_pri", How::Near(10.0)),
    case("processes", How::Near(20.0)),
    case("swap", How::Near(1_000.0)),
    case("tcp", How::Near(20.0)),
    case("threads", How::Near(50.0)),
    case("uptime", How::Near(0.02)),
    case("users", How::Near(1.0)),
    case("vmstat", How::Near(20.0)),
];

/// Plugins that are not compared, and why.
const NOT_COMPARED: [(&str, &str); 4] = [
    (
        "http_",
        "ours alone: Munin's http_loadtime knows neither status nor certificate",
    ),
    ("ping6_", "a link of Munin's ping_, which is compared"),
    (
        "sensors_",
        "Munin's needs the program sensors and hardware; src/bundled/tests.rs has a recorded host",
    ),
    ("weblog_", "ours alone"),
];

const NOT_AGAIN: How = How::NotRead("compared without settings");

/// Settings that both know.
const CASES_WITH_SETTINGS: [Case; 17] = [
    Case {
        link: "apache_processes",
        settings: &[
            ("ports", "80 8080"),
            ("showfree", "0"),
            ("busy80_warning", "7"),
        ],
        how: NOT_AGAIN,
    },
    Case {
        link: "apache_accesses",
        settings: &[("ports", "80 8080"), ("critical", "70")],
        how: NOT_AGAIN,
    },
    Case {
        link: "ntp_offset",
        settings: &[("nodelay", "1"), ("offset_warning", "-5:5")],
        how: NOT_AGAIN,
    },
    Case {
        link: "ping_gw",
        settings: &[("host", "127.0.0.1"), ("packetloss_critical", "50")],
        how: How::Near(0.01),
    },
    Case {
        link: "postfix_mailqueue",
        settings: &[("deferred_warning", "100"), ("critical", "1000")],
        how: NOT_AGAIN,
    },
    Case {
        link: "cpu",
        settings: &[
            ("scaleto100", "yes"),
            ("ignore_fields", "idle nice"),
            ("warning", "50%"),
            ("steal_critical", "5:20%"),
        ],
        how: NOT_AGAIN,
    },
    Case {
        link: "cpu",
        settings: &[("HZ", "1000"), ("user_warning", "80%")],
        how: How::Near(200.0),
    },
    Case {
        link: "load",
        settings: &[("load_warning", "5"), ("critical", "10")],
        how: NOT_AGAIN,
    },
    Case {
        link: "memory",
        settings: &[
            ("swap_warning", "50%"),
            ("apps_critical", "90%"),
            ("slab_warning", "1000000"),
        ],
        how: NOT_AGAIN,
    },
    Case {
        link: "df",
        settings: &[
            ("exclude", "tmpfs"),
            ("warning", "80"),
            ("_dev_vda_critical", "85"),
        ],
        how: How::Near(0.5),
    },
    Case {
        link: "df",
        settings: &[
            ("exclude_re", "^/dev/shm ^/sys"),
            ("include_re", "^/dev/shm$"),
        ],
        how: How::Near(0.5),
    },
    Case {
        link: "if_lo",
        settings: &[
            ("speed", "1000"),
            ("warning", "10000000"),
            ("up_critical", "7"),
        ],
        how: NOT_AGAIN,
    },
    Case {
        link: "if_err_lo",
        settings: &[("warning", "5"), ("trans_critical", "7")],
        how: NOT_AGAIN,
    },
    Case {
        link: "open_files",
        settings: &[("warning", "5")],
        how: NOT_AGAIN,
    },
    Case {
        link: "processes",
        settings: &[("zombie_warning", "3"), ("critical", "9000")],
        how: NOT_AGAIN,
    },
    Case {
        link: "netstat",
        settings: &[("established_warning", "300"), ("critical", "9000")],
        how: NOT_AGAIN,
    },
    Case {
        link: "diskstats",
        settings: &[
            ("graph_width", "450"),
            ("trim_labels", "yes"),
            ("exclude", "dm-"),
        ],
        how: NOT_AGAIN,
    },
];

/// Munin's plugins, ours and a place for their state.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// `None` where Munin's plugins are not installed.
    fn set_up() -> Option<Self> {
        if !Path::new(MUNIN).join("plugins/cpu").exists() {
            assert!(
                std::env::var_os("RAVENRY_TESTS_STRICT").is_none(),
                "munin-plugins-core is not installed"
            );
            println!("skipped: munin-plugins-core is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        for name in ["munin", "ours", "state-munin", "state-ours"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Some(Self { folder })
    }

    /// What Munin's plugin prints.
    fn munin(&self, case: &Case, word: Option<&str>) -> String {
        let name = wildcard_of(case.link).unwrap_or(case.link);
        let plugin = Path::new(MUNIN).join("plugins").join(name);
        self.run("munin", &plugin, case, word)
    }

    /// What ours prints.
    fn ours(&self, case: &Case, word: Option<&str>) -> String {
        self.run("ours", Path::new(OURS), case, word)
    }

    fn run(&self, whose: &str, plugin: &Path, case: &Case, word: Option<&str>) -> String {
        let link: PathBuf = self.folder.path().join(whose).join(case.link);
        if !link.exists() {
            symlink(plugin, &link).unwrap();
        }
        let state = self.folder.path().join(format!("state-{whose}"));
        let output = spawn(&link, &state, case, word);
        assert!(
            output.status.success(),
            "{whose} {} {word:?}: {output:?}",
            case.link
        );
        text_of(&output.stdout).into_owned()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test runs plugins as munin-node does, by their links"
)]
fn spawn(link: &Path, state: &Path, case: &Case, word: Option<&str>) -> Output {
    Command::new(link)
        .args(word)
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .env("MUNIN_LIBDIR", MUNIN)
        .env("MUNIN_CAP_MULTIGRAPH", "1")
        .env("MUNIN_PLUGSTATE", state)
        .env("MUNIN_STATEFILE", state.join(case.link))
        .envs(case.settings.iter().copied())
        .output()
        .unwrap()
}

fn wildcard_of(link: &str) -> Option<&'static str> {
    ["if_err_", "if_", "ping_"]
        .into_iter()
        .find(|name| link.starts_with(name))
}

fn plugin_of(case: &Case) -> GraphName {
    GraphName::of_plugin(case.link).unwrap()
}

fn declarations(text: &str, case: &Case) -> BTreeMap<GraphName, Declaration> {
    let parsed = parse_config(text, &plugin_of(case));
    assert!(
        parsed.problems.is_empty(),
        "{}: {:?}",
        case.link,
        parsed.problems
    );
    let pairs = parsed
        .declarations
        .into_iter()
        .map(|one| (one.graph.clone(), one));
    pairs.collect()
}

fn samples(text: &str, case: &Case) -> BTreeMap<String, Reading> {
    let parsed = parse_fetch(text, &plugin_of(case));
    assert!(
        parsed.problems.is_empty(),
        "{}: {:?}",
        case.link,
        parsed.problems
    );
    let key = |sample: &PluginSample| format!("{}.{}", sample.graph, sample.field);
    parsed
        .samples
        .iter()
        .map(|sample| (key(sample), sample.reading))
        .collect()
}

/// Attributes that count, in a form in which they can be compared.
fn comparable(graph: &GraphName, field: &str, attributes: &Attributes) -> BTreeMap<String, String> {
    let is_ours = |attribute: &str| {
        DIFFERENCES.iter().any(|one| {
            graph.as_str().starts_with(one.graph)
                && one.field == field
                && one.attribute == attribute
        })
    };
    let counts = |name: &str| name != "info" && name != "graph_info" && !is_ours(name);
    attributes
        .iter()
        .filter(|(name, _)| counts(name))
        .map(|(name, text)| {
            (
                name.to_owned(),
                text.split_whitespace().collect::<Vec<_>>().join(" "),
            )
        })
        .collect()
}

fn names_of(fields: &[FieldDeclaration]) -> Vec<&str> {
    fields.iter().map(|field| field.field.as_str()).collect()
}

fn compare_config(bench: &Bench, case: &Case) -> BTreeMap<GraphName, Declaration> {
    let munin = declarations(&bench.munin(case, Some("config")), case);
    let ours = declarations(&bench.ours(case, Some("config")), case);
    let graphs = |all: &BTreeMap<GraphName, Declaration>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(graphs(&ours), graphs(&munin), "{}: graphs", case.link);
    for (name, munin) in &munin {
        let ours = &ours[name];
        let attributes = |one: &Declaration| comparable(name, "", &one.attributes);
        assert_eq!(attributes(ours), attributes(munin), "{name}");
        assert_eq!(
            names_of(&ours.fields),
            names_of(&munin.fields),
            "{name}: fields"
        );
        for (ours, munin) in ours.fields.iter().zip(&munin.fields) {
            let attributes =
                |one: &FieldDeclaration| comparable(name, one.field.as_str(), &one.attributes);
            assert_eq!(attributes(ours), attributes(munin), "{name}.{}", ours.field);
        }
    }
    ours
}

/// Which of our readings are too far from Munin's two. Machines change while they are looked at.
fn far_off(bench: &Bench, case: &Case, tolerance: f64) -> Vec<String> {
    let before = samples(&bench.munin(case, None), case);
    let ours = samples(&bench.ours(case, None), case);
    let after = samples(&bench.munin(case, None), case);
    let fields = |all: &BTreeMap<String, Reading>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        fields(&ours),
        fields(&before),
        "{}: fields of fetch",
        case.link
    );
    let is_near = |field: &str, ours: f64| {
        let ends = [&before, &after].map(|all| all.get(field).and_then(|reading| reading.number()));
        let [Some(one), Some(other)] = ends else {
            return false;
        };
        (one.min(other) - tolerance..=one.max(other) + tolerance).contains(&ours)
    };
    ours.iter()
        .filter(|(field, reading)| !reading.number().is_some_and(|ours| is_near(field, ours)))
        .map(|(field, reading)| {
            format!(
                "{field} {reading}, {:?} {:?}",
                before.get(field),
                after.get(field)
            )
        })
        .collect()
}

fn compare(bench: &Bench, case: &Case) {
    let declared = compare_config(bench, case);
    match case.how {
        How::NotRead(why) => println!("{}: not read: {why}", case.link),
        How::FieldsOnly(why) => {
            println!("{}: readings not compared: {why}", case.link);
            let fetched = samples(&bench.ours(case, None), case).into_keys();
            let mut expected: Vec<String> = declared
                .values()
                .flat_map(|one| {
                    one.fields
                        .iter()
                        .map(|field| format!("{}.{}", one.graph, field.field))
                })
                .collect();
            expected.sort();
            assert_eq!(fetched.collect::<Vec<_>>(), expected, "{}", case.link);
        }
        How::Near(tolerance) => {
            let mut attempts = (0..5).map(|_| far_off(bench, case, tolerance));
            let mut last = Vec::new();
            let near = attempts.any(|far| {
                last = far;
                last.is_empty()
            });
            assert!(near, "{}: far off in five attempts: {last:#?}", case.link);
        }
    }
}

#[test]
fn graphs_fields_and_readings_are_those_of_munin() {
    let Some(bench) = Bench::set_up() else { return };
    for case in &CASES {
        compare(&bench, case);
    }
}

#[test]
fn settings_mean_what_they_mean_to_munin() {
    for case in &CASES_WITH_SETTINGS {
        let Some(bench) = Bench::set_up() else { return };
        compare(&bench, case);
    }
}

#[test]
fn both_offer_themselves_alike() {
    let Some(bench) = Bench::set_up() else { return };
    for case in &CASES {
        // Munin's asks for the program conntrack, ours for the kernel's table; and Munin's counts users, always none,
        // where no one writes them down. Munin's ping does not offer itself.
        if ["fw_conntrack", "users", "ping_127.0.0.1"].contains(&case.link) {
            continue;
        }
        let word = |text: &str| text.split_whitespace().next().map(str::to_owned);
        let munin = bench.munin(case, Some("autoconf"));
        let ours = bench.ours(case, Some("autoconf"));
        assert_eq!(word(&ours), word(&munin), "{}", case.link);
    }
    for link in ["if_", "if_err_"] {
        let case = case(link, NOT_AGAIN);
        assert_eq!(
            bench.ours(&case, Some("suggest")),
            bench.munin(&case, Some("suggest")),
            "{link}"
        );
    }
}

#[test]
fn every_plugin_is_compared_and_every_difference_has_a_reason() {
    for (name, _) in ravenry_plugins::bundled::list() {
        if NOT_COMPARED.iter().any(|(other, _)| *other == name) {
            continue;
        }
        let is_compared = |case: &Case| wildcard_of(case.link).unwrap_or(case.link) == name;
        assert!(CASES.iter().any(is_compared), "{name} is not compared");
    }
    assert!(DIFFERENCES.iter().all(|one| !one.why.is_empty()));
}
