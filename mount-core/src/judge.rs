//! The rules: which of the mountpoints that a path relies on permit an operation.

use std::borrow::Cow;
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;

use crate::detect::{Detector, Observation};
use crate::epoch::Epoch;
use crate::error::{Error, ErrorKind, path_buf};
use crate::filesystem::Filesystem;
use crate::lookup::{Index, Surroundings};
use crate::memory::{Known, Memory};
use crate::operation::Operation;
use crate::path;
use crate::permit::{Permit, Pin, Start, Target};
use crate::presence::Presence;
use crate::refusal::{Cause, Refusal};
use crate::registered::Registered;
use crate::state::State;
use crate::walk::{Stop, Walk};

/// Judges paths by an index of registered mountpoints and a detector.
pub(crate) struct Judge {
    index: Rc<Index>,
    detector: Rc<Detector>,
    memory: RefCell<Memory>,
}

/// What is found at a mountpoint.
#[derive(Debug, Clone)]
pub struct Examination {
    /// Whether it is mounted.
    pub presence: Presence,
    /// What is mounted; `None` when nothing is, or when the method cannot tell.
    pub filesystem: Option<Filesystem>,
    /// The id of the mount; `None` when none is known. No other has it as long as somebody is in that mount.
    pub(crate) mount: Option<u64>,
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

/// A path is walked this often while the mount table changes under the walk, before that is the answer.
const WALKS: usize = 32;

/// What tells, besides an unchanged mount table, that a mount is still where its path leads. The table alone would
/// not do: a directory above can be renamed without a change of it.
#[derive(Clone, Copy)]
enum Evidence {
    /// The mount that the walk along the path ended in.
    Arrived(Option<u64>),
    /// A mountpoint below it on the same path, which has evidence of its own.
    Deeper,
    /// Nothing: what lies ahead on a name may be reached through a symlink, each part of it through another one.
    Nothing,
}

/// A question being judged.
struct Question<'a> {
    operation: Operation,
    path: &'a Path,
    generation: u64,
    /// The generation since which nothing may have come and gone, when that is asked for.
    since: Option<u64>,
}

impl<'q> Question<'q> {
    /// Whether a mount was lost since then: what the caller has opened meanwhile may lie underneath.
    fn is_interrupted(&self, known: &Known) -> bool {
        self.since.is_some_and(|since| known.was_lost_since(since))
    }

    fn clean(&self) -> Result<Cow<'q, [u8]>, Refusal> {
        path::clean(self.path).map_err(|error| self.refuse(None, Cause::Path(error)))
    }

    fn refuse(&self, blamed: Option<&Known>, cause: Cause) -> Refusal {
        let mountpoint = blamed.map(|known| path_buf(&known.mountpoint));
        let registered = blamed.and_then(|known| known.registered.as_ref());
        let refusal = Refusal::new(self.operation, self.path, mountpoint, cause)
            .by_wildcard(registered.is_some_and(|registered| registered.by_wildcard));
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
        Judge { index: Rc::default(), detector: Rc::new(detector), memory: RefCell::default() }
    }

    /// Takes another list of mountpoints. What was observed with the old one may have been judged by
    /// another identity, so it is forgotten.
    pub(crate) fn replace(&mut self, index: Index) {
        self.index = Rc::new(index);
        self.memory.borrow_mut().clear();
    }

    pub(crate) fn after_fork(&self) {
        self.detector.after_fork();
    }

    /// The number of the mount table's state; where nothing is registered it doesn't matter.
    pub(crate) fn generation(&self) -> u64 {
        if self.is_empty() { 0 } else { self.detector.generation() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    pub(crate) fn presence(&self, mountpoint: &Path) -> Presence {
        let clean = match path::clean(mountpoint) {
            Ok(clean) => clean,
            Err(error) => return Presence::Unknown(error.chain()),
        };
        let known = match self.known(&clean) {
            Ok(known) => known,
            Err(error) => return Presence::Unknown(error.chain()),
        };
        match known.observation().filter(|seen| self.detector.still(&clean, seen)) {
            Some(seen) => known.presence(&seen),
            None => known.presence(&self.look(&known)),
        }
    }

    pub(crate) fn examine(&self, mountpoint: &Path) -> Examination {
        let known = match path::clean(mountpoint).and_then(|clean| self.known(&clean)) {
            Ok(known) => known,
            Err(error) => {
                let presence = Presence::Unknown(error.chain());
                return Examination { presence, filesystem: None, mount: None };
            }
        };
        let observation = self.look(&known);
        Examination {
            presence: known.presence(&observation),
            filesystem: observation.filesystem.clone(),
            mount: observation.mount,
        }
    }

    /// Has what the mount table says looked at anew: a filesystem that is remounted where other mounts are seen, or by
    /// itself after an error, becomes read-only or read-write here without a notice.
    pub(crate) fn forget_table(&self) {
        self.detector.forget_table();
    }

    fn look(&self, known: &Known) -> Rc<Observation> {
        let now = self.detector.observe(&known.mountpoint, known.identity());
        if let Some(before) = known.observation().filter(|before| self.detector.is_lost(before, &now)) {
            known.lose(before.generation);
        }
        known.observe(now)
    }

    pub(crate) fn resolve(&self, path: &Path) -> Result<Resolved, Error> {
        let clean = path::clean(path)?;
        let walk = self
            .detector
            .walk(&clean, None)
            .map_err(|errno| Error::syscall("open", Path::new("/"), errno))?;
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
            Stop::Displaced => {
                let chroot = self.detector.chroot();
                let text = format!(
                    "open {path:?}: this process was locked into another directory than {chroot:?} is now"
                );
                Err(Error::new(ErrorKind::Temporary, text))
            }
            Stop::Failed(errno @ (Errno::ELOOP | Errno::ENAMETOOLONG)) => {
                Err(Error::syscall("open", path, errno).with_kind(ErrorKind::Data))
            }
            Stop::Failed(errno) => Err(Error::syscall("open", path, errno)),
        }
    }

    pub(crate) fn outer_path(&self, path: &Path) -> PathBuf {
        self.detector.outer_path(path)
    }

    pub(crate) fn verdict(&self, operation: Operation, path: &Path, epoch: Epoch) -> Result<(), Refusal> {
        // Rule 1: without registered mountpoints nothing changes, at no cost.
        if self.index.is_empty() {
            return Ok(());
        }
        let mut question = Question { operation, path, generation: epoch.table(), since: None };
        let asked = question.clean()?;
        self.route(&mut question, &asked, None).map(|_| ())
    }

    /// `epoch` is what the permit is good for: of late, since whatever has changed afterwards will have to be verified.
    /// `since` is when nothing may have come and gone.
    pub(crate) fn authorize(
        &self,
        operation: Operation,
        paths: &[&Path],
        epoch: Epoch,
        since: Option<Epoch>,
    ) -> Result<Permit, Refusal> {
        let since = since.map(Epoch::table);
        let mut generation = epoch.table();
        let (detector, index) = (Rc::clone(&self.detector), Rc::clone(&self.index));
        let mut permit = Permit::new(operation, detector, index, epoch, paths.len());
        for path in paths {
            let mut question = Question { operation, path, generation, since };
            let asked = question.clean()?;
            let first = permit.pins.len();
            let target = if self.index.is_empty() {
                Target { asked: asked.into_owned(), real: None, start: None }
            } else {
                self.hold(&mut question, asked, &mut permit.pins)?
            };
            permit.add(target, first);
            generation = question.generation;
        }
        Ok(permit)
    }

    /// Judges a path, and adds to the pins every mount that it relies on, shallow first.
    ///
    /// The walk has opened a directory in the mount that it ended in, and the mounts which that one lies in are as busy
    /// as itself. So a root is opened only where the walk did not end in the mount that was judged, as at an automount
    /// that is to be triggered, and for what a symlink passed.
    fn hold(
        &self,
        question: &mut Question<'_>,
        asked: Cow<'_, [u8]>,
        pins: &mut Vec<Pin>,
    ) -> Result<Target, Refusal> {
        let first = pins.len();
        let Walk { real, fd, reach, looked, .. } = self.trigger(question, &asked, pins)?;
        let fd = Rc::new(fd);
        let mut start: Option<Start> = None;
        // By the depth of where they are: one may be known by the name of a symlink that is shorter or longer.
        pins[first..].sort_by_key(|pin| pin.mountpoint().len());
        for pin in pins[first..].iter_mut().rev() {
            let seen = &pin.observation;
            let depth = pin.mountpoint().len();
            let is_on_the_way = path::is_within(&real, pin.mountpoint());
            let is_judged_by_id =
                looked.mount_id.and(seen.mount).is_some() && seen.presence == Presence::Mounted;
            let arrived = looked.mount_id == seen.mount && reach >= depth;
            if is_on_the_way && is_judged_by_id && (start.is_some() || arrived) {
                start.get_or_insert_with(|| Start { fd: Rc::clone(&fd), reach });
                continue;
            }
            let (root, observation) = self.root(question, &pin.known, seen)?;
            if is_on_the_way {
                start.get_or_insert_with(|| Start { fd: Rc::clone(&root), reach: depth });
            }
            (pin.observation, pin.root) = (observation, Some(root));
        }
        let real = (*real != *asked).then(|| real.into_owned());
        Ok(Target { asked: asked.into_owned(), real, start })
    }

    /// As [`Judge::route`], with the automounts on the way mounted: a symlink behind an idle one could not be seen.
    fn trigger<'p>(
        &self,
        question: &mut Question<'_>,
        asked: &'p [u8],
        pins: &mut Vec<Pin>,
    ) -> Result<Walk<'p>, Refusal> {
        let first = pins.len();
        let mut triggered = Vec::new();
        loop {
            let walk = self.route(question, asked, Some(pins))?;
            let idle = pins[first..].iter().find(|pin| pin.observation.presence == Presence::Idle);
            let Some(pin) = idle.filter(|_| triggered.len() < WALKS) else { return Ok(walk) };
            // Held, so that it doesn't expire.
            triggered.push(self.root(question, &pin.known, &pin.observation)?);
            question.generation = self.detector.generation();
            pins.truncate(first);
        }
    }

    /// Opens a mount root, and makes sure that it is of the mount that was judged or of one that may stand in for it.
    fn root(
        &self,
        question: &Question<'_>,
        known: &Known,
        seen: &Rc<Observation>,
    ) -> Result<(Rc<OwnedFd>, Rc<Observation>), Refusal> {
        let refuse = |presence| question.refuse(Some(known), Cause::Presence(presence));
        let (root, observation) = self
            .detector
            .hold(&known.mountpoint, seen, known.identity())
            .map_err(|why| refuse(Presence::Unknown(why)))?;
        match &observation.presence {
            Presence::Mounted if question.since.is_some() && self.detector.is_lost(seen, &observation) => {
                Err(question.refuse(Some(known), Cause::Vanished))
            }
            Presence::Mounted => Ok((Rc::new(root), observation)),
            presence => Err(refuse(presence.clone())),
        }
    }

    /// Walks the path and judges every registered mountpoint that it passes, on the way of a symlink too.
    ///
    /// A walk without symlinks proves by the unique id of the mount it ends in that it passed what is judged. For any
    /// other the mount table must have stayed the same all the while: else a symlink could have been read in a bare
    /// directory, and the mountpoint be judged when it was mounted a moment later; or another mount have got the id of
    /// the one that was judged. Without `/proc` nobody can tell. Inside of a chroot, where ids are never unique ones, that
    /// makes one of two walks: to the root directory, and on from there.
    fn route<'p>(
        &self,
        question: &mut Question<'_>,
        asked: &'p [u8],
        mut crossed: Option<&mut Vec<Pin>>,
    ) -> Result<Walk<'p>, Refusal> {
        let first = crossed.as_ref().map_or(0, |pins| pins.len());
        let landmark = || self.landmark(asked);
        // What is created through a permit begins at the deepest directory that exists.
        let landmark = crossed.is_none().then_some(&landmark as &dyn Fn() -> Option<usize>);
        for _ in 0..WALKS {
            let walk = self.detector.walk(asked, landmark).map_err(|errno| {
                question.refuse(None, Cause::Path(Error::syscall("open", Path::new("/"), errno)))
            })?;
            for passed in &walk.detours {
                self.cross(question, passed, Evidence::Nothing, crossed.as_deref_mut())?;
            }
            let arrived = Evidence::Arrived(walk.looked.mount_id);
            self.cross(question, &walk.real, arrived, crossed.as_deref_mut())?;
            if walk.stop == Stop::Displaced {
                return Err(question.refuse(None, Cause::Displaced(self.detector.chroot())));
            }
            let proven = walk.detours.is_empty() && walk.looked.mount_id.is_some();
            if (proven && self.detector.has_unique_ids()) || !self.detector.notices_changes() {
                return Ok(walk);
            }
            let generation = self.detector.generation();
            if generation == question.generation {
                return Ok(walk);
            }
            question.generation = generation;
            crossed.iter_mut().for_each(|pins| pins.truncate(first));
        }
        let restless = "the mount table keeps changing while the path is walked".to_owned();
        Err(question.refuse(None, Cause::Presence(Presence::Unknown(restless))))
    }

    /// Judges the registered mountpoints at or above a path, shallow first. `evidence` is that of the deepest.
    fn cross(
        &self,
        question: &Question<'_>,
        path: &[u8],
        evidence: Evidence,
        mut crossed: Option<&mut Vec<Pin>>,
    ) -> Result<(), Refusal> {
        let around = self.index.around(path);
        let around = around.map_err(|error| question.refuse(None, Cause::Registry(error)))?;
        let Some(around) = around else { return Ok(()) };
        let above = match evidence {
            Evidence::Nothing => Evidence::Nothing,
            Evidence::Arrived(_) | Evidence::Deeper => Evidence::Deeper,
        };
        let mut judge = |known: Rc<Known>, evidence| {
            let observation = self.judge(question, &known, evidence)?;
            if let Some(pins) = &mut crossed {
                pins.push(Pin { known, observation, root: None });
            }
            Ok(())
        };
        let mut deepest = None;
        for known in self.hits(&around, path) {
            if let Some(shallower) = deepest.replace(known) {
                judge(shallower, above)?;
            }
        }
        deepest.map_or(Ok(()), |known| judge(known, evidence))
    }

    /// The length of the deepest registered mountpoint on a path as it is written: whatever of the rest exists, without
    /// symlinks it is judged by that one.
    fn landmark(&self, path: &[u8]) -> Option<usize> {
        self.hits(self.index.all()?, path).last().map(|known| known.mountpoint.len())
    }

    /// What is registered at or above a path and not to be ignored, shallow first.
    fn hits(&self, around: &Surroundings, path: &[u8]) -> impl Iterator<Item = Rc<Known>> {
        let ends = path::prefix_ends(path).enumerate();
        ends.filter_map(move |(before, end)| self.hit(around, before + 1, &path[..end]))
    }

    /// What is registered for exactly this path, unless it is to be ignored.
    fn hit(&self, around: &Surroundings, depth: usize, path: &[u8]) -> Option<Rc<Known>> {
        if !around.reach(depth) {
            return None;
        }
        let known = match self.remembered(path) {
            Some(known) => known,
            None => self.remember(path, Some(around.at(depth, path)?)),
        };
        let counts = known.registered.as_ref().is_some_and(|registered| registered.state != State::Ignore);
        counts.then_some(known)
    }

    fn judge(
        &self,
        question: &Question<'_>,
        known: &Known,
        evidence: Evidence,
    ) -> Result<Rc<Observation>, Refusal> {
        let refuse = |cause| Err(question.refuse(Some(known), cause));
        let state = known.registered.as_ref().map_or(State::Online, |registered| registered.state);
        if matches!(state, State::Offline | State::Failover) {
            return refuse(Cause::State(state));
        }
        let refuses_to_write =
            |seen: &Observation| question.operation.writes() && known.is_unduly_read_only(seen);
        let mut observation = self.observation(question, known, evidence);
        if refuses_to_write(&observation) {
            self.forget_table();
            observation = self.look(known);
        }
        if observation.presence == Presence::Mounted && question.is_interrupted(known) {
            return refuse(Cause::Vanished);
        }
        match known.presence(&observation) {
            Presence::Mounted | Presence::Idle => {}
            presence => return refuse(Cause::Presence(presence)),
        }
        if refuses_to_write(&observation) {
            return refuse(Cause::ReadOnly);
        }
        Ok(observation)
    }

    /// What was observed of a mountpoint, when the mount table has not changed since and the mount is still what its
    /// path leads to; what is observed now otherwise. Never remembered is that nothing is mounted, and what a symlink
    /// leads to: it can be replaced without a change of the table.
    fn observation(&self, question: &Question<'_>, known: &Known, evidence: Evidence) -> Rc<Observation> {
        let holds = |seen: &Rc<Observation>| {
            seen.generation == question.generation
                && seen.mount.is_some()
                && seen.real.is_none()
                && match evidence {
                    Evidence::Deeper => true,
                    Evidence::Arrived(arrived) => {
                        arrived == seen.mount || self.detector.leads_to(&known.mountpoint, seen)
                    }
                    Evidence::Nothing => self.detector.leads_to(&known.mountpoint, seen),
                }
        };
        known.observation().filter(holds).unwrap_or_else(|| self.look(known))
    }

    /// A path taken for a mountpoint, registered or not.
    fn known(&self, path: &[u8]) -> Result<Rc<Known>, Error> {
        if let Some(known) = self.remembered(path) {
            return Ok(known);
        }
        let depth = path::components(path).count();
        let registered = self.index.around(path)?.and_then(|around| around.at(depth, path));
        Ok(self.remember(path, registered))
    }

    fn remembered(&self, path: &[u8]) -> Option<Rc<Known>> {
        self.memory.borrow().get(path).cloned()
    }

    fn remember(&self, path: &[u8], registered: Option<Registered>) -> Rc<Known> {
        let known = Rc::new(Known::new(path, registered));
        self.memory.borrow_mut().add(&known);
        known
    }
}
