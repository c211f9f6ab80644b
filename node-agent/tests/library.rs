//! What plugins share, ours beside Munin's: every plugin of Debian's packages that uses it answers alike with both. And what
//! `lint` says of those that offer themselves for every host.
//!
//! Needs munin-plugins-core. Without it the tests say so and pass, unless `RAVENRY_TESTS_STRICT` is set.

#![expect(clippy::unwrap_used, reason = "in a test, panicking is reporting")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ravenry_agent::library::{Library, SHELL_FILE};
use ravenry_plugins::munin::offer::parse_markers;

const MUNIN: &str = "/usr/share/munin";

/// Plugins that are left out: two that ask the package manager, two that name Munin's directory in their answer.
const LEFT_OUT: [&str; 4] = ["apt", "apt_all", "munin_stats", "munin_update"];

fn munin_is_installed() -> bool {
    let there = Path::new(MUNIN).join(SHELL_FILE).exists();
    assert!(
        there || std::env::var_os("RAVENRY_TESTS_STRICT").is_none(),
        "munin-plugins-core is not installed"
    );
    if !there {
        println!("left out: munin-plugins-core is not installed");
    }
    there
}

/// Plugins that use what plugins share, and nothing that has to be installed for it.
fn users_of_the_library() -> Vec<PathBuf> {
    let mut plugins: Vec<PathBuf> = fs::read_dir(Path::new(MUNIN).join("plugins"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !LEFT_OUT.contains(&path.file_name().unwrap().to_str().unwrap()))
        .filter(|path| {
            let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
            let shell = text.contains("/plugins/plugin.sh") && !path.ends_with(SHELL_FILE);
            let perl = text.contains("use Munin::Plugin;");
            (shell || perl) && !text.contains("use Munin::Plugin::")
        })
        .collect();
    plugins.sort();
    plugins
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test runs plugins with one library and the other"
)]
fn spawn(program: &Path, words: &[&str], library: &Library, state: &Path) -> Output {
    let link = program.file_name().unwrap();
    Command::new("timeout")
        .arg("120")
        .arg(program)
        .args(words)
        .current_dir("/")
        .stdin(Stdio::null())
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .env("FQDN", "host.example")
        .env("PERL_HASH_SEED", "0")
        .env("MUNIN_LIBDIR", &library.shell_dir)
        .env("PERL5LIB", &library.perl_dir)
        .env("MUNIN_CAP_MULTIGRAPH", "1")
        .env("MUNIN_PLUGSTATE", state)
        .env("MUNIN_STATEFILE", state.join(link))
        .env("MUNIN_MASTER_IP", "-")
        .env("warning", "70%")
        .env("user_critical", "10:80%")
        .output()
        .unwrap()
}

/// What a plugin answered: its exit code and its lines, sorted, without the numbers, which change while one looks.
fn answer(output: &Output) -> (Option<i32>, Vec<String>) {
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers = |c: char| c.is_ascii_digit() || ".-+e".contains(c);
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| match line.split_once(".value ") {
            Some((field, _)) => format!("{field}.value"),
            None => line.split(numbers).collect::<Vec<_>>().join("#"),
        })
        .collect();
    lines.sort();
    (output.status.code(), lines)
}

#[test]
fn plugins_answer_alike_with_our_library_and_with_munins() {
    if !munin_is_installed() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let ours = Library::lay_out(&home.path().join("lib")).unwrap();
    let munins = Library {
        shell_dir: PathBuf::from(MUNIN),
        perl_dir: PathBuf::from("/nowhere"),
    };
    let plugins = users_of_the_library();
    assert!(plugins.len() >= 40, "{plugins:?}");
    let mut different = Vec::new();
    for plugin in &plugins {
        for words in [&["config"][..], &[], &["autoconf"]] {
            let both = || {
                [(&ours, "ours"), (&munins, "munins")].map(|(library, name)| {
                    let state = home.path().join(name);
                    fs::create_dir_all(&state).unwrap();
                    answer(&spawn(plugin, words, library, &state))
                })
            };
            // What the machine does may change between the two.
            let alike = (0..3).any(|_| {
                let [one, other] = both();
                one == other
            });
            if !alike {
                let [one, other] = both();
                different.push(format!("{plugin:?} {words:?}: {one:?} or {other:?}"));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Plugins that offer themselves for every host, whatever they find on this one.
fn automatic() -> Vec<PathBuf> {
    let mut plugins: Vec<PathBuf> = fs::read_dir(Path::new(MUNIN).join("plugins"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
            !LEFT_OUT.contains(&name)
                && !name.ends_with('_')
                && parse_markers(&text).family == "auto"
        })
        .collect();
    plugins.sort();
    plugins
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the program under test is started"
)]
fn lint_understands_every_automatic_plugin_of_the_packages() {
    if !munin_is_installed() {
        return;
    }
    let plugins = automatic();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("agent.toml");
    // Plugins of other users pass through it.
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(
        &file,
        format!("state_dir = {:?}\n", home.path().join("state")),
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ravenry-agent"))
        .args(["lint", "--json", "-c"])
        .arg(file)
        .args(&plugins)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let reports: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(reports.len(), plugins.len());
    let mut clean = 0;
    for (plugin, report) in plugins.iter().zip(&reports) {
        let part = |name: &str| report[name].as_array().unwrap();
        for problem in part("problems") {
            // Without a line are the end of a run and what is missing in it.
            let text = problem["text"].as_str().unwrap();
            let whole = ["exited with", "timed out", "was ", "field "];
            let has_line = problem["line"].as_u64().unwrap() > 0
                || whole.iter().any(|begin| text.starts_with(begin));
            assert!(has_line, "{plugin:?} {problem}");
        }
        let has_all = !part("graphs").is_empty() && !part("samples").is_empty();
        clean += usize::from(has_all && part("problems").is_empty());
    }
    assert!(clean >= 20, "only {clean} are clean: {text}");
}

#[test]
fn each_function_answers_as_munins() {
    if !munin_is_installed() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let ours = Library::lay_out(&home.path().join("lib")).unwrap();
    let munins = Library {
        shell_dir: PathBuf::from(MUNIN),
        perl_dir: PathBuf::from("/nowhere"),
    };
    let shell = home.path().join("shell");
    let perl = home.path().join("perl");
    write_program(&shell, SHELL);
    write_program(&perl, PERL);
    for program in [&shell, &perl] {
        let [one, other] = [(&ours, "ours"), (&munins, "munins")].map(|(library, name)| {
            let state = home.path().join(name);
            fs::create_dir_all(&state).unwrap();
            let output = spawn(program, &[], library, &state);
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        });
        assert_eq!(one, other, "{program:?}");
        assert!(one.lines().count() > 20, "{one}");
    }
}

#[test]
fn snmp_sessions_are_set_up_and_read_as_with_munins() {
    if !Path::new("/usr/share/perl5/Munin/Plugin/SNMP.pm").exists() {
        println!("left out: munin-plugins-core is not installed");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let ours = Library::lay_out(&home.path().join("lib")).unwrap();
    let fake = home.path().join("fake");
    fs::create_dir_all(fake.join("Net")).unwrap();
    fs::write(fake.join("Net/SNMP.pm"), NET_SNMP).unwrap();
    let with_fake = |perl: &Path| Library {
        shell_dir: PathBuf::from(MUNIN),
        perl_dir: PathBuf::from(format!("{}:{}", fake.display(), perl.display())),
    };
    for name in ["snmp_sw1_if_7", "snmpv3_sw1:1161_load", "plain"] {
        let program = home.path().join(name);
        write_program(&program, SNMP);
        let [one, other] = [ours.perl_dir.as_path(), Path::new("/nowhere")].map(|perl| {
            let output = spawn(&program, &[], &with_fake(perl), home.path());
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        });
        assert_eq!(one, other, "{name}");
        assert!(one.lines().count() > 20, "{one}");
    }
}

/// In the place of Net::SNMP: says what it is asked, and has a small table.
const NET_SNMP: &str = r#"package Net::SNMP;
sub show { my %o = @_; join ' ', map { "$_=" . (ref $o{$_} ? join(',', sort @{$o{$_}}) : $o{$_}) } sort keys %o }
sub session { my ($class, @o) = @_; print "session ", show(@o), "\n"; return (bless({}, $class), '') }
my %table = ('1.3.1.1' => 'a', '1.3.1.2' => 'b', '1.3.11.1' => 'c', '1.3.2.1.4' => 0, '1.30.1.1' => 'd');
sub get_entries { my ($s, @o) = @_; print "entries ", show(@o), "\n"; return {%table} }
sub get_table { my ($s, @o) = @_; print "table ", show(@o), "\n"; return {%table{grep { /^1\.3\./ } keys %table}} }
sub get_request { my ($s, $oid) = @_; return { $oid => $oid eq '1.9' ? 'noSuchObject' : $table{$oid} } }
sub error_status { 0 }
sub error { 'error' }
1;
"#;

const SNMP: &str = r#"#!/usr/bin/perl
use strict; use warnings;
use Munin::Plugin::SNMP;
for my $set ({}, {version => 1, community => 'c', timeout => 9}, {version => 'snmpv2c', port => 7, domain => 'udp6'},
    {version => 3, v3username => 'u', v3authpassword => 'a'}, {version => 'snmpv3', v3privpassword => 'p', v3privprotocol => 'aes'}) {
    local %ENV = (%ENV, host => 'h', %$set);
    print join('|', map { defined $_ ? $_ : 'none' } Munin::Plugin::SNMP->config_session()), "\n";
    Munin::Plugin::SNMP->session(-retries => 1);
}
delete $ENV{host};
print join('|', map { defined $_ ? $_ : 'none' } eval { Munin::Plugin::SNMP->config_session() }), "\n";
$ENV{host} = 'h';
my $session = Munin::Plugin::SNMP->session();
my $rows = $session->get_hash(-baseoid => '1.3', -cols => {1 => 'one', 11 => 'eleven', 2 => 'two'});
for my $row (sort keys %$rows) {
    print "$row: ", join(' ', map { "$_=$rows->{$row}{$_}" } sort keys %{$rows->{$row}}), "\n";
}
print defined $session->get_hash(-baseoid => '1.3') ? 'some' : 'none', "\n";
print $session->get_single('1.3.1.1'), "\n";
print defined $session->get_single($_) ? 'some' : 'none', "\n" for '1.9', '1.8';
my $found = $session->get_by_regex('1.3.', '[a-c]');
print join(' ', map { "$_=$found->{$_}" } sort keys %$found), "\n";
print "$_\n" for 1 .. 5;
"#;

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

const SHELL: &str = r#"#!/bin/sh
. "$MUNIN_LIBDIR/plugins/plugin.sh"
for text in 12/a.b root eth0 'a b' -x _x /; do clean_fieldname "$text"; done
other=3:4
print_warning x; print_critical x; print_critical user; print_warning x other; print_warning x nothing
print_thresholds user; print_thresholds x other other
print_adjusted_thresholds x 800; print_adjusted_thresholds user 3000; print_adjusted_thresholds x 5 other
get_warning x; get_critical x
for threshold in 50% 50%:50% 5:10% :33.3% 10%: 7 ''; do adjust_threshold "$threshold" 1234; done
adjust_threshold 5%; adjust_threshold 12.5% 12345678901
is_multigraph config; echo "still here"
MUNIN_CAP_MULTIGRAPH=0
(is_multigraph; echo "not here")
"#;

const PERL: &str = r#"#!/usr/bin/perl
use strict; use warnings;
use Munin::Plugin;
print "$Munin::Plugin::me $Munin::Plugin::DEBUG\n";
print clean_fieldname($_), "\n" for '12/a.b', 'root', 'eth0', 'a b', '-x', '_x', '/';
print_thresholds($_) for 'x', 'user';
$ENV{other} = 5;
print_thresholds('x', 'other', 'other');
print join(',', map { defined $_ ? $_ : 'none' } get_thresholds('y', undef, 'nothing', 1, 2)), "\n";
print adjust_threshold($_, 1234), "\n" for '50%', '50%:12.5%', '7', ':10%';
print scaleNumber($_, 'B', 'zero'), "\n" for 0, 1, 7, 999, 1000, 1500, -5000, 0.5, 0.001, 3e7, 2e25;
print scaleNumber(0, 'B'), scaleNumber(12345, 'bit', '', ' %.3f %s%s'), "\n";
save_state('a%b', "x\r\ny", '', '0');
print join('|', restore_state()), "\n";
save_state();
print scalar(my @none = restore_state()), "\n";
set_state_name('other');
print scalar(@none = restore_state()), "\n";
save_state(1 .. 3);
print join('|', restore_state()), "\n";
my ($file, $rotated) = tail_open('/etc/passwd', 5);
my $line = <$file>;
print "$line$rotated ", tail_close($file), "\n";
($file, $rotated) = tail_open('/etc/passwd', 99_999_999);
$line = <$file>;
print "$line$rotated\n";
need_multigraph();
print "$Munin::Common::Defaults::MUNIN_USER\n";
"#;
