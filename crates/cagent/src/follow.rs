//! Follows a job's events through whatever happens to the connection.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use tokio::time::timeout_at;
use types::{Event, EventKind, JobId};

use crate::client::{Client, Refused};
use crate::complaint;
use crate::place::Place;
use crate::sse::EventStream;

/// How long a server may be away: a restart takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long nothing may come before the server is asked whether it has room for it: while it has none,
/// what jobs say waits, and there is no place where that could be recorded.
const QUIET: Duration = Duration::from_secs(5);

/// Reads a job's events, each once and in order.
#[derive(Debug)]
pub(crate) struct Follow {
    job: JobId,
    /// The `seq` of the newest event seen.
    after: u64,
    stream: Option<EventStream>,
    lost: Option<Instant>,
    ended: bool,
    /// When the server is asked for its disk, if nothing comes before.
    look: tokio::time::Instant,
    /// What was said of the disk, and still is so.
    told: bool,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Something happened.
    Event(Event),
    /// Nothing will: the job is over, or there is nobody who runs it.
    End,
    /// The connection broke; [`Place::again`] comes before the next try.
    Lost,
}

impl Follow {
    pub(crate) fn new(job: JobId) -> Self {
        let look = tokio::time::Instant::now() + QUIET;
        Self { job, after: 0, stream: None, lost: None, ended: false, look, told: false }
    }

    /// The next event; none after the last.
    pub(crate) async fn next(&mut self, place: &mut Place) -> anyhow::Result<Option<Event>> {
        loop {
            match self.try_next(place).await? {
                Next::Event(event) => return Ok(Some(event)),
                Next::End => return Ok(None),
                Next::Lost => place.again().await?,
            }
        }
    }

    /// One try. May be dropped while it waits; nothing is lost.
    pub(crate) async fn try_next(&mut self, place: &Place) -> anyhow::Result<Next> {
        if self.ended {
            return Ok(Next::End);
        }
        let problem = match self.read(place.client()).await {
            Ok(Some(event)) => {
                self.lost = None;
                return Ok(Next::Event(event));
            }
            Ok(None) if self.ended || place.only_looks() => return Ok(Next::End),
            // A server that goes down ends its streams.
            Ok(None) => anyhow!("the server ended the stream"),
            Err(problem) => problem,
        };
        let since = *self.lost.get_or_insert_with(Instant::now);
        if problem.is::<Refused>() || since.elapsed() > PATIENCE {
            return Err(problem);
        }
        tracing::debug!("lost the events of {}, looks for them again: {problem:#}", self.job);
        self.stream = None;
        Ok(Next::Lost)
    }

    async fn read(&mut self, client: &Client) -> anyhow::Result<Option<Event>> {
        if self.stream.is_none() {
            self.stream = client.events(self.job, self.after).await?;
            // No stream: the job is over and we have seen all of it.
            self.ended = self.stream.is_none();
        }
        let event = loop {
            let Some(stream) = &mut self.stream else { return Ok(None) };
            match timeout_at(self.look, stream.next()).await {
                Ok(event) => break event?,
                Err(_) => self.look_at_disk(client).await,
            }
        };
        // What it uses is measured from outside, also of a job that waits for the disk.
        if !matches!(&event, Some(Event { event: EventKind::Usage { .. }, .. })) {
            self.look = tokio::time::Instant::now() + QUIET;
        }
        if let Some(event) = &event {
            self.after = event.seq;
            self.ended = matches!(event.event, EventKind::Ended { .. });
        }
        Ok(event)
    }

    async fn look_at_disk(&mut self, client: &Client) {
        // First: whoever drops us while we wait asks again then, and not at once.
        self.look += QUIET;
        let Ok(readiness) = client.readiness().await else { return };
        let disk = readiness.checks.into_iter().find(|check| check.name == "disk");
        let full = disk.and_then(|disk| disk.problem);
        let was_told = std::mem::replace(&mut self.told, full.is_some());
        if let Some(full) = full.filter(|_| !was_told) {
            complaint::say(&format!("{full}; what the job says may wait until there is room"));
        }
    }
}
