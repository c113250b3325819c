//! What lies underneath a mountpoint: in the bare directory that a mount covers.
//!
//! Mails that were delivered while the filesystem was away lie there unseen, and whether it can happen again
//! depends on who may write there. Seen without unmounting anything, through a copy of the mount that the
//! parent directory lies in (`open_tree`): such a copy comes without the mounts on it. It is as writable as the
//! original, so nothing is opened for writing but what is to be written: by [`seal()`] and [`rescue()`].

mod mail;
mod rescue;
mod seal;
mod tree;

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::statfs::fstatfs;
use nix::sys::statvfs::FsFlags;
use nix::unistd::{
    AccessFlags, Gid, Uid, User, faccessat, geteuid, getgrouplist, setgroups, setresgid, setresuid,
};

use crate::error::{Error, ErrorKind};
use crate::path;
use crate::sys::{self, At, IdKind, Looked};
pub use mail::MailKind;
pub use rescue::{Rescued, RescuedStore, rescue};
pub use seal::{Seal, seal};

/// The user that mail processes run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailUser {
    uid: Uid,
    groups: Vec<Gid>,
}

impl MailUser {
    /// A user of the user database with all its groups; `None` when there is no such user.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the user database cannot be asked.
    pub fn named(name: &str) -> Result<Option<MailUser>, Error> {
        let fail =
            |errno: Errno| Error::new(ErrorKind::Io, format!("look up user {name:?}: {}", errno.desc()));
        let Some(user) = User::from_name(name).map_err(fail)? else {
            return Ok(None);
        };
        let name = CString::new(user.name).map_err(|_| fail(Errno::EINVAL))?;
        let mut groups = getgrouplist(&name, user.gid).map_err(fail)?;
        // The first one is made the primary group.
        groups.retain(|group| *group != user.gid);
        groups.insert(0, user.gid);
        Ok(Some(MailUser { uid: user.uid, groups }))
    }

    /// A user by numbers, whether the user database knows it or not.
    #[must_use]
    pub fn numbered(uid: Uid, gid: Gid) -> MailUser {
        MailUser { uid, groups: vec![gid] }
    }

    /// The numeric id.
    #[must_use]
    pub fn uid(&self) -> Uid {
        self.uid
    }

    /// Becomes this user, for good.
    fn become_it(&self) -> Result<(), Errno> {
        if self.uid == geteuid() {
            return Ok(());
        }
        let group = *self.groups.first().ok_or(Errno::EINVAL)?;
        setgroups(&self.groups)?;
        setresgid(group, group, group)?;
        setresuid(self.uid, self.uid, self.uid)
    }
}

/// The bare directory of a mountpoint, and what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Underneath {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
    /// Whether it is immutable; `None` when its filesystem doesn't tell.
    pub immutable: Option<bool>,
    /// Everything in it that is not a directory, at any depth.
    pub files: u64,
    /// Size of those files, in bytes.
    pub bytes: u64,
    /// Directories in it, at any depth, itself not counted.
    pub directories: u64,
    /// Directories that could not be read, whose content is not counted.
    pub unread: u64,
    /// Which of the files are mails, by all that is known of mail stores.
    pub mail: StrayMail,
    /// Whether the mail user could create something in it, were it bare. The kernel's own answer, so that modes,
    /// access lists, the immutable flag and a read-only filesystem all count.
    pub writable: bool,
}

/// How many of the files underneath are recognised as mails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StrayMail {
    /// Mails in `new` and `cur` of Maildirs.
    pub maildir: u64,
    /// Files with mails in them of sdbox (`u.*`) and mdbox (`m.*`).
    pub dbox: u64,
    /// Files that begin as an mbox does.
    pub mbox: u64,
}

/// Looks underneath a mountpoint, or into it when nothing is mounted there. Changes nothing.
///
/// The path must be free of symlinks. Without `user`, the owner of what is mounted there is taken (of the bare
/// directory when nothing is), and returned as the second value.
///
/// Waits for the filesystem that the bare directory lies on, and **becomes the mail user** to find out what it
/// may do: for a [`Probe`](crate::probe::Probe) only.
///
/// # Errors
/// [`ErrorKind::Permission`] without CAP_SYS_ADMIN, which the copy of a mount needs, or when the user cannot be
/// taken on; [`ErrorKind::Data`] when there is no directory underneath;
/// [`ErrorKind::Temporary`] when something was mounted there meanwhile; [`ErrorKind::Io`].
pub fn look_underneath(mountpoint: &Path, user: Option<&MailUser>) -> Result<(Underneath, MailUser), Error> {
    let fail = |operation| move |errno: Errno| Error::syscall(operation, mountpoint, errno);
    let clean = path::clean(mountpoint)?;
    let seen = sys::look(At::Cwd, &clean, IdKind::None);
    let bare = open_bare(&clean, seen).map_err(|(operation, errno)| refused(mountpoint, operation, errno))?;
    let looked = sys::look_fd(bare.as_fd(), IdKind::None).map_err(fail("statx"))?;
    let owner = seen.unwrap_or(looked);
    let user = user.cloned().unwrap_or_else(|| owner_of(&owner));

    let mut underneath = Underneath {
        uid: looked.uid,
        gid: looked.gid,
        mode: looked.mode & 0o7777,
        immutable: looked.immutable,
        files: 0,
        bytes: 0,
        directories: 0,
        unread: 0,
        mail: StrayMail::default(),
        writable: false,
    };
    underneath.count(bare.as_fd());
    underneath.writable = may_create(bare.as_fd(), &user).map_err(fail("become the mail user for"))?;
    Ok((underneath, user))
}

impl Underneath {
    fn count(&mut self, bare: BorrowedFd<'_>) {
        let (mut files, mut bytes, mut directories, mut mail) = (0, 0, 0, StrayMail::default());
        let unread = tree::walk(bare, &mut |found| {
            if found.is_directory {
                directories += 1;
                return;
            }
            files += 1;
            bytes += found.stat.map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
            match mail::recognise(found) {
                Some(MailKind::Maildir) => mail.maildir += 1,
                Some(MailKind::Sdbox | MailKind::Mdbox) => mail.dbox += 1,
                Some(MailKind::Mbox) => mail.mbox += 1,
                None => {}
            }
        });
        *self = Underneath { files, bytes, directories, unread, mail, ..*self };
    }
}

/// The bare directory: what the parent directory holds by that name, once without the mounts on it.
fn open_bare(mountpoint: &[u8], seen: Result<Looked, Errno>) -> Result<OwnedFd, (&'static str, Errno)> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let name = path::components(mountpoint).next_back().ok_or(("open", Errno::EISDIR))?;
    let is_bare = seen.is_ok_and(|seen| seen.mount_root == Some(false));
    if is_bare {
        let bare = sys::openat(At::Cwd, mountpoint, flags).map_err(|errno| ("open", errno))?;
        let opened = sys::look_fd(bare.as_fd(), IdKind::None).map_err(|errno| ("statx", errno))?;
        // What was mounted since the look is live mail, not to be sealed, nor moved away as strays.
        return if opened.mount_root == Some(false) { Ok(bare) } else { Err(("open", Errno::EBUSY)) };
    }
    let tree = sys::clone_mount(path::parent(mountpoint)).map_err(|errno| ("open_tree", errno))?;
    sys::openat(At::Dir(tree.as_fd()), name, flags).map_err(|errno| ("open", errno))
}

/// Opens a directory to read it, without leaving the filesystem, following symlinks or marking it as read.
fn open_beneath(bare: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_XDEV | libc::RESOLVE_NO_SYMLINKS;
    match sys::openat2(At::Dir(bare), path, flags | libc::O_NOATIME, 0, resolve) {
        // O_NOATIME is for the owner and for root only.
        Err(Errno::EPERM) => sys::openat2(At::Dir(bare), path, flags, 0, resolve),
        other => other,
    }
}

/// Opens a file in a directory to read it. Never waits for a FIFO to get a writer.
fn open_file(directory: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    sys::openat(
        At::Dir(directory),
        name,
        libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY,
    )
}

fn owner_of(looked: &Looked) -> MailUser {
    let (uid, gid) = (Uid::from_raw(looked.uid), Gid::from_raw(looked.gid));
    let known =
        User::from_uid(uid).ok().flatten().and_then(|user| MailUser::named(&user.name).ok().flatten());
    known.unwrap_or_else(|| MailUser::numbered(uid, gid))
}

fn may_create(bare: BorrowedFd<'_>, user: &MailUser) -> Result<bool, Errno> {
    let read_only = fstatfs(bare).is_ok_and(|found| found.flags().contains(FsFlags::ST_RDONLY));
    user.become_it()?;
    let needed = AccessFlags::W_OK | AccessFlags::X_OK;
    Ok(!read_only && faccessat(bare, ".", needed, AtFlags::empty()).is_ok())
}

fn refused(mountpoint: &Path, operation: &str, errno: Errno) -> Error {
    match errno {
        Errno::EPERM => {
            let error = Error::syscall(operation, mountpoint, errno);
            error.context("only root (CAP_SYS_ADMIN) can look underneath a mount; run it as root")
        }
        Errno::EBUSY => {
            let text = format!("{operation} {mountpoint:?}: mounted while it was looked at; try again");
            Error::new(ErrorKind::Temporary, text)
        }
        Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP => {
            Error::syscall(operation, mountpoint, errno).with_kind(ErrorKind::Data)
        }
        errno => Error::syscall(operation, mountpoint, errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_mounted_after_the_look_is_not_taken_for_the_bare_directory() {
        let before = sys::look(At::Cwd, b"/proc", IdKind::None).expect("a directory");
        let before = Looked { mount_root: Some(false), ..before };
        let (operation, errno) = open_bare(b"/proc", Ok(before)).expect_err("proc is mounted there");
        assert_eq!(refused(Path::new("/proc"), operation, errno).kind(), ErrorKind::Temporary);
    }
}
