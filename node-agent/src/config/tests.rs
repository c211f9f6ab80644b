use expect_test::{Expect, expect};

use super::*;

fn surroundings() -> Surroundings {
    Surroundings {
        hostname: "web1".to_owned(),
        state_dir: PathBuf::from("/state"),
    }
}

fn problems_of(text: &str, surroundings: &Surroundings) -> String {
    match parse(text, "agent.toml", surroundings) {
        Ok(draft) => format!("{:#?}", draft.config),
        Err(problems) => problems
            .iter()
            .map(|problem| format!("{problem}\n"))
            .collect(),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a snapshot is made where it is used"
)]
fn check(text: &str, expect: Expect) {
    expect.assert_eq(&problems_of(text, &surroundings()));
}

#[test]
fn nothing_said_is_an_agent_on_its_defaults() {
    check(
        "",
        expect![[r#"
            Config {
                host: "web1",
                collectors: [],
                token: None,
                plugin_dir: None,
                check_dir: None,
                checks: [],
                plugin_conf_dir: None,
                state_dir: "/state",
                interval: 60s,
                timeout: 30s,
                concurrency_max: 16,
                bundled: Auto,
                spool_bytes_max: 268435456,
                munin_node: None,
                exec_helper: None,
                gone_after: 120s,
            }"#]],
    );
}

#[test]
fn everything_can_be_said() {
    let text = r#"
        host = "db-1.example.net"
        collector = "https://ravenry.example.net/base"
        token = "s3cret"
        plugin_dir = "/etc/munin/plugins"
        plugin_conf_dir = "/etc/munin/plugin-conf.d"
        state_dir = "/var/lib/agent"
        interval = "5m"
        timeout = 20
        concurrency = 4
        bundled = ["cpu", "if_eth0"]
        spool_size = "2 GB"
    "#;
    let config = parse(text, "agent.toml", &surroundings()).unwrap().config;
    assert_eq!(config.host.as_str(), "db-1.example.net");
    assert_eq!(
        config.collectors[0].as_str(),
        "https://ravenry.example.net/base"
    );
    assert_eq!(config.token, Some("s3cret".parse().unwrap()));
    assert_eq!(config.plugin_dir, Some(PathBuf::from("/etc/munin/plugins")));
    assert_eq!(
        config.plugin_conf_dir,
        Some(PathBuf::from("/etc/munin/plugin-conf.d"))
    );
    assert_eq!(config.state_dir, PathBuf::from("/var/lib/agent"));
    assert_eq!(config.interval, Duration::from_secs(300));
    assert_eq!(config.timeout, Duration::from_secs(20));
    assert_eq!(config.concurrency_max, 4);
    assert_eq!(
        config.bundled,
        Bundled::These(vec!["cpu".to_owned(), "if_eth0".to_owned()])
    );
    assert_eq!(config.spool_bytes_max, 2 << 30);
}

#[test]
fn every_problem_is_named_with_its_line() {
    check(
        r#"
host = "../etc"
colector = "http://x"
collector = "ftp://x"
interval = "5 years"
timeout = 0
concurrency = "many"
bundled = ["cpu", 3]
spool_size = -1
state_dir = "here"
[groups]
a = 1
"#,
        expect![[r#"
            agent.toml:2: host: host name "../etc": expected 1 to 253 letters, digits, '.', '-', '_', beginning with a letter or digit, without '..'
            agent.toml:3: colector: unknown key; expected one of: host, collector, token, token_file, plugin_dir, check_dir, check, plugin_conf_dir, state_dir, interval, timeout, concurrency, bundled, spool_size, munin_node
            agent.toml:4: collector: expected an address like https://ravenry.example.net:4950, found "ftp://x"
            agent.toml:5: interval: expected a duration such as 30, "90s", "5m", "36h", "7d", found the text "5 years"
            agent.toml:6: timeout: expected a duration from 1s to 1h, found 0s
            agent.toml:7: concurrency: expected a whole number, found the text "many"
            agent.toml:8: bundled: expected a text or a list of texts, found the integer 3
            agent.toml:9: spool_size: expected a size such as 4096, "64 KB", "16 MB", found the integer -1
            agent.toml:10: state_dir: expected an absolute path, found "here"
            agent.toml:11: groups: unknown key; expected one of: host, collector, token, token_file, plugin_dir, check_dir, check, plugin_conf_dir, state_dir, interval, timeout, concurrency, bundled, spool_size, munin_node
        "#]],
    );
}

#[test]
fn a_syntax_error_does_not_hide_other_lines() {
    check(
        "interval = \nhost = 5\n",
        expect![[r#"
        agent.toml:1: string values must be quoted, expected literal string
        agent.toml:1: interval: expected a duration such as 30, "90s", "5m", "36h", "7d", found the text ""
        agent.toml:2: host: expected a text, found the integer 5
    "#]],
    );
}

#[test]
fn a_token_is_never_shown() {
    check(
        "token = \"a b\"\ntoken_file = 1\n",
        expect![[r#"
        agent.toml:1: token: expected 1 to 512 visible ASCII characters
        agent.toml:2: token_file: expected a text, found the integer 1
    "#]],
    );
    let token: Token = "s3cret".parse().unwrap();
    assert_eq!(format!("{token:?}"), "Token(..)");
}

#[test]
fn a_host_without_a_name_must_be_given_one() {
    let nameless = Surroundings {
        hostname: "(none)".to_owned(),
        ..surroundings()
    };
    assert!(problems_of("", &nameless).starts_with("agent.toml:1: host: not set"));
    assert!(parse("host = \"web1\"", "agent.toml", &nameless).is_ok());
}

#[test]
fn a_token_file_is_read_and_a_missing_one_is_a_problem_of_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("agent.toml");
    let token = dir.path().join("token");
    std::fs::write(
        &file,
        format!(
            "interval = 10\ntoken_file = {:?}\n",
            token.display().to_string()
        ),
    )
    .unwrap();
    let problems = load(&file, &surroundings()).unwrap_err();
    assert!(problems[0].source.ends_with("/token"), "{}", problems[0]);
    assert!(
        problems[0].text.contains("cannot be read"),
        "{}",
        problems[0]
    );
    std::fs::write(&token, "s3cret\n").unwrap();
    assert_eq!(
        load(&file, &surroundings()).unwrap().token,
        Some("s3cret".parse().unwrap())
    );
}

#[test]
fn a_check_is_a_line_for_the_shell_or_a_program_with_arguments() {
    let text = r#"
        check_dir = "/etc/nagios-plugins.d"
        [[check]]
        name = "check_disk"
        command = "/usr/lib/nagios/plugins/check_disk -w 10% -c 5% -p /"
        interval = "5m"
        timeout = 10
        user = "root"
        [[check]]
        name = "ping"
        host = "router1"
        command = ["/usr/lib/nagios/plugins/check_ping", "-H", "router1"]
    "#;
    let config = parse(text, "agent.toml", &surroundings()).unwrap().config;
    let [disk, ping] = &config.checks[..] else {
        panic!("{:?}", config.checks);
    };
    assert_eq!(disk.command[..2], ["/bin/sh", "-c"]);
    assert_eq!(disk.settings.update_rate, Some(Duration::from_secs(300)));
    assert_eq!(disk.settings.timeout, Some(Duration::from_secs(10)));
    assert_eq!(disk.settings.user.as_deref(), Some("root"));
    assert_eq!(ping.command.len(), 3);
    let host = ping.settings.host_name.as_ref().map(HostName::as_str);
    assert_eq!(host, Some("router1"));
}

#[test]
fn a_check_without_its_name_or_command_is_refused() {
    check(
        r#"
[[check]]
name = "a/b"
command = "true"
[[check]]
command = "true"
[[check]]
name = "x"
command = ""
[[check]]
name = "x"
command = ["a", "b"]
colour = "red"
        "#,
        expect![[r#"
            agent.toml:3: check.name: graph name "a/b": expected 1 to 150 letters, digits, '_', '-', '.', ':', without a leading, trailing or double '.', and not 'multigraph'
            agent.toml:5: check.name: expected one, found none
            agent.toml:9: check.command: expected a command line, or a program and its arguments, found nothing
            agent.toml:11: check.name: expected each check once, found x again
            agent.toml:13: check.colour: unknown key; expected one of: name, command, user, timeout, host, interval
        "#]],
    );
}
