//! Questions that are said to be too long, in every form in which that is said: asked again with
//! less, and the job goes on.

use futures_util::future::join_all;
use testkit::scripted::{Fault, Limit, Overflow, Provider, Reply, Rule, Scenario, When};

use crate::support::{Model, SHORT, finish, run, shell};

/// What a form without a number is met with is four fifths of what was sent: more than a model needs
/// to work at all.
const WINDOW: u64 = 8192;

/// OpenAI's, as far as we were told.
const SET_WINDOW: u64 = 128_000;

#[tokio::test]
async fn less_is_asked_again() {
    use Overflow::*;
    let everywhere = [
        OpenAi,
        Responses,
        LlamaCpp,
        Vllm,
        PromptLength,
        Reduce,
        Longer,
        TooLarge,
        TokenLimit,
        Range,
        Status413,
        Length,
    ];
    let everywhere = everywhere.map(|form| (Provider::OpenAi, form, WINDOW)).into_iter();
    let some = [
        (Provider::OpenAi, Usage, SET_WINDOW),
        (Provider::Alchemyst, Native, WINDOW),
        (Provider::Gemini, Gemini, WINDOW),
        (Provider::Anthropic, Anthropic, WINDOW),
        (Provider::Anthropic, AnthropicMaxTokens, WINDOW),
        (Provider::Anthropic, AnthropicStop, WINDOW),
        (Provider::Ollama, Ollama, WINDOW),
    ];
    join_all(
        everywhere.chain(some).map(|(provider, form, window)| shrinks(provider, form, window)),
    )
    .await;
}

async fn shrinks(provider: Provider, form: Overflow, window: u64) {
    let too_long = last_step().but(1, Fault::Overflow { form, window });
    let replies = (1..=4).map(noise).chain([too_long, end()]);
    let when = When { summary: Some(true), ..When::default() };
    let summary = Rule { when, times: None, reply: Reply::text("Four are there.") };
    let model = Model::plays(Scenario { rules: vec![summary], ..Scenario::of(replies) }).await;
    let ended = model.runs(&[provider], SHORT).await;
    let errors = ended.errors();
    ended.assert_verified();
    assert_eq!(ended.text("count"), "1\n2\n3\n4\n5\n", "{provider:?} {form:?}");
    assert_eq!(errors.len(), 1, "{provider:?} {form:?}: {errors:?}");
    // A bare 413 speaks of bytes, not of tokens.
    let word = if matches!(form, Overflow::Status413) { "large" } else { "long" };
    let why = format!("the question is too {word} for it");
    assert!(errors[0].contains(&why), "{form:?}: {errors:?}");
    let mut requests = model.requests();
    requests.retain(|seen| !seen.is_summary());
    let tokens: Vec<_> = requests.iter().map(|seen| seen.tokens).collect();
    assert_eq!(tokens.len(), 7, "{provider:?} {form:?}: {tokens:?}");
    assert!(tokens[5] * 10 < tokens[4] * 9, "{provider:?} {form:?}: {tokens:?}");
    assert!(requests[5].task().starts_with(SHORT), "what is to be done stays");
}

/// Ollama that knows no `truncate` and has less room than was asked for: it is found out, and the
/// task is in sight again.
#[tokio::test]
async fn a_window_that_is_kept_in_silence_is_found_out() {
    let limit = Limit { tokens: WINDOW, bytes_per_token: 4, overflow: Overflow::Silent };
    let when = When { summary: Some(true), ..When::default() };
    let reply = Reply { repeat: u32::MAX, ..Reply::text("Some are there.") };
    let scenario = Scenario {
        rules: vec![Rule { when, times: None, reply }],
        limits: [(Provider::Ollama, limit)].into(),
        ..Scenario::of((1..=9).map(noise).chain([finish(&["count"], "test -s count")]))
    };
    let model = Model::plays(scenario).await;
    let server = model.asked_by(&[Provider::Ollama]).env("OLLAMA_WINDOW", "65536").start().await;
    let ended = run(&server, SHORT).await;
    ended.assert_verified();
    assert_eq!(
        ended.errors(),
        [format!("ollama: the question is too long for it ({WINDOW} tokens)")]
    );
    let requests = model.requests();
    let found_out = requests.iter().rposition(|seen| seen.tokens > WINDOW).unwrap();
    assert!(found_out + 1 < requests.len(), "it was asked again with less");
    assert!(requests[found_out + 1].task().starts_with(SHORT), "what is to be done stays");
}

/// A step with much to read.
fn noise(n: u32) -> Reply {
    shell(&format!("echo {n} >> count; seq {n}00000 {n}01500"))
}

fn last_step() -> Reply {
    shell("echo 5 >> count")
}

fn end() -> Reply {
    finish(&["count"], "test $(wc -l < count) = 5")
}
