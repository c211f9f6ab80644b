//! Debian's munin-node, and what it or our own port answers to a master.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::plugin::Folder;
use crate::program::{self, Running};
use crate::{tool, wait};

/// Where Debian has Munin's plugins.
pub const PLUGINS: &str = "/usr/share/munin/plugins";

/// All that is answered to `lines`, the greeting included.
#[must_use]
pub fn ask(address: SocketAddr, lines: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    stream.write_all(lines.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Debian's munin-node with plugins of its own, in the foreground.
#[derive(Debug)]
pub struct Munin {
    running: Option<Running>,
    /// Where it listens.
    pub address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Munin {
    /// One with links `plugins` to programs of [`PLUGINS`], and `conf` as its plugin-conf.d; not started yet.
    #[must_use]
    pub fn new(plugins: &[(&str, &str)], conf: &str) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let address = tool::free_address();
        let links = Folder::new(folder.path().join("plugins"));
        for (name, target) in plugins {
            links.link(name, &format!("{PLUGINS}/{target}"));
        }
        let settings = Folder::new(folder.path().join("plugin-conf.d"));
        fs::write(settings.path().join("test"), conf).unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let text = format!(
            "log_level 2\nlog_file {}\npid_file {}\nbackground 0\nsetsid 0\nuser root\ngroup root\n\
             host_name old.example.net\nhost {}\nport {}\nallow ^127\\.0\\.0\\.1$\n",
            at("node.log"),
            at("node.pid"),
            address.ip(),
            address.port()
        );
        fs::write(folder.path().join("munin-node.conf"), text).unwrap();
        Self {
            running: None,
            address,
            folder,
        }
    }

    /// Starts it and waits until it answers.
    pub fn start(&mut self) {
        let at = |name: &str| self.folder.path().join(name);
        // It has no option for where its plugins are.
        let script = "use Munin::Common::Defaults; $Munin::Common::Defaults::MUNIN_CONFDIR = shift; \
                      $0 = '/usr/sbin/munin-node'; do $0; die $@ if $@; exit main();";
        let mut command = program::command("perl");
        command.arg("-e").arg(script).arg(self.folder.path());
        self.running = Some(Running::start(&mut command, &at("log")));
        wait::until("munin-node answers", || {
            ask(self.address, "quit\n").is_some_and(|text| text.contains("munin node at"))
        });
    }

    /// Its process.
    ///
    /// # Panics
    /// When it is not running.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.as_ref().unwrap().pid()
    }

    /// Ends it with SIGKILL.
    ///
    /// # Panics
    /// When it is not running.
    pub fn kill(&mut self) {
        self.running.take().unwrap().kill();
    }
}
