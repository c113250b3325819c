//! One writer at a time.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::Flock;

use crate::error::Error;
use crate::lock;

/// Held by the writer, released when dropped or by the kernel when the writer dies.
pub(super) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Waits at most `patience` for the lock.
    ///
    /// # Errors
    /// [`ErrorKind::Temporary`](crate::ErrorKind::Temporary) when somebody holds it all that time; else the class of the
    /// system call that failed.
    pub(super) fn take(path: &Path, patience: Duration) -> Result<Self, Error> {
        // Not readable by others: whoever can open a file can hold its lock.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)
            .map_err(|cause| Error::syscall("open", path, cause))?;
        Ok(Lock { _file: lock::exclusive(file, path, patience)? })
    }
}
