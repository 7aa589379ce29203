//! A job's files, read and written from outside, in every part of its life.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use bytes::Bytes;
use engine::Engine;
use futures_util::TryStreamExt;
use jobs::{FileKind, FilesError, Jobs, ScheduleError, ScheduleRequest, Staged, WorkspacePath};
use types::{EventKind, JobId, JobStatus, PartialLimits, Reason};

use crate::support::{HELLO, Setup, claim, obey, obey_later, open, request, started};

fn path(text: &str) -> WorkspacePath {
    text.parse().unwrap()
}

async fn staged(jobs: &Jobs, files: &[(&str, &str)]) -> Staged {
    let staging = jobs.stage().await.unwrap();
    for (name, text) in files {
        let mut writer = staging.file(&path(name)).await.unwrap();
        writer.write(Bytes::copy_from_slice(text.as_bytes())).await.unwrap();
        assert!(writer.finish().await.unwrap(), "{name} is new");
    }
    staging.finish()
}

async fn put(jobs: &Jobs, job: JobId, name: &str, text: &str) -> Result<bool, FilesError> {
    let mut writer = jobs.write_file(job, &path(name)).await?;
    writer.write(Bytes::copy_from_slice(text.as_bytes())).await?;
    writer.finish().await
}

async fn text(jobs: &Jobs, job: JobId, name: &str) -> Result<String, FilesError> {
    let content = jobs.read_file(job, &path(name)).await?;
    let range = 0..content.bytes;
    let bytes: Vec<Bytes> = content.stream(range).try_collect().await?;
    Ok(String::from_utf8(bytes.concat()).unwrap())
}

async fn names(jobs: &Jobs, job: JobId, dir: &WorkspacePath) -> Vec<String> {
    let listing = jobs.files(job, dir).await.unwrap();
    assert_eq!(listing.more, 0);
    listing.entries.into_iter().map(|entry| entry.name).collect()
}

impl Setup {
    async fn with_inputs(&self, files: &[(&str, &str)]) -> JobId {
        let inputs = Some(staged(&self.jobs, files).await);
        self.jobs.schedule(ScheduleRequest { inputs, ..request(HELLO) }).await.unwrap()
    }

    async fn workspace(&self, job: JobId) -> PathBuf {
        let workspace = self.engine.workspace(job).await.unwrap();
        std::fs::read_link(workspace.path()).unwrap()
    }

    /// What lies in the data directory beside the store and the lock.
    fn kept_inputs(&self) -> usize {
        let count = |name: &str| {
            let folder = self.home.path().join("data").join(name);
            std::fs::read_dir(folder).map_or(0, Iterator::count)
        };
        count("staging") + count("inputs")
    }
}

#[tokio::test]
async fn input_files_are_in_the_workspace_then_in_the_zip_and_nowhere_else() {
    let setup = Setup::new(obey, 1).await;
    let files = [("data/in.csv", "a,b"), ("caf%E9%0A.txt", "odd"), ("main.py", "print(1)")];
    let (root, data) = (WorkspacePath::root(), path("data"));
    let job = setup.with_inputs(&files).await;
    setup.until(job, started).await;
    let workspace = setup.workspace(job).await;
    assert_eq!(std::fs::read_to_string(workspace.join("data/in.csv")).unwrap(), "a,b");
    assert_eq!(names(&setup.jobs, job, &root).await, ["caf%E9%0A.txt", "data", "main.py"]);
    setup.jobs.cancel(job).await.unwrap();
    setup.end(job).await;
    assert_eq!(names(&setup.jobs, job, &root).await, ["caf%E9%0A.txt", "data", "main.py"]);
    assert_eq!(names(&setup.jobs, job, &data).await, ["in.csv"]);
    for (name, content) in files {
        assert_eq!(text(&setup.jobs, job, name).await.unwrap(), content);
    }
    assert_eq!(setup.kept_inputs(), 0);
}

#[tokio::test]
async fn a_waiting_job_takes_files_until_it_begins() {
    let setup = Setup::new(obey, 1).await;
    let running = setup.schedule().await;
    setup.until(running, started).await;
    let waiting = setup.with_inputs(&[("a", "1")]).await;
    assert!(put(&setup.jobs, waiting, "b/c", "2").await.unwrap());
    assert!(!put(&setup.jobs, waiting, "a", "3").await.unwrap(), "replaced");
    assert_eq!(text(&setup.jobs, waiting, "a").await.unwrap(), "3");
    let late = setup.jobs.write_file(waiting, &path("late")).await.unwrap();
    setup.jobs.cancel(running).await.unwrap();
    setup.until(waiting, started).await;
    assert!(
        matches!(late.finish().await, Err(FilesError::NotYet)),
        "the workspace was made before"
    );
    assert_eq!(names(&setup.jobs, waiting, &WorkspacePath::root()).await, ["a", "b"]);
    setup.jobs.cancel(waiting).await.unwrap();
    setup.end(waiting).await;
    assert_eq!(text(&setup.jobs, waiting, "b/c").await.unwrap(), "2");
    assert_eq!(setup.kept_inputs(), 0);
}

#[tokio::test]
async fn a_running_workspace_is_read_and_written() {
    let setup = Setup::new(obey, 1).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    let workspace = setup.workspace(job).await;
    assert!(put(&setup.jobs, job, "new/deep/file", "hello").await.unwrap());
    assert_eq!(std::fs::read_to_string(workspace.join("new/deep/file")).unwrap(), "hello");
    assert!(!put(&setup.jobs, job, "new/deep/file", "again").await.unwrap());
    let unfinished = setup.jobs.write_file(job, &path("half")).await.unwrap();
    assert_eq!(names(&setup.jobs, job, &WorkspacePath::root()).await, ["new"]);
    drop(unfinished);
    assert_eq!(std::fs::read_dir(&workspace).unwrap().count(), 1, "nothing is left of it");
    assert!(matches!(put(&setup.jobs, job, "new", "x").await, Err(FilesError::NotAFile)));
    assert!(matches!(
        put(&setup.jobs, job, "new/deep/file/x", "x").await,
        Err(FilesError::NoSuchFile)
    ));
    assert!(matches!(text(&setup.jobs, job, "new").await, Err(FilesError::NotAFile)));
    assert!(matches!(text(&setup.jobs, job, "none").await, Err(FilesError::NoSuchFile)));
    let listed = setup.jobs.files(job, &path("new/deep/file")).await;
    assert!(matches!(listed, Err(FilesError::NotADirectory)));
    setup.jobs.cancel(job).await.unwrap();
    setup.end(job).await;
    assert_eq!(text(&setup.jobs, job, "new/deep/file").await.unwrap(), "again");
    assert!(matches!(text(&setup.jobs, job, "new").await, Err(FilesError::NotAFile)));
    assert!(matches!(text(&setup.jobs, job, "none").await, Err(FilesError::NoSuchFile)));
    assert!(matches!(put(&setup.jobs, job, "x", "x").await, Err(FilesError::Over)));
}

#[tokio::test]
async fn no_link_leads_out_of_a_workspace() {
    let setup = Setup::new(obey, 1).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    let workspace = setup.workspace(job).await;
    let outside = setup.home.path().join("secret");
    std::fs::write(&outside, "secret").unwrap();
    symlink(&outside, workspace.join("file")).unwrap();
    symlink(setup.home.path(), workspace.join("dir")).unwrap();
    assert!(matches!(text(&setup.jobs, job, "file").await, Err(FilesError::NotAFile)));
    assert!(matches!(text(&setup.jobs, job, "dir/secret").await, Err(FilesError::NoSuchFile)));
    assert!(matches!(put(&setup.jobs, job, "dir/new", "x").await, Err(FilesError::NoSuchFile)));
    assert!(matches!(setup.jobs.files(job, &path("dir")).await, Err(FilesError::NotADirectory)));
    let listing = setup.jobs.files(job, &WorkspacePath::root()).await.unwrap();
    assert!(listing.entries.iter().all(|entry| entry.kind == FileKind::Link));
    assert!(!put(&setup.jobs, job, "file", "mine").await.unwrap(), "the link is replaced");
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "secret");
    assert_eq!(std::fs::read_to_string(workspace.join("file")).unwrap(), "mine");
    assert!(!setup.home.path().join("new").exists());
    setup.jobs.stop().await;
}

#[tokio::test]
async fn what_somebody_holds_open_is_closed_when_the_workspace_goes() {
    let setup = Setup::new(obey, 1).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    put(&setup.jobs, job, "large", &"x".repeat(1 << 20)).await.unwrap();
    let content = setup.jobs.read_file(job, &path("large")).await.unwrap();
    let range = 100..content.bytes;
    let mut reading = Box::pin(content.stream(range));
    assert_eq!(reading.try_next().await.unwrap().unwrap().len(), 64 * 1024);
    let mut writing = setup.jobs.write_file(job, &path("slow")).await.unwrap();
    setup.jobs.cancel(job).await.unwrap();
    setup.end(job).await;
    reading.try_next().await.unwrap_err();
    assert!(matches!(writing.write(Bytes::from("x")).await, Err(FilesError::Over)));
    assert!(matches!(writing.finish().await, Err(FilesError::Over)));
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let mut leads_to = open.filter_map(|fd| std::fs::read_link(fd.path()).ok());
    let name = job.to_string();
    assert!(!leads_to.any(|to| to.to_string_lossy().contains(&format!("{name}/workspace"))));
}

#[tokio::test]
async fn a_file_that_was_written_is_in_the_zip_and_one_that_was_not_leaves_nothing() {
    let setup = Setup::new(obey, 1).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    let mut writers = vec![];
    for n in 0..500 {
        writers.push(setup.jobs.write_file(job, &path(&format!("{n}"))).await.unwrap());
    }
    let half = setup.jobs.write_file(job, &path("half")).await.unwrap();
    let mut finished = vec![];
    for (n, writer) in writers.into_iter().enumerate() {
        if n == 50 {
            // The others are finished while the job ends and is packed, or after that.
            setup.jobs.cancel(job).await.unwrap();
        }
        finished.push(writer.finish().await.is_ok());
    }
    let (_, events) = setup.end(job).await;
    for (n, there) in finished.into_iter().enumerate() {
        assert_eq!(text(&setup.jobs, job, &n.to_string()).await.is_ok(), there, "{n}");
    }
    let packaged = events.iter().find_map(|event| match event.event {
        EventKind::Packaged { left_out, .. } => Some(left_out),
        _ => None,
    });
    assert_eq!(packaged, Some(0), "what is half written is nothing that was left out");
    assert!(matches!(half.finish().await, Err(FilesError::Over)));
}

#[tokio::test]
async fn inputs_of_a_job_that_is_cancelled_come_too_late() {
    let setup = Setup::new(obey, 1).await;
    let running = setup.schedule().await;
    setup.until(running, started).await;
    let waiting = setup.schedule().await;
    let late = setup.jobs.write_file(waiting, &path("dir/late")).await.unwrap();
    setup.jobs.cancel(waiting).await.unwrap();
    setup.end(waiting).await;
    assert!(matches!(late.finish().await, Err(FilesError::Over)));
    assert!(matches!(put(&setup.jobs, waiting, "x", "x").await, Err(FilesError::Over)));
    assert_eq!(setup.kept_inputs(), 0);
    setup.jobs.stop().await;
}

#[tokio::test]
async fn a_part_of_a_file_is_read_from_anywhere() {
    let setup = Setup::new(obey, 1).await;
    let numbers: String = (0..50_000).map(|n| format!("{n:06}\n")).collect();
    let job = setup.with_inputs(&[("numbers", &numbers)]).await;
    setup.until(job, started).await;
    let part = async |from: u64, to: u64| {
        let content = setup.jobs.read_file(job, &path("numbers")).await.unwrap();
        let (is_final, stream) = (content.is_final, content.stream(from..to));
        let bytes: Vec<Bytes> = stream.try_collect().await.unwrap();
        (is_final, String::from_utf8(bytes.concat()).unwrap())
    };
    assert_eq!(part(7 * 40_000, 7 * 40_001).await, (false, "040000\n".into()));
    setup.jobs.cancel(job).await.unwrap();
    setup.end(job).await;
    assert_eq!(part(7 * 40_000, 7 * 40_001).await, (true, "040000\n".into()));
    assert_eq!(part(3, 3).await, (true, String::new()));
    assert_eq!(part(0, 7 * 50_000).await.1, numbers);
}

#[tokio::test]
async fn too_much_is_refused_early() {
    let setup = Setup::new(obey, 1).await;
    let running = setup.schedule().await;
    setup.until(running, started).await;
    let limits = PartialLimits { disk_bytes: Some(16 << 20), ..PartialLimits::default() };
    let inputs = Some(staged(&setup.jobs, &[("a", &"x".repeat((16 << 20) + 1))]).await);
    let refused = setup.jobs.schedule(ScheduleRequest { limits, inputs, ..request(HELLO) }).await;
    assert!(matches!(refused, Err(ScheduleError::InputsTooLarge { .. })), "{refused:?}");
    assert_eq!(setup.kept_inputs(), 0, "and nothing is kept of them");

    let inputs = Some(staged(&setup.jobs, &[("a", &"x".repeat(10 << 20))]).await);
    let job =
        setup.jobs.schedule(ScheduleRequest { limits, inputs, ..request(HELLO) }).await.unwrap();
    let ten = "y".repeat(10 << 20);
    assert!(matches!(put(&setup.jobs, job, "b", &ten).await, Err(FilesError::TooLarge { .. })));
    assert!(!put(&setup.jobs, job, "a", &ten).await.unwrap(), "in place of the other it fits");
    let huge = "z".repeat((16 << 20) + 1);
    assert!(matches!(put(&setup.jobs, running, "c", "small").await, Ok(true)));
    assert!(matches!(put(&setup.jobs, job, "c", &huge).await, Err(FilesError::TooLarge { .. })));
    setup.jobs.stop().await;
}

#[tokio::test]
async fn inputs_survive_a_restart_and_what_nobody_owns_does_not() {
    let setup = Setup::new(obey_later, 1).await;
    let running = setup.schedule().await;
    setup.until(running, started).await;
    let waiting = setup.with_inputs(&[("a", "1")]).await;
    drop(staged(&setup.jobs, &[("gone", "")]).await);
    assert_eq!(setup.kept_inputs(), 1);
    setup.jobs.stop().await;
    let Setup { home, engine, jobs } = setup;
    drop(jobs);
    for stale in [format!("inputs/{}", JobId::generate()), "staging/half".into()] {
        std::fs::create_dir_all(home.path().join("data").join(stale)).unwrap();
    }

    let jobs = open(&home, &engine, 1).await.unwrap();
    let setup = Setup { home, engine, jobs };
    assert_eq!(setup.kept_inputs(), 1);
    put(&setup.jobs, waiting, "b", "2").await.unwrap();
    setup.jobs.cancel(running).await.unwrap();
    setup.until(waiting, started).await;
    assert_eq!(names(&setup.jobs, waiting, &WorkspacePath::root()).await, ["a", "b"]);
    setup.jobs.cancel(waiting).await.unwrap();
    setup.end(waiting).await;
    assert_eq!(setup.kept_inputs(), 0);
}

#[tokio::test]
async fn inputs_that_do_not_fit_end_the_job_with_a_clear_text() {
    let setup = Setup::new(obey, 1).await;
    let running = setup.schedule().await;
    setup.until(running, started).await;
    let waiting = setup.with_inputs(&[("a", "1")]).await;
    // What a file system that fails does.
    let inputs = setup.home.path().join("data/inputs").join(waiting.to_string());
    std::fs::remove_file(inputs.join("a")).unwrap();
    symlink("/etc/passwd", inputs.join("a")).unwrap();
    setup.jobs.cancel(running).await.unwrap();
    let (record, _) = setup.end(waiting).await;
    let ending = record.ending.unwrap();
    assert_eq!((record.status, ending.reason), (JobStatus::Error, Reason::SandboxFailed));
    assert!(ending.error.unwrap().contains("cannot put `a` into the workspace"));
    assert_eq!(setup.kept_inputs(), 0);
}

#[tokio::test]
async fn unknown_jobs_have_no_files() {
    let setup = Setup::new(obey, 1).await;
    let nobody = JobId::generate();
    let listed = setup.jobs.files(nobody, &WorkspacePath::root()).await;
    assert!(matches!(listed, Err(FilesError::NotFound(job)) if job == nobody));
    assert!(matches!(text(&setup.jobs, nobody, "a").await, Err(FilesError::NotFound(_))));
    assert!(matches!(put(&setup.jobs, nobody, "a", "").await, Err(FilesError::NotFound(_))));
    drop(setup.jobs);
    claim(&setup.home).unwrap_err();
}

/// Names what is told that it runs under `strace`.
const TRACED: &str = "TRACED_INPUT";

/// Its bytes before its name, so that a power cut leaves one file or the other.
#[test]
fn an_input_that_was_answered_is_on_the_disk() {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-o"]).arg(trace.path());
    strace.args(["-e", "trace=fsync,syncfs,?renameat,?renameat2"]).env(TRACED, "1");
    strace.arg(std::env::current_exe().unwrap());
    let ran = strace.args(["--exact", "files::given_later", "--ignored"]).output();
    let ran = ran.expect("`strace`: install it");
    let told = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(ran.status.success() && told.contains("1 passed"), "{told}");
    let trace = std::fs::read_to_string(trace.path()).unwrap();
    // A call that is interrupted by another thread's is told in two lines; the first has its words.
    let of_inputs = trace.lines().filter(|line| line.contains("data/inputs"));
    let calls = of_inputs.filter_map(|line| line.split_once('(')?.0.split_whitespace().last());
    let calls: Vec<&str> = calls.map(|call| call.trim_end_matches('2')).collect();
    assert_eq!(calls, ["fsync", "renameat", "syncfs"]);
}

#[tokio::test]
#[ignore = "run by an_input_that_was_answered_is_on_the_disk, under strace"]
async fn given_later() {
    assert!(std::env::var_os(TRACED).is_some(), "run the other test instead");
    let setup = Setup::new(obey, 1).await;
    let running = setup.schedule().await;
    setup.until(running, started).await;
    let waiting = setup.schedule().await;
    assert!(put(&setup.jobs, waiting, "a/b", "1").await.unwrap());
    setup.jobs.stop().await;
}
