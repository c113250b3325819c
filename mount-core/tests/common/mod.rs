//! A registry in a laboratory, in a line.

use std::path::{Path, PathBuf};

use fixtures::lab::Lab;
use mount_core::registry::{Entry, Pattern, Store};
use mount_core::{Directories, Mounts, State, WhenMissing};

/// A registry of a laboratory's own.
pub(crate) struct Registry {
    directories: Directories,
}

impl Registry {
    pub(crate) fn in_lab(lab: &Lab) -> Self {
        Registry {
            directories: Directories { state: lab.dir("var/lib/dovecot"), run: lab.dir("run/dovecot") },
        }
    }

    pub(crate) fn directories(&self) -> &Directories {
        &self.directories
    }

    pub(crate) fn store(&self) -> Store {
        Store::new(self.directories.clone())
    }

    /// Registers a path as it is written, a wildcard too.
    pub(crate) fn register(&self, path: impl AsRef<Path>, state: State) -> &Self {
        let pattern = Pattern::parse(path.as_ref()).expect("a path to register").into_owned();
        self.store().update(|list| list.insert(Entry::new(pattern, state))).expect("register");
        self
    }

    pub(crate) fn set(&self, path: impl AsRef<Path>, state: State) {
        let pattern = Pattern::parse(path.as_ref()).expect("a registered path");
        self.store().update(|list| list.set_state(&pattern, state)).expect("set the state");
    }

    pub(crate) fn open(&self) -> Mounts {
        Mounts::open(&self.directories, WhenMissing::NothingRegistered).expect("open the registry")
    }
}

/// `/srv/mail/*` for `/srv/mail`.
#[allow(dead_code, reason = "not every test binary registers wildcards")]
pub(crate) fn children_of(path: &Path) -> PathBuf {
    path.join("*")
}
