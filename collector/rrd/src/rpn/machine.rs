//! The machine that runs a program row by row: its stack, its columns, and what each operator does. After the first rows
//! nothing is allocated.

use chrono_tz::Tz;

use super::{Forecast, Grid, Operator, RpnError, SAMPLE_MAX, STACK_MAX, Step, WORK_MAX, counted};
use crate::UNKNOWN;
use crate::local::Local;

/// The values of a variable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column<'a> {
    values: &'a [f64],
    /// Seconds between values.
    step: u64,
    /// The value of the grid's first row.
    first: usize,
}

impl<'a> Column<'a> {
    /// A value for each row of a grid.
    pub(super) fn on_grid(values: &'a [f64], step: u64) -> Self {
        Self {
            values,
            step,
            first: 0,
        }
    }

    /// Values of `step` seconds each, on times that are multiples of it; `first` is that of the grid's first row.
    pub(crate) fn on_steps(values: &'a [f64], step: u64, first: usize) -> Self {
        Self {
            values,
            step,
            first,
        }
    }

    fn at(&self, place: usize) -> f64 {
        self.values.get(place).copied().unwrap_or(UNKNOWN)
    }
}

pub(super) struct Machine<'a> {
    columns: &'a [Column<'a>],
    grid: Grid,
    zone: Tz,
    output: Vec<f64>,
    stack: Vec<f64>,
    /// What percentiles are found among.
    sample: Vec<f64>,
    /// Where each column is; it goes on when its step is over.
    places: Vec<usize>,
    work: u64,
}

impl<'a> Machine<'a> {
    pub(super) fn new(columns: &'a [Column<'a>], grid: Grid, zone: Tz) -> Self {
        Self {
            columns,
            grid,
            zone,
            output: Vec::new(),
            stack: Vec::new(),
            sample: Vec::new(),
            places: columns.iter().map(|column| column.first).collect(),
            work: 0,
        }
    }

    pub(super) fn rows(mut self, steps: &[Step]) -> Result<Vec<f64>, RpnError> {
        self.output.reserve_exact(self.grid.rows);
        for _ in 0..self.grid.rows {
            let value = self.row(steps)?;
            self.output.push(value);
            self.go_on();
        }
        Ok(self.output)
    }

    fn go_on(&mut self) {
        // The row is in the output already.
        let time = self.time() - self.grid.step as i64;
        for (place, column) in self.places.iter_mut().zip(self.columns) {
            if ends(column, self.grid, time) {
                *place += 1;
            }
        }
    }

    fn time(&self) -> i64 {
        let passed = (self.output.len() as i64).saturating_mul(self.grid.step as i64);
        self.grid.first.saturating_add(passed)
    }

    pub(super) fn spend(&mut self, work: usize) -> Result<(), RpnError> {
        self.work = self.work.saturating_add(work as u64);
        if self.work > WORK_MAX {
            return Err(RpnError::Work);
        }
        Ok(())
    }

    /// The value of the next row.
    pub(super) fn row(&mut self, steps: &[Step]) -> Result<f64, RpnError> {
        self.spend(steps.len())?;
        self.stack.clear();
        for step in steps {
            match step {
                Step::Number(number) => self.stack.push(*number),
                Step::Variable(variable) => self.stack.push(self.value(*variable, 0)),
                Step::Previous(variable) if self.output.is_empty() => {
                    debug_assert!(*variable < self.columns.len());
                    self.stack.push(UNKNOWN);
                }
                Step::Previous(variable) => self.stack.push(self.value(*variable, 1)),
                Step::Trend { variable, known } => {
                    let seconds = pop(&mut self.stack, "TREND")?;
                    pop(&mut self.stack, "TREND")?;
                    let mean = self.trend(*variable, seconds, *known)?;
                    self.stack.push(mean);
                }
                Step::Predict { variable, forecast } => {
                    let value = self.predict(*variable, *forecast)?;
                    self.stack.push(value);
                }
                Step::Apply(operator) => self.apply(*operator)?,
            }
            if self.stack.len() > STACK_MAX {
                return Err(RpnError::Overflow(shown(step)));
            }
        }
        match self.stack.as_slice() {
            [value] => Ok(*value),
            _ => Err(RpnError::Leftover(self.stack.len())),
        }
    }

    /// A variable's value so many of its rows ago.
    fn value(&self, variable: usize, ago: usize) -> f64 {
        let column = &self.columns[variable];
        let place = self.places[variable].checked_sub(ago);
        place.map_or(UNKNOWN, |place| column.at(place))
    }

    /// The place behind the newest value that is complete.
    fn after_newest(&self, variable: usize) -> usize {
        let complete = ends(&self.columns[variable], self.grid, self.time());
        self.places[variable] + usize::from(complete)
    }

    /// The mean of the rows of a window that ends here; unknown while the rows do not fill it.
    fn trend(&mut self, variable: usize, seconds: f64, known: bool) -> Result<f64, RpnError> {
        let (seconds, step) = (seconds as i64, self.columns[variable].step.max(1));
        let fill = (seconds as f32 / step as f32).ceil();
        if ((self.output.len() + 1) as f32) < fill {
            return Ok(UNKNOWN);
        }
        let rows = u64::try_from(seconds).map_or(1, |seconds| seconds.div_ceil(step).max(1));
        let end = self.after_newest(variable);
        let rows = usize::try_from(rows).map_or(end, |rows| rows.min(end));
        self.spend(rows)?;
        let column = self.columns[variable];
        let (mut sum, mut count) = (0.0, 0_u64);
        // Newest first: the order is in the last bits.
        for value in (end - rows..end).rev().map(|place| column.at(place)) {
            if !known || !value.is_nan() {
                sum += value;
                count += 1;
            }
        }
        Ok(if count == 0 {
            UNKNOWN
        } else {
            sum / count as f64
        })
    }

    /// `shift,…,shift,count,window,x,PREDICT`, or `shift,-count,window,x,PREDICT`; PREDICTPERC has the percentage before x.
    fn predict(&mut self, variable: usize, forecast: Forecast) -> Result<f64, RpnError> {
        let word = match forecast {
            Forecast::Mean => "PREDICT",
            Forecast::Deviation => "PREDICTSIGMA",
            Forecast::Percentile => "PREDICTPERC",
        };
        pop(&mut self.stack, word)?;
        let mut percent = 0.0;
        if forecast == Forecast::Percentile {
            percent = pop(&mut self.stack, word)?;
            if percent.abs() > 100.0 || percent.is_nan() {
                return Err(RpnError::Percent(percent.to_string()));
            }
        }
        let window = pop(&mut self.stack, word)?;
        let count = pop(&mut self.stack, word)?;
        if count.abs() > STACK_MAX as f64 || count.is_nan() {
            return Err(RpnError::Count {
                word: word.to_owned(),
                found: count.to_string(),
            });
        }
        let (count, repeated) = (count.abs() as usize, count <= -1.0);
        let taken = if repeated { 1 } else { count };
        let from = self.stack.len().checked_sub(taken);
        let from = from.ok_or_else(|| RpnError::Underflow(word.to_owned()))?;
        self.sample.clear();
        let mut sums = Sums::default();
        for turn in 0..count {
            let shift = if repeated {
                turn as f64 * self.stack[from]
            } else {
                self.stack[from + turn]
            };
            self.look_back(variable, shift, window, forecast, &mut sums)?;
        }
        self.stack.truncate(from);
        Ok(match forecast {
            Forecast::Mean => sums.mean(),
            Forecast::Deviation => sums.deviation(),
            Forecast::Percentile => counted::between(&mut self.sample, percent / 100.0),
        })
    }

    /// Gathers the rows of one earlier period.
    fn look_back(
        &mut self,
        variable: usize,
        shift: f64,
        window: f64,
        forecast: Forecast,
        sums: &mut Sums,
    ) -> Result<(), RpnError> {
        let shift = shift as i32;
        if shift < 0 {
            return Err(RpnError::Shift(shift.to_string()));
        }
        let step = self.columns[variable].step.max(1);
        let rows = |seconds: i32| (seconds as f32 / step as f32).ceil() as i64;
        let (shift, window) = (rows(shift), rows(window as i32));
        let last = shift
            .saturating_add(window)
            .min(self.output.len() as i64 - 1);
        if last < shift {
            return self.spend(1);
        }
        self.spend((last - shift + 1) as usize)?;
        let (column, end) = (self.columns[variable], self.after_newest(variable));
        for ago in shift..=last {
            let value = end
                .checked_sub(ago as usize)
                .map_or(UNKNOWN, |place| column.at(place));
            if value.is_nan() {
                continue;
            }
            sums.add(value);
            if forecast == Forecast::Percentile {
                if self.sample.len() >= SAMPLE_MAX {
                    return Err(RpnError::Work);
                }
                self.sample.push(value);
            }
        }
        Ok(())
    }

    fn apply(&mut self, operator: Operator) -> Result<(), RpnError> {
        let word = operator.word();
        let stack = &mut self.stack;
        match operator {
            Operator::Inf
            | Operator::NegInf
            | Operator::Unkn
            | Operator::Now
            | Operator::Time
            | Operator::LTime
            | Operator::NewDay
            | Operator::NewWeek
            | Operator::NewMonth
            | Operator::NewYear
            | Operator::StepWidth
            | Operator::Count
            | Operator::Depth
            | Operator::Prev => {
                let value = self.of_row(operator);
                self.stack.push(value);
            }
            Operator::Dup => {
                let top = pop(stack, word)?;
                stack.extend([top, top]);
            }
            Operator::Pop => {
                pop(stack, word)?;
            }
            Operator::Exc => {
                let (a, b) = pop_two(stack, word)?;
                stack.extend([b, a]);
            }
            Operator::If | Operator::Limit => {
                let (b, c) = pop_two(stack, word)?;
                let a = pop(stack, word)?;
                stack.push(of_three(operator, a, b, c));
            }
            Operator::Sin
            | Operator::Cos
            | Operator::Log
            | Operator::Exp
            | Operator::Floor
            | Operator::Ceil
            | Operator::Round
            | Operator::Un
            | Operator::IsInf
            | Operator::Atan
            | Operator::Sqrt
            | Operator::Rad2Deg
            | Operator::Deg2Rad
            | Operator::Abs => {
                let value = pop(stack, word)?;
                stack.push(of_one(operator, value));
            }
            Operator::Add
            | Operator::Sub
            | Operator::Mul
            | Operator::Div
            | Operator::Mod
            | Operator::Pow
            | Operator::Atan2
            | Operator::Lt
            | Operator::Le
            | Operator::Gt
            | Operator::Ge
            | Operator::Eq
            | Operator::Ne
            | Operator::Min
            | Operator::Max
            | Operator::AddNan
            | Operator::MinNan
            | Operator::MaxNan => {
                let (a, b) = pop_two(stack, word)?;
                stack.push(of_two(operator, a, b));
            }
            Operator::Sort
            | Operator::Rev
            | Operator::Avg
            | Operator::Median
            | Operator::SMin
            | Operator::SMax
            | Operator::StDev
            | Operator::Percent
            | Operator::Copy
            | Operator::Index
            | Operator::Roll => counted::apply(operator, stack)?,
        }
        Ok(())
    }

    /// Operators that take nothing from the stack.
    fn of_row(&self, operator: Operator) -> f64 {
        let time = self.time();
        let here = || Local::at(time, self.zone);
        let before = || Local::at(time.saturating_sub(self.grid.step as i64), self.zone);
        match operator {
            Operator::Inf => f64::INFINITY,
            Operator::NegInf => f64::NEG_INFINITY,
            Operator::Now => self.grid.now as f64,
            Operator::Time => time as f64,
            Operator::LTime => time.saturating_add(here().east) as f64,
            Operator::NewDay => truth(here().date.day != before().date.day),
            Operator::NewWeek => {
                let (here, before) = (here().date.weekday(), before().date.weekday());
                // Weeks begin with Sunday, as in C's own locale.
                truth(here == 0 && here != before)
            }
            Operator::NewMonth => truth(here().date.month != before().date.month),
            Operator::NewYear => truth(here().date.year != before().date.year),
            Operator::StepWidth => self.grid.step as f64,
            Operator::Count => (self.output.len() + 1) as f64,
            Operator::Depth => self.stack.len() as f64,
            Operator::Prev => self.output.last().copied().unwrap_or(UNKNOWN),
            _ => UNKNOWN,
        }
    }
}

/// Whether the column's step is over at `time`.
fn ends(column: &Column<'_>, grid: Grid, time: i64) -> bool {
    column.step == grid.step || time % column.step.max(1) as i64 == 0
}

#[derive(Default)]
struct Sums {
    count: u32,
    sum: f64,
    squares: f64,
}

impl Sums {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.squares += value * value;
    }

    fn mean(&self) -> f64 {
        if self.count == 0 {
            return UNKNOWN;
        }
        self.sum / f64::from(self.count)
    }

    fn deviation(&self) -> f64 {
        let count = f64::from(self.count);
        let spread = count * self.squares - self.sum * self.sum;
        if self.count < 2 || spread < 0.0 {
            return UNKNOWN;
        }
        (spread / (count * (count - 1.0))).sqrt()
    }
}

pub(super) fn pop(stack: &mut Vec<f64>, word: &str) -> Result<f64, RpnError> {
    stack
        .pop()
        .ok_or_else(|| RpnError::Underflow(word.to_owned()))
}

fn pop_two(stack: &mut Vec<f64>, word: &str) -> Result<(f64, f64), RpnError> {
    let top = pop(stack, word)?;
    Ok((pop(stack, word)?, top))
}

fn shown(step: &Step) -> String {
    match step {
        Step::Number(number) => number.to_string(),
        Step::Variable(_) | Step::Previous(_) => "a variable".to_owned(),
        Step::Trend { .. } => "TREND".to_owned(),
        Step::Predict { .. } => "PREDICT".to_owned(),
        Step::Apply(operator) => operator.word().to_owned(),
    }
}

fn of_three(operator: Operator, a: f64, b: f64, c: f64) -> f64 {
    match operator {
        Operator::If if a.is_nan() || a == 0.0 => c,
        Operator::If => b,
        // LIMIT
        _ => match [a, b, c].into_iter().find(|value| value.is_nan()) {
            Some(unknown) => unknown,
            None if a < b || a > c => UNKNOWN,
            None => a,
        },
    }
}

fn truth(truth: bool) -> f64 {
    f64::from(u8::from(truth))
}

fn of_one(operator: Operator, value: f64) -> f64 {
    match operator {
        Operator::Sin => value.sin(),
        Operator::Cos => value.cos(),
        Operator::Log => value.ln(),
        Operator::Exp => value.exp(),
        Operator::Floor => value.floor(),
        Operator::Ceil => value.ceil(),
        Operator::Round => value.round(),
        Operator::Un => truth(value.is_nan()),
        Operator::IsInf => truth(value.is_infinite()),
        Operator::Atan => value.atan(),
        Operator::Sqrt => value.sqrt(),
        Operator::Rad2Deg => value * 57.295_779_51,
        Operator::Deg2Rad => value * 0.017_453_295_2,
        Operator::Abs => value.abs(),
        _ => UNKNOWN,
    }
}

fn of_two(operator: Operator, a: f64, b: f64) -> f64 {
    // The sign of an unknown number, which ABS clears, is in the bytes of a file.
    let known = |result: f64| {
        if a.is_nan() {
            a
        } else if b.is_nan() {
            b
        } else {
            result
        }
    };
    let compared = |result: bool| known(truth(result));
    let or_other = |result: f64| {
        if a.is_nan() {
            b
        } else if b.is_nan() {
            a
        } else {
            result
        }
    };
    let (smaller, larger) = (if a > b { b } else { a }, if a < b { b } else { a });
    match operator {
        Operator::Add => a + b,
        Operator::Sub => a - b,
        Operator::Mul => a * b,
        Operator::Div => a / b,
        Operator::Mod => a % b,
        Operator::Pow => a.powf(b),
        Operator::Atan2 => a.atan2(b),
        Operator::Lt => compared(a < b),
        Operator::Le => compared(a <= b),
        Operator::Gt => compared(a > b),
        Operator::Ge => compared(a >= b),
        Operator::Eq => compared(a == b),
        Operator::Ne => compared(a != b),
        Operator::Min => known(smaller),
        Operator::Max => known(larger),
        Operator::AddNan => or_other(a + b),
        Operator::MinNan => or_other(smaller),
        Operator::MaxNan => or_other(larger),
        _ => UNKNOWN,
    }
}
