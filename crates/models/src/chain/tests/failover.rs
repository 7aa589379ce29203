//! Conversations that go on with somebody else, budgets, and ends in the middle.

use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt;
use types::{ModelAnswer, Part, Reason, ToolResult, Turn};

use super::support::*;
use crate::Kind;
use crate::dialect::Reply;
use crate::fixtures::{called, question};

/// The question after this answer: its calls done.
fn next(mut asked: types::ModelRequest, answer: ModelAnswer) -> types::ModelRequest {
    let ModelAnswer::Turn { turn, .. } = answer else { panic!("{answer:?}") };
    let done = |call: &types::ToolCall| ToolResult {
        call: call.id.clone(),
        name: call.name.clone(),
        parts: vec![Part::text("done")],
        is_error: false,
    };
    let results = turn.calls.iter().map(done).collect();
    asked.turns.extend([Turn::Model(turn), Turn::Results { results }]);
    asked
}

fn calls(id: &str) -> Outcome {
    let usage = Some(types::TokenUsage {
        input_tokens: 1000,
        cached_tokens: 600,
        output_tokens: 20,
        ..types::TokenUsage::default()
    });
    Ok(Reply { turn: called(&[id]), stop: types::Stop::Done, usage })
}

#[tokio::test(start_paused = true)]
async fn a_provider_dies_in_the_middle_and_the_next_one_goes_on() {
    let world = World::of_two(
        vec![calls("1"), calls("2"), down()],
        vec![calls("3"), calls("4"), says("ready")],
    );
    let mut asked = question("work");
    for _ in 0..4 {
        asked = next(asked.clone(), world.ask_this(&asked).await);
    }
    assert_eq!(world.asked(), "aaaaagg");
    assert_eq!(turn(&world.ask_this(&asked).await), ("gemini", "ready"));
    let recorded = world.ledger.calls.lock().unwrap();
    assert_eq!(recorded.len(), 8);
    assert_eq!(recorded.iter().filter(|call| call.error.is_some()).count(), 3);
    assert_eq!(recorded[0].cost_usd.unwrap().micros, 400 + 60 + 200);
    assert_eq!((recorded[2].usage.input_tokens, recorded[2].usage.estimated), (0, false));
    assert!(recorded[7].usage.estimated && recorded[7].usage.output_tokens > 0);
    assert_eq!(recorded[0].millis, 10);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_stays_with_whoever_answers_it() {
    let world = World::of_two(vec![no_key()], vec![calls("1")]);
    let asked = question("work");
    let asked = next(asked.clone(), world.ask_this(&asked).await);
    assert_eq!(world.asked(), "ag");
    world.say_from_now(Kind::Alchemyst, vec![says("well again")]);
    tokio::time::advance(Duration::from_secs(7 * 3600)).await;
    let asked = next(asked.clone(), world.ask_this(&asked).await);
    assert_eq!(world.asked(), "g");
    // A new one finds out that the first is well again; the old one goes back when its own fails.
    assert_eq!(turn(&world.ask().await), ("alchemyst", "well again"));
    world.say_from_now(Kind::Gemini, vec![no_key()]);
    assert_eq!(turn(&world.ask_this(&asked).await), ("alchemyst", "well again"));
}

#[tokio::test(start_paused = true)]
async fn a_budget_ends_in_the_middle_of_trying() {
    let mut world = World::of_two(vec![down()], vec![says("no")]);
    world.ledger.most = 2;
    let answer = world.ask().await;
    assert_eq!(failure(&answer), (Reason::LimitModelCalls, "no more"));
    assert_eq!(world.asked(), "aa");
    assert_eq!(world.ledger.errors().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_reserved_covers_question_and_answer() {
    let world = World::of_one(vec![says("hello there")]);
    world.ask_this(&question(&"x".repeat(4000))).await;
    assert_eq!(*world.ledger.reserved.lock().unwrap(), [(1000, 1000)]);
    let usage = world.ledger.last().usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.estimated), (1000, 3, true));
}

#[tokio::test(start_paused = true)]
async fn rather_a_short_answer_than_none() {
    let mut world = World::of_two(vec![no_key()], vec![says("hi")]);
    world.ledger.grants = 300;
    assert_eq!(turn(&world.ask().await), ("gemini", "hi"));
    assert_eq!(world.last_question().max_output_tokens, 300);
    assert!(world.ledger.reserved.lock().unwrap().iter().all(|(_, wanted)| *wanted == 1000));
}

#[test]
fn a_choice_is_priced_if_everybody_in_it_is() {
    let mut free = crate::fixtures::provider(Kind::Ollama);
    free.price = None;
    let gemini = crate::fixtures::provider(Kind::Gemini);
    let priced = |providers: Vec<crate::Provider>| {
        let world = World::with(providers.into_iter().map(|one| (one, vec![])).collect());
        world.models.all_priced(&world.choice())
    };
    assert!(priced(vec![gemini.clone()]));
    assert!(!priced(vec![gemini, free]), "who fails over may end there");
}

#[test]
fn a_price_is_known_before_the_call() {
    let world = World::of_one(vec![]);
    let facts = world.models.facts(&world.choice()).unwrap();
    assert_eq!(world.models.price(&facts).map(|price| price.output), Some(10.0));
    let nobody = types::ModelFacts { provider: "ollama".into(), ..facts };
    assert_eq!(world.models.price(&nobody), None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_broke_off_counts_as_billed() {
    let broken = Err(crate::ModelError::BrokenOff("in the middle".into()));
    let world = World::of_one(vec![broken, says("hi")]);
    world.ask_this(&question(&"x".repeat(4000))).await;
    let first = world.ledger.calls.lock().unwrap()[0].clone();
    assert_eq!((first.usage.input_tokens, first.usage.estimated), (1000, true));
    assert_eq!(first.cost_usd.unwrap().micros, 1000);
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_stops_everything() {
    let world = World::of_one(vec![down()]);
    {
        let mut asking = pin!(world.ask());
        let first = asking.as_mut().now_or_never();
        assert!(first.is_none());
        let late = tokio::time::timeout(Duration::from_millis(20), asking.as_mut()).await;
        assert!(late.is_err());
        assert_eq!(world.asked(), "a");
    }
    tokio::time::advance(Duration::from_secs(3600)).await;
    tokio::task::yield_now().await;
    assert_eq!((world.asked().as_str(), world.ledger.errors().len()), ("", 1));
}

#[tokio::test(start_paused = true)]
async fn one_waits_and_others_go_on() {
    let world = World::of_one(vec![limited(Some(50)), says("hi")]);
    let other = async {
        tokio::time::sleep(2 * CALL).await;
        let begun = tokio::time::Instant::now();
        world.ask().await;
        begun.elapsed()
    };
    let (first, took) = tokio::join!(world.ask(), other);
    assert_eq!((turn(&first), took), (("alchemyst", "hi"), CALL));
}

#[test]
fn a_question_can_be_asked_from_any_thread() {
    fn is_send(_: impl Send) {}
    let world = World::of_one(vec![]);
    let (choice, question) = (world.choice(), question("hi"));
    is_send(world.models.ask(&choice, &question, &world.ledger));
}
