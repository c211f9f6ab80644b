//! Tools that a test needs and that do not come with Ravenry; `tests/run` installs them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

/// Where `name` is in `PATH`. Without it the caller passes, having said so; with `RAVENRY_TESTS_STRICT` it fails.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found.or_else(|| missing(&format!("the program {name}")))
}

/// Whether `path` is there; as [`find`] where it is not.
#[must_use]
pub fn is_there(path: &str) -> bool {
    Path::new(path).exists() || missing::<()>(path).is_some()
}

/// Says that `what` is missing, which fails the test with `RAVENRY_TESTS_STRICT`.
///
/// # Panics
/// With `RAVENRY_TESTS_STRICT`.
#[must_use]
pub fn missing<T>(what: &str) -> Option<T> {
    assert!(
        std::env::var_os("RAVENRY_TESTS_STRICT").is_none(),
        "{what} is missing; ./tests/run sets up what the tests need"
    );
    eprintln!("left out: {what} is missing");
    None
}

/// An address of this machine that nobody listens on, below the ports that the kernel gives to outgoing connections, so
/// that it stays free while a program is restarted.
#[must_use]
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = 20_000 + (own + 97 * NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
