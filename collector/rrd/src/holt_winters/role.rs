//! What a forecasting archive does, and which others it looks at. References are checked here once, so that updates need
//! not doubt them; what sort of archive they lead to rrdtool does not ask, and neither do we.

use super::model::Model;
use crate::definition::{Cf, FAILURES_WINDOW_MAX, Forecast};
use crate::header::Archive;

/// What an archive does.
#[derive(Clone, Debug)]
pub(super) enum Role {
    Plain,
    Predict {
        model: Model,
        alpha: f64,
        beta: f64,
        seasonal: usize,
    },
    Seasonal {
        season: usize,
        /// Nothing when what it refers to is no forecast: values then pass through.
        coefficients: Option<Coefficients>,
    },
    DevSeasonal {
        season: usize,
        deviation: Option<Deviation>,
    },
    DevPredict {
        deviations: usize,
    },
    Failures {
        band: Option<Band>,
        window: usize,
        threshold: u64,
    },
}

/// How a season learns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coefficients {
    pub(super) model: Model,
    pub(super) gamma: f64,
    pub(super) predict: usize,
    pub(super) alpha: f64,
}

/// How a season's deviations learn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deviation {
    pub(super) model: Model,
    pub(super) gamma: f64,
    pub(super) predict: usize,
    pub(super) seasonal: usize,
}

/// What FAILURES takes for normal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Band {
    pub(super) model: Model,
    pub(super) above: f64,
    pub(super) below: f64,
    pub(super) predict: usize,
    pub(super) seasonal: usize,
    pub(super) deviations: usize,
}

impl Role {
    /// What one of `archives` does; `season` is the number of its rows among those kept in memory, should it have such.
    pub(super) fn of(
        archives: &[Archive],
        archive: &Archive,
        season: usize,
    ) -> Result<Self, &'static str> {
        let existing = |reference: u64| existing(archives, reference);
        Ok(
            match Forecast::from_words(archive.cf, &archive.parameters) {
                None => Self::Plain,
                Some(Forecast::Predict {
                    alpha,
                    beta,
                    seasonal,
                    ..
                }) => Self::Predict {
                    model: Model::of(archive.cf).ok_or("a forecast of no known model")?,
                    alpha,
                    beta,
                    seasonal: existing(seasonal)?,
                },
                Some(Forecast::Season { gamma, predict, .. }) => {
                    let predict = existing(predict)?;
                    if archive.cf == Cf::Seasonal {
                        Self::Seasonal {
                            season,
                            coefficients: Coefficients::of(archives, gamma, predict),
                        }
                    } else {
                        Self::DevSeasonal {
                            season,
                            deviation: Deviation::of(archives, gamma, predict)?,
                        }
                    }
                }
                Some(Forecast::Deviation { deviations }) => Self::DevPredict {
                    deviations: existing(deviations)?,
                },
                Some(Forecast::Failures {
                    above,
                    below,
                    deviations,
                    window,
                    threshold,
                }) => {
                    if !(1..=FAILURES_WINDOW_MAX).contains(&window) {
                        return Err("a FAILURES archive with more flags than there is room for");
                    }
                    Self::Failures {
                        band: Band::of(archives, above, below, existing(deviations)?)?,
                        window: window as usize,
                        threshold,
                    }
                }
            },
        )
    }

    /// The number of its rows among those kept in memory.
    pub(super) fn season(&self) -> Option<usize> {
        match self {
            Self::Seasonal { season, .. } | Self::DevSeasonal { season, .. } => Some(*season),
            Self::Plain
            | Self::Predict { .. }
            | Self::DevPredict { .. }
            | Self::Failures { .. } => None,
        }
    }
}

impl Coefficients {
    fn of(archives: &[Archive], gamma: f64, predict: usize) -> Option<Self> {
        Some(Self {
            model: Model::of(archives[predict].cf)?,
            gamma,
            predict,
            alpha: f64::from_bits(archives[predict].parameters[1]),
        })
    }
}

impl Deviation {
    fn of(archives: &[Archive], gamma: f64, predict: usize) -> Result<Option<Self>, &'static str> {
        let Some(model) = Model::of(archives[predict].cf) else {
            return Ok(None);
        };
        Ok(Some(Self {
            model,
            gamma,
            predict,
            seasonal: referred(archives, predict)?,
        }))
    }
}

impl Band {
    fn of(
        archives: &[Archive],
        above: f64,
        below: f64,
        deviations: usize,
    ) -> Result<Option<Self>, &'static str> {
        let predict = referred(archives, deviations)?;
        let Some(model) = Model::of(archives[predict].cf) else {
            return Ok(None);
        };
        Ok(Some(Self {
            model,
            above,
            below,
            predict,
            seasonal: referred(archives, predict)?,
            deviations,
        }))
    }
}

/// What an archive refers to.
fn referred(archives: &[Archive], archive: usize) -> Result<usize, &'static str> {
    existing(archives, archives[archive].parameters[3])
}

fn existing(archives: &[Archive], reference: u64) -> Result<usize, &'static str> {
    usize::try_from(reference)
        .ok()
        .filter(|reference| *reference < archives.len())
        .ok_or("a forecasting archive that refers to no other one")
}
