//! One life of agentd: hello, run, finished.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use protocol::{AgentSpec, Assignment, ClientError, Inbox, Outbox, ReportKind};
use tokio_util::sync::CancellationToken;

use crate::desktop::Desktop;
use crate::egress;
use crate::inward::{Inward, Jupyter};
use crate::link::{Link, abandoned};
use crate::reaper::Reaper;
use crate::step::{Place, Runner};
use crate::{runbook_flow, task_flow};

/// Where agentd finds things. The defaults are a sandbox's; tests use others.
#[derive(Clone, Debug)]
pub struct Config {
    /// The gateway's socket.
    pub gateway: PathBuf,
    /// Where scripts of steps go: writable by agentd, readable by commands.
    pub steps: PathBuf,
    /// The job's files.
    pub workspace: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            gateway: protocol::SOCKET.into(),
            steps: "/run/steps".into(),
            workspace: protocol::WORKSPACE.into(),
        }
    }
}

/// Why agentd ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It is not what a sandbox starts first.
    #[error("agentd cannot look after processes: {0}; only a sandbox should start it")]
    Reaper(#[source] io::Error),
    /// Somebody else is where its proxies belong.
    #[error("agentd cannot listen on the sandbox's loopback: {0}; only a sandbox should start it")]
    Egress(#[source] io::Error),
    /// The gateway does not want it.
    #[error(transparent)]
    Gateway(#[from] ClientError),
    /// Nobody has its sandbox any more.
    #[error("the gateway's directory was removed; nobody can ask for this job's result any more")]
    Abandoned,
}

/// Runs the job the gateway names and returns when its result is durable.
///
/// # Errors
/// [`AgentError`]; a job that fails is no error.
pub async fn run(config: Config) -> Result<(), AgentError> {
    let gateway = config.gateway.clone();
    tokio::select! {
        done = live(config) => done,
        () = abandoned(&gateway) => Err(AgentError::Abandoned),
    }
}

async fn live(config: Config) -> Result<(), AgentError> {
    let reaper = Reaper::start().map_err(AgentError::Reaper)?;
    let link = Rc::new(Link::new(&config.gateway));
    let inbox = Rc::new(Inbox::default());
    // Before any command runs: from here on nobody but us can use the gateway.
    let (welcome, controls) = link.begin().await?;
    // Also for a job that may reach nothing: it is told so at once, where a program that finds no
    // proxy would ask for names that nobody answers, again and again.
    egress::open(link.tunnels().await).await.map_err(AgentError::Egress)?;
    let outbox = Rc::new(Outbox::new(welcome.acked));
    let command_user = welcome.spec.command_user;
    let approve = welcome.spec.approve.then(|| Rc::clone(&inbox));
    let place = Place::first(&welcome.spec, &config);
    let runner = Rc::new(Runner {
        config,
        command_user,
        reaper,
        outbox: Rc::clone(&outbox),
        approve,
        include_caches: welcome.spec.include_caches,
        now: RefCell::new(place.clone()),
    });
    let desktop = Rc::new(Desktop::new(Rc::clone(&runner), place.clone()));
    let jupyter = Jupyter::new(Rc::clone(&runner), place);
    let inward = Inward::new(Rc::clone(&link), Rc::clone(&runner), Rc::clone(&desktop), jupyter);
    let (link_too, inbox_too) = (Rc::clone(&link), Rc::clone(&inbox));
    let desktop_too = Rc::clone(&desktop);
    let desk = Desk { link: link_too, inbox: inbox_too, desktop: desktop_too, missed: None };
    let cancel = CancellationToken::new();
    tokio::select! {
        () = work(welcome.spec, runner, desk, &outbox, &cancel) => Ok(()),
        error = link.deliver(&outbox) => Err(error.into()),
        error = link.obey(controls, &cancel, &inbox, &inward) => Err(error.into()),
        never = desktop.keep_size(&inbox) => match never {},
    }
}

/// What an agent that thinks has at hand.
#[derive(Debug)]
pub(crate) struct Desk {
    /// To ask models.
    pub(crate) link: Rc<Link>,
    /// What people say.
    pub(crate) inbox: Rc<Inbox>,
    /// What there is to see.
    pub(crate) desktop: Rc<Desktop>,
    /// What it was to have and has not.
    pub(crate) missed: Option<String>,
}

async fn work(
    spec: AgentSpec,
    runner: Rc<Runner>,
    mut desk: Desk,
    outbox: &Outbox,
    cancel: &CancellationToken,
) {
    if spec.desktop
        && let Err(why) = desk.desktop.start().await
    {
        let missed = format!("the desktop that was asked for is not there: {why}");
        runner.warn(missed.clone()).await;
        desk.missed = Some(missed);
    }
    let verdict = match spec.assignment.clone() {
        Assignment::Runbook { runbook } => {
            runbook_flow::run(spec, runbook.blocks, runner, cancel).await
        }
        Assignment::Task { prompt, model } => {
            let task = task_flow::Task { prompt, model };
            task_flow::run(spec, task, runner, desk, cancel).await
        }
    };
    outbox.push(ReportKind::Finished(verdict)).await;
    outbox.settled().await;
}
