//! How a plugin offers itself at installation: its magic markers, and its answers to `autoconf` and `suggest`.

use crate::problem::Problem;

/// What a plugin answers to `autoconf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Autoconf {
    /// It would work here.
    Yes,
    /// It would not; the reason where it gave one.
    No(Option<String>),
}

/// The magic markers in a plugin's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markers {
    /// `#%# family=`: `auto` plugins may be installed without being asked for; `contrib` where nothing is said.
    pub family: String,
    /// `#%# capabilities=`: answers `autoconf`.
    pub autoconf: bool,
    /// Answers `suggest`.
    pub suggest: bool,
    /// Answers `snmpconf`.
    pub snmpconf: bool,
}

/// Instances that a wildcard plugin may suggest.
pub const SUGGESTIONS_MAX: usize = 1_000;

/// Parses the output of `autoconf`: one line, `yes`, `no` or `no (reason)`.
///
/// # Errors
/// A sentence, when it is anything else. A non-zero exit code is no answer either, whatever was printed.
pub fn parse_autoconf(text: &str) -> Result<Autoconf, String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines.next().unwrap_or("");
    if let Some(second) = lines.next() {
        return Err(format!(
            "autoconf: expected one line, found a second: {second:?}"
        ));
    }
    match line.split_once(char::is_whitespace).unwrap_or((line, "")) {
        ("yes", _) => Ok(Autoconf::Yes),
        ("no", "") => Ok(Autoconf::No(None)),
        ("no", reason) => Ok(Autoconf::No(Some(unparenthesised(reason)))),
        _ => Err(format!(
            "autoconf: expected `yes` or `no (reason)`, found {line:?}"
        )),
    }
}

fn unparenthesised(reason: &str) -> String {
    let reason = reason.trim();
    reason
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
        .unwrap_or(reason)
        .to_owned()
}

/// Parses the output of `suggest`: one instance a line, to be put behind the plugin's name.
#[must_use]
pub fn parse_suggest(text: &str) -> (Vec<String>, Vec<Problem>) {
    let (mut instances, mut problems) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        let instance = line.trim();
        let problem = if instance.is_empty() || instance.starts_with('#') {
            continue;
        } else if !is_instance(instance) {
            format!("expected letters, digits, '_', '-', '.', ':', found {instance:?}")
        } else if instances.len() >= SUGGESTIONS_MAX {
            format!("expected at most {SUGGESTIONS_MAX} suggestions; the rest is ignored")
        } else {
            instances.push(instance.to_owned());
            continue;
        };
        problems.push(Problem::new(
            "suggest",
            u32::try_from(at + 1).unwrap_or(u32::MAX),
            problem,
        ));
        if instances.len() >= SUGGESTIONS_MAX {
            break;
        }
    }
    (instances, problems)
}

fn is_instance(text: &str) -> bool {
    text.len() <= 150
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'))
}

/// The magic markers of a plugin's source (for an executable that is not text: of the lines that are).
#[must_use]
pub fn parse_markers(text: &str) -> Markers {
    let mut markers = Markers {
        family: "contrib".to_owned(),
        autoconf: false,
        suggest: false,
        snmpconf: false,
    };
    for (key, value) in text.lines().filter_map(marker) {
        let mut words = value.split_whitespace();
        match key {
            "family" => markers.family = words.next().unwrap_or("contrib").to_owned(),
            "capabilities" => {
                for word in words {
                    markers.autoconf |= word == "autoconf";
                    markers.suggest |= word == "suggest";
                    markers.snmpconf |= word == "snmpconf";
                }
            }
            _ => {}
        }
    }
    markers
}

fn marker(line: &str) -> Option<(&str, &str)> {
    let (_, marker) = line.split_once("#%#")?;
    let (key, value) = marker.split_once('=')?;
    Some((key.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn autoconf_is_one_line() {
        let check = |text: &str, expect: Result<Autoconf, &str>| {
            assert_eq!(
                parse_autoconf(text),
                expect.map_err(str::to_owned),
                "{text:?}"
            );
        };
        check("yes\n", Ok(Autoconf::Yes));
        check("no\n", Ok(Autoconf::No(None)));
        check(
            "no (no /proc/net (here))\n",
            Ok(Autoconf::No(Some("no /proc/net (here)".to_owned()))),
        );
        check("no because\n", Ok(Autoconf::No(Some("because".to_owned()))));
        check(
            "",
            Err("autoconf: expected `yes` or `no (reason)`, found \"\""),
        );
        check(
            "maybe",
            Err("autoconf: expected `yes` or `no (reason)`, found \"maybe\""),
        );
        check(
            "yes\nyes\n",
            Err("autoconf: expected one line, found a second: \"yes\""),
        );
    }

    #[test]
    fn a_suggestion_that_is_no_name_costs_its_line() {
        let (instances, problems) = parse_suggest("eth0\n../x\n\nwlan0\n");
        assert_eq!(instances, ["eth0", "wlan0"]);
        assert_eq!(
            problems[0].to_string(),
            "suggest:2: expected letters, digits, '_', '-', '.', ':', found \"../x\""
        );
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn suggestions_are_limited() {
        let (instances, problems) = parse_suggest(&"eth0\n".repeat(SUGGESTIONS_MAX + 5));
        assert_eq!((instances.len(), problems.len()), (SUGGESTIONS_MAX, 1));
    }

    #[test]
    fn markers_are_found_in_any_comment() {
        let check = |text: &str, family: &str, autoconf, suggest| {
            let markers = parse_markers(text);
            assert_eq!(
                (markers.family.as_str(), markers.autoconf, markers.suggest),
                (family, autoconf, suggest),
                "{text}"
            );
        };
        check(
            "#!/bin/sh\n# #%# family=auto\n#%# capabilities=autoconf suggest\n",
            "auto",
            true,
            true,
        );
        check("// #%# family = auto contrib", "auto", false, false);
        check("#%# capatilities=autoconf", "contrib", false, false);
        check("", "contrib", false, false);
    }
}
