//! One writer at a time.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::error::{Error, ErrorKind, quoted};

/// Held by the writer, released when dropped or by the kernel when the writer dies.
pub(super) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Waits at most `patience` for the lock.
    ///
    /// # Errors
    /// [`ErrorKind::Temporary`] when somebody holds it all that time; else the class of the system
    /// call that failed.
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
        let failed = |errno: Errno| Error::syscall("flock", path, errno);
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => return Ok(Lock { _file: file }),
            Err((file, Errno::EWOULDBLOCK)) => file,
            Err((_, errno)) => return Err(failed(errno)),
        };
        match wait(file, patience) {
            Some(Ok(file)) => Ok(Lock { _file: file }),
            Some(Err(errno)) => Err(failed(errno)),
            None => {
                let text = format!("{} is held by another writer for {patience:?}; try again", quoted(path));
                Err(Error::new(ErrorKind::Temporary, text))
            }
        }
    }
}

/// `None` after `patience`.
///
/// The kernel queues those who block in the order they came; asking again and again would let a busy
/// writer starve the others. flock has no deadline, so a thread blocks in it. One that comes too late
/// finds nobody listening, and the lock it got is dropped with the message.
fn wait(file: File, patience: Duration) -> Option<Result<Flock<File>, Errno>> {
    let (sender, receiver) = mpsc::channel();
    let blocked = thread::Builder::new().spawn(move || {
        let _ = sender.send(lock_uninterrupted(file));
    });
    if blocked.is_err() {
        return Some(Err(Errno::EAGAIN));
    }
    receiver.recv_timeout(patience).ok()
}

fn lock_uninterrupted(mut file: File) -> Result<Flock<File>, Errno> {
    loop {
        match Flock::lock(file, FlockArg::LockExclusive) {
            Err((unlocked, Errno::EINTR)) => file = unlocked,
            done => return done.map_err(|(_, errno)| errno),
        }
    }
}
