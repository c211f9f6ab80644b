//! What a reader wants beside the means of a graph, the same for a picture and for a table: the band from least to
//! greatest, the same time earlier, the trend, the numbers for bills.

use std::time::Duration;

use crate::parameter::Parameters;
use crate::refusal::Refusal;

/// How much earlier: a fixed time, so that rows stand over each other; a day is 24 hours where clocks change, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ago {
    Day,
    Week,
    Year,
}

impl Ago {
    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Day, Self::Week, Self::Year];
        all.into_iter().find(|ago| ago.as_str() == text)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "1d",
            Self::Week => "1w",
            Self::Year => "1y",
        }
    }

    /// A year is 365 days.
    pub(crate) const fn seconds(self) -> u32 {
        const DAY: u32 = 86_400;
        match self {
            Self::Day => DAY,
            Self::Week => 7 * DAY,
            Self::Year => 365 * DAY,
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Day => "a day",
            Self::Week => "a week",
            Self::Year => "a year",
        }
    }

    pub(crate) fn span(self) -> Duration {
        Duration::from_secs(u64::from(self.seconds()))
    }
}

/// What is wanted; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Choice {
    /// Without a word pictures have the band and tables do not.
    pub(crate) band: Option<bool>,
    pub(crate) earlier: Option<Ago>,
    pub(crate) trend: bool,
    /// So long the trend goes on behind the end.
    pub(crate) forecast: Duration,
    pub(crate) billing: Option<bool>,
}

impl Choice {
    /// The names of its parameters, for those who got one wrong.
    pub(crate) const PARAMETERS: &'static str = "band, earlier, trend, forecast, billing";

    /// As the address of a page has it.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        self.pairs_within(Duration::MAX)
    }

    /// As the address of a picture of so long a time has it, which cannot forecast more.
    pub(crate) fn pairs_within(&self, shown: Duration) -> Vec<(&'static str, String)> {
        const HOUR: u64 = 3600;
        let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
        let hours = self.forecast.min(shown).as_secs() / HOUR;
        let pairs = [
            ("band", self.band.map(yes)),
            ("earlier", self.earlier.map(|ago| ago.as_str().to_owned())),
            ("trend", (self.trend && hours == 0).then(|| yes(true))),
            ("forecast", (hours > 0).then(|| format!("{hours}h"))),
            ("billing", self.billing.map(yes)),
        ];
        let pairs = pairs.into_iter();
        pairs
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    /// Takes its parameters; a forecast is at most as long as `shown`.
    pub(crate) fn take(parameters: &mut Parameters, shown: Duration) -> Result<Self, Refusal> {
        let band = take_flag(parameters, "band")?;
        let earlier = parameters.take("earlier", "1d, 1w or 1y", Ago::parse)?;
        let trend = take_flag(parameters, "trend")?;
        let expected = format!(
            "a number of h, d or w, at most the {} h that are shown",
            shown.as_secs() / 3600
        );
        let forecast = parameters.take("forecast", &expected, |text| {
            parse_span(text).filter(|span| *span <= shown)
        })?;
        Ok(Self {
            band,
            earlier,
            // A forecast is the trend drawn on.
            trend: trend.unwrap_or(forecast.is_some()),
            forecast: forecast.unwrap_or_default(),
            billing: take_flag(parameters, "billing")?,
        })
    }
}

fn take_flag(parameters: &mut Parameters, name: &str) -> Result<Option<bool>, Refusal> {
    parameters.take(name, "yes or no", |text| match text {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    })
}

/// `12h`, `30d`, `4w`.
fn parse_span(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forecast_is_a_number_with_a_unit() {
        let check = |text: &str, hours: Option<u64>| {
            let expect = hours.map(|hours| Duration::from_secs(hours * 3600));
            assert_eq!(parse_span(text), expect, "{text:?}");
        };
        check("12h", Some(12));
        check("30d", Some(720));
        check("2w", Some(336));
        for text in ["", "d", "-1d", "1", "1x", "1µ", "99999999999999999999w"] {
            check(text, None);
        }
    }
}
