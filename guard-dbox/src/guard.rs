//! The guard: authorises work on a store, and runs it only when permitted.

use std::path::{Path, PathBuf};

use mount_core::{Mounts, Operation, Permit, Refusal};

use crate::layout::DboxLayout;
use crate::policy::{self, Change};

/// Guards one dbox store.
pub struct DboxGuard<'m> {
    mounts: &'m Mounts,
    layout: DboxLayout,
}

impl<'m> DboxGuard<'m> {
    /// A guard of the store by these mountpoints. Nothing is looked at yet.
    #[must_use]
    pub fn new(mounts: &'m Mounts, layout: DboxLayout) -> DboxGuard<'m> {
        DboxGuard { mounts, layout }
    }

    /// The store's directories.
    #[must_use]
    pub fn layout(&self) -> &DboxLayout {
        &self.layout
    }

    /// The paths that must be permitted for an operation: those of [`roles_for`](crate::roles_for).
    #[must_use]
    pub fn paths(&self, operation: Operation) -> Vec<PathBuf> {
        self.layout.paths(policy::roles_for(operation))
    }

    /// A permit for the operation, for the caller to hold until it is done and to verify then.
    ///
    /// # Errors
    /// The first refusal among [`DboxGuard::paths`].
    pub fn authorize(&self, operation: Operation) -> Result<Permit, Refusal> {
        let paths = self.paths(operation);
        self.mounts.authorize(operation, &borrowed(&paths))
    }

    /// Runs `work` with the mounts pinned, and answers with its result once they have been verified again.
    ///
    /// # Errors
    /// A refusal before it, and `work` doesn't run; or after it, when a mount went away meanwhile: what it did
    /// may be lost then, and must not be reported as done.
    pub fn guarded<T>(&self, operation: Operation, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        let paths = self.paths(operation);
        self.mounts.guarded(operation, &borrowed(&paths), work)
    }

    /// A permit for a change that needs less than all that [`Operation::Delete`] stands for.
    ///
    /// # Errors
    /// The first refusal among the paths of [`roles_for_change`](crate::roles_for_change).
    pub fn authorize_change(&self, change: Change) -> Result<Permit, Refusal> {
        let paths = self.layout.paths(policy::roles_for_change(self.layout.format(), change));
        self.mounts.authorize(Operation::Delete, &borrowed(&paths))
    }

    /// Rebuilds indexes from what is found.
    ///
    /// # Errors
    /// As [`DboxGuard::guarded`].
    pub fn rebuild<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Rebuild, work)
    }

    /// Creates a mailbox, or what is missing of the store.
    ///
    /// # Errors
    /// As [`DboxGuard::guarded`].
    pub fn create<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Create, work)
    }

    /// Delivers new mail.
    ///
    /// # Errors
    /// As [`DboxGuard::guarded`].
    pub fn deliver<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Deliver, work)
    }

    /// Reads mails that lie in alternate storage.
    ///
    /// # Errors
    /// As [`DboxGuard::guarded`].
    pub fn read_alt<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::ReadAlt, work)
    }

    /// Deletes a mailbox, purges, or moves mails to or from alternate storage.
    ///
    /// # Errors
    /// As [`DboxGuard::guarded`].
    pub fn delete<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Delete, work)
    }

    /// Replicates, in either direction.
    ///
    /// # Errors
    /// As [`DboxGuard::guarded`].
    pub fn sync<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Sync, work)
    }
}

fn borrowed(paths: &[PathBuf]) -> Vec<&Path> {
    paths.iter().map(PathBuf::as_path).collect()
}
