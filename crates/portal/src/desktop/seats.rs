//! Who is at which desktop: how many look, and who has mouse and keyboard. One person has them at a
//! time; the next who takes them takes them over. The job is told when the first takes them and when
//! the last lets go, however that comes about.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jobs::{DialError, Holder, Inward, Jobs, TalkError, Target};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use types::JobId;

use super::bridge;
use super::rfb::Filter;

/// The most who only watch one desktop; each has the picture sent. Who comes for mouse and keyboard
/// needs no such seat, so watchers keep nobody from them.
const MAX_WATCHERS: usize = 16;

/// Why somebody does not get to a desktop.
#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    /// There is no way to it.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The job could not be told who has mouse and keyboard.
    #[error(transparent)]
    Take(#[from] TalkError),
    /// Too many watch already.
    #[error("{MAX_WATCHERS} people watch this desktop already; try again when one has left")]
    Full,
}

/// How it ended for somebody who was at a desktop.
#[derive(Debug)]
pub(crate) enum Left {
    /// Somebody else took mouse and keyboard.
    TakenOver,
    /// One of both sides has left.
    Ended(io::Result<()>),
}

/// The desktops that somebody is at.
#[derive(Debug)]
pub(crate) struct Desktops {
    jobs: Jobs,
    rooms: Mutex<HashMap<JobId, Weak<Room>>>,
}

/// One of them.
#[derive(Debug)]
struct Room {
    /// Seats of watchers.
    seats: Arc<Semaphore>,
    /// Whoever is on the way to mouse and keyboard: one after the other, so that no more connections
    /// are made for that.
    coming: tokio::sync::Mutex<()>,
    /// Whoever has mouse and keyboard; cancelled when somebody takes them over.
    control: tokio::sync::Mutex<Option<CancellationToken>>,
}

/// A place before a desktop. Who leaves it lets go of everything.
#[derive(Debug)]
pub(crate) struct Seat {
    desktop: Inward,
    right: Right,
    jobs: Jobs,
    /// Whose it is, and with what it ends.
    holder: Option<Holder>,
}

/// What somebody may do there.
#[derive(Debug)]
enum Right {
    Watch { _room: Arc<Room>, _seat: OwnedSemaphorePermit },
    Control(Hold),
}

/// Mouse and keyboard.
#[derive(Debug)]
struct Hold {
    jobs: Jobs,
    job: JobId,
    room: Arc<Room>,
    lost: CancellationToken,
}

impl Desktops {
    pub(crate) fn new(jobs: Jobs) -> Self {
        Self { jobs, rooms: Mutex::default() }
    }

    /// Takes a place before a job's desktop, which is started for that; with mouse and keyboard if
    /// so wanted.
    pub(crate) async fn sit(
        &self,
        job: JobId,
        control: bool,
        holder: Option<Holder>,
    ) -> Result<Seat, SeatError> {
        let (room, jobs) = (self.room(job), self.jobs.clone());
        if !control {
            let seat = room.seats.clone().try_acquire_owned().map_err(|_| SeatError::Full)?;
            let desktop = self.reach(job).await?;
            let right = Right::Watch { _room: room, _seat: seat };
            return Ok(Seat { desktop, right, jobs, holder });
        }
        let _turn = room.coming.lock().await;
        let desktop = self.reach(job).await?;
        let hold = take(jobs.clone(), job, room.clone()).await?;
        Ok(Seat { desktop, right: Right::Control(hold), jobs, holder })
    }

    /// A connection to the desktop, which is started for that.
    pub(crate) async fn reach(&self, job: JobId) -> Result<Inward, DialError> {
        self.jobs.dial(job, Target::Desktop).await
    }

    /// How many are there, and whether one of them has mouse and keyboard.
    pub(crate) async fn present(&self, job: JobId) -> (usize, bool) {
        let room = self.rooms().get(&job).and_then(Weak::upgrade);
        match room {
            None => (0, false),
            Some(room) => {
                let taken = room.control.lock().await.is_some();
                (MAX_WATCHERS - room.seats.available_permits() + usize::from(taken), taken)
            }
        }
    }

    fn room(&self, job: JobId) -> Arc<Room> {
        let mut rooms = self.rooms();
        rooms.retain(|_, room| room.strong_count() > 0);
        let room = rooms.get(&job).and_then(Weak::upgrade).unwrap_or_default();
        rooms.insert(job, Arc::downgrade(&room));
        room
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<JobId, Weak<Room>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Room {
    fn default() -> Self {
        let seats = Arc::new(Semaphore::new(MAX_WATCHERS));
        Self {
            seats,
            coming: tokio::sync::Mutex::default(),
            control: tokio::sync::Mutex::default(),
        }
    }
}

impl Seat {
    /// Carries bytes between a viewer and the desktop until one of them has enough, somebody else
    /// takes mouse and keyboard, or what the viewer came with opens nothing any more. Without mouse
    /// and keyboard, what would move anything is dropped.
    pub(crate) async fn serve(self, viewer: impl AsyncRead + AsyncWrite) -> Left {
        let Self { desktop, right, jobs, holder } = self;
        let (filter, lost) = match &right {
            Right::Watch { .. } => (Some(Filter::default()), CancellationToken::new()),
            Right::Control(hold) => (None, hold.lost.clone()),
        };
        tokio::select! {
            () = lost.cancelled() => Left::TakenOver,
            () = jobs.lapsed(holder) => Left::Ended(Ok(())),
            ended = bridge::carry(viewer, desktop, filter) => Left::Ended(ended),
        }
    }
}

/// As a task of its own: if whoever wants it leaves meanwhile, it is let go of again.
async fn take(jobs: Jobs, job: JobId, room: Arc<Room>) -> Result<Hold, TalkError> {
    let taken = tokio::spawn(async move {
        let mut control = room.control.lock().await;
        match control.take() {
            Some(before) => before.cancel(),
            None => drop(jobs.take_desktop(job, true).await?),
        }
        let lost = CancellationToken::new();
        *control = Some(lost.clone());
        drop(control);
        Ok(Hold { jobs, job, room, lost })
    });
    taken.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let Self { jobs, job, room, lost } = self;
        let (jobs, job, room, lost) = (jobs.clone(), *job, room.clone(), lost.clone());
        runtime.spawn(async move {
            let mut control = room.control.lock().await;
            if lost.is_cancelled() {
                return;
            }
            *control = None;
            // It does not matter any more to a job that is over.
            if let Err(e) = jobs.take_desktop(job, false).await
                && !matches!(e, TalkError::Over(_))
            {
                tracing::error!(%job, "could not tell that nobody has its desktop: {e}");
            }
        });
    }
}
