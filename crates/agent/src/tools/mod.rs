//! What a model can have done: the tools' descriptions, what a call asks for, and the doing.
//!
//! Not here: running a block ([`crate::step`]), deciding what comes next ([`crate::task_flow`]).

mod background;
mod check;
mod desktop;
mod edit;
mod file;
mod lenient;
mod lines;
mod parse;
mod path;
mod run;
mod shown;
mod spec;
mod spill;

use std::fs::File;
use std::path::Path;
use std::rc::Rc;

use protocol::Inbox;
use runbook::Program;
use tokio_util::sync::CancellationToken;
use types::{Check, Part, Plan, StepOutcome, ToolSpec};

use crate::desktop::Desktop;
use crate::session::Desk;
use crate::step::{Open, Place, Ran, Runner, StepError};
use background::{Background, Wanted};
use desktop::Use;
pub(crate) use parse::parse;
use run::Call;
pub(crate) use spec::DESKTOP;
use spec::specs;
use spill::Spilled;

/// The agent's memory for people, in the workspace.
pub(crate) const CONTEXT_FILE: &str = "context.txt";

/// What one call asks for, checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Something done in the sandbox: a step.
    Step(StepAction),
    /// A new plan, or how far it is.
    Plan(Plan),
    /// A look into the agent's own log.
    Recall { query: String },
    /// The end, as the model sees it.
    Finish(Finish),
}

/// Something done in the sandbox.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StepAction {
    /// Code run to its end.
    Run { program: Program, code: String, timeout_seconds: u32 },
    /// A file written.
    Write { path: String, content: String },
    /// A piece of a file replaced: the only one, or all.
    Edit { path: String, old: String, new: String, all: bool },
    /// Lines of a file looked at.
    Read { path: String, from_line: u64, lines: u64 },
    /// A picture looked at.
    View { path: String },
    /// A command begun that goes on beside the steps after it.
    Background { command: String },
    /// Such a command, by the number of the step that began it: spoken to, then looked at.
    Process {
        id: u32,
        input: Option<String>,
        close_input: bool,
        signal: Option<Signal>,
        wait_seconds: u32,
    },
    /// The desktop looked at or used.
    Desktop(Use),
}

/// What a process in the background can be sent; all that it started gets it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Signal {
    Int,
    Term,
    Kill,
    Hup,
}

impl From<Signal> for rustix::process::Signal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Int => Self::INT,
            Signal::Term => Self::TERM,
            Signal::Kill => Self::KILL,
            Signal::Hup => Self::HUP,
        }
    }
}

/// What a model claims when it is done.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Finish {
    pub(crate) summary: String,
    /// As it named them: paths beneath the workspace, relative to it or absolute.
    pub(crate) artifacts: Vec<String>,
    pub(crate) checks: Vec<Check>,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Done {
    pub(crate) outcome: StepOutcome,
    pub(crate) exit_code: Option<i32>,
    /// What the model is shown.
    pub(crate) parts: Vec<Part>,
    /// Where the next step begins, if this one changed it.
    pub(crate) place: Option<Place>,
}

/// Does what models ask for. Processes in the background live as long as it does.
#[derive(Debug)]
pub(crate) struct Toolbox {
    runner: Rc<Runner>,
    desktop: Rc<Desktop>,
    inbox: Rc<Inbox>,
    background: Background,
    spilled: Spilled,
}

impl Toolbox {
    pub(crate) fn new(runner: Rc<Runner>, desk: &Desk) -> Self {
        let (desktop, inbox) = (Rc::clone(&desk.desktop), Rc::clone(&desk.inbox));
        let (background, spilled) = (Background::default(), Spilled::default());
        Self { runner, desktop, inbox, background, spilled }
    }

    /// The tools for a model that takes pictures, or does not.
    pub(crate) fn specs(&self, images: bool) -> Vec<ToolSpec> {
        specs(images, self.desktop.absent().is_none())
    }

    /// What runs blocks and reports.
    pub(crate) fn runner(&self) -> &Runner {
        &self.runner
    }

    /// Does a step: asks for approval if that is wanted, reports its beginning, its output and its
    /// end, and says what the model is shown of it, in pictures too if it takes them.
    ///
    /// # Errors
    /// When the agent itself fails, not the step.
    pub(crate) async fn perform(
        &self,
        step: u32,
        action: &StepAction,
        place: &Place,
        images: bool,
        cancel: &CancellationToken,
    ) -> Result<Done, StepError> {
        let call = Call { step, place, cancel };
        let mut done = match action {
            StepAction::Run { program, code, timeout_seconds } => {
                self.run(call, *program, code, *timeout_seconds).await
            }
            StepAction::Write { path, content } => self.write(call, path, content).await,
            StepAction::Edit { path, old, new, all } => {
                self.edit(call, path, (old, new, *all)).await
            }
            StepAction::Read { path, from_line, lines } => {
                self.read(call, path, *from_line, *lines).await
            }
            StepAction::View { path } => self.view(call, path).await,
            StepAction::Background { command } => self.begin(call, command).await,
            StepAction::Process { id, input, close_input, signal, wait_seconds } => {
                let (close_input, signal, wait_seconds) = (*close_input, *signal, *wait_seconds);
                let input = input.as_deref();
                self.talk(call, *id, Wanted { input, close_input, signal, wait_seconds }).await
            }
            StepAction::Desktop(what) => self.at_desktop(call, what, images).await,
        }?;
        done.parts.extend(self.ended());
        Ok(done)
    }

    /// Reports a step that an earlier agentd may have begun.
    pub(crate) async fn interrupted(&self, step: u32) -> Done {
        let ran = self.runner.interrupted(step).await;
        let text =
            "this step was interrupted; nobody knows how far it came, look before you repeat it";
        Done::of(&ran, vec![Part::text(text)])
    }

    /// Ends what goes on in the background (TERM, a grace, KILL) once the last of its output is
    /// reported. For the end of the flow; when that is cut short, the sandbox ends it.
    ///
    /// # Errors
    /// When the agent itself fails.
    pub(crate) async fn end(&self) -> Result<(), StepError> {
        self.end_background().await
    }

    /// Writes one of the agent's own files in the workspace, such as `context.txt`, in place of
    /// what is there: all of it or nothing.
    ///
    /// # Errors
    /// When that cannot be done.
    pub(crate) async fn keep(&self, path: &str, content: &str) -> Result<(), StepError> {
        self.runner.replace(Path::new(path), content.as_bytes()).await
    }

    /// The agent's log, `.cagent/log.ndjson` in the workspace, open for reading and appending.
    ///
    /// # Errors
    /// When it cannot be made or opened.
    pub(crate) async fn log(&self) -> Result<File, StepError> {
        let path = Path::new(".cagent/log.ndjson");
        let failed = |source| StepError::Errand { what: "open", path: path.into(), source };
        self.runner.open(Open::Append, path).await.map_err(failed)
    }
}

impl Done {
    fn of(ran: &Ran, parts: Vec<Part>) -> Self {
        let Ran { outcome, exit_code, place, .. } = ran.clone();
        Self { outcome, exit_code, parts, place }
    }
}
