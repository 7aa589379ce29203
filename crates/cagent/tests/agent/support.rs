use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::ops::Deref;

use api::Job;
use serde_json::{Value, json};
use testkit::scripted::{Provider, Reply, Scenario, ScriptedModelBuilder, Seen};
use testkit::{Builder, ScriptedModel, Server};
use types::{Event, EventKind, JobId, JobStatus, ModelCall, StepOutcome};
use zip::ZipArchive;

/// So few words that no plan is asked for.
pub(crate) const SHORT: &str = "Do the work";

/// A scripted model that fails the test at its end if it had to complain.
#[derive(Debug)]
pub(crate) struct Model(ScriptedModel);

/// A job that is over.
pub(crate) struct Ended {
    pub(crate) job: Job,
    /// All of them.
    pub(crate) events: Vec<Event>,
    /// What is in its ZIP.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Model {
    /// Says these one after the other.
    pub(crate) async fn says(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::plays(Scenario::of(replies)).await
    }

    pub(crate) async fn plays(scenario: Scenario) -> Self {
        Self(ScriptedModel::start(scenario).await)
    }

    /// Says what this makes of each request.
    pub(crate) async fn with(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self(ScriptedModel::with(reply).await)
    }

    /// One with more wishes.
    pub(crate) async fn of(builder: ScriptedModelBuilder) -> Self {
        Self(builder.start().await)
    }

    /// Plays what a scenario file of `testkit` says.
    pub(crate) async fn file(name: &str) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/scenarios");
        let path = std::path::Path::new(folder).join(name);
        Self::plays(Scenario::read(&path).unwrap()).await
    }

    /// A server that is to ask these.
    pub(crate) fn asked_by(&self, providers: &[Provider]) -> Builder {
        Builder::new(env!("CARGO_BIN_EXE_cagent")).model(self, providers)
    }

    /// Runs one job on a server of its own.
    pub(crate) async fn runs(&self, providers: &[Provider], task: &str) -> Ended {
        let server = self.asked_by(providers).start().await;
        run(&server, task).await
    }

    /// What the requests say that were answered by this provider.
    pub(crate) fn requests_to(&self, provider: Provider) -> Vec<std::sync::Arc<Seen>> {
        self.requests().into_iter().filter(|seen| seen.provider == provider).collect()
    }
}

impl Deref for Model {
    type Target = ScriptedModel;

    fn deref(&self) -> &ScriptedModel {
        &self.0
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let complaints = self.0.complaints();
        assert!(std::thread::panicking() || complaints.is_empty(), "{complaints:#?}");
    }
}

/// Runs a task to its end.
pub(crate) async fn run(server: &Server, task: &str) -> Ended {
    run_with(server, task, json!({})).await
}

/// The same with more fields of `POST /schedule`.
pub(crate) async fn run_with(server: &Server, task: &str, fields: Value) -> Ended {
    let mut body = json!({ "prompt": task, "mode": "agent" });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let job = server.client().schedule(&body).await;
    ended(server, job).await
}

/// Waits for a job's end.
pub(crate) async fn ended(server: &Server, job: JobId) -> Ended {
    let is_end = |event: &Event| matches!(event.event, EventKind::Ended { .. });
    let events = server.client().events_until(job, is_end).await;
    assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq), "no gap, no repeat");
    let files = unzip(server.client().download(job).await);
    Ended { job: server.client().job(job).await, events, files }
}

fn unzip(bytes: Vec<u8>) -> BTreeMap<String, Vec<u8>> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut files = BTreeMap::new();
    for at in 0..zip.len() {
        let mut file = zip.by_index(at).unwrap();
        let mut content = vec![];
        file.read_to_end(&mut content).unwrap();
        files.insert(file.name().unwrap().into_owned(), content);
    }
    files
}

impl Ended {
    /// It is complete, and its checks passed.
    pub(crate) fn assert_verified(&self) {
        self.assert_complete();
        assert_eq!(self.job.verified, Some(true), "{:#?}", self.job.checks);
    }

    pub(crate) fn assert_complete(&self) {
        let Job { status, reason, error, checks, .. } = &self.job;
        let errors = self.errors();
        assert_eq!(*status, JobStatus::Complete, "{reason:?} {error:?} {checks:#?} {errors:#?}");
    }

    /// Every call of a model, in order.
    pub(crate) fn calls(&self) -> Vec<&ModelCall> {
        let mut calls = vec![];
        for event in &self.events {
            if let EventKind::ModelCall { call } = &event.event {
                calls.push(call);
            }
        }
        calls
    }

    /// Why calls failed, as `provider: error`.
    pub(crate) fn errors(&self) -> Vec<String> {
        let failed =
            |call: &&ModelCall| Some(format!("{}: {}", call.provider, call.error.as_ref()?));
        self.calls().iter().filter_map(failed).collect()
    }

    /// How the steps went, in order.
    pub(crate) fn steps(&self) -> Vec<StepOutcome> {
        let outcome = |event: &Event| match event.event {
            EventKind::StepFinished { outcome, .. } => Some(outcome),
            _ => None,
        };
        self.events.iter().filter_map(outcome).collect()
    }

    /// A text file of its ZIP.
    pub(crate) fn text(&self, name: &str) -> String {
        let names: Vec<_> = self.files.keys().collect();
        let file = self.files.get(name).unwrap_or_else(|| panic!("{name} is none of {names:?}"));
        String::from_utf8(file.clone()).unwrap()
    }

    /// Events, job and server agree about the calls and their tokens; where a provider does not say
    /// them, nearly, and only about those that it read.
    pub(crate) fn assert_usage(&self, model: &Model) {
        let calls = self.calls();
        let sum = |of: fn(&ModelCall) -> u64| calls.iter().map(|call| of(call)).sum::<u64>();
        let input = sum(|call| call.usage.input_tokens);
        let output = sum(|call| call.usage.output_tokens);
        let used = self.job.usage.unwrap();
        let told = (Some(calls.len() as u64), Some(input), Some(output));
        assert_eq!((used.model_calls, used.input_tokens, used.output_tokens), told, "{calls:#?}");
        let counted = model.counters();
        assert_eq!(calls.len() as u64, counted.requests);
        if calls.iter().any(|call| call.usage.estimated) {
            let nearly = input.abs_diff(counted.input_tokens) * 4 <= counted.input_tokens;
            assert!(nearly && output > 0, "{input} and {output} tokens, {counted:?}");
        } else {
            assert_eq!((input, output), (counted.input_tokens, counted.output_tokens));
        }
    }
}

/// One bash script.
pub(crate) fn shell(command: &str) -> Reply {
    Reply::call("shell", json!({ "command": command }))
}

/// The end, with files and a command that proves something; none if it is empty.
pub(crate) fn finish(artifacts: &[&str], check: &str) -> Reply {
    let checks = match check {
        "" => json!([]),
        command => json!([{ "what": "it is as it should be", "command": command }]),
    };
    let claim = json!({ "summary": "Did it.", "artifacts": artifacts, "checks": checks });
    Reply::call("finish", claim)
}
