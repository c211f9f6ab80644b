//! How far what was told is what a person on call would want: `tests/flood/score.py`, restated.

use ravenry_alerts::simulation::{Scenario, Told, run};
use ravenry_plugins::pattern::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Ideal {
    pub(crate) problem_pages_min: usize,
    pub(crate) problem_pages_max: usize,
    pub(crate) recovery_pages_max: usize,
    pub(crate) must_page: Vec<Want>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Want {
    pub(crate) id: String,
    pub(crate) any_of: Vec<(String, Option<String>)>,
    pub(crate) since: f64,
    pub(crate) by: f64,
    pub(crate) team: Option<String>,
    #[serde(default)]
    pub(crate) must_not_be_hidden: bool,
}

impl Ideal {
    pub(crate) fn as_json(&self, name: &str) -> Value {
        json!({
            "scenario": name, "problem_pages_min": self.problem_pages_min,
            "problem_pages_max": self.problem_pages_max, "recovery_pages_max": self.recovery_pages_max,
            "must_page": self.must_page,
        })
    }
}

fn names(told: &Told, wanted: &[(String, Option<String>)]) -> bool {
    let fits = |pattern: &str, name: &str| match pattern {
        "app[123]?" => {
            let digit = name
                .strip_prefix("app")
                .and_then(|rest| rest.chars().next());
            matches!(digit, Some('1'..='3'))
        }
        pattern => Pattern::new(pattern).matches(name),
    };
    told.about.iter().any(|(host, service)| {
        wanted.iter().any(|(of_host, of_service)| {
            let service = match (of_service.as_deref(), service) {
                (Some("*"), _) | (None, None) => true,
                (Some(pattern), Some(service)) => fits(pattern, service),
                (Some(_), None) | (None, Some(_)) => false,
            };
            service && fits(of_host, host)
        })
    })
}

pub(crate) fn faults(scenario: &Scenario, ideal: &Ideal, told: &[Told]) -> Vec<String> {
    let sms: Vec<&Told> = told.iter().filter(|told| told.channel == "sms").collect();
    let pages: Vec<&&Told> = sms.iter().filter(|told| told.kind != "recovery").collect();
    let recoveries = sms.len() - pages.len();
    let mut faults = Vec::new();
    for want in &ideal.must_page {
        let first = pages.iter().find(|page| {
            page.t >= want.since - 1.0 && page.kind != "update" && names(page, &want.any_of)
        });
        let team = want
            .team
            .as_ref()
            .and_then(|it| scenario.topology.teams.get(it));
        match first {
            None => faults.push(format!("{} missed", want.id)),
            Some(page) if page.t > want.by + 10.0 => {
                faults.push(format!("{} late: {} after {}", want.id, page.t, want.by));
            }
            Some(page) if team.is_some_and(|team| team.oncall != page.contact) => {
                faults.push(format!("{} told to {}", want.id, page.contact));
            }
            Some(page) if want.must_not_be_hidden && page.about.len() > 5 => {
                faults.push(format!("{} buried", want.id));
            }
            Some(_) => {}
        }
    }
    let (least, most) = (ideal.problem_pages_min, ideal.problem_pages_max);
    if !(least..=most).contains(&pages.len()) {
        faults.push(format!("{} pages, ideal {least}-{most}", pages.len()));
    }
    if recoveries > ideal.recovery_pages_max {
        faults.push(format!(
            "{recoveries} recoveries, at most {}",
            ideal.recovery_pages_max
        ));
    }
    faults
}

/// What is wrong with what is told of an outage, with all of it; nothing when nothing is.
pub(crate) fn judge(scenario: &Scenario, ideal: &Ideal) -> Option<String> {
    let told = run(scenario).unwrap();
    let found = faults(scenario, ideal, &told);
    if found.is_empty() {
        return None;
    }
    let lines = told.iter().map(|told| {
        let about: Vec<String> = told
            .about
            .iter()
            .map(|(host, service)| format!("{host}/{}", service.as_deref().unwrap_or("-")))
            .collect();
        format!(
            "\n  {:>8.1} {} {} {} incident {} [{}] +{} {}",
            told.t,
            told.contact,
            told.channel,
            told.kind,
            told.incident,
            about.join(" "),
            told.affected,
            told.text
        )
    });
    Some(format!("{}{}", found.join("; "), lines.collect::<String>()))
}
