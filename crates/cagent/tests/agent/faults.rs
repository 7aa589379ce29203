//! Everything that providers do wrong, in the middle of jobs: each time the stated reaction, no step
//! lost and none done twice.

use std::sync::Mutex;

use futures_util::future::join_all;
use serde_json::json;
use testkit::scripted::{Fault, Hint, Provider, Reply, Scenario};
use types::{ModelCall, Reason};

use crate::support::{Model, SHORT, finish, run};

/// A fault, as scenarios write it, and what follows from it.
type Case = (&'static str, Then);

/// What follows.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// The call failed, which its event says in these words, and is made again.
    Again(&'static str),
    /// Nothing; the answer is as good as any other.
    Fine,
    /// The model is told this, and answers again.
    Told(&'static str),
}
use Then::{Again, Fine, Told};

const BROKEN: &str = "its answer is empty or broken: ";

const REFUSALS: [Case; 11] = [
    (r#"{"kind": "status", "status": 408}"#, Again("it failed: HTTP 408")),
    (r#"{"kind": "status", "status": 500}"#, Again("it failed: HTTP 500")),
    (r#"{"kind": "status", "status": 502}"#, Again("it failed: HTTP 502")),
    (r#"{"kind": "status", "status": 503}"#, Again("it failed: HTTP 503")),
    (r#"{"kind": "status", "status": 504}"#, Again("it failed: HTTP 504")),
    (r#"{"kind": "status", "status": 529}"#, Again("it failed: HTTP 529")),
    (r#"{"kind": "rate_limit", "hint": "none"}"#, Again("it is limited: HTTP 429")),
    (r#"{"kind": "reset"}"#, Again("it could not be reached: ")),
    (r#"{"kind": "close"}"#, Again("it could not be reached: ")),
    (r#"{"kind": "stall_headers"}"#, Again("it said nothing for 2 seconds")),
    (r#"{"kind": "corrupted_signature"}"#, Again("it does not accept a thought signature: ")),
];

const STREAMS: [Case; 8] = [
    (r#"{"kind": "stall", "after_frames": 1}"#, Again("it said nothing for 2 seconds")),
    (r#"{"kind": "cut", "at_byte": 150}"#, Again("its answer broke off: ")),
    (r#"{"kind": "cut_frames", "after_frames": 1}"#, Again("its answer broke off: ")),
    (r#"{"kind": "end_early", "after_frames": 1}"#, Again("its answer broke off: ")),
    (r#"{"kind": "error_inside", "after_frames": 1}"#, Again("it failed: ")),
    (r#"{"kind": "garbage"}"#, Again("its answer broke off: ")),
    (r#"{"kind": "empty"}"#, Again("its answer ")),
    (r#"{"kind": "malformed_call"}"#, Again(BROKEN)),
];

const ANSWERS: [Case; 15] = [
    (r#"{"kind": "split_utf8"}"#, Fine),
    (r#"{"kind": "crlf"}"#, Fine),
    (r#"{"kind": "comments"}"#, Fine),
    (r#"{"kind": "no_usage"}"#, Fine),
    (r#"{"kind": "duplicate_ids"}"#, Fine),
    (r#"{"kind": "missing_ids"}"#, Fine),
    (r#"{"kind": "bad_arguments", "how": "trailing_comma"}"#, Fine),
    (r#"{"kind": "bad_arguments", "how": "string"}"#, Fine),
    (r#"{"kind": "bad_arguments", "how": "cut"}"#, Told("no JSON")),
    (r#"{"kind": "bad_arguments", "how": "array"}"#, Told("the arguments are an array")),
    (r#"{"kind": "bad_arguments", "how": "nothing"}"#, Told("command")),
    (r#"{"kind": "length"}"#, Told("your answer was cut off at ")),
    (r#"{"kind": "length_mid_call"}"#, Told("cut off")),
    (r#"{"kind": "safety"}"#, Told("your last answer was withheld")),
    (r#"{"kind": "refusal"}"#, Told("your last answer was withheld")),
];

#[tokio::test]
async fn refusals_that_pass_are_waited_for() {
    join_all(Provider::ALL.map(|provider| meets(provider, &REFUSALS))).await;
}

#[tokio::test]
async fn streams_that_break_off_are_asked_for_again() {
    join_all(Provider::ALL.map(|provider| meets(provider, &STREAMS))).await;
}

#[tokio::test]
async fn what_cannot_be_understood_is_told_to_the_model() {
    join_all(Provider::ALL.map(|provider| meets(provider, &ANSWERS))).await;
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let flood = answer(0, "0\n").but(1, Fault::Huge { bytes: 24 << 20 });
    let model = Model::says([flood, answer(0, "0\n"), finish(&["count"], "grep 0 count")]).await;
    let ended = model.runs(&[Provider::Ollama], SHORT).await;
    ended.assert_verified();
    let errors = ended.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("its answer is far too long"), "{errors:?}");
}

/// The providers' own words for when to come back: kept, and not much more.
#[tokio::test]
async fn hints_are_kept() {
    let hints = [
        (Provider::OpenAi, Hint::Seconds, 2000),
        (Provider::Anthropic, Hint::Date, 3000),
        (Provider::OpenAi, Hint::Ms, 1500),
        (Provider::OpenAi, Hint::Reset, 1500),
        (Provider::Anthropic, Hint::Reset, 1500),
        (Provider::Gemini, Hint::RetryInfo, 1500),
        (Provider::Gemini, Hint::Text, 1500),
        (Provider::Alchemyst, Hint::Text, 1500),
    ];
    join_all(hints.map(|(provider, hint, after_ms)| waits(provider, hint, after_ms))).await;
}

async fn waits(provider: Provider, hint: Hint, after_ms: u64) {
    let limited = answer(0, "0\n").but(1, Fault::RateLimit { hint, after_ms });
    let model = Model::says([limited, finish(&["count"], "test \"$(cat count)\" = 0")]).await;
    let ended = model.runs(&[provider], SHORT).await;
    ended.assert_verified();
    let requests = model.requests();
    let waited = requests[1].arrived.duration_since(requests[0].arrived).as_millis();
    // Dates have whole seconds. We come up to a second late, so that not all come back at once.
    let least = u128::from(after_ms) - if hint == Hint::Date { 1000 } else { 0 };
    let most = u128::from(after_ms) + 1000 + 2000;
    assert!((least..most).contains(&waited), "{provider:?} {hint:?}: waited {waited} ms");
    assert!(ended.errors()[0].contains("it is limited: HTTP 429"), "{:?}", ended.errors());
}

/// What will not pass: whoever is next answers at once, and whoever is alone ends the job.
#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    let final_ones = [
        (Provider::OpenAi, Fault::Quota, "its quota is used up: "),
        (Provider::Anthropic, Fault::Quota, "its quota is used up: "),
        (Provider::Alchemyst, status(402), "its quota is used up: "),
        (Provider::OpenAi, status(401), "it does not accept our key: "),
        (Provider::Anthropic, status(403), "it does not accept our key: "),
        (Provider::Ollama, status(404), "it has no such model: "),
        (Provider::OpenAi, status(400), "it does not take the question: "),
    ];
    join_all(final_ones.map(|(provider, fault, words)| gives_up(provider, fault, words))).await;
}

fn status(status: u16) -> Fault {
    Fault::Status { status, message: None }
}

async fn gives_up(provider: Provider, fault: Fault, words: &str) {
    let story = || [answer(0, "0\n"), answer(1, "1\n"), finish(&["count"], "grep 1 count")];
    let [first, second, end] = story();
    let model = Model::says([first, second.but(1, fault.clone()), end]).await;
    let ended = model.runs(&[provider, Provider::Gemini], SHORT).await;
    ended.assert_verified();
    assert_eq!(ended.text("count"), "0\n1\n");
    let errors = ended.errors();
    assert!(errors.len() == 1 && errors[0].contains(words), "{errors:?}");
    assert_eq!(model.requests_to(Provider::Gemini).len(), 2);

    let [first, second, _] = story();
    let model = Model::says([first, second.but(u32::MAX, fault)]).await;
    let ended = model.runs(&[provider], SHORT).await;
    assert_eq!(ended.job.reason, Some(Reason::ModelUnavailable));
    let error = ended.job.error.as_ref().unwrap();
    assert!(error.contains(words) && error.contains(provider.as_str()), "{error}");
    assert_eq!(ended.text("count"), "0\n", "what was made is there");
    assert_eq!(model.counters().requests, 2);
}

/// No name, no connection, no TLS: events say which, and somebody else does the job.
#[tokio::test]
async fn who_cannot_be_reached_is_passed_over() {
    let end = || [answer(0, "0\n"), finish(&["count"], "grep 0 count")];
    let down = vec![Provider::OpenAi, Provider::Ollama];
    let nobody = Model::plays(Scenario { down, ..Scenario::default() }).await;
    let tls = nobody.url(Provider::Gemini).replace("http", "https");
    let addresses = [nobody.url(Provider::OpenAi), "http://nowhere.invalid/v1".into(), tls];
    join_all(addresses.iter().zip(["refused", "dns", ""]).map(async |(url, why)| {
        let model = Model::says(end()).await;
        let providers = [Provider::OpenAi, Provider::Gemini];
        let server = model.asked_by(&providers).env("OPENAI_BASE_URL", url).start().await;
        let ended = run(&server, SHORT).await;
        ended.assert_verified();
        let errors = ended.errors();
        assert_eq!(errors.len(), 3, "{errors:?}");
        let said = |e: &String| e.contains("could not be reached: ") && e.contains(why);
        assert!(errors.iter().all(said), "{errors:?}");
    }))
    .await;
}

/// A job in which each fault happens once.
async fn meets(provider: Provider, cases: &[Case]) {
    let cases: Vec<_> = cases.iter().filter_map(|case| with(provider, *case)).collect();
    let lines: Vec<_> = cases.iter().enumerate().map(|case| lines(provider, case)).collect();
    let story = Mutex::new(story(&cases, &lines).into_iter());
    let over = || Reply::text("This should not have been asked.");
    let model = Model::with(move |_| story.lock().unwrap().next().unwrap_or_else(over)).await;
    let server = model.asked_by(&[provider]).env("CAGENT_MODEL_SILENCE", "2s").start().await;
    let ended = run(&server, SHORT).await;
    ended.assert_verified();
    assert_eq!(ended.text("count"), lines.concat(), "{provider:?}");
    assert_reactions(&cases, &ended.calls(), &model);
    ended.assert_usage(&model);
}

/// What follows with this provider; nothing if it cannot happen there. Alchemyst's calls are words,
/// and Google and Ollama read their models' arguments before we do.
fn with(provider: Provider, (fault, then): Case) -> Option<Case> {
    let is_about = |words: &[&str]| words.iter().any(|word| fault.contains(word));
    let cut = is_about(&["\"cut\"}", "nothing", "length"]);
    let unreadable = is_about(&["trailing", "\"cut\"}", "nothing"]);
    let then = match provider {
        Provider::Alchemyst if cut => Told("Your call cannot be read: "),
        Provider::Gemini if is_about(&["\"string\"", "\"array\""]) => return None,
        Provider::Gemini | Provider::Ollama if unreadable => Again(BROKEN),
        Provider::Ollama if is_about(&["mid_call", "safety"]) => Again(BROKEN),
        // It has no other words for that than any.
        Provider::Ollama if is_about(&["refusal"]) => Told("called no tool"),
        _ => then,
    };
    Some((fault, then))
}

fn story(cases: &[Case], lines: &[String]) -> Vec<Reply> {
    let mut story = vec![];
    for (n, (fault, then)) in cases.iter().enumerate() {
        let fault: Fault = serde_json::from_str(fault).unwrap();
        let reply = answer(n, &lines[n]);
        story.push(reply.clone().but(1, fault));
        if !matches!(then, Fine) {
            story.push(reply);
        }
    }
    let check = format!("test \"$(cat count)\" = '{}'", lines.concat().trim_end());
    story.push(finish(&["count"], &check));
    story
}

/// Every call was made and failed as it should, and the model was told what it should be.
fn assert_reactions(cases: &[Case], calls: &[&ModelCall], model: &Model) {
    let requests = model.requests();
    let mut at = 0;
    for (fault, then) in cases {
        let error = calls[at].error.as_deref();
        match then {
            Fine => assert_eq!(error, None, "{fault}"),
            Again(words) => assert!(error.is_some_and(|e| e.contains(words)), "{fault}: {error:?}"),
            Told(words) => {
                assert_eq!(error, None, "{fault}");
                let told = requests[at + 1].last();
                assert!(told.contains(words), "{fault}: {told}");
            }
        }
        at += if matches!(then, Fine) { 1 } else { 2 };
        assert_eq!(calls[at - 1].error, None, "{fault}");
    }
    assert_eq!((calls.len(), requests.len()), (at + 1, at + 1));
}

/// Calls that add these lines.
fn answer(n: usize, lines: &str) -> Reply {
    let text = Reply::text(format!("Schritt {n}: Übermäßig — 日本語 🎉"));
    let echo = |line: &str| json!({ "command": format!("echo -n '{line}' >> count") });
    let calls = lines.split_inclusive('\n');
    calls.fold(text, |reply, line| reply.and_call("shell", echo(line)))
}

/// What a case's calls leave behind. Ids matter where there are two; in words there is never more
/// than one.
fn lines(provider: Provider, (n, (fault, _)): (usize, &Case)) -> String {
    let is_about_ids = fault.contains("_ids") && provider != Provider::Alchemyst;
    if is_about_ids { format!("{n} a\n{n} b\n") } else { format!("{n}\n") }
}
