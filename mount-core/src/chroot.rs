//! What a process that changes its root directory keeps of the outside, where mountpoints have their names.
//!
//! From inside of a chroot the registry and `/proc` are out of reach, and every path has another name. Two files that
//! were opened before lead out: the root directory, from which any path can be walked, and the mount table, which goes
//! on listing what it would have listed when it was opened. A mount table opened inside lists what is inside only, and
//! `statmount` (6.8) is refused for a mount whose root is not inside; so there mount ids are looked up in the table.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::root::Root;
use crate::sys::{self, At};
use crate::table::MountTable;

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// How much of the mount table is read at a time.
const CHUNK: usize = 64 << 10;

/// The root directory and the mount table as they are before a process changes its root.
///
/// To be opened by then; [`Mounts::open_in_chroot`](crate::Mounts::open_in_chroot) judges by it afterwards. Holds two
/// descriptors, which are closed on exec.
#[derive(Debug, Clone)]
pub struct Outside {
    root: Root,
    table: Arc<File>,
}

impl Outside {
    /// What this process sees now. Two system calls.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when `/proc` is not mounted.
    pub fn open() -> Result<Outside, Error> {
        let fail = |path| move |cause: io::Error| Error::syscall("open", Path::new(path), cause);
        let root = sys::openat(At::Cwd, b"/", libc::O_PATH | libc::O_DIRECTORY);
        let root = root.map_err(io::Error::from).map_err(fail("/"))?;
        let table = File::open(MOUNTINFO).map_err(fail(MOUNTINFO))?;
        Ok(Outside { root: Root::Kept(Arc::new(root)), table: Arc::new(table) })
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// # Errors
    /// As [`MountTable::of_self`].
    pub(crate) fn table(&self) -> Result<MountTable, Error> {
        MountTable::from_readings(Path::new(MOUNTINFO), || read_all(&self.table))
    }
}

/// The whole file, whatever was read of it before.
fn read_all(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let had = bytes.len();
        bytes.resize(had + CHUNK, 0);
        let count = match file.read_at(&mut bytes[had..], had as u64) {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => 0,
            Ok(0) => {
                bytes.truncate(had);
                return Ok(bytes);
            }
            other => other?,
        };
        bytes.truncate(had + count);
    }
}
