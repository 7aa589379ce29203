//! The service on a real store and real gateways, with the fake engine: a scripted agent speaks the
//! real protocol in place of agentd.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::{Engine, FakeAgent, FakeEngine};
use jiff::Timestamp;
use jobs::{Config, Folders, Jobs, OpenError, ScheduleError, ScheduleRequest};
use protocol::{Client, Control, Data, Report, ReportKind, Verdict};
use tempfile::TempDir;
use types::{
    Event, EventKind, JobId, JobRecord, JobStatus, Limits, Mode, Reason, StepKind, StepOutcome,
    Stream,
};

const PATIENCE: Duration = Duration::from_secs(30);
const HELLO: &str = "# Hello\n\n```bash\necho hello\n```\n";

/// What the scripted agent does once it is connected.
type Script = fn(Agent) -> Doing;
type Doing = std::pin::Pin<Box<dyn Future<Output = i32> + Send>>;

struct Agent {
    client: Client,
    n: u64,
}

impl Agent {
    async fn say(&mut self, report: ReportKind) {
        self.n += 1;
        let report = Report { n: self.n, at: Timestamp::now(), report };
        assert_eq!(self.client.report(&[report]).await.unwrap().acked, self.n);
    }

    async fn step(&mut self, step: u32) {
        let kind = StepKind::Bash;
        self.say(ReportKind::StepStarted { step, kind, title: "hello".into(), line: 3 }).await;
    }

    async fn output(&mut self, text: &str) {
        let (stream, data) = (Stream::Stdout, Data(text.as_bytes().to_vec()));
        self.say(ReportKind::Output { step: 1, stream, data }).await;
    }

    async fn finish(mut self, verdict: Verdict) -> i32 {
        self.say(ReportKind::Finished(verdict)).await;
        0
    }
}

fn succeed(mut agent: Agent) -> Doing {
    Box::pin(async move {
        agent.step(1).await;
        agent.output("hello\n").await;
        let (outcome, exit_code) = (StepOutcome::Ok, Some(0));
        agent.say(ReportKind::StepFinished { step: 1, outcome, exit_code, millis: 1 }).await;
        agent.finish(Verdict::Complete).await
    })
}

fn fail(agent: Agent) -> Doing {
    let error = "step 1 ended with exit code 3".to_owned();
    Box::pin(agent.finish(Verdict::StepFailed { step: 1, exit_code: 3, error }))
}

fn crash(mut agent: Agent) -> Doing {
    Box::pin(async move {
        agent.step(1).await;
        7
    })
}

fn obey(mut agent: Agent) -> Doing {
    Box::pin(async move {
        agent.step(1).await;
        let mut controls = agent.client.control().await.unwrap();
        assert_eq!(controls.next().await.unwrap(), Some(Control::Ready));
        assert_eq!(controls.next().await.unwrap(), Some(Control::Cancel));
        agent.finish(Verdict::Cancelled).await
    })
}

fn chatter(mut agent: Agent) -> Doing {
    Box::pin(async move {
        agent.output(&"x".repeat(2000)).await;
        std::future::pending().await
    })
}

fn stutter(mut agent: Agent) -> Doing {
    Box::pin(async move {
        let report =
            Report { n: 7, at: Timestamp::now(), report: ReportKind::Finished(Verdict::Complete) };
        agent.client.report(&[report]).await.unwrap_err();
        std::future::pending().await
    })
}

fn scripted(script: Script) -> FakeAgent {
    Arc::new(move |_, gateway: PathBuf| {
        tokio::spawn(async move {
            let mut client = Client::new(gateway.join(protocol::SOCKET_NAME));
            let welcome = client.hello("test").await.unwrap();
            script(Agent { client, n: welcome.acked }).await
        })
    })
}

struct Setup {
    home: TempDir,
    engine: Arc<FakeEngine>,
    jobs: Jobs,
}

impl Setup {
    async fn new(script: Script, concurrency: usize) -> Self {
        let home = TempDir::new().unwrap();
        let engine = Arc::new(FakeEngine::with_agent(scripted(script)).unwrap());
        let jobs = open(&home, &engine, concurrency).await.unwrap();
        Self { home, engine, jobs }
    }

    async fn schedule(&self) -> JobId {
        self.jobs.schedule(request(HELLO)).await.unwrap()
    }

    /// Follows the job to its end.
    async fn end(&self, job: JobId) -> (JobRecord, Vec<Event>) {
        let mut follower = self.jobs.follow(job, 0).await.unwrap();
        let mut events = vec![];
        let all = async {
            while let Some(page) = follower.next().await.unwrap() {
                events.extend(page);
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("the job ends");
        let seqs: Vec<u64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>(), "no gap");
        (self.jobs.get(job).await.unwrap(), events)
    }

    async fn until(&self, job: JobId, wanted: impl Fn(&EventKind) -> bool) {
        let mut follower = self.jobs.follow(job, 0).await.unwrap();
        let seen = async {
            while let Some(page) = follower.next().await.unwrap() {
                if page.iter().any(|event| wanted(&event.event)) {
                    return;
                }
            }
            panic!("the job ended without it");
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("it happens");
    }

    async fn sandboxes(&self) -> usize {
        self.engine.list().await.unwrap().len()
    }
}

async fn open(
    home: &TempDir,
    engine: &Arc<FakeEngine>,
    concurrency: usize,
) -> Result<Jobs, OpenError> {
    let folders = claim(home)?;
    let config = Config { concurrency, retention: Duration::from_secs(86_400) };
    Jobs::open(folders, config, vec![engine.clone()]).await
}

fn claim(home: &TempDir) -> Result<Folders, OpenError> {
    Folders::claim(&home.path().join("data"), &home.path().join("output"))
}

fn request(prompt: &str) -> ScheduleRequest {
    ScheduleRequest {
        prompt: prompt.into(),
        mode: Mode::Auto,
        engine: None,
        limits: Limits::default(),
        include_caches: false,
    }
}

fn started(event: &EventKind) -> bool {
    matches!(event, EventKind::StepStarted { .. })
}

#[tokio::test]
async fn a_job_runs_and_leaves_its_result_only() {
    let setup = Setup::new(succeed, 1).await;
    let job = setup.schedule().await;
    let (record, events) = setup.end(job).await;
    assert_eq!(record.status, JobStatus::Complete, "{events:#?}");
    assert_eq!(setup.jobs.list().await.unwrap()[0].title, "Hello");
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

/// A client may hang up at any moment: what was kept of its request is done all the same.
#[tokio::test]
async fn a_caller_that_leaves_leaves_no_job_behind() {
    let setup = Setup::new(succeed, 4).await;
    for micros in (0..3000).step_by(50) {
        // Dropped wherever it is by then.
        let patience = Duration::from_micros(micros);
        drop(tokio::time::timeout(patience, setup.jobs.schedule(request(HELLO))).await);
    }
    let jobs = setup.jobs.list().await.unwrap();
    assert!(!jobs.is_empty(), "some were kept");
    for job in jobs {
        assert_eq!(setup.end(job.id).await.0.status, JobStatus::Complete);
    }
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
    let limits = Limits { output_bytes: 1024, ..Limits::default() };
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
    let limits = Limits { wall_seconds: 1, ..Limits::default() };
    let job = setup.jobs.schedule(ScheduleRequest { limits, ..request(HELLO) }).await.unwrap();
    let (record, _) = setup.end(job).await;
    assert_eq!(record.ending.unwrap().reason, Reason::LimitWall);
}

#[tokio::test]
async fn a_running_job_goes_on_under_the_next_orchestrator() {
    let Setup { home, engine, jobs } = Setup::new(obey_later, 1).await;
    let setup = Setup { home, engine, jobs };
    let job = setup.schedule().await;
    setup.until(job, started).await;
    let waiting = setup.schedule().await;
    setup.jobs.stop().await;
    assert!(matches!(setup.jobs.schedule(request(HELLO)).await, Err(ScheduleError::Stopping)));
    let Setup { home, engine, jobs } = setup;
    drop(jobs);

    let jobs = open(&home, &engine, 1).await.unwrap();
    let setup = Setup { home, engine, jobs };
    setup.jobs.cancel(job).await.unwrap();
    let (record, _) = setup.end(job).await;
    assert_eq!(record.status, JobStatus::Cancelled);
    setup.until(waiting, started).await;
    setup.jobs.cancel(waiting).await.unwrap();
    setup.end(waiting).await;
}

/// Like `obey`, but finds the gateway again after it was gone.
fn obey_later(mut agent: Agent) -> Doing {
    Box::pin(async move {
        agent.step(1).await;
        loop {
            if let Ok(mut controls) = agent.client.control().await {
                while let Ok(Some(control)) = controls.next().await {
                    if control == Control::Cancel {
                        return agent.finish(Verdict::Cancelled).await;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
}

#[tokio::test]
async fn a_job_is_forgotten_when_its_retention_is_over() {
    let setup = Setup::new(succeed, 1).await;
    let job = setup.schedule().await;
    setup.end(job).await;
    let folder = setup.jobs.zip_path(job).parent().unwrap().to_owned();
    setup.jobs.stop().await;
    let Setup { home, engine, jobs } = setup;
    drop(jobs);

    let config = Config { concurrency: 1, retention: Duration::ZERO };
    let jobs = Jobs::open(claim(&home).unwrap(), config, vec![engine.clone()]).await.unwrap();
    let forgotten = async {
        while jobs.get(job).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, forgotten).await.expect("the job is forgotten");
    assert!(!folder.exists(), "with all its files");
}

#[tokio::test]
async fn what_no_job_owns_is_removed() {
    let home = TempDir::new().unwrap();
    let engine = Arc::new(FakeEngine::idle().unwrap());
    let spec = engine::SandboxSpec { job: JobId::generate(), limits: Limits::default() };
    engine.create(&spec).await.unwrap();
    let _jobs = open(&home, &engine, 1).await.unwrap();
    assert_eq!(engine.list().await.unwrap(), vec![]);
}

#[test]
fn a_second_orchestrator_is_refused_and_told_who_has_it() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    assert_eq!(jobs::owner(&data).unwrap(), None);
    let first = claim(&home).unwrap();
    first.announce("pid 1 http://127.0.0.1:1").unwrap();
    match claim(&home) {
        Err(OpenError::InUse { owner, .. }) => {
            assert_eq!(owner.as_deref(), Some("pid 1 http://127.0.0.1:1"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(jobs::owner(&data).unwrap().as_deref(), Some("pid 1 http://127.0.0.1:1"));
    drop(first);
    assert_eq!(jobs::owner(&data).unwrap(), None, "what a dead process left does not count");
    claim(&home).unwrap();
}

#[tokio::test]
async fn bad_requests_are_refused_and_nothing_is_kept() {
    let setup = Setup::new(succeed, 1).await;
    let refuse = async |request: ScheduleRequest| setup.jobs.schedule(request).await.unwrap_err();
    assert!(matches!(refuse(request(" \n")).await, ScheduleError::EmptyPrompt));
    let large = request(&"x".repeat(1024 * 1024 + 1));
    assert!(matches!(refuse(large).await, ScheduleError::PromptTooLarge { .. }));
    assert!(matches!(refuse(request("Make me a todo app")).await, ScheduleError::NoModel));
    let agent = ScheduleRequest { mode: Mode::Agent, ..request(HELLO) };
    assert!(matches!(refuse(agent).await, ScheduleError::AgentMode));
    assert!(matches!(refuse(request("```bash\nls")).await, ScheduleError::BadRunbook(_)));
    let engine = ScheduleRequest { engine: Some("x".into()), ..request(HELLO) };
    assert!(matches!(refuse(engine).await, ScheduleError::UnknownEngine { .. }));
    let limits = Limits { processes: 0, ..Limits::default() };
    let limits = ScheduleRequest { limits, ..request(HELLO) };
    assert!(matches!(refuse(limits).await, ScheduleError::Limits(_)));
    assert_eq!(setup.jobs.list().await.unwrap(), vec![]);
}
