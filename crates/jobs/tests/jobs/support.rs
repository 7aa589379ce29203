//! A service on a real store with the fake engine, and the agents that stand in for agentd.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::{Engine, FakeAgent, FakeEngine};
use jiff::Timestamp;
use jobs::{Config, Folders, Jobs, ListRequest, NetworkPolicy, OpenError, ScheduleRequest};
use models::Models;
use protocol::{
    AgentSpec, Assignment, Checkpoint, Client, Control, Data, Report, ReportKind, Verdict,
};
use tempfile::TempDir;
use types::{
    Event, EventKind, JobId, JobRecord, JobSummary, Limits, LimitsPolicy, Network, Resumes,
    StepKind, StepOutcome, Stream,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const HELLO: &str = "# Hello\n\n```bash\necho hello\n```\n";

/// What the scripted agent does once it is connected.
pub(crate) type Script = fn(Agent) -> Doing;
pub(crate) type Doing = std::pin::Pin<Box<dyn Future<Output = i32> + Send>>;

pub(crate) struct Agent {
    pub(crate) client: Client,
    pub(crate) n: u64,
    /// The job's own variables.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) assignment: Assignment,
    /// Where it begins, if it goes on after another one, and after which.
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) resumes: Option<Resumes>,
}

impl Agent {
    pub(crate) async fn say(&mut self, report: ReportKind) {
        self.n += 1;
        let report = Report { n: self.n, at: Timestamp::now(), report };
        assert_eq!(self.client.report(&[report]).await.unwrap().acked, self.n);
    }

    pub(crate) async fn step(&mut self, step: u32) {
        let kind = StepKind::Bash;
        self.say(ReportKind::StepStarted {
            step,
            kind,
            title: "hello".into(),
            line: 3,
            code: None,
        })
        .await;
    }

    pub(crate) async fn output(&mut self, text: &str) {
        let (stream, data) = (Stream::Stdout, Data(text.as_bytes().to_vec()));
        self.say(ReportKind::Output { step: 1, stream, data }).await;
    }

    pub(crate) async fn finish(mut self, verdict: Verdict) -> i32 {
        self.say(ReportKind::Finished(verdict)).await;
        0
    }
}

pub(crate) fn succeed(mut agent: Agent) -> Doing {
    Box::pin(async move {
        agent.step(1).await;
        agent.output("hello\n").await;
        let (outcome, exit_code) = (StepOutcome::Ok, Some(0));
        agent.say(ReportKind::StepFinished { step: 1, outcome, exit_code, millis: 1 }).await;
        agent.finish(Verdict::Complete).await
    })
}

pub(crate) fn fail(agent: Agent) -> Doing {
    let error = "step 1 ended with exit code 3".to_owned();
    Box::pin(agent.finish(Verdict::StepFailed { step: 1, exit_code: 3, error }))
}

pub(crate) fn crash(mut agent: Agent) -> Doing {
    Box::pin(async move {
        agent.step(1).await;
        7
    })
}

pub(crate) fn obey(mut agent: Agent) -> Doing {
    Box::pin(async move {
        agent.step(1).await;
        let mut controls = agent.client.control().await.unwrap();
        assert_eq!(controls.next().await.unwrap(), Some(Control::Ready));
        assert_eq!(controls.next().await.unwrap(), Some(Control::Cancel));
        agent.finish(Verdict::Cancelled).await
    })
}

pub(crate) fn chatter(mut agent: Agent) -> Doing {
    Box::pin(async move {
        agent.output(&"x".repeat(2000)).await;
        std::future::pending().await
    })
}

pub(crate) fn stutter(mut agent: Agent) -> Doing {
    Box::pin(async move {
        let report =
            Report { n: 7, at: Timestamp::now(), report: ReportKind::Finished(Verdict::Complete) };
        agent.client.report(&[report]).await.unwrap_err();
        std::future::pending().await
    })
}

pub(crate) fn scripted(script: Script) -> FakeAgent {
    Arc::new(move |_, gateway: PathBuf| {
        tokio::spawn(async move {
            let mut client = Client::new(gateway.join(protocol::SOCKET_NAME));
            let welcome = client.hello("test").await.unwrap();
            let (n, spec) = (welcome.acked, welcome.spec);
            let AgentSpec { environment, assignment, checkpoint, resumes, .. } = spec;
            script(Agent { client, n, environment, assignment, checkpoint, resumes }).await
        })
    })
}

/// Dropped in this order: who still writes goes before what is written to.
pub(crate) struct Setup {
    pub(crate) jobs: Jobs,
    pub(crate) engine: Arc<FakeEngine>,
    pub(crate) home: TempDir,
}

impl Setup {
    pub(crate) async fn new(script: Script, concurrency: usize) -> Self {
        Self::with(script, config(concurrency)).await
    }

    pub(crate) async fn with(script: Script, config: Config) -> Self {
        Self::within(TempDir::new().unwrap(), script, config).await
    }

    pub(crate) async fn within(home: TempDir, script: Script, config: Config) -> Self {
        let engine = Arc::new(FakeEngine::with_agent(scripted(script)).unwrap());
        let jobs = Jobs::open(claim(&home).unwrap(), config, vec![engine.clone()]).await.unwrap();
        Self { home, engine, jobs }
    }

    /// The same under another orchestrator.
    pub(crate) async fn restart(self, config: Config) -> Self {
        let engines: Vec<Arc<dyn Engine>> = vec![self.engine.clone()];
        self.restart_with(config, engines).await
    }

    /// Under one that has these engines.
    pub(crate) async fn restart_with(self, config: Config, engines: Vec<Arc<dyn Engine>>) -> Self {
        self.jobs.stop().await;
        let Self { home, engine, jobs } = self;
        drop(jobs);
        let jobs = Jobs::open(claim(&home).unwrap(), config, engines).await.unwrap();
        Self { home, engine, jobs }
    }

    pub(crate) async fn schedule(&self) -> JobId {
        self.jobs.schedule(request(HELLO)).await.unwrap()
    }

    /// Follows the job to its end.
    pub(crate) async fn end(&self, job: JobId) -> (JobRecord, Vec<Event>) {
        let mut follower = self.jobs.follow(job, 0).await.unwrap();
        let mut events = vec![];
        let all = async {
            while let Some(page) = follower.next().await.unwrap() {
                events.extend_from_slice(&page);
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("the job ends");
        let seqs: Vec<u64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>(), "no gap");
        (self.jobs.get(job).await.unwrap(), events)
    }

    pub(crate) async fn until(&self, job: JobId, wanted: impl Fn(&EventKind) -> bool) {
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

    pub(crate) async fn list(&self) -> Vec<JobSummary> {
        self.jobs.list(&ListRequest::default()).await.unwrap().jobs
    }

    /// What webhooks are to hear of each job.
    pub(crate) async fn told(&self) -> BTreeMap<JobId, Vec<String>> {
        let (outbox, mut told) = (self.jobs.outbox(), BTreeMap::<_, Vec<_>>::new());
        while let Some(message) = outbox.next().await.unwrap() {
            outbox.told(&message).await.unwrap();
            told.entry(message.job.id).or_default().push(message.kind);
        }
        told
    }

    pub(crate) async fn sandboxes(&self) -> usize {
        self.engine.list().await.unwrap().len()
    }
}

pub(crate) async fn open(
    home: &TempDir,
    engine: &Arc<FakeEngine>,
    concurrency: usize,
) -> Result<Jobs, OpenError> {
    let folders = claim(home)?;
    Jobs::open(folders, config(concurrency), vec![engine.clone()]).await
}

pub(crate) fn config(concurrency: usize) -> Config {
    let limits = LimitsPolicy {
        defaults: Limits::default(),
        ceilings: Limits { processes: 1000, ..Limits::default() },
    };
    Config {
        concurrency,
        retention: Duration::from_secs(86_400),
        limits,
        network: NetworkPolicy { default: Network::None, ceiling: Network::Open },
        // Where tests have their servers.
        egress_allow: Arc::new(["127.0.0.1/32".parse().unwrap()]),
        own_ports: Arc::new([]),
        models: Arc::new(Models::new(vec![])),
        reserve_bytes: 0,
        results_bytes: u64::MAX,
        engine_patience: std::time::Duration::from_secs(60),
        tells: false,
        clock: jobs::Clock::default(),
    }
}

pub(crate) fn claim(home: &TempDir) -> Result<Folders, OpenError> {
    Folders::claim(&home.path().join("data"), &home.path().join("output"))
}

pub(crate) fn request(prompt: &str) -> ScheduleRequest {
    ScheduleRequest { prompt: prompt.into(), ..ScheduleRequest::default() }
}

pub(crate) fn started(event: &EventKind) -> bool {
    matches!(event, EventKind::StepStarted { .. })
}

/// Like `obey`, but finds the gateway again after it was gone.
pub(crate) fn obey_later(mut agent: Agent) -> Doing {
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
