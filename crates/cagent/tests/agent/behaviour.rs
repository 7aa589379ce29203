//! Models that do what they should not, and what becomes of each.

use std::process::Command;

use serde_json::json;
use testkit::scripted::{Bad, Fault, Provider, Reply, Rule, Scenario, When};
use types::{EventKind, Mode, Reason, StepOutcome, Stream};

use crate::support::{Model, SHORT, finish, run, run_with, shell};

const ONE: &[Provider] = &[Provider::Gemini];

#[tokio::test]
async fn the_same_call_again_and_again_is_pointed_out_once_and_then_ends_the_job() {
    let model = Model::with(|_| shell("cat nothing-here || true")).await;
    let ended = model.runs(ONE, SHORT).await;
    ended.assert_error(Reason::Stuck, "the same call with the same result");
    assert_eq!(model.told("the same call three times"), [4, 5]);
    assert_eq!(ended.steps().len(), 5);
}

#[tokio::test]
async fn so_does_going_back_and_forth() {
    let model = Model::with(|seen| shell(if seen.turns() % 2 == 0 { "ls" } else { "pwd" })).await;
    let ended = model.runs(ONE, SHORT).await;
    ended.assert_error(Reason::Stuck, "back and forth");
    assert_eq!(model.told("back and forth"), [7, 8, 9, 10]);
}

#[tokio::test]
async fn so_does_the_same_error_whatever_is_called() {
    let model =
        Model::with(|seen| shell(&format!("# try {}\necho no such table; exit 7", seen.turns())))
            .await;
    let ended = model.runs(ONE, SHORT).await;
    ended.assert_error(Reason::Stuck, "the same error");
    assert_eq!(model.told("the same error three times"), [4, 5]);
}

#[tokio::test]
async fn a_circle_that_is_left_ends_nothing() {
    let model = Model::with(|seen| match seen.contains("the same call three times") {
        false => shell("ls"),
        true if seen.contains("fresh air") => finish(&[], ""),
        true => shell("echo fresh air"),
    });
    model.await.runs(ONE, SHORT).await.assert_complete();
}

#[tokio::test]
async fn words_without_calls_are_borne_three_times() {
    let model = Model::with(|_| Reply::text("I would now look into the matter.")).await;
    let ended = model.runs(ONE, SHORT).await;
    ended.assert_error(Reason::Stuck, "called no tool");
    assert_eq!(model.counters().requests, 3);
    let said = |kind: &EventKind| matches!(kind, EventKind::Said { .. });
    assert_eq!(ended.events.iter().filter(|event| said(&event.event)).count(), 3);
}

#[tokio::test]
async fn a_model_that_refuses_is_asked_once_more() {
    let refuses = || Reply::text("no").but(9, Fault::Refusal);
    let model = Model::with(move |_| refuses()).await;
    let ended = model.runs(&[Provider::Anthropic], SHORT).await;
    ended.assert_error(Reason::ModelRefused, "refused");
    assert_eq!(model.counters().requests, 2);
    let replies = [Reply::text("no").but(1, Fault::Safety), finish(&[], "")];
    Model::says(replies).await.runs(ONE, SHORT).await.assert_complete();
}

#[tokio::test]
async fn calls_that_make_no_sense_are_answered_with_what_is_wrong() {
    let replies = [
        Reply::call("bash", json!({ "command": "ls" })),
        Reply::call("shel", json!({ "command": "ls" })),
        Reply::call("shell", json!({ "cmnd": 7, "force": true })),
        Reply::call("shell", json!("ls -l | wc")),
        Reply::call("write_file", json!({ "path": "../../etc/passwd", "content": "x" })),
        Reply::call("process", json!({ "id": 77 })),
        finish(&[], ""),
    ];
    let model = Model::says(replies).await;
    let ended = model.runs(&[Provider::OpenAi], SHORT).await;
    ended.assert_complete();
    let answers: Vec<String> = model.requests().iter().skip(1).map(|seen| seen.last()).collect();
    for (answer, words) in answers.iter().zip([
        "there is no tool \"bash\"",
        "did you mean `shell`?",
        "is not among the arguments. Expected: shell{command: string",
        "the arguments are a string; they must be one JSON object",
        "/etc/passwd is not beneath /workspace",
        "there is no background process 77",
    ]) {
        assert!(answer.contains(words), "{words:?} is not in {answer:?}");
    }
}

#[tokio::test]
async fn arguments_that_are_no_json_are_mended_or_answered() {
    for (how, times_run) in [
        (Bad::TrailingComma, 2),
        (Bad::String, 2),
        (Bad::Array, 1),
        (Bad::Cut, 1),
        (Bad::Nothing, 1),
    ] {
        // The same call comes once more, in order.
        let list = shell("ls > list.txt").but(1, Fault::BadArguments { how });
        let model = Model::says([list, finish(&["list.txt"], "test -f list.txt")]).await;
        let ended = model.runs(&[Provider::OpenAi], SHORT).await;
        ended.assert_verified();
        let checks = 1;
        assert_eq!(ended.steps().len(), times_run + checks, "{how:?}");
    }
}

#[tokio::test]
async fn twelve_calls_at_once_are_done_once_and_in_order() {
    let many = (1..=12).fold(Reply::default(), |reply, n| {
        let command = format!("echo {n} >> order.txt; echo result {n}; sleep 0.0{}", 12 - n);
        reply.and_call("shell", json!({ "command": command }))
    });
    for provider in [Provider::Gemini, Provider::OpenAi, Provider::Anthropic, Provider::Ollama] {
        let check = "test \"$(cat order.txt | wc -l)\" = 12";
        let model = Model::says([many.clone(), finish(&["order.txt"], check)]).await;
        let ended = model.runs(&[provider], SHORT).await;
        ended.assert_verified();
        let order: Vec<String> = (1..=12).map(|n| format!("{n}\n")).collect();
        assert_eq!(ended.text("order.txt"), order.concat());
        let shown: Vec<String> = model.requests()[1]
            .messages
            .iter()
            .flat_map(|message| &message.results)
            .map(|result| result.text.clone())
            .collect();
        assert_eq!(shown.len(), 12, "{provider:?}");
        for (n, text) in (1..).zip(&shown) {
            assert_eq!(text.lines().last(), Some(&*format!("result {n}")), "{provider:?}");
        }
    }
}

#[tokio::test]
async fn in_words_only_the_first_of_many_counts() {
    let many = shell("echo one >> order.txt")
        .and_call("shell", json!({ "command": "echo two >> order.txt" }));
    let model = Model::says([many, finish(&["order.txt"], "grep -q one order.txt")]).await;
    let ended = model.runs(&[Provider::Alchemyst], SHORT).await;
    ended.assert_verified();
    assert_eq!(ended.text("order.txt"), "one\n");
    let [.., asked] = &model.requests()[..] else { panic!("nothing was asked") };
    assert!(asked.contains("[Ignored: 1 more after the first call"), "{:#?}", asked.messages);
}

#[tokio::test]
async fn fifty_megabytes_of_output_are_kept_and_not_shown() {
    let flood = "head -c 52428800 /dev/zero | tr '\\0' x; echo; echo the end";
    let model = Model::says([shell(flood), finish(&[], "")]).await;
    let server = model.asked_by(ONE).start().await;
    let ended = run(&server, SHORT).await;
    ended.assert_complete();
    assert_eq!(server.client().log(ended.job.job_id, Stream::Stdout).await.len(), 52_428_809);
    let shown = &model.requests()[1];
    assert!(shown.contains("the end") && shown.tokens < 10_000, "{}", shown.tokens);
}

#[tokio::test]
async fn an_answer_of_fifty_megabytes_is_not_taken() {
    let huge = Fault::Huge { bytes: 50 << 20 };
    let model = Model::says([finish(&[], "").but(1, huge)]).await;
    let ended = model.runs(ONE, SHORT).await;
    ended.assert_complete();
    let [error] = &ended.errors()[..] else { panic!("{:#?}", ended.calls()) };
    assert!(error.contains("too long"), "{error}");
}

#[tokio::test]
async fn what_runs_in_the_background_is_there_until_the_end_and_no_longer() {
    let serve = "python3 -u -c '\nimport http.server\nhttp.server.test(http.server.SimpleHTTPRequestHandler, port=8123, bind=\"127.0.0.1\")' 7654391";
    let fetch = "import urllib.request\nprint(urllib.request.urlopen('http://127.0.0.1:8123/page.txt').read().decode())";
    let replies = [
        shell("echo a page > page.txt"),
        Reply::call("background", json!({ "command": serve })),
        Reply::call("python", json!({ "code": fetch })),
        shell("setsid sleep 7654392 & echo left"),
        Reply::call(
            "background",
            json!({ "command": "trap '' TERM; sleep 7654393; sleep 7654394" }),
        ),
        finish(&["page.txt"], "grep -q page page.txt"),
    ];
    let model = Model::says(replies).await;
    let ended = model.runs(ONE, SHORT).await;
    ended.assert_verified();
    let requests = model.requests();
    assert!(requests[2].last().contains("process 2 is running"), "{}", requests[2].last());
    assert!(requests[3].last().contains("a page"), "{}", requests[3].last());
    let left = Command::new("pgrep").args(["-af", "765439[1234]"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}

#[tokio::test]
async fn a_job_that_spoils_the_agents_own_files_hurts_only_its_memory() {
    for spoil in [
        "rm -rf .cagent; echo nothing > context.txt",
        "echo junk > .cagent/log.ndjson; rm -f context.txt; mkdir context.txt",
        "printf '{\"model\":' > .cagent/log.ndjson; rm -f context.txt; mkfifo context.txt",
        "head -c 3M /dev/urandom > .cagent/log.ndjson; ln -sf /etc/passwd context.txt",
        "rm -rf .cagent; ln -s / .cagent; chmod 0 . || true",
    ] {
        let replies = [
            shell("echo one"),
            shell(spoil),
            shell("seq 1 9000"),
            Reply::call("recall", json!({ "query": "one" })),
            finish(&[], ""),
        ];
        let model = Model::says(replies).await;
        let ended = model.runs(ONE, SHORT).await;
        ended.assert_complete();
        assert!(model.requests().iter().all(|seen| seen.contains(SHORT)), "{spoil}");
    }
}

#[tokio::test]
async fn output_that_is_no_text_is_named() {
    let command = "printf 'caf\\351 \\377\\376\\n'; printf 'ok \\303\\251\\n'";
    let model = Model::says([shell(command), finish(&[], "")]).await;
    let server = model.asked_by(ONE).start().await;
    let ended = run(&server, SHORT).await;
    ended.assert_complete();
    let log = server.client().log(ended.job.job_id, Stream::Stdout).await;
    assert_eq!(log, b"caf\xe9 \xff\xfe\nok \xc3\xa9\n");
    let shown = model.requests()[1].last();
    assert!(shown.contains("caf\u{fffd}") && shown.contains("ok é"), "{shown}");
}

#[tokio::test]
async fn a_prompt_with_blocks_is_for_the_agent_and_a_declared_runbook_is_not() {
    let blocks = "Explain this, or do it:\n\n```bash\ntouch ran\n```\n";
    let runbook = format!("---\nrunbook: 1\n---\n\n{blocks}");
    let plan = json!({ "items": [{ "text": "do it", "state": "open" }] });
    let mut scenario = Scenario::of([finish(&[], "")]);
    scenario.rules = vec![Rule {
        when: When { analysis: Some(true), ..Default::default() },
        reply: Reply::call("plan", plan),
        ..Default::default()
    }];
    let model = Model::plays(scenario).await;
    let server = model.asked_by(ONE).start().await;
    let auto = json!({ "mode": "auto" });
    let by_agent = run_with(&server, blocks, auto.clone()).await;
    by_agent.assert_complete();
    assert_eq!((by_agent.job.mode, by_agent.files.contains_key("ran")), (Mode::Agent, false));
    let asked = model.counters().requests;
    let literally = run_with(&server, &runbook, auto).await;
    literally.assert_complete();
    assert_eq!((literally.job.mode, literally.files.contains_key("ran")), (Mode::Runbook, true));
    assert_eq!(literally.steps(), [StepOutcome::Ok]);
    assert_eq!(model.counters().requests, asked, "nobody was asked");
}

impl Model {
    /// Which requests, from 1, have this in them.
    fn told(&self, words: &str) -> Vec<u64> {
        self.requests().iter().filter(|seen| seen.contains(words)).map(|seen| seen.number).collect()
    }
}
