//! Transitions of registered mountpoints as they happen, and the prober that finds out which of them are stuck.
//!
//! Nothing is polled: [`Watch::wait`] sleeps until the kernel tells that the mount table or the registry has changed,
//! a filesystem answers, or one is to be asked again. That last is the slow fall-back as well: with each round of
//! the prober everything is looked at anew, which catches what the kernel doesn't tell.

mod alarm;
mod picture;
mod prober;
mod transition;

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::error::Error;
use crate::mounts::{Mounts, WhenMissing};
use crate::registry::{Directories, Document, Store};
use alarm::Alarm;
use picture::Picture;
use prober::Prober;
pub use transition::{Change, Transition};

/// So long what happens is collected before it is looked at, so that a burst costs few looks and something that
/// comes and goes within it is no transition. Measured from the first event, so that a burst without end is reported too.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// How the prober goes about it.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// A filesystem is asked so often.
    pub interval: Duration,
    /// One that has not answered after so long is stuck.
    pub deadline: Duration,
}

/// Watches all registered mountpoints in this process's mount namespace.
///
/// For a process with a single thread, since it forks, and which reaps all children that end (`SIGCHLD`): the ones
/// that ask are not waited for here.
pub struct Watch {
    store: Store,
    mounts: Mounts,
    alarm: Alarm,
    prober: Prober,
    picture: Picture,
    interval: Duration,
    /// When everything is to be looked at, at the latest.
    look_at: Instant,
    /// Whether something has happened that is not looked at yet.
    alarmed: bool,
}

/// What a step has found.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order of the paths.
    pub transitions: Vec<Transition>,
    /// What could not be done in this step, and is tried again: a registry that cannot be read or written.
    pub errors: Vec<Error>,
    /// Whether everything was looked at, the registry included.
    pub looked: bool,
}

impl Watch {
    /// Begins to watch what is registered in `directories`.
    ///
    /// What is not as it ought to be at the beginning is found by the first step, as if it had just happened.
    ///
    /// # Errors
    /// As [`Mounts::open`]; and [`ErrorKind::Io`](crate::ErrorKind::Io) when the kernel has no notification to give.
    pub fn open(directories: &Directories, rhythm: Rhythm) -> Result<Watch, Error> {
        // Before the first look: what happens between the two is then noticed.
        let alarm = Alarm::set(directories)?;
        let mounts = Mounts::open(directories, WhenMissing::NothingRegistered)?;
        Ok(Watch {
            store: Store::new(directories.clone()),
            mounts,
            alarm,
            prober: Prober::new(rhythm.deadline),
            picture: Picture::default(),
            interval: rhythm.interval,
            look_at: Instant::now(),
            alarmed: false,
        })
    }

    /// Sleeps until [`Watch::step`] has something to do, or one of `others` is readable.
    pub fn wait(&mut self, others: &[BorrowedFd<'_>]) {
        let mut wake_up = self.look_at;
        wake_up = self.prober.next_deadline().map_or(wake_up, |deadline| deadline.min(wake_up));
        let probes = self.prober.open();
        let readable: Vec<_> = others.iter().copied().chain(probes).collect();
        // While a burst is collected, the rest of it wakes nobody.
        let told = self.alarm.wait(&readable, !self.alarmed, wake_up);
        if told && !self.alarmed {
            self.alarmed = true;
            self.look_at = self.look_at.min(Instant::now() + DEBOUNCE);
        }
    }

    /// Does what is due, without waiting for any filesystem.
    pub fn step(&mut self) -> Found {
        let mut found = Found::default();
        let now = Instant::now();
        if now >= self.look_at {
            found.looked = true;
            self.look(now, &mut found);
        }
        let at = seconds();
        for (pattern, change) in self.prober.advance(Instant::now(), at) {
            found.transitions.extend(self.picture.transition(&pattern, change, at));
        }
        self.record(&mut found);
        found
    }

    /// Ends the watch: takes back what it recorded, since nobody will find out any more that a filesystem answers again.
    ///
    /// # Errors
    /// As [`Store::observe`].
    pub fn close(mut self) -> Result<(), Error> {
        self.prober.withdraw();
        let observations = self.prober.to_record();
        if observations.is_empty() { Ok(()) } else { self.store.observe(&observations) }
    }

    fn look(&mut self, now: Instant, found: &mut Found) {
        // Told first and looked at then: a change in between is told again.
        self.alarm.reset(self.store.directories());
        self.alarmed = false;
        self.look_at = now + self.interval;
        let document = match self.registry() {
            Ok(document) => document,
            Err(error) => return found.errors.push(error),
        };
        let picture = Picture::take(&document, &self.mounts);
        found.transitions.extend(self.picture.replace_with(picture, seconds()));
        self.prober.turn_to(self.picture.to_probe(), &document);
    }

    fn registry(&self) -> Result<Document, Error> {
        self.mounts.refresh()?;
        let snapshot = self.store.read_effective()?;
        Ok(snapshot.map(|snapshot| snapshot.document()).unwrap_or_default())
    }

    /// Tried again in the next round when it fails, by anything else than time: what is lost is that guards refuse.
    fn record(&mut self, found: &mut Found) {
        if !self.prober.may_record() {
            return;
        }
        let observations = self.prober.to_record();
        if observations.is_empty() {
            return;
        }
        let recorded = self.store.observe(&observations);
        self.prober.recorded(recorded.is_ok());
        found.errors.extend(recorded.err());
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
