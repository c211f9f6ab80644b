//! What is wrong with the agent itself, by kind, so that each is told when it begins, changes and ends, and not each time
//! it is seen again.

use std::collections::BTreeMap;
use std::fmt;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The plugin directory or its configuration.
    Plugins,
    /// The state directory's disk.
    Disk,
    /// Batches that the spool had no room for.
    Dropped,
    /// Batches that the collector would not have.
    Refused,
    /// Another agent has the same id.
    Identity,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plugins => "plugins",
            Self::Disk => "the spool's disk",
            Self::Dropped => "a full spool",
            Self::Refused => "refused batches",
            Self::Identity => "a shared id",
        })
    }
}

/// One sentence for each kind of trouble that there is now.
#[derive(Debug, Default)]
pub struct Troubles(BTreeMap<Kind, String>);

impl Troubles {
    /// Notes how it stands with `kind`. Says whether that is news.
    pub fn set(&mut self, kind: Kind, trouble: Option<String>) -> bool {
        match trouble {
            None => self.0.remove(&kind).is_some(),
            Some(text) => self.0.insert(kind, text.clone()) != Some(text),
        }
    }

    /// All of them in one sentence; `None` when all is well.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        let texts: Vec<&str> = self.0.values().map(String::as_str).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_is_news() {
        let mut troubles = Troubles::default();
        let full = || Some("disk is full".to_owned());
        assert!(troubles.set(Kind::Disk, full()));
        assert!(!troubles.set(Kind::Disk, full()));
        assert!(troubles.set(Kind::Plugins, Some("cannot read /x".to_owned())));
        assert_eq!(
            troubles.sentence().as_deref(),
            Some("cannot read /x; disk is full")
        );
        assert!(troubles.set(Kind::Disk, None));
        assert!(!troubles.set(Kind::Disk, None));
    }
}
