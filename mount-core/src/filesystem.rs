//! Which filesystem is mounted, and whether it is the recorded one.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use crate::sys::MountStat;
use crate::table::Mount;
use crate::walk::is_local;

/// The filesystem found at a mountpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// `ext4`, `nfs4`, `fuse.sshfs`.
    pub fs_type: Vec<u8>,
    /// Device, server or name behind it; may be empty.
    pub source: Vec<u8>,
    /// The directory of the filesystem that is mounted: `/`, or that of a bind mount or subvolume.
    pub root: Vec<u8>,
    /// Whether it can be read only.
    pub read_only: bool,
    /// Number of the device, major and minor; the major is 0 for a filesystem without a block device of its own.
    pub device: (u32, u32),
}

impl Filesystem {
    pub(crate) fn of_mount(mount: &Mount) -> Self {
        Filesystem {
            fs_type: mount.fs_type.clone(),
            source: mount.source.clone(),
            root: mount.root.clone(),
            read_only: mount.read_only,
            device: mount.device,
        }
    }

    pub(crate) fn of_statmount(mount: MountStat) -> Self {
        Filesystem {
            fs_type: mount.fs_type,
            source: mount.source.unwrap_or_default(),
            root: mount.root,
            read_only: mount.read_only,
            device: mount.device,
        }
    }

    pub(crate) fn is_automount(&self) -> bool {
        self.fs_type == b"autofs"
    }

    /// The UUID of the block device behind the filesystem, as udev knows it; `None` for a filesystem without one, and
    /// where udev cannot be asked.
    ///
    /// Read from udev's database rather than asked of the filesystem: that costs no call that could block. Services
    /// with a `/dev` of their own, as Dovecot's is on Debian, still see the database, and not the links in `/dev/disk`.
    #[must_use]
    pub fn uuid(&self) -> Option<Vec<u8>> {
        let device = self.block_device()?;
        uuid_in_database(device).or_else(|| uuid_of_link(device))
    }

    /// btrfs has devices but a number of its own, so there the source has to tell. Only for local filesystems: in a
    /// FUSE mount the source is whatever a user wrote.
    fn block_device(&self) -> Option<(u32, u32)> {
        if self.device.0 != 0 {
            return Some(self.device);
        }
        if !self.source.starts_with(b"/dev/") || !is_local(&self.fs_type) {
            return None;
        }
        let device = fs::metadata(OsStr::from_bytes(&self.source)).ok()?.rdev();
        Some((libc::major(device), libc::minor(device)))
    }
}

/// What udev has noted of a block device.
fn uuid_in_database((major, minor): (u32, u32)) -> Option<Vec<u8>> {
    let notes = fs::read(format!("/run/udev/data/b{major}:{minor}")).ok()?;
    let mut lines = notes.split(|byte| *byte == b'\n');
    lines.find_map(|line| line.strip_prefix(b"E:ID_FS_UUID=")).map(<[u8]>::to_vec)
}

fn uuid_of_link((major, minor): (u32, u32)) -> Option<Vec<u8>> {
    let device = libc::makedev(major, minor);
    let mut links = fs::read_dir("/dev/disk/by-uuid").ok()?.flatten();
    let link = links.find(|link| fs::metadata(link.path()).is_ok_and(|target| target.rdev() == device))?;
    Some(link.file_name().as_bytes().to_vec())
}

/// What was recorded of a filesystem when its mountpoint was registered. A field that is `None` is not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Filesystem type.
    pub fs_type: Option<Vec<u8>>,
    /// UUID of the filesystem: survives a renamed device, which the source doesn't.
    pub uuid: Option<Vec<u8>>,
    /// Device, server or name. Counts only where the UUID cannot be told.
    pub source: Option<Vec<u8>>,
    /// Root within the filesystem.
    pub root: Option<Vec<u8>>,
}

impl Identity {
    /// What is to be recorded of a filesystem so that it is known again.
    #[must_use]
    pub fn of(filesystem: &Filesystem) -> Self {
        Identity {
            fs_type: Some(filesystem.fs_type.clone()),
            uuid: filesystem.uuid(),
            source: Some(filesystem.source.clone()),
            root: Some(filesystem.root.clone()),
        }
    }

    /// The first difference between what was recorded and what is there; `None` when there is none.
    #[must_use]
    pub fn difference(&self, found: &Filesystem) -> Option<String> {
        let uuid = self.uuid.as_ref().and_then(|_| found.uuid());
        let by_what = match &uuid {
            Some(uuid) => ("uuid", &self.uuid, uuid),
            None => ("source", &self.source, &found.source),
        };
        let fields = [("type", &self.fs_type, &found.fs_type), ("root", &self.root, &found.root), by_what];
        fields.into_iter().find_map(|(name, expected, found)| {
            let expected = expected.as_ref().filter(|expected| *expected != found)?;
            Some(format!("{name} {} expected, {} found", String::from_utf8_lossy(expected), shown(found)))
        })
    }
}

fn shown(value: &[u8]) -> String {
    if value.is_empty() { "none".to_owned() } else { String::from_utf8_lossy(value).into_owned() }
}
