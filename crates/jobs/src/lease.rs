//! What is open in a workspace for somebody outside, and taken away when the workspace goes: a
//! client that reads slowly must not keep a file system mounted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::files::FilesError;

/// Something that may be taken away.
#[derive(Debug)]
pub(crate) struct Held<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Held<T> {
    pub(crate) fn new(it: T) -> Self {
        Self(Arc::new(Mutex::new(Some(it))))
    }

    /// Uses it, if it is still there.
    pub(crate) fn with<R>(
        &self,
        work: impl FnOnce(&mut T) -> Result<R, FilesError>,
    ) -> Result<R, FilesError> {
        self.lock().as_mut().map_or(Err(FilesError::Over), work)
    }

    /// Uses it for the last time, if it is still there. Who takes it away waits until that is done.
    pub(crate) fn finish<R>(
        &self,
        work: impl FnOnce(T) -> Result<R, FilesError>,
    ) -> Result<R, FilesError> {
        self.lock().take().map_or(Err(FilesError::Over), work)
    }

    /// Takes it away.
    pub(crate) fn revoke(&self) {
        drop(self.lock().take());
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

trait Revoke: Send + Sync + std::fmt::Debug {
    fn revoke(&self);
}

impl<T: Send + std::fmt::Debug> Revoke for Mutex<Option<T>> {
    fn revoke(&self) {
        drop(self.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// What a file of a workspace is open for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Use {
    Reading,
    Writing,
}

/// All that is open in one workspace.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    reading: Mutex<State>,
    writing: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Vec<Weak<dyn Revoke>>,
    over: bool,
}

impl Leases {
    /// Notes what was opened; it is gone at once if the time for its use is over.
    pub(crate) fn add<T: Send + std::fmt::Debug + 'static>(&self, held: &Held<T>, what_for: Use) {
        let mut state = self.state(what_for);
        if state.over {
            return held.revoke();
        }
        state.open.retain(|open| open.strong_count() > 0);
        let open: Weak<Mutex<Option<T>>> = Arc::downgrade(&held.0);
        state.open.push(open);
    }

    /// Closes what is open for this use, once what is being read or written just now is done.
    pub(crate) fn end(&self, what_for: Use) {
        let open = {
            let mut state = self.state(what_for);
            state.over = true;
            std::mem::take(&mut state.open)
        };
        for open in open.iter().filter_map(Weak::upgrade) {
            open.revoke();
        }
    }

    fn state(&self, what_for: Use) -> MutexGuard<'_, State> {
        let state = match what_for {
            Use::Reading => &self.reading,
            Use::Writing => &self.writing,
        };
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_closed_at_the_end_and_nothing_is_opened_after_it() {
        let (leases, held, written) = (Leases::default(), Held::new(7), Held::new(9));
        leases.add(&held, Use::Reading);
        leases.add(&written, Use::Writing);
        leases.end(Use::Writing);
        assert!(matches!(written.with(|it| Ok(*it)), Err(FilesError::Over)));
        assert_eq!(held.with(|it| Ok(*it)).unwrap(), 7);
        leases.end(Use::Reading);
        assert!(matches!(held.with(|it| Ok(*it)), Err(FilesError::Over)));
        let late = Held::new(8);
        leases.add(&late, Use::Reading);
        assert!(matches!(late.with(|it| Ok(*it)), Err(FilesError::Over)));
    }

    #[test]
    fn the_end_waits_for_what_is_being_finished() {
        let (leases, held) = (Leases::default(), Held::new(7));
        leases.add(&held, Use::Writing);
        let last = held.finish(|it| Ok((it, held.0.try_lock().is_err())));
        assert_eq!(last.unwrap(), (7, true), "nobody takes it away just now");
        leases.end(Use::Writing);
        assert!(matches!(held.finish(Ok), Err(FilesError::Over)));
    }
}
