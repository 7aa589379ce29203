//! What is drawn on a terminal: the checklist of `run`, the question of Ctrl-C, `watch`.

use testkit::{Server, Terminal};
use types::JobStatus;

use crate::support::{CAGENT, bash, cagent, call, stdout};

/// Says that it is there, and waits for a file `go`.
const PATIENT: &str = "echo here 世界; until [ -e go ]; do sleep 0.05; done";

#[tokio::test]
async fn ctrl_c_asks_and_the_job_goes_on() {
    let server = Server::start(CAGENT).await;
    let runbook = bash("true") + &bash(PATIENT);
    let mut terminal = Terminal::start(&cagent(server.data_dir(), &["run", &runbook]), (10, 40));
    terminal.until("[2] bash:");
    terminal.until("here 世界");
    terminal.types("\x03");
    terminal.until("[c]ancel  [d]etach");
    terminal.types("x");
    // The last row is not the question any more.
    terminal.until("· 1 step");
    terminal.types("\x03");
    terminal.until("[c]ancel  [d]etach");
    terminal.types("d");
    terminal.until("the job goes on");
    assert_eq!(terminal.end(), Some(0));
    let jobs = server.client().jobs().await.jobs;
    assert_eq!(jobs[0].status, JobStatus::Running);
}

#[tokio::test]
async fn the_second_ctrl_c_cancels() {
    let server = Server::start(CAGENT).await;
    let run = cagent(server.data_dir(), &["run", &bash(PATIENT)]);
    let mut terminal = Terminal::start(&run, (24, 80));
    terminal.until("here 世界");
    terminal.types("\x03");
    terminal.until("[c]ancel  [d]etach");
    terminal.types("\x03");
    terminal.until("cancelled");
    terminal.until("next");
    assert_eq!(terminal.end(), Some(130));
}

#[tokio::test]
async fn watch_lists_opens_and_leaves_the_terminal_as_it_was() {
    let server = Server::start(CAGENT).await;
    let job = server.client().run(&bash("echo done 世界")).await;
    server.client().wait_end(job).await;
    let mut terminal = Terminal::start(&cagent(server.data_dir(), &["watch"]), (24, 80));
    terminal.until_seen("1 job");
    terminal.until_seen("complete");
    terminal.types("\r");
    terminal.until_seen("plan and steps");
    terminal.types("q");
    terminal.until("\x1b[?1049l");
    assert_eq!(terminal.end(), Some(0));
}

#[tokio::test]
async fn what_a_job_changed_is_shown() {
    let server = Server::start(CAGENT).await;
    let job = server.client().run(&bash("echo a > f; echo b > g")).await;
    server.client().wait_end(job).await;
    let base = server.data_dir().path().parent().unwrap().join("base");
    std::fs::create_dir(&base).unwrap();
    std::fs::write(base.join("f"), "z\n").unwrap();
    std::fs::write(base.join("h"), "q\n").unwrap();
    let job = job.to_string();
    let text =
        stdout(&call(server.data_dir(), &["diff", "--base", base.to_str().unwrap(), &job]), 0);
    assert!(text.contains("M f") && text.contains("-z\n+a\n") && text.contains("D h"), "{text}");
    assert!(text.contains("1 added, 1 changed, 1 removed"), "{text}");
    let text = stdout(&call(server.data_dir(), &["diff", "--stat", &job]), 0);
    assert!(text.contains("2 added, 0 changed") && !text.contains("+a"), "{text}");
}
