//! Writing declarations: a graph, its fields, and the thresholds that settings give them. Munin's rules for names.

use crate::declaration::{Attributes, Declaration, FieldDeclaration};
use crate::name::{FieldName, GraphName};
use crate::reading::Reading;

use super::environment::Environment;
use super::{BundledError, PluginSample};

/// A declaration that is being written.
pub(super) struct Draft(Declaration);

/// A field that is being written.
pub(super) struct FieldDraft<'a>(&'a mut FieldDeclaration);

impl Draft {
    /// A graph with its attributes and no fields yet.
    pub(super) fn new(graph: &GraphName, attributes: &[(&str, &str)]) -> Self {
        Self(Declaration {
            host: None,
            graph: graph.clone(),
            attributes: attributes_of(attributes),
            fields: Vec::new(),
        })
    }

    /// Adds a field.
    pub(super) fn field(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
    ) -> Result<FieldDraft<'_>, BundledError> {
        let field = FieldDeclaration {
            field: FieldName::new(name)?,
            attributes: attributes_of(attributes),
        };
        let at = self.0.fields.len();
        self.0.fields.push(field);
        Ok(FieldDraft(&mut self.0.fields[at]))
    }

    pub(super) fn finish(self) -> Declaration {
        self.0
    }
}

impl FieldDraft<'_> {
    /// Sets one more attribute.
    pub(super) fn set(self, attribute: &str, text: &str) -> Self {
        self.0.attributes.keep_last(attribute, text);
        self
    }

    /// Thresholds from the settings, none without.
    pub(super) fn limits(self, environment: &Environment) {
        self.limits_from(environment, |_, text| text.to_owned(), (None, None));
    }

    /// Thresholds from the settings, else this critical one.
    pub(super) fn critical_or(self, environment: &Environment, critical: &str) {
        self.limits_from(
            environment,
            |_, text| text.to_owned(),
            (None, Some(critical)),
        );
    }

    /// Thresholds from the settings, else these.
    pub(super) fn limits_or(self, environment: &Environment, warning: &str, critical: &str) {
        self.limits_from(
            environment,
            |_, text| text.to_owned(),
            (Some(warning), Some(critical)),
        );
    }

    /// Thresholds from the settings, where `50%` means half of `base`.
    pub(super) fn limits_of(self, environment: &Environment, base: u64) {
        self.limits_from(environment, |_, text| percent_of(text, base), (None, None));
    }

    fn limits_from(
        self,
        environment: &Environment,
        adjust: impl Fn(&str, &str) -> String,
        (warning, critical): (Option<&str>, Option<&str>),
    ) {
        for (level, default) in [("warning", warning), ("critical", critical)] {
            let set = environment.threshold(self.0.field.as_str(), level);
            if let Some(text) = set.or(default) {
                self.0.attributes.keep_last(level, &adjust(level, text));
            }
        }
    }
}

fn attributes_of(pairs: &[(&str, &str)]) -> Attributes {
    let mut attributes = Attributes::default();
    for (name, text) in pairs {
        attributes.keep_last(name, text);
    }
    attributes
}

/// Turns each percentage of a threshold (`50%`, `10%:90%`) into its part of `base`; leaves everything else.
fn percent_of(threshold: &str, base: u64) -> String {
    let parts = threshold.split(':').map(|part| {
        let percent = part.trim().strip_suffix('%').map(str::parse::<f64>);
        match percent {
            Some(Ok(percent)) => format!("{}", percent * base as f64 / 100.0),
            Some(Err(_)) | None => part.to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join(":")
}

/// A sample of a field whose name is known to be one.
pub(super) fn sample(
    graph: &GraphName,
    field: &str,
    reading: Reading,
) -> Result<PluginSample, BundledError> {
    Ok(PluginSample {
        graph: graph.clone(),
        field: FieldName::new(field)?,
        time: None,
        reading,
        line: 0,
    })
}

/// A field's name from any text, as Munin's plugins in Perl make it: *all* leading characters that begin no name become
/// one `_`, other strange ones each a `_`, and `root` becomes `__root`.
pub(super) fn field_of(text: &str) -> String {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let rest = text.trim_start_matches(|c| !begins(c));
    let lead = if rest.len() < text.len() { "_" } else { "" };
    let rest = rest
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    let name: String = lead.chars().chain(rest).collect();
    if name == "root" {
        "__root".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_as_munins_perl_plugins_name_them() {
        let check = |text: &str, expect: &str| assert_eq!(field_of(text), expect, "{text}");
        check("/dev/sda1", "_dev_sda1");
        check("//server/share", "_server_share");
        check("192.168", "_");
        check("root", "__root");
        check("/", "_");
        check("nvme0n1", "nvme0n1");
    }

    #[test]
    fn percentages_become_parts_of_the_base() {
        let check = |text: &str, expect: &str| assert_eq!(percent_of(text, 200), expect, "{text}");
        check("50%", "100");
        check("10%:12.5%", "20:25");
        check("10:", "10:");
        check(":50%", ":100");
        check("x%", "x%");
    }
}
