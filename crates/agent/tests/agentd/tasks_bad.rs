//! Models that lie, loop, talk, or cannot be understood.

use protocol::Verdict;
use serde_json::json;
use types::{ModelAnswer, ModelTurn, Reason, Stop};

use crate::script::{
    TRIVIAL, always, answer, call, calls, facts, finish, flawed, last_of, prose, results_of, run,
    shell, start, task, text_of_parts,
};

#[test]
fn a_lie_is_found_out_and_ends_the_job_after_two_more_rounds() {
    let lie = || calls(vec![finish(&["report.pdf"], &["test -s report.pdf"])]);
    let (log, _dir) = start(task(TRIVIAL), always(lie)).finish();
    let (reason, error) = log.gave_up();
    assert_eq!(reason, Reason::ChecksFailed);
    assert!(error.contains("report.pdf"), "{error}");
    assert_eq!(log.questions.len(), 3);
    let told = last_of(&log.questions[1]);
    assert!(told.contains("not accepted") && told.contains("report.pdf"), "{told}");
    let result = log.result().unwrap();
    assert!(!result.verified);
    assert_eq!(result.checks.iter().map(|c| c.passed).collect::<Vec<_>>(), [false, false]);
}

#[test]
fn who_puts_it_right_in_time_is_believed() {
    let claim = || finish(&["a.txt"], &[]);
    let answers = vec![
        calls(vec![claim()]),
        calls(vec![claim()]),
        calls(vec![shell("echo a > a.txt")]),
        calls(vec![claim()]),
    ];
    let (log, _dir) = run(answers);
    assert_eq!(log.verdict(), Verdict::Complete);
    assert!(log.result().unwrap().verified);
}

#[test]
fn a_finish_beside_a_failing_call_is_not_looked_at() {
    let answers = vec![
        calls(vec![finish(&[], &[]), shell("exit 3")]),
        calls(vec![shell("echo fine"), finish(&[], &[])]),
    ];
    let (log, _dir) = run(answers);
    assert_eq!(log.verdict(), Verdict::Complete);
    let results = results_of(&log.questions[1]);
    assert_eq!(results[0].name, "finish");
    assert!(text_of_parts(&results[0].parts).contains("another call"), "{results:?}");
    assert!(results.iter().all(|result| result.is_error));
}

#[test]
fn the_same_call_again_and_again_is_pointed_out_and_then_the_end() {
    let (log, _dir) = start(task(TRIVIAL), always(|| calls(vec![shell("cat missing")]))).finish();
    let (reason, error) = log.gave_up();
    assert_eq!(reason, Reason::Stuck);
    assert!(error.contains("cat missing"), "{error}");
    assert_eq!(log.steps().len(), 5);
    assert!(last_of(&log.questions[3]).contains("three times"), "{:?}", log.questions[3].turns);
    assert_eq!(log.questions.len(), 5);
}

#[test]
fn back_and_forth_is_a_circle_too() {
    let mut n = 0;
    let model = Box::new(move |_: &_| {
        n += 1;
        Some(calls(vec![shell(if n % 2 == 0 { "echo a" } else { "echo b" })]))
    });
    let (log, _dir) = start(task(TRIVIAL), model).finish();
    assert_eq!(log.gave_up().0, Reason::Stuck);
    assert_eq!(log.steps().len(), 10);
}

#[test]
fn talk_alone_is_pointed_out_and_then_the_end() {
    let (log, _dir) = start(task(TRIVIAL), always(|| prose("I would do it like this."))).finish();
    let (reason, error) = log.gave_up();
    assert_eq!(reason, Reason::Stuck);
    assert!(error.contains("talked"), "{error}");
    assert_eq!(log.questions.len(), 3);
    assert!(last_of(&log.questions[1]).contains("called no tool"));
}

#[test]
fn answers_that_cannot_be_read_are_answered_and_then_the_end() {
    let (log, _dir) = start(task(TRIVIAL), always(|| flawed("a comma is missing"))).finish();
    let (reason, error) = log.gave_up();
    assert_eq!(reason, Reason::ModelConfused);
    assert!(error.contains("a comma is missing"), "{error}");
    assert_eq!(log.questions.len(), 3);
    assert!(last_of(&log.questions[1]).contains("a comma is missing"));
}

#[test]
fn a_tool_that_is_not_there_and_bad_arguments_are_no_steps() {
    let mut unreadable = shell("");
    unreadable.flaw = Some("the arguments end in the middle".into());
    let answers = vec![
        calls(vec![call("fly", json!({})), call("shell", json!({ "cmmand": 1 })), unreadable]),
        calls(vec![finish(&[], &[])]),
    ];
    let (log, _dir) = run(answers);
    assert_eq!(log.verdict(), Verdict::Complete);
    assert_eq!(log.steps(), []);
    let results = results_of(&log.questions[1]);
    assert!(results.iter().all(|result| result.is_error));
    assert!(text_of_parts(&results[0].parts).contains("fly"));
    assert!(text_of_parts(&results[2].parts).contains("end in the middle"));
}

#[test]
fn a_refusal_is_asked_about_once() {
    let refused = || answer(ModelTurn::default(), Stop::Refused { why: "unsafe".into() });
    let (log, _dir) = start(task(TRIVIAL), always(refused)).finish();
    let (reason, error) = log.gave_up();
    assert_eq!(reason, Reason::ModelRefused);
    assert!(error.contains("unsafe"), "{error}");
    assert_eq!(log.questions.len(), 2);
}

#[test]
fn a_window_that_nothing_fits_ends_the_job() {
    let too_long = || ModelAnswer::TooLong { facts: facts(500) };
    let (log, _dir) = start(task(TRIVIAL), always(too_long)).finish();
    let (reason, error) = log.gave_up();
    assert_eq!(reason, Reason::ModelUnavailable);
    assert!(error.contains("500 tokens"), "{error}");
    assert_eq!(log.questions.len(), 9);
}

#[test]
fn more_calls_than_one_answer_may_have_are_not_done() {
    let many = (0..40).map(|i| shell(&format!("echo {i}"))).collect();
    let (log, _dir) = run(vec![calls(many), calls(vec![finish(&[], &[])])]);
    assert_eq!(log.verdict(), Verdict::Complete);
    assert_eq!(log.steps().len(), 32);
    let results = results_of(&log.questions[1]);
    assert_eq!(results.len(), 40);
    assert!(text_of_parts(&results[32].parts).contains("at most 32"));
}
