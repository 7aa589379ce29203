//! What people are told of jobs that break off, and of copies that cannot be used.

use rustix::process::{Pid, Signal, kill_process};
use testkit::DataDir;

use crate::support::{Running, bash, cagent, call, refusal, stdout};

/// Ends the first time by losing its sandbox, and well the second time.
const BREAKS: &str =
    "if [ -e again ]; then echo went on; else touch again; echo up; sleep 1000; fi";

#[tokio::test]
async fn who_sees_a_job_break_off_hears_how_it_goes_on() {
    let data = DataDir::new();
    let mut running = Running::start(&data, &["run", &bash(BREAKS)]);
    let job = running.line_with("job ").await.split_whitespace().nth(1).unwrap().to_owned();
    running.line_with("    up").await;
    kill_process(helper(&job), Signal::KILL).unwrap();
    running.line_with("error (sandbox_lost)").await;
    let said = running.said().await;
    let cure = said.rsplit_once('`').unwrap().0.rsplit_once('`').unwrap().1.to_owned();
    assert!(cure.starts_with("cagent resume ") && said.contains("goes on with it"), "{said}");
    assert_eq!(running.end().await, Some(1));
    let status = stdout(&call(&data, &["status", &job]), 0);
    assert!(status.contains(&cure), "{status}");

    let args: Vec<_> = cure.split_whitespace().skip(1).collect();
    let went_on = cagent(&data, &args).output().unwrap();
    let text = stdout(&went_on, 0);
    assert!(text.contains("    went on\n"), "{went_on:?}");
    let over = text.lines().find_map(|line| line.strip_prefix("job ")).unwrap();
    let refused = refusal(&call(&data, &["resume", over]));
    assert!(refused.contains("the job ended as complete. Only a job whose sandbox"), "{refused}");
}

/// A job's helper.
fn helper(job: &str) -> Pid {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let of_job = |name: &str| {
        let line = std::fs::read(format!("/proc/{name}/cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        (line.contains(job) && !line.contains("cagent run")).then_some(())?;
        Pid::from_raw(name.parse().ok()?)
    };
    let all = processes.filter_map(|entry| of_job(entry.file_name().to_str()?));
    all.into_iter().next().expect("the job's helper")
}

#[test]
fn a_directory_that_is_no_backup_is_called_so() {
    let data = DataDir::new();
    let folder = data.path().parent().unwrap();
    std::fs::write(folder.join("file"), "").unwrap();
    for name in [".", "file", "nowhere"] {
        let refused = refusal(&call(&data, &["restore", name]));
        let why = format!("{name} is not a whole backup: it has no manifest.json");
        assert!(refused.contains(&why) && !refused.contains("os error"), "{refused}");
    }
}
