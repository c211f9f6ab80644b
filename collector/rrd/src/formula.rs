//! A COMPUTE source's formula as a file stores it: words of four bytes (operator, 0, a 16-bit number or the number of a
//! source) in the source's ten parameters, ended by one of its own. Text in, ten parameters out, and back.

use crate::rpn;

/// Words that ten parameters have room for, the end included.
const WORDS: usize = 20;
/// The code of a number.
const NUMBER: u8 = 0;
/// The code of a source.
const SOURCE: u8 = 1;
/// The code of `PREV(source)`.
const PREVIOUS: u8 = 36;
/// The code that ends a formula.
const END: u8 = 32;

/// Operators that look at more than one row, which no formula in a file may have.
const FORBIDDEN: [&str; 14] = [
    "TIME",
    "LTIME",
    "STEPWIDTH",
    "PREV",
    "NEWDAY",
    "NEWWEEK",
    "NEWMONTH",
    "NEWYEAR",
    "COUNT",
    "TREND",
    "TRENDNAN",
    "PREDICT",
    "PREDICTSIGMA",
    "PREDICTPERC",
];

/// A packed formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formula([u64; 10]);

/// One word of a packed formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A number.
    Number(i16),
    /// The rate of a source.
    Source(i16),
    /// A source's value in the row before, which no rrdtool can calculate here.
    Previous(i16),
    /// An operator by its code.
    Operator(u8),
}

/// Why a text is no formula that a file can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormulaError {
    /// No words.
    #[error("the formula is empty")]
    Empty,
    /// A word that is no operator, number or source.
    #[error("expected a number, an operator or a data source defined before, found {0:?}")]
    NotAWord(String),
    /// An operator that makes no sense in a file.
    #[error("{0} is not supported in COMPUTE")]
    Forbidden(String),
    /// Numbers have 16 bits.
    #[error("constants must be integers from -32768 to 32767, found {0:?}")]
    Number(String),
    /// More words than there is room for.
    #[error("expected at most {} words, found more", WORDS - 1)]
    TooLong,
    /// A source that does not come before this one.
    #[error("the formula speaks of data source number {0}, which does not come before it")]
    Source(i16),
}

impl Formula {
    /// Packs a text; `names` are those of the sources before this one.
    ///
    /// # Errors
    /// See [`FormulaError`]. Whether the stack works out shows only when it is calculated.
    pub fn parse(text: &str, names: &[&str]) -> Result<Self, FormulaError> {
        if text.is_empty() {
            return Err(FormulaError::Empty);
        }
        let text = text.strip_suffix(',').unwrap_or(text);
        let last = text.split(',').count() - 1;
        let mut packed = [0_u32; WORDS];
        for (index, word) in text.split(',').enumerate() {
            let code = packed_word(word, index == last, names)?;
            *packed.get_mut(index).ok_or(FormulaError::TooLong)? = code;
        }
        *packed.get_mut(last + 1).ok_or(FormulaError::TooLong)? = u32::from(END);
        let mut words = [0; 10];
        for (word, pair) in words.iter_mut().zip(packed.chunks_exact(2)) {
            *word = u64::from(pair[0]) | u64::from(pair[1]) << 32;
        }
        Ok(Self(words))
    }

    /// The formula in the parameters of a COMPUTE source.
    #[must_use]
    pub fn from_words(words: [u64; 10]) -> Self {
        Self(words)
    }

    /// The ten parameters.
    #[must_use]
    pub fn to_words(self) -> [u64; 10] {
        self.0
    }

    /// The words before the end.
    pub(crate) fn words(self) -> impl Iterator<Item = Word> {
        let halves = self
            .0
            .into_iter()
            .flat_map(|word| [word as u32, (word >> 32) as u32]);
        halves
            .map(|half| {
                let [code, _, low, high] = half.to_le_bytes();
                (code, i16::from_le_bytes([low, high]))
            })
            .take_while(|(code, _)| *code != END)
            .map(|(code, value)| match code {
                NUMBER => Word::Number(value),
                SOURCE => Word::Source(value),
                PREVIOUS => Word::Previous(value),
                operator => Word::Operator(operator),
            })
    }

    /// The formula with other numbers for the sources that it speaks of; `None` when one of them has none.
    pub(crate) fn renumbered(self, number: impl Fn(i16) -> Option<i16>) -> Option<Self> {
        let mut words = self.0;
        for at in 0..WORDS {
            let shift = 32 * (at % 2);
            let half = (words[at / 2] >> shift) as u32;
            let [code, pad, low, high] = half.to_le_bytes();
            if code == END {
                break;
            }
            if code == SOURCE || code == PREVIOUS {
                let [low, high] = number(i16::from_le_bytes([low, high]))?.to_le_bytes();
                let other = u32::from_le_bytes([code, pad, low, high]);
                words[at / 2] ^= u64::from(half ^ other) << shift;
            }
        }
        Some(Self(words))
    }

    /// Whether all sources that it speaks of come before number `own`.
    pub(crate) fn check(self, own: usize) -> Result<(), FormulaError> {
        for word in self.words() {
            match word {
                Word::Source(source) | Word::Previous(source) => {
                    if !usize::try_from(source).is_ok_and(|source| source < own) {
                        return Err(FormulaError::Source(source));
                    }
                }
                Word::Number(_) | Word::Operator(_) => {}
            }
        }
        Ok(())
    }
}

/// rrdtool takes digits for a number only where another word follows.
fn packed_word(word: &str, last: bool, names: &[&str]) -> Result<u32, FormulaError> {
    let numeric = |byte: u8| byte.is_ascii_digit() || b".e+-".contains(&byte);
    let may_be_number = !last && word.len() <= 40 && word.bytes().all(numeric);
    if may_be_number && let Some(number) = crate::decimal::parse(word.as_bytes()) {
        return whole(number, word).map(|number| packed(NUMBER, number));
    }
    if let Some(code) = rpn::operator_code(word) {
        return if FORBIDDEN.contains(&word) {
            Err(FormulaError::Forbidden(word.to_owned()))
        } else {
            Ok(packed(code, 0))
        };
    }
    let find = |name: &str| {
        let place = names.iter().position(|known| *known == name);
        place
            .and_then(|place| i16::try_from(place).ok())
            .ok_or_else(|| FormulaError::NotAWord(word.to_owned()))
    };
    if let Some(name) = word
        .strip_prefix("PREV(")
        .and_then(|rest| rest.strip_suffix(')'))
    {
        return find(name).map(|source| packed(PREVIOUS, source));
    }
    find(word).map(|source| packed(SOURCE, source))
}

fn whole(number: f64, word: &str) -> Result<i16, FormulaError> {
    let fits =
        number.floor() == number && (f64::from(i16::MIN)..=f64::from(i16::MAX)).contains(&number);
    if fits {
        Ok(number as i16)
    } else {
        Err(FormulaError::Number(word.to_owned()))
    }
}

fn packed(code: u8, value: i16) -> u32 {
    let [low, high] = value.to_le_bytes();
    u32::from_le_bytes([code, 0, low, high])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let packed = Formula::parse(text, &["a", "b-1"]);
        let shown = match packed {
            Ok(formula) => rpn::packed_text(&formula.to_words(), &["a", "b-1"]),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expect, "{text}");
    }

    #[test]
    fn formulas_survive_packing() {
        for text in [
            "a",
            "a,b-1,+",
            "a,-32768,32767,LIMIT",
            "a,UN,0,a,IF",
            "a,b-1,2,AVG",
            "a,b-1,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,+",
        ] {
            check(text, text);
        }
        check("a,1e3,*,", "a,1000,*");
    }

    #[test]
    fn what_no_file_can_have_is_refused() {
        for (text, error) in [
            ("", "the formula is empty"),
            ("a,TIME,+", "TIME is not supported in COMPUTE"),
            ("a,PREV,+", "PREV is not supported in COMPUTE"),
            (
                "a,1.5,*",
                r#"constants must be integers from -32768 to 32767, found "1.5""#,
            ),
            (
                "a,40000,*",
                r#"constants must be integers from -32768 to 32767, found "40000""#,
            ),
            (
                "a,c,+",
                r#"expected a number, an operator or a data source defined before, found "c""#,
            ),
            (
                "a,b-1,2",
                r#"expected a number, an operator or a data source defined before, found "2""#,
            ),
            (
                "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a",
                "expected at most 19 words, found more",
            ),
        ] {
            check(text, error);
        }
    }
}
