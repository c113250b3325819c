//! Mounts that are never mail's, whatever path lies in them.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::path;
use crate::table::{Mount, MountTable};

/// Why a mount is not registered, though a mail path lies in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusion {
    /// Layers of a container's root or of a live system.
    Overlay,
    /// The kernel's own, such as `proc`.
    SystemType,
    /// A directory that every system mounts by itself, such as `/run`.
    SystemPlace,
    /// Mounted by a user: a FUSE that belongs to somebody else than root.
    OfAUser,
    /// An automounter's map of many directories, or one of them: they come and go, and nothing can be created in
    /// the map while one is gone.
    AutomountMap,
    /// A directory bound onto itself, as service managers do: beneath it lies the same directory.
    SameDirectory,
    /// What a service manager puts over a directory that a service is not to see.
    Masked,
    /// A snapshot that its filesystem mounts by itself.
    Snapshot,
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Exclusion::Overlay => "an overlay",
            Exclusion::SystemType => "of a type that holds no mail",
            Exclusion::SystemPlace => "a directory of the system",
            Exclusion::OfAUser => "mounted by a user",
            Exclusion::AutomountMap => "comes and goes with an automounter's map",
            Exclusion::SameDirectory => "a directory bound onto itself",
            Exclusion::Masked => "hidden from the service",
            Exclusion::Snapshot => "a snapshot",
        })
    }
}

impl Exclusion {
    /// Why a mount of the table is none of mail's; `None` when it may be.
    #[must_use]
    pub fn of(table: &MountTable, mount: &Mount) -> Option<Exclusion> {
        let rules: [(Exclusion, Rule); 8] = [
            (Exclusion::Overlay, |_, mount| is_overlay(&mount.fs_type)),
            (Exclusion::SystemType, |_, mount| SYSTEM_TYPES.contains(&mount.fs_type.as_slice())),
            (Exclusion::SystemPlace, |_, mount| is_system_place(&mount.mountpoint)),
            (Exclusion::OfAUser, |_, mount| is_of_a_user(mount)),
            (Exclusion::AutomountMap, is_of_an_automount_map),
            (Exclusion::SameDirectory, is_bound_onto_itself),
            (Exclusion::Masked, |_, mount| path::is_within(&mount.root, b"/systemd/inaccessible")),
            (Exclusion::Snapshot, |_, mount| path::components(&mount.mountpoint).any(|name| name == b".zfs")),
        ];
        rules.into_iter().find(|(_, applies)| applies(table, mount)).map(|(exclusion, _)| exclusion)
    }

    /// The same where no mail path speaks for a mount: then temporary and read-only media, and what lies in the
    /// places of containers, packages and the system, are excluded too.
    pub(super) fn without_a_mail_path(table: &MountTable, mount: &Mount) -> Option<Exclusion> {
        Self::of(table, mount).or_else(|| {
            let place = PLACES_WITHOUT_MAIL.iter().any(|place| path::is_within(&mount.mountpoint, place));
            let kind = TYPES_WITHOUT_MAIL.contains(&mount.fs_type.as_slice());
            place.then_some(Exclusion::SystemPlace).or(kind.then_some(Exclusion::SystemType))
        })
    }
}

/// Whether a mount of a table is of one kind.
type Rule = fn(&MountTable, &Mount) -> bool;

/// Types that the kernel makes of itself, on which nobody can keep mail.
const SYSTEM_TYPES: &[&[u8]] = &[
    b"binfmt_misc",
    b"bpf",
    b"cgroup",
    b"cgroup2",
    b"configfs",
    b"debugfs",
    b"devpts",
    b"devtmpfs",
    b"efivarfs",
    b"fuse.lxcfs",
    b"fusectl",
    b"hugetlbfs",
    b"mqueue",
    b"nfsd",
    b"nsfs",
    b"proc",
    b"pstore",
    b"ramfs",
    b"resctrl",
    b"rpc_pipefs",
    b"securityfs",
    b"selinuxfs",
    b"smackfs",
    b"sysfs",
    b"tracefs",
];

/// Types that hold mail only where a mail path says so: memory and media that are read only.
const TYPES_WITHOUT_MAIL: &[&[u8]] =
    &[b"autofs", b"erofs", b"iso9660", b"squashfs", b"tmpfs", b"udf", b"vfat"];

/// Below these, and they themselves, hold mail only where a mail path says so.
const PLACES_WITHOUT_MAIL: &[&[u8]] = &[
    b"/boot",
    b"/cdrom",
    b"/dev",
    b"/etc",
    b"/media",
    b"/proc",
    b"/run",
    b"/snap",
    b"/sys",
    b"/tmp",
    b"/usr",
    b"/var/lib/containerd",
    b"/var/lib/containers",
    b"/var/lib/docker",
    b"/var/lib/kubelet",
    b"/var/lib/lxc",
    b"/var/lib/lxd",
    b"/var/lib/machines",
    b"/var/run",
    b"/var/tmp",
];

fn is_overlay(fs_type: &[u8]) -> bool {
    matches!(fs_type, b"overlay" | b"aufs" | b"fuse.fuse-overlayfs")
}

/// Directories that a system mounts at every boot, so that nobody has to be told when they are missing.
fn is_system_place(mountpoint: &[u8]) -> bool {
    const PLACES: &[&[u8]] =
        &[b"/dev", b"/dev/shm", b"/proc", b"/run", b"/run/lock", b"/run/shm", b"/sys", b"/tmp", b"/var/tmp"];
    PLACES.contains(&mountpoint) || path::parent(mountpoint) == b"/run/user"
}

/// The kernel writes down who mounted a FUSE. It has no other trace of a mount's owner in a table; the mounts of a
/// user's own namespaces are not listed in ours at all.
fn is_of_a_user(mount: &Mount) -> bool {
    let user =
        mount.super_options.split(|byte| *byte == b',').find_map(|option| option.strip_prefix(b"user_id="));
    mount.fs_type.starts_with(b"fuse") && user.is_some_and(|user| user != b"0")
}

fn is_of_an_automount_map(table: &MountTable, mount: &Mount) -> bool {
    let is_map = |mount: &Mount| {
        mount.fs_type == b"autofs"
            && mount.super_options.split(|byte| *byte == b',').any(|option| option == b"indirect")
    };
    is_map(mount) || table.by_id(mount.parent).is_some_and(is_map)
}

/// Whether the very directory that is mounted would be seen at the mountpoint without the mount too.
fn is_bound_onto_itself(table: &MountTable, mount: &Mount) -> bool {
    let Some(parent) = table.by_id(mount.parent).filter(|parent| parent.device == mount.device) else {
        return false;
    };
    if !path::is_within(&mount.mountpoint, &parent.mountpoint) || mount.id == parent.id {
        return false;
    }
    let mut beneath = parent.root.clone();
    path::components(&mount.mountpoint[parent.mountpoint.len()..])
        .for_each(|name| path::push(&mut beneath, name));
    beneath == mount.root
}

/// The path of a mount.
pub(super) fn mountpoint(mount: &Mount) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(&mount.mountpoint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exclusion(lines: &str) -> Option<Exclusion> {
        let table = format!("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n{lines}\n");
        let table = MountTable::parse(table.as_bytes()).expect("a mount table");
        let last = table.mounts().last().expect("a mount");
        Exclusion::of(&table, last)
    }

    #[test]
    fn each_kind_of_foreign_mount_is_told() {
        use Exclusion::*;
        for (lines, expected) in [
            ("2 1 0:9 / /srv rw - overlay overlay rw", Some(Overlay)),
            ("2 1 0:9 / /srv rw - proc proc rw", Some(SystemType)),
            ("2 1 0:9 / /run/user/1000 rw - tmpfs tmpfs rw", Some(SystemPlace)),
            ("2 1 0:9 / /srv rw - fuse.sshfs a:/b rw,user_id=1000,group_id=1000", Some(OfAUser)),
            ("2 1 0:9 / /srv rw - fuse.glusterfs a:/b rw,user_id=0,group_id=0", None),
            ("2 1 0:9 / /home rw - autofs auto.home rw,fd=7,indirect", Some(AutomountMap)),
            (
                "2 1 0:9 / /home rw - autofs auto.home rw,indirect\n3 2 0:10 / /home/a rw - nfs a:/a rw",
                Some(AutomountMap),
            ),
            ("2 1 0:9 / /srv rw - autofs auto.direct rw,fd=7,direct", None),
            ("2 1 8:1 /srv /srv rw - ext4 /dev/sda1 rw", Some(SameDirectory)),
            ("2 1 8:1 /data /srv rw - ext4 /dev/sda1 rw", None),
            ("2 1 8:2 /srv /srv rw - ext4 /dev/sda2 rw", None),
            ("2 1 0:9 /systemd/inaccessible/dir /home ro - tmpfs tmpfs rw", Some(Masked)),
            ("2 1 0:9 / /tank/a/.zfs/snapshot/b ro - zfs tank/a@b ro", Some(Snapshot)),
            ("2 1 0:9 / /srv rw - tmpfs tmpfs rw", None),
        ] {
            assert_eq!(exclusion(lines), expected, "{lines}");
        }
    }

    #[test]
    fn mount_bound_onto_itself_through_another_bind_is_told() {
        let lines = "2 1 8:1 /a /b rw - ext4 /dev/sda1 rw\n3 2 8:1 /a/c /b/c rw - ext4 /dev/sda1 rw";
        assert_eq!(exclusion(lines), Some(Exclusion::SameDirectory));
    }
}
