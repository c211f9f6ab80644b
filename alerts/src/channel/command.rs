//! Notices to a program: the notice as JSON on its standard input (the same that a webhook gets, see [`super::webhook`]) and
//! its main parts in the environment. No shell reads anything.
//!
//! Exit code 0 is success, 65 (the data), 67 (the person), 77 (permission) and 78 (the configuration), as in `sysexits.h`,
//! are refusals; any other is tried again. A program that takes too long is ended with everything that it started: whether it
//! told anybody is in doubt.

use std::time::Duration;

use ravenry_plugins::run::{RunLimits, RunOutcome, RunResult, RunSpec, run};

use super::webhook::own;
use super::{Channel, Sending, misdirected, said};
use crate::address::{Address, Program};
use crate::check::CheckName;
use crate::notice::Links;
use crate::outbox::{Delivery, Failure};

/// Exit codes by which a program says that it will never take this notice.
const REFUSALS: [i32; 4] = [65, 67, 77, 78];

/// Bytes of its output that are read.
const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// What is always in its environment.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The channel of programs.
#[derive(Debug)]
pub struct Command {
    links: Links,
}

impl Command {
    /// Programs are told these links.
    #[must_use]
    pub fn new(links: &Links) -> Self {
        Self {
            links: links.clone(),
        }
    }

    async fn deliver(&self, delivery: &Delivery, program: &Program) -> Result<(), Failure> {
        let Some((name, args)) = program.words.split_first() else {
            return Err(Failure::Refused(String::from("no program is named")));
        };
        let spec = RunSpec {
            args: args.iter().map(Into::into).collect(),
            env: environment(delivery, &self.links),
            stdin: own::body(delivery, &self.links).into_bytes(),
            ..RunSpec::new(name)
        };
        let limits = RunLimits {
            timeout: program.timeout,
            grace: Duration::from_secs(1),
            stdout_bytes: OUTPUT_BYTES_MAX,
            stderr_bytes: OUTPUT_BYTES_MAX,
            ..RunLimits::default()
        };
        judge(&run(&spec, &limits).await)
    }
}

impl Channel for Command {
    fn send<'a>(&'a self, delivery: &'a Delivery) -> Sending<'a> {
        Box::pin(async move {
            match &delivery.address {
                Address::Command(program) => self.deliver(delivery, program).await,
                Address::Mail { .. } | Address::Webhook(_) | Address::Line(_) => {
                    Err(misdirected(delivery))
                }
            }
        })
    }
}

fn judge(result: &RunResult) -> Result<(), Failure> {
    let complaint = match said(&result.stderr) {
        text if text.is_empty() => said(&result.stdout),
        text => text,
    };
    let why = match complaint.as_str() {
        "" => format!("the program {}", result.outcome),
        complaint => format!("the program {}: {complaint}", result.outcome),
    };
    match &result.outcome {
        RunOutcome::Exited { code: 0 } | RunOutcome::HeldOutput { code: 0 } => Ok(()),
        RunOutcome::Exited { code } | RunOutcome::HeldOutput { code }
            if REFUSALS.contains(code) =>
        {
            Err(Failure::Refused(why))
        }
        RunOutcome::Exited { .. } | RunOutcome::HeldOutput { .. } => Err(Failure::later(why)),
        RunOutcome::NotStarted { .. } => Err(Failure::Refused(why)),
        RunOutcome::Signalled { .. }
        | RunOutcome::TimedOut { .. }
        | RunOutcome::OutputTooLong { .. }
        | RunOutcome::Lost { .. } => Err(Failure::Doubtful(why)),
    }
}

/// The main parts of a notice as variables; those that it does not have are empty.
fn environment(delivery: &Delivery, links: &Links) -> Vec<(String, String)> {
    let notice = &delivery.notice;
    let check = notice.check.as_ref();
    let (graph, field, verdict) = match check {
        None | Some(CheckName::Host(_)) => ("", "", ""),
        Some(CheckName::Field(series)) => (series.graph.as_str(), series.field.as_str(), ""),
        Some(CheckName::Verdict(verdict)) => ("", "", verdict.check.as_str()),
    };
    let link = check.and_then(|check| links.check(check));
    let all = [
        ("PATH", PATH.to_owned()),
        ("LC_ALL", String::from("C.UTF-8")),
        ("RAVENRY_KEY", notice.key.to_string()),
        ("RAVENRY_INCIDENT", notice.key.incident.to_string()),
        ("RAVENRY_CONTACT", notice.key.contact.to_string()),
        ("RAVENRY_KIND", notice.kind.as_str().to_owned()),
        ("RAVENRY_SEVERITY", notice.severity.to_string()),
        ("RAVENRY_WAS", notice.was.to_string()),
        (
            "RAVENRY_HOST",
            check.map_or_else(String::new, |check| check.host().to_string()),
        ),
        ("RAVENRY_GRAPH", graph.to_owned()),
        ("RAVENRY_FIELD", field.to_owned()),
        ("RAVENRY_CHECK", verdict.to_owned()),
        (
            "RAVENRY_VALUE",
            notice
                .value
                .map_or_else(String::new, |value| value.to_string()),
        ),
        ("RAVENRY_UNIT", notice.unit.clone()),
        ("RAVENRY_THRESHOLD", notice.threshold.clone()),
        ("RAVENRY_SINCE", notice.since.seconds().to_string()),
        (
            "RAVENRY_OVER",
            delivery
                .over
                .map_or_else(String::new, |over| over.seconds().to_string()),
        ),
        ("RAVENRY_SUBJECT", notice.subject(delivery.over)),
        ("RAVENRY_SHORT", notice.short(delivery.over)),
        ("RAVENRY_LINK", link.unwrap_or_default()),
        (
            "RAVENRY_ACKNOWLEDGE",
            links.acknowledge(notice).unwrap_or_default(),
        ),
    ];
    // A zero byte would end a variable, and the start of the program with it.
    let all = all.into_iter();
    all.map(|(name, value)| (name.to_owned(), value.replace('\0', " ")))
        .collect()
}
