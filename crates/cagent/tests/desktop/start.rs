use serde_json::json;

use crate::support::{Stage, desktop, finish, picture, shell};

/// Says in hex which TCP ports are listened on, but those of the sandbox's proxy.
const LISTENERS: &str =
    "cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == \"0A\" { print $2 }' | sort > after";

#[tokio::test]
async fn it_starts_when_it_is_wanted_and_outlives_steps() {
    let stage = Stage::of([
        shell("[ \"$DISPLAY\" = :1 ]; [ ! -e /tmp/.X11-unix/X1 ]"),
        shell(&LISTENERS.replace("after", "before")),
        desktop(json!({ "action": "screenshot" })),
        shell(&format!("xsetroot -solid '#802010'; {LISTENERS}; cmp before after")),
        desktop(json!({ "action": "wait" })),
        desktop(json!({ "action": "launch", "text": "xterm -T hands -e sh -c 'read x; echo $x > typed; sleep 600'" })),
        desktop(json!({ "action": "type", "text": "ünicode ✓\n" })),
        desktop(json!({ "action": "windows" })),
        shell("pkill -9 Xvnc; while pgrep -x Xvnc; do sleep 0.01; done"),
        desktop(json!({ "action": "screenshot" })),
        finish("[ \"$(cat typed)\" = 'ünicode ✓' ]"),
    ])
    .await;
    let job = stage.begin(json!({})).await;
    stage.complete(job).await;
    assert_eq!(picture(&stage.told_after(4)).pixel(7, 7), [0x80, 0x20, 0x10]);
    let windows = stage.told_after(7).last();
    assert!(windows.contains("\"hands\" (XTerm) at") && windows.contains(", active"), "{windows}");
    assert_ne!(picture(&stage.told_after(9)).pixel(7, 7), [0x80, 0x20, 0x10], "a new one");
}

#[tokio::test]
async fn its_menu_opens_a_terminal_in_the_workspace() {
    let in_workspace = "[ \"$(readlink /proc/$(pgrep -x xterm)/cwd)\" = /workspace ]";
    let stage = Stage::of([
        desktop(json!({ "action": "right_click", "x": 400, "y": 300 })),
        desktop(json!({ "action": "key", "text": "Down" })),
        desktop(json!({ "action": "key", "text": "Return" })),
        shell(&format!("for i in $(seq 300); do {in_workspace} && exit; sleep 0.1; done; exit 1")),
        finish(in_workspace),
    ])
    .await;
    let job = stage.begin(json!({})).await;
    stage.complete(job).await;
    assert_eq!(picture(&stage.told_after(0)).pixel(7, 7), [0x2e, 0x34, 0x36], "not black");
}
