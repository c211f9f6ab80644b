//! The house rules, as far as a program can check them: which crate uses which, where the outside world may be touched,
//! what a file looks like. Counts that should shrink are ratchets: they may not grow, and who makes one smaller writes the
//! smaller number down here.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure with its place"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The crates and which of ours they use.
const EDGES: [(&str, &str, &[&str]); 7] = [
    ("plugins", "ravenry-plugins", &[]),
    ("node-agent", "ravenry-agent", &["ravenry-plugins"]),
    ("collector/rrd", "ravenry-rrd", &[]),
    ("alerts", "ravenry-alerts", &["ravenry-plugins"]),
    (
        "web",
        "ravenry-web",
        &["ravenry-alerts", "ravenry-plugins", "ravenry-rrd"],
    ),
    (
        "collector",
        "ravenry",
        &[
            "ravenry-agent",
            "ravenry-alerts",
            "ravenry-plugins",
            "ravenry-rrd",
            "ravenry-web",
        ],
    ),
    ("tests", "ravenry-tests", &[]),
];

/// Modules (files, or folders with all in them) that read no clock, file, socket, environment, randomness or logger.
const PURE: [&str; 65] = [
    "alerts/src/address.rs",
    "alerts/src/check.rs",
    "alerts/src/engine.rs",
    "alerts/src/engine/",
    "alerts/src/gate.rs",
    "alerts/src/incident.rs",
    "alerts/src/notice.rs",
    "alerts/src/notice/",
    "alerts/src/outbox.rs",
    "alerts/src/quiet.rs",
    "alerts/src/rate.rs",
    "alerts/src/rule.rs",
    "alerts/src/severity.rs",
    "alerts/src/simulation.rs",
    "alerts/src/simulation/",
    "alerts/src/topology.rs",
    "collector/rrd/src/at.rs",
    "collector/rrd/src/at/",
    "collector/rrd/src/civil.rs",
    "collector/rrd/src/consolidate.rs",
    "collector/rrd/src/create.rs",
    "collector/rrd/src/decimal.rs",
    "collector/rrd/src/definition.rs",
    "collector/rrd/src/diff.rs",
    "collector/rrd/src/fetch.rs",
    "collector/rrd/src/foreign.rs",
    "collector/rrd/src/graph.rs",
    "collector/rrd/src/graph/",
    "collector/rrd/src/header.rs",
    "collector/rrd/src/image.rs",
    "collector/rrd/src/layout.rs",
    "collector/rrd/src/local.rs",
    "collector/rrd/src/mend.rs",
    "collector/rrd/src/modify.rs",
    "collector/rrd/src/print.rs",
    "collector/rrd/src/resample.rs",
    "collector/rrd/src/reshape.rs",
    "collector/rrd/src/rpn.rs",
    "collector/rrd/src/rpn/",
    "collector/rrd/src/strftime.rs",
    "collector/rrd/src/tune.rs",
    "collector/rrd/src/update.rs",
    "collector/rrd/src/writes.rs",
    "collector/src/catalog.rs",
    "collector/src/entry.rs",
    "collector/src/config/layout.rs",
    "collector/src/store/fault.rs",
    "collector/src/store/layout.rs",
    "collector/src/store/pending.rs",
    "node-agent/src/gather.rs",
    "node-agent/src/schedule.rs",
    "node-agent/src/session.rs",
    "plugins/src/declaration.rs",
    "plugins/src/graph.rs",
    "plugins/src/graph/",
    "plugins/src/munin/",
    "plugins/src/nagios.rs",
    "plugins/src/name.rs",
    "plugins/src/pattern.rs",
    "plugins/src/problem.rs",
    "plugins/src/range.rs",
    "plugins/src/settings.rs",
    "plugins/src/timestamp.rs",
    "plugins/src/wire/",
    "web/src/graph/",
];

/// What a pure module does not say.
const IMPURE: [&str; 20] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "std::{",
    "SystemTime",
    "Instant::now",
    ".elapsed(",
    "clock::",
    "Utc::now",
    "Local::now",
    "tracing",
    "tokio",
    "nix::",
    "reqwest",
    "rusqlite",
    "println!",
    "async ",
];

/// The only files with `unsafe` in them.
const UNSAFE: [&str; 1] = ["collector/rrd/src/file.rs"];

/// Places outside tests that end the program when they are wrong about what cannot happen, by crate.
const PANICS: [(&str, usize); 6] = [
    ("alerts", 0),
    ("collector", 0),
    ("collector/rrd", 0),
    ("node-agent", 1),
    ("plugins", 3),
    ("web", 0),
];

const PANICKING: [&str; 6] = [
    ".unwrap()",
    // Quoted texts are blanks here.
    ".expect( ",
    "panic!(",
    "unreachable!(",
    "todo!(",
    "unimplemented!(",
];

/// Functions outside tests that are longer than [`FUNCTION_LINES_MAX`], each with its length.
const LONG_FUNCTIONS: [(&str, &str, usize); 1] = [
    // One match over all operators of the calculator.
    ("collector/rrd/src/rpn/machine.rs", "apply", 89),
];

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 800;
const MAP_LINES_MAX: usize = 150;

/// Modules of these names own nothing.
const FORBIDDEN_MODULES: [&str; 10] = [
    "common",
    "helper",
    "helpers",
    "manager",
    "misc",
    "shared",
    "types",
    "util",
    "utilities",
    "utils",
];

/// Words that the glossary has another word for, as parts of the names of types; and the files in which they are names
/// of the world.
const FORBIDDEN_WORDS: [(&str, &str, &[&str]); 8] = [
    ("Metric", "field", &[]),
    ("Datapoint", "sample or reading", &[]),
    ("Point", "sample or reading", &["web/src/graph/"]),
    ("Node", "host", &["plugins/src/munin/node.rs"]),
    ("Server", "host", &[]),
    ("Script", "plugin", &[]),
    ("Receiver", "contact", &["collector/src/receive.rs"]),
    ("Manager", "the thing that it owns", &[]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file of Rust.
struct Source {
    /// Below the workspace.
    path: String,
    text: String,
    /// Its lines without comments, texts and what only tests have.
    code: Vec<String>,
}

impl Source {
    fn is_test(&self) -> bool {
        let parts = ["/tests/", "/examples/", "/benches/", "/fuzz/"];
        self.path.starts_with("tests/")
            || self.path.ends_with("/tests.rs")
            || parts.iter().any(|part| self.path.contains(part))
    }

    /// Line number and code of lines that hold `words`.
    fn lines_with(&self, words: &str) -> Vec<String> {
        let lines = self.code.iter().enumerate();
        lines
            .filter(|(_, line)| line.contains(words))
            .map(|(index, line)| format!("{}:{}: {}", self.path, index + 1, line.trim()))
            .collect()
    }

    fn code_lines(&self) -> usize {
        self.code
            .iter()
            .filter(|line| !line.trim().is_empty())
            .count()
    }
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for (folder, _, _) in EDGES
        .iter()
        .filter(|(folder, _, _)| *folder != "collector/rrd")
    {
        collect(&root().join(folder), &mut sources);
    }
    assert!(sources.len() > 100, "only {} files found", sources.len());
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn collect(folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, sources);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = without_tests(&blank(&text));
            sources.push(Source {
                path: path.strip_prefix(root()).unwrap().display().to_string(),
                text,
                // A blank at the end, so that words that end a line are words.
                code: code.lines().map(|line| format!("{line} ")).collect(),
            });
        }
    }
}

/// The text with blanks for comments and for what is in quotes; lines stay where they are.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = end_of_quiet(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(
                chars[at..end]
                    .iter()
                    .map(|c| if *c == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        }
    }
    out
}

/// Where the comment or quotation ends that begins at `at`; `at` itself when none does.
fn end_of_quiet(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied().unwrap_or('\n');
    let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match chars[at] {
        '/' if next == '/' => position(chars, at, |rest| rest[0] == '\n'),
        '/' if next == '*' => position(chars, at, |rest| rest.starts_with(&['*', '/'])) + 2,
        '"' => end_of_text(chars, at),
        'r' if !in_word && (next == '"' || next == '#') => {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            if chars.get(at + 1 + hashes) != Some(&'"') {
                return at;
            }
            let mut close = vec!['"'];
            close.resize(1 + hashes, '#');
            let from = at + 2 + hashes;
            position(chars, from, |rest| rest.starts_with(&close)) + close.len()
        }
        '\'' if next == '\\' => position(chars, at + 3, |rest| rest[0] == '\'') + 1,
        '\'' if chars.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
}

fn end_of_text(chars: &[char], at: usize) -> usize {
    let mut at = at + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The first place from `from` on whose rest is as wanted, or the end.
fn position(chars: &[char], from: usize, wanted: impl Fn(&[char]) -> bool) -> usize {
    let rest = (from..chars.len()).find(|at| wanted(&chars[*at..]));
    rest.unwrap_or(chars.len())
}

/// The code with blanks for each item behind `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = code.to_owned();
    while let Some(begin) = out.find(MARK) {
        let item = &out[begin + MARK.len()..];
        let open = item.find(['{', ';']).unwrap_or(item.len() - 1);
        let length = if item[open..].starts_with('{') {
            open + block_length(&item[open..])
        } else {
            open + 1
        };
        let end = begin + MARK.len() + length;
        let blank: String = out[begin..end]
            .chars()
            .map(|c| if c == '\n' { '\n' } else { ' ' })
            .collect();
        out.replace_range(begin..end, &blank);
    }
    out
}

/// Bytes of the block that `code` begins with, braces included.
fn block_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

fn none_of(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}\n{}", found.join("\n"));
}

#[test]
fn comments_texts_and_tests_are_no_code() {
    let text = "a(\"unsafe\\\"\"); // unsafe\nb('\"', r#\"unsafe\"#); /* unsafe\n*/ c::<'x>(); #[cfg(test)]\nmod tests { unsafe {} }\nd();";
    let code = without_tests(&blank(text));
    assert!(!code.contains("unsafe"), "{code}");
    let words: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(words.first(), Some(&"a("));
    assert_eq!(words.last(), Some(&"d();"));
    assert_eq!(code.lines().count(), text.lines().count());
}

#[test]
fn crates_use_only_what_the_map_allows() {
    let mut found = Vec::new();
    for (folder, package, allowed) in EDGES {
        let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some(package));
        assert!(
            manifest["lints"]["workspace"].as_bool().unwrap(),
            "{folder}: workspace lints"
        );
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let used = manifest.get(kind).and_then(toml::Value::as_table);
            let ours = used
                .into_iter()
                .flat_map(toml::Table::keys)
                .filter(|name| name.starts_with("ravenry"));
            let wrong = ours.filter(|name| !allowed.contains(&name.as_str()));
            found.extend(wrong.map(|name| format!("{folder}/Cargo.toml: [{kind}] {name}")));
        }
    }
    none_of("a crate uses one that is not below it", &found);
}

#[test]
fn every_dependency_has_a_reason() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let begin = lines
        .iter()
        .position(|line| *line == "[workspace.dependencies]")
        .unwrap();
    let section = lines[begin..]
        .iter()
        .take_while(|line| !line.starts_with("[workspace.lints"));
    let lines: Vec<&str> = section.copied().collect();
    let found: Vec<String> = (1..lines.len())
        .filter(|at| lines[*at].contains('=') && !lines[*at].contains("path ="))
        .filter(|at| !lines[at - 1].starts_with('#'))
        .map(|at| lines[at].to_owned())
        .collect();
    none_of(
        "expected a line of reason above each dependency in Cargo.toml",
        &found,
    );
}

/// What others may truncate would end the long-running process when it is touched through a map.
#[test]
fn the_collector_maps_no_file() {
    let sources = sources();
    let library = sources.iter().filter(|source| {
        let path = source.path.as_str();
        path.starts_with("collector/src/") || path.starts_with("web/src/")
    });
    let found: Vec<String> = library
        .flat_map(|source| {
            ["memmap", "Mmap", "file::Reader", "file::Writer"].map(|word| source.lines_with(word))
        })
        .flatten()
        .collect();
    none_of("the collector reads files through Disk", &found);
}

#[test]
fn unsafe_is_where_maps_are() {
    let sources = sources();
    let elsewhere = sources
        .iter()
        .filter(|source| !UNSAFE.contains(&source.path.as_str()));
    let words = |source: &Source| {
        let mut lines = source.lines_with("unsafe ");
        lines.retain(|line| !line.contains("unsafe_code"));
        lines
    };
    let found: Vec<String> = elsewhere.flat_map(words).collect();
    none_of(
        "unsafe is allowed in collector/rrd/src/file.rs only",
        &found,
    );
    for path in UNSAFE {
        let source = sources.iter().find(|source| source.path == path).unwrap();
        let blocks = source.lines_with("unsafe {").len();
        let reasons = source.text.matches("// SAFETY:").count();
        assert!(
            reasons >= blocks,
            "{path}: {blocks} unsafe blocks, {reasons} times SAFETY"
        );
    }
}

#[test]
fn crates_without_maps_forbid_unsafe() {
    let roots = [
        "alerts/src/lib.rs",
        "collector/src/lib.rs",
        "collector/src/main.rs",
        "node-agent/src/lib.rs",
        "node-agent/src/main.rs",
        "plugins/src/bin/ravenry-plugin.rs",
        "plugins/src/lib.rs",
        "tests/src/lib.rs",
        "web/src/lib.rs",
    ];
    let forbids = |path: &&str| {
        let text = fs::read_to_string(root().join(path)).unwrap();
        !text.contains("#![forbid(unsafe_code)]")
    };
    let found: Vec<String> = roots
        .into_iter()
        .filter(forbids)
        .map(str::to_owned)
        .collect();
    none_of("expected #![forbid(unsafe_code)]", &found);
}

#[test]
fn pure_modules_touch_nothing_outside() {
    let sources = sources();
    let mut found = Vec::new();
    for module in PURE {
        let of_module = |source: &&Source| {
            let inside = if module.ends_with('/') {
                source.path.starts_with(module)
            } else {
                source.path == module
            };
            inside && !source.is_test()
        };
        let files: Vec<&Source> = sources.iter().filter(of_module).collect();
        assert!(
            !files.is_empty(),
            "{module} is not there any more: say where it went"
        );
        for (file, word) in files
            .iter()
            .flat_map(|file| IMPURE.map(|word| (file, word)))
        {
            found.extend(file.lines_with(word));
        }
    }
    none_of("a pure module takes `now` and bytes as arguments", &found);
}

#[test]
fn panics_outside_tests_do_not_grow() {
    let mut counts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let folders = PANICS.iter().map(|(folder, _)| *folder);
        let folder = folders
            .filter(|folder| source.path.starts_with(&format!("{folder}/")))
            .max_by_key(|folder| folder.len());
        let found = PANICKING.iter().flat_map(|word| source.lines_with(word));
        let found = found.filter(|line| !line.contains("debug_assert"));
        counts.entry(folder.unwrap()).or_default().extend(found);
    }
    for (folder, allowed) in PANICS {
        let found = counts.remove(folder).unwrap_or_default();
        let rule = format!(
            "{folder}: expected {allowed} places that may panic, found {}",
            found.len()
        );
        assert_eq!(found.len(), allowed, "{rule}\n{}", found.join("\n"));
    }
}

#[test]
fn every_file_says_what_it_owns() {
    let sources = sources();
    let headless = sources
        .iter()
        .filter(|source| !source.path.ends_with("/tests.rs"));
    let headless = headless.filter(|source| !source.text.starts_with("//! "));
    let found: Vec<String> = headless.map(|source| source.path.clone()).collect();
    none_of("expected the file to begin with `//! `", &found);
}

#[test]
fn files_are_of_a_size_that_can_be_read() {
    let sources = sources();
    let long = sources
        .iter()
        .filter(|source| source.code_lines() > FILE_LINES_MAX);
    let found: Vec<String> = long
        .map(|source| format!("{}: {}", source.path, source.code_lines()))
        .collect();
    none_of("at most 800 lines of code", &found);
}

#[test]
fn long_functions_do_not_grow() {
    let mut found = BTreeMap::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for (name, lines) in functions(&source.code.join("\n")) {
            if lines > FUNCTION_LINES_MAX {
                found.insert((source.path.clone(), name), lines);
            }
        }
    }
    let known: BTreeMap<(String, String), usize> = LONG_FUNCTIONS
        .iter()
        .map(|(path, name, lines)| (((*path).to_owned(), (*name).to_owned()), *lines))
        .collect();
    assert_eq!(
        found, known,
        "functions over {FUNCTION_LINES_MAX} lines: found, and known"
    );
}

/// The functions of a file with their lines.
fn functions(code: &str) -> Vec<(String, usize)> {
    let mut functions = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let begins = at == 0 || code[..at].ends_with([' ', '\n', '(']);
        let name: String = code[at + 3..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        let Some(open) = code[at..].find(['{', ';']) else {
            continue;
        };
        if begins && !name.is_empty() && code[at + open..].starts_with('{') {
            let length = block_length(&code[at + open..]);
            functions.push((name, code[at..at + open + length].lines().count()));
        }
    }
    functions
}

#[test]
fn modules_are_named_after_what_they_own() {
    let mut found = Vec::new();
    for source in sources() {
        let stems = Path::new(&source.path).with_extension("");
        let parts = stems.iter().map(|part| part.to_string_lossy().into_owned());
        let bad: BTreeSet<String> = parts
            .filter(|part| FORBIDDEN_MODULES.contains(&part.as_str()))
            .collect();
        found.extend(
            bad.into_iter()
                .map(|part| format!("{}: {part}", source.path)),
        );
        for name in FORBIDDEN_MODULES {
            found.extend(source.lines_with(&format!("mod {name} {{")));
        }
    }
    none_of("a module of this name owns nothing", &found);
}

#[test]
fn types_have_the_glossarys_names() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for line in &source.code {
            let Some(name) = type_name(line) else {
                continue;
            };
            for (word, instead, at_home) in FORBIDDEN_WORDS {
                let known = at_home.iter().any(|home| source.path.starts_with(home));
                if has_word(name, word) && !known {
                    found.push(format!("{}: {name}: expected {instead}", source.path));
                }
            }
        }
    }
    none_of("one word for one thing", &found);
}

/// The name that a line gives to a type.
fn type_name(line: &str) -> Option<&str> {
    let kinds = ["struct ", "enum ", "trait ", "type "];
    let (_, rest) = kinds.iter().find_map(|kind| line.split_once(kind))?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    let name = &rest[..end.unwrap_or(rest.len())];
    name.starts_with(char::is_uppercase).then_some(name)
}

/// Whether `word` is a whole part of a name in camel case.
fn has_word(name: &str, word: &str) -> bool {
    name.match_indices(word).any(|(at, _)| {
        let next = name[at + word.len()..].chars().next();
        next.is_none_or(|next| next.is_uppercase() || next == 's')
    })
}

#[test]
fn the_map_of_the_house_is_short() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let lines = text.lines().count();
    assert!(
        lines <= MAP_LINES_MAX,
        "ARCHITECTURE.md: {lines} lines, at most {MAP_LINES_MAX}"
    );
}
