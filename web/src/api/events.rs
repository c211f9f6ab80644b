//! `GET /api/v1/events`: what changes, as it changes (server-sent events).
//!
//! | event | data |
//! |---|---|
//! | `resync` | `{"missed": N}`: the first of every connection, and whenever some were lost: ask for everything again |
//! | `host` | as in `/api/v1/hosts`: its state, worst severity or counts are others |
//! | `host_gone` | `{"name": "..."}` |
//! | `incident` | as in `/api/v1/incidents`: it is new, or something of it is another |
//!
//! While anybody listens one task looks for changes every two seconds, less often where a look takes long. Who does not
//! read loses the oldest and is told so.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use ravenry_alerts::severity::{HostState, Severity};
use ravenry_plugins::clock;
use ravenry_plugins::name::HostName;
use serde::Serialize;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{sleep, timeout};

use crate::api::hosts::Host;
use crate::api::incidents::Incident;
use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::source::{HostSummary, IncidentView, Source};

/// Who listens at the same time; more are sent away.
const LISTENERS_MAX: usize = 256;
/// Events that wait for a slow listener.
const WAITING_MAX: usize = 1024;
/// How often it is looked for changes.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A look may take this share of the time.
const SHARE: u32 = 50;
/// Incidents that are looked at.
const INCIDENTS_MAX: usize = 500;
/// So that nobody between takes silence for the end.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// After this the listener has to come again, and say again who it is.
const LISTEN_MAX: Duration = Duration::from_secs(3600);

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    name: &'static str,
    data: Arc<str>,
}

impl Event {
    fn of(name: &'static str, data: &impl Serialize) -> Self {
        let json = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
        Self {
            name,
            data: json.into(),
        }
    }
}

/// Those who listen, and whether anybody looks.
#[derive(Debug)]
pub(crate) struct Events {
    sender: broadcast::Sender<Event>,
    looks: Mutex<bool>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            sender: broadcast::channel(WAITING_MAX).0,
            looks: Mutex::new(false),
        }
    }
}

impl Events {
    /// A new listener, and whether somebody has to begin to look.
    fn listen(&self) -> Result<(broadcast::Receiver<Event>, bool), Refusal> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.sender.receiver_count() >= LISTENERS_MAX {
            return Err(Refusal::Busy(LISTENERS_MAX));
        }
        let begins = !*looks;
        *looks = true;
        Ok((self.sender.subscribe(), begins))
    }

    /// Whether nobody listens any more: then nobody looks either.
    fn is_over(&self) -> bool {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        *looks = self.sender.receiver_count() > 0;
        !*looks
    }
}

/// What is compared of a host: its last contact changes all the time.
type HostMarks = (HostState, Severity, [usize; 4], usize);

/// Everything as it was at the last look.
#[derive(Debug, Default)]
struct Seen {
    hosts: HashMap<HostName, HostMarks>,
    incidents: HashMap<u64, IncidentView>,
}

impl Seen {
    /// What has changed since.
    fn changes(&mut self, hosts: Vec<HostSummary>, incidents: Vec<IncidentView>) -> Vec<Event> {
        let mut events = Vec::new();
        let mut gone: HashSet<HostName> = self.hosts.keys().cloned().collect();
        for host in hosts {
            gone.remove(&host.name);
            let marks = (host.state, host.worst, host.checks, host.graphs);
            if self.hosts.insert(host.name.clone(), marks) != Some(marks) {
                events.push(Event::of("host", &Host::from(host)));
            }
        }
        for name in gone {
            self.hosts.remove(&name);
            events.push(Event::of("host_gone", &serde_json::json!({ "name": name })));
        }
        let mut known = HashMap::new();
        for incident in incidents {
            if self.incidents.get(&incident.id) != Some(&incident) {
                events.push(Event::of("incident", &Incident::from(incident.clone())));
            }
            known.insert(incident.id, incident);
        }
        self.incidents = known;
        events
    }
}

fn look(source: &dyn Source) -> (Vec<HostSummary>, Vec<IncidentView>) {
    (source.hosts(), source.incidents(INCIDENTS_MAX))
}

/// Looks as long as anybody listens.
async fn keep_looking(site: Arc<Site>) {
    let mut seen: Option<Seen> = None;
    while !site.events.is_over() {
        let began = clock::monotonic();
        if let Ok((hosts, incidents)) = site.ask(look).await {
            let first = seen.is_none();
            let events = seen.get_or_insert_default().changes(hosts, incidents);
            if !first {
                // Nobody may be left to hear it.
                events
                    .into_iter()
                    .for_each(|event| drop(site.events.sender.send(event)));
            }
        }
        let took = clock::monotonic().saturating_duration_since(began);
        sleep(LOOK_EVERY.max(took * SHARE)).await;
    }
}

/// One who listens.
struct Listener {
    events: broadcast::Receiver<Event>,
    is_new: bool,
    since: Instant,
}

impl Listener {
    async fn next(mut self) -> Option<(Result<sse::Event, Infallible>, Self)> {
        let missed = |missed: u64| Event::of("resync", &serde_json::json!({ "missed": missed }));
        let event = if std::mem::take(&mut self.is_new) {
            missed(0)
        } else {
            let listened = clock::monotonic().saturating_duration_since(self.since);
            let left = LISTEN_MAX.saturating_sub(listened);
            match timeout(left, self.events.recv()).await {
                Ok(Ok(event)) => event,
                Ok(Err(RecvError::Lagged(count))) => missed(count),
                Ok(Err(RecvError::Closed)) | Err(_) => return None,
            }
        };
        let event = sse::Event::default().event(event.name).data(&*event.data);
        Some((Ok(event), self))
    }
}

/// Answers it.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    parameters.finish("no parameters")?;
    let (events, begins) = site.events.listen()?;
    if begins {
        tokio::spawn(keep_looking(Arc::clone(&site)));
    }
    let listener = Listener {
        events,
        is_new: true,
        since: clock::monotonic(),
    };
    let stream = stream::unfold(listener, Listener::next);
    let signs = KeepAlive::new().interval(SIGN_OF_LIFE);
    Ok(Sse::new(stream).keep_alive(signs).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, worst: Severity, contact: i64) -> HostSummary {
        HostSummary {
            name: HostName::new(name).unwrap(),
            groups: Vec::new(),
            state: HostState::Up,
            worst,
            checks: [1, 0, 0, 0],
            last_contact: Some(ravenry_plugins::timestamp::Timestamp::from_seconds(contact)),
            graphs: 1,
        }
    }

    #[test]
    fn only_what_is_another_is_told() {
        let mut seen = Seen::default();
        let mut names = |hosts: Vec<HostSummary>| {
            let events = seen.changes(hosts, Vec::new());
            let told = events
                .iter()
                .map(|event| format!("{} {}", event.name, &event.data[..11]));
            told.collect::<Vec<_>>()
        };
        let (a, b) = (host("a", Severity::Ok, 1), host("b", Severity::Ok, 1));
        assert_eq!(names(vec![a.clone(), b]).len(), 2);
        assert_eq!(names(vec![a.clone(), host("b", Severity::Ok, 99)]), [""; 0]);
        let worse = host("b", Severity::Critical, 99);
        assert_eq!(names(vec![a.clone(), worse]), ["host {\"name\":\"b\""]);
        assert_eq!(names(vec![a]), ["host_gone {\"name\":\"b\""]);
    }

    #[tokio::test]
    async fn who_does_not_read_is_told_how_much_is_lost() {
        let events = Events::default();
        let (receiver, begins) = events.listen().unwrap();
        assert!(begins && !events.listen().unwrap().1);
        for n in 0..WAITING_MAX + 7 {
            events.sender.send(Event::of("host", &n)).unwrap();
        }
        let listener = Listener {
            events: receiver,
            is_new: false,
            since: clock::monotonic(),
        };
        let (Ok(event), listener) = listener.next().await.unwrap();
        assert!(format!("{event:?}").contains("missed\\\":7"), "{event:?}");
        drop(listener);
        assert!(events.is_over());
    }

    #[tokio::test]
    async fn listeners_have_a_limit() {
        let events = Events::default();
        let listeners: Vec<_> = (0..LISTENERS_MAX)
            .map(|_| events.listen().unwrap())
            .collect();
        assert!(events.listen().is_err());
        drop(listeners);
        assert!(events.listen().is_ok());
    }
}
