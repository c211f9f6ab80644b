//! `ravenry-agent lint`: what is understood of plugins' output, and every problem with its line.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use ravenry_agent::config::{Bundled, Config};
use ravenry_agent::directory::{Directory, Plugin};
use ravenry_agent::runner::{Runner, complaint};
use ravenry_plugins::clock;
use ravenry_plugins::declaration::{Attributes, Declaration};
use ravenry_plugins::graph as resolve;
use ravenry_plugins::munin::{
    Parsed, PluginSample, parse_config, parse_fetch, printed_reading, text_of,
};
use ravenry_plugins::name::{FieldName, GraphName};
use ravenry_plugins::problem::Problem;
use ravenry_plugins::timestamp::Timestamp;
use serde::{Serialize, Serializer};

use crate::{At, configuration, show};

#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// Plugins to run, by path
    #[arg(value_name = "PLUGIN", required_unless_present_any = ["config", "fetch"])]
    plugins: Vec<PathBuf>,
    /// Read what a plugin printed for config from this file, instead of running one
    #[arg(long, value_name = "FILE", conflicts_with = "plugins")]
    config: Option<PathBuf>,
    /// Read what a plugin printed for fetch from this file, instead of running one
    #[arg(long, value_name = "FILE", conflicts_with = "plugins")]
    fetch: Option<PathBuf>,
    /// The plugin's name, which names its graph [default: the file's, without .config or .fetch]
    #[arg(long, conflicts_with = "plugins")]
    name: Option<String>,
    /// The agent's configuration file, whose settings count for plugins that are run [default:
    /// /etc/ravenry/agent.toml where there is one]
    #[arg(short = 'c', long = "agent-config", value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Print JSON, one document a plugin
    #[arg(long)]
    json: bool,
}

/// Bytes of a recorded output that are read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Exit code 1 when there is a problem.
pub(crate) async fn lint(lint: Lint) -> anyhow::Result<ExitCode> {
    if lint.plugins.is_empty() {
        return tell(&recorded(&lint)?, lint.json);
    }
    let agent = configuration(&At { file: lint.agent })?;
    let mut code = ExitCode::SUCCESS;
    for path in &lint.plugins {
        let report = live(path, agent.clone()).await;
        let report = report.unwrap_or_else(|error| Report::of_none(path, &error));
        if tell(&report, lint.json)? == ExitCode::FAILURE {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

fn tell(report: &Report, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        show(&format!("{}\n", serde_json::to_string(report)?))?;
    } else {
        show(&report.text())?;
    }
    Ok(if report.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn recorded(lint: &Lint) -> anyhow::Result<Report> {
    let Some(file) = lint.config.as_ref().or(lint.fetch.as_ref()) else {
        bail!("expected a file")
    };
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let name = lint.name.as_deref().or(stem).unwrap_or("plugin");
    let graph = GraphName::of_plugin(name)
        .with_context(|| format!("no graph can be named after {name:?}: expected --name"))?;
    let read = |file: &Option<PathBuf>| match file {
        Some(file) => read(file).with_context(|| format!("{}: cannot be read", file.display())),
        None => Ok(Vec::new()),
    };
    let (config, fetch) = (read(&lint.config)?, read(&lint.fetch)?);
    let config = Reply::config(&text_of(&config), &graph, None);
    let fetch = Reply::fetch(&text_of(&fetch), &graph, None);
    Ok(Report::new(name.to_owned(), config, fetch))
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(file)?
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Runs the plugin at `path` as the agent would, with what `plugin-conf.d` says.
async fn live(path: &Path, mut config: Config) -> anyhow::Result<Report> {
    let absolute = std::path::absolute(path)?;
    let name = absolute
        .file_name()
        .and_then(|name| name.to_str())
        .context("expected a plugin's path")?
        .to_owned();
    config.bundled = Bundled::Off;
    config.plugin_dir = absolute.parent().map(Path::to_owned);
    let scan = Directory::new(&config).scan(clock::monotonic());
    let Some(plugin) = scan.plugins.iter().find(|plugin| *plugin.name == *name) else {
        let ignored = scan.ignored.iter().find(|ignored| ignored.name == name);
        let why = ignored.map_or_else(
            || "there is no such file".to_owned(),
            |ignored| ignored.why.to_owned(),
        );
        return Err(anyhow!("{}: {why}", path.display()));
    };
    let runner = Runner::new(&config);
    let (text, failed) = output(&runner, plugin, Some("config")).await;
    let config = Reply::config(&text_of(&text), &plugin.graph, failed);
    let fetch = if config.samples.is_empty() {
        let (text, failed) = output(&runner, plugin, None).await;
        Reply::fetch(&text_of(&text), &plugin.graph, failed)
    } else {
        Reply::default()
    };
    Ok(Report::new(name, config, fetch))
}

/// What the plugin printed, and how it failed if it did. The output is looked at all the same: a person wants to see it.
async fn output(
    runner: &Runner,
    plugin: &Plugin,
    word: Option<&'static str>,
) -> (Vec<u8>, Option<Problem>) {
    let source = word.unwrap_or("fetch");
    if plugin.kind == ravenry_agent::directory::Kind::Bundled {
        return match runner.print_bundled(plugin, word).await {
            Ok(text) => (text.into_bytes(), None),
            Err(why) => (Vec::new(), Some(Problem::new(source, 0, why))),
        };
    }
    let result = runner.print(plugin, word).await;
    let failed = !result.outcome.succeeded() || result.outcome.notice().is_some();
    let why = || format!("{}{}", result.outcome, complaint(&result.stderr));
    let problem = failed.then(|| Problem::new(source, 0, why()));
    (result.stdout, problem)
}

#[derive(Debug, Serialize)]
struct Report {
    #[serde(skip)]
    name: String,
    graphs: Vec<Graph>,
    samples: Vec<Sample>,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Graph {
    name: GraphName,
    #[serde(serialize_with = "as_map")]
    attributes: Attributes,
    fields: Vec<Field>,
}

#[derive(Debug, Serialize)]
struct Field {
    name: FieldName,
    #[serde(serialize_with = "as_map")]
    attributes: Attributes,
}

#[derive(Debug, Serialize)]
struct Sample {
    graph: GraphName,
    field: FieldName,
    time: Option<Timestamp>,
    /// As it was printed.
    value: String,
    #[serde(skip)]
    line: u32,
}

fn as_map<S: Serializer>(attributes: &Attributes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(attributes.iter())
}

/// What was understood of one output.
#[derive(Default)]
struct Reply {
    declarations: Vec<Declaration>,
    samples: Vec<Sample>,
    problems: Vec<Problem>,
}

impl Reply {
    /// `failed` is what the run itself had to say.
    fn config(text: &str, plugin: &GraphName, failed: Option<Problem>) -> Self {
        let mut parsed = parse_config(text, plugin);
        for declaration in &parsed.declarations {
            let place = |field: Option<&FieldName>, attribute: &str| {
                let line = parsed.lines.of(&declaration.graph, field, attribute);
                Problem::new("config", line, "")
            };
            if declaration.attributes.text("graph_title").is_none() {
                let text = format!(
                    "graph {}: expected a graph_title, found none",
                    declaration.graph
                );
                let problem = Problem {
                    text,
                    ..place(None, "graph_title")
                };
                parsed.problems.push(problem);
            }
            let (_, problems) = resolve::Graph::resolve_from(declaration, &place);
            parsed.problems.extend(problems);
        }
        Self::new(text, parsed, failed)
    }

    fn fetch(text: &str, plugin: &GraphName, failed: Option<Problem>) -> Self {
        Self::new(text, parse_fetch(text, plugin), failed)
    }

    fn new(text: &str, parsed: Parsed, failed: Option<Problem>) -> Self {
        let lines: Vec<&str> = text.split('\n').collect();
        let samples = parsed.samples.into_iter();
        let mut problems: Vec<Problem> = failed.into_iter().chain(parsed.problems).collect();
        problems.sort_by_key(|problem| problem.line);
        Self {
            declarations: parsed.declarations,
            samples: samples.map(|sample| Sample::of(sample, &lines)).collect(),
            problems,
        }
    }
}

impl Sample {
    fn of(sample: PluginSample, lines: &[&str]) -> Self {
        let printed = printed_reading(lines, &sample);
        Self {
            value: printed.map_or_else(|| sample.reading.to_string(), str::to_owned),
            graph: sample.graph,
            field: sample.field,
            time: sample.time,
            line: sample.line,
        }
    }
}

/// What is only seen with both outputs at hand: readings of fields that were not declared, and fields without a reading in
/// a graph that has some.
fn compare(config: &Reply, fetch: &Reply) -> Vec<Problem> {
    let declared: HashSet<_> = config
        .declarations
        .iter()
        .flat_map(|graph| {
            graph
                .fields
                .iter()
                .map(|field| (&graph.graph, &field.field))
        })
        .collect();
    let read: HashSet<_> = fetch
        .samples
        .iter()
        .map(|one| (&one.graph, &one.field))
        .collect();
    let graphs: HashSet<_> = fetch.samples.iter().map(|sample| &sample.graph).collect();
    let undeclared = fetch
        .samples
        .iter()
        .filter(|sample| !declared.contains(&(&sample.graph, &sample.field)))
        .map(|sample| {
            let text = format!(
                "field {}: expected a field that config declares",
                sample.field
            );
            Problem::new("fetch", sample.line, text)
        });
    let unread = declared
        .iter()
        .filter(|(graph, field)| graphs.contains(graph) && !read.contains(&(*graph, *field)))
        .map(|(graph, field)| {
            let text = format!("field {field}: graph {graph} has readings, and none of this field");
            Problem::new("fetch", 0, text)
        });
    let mut problems: Vec<Problem> = undeclared.chain(unread).collect();
    problems.sort_by(|a, b| (a.line, &a.text).cmp(&(b.line, &b.text)));
    problems
}

impl Report {
    /// Of a plugin that could not be run at all.
    fn of_none(path: &Path, error: &anyhow::Error) -> Self {
        Self {
            name: path.display().to_string(),
            graphs: Vec::new(),
            samples: Vec::new(),
            problems: vec![Problem::new("config", 0, format!("{error:#}"))],
        }
    }

    fn new(name: String, config: Reply, fetch: Reply) -> Self {
        let compared = if config.declarations.is_empty() || fetch.samples.is_empty() {
            Vec::new()
        } else {
            compare(&config, &fetch)
        };
        let problems = config.problems.into_iter().chain(fetch.problems);
        Self {
            name,
            graphs: config.declarations.into_iter().map(Graph::from).collect(),
            samples: config.samples.into_iter().chain(fetch.samples).collect(),
            problems: problems.chain(compared).collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.name);
        for graph in &self.graphs {
            let title = graph.attributes.text("graph_title").unwrap_or("(no title)");
            text.push_str(&format!("  graph {}: {title}\n", graph.name));
            for field in &graph.fields {
                let label = field.attributes.text("label").unwrap_or("(no label)");
                let mut of = self
                    .samples
                    .iter()
                    .filter(|s| s.graph == graph.name && s.field == field.name);
                let value = of.next().map_or("no value", |sample| &sample.value);
                text.push_str(&format!("    {:<24} {value:>20}  {label}\n", field.name));
            }
        }
        for problem in &self.problems {
            text.push_str(&format!("  {problem}\n"));
        }
        text
    }
}

impl From<Declaration> for Graph {
    fn from(declaration: Declaration) -> Self {
        let fields = declaration.fields.into_iter();
        let mut attributes = declaration.attributes;
        if let Some(host) = &declaration.host {
            attributes.keep_first("host_name", host.as_str());
        }
        Self {
            name: declaration.graph,
            attributes,
            fields: fields
                .map(|field| Field {
                    name: field.field,
                    attributes: field.attributes,
                })
                .collect(),
        }
    }
}
