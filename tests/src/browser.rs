//! Chromium, driven over the pipe that it offers for that (`--remote-debugging-pipe`: JSON, a NUL behind each message):
//! pages are opened, pointed at, dragged over and asked questions.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{program, tool, wait};

/// Messages that wait to be read, at most; more of them make the browser wait.
const MESSAGES_MAX: usize = 1000;

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    last: u64,
    origin: String,
    /// What pages complained of: exceptions, refused resources.
    pub complaints: Vec<String>,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It is the leader of a group that holds its helpers, too.
        let group = i32::try_from(self.child.id()).map(Pid::from_raw);
        let ended = group.map(|group| killpg(group, Signal::SIGKILL).is_ok());
        if ended != Ok(true) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

impl Browser {
    /// One that looks at `address`; `None` where there is no Chromium.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn started(address: SocketAddr) -> Option<Self> {
        let chromium = tool::find("chromium")?;
        let profile = TempDir::new().unwrap();
        // The browser reads descriptor 3 and writes 4.
        let script = "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";
        let mut command: Command = program::command(Path::new("/bin/sh"));
        command
            .args(["-c", script, "sh"])
            .arg(chromium)
            .args(["--headless", "--remote-debugging-pipe", "--no-sandbox"])
            .args(["--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-extensions", "--disable-background-networking"])
            .arg("--disable-component-update")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = sync_channel(MESSAGES_MAX);
        thread::spawn(move || read(output, &sender));
        let mut browser = Self {
            commands: child.stdin.take().unwrap(),
            messages,
            child,
            session: String::new(),
            last: 0,
            origin: format!("http://{address}"),
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", &attach);
        let session = attached["sessionId"].as_str().unwrap();
        session.clone_into(&mut browser.session);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, &json!({}));
        }
        Some(browser)
    }

    /// Calls a method of the browser's protocol.
    ///
    /// # Panics
    /// When it fails, the browser has ended, or it says nothing for long.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Value {
        let message = self.answer(method, parameters);
        assert!(message["error"].is_null(), "{method}: {message}");
        message["result"].clone()
    }

    /// The message that answers.
    fn answer(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).unwrap();
        loop {
            let message = self.messages.recv_timeout(wait::PATIENCE);
            let message = message.unwrap_or_else(|error| panic!("{method}: {error}"));
            if message["id"] == self.last {
                return message;
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        let parameters = &message["params"];
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(parameters.to_string()),
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                self.complaints.push(parameters["entry"].to_string());
            }
            Some(_) | None => {}
        }
    }

    /// Opens `path` and waits until it is loaded.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub fn open(&mut self, path: &str) {
        let url = format!("{}{path}", self.origin);
        let opened = self.call("Page.navigate", &json!({"url": url}));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        self.wait_for(&format!(
            "document.readyState === 'complete' && location.href.startsWith({})",
            json!(url.split('#').next())
        ));
    }

    /// Whether pages may run scripts, from the next one on.
    pub fn allow_scripts(&mut self, allow: bool) {
        let how = json!({"value": !allow});
        self.call("Emulation.setScriptExecutionDisabled", &how);
    }

    /// What `script` comes to in the page.
    ///
    /// # Panics
    /// When it throws.
    pub fn ask(&mut self, script: &str) -> Value {
        let question = json!({"expression": script, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", &question);
        assert!(answer["exceptionDetails"].is_null(), "{script}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until `script` is true in the page. What throws is not true yet: a page that is being left or loaded lacks
    /// much.
    pub fn wait_for(&mut self, script: &str) {
        let question = json!({"expression": script, "returnByValue": true});
        wait::until(script, || {
            let answer = self.answer("Runtime.evaluate", &question);
            answer["result"]["result"]["value"] == true
        });
    }

    /// Goes back as the button does.
    pub fn back(&mut self) {
        // The page that is asked may be gone before it has answered.
        let question = json!({"expression": "history.back()"});
        self.answer("Runtime.evaluate", &question);
    }

    /// Pixels of the window; below 600 across it is a phone.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// A wish of the reader's system, such as `prefers-color-scheme` `dark`.
    pub fn prefer(&mut self, feature: &str, value: &str) {
        let media = json!({"features": [{"name": feature, "value": value}]});
        self.call("Emulation.setEmulatedMedia", &media);
    }

    /// The place `(across, upright)`, as shares, in the first element that `selector` finds, scrolled into sight.
    pub fn place(&mut self, selector: &str, (across, upright): (f64, f64)) -> (f64, f64) {
        self.wait_for(&format!(
            "document.querySelector({}) !== null",
            json!(selector)
        ));
        let script = format!(
            "(() => {{ const e = document.querySelector({}); e.scrollIntoView({{block: 'center'}}); \
             const r = e.getBoundingClientRect(); return [r.left + r.width * {across}, r.top + r.height * {upright}]; }})()",
            json!(selector)
        );
        let place = self.ask(&script);
        (place[0].as_f64().unwrap(), place[1].as_f64().unwrap())
    }

    fn mouse(&mut self, what: &str, (x, y): (f64, f64), buttons: u8) {
        let button = if what == "mouseMoved" { "none" } else { "left" };
        let event = json!({"type": what, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1});
        self.call("Input.dispatchMouseEvent", &event);
    }

    /// Points at a place.
    pub fn point(&mut self, place: (f64, f64)) {
        self.mouse("mouseMoved", place, 0);
    }

    /// Clicks on the middle of the first element that `selector` finds.
    pub fn click(&mut self, selector: &str) {
        let place = self.place(selector, (0.5, 0.5));
        self.drag(place, place);
    }

    /// Presses the button at one place and lets it go at another.
    pub fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.mouse("mouseMoved", from, 0);
        self.mouse("mousePressed", from, 1);
        self.mouse("mouseMoved", ((from.0 + to.0) / 2.0, to.1), 1);
        self.mouse("mouseMoved", to, 1);
        self.mouse("mouseReleased", to, 0);
    }

    /// Presses a key that writes `text`, or one that has a name alone, such as `Escape`.
    pub fn press(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        self.call(
            "Input.dispatchKeyEvent",
            &json!({"type": "keyDown", "key": key, "text": text}),
        );
        self.call(
            "Input.dispatchKeyEvent",
            &json!({"type": "keyUp", "key": key}),
        );
    }

    /// How far the page reaches beyond the window, in pixels.
    pub fn sideways(&mut self) -> i64 {
        let script = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.ask(script).as_i64().unwrap()
    }

    /// Keeps a picture of the page, all of its height, where pictures of tests are kept.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn shoot(&mut self, name: &str) -> PathBuf {
        let shot = self.call(
            "Page.captureScreenshot",
            &json!({"format": "png", "captureBeyondViewport": true}),
        );
        let file = shots().join(format!("{name}.png"));
        fs::write(&file, decoded(shot["data"].as_str().unwrap())).unwrap();
        file
    }
}

/// Hands on what the browser writes, until it ends or nobody listens.
fn read(mut output: BufReader<ChildStdout>, messages: &SyncSender<Value>) {
    loop {
        let mut bytes = Vec::new();
        let read = output.read_until(0, &mut bytes);
        if read.is_err() || bytes.pop() != Some(0) {
            return;
        }
        let sent = serde_json::from_slice(&bytes).map(|message| messages.send(message));
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

/// Where screenshots are kept: they are worth a look.
///
/// # Panics
/// When the folder cannot be made.
#[must_use]
pub fn shots() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test
        .ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").exists());
    let folder = target.unwrap_or(Path::new("/tmp")).join("screenshots");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Base64, as the browser writes it.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().filter_map(digit).collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - group.len()) + 8);
        bytes.extend_from_slice(&bits.to_be_bytes()[..group.len().saturating_sub(1)]);
    }
    bytes
}
