//! `ravenry-agent lint`: what is understood of plugins' output, and every problem with its line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use ravenry_agent::config::{Bundled, Config, Surroundings};
use ravenry_agent::directory::{Directory, Plugin};
use ravenry_agent::runner::Runner;
use ravenry_plugins::clock;
use ravenry_plugins::declaration::{Attributes, Declaration};
use ravenry_plugins::munin::{Parsed, parse_config, parse_fetch, text_of};
use ravenry_plugins::name::{FieldName, GraphName};
use ravenry_plugins::problem::Problem;
use ravenry_plugins::timestamp::Timestamp;
use serde::{Serialize, Serializer};

use crate::show;

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
    /// The plugin's name, which names its graph [default: the file's, up to its first dot]
    #[arg(long, conflicts_with = "plugins")]
    name: Option<String>,
    /// Print JSON, one document a plugin
    #[arg(long)]
    json: bool,
}

/// Bytes of a recorded output that are read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Exit code 1 when there is a problem.
pub(crate) async fn lint(lint: Lint) -> anyhow::Result<ExitCode> {
    let mut clean = true;
    for report in reports(&lint).await? {
        clean &= report.problems.is_empty();
        if lint.json {
            show(&format!("{}\n", serde_json::to_string(&report)?))?;
        } else {
            show(&report.text())?;
        }
    }
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn reports(lint: &Lint) -> anyhow::Result<Vec<Report>> {
    if lint.plugins.is_empty() {
        return Ok(vec![recorded(lint)?]);
    }
    let mut reports = Vec::with_capacity(lint.plugins.len());
    for path in &lint.plugins {
        reports.push(live(path).await?);
    }
    Ok(reports)
}

fn recorded(lint: &Lint) -> anyhow::Result<Report> {
    let Some(file) = lint.config.as_ref().or(lint.fetch.as_ref()) else {
        bail!("expected a file")
    };
    let stem = file
        .file_name()
        .and_then(|name| name.to_str()?.split('.').next())
        .unwrap_or("plugin");
    let name = GraphName::new(lint.name.as_deref().unwrap_or(stem))?;
    let read = |file: &Option<PathBuf>| match file {
        Some(file) => read(file).with_context(|| format!("{}: cannot be read", file.display())),
        None => Ok(Vec::new()),
    };
    let (config, fetch) = (read(&lint.config)?, read(&lint.fetch)?);
    Ok(Report::new(
        name.to_string(),
        parse_config(&text_of(&config), &name),
        parse_fetch(&text_of(&fetch), &name),
    ))
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
async fn live(path: &Path) -> anyhow::Result<Report> {
    let absolute = std::path::absolute(path)?;
    let name = absolute
        .file_name()
        .and_then(|name| name.to_str())
        .context("expected a plugin's path")?
        .to_owned();
    let mut config = Config::defaults(&Surroundings::of_this_process());
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
    let (config, failed) = output(&runner, plugin, Some("config")).await;
    let mut parsed = parse_config(&text_of(&config), &plugin.graph);
    parsed.problems.extend(failed);
    let fetched = if parsed.samples.is_empty() {
        let (fetch, failed) = output(&runner, plugin, None).await;
        let mut fetched = parse_fetch(&text_of(&fetch), &plugin.graph);
        fetched.problems.extend(failed);
        fetched
    } else {
        Parsed::default()
    };
    Ok(Report::new(name, parsed, fetched))
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
    (
        result.stdout,
        failed.then(|| Problem::new(source, 0, result.outcome.to_string())),
    )
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
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<ravenry_plugins::name::HostName>,
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
    value: String,
}

fn as_map<S: Serializer>(attributes: &Attributes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(attributes.iter())
}

impl Report {
    fn new(name: String, config: Parsed, fetch: Parsed) -> Self {
        let samples = config
            .samples
            .into_iter()
            .chain(fetch.samples)
            .map(|sample| Sample {
                graph: sample.graph,
                field: sample.field,
                time: sample.time,
                value: sample.reading.to_string(),
            });
        Self {
            name,
            graphs: config.declarations.into_iter().map(Graph::from).collect(),
            samples: samples.collect(),
            problems: config.problems.into_iter().chain(fetch.problems).collect(),
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
        Self {
            name: declaration.graph,
            host: declaration.host,
            attributes: declaration.attributes,
            fields: fields
                .map(|field| Field {
                    name: field.field,
                    attributes: field.attributes,
                })
                .collect(),
        }
    }
}
