//! What a process that changes its root directory keeps of the outside, where mountpoints have their names.
//!
//! From inside of a chroot the registry and `/proc` are out of reach, and every path has another name. Two files that
//! were opened before lead out: the root directory, from which any path can be walked, and the mount table, which goes
//! on listing what it would have listed when it was opened. A mount table opened inside lists what is inside only, and
//! `statmount` (6.8) is refused for a mount whose root is not inside; so there mount ids are looked up in the table.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::root::Root;
use crate::sys::{self, At};
use crate::table::OpenTable;

/// The root directory and the mount table as they are before a process changes its root.
///
/// To be opened by then; [`Mounts::open_in_chroot`](crate::Mounts::open_in_chroot) judges by it afterwards. Holds two
/// descriptors, which are closed on exec.
#[derive(Debug, Clone)]
pub struct Outside {
    root: Root,
    table: OpenTable,
}

impl Outside {
    /// What this process sees now. Two system calls.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when `/proc` is not mounted.
    pub fn open() -> Result<Outside, Error> {
        let root = sys::openat(At::Cwd, b"/", libc::O_PATH | libc::O_DIRECTORY).map_err(io::Error::from);
        let root = root.map_err(|cause| Error::syscall("open", Path::new("/"), cause))?;
        Ok(Outside { root: Root::Kept(Arc::new(root)), table: OpenTable::of_self()? })
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    pub(crate) fn table(&self) -> &OpenTable {
        &self.table
    }
}
