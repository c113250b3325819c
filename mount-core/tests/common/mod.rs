//! A registry in a laboratory, in a line.

#![allow(dead_code, reason = "each test binary uses its part of it")]

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
        Self::in_directory(&lab.dir("registry"))
    }

    pub(crate) fn in_directory(directory: &Path) -> Self {
        let directories = Directories { state: directory.join("state"), run: directory.join("run") };
        for directory in [&directories.state, &directories.run] {
            std::fs::create_dir_all(directory).expect("a directory for the registry");
        }
        Registry { directories }
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
pub(crate) fn children_of(path: &Path) -> PathBuf {
    path.join("*")
}
