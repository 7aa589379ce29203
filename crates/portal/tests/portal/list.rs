//! Our own page.

use types::JobId;

use crate::support::{Stage, path_of};

const FROM_ELSEWHERE: [(&str, &str); 3] = [
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];

#[tokio::test]
async fn it_leads_straight_into_the_only_desktop() {
    let stage = Stage::new().await;
    let own = format!("localhost:{}", stage.address.port());
    let none = stage.get(&own, "/", &[]).await;
    assert!(none.body.contains("No job is running") && none.body.contains("refresh"));

    let job = stage.running("work").await;
    let typed = stage.get(&own, "/", &[("sec-fetch-site", "none")]).await;
    assert_eq!(typed.status, 303);
    let location = typed.headers["location"].to_str().unwrap();
    let entered = stage.get(&stage.host(job), path_of(location), &[]).await;
    assert!(entered.headers.contains_key("set-cookie"), "{}", entered.body);

    let led = stage.get(&own, "/", &FROM_ELSEWHERE).await;
    assert_eq!(led.status, 200, "a page elsewhere opens nothing by itself");
    assert!(led.body.contains(&format!("/open/{job}/control")), "{}", led.body);
}

#[tokio::test]
async fn of_more_than_one_it_is_a_list() {
    let stage = Stage::new().await;
    let own = format!("127.0.0.1:{}", stage.address.port());
    let jobs = [stage.running("one & <two").await, stage.running("two").await];
    let list = stage.get(&own, "/", &[]).await;
    assert_eq!(list.status, 200);
    assert!(list.body.contains("one &amp; &lt;two"));
    for job in jobs {
        let path = format!("/open/{job}/watch");
        assert!(list.body.contains(&path));
        // Enough of its id for `cagent`, and how long it has been there.
        let name = &job.to_string()[24..];
        assert!(list.body.contains(&format!(">{name}</span>, running for ")), "{}", list.body);
        let opened = stage.get(&own, &path, &[("sec-fetch-site", "same-origin")]).await;
        assert!(opened.headers["location"].to_str().unwrap().contains(&stage.host(job)));
        let led = stage.get(&own, &path, &FROM_ELSEWHERE).await;
        assert_eq!(led.headers["location"], "/list", "a page elsewhere opens nothing by itself");
    }
}

#[tokio::test]
async fn who_types_the_address_of_a_desktop_is_let_in() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let typed = stage.get(&stage.host(job), "/", &[("sec-fetch-site", "none")]).await;
    assert_eq!(typed.status, 200);
    assert!(typed.headers.contains_key("set-cookie") && typed.body.contains("desktop.js"));
    let led = stage.get(&stage.host(job), "/", &FROM_ELSEWHERE).await;
    assert_eq!(led.status, 403);
    assert!(!led.headers.contains_key("set-cookie"));
    let unknown = stage.host(JobId::generate());
    assert_eq!(stage.get(&unknown, "/", &[]).await.status, 404);
}

#[tokio::test]
async fn there_is_nothing_else() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let own = format!("localhost:{}", stage.address.port());
    for path in ["/x", "/open", "/open/x/control", &format!("/open/{job}/jupyter")] {
        assert_eq!(stage.get(&own, path, &[]).await.status, 404, "{path}");
    }
    assert_eq!(stage.get(&stage.host(job), "/etc/passwd", &[]).await.status, 404);
}
