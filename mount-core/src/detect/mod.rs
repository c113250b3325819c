//! Is it mounted? One procedure with fall-backs for kernels that lack the calls it wants.
//!
//! | method | asks | Linux | wrong about |
//! |---|---|---|---|
//! | [`Method::UniqueId`] | `statx` mount root and unique id, `statmount` | 6.8 | nothing known |
//! | [`Method::MountId`] | `statx` mount id, looked up in mountinfo | 5.8 | nothing known |
//! | [`Method::ParentChain`] | mountinfo alone, by parent ids | 2.6.26 | nothing known; costs a parse after each change |
//! | [`Method::MountRoot`] | `statx` mount-root attribute alone | 5.8 | idle automounts: mounted; identity: unknown |
//! | [`Method::Device`] | device number against the parent's | any Unix | bind mounts of the same filesystem: unmounted; btrfs subvolumes and idle automounts: mounted |
//!
//! A path that cannot be walked (no permission, a server that doesn't answer, a filesystem that was shut down)
//! says nothing about its mounts, so there the mount table decides, with every method that has one.

mod change;
mod inside;
mod method;

use std::cell::RefCell;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::str::FromStr;

use nix::errno::Errno;

use crate::error::{Error, ErrorKind};
use crate::filesystem::{Filesystem, Identity};
use crate::kernel::Kernel;
use crate::operation::named_enum;
use crate::presence::Presence;
use crate::root::Root;
use crate::sys::{self, IdKind};
use crate::table::{MountTable, OpenTable};
use crate::walk::{Landmark, Stop, Walk, Walker};
use change::Changes;
use inside::Inside;
use method::{by_table, mount_id_of};

named_enum! {
    /// How presence is found out. The best one the kernel offers is taken unless another is asked for.
    Method, "method", {
        /// `statx` with unique mount ids, and `statmount`.
        UniqueId = "unique-id",
        /// `statx` with reused mount ids, and the mount table.
        MountId = "mount-id",
        /// The mount table alone.
        ParentChain = "parent-chain",
        /// The mount-root attribute of `statx` alone.
        MountRoot = "mount-root",
        /// The portable rule: the device number differs from the parent's.
        Device = "device",
    }
}

impl Method {
    fn best(kernel: Kernel) -> Method {
        let table_is_readable = || std::fs::File::open("/proc/self/mountinfo").is_ok();
        match kernel.id {
            IdKind::Unique if kernel.statmount => Method::UniqueId,
            IdKind::Unique | IdKind::Reused if table_is_readable() => Method::MountId,
            _ if table_is_readable() => Method::ParentChain,
            _ if kernel.mount_root => Method::MountRoot,
            _ => Method::Device,
        }
    }
}

/// What was found out about one path, and as of which state of the mount table.
#[derive(Debug, Clone)]
pub(crate) struct Observation {
    pub presence: Presence,
    /// The mount whose root the path is, by the id that [`Walker`] reports; `None` when no id is known.
    pub mount: Option<u64>,
    pub filesystem: Option<Filesystem>,
    /// Where symlinks lead the path; `None` for right there.
    pub real: Option<Rc<[u8]>>,
    /// Whether the walk to it passes local filesystems only, so that it cannot block.
    pub reached_locally: bool,
    /// Counts changes of the mount table: an observation of another generation has to be made again.
    pub generation: u64,
}

impl Observation {
    fn new(presence: Presence) -> Self {
        let (mount, filesystem, real) = (None, None, None);
        Observation { presence, mount, filesystem, real, reached_locally: false, generation: 0 }
    }

    fn unknown(reason: impl Into<String>) -> Self {
        Self::new(Presence::Unknown(reason.into()))
    }

    fn absent() -> Self {
        Self::new(Presence::NotMounted)
    }

    fn of(filesystem: Filesystem, mount: Option<u64>) -> Self {
        let presence = if filesystem.is_automount() { Presence::Idle } else { Presence::Mounted };
        Observation { mount, filesystem: Some(filesystem), ..Self::new(presence) }
    }

    /// The mountpoint that was observed by this name.
    pub(crate) fn mountpoint<'a>(&'a self, name: &'a [u8]) -> &'a [u8] {
        self.real.as_deref().unwrap_or(name)
    }

    /// Another filesystem than the recorded one is as good as none.
    fn judge_identity(&mut self, identity: Option<&Identity>) {
        let Some(identity) = identity.filter(|_| self.presence == Presence::Mounted) else {
            return;
        };
        self.presence = match &self.filesystem {
            Some(found) => identity.difference(found).map_or(Presence::Mounted, Presence::WrongFilesystem),
            None => Presence::Unknown("this method cannot tell which filesystem is mounted".to_owned()),
        };
    }
}

/// Finds out whether paths are mounted.
pub(crate) struct Detector {
    /// Walks from the root directory of this process.
    walker: Walker,
    /// That this process has changed its root, and mountpoints are named as outside.
    inside: Option<Inside>,
    method: Method,
    eyes: Eyes,
}

/// What is looked at.
enum Eyes {
    /// The mount namespace of this process, as it changes, by its own mount table or by one that was opened before.
    Live { changes: Changes, open: Option<OpenTable>, table: RefCell<Option<(u64, Table)>> },
    /// A recorded mount table: no path is walked.
    Recorded(Rc<MountTable>),
}

/// A reading of the table, or why there is none.
type Table = Result<Rc<MountTable>, Rc<Error>>;

impl Detector {
    /// Looks at the mount namespace of this process, with the best method of its kernel or a chosen one.
    pub(crate) fn live(method: Option<Method>) -> Self {
        Self::with_table(method, Changes::new(Root::Own), None)
    }

    /// Looks at the mount namespace that this process will have entered by then, together with the root directory, which
    /// the table is of.
    pub(crate) fn elsewhere(table: &OpenTable) -> Self {
        Self::with_table(None, Changes::of(table), Some(table.clone()))
    }

    fn with_table(method: Option<Method>, changes: Changes, open: Option<OpenTable>) -> Self {
        let mut kernel = Kernel::probe();
        let method = method.unwrap_or_else(|| Method::best(kernel));
        // The mount ids that walks report must be the ones this method knows.
        kernel.id = match method {
            Method::UniqueId => kernel.id,
            Method::MountId if kernel.id != IdKind::None => IdKind::Reused,
            _ => IdKind::None,
        };
        kernel.statmount &= kernel.id == IdKind::Unique;
        let eyes = Eyes::Live { changes, open, table: RefCell::default() };
        Detector { walker: Walker::new(kernel, Root::Own), inside: None, method, eyes }
    }

    /// Looks at a recorded mount table.
    pub(crate) fn recorded(table: MountTable) -> Self {
        let kernel = Kernel { id: IdKind::None, mount_root: false, statmount: false, openat2: false };
        let eyes = Eyes::Recorded(Rc::new(table));
        Detector { walker: Walker::new(kernel, Root::Own), inside: None, method: Method::ParentChain, eyes }
    }

    /// How often the mount table has changed since this was made; asks the kernel (one `poll`).
    pub(crate) fn generation(&self) -> u64 {
        match &self.eyes {
            Eyes::Live { changes, .. } => changes.count(),
            Eyes::Recorded(_) => 0,
        }
    }

    /// Whether [`Detector::generation`] tells an unchanged mount table from a changed one.
    pub(crate) fn notices_changes(&self) -> bool {
        match &self.eyes {
            Eyes::Live { changes, .. } => changes.are_noticed(),
            Eyes::Recorded(_) => true,
        }
    }

    /// A forked child shares the parent's open mount table, and with it the notice of each change.
    pub(crate) fn after_fork(&self) {
        if let Eyes::Live { changes, .. } = &self.eyes {
            changes.after_fork();
        }
    }

    /// Whether a mount id says, in a mount table that has changed, that the mount is the same.
    pub(crate) fn has_unique_ids(&self) -> bool {
        self.walker.kernel.id == IdKind::Unique
    }

    /// Whether a mount that was observed is not what a later observation found. Without unique ids any change of the mount
    /// table may have been one of it: before Linux 6.8 a filesystem that is unmounted and mounted again gets the mount
    /// id that it had.
    pub(crate) fn is_lost(&self, before: &Observation, now: &Observation) -> bool {
        let is_other = match (before.mount, now.mount) {
            (Some(before), Some(now)) if self.has_unique_ids() => before != now,
            _ => self.notices_changes() && before.generation != now.generation,
        };
        before.presence == Presence::Mounted && (now.presence != Presence::Mounted || is_other)
    }

    /// Walks a path that is named as mountpoints are; on a recorded table there is nothing to walk.
    fn walk_outside<'p>(&self, path: &'p [u8], landmark: Landmark<'_>) -> Result<Walk<'p>, Errno> {
        match &self.eyes {
            Eyes::Live { .. } => self.outer().walk(path, landmark, &|| self.table().ok()),
            // Without a table no filesystem counts as local, and none is asked: the path is taken as written.
            Eyes::Recorded(_) => self.walker.walk(path, landmark, &|| None),
        }
    }

    /// Confirms an earlier observation of a mount at the price of one or two calls. `false` says nothing.
    ///
    /// Below a filesystem that might not answer, the path is not walked: there the mount must still exist, in a
    /// mount table that has not changed; which is enough where the table alone could tell.
    pub(crate) fn still(&self, path: &[u8], seen: &Observation) -> bool {
        let unchanged = || self.generation() == seen.generation;
        match (self.method, seen.mount) {
            // A symlink can be replaced without a change of the table.
            _ if seen.real.is_some() => false,
            (Method::UniqueId, Some(_)) if seen.reached_locally => self.leads_to(path, seen),
            (Method::UniqueId, Some(mount)) => unchanged() && sys::mount_exists(mount),
            // The table said so, as the path could not be walked, and says the same as long as it doesn't change.
            (Method::UniqueId, None) => {
                seen.presence == Presence::Mounted && self.notices_changes() && unchanged()
            }
            // Ids come again, but not as long as the table is the same.
            (Method::MountId, Some(_)) => unchanged() && self.leads_to(path, seen),
            _ => false,
        }
    }

    /// Whether a path still leads to the mount that was observed there, as far as that can be found out by walking
    /// local filesystems. In a mount table that has changed, only a unique id says so.
    pub(crate) fn leads_to(&self, path: &[u8], seen: &Observation) -> bool {
        seen.reached_locally && seen.mount.is_some_and(|mount| self.is_root_of(path, mount))
    }

    fn is_root_of(&self, path: &[u8], mount: u64) -> bool {
        let (at, way) = self.outer().root.at(path);
        match sys::look(at, way, self.walker.kernel.id) {
            Ok(looked) => looked.mount_id == Some(mount) && looked.mount_root == Some(true),
            // Who is locked into a chroot need not be able to get there by himself.
            Err(Errno::EACCES) if self.is_inside() => self.by_table(path).mount == Some(mount),
            Err(_) => false,
        }
    }

    /// Opens a mount root, triggering it if it is an idle automount, and observes what was opened.
    ///
    /// # Errors
    /// Why it could not be opened.
    pub(crate) fn hold(
        &self,
        name: &[u8],
        seen: &Rc<Observation>,
        identity: Option<&Identity>,
    ) -> Result<(OwnedFd, Rc<Observation>), String> {
        if matches!(self.eyes, Eyes::Recorded(_)) {
            return Err("a recorded mount table has nothing that could be held open".to_owned());
        }
        let idle = seen.presence == Presence::Idle;
        let mountpoint = seen.mountpoint(name);
        let fd =
            self.open_root(mountpoint, idle).map_err(|errno| format!("open mount root: {}", errno.desc()))?;
        let looked =
            sys::look_fd(fd.as_fd(), self.walker.kernel.id).map_err(|errno| errno.desc().to_owned())?;
        let is_same = looked.mount_id.is_some() && looked.mount_id == seen.mount && self.has_unique_ids();
        if is_same && looked.mount_root == Some(true) && !idle {
            return Ok((fd, Rc::clone(seen)));
        }
        let generation = self.generation();
        let walk = Walk::ended_at(mountpoint, fd, looked);
        let mut observation = Observation { real: seen.real.clone(), generation, ..self.found(&walk) };
        observation.judge_identity(identity);
        Ok((walk.fd, Rc::new(observation)))
    }

    fn open_root(&self, mountpoint: &[u8], trigger: bool) -> Result<OwnedFd, Errno> {
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        let (at, way) = self.outer().root.at(mountpoint);
        if !self.walker.kernel.openat2 {
            return sys::openat(at, way, flags | libc::O_NOFOLLOW);
        }
        let plain = libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;
        if !trigger {
            match sys::openat2(at, way, flags, 0, plain | libc::RESOLVE_CACHED) {
                Err(Errno::EAGAIN) => {}
                other => return other,
            }
        }
        sys::openat2(at, way, flags, 0, plain)
    }

    /// Whether a mount that is held is still what its path leads to. `root` is needed where ids are not told.
    ///
    /// As long as it is held its mount id cannot come again, so that even a reused id is proof.
    pub(crate) fn confirms(&self, name: &[u8], root: Option<&OwnedFd>, seen: &Observation) -> bool {
        let mountpoint = seen.mountpoint(name);
        if let Some(mount) = seen.mount.filter(|_| self.walker.kernel.id != IdKind::None) {
            return self.is_root_of(mountpoint, mount);
        }
        let (Some(root), Ok(walk)) = (root, self.walk_outside(mountpoint, None)) else { return false };
        let held = sys::look_fd(root.as_fd(), IdKind::None);
        walk.stop == Stop::Found
            && mount_id_of(root) == mount_id_of(&walk.fd)
            && held.is_ok_and(|held| (held.device, held.ino) == (walk.looked.device, walk.looked.ino))
            && self.found(&walk).presence == Presence::Mounted
    }

    /// Finds out about one path, from scratch.
    pub(crate) fn observe(&self, path: &[u8], identity: Option<&Identity>) -> Observation {
        let generation = self.generation();
        let mut observation = match &self.eyes {
            Eyes::Recorded(table) => by_table(path, table),
            Eyes::Live { .. } => self.observe_live(path),
        };
        observation.generation = generation;
        observation.judge_identity(identity);
        tracing::debug!(
            path = %String::from_utf8_lossy(path),
            presence = %observation.presence,
            method = %self.method,
            "observed"
        );
        observation
    }

    fn observe_live(&self, path: &[u8]) -> Observation {
        let walk = match self.walk_outside(path, None) {
            Ok(walk) => walk,
            Err(errno) => return Observation::unknown(format!("open \"/\": {}", errno.desc())),
        };
        let observation = match walk.stop {
            Stop::Missing => Observation::absent(),
            Stop::Unanswered | Stop::Failed(_) | Stop::Displaced => self.unwalkable(&walk),
            Stop::Found => self.found(&walk),
        };
        let real = (*walk.real != *path).then(|| Rc::from(&*walk.real));
        Observation { real, ..observation }
    }

    /// The mount table as of now: read again after each change of it, not before.
    pub(crate) fn table(&self) -> Table {
        let (changes, open, kept) = match &self.eyes {
            Eyes::Recorded(table) => return Ok(Rc::clone(table)),
            Eyes::Live { changes, open, table } => (changes, open, table),
        };
        let generation = changes.count();
        if let Some((_, table)) = kept.borrow().as_ref().filter(|(of, _)| *of == generation) {
            return table.clone();
        }
        let table = open.as_ref().map_or_else(MountTable::of_self, OpenTable::read);
        let table = table.map(Rc::new).map_err(Rc::new);
        *kept.borrow_mut() = Some((generation, table.clone()));
        table
    }

    /// Has the table read again by who asks for it next, for what changes in it without notice.
    pub(crate) fn forget_table(&self) {
        if let Eyes::Live { table, .. } = &self.eyes {
            *table.borrow_mut() = None;
        }
    }
}
