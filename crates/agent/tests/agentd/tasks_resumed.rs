//! Tasks that are cancelled, or lose their agent.

use protocol::{AgentSpec, Checkpoint, Verdict};
use types::StepOutcome::{Interrupted, Ok as Fine};
use types::{JobId, Resumes};

use crate::script::{
    TRIVIAL, calls, finish, last_of, plan, results_of, script, shell, start, start_in, task,
    text_of, text_of_parts,
};

const COUNT: &str = "echo x >> count; echo ready; sleep 1000";

#[test]
fn a_cancel_takes_a_question_back() {
    let sandbox = start(task(TRIVIAL), Box::new(|_| None));
    sandbox.gateway.wait("a question", |log| log.questions.first().map(|_| ()));
    sandbox.gateway.cancel();
    sandbox.gateway.wait("that it is taken back", |log| (log.taken_back == 1).then_some(()));
    let (log, dir) = sandbox.finish();
    assert_eq!(log.verdict(), Verdict::Cancelled);
    assert!(dir.path().join("workspace/context.txt").exists());
}

#[test]
fn a_cancel_ends_a_step() {
    let sandbox = start(task(TRIVIAL), script(vec![calls(vec![shell("echo ready; sleep 1000")])]));
    sandbox.gateway.wait_for_output("ready");
    sandbox.gateway.cancel();
    assert_eq!(sandbox.finish().0.verdict(), Verdict::Cancelled);
}

#[test]
fn a_step_that_was_begun_is_never_done_again_and_the_model_is_told() {
    let first = vec![
        calls(vec![shell("echo one")]),
        calls(vec![shell("echo two"), shell(COUNT), shell("echo never")]),
    ];
    let sandbox = start(task(TRIVIAL), script(first));
    sandbox.gateway.wait_for_output("ready");
    let (log, dir) = sandbox.kill_keeping();
    let checkpoint = log.checkpoints().pop().unwrap();
    assert_eq!(checkpoint.node, "act");
    assert!(checkpoint.state.to_string().len() < 8 * 1024, "{}", checkpoint.state);

    let spec = AgentSpec { checkpoint: Some(checkpoint), ..task(TRIVIAL) };
    let then = vec![calls(vec![shell("cat count")]), calls(vec![finish(&["count"], &[])])];
    let (log, _dir) = start_in(dir, spec, script(then)).finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    assert_eq!(log.stdout(), "x\n");
    assert_eq!(log.steps()[0], (Interrupted, None));
    assert_eq!(log.steps()[1], (Fine, Some(0)));
    let told = results_of(&log.questions[0]);
    let texts: Vec<String> = told.iter().map(|result| text_of_parts(&result.parts)).collect();
    assert!(texts[0].contains("result is lost"), "{texts:?}");
    assert!(texts[1].contains("interrupted"), "{texts:?}");
    assert!(texts[2].contains("not done"), "{texts:?}");
    assert!(text_of(&log.questions[0]).contains("one"), "the log is still there");
}

#[test]
fn a_model_whose_job_is_resumed_is_told_so() {
    let sandbox = start(task(TRIVIAL), script(vec![calls(vec![shell(COUNT)])]));
    sandbox.gateway.wait_for_output("ready");
    let (log, dir) = sandbox.kill_keeping();
    let checkpoint = log.checkpoints().pop();
    let resumes = Some(Resumes { job: JobId::generate(), step: None });
    let spec = AgentSpec { checkpoint, resumes, ..task(TRIVIAL) };
    let then = vec![calls(vec![shell("cat count")]), calls(vec![finish(&["count"], &[])])];
    let (log, _dir) = start_in(dir, spec, script(then)).finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    assert_eq!(log.stdout(), "x\n", "it was not done again by itself");
    let told = text_of(&log.questions[0]);
    assert!(told.contains("you go on in a new one") && told.contains("interrupted"), "{told}");
    assert_eq!(text_of(&log.questions[1]).matches("you go on in a new one").count(), 1);
}

#[test]
fn a_check_that_was_begun_is_never_run_again() {
    // What cannot fail would not be run.
    let check = format!("{COUNT}; test -e count");
    let answers = vec![calls(vec![finish(&[], &[&check])])];
    let sandbox = start(task(TRIVIAL), script(answers));
    sandbox.gateway.wait_for_output("ready");
    let (log, dir) = sandbox.kill_keeping();
    let checkpoint = log.checkpoints().pop().unwrap();
    assert_eq!(checkpoint.node, "verify");
    let spec = AgentSpec { checkpoint: Some(checkpoint), ..task(TRIVIAL) };
    let then = vec![calls(vec![finish(&["count"], &[])])];
    let (log, dir) = start_in(dir, spec, script(then)).finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    assert_eq!(log.steps(), [(Interrupted, None)]);
    assert!(last_of(&log.questions[0]).contains("not accepted"), "{:?}", log.questions[0].turns);
    let count = std::fs::read_to_string(dir.path().join("workspace/count")).unwrap();
    assert_eq!(count, "x\n");
}

#[test]
fn a_plan_and_what_people_said_survive() {
    let prompt = "Make a file that says hello, and then another one that says bye";
    let first = vec![
        calls(vec![plan(&["the first step"], &["test -e done"])]),
        calls(vec![shell("echo ready; while [ ! -e go ]; do sleep 0.02; done")]),
    ];
    let mut first = script(first);
    let model = Box::new(move |question: &_| {
        (!text_of(question).contains("make it blue")).then(|| first(question)).flatten()
    });
    let sandbox = start(task(prompt), model);
    sandbox.gateway.wait_for_output("ready");
    sandbox.gateway.say("make it blue");
    std::fs::write(sandbox.workspace("go"), "").unwrap();
    sandbox.gateway.wait("the third question", |log| log.questions.get(2).map(|_| ()));
    let (log, dir) = sandbox.kill_keeping();
    let checkpoint: Checkpoint = log.checkpoints().pop().unwrap();
    assert_eq!(checkpoint.node, "think");

    let spec = AgentSpec { checkpoint: Some(checkpoint), ..task(prompt) };
    let then = vec![calls(vec![shell("touch done")]), calls(vec![finish(&[], &[])])];
    let (log, _dir) = start_in(dir, spec, script(then)).finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    let first = text_of(&log.questions[0]);
    assert!(first.contains("the first step") && first.contains("make it blue"), "{first}");
    assert!(log.result().unwrap().verified, "the planned check was run");
}

/// Whoever resumes a job passes all on that was said to it.
#[test]
fn who_goes_on_after_a_job_knows_what_of_it_was_heard() {
    let mut first =
        script(vec![calls(vec![shell("echo ready; until [ -e go ]; do sleep 0.02; done")])]);
    let model = Box::new(move |question: &_| {
        (!text_of(question).contains("make it blue")).then(|| first(question)).flatten()
    });
    let sandbox = start(task(TRIVIAL), model);
    sandbox.gateway.wait_for_output("ready");
    sandbox.gateway.say("make it blue");
    std::fs::write(sandbox.workspace("go"), "").unwrap();
    sandbox.gateway.wait("the second question", |log| log.questions.get(1).map(|_| ()));
    let (log, dir) = sandbox.kill_keeping();

    let checkpoint = log.checkpoints().pop();
    let resumes = Some(Resumes { job: JobId::generate(), step: None });
    let spec = AgentSpec { checkpoint, resumes, ..task(TRIVIAL) };
    let waits = "echo again; until [ -e on ]; do sleep 0.02; done";
    let then = vec![calls(vec![shell(waits)]), calls(vec![finish(&[], &[])])];
    let sandbox = start_in(dir, spec, script(then));
    sandbox.gateway.wait_for_output("again");
    for text in ["make it blue", "and round"] {
        sandbox.gateway.say(text);
    }
    std::fs::write(sandbox.workspace("on"), "").unwrap();
    let (log, _dir) = sandbox.finish();
    let told = text_of(log.questions.last().unwrap());
    assert_eq!(told.matches("make it blue").count(), 1, "{told}");
    assert!(told.contains("and round"), "{told}");
}
