//! What people say to a working agent, and what they decide. It is on the disk before it is
//! answered; the event log is the queue from which it is passed on.
//!
//! Not here: how it reaches the agent (crate `gateway`), what the agent makes of it (crate `agent`).

use std::convert::Infallible;

use gateway::Gateway;
use protocol::{Instruction, Wish};
use store::{Draft, Durability, StoreError};
use tokio::sync::watch;
use types::{Event, EventKind, JobId, JobStatus, Mode, Speaker, Waiting};

use crate::lifecycle;
use crate::service::{Inner, JobError, Jobs};

/// The longest message or reason, in bytes.
pub const MAX_SAID_BYTES: usize = 64 * 1024;

/// How much may be said to one job, in bytes: all of it is kept for an agent that connects again.
const MAX_TOLD_BYTES: usize = 4 * 1024 * 1024;

/// What even the shortest word takes.
const LEAST_BYTES: usize = 64;

/// Why something was not passed on to a job's agent. Nothing was kept of it.
#[derive(Debug, thiserror::Error)]
pub enum TalkError {
    /// There is no such job, or it could not be looked at.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The work is over, or about to be.
    #[error("the job is {0}, and hears nothing any more")]
    Over(JobStatus),
    /// Nobody is there who could understand it.
    #[error("the job is a runbook: there is no agent to hear a message")]
    NoAgent,
    /// It is empty or white space.
    #[error("the message is empty")]
    Empty,
    /// It is too long.
    #[error("it has {bytes} bytes; at most {most} are allowed")]
    TooLong {
        /// What was sent.
        bytes: usize,
        /// What is allowed.
        most: usize,
    },
    /// Too much was said already.
    #[error("the job was told {most} bytes already, and takes no more")]
    TooMuch {
        /// What is allowed.
        most: usize,
    },
    /// The job does not wait for this.
    #[error("the job does not wait for a decision about step {step}")]
    NotWaiting {
        /// The step in question.
        step: u32,
    },
}

impl From<StoreError> for TalkError {
    fn from(error: StoreError) -> Self {
        Self::Job(error.into())
    }
}

impl Jobs {
    /// Says something to a job's agent, which hears it at its next turn; the `seq` of its event.
    ///
    /// # Errors
    /// When the job has no agent that could hear it, or it is no message.
    pub async fn say(&self, job: JobId, text: String) -> Result<u64, TalkError> {
        if text.trim().is_empty() {
            return Err(TalkError::Empty);
        }
        fits(&text)?;
        if self.get(job).await?.spec.mode != Mode::Agent {
            return Err(TalkError::NoAgent);
        }
        self.talk(job, text.len(), move |draft| {
            draft.append(draft.now, EventKind::Said { by: Speaker::Person, text });
            Ok(())
        })
        .await
    }

    /// Decides whether a step that waits may be run; the `seq` of its event. The same decision
    /// about the same step, given again, is the one from before.
    ///
    /// # Errors
    /// When the job does not wait for this decision.
    pub async fn decide(
        &self,
        job: JobId,
        step: u32,
        approved: bool,
        reason: Option<String>,
    ) -> Result<u64, TalkError> {
        fits(reason.as_deref().unwrap_or_default())?;
        let bytes = reason.as_ref().map_or(0, String::len);
        let decided = self.talk(job, bytes, move |draft| decide(draft, step, approved, reason));
        match decided.await {
            Err(TalkError::NotWaiting { .. }) => self.decided_before(job, step, approved).await,
            decided => decided,
        }
    }

    async fn decided_before(&self, job: JobId, step: u32, wanted: bool) -> Result<u64, TalkError> {
        let said = self.inner.store.from_people(job, 0).await?;
        let same = |event: &&Event| {
            matches!(event.event, EventKind::Decided { step: of, approved, .. }
                if of == step && approved == wanted)
        };
        let before = said.iter().rev().find(same);
        before.map(|event| event.seq).ok_or(TalkError::NotWaiting { step })
    }

    /// As with `schedule`: what was recorded must also be passed on, though the client leaves.
    pub(crate) async fn talk(
        &self,
        job: JobId,
        bytes: usize,
        record: impl FnOnce(&mut Draft) -> Result<(), TalkError> + Clone + Send + Sync + 'static,
    ) -> Result<u64, TalkError> {
        let this = self.inner.clone();
        let done = self.inner.tasks.spawn(async move { this.talk(job, bytes, record).await });
        done.await.map_err(|_| TalkError::from(StoreError::Closed))?
    }
}

impl Inner {
    async fn talk(
        &self,
        job: JobId,
        bytes: usize,
        record: impl FnOnce(&mut Draft) -> Result<(), TalkError> + Clone + Send + Sync + 'static,
    ) -> Result<u64, TalkError> {
        let bell = self.live().get(&job).map(|live| live.wishes.clone());
        let bytes = bytes + LEAST_BYTES;
        // Counted before it is recorded, so that many at once are not too many together.
        if bell.as_ref().is_some_and(|bell| !count(bell, bytes)) {
            return Err(TalkError::TooMuch { most: MAX_TOLD_BYTES });
        }
        let change = move |draft: &mut Draft| hear(draft, record);
        let heard = || self.change(job, Durability::Full, change.clone());
        let seq = self.soon(job, heard).await.map_err(Into::into).flatten();
        if let Some(bell) = bell {
            match seq {
                Ok(_) => bell.send_modify(|_| {}),
                Err(_) => discount(&bell, bytes),
            }
        }
        seq
    }

    /// How much of that a job was told, in bytes, that goes on after this one: its messages.
    pub(crate) async fn inherited(&self, job: JobId) -> Result<usize, StoreError> {
        let said = self.wishes(job, 0).await?;
        let messages = said.iter().filter(|said| matches!(said.wish, Wish::Message { .. }));
        Ok(messages.map(|said| size(&said.wish)).sum())
    }

    /// What people want of a job's agent, from the event after `after`.
    pub(crate) async fn wishes(
        &self,
        job: JobId,
        after: u64,
    ) -> Result<Vec<Instruction>, StoreError> {
        let said = self.store.from_people(job, after).await?;
        Ok(said.into_iter().filter_map(instruction).collect())
    }

    /// Passes on what people want, for ever; `after` was passed on already.
    pub(crate) async fn pass_on(
        &self,
        job: JobId,
        mut after: u64,
        mut bell: watch::Receiver<usize>,
        gateway: &Gateway,
    ) -> Infallible {
        while bell.changed().await.is_ok() {
            match self.wishes(job, after).await {
                Ok(wishes) => {
                    for wish in wishes {
                        after = wish.n;
                        gateway.instruct(wish);
                    }
                }
                Err(e) => tracing::error!(%job, "could not pass on what a person wants: {e}"),
            }
        }
        std::future::pending().await
    }
}

/// Records what a person wants, if anybody is there to hear it; the `seq` of its event.
pub(crate) fn hear(
    draft: &mut Draft,
    record: impl FnOnce(&mut Draft) -> Result<(), TalkError>,
) -> Result<u64, TalkError> {
    let state = &draft.state;
    if lifecycle::is_over(state.status) || state.cancel_requested {
        return Err(TalkError::Over(state.status));
    }
    record(draft)?;
    Ok(draft.state.last_seq + 1)
}

/// Makes room for a wish, if there is any. Silently: the bell rings once it is recorded.
fn count(bell: &watch::Sender<usize>, bytes: usize) -> bool {
    let mut fits = false;
    bell.send_if_modified(|told| {
        fits = *told + bytes <= MAX_TOLD_BYTES;
        *told += if fits { bytes } else { 0 };
        false
    });
    fits
}

/// Of a wish that was not recorded.
fn discount(bell: &watch::Sender<usize>, bytes: usize) {
    bell.send_if_modified(|told| {
        *told -= bytes;
        false
    });
}

/// How much a job was told to which people said this, in bytes.
pub(crate) fn told(said: Vec<Event>) -> usize {
    said.into_iter().filter_map(instruction).map(|said| size(&said.wish)).sum()
}

fn size(wish: &Wish) -> usize {
    let text = match wish {
        Wish::Message { text } => Some(text),
        Wish::Decision { reason, .. } => reason.as_ref(),
        Wish::Desktop { .. } => None,
    };
    LEAST_BYTES + text.map_or(0, String::len)
}

/// Its number is that of its event.
pub(crate) fn instruction(Event { seq: n, event, .. }: Event) -> Option<Instruction> {
    let wish = match event {
        EventKind::Said { by: Speaker::Person, text } => Wish::Message { text },
        EventKind::Decided { step, approved, reason } => Wish::Decision { step, approved, reason },
        EventKind::Desktop { taken } => Wish::Desktop { taken },
        _ => return None,
    };
    Some(Instruction { n, wish })
}

/// Decides about the step that a job waits with.
pub(crate) fn decide(
    draft: &mut Draft,
    step: u32,
    approved: bool,
    reason: Option<String>,
) -> Result<(), TalkError> {
    match &draft.state.waiting {
        Some(Waiting::Approval { step: of, .. }) if *of == step => {}
        _ => return Err(TalkError::NotWaiting { step }),
    }
    draft.state.waiting = None;
    draft.append(draft.now, EventKind::Decided { step, approved, reason });
    Ok(())
}

fn fits(text: &str) -> Result<(), TalkError> {
    let (bytes, most) = (text.len(), MAX_SAID_BYTES);
    if bytes > most { Err(TalkError::TooLong { bytes, most }) } else { Ok(()) }
}
