//! The life of a job.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use jobs::ScheduleRequest;
use protocol::Verdict;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use types::{
    EgressVerdict, EventKind, JobStatus, Network, PartialLimits, Reason, StepOutcome, Stream,
};

use crate::support::{
    Agent, Doing, HELLO, PATIENCE, Setup, chatter, crash, fail, obey, request, started, stutter,
    succeed,
};

#[tokio::test]
async fn a_job_runs_and_leaves_its_result_only() {
    let setup = Setup::new(succeed, 1).await;
    let job = setup.schedule().await;
    let (record, events) = setup.end(job).await;
    assert_eq!(record.status, JobStatus::Complete, "{events:#?}");
    assert_eq!(setup.list().await[0].title, "Hello");
    let zip = std::fs::metadata(setup.jobs.zip_path(job)).unwrap();
    assert_eq!(record.zip_bytes, Some(zip.len()));
    let log = std::fs::read_to_string(setup.jobs.log_path(job, Stream::Stdout)).unwrap();
    assert_eq!(log, "hello\n");
    let text = events.iter().find_map(|event| match &event.event {
        EventKind::Output { text, .. } => text.clone(),
        _ => None,
    });
    assert_eq!(text.as_deref(), Some("hello\n"));
    assert_eq!(setup.sandboxes().await, 0);
    let left: Vec<_> = std::fs::read_dir(setup.jobs.zip_path(job).parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "output.zip and stdout.log, nothing temporary: {left:?}");
}

#[tokio::test]
async fn what_was_written_and_not_recorded_is_in_no_log() {
    let setup = Setup::new(obey, 1).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    let log = setup.jobs.log_path(job, Stream::Stdout);
    std::fs::write(&log, "what an orchestrator wrote before it was killed").unwrap();
    setup.jobs.cancel(job).await.unwrap();
    let (record, _) = setup.end(job).await;
    assert_eq!(record.status, JobStatus::Cancelled);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "");
}

#[tokio::test]
async fn a_failed_step_ends_the_job_with_its_exit_code() {
    let setup = Setup::new(fail, 1).await;
    let (record, _) = setup.end(setup.schedule().await).await;
    assert_eq!(record.status, JobStatus::Error);
    let ending = record.ending.unwrap();
    assert_eq!((ending.reason, ending.exit_code), (Reason::StepFailed, Some(3)));
    assert!(record.zip_bytes.is_some(), "packaged all the same");
}

#[tokio::test]
async fn a_lost_agent_is_an_error_and_its_step_is_interrupted() {
    let setup = Setup::new(crash, 1).await;
    let (record, events) = setup.end(setup.schedule().await).await;
    assert_eq!(record.ending.unwrap().reason, Reason::SandboxLost);
    let interrupted = EventKind::StepFinished {
        step: 1,
        outcome: StepOutcome::Interrupted,
        exit_code: None,
        millis: 0,
    };
    assert!(events.iter().any(|event| event.event == interrupted), "{events:#?}");
}

#[tokio::test]
async fn a_running_job_is_cancelled() {
    let setup = Setup::new(obey, 1).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    let first = setup.jobs.cancel(job).await.unwrap();
    let second = setup.jobs.cancel(job).await.unwrap();
    assert!(first.cancelled && second.cancelled);
    let (record, events) = setup.end(job).await;
    assert_eq!(record.status, JobStatus::Cancelled);
    let requests = events.iter().filter(|event| event.event == EventKind::CancelRequested).count();
    assert_eq!(requests, 1, "a second cancel says nothing new");
    let late = setup.jobs.cancel(job).await.unwrap();
    assert_eq!((late.cancelled, late.status), (true, JobStatus::Cancelled));
    assert_eq!(setup.sandboxes().await, 0);
}

#[tokio::test]
async fn a_store_that_fails_for_a_while_loses_nothing() {
    let setup = Setup::new(obey, 1).await;
    let (running, waiting) = (setup.schedule().await, setup.schedule().await);
    setup.until(running, started).await;
    setup.jobs.cancel(running).await.unwrap();
    // Longer than the store waits for a lock, so that changes really fail.
    let path = setup.home.path().join("data/cagent.db");
    let held = tokio::task::spawn_blocking(move || {
        let other = rusqlite::Connection::open(path).unwrap();
        other.busy_timeout(PATIENCE).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        std::thread::sleep(Duration::from_secs(7));
    });
    assert_eq!(setup.end(running).await.0.status, JobStatus::Cancelled);
    held.await.unwrap();
    setup.until(waiting, started).await;
    setup.jobs.cancel(waiting).await.unwrap();
    assert_eq!(setup.end(waiting).await.0.status, JobStatus::Cancelled);
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_and_has_a_result() {
    let setup = Setup::new(obey, 1).await;
    let running = setup.schedule().await;
    setup.until(running, started).await;
    let waiting = setup.schedule().await;
    assert!(setup.jobs.cancel(waiting).await.unwrap().cancelled);
    let (record, events) = setup.end(waiting).await;
    assert_eq!(record.status, JobStatus::Cancelled);
    assert!(record.zip_bytes.is_some());
    assert!(!events.iter().any(|event| event.event == EventKind::Starting));
    setup.jobs.cancel(running).await.unwrap();
    setup.end(running).await;
}

#[tokio::test]
async fn a_finished_job_cannot_be_cancelled() {
    let setup = Setup::new(succeed, 1).await;
    let job = setup.schedule().await;
    setup.end(job).await;
    let late = setup.jobs.cancel(job).await.unwrap();
    assert_eq!((late.cancelled, late.status), (false, JobStatus::Complete));
}

#[tokio::test]
async fn no_more_jobs_run_than_there_are_slots() {
    let setup = Setup::new(obey, 2).await;
    let mut jobs = vec![];
    for _ in 0..5 {
        jobs.push(setup.schedule().await);
    }
    for (at, job) in jobs.iter().enumerate() {
        setup.until(*job, started).await;
        assert!(setup.sandboxes().await <= 2);
        let later = jobs.get(at + 2).copied();
        if let Some(later) = later {
            assert_eq!(setup.jobs.get(later).await.unwrap().status, JobStatus::Scheduled);
        }
        setup.jobs.cancel(*job).await.unwrap();
        setup.end(*job).await;
    }
}

#[tokio::test]
async fn too_much_output_ends_the_job() {
    let setup = Setup::new(chatter, 1).await;
    let limits = PartialLimits { output_bytes: Some(1024), ..PartialLimits::default() };
    let job = setup.jobs.schedule(ScheduleRequest { limits, ..request(HELLO) }).await.unwrap();
    let (record, _) = setup.end(job).await;
    assert_eq!(record.ending.unwrap().reason, Reason::LimitOutput);
    let log = std::fs::metadata(setup.jobs.log_path(job, Stream::Stdout)).unwrap();
    assert_eq!(log.len(), 1024);
}

#[tokio::test]
async fn an_agent_that_skips_a_number_is_not_believed() {
    let setup = Setup::new(stutter, 1).await;
    let (record, _) = setup.end(setup.schedule().await).await;
    assert_eq!(record.ending.unwrap().reason, Reason::AgentFailed);
}

#[tokio::test]
async fn wall_time_ends_the_job() {
    let setup = Setup::new(|_| Box::pin(std::future::pending()), 1).await;
    let limits = PartialLimits { wall_seconds: Some(1), ..PartialLimits::default() };
    let job = setup.jobs.schedule(ScheduleRequest { limits, ..request(HELLO) }).await.unwrap();
    let (record, _) = setup.end(job).await;
    assert_eq!(record.ending.unwrap().reason, Reason::LimitWall);
}

/// Sends 4 bytes to where its variable says and reads what comes back; then asks for a host that
/// is not there.
fn talk(mut agent: Agent) -> Doing {
    Box::pin(async move {
        let tunnels = agent.client.tunnels();
        let mut server = tunnels.open(&agent.environment["SERVER"].parse().unwrap()).await.unwrap();
        server.write_all(b"ping").await.unwrap();
        let mut answer = String::new();
        server.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "pong pong");
        drop(server);
        tunnels.open(&"10.1.2.3:80".parse().unwrap()).await.unwrap_err();
        agent.output("12345").await;
        agent.finish(Verdict::Complete).await
    })
}

#[tokio::test]
async fn what_goes_through_the_gateway_is_told_and_summed() {
    let setup = Setup::new(talk, 1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let served = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        client.read_exact(&mut [0; 4]).await.unwrap();
        client.write_all(b"pong pong").await.unwrap();
    });
    let environment = BTreeMap::from([("SERVER".into(), server)]);
    let network = Some(Network::Open);
    let asked = ScheduleRequest { network, environment, ..request(HELLO) };
    let (record, events) = setup.end(setup.jobs.schedule(asked).await.unwrap()).await;
    served.await.unwrap();
    assert_eq!(record.status, JobStatus::Complete, "{:?}", record.ending);
    let usage = record.usage.unwrap();
    assert_eq!((usage.egress_sent_bytes, usage.egress_received_bytes), (Some(4), Some(9)));
    assert_eq!(usage.output_bytes, Some(5));
    let verdicts: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.event {
            EventKind::Egress { egress } => Some((&*egress.host, egress.verdict)),
            _ => None,
        })
        .collect();
    let wanted = [("127.0.0.1", EgressVerdict::Allowed), ("10.1.2.3", EgressVerdict::Refused)];
    assert_eq!(verdicts, wanted);
}

#[test]
fn a_runtime_that_goes_takes_a_long_queue_with_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let setup = runtime.block_on(async {
        let setup = Setup::new(chatter, 1).await;
        let first = setup.schedule().await;
        setup.until(first, |event| matches!(event, EventKind::Output { .. })).await;
        join_all((0..2000).map(|_| setup.schedule())).await;
        setup
    });
    // Nobody has stopped the service: each job that goes frees a slot for the next.
    drop(runtime);
    drop(setup);
}
