//! What lies on what: areas and lines with their heights, in painting order.
//!
//! A stack is painted from the top down, each area to zero, so that no ground shines through between neighbours. Numbers
//! below zero and mirrored fields stack downwards by themselves.

use ravenry_plugins::graph::Draw;

use super::series;

/// A field ready to be stacked: rows on one grid, NaN unknown.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) draw: Draw,
    pub(super) paint: usize,
    pub(super) rows: Vec<f64>,
    /// The mirrored field's rows, already below zero.
    pub(super) mirrored: Option<Vec<f64>>,
}

/// How a layer is painted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// Filled to zero.
    Area,
    /// A line so many pixels wide.
    Line(f64),
}

/// An area or a line with its height in each row.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) form: Form,
    pub(super) paint: usize,
    pub(super) rows: Vec<f64>,
}

/// The layers of `members`, first painted first.
pub(super) fn layers(members: &[Member]) -> Vec<Layer> {
    let mut layers = Vec::new();
    for group in groups(members) {
        if let [lone] = group {
            lay_lone(lone, &mut layers);
        } else {
            lay_group(group, &mut layers);
        }
    }
    layers
}

/// Members that stand on each other, and lone ones.
fn groups(members: &[Member]) -> impl Iterator<Item = &[Member]> {
    members.chunk_by(|_, next| is_stacked(next.draw))
}

/// The indexes of the members that stand alone.
pub(super) fn lone(members: &[Member]) -> Vec<usize> {
    let mut lone = Vec::new();
    let mut first = 0;
    for group in groups(members) {
        if group.len() == 1 {
            lone.push(first);
        }
        first += group.len();
    }
    lone
}

/// The lines that say most: each lone member's, and of each stack the top and, where it has one, the bottom.
pub(super) fn outlines(members: &[Member]) -> Vec<Layer> {
    let mut lines = Vec::new();
    for group in groups(members) {
        let line = |paint: usize, rows: Vec<f64>| Layer {
            form: Form::Line(1.0),
            paint,
            rows,
        };
        if let [lone] = group {
            let both = std::iter::once(&lone.rows).chain(&lone.mirrored);
            lines.extend(both.map(|rows| line(lone.paint, rows.clone())));
            continue;
        }
        let (mut top, mut bottom) = (Vec::new(), Vec::new());
        for member in group {
            series::add(&mut top, &pick(&member.rows, |number| number >= 0.0));
            series::add(&mut bottom, &pick(&member.rows, |number| number < 0.0));
            series::add(&mut bottom, member.mirrored.as_deref().unwrap_or_default());
        }
        for rows in [top, bottom] {
            if rows.iter().any(|number| !number.is_nan()) {
                lines.push(line(super::model::paint::TEXT, rows));
            }
        }
    }
    lines
}

fn is_stacked(draw: Draw) -> bool {
    match draw {
        Draw::Line(_) | Draw::Area => false,
        Draw::StackedLine(_) | Draw::StackedArea => true,
    }
}

fn form(draw: Draw) -> Form {
    match draw {
        Draw::Line(width) | Draw::StackedLine(width) => Form::Line(width),
        Draw::Area | Draw::StackedArea => Form::Area,
    }
}

fn lay_lone(member: &Member, layers: &mut Vec<Layer>) {
    for rows in std::iter::once(&member.rows).chain(&member.mirrored) {
        layers.push(Layer {
            form: form(member.draw),
            paint: member.paint,
            rows: rows.clone(),
        });
    }
}

fn lay_group(group: &[Member], layers: &mut Vec<Layer>) {
    let mut up = Vec::new();
    let mut down = Vec::new();
    let mut areas = Vec::new();
    let mut lines = Vec::new();
    for member in group {
        let form = form(member.draw);
        let rising = pick(&member.rows, |number| number >= 0.0);
        let mut falling = pick(&member.rows, |number| number < 0.0);
        let has_falling = falling.iter().any(|number| !number.is_nan());
        series::add(&mut falling, member.mirrored.as_deref().unwrap_or_default());
        series::add(&mut up, &rising);
        series::add(&mut down, &falling);
        let layer = |rows: Vec<f64>| Layer {
            form,
            paint: member.paint,
            rows,
        };
        match form {
            Form::Area => {
                areas.push(layer(up.clone()));
                if has_falling || member.mirrored.is_some() {
                    areas.push(layer(down.clone()));
                }
            }
            Form::Line(_) => {
                let mut total = up.clone();
                if has_falling {
                    series::add(&mut total, &down);
                }
                lines.push(layer(known_where(total, &member.rows)));
                if let Some(mirrored) = &member.mirrored {
                    lines.push(layer(known_where(down.clone(), mirrored)));
                }
            }
        }
    }
    // An area under which a row is known only further up the stack would end there; it is level with the one below.
    let known: Vec<bool> = (0..up.len().max(down.len()))
        .map(|row| is_known(&up, row) || is_known(&down, row))
        .collect();
    for area in &mut areas {
        area.rows.resize(known.len(), f64::NAN);
        for (number, known) in area.rows.iter_mut().zip(&known) {
            if *known && number.is_nan() {
                *number = 0.0;
            }
        }
    }
    layers.extend(areas.into_iter().rev());
    layers.extend(lines);
}

fn pick(rows: &[f64], wanted: impl Fn(f64) -> bool) -> Vec<f64> {
    let pick = |number: &f64| if wanted(*number) { *number } else { f64::NAN };
    rows.iter().map(pick).collect()
}

fn known_where(mut rows: Vec<f64>, known: &[f64]) -> Vec<f64> {
    for (number, known) in rows.iter_mut().zip(known) {
        if known.is_nan() {
            *number = f64::NAN;
        }
    }
    rows
}

fn is_known(rows: &[f64], row: usize) -> bool {
    rows.get(row).is_some_and(|number| !number.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;

    fn member(draw: Draw, paint: usize, rows: &[f64], mirrored: Option<&[f64]>) -> Member {
        Member {
            draw,
            paint,
            rows: rows.to_vec(),
            mirrored: mirrored.map(<[f64]>::to_vec),
        }
    }

    fn check(members: &[Member], expect: &str) {
        let layers = layers(members);
        let found = layers.iter().map(|layer| {
            let form = match layer.form {
                Form::Area => "area",
                Form::Line(_) => "line",
            };
            format!("{form}{}{:?}", layer.paint, layer.rows)
        });
        assert_eq!(
            found.collect::<Vec<_>>().join(" ").replace(".0", ""),
            expect
        );
    }

    #[test]
    fn a_stack_is_painted_from_the_top_down() {
        check(
            &[
                member(Draw::Area, 1, &[1.0, NAN, NAN], None),
                member(Draw::StackedArea, 2, &[2.0, 2.0, NAN], None),
                member(Draw::Line(1.0), 3, &[5.0, 5.0, 5.0], None),
            ],
            "area2[3, 2, NaN] area1[1, 0, NaN] line3[5, 5, 5]",
        );
    }

    #[test]
    fn mirrored_fields_and_negative_numbers_stack_downwards() {
        check(
            &[
                member(Draw::Area, 1, &[1.0], Some(&[-1.0])),
                member(Draw::StackedArea, 2, &[2.0], Some(&[-4.0])),
                member(Draw::StackedArea, 3, &[-3.0], None),
            ],
            "area3[-8] area3[3] area2[-5] area2[3] area1[-1] area1[1]",
        );
    }

    #[test]
    fn a_stacked_line_stands_on_the_areas_and_ends_where_it_is_unknown() {
        check(
            &[
                member(Draw::Area, 1, &[1.0, 1.0], None),
                member(Draw::StackedLine(1.0), 2, &[2.0, NAN], None),
            ],
            "area1[1, 1] line2[3, NaN]",
        );
    }
}
