//! Requests that are refused: each with the right code, and a text that helps.

use api::{Code, JobList};
use axum::http::Method;
use serde_json::{Value, json};
use types::JobId;

use crate::support::{HELLO, Server, request};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// A body that is refused, and words of the text that says why.
struct Bad {
    what: &'static str,
    body: String,
    code: Code,
    words: &'static [&'static str],
}

fn bad(what: &'static str, body: &str, code: Code, words: &'static [&'static str]) -> Bad {
    Bad { what, body: body.into(), code, words }
}

/// A good body but for one field.
fn bad_field(field: &'static str, value: Value, code: Code, words: &'static [&'static str]) -> Bad {
    let mut body = json!({ "prompt": HELLO });
    body[field] = value;
    bad(field, &body.to_string(), code, words)
}

fn bad_prompt(prompt: &str, code: Code, words: &'static [&'static str]) -> Bad {
    bad_field("prompt", json!(prompt), code, words)
}

async fn refused(cases: impl IntoIterator<Item = Bad>) {
    let server = Server::new().await;
    for Bad { what, body, code, words } in cases {
        let answer = server.send(request(Method::POST, "/schedule", JSON, &body)).await;
        let problem = answer.problem(code);
        for word in words {
            assert!(problem.detail.contains(word), "{what}: {word:?} in {:?}", problem.detail);
        }
        let raw = code == Code::InvalidField && problem.detail.contains(" at line ");
        assert!(!raw, "{what}: {problem:?}");
    }
    let jobs: JobList = server.get("/jobs").await.read();
    assert!(jobs.jobs.is_empty(), "nothing was kept of any of them");
}

#[tokio::test]
async fn bodies_that_are_no_object() {
    use Code::{InvalidField, InvalidJson};
    let twice = r#"{"prompt": "x"} {"prompt": "x"}"#;
    refused([
        bad("cut", "{\"prompt\": ", InvalidJson, &["line 1", "{\"prompt\""]),
        bad("words", "do something", InvalidJson, &["not JSON"]),
        bad("nothing", "", InvalidJson, &["not JSON"]),
        bad("two documents", twice, InvalidJson, &["trailing"]),
        bad("a wrong field, cut", r#"{"prompt": 5"#, InvalidJson, &["column"]),
        bad("half a surrogate", r#"{"prompt":"\ud800"}"#, InvalidField, &["prompt", "escape"]),
        bad("an array", r#"["x"]"#, InvalidField, &["object"]),
        bad("a string", r#""x""#, InvalidField, &["object"]),
        bad("null", "null", InvalidField, &["object"]),
    ])
    .await;
}

#[tokio::test]
async fn fields_that_are_wrong() {
    use Code::{BadEnvironment, BadLimits, BadNetwork, InvalidField, UnknownEngine};
    let limits = |value, words| bad_field("limits", value, InvalidField, words);
    refused([
        bad("no prompt", "{}", InvalidField, &["missing", "`prompt`"]),
        bad("twice", r#"{"prompt":"a","prompt":"b"}"#, InvalidField, &["duplicate", "`prompt`"]),
        bad_field("prompt", json!(null), InvalidField, &["prompt", "null"]),
        bad_field("prompt", json!(5), InvalidField, &["prompt", "string"]),
        bad_field(
            "promt",
            json!("x"),
            InvalidField,
            &[
                "`promt`",
                "`prompt`, `mode`, `engine`, `image`, `desktop`, `limits`, `include_caches`, `network`, `environment`, `model`, `approve`",
            ],
        ),
        bad_field("task", json!("x"), InvalidField, &["`task`", "`prompt`"]),
        bad_field("mode", json!("magic"), InvalidField, &["mode", "`runbook`"]),
        bad_field("include_caches", json!("yes"), InvalidField, &["include_caches", "boolean"]),
        bad_field("image", json!(1), InvalidField, &["image", "string"]),
        bad_field("desktop", json!("yes"), InvalidField, &["desktop", "boolean"]),
        bad_field("model", json!({}), InvalidField, &["model", "string"]),
        bad_field("approve", json!(1), InvalidField, &["approve", "boolean"]),
        bad_field("network", json!("full"), InvalidField, &["network", "\"none\"", "example.org"]),
        bad_field("network", json!(["http://a.b"]), InvalidField, &["network", "is no domain"]),
        bad_field("network", json!("open"), BadNetwork, &["network", "allows"]),
        bad_field("network", json!(["example.com"]), BadNetwork, &["network", "example.org"]),
        bad_field("environment", json!({"A": 1}), InvalidField, &["environment.A", "string"]),
        bad_field("environment", json!({"1": ""}), BadEnvironment, &["environment", "\"1\""]),
        bad_field("environment", json!({"CAGENT_X": ""}), BadEnvironment, &["reserved"]),
        bad_field("image", json!(""), InvalidField, &["image", "name", "containerized-agent"]),
        bad_field("image", json!("--privileged"), InvalidField, &["image", "lower case"]),
        bad_field("engine", json!("docker"), UnknownEngine, &["engine", "docker", "fake"]),
        limits(json!({"cpus": "2"}), &["limits.cpus", "expected a number"]),
        limits(json!({"memory_bytes": 0.5}), &["limits.memory_bytes", "a whole number, 0 or more"]),
        limits(json!({"processes": -1}), &["limits.processes", "a whole number, 0 or more"]),
        limits(json!(5), &["limits", "expected an object"]),
        limits(json!([null, null]), &["limits", "array", "expected an object"]),
        bad_field("mode", json!(5), InvalidField, &["mode: expected a string"]),
        bad_field("prompt", json!([1]), InvalidField, &["array"]),
        bad_field("prompt", json!({}), InvalidField, &["object"]),
        limits(json!({"ram": 1}), &["`ram`", "`memory_bytes`"]),
        bad_field("limits", json!({"processes": 1001}), BadLimits, &["processes", "1000"]),
        bad_field("limits", json!({"cpus": 0}), BadLimits, &["limits.cpus", "between"]),
    ])
    .await;
}

#[tokio::test]
async fn prompts_that_cannot_be_run() {
    use Code::{BadRunbook, EmptyPrompt, NoModel, TooLarge};
    let cure = &["GEMINI_API_KEY", "docs/models.md", "leave `mode` and `model` out"];
    let agent = bad_field("mode", json!("agent"), NoModel, cure);
    let named = bad_field("model", json!("gemini"), NoModel, cure);
    let languages = "```cobol\nx\n```\n\n```fortran\nx\n```";
    refused([
        agent,
        named,
        bad_prompt("", EmptyPrompt, &["prompt", "empty"]),
        bad_prompt(" \n\t\u{a0}", EmptyPrompt, &["empty"]),
        bad_prompt("Build me a todo app", NoModel, &["no model", "ALCHEMYST_API_KEY", "```bash\n"]),
        bad_prompt("```bash\necho", BadRunbook, &["line 1", "close it"]),
        bad_prompt(languages, BadRunbook, &["line 1", "line 5", "docs/runbooks.md"]),
        bad_prompt("```file=../x\nx\n```", BadRunbook, &["line 1"]),
        bad_prompt("```file=.cagent/x\nx\n```", BadRunbook, &["line 1", ".cagent"]),
        bad_prompt(&"x".repeat(1024 * 1024 + 1), TooLarge, &["1048577", "1048576"]),
        bad_prompt(&"x".repeat(api::MAX_BODY_BYTES), TooLarge, &["1 MiB"]),
    ])
    .await;
}

#[tokio::test]
async fn bodies_that_are_not_announced_as_json() {
    let server = Server::new().await;
    let body = json!({ "prompt": HELLO }).to_string();
    for media_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let headers: Vec<_> = media_type.map(|value| ("content-type", value)).into_iter().collect();
        let answer = server.send(request(Method::POST, "/schedule", &headers, &body)).await;
        let problem = answer.problem(Code::MediaType);
        for word in [media_type.unwrap_or("not announced"), "-H 'Content-Type: application/json'"] {
            assert!(problem.detail.contains(word), "{word:?} in {:?}", problem.detail);
        }
    }
}

#[tokio::test]
async fn a_prompt_of_the_largest_size_fits_however_it_is_escaped() {
    let server = Server::new().await;
    let head = HELLO.replace('\n', "\\n");
    let rest = "\\u0001".repeat(1024 * 1024 - HELLO.len());
    let body = format!("{{\"prompt\": \"{head}{rest}\"}}");
    let answer = server.send(request(Method::POST, "/schedule", JSON, &body)).await;
    let _: api::Scheduled = answer.read();
}

#[tokio::test]
async fn the_older_call_names_its_own_field() {
    let server = Server::new().await;
    let missing = server.post("/submit", &json!({ "prompt": HELLO })).await;
    let problem = missing.problem(Code::InvalidField);
    assert!(problem.detail.contains("`task`"), "{problem:?}");
    let empty = server.post("/submit", &json!({ "task": " " })).await.problem(Code::EmptyPrompt);
    assert_eq!(empty.errors[0].field, "task");
}

#[tokio::test]
async fn the_wrong_field_is_named_for_programs() {
    let server = Server::new().await;
    let field = async |body: Value, code| {
        server.post("/schedule", &body).await.problem(code).errors.remove(0).field
    };
    for (body, wrong) in [
        (json!({}), "prompt"),
        (json!({"prompt": "x", "promt": "x"}), "promt"),
        (json!({"prompt": "x", "image": []}), "image"),
        (json!({"prompt": "x", "limits": {"cpus": []}}), "limits.cpus"),
        (json!({"prompt": "x", "limits": {"ram": 1}}), "limits.ram"),
    ] {
        assert_eq!(field(body, Code::InvalidField).await, wrong);
    }
    assert_eq!(field(json!({"prompt": HELLO, "mode": "agent"}), Code::NoModel).await, "mode");
    let low = field(json!({"prompt": "x", "limits": {"processes": 1}}), Code::BadLimits);
    assert_eq!(low.await, "limits.processes");
    let two = json!({"prompt": "```cobol\nx\n```\n\n```ada\nx\n```"});
    let mistakes = server.post("/schedule", &two).await.problem(Code::BadRunbook).errors;
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
}

#[tokio::test]
async fn ids_that_name_no_job() {
    let server = Server::new().await;
    let unknown = JobId::generate().to_string();
    let upper = unknown.to_uppercase();
    let malformed =
        ["x", "1", "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "%ff", upper.as_str()];
    let calls = [
        (Method::GET, "/status/{id}"),
        (Method::GET, "/job/{id}"),
        (Method::POST, "/cancel/{id}"),
        (Method::GET, "/logs/{id}"),
        (Method::GET, "/logs/{id}/stdout"),
        (Method::GET, "/download/{id}"),
        (Method::GET, "/v1/jobs/{id}/events"),
        (Method::GET, "/v1/jobs/{id}/files"),
        (Method::GET, "/v1/jobs/{id}/files/"),
        (Method::GET, "/v1/jobs/{id}/files/x"),
        (Method::PUT, "/v1/jobs/{id}/files/x"),
        (Method::DELETE, "/v1/jobs/{id}"),
    ];
    for (method, path) in calls {
        let ask = async |id: &str| {
            server.send(request(method.clone(), &path.replace("{id}", id), &[], "")).await
        };
        let problem = ask(&unknown).await.problem(Code::UnknownJob);
        assert!(problem.detail.contains(&unknown), "{path}: {problem:?}");
        for id in malformed {
            let problem = ask(id).await.problem(Code::MalformedId);
            assert!(problem.detail.contains("job id") || id == "%ff", "{path} {id}: {problem:?}");
        }
        // Traversal in clear is another path, and there is nothing there.
        ask("../../etc/passwd").await.problem(Code::NotFound);
    }
}

#[tokio::test]
async fn results_that_are_not_there() {
    let server = Server::new().await;
    let job = server.running().await;
    let early = server.get(&format!("/download/{job}")).await.problem(Code::NotReady);
    assert!(early.detail.contains("running"), "{early:?}");
    for path in [format!("/logs/{job}/stdin"), format!("/logs/{job}/..%2Fstdout")] {
        let problem = server.get(&path).await.problem(Code::UnknownLog);
        assert!(problem.detail.contains("stdout and stderr"), "{problem:?}");
    }
    let events = format!("/v1/jobs/{job}/events");
    let logs = format!("/logs/{job}");
    let seq = "a whole number";
    for (path, query, field, word) in [
        (&logs, "log_type=stdin", "log_type", "expected `stdout` or `stderr`"),
        (&logs, "log_type=", "log_type", "expected `stdout` or `stderr`"),
        (&logs, "log_type=stdout&log_type=stderr", "log_type", "duplicate"),
        (&logs, "logtype=stderr", "logtype", "expected `log_type`"),
        (&events, "after=x", "after", seq),
        (&events, "after=-1", "after", seq),
        (&events, "after=", "after", seq),
        (&events, "after=18446744073709551615", "after", "too high"),
    ] {
        let problem = server.get(&format!("{path}?{query}")).await.problem(Code::InvalidField);
        let wrong = &problem.errors[0];
        assert!(wrong.field == field && wrong.message.contains(word), "{query}: {problem:?}");
        assert!(!problem.detail.contains("query string"), "{problem:?}");
    }
    let header = request(Method::GET, &events, &[("last-event-id", "x")], "");
    server.send(header).await.problem(Code::InvalidField);
}

#[tokio::test]
async fn a_zip_that_was_removed() {
    let server = Server::new().await;
    let job = server.run(HELLO).await;
    std::fs::remove_file(server.jobs.zip_path(job)).unwrap();
    server.get(&format!("/download/{job}")).await.problem(Code::NoResult);
    server.get(&format!("/v1/jobs/{job}/files/hello.txt")).await.problem(Code::NoSuchFile);
    let status: api::Status = server.get(&format!("/status/{job}")).await.read();
    assert_eq!((status.output, status.download_link), (None, None), "nobody is sent there");
    let about: api::Job = server.get(&format!("/job/{job}")).await.read();
    assert_eq!((about.output, about.zip_bytes, about.links.download), (None, None, None));
}

#[tokio::test]
async fn calls_that_are_not_there() {
    let server = Server::new().await;
    let lost = server.get("/nowhere").await.problem(Code::NotFound);
    assert!(lost.detail.contains("/nowhere") && lost.detail.contains("/docs"), "{lost:?}");
    server.get("/docs/nowhere.js").await.problem(Code::NotFound);
    for (method, path, allowed) in [
        (Method::GET, "/schedule", "POST"),
        (Method::DELETE, "/jobs", "GET,HEAD"),
        (Method::POST, "/", "GET,HEAD"),
        (Method::PUT, "/cancel/x", "POST"),
    ] {
        let answer = server.send(request(method, path, &[], "")).await;
        answer.problem(Code::MethodNotAllowed);
        assert_eq!(answer.header("allow"), allowed, "{path}");
    }
}

#[tokio::test]
async fn requests_from_elsewhere() {
    let server = Server::new().await;
    for path in ["/", "/jobs", "/docs", "/nowhere"] {
        let rebound = request(Method::GET, path, &[("host", "evil.example:8000")], "");
        let problem = server.send(rebound).await.problem(Code::HostRefused);
        assert!(problem.detail.contains("localhost"), "{problem:?}");
    }
    let body = json!({ "prompt": HELLO }).to_string();
    let from = |origin: &'static str| {
        let headers = [JSON[0], ("host", "127.0.0.1:8000"), ("origin", origin)];
        request(Method::POST, "/schedule", &headers, &body)
    };
    server.send(from("http://evil.example")).await.problem(Code::OriginRefused);
    let own = server.send(from("http://127.0.0.1:8000")).await;
    assert_eq!(own.status, 200, "{}", own.text());
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let foreign = [("origin", "http://evil.example")];
        let answer = server.send(request(method, "/v1/jobs/x/files/x", &foreign, "")).await;
        answer.problem(Code::OriginRefused);
    }
    assert!(own.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
}

#[tokio::test]
async fn a_server_that_stops() {
    let server = Server::new().await;
    server.jobs.stop().await;
    let answer = server.post("/schedule", &json!({ "prompt": HELLO })).await;
    answer.problem(Code::Stopping);
    assert_eq!(answer.header("retry-after"), "5");
}

#[tokio::test]
async fn a_body_that_does_not_end() {
    let server = Server::new().await;
    let mut request = request(Method::POST, "/schedule", JSON, "");
    let never = futures_util::stream::pending::<std::io::Result<axum::body::Bytes>>();
    *request.body_mut() = axum::body::Body::from_stream(never);
    tokio::time::pause();
    let problem = server.send(request).await.problem(Code::BrokenBody);
    assert!(problem.detail.contains("15 s"), "{problem:?}");
}
