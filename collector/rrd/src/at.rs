//! Times on rrdtool's command line: seconds, `now`, `noon yesterday`, `20:15 3/14/2026`, `end-1d2h`. The grammar is that of
//! rrdfetch(1), with what rrdtool makes of input beside it. Text in; with `now` and a zone, UTC seconds out.
//!
//! Three differences, where rrdtool is plainly mistaken: a date without a year is of this year (rrdtool takes the year
//! 30000 for `3/14`), `epoch` is 1970 (rrdtool: 1900), and numbers beyond 32 bits are refused instead of wrapped.

use chrono_tz::Tz;

use crate::local::{self, Fields, Local};

mod scanner;

use scanner::{Scanner, Token, Words};

/// Larger numbers are seconds since 1970: ten years of them.
const SECONDS_MIN: i64 = 10 * 365 * 86_400;

/// A time that may still hang on another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    anchor: Anchor,
    shift: Shift,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchor {
    Seconds(i64),
    Start,
    End,
    Clock(Clock),
}

/// Hour and minute on a day; what is not said is as now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Clock {
    hour: Option<(i64, i64)>,
    day: Day,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Day {
    #[default]
    Today,
    Yesterday,
    Tomorrow,
    /// That day of this week; 0 is Sunday, with which weeks begin.
    OfWeek(i64),
    Date {
        year: Option<i64>,
        month: i64,
        day: i64,
    },
}

/// What is added to an anchor, in calendar and in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shift {
    years: i64,
    months: i64,
    days: i64,
    seconds: i64,
}

/// Why a time is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Does not begin like a time.
    #[error("unparsable time: {0}")]
    Form(String),
    /// Begins like a time, and goes on with something else.
    #[error("unparsable trailing text: '...{0}'")]
    Trailing(String),
    /// `start` or `end` alone.
    #[error("'start' or 'end' MUST be followed by +|- offset")]
    Alone,
    /// `now` and something that is no offset.
    #[error("if 'now' is followed by a token it must be +|- offset")]
    AfterNow,
    /// A sign without a number.
    #[error("There should be number after '{0}'")]
    Offset(char),
    /// A number was expected.
    #[error("{0}")]
    Number(&'static str),
    /// Minutes beyond 59.
    #[error("parsing HH:MM syntax, got MM = {0} (>59!)")]
    Minute(i64),
    /// `13pm`.
    #[error("there cannot be more than 12 AM or PM hours")]
    HalfDay,
    /// No month.
    #[error("did you really mean month {0}?")]
    Month(i64),
    /// No day of a month.
    #[error("I'm afraid that {0} is not a valid day of the month")]
    DayOfMonth(i64),
    /// A year before 1971 with four digits, or none at all.
    #[error("invalid year {0} (should be either 00-99 or >1900)")]
    Year(i64),
    /// A year before 1970.
    #[error("won't handle dates before epoch (01/01/1970), sorry")]
    BeforeEpoch,
    /// Each of start and end is given by the other.
    #[error("the start and end times cannot be specified relative to each other")]
    Circle,
    /// A time hangs on itself.
    #[error("the {0} time cannot be specified relative to itself")]
    Itself(&'static str),
    /// Beyond what can be counted.
    #[error("the specified time is incorrect (out of range?)")]
    Range,
}

impl Time {
    /// Parses a time.
    ///
    /// # Errors
    /// See [`TimeError`].
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let mut parser = Parser {
            scanner: Scanner::new(text),
            token: Token::End,
        };
        parser.advance()?;
        let anchor = parser.anchor()?;
        let shift = parser.shift()?;
        match parser.token {
            Token::End => Ok(Self { anchor, shift }),
            _ => Err(TimeError::Trailing(parser.scanner.rest().to_owned())),
        }
    }

    /// A moment that hangs on nothing.
    #[must_use]
    pub fn of_seconds(seconds: i64) -> Self {
        Self {
            anchor: Anchor::Seconds(seconds),
            shift: Shift::default(),
        }
    }

    /// The time, when it hangs on nothing but `now`.
    ///
    /// # Errors
    /// When it hangs on start or end, and [`TimeError::Range`].
    pub fn alone(&self, now: i64, zone: Tz) -> Result<i64, TimeError> {
        let fields = match self.anchor {
            Anchor::Start | Anchor::End => return Err(TimeError::Circle),
            Anchor::Seconds(seconds) => Local::at(seconds, zone).fields(),
            // In an hour that comes twice, too, now is now.
            Anchor::Clock(clock) if clock == Clock::default() && self.shift.is_seconds() => {
                return Ok(now + self.shift.seconds);
            }
            Anchor::Clock(clock) => clock.fields(Local::at(now, zone)),
        };
        self.shift.after(fields, zone)
    }

    fn from(&self, other: i64, zone: Tz) -> Result<i64, TimeError> {
        self.shift.after(Local::at(other, zone).fields(), zone)
    }
}

/// Start and end, of which one may hang on the other.
///
/// # Errors
/// See [`TimeError`].
pub fn range(start: &Time, end: &Time, now: i64, zone: Tz) -> Result<(i64, i64), TimeError> {
    match (start.anchor, end.anchor) {
        (Anchor::End, Anchor::Start) => Err(TimeError::Circle),
        (Anchor::Start, _) => Err(TimeError::Itself("start")),
        (_, Anchor::End) => Err(TimeError::Itself("end")),
        (Anchor::End, Anchor::Seconds(_) | Anchor::Clock(_)) => {
            let end = end.alone(now, zone)?;
            Ok((start.from(end, zone)?, end))
        }
        (Anchor::Seconds(_) | Anchor::Clock(_), Anchor::Start) => {
            let start = start.alone(now, zone)?;
            Ok((start, end.from(start, zone)?))
        }
        (Anchor::Seconds(_) | Anchor::Clock(_), Anchor::Seconds(_) | Anchor::Clock(_)) => {
            Ok((start.alone(now, zone)?, end.alone(now, zone)?))
        }
    }
}

impl Clock {
    fn fields(self, now: Local) -> Fields {
        let mut fields = Fields {
            summer: None,
            ..now.fields()
        };
        if let Some((hour, minute)) = self.hour {
            (fields.hour, fields.minute, fields.second) = (hour, minute, 0);
        }
        match self.day {
            Day::Today => {}
            Day::Yesterday => fields.day -= 1,
            Day::Tomorrow => fields.day += 1,
            Day::OfWeek(day) => fields.day += day - now.date.weekday(),
            Day::Date { year, month, day } => {
                fields.year = year.unwrap_or(fields.year);
                (fields.month, fields.day) = (month, day);
            }
        }
        fields
    }
}

impl Shift {
    fn is_seconds(self) -> bool {
        (self.years, self.months, self.days) == (0, 0, 0)
    }

    fn after(self, fields: Fields, zone: Tz) -> Result<i64, TimeError> {
        let shifted = Fields {
            year: fields.year + self.years,
            month: fields.month + self.months,
            day: fields.day + self.days,
            ..fields
        };
        local::moment(shifted, zone)
            .map(|time| time + self.seconds)
            .ok_or(TimeError::Range)
    }
}

/// Reads a time word by word. `token` is the word that is looked at.
struct Parser<'a> {
    scanner: Scanner<'a>,
    token: Token,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token, TimeError> {
        self.token = self.scanner.next()?;
        Ok(self.token)
    }

    fn number(&mut self, error: TimeError) -> Result<i64, TimeError> {
        match self.advance()? {
            Token::Number { value, .. } => Ok(value),
            _ => Err(error),
        }
    }

    fn anchor(&mut self) -> Result<Anchor, TimeError> {
        match self.token {
            Token::Plus | Token::Minus => Ok(Anchor::Clock(Clock::default())),
            Token::Epoch => self.named(Anchor::Seconds(0)),
            Token::Start => self.named(Anchor::Start),
            Token::TheEnd => self.named(Anchor::End),
            Token::Now => self.named(Anchor::Clock(Clock::default())),
            Token::Number { .. } => self.clock_or_date(),
            Token::Month(month) => {
                let day = self.month_and_day(month)?;
                let hour = match self.token {
                    Token::Number { .. } => self.time_of_day()?,
                    _ => None,
                };
                Ok(Anchor::Clock(Clock { hour, day }))
            }
            Token::Noon(hour) => {
                self.advance()?;
                match self.day()? {
                    // rrdtool lets the seconds win.
                    (_, Some(seconds)) => Ok(Anchor::Seconds(seconds)),
                    (day, None) => Ok(Anchor::Clock(Clock {
                        hour: Some((hour, 0)),
                        day: day.unwrap_or_default(),
                    })),
                }
            }
            _ => Err(TimeError::Form(self.scanner.rest().to_owned())),
        }
    }

    /// `now`, `start`, `end`, of which only the first may stand alone.
    fn named(&mut self, anchor: Anchor) -> Result<Anchor, TimeError> {
        let now = matches!(anchor, Anchor::Clock(_));
        match self.advance()? {
            Token::Plus | Token::Minus => Ok(anchor),
            _ if !now => Err(TimeError::Alone),
            Token::End => Ok(anchor),
            _ => Err(TimeError::AfterNow),
        }
    }

    /// `20:15`, `8pm monday`, `3/14/2026`, `14.3.2026 20:15`, `20260314`, `1795201200`.
    fn clock_or_date(&mut self) -> Result<Anchor, TimeError> {
        let mut hour = self.time_of_day()?;
        let (day, seconds) = self.day()?;
        if let Some(seconds) = seconds {
            return Ok(Anchor::Seconds(seconds));
        }
        if hour.is_none() && matches!(day, Some(Day::Date { .. })) {
            hour = self.time_of_day()?;
        }
        Ok(Anchor::Clock(Clock {
            hour,
            day: day.unwrap_or_default(),
        }))
    }

    /// Hour and minute, when the present token begins them; else it is still the present one.
    fn time_of_day(&mut self) -> Result<Option<(i64, i64)>, TimeError> {
        let (before, token) = (self.scanner, self.token);
        // Whatever is short and no number counts as midnight: so a date alone means its first moment.
        let mut hour = match token {
            Token::Number { digits, .. } if digits > 2 => return Ok(None),
            Token::Number { value, .. } => value,
            _ if self.scanner.token_len() > 2 => return Ok(None),
            _ => 0,
        };
        let mut minute = 0;
        if matches!(self.advance()?, Token::Slash | Token::Dot) {
            (self.scanner, self.token) = (before, token);
            return Ok(None);
        }
        if self.token == Token::Colon {
            let missing = "Parsing HH:MM syntax, expecting MM as number, got none";
            minute = self.number(TimeError::Number(missing))?;
            if minute > 59 {
                return Err(TimeError::Minute(minute));
            }
            self.advance()?;
        }
        match self.token {
            Token::Am | Token::Pm if hour > 12 => return Err(TimeError::HalfDay),
            Token::Am => {
                hour %= 12;
                self.advance()?;
            }
            Token::Pm => {
                hour = hour % 12 + 12;
                self.advance()?;
            }
            _ if hour > 23 => {
                (self.scanner, self.token) = (before, token);
                return Ok(None);
            }
            _ => {}
        }
        Ok(Some((hour, minute)))
    }

    /// A day, or seconds since 1970, which are a day with its time.
    fn day(&mut self) -> Result<(Option<Day>, Option<i64>), TimeError> {
        let day = match self.token {
            Token::Yesterday => Day::Yesterday,
            Token::Today => Day::Today,
            Token::Tomorrow => Day::Tomorrow,
            Token::Weekday(day) => Day::OfWeek(day),
            Token::Month(month) => return Ok((Some(self.month_and_day(month)?), None)),
            Token::Number { value, .. } if value > SECONDS_MIN && !is_packed(value) => {
                self.advance()?;
                return Ok((None, Some(value)));
            }
            Token::Number { value, .. } => return Ok((Some(self.date(value)?), None)),
            _ => return Ok((None, None)),
        };
        self.advance()?;
        Ok((Some(day), None))
    }

    /// `march 14` and perhaps a year.
    fn month_and_day(&mut self, month: i64) -> Result<Day, TimeError> {
        let missing = TimeError::Number("the day of the month should follow month name");
        let day = self.number(missing)?;
        let mut given = None;
        if let Token::Number { value, .. } = self.advance()? {
            given = Some(value);
            self.advance()?;
        }
        let year = given.map(year).transpose()?;
        Ok(Day::Date { year, month, day })
    }

    /// `3/14/2026`, `14.3.2026` or `20260314`, of which `first` is the first number.
    fn date(&mut self, first: i64) -> Result<Day, TimeError> {
        let (mut month, mut day, mut given) = (first, 0, None);
        let separator = self.advance()?;
        if is_packed(first) {
            (given, month, day) = (Some(first / 10_000), first / 100 % 100, first % 100);
        } else if first <= 31 && matches!(separator, Token::Slash | Token::Dot) {
            let european = separator == Token::Dot;
            day = self.number(TimeError::Number(if european {
                "there should be month number after '.'"
            } else {
                "there should be day number after '/'"
            }))?;
            if self.advance()? == separator {
                given = Some(self.number(TimeError::Number(if european {
                    "there should be year number after '.'"
                } else {
                    "there should be year number after '/'"
                }))?);
                self.advance()?;
            }
            if european {
                (month, day) = (day, month);
            }
        }
        if !(1..=12).contains(&month) {
            return Err(TimeError::Month(month));
        }
        if !(1..=31).contains(&day) {
            return Err(TimeError::DayOfMonth(day));
        }
        let year = given.map(year).transpose()?;
        Ok(Day::Date { year, month, day })
    }

    /// The offsets. A sign holds until the next one, and a word behind a number is its unit: one that is none is passed
    /// over, even a sign.
    fn shift(&mut self) -> Result<Shift, TimeError> {
        let mut shift = Shift::default();
        if !matches!(self.token, Token::Plus | Token::Minus) {
            return Ok(shift);
        }
        self.scanner.words = Words::Units;
        let (mut sign, mut before) = (1, None);
        loop {
            let count = match self.token {
                Token::Plus | Token::Minus => {
                    sign = if self.token == Token::Plus { 1 } else { -1 };
                    before = None;
                    self.number(TimeError::Offset(if sign == 1 { '+' } else { '-' }))?
                }
                Token::Number { value, .. } => value,
                _ => return Ok(shift),
            };
            let unit = meant(self.advance()?, before, count);
            before = Some(unit);
            shift.add(sign * count, unit)?;
            self.advance()?;
        }
    }
}

/// What `m` means: months behind days and longer, minutes behind hours and shorter, and where nothing is before it, months
/// up to 5 of them.
fn meant(unit: Token, before: Option<Token>, count: i64) -> Token {
    match (unit, before) {
        (Token::MonthsOrMinutes, Some(Token::Days(_) | Token::Months | Token::Years)) => {
            Token::Months
        }
        (Token::MonthsOrMinutes, Some(Token::Seconds(_))) => Token::Seconds(60),
        (Token::MonthsOrMinutes, _) if count < 6 => Token::Months,
        (Token::MonthsOrMinutes, _) => Token::Seconds(60),
        (unit, _) => unit,
    }
}

impl Shift {
    fn add(&mut self, count: i64, unit: Token) -> Result<(), TimeError> {
        let (field, count) = match unit {
            Token::Years => (&mut self.years, count),
            Token::Months => (&mut self.months, count),
            Token::Days(length) => (&mut self.days, count * length),
            Token::Seconds(length) => (&mut self.seconds, count * length),
            _ => (&mut self.seconds, count),
        };
        *field = field.saturating_add(count);
        // What rrdtool counts in 32 bits.
        if i32::try_from(*field).is_ok() {
            Ok(())
        } else {
            Err(TimeError::Range)
        }
    }
}

/// `20260314`.
fn is_packed(number: i64) -> bool {
    number > 19_700_101 && number < 24_000_101
}

/// A year as it is written: two digits are of 1970 to 2037, three of the years after 1900.
fn year(given: i64) -> Result<i64, TimeError> {
    let year = match given {
        1971.. => given,
        139..=1970 => return Err(TimeError::Year(given)),
        0..=37 => given + 2000,
        _ => given + 1900,
    };
    if year < 1970 {
        Err(TimeError::BeforeEpoch)
    } else {
        Ok(year)
    }
}

#[cfg(test)]
mod tests;
