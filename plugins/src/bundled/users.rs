//! `users`: who is logged in by what, from `/run/utmp`.

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::system::System;
use super::{Autoconf, BundledError, Entry, PluginSample, no_instances};

const UTMP: [&str; 2] = ["/run/utmp", "/var/run/utmp"];

pub(super) const ENTRY: Entry = Entry {
    name: "users",
    summary: "users logged in",
    automatic: true,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| {
        let lines = lines_in_use(request.system());
        read(request.graph, &lines)
    },
    autoconf: |environment| autoconf(environment.system()),
    suggest: no_instances,
};

fn declare(graph: &GraphName, environment: &Environment) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Logged in users"),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_vlabel", "Users"),
            ("graph_scale", "no"),
            ("graph_category", "system"),
            ("graph_printf", "%3.0lf"),
            (
                "graph_info",
                "Sessions by the kind of line they came in on.",
            ),
        ],
    );
    let fields = [
        (
            "tty",
            "tty",
            "00FF00",
            "Sessions on consoles and serial lines",
        ),
        (
            "pty",
            "pty",
            "0000FF",
            "Sessions on pseudo terminals of the old kind",
        ),
        (
            "pts",
            "pts",
            "00FFFF",
            "Sessions on pseudo terminals: ssh, terminal windows",
        ),
        ("X", "X displays", "000000", "Sessions on X displays"),
        (
            "other",
            "Other users",
            "FF0000",
            "Sessions of any other kind",
        ),
    ];
    for (name, label, colour, info) in fields {
        let mut field = draft.field(
            name,
            &[("label", label), ("colour", colour), ("info", info)],
        )?;
        if name != "other" {
            field = field.set("draw", "AREASTACK");
        }
        field.limits(environment);
    }
    Ok(draft.finish())
}

fn read(graph: &GraphName, lines: &[String]) -> Result<Vec<PluginSample>, BundledError> {
    ["tty", "pty", "pts", "X", "other"]
        .into_iter()
        .map(|kind| {
            let count = lines.iter().filter(|line| kind_of(line) == kind).count() as u64;
            sample(graph, kind, Reading::Count(count))
        })
        .collect()
}

fn kind_of(line: &str) -> &'static str {
    if line.contains("tty") {
        "tty"
    } else if line.contains("pty") {
        "pty"
    } else if line.contains("pts") {
        "pts"
    } else if is_display(line) {
        "X"
    } else {
        "other"
    }
}

/// `:0` and the like.
fn is_display(line: &str) -> bool {
    let number = line.split_once(':').map(|(_, number)| number);
    number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
        || line.contains('X')
}

/// Lines of the sessions whose process still lives; none where no one keeps utmp.
fn lines_in_use(system: &System) -> Vec<String> {
    let utmp = UTMP.iter().find_map(|path| system.bytes(path).ok());
    sessions(&utmp.unwrap_or_default())
        .into_iter()
        .filter(|session| system.exists(&format!("/proc/{}", session.process)))
        .map(|session| session.line)
        .collect()
}

fn autoconf(system: &System) -> Autoconf {
    if UTMP.iter().any(|path| system.exists(path)) {
        Autoconf::Yes
    } else {
        Autoconf::No(Some(format!("no {}", UTMP[0])))
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Session {
    process: i32,
    line: String,
}

/// Length of a record of utmp(5): on some architectures its times have 64 bits.
const RECORD_BYTES: usize = if cfg!(any(
    target_arch = "aarch64",
    target_arch = "loongarch64",
    target_arch = "s390x"
)) {
    400
} else {
    384
};

/// The records of utmp(5) that are sessions of users: type at 0, process at 4, line in 32 bytes at 8.
fn sessions(utmp: &[u8]) -> Vec<Session> {
    const USER_PROCESS: i16 = 7;
    utmp.chunks_exact(RECORD_BYTES)
        .filter(|record| i16::from_ne_bytes([record[0], record[1]]) == USER_PROCESS)
        .map(|record| Session {
            process: i32::from_ne_bytes([record[4], record[5], record[6], record[7]]),
            line: record[8..40]
                .iter()
                .take_while(|byte| **byte != 0)
                .map(|byte| char::from(*byte))
                .collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: i16, process: i32, line: &str) -> Vec<u8> {
        let mut bytes = vec![0; RECORD_BYTES];
        bytes[..2].copy_from_slice(&kind.to_ne_bytes());
        bytes[4..8].copy_from_slice(&process.to_ne_bytes());
        bytes[8..8 + line.len()].copy_from_slice(line.as_bytes());
        bytes
    }

    #[test]
    fn only_sessions_of_users_are_read_and_a_cut_record_is_not() {
        let mut utmp = [
            record(2, 0, "~"),
            record(7, 812, "pts/0"),
            record(8, 9, "tty1"),
        ]
        .concat();
        utmp.extend([7, 0, 0]);
        let expect = vec![Session {
            process: 812,
            line: "pts/0".to_owned(),
        }];
        assert_eq!(sessions(&utmp), expect);
    }

    #[test]
    fn lines_are_sorted_by_kind() {
        let check = |line: &str, expect: &str| assert_eq!(kind_of(line), expect, "{line}");
        check("tty1", "tty");
        check("ttyS0", "tty");
        check("pts/12", "pts");
        check(":0", "X");
        check("sshd", "other");
    }
}
