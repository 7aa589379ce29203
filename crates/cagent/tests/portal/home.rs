//! What leads people to all this: the server's log. The dashboard has tests of its own.

use std::process::Stdio;

use testkit::DataDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// What a server says at its start, up to a line with this in it.
async fn said(settings: &[(&str, &str)], end: &str) -> String {
    let data = DataDir::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cagent"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path());
    command.env("CAGENT_JUPYTER_LISTEN", "127.0.0.1:0").envs(settings.iter().copied());
    let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    let read = async {
        while !said.contains(end) {
            said += &lines.next_line().await.unwrap().unwrap_or_else(|| panic!("no {end:?}"));
        }
    };
    timeout(testkit::PATIENCE, read).await.expect("it is said");
    said
}

#[tokio::test]
async fn the_server_says_where_things_are() {
    let log =
        said(&[("CAGENT_DESKTOP_LISTEN", "127.0.0.1:0")], "Jupyter Lab at http://localhost:").await;
    assert!(log.contains("jobs are at http://127.0.0.1:"), "{log}");
    assert!(log.contains("desktops at http://localhost:"), "{log}");
}

#[tokio::test]
async fn ports_that_lead_others_nowhere_are_a_warning() {
    let open = ("CAGENT_DESKTOP_LISTEN", "0.0.0.0:0");
    let log = said(&[open], "or forward the ports by ssh").await;
    assert!(log.contains("set CAGENT_PREVIEW_DOMAIN"), "{log}");
}
