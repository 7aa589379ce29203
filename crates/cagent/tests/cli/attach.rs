//! `cagent attach` and `cagent exec`: people beside a job that runs.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use testkit::{Server, Terminal};
use types::{EventKind, JobId};

use crate::support::{CAGENT, Running, bash, cagent, call, call_with, refusal, stdout};

/// A server and a job that waits for the file `done`.
async fn with_a_job() -> (Server, JobId) {
    let server = Server::start(CAGENT).await;
    let runbook =
        bash("export LEFT=behind") + &bash("echo on; until [ -e done ]; do sleep 0.1; done");
    let job = server.client().run(&runbook).await;
    let on = |event: &EventKind| matches!(event, EventKind::Output { .. });
    server.client().events_until(job, |event| on(&event.event)).await;
    (server, job)
}

fn attach(server: &Server, job: JobId) -> Terminal {
    let mut terminal =
        Terminal::start(&cagent(server.data_dir(), &["attach", &job.to_string()]), (31, 91));
    // Its first prompt: keys are passed on by then.
    terminal.until("$ ");
    terminal.types("PS1=; bind 'set enable-bracketed-paste off'\r");
    terminal.types("echo re$((1 + 1))dy\r");
    terminal.until("re2dy\r\n");
    terminal
}

#[tokio::test]
async fn a_shell_is_as_if_it_were_here() {
    let (server, job) = with_a_job().await;
    let mut terminal = attach(&server, job);
    terminal.types("stty size; pwd; echo $LEFT $TERM $(id -u)\r");
    terminal.until("\r\n31 91\r\n/workspace\r\nbehind xterm 1000\r\n");
    terminal.resize((50, 132));
    terminal.types("until [ \"$(stty size)\" = '50 132' ]; do :; done; echo larger $((2 * 21))\r");
    terminal.until("larger 42");
    // It says so itself: the shell's own word could come before the terminal is the program's.
    let sleeps = r"sh -c 'echo slee$((1 * 1))ps; exec sleep 1000'";
    terminal.types(&format!("trap 'echo caught' EXIT; {sleeps}\r"));
    terminal.until("slee1ps");
    terminal.types("\x03");
    terminal.types("echo code $?\r");
    terminal.until("\r\ncode 130\r\n");
    terminal.types("exit 5\r");
    terminal.until("caught");
    assert_eq!(terminal.end(), Some(5));

    stdout(&call(server.data_dir(), &["exec", &job.to_string(), "--", "touch", "done"]), 0);
    server.client().wait_end(job).await;
    let events = server
        .client()
        .events_until(job, |event| matches!(event.event, EventKind::Packaged { .. }))
        .await;
    let told = events.iter().filter_map(|event| match &event.event {
        EventKind::Notice { text, .. } => Some(&**text),
        _ => None,
    });
    let told: Vec<_> = told.filter(|text| text.starts_with("a person")).collect();
    assert_eq!(told, ["a person opened a shell", "a person ran touch done"]);
    let steps = events.iter().filter(|e| matches!(e.event, EventKind::StepStarted { .. }));
    assert_eq!(steps.count(), 2, "neither is a step");
}

#[tokio::test]
async fn a_program_is_one_of_a_pipeline() {
    let (server, job) = with_a_job().await;
    let (data, job) = (server.data_dir(), job.to_string());
    let said = call_with(data, &["exec", "-i", &job, "--", "cat"], "hi\n");
    assert_eq!(stdout(&said, 0), "hi\n");
    // More than any buffer on the way, both ways at once.
    let much = "0123456789abcde\n".repeat(256 * 1024);
    let mut tee = cagent(data, &["exec", "-i", &job, "--", "tee", "copy"]);
    let mut tee = tee.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (tee.stdin.take().unwrap(), much.clone());
    let written = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let back = tee.wait_with_output().unwrap();
    written.join().unwrap().unwrap();
    assert!(back.status.success() && back.stdout == much.as_bytes(), "{:?}", back.status);
    let count = stdout(&call(data, &["exec", &job, "--", "wc", "-c", "copy"]), 0);
    assert_eq!(count, format!("{} copy\n", much.len()));

    let both = call(
        data,
        &["exec", &job, "--", "sh", "-c", "echo \"$0 $LEFT\"; cat; echo err >&2; exit 7", "a b"],
    );
    assert_eq!(stdout(&both, 7), "a b behind\n", "without -i there is nothing to read");
    assert_eq!(both.stderr, b"err\n");
    let none = call(data, &["exec", &job, "--", "no-such-program"]);
    assert_eq!(stdout(&none, 127), "");
    assert!(
        String::from_utf8_lossy(&none.stderr).contains("no-such-program is not in this sandbox")
    );
    let piped = call(data, &["exec", "-it", &job, "--", "sh"]);
    assert!(refusal(&piped).contains("needs a terminal"), "{piped:?}");
    // Who has enough ends it.
    let mut yes = cagent(data, &["exec", &job, "--", "yes"]);
    let mut yes = yes.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(yes.stdout.take());
    assert_eq!(yes.wait().unwrap().code(), Some(141));
}

#[tokio::test]
async fn all_it_says_arrives_though_its_input_goes_on_or_has_ended() {
    let (server, job) = with_a_job().await;
    let (data, job) = (server.data_dir(), job.to_string());
    let line = "head -c 1 >/dev/null; head -c 300000 /dev/zero; exit 7";
    for _ in 0..5 {
        let mut yes = Command::new("yes").stdout(Stdio::piped()).spawn().unwrap();
        let program = ["exec", "-i", &job, "--", "sh", "-c", line];
        let said = cagent(data, &program).stdin(yes.stdout.take().unwrap()).output().unwrap();
        yes.wait().unwrap();
        assert_eq!((said.status.code(), said.stdout.len()), (Some(7), 300_000));
    }
    let late = ["exec", "-i", &job, "--", "sh", "-c", "cat; sleep 1; echo late; exit 7"];
    assert_eq!(stdout(&call_with(data, &late, ""), 7), "late\n");
}

#[tokio::test]
async fn signals_reach_the_program_and_the_second_one_ends_it() {
    let (server, job) = with_a_job().await;
    let job = job.to_string();
    let line = "trap 'echo caught; exit 9' INT TERM; echo set; while :; do sleep 0.05; done";
    for signal in [Signal::INT, Signal::TERM] {
        let args = ["exec", &job, "--", "sh", "-c", line];
        let mut running = Running::start(server.data_dir(), &args);
        running.line_with("set").await;
        running.signal(signal);
        running.line_with("caught").await;
        assert_eq!(running.end().await, Some(9));
    }
    let deaf = "trap 'echo no' INT; echo set; while :; do sleep 0.05; done";
    let mut running = Running::start(server.data_dir(), &["exec", &job, "--", "sh", "-c", deaf]);
    running.line_with("set").await;
    running.signal(Signal::INT);
    running.line_with("no").await;
    running.signal(Signal::INT);
    assert_eq!(running.end().await, Some(130));
}

#[tokio::test]
async fn however_it_ends_the_terminal_is_as_before() {
    let (server, job) = with_a_job().await;
    let mut left = attach(&server, job);
    left.types("sleep 1000\r");
    left.types("\r~.");
    assert_eq!(left.end(), Some(129));
    let mut told = attach(&server, job);
    told.signal(Signal::TERM);
    assert_eq!(told.end(), Some(143));
    let mut over = attach(&server, job);
    over.types("touch done\r");
    over.until("is over (complete)");
    assert_eq!(over.end(), Some(2));
    let late = call(server.data_dir(), &["exec", &job.to_string(), "--", "true"]);
    assert!(refusal(&late).contains("the job is over"), "{late:?}");

    let runbook = bash("echo on; sleep 1000");
    let job = server.client().run(&runbook).await;
    server.client().events_until(job, |e| matches!(e.event, EventKind::Output { .. })).await;
    let mut cut = attach(&server, job);
    server.kill().await;
    cut.until("the connection was cut");
    assert_eq!(cut.end(), Some(2));
}

#[tokio::test]
#[ignore = "a measurement"]
async fn how_long_a_key_takes() {
    let (server, job) = with_a_job().await;
    let mut terminal = attach(&server, job);
    terminal.types("stty -echo raw; echo ra$((0))w; exec cat\r");
    terminal.until("ra0w");
    let mut all: Vec<Duration> = (0..500)
        .map(|i| {
            let (key, began) = (format!("<{i}>"), Instant::now());
            terminal.types(&key);
            terminal.until(&key);
            began.elapsed()
        })
        .collect();
    all.sort();
    println!("a key to its echo: p50 {:?}, p99 {:?}", all[250], all[495]);
}
