//! Options as C's `getopt_long` reads them: anywhere among the words, `--name value`, `--name=value`, `-n value`, `-nvalue`,
//! names cut short as long as they are unique, `--` ends them.

/// An option that a command has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag {
    name: &'static str,
    letter: char,
    takes_value: bool,
    refusal: Option<&'static str>,
}

impl Flag {
    pub(super) const fn value(name: &'static str, letter: char) -> Self {
        Self {
            name,
            letter,
            takes_value: true,
            refusal: None,
        }
    }

    pub(super) const fn switch(name: &'static str, letter: char) -> Self {
        Self {
            name,
            letter,
            takes_value: false,
            refusal: None,
        }
    }

    /// `--daemon ADDRESS`, which rrdtool has everywhere and we refuse.
    pub(super) const fn daemon(letter: char) -> Self {
        Self {
            refusal: Some(NO_DAEMON),
            ..Self::value("daemon", letter)
        }
    }
}

/// The answer to whoever asks for rrdcached.
pub(super) const NO_DAEMON: &str = "rrdcached is not supported, commands work on the files themselves; values that wait in \
                         an rrdcached have to be flushed by it first";

/// The options given and the words that are none.
#[derive(Debug)]
pub(super) struct Options<'a> {
    given: Vec<(&'static str, &'a str)>,
    pub(super) words: Vec<&'a str>,
}

impl<'a> Options<'a> {
    pub(super) fn parse(args: &'a [String], flags: &[Flag]) -> Result<Self, String> {
        let mut options = Self {
            given: Vec::new(),
            words: Vec::new(),
        };
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            if arg == "--" {
                options.words.extend(args.by_ref());
            } else if let Some(long) = arg.strip_prefix("--") {
                let (name, value) = long
                    .split_once('=')
                    .map_or((long, None), |(name, value)| (name, Some(value)));
                let flag =
                    named(flags, name).ok_or_else(|| format!("unknown option '--{name}'"))?;
                options.keep(flag, value, &mut args)?;
            } else if arg.len() > 1 && arg.starts_with('-') {
                options.letters(&arg[1..], flags, &mut args)?;
            } else {
                options.words.push(arg);
            }
        }
        Ok(options)
    }

    /// Switches may share a dash; the rest behind an option with a value is the value.
    fn letters(
        &mut self,
        letters: &'a str,
        flags: &[Flag],
        args: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), String> {
        for (at, letter) in letters.char_indices() {
            let flag = flags
                .iter()
                .find(|flag| flag.letter == letter)
                .ok_or_else(|| format!("unknown option '-{letter}'"))?;
            if flag.takes_value {
                let rest = &letters[at + letter.len_utf8()..];
                return self.keep(flag, (!rest.is_empty()).then_some(rest), args);
            }
            self.given.push((flag.name, ""));
        }
        Ok(())
    }

    fn keep(
        &mut self,
        flag: &Flag,
        value: Option<&'a str>,
        args: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), String> {
        let value = match (flag.takes_value, value) {
            (true, Some(value)) => value,
            (true, None) => args
                .next()
                .ok_or_else(|| format!("option '--{}' needs a value", flag.name))?,
            (false, None) => "",
            (false, Some(_)) => return Err(format!("option '--{}' takes no value", flag.name)),
        };
        if let Some(refusal) = flag.refusal {
            return Err(refusal.to_owned());
        }
        self.given.push((flag.name, value));
        Ok(())
    }

    /// All that were given, in that order.
    pub(super) fn given(&self) -> &[(&'static str, &'a str)] {
        &self.given
    }

    /// The value given last.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.given
            .iter()
            .rev()
            .find(|(given, _)| *given == name)
            .map(|(_, value)| *value)
    }

    /// All values given, in order.
    pub(super) fn values(&self, name: &str) -> Vec<&'a str> {
        let given = self.given.iter().filter(|(given, _)| *given == name);
        given.map(|(_, value)| *value).collect()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }
}

fn named<'f>(flags: &'f [Flag], name: &str) -> Option<&'f Flag> {
    let exact = flags.iter().find(|flag| flag.name == name);
    let mut alike = flags.iter().filter(|flag| flag.name.starts_with(name));
    exact.or_else(|| alike.next().filter(|_| alike.next().is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let args: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let flags = [
            Flag::value("start", 's'),
            Flag::value("step", 'p'),
            Flag::switch("align", 'a'),
        ];
        let found = Options::parse(&args, &flags)
            .map(|options| format!("{:?} {:?}", options.given, options.words));
        assert_eq!(found.unwrap_or_else(|error| error), expect, "{text}");
    }

    #[test]
    fn options_may_stand_anywhere_in_any_form() {
        for text in [
            "f -s -1d CF",
            "--start -1d f CF",
            "f CF --start=-1d",
            "f -s-1d CF",
            "f CF --sta -1d",
        ] {
            check(text, r#"[("start", "-1d")] ["f", "CF"]"#);
        }
        check("-as 5 f", r#"[("align", ""), ("start", "5")] ["f"]"#);
        check("f -- -5:1", r#"[] ["f", "-5:1"]"#);
    }

    #[test]
    fn what_asks_for_rrdcached_is_refused() {
        let args = ["-d", "unix:/run/rrdcached.sock"].map(str::to_owned);
        let refused = Options::parse(&args, &[Flag::daemon('d')]).unwrap_err();
        assert!(refused.starts_with("rrdcached is not supported"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        check("f -x", "unknown option '-x'");
        check("--st 5", "unknown option '--st'");
        check("f -s", "option '--start' needs a value");
        check("--align=1", "option '--align' takes no value");
    }
}
