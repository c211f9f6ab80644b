//! rrdtool's calculator: an expression in reverse Polish notation over columns of values. Text becomes a [`Program`], a
//! program and columns become one new column. Unknown (NaN) spreads as in rrdtool: through arithmetic and comparisons it
//! stays unknown, `IF` takes it for false, and the functions whose names end in NAN pass it over.
//!
//! All operators of rrdtool 1.7.2, and ROUND of later ones. ROLL does what the manual says, which rrdtool does not. Nothing
//! hangs: words, stack and work are limited.

use std::fmt::Write;

use chrono_tz::Tz;

use crate::formula::{Formula, Word};

mod counted;
mod machine;

pub(crate) use machine::Column;
use machine::Machine;

/// Words that a program may have.
pub const WORDS_MAX: usize = 4096;
/// Values that may be on the stack.
pub const STACK_MAX: usize = 1024;

/// Steps that one evaluation may take: words of the expression for each row, and rows that windows look back at.
pub const WORK_MAX: u64 = 1 << 28;
/// Values that a percentile may be found among.
const SAMPLE_MAX: usize = 1 << 20;

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
    /// More than [`WORDS_MAX`] words.
    #[error("RPN: more than {WORDS_MAX} words")]
    TooLong,
    /// TREND and TRENDNAN need a variable and a number of seconds before them.
    #[error("RPN: expected variable,seconds,{0}")]
    Trend(&'static str),
    /// PREDICT and its kind need a variable right before them.
    #[error("RPN: expected a variable before {0}")]
    Predict(&'static str),
    /// A shift of PREDICT that is negative.
    #[error("RPN: negative shift step not allowed: {0}")]
    Shift(String),
    /// More than [`WORK_MAX`] steps.
    #[error("RPN: the expression takes more than {WORK_MAX} steps for its rows")]
    Work,
    /// A constant where a window over a variable is meant.
    #[error("RPN: malformed trend arguments")]
    Constant,
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
    #[error("RPN: expected a percentage, found {0}")]
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
    /// What is expected after the rows of earlier periods.
    Predict {
        variable: usize,
        forecast: Forecast,
    },
    Apply(Operator),
}

/// What PREDICT makes of the rows that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forecast {
    Mean,
    Deviation,
    Percentile,
}

/// Declares the operators with their words and their codes in a file's packed formulas.
macro_rules! operators {
    ($($name:ident $word:literal $code:literal)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Operator { $($name),* }
        impl Operator {
            const ALL: &[(Self, &'static str, u8)] = &[$((Self::$name, $word, $code)),*];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word),*
                }
            }
        }
    };
}

operators! {
    Inf "INF" 2  Prev "PREV" 3  NegInf "NEGINF" 4  Unkn "UNKN" 5  Now "NOW" 6  Time "TIME" 7
    Add "+" 8  Mod "%" 9  Sub "-" 10  Mul "*" 11  Div "/" 12  Sin "SIN" 13  Dup "DUP" 14  Exc "EXC" 15  Pop "POP" 16
    Cos "COS" 17  Log "LOG" 18  Exp "EXP" 19  Lt "LT" 20  Le "LE" 21  Gt "GT" 22  Ge "GE" 23  Eq "EQ" 24  If "IF" 25
    Min "MIN" 26  Max "MAX" 27  Limit "LIMIT" 28  Floor "FLOOR" 29  Ceil "CEIL" 30  Un "UN" 31  Ne "NE" 34
    LTime "LTIME" 33  IsInf "ISINF" 35  Count "COUNT" 37  Atan "ATAN" 38  Sqrt "SQRT" 39  Sort "SORT" 40  Rev "REV" 41
    Atan2 "ATAN2" 44  Rad2Deg "RAD2DEG" 45  Deg2Rad "DEG2RAD" 46  Avg "AVG" 49  Abs "ABS" 50  AddNan "ADDNAN" 51
    MinNan "MINNAN" 52  MaxNan "MAXNAN" 53  Median "MEDIAN" 54  Depth "DEPTH" 56  Copy "COPY" 57
    Roll "ROLL" 58  Index "INDEX" 59  StepWidth "STEPWIDTH" 60  SMin "SMIN" 65  SMax "SMAX" 66  StDev "STDEV" 67
    NewDay "NEWDAY" 61  NewWeek "NEWWEEK" 62  NewMonth "NEWMONTH" 63  NewYear "NEWYEAR" 64
    Percent "PERCENT" 68  Pow "POW" 69  Round "ROUND" 70
}

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
            Self::Now
                | Self::Time
                | Self::LTime
                | Self::StepWidth
                | Self::Count
                | Self::Prev
                | Self::NewDay
                | Self::NewWeek
                | Self::NewMonth
                | Self::NewYear
        )
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
        for word in text.strip_suffix(',').unwrap_or(text).split(',') {
            if program.steps.len() >= WORDS_MAX {
                return Err(RpnError::TooLong);
            }
            let step = program.step(word.trim())?;
            program.steps.push(step);
        }
        Ok(program)
    }

    /// The packed formula of a COMPUTE source; its variables are the sources before it. `None` when it has what cannot be
    /// calculated from one row of rates.
    pub(crate) fn unpack(formula: Formula) -> Option<Self> {
        let steps = formula.words().map(|word| match word {
            Word::Number(number) => Some(Step::Number(f64::from(number))),
            Word::Source(source) => usize::try_from(source).ok().map(Step::Variable),
            Word::Operator(code) => Operator::packed(code)
                .filter(|operator| *operator == Operator::Now || !operator.needs_a_grid())
                .map(Step::Apply),
            Word::Previous(_) => None,
        });
        Some(Self {
            steps: steps.collect::<Option<_>>()?,
            variables: Vec::new(),
        })
    }

    /// The value for one row of rates.
    ///
    /// # Errors
    /// When the stack does not work out.
    pub(crate) fn of_rates(&self, rates: &[f64], now: i64) -> Result<f64, RpnError> {
        let columns: Vec<Column<'_>> = rates
            .chunks(1)
            .map(|rate| Column::on_grid(rate, 1))
            .collect();
        let grid = Grid {
            first: 0,
            step: 1,
            rows: 1,
            now,
        };
        Machine::new(&columns, grid, Tz::UTC).row(&self.steps)
    }

    /// True when the expression needs to know the present.
    pub(crate) fn asks_for_now(&self) -> bool {
        self.steps.contains(&Step::Apply(Operator::Now))
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
        match word {
            "TREND" => return self.trend("TREND", false),
            "TRENDNAN" => return self.trend("TRENDNAN", true),
            "PREDICT" => return self.predict("PREDICT", Forecast::Mean),
            "PREDICTSIGMA" => return self.predict("PREDICTSIGMA", Forecast::Deviation),
            "PREDICTPERC" => return self.predict("PREDICTPERC", Forecast::Percentile),
            _ => {}
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

    fn trend(&self, word: &'static str, known: bool) -> Result<Step, RpnError> {
        match self.steps.as_slice() {
            [.., Step::Variable(variable), _] => Ok(Step::Trend {
                variable: *variable,
                known,
            }),
            _ => Err(RpnError::Trend(word)),
        }
    }

    fn predict(&self, word: &'static str, forecast: Forecast) -> Result<Step, RpnError> {
        match self.steps.as_slice() {
            [.., Step::Variable(variable)] => Ok(Step::Predict {
                variable: *variable,
                forecast,
            }),
            _ => Err(RpnError::Predict(word)),
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

    /// Puts a number in the place of a variable, whose column is then not looked at.
    ///
    /// # Errors
    /// When the expression looks back at the variable's rows.
    pub(crate) fn substitute(&mut self, variable: usize, number: f64) -> Result<(), RpnError> {
        for step in &mut self.steps {
            match step {
                Step::Variable(found) | Step::Previous(found) if *found == variable => {
                    *step = Step::Number(number);
                }
                Step::Trend {
                    variable: found, ..
                }
                | Step::Predict {
                    variable: found, ..
                } if *found == variable => {
                    return Err(RpnError::Constant);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// One value for each row, in UTC. `columns` are those of [`Self::variables`], in that order.
    ///
    /// # Errors
    /// When columns are missing or of another length, and when the stack does not work out.
    pub fn evaluate(&self, columns: &[&[f64]], grid: Grid) -> Result<Vec<f64>, RpnError> {
        self.evaluate_in(columns, grid, Tz::UTC)
    }

    /// As [`Self::evaluate`], with the days, weeks, months and years of a time zone.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn evaluate_in(
        &self,
        columns: &[&[f64]],
        grid: Grid,
        zone: Tz,
    ) -> Result<Vec<f64>, RpnError> {
        if columns.len() != self.variables.len()
            || columns.iter().any(|column| column.len() != grid.rows)
        {
            return Err(RpnError::Columns {
                expected: self.variables.len(),
                rows: grid.rows,
            });
        }
        let columns: Vec<Column<'_>> = columns
            .iter()
            .map(|values| Column::on_grid(values, grid.step))
            .collect();
        self.evaluate_columns(&columns, grid, zone)
    }

    /// As [`Self::evaluate_in`], over columns that may have longer steps than the grid, and begin earlier.
    pub(crate) fn evaluate_columns(
        &self,
        columns: &[Column<'_>],
        grid: Grid,
        zone: Tz,
    ) -> Result<Vec<f64>, RpnError> {
        if columns.len() != self.variables.len() {
            return Err(RpnError::Columns {
                expected: self.variables.len(),
                rows: grid.rows,
            });
        }
        Machine::new(columns, grid, zone).rows(&self.steps)
    }
}

/// A number that is all of the word, as C reads it, but no words like `nan`.
fn number(word: &str) -> Option<f64> {
    let starts = word
        .trim_start_matches(['+', '-'])
        .starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let digits = word
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    if starts && digits {
        crate::decimal::parse(word.as_bytes())
    } else {
        None
    }
}

/// The code of an operator in a file's packed formulas.
pub(crate) fn operator_code(word: &str) -> Option<u8> {
    let known = Operator::ALL
        .iter()
        .map(|(_, name, code)| (*name, *code))
        .chain(ONLY_PACKED);
    known
        .into_iter()
        .find(|(name, _)| *name == word)
        .map(|(_, code)| code)
}

fn packed_word(code: u8) -> Option<&'static str> {
    let calculated = Operator::packed(code).map(Operator::word);
    let only_packed = || ONLY_PACKED.iter().find(|(_, known)| *known == code);
    calculated.or_else(|| only_packed().map(|(word, _)| *word))
}

/// Words that are no operators here, with their codes.
const ONLY_PACKED: [(&str, u8); 5] = [
    ("TREND", 42),
    ("TRENDNAN", 43),
    ("PREDICT", 47),
    ("PREDICTSIGMA", 48),
    ("PREDICTPERC", 55),
];

/// The text of the formula packed into a COMPUTE source's ten parameters ([`crate::formula`]). It ends at the first word
/// that is no part of a formula.
#[must_use]
pub fn packed_text(parameters: &[u64; 10], names: &[&str]) -> String {
    let name = |source: i16| {
        usize::try_from(source)
            .ok()
            .and_then(|index| names.get(index))
            .copied()
            .unwrap_or("?")
    };
    let mut out = String::new();
    for word in Formula::from_words(*parameters).words() {
        let comma = if out.is_empty() { "" } else { "," };
        let _ = match word {
            Word::Number(number) => write!(out, "{comma}{number}"),
            Word::Source(source) => write!(out, "{comma}{}", name(source)),
            Word::Previous(source) => write!(out, "{comma}PREV({})", name(source)),
            Word::Operator(code) => match packed_word(code) {
                Some(word) => write!(out, "{comma}{word}"),
                None => break,
            },
        };
    }
    out
}

#[cfg(test)]
mod tests;
