//! What a request must be to become a job.

use std::collections::BTreeMap;

use models::{Models, UnknownModel};
use runbook::{ParseError, Runbook};
use store::RequestKey;
use types::{InvalidLimits, JobId, JobSpec, LimitsPolicy, Mode, Network, PartialLimits};

use crate::environment::{self, InvalidEnvironment};
use crate::room::NoRoom;
use crate::service::NetworkPolicy;
use crate::staging::Staged;

/// The largest prompt, in bytes.
pub const MAX_PROMPT_BYTES: usize = 1024 * 1024;

/// How many domains a job may list.
const MAX_DOMAINS: usize = 256;

/// The longest title of a job, in characters: as long as a runbook's.
const MAX_TITLE_CHARS: usize = 79;

/// The longest name of a request, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// What a client asks for; by default nothing but an empty prompt.
#[derive(Debug, Default)]
pub struct ScheduleRequest {
    /// The task.
    pub prompt: String,
    /// How to take it.
    pub mode: Mode,
    /// Which engine; the first one configured if not said.
    pub engine: Option<String>,
    /// The image of its sandbox; the engine's default if not said.
    pub image: Option<String>,
    /// Whether its desktop is started before its first step.
    pub desktop: bool,
    /// What it may use; the operator's defaults where not said.
    pub limits: PartialLimits,
    /// Whether dependency caches go into the ZIP.
    pub include_caches: bool,
    /// What it may reach; the operator's default if not said.
    pub network: Option<Network>,
    /// Variables of its commands.
    pub environment: BTreeMap<String, String>,
    /// Which provider, or `provider/model`, is asked first; of no use to a runbook.
    pub model: Option<String>,
    /// Whether a person approves every step before it is run.
    pub approve: bool,
    /// Files that are in its workspace when it begins.
    pub inputs: Option<Staged>,
    /// What the client names this request, so that a repeat makes no second job.
    pub idempotency: Option<Idempotency>,
}

/// A client's name of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// 1 to 255 printable ASCII characters.
    pub key: String,
    /// SHA-256 of all that was asked for.
    pub fingerprint: [u8; 32],
}

/// What a request is measured by.
#[derive(Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) engines: Vec<&'static str>,
    pub(crate) limits: &'a LimitsPolicy,
    pub(crate) network: &'a NetworkPolicy,
    pub(crate) models: &'a Models,
}

/// A request that can become a job.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) spec: JobSpec,
    pub(crate) key: Option<RequestKey>,
    pub(crate) inputs: Option<Staged>,
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
    /// The request is for a model, and there is none.
    #[error("this needs a model, and none is configured")]
    AgentMode,
    /// Nobody has that model.
    #[error(transparent)]
    UnknownModel(#[from] UnknownModel),
    /// No such engine.
    #[error("there is no engine {asked:?}; available: {}", available.join(", "))]
    UnknownEngine {
        /// What was asked for.
        asked: String,
        /// What there is.
        available: Vec<String>,
    },
    /// It asks for an image by what cannot be the name of one.
    #[error("that cannot be the name of an image")]
    ImageName,
    /// A limit makes no sense, or is above what the operator allows.
    #[error(transparent)]
    Limits(#[from] InvalidLimits),
    /// A limit on the cost was asked for, and somebody who may be asked has no price.
    #[error("limits.cost_usd cannot be kept: not every model has a price")]
    NoPrice,
    /// The network is more than the operator allows, or the list is too long.
    #[error("network: {why}")]
    Network {
        /// Why not.
        why: String,
    },
    /// A variable cannot be set.
    #[error(transparent)]
    Environment(#[from] InvalidEnvironment),
    /// The input files do not fit into the workspace.
    #[error("the input files have {bytes} bytes; limits.disk_bytes allows {most}")]
    InputsTooLarge {
        /// What was sent.
        bytes: u64,
        /// What is allowed.
        most: u64,
    },
    /// The request's name is empty, too long, or not printable ASCII.
    #[error("an idempotency key has 1 to {MAX_KEY_BYTES} printable ASCII characters")]
    BadKey,
    /// The same name was used for another request.
    #[error("the idempotency key was used for another request before, which became job {job}")]
    KeyReused {
        /// The job of that request.
        job: JobId,
    },
    /// The server's disk is full.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The orchestrator is going down.
    #[error("the orchestrator is stopping")]
    Stopping,
    /// The input files could not be kept; the text is for the log, not for the client.
    #[error("keep the input files: {0}")]
    Inputs(#[source] std::io::Error),
    /// It is to go on after a job whose workspace is not kept.
    #[error("the workspace of the other job is not kept")]
    NotKept,
    /// The store failed; the text is for the log, not for the client.
    #[error("keep the job: {0}")]
    Store(#[from] store::StoreError),
}

/// Checks a request and settles what it left open.
pub(crate) fn accept(
    request: ScheduleRequest,
    terms: &Terms<'_>,
) -> Result<Accepted, ScheduleError> {
    let ScheduleRequest { prompt, environment, inputs, include_caches, image, desktop, .. } =
        request;
    let key = request.idempotency.map(name).transpose()?;
    if prompt.trim().is_empty() {
        return Err(ScheduleError::EmptyPrompt);
    }
    if prompt.len() > MAX_PROMPT_BYTES {
        let bytes = prompt.len();
        return Err(ScheduleError::PromptTooLarge { bytes, most: MAX_PROMPT_BYTES });
    }
    let limits = terms.limits.grant(request.limits)?;
    let network = reach(request.network, terms.network)?;
    environment::check(&environment)?;
    if image.as_deref().is_some_and(|image| !types::is_image_name(image)) {
        return Err(ScheduleError::ImageName);
    }
    fits(inputs.as_ref(), limits.disk_bytes)?;
    let engine = choose(request.engine, &terms.engines)?;
    let (mode, title) = settle(request.mode, request.model.as_deref(), &prompt, terms.models)?;
    let model = request.model.filter(|_| mode == Mode::Agent);
    if mode == Mode::Agent && request.limits.cost_usd.is_some() {
        counts(terms.models, model.as_deref())?;
    }
    let approve = request.approve;
    let spec = JobSpec {
        title,
        prompt,
        mode,
        engine,
        image,
        desktop,
        limits,
        network,
        environment,
        include_caches,
        model,
        approve,
        resumes: None,
    };
    Ok(Accepted { spec, key, inputs })
}

/// Refuses a limit on the cost that somebody without a price might pass: whoever fails hands over to
/// the next.
fn counts(models: &Models, model: Option<&str>) -> Result<(), ScheduleError> {
    if models.all_priced(&models.choose(model)?) { Ok(()) } else { Err(ScheduleError::NoPrice) }
}

pub(crate) fn name(
    Idempotency { key, fingerprint }: Idempotency,
) -> Result<RequestKey, ScheduleError> {
    let printable = key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if printable && (1..=MAX_KEY_BYTES).contains(&key.len()) {
        Ok(RequestKey { key, fingerprint })
    } else {
        Err(ScheduleError::BadKey)
    }
}

/// What a job may reach that asks for this.
fn reach(asked: Option<Network>, policy: &NetworkPolicy) -> Result<Network, ScheduleError> {
    let ceiling = &policy.ceiling;
    let refuse = |why: String| Err(ScheduleError::Network { why });
    match asked {
        None => Ok(policy.in_force().default),
        Some(Network::Domains(domains)) if domains.len() > MAX_DOMAINS => {
            refuse(format!("{} domains; at most {MAX_DOMAINS} are allowed", domains.len()))
        }
        Some(asked) if !asked.is_within(ceiling) => {
            let most = serde_json::to_string(ceiling).unwrap_or_default();
            refuse(format!("more than this server allows, which is {most}"))
        }
        Some(asked) => Ok(asked),
    }
}

fn fits(inputs: Option<&Staged>, most: u64) -> Result<(), ScheduleError> {
    match inputs.map(Staged::bytes) {
        Some(bytes) if bytes > most => Err(ScheduleError::InputsTooLarge { bytes, most }),
        _ => Ok(()),
    }
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

/// How a prompt is taken, and what it is about. With a model, blocks in it are for the agent to
/// read, unless it says that it is a runbook; without one everything is a runbook or nothing.
fn settle(
    asked: Mode,
    model: Option<&str>,
    prompt: &str,
    models: &Models,
) -> Result<(Mode, String), ScheduleError> {
    let declared = runbook::declares_runbook(prompt);
    let wants_model = asked == Mode::Agent || model.is_some() || !models.is_empty();
    if asked == Mode::Runbook || (asked == Mode::Auto && (declared || !wants_model)) {
        return match Runbook::parse(prompt) {
            Err(ParseError::Empty) if asked == Mode::Auto && !declared => {
                Err(ScheduleError::NoModel)
            }
            parsed => Ok((Mode::Runbook, title(&parsed?))),
        };
    }
    if models.is_empty() {
        return Err(ScheduleError::AgentMode);
    }
    models.choose(model)?;
    Ok((Mode::Agent, first_line(prompt)))
}

/// Its heading, or what its first block does.
fn title(runbook: &Runbook) -> String {
    let first = runbook.blocks.first().map(|block| &block.title);
    runbook.title.as_ref().or(first).cloned().unwrap_or_default()
}

/// The first line that says something, short enough for a list.
fn first_line(prompt: &str) -> String {
    let line = prompt.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let shown = line.trim_start_matches('#').trim_start().replace(char::is_control, " ");
    let mut short: String = shown.chars().take(MAX_TITLE_CHARS).collect();
    if short.len() < shown.len() {
        short.push('…');
    }
    short
}
