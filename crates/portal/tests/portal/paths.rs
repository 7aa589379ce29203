//! Previews by path.

use portal::View;
use serde_json::Value;

use crate::support::{Stage, path_of};
use crate::upstream::APP;

#[tokio::test]
async fn a_preview_is_entered_and_used_below_its_path() {
    let stage = Stage::by_path().await;
    let job = stage.running("work").await;
    let own = format!("localhost:{}", stage.address.port());
    let link = stage.portal.link(job, View::Preview { port: APP }, None).url;
    let base = format!("/preview/{job}/{APP}");
    assert!(link.starts_with(&format!("http://{own}{base}/.cagent/enter?")), "{link}");
    let entered = stage.get(&own, path_of(&link), &[]).await;
    assert_eq!(entered.status, 200, "{}", entered.body);
    assert!(entered.body.contains(&format!("0;url={base}/")), "{}", entered.body);
    let cookie = entered.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains(&format!("Path={base}/;")), "{cookie}");
    let session = cookie.split(';').next().unwrap();

    let page = stage.get(&own, &format!("{base}/a?b"), &[("cookie", session)]).await;
    let seen: Value = serde_json::from_str(&page.body).unwrap();
    assert_eq!(seen["uri"], "/a?b");
    assert!(!page.body.contains("cagent-"), "{}", page.body);
    let root = stage.get(&own, &base, &[]).await;
    assert_eq!(root.status, 308);
    assert_eq!(root.headers["location"], format!("{base}/"));
    let set = stage.get(&own, &format!("{base}/cookies"), &[("cookie", session)]).await;
    assert_eq!(set.headers["set-cookie"], format!("mine=1; Path={base}/"));
    let login = stage.get(&own, &format!("{base}/login"), &[("cookie", session)]).await;
    assert_eq!(login.headers["location"], format!("{base}/home"));
}

/// A preview is on the same origin, and would get whatever our page hands out.
#[tokio::test]
async fn our_own_page_hands_out_nothing_then() {
    let stage = Stage::by_path().await;
    let job = stage.running("work").await;
    let own = format!("localhost:{}", stage.address.port());
    for path in ["/".into(), "/list".into(), format!("/open/{job}/control")] {
        let answer = stage.get(&own, &path, &[("sec-fetch-site", "same-origin")]).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(!answer.body.contains(&job.to_string()), "{}", answer.body);
    }
}

#[tokio::test]
async fn unless_the_operator_wished_it_there_are_none() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let own = format!("localhost:{}", stage.address.port());
    let path = format!("/preview/{job}/{APP}/");
    assert_eq!(stage.get(&own, &path, &[]).await.status, 404);
    let link = stage.portal.link(job, View::Preview { port: APP }, None).url;
    assert!(link.starts_with(&format!("http://{APP}-{job}.localhost:")), "{link}");
}
