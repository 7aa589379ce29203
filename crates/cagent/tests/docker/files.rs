//! The files of jobs whose workspace is a volume, while they run.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::Server;
use testkit::docker::{Daemon, IMAGE, OwnDaemon};
use tokio::time::timeout;
use types::{Event, EventKind, JobId, JobStatus, Reason, Stream};

use crate::support::Bed;

async fn runs(server: &Server, code: &str) -> JobId {
    let job = server.client().run(&format!("```bash\n{code}\necho up; sleep 1000\n```\n")).await;
    let said = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(job, said).await;
    job
}

#[tokio::test]
async fn they_are_listed_and_read_and_not_written() {
    let bed = Bed::bridged();
    let server = bed.server().await;
    let job = runs(&server, "mkdir d; for n in 1 2 3; do echo $n > d/$n; done").await;
    let get = async |path: &str| {
        let answer = server.client().get(&format!("/v1/jobs/{job}/files/{path}")).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, list) = get("d/").await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let names: Vec<_> = list["entries"].as_array().unwrap().iter().map(|e| &e["name"]).collect();
    assert_eq!((status, json!(names)), (200, json!(["1", "2", "3"])), "{list}");
    let all = join_all(["d/1", "d/2", "d/3"].map(get)).await;
    assert_eq!(all, ["1\n", "2\n", "3\n"].map(|text| (200, text.to_owned())));
    assert_eq!(get("d/4").await.0, 404);
}

#[tokio::test]
async fn a_daemon_that_hangs_is_told_and_holds_up_no_stop() {
    let mut docker = OwnDaemon::dockerd("");
    let bed = Bed::on(&docker.daemon().by_tcp());
    let server = bed.server().await;
    let job = runs(&server, "true").await;
    docker.freeze();
    let path = format!("/v1/jobs/{job}/files/");
    let answer = server.client().get(&path).await;
    let status = answer.status().as_u16();
    let problem: Value = answer.json().await.unwrap();
    assert_eq!((status, &problem["code"]), (503, &json!("sandbox_busy")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("docker version"), "{problem}");
    let url = format!("{}{path}", server.url());
    let ask = || Box::pin(async { testkit::http_client().get(&url).send().await.unwrap() });
    let mut asking = ask();
    // A failure is told for a moment to all who ask; after that somebody waits again.
    while let Ok(answer) = timeout(Duration::from_secs(1), &mut asking).await {
        assert_eq!(answer.status(), 503);
        asking = ask();
    }
    let begun = Instant::now();
    let (answer, stopped) = tokio::join!(asking, server.stop());
    assert!(stopped.success() && begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "stopping", "{problem}");
    docker.kill();
}

/// An image without `du`, with a volume; it goes with this.
struct Image(Daemon);

impl Image {
    const NAME: &str = "cagent-test-volume:latest";

    fn build(daemon: &Daemon) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("FROM {IMAGE}\nRUN rm /usr/bin/du && mkdir /data\nVOLUME /data/\n");
        std::fs::write(dir.path().join("Dockerfile"), text).unwrap();
        daemon.ask(&["build", "--quiet", "--tag", Self::NAME, &dir.path().to_string_lossy()]);
        Self(daemon.clone())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        self.0.docker(&["rmi", Self::NAME]);
    }
}

#[tokio::test]
async fn size_is_watched_without_du_and_volumes_of_the_image_are_in_memory() {
    let bed = Bed::bridged();
    let image = Image::build(&bed.daemon);
    let server = bed.server().await;
    let code = "stat -f -c %T /data\nmkdir hidden\n\
                head -c 40M /dev/zero > hidden/big; chmod 700 hidden; sleep 1000";
    let body = json!({
        "prompt": format!("```bash\n{code}\n```\n"), "mode": "runbook", "image": Image::NAME,
        "limits": { "disk_bytes": 20 << 20 },
    });
    let job = server.client().schedule(&body).await;
    let job = server.client().wait_end(job).await;
    assert_eq!((job.status, job.reason), (JobStatus::Error, Some(Reason::LimitDisk)), "{job:#?}");
    let log = server.client().log(job.job_id, Stream::Stdout).await;
    assert_eq!(String::from_utf8(log).unwrap(), "tmpfs\n");
    assert_eq!(bed.left(), Vec::<String>::new());
    drop(image);
}
