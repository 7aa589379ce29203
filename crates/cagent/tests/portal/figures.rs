//! What a person waits for, in milliseconds. The bounds are wide, for machines that do other things
//! meanwhile; what was measured is printed.

use std::time::Instant;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use testkit::{Browser, Server};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{is_output, link, server, shows, socket, until_pixel};

/// Changes colour at each click: the terminal reports those as six bytes.
const CLICKED: &str = "xterm -xrm 'xterm*color1: #c00000' -xrm 'xterm*color4: #0000c0' \
    -geometry 120x40+0+0 -e bash -c 'printf \"\\e[?9h\"; c=1; while :; do \
    printf \"\\e[4${c}m\\e[2J\"; read -rsn6 _; c=$((5-c)); done'";

/// The time from a click in the middle of the canvas until the picture there is another.
const CLICK_TO_FRAME: &str = "(async () => {
    const canvas = document.querySelector('#screen canvas');
    const context = canvas.getContext('2d');
    const seen = () => context.getImageData(200, 200, 1, 1).data.join();
    const box = canvas.getBoundingClientRect();
    const at = { clientX: box.x + 200, clientY: box.y + 200, button: 0, bubbles: true };
    const before = seen();
    const began = performance.now();
    canvas.dispatchEvent(new MouseEvent('mousedown', { ...at, buttons: 1 }));
    canvas.dispatchEvent(new MouseEvent('mouseup', at));
    const turn = () => new Promise((done) => {
        const channel = new MessageChannel();
        channel.port1.onmessage = done;
        channel.port2.postMessage(0);
    });
    while (seen() === before) await turn();
    return performance.now() - began;
})()";

#[tokio::test]
async fn a_click_is_answered_at_once() {
    let server = server().await;
    let job = shows(&server, CLICKED).await;
    let browser = Browser::start().await;
    let page = browser.open(&link(&server, job, "control").await).await;
    until_pixel(&page, [0xc0, 0, 0]).await;
    page.click("#control").await;
    page.until("document.body.dataset.mode === 'control'").await;
    until_pixel(&page, [0xc0, 0, 0]).await;
    let mut took = vec![];
    for _ in 0..20 {
        took.push(page.eval(CLICK_TO_FRAME).await.as_f64().unwrap());
    }
    took.sort_by(f64::total_cmp);
    println!("click to frame, ms: median {:.1}, worst {:.1}", took[10], took[19]);
    assert!(took[10] < 250.0, "{took:?}");
}

#[tokio::test]
async fn the_first_look_shows_a_frame_soon() {
    let server = server().await;
    let mut took = vec![];
    for _ in 0..20 {
        took.push(first_look(&server).await);
    }
    took.sort_by(f64::total_cmp);
    println!("first look to first whole frame, ms: median {:.0}, worst {:.0}", took[10], took[19]);
    assert!(took[10] < 1000.0, "{took:?}");
}

/// How long it takes on a job that runs and whose desktop nobody wanted so far.
async fn first_look(server: &Server) -> f64 {
    let prompt = "# Work\n\n```bash\necho begun; sleep 1000\n```\n";
    let job = server.client().schedule(&json!({ "prompt": prompt, "mode": "runbook" })).await;
    server.client().events_until(job, is_output).await;
    let link = link(server, job, "watch").await;
    let began = Instant::now();
    let mut viewer = socket(&link, "/rfb/watch").await;
    let whole = b"RFB 003.008\n\x01\x01\x03\0\0\0\0\0\x05\0\x03\x20";
    viewer.send(Message::binary(&whole[..])).await.unwrap();
    let mut bytes = 0;
    while bytes < 1280 * 800 * 4 {
        if let Message::Binary(some) = viewer.next().await.unwrap().unwrap() {
            bytes += some.len();
        }
    }
    let took = began.elapsed().as_secs_f64() * 1000.0;
    server.client().cancel(job).await;
    server.client().wait_end(job).await;
    took
}
