//! A registry in files, opened by this crate; and what several test programs do to a filesystem.

#![allow(dead_code, reason = "each test binary uses its part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fixtures::lab::{Answer, Asker, Lab};
use fixtures::registry::Registry;
use mount_core::{Directories, Mounts, WhenMissing};
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};

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

/// Remounts the filesystem itself where other mounts are seen, as by a service with private ones: here the mount table
/// gives no notice.
pub(crate) fn remount_elsewhere(lab: &Lab, mount: &Path, flags: MsFlags) {
    let remount = || {
        unshare(CloneFlags::CLONE_NEWNS).expect("another mount namespace");
        let flags = MsFlags::MS_REMOUNT | flags;
        nix::mount::mount(None::<&str>, mount, None::<&str>, flags, None::<&str>).expect("remount");
        Vec::new()
    };
    assert_eq!(lab.ask(&Asker::Test, Duration::from_secs(60), remount), Answer::Said(Vec::new()));
}

/// What is in a directory, in any order.
pub(crate) fn names_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("list the directory");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}
