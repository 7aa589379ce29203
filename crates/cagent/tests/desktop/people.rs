//! A person at the desktop of a job whose agent works there.

use serde_json::json;
use testkit::PATIENCE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use types::{Event, EventKind, JobId};

use crate::support::{Picture, Stage, desktop, finish, picture, shell};

/// Takes down two lines; red until the first is there, then blue.
const PAD: &str = "xterm -geometry 80x24+0+0 -xrm 'xterm*color1: #c00000' -xrm 'xterm*color4: #0000c0' \
    -e bash -c 'printf \"\\e[41m\\e[2J\"; for c in 4 4; do IFS= read -rs line; echo \"$line\" >> lines; \
    printf \"\\e[4${c}m\\e[2J\"; done; sleep 600'";

/// A VNC program that has mouse and keyboard.
async fn take(stage: &Stage, job: JobId) -> TcpStream {
    let address = stage.server.url().strip_prefix("http://").unwrap();
    let mut viewer = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET /v1/jobs/{job}/rfb HTTP/1.1\r\nHost: {address}\r\nConnection: upgrade\r\nUpgrade: rfb\r\n\r\n"
    );
    viewer.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![];
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(viewer.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    viewer.write_all(b"RFB 003.008\n\x01\x01").await.unwrap();
    // Versions, types, the result, size and format.
    viewer.read_exact(&mut [0; 12 + 2 + 4 + 24]).await.unwrap();
    viewer
}

/// Presses and releases the keys of a line.
async fn type_line(viewer: &mut TcpStream, text: &str) {
    for symbol in text.chars().map(u32::from).chain([0xff0d]) {
        for down in [1, 0] {
            let key = [&[4, down, 0, 0][..], &symbol.to_be_bytes()].concat();
            viewer.write_all(&key).await.unwrap();
        }
    }
}

/// Waits until the pad has taken down this.
async fn written(stage: &Stage, job: JobId, lines: &str) {
    let path = format!("/v1/jobs/{job}/files/lines");
    let there = async {
        while stage.server.client().get(&path).await.text().await.unwrap() != lines {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, there).await.expect("the pad takes it down");
}

fn is_waiting(event: &Event) -> bool {
    matches!(&event.event, EventKind::Notice { text, .. } if text.contains("a person has the desktop"))
}

#[tokio::test]
async fn a_person_takes_the_desktop_and_the_agent_goes_on_after_them() {
    let stage = Stage::of([
        desktop(json!({ "action": "launch", "text": PAD })),
        shell("for i in $(seq 600); do [ -e go ] && exit; sleep 0.1; done; exit 1"),
        desktop(json!({ "action": "screenshot" })),
        desktop(json!({ "action": "type", "text": "agent\n" })),
        desktop(json!({ "action": "type", "text": "agent\n" })),
        finish("[ \"$(cat lines)\" = $'person\\nagent' ]"),
    ])
    .await;
    let job = stage.begin(json!({})).await;
    stage.model.wait_for(2).await;
    let mut viewer = take(&stage, job).await;
    let go = format!("{}/v1/jobs/{job}/files/go", stage.server.url());
    testkit::http_client().put(go).send().await.unwrap().error_for_status().unwrap();
    stage.server.client().events_until(job, is_waiting).await;
    assert_eq!(stage.model.requests().len(), 4, "it looked, then its hands wait");
    assert_eq!(picture(&stage.told_after(2)).pixel(100, 200), [0xc0, 0, 0], "eyes do not");

    // It takes news of sizes (-308), and wants that of its window.
    viewer.write_all(&[2, 0, 0, 1, 0xff, 0xff, 0xfe, 0xcc]).await.unwrap();
    viewer.write_all(&[251, 0, 5, 20, 3, 11, 1, 0]).await.unwrap();
    viewer.write_all(&[0, 0, 0, 0, 0, 0, 0, 0, 5, 20, 3, 11, 0, 0, 0, 0]).await.unwrap();
    type_line(&mut viewer, "person").await;
    written(&stage, job, "person\n").await;
    let screen = format!("/v1/jobs/{job}/screenshot.png");
    let seen = stage.server.client().get(&screen).await.bytes().await.unwrap();
    assert_eq!((Picture::of(&seen).width, Picture::of(&seen).height), (1300, 779));
    assert_eq!(stage.model.requests().len(), 4, "it waits still");
    drop(viewer);

    let events = stage.complete(job).await;
    let told = stage.told_after(3);
    assert!(told.contains("a person had the desktop and has given it back"), "{told:#?}");
    assert_eq!(picture(&told).pixel(100, 200), [0, 0, 0xc0], "what the person left");
    assert_eq!((picture(&told).width, picture(&told).height), (1280, 800), "but for the size");
    let taken = events.into_iter().filter_map(|event| match event.event {
        EventKind::Desktop { taken } => Some(taken),
        _ => None,
    });
    assert_eq!(taken.collect::<Vec<_>>(), [true, false]);
}
