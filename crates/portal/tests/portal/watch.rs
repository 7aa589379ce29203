//! Who watches sees everything and moves nothing.

use futures_util::StreamExt as _;
use portal::View;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{BARE, GREETING, HELLO, KEY, NO_DESKTOP, Stage, UPDATE, farewell, say};

#[tokio::test]
async fn who_watches_sees_and_presses_no_key() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let mut viewer = stage.connect(job, View::Watch, "/rfb/watch").await;
    assert_eq!(viewer.next().await.unwrap().unwrap(), Message::binary(GREETING));
    say(&mut viewer, &[HELLO, KEY].concat()).await;
    for byte in [KEY, UPDATE].concat() {
        say(&mut viewer, &[byte]).await;
    }
    assert_eq!(stage.heard_until(UPDATE).await, [HELLO, UPDATE].concat());
}

#[tokio::test]
async fn a_right_to_control_is_not_used_by_who_watches() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let mut viewer = stage.connect(job, View::Control, "/rfb/watch").await;
    say(&mut viewer, &[HELLO, KEY, UPDATE].concat()).await;
    assert_eq!(stage.heard_until(UPDATE).await, [HELLO, UPDATE].concat());
}

#[tokio::test]
async fn who_came_to_watch_does_not_get_control() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let cookie = stage.cookie(job, View::Watch).await;
    assert!(stage.knock(job, "/rfb/control", &[("cookie", &cookie)]).await.is_err());
    assert!(stage.knock(job, "/rfb/watch", &[]).await.is_err(), "nobody was let in");
}

#[tokio::test]
async fn nonsense_ends_the_connection() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let mut viewer = stage.connect(job, View::Watch, "/rfb/watch").await;
    say(&mut viewer, &[HELLO, &[77; 100]].concat()).await;
    assert_eq!(farewell(&mut viewer).await, 1000);
}

#[tokio::test]
async fn why_there_is_no_desktop_is_told_as_plain_text() {
    let stage = Stage::new().await;
    let job = stage.running(BARE).await;
    let cookie = stage.cookie(job, View::Watch).await;
    let headers = [("cookie", &*cookie)];
    assert!(stage.knock(job, "/rfb/watch", &headers).await.is_err());
    let why = stage.get(&stage.host(job), "/rfb/watch", &headers).await;
    assert_eq!((why.status.as_u16(), &*why.body), (409, NO_DESKTOP));
    assert_eq!(why.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(why.headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn the_end_of_the_job_is_the_end_of_its_desktop() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let cookie = stage.cookie(job, View::Watch).await;
    let headers = [("cookie", &*cookie)];
    let mut viewer = stage.knock(job, "/rfb/watch", &headers).await.unwrap();
    stage.jobs.cancel(job).await.unwrap();
    farewell(&mut viewer).await;
    stage.until(job, async || stage.jobs.get(job).await.unwrap().status.is_final()).await;
    let why = stage.get(&stage.host(job), "/rfb/watch", &headers).await;
    assert_eq!(why.status, 409);
    assert!(why.body.contains("cancelled"), "{}", why.body);
    let state = stage.get(&stage.host(job), "/state", &headers).await;
    assert!(state.body.contains(r#""status":"cancelled""#), "{}", state.body);
    let zip = format!(r#""zip":"http://localhost:{}/download/{job}""#, stage.address.port());
    assert!(state.body.contains(&zip), "{}", state.body);
    let lab = stage.get(&stage.lab(job), "/lab", &[]).await;
    assert_eq!(lab.status, 410);
    assert!(lab.body.contains("It is cancelled"), "{}", lab.body);
}

#[tokio::test]
async fn what_the_page_knows_of_others_is_no_more_than_their_number() {
    for (needs_keys, running, zip) in [(false, "1", "null"), (true, "null", "null")] {
        let stage = Stage::with(needs_keys).await;
        let job = stage.running("work").await;
        let cookie = stage.cookie(job, View::Watch).await;
        let state = stage.get(&stage.host(job), "/state", &[("cookie", &cookie)]).await.body;
        let list = format!("http://localhost:{}/list", stage.address.port());
        let rest = format!(r#""list":"{list}","running":{running},"zip":{zip}}}"#);
        assert!(state.ends_with(&rest), "{state}");
        assert!(state.contains(r#""has_agent":false"#), "{state}");
    }
}

#[tokio::test]
async fn there_is_room_for_sixteen() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let cookie = stage.cookie(job, View::Watch).await;
    let headers = [("cookie", &*cookie)];
    let mut viewers = vec![];
    for _ in 0..16 {
        viewers.push(stage.knock(job, "/rfb/watch", &headers).await.unwrap());
    }
    assert!(stage.knock(job, "/rfb/watch", &headers).await.is_err());
    let full = stage.get(&stage.host(job), "/rfb/watch", &headers).await;
    assert_eq!(full.status, 503);
    let state = stage.get(&stage.host(job), "/state", &headers).await;
    assert!(state.body.contains(r#""people":16"#), "{}", state.body);
}
