//! The rules: which of the mountpoints that a path relies on permit an operation.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;

use crate::detect::{Detector, Observation};
use crate::error::{Error, ErrorKind, path_buf};
use crate::filesystem::{Filesystem, Identity};
use crate::lookup::{Hit, Index};
use crate::operation::Operation;
use crate::path;
use crate::permit::{Permit, Pin, Target};
use crate::presence::Presence;
use crate::refusal::{Cause, Refusal};
use crate::state::State;
use crate::walk::Stop;

/// More mountpoints than this remembered (children of wildcards, that is), and the memory starts anew.
const MAX_REMEMBERED: usize = 4096;

/// Judges paths by an index of registered mountpoints and a detector.
pub(crate) struct Judge {
    index: Index,
    detector: Rc<Detector>,
    seen: RefCell<HashMap<Box<[u8]>, Rc<Observation>>>,
}

/// What is found at a mountpoint.
#[derive(Debug, Clone)]
pub struct Examination {
    /// Whether it is mounted.
    pub presence: Presence,
    /// What is mounted; `None` when nothing is, or when the method cannot tell.
    pub filesystem: Option<Filesystem>,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The path without symlinks, `.` and `..`; what doesn't exist of it as written.
    pub path: PathBuf,
    /// Whether all of it exists.
    pub exists: bool,
    /// Whether it is a directory.
    pub is_directory: bool,
}

/// Where a path leads, and the mountpoints it relies on, in the order they are passed.
struct Route {
    real: Vec<u8>,
    crossed: Vec<Crossing>,
}

struct Crossing {
    mountpoint: Box<[u8]>,
    observation: Rc<Observation>,
}

/// A question being judged.
struct Question<'a> {
    operation: Operation,
    path: &'a Path,
    generation: u64,
}

impl Question<'_> {
    fn refuse(&self, mountpoint: Option<&[u8]>, cause: Cause) -> Refusal {
        let refusal = Refusal::new(self.operation, self.path, mountpoint.map(path_buf), cause);
        tracing::info!(
            path = ?self.path,
            mountpoint = ?refusal.mountpoint(),
            state = refusal.state().map(State::as_str),
            cause = ?refusal.cause(),
            "refused"
        );
        refusal
    }
}

impl Judge {
    pub(crate) fn new(detector: Detector) -> Self {
        Judge { index: Index::default(), detector: Rc::new(detector), seen: RefCell::default() }
    }

    /// Takes another list of mountpoints. What was observed with the old one may have been judged by
    /// another identity, so it is forgotten.
    pub(crate) fn replace(&mut self, index: Index) {
        self.index = index;
        self.seen.borrow_mut().clear();
    }

    pub(crate) fn after_fork(&self) {
        self.detector.after_fork();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    pub(crate) fn presence(&self, mountpoint: &Path) -> Presence {
        let clean = match path::clean(mountpoint) {
            Ok(clean) => clean,
            Err(error) => return Presence::Unknown(error.chain()),
        };
        if let Some(seen) = self.remembered(&clean).filter(|seen| self.detector.still(&clean, seen)) {
            return self.with_stuck(&clean, &seen.presence);
        }
        self.examine(mountpoint).presence
    }

    pub(crate) fn examine(&self, mountpoint: &Path) -> Examination {
        let clean = match path::clean(mountpoint) {
            Ok(clean) => clean,
            Err(error) => {
                return Examination { presence: Presence::Unknown(error.chain()), filesystem: None };
            }
        };
        let observation = self.remember(&clean, self.detector.observe(&clean, self.identity(&clean)));
        let presence = self.with_stuck(&clean, &observation.presence);
        Examination { presence, filesystem: observation.filesystem.clone() }
    }

    /// The identity required at exactly this mountpoint.
    fn identity(&self, mountpoint: &[u8]) -> Option<&Identity> {
        self.index.at(mountpoint).and_then(|registered| registered.identity.as_deref())
    }

    pub(crate) fn resolve(&self, path: &Path) -> Result<Resolved, Error> {
        let clean = path::clean(path)?;
        let walk =
            self.detector.walk(&clean).map_err(|errno| Error::syscall("open", Path::new("/"), errno))?;
        match walk.stop {
            Stop::Found | Stop::Missing | Stop::Failed(Errno::ENOTDIR) => Ok(Resolved {
                path: path_buf(&walk.real),
                exists: walk.stop == Stop::Found,
                is_directory: walk.stop == Stop::Found && walk.looked.is_dir(),
            }),
            Stop::Unanswered => {
                let text = format!(
                    "open {path:?}: a filesystem on the way would have to be asked, and may not answer"
                );
                Err(Error::new(ErrorKind::Temporary, text))
            }
            Stop::Failed(errno @ (Errno::ELOOP | Errno::ENAMETOOLONG)) => {
                Err(Error::syscall("open", path, errno).with_kind(ErrorKind::Data))
            }
            Stop::Failed(errno) => Err(Error::syscall("open", path, errno)),
        }
    }

    /// What the prober found counts only while something is mounted that could be stuck.
    fn with_stuck(&self, mountpoint: &[u8], presence: &Presence) -> Presence {
        let registered = self.index.at(mountpoint);
        match presence {
            Presence::Mounted if registered.is_some_and(|registered| registered.stuck) => Presence::Stuck,
            presence => presence.clone(),
        }
    }

    pub(crate) fn verdict(&self, operation: Operation, path: &Path) -> Result<(), Refusal> {
        // Rule 1: without registered mountpoints nothing changes, at no cost.
        if self.index.is_empty() {
            return Ok(());
        }
        self.route(operation, path).map(|_| ())
    }

    pub(crate) fn authorize(&self, operation: Operation, paths: &[&Path]) -> Result<Permit, Refusal> {
        let mut permit = Permit::new(operation, Rc::clone(&self.detector));
        for path in paths {
            let question = Question { operation, path, generation: 0 };
            let asked = path::clean(path).map_err(|error| question.refuse(None, Cause::Path(error)))?;
            if self.index.is_empty() {
                permit.targets.push(Target { asked: asked.to_vec(), real: asked.into_owned(), pin: None });
                continue;
            }
            let route = self.route(operation, path)?;
            let mut deepest = None;
            for crossing in &route.crossed {
                let pin = self.pin(&question, crossing, &mut permit)?;
                if path::is_within(&route.real, &crossing.mountpoint) {
                    deepest = Some(pin);
                }
            }
            permit.targets.push(Target { asked: asked.into_owned(), real: route.real, pin: deepest });
        }
        Ok(permit)
    }

    /// Holds a mount root open, once for all paths that rely on it, and makes sure that what is held is the mount
    /// that was judged.
    fn pin(
        &self,
        question: &Question<'_>,
        crossing: &Crossing,
        permit: &mut Permit,
    ) -> Result<usize, Refusal> {
        let mountpoint = &crossing.mountpoint;
        if let Some(at) = permit.pins.iter().position(|pin| pin.mountpoint == *mountpoint) {
            return Ok(at);
        }
        let refuse = |presence| question.refuse(Some(mountpoint), Cause::Presence(presence));
        let (root, observation) = self
            .detector
            .hold(mountpoint, &crossing.observation, self.identity(mountpoint))
            .map_err(|why| refuse(Presence::Unknown(why)))?;
        if observation.presence != Presence::Mounted {
            return Err(refuse(observation.presence));
        }
        permit.pins.push(Pin { mountpoint: mountpoint.clone(), root, observation });
        Ok(permit.pins.len() - 1)
    }

    /// Walks the path and judges every registered mountpoint that it passes, on the way of a symlink too.
    fn route(&self, operation: Operation, path: &Path) -> Result<Route, Refusal> {
        let question = Question { operation, path, generation: self.detector.generation() };
        let refuse = |error: Error| question.refuse(None, Cause::Path(error));
        let clean = path::clean(path).map_err(refuse)?;
        let walk = self
            .detector
            .walk(&clean)
            .map_err(|errno| refuse(Error::syscall("open", Path::new("/"), errno)))?;
        let mut crossed = Vec::new();
        for passed in &walk.detours {
            self.cross(&question, passed, None, &mut crossed)?;
        }
        self.cross(&question, &walk.real, walk.looked.mount_id, &mut crossed)?;
        Ok(Route { real: walk.real, crossed })
    }

    /// Judges the registered mountpoints at or above a real path. `arrived` is the mount the walk ended in.
    fn cross(
        &self,
        question: &Question<'_>,
        real: &[u8],
        arrived: Option<u64>,
        crossed: &mut Vec<Crossing>,
    ) -> Result<(), Refusal> {
        let mut hits = self.index.hits(real).filter(|hit| hit.registered.state != State::Ignore).peekable();
        while let Some(hit) = hits.next() {
            let deepest = hits.peek().is_none();
            let observation = self.judge_hit(question, &hit, arrived.filter(|_| deepest))?;
            crossed.push(Crossing { mountpoint: hit.mountpoint.into(), observation });
        }
        Ok(())
    }

    fn judge_hit(
        &self,
        question: &Question<'_>,
        hit: &Hit<'_>,
        arrived: Option<u64>,
    ) -> Result<Rc<Observation>, Refusal> {
        let refuse = |cause| Err(question.refuse(Some(hit.mountpoint), cause));
        let state = hit.registered.state;
        if matches!(state, State::Offline | State::Failover) {
            return refuse(Cause::State(state));
        }
        let observation = self.observation(question, hit, arrived);
        match &observation.presence {
            Presence::Mounted if hit.registered.stuck => return refuse(Cause::Presence(Presence::Stuck)),
            Presence::Mounted | Presence::Idle => {}
            presence => return refuse(Cause::Presence(presence.clone())),
        }
        let read_only = observation.filesystem.as_ref().is_some_and(|found| found.read_only);
        if read_only && hit.registered.read_write && question.operation.writes() {
            return refuse(Cause::ReadOnly);
        }
        Ok(observation)
    }

    /// What is known of a mountpoint: remembered while the mount table has not changed and the walk arrived where
    /// it would if that were still so; looked at otherwise.
    fn observation(&self, question: &Question<'_>, hit: &Hit<'_>, arrived: Option<u64>) -> Rc<Observation> {
        let fresh = |seen: &Rc<Observation>| {
            seen.generation == question.generation
                && (arrived.is_none() || seen.mount.is_none() || arrived == seen.mount)
        };
        if let Some(seen) = self.remembered(hit.mountpoint).filter(fresh) {
            return seen;
        }
        let observation = self.detector.observe(hit.mountpoint, hit.registered.identity.as_deref());
        self.remember(hit.mountpoint, observation)
    }

    fn remembered(&self, mountpoint: &[u8]) -> Option<Rc<Observation>> {
        self.seen.borrow().get(mountpoint).cloned()
    }

    fn remember(&self, mountpoint: &[u8], observation: Observation) -> Rc<Observation> {
        let observation = Rc::new(observation);
        let mut seen = self.seen.borrow_mut();
        if seen.len() >= MAX_REMEMBERED {
            seen.clear();
        }
        seen.insert(mountpoint.into(), Rc::clone(&observation));
        observation
    }
}
