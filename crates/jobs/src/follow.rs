//! A job's events as they come, for as many readers as want them.
//!
//! Who has read all there was waits for the bell, which tells how far the job is. Hundreds may wait:
//! the first that wakes reads the store and the log, the others take what it read ([`Tip`]). Who is
//! behind reads for itself, page by page.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use store::StoreError;
use tokio::sync::{Mutex, watch};
use types::{Event, EventKind, JobId};

use crate::metrics::Counted;
use crate::service::{Inner, JobError};

/// Events read at one time.
const PAGE: u32 = 64;

/// The most bytes of output and code in one page, beyond its first event; with thousands of readers, each
/// holds one.
const PAGE_BYTES: u64 = 64 * 1024;

/// Events in their order, shared by all who read them.
type Page = Arc<[Event]>;

/// What was read last by those who had read all before.
#[derive(Debug, Default)]
pub(crate) struct Tip(Mutex<Page>);

/// Reads a job's events as they come. It reads the store in pages, so a slow reader costs nothing.
#[derive(Debug)]
pub struct Follower {
    inner: Arc<Inner>,
    job: JobId,
    after: u64,
    /// None if the job had ended before.
    tip: Option<Arc<Tip>>,
    /// The newest event's `seq`, as far as it was told; none once nothing more can come.
    news: Option<watch::Receiver<u64>>,
    /// Whether it has read all there was once.
    is_waiting: bool,
    ended: bool,
    /// Whether output events get their text.
    with_text: bool,
    _counted: Counted,
}

impl Follower {
    /// Output events of it are without their text; so it reads for itself.
    #[must_use]
    pub fn without_text(self) -> Self {
        Self { tip: None, with_text: false, ..self }
    }

    pub(crate) fn new(inner: Arc<Inner>, job: JobId, after: u64) -> Self {
        let _counted = inner.metrics.stream();
        let live = inner.live().get(&job).map(|live| (live.tip.clone(), live.news.subscribe()));
        let (tip, news) = live.unzip();
        let is_waiting = has_all(news.as_ref(), after);
        Self { inner, job, after, tip, news, is_waiting, ended: false, with_text: true, _counted }
    }

    /// The next events, in order, output events with their `text` unless nobody wants it; `None`
    /// after the last one of a job that has ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn next(&mut self) -> Result<Option<Arc<[Event]>>, JobError> {
        while !self.ended {
            if self.is_waiting {
                self.wait().await;
            }
            let events = self.page().await?;
            if let Some(last) = events.last() {
                self.after = last.seq;
                self.ended = matches!(last.event, EventKind::Ended { .. });
                self.is_waiting |= has_all(self.news.as_ref(), self.after);
                return Ok(Some(events));
            }
            self.ended = self.news.is_none();
            self.is_waiting = true;
        }
        Ok(None)
    }

    /// Waits until there is more, or nothing can come any more.
    async fn wait(&mut self) {
        let after = self.after;
        if let Some(news) = &mut self.news
            && news.wait_for(|newest| *newest > after).await.is_err()
        {
            // The bell is gone: there may be a last event, then it is over.
            self.news = None;
        }
    }

    async fn page(&self) -> Result<Page, JobError> {
        let Some(tip) = self.tip.as_ref().filter(|_| self.is_waiting) else {
            return self.read().await;
        };
        let mut newest = tip.0.lock().await;
        match newest.first().map(|first| first.seq) {
            Some(first) if first > self.after + 1 => {
                // Behind the others, whom it must not hold up.
                drop(newest);
                self.read().await
            }
            _ => {
                let rest = rest(&newest, self.after);
                if !rest.is_empty() {
                    return Ok(rest);
                }
                let page = self.read().await?;
                if !page.is_empty() {
                    *newest = page.clone();
                }
                Ok(page)
            }
        }
    }

    async fn read(&self) -> Result<Page, JobError> {
        let mut events = self.inner.store.events(self.job, self.after, PAGE).await?;
        bound(&mut events, self.with_text);
        if !self.with_text
            || !events.iter().any(|event| matches!(event.event, EventKind::Output { .. }))
        {
            return Ok(events.into());
        }
        let (inner, job) = (self.inner.clone(), self.job);
        let fill = move || events.into_iter().map(|event| fill(&inner, job, event)).collect();
        tokio::task::spawn_blocking(fill).await.map_err(|_| JobError::Store(StoreError::Closed))
    }
}

/// Whether nothing after this event was told. What is recorded and not told yet will be.
fn has_all(news: Option<&watch::Receiver<u64>>, after: u64) -> bool {
    news.is_some_and(|news| (1..=after).contains(&*news.borrow()))
}

/// What of a page comes after this event.
fn rest(page: &Page, after: u64) -> Page {
    match page.iter().position(|event| event.seq > after) {
        Some(0) => page.clone(),
        Some(at) => page[at..].into(),
        None => Page::default(),
    }
}

/// Cuts a page where that becomes too much; the rest is the next page.
fn bound(events: &mut Vec<Event>, with_text: bool) {
    let mut room = PAGE_BYTES;
    let mut fits = |event: &Event| {
        let bytes = match &event.event {
            EventKind::Output { bytes, .. } if with_text => *bytes,
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
