//! Validators: what is the same has the same tag, what differs in one byte does not.
//!
//! A tag is made of everything that an answer depends on. The compressed form of an answer is another representation and
//! has another strong tag, the same with `-gzip` behind it; either form is known again by both.

use std::fmt::{self, Write};

use axum::http::{HeaderMap, HeaderValue, header};
use xxhash_rust::xxh3::Xxh3;

/// The version that made an answer is a part of it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A strong entity tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tag(u128);

impl Tag {
    /// Of parts in order; where one ends matters.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut maker = TagMaker::new();
        for part in parts {
            maker.part(part);
        }
        maker.finish()
    }

    /// As in the header, of the uncompressed form.
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from_str(&format!("\"{:032x}\"", self.0))
            .unwrap_or(HeaderValue::from_static("\"\""))
    }

    /// The one of the client's tags that names this, as the client wrote it.
    pub(crate) fn known_to(self, headers: &HeaderMap) -> Option<HeaderValue> {
        let own = format!("{:032x}", self.0);
        headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .find_map(|text| {
                if text == "*" {
                    return Some(self.header());
                }
                let strong = text.strip_prefix("W/").unwrap_or(text);
                let inner = strong.strip_prefix('"')?.strip_suffix('"')?;
                (inner.strip_suffix("-gzip").unwrap_or(inner) == own)
                    .then(|| HeaderValue::from_str(strong).ok())?
            })
    }
}

/// Collects what an answer depends on. Text can be written to it without being kept anywhere.
pub(crate) struct TagMaker(Xxh3);

impl TagMaker {
    pub(crate) fn new() -> Self {
        let mut maker = Self(Xxh3::new());
        maker.part(VERSION.as_bytes());
        maker
    }

    /// One part, with its length, so that `ab`,`c` and `a`,`bc` differ.
    pub(crate) fn part(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Something that is best told apart by its debug form.
    pub(crate) fn debug(&mut self, thing: &impl fmt::Debug) {
        // Writing to a hash cannot fail; a Debug that refuses leaves what it has written, which is still a tag.
        let _ = write!(self, "{thing:?}");
        self.0.update(&[0]);
    }

    pub(crate) fn finish(&self) -> Tag {
        Tag(self.0.digest128())
    }
}

impl Write for TagMaker {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(tag: Tag, sent: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, sent.parse().unwrap());
        tag.known_to(&headers).is_some()
    }

    #[test]
    fn a_tag_is_known_again_in_every_form() {
        let tag = Tag::of(&[b"a"]);
        let own = tag.header().to_str().unwrap().to_owned();
        let gzip = own.replace("\"", "").to_string();
        for sent in [
            own.clone(),
            format!("W/{own}"),
            format!("\"x\", {own}"),
            format!("\"{gzip}-gzip\""),
            "*".to_owned(),
        ] {
            assert!(known(tag, &sent), "{sent}");
        }
        for sent in ["\"x\"", "", "\"", gzip.as_str()] {
            assert!(!known(tag, sent), "{sent}");
        }
    }

    #[test]
    fn where_a_part_ends_matters() {
        assert_ne!(Tag::of(&[b"ab", b"c"]), Tag::of(&[b"a", b"bc"]));
        assert_ne!(Tag::of(&[b"ab"]), Tag::of(&[b"ab", b""]));
    }
}
