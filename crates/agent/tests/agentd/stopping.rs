//! Timeouts, cancellation, and what a step leaves running.

use std::time::Instant;

use protocol::Verdict;
use types::StepOutcome::{Cancelled, Ok as Fine, TimedOut};

use crate::sandbox::{Sandbox, Setting, bash, run};

/// Starts a daemon that ignores TERM in a session of its own, and waits until it does.
const STUBBORN: &str =
    "setsid bash -c 'trap \"\" TERM; echo $BASHPID > pid; while :; do sleep 0.1; done' &
while [ ! -s pid ]; do sleep 0.01; done\n";

const IS_IT_DEAD: &str = "if kill -0 $(cat pid) 2>/dev/null; then echo alive; else echo dead; fi
for p in /proc/[0-9]*; do [ -e $p/exe ] || continue; echo \"${p#/proc/}\"; done | wc -l";

#[test]
fn nothing_outlives_its_step() {
    let log = run(vec![bash(STUBBORN), bash(IS_IT_DEAD)]);
    assert!(log.stdout().starts_with("dead\n"), "{}", log.stdout());
    assert_eq!(log.steps(), [(Fine, Some(0)); 2]);
}

#[test]
fn a_daemon_that_obeys_costs_no_grace() {
    // A child of bash that is not yet `sleep` could miss the signal.
    let code = "started() { while [ \"$(cat /proc/$1/comm)\" != sleep ]; do :; done; }
        sleep 1000 & started $!; setsid sleep 1000 & started $!; kill -STOP $!";
    let began = Instant::now();
    let log = run(vec![bash(code), bash("true")]);
    assert_eq!(log.verdict(), Verdict::Complete);
    // Twice the grace would be four seconds and more.
    assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
}

#[test]
fn a_step_ends_after_its_timeout_with_all_it_started() {
    let slow = format!("{STUBBORN}echo ready; trap '' TERM; while :; do sleep 0.1; done");
    let log = run(vec![bash(&slow).limited(1).tolerant(), bash(IS_IT_DEAD)]);
    assert_eq!(log.steps(), [(TimedOut, Some(137)), (Fine, Some(0))]);
    assert!(log.stdout().starts_with("ready\ndead\n"), "{}", log.stdout());
}

#[test]
fn a_timeout_ends_the_job() {
    let log = run(vec![bash("sleep 1000").limited(1), bash("echo never")]);
    assert_eq!(log.steps(), [(TimedOut, Some(143))]);
    let error = "step 1 (a block, line 7) ran longer than its timeout of 1 s".to_owned();
    assert_eq!(log.verdict(), Verdict::StepTimeout { step: 1, error });
}

#[test]
fn what_was_cut_short_hands_nothing_on() {
    let log = run(vec![
        bash("export A=1; mkdir d; cd d; sleep 1000").limited(1).tolerant(),
        bash("echo ${A-unset}; basename \"$PWD\""),
    ]);
    assert_eq!(log.stdout(), "unset\nworkspace\n");
}

#[test]
fn cancelling_stops_the_step_and_the_job() {
    let sandbox = Sandbox::start(vec![
        bash("setsid sleep 1000 & sleep 1000 & echo ready; wait"),
        bash("echo never"),
    ]);
    sandbox.gateway.wait_for_output("ready");
    let began = Instant::now();
    sandbox.gateway.cancel();
    let (log, _dir) = sandbox.finish();
    assert_eq!(log.steps(), [(Cancelled, Some(143))]);
    assert_eq!(log.stdout(), "ready\n");
    assert_eq!(log.verdict(), Verdict::Cancelled);
    assert!(began.elapsed().as_secs() < 2, "TERM was enough: {:?}", began.elapsed());
}

#[test]
fn a_fork_storm_ends_with_its_step() {
    let storm = "storm() { setsid bash -c 'while :; do sleep 0.01 & sleep 0.01; done' & }
        for i in $(seq 10); do storm; done; sleep 0.2";
    let log = run(vec![bash(storm), bash("ls -d /proc/[0-9]* | wc -l")]);
    let left: u32 = log.stdout().trim().parse().unwrap();
    // PID 1, the shell, ls and wc.
    assert!(left <= 4, "{left} processes");
}
