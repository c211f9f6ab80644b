use expect_test::{Expect, expect};

use super::*;

fn problems(text: &str, expect: &Expect) {
    let (_, problems) = parse(&[("ravenry.toml".to_owned(), text.to_owned())]);
    expect.assert_eq(
        &problems
            .iter()
            .map(|problem| format!("{problem}\n"))
            .collect::<String>(),
    );
}

#[test]
fn nothing_at_all_is_a_configuration() {
    assert_eq!(parse(&[]), (Config::default(), Vec::new()));
    problems("", &expect![""]);
}

#[test]
fn what_the_manual_shows_is_understood() {
    let text = r#"
        [http]
        listen = "0.0.0.0:4950"
        url = "https://ravenry.example.net/"
        hosts = ["ravenry", "192.0.2.7"]
        proxy = ["10.0.0.1", "10.1.0.0/16"]
        session = "7d"

        [push]
        listen = "0.0.0.0:4951"

        [[view]]
        name = "web"
        title = "Web servers"
        address = "/group/Berlin/web?view=list"

        [group."Berlin/web"]
        hosts = ["web*", "proxy1"]

        [[threshold]]
        host = "web*"
        graph = "df"
        warning = 90
        critical = "none"
        attempts = 2
        contacts = ["ops"]

        [[host]]
        host = "laptop*"
        down_after = "never"

        [contact.ops]
        mail = "ops@example.net"
        webhook = "http://127.0.0.1:9000/hook"
        severities = ["critical"]
    "#;
    let (config, problems) = parse(&[("ravenry.toml".to_owned(), text.to_owned())]);
    assert_eq!(problems, []);
    assert_eq!(
        config.http.url.as_deref(),
        Some("https://ravenry.example.net")
    );
    let rules = &config.alerts.rules;
    assert_eq!(
        rules.fields[0].critical,
        Some(ravenry_alerts::rule::Limit::Off)
    );
    assert_eq!(rules.contacts[0].channels.len(), 2);
    let groups = |host: &str| {
        let host = ravenry_plugins::name::HostName::new(host).unwrap();
        group::groups_of(&config.groups, &host)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(groups("web7"), ["Berlin/web"]);
    assert_eq!(groups("db1"), ["ungrouped"]);
}

#[test]
fn every_problem_is_named_with_its_line() {
    problems(
        "[http]\nlisten = 'everywhere'\nlissten = 1\n[store]\nlayout = 'cacti'\nflush_interval = '2d'\n\
         [[threshold]]\nwarning = 'high'\n[[threshold]]\nhost = 'a'\n[contact.bob]\n[contact.eve]\nmail = 'eve'\n\
         [group.'a//b']\nhosts = []\n[mail]\nuser = 'x'\n[[host]]\ndown_after = 'soon'\ncontacts = 'nobody'\n",
        &expect![[r#"
            ravenry.toml:2: http.listen: expected an address and port such as "127.0.0.1:4950", found "everywhere"
            ravenry.toml:3: http.lissten: unknown key; expected one of: listen, url, hosts, proxy, without_tls, session, push_bytes_max
            ravenry.toml:5: store.layout: expected "standard", "munin", "huge" or "custom ...", found "cacti"
            ravenry.toml:6: store.flush_interval: expected a duration from 1s to 1h, found 2d
            ravenry.toml:8: threshold.warning: range "high": expected `max`, `min:max`, `min:` or `:max`, found "high"
            ravenry.toml:9: threshold.warning: expected at least one of warning, critical, recover, attempts, unknown_limit, freshness, contacts, severities, escalation, told_in, judged_in, mute
            ravenry.toml:11: contact.bob.channels: expected a way to reach it: channels, mail, pager or webhook, found none
            ravenry.toml:13: contact.eve.mail: expected a mail address such as "ops@example.net", found "eve": Invalid input
            ravenry.toml:14: group.a//b.hosts: expected at least one host name or pattern, found none
            ravenry.toml:14: group.a//b: group name "a//b": expected 1 to 200 characters: parts of letters, digits, '.', '-', '_' and inner blanks, separated by single '/'
            ravenry.toml:16: mail.user: expected user and password together, found one of them
            ravenry.toml:19: host.down_after: expected a duration such as "10m", or "never", found "soon"
            ravenry.toml:20: host.contacts: no contact "nobody": expected [contact.nobody]
        "#]],
    );
}

#[test]
fn a_section_in_two_files_is_a_problem_of_the_second() {
    let file = |name: &str| {
        (
            name.to_owned(),
            "[http]\nlisten = '127.0.0.1:1'\n".to_owned(),
        )
    };
    let (_, problems) = parse(&[file("ravenry.toml"), file("conf.d/a.toml")]);
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        ["conf.d/a.toml:1: http: expected once in all files, found again"]
    );
}

#[test]
fn what_waits_for_the_next_start_is_named() {
    let config = |text: &str| parse(&[("ravenry.toml".to_owned(), text.to_owned())]).0;
    let running = config("[contact.ops]\nmail = 'ops@example.net'\n");
    let check = |text: &str, expect: &[&str]| {
        assert_eq!(config(text).waits_for_start(&running), expect);
    };
    check(
        "[http]\nurl = 'https://r.example.net'\n[alerts]\nattempts = 3\n",
        &["http.url"],
    );
    check(
        "data = '/srv/r'\n[http]\nlisten = '127.0.0.1:1'\n[store]\nlayout = 'munin'\n[agent]\nenabled = false\n",
        &["data", "http.listen", "store.layout", "agent.enabled"],
    );
}

#[test]
fn layouts_are_refused_with_what_is_wrong_in_them() {
    problems(
        "[store]\nlayout = 'custom 2x'\nstep = '0s'\nseries_bytes_max = '1 TB'\n[[layout]]\nhost = 'db*'\n\
         [[layout]]\nlayout = 'custom 2d, 30m 9d'\n[[layout]]\nlayout = 'custom 2d, 30m for 9d, 24 540'\nstep = '10s'\n",
        &expect![[r#"
            ravenry.toml:2: store.layout: expected after `custom` how many rows or how long single steps are kept, such as `576` or `2d`, found "2x"
            ravenry.toml:3: store.step: expected a duration from 1s to 1d, found 0s
            ravenry.toml:4: store.series_bytes_max: expected 1024 to 1073741824 bytes, found 1099511627776
            ravenry.toml:5: layout.layout: expected layout or step, found neither
            ravenry.toml:8: layout.layout: expected `STEPS ROWS` or `TIME for TIME`, such as `6 432` or `30m for 9d`, found "30m 9d"
        "#]],
    );
}

#[test]
fn a_polled_host_needs_a_name_and_is_there_once() {
    problems(
        r#"
[[munin_node]]
host = "old1"
[[munin_node]]
address = "10.0.0.7"
[[munin_node]]
host = "old1"
port = 70000
"#,
        &expect![[r#"
            ravenry.toml:4: munin_node.host: expected one, found none
            ravenry.toml:7: munin_node old1: expected once in all files, found again
            ravenry.toml:8: munin_node.port: expected a whole number from 1 to 65535, found 70000
        "#]],
    );
    let text = "[[munin_node]]\nhost = \"old1\"\ninterval = 60\nhosts = \"sw*\"\n";
    let (config, _) = parse(&[("ravenry.toml".to_owned(), text.to_owned())]);
    let polled = &config.polled[0];
    assert_eq!((polled.address.as_str(), polled.port), ("old1", 4949));
    assert!(polled.hosts[0].matches("sw7"));
}

#[test]
fn pages_are_on_a_network_only_with_tls_or_in_so_many_words() {
    problems(
        "[http]\nlisten = \"0.0.0.0:4950\"\n",
        &expect![[r#"
        ravenry.toml:2: http.listen: 0.0.0.0:4950 is more than this machine, and pages there need TLS: name the proxy that does it (proxy = ["ADDRESS"]), or let passwords cross the network readable (without_tls = true); pushes alone have an address of their own, [push] listen
    "#]],
    );
    problems(
        "[http]\nlisten = \"0.0.0.0:4950\"\nwithout_tls = true\n",
        &expect![""],
    );
    problems("[http]\nlisten = \"[::1]:80\"\n", &expect![""]);
    problems(
        "[http]\nlisten = \"192.0.2.7:80\"\nproxy = \"10.0.0.300\"\nhosts = [\"http://a\", \"b:80\"]\n",
        &expect![[r#"
            ravenry.toml:2: http.listen: 192.0.2.7:80 is more than this machine, and pages there need TLS: name the proxy that does it (proxy = ["ADDRESS"]), or let passwords cross the network readable (without_tls = true); pushes alone have an address of their own, [push] listen
            ravenry.toml:3: http.proxy: expected an address or network such as "127.0.0.1" or "10.0.0.0/8", found "10.0.0.300"
            ravenry.toml:4: http.hosts: expected a name such as "ravenry.example.net", without scheme and port, found "http://a"
            ravenry.toml:4: http.hosts: expected a name such as "ravenry.example.net", without scheme and port, found "b:80"
        "#]],
    );
    let (config, _) = parse(&[(
        String::new(),
        "[http]\nlisten = \"0.0.0.0:80\"\nwithout_tls = true".to_owned(),
    )]);
    assert!(config.http.refusal(0).is_some());
    assert_eq!(config.http.refusal(1), None);
    assert_eq!(Config::default().http.refusal(0), None);
}

#[test]
fn a_view_is_the_path_of_a_page() {
    problems(
        "[[view]]\nname = \"a b\"\naddress = \"/\"\n[[view]]\nname = \"a\"\naddress = \"https://r.example.net/\"\n\
         [[view]]\nname = \"b\"\naddress = \"/wall?views=b\"\n[[view]]\nname = \"c\"\n[[view]]\nname = \"d\"\naddress = \"/\"\n\
         [[view]]\nname = \"d\"\naddress = \"/\"\n",
        &expect![[r#"
            ravenry.toml:2: view.name: expected 1 to 64 letters, digits and . _ -, found "a b"
            ravenry.toml:6: view.address: expected the path of a page and its parameters, such as "/group/web?view=wall", found "https://r.example.net/"
            ravenry.toml:9: view.address: expected the path of a page and its parameters, such as "/group/web?view=wall", found "/wall?views=b"
            ravenry.toml:10: view.name: expected name and address, such as name = "web", address = "/group/web"
            ravenry.toml:16: view d: expected once in all files, found again
        "#]],
    );
}

/// The TOML examples of a page.
fn examples(page: &str) -> String {
    let blocks = page.split("```toml\n").skip(1);
    blocks
        .filter_map(|block| block.split("```").next())
        .collect()
}

#[test]
fn what_the_page_on_alerts_shows_is_understood() {
    let text = examples(include_str!("../../../docs/alerts.md"));
    let (config, problems) = parse(&[("alerts.md".to_owned(), text)]);
    assert_eq!(problems, []);
    let rules = &config.alerts.rules;
    assert_eq!(
        (rules.contacts.len(), rules.rotas.len(), rules.routes.len()),
        (4, 1, 2)
    );
    let budget = |at: usize| rules.contacts[at].budget.unwrap();
    assert_eq!((budget(0).notices, budget(1).notices), (10, 20));
    let steps = rules.route.escalation.as_ref().unwrap().steps.len();
    assert_eq!(steps, 2);
    assert_eq!(rules.contacts[3].period.as_ref().unwrap().exclude.len(), 1);
}

#[test]
fn people_and_times_that_do_not_exist_are_named_with_their_line() {
    problems(
        "[alerts]\ncontacts = ['oncall']\nescalation = 'x'\n[contact.a]\nmail = 'a@b.example'\ntold_in = 'night'\n\
         budget = 'many'\n[rota.r]\nmembers = ['a', 'b']\nstart = 'monday'\nhandover = '9'\n[period.p]\nzone = 'Mars'\n\
         times = ['mon 8-18']\nexclude = ['q']\n[period.q]\nexclude = ['p']\n[escalation.e]\n[[escalation.f.step]]\nafter = '5m'\n\
         [[route]]\nhost = 'a'\n[rota.a]\nmembers = ['a']\nstart = '2026-01-01'\n[[rota.a.override]]\nwho = 'c'\n\
         [[threshold]]\nwarning = '@20:10'\ncritical = '~'\n",
        &expect![[r#"
            ravenry.toml:2: alerts.contacts: no contact "oncall": expected [contact.oncall]
            ravenry.toml:3: alerts.escalation: no escalation "x": expected [escalation.x]
            ravenry.toml:4: contact.a: expected once in all files, found again
            ravenry.toml:6: contact.a.told_in: no period "night": expected [period.night]
            ravenry.toml:7: contact.a.budget: expected a number of notices and a time, such as "10 per 1h", found "many"
            ravenry.toml:9: rota.r.members: no contact "a": expected [contact.a]
            ravenry.toml:9: rota.r.members: no contact "b": expected [contact.b]
            ravenry.toml:10: rota.r.start: expected a date such as 2026-12-24, found "monday"
            ravenry.toml:11: rota.r.handover: expected a day of the week, or daily, and a time, such as "mon 09:00", found "9": no time
            ravenry.toml:13: period.p.zone: expected a time zone such as "Europe/Berlin", found "Mars"
            ravenry.toml:14: period.p.times: expected days and times such as "mon-fri 08:00-18:00", "sat,sun", "2026-12-24..2027-01-02 never", "12-25", "day -1" or "last fri 20:00-24:00", found "mon 8-18": expected a time such as 08:30, found "8"
            ravenry.toml:15: period.p.exclude: expected periods that do not exclude each other in a circle
            ravenry.toml:17: period.q.exclude: expected periods that do not exclude each other in a circle
            ravenry.toml:18: escalation.e.step: expected at least one [[escalation.NAME.step]], found none
            ravenry.toml:19: escalation.f.step.after: expected after how long, and contacts that are told then
            ravenry.toml:19: escalation.f.step: expected at least one [[escalation.NAME.step]], found none
            ravenry.toml:21: route.contacts: expected at least one of contacts, told_in, escalation
            ravenry.toml:24: rota.a.members: no contact "a": expected [contact.a]
            ravenry.toml:26: rota.a.override.who: expected who, and from and to, the later one last
            ravenry.toml:27: rota.a.override.who: no contact "c": expected [contact.c]
            ravenry.toml:29: threshold.warning: range "@20:10": expected the start not to be above the end
            ravenry.toml:30: threshold.critical: range "~": expected `[@]start:end`, `end`, `start:` or `~:end`, found "~"
        "#]],
    );
}

#[test]
fn a_template_may_stand_in_another_file() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let (config, problems) = parse(&[
        file(
            "ravenry.toml",
            "[[threshold]]\ngraph = 'df'\nuse = 'strict'\nattempts = 5\n",
        ),
        file(
            "conf.d/a.toml",
            "[template.strict]\nwarning = 80\ncritical = 'low'\nattempts = 1\ncolour = 'red'\n",
        ),
    ]);
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(config.alerts.rules.fields[0].attempts, Some(5));
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].starts_with("conf.d/a.toml:3: threshold.critical: range \"low\""));
    assert!(
        texts[1].starts_with("conf.d/a.toml:5: template.strict.colour: unknown key for threshold")
    );
}
