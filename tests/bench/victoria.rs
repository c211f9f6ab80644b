//! VictoriaMetrics, single host, as Debian has it.

use std::net::SocketAddr;
use std::path::Path;

use ravenry_tests::program::{self, Running};
use ravenry_tests::{http, tool, wait};

/// A running one.
pub(crate) struct Victoria {
    pub(crate) running: Running,
    pub(crate) address: SocketAddr,
}

impl Victoria {
    /// Starts it on `folder`; `None` where it is not installed.
    pub(crate) fn start(folder: &Path) -> Option<Self> {
        let Some(program) = tool::find("victoria-metrics") else {
            println!("  VictoriaMetrics is left out: install victoria-metrics");
            return None;
        };
        let address = tool::free_address();
        let mut command = program::command(program);
        command.arg(format!(
            "-storageDataPath={}",
            folder.join("victoria").display()
        ));
        command.arg(format!("-httpListenAddr={address}"));
        command.arg("-retentionPeriod=2y");
        let running = Running::start(&mut command, &folder.join("victoria.log"));
        wait::until("VictoriaMetrics answers", || {
            http::get(address, "/health").is_ok_and(|answer| answer.status == 200)
        });
        Some(Self { running, address })
    }

    /// Has it write what it has in memory.
    pub(crate) fn flush(&self) {
        assert_eq!(
            http::get(self.address, "/internal/force_flush")
                .unwrap()
                .status,
            200
        );
    }
}
