//! An agent with real plugins and a collector that comes and goes.

use ravenry_plugins::wire::{Batch, RunReport};

use support::{Agent, Answer, Collector, Home, free_address, lines, noting, until, values};

mod support;

fn report_of<'a>(batches: &'a [Batch], plugin: &str) -> Option<&'a RunReport> {
    let mut runs = batches
        .iter()
        .rev()
        .flat_map(|batch| batch.runs.iter().rev());
    runs.find(|run| run.plugin == plugin)
}

fn error_of(batches: &[Batch], plugin: &str) -> String {
    report_of(batches, plugin)
        .and_then(|run| run.error.clone())
        .unwrap_or_default()
}

#[tokio::test]
async fn what_is_read_while_the_collector_is_away_arrives_in_order_with_its_true_times() {
    let home = Home::new();
    home.plugin("notes", &noting(&home));
    let address = free_address().await;
    let agent = Agent::start(home.config(), address);
    let notes = home.path("notes");
    until("five runs without a collector", || lines(&notes).len() >= 5).await;
    let away = lines(&notes).len();
    let mut collector = Collector::start(address, Answer::Take).await;
    let batches = collector
        .taken(|taken| values(taken, "notes").len() > away + 1)
        .await;
    agent.stop().await;

    let values = values(&batches, "notes");
    let expected: Vec<(f64, i64)> = lines(&notes)
        .iter()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(n, time)| (n.parse().unwrap(), time.parse().unwrap()))
        .collect();
    let mut before = 0;
    for ((value, time), (n, noted)) in values.iter().zip(&expected) {
        // It was read after the one before had been noted, and noted after it was read.
        assert!(
            value == n && (before - 1..=noted + 1).contains(time),
            "read {n} at {noted}, arrived {value} at {time}"
        );
        before = *noted;
    }
    let sequences: Vec<u64> = batches
        .iter()
        .map(|batch| batch.key.as_ref().unwrap().sequence)
        .collect();
    let counted: Vec<u64> = (1..=sequences.len() as u64).collect();
    assert_eq!(sequences, counted, "each batch once and in order");
    assert_eq!(
        batches[0].graphs.len(),
        1,
        "the first batch declares the graph"
    );
}

#[tokio::test]
async fn what_a_stopped_agent_left_is_sent_by_the_next_under_its_old_key() {
    let home = Home::new();
    home.plugin("notes", &noting(&home));
    let address = free_address().await;
    let agent = Agent::start(home.config(), address);
    let notes = home.path("notes");
    let batch_is_on_disk = || {
        let spooled = std::fs::read_dir(home.path("state/spool"));
        let spooled = spooled.into_iter().flatten().flatten();
        spooled
            .filter_map(|file| file.metadata().ok())
            .any(|file| file.len() > 100)
    };
    until("two runs", || {
        lines(&notes).len() >= 2 && batch_is_on_disk()
    })
    .await;
    agent.stop().await;
    let mut collector = Collector::start(address, Answer::Take).await;
    let agent = Agent::start(home.config(), address);
    let batches = collector
        .taken(|taken| {
            taken
                .iter()
                .any(|batch| batch.key.as_ref().unwrap().incarnation == 2)
        })
        .await;
    agent.stop().await;
    let first = batches[0].key.as_ref().unwrap();
    assert_eq!((first.incarnation, first.sequence), (1, 1));
    assert_eq!(values(&batches, "notes")[0].0, 1.0);
}

#[tokio::test]
async fn a_refused_batch_is_dropped_counted_and_shown_and_the_next_goes_on() {
    let home = Home::new();
    home.plugin("notes", &noting(&home));
    let mut collector = Collector::start("127.0.0.1:0".parse().unwrap(), Answer::Refuse).await;
    let agent = Agent::start(home.config(), collector.address);
    until("a batch is refused", || collector.refused() > 0).await;
    collector.answer(Answer::Take);
    let batches = collector
        .taken(|taken| {
            error_of(taken, "ravenry-agent").contains("refused")
                && !values(taken, "notes").is_empty()
        })
        .await;
    agent.stop().await;
    let error = error_of(&batches, "ravenry-agent");
    assert!(
        error.contains("refused and dropped, the last one: HTTP 400: not today"),
        "{error}"
    );
}

#[tokio::test]
async fn an_agent_whose_id_is_another_ones_too_takes_a_new_one_and_loses_nothing() {
    let home = Home::new();
    home.plugin("notes", &noting(&home));
    let mut collector = Collector::start("127.0.0.1:0".parse().unwrap(), Answer::Duplicate).await;
    let agent = Agent::start(home.config(), collector.address);
    let batches = collector
        .taken(|taken| {
            values(taken, "notes").len() > 3
                && error_of(taken, "ravenry-agent").contains("another agent's")
        })
        .await;
    agent.stop().await;
    let mut read: Vec<f64> = values(&batches, "notes").iter().map(|(n, _)| *n).collect();
    read.sort_by(f64::total_cmp);
    let expected: Vec<f64> = (1..=read.len()).map(|n| n as f64).collect();
    assert_eq!(read, expected, "each reading once");
    let keys: std::collections::BTreeSet<(String, u64, u64)> = batches
        .iter()
        .filter_map(|batch| batch.key.clone())
        .map(|key| (key.agent, key.incarnation, key.sequence))
        .collect();
    assert_eq!(keys.len(), batches.len(), "each key once");
    let identity = std::fs::read_to_string(home.config().state_dir.join("identity.json")).unwrap();
    let last = batches.last().and_then(|batch| batch.key.as_ref()).unwrap();
    assert!(identity.contains(&last.agent), "{identity}");
}

#[tokio::test]
async fn every_bad_plugin_costs_itself_and_says_why() {
    let home = Home::new();
    home.plugin(
        "good",
        "if [ \"$1\" = config ]; then echo graph_title G; echo a.label a; else echo a.value 1; fi",
    );
    home.plugin("hangs", "sleep 1000");
    let settings = home.path("plugin-conf.d").join("hangs");
    std::fs::write(settings, "[hangs]\ntimeout 2\n").unwrap();
    home.plugin("garbage", "head -c 3000 /dev/urandom");
    home.plugin("fails", "echo 'no such database' >&2; exit 1");
    home.plugin("floods", "yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    home.plugin("forks", "if [ \"$1\" = config ]; then echo graph_title F; echo a.label a; else echo a.value 2; sleep 1000 & fi");
    let mut collector = Collector::start("127.0.0.1:0".parse().unwrap(), Answer::Take).await;
    let agent = Agent::start(home.config(), collector.address);
    let all = ["good", "hangs", "garbage", "fails", "floods", "forks"];
    let batches = collector
        .taken(|taken| all.iter().all(|name| report_of(taken, name).is_some()))
        .await;
    agent.stop().await;
    assert_eq!(values(&batches, "good")[0].0, 1.0);
    assert_eq!(values(&batches, "forks")[0].0, 2.0);
    let check = |plugin: &str, expect: &str| {
        let error = error_of(&batches, plugin);
        assert!(error.contains(expect), "{plugin}: {error:?}");
    };
    check("good", "");
    check("hangs", "config: timed out after 2 s");
    check("garbage", "config: declares no field");
    check("fails", "config: exited with code 1: no such database");
    check("floods", "config: printed more than");
    assert!(!report_of(&batches, "garbage").unwrap().problems.is_empty());
    let forks = report_of(&batches, "forks").unwrap();
    assert!(
        forks
            .problems
            .iter()
            .any(|problem| problem.text.contains("kept its output open")),
        "{forks:?}"
    );
}

#[tokio::test]
async fn a_plugin_directory_that_is_not_there_is_shown_and_bundled_plugins_go_on() {
    let home = Home::new();
    std::fs::remove_dir(home.path("plugins")).unwrap();
    let mut config = home.config();
    config.bundled = ravenry_agent::config::Bundled::These(vec!["load".to_owned()]);
    let mut collector = Collector::start("127.0.0.1:0".parse().unwrap(), Answer::Take).await;
    let agent = Agent::start(config, collector.address);
    let batches = collector
        .taken(|taken| !values(taken, "load").is_empty())
        .await;
    agent.stop().await;
    let error = error_of(&batches, "ravenry-agent");
    assert!(
        error.contains("expected a directory of plugins that can be read"),
        "{error}"
    );
}

#[tokio::test]
async fn a_stop_ends_running_plugins() {
    let home = Home::new();
    let pid = home.path("pid");
    std::fs::write(&pid, "").unwrap();
    std::fs::set_permissions(&pid, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    home.plugin("hangs", &format!("echo $$ > {}; sleep 1000", pid.display()));
    let mut config = home.config();
    config.timeout = std::time::Duration::from_secs(600);
    let agent = Agent::start(config, free_address().await);
    until("the plugin runs", || !lines(&pid).is_empty()).await;
    let process = format!("/proc/{}/stat", lines(&pid)[0]);
    agent.stop().await;
    let gone = || match std::fs::read_to_string(&process) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    until("the plugin is gone", gone).await;
}

#[tokio::test]
async fn a_second_agent_on_the_same_state_directory_is_refused() {
    let home = Home::new();
    let mut collector = Collector::start("127.0.0.1:0".parse().unwrap(), Answer::Take).await;
    home.plugin("notes", &noting(&home));
    let first = Agent::start(home.config(), collector.address);
    collector.taken(|taken| !taken.is_empty()).await;
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let uplink = ravenry_agent::uplink::Uplink::Local(tokio::sync::mpsc::channel(1).0);
    let error = ravenry_agent::agent::run(home.config(), uplink, stopped)
        .await
        .unwrap_err()
        .to_string();
    first.stop().await;
    assert!(error.contains("found another agent at work"), "{error}");
}

#[tokio::test]
async fn a_plugin_that_was_removed_is_gone_also_when_no_agent_ran_meanwhile() {
    let home = Home::new();
    home.plugin("notes", &noting(&home));
    home.plugin("other", &noting(&home));
    let mut collector = Collector::start("127.0.0.1:0".parse().unwrap(), Answer::Take).await;
    let agent = Agent::start(home.config(), collector.address);
    let both = |taken: &[Batch]| {
        ["notes", "other"]
            .iter()
            .all(|name| !values(taken, name).is_empty())
    };
    collector.taken(both).await;
    agent.stop().await;
    std::fs::remove_file(home.path("plugins").join("other")).unwrap();
    let mut config = home.config();
    config.gone_after = std::time::Duration::ZERO;
    let agent = Agent::start(config, collector.address);
    let batches = collector
        .taken(|taken| taken.iter().any(|batch| !batch.gone.is_empty()))
        .await;
    agent.stop().await;
    let gone: Vec<String> = batches
        .iter()
        .flat_map(|batch| &batch.gone)
        .map(|gone| format!("{:?}", gone.what))
        .collect();
    assert_eq!(gone, [r#"Graph("other")"#, r#"Plugin("other")"#]);
}
