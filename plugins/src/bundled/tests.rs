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
        plugin.autoconf(&environment(root.path(), &[])),
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

const CPU: &str = "sys/devices/system/cpu";

#[test]
fn processors_run_at_their_mean_frequency() {
    let file = |name: &str| format!("{CPU}/cpu0/cpufreq/{name}");
    check(
        "cpuspeed",
        &[("cpu0_warning", "5"), ("scaleto100", "yes")],
        &[
            (&file("stats/time_in_state"), "2000000 100\n1000000 50\n"),
            (&file("cpuinfo_max_freq"), "2000000\n"),
            (&file("cpuinfo_min_freq"), "800000\n"),
            (&format!("{CPU}/cpu10/online"), "1"),
            (&format!("{CPU}/cpu2/online"), "1"),
            (&format!("{CPU}/cpufreq/x"), ""),
        ],
        &expect![[r#"
            graph_title CPU frequency scaling
            graph_args --base 1000
            graph_category system
            graph_vlabel %
            graph_scale no
            cpu0.label CPU 0
            cpu0.type DERIVE
            cpu0.max 2200000
            cpu0.cdef cpu0,1000,*,2200000,/
            cpu0.min 800000
            cpu0.warning 5
            cpu2.label CPU 2
            cpu2.type DERIVE
            cpu10.label CPU 10
            cpu10.type DERIVE
            cpu0.value 2500000
            cpu2.value U
            cpu10.value U
        "#]],
    );
}

#[test]
fn processors_run_at_the_frequency_of_the_moment() {
    check(
        "cpuspeed",
        &[],
        &[(&format!("{CPU}/cpu0/cpufreq/scaling_cur_freq"), "1800123\n")],
        &expect![[r#"
            graph_title CPU frequency scaling
            graph_args --base 1000
            graph_category system
            graph_vlabel Hz
            cpu0.label CPU 0
            cpu0.type GAUGE
            cpu0.value 1800123
        "#]],
    );
}

/// A board with a chip for its voltages and fans, a processor's and a disk's sensors.
const HARDWARE: [(&str, &str); 22] = [
    ("sys/class/hwmon/hwmon0/name", "nct6775\n"),
    ("sys/class/hwmon/hwmon0/in0_input", "1224\n"),
    ("sys/class/hwmon/hwmon0/in0_min", "1000\n"),
    ("sys/class/hwmon/hwmon0/in0_max", "1500\n"),
    ("sys/class/hwmon/hwmon0/in1_input", "-12\n"),
    ("sys/class/hwmon/hwmon0/fan2_input", "1250\n"),
    ("sys/class/hwmon/hwmon0/fan2_min", "600\n"),
    ("sys/class/hwmon/hwmon0/fan2_label", "CPU Fan\n"),
    ("sys/class/hwmon/hwmon0/fan10_input", "0\n"),
    ("sys/class/hwmon/hwmon0/fan10_min", "0\n"),
    ("sys/class/hwmon/hwmon1/name", "coretemp\n"),
    ("sys/class/hwmon/hwmon1/temp1_input", "45500\n"),
    ("sys/class/hwmon/hwmon1/temp1_label", "Package id 0\n"),
    ("sys/class/hwmon/hwmon1/temp1_max", "80000\n"),
    ("sys/class/hwmon/hwmon1/temp1_crit", "100000\n"),
    ("sys/class/hwmon/hwmon1/power1_average", "23500000\n"),
    ("sys/class/hwmon/hwmon1/power1_crit", "65000000\n"),
    ("sys/class/hwmon/hwmon10/name", "nvme\n"),
    ("sys/class/hwmon/hwmon10/temp1_input", "38850\n"),
    ("sys/class/hwmon/hwmon10/temp1_crit", "84850\n"),
    ("sys/class/hwmon/hwmon10/temp2_input", "broken\n"),
    ("sys/class/hwmon/hwmon10/temp2_max", "0\n"),
];

#[test]
fn temperatures_are_numbered_over_all_chips_and_have_the_limits_of_their_chips() {
    check(
        "sensors_temp",
        &[("ignore_temp2", "yes"), ("temp3_warning", "50")],
        &HARDWARE,
        &expect![[r#"
            graph_title Temperatures
            graph_vlabel degrees Celsius
            graph_args --base 1000 -l 0
            graph_category sensors
            temp1.label Package id 0
            temp1.warning 80
            temp1.critical 100
            temp2.label temp1
            temp2.graph no
            temp2.critical 84.85
            temp3.label temp2
            temp3.warning 50
            temp1.value 45.5
            temp2.value 38.85
            temp3.value U
        "#]],
    );
}

#[test]
fn fans_voltages_and_power_have_limits_near_their_ends() {
    check(
        "sensors_fan",
        &[("fan_warn_percent", "10")],
        &HARDWARE,
        &expect![[r#"
            graph_title Fans
            graph_vlabel RPM
            graph_args --base 1000 -l 0
            graph_category sensors
            fan1.label CPU Fan
            fan1.warning 660:
            fan1.critical 600:
            fan2.label fan10
            fan1.value 1250
            fan2.value 0
        "#]],
    );
    check(
        "sensors_volt",
        &[],
        &HARDWARE,
        &expect![[r#"
            graph_title Voltages
            graph_vlabel Volt
            graph_args --base 1000 --logarithmic
            graph_category sensors
            volt1.label in0
            volt1.warning 1.10:1.40
            volt1.critical 1:1.5
            volt2.label in1
            volt1.value 1.224
            volt2.value -0.012
        "#]],
    );
    check(
        "sensors_power",
        &[],
        &HARDWARE,
        &expect![[r#"
            graph_title Power
            graph_vlabel Watts
            graph_args --base 1000 --logarithmic
            graph_category sensors
            power1.label power1
            power1.warning :52.00
            power1.critical :65
            power1.value 23.5
        "#]],
    );
}

#[test]
fn kinds_of_sensors_that_are_there_are_suggested() {
    let root = tempfile::tempdir().unwrap();
    record(root.path(), &HARDWARE);
    let plugin = find("sensors_").unwrap();
    let system = System::at(root.path());
    assert_eq!(plugin.suggest(&system), ["fan", "temp", "volt", "power"]);
    let links = suggested(&system);
    assert!(links.contains(&"sensors_temp".to_owned()), "{links:?}");
    let nothing = tempfile::tempdir().unwrap();
    let environment = environment(nothing.path(), &[]);
    assert_ne!(plugin.autoconf(&environment), Autoconf::Yes);
    let other = find("sensors_noise").unwrap().config(&environment);
    assert_eq!(
        other.unwrap_err().to_string(),
        "sensors_: expected fan, temp, volt or power behind the name, found \"noise\""
    );
}

#[test]
fn mails_are_counted_queue_by_queue() {
    check(
        "postfix_mailqueue",
        &[("deferred_warning", "100")],
        &[
            (
                "etc/postfix/main.cf",
                "# queue_directory = /x\nqueue_directory = /srv/spool\n",
            ),
            ("srv/spool/active/A1", ""),
            ("srv/spool/deferred/0/01", ""),
            ("srv/spool/deferred/0/02", ""),
            ("srv/spool/deferred/F/F1", ""),
            ("srv/spool/maildrop/x", ""),
        ],
        &expect![[r#"
            graph_title Postfix Mailqueue
            graph_vlabel Mails in queue
            graph_category postfix
            graph_total Total
            active.label active
            deferred.label deferred
            deferred.warning 100
            maildrop.label maildrop
            incoming.label incoming
            corrupt.label corrupt
            hold.label held
            active.value 1
            deferred.value 3
            maildrop.value 1
            incoming.value 0
            corrupt.value 0
            hold.value 0
        "#]],
    );
}

#[test]
fn a_spool_that_is_not_there_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let error = find("postfix_mailqueue")
        .unwrap()
        .fetch(&environment(root.path(), &[]))
        .unwrap_err();
    assert_eq!(error.to_string(), "cannot read /var/spool/postfix/active");
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
