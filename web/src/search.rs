//! Finding things by words: all words must be found, each in the thing's own name or in the name of its host. Nothing is
//! indexed: everything is looked through once a question, and what many hosts declare alike is looked at once.
//!
//! A word that is the whole name counts most, then one that the name begins with, then one that a part of it begins with,
//! then any other place; of equal ones the shorter name comes first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use ravenry_alerts::severity::Severity;
use ravenry_plugins::graph::Graph;
use serde::Serialize;

use crate::pages::show;
use crate::source::{Source, Thing};

/// Words of a question; more are refused.
pub(crate) const WORDS_MAX: usize = 8;
/// Characters of a question; more are refused.
pub(crate) const QUESTION_MAX: usize = 200;
/// Different graphs with a host that are remembered until the best are known.
const FOUND_MAX: usize = 20_000;
/// Incidents that are looked through.
const INCIDENTS_MAX: usize = 1000;

/// What something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Host,
    Group,
    Graph,
    Field,
    Check,
    Incident,
    Plugin,
    Category,
    View,
}

impl Kind {
    /// In the order in which a page shows them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Host,
        Self::Group,
        Self::Graph,
        Self::Field,
        Self::Check,
        Self::Incident,
        Self::Plugin,
        Self::Category,
        Self::View,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Group => "group",
            Self::Graph => "graph",
            Self::Field => "field",
            Self::Check => "check",
            Self::Incident => "incident",
            Self::Plugin => "plugin",
            Self::Category => "category",
            Self::View => "view",
        }
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Host => "Hosts",
            Self::Group => "Groups",
            Self::Graph => "Graphs",
            Self::Field => "Fields",
            Self::Check => "Checks",
            Self::Incident => "Incidents",
            Self::Plugin => "Plugins",
            Self::Category => "Categories",
            Self::View => "Saved views",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Hit {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// What else there is to say of it.
    pub(crate) about: String,
    /// Its page.
    pub(crate) path: String,
    #[serde(skip)]
    score: u32,
}

/// What was found, the best of each kind first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) hits: Vec<Hit>,
    /// How many of each kind there are, shown or not.
    pub(crate) counts: BTreeMap<Kind, usize>,
}

/// A question: words in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words(Vec<String>);

impl Words {
    /// The words of a text; `None` when there are none, or too many.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let is_good =
            (1..=WORDS_MAX).contains(&words.len()) && text.chars().count() <= QUESTION_MAX;
        is_good.then_some(Self(words))
    }

    fn scores(&self, text: &str) -> Scores {
        let text = text.to_lowercase();
        let mut scores = [0; WORDS_MAX];
        for (score, word) in scores.iter_mut().zip(&self.0) {
            *score = word_score(&text, word);
        }
        Scores(scores)
    }

    /// The sum, when each word was found.
    fn total(&self, scores: Scores) -> Option<u32> {
        let used = scores.0.get(..self.0.len())?;
        let all = used.iter().all(|score| *score > 0);
        all.then(|| used.iter().map(|score| u32::from(*score)).sum())
    }
}

/// How well each word was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scores([u8; WORDS_MAX]);

impl Scores {
    /// Each word where it was found best.
    fn or(self, other: Self) -> Self {
        let mut best = self.0;
        for (have, more) in best.iter_mut().zip(other.0) {
            *have = more.max(*have);
        }
        Self(best)
    }

    fn any(self) -> bool {
        self.0.iter().any(|score| *score > 0)
    }
}

/// How well `word` is found in `text`, both in lower case.
fn word_score(text: &str, word: &str) -> u8 {
    let Some(at) = text.find(word) else {
        return 0;
    };
    if text.len() == word.len() {
        return 100;
    }
    if at == 0 {
        return 70;
    }
    let starts_part = text.match_indices(word).any(|(at, _)| {
        text.get(..at)
            .and_then(|before| before.chars().next_back())
            .is_some_and(|before| !before.is_alphanumeric())
    });
    if starts_part { 50 } else { 25 }
}

/// What the words are to a graph, whoever has it.
#[derive(Clone)]
struct OfGraph {
    /// In its name, title or category.
    own: Scores,
    /// In a field's name or label, for those that have any word.
    fields: Vec<(usize, Scores)>,
}

impl OfGraph {
    fn of(words: &Words, graph: &Graph) -> Self {
        let own = words
            .scores(graph.name.as_str())
            .or(words.scores(&graph.title))
            .or(words.scores(&graph.category));
        let fields = graph.fields.iter().enumerate().filter_map(|(at, field)| {
            let scores = words
                .scores(field.name.as_str())
                .or(words.scores(&field.label));
            scores.any().then_some((at, scores))
        });
        Self {
            fields: fields.collect(),
            own,
        }
    }
}

/// Things of one name on several hosts, which are one hit.
struct Shared {
    hosts: usize,
    hit: Hit,
    /// The page of the only one, while there is one.
    only: Option<String>,
}

/// The search as it goes through everything.
struct Search<'w> {
    words: &'w Words,
    hits: Vec<Hit>,
    shared: HashMap<(Kind, String), Shared>,
    /// By the address of the declaration, which is kept until the end so that no other gets it.
    graphs: HashMap<*const Graph, (OfGraph, Arc<Graph>)>,
    host: (Rc<str>, Scores),
    left_out: BTreeMap<Kind, usize>,
}

/// Everything that `words` find, at most `limit` of each kind.
pub(crate) fn search(source: &dyn Source, words: &Words, limit: usize) -> Found {
    let mut search = Search {
        words,
        hits: Vec::new(),
        shared: HashMap::new(),
        graphs: HashMap::new(),
        host: ("".into(), Scores([0; WORDS_MAX])),
        left_out: BTreeMap::new(),
    };
    source.look_through(&mut |thing| search.look(&thing));
    search.look_at_incidents(source);
    for view in source.views() {
        search.offer(Kind::View, &view.title, view.name, view.address);
    }
    search.best(limit)
}

impl Search<'_> {
    fn look(&mut self, thing: &Thing<'_>) {
        match thing {
            Thing::Host(name, groups) => {
                let scores = self.words.scores(name.as_str());
                self.host = (name.as_str().into(), scores);
                let about: Vec<&str> = groups
                    .iter()
                    .map(ravenry_plugins::name::GroupName::as_str)
                    .collect();
                self.offer(
                    Kind::Host,
                    name.as_str(),
                    about.join(", "),
                    format!("/host/{name}"),
                );
                for group in *groups {
                    self.offer_shared(Kind::Group, group.as_str(), "", || {
                        format!("/group/{}", show::path_of_parts(group.as_str()))
                    });
                }
            }
            Thing::Graph(graph) => self.look_at_graph(graph),
            Thing::Plugin(name) => {
                let host = Rc::clone(&self.host.0);
                self.offer_shared(Kind::Plugin, name, "", || format!("/host/{host}#health"));
            }
            Thing::Check(check, severity) => {
                let scores = self.words.scores(check.as_str()).or(self.host.1);
                if let Some(score) = self
                    .words
                    .total(scores)
                    .filter(|_| self.words.scores(check.as_str()).any())
                {
                    let host = &self.host.0;
                    let about = match severity {
                        Severity::Ok => String::new(),
                        Severity::Unknown | Severity::Warning | Severity::Critical => {
                            severity.as_str().to_owned()
                        }
                    };
                    self.keep(Hit {
                        kind: Kind::Check,
                        name: format!("{check} on {host}"),
                        about,
                        path: format!("/host/{host}#checks"),
                        score,
                    });
                }
            }
        }
    }

    fn look_at_graph(&mut self, graph: &Arc<Graph>) {
        let words = self.words;
        let known = self
            .graphs
            .entry(Arc::as_ptr(graph))
            .or_insert_with(|| (OfGraph::of(words, graph), Arc::clone(graph)));
        let (own, fields) = (known.0.own, known.0.fields.clone());
        let (host, of_host) = (Rc::clone(&self.host.0), self.host.1);
        let name = graph.name.as_str();
        self.offer_shared(Kind::Category, &graph.category, "", || {
            format!("/category/{}", show::path_segment(&graph.category))
        });
        if let Some(score) = words.total(own) {
            let only = || format!("/graph/{host}/{name}");
            let all = || format!("/compare/{name}");
            self.share(
                (Kind::Graph, name.to_owned()),
                score,
                &graph.title,
                all,
                Some(&only),
            );
        }
        if of_host.any()
            && own.any()
            && words.total(of_host).is_none()
            && let Some(score) = words.total(own.or(of_host))
        {
            self.keep(Hit {
                kind: Kind::Graph,
                name: format!("{name} on {host}"),
                about: graph.title.clone(),
                path: format!("/graph/{host}/{name}"),
                score: score + 1,
            });
        }
        for (at, scores) in fields {
            let Some(field) = graph.fields.get(at) else {
                continue;
            };
            let with_graph = scores.or(own);
            let page = || format!("/graph/{host}/{name}#f-{}", field.name);
            if let Some(score) = words.total(with_graph) {
                let title = format!("{} of {name}", field.name);
                let all = || format!("/compare/{name}");
                self.share((Kind::Field, title), score, &field.label, all, Some(&page));
            } else if let Some(score) = words.total(with_graph.or(of_host)) {
                self.keep(Hit {
                    kind: Kind::Field,
                    name: format!("{} of {name} on {host}", field.name),
                    about: field.label.clone(),
                    path: page(),
                    score,
                });
            }
        }
    }

    fn look_at_incidents(&mut self, source: &dyn Source) {
        for incident in source.incidents(INCIDENTS_MAX) {
            let cause = incident.cause.to_string();
            let number = incident.id.to_string();
            let scores = self
                .words
                .scores(&incident.summary)
                .or(self.words.scores(&cause))
                .or(self.words.scores(&number));
            if let Some(score) = self.words.total(scores) {
                let is_open = incident.closed.is_none();
                self.keep(Hit {
                    kind: Kind::Incident,
                    name: format!("{number}: {}", incident.summary),
                    about: if is_open { "open" } else { "closed" }.to_owned(),
                    path: format!("/incident/{number}"),
                    score: score + if is_open { 1000 } else { 0 },
                });
            }
        }
    }

    /// Something that is one of its name.
    fn offer(&mut self, kind: Kind, name: &str, about: String, path: String) {
        if let Some(score) = self.words.total(self.words.scores(name)) {
            self.keep(Hit {
                kind,
                name: name.to_owned(),
                about,
                path,
                score,
            });
        }
    }

    /// Something that several hosts have under one name.
    fn offer_shared(&mut self, kind: Kind, name: &str, about: &str, path: impl FnOnce() -> String) {
        if let Some(score) = self.words.total(self.words.scores(name)) {
            self.share((kind, name.to_owned()), score, about, path, None);
        }
    }

    fn share(
        &mut self,
        key: (Kind, String),
        score: u32,
        about: &str,
        path: impl FnOnce() -> String,
        only: Option<&dyn Fn() -> String>,
    ) {
        let (kind, name) = key.clone();
        let shared = self.shared.entry(key).or_insert_with(|| Shared {
            hosts: 0,
            only: only.map(|only| only()),
            hit: Hit {
                kind,
                name,
                about: about.to_owned(),
                path: path(),
                score,
            },
        });
        shared.hosts += 1;
        shared.hit.score = shared.hit.score.max(score);
    }

    fn keep(&mut self, hit: Hit) {
        if self.hits.len() >= FOUND_MAX {
            *self.left_out.entry(hit.kind).or_default() += 1;
        } else {
            self.hits.push(hit);
        }
    }

    fn best(self, limit: usize) -> Found {
        let mut hits = self.hits;
        for shared in self.shared.into_values() {
            let Shared {
                hosts,
                mut hit,
                only,
            } = shared;
            if let Some(only) = only.filter(|_| hosts == 1) {
                hit.path = only;
            }
            let on = format!("on {hosts} host{}", if hosts == 1 { "" } else { "s" });
            hit.about = match (hit.about.as_str(), hit.kind) {
                (_, Kind::Group) => on.replace("on ", ""),
                ("", _) => on,
                (about, _) => format!("{about}, {on}"),
            };
            hits.push(hit);
        }
        hits.sort_by(|a, b| {
            let rank = |hit: &Hit| (hit.kind, Reverse(hit.score), hit.name.len());
            rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
        });
        let mut counts = BTreeMap::new();
        hits.retain(|hit| {
            let count = counts.entry(hit.kind).or_insert(0_usize);
            *count += 1;
            *count <= limit
        });
        for (kind, more) in self.left_out {
            *counts.entry(kind).or_default() += more;
        }
        Found { hits, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_is_better_than_a_beginning_and_that_than_a_part() {
        let check = |text: &str, word: &str, expect: u8| {
            assert_eq!(word_score(text, word), expect, "{text} {word}");
        };
        check("web1", "web1", 100);
        check("web10", "web1", 70);
        check("old-web1", "web1", 50);
        check("cobweb1.web1", "web1", 50);
        check("cobweb1", "web1", 25);
        check("größe", "ö", 25);
        check("df", "web1", 0);
    }

    #[test]
    fn a_question_has_one_to_eight_words() {
        assert_eq!(Words::of("  "), None);
        assert_eq!(
            Words::of("Web1  LOAD"),
            Some(Words(vec!["web1".to_owned(), "load".to_owned()]))
        );
        assert_eq!(Words::of("a b c d e f g h i"), None);
        assert_eq!(Words::of(&"x".repeat(201)), None);
    }
}
