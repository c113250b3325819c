//! A file locked by one process at a time, waited for no longer than one may.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::error::{Error, ErrorKind, quoted};

/// Locks an open file, and waits at most `patience` for that. Unlocked when dropped, or by the kernel when this process dies.
///
/// # Errors
/// [`ErrorKind::Temporary`] when somebody holds it all that time; else the class of the system call that failed.
pub(crate) fn exclusive(file: File, path: &Path, patience: Duration) -> Result<Flock<File>, Error> {
    let failed = |errno: Errno| Error::syscall("flock", path, errno);
    let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => return Ok(file),
        Err((file, Errno::EWOULDBLOCK)) => file,
        Err((_, errno)) => return Err(failed(errno)),
    };
    match wait(file, patience) {
        Some(outcome) => outcome.map_err(failed),
        None => {
            let text = format!("{} is held by another writer for {patience:?}; try again", quoted(path));
            Err(Error::new(ErrorKind::Temporary, text))
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
