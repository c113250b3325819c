//! Questions to filesystems that may never answer, each asked in a disposable process of its own.
//!
//! Who waits for a dead server or a hung FUSE can become unkillable, and then neither its thread nor its process
//! ends. So what touches a filesystem is forked off; the parent waits for a pipe, with a deadline, and leaves
//! behind who doesn't come back. A thread would not do: it would keep the whole process from exiting.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::statfs::fstatfs;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, pipe2};

use crate::error::{Error, ErrorKind};
use crate::sys::{self, At};

/// An answer is preceded by its length, so that it is known to be whole without waiting for the process to end:
/// even ending can take forever when files on a dead filesystem are to be closed.
const LENGTH: usize = size_of::<u64>();

/// A question that a process of its own is busy with.
///
/// Readable as a file descriptor when there is something to [`take`](Probe::take). Kept for as long as it takes, it
/// tells that a filesystem answers again; dropped, it is killed, and reaped if it has ended by then. One that
/// cannot end stays until its filesystem answers or goes; init reaps it when this process is gone.
pub struct Probe {
    process: Pid,
    /// The same for certain: others may reap it, and its number become another's. `None` before Linux 5.3.
    handle: Option<OwnedFd>,
    pipe: File,
    received: Vec<u8>,
}

/// How far a [`Probe`] has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It has not answered yet.
    Silent,
    /// What it answered.
    Answered(Vec<u8>),
    /// It ended without an answer: it panicked or was killed.
    Failed,
}

impl Probe {
    /// Asks: `work` runs in a forked process, and what it returns is the answer.
    ///
    /// Its standard input, output and error are `/dev/null`, and descriptors inherited from whoever started
    /// this process are closed, so that nobody who reads from those waits for it. What this process has opened
    /// itself is there.
    ///
    /// Call it in a process with a single thread: a lock held by another one stays locked in the fork for good.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when there can be no further process or descriptor.
    pub fn start(work: impl FnOnce() -> Vec<u8>) -> Result<Probe, Error> {
        let (reader, writer) =
            pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(|errno| failed("pipe", errno))?;
        let child = || {
            // Or it would hold the reading end of its own pipe, and never learn that nobody reads any more.
            let _ = nix::unistd::close(reader.as_raw_fd());
            answer(writer.as_fd(), work)
        };
        let process = sys::fork_into(child).map_err(|errno| failed("fork", errno))?;
        // Not reaped yet: nobody else has been told of it.
        let handle = sys::pidfd_open(process).ok();
        Ok(Probe { process, handle, pipe: reader.into(), received: Vec::new() })
    }

    /// What has come so far. Never waits.
    pub fn take(&mut self) -> Progress {
        loop {
            let mut chunk = [0; 4096];
            match self.pipe.read(&mut chunk) {
                Ok(0) => return self.whole().map_or(Progress::Failed, Progress::Answered),
                Ok(length) => self.received.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.whole().map_or(Progress::Silent, Progress::Answered);
                }
                Err(_) => return Progress::Failed,
            }
        }
    }

    /// The answer, if all of it has come.
    fn whole(&self) -> Option<Vec<u8>> {
        let (length, answer) = self.received.split_first_chunk::<LENGTH>()?;
        let length = usize::try_from(u64::from_ne_bytes(*length)).ok()?;
        answer.get(..length).map(<[u8]>::to_vec)
    }

    /// Waits for the answer until the deadline; [`Progress::Silent`] when it has not come by then.
    pub fn wait(&mut self, deadline: Instant) -> Progress {
        loop {
            match self.take() {
                Progress::Silent if wait_for_any(&[self.as_fd()], deadline) => {}
                progress => return progress,
            }
        }
    }

    /// Waits until the process has ended, at most until the deadline: until then it holds what it has opened, and
    /// what it has inherited, a mount root for example.
    fn await_end(&self, deadline: Instant) {
        if let Some(process) = &self.handle {
            wait_for_any(&[process.as_fd()], deadline);
        }
    }
}

impl AsFd for Probe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("process", &self.process).finish_non_exhaustive()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let reap = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        if let Some(process) = &self.handle {
            let _ = sys::pidfd_kill(process.as_fd());
            let _ = waitid(Id::PIDFd(process.as_fd()), reap);
            return;
        }
        // One that was reaped has closed its end of the pipe before.
        if self.take() == Progress::Silent {
            let _ = kill(self.process, Signal::SIGKILL);
            let _ = waitid(Id::Pid(self.process), reap);
        }
    }
}

/// Asks one question and waits for its answer, and for the end of the process that gave it, at most for `patience`.
///
/// # Errors
/// [`ErrorKind::Temporary`] when no answer came; [`ErrorKind::Io`] when the process could not be started, or
/// ended without an answer.
pub fn ask(patience: Duration, work: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, Error> {
    let deadline = Instant::now() + patience;
    let mut probe = Probe::start(work)?;
    match probe.wait(deadline) {
        Progress::Answered(answer) => {
            probe.await_end(deadline);
            Ok(answer)
        }
        Progress::Silent => {
            Err(Error::new(ErrorKind::Temporary, format!("no answer within {} s", patience.as_secs_f32())))
        }
        Progress::Failed => Err(Error::new(ErrorKind::Io, "the process that asked ended without an answer")),
    }
}

/// Has the children of this process wait to be reaped, as is usual: for a program that starts some, before the first.
///
/// Whoever started this process may ignore `SIGCHLD`, and that is inherited: then nobody learns that a child has ended,
/// nor how.
///
/// # Errors
/// [`ErrorKind::Io`], which no known kernel gives.
pub fn keep_ended_children() -> Result<(), Error> {
    sys::default_sigchld().map_err(|errno| failed("sigaction", errno))
}

/// Waits until one of the descriptors is readable (true) or the deadline has passed (false).
pub fn wait_for_any(descriptors: &[BorrowedFd<'_>], deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up: less than a millisecond would otherwise be waited for in a busy loop.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let mut fds: Vec<PollFd<'_>> =
            descriptors.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
        match poll(&mut fds, timeout) {
            Ok(0) if left.is_zero() => return false,
            Ok(0) | Err(Errno::EINTR) => {}
            // Also on an error of poll: whoever reads will learn of it.
            _ => return true,
        }
    }
}

/// Asks a filesystem itself, past all caches, whether it works. Triggers no automount. Waits for as long as it takes: to
/// be called by a [`Probe`] only.
///
/// # Errors
/// [`ErrorKind::Io`] or [`ErrorKind::Permission`] with what it answered: `ENOTCONN`, `EIO`, `ESTALE`.
pub fn touch(mountpoint: &Path) -> Result<(), Error> {
    let path = mountpoint.as_os_str().as_bytes();
    let fail = |operation| move |errno: Errno| Error::syscall(operation, mountpoint, errno);
    sys::look_for_real(path).map_err(fail("statx"))?;
    // Not by the path: that would mount an automount which has expired a moment ago.
    let root = sys::openat(At::Cwd, path, libc::O_PATH).map_err(fail("open"))?;
    fstatfs(root).map(drop).map_err(fail("statfs"))
}

fn failed(operation: &str, errno: Errno) -> Error {
    Error::new(ErrorKind::Io, format!("{operation}: {}", errno.desc()))
}

/// The life of the forked process; returns its exit status.
fn answer(writer: BorrowedFd<'_>, work: impl FnOnce() -> Vec<u8>) -> i32 {
    let sent = let_go_of_others().and_then(|()| blocking(writer)).and_then(|mut pipe| {
        let answer = work();
        pipe.write_all(&(answer.len() as u64).to_ne_bytes())?;
        pipe.write_all(&answer)
    });
    i32::from(sent.is_err())
}

/// The writing end for a process that may wait for its reader, unlike the reader.
fn blocking(writer: BorrowedFd<'_>) -> io::Result<File> {
    nix::fcntl::fcntl(writer, nix::fcntl::FcntlArg::F_SETFL(OFlag::empty()))?;
    Ok(File::from(writer.try_clone_to_owned()?))
}

fn let_go_of_others() -> io::Result<()> {
    let null: OwnedFd =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open("/dev/null")?.into();
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    sys::close_inherited(&numbers_of_open_files());
    Ok(())
}

/// The descriptors of this process; without `/proc`, all that are likely.
fn numbers_of_open_files() -> Vec<i32> {
    let number = |name: &OsStr| std::str::from_utf8(name.as_bytes()).ok()?.parse().ok();
    match std::fs::read_dir("/proc/self/fd") {
        Ok(names) => names.flatten().filter_map(|entry| number(&entry.file_name())).collect(),
        Err(_) => (0..1024).collect(),
    }
}
