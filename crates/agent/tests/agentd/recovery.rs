//! Lost connections, restarts, checkpoints.

use protocol::{AgentSpec, Checkpoint, Verdict};
use runbook::Block;
use std::fs;
use std::time::Duration;
use types::StepOutcome::{Interrupted, Ok as Fine};
use types::{JobId, LastStep, Resumes};

use crate::sandbox::{Sandbox, Users, bash, spec};

const COUNT: &str =
    "for i in $(seq 1 2000); do echo $i; done; while [ ! -e go ]; do sleep 0.02; done";

fn counted() -> String {
    (1..=2000).map(|i| format!("{i}\n")).collect()
}

#[test]
fn nothing_is_lost_or_repeated_when_the_gateway_comes_back() {
    let mut sandbox = Sandbox::start(vec![bash(COUNT), bash("echo more")]);
    sandbox.gateway.wait_for_output("2000\n");
    for _ in 0..3 {
        sandbox.gateway.stop();
        sandbox.gateway.start();
        let hellos = sandbox.gateway.wait("", |log| Some(log.controls));
        sandbox.gateway.wait("a new control stream", |log| (log.controls > hellos).then_some(()));
    }
    sandbox.gateway.stop();
    fs::write(sandbox.workspace("go"), "").unwrap();
    sandbox.gateway.start();
    let (log, _dir) = sandbox.finish();
    assert_eq!(log.stdout(), counted() + "more\n");
    assert_eq!(log.verdict(), Verdict::Complete);
}

#[test]
fn a_key_that_a_late_hello_replaced_is_asked_for_anew() {
    let (log, _dir) = Sandbox::with_a_late_hello(vec![bash("echo hi")]).finish();
    assert_eq!((log.hellos, log.stdout()), (2, "hi\n".into()));
    assert_eq!(log.verdict(), Verdict::Complete);
}

#[test]
fn what_arrived_without_an_answer_is_not_sent_again() {
    let mut sandbox = Sandbox::start(vec![bash(COUNT)]);
    sandbox.gateway.wait_for_output("1\n");
    sandbox.gateway.mute(true);
    fs::write(sandbox.workspace("go"), "").unwrap();
    sandbox.gateway.wait("a batch", |log| (log.unanswered > 0).then_some(()));
    sandbox.gateway.stop();
    sandbox.gateway.mute(false);
    sandbox.gateway.start();
    let (log, _dir) = sandbox.finish();
    assert_eq!(log.stdout(), counted());
    assert_eq!(log.hellos, 2);
    assert_eq!(log.verdict(), Verdict::Complete);
}

#[test]
fn a_cancel_that_was_missed_is_obeyed_after_a_reconnect() {
    let mut sandbox = Sandbox::start(vec![bash("echo ready; sleep 1000")]);
    sandbox.gateway.wait_for_output("ready");
    sandbox.gateway.stop();
    sandbox.gateway.cancel();
    sandbox.gateway.start();
    assert_eq!(sandbox.finish().0.verdict(), Verdict::Cancelled);
}

#[test]
fn without_a_gateway_it_goes_on_as_long_as_there_may_be_one_again() {
    let mut sandbox = Sandbox::start(vec![bash("echo ready; sleep 1000")]);
    sandbox.gateway.wait_for_output("ready");
    sandbox.gateway.stop();
    assert!(sandbox.lives(Duration::from_secs(3)), "its server is merely away");
    // As a server does whose daemon has forgotten the container.
    fs::remove_dir(sandbox.dir.path().join("gateway")).unwrap();
    let said = sandbox.fail();
    assert!(said.contains("was removed"), "{said}");
}

#[test]
fn a_full_outbox_holds_the_step_up_until_the_gateway_is_back() {
    let code = "head -c 40000000 /dev/zero | tr '\\0' 'x'; echo; touch done";
    let sandbox = Sandbox::start(vec![bash("echo ready"), bash(code)]);
    sandbox.gateway.wait("step 2", |log| log.stdout().contains("xx").then_some(()));
    sandbox.gateway.mute(true);
    sandbox.gateway.wait("a batch", |log| (log.unanswered > 0).then_some(()));
    // Only one batch is ever under way, so the rest of 40 MB does not fit.
    assert!(!sandbox.workspace("done").exists());
    let mut sandbox = sandbox;
    sandbox.gateway.stop();
    sandbox.gateway.mute(false);
    sandbox.gateway.start();
    let (log, dir) = sandbox.finish();
    assert_eq!(log.stdout().len(), "ready\n".len() + 40_000_001);
    assert!(dir.path().join("workspace/done").exists());
}

#[test]
fn goes_on_from_a_checkpoint_between_steps() {
    let first = bash("mkdir d; cd d; export A=1; echo first");
    let blocks = vec![first, bash("mkdir -p . ; echo second $A")];
    let log = crate::sandbox::run(blocks.clone());
    let checkpoint = log.checkpoints().into_iter().find(|c| c.node == "read").unwrap();
    let (log, _dir) = Sandbox::start_as(Users::One, blocks, Some(checkpoint)).finish();
    assert_eq!(log.stdout(), "second 1\n");
    assert_eq!(log.steps(), [(Fine, Some(0))]);
    assert_eq!(log.verdict(), Verdict::Complete);
}

#[test]
fn a_step_that_was_begun_is_never_run_again() {
    let blocks = vec![bash("echo ready; sleep 1000"), bash("echo never")];
    let sandbox = Sandbox::start(blocks.clone());
    sandbox.gateway.wait_for_output("ready");
    let checkpoint = sandbox.kill().checkpoints().pop().unwrap();
    assert_eq!(checkpoint.node, "step");
    let (log, _dir) = Sandbox::start_as(Users::One, blocks, Some(checkpoint)).finish();
    assert_eq!(log.steps(), [(Interrupted, None)]);
    assert_eq!(log.stdout(), "");
    assert!(matches!(log.verdict(), Verdict::Failed { error } if error.contains("not run twice")));
}

fn resumed(blocks: Vec<Block>, checkpoint: Checkpoint, step: Option<LastStep>) -> AgentSpec {
    let resumes = Some(Resumes { job: JobId::generate(), step });
    AgentSpec { checkpoint: Some(checkpoint), resumes, ..spec(blocks) }
}

#[test]
fn a_step_that_was_interrupted_runs_again_if_a_person_resumes_the_job() {
    let waits = bash("echo \"ready $A\"; [ -e go ] || sleep 1000");
    let blocks = vec![bash("mkdir sub; cd sub; export A=1"), waits];
    let sandbox = Sandbox::start(blocks.clone());
    sandbox.gateway.wait_for_output("ready");
    let (log, dir) = sandbox.kill_keeping();
    let checkpoint = log.checkpoints().pop().unwrap();
    assert_eq!(checkpoint.node, "step");
    fs::write(dir.path().join("workspace/sub/go"), "").unwrap();
    let last = LastStep { step: 2, outcome: Interrupted, exit_code: None };
    let spec = resumed(blocks, checkpoint, Some(last));
    let (log, _dir) = Sandbox::start_resumed(dir, spec).finish();
    assert_eq!(log.steps(), [(Fine, Some(0))], "only that one");
    assert_eq!(log.stdout(), "ready 1\n", "where it was, with what it had");
    assert_eq!(log.verdict(), Verdict::Complete);
}

#[test]
fn a_step_whose_end_was_recorded_is_not_run_again_whoever_resumes_the_job() {
    let blocks = vec![bash("echo ready; sleep 1000"), bash("echo next")];
    let sandbox = Sandbox::start(blocks.clone());
    sandbox.gateway.wait_for_output("ready");
    let (log, dir) = sandbox.kill_keeping();
    let checkpoint = log.checkpoints().pop().unwrap();
    // As if its end was recorded, and the checkpoint after it was not.
    let last = LastStep { step: 1, outcome: Fine, exit_code: Some(0) };
    let spec = resumed(blocks, checkpoint, Some(last));
    let (log, _dir) = Sandbox::start_resumed(dir, spec).finish();
    assert_eq!(log.stdout(), "next\n");
    assert_eq!(log.verdict(), Verdict::Complete);
}

#[test]
fn no_step_begins_before_its_beginning_is_recorded() {
    let mut sandbox =
        Sandbox::start(vec![bash("while [ ! -e go ]; do sleep 0.02; done"), bash("touch begun")]);
    sandbox.gateway.wait("step 1", |log| (log.reports.len() > 4).then_some(()));
    sandbox.gateway.mute(true);
    fs::write(sandbox.workspace("go"), "").unwrap();
    sandbox.gateway.wait("a batch", |log| (log.unanswered > 0).then_some(()));
    sandbox.gateway.stop();
    assert!(!sandbox.workspace("begun").exists());
    sandbox.gateway.mute(false);
    sandbox.gateway.start();
    let (log, dir) = sandbox.finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    assert!(dir.path().join("workspace/begun").exists());
}
