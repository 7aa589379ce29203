//! Hostile pages in a real browser: what a job shows reaches neither the API nor another job, though
//! the same person has all of it open in the same browser.

use serde_json::{Value, json};
use testkit::{Browser, Page, Server};
use types::{EventKind, JobId, JobStatus};

use crate::support::{file, link, server};
use crate::web::{SERVER, jupyter, origin, preview, put, ready, serves};

const ATTACK: &str = include_str!("hostile/attack.js");

/// Where both serve something.
const PORT: u16 = 3000;

/// Serves its page in the place of Jupyter Lab, too.
fn hostile() -> String {
    let jupyter = "mkdir -p ~/.local/bin\n\
                   printf '#!/bin/sh\\ncd /workspace; SEEN=jupyter.log exec python3 server.py /tmp/jupyter.sock\\n' \
                   > ~/.local/bin/jupyter-lab\n\
                   chmod +x ~/.local/bin/jupyter-lab";
    format!(
        "# Evil\n\n```python file=server.py\n{SERVER}\n```\n\n\
         ```html file=page.html\n<!doctype html><title>evil</title><body>\n<script>\n{ATTACK}\n</script>\n```\n\n\
         ```sh\n{jupyter}\npython3 server.py {PORT}\n```\n"
    )
}

struct Scene {
    server: Server,
    browser: Browser,
    evil: JobId,
    victim: JobId,
    world: Value,
}

impl Scene {
    /// A person has everything of the victim open.
    async fn new() -> Self {
        let server = server().await;
        let evil = ready(&server, &hostile()).await;
        let victim = serves(&server, PORT).await;
        let browser = Browser::start().await;
        let shown = preview(&server, victim, PORT).await;
        let page = browser.open(&shown).await;
        page.until("document.body.innerText === 'a secret of this job'").await;
        let desktop = link(&server, victim, "control").await;
        browser.open(&desktop).await.until("location.search === ''").await;
        let lab = jupyter(&server, victim).await;
        let own = link(&server, evil, "control").await;
        browser.open(&own).await.until("location.search === ''").await;
        let port = |url: &str| url.rsplit(':').next().unwrap().to_owned();
        let api = port(server.url());
        let page = |of: &str| format!("http://localhost:{}", port(origin(of)));
        let world = json!({
            "victim": victim,
            "apis": [format!("http://127.0.0.1:{api}"), format!("http://localhost:{api}")],
            "sites": [origin(&shown), origin(&desktop), origin(&lab), origin(&own), page(&desktop), page(&lab)],
        });
        Self { server, browser, evil, victim, world }
    }

    /// What the attacks of a page came to.
    async fn suffer(&self, url: &str) -> Page {
        let page = self.browser.open(url).await;
        page.until("document.title === 'evil' && location.search === ''").await;
        let (reached, tried) = reached_by(&page, &self.world).await;
        assert!(tried > 200 && reached.is_empty(), "of {tried}: {reached:#?}");
        // What it does works where it may.
        let own = json!({ "victim": self.victim, "apis": [], "sites": [origin(url)] });
        let (reached, _) = reached_by(&page, &own).await;
        for way in ["/ read", "/ frame", "post cors", "popup"] {
            assert!(reached.iter().any(|(name, _)| name.ends_with(way)), "{way}: {reached:#?}");
        }
        page
    }

    async fn check(&self) {
        let client = self.server.client();
        let jobs = client.jobs().await.jobs;
        assert_eq!(jobs.len(), 2, "no job was given: {jobs:#?}");
        assert!(jobs.iter().all(|job| job.status == JobStatus::Running), "{jobs:#?}");
        let seen = file(&self.server, self.victim, "seen.log").await;
        let asked: Vec<_> = seen.lines().filter(|line| !line.contains("/favicon.ico")).collect();
        assert_eq!(asked, ["GET / cookie=None"], "only the person came");
        // The next thing that happens to it is the first since it began to serve.
        put(&self.server, self.victim, "x", "").await;
        client.cancel(self.victim).await;
        let events =
            client.events_until(self.victim, |e| matches!(e.event, EventKind::Ended { .. }));
        let touched = |kind: &EventKind| matches!(kind, EventKind::Desktop { .. });
        assert!(!events.await.iter().any(|event| touched(&event.event)), "nobody took the desktop");
    }
}

/// The attempts that came to something, and how many there were.
async fn reached_by(page: &Page, world: &Value) -> (Vec<(String, Value)>, usize) {
    let outcomes = page.eval(&format!("attack({world})")).await;
    let Value::Object(outcomes) = outcomes else { panic!("{outcomes}") };
    let tried = outcomes.len();
    let is_hit = |outcome: &Value| outcome.as_str().unwrap().starts_with("REACHED");
    (outcomes.into_iter().filter(|(_, outcome)| is_hit(outcome)).collect(), tried)
}

#[tokio::test]
async fn a_preview_reaches_nothing_else() {
    let scene = Scene::new().await;
    let shown = preview(&scene.server, scene.evil, PORT).await;
    let page = scene.suffer(&shown).await;
    // Its own origin is its own, but what it sets for others or in our name is not there.
    assert_eq!(page.eval("fetch('/mine').then((answer) => answer.status)").await, json!(200));
    let seen = file(&scene.server, scene.evil, "seen.log").await;
    assert!(seen.contains("GET /mine"), "{seen}");
    assert!(!seen.contains("cagent-") && !seen.contains("wide="), "{seen}");
    assert_eq!(page.eval("window.opener").await, Value::Null);
    // The victim's page still works, whatever cookies were planted.
    let again = scene.browser.open(&link(&scene.server, scene.victim, "watch").await).await;
    again.until("document.querySelector('#title') && location.search === ''").await;
    scene.check().await;
}

/// Nor does it keep its own person out of the desktop by its cookies, which know no ports.
#[tokio::test]
async fn jupyter_reaches_nothing_else() {
    let scene = Scene::new().await;
    let lab = jupyter(&scene.server, scene.evil).await;
    let page = scene.suffer(&lab).await;
    assert_eq!(page.eval("flood()").await, json!(true));
    let status = "fetch('/state').then((answer) => answer.status)";
    assert_eq!(page.eval(status).await, json!(431), "too many cookies for its own host");
    let desktop = link(&scene.server, scene.evil, "control").await;
    let desktop = scene.browser.open(&desktop).await;
    desktop.until("document.querySelector('#title') && location.search === ''").await;
    assert_eq!(desktop.eval(status).await, json!(200));
    assert_eq!(desktop.eval("document.cookie").await, json!(""));
    let seen = file(&scene.server, scene.evil, "jupyter.log").await;
    assert!(seen.contains("GET / ") && !seen.contains("cagent-"), "{seen}");
    scene.check().await;
}
