//! Templates: `[template.NAME]` is a set of settings, and a section that says `use = ["NAME"]` has them where it does not say
//! otherwise. A template may use others; what is named first goes before what is named later.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use toml::de::DeTable;

use super::{Document, Section};

/// All templates of some files.
#[derive(Default)]
pub struct Templates<'d, 't> {
    tables: BTreeMap<String, Template<'d, 't>>,
}

struct Template<'d, 't> {
    base: Base<'d, 't>,
    span: Range<usize>,
    uses: Vec<String>,
}

/// A table that stands in for what a section does not say.
#[derive(Clone)]
pub(super) struct Base<'d, 't> {
    pub(super) document: &'d Document<'t>,
    pub(super) table: &'d DeTable<'t>,
    pub(super) name: String,
}

impl<'d, 't> Templates<'d, 't> {
    /// The templates in these files.
    pub fn collect(documents: &'d [Document<'t>]) -> Self {
        let mut templates = Self::default();
        for document in documents {
            let mut root = document.root();
            for (name, mut section) in root.named_sections("template") {
                let uses = section.list("use").unwrap_or_default();
                let Some(table) = section.table else { continue };
                let path = format!("template.{}", name.value);
                let base = Base {
                    document,
                    table,
                    name: name.value.clone(),
                };
                let span = name.span;
                let template = Template {
                    base,
                    span: span.clone(),
                    uses,
                };
                match templates.tables.entry(name.value) {
                    Entry::Vacant(place) => drop(place.insert(template)),
                    Entry::Occupied(_) => {
                        root.report(&span, &path, "expected once in all files, found again");
                    }
                }
            }
        }
        for template in templates.tables.values() {
            for name in &template.uses {
                if !templates.tables.contains_key(name) {
                    let text = format!(
                        "template.{}.use: no template {name:?}: expected [template.{name}]",
                        template.base.name
                    );
                    template.base.document.report(template.span.clone(), text);
                }
            }
        }
        templates
    }

    /// The tables behind a section that uses these, those that go first first; and the names that are no templates.
    pub(super) fn behind(&self, names: &[String]) -> (Vec<Base<'d, 't>>, Vec<String>) {
        let mut bases: Vec<Base<'d, 't>> = Vec::new();
        let mut missing = Vec::new();
        let mut next: Vec<&str> = names.iter().rev().map(String::as_str).collect();
        while let Some(name) = next.pop() {
            match self.tables.get(name) {
                None if names.iter().any(|it| it == name) => missing.push(name.to_owned()),
                // It was reported where it stands.
                None => {}
                // Twice, or in a circle: it is there already.
                Some(_) if bases.iter().any(|base| base.name == name) => {}
                Some(template) => {
                    bases.push(template.base.clone());
                    next.extend(template.uses.iter().rev().map(String::as_str));
                }
            }
        }
        (bases, missing)
    }
}

impl<'d, 't> Section<'d, 't> {
    /// Lets the section have the settings of the templates that it uses.
    pub(super) fn with_templates(mut self, templates: Option<&'d Templates<'d, 't>>) -> Self {
        self.templates = templates;
        let uses = self.table.is_some_and(|table| table.contains_key("use"));
        if let Some(templates) = templates.filter(|_| uses) {
            let names: Vec<String> = self.list("use").unwrap_or_default();
            let (bases, missing) = templates.behind(&names);
            for name in missing {
                let text = format!("no template {name:?}: expected [template.{name}]");
                self.report(&self.span_of("use"), "use", text);
            }
            self.bases = bases;
        }
        self
    }

    /// Reports what templates say that this section does not know.
    pub(super) fn end_templates(&self) {
        for base in &self.bases {
            for (key, _) in base.table {
                let name: &str = key.get_ref();
                if !self.taken.contains(&name) && name != "use" {
                    let text = format!(
                        "template.{}.{name}: unknown key for {}, which uses it; expected one of: {}",
                        base.name,
                        self.path,
                        self.taken.join(", ")
                    );
                    base.document.report(key.span(), text);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// Reads `a`, `b` and `c` of each `[[rule]]` of the last file.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a test reads as lines of data"
    )]
    fn check(files: &[&str], expect: Expect) {
        let names = ["a.toml", "b.toml"];
        let files = names.iter().zip(files);
        let documents: Vec<Document<'_>> = files
            .map(|(name, text)| Document::new(*name, text))
            .collect();
        let templates = Templates::collect(&documents);
        let mut found = String::new();
        for document in &documents {
            let mut root = document.root_with(&templates);
            for mut section in root.repeated_sections("rule") {
                let [a, b, c] = ["a", "b", "c"].map(|key| section.integer(key, 0..=9));
                found += &format!("{a:?} {b:?} {c:?}\n");
                section.end();
            }
            root.end();
        }
        drop(templates);
        for problem in documents.into_iter().flat_map(Document::into_problems) {
            found += &format!("! {problem}\n");
        }
        expect.assert_eq(&found);
    }

    #[test]
    fn a_section_goes_before_its_templates_and_the_first_one_before_the_next() {
        check(
            &[
                "[template.x]\na=1\nb=1\nuse='y'\n[template.y]\na=2\nb=2\nc=2\n",
                "[[rule]]\na=0\nuse='x'\n[[rule]]\nuse=['y','x']\n[[rule]]\nb=3\n",
            ],
            expect![[r#"
                Some(0) Some(1) Some(2)
                Some(2) Some(2) Some(2)
                None Some(3) None
            "#]],
        );
    }

    #[test]
    fn what_is_wrong_in_a_template_is_said_once_and_where_it_stands() {
        check(
            &[
                "[template.x]\na='one'\nd=1\nuse='x'\n[template.y]\nuse='z'\n",
                "[[rule]]\nuse=['x','y']\n[[rule]]\nuse='x'\n[[rule]]\nuse=['q',1]\n[template.x]\n",
            ],
            expect![[r#"
                None None None
                None None None
                None None None
                ! a.toml:2: rule.a: expected a whole number, found the text "one"
                ! a.toml:3: template.x.d: unknown key for rule, which uses it; expected one of: use, a, b, c
                ! a.toml:5: template.y.use: no template "z": expected [template.z]
                ! b.toml:6: rule.use: expected a text or a list of texts, found the integer 1
                ! b.toml:6: rule.use: no template "q": expected [template.q]
                ! b.toml:7: template.x: expected once in all files, found again
            "#]],
        );
    }
}
