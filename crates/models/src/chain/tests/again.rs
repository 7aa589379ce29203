//! What is asked again with a change, or in the hope of better luck.

use serde_json::json;
use types::{ModelAnswer, ModelTurn, Replay, Stop, Turn};

use super::support::*;
use crate::dialect::Reply;
use crate::fixtures::{called, question, said};
use crate::{Kind, ModelError};

#[tokio::test(start_paused = true)]
async fn thought_signatures_are_left_out_once() {
    let refused = || Err(ModelError::Signature("corrupted".into()));
    let mut model = called(&["1"]);
    model.replay = Some(Replay { of: "alchemyst/alchemyst-1".into(), data: "sig".into() });
    let mut long = question("hello");
    long.turns.extend([Turn::Model(model), said("and?")]);
    let world = World::of_two(vec![refused(), says("hi")], vec![says("no")]);
    assert_eq!(turn(&world.ask_this(&long).await), ("alchemyst", "hi"));
    let Turn::Model(sent) = &world.last_question().turns[1] else { panic!() };
    assert_eq!(sent.replay, None);
    let world = World::of_two(vec![refused()], vec![says("hi")]);
    assert_eq!(turn(&world.ask_this(&long).await), ("gemini", "hi"));
    assert_eq!(world.asked(), "aag");
}

#[tokio::test(start_paused = true)]
async fn thought_signatures_that_were_refused_are_not_sent_again() {
    let refused = || Err(ModelError::Signature("corrupted".into()));
    let signed = |id: &str| {
        let data = json!([{"call": {"signature": "sig"}}]);
        let replay = Some(Replay { of: "alchemyst/alchemyst-1".into(), data });
        let turn = ModelTurn { replay, ..called(&[id]) };
        Reply { turn, stop: Stop::Done, usage: None }
    };
    let world = World::of_one(vec![Ok(signed("1")), refused(), Ok(signed("2")), refused()]);
    let mut asked = question("hello");
    for expected in ["a", "aa"] {
        let ModelAnswer::Turn { turn, .. } = world.ask_this(&asked).await else { panic!() };
        asked.turns.extend([Turn::Model(turn), said("and?")]);
        assert_eq!(world.asked(), expected);
    }
    world.say_from_now(Kind::Alchemyst, vec![says("hi")]);
    world.ask_this(&asked).await;
    let sent = world.last_question();
    let mut turns = sent.turns.iter();
    assert!(turns.all(|turn| !matches!(turn, Turn::Model(turn) if turn.replay.is_some())));
    assert_eq!(world.asked(), "a");
    // Another conversation knows nothing of it.
    let mut other = question("hello");
    other.turns.extend([Turn::Model(signed("1").turn), said("and?")]);
    world.ask_this(&other).await;
    let Turn::Model(sent) = &world.last_question().turns[1] else { panic!() };
    assert!(sent.replay.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_asked_for_again_twice() {
    let empty = || Err(ModelError::Empty("malformed call".into()));
    let world = World::of_two(vec![empty(), says("  "), says("hi")], vec![says("no")]);
    assert_eq!(turn(&world.ask().await), ("alchemyst", "hi"));
    let world = World::of_two(vec![says("")], vec![says("hi")]);
    assert_eq!(turn(&world.ask().await), ("gemini", "hi"));
    assert_eq!(world.asked(), "aaag");
    assert_eq!(world.ledger.errors()[0], "its answer is empty or broken: it said nothing");
}

#[tokio::test(start_paused = true)]
async fn other_failures_do_not_count_as_empty_answers() {
    let empty = || Err(ModelError::Empty("malformed call".into()));
    let line = vec![down(), empty(), down(), empty(), says("hi")];
    let world = World::of_one(line);
    assert_eq!(turn(&world.ask().await), ("alchemyst", "hi"));
    let world = World::of_one([vec![down(); 7], vec![empty()]].concat());
    let answer = world.ask().await;
    assert!(failure(&answer).1.contains("malformed call (10 calls)"), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_is_asked_for_once_more() {
    let endless = || Err(ModelError::Endless);
    let world = World::of_two(vec![endless(), says("hi")], vec![says("no")]);
    assert_eq!(turn(&world.ask().await), ("alchemyst", "hi"));
    let world = World::of_two(vec![endless()], vec![says("hi")]);
    assert_eq!(turn(&world.ask().await), ("gemini", "hi"));
    assert_eq!(world.asked(), "aag");
    let world = World::of_one(vec![down(), endless()]);
    let answer = world.ask().await;
    assert!(failure(&answer).1.contains("far too long (3 calls)"), "{answer:?}");
    assert!(world.ledger.last().usage.input_tokens > 0, "it is paid for");
}
