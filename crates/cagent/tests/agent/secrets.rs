//! No key is anywhere but in the server's memory and environment.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use testkit::scripted::{Fault, Provider, Reply, Scenario, Seen};
use testkit::{Builder, DataDir, PATIENCE, ScriptedModel, Server};
use types::{Event, EventKind, JobId, Reason};

use crate::inside::go;
use crate::support::{Model, SHORT, ended, finish, shell};

const CAGENT: &str = env!("CARGO_BIN_EXE_cagent");

/// In the order of [`Provider::ALL`].
type Keys = [String; 5];

/// Looks for the keys from within: its environment, every process it sees, every file it can read.
/// They are written backwards here, for they are to be nowhere.
const SEARCH: &str = r#"
import os
keys = [word[::-1].encode() for word in "BACKWARDS".split()]
found, looked = [], 0
def look(path):
    global looked
    try:
        with open(path, "rb") as file:
            content = file.read(8 << 20)
    except OSError:
        return
    looked += 1
    found.extend(path for key in keys if key in content)
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ["environ", "cmdline", "mountinfo", "comm"]:
        look(f"/proc/{pid}/{name}")
for top in ["/workspace", "/tmp", "/run", "/var", "/etc", "/home", "/root", "/dev/shm", "/opt"]:
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                look(path)
print("looked:", looked > 20, "found:", found, file=open("found", "w"))
"#;

/// What is left of what refusals say.
const TOLD: &str = "you sent [key]";

/// A server with every provider's key, whose log is in a file.
struct Bed {
    /// Nobody else's, so that whoever has one has it from this server.
    keys: Keys,
    model: Model,
    data: DataDir,
    folder: tempfile::TempDir,
}

#[tokio::test]
async fn no_key_is_anywhere() {
    let bed = Bed::new().await;
    let server = bed.start().await;
    let first = give(&server, SHORT).await;
    let output = |event: &Event| match &event.event {
        EventKind::Output { text, .. } => text.as_ref().is_some_and(|text| text.contains("here")),
        _ => false,
    };
    server.client().events_until(first, output).await;
    bed.assert_processes_are_clean(&server);
    go(bed.data.path());
    let done = ended(&server, first).await;
    done.assert_verified();
    assert_eq!(done.text("found"), "looked: True found: []\n");
    let errors = done.errors();
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(errors.iter().all(|error| error.contains(TOLD)), "{errors:?}");

    let second = give(&server, "Fail at once").await;
    let failed = ended(&server, second).await;
    assert_eq!(failed.job.reason, Some(Reason::ModelUnavailable));
    let error = failed.job.error.as_ref().unwrap();
    assert_eq!(error.matches(TOLD).count(), 5, "{error}");

    bed.assert_clean("events", format!("{:?}{:?}", done.events, failed.events).as_bytes());
    for (name, content) in done.files.iter().chain(&failed.files) {
        bed.assert_clean(name, content);
    }
    bed.assert_answers_are_clean(&server, &[first, second]).await;
    bed.assert_commands_are_clean(&server, second);
    bed.assert_files_are_clean();
    assert!(server.stop().await.success());
    bed.assert_files_are_clean();
    let log = std::fs::read(bed.log()).unwrap();
    let said = String::from_utf8_lossy(&log);
    assert!(said.contains(" DEBUG ") && said.contains(TOLD), "it says what it does");
    bed.assert_clean("log", &log);
    for (provider, key) in Provider::ALL.into_iter().zip(&bed.keys) {
        let asked = bed.model.requests_to(provider);
        assert!(asked.iter().all(|seen| seen.key == *key), "the keys were used");
        assert!(asked.len() > 1, "{provider:?}");
    }
}

impl Bed {
    async fn new() -> Self {
        let keys =
            Provider::ALL.map(|p| format!("canary-{}-{:016x}", p.as_str(), fastrand::u64(..)));
        let valid = Provider::ALL.into_iter().zip(&keys).map(|(p, key)| (p, vec![key.clone()]));
        let scenario = Scenario { keys: valid.collect(), ..Scenario::default() };
        let code = search(&keys);
        let builder = ScriptedModel::builder(scenario).with(move |seen| reply(seen, &code));
        let bed = Self {
            keys,
            model: Model::of(builder).await,
            data: DataDir::new(),
            folder: tempfile::tempdir().unwrap(),
        };
        let script = format!("#!/bin/sh\nexec {CAGENT} \"$@\" 2>>{}\n", bed.log().display());
        std::fs::write(bed.program(), script).unwrap();
        std::fs::set_permissions(bed.program(), PermissionsExt::from_mode(0o755)).unwrap();
        bed
    }

    /// The server, as one that writes its log into a file.
    fn program(&self) -> PathBuf {
        self.folder.path().join("serve")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("output")
    }

    async fn start(&self) -> Server {
        let builder = Builder::new(self.program()).data_dir(&self.data).env("RUST_LOG", "debug");
        let builder = builder.env("AGENT_OUTPUT_DIR", self.output());
        let settings = self.settings().into_iter();
        settings.fold(builder, |builder, (name, value)| builder.env(name, value)).start().await
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = self.model.settings(&Provider::ALL);
        let keys = Provider::ALL.into_iter().zip(&self.keys);
        settings.extend(keys.map(|(provider, key)| (provider.settings()[1], key.clone())));
        settings
    }

    /// What a person reads who has the keys in their environment, too.
    fn assert_commands_are_clean(&self, server: &Server, job: JobId) {
        let job = job.to_string();
        let commands: [&[&str]; 5] = [
            &["config"],
            &["config", "-o", "json"],
            &["ps"],
            &["status", &job],
            &["status", &job, "-o", "json"],
        ];
        for command in commands {
            let ran = Command::new(CAGENT)
                .args(command)
                .args(["--server", server.url(), "--data-dir"])
                .arg(self.data.path())
                .envs(self.settings())
                .output()
                .unwrap();
            assert!(
                !ran.stdout.is_empty(),
                "{command:?}: {}",
                String::from_utf8_lossy(&ran.stderr)
            );
            self.assert_clean(&format!("{command:?}"), &[ran.stdout, ran.stderr].concat());
        }
    }

    fn assert_files_are_clean(&self) {
        let files = [self.data.path().to_owned(), self.output()].map(|folder| files(&folder));
        assert!(files.iter().all(|files| files.len() > 1), "{files:?}");
        let mut told = false;
        for path in files.into_iter().flatten() {
            // One that is gone by now holds nothing.
            let content = std::fs::read(&path).unwrap_or_default();
            told |= content.windows(TOLD.len()).any(|part| part == TOLD.as_bytes());
            self.assert_clean(&path.to_string_lossy(), &content);
        }
        assert!(told, "what the providers said is in the store, where the keys would be");
    }

    async fn assert_answers_are_clean(&self, server: &Server, jobs: &[JobId]) {
        let mut paths: Vec<String> =
            ["/", "/jobs", "/docs", "/openapi.json"].map(Into::into).into();
        for job in jobs {
            let of =
                ["/job/ID", "/status/ID", "/logs/ID", "/v1/jobs/ID/events", "/v1/jobs/ID/files"];
            paths.extend(of.map(|path| path.replace("ID", &job.to_string())));
        }
        for path in paths {
            let answer = server.client().get(&path).await;
            let answer = tokio::time::timeout(PATIENCE, answer.bytes()).await.unwrap().unwrap();
            self.assert_clean(&path, &answer);
        }
        let wrong = json!({ "prompt": "x", "mode": "agent", "model": "nobody/nothing" });
        let answer = server.client().post("/schedule", &wrong).await;
        assert!(answer.status().is_client_error());
        self.assert_clean("a refusal", &answer.bytes().await.unwrap());
    }

    /// Every process of this machine but the server.
    fn assert_processes_are_clean(&self, server: &Server) {
        let mut looked = 0;
        for process in std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()) {
            if process.ends_with(server.pid().to_string()) {
                continue;
            }
            for file in ["environ", "cmdline"].map(|file| process.join(file)) {
                let content = std::fs::read(&file).unwrap_or_default();
                looked += usize::from(!content.is_empty());
                self.assert_clean(&file.to_string_lossy(), &content);
            }
        }
        assert!(looked > 4, "the agent and its helper at least");
    }

    fn assert_clean(&self, what: &str, content: &[u8]) {
        for key in &self.keys {
            let at = content.windows(key.len()).position(|part| part == key.as_bytes());
            let Some(at) = at else { continue };
            let around = &content[at.saturating_sub(200)..(at + 100).min(content.len())];
            panic!("{what} has {key}: {}", String::from_utf8_lossy(around));
        }
    }
}

/// Each provider does a step and then refuses, with the key in its words; the last one ends the job.
fn reply(seen: &Seen, search: &str) -> Reply {
    let refused = |status| {
        let message = Some(format!("what is this? you sent {}", seen.key));
        Reply::default().but(1, Fault::Status { status, message })
    };
    let place = Provider::ALL.iter().position(|provider| *provider == seen.provider).unwrap();
    match (place, seen.turns()) {
        _ if seen.task().contains("Fail") => refused([401, 403, 404, 400, 402][place]),
        (0..4, turns) if turns == place => shell(&format!("echo {turns}")),
        (0..4, _) => refused([401, 403, 404, 400][place]),
        (_, 4) => Reply::call("python", json!({ "code": search })),
        (_, 5) => shell("echo here; until [ -e go ]; do sleep 0.02; done"),
        _ => finish(&["found"], "test -s found"),
    }
}

fn search(keys: &Keys) -> String {
    let backwards = keys.clone().map(|key| key.chars().rev().collect::<String>());
    SEARCH.replace("BACKWARDS", &backwards.join(" "))
}

async fn give(server: &Server, task: &str) -> JobId {
    server.client().schedule(&json!({ "prompt": task, "mode": "agent" })).await
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}
