//! Reads a TOML configuration so that *every* problem in it is found, each with its line.
//!
//! A caller takes the keys that it knows out of a [`Section`]; [`Section::end`] reports those that nobody took. A value of
//! the wrong kind is reported where it stands and counts as absent, so that reading goes on.
//!
//! ```
//! # use ravenry_plugins::settings::Document;
//! let document = Document::new("ravenry.toml", "[http]\nlisten = 80\ncolour = 'red'\n");
//! let mut root = document.root();
//! let mut http = root.section("http");
//! assert_eq!(http.text("listen"), None);
//! http.end();
//! root.end();
//! let problems: Vec<String> = document.into_problems().iter().map(ToString::to_string).collect();
//! assert_eq!(problems, [
//!     "ravenry.toml:2: http.listen: expected a text, found the integer 80",
//!     "ravenry.toml:3: http.colour: unknown key; expected one of: listen",
//! ]);
//! ```

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::problem::Problem;

mod template;

use template::Base;
pub use template::Templates;

/// A configuration file, parsed, with the problems found in it so far.
pub struct Document<'t> {
    source: String,
    text: &'t str,
    root: DeTable<'t>,
    problems: RefCell<Vec<Problem>>,
}

impl<'t> Document<'t> {
    /// Parses `text`; what is not TOML becomes problems, the rest can be read.
    pub fn new(source: impl Into<String>, text: &'t str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let document = Self {
            source: source.into(),
            text,
            root: root.into_inner(),
            problems: RefCell::default(),
        };
        for error in errors {
            let message = error.message().trim().replace('\n', ", ");
            document.report(error.span().unwrap_or(0..0), message);
        }
        document
    }

    /// The top of the file.
    pub fn root(&self) -> Section<'_, 't> {
        Section::new(self, String::new(), Some(&self.root), 0..0)
    }

    /// The top of the file, whose sections may use templates.
    pub fn root_with<'d>(&'d self, templates: &'d Templates<'d, 't>) -> Section<'d, 't> {
        let mut root = self.root();
        root.templates = Some(templates);
        root.skip("template");
        root
    }

    /// Adds a problem that the reader of the values found; what was said before is not said again.
    pub fn report(&self, span: Range<usize>, text: impl Into<String>) {
        let line = self.line_of(span.start);
        let problem = Problem::new(&self.source, line, text);
        let mut problems = self.problems.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// Everything that is wrong, in the order of lines.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        problems
    }

    fn line_of(&self, offset: usize) -> u32 {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        u32::try_from(before.iter().filter(|&&byte| byte == b'\n').count() + 1).unwrap_or(u32::MAX)
    }
}

/// A table of the file, or one that is not there: then every key is absent.
pub struct Section<'d, 't> {
    document: &'d Document<'t>,
    path: String,
    table: Option<&'d DeTable<'t>>,
    span: Range<usize>,
    taken: Vec<&'static str>,
    has_problems: Cell<bool>,
    templates: Option<&'d Templates<'d, 't>>,
    /// Tables that stand in for what this one does not say.
    bases: Vec<Base<'d, 't>>,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the file; give it to [`Section::report`].
    pub span: Range<usize>,
}

impl<'d, 't> Section<'d, 't> {
    fn new(
        document: &'d Document<'t>,
        path: String,
        table: Option<&'d DeTable<'t>>,
        span: Range<usize>,
    ) -> Self {
        Self {
            document,
            path,
            table,
            span,
            taken: Vec::new(),
            has_problems: Cell::new(false),
            templates: None,
            bases: Vec::new(),
        }
    }

    /// A key that somebody else reads.
    pub fn skip(&mut self, key: &'static str) {
        self.taken.push(key);
    }

    /// A table below `key`, which may use templates.
    fn below(
        &self,
        key: &str,
        path: String,
        table: Option<&'d DeTable<'t>>,
        span: Range<usize>,
    ) -> Section<'d, 't> {
        let section = Section::new(self.home_of(key), path, table, span);
        section.with_templates(self.templates)
    }

    /// A text.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        self.located(key, "a text", |value| value.as_str().map(str::to_owned))
            .map(|found| found.value)
    }

    /// A text that is parsed; what its parser says becomes the problem.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, key: &'static str) -> Option<T> {
        self.parsed_by(key, str::parse)
    }

    /// A text that `parse` understands; what it says otherwise becomes the problem.
    pub fn parsed_by<T, E: Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.located(key, "a text", |value| value.as_str().map(str::to_owned))?;
        parse(&text.value)
            .map_err(|error| self.report(&text.span, key, error))
            .ok()
    }

    /// A text or a number, parsed as text; what `parse` says otherwise becomes the problem.
    pub fn scalar_by<T, E: Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.located(key, "a decimal number or a text", |value| match value {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(integer) => decimal(integer),
            DeValue::Float(float) => Some(float.as_str().replace('_', "")),
            DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                None
            }
        })?;
        parse(&text.value)
            .map_err(|error| self.report(&text.span, key, error))
            .ok()
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.located(key, "true or false", DeValue::as_bool)
            .map(|found| found.value)
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let found = self.located(key, "a whole number", |value| whole(value.as_integer()?))?;
        match u64::try_from(found.value) {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                let expected = format!(
                    "expected a whole number from {} to {}, found {}",
                    range.start(),
                    range.end(),
                    found.value
                );
                self.report(&found.span, key, expected);
                None
            }
        }
    }

    /// A duration: whole seconds, or a text such as `90s`, `5m`, `36h`, `7d`; within `range`.
    pub fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let found = self.located(
            key,
            "a duration such as 30, \"90s\", \"5m\", \"36h\", \"7d\"",
            duration_of,
        )?;
        if range.contains(&found.value) {
            return Some(found.value);
        }
        let [from, to, have] = [*range.start(), *range.end(), found.value].map(duration_text);
        self.report(
            &found.span,
            key,
            format!("expected a duration from {from} to {to}, found {have}"),
        );
        None
    }

    /// A size in bytes: a whole number, or a text such as `64 KB`, `16 MB`, `2 GB` (powers of 1024); within `range`.
    pub fn size_bytes(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let found = self.located(key, "a size such as 4096, \"64 KB\", \"16 MB\"", size_of)?;
        if range.contains(&found.value) {
            return Some(found.value);
        }
        let [from, to, have] = [*range.start(), *range.end(), found.value];
        self.report(
            &found.span,
            key,
            format!("expected {from} to {to} bytes, found {have}"),
        );
        None
    }

    /// A list of texts, or one text alone; each is parsed, and each that is not understood is a problem of its own.
    pub fn list<T: FromStr<Err: Display>>(&mut self, key: &'static str) -> Option<Vec<T>> {
        let value = self.take(key)?;
        let items: Vec<&Spanned<DeValue<'t>>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        let mut parsed = Vec::with_capacity(items.len());
        for item in items {
            match item.get_ref().as_str().map(str::parse) {
                Some(Ok(good)) => parsed.push(good),
                Some(Err(error)) => self.report(&item.span(), key, error),
                None => self.report(
                    &item.span(),
                    key,
                    expected("a text or a list of texts", item.get_ref()),
                ),
            }
        }
        Some(parsed)
    }

    /// The table `key`, which may be absent: then all that is asked of it is.
    pub fn section(&mut self, key: &'static str) -> Section<'d, 't> {
        let value = self.take(key);
        let table = value.and_then(|value| self.table_of(key, value));
        let span = value.map_or(0..0, Spanned::span);
        self.below(key, self.path(key), table, span)
    }

    /// The tables in table `key`, with their names, in the order of the file.
    pub fn named_sections(&mut self, key: &'static str) -> Vec<(Located<String>, Section<'d, 't>)> {
        let Some(table) = self.take(key).and_then(|value| self.table_of(key, value)) else {
            return Vec::new();
        };
        let mut sections = Vec::with_capacity(table.len());
        for (name, value) in table {
            let path = format!("{}.{}", self.path(key), name.get_ref());
            let name = Located {
                value: name.get_ref().to_string(),
                span: name.span(),
            };
            match value.get_ref().as_table() {
                Some(table) => {
                    let section = self.below(key, path, Some(table), value.span());
                    sections.push((name, section));
                }
                None => {
                    let text = format!("{path}: {}", expected("a table", value.get_ref()));
                    self.home_of(key).report(value.span(), text);
                }
            }
        }
        sections.sort_by_key(|(name, _)| name.span.start);
        sections
    }

    /// The tables of the array of tables `key` (`[[key]]`).
    pub fn repeated_sections(&mut self, key: &'static str) -> Vec<Section<'d, 't>> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.report(
                &value.span(),
                key,
                expected(&format!("tables written as [[{key}]]"), value.get_ref()),
            );
            return Vec::new();
        };
        let tables = items
            .iter()
            .filter_map(|item| Some((item.span(), self.table_of(key, item)?)));
        tables
            .map(|(span, table)| self.below(key, self.path(key), Some(table), span))
            .collect()
    }

    /// Whether the table is in the file.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Where the table stands.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where the value of `key` stands, or else the table.
    #[must_use]
    pub fn span_of(&self, key: &str) -> Range<usize> {
        self.table
            .and_then(|table| table.get(key))
            .map_or(self.span(), Spanned::span)
    }

    /// Whether the table says anything of `key`, right or wrong.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Whether anything was wrong with the values taken so far.
    #[must_use]
    pub fn has_problems(&self) -> bool {
        self.has_problems.get()
    }

    /// Where the table stands, for messages: `file:line`.
    #[must_use]
    pub fn place(&self) -> String {
        format!(
            "{}:{}",
            self.document.source,
            self.document.line_of(self.span.start)
        )
    }

    /// Adds a problem about `key` of this table.
    pub fn report(&self, span: &Range<usize>, key: &str, problem: impl Display) {
        self.has_problems.set(true);
        let home = if *span == self.span {
            self.document
        } else {
            self.home_of(key)
        };
        home.report(span.clone(), format!("{}: {problem}", self.path(key)));
    }

    /// Reports the keys that were not taken.
    pub fn end(self) {
        self.end_templates();
        let Some(table) = self.table else { return };
        for (key, _) in table {
            let name: &str = key.get_ref();
            if !self.taken.contains(&name) {
                let known = self.taken.join(", ");
                self.report(
                    &key.span(),
                    name,
                    format_args!("unknown key; expected one of: {known}"),
                );
            }
        }
    }

    fn located<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        read: impl FnOnce(&DeValue<'t>) -> Option<T>,
    ) -> Option<Located<T>> {
        let value = self.take(key)?;
        let read = read(value.get_ref());
        if read.is_none() {
            self.report(&value.span(), key, expected(wanted, value.get_ref()));
        }
        Some(Located {
            value: read?,
            span: value.span(),
        })
    }

    fn take(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'t>>> {
        self.taken.push(key);
        let own = self.table.and_then(|table| table.get(key));
        own.or_else(|| self.bases.iter().find_map(|base| base.table.get(key)))
    }

    /// The file in which `key` stands, by this table or by a template of it.
    fn home_of(&self, key: &str) -> &'d Document<'t> {
        let is_own = self.table.is_some_and(|table| table.contains_key(key));
        let mut bases = self.bases.iter().filter(|_| !is_own);
        let base = bases.find(|base| base.table.contains_key(key));
        base.map_or(self.document, |base| base.document)
    }

    fn table_of(&self, key: &str, value: &'d Spanned<DeValue<'t>>) -> Option<&'d DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.report(&value.span(), key, expected("a table", value.get_ref()));
        }
        table
    }

    /// The name of `key` with those of the tables around it, for messages.
    #[must_use]
    pub fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

fn expected(wanted: &str, found: &DeValue<'_>) -> String {
    let found: Cow<'_, str> = match found {
        DeValue::String(text) => format!("the text {text:?}").into(),
        DeValue::Integer(integer) => format!(
            "the integer {}{}",
            prefix(integer.radix()),
            integer.as_str()
        )
        .into(),
        DeValue::Float(float) => format!("the number {}", float.as_str()).into(),
        DeValue::Boolean(boolean) => format!("{boolean}").into(),
        DeValue::Datetime(time) => format!("the time {time}").into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    };
    format!("expected {wanted}, found {found}")
}

/// What TOML writes before the digits of an integer that is not decimal.
fn prefix(radix: u32) -> &'static str {
    match radix {
        2 => "0b",
        8 => "0o",
        16 => "0x",
        _ => "",
    }
}

/// An integer however it is written: `16_777_216` and `0x1000000` are the same.
fn whole(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}

/// An integer as text that needs no radix to be read; `None` when it has another one.
fn decimal(integer: &DeInteger<'_>) -> Option<String> {
    (integer.radix() == 10).then(|| integer.as_str().replace('_', ""))
}

fn duration_of(value: &DeValue<'_>) -> Option<Duration> {
    match value {
        DeValue::Integer(seconds) => {
            Some(Duration::from_secs(u64::try_from(whole(seconds)?).ok()?))
        }
        DeValue::String(text) => parse_duration(text),
        DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    }
}

/// Parses `90s`, `5m`, `36h`, `7d`, `2w` or plain seconds.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_seconds = match unit.trim() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(unit_seconds)
        .map(Duration::from_secs)
}

/// Writes a duration as [`parse_duration`] reads it, in the largest unit that leaves a whole number.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    for (unit, unit_seconds) in [("d", 86_400), ("h", 3600), ("m", 60)] {
        if seconds != 0 && seconds.is_multiple_of(unit_seconds) {
            return format!("{}{unit}", seconds / unit_seconds);
        }
    }
    format!("{seconds}s")
}

fn size_of(value: &DeValue<'_>) -> Option<u64> {
    match value {
        DeValue::Integer(bytes) => u64::try_from(whole(bytes)?).ok(),
        DeValue::String(text) => parse_size(text),
        DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KB" | "K" => 10,
        "MB" | "M" => 20,
        "GB" | "G" => 30,
        "TB" | "T" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expect: &Expect) {
        let document = Document::new("r.toml", text);
        let mut root = document.root();
        let day = Duration::from_secs(86_400);
        let mut read = format!("name={:?}\n", root.text("name"));
        read += &format!("count={:?}\n", root.integer("count", 1..=10));
        read += &format!(
            "every={:?}\n",
            root.duration("every", Duration::from_secs(1)..=day)
                .map(duration_text)
        );
        read += &format!("size={:?}\n", root.size_bytes("size", 0..=1 << 30));
        read += &format!("hosts={:?}\n", root.list::<String>("hosts"));
        for (name, mut section) in root.named_sections("contact") {
            read += &format!("contact {}: {:?}\n", name.value, section.text("mail"));
            section.end();
        }
        for mut section in root.repeated_sections("rule") {
            read += &format!("rule {:?}\n", section.boolean("on"));
            section.end();
        }
        root.end();
        for problem in document.into_problems() {
            read += &format!("! {problem}\n");
        }
        expect.assert_eq(&read);
    }

    #[test]
    fn good_values_are_read() {
        check(
            "name='a'\ncount=3\nevery='5m'\nsize='2 MB'\nhosts=['a','b']\n[contact.bob]\nmail='b@x'\n[[rule]]\non=true\n",
            &expect![[r#"
                name=Some("a")
                count=Some(3)
                every=Some("5m")
                size=Some(2097152)
                hosts=Some(["a", "b"])
                contact bob: Some("b@x")
                rule Some(true)
            "#]],
        );
    }

    #[test]
    fn every_problem_is_found_with_its_line() {
        check(
            "name=1\ncount=11\nevery='soon'\nhosts=[1,'b']\n[contact]\nbob=3\n[[rule]]\non='yes'\noff=1\n",
            &expect![[r#"
                name=None
                count=None
                every=None
                size=None
                hosts=Some(["b"])
                rule None
                ! r.toml:1: name: expected a text, found the integer 1
                ! r.toml:2: count: expected a whole number from 1 to 10, found 11
                ! r.toml:3: every: expected a duration such as 30, "90s", "5m", "36h", "7d", found the text "soon"
                ! r.toml:4: hosts: expected a text or a list of texts, found the integer 1
                ! r.toml:6: contact.bob: expected a table, found the integer 3
                ! r.toml:8: rule.on: expected true or false, found the text "yes"
                ! r.toml:9: rule.off: unknown key; expected one of: on
            "#]],
        );
    }

    #[test]
    fn an_integer_may_be_written_in_all_the_ways_of_toml() {
        check(
            "count=0x0a\nevery=3_600\nsize=16_777_216\n",
            &expect![[r#"
                name=None
                count=Some(10)
                every=Some("1h")
                size=Some(16777216)
                hosts=None
            "#]],
        );
        check(
            "every=0x3c\nsize=-1\n",
            &expect![[r#"
                name=None
                count=None
                every=Some("1m")
                size=None
                hosts=None
                ! r.toml:2: size: expected a size such as 4096, "64 KB", "16 MB", found the integer -1
            "#]],
        );
    }

    #[test]
    fn a_number_that_is_kept_as_text_is_decimal() {
        let document = Document::new("r.toml", "warning=0x5a\ncritical=1_000\n");
        let mut root = document.root();
        let mut text = |key| root.scalar_by(key, |text| Ok::<_, String>(text.to_owned()));
        assert_eq!(
            (text("warning"), text("critical")),
            (None, Some("1000".to_owned()))
        );
        root.end();
        let problems: Vec<String> = document
            .into_problems()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            problems,
            ["r.toml:1: warning: expected a decimal number or a text, found the integer 0x5a"]
        );
    }

    #[test]
    fn what_is_not_toml_costs_its_line() {
        check(
            "name = \ncount = 3\n",
            &expect![[r#"
                name=Some("")
                count=Some(3)
                every=None
                size=None
                hosts=None
                ! r.toml:1: string values must be quoted, expected literal string
            "#]],
        );
    }
}
