//! Jobs of an agent: what it may spend, what people say to it, what it leaves.

use std::sync::Arc;

use jobs::{Config, ScheduleRequest};
use models::{Kind, Models, Provider};
use protocol::{Assignment, Client, ClientError, ReportKind, Verdict};
use tokio::sync::watch;
use types::{
    Check, CheckResult, EventKind, JobResult, JobStatus, Mode, ModelAnswer, ModelRequest,
    ModelTurn, Part, PartialLimits, Plan, Reason, StepKind, StepOutcome, Turn,
};

use crate::model::{FakeModel, INPUT_TOKENS, OUTPUT_TOKENS, provider};
use crate::support::{Agent, Doing, HELLO, Setup, config, request, started};

pub(crate) const TASK: &str = "Say hello.\nThen stop.";

impl Agent {
    async fn ask(&self) -> Result<ModelAnswer, ClientError> {
        self.client.model(&question()).await
    }

    /// Asks until that is answered, whatever becomes of the orchestrator meanwhile.
    async fn ask_persistently(&self) -> ModelAnswer {
        loop {
            match self.ask().await {
                Ok(answer) => return answer,
                Err(e) => assert!(e.is_passing(), "{e}"),
            }
            tokio::task::yield_now().await;
        }
    }

    /// Says that all went well, and does not mind who believes it.
    async fn pretend(mut self) -> i32 {
        for report in [result(true), ReportKind::Finished(Verdict::Complete)] {
            self.n += 1;
            let at = jiff::Timestamp::now();
            drop(self.client.report(&[protocol::Report { n: self.n, at, report }]).await);
        }
        std::future::pending().await
    }

    pub(crate) async fn done(
        &mut self,
        step: u32,
        kind: StepKind,
        title: &str,
        code: &str,
        exit_code: i32,
    ) {
        let (title, code) = (title.into(), Some(code.into()));
        self.say(ReportKind::StepStarted { step, kind, title, line: 0, code }).await;
        let outcome = if exit_code == 0 { StepOutcome::Ok } else { StepOutcome::Failed };
        let exit_code = Some(exit_code);
        self.say(ReportKind::StepFinished { step, outcome, exit_code, millis: 1 }).await;
    }
}

fn question() -> ModelRequest {
    let turns = vec![Turn::User { parts: vec![Part::text("x".repeat(400))] }];
    ModelRequest { turns, max_output_tokens: 1000, ..ModelRequest::default() }
}

pub(crate) fn result(passed: bool) -> ReportKind {
    let check = CheckResult {
        what: "it says hello".into(),
        command: Some("grep hello hello.txt".into()),
        passed,
        found: "exit code 0".into(),
    };
    let (summary, artifacts) = ("I said hello.".into(), vec!["hello.txt".into()]);
    ReportKind::Result {
        result: JobResult { summary, artifacts, checks: vec![check], verified: true },
    }
}

pub(crate) async fn setup(script: crate::support::Script) -> (Setup, FakeModel) {
    let model = FakeModel::new().await;
    (Setup::with(script, with(&model)).await, model)
}

pub(crate) fn with(model: &FakeModel) -> Config {
    Config { models: model.models.clone(), ..config(1) }
}

fn limited(limits: PartialLimits) -> ScheduleRequest {
    ScheduleRequest { limits, ..request(TASK) }
}

/// Asks one thing after another until it is told to stop, and then says that it is done.
fn insatiable(agent: Agent) -> Doing {
    Box::pin(async move {
        while let ModelAnswer::Turn { .. } = agent.ask_persistently().await {}
        agent.pretend().await
    })
}

#[tokio::test]
async fn each_budget_ends_the_job_with_its_reason() {
    let (setup, model) = setup(insatiable).await;
    let none = PartialLimits::default();
    for (limits, reason, calls) in [
        (PartialLimits { model_calls: Some(3), ..none }, Reason::LimitModelCalls, 3),
        // A call takes 110 tokens, and for the last one at least 100 + 256 must be left.
        (PartialLimits { model_tokens: Some(1250), ..none }, Reason::LimitModelTokens, 9),
        // It costs 0.02, and for the last one at least 0.01 + 0.256 must be left.
        (PartialLimits { cost_usd: Some(0.31), ..none }, Reason::LimitCost, 3),
    ] {
        let before = model.asked();
        let job = setup.jobs.schedule(limited(limits)).await.unwrap();
        let (record, events) = setup.end(job).await;
        let ending = record.ending.unwrap();
        assert_eq!(
            (record.status, ending.reason),
            (JobStatus::Error, reason),
            "{:?}",
            ending.error
        );
        assert!(record.zip_bytes.is_some(), "its work is packed");
        assert_eq!(model.asked() - before, calls, "{reason:?}: {:?}", ending.error);
        let recorded = events.iter().filter(|e| matches!(e.event, EventKind::ModelCall { .. }));
        assert_eq!(recorded.count() as u64, calls, "each call is an event");
        let (usage, asked) = (record.usage.unwrap(), model.asked() - before);
        assert_eq!(usage.model_calls, Some(asked));
        let tokens = (usage.input_tokens, usage.output_tokens);
        assert_eq!(tokens, (Some(asked * INPUT_TOKENS), Some(asked * OUTPUT_TOKENS)));
        assert_eq!(usage.cost_usd.unwrap().micros, asked * 20_000);
        let spent = asked * (INPUT_TOKENS + OUTPUT_TOKENS);
        assert!(limits.model_tokens.is_none_or(|most| spent <= most));
    }
}

/// Asks once, with what was said last unanswered: whoever is asked adds a word of their own.
fn brief(agent: Agent) -> Doing {
    Box::pin(async move {
        let mut question = question();
        let said = ModelTurn { text: "y".repeat(400), ..ModelTurn::default() };
        question.turns.push(Turn::Model(said));
        let answer = agent.client.model(&question).await.unwrap();
        assert!(matches!(answer, ModelAnswer::Turn { .. }), "{answer:?}");
        agent.pretend().await
    })
}

#[tokio::test]
async fn rather_a_short_answer_than_none() {
    let (setup, model) = setup(brief).await;
    for limits in [
        PartialLimits { model_tokens: Some(1000), ..PartialLimits::default() },
        // The question takes 0.0202.
        PartialLimits { cost_usd: Some(0.32), ..PartialLimits::default() },
    ] {
        let job = setup.jobs.schedule(limited(limits)).await.unwrap();
        let (record, _) = setup.end(job).await;
        assert_eq!(record.status, JobStatus::Complete, "{:?}", record.ending);
        // 1000 - 100 - 100 - "Go on.", and 0.32 - 0.0202 but for what rounding may add.
        let wanted = if limits.cost_usd.is_some() { 299 } else { 798 };
        assert_eq!(model.last_wanted(), wanted);
    }
}

/// Begins one step after another.
fn restless(mut agent: Agent) -> Doing {
    Box::pin(async move {
        for step in 1..=2 {
            agent.done(step, StepKind::Bash, "ls", "ls", 0).await;
        }
        agent.n += 1;
        let (kind, title, code) = (StepKind::Bash, "ls".into(), None);
        let report = ReportKind::StepStarted { step: 3, kind, title, line: 0, code };
        let report = protocol::Report { n: agent.n, at: jiff::Timestamp::now(), report };
        let acked = agent.client.report(&[report]).await.unwrap().acked;
        assert_eq!(acked, agent.n - 1, "what is not taken is not begun");
        agent.n -= 1;
        agent.pretend().await
    })
}

#[tokio::test]
async fn steps_are_a_budget_too() {
    let (setup, _model) = setup(restless).await;
    let limits = PartialLimits { steps: Some(2), ..PartialLimits::default() };
    let job = setup.jobs.schedule(limited(limits)).await.unwrap();
    let (record, events) = setup.end(job).await;
    assert_eq!(record.ending.unwrap().reason, Reason::LimitSteps);
    assert_eq!(events.iter().filter(|event| started(&event.event)).count(), 2);
}

/// Asks three things at once, and says so when one of them is refused.
fn impatient(mut agent: Agent) -> Doing {
    Box::pin(async move {
        let refused = watch::Sender::new(false);
        let ask = async |client: Client| {
            while let Err(e) = client.model(&QUESTION).await {
                assert!(e.is_passing(), "{e}");
                refused.send_replace(true);
                tokio::task::yield_now().await;
            }
        };
        let [first, second, third] = [(); 3].map(|()| agent.client.another());
        let tell = async {
            drop(refused.subscribe().wait_for(|refused| *refused).await);
            agent.say(ReportKind::Said { text: "refused".into() }).await;
        };
        tokio::join!(ask(first), ask(second), ask(third), tell);
        agent.pretend().await
    })
}

static QUESTION: std::sync::LazyLock<ModelRequest> = std::sync::LazyLock::new(question);

#[tokio::test]
async fn no_more_than_two_questions_are_under_way() {
    let (setup, model) = setup(impatient).await;
    model.answers.send_replace(false);
    let job = setup.jobs.schedule(request(TASK)).await.unwrap();
    model.until_asked(2).await;
    setup.until(job, |event| matches!(event, EventKind::Said { .. })).await;
    model.answers.send_replace(true);
    let (record, _) = setup.end(job).await;
    assert_eq!(record.status, JobStatus::Complete, "{:?}", record.ending);
    assert_eq!(model.asked(), 3);
}

/// Asks two things at once.
fn doubly(agent: Agent) -> Doing {
    Box::pin(async move {
        let (first, second) = (agent.client.another(), agent.client.another());
        drop(tokio::join!(first.model(&QUESTION), second.model(&QUESTION)));
        agent.pretend().await
    })
}

#[tokio::test]
async fn two_questions_at_once_cannot_spend_what_one_may() {
    let (setup, model) = setup(doubly).await;
    for (limits, reason) in [
        (
            PartialLimits { model_tokens: Some(1200), ..PartialLimits::default() },
            Reason::LimitModelTokens,
        ),
        (
            PartialLimits { model_calls: Some(1), ..PartialLimits::default() },
            Reason::LimitModelCalls,
        ),
    ] {
        let before = model.asked();
        model.answers.send_replace(false);
        let job = setup.jobs.schedule(limited(limits)).await.unwrap();
        let (record, events) = setup.end(job).await;
        assert_eq!(record.ending.unwrap().reason, reason);
        assert!(model.asked() - before <= 1);
        let taken_back = events.iter().find_map(|event| match &event.event {
            EventKind::ModelCall { call } => Some(call.clone()),
            _ => None,
        });
        let taken_back = taken_back.expect("the call that was under way is recorded");
        assert!(taken_back.usage.estimated && taken_back.usage.input_tokens >= 100);
        assert!(taken_back.error.unwrap().contains("taken back"));
    }
}

/// Asks one thing, begins a step, and goes on asking.
pub(crate) fn steady(mut agent: Agent) -> Doing {
    Box::pin(async move {
        assert!(matches!(agent.ask_persistently().await, ModelAnswer::Turn { .. }));
        agent.step(1).await;
        while let ModelAnswer::Turn { .. } = agent.ask_persistently().await {}
        agent.pretend().await
    })
}

#[tokio::test]
async fn a_restart_forgets_nothing_that_was_spent() {
    let (setup, model) = setup(steady).await;
    let limits = PartialLimits { model_calls: Some(4), ..PartialLimits::default() };
    let job = setup.jobs.schedule(limited(limits)).await.unwrap();
    setup.until(job, started).await;
    model.answers.send_replace(false);
    let setup = setup.restart(with(&model)).await;
    model.answers.send_replace(true);
    let (record, events) = setup.end(job).await;
    assert_eq!(record.ending.unwrap().reason, Reason::LimitModelCalls);
    let calls = events.iter().filter(|e| matches!(e.event, EventKind::ModelCall { .. })).count();
    assert_eq!((calls, record.usage.unwrap().model_calls), (4, Some(4)));
}

#[tokio::test]
async fn a_job_whose_models_are_gone_says_so() {
    let (setup, model) = setup(steady).await;
    model.answers.send_replace(false);
    let job = setup.jobs.schedule(request(TASK)).await.unwrap();
    model.until_asked(1).await;
    let setup = setup.restart(config(1)).await;
    let (record, _) = setup.end(job).await;
    assert_eq!(record.ending.unwrap().reason, Reason::ModelUnavailable);
}

/// Makes something, in more words than anybody keeps.
fn verbose(mut agent: Agent) -> Doing {
    Box::pin(async move {
        let Assignment::Task { prompt, model } = agent.assignment.clone() else {
            panic!("no task")
        };
        assert_eq!((&*prompt, &*model.provider, &*model.model), (TASK, "ollama", "llama"));
        agent.ask_persistently().await;
        let check = Check { what: "x".repeat(100_000), command: "true".into() };
        let plan = Plan { checks: vec![check; 10], ..Plan::default() };
        agent.say(ReportKind::Plan { plan }).await;
        agent.done(1, StepKind::File, "hello.txt", "hello\n", 0).await;
        agent.done(2, StepKind::Bash, "look", "grep hallo hello.txt\n", 1).await;
        agent.done(3, StepKind::Bash, "long", &"#".repeat(2_000_000), 0).await;
        agent.done(4, StepKind::Bash, "check", "grep hello hello.txt\n", 0).await;
        agent.say(result(true)).await;
        agent.finish(Verdict::Complete).await
    })
}

#[tokio::test]
async fn an_agents_work_is_told_in_its_zip() {
    let (setup, _model) = setup(verbose).await;
    let job = setup.jobs.schedule(request(TASK)).await.unwrap();
    let (record, events) = setup.end(job).await;
    assert_eq!(record.status, JobStatus::Complete, "{:?}", record.ending);
    assert_eq!(record.spec.title, "Say hello.");
    let made = record.result.unwrap();
    assert!(made.verified && made.artifacts == ["hello.txt"], "{made:?}");
    let size = |event| serde_json::to_string(event).unwrap().len();
    assert!(events.iter().all(|event| size(event) < 1_200_000), "nothing is kept without bounds");

    let zip = std::fs::File::open(setup.jobs.zip_path(job)).unwrap();
    let mut zip = zip::ZipArchive::new(zip).unwrap();
    let mut text = |name: &str| std::io::read_to_string(zip.by_name(name).unwrap()).unwrap();
    let runbook = runbook::Runbook::parse(&text(".cagent/runbook.md")).unwrap();
    let titles: Vec<_> = runbook.blocks.iter().map(|block| &*block.title).collect();
    assert_eq!(titles, ["hello.txt", "look", "check"]);
    assert!(text(".cagent/runbook.md").contains("Not replayable: step 3, long"));
    let manifest: serde_json::Value = serde_json::from_str(&text(".cagent/manifest.json")).unwrap();
    let agent = &manifest["job"]["agent"];
    assert_eq!((&agent["task"], &agent["verified"]), (&TASK.into(), &true.into()));
    assert_eq!(agent["models"][0]["model"], "llama");
    assert_eq!(agent["models"][0]["input_tokens"], INPUT_TOKENS);
}

#[tokio::test]
async fn a_task_is_an_agents_only_where_there_is_a_model() {
    let (setup, model) = setup(steady).await;
    let mode = async |asked| mode_of(&setup, asked).await;
    let declared = format!("---\nrunbook: 1\n---\n{HELLO}");
    assert_eq!(
        mode(request(HELLO)).await.unwrap(),
        Mode::Agent,
        "blocks are for the agent to read"
    );
    assert_eq!(mode(request(&declared)).await.unwrap(), Mode::Runbook);
    let explicit = |mode| ScheduleRequest { mode, ..request(HELLO) };
    assert_eq!(mode(explicit(Mode::Runbook)).await.unwrap(), Mode::Runbook);
    assert_eq!(
        mode(ScheduleRequest { mode: Mode::Agent, ..request(&declared) }).await.unwrap(),
        Mode::Agent
    );
    let named = |name: &str| ScheduleRequest { model: Some(name.into()), ..request(HELLO) };
    assert_eq!(mode(named("ollama")).await.unwrap(), Mode::Agent);
    let unknown = mode(named("gpt-9")).await.unwrap_err();
    assert!(unknown.to_string().contains("available: ollama/llama"), "{unknown}");
    for (limits, field) in [
        (PartialLimits { steps: Some(0), ..PartialLimits::default() }, "steps"),
        (PartialLimits { model_calls: Some(0), ..PartialLimits::default() }, "model_calls"),
        (PartialLimits { model_tokens: Some(0), ..PartialLimits::default() }, "model_tokens"),
        (PartialLimits { cost_usd: Some(-1.0), ..PartialLimits::default() }, "cost_usd"),
    ] {
        let refused = mode(limited(limits)).await.unwrap_err();
        assert!(matches!(refused, jobs::ScheduleError::Limits(bad) if bad.field == field));
    }
    assert_eq!(model.asked(), 0);

    let bare = Config { models: Arc::new(Models::new(vec![])), ..config(1) };
    let setup = setup.restart(bare).await;
    assert_eq!(mode_of(&setup, request(HELLO)).await.unwrap(), Mode::Runbook);
    let refused = mode_of(&setup, request(TASK)).await.unwrap_err();
    assert!(matches!(refused, jobs::ScheduleError::NoModel), "{refused}");
    for asked in [explicit(Mode::Agent), named("ollama")] {
        let refused = mode_of(&setup, asked).await.unwrap_err();
        assert!(matches!(refused, jobs::ScheduleError::AgentMode), "{refused}");
    }
}

#[tokio::test]
async fn a_cost_is_limited_only_where_everybody_has_a_price() {
    let (setup, model) = setup(steady).await;
    model.answers.send_replace(false);
    let cheap = PartialLimits { cost_usd: Some(1.0), ..PartialLimits::default() };
    assert_eq!(mode_of(&setup, limited(cheap)).await.unwrap(), Mode::Agent);

    let priced = provider("http://127.0.0.1:9");
    let unpriced =
        Provider { kind: Kind::Gemini, model: "g".into(), price: None, ..priced.clone() };
    let models = Arc::new(Models::new(vec![priced, unpriced]));
    let setup = setup.restart(Config { models, ..config(1) }).await;
    for first in [None, Some("ollama"), Some("gemini")] {
        let asked = ScheduleRequest { model: first.map(Into::into), ..limited(cheap) };
        let refused = mode_of(&setup, asked).await.unwrap_err();
        assert!(matches!(refused, jobs::ScheduleError::NoPrice), "{refused}");
    }
    let runbook = ScheduleRequest { limits: cheap, mode: Mode::Runbook, ..request(HELLO) };
    assert_eq!(mode_of(&setup, runbook).await.unwrap(), Mode::Runbook);
    assert_eq!(mode_of(&setup, request(TASK)).await.unwrap(), Mode::Agent, "the operator's limit");
}

async fn mode_of(setup: &Setup, asked: ScheduleRequest) -> Result<Mode, jobs::ScheduleError> {
    let job = setup.jobs.schedule(asked).await?;
    setup.jobs.cancel(job).await.unwrap();
    Ok(setup.jobs.get(job).await.unwrap().spec.mode)
}
