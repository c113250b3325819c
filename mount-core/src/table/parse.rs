//! One line of `/proc/<pid>/mountinfo`, as proc(5) describes it.

use crate::path::unescape;

/// One mount, as the kernel lists it. All texts are bytes, octal escapes decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Id of the mount; reused after it is gone.
    pub id: u32,
    /// Id of the mount this one is mounted on; itself or not listed for the root.
    pub parent: u32,
    /// Device of the filesystem, major and minor.
    pub device: (u32, u32),
    /// The directory of the filesystem that is seen at the mountpoint, `/` unless it is a bind mount or subvolume.
    pub root: Vec<u8>,
    /// Where it is mounted, as seen from the root directory of the process. One that is not absolute, as in tables that
    /// were edited, covers no path.
    pub mountpoint: Vec<u8>,
    /// Whether the mount or its filesystem is read-only.
    pub read_only: bool,
    /// Filesystem type, with its subtype: `ext4`, `fuse.sshfs`.
    pub fs_type: Vec<u8>,
    /// Device, server or name behind it; may be empty.
    pub source: Vec<u8>,
    /// Options of the filesystem, separated by commas, as the kernel writes them.
    pub super_options: Vec<u8>,
}

impl Mount {
    /// Understands one line without its newline; `None` when it is not one of a mount table.
    ///
    /// A source may be empty, which leaves two spaces in a row, so that fields are told apart by single spaces;
    /// only those before it, which are never empty, may stand further apart, as in tables that were edited.
    pub(super) fn parse(line: &[u8]) -> Option<Mount> {
        let mut fields = line.split(|byte| *byte == b' ');
        let mut field = || fields.find(|field| !field.is_empty());
        let id = number(field()?)?;
        let parent = number(field()?)?;
        let mut device = field()?.splitn(2, |byte| *byte == b':');
        let device = (number(device.next()?)?, number(device.next()?)?);
        let root = unescape(field()?).into_owned();
        let mountpoint = unescape(field()?).into_owned();
        let options = field()?;
        // Optional fields (propagation) up to a lone hyphen; their number varies.
        fields.find(|field| *field == b"-")?;
        let fs_type = unescape(fields.next()?).into_owned();
        let source = unescape(fields.next()?).into_owned();
        let super_options = fields.next().unwrap_or_default();
        let read_only = [options, super_options].iter().any(|options| has_option(options, b"ro"))
            || has_option(super_options, b"emergency_ro");
        let super_options = super_options.to_vec();
        Some(Mount { id, parent, device, root, mountpoint, read_only, fs_type, source, super_options })
    }
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

fn has_option(options: &[u8], wanted: &[u8]) -> bool {
    options.split(|byte| *byte == b',').any(|option| option == wanted)
}
