//! Mouse and keyboard: one has them, the next takes them over, and the agent knows.

use std::time::Duration;

use futures_util::StreamExt as _;
use portal::View;
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{GREETING, HELLO, KEY, PATIENCE, Stage, farewell, say};

/// How often a viewer is asked whether they are there.
const QUESTION: Duration = Duration::from_secs(15);

/// The frame of a ping without a text.
const PING: u16 = 0x8900;

/// Lets this time pass at once.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn who_has_control_is_heard_and_the_agent_knows() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let mut viewer = stage.connect(job, View::Control, "/rfb/control").await;
    assert_eq!(stage.told(job, 1).await, [true]);
    say(&mut viewer, &[HELLO, KEY].concat()).await;
    assert_eq!(stage.heard_until(KEY).await, [HELLO, KEY].concat());
    viewer.close(None).await.unwrap();
    assert_eq!(stage.told(job, 2).await, [true, false]);
}

#[tokio::test]
async fn a_connection_that_breaks_lets_go() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    drop(stage.connect(job, View::Control, "/rfb/control").await);
    assert_eq!(stage.told(job, 2).await, [true, false]);
}

#[tokio::test]
async fn the_next_one_takes_over_and_the_agent_stays_paused() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let mut first = stage.connect(job, View::Control, "/rfb/control").await;
    let mut second = stage.connect(job, View::Control, "/rfb/control").await;
    assert_eq!(farewell(&mut first).await, 4001);
    drop(first);
    say(&mut second, &[HELLO, KEY].concat()).await;
    stage.heard_until(KEY).await;
    let cookie = stage.cookie(job, View::Watch).await;
    let state = stage.get(&stage.host(job), "/state", &[("cookie", &cookie)]).await;
    assert!(state.body.contains(r#""taken":true"#), "{}", state.body);
    drop(second);
    assert_eq!(stage.told(job, 2).await, [true, false]);
}

/// Else a page that asks why would take control away from somebody.
#[tokio::test]
async fn to_ask_why_takes_nothing() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let mut viewer = stage.connect(job, View::Control, "/rfb/control").await;
    let cookie = stage.cookie(job, View::Control).await;
    let asked = stage.get(&stage.host(job), "/rfb/control", &[("cookie", &cookie)]).await;
    assert_eq!(asked.status, 204);
    say(&mut viewer, &[HELLO, KEY].concat()).await;
    stage.heard_until(KEY).await;
    drop(viewer);
    assert_eq!(stage.told(job, 2).await, [true, false]);
}

/// As from a machine that is gone: nothing is closed, and nothing answers.
#[tokio::test]
async fn who_is_gone_without_a_word_lets_go_within_about_a_minute() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let mut viewer = stage.connect(job, View::Control, "/rfb/control").await;
    say(&mut viewer, HELLO).await;
    stage.heard_until(HELLO).await;
    // The cable, of which nobody reads any more.
    let wire = viewer.get_mut();
    for _ in 0..3 {
        pass(QUESTION).await;
        let asked = async { while wire.read_u16().await.unwrap() != PING {} };
        tokio::time::timeout(PATIENCE, asked).await.expect("a question");
    }
    assert_eq!(stage.told(job, 1).await, [true], "not at the first silence");
    pass(QUESTION).await;
    assert_eq!(stage.told(job, 2).await, [true, false]);
}

#[tokio::test]
async fn who_is_there_and_does_nothing_keeps_control() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let mut viewer = stage.connect(job, View::Control, "/rfb/control").await;
    say(&mut viewer, HELLO).await;
    stage.heard_until(HELLO).await;
    for _ in 0..8 {
        pass(QUESTION).await;
        let asked = async { while !matches!(viewer.next().await, Some(Ok(Message::Ping(_)))) {} };
        tokio::time::timeout(PATIENCE, asked).await.expect("a question");
    }
    say(&mut viewer, KEY).await;
    stage.heard_until(KEY).await;
}

/// As a program that looks at nothing.
#[tokio::test]
async fn who_never_begins_is_sent_away() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let mut viewer = stage.connect(job, View::Control, "/rfb/control").await;
    assert_eq!(viewer.next().await.unwrap().unwrap(), Message::binary(GREETING));
    pass(2 * QUESTION).await;
    assert_eq!(farewell(&mut viewer).await, 1000);
    assert_eq!(stage.told(job, 2).await, [true, false]);
}

#[tokio::test]
async fn watchers_keep_nobody_from_control() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let cookie = stage.cookie(job, View::Watch).await;
    let headers = [("cookie", &*cookie)];
    let mut watchers = vec![];
    for _ in 0..16 {
        watchers.push(stage.knock(job, "/rfb/watch", &headers).await.unwrap());
    }
    let mut first = stage.connect(job, View::Control, "/rfb/control").await;
    let mut second = stage.connect(job, View::Control, "/rfb/control").await;
    assert_eq!(farewell(&mut first).await, 4001);
    say(&mut second, &[HELLO, KEY].concat()).await;
    stage.heard_until(KEY).await;
    let control = stage.cookie(job, View::Control).await;
    let asked = stage.get(&stage.host(job), "/rfb/control", &[("cookie", &control)]).await;
    assert_eq!(asked.status, 204, "{}", asked.body);
    let state = stage.get(&stage.host(job), "/state", &headers).await;
    assert!(state.body.contains(r#""people":17"#), "{}", state.body);
}
