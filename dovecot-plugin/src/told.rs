//! Which directories this process told root that its stores lie in.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use mount_core::discovery::Usage;
use mount_core::{Epoch, Mounts};

/// More paths than this remembered, and the memory starts anew: a process may serve many users.
const MAX_REMEMBERED: usize = 1024;

/// What was told in the present epoch: each path once. In another epoch there may be other buttons to press.
#[derive(Debug, Default)]
pub(crate) struct Told {
    epoch: Option<Epoch>,
    /// `None` where nothing is laid out, so that there is nobody to tell.
    usage: Option<Usage>,
    paths: HashSet<PathBuf>,
}

impl Told {
    /// Takes note of the epoch; in another one it is looked once whether there is somebody to tell.
    pub(crate) fn enter(&mut self, epoch: Epoch, mounts: &Mounts) {
        if self.epoch != Some(epoch) {
            *self = Told { epoch: Some(epoch), usage: Usage::of(mounts), paths: HashSet::new() };
        }
    }

    /// Tells that a store lies in this directory.
    pub(crate) fn tell(&mut self, mounts: &Mounts, path: &Path) {
        let Some(usage) = &self.usage else { return };
        if self.paths.contains(path) {
            return;
        }
        if self.paths.len() >= MAX_REMEMBERED {
            self.paths.clear();
        }
        self.paths.insert(path.to_owned());
        // What cannot be resolved without waiting, as on a network filesystem, is told as it is written: the mount
        // is named in it unless a symlink leads there.
        match mounts.resolve(path) {
            Ok(resolved) => usage.tell(&resolved.path),
            Err(_) => usage.tell(&mounts.outer_path(path)),
        }
    }
}
