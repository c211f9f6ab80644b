//! The plugins as a whole, on a recorded host.

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};

use crate::munin::emit;
use crate::reading::Reading;
use crate::timestamp::Timestamp;

use super::*;

fn record(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn environment(root: &Path, settings: &[(&str, &str)]) -> Environment {
    let settings = settings
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Environment::new(settings)
        .with_system(System::at(root).frozen(Timestamp::from_seconds(1_000_000)))
}

/// What a plugin says on a recorded host, without the explanations.
fn check(link: &str, settings: &[(&str, &str)], files: &[(&str, &str)], expect: &Expect) {
    let root = tempfile::tempdir().unwrap();
    record(root.path(), files);
    let environment = environment(root.path(), settings);
    let plugin = find(link).unwrap();
    let config = emit::config(&plugin.config(&environment).unwrap(), plugin.graph());
    let fetch = emit::fetch(&plugin.fetch(&environment).unwrap(), plugin.graph());
    let lines = config.lines().filter(|line| {
        let word = line.split(' ').next().unwrap();
        word != "graph_info" && !word.ends_with(".info")
    });
    let text: String = lines
        .chain(fetch.lines())
        .flat_map(|line| [line, "\n"])
        .collect();
    expect.assert_eq(&text);
}

#[test]
fn load_is_that_of_five_minutes() {
    check(
        "load",
        &[("load_warning", "5"), ("critical", "10")],
        &[("proc/loadavg", "0.47 0.78 0.42 1/85 10524\n")],
        &expect![[r#"
            graph_title Load average
            graph_args --base 1000 -l 0
            graph_vlabel load
            graph_scale no
            graph_category system
            load.label load
            load.warning 5
            load.critical 10
            load.value 0.78
        "#]],
    );
}

#[test]
fn cpu_shows_what_this_kernel_counts() {
    check(
        "cpu",
        &[
            ("scaleto100", "yes"),
            ("ignore_fields", "idle"),
            ("user_warning", "50%"),
        ],
        &[(
            "proc/stat",
            "cpu  25346 0 9746 120439\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nintr 1\n",
        )],
        &expect![[r#"
            graph_title CPU usage
            graph_order system user nice idle
            graph_args --base 1000 -r --lower-limit 0 --upper-limit 100
            graph_vlabel %
            graph_scale no
            graph_category system
            graph_period second
            system.label system
            system.draw AREA
            system.min 0
            system.type DERIVE
            system.cdef system,2,/
            user.label user
            user.draw STACK
            user.min 0
            user.type DERIVE
            user.cdef user,2,/
            user.warning 50
            nice.label nice
            nice.draw STACK
            nice.min 0
            nice.type DERIVE
            nice.cdef nice,2,/
            idle.label idle
            idle.draw STACK
            idle.min 0
            idle.type DERIVE
            idle.graph no
            idle.cdef idle,2,/
            system.value 9746
            user.value 25346
            nice.value 0
            idle.value 120439
        "#]],
    );
}

#[test]
fn an_interface_that_is_gone_reads_unknown() {
    check(
        "if_err_ppp0",
        &[],
        &[(
            "proc/net/dev",
            "Inter-|   Receive\n face |bytes\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
        )],
        &expect![[r#"
            graph_order rcvd trans
            graph_title ppp0 errors
            graph_args --base 1000
            graph_vlabel packets in (-) / out (+) per ${graph_period}
            graph_category network
            rcvd.label errors
            rcvd.type COUNTER
            rcvd.graph no
            rcvd.warning 1
            trans.label errors
            trans.type COUNTER
            trans.negative rcvd
            trans.warning 1
            rxdrop.label drops
            rxdrop.type COUNTER
            rxdrop.graph no
            txdrop.label drops
            txdrop.type COUNTER
            txdrop.negative rxdrop
            collisions.label collisions
            collisions.type COUNTER
            rcvd.value U
            trans.value U
            rxdrop.value U
            txdrop.value U
            collisions.value U
        "#]],
    );
}

#[test]
fn small_counters_are_read() {
    let stat = "cpu  1 2 3 4\nintr 249501 0 0 1\nctxt 380772\nbtime 1\nprocesses 10522\nprocs_running 3\nprocs_blocked 1\n";
    let check = |link: &str, path: &str, text: &str, expect: &str| {
        let root = tempfile::tempdir().unwrap();
        record(root.path(), &[(path, text)]);
        let plugin = find(link).unwrap();
        let samples = plugin.fetch(&environment(root.path(), &[])).unwrap();
        assert_eq!(emit::fetch(&samples, plugin.graph()), expect, "{link}");
    };
    check(
        "interrupts",
        "proc/stat",
        stat,
        "intr.value 249501\nctx.value 380772\n",
    );
    check("forks", "proc/stat", stat, "forks.value 10522\n");
    check("vmstat", "proc/stat", stat, "wait.value 3\nsleep.value 1\n");
    check(
        "uptime",
        "proc/uptime",
        "784.65 1204.39\n",
        "uptime.value 0.01\n",
    );
    check(
        "swap",
        "proc/vmstat",
        "pgpgin 1\npswpin 5\npswpout 6\n",
        "swap_in.value 5\nswap_out.value 6\n",
    );
    check(
        "open_inodes",
        "proc/sys/fs/inode-nr",
        "100\t30\n",
        "used.value 70\nmax.value 100\n",
    );
    check(
        "entropy",
        "proc/sys/kernel/random/entropy_avail",
        "256\n",
        "entropy.value 256\n",
    );
}

#[test]
fn a_host_without_the_file_fails_with_its_name() {
    let root = tempfile::tempdir().unwrap();
    let plugin = find("load").unwrap();
    let error = plugin.fetch(&environment(root.path(), &[])).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /proc/loadavg");
    assert!(matches!(
        plugin.autoconf(&System::at(root.path())),
        Autoconf::No(_)
    ));
}

const IDLE: &str = "10 0 80 20 10 0 80 20 0 40 40";
const BUSY: &str = "40 0 320 80 10 0 80 20 0 340 100";

#[test]
fn disks_read_unknown_first_and_averages_after() {
    let root = tempfile::tempdir().unwrap();
    let state = tempfile::tempdir().unwrap();
    let plugin = find("diskstats").unwrap();
    let run = |seconds: i64, uptime: &str, stat: &str| {
        record(
            root.path(),
            &[("sys/block/vda/stat", stat), ("proc/uptime", uptime)],
        );
        let system = System::at(root.path()).frozen(Timestamp::from_seconds(seconds));
        let environment = Environment::default()
            .with_system(system)
            .with_state_dir(state.path());
        let samples = plugin.fetch(&environment).unwrap();
        let util = samples
            .iter()
            .find(|one| one.field.as_str() == "vda_util")
            .unwrap();
        assert_eq!(samples.len(), 6 + 4 + 1 + 2 + 4);
        util.reading
    };
    assert_eq!(run(1000, "5000 1", IDLE), Reading::Unknown);
    assert_eq!(run(1060, "5060 1", BUSY), Reading::Number(0.5));
    assert_eq!(run(1120, "5120 1", IDLE), Reading::Unknown);
    // Rebooted 10 seconds ago: everything was counted since.
    assert_eq!(run(1180, "10 1", IDLE), Reading::Number(0.4));
}

#[test]
fn disks_need_somewhere_to_remember() {
    let root = tempfile::tempdir().unwrap();
    let error = find("diskstats")
        .unwrap()
        .fetch(&environment(root.path(), &[]))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "diskstats needs a state directory (MUNIN_PLUGSTATE), found none"
    );
}

#[test]
fn links_are_resolved_to_the_longest_name() {
    let check = |link: &str, expect: Option<(&str, &str)>| {
        let found = find(link);
        let found = found
            .as_ref()
            .map(|plugin| (plugin.name(), plugin.instance()));
        assert_eq!(found, expect, "{link}");
    };
    check("load", Some(("load", "")));
    check("if_eth0", Some(("if_", "eth0")));
    check("if_err_eth0", Some(("if_err_", "eth0")));
    check("if_", Some(("if_", "")));
    check("df_inode", Some(("df_inode", "")));
    check("loads", None);
    check("", None);
}

#[test]
fn an_instance_cannot_lead_elsewhere() {
    for link in ["if_", "if_..", "if_.", "if_a/b"] {
        let plugin = find(link).unwrap();
        assert!(
            matches!(
                plugin.fetch(&Environment::default()),
                Err(BundledError::Instance { .. })
            ),
            "{link}"
        );
    }
}

#[test]
fn suggestions_leave_out_plumbing_and_what_is_not_there() {
    let root = tempfile::tempdir().unwrap();
    let dev = "a\nb\n    lo: 1\n  eth0: 1\nveth1a2b: 1\n docker0: 1\neth0.7: 1\n";
    record(
        root.path(),
        &[("proc/net/dev", dev), ("proc/loadavg", "1 2 3")],
    );
    let links = suggested(&System::at(root.path()));
    assert_eq!(
        links,
        [
            "if_eth0",
            "if_err_eth0",
            "load",
            "proc_pri",
            "processes",
            "threads",
        ]
    );
}

#[test]
fn every_field_is_explained_and_every_graph_titled() {
    for (name, summary) in list() {
        assert!(!summary.is_empty());
        let link = if name.ends_with('_') {
            format!("{name}lo")
        } else {
            name.to_owned()
        };
        let plugin = find(&link).unwrap();
        let Ok(declarations) = plugin.config(&Environment::default()) else {
            continue;
        };
        for declaration in declarations {
            for attribute in [
                "graph_title",
                "graph_category",
                "graph_info",
                "graph_vlabel",
            ] {
                assert!(
                    declaration.attributes.text(attribute).is_some(),
                    "{link}: {attribute}"
                );
            }
            for field in declaration.fields {
                assert!(
                    field.attributes.text("label").is_some(),
                    "{link}: {}",
                    field.field
                );
                let explained = field.attributes.text("info").is_some();
                assert!(explained || name == "irqstats", "{link}: {}", field.field);
            }
        }
    }
}
