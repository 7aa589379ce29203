//! Calls the program and waits for what it prints.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use testkit::scripted::{Provider, Scenario};
use testkit::{Builder, DataDir, PATIENCE, ScriptedModel, Server};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

pub(crate) const CAGENT: &str = env!("CARGO_BIN_EXE_cagent");

/// The program on a data directory, called from the directory above it.
pub(crate) fn cagent(data: &DataDir, args: &[&str]) -> Command {
    let mut command = bare(data);
    command.arg("--data-dir").arg(data.path()).args(args);
    command
}

/// The program without any option.
pub(crate) fn bare(data: &DataDir) -> Command {
    let mut command = Command::new(CAGENT);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    command.current_dir(data.path().parent().unwrap()).stdin(Stdio::null());
    command
}

/// Settings of whoever runs the tests must not reach the program, but where interpreters are.
fn is_setting(name: &OsStr) -> bool {
    let older = ["AGENT_OUTPUT_DIR", "RETENTION_DAYS", "RUST_LOG"];
    let name = name.to_string_lossy();
    older.contains(&&*name) || (name.starts_with("CAGENT_") && name != "CAGENT_EXPOSE")
}

/// Calls it and waits for its end.
pub(crate) fn call(data: &DataDir, args: &[&str]) -> Output {
    cagent(data, args).output().unwrap()
}

/// Calls it with something on standard input.
pub(crate) fn call_with(data: &DataDir, args: &[&str], input: &str) -> Output {
    let mut command = cagent(data, args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What it printed; it must have ended with this code.
#[track_caller]
pub(crate) fn stdout(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it complained of; it must have refused and printed nothing.
#[track_caller]
pub(crate) fn refusal(output: &Output) -> String {
    assert_eq!(stdout(output, 2), "", "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The one JSON document it printed.
#[track_caller]
pub(crate) fn json(output: &Output, code: i32) -> serde_json::Value {
    let text = stdout(output, code);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// A server with a model that writes a script and its tests, for as long as both are there.
pub(crate) async fn with_a_model() -> (ScriptedModel, Server) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/scenarios/fibonacci.json");
    let model = ScriptedModel::start(Scenario::read(path.as_ref()).unwrap()).await;
    let server = Builder::new(CAGENT).model(&model, &[Provider::Gemini]).start().await;
    (model, server)
}

/// A runbook of one bash block.
pub(crate) fn bash(code: &str) -> String {
    format!("```bash\n{code}\n```\n")
}

/// The program while it runs. Killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(data: &DataDir, args: &[&str]) -> Self {
        let mut command = tokio::process::Command::from(cagent(data, args));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads on until a line that has this in it.
    pub(crate) async fn line_with(&mut self, wanted: &str) -> String {
        let found = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(wanted) {
                    return Some(line);
                }
            }
            None
        };
        match timeout(PATIENCE, found).await {
            Ok(Some(line)) => line,
            found => panic!("no line with {wanted:?} ({found:?}); {}", self.complaint().await),
        }
    }

    /// Reads its standard error until a line that has this in it.
    pub(crate) async fn complaint_with(&mut self, wanted: &str) -> String {
        let mut lines = BufReader::new(self.child.stderr.as_mut().unwrap()).lines();
        let found = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains(wanted) {
                    return line;
                }
            }
            panic!("it never said {wanted:?}");
        };
        timeout(PATIENCE, found).await.expect("it says so in time")
    }

    /// Sends a signal; `INT` is Ctrl-C.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end and returns its exit code.
    pub(crate) async fn end(mut self) -> Option<i32> {
        // A pipe that nobody reads would stop it.
        let rest = async { while self.lines.next_line().await.unwrap().is_some() {} };
        timeout(PATIENCE, rest).await.expect("it ends in time");
        self.child.wait().await.unwrap().code()
    }

    async fn complaint(&mut self) -> String {
        let _ = self.child.start_kill();
        self.said().await
    }

    /// All it says on standard error until its end.
    pub(crate) async fn said(&mut self) -> String {
        let mut text = String::new();
        let stderr = self.child.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut text).await.unwrap();
        text
    }
}
