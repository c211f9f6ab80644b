//! The PNG backend under plotters: coordinates in sixteenths of a pixel, exact coverage of each pixel by each shape.
//!
//! A shape is collected as marks: at a pixel of a row its coverage grows by so much for all pixels from there on. Rows
//! are then walked from mark to mark; between two marks coverage does not change, so that whole runs are filled at once.

use std::convert::Infallible;

use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontTransform, text_anchor::HPos,
};

use super::draw;
use super::font;
use super::model::{Model, Scale, paint};
use super::palette::Colour;
use super::svg::Theme;

/// Units of plotters a pixel of the picture.
const UNITS: i32 = 16;
/// A picture that would have more at twice the scale is drawn at the simple one.
const PIXELS_MAX: u32 = 16_000_000;

/// The picture as PNG, in its theme ([`Theme::Auto`] is light) and scale.
#[must_use]
pub fn png(model: &Model) -> Vec<u8> {
    let scale = match model.scale {
        Scale::Two if model.width * model.height * 4 <= PIXELS_MAX => 2,
        Scale::One | Scale::Two => 1,
    };
    let mut canvas = Canvas::new(model.width * scale, model.height * scale);
    let colours = model.paints.iter().map(|paint| match model.theme {
        Theme::Light | Theme::Auto => paint.light,
        Theme::Dark => paint.dark,
    });
    let colours: Vec<Colour> = colours.collect();
    if let Some(ground) = colours.get(paint::GROUND) {
        canvas.pixels.fill(Brush::new(*ground).colour);
    }
    let raster = Raster {
        canvas: &mut canvas,
        colours,
    };
    draw::draw(model, raster, UNITS * scale as i32);
    encode(&canvas)
}

fn encode(canvas: &Canvas) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(canvas.pixels.len() * 3);
    for pixel in &canvas.pixels {
        let [_, r, g, b] = pixel.to_be_bytes();
        rgb.extend_from_slice(&[r, g, b]);
    }
    let mut out = Vec::with_capacity(rgb.len() / 4);
    let (width, height) = (canvas.width as u32, canvas.height as u32);
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_deflate_compression(png::DeflateCompression::Level(1));
    encoder.set_filter(png::Filter::Up);
    // Writing into memory what was just made of the same size cannot fail.
    if let Ok(mut writer) = encoder.write_header() {
        let _ = writer.write_image_data(&rgb);
    }
    out
}

/// Coverage grows by `cover` from pixel `x` of the row on.
#[derive(Clone, Copy, Debug)]
struct Mark {
    x: i32,
    cover: f32,
}

struct Canvas {
    width: usize,
    height: usize,
    /// `0x00RRGGBB`, row by row.
    pixels: Vec<u32>,
    /// Marks of the shape at hand, a list a row; empty between shapes.
    marks: Vec<Vec<Mark>>,
    /// The rows that have marks.
    top: usize,
    bottom: usize,
}

impl Canvas {
    fn new(width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        Self {
            width,
            height,
            pixels: vec![0xff_ffff; width * height],
            marks: vec![Vec::new(); height],
            top: height,
            bottom: 0,
        }
    }

    /// Adds one edge of a shape, in units.
    fn edge(&mut self, from: BackendCoord, to: BackendCoord) {
        let (sign, (x0, y0), (x1, y1)) = if from.1 < to.1 {
            (1.0, from, to)
        } else {
            (-1.0, to, from)
        };
        let bottom_max = self.height as i32 * UNITS;
        let (top, bottom) = (y0.clamp(0, bottom_max), y1.clamp(0, bottom_max));
        if top >= bottom {
            return;
        }
        let (first, last) = ((top / UNITS) as usize, ((bottom - 1) / UNITS) as usize);
        self.top = self.top.min(first);
        self.bottom = self.bottom.max(last);
        let unit = 1.0 / UNITS as f32;
        let slope = (x1 as f32 - x0 as f32) / (y1 as f32 - y0 as f32);
        let x_at = |y: i32| (x0 as f32 + slope * (y - y0) as f32) * unit;
        let x_max = self.width as f32;
        let mut y = top;
        let mut x = x_at(top);
        for row in self.marks.iter_mut().take(last + 1).skip(first) {
            let y_next = ((y / UNITS + 1) * UNITS).min(bottom);
            let x_next = if y_next == y1 {
                x1 as f32 * unit
            } else {
                x_at(y_next)
            };
            let height = (y_next - y) as f32 * unit * sign;
            mark_row(row, x.clamp(0.0, x_max), x_next.clamp(0.0, x_max), height);
            (y, x) = (y_next, x_next);
        }
    }

    /// Paints the shape whose edges were added and forgets it.
    fn paint(&mut self, colour: Colour) {
        let (top, bottom) = (self.top, self.bottom);
        (self.top, self.bottom) = (self.height, 0);
        if top > bottom || self.width == 0 {
            return;
        }
        let brush = Brush::new(colour);
        let lines = self.pixels.chunks_exact_mut(self.width);
        for (marks, line) in self.marks.iter_mut().zip(lines).take(bottom + 1).skip(top) {
            paint_row(marks, line, brush);
            marks.clear();
        }
    }

    fn fill_whole_pixels(&mut self, x: (i32, i32), y: (i32, i32), colour: Colour) {
        let clamp = |at: i32, limit: usize| usize::try_from(at / UNITS).unwrap_or(0).min(limit);
        let (left, right) = (clamp(x.0, self.width), clamp(x.1, self.width));
        let (top, bottom) = (clamp(y.0, self.height), clamp(y.1, self.height));
        if self.width == 0 {
            return;
        }
        let brush = Brush::new(colour);
        let lines = self.pixels.chunks_exact_mut(self.width);
        for line in lines.take(bottom).skip(top) {
            brush.fill(line.get_mut(left..right).unwrap_or_default(), 1.0);
        }
    }

    /// A quadrilateral, corners in order, added so that overlapping ones do not cancel each other.
    fn add_convex(&mut self, corners: &[BackendCoord]) {
        let next = |index: usize| corners.get(index + 1).or(corners.first());
        let pairs = || {
            corners
                .iter()
                .enumerate()
                .filter_map(|(index, from)| Some((*from, *next(index)?)))
        };
        let area: i64 = pairs()
            .map(|(from, to)| {
                i64::from(from.0) * i64::from(to.1) - i64::from(to.0) * i64::from(from.1)
            })
            .sum();
        for (from, to) in pairs() {
            if area > 0 {
                self.edge(from, to);
            } else {
                self.edge(to, from);
            }
        }
    }

    fn blend_glyph(
        &mut self,
        picture: &font::Picture,
        pen: (i32, i32),
        upright: bool,
        brush: Brush,
    ) {
        if picture.width == 0 {
            return;
        }
        for (y, line) in (picture.top..).zip(picture.coverage.chunks_exact(picture.width)) {
            for (x, covered) in (picture.left..).zip(line) {
                let (x, y) = if upright {
                    (pen.0 + y, pen.1 - x)
                } else {
                    (pen.0 + x, pen.1 + y)
                };
                let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
                    continue;
                };
                if x < self.width
                    && let Some(pixel) = self.pixels.get_mut(y * self.width + x)
                {
                    *pixel = brush.over(*pixel, f32::from(*covered) / 255.0);
                }
            }
        }
    }
}

/// Marks the trapezoid right of an edge that goes from `x0` to `x1` within one row; `height` is signed, 1 the full row.
fn mark_row(row: &mut Vec<Mark>, x0: f32, x1: f32, height: f32) {
    let (left, right) = if x0 < x1 { (x0, x1) } else { (x1, x0) };
    let (first, last) = (left as i32, right as i32);
    if first == last {
        let inside = (left + right) * 0.5 - first as f32;
        row.push(Mark {
            x: first,
            cover: height * (1.0 - inside),
        });
        row.push(Mark {
            x: first + 1,
            cover: height * inside,
        });
        return;
    }
    // Coverage of pixel p is the mean over p of how much of the height lies left of a point: differences of its integral.
    let slope = height / (right - left);
    let integral = |x: f32| {
        let over = x - left;
        if x >= right {
            height * (x - (left + right) * 0.5)
        } else if over > 0.0 {
            slope * over * over * 0.5
        } else {
            0.0
        }
    };
    let (mut before, mut covered) = (0.0, 0.0);
    for x in first..=last + 1 {
        let after = integral((x + 1) as f32);
        let cover = after - before;
        row.push(Mark {
            x,
            cover: cover - covered,
        });
        (before, covered) = (after, cover);
    }
}

const NOTHING: f32 = 1.0 / 512.0;

fn paint_row(marks: &mut [Mark], line: &mut [u32], brush: Brush) {
    if !marks.is_sorted_by_key(|mark| mark.x) {
        marks.sort_unstable_by_key(|mark| mark.x);
    }
    let mut cover = 0.0_f32;
    let mut at = 0_usize;
    for mark in marks {
        let x = usize::try_from(mark.x).unwrap_or(0).min(line.len());
        if x > at {
            let share = cover.abs().min(1.0);
            if share > NOTHING {
                brush.fill(line.get_mut(at..x).unwrap_or_default(), share);
            }
            at = x;
        }
        cover += mark.cover;
    }
    let share = cover.abs().min(1.0);
    if share > NOTHING {
        brush.fill(line.get_mut(at..).unwrap_or_default(), share);
    }
}

#[derive(Clone, Copy)]
struct Brush {
    colour: u32,
    opacity: f32,
}

impl Brush {
    fn new(colour: Colour) -> Self {
        let [r, g, b] = colour.rgb;
        Self {
            colour: u32::from_be_bytes([0, r, g, b]),
            opacity: f32::from(colour.alpha) / 255.0,
        }
    }

    fn fill(self, pixels: &mut [u32], cover: f32) {
        if cover * self.opacity > 1.0 - NOTHING {
            pixels.fill(self.colour);
        } else {
            for pixel in pixels {
                *pixel = self.over(*pixel, cover);
            }
        }
    }

    /// This colour over `under`, red and blue at once.
    fn over(self, under: u32, cover: f32) -> u32 {
        let share = (cover * self.opacity * 256.0 + 0.5) as u32;
        let rest = 256 - share.min(256);
        let mix = |mask: u32| (((self.colour & mask) * share + (under & mask) * rest) >> 8) & mask;
        let (red_blue, green) = (mix(0xff_00ff), mix(0x00_ff00));
        red_blue | green
    }
}

struct Raster<'a> {
    canvas: &'a mut Canvas,
    colours: Vec<Colour>,
}

impl Raster<'_> {
    fn colour(&self, color: BackendColor) -> Colour {
        let paint = self.colours.get(draw::paint_of(color));
        paint.copied().unwrap_or(Colour::hex(0))
    }

    /// One piece of a line of `width` units, with square ends of half a unit, and the wedge to the piece before.
    fn stroke(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        width: f32,
        before: Option<(f32, f32)>,
    ) -> (f32, f32) {
        let (dx, dy) = ((to.0 - from.0) as f32, (to.1 - from.1) as f32);
        let length = dx.hypot(dy).max(1e-3);
        let side = (-dy / length * width * 0.5, dx / length * width * 0.5);
        let beside = |at: BackendCoord, side: (f32, f32), sign: f32| {
            let shift = |units: f32| (units * sign).round() as i32;
            (at.0 + shift(side.0), at.1 + shift(side.1))
        };
        let corners = [
            beside(from, side, 1.0),
            beside(to, side, 1.0),
            beside(to, side, -1.0),
            beside(from, side, -1.0),
        ];
        self.canvas.add_convex(&corners);
        if let Some(before) = before {
            for sign in [1.0, -1.0] {
                let wedge = [from, beside(from, before, sign), beside(from, side, sign)];
                self.canvas.add_convex(&wedge);
            }
        }
        side
    }
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl DrawingBackend for Raster<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        let units = |pixels: usize| pixels as u32 * UNITS as u32;
        (units(self.canvas.width), units(self.canvas.height))
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        self.draw_rect((x, y), (x + UNITS, y + UNITS), &color, true)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        _fill: bool,
    ) -> Drawn {
        let colour = self.colour(style.color());
        if [left, top, right, bottom].iter().all(|at| at % UNITS == 0) {
            self.canvas
                .fill_whole_pixels((left, right), (top, bottom), colour);
        } else {
            self.canvas
                .add_convex(&[(left, top), (right, top), (right, bottom), (left, bottom)]);
            self.canvas.paint(colour);
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let width = style.stroke_width() as f32;
        let (mut last, mut side) = (None, None);
        for point in path {
            match last.replace(point) {
                Some(from) if from != point => side = Some(self.stroke(from, point, width, side)),
                Some(_) | None => {}
            }
        }
        let colour = self.colour(style.color());
        self.canvas.paint(colour);
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        points: I,
        style: &S,
    ) -> Drawn {
        let mut points = points.into_iter();
        let Some(first) = points.next() else {
            return Ok(());
        };
        let mut last = first;
        for point in points {
            self.canvas.edge(last, point);
            last = point;
        }
        self.canvas.edge(last, first);
        let colour = self.colour(style.color());
        self.canvas.paint(colour);
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &T,
        (x, y): BackendCoord,
    ) -> Drawn {
        let size = style.size() as f32 / UNITS as f32;
        let brush = Brush::new(self.colour(style.color()));
        let width = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => font::width(text, size) * 0.5,
            HPos::Right => font::width(text, size),
        };
        let (x, y) = (x as f32 / UNITS as f32, y as f32 / UNITS as f32);
        let canvas = &mut *self.canvas;
        if matches!(style.transform(), FontTransform::Rotate270) {
            let (start, across) = (y + width, x.round() as i32);
            // The pen moves up: what is left of a fraction goes down.
            let whole = start.ceil();
            font::set(text, size, whole - start, |picture, pen| {
                canvas.blend_glyph(picture, (across, whole as i32 - 1 - pen), true, brush);
            });
        } else {
            let (start, down) = (x - width, y.round() as i32);
            let whole = start.floor();
            font::set(text, size, start - whole, |picture, pen| {
                canvas.blend_glyph(picture, (whole as i32 + pen, down), false, brush);
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLACK: Colour = Colour::hex(0);

    /// The darkness of each pixel of a canvas of `width` by 1, in percent.
    fn darkness(width: u32, corners: &[BackendCoord]) -> Vec<u32> {
        let mut canvas = Canvas::new(width, 1);
        canvas.add_convex(corners);
        canvas.paint(BLACK);
        canvas
            .pixels
            .iter()
            .map(|pixel| 100 - ((pixel & 0xff) as f32 / 2.55).round() as u32)
            .collect()
    }

    #[test]
    fn coverage_is_exact() {
        assert_eq!(
            darkness(3, &[(8, 0), (40, 0), (40, 16), (8, 16)]),
            [50, 100, 50]
        );
        assert_eq!(darkness(2, &[(0, 0), (32, 16), (0, 16)]), [75, 25]);
        assert_eq!(darkness(2, &[(0, 4), (32, 4), (32, 8), (0, 8)]), [25, 25]);
        assert_eq!(
            darkness(2, &[(-100, -100), (100, -100), (100, 100), (-100, 100)]),
            [100, 100]
        );
    }

    #[test]
    fn shapes_outside_the_canvas_change_nothing() {
        for corners in [
            [(64, 0), (80, 0), (80, 16), (64, 16)],
            [(0, 16), (32, 16), (32, 32), (0, 32)],
            [(0, -32), (32, -32), (32, 0), (0, 0)],
        ] {
            assert_eq!(darkness(2, &corners), [0, 0], "{corners:?}");
        }
    }
}
