//! Files of a job, one by one; the list of jobs in part; jobs that are deleted.

use std::fs;

use testkit::{DataDir, Server};
use types::EventKind;

use crate::support::{CAGENT, bash, call, json, refusal, stdout};

#[tokio::test]
async fn files_go_into_a_running_job_and_out_of_it() {
    let server = Server::start(CAGENT).await;
    let (data, client) = (server.data_dir(), server.client());
    let folder = data.path().parent().unwrap();
    let task = "mkdir out; echo made > out/x.txt; echo '[1]' > x.json; echo begun; \
                until [ -s in/go ]; do sleep 0.05; done; cp in/go 'out/a b'";
    let id = client.run(&bash(task)).await;
    let job = id.to_string();
    client.events_until(id, |e| matches!(e.event, EventKind::Output { .. })).await;

    let list = stdout(&call(data, &["files", &job]), 0);
    assert!(list.lines().any(|line| line.ends_with(" out/")), "{list}");
    let list = json(&call(data, &["files", &job, "out", "-o", "json"]), 0);
    assert_eq!(list["entries"][0]["name"], "x.txt");
    assert_eq!(call(data, &["cp", &format!("{job}:out/x.txt"), "-"]).stdout, b"made\n");

    let directory = refusal(&call(data, &["cp", &format!("{job}:out"), "taken"]));
    assert!(directory.contains("out is a directory; files are copied one by one"), "{directory}");
    assert!(!folder.join("taken").exists());
    assert_eq!(call(data, &["cp", &format!("{job}:x.json"), "-"]).stdout, b"[1]\n");

    fs::write(folder.join("go"), "went\n").unwrap();
    let into = stdout(&call(data, &["cp", "go", &format!("{job}:in/")]), 0);
    assert!(into.starts_with("in/go, 5 bytes"), "{into}");
    client.wait_end(id).await;

    stdout(&call(data, &["cp", &format!("{}:out/a b", &job[20..]), "."]), 0);
    assert_eq!(fs::read(folder.join("a b")).unwrap(), b"went\n");
    let directory = refusal(&call(data, &["cp", &format!("{job}:out"), "-"]));
    assert!(directory.contains("out is a directory"), "{directory}");
    let over = refusal(&call(data, &["cp", "go", &format!("{job}:late")]));
    assert!(over.contains("over"), "{over}");
    let missing = refusal(&call(data, &["cp", &format!("{job}:nothing"), "x"]));
    assert!(missing.contains("`cagent files JOB`"), "{missing}");
    assert!(!folder.join("x").exists());
}

#[test]
fn what_cannot_be_copied_is_refused() {
    let data = DataDir::new();
    let job = "018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f:";
    for (from, to, said) in [
        ("a", "b", "cagent cp JOB:PATH FILE"),
        (job, job, "cagent cp JOB:PATH FILE"),
        (job, ".", "name the file in the job"),
        (".", job, "name the file"),
        (".", &format!("{job}x"), "one by one"),
        ("missing", job, "read missing: No such file"),
    ] {
        let text = refusal(&call(&data, &["cp", from, to]));
        assert!(text.contains(said), "{from} {to}: {text}");
    }
    assert!(!data.path().exists());
}

#[tokio::test]
async fn a_job_is_deleted_once_it_is_over() {
    let server = Server::start(CAGENT).await;
    let (data, client) = (server.data_dir(), server.client());
    let done = client.run(&bash("true")).await;
    client.wait_end(done).await;
    let running = client.run(&bash("sleep 1000")).await;

    let refused = refusal(&call(data, &["delete", &running.to_string()]));
    assert!(refused.contains("`cagent cancel JOB`"), "{refused}");
    // A name that is none costs nobody anything.
    refusal(&call(data, &["delete", &done.to_string(), "ffff"]));
    let deleted = stdout(&call(data, &["delete", &done.to_string()]), 0);
    assert_eq!(deleted, format!("job {done} is deleted\n"));
    let gone = refusal(&call(data, &["status", &done.to_string()]));
    assert!(gone.contains("`cagent ps`"), "{gone}");
    assert!(!data.path().join("jobs").join(done.to_string()).exists());

    client.cancel(running).await;
    client.wait_end(running).await;
    let deleted = json(&call(data, &["delete", &running.to_string(), "-o", "json"]), 0);
    assert_eq!(deleted["deleted"][0], running.to_string());
    assert!(client.jobs().await.jobs.is_empty());
}

#[tokio::test]
async fn a_part_of_the_list() {
    let server = Server::start(CAGENT).await;
    let (data, client) = (server.data_dir(), server.client());
    let mut ids = Vec::new();
    for task in ["true", "exit 1", "true"] {
        let id = client.run(&bash(task)).await;
        client.wait_end(id).await;
        ids.push(id.to_string());
    }
    let jobs = |args: &[&str]| -> Vec<String> {
        let list = json(&call(data, &[&["ps", "-o", "json"], args].concat()), 0);
        let jobs = list["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["job_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(jobs(&[]), [&*ids[2], &*ids[1], &*ids[0]]);
    assert_eq!(jobs(&["--limit", "1"]), [&*ids[2]]);
    assert_eq!(jobs(&["--status", "error,cancelled"]), [&*ids[1]]);
    assert_eq!(jobs(&["--status", "complete", "--limit", "1"]), [&*ids[2]]);
}
