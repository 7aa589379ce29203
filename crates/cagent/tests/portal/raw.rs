//! Clients that are no browser of ours, and do as they like.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{file, link, server, shows, socket};

const HELLO: &[u8] = b"RFB 003.008\n\x01\x01";

/// Into the window, which gives it the keyboard.
const CLICK: &[u8] = &[5, 1, 0, 100, 0, 100, 5, 0, 0, 100, 0, 100];

/// Presses and releases each key, in whatever way a viewer can say so.
fn keys(text: &str) -> Vec<u8> {
    let key = |c: char, down: u8| {
        let symbol = if c == '\n' { 0xff0d } else { u32::from(c) };
        [&[4, down, 0, 0][..], &symbol.to_be_bytes()].concat()
    };
    text.chars().flat_map(|c| [key(c, 1), key(c, 0)].concat()).collect()
}

/// The same by QEMU's message, with a scan code: here that of the letter e.
fn scanned() -> Vec<u8> {
    [[255, 0, 0, 1, 0, 0, 0, 101, 0, 0, 0, 18], [255, 0, 0, 0, 0, 0, 0, 101, 0, 0, 0, 18]].concat()
}

async fn say(viewer: &mut WebSocketStream<TcpStream>, bytes: &[u8]) {
    viewer.send(Message::binary(bytes.to_vec())).await.unwrap();
}

/// Reads the server's part of the handshake, which is there when all before was heard.
async fn greeted(viewer: &mut WebSocketStream<TcpStream>) {
    let mut heard = 0;
    // Version, types, result, size and format.
    while heard < 12 + 2 + 4 + 24 {
        match viewer.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => heard += bytes.len(),
            other => panic!("{other:?}"),
        }
    }
}

/// Reads one key, whose arrival shows that keys reach the program, then a line.
const READS: &str = "xterm -geometry 80x24+0+0 -e bash -c 'read -rsn1; touch ready; IFS= read -rs line; \
    printf %s \"$line\" > new; mv new line.txt; sleep 1000'";

#[tokio::test]
async fn who_watches_cannot_type_whatever_they_send() {
    let server = server().await;
    let job = shows(&server, READS).await;
    let mut worker = socket(&link(&server, job, "control").await, "/rfb/control").await;
    say(&mut worker, HELLO).await;
    greeted(&mut worker).await;
    tokio::select! {
        _ = file(&server, job, "ready") => {}
        // Until the window is there and has the keyboard.
        () = async { loop {
            say(&mut worker, &[CLICK, &keys("x")].concat()).await;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        } } => {}
    }

    let mut watcher = socket(&link(&server, job, "watch").await, "/rfb/watch").await;
    say(&mut watcher, HELLO).await;
    greeted(&mut watcher).await;
    say(&mut watcher, &[keys("evil\n"), scanned()].concat()).await;
    for byte in keys("evil\n") {
        say(&mut watcher, &[byte]).await;
    }
    // The server answers, so it has heard all before: with what is on the screen.
    say(&mut watcher, &[3, 0, 0, 0, 0, 0, 0, 1, 0, 1]).await;
    while !matches!(watcher.next().await.unwrap().unwrap(), Message::Binary(_)) {}

    say(&mut worker, &keys("good\n")).await;
    let line = file(&server, job, "line.txt").await;
    assert_eq!(line.trim_start_matches('x'), "good");
}
