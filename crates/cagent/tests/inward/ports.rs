//! What a job's programs serve on its loopback.

use jobs::Target;

use crate::http::call;
use crate::support::Bed;

/// Serves the workspace until somebody puts a file in it.
const SERVER: &str = r#"
```python
import http.server, threading, pathlib, time
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        pathlib.Path('over').write_bytes(self.rfile.read(int(self.headers['Content-Length'])))
        self.send_response(204); self.end_headers()
pathlib.Path('index.html').write_text('made in the sandbox')
server = http.server.ThreadingHTTPServer(('127.0.0.1', 3000), Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
print('ready', flush=True)
while not pathlib.Path('over').exists(): time.sleep(0.02)
```
"#;

#[tokio::test]
async fn a_web_server_of_a_job_is_seen_from_outside() {
    let bed = Bed::new(None).await;
    let job = bed.ready(SERVER).await;
    let port = Target::Port { port: 3000 };
    let page = call(&bed, job, port, "GET /", "").await;
    assert_eq!((page.status, &*page.body), (200, "made in the sandbox"));
    let why = bed.dial(job, Target::Port { port: 3001 }).await.unwrap_err();
    assert_eq!(why, "nothing listens on port 3001 in the sandbox");
    assert_eq!(call(&bed, job, port, "POST /", "go").await.status, 204);
    bed.complete(job).await;
    let why = bed.dial(job, port).await.unwrap_err();
    assert_eq!(why, "the job is complete; only a running one can be connected to");
}

#[tokio::test]
async fn one_job_does_not_reach_what_another_one_serves() {
    let bed = Bed::new(None).await;
    let elsewhere = SERVER.replace("3000", "3001");
    let (serves, other) = tokio::join!(bed.ready(SERVER), bed.ready(&elsewhere));
    let why = bed.dial(other, Target::Port { port: 3000 }).await.unwrap_err();
    assert_eq!(why, "nothing listens on port 3000 in the sandbox");
    for (job, port) in [(serves, 3000), (other, 3001)] {
        let port = Target::Port { port };
        assert_eq!(call(&bed, job, port, "POST /", "go").await.status, 204);
        bed.complete(job).await;
    }
}
