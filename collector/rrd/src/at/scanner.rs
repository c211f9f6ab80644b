//! The words of a time: numbers, signs, separators, names. Which names there are hangs on the place: `mon` is Monday in
//! front and months in an offset.

use super::TimeError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Nothing more, or something that begins no word.
    End,
    Number {
        value: i64,
        digits: usize,
    },
    Plus,
    Minus,
    Dot,
    Colon,
    Slash,
    /// An hour with a name.
    Noon(i64),
    Am,
    Pm,
    Yesterday,
    Today,
    Tomorrow,
    Now,
    Start,
    /// The word `end`.
    TheEnd,
    Epoch,
    /// Counts from 1.
    Month(i64),
    /// 0 is Sunday.
    Weekday(i64),
    /// A unit of so many seconds.
    Seconds(i64),
    /// A unit of so many days.
    Days(i64),
    Months,
    Years,
    MonthsOrMinutes,
    /// A name that is none of these.
    Other,
}

/// Which names are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    Dates,
    Units,
}

/// A place in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    /// Where the present word begins and ends.
    from: usize,
    to: usize,
    pub(super) words: Words,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            from: 0,
            to: 0,
            words: Words::Dates,
        }
    }

    /// The present word and all behind it.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.from..]
    }

    pub(super) fn token_len(&self) -> usize {
        self.to - self.from
    }

    /// The next word. Blanks, commas and underscores only separate.
    pub(super) fn next(&mut self) -> Result<Token, TimeError> {
        let bytes = self.text.as_bytes();
        let is_blank = |byte: u8| matches!(byte, b' ' | b'\t'..=b'\r' | b'_' | b',');
        let run = |from: usize, belongs: &dyn Fn(u8) -> bool| {
            from + bytes[from..]
                .iter()
                .take_while(|byte| belongs(**byte))
                .count()
        };
        self.from = run(self.to, &is_blank);
        self.to = self.from;
        let Some(first) = bytes.get(self.from) else {
            return Ok(Token::End);
        };
        self.to = match first {
            b'0'..=b'9' => run(self.from, &|byte| byte.is_ascii_digit()),
            b'a'..=b'z' | b'A'..=b'Z' => run(self.from, &|byte| byte.is_ascii_alphabetic()),
            b':' | b'.' | b'+' | b'-' | b'/' => self.from + 1,
            _ => self.from,
        };
        let word = &self.text[self.from..self.to];
        Ok(match first {
            b'0'..=b'9' => Token::Number {
                value: word.parse().map_err(|_| TimeError::Range)?,
                digits: word.len(),
            },
            b':' => Token::Colon,
            b'.' => Token::Dot,
            b'+' => Token::Plus,
            b'-' => Token::Minus,
            b'/' => Token::Slash,
            _ if word.is_empty() => Token::End,
            _ => self.name(&word.to_ascii_lowercase()),
        })
    }

    fn name(&self, word: &str) -> Token {
        match self.words {
            Words::Dates => date_word(word),
            Words::Units => unit(word),
        }
    }
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

fn date_word(word: &str) -> Token {
    let named = |names: &[&str]| {
        let place = names
            .iter()
            .position(|name| *name == word || name[..3] == *word);
        place.and_then(|place| i64::try_from(place).ok())
    };
    match word {
        "midnight" => Token::Noon(0),
        "noon" => Token::Noon(12),
        "teatime" => Token::Noon(16),
        "am" => Token::Am,
        "pm" => Token::Pm,
        "tomorrow" => Token::Tomorrow,
        "yesterday" => Token::Yesterday,
        "today" => Token::Today,
        "now" | "n" => Token::Now,
        "start" | "s" => Token::Start,
        "end" | "e" => Token::TheEnd,
        "epoch" => Token::Epoch,
        _ => named(&MONTHS)
            .map(|month| Token::Month(month + 1))
            .or_else(|| named(&DAYS).map(Token::Weekday))
            .unwrap_or(Token::Other),
    }
}

fn unit(word: &str) -> Token {
    match word {
        "second" | "seconds" | "sec" | "s" => Token::Seconds(1),
        "minute" | "minutes" | "min" => Token::Seconds(60),
        "m" => Token::MonthsOrMinutes,
        "hour" | "hours" | "hr" | "h" => Token::Seconds(3600),
        "day" | "days" | "d" => Token::Days(1),
        "week" | "weeks" | "wk" | "w" => Token::Days(7),
        "month" | "months" | "mon" => Token::Months,
        "year" | "years" | "yr" | "y" => Token::Years,
        _ => Token::Other,
    }
}
