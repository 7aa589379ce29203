//! Tickets, cookies, and who is not let in.

use portal::View;

use crate::support::{Stage, path_of};

#[tokio::test]
async fn a_ticket_becomes_a_cookie_and_leaves_the_address() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let link = stage.portal.link(job, View::Control, None);
    let host = stage.host(job);
    assert!(link.url.starts_with(&format!("http://{host}/")), "{}", link.url);
    let entered = stage
        .get(
            &host,
            path_of(&link.url),
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
        )
        .await;
    assert_eq!(entered.status, 200);
    let cookie = entered.headers["set-cookie"].to_str().unwrap().to_owned();
    let (pair, flags) = cookie.split_once("; ").unwrap();
    assert!(pair.starts_with("cagent-control="), "{pair}");
    assert!(flags.contains("HttpOnly") && flags.contains("SameSite=Strict"), "{flags}");
    assert!(!flags.to_ascii_lowercase().contains("domain"), "only for this host: {flags}");
    // By a page, not a redirect: the cookie goes only where this origin itself leads.
    assert!(entered.body.contains(r#"content="0;url=/""#), "{}", entered.body);
    assert_eq!(entered.headers["referrer-policy"], "no-referrer");
    assert_eq!(entered.headers["cache-control"], "no-store");
    let (_, ticket) = link.url.split_once('=').unwrap();
    assert!(!entered.body.contains(ticket) && !cookie.contains(ticket));

    let page = stage.get(&host, "/", &[("cookie", pair)]).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("desktop.js"), "{}", page.body);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");

    let again = stage.get(&host, path_of(&link.url), &[]).await;
    assert_eq!(again.status, 403);
    assert!(!again.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn a_ticket_is_for_its_own_origin() {
    let stage = Stage::new().await;
    let (one, two) = (stage.running("one").await, stage.running("two").await);
    let port = stage.address.port();
    for host in [stage.host(two), format!("3000-{one}.localhost:{port}")] {
        let link = stage.portal.link(one, View::Control, None);
        let refused = stage.get(&host, path_of(&link.url), &[]).await;
        assert_eq!(refused.status, 403, "{host}");
        let used = stage.get(&stage.host(one), path_of(&link.url), &[]).await;
        assert_eq!(used.status, 403, "it was used");
    }
    let own = stage.portal.link(one, View::Control, None);
    let refused = stage.get(&format!("localhost:{port}"), path_of(&own.url), &[]).await;
    assert_eq!(refused.status, 404);
}

#[tokio::test]
async fn a_session_is_for_its_own_job_and_view() {
    let stage = Stage::with(true).await;
    let (one, two) = (stage.running("one").await, stage.running("two").await);
    let watch = stage.cookie(one, View::Watch).await;
    let get = async |job, path, cookie: &str| {
        stage.get(&stage.host(job), path, &[("cookie", cookie)]).await.status
    };
    assert_eq!(get(one, "/state", &watch).await, 200);
    assert_eq!(get(one, "/rfb/watch", &watch).await, 204);
    assert_eq!(get(one, "/rfb/control", &watch).await, 403);
    let forged = watch.replace("cagent-watch", "cagent-control");
    assert_eq!(get(one, "/rfb/control", &forged).await, 403);
    assert_eq!(get(two, "/state", &watch).await, 403);
    assert_eq!(get(two, "/", &watch).await, 403);
    for wrong in ["", "cagent-watch=", "cagent-watch=0; x", ";;=;"] {
        assert_eq!(get(one, "/state", wrong).await, 403, "{wrong}");
    }
    // What another origin set beside it does no harm.
    let beside = format!("cagent-watch=evil; {watch}; x=y");
    assert_eq!(get(one, "/state", &beside).await, 200);
}

#[tokio::test]
async fn where_keys_are_asked_for_nobody_walks_in() {
    let stage = Stage::with(true).await;
    let job = stage.running("secret title").await;
    let own = format!("localhost:{}", stage.address.port());
    for (host, path) in [
        (own.clone(), "/".to_owned()),
        (own.clone(), "/list".into()),
        (own, format!("/open/{job}/control")),
        (stage.host(job), "/".into()),
    ] {
        let answer = stage.get(&host, &path, &[]).await;
        assert_eq!(answer.status, 403, "{host}{path}");
        assert!(
            !answer.body.contains("secret title") && !answer.headers.contains_key("set-cookie")
        );
        assert!(!answer.headers.contains_key("location"));
    }
}

#[tokio::test]
async fn other_names_and_other_origins_are_refused() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let cookie = stage.cookie(job, View::Control).await;
    assert_eq!(stage.get("evil.example", "/", &[]).await.status, 403);
    let host = stage.host(job);
    for origin in ["http://evil.example", "null", &format!("http://{job}.localhost:8888")] {
        let headers = [("cookie", &*cookie), ("origin", origin)];
        assert_eq!(stage.get(&host, "/state", &headers).await.status, 403, "{origin}");
        let knocked = stage.knock(job, "/rfb/control", &headers).await;
        assert!(knocked.is_err(), "{origin}");
    }
    let same = [("cookie", &*cookie), ("origin", &*format!("http://{host}"))];
    stage.knock(job, "/rfb/control", &same).await.unwrap();
}

/// A page that loads scripts, pictures or frames of another origin of the same site sends cookies.
#[tokio::test]
async fn nothing_is_loaded_from_elsewhere() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let cookie = stage.cookie(job, View::Control).await;
    for dest in ["script", "iframe", "image", "empty"] {
        let headers = [
            ("cookie", &*cookie),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-dest", dest),
        ];
        assert_eq!(stage.get(&stage.host(job), "/state", &headers).await.status, 403, "{dest}");
    }
}

#[tokio::test]
async fn behind_tls_links_and_cookies_are_for_it_alone() {
    for (domain, port) in [("agents.example.org", ""), ("agents.example.org:8443", ":8443")] {
        let stage = Stage::behind(&format!("https://{domain}")).await;
        let job = stage.running("work").await;
        for (view, name, prefix) in [
            (View::Control, "cagent-control", ""),
            (View::Jupyter, "cagent-jupyter", "lab-"),
            (View::Preview { port: 3000 }, "cagent-preview", "3000-"),
        ] {
            let link = stage.portal.link(job, view, None).url;
            let host = format!("{prefix}{job}.agents.example.org{port}");
            assert!(link.starts_with(&format!("https://{host}/.cagent/enter?")), "{link}");
            let entered = stage.get(&host, path_of(&link), &[]).await;
            let cookie = entered.headers["set-cookie"].to_str().unwrap().to_owned();
            assert!(cookie.starts_with(&format!("__Host-{name}=")), "{cookie}");
            assert!(cookie.ends_with("; Secure") && cookie.contains("; Path=/;"), "{cookie}");
            let pair = cookie.split(';').next().unwrap();
            let seen = stage.get(&host, "/", &[("cookie", pair)]).await;
            assert_ne!(seen.status, 403, "{}", seen.body);
            assert!(!seen.body.contains("cagent-"), "{}", seen.body);
            // Another host could have set this one.
            let plain = pair.replace("__Host-", "");
            assert_eq!(stage.get(&host, "/", &[("cookie", &plain)]).await.status, 403);
        }
    }
}
