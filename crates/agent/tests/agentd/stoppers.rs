//! A command that stops what agentd starts, before and after it is a program of its own.

use protocol::{AgentSpec, CommandUser, Verdict};
use serde_json::json;
use types::ToolCall;

use crate::gateway::Hosts;
use crate::sandbox::{Sandbox, Users, rooms};
use crate::script::{
    TRIVIAL, call, calls, finish, results_of, script, shell, task, text_of_parts, write,
};

/// Stops everybody who comes, from the first moment on, and leaves those stopped who are not a
/// program of their own yet.
const AT_BIRTH: &str = "import os, signal
base, hit = os.getpid() + 1, set()
input()
print('ready', flush=True)
while True:
    for pid in range(base, base + 4):
        if pid in hit: continue
        try:
            os.kill(pid, signal.SIGSTOP)
            hit.add(pid)
            if open(f'/proc/{pid}/cmdline').read().startswith('/proc/self/exe'):
                os.kill(pid, signal.SIGCONT)
        except OSError: continue
    # Some are threads of agentd, which nobody can stop: they hold nothing up.
    while len(hit) and max(hit) >= base: base += 1
";

/// Stops the first whom it catches writing a file.
const A_WRITER: &str = "import os, signal
input()
print('ready', flush=True)
while True:
    for pid in range(os.getpid() + 1, os.getpid() + 64):
        try: line = open(f'/proc/{pid}/cmdline').read()
        except OSError: continue
        if line.startswith('/proc/self/exe\\0put'):
            os.kill(pid, signal.SIGSTOP)
            while True: signal.pause()
";

/// Does these calls while somebody stops others, then ends that one; what was shown of each, and
/// what a shell says afterwards.
fn beside(users: Users, stopper: &str, wanted: Vec<ToolCall>) -> Vec<String> {
    let mut all = vec![
        write("s.py", stopper),
        call("background", json!({ "command": "exec python3 s.py" })),
        call("process", json!({ "id": 2, "input": "go\n", "wait_seconds": 60 })),
    ];
    all.extend(wanted);
    all.push(call("process", json!({ "id": 2, "signal": "KILL", "wait_seconds": 60 })));
    all.push(shell("echo free"));
    let answers = vec![calls(all), calls(vec![finish(&[], &[])])];
    let command_user = (users == Users::Two).then_some(CommandUser { uid: 1000, gid: 1000 });
    let spec = AgentSpec { command_user, ..task(TRIVIAL) };
    let (log, _dir) =
        Sandbox::start_in(rooms(users), users, spec, Hosts::new(), script(answers)).finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    let results = results_of(log.questions.last().unwrap());
    let shown: Vec<String> = results.iter().map(|it| text_of_parts(&it.parts)).collect();
    assert_eq!(shown.last().unwrap(), "exit code 0\nfree", "{shown:?}");
    shown[3..].to_vec()
}

fn nobody_is_held_up_by_who_is_stopped_at_birth(users: Users) {
    let look = || call("read_file", json!({ "path": "s.py" }));
    let mut wanted: Vec<ToolCall> = (0..25).map(|_| look()).collect();
    wanted.push(call("shell", json!({ "command": "echo hi", "timeout_seconds": 5 })));
    let shown = beside(users, AT_BIRTH, wanted);
    // How many were caught in time is up to the machine; whoever was, ended and held up nobody.
    let held = shown.iter().filter(|it| it.contains("was it killed") || it.contains("(killed"));
    eprintln!("{} of {} were stopped at birth", held.count(), shown.len() - 2);
}

#[test]
fn one_user_is_not_held_up_by_who_is_stopped_at_birth() {
    nobody_is_held_up_by_who_is_stopped_at_birth(Users::One);
}

#[test]
fn two_users_are_not_held_up_by_who_is_stopped_at_birth() {
    assert!(
        rustix::process::getuid().is_root(),
        "this test switches users: run it as root, or leave it out with --skip two_users"
    );
    nobody_is_held_up_by_who_is_stopped_at_birth(Users::Two);
}

#[test]
fn writing_a_file_has_an_end_though_who_writes_is_stopped() {
    let shown = beside(Users::One, A_WRITER, (0..20).map(|_| write("a", "b")).collect());
    let held = shown.iter().filter(|it| it.starts_with("not written: it was killed, or did not"));
    assert_eq!(held.count(), 1, "{shown:?}");
}

/// A command that fills the process table leaves no room for another thread, and what asked to be
/// sent a signal when its parent dies gets it when the thread ends that started it.
#[test]
fn beside_others_no_thread_comes_or_goes() {
    let look = |n: u32| shell(&format!("ls /proc/1/task # {n}"));
    let idle = || call("background", json!({ "command": "exec sleep 1000" }));
    let answers =
        vec![calls(vec![look(1), idle(), look(2), look(3)]), calls(vec![finish(&[], &[])])];
    let (log, _dir) = crate::script::run(answers);
    assert_eq!(log.verdict(), Verdict::Complete);
    let results = results_of(log.questions.last().unwrap());
    let shown: Vec<String> = results.iter().map(|it| text_of_parts(&it.parts)).collect();
    assert!(shown[1].contains("is running"), "{shown:?}");
    assert_eq!((&shown[2], &shown[3]), (&shown[0], &shown[0]));
}
