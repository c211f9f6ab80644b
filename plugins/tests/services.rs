//! The bundled plugins of services, against real ones: nginx, Apache, a server over TLS, this host's own echo.
//!
//! nginx and Apache are started on free ports of this host where their programs are found. Without them the tests say so and
//! pass, unless `RAVENRY_TESTS_STRICT` is set.

#![expect(clippy::unwrap_used, reason = "in a test, panicking is reporting")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::bundled::{self, Environment};
use ravenry_plugins::munin::offer::Autoconf;
use ravenry_plugins::reading::Reading;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

/// The program of a server, in `PATH` or where administrators have them.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    assert!(
        found.is_some() || std::env::var_os("RAVENRY_TESTS_STRICT").is_none(),
        "{name} is missing; ./tests/run sets up what the tests need"
    );
    if found.is_none() {
        println!("left out: {name} is missing");
    }
    found
}

/// A server that is stopped at the end of the test.
struct Running {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked first: one that is killed leaves its workers behind.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let ended = (0..6000).any(|_| {
            let ended = !matches!(self.child.try_wait(), Ok(None));
            if !ended {
                std::thread::park_timeout(Duration::from_millis(10));
            }
            ended
        });
        if !ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test starts servers, not plugins"
)]
fn start(program: &Path, config: &str, words: &[&str]) -> Running {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let home = folder.path().to_str().unwrap();
    let text = config
        .replace("HOME", home)
        .replace("PORT", &port.to_string());
    let file = folder.path().join("server.conf");
    fs::write(&file, text).unwrap();
    fs::create_dir(folder.path().join("www")).unwrap();
    let words = words
        .iter()
        .map(|word| word.replace("CONF", file.to_str().unwrap()));
    let child = Command::new(program)
        .args(words)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let running = Running {
        child,
        port,
        folder,
    };
    let answers = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    let up = (0..6000).any(|_| {
        let up = answers();
        if !up {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        up
    });
    assert!(up, "{program:?} does not listen");
    running
}

fn environment(settings: &[(&str, &str)]) -> Environment {
    let settings = settings.iter();
    Environment::new(settings.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
}

/// What a plugin reads; everything that it declares, and nothing else.
fn read(link: &str, environment: &Environment) -> BTreeMap<String, Reading> {
    let plugin = bundled::find(link).unwrap();
    let mut declared: Vec<String> = plugin
        .config(environment)
        .unwrap()
        .iter()
        .flat_map(|one| {
            one.fields
                .iter()
                .map(|field| format!("{}/{}", one.graph, field.field))
        })
        .collect();
    declared.sort();
    let samples = plugin.fetch(environment).unwrap().into_iter();
    let read: BTreeMap<String, Reading> = samples
        .map(|sample| (format!("{}/{}", sample.graph, sample.field), sample.reading))
        .collect();
    assert_eq!(read.keys().cloned().collect::<Vec<_>>(), declared, "{link}");
    read
}

fn count(readings: &BTreeMap<String, Reading>, name: &str) -> f64 {
    readings[name].number().unwrap()
}

const NGINX: &str = "\
daemon off; master_process off; pid HOME/nginx.pid; error_log HOME/error.log;
events {}
http {
    client_body_temp_path HOME/t1; proxy_temp_path HOME/t2; fastcgi_temp_path HOME/t3;
    uwsgi_temp_path HOME/t4; scgi_temp_path HOME/t5;
    log_format timed '$remote_addr - $remote_user [$time_local] \"$request\" $status '
                     '$body_bytes_sent \"$http_referer\" \"$http_user_agent\" $request_time';
    access_log HOME/access.log timed;
    server { listen 127.0.0.1:PORT; root HOME/www; location = /nginx_status { stub_status; } }
}
";

#[test]
fn nginx_is_read() {
    let Some(nginx) = program("nginx") else {
        return;
    };
    let server = start(&nginx, NGINX, &["-e", "stderr", "-c", "CONF"]);
    let url = format!("http://127.0.0.1:{}/nginx_status", server.port);
    let settings = environment(&[("url", &url)]);
    let status = read("nginx_status", &settings);
    assert!(count(&status, "nginx_status/total") >= 1.0, "{status:?}");
    assert_eq!(count(&status, "nginx_status/writing"), 1.0);
    let before = count(&read("nginx_request", &settings), "nginx_request/request");
    let after = count(&read("nginx_request", &settings), "nginx_request/request");
    assert_eq!(after, before + 1.0);
    let plugin = bundled::find("nginx_status").unwrap();
    assert_eq!(plugin.autoconf(&settings), Autoconf::Yes);
    let elsewhere = format!("http://127.0.0.1:{}/", server.port);
    let why = plugin.autoconf(&environment(&[("url", &elsewhere)]));
    let expect = Autoconf::No(Some(format!("{elsewhere}: expected status 200, found 403")));
    assert_eq!(why, expect);
}

#[test]
fn the_log_of_nginx_is_read() {
    let Some(nginx) = program("nginx") else {
        return;
    };
    let server = start(&nginx, NGINX, &["-e", "stderr", "-c", "CONF"]);
    fs::write(server.folder.path().join("www/page"), "hello").unwrap();
    let log = server.folder.path().join("access.log");
    let state = server.folder.path().join("state");
    fs::create_dir(&state).unwrap();
    let settings = environment(&[("log", log.to_str().unwrap())]).with_state_dir(&state);
    let ask = |path: &str| {
        let url = format!("http://127.0.0.1:{}{path}", server.port);
        read("http_page", &environment(&[("url", &url)]))
    };
    ask("/page");
    read("weblog_shop", &settings);
    for path in ["/page", "/page", "/none"] {
        ask(path);
    }
    let readings = read("weblog_shop", &settings);
    assert_eq!(count(&readings, "weblog_shop/s2xx"), 2.0);
    assert_eq!(count(&readings, "weblog_shop/s4xx"), 1.0);
    assert!(count(&readings, "weblog_shop.bytes/sent") > 10.0);
    assert!(count(&readings, "weblog_shop.latency/p99") < 1.0);
}

#[test]
fn a_page_has_times_and_a_status() {
    let Some(nginx) = program("nginx") else {
        return;
    };
    let server = start(&nginx, NGINX, &["-e", "stderr", "-c", "CONF"]);
    let url = format!("http://127.0.0.1:{}/none", server.port);
    let readings = read("http_x", &environment(&[("url", &url)]));
    assert_eq!(count(&readings, "http_x.status/status"), 404.0);
    let total = count(&readings, "http_x/total");
    assert!(total > 0.0 && total < 5.0, "{readings:?}");
    drop(server);
    let readings = read("http_x", &environment(&[("url", &url)]));
    assert_eq!(count(&readings, "http_x.status/status"), 0.0);
    assert_eq!(readings["http_x/total"], Reading::Unknown);
}

const APACHE: &str = "\
ServerRoot HOME
PidFile HOME/apache.pid
ErrorLog HOME/error.log
ServerName localhost
Listen 127.0.0.1:PORT
LoadModule mpm_event_module MODULES/mod_mpm_event.so
LoadModule authz_core_module MODULES/mod_authz_core.so
LoadModule status_module MODULES/mod_status.so
ExtendedStatus On
<Location /server-status>
    SetHandler server-status
</Location>
";

#[test]
fn apache_is_read() {
    let Some(apache) = program("apache2") else {
        return;
    };
    // The modules lie beside the program, wherever that is unpacked.
    let root = apache.parent().and_then(Path::parent).unwrap();
    let modules = root.join("lib/apache2/modules");
    let config = APACHE.replace("MODULES", modules.to_str().unwrap());
    let server = start(&apache, &config, &["-D", "FOREGROUND", "-f", "CONF"]);
    let port = server.port.to_string();
    let settings = environment(&[("ports", &port)]);
    let accesses = || {
        let readings = read("apache_accesses", &settings);
        count(&readings, &format!("apache_accesses/accesses{port}"))
    };
    // Apache counts a request some time after it answered.
    let first = accesses();
    let grows = (0..6000).any(|_| {
        std::thread::park_timeout(Duration::from_millis(10));
        accesses() >= first + 2.0
    });
    assert!(grows, "{first}");
    let processes = read("apache_processes", &settings);
    let processes = |name: &str| count(&processes, &format!("apache_processes/{name}{port}"));
    assert!(processes("busy") >= 1.0);
    assert!(processes("idle") >= 1.0);
    assert!(processes("free") >= 1.0);
    let volume = read("apache_volume", &settings);
    assert!(volume[&format!("apache_volume/volume{port}")] != Reading::Unknown);
    let plugin = bundled::find("apache_volume").unwrap();
    assert_eq!(plugin.autoconf(&settings), Autoconf::Yes);
    // One that does not answer is unknown beside one that does, and an error alone.
    let dead = free_port().to_string();
    let both = read(
        "apache_accesses",
        &environment(&[("ports", &format!("{dead} {port}"))]),
    );
    assert_eq!(
        both[&format!("apache_accesses/accesses{dead}")],
        Reading::Unknown
    );
    let plugin = bundled::find("apache_accesses").unwrap();
    let error = plugin.fetch(&environment(&[("ports", &dead)])).unwrap_err();
    assert!(
        error.to_string().contains("connecting to 127.0.0.1"),
        "{error}"
    );
}

/// Of a host that is called test.invalid, valid until 2126; made with `openssl req -x509 -newkey ed25519 -nodes -subj
/// /CN=test.invalid -days 36500`.
const KEY_AND_CERTIFICATE: &str = include_str!("services.pem");

/// A server over TLS that answers each request with a page.
fn tls_server() -> u16 {
    let certificate = CertificateDer::from_pem_slice(KEY_AND_CERTIFICATE.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY_AND_CERTIFICATE.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = BufReader::new(rustls::StreamOwned::new(connection, stream));
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            // Ends without saying so, as many do.
            let _ = stream
                .get_mut()
                .write_all(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n");
        }
    });
    port
}

#[test]
fn a_certificate_has_days_left_and_is_not_trusted() {
    let url = format!("https://127.0.0.1:{}/", tls_server());
    let readings = read("http_test", &environment(&[("url", &url)]));
    assert_eq!(count(&readings, "http_test.status/status"), 302.0);
    assert_eq!(count(&readings, "http_test.certificate/trusted"), 0.0);
    let days = count(&readings, "http_test.certificate/days");
    assert!((1_000.0..36_500.0).contains(&days), "{days}");
    assert!(count(&readings, "http_test/encrypt") > 0.0);
}

#[test]
fn this_host_answers_its_echo() {
    let link = "ping_127.0.0.1";
    let plugin = bundled::find(link).unwrap();
    let environment = Environment::default();
    match plugin.fetch(&environment) {
        Err(error) if error.to_string().contains("CAP_NET_RAW") => {
            println!("left out: {error}");
        }
        Err(error) => panic!("{error}"),
        Ok(_) => {
            let readings = read(link, &environment);
            assert_eq!(count(&readings, "ping_127_0_0_1/packetloss"), 0.0);
            let time = count(&readings, "ping_127_0_0_1/ping");
            assert!(time > 0.0 && time < 1.0, "{time}");
        }
    }
}
