//! The processes of a step, from the first to the last.

use std::ffi::OsStr;
use std::fs::File;
use std::future;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use protocol::{Data, ReportKind};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use types::Stream;

use super::plan::{Plan, Role};
use super::{Runner, StepError, output};
use crate::reaper::Exit;

/// Time between TERM and KILL. TERM is sent once, so that what a program does to clean up is not
/// disturbed; one that bash is just starting can miss it, and costs this time.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// agentd itself, also where its path cannot be reached by the command user.
const SELF: &str = "/proc/self/exe";

/// What ended the step's main process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It itself.
    Exited,
    /// Its `timeout=`.
    TimedOut,
    /// Somebody cancelled the job.
    Cancelled,
}

impl Runner {
    /// Runs a plan until no process is left and all output is in the outbox; the exit code is that
    /// of the main process.
    pub(super) async fn follow(
        &self,
        plan: &Plan,
        cancel: &CancellationToken,
        mut heard: impl AsyncFnMut(Stream, &[u8]),
    ) -> Result<(End, i32), StepError> {
        let step = plan.step;
        let (mut child, exit) =
            self.start(plan).await.map_err(|source| StepError::Start { step, source })?;
        let report = async |stream, bytes: Vec<u8>| {
            heard(stream, &bytes).await;
            self.outbox.push(ReportKind::Output { step, stream, data: Data(bytes) }).await;
        };
        let pipes = (child.stdout.take(), child.stderr.take());
        let over = CancellationToken::new();
        let end = async {
            let end = self.end(exit, plan.limit, cancel).await;
            over.cancel();
            end
        };
        let (end, ()) = tokio::try_join!(end, output::pump(pipes, over.cancelled(), report))
            .map_err(|source| StepError::Follow { step, source })?;
        Ok(end)
    }

    async fn start(&self, plan: &Plan) -> io::Result<(Child, Exit)> {
        let mut command = self.trampoline(&plan.arguments);
        command.envs(&plan.environment);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(match plan.role {
            Role::Input => Stdio::from(File::open(&plan.path)?),
            Role::Script | Role::ShellScript => Stdio::null(),
        });
        self.reaper.spawn(command).await
    }

    /// agentd itself as the command user, with an empty environment.
    pub(crate) fn trampoline(
        &self,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Command {
        let mut command = Command::new(SELF);
        command.args(arguments).env_clear();
        if let Some(user) = self.command_user {
            command.gid(user.gid).uid(user.uid);
        }
        command
    }

    async fn end(
        &self,
        mut exit: Exit,
        limit: Option<Duration>,
        cancel: &CancellationToken,
    ) -> io::Result<(End, i32)> {
        let (end, code) = tokio::select! {
            biased;
            code = &mut exit => (End::Exited, Some(code)),
            () = cancel.cancelled() => (End::Cancelled, None),
            () = elapsed(limit) => (End::TimedOut, None),
        };
        self.reaper.end_all(GRACE).await?;
        let code = match code {
            Some(code) => code,
            None => exit.await,
        };
        Ok((end, code.map_err(io::Error::other)?))
    }
}

async fn elapsed(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => future::pending().await,
    }
}
