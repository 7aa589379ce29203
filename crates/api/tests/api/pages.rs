//! What browsers get.

use api::Code;
use axum::http::Method;
use serde_json::Value;

use crate::support::{Answer, Server, request};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn page(server: &Server, path: &str) -> Answer {
    let page = server.send(request(Method::GET, path, &[("accept", BROWSER)], "")).await;
    assert_eq!(
        (page.status.as_u16(), page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    page
}

/// What a page loads by `src="…"` and `<link … href="…">`.
fn loaded(page: &str) -> Vec<&str> {
    let after = |mark| page.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
    let styles = after("stylesheet\" href=\"").chain(after("stylesheet\" crossorigin href=\""));
    after("src=\"").chain(styles).collect()
}

#[tokio::test]
async fn pages_load_their_own_files_and_nothing_else() {
    let server = Server::new().await;
    for (path, least) in [("/", 1), ("/docs", 3), ("/docs/problems", 1)] {
        let page = page(&server, path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("script-src 'unsafe"), "no inline script: {policy}");
        assert_eq!(
            (page.header("x-frame-options"), page.header("referrer-policy")),
            ("DENY", "no-referrer")
        );
        let loaded = loaded(page.text());
        assert!(loaded.len() >= least, "{loaded:?}");
        for file in loaded {
            let answer = server.get(file).await;
            assert_eq!(answer.status, 200, "{file}");
            let kind = if file.ends_with(".js") { "text/javascript" } else { "text/css" };
            assert!(answer.header("content-type").starts_with(kind), "{file}");
        }
    }
}

#[tokio::test]
async fn a_problem_says_where_it_is_explained() {
    let server = Server::new().await;
    let problem = server.get("/nowhere").await.problem(Code::NotFound);
    let (path, word) = problem.kind.split_once('#').unwrap();
    let page = page(&server, path).await;
    for code in Code::ALL {
        let row = format!("<tr id=\"{}\"><td>{}</td>", code.as_str(), code.status().as_u16());
        assert!(page.text().contains(&row), "{code:?}");
    }
    assert!(page.text().contains(&format!("id=\"{word}\"")));
}

#[tokio::test]
async fn every_path_of_the_dashboard_is_one_page_for_browsers_and_nothing_for_programs() {
    let server = Server::new().await;
    let root = page(&server, "/").await;
    for path in ["/new", "/system", "/jobs/01981c3e-5a00-7000-8000-000000000000", "/jobs/x"] {
        let other = page(&server, path).await;
        assert_eq!(other.text(), root.text(), "{path}");
        for header in ["content-security-policy", "x-content-type-options", "cache-control"] {
            assert_eq!(other.header(header), root.header(header), "{path} {header}");
        }
        server.get(path).await.problem(Code::NotFound);
    }
}

/// Built or not: what the page is made of lies under names that change with it, or it says how to
/// build it.
#[tokio::test]
async fn the_dashboard_is_kept_by_browsers_until_it_changes() {
    let server = Server::new().await;
    let root = page(&server, "/").await;
    let parts: Vec<_> =
        loaded(root.text()).into_iter().filter(|part| *part != "/assets/page.css").collect();
    if parts.is_empty() {
        assert!(root.text().contains("make dashboard"), "{}", root.text());
    }
    for part in parts {
        let answer = server.get(part).await;
        assert!(answer.header("cache-control").contains("immutable"), "{part}");
        assert_eq!(root.header("cache-control"), "no-cache");
        for (path, tag) in [(part, answer.header("etag")), ("/", root.header("etag"))] {
            let have = [("accept", BROWSER), ("if-none-match", tag)];
            assert_eq!(server.send(request(Method::GET, path, &have, "")).await.status, 304);
        }
    }
    server.get("/assets/nothing-12345678.js").await.problem(Code::NotFound);
}

#[tokio::test]
async fn the_root_differs_by_what_is_accepted() {
    let server = Server::new().await;
    assert_eq!(page(&server, "/").await.header("vary"), "accept, accept-encoding");
    for accept in ["*/*", "application/json", ""] {
        let answer = server.send(request(Method::GET, "/", &[("accept", accept)], "")).await;
        assert_eq!(answer.header("content-type"), "application/json", "{accept}");
    }
}

#[tokio::test]
async fn the_document_that_is_served_is_the_one_that_is_committed() {
    let served: Value = Server::new().await.get("/openapi.json").await.read();
    let committed: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    assert_eq!(served, committed, "run `cargo xtask openapi`");
}
