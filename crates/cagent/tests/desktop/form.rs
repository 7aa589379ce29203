use serde_json::json;
use testkit::scripted::Reply;

use crate::support::{Stage, desktop, finish, picture, shell, titles};

/// Serves a form, and writes down who loaded it and what is sent.
const SITE: &str = r#"
import http.server, pathlib, urllib.parse

PAGE = """<!doctype html><meta charset=utf-8><title>The form</title>
<style>* { position: absolute; font: 30px sans-serif; left: 100px; width: 800px; height: 80px }
html, body { left: 0; top: 0; width: 100%; height: 100%; background: #204060 }</style>
<form method=post action=/sent accept-charset=utf-8>
<input name=who style="top: 100px"><input name=what style="top: 250px">
<button style="top: 400px">Send</button></form>
<script>requestAnimationFrame(() => setTimeout(() => fetch("/loaded"), 100))</script>"""

class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/loaded":
            pathlib.Path("loaded").touch()
        self.answer(PAGE)

    def do_POST(self):
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print(sent, flush=True)
        fields = dict(urllib.parse.parse_qsl(sent))
        pathlib.Path("sent").write_text(f"{fields['who']}|{fields['what']}\n")
        self.answer("<title>Thanks</title><body style='background: #00ff00'>")

    def answer(self, page):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.encode())

http.server.ThreadingHTTPServer(("127.0.0.1", 8099), Site).serve_forever()
"#;

const WHO: &str = "Zoë Grüße-Ελλάδα";
/// More of its characters have no key than a keyboard has keys to spare.
const WHAT: &str = "日本語 – “1€” & <b> いろはにほへとちりぬるをわかよたれそつねならむ";

/// A sandbox refuses the namespaces that Chromium's own would need.
const BROWSER: &str = "chromium --no-sandbox --disable-gpu --no-first-run --password-store=basic \
     --kiosk --window-position=0,0 --window-size=1280,800 http://127.0.0.1:8099/";

/// Until a file is there.
fn until(name: &str) -> Reply {
    shell(&format!("for i in $(seq 600); do [ -e {name} ] && exit; sleep 0.1; done; exit 1"))
}

#[tokio::test]
async fn a_model_fills_a_form_in_a_browser_and_sends_it() {
    let stage = Stage::of([
        Reply::call("write_file", json!({ "path": "site.py", "content": SITE })),
        Reply::call("background", json!({ "command": "python3 site.py" })),
        desktop(json!({ "action": "launch", "text": BROWSER })),
        until("loaded"),
        desktop(json!({ "action": "screenshot" })),
        desktop(json!({ "action": "click", "x": 400, "y": 140 })),
        desktop(json!({ "action": "type", "text": WHO })),
        desktop(json!({ "action": "click", "x": 400, "y": 290 })),
        desktop(json!({ "action": "type", "text": WHAT })),
        desktop(json!({ "action": "left_click", "x": 300, "y": 440 })),
        until("sent"),
        desktop(json!({ "action": "wait", "seconds": 5 })),
        finish(&format!("grep -qxF '{WHO}|{WHAT}' sent")),
    ])
    .await;
    let job = stage.begin(json!({})).await;
    let events = stage.complete(job).await;
    let before = picture(&stage.told_after(4));
    assert_eq!((before.width, before.height), (1280, 800));
    assert_eq!(before.pixel(1100, 700), [0x20, 0x40, 0x60], "the page fills the screen");
    assert_eq!(picture(&stage.told_after(11)).pixel(1100, 700), [0, 255, 0], "it was sent");
    let titles = titles(&events);
    assert!(titles[0].starts_with("launch chromium"), "{titles:?}");
    assert!(titles.contains(&"click 400,140".into()), "{titles:?}");
}
