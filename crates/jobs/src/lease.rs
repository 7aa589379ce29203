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

    pub(crate) fn take(&self) -> Option<T> {
        self.lock().take()
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

/// All that is open in one workspace.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    open: Vec<Weak<dyn Revoke>>,
    over: bool,
}

impl Leases {
    /// Notes what was opened; it is gone at once if the workspace is.
    pub(crate) fn add<T: Send + std::fmt::Debug + 'static>(&self, held: &Held<T>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.over {
            drop(held.take());
            return;
        }
        state.open.retain(|open| open.strong_count() > 0);
        let open: Weak<Mutex<Option<T>>> = Arc::downgrade(&held.0);
        state.open.push(open);
    }

    /// Closes everything, once what is being read or written just now is done.
    pub(crate) fn end(&self) {
        let open = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.over = true;
            std::mem::take(&mut state.open)
        };
        for open in open.iter().filter_map(Weak::upgrade) {
            open.revoke();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_closed_at_the_end_and_nothing_is_opened_after_it() {
        let (leases, held) = (Leases::default(), Held::new(7));
        leases.add(&held);
        assert_eq!(held.with(|it| Ok(*it)).unwrap(), 7);
        leases.end();
        assert!(matches!(held.with(|it| Ok(*it)), Err(FilesError::Over)));
        let late = Held::new(8);
        leases.add(&late);
        assert_eq!(late.take(), None);
    }
}
