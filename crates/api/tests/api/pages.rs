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
    after("src=\"").chain(after("stylesheet\" href=\"")).collect()
}

#[tokio::test]
async fn pages_load_their_own_files_and_nothing_else() {
    let server = Server::new().await;
    for (path, files) in [("/", 2), ("/docs", 3), ("/docs/problems", 1)] {
        let page = page(&server, path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("script-src 'unsafe"), "no inline script: {policy}");
        assert_eq!(
            (page.header("x-frame-options"), page.header("referrer-policy")),
            ("DENY", "no-referrer")
        );
        let loaded = loaded(page.text());
        assert_eq!(loaded.len(), files, "{loaded:?}");
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
async fn scripts_make_text_of_what_a_job_wrote() {
    let script = Server::new().await.get("/assets/home.js").await;
    for risky in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!script.text().contains(risky), "{risky}");
    }
}

#[tokio::test]
async fn the_root_differs_by_what_is_accepted() {
    let server = Server::new().await;
    assert_eq!(page(&server, "/").await.header("vary"), "accept");
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
