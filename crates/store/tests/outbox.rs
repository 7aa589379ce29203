//! What is to be told of jobs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::time::Duration;

use jiff::Timestamp;
use store::{Draft, Durability, Message, NewJob, Store, StoreError};
use tempfile::TempDir;
use types::{Ending, EventKind, JobId, JobStatus, Mode};

use crate::support::spec;

fn open() -> (TempDir, Store) {
    let home = TempDir::new().unwrap();
    let store = Store::open(&home.path().join("cagent.db")).unwrap();
    store.fill_outbox(true);
    (home, store)
}

async fn new_job(store: &Store) -> JobId {
    let (id, created) = (JobId::generate(), Timestamp::now());
    let first = EventKind::Scheduled { mode: Mode::Runbook };
    store.insert(NewJob { id, created, spec: spec(), first, key: None }).await.unwrap();
    id
}

/// As in a job's life.
async fn becomes(store: &Store, job: JobId, status: JobStatus) {
    let change = move |draft: &mut Draft| {
        draft.state.status = status;
        draft.state.ending = status.is_final().then(Ending::complete);
        draft.append(draft.now, EventKind::Packaging);
    };
    store.update(job, Durability::Grouped, change).await.unwrap();
}

async fn next(store: &Store) -> Message {
    store.next_message().await.unwrap().unwrap()
}

#[tokio::test]
async fn what_happens_is_kept_until_it_was_told_though_the_job_goes() {
    let (home, store) = open();
    let job = new_job(&store).await;
    let mut bell = Box::pin(store.new_message());
    tokio::select! {
        biased;
        () = &mut bell => panic!("nothing was told yet"),
        () = std::future::ready(()) => {}
    }
    becomes(&store, job, JobStatus::Running).await;
    tokio::time::timeout(Duration::from_secs(30), bell).await.unwrap();
    becomes(&store, job, JobStatus::Complete).await;
    store.delete(job).await.unwrap();
    drop(store);

    let store = Store::open(&home.path().join("cagent.db")).unwrap();
    let started = next(&store).await;
    assert_eq!((&*started.kind, started.seq, started.tries), ("job.started", 2, 0));
    assert_eq!((started.job.id, started.job.status), (job, JobStatus::Running));
    assert_eq!((&*started.job.title, started.due), ("hi", started.at));
    store.put_off(started.id, started.at + Duration::from_secs(9)).await.unwrap();
    let again = next(&store).await;
    assert_eq!((again.id, again.tries), (started.id, 1), "its end comes after its start");
    assert_eq!(again.due, started.at + Duration::from_secs(9));
    store.drop_message(started.id).await.unwrap();
    let ended = next(&store).await;
    assert_eq!((&*ended.kind, ended.seq), ("job.ended", 3));
    assert_eq!(ended.job.ending, Some(Ending::complete()));
    store.drop_message(ended.id).await.unwrap();
    assert_eq!(store.next_message().await.unwrap(), None);
}

#[tokio::test]
async fn a_message_that_cannot_be_told_holds_up_its_own_job_only() {
    let (_home, store) = open();
    let (one, other) = (new_job(&store).await, new_job(&store).await);
    for job in [one, other] {
        becomes(&store, job, JobStatus::Running).await;
    }
    becomes(&store, one, JobStatus::Complete).await;
    let first = next(&store).await;
    assert_eq!(first.job.id, one);
    store.put_off(first.id, first.at + Duration::from_secs(9)).await.unwrap();
    let second = next(&store).await;
    assert_eq!(second.job.id, other);
    store.drop_message(second.id).await.unwrap();
    assert_eq!(next(&store).await.id, first.id, "not the end of that job");
}

#[tokio::test]
async fn nothing_is_kept_for_nobody_and_of_too_much_the_newest() {
    let (home, store) = open();
    store.fill_outbox(false);
    let job = new_job(&store).await;
    becomes(&store, job, JobStatus::Running).await;
    assert_eq!(store.next_message().await.unwrap(), None);
    assert_eq!(store.census().await.unwrap().messages, 0);

    store.fill_outbox(true);
    becomes(&store, job, JobStatus::Complete).await;
    let db = rusqlite::Connection::open(home.path().join("cagent.db")).unwrap();
    let many = "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20010) \
                INSERT INTO outbox (job, seq, at, kind, summary, due) \
                SELECT 'x' || i, i, at, kind, summary, due FROM n, (SELECT * FROM outbox)";
    db.execute(many, []).unwrap();
    assert_eq!((store.census().await.unwrap().messages, store.crowded_out()), (20_011, 0));
    let job = new_job(&store).await;
    becomes(&store, job, JobStatus::Running).await;
    assert_eq!(store.census().await.unwrap().messages, 20_000);
    assert_eq!(next(&store).await.seq, 12, "the oldest went");
    assert_eq!((store.crowded_out(), store.crowded_out()), (12, 0));
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_named_and_can_be_dropped() {
    for damage in ["summary = '{'", "seq = -1", "tries = -1"] {
        let (home, store) = open();
        let (one, other) = (new_job(&store).await, new_job(&store).await);
        for job in [one, other] {
            becomes(&store, job, JobStatus::Running).await;
        }
        let first = next(&store).await.id;
        let db = rusqlite::Connection::open(home.path().join("cagent.db")).unwrap();
        db.execute(&format!("UPDATE outbox SET {damage} WHERE id = ?1"), [first]).unwrap();
        let error = store.next_message().await.unwrap_err();
        let said = error.to_string();
        let StoreError::BadMessage { id, job, .. } = error else { panic!("{damage}: {said}") };
        assert_eq!((id, job), (first, one.to_string()), "{said}");
        store.drop_message(id).await.unwrap();
        assert_eq!(next(&store).await.job.id, other);
    }
}

#[tokio::test]
async fn a_change_that_is_not_kept_is_not_told() {
    let (home, store) = open();
    let job = new_job(&store).await;
    let db = rusqlite::Connection::open(home.path().join("cagent.db")).unwrap();
    // As any failure after the change itself: here the message cannot be kept.
    db.execute_batch("ALTER TABLE outbox RENAME TO away").unwrap();
    let change = |draft: &mut Draft| draft.state.status = JobStatus::Running;
    store.update(job, Durability::Grouped, change).await.unwrap_err();
    assert_eq!(store.job(job).await.unwrap().status, JobStatus::Scheduled);
    db.execute_batch("ALTER TABLE away RENAME TO outbox").unwrap();
    becomes(&store, job, JobStatus::Running).await;
    assert_eq!(next(&store).await.kind, "job.started");
}
