//! A daemon that dies in the middle of jobs.

use testkit::Server;
use testkit::docker::OwnDaemon;
use types::{Event, EventKind, JobId, JobStatus, Reason};

use crate::support::{Bed, assert_complete, run};

/// Goes on when `go` is there.
const WAITS: &str = "```bash\necho up; until test -e go; do sleep 0.1; done\n```\n";

async fn waiting(server: &Server) -> JobId {
    let job = server.client().run(WAITS).await;
    // Nobody looks at what it uses before the daemon has answered that it runs.
    let begun = |event: &Event| matches!(event.event, EventKind::Usage { .. });
    server.client().events_until(job, begun).await;
    job
}

/// A server on the daemon, and one on the same by TCP.
async fn both(docker: &OwnDaemon) -> [(Bed, Server); 2] {
    let (mounted, bridged) = (Bed::on(docker.daemon()), Bed::on(&docker.daemon().by_tcp()));
    let servers = (mounted.server().await, bridged.server().await);
    [(mounted, servers.0), (bridged, servers.1)]
}

#[tokio::test]
async fn the_jobs_of_a_daemon_that_is_killed_and_comes_back_are_lost() {
    let mut docker = OwnDaemon::dockerd("");
    let beds = both(&docker).await;
    let jobs = [waiting(&beds[0].1).await, waiting(&beds[1].1).await];
    docker.kill();
    docker.start_again();
    for ((bed, server), job) in beds.iter().zip(jobs) {
        let job = server.client().wait_end(job).await;
        assert_eq!(
            (job.status, job.reason),
            (JobStatus::Error, Some(Reason::SandboxLost)),
            "{job:#?}"
        );
        assert_complete(&run(server, "bash", "true").await);
        assert_eq!(bed.left(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_jobs_of_a_daemon_that_lets_containers_live_go_on() {
    let mut docker = OwnDaemon::dockerd("--live-restore");
    let beds = both(&docker).await;
    let jobs = [waiting(&beds[0].1).await, waiting(&beds[1].1).await];
    docker.kill();
    docker.start_again();
    for ((bed, server), job) in beds.iter().zip(jobs) {
        let go = ["exec", "-u", "1000", &bed.container(job), "touch", "/workspace/go"];
        bed.daemon.ask(&go);
        assert_complete(&server.client().wait_end(job).await);
        assert_eq!(bed.left(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_job_that_needs_no_daemon_any_more_goes_on_without() {
    let mut docker = OwnDaemon::dockerd("");
    let bed = Bed::on(docker.daemon());
    let server = bed.server().await;
    let job = waiting(&server).await;
    docker.kill();
    let workspace = server.data_dir().path().join(format!("docker/{job}/workspace"));
    std::fs::write(workspace.join("go"), "").unwrap();
    assert_complete(&server.client().wait_end(job).await);
    docker.start_again();
    drop(server);
    // What could not be removed is, by the next at the latest.
    let _server = bed.server().await;
    assert_eq!(bed.left(), Vec::<String>::new());
}
