//! The mounts and the root directory of another process.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use mount_core::{Error, ErrorKind};
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;
use nix::unistd::{chroot, fchdir};

/// Where a process sees its files from.
pub(crate) struct Place {
    namespace: File,
    root: File,
    directory: File,
}

impl Place {
    /// Of this process, to come back to.
    pub(crate) fn own() -> Result<Place, Error> {
        Place::open(Path::new("/proc/self"), Path::new("."))
            .map_err(|(path, cause)| Error::syscall("open", &path, cause))
    }

    /// Of another process, at its root directory.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] when there is no such process, [`ErrorKind::Permission`] when it may not be entered.
    pub(crate) fn of(pid: u32) -> Result<Place, Error> {
        let process = PathBuf::from(format!("/proc/{pid}"));
        Place::open(&process, &process.join("root")).map_err(|(path, cause)| match cause.kind() {
            io::ErrorKind::NotFound => {
                let text = format!(
                    "process {pid} does not exist; name one that runs, as in --pid \"$(pidof dovecot)\""
                );
                Error::new(ErrorKind::Data, text)
            }
            _ => Error::syscall("open", &path, cause),
        })
    }

    fn open(process: &Path, directory: &Path) -> Result<Place, (PathBuf, io::Error)> {
        let directory_at = |path: &Path| {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let fd = open(path, flags, Mode::empty()).map_err(|errno| (path.to_path_buf(), errno.into()))?;
            Ok(File::from(fd))
        };
        let namespace = process.join("ns/mnt");
        Ok(Place {
            namespace: File::open(&namespace).map_err(|cause| (namespace, cause))?,
            root: directory_at(&process.join("root"))?,
            directory: directory_at(directory)?,
        })
    }

    /// Makes this process see its files from there.
    ///
    /// # Errors
    /// [`ErrorKind::Permission`] without CAP_SYS_ADMIN and CAP_SYS_CHROOT.
    pub(crate) fn enter(&self) -> Result<(), Error> {
        let entered = setns(&self.namespace, CloneFlags::CLONE_NEWNS)
            .and_then(|()| fchdir(&self.root))
            .and_then(|()| chroot("."))
            .and_then(|()| fchdir(&self.directory));
        entered.map_err(|errno| {
            let error = Error::new(ErrorKind::Io, format!("enter the mount namespace: {}", errno.desc()));
            match errno {
                nix::Error::EPERM => error.with_kind(ErrorKind::Permission).context("--pid needs root"),
                _ => error,
            }
        })
    }
}
