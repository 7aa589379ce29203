//! A disk that fails: `strace` lets syncs and writes of the store's files fail, here and there.
//!
//! What a failed sync did not write is believed by the system to be written. So whenever a later one
//! succeeds, what an earlier one lost must have been written again before, or a change is answered as
//! durable that a power cut takes away.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use store::{Durability, JobFilter, NewJob, Store, StoreError};
use tempfile::TempDir;
use types::{EventKind, JobId, Mode, NoticeLevel};

/// Names the store's directory where `strace` is at work.
const TRACED: &str = "TRACED_STORE";

/// Set where it fails for want of room only.
const FULL: &str = "FULL_STORE";

/// Set where somebody reads now and then while the log goes into the file, to [`BEHIND`] or
/// [`FOLLOWED`], as it is in the end.
const READ: &str = "READ_STORE";

const BEHIND: &str = "behind";
const FOLLOWED: &str = "followed";

/// The change that is too long then for SQLite to hold it in memory until the transaction ends.
const LONG: usize = 5;

/// The unit in which a system keeps what is to be written.
const PAGE: u64 = 4096;

#[test]
fn nothing_that_a_failed_sync_lost_counts_as_written() {
    let home = fresh();
    let failed = traced(&home, "inject=fsync,fdatasync:error=EIO:when=10+7");
    assert!(failed > 20, "only {failed} syncs failed");
}

#[test]
fn writes_that_fail_change_nothing() {
    let home = fresh();
    let failed = traced(&home, "inject=pwrite64:error=EIO:when=100+1501");
    assert!(failed > 5, "only {failed} writes failed");
}

/// Beside a reader nothing of what goes into the file is synced, and a later sync may lose it.
#[test]
fn what_the_file_lost_comes_from_the_log_again_after_a_restart() {
    let home = fresh();
    let [fails, well] = [("1+2", BEHIND), ("65535", FOLLOWED)].map(|(when, then)| {
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={when}");
        let mut strace = strace(&home, &inject);
        run(strace.arg("-P").arg(home.path().join("cagent.db")).env(READ, then), &home)
    });
    assert!(well.contains("sync("), "the log never went into the file");
    assert!(judge(&[fails, well].concat(), BTreeMap::new()) > 0, "no sync failed");
}

/// Who had the store before may have died of a sync that failed.
#[test]
fn what_a_log_holds_is_written_again_before_the_schema_changes() {
    let home = TempDir::new().unwrap();
    let db = Connection::open(home.path().join("cagent.db")).unwrap();
    db.execute_batch(include_str!("schemas/5.sql")).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    assert!(db.execute("UPDATE jobs SET title = 'hi'", []).unwrap() > 0);
    drop(db);
    let log = home.path().join("cagent.db-wal");
    let lost = (0..log.metadata().unwrap().len().div_ceil(PAGE)).collect();
    let trace = run(strace(&home, "inject=fsync:error=EIO:when=65535").arg("-P").arg(&log), &home);
    let lost = Pages { lost, ..Pages::default() };
    judge(&trace, BTreeMap::from([(log.to_str().unwrap(), lost)]));
}

/// A quota has an error of its own, and so has the index of the log; the log's own fails while a long
/// change is made as well as at its end.
#[test]
fn want_of_room_is_known_whatever_sqlite_says_of_it() {
    let at_once = |call: &str| format!("inject=pwrite64:error={call}:when=200..260");
    for (inject, of) in [
        (at_once("EDQUOT"), None),
        (at_once("ENOSPC"), None),
        ("inject=pwrite64:error=ENOSPC:when=1".into(), Some("cagent.db-shm")),
    ] {
        let home = fresh();
        let mut strace = strace(&home, &inject);
        strace.args(of.map(|of| home.path().join(of)).iter().flat_map(|of| [Path::new("-P"), of]));
        let trace = run(strace.env(FULL, "1"), &home);
        assert!(trace.contains("(INJECTED)"), "{inject}");
    }
}

/// With a new store.
fn fresh() -> TempDir {
    let home = TempDir::new().unwrap();
    drop(Store::open(&home.path().join("cagent.db")).unwrap());
    home
}

/// Changes a store under this fault of its files; tells how many calls failed.
fn traced(home: &TempDir, inject: &str) -> usize {
    let path = home.path().join("cagent.db");
    let mut strace = strace(home, inject);
    strace.arg("-P").arg(&path).arg("-P").arg(home.path().join("cagent.db-wal"));
    judge(&run(&mut strace, home), BTreeMap::new())
}

fn strace(home: &TempDir, inject: &str) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-s", "0", "-o"]).arg(home.path().join("trace"));
    strace.args(["-e", "trace=pwrite64,ftruncate,fsync,fdatasync", "-e", inject]);
    strace
}

/// Changes a store under this; what was traced.
fn run(strace: &mut Command, home: &TempDir) -> String {
    strace.arg(std::env::current_exe().unwrap()).args(["--exact", "under_strace", "--ignored"]);
    let ran = strace.env(TRACED, home.path()).output().expect("`strace`: install it");
    let told = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(ran.status.success() && told.contains("1 passed"), "{told}");
    std::fs::read_to_string(home.path().join("trace")).unwrap()
}

#[tokio::test]
#[ignore = "run by the others, under strace"]
async fn under_strace() {
    let home = std::env::var_os(TRACED).map(PathBuf::from).expect("run the other tests instead");
    let path = home.join("cagent.db");
    let store = loop {
        match Store::open(&path) {
            Ok(store) => break store,
            Err(e) => assert!(is_expected(&e), "{e:?}"),
        }
    };
    let before = store.jobs(JobFilter::default()).await.unwrap().len();
    let job = JobId::generate();
    insist(async || store.insert(new(job)).await.map(drop)).await;
    let (reads, mut reader) = (std::env::var(READ).ok(), None);
    for n in 0..changes() {
        match n % 100 {
            10 => reader = reads.as_ref().map(|_| reading(&path)),
            60 => reader = None,
            _ => {}
        }
        let durability = if n % 3 == 0 { Durability::Full } else { Durability::Grouped };
        insist(async || store.update(job, durability, move |d| d.append(now(), notice(n))).await)
            .await;
    }
    if let Some(then) = reads {
        let touched = store.touch().await.map(|()| FOLLOWED);
        let behind = |e| if matches!(e, StoreError::Behind { .. }) { BEHIND } else { "failed" };
        assert_eq!(touched.unwrap_or_else(behind), then);
    }
    drop((reader, store));
    verify(&path, job, before + 1).await;
}

/// Somebody who still sees what the store holds now.
fn reading(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    db.execute_batch("BEGIN; SELECT count(*) FROM events").unwrap();
    db
}

async fn insist(change: impl AsyncFn() -> Result<(), StoreError>) {
    let mut failed = vec![];
    for _ in 0..100 {
        match change().await {
            Ok(()) => return,
            Err(e) if is_expected(&e) => failed.push(e.to_string()),
            Err(e) => panic!("{e:?}"),
        }
    }
    panic!("it failed a hundred times: {failed:#?}");
}

fn is_expected(error: &StoreError) -> bool {
    error.is_disk_full() || !for_want_of_room() && !matches!(error, StoreError::NotFound(_))
}

/// How many are made.
fn changes() -> usize {
    if for_want_of_room() { 50 } else { 600 }
}

fn for_want_of_room() -> bool {
    std::env::var_os(FULL).is_some()
}

/// Each change once, in order, in a file that is whole.
async fn verify(path: &Path, job: JobId, jobs: usize) {
    let store = Store::open(path).unwrap();
    assert_eq!(store.jobs(JobFilter::default()).await.unwrap().len(), jobs);
    let mut events = vec![];
    while events.len() <= changes() {
        let page = store.events(job, events.len() as u64, 100).await.unwrap();
        assert!(!page.is_empty(), "only {} events", events.len());
        events.extend(page);
    }
    let told = events[1..].iter().map(|event| event.event.clone());
    assert!(told.eq((0..changes()).map(notice)));
    let db = Connection::open(path).unwrap();
    let whole: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
}

/// What the system has of a file.
#[derive(Default)]
struct Pages {
    dirty: BTreeSet<u64>,
    /// Taken for written, and not on the disk.
    lost: BTreeSet<u64>,
}

/// Follows the calls as a system does that forgets what it could not write, and has files that are
/// like that to begin with; tells how many failed.
fn judge<'a>(trace: &'a str, mut files: BTreeMap<&'a str, Pages>) -> usize {
    let mut failed = 0;
    for line in trace.lines() {
        let Some((call, file, rest)) = call(line) else { continue };
        let pages = files.entry(file).or_default();
        let error = line.contains("(INJECTED)");
        failed += usize::from(error);
        match (call, error) {
            ("pwrite64", false) => {
                let written = written(rest);
                pages.lost.retain(|page| !written.contains(page));
                pages.dirty.extend(written);
            }
            ("ftruncate", false) => {
                let kept = numbers(rest)[0].div_ceil(PAGE);
                pages.lost.retain(|page| *page < kept);
                pages.dirty.retain(|page| *page < kept);
            }
            ("fsync" | "fdatasync", true) => pages.lost.append(&mut pages.dirty),
            ("fsync" | "fdatasync", false) => {
                assert!(pages.lost.is_empty(), "believed, and lost: {:?} of {line}", pages.lost);
                pages.dirty.clear();
            }
            _ => {}
        }
    }
    failed
}

/// `1234 pwrite64(7</x/cagent.db-wal>, ""..., 4096, 32) = 4096`: the call, the file, the rest.
fn call(line: &str) -> Option<(&str, &str, &str)> {
    let (call, rest) = line.split_once(char::is_whitespace)?.1.trim_start().split_once('(')?;
    let (file, rest) = rest.split_once('<')?.1.split_once('>')?;
    Some((call, file, rest))
}

fn written(rest: &str) -> std::ops::RangeInclusive<u64> {
    let [bytes, at, ..] = numbers(rest)[..] else { panic!("{rest}") };
    at / PAGE..=(at + bytes - 1) / PAGE
}

fn numbers(rest: &str) -> Vec<u64> {
    let arguments = rest.split(')').next().unwrap_or_default();
    arguments.split(", ").filter_map(|number| number.trim().parse().ok()).collect()
}

fn new(id: JobId) -> NewJob {
    let first = EventKind::Scheduled { mode: Mode::Runbook };
    NewJob { id, created: now(), spec: support::spec(), first, key: None }
}

fn notice(n: usize) -> EventKind {
    let bytes = if n == LONG && for_want_of_room() { 4_000_000 } else { 20_000 };
    EventKind::Notice { level: NoticeLevel::Info, text: format!("{n} {}", "x".repeat(bytes)) }
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}
