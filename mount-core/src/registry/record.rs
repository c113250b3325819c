//! What is recorded of a filesystem when its mountpoint is registered.

use super::{Mode, Options};
use crate::filesystem::{Filesystem, Identity};

impl Options<'_> {
    /// Records which filesystem it is and whether it can be written. Where only a part of one is mounted its
    /// identity is required from here on: a mount alone proves little there, since another filesystem could be
    /// below it.
    pub fn record(&mut self, found: &Filesystem) {
        let identity = Identity::of(found);
        let fields = [
            (Options::FSTYPE, identity.fs_type),
            (Options::UUID, identity.uuid),
            (Options::SOURCE, identity.source),
            (Options::ROOT, identity.root),
        ];
        for (key, value) in fields {
            match value {
                Some(value) => self.set(key, &value),
                None => self.remove(key),
            }
        }
        self.set_mode(if found.read_only { Mode::ReadOnly } else { Mode::ReadWrite });
        if found.root != b"/" {
            self.require_identity(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(root: &[u8]) -> Options<'static> {
        let (fs_type, source) = (b"xfs".to_vec(), b"filer:/mail".to_vec());
        let found = Filesystem { fs_type, source, root: root.to_vec(), read_only: false, device: (0, 42) };
        let mut options = Options::default();
        options.record(&found);
        options
    }

    #[test]
    fn whole_filesystem_is_recorded_and_a_part_of_one_is_required() {
        let whole = recorded(b"/");
        assert_eq!(
            (whole.get(Options::FSTYPE).as_deref(), whole.identity_required()),
            (Some(&b"xfs"[..]), false)
        );
        assert_eq!(whole.mode(), Some(Mode::ReadWrite));
        assert!(recorded(b"/mail").identity_required());
    }
}
