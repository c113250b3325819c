//! Makes a bare directory safe: nobody but root can write there while nothing is mounted, and not by mistake either.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, fchown};

use super::{Underneath, open_bare, open_beneath, refused};
use crate::error::{Error, ErrorKind};
use crate::path;
use crate::sys::{self, At, IdKind};

/// The `chattr` attribute `i`; in `linux/fs.h`, but not in libc.
const IMMUTABLE: libc::c_int = 0x10;

/// What sealing changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// Gives it to root.
    pub own: bool,
    /// Sets these permission bits.
    pub mode: Option<u32>,
    /// Makes it immutable, so that even root creates nothing there.
    pub immutable: bool,
}

impl Seal {
    /// What there is to be done for a bare directory; `None` when it is safe already.
    ///
    /// Everybody may look into an empty one, so that nothing that merely lists it complains. One that is not empty is
    /// closed altogether: the directories that lie in it belong to mail users, who could go on writing to them.
    #[must_use]
    pub fn of(underneath: &Underneath) -> Option<Seal> {
        let is_empty = underneath.files + underneath.directories + underneath.unread == 0;
        let wanted = if is_empty { 0o555 } else { 0 };
        // Nothing can be created in an immutable one, whoever it belongs to.
        let immutable = underneath.immutable == Some(true);
        let needed = underneath.mode & 0o7777 != wanted && !(immutable && is_empty);
        let seal = Seal {
            own: !immutable && (underneath.uid, underneath.gid) != (0, 0),
            mode: needed.then_some(wanted),
            immutable: underneath.immutable == Some(false),
        };
        (seal.own || seal.mode.is_some() || seal.immutable).then_some(seal)
    }
}

/// Seals the bare directory of a mountpoint. What is mounted there is not touched.
///
/// Waits for the filesystem that the bare directory lies on: for a [`Probe`](crate::probe::Probe) only.
///
/// # Errors
/// [`ErrorKind::Permission`] without root's privileges; [`ErrorKind::Data`] when there is no directory underneath, or
/// what is mounted there is that same directory; [`ErrorKind::Temporary`] when something was mounted there meanwhile;
/// [`ErrorKind::Io`].
pub fn seal(mountpoint: &Path, seal: Seal) -> Result<(), Error> {
    let fail = |operation| move |errno: Errno| Error::syscall(operation, mountpoint, errno);
    let clean = path::clean(mountpoint)?;
    let seen = sys::look(At::Cwd, &clean, IdKind::None);
    let bare = open_bare(&clean, seen).map_err(|(operation, errno)| refused(mountpoint, operation, errno))?;
    let looked = sys::look_fd(bare.as_fd(), IdKind::None).map_err(fail("statx"))?;
    let is_mounted = !seen.is_ok_and(|seen| seen.mount_root == Some(false));
    if is_mounted && seen.is_ok_and(|seen| (seen.device, seen.ino) == (looked.device, looked.ino)) {
        let text =
            format!("seal {mountpoint:?}: the directory is mounted on itself, so that there is no bare one");
        return Err(Error::new(ErrorKind::Data, text));
    }
    let bare = open_beneath(bare.as_fd(), b".").map_err(fail("open"))?;
    let before = sys::attributes(bare.as_fd()).ok();
    if before.is_some_and(|flags| flags & IMMUTABLE != 0) {
        set_immutable(bare.as_fd(), false).map_err(fail("chattr -i"))?;
    }
    let changed = change_owner_and_mode(&bare, seal);
    // Also when that has failed: it may have been immutable before.
    let immutable = match set_immutable(bare.as_fd(), true) {
        // Not every filesystem has the attribute.
        Err(Errno::ENOTTY | Errno::EOPNOTSUPP | Errno::EINVAL) => Ok(()),
        other => other.map_err(fail("chattr +i")),
    };
    changed.map_err(|(operation, errno)| fail(operation)(errno))?;
    immutable
}

fn change_owner_and_mode(bare: &OwnedFd, seal: Seal) -> Result<(), (&'static str, Errno)> {
    if seal.own {
        fchown(bare, Some(Uid::from_raw(0)), Some(Gid::from_raw(0))).map_err(|errno| ("chown", errno))?;
    }
    if let Some(mode) = seal.mode {
        fchmod(bare, Mode::from_bits_truncate(mode)).map_err(|errno| ("chmod", errno))?;
    }
    Ok(())
}

/// Sets or takes the immutable attribute, and leaves all others as they are.
pub(super) fn set_immutable(directory: BorrowedFd<'_>, immutable: bool) -> Result<(), Errno> {
    let flags = sys::attributes(directory)?;
    let wanted = if immutable { flags | IMMUTABLE } else { flags & !IMMUTABLE };
    if wanted == flags { Ok(()) } else { sys::set_attributes(directory, wanted) }
}

/// Whether it is there.
pub(super) fn is_immutable(directory: BorrowedFd<'_>) -> bool {
    sys::attributes(directory).is_ok_and(|flags| flags & IMMUTABLE != 0)
}

#[cfg(test)]
mod tests {
    use super::super::StrayMail;
    use super::*;

    fn bare(uid: u32, mode: u32, immutable: Option<bool>, files: u64) -> Underneath {
        let (gid, bytes, directories, unread) = (uid, 0, 0, 0);
        let mail = StrayMail::default();
        Underneath { uid, gid, mode, immutable, files, bytes, directories, unread, mail, writable: true }
    }

    #[test]
    fn what_is_sealed_already_needs_nothing() {
        assert_eq!(Seal::of(&bare(0, 0o555, Some(true), 0)), None);
        assert_eq!(Seal::of(&bare(0, 0o555, None, 0)), None);
        assert_eq!(Seal::of(&bare(0, 0, Some(true), 3)), None);
        assert_eq!(Seal::of(&bare(1000, 0o777, Some(true), 0)), None, "nobody can write there");
    }

    #[test]
    fn directory_with_something_in_it_is_closed() {
        let seal = Seal { own: true, mode: Some(0), immutable: true };
        assert_eq!(Seal::of(&bare(1000, 0o777, Some(false), 3)), Some(seal));
        let seal = Seal { own: true, mode: Some(0o555), immutable: true };
        assert_eq!(Seal::of(&bare(1000, 0o777, Some(false), 0)), Some(seal));
    }
}
