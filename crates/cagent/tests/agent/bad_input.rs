//! What cannot work, said before anything begins where it can be known.

use std::process::{Output, Stdio};

use serde_json::{Value, json};
use testkit::scripted::{Provider, Scenario};
use testkit::{DataDir, Server};
use types::{JobStatus, Reason};

use crate::support::{Ended, Model, SHORT, finish, run, run_with};

#[tokio::test]
async fn without_a_model_plain_language_is_refused_with_what_to_do() {
    let server = Server::start(env!("CARGO_BIN_EXE_cagent")).await;
    for body in [
        json!({ "prompt": "Say hello" }),
        json!({ "prompt": "Say hello", "mode": "agent" }),
        json!({ "prompt": "```sh\necho hi\n```\n", "mode": "agent" }),
    ] {
        let (status, problem) = refused(&server, &body).await;
        assert_eq!((status, &problem["code"]), (422, &json!("no_model")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("_API_KEY"), "{problem}");
    }
    let (_, problem) = refused(&server, &json!({ "prompt": "Say hello", "model": "gemini" })).await;
    assert_eq!(problem["code"], "no_model", "{problem}");
    let blocks = json!({ "prompt": "```sh\necho hi\n```\n" });
    let job = server.client().schedule(&blocks).await;
    assert_eq!(server.client().wait_end(job).await.status, JobStatus::Complete);
}

#[tokio::test]
async fn the_program_says_so_too_and_makes_no_job() {
    let data = DataDir::new();
    let output = cagent(&data, &["run", "Say hello"], &[]).await;
    let said = complaint(&output);
    assert!(said.contains("GEMINI_API_KEY"), "{said}");
    let list = cagent(&data, &["ps", "-o", "json"], &[]).await;
    assert!(!String::from_utf8_lossy(&list.stdout).contains("job_id"), "{list:?}");
}

#[tokio::test]
async fn a_model_that_nobody_has_is_refused_with_those_there_are() {
    let model = Model::says([]).await;
    let server = model.asked_by(&[Provider::Gemini, Provider::OpenAi]).start().await;
    for wanted in ["claude", "anthropic", "anthropic/claude-x", "gemini/", "/", "gpt 4", ""] {
        let body = json!({ "prompt": SHORT, "mode": "agent", "model": wanted });
        let (status, problem) = refused(&server, &body).await;
        assert_eq!((status, &problem["code"]), (422, &json!("unknown_model")), "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("gemini/gemini-3-flash"), "{detail}");
    }
    assert_eq!(model.counters().requests, 0);
}

#[tokio::test]
async fn a_model_that_its_provider_does_not_know_is_told_at_the_end() {
    let models = [(Provider::Gemini, vec!["gemini-3-flash".to_owned()])].into();
    let scenario = Scenario { models, ..Scenario::of([finish(&[], "")]) };
    let model = testkit::ScriptedModel::start(scenario).await;
    let server = testkit::Builder::new(env!("CARGO_BIN_EXE_cagent"));
    let server = server.model(&model, &[Provider::Gemini]).start().await;
    let wrong = run_with(&server, SHORT, json!({ "model": "gemini/gemini-9" })).await;
    assert_unavailable(&wrong, &["gemini/gemini-9"]);
    run(&server, SHORT).await.assert_complete();
}

#[tokio::test]
async fn a_wrong_key_ends_the_job_or_hands_it_on() {
    let keys = [(Provider::Gemini, vec!["another".to_owned()])].into();
    let scenario = Scenario { keys, ..Scenario::of([finish(&[], "")]) };
    let model = testkit::ScriptedModel::start(scenario).await;
    let program = env!("CARGO_BIN_EXE_cagent");
    let builder = |providers| testkit::Builder::new(program).model(&model, providers);
    let server = builder(&[Provider::Gemini]).start().await;
    let ended = run(&server, SHORT).await;
    assert_unavailable(&ended, &["gemini/gemini-3-flash", "key"]);
    assert_eq!(ended.calls().len(), 1, "it is not asked again");
    let server = builder(&[Provider::Gemini, Provider::OpenAi]).start().await;
    let ended = run(&server, SHORT).await;
    ended.assert_complete();
    assert_eq!(ended.errors().len(), 1, "{:#?}", ended.calls());
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_told_and_the_next_is_asked() {
    let down = vec![Provider::Gemini];
    let scenario = Scenario { down, ..Scenario::of([finish(&[], ""), finish(&[], "")]) };
    let model = testkit::ScriptedModel::start(scenario).await;
    let server = testkit::Builder::new(env!("CARGO_BIN_EXE_cagent"));
    let server = server.model(&model, &[Provider::Gemini, Provider::OpenAi]).start().await;
    let ended = run(&server, SHORT).await;
    ended.assert_complete();
    let errors = ended.errors();
    assert!(errors.len() > 1, "{errors:#?}");
    assert!(errors.iter().all(|e| e.starts_with("gemini: it could not be reached")), "{errors:#?}");
    // Who is known to be down is not asked again by the next job.
    assert_eq!(run(&server, SHORT).await.errors(), Vec::<String>::new());
}

#[tokio::test]
async fn settings_that_cannot_work_start_no_server() {
    let key = ("GEMINI_API_KEY", "x");
    for (variables, words) in [
        (vec![("CAGENT_MODELS", "gemini")], vec!["GEMINI_API_KEY"]),
        (vec![key, ("CAGENT_MODELS", "gemini,openai")], vec!["OPENAI_API_KEY"]),
        (vec![("CAGENT_MODELS", "openai"), ("OPENAI_API_KEY", "x")], vec!["OPENAI_MODEL"]),
        (vec![key, ("CAGENT_MODELS", "gemini,bard")], vec!["CAGENT_MODELS", "bard", "ollama"]),
        (vec![key, ("CAGENT_MODELS", "gemini,gemini")], vec!["CAGENT_MODELS", "twice"]),
        (vec![key, ("GEMINI_BASE_URL", "ftp://x")], vec!["GEMINI_BASE_URL", "http"]),
        (vec![key, ("GEMINI_BASE_URL", "http://")], vec!["GEMINI_BASE_URL", "address"]),
        (vec![key, ("GEMINI_BASE_URL", "http://a/?key=canary")], vec!["GEMINI_BASE_URL"]),
        (vec![key, ("GEMINI_BASE_URL", "http://canary@a/")], vec!["GEMINI_BASE_URL"]),
        (vec![key, ("GEMINI_WINDOW", "12")], vec!["GEMINI_WINDOW", "4096"]),
        (vec![key, ("GEMINI_PRICE", "-1/2")], vec!["GEMINI_PRICE"]),
        (vec![key, ("GEMINI_TOOLS", "magic")], vec!["GEMINI_TOOLS", "native"]),
        (vec![("GEMINI_API_KEY", "canary\u{e9} x")], vec!["GEMINI_API_KEY"]),
        (vec![("CAGENT_LIMIT_STEPS", "0")], vec!["CAGENT_LIMIT_STEPS"]),
        (vec![("CAGENT_LIMIT_MODEL_TOKENS", "-3")], vec!["CAGENT_LIMIT_MODEL_TOKENS"]),
        (vec![("CAGENT_LIMIT_COST_USD", "0")], vec!["CAGENT_LIMIT_COST_USD"]),
    ] {
        let output =
            cagent(&DataDir::new(), &["serve", "--listen", "127.0.0.1:0"], &variables).await;
        let said = complaint(&output);
        assert!(words.iter().all(|word| said.contains(word)), "{variables:?}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
}

#[tokio::test]
async fn options_that_cannot_work_are_refused_by_name() {
    for (args, words) in [
        (["--limit", "steps=0"], "steps"),
        (["--limit", "model_calls=-1"], "model_calls"),
        (["--limit", "cost_usd=0"], "cost_usd"),
        (["--limit", "model_tokens=1"], "model_tokens"),
        (["--limit", "tokens=5"], "model_tokens"),
        (["--model", "bard"], "bard"),
    ] {
        let args = [&["run", SHORT, "--mode", "agent"][..], &args].concat();
        let variables = [("GEMINI_API_KEY", "x"), ("GEMINI_PRICE", "1/2")];
        let said = complaint(&cagent(&DataDir::new(), &args, &variables).await);
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

async fn refused(server: &Server, body: &Value) -> (u16, Value) {
    let answer = server.client().post("/schedule", body).await;
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// No model answered, and the error says of each why.
fn assert_unavailable(ended: &Ended, words: &[&str]) {
    let job = &ended.job;
    let reason = Some(Reason::ModelUnavailable);
    assert_eq!((job.status, job.reason), (JobStatus::Error, reason), "{job:#?}");
    let error = job.error.as_ref().unwrap();
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

/// Calls the program, which has no settings but these.
async fn cagent(data: &DataDir, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_cagent"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let others = ["_API_KEY", "_BASE_URL", "_MODEL", "OLLAMA_HOST"];
        if text.starts_with("CAGENT_") || others.iter().any(|end| text.ends_with(end)) {
            command.env_remove(&name);
        }
    }
    command.args(["--data-dir"]).arg(data.path()).args(args);
    command.envs(variables.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(testkit::PATIENCE, command.output()).await;
    output.expect("it ends at once").unwrap()
}

/// What it complained of; it must have refused.
#[track_caller]
fn complaint(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{output:?}");
    said
}
