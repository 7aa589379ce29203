//! Rest and probe, from question to question.

use std::time::Duration;

use tokio::time::Instant;

use super::support::*;
use crate::{Kind, ModelError};

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_rests_is_not_asked_until_one_question_probes() {
    let world = World::of_two(vec![down()], vec![says("hi")]);
    world.ask().await;
    assert_eq!(world.asked(), "aaag");
    world.ask().await;
    assert_eq!(world.asked(), "g");
    pass(30).await;
    // One call is enough to see that it is still down, and it rests twice as long each time.
    for rest in [60, 120, 240, 480, 600, 600] {
        let begun = Instant::now();
        world.ask().await;
        assert_eq!((world.asked().as_str(), begun.elapsed()), ("ag", 2 * CALL));
        pass(rest - 1).await;
        world.ask().await;
        assert_eq!(world.asked(), "g", "before {rest} s are over");
        pass(1).await;
    }
    world.say_from_now(Kind::Alchemyst, vec![says("well again")]);
    assert_eq!(turn(&world.ask().await), ("alchemyst", "well again"));
    assert_eq!(turn(&world.ask().await), ("alchemyst", "well again"));
}

#[tokio::test(start_paused = true)]
async fn only_one_of_many_probes() {
    let world = World::of_two(vec![down()], vec![says("hi")]);
    world.ask().await;
    pass(30).await;
    world.asked();
    tokio::join!(world.ask(), world.ask(), world.ask());
    let mut asked: Vec<char> = world.asked().chars().collect();
    asked.sort_unstable();
    assert_eq!(asked, ['a', 'g', 'g', 'g']);
}

#[tokio::test(start_paused = true)]
async fn many_who_see_one_failure_do_not_make_it_worse() {
    let world = World::of_two(vec![down()], vec![says("hi")]);
    futures_util::future::join_all((0..50).map(|_| world.ask())).await;
    world.asked();
    pass(40).await;
    world.ask().await;
    assert_eq!(world.asked(), "ag");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_was_dropped_leaves_nothing_behind() {
    let world = World::of_two(vec![down()], vec![says("hi")]);
    world.ask().await;
    pass(30).await;
    assert!(tokio::time::timeout(CALL / 2, world.ask()).await.is_err());
    world.say_from_now(Kind::Alchemyst, vec![says("well again")]);
    assert_eq!(turn(&world.ask().await), ("gemini", "hi"));
    pass(60).await;
    assert_eq!(turn(&world.ask().await), ("alchemyst", "well again"));
}

#[tokio::test(start_paused = true)]
async fn rests_are_as_long_as_their_reason() {
    let gone = [
        (ModelError::Exhausted("no credit".into()), 3600),
        (ModelError::Auth("wrong key".into()), 6 * 3600),
        (ModelError::NotFound("no model".into()), 6 * 3600),
    ];
    for (error, rest) in gone {
        let world = World::of_two(vec![Err(error)], vec![says("hi")]);
        world.ask().await;
        pass(rest - 1).await;
        world.asked();
        world.ask().await;
        assert_eq!(world.asked(), "g");
        pass(1).await;
        world.ask().await;
        assert_eq!(world.asked(), "ag");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_rests_is_asked_when_nobody_else_is_left() {
    let world = World::of_two(vec![no_key()], vec![no_key()]);
    world.ask().await;
    world.asked();
    world.say_from_now(Kind::Gemini, vec![says("a new key")]);
    assert_eq!(turn(&world.ask().await), ("gemini", "a new key"));
    assert_eq!(world.asked(), "ag");
}

#[tokio::test(start_paused = true)]
async fn what_was_said_to_one_question_is_no_reason_to_rest() {
    let invalid = Err(ModelError::Invalid("what?".into()));
    let world = World::of_two(vec![invalid], vec![says("hi")]);
    world.ask().await;
    world.ask().await;
    assert_eq!(world.asked(), "agag");
}

#[tokio::test(start_paused = true)]
async fn who_would_answer_now_is_the_first_that_is_well() {
    let world = World::of_two(vec![no_key()], vec![says("hi")]);
    let now = || world.models.facts(&world.choice()).unwrap().provider;
    assert_eq!(now(), "alchemyst");
    world.ask().await;
    assert_eq!(now(), "gemini");
    pass(6 * 3600).await;
    assert_eq!(now(), "alchemyst");
    assert_eq!(World::new(vec![]).models.facts(&world.choice()), None);
}

#[tokio::test(start_paused = true)]
async fn names_that_clients_make_up_do_not_fill_the_memory() {
    let world = World::of_two(vec![no_key()], vec![says("hi")]);
    world.ask().await;
    for n in 0..2000 {
        let choice = world.models.choose(Some(&format!("gemini/made-up-{n}"))).unwrap();
        assert!(world.models.facts(&choice).is_some());
    }
    assert!(world.models.lock().len() <= 256);
    assert_eq!(world.models.facts(&world.choice()).unwrap().provider, "gemini");
}
