//! Graphs: a model with everything resolved, and its drawing as SVG and PNG through plotters.
//!
//! ```text
//! Graph + History + Options -> Model -> draw (plotters) -> svg | raster
//! ```
//! [`Model::resolve`] decides everything: formulas, stacks, gaps, ranges, ticks, colours, places of texts. The drawing
//! function walks the model, and the two backends put down what it says. All of it is pure.

mod axis;
mod beside;
mod draw;
mod event;
mod font;
mod formula;
mod layout;
mod legend;
mod model;
mod number;
mod palette;
mod range;
mod raster;
mod readout;
mod series;
mod stack;
mod svg;
#[cfg(test)]
mod tests;

pub use axis::{TimeTick, ValueTick, log_ticks, time_ticks, value_ticks};
pub use beside::Earlier;
pub(crate) use beside::trend_rows;
pub use event::{Event, EventKind};
pub use legend::{BILLING_COLUMNS, Billing, COLUMNS, Legend, Row, Side};
pub(crate) use legend::{billing_numbers, shown_reading};
pub use model::{Anchor, Input, Mark, Model, Options, Outline, Plot, Scale, Shape, Size, Text};
pub use number::{Base, Cell, Format};
pub use palette::{Colour, Paint, Palette};
pub use raster::png;
pub use readout::{Line, Readout, readout};
pub use series::Points;
pub use svg::{Theme, svg};
