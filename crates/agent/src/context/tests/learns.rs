//! Windows and bytes per token, learned from answers.

use super::*;

fn long_log(window: u64, steps: u64) -> Context {
    let (mut context, _file) = memory(window);
    context.append(Entry::Task { text: "Work".into() }).unwrap();
    for n in 0..steps {
        step(&mut context, n, "ls", &noise(n, 8000));
    }
    context
}

#[test]
fn bytes_per_token_follow_what_is_reported_within_bounds() {
    let mut context = long_log(32_768, 200);
    let first = context.memory.known.room().request;
    for _ in 0..20 {
        let question = context.question(&frame()).unwrap();
        // A model that needs a token for 3 bytes.
        let took = json_size(&question) as u64 / 3;
        context.learn(&question, &answered(32_768, took)).unwrap();
    }
    let question = context.question(&frame()).unwrap();
    let took = json_size(&question) as u64 / 3;
    assert!(took + u64::from(question.max_output_tokens) <= 32_768, "{took}");
    assert!(context.memory.known.room().request < first);
    for input in [1, u64::MAX] {
        context.learn(&question, &answered(32_768, input)).unwrap();
        let known = context.memory.known.millibytes["scripted/m"];
        assert!((2000..=6000).contains(&known), "{known}");
    }
}

#[test]
fn a_guess_teaches_nothing() {
    let mut context = long_log(32_768, 200);
    let question = context.question(&frame()).unwrap();
    let usage = TokenUsage { input_tokens: 9, estimated: true, ..TokenUsage::default() };
    let turn = ModelTurn::default();
    let answer = ModelAnswer::Turn { turn, stop: Stop::Done, usage, facts: facts(32_768) };
    context.learn(&question, &answer).unwrap();
    assert!(context.memory.known.millibytes.is_empty());
}

#[test]
fn a_smaller_window_is_kept_to_at_once() {
    let mut context = long_log(1_048_576, 200);
    let question = context.question(&frame()).unwrap();
    assert!(tokens(&question) > 8192);
    context.learn(&question, &ModelAnswer::TooLong { facts: facts(8192) }).unwrap();
    let question = context.question(&frame()).unwrap();
    assert!(tokens(&question) + u64::from(question.max_output_tokens) <= 8192);
    assert_sound(&question);
}

#[test]
fn too_long_again_and_again_makes_it_shorter_until_another_model_answers() {
    let mut context = long_log(32_768, 8);
    let sizes: Vec<u64> = (0..5)
        .map(|_| {
            let question = context.question(&frame()).unwrap();
            context.learn(&question, &ModelAnswer::TooLong { facts: facts(32_768) }).unwrap();
            tokens(&question)
        })
        .collect();
    assert!(sizes[1] * 5 <= sizes[0] * 4, "{sizes:?}");
    assert!(sizes.windows(2).all(|w| w[1] <= w[0]), "{sizes:?}");
    let room = context.memory.known.room().request;
    let question = context.question(&frame()).unwrap();
    let other = ModelFacts { model: "other".into(), ..facts(32_768) };
    context.learn(&question, &ModelAnswer::TooLong { facts: other }).unwrap();
    assert!(context.memory.known.room().request > room);
}
