//! A scripted model that keeps the time: when it was asked, and when it had answered.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use testkit::scripted::{Provider, Reply, Scenario};
use testkit::{DataDir, PATIENCE, ScriptedModel, Server};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::bed::Bed;

/// Whose protocol models speak here. Its window has a million tokens.
pub(crate) const PROVIDER: Provider = Provider::Gemini;

/// A job for it. So few words that no plan is asked for.
pub(crate) fn task() -> Value {
    json!({ "prompt": "Do the work", "mode": "agent" })
}

/// The end of a job.
pub(crate) fn finish() -> Reply {
    Reply::call("finish", json!({ "summary": "Done.", "artifacts": [], "checks": [] }))
}

/// It, running.
#[derive(Debug)]
pub(crate) struct Model {
    scripted: ScriptedModel,
    asked: watch::Sender<Vec<Asked>>,
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// When all of it was there.
    pub(crate) came: Instant,
    /// When its answer was made, a moment before that is sent.
    pub(crate) answered: Instant,
    pub(crate) bytes: usize,
}

impl Model {
    /// Says this to each question, by its number from 0.
    pub(crate) async fn says(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let asked = watch::Sender::<Vec<Asked>>::default();
        let log = asked.clone();
        let script = ScriptedModel::builder(Scenario::default()).with(move |seen| {
            if seen.is_summary() {
                return Reply::text("So far, so good.");
            }
            let reply = reply(log.borrow().len());
            let (came, bytes) = (seen.arrived, seen.body.len());
            log.send_modify(|log| log.push(Asked { came, answered: Instant::now(), bytes }));
            reply
        });
        Self { scripted: script.forget().start().await, asked }
    }

    /// A server that asks it.
    pub(crate) async fn server(&self, bed: &Bed) -> Server {
        bed.builder(&DataDir::new()).model(&self.scripted, &[PROVIDER]).start().await
    }

    /// Waits for the question with this number.
    pub(crate) async fn wait_for(&self, number: usize) -> anyhow::Result<()> {
        let mut asked = self.asked.subscribe();
        loop {
            let known = asked.borrow_and_update().len();
            if known > number {
                return Ok(());
            }
            let next = timeout(PATIENCE, asked.changed()).await;
            next.with_context(|| format!("wait for a question after {known}"))??;
        }
    }

    /// The questions since the last call.
    ///
    /// # Errors
    /// When there was something wrong with one.
    pub(crate) fn asked(&self) -> anyhow::Result<Vec<Asked>> {
        let complaints = self.scripted.complaints();
        ensure!(complaints.is_empty(), "the model complains: {complaints:?}");
        Ok(self.asked.send_replace(vec![]))
    }
}
