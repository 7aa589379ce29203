use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use store::StoreError;
use tokio::sync::watch;
use types::{Event, EventKind, JobId};

use crate::metrics::Stream;
use crate::service::{Inner, JobError};

/// Events read at one time.
const PAGE: u32 = 64;

/// The most bytes of output and code in one page, beyond its first event; with thousands of readers, each
/// holds one.
const PAGE_BYTES: u64 = 64 * 1024;

/// Reads a job's events as they come. It reads the store in pages, so a slow reader costs nothing.
#[derive(Debug)]
pub struct Follower {
    inner: Arc<Inner>,
    job: JobId,
    after: u64,
    /// None once nothing more can come.
    news: Option<watch::Receiver<()>>,
    ended: bool,
    _counted: Stream,
}

impl Follower {
    pub(crate) fn new(
        inner: Arc<Inner>,
        job: JobId,
        after: u64,
        news: Option<watch::Receiver<()>>,
    ) -> Self {
        let _counted = inner.metrics.stream();
        Self { inner, job, after, news, ended: false, _counted }
    }

    /// The next events, in order, output events with their `text`; `None` after the last one of a
    /// job that has ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, JobError> {
        while !self.ended {
            if let Some(news) = &mut self.news {
                news.mark_unchanged();
            }
            let mut events = self.inner.store.events(self.job, self.after, PAGE).await?;
            bound(&mut events);
            if let Some(last) = events.last() {
                self.after = last.seq;
                self.ended = matches!(last.event, EventKind::Ended { .. });
                return Ok(Some(self.with_text(events).await?));
            }
            match &mut self.news {
                Some(news) => {
                    if news.changed().await.is_err() {
                        // The bell is gone: look once more, then it is over.
                        self.news = None;
                    }
                }
                None => self.ended = true,
            }
        }
        Ok(None)
    }

    async fn with_text(&self, events: Vec<Event>) -> Result<Vec<Event>, JobError> {
        if !events.iter().any(|event| matches!(event.event, EventKind::Output { .. })) {
            return Ok(events);
        }
        let (inner, job) = (self.inner.clone(), self.job);
        let fill = move || events.into_iter().map(|event| fill(&inner, job, event)).collect();
        tokio::task::spawn_blocking(fill).await.map_err(|_| JobError::Store(StoreError::Closed))
    }
}

/// Cuts a page where that becomes too much; the rest is the next page.
fn bound(events: &mut Vec<Event>) {
    let mut room = PAGE_BYTES;
    let mut fits = |event: &Event| {
        let bytes = match &event.event {
            EventKind::Output { bytes, .. } => *bytes,
            EventKind::StepStarted { code: Some(code), .. } => code.len() as u64,
            EventKind::Said { text, .. } => text.len() as u64,
            _ => 0,
        };
        let fits = bytes <= room;
        room = room.saturating_sub(bytes);
        fits
    };
    let end = events.iter().position(|event| !fits(event)).unwrap_or(events.len());
    events.truncate(end.max(1));
}

fn fill(inner: &Inner, job: JobId, mut event: Event) -> Event {
    if let EventKind::Output { stream, offset, bytes, text, .. } = &mut event.event {
        let mut buffer = vec![0; usize::try_from(*bytes).unwrap_or(0)];
        let read = File::open(inner.folders.log(job, *stream))
            .and_then(|file| file.read_exact_at(&mut buffer, *offset));
        // A log that was swept away in between has no text any more.
        *text = read.ok().map(|()| String::from_utf8_lossy(&buffer).into_owned());
    }
    event
}
