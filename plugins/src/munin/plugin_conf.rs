//! Munin's `plugin-conf.d`: with which user, environment and time-out a plugin is run.
//!
//! Texts of files in, settings of a plugin out. A section is for one plugin (`[df]`) or for many (`[if_*]`, `[*_x]`). For
//! one plugin the section of its own name counts first, then the wildcards in reverse alphabetical order, each filling
//! in only what is not set yet, single variables included. Within sections of one name the last line counts.
//!
//! Difference from Munin: a line that is not understood costs that line, where Munin gives up the rest of the file.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::exec::GroupWanted;
use crate::name::HostName;
use crate::problem::Problem;

/// What the files of `plugin-conf.d` say, all together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginConf {
    /// By the text between the brackets.
    sections: BTreeMap<String, PluginSettings>,
}

/// How a plugin is run. What is `None` is the agent's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginSettings {
    /// Name or number of the user.
    pub user: Option<String>,
    /// Groups instead of the user's own.
    pub groups: Option<Vec<GroupWanted>>,
    /// Variables of its environment.
    pub env: BTreeMap<String, String>,
    /// What is run instead of the plugin; a word `%c` stands for the plugin and its argument.
    pub command: Option<Vec<String>>,
    /// How long a run may take.
    pub timeout: Option<Duration>,
    /// The host that the plugin speaks of.
    pub host_name: Option<HostName>,
    /// How often it is run.
    pub update_rate: Option<Duration>,
    /// Whether it is not asked for `autoconf`.
    pub disable_autoconf: Option<bool>,
}

/// Whether a file is one that editors and package managers leave beside another, which Debian's munin-node leaves out.
#[must_use]
pub fn is_leftover(name: &str) -> bool {
    const ENDS: [&str; 11] = [
        "~",
        "%",
        ".bak",
        ".dpkg-tmp",
        ".dpkg-new",
        ".dpkg-old",
        ".dpkg-dist",
        ".rpmsave",
        ".rpmnew",
        ".swp",
        ".pod",
    ];
    ENDS.iter().any(|end| name.ends_with(end))
}

impl PluginConf {
    /// Takes in a file. Files come in the order of their names; `source` is the file's name in problems.
    #[must_use]
    pub fn read(&mut self, source: &str, text: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut section = Open::None;
        for (at, line) in text.lines().enumerate() {
            let line = uncommented(line);
            if line.is_empty() {
                continue;
            }
            if let Err(text) = self.line(&line, &mut section) {
                let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
                problems.push(Problem::new(source, number, text));
            }
        }
        problems
    }

    /// The settings of a plugin, by its name in the directory of plugins.
    #[must_use]
    pub fn resolve(&self, plugin: &str) -> PluginSettings {
        let mut settings = self.sections.get(plugin).cloned().unwrap_or_default();
        for (pattern, wider) in self.sections.iter().rev() {
            if pattern != plugin && matches(pattern, plugin) {
                settings.fill_in(wider);
            }
        }
        settings
    }

    fn line(&mut self, line: &str, section: &mut Open) -> Result<(), String> {
        if let Some(header) = line.strip_prefix('[') {
            *section = Open::Refused;
            let name = section_name(header)?;
            self.sections.entry(name.clone()).or_default();
            *section = Open::Named(name);
            return Ok(());
        }
        match section {
            Open::None => Err(format!(
                "expected a section such as [name] first, found {line:?}"
            )),
            // Its header was a problem already.
            Open::Refused => Ok(()),
            Open::Named(name) => {
                let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
                let settings = self.sections.entry(name.clone()).or_default();
                settings.set(key, value.trim())
            }
        }
    }
}

/// The section that lines belong to.
enum Open {
    None,
    Refused,
    Named(String),
}

/// The name of `[name]`, the bracket in front taken off.
fn section_name(header: &str) -> Result<String, String> {
    let name = header
        .strip_suffix(']')
        .map(str::trim)
        .ok_or_else(|| format!("expected [name], found \"[{header}\""))?;
    let inner = name
        .strip_prefix('*')
        .or_else(|| name.strip_suffix('*'))
        .unwrap_or(name);
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.:@".contains(c);
    if name.is_empty() || !inner.chars().all(legal) {
        return Err(format!(
            "expected a plugin's name with at most one `*`, at its beginning or end, found {name:?}"
        ));
    }
    Ok(name.to_owned())
}

fn matches(pattern: &str, plugin: &str) -> bool {
    match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
        (Some(beginning), _) => plugin.starts_with(beginning),
        (None, Some(end)) => plugin.ends_with(end),
        (None, None) => pattern == plugin,
    }
}

/// A line without its comment and outer blanks; `\#` is a `#`.
fn uncommented(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '#' if kept.ends_with('\\') => {
                kept.pop();
                kept.push('#');
            }
            '#' => break,
            c => kept.push(c),
        }
    }
    kept.trim().to_owned()
}

impl PluginSettings {
    /// What is executed for `argument` (`config`, `autoconf`, ...; none for a fetch): a program and its arguments.
    #[must_use]
    pub fn command_line(&self, path: &str, argument: Option<&str>) -> Vec<String> {
        let plugin = || std::iter::once(path).chain(argument).map(str::to_owned);
        let Some(command) = &self.command else {
            return plugin().collect();
        };
        let mut words = Vec::with_capacity(command.len() + 1);
        for word in command {
            if word == "%c" {
                words.extend(plugin());
            } else {
                words.push(word.clone());
            }
        }
        words
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        if let Some(name) = key.strip_prefix("env.") {
            return self.set_variable(name, value);
        }
        if value.is_empty() {
            return Err(format!("{key}: expected a value, found none"));
        }
        match key {
            "user" => self.user = Some(value.to_owned()),
            "group" => self.groups = Some(parse_groups(value)),
            "command" => self.command = Some(split_command(value)),
            "timeout" => self.timeout = Some(parse_seconds(key, value)?),
            "update_rate" => self.update_rate = Some(parse_seconds(key, value)?),
            "host_name" => {
                self.host_name =
                    Some(HostName::from_str(value).map_err(|error| error.to_string())?);
            }
            "disable_autoconf" => {
                self.disable_autoconf = Some(value.parse().map_err(|_| {
                    format!("disable_autoconf: expected `true` or `false`, found {value:?}")
                })?);
            }
            "env" => return Err(format!("expected `env.NAME value`, found \"env {value}\"")),
            _ => {
                return Err(format!(
                    "expected user, group, env.NAME, command, timeout, host_name or update_rate, found {key:?}"
                ));
            }
        }
        Ok(())
    }

    fn set_variable(&mut self, name: &str, value: &str) -> Result<(), String> {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(legal) || value.contains('\0') {
            return Err(format!(
                "expected a variable's name behind `env.`, found {name:?}"
            ));
        }
        self.env.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Takes over from `wider` what is not set here, single variables included.
    pub fn fill_in(&mut self, wider: &Self) {
        let Self {
            user,
            groups,
            env,
            command,
            timeout,
            host_name,
            update_rate,
            disable_autoconf,
        } = wider;
        self.user = self.user.take().or_else(|| user.clone());
        self.groups = self.groups.take().or_else(|| groups.clone());
        self.command = self.command.take().or_else(|| command.clone());
        self.timeout = self.timeout.or(*timeout);
        self.host_name = self.host_name.take().or_else(|| host_name.clone());
        self.update_rate = self.update_rate.or(*update_rate);
        self.disable_autoconf = self.disable_autoconf.or(*disable_autoconf);
        for (name, value) in env {
            self.env
                .entry(name.clone())
                .or_insert_with(|| value.clone());
        }
    }
}

/// `adm, (video) disk`: commas and blanks separate, parentheses make optional.
fn parse_groups(value: &str) -> Vec<GroupWanted> {
    value
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .map(|word| {
            let inner = word
                .strip_prefix('(')
                .and_then(|word| word.strip_suffix(')'));
            GroupWanted {
                name: inner.unwrap_or(word).to_owned(),
                optional: inner.is_some(),
            }
        })
        .collect()
}

/// Blanks separate words; `\` takes the next character as it is.
fn split_command(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.extend(chars.next()),
            c if !c.is_whitespace() => word.push(c),
            _ if word.is_empty() => {}
            _ => words.push(std::mem::take(&mut word)),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// One second to one day.
fn parse_seconds(key: &str, value: &str) -> Result<Duration, String> {
    match value.parse::<u64>() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        Ok(_) | Err(_) => Err(format!(
            "{key}: expected 1 to 86400 seconds, found {value:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(files: &[(&str, &str)]) -> (PluginConf, Vec<String>) {
        let mut conf = PluginConf::default();
        let problems = files
            .iter()
            .flat_map(|(source, text)| conf.read(source, text));
        let problems = problems.map(|problem| problem.to_string()).collect();
        (conf, problems)
    }

    fn good(text: &str) -> PluginConf {
        let (conf, problems) = conf(&[("f", text)]);
        assert_eq!(problems, Vec::<String>::new());
        conf
    }

    #[test]
    fn the_own_section_counts_first_then_wildcards_backwards() {
        let conf = good(
            "[*]\nuser all\ntimeout 5\nenv.a all\nenv.d all\n[if_*]\nuser if\nenv.a if\nenv.b if\n\
             [if_err_*]\nuser err\nenv.c err\n[if_err_eth0]\nenv.a own\n[*_eth0]\nenv.d end\n",
        );
        let settings = conf.resolve("if_err_eth0");
        assert_eq!(settings.user.as_deref(), Some("err"));
        assert_eq!(settings.timeout, Some(Duration::from_secs(5)));
        let env: Vec<String> = settings
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(env, ["a=own", "b=if", "c=err", "d=end"]);
        assert_eq!(conf.resolve("if_eth1").user.as_deref(), Some("if"));
        assert_eq!(conf.resolve("load").user.as_deref(), Some("all"));
    }

    #[test]
    fn the_last_line_of_a_section_counts_across_files() {
        let (conf, problems) = conf(&[
            ("a", "[df]\nuser one\nuser two\nenv.x 1\n"),
            ("b", "[df]\nuser three\n"),
        ]);
        assert_eq!(problems, Vec::<String>::new());
        let settings = conf.resolve("df");
        assert_eq!(settings.user.as_deref(), Some("three"));
        assert_eq!(settings.env["x"], "1");
    }

    #[test]
    fn values_are_taken_as_they_are() {
        let settings = good(
            "[x] # a comment\n  env.url  http://h/\\#top  # comment\nenv.empty\ngroup adm, (video) disk\n\
             command sudo -u my\\ user %c\nhost_name sw1\nupdate_rate 300\ndisable_autoconf true\n",
        )
        .resolve("x");
        assert_eq!(settings.env["url"], "http://h/#top");
        assert_eq!(settings.env["empty"], "");
        let groups = settings.groups.clone().unwrap();
        let groups: Vec<_> = groups
            .iter()
            .map(|group| (group.name.as_str(), group.optional))
            .collect();
        assert_eq!(groups, [("adm", false), ("video", true), ("disk", false)]);
        assert_eq!(
            settings.command_line("/p/x", Some("config")),
            ["sudo", "-u", "my user", "/p/x", "config"]
        );
        assert_eq!(settings.host_name, Some(HostName::new("sw1").unwrap()));
        assert_eq!(settings.update_rate, Some(Duration::from_secs(300)));
        assert_eq!(settings.disable_autoconf, Some(true));
    }

    /// What munin-run 2.0.73 made of these files, seen by a plugin that prints its environment.
    #[test]
    fn settings_are_resolved_as_munin_run_does() {
        let first = "# comment\n[probe_*]\nuser daemon\nenv.a wild\nenv.b wild   \nenv.c wild # trailing comment\n\
            [probe_eth0]\nenv.a own\nenv.d \"quoted value\"\nenv.e with \\# hash\n  env.f   indented\n\
            [probe_e*]\nenv.b longer\nenv.h from_e\nuser root\n[*eth0]\nenv.i end\nenv.a end\n\
            [*]\nenv.j all\nenv.h all\n";
        let second = "[probe_eth0]\nenv.a second\nenv.k a=b\n[other_x]\ncommand env WRAPPED=1 a1=x %c\nuser games\n";
        let (conf, problems) = conf(&[("10-a", first), ("20-b", second)]);
        assert_eq!(problems, Vec::<String>::new());
        let check = |plugin: &str, user: Option<&str>, env: &str| {
            let settings = conf.resolve(plugin);
            let found: Vec<String> = settings
                .env
                .iter()
                .map(|(name, value)| format!("{name}={value}|"))
                .collect();
            assert_eq!(found.concat(), env, "{plugin}");
            assert_eq!(settings.user.as_deref(), user, "{plugin}");
        };
        check(
            "probe_eth0",
            Some("root"),
            "a=second|b=longer|c=wild|d=\"quoted value\"|e=with # hash|f=indented|h=from_e|i=end|j=all|k=a=b|",
        );
        check(
            "probe_eth1",
            Some("root"),
            "a=wild|b=longer|c=wild|h=from_e|j=all|",
        );
        check("other_x", Some("games"), "h=all|j=all|");
        check("aprobe_eth0", None, "a=end|h=all|i=end|j=all|");
    }

    #[test]
    fn what_editors_and_packages_leave_is_known() {
        for name in ["df~", "df.bak", "munin-node.dpkg-old", "x.rpmnew"] {
            assert!(is_leftover(name), "{name}");
        }
        for name in ["df", "munin-node", "bak", "zpool.status"] {
            assert!(!is_leftover(name), "{name}");
        }
    }

    #[test]
    fn without_a_command_the_plugin_is_run() {
        let settings = PluginSettings::default();
        assert_eq!(settings.command_line("/p/x", None), ["/p/x"]);
        assert_eq!(
            settings.command_line("/p/x", Some("config")),
            ["/p/x", "config"]
        );
    }

    #[test]
    fn a_line_that_is_not_understood_costs_itself() {
        let text = "user root\n[a*b]\nuser lost\n[x]\nenv A=1\nenv.A=1 2\ntimeout soon\nuser\nnice 5\n[open\nuser lost\n[x]\nuser kept\nhost_name ../x\n";
        let (conf, problems) = conf(&[("plugin-conf.d/f", text)]);
        assert_eq!(
            problems,
            [
                "plugin-conf.d/f:1: expected a section such as [name] first, found \"user root\"",
                "plugin-conf.d/f:2: expected a plugin's name with at most one `*`, at its beginning or end, found \"a*b\"",
                "plugin-conf.d/f:5: expected `env.NAME value`, found \"env A=1\"",
                "plugin-conf.d/f:6: expected a variable's name behind `env.`, found \"A=1\"",
                "plugin-conf.d/f:7: timeout: expected 1 to 86400 seconds, found \"soon\"",
                "plugin-conf.d/f:8: user: expected a value, found none",
                "plugin-conf.d/f:9: expected user, group, env.NAME, command, timeout, host_name or update_rate, found \"nice\"",
                "plugin-conf.d/f:10: expected [name], found \"[open\"",
                "plugin-conf.d/f:14: host name \"../x\": expected 1 to 253 letters, digits, '.', '-', '_', beginning with a letter or digit, without '..'",
            ]
        );
        assert_eq!(conf.resolve("x").user.as_deref(), Some("kept"));
    }
}
