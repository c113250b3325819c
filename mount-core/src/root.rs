//! Where absolute paths begin: at the root directory of this process, or at one that was opened before.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;

use crate::sys::{self, At};

/// A walk with `..` in it can be disturbed by a rename anywhere, and has to be begun again.
const WALKS: usize = 32;

/// Where absolute paths begin.
#[derive(Debug, Clone, Default)]
pub(crate) enum Root {
    /// At the root directory of this process.
    #[default]
    Own,
    /// At one that was opened before.
    Kept(Arc<OwnedFd>),
}

impl Root {
    /// Where a clean path starts from, and the way from there; for a path whose symlinks are not followed.
    pub(crate) fn at<'a>(&'a self, path: &'a [u8]) -> (At<'a>, &'a [u8]) {
        match self {
            Root::Own => (At::Cwd, path),
            Root::Kept(_) if path == b"/" => (self.directory(), b"."),
            Root::Kept(_) => (self.directory(), path.strip_prefix(b"/").unwrap_or(path)),
        }
    }

    fn directory(&self) -> At<'_> {
        match self {
            Root::Own => At::Cwd,
            Root::Kept(root) => At::Dir(root.as_fd()),
        }
    }

    /// Opens a file for reading, without waiting for anybody to write to a FIFO.
    pub(crate) fn open(&self, path: &Path) -> io::Result<File> {
        match self {
            Root::Own => OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path),
            Root::Kept(_) => self.open_kept(path, libc::O_RDONLY | libc::O_NONBLOCK),
        }
    }

    /// What `stat` says.
    pub(crate) fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        match self {
            Root::Own => path.metadata(),
            Root::Kept(_) => self.open_kept(path, libc::O_PATH)?.metadata(),
        }
    }

    /// What `lstat` says.
    pub(crate) fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        match self {
            Root::Own => path.symlink_metadata(),
            Root::Kept(_) => self.open_kept(path, libc::O_PATH | libc::O_NOFOLLOW)?.metadata(),
        }
    }

    /// Follows symlinks as they would be followed with that root (`RESOLVE_IN_ROOT`): one that begins with `/` would
    /// lead into the chroot otherwise, as `/var/run` may on its way to `/run`.
    pub(crate) fn open_kept(&self, path: &Path, flags: libc::c_int) -> io::Result<File> {
        for _ in 0..WALKS {
            match sys::openat2(self.directory(), path.as_os_str().as_bytes(), flags, 0, libc::RESOLVE_IN_ROOT)
            {
                Err(Errno::EAGAIN) => {}
                other => return Ok(File::from(other?)),
            }
        }
        Err(Errno::EAGAIN.into())
    }
}
