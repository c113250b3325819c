//! Which filesystem is mounted, and whether it is the recorded one.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use crate::sys::MountStat;
use crate::table::Mount;

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
}

impl Filesystem {
    pub(crate) fn of_mount(mount: &Mount) -> Self {
        Filesystem {
            fs_type: mount.fs_type.clone(),
            source: mount.source.clone(),
            root: mount.root.clone(),
            read_only: mount.read_only,
        }
    }

    pub(crate) fn of_statmount(mount: MountStat) -> Self {
        Filesystem {
            fs_type: mount.fs_type,
            source: mount.source.unwrap_or_default(),
            root: mount.root,
            read_only: mount.read_only,
        }
    }

    pub(crate) fn is_automount(&self) -> bool {
        self.fs_type == b"autofs"
    }

    /// The UUID of the block device behind the filesystem, from udev's links; `None` for a filesystem without
    /// one, and where udev doesn't run.
    ///
    /// Read from `/dev/disk/by-uuid` rather than asked of the filesystem: that costs no call that could block.
    #[must_use]
    pub fn uuid(&self) -> Option<Vec<u8>> {
        if !self.source.starts_with(b"/dev/") {
            return None;
        }
        let device = fs::metadata(std::ffi::OsStr::from_bytes(&self.source)).ok()?.rdev();
        let links = fs::read_dir("/dev/disk/by-uuid").ok()?;
        links
            .flatten()
            .find(|link| fs::metadata(link.path()).is_ok_and(|target| target.rdev() == device))
            .map(|link| link.file_name().as_bytes().to_vec())
    }
}

/// What was recorded of a filesystem when its mountpoint was registered. A field that is `None` is not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Filesystem type.
    pub fs_type: Option<Vec<u8>>,
    /// UUID of the filesystem: survives a renamed device, which the source doesn't.
    pub uuid: Option<Vec<u8>>,
    /// Device, server or name.
    pub source: Option<Vec<u8>>,
    /// Root within the filesystem.
    pub root: Option<Vec<u8>>,
}

impl Identity {
    /// What is to be recorded of a filesystem so that it is known again: by UUID where there is one, by source
    /// otherwise.
    #[must_use]
    pub fn of(filesystem: &Filesystem) -> Self {
        let uuid = filesystem.uuid();
        let source = uuid.is_none().then(|| filesystem.source.clone());
        Identity {
            fs_type: Some(filesystem.fs_type.clone()),
            uuid,
            source,
            root: Some(filesystem.root.clone()),
        }
    }

    /// The first difference between what was recorded and what is there; `None` when there is none.
    #[must_use]
    pub fn difference(&self, found: &Filesystem) -> Option<String> {
        let fields = [
            ("type", &self.fs_type, Some(found.fs_type.clone())),
            ("root", &self.root, Some(found.root.clone())),
            ("source", &self.source, Some(found.source.clone())),
            ("uuid", &self.uuid, self.uuid.as_ref().and_then(|_| found.uuid())),
        ];
        fields.into_iter().find_map(|(name, expected, found)| {
            let expected = expected.as_ref()?;
            let found = found.unwrap_or_default();
            (*expected != found).then(|| {
                format!("{name} {} expected, {} found", String::from_utf8_lossy(expected), shown(&found))
            })
        })
    }
}

fn shown(value: &[u8]) -> String {
    if value.is_empty() { "none".to_owned() } else { String::from_utf8_lossy(value).into_owned() }
}
