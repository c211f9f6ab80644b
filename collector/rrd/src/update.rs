//! One set of inputs moves a header forward in time and says which rows to write. The arithmetic is rrdtool's, operation
//! by operation, because the order of float operations is in the bytes.
//!
//! inputs → gain of each source since the last update (rate × seconds) → rate of each complete step → each archive's row
//! in progress → rows. Nothing here allocates but the arena of [`Writes`] as it grows.

use crate::consolidate::{Label, Span, consolidate, write_rows};
use crate::definition::Kind;
use crate::diff::{self, Whole};
use crate::header::{Calculation, Header, Source, TIME_MAX};
use crate::holt_winters::Scene;
use crate::layout::{self, CDP_WORDS, PDP_UNKNOWN, PDP_VALUE, PDP_WORDS, stored};
use crate::rpn::{Program, RpnError};
use crate::writes::Writes;
use crate::{UNKNOWN, decimal};

/// What one data source was found to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input<'a> {
    /// Nothing is known.
    Unknown,
    /// Text as on rrdtool's command line; what begins with `U` is unknown.
    Text(&'a [u8]),
    /// The same as its decimal digits as text, without making and reading them.
    Count(u64),
    /// The number itself. It is stored as decimal text that means it; rrdtool, given that text, may read a
    /// float one bit beside it.
    Number(f64),
}

/// Why a set of inputs is refused. The header is as it was before.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UpdateError {
    /// Not later than the last update: drop the inputs.
    #[error(
        "illegal attempt to update using time {time} when last update time is {last} (minimum one second step)"
    )]
    NotLater {
        /// Seconds given.
        time: i64,
        /// Seconds of the last update.
        last: i64,
    },
    /// Seconds beyond [`TIME_MAX`], or a million or more microseconds.
    #[error("time {seconds}.{micros:06} is out of range")]
    Time {
        /// Seconds given.
        seconds: i64,
        /// Microseconds given.
        micros: u32,
    },
    /// More or fewer inputs than data sources that take one.
    #[error("expected {expected} data source readings, found {found}")]
    Inputs {
        /// Data sources that take an input.
        expected: usize,
        /// Inputs given.
        found: usize,
    },
    /// A COUNTER needs digits only, a DERIVE digits behind an optional minus sign.
    #[error("data source {name:?}: not a simple {} integer: {found:?}", if *.signed { "signed" } else { "unsigned" })]
    NotAnInteger {
        /// The data source.
        name: String,
        /// A minus sign would be allowed.
        signed: bool,
        /// The input.
        found: String,
    },
    /// Text that is no number to rrdtool.
    #[error("data source {name:?}: cannot convert {found:?} to float")]
    NotANumber {
        /// The data source.
        name: String,
        /// The input.
        found: String,
    },
    /// A COMPUTE source's formula gives no value: a step cannot be closed.
    #[error("data source {name:?}: {source}")]
    Formula {
        /// The data source.
        name: String,
        /// What is wrong.
        source: RpnError,
    },
    /// A COMPUTE source's formula has what nobody can calculate here.
    #[error("data source {0:?}: its formula looks at more than the values of one step")]
    NotCalculable(String),
    /// The file has what cannot be updated.
    #[error("the file has {0}, which cannot be updated")]
    Unsupported(&'static str),
}

/// A source's last input, as far as it is not the text stored for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LastInput {
    /// The stored text.
    Text,
    /// An integer whose text is not stored yet.
    Whole(Whole),
    /// A number whose text is not stored yet.
    Number(f64),
}

impl Header {
    /// Moves the header to `seconds` and `micros` (UTC) with one input for each source that takes one, in order. Rows to
    /// write are added to `writes`; write them before or with the live part ([`Header::live_write`], once per batch).
    ///
    /// A gap adds at most all rows of all archives, however long it was.
    ///
    /// # Errors
    /// See [`UpdateError`]. Header and writes are then unchanged.
    pub fn update(
        &mut self,
        seconds: i64,
        micros: u32,
        inputs: &[Input<'_>],
        writes: &mut Writes,
    ) -> Result<(), UpdateError> {
        let (micros, interval) = self.begin(seconds, micros, inputs)?;
        self.take(inputs, interval).map_err(|(_, error)| error)?;
        if self.calculations.is_empty() {
            self.keep_inputs(inputs);
            return self.advance(seconds, micros, interval, writes);
        }
        // Whether a formula works out shows in the middle.
        let (header, mark) = (self.clone(), writes.mark());
        self.keep_inputs(inputs);
        self.advance(seconds, micros, interval, writes)
            .inspect_err(|_| {
                *self = header;
                writes.back_to(mark);
            })
    }

    /// As [`Self::update`], but an error leaves everything changed that was done before it, as rrdtool does, which works
    /// in place and stops there: a wrong input leaves the texts of the inputs before it.
    ///
    /// # Errors
    /// See [`UpdateError`].
    pub fn update_in_place(
        &mut self,
        seconds: i64,
        micros: u32,
        inputs: &[Input<'_>],
        writes: &mut Writes,
    ) -> Result<(), UpdateError> {
        let (micros, interval) = self.begin(seconds, micros, inputs)?;
        if let Err((good, error)) = self.take(inputs, interval) {
            self.keep_inputs(&inputs[..good]);
            return Err(error);
        }
        self.keep_inputs(inputs);
        self.advance(seconds, micros, interval, writes)
    }

    /// Ends a call of rrdtool's `update`, which may have many sets of inputs: seasons are smoothed when that is due. Files
    /// without forecasting archives need no end.
    ///
    /// # Errors
    /// [`UpdateError::Unsupported`] for a season that belongs to no forecast.
    pub fn smooth(&mut self, writes: &mut Writes) -> Result<(), UpdateError> {
        let (pairs_at, rows_at) = (self.pairs_at(), self.rows_at());
        let Some(forecaster) = &mut self.forecaster else {
            return Ok(());
        };
        let pairs = &mut self.live[pairs_at..rows_at];
        if forecaster.smooth(self.version, &self.archives, pairs, writes) {
            Ok(())
        } else {
            Err(UpdateError::Unsupported(
                "a SEASONAL archive that belongs to no forecast",
            ))
        }
    }

    /// Ends a call of rrdtool's `update` that had an error: then nothing is smoothed.
    pub fn forget_smoothing(&mut self) {
        if let Some(forecaster) = &mut self.forecaster {
            forecaster.forget_smoothing();
        }
    }

    /// Whether this file can be updated at all.
    ///
    /// # Errors
    /// [`UpdateError::Unsupported`] for forecasting archives that refer to what is not there, and before
    /// [`Header::load_seasons`].
    pub fn updatable(&self) -> Result<(), UpdateError> {
        self.refusal
            .map_or(Ok(()), |what| Err(UpdateError::Unsupported(what)))
    }

    /// Checks what does not depend on the inputs' values; the microseconds that count and the seconds since the last
    /// update.
    fn begin(
        &self,
        seconds: i64,
        micros: u32,
        inputs: &[Input<'_>],
    ) -> Result<(u32, f64), UpdateError> {
        self.updatable()?;
        if inputs.len() != self.takers.len() {
            return Err(UpdateError::Inputs {
                expected: self.takers.len(),
                found: inputs.len(),
            });
        }
        if seconds > TIME_MAX || micros > 999_999 {
            return Err(UpdateError::Time { seconds, micros });
        }
        let micros = if self.version < 3 { 0 } else { micros };
        let (last, last_micros) = self.last_update();
        if (seconds, micros) <= (last, last_micros) {
            return Err(UpdateError::NotLater {
                time: seconds,
                last,
            });
        }
        let fraction = (f64::from(micros) - f64::from(last_micros)) / 1e6;
        Ok((micros, (seconds - last) as f64 + fraction))
    }

    /// Fills in what each source gained; with the first error comes the number of good inputs before it.
    fn take(&mut self, inputs: &[Input<'_>], interval: f64) -> Result<(), (usize, UpdateError)> {
        if self.takers.len() < self.gains.len() {
            self.gains.fill(UNKNOWN);
        }
        for (number, (&index, input)) in self.takers.iter().zip(inputs).enumerate() {
            self.gains[index] = self
                .gain(index, *input, interval)
                .map_err(|error| (number, error))?;
        }
        Ok(())
    }

    /// What a source gained since the last update: rate × seconds, unknown as NaN.
    fn gain(&self, index: usize, input: Input<'_>, interval: f64) -> Result<f64, UpdateError> {
        let source = &self.sources[index];
        if (source.heartbeat as f64) < interval || is_unknown(input) {
            return Ok(UNKNOWN);
        }
        let (gain, rate) = match source.kind {
            Kind::Gauge => {
                let value = number(source, input)?;
                (value * interval, value)
            }
            Kind::Absolute => {
                let value = number(source, input)?;
                (value, value / interval)
            }
            Kind::Counter => {
                let gain = unwrapped(self.integer_change(index, input, false)?);
                (gain, gain / interval)
            }
            Kind::Derive => {
                let gain = self.integer_change(index, input, true)?;
                (gain, gain / interval)
            }
            Kind::DCounter => {
                let gain = self.float_change(index, input, true)?;
                (gain, gain / interval)
            }
            Kind::DDerive => {
                let gain = self.float_change(index, input, false)?;
                (gain, gain / interval)
            }
            Kind::Compute => (UNKNOWN, UNKNOWN),
        };
        Ok(if rate > source.max || rate < source.min {
            UNKNOWN
        } else {
            gain
        })
    }

    /// The change of a COUNTER or DERIVE since its last input.
    fn integer_change(
        &self,
        index: usize,
        input: Input<'_>,
        signed: bool,
    ) -> Result<f64, UpdateError> {
        let refused = || UpdateError::NotAnInteger {
            name: self.sources[index].name().to_owned(),
            signed,
            found: shown(input),
        };
        let new = match input {
            Input::Unknown => return Ok(UNKNOWN),
            Input::Text(text) => {
                let digits = text.strip_prefix(b"-").filter(|_| signed).unwrap_or(text);
                if !digits.iter().all(u8::is_ascii_digit) {
                    return Err(refused());
                }
                return Ok(self.text_change(index, text));
            }
            Input::Count(count) => Whole {
                negative: false,
                magnitude: count,
            },
            Input::Number(number) => whole(number)
                .filter(|whole| signed || !whole.negative)
                .ok_or_else(refused)?,
        };
        Ok(match self.last[index] {
            LastInput::Whole(old) => diff::difference(new, old),
            LastInput::Text | LastInput::Number(_) => {
                self.text_change(index, written(new, &mut Text::default()))
            }
        })
    }

    fn text_change(&self, index: usize, new: &[u8]) -> f64 {
        let old = self.last_text(index);
        if old[0] == b'U' {
            UNKNOWN
        } else {
            diff::diff(new, until_nul(&old))
        }
    }

    /// The change of a DCOUNTER (`grows`) or DDERIVE since its last input.
    fn float_change(
        &self,
        index: usize,
        input: Input<'_>,
        grows: bool,
    ) -> Result<f64, UpdateError> {
        let old = self.last_text(index);
        if old[0] == b'U' {
            return Ok(UNKNOWN);
        }
        let source = &self.sources[index];
        let new = number(source, input)?;
        let old = number(source, Input::Text(until_nul(&old)))?;
        let was_reset = (new > 0.0 && old > new) || (new < 0.0 && new > old);
        Ok(if grows && was_reset {
            UNKNOWN
        } else {
            new - old
        })
    }

    /// Remembers the inputs as each source's last.
    fn keep_inputs(&mut self, inputs: &[Input<'_>]) {
        for (number, input) in inputs.iter().enumerate() {
            let index = self.takers[number];
            self.last[index] = match *input {
                Input::Count(count) => LastInput::Whole(Whole {
                    negative: false,
                    magnitude: count,
                }),
                Input::Number(number) if !number.is_nan() => {
                    whole(number).map_or(LastInput::Number(number), LastInput::Whole)
                }
                Input::Number(_) | Input::Unknown => self.store_text(index, b"U"),
                Input::Text(text) => self.store_text(index, text),
            };
        }
    }

    /// The first 29 bytes, up to a NUL; the two bytes behind the field stay.
    fn store_text(&mut self, index: usize, text: &[u8]) -> LastInput {
        let at = self.source_at(index);
        let text = until_nul(&text[..text.len().min(layout::LAST_INPUT - 1)]);
        let mut padded = [0; 32];
        padded[..text.len()].copy_from_slice(text);
        let kept = self.live[at + 3] & 0xffff_0000_0000_0000;
        for (word, eight) in self.live[at..at + 4].iter_mut().zip(padded.chunks_exact(8)) {
            *word = layout::word(eight, 0);
        }
        self.live[at + 3] |= kept;
        LastInput::Text
    }

    /// A source's last input as stored, NUL padded.
    pub(crate) fn last_text(&self, index: usize) -> [u8; layout::LAST_INPUT] {
        let mut text = [0; layout::LAST_INPUT];
        let mut room = Text::default();
        match self.last[index] {
            LastInput::Text => {
                let words = &self.live[self.source_at(index)..][..4];
                for (byte, stored) in text
                    .iter_mut()
                    .zip(words.iter().flat_map(|word| word.to_le_bytes()))
                {
                    *byte = stored;
                }
            }
            LastInput::Whole(whole) => fill(&mut text, written(whole, &mut room)),
            LastInput::Number(number) => fill(&mut text, shortest(number, &mut room)),
        }
        text
    }

    /// Brings the stored texts up to date.
    pub(crate) fn write_last_inputs(&mut self) {
        for index in 0..self.sources.len() {
            let mut room = Text::default();
            match self.last[index] {
                LastInput::Text => {}
                LastInput::Whole(whole) => {
                    self.store_text(index, written(whole, &mut room));
                }
                LastInput::Number(number) => {
                    self.store_text(index, shortest(number, &mut room));
                }
            }
        }
    }

    /// Everything behind the gains. Only a formula can fail.
    fn advance(
        &mut self,
        seconds: i64,
        micros: u32,
        interval: f64,
        writes: &mut Writes,
    ) -> Result<(), UpdateError> {
        let span = self.span(seconds as u64, micros, interval);
        if span.elapsed == 0 {
            self.gather(interval);
        } else {
            if let Some(forecaster) = &mut self.forecaster {
                forecaster.begin();
            }
            let span = self.close_open_step(span, writes)?;
            self.close_steps(span, writes)?;
        }
        self.live[0] = seconds as u64;
        if self.version >= 3 {
            self.live[1] = u64::from(micros);
        }
        Ok(())
    }

    fn span(&self, seconds: u64, micros: u32, interval: f64) -> Span {
        let (last, last_micros) = (self.live[0], self.last_update().1);
        let before = last - last % self.step;
        let now = seconds - seconds % self.step;
        let step_number = before / self.step;
        if now > before {
            // `now` is later than the last update, because the latter is within the step that begins at `before`.
            let pre = (now - last) as f64 - f64::from(last_micros) / 1e6;
            let post = (seconds % self.step) as f64 + f64::from(micros) / 1e6;
            Span {
                interval,
                pre,
                post,
                elapsed: (now - before) / self.step,
                step_number,
                end: seconds,
            }
        } else {
            Span {
                interval,
                pre: interval,
                post: 0.0,
                elapsed: 0,
                step_number,
                end: seconds,
            }
        }
    }

    /// No step ended: gains add up, unknown seconds too.
    fn gather(&mut self, interval: f64) {
        let first = self.source_at(0);
        for (state, &gain) in self.live[first..]
            .chunks_exact_mut(PDP_WORDS)
            .zip(&self.gains)
        {
            if gain.is_nan() {
                state[PDP_UNKNOWN] = (state[PDP_UNKNOWN] as f64 + interval.floor()) as u64;
            } else {
                let value = f64::from_bits(state[PDP_VALUE]);
                state[PDP_VALUE] = stored(if value.is_nan() { gain } else { value + gain });
            }
        }
    }

    /// After a gap of several steps, the step that was open is closed by itself with its share of the gains; what is left
    /// of the span is returned.
    fn close_open_step(&mut self, span: Span, writes: &mut Writes) -> Result<Span, UpdateError> {
        let open = span.pre as u64 % self.step;
        if span.elapsed < 2 || open == 0 {
            return Ok(span);
        }
        let open_seconds = open as f64;
        for (gain, rest) in self.gains.iter_mut().zip(&mut self.rest) {
            let share = if !gain.is_nan() && span.interval > 0.0 {
                *gain * open_seconds / span.interval
            } else {
                UNKNOWN
            };
            *rest = *gain - share;
            *gain = share;
        }
        self.close_steps(
            Span {
                interval: open_seconds,
                pre: open_seconds,
                post: 0.0,
                elapsed: 1,
                end: self.live[0] + open,
                ..span
            },
            writes,
        )?;
        std::mem::swap(&mut self.gains, &mut self.rest);
        Ok(Span {
            interval: span.interval - open_seconds,
            pre: span.pre - open_seconds,
            elapsed: span.elapsed - 1,
            step_number: span.step_number + 1,
            ..span
        })
    }

    /// Closes the steps of a span and writes the rows that they complete.
    fn close_steps(&mut self, span: Span, writes: &mut Writes) -> Result<(), UpdateError> {
        if self.calculations.is_empty() {
            for index in 0..self.sources.len() {
                self.rates[index] = self.close_step(index, span);
            }
        } else {
            self.calculate(span)?;
        }
        let (pairs_at, rows_at, width) = (self.pairs_at(), self.rows_at(), self.sources.len());
        let (before, current_rows) = self.live.split_at_mut(rows_at);
        let pairs = &mut before[pairs_at..];
        if let Some(forecaster) = &mut self.forecaster {
            let scene = Scene {
                archives: &self.archives,
                pairs,
                current_rows,
                rates: &self.rates,
                span,
                step: self.step,
            };
            forecaster.close_steps(scene, writes);
            return Ok(());
        }
        let pairs = pairs.chunks_exact_mut(CDP_WORDS * width);
        let archives = self.archives.iter().zip(pairs).zip(current_rows);
        let describes = writes.describes_rows();
        for (index, ((archive, pairs), row)) in archives.enumerate() {
            let rows = consolidate(archive, pairs, &self.rates, span);
            write_rows(archive, pairs, rows, row, writes);
            if describes {
                let label = Label {
                    archive: index,
                    end: span.end,
                    step: self.step,
                };
                writes.describe(archive, label, rows, pairs);
            }
        }
        Ok(())
    }

    /// The rates of all sources in a file that has formulas. After an error the sources before the formula have begun
    /// their next step.
    fn calculate(&mut self, span: Span) -> Result<(), UpdateError> {
        let mut next = 0;
        for index in 0..self.sources.len() {
            let calculation = self
                .calculations
                .get(next)
                .filter(|calculation| calculation.source == index);
            let Some(calculation) = calculation else {
                self.rates[index] = self.close_step(index, span);
                continue;
            };
            let rate = self.calculated(calculation)?;
            self.close_step(index, span);
            self.rates[index] = rate;
            next += 1;
        }
        Ok(())
    }

    fn calculated(&self, calculation: &Calculation) -> Result<f64, UpdateError> {
        let name = || self.sources[calculation.source].name().to_owned();
        let calculable = |program: &&Program| self.now.is_some() || !program.asks_for_now();
        let program = calculation.program.as_ref().filter(calculable);
        program
            .ok_or_else(|| UpdateError::NotCalculable(name()))?
            .of_rates(
                &self.rates[..calculation.source],
                self.now.unwrap_or_default(),
            )
            .map_err(|source| UpdateError::Formula {
                name: name(),
                source,
            })
    }

    /// The rate of a source over the span's steps; its state is left as the next step begins.
    fn close_step(&mut self, index: usize, span: Span) -> f64 {
        let gain = self.gains[index];
        let at = self.source_at(index);
        let state = &mut self.live[at..at + PDP_WORDS];
        let unknown = state[PDP_UNKNOWN];
        let mut value = f64::from_bits(state[PDP_VALUE]);
        let mut pre_unknown = 0.0;
        if gain.is_nan() {
            pre_unknown = span.pre;
        } else {
            value = if value.is_nan() { 0.0 } else { value } + gain / span.interval * span.pre;
        }
        let too_unknown = span.interval > self.sources[index].heartbeat as f64
            || (self.step as f64 / 2.0) < f64::from(unknown as u32 as i32);
        let known = span.elapsed.wrapping_mul(self.step).wrapping_sub(unknown) as f64 - pre_unknown;
        let rate = if too_unknown {
            UNKNOWN
        } else {
            f64::from_bits(stored(value / known))
        };
        let (unknown, value) = if gain.is_nan() {
            (span.post.floor() as u64, UNKNOWN)
        } else {
            (0, gain / span.interval * span.post)
        };
        state[PDP_UNKNOWN] = unknown;
        state[PDP_VALUE] = stored(value);
        rate
    }
}

/// A counter that went down has wrapped. The constants are rrdtool's: one less than 2^32, and 2^64 - 2^32.
fn unwrapped(change: f64) -> f64 {
    let change = if change < 0.0 {
        change + 4_294_967_295.0
    } else {
        change
    };
    if change < 0.0 {
        change + 18_446_744_069_414_584_320.0
    } else {
        change
    }
}

fn is_unknown(input: Input<'_>) -> bool {
    match input {
        Input::Unknown => true,
        Input::Text(text) => text.first() == Some(&b'U'),
        Input::Count(_) => false,
        Input::Number(number) => number.is_nan(),
    }
}

fn number(source: &Source, input: Input<'_>) -> Result<f64, UpdateError> {
    match input {
        Input::Unknown => Ok(UNKNOWN),
        Input::Count(count) => Ok(diff::rounded(count)),
        Input::Number(number) => Ok(number),
        Input::Text(text) => decimal::parse(text).ok_or_else(|| UpdateError::NotANumber {
            name: source.name().to_owned(),
            found: shown(input),
        }),
    }
}

/// The integer that a float is, when it has at most 64 bits.
fn whole(number: f64) -> Option<Whole> {
    let fits = number.trunc() == number && number.abs() < 18_446_744_073_709_551_616.0;
    fits.then(|| Whole {
        negative: number.is_sign_negative(),
        magnitude: number.abs() as u64,
    })
}

fn shown(input: Input<'_>) -> String {
    match input {
        Input::Unknown => "U".to_owned(),
        Input::Text(text) => String::from_utf8_lossy(&text[..text.len().min(80)]).into_owned(),
        Input::Count(count) => count.to_string(),
        Input::Number(number) => number.to_string(),
    }
}

fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn fill(field: &mut [u8], text: &[u8]) {
    let len = text.len().min(field.len() - 1);
    field[..len].copy_from_slice(&text[..len]);
}

/// Room for the text of a number.
#[derive(Default)]
struct Text {
    bytes: [u8; 32],
    len: usize,
}

impl std::fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = self
            .bytes
            .get_mut(self.len..self.len + text.len())
            .ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

fn written(whole: Whole, room: &mut Text) -> &[u8] {
    use std::fmt::Write;
    let sign = if whole.negative { "-" } else { "" };
    match write!(room, "{sign}{}", whole.magnitude) {
        Ok(()) => &room.bytes[..room.len],
        Err(std::fmt::Error) => b"U",
    }
}

/// The shortest decimal that is this number, with an exponent when it would not fit otherwise.
fn shortest(number: f64, room: &mut Text) -> &[u8] {
    use std::fmt::Write;
    if write!(room, "{number}").is_err() || room.len >= layout::LAST_INPUT {
        room.len = 0;
        if write!(room, "{number:e}").is_err() {
            return b"U";
        }
    }
    &room.bytes[..room.len]
}
