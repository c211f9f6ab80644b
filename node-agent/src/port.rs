//! The munin-node port: a Munin master asks for the plugins of this agent, as it would ask munin-node.
//!
//! What is said is [`ravenry_plugins::munin::node`]'s part; here are sockets and runs. Plugins run when they are asked, beside
//! the agent's own schedule and with a state of their own for each master, as with munin-node. Nagios checks are not listed:
//! Munin has no word for them. An answer is one write on a socket that delays none, so that no reply waits for the
//! acknowledgement of the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::munin::node::{
    Answer, COMMAND_BYTES_MAX, Failure, Request, Session, list_reply, nodes_reply, output_reply,
};
use ravenry_plugins::munin::text_of;
use ravenry_plugins::name::HostName;
use ravenry_plugins::run::RunOutcome;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::config::munin_node::MuninPort;
use crate::directory::{Kind, Plugin};
use crate::environment::Asker;
use crate::runner::Runner;
use crate::schedule::PluginName;

/// Masters that are served at the same time; one more is turned away.
const SESSIONS_MAX: usize = 16;
/// How long a master may be silent, or take to read an answer.
const IDLE_MAX: Duration = Duration::from_secs(300);
/// How long a bundled plugin may take that `plugin-conf.d` says nothing about.
const BUNDLED_MAX: Duration = Duration::from_secs(30);
/// How long to wait before listening is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// What masters can ask for.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// The plugins that are run.
    pub plugins: Vec<Plugin>,
    /// The hosts that plugins speak of in their own words, where it is not this one.
    pub hosts: BTreeMap<PluginName, BTreeSet<HostName>>,
}

/// Answers masters until it is dropped.
pub async fn serve(
    config: MuninPort,
    host: HostName,
    runner: Runner,
    offer: watch::Receiver<Arc<Offer>>,
) {
    let port = Arc::new(Port {
        host,
        runner,
        offer,
    });
    let listener = listen(config.listen).await;
    let room = Arc::new(Semaphore::new(SESSIONS_MAX));
    let mut sessions = JoinSet::new();
    loop {
        while sessions.try_join_next().is_some() {}
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!("munin-node port: {error}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let ip = peer.ip().to_canonical();
        if !config.allow.iter().any(|network| network.contains(ip)) {
            warn!(
                "munin-node port: {ip} is not allowed to ask: `allow` in [munin_node] names who is"
            );
            continue;
        }
        let Ok(room) = Arc::clone(&room).try_acquire_owned() else {
            warn!(
                "munin-node port: {SESSIONS_MAX} masters are asking already: {ip} is turned away"
            );
            continue;
        };
        let port = Arc::clone(&port);
        sessions.spawn(async move {
            let _room = room;
            if let Err(error) = port.converse(stream, ip).await {
                debug!("munin-node port: {ip}: {error}");
            }
        });
    }
}

/// Tries until it works: an address may come later than the agent.
async fn listen(address: SocketAddr) -> TcpListener {
    let mut told = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                info!("munin-node port: {address}");
                return listener;
            }
            Err(error) if told => debug!("munin-node port: {address}: {error}"),
            Err(error) => {
                told = true;
                warn!(
                    "munin-node port: cannot listen at {address}: {error}; tried again every {} s",
                    AGAIN.as_secs()
                );
            }
        }
        sleep(AGAIN).await;
    }
}

struct Port {
    host: HostName,
    runner: Runner,
    offer: watch::Receiver<Arc<Offer>>,
}

impl Port {
    async fn converse(&self, stream: TcpStream, master: IpAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read);
        let mut session = Session::new(self.host.as_str(), env!("CARGO_PKG_VERSION"));
        send(&mut write, &session.greeting()).await?;
        while let Some(line) = next_line(&mut lines).await? {
            let reply = match session.handle_line(&line) {
                Answer::Close => return Ok(()),
                Answer::Reply(reply) => reply,
                Answer::Wanted(request) => {
                    let asker = Asker {
                        master: master.to_string(),
                        dirtyconfig: session.dirtyconfig(),
                    };
                    self.find_out(request, &asker).await
                }
            };
            send(&mut write, &reply).await?;
        }
        Ok(())
    }

    async fn find_out(&self, request: Request, asker: &Asker) -> String {
        let offer = Arc::clone(&self.offer.borrow());
        match request {
            Request::List(host) => {
                let host = host.unwrap_or_else(|| self.host.as_str().to_lowercase());
                list_reply(offer.names(&self.host, &host))
            }
            Request::Nodes => {
                let hosts = offer.all_hosts(&self.host);
                nodes_reply(hosts.iter().map(HostName::as_str))
            }
            Request::Config(name) => self.output(&offer, &name, Some("config"), asker).await,
            Request::Fetch(name) => self.output(&offer, &name, None, asker).await,
            Request::Cap(_)
            | Request::Spoolfetch(_)
            | Request::Version
            | Request::Quit
            | Request::Unknown => output_reply(Err(Failure::UnknownService)),
        }
    }

    async fn output(
        &self,
        offer: &Offer,
        name: &str,
        word: Option<&'static str>,
        asker: &Asker,
    ) -> String {
        let plugin = offer.plugins.iter().find(|plugin| *plugin.name == *name);
        let Some(plugin) = plugin.filter(|plugin| is_munins(plugin)) else {
            return output_reply(Err(Failure::UnknownService));
        };
        if plugin.kind == Kind::Bundled {
            let limit = plugin.settings.timeout.unwrap_or(BUNDLED_MAX);
            let Ok(text) = timeout(limit, self.runner.print_bundled(plugin, word)).await else {
                return output_reply(Err(Failure::TimedOut));
            };
            let text = text.inspect_err(|why| debug!("munin-node port: {name}: {why}"));
            return output_reply(text.as_deref().map_err(|_| Failure::BadExit));
        }
        let result = self.runner.print_for(plugin, word, asker).await;
        match &result.outcome {
            RunOutcome::TimedOut { .. } => output_reply(Err(Failure::TimedOut)),
            outcome if outcome.succeeded() => output_reply(Ok(&text_of(&result.stdout))),
            outcome => {
                debug!("munin-node port: {name}: {outcome}");
                output_reply(Err(Failure::BadExit))
            }
        }
    }
}

fn is_munins(plugin: &Plugin) -> bool {
    match plugin.kind {
        Kind::Bundled | Kind::Foreign { .. } => true,
        Kind::Check { .. } => false,
    }
}

impl Offer {
    /// The hosts that a plugin speaks of; this one where it names none.
    fn hosts_of(&self, plugin: &Plugin, own: &HostName) -> BTreeSet<HostName> {
        let said = plugin.settings.host_name.clone();
        let mut hosts = self.hosts.get(&plugin.name).cloned().unwrap_or_default();
        hosts.extend(said);
        if hosts.is_empty() {
            hosts.insert(own.clone());
        }
        hosts
    }

    fn names<'a>(&'a self, own: &HostName, host: &str) -> Vec<&'a str> {
        let is_about = |plugin: &&Plugin| {
            let hosts = self.hosts_of(plugin, own);
            hosts
                .iter()
                .any(|it| it.as_str().eq_ignore_ascii_case(host))
        };
        let plugins = self.plugins.iter().filter(|plugin| is_munins(plugin));
        plugins
            .filter(is_about)
            .map(|plugin| &*plugin.name)
            .collect()
    }

    fn all_hosts(&self, own: &HostName) -> BTreeSet<HostName> {
        let plugins = self.plugins.iter().filter(|plugin| is_munins(plugin));
        let mut hosts: BTreeSet<HostName> = plugins
            .flat_map(|plugin| self.hosts_of(plugin, own))
            .collect();
        hosts.insert(own.clone());
        hosts
    }
}

/// A line without its end; nothing when the master has hung up.
async fn next_line(
    lines: &mut BufReader<tokio::net::tcp::OwnedReadHalf>,
) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let limit = COMMAND_BYTES_MAX as u64 + 1;
    let mut limited = lines.take(limit);
    let read = timeout(IDLE_MAX, limited.read_until(b'\n', &mut line));
    let read = read
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    if read > COMMAND_BYTES_MAX {
        return Err(io::Error::other(format!(
            "expected a command of at most {} bytes, found a longer one",
            COMMAND_BYTES_MAX
        )));
    }
    let text = String::from_utf8_lossy(&line);
    Ok((read > 0).then(|| text.trim_end_matches('\n').to_owned()))
}

async fn send(write: &mut tokio::net::tcp::OwnedWriteHalf, text: &str) -> io::Result<()> {
    let written = timeout(IDLE_MAX, write.write_all(text.as_bytes()));
    written
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
