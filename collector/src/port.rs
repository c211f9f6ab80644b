//! Who listens on a port already: what a second start says, so that nobody has to look for it.

use std::fs;
use std::net::SocketAddr;

/// Names the process that listens on `address`, as far as this user may see: `process 123 (nginx)`.
#[must_use]
pub fn holder(address: SocketAddr) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inode = tables
        .iter()
        .find_map(|table| listening_inode(&fs::read_to_string(table).ok()?, address.port()))?;
    let socket = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pid = processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| {
            let open = fs::read_dir(format!("/proc/{pid}/fd"))
                .into_iter()
                .flatten()
                .flatten();
            open.filter_map(|file| fs::read_link(file.path()).ok())
                .any(|link| link.as_os_str() == socket.as_str())
        })?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("process {pid} ({})", name.trim()))
}

/// The inode of the socket that listens on `port`, in a table of the kernel's.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    const LISTENING: &str = "0A";
    let wanted = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let listens = columns.get(1)?.ends_with(&wanted) && *columns.get(3)? == LISTENING;
        if listens {
            columns.get(9)?.parse().ok()
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_that_listens_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let found = holder(listener.local_addr().unwrap()).unwrap();
        assert!(
            found.starts_with(&format!("process {} (", std::process::id())),
            "{found}"
        );
    }

    #[test]
    fn only_listening_sockets_count() {
        let table = "  sl  local_address rem_address st tx rx tr tm when retrnsmt uid timeout inode\n\
            0: 0100007F:1356 00000000:0000 01 00000000:00000000 00:00000000 00000000 0 0 11 1\n\
            1: 0100007F:1356 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12 1\n";
        assert_eq!(listening_inode(table, 4950), Some(12));
        assert_eq!(listening_inode(table, 4951), None);
    }
}
