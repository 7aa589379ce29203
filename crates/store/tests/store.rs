//! The store against a real file.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use store::{Durability, Store, StoreError};
use tempfile::TempDir;
use types::{Ending, EventKind, JobId, JobSpec, JobStatus, Limits, Mode, Network, NoticeLevel};

fn spec() -> JobSpec {
    JobSpec {
        title: "hi".into(),
        prompt: "# hi\n".into(),
        mode: Mode::Runbook,
        engine: "local".into(),
        limits: Limits::default(),
        network: Network::None,
        environment: BTreeMap::new(),
        include_caches: false,
    }
}

fn now() -> Timestamp {
    Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap()
}

fn notice(text: &str) -> EventKind {
    EventKind::Notice { level: NoticeLevel::Info, text: text.into() }
}

async fn new_job(store: &Store) -> JobId {
    let job = JobId::generate();
    let first = EventKind::Scheduled { mode: Mode::Runbook };
    store.insert(job, now(), spec(), first).await.unwrap();
    job
}

#[tokio::test]
async fn a_job_survives_reopening() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("cagent.db");
    let job = {
        let store = Store::open(&path).unwrap();
        let job = new_job(&store).await;
        let change = |draft: &mut store::Draft| {
            draft.state.status = JobStatus::Complete;
            draft.state.completed = Some(now());
            draft.state.ending = Some(Ending::complete());
            draft.state.session.key_hash = Some([7; 32]);
            draft.append(now(), EventKind::Ended { ending: Ending::complete() });
        };
        store.update(job, Durability::Full, change).await.unwrap();
        job
    };
    let store = Store::open(&path).unwrap();
    let record = store.job(job).await.unwrap();
    assert_eq!((record.status, record.last_seq), (JobStatus::Complete, 2));
    assert_eq!(record.spec, spec());
    let events = store.events(job, 0, 10).await.unwrap();
    assert_eq!(events[1].event, EventKind::Ended { ending: Ending::complete() });
    let kept = store.update(job, Durability::Grouped, |d| d.state.session.key_hash).await.unwrap();
    assert_eq!(kept, Some([7; 32]));
    assert_eq!(store.jobs().await.unwrap()[0].title, "hi");
    assert_eq!(store.unfinished().await.unwrap(), vec![]);
    assert_eq!(store.finished_before(Timestamp::MAX).await.unwrap(), vec![job]);
}

#[tokio::test]
async fn an_unknown_job_is_told_so() {
    let home = TempDir::new().unwrap();
    let store = Store::open(&home.path().join("cagent.db")).unwrap();
    let job = JobId::generate();
    assert!(matches!(store.job(job).await, Err(StoreError::NotFound(j)) if j == job));
    let update = store.update(job, Durability::Grouped, |_| ()).await;
    assert!(matches!(update, Err(StoreError::NotFound(j)) if j == job));
}

#[tokio::test]
async fn a_failed_change_takes_no_other_with_it() {
    let home = TempDir::new().unwrap();
    let store = Store::open(&home.path().join("cagent.db")).unwrap();
    let job = new_job(&store).await;
    let again = store.insert(job, now(), spec(), notice("twice"));
    let good = store.update(job, Durability::Grouped, |d| d.append(now(), notice("once")));
    let (again, good) = tokio::join!(again, good);
    assert!(matches!(again, Err(StoreError::Sqlite { .. })), "{again:?}");
    good.unwrap();
    let events = store.events(job, 0, 10).await.unwrap();
    assert_eq!(events.len(), 2, "{events:?}");
}

#[tokio::test]
async fn a_deleted_job_leaves_nothing() {
    let home = TempDir::new().unwrap();
    let store = Store::open(&home.path().join("cagent.db")).unwrap();
    let job = new_job(&store).await;
    store.delete(job).await.unwrap();
    assert!(store.job(job).await.is_err());
    assert_eq!(store.events(job, 0, 10).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_long_log_goes_in_pieces_and_gives_its_room_back() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("cagent.db");
    let store = Store::open(&path).unwrap();
    let (kept, job) = (new_job(&store).await, new_job(&store).await);
    let long = |draft: &mut store::Draft| {
        (0..12_000).for_each(|_| draft.append(now(), notice("a line of some length")));
    };
    store.update(job, Durability::Grouped, long).await.unwrap();
    let pages = || -> i64 {
        let db = rusqlite::Connection::open(&path).unwrap();
        db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap()
    };
    let before = pages();
    store.delete(job).await.unwrap();
    assert_eq!(store.events(job, 0, 10).await.unwrap(), vec![]);
    assert_eq!(store.events(kept, 0, 10).await.unwrap().len(), 1);
    assert!(pages() < before / 2, "{before} pages before, {} after", pages());
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("cagent.db");
    drop(Store::open(&path).unwrap());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    assert!(matches!(Store::open(&path), Err(StoreError::TooNew { found: 99, .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is appended by however many at once, and reopened in between: no gap, no repeat,
    /// nothing lost.
    #[test]
    fn seq_has_no_gaps(batches in prop::collection::vec((1usize..5, prop::bool::ANY), 1..12)) {
        let home = TempDir::new().unwrap();
        let path = home.path().join("cagent.db");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut store = Store::open(&path).unwrap();
            let job = new_job(&store).await;
            let mut expected = 1;
            for (count, reopen) in batches {
                let append = |_| store.update(job, Durability::Grouped, |d| d.append(now(), notice("x")));
                for done in futures_util::future::join_all((0..count).map(append)).await {
                    done.unwrap();
                }
                expected += count as u64;
                if reopen {
                    drop(store);
                    store = Store::open(&path).unwrap();
                }
            }
            let seqs: Vec<u64> = store.events(job, 0, 1000).await.unwrap().iter().map(|e| e.seq).collect();
            prop_assert_eq!(seqs, (1..=expected).collect::<Vec<_>>());
            prop_assert_eq!(store.job(job).await.unwrap().last_seq, expected);
            Ok(())
        })?;
    }
}
