//! Looking at many jobs, waiting for one, forgetting one.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jobs::{ForgetError, JobError, ListRequest};
use protocol::Verdict;
use types::{Event, EventKind, JobId, JobStatus};

use crate::support::{Agent, Doing, PATIENCE, Setup, obey, obey_later, started, succeed};

#[tokio::test]
async fn pages_hold_every_job_once() {
    let setup = Setup::new(obey, 1).await;
    let mut made = vec![];
    for _ in 0..10 {
        made.insert(0, setup.schedule().await);
    }
    let (mut seen, mut after) = (vec![], None);
    loop {
        let request = ListRequest { limit: Some(5), after, ..ListRequest::default() };
        let page = setup.jobs.list(&request).await.unwrap();
        seen.extend(page.jobs.iter().map(|job| job.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
    let running = *made.last().unwrap();
    setup.until(running, started).await;
    let request = ListRequest { statuses: vec![JobStatus::Running], ..ListRequest::default() };
    let page = setup.jobs.list(&request).await.unwrap();
    assert_eq!(page.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [running]);
    setup.jobs.stop().await;
}

#[tokio::test]
async fn whoever_waits_is_answered_at_the_end_or_when_patience_is() {
    let setup = Setup::new(obey, 1).await;
    let job = setup.schedule().await;
    let short = Duration::from_millis(30);
    let record = setup.jobs.wait_until_over(job, short).await.unwrap();
    assert!(!record.status.is_final());
    let waiting = setup.jobs.wait_until_over(job, PATIENCE);
    let (record, _) = tokio::join!(waiting, async {
        setup.until(job, started).await;
        setup.jobs.cancel(job).await.unwrap();
    });
    assert_eq!(record.unwrap().status, JobStatus::Cancelled);
    let began = Instant::now();
    setup.jobs.wait_until_over(job, PATIENCE).await.unwrap();
    assert!(began.elapsed() < PATIENCE / 2, "it was over");
    let nobody = setup.jobs.wait_until_over(JobId::generate(), PATIENCE).await;
    assert!(matches!(nobody, Err(JobError::NotFound(_))));
}

#[tokio::test]
async fn a_job_that_is_over_is_forgotten_at_once_and_no_other() {
    let setup = Setup::new(succeed, 1).await;
    let job = setup.schedule().await;
    setup.end(job).await;
    let folder = setup.jobs.zip_path(job).parent().unwrap().to_owned();
    setup.jobs.forget(job).await.unwrap();
    assert!(!folder.exists());
    assert!(matches!(setup.jobs.get(job).await, Err(JobError::NotFound(_))));
    let twice = setup.jobs.forget(job).await;
    assert!(matches!(twice, Err(ForgetError::Job(JobError::NotFound(_)))));
    assert!(setup.list().await.is_empty());

    let setup = Setup::new(obey, 1).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    let early = setup.jobs.forget(job).await;
    assert!(matches!(early, Err(ForgetError::NotOver(JobStatus::Running))), "{early:?}");
    setup.jobs.stop().await;
}

/// Who does not read costs nobody anything: neither the job nor those who do.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_follow_and_half_of_them_stall() {
    let setup = Setup::new(write_much, 1).await;
    let job = setup.schedule().await;
    let mut stalled = vec![];
    for _ in 0..250 {
        let mut follower = setup.jobs.follow(job, 0).await.unwrap();
        follower.next().await.unwrap();
        stalled.push(follower);
    }
    let reading = join_all((0..250).map(|_| setup.end(job))).await;
    let (_, events) = reading.into_iter().next_back().unwrap();
    let output = |event: &Event| matches!(event.event, EventKind::Output { .. });
    assert_eq!(events.iter().filter(|event| output(event)).count(), 100);
    for mut follower in stalled {
        let page = follower.next().await.unwrap().unwrap();
        assert!(page.iter().filter(|event| output(event)).count() <= 2, "64 KiB at one time");
    }
    for seen in [0, 1, 57, events.len() as u64] {
        let mut follower = setup.jobs.follow(job, seen).await.unwrap();
        let mut rest = vec![];
        while let Some(page) = follower.next().await.unwrap() {
            rest.extend_from_slice(&page);
        }
        assert_eq!(rest, events[seen as usize..]);
    }
}

/// What rings for hundreds is read once.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_read_together() {
    const WAITING: usize = 100;
    let setup = Setup::new(obey, 1).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    let seen = setup.jobs.get(job).await.unwrap().last_seq;
    let mut waiting = vec![];
    for _ in 0..WAITING {
        waiting.push(setup.jobs.follow(job, seen).await.unwrap());
    }
    setup.jobs.cancel(job).await.unwrap();
    let pages = join_all(waiting.iter_mut().map(|follower| follower.next())).await;
    let pages: Vec<_> = pages.into_iter().map(|page| page.unwrap().unwrap()).collect();
    let places: HashSet<_> = pages.iter().map(|page| page.as_ptr()).collect();
    assert!(places.len() < WAITING / 10, "{} read for themselves", places.len());
    assert!(pages.iter().all(|page| page[0].seq == seen + 1));
    setup.jobs.stop().await;
}

fn write_much(mut agent: Agent) -> Doing {
    Box::pin(async move {
        for _ in 0..100 {
            agent.output(&"x".repeat(protocol::MAX_DATA_BYTES)).await;
        }
        agent.finish(Verdict::Complete).await
    })
}

/// Prints how fast the service is with many jobs that wait.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; run it with --release --nocapture for its numbers"]
async fn ten_thousand_jobs_wait() {
    const JOBS: usize = 10_000;
    let setup = Setup::new(obey_later, 1).await;
    let began = Instant::now();
    for _ in 0..JOBS / 100 {
        join_all((0..100).map(|_| setup.schedule())).await;
    }
    println!("schedule, 100 at a time: {:.0} jobs/s", JOBS as f64 / began.elapsed().as_secs_f64());
    let list = async |what: &str, request: ListRequest| {
        let began = Instant::now();
        let page = setup.jobs.list(&request).await.unwrap();
        println!("list {what}: {} in {:?}", page.jobs.len(), began.elapsed());
        page
    };
    let all = list("all", ListRequest::default()).await.jobs;
    assert_eq!(all.len(), JOBS);
    let middle = Some(all[JOBS / 2].id);
    let hundred = ListRequest { limit: Some(100), after: middle, ..ListRequest::default() };
    list("100 from the middle", hundred.clone()).await;
    let statuses = vec![JobStatus::Running];
    list("running", ListRequest { statuses, ..hundred }).await;
    setup.jobs.stop().await;
    let Setup { home, engine, jobs } = setup;
    drop(jobs);
    let began = Instant::now();
    let jobs = crate::support::open(&home, &engine, 1).await.unwrap();
    println!("start with {JOBS} waiting: {:?}", began.elapsed());
    let began = Instant::now();
    for some in all.chunks(100) {
        for cancelled in join_all(some.iter().map(|job| jobs.cancel(job.id))).await {
            cancelled.unwrap();
        }
    }
    println!("cancel, 100 at a time: {:.0} jobs/s", JOBS as f64 / began.elapsed().as_secs_f64());
    for job in &all {
        assert!(jobs.wait_until_over(job.id, PATIENCE * 4).await.unwrap().status.is_final());
    }
    println!("all of them over: {:?}", began.elapsed());
}
