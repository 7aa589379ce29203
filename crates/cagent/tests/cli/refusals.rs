//! What must be refused, with a message that says what to do.

use std::net::TcpListener;

use testkit::{DataDir, Server};

use crate::support::{CAGENT, bash, call, refusal, stdout};

const UNKNOWN: &str = "018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f";

#[tokio::test]
async fn a_second_server_on_one_data_directory() {
    let server = Server::start(CAGENT).await;
    let text = refusal(&call(server.data_dir(), &["serve", "--listen", "127.0.0.1:0"]));
    assert!(text.contains("another cagent"), "{text}");
    assert!(text.contains(&format!("pid {}", server.pid())), "{text}");
    assert!(text.contains(server.url()) && text.contains("--data-dir"), "{text}");
    assert!(server.client().jobs().await.jobs.is_empty(), "the first one goes on");
}

#[test]
fn a_port_in_use() {
    let data = DataDir::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = refusal(&call(&data, &["serve", "--listen", &address]));
    assert!(text.contains(&address) && text.contains("--listen"), "{text}");
}

#[test]
fn a_data_directory_that_cannot_be_written() {
    let data = DataDir::new();
    // Beneath a file, where not even root can make one.
    std::fs::write(data.path(), "").unwrap();
    let dir = data.path().join("below");
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["ps"], &["run", "x"], &["doctor"]]
    {
        let args = [&["--data-dir", dir.to_str().unwrap()], command].concat();
        let output = crate::support::bare(&data).args(args).output().unwrap();
        let text = refusal(&output);
        assert!(text.contains(dir.to_str().unwrap()), "{command:?}: {text}");
    }
}

#[test]
fn jobs_that_are_not_there() {
    let data = DataDir::new();
    for command in ["ps", "status", "logs", "download", "cancel"] {
        let args = [command, UNKNOWN];
        let text = refusal(&call(&data, &args[..if command == "ps" { 1 } else { 2 }]));
        assert!(text.contains("no jobs were ever kept in "), "{command}: {text}");
        assert!(!data.path().exists(), "{command} made a directory");
    }
    stdout(&call(&data, &["run", &bash("true")]), 0);
    for command in ["status", "logs", "download", "cancel"] {
        let text = refusal(&call(&data, &[command, UNKNOWN]));
        assert!(text.contains(UNKNOWN) && text.contains("`cagent ps`"), "{command}: {text}");
        let text = refusal(&call(&data, &[command, "ffff"]));
        assert!(text.contains("ffff; `cagent ps`"), "{command}: {text}");
        let text = refusal(&call(&data, &[command, "../../etc/passwd"]));
        assert!(text.contains("not a job id"), "{command}: {text}");
    }
}

#[test]
fn a_server_that_is_not_there_and_one_that_is_none_of_ours() {
    let data = DataDir::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let text = refusal(&call(&data, &["--server", &nobody, "ps"]));
    assert_eq!(
        text,
        format!("cagent: no server answers at http://{nobody}; start one with `cagent serve`\n")
    );
    let text = refusal(&call(&data, &["--server", "https://example.com", "ps"]));
    assert!(text.contains("http only"), "{text}");
}

#[test]
fn a_job_that_could_not_be_what_was_meant_is_not_given() {
    let data = DataDir::new();
    let task = bash("true");
    for (args, said) in [
        (&["."][..], "is a directory"),
        (&["--output", "no/such/x.zip", &task], "no directory no/such"),
        (&["--output", ".", &task], "name a file"),
        (&["--output", "-", &task], "cagent download"),
        (&["--limit", "ram=1G", &task], "memory_bytes"),
        (&["--limit", "wall_seconds=soon", &task], "30s, 5m"),
        (&["--limit", "processes=1", &task], "between 8 and"),
    ] {
        let text = refusal(&call(&data, &[&["run"], args].concat()));
        assert!(text.contains(said), "{args:?}: {text}");
    }
    assert!(!data.path().exists());
}

#[test]
fn a_command_that_uses_no_server() {
    let text = refusal(&call(&DataDir::new(), &["--server", "127.0.0.1:1", "doctor"]));
    assert!(text.contains("this machine"), "{text}");
    let text = refusal(&call(&DataDir::new(), &["--server", "127.0.0.1:1", "serve"]));
    assert!(text.contains("--listen"), "{text}");
    for command in ["serve", "doctor"] {
        let help = stdout(&call(&DataDir::new(), &[command, "--help"]), 0);
        assert!(!help.contains("--server") && help.contains("--data-dir"), "{help}");
    }
}
