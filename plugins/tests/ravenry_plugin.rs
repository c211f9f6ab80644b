//! The program `ravenry-plugin`: what it answers to which words, and with which exit code.

#![expect(clippy::unwrap_used, reason = "in a test, panicking is reporting")]

use std::process::{Command, Output};

#[expect(
    clippy::disallowed_methods,
    reason = "the test is about this program's command line"
)]
fn call(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ravenry-plugin"))
        .args(words)
        .env_clear()
        .output()
        .unwrap()
}

fn check(words: &[&str], code: i32, stdout: &str, stderr: &str) {
    let output = call(words);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
    assert!(
        text(&output.stdout).contains(stdout),
        "{words:?}: {output:?}"
    );
    assert_eq!(text(&output.stderr), stderr, "{words:?}");
}

#[test]
fn plugins_answer() {
    check(&["load"], 0, "load.value ", "");
    check(&["load", "fetch"], 0, "load.value ", "");
    check(&["load", "config"], 0, "graph_title Load average\n", "");
    check(&["load", "autoconf"], 0, "yes\n", "");
    check(&["load", "suggest"], 0, "", "");
    check(&["if_lo", "config"], 0, "graph_title lo traffic\n", "");
}

#[test]
fn help_lists_the_plugins() {
    for words in [&[][..], &["--help"], &["help"]] {
        check(
            words,
            0,
            "  df_inode       how many of the file systems' inodes are used\n",
            "",
        );
    }
}

#[test]
fn calls_without_sense_exit_with_2_and_plugins_that_cannot_with_1() {
    check(
        &["lod"],
        2,
        "",
        "ravenry-plugin: \"lod\" is no bundled plugin; `ravenry-plugin --help` lists them\n",
    );
    check(
        &["load", "snmpconf"],
        2,
        "",
        "ravenry-plugin: load: expected config, autoconf, suggest, fetch or nothing, found \"snmpconf\"\n",
    );
    check(
        &["if_", "config"],
        1,
        "",
        "ravenry-plugin: if_: if_: expected an instance behind the name, as in if_eth0, found none\n",
    );
    check(
        &["diskstats"],
        1,
        "",
        "ravenry-plugin: diskstats: diskstats needs a state directory (MUNIN_PLUGSTATE), found none\n",
    );
}
