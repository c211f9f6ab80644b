//! The steps of Nagios' own test of its service states (`tests/flood/nagios-service-steps.jsonl`): results in; soft or hard,
//! the attempt, and whether anything is done about it, out.
//!
//! Two things are ours by intention: nothing is volatile (told again with each result), and a check of a host that is down
//! takes its attempts like any other, since nobody is told of it anyway.

use ravenry_alerts::check::{Patience, State, Verdict};
use ravenry_alerts::severity::Severity;
use ravenry_plugins::timestamp::Timestamp;
use serde::Deserialize;

#[derive(Deserialize)]
struct Step {
    trace: String,
    step: u32,
    result: u8,
    expect: Expect,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
struct Expect {
    #[serde(rename = "type")]
    kind: String,
    attempt: u32,
    handled: bool,
    notify_attempt: bool,
}

fn verdict(result: u8) -> Verdict {
    match result {
        0 => Verdict::Ok,
        1 => Verdict::Warning,
        2 => Verdict::Critical,
        _ => Verdict::Unknown,
    }
}

/// As Nagios' pages show it: soft while results are counted, the attempt of a hard problem is the last one.
fn shown(state: State, patience: Patience) -> (&'static str, u32) {
    match (state.suspect, state.severity) {
        (0, Severity::Ok) => ("HARD", 1),
        (0, Severity::Unknown | Severity::Warning | Severity::Critical) => {
            ("HARD", patience.attempts)
        }
        (suspect, _) => ("SOFT", suspect),
    }
}

pub(crate) fn check(text: &str) {
    let steps = text
        .lines()
        .map(|line| serde_json::from_str::<Step>(line).unwrap());
    let steps: Vec<Step> = steps.collect();
    let mut looked_at = 0;
    for trace in steps.chunk_by(|a, b| a.trace == b.trace) {
        if trace[0].trace.starts_with("host_down") {
            assert!(trace.iter().all(|step| !step.expect.notify_attempt));
            continue;
        }
        let patience = |attempts| Patience {
            attempts,
            unknown_limit: attempts,
        };
        let mut now = patience(4);
        let ok = State::default().step(now, Verdict::Ok, Timestamp::EPOCH).0;
        let mut state = ok;
        if trace[0].note.starts_with("start: WARNING SOFT") {
            state = ok
                .step(now, Verdict::Warning, Timestamp::from_seconds(30))
                .0;
        }
        let mut is_volatile = false;
        for step in trace {
            if step.note.starts_with("max_attempts set to 3") {
                now = patience(3);
            }
            is_volatile |= step.note.contains("volatile");
            let at = Timestamp::from_seconds(i64::from(step.step) * 60);
            let (next, transition) = state.step(now, verdict(step.result), at);
            let what = format!("{} step {}", step.trace, step.step);
            let expect = &step.expect;
            assert_eq!(
                shown(next, now),
                (expect.kind.as_str(), expect.attempt),
                "{what}"
            );
            let is_handled = next != state;
            assert!(
                is_volatile || is_handled == expect.handled,
                "{what}: handled"
            );
            assert!(
                transition.is_none() || expect.notify_attempt,
                "{what}: told"
            );
            state = next;
            looked_at += 1;
            is_volatile &= step.result != 0;
        }
    }
    assert_eq!((looked_at, steps.len()), (19, 20));
}
