//! `apache_accesses`, `apache_processes` and `apache_volume`: what Apache's `mod_status` says.
//!
//! Settings: `env.url` (`http://127.0.0.1:%d/server-status?auto`, where `%d` stands for the port), `env.ports` (`80`,
//! several separated by blanks), `env.timeout`, for the processes `env.showfree` (`1`).
//!
//! A server that does not answer reads as unknown as long as another one does; where none does, that is an error.

use crate::declaration::Declaration;
use crate::munin::offer::Autoconf;
use crate::reading::Reading;

use super::draft::{Draft, sample};
use super::environment::Environment;
use super::{BundledError, Entry, PluginSample, Request, no_instances, web};

const URL: &str = "http://127.0.0.1:%d/server-status?auto";
const PORT: &str = "80";
const PORTS_MAX: usize = 100;
const ACCESSES_LINE: &str = "Total Accesses";

pub(super) const ACCESSES: Entry = Entry {
    name: "apache_accesses",
    summary: "requests to an Apache web server",
    automatic: false,
    config: |request| {
        let mut draft = draft(
            request,
            "Apache accesses",
            "accesses / ${graph_period}",
            "Requests that the web server Apache was sent.",
        );
        for port in ports(request.environment)? {
            counter(&mut draft, "accesses", port, "1000000", request.environment)?;
        }
        Ok(vec![draft.finish()])
    },
    fetch: |request| {
        fetch(request, |page, port| {
            vec![(format!("accesses{port}"), number(page, &[ACCESSES_LINE]))]
        })
    },
    autoconf,
    suggest: no_instances,
};

pub(super) const VOLUME: Entry = Entry {
    name: "apache_volume",
    summary: "bytes that an Apache web server sends",
    automatic: false,
    config: |request| {
        let mut draft = draft(
            request,
            "Apache volume",
            "bytes per ${graph_period}",
            "Bytes that the web server Apache sent.",
        );
        for port in ports(request.environment)? {
            counter(
                &mut draft,
                "volume",
                port,
                "1000000000",
                request.environment,
            )?;
        }
        Ok(vec![draft.finish()])
    },
    fetch: |request| {
        fetch(request, |page, port| {
            let kilobytes = number(page, &["Total kBytes"]);
            let bytes = kilobytes.map(|kilobytes| kilobytes.saturating_mul(1024));
            vec![(format!("volume{port}"), bytes)]
        })
    },
    autoconf,
    suggest: no_instances,
};

pub(super) const PROCESSES: Entry = Entry {
    name: "apache_processes",
    summary: "workers of an Apache web server, by what they do",
    automatic: false,
    config: |request| Ok(vec![declare_processes(request)?]),
    fetch: |request| {
        let with_free = shows_free(request.environment);
        fetch(request, |page, port| {
            let mut readings = vec![
                (
                    format!("busy{port}"),
                    number(page, &["BusyWorkers", "BusyServers"]),
                ),
                (
                    format!("idle{port}"),
                    number(page, &["IdleWorkers", "IdleServers"]),
                ),
            ];
            if with_free {
                readings.push((format!("free{port}"), free_slots(page)));
            }
            readings
        })
    },
    autoconf,
    suggest: no_instances,
};

fn draft(request: &Request<'_>, title: &str, vlabel: &str, info: &str) -> Draft {
    Draft::new(
        request.graph,
        &[
            ("graph_title", title),
            ("graph_args", "--base 1000"),
            ("graph_vlabel", vlabel),
            ("graph_category", "apache"),
            ("graph_info", info),
        ],
    )
}

fn counter(
    draft: &mut Draft,
    name: &str,
    port: &str,
    max: &str,
    environment: &Environment,
) -> Result<(), BundledError> {
    draft
        .field(
            &format!("{name}{port}"),
            &[
                ("label", &format!("port {port}")),
                ("type", "DERIVE"),
                ("max", max),
                ("min", "0"),
                ("info", &format!("The server at port {port}")),
            ],
        )?
        .limits(environment);
    Ok(())
}

fn declare_processes(request: &Request<'_>) -> Result<Declaration, BundledError> {
    let environment = request.environment;
    let ports = ports(environment)?;
    let order: Vec<String> = ports
        .iter()
        .map(|port| format!("busy{port} idle{port}"))
        .collect();
    let mut draft = Draft::new(
        request.graph,
        &[
            ("graph_title", "Apache processes"),
            ("graph_args", "--base 1000 -l 0"),
            ("graph_category", "apache"),
            ("graph_order", &order.join(" ")),
            ("graph_vlabel", "processes"),
            ("graph_total", "total"),
            ("graph_info", "Workers of the web server Apache."),
        ],
    );
    for port in &ports {
        let mut busy = draft.field(
            &format!("busy{port}"),
            &[
                ("label", &format!("busy servers {port}")),
                ("info", "Workers that answer a request"),
            ],
        )?;
        busy = if ports.len() == 1 {
            busy.set("draw", "AREA").set("colour", "33cc00")
        } else {
            busy.set("draw", "LINE2")
        };
        busy.limits(environment);
        draft
            .field(
                &format!("idle{port}"),
                &[
                    ("label", &format!("idle servers {port}")),
                    ("draw", "STACK"),
                    ("colour", "0033ff"),
                    ("info", "Workers that wait for a request"),
                ],
            )?
            .limits(environment);
        if shows_free(environment) {
            draft.field(
                &format!("free{port}"),
                &[
                    ("label", &format!("free slots {port}")),
                    ("draw", "STACK"),
                    ("colour", "ccff00"),
                    ("info", "Workers that may be started yet"),
                ],
            )?;
        }
    }
    Ok(draft.finish())
}

fn shows_free(environment: &Environment) -> bool {
    environment.setting("showfree") != Some("0")
}

fn ports(environment: &Environment) -> Result<Vec<&str>, BundledError> {
    let text = environment.setting("ports").unwrap_or(PORT);
    let ports: Vec<&str> = text.split_whitespace().collect();
    let all_are_ports = ports.iter().all(|port| port.parse::<u16>().is_ok());
    if ports.is_empty() || ports.len() > PORTS_MAX || !all_are_ports {
        return Err(BundledError::Setting {
            name: "ports",
            expected: "ports separated by blanks",
            found: text.to_owned(),
        });
    }
    Ok(ports)
}

fn url(environment: &Environment, port: &str) -> String {
    let url = environment.setting("url").unwrap_or(URL);
    url.replacen("%d", port, 1)
}

fn autoconf(environment: &Environment) -> Autoconf {
    let ports = match ports(environment) {
        Ok(ports) => ports,
        Err(error) => return Autoconf::No(Some(error.to_string())),
    };
    let mut answers = ports
        .iter()
        .map(|port| web::autoconf(environment, &url(environment, port), ACCESSES_LINE));
    answers
        .find(|answer| *answer != Autoconf::Yes)
        .unwrap_or(Autoconf::Yes)
}

/// Asks each server and reads its page.
fn fetch(
    request: &Request<'_>,
    read: impl Fn(&str, &str) -> Vec<(String, Option<u64>)>,
) -> Result<Vec<PluginSample>, BundledError> {
    let (mut samples, mut answered, mut failed) = (Vec::new(), false, None);
    for port in ports(request.environment)? {
        let page = web::status_page(request.environment, &url(request.environment, port));
        let text = match page {
            Ok(text) => {
                answered = true;
                text
            }
            Err(error) => {
                failed.get_or_insert(error);
                String::new()
            }
        };
        for (name, count) in read(&text, port) {
            let reading = count.map_or(Reading::Unknown, Reading::Count);
            samples.push(sample(request.graph, &name, reading)?);
        }
    }
    match failed {
        Some(error) if !answered => Err(error),
        Some(_) | None => Ok(samples),
    }
}

/// The whole number behind one of the names.
fn number(page: &str, names: &[&str]) -> Option<u64> {
    let value = page.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        names
            .iter()
            .any(|wanted| name.eq_ignore_ascii_case(wanted))
            .then(|| value.trim())
    })?;
    value.parse().ok()
}

/// Slots that hold no process.
fn free_slots(page: &str) -> Option<u64> {
    let board = page
        .lines()
        .find_map(|line| line.strip_prefix("Scoreboard: "))?;
    u64::try_from(board.matches('.').count()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "localhost\nServerVersion: Apache/2.4.57\nTotal Accesses: 1205\nTotal kBytes: 3021\n\
        BusyWorkers: 2\nIdleWorkers: 48\nScoreboard: W__K..._..\n";

    #[test]
    fn the_page_of_mod_status_is_understood() {
        assert_eq!(number(PAGE, &[ACCESSES_LINE]), Some(1205));
        assert_eq!(number(PAGE, &["BusyServers", "BusyWorkers"]), Some(2));
        assert_eq!(number(PAGE, &["ServerVersion"]), None);
        assert_eq!(free_slots(PAGE), Some(5));
        assert_eq!(free_slots(""), None);
    }

    #[test]
    fn ports_are_numbers() {
        let set = |text: &str| Environment::new([("ports".to_owned(), text.to_owned())]);
        assert_eq!(ports(&set("80  8080")).unwrap(), ["80", "8080"]);
        for text in ["80,81", " ", "http", "70000"] {
            assert!(ports(&set(text)).is_err(), "{text:?}");
        }
        assert_eq!(
            url(&set(""), "81"),
            "http://127.0.0.1:81/server-status?auto"
        );
    }
}
