//! A collector of a few lines, plugins in a temporary directory, and waiting for what should happen.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ravenry_agent::agent::{self, AgentError};
use ravenry_agent::config::{Bundled, Config, Surroundings};
use ravenry_agent::uplink::{HttpUplink, Uplink};
use ravenry_plugins::wire::{self, Batch, Limits};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longer than anything here should take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the collector answers.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Answer {
    Take,
    Refuse,
    /// Says of a first batch that it has had it, and takes what follows.
    Duplicate,
}

/// A collector that keeps what it takes.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    taken: watch::Receiver<Vec<Batch>>,
    answer: Arc<Mutex<Answer>>,
    refused: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Collector {
    /// How many batches it would not have.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    pub(crate) async fn start(address: SocketAddr, answer: Answer) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (keep, taken) = watch::channel(Vec::new());
        let answer = Arc::new(Mutex::new(answer));
        let with = answer.clone();
        let refused = Arc::new(AtomicUsize::new(0));
        let count = refused.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if serve(stream, &with, &keep).await == Some(Answer::Refuse) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self {
            address,
            taken,
            answer,
            refused,
            serving,
        }
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// Waits until what was taken is `enough`, and gives it.
    pub(crate) async fn taken(&mut self, enough: impl Fn(&[Batch]) -> bool) -> Vec<Batch> {
        let taken = self.taken.wait_for(|taken| enough(taken));
        let taken = tokio::time::timeout(PATIENCE, taken).await;
        taken
            .expect("the collector got what it waits for")
            .unwrap()
            .clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One request a connection; gives what was answered.
async fn serve(
    mut stream: TcpStream,
    answer: &Mutex<Answer>,
    keep: &watch::Sender<Vec<Batch>>,
) -> Option<Answer> {
    let (head, body) = read_request(&mut stream).await?;
    assert!(head.starts_with("post /api/v1/push http/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: bearer s3cret"), "{head}");
    let batch = wire::decode(
        &body,
        Some("application/msgpack"),
        Some("gzip"),
        Limits::default(),
    )
    .unwrap();
    let answer = match &mut *answer.lock().unwrap() {
        given @ Answer::Duplicate => std::mem::replace(given, Answer::Take),
        given => *given,
    };
    let (status, text) = match answer {
        Answer::Take => (
            "200 OK",
            format!(r#"{{"accepted":{}}}"#, batch.samples.value.len()),
        ),
        Answer::Duplicate => ("200 OK", r#"{"duplicate":true}"#.to_owned()),
        Answer::Refuse => ("400 Bad Request", "not today".to_owned()),
    };
    keep.send_if_modified(|taken| {
        if answer == Answer::Take {
            taken.push(batch);
        }
        answer == Answer::Take
    });
    let reply = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    let _ = stream.write_all(reply.as_bytes()).await;
    Some(answer)
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))?
        .parse::<usize>()
        .ok()?;
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, bytes.split_off(end)))
}

/// An agent's directories.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        // Plugins may run as another user, who must get here.
        fs::set_permissions(home.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["plugins", "plugin-conf.d"] {
            fs::create_dir(home.path(name)).unwrap();
        }
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a shell plugin into the plugin directory, whole from the start.
    pub(crate) fn plugin(&self, name: &str, script: &str) {
        let beside = self.path("plugin.new");
        fs::write(&beside, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(beside, self.path("plugins").join(name)).unwrap();
    }

    pub(crate) fn config(&self) -> Config {
        let surroundings = Surroundings {
            hostname: "web1".to_owned(),
            state_dir: self.path("state"),
        };
        Config {
            plugin_dir: Some(self.path("plugins")),
            plugin_conf_dir: Some(self.path("plugin-conf.d")),
            interval: Duration::from_secs(1),
            bundled: Bundled::Off,
            exec_helper: Some(PathBuf::from(env!("CARGO_BIN_EXE_ravenry-agent"))),
            ..Config::defaults(&surroundings)
        }
    }
}

/// An agent at work.
pub(crate) struct Agent {
    stop: watch::Sender<bool>,
    running: JoinHandle<Result<(), AgentError>>,
}

impl Agent {
    pub(crate) fn start(config: Config, collector: SocketAddr) -> Self {
        let url = format!("http://{collector}").parse().unwrap();
        let uplink =
            Uplink::Http(HttpUplink::new(&[url], Some("s3cret".parse().unwrap())).unwrap());
        let (stop, stopped) = watch::channel(false);
        Self {
            stop,
            running: tokio::spawn(agent::run(config, uplink, stopped)),
        }
    }

    /// Stops it.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        let ended = tokio::time::timeout(PATIENCE, self.running).await;
        ended.expect("the agent stops").unwrap().unwrap();
    }
}

/// An address where nobody listens.
pub(crate) async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let held = async {
        while !condition() {
            look.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, held)
        .await
        .unwrap_or_else(|_| panic!("{what}"));
}

pub(crate) fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// A plugin that notes when it ran, so that a test can compare.
pub(crate) fn noting(home: &Home) -> String {
    let file = home.path("notes");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
    let note = file.display();
    format!(
        r#"if [ "$1" = config ]; then echo graph_title Notes; echo a.label a; exit 0; fi
        n=$(($(wc -l < {note}) + 1)); echo "$n $(date +%s)" >> {note}; echo "a.value $n""#
    )
}

/// The readings of a graph, as they were sent: value and time.
pub(crate) fn values(batches: &[Batch], graph: &str) -> Vec<(f64, i64)> {
    let mut values = Vec::new();
    for batch in batches {
        for (at, index) in batch.samples.series.iter().enumerate() {
            if batch.series.graph[*index as usize].as_str() == graph {
                let value = batch.samples.value[at].number().unwrap_or(f64::NAN);
                values.push((value, batch.samples.time[at].seconds()));
            }
        }
    }
    values
}
