//! Where the history of a data source is taken from when a file is made from others: `DS:name=other[2]:…`.

/// A data source of another file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its name there.
    pub name: String,
    /// Which of the files it is, counted from 1; any when none is said.
    pub file: Option<u64>,
}

impl Origin {
    /// The source of the same name in any file.
    #[must_use]
    pub fn same(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            file: None,
        }
    }

    /// Splits what stands before the first colon of a `DS:` line: the source's own name and where it comes from.
    /// `None` when it has another form.
    pub(super) fn split(text: &str) -> Option<(&str, Self)> {
        let Some((name, origin)) = text.split_once('=') else {
            return Some((text, Self::same(text)));
        };
        let (other, file) = match origin.strip_suffix(']') {
            Some(rest) => {
                let (other, number) = rest.split_once('[')?;
                let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
                (other, Some(number.parse().ok().filter(|_| digits)?))
            }
            None => (origin, None),
        };
        let origin = Self {
            name: other.to_owned(),
            file,
        };
        super::is_name(other).then_some((name, origin))
    }
}
