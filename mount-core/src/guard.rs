//! Guards of whole mail stores: what is common to all storage formats.

use std::path::{Path, PathBuf};

use crate::mounts::Mounts;
use crate::operation::Operation;
use crate::permit::Permit;
use crate::refusal::Refusal;

/// Where a mail store of some format lies, as far as a [`StoreGuard`] must know.
pub trait Layout {
    /// Every path that must be permitted for the operation.
    fn paths_for(&self, operation: Operation) -> Vec<PathBuf>;
}

/// Guards one mail store: authorises work on it, and runs it only when permitted.
///
/// Which directories an operation needs is the [`Layout`]'s; the crates `guard-dbox`, `guard-maildir` and
/// `guard-mbox` have one for each storage format.
///
/// ```
/// use mount_core::{Attributes, Directories, Layout, Mounts, Operation, StoreGuard, WhenMissing};
/// use std::path::PathBuf;
///
/// struct Spool(PathBuf);
///
/// impl Layout for Spool {
///     fn paths_for(&self, _operation: Operation) -> Vec<PathBuf> {
///         vec![self.0.clone()]
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let srv = directory.path().canonicalize()?;
/// # let directories = Directories { state: srv.join("lib"), run: srv.join("run") };
/// // let directories = Directories::from_env();
/// let mounts = Mounts::open(&directories, WhenMissing::NothingRegistered)?;
/// let guard = StoreGuard::new(&mounts, Spool(srv.join("spool")));
///
/// // `?` for the refusal, in which case the closure never ran; `?` for what the work itself says.
/// guard.create(|permit| permit.create_dir_all(&guard.layout().0, &Attributes::mode(0o700)))??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StoreGuard<'m, L> {
    mounts: &'m Mounts,
    layout: L,
}

impl<'m, L: Layout> StoreGuard<'m, L> {
    /// A guard of the store by these mountpoints. Nothing is looked at yet.
    #[must_use]
    pub fn new(mounts: &'m Mounts, layout: L) -> Self {
        StoreGuard { mounts, layout }
    }

    /// Where the store lies.
    #[must_use]
    pub fn layout(&self) -> &L {
        &self.layout
    }

    /// A permit for the operation, for the caller to hold until it is done and to verify then.
    ///
    /// # Errors
    /// The first refusal among [`Layout::paths_for`] the operation.
    pub fn authorize(&self, operation: Operation) -> Result<Permit, Refusal> {
        self.authorize_paths(operation, &self.layout.paths_for(operation))
    }

    /// A permit for the operation on these paths instead of all that the layout has for it, where the caller
    /// knows more of what is to be done than the operation says.
    ///
    /// # Errors
    /// The first refusal.
    pub fn authorize_paths(&self, operation: Operation, paths: &[PathBuf]) -> Result<Permit, Refusal> {
        self.mounts.authorize(operation, &borrowed(paths))
    }

    /// Runs `work` with the mounts pinned, and answers with its result once they have been verified again.
    ///
    /// # Errors
    /// A refusal before it, and `work` doesn't run; or after it, when a mount went away meanwhile: what it did
    /// may be lost then, and must not be reported as done.
    pub fn guarded<T>(&self, operation: Operation, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.mounts.guarded(operation, &borrowed(&self.layout.paths_for(operation)), work)
    }

    /// Rebuilds indexes from what is found.
    ///
    /// # Errors
    /// As [`StoreGuard::guarded`].
    pub fn rebuild<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Rebuild, work)
    }

    /// Creates a mailbox, or what is missing of the store.
    ///
    /// # Errors
    /// As [`StoreGuard::guarded`].
    pub fn create<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Create, work)
    }

    /// Delivers new mail.
    ///
    /// # Errors
    /// As [`StoreGuard::guarded`].
    pub fn deliver<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Deliver, work)
    }

    /// Reads mails that lie in alternate storage; where the format has none, mails as any other.
    ///
    /// # Errors
    /// As [`StoreGuard::guarded`].
    pub fn read_alt<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::ReadAlt, work)
    }

    /// Deletes or renames a mailbox, expunges or purges mails, or moves them to or from alternate storage.
    ///
    /// # Errors
    /// As [`StoreGuard::guarded`].
    pub fn delete<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Delete, work)
    }

    /// Replicates, in either direction.
    ///
    /// # Errors
    /// As [`StoreGuard::guarded`].
    pub fn sync<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Sync, work)
    }
}

/// The paths, and the directories that they lie in: what a permit must speak of where the store's own directories
/// may have to be created in others.
#[must_use]
pub fn with_parents(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let parents: Vec<PathBuf> =
        paths.iter().filter_map(|path| path.parent()).map(Path::to_path_buf).collect();
    paths.extend(parents);
    paths.sort();
    paths.dedup();
    paths
}

fn borrowed(paths: &[PathBuf]) -> Vec<&Path> {
    paths.iter().map(PathBuf::as_path).collect()
}
