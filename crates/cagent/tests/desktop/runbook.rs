//! A runbook with a desktop from its first step on.

use std::process::Stdio;

use testkit::Builder;
use tokio::process::Command;

/// Draws, is managed, and shows a window, all at once.
const DRAWS: &str = r#"# Draws

```bash
xsetroot -solid '#123456'
xprop -root _NET_SUPPORTING_WM_CHECK | grep -q 'window id'
xterm -T shown -e sleep 60 &
until xprop -root _NET_CLIENT_LIST | grep -q 0x; do sleep 0.01; done
xwininfo -name shown | grep 'Map State'
```
"#;

#[tokio::test]
async fn a_runbook_draws_at_once() {
    let server = Builder::new(env!("CARGO_BIN_EXE_cagent")).start().await;
    let run = async |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cagent"));
        command.args(["--server", server.url(), "run", DRAWS]).args(more).stdin(Stdio::null());
        let output = command.output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = run(&["--desktop"]).await;
    assert!(code == Some(0) && said.contains("IsViewable"), "{said}");
    let (code, said) = run(&[]).await;
    assert!(code == Some(2) && said.contains("unable to open display"), "{said}");
}
