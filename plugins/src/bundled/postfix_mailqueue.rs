//! `postfix_mailqueue`: mails in each of Postfix's queues, counted as files in its spool directory.
//!
//! Difference from Munin: a queue that may not be looked into is an error, not empty.

use std::fs;
use std::io;
use std::path::Path;

use crate::declaration::Declaration;
use crate::name::GraphName;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::system::System;
use super::{Autoconf, BundledError, Entry, PluginSample, no_instances};

const SPOOL: &str = "/var/spool/postfix";
const MAIN_CF: &str = "/etc/postfix/main.cf";
/// Postfix spreads a queue over folders below it, this deep at most.
const DEPTH_MAX: u32 = 8;

pub(super) const ENTRY: Entry = Entry {
    name: "postfix_mailqueue",
    summary: "mails in Postfix's queues",
    automatic: true,
    config: |request| Ok(vec![declare(request.graph, request.environment)?]),
    fetch: |request| {
        let spool = spool(request.environment);
        read(request.graph, request.system(), &spool)
    },
    autoconf: |environment| {
        let spool = spool(environment);
        match fs::read_dir(environment.system().path(&spool).join("active")) {
            Ok(_) => Autoconf::Yes,
            Err(error) => Autoconf::No(Some(format!("cannot read {spool}/active: {error}"))),
        }
    },
    suggest: no_instances,
};

/// Queues and their labels, in the order in which they are drawn.
const QUEUES: [(&str, &str, &str); 6] = [
    ("active", "active", "Mails that are being delivered"),
    (
        "deferred",
        "deferred",
        "Mails that could not be delivered yet and wait",
    ),
    (
        "maildrop",
        "maildrop",
        "Mails of this host that were not taken up yet",
    ),
    (
        "incoming",
        "incoming",
        "Mails that arrived and wait for their turn",
    ),
    ("corrupt", "corrupt", "Files that are no mail"),
    ("hold", "held", "Mails that somebody holds back"),
];

fn declare(graph: &GraphName, environment: &Environment) -> Result<Declaration, BundledError> {
    let mut draft = Draft::new(
        graph,
        &[
            ("graph_title", "Postfix Mailqueue"),
            ("graph_vlabel", "Mails in queue"),
            ("graph_category", "postfix"),
            ("graph_total", "Total"),
            ("graph_info", "Mails in each of Postfix's queues."),
        ],
    );
    for (name, label, info) in QUEUES {
        draft
            .field(name, &[("label", label), ("info", info)])?
            .limits(environment);
    }
    Ok(draft.finish())
}

/// `env.spooldir`, else what Postfix's configuration says, else where Postfix has it by itself.
fn spool(environment: &Environment) -> String {
    if let Some(set) = environment.setting("spooldir") {
        return set.to_owned();
    }
    let text = environment.system().text_if_there(MAIN_CF);
    let set = text
        .as_deref()
        .unwrap_or_default()
        .lines()
        .find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim_end() == "queue_directory").then(|| value.trim().to_owned())
        });
    set.filter(|path| path.starts_with('/'))
        .unwrap_or_else(|| SPOOL.to_owned())
}

fn read(
    graph: &GraphName,
    system: &System,
    spool: &str,
) -> Result<Vec<PluginSample>, BundledError> {
    QUEUES
        .iter()
        .map(|(name, ..)| {
            let path = format!("{spool}/{name}");
            let count = match files(&system.path(&path), DEPTH_MAX) {
                // Not every queue is there before it is needed; the spool is.
                Err(error) if error.kind() == io::ErrorKind::NotFound && system.exists(spool) => 0,
                counted => counted.map_err(|source| BundledError::Read { path, source })?,
            };
            sample(graph, name, Reading::Count(count))
        })
        .collect()
}

/// Files in a folder and those below. What goes away meanwhile was delivered.
fn files(folder: &Path, depth: u32) -> io::Result<u64> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type() {
            Ok(kind) if kind.is_file() => count += 1,
            Ok(kind) if kind.is_dir() && depth > 0 => {
                count += match files(&entry.path(), depth - 1) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                    counted => counted?,
                };
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(count)
}
