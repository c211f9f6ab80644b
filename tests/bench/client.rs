//! Bodies sent over a few connections that stay open, one request at a time on each; the CPU that this takes is counted
//! apart from the servers'.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;

/// Sends all bodies to `path` over `connections` connections; each must be answered with a status below 300.
///
/// # Panics
/// When one is not.
pub(crate) fn send_all(
    address: SocketAddr,
    path: &str,
    headers: &str,
    connections: usize,
    bodies: Vec<Vec<u8>>,
) {
    let bodies = Mutex::new(bodies.into_iter());
    thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut connection = Connection::open(address).unwrap();
                loop {
                    let Some(body) = bodies.lock().unwrap().next() else {
                        break;
                    };
                    let (status, answer) = connection.post(path, headers, &body).unwrap();
                    assert!(status < 300, "{path}: {status} {answer}");
                    assert!(!answer.contains("\"problems\""), "{answer}");
                }
            });
        }
    });
}

struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            address,
        })
    }

    fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> io::Result<(u16, String)> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\n{headers}content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request)?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<(u16, String)> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("not an answer: {line:?}")))?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(text) = lower.strip_prefix("content-length:") {
                length = text.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}
