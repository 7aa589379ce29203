//! Steps: running one block of a runbook, and what else is done with a command's rights.
//!
//! A command never starts directly: agentd re-executes itself as [`trampoline`], which is the
//! job's command user already, has a session of its own and offers itself first to the kernel's
//! memory killer, and then becomes the command. When the command ends, everything it started is
//! ended too, and only then does the step end.
//!
//! The working directory and the exported environment of a shell block are handed to the blocks
//! after it. Python, TypeScript and JavaScript blocks get them but hand nothing on.
//!
//! Not here: which block comes next ([`crate::runbook_flow`]).

mod environment;
mod errand;
mod files;
mod heading;
mod keeper;
mod output;
mod plan;
mod process;
mod service;
mod shell;
pub mod trampoline;

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use protocol::{AgentSpec, CommandUser, Inbox, Outbox, ReportKind};
use runbook::{Block, Work};
use tokio_util::sync::CancellationToken;
use types::{LastStep, NoticeLevel, StepOutcome, Stream};

pub(crate) use environment::{Environment, is_installed};
pub(crate) use errand::Open;
use files::StepFiles;
pub(crate) use heading::Heading;
pub(crate) use keeper::{Kept, KeptEnd};
use plan::Plan;
use process::End;
pub(crate) use service::Service;
pub(crate) use shell::{Shell, resize};

use crate::reaper::Reaper;
use crate::session::Config;

/// Runs blocks, one at a time.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) config: Config,
    pub(crate) command_user: Option<CommandUser>,
    pub(crate) reaper: Reaper,
    pub(crate) outbox: Rc<Outbox>,
    /// Where people approve steps, if they are to.
    pub(crate) approve: Option<Rc<Inbox>>,
    /// Whether dependency caches are delivered too.
    pub(crate) include_caches: bool,
    /// Where the newest step began, or what it left: a person's shell has the same variables.
    pub(crate) now: RefCell<Place>,
}

/// Where a block begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// An absolute directory.
    pub(crate) cwd: String,
    pub(crate) environment: Environment,
}

impl Place {
    /// Where a job begins.
    pub(crate) fn first(spec: &AgentSpec, config: &Config) -> Self {
        let cwd = config.workspace.to_string_lossy().into_owned();
        Self { cwd, environment: environment::initial(spec) }
    }
}

/// How a step went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) outcome: StepOutcome,
    /// 128 + n after signal n; `None` if it never ran.
    pub(crate) exit_code: Option<i32>,
    /// Where the next block begins, if this one changed it.
    pub(crate) place: Option<Place>,
    /// What of it a next block will miss, for people.
    pub(crate) warning: Option<String>,
    /// Why a person did not want it, if they said so.
    pub(crate) rejected: Option<String>,
}

/// Why a step could not be run at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// agentd's own files.
    #[error("{what} {}: {source}; is there room left?", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    /// The trampoline.
    #[error("start a process for step {step}: {source}; is the process limit reached?")]
    Start { step: u32, source: io::Error },
    /// What agentd does as the command user.
    #[error("{what} {}: {source}", path.display())]
    Errand { what: &'static str, path: PathBuf, source: io::Error },
    /// Its output or its end.
    #[error("follow step {step}: {source}")]
    Follow { step: u32, source: io::Error },
}

impl Runner {
    /// Runs a block and reports its beginning, its output and its end.
    pub(crate) async fn run(
        &self,
        step: u32,
        block: &Block,
        place: &Place,
        cancel: &CancellationToken,
    ) -> Result<Ran, StepError> {
        self.run_heard(step, block, Heading::of(block), place, cancel, async |_, _: &[u8]| {}).await
    }

    /// The same for somebody who announces it in their own words and hears its output.
    pub(crate) async fn run_heard(
        &self,
        step: u32,
        block: &Block,
        heading: Heading,
        place: &Place,
        cancel: &CancellationToken,
        heard: impl AsyncFnMut(Stream, &[u8]),
    ) -> Result<Ran, StepError> {
        let work = async { Ok((self.execute(step, block, place, cancel, heard).await?, ())) };
        Ok(self.around(step, heading, cancel, work).await?.0)
    }

    /// Reports a step that an earlier agentd may have begun.
    pub(crate) async fn interrupted(&self, step: u32) -> Ran {
        let ran = Ran::without_running(StepOutcome::Interrupted);
        let (outcome, exit_code) = (ran.outcome, None);
        self.outbox.push(ReportKind::StepFinished { step, outcome, exit_code, millis: 0 }).await;
        ran
    }

    /// What is known of a step whose end was recorded when the job broke off; it is not run again.
    pub(crate) async fn ended_before(&self, last: LastStep) -> Ran {
        let LastStep { step, outcome, exit_code } = last;
        self.warn(format!(
            "step {step} had ended when the job broke off; if it changed the directory or variables \
             for later steps, they do not see that"
        ))
        .await;
        Ran { exit_code, ..Ran::without_running(outcome) }
    }

    /// In a new sandbox only the workspace is as it was: who was in another directory goes on there.
    pub(crate) async fn find_again(&self, cwd: &mut String) {
        let found = std::fs::metadata(&*cwd);
        if found.is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            let workspace = self.config.workspace.to_string_lossy().into_owned();
            self.warn(format!("{cwd} is not there any more; the job goes on in {workspace}")).await;
            *cwd = workspace;
        }
    }

    async fn execute(
        &self,
        step: u32,
        block: &Block,
        place: &Place,
        cancel: &CancellationToken,
        heard: impl AsyncFnMut(Stream, &[u8]),
    ) -> Result<Ran, StepError> {
        let plan = Plan::new(step, &block.work, place, &self.config);
        self.now.replace(place.clone());
        let files = StepFiles::create(&plan)?;
        let (end, code) = self.follow(&plan, cancel, heard).await?;
        let (place, warning) = match files.handed_on()? {
            // A runbook made of this run leaves out what was cut short.
            Some(bytes) if end == End::Exited => carry(step, &block.work, place, &bytes),
            _ => (None, None),
        };
        if let Some(place) = &place {
            self.now.replace(place.clone());
        }
        let outcome = judge(&block.work, end, code);
        Ok(Ran { outcome, exit_code: Some(code), place, warning, rejected: None })
    }

    /// Tells people something.
    pub(crate) async fn warn(&self, text: String) {
        self.outbox.push(ReportKind::Notice { level: NoticeLevel::Warning, text }).await;
    }
}

/// What a shell left behind, and what of it cannot be kept.
fn carry(step: u32, work: &Work, from: &Place, bytes: &[u8]) -> (Option<Place>, Option<String>) {
    let Some(left) = environment::parse(bytes) else {
        let lost = format!(
            "step {step}: its shell was killed or replaced, or its environment is too large to \
             hand on; later blocks begin where this one began"
        );
        return (None, Some(lost));
    };
    let dropped = (!left.dropped.is_empty()).then(|| {
        let names = left.dropped.join(", ");
        format!(
            "step {step}: later blocks do not see these variables, they are too large or not \
             text: {names}"
        )
    });
    let moved = left.cwd.filter(|_| !plan::has_own_cwd(work));
    let cwd = moved.unwrap_or_else(|| from.cwd.clone());
    (Some(Place { cwd, environment: left.environment }), dropped)
}

impl Ran {
    fn without_running(outcome: StepOutcome) -> Self {
        Self { outcome, exit_code: None, place: None, warning: None, rejected: None }
    }

    fn rejected(reason: Option<String>) -> Self {
        Self { rejected: reason, ..Self::without_running(StepOutcome::Rejected) }
    }

    /// A step in whose midst the job was cancelled.
    pub(crate) fn cancelled() -> Self {
        Self::without_running(StepOutcome::Cancelled)
    }

    /// A step that ran no program, and how it went.
    pub(crate) fn plain(ok: bool) -> Self {
        Self::without_running(if ok { StepOutcome::Ok } else { StepOutcome::Failed })
    }
}

fn judge(work: &Work, end: End, code: i32) -> StepOutcome {
    let (expected, tolerant) = match work {
        Work::Run { expect_exit, continue_on_error, .. } => (*expect_exit, *continue_on_error),
        Work::File { .. } => (0, false),
    };
    match end {
        End::Cancelled => StepOutcome::Cancelled,
        // Nobody gave writing a file its time.
        End::TimedOut if matches!(work, Work::File { .. }) => StepOutcome::Failed,
        End::TimedOut => StepOutcome::TimedOut,
        End::Exited if code == expected => StepOutcome::Ok,
        End::Exited if tolerant => StepOutcome::Tolerated,
        End::Exited => StepOutcome::Failed,
    }
}
