//! A registry in files, opened by this crate.

#![allow(dead_code, reason = "each test binary uses its part of it")]

use fixtures::registry::Registry;
use mount_core::{Directories, Mounts, WhenMissing};

pub(crate) trait Opened {
    fn directories(&self) -> Directories;

    fn open(&self) -> Mounts {
        Mounts::open(&self.directories(), WhenMissing::NothingRegistered).expect("open the registry")
    }
}

impl Opened for Registry {
    fn directories(&self) -> Directories {
        Directories { state: self.state.clone(), run: self.run.clone() }
    }
}
