//! Jobs in the agent image: packages through the egress, the desktop, Jupyter Lab.

use std::io::Cursor;
use std::time::Duration;

use serde_json::json;
use testkit::{Browser, Builder, PATIENCE, Server, packages};
use types::{Event, EventKind, JobId};

use crate::support::Bed;

const IMAGE: &str = "containerized-agent:latest";

/// The green behind the letters of the terminal.
const GREEN: [u8; 3] = [0x3a, 0x7d, 0x0c];

fn builder(bed: &Bed) -> Builder {
    let found = bed.daemon.docker(&["image", "inspect", IMAGE]);
    assert!(found.status.success(), "this test needs {IMAGE}: make image");
    bed.builder().env("AGENT_IMAGE", IMAGE)
}

/// A job that runs until it is cancelled, and has said so.
async fn runs(server: &Server, code: &str, desktop: bool) -> JobId {
    let prompt = format!("```bash\n{code}\necho shown; sleep 1000\n```\n");
    let body = json!({ "prompt": prompt, "mode": "runbook", "desktop": desktop });
    let job = server.client().schedule(&body).await;
    let said = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(job, said).await;
    job
}

#[tokio::test]
async fn packages_are_installed() {
    let code = "pip install --no-deps --no-cache-dir iniconfig\npython -c 'import iniconfig'\n\
                npm install --no-audit --no-fund is-number\nnode -e 'require(\"is-number\")'";
    for bed in [Bed::mounted(), Bed::bridged()] {
        packages::install(|| builder(&bed), code).await;
    }
}

#[tokio::test]
async fn there_is_a_desktop_to_be_seen() {
    for bed in [Bed::mounted(), Bed::bridged()] {
        let server = builder(&bed).start().await;
        let job = runs(&server, "xterm -bg '#3a7d0c' -geometry 80x24+0+0 &", true).await;
        let seen = async {
            while !shows(&server, job, GREEN).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("the terminal is seen");
    }
}

/// Whether there is much of this colour on a job's desktop.
async fn shows(server: &Server, job: JobId, colour: [u8; 3]) -> bool {
    let answer = server.client().get(&format!("/v1/jobs/{job}/screenshot.png")).await;
    assert_eq!(answer.status(), 200);
    let picture = answer.bytes().await.unwrap();
    let mut decoder = png::Decoder::new(Cursor::new(picture));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    assert_eq!((info.width, info.height), (1280, 800));
    rgb.chunks_exact(3).filter(|pixel| **pixel == colour).count() > 10_000
}

#[tokio::test]
async fn jupyter_lab_works_on_its_files() {
    for bed in [Bed::mounted(), Bed::bridged()] {
        let server = builder(&bed).start().await;
        let job = runs(&server, "echo mine > mine.txt", false).await;
        let wanted = json!({ "view": "jupyter" });
        let ticket = server.client().post(&format!("/v1/jobs/{job}/tickets"), &wanted).await;
        let ticket: api::Ticket = ticket.json().await.unwrap();
        let browser = Browser::start().await;
        let page = browser.open(&ticket.url).await;
        page.until("document.querySelector('.jp-LauncherCard') !== null").await;
        let file = page.eval("fetch('/api/contents/mine.txt').then((it) => it.json())").await;
        assert_eq!(file["content"], "mine\n");
        let kernel = "fetch('/api/kernels', { method: 'POST', headers: { 'X-XSRFToken': \
                      document.cookie.match(/_xsrf=([^;]*)/)[1] } }).then((it) => it.status)";
        assert_eq!(page.eval(kernel).await, json!(201));
    }
}
