//! How far what was told is what a person on call would want, with all of it in words.

use ravenry_alerts::simulation::score::{Ideal, score};
use ravenry_alerts::simulation::{Scenario, Told, run};

/// What is wrong with what is told of an outage, with all of it; nothing when nothing is.
pub(crate) fn judge(scenario: &Scenario, ideal: &Ideal) -> Option<String> {
    let told = run(scenario).unwrap();
    let faults = score(&scenario.topology, ideal, &told).faults;
    if faults.is_empty() {
        return None;
    }
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let lines: Vec<String> = told.iter().map(line).collect();
    Some(format!("{}{}", faults.join("; "), lines.concat()))
}

fn line(told: &Told) -> String {
    let about = told
        .about
        .iter()
        .map(|(host, service)| format!("{host}/{}", service.as_deref().unwrap_or("-")));
    format!(
        "\n  {:>8.1} {} {} {} incident {} [{}] +{} {}",
        told.t,
        told.contact,
        told.channel,
        told.kind,
        told.incident,
        about.collect::<Vec<_>>().join(" "),
        told.affected,
        told.text
    )
}
