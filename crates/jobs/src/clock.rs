use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::Moment;
use jiff::{SignedDuration, Timestamp};

/// What tells the time: the machine, or a test.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<Mutex<Moment>>>);

impl Clock {
    /// One that stands still at this time until it is moved, on a machine of this name.
    #[must_use]
    pub fn still(at: Timestamp, boot: &str) -> Self {
        let moment = Moment { at, up: Duration::ZERO, boot: boot.into() };
        Self(Some(Arc::new(Mutex::new(moment))))
    }

    /// Lets time pass on one that stands still.
    pub fn pass(&self, time: Duration) {
        self.change(|moment| {
            moment.up += time;
            moment.at += time;
        });
    }

    /// Sets one that stands still, ahead or back, as somebody sets a machine's clock.
    pub fn set(&self, by: SignedDuration) {
        self.change(|moment| moment.at += by);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.as_ref().map_or_else(Timestamp::now, |_| self.moment().at)
    }

    pub(crate) fn moment(&self) -> Moment {
        match &self.0 {
            Some(still) => still.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            None => Moment::now(),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Moment)) {
        if let Some(still) = &self.0 {
            change(&mut still.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}
