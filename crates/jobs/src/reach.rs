//! The way to a job's sandbox: found or made, waited for while its engine is away.
//!
//! Not here: what is done with it ([`crate::run`]).

use std::time::{Duration, Instant};

use artifacts::PackError;
use engine::{Engine, EngineError, SandboxState};
use store::Durability;
use tokio_util::sync::CancellationToken;
use types::{Ending, EventKind, JobId, JobRecord, JobStatus, NoticeLevel, Reason};

use crate::attach::Attached;
use crate::room;
use crate::service::Inner;

/// How long a server's jobs wait for an engine that is away: a daemon that is upgraded, or starts after
/// us when the machine does, takes less.
pub const ENGINE_PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Pauses between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// Why there is no sandbox.
#[derive(Debug)]
pub(crate) enum Unreached {
    /// The disk is full. However long: no job is given up because somebody filled it.
    NoRoom(String),
    /// Nobody can tell whether there is one; that may pass.
    Away(String),
    /// It cannot be had. That ends a job that was to begin; what runs is not given up for it at once.
    Failed(String),
    /// There will be none.
    Over(Ending),
    /// The orchestrator stops.
    Stopping,
}

impl From<Ending> for Unreached {
    fn from(ending: Ending) -> Self {
        Self::Over(ending)
    }
}

impl From<EngineError> for Unreached {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Away { .. } => Self::Away(error.to_string()),
            error => Self::unless_full(error),
        }
    }
}

impl Unreached {
    /// For want of room it waits.
    pub(crate) fn unless_full(error: impl std::error::Error + 'static) -> Self {
        let text = error.to_string();
        match room::is_cause(&error) {
            true => Self::NoRoom(text),
            false => Self::Failed(text),
        }
    }

    /// Why input files are not in the workspace: it is full only if the server's disk is not. If it
    /// lies on that, it is that which was full, though there may be room again now that they are gone.
    pub(crate) fn unplaced(error: &PackError, disk_is_short: bool, is_on_disk: bool) -> Self {
        let (text, is_full) = (error.to_string(), room::is_cause(error));
        if disk_is_short || is_full && is_on_disk {
            return Self::NoRoom(text);
        }
        if !is_full {
            return Self::Failed(text);
        }
        let text = format!("the input files do not fit into limits.disk_bytes: {text}");
        Self::Over(Ending::error(Reason::LimitDisk, text))
    }

    /// What a job in this status waits for, or else its end; none if the orchestrator stops.
    fn passes(self, status: JobStatus) -> Result<Wait, Option<Ending>> {
        match self {
            Self::NoRoom(why) => Ok(Wait { why, for_room: true }),
            Self::Away(why) => Ok(Wait { why, for_room: false }),
            Self::Failed(why) if status == JobStatus::Running => Ok(Wait { why, for_room: false }),
            Self::Failed(why) => Err(Some(Ending::error(Reason::SandboxFailed, why))),
            Self::Over(ending) => Err(Some(ending)),
            Self::Stopping => Err(None),
        }
    }
}

/// What a job waits for.
#[derive(Debug)]
struct Wait {
    why: String,
    /// Room, not its engine.
    for_room: bool,
}

/// What is to be done about a job that has its slot and is not packaged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Course {
    /// Its sandbox goes on, or has ended by itself.
    Attach,
    /// A sandbox is made; its agent was never connected.
    Make,
    /// Its agent was connected, so it is not started again.
    GiveUp(Ending),
}

/// Decides it. Pure.
pub(crate) fn course(status: JobStatus, found: Option<SandboxState>) -> Course {
    match (status, found) {
        (_, Some(SandboxState::Running)) | (JobStatus::Running, Some(SandboxState::Ended)) => {
            Course::Attach
        }
        (JobStatus::Running, _) => {
            let text = "its sandbox was gone when the orchestrator came back";
            Course::GiveUp(Ending::error(Reason::Interrupted, text))
        }
        _ => Course::Make,
    }
}

impl Inner {
    /// Makes a job's sandbox or finds it again, however long there is no room for that, and however
    /// often its engine is away for a moment meanwhile. `found` is what an earlier orchestrator left,
    /// if that is known. None if this one stops first: then the next one finds the job as it was.
    pub(crate) async fn reach(
        self: &std::sync::Arc<Self>,
        record: &JobRecord,
        engine: &dyn Engine,
        mut found: Option<Option<SandboxState>>,
        (cancel, evict): (&CancellationToken, &CancellationToken),
    ) -> Option<Result<Attached, Ending>> {
        let (mut begun, mut pause) = (Instant::now(), FIRST_PAUSE);
        let mut record = record.clone();
        loop {
            let patience = self.patience(record.status);
            let wait = match self.try_reach(&record, engine, &mut found).await {
                Ok(attached) => return Some(Ok(attached)),
                Err(unreached) => match unreached.passes(record.status) {
                    Ok(wait) => wait,
                    Err(over) => return over.map(Err),
                },
            };
            if wait.for_room {
                begun = Instant::now();
            } else if begun.elapsed() >= patience {
                return Some(Err(given_up(record.status, &wait.why)));
            }
            if pause == FIRST_PAUSE {
                self.tell(record.id, &wait, patience).await;
            }
            tokio::select! {
                () = self.stopping.cancelled() => return None,
                () = cancel.cancelled() => return Some(Err(Ending::cancelled())),
                () = evict.cancelled() => return Some(Err(self.evict(record.id, engine).await)),
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
            }
            // Its agent may have come all the same, and what was made may be there.
            (record, found) = (self.look(record.id).await?, None);
        }
    }

    async fn try_reach(
        self: &std::sync::Arc<Self>,
        record: &JobRecord,
        engine: &dyn Engine,
        found: &mut Option<Option<SandboxState>>,
    ) -> Result<Attached, Unreached> {
        let state = match *found {
            Some(state) => state,
            None => {
                let unsure = |e: EngineError| Unreached::Away(e.to_string());
                let all = engine.list().await.map_err(unsure)?;
                all.into_iter().find(|(job, _)| *job == record.id).map(|(_, state)| state)
            }
        };
        *found = Some(state);
        match course(record.status, state) {
            Course::Attach => self.attach(record, engine).await,
            Course::Make => self.make(record, engine).await,
            Course::GiveUp(ending) => Err(ending.into()),
        }
    }

    /// What runs already is not given up sooner because somebody is in a hurry.
    fn patience(&self, status: JobStatus) -> Duration {
        if status == JobStatus::Running { ENGINE_PATIENCE } else { self.config.engine_patience }
    }

    async fn tell(&self, job: JobId, Wait { why, for_room }: &Wait, patience: Duration) {
        let text = match for_room {
            true => format!("{why}; the job waits for room"),
            false => format!("{why}; the job waits for it, for {}s at most", patience.as_secs()),
        };
        tracing::warn!(%job, "{text}");
        let change = move |draft: &mut store::Draft| {
            let event = EventKind::Notice { level: NoticeLevel::Warning, text };
            draft.append(draft.now, event);
        };
        self.insist(job, Durability::Grouped, change).await;
    }
}

/// What becomes of a job whose engine does not come back.
fn given_up(status: JobStatus, away: &str) -> Ending {
    let reason = match status {
        JobStatus::Running => Reason::Interrupted,
        _ => Reason::SandboxFailed,
    };
    Ending::error(reason, away)
}

#[cfg(test)]
mod tests {
    use engine::FakeEngine;

    use super::*;
    use crate::Config;
    use crate::bed::{self, Bed};

    /// As one that is ended for the room it holds, before it runs.
    #[tokio::test]
    async fn who_waits_can_be_ended() {
        let engine = FakeEngine::idle().unwrap();
        engine.set_away(true);
        let config = Config { engine_patience: ENGINE_PATIENCE, ..bed::config(1) };
        let bed = Bed::with(config, engine).await;
        let (jobs, job) = (&bed.jobs, bed.sink.job);
        let mut follower = jobs.follow(job, 0).await.unwrap();
        let waits = |event: &EventKind| matches!(event, EventKind::Notice { .. });
        let told = async {
            while !follower.next().await.unwrap().unwrap().iter().any(|e| waits(&e.event)) {}
        };
        tokio::time::timeout(Duration::from_secs(30), told).await.expect("it waits");
        jobs.inner.live()[&job].evict.cancel();
        let record = jobs.wait_until_over(job, Duration::from_secs(30)).await.unwrap();
        assert_eq!(record.ending.unwrap().reason, Reason::LimitDisk);
        jobs.stop().await;
    }

    #[test]
    fn only_a_job_whose_agent_was_never_connected_gets_a_new_sandbox() {
        use SandboxState::{Created, Ended, Running};
        for found in [None, Some(Created), Some(Running), Some(Ended)] {
            assert_ne!(course(JobStatus::Running, found), Course::Make, "{found:?}");
            for before in [JobStatus::Scheduled, JobStatus::Starting] {
                let expected = if found == Some(Running) { Course::Attach } else { Course::Make };
                assert_eq!(course(before, found), expected, "{found:?}");
            }
        }
        assert_eq!(course(JobStatus::Running, Some(Ended)), Course::Attach);
    }

    #[test]
    fn an_engine_that_is_away_decides_nothing_and_one_that_refuses_does() {
        let (engine, why, cure) = ("x", "a".to_owned(), "b".to_owned());
        let away = EngineError::Away { engine, why, cure };
        assert!(matches!(Unreached::from(away), Unreached::Away(_)));
        let refused = || EngineError::Unavailable { engine, why: "a".into(), cure: "b".into() };
        assert!(Unreached::from(refused()).passes(JobStatus::Starting).is_err());
        assert!(Unreached::from(refused()).passes(JobStatus::Running).is_ok(), "it may yet come");
    }

    #[test]
    fn inputs_that_do_not_fit_end_a_job_and_a_full_server_does_not() {
        let full = |kind: std::io::ErrorKind| PackError::Input {
            path: "a".into(),
            source: std::io::Error::from(kind).into(),
        };
        let (full, broken) =
            (full(std::io::ErrorKind::StorageFull), full(std::io::ErrorKind::PermissionDenied));
        let end = |error, disk_is_short, is_on_disk| {
            let unreached = Unreached::unplaced(error, disk_is_short, is_on_disk);
            let passes = unreached.passes(JobStatus::Starting);
            passes.map_err(|over| over.unwrap().reason).map(drop)
        };
        assert_eq!((end(&full, true, false), end(&broken, true, false)), (Ok(()), Ok(())));
        assert_eq!(end(&full, false, true), Ok(()));
        assert_eq!(end(&full, false, false), Err(Reason::LimitDisk));
        assert_eq!(end(&broken, false, true), Err(Reason::SandboxFailed));
    }
}
