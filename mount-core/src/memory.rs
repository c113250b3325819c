//! What is known of the mountpoints that were asked for.

use std::cell::{Cell, RefCell};
use std::hash::BuildHasher;
use std::rc::Rc;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::detect::Observation;
use crate::filesystem::Identity;
use crate::presence::Presence;
use crate::registered::Registered;

/// More mountpoints than this remembered, and the memory starts anew: a process that serves all users of a machine
/// asks for many children of wildcards.
const MAX_REMEMBERED: usize = 1024;

/// A mountpoint that was asked for.
pub(crate) struct Known {
    pub mountpoint: Rc<[u8]>,
    /// What is registered of it; `None` for one that somebody merely asked about.
    pub registered: Option<Registered>,
    observation: RefCell<Option<Rc<Observation>>>,
    /// The generation of the last observation of a mount that the next one did not find again.
    lost: Cell<Option<u64>>,
}

impl Known {
    pub(crate) fn new(mountpoint: &[u8], registered: Option<Registered>) -> Self {
        let (observation, lost) = (RefCell::default(), Cell::default());
        Known { mountpoint: mountpoint.into(), registered, observation, lost }
    }

    /// The identity required of it.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.registered.as_ref()?.identity.as_deref()
    }

    /// What was last observed of it.
    pub(crate) fn observation(&self) -> Option<Rc<Observation>> {
        self.observation.borrow().clone()
    }

    /// Remembers what was observed of it.
    pub(crate) fn observe(&self, observation: Observation) -> Rc<Observation> {
        let observation = Rc::new(observation);
        *self.observation.borrow_mut() = Some(Rc::clone(&observation));
        observation
    }

    /// Remembers that a mount which was observed in a generation was lost afterwards.
    pub(crate) fn lose(&self, generation: u64) {
        self.lost.set(Some(generation));
    }

    /// Whether a mount that was observed in this generation or later was lost, though there may be one again.
    pub(crate) fn was_lost_since(&self, generation: u64) -> bool {
        self.lost.get().is_some_and(|lost| lost >= generation)
    }

    /// Whether read-write was recorded and read-only is what was observed.
    pub(crate) fn is_unduly_read_only(&self, observation: &Observation) -> bool {
        let must_write = self.registered.as_ref().is_some_and(|registered| registered.read_write);
        must_write && observation.filesystem.as_ref().is_some_and(|found| found.read_only)
    }

    /// What an observation means for it. What the prober found counts only while something is mounted that could be
    /// stuck.
    pub(crate) fn presence(&self, observation: &Observation) -> Presence {
        match &observation.presence {
            Presence::Mounted if self.registered.as_ref().is_some_and(|registered| registered.stuck) => {
                Presence::Stuck
            }
            presence => presence.clone(),
        }
    }
}

/// Mountpoints by path.
#[derive(Default)]
pub(crate) struct Memory {
    known: HashTable<Rc<Known>>,
    hasher: DefaultHashBuilder,
}

impl Memory {
    pub(crate) fn get(&self, mountpoint: &[u8]) -> Option<&Rc<Known>> {
        let hash = self.hasher.hash_one(mountpoint);
        self.known.find(hash, |known| *known.mountpoint == *mountpoint)
    }

    /// Remembers one that [`Memory::get`] does not find.
    pub(crate) fn add(&mut self, known: &Rc<Known>) {
        if self.known.len() >= MAX_REMEMBERED {
            self.known.clear();
        }
        let hash = |known: &Rc<Known>| self.hasher.hash_one(&*known.mountpoint);
        self.known.insert_unique(hash(known), Rc::clone(known), hash);
    }

    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }
}
