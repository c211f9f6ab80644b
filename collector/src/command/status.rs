//! `ravenry status`: how things stand, on one screen.

use std::process::ExitCode;

use clap::Args;
use ravenry_alerts::notice::words;
use ravenry_plugins::clock;
use serde_json::{Value, json};

use super::operate::{print_downtimes, time};
use super::remote::{Collector, Remote, RemoteError};

/// `ravenry status`
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// Also list every check of this host
    #[arg(value_name = "HOST")]
    host: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

impl Status {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        self.remote.run(|collector| self.ask(collector), print)
    }

    fn ask(&self, collector: &Collector) -> Result<Value, RemoteError> {
        let incidents = collector.get("incidents?limit=500")?;
        let open: Vec<&Value> = items(&incidents["incidents"])
            .filter(|incident| incident["closed"].is_null())
            .collect();
        let mut status = json!({
            "hosts": collector.get("hosts")?["hosts"],
            "incidents": open,
            "downtimes": collector.get("downtimes")?["downtimes"],
            "acknowledgements": collector.get("acknowledgements")?["acknowledgements"],
            "mute": collector.get("mute")?["mute"],
        });
        if let Some(host) = &self.host {
            let path = format!("hosts/{}", super::remote::escaped(host));
            status["checks"] = collector.get(&path)?["checks"].take();
        }
        Ok(status)
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn print(status: &Value) {
    print_counts(status);
    if let Some(by) = status["mute"]["author"].as_str() {
        let why = status["mute"]["comment"].as_str().unwrap_or_default();
        println!("MUTED: nobody is told anything, says {by}: {why}");
    }
    let now = clock::now();
    let mut any = false;
    for incident in items(&status["incidents"]) {
        any = true;
        let text = |key: &str| incident[key].as_str().unwrap_or_default();
        println!(
            "\n#{} {} for {}: {}",
            incident["id"],
            text("severity"),
            words(now.since(time(&incident["opened"]))),
            text("summary")
        );
        let known = items(&status["acknowledgements"]);
        for known in known.filter(|known| known["incident"] == incident["id"]) {
            let text = |key: &str| known[key].as_str().unwrap_or_default();
            println!(
                "    acknowledged by {}: {}",
                text("author"),
                text("comment")
            );
        }
        for told in items(&incident["told"]) {
            println!("    {}", told.as_str().unwrap_or_default());
        }
    }
    if !any {
        println!("nothing is wrong");
    }
    if items(&status["downtimes"]).next().is_some() {
        println!("\ndowntimes:");
        print_downtimes(status);
    }
    print_checks(status);
}

fn print_counts(status: &Value) {
    let hosts: Vec<&Value> = items(&status["hosts"]).collect();
    let in_state = |state: &str| hosts.iter().filter(|host| host["state"] == state).count();
    let sum = |severity: &str| -> u64 {
        let counts = hosts.iter().map(|host| host["checks"][severity].as_u64());
        counts.flatten().sum()
    };
    println!(
        "{} hosts: {} up, {} down; checks: {} ok, {} unknown, {} warning, {} critical",
        hosts.len(),
        in_state("up"),
        in_state("down") + in_state("unreachable"),
        sum("ok"),
        sum("unknown"),
        sum("warning"),
        sum("critical")
    );
}

fn print_checks(status: &Value) {
    for check in items(&status["checks"]) {
        let text = |key: &str| check[key].as_str().unwrap_or_default();
        let parts = ["host", "graph", "field", "check"].map(text);
        let name: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        println!(
            "{:<8} {}: {}",
            text("severity"),
            name.join("/"),
            text("reason")
        );
    }
}
