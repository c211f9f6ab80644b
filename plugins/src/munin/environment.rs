//! The environment that Munin's plugins expect to find. Nothing of our own environment is passed on.

use std::collections::BTreeMap;

/// What a plugin's environment is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings<'a> {
    /// Full name of this host.
    pub host: &'a str,
    /// The plugin's name in its directory.
    pub plugin: &'a str,
    /// The user that it runs as.
    pub user: &'a str,
    /// Below it every user has a folder for what plugins remember; the agent makes it.
    pub state_dir: &'a str,
    /// Where `plugins/plugin.sh` lies.
    pub lib_dir: &'a str,
    /// Where the Perl module `Munin::Plugin` lies.
    pub perl_dir: &'a str,
    /// Whether values in `config` are welcome.
    pub dirtyconfig: bool,
    /// Who asks: an address, or `-`.
    pub master: &'a str,
}

impl Surroundings<'_> {
    /// The folder in which the plugin may remember things.
    #[must_use]
    pub fn plugin_state_dir(&self) -> String {
        format!("{}/{}", self.state_dir, self.user)
    }

    /// The whole environment, `configured` (`env.NAME` of `plugin-conf.d`) last.
    #[must_use]
    pub fn variables(&self, configured: &BTreeMap<String, String>) -> Vec<(String, String)> {
        let state = self.plugin_state_dir();
        let state_file = format!("{state}/{}-{}", self.plugin, self.master);
        let mut variables: BTreeMap<&str, &str> = BTreeMap::from([
            (
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ),
            ("LC_ALL", "C"),
            ("LANG", "C"),
            ("PYTHONIOENCODING", "utf8:replace"),
            ("FQDN", self.host),
            ("HOSTNAME", self.host),
            ("MUNIN_DEBUG", "0"),
            ("MUNIN_MASTER_IP", self.master),
            ("MUNIN_CAP_MULTIGRAPH", "1"),
            ("MUNIN_PLUGSTATE", &state),
            ("MUNIN_STATEFILE", &state_file),
            ("MUNIN_LIBDIR", self.lib_dir),
            ("MUNIN_CONFDIR", "/etc/munin"),
            ("MUNIN_DBDIR", "/var/lib/munin"),
            ("MUNIN_LOGDIR", "/var/log/munin"),
            ("MUNIN_SPOOLDIR", "/var/lib/munin-async"),
            ("MUNIN_STATEDIR", "/var/run/munin"),
            ("MUNIN_PREFIX", "/usr"),
            ("MUNIN_BINDIR", "/usr/bin"),
            ("MUNIN_SBINDIR", "/usr/sbin"),
            ("MUNIN_USER", "munin"),
            ("MUNIN_GROUP", "munin"),
            ("MUNIN_PLUGINUSER", self.user),
            ("MUNIN_VERSION", "2.0"),
            ("MUNIN_OSTYPE", "linux"),
            ("MUNIN_HOSTNAME", self.host),
            ("MUNIN_PERL", "/usr/bin/perl"),
            ("MUNIN_PYTHON", "/usr/bin/python3"),
            ("MUNIN_GOODSH", "/bin/sh"),
            ("MUNIN_BASH", "/bin/bash"),
            ("MUNIN_MKTEMP", "mktemp -p /tmp/ $1"),
            ("MUNIN_HASSETR", "1"),
        ]);
        if self.dirtyconfig {
            variables.insert("MUNIN_CAP_DIRTYCONFIG", "1");
        }
        for (name, value) in configured {
            variables.insert(name, value);
        }
        // Theirs before ours: who sets it means modules of their own, and still needs those that plugins share.
        let perl_dirs = match configured.get("PERL5LIB") {
            Some(theirs) => format!("{theirs}:{}", self.perl_dir),
            None => self.perl_dir.to_owned(),
        };
        variables.insert("PERL5LIB", &perl_dirs);
        variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_comes_last() {
        let surroundings = Surroundings {
            host: "web1.example.net",
            plugin: "df",
            user: "nobody",
            state_dir: "/var/lib/ravenry-agent/plugin-state",
            lib_dir: "/usr/share/munin",
            perl_dir: "/lib/perl5",
            dirtyconfig: true,
            master: "-",
        };
        let configured = BTreeMap::from([
            ("LC_ALL".to_owned(), "de_DE".to_owned()),
            ("exclude".to_owned(), "none tmpfs".to_owned()),
            ("PERL5LIB".to_owned(), "/opt/perl".to_owned()),
        ]);
        let variables = surroundings.variables(&configured);
        let check = |name: &str, expect: Option<&str>| {
            let mut found = variables.iter().filter(|(have, _)| have == name);
            assert_eq!(
                found.next().map(|(_, value)| value.as_str()),
                expect,
                "{name}"
            );
            assert_eq!(found.next(), None, "{name} twice");
        };
        check("LC_ALL", Some("de_DE"));
        check("exclude", Some("none tmpfs"));
        check("PERL5LIB", Some("/opt/perl:/lib/perl5"));
        check("FQDN", Some("web1.example.net"));
        check("MUNIN_CAP_DIRTYCONFIG", Some("1"));
        check(
            "MUNIN_PLUGSTATE",
            Some("/var/lib/ravenry-agent/plugin-state/nobody"),
        );
        check(
            "MUNIN_STATEFILE",
            Some("/var/lib/ravenry-agent/plugin-state/nobody/df--"),
        );
        check("HOME", None);
    }
}
