//! Histories far longer than the model's window.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use testkit::scripted::{Counters, Fault, Limit, Overflow, Provider, Reply, Scenario, Seen};
use testkit::{Builder, DataDir, ScriptedModel, Server};
use types::{Event, EventKind};

use crate::inside::agent;
use crate::support::{Ended, ended, finish, shell};

const TASK: &str = "Look around in the harbour until you know what opens it, then write that into \
                    key.txt, whatever else you find on your way";
const PLAN: &str = "look into every corner";
const FACT: &str = "the harbour key is QX-7719";
/// The step that prints it.
const HIDDEN_AT: u32 = 3;

const KIB: u64 = 1024;
const MIB: u64 = KIB * KIB;

#[tokio::test]
async fn a_fact_comes_back_in_a_window_of_8k() {
    let walked = Walk::new(Provider::Gemini, 8 * KIB).run().await;
    walked.assert_found();
    assert_eq!(walked.counters.overflows, 0);
}

#[tokio::test]
async fn a_fact_comes_back_in_a_window_of_32k() {
    // Where the oldest messages would be cut off without a word.
    let walked = Walk::new(Provider::Ollama, 32 * KIB).run().await;
    walked.assert_found();
    assert_eq!(walked.counters.overflows, 0);
}

#[tokio::test]
async fn a_fact_comes_back_in_a_window_of_1m() {
    let walked = Walk::new(Provider::Gemini, MIB).run().await;
    walked.assert_found();
    assert_eq!(walked.counters.overflows, 0);
}

#[tokio::test]
async fn a_model_that_counts_otherwise_refuses_only_until_that_is_known() {
    let mut walk = Walk::new(Provider::OpenAi, 16 * KIB).steps(80);
    walk.limit.bytes_per_token = 3;
    let walked = walk.run().await;
    walked.assert_found();
    assert!(walked.counters.overflows <= 2, "{:?}", walked.counters);
}

#[tokio::test]
async fn a_smaller_window_than_was_said_is_learned() {
    for (provider, form) in [
        (Provider::Gemini, Overflow::Native),
        (Provider::Anthropic, Overflow::AnthropicStop),
        (Provider::OpenAi, Overflow::Reduce),
    ] {
        let mut walk = Walk::new(provider, 64 * KIB).steps(80);
        (walk.limit.tokens, walk.limit.overflow) = (16 * KIB, form);
        let walked = walk.run().await;
        walked.assert_found();
        let overflows = walked.counters.overflows;
        assert!((1..=6).contains(&overflows), "{provider:?}: {:?}", walked.counters);
    }
}

#[tokio::test]
async fn a_question_for_a_summary_that_is_too_long_ends_nothing() {
    let mut walk = Walk::new(Provider::Gemini, 32 * KIB).steps(120);
    walk.summary = |n| match n % 3 {
        0 => Reply::text("Many corners were looked into."),
        1 => Reply::default().but(1, Fault::Overflow { form: Overflow::Reduce, window: 0 }),
        _ => Reply::default().but(1, Fault::Length),
    };
    let walked = walk.run().await;
    walked.assert_found();
    assert!(walked.summaries >= 4, "{}", walked.summaries);
}

/// Noisy steps, and what is asked of the model on the way.
struct Walk {
    provider: Provider,
    /// What the server is told.
    window: u64,
    /// What the model has.
    limit: Limit,
    steps: u32,
    /// What it says when it is to sum up, for the how manieth time, from 0.
    summary: fn(u32) -> Reply,
}

/// What became of it.
struct Walked {
    ended: Ended,
    counters: Counters,
    summaries: u32,
    /// The most that agentd and the server had in memory, in bytes.
    peaks: (u64, u64),
}

impl Walk {
    fn new(provider: Provider, window: u64) -> Self {
        let limit = Limit { tokens: window, bytes_per_token: 4, overflow: Overflow::Native };
        let summary = |_| Reply::text("Many corners were looked into; there was only noise.");
        Self { provider, window, limit, steps: 400, summary }
    }

    fn steps(mut self, steps: u32) -> Self {
        self.steps = steps;
        self
    }

    async fn run(&self) -> Walked {
        let data = DataDir::new();
        let guide = Arc::new(Guide::new(self, data.path()));
        let limits = [(self.provider, self.limit)].into();
        let model = ScriptedModel::builder(Scenario { limits, ..Scenario::default() });
        let asked = guide.clone();
        let model = model.with(move |seen| asked.answer(seen)).forget().start().await;
        let window = format!("{}_WINDOW", self.provider.as_str().to_uppercase());
        let server = Builder::new(env!("CARGO_BIN_EXE_cagent")).data_dir(&data);
        let server = server.model(&model, &[self.provider]).env(window, self.window.to_string());
        let server = server.start().await;
        let ended = self.follow(&server).await;
        assert_eq!(model.complaints(), Vec::<String>::new());
        let of_server = peak(&PathBuf::from(format!("/proc/{}", server.pid()))).unwrap();
        Walked {
            ended,
            counters: model.counters(),
            summaries: guide.summaries.load(Ordering::Relaxed),
            peaks: (*guide.peak.lock().unwrap(), of_server),
        }
    }

    /// Waits for the end, and on its way for every so many steps: it is a long one.
    async fn follow(&self, server: &Server) -> Ended {
        let limits = json!({ "model_tokens": 1_000_000_000_u64 });
        let body = json!({ "prompt": TASK, "mode": "agent", "limits": limits });
        let job = server.client().schedule(&body).await;
        for n in (50..=self.steps).step_by(50) {
            let is_there = |event: &Event| match event.event {
                EventKind::StepStarted { step, .. } => step == n,
                EventKind::Ended { .. } => true,
                _ => false,
            };
            server.client().events_until(job, is_there).await;
        }
        ended(server, job).await
    }
}

impl Walked {
    fn assert_found(&self) {
        self.ended.assert_verified();
        assert_eq!(self.ended.text("key.txt"), "QX-7719\n");
        let (agent, server) = self.peaks;
        assert!(agent <= 15 * MIB, "agentd had {agent} bytes");
        assert!(server <= 150 * MIB, "the server had {server} bytes");
    }
}

/// The model that looks around.
struct Guide {
    data: PathBuf,
    steps: u32,
    window: u64,
    summary: fn(u32) -> Reply,
    turns: AtomicU32,
    summaries: AtomicU32,
    peak: Mutex<u64>,
}

impl Guide {
    fn new(walk: &Walk, data: &Path) -> Self {
        Self {
            data: data.into(),
            steps: walk.steps,
            window: walk.window,
            summary: walk.summary,
            turns: AtomicU32::new(0),
            summaries: AtomicU32::new(0),
            peak: Mutex::default(),
        }
    }

    fn answer(&self, seen: &Seen) -> Reply {
        if seen.is_analysis() {
            let items = json!([{ "text": PLAN, "state": "active" }]);
            return Reply::call("plan", json!({ "items": items }));
        }
        assert!(seen.task().contains(TASK), "{:#?}", seen.messages);
        if seen.is_summary() {
            return (self.summary)(self.summaries.fetch_add(1, Ordering::Relaxed));
        }
        assert!(seen.contains(PLAN), "{:#?}", seen.messages);
        self.step(self.turns.fetch_add(1, Ordering::Relaxed) + 1, seen)
    }

    fn step(&self, n: u32, seen: &Seen) -> Reply {
        match n.checked_sub(self.steps) {
            // The whole of the fact is in no command.
            None if n == HIDDEN_AT => {
                shell(&format!("printf 'the harbour key is %s-%s\\n' QX 7719\n{}", noise(n)))
            }
            None | Some(0) => shell(&noise(n)),
            Some(1) => {
                assert!(self.window >= MIB || !seen.contains(FACT), "it is still in view");
                *self.peak.lock().unwrap() = agent(&self.data).and_then(|a| peak(&a)).unwrap();
                Reply::call("recall", json!({ "query": "harbour key" }))
            }
            Some(2) => {
                assert!(seen.contains(FACT), "{:#?}", seen.messages.last());
                shell("echo QX-7719 > key.txt")
            }
            Some(_) => finish(&["key.txt"], "grep -q QX-7719 key.txt"),
        }
    }
}

/// 20 kB, others at each step; with the words that are looked for, but never together.
fn noise(n: u32) -> String {
    format!("seq -f 'corner {n}: no harbour, and no such key, only noise %.0f' 1 400")
}

/// The most that a process had in memory, in bytes.
fn peak(process: &Path) -> Option<u64> {
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * KIB)
}
