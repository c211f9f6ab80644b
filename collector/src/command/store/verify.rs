//! `ravenry store verify`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use ravenry::store::verify::{Finding, Verified};
use serde_json::json;

use super::{Files, count};

/// `ravenry store verify`
#[derive(Args, Debug)]
pub(crate) struct Verify {
    #[command(flatten)]
    files: Files,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let scope = self.files.scope()?;
        let verified = self.files.verify(&scope)?;
        if self.json {
            println!("{:#}", as_json(&verified));
        } else {
            print(&verified);
        }
        let is_wrong = verified.findings.iter().any(|found| found.fault.is_wrong());
        Ok(if is_wrong {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// What was found, for people: what is wrong first.
fn print(verified: &Verified) {
    let (wrong, notes): (Vec<_>, Vec<_>) = verified
        .findings
        .iter()
        .partition(|found| found.fault.is_wrong());
    wrong.iter().for_each(|Finding { path, fault }| {
        let remedy = fault
            .remedy()
            .map_or_else(String::new, |remedy| format!(" [repair would: {remedy}]"));
        println!("{path}: {fault}{remedy}");
    });
    for (path, more, text) in alike(&notes) {
        println!("note: {path}{more}: {text}");
    }
    let megabytes = verified.bytes as f64 / 1e6;
    let files = count(verified.files, "history file");
    let verdict = match wrong.len() as u64 {
        0 => "nothing is wrong".to_owned(),
        1 => "1 thing is wrong".to_owned(),
        many => format!("{many} things are wrong"),
    };
    println!("{files} read ({megabytes:.1} MB): {verdict}");
}

/// Findings of the same words as one: the first path, ` and N more`, the words.
pub(super) fn alike(findings: &[&Finding]) -> Vec<(String, String, String)> {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for Finding { path, fault } in findings {
        groups.entry(fault.to_string()).or_default().push(path);
    }
    let line = |(text, paths): (String, Vec<&str>)| {
        let more = match paths.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (paths[0].to_owned(), more, text)
    };
    groups.into_iter().map(line).collect()
}

fn as_json(verified: &Verified) -> serde_json::Value {
    let finding = |found: &Finding| {
        json!({
            "path": found.path,
            "fault": found.fault.name(),
            "text": found.fault.to_string(),
            "wrong": found.fault.is_wrong(),
            "repair": found.fault.remedy().map(|remedy| remedy.to_string()),
        })
    };
    json!({
        "files": verified.files,
        "bytes": verified.bytes,
        "findings": verified.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}
