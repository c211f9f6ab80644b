//! The bundled font: how wide a text is, and the shapes of its letters for PNG. SVG leaves letters to the browser and
//! uses only the widths.
//!
//! DejaVu Sans at 11 px falls on the pixel grid by itself (x-height 6.02 px, capitals 8.02 px), so that no hinting is
//! needed. Letters stand at quarter pixels across and on whole pixels upright.
//!
//! What the font does not have (Chinese, Japanese, Korean, emoji: fonts of megabytes) is a box in PNG, as wide as the
//! letter would be; in SVG the browser's own font shows it, in the room that is kept for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ab_glyph::{Font, FontRef, GlyphId, point};

/// The size of all text but titles, in pixels an em.
pub(super) const TEXT_PX: f32 = 11.0;
/// The size of titles, in pixels an em.
pub(super) const TITLE_PX: f32 = 14.0;
/// What a browser is asked for; the first three are as wide as our widths say.
pub(super) const FAMILIES: &str =
    "'DejaVu Sans',Verdana,'Bitstream Vera Sans',system-ui,sans-serif";

const BYTES: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans-subset.ttf");
/// Glyph pictures that are kept; at most some 100 bytes each.
const CACHED_GLYPHS_MAX: usize = 4096;
const FALLBACK_ADVANCE_EM: f32 = 0.6;

fn font() -> Option<&'static FontRef<'static>> {
    static FONT: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    FONT.get_or_init(|| FontRef::try_from_slice(BYTES).ok())
        .as_ref()
}

/// Advances of ASCII in em, because most texts are nothing else.
fn ascii_advances() -> &'static [f32; 128] {
    static ADVANCES: OnceLock<[f32; 128]> = OnceLock::new();
    ADVANCES.get_or_init(|| {
        let mut advances = [FALLBACK_ADVANCE_EM; 128];
        for (code, advance) in (0_u8..).zip(advances.iter_mut()) {
            *advance = uncached_advance_em(char::from(code));
        }
        advances
    })
}

fn uncached_advance_em(c: char) -> f32 {
    if is_wide(c) {
        return 1.0;
    }
    font()
        .and_then(|font| Some(font.h_advance_unscaled(font.glyph_id(c)) / font.units_per_em()?))
        .unwrap_or(FALLBACK_ADVANCE_EM)
}

/// Whether fonts give the letter a square: the blocks of Unicode that are East Asian Wide or emoji.
fn is_wide(c: char) -> bool {
    matches!(
        u32::from(c),
        0x1100..=0x115f
            | 0x2e80..=0x303e
            | 0x3041..=0xa4cf
            | 0xa960..=0xa97f
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f
            | 0xff00..=0xff60
            | 0xffe0..=0xffe6
            | 0x1f300..=0x1faff
            | 0x20000..=0x3fffd
    )
}

fn advance_em(c: char) -> f32 {
    match ascii_advances().get(c as usize) {
        Some(advance) => *advance,
        None => uncached_advance_em(c),
    }
}

/// The width of `text` in pixels at `size` pixels an em.
pub(super) fn width(text: &str, size: f32) -> f32 {
    text.chars().map(advance_em).sum::<f32>() * size
}

/// `text`, cut and ended by an ellipsis where it is wider than `width_max` pixels.
pub(super) fn fit(text: &str, size: f32, width_max: f32) -> String {
    if width(text, size) <= width_max {
        return text.to_owned();
    }
    let mut left = width_max - advance_em('…') * size;
    let mut cut = String::new();
    for c in text.chars() {
        left -= advance_em(c) * size;
        if left < 0.0 {
            break;
        }
        cut.push(c);
    }
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

/// The picture of a letter: `coverage` in rows from `left`, `top` relative to the pen on the base line.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) width: usize,
    pub(super) coverage: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct PictureKey {
    glyph: GlyphId,
    /// Quarters of a pixel an em.
    size: u16,
    /// Quarters of a pixel that the pen stands right of a whole one.
    shift: u8,
}

/// Calls `place` with the picture of each letter and the whole pixel right of the start at which its pen stands.
pub(super) fn set(
    text: &str,
    size: f32,
    start_fraction: f32,
    mut place: impl FnMut(&Picture, i32),
) {
    let Some(font) = font() else { return };
    let mut pen = start_fraction;
    for c in text.chars() {
        let quarters = (pen * 4.0).round() as i32;
        let key = PictureKey {
            glyph: font.glyph_id(c),
            size: (size * 4.0).round() as u16,
            shift: u8::try_from(quarters.rem_euclid(4)).unwrap_or_default(),
        };
        place(&picture(font, key), quarters.div_euclid(4));
        pen += advance_em(c) * size;
    }
}

fn picture(font: &FontRef<'static>, key: PictureKey) -> Arc<Picture> {
    static CACHE: OnceLock<Mutex<HashMap<PictureKey, Arc<Picture>>>> = OnceLock::new();
    let cache = CACHE.get_or_init(Mutex::default);
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(picture) = cache.get(&key) {
        return Arc::clone(picture);
    }
    if cache.len() >= CACHED_GLYPHS_MAX {
        cache.clear();
    }
    let picture = Arc::new(paint(font, key));
    cache.insert(key, Arc::clone(&picture));
    picture
}

fn paint(font: &FontRef<'static>, key: PictureKey) -> Picture {
    let em = f32::from(key.size) / 4.0;
    // ab_glyph's scale is the height from ascent to descent, not the em.
    let scale = em * font.height_unscaled() / font.units_per_em().unwrap_or(2048.0);
    let glyph = key
        .glyph
        .with_scale_and_position(scale, point(f32::from(key.shift) / 4.0, 0.0));
    let Some(outline) = font.outline_glyph(glyph) else {
        return Picture::default();
    };
    let bounds = outline.px_bounds();
    let width = bounds.width() as usize;
    let mut coverage = vec![0; width * bounds.height() as usize];
    outline.draw(|x, y, covered| {
        if let Some(pixel) = coverage.get_mut(y as usize * width + x as usize) {
            *pixel = (covered * 255.0).round().clamp(0.0, 255.0) as u8;
        }
    });
    Picture {
        left: bounds.min.x as i32,
        top: bounds.min.y as i32,
        width,
        coverage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_font_has_what_graphs_write() {
        let font = font().unwrap();
        for c in "AZaz09äöüßéñłčğıøåÆÐĐŽΑωЖяЇ€£²³°µΩ·…–—−×≤≥∞→▲●%/()[]{}".chars()
        {
            assert_ne!(font.glyph_id(c), GlyphId(0), "{c:?}");
        }
        assert!(BYTES.len() < 150_000);
    }

    #[test]
    fn digits_are_all_of_one_width() {
        for digit in '0'..='9' {
            assert_eq!(advance_em(digit), advance_em('0'), "{digit}");
        }
    }

    #[test]
    fn letters_of_other_fonts_keep_the_room_that_they_need() {
        for text in ["磁盘", "ディ", "한글", "😀🔥"] {
            assert_eq!(width(text, 10.0), 20.0, "{text}");
        }
        let mut boxes = 0;
        set("磁", TEXT_PX, 0.0, |picture, _| {
            boxes += usize::from(picture.width > 0);
        });
        assert_eq!(boxes, 1, "a box that is seen");
    }

    #[test]
    fn long_texts_are_cut_to_the_width_that_is_there() {
        assert_eq!(fit("eth0", TEXT_PX, 100.0), "eth0");
        let cut = fit("a very long label of a field", TEXT_PX, 100.0);
        assert!(cut.ends_with('…') && width(&cut, TEXT_PX) <= 100.0, "{cut}");
        assert_eq!(fit("anything", TEXT_PX, 0.0), "…");
    }
}
