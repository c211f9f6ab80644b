//! The kinds of outages that are made up: each with times, sizes and order of its own for each seed.

use serde_json::json;

use crate::outage::{Object, Outage};

/// Makes one up; the number says how many times the usual number of hosts are watched.
type Kind = fn(&mut Outage, u32);

pub(crate) const KINDS: [(&str, Kind); 17] = [
    ("ack_worse", ack_worse),
    ("cron_spike", cron_spike),
    ("db_down", db_down),
    ("disk_filling", disk_filling),
    ("downtime", downtime),
    ("host_flapping", host_flapping),
    ("mail_down", mail_down),
    ("monitor_restart", monitor_restart),
    ("no_known_cause", no_known_cause),
    ("rack_switch_down", rack_switch_down),
    ("recovery_storm", recovery_storm),
    ("second_failure", second_failure),
    ("service_flapping", service_flapping),
    ("site_partition", site_partition),
    ("stale_agents", stale_agents),
    ("web_few", web_few),
    ("web_many", web_many),
];

const SERVICES: [&str; 20] = [
    "http",
    "login",
    "search",
    "cart",
    "checkout",
    "api-v1",
    "api-v2",
    "sessions",
    "profile",
    "orders",
    "invoices",
    "export",
    "import",
    "queue-worker",
    "scheduler",
    "cache-fill",
    "reports",
    "mailer",
    "webhooks",
    "metrics",
];

const TAILS: [f64; 6] = [2.5, 20.0, 60.0, 150.0, 240.0, 300.0];

/// So many hosts with an agent, a disk and so many services each.
fn hosts(
    outage: &mut Outage,
    prefix: &str,
    count: u32,
    team: &str,
    parent: &str,
    services: usize,
) -> Vec<String> {
    let names: Vec<String> = (1..=count).map(|i| format!("{prefix}{i:02}")).collect();
    for name in &names {
        outage.host(name, team, &[parent]);
        outage.services(name, team, &["agent", "disk"]);
        outage.services(name, team, &SERVICES[..services]);
    }
    names
}

/// A database that the services of all app hosts need.
fn database(outage: &mut Outage, apps: u32, services: usize) -> Vec<String> {
    outage.core();
    outage.host("db01", "db", &["sw-core"]);
    outage.service("db01", "mysql", "db", 2, &["c", "u"], true);
    outage.service("db01", "repl-lag", "db", 3, &["w", "c", "u"], true);
    outage.services("db01", "db", &["agent", "disk", "load"]);
    let apps = hosts(outage, "app", apps, "app", "sw-core", services);
    let needing: Vec<Object> = apps
        .iter()
        .flat_map(|app| {
            SERVICES[..services]
                .iter()
                .map(|it| (app.clone(), Some((*it).to_owned())))
        })
        .collect();
    outage.needs(("db01", Some("mysql")), &needing);
    apps
}

/// It fails, and what needs it within seconds; that comes back later than it.
fn database_fails(outage: &mut Outage, apps: &[String], services: usize, (from, to): (f64, f64)) {
    outage.fails(
        "db01",
        Some("mysql"),
        (from, to),
        2,
        "MYSQL CRITICAL - connection refused",
    );
    outage.want(&[("db01", Some("mysql"))], (from, from + 300.0), "db", true);
    let tail = *outage.random.one_of(&TAILS);
    for app in apps {
        for service in &SERVICES[..services] {
            let since = from + outage.random.between(0.0, 20.0);
            let back = to + outage.random.between(2.0_f64.min(tail), tail);
            let text = format!("CRITICAL - HTTP 500: db01 refused ({app})");
            outage.fails(app, Some(service), (since, back), 2, &text);
        }
    }
}

fn db_down(outage: &mut Outage, scale: u32) {
    let services = outage.random.number(4, 20) as usize;
    let count = outage.random.number(5, 30) * scale;
    let apps = database(outage, count, services);
    let from = outage.random.between(300.0, 1500.0);
    let to = from + outage.random.between(400.0, 3600.0);
    database_fails(outage, &apps, services, (from, to));
    outage.pages(1, 1, 1);
    outage.lasts(to + 1800.0);
}

/// Problems of their own while the database is down.
fn second_failure(outage: &mut Outage, scale: u32) {
    let services = outage.random.number(4, 12) as usize;
    let count = outage.random.number(8, 20) * scale;
    let apps = database(outage, count, services);
    outage.host("san01", "infra", &["sw-core"]);
    outage.services("san01", "infra", &["raid", "temperature"]);
    outage.host("mail01", "mail", &["sw-core"]);
    outage.services("mail01", "mail", &["smtp", "queue"]);
    let from = outage.random.between(400.0, 900.0);
    let to = from + outage.random.between(1500.0, 3600.0);
    database_fails(outage, &apps, services, (from, to));
    let chosen = outage.random.some_of(&apps, 2);
    let (with_disk, dead) = (chosen[0].as_str(), chosen[1].as_str());
    let others: [(&str, Option<&str>, &str); 6] = [
        (with_disk, Some("disk"), "app"),
        ("san01", Some("raid"), "infra"),
        (dead, None, "app"),
        ("mail01", Some("smtp"), "mail"),
        ("db01", Some("disk"), "db"),
        ("sw-core", Some("psu"), "infra"),
    ];
    let count = outage.random.number(1, 4);
    for (host, service, team) in outage.random.some_of(&others, count) {
        let at = outage.random.between(from + 60.0, to - 360.0);
        let until = match outage.random.number(0, 2) {
            0 => at + outage.random.between(400.0, 1200.0),
            1 => to + outage.random.between(0.0, 900.0),
            _ => 1e9,
        };
        match service {
            Some(_) => outage.fails(host, service, (at, until), 2, "CRITICAL - broken"),
            None => {
                let needing: Vec<String> = outage.services_of(host);
                outage.down(host, (at, until), (0.0, 60.0));
                // What needs the database does not come back before it.
                for name in needing
                    .iter()
                    .filter(|name| until < to && *name != "agent" && *name != "disk")
                {
                    outage.fails(
                        host,
                        Some(name),
                        (until - 1.0, to + 2.0),
                        2,
                        "CRITICAL - refused",
                    );
                }
            }
        }
        outage.want(&[(host, service)], (at, at + 300.0), team, false);
    }
    let pages = 1 + count as usize;
    outage.pages(pages, pages, pages);
    outage.lasts(to + 2400.0);
}

fn rack_switch_down(outage: &mut Outage, scale: u32) {
    outage.core();
    outage.host("sw-rack7", "infra", &["sw-core"]);
    outage.services("sw-rack7", "infra", &["uplink"]);
    let services = outage.random.number(3, 20) as usize;
    let count = outage.random.number(5, 30) * scale;
    let nodes = hosts(outage, "r7n", count, "app", "sw-rack7", services);
    let from = outage.random.between(300.0, 1500.0);
    let to = from + outage.random.between(400.0, 3600.0);
    outage.down("sw-rack7", (from, to), (0.0, 2.0));
    let tail = *outage.random.one_of(&TAILS);
    for node in &nodes {
        let back = to + outage.random.between(0.0, tail);
        outage.down(node, (from, back), (0.0, 2.0));
    }
    outage.want(
        &[("sw-rack7", None), ("sw-rack7", Some("uplink"))],
        (from, from + 300.0),
        "infra",
        true,
    );
    outage.pages(1, 1, 1);
    outage.lasts(to + 1800.0);
}

/// A rack without power; its hosts boot one after the other, some never.
fn recovery_storm(outage: &mut Outage, scale: u32) {
    outage.core();
    outage.host("pdu-rack9", "infra", &["sw-core"]);
    outage.services("pdu-rack9", "infra", &["load"]);
    let by_parent = outage.random.number(0, 1) == 0;
    let above = if by_parent { "pdu-rack9" } else { "sw-core" };
    outage.host("sw-rack9", "infra", &[above]);
    outage.services("sw-rack9", "infra", &["uplink"]);
    let services = outage.random.number(3, 20) as usize;
    let count = outage.random.number(8, 40) * scale;
    let nodes = hosts(outage, "r9n", count, "app", "sw-rack9", services);
    if !by_parent {
        let mut powered: Vec<Object> = vec![("sw-rack9".to_owned(), None)];
        powered.extend(nodes.iter().map(|node| (node.clone(), None)));
        outage.needs(("pdu-rack9", None), &powered);
    }
    let from = outage.random.between(400.0, 900.0);
    let to = from + outage.random.between(900.0, 3600.0);
    let end = to + 3600.0;
    outage.down("pdu-rack9", (from, to), (0.0, 2.0));
    outage.want(
        &[("pdu-rack9", None), ("pdu-rack9", Some("*"))],
        (from, from + 300.0),
        "infra",
        true,
    );
    let switch_back = to + outage.random.between(0.0, 90.0);
    outage.down("sw-rack9", (from, switch_back), (0.0, 2.0));
    let count = outage.random.number(0, 3);
    let dead = outage.random.some_of(&nodes, count);
    for node in &nodes {
        if dead.contains(node) {
            outage.down(node, (from, end), (0.0, 2.0));
            outage.want(&[(node, None)], (to, to + 960.0), "app", false);
        } else {
            let back = to + outage.random.between(60.0, 300.0);
            outage.down(node, (from, back), (20.0, 240.0));
        }
    }
    let most = 1 + dead.len();
    outage.pages(most.min(2), most, most);
    outage.lasts(end);
}

/// A link is cut: a site is not heard of, and what breaks there meanwhile is seen when it is back.
fn site_partition(outage: &mut Outage, scale: u32) {
    outage.core();
    outage.host("wan-b", "infra", &["sw-core"]);
    outage.services("wan-b", "infra", &["uplink"]);
    let services = outage.random.number(3, 12) as usize;
    let near = hosts(outage, "a", 6 * scale, "app", "sw-core", services);
    let count = outage.random.number(10, 60) * scale;
    let far = hosts(outage, "b", count, "app", "wan-b", services);
    let from = outage.random.between(400.0, 1200.0);
    let to = from + outage.random.between(1300.0, 4200.0);
    outage.down("wan-b", (from, to), (0.0, 2.0));
    outage.want(
        &[("wan-b", None), ("wan-b", Some("uplink"))],
        (from, from + 300.0),
        "infra",
        true,
    );
    for host in &far {
        outage.silent(host, None, (from, to));
        for service in outage.services_of(host) {
            outage.silent(host, Some(&service), (from, to));
        }
    }
    let mut pages = 1;
    let chosen = outage.random.some_of(&far, 2);
    if outage.random.number(0, 3) > 0 {
        let at = outage.random.between(from, to);
        outage.fails(
            &chosen[0],
            Some("disk"),
            (at, 1e9),
            2,
            "DISK CRITICAL - full",
        );
        outage.want(
            &[(&chosen[0], Some("disk"))],
            (to, to + 300.0),
            "app",
            false,
        );
        pages += 1;
    }
    if outage.random.number(0, 3) == 0 {
        let at = outage.random.between(from, to - 200.0);
        outage.down(&chosen[1], (at, 1e9), (0.0, 2.0));
        outage.silent(&chosen[1], None, (from, to));
        for service in outage.services_of(&chosen[1]) {
            outage.silent(&chosen[1], Some(&service), (from, to));
        }
        outage.want(&[(&chosen[1], None)], (to, to + 300.0), "app", false);
        pages += 1;
    }
    if outage.random.number(0, 2) == 0 {
        let at = outage.random.between(from, to - 200.0);
        outage.fails(&near[0], Some("http"), (at, 1e9), 2, "HTTP CRITICAL - 500");
        outage.want(&[(&near[0], Some("http"))], (at, at + 300.0), "app", false);
        pages += 1;
    }
    outage.pages(pages, pages, pages);
    outage.lasts(to + 2400.0);
}

fn flaps(outage: &mut Outage, from: f64, (bad, good): ((f64, f64), (f64, f64))) -> Vec<(f64, f64)> {
    let mut spans = Vec::new();
    let mut at = from;
    while at < from + 7200.0 {
        let until = at + outage.random.between(bad.0, bad.1);
        spans.push((at, until));
        at = until + outage.random.between(good.0, good.1);
    }
    spans
}

fn host_flapping(outage: &mut Outage, scale: u32) {
    outage.core();
    outage.heartbeat = 60.0;
    let apps = hosts(outage, "app", 3 * scale, "app", "sw-core", 10);
    let from = outage.random.between(300.0, 1500.0);
    let spans = flaps(outage, from, ((150.0, 240.0), (150.0, 240.0)));
    let end = spans.last().unwrap().1;
    let tail = outage.random.between(0.0, 60.0);
    for span in spans {
        outage.down(&apps[0], span, (0.0, tail));
    }
    outage.want(&[(&apps[0], None)], (from, from + 300.0), "app", true);
    outage.pages(1, 2, 1);
    outage.lasts(end + 2400.0);
}

fn service_flapping(outage: &mut Outage, scale: u32) {
    outage.core();
    outage.heartbeat = 60.0;
    let apps = hosts(outage, "app", 3 * scale, "app", "sw-core", 10);
    let from = outage.random.between(300.0, 1500.0);
    let spans = flaps(outage, from, ((190.0, 300.0), (120.0, 240.0)));
    let end = spans.last().unwrap().1;
    for span in spans {
        outage.fails(&apps[0], Some("search"), span, 2, "SEARCH CRITICAL - 503");
    }
    outage.want(
        &[(&apps[0], Some("search"))],
        (from, from + 300.0),
        "app",
        true,
    );
    outage.pages(1, 2, 1);
    outage.lasts(end + 2400.0);
}

/// A job of each night makes the load high everywhere, too shortly to count.
fn cron_spike(outage: &mut Outage, scale: u32) {
    outage.core();
    let count = outage.random.number(30, 100) * scale;
    let nodes: Vec<String> = (1..=count).map(|i| format!("node{i:03}")).collect();
    for node in &nodes {
        outage.host(node, "app", &["sw-core"]);
        outage.services(node, "app", &["agent", "load", "ssh", "disk"]);
    }
    let first = outage.random.between(300.0, 900.0);
    let apart = outage.random.between(400.0, 1800.0);
    for spike in 0..3 {
        let at = first + apart * f64::from(spike);
        for node in &nodes {
            let since = at + outage.random.between(0.0, 30.0);
            let lasts = outage.random.between(30.0, 119.0);
            outage.fails(
                node,
                Some("load"),
                (since, since + lasts),
                2,
                "LOAD CRITICAL - 58.2",
            );
        }
    }
    outage.pages(0, 0, 0);
    outage.lasts(first + 3.0 * apart + 1200.0);
}

/// Hundreds of checks fail for six hours, and nothing that is watched says why.
fn no_known_cause(outage: &mut Outage, scale: u32) {
    outage.core();
    let services = *outage.random.one_of(&[1_usize, 4, 10, 20]);
    let count = (200 / u32::try_from(services).unwrap()) * scale;
    let apps = hosts(outage, "app", count, "app", "sw-core", services);
    let from = outage.random.between(300.0, 1200.0);
    let to = from + 21_600.0;
    let spread = *outage.random.one_of(&[20.0, 60.0, 150.0]);
    let tail = *outage.random.one_of(&TAILS);
    let wavers = outage.random.number(0, 1) == 1;
    for app in &apps {
        for service in &SERVICES[..services] {
            let mut at = from + outage.random.between(0.0, spread);
            let back = to + outage.random.between(0.0, tail);
            while at < back {
                let until = if wavers {
                    at + outage.random.between(1200.0, 9000.0)
                } else {
                    back
                };
                outage.fails(
                    app,
                    Some(service),
                    (at, until.min(back)),
                    2,
                    "CRITICAL - 502 Bad Gateway",
                );
                at = until + outage.random.between(60.0, 200.0);
            }
        }
    }
    outage.want(&[("app*", Some("*"))], (from, from + 300.0), "app", false);
    outage.pages(1, 6, 1);
    outage.lasts(to + 2400.0);
}

/// The mail server is among what is down; each person has another channel.
fn mail_down(outage: &mut Outage, scale: u32) {
    outage.core();
    outage.host("mail01", "mail", &["sw-core"]);
    outage.services("mail01", "mail", &["agent", "smtp", "imap", "queue"]);
    let apps = hosts(outage, "app", 4 * scale, "app", "sw-core", 10);
    let from = outage.random.between(300.0, 900.0);
    let to = from + outage.random.between(2400.0, 4200.0);
    outage.act(json!({ "t": from, "action": "mail", "up": false }));
    if outage.random.number(0, 1) == 0 {
        outage.down("mail01", (from, to), (0.0, 60.0));
    } else {
        outage.fails(
            "mail01",
            Some("smtp"),
            (from, to),
            2,
            "SMTP CRITICAL - no answer",
        );
    }
    outage.want(
        &[("mail01", None), ("mail01", Some("smtp"))],
        (from, from + 300.0),
        "mail",
        true,
    );
    let first = outage.random.between(from + 100.0, to - 1200.0);
    let over = outage.random.between(first + 300.0, to - 300.0);
    outage.fails(
        &apps[0],
        Some("orders"),
        (first, over),
        2,
        "ORDERS CRITICAL - 500",
    );
    outage.want(
        &[(&apps[0], Some("orders"))],
        (first, first + 300.0),
        "app",
        false,
    );
    let second = outage.random.between(from + 100.0, to - 400.0);
    outage.fails(
        &apps[1],
        Some("cart"),
        (second, to + 900.0),
        2,
        "CART CRITICAL - 500",
    );
    outage.want(
        &[(&apps[1], Some("cart"))],
        (second, second + 300.0),
        "app",
        false,
    );
    outage.act(json!({ "t": to, "action": "mail", "up": true }));
    outage.pages(3, 3, 3);
    outage.lasts(to + 2400.0);
}

/// The monitoring itself stops while the database is down; a disk breaks meanwhile.
fn monitor_restart(outage: &mut Outage, scale: u32) {
    let services = outage.random.number(4, 10) as usize;
    let apps = database(outage, 8 * scale, services);
    let from = outage.random.between(400.0, 900.0);
    let to = from + outage.random.between(2400.0, 4800.0);
    database_fails(outage, &apps, services, (from, to));
    let mut at = outage.random.between(from + 240.0, from + 900.0);
    let mut stops = Vec::new();
    while at < to + 600.0 {
        let down_for = outage.random.between(15.0, 90.0);
        let kind = *outage.random.one_of(&["clean", "crash"]);
        outage.act(json!({ "t": at, "action": "restart", "kind": kind, "down_for": down_for }));
        stops.push(at);
        at += down_for + outage.random.between(300.0, 1500.0);
    }
    let near: Vec<f64> = stops
        .iter()
        .copied()
        .filter(|at| *at < to - 400.0)
        .collect();
    let broken = *outage.random.one_of(&near) + outage.random.between(-60.0, 60.0);
    outage.fails(
        &apps[2],
        Some("disk"),
        (broken, 1e9),
        2,
        "DISK CRITICAL - full",
    );
    outage.want(
        &[(&apps[2], Some("disk"))],
        (broken, broken + 360.0),
        "app",
        false,
    );
    outage.pages(2, 2, 2);
    outage.lasts(to + 1800.0);
}

fn disk_filling(outage: &mut Outage, scale: u32) {
    outage.core();
    let count = outage.random.number(15, 40) * scale;
    let logs = hosts(outage, "log", count, "app", "sw-core", 3);
    let warned = outage.random.between(300.0, 900.0);
    let full = warned + outage.random.between(1500.0, 3000.0);
    let spread = outage.random.between(900.0, 1800.0);
    let cleaned = full + spread + outage.random.between(900.0, 2700.0);
    let mut first = f64::MAX;
    for log in &logs {
        let warning = outage.random.between(warned, warned + 1200.0);
        let critical = outage.random.between(full, full + spread);
        let over = cleaned + outage.random.between(0.0, 300.0);
        outage.fails(
            log,
            Some("disk"),
            (warning, over),
            1,
            "DISK WARNING - 91% used",
        );
        outage.fails(
            log,
            Some("disk"),
            (critical, over),
            2,
            "DISK CRITICAL - 98% used",
        );
        first = first.min(critical);
    }
    outage.want(
        &[("log*", Some("disk"))],
        (first, first + 300.0),
        "app",
        true,
    );
    outage.pages(1, 3, 1);
    outage.lasts(cleaned + 2400.0);
}

/// A host is worked on; what does not come back with it is told when its downtime ends.
fn downtime(outage: &mut Outage, scale: u32) {
    outage.core();
    let services = outage.random.number(4, 12) as usize;
    let apps = hosts(outage, "app", 3 * scale, "app", "sw-core", services);
    let start = outage.random.between(600.0, 1200.0);
    let end = start + outage.random.between(1800.0, 5400.0);
    outage.act(json!({
        "t": start - 300.0, "action": "downtime", "host": apps[0], "services": true, "start": start, "end": end,
        "author": "ann", "comment": "kernel",
    }));
    let down = outage.random.between(start + 30.0, start + 600.0);
    let up = outage.random.between(down + 300.0, end - 400.0);
    outage.down(&apps[0], (down, up), (0.0, 120.0));
    outage.fails(
        &apps[0],
        Some("cart"),
        (down, 1e9),
        2,
        "CART CRITICAL - connection refused",
    );
    outage.want(
        &[(&apps[0], Some("cart"))],
        (end, end + 300.0),
        "app",
        false,
    );
    let other = outage.random.between(start, end - 300.0);
    let over = other + outage.random.between(400.0, 1800.0);
    outage.fails(
        &apps[1],
        Some("login"),
        (other, over),
        2,
        "LOGIN CRITICAL - 500",
    );
    outage.want(
        &[(&apps[1], Some("login"))],
        (other, other + 300.0),
        "app",
        false,
    );
    outage.pages(2, 2, 2);
    outage.lasts(end + 2400.0);
}

fn ack_worse(outage: &mut Outage, scale: u32) {
    database(outage, scale, 4);
    let warned = outage.random.between(300.0, 900.0);
    let acked = warned + outage.random.between(300.0, 900.0);
    let worse = acked + outage.random.between(300.0, 4800.0);
    let over = worse + outage.random.between(900.0, 3600.0);
    outage.fails(
        "db01",
        Some("repl-lag"),
        (warned, worse),
        1,
        "REPL-LAG WARNING - 340 s",
    );
    outage.fails(
        "db01",
        Some("repl-lag"),
        (worse, over),
        2,
        "REPL-LAG CRITICAL - 1900 s",
    );
    outage.act(json!({
        "t": acked, "action": "ack", "host": "db01", "service": "repl-lag", "state": 1, "author": "dora",
        "comment": "backup", "sticky_default": true,
    }));
    outage.want(
        &[("db01", Some("repl-lag"))],
        (warned, warned + 300.0),
        "db",
        true,
    );
    outage.want(
        &[("db01", Some("repl-lag"))],
        (worse, worse + 300.0),
        "db",
        false,
    );
    outage.pages(2, 2, 1);
    outage.lasts(over + 1800.0);
}

fn stale_agents(outage: &mut Outage, scale: u32) {
    outage.core();
    let services = outage.random.number(3, 15) as usize;
    let count = outage.random.number(20, 60);
    let apps = hosts(outage, "app", count * scale, "app", "sw-core", services);
    let from = outage.random.between(600.0, 1500.0);
    let to = from + outage.random.between(2400.0, 6000.0);
    let silent = outage.random.number(3, count / 2) * scale;
    let silent = outage.random.some_of(&apps, silent);
    for app in &silent {
        for service in outage.services_of(app) {
            outage.silent(app, Some(&service), (from, to));
        }
    }
    outage.want(&[("app*", Some("*"))], (from, from + 1200.0), "app", true);
    outage.pages(1, 1, 1);
    outage.lasts(to + 1800.0);
}

/// A farm behind a load balancer: so many of its members die.
fn farm(outage: &mut Outage, scale: u32) -> (Vec<String>, u32) {
    outage.core();
    outage.host("lb01", "infra", &["sw-core"]);
    outage.services("lb01", "infra", &["agent", "vip-http"]);
    let count = outage.random.number(20, 50);
    let page_at = outage.random.number(4, count / 4) * scale;
    let names: Vec<String> = (1..=count * scale).map(|i| format!("web{i:02}")).collect();
    for name in &names {
        outage.host_of(name, "web", &["sw-core"], false);
        for service in ["agent", "http", "https", "disk", "load", "ssh"] {
            outage.service(name, service, "web", 3, &["c", "u"], false);
        }
    }
    let members: Vec<Object> = names
        .iter()
        .map(|name| (name.clone(), Some("http".to_owned())))
        .collect();
    outage.cluster("web-http", &members, page_at);
    (names, page_at)
}

fn web_few(outage: &mut Outage, scale: u32) {
    let (names, page_at) = farm(outage, scale);
    let count = outage.random.number(1, page_at - 1);
    let from = outage.random.between(300.0, 900.0);
    let to = from + outage.random.between(1200.0, 6000.0);
    for name in outage.random.some_of(&names, count) {
        let since = from + outage.random.between(0.0, 600.0);
        outage.down(&name, (since, to), (0.0, 60.0));
    }
    outage.pages(0, 0, 0);
    outage.lasts(to + 1200.0);
}

fn web_many(outage: &mut Outage, scale: u32) {
    let (names, page_at) = farm(outage, scale);
    let count = page_at + outage.random.number(0, 4);
    let from = outage.random.between(300.0, 900.0);
    let to = from + outage.random.between(2400.0, 6000.0);
    let mut times = Vec::new();
    for name in outage.random.some_of(&names, count) {
        let since = from + outage.random.between(0.0, 600.0);
        outage.down(&name, (since, to), (0.0, 100.0));
        times.push(since);
    }
    times.sort_by(f64::total_cmp);
    let reached = times[page_at as usize - 1];
    outage.want(
        &[("cluster:web-http", Some("*")), ("web*", None)],
        (reached, reached + 300.0),
        "web",
        true,
    );
    outage.pages(1, 1, 1);
    outage.lasts(to + 1800.0);
}
