//! The time of a run, in which everybody rests until it is over.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Begins when it is made, and is over when [`Clock::stop`] says so.
pub(crate) struct Clock {
    began: Instant,
    over: Mutex<bool>,
    changed: Condvar,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { began: Instant::now(), over: Mutex::new(false), changed: Condvar::new() }
    }

    /// Rests for a time, or until the run is over; whether it still goes on.
    pub(crate) fn rest(&self, time: Duration) -> bool {
        let over = self.lock();
        let waited = self.changed.wait_timeout_while(over, time, |over| !*over);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Rests until so long after the beginning.
    pub(crate) fn rest_until(&self, at: Duration) -> bool {
        self.rest((self.began + at).saturating_duration_since(Instant::now()))
    }

    /// How long after the beginning it was, in seconds, as text that sorts.
    pub(crate) fn name(&self, at: Instant) -> String {
        format!("{:8.3}", (at - self.began).as_secs_f32())
    }

    /// Ends the run.
    pub(crate) fn stop(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
