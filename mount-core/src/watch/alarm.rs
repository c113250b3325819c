//! The kernel's notification that the mount table or a registry file has changed.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::error::{Error, ErrorKind};
use crate::registry::Directories;

/// Rings when the mount table or the registry changes.
pub(super) struct Alarm {
    /// `None` where `/proc` is not mounted: the slow fall-back has to do, then.
    mountinfo: Option<File>,
    registry: Inotify,
}

impl Alarm {
    pub(super) fn set(directories: &Directories) -> Result<Alarm, Error> {
        let registry = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .map_err(|errno| Error::new(ErrorKind::Io, format!("inotify_init1: {}", errno.desc())))?;
        let alarm = Alarm { mountinfo: File::open("/proc/self/mountinfo").ok(), registry };
        alarm.follow(directories);
        Ok(alarm)
    }

    /// Waits until it rings (true), or one of the others is readable or the time has come (false). Unless it is to
    /// be `heard`, it doesn't ring.
    pub(super) fn wait(&self, others: &[BorrowedFd<'_>], heard: bool, until: Instant) -> bool {
        let mut fds = Vec::with_capacity(others.len() + 2);
        if heard {
            // POLLPRI only: POLLIN is always set.
            fds.extend(self.mountinfo.as_ref().map(|table| PollFd::new(table.as_fd(), PollFlags::POLLPRI)));
            fds.push(PollFd::new(self.registry.as_fd(), PollFlags::POLLIN));
        }
        let own = fds.len();
        fds.extend(others.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)));
        let left = until.saturating_duration_since(Instant::now());
        // Rounded up: less than a millisecond would otherwise be waited for in a busy loop.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(_) => fds[..own].iter().any(|fd| fd.any().unwrap_or(true)),
            Err(_) => false,
        }
    }

    /// Takes note of all that has rung. One poll takes the mount table's notice.
    pub(super) fn reset(&self, directories: &Directories) {
        if let Some(mountinfo) = &self.mountinfo {
            let _ = poll(&mut [PollFd::new(mountinfo.as_fd(), PollFlags::POLLPRI)], PollTimeout::ZERO);
        }
        while matches!(self.registry.read_events(), Ok(_) | Err(Errno::EINTR)) {}
        self.follow(directories);
    }

    /// Files are replaced by rename, so their directories are watched. Watching one again changes nothing; one that
    /// was made or mounted over since is found so. A directory that isn't there is no error: there may be one yet.
    fn follow(&self, directories: &Directories) {
        let events = AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ONLYDIR;
        for directory in [&directories.run, &directories.state] {
            let _ = self.registry.add_watch(directory, events);
        }
    }
}
