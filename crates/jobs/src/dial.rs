//! Ways into a job's sandbox, and who has its desktop.

use gateway::Inward;
use protocol::Target;
use protocol::shell::{Start, ToShell, send};
use store::{Draft, Durability, StoreError};
use types::{Event, EventKind, JobId, JobStatus, NoticeLevel};

use crate::bound;
use crate::converse::TalkError;
use crate::lifecycle;
use crate::service::{Inner, JobError, Jobs};

/// Why there is no connection into a job's sandbox.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// There is no such job, or it could not be looked at.
    #[error(transparent)]
    Job(#[from] JobError),
    /// It has no sandbox that could be connected to: not yet, or not any more.
    #[error("the job is {0}; only a running one can be connected to")]
    NotRunning(JobStatus),
    /// The sandbox said no; its words are hostile.
    #[error("{0}")]
    Refused(String),
    /// The sandbox did not answer.
    #[error(transparent)]
    Silent(gateway::DialError),
}

impl Jobs {
    /// Opens a connection into a running job's sandbox. What is behind the target is started if it
    /// is one of ours.
    ///
    /// # Errors
    /// [`DialError`]
    pub async fn dial(&self, job: JobId, to: Target) -> Result<Inward, DialError> {
        let dialer = self.inner.live().get(&job).and_then(|live| live.dialer.clone());
        let Some(dialer) = dialer else {
            return Err(DialError::NotRunning(self.get(job).await?.status));
        };
        Ok(dialer.dial(to).await?)
    }

    /// Runs a program in a running job's sandbox for a person, on a connection that speaks
    /// [`protocol::shell`] from then on. It is recorded before it runs, and ends with the connection.
    ///
    /// # Errors
    /// [`DialError`]
    pub async fn shell(&self, job: JobId, start: Start) -> Result<Inward, DialError> {
        let this = self.clone();
        // What was recorded is run, though the client leaves.
        let started = self.inner.tasks.spawn(async move { this.start_shell(job, start).await });
        started.await.map_err(|_| DialError::from(StoreError::Closed))?
    }

    async fn start_shell(&self, job: JobId, start: Start) -> Result<Inward, DialError> {
        let mut stream = self.dial(job, Target::Shell).await?;
        let told = start.clone();
        let record = move |draft: &mut Draft| opened(draft, &told);
        let recorded = || self.inner.change(job, Durability::Full, record.clone());
        self.inner.soon(job, recorded).await??;
        let sent = send(&mut stream, &ToShell::Start(start)).await;
        sent.map_err(|_| DialError::Silent(gateway::DialError::TimedOut))?;
        Ok(stream)
    }

    /// A person takes the control of a job's desktop, or gives it back; the `seq` of its event.
    ///
    /// # Errors
    /// When the job is over, or cannot be looked at.
    pub async fn take_desktop(&self, job: JobId, taken: bool) -> Result<u64, TalkError> {
        self.talk(job, 0, move |draft| {
            desktop(draft, taken);
            Ok(())
        })
        .await
    }
}

impl Inner {
    /// Gives the desktop back for whoever had it: they held it by an orchestrator that is gone.
    pub(crate) async fn free_desktop(&self, job: JobId) {
        let free = || self.change(job, Durability::Full, |draft| desktop(draft, false));
        if let Err(e) = self.soon(job, free).await {
            tracing::error!(%job, "could not give the desktop back to the agent: {e}");
        }
    }
}

/// Whether a person has the desktop of a job to which people said this.
pub(crate) fn is_desktop_taken(said: &[Event]) -> bool {
    let last = said.iter().rev().find_map(|event| match event.event {
        EventKind::Desktop { taken } => Some(taken),
        _ => None,
    });
    last == Some(true)
}

fn opened(draft: &mut Draft, start: &Start) -> Result<(), DialError> {
    let status = draft.state.status;
    if lifecycle::is_over(status) {
        return Err(DialError::NotRunning(status));
    }
    let event = EventKind::Notice { level: NoticeLevel::Info, text: bound::text(ran(start)) };
    draft.append(draft.now, event);
    Ok(())
}

/// What a person did, for people.
fn ran(start: &Start) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-./:=@_,".contains(c);
    let word = |word: &String| match word.chars().all(plain) && !word.is_empty() {
        true => word.clone(),
        false => format!("{word:?}"),
    };
    match &*start.command {
        [] => "a person opened a shell".into(),
        command => {
            let words: Vec<_> = command.iter().map(word).collect();
            format!("a person ran {}", words.join(" "))
        }
    }
}

fn desktop(draft: &mut Draft, taken: bool) {
    draft.append(draft.now, EventKind::Desktop { taken });
}

impl From<gateway::DialError> for DialError {
    fn from(error: gateway::DialError) -> Self {
        match error {
            gateway::DialError::Refused(why) => Self::Refused(why),
            silent => Self::Silent(silent),
        }
    }
}

impl From<StoreError> for DialError {
    fn from(error: StoreError) -> Self {
        Self::Job(error.into())
    }
}
