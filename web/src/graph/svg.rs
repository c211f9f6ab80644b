//! The SVG backend under plotters: coordinates in tenths of a pixel, one path for neighbours of one colour, letters left
//! to the browser.

use std::convert::Infallible;
use std::fmt::Write;

use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontTransform, text_anchor::HPos,
};

use super::draw;
use super::font;
use super::model::Model;
use super::palette::Paint;

/// Units of plotters a pixel.
const UNITS: i32 = 10;

/// Which colours the picture has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Theme {
    /// On white.
    #[default]
    Light,
    /// On near black.
    Dark,
    /// SVG: what the reader's system prefers, by a style sheet inside the picture. PNG: light.
    Auto,
}

/// The picture as SVG.
#[must_use]
pub fn svg(model: &Model) -> String {
    let mut body = String::with_capacity(32 * 1024);
    let mut used = vec![Used::default(); model.paints.len()];
    draw::draw(model, Svg::new(&mut body, &mut used, model), UNITS);
    let mut out = String::with_capacity(body.len() + 2048);
    open(&mut out, model);
    style_sheet(&mut out, model, &used);
    out.push_str(&body);
    out.push_str("</g></svg>\n");
    out
}

fn open(out: &mut String, model: &Model) {
    let (width, height) = (model.width, model.height);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\""
    );
    if let Some(plot) = &model.plot {
        let [x, y, w, h] = plot.area;
        let _ = write!(
            out,
            " data-plot=\"{x} {y} {w} {h}\" data-period=\"{} {}\" data-range=\"{} {}\"",
            plot.x.0, plot.x.1, plot.y.0, plot.y.1
        );
    }
    out.push_str("><title>");
    escape(out, &model.title);
    out.push_str("</title><desc>");
    escape(out, &model.description);
    out.push_str("</desc>");
}

/// How a paint was used, so that only these rules are written.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    fill: bool,
    stroke: bool,
}

fn style_sheet(out: &mut String, model: &Model, used: &[Used]) {
    if model.theme == Theme::Auto {
        out.push_str("<style>");
        rules(out, model, used, |paint| paint.light.css());
        out.push_str("@media(prefers-color-scheme:dark){");
        rules(out, model, used, |paint| paint.dark.css());
        out.push_str("}</style>");
    }
    let _ = write!(out, "<g font-family=\"{}\">", font::FAMILIES);
}

fn rules(out: &mut String, model: &Model, used: &[Used], colour: impl Fn(&Paint) -> String) {
    for (index, (paint, used)) in model.paints.iter().zip(used).enumerate() {
        let colour = colour(paint);
        if used.fill {
            let _ = write!(out, ".f{index}{{fill:{colour}}}");
        }
        if used.stroke {
            let _ = write!(out, ".s{index}{{stroke:{colour}}}");
        }
    }
}

/// Writes `text` so that it is text and nothing else; what XML does not allow is left out.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
}

/// The element that is still open, to which what looks alike is added.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Open {
    Nothing,
    Fill(usize),
    /// Paint, width in units.
    Stroke(usize, u32),
    /// Paint, tenths of a pixel an em, anchor.
    Text(usize, i32, &'static str),
}

struct Svg<'a> {
    out: &'a mut String,
    used: &'a mut [Used],
    model: &'a Model,
    open: Open,
}

impl<'a> Svg<'a> {
    fn new(out: &'a mut String, used: &'a mut [Used], model: &'a Model) -> Self {
        Self {
            out,
            used,
            model,
            open: Open::Nothing,
        }
    }

    fn switch(&mut self, to: Open) {
        if self.open == to {
            return;
        }
        match self.open {
            Open::Nothing => {}
            Open::Fill(_) | Open::Stroke(..) => self.out.push_str("\"/>"),
            Open::Text(..) => self.out.push_str("</g>"),
        }
        self.open = to;
        match to {
            Open::Nothing => {}
            Open::Fill(paint) => {
                self.out.push_str("<path ");
                self.colour("fill", paint);
                self.out.push_str(" d=\"");
            }
            Open::Stroke(paint, width) => {
                self.out
                    .push_str("<path fill=\"none\" stroke-linejoin=\"round\" ");
                self.colour("stroke", paint);
                self.out.push_str(" stroke-width=\"");
                push_tenths(self.out, i32::try_from(width).unwrap_or(i32::MAX));
                self.out.push_str("\" d=\"");
            }
            Open::Text(paint, size, anchor) => {
                self.out.push_str("<g ");
                self.colour("fill", paint);
                self.out.push_str(" font-size=\"");
                push_tenths(self.out, size);
                self.out.push('"');
                if anchor != "start" {
                    let _ = write!(self.out, " text-anchor=\"{anchor}\"");
                }
                self.out.push('>');
            }
        }
    }

    /// The attribute that says the colour: itself, or a class where a style sheet decides.
    fn colour(&mut self, attribute: &'static str, paint: usize) {
        let stroke = attribute == "stroke";
        if let Some(used) = self.used.get_mut(paint) {
            used.fill |= !stroke;
            used.stroke |= stroke;
        }
        let colour = self
            .model
            .paints
            .get(paint)
            .map(|colours| match self.model.theme {
                Theme::Light => colours.light.css(),
                Theme::Dark => colours.dark.css(),
                Theme::Auto => format!("{}{paint}", if stroke { 's' } else { 'f' }),
            });
        let attribute = if self.model.theme == Theme::Auto {
            "class"
        } else {
            attribute
        };
        let _ = write!(self.out, "{attribute}=\"{}\"", colour.unwrap_or_default());
    }

    /// Adds points to the open path: the first absolute, the others relative to the one before. Says whether there were any.
    fn points(&mut self, points: impl Iterator<Item = BackendCoord>) -> bool {
        let mut last: Option<BackendCoord> = None;
        let mut command = ' ';
        for (x, y) in points {
            let Some((last_x, last_y)) = last.replace((x, y)) else {
                self.out.push('M');
                push_tenths(self.out, x);
                push_separated(self.out, y);
                continue;
            };
            let (dx, dy) = (x.wrapping_sub(last_x), y.wrapping_sub(last_y));
            let next = match (dx, dy) {
                (0, 0) => continue,
                (_, 0) => 'h',
                (0, _) => 'v',
                _ => 'l',
            };
            let first = if next == 'v' { dy } else { dx };
            if next == command {
                push_separated(self.out, first);
            } else {
                self.out.push(next);
                push_tenths(self.out, first);
            }
            if next == 'l' {
                push_separated(self.out, dy);
            }
            command = next;
        }
        last.is_some()
    }
}

/// Writes tenths as a decimal number, as short as it can be.
fn push_tenths(out: &mut String, tenths: i32) {
    let mut digits = [0_u8; 12];
    let mut at = digits.len();
    let mut rest = tenths.unsigned_abs();
    let fraction = rest % 10;
    rest /= 10;
    let mut push = |byte: u8| {
        at = at.saturating_sub(1);
        if let Some(digit) = digits.get_mut(at) {
            *digit = byte;
        }
    };
    if fraction != 0 {
        push(b'0' + (fraction % 10) as u8);
        push(b'.');
    }
    while rest != 0 || (fraction == 0 && tenths == 0) {
        push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if tenths == 0 {
            break;
        }
    }
    if tenths < 0 {
        out.push('-');
    }
    out.extend(digits.iter().skip(at).map(|byte| char::from(*byte)));
}

/// The same behind another number: a sign separates by itself.
fn push_separated(out: &mut String, tenths: i32) {
    if tenths >= 0 {
        out.push(' ');
    }
    push_tenths(out, tenths);
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl DrawingBackend for Svg<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (
            self.model.width * UNITS as u32,
            self.model.height * UNITS as u32,
        )
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        self.switch(Open::Nothing);
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
        if right > left && bottom > top {
            self.switch(Open::Fill(draw::paint_of(style.color())));
            let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
            self.points(corners.into_iter());
            self.out.push('z');
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.switch(Open::Stroke(
            draw::paint_of(style.color()),
            style.stroke_width(),
        ));
        self.points(path.into_iter());
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        points: I,
        style: &S,
    ) -> Drawn {
        self.switch(Open::Fill(draw::paint_of(style.color())));
        if self.points(points.into_iter()) {
            self.out.push('z');
        }
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &T,
        (x, y): BackendCoord,
    ) -> Drawn {
        let anchor = match style.anchor().h_pos {
            HPos::Left => "start",
            HPos::Center => "middle",
            HPos::Right => "end",
        };
        let size = style.size().round() as i32;
        self.switch(Open::Text(draw::paint_of(style.color()), size, anchor));
        self.out.push_str("<text x=\"");
        push_tenths(self.out, x);
        self.out.push_str("\" y=\"");
        push_tenths(self.out, y);
        self.out.push('"');
        if matches!(style.transform(), FontTransform::Rotate270) {
            self.out.push_str(" transform=\"rotate(-90 ");
            push_tenths(self.out, x);
            push_separated(self.out, y);
            self.out.push_str(")\"");
        }
        self.out.push('>');
        escape(self.out, text);
        self.out.push_str("</text>");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        let check = |tenths: i32, expect: &str| {
            let mut out = String::new();
            push_tenths(&mut out, tenths);
            assert_eq!(out, expect);
        };
        check(0, "0");
        check(5, ".5");
        check(-5, "-.5");
        check(10, "1");
        check(1234, "123.4");
        check(-1230, "-123");
        check(i32::MIN, "-214748364.8");
    }

    #[test]
    fn text_cannot_leave_its_element() {
        let mut out = String::new();
        escape(&mut out, "a</title><script>\"&\u{0}\u{ffff}ü");
        assert_eq!(out, "a&lt;/title&gt;&lt;script&gt;&quot;&amp; ü");
    }
}
