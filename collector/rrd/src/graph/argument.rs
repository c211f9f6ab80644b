//! One argument of a graph, such as `DEF:x=file.rrd:ds:AVERAGE:step=300`, as its parts between colons. A part with `=` has
//! a key; the others have their place. `\:` is a colon within a part.

use super::GraphError;

/// Parts without a key that an argument may have.
const PLACES_MAX: usize = 10;

#[derive(Clone, Debug)]
struct Part {
    /// As it was written.
    whole: String,
    /// What stands before `=`, or the meaning of a word that stands alone.
    key: Option<String>,
    value: String,
    used: bool,
}

/// The parts of an argument, each of which somebody has to use.
#[derive(Clone, Debug)]
pub(super) struct Argument<'a> {
    pub(super) text: &'a str,
    parts: Vec<Part>,
}

impl<'a> Argument<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, GraphError> {
        let mut parts: Vec<Part> = Vec::new();
        let mut places = 0;
        for whole in split(text) {
            let part = part(whole, places > 0);
            if part.key.is_none() {
                places += 1;
            }
            if places > PLACES_MAX {
                return Err(GraphError::new("too many positional arguments"));
            }
            parts.push(part);
        }
        Ok(Self { text, parts })
    }

    /// What the argument is: its first part without a key, or `cmd=`.
    pub(super) fn command(&mut self) -> Result<String, GraphError> {
        if let Some(command) = self.take("cmd") {
            return Ok(command);
        }
        let text = self.text;
        let first = self.parts.iter_mut().find(|part| part.key.is_none());
        let first =
            first.ok_or_else(|| GraphError::new(format!("no command set in argument {text}")))?;
        first.used = true;
        Ok(first.value.clone())
    }

    /// The value of a key, the last one where there are many.
    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        let mut named = self.parts.iter_mut().rev();
        let part = named.find(|part| part.key.as_deref() == Some(key))?;
        part.used = true;
        Some(part.value.clone())
    }

    /// The first part that nobody has used: key, value, and both as they were written.
    pub(super) fn next(&mut self) -> Option<(String, String, String)> {
        let part = self.parts.iter_mut().find(|part| !part.used)?;
        part.used = true;
        let key = part.key.clone().unwrap_or_default();
        Some((key, part.value.clone(), part.whole.clone()))
    }

    /// Nothing may be left.
    pub(super) fn finish(&self) -> Result<(), GraphError> {
        let unused = self.parts.iter().filter(|part| !part.used);
        let unused: Vec<&str> = unused.map(|part| part.whole.as_str()).collect();
        if unused.is_empty() {
            return Ok(());
        }
        Err(GraphError::new(format!(
            "Unused Arguments \"{}\" in command : {}",
            unused.join(":"),
            self.text
        )))
    }
}

fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, parts.last_mut()) {
            (':', _) => parts.push(String::new()),
            ('\\', Some(part)) if letters.peek() == Some(&':') => {
                part.extend(letters.next());
            }
            (_, Some(part)) => part.push(letter),
            (_, None) => {}
        }
    }
    parts
}

fn part(whole: String, behind_the_command: bool) -> Part {
    let keyed = |key: &str, value: &str| (Some(key.to_owned()), value.to_owned());
    let (key, value) = match whole.split_once('=') {
        Some(("label", value)) => keyed("legend", value),
        Some(("colour", value)) => keyed("color", value),
        Some(("colour2", value)) => keyed("color2", value),
        Some((key, value)) => keyed(key, value),
        None => match whole.as_str() {
            "STACK" if behind_the_command => keyed("stack", "1"),
            "strftime" if behind_the_command => keyed("strftime", "1"),
            "dashes" if behind_the_command => keyed("dashes", "5,5"),
            "valstrftime" if behind_the_command => keyed("vformatter", "timestamp"),
            "valstrfduration" if behind_the_command => keyed("vformatter", "duration"),
            "skipscale" if behind_the_command => keyed("skipscale", "1"),
            place => (None, place.to_owned()),
        },
    };
    Part {
        whole,
        key,
        value,
        used: false,
    }
}
