//! The arithmetic of the two models, operation by operation as rrdtool does it: the season is added to the trend, or
//! multiplied with it.

use crate::UNKNOWN;
use crate::definition::Cf;

/// How trend and season make a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    /// HWPREDICT.
    Additive,
    /// MHWPREDICT.
    Multiplicative,
}

/// Where a series stood when it was last known, and where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trend {
    pub(super) intercept: f64,
    pub(super) slope: f64,
    /// Steps since then.
    pub(super) steps: u64,
}

impl Trend {
    pub(super) fn is_known(self) -> bool {
        !self.intercept.is_nan() && !self.slope.is_nan()
    }
}

impl Model {
    /// The model that a forecasting archive calculates with; `None` for all others.
    pub(super) fn of(cf: Cf) -> Option<Self> {
        match cf {
            Cf::HwPredict => Some(Self::Additive),
            Cf::MhwPredict => Some(Self::Multiplicative),
            Cf::Average
            | Cf::Min
            | Cf::Max
            | Cf::Last
            | Cf::Seasonal
            | Cf::DevSeasonal
            | Cf::DevPredict
            | Cf::Failures => None,
        }
    }

    pub(super) fn prediction(self, trend: Trend, season: f64) -> f64 {
        // rrdtool counts the steps in a C int here, and only here.
        let level = trend.intercept + trend.slope * f64::from(trend.steps as i32);
        match self {
            Self::Additive => level + season,
            Self::Multiplicative => level * season,
        }
    }

    /// The new level.
    pub(super) fn intercept(self, alpha: f64, observed: f64, season: f64, trend: Trend) -> f64 {
        let without_season = match self {
            Self::Additive => observed - season,
            Self::Multiplicative if season <= 0.0 => return UNKNOWN,
            Self::Multiplicative => observed / season,
        };
        alpha * without_season
            + (1.0 - alpha) * (trend.intercept + trend.slope * trend.steps as f64)
    }

    /// The new row of the season.
    pub(super) fn season(self, gamma: f64, observed: f64, intercept: f64, season: f64) -> f64 {
        let without_trend = match self {
            Self::Additive => observed - intercept,
            Self::Multiplicative if intercept <= 0.0 => return UNKNOWN,
            Self::Multiplicative => observed / intercept,
        };
        gamma * without_trend + (1.0 - gamma) * season
    }

    /// The first row of a season: what is left of a value without the level.
    pub(super) fn first_season(self, observed: f64, intercept: f64) -> f64 {
        match self {
            Self::Additive => observed - intercept,
            Self::Multiplicative if intercept <= 0.0 => UNKNOWN,
            Self::Multiplicative => observed / intercept,
        }
    }

    /// The season that changes nothing.
    pub(super) fn neutral_season(self) -> f64 {
        match self {
            Self::Additive => 0.0,
            Self::Multiplicative => 1.0,
        }
    }
}
