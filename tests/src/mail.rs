//! A real mail server, Debian's aiosmtpd, that keeps what it gets in a maildir.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use crate::program::{self, Running};
use crate::{tool, wait};

/// The server and its mails.
#[derive(Debug)]
pub struct MailServer {
    _running: Running,
    address: SocketAddr,
    maildir: PathBuf,
}

impl MailServer {
    /// Starts one that keeps its mails below `folder`; `None` where aiosmtpd is not installed.
    #[must_use]
    pub fn start(folder: &Path) -> Option<Self> {
        Self::start_at(folder, tool::free_address())
    }

    /// The same at an address that is known already.
    #[must_use]
    pub fn start_at(folder: &Path, address: SocketAddr) -> Option<Self> {
        let aiosmtpd = tool::find("aiosmtpd")?;
        let maildir = folder.join("mails");
        let mut command = program::command(aiosmtpd);
        command
            .args(["-n", "-l", &address.to_string()])
            .args(["-c", "aiosmtpd.handlers.Mailbox"])
            .arg(&maildir);
        let running = Running::start(&mut command, &folder.join("aiosmtpd.log"));
        wait::until("the mail server greets", || greets(address));
        Some(Self {
            _running: running,
            address,
            maildir,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All mails until now as they arrived, the earliest first.
    #[must_use]
    pub fn mails(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.maildir.join("new")) else {
            return Vec::new();
        };
        let mut files: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .map(|path| (fs::metadata(&path).unwrap().modified().unwrap(), path))
            .collect();
        files.sort();
        files
            .iter()
            .map(|(_, path)| fs::read_to_string(path).unwrap())
            .collect()
    }

    /// The subjects of all mails until now, the earliest first.
    #[must_use]
    pub fn subjects(&self) -> Vec<String> {
        let mails = self.mails();
        let subject = |mail: &String| {
            let line = mail.lines().find_map(|line| line.strip_prefix("Subject: "));
            line.unwrap_or_default().to_owned()
        };
        mails.iter().map(subject).collect()
    }
}

fn greets(address: SocketAddr) -> bool {
    let mut greeting = [0; 3];
    TcpStream::connect(address)
        .and_then(|mut stream| stream.read_exact(&mut greeting))
        .is_ok_and(|()| &greeting == b"220")
}
