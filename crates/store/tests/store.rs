//! The store against a real file.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use jiff::Timestamp;
use proptest::prelude::*;
use store::{
    Durability, GivenUp, Inserted, JobFilter, KeptKey, NewJob, RequestKey, Store, StoreError,
};
use tempfile::TempDir;
use types::{
    ApiKey, Ending, EventKind, JobId, JobStatus, Mode, NoticeLevel, Resumes, Scope, StepKind,
    Waiting,
};

use crate::support::spec;

fn now() -> Timestamp {
    Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap()
}

fn notice(text: &str) -> EventKind {
    EventKind::Notice { level: NoticeLevel::Info, text: text.into() }
}

fn waiting() -> Waiting {
    Waiting::Approval { step: 1, kind: StepKind::Bash, title: "hi".into(), code: None }
}

fn new(key: Option<RequestKey>) -> NewJob {
    let first = EventKind::Scheduled { mode: Mode::Runbook };
    NewJob { id: JobId::generate(), created: now(), spec: spec(), first, key }
}

async fn new_job(store: &Store) -> JobId {
    let new = new(None);
    let job = new.id;
    assert_eq!(store.insert(new).await.unwrap(), Inserted::New);
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
            draft.state.waiting = Some(waiting());
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
    let listed = store.jobs(JobFilter::default()).await.unwrap().remove(0);
    assert_eq!((listed.title.as_str(), listed.waiting), ("hi", Some(waiting())));
    assert_eq!(store.unfinished().await.unwrap(), vec![]);
    assert_eq!(store.finished_outside(Timestamp::MIN..Timestamp::MIN).await.unwrap(), vec![job]);
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
    let again = store.insert(NewJob { id: job, ..new(None) });
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
async fn keys_survive_reopening_and_change_but_for_their_hash() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("cagent.db");
    let at = now();
    let key = |id: &str, revoked| {
        let (id, name, scope, created) = (id.into(), "bot".into(), Scope::Submit, at);
        ApiKey { id, name, scope, created, expires: Some(at), revoked }
    };
    let first = KeptKey { key: key("1", None), hash: [1; 32] };
    let second = KeptKey { key: key("2", None), hash: [2; 32] };
    let store = Store::open(&path).unwrap();
    assert_eq!(store.keys().await.unwrap(), []);
    for kept in [&first, &second, &KeptKey { key: key("1", Some(at)), hash: [9; 32] }] {
        store.save_key(kept.clone()).await.unwrap();
    }
    drop(store);
    let mut kept = Store::open(&path).unwrap().keys().await.unwrap();
    kept.sort_by_key(|kept| kept.hash);
    let revoked = KeptKey { key: key("1", Some(at)), ..first };
    assert_eq!(kept, [revoked, second]);
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

#[tokio::test]
async fn a_job_from_before_titles_stops_no_start() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("cagent.db");
    let job = JobId::generate();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(include_str!("../migrations/0001_jobs.sql")).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    let spec =
        r#"{"prompt":"","mode":"runbook","engine":"local","limits":{},"include_caches":false}"#;
    let sql = "INSERT INTO jobs (id, created, prompt, spec, status, last_seq) \
               VALUES (?1, 1000000, '# hi\n', ?2, 'running', 0)";
    db.execute(sql, (job.to_string(), spec)).unwrap();
    drop(db);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.job(job).await.unwrap().spec.title, "");
}

#[tokio::test]
async fn rows_of_the_first_version_are_read() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("cagent.db");
    let (old, running) = (JobId::generate(), JobId::generate());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(include_str!("../migrations/0001_jobs.sql")).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    // What version 0.1.0 wrote.
    let spec_json = r#"{"title":"hi","prompt":"","mode":"runbook","engine":"local","limits":{"cpus":2.0,"memory_bytes":2147483648,"processes":512,"open_files":4096,"file_bytes":4294967296,"wall_seconds":3600,"output_bytes":1073741824},"include_caches":false}"#;
    let ending = r#"{"status":"complete","reason":"finished","exit_code":0,"error":null}"#;
    let usage = r#"{"cpu_ms":7,"memory_peak_bytes":null,"oom_kills":0}"#;
    let sql = "INSERT INTO jobs (id, created, prompt, spec, status, completed, ending, usage, \
               last_seq) VALUES (?1, 1000000, '# hi\n', ?2, ?3, ?4, ?5, ?6, 1)";
    let done = (old.to_string(), spec_json, "complete", Some(2_000_000), Some(ending), Some(usage));
    db.execute(sql, done).unwrap();
    let open: (_, _, _, Option<i64>, Option<&str>, Option<&str>) =
        (running.to_string(), spec_json, "running", None, None, None);
    db.execute(sql, open).unwrap();
    let sql = "INSERT INTO events VALUES (?1, 1, 1000000, '{\"type\":\"starting\"}')";
    db.execute(sql, [old.to_string()]).unwrap();
    drop(db);

    let store = Store::open(&path).unwrap();
    let record = store.job(old).await.unwrap();
    assert_eq!((record.spec, record.status), (spec(), JobStatus::Complete));
    assert_eq!(record.usage.unwrap().cpu_ms, Some(7));
    assert_eq!(store.events(old, 0, 9).await.unwrap().len(), 1);
    let titles = store.jobs(JobFilter::default()).await.unwrap();
    assert_eq!(titles.iter().map(|job| &*job.title).collect::<Vec<_>>(), ["hi", "hi"]);
    assert_eq!(store.unfinished().await.unwrap()[0].id, running);
    let change = |draft: &mut store::Draft| draft.state.session.sent_bytes = 3;
    store.update(running, Durability::Full, change).await.unwrap();
    store.delete(old).await.unwrap();
    assert!(store.job(old).await.is_err());
    new_job(&store).await;
}

#[tokio::test]
async fn a_named_request_is_kept_once() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("cagent.db");
    let store = Store::open(&path).unwrap();
    let key =
        |fingerprint| Some(RequestKey { key: "order 1".into(), fingerprint: [fingerprint; 32] });
    let all = (0..300).map(|_| store.insert(new(key(1))));
    let answers: Vec<_> = futures_util::future::join_all(all).await;
    let made: Vec<_> = answers.iter().filter(|a| matches!(a, Ok(Inserted::New))).collect();
    let jobs = store.jobs(JobFilter::default()).await.unwrap();
    assert_eq!((made.len(), jobs.len()), (1, 1));
    let same = Inserted::Before(jobs[0].id);
    assert_eq!(answers.iter().filter(|a| matches!(a, Ok(it) if *it == same)).count(), 299);
    assert_eq!(store.insert(new(key(2))).await.unwrap(), Inserted::Other(jobs[0].id));
    drop(store);

    let store = Store::open(&path).unwrap();
    assert_eq!(store.insert(new(key(1))).await.unwrap(), same, "also after a restart");
    store.delete(jobs[0].id).await.unwrap();
    assert_eq!(store.insert(new(key(2))).await.unwrap(), Inserted::New, "its name goes with it");
}

#[tokio::test]
async fn jobs_are_listed_in_pages_and_by_status() {
    let home = TempDir::new().unwrap();
    let store = Store::open(&home.path().join("cagent.db")).unwrap();
    let mut made = vec![];
    for n in 0..25 {
        let job = new_job(&store).await;
        let error = |draft: &mut store::Draft| draft.state.status = JobStatus::Error;
        if n % 5 == 0 {
            store.update(job, Durability::Grouped, error).await.unwrap();
        }
        made.insert(0, job);
    }
    let list = async |filter| -> Vec<JobId> {
        store.jobs(filter).await.unwrap().iter().map(|job| job.id).collect()
    };
    assert_eq!(list(JobFilter::default()).await, made, "newest first");
    let mut paged = vec![];
    while paged.len() < 25 {
        let before = paged.last().copied();
        // What the cursor names may be gone by the time it is used.
        if let Some(gone) = before {
            store.delete(gone).await.unwrap();
        }
        paged.extend(list(JobFilter { before, limit: Some(7), ..JobFilter::default() }).await);
    }
    assert_eq!(paged, made);
    let failed = JobFilter { statuses: vec![JobStatus::Error], ..JobFilter::default() };
    let wanted: Vec<_> = list(failed).await;
    assert!(!wanted.is_empty() && wanted.iter().all(|job| made.contains(job)));
    let both = vec![JobStatus::Error, JobStatus::Scheduled];
    let both = list(JobFilter { statuses: both, ..JobFilter::default() }).await;
    assert_eq!(both, list(JobFilter::default()).await);
}

#[tokio::test]
async fn old_jobs_and_results_are_those_that_ended_oldest_first() {
    let home = TempDir::new().unwrap();
    let store = Store::open(&home.path().join("cagent.db")).unwrap();
    let at = |seconds| Timestamp::from_second(seconds).unwrap();
    let mut jobs = vec![];
    for (seconds, zip) in [(3000, Some(5)), (1000, None), (2000, Some(7))] {
        let job = new_job(&store).await;
        let end = move |draft: &mut store::Draft| {
            draft.state.status = JobStatus::Complete;
            (draft.state.completed, draft.state.zip_bytes) = (Some(at(seconds)), zip);
            (draft.state.session.stdout_bytes, draft.state.session.stderr_bytes) = (10, 100);
        };
        store.update(job, Durability::Full, end).await.unwrap();
        jobs.push(job);
    }
    let unfinished = new_job(&store).await;
    let held = |draft: &mut store::Draft| draft.state.session.stdout_bytes = 1 << 40;
    store.update(unfinished, Durability::Full, held).await.unwrap();
    let [third, first, second] = jobs[..] else { panic!() };
    let held = vec![(first, 110), (second, 117), (third, 115)];
    assert_eq!(store.results().await.unwrap(), held);
    let outside = |from, to| store.finished_outside(at(from)..at(to));
    assert_eq!(outside(1001, 3000).await.unwrap(), vec![first, third]);
    assert_eq!(outside(1000, 3001).await.unwrap(), vec![]);
    assert_eq!(outside(0, 0).await.unwrap(), vec![first, second, third]);
}

#[tokio::test]
async fn what_a_job_is_to_go_on_in_is_not_given_up() {
    let home = TempDir::new().unwrap();
    let store = Store::open(&home.path().join("cagent.db")).unwrap();
    let end = |kept| {
        move |draft: &mut store::Draft| {
            (draft.state.status, draft.state.completed) = (JobStatus::Error, Some(now()));
            draft.state.retire(kept);
        }
    };
    let resume = async |job| {
        let spec = types::JobSpec { resumes: Some(Resumes { job, step: None }), ..spec() };
        let new = NewJob { spec, ..new(None) };
        (new.id, store.insert(new).await.unwrap())
    };
    let nobody_may = async |job| {
        let old = store.finished_outside(Timestamp::MIN..Timestamp::MIN).await.unwrap();
        let held = store.results().await.unwrap();
        !old.contains(&job) && held.iter().all(|(held, _)| *held != job)
    };
    let old = new_job(&store).await;
    store.update(old, Durability::Full, end(true)).await.unwrap();
    assert_eq!(store.resumed_by(old).await.unwrap(), None);
    let (next, _) = resume(old).await;
    assert_eq!(store.resumed_by(old).await.unwrap(), Some(next));
    assert!(nobody_may(old).await);
    assert_eq!(store.give_up(old).await.unwrap(), GivenUp::Claimed(next));
    assert!(store.job(old).await.unwrap().kept);
    store.update(next, Durability::Full, end(false)).await.unwrap();
    assert!(!nobody_may(old).await);
    assert_eq!(store.give_up(old).await.unwrap(), GivenUp::Yes);
    assert_eq!(store.give_up(old).await.unwrap(), GivenUp::NotKept);
    store.delete(next).await.unwrap();
    assert_eq!(store.resumed_by(old).await.unwrap(), None);
    let late = new_job(&store).await;
    store.update(late, Durability::Full, end(true)).await.unwrap();
    assert_eq!(store.give_up(late).await.unwrap(), GivenUp::Yes);
    assert_eq!(resume(late).await.1, Inserted::NotKept(late));
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

/// What of this process leads to the file.
fn open_files(path: &std::path::Path) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to == path)).count()
}

#[tokio::test]
async fn a_burst_of_readers_waits_for_few_connections() {
    let home = TempDir::new().unwrap();
    let path = home.path().canonicalize().unwrap().join("cagent.db");
    let store = Store::open(&path).unwrap();
    let job = new_job(&store).await;
    for _ in 0..2 {
        let reads = (0..300).map(|_| store.job(job));
        for record in futures_util::future::join_all(reads).await {
            assert_eq!(record.unwrap().id, job);
        }
        let open = open_files(&path);
        assert!((2..=17).contains(&open), "{open} connections: the writer's and some readers'");
    }
}

#[test]
fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = TempDir::new().unwrap();
    let path = home.path().join("cagent.db");
    let mode = |name: &str| {
        let known = std::fs::metadata(home.path().join(name)).unwrap();
        known.permissions().mode() & 0o777
    };
    // As an older version, or somebody's umask, left it.
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    for _ in 0..2 {
        let store = Store::open(&path).unwrap();
        for name in ["cagent.db", "cagent.db-wal", "cagent.db-shm"] {
            assert_eq!(mode(name), 0o600, "{name}");
            let loose = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(home.path().join(name), loose).unwrap();
        }
        // As a process that dies leaves them.
        std::mem::forget(store);
    }
    let fresh = home.path().join("fresh.db");
    let _store = Store::open(&fresh).unwrap();
    assert_eq!((mode("fresh.db"), mode("fresh.db-wal")), (0o600, 0o600));
}
