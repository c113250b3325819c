//! The guard: authorises work on a store, and runs it only when permitted.

use std::path::{Path, PathBuf};

use mount_core::{Error, Mounts, Operation, Permit, Refusal};

use crate::layout::{MboxLayout, is_inbox};
use crate::policy::{Scope, roles_for};

/// Guards one mbox store, or a mailbox of it.
pub struct MboxGuard<'m> {
    mounts: &'m Mounts,
    layout: MboxLayout,
    scope: Scope,
    /// The mailbox's own file, where the scope is one mailbox.
    mailbox: Option<PathBuf>,
}

impl<'m> MboxGuard<'m> {
    /// A guard of the whole store by these mountpoints. Nothing is looked at yet.
    #[must_use]
    pub fn new(mounts: &'m Mounts, layout: MboxLayout) -> MboxGuard<'m> {
        MboxGuard { mounts, layout, scope: Scope::Store, mailbox: None }
    }

    /// A guard for work on one mailbox, by its name as [`MboxLayout::mailbox`] takes it.
    ///
    /// An INBOX in a spool directory goes on without the mail root, and the other folders without the INBOX.
    ///
    /// # Errors
    /// As [`MboxLayout::mailbox`].
    pub fn mailbox(&self, name: impl AsRef<[u8]>) -> Result<MboxGuard<'m>, Error> {
        let name = name.as_ref();
        let scope = if is_inbox(name) { Scope::Inbox } else { Scope::Folder };
        let mailbox = Some(self.layout.mailbox(name)?);
        Ok(MboxGuard { mounts: self.mounts, layout: self.layout.clone(), scope, mailbox })
    }

    /// The store's files and directories.
    #[must_use]
    pub fn layout(&self) -> &MboxLayout {
        &self.layout
    }

    /// The paths that must be permitted for an operation: those of [`roles_for`], and the mailbox's own.
    #[must_use]
    pub fn paths(&self, operation: Operation) -> Vec<PathBuf> {
        let roles = roles_for(self.scope, operation);
        let mut paths: Vec<PathBuf> =
            self.layout.roots().paths(roles).into_iter().map(Path::to_path_buf).collect();
        paths.extend(self.mailbox.clone());
        if operation == Operation::Create { with_parents(paths) } else { paths }
    }

    /// A permit for the operation, for the caller to hold until it is done and to verify then.
    ///
    /// # Errors
    /// The first refusal among [`MboxGuard::paths`].
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

    /// Rebuilds indexes from what is found.
    ///
    /// # Errors
    /// As [`MboxGuard::guarded`].
    pub fn rebuild<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Rebuild, work)
    }

    /// Creates a mailbox, or what is missing of the store.
    ///
    /// # Errors
    /// As [`MboxGuard::guarded`].
    pub fn create<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Create, work)
    }

    /// Delivers new mail.
    ///
    /// # Errors
    /// As [`MboxGuard::guarded`].
    pub fn deliver<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Deliver, work)
    }

    /// Deletes or renames a mailbox, or expunges mails.
    ///
    /// # Errors
    /// As [`MboxGuard::guarded`].
    pub fn delete<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Delete, work)
    }

    /// Replicates, in either direction.
    ///
    /// # Errors
    /// As [`MboxGuard::guarded`].
    pub fn sync<T>(&self, work: impl FnOnce(&Permit) -> T) -> Result<T, Refusal> {
        self.guarded(Operation::Sync, work)
    }
}

fn borrowed(paths: &[PathBuf]) -> Vec<&Path> {
    paths.iter().map(PathBuf::as_path).collect()
}

/// The paths, and the directories that they lie in: where they are missing, that is where they are created.
fn with_parents(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let parents: Vec<PathBuf> =
        paths.iter().filter_map(|path| path.parent()).map(Path::to_path_buf).collect();
    paths.extend(parents);
    paths.sort();
    paths.dedup();
    paths
}
