//! What this process knows of one sandbox.

use std::sync::{Mutex, PoisonError};

use engine::{Ended, EngineError, SandboxEnd};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use types::{JobId, Usage};

use crate::folder::Folder;
use crate::look::Look;
use crate::usage;

/// One sandbox. Everybody who waits for its end waits here.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) job: JobId,
    /// The name of its container, and of its volume; empty if it has none any more.
    pub(crate) name: String,
    pub(crate) folder: Folder,
    /// Whether its files are in a volume, and its gateway behind a bridge.
    pub(crate) bridged: bool,
    pub(crate) wall_seconds: u32,
    pub(crate) disk_bytes: u64,
    /// The copy of its volume for those who look into it.
    pub(crate) look: Look,
    ended: watch::Sender<Option<Ended>>,
    used: Mutex<Usage>,
    /// Nobody wants its files any more.
    discarded: CancellationToken,
    /// It is being ended or has ended; cancelled with `discarded`, too.
    ending: CancellationToken,
    /// Nothing in it runs any more; its files may still be on their way.
    dead: CancellationToken,
}

impl Sandbox {
    pub(crate) fn new(
        job: JobId,
        name: String,
        folder: Folder,
        bridged: bool,
        wall_seconds: u32,
        disk_bytes: u64,
    ) -> Self {
        let ended = watch::Sender::new(folder.ended());
        let discarded = CancellationToken::new();
        let ending = discarded.child_token();
        if folder.intent().is_some() {
            ending.cancel();
        }
        Self {
            job,
            name,
            folder,
            bridged,
            wall_seconds,
            disk_bytes,
            look: Look::default(),
            ended,
            used: Mutex::default(),
            discarded,
            ending,
            dead: CancellationToken::new(),
        }
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        *self.ended.borrow()
    }

    pub(crate) async fn wait(&self) -> Result<Ended, EngineError> {
        let mut changes = self.ended.subscribe();
        let found = changes.wait_for(Option::is_some).await.map(|ended| *ended);
        found.ok().flatten().ok_or(EngineError::NotFound(self.job))
    }

    /// It has ended. Whoever waits hears it also if it cannot be written down, or its folder goes.
    pub(crate) fn end(&self, ended: Ended) {
        if !self.is_discarded()
            && let Err(e) = self.folder.note_end(&ended)
        {
            tracing::warn!(job = %self.job, "could not note how a sandbox ended: {e}");
        }
        self.ended.send_replace(Some(ended));
    }

    /// Its folder is to go: nothing more is put into it.
    pub(crate) fn discard(&self) {
        self.discarded.cancel();
    }

    pub(crate) fn is_discarded(&self) -> bool {
        self.discarded.is_cancelled()
    }

    /// Returns when that is so.
    pub(crate) fn discarded(&self) -> impl Future<Output = ()> + Send + 'static {
        self.discarded.clone().cancelled_owned()
    }

    /// It is to end, or has ended: nobody may look at its files any more until they are a result. The
    /// daemon can do nothing else with a container while it sends files of it.
    pub(crate) fn begin_end(&self) {
        self.ending.cancel();
    }

    /// Returns when that is so.
    pub(crate) fn ending(&self) -> impl Future<Output = ()> + Send + 'static {
        self.ending.clone().cancelled_owned()
    }

    /// Nothing in it runs any more.
    pub(crate) fn die(&self) {
        self.begin_end();
        self.dead.cancel();
    }

    /// Returns when that is so.
    pub(crate) async fn dead(&self) {
        self.dead.cancelled().await;
    }

    /// It is taken away; whoever still waits is told that much.
    pub(crate) fn vanish(&self) {
        let lost =
            Ended { end: SandboxEnd::Lost, usage: self.used(), disk_full: false, disk_lost: false };
        self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            ended.get_or_insert(lost);
            first
        });
    }

    pub(crate) fn used(&self) -> Usage {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another look was taken.
    pub(crate) fn note_use(&self, now: Usage) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = usage::merge(*used, now);
    }

    pub(crate) fn note_disk(&self, bytes: Option<u64>) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.disk_bytes = bytes.or(used.disk_bytes);
    }
}
