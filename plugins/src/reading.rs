//! A reading: a number or *unknown*.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One reading of a field. Integers keep all 64 bits, because the difference of two large counters must be exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// The plugin ran but could not tell (`U`).
    Unknown,
    /// A non-negative integer.
    Count(u64),
    /// Any other finite number, or an infinity; never NaN, which is [`Self::Unknown`].
    Number(f64),
}

impl Reading {
    /// The reading of a float; NaN is unknown.
    #[must_use]
    pub fn from_f64(number: f64) -> Self {
        if number.is_nan() {
            Self::Unknown
        } else {
            Self::Number(number)
        }
    }

    /// The number, `None` when unknown.
    #[must_use]
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Unknown => None,
            Self::Count(count) => Some(count as f64),
            Self::Number(number) => Some(number),
        }
    }

    /// Parses what a plugin prints behind `.value`: `U`, an integer, a decimal, scientific notation, `nan`, `inf`.
    /// `None` when it is none of these.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "U" || text == "u" {
            return Some(Self::Unknown);
        }
        if let Ok(count) = text.parse::<u64>() {
            return Some(Self::Count(count));
        }
        text.parse::<f64>().ok().map(Self::from_f64)
    }
}

impl fmt::Display for Reading {
    /// As a plugin would print it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("U"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl Serialize for Reading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unknown => serializer.serialize_none(),
            Self::Count(count) => serializer.serialize_u64(*count),
            Self::Number(number) => serializer.serialize_f64(*number),
        }
    }
}

impl<'de> Deserialize<'de> for Reading {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ReadingVisitor;
        impl Visitor<'_> for ReadingVisitor {
            type Value = Reading;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or null for unknown")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Reading, E> {
                Ok(Reading::Unknown)
            }

            fn visit_none<E: de::Error>(self) -> Result<Reading, E> {
                Ok(Reading::Unknown)
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Reading, E> {
                Ok(Reading::Count(count))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Reading, E> {
                Ok(u64::try_from(number).map_or(Reading::Number(number as f64), Reading::Count))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Reading, E> {
                Ok(Reading::from_f64(number))
            }
        }
        deserializer.deserialize_any(ReadingVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_plugins_print_is_understood() {
        let check = |text: &str, expect: Option<Reading>| {
            assert_eq!(Reading::parse(text), expect, "{text}");
        };
        check("U", Some(Reading::Unknown));
        check("12", Some(Reading::Count(12)));
        check("18446744073709551615", Some(Reading::Count(u64::MAX)));
        check("-3", Some(Reading::Number(-3.0)));
        check("3.9e-05", Some(Reading::Number(3.9e-05)));
        check("nan", Some(Reading::Unknown));
        check("", None);
        check("12 apples", None);
    }

    #[test]
    fn every_reading_survives_both_wire_forms() {
        for reading in [
            Reading::Unknown,
            Reading::Count(u64::MAX),
            Reading::Number(-0.25),
            Reading::Number(1e300),
        ] {
            let json = serde_json::to_string(&reading).unwrap();
            assert_eq!(serde_json::from_str::<Reading>(&json).unwrap(), reading);
            let packed = rmp_serde::to_vec_named(&reading).unwrap();
            assert_eq!(rmp_serde::from_slice::<Reading>(&packed).unwrap(), reading);
        }
    }
}
