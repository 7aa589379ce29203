//! `cagent run` on its own, with the server in its process.

use testkit::DataDir;

use crate::support::{Running, bare, bash, call, call_with, json, refusal, stdout};

#[test]
fn a_task_is_shown_step_by_step_and_leaves_a_zip() {
    let data = DataDir::new();
    let text = stdout(&call(&data, &["run", &bash("echo hello | tee hello.txt")]), 0);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("job "), "{text}");
    assert!(lines.contains(&"[1] bash: echo hello | tee hello.txt"), "{text}");
    assert!(lines.contains(&"    hello"), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("[1] ok, ")), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("complete, ")), "{text}");
    assert!(!text.contains('\x1b'), "colours in a pipe: {text:?}");
    let zip = std::fs::read(lines.last().unwrap()).unwrap();
    assert!(zip.starts_with(b"PK"), "{text}");
}

#[test]
fn a_task_comes_from_a_file_and_its_zip_goes_where_it_is_wanted() {
    let data = DataDir::new();
    let folder = data.path().parent().unwrap();
    std::fs::write(folder.join("task.md"), bash("echo from a file")).unwrap();
    let text = stdout(&call(&data, &["run", "task.md", "--output", "result.zip"]), 0);
    assert!(text.contains("    from a file\n"), "{text}");
    assert!(text.ends_with("\nresult.zip\n"), "{text}");
    assert!(std::fs::read(folder.join("result.zip")).unwrap().starts_with(b"PK"));
}

#[test]
fn a_task_comes_from_standard_input() {
    let data = DataDir::new();
    let text = stdout(&call_with(&data, &["run", "-"], &bash("echo from a pipe")), 0);
    assert!(text.contains("    from a pipe\n"), "{text}");
}

#[test]
fn the_exit_code_is_that_of_the_step_that_failed() {
    let data = DataDir::new();
    let text = stdout(&call(&data, &["run", &bash("echo oh no >&2; exit 7")]), 7);
    assert!(text.contains("    oh no\n"), "{text}");
    assert!(text.contains("[1] failed, exit code 7, "), "{text}");
    assert!(text.contains("\nerror, "), "{text}");
    // What a shell says of a signal is no exit code of ours.
    stdout(&call(&data, &["run", &bash("kill -KILL $$")]), 1);
}

#[test]
fn json_is_all_that_is_printed() {
    let data = DataDir::new();
    let job = json(&call(&data, &["-o", "json", "run", &bash("echo hello; exit 3")]), 3);
    assert_eq!(job["status"], "error");
    assert_eq!(job["exit_code"], 3);
    assert!(std::fs::exists(job["output"].as_str().unwrap()).unwrap(), "{job}");
}

#[test]
fn what_a_job_writes_commands_no_terminal() {
    let data = DataDir::new();
    let hostile = bash(r"printf '\033[2J\033]0;title\007\010\377evil\n'");
    let text = stdout(&call(&data, &["run", &hostile]), 0);
    assert!(text.contains("evil\n"), "{text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}

#[test]
fn plain_language_is_refused_with_the_ways_to_go_on() {
    let data = DataDir::new();
    let text = refusal(&call(&data, &["run", "Create a Python script"]));
    assert!(text.contains("no model") && text.contains("```bash"), "{text}");
    let text = refusal(&call(&data, &["run", "forgotten.md"]));
    assert!(text.contains("there is no file forgotten.md"), "{text}");
}

#[test]
fn an_env_file_is_read_and_variables_win() {
    let data = DataDir::new();
    let folder = data.path().parent().unwrap();
    std::fs::write(folder.join(".env"), "CAGENT_DATA_DIR=by-file\nAGENT_OUTPUT_DIR=out\n").unwrap();
    stdout(&bare(&data).arg("ps").output().unwrap(), 0);
    assert!(folder.join("by-file/cagent.db").exists() && folder.join("out").exists());
    stdout(&bare(&data).arg("ps").env("CAGENT_DATA_DIR", "by-variable").output().unwrap(), 0);
    assert!(folder.join("by-variable/cagent.db").exists());
}

#[tokio::test]
async fn ctrl_c_cancels_the_job_and_packs_what_there_is() {
    let data = DataDir::new();
    let runbook = bash("echo started > begun.txt; echo begun; sleep 1000");
    let mut run = Running::start(&data, &["run", &runbook]);
    run.line_with("    begun").await;
    run.interrupt();
    run.line_with("cancelling").await;
    run.line_with(": 1 file, ").await;
    assert_eq!(run.end().await, Some(130));
}
