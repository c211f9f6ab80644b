//! rrdtool's Holt-Winters forecasting: how the rates of completed steps move the archives HWPREDICT, MHWPREDICT, SEASONAL,
//! DEVSEASONAL, DEVPREDICT and FAILURES, which look at each other's state. The formulas are in [`model`]; here is who looks
//! at whom, and when.
//!
//! An archive that is updated before another one in the file leaves its old coefficients for it in the "before" words:
//! whoever refers to an archive of a lower number reads those. The rows of seasons are read as well as written, so they are
//! kept here in memory, as words; everything else is in the live part of the header.

mod model;
mod role;
mod smooth;

use model::Model;
use role::{Band, Coefficients, Deviation, Role};

use crate::UNKNOWN;
use crate::consolidate::{Label, Span, advance_row, consolidate, write_row, write_rows};
use crate::header::Archive;
use crate::layout::{
    CDP_PRIMARY, CDP_SECONDARY, CDP_WORDS, CYCLES, INTERCEPT, INTERCEPT_BEFORE, SEASON,
    SEASON_BEFORE, SLOPE, SLOPE_BEFORE, UNKNOWN_BITS, UNKNOWN_STEPS, UNKNOWN_STEPS_BEFORE,
};
use crate::writes::Writes;

/// Seasons that are smoothed as soon as they end, before the smoothing keeps to its row.
const BURN_IN: u64 = 3;

/// What an update of a file with forecasts needs besides its header.
#[derive(Clone, Debug)]
pub(crate) struct Forecaster {
    width: usize,
    /// One for each archive of the file.
    roles: Vec<Role>,
    seasons: Vec<Season>,
    /// Rows to write and whether they are only passed over, for each archive; room for one update.
    rows: Vec<(u64, bool)>,
    /// The rows of a season read last, one cell a source: that of the present and the one that comes next.
    present: Vec<u64>,
    next: Vec<u64>,
    smoothing_is_due: bool,
}

/// An archive whose rows are read.
#[derive(Clone, Debug)]
struct Season {
    archive: usize,
    /// Row by row, one word a source.
    cells: Vec<u64>,
    smooth_row: u64,
}

/// The state of all (archive, source) pairs, and where it is written to.
pub(crate) struct Scene<'a> {
    pub(crate) archives: &'a [Archive],
    pub(crate) pairs: &'a mut [u64],
    pub(crate) current_rows: &'a mut [u64],
    pub(crate) rates: &'a [f64],
    pub(crate) span: Span,
    pub(crate) step: u64,
}

impl Forecaster {
    /// `None` when no archive forecasts.
    ///
    /// # Errors
    /// What makes the file one that nobody can update.
    pub(crate) fn plan(archives: &[Archive], width: usize) -> Result<Option<Self>, &'static str> {
        if archives.iter().all(|archive| archive.cf.is_plain()) {
            return Ok(None);
        }
        let mut seasons: Vec<Season> = Vec::new();
        let mut roles = Vec::with_capacity(archives.len());
        for (index, archive) in archives.iter().enumerate() {
            if !archive.cf.is_plain() && archive.steps != 1 {
                return Err("a forecasting archive of more than one step a row");
            }
            let role = Role::of(archives, archive, seasons.len())?;
            if role.season().is_some() {
                seasons.push(Season {
                    archive: index,
                    cells: Vec::new(),
                    smooth_row: archive.parameters[4],
                });
            }
            roles.push(role);
        }
        Ok(Some(Self {
            width,
            roles,
            seasons,
            rows: vec![(0, false); archives.len()],
            present: vec![UNKNOWN_BITS; width],
            next: vec![UNKNOWN_BITS; width],
            smoothing_is_due: false,
        }))
    }

    /// Reads the rows of the seasons.
    pub(crate) fn load<E>(
        &mut self,
        archives: &[Archive],
        mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for season in &mut self.seasons {
            let archive = &archives[season.archive];
            let mut bytes = vec![0; archive.rows as usize * 8 * self.width];
            read(archive.offset, &mut bytes)?;
            season.cells = bytes
                .chunks_exact(8)
                .map(|eight| crate::layout::word(eight, 0))
                .collect();
        }
        Ok(())
    }

    /// Forgets what the last set of inputs left behind.
    pub(crate) fn begin(&mut self) {
        self.present.fill(UNKNOWN_BITS);
        self.next.fill(UNKNOWN_BITS);
    }

    /// Feeds all archives with the rates of the span's steps and writes the rows that these complete.
    pub(crate) fn close_steps(&mut self, scene: Scene<'_>, writes: &mut Writes) {
        let Scene {
            archives,
            pairs,
            current_rows,
            rates,
            span,
            step,
        } = scene;
        for index in 0..archives.len() {
            self.consolidate(
                &archives[index],
                index,
                pairs,
                current_rows[index],
                rates,
                span,
            );
        }
        // After longer gaps nothing is learned.
        if span.elapsed < 3 {
            for (pass, slot) in (1..=span.elapsed).zip([CDP_PRIMARY, CDP_SECONDARY]) {
                let ahead = span.elapsed + pass;
                self.learn(archives, pairs, current_rows, rates, slot, ahead);
            }
        }
        let width = CDP_WORDS * self.width;
        for (index, pairs) in pairs.chunks_exact(width).enumerate() {
            let label = Label {
                archive: index,
                end: span.end,
                step,
            };
            self.write(
                &archives[index],
                label,
                pairs,
                &mut current_rows[index],
                writes,
            );
        }
    }

    /// How many rows an archive completes, and what a gap does to it.
    fn consolidate(
        &mut self,
        archive: &Archive,
        index: usize,
        pairs: &mut [u64],
        current_row: u64,
        rates: &[f64],
        span: Span,
    ) {
        let width = CDP_WORDS * self.width;
        let pairs = &mut pairs[width * index..][..width];
        if archive.cf.is_plain() {
            self.rows[index] = (consolidate(archive, pairs, rates, span), false);
            return;
        }
        let rows = span.elapsed.min(archive.rows);
        self.rows[index] = (rows, false);
        if let Some(season) = self.roles[index].season() {
            if rows > 1 {
                self.rows[index].1 = true;
                let season = &self.seasons[season];
                season.read(archive, current_row + span.elapsed, &mut self.present);
                season.read(archive, current_row + span.elapsed + 1, &mut self.next);
            }
            let smooth_row = self.seasons[season].smooth_row;
            self.smoothing_is_due |= is_due(
                &mut pairs[CYCLES],
                current_row,
                span.elapsed,
                archive.rows,
                smooth_row,
            );
        }
        if span.elapsed > 2 {
            for (source, pair) in pairs.chunks_exact_mut(CDP_WORDS).enumerate() {
                self.pass_gap(index, source, pair, span.elapsed);
            }
        }
    }

    /// A gap of more than two steps teaches nothing.
    fn pass_gap(&self, index: usize, source: usize, pair: &mut [u64], elapsed: u64) {
        match &self.roles[index] {
            Role::Plain => {}
            Role::Seasonal { .. } | Role::DevSeasonal { .. } => {
                pair[SEASON_BEFORE] = self.present[source];
                pair[SEASON] = self.next[source];
            }
            Role::Predict { .. } => {
                pair[UNKNOWN_STEPS] = pair[UNKNOWN_STEPS].wrapping_add(elapsed);
                pair[UNKNOWN_STEPS_BEFORE] = pair[UNKNOWN_STEPS_BEFORE].wrapping_add(elapsed - 1);
                pair[CDP_PRIMARY] = UNKNOWN_BITS;
                pair[CDP_SECONDARY] = UNKNOWN_BITS;
            }
            Role::DevPredict { .. } => {
                pair[CDP_PRIMARY] = UNKNOWN_BITS;
                pair[CDP_SECONDARY] = UNKNOWN_BITS;
            }
            Role::Failures { window, .. } => {
                pair[CDP_PRIMARY] = 0;
                pair[CDP_SECONDARY] = 0;
                let mut flags = Flags::of(pair);
                flags.0[..*window].fill(0);
                flags.store(pair);
            }
        }
    }

    /// One step: every archive sees the rates, in the order of the file. `ahead` rows from the current one is the row of a
    /// season that comes next.
    fn learn(
        &mut self,
        archives: &[Archive],
        pairs: &mut [u64],
        current_rows: &[u64],
        rates: &[f64],
        slot: usize,
        ahead: u64,
    ) {
        for (index, role) in self.roles.iter().enumerate() {
            if let Some(season) = role.season() {
                let row = current_rows[index] + ahead;
                self.seasons[season].read(&archives[index], row, &mut self.next);
            }
            for (source, rate) in rates.iter().enumerate() {
                let mut state = State {
                    pairs,
                    width: self.width,
                    source,
                    own: index,
                    slot,
                };
                match role {
                    Role::Plain => {}
                    Role::Predict {
                        model,
                        alpha,
                        beta,
                        seasonal,
                    } => state.predict(*rate, *model, *alpha, *beta, *seasonal),
                    Role::Seasonal { coefficients, .. } => {
                        state.season(*rate, *coefficients, self.next[source]);
                    }
                    Role::DevSeasonal { deviation, .. } => {
                        state.deviate(*rate, *deviation, self.next[source]);
                    }
                    Role::DevPredict { deviations } => {
                        let deviation = state.season_of(*deviations);
                        state.result(deviation);
                    }
                    Role::Failures {
                        band,
                        window,
                        threshold,
                    } => state.judge(*rate, *band, *window, *threshold),
                }
            }
        }
    }

    fn write(
        &mut self,
        archive: &Archive,
        label: Label,
        pairs: &[u64],
        current_row: &mut u64,
        writes: &mut Writes,
    ) {
        let (rows, passed_over) = self.rows[label.archive];
        let Some(season) = self.roles[label.archive].season() else {
            write_rows(archive, pairs, rows, current_row, writes);
            writes.describe(archive, label, rows, pairs);
            return;
        };
        if passed_over {
            *current_row = (*current_row + rows) % archive.rows;
        } else if rows == 1 {
            advance_row(archive, current_row);
            write_row(archive, pairs, CDP_PRIMARY, *current_row, writes);
            writes.describe(archive, label, 1, pairs);
            let at = *current_row as usize * self.width;
            let cells = &mut self.seasons[season].cells[at..at + self.width];
            for (cell, pair) in cells.iter_mut().zip(pairs.chunks_exact(CDP_WORDS)) {
                *cell = pair[CDP_PRIMARY];
            }
        }
    }
}

impl Season {
    /// Reads the cells of a row, counted round and round.
    fn read(&self, archive: &Archive, row: u64, into: &mut [u64]) {
        let at = (row % archive.rows) as usize * into.len();
        into.copy_from_slice(&self.cells[at..at + into.len()]);
    }
}

/// Whether a season is to be smoothed after this many steps. In the first seasons that is at their end.
fn is_due(cycles: &mut u64, current_row: u64, elapsed: u64, rows: u64, smooth_row: u64) -> bool {
    let reached = current_row.saturating_add(elapsed);
    if *cycles <= BURN_IN {
        let ended = reached >= rows;
        *cycles += u64::from(ended);
        ended
    } else if smooth_row > current_row {
        reached >= smooth_row
    } else {
        reached >= rows && reached >= rows.saturating_add(smooth_row)
    }
}

/// The state of one source in all archives, at the turn of archive `own`.
struct State<'a> {
    pairs: &'a mut [u64],
    width: usize,
    source: usize,
    own: usize,
    /// Where the result goes.
    slot: usize,
}

impl State<'_> {
    fn pair(&mut self, archive: usize) -> &mut [u64] {
        let at = CDP_WORDS * (archive * self.width + self.source);
        &mut self.pairs[at..at + CDP_WORDS]
    }

    fn get(&mut self, archive: usize, word: usize) -> f64 {
        f64::from_bits(self.pair(archive)[word])
    }

    fn set(&mut self, word: usize, number: f64) {
        self.pair(self.own)[word] = number.to_bits();
    }

    fn result(&mut self, number: f64) {
        self.set(self.slot, number);
    }

    /// The row of a season at this step.
    fn season_of(&mut self, archive: usize) -> f64 {
        let had_its_turn = archive < self.own;
        self.get(archive, if had_its_turn { SEASON_BEFORE } else { SEASON })
    }

    /// Level, slope and steps without a value as they were before this step.
    fn trend_of(&mut self, archive: usize) -> model::Trend {
        let had_its_turn = archive < self.own;
        self.trend_at(archive, had_its_turn)
    }

    fn trend_at(&mut self, archive: usize, before: bool) -> model::Trend {
        let words = if before {
            [INTERCEPT_BEFORE, SLOPE_BEFORE, UNKNOWN_STEPS_BEFORE]
        } else {
            [INTERCEPT, SLOPE, UNKNOWN_STEPS]
        };
        let pair = self.pair(archive);
        model::Trend {
            intercept: f64::from_bits(pair[words[0]]),
            slope: f64::from_bits(pair[words[1]]),
            steps: pair[words[2]],
        }
    }

    /// HWPREDICT, MHWPREDICT.
    fn predict(&mut self, observed: f64, model: Model, alpha: f64, beta: f64, seasonal: usize) {
        let trend = self.trend_at(self.own, false);
        self.set(INTERCEPT_BEFORE, trend.intercept);
        self.set(SLOPE_BEFORE, trend.slope);
        self.pair(self.own)[UNKNOWN_STEPS_BEFORE] = trend.steps;
        let season = self.season_of(seasonal);
        if !trend.is_known() || season.is_nan() {
            if trend.intercept.is_nan() && !observed.is_nan() {
                self.set(INTERCEPT, observed);
                self.set(INTERCEPT_BEFORE, observed);
                self.set(SLOPE, 0.0);
                self.set(SLOPE_BEFORE, 0.0);
                self.pair(self.own)[UNKNOWN_STEPS..=UNKNOWN_STEPS_BEFORE].fill(1);
            }
            self.result(UNKNOWN);
            return;
        }
        if observed.is_nan() {
            self.pair(self.own)[UNKNOWN_STEPS] = trend.steps.wrapping_add(1);
        } else {
            let intercept = model.intercept(alpha, observed, season, trend);
            let slope = beta * (intercept - trend.intercept) + (1.0 - beta) * trend.slope;
            self.set(INTERCEPT, intercept);
            self.set(SLOPE, slope);
            self.pair(self.own)[UNKNOWN_STEPS] = 1;
        }
        self.result(model.prediction(trend, season));
    }

    /// SEASONAL. `next` is the row that comes next.
    fn season(&mut self, observed: f64, coefficients: Option<Coefficients>, next: u64) {
        let Some(Coefficients {
            model,
            gamma,
            predict,
            alpha,
        }) = coefficients
        else {
            self.result(observed);
            return;
        };
        let season = self.shift_season(next);
        let trend = self.trend_of(predict);
        let result = if observed.is_nan() {
            season
        } else if predict < self.own {
            if !trend.is_known() {
                UNKNOWN
            } else if season.is_nan() {
                model.first_season(observed, trend.intercept)
            } else {
                let intercept = self.get(predict, INTERCEPT);
                model.season(gamma, observed, intercept, season)
            }
        } else if !trend.is_known() {
            model.neutral_season()
        } else if season.is_nan() {
            model.first_season(observed, trend.intercept)
        } else {
            // The forecast has its turn later: this is the level that it will find.
            let intercept = model.intercept(alpha, observed, season, trend);
            model.season(gamma, observed, intercept, season)
        };
        self.result(result);
    }

    /// The season's row of this step, which becomes the one before.
    fn shift_season(&mut self, next: u64) -> f64 {
        let pair = self.pair(self.own);
        pair[SEASON_BEFORE] = pair[SEASON];
        pair[SEASON] = next;
        f64::from_bits(pair[SEASON_BEFORE])
    }

    /// DEVSEASONAL.
    fn deviate(&mut self, observed: f64, deviation: Option<Deviation>, next: u64) {
        let Some(Deviation {
            model,
            gamma,
            predict,
            seasonal,
        }) = deviation
        else {
            self.result(observed);
            return;
        };
        let before = self.shift_season(next);
        let season = self.season_of(seasonal);
        let trend = self.trend_of(predict);
        let result = if !trend.is_known() || season.is_nan() {
            UNKNOWN
        } else if observed.is_nan() {
            before
        } else {
            let distance = (model.prediction(trend, season) - observed).abs();
            if before.is_nan() {
                distance
            } else {
                gamma * distance + (1.0 - gamma) * before
            }
        };
        self.result(result);
    }

    /// FAILURES.
    fn judge(&mut self, observed: f64, band: Option<Band>, window: usize, threshold: u64) {
        let Some(band) = band else {
            self.result(observed);
            return;
        };
        let violation = self.is_outside(observed, band);
        let pair = self.pair(self.own);
        let mut flags = Flags::of(pair);
        flags.0.copy_within(..window - 1, 1);
        flags.0[0] = u8::from(violation);
        flags.store(pair);
        let count: u64 = flags.0[..window].iter().map(|flag| u64::from(*flag)).sum();
        self.result(if count < threshold { 0.0 } else { 1.0 });
    }

    fn is_outside(&mut self, observed: f64, band: Band) -> bool {
        // For both rrdtool asks whether the SEASONAL archive had its turn.
        let slot = if self.own < band.seasonal {
            SEASON
        } else {
            SEASON_BEFORE
        };
        let deviation = self.get(band.deviations, slot);
        if deviation.is_nan() {
            return false;
        }
        if observed.is_nan() {
            return true;
        }
        let season = self.get(band.seasonal, slot);
        let trend = self.trend_at(band.predict, self.own >= band.predict);
        let prediction = band.model.prediction(trend, season);
        observed > prediction + band.above * deviation
            || observed < prediction - band.below * deviation
    }
}

/// The flags of FAILURES, newest first: the bytes of the first words of its state.
struct Flags([u8; 32]);

impl Flags {
    fn of(pair: &[u64]) -> Self {
        let mut flags = [0; 32];
        for (flag, byte) in flags
            .iter_mut()
            .zip(pair.iter().flat_map(|word| word.to_le_bytes()))
        {
            *flag = byte;
        }
        Self(flags)
    }

    fn store(&self, pair: &mut [u64]) {
        for (word, eight) in pair.iter_mut().zip(self.0.chunks_exact(8)) {
            *word = crate::layout::word(eight, 0);
        }
    }
}
