//! Colours: of fields, by default a list that people who confuse red and green can read, by wish Munin's; and of the
//! picture around them, light and dark.

use ravenry_plugins::graph;

/// An opaque or translucent colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Colour {
    /// Red, green, blue.
    pub rgb: [u8; 3],
    /// 255 is opaque.
    pub alpha: u8,
}

impl Colour {
    /// An opaque colour `0xRRGGBB`.
    #[must_use]
    pub const fn hex(rgb: u32) -> Self {
        let [_, r, g, b] = rgb.to_be_bytes();
        Self {
            rgb: [r, g, b],
            alpha: 255,
        }
    }

    const fn with_alpha(self, alpha: u8) -> Self {
        Self { alpha, ..self }
    }

    /// `#rrggbb`, or `#rrggbbaa` when it is translucent.
    #[must_use]
    pub fn css(self) -> String {
        let [r, g, b] = self.rgb;
        match self.alpha {
            255 => format!("#{r:02x}{g:02x}{b:02x}"),
            alpha => format!("#{r:02x}{g:02x}{b:02x}{alpha:02x}"),
        }
    }

    fn luma(self) -> f32 {
        let [r, g, b] = self.rgb.map(f32::from);
        (0.299 * r + 0.587 * g + 0.114 * b) / 255.0
    }

    /// Mixed with `other`; 0 is `self`, 1 is `other`.
    fn mixed(self, other: Self, share: f32) -> Self {
        let mut rgb = self.rgb;
        for (mine, theirs) in rgb.iter_mut().zip(other.rgb) {
            *mine = (f32::from(*mine) * (1.0 - share) + f32::from(theirs) * share).round() as u8;
        }
        Self { rgb, ..self }
    }
}

/// A colour on light and on dark ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Paint {
    /// On white.
    pub light: Colour,
    /// On near black.
    pub dark: Colour,
}

impl Paint {
    const fn new(light: Colour, dark: Colour) -> Self {
        Self { light, dark }
    }

    /// The same, translucent.
    pub(super) const fn faint(self, alpha: u8) -> Self {
        Self::new(self.light.with_alpha(alpha), self.dark.with_alpha(alpha))
    }

    /// The paint of a field. A colour that would vanish on the other ground is moved towards where it can be seen.
    #[must_use]
    pub fn of_field(colour: Colour) -> Self {
        const LUMA_DARK_MIN: f32 = 0.30;
        const LUMA_LIGHT_MAX: f32 = 0.93;
        let luma = colour.luma();
        let mut paint = Self::new(colour, colour);
        if luma < LUMA_DARK_MIN {
            let share = (LUMA_DARK_MIN - luma) / (1.0 - luma);
            paint.dark = colour.mixed(Colour::hex(0xff_ffff), share.max(0.12));
        }
        if luma > LUMA_LIGHT_MAX {
            paint.light = colour.mixed(Colour::hex(0x00_0000), luma - LUMA_LIGHT_MAX + 0.1);
        }
        paint
    }
}

/// Which list of colours fields are given that name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Palette {
    /// Ravenry's: colours that keep their distance under the common kinds of colour blindness (the eight of Okabe and
    /// Ito first, black replaced), then lighter and darker ones.
    #[default]
    Distinct,
    /// Munin's default list.
    Munin,
}

const DISTINCT: [u32; 20] = [
    0x0072b2, 0xe69f00, 0x009e73, 0xcc79a7, 0x56b4e9, 0xd55e00, 0xd9c500, 0x6a51a3, 0x7f7f7f,
    0x8c510a, 0x80cdc1, 0x003f5c, 0xf4a6a0, 0x4d9221, 0x9ecae1, 0x99004d, 0xbcbd22, 0x3f3f8f,
    0xfdd0a2, 0x01665e,
];

const MUNIN: [u32; 29] = [
    0x00cc00, 0x0066b3, 0xff8000, 0xffcc00, 0x330099, 0x990099, 0xccff00, 0xff0000, 0x808080,
    0x008f00, 0x00487d, 0xb35a00, 0xb38f00, 0x6b006b, 0x8fb300, 0xb30000, 0xbebebe, 0x80ff80,
    0x80c9ff, 0xffc080, 0xffe680, 0xaa80ff, 0xee00cc, 0xff8080, 0x666600, 0xffbfff, 0x00ffcc,
    0xcc6699, 0x999900,
];

impl Palette {
    /// The `index`-th colour; the list begins again at its end.
    #[must_use]
    pub fn colour(self, index: usize) -> Colour {
        let list: &[u32] = match self {
            Self::Distinct => &DISTINCT,
            Self::Munin => &MUNIN,
        };
        Colour::hex(list.get(index % list.len()).copied().unwrap_or_default())
    }

    /// The colour that a plugin asks for.
    #[must_use]
    pub fn of_plugin(self, colour: graph::Colour) -> Colour {
        match colour {
            graph::Colour::Rgb(rgb) => Colour { rgb, alpha: 255 },
            graph::Colour::Palette(index) => self.colour(index),
        }
    }
}

pub(super) const GROUND: Paint = Paint::new(Colour::hex(0xff_ffff), Colour::hex(0x16_191d));
pub(super) const CANVAS: Paint = Paint::new(Colour::hex(0xfb_fcfd), Colour::hex(0x1c_2025));
pub(super) const GRID: Paint = Paint::new(
    Colour::hex(0x00_0000).with_alpha(0x12),
    Colour::hex(0xff_ffff).with_alpha(0x14),
);
pub(super) const GRID_MAJOR: Paint = Paint::new(
    Colour::hex(0x00_0000).with_alpha(0x28),
    Colour::hex(0xff_ffff).with_alpha(0x2c),
);
pub(super) const AXIS: Paint = Paint::new(Colour::hex(0x6b_7480), Colour::hex(0x8b_949e));
pub(super) const TEXT: Paint = Paint::new(Colour::hex(0x1f_2328), Colour::hex(0xe6_eaef));
pub(super) const MUTED: Paint = Paint::new(Colour::hex(0x59_636e), Colour::hex(0xa3_acb6));
pub(super) const NO_DATA: Paint = Paint::new(
    Colour::hex(0x8a_939d).with_alpha(0x26),
    Colour::hex(0x8a_939d).with_alpha(0x30),
);
pub(super) const WARNING: Paint = Paint::new(Colour::hex(0xbf_8700), Colour::hex(0xe3_b341));
pub(super) const CRITICAL: Paint = Paint::new(Colour::hex(0xcf_222e), Colour::hex(0xff_6b63));
pub(super) const UNKNOWN: Paint = Paint::new(Colour::hex(0x6a_51a3), Colour::hex(0xb9_a5f0));
pub(super) const DOWNTIME: Paint = Paint::new(
    Colour::hex(0x00_72b2).with_alpha(0x22),
    Colour::hex(0x56_b4e9).with_alpha(0x30),
);
pub(super) const DOWNTIME_STRIP: Paint = Paint::new(Colour::hex(0x00_72b2), Colour::hex(0x56_b4e9));
pub(super) const TOTAL: Paint = Paint::new(Colour::hex(0x00_0000), Colour::hex(0xff_ffff));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_begins_again_at_its_end() {
        let munin = |colour| Palette::Munin.of_plugin(colour).css();
        assert_eq!(munin(graph::Colour::Palette(1)), "#0066b3");
        assert_eq!(munin(graph::Colour::Palette(29)), "#00cc00");
        assert_eq!(munin(graph::Colour::Rgb([1, 2, 255])), "#0102ff");
    }

    #[test]
    fn black_is_seen_on_dark_and_white_on_light() {
        assert!(Paint::of_field(Colour::hex(0)).dark.luma() > 0.25);
        assert!(Paint::of_field(Colour::hex(0xff_ffff)).light.luma() < 0.9);
    }
}
