//! A fact at step 3, 200 noisy steps, windows of every size.

use super::*;

const NEEDLE: &str = "the harbour key is QX-7719-ÄÖ";

/// Works 200 steps as a flow does; a model that counts refuses what is too long. In the largest
/// window it is asked after every 25th step only: each question is of megabytes.
fn work(window: u64) -> (Context, File) {
    let (mut context, file) = memory(window);
    context.append(Entry::Task { text: "Find the harbour and open it".into() }).unwrap();
    context.set_plan(plan(&["look around", "open it"])).unwrap();
    let every = if window > 1_000_000 { 25 } else { 1 };
    for n in 0..200 {
        while let Some(question) = context.summary_due() {
            answer(&mut context, &question, window);
            context.sum_up((n % 2 == 0).then_some("It looked around.")).unwrap();
        }
        if n % every == 0 {
            let question = context.question(&frame()).unwrap();
            answer(&mut context, &question, window);
        }
        let mut printed = noise(n, 20_000);
        if n == 3 {
            let middle = printed.floor_char_boundary(10_000);
            printed.insert_str(middle, NEEDLE);
        }
        step(&mut context, n, &format!("look {n}"), &printed);
    }
    (context, file)
}

fn answer(context: &mut Context, question: &ModelRequest, window: u64) {
    let took = tokens(question);
    assert!(took + u64::from(question.max_output_tokens) <= window, "{took} of {window}");
    assert_sound(question);
    context.learn(question, &answered(window, took)).unwrap();
}

fn the_needle_comes_back(window: u64) {
    let (mut context, _file) = work(window);
    let question = context.question(&frame()).unwrap();
    let brought = context.recall("harbour key").unwrap();
    assert!(brought.contains(NEEDLE), "{brought}");
    context.append(model("", vec![call("r", "recall", json!({"query": "harbour key"}))])).unwrap();
    let results = vec![result("r", "recall", &brought)];
    context.append(Entry::Results { results }).unwrap();
    let next = context.question(&frame()).unwrap();
    answer(&mut context, &next, window);
    assert!(all_text(&next).contains(NEEDLE));
    // Unless all was still in view, which only the largest window may claim.
    assert!(window > 1_000_000 || !all_text(&question).contains(NEEDLE));
}

#[test]
fn in_a_window_of_8k() {
    the_needle_comes_back(8192);
}

#[test]
fn in_a_window_of_32k() {
    the_needle_comes_back(32_768);
}

#[test]
fn in_a_window_of_1m() {
    the_needle_comes_back(1_048_576);
}

#[test]
fn an_overflow_during_the_summary_makes_the_next_one_shorter() {
    let (mut context, _file) = memory(32_768);
    context.append(Entry::Task { text: "Go on and on".into() }).unwrap();
    let mut asked = vec![];
    for n in 0..60 {
        step(&mut context, n, &noise(n, 3000), &noise(n, 200));
        while let Some(question) = context.summary_due() {
            let took = tokens(&question);
            asked.push(took);
            // It says nothing of its window, but takes no more than 5,000 tokens.
            if took > 5000 {
                let too_long = ModelAnswer::TooLong { facts: facts(32_768) };
                context.learn(&question, &too_long).unwrap();
            } else {
                context.sum_up(Some("It went on.")).unwrap();
            }
        }
        context.question(&frame()).unwrap();
    }
    assert!(asked[0] > 5000, "{asked:?}");
    assert!(asked.windows(2).any(|w| w[0] > 5000 && w[1] < w[0]), "{asked:?}");
    assert!(asked.last().is_some_and(|took| *took <= 5000), "{asked:?}");
    assert!(all_text(&context.question(&frame()).unwrap()).contains("It went on."));
}
