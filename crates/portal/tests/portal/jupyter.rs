//! The port of Jupyter Lab.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use portal::View;
use tower::ServiceExt as _;

use crate::support::{Answer, Stage, path_of};

async fn get(stage: &Stage, host: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path).header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let answer = stage.portal.jupyter().oneshot(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
    Answer { status: head.status, headers: head.headers, body }
}

#[tokio::test]
async fn its_page_leads_into_the_only_one_and_lists_more() {
    let stage = Stage::new().await;
    let own = format!("localhost:{}", stage.address.port());
    let one = stage.running("one").await;
    let straight = get(&stage, &own, "/", &[]).await;
    assert_eq!(straight.status, 303);
    let to = straight.headers["location"].to_str().unwrap();
    assert!(to.starts_with(&format!("http://{}/", stage.lab(one))), "{to}");
    let entered = get(&stage, &stage.lab(one), path_of(to), &[]).await;
    let cookie = entered.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("cagent-jupyter="), "{cookie}");

    stage.running("two").await;
    let list = get(&stage, &own, "/", &[]).await.body;
    assert!(list.contains(&format!("/open/{one}/jupyter")) && !list.contains("watch"), "{list}");
    assert_eq!(get(&stage, &own, &format!("/open/{one}/control"), &[]).await.status, 404);
}

#[tokio::test]
async fn it_has_sessions_of_its_own() {
    let stage = Stage::with(true).await;
    let job = stage.running("work").await;
    let (host, link) = (stage.lab(job), stage.portal.link(job, View::Jupyter, None));
    assert_eq!(get(&stage, &host, "/lab", &[]).await.status, 403);
    let desktop = stage.cookie(job, View::Control).await;
    assert_eq!(get(&stage, &host, "/lab", &[("cookie", &desktop)]).await.status, 403);
    let elsewhere = stage.host(job);
    assert_eq!(get(&stage, &elsewhere, path_of(&link.url), &[]).await.status, 403, "of a desktop");

    let link = stage.portal.link(job, View::Jupyter, None);
    let entered = get(&stage, &host, path_of(&link.url), &[]).await;
    let session = entered.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap();
    let cookies = format!("{desktop}; {session}; _xsrf=1");
    let seen = get(&stage, &host, "/lab?x", &[("cookie", &cookies)]).await.body;
    assert!(
        seen.contains(r#""uri":"/lab?x""#) && seen.contains(r#"["cookie","_xsrf=1"]"#),
        "{seen}"
    );
}

#[tokio::test]
async fn a_desktop_leads_there_for_who_may_use_it() {
    let stage = Stage::with(true).await;
    let job = stage.running("work").await;
    let go = async |view, site| {
        let cookie = stage.cookie(job, view).await;
        let headers = [("cookie", &*cookie), ("sec-fetch-site", site)];
        stage.get(&stage.host(job), "/jupyter", &headers).await
    };
    let led = go(View::Control, "same-origin").await;
    assert_eq!(led.status, 303);
    let to = led.headers["location"].to_str().unwrap();
    assert!(to.starts_with(&format!("http://{}/.cagent/enter?", stage.lab(job))), "{to}");
    let entered = get(&stage, &stage.lab(job), path_of(to), &[]).await;
    assert!(entered.headers["set-cookie"].to_str().unwrap().starts_with("cagent-jupyter="));
    assert_eq!(go(View::Watch, "same-origin").await.status, 403);
}

/// One proxy before either port will do; and cookies know no ports.
#[tokio::test]
async fn a_host_is_the_same_at_both_ports() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let desktop = get(&stage, &stage.host(job), "/", &[]).await.body;
    assert!(desktop.contains("desktop.js"), "{desktop}");
    let lab = stage.get(&stage.lab(job), "/lab", &[]).await.body;
    assert!(lab.contains(r#""uri":"/lab""#), "{lab}");
}
