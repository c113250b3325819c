//! Registered mountpoints judged against what is mounted: the entry point of this crate.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use crate::chroot::Outside;
use crate::detect::{Detector, Method};
use crate::epoch::Epoch;
use crate::error::{Error, ErrorKind};
use crate::judge::{Examination, Judge, Resolved};
use crate::lookup::Index;
use crate::operation::Operation;
use crate::permit::Permit;
use crate::presence::Presence;
use crate::refusal::Refusal;
use crate::registry::{Directories, Source, Stamp, Store};
use crate::root::Root;
use crate::table::{MountTable, OpenTable};

/// What it means that there is no registry file at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenMissing {
    /// Nobody has registered anything yet: everything is permitted.
    NothingRegistered,
    /// There was one, and it is lost: everything is refused.
    Refuse,
}

/// The registered mountpoints and what is known of them: judges paths and gives permits.
///
/// Belongs to one thread: open one in each. A process that forks may go on using it after the next
/// [`Mounts::refresh`].
pub struct Mounts {
    store: Store,
    missing: WhenMissing,
    stamp: Cell<Option<Stamp>>,
    /// How often the registry was read.
    readings: Cell<u64>,
    judge: RefCell<Judge>,
}

impl Mounts {
    /// The mountpoints registered in `directories`, judged in this process's mount namespace.
    ///
    /// Of a long registry only the beginning is read until somebody asks. Should the rest turn out to be damaged, every
    /// path is refused for that, see [`Cause::Registry`](crate::Cause::Registry).
    ///
    /// # Errors
    /// [`ErrorKind::DamagedRegistry`], [`ErrorKind::Io`], [`ErrorKind::Permission`] when the registry cannot be
    /// read; [`ErrorKind::DamagedRegistry`] when there is none and that means [`WhenMissing::Refuse`]. A guard
    /// that gets one refuses: see [`Refusal::registry`].
    pub fn open(directories: &Directories, missing: WhenMissing) -> Result<Self, Error> {
        Self::with_detector(directories, missing, Detector::live(None))
    }

    /// The same with a chosen method of detection, for comparing them.
    ///
    /// # Errors
    /// As [`Mounts::open`].
    pub fn open_with_method(
        directories: &Directories,
        missing: WhenMissing,
        method: Method,
    ) -> Result<Self, Error> {
        Self::with_detector(directories, missing, Detector::live(Some(method)))
    }

    /// The mountpoints registered in `directories`, judged by a recorded mount table. It gives verdicts, but no
    /// permits: there is nothing to hold open.
    ///
    /// # Errors
    /// As [`Mounts::open`].
    pub fn open_recorded(
        directories: &Directories,
        missing: WhenMissing,
        table: MountTable,
    ) -> Result<Self, Error> {
        Self::with_detector(directories, missing, Detector::recorded(table))
    }

    /// The mountpoints registered in `directories`, for a process that has changed its root directory to `chroot`.
    ///
    /// Directories, mountpoints and `chroot` are named as outside; the paths it is asked about as inside. While the
    /// root directory of the process is not what `chroot` leads to outside, every path is refused once anything is
    /// registered, see [`Cause::Displaced`](crate::Cause::Displaced). Needs Linux 5.8.
    ///
    /// # Errors
    /// As [`Mounts::open`]; also [`ErrorKind::Io`] on an older kernel, [`ErrorKind::Data`] when `chroot` is relative.
    pub fn open_in_chroot(
        directories: &Directories,
        missing: WhenMissing,
        outside: &Outside,
        chroot: &Path,
    ) -> Result<Self, Error> {
        let store = Store::new(directories.clone()).beginning_at(outside.root());
        Self::with_store(store, missing, Detector::in_chroot(outside, chroot)?)
    }

    /// The mountpoints registered in `directories` as they are now, judged in the mount namespace and with the root
    /// directory of another process: this one enters them before the first question, and `table` is that process's.
    ///
    /// # Errors
    /// As [`Mounts::open`].
    pub fn open_elsewhere(
        directories: &Directories,
        missing: WhenMissing,
        table: &OpenTable,
    ) -> Result<Self, Error> {
        Self::with_detector(directories, missing, Detector::elsewhere(table))
    }

    fn with_detector(
        directories: &Directories,
        missing: WhenMissing,
        detector: Detector,
    ) -> Result<Self, Error> {
        Self::with_store(Store::new(directories.clone()), missing, detector)
    }

    fn with_store(store: Store, missing: WhenMissing, detector: Detector) -> Result<Self, Error> {
        let judge = RefCell::new(Judge::new(detector));
        let mounts = Mounts { store, missing, stamp: Cell::new(None), readings: Cell::new(0), judge };
        mounts.refresh()?;
        Ok(mounts)
    }

    /// Takes note of changes of the registry; one `statx` when there are none. For once a command, before its
    /// first verdict.
    ///
    /// # Errors
    /// As [`Mounts::open`]. The mountpoints known before stay in force, but whoever gets an error refuses.
    pub fn refresh(&self) -> Result<(), Error> {
        self.judge.borrow().after_fork();
        let stamp = self.store.stamp()?;
        if self.stamp.get() == Some(stamp) {
            return Ok(());
        }
        let source = self.store.open_effective()?;
        if source.is_none() && self.missing == WhenMissing::Refuse {
            return Err(lost(self.store.directories()));
        }
        let stamp = source.as_ref().map_or(stamp, Source::stamp);
        let index = Index::new(source)?;
        self.stamp.set(Some(stamp));
        self.judge.borrow_mut().replace(index);
        self.readings.set(self.readings.get() + 1);
        Ok(())
    }

    /// The state that the registry, as of the last [`Mounts::refresh`], and the mount table are in: one `poll`, none
    /// where nothing is registered.
    ///
    /// In an equal epoch whatever was permitted is still mounted, so that a caller may spare asking again. What it
    /// cannot tell is where a path leads: neither a directory above a mountpoint that was renamed nor a symlink that
    /// was replaced changes the mount table.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch::new(self.readings.get(), self.judge.borrow().generation())
    }

    /// Whether nothing is registered, so that everything is permitted without a look.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.judge.borrow().is_empty()
    }

    /// Where the run directory of the registry is.
    pub(crate) fn run_dir(&self) -> (&Root, &Path) {
        (self.store.root(), &self.store.directories().run)
    }

    /// The name outside of a path, when it is asked about from inside of a chroot; the path as it is otherwise.
    #[must_use]
    pub fn outer_path(&self, path: &Path) -> PathBuf {
        self.judge.borrow().outer_path(path)
    }

    /// What is observed of a path taken for a mountpoint, registered or not. Never waits for a filesystem.
    ///
    /// A registered one that a prober found stuck is [`Presence::Stuck`]; one whose identity is required and
    /// differs is [`Presence::WrongFilesystem`].
    #[must_use]
    pub fn presence(&self, mountpoint: &Path) -> Presence {
        self.judge.borrow().presence(mountpoint)
    }

    /// What is observed of a path taken for a mountpoint, together with the filesystem found there; looked at anew.
    ///
    /// Before Linux 6.13 the mount table describes the filesystem, as it was when it last changed: that one has become
    /// read-only since by an error, or by a remount in another mount namespace, is not seen.
    #[must_use]
    pub fn examine(&self, mountpoint: &Path) -> Examination {
        self.judge.borrow().examine(mountpoint)
    }

    /// Has [`Mounts::examine`] read the mount table again, though it hasn't changed.
    pub(crate) fn forget_table(&self) {
        self.judge.borrow().forget_table();
    }

    /// Where a path leads once its symlinks are resolved, and whether there is something. Never waits for a
    /// filesystem.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] for a path that is relative, empty, too long or leads in circles;
    /// [`ErrorKind::Permission`] and [`ErrorKind::Io`] when it cannot be walked;
    /// [`ErrorKind::Temporary`] when a filesystem on the way would have to be asked that may not answer.
    pub fn resolve(&self, path: &Path) -> Result<Resolved, Error> {
        self.judge.borrow().resolve(path)
    }

    /// Whether an operation on a path is permitted now. Never waits for a filesystem.
    ///
    /// Between this answer and the use of it the filesystem can go: where something is created or destroyed on
    /// the strength of it, use [`Mounts::authorize`].
    ///
    /// # Errors
    /// The [`Refusal`], which is also what a path that cannot be judged gets.
    pub fn verdict(&self, operation: Operation, path: &Path) -> Result<(), Refusal> {
        self.verdict_since(self.epoch(), operation, path)
    }

    /// The same for a caller that has asked for the [`Mounts::epoch`] a moment ago, at the price of one `poll` less.
    /// The path is walked anew all the same.
    ///
    /// # Errors
    /// As [`Mounts::verdict`].
    pub fn verdict_since(&self, epoch: Epoch, operation: Operation, path: &Path) -> Result<(), Refusal> {
        self.judge.borrow().verdict(operation, path, epoch)
    }

    /// Permission for an operation on all of these paths, with the mounts they rely on held open.
    ///
    /// An idle automount is triggered, as the work itself would trigger it. That, and a mountpoint that lies
    /// within a network filesystem, may take as long as the work itself would; nothing else waits.
    ///
    /// # Errors
    /// The first [`Refusal`].
    pub fn authorize(&self, operation: Operation, paths: &[&Path]) -> Result<Permit, Refusal> {
        self.judge.borrow().authorize(operation, paths, self.epoch(), None)
    }

    /// The same for a caller that has asked for the epoch, as [`Mounts::verdict_since`], and who may have opened
    /// something in between on the strength of a verdict given in that epoch. What was unmounted since and is mounted
    /// again is refused: that something may lie underneath. Before Linux 6.8 mount ids come again, so that there any
    /// change of the mount table since that verdict counts as one.
    ///
    /// # Errors
    /// The first [`Refusal`].
    pub fn authorize_since(
        &self,
        epoch: Epoch,
        operation: Operation,
        paths: &[&Path],
    ) -> Result<Permit, Refusal> {
        self.judge.borrow().authorize(operation, paths, epoch, Some(epoch))
    }

    /// Does the work when the operation is permitted on all paths, and answers with its result only after the
    /// mounts were seen to be the same ones afterwards. May wait as [`Mounts::authorize`] and [`Permit::verify`].
    ///
    /// # Errors
    /// The [`Refusal`]: the work was not begun, or, when the cause is
    /// [`Cause::Vanished`](crate::Cause::Vanished), it was done on a filesystem that went away meanwhile.
    pub fn guarded<T>(
        &self,
        operation: Operation,
        paths: &[&Path],
        work: impl FnOnce(&Permit) -> T,
    ) -> Result<T, Refusal> {
        let permit = self.authorize(operation, paths)?;
        let result = work(&permit);
        permit.verify()?;
        Ok(result)
    }
}

fn lost(directories: &Directories) -> Error {
    let text = format!(
        "there is no registry {:?}, and one is required: mount what it lies on, restore it, or begin one with: \
         mountguard add MOUNTPOINT",
        directories.persistent()
    );
    Error::new(ErrorKind::DamagedRegistry, text)
}
