//! What operators do: `ravenry ack`, `downtime`, `comment`, `mute`, `unmute`, `notify-test`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use ravenry_plugins::clock;
use ravenry_plugins::timestamp::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::remote::{Collector, Remote, RemoteError, duration, escaped, moment, print_said};
use super::utc;

/// `ravenry ack`
#[derive(Args, Debug)]
pub(crate) struct Ack {
    /// The number of an incident, or a check in one: HOST, HOST/CHECK or HOST/GRAPH/FIELD
    #[arg(value_name = "INCIDENT|CHECK")]
    on: String,
    /// What you know of it, or do about it
    #[arg(short, long, default_value = "")]
    comment: String,
    /// It holds so long; without, as long as the incident
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    lasts: Option<Duration>,
    /// Take the acknowledgement of an incident back
    #[arg(long, conflicts_with_all = ["comment", "lasts"])]
    remove: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Ack {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let work = |collector: &Collector| {
            if self.remove {
                let path = format!("acknowledgements/{}", escaped(&self.on));
                return collector.ask(Method::DELETE, &path, None);
            }
            let body = json!({
                "on": self.on, "comment": self.comment, "for": seconds(self.lasts),
            });
            collector.ask(Method::POST, "acknowledgements", Some(&body))
        };
        self.remote.run(work, print_said)
    }
}

/// `ravenry downtime`
#[derive(Debug, Subcommand)]
pub(crate) enum Downtime {
    /// Announce one: nobody is told of what it covers while it runs
    Add(Box<NewDowntime>),
    /// List those that are announced or run
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Take one back, or end it: what is still wrong is told
    Remove {
        /// Its number
        id: u64,
        #[command(flatten)]
        remote: Remote,
    },
}

/// `ravenry downtime add`
#[derive(Args, Debug)]
pub(crate) struct NewDowntime {
    /// A pattern: of which hosts
    #[arg(long, value_name = "PATTERN", required_unless_present = "group")]
    host: Option<String>,
    /// Of the hosts of which group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// A pattern: of which of their checks and graphs only, as CHECK, GRAPH or GRAPH/FIELD
    #[arg(long, value_name = "PATTERN")]
    check: Option<String>,
    /// When it begins, such as 22:00, "noon tomorrow", "2026-11-21 22:00" [default: now]
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// When it ends
    #[arg(
        long,
        value_name = "TIME",
        conflicts_with = "lasts",
        required_unless_present = "lasts"
    )]
    end: Option<String>,
    /// How long it lasts
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    lasts: Option<Duration>,
    /// It begins with the first problem between start and end, and lasts so long
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    flexible: Option<Duration>,
    /// It comes again at the same time of day of this machine's time zone
    #[arg(long, value_name = "day|week")]
    every: Option<Every>,
    /// Why
    #[arg(short, long)]
    comment: String,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Every {
    Day,
    Week,
}

impl NewDowntime {
    fn body(&self) -> Result<Value, RemoteError> {
        let now = clock::now();
        let time = |text: &Option<String>| -> Result<Option<Timestamp>, RemoteError> {
            text.as_ref().map(|text| moment(text, now)).transpose()
        };
        let every = self.every.map(|every| match every {
            Every::Day => "day",
            Every::Week => "week",
        });
        let zone = every.map(|_| ravenry_rrd::zone::of_system().name());
        Ok(json!({
            "host": self.host, "group": self.group, "check": self.check,
            "start": time(&self.start)?, "end": time(&self.end)?, "for": seconds(self.lasts),
            "flexible_seconds": self.flexible.map(|lasts| lasts.as_secs()),
            "every": every, "zone": zone, "comment": self.comment,
        }))
    }
}

impl Downtime {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add(new) => new.remote.run(
                |collector| collector.ask(Method::POST, "downtimes", Some(&new.body()?)),
                print_said,
            ),
            Self::List { remote } => {
                remote.run(|collector| collector.get("downtimes"), print_downtimes)
            }
            Self::Remove { id, remote } => remote.run(
                |collector| collector.ask(Method::DELETE, &format!("downtimes/{id}"), None),
                print_said,
            ),
        }
    }
}

/// One line a downtime.
pub(crate) fn print_downtimes(answer: &Value) {
    let all = answer["downtimes"].as_array();
    for downtime in all.into_iter().flatten() {
        let text = |key: &str| downtime[key].as_str().unwrap_or_default();
        let mut what = text("host").to_owned();
        if let Some(group) = downtime["group"].as_str() {
            what = format!("{what} in group {group}");
        }
        if let Some(check) = downtime["check"].as_str() {
            what = format!("{check} on {what}");
        }
        let runs = match (
            downtime["runs"].as_bool(),
            downtime["flexible_seconds"].as_u64(),
        ) {
            (Some(true), _) => "runs",
            (_, Some(_)) => "waits for a problem",
            (_, None) => "announced",
        };
        let again = downtime["repeats"]["every"].as_str();
        let again = again.map_or_else(String::new, |every| format!(", every {every}"));
        println!(
            "{:>4}  {what}: {} to {}{again}, {runs}; {}: {}",
            number(&downtime["id"]),
            utc(time(&downtime["start"])),
            utc(time(&downtime["end"])),
            text("author"),
            text("comment")
        );
    }
    if all.is_none_or(Vec::is_empty) {
        println!("no downtimes");
    }
}

/// `ravenry comment`
#[derive(Debug, Subcommand)]
pub(crate) enum Comment {
    /// Write something beside an incident, a check or a host
    Add {
        /// The number of an incident, or HOST, HOST/CHECK or HOST/GRAPH/FIELD
        #[arg(value_name = "INCIDENT|CHECK|HOST")]
        on: String,
        /// What
        text: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// List comments, the oldest first
    List {
        /// Those beside this only
        #[arg(value_name = "INCIDENT|CHECK|HOST")]
        on: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Take a comment away
    Remove {
        /// Its number
        id: u64,
        #[command(flatten)]
        remote: Remote,
    },
}

impl Comment {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add { on, text, remote } => remote.run(
                |collector| {
                    let body = json!({ "on": on, "text": text });
                    collector.ask(Method::POST, "comments", Some(&body))
                },
                print_said,
            ),
            Self::List { on, remote } => remote.run(
                |collector| match &on {
                    Some(on) => collector.get(&format!("comments?on={}", escaped(on))),
                    None => collector.get("comments"),
                },
                print_comments,
            ),
            Self::Remove { id, remote } => remote.run(
                |collector| collector.ask(Method::DELETE, &format!("comments/{id}"), None),
                print_said,
            ),
        }
    }
}

fn print_comments(answer: &Value) {
    for comment in answer["comments"].as_array().into_iter().flatten() {
        let text = |key: &str| comment[key].as_str().unwrap_or_default();
        let at = utc(time(&comment["at"]));
        println!(
            "{:>4}  {at}  {}  {}: {}",
            number(&comment["id"]),
            text("on"),
            text("author"),
            text("text")
        );
    }
}

/// `ravenry mute`
#[derive(Args, Debug)]
pub(crate) struct Mute {
    /// Why nobody is to be told anything
    #[arg(short, long)]
    comment: String,
    /// It holds so long; without, until `ravenry unmute`
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    lasts: Option<Duration>,
    #[command(flatten)]
    remote: Remote,
}

impl Mute {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let body = json!({ "comment": self.comment, "for": seconds(self.lasts) });
        let work = |collector: &Collector| collector.ask(Method::POST, "mute", Some(&body));
        self.remote.run(work, print_said)
    }
}

/// `ravenry unmute`
#[derive(Args, Debug)]
pub(crate) struct Unmute {
    #[command(flatten)]
    remote: Remote,
}

impl Unmute {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let work = |collector: &Collector| collector.ask(Method::DELETE, "mute", None);
        self.remote.run(work, print_said)
    }
}

/// `ravenry notify-test`
#[derive(Args, Debug)]
pub(crate) struct NotifyTest {
    /// The name of a configured contact
    #[arg(value_name = "CONTACT")]
    contact: String,
    #[command(flatten)]
    remote: Remote,
}

impl NotifyTest {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let body = json!({ "contact": self.contact });
        let work = |collector: &Collector| collector.ask(Method::POST, "notify-test", Some(&body));
        self.remote.run(work, print_said)
    }
}

fn seconds(duration: Option<Duration>) -> Option<f64> {
    duration.map(|duration| duration.as_secs_f64())
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// A time in an answer.
pub(crate) fn time(value: &Value) -> Timestamp {
    let seconds = value.as_f64().and_then(Timestamp::from_seconds_f64);
    seconds.unwrap_or(Timestamp::EPOCH)
}
