//! The desktop in a browser.

use serde_json::json;
use testkit::Browser;
use types::EventKind;

use crate::support::{builder, file, keep, link, own_page, see, server, terminal};

#[tokio::test]
async fn a_person_sees_takes_control_types_and_lets_go() {
    let server = server().await;
    let job = terminal(&server).await;
    let own = own_page(&link(&server, job, "watch").await);
    let browser = Browser::start().await;
    let page = see(&browser, &own).await;
    let address = page.eval("location.href").await;
    let clean = own.replace("localhost", &format!("{job}.localhost"));
    assert_eq!(address, json!(clean), "straight into the only one, without the ticket");
    page.until("document.body.dataset.mode === 'watch'").await;
    keep(&page, "desktop-watch.png").await;

    page.click("#screen canvas").await;
    page.type_text("ignored").await;
    page.click("#control").await;
    page.until("document.body.dataset.mode === 'control'").await;
    page.until("document.querySelector('#status').textContent.includes('you have control')").await;
    page.click("#screen canvas").await;
    page.type_text("typed by a person\n").await;
    assert_eq!(file(&server, job, "line.txt").await, "typed by a person");
    keep(&page, "desktop-control.png").await;

    page.click("#control").await;
    let told = server
        .client()
        .events_until(job, |event| matches!(event.event, EventKind::Desktop { taken: false }));
    let told = told.await.into_iter().filter_map(|event| match event.event {
        EventKind::Desktop { taken } => Some(taken),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn who_comes_by_a_link_to_watch_is_offered_no_control() {
    let server = server().await;
    let job = terminal(&server).await;
    let browser = Browser::start().await;
    let page = see(&browser, &link(&server, job, "watch").await).await;
    page.until("document.body.dataset.mode === 'watch'").await;
    page.until("document.querySelector('#title').textContent === 'A screen'").await;
    assert_eq!(page.eval("document.querySelector('#control').hidden").await, json!(true));
    let refused = page.eval("fetch('/rfb/control').then((answer) => answer.status)").await;
    assert_eq!(refused, json!(403));
    assert_eq!(page.eval("location.search + document.cookie").await, json!(""));
}

#[tokio::test]
async fn the_page_says_when_the_job_is_over() {
    let server = server().await;
    let job = terminal(&server).await;
    let browser = Browser::start().await;
    let page = see(&browser, &link(&server, job, "control").await).await;
    server.client().cancel(job).await;
    page.until("document.querySelector('#status').textContent.startsWith('the job is over')").await;
    page.until("document.querySelector('#why').textContent.startsWith('It is cancelled')").await;
    let rests =
        "[...document.querySelectorAll('button')].some((button) => button.checkVisibility())";
    assert_eq!(page.eval(rests).await, json!(false), "nothing there does anything any more");
    let zip = page.eval("document.querySelector('#zip').href").await;
    let (_, port) = server.url().rsplit_once(':').unwrap();
    assert_eq!(zip, json!(format!("http://localhost:{port}/download/{job}")));
    keep(&page, "desktop-over.png").await;
}

#[tokio::test]
async fn a_desktop_that_is_not_there_yet_comes() {
    let server = builder().env("CAGENT_CONCURRENCY", "1").start().await;
    let first = terminal(&server).await;
    let runbook = json!({ "prompt": "```bash\nsleep 1000\n```\n", "mode": "runbook" });
    let second = server.client().schedule(&runbook).await;
    let browser = Browser::start().await;
    let page = browser.open(&link(&server, second, "control").await).await;
    page.until("document.querySelector('#why').textContent.includes('scheduled')").await;
    assert_eq!(page.eval("document.querySelector('#control').hidden").await, json!(true));
    keep(&page, "desktop-missing.png").await;
    server.client().cancel(first).await;
    page.until("document.body.dataset.mode === 'watch'").await;
    page.until("!document.querySelector('#control').hidden").await;
    assert_eq!(page.eval("document.querySelector('#instead').hidden").await, json!(true));
}

#[tokio::test]
async fn there_is_a_picture_of_it() {
    let server = server().await;
    let job = terminal(&server).await;
    let answer = server.client().get(&format!("/v1/jobs/{job}/screenshot.png")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "image/png");
    let picture = answer.bytes().await.unwrap();
    assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"));
    let size = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
    assert_eq!((size(16), size(20)), (1280, 800));
}
