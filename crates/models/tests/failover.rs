//! Whole questions over HTTP, against scripted providers on the loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use models::{Choice, Kind, Meter, Models, OverBudget, Provider, Secret, ToolMode};
use serde_json::json;
use testkit::scripted::{
    Fault, Hint, Limit, Overflow, Provider as Whose, Reply, Rule, Scenario, ScriptedModel, When,
};
use tokio::sync::Notify;
use types::{
    ModelAnswer, ModelCall, ModelFacts, ModelRequest, Part, Reason, ToolResult, ToolSpec, Turn,
};

/// Keeps a list.
#[derive(Default)]
struct Ledger {
    calls: Mutex<Vec<ModelCall>>,
    more: Notify,
}

#[async_trait]
impl Meter for Ledger {
    async fn reserve(&self, _: u64, wanted: u32, _: &ModelFacts) -> Result<u32, OverBudget> {
        Ok(wanted)
    }

    async fn record(&self, call: ModelCall) {
        self.calls.lock().unwrap().push(call);
        self.more.notify_one();
    }
}

impl Ledger {
    fn calls(&self) -> Vec<ModelCall> {
        self.calls.lock().unwrap().clone()
    }

    async fn has_one_by(&self, provider: &str) {
        while !self.calls().iter().any(|call| call.provider == provider) {
            self.more.notified().await;
        }
    }
}

fn provider(server: &ScriptedModel, kind: Kind) -> Provider {
    let whose = Whose::ALL[Kind::ALL.iter().position(|one| *one == kind).unwrap()];
    Provider {
        kind,
        key: (kind != Kind::Ollama).then(|| Secret::new(whose.key())),
        base_url: server.url(whose).parse().unwrap(),
        model: whose.model().into(),
        window_tokens: 100_000,
        images: true,
        tools: if kind == Kind::Alchemyst { ToolMode::Text } else { ToolMode::Native },
        price: None,
        silence: Duration::from_secs(20),
    }
}

fn models(server: &ScriptedModel, kinds: &[Kind]) -> (Models, Choice) {
    let models = Models::new(kinds.iter().map(|kind| provider(server, *kind)).collect());
    let choice = models.choose(None).unwrap();
    (models, choice)
}

fn task() -> ModelRequest {
    let shell = ToolSpec {
        name: "shell".into(),
        description: "Runs a command.".into(),
        parameters: json!({
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
        }),
    };
    ModelRequest {
        system: "You work in a sandbox.".into(),
        turns: vec![Turn::User { parts: vec![Part::text("Count the files")] }],
        tools: vec![shell],
        must_call: None,
        max_output_tokens: 1000,
    }
}

/// The conversation after an answer: its calls done.
fn with_results(mut asked: ModelRequest, answer: ModelAnswer, by: Kind) -> ModelRequest {
    let ModelAnswer::Turn { turn, facts, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(facts.provider, by.as_str());
    assert_eq!(turn.calls.len(), 1, "{turn:?}");
    let results = turn.calls.iter().map(|call| ToolResult {
        call: call.id.clone(),
        name: call.name.clone(),
        parts: vec![Part::text(format!("done: {}", call.arguments["command"]))],
        is_error: false,
    });
    let results = results.collect();
    asked.turns.extend([Turn::Model(turn), Turn::Results { results }]);
    asked
}

/// From now on this provider refuses our key.
fn locked_out_after(provider: Whose, questions: u32) -> Rule {
    let when = When { provider: Some(provider), from: Some(questions + 1), ..When::default() };
    let fault = Fault::Status { status: 401, message: None };
    Rule { when, reply: Reply::default().but(u32::MAX, fault), ..Rule::default() }
}

/// Every provider answers twice and is then gone; the next one takes the conversation over as it is,
/// other providers' calls, results and signatures included, and none of them objects.
#[tokio::test]
async fn a_conversation_is_handed_from_provider_to_provider() {
    let order = [Kind::Gemini, Kind::Anthropic, Kind::OpenAi, Kind::Ollama, Kind::Alchemyst];
    let back = [Kind::Alchemyst, Kind::Ollama, Kind::OpenAi, Kind::Anthropic, Kind::Gemini];
    for order in [order, back] {
        let whose = |kind: &Kind| Whose::ALL[Kind::ALL.iter().position(|k| k == kind).unwrap()];
        let step =
            Reply { repeat: u32::MAX, ..Reply::call("shell", json!({"command": "ls {{n}}"})) };
        let scenario = Scenario {
            rules: order[..4].iter().map(|kind| locked_out_after(whose(kind), 2)).collect(),
            ..Scenario::of([step])
        };
        let server = ScriptedModel::start(scenario).await;
        let (models, choice) = models(&server, &order);
        let (ledger, mut asked) = (Ledger::default(), task());
        for by in order.iter().flat_map(|kind| [*kind; 2]) {
            asked = with_results(asked.clone(), models.ask(&choice, &asked, &ledger).await, by);
        }
        let said = format!("{:?}", server.requests().last().unwrap().messages);
        for n in 1..10 {
            assert!(said.contains(&format!("ls {n}")), "step {n} got lost: {said}");
        }
        assert_eq!(server.complaints(), Vec::<String>::new());
        let calls = ledger.calls();
        assert_eq!(calls.iter().filter(|call| call.error.is_none()).count(), 10);
        assert_eq!(calls.iter().filter(|call| call.error.is_some()).count(), 4, "{calls:?}");
    }
}

/// Whatever goes wrong at the first, the second answers, and no key is in what is recorded.
#[tokio::test]
async fn whatever_goes_wrong_the_next_one_answers() {
    let faults = [
        Fault::RateLimit { hint: Hint::Seconds, after_ms: 3_600_000 },
        Fault::Quota,
        Fault::Status { status: 401, message: Some("bad key AIzaCanary-gemini-82f4b6310a".into()) },
        Fault::Status { status: 404, message: None },
        Fault::Status { status: 503, message: None },
        Fault::Empty,
        Fault::Close,
        Fault::Cut { at_byte: 40 },
        Fault::ErrorInside { after_frames: 1 },
        Fault::Garbage,
    ];
    let tried = faults.map(|fault| async move {
        let name = format!("{fault:?}");
        let when = When { provider: Some(Whose::Gemini), ..When::default() };
        let reply = Reply::default().but(u32::MAX, fault);
        let rule = Rule { when, reply, ..Rule::default() };
        let scenario = Scenario { rules: vec![rule], ..Scenario::of([Reply::text("hi")]) };
        let server = ScriptedModel::start(scenario).await;
        let (models, choice) = models(&server, &[Kind::Gemini, Kind::Anthropic]);
        let ledger = Ledger::default();
        let answer = models.ask(&choice, &task(), &ledger).await;
        let ModelAnswer::Turn { turn, facts, .. } = answer else { panic!("{name}: {answer:?}") };
        assert_eq!((facts.provider.as_str(), turn.text.as_str()), ("anthropic", "hi"), "{name}");
        let calls = ledger.calls();
        assert_eq!(calls.len(), server.requests().len(), "{name}");
        assert!(!format!("{calls:?}").contains("anary"), "{name}: {calls:?}");
    });
    futures_util::future::join_all(tried).await;
}

#[tokio::test]
async fn what_is_recorded_of_a_failure_is_why_and_not_where() {
    let scenario = Scenario { down: vec![Whose::Gemini], ..Scenario::default() };
    let server = ScriptedModel::start(scenario).await;
    let mut gone = provider(&server, Kind::Anthropic);
    gone.key = Some(Secret::new("wrong"));
    let models = Models::new(vec![provider(&server, Kind::Gemini), gone]);
    let choice = models.choose(None).unwrap();
    let (ledger, task) = (Ledger::default(), task());
    tokio::select! {
        // It waits for Gemini for minutes. What it has found out until then is what counts here.
        answer = models.ask(&choice, &task, &ledger) => panic!("{answer:?}"),
        () = ledger.has_one_by("anthropic") => {}
    }
    let calls = ledger.calls();
    assert!(calls[0].error.as_ref().unwrap().starts_with("it could not be reached"), "{calls:?}");
    let refused = calls.iter().find(|call| call.provider == "anthropic").unwrap();
    assert!(refused.error.as_ref().unwrap().starts_with("it does not accept our key"));
    assert!(!format!("{calls:?}").contains("http://"), "{calls:?}");
    let unreachable = calls.iter().map(|call| call.usage.input_tokens).sum::<u64>();
    assert_eq!(unreachable, 0, "what never arrived is not billed");
}

#[tokio::test]
async fn with_a_wrong_key_alone_the_job_is_told_at_once() {
    let server = ScriptedModel::start(Scenario::default()).await;
    let mut gemini = provider(&server, Kind::Gemini);
    gemini.key = Some(Secret::new("s3cret-and-wrong"));
    let models = Models::new(vec![gemini]);
    let choice = models.choose(None).unwrap();
    let answer = models.ask(&choice, &task(), &Ledger::default()).await;
    let ModelAnswer::Failed { reason, error } = answer else { panic!("{answer:?}") };
    assert_eq!(reason, Reason::ModelUnavailable);
    assert!(error.contains("gemini/gemini-3-flash: it does not accept our key"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}

/// Ollama that knows no `truncate` and has less room than was asked for.
#[tokio::test]
async fn a_window_that_is_kept_in_silence_is_learned() {
    let limit = Limit { tokens: 8192, bytes_per_token: 4, overflow: Overflow::Silent };
    let limits = [(Whose::Ollama, limit)].into();
    let says = Reply { repeat: u32::MAX, ..Reply::text("hi") };
    let server = ScriptedModel::start(Scenario { limits, ..Scenario::of([says]) }).await;
    let (models, choice) = models(&server, &[Kind::Ollama]);
    let (ledger, mut asked) = (Ledger::default(), task());
    let answer = models.ask(&choice, &asked, &ledger).await;
    assert!(matches!(answer, ModelAnswer::Turn { .. }), "what fits is answered: {answer:?}");
    asked.turns[0] = Turn::User { parts: vec![Part::text("Count these. ".repeat(10_000))] };
    let ModelAnswer::TooLong { facts } = models.ask(&choice, &asked, &ledger).await else {
        panic!("it answered a question that it had not read")
    };
    assert_eq!(facts.window_tokens, 8192);
    assert_eq!(models.facts(&choice).unwrap().window_tokens, 8192);
    assert_eq!(server.counters().requests, 2);
}

/// It would write for ever, and each time be paid for.
#[tokio::test]
async fn an_answer_without_end_is_asked_for_twice_in_all() {
    let flood = Reply::default().but(u32::MAX, Fault::Huge { bytes: 24 << 20 });
    let server = ScriptedModel::start(Scenario::of([flood])).await;
    let (models, choice) = models(&server, &[Kind::Ollama]);
    let answer = models.ask(&choice, &task(), &Ledger::default()).await;
    let ModelAnswer::Failed { reason, error } = answer else { panic!("{answer:?}") };
    assert_eq!(reason, Reason::ModelUnavailable);
    assert!(error.contains("its answer is far too long (2 calls)"), "{error}");
    assert_eq!(server.counters().requests, 2);
}
