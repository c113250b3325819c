//! The methods: each tells in its own way what a walk has found.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;

use super::{Detector, Method, Observation};
use crate::filesystem::Filesystem;
use crate::presence::Presence;
use crate::sys::{self, At, IdKind, Looked, MountStat};
use crate::table::{Mount, MountTable};
use crate::walk::{Stop, Walk, is_local};

impl Detector {
    pub(super) fn found(&self, walk: &Walk<'_>) -> Observation {
        match self.method {
            Method::UniqueId => self.by_unique_id(walk),
            Method::MountId => self.by_mount_id(walk),
            Method::ParentChain => self.by_parent_chain(walk),
            Method::MountRoot => by_attribute(&walk.looked),
            Method::Device => by_device(walk),
        }
    }

    /// The path can't be walked to its end, but whether something is mounted there is known to the table.
    pub(super) fn unwalkable(&self, walk: &Walk<'_>) -> Observation {
        match (self.method, walk.stop) {
            (Method::MountRoot | Method::Device, Stop::Failed(errno)) => {
                Observation::unknown(errno.desc().to_owned())
            }
            (Method::MountRoot | Method::Device, _) => Observation::unknown("does not answer".to_owned()),
            // The ids of the table are not those that walks report.
            (Method::UniqueId, _) => Observation { mount: None, ..self.by_table(&walk.real) },
            _ => self.by_table(&walk.real),
        }
    }

    fn by_unique_id(&self, walk: &Walk<'_>) -> Observation {
        let Some(id) = walk.looked.mount_id else {
            return Observation::unknown(
                "statx gives no unique mount id; Linux 6.8 or later does".to_owned(),
            );
        };
        if walk.looked.mount_root != Some(true) {
            return Observation::absent();
        }
        match sys::statmount(id) {
            Ok(mount) => {
                let reached_locally = self.walker.is_reached_locally(id, mount.parent);
                let filesystem = self.described(mount);
                Observation { reached_locally, ..Observation::of(filesystem, Some(id)) }
            }
            Err(Errno::ENOENT) => Observation::absent(),
            Err(errno) => Observation::unknown(format!("statmount: {}", errno.desc())),
        }
    }

    /// Before Linux 6.13 `statmount` tells neither the source nor the subtype, so there the mount table does.
    fn described(&self, mount: MountStat) -> Filesystem {
        let table = if mount.source.is_none() { self.table().ok() } else { None };
        match table.as_ref().and_then(|table| table.by_id(mount.reused_id)) {
            Some(listed) => Filesystem::of_mount(listed),
            None => Filesystem::of_statmount(mount),
        }
    }

    fn by_mount_id(&self, walk: &Walk<'_>) -> Observation {
        let Some(id) = walk.looked.mount_id else {
            return Observation::unknown("statx gives no mount id; Linux 5.8 or later does".to_owned());
        };
        let is_settled = |seen: &Observation| seen.mount.is_some() || walk.looked.mount_root == Some(false);
        self.by_table_of_now(|table| by_listed_id(walk, id, table), is_settled)
    }

    /// The table says what is mounted at the path, `fdinfo` in which mount the walk really ended: should the
    /// two differ, the table was read before or after a change that the walk has not or has seen.
    fn by_parent_chain(&self, walk: &Walk<'_>) -> Observation {
        let reached = mount_id_of(&walk.fd);
        let look = |table: &MountTable| match (by_table(&walk.real, table), reached) {
            (seen, Some(reached)) if seen.mount.is_some_and(|listed| listed != reached) => {
                Observation::absent()
            }
            (seen, _) => seen,
        };
        self.by_table_of_now(look, |seen| seen.mount.is_some())
    }

    /// What the table says; read once more when it would say that nothing is mounted. Renaming a directory above a mount
    /// changes what the table says of it, and gives no notice.
    fn by_table_of_now(
        &self,
        look: impl Fn(&MountTable) -> Observation,
        is_settled: impl Fn(&Observation) -> bool,
    ) -> Observation {
        let look =
            || self.table().map_or_else(|error| Observation::unknown(error.chain()), |table| look(&table));
        let seen = look();
        if is_settled(&seen) {
            return seen;
        }
        self.forget_table();
        look()
    }

    pub(super) fn by_table(&self, real: &[u8]) -> Observation {
        match self.table() {
            Ok(table) => by_table(real, &table),
            Err(error) => Observation::unknown(error.chain()),
        }
    }
}

/// Whether a walk ended at the mountpoint of the mount that it ended in.
fn by_listed_id(walk: &Walk<'_>, id: u64, table: &MountTable) -> Observation {
    match u32::try_from(id).ok().and_then(|id| table.by_id(id)) {
        Some(mount) if *mount.mountpoint == *walk.real => Observation {
            reached_locally: is_reached_locally(mount, table),
            ..Observation::of(Filesystem::of_mount(mount), Some(id))
        },
        Some(_) => Observation::absent(),
        // The root of a chroot into a plain directory is not in the table, and no mountpoint either.
        None if walk.looked.mount_root == Some(false) => Observation::absent(),
        None => Observation::unknown(format!("mount {id} is not in the mount table")),
    }
}

/// Whether all that a mount is mounted on is local.
fn is_reached_locally(mount: &Mount, table: &MountTable) -> bool {
    let mut parent = mount.parent;
    // No longer than the table: a damaged one can close a circle.
    for _ in table.mounts() {
        match table.by_id(parent) {
            Some(above) if !is_local(&above.fs_type) => return false,
            Some(above) if above.parent != parent => parent = above.parent,
            // The root, or what it is mounted on, which is in no namespace.
            _ => return true,
        }
    }
    false
}

/// The id of the mount that an open file lies in, as `/proc` tells it since Linux 3.15.
pub(super) fn mount_id_of(fd: &OwnedFd) -> Option<u64> {
    let fdinfo = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()?;
    fdinfo.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
}

/// Whether the mount table has a mountpoint there.
pub(super) fn by_table(real: &[u8], table: &MountTable) -> Observation {
    match table.locate(real) {
        Some(found) if found.is_root => {
            Observation::of(Filesystem::of_mount(found.mount), Some(found.mount.id.into()))
        }
        _ => Observation::absent(),
    }
}

fn by_attribute(looked: &Looked) -> Observation {
    match looked.mount_root {
        Some(true) => Observation::new(Presence::Mounted),
        Some(false) => Observation::absent(),
        None => Observation::unknown("statx doesn't tell mount roots; Linux 5.8 or later does"),
    }
}

fn by_device(walk: &Walk<'_>) -> Observation {
    let parent = sys::openat(At::Dir(walk.fd.as_fd()), b"..", libc::O_PATH)
        .and_then(|parent| sys::look_fd(parent.as_fd(), IdKind::None));
    match parent {
        Ok(parent) if parent.device != walk.looked.device => Observation::new(Presence::Mounted),
        // Only the root of all is its own parent.
        Ok(parent) if parent.ino == walk.looked.ino => Observation::new(Presence::Mounted),
        Ok(_) => Observation::absent(),
        Err(errno) => Observation::unknown(format!("statx parent: {}", errno.desc())),
    }
}
