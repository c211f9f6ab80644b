//! `ravenry-agent once`: every plugin once, and what would be pushed on the terminal.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use ravenry_agent::config::Config;
use ravenry_agent::directory::Directory;
use ravenry_agent::gather::Gather;
use ravenry_agent::runner::Runner;
use ravenry_plugins::clock;
use ravenry_plugins::wire::Batch;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::show;

/// Runs every plugin once. Fails when one of them did, or there is none.
pub(crate) async fn once(config: Config, json: bool) -> anyhow::Result<ExitCode> {
    let now = clock::monotonic();
    let scan = Directory::new(&config).scan(now);
    let runner = Runner::new(&config);
    let room = Arc::new(Semaphore::new(config.concurrency_max));
    let mut runs = JoinSet::new();
    for plugin in &scan.plugins {
        let (run, room) = (runner.run(plugin, true), room.clone());
        runs.spawn(async move {
            let _room = room.acquire().await;
            run.await
        });
    }
    let mut gather = Gather::new(now, config.host, config.interval);
    let mut finished = runs.join_all().await;
    finished.sort_by(|a, b| a.plugin.cmp(&b.plugin));
    for run in finished {
        gather.handle_run(now, run);
    }
    let batches = gather.drain();
    for batch in &batches {
        if json {
            show(&format!("{}\n", serde_json::to_string_pretty(batch)?))?;
        } else {
            show(&table(batch))?;
        }
    }
    let problems: Vec<String> = scan
        .problems
        .iter()
        .map(ToString::to_string)
        .chain(complaints(&batches))
        .collect();
    for problem in &problems {
        eprintln!("{problem}");
    }
    let failed = batches
        .iter()
        .flat_map(|batch| &batch.runs)
        .any(|run| run.error.is_some());
    Ok(
        if !failed && scan.problems.is_empty() && !batches.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        },
    )
}

fn complaints(batches: &[Batch]) -> impl Iterator<Item = String> {
    batches
        .iter()
        .flat_map(|batch| &batch.runs)
        .flat_map(|run| {
            let error = run
                .error
                .iter()
                .map(|error| format!("{}: {error}", run.plugin));
            let problems = run
                .problems
                .iter()
                .map(|problem| format!("{}: {problem}", run.plugin));
            error.chain(problems)
        })
}

/// One line a sample: host, graph, field, reading, label; then one a verdict: host, check, verdict, what it said.
fn table(batch: &Batch) -> String {
    let mut labels = BTreeMap::new();
    for graph in &batch.graphs {
        for field in &graph.fields {
            let label = field.attributes.text("label").unwrap_or_default();
            labels.insert((graph.host.as_ref(), &graph.graph, &field.field), label);
        }
    }
    let mut text = String::new();
    for (index, value) in batch.samples.series.iter().zip(&batch.samples.value) {
        let at = *index as usize;
        let (Some(graph), Some(field)) = (batch.series.graph.get(at), batch.series.field.get(at))
        else {
            continue;
        };
        let host = batch.series.host.get(at).and_then(Option::as_ref);
        let label = labels
            .get(&(host, graph, field))
            .copied()
            .unwrap_or_default();
        let name = format!("{graph}.{field}");
        let line = format!(
            "{:<16} {name:<40} {:>20}  {label}",
            host.unwrap_or(&batch.host),
            value.to_string()
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for report in &batch.verdicts {
        let host = report.host.as_ref().unwrap_or(&batch.host);
        let said = report.text.lines().next().unwrap_or_default();
        let line = format!(
            "{host:<16} {:<40} {:>20}  {said}",
            report.check, report.verdict
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
