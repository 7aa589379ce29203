//! Every kind of failure, and what we do about it. Time does not pass, it is counted.

use std::time::Duration;

use tokio::time::Instant;
use types::{ModelAnswer, Part, Reason, Stop, TokenUsage, Turn};

use super::support::*;
use crate::ModelError;
use crate::dialect::{Reply, Spent};
use crate::fixtures::question;

fn unreachable() -> Outcome {
    Err(ModelError::Unreachable("connection refused".into()))
}

fn too_long(window: Option<u64>) -> Outcome {
    Err(ModelError::TooLong { window })
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_waited_for() {
    let world = World::of_two(vec![limited(Some(37)), says("hi")], vec![says("no")]);
    let begun = Instant::now();
    assert_eq!(turn(&world.ask().await), ("alchemyst", "hi"));
    assert!((37.0..=38.1).contains(&seconds(begun)), "{}", seconds(begun));
    assert_eq!(world.ledger.errors(), ["it is limited: slow down", ""]);
}

#[tokio::test(start_paused = true)]
async fn a_long_hint_is_waited_for_only_if_nobody_else_is_there() {
    let world = World::of_two(vec![limited(Some(61))], vec![says("hi")]);
    let begun = Instant::now();
    assert_eq!(turn(&world.ask().await), ("gemini", "hi"));
    assert!(seconds(begun) < 1.0);
    let world = World::of_one(vec![limited(Some(120)), says("hi")]);
    let begun = Instant::now();
    assert_eq!(turn(&world.ask().await), ("alchemyst", "hi"));
    assert!((120.0..=121.1).contains(&seconds(begun)));
    let world = World::of_one(vec![limited(Some(3600))]);
    let begun = Instant::now();
    let answer = world.ask().await;
    assert_eq!(failure(&answer).0, Reason::ModelUnavailable);
    assert!(seconds(begun) < 1.0);
}

#[tokio::test(start_paused = true)]
async fn without_a_hint_waits_grow_and_end() {
    let world = World::of_two(vec![limited(None)], vec![says("hi")]);
    let begun = Instant::now();
    assert_eq!(turn(&world.ask().await), ("gemini", "hi"));
    assert_eq!(world.asked(), "aaaaag");
    assert!((7.5..=15.1).contains(&seconds(begun)), "{}", seconds(begun));
}

#[tokio::test(start_paused = true)]
async fn what_is_down_gets_three_tries() {
    let broken = || Err(ModelError::BrokenOff("nothing for 30 s".into()));
    for line in [down(), unreachable(), broken()] {
        let world = World::of_two(vec![line], vec![says("hi")]);
        let begun = Instant::now();
        assert_eq!(turn(&world.ask().await), ("gemini", "hi"));
        assert_eq!(world.asked(), "aaag");
        assert!(seconds(begun) < 3.2, "{}", seconds(begun));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_alone_is_waited_for_longer() {
    let line = [vec![down(); 7], vec![says("hi")]].concat();
    let world = World::of_one(line);
    assert_eq!(turn(&world.ask().await), ("alchemyst", "hi"));
    let world = World::of_one(vec![down()]);
    let begun = Instant::now();
    let answer = world.ask().await;
    let (reason, error) = failure(&answer);
    assert_eq!(reason, Reason::ModelUnavailable);
    assert!(error.contains("alchemyst/alchemyst-1: it failed: overloaded (10 calls)"), "{error}");
    assert!((100.0..=301.0).contains(&seconds(begun)), "{}", seconds(begun));
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_not_tried_again() {
    let gone = [
        ModelError::Exhausted("no credit".into()),
        ModelError::Auth("wrong key".into()),
        ModelError::NotFound("no model".into()),
        ModelError::Invalid("what?".into()),
    ];
    for error in gone {
        let world = World::of_two(vec![Err(error.clone())], vec![says("hi")]);
        let begun = Instant::now();
        assert_eq!(turn(&world.ask().await), ("gemini", "hi"));
        assert_eq!((world.asked().as_str(), begun.elapsed()), ("ag", 2 * CALL));
        let world = World::of_one(vec![Err(error.clone())]);
        let answer = world.ask().await;
        let text = failure(&answer).1;
        assert!(text.contains(&error.to_string()), "{text}");
        assert_eq!(world.asked(), "a");
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_is_learned_from_the_error_that_names_it() {
    let world = World::of_two(vec![too_long(Some(32_000))], vec![says("no")]);
    assert_eq!(window(&world.ask().await), 32_000);
    assert_eq!(world.asked(), "a");
    assert_eq!(world.models.facts(&world.choice()).unwrap().window_tokens, 32_000);
    tokio::time::advance(Duration::from_secs(86_400)).await;
    assert_eq!(world.models.facts(&world.choice()).unwrap().window_tokens, 32_000);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_nobody_names_shrinks_for_a_while() {
    let world = World::of_one(vec![too_long(None)]);
    let long = question(&"x".repeat(4 * 50_000));
    assert_eq!(window(&world.ask_this(&long).await), 40_000);
    assert_eq!(window(&world.ask_this(&long).await), 32_000);
    tokio::time::advance(Duration::from_secs(601)).await;
    assert_eq!(world.models.facts(&world.choice()).unwrap().window_tokens, 100_000);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_is_no_news_shrinks_too() {
    let world = World::of_one(vec![too_long(Some(100_000))]);
    let long = question(&"x".repeat(4 * 90_000));
    assert_eq!(window(&world.ask_this(&long).await), 72_000);
}

#[tokio::test(start_paused = true)]
async fn too_many_bytes_say_nothing_of_the_window() {
    let too_large = ModelError::TooLarge("HTTP 413".into());
    let world = World::of_one(vec![Err(too_large)]);
    let long = question(&"x".repeat(4 * 50_000));
    assert_eq!(window(&world.ask_this(&long).await), 40_000);
    assert_eq!(world.models.facts(&world.choice()).unwrap().window_tokens, 100_000);
}

#[tokio::test(start_paused = true)]
async fn one_question_does_not_take_hours() {
    let mut world = World::of_one(vec![Err(ModelError::BrokenOff("it took long".into()))]);
    world.lasts = Duration::from_mins(30);
    let begun = Instant::now();
    let answer = world.ask().await;
    assert!(failure(&answer).1.contains("all took more than 2700s (2 calls)"), "{answer:?}");
    assert!((2700.0..2702.0).contains(&seconds(begun)), "{}", seconds(begun));
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_answer_took_is_recorded() {
    let usage = TokenUsage { input_tokens: 700, output_tokens: 30, ..TokenUsage::default() };
    for (usage, bytes, expected) in [
        (Some(usage), 100, (700, 30, false)),
        (Some(usage), 400, (700, 100, true)),
        (None, 400, (1000, 100, true)),
        (None, 0, (0, 0, false)),
    ] {
        let failed = ModelError::Signature("MISSING_THOUGHT_SIGNATURE".into());
        let mut world = World::of_one(vec![Err(failed)]);
        world.spent = Spent { usage, bytes };
        world.ask_this(&question(&"x".repeat(4000))).await;
        let TokenUsage { input_tokens, output_tokens, estimated, .. } = world.ledger.last().usage;
        assert_eq!((input_tokens, output_tokens, estimated), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hopeless_window_is_left() {
    let world = World::of_two(vec![too_long(Some(512))], vec![says("hi")]);
    assert_eq!(turn(&world.ask().await), ("gemini", "hi"));
    let world = World::of_one(vec![too_long(Some(512))]);
    let answer = world.ask().await;
    assert!(failure(&answer).1.contains("too long for it (512 tokens)"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_fit_is_not_sent() {
    let world = World::of_one(vec![says("no")]);
    let answer = world.ask_this(&question(&"x".repeat(700_000))).await;
    assert_eq!((window(&answer), world.asked().as_str()), (100_000, ""));
    assert_eq!(world.ledger.reserved.lock().unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_question_cut_off_in_silence_is_noticed() {
    let usage = |input_tokens, output_tokens| {
        Some(TokenUsage { input_tokens, output_tokens, ..TokenUsage::default() })
    };
    let reply = |text: &str, stop, usage| {
        let turn = types::ModelTurn { text: text.into(), ..types::ModelTurn::default() };
        Ok(Reply { turn, stop, usage })
    };
    let long = question(&"x".repeat(4 * 50_000));
    let world = World::of_one(vec![reply("hi", Stop::Done, usage(100_001, 1))]);
    assert_eq!(window(&world.ask_this(&long).await), 40_000);
    assert_eq!(world.ledger.last().usage.input_tokens, 100_001);
    let world = World::of_one(vec![reply("", Stop::Length, usage(9, 0))]);
    assert_eq!(window(&world.ask_this(&long).await), 40_000);
    let world = World::of_one(vec![reply("", Stop::Length, None)]);
    assert_eq!(window(&world.ask_this(&long).await), 40_000);
    // It thought as long as it may.
    let world = World::of_one(vec![reply("", Stop::Length, usage(9, 1000))]);
    assert_eq!(turn(&world.ask_this(&long).await), ("alchemyst", ""));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_answer() {
    let stop = Stop::Refused { why: "no".into() };
    let refuses = Ok(Reply { turn: types::ModelTurn::default(), stop: stop.clone(), usage: None });
    let world = World::of_two(vec![refuses], vec![says("no")]);
    let answer = world.ask().await;
    assert!(matches!(answer, ModelAnswer::Turn { stop: s, .. } if s == stop));
    assert_eq!(world.asked(), "a");
}

#[tokio::test(start_paused = true)]
async fn an_error_is_one_short_line_without_the_key() {
    let why = format!("key s3c\u{7}ret\nis bad\u{7} {}", "x".repeat(1000));
    let mut provider = crate::fixtures::provider(crate::Kind::Gemini);
    provider.key = Some(crate::Secret::new("s3cret"));
    let world = World::with(vec![(provider, vec![Err(ModelError::Auth(why))])]);
    let answer = world.ask().await;
    for text in [failure(&answer).1, &world.ledger.errors()[0]] {
        assert!(text.contains("our key: key [key] is bad xxx") && text.contains('…'), "{text}");
        assert!(!text.contains("s3cret") && text.len() < 700, "{text}");
    }
    assert_eq!(world.ledger.errors()[0].lines().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn whom_to_blame_is_said_in_order() {
    let world = World::of_two(vec![no_key()], vec![Err(ModelError::Exhausted("no credit".into()))]);
    let answer = world.ask().await;
    let lines: Vec<&str> = failure(&answer).1.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[1], "alchemyst/alchemyst-1: it does not accept our key: wrong key");
    assert_eq!(lines[2], "gemini/gemini-1: its quota is used up: no credit");
    assert!(lines[3].contains("cagent config"));
    let nobody = World::new(vec![]).ask().await;
    assert!(failure(&nobody).1.contains("GEMINI_API_KEY"));
}

#[tokio::test(start_paused = true)]
async fn pictures_become_words_for_those_who_cannot_see() {
    let world = World::of_one(vec![says("hi")]);
    let picture = Part::Image {
        media_type: "image/png".into(),
        base64: "AAAA".into(),
        width: 640,
        height: 480,
    };
    let mut asked = question("look");
    asked.turns.push(Turn::User { parts: vec![picture] });
    world.ask_this(&asked).await;
    let sent = format!("{:?}", world.last_question());
    assert!(sent.contains("640×480") && !sent.contains("AAAA"), "{sent}");
}
