//! The style sheet, the script and the icon: in the program, under names that change with their content.

use axum::http::HeaderMap;
use axum::response::Response;

use crate::answer::{self, Encoded, Freshness};
use crate::etag::Tag;
use crate::refusal::Refusal;

/// One file, as `build.rs` lists it.
pub(crate) struct Asset {
    file: &'static str,
    content_type: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Answers `/assets/{file}`.
pub(crate) fn answer(headers: &HeaderMap, file: &str) -> Result<Response, Refusal> {
    let asset = ASSETS
        .iter()
        .find(|asset| asset.file == file)
        .ok_or_else(|| Refusal::NoPage(format!("/assets/{file}")))?;
    let body = Encoded {
        plain: asset.plain.into(),
        gzip: Some(asset.gzip.into()),
    };
    let tag = Tag::of(&[asset.file.as_bytes()]);
    Ok(answer::conditional(
        headers,
        tag,
        Freshness::Immutable,
        asset.content_type,
        || body,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_visit_stays_small() {
        let sum = |bytes: fn(&Asset) -> usize| ASSETS.iter().map(bytes).sum::<usize>();
        assert!(sum(|asset| asset.plain.len()) < 100_000);
        assert!(sum(|asset| asset.gzip.len()) < 30_000);
    }
}
