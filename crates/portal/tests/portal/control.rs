//! Mouse and keyboard: one has them, the next takes them over, and the agent knows.

use portal::View;

use crate::support::{HELLO, KEY, Stage, farewell, say};

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
