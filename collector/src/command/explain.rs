//! `ravenry explain`: why somebody was told or not.

use std::process::ExitCode;

use clap::Args;
use ravenry_alerts::notice::clock_time;
use ravenry_plugins::clock;
use serde_json::Value;

use super::operate::time;
use super::remote::{Collector, Remote, escaped, moment};

/// `ravenry explain`
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The number of an incident, HOST, HOST/CHECK, HOST/GRAPH/FIELD, or the name of a contact
    #[arg(value_name = "CHECK|INCIDENT|PERSON")]
    of: String,
    /// As it was then, such as 03:00, "noon yesterday", now-2h, "2026-11-21 03:00" [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<String>,
    /// Show all gates, also those that let the notice pass
    #[arg(long)]
    gates: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Explain {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let ask = |collector: &Collector| {
            let mut path = format!("explain?of={}", escaped(&self.of));
            if let Some(at) = &self.at {
                let at = moment(at, clock::now())?;
                path.push_str(&format!("&at={}", at.seconds()));
            }
            collector.get(&path)
        };
        self.remote.run(ask, |answer| print(answer, self.gates))
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn print(answer: &Value, all_gates: bool) {
    println!(
        "{}, {}:",
        text(answer, "of"),
        clock_time(time(&answer["at"]))
    );
    for said in items(&answer["said"]) {
        println!("  {}", said.as_str().unwrap_or_default());
    }
    for person in items(&answer["people"]) {
        let (incident, contact) = (&person["incident"], text(person, "contact"));
        println!("  {contact}, incident {incident}: {}", text(person, "said"));
        for (number, gate) in items(&person["gates"]).enumerate() {
            let holds = gate["holds"].as_bool().unwrap_or(false);
            if holds || all_gates {
                let mark = if holds { "keeps it back" } else { "lets pass" };
                println!(
                    "    gate {}, {}: {mark}: {}",
                    number + 1,
                    text(gate, "gate"),
                    text(gate, "said")
                );
            }
        }
    }
    if items(&answer["events"]).next().is_some() {
        println!("what led to it:");
    }
    for event in items(&answer["events"]) {
        println!(
            "  {}  {}",
            clock_time(time(&event["at"])),
            text(event, "said")
        );
    }
}
