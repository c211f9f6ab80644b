//! Names of hosts, groups, graphs and fields. A value of these types has been checked: it holds no `/` where it becomes
//! a part of a path, no `..`, no control character, and is not longer than its limit.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {found:?}: expected {expected}")]
pub struct NameError {
    /// `host name`, `graph name`, ...
    pub kind: &'static str,
    /// What was found, cut to 80 characters.
    pub found: String,
    /// What was expected.
    pub expected: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            #[doc = concat!("Checks a ", $kind, ": ", $expected, ".")]
            ///
            /// # Errors
            /// When the text is anything else; the error says what was expected and found.
            pub fn new(text: &str) -> Result<Self, NameError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError { kind: $kind, found: text.chars().take(80).collect(), expected: $expected })
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// A host: a machine or device that is watched.
    HostName,
    "host name",
    "1 to 253 letters, digits, '.', '-', '_', beginning with a letter or digit, without '..'",
    |text| {
        text.len() <= 253
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            && !text.contains("..")
    }
);

name!(
    /// A set of hosts; groups nest by `/`.
    GroupName,
    "group name",
    "1 to 200 characters: parts of letters, digits, '.', '-', '_' and inner blanks, separated by single '/'",
    |text| text.len() <= 200 && text.split('/').all(is_group_part)
);

name!(
    /// A graph of a host; a `.` nests it below another (`if_bytes.eth0`).
    GraphName,
    "graph name",
    "1 to 150 letters, digits, '_', '-', '.', ':', without a leading, trailing or double '.', and not 'multigraph'",
    |text| {
        !text.is_empty()
            && text.len() <= 150
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'))
            && !text.starts_with('.')
            && !text.ends_with('.')
            && !text.contains("..")
            && text != "multigraph"
    }
);

name!(
    /// A field of a graph.
    FieldName,
    "field name",
    "1 to 150 letters, digits and '_', not beginning with a digit",
    |text| {
        text.len() <= 150
            && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    }
);

fn is_group_part(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && !part.ends_with(' ')
        && part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b' '))
        && !part.contains("..")
}

impl GraphName {
    /// The graph that a plugin of this name declares where it names none: as Munin's master does, everything but letters,
    /// digits and `_` becomes `_`, so that `tcp-retries` and `if_eth0.12` go on under the names their history has. `None`
    /// for an empty name, one over the limit, and `multigraph`.
    #[must_use]
    pub fn of_plugin(plugin: &str) -> Option<Self> {
        let cleaned: String = plugin
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        Self::new(&cleaned).ok()
    }
}

impl FieldName {
    /// Makes a field name of any text as Munin does: a first character that no name begins with is *replaced* by `_`,
    /// then every other one that no name contains. `None` for an empty text or one over the limit.
    #[must_use]
    pub fn clean(text: &str) -> Option<Self> {
        let mut cleaned = String::with_capacity(text.len());
        for (i, c) in text.chars().enumerate() {
            let keep = c == '_'
                || if i == 0 {
                    c.is_ascii_alphabetic()
                } else {
                    c.is_ascii_alphanumeric()
                };
            cleaned.push(if keep { c } else { '_' });
        }
        Self::new(&cleaned).ok()
    }
}

/// The name of a series: the stored history of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesName {
    /// The host.
    pub host: HostName,
    /// The graph on that host.
    pub graph: GraphName,
    /// The field of that graph.
    pub field: FieldName,
}

impl fmt::Display for SeriesName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.host, self.graph, self.field)
    }
}

/// The name of a Nagios check on a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VerdictName {
    /// The host.
    pub host: HostName,
    /// The check on that host.
    pub check: GraphName,
}

impl fmt::Display for VerdictName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_their_folder_are_refused() {
        for text in [
            "../etc", "a/b", "..", ".", ".hidden", "a..b", "", "-rf", "a\0b", "a b", "ä",
        ] {
            assert!(HostName::new(text).is_err(), "{text:?}");
            assert!(GraphName::new(text).is_err() || text == "-rf", "{text:?}");
            assert!(FieldName::new(text).is_err(), "{text:?}");
        }
        for text in ["../etc", "/a", "a/", "a//b", "a/../b", ""] {
            assert!(GroupName::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_of_the_field_are_accepted() {
        for text in ["web1", "db-1.example.net", "10.0.0.1", "host_2"] {
            assert!(HostName::new(text).is_ok(), "{text:?}");
        }
        for text in ["load", "if_bytes.eth0", "if_eth0:1", "diskstats_iops.vda"] {
            assert!(GraphName::new(text).is_ok(), "{text:?}");
        }
        assert!(GroupName::new("Berlin DC/web.front").is_ok());
    }

    #[test]
    fn fields_are_cleaned_as_munin_does() {
        let check =
            |text: &str, expect: &str| assert_eq!(FieldName::clean(text).unwrap().as_str(), expect);
        check("192_168", "_92_168");
        check("lost+found", "lost_found");
        check("/dev/sda1", "_dev_sda1");
        check("_x", "_x");
        assert_eq!(FieldName::clean(""), None);
    }

    #[test]
    fn plugins_name_their_graphs_as_with_munin() {
        let check = |plugin: &str, expect: Option<&str>| {
            let graph = GraphName::of_plugin(plugin);
            assert_eq!(graph.as_ref().map(GraphName::as_str), expect, "{plugin:?}");
        };
        check("load", Some("load"));
        check("tcp-retries", Some("tcp_retries"));
        check("if_eth0.12", Some("if_eth0_12"));
        check("snmp_sw@1:2", Some("snmp_sw_1_2"));
        check("multigraph", None);
        check("", None);
    }

    #[test]
    fn an_error_names_expected_and_found() {
        let error = HostName::new("../x").unwrap_err().to_string();
        assert!(
            error.starts_with("host name \"../x\": expected 1 to 253"),
            "{error}"
        );
    }
}
