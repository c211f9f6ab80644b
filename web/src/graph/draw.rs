//! Draws a model with plotters, on whichever backend. Decides nothing.

use std::convert::Infallible;

use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Drawable, PointCollection, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBAColor, ShapeStyle, TextStyle,
};
use plotters_backend::{BackendColor, BackendCoord, DrawingBackend, DrawingErrorKind};

use super::model::{Anchor, Mark, Model, Outline, Plot, Text};

/// A paint on its way through plotters, which knows colours only: its index, in the place of red and green.
fn colour_of(paint: usize) -> RGBAColor {
    RGBAColor((paint >> 8) as u8, (paint & 0xff) as u8, 0, 1.0)
}

/// The index that [`colour_of`] hid.
pub(super) fn paint_of(colour: BackendColor) -> usize {
    usize::from(colour.rgb.0) << 8 | usize::from(colour.rgb.1)
}

type Failure = DrawingAreaErrorKind<Infallible>;

/// Draws `model` on a backend that has `units` to a pixel of the layout.
pub(super) fn draw<B: DrawingBackend<ErrorType = Infallible>>(
    model: &Model,
    backend: B,
    units: i32,
) {
    // Our backends write into memory and do not fail.
    let drawn = draw_all(model, &backend.into_drawing_area(), units);
    debug_assert!(drawn.is_ok(), "{drawn:?}");
}

fn draw_all<B: DrawingBackend<ErrorType = Infallible>>(
    model: &Model,
    picture: &DrawingArea<B, Shift>,
    units: i32,
) -> Result<(), Failure> {
    for mark in &model.under {
        draw_mark(mark, picture, units)?;
    }
    if let Some(plot) = &model.plot {
        draw_shapes(model, plot, picture, units)?;
    }
    for mark in &model.over {
        draw_mark(mark, picture, units)?;
    }
    picture.present()
}

fn draw_shapes<B: DrawingBackend<ErrorType = Infallible>>(
    model: &Model,
    plot: &Plot,
    picture: &DrawingArea<B, Shift>,
    units: i32,
) -> Result<(), Failure> {
    let [left, top, width, height] = plot.area.map(|pixels| pixels as i32 * units);
    let axes = Cartesian2d::<RangedCoordf64, RangedCoordf64>::new(
        plot.x.0..plot.x.1,
        plot.y.0..plot.y.1,
        (left..left + width, top + height..top),
    );
    let area = picture.apply_coord_spec(axes);
    for shape in &model.shapes {
        let color = colour_of(shape.paint);
        for run in shape.points.runs() {
            match shape.outline {
                Outline::Area(base) => area.draw(&Filled {
                    run,
                    base: Some(base),
                    color,
                })?,
                Outline::Closed => area.draw(&Filled {
                    run,
                    base: None,
                    color,
                })?,
                Outline::Line(width) => {
                    let stroke_width = (width * f64::from(units)).round().max(1.0) as u32;
                    let style = ShapeStyle {
                        color,
                        filled: false,
                        stroke_width,
                    };
                    area.draw(&Stroked { run, style })?;
                }
            }
        }
    }
    Ok(())
}

fn draw_mark<B: DrawingBackend<ErrorType = Infallible>>(
    mark: &Mark,
    picture: &DrawingArea<B, Shift>,
    units: i32,
) -> Result<(), Failure> {
    let at = |pixels: f32| (pixels * units as f32).round() as i32;
    match mark {
        Mark::Rectangle([x, y, width, height], paint) => {
            let corners = [(at(*x), at(*y)), (at(x + width), at(y + height))];
            picture.draw(&Rectangle::new(corners, colour_of(*paint).filled()))
        }
        Mark::Text(text) => {
            let element = plotters::element::Text::new(
                text.text.as_str(),
                (at(text.at.0), at(text.at.1)),
                style_of(text, units),
            );
            picture.draw(&element)
        }
    }
}

/// The vertical anchor is not looked at: our backends hold texts at the base line.
fn style_of(text: &Text, units: i32) -> TextStyle<'static> {
    let transform = if text.upright {
        FontTransform::Rotate270
    } else {
        FontTransform::None
    };
    let size = f64::from(text.size) * f64::from(units);
    let anchor = match text.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    TextStyle {
        font: FontDesc::new(FontFamily::SansSerif, size, FontStyle::Normal).transform(transform),
        color: colour_of(text.paint).to_backend_color(),
        pos: Pos::new(anchor, VPos::Bottom),
    }
}

/// A run filled to a base value, or that goes around what is filled. Unlike plotters' own elements it borrows its points.
struct Filled<'r> {
    run: &'r [(f64, f64)],
    base: Option<f64>,
    color: RGBAColor,
}

impl<'a> PointCollection<'a, (f64, f64)> for &'a Filled<'_> {
    type Point = (f64, f64);
    type IntoIter = std::iter::Chain<
        std::iter::Copied<std::slice::Iter<'a, (f64, f64)>>,
        std::vec::IntoIter<(f64, f64)>,
    >;

    fn point_iter(self) -> Self::IntoIter {
        let corner = |point: Option<&(f64, f64)>| Some((point?.0, self.base?));
        let corners = [corner(self.run.last()), corner(self.run.first())];
        let corners: Vec<_> = corners.into_iter().flatten().collect();
        self.run.iter().copied().chain(corners)
    }
}

impl<B: DrawingBackend> Drawable<B> for Filled<'_> {
    fn draw<I: Iterator<Item = BackendCoord>>(
        &self,
        points: I,
        backend: &mut B,
        _: (u32, u32),
    ) -> Result<(), DrawingErrorKind<B::ErrorType>> {
        backend.fill_polygon(points, &self.color.to_backend_color())
    }
}

/// A run as a line.
struct Stroked<'r> {
    run: &'r [(f64, f64)],
    style: ShapeStyle,
}

impl<'a> PointCollection<'a, (f64, f64)> for &'a Stroked<'_> {
    type Point = &'a (f64, f64);
    type IntoIter = std::slice::Iter<'a, (f64, f64)>;

    fn point_iter(self) -> Self::IntoIter {
        self.run.iter()
    }
}

impl<B: DrawingBackend> Drawable<B> for Stroked<'_> {
    fn draw<I: Iterator<Item = BackendCoord>>(
        &self,
        points: I,
        backend: &mut B,
        _: (u32, u32),
    ) -> Result<(), DrawingErrorKind<B::ErrorType>> {
        backend.draw_path(points, &self.style)
    }
}
