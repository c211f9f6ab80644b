//! Where the words of the legend stand, as rrdtool places them: in lines, by the codes at their ends (`\l`, `\r`, `\c`,
//! `\j`, `\s`, `\u`, `\g`, `\n`), letters all of one width.

use super::GraphError;
use super::element::Align;

/// Pixels from the edge, and between two words.
const BORDER: i64 = 16;
/// Pixels of a line, and of the half line of `\s`.
const LINE: f64 = 14.4;
const SIZE: f64 = 8.0;
/// Pixels of a letter.
pub(super) const LETTER: i64 = 7;
/// Pixels of a letter's height.
pub(super) const HEIGHT: i64 = 14;

/// Words for the legend.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// From here on.
    Align(Align),
    /// The words of an element.
    Words(usize, String),
}

/// Words with their place: left edge and base line, from the legend's corner.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) element: usize,
    pub(super) text: String,
    pub(super) x: f64,
    pub(super) y: i64,
}

/// What the code at a text's end says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    None,
    /// As none, but nothing stands between these words and the next.
    Glued,
    Align(Align),
    HalfLine,
    Up,
}

struct Words {
    element: usize,
    text: String,
    /// Pixels behind it.
    gap: i64,
}

struct Placer {
    width: i64,
    align: Align,
    line: Vec<Words>,
    fill: i64,
    y: i64,
    placed: Vec<Placed>,
}

/// Places everything in a legend so many pixels wide; its height comes second.
pub(super) fn place(items: Vec<Item>, width: i64) -> Result<(Vec<Placed>, i64), GraphError> {
    let mut placer = Placer {
        width: width - 2 * BORDER,
        align: Align::Justified,
        line: Vec::new(),
        fill: 0,
        y: 0,
        placed: Vec::new(),
    };
    let last = items.len();
    for (index, item) in items.into_iter().enumerate() {
        let ended = match item {
            Item::Align(align) => {
                placer.align = align;
                false
            }
            Item::Words(element, text) => placer.words(element, &text)?,
        };
        if index + 1 == last && !ended {
            // Even without words: what would stand at the right or in the middle has a line of its own.
            let align = placer.own_align();
            placer.end_line(Code::Align(align));
        }
    }
    let height = placer.y + (BORDER as f64 * 0.6) as i64;
    Ok((placer.placed, height))
}

/// Pixels of a text. A tab goes on to the next of its stops.
pub(super) fn width(text: &str) -> i64 {
    const STOP: i64 = 40;
    text.chars().fold(0, |width, letter| match letter {
        '\t' => (width / STOP + 1) * STOP,
        _ => width + LETTER,
    })
}

/// The words without the code at their end.
fn code(text: &str) -> Result<(&str, Code), GraphError> {
    let mut letters = text.chars().rev();
    let (Some(letter), Some('\\')) = (letters.next(), letters.next()) else {
        return Ok((text, Code::None));
    };
    let words = &text[..text.len() - letter.len_utf8() - 1];
    let code = match letter {
        'l' | 'n' => Code::Align(Align::Left),
        'r' => Code::Align(Align::Right),
        'j' => Code::Align(Align::Justified),
        'c' => Code::Align(Align::Center),
        's' => Code::HalfLine,
        'u' => Code::Up,
        'g' => return Ok((words.trim_end_matches(' '), Code::Glued)),
        '.' => Code::None,
        _ => {
            return Err(GraphError::new(format!(
                "Unknown control code at the end of '{words}\\{letter}'"
            )));
        }
    };
    Ok((words, code))
}

impl Placer {
    /// True when a code at its end has ended the line.
    fn words(&mut self, element: usize, text: &str) -> Result<bool, GraphError> {
        let text = text.replace("\\t", "\t");
        let (text, code) = code(&text)?;
        let before = self.fill;
        if !text.is_empty() {
            let gap = if code == Code::Glued { 0 } else { BORDER };
            if self.fill > 0 {
                self.fill += gap;
            }
            self.fill += width(text);
            self.line.push(Words {
                element,
                text: text.to_owned(),
                gap,
            });
        }
        match code {
            Code::None | Code::Glued if self.fill > self.width && self.line.len() > 1 => {
                // What does not fit begins the next line.
                let over = self.line.pop();
                self.fill = before;
                self.end_line(Code::Align(self.own_align()));
                if let Some(over) = over {
                    self.fill = width(&over.text);
                    self.line.push(Words {
                        gap: BORDER,
                        ..over
                    });
                }
            }
            Code::None | Code::Glued if self.fill > self.width => {
                self.end_line(Code::Align(self.own_align()));
            }
            Code::None | Code::Glued => {}
            Code::Align(_) | Code::HalfLine | Code::Up => {
                self.end_line(code);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A word alone cannot be spread.
    fn own_align(&self) -> Align {
        match self.align {
            Align::Justified if self.line.len() == 1 => Align::Left,
            align => align,
        }
    }

    fn end_line(&mut self, code: Code) {
        let spare = (self.width - self.fill) as f64;
        let count = self.line.len();
        let border = BORDER as f64;
        let (mut x, glue) = match code {
            Code::Align(Align::Justified) if count >= 2 => (border, spare / (count - 1) as f64),
            Code::Align(Align::Center) => (border + spare / 2.0, 0.0),
            Code::Align(Align::Right) => (spare + border, 0.0),
            _ => (border, 0.0),
        };
        for words in self.line.drain(..) {
            let next = x + (width(&words.text) + words.gap) as f64 + glue;
            self.placed.push(Placed {
                element: words.element,
                text: words.text,
                x,
                y: self.y + BORDER,
            });
            x = next;
        }
        let y = self.y as f64;
        if x > border || code == Code::HalfLine {
            self.y = (y + LINE) as i64;
        }
        match code {
            Code::HalfLine => self.y = (self.y as f64 - SIZE) as i64,
            Code::Up => self.y = (self.y as f64 - LINE) as i64,
            Code::None | Code::Glued | Code::Align(_) => {}
        }
        self.fill = 0;
    }
}
