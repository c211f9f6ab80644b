//! A line of an access log in the common form or one that goes on behind it:
//! `HOST IDENT USER [TIME] "REQUEST" STATUS BYTES ...`, a host name in front of it or not, the last word maybe a latency.

/// What counts of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Entry {
    pub(super) status: u16,
    pub(super) bytes: u64,
    /// In seconds.
    pub(super) latency: Option<f64>,
}

/// What latencies are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Seconds with a point, microseconds without.
    AsWritten,
    Seconds,
    Milliseconds,
    Microseconds,
}

impl Entry {
    /// What the line says; none where it is no request.
    pub(super) fn parse(line: &[u8], unit: Unit) -> Option<Self> {
        let behind = behind_request(line)?;
        let mut words = Words(behind);
        let status = number(words.next()?).filter(|status| (100..=999).contains(status))?;
        let bytes = match words.next()? {
            b"-" => 0,
            word => number(word)?,
        };
        let last = words.last();
        Some(Self {
            status: u16::try_from(status).ok()?,
            bytes,
            latency: last.and_then(|word| latency(word, unit)),
        })
    }
}

/// What follows the closing quote of the request; `\"` within it does not close it.
fn behind_request(line: &[u8]) -> Option<&[u8]> {
    let open = line.windows(3).position(|three| three == b"] \"")? + 3;
    let rest = &line[open..];
    let mut escaped = false;
    let close = rest.iter().position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    })?;
    Some(&rest[close + 1..])
}

/// Words between blanks; what is quoted is one.
struct Words<'a>(&'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let begin = self.0.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let rest = &self.0[begin..];
        let end = match rest[0] {
            b'"' => rest[1..]
                .iter()
                .position(|byte| *byte == b'"')
                .map(|at| at + 2),
            _ => rest.iter().position(u8::is_ascii_whitespace),
        };
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        self.0 = after;
        Some(word)
    }
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// `0.005`, `5123`, `rt=0.005`, `"0.005"`.
fn latency(word: &[u8], unit: Unit) -> Option<f64> {
    let text = std::str::from_utf8(word).ok()?.trim_matches('"');
    let text = text.rsplit_once('=').map_or(text, |(_, value)| value);
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    let seconds = match unit {
        Unit::AsWritten if text.contains('.') => number,
        Unit::AsWritten | Unit::Microseconds => number / 1e6,
        Unit::Milliseconds => number / 1e3,
        Unit::Seconds => number,
    };
    seconds.is_finite().then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: Option<(u16, u64, Option<f64>)>) {
        let found = Entry::parse(line.as_bytes(), Unit::AsWritten);
        let found = found.map(|entry| (entry.status, entry.bytes, entry.latency));
        assert_eq!(found, expect, "{line}");
    }

    #[test]
    fn the_common_forms_are_understood() {
        let head = r#"192.0.2.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0""#;
        check(&format!("{head} 200 2326\n"), Some((200, 2326, None)));
        check(&format!("{head} 304 -\n"), Some((304, 0, None)));
        check(
            &format!(r#"{head} 404 12 "http://e/ 1.5" "Mozilla/5.0 (X11; 7)""#),
            Some((404, 12, None)),
        );
        check(
            &format!(r#"{head} 200 12 "-" "curl" 0.005"#),
            Some((200, 12, Some(0.005))),
        );
        check(
            &format!(r#"{head} 200 12 "-" "curl" rt=1.250"#),
            Some((200, 12, Some(1.25))),
        );
        check(
            &format!(r#"{head} 200 12 "-" "curl" 1500"#),
            Some((200, 12, Some(0.0015))),
        );
        check(
            &format!("www.example.net:443 {head} 500 7\r\n"),
            Some((500, 7, None)),
        );
        check(
            r#"::1 - - [1/Jan/2024:00:00:00 +0000] "GET /\"x\\ HTTP/1.1" 400 0"#,
            Some((400, 0, None)),
        );
        check(
            r#"::1 - - [1/Jan/2024:00:00:00 +0000] "GET /\"x\\" 400 0"#,
            Some((400, 0, None)),
        );
        check(
            r#"::1 - - [1/Jan/2024:00:00:00 +0000] "\x16\x03\x01" 400 150"#,
            Some((400, 150, None)),
        );
    }

    #[test]
    fn other_lines_are_no_request() {
        check("", None);
        check("a line of something else", None);
        check(r#"h - - [t] "GET /" abc 12"#, None);
        check(r#"h - - [t] "GET /" 20 12"#, None);
        check(r#"h - - [t] "GET /" 200"#, None);
        check(r#"h - - [t] "GET /"#, None);
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_panic(bytes in proptest::collection::vec(0u8..=255, 0..200)) {
            let _ = Entry::parse(&[&b"h - - [t] \""[..], &bytes].concat(), Unit::AsWritten);
        }
    }
}
