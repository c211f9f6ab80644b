//! rrdtool's calculator: an expression in reverse Polish notation over columns of values. Text becomes a [`Program`], a
//! program and columns become one new column. Unknown (NaN) spreads as in rrdtool: through arithmetic and comparisons it
//! stays unknown, `IF` takes it for false, and the functions whose names end in NAN pass it over.
//!
//! Left out: LTIME and NEWDAY, NEWWEEK, NEWMONTH, NEWYEAR, which need local time, the PREDICT family, and ROLL.

use std::fmt::Write;

/// Words that a program may have.
pub const WORDS_MAX: usize = 4096;
/// Values that may be on the stack.
pub const STACK_MAX: usize = 1024;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    steps: Vec<Step>,
    variables: Vec<String>,
}

/// The rows that an expression is evaluated over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// UTC seconds of the first row.
    pub first: i64,
    /// Seconds between rows.
    pub step: u64,
    /// Rows, also the length of every column.
    pub rows: usize,
    /// UTC seconds of the present, for NOW.
    pub now: i64,
}

/// Why an expression cannot be parsed or evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpnError {
    /// A word that is neither operator nor number, and no name.
    #[error("RPN: unexpected word {0:?}")]
    Word(String),
    /// Supported by rrdtool, not here.
    #[error("RPN: {0} is not supported")]
    Unsupported(String),
    /// More than [`WORDS_MAX`] words.
    #[error("RPN: more than {WORDS_MAX} words")]
    TooLong,
    /// TREND and TRENDNAN need a variable and a number of seconds before them.
    #[error("RPN: expected variable,seconds,{0}")]
    Trend(&'static str),
    /// An operator found too few values.
    #[error("RPN stack underflow at {0}")]
    Underflow(String),
    /// More than [`STACK_MAX`] values.
    #[error("RPN stack overflow at {0}")]
    Overflow(String),
    /// A count for a function of many values that is none.
    #[error("RPN: {word} of {found} values")]
    Count {
        /// The function.
        word: String,
        /// The count.
        found: String,
    },
    /// A percentage that is none.
    #[error("RPN: expected 0 to 100 before PERCENT, found {0}")]
    Percent(String),
    /// The expression leaves no value, or more than one.
    #[error("RPN final stack size is {0}, not 1")]
    Leftover(usize),
    /// The columns are not those of the variables, or not as long as the grid.
    #[error("RPN: expected {expected} columns of {rows} rows")]
    Columns {
        /// Variables of the program.
        expected: usize,
        /// Rows of the grid.
        rows: usize,
    },
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Number(f64),
    Variable(usize),
    Previous(usize),
    /// The mean of a variable over a window; `known` leaves unknown rows out.
    Trend {
        variable: usize,
        known: bool,
    },
    Apply(Operator),
}

/// Declares the operators with their words and their codes in a file's packed formulas.
macro_rules! operators {
    ($($name:ident $word:literal $code:literal)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Operator { $($name),* }
        impl Operator {
            const ALL: &[(Self, &'static str, u8)] = &[$((Self::$name, $word, $code)),*];
        }
    };
}

operators! {
    Inf "INF" 2  Prev "PREV" 3  NegInf "NEGINF" 4  Unkn "UNKN" 5  Now "NOW" 6  Time "TIME" 7
    Add "+" 8  Mod "%" 9  Sub "-" 10  Mul "*" 11  Div "/" 12  Sin "SIN" 13  Dup "DUP" 14  Exc "EXC" 15  Pop "POP" 16
    Cos "COS" 17  Log "LOG" 18  Exp "EXP" 19  Lt "LT" 20  Le "LE" 21  Gt "GT" 22  Ge "GE" 23  Eq "EQ" 24  If "IF" 25
    Min "MIN" 26  Max "MAX" 27  Limit "LIMIT" 28  Floor "FLOOR" 29  Ceil "CEIL" 30  Un "UN" 31  Ne "NE" 34
    IsInf "ISINF" 35  Count "COUNT" 37  Atan "ATAN" 38  Sqrt "SQRT" 39  Sort "SORT" 40  Rev "REV" 41
    Atan2 "ATAN2" 44  Rad2Deg "RAD2DEG" 45  Deg2Rad "DEG2RAD" 46  Avg "AVG" 49  Abs "ABS" 50  AddNan "ADDNAN" 51
    MinNan "MINNAN" 52  MaxNan "MAXNAN" 53  Median "MEDIAN" 54  Depth "DEPTH" 56  Copy "COPY" 57
    Index "INDEX" 59  StepWidth "STEPWIDTH" 60  SMin "SMIN" 65  SMax "SMAX" 66  StDev "STDEV" 67
    Percent "PERCENT" 68  Pow "POW" 69
}

const UNSUPPORTED: [&str; 9] = [
    "ROLL",
    "LTIME",
    "NEWDAY",
    "NEWWEEK",
    "NEWMONTH",
    "NEWYEAR",
    "PREDICT",
    "PREDICTSIGMA",
    "PREDICTPERC",
];

impl Operator {
    fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, name, _)| *name == word)
            .map(|(operator, _, _)| *operator)
    }

    fn packed(code: u8) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, _, known)| *known == code)
            .map(|(operator, _, _)| *operator)
    }

    /// Operators that look at more than the values of a row.
    fn needs_a_grid(self) -> bool {
        matches!(
            self,
            Self::Now | Self::Time | Self::StepWidth | Self::Count | Self::Prev
        )
    }

    fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(operator, _, _)| *operator == self)
            .map_or("", |(_, word, _)| word)
    }
}

impl Program {
    /// Parses words separated by commas.
    ///
    /// # Errors
    /// See [`RpnError`]; whether the stack works out shows only when evaluated.
    pub fn parse(text: &str) -> Result<Self, RpnError> {
        let mut program = Self {
            steps: Vec::new(),
            variables: Vec::new(),
        };
        for word in text.split(',') {
            if program.steps.len() >= WORDS_MAX {
                return Err(RpnError::TooLong);
            }
            let step = program.step(word.trim())?;
            program.steps.push(step);
        }
        Ok(program)
    }

    /// The formula packed into a COMPUTE source's parameters; its variables are sources before that one. `None` when it has
    /// what no formula may have, or NOW, which would make a file's bytes depend on the clock.
    pub(crate) fn unpack(parameters: &[u64; 10], sources: usize) -> Option<Self> {
        let mut steps = Vec::new();
        for (code, value) in nodes(parameters) {
            let source = usize::try_from(value)
                .ok()
                .filter(|source| *source < sources);
            steps.push(match code {
                END => break,
                0 => Step::Number(f64::from(value)),
                1 => Step::Variable(source?),
                _ => {
                    Step::Apply(Operator::packed(code).filter(|operator| !operator.needs_a_grid())?)
                }
            });
        }
        (!steps.is_empty()).then_some(Self {
            steps,
            variables: Vec::new(),
        })
    }

    /// The value for one row of rates; unknown when the stack does not work out.
    pub(crate) fn of_rates(&self, rates: &[f64]) -> f64 {
        let columns: Vec<&[f64]> = rates.chunks(1).collect();
        let grid = Grid {
            first: 0,
            step: 1,
            rows: 1,
            now: 0,
        };
        let scene = Scene {
            columns: &columns,
            grid,
            row: 0,
            output: &[],
        };
        scene.run(&self.steps, &mut Vec::new()).unwrap_or(f64::NAN)
    }

    /// The names that the expression speaks of, in the order of the columns it wants.
    #[must_use]
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    fn step(&mut self, word: &str) -> Result<Step, RpnError> {
        if let Some(operator) = Operator::parse(word) {
            return Ok(Step::Apply(operator));
        }
        if UNSUPPORTED.contains(&word) {
            return Err(RpnError::Unsupported(word.to_owned()));
        }
        if word == "TREND" || word == "TRENDNAN" {
            return self.trend(word == "TRENDNAN");
        }
        if let Some(number) = number(word) {
            return Ok(Step::Number(number));
        }
        if let Some(name) = word
            .strip_prefix("PREV(")
            .and_then(|rest| rest.strip_suffix(')'))
        {
            return Ok(Step::Previous(self.variable(name)?));
        }
        Ok(Step::Variable(self.variable(word)?))
    }

    fn trend(&self, known: bool) -> Result<Step, RpnError> {
        match self.steps.as_slice() {
            [.., Step::Variable(variable), _] => Ok(Step::Trend {
                variable: *variable,
                known,
            }),
            _ => Err(RpnError::Trend(if known { "TRENDNAN" } else { "TREND" })),
        }
    }

    fn variable(&mut self, name: &str) -> Result<usize, RpnError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(RpnError::Word(name.to_owned()));
        }
        Ok(self
            .variables
            .iter()
            .position(|known| known == name)
            .unwrap_or_else(|| {
                self.variables.push(name.to_owned());
                self.variables.len() - 1
            }))
    }

    /// One value for each row. `columns` are those of [`Self::variables`], in that order.
    ///
    /// # Errors
    /// When columns are missing or of another length, and when the stack does not work out.
    pub fn evaluate(&self, columns: &[&[f64]], grid: Grid) -> Result<Vec<f64>, RpnError> {
        if columns.len() != self.variables.len()
            || columns.iter().any(|column| column.len() != grid.rows)
        {
            return Err(RpnError::Columns {
                expected: self.variables.len(),
                rows: grid.rows,
            });
        }
        let mut output = Vec::with_capacity(grid.rows);
        let mut stack = Vec::new();
        for row in 0..grid.rows {
            let scene = Scene {
                columns,
                grid,
                row,
                output: &output,
            };
            let value = scene.run(&self.steps, &mut stack)?;
            output.push(value);
        }
        Ok(output)
    }
}

/// A number that is all of the word, as C reads it, but no words like `nan`.
fn number(word: &str) -> Option<f64> {
    let starts = word
        .trim_start_matches(['+', '-'])
        .starts_with(|first: char| first.is_ascii_digit() || first == '.');
    if starts { word.parse().ok() } else { None }
}

/// What a program sees at one row.
struct Scene<'a> {
    columns: &'a [&'a [f64]],
    grid: Grid,
    row: usize,
    output: &'a [f64],
}

impl Scene<'_> {
    fn run(&self, steps: &[Step], stack: &mut Vec<f64>) -> Result<f64, RpnError> {
        stack.clear();
        for step in steps {
            match step {
                Step::Number(number) => stack.push(*number),
                Step::Variable(variable) => stack.push(self.columns[*variable][self.row]),
                Step::Previous(variable) => {
                    let before = self
                        .row
                        .checked_sub(1)
                        .map_or(f64::NAN, |row| self.columns[*variable][row]);
                    stack.push(before);
                }
                Step::Trend { variable, known } => {
                    let seconds = pop(stack, "TREND")?;
                    pop(stack, "TREND")?;
                    stack.push(self.trend(self.columns[*variable], seconds, *known));
                }
                Step::Apply(operator) => self.apply(*operator, stack)?,
            }
            if stack.len() > STACK_MAX {
                return Err(RpnError::Overflow(shown(step)));
            }
        }
        match stack.as_slice() {
            [value] => Ok(*value),
            _ => Err(RpnError::Leftover(stack.len())),
        }
    }

    /// The mean of the rows of a window that ends here; unknown while the rows do not fill it.
    fn trend(&self, column: &[f64], seconds: f64, known: bool) -> f64 {
        let (seconds, step) = (seconds as i64, self.grid.step.max(1));
        let fill = (seconds as f32 / step as f32).ceil();
        if ((self.row + 1) as f32) < fill {
            return f64::NAN;
        }
        let rows =
            usize::try_from(seconds).map_or(1, |seconds| seconds.div_ceil(step as usize).max(1));
        let window = &column[(self.row + 1).saturating_sub(rows)..=self.row];
        let counted = || {
            window
                .iter()
                .rev()
                .filter(|value| !known || !value.is_nan())
        };
        // From zero, newest first: the order is in the last bits.
        counted().fold(0.0, |sum, value| sum + value) / counted().count() as f64
    }

    fn apply(&self, operator: Operator, stack: &mut Vec<f64>) -> Result<(), RpnError> {
        let word = operator.word();
        let time = self
            .grid
            .first
            .saturating_add((self.row as i64).saturating_mul(self.grid.step as i64));
        match operator {
            Operator::Inf => stack.push(f64::INFINITY),
            Operator::NegInf => stack.push(f64::NEG_INFINITY),
            Operator::Unkn => stack.push(f64::NAN),
            Operator::Now => stack.push(self.grid.now as f64),
            Operator::Time => stack.push(time as f64),
            Operator::StepWidth => stack.push(self.grid.step as f64),
            Operator::Count => stack.push((self.row + 1) as f64),
            Operator::Depth => stack.push(stack.len() as f64),
            Operator::Prev => stack.push(self.output.last().copied().unwrap_or(f64::NAN)),
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
            Operator::If => {
                let (yes, no) = pop_two(stack, word)?;
                let test = pop(stack, word)?;
                stack.push(if test.is_nan() || test == 0.0 {
                    no
                } else {
                    yes
                });
            }
            Operator::Limit => {
                let (low, high) = pop_two(stack, word)?;
                let value = pop(stack, word)?;
                let within = low <= value && value <= high;
                stack.push(if within { value } else { f64::NAN });
            }
            Operator::Sin
            | Operator::Cos
            | Operator::Log
            | Operator::Exp
            | Operator::Floor
            | Operator::Ceil
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
            | Operator::Index => of_many(operator, stack)?,
        }
        Ok(())
    }
}

fn pop(stack: &mut Vec<f64>, word: &str) -> Result<f64, RpnError> {
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
        Step::Apply(operator) => operator.word().to_owned(),
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
        Operator::Un => truth(value.is_nan()),
        Operator::IsInf => truth(value.is_infinite()),
        Operator::Atan => value.atan(),
        Operator::Sqrt => value.sqrt(),
        Operator::Rad2Deg => value * 57.295_779_51,
        Operator::Deg2Rad => value * 0.017_453_295_2,
        Operator::Abs => value.abs(),
        _ => f64::NAN,
    }
}

fn of_two(operator: Operator, a: f64, b: f64) -> f64 {
    let unknown = a.is_nan() || b.is_nan();
    let compared = |result: bool| if unknown { f64::NAN } else { truth(result) };
    let known = |result: f64| if unknown { f64::NAN } else { result };
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
        _ => f64::NAN,
    }
}

/// The functions of a counted number of values.
fn of_many(operator: Operator, stack: &mut Vec<f64>) -> Result<(), RpnError> {
    let word = operator.word();
    let count = count(operator, stack)?;
    let percent = if operator == Operator::Percent {
        pop(stack, word)?
    } else {
        0.0
    };
    if !(0.0..=100.0).contains(&percent) {
        return Err(RpnError::Percent(percent.to_string()));
    }
    let start = stack
        .len()
        .checked_sub(count)
        .ok_or_else(|| RpnError::Underflow(word.to_owned()))?;
    match operator {
        Operator::Sort => stack[start..].sort_by(unknown_first),
        Operator::Rev => stack[start..].reverse(),
        Operator::Copy => stack.extend_from_within(start..),
        Operator::Index => stack.push(stack[start]),
        _ => {
            let values = stack.split_off(start);
            stack.push(summary(operator, values, percent));
        }
    }
    Ok(())
}

fn count(operator: Operator, stack: &mut Vec<f64>) -> Result<usize, RpnError> {
    let word = operator.word();
    let count = pop(stack, word)?;
    let least = if matches!(operator, Operator::Sort | Operator::Rev | Operator::Copy) {
        0.0
    } else {
        1.0
    };
    if (least..=STACK_MAX as f64).contains(&count) {
        Ok(count as usize)
    } else {
        Err(RpnError::Count {
            word: word.to_owned(),
            found: count.to_string(),
        })
    }
}

fn unknown_first(a: &f64, b: &f64) -> std::cmp::Ordering {
    b.is_nan()
        .cmp(&a.is_nan())
        .then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
}

fn summary(operator: Operator, mut values: Vec<f64>, percent: f64) -> f64 {
    if operator == Operator::Percent {
        values.sort_by(unknown_first);
        // For the lowest percentages rrdtool reads what lies before its values; here it is the smallest.
        let rank = (percent * values.len() as f64 / 100.0).round() as usize;
        return values
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or(f64::NAN);
    }
    values.retain(|value| !value.is_nan());
    let count = values.len() as f64;
    // The value on top of the stack first: the order is in the last bits.
    let sum = |of: &dyn Fn(&f64) -> f64| {
        values
            .iter()
            .rev()
            .map(of)
            .fold(0.0, |sum, value| sum + value)
    };
    let mean = || sum(&|value| *value) / count;
    match operator {
        Operator::Avg => mean(),
        Operator::SMin => values.iter().copied().fold(f64::NAN, f64::min),
        Operator::SMax => values.iter().copied().fold(f64::NAN, f64::max),
        Operator::StDev if values.len() < 2 => f64::NAN,
        Operator::StDev => {
            let mean = mean();
            (sum(&|value| (value - mean) * (value - mean)) / (count - 1.0)).sqrt()
        }
        Operator::Median => {
            values.sort_by(f64::total_cmp);
            let middle = values.len() / 2;
            match values.as_slice() {
                [] => f64::NAN,
                sorted if sorted.len() % 2 == 1 => sorted[middle],
                sorted => (sorted[middle - 1] + sorted[middle]) / 2.0,
            }
        }
        _ => f64::NAN,
    }
}

/// The code that ends a packed formula.
const END: u8 = 32;

/// Code and value of each node.
fn nodes(parameters: &[u64; 10]) -> impl Iterator<Item = (u8, i16)> {
    let halves = parameters
        .iter()
        .flat_map(|word| [*word as u32, (*word >> 32) as u32]);
    halves.map(|node| {
        let [code, _, low, high] = node.to_le_bytes();
        (code, i16::from_le_bytes([low, high]))
    })
}

/// The text of the formula packed into a COMPUTE source's ten parameters: nodes of four bytes, operator, 0, and a 16-bit
/// number or source index. It ends at the first node that is no part of a formula.
#[must_use]
pub fn packed_text(parameters: &[u64; 10], names: &[&str]) -> String {
    let mut out = String::new();
    for (code, value) in nodes(parameters) {
        let name = usize::try_from(value)
            .ok()
            .and_then(|index| names.get(index))
            .copied()
            .unwrap_or("?");
        let comma = if out.is_empty() { "" } else { "," };
        let _ = match code {
            0 => write!(out, "{comma}{value}"),
            1 => write!(out, "{comma}{name}"),
            36 => write!(out, "{comma}PREV({name})"),
            58 => write!(out, "{comma}ROLL"),
            _ => match Operator::packed(code) {
                Some(operator) => write!(out, "{comma}{}", operator.word()),
                None => break,
            },
        };
    }
    out
}
