//! What a request must be to become a job.

use std::collections::BTreeMap;

use runbook::{ParseError, Runbook};
use types::{InvalidLimits, JobSpec, Limits, Mode, Network};

/// The largest prompt, in bytes.
pub const MAX_PROMPT_BYTES: usize = 1024 * 1024;

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct ScheduleRequest {
    /// The task.
    pub prompt: String,
    /// How to take it.
    pub mode: Mode,
    /// Which engine; the first one configured if not said.
    pub engine: Option<String>,
    /// What it may use.
    pub limits: Limits,
    /// Whether dependency caches go into the ZIP.
    pub include_caches: bool,
}

/// Why a job was not accepted. Nothing was kept of it.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The prompt is empty or white space.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// The prompt is too large.
    #[error("the prompt has {bytes} bytes; at most {most} are allowed")]
    PromptTooLarge {
        /// What was sent.
        bytes: usize,
        /// What is allowed.
        most: usize,
    },
    /// The runbook has a mistake; the text names the line.
    #[error("the runbook cannot be run: {0}")]
    BadRunbook(#[from] ParseError),
    /// The prompt is plain language and there is no model to read it.
    #[error("the prompt is no runbook, and no model is configured to work on plain language")]
    NoModel,
    /// The prompt was said to be for a model, and there is none.
    #[error("mode `agent` needs a model, and none is configured")]
    AgentMode,
    /// No such engine.
    #[error("there is no engine {asked:?}; available: {}", available.join(", "))]
    UnknownEngine {
        /// What was asked for.
        asked: String,
        /// What there is.
        available: Vec<String>,
    },
    /// A limit makes no sense.
    #[error(transparent)]
    Limits(#[from] InvalidLimits),
    /// The orchestrator is going down.
    #[error("the orchestrator is stopping")]
    Stopping,
    /// The store failed; the text is for the log, not for the client.
    #[error("keep the job: {0}")]
    Store(#[from] store::StoreError),
}

/// Checks a request and settles what it left open.
pub(crate) fn accept(
    request: ScheduleRequest,
    engines: &[&'static str],
) -> Result<JobSpec, ScheduleError> {
    let ScheduleRequest { prompt, mode, engine, limits, include_caches } = request;
    if prompt.trim().is_empty() {
        return Err(ScheduleError::EmptyPrompt);
    }
    if prompt.len() > MAX_PROMPT_BYTES {
        let bytes = prompt.len();
        return Err(ScheduleError::PromptTooLarge { bytes, most: MAX_PROMPT_BYTES });
    }
    limits.validate()?;
    let engine = choose(engine, engines)?;
    let (mode, runbook) = settle(mode, &prompt)?;
    Ok(JobSpec {
        title: title(&runbook),
        prompt,
        mode,
        engine,
        limits,
        network: Network::None,
        environment: BTreeMap::new(),
        include_caches,
    })
}

fn choose(asked: Option<String>, engines: &[&'static str]) -> Result<String, ScheduleError> {
    let known = |name: &&&str| asked.as_deref().is_none_or(|asked| asked == **name);
    match engines.iter().find(known) {
        Some(name) => Ok((*name).to_owned()),
        None => Err(ScheduleError::UnknownEngine {
            asked: asked.unwrap_or_default(),
            available: engines.iter().map(|name| (*name).to_owned()).collect(),
        }),
    }
}

/// Without a model everything is a runbook or nothing.
fn settle(mode: Mode, prompt: &str) -> Result<(Mode, Runbook), ScheduleError> {
    match (mode, Runbook::parse(prompt)) {
        (Mode::Agent, _) => Err(ScheduleError::AgentMode),
        (Mode::Auto | Mode::Runbook, Ok(runbook)) => Ok((Mode::Runbook, runbook)),
        (Mode::Auto, Err(ParseError::Empty)) if !runbook::declares_runbook(prompt) => {
            Err(ScheduleError::NoModel)
        }
        (Mode::Auto | Mode::Runbook, Err(e)) => Err(e.into()),
    }
}

/// Its heading, or what its first block does.
fn title(runbook: &Runbook) -> String {
    let first = runbook.blocks.first().map(|block| &block.title);
    runbook.title.as_ref().or(first).cloned().unwrap_or_default()
}
