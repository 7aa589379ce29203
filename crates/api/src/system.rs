//! How the server stands, for people who use or keep it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use jiff::Timestamp;
use jobs::{EngineStanding, ModelStanding, NetworkPolicy, Overview, Price, Spent};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::task::JoinError;
use types::{JobStatus, Limits, LimitsPolicy, Network, SandboxReport, Usd};
use utoipa::ToSchema;

use crate::Api;
use crate::json::Json;
use crate::machine::{EngineImage, Finding, FindingLevel, Machine};
use crate::problem::Problem;
use crate::refusals::CommonProblems;

/// How long what the doctor found counts.
const FRESH: Duration = Duration::from_secs(10);

/// How the server stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct System {
    /// Its version.
    pub version: String,
    /// Whether it takes jobs: it is not about to stop, and the disk has room.
    pub accepting: bool,
    /// The engines; the first is the default.
    pub engines: Vec<EngineState>,
    /// The images that the engines have.
    pub images: Vec<EngineImage>,
    /// What jobs may use.
    pub limits: LimitsRange,
    /// What jobs may reach.
    pub network: NetworkRange,
    /// Who answers agents, in the order they are asked; none if tasks are runbooks.
    pub models: Vec<ModelState>,
    /// What agents have spent on models.
    pub spend: Spend,
    /// The disk.
    pub disk: Disk,
    /// Who waits, and for how many.
    pub queue: QueueState,
    /// How many jobs are in which status.
    pub jobs: Vec<StatusCount>,
    /// Where other things are.
    pub links: Doors,
}

/// How an engine stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EngineState {
    /// Its name.
    pub name: String,
    /// Whether jobs can run on it.
    pub available: bool,
    /// Why not, for people; null if they can.
    #[schema(required = true)]
    pub problem: Option<String>,
    /// How it protects a sandbox, and what it does not enforce; null if it does not say.
    #[schema(required = true)]
    pub sandbox: Option<SandboxReport>,
}

/// What a job gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LimitsRange {
    /// Who asks for nothing.
    pub default: Limits,
    /// The most anybody may ask for.
    pub most: Limits,
}

/// What a job may reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkRange {
    /// Who asks for nothing.
    pub default: Network,
    /// The most anybody may ask for.
    pub most: Network,
}

/// How a model stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelState {
    /// `provider/model`: for `model` of a job.
    pub name: String,
    /// Its window in tokens.
    pub window_tokens: u64,
    /// Whether it takes pictures.
    pub images: bool,
    /// What tokens cost; null if nobody set it.
    #[schema(required = true)]
    pub price: Option<TokenPrice>,
    /// For how many seconds it is not asked because it failed; null if it is well.
    #[schema(required = true)]
    pub rests_seconds: Option<u64>,
}

/// What tokens cost, in US dollars for a million.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TokenPrice {
    /// Read.
    pub input: f64,
    /// Read from a cache.
    pub cached: f64,
    /// Written.
    pub output: f64,
}

/// What was spent on models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Spend {
    /// For jobs that were accepted today (UTC) and are kept.
    pub today: SpendSum,
    /// For all jobs that are kept.
    pub kept: SpendSum,
}

/// A sum of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpendSum {
    /// Calls, those that failed included.
    pub calls: u64,
    /// Tokens that models read.
    pub input_tokens: u64,
    /// Tokens that models wrote.
    pub output_tokens: u64,
    /// What that cost, as far as prices are set; null if none is.
    #[schema(required = true)]
    pub cost_usd: Option<Usd>,
}

/// The disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Disk {
    /// What is free.
    pub free_bytes: u64,
    /// Below so much nothing is accepted.
    pub reserve_bytes: u64,
    /// What results and logs take.
    pub results_bytes: u64,
    /// Beyond so much the oldest results go.
    pub results_most_bytes: u64,
}

/// The queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueState {
    /// How many jobs may run at one time.
    pub concurrency: u64,
    /// When the job was accepted that is next; null if none waits.
    #[schema(value_type = Option<String>, format = "date-time", required = true)]
    pub oldest_waiting: Option<Timestamp>,
}

/// How many jobs are in a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusCount {
    /// The status.
    pub status: JobStatus,
    /// How many.
    pub count: u64,
}

/// Where other things are, as addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Doors {
    /// The list of desktops.
    pub desktop: String,
    /// The list of Jupyter Labs.
    pub jupyter: String,
}

/// What `cagent doctor` finds on the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Doctor {
    /// Whether jobs can run.
    pub works: bool,
    /// What was looked at.
    pub findings: Vec<Finding>,
}

/// How the server stands
///
/// What it has, what jobs may ask for, what they use: engines, images, limits, models, disk, queue.
#[utoipa::path(get, path = "/v1/system", tag = "server", operation_id = "system",
    responses((status = 200, description = "How it stands", body = System), CommonProblems))]
pub(crate) async fn system(State(api): State<Api>) -> Result<Json<System>, Problem> {
    let (overview, images) = tokio::join!(api.jobs.overview(), api.config.machine.images());
    let portal = &api.config.portal;
    let links = Doors { desktop: portal.desktop_list(), jupyter: portal.jupyter_list() };
    Ok(Json(System::new(overview?, images, links)))
}

/// Look at the machine
///
/// As `cagent doctor` does: what sandboxes need is tried, which takes seconds. Who asks again within
/// ten gets the same answer.
#[utoipa::path(get, path = "/v1/doctor", tag = "server", operation_id = "doctor",
    responses((status = 200, description = "What was found", body = Doctor), CommonProblems))]
pub(crate) async fn doctor(State(api): State<Api>) -> Result<Json<Doctor>, Problem> {
    let looked = api.looked.at(&api.config.machine).await;
    let findings = looked.map_err(|e| Problem::internal(&e))?;
    let works = findings.iter().all(|finding| finding.level != FindingLevel::Missing);
    Ok(Json(Doctor { works, findings }))
}

/// What was found last, and when.
type Last = Option<(Instant, Vec<Finding>)>;

/// The last look at the machine, which all who ask share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looked(Arc<Mutex<Last>>);

impl Looked {
    /// A task of its own: who leaves before the end must not leave half a look behind, and the next
    /// one waits for it.
    async fn at(&self, machine: &Arc<dyn Machine>) -> Result<Vec<Finding>, JoinError> {
        let (looked, machine) = (self.0.clone(), machine.clone());
        tokio::spawn(async move {
            let mut last = looked.lock().await;
            if let Some((at, findings)) = &*last
                && at.elapsed() < FRESH
            {
                return findings.clone();
            }
            let findings = machine.doctor().await;
            *last = Some((Instant::now(), findings.clone()));
            findings
        })
        .await
    }
}

impl System {
    fn new(overview: Overview, images: Vec<EngineImage>, links: Doors) -> Self {
        let LimitsPolicy { defaults, ceilings } = overview.limits;
        let NetworkPolicy { default, ceiling } = overview.network;
        let census = overview.census;
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            accepting: overview.accepting,
            engines: overview.engines.into_iter().map(EngineState::from).collect(),
            images,
            limits: LimitsRange { default: defaults, most: ceilings },
            network: NetworkRange { default, most: ceiling },
            models: overview.models.into_iter().map(ModelState::from).collect(),
            spend: Spend { today: overview.spent_today.into(), kept: overview.spent.into() },
            disk: Disk {
                free_bytes: overview.free_bytes,
                reserve_bytes: overview.reserve_bytes,
                results_bytes: census.result_bytes,
                results_most_bytes: overview.results_bytes,
            },
            queue: QueueState {
                concurrency: overview.concurrency as u64,
                oldest_waiting: census.oldest_waiting,
            },
            jobs: census.jobs.into_iter().map(StatusCount::from).collect(),
            links,
        }
    }
}

impl From<EngineStanding> for EngineState {
    fn from(EngineStanding { name, report }: EngineStanding) -> Self {
        let (problem, sandbox) = match report {
            Ok(report) => (None, Some(report)),
            Err(problem) => (Some(problem), None),
        };
        Self { name: name.into(), available: problem.is_none(), problem, sandbox }
    }
}

impl From<ModelStanding> for ModelState {
    fn from(model: ModelStanding) -> Self {
        let ModelStanding { provider, model, window_tokens, images, price, rests } = model;
        let price =
            price.map(|Price { input, cached, output }| TokenPrice { input, cached, output });
        let rests_seconds = rests.map(|rests| rests.as_secs().max(1));
        Self { name: format!("{provider}/{model}"), window_tokens, images, price, rests_seconds }
    }
}

impl From<Spent> for SpendSum {
    fn from(Spent { calls, input_tokens, output_tokens, cost }: Spent) -> Self {
        Self { calls, input_tokens, output_tokens, cost_usd: cost }
    }
}

impl From<(JobStatus, u64)> for StatusCount {
    fn from((status, count): (JobStatus, u64)) -> Self {
        Self { status, count }
    }
}
