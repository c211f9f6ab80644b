//! Patterns over names in the configuration: `*` is any run of characters, `?` any one, everything else itself.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A pattern; the default matches everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// The pattern of this text; every text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Whether the whole of `name` fits; takes time proportional to both lengths multiplied, at worst.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    retry = Some((p, n));
                    p += 1;
                }
                Some(&byte) if byte == b'?' || byte == name[n] => {
                    p += 1;
                    n += 1;
                }
                _ => {
                    let Some((star, from)) = retry else {
                        return false;
                    };
                    retry = Some((star, from + 1));
                    p = star + 1;
                    n = from + 1;
                }
            }
        }
        pattern[p..].iter().all(|&byte| byte == b'*')
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Pattern {
    fn default() -> Self {
        Self::new("*")
    }
}

impl FromStr for Pattern {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_as_in_a_shell() {
        let check = |pattern: &str, name: &str, expect: bool| {
            assert_eq!(
                Pattern::new(pattern).matches(name),
                expect,
                "{pattern} {name}"
            );
        };
        check("*", "", true);
        check("web*", "web12", true);
        check("web*", "db1", false);
        check("*.example.net", "a.b.example.net", true);
        check("w?b", "web", true);
        check("w?b", "wb", false);
        check("*a*b*c", "xxaxxbxxbxxc", true);
        check("*a*b*c", "xxaxxbxxbxxd", false);
        check("", "a", false);
    }
}
