//! Servers that answer in every way.

use std::io::BufRead;
use std::net::TcpListener;

use super::*;

/// A server that reads one request and answers with these parts.
fn server(parts: &'static [&'static [u8]]) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut reader = io::BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            for part in parts {
                // Who asked may have gone.
                let _ = stream.write_all(part).and_then(|()| stream.flush());
            }
        }
    });
    Url::parse(&format!("http://127.0.0.1:{port}/a?b=c#d")).unwrap()
}

const SECOND: Duration = Duration::from_secs(1);

fn check(parts: &'static [&'static [u8]], expect: Result<(u16, &str), &str>) {
    let found = get(&server(parts), SECOND);
    let found = found.map(|answer| (answer.status, String::from_utf8(answer.body).unwrap()));
    let expect = expect
        .map(|(status, body)| (status, body.to_owned()))
        .map_err(str::to_owned);
    assert_eq!(found, expect, "{parts:?}");
}

#[test]
fn every_way_of_ending_a_body_is_understood() {
    check(
        &[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more"],
        Ok((200, "hello")),
    );
    check(
        &[b"HTTP/1.0 404 Not Found\r\n\r\nno", b" such", b" page"],
        Ok((404, "no such page")),
    );
    check(
        &[
            b"HTTP/1.1 200 OK\r\nTransfer-Enc",
            b"oding: chunked\r\n\r\n5\r\nhel",
            b"lo\r\n6;x=y\r\n world\r\n0\r\n\r\n",
        ],
        Ok((200, "hello world")),
    );
    check(
        &[b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"],
        Ok((204, "")),
    );
}

#[test]
fn what_is_no_answer_is_said() {
    check(
        &[b"SSH-2.0-OpenSSH_9.2\r\n"],
        Err("reading: expected an answer over HTTP: invalid HTTP version"),
    );
    check(
        &[b"HTTP/1.1 200 OK\r\nA: b\r\n"],
        Err("reading: expected the head of an answer over HTTP, found none"),
    );
    check(
        &[],
        Err("reading: expected the head of an answer over HTTP, found none"),
    );
}

#[test]
fn nobody_there_and_nobody_answering_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let url = Url::parse(&format!("http://{address}/")).unwrap();
    let error = get(&url, Duration::from_millis(100)).unwrap_err();
    assert_eq!(error, "reading: no answer in time");
    drop(listener);
    let error = get(&url, SECOND).unwrap_err();
    assert!(
        error.starts_with(&format!("connecting to {address}: ")),
        "{error}"
    );
    let ftp = Url::parse("ftp://127.0.0.1/").unwrap();
    assert_eq!(
        get(&ftp, SECOND).unwrap_err(),
        "expected http or https, found \"ftp\""
    );
}

#[test]
fn a_request_names_host_and_path() {
    let check = |url: &str, first: &str, second: &str| {
        let text = request(&Url::parse(url).unwrap());
        let mut lines = text.lines();
        assert_eq!((lines.next(), lines.next()), (Some(first), Some(second)));
    };
    check(
        "http://u:p@example.net:8080/a/b?c=d#e",
        "GET /a/b?c=d HTTP/1.1",
        "Host: example.net:8080",
    );
    check("https://[::1]", "GET / HTTP/1.1", "Host: [::1]");
}

#[test]
fn settings_of_time_are_checked() {
    let set = |text: &str| timeout(&Environment::new([("timeout".to_owned(), text.to_owned())]));
    assert_eq!(set("2.5").unwrap(), Duration::from_millis(2500));
    for text in ["0", "-1", "301", "soon", "NaN"] {
        assert!(set(text).is_err(), "{text}");
    }
}
