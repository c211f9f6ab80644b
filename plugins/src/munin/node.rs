//! The munin-node protocol, both sides, without sockets: lines of text over one connection, one command at a time.
//!
//! The node greets, the master sends `cap`, `list`, `config NAME`, `fetch NAME`, `quit`. Some replies are one line, some
//! end with a line that holds a single dot: [`Request::ends_with_dot`] says which. [`Session`] is the node's side,
//! [`ReplyReader`] the master's; both take bytes or lines in and give text or values out.

use super::parser::BYTES_MAX;

/// Bytes of a command line at most; a longer one closes the session.
pub const COMMAND_BYTES_MAX: usize = 4 << 10;
/// Bytes of one reply at most, every plugin's output included.
pub const REPLY_BYTES_MAX: usize = BYTES_MAX + (64 << 10);

/// What a master asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `list [HOST]`: the names of the plugins that speak of a host; in lower case.
    List(Option<String>),
    /// `nodes`: the hosts that there are plugins of.
    Nodes,
    /// `config NAME`.
    Config(String),
    /// `fetch NAME`.
    Fetch(String),
    /// `cap WORDS`: what the master can do.
    Cap(Vec<String>),
    /// `spoolfetch EPOCH`: all that a spool has got since then. A master's to ask; a session does not know it.
    Spoolfetch(i64),
    /// `version`.
    Version,
    /// `quit`, or a line that begins with a dot.
    Quit,
    /// Anything else.
    Unknown,
}

impl Request {
    /// Reads a line. Commands may be in upper case, and more words than needed may follow.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        if line.starts_with('.') {
            return Self::Quit;
        }
        let mut words = line.split_whitespace();
        let command = words.next().unwrap_or("").to_ascii_lowercase();
        match command.as_str() {
            "list" => Self::List(words.next().map(str::to_lowercase)),
            "nodes" => Self::Nodes,
            "config" => Self::Config(words.next().unwrap_or("").to_owned()),
            "fetch" => Self::Fetch(words.next().unwrap_or("").to_owned()),
            "cap" => Self::Cap(words.map(str::to_owned).collect()),
            "version" => Self::Version,
            "quit" => Self::Quit,
            _ => Self::Unknown,
        }
    }

    /// The line that asks for it.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::List(None) => "list\n".to_owned(),
            Self::List(Some(host)) => format!("list {host}\n"),
            Self::Nodes => "nodes\n".to_owned(),
            Self::Config(plugin) => format!("config {plugin}\n"),
            Self::Fetch(plugin) => format!("fetch {plugin}\n"),
            Self::Cap(words) => format!("cap {}\n", words.join(" ")),
            Self::Spoolfetch(since) => format!("spoolfetch {since}\n"),
            Self::Version => "version\n".to_owned(),
            Self::Quit => "quit\n".to_owned(),
            Self::Unknown => "help\n".to_owned(),
        }
    }

    /// Whether its reply ends with a line that holds a single dot; else it is one line.
    #[must_use]
    pub fn ends_with_dot(&self) -> bool {
        match self {
            Self::Nodes | Self::Config(_) | Self::Fetch(_) | Self::Spoolfetch(_) => true,
            Self::List(_) | Self::Cap(_) | Self::Version | Self::Quit | Self::Unknown => false,
        }
    }
}

/// Why a plugin's output is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no such plugin.
    UnknownService,
    /// It exited with another code than 0, or was ended by a signal.
    BadExit,
    /// It took too long.
    TimedOut,
}

impl Failure {
    /// The line that says so.
    #[must_use]
    pub const fn line(self) -> &'static str {
        match self {
            Self::UnknownService => "# Unknown service",
            Self::BadExit => "# Bad exit",
            Self::TimedOut => "# Timed out",
        }
    }

    /// The failure that a reply's text says; none when it is a plugin's output.
    #[must_use]
    pub fn of(reply: &str) -> Option<Self> {
        [Self::UnknownService, Self::BadExit, Self::TimedOut]
            .into_iter()
            .find(|failure| reply.trim() == failure.line())
    }
}

/// What the node does about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Sends this.
    Reply(String),
    /// Finds out, and sends what [`list_reply`], [`nodes_reply`] or [`output_reply`] makes of it.
    Wanted(Request),
    /// Closes the connection.
    Close,
}

/// The node's side of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    host: String,
    version: String,
    multigraph: bool,
    dirtyconfig: bool,
}

impl Session {
    /// A session of the node that calls itself `host`.
    #[must_use]
    pub fn new(host: &str, version: &str) -> Self {
        Self {
            host: host.to_owned(),
            version: version.to_owned(),
            multigraph: false,
            dirtyconfig: false,
        }
    }

    /// What is sent when a master connects.
    #[must_use]
    pub fn greeting(&self) -> String {
        format!("# munin node at {}\n", self.host)
    }

    /// What a line of the master's leads to.
    pub fn handle_line(&mut self, line: &str) -> Answer {
        match Request::parse(line) {
            Request::Cap(words) => {
                self.multigraph |= words.iter().any(|word| word == "multigraph");
                self.dirtyconfig |= words.iter().any(|word| word == "dirtyconfig");
                Answer::Reply("cap multigraph dirtyconfig\n".to_owned())
            }
            // Spelt so by every munin-node.
            Request::Version => Answer::Reply(format!(
                "munins node on {} version: {}\n",
                self.host, self.version
            )),
            Request::Unknown | Request::Spoolfetch(_) => Answer::Reply(
                "# Unknown command. Try cap, list, nodes, config, fetch, version or quit\n"
                    .to_owned(),
            ),
            Request::Quit => Answer::Close,
            wanted @ (Request::List(_)
            | Request::Nodes
            | Request::Config(_)
            | Request::Fetch(_)) => Answer::Wanted(wanted),
        }
    }

    /// Whether the master takes several graphs from a plugin; else those plugins are not listed.
    #[must_use]
    pub fn multigraph(&self) -> bool {
        self.multigraph
    }

    /// Whether the master takes values from `config`.
    #[must_use]
    pub fn dirtyconfig(&self) -> bool {
        self.dirtyconfig
    }
}

/// The reply to `list`; without names for a host that is not known.
#[must_use]
pub fn list_reply<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    format!("{}\n", names.join(" "))
}

/// The reply to `nodes`.
#[must_use]
pub fn nodes_reply<'a>(hosts: impl IntoIterator<Item = &'a str>) -> String {
    let lines = hosts
        .into_iter()
        .map(|host| format!("{}\n", host.to_lowercase()));
    lines.chain([".\n".to_owned()]).collect()
}

/// The reply to `config` and `fetch`: the plugin's lines. A line that is a single dot would end it early, and blank
/// lines say nothing: both are left out.
#[must_use]
pub fn output_reply(output: Result<&str, Failure>) -> String {
    let text = match output {
        Ok(text) => text,
        Err(failure) => failure.line(),
    };
    let mut reply = String::with_capacity(text.len() + 3);
    for line in text.split(['\r', '\n']) {
        if !line.is_empty() && line != "." {
            reply.push_str(line);
            reply.push('\n');
        }
    }
    reply.push_str(".\n");
    reply
}

/// Why a node's bytes are not a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The connection is of no more use.
    #[error("reply: expected at most {REPLY_BYTES_MAX} bytes, found more")]
    TooLong,
}

/// The master's side of one connection: collects bytes and cuts them into replies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyReader {
    bytes: Vec<u8>,
    /// Bytes that were searched for the reply's end.
    searched: usize,
}

impl ReplyReader {
    /// A reader that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they come.
    ///
    /// # Errors
    /// When no reply is that long.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ReplyError> {
        if self.bytes.len() + bytes.len() > REPLY_BYTES_MAX {
            return Err(ReplyError::TooLong);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The name in the node's greeting, once it is there. Lines before it (a message of the day) are skipped.
    pub fn greeting(&mut self) -> Option<String> {
        while let Some(line) = self.line() {
            if let Some(name) = greeted(&line) {
                return Some(name);
            }
        }
        None
    }

    /// The reply to `request`, once it is whole, without the dot that ends it.
    pub fn reply(&mut self, request: &Request) -> Option<String> {
        if request.ends_with_dot() {
            self.until_dot()
        } else {
            self.line()
        }
    }

    fn line(&mut self) -> Option<String> {
        let end = self.newline()?;
        let line = self.take(end + 1);
        Some(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn until_dot(&mut self) -> Option<String> {
        let mut start = self.searched;
        loop {
            let Some(end) = self.newline() else {
                // The line that has begun is searched again when there is more of it.
                self.searched = start;
                return None;
            };
            let line = self.bytes.get(start..end).unwrap_or(&[]);
            if line.strip_suffix(b"\r").unwrap_or(line) == b"." {
                let mut reply = self.take(end + 1);
                reply.truncate(reply.trim_end_matches(['\r', '\n']).len() - 1);
                return Some(reply);
            }
            start = end + 1;
            self.searched = start;
        }
    }

    /// Index of the first line end that was not looked at.
    fn newline(&mut self) -> Option<usize> {
        let rest = self.bytes.get(self.searched..)?;
        let at = rest.iter().position(|byte| *byte == b'\n')?;
        Some(self.searched + at)
    }

    fn take(&mut self, count: usize) -> String {
        let rest = self.bytes.split_off(count);
        let taken = std::mem::replace(&mut self.bytes, rest);
        self.searched = 0;
        super::text_of(&taken).into_owned()
    }
}

/// The name in `# munin node at NAME`, also as older nodes say it.
fn greeted(line: &str) -> Option<String> {
    let (_, comment) = line.split_once('#')?;
    let words: Vec<&str> = comment.split_whitespace().collect();
    match words[..] {
        ["munin" | "lrrd", "node" | "client", "at", name, ..] => Some(name.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_munin_node_reads_them() {
        let check =
            |line: &str, expect: Request| assert_eq!(Request::parse(line), expect, "{line:?}");
        check("list", Request::List(None));
        check(
            "LIST Web1.Example",
            Request::List(Some("web1.example".into())),
        );
        check("fetch load extra\r", Request::Fetch("load".into()));
        check("Config if_eth0", Request::Config("if_eth0".into()));
        check("config", Request::Config(String::new()));
        check(
            "cap multigraph dirtyconfig",
            Request::Cap(vec!["multigraph".into(), "dirtyconfig".into()]),
        );
        check(".", Request::Quit);
        check("quit", Request::Quit);
        check("help", Request::Unknown);
        check("", Request::Unknown);
    }

    /// Feeds the master's lines to a session, and answers what it wants with fixed text.
    fn transcript(lines: &[&str]) -> String {
        let mut session = Session::new("web1", "1.0");
        let mut text = session.greeting();
        for line in lines {
            text += &match session.handle_line(line) {
                Answer::Reply(reply) => reply,
                Answer::Wanted(Request::List(_)) => list_reply(["df", "load"]),
                Answer::Wanted(Request::Nodes) => nodes_reply(["Web1"]),
                Answer::Wanted(Request::Fetch(name)) if name == "load" => {
                    output_reply(Ok("load.value 1\r\n\n.\nx.value 2"))
                }
                Answer::Wanted(Request::Config(name)) if name == "load" => {
                    output_reply(Err(Failure::TimedOut))
                }
                Answer::Wanted(_) => output_reply(Err(Failure::UnknownService)),
                Answer::Close => "(closed)".to_owned(),
            };
        }
        text
    }

    #[test]
    fn a_session_answers_as_munin_node_does() {
        let text = transcript(&[
            "cap multigraph",
            "list",
            "nodes",
            "config load",
            "fetch load",
            "fetch nosuch",
            "version",
            "help",
            "quit",
        ]);
        expect_test::expect![[r#"
            # munin node at web1
            cap multigraph dirtyconfig
            df load
            web1
            .
            # Timed out
            .
            load.value 1
            x.value 2
            .
            # Unknown service
            .
            munins node on web1 version: 1.0
            # Unknown command. Try cap, list, nodes, config, fetch, version or quit
            (closed)"#]]
        .assert_eq(&text);
    }

    #[test]
    fn capabilities_are_remembered() {
        let mut session = Session::new("web1", "1.0");
        assert!(!session.multigraph() && !session.dirtyconfig());
        session.handle_line("cap dirtyconfig whatever");
        assert!(!session.multigraph() && session.dirtyconfig());
    }

    #[test]
    fn replies_are_read_however_the_bytes_arrive() {
        let fetch = Request::Fetch("load".into());
        let lines = ["cap multigraph", "list", "fetch load", "config load"];
        let text = format!("Welcome to web1\n{}", transcript(&lines));
        for size in 1..text.len() {
            let mut reader = ReplyReader::new();
            let mut steps = vec![
                fetch.clone(),
                fetch.clone(),
                Request::List(None),
                Request::Cap(vec![]),
            ];
            let mut found = Vec::new();
            let mut greeted = None;
            for bytes in text.as_bytes().chunks(size) {
                reader.feed(bytes).unwrap();
                greeted = greeted.or_else(|| reader.greeting());
                while greeted.is_some()
                    && let Some(reply) = steps.last().and_then(|request| reader.reply(request))
                {
                    found.push(reply);
                    steps.pop();
                }
            }
            assert_eq!(greeted.as_deref(), Some("web1"), "{size}");
            assert_eq!(
                found,
                [
                    "cap multigraph dirtyconfig",
                    "df load",
                    "load.value 1\nx.value 2\n",
                    "# Timed out\n"
                ],
                "{size}"
            );
            assert_eq!(Failure::of(&found[3]), Some(Failure::TimedOut));
            assert_eq!(Failure::of(&found[2]), None);
        }
    }

    #[test]
    fn a_reply_without_end_is_refused() {
        let mut reader = ReplyReader::new();
        let line = [b'x'; 1 << 16];
        let fed = (0..1000).find_map(|_| reader.feed(&line).err());
        assert_eq!(fed, Some(ReplyError::TooLong));
    }

    #[test]
    fn a_request_is_written_as_it_is_read() {
        for request in [
            Request::List(None),
            Request::List(Some("web1".into())),
            Request::Nodes,
            Request::Config("df".into()),
            Request::Fetch("df".into()),
            Request::Cap(vec!["multigraph".into()]),
            Request::Version,
            Request::Quit,
            Request::Unknown,
        ] {
            assert_eq!(Request::parse(&request.line()), request);
        }
    }
}
