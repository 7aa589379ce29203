//! A command that goes on beside the steps after it, under a keeper: a trampoline that stays its
//! parent, and that of all it starts, so that everybody can tell who belongs to it.
//!
//! Not here: who looks after it ([`crate::tools`]).

use std::io;
use std::process::{Child, Stdio};
use std::rc::Rc;
use std::time::Duration;

use protocol::{Data, ReportKind};
use rustix::process::{Pid, Signal};
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::timeout;
use types::{NoticeLevel, Stream};

use super::files::StepFiles;
use super::plan::Plan;
use super::process::GRACE;
use super::{Place, Runner, StepError, output};
use crate::kin;
use crate::reaper::Exit;

/// One that was begun.
#[derive(Debug)]
pub(crate) struct Kept {
    keeper: Pid,
    /// Its standard input, until it is closed.
    pub(crate) stdin: Option<pipe::Sender>,
    end: watch::Receiver<Option<KeptEnd>>,
}

/// How one ended: its exit code, or why nobody knows.
pub(crate) type KeptEnd = Result<i32, String>;

impl Runner {
    /// Begins a command; what it writes is reported as its step's output, and heard.
    pub(crate) async fn keep(
        self: &Rc<Self>,
        step: u32,
        command: &str,
        place: &Place,
        heard: impl AsyncFnMut(Stream, &[u8]) + 'static,
    ) -> Result<Kept, StepError> {
        let plan = Plan::kept(step, command, place, &self.config);
        let files = StepFiles::create(&plan)?;
        let failed = |source| StepError::Start { step, source };
        let (mut child, exit) = self.start_kept(&plan).await.map_err(failed)?;
        let stdin = child.stdin.take().map(|stdin| pipe::Sender::from_owned_fd(stdin.into()));
        let stdin = stdin.transpose().map_err(failed)?;
        let (ended, end) = watch::channel(None);
        let keeper = Pid::from_child(&child);
        let runner = Rc::clone(self);
        spawn_local(async move {
            let end = runner.look_after(step, child, exit, heard).await;
            // Its script may be read to the last.
            drop(files);
            let how = end
                .clone()
                .map_or_else(|e| format!(": {e}"), |code| format!(" with exit code {code}"));
            ended.send_replace(Some(end));
            let text = format!("the background process of step {step} ended{how}");
            runner.outbox.push(ReportKind::Notice { level: NoticeLevel::Info, text }).await;
        });
        Ok(Kept { keeper, stdin, end })
    }

    async fn start_kept(&self, plan: &Plan) -> io::Result<(Child, Exit)> {
        let mut command = self.trampoline(&plan.arguments);
        command.envs(&plan.environment);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.reaper.spawn_kept(command).await
    }

    async fn look_after(
        &self,
        step: u32,
        mut child: Child,
        exit: Exit,
        mut heard: impl AsyncFnMut(Stream, &[u8]),
    ) -> KeptEnd {
        let (ended, over) = watch::channel(());
        let exit = async {
            let code = exit.await.map_err(|_| "nobody saw it end".to_owned());
            drop(ended);
            code
        };
        let report = async |stream, bytes: Vec<u8>| {
            heard(stream, &bytes).await;
            self.outbox.push(ReportKind::Output { step, stream, data: Data(bytes) }).await;
        };
        let pipes = (child.stdout.take(), child.stderr.take());
        let (code, pumped) = tokio::join!(exit, output::pump(pipes, closed(over), report));
        pumped.map_err(|error| format!("its output could not be read: {error}"))?;
        code
    }
}

async fn closed(mut over: watch::Receiver<()>) {
    while over.changed().await.is_ok() {}
}

impl Runner {
    /// Ends all that is kept: TERM and a grace for each, then KILL.
    pub(crate) async fn end_kept(&self, kept: &[&Kept]) -> Result<(), StepError> {
        for one in kept {
            one.signal(Signal::TERM);
            one.signal(Signal::CONT);
        }
        let all_gone = async {
            for one in kept {
                one.gone().await;
            }
        };
        if timeout(GRACE, all_gone).await.is_err() {
            self.reaper.forsake();
            let failed = |source| StepError::Follow { step: 0, source };
            self.reaper.end_all(Duration::ZERO).await.map_err(failed)?;
        }
        Ok(())
    }
}

impl Kept {
    /// How it ended, if it did.
    pub(crate) fn ended(&self) -> Option<KeptEnd> {
        self.end.borrow().clone()
    }

    /// Waits until it and all it started are gone.
    pub(crate) async fn gone(&self) {
        let mut end = self.end.clone();
        // Without a sender, its task was dropped: it is gone as well.
        drop(end.wait_for(Option::is_some).await);
    }

    /// Sends it, and all it started, a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kin::signal_beneath(self.keeper, signal);
    }
}
