//! Keys: made, used and taken back, at servers that ask for them and at none.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use serde_json::Value;
use testkit::{Builder, DataDir, Server};

use crate::support::{CAGENT, bash, cagent, call, json, refusal, stdout};

/// One that others than this machine could reach.
async fn public(data: &DataDir) -> Server {
    let server = Builder::new(CAGENT).data_dir(data).listen("0.0.0.0:0");
    server.env("CAGENT_PUBLIC_NAMES", "agent.example.org").start().await
}

fn made(data: &DataDir, args: &[&str]) -> String {
    stdout(&call(data, &[&["key", "create"], args].concat()), 0).trim().to_owned()
}

/// From another directory, with this key, as from another machine.
fn from_afar(server: &Server, key: Option<&str>, args: &[&str]) -> Output {
    let nowhere = DataDir::new();
    let url = server.url().replace("0.0.0.0", "127.0.0.1");
    let mut command = cagent(&nowhere, args);
    command.args(["--server", &url]).envs(key.map(|key| ("CAGENT_API_KEY", key)));
    command.output().unwrap()
}

async fn status(server: &Server, host: &str, key: Option<&str>) -> (u16, Value) {
    let request = testkit::http_client().get(format!("{}/jobs", server.url())).header("host", host);
    let request = match key {
        Some(key) => request.bearer_auth(key),
        None => request,
    };
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_server_that_others_reach_asks_for_keys() {
    let data = DataDir::new();
    let server = public(&data).await;
    let (refused, problem) = status(&server, "localhost", None).await;
    assert_eq!((refused, &problem["code"]), (401, &"key_needed".into()));

    let said = refusal(&from_afar(&server, None, &["ps"]));
    assert!(said.contains("CAGENT_API_KEY") && said.contains("cagent key create"), "{said}");
    let submit = made(&data, &["bot"]);
    stdout(&from_afar(&server, Some(&submit), &["run", &bash("exit 3")]), 3);
    let jobs = json(&from_afar(&server, Some(&submit), &["-o", "json", "ps"]), 0);
    let job = jobs["jobs"][0]["job_id"].as_str().unwrap();
    let said = refusal(&from_afar(&server, Some(&submit), &["delete", job]));
    assert!(said.contains("`operate`") && said.contains("`submit`"), "{said}");
    let operate = made(&data, &["person", "--scope", "operate", "--expires", "30d"]);
    stdout(&from_afar(&server, Some(&operate), &["delete", job]), 0);
    let said = refusal(&from_afar(&server, Some(&operate), &["key", "ls"]));
    assert!(said.contains("`admin`"), "{said}");

    // Whoever may read the data directory needs none; one that is given counts.
    stdout(&cagent(&data, &["ps"]).output().unwrap(), 0);
    let said = cagent(&data, &["delete", job]).env("CAGENT_API_KEY", &submit).output().unwrap();
    assert!(refusal(&said).contains("`operate`"), "{said:?}");
    let said = refusal(&from_afar(&server, Some("cagent_of_another"), &["ps"]));
    assert!(said.contains("refused the key") && !said.contains("of_another"), "{said}");

    let port = server.url().rsplit(':').next().unwrap();
    for host in ["localhost", "127.0.0.1", "10.1.2.3", "[::1]", "Agent.Example.org"] {
        let host = format!("{host}:{port}");
        assert_eq!(status(&server, &host, Some(&submit)).await.0, 200, "{host}");
    }
    let (refused, problem) = status(&server, "evil.example", Some(&submit)).await;
    assert_eq!((refused, &problem["code"]), (403, &"host_refused".into()));
}

#[tokio::test]
async fn keys_are_listed_and_revoked() {
    let data = DataDir::new();
    // Before there ever was a server.
    let first = made(&data, &["first", "--scope", "admin"]);
    let server = public(&data).await;
    assert_eq!(status(&server, "localhost", Some(&first)).await.0, 200);

    let second = call(&data, &["key", "create", "a\u{20}b", "--expires", "12h", "-o", "json"]);
    let second = json(&second, 0);
    let (key, id) = (second["key"].as_str().unwrap(), second["id"].as_str().unwrap());
    assert_eq!((&second["scope"], &second["name"]), (&"submit".into(), &"a b".into()));
    let said = call(&data, &["key", "create", "third"]);
    assert_eq!(String::from_utf8_lossy(&said.stdout).lines().count(), 1, "for scripts");
    assert!(String::from_utf8_lossy(&said.stderr).contains("not shown again"), "{said:?}");

    assert_eq!(stdout(&call(&data, &["key", "revoke", id]), 0), format!("key {id} is revoked\n"));
    assert_eq!(status(&server, "localhost", Some(key)).await.0, 401);
    let said = refusal(&from_afar(&server, Some(key), &["ps"]));
    assert!(said.contains("was revoked"), "{said}");
    let list = stdout(&call(&data, &["key", "ls"]), 0);
    let row = |word: &str| list.lines().find(|line| line.contains(word)).unwrap().to_owned();
    assert!(row("first").ends_with("works") && row("first").contains(" admin "), "{list}");
    assert!(row("a b").contains("revoked"), "{list}");
    assert!(!list.contains(key.rsplit('_').next().unwrap()), "{list}");
    let said = refusal(&call(&data, &["key", "revoke", "0123456789ab"]));
    assert!(said.contains("0123456789ab") && said.contains("`cagent key ls`"), "{said}");

    // They outlive the server; its own key does not.
    let local = std::fs::read_to_string(data.path().join("local.key")).unwrap();
    server.stop().await;
    let again = public(&data).await;
    assert_eq!(status(&again, "localhost", Some(&first)).await.0, 200);
    assert_eq!(status(&again, "localhost", Some(key)).await.0, 401);
    assert_eq!(status(&again, "localhost", Some(local.trim())).await.0, 401);
}

/// Nobody finds a key in what is kept, but the one that is for the owner of the directory.
#[tokio::test]
async fn what_is_kept_of_a_key_opens_nothing() {
    let data = DataDir::new();
    let key = made(&data, &["bot", "--scope", "admin"]);
    let secret = key.rsplit('_').next().unwrap().as_bytes().to_vec();
    for file in ["cagent.db", "cagent.db-wal", "lock", "local.key"] {
        let Ok(bytes) = std::fs::read(data.path().join(file)) else { continue };
        assert!(!bytes.windows(secret.len()).any(|part| part == secret), "{file}");
    }
    // A command that is its own server shows it too.
    let mut run = cagent(&data, &["run", &bash("exit 4")]);
    stdout(&run.env("CAGENT_PUBLIC_NAMES", "agent.example.org").output().unwrap(), 4);
    let mode = std::fs::metadata(data.path().join("local.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn an_operator_may_do_without_keys_by_name() {
    let data = DataDir::new();
    let server = Builder::new(CAGENT).data_dir(&data).listen("0.0.0.0:0");
    let server = server.env("CAGENT_ALLOW_NO_KEYS", "1").start().await;
    stdout(&from_afar(&server, None, &["run", &bash("true")]), 0);
    // Who came then would have a way in later.
    let said = refusal(&from_afar(&server, None, &["key", "create", "me", "--scope", "admin"]));
    assert!(said.contains("`admin`"), "{said}");
    made(&data, &["me"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let data = DataDir::new();
    for (args, word) in [
        (&["key", "create", "x", "--scope", "root"][..], "operate"),
        (&["key", "create", "x", "--expires", "soon"], "30d"),
        (&["key", "create", "x", "--expires", "0d"], "30d"),
        (&["key", "create", "x", "--expires", "9999999d"], "--expires"),
        (&["key", "create", ""], "name"),
        (&["key", "revoke", "../x"], "key's id"),
    ] {
        let said = refusal(&call(&data, args));
        assert!(said.contains(word), "{args:?}: {said}");
    }
    let said = refusal(&call(&DataDir::new(), &["key", "ls"]));
    assert!(said.contains("no jobs were ever kept"), "{said}");
}
