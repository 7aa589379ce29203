//! Several people at one desktop, and what they copy.

use serde_json::json;
use testkit::{Browser, Page, Server};
use types::JobId;

use crate::support::{file, is_output, keep, link, see, server, terminal, until_pixel};

/// At each key: copies a text; says what is copied. The terminal does both for programs that ask.
const COPIES: &str = r#"# Copies

```bash file=copies.sh
printf '\e[41m\e[2J'
touch begun
read -rsn1
printf '\e]52;c;%s\a' "$(printf 'Grüße from inside' | base64)"
read -rsn1
printf '\e]52;c;?\a'
IFS= read -rsd "$(printf '\a')" answer
printf %s "${answer##*;}" | base64 -d > new
mv new line.txt
sleep 1000
```

```bash
xterm -geometry 120x40+0+0 -xrm '*color1: #c00000' -xrm '*disallowedWindowOps: ' -e bash copies.sh &
echo shown; sleep 1000
```
"#;

async fn copies(server: &Server) -> JobId {
    let job = json!({ "prompt": COPIES, "mode": "runbook", "desktop": true });
    let job = server.client().schedule(&job).await;
    server.client().events_until(job, is_output).await;
    file(server, job, "begun").await;
    job
}

async fn take(page: &Page) {
    page.until("!document.querySelector('#control').hidden").await;
    page.click("#control").await;
    page.until("document.body.dataset.mode === 'control'").await;
}

#[tokio::test]
async fn what_is_copied_goes_both_ways() {
    let server = server().await;
    let job = copies(&server).await;
    let browser = Browser::start().await;
    let page = browser.open(&link(&server, job, "control").await).await;
    until_pixel(&page, [0xc0, 0, 0]).await;
    take(&page).await;
    until_pixel(&page, [0xc0, 0, 0]).await;
    page.click("#screen canvas").await;
    page.type_text("x").await;
    page.until("document.querySelector('#text').value === 'Grüße from inside'").await;

    page.click("#clipboard").await;
    let written = "{ const text = document.querySelector('#text'); text.value = '日本 – from outside'; \
                   text.dispatchEvent(new Event('input')); }";
    page.eval(written).await;
    page.click("#screen canvas").await;
    page.type_text("x").await;
    assert_eq!(file(&server, job, "line.txt").await, "日本 – from outside");
}

#[tokio::test]
async fn a_second_person_takes_over_from_the_first() {
    let server = server().await;
    let job = terminal(&server).await;
    let browser = Browser::start().await;
    let first = see(&browser, &link(&server, job, "control").await).await;
    take(&first).await;
    let second = see(&browser, &link(&server, job, "control").await).await;
    let button = "document.querySelector('#control').textContent";
    second.until(&format!("{button} === 'Take over control'")).await;
    take(&second).await;
    first.until("document.body.dataset.mode === 'watch'").await;
    let status = "document.querySelector('#status').textContent";
    first.until(&format!("{status} === 'watching; somebody else took control'")).await;
    second.until(&format!("{status} === 'you have control, with 1 more'")).await;
    first.click("#clipboard").await;
    assert_eq!(first.eval("document.querySelector('#text').readOnly").await, json!(true));
    keep(&first, "desktop-ousted.png").await;
    first.click("#clipboard").await;
    first.click("#screen canvas").await;
    first.type_text("the first").await;
    second.click("#screen canvas").await;
    second.type_text("the second\n").await;
    assert_eq!(file(&server, job, "line.txt").await, "the second");
    let full = "document.fullscreenElement === document.documentElement";
    second.click("#full").await;
    second.until(full).await;
    second.click("#full").await;
    second.until(&format!("!({full})")).await;
}
