//! The line with which is chosen what is drawn beside the numbers of a page's graphs: an earlier time, the trend, a
//! forecast, the band, the numbers for bills. Each is a link that sets or takes away one parameter.

use crate::choice::Choice;
use crate::pages::address::Address;
use crate::pages::time::Step;

/// What the template `beside.html` shows.
#[derive(Clone, Debug)]
pub(crate) struct BesideLine {
    pub(crate) groups: [Group; 3],
}

/// Links that belong together.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) word: &'static str,
    pub(crate) steps: Vec<Step>,
}

const EARLIER: [(&str, &str); 3] = [("a day", "1d"), ("a week", "1w"), ("a year", "1y")];
const FORECAST: [(&str, &str); 4] = [
    ("12 h", "12h"),
    ("2 d", "48h"),
    ("1 w", "168h"),
    ("1 m", "744h"),
];

impl BesideLine {
    /// For a page whose address is `here`; `billed` says whether its graphs have the numbers for bills without a word.
    pub(crate) fn of(choice: &Choice, here: &Address, billed: bool) -> Self {
        let said: Vec<(&'static str, String)> = choice.pairs();
        let says = |name: &str, value: &str| said.iter().any(|(n, v)| *n == name && v == value);
        // A link to what is there already takes it away.
        let step = |word, name: &'static str, value: &str| {
            let current = says(name, value);
            let address = here.with(name, if current { "" } else { value });
            let address = match name {
                "forecast" => address.without(&["trend"]),
                _ => address,
            };
            Step {
                word,
                name,
                address: Some(address.to_string()),
                current,
            }
        };
        let steps = |name: &'static str, list: &[(&'static str, &'static str)]| -> Vec<Step> {
            list.iter()
                .map(|(word, value)| step(*word, name, value))
                .collect()
        };
        let flag = |word, name: &'static str, stands: bool, by_itself: bool| {
            let value = match (stands, by_itself) {
                (true, true) => "no",
                (false, false) => "yes",
                (true, false) | (false, true) => "",
            };
            Step {
                word,
                name,
                address: Some(here.with(name, value).to_string()),
                current: stands,
            }
        };
        let band = flag("band", "band", choice.band.unwrap_or(true), true);
        let billing = choice.billing.unwrap_or(billed);
        let billing = flag("95th percentile and total", "billing", billing, billed);
        let mut forecast = vec![step("trend", "trend", "yes")];
        forecast.extend(steps("forecast", &FORECAST));
        Self {
            groups: [
                Group {
                    word: "compare with the time before:",
                    steps: steps("earlier", &EARLIER),
                },
                Group {
                    word: "look ahead:",
                    steps: forecast,
                },
                Group {
                    word: "show:",
                    steps: vec![band, billing],
                },
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(choice: Choice, billed: bool, expect: &[(&str, &str, bool)]) {
        let here = Address::default()
            .with("hide", "a")
            .with_all(choice.pairs());
        let line = BesideLine::of(&choice, &here, billed);
        for (word, address, current) in expect {
            let steps = line.groups.iter().flat_map(|group| &group.steps);
            let found = { steps }.find(|step| step.word == *word);
            let found = found.map(|step| (step.address.as_deref(), step.current));
            assert_eq!(found, Some((Some(*address), *current)), "{word}");
        }
    }

    #[test]
    fn a_link_sets_what_is_not_there_and_takes_away_what_is() {
        let plain = [
            ("a week", "?hide=a&earlier=1w", false),
            ("trend", "?hide=a&trend=yes", false),
            ("band", "?hide=a&band=no", true),
            ("95th percentile and total", "?hide=a&billing=yes", false),
        ];
        check(Choice::default(), false, &plain);
        let chosen = Choice {
            trend: true,
            forecast: std::time::Duration::from_secs(7 * 86_400),
            band: Some(false),
            ..Choice::default()
        };
        let expect = [
            ("1 w", "?hide=a&band=no", true),
            ("2 d", "?hide=a&band=no&forecast=48h", false),
            ("band", "?hide=a&forecast=168h", false),
            (
                "95th percentile and total",
                "?hide=a&band=no&forecast=168h&billing=no",
                true,
            ),
        ];
        check(chosen, true, &expect);
    }
}
