//! Whoever comes by a name that leads nowhere is told what to do.

use types::JobId;

use crate::support::Stage;

#[tokio::test]
async fn by_address_there_is_advice() {
    let stage = Stage::new().await;
    let port = stage.address.port();
    for host in [format!("192.0.2.7:{port}"), "agent.example".into()] {
        let said = stage.get(&host, "/", &[]).await;
        assert_eq!(said.status, 403);
        let forward = format!("ssh -N -L {port}:127.0.0.1:{port} -L {port}:127.0.0.1:{port}");
        assert!(said.body.contains(&forward), "{}", said.body);
        assert!(said.body.contains("CAGENT_PREVIEW_DOMAIN"), "{}", said.body);
        assert!(said.body.contains(&format!("href=\"http://localhost:{port}/\"")), "{}", said.body);
        for file in ["/.cagent/portal.css", "/.cagent/icon.svg"] {
            assert!(said.body.contains(&format!("href=\"{file}\"")), "{}", said.body);
            assert_eq!(stage.get(&host, file, &[]).await.status, 200, "{file} at {host}");
        }
    }
}

#[tokio::test]
async fn with_a_domain_the_advice_is_the_domain() {
    let stage = Stage::behind("https://agents.example.org").await;
    let said = stage.get("192.0.2.7:6080", "/", &[]).await;
    assert_eq!(said.status, 403);
    assert!(said.body.contains("href=\"https://agents.example.org/\""), "{}", said.body);
    assert!(!said.body.contains("ssh") && !said.body.contains("localhost"), "{}", said.body);
}

#[tokio::test]
async fn where_nothing_is_there_is_a_way_to_the_list() {
    let stage = Stage::new().await;
    let (own, port) = (format!("localhost:{}", stage.address.port()), stage.address.port());
    let job = stage.running("work").await;
    for (host, path, list) in [
        (own, "/x", "/list".to_owned()),
        (stage.host(job), "/x", format!("http://localhost:{port}/list")),
        (stage.host(JobId::generate()), "/", format!("http://localhost:{port}/list")),
    ] {
        let said = stage.get(&host, path, &[]).await;
        assert_eq!(said.status, 404);
        assert!(said.body.contains(&format!("href=\"{list}\"")), "{}", said.body);
    }
}
