use std::pin::pin;
use std::sync::mpsc;
use std::time::Duration;

use engine::FakeEngine;
use models::{Kind, Price, Provider, ToolMode};
use protocol::{AgentSpec, Assignment};
use store::{JobState, Spend};
use tempfile::TempDir;
use types::{Isolation, JobId, LimitsPolicy, Network, SandboxReport};

use super::*;
use crate::translate::{Measure, Progress};
use crate::{Clock, Config, Folders, Jobs, NetworkPolicy, ScheduleRequest};

/// The sink of a job that is not begun.
struct Bed {
    jobs: Jobs,
    sink: JobSink,
    _home: TempDir,
}

impl Bed {
    async fn new() -> Self {
        let home = TempDir::new().unwrap();
        let folders = Folders::claim(&home.path().join("data"), &home.path().join("output"));
        let engine = Arc::new(FakeEngine::idle().unwrap());
        let jobs = Jobs::open(folders.unwrap(), config(), vec![engine]).await.unwrap();
        let job = jobs.schedule(ScheduleRequest { prompt: "ask".into(), ..Default::default() });
        let job = job.await.unwrap();
        Self { sink: sink(&jobs, job), jobs, _home: home }
    }

    fn till(&self) -> Till<'_> {
        let asking = self.sink.asking.as_ref().unwrap();
        let (taken_back, open) = (CancellationToken::new(), Mutex::default());
        Till { sink: &self.sink, asking, taken_back, open }
    }

    /// The job as it is once all before is done.
    async fn state(&self) -> JobState {
        let look = |draft: &mut Draft| draft.state.clone();
        self.jobs.inner.store.update(self.sink.job, Durability::Grouped, look).await.unwrap()
    }

    /// Takes a question back while it waits for the store, where it is already.
    async fn take_back<T>(&self, till: &Till<'_>, asked: impl Future<Output = T>) -> Option<T> {
        let (writes, on) = mpsc::channel();
        let store = self.jobs.inner.store.clone();
        let wait = move |_: &mut Draft| on.recv().unwrap();
        let mut held = pin!(store.update(self.sink.job, Durability::Grouped, wait));
        assert!(held.as_mut().now_or_never().is_none());
        let mut asked = pin!(till.until_taken_back(asked));
        assert!(asked.as_mut().now_or_never().is_none());
        till.taken_back.cancel();
        let release = async { writes.send(()).unwrap() };
        let (answer, (), held) = tokio::join!(asked, release, held);
        held.unwrap();
        answer
    }
}

fn config() -> Config {
    Config {
        // Nothing is begun.
        concurrency: 0,
        retention: Duration::MAX,
        limits: LimitsPolicy { defaults: Limits::default(), ceilings: Limits::default() },
        network: NetworkPolicy { default: Network::None, ceiling: Network::None },
        egress_allow: Arc::new([]),
        own_ports: Arc::new([]),
        models: Arc::new(Models::new(vec![provider()])),
        reserve_bytes: 0,
        results_bytes: u64::MAX,
        engine_patience: Duration::ZERO,
        tells: false,
        clock: Clock::default(),
    }
}

fn provider() -> Provider {
    Provider {
        kind: Kind::Ollama,
        key: None,
        base_url: "http://127.0.0.1:9".parse().unwrap(),
        model: "llama".into(),
        window_tokens: 32_000,
        images: false,
        tools: ToolMode::Native,
        price: Some(Price { input: 1.0, cached: 1.0, output: 1.0 }),
        silence: Duration::from_secs(1),
    }
}

fn sink(jobs: &Jobs, job: JobId) -> JobSink {
    let models = jobs.inner.config.models.clone();
    let asking = Asking::new(models, None, Limits::default()).unwrap();
    let assignment = Assignment::Task { prompt: "ask".into(), model: asking.facts().unwrap() };
    let spec = AgentSpec {
        job,
        assignment,
        approve: false,
        include_caches: false,
        command_user: None,
        environment: Default::default(),
        desktop: false,
        checkpoint: None,
        resumes: None,
    };
    let (engine, isolation, shortfalls) = ("fake".into(), Isolation::None, vec![]);
    let report = SandboxReport { engine, isolation, shortfalls };
    let measure = Measure { output_bytes: 1, steps: None };
    JobSink::new(jobs.inner.clone(), spec, Some(asking), report, measure, Progress::default())
}

#[tokio::test]
async fn a_call_costs_nothing_if_the_question_is_taken_back_before_it_is_made() {
    let bed = Bed::new().await;
    let (till, facts) = (bed.till(), bed.sink.asking.as_ref().unwrap().facts().unwrap());
    let asked = async {
        till.reserve(100, 1000, &facts).await.unwrap();
        panic!("it is made");
    };
    assert_eq!(bed.take_back(&till, asked).await, None);
    till.close(TAKEN_BACK).await;
    let state = bed.state().await;
    assert_eq!((state.session.spend, state.last_seq), (Spend::default(), 1), "and is no event");
}

#[tokio::test]
async fn a_call_counts_if_the_question_is_taken_back_while_it_is_made() {
    let bed = Bed::new().await;
    let (till, facts) = (bed.till(), bed.sink.asking.as_ref().unwrap().facts().unwrap());
    till.reserve(100, 1000, &facts).await.unwrap();
    till.taken_back.cancel();
    assert_eq!(till.until_taken_back(std::future::pending::<()>()).await, None);
    till.close(TAKEN_BACK).await;
    let state = bed.state().await;
    let cost = Some(types::Usd { micros: 100 });
    let spent = Spend { model_calls: 1, input_tokens: 100, cost, ..Spend::default() };
    assert_eq!((state.session.spend, state.last_seq), (spent, 2), "and is an event");
}

#[tokio::test]
async fn what_is_recorded_is_told_though_the_question_is_taken_back_meanwhile() {
    let bed = Bed::new().await;
    let (till, facts) = (bed.till(), bed.sink.asking.as_ref().unwrap().facts().unwrap());
    till.reserve(100, 1000, &facts).await.unwrap();
    let (provider, model) = (facts.provider, facts.model);
    let (usage, cost_usd, millis, error) = (TokenUsage::default(), None, 1, None);
    let call = ModelCall { provider, model, usage, cost_usd, millis, error };
    let asked = async {
        till.record(call).await;
        std::future::pending::<()>().await;
    };
    assert_eq!(bed.take_back(&till, asked).await, None);
    till.close(TAKEN_BACK).await;
    assert_eq!(bed.state().await.last_seq, 2);
    let live = bed.jobs.inner.live();
    assert_eq!(*live[&bed.sink.job].news.borrow(), 2, "followers hear of it");
}

#[tokio::test]
async fn a_question_that_breaks_us_is_not_asked_again() {
    let answer = unless_it_panics(async { panic!("too much") }).await;
    let ModelAnswer::Failed { reason, error } = answer else { panic!("{answer:?}") };
    assert_eq!(reason, Reason::ModelUnavailable);
    assert!(error.contains("its log"), "{error}");
}
