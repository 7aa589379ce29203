//! The real Jupyter Lab in a browser.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use testkit::{Browser, Server};

use crate::support::{builder, file, keep, own_page, server};
use crate::web::{jupyter, ready};

const IDLE: &str = "# Work\n\n```sh\necho ready\nsleep 1000\n```\n";

/// A server whose sandboxes see a Jupyter Lab.
async fn with_jupyter() -> Server {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/jupyter");
    let made = Command::new(&script).output().unwrap();
    let complaint = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "this test needs {}: {complaint}", script.display());
    let place = PathBuf::from(String::from_utf8(made.stdout).unwrap().trim());
    let interpreters = env::var_os("CAGENT_EXPOSE").unwrap_or_default();
    let all = env::split_paths(&interpreters).filter(|path| !path.as_os_str().is_empty());
    builder().env("CAGENT_EXPOSE", env::join_paths(all.chain([place])).unwrap()).start().await
}

/// By the page itself: kernels and terminals over WebSockets, files and its own checks.
#[tokio::test]
async fn a_cell_runs_and_so_does_a_terminal() {
    let server = with_jupyter().await;
    let job = ready(&server, IDLE).await;
    let browser = Browser::start().await;
    let own = own_page(&jupyter(&server, job).await);
    let page = browser.open(&own).await;
    let card = |category: &str| format!(".jp-LauncherCard[data-category={category}]");
    page.until(&there(&card("Notebook"))).await;
    let address = page.eval("location.origin + location.pathname + location.search").await;
    let lab = own.replace("localhost", &format!("lab-{job}.localhost"));
    assert_eq!(address, json!(format!("{lab}lab")), "straight into the only one, and no token");

    page.click(&card("Notebook")).await;
    page.until(&there(".jp-Notebook .cm-content")).await;
    page.until("document.body.innerText.includes('| Idle')").await;
    page.click(".jp-Notebook .cm-content").await;
    page.until("document.activeElement.closest('.jp-Notebook') !== null").await;
    page.type_text("print(6*7)").await;
    page.until("document.querySelector('.jp-Notebook .cm-content').innerText === 'print(6*7)'")
        .await;
    page.click("[data-command=\"notebook:run-cell-and-select-next\"]").await;
    page.until("document.querySelector('.jp-OutputArea-output pre')?.innerText.trim() === '42'")
        .await;
    keep(&page, "jupyter.png").await;
    let asks = "document.body.innerText.includes('official Jupyter news')";
    assert_eq!(page.eval(asks).await, json!(false), "nobody is asked about news");

    let terminal = "fetch('/api/terminals', { method: 'POST', headers: { 'X-XSRFToken': \
                    document.cookie.match(/_xsrf=([^;]*)/)[1] } }).then((answer) => answer.json())";
    let terminal = page.eval(terminal).await;
    let name = terminal["name"].as_str().unwrap();
    page.eval(&format!(
        "new Promise((resolve, reject) => {{ \
           const socket = new WebSocket(`ws://${{location.host}}/terminals/websocket/{name}`); \
           socket.onerror = reject; \
           socket.onopen = () => {{ \
             socket.send(JSON.stringify(['stdin', 'echo $((6*7)) > new; mv new answer.txt\\r'])); \
             resolve(); }} }})"
    ))
    .await;
    assert_eq!(file(&server, job, "answer.txt").await, "42\n");
}

fn there(selector: &str) -> String {
    format!("document.querySelector('{selector}') !== null")
}

#[tokio::test]
async fn where_there_is_none_the_page_says_how_to_get_it() {
    let server = server().await;
    let job = ready(&server, IDLE).await;
    let browser = Browser::start().await;
    let page = browser.open(&jupyter(&server, job).await).await;
    page.until("document.body.innerText.includes('pip install jupyterlab')").await;
}
