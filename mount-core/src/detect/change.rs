//! The kernel's own notice that the mount table has changed.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::root::Root;
use crate::sys;
use crate::table::OpenTable;

/// Counts changes of this process's mount table.
///
/// `poll` on an open mountinfo answers once after each change (mount, unmount, lazy unmount, move, bind,
/// remount, propagation); no change is ever missed, several may be answered as one. Silent for a renamed parent
/// directory and for the death of a FUSE server, which are no changes of the table.
///
/// Where `/proc` is not mounted every question counts as a change: slower, and never wrong.
pub(crate) struct Changes {
    mountinfo: RefCell<Option<File>>,
    count: Cell<u64>,
    owner: Cell<u32>,
    /// Where `/proc` is.
    root: Root,
}

impl Changes {
    pub(crate) fn new(root: Root) -> Self {
        let mountinfo = RefCell::new(open(&root));
        Changes { mountinfo, count: Cell::new(1), owner: Cell::new(sys::lineage()), root }
    }

    /// Of the table that another process has, as long as that one lives.
    pub(crate) fn of(table: &OpenTable) -> Self {
        Changes { mountinfo: RefCell::new(table.file().ok()), ..Changes::new(Root::Own) }
    }

    /// The number of changes noticed so far, a fresh one included.
    pub(crate) fn count(&self) -> u64 {
        if self.changed() {
            self.count.set(self.count.get() + 1);
        }
        self.count.get()
    }

    /// Whether a count that stays the same says that nothing has changed; it never does where `/proc` is missing.
    pub(crate) fn are_noticed(&self) -> bool {
        self.mountinfo.borrow().is_some()
    }

    /// POLLPRI only: the kernel also reports POLLERR, and POLLIN is always set.
    fn changed(&self) -> bool {
        let mountinfo = self.mountinfo.borrow();
        let Some(mountinfo) = mountinfo.as_ref() else {
            return true;
        };
        let mut fds = [PollFd::new(mountinfo.as_fd(), PollFlags::POLLPRI)];
        poll(&mut fds, PollTimeout::ZERO) != Ok(0)
    }

    /// The notice belongs to the open file, which a forked child shares with its parent: whoever polls first
    /// gets it. So each process opens its own.
    pub(crate) fn after_fork(&self) {
        let process = sys::lineage();
        if self.owner.replace(process) != process {
            *self.mountinfo.borrow_mut() = open(&self.root);
            self.count.set(self.count.get() + 1);
        }
    }
}

fn open(root: &Root) -> Option<File> {
    root.open(Path::new("/proc/self/mountinfo")).ok()
}
