//! Every system call of this crate, wrapped once. The only `unsafe` code of the crate.
//!
//! The wrappers return a bare [`Errno`] because most errors here are answers (`ENOENT`: nothing there,
//! `EAGAIN`: not cached, `ELOOP`: a symlink is in the way); whoever turns one into an [`crate::Error`] adds the
//! path. Each wrapper says from which kernel on it works; [`crate::kernel`] decides what is used in its stead.

use std::ffi::CStr;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use libc::{c_int, c_long};
use nix::NixPath;
use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{ForkResult, Pid};

type Result<T> = std::result::Result<T, Errno>;

/// Newer than the oldest libc this builds with. The number is the same on all architectures, as of every call since
/// Linux 5.1.
const SYS_STATMOUNT: c_long = 457;

/// Where a relative path starts from.
#[derive(Clone, Copy)]
pub(crate) enum At<'fd> {
    /// The path is absolute, or relative to the working directory.
    Cwd,
    /// The directory behind a file descriptor.
    Dir(BorrowedFd<'fd>),
}

impl At<'_> {
    fn raw(self) -> RawFd {
        match self {
            At::Cwd => libc::AT_FDCWD,
            At::Dir(fd) => fd.as_raw_fd(),
        }
    }
}

/// What one `statx` told. A field the kernel did not fill is `None`, never a default that could be mistaken
/// for an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looked {
    /// Unique mount id (Linux 6.8), or the reused one (5.8) when that was asked for.
    pub mount_id: Option<u64>,
    /// Whether this is the root of a mount (5.8).
    pub mount_root: Option<bool>,
    /// File type and permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub ino: u64,
    /// Device of the filesystem.
    pub device: u64,
    /// Immutable flag, where the filesystem tells it by `statx`.
    pub immutable: Option<bool>,
}

impl Looked {
    pub(crate) fn is_symlink(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFLNK
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }
}

/// Which mount id `statx` is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdKind {
    /// Never reused while the system runs: Linux 6.8.
    Unique,
    /// Reused after an unmount; the one in mountinfo: Linux 5.8.
    Reused,
    /// No id wanted, or none to be had.
    None,
}

impl IdKind {
    fn mask(self) -> u32 {
        match self {
            IdKind::Unique => libc::STATX_MNT_ID_UNIQUE,
            IdKind::Reused => libc::STATX_MNT_ID,
            IdKind::None => 0,
        }
    }
}

/// `statx(path)` without triggering an automount, without following a last symlink and without asking a server
/// (4.11). Looks only at what the kernel has in memory of the last component; the walk to it may still block.
pub(crate) fn look(at: At<'_>, path: &[u8], id: IdKind) -> Result<Looked> {
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT | libc::AT_STATX_DONT_SYNC;
    path.with_nix_path(|path| statx(at.raw(), path, flags, id))?
}

/// `statx` of an open file (`AT_EMPTY_PATH`): no walk at all, so that it never blocks on an `O_PATH` descriptor.
pub(crate) fn look_fd(fd: BorrowedFd<'_>, id: IdKind) -> Result<Looked> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_NO_AUTOMOUNT | libc::AT_STATX_DONT_SYNC;
    statx(fd.as_raw_fd(), c"", flags, id)
}

fn statx(dir: RawFd, path: &CStr, flags: c_int, id: IdKind) -> Result<Looked> {
    let mut buffer = MaybeUninit::<libc::statx>::uninit();
    // SAFETY: `path` is NUL-terminated and `buffer` is as large as the kernel writes; both outlive the call.
    let result = unsafe { libc::statx(dir, path.as_ptr(), flags, id.mask(), buffer.as_mut_ptr()) };
    Errno::result(result)?;
    // SAFETY: on success the kernel has filled the whole structure.
    let found = unsafe { buffer.assume_init() };
    let attribute = |bit: c_int| {
        let bit = u64::from(bit.unsigned_abs());
        (found.stx_attributes_mask & bit != 0).then_some(found.stx_attributes & bit != 0)
    };
    Ok(Looked {
        mount_id: (id != IdKind::None && found.stx_mask & id.mask() != 0).then_some(found.stx_mnt_id),
        mount_root: attribute(libc::STATX_ATTR_MOUNT_ROOT),
        mode: u32::from(found.stx_mode),
        uid: found.stx_uid,
        gid: found.stx_gid,
        ino: found.stx_ino,
        device: libc::makedev(found.stx_dev_major, found.stx_dev_minor),
        immutable: attribute(libc::STATX_ATTR_IMMUTABLE),
    })
}

/// `statx(path)` that has the filesystem itself answer, a server if there is one behind it, and takes as long as
/// that takes. Triggers no automount.
pub(crate) fn look_for_real(path: &[u8]) -> Result<Looked> {
    let flags = libc::AT_STATX_FORCE_SYNC | libc::AT_NO_AUTOMOUNT;
    path.with_nix_path(|path| statx(libc::AT_FDCWD, path, flags, IdKind::None))?
}

/// `openat2` (5.6). `resolve` restricts the walk; `RESOLVE_CACHED` (5.12) makes it answer `EAGAIN` instead of
/// asking a filesystem.
pub(crate) fn openat2(at: At<'_>, path: &[u8], flags: c_int, mode: u32, resolve: u64) -> Result<OwnedFd> {
    // SAFETY: `open_how` is plain old data for which all zeroes is the documented default.
    let mut how: libc::open_how = unsafe { mem::zeroed() };
    how.flags = u64::from((flags | libc::O_CLOEXEC).unsigned_abs());
    how.mode = u64::from(mode);
    how.resolve = resolve;
    let fd = path.with_nix_path(|path| {
        // SAFETY: `path` is NUL-terminated, `how` is initialised and its size is passed along; both outlive
        // the call.
        unsafe {
            libc::syscall(
                libc::SYS_openat2,
                at.raw(),
                path.as_ptr(),
                &raw const how,
                size_of::<libc::open_how>(),
            )
        }
    })?;
    let fd = Errno::result(fd)?;
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: the kernel has just returned this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `openat` of one component, for kernels without `openat2`.
pub(crate) fn openat(at: At<'_>, path: &[u8], flags: c_int) -> Result<OwnedFd> {
    // SAFETY: `path` is NUL-terminated and outlives the call; no mode is read without `O_CREAT`.
    let fd =
        path.with_nix_path(|path| unsafe { libc::openat(at.raw(), path.as_ptr(), flags | libc::O_CLOEXEC) })?;
    let fd = Errno::result(fd)?;
    // SAFETY: the kernel has just returned this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The fixed part of the kernel's `struct statmount`, followed by the text the `u32` offsets point into.
#[repr(C)]
struct RawStatmount<const TEXT: usize> {
    size: u32,
    mnt_opts: u32,
    mask: u64,
    sb_dev_major: u32,
    sb_dev_minor: u32,
    sb_magic: u64,
    sb_flags: u32,
    fs_type: u32,
    mnt_id: u64,
    mnt_parent_id: u64,
    mnt_id_old: u32,
    mnt_parent_id_old: u32,
    mnt_attr: u64,
    mnt_propagation: u64,
    mnt_peer_group: u64,
    mnt_master: u64,
    propagate_from: u64,
    mnt_root: u32,
    mnt_point: u32,
    mnt_ns_id: u64,
    fs_subtype: u32,
    sb_source: u32,
    spare: [u64; 48],
    text: [u8; TEXT],
}

/// Room for the strings as they mostly are: more is pages of the stack that a command that asks once never touched.
const STATMOUNT_TEXT: usize = 1024;

/// A root, a source and options of a page each.
const STATMOUNT_TEXT_MAX: usize = 3 * 4096;

#[repr(C)]
struct MountIdRequest {
    size: u32,
    spare: u32,
    mnt_id: u64,
    param: u64,
}

const STATMOUNT_SB_BASIC: u64 = 0x1;
const STATMOUNT_MNT_BASIC: u64 = 0x2;
const STATMOUNT_MNT_ROOT: u64 = 0x8;
const STATMOUNT_FS_TYPE: u64 = 0x20;
const STATMOUNT_MNT_OPTS: u64 = 0x80;
const STATMOUNT_FS_SUBTYPE: u64 = 0x100;
const STATMOUNT_SB_SOURCE: u64 = 0x200;
const MOUNT_ATTR_RDONLY: u64 = 0x1;

/// What the kernel says of one mount.
#[derive(Debug, Clone)]
pub(crate) struct MountStat {
    /// Its id in mountinfo.
    pub reused_id: u32,
    /// Unique id of the mount it is mounted on; its own for the root.
    pub parent: u64,
    pub fs_type: Vec<u8>,
    pub root: Vec<u8>,
    /// Linux 6.13; `None` before.
    pub source: Option<Vec<u8>>,
    /// Read-only by the mount, by the superblock, or by an emergency.
    pub read_only: bool,
    /// Number of the superblock's device, major and minor.
    pub device: (u32, u32),
}

/// `statmount(id)` by unique mount id (6.8): walks no path, touches no filesystem. `ENOENT` after an unmount,
/// lazy ones included.
pub(crate) fn statmount(unique_id: u64) -> Result<MountStat> {
    let options = STATMOUNT_MNT_OPTS;
    let result = match statmount_within::<STATMOUNT_TEXT>(unique_id, options) {
        Err(Errno::EOVERFLOW) => statmount_within::<STATMOUNT_TEXT_MAX>(unique_id, options),
        other => other,
    };
    match result {
        // The options of an overlay of many layers don't fit; those of a filesystem that may have had an emergency do.
        Err(Errno::EOVERFLOW) => statmount_within::<STATMOUNT_TEXT_MAX>(unique_id, 0),
        other => other,
    }
}

#[inline(never)]
fn statmount_within<const TEXT: usize>(unique_id: u64, options: u64) -> Result<MountStat> {
    let wanted = STATMOUNT_SB_BASIC
        | STATMOUNT_MNT_BASIC
        | STATMOUNT_MNT_ROOT
        | STATMOUNT_FS_TYPE
        | STATMOUNT_FS_SUBTYPE
        | STATMOUNT_SB_SOURCE;
    let answer = ask_statmount::<TEXT>(unique_id, wanted | options)?;
    let options = answer.text(STATMOUNT_MNT_OPTS, answer.mnt_opts).unwrap_or_default();
    let emergency = options.split(|byte| *byte == b',').any(|option| option == b"emergency_ro");
    Ok(MountStat {
        reused_id: answer.mnt_id_old,
        parent: answer.mnt_parent_id,
        fs_type: answer.fs_type(),
        device: (answer.sb_dev_major, answer.sb_dev_minor),
        root: answer.text(STATMOUNT_MNT_ROOT, answer.mnt_root).unwrap_or_default().to_vec(),
        source: answer.text(STATMOUNT_SB_SOURCE, answer.sb_source).map(<[u8]>::to_vec),
        read_only: answer.mnt_attr & MOUNT_ATTR_RDONLY != 0
            || u64::from(answer.sb_flags) & libc::MS_RDONLY != 0
            || emergency,
    })
}

/// The type of a mount's filesystem, and the unique id of the mount that it is mounted on: a fifth of the price of all
/// that [`statmount`] tells.
pub(crate) fn mounted_on(unique_id: u64) -> Result<(Vec<u8>, u64)> {
    let wanted = STATMOUNT_MNT_BASIC | STATMOUNT_FS_TYPE | STATMOUNT_FS_SUBTYPE;
    let answer = ask_statmount::<STATMOUNT_TEXT>(unique_id, wanted)?;
    Ok((answer.fs_type(), answer.mnt_parent_id))
}

/// Whether a mount by this unique id is attached in this namespace (6.8). Cheaper than all that is known of it.
pub(crate) fn mount_exists(unique_id: u64) -> bool {
    ask_statmount::<0>(unique_id, STATMOUNT_MNT_BASIC).is_ok()
}

fn ask_statmount<const TEXT: usize>(unique_id: u64, wanted: u64) -> Result<RawStatmount<TEXT>> {
    let request = MountIdRequest {
        size: u32::try_from(size_of::<MountIdRequest>()).map_err(|_| Errno::EOVERFLOW)?,
        spare: 0,
        mnt_id: unique_id,
        param: wanted,
    };
    let mut answer = MaybeUninit::<RawStatmount<TEXT>>::zeroed();
    let size = size_of::<RawStatmount<TEXT>>();
    // SAFETY: `request` carries its own size, `answer` is writable for `size` bytes; both outlive the call.
    let result = unsafe { libc::syscall(SYS_STATMOUNT, &raw const request, answer.as_mut_ptr(), size, 0) };
    Errno::result(result)?;
    // SAFETY: zeroed before the call, and all-zero bytes are a valid value of this plain structure.
    Ok(unsafe { answer.assume_init() })
}

impl<const TEXT: usize> RawStatmount<TEXT> {
    /// What lies at an offset, if the kernel says that it has put it there.
    fn text(&self, bit: u64, offset: u32) -> Option<&[u8]> {
        (self.mask & bit != 0).then(|| text_at(&self.text, offset))
    }

    fn fs_type(&self) -> Vec<u8> {
        let fs_type = self.text(STATMOUNT_FS_TYPE, self.fs_type).unwrap_or_default();
        match self.text(STATMOUNT_FS_SUBTYPE, self.fs_subtype) {
            None | Some([]) => fs_type.to_vec(),
            Some(subtype) => [fs_type, subtype].join(&b'.'),
        }
    }
}

fn text_at(text: &[u8], offset: u32) -> &[u8] {
    let from = usize::try_from(offset).ok().and_then(|offset| text.get(offset..)).unwrap_or_default();
    from.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// `open_tree(OPEN_TREE_CLONE)` (5.2): a copy of the mount that a directory lies in, beginning at that directory,
/// attached nowhere and without the mounts on it. Needs CAP_SYS_ADMIN. As writable as the original.
pub(crate) fn clone_mount(directory: &[u8]) -> Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    let fd = directory.with_nix_path(|path| {
        // SAFETY: `path` is NUL-terminated and outlives the call, which takes no other pointer.
        unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) }
    })?;
    let fd = RawFd::try_from(Errno::result(fd)?).map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: the kernel has just returned this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The attributes that `chattr` sets (`FS_IOC_GETFLAGS`). `ENOTTY` where the filesystem has none.
pub(crate) fn attributes(fd: BorrowedFd<'_>) -> Result<c_int> {
    let mut flags: c_int = 0;
    // SAFETY: the kernel writes an int, whatever the number's own size says, and `flags` outlives the call.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FS_IOC_GETFLAGS, &raw mut flags) };
    Errno::result(result).map(|_| flags)
}

/// Sets them all. `EPERM` without CAP_LINUX_IMMUTABLE where the immutable one is to change.
pub(crate) fn set_attributes(fd: BorrowedFd<'_>, flags: c_int) -> Result<()> {
    // SAFETY: the kernel reads an int, whatever the number's own size says, and `flags` outlives the call.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FS_IOC_SETFLAGS, &raw const flags) };
    Errno::result(result).map(drop)
}

/// Runs `work` in a forked process, which exits with the status that it returns, with 101 when it panics.
pub(crate) fn fork_into(work: impl FnOnce() -> i32) -> Result<Pid> {
    // SAFETY: the caller's process has one thread, as `Probe::start` demands, so no lock is held by a thread
    // that the child lacks; and should there be more threads, glibc itself hands over its allocator's.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let status = catch_unwind(AssertUnwindSafe(work)).unwrap_or(101);
            // SAFETY: ends the process at once. Destructors and exit handlers are the parent's to run: here
            // they would flush its buffers a second time.
            unsafe { libc::_exit(status) }
        }
    }
}

/// A number that is another one in each process that a fork made of the first that asked. No system call, unlike the
/// process id, which glibc no longer remembers since 2.25.
pub(crate) fn lineage() -> u32 {
    static FORKS: AtomicU32 = AtomicU32::new(0);
    static COUNTED: OnceLock<bool> = OnceLock::new();
    extern "C" fn count() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the handler only adds to an atomic, which is allowed after a fork in any state, and it stays where it
    // is: this code is linked into the program, or into a plugin that is never unloaded (`nodelete`).
    let counted = *COUNTED.get_or_init(|| unsafe { libc::pthread_atfork(None, None, Some(count)) } == 0);
    if counted { FORKS.load(Ordering::Relaxed) } else { std::process::id() }
}

/// Has this process told of children that end, and has them wait for it to take note.
pub(crate) fn default_sigchld() -> Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default action runs no code of this program.
    unsafe { sigaction(Signal::SIGCHLD, &default) }.map(drop)
}

/// Kills the process behind a descriptor of [`pidfd_open`] (5.1); `ESRCH` once it was reaped, never another one.
pub(crate) fn pidfd_kill(process: BorrowedFd<'_>) -> Result<()> {
    let (signal, nothing) = (libc::SIGKILL, std::ptr::null::<libc::siginfo_t>());
    // SAFETY: takes numbers and a pointer, which may be null: the kernel fills in who sent the signal then.
    let result =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, nothing, 0) };
    Errno::result(result).map(drop)
}

/// A descriptor that is readable once a child process has ended (5.3).
pub(crate) fn pidfd_open(process: Pid) -> Result<OwnedFd> {
    // SAFETY: takes two numbers and no pointer.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, process.as_raw(), 0) };
    let fd = RawFd::try_from(Errno::result(fd)?).map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: the kernel has just returned this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Closes those of the descriptors, from 3 on, that this process was started with.
///
/// They are told by lacking close-on-exec, which everything that Rust opens has.
pub(crate) fn close_inherited(descriptors: &[RawFd]) {
    for fd in descriptors.iter().copied().filter(|fd| *fd > 2) {
        // SAFETY: asks for the flags of a number, which is an error when no file is open by it.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        if flags != -1 && flags & libc::FD_CLOEXEC == 0 {
            // SAFETY: without close-on-exec it was inherited, so no value of this program owns it.
            unsafe { libc::close(fd) };
        }
    }
}
