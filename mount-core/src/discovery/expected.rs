//! Mountpoints that the system's own configuration speaks of.

use std::fmt;
use std::path::Path;

use crate::path::{components, unescape};

/// A mountpoint that something is to be mounted on at every start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    mountpoint: Vec<u8>,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Fstab,
    Unit(String),
}

impl Expected {
    /// The mountpoints of a file such as `/etc/fstab`; what is to be mounted by hand only (`noauto`) is not
    /// expected. Lines that are none of such a file are passed over: it is for others to complain of them.
    #[must_use]
    pub fn in_fstab(bytes: &[u8]) -> Vec<Expected> {
        bytes.split(|byte| *byte == b'\n').filter_map(Self::in_line).collect()
    }

    fn in_line(line: &[u8]) -> Option<Expected> {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        fields.next().filter(|source| source[0] != b'#')?;
        let mountpoint = unescape(fields.next()?);
        let fs_type = fields.next()?;
        let mut options = fields.next().unwrap_or_default().split(|byte| *byte == b',');
        if fs_type == b"swap" || options.any(|option| option == b"noauto") {
            return None;
        }
        Self::at(&mountpoint, Source::Fstab)
    }

    /// The mountpoint of a systemd mount unit that is enabled, by the unit's name and text.
    #[must_use]
    pub fn in_unit(name: &str, text: &[u8]) -> Option<Expected> {
        let mut in_mount = false;
        for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
            if line.first() == Some(&b'[') {
                in_mount = line == b"[Mount]";
            }
            let value = line.strip_prefix(b"Where").map(<[u8]>::trim_ascii_start);
            if let Some(value) = value.and_then(|value| value.strip_prefix(b"=")).filter(|_| in_mount) {
                return Self::at(value.trim_ascii(), Source::Unit(name.to_owned()));
            }
        }
        None
    }

    fn at(mountpoint: &[u8], source: Source) -> Option<Expected> {
        if mountpoint.first() != Some(&b'/') || mountpoint.contains(&0) {
            return None;
        }
        let clean = components(mountpoint).flat_map(|name| [b"/", name]).collect::<Vec<_>>().concat();
        (!clean.is_empty()).then_some(Expected { mountpoint: clean, source })
    }

    pub(super) fn mountpoint(&self) -> &[u8] {
        &self.mountpoint
    }

    /// The mountpoint.
    #[must_use]
    pub fn path(&self) -> &Path {
        use std::os::unix::ffi::OsStrExt;
        Path::new(std::ffi::OsStr::from_bytes(&self.mountpoint))
    }
}

/// Where it stands: `/etc/fstab`, or the unit.
impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Fstab => f.write_str("/etc/fstab"),
            Source::Unit(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fstab_tells_what_is_mounted_at_every_start() {
        let fstab = b"\
# a remark
UUID=1 / ext4 errors=remount-ro 0 1
/dev/sdb1\t/srv/mail\\040store/ xfs noatime,nofail 0 2
/dev/sdc1 /mnt/backup ext4 noauto,user 0 0
/dev/sda2 none swap sw 0 0
nas:/x /srv/alt nfs
half
";
        let expected = Expected::in_fstab(fstab);
        let found: Vec<&[u8]> = expected.iter().map(Expected::mountpoint).collect();
        assert_eq!(found, [&b"/srv/mail store"[..], b"/srv/alt"]);
    }

    #[test]
    fn mount_unit_tells_its_mountpoint() {
        let text =
            b"[Unit]\nWhere=/wrong\n[Mount]\nWhat=/dev/sdb1\nWhere = /srv/mail\n[Install]\nWhere=/wrong\n";
        let expected = Expected::in_unit("srv-mail.mount", text).expect("a mount unit");
        assert_eq!(
            (expected.path(), expected.to_string().as_str()),
            (Path::new("/srv/mail"), "srv-mail.mount")
        );
        assert_eq!(Expected::in_unit("x.mount", b"[Mount]\nWhat=/dev/sdb1\n"), None);
    }
}
