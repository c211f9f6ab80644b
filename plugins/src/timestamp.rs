//! A moment in UTC, in microseconds since 1970. Local time exists only where something is shown.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in UTC with microsecond resolution; written and read as seconds with a fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    micros: i64,
}

const MICROS: i64 = 1_000_000;

impl Timestamp {
    /// 1970-01-01 00:00:00 UTC.
    pub const EPOCH: Self = Self { micros: 0 };

    /// `seconds` since 1970; saturates some 290,000 years away.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self {
            micros: seconds.saturating_mul(MICROS),
        }
    }

    /// `micros` microseconds since 1970.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self { micros }
    }

    /// Seconds with a fraction; `None` for NaN, infinities and what lies outside the years 1970 to 9999.
    #[must_use]
    pub fn from_seconds_f64(seconds: f64) -> Option<Self> {
        const YEAR_10000: f64 = 253_402_300_800.0;
        if !(0.0..YEAR_10000).contains(&seconds) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the range was checked above"
        )]
        Some(Self {
            micros: (seconds * 1e6).round() as i64,
        })
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.micros.div_euclid(MICROS)
    }

    /// The microseconds beyond [`Self::seconds`], 0 to 999,999.
    #[must_use]
    pub const fn subsec_micros(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "rem_euclid by 10^6 fits")]
        {
            self.micros.rem_euclid(MICROS) as u32
        }
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.micros
    }

    /// Seconds since 1970 with the fraction, exact to the microsecond until the year 2100.
    #[must_use]
    pub fn seconds_f64(self) -> f64 {
        self.micros as f64 / 1e6
    }

    /// How long ago `earlier` was; zero when it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(
            u64::try_from(self.micros.saturating_sub(earlier.micros)).unwrap_or(0),
        )
    }

    /// The last multiple of `step` at or before this moment; `step` of zero changes nothing.
    #[must_use]
    pub fn floor_to(self, step: Duration) -> Self {
        let step = micros_of(step);
        if step == 0 {
            return self;
        }
        Self {
            micros: self.micros - self.micros.rem_euclid(step),
        }
    }
}

fn micros_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self {
            micros: self.micros.saturating_add(micros_of(duration)),
        }
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self {
            micros: self.micros.saturating_sub(micros_of(duration)),
        }
    }
}

impl fmt::Display for Timestamp {
    /// Seconds, with six decimals only where there is a fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subsec_micros() {
            0 => write!(f, "{}", self.seconds()),
            micros => write!(f, "{}.{micros:06}", self.seconds()),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.subsec_micros() {
            0 => serializer.serialize_i64(self.seconds()),
            _ => serializer.serialize_f64(self.seconds_f64()),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Self::from_seconds_f64(seconds).ok_or_else(|| {
            serde::de::Error::custom(format_args!(
                "expected seconds since 1970 before the year 10000, found {seconds}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_survive_the_wire() {
        for micros in [0, 1, 999_999, 1_700_000_000_000_000, 1_700_000_000_123_456] {
            let time = Timestamp::from_micros(micros);
            let text = serde_json::to_string(&time).unwrap();
            assert_eq!(
                serde_json::from_str::<Timestamp>(&text).unwrap(),
                time,
                "{text}"
            );
        }
    }

    #[test]
    fn times_outside_the_calendar_are_refused() {
        for text in ["-1", "1e300", "253402300800"] {
            assert!(serde_json::from_str::<Timestamp>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn floor_goes_down_before_1970_too() {
        let minute = Duration::from_secs(60);
        assert_eq!(
            Timestamp::from_seconds(119).floor_to(minute),
            Timestamp::from_seconds(60)
        );
        assert_eq!(
            Timestamp::from_seconds(-1).floor_to(minute),
            Timestamp::from_seconds(-60)
        );
    }
}
