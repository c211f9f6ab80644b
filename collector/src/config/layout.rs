//! `[[layout]]`, and `layout` and `step` of `[store]`: how much history is kept, and how fine. What that means in rows is
//! [`crate::store::layout`]'s part.

use std::time::Duration;

use ravenry_plugins::name::{GraphName, HostName};
use ravenry_plugins::pattern::Pattern;
use ravenry_plugins::settings::Section;

/// The longest step.
const STEP_MAX: Duration = Duration::from_secs(86_400);
/// A custom layout has at most this many archives.
const TIERS_MAX: usize = 20;
/// Rows of an archive, and steps of a row, at most: beyond, no file could hold them.
const ROWS_MAX: u64 = 1 << 32;

/// How much history is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Every step for 36 h, 5 min for 8 days, 30 min for 35 days, 6 h for 450 days.
    #[default]
    Standard,
    /// Munin's: 5 min for 2 days, 30 min for 9 days, 2 h for 45 days, 1 day for 450 days.
    Munin,
    /// Munin's `huge`: every step for 400 days.
    Huge,
    /// Munin's `custom ...`.
    Custom(Custom),
}

/// `custom FINE, COARSE, ...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    /// How many single steps are kept.
    pub fine: Fine,
    /// What is kept of what is older.
    pub coarse: Vec<Coarse>,
}

/// How long single steps are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fine {
    /// `576`
    Rows(u64),
    /// `2d`
    For(Duration),
}

/// An archive of several steps a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coarse {
    /// `6 432`
    Rows {
        /// Of a row.
        steps: u64,
        /// In all.
        rows: u64,
    },
    /// `30m for 9d`
    For {
        /// Time of a row.
        each: Duration,
        /// How far back.
        reach: Duration,
    },
}

impl Layout {
    /// Reads what the configuration may say: a preset, or Munin's `custom ...`.
    ///
    /// # Errors
    /// What was expected and found.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "standard" => Ok(Self::Standard),
            "munin" => Ok(Self::Munin),
            _ => match Self::parse_munin(text) {
                Ok(Some(layout)) => Ok(layout),
                Err(why) if text.starts_with("custom") => Err(why),
                Ok(None) | Err(_) => Err(format!(
                    "expected \"standard\", \"munin\", \"huge\" or \"custom ...\", found {text:?}"
                )),
            },
        }
    }

    /// Reads a plugin's `graph_data_size`; `None` for `normal`, which is whatever the collector keeps anyway.
    ///
    /// # Errors
    /// What was expected and found.
    pub fn parse_munin(text: &str) -> Result<Option<Self>, String> {
        match text.trim() {
            "normal" => Ok(None),
            "huge" => Ok(Some(Self::Huge)),
            other => match other.strip_prefix("custom") {
                Some(tiers) => parse_custom(tiers).map(|custom| Some(Self::Custom(custom))),
                None => Err(format!(
                    "expected `normal`, `huge` or `custom ...`, found {text:?}"
                )),
            },
        }
    }
}

fn parse_custom(text: &str) -> Result<Custom, String> {
    let mut tiers = text.split(',').map(str::trim);
    let fine = tiers.next().unwrap_or_default();
    let Some(fine) = parse_fine(fine) else {
        return Err(format!(
            "expected after `custom` how many rows or how long single steps are kept, such as `576` or `2d`, found {fine:?}"
        ));
    };
    let coarse = tiers.map(|tier| {
        parse_coarse(tier).ok_or_else(|| {
            format!("expected `STEPS ROWS` or `TIME for TIME`, such as `6 432` or `30m for 9d`, found {tier:?}")
        })
    });
    let coarse = coarse.collect::<Result<Vec<_>, _>>()?;
    if coarse.len() >= TIERS_MAX {
        return Err(format!(
            "expected at most {TIERS_MAX} archives, found {}",
            coarse.len() + 1
        ));
    }
    Ok(Custom { fine, coarse })
}

fn parse_fine(text: &str) -> Option<Fine> {
    parse_rows(text)
        .map(Fine::Rows)
        .or_else(|| parse_time(text).map(Fine::For))
}

fn parse_coarse(text: &str) -> Option<Coarse> {
    if let Some((each, reach)) = text.split_once(" for ") {
        let (each, reach) = (parse_time(each.trim())?, parse_time(reach.trim())?);
        return Some(Coarse::For { each, reach });
    }
    let (steps, rows) = text.split_once(char::is_whitespace)?;
    let (steps, rows) = (parse_rows(steps)?, parse_rows(rows.trim())?);
    Some(Coarse::Rows { steps, rows })
}

fn parse_rows(text: &str) -> Option<u64> {
    let rows = text.parse().ok()?;
    (1..=ROWS_MAX).contains(&rows).then_some(rows)
}

/// Munin's units: `t` is a month of 31 days, `y` a year of 365.
fn parse_time(text: &str) -> Option<Duration> {
    const DAY: u64 = 86_400;
    let (number, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let unit_seconds = match unit.trim() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => DAY,
        "w" => 7 * DAY,
        "t" => 31 * DAY,
        "y" => 365 * DAY,
        _ => return None,
    };
    let seconds = number.parse::<u64>().ok()?.checked_mul(unit_seconds)?;
    (1..=ROWS_MAX)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}

/// `[[layout]]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// `host`: whose graphs.
    pub host: Pattern,
    /// `graph`: which of them.
    pub graph: Pattern,
    /// `layout`: how much of them is kept.
    pub layout: Option<Layout>,
    /// `step`: seconds between rows.
    pub step: Option<Duration>,
}

/// All that the configuration says about how much is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layouts {
    /// `store.layout`
    pub default: Layout,
    /// `store.step`
    pub step: Option<Duration>,
    /// `store.series_bytes_max`: more than this a plugin cannot ask for.
    pub series_bytes_max: u64,
    /// Each sets what it names, the last one wins.
    pub rules: Vec<Rule>,
}

impl Default for Layouts {
    fn default() -> Self {
        Self {
            default: Layout::Standard,
            step: None,
            series_bytes_max: 16 << 20,
            rules: Vec::new(),
        }
    }
}

/// What the rules say of one graph.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chosen<'l> {
    /// How much of it is kept.
    pub layout: Option<&'l Layout>,
    /// Its step.
    pub step: Option<Duration>,
}

impl Layouts {
    /// What the rules say of a graph.
    #[must_use]
    pub fn chosen(&self, host: &HostName, graph: &GraphName) -> Chosen<'_> {
        let mut chosen = Chosen::default();
        for rule in &self.rules {
            if rule.host.matches(host.as_str()) && rule.graph.matches(graph.as_str()) {
                chosen.layout = rule.layout.as_ref().or(chosen.layout);
                chosen.step = rule.step.or(chosen.step);
            }
        }
        chosen
    }

    /// Takes what `[store]` says.
    pub(super) fn read_defaults(&mut self, section: &mut Section<'_, '_>) {
        if let Some(layout) = section.parsed_by("layout", Layout::parse) {
            self.default = layout;
        }
        self.step = read_step(section).or(self.step);
        if let Some(bytes) = section.size_bytes("series_bytes_max", 1 << 10..=1 << 30) {
            self.series_bytes_max = bytes;
        }
    }

    /// Takes the `[[layout]]` of a file.
    pub(super) fn read_rules(&mut self, root: &mut Section<'_, '_>) {
        for mut section in root.repeated_sections("layout") {
            let rule = Rule {
                host: section.parsed("host").unwrap_or_default(),
                graph: section.parsed("graph").unwrap_or_default(),
                layout: section.parsed_by("layout", Layout::parse),
                step: read_step(&mut section),
            };
            if rule.layout.is_none() && rule.step.is_none() && !section.has_problems() {
                section.report(
                    &section.span(),
                    "layout",
                    "expected layout or step, found neither",
                );
            }
            self.rules.push(rule);
            section.end();
        }
    }
}

fn read_step(section: &mut Section<'_, '_>) -> Option<Duration> {
    section.duration("step", Duration::from_secs(1)..=STEP_MAX)
}
