//! `cagent run` on its own, with the server in its process.

use rustix::process::Signal;
use testkit::DataDir;

use crate::support::{Running, bare, bash, cagent, call, call_with, json, refusal, stdout};

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

/// As when the log's disk is full or its reader has gone.
#[test]
fn a_log_that_cannot_be_written_hurts_nothing() {
    let data = DataDir::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = cagent(&data, &["run", &bash("echo hello")]);
    let output = command.env("RUST_LOG", "debug").stderr(full).output().unwrap();
    assert!(stdout(&output, 0).contains("    hello\n"));
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
    assert!(text.contains("\nerror (step_failed), "), "{text}");
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
    let task = bash("true");
    stdout(&bare(&data).args(["run", &task]).output().unwrap(), 0);
    assert!(folder.join("by-file/cagent.db").exists() && folder.join("out").exists());
    stdout(
        &bare(&data).args(["run", &task]).env("CAGENT_DATA_DIR", "by-variable").output().unwrap(),
        0,
    );
    assert!(folder.join("by-variable/cagent.db").exists());
}

#[tokio::test]
async fn ctrl_c_cancels_the_job_and_packs_what_there_is() {
    let data = DataDir::new();
    let runbook = bash("echo started > begun.txt; echo begun; sleep 1000");
    let mut run = Running::start(&data, &["run", &runbook]);
    run.line_with("    begun").await;
    run.signal(Signal::INT);
    run.line_with("cancelling").await;
    run.line_with(": 1 file, ").await;
    assert_eq!(run.end().await, Some(130));
}

#[tokio::test]
async fn term_and_the_loss_of_the_terminal_do_so_too() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let data = DataDir::new();
        let mut run = Running::start(&data, &["run", &bash("echo begun; sleep 1000")]);
        run.line_with("    begun").await;
        run.signal(signal);
        assert_eq!(run.end().await, Some(code));
        let job = &json(&call(&data, &["ps", "-o", "json"]), 0)["jobs"][0];
        assert_eq!(job["status"], "cancelled");
    }
}

#[tokio::test]
async fn a_zip_that_cannot_be_saved_is_not_lost() {
    let data = DataDir::new();
    let folder = data.path().parent().unwrap().join("results");
    std::fs::create_dir(&folder).unwrap();
    let task = bash("echo begun; sleep 1000");
    let mut run = Running::start(&data, &["run", &task, "--output", "results/x.zip"]);
    let job = run.line_with("job ").await.trim_start_matches("job ").to_owned();
    run.line_with("    begun").await;
    std::fs::remove_dir(&folder).unwrap();
    run.signal(Signal::INT);
    let said = run.said().await;
    assert!(said.contains(&format!("`cagent download {job}`")), "{said}");
    assert!(said.contains("save results/x.zip: there is no directory results"), "{said}");
    assert_eq!(run.end().await, Some(2));
}

#[test]
fn limits_and_caches_are_asked_for() {
    let data = DataDir::new();
    let task = bash("mkdir node_modules && echo x > node_modules/x");
    let wishes = ["--limit", "memory_bytes=64M", "--limit", "wall_seconds=5m", "--include-caches"];
    let job = json(&call(&data, &[&["-o", "json", "run", &task][..], &wishes].concat()), 0);
    assert_eq!(job["limits"]["memory_bytes"], 64 << 20);
    assert_eq!(job["limits"]["wall_seconds"], 300);
    assert_eq!(job["include_caches"], true);
}

#[test]
fn what_is_not_in_the_zip_is_said() {
    let text = stdout(&call(&DataDir::new(), &["run", &bash("mkfifo f")]), 0);
    assert!(text.contains(", 1 left out (see .cagent/manifest.json in it)\n"), "{text}");
}

#[test]
fn an_engine_that_is_not_there_is_told_once() {
    let data = DataDir::new();
    let away = |args: &[&str]| {
        let mut command = cagent(&data, args);
        let output = command.env("DOCKER_HOST", "unix:///nowhere/docker.sock").output().unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let said = away(&["run", "--engine", "docker", &bash("true")]);
    assert!(said.contains("error (sandbox_failed)"), "{said}");
    assert_eq!(said.matches("systemctl start docker").count(), 1, "{said}");
    assert!(!said.contains("ERROR"), "{said}");
    let said = away(&["doctor", "--engine", "docker"]);
    assert!(said.contains("missing") && said.contains("systemctl start docker"), "{said}");
    let said = away(&["image", "ls"]);
    assert!(said.contains("systemctl start docker"), "{said}");
}
