//! A real Chromium without a window, driven by its own protocol (CDP): pages are opened, looked at,
//! clicked and typed into as a person would.
//!
//! Only what tests need of the protocol, so that no test waits for a library of all of it to be
//! built. Every method panics on what a test does not expect.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::PATIENCE;

/// What Chromium is called, by who packaged it.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// What it says before the address it is driven at.
const READY: &str = "DevTools listening on ";

/// How often a page is looked at for what is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// A browser. Ends when it is dropped.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    wire: Arc<Wire>,
    _profile: TempDir,
}

/// One of its pages.
#[derive(Debug)]
pub struct Page {
    wire: Arc<Wire>,
    session: String,
}

/// The connection to it: calls go out, each answer finds its call.
#[derive(Debug)]
struct Wire {
    next: AtomicU64,
    calls: mpsc::UnboundedSender<String>,
    waiting: Waiting,
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

impl Browser {
    /// Starts one that has never been anywhere, in a window of 1280 × 900.
    ///
    /// # Panics
    /// If there is none on this machine, saying how to get one.
    pub async fn start() -> Self {
        let profile = TempDir::new().expect("a temporary folder");
        let mut process = NAMES.iter().find_map(|name| command(name, &profile).spawn().ok());
        let process = process.take().expect("a browser: `apt-get install chromium`");
        let mut browser = Self { process, wire: Wire::cut(), _profile: profile };
        let address = browser.address().await;
        browser.wire = Wire::connect(&address).await;
        browser
    }

    /// Opens a page at this address and waits until it is there.
    pub async fn open(&self, url: &str) -> Page {
        let blank = json!({ "url": "about:blank" });
        let target = self.wire.call(None, "Target.createTarget", &blank).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.wire.call(None, "Target.attachToTarget", &attach).await;
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        let page = Page { wire: self.wire.clone(), session };
        page.call("Page.enable", &json!({})).await;
        page.go(url).await;
        page
    }

    /// Where it is driven; from then on what it says is dropped.
    async fn address(&mut self) -> String {
        let stderr = self.process.stderr.take().expect("a pipe");
        let mut lines = BufReader::new(stderr).lines();
        let found = async {
            let mut said = vec![];
            while let Some(line) = lines.next_line().await.expect("a line") {
                if let Some(address) = line.strip_prefix(READY) {
                    return address.to_owned();
                }
                said.push(line);
            }
            panic!("the browser does not start: {said:#?}");
        };
        let address = timeout(PATIENCE, found).await.expect("the browser is ready in time");
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        address
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It is many processes; they are a group of their own.
        let pid = self.process.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(pid) = pid {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Page {
    /// Goes to another address, as if it was typed.
    pub async fn go(&self, url: &str) {
        let typed = json!({ "url": url, "transitionType": "typed" });
        let went = self.call("Page.navigate", &typed).await;
        assert!(went["errorText"].is_null(), "{url}: {went}");
        self.until("document.readyState === 'complete'").await;
    }

    /// What a script comes to; a promise is waited for.
    pub async fn eval(&self, script: &str) -> Value {
        let answer = self.try_eval(script).await;
        answer.unwrap_or_else(|why| panic!("{script}: {why}"))
    }

    /// Waits until a script comes to something true.
    pub async fn until(&self, script: &str) {
        let so = async {
            // While a page changes, nothing can be asked of it.
            while !self.try_eval(script).await.is_ok_and(|answer| is_true(&answer)) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if timeout(PATIENCE, so).await.is_err() {
            let seen = "location.href + '\\n' + document.body?.innerText";
            panic!("{script} was never so; there is: {:?}", self.try_eval(seen).await);
        }
    }

    /// Clicks into the middle of an element.
    pub async fn click(&self, selector: &str) {
        let middle = format!(
            "(() => {{ const r = document.querySelector({}).getBoundingClientRect(); \
             return [r.x + r.width / 2, r.y + r.height / 2]; }})()",
            json!(selector)
        );
        let middle = self.eval(&middle).await;
        let at = |n: usize| middle[n].as_f64().expect("a coordinate");
        self.click_at(at(0), at(1)).await;
    }

    /// Clicks at a place of the window.
    pub async fn click_at(&self, x: f64, y: f64) {
        self.mouse("mouseMoved", x, y).await;
        self.mouse("mousePressed", x, y).await;
        self.mouse("mouseReleased", x, y).await;
    }

    /// Types a text; a line feed is the Enter key.
    pub async fn type_text(&self, text: &str) {
        for c in text.chars() {
            let (key, text) = match c {
                '\n' => ("Enter".to_owned(), "\r".to_owned()),
                c => (c.into(), c.into()),
            };
            let down = json!({ "type": "keyDown", "key": key, "text": text });
            self.call("Input.dispatchKeyEvent", &down).await;
            self.call("Input.dispatchKeyEvent", &json!({ "type": "keyUp", "key": key })).await;
        }
    }

    /// What is to be seen, as a PNG.
    pub async fn screenshot(&self) -> Vec<u8> {
        let shot = self.call("Page.captureScreenshot", &json!({ "format": "png" })).await;
        let data = shot["data"].as_str().expect("a picture");
        BASE64_STANDARD.decode(data).expect("a picture")
    }

    async fn mouse(&self, kind: &str, x: f64, y: f64) {
        let button = if kind == "mouseMoved" { "none" } else { "left" };
        let event = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
        self.call("Input.dispatchMouseEvent", &event).await;
    }

    async fn try_eval(&self, script: &str) -> Result<Value, String> {
        let asked = json!({ "expression": script, "awaitPromise": true, "returnByValue": true,
            "userGesture": true });
        let answer = self.wire.ask(Some(&self.session), "Runtime.evaluate", &asked).await;
        let result = &answer["result"];
        if result["result"].is_null() || !result["exceptionDetails"].is_null() {
            return Err(answer.to_string());
        }
        Ok(result["result"]["value"].clone())
    }

    async fn call(&self, method: &str, params: &Value) -> Value {
        self.wire.call(Some(&self.session), method, params).await
    }
}

impl Wire {
    /// One that leads nowhere.
    fn cut() -> Arc<Self> {
        let (calls, _) = mpsc::unbounded_channel();
        Arc::new(Self { next: AtomicU64::new(1), calls, waiting: Waiting::default() })
    }

    async fn connect(address: &str) -> Arc<Self> {
        // A picture of a page is one message.
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let connected = tokio_tungstenite::connect_async_with_config(address, Some(config), true);
        let (socket, _) = connected.await.expect("the browser takes connections");
        let (mut out, mut answers) = socket.split();
        let (calls, mut queue) = mpsc::unbounded_channel::<String>();
        let wire = Arc::new(Self { calls, ..Arc::into_inner(Self::cut()).expect("the only one") });
        tokio::spawn(async move {
            while let Some(call) = queue.recv().await {
                if out.send(Message::text(call)).await.is_err() {
                    return;
                }
            }
        });
        let waiting = wire.waiting.clone();
        tokio::spawn(async move {
            while let Some(Ok(message)) = answers.next().await {
                let Message::Text(text) = message else { continue };
                let answer: Value = serde_json::from_str(&text).expect("JSON");
                if let Some(id) = answer["id"].as_u64()
                    && let Some(waits) = lock(&waiting).remove(&id)
                {
                    let _ = waits.send(answer);
                }
            }
        });
        wire
    }

    /// What a call that must work came to.
    async fn call(&self, session: Option<&str>, method: &str, params: &Value) -> Value {
        let mut answer = self.ask(session, method, params).await;
        assert!(answer["error"].is_null(), "{method} {params}: {answer}");
        answer["result"].take()
    }

    async fn ask(&self, session: Option<&str>, method: &str, params: &Value) -> Value {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut call = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            call["sessionId"] = session.into();
        }
        let (sender, answer) = oneshot::channel();
        lock(&self.waiting).insert(id, sender);
        self.calls.send(call.to_string()).expect("the browser is there");
        timeout(PATIENCE, answer).await.expect("an answer in time").expect("the browser is there")
    }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Value>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn command(name: &str, profile: &TempDir) -> Command {
    let mut command = Command::new(name);
    command
        .args(["--headless=new", "--remote-debugging-port=0", "--window-size=1280,900"])
        // Its sandbox needs what tests as root or in containers do not have; it sees our pages only.
        .args(["--no-sandbox", "--no-proxy-server", "--no-first-run", "--disable-gpu"])
        .arg("--disable-dev-shm-usage")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(so) => *so,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}
