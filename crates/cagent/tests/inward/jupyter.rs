//! The real Jupyter Lab in a real sandbox.

use futures_util::{SinkExt as _, StreamExt as _};
use jobs::Target;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};
use types::JobId;

use crate::http::{Answer, call, try_call};
use crate::support::{Bed, PATIENCE, jupyter};

/// Two steps, the second of which ends when somebody outside made a file.
const PATIENT: &str = "```sh\necho first\n```\n\
                       ```sh\necho ready\nuntil [ -e over ]; do sleep 0.02; done\n```\n";

/// Kills the server, and only it, whenever somebody asks for it.
const KILLER: &str = r#"
```python
import os, pathlib, signal, time
print('ready', flush=True)
while not pathlib.Path('over').exists():
    if pathlib.Path('kill').exists():
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try: line = pathlib.Path('/proc', pid, 'cmdline').read_bytes()
            except OSError: continue
            if b'jupyter-lab\0--no-browser' in line and not line.startswith(b'sh'):
                os.kill(int(pid), signal.SIGKILL)
        pathlib.Path('kill').unlink()
        pathlib.Path('killed').touch()
    time.sleep(0.02)
```
"#;

async fn get(bed: &Bed, job: JobId, path: &str) -> Answer {
    call(bed, job, Target::Jupyter, &format!("GET {path}"), "").await
}

/// What its page sends along, against forged requests.
async fn token(bed: &Bed, job: JobId) -> String {
    let xsrf = get(bed, job, "/lab").await.cookie("_xsrf");
    format!("Cookie: _xsrf={xsrf}\nX-XSRFToken: {xsrf}")
}

/// Makes a file upon which the job may do away with Jupyter before that has answered.
async fn make_file(bed: &Bed, job: JobId, name: &str) {
    let put = format!("PUT /api/contents/{name}\n{}", token(bed, job).await);
    let file = json!({ "type": "file", "format": "text", "content": "x" }).to_string();
    let made = try_call(bed, job, Target::Jupyter, &put, &file).await;
    assert!(made.as_ref().is_none_or(|made| made.status == 201), "{made:?}");
}

async fn start_kernel(bed: &Bed, job: JobId) -> String {
    let post = format!("POST /api/kernels\n{}", token(bed, job).await);
    let kernel = call(bed, job, Target::Jupyter, &post, r#"{"name":"python3"}"#).await;
    assert_eq!(kernel.status, 201, "{kernel:?}");
    kernel.json()["id"].as_str().unwrap().to_owned()
}

/// Runs a cell; what it prints.
async fn run(bed: &Bed, job: JobId, kernel: &str, code: &str) -> String {
    let stream = bed.dial(job, Target::Jupyter).await.unwrap();
    let url = format!("ws://job.localhost:8888/api/kernels/{kernel}/channels");
    let request = ClientRequestBuilder::new(url.parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    let header = json!({ "msg_id": "1", "msg_type": "execute_request", "session": "s",
        "username": "", "version": "5.3", "date": "2026-01-01T00:00:00Z" });
    let content = json!({ "code": code, "silent": false, "store_history": false,
        "user_expressions": {}, "allow_stdin": false, "stop_on_error": true });
    let call = json!({ "header": header, "parent_header": {}, "metadata": {},
        "content": content, "channel": "shell", "buffers": [] });
    socket.send(Message::text(call.to_string())).await.unwrap();
    let printed = async {
        let mut printed = String::new();
        while let Some(message) = socket.next().await {
            let message: Value = serde_json::from_str(message.unwrap().to_text().unwrap()).unwrap();
            match message["msg_type"].as_str().unwrap() {
                "stream" => printed += message["content"]["text"].as_str().unwrap(),
                "execute_reply" => assert_eq!(message["content"]["status"], "ok", "{message}"),
                "status"
                    if message["content"]["execution_state"] == "idle"
                        && message["parent_header"]["msg_id"] == "1" =>
                {
                    return printed;
                }
                _ => {}
            }
        }
        panic!("the kernel went away after {printed:?}");
    };
    timeout(PATIENCE, printed).await.unwrap()
}

#[tokio::test]
async fn it_is_started_once_when_first_wanted_and_works_on_the_workspace() {
    let bed = Bed::new(Some(jupyter())).await;
    let job = bed.ready(PATIENT).await;
    let status = async || get(&bed, job, "/api/status").await.json()["started"].clone();
    let (one, two, three) = tokio::join!(status(), status(), status());
    assert!(one.is_string() && one == two && two == three, "{one} {two} {three}");

    let page = get(&bed, job, "/lab").await;
    assert_eq!(page.status, 200, "no token, no password: {page:?}");
    assert!(page.body.contains("JupyterLab"), "{page:?}");
    let kernel = start_kernel(&bed, job).await;
    let code = "import os, getpass; print(os.getcwd(), os.getuid(), os.environ['HTTP_PROXY'])";
    let said = run(&bed, job, &kernel, code).await;
    assert_eq!(said, "/workspace 1000 http://127.0.0.1:3128\n");

    // That it runs, and its kernel, keeps no step and no job from its end.
    make_file(&bed, job, "over").await;
    bed.complete(job).await;
    bed.dial(job, Target::Jupyter).await.unwrap_err();
}

#[tokio::test]
async fn a_forged_request_is_refused() {
    let bed = Bed::new(Some(jupyter())).await;
    let job = bed.ready(PATIENT).await;
    let (token, evil) = (token(&bed, job).await, "Origin: http://evil.test");
    for (headers, status) in [(String::new(), 403), (format!("{token}\n{evil}"), 404)] {
        let post = format!("POST /api/kernels\n{headers}");
        let made = call(&bed, job, Target::Jupyter, &post, "{}").await;
        assert_eq!(made.status, status, "{made:?}");
    }
    assert_eq!(get(&bed, job, "/api/kernels").await.body, "[]");
    make_file(&bed, job, "over").await;
    bed.complete(job).await;
}

#[tokio::test]
async fn killed_it_is_started_again() {
    let bed = Bed::new(Some(jupyter())).await;
    let job = bed.ready(KILLER).await;
    let before = get(&bed, job, "/api/status").await.json()["started"].clone();
    start_kernel(&bed, job).await;
    make_file(&bed, job, "kill").await;
    let after = async {
        // Until it is dead, the old one answers, or breaks off in the midst of it.
        loop {
            let status = "GET /api/status";
            let Some(answer) = try_call(&bed, job, Target::Jupyter, status, "").await else {
                continue;
            };
            let started = answer.json()["started"].clone();
            if started != before {
                return answer;
            }
        }
    };
    let answer = timeout(PATIENCE, after).await.unwrap();
    assert_eq!(answer.json()["kernels"], 0, "the old kernel went with its server");
    make_file(&bed, job, "over").await;
    bed.complete(job).await;
}

#[tokio::test]
async fn where_there_is_none_people_are_told_how_to_get_it() {
    let bed = Bed::new(None).await;
    let job = bed.ready("```sh\necho ready\nsleep 1000\n```\n").await;
    let why = bed.dial(job, Target::Jupyter).await.unwrap_err();
    assert!(why.starts_with("there is no Jupyter Lab in this sandbox"), "{why}");
    bed.jobs.cancel(job).await.unwrap();
}

/// One that a job installs for itself is found, broken as it may be.
#[tokio::test]
async fn one_that_does_not_start_says_why() {
    let bed = Bed::new(None).await;
    let fake = "mkdir -p ~/.local/bin\n\
                printf '#!/bin/sh\\necho starting >&2\\necho no room left >&2\\nexit 3\\n' >~/.local/bin/jupyter-lab\n\
                chmod +x ~/.local/bin/jupyter-lab\necho ready\nsleep 1000";
    let job = bed.ready(&format!("```sh\n{fake}\n```\n")).await;
    let why = bed.dial(job, Target::Jupyter).await.unwrap_err();
    assert_eq!(why, "Jupyter Lab did not start, exit code 3: no room left");
    bed.jobs.cancel(job).await.unwrap();
}
