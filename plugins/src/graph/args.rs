//! `graph_args`: a command line for `rrdtool graph`, of which the part that concerns the picture's axis is kept.

/// What `graph_args` asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    /// 1000 or 1024, the base of SI prefixes.
    pub base: u32,
    /// The axis reaches down to this at least.
    pub lower: Option<f64>,
    /// The axis reaches up to this at least.
    pub upper: Option<f64>,
    /// The axis ends at `lower` and `upper` whatever the data.
    pub rigid: bool,
    /// The axis is logarithmic.
    pub logarithmic: bool,
    /// `--vertical-label`.
    pub(super) vlabel: Option<String>,
    /// `--units-exponent 0`: no SI prefixes.
    pub(super) unscaled: bool,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            base: 1000,
            lower: None,
            upper: None,
            rigid: false,
            logarithmic: false,
            vlabel: None,
            unscaled: false,
        }
    }
}

/// An option of rrdtool's: what it is for us, and whether a value follows.
#[derive(Clone, Copy)]
enum Meaning {
    Base,
    Lower,
    Upper,
    VerticalLabel,
    UnitsExponent,
    Rigid,
    Logarithmic,
    /// Concerns rrdtool's own drawing only; takes a value or not.
    Ignored {
        value: bool,
    },
}

impl Meaning {
    fn takes_value(self) -> bool {
        match self {
            Self::Base | Self::Lower | Self::Upper | Self::VerticalLabel | Self::UnitsExponent => {
                true
            }
            Self::Rigid | Self::Logarithmic => false,
            Self::Ignored { value } => value,
        }
    }
}

const FLAG: Meaning = Meaning::Ignored { value: false };
const VALUE: Meaning = Meaning::Ignored { value: true };

/// Long name, short name (`\0` for none), meaning.
const OPTIONS: [(&str, char, Meaning); 30] = [
    ("base", 'b', Meaning::Base),
    ("lower-limit", 'l', Meaning::Lower),
    ("upper-limit", 'u', Meaning::Upper),
    ("vertical-label", 'v', Meaning::VerticalLabel),
    ("units-exponent", 'X', Meaning::UnitsExponent),
    ("rigid", 'r', Meaning::Rigid),
    ("logarithmic", 'o', Meaning::Logarithmic),
    ("alt-y-grid", 'Y', FLAG),
    ("alt-autoscale", 'A', FLAG),
    ("alt-autoscale-min", 'J', FLAG),
    ("alt-autoscale-max", 'M', FLAG),
    ("no-gridfit", 'N', FLAG),
    ("slope-mode", 'E', FLAG),
    ("no-legend", 'g', FLAG),
    ("no-minor", 'I', FLAG),
    ("force-rules-legend", 'F', FLAG),
    ("lazy", 'z', FLAG),
    ("units", '\0', VALUE),
    ("units-length", 'L', VALUE),
    ("step", 'S', VALUE),
    ("y-grid", 'y', VALUE),
    ("x-grid", 'x', VALUE),
    ("title", 't', VALUE),
    ("color", 'c', VALUE),
    ("font", 'n', VALUE),
    ("width", 'w', VALUE),
    ("height", 'h', VALUE),
    ("right-axis", '\0', VALUE),
    ("right-axis-label", '\0', VALUE),
    ("watermark", 'W', VALUE),
];

impl Args {
    /// Takes in one command line; says what it did not understand.
    pub(super) fn read(&mut self, text: &str) -> Vec<String> {
        let (words, mut problems) = match split_words(text) {
            Ok(words) => (words, Vec::new()),
            Err(problem) => return vec![problem],
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let read = if let Some(long) = word.strip_prefix("--") {
                self.long(long, &mut words)
            } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
                self.short(short, &mut words)
            } else {
                Err(format!(
                    "expected an option of rrdtool graph, found {word:?}"
                ))
            };
            problems.extend(read.err());
        }
        problems
    }

    /// `--name value`, `--name=value`, the name cut as short as it stays the only one.
    fn long(&mut self, text: &str, words: &mut impl Iterator<Item = String>) -> Result<(), String> {
        let (name, glued) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        let Some((long, _, meaning)) = option_named(name) else {
            return Err(format!(
                "expected an option of rrdtool graph, found \"--{name}\""
            ));
        };
        if !meaning.takes_value() {
            return self.set(*meaning, long, "");
        }
        match glued.or_else(|| words.next()) {
            Some(value) => self.set(*meaning, long, &value),
            None => Err(format!("expected a value behind --{long}")),
        }
    }

    /// `-l 0`, `-l0`, `-rl0`.
    fn short(
        &mut self,
        text: &str,
        words: &mut impl Iterator<Item = String>,
    ) -> Result<(), String> {
        for (at, letter) in text.char_indices() {
            let Some((long, _, meaning)) = OPTIONS.iter().find(|(_, short, _)| *short == letter)
            else {
                return Err(format!(
                    "expected an option of rrdtool graph, found \"-{letter}\""
                ));
            };
            if !meaning.takes_value() {
                self.set(*meaning, long, "")?;
                continue;
            }
            let rest = &text[at + letter.len_utf8()..];
            let value = if rest.is_empty() {
                words.next()
            } else {
                Some(rest.to_owned())
            };
            return match value {
                Some(value) => self.set(*meaning, long, &value),
                None => Err(format!("expected a value behind -{letter}")),
            };
        }
        Ok(())
    }

    fn set(&mut self, meaning: Meaning, name: &str, value: &str) -> Result<(), String> {
        match meaning {
            Meaning::Base => match value {
                "1000" => self.base = 1000,
                "1024" => self.base = 1024,
                _ => return Err(format!("--base: expected 1000 or 1024, found {value:?}")),
            },
            Meaning::Lower => self.lower = Some(number(name, value)?),
            Meaning::Upper => self.upper = Some(number(name, value)?),
            Meaning::VerticalLabel => self.vlabel = Some(value.to_owned()),
            Meaning::UnitsExponent => self.unscaled = value == "0",
            Meaning::Rigid => self.rigid = true,
            Meaning::Logarithmic => self.logarithmic = true,
            Meaning::Ignored { value: _ } => {}
        }
        Ok(())
    }
}

fn option_named(name: &str) -> Option<&'static (&'static str, char, Meaning)> {
    let exact = OPTIONS.iter().find(|(long, ..)| *long == name);
    let mut beginning = OPTIONS.iter().filter(|(long, ..)| long.starts_with(name));
    exact.or_else(|| beginning.next().filter(|_| beginning.next().is_none()))
}

fn number(name: &str, value: &str) -> Result<f64, String> {
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) | Err(_) => Err(format!("--{name}: expected a number, found {value:?}")),
    }
}

/// Words as a shell splits them: blanks separate, `'...'` is taken as it is, `\` takes the next character as it is,
/// outside of quotes and within `"..."`.
fn split_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("expected a closing {open} in {text:?}"));
    }
    words.extend(word);
    Ok(words)
}
