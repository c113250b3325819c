//! Moves stray mails out from underneath, so that at every instant each of them is where it was, or where it is to
//! be, or in both places.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, PosixFadviseAdvice, RenameFlags, posix_fadvise, renameat2};
use nix::sys::stat::{FileStat, Mode, fchmod, fstat, fstatat, futimens, mkdirat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fsync, unlinkat};

use super::mail::{MailKind, is_companion, is_of_store, outermost, recognise, store_of};
use super::seal::{is_immutable, set_immutable};
use super::tree::{self, join, name, parent};
use super::{open_bare, open_beneath, open_file, refused};
use crate::error::{Error, ErrorKind, path_buf};
use crate::path;
use crate::sys::{self, At, IdKind};

/// The name that a file has until all of it is there. One is enough: files are copied one by one.
const UNFINISHED: &[u8] = b".mountguard-unfinished";

/// What was moved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rescued {
    /// By store.
    pub stores: Vec<RescuedStore>,
    /// Files underneath that are no mail, and were left where they are.
    pub left: u64,
}

/// Mails of one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RescuedStore {
    /// Its kind.
    pub kind: MailKind,
    /// Where it lies now: a directory, or a file for an INBOX in a spool.
    pub path: PathBuf,
    /// Where it lay, relative to the mountpoint.
    pub was: PathBuf,
    /// Files with mails in them.
    pub mails: u64,
}

/// Moves the mails found underneath a mountpoint into `directory`, below which they keep their whole path.
///
/// A mail is removed only after its copy was written to disk and compared with it byte for byte. Owner, mode and time
/// of modification stay. Begun anew after an interruption, it goes on.
///
/// Waits for the filesystems on both sides. The path must be free of symlinks. To be called while no mail process can
/// write underneath: while the filesystem is mounted, or its mountpoint `offline`.
///
/// # Errors
/// [`ErrorKind::Permission`] without root's privileges; [`ErrorKind::Data`] when there is no directory underneath, or a
/// file of that name but with another content is in `directory` already; [`ErrorKind::Temporary`] when something was
/// mounted there meanwhile; [`ErrorKind::Io`]. Mails that were not yet moved are where they were.
pub fn rescue(mountpoint: &Path, directory: &Path) -> Result<Rescued, Error> {
    let fail = |operation| move |errno: Errno| Error::syscall(operation, mountpoint, errno);
    let clean = path::clean(mountpoint)?;
    let seen = sys::look(At::Cwd, &clean, IdKind::None);
    let bare = open_bare(&clean, seen).map_err(|(operation, errno)| refused(mountpoint, operation, errno))?;
    let bare = open_beneath(bare.as_fd(), b".").map_err(fail("open"))?;
    let plan = Plan::of(bare.as_fd());
    if plan.stores.is_empty() && plan.directories.is_empty() {
        return Ok(plan.report(directory));
    }
    let target = Target::open(directory, &clean)?;
    // Nothing can be taken out of an immutable directory either.
    let sealed = is_immutable(bare.as_fd());
    if sealed {
        set_immutable(bare.as_fd(), false).map_err(fail("chattr -i"))?;
    }
    let moved = plan.carry_out(bare.as_fd(), &target);
    plan.clear(bare.as_fd());
    if sealed {
        set_immutable(bare.as_fd(), true).map_err(fail("chattr +i"))?;
    }
    moved.map_err(|error| error.context(format!("rescue what lies underneath {mountpoint:?}")))?;
    Ok(plan.report(&directory.join(path_buf(&clean[1..]))))
}

/// What lies underneath, and what of it is to be moved.
#[derive(Default)]
struct Plan {
    /// Root and kind of each store, and how many files with mails it has.
    stores: BTreeMap<(Vec<u8>, MailKind), u64>,
    /// Names by the directory that they lie in.
    files: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    /// Directories that make a store, whether there is still something in them or not.
    directories: Vec<Vec<u8>>,
    left: u64,
}

impl Plan {
    fn of(bare: BorrowedFd<'_>) -> Plan {
        let (mut mails, mut companions, mut plan) = (Vec::new(), Vec::new(), Plan::default());
        tree::walk(bare, &mut |found| match recognise(found) {
            Some(kind) => mails.push((kind, found.path())),
            None if found.is_regular() && is_companion(found.name) => companions.push(found.path()),
            None if found.is_directory && is_of_store(found.name) => plan.directories.push(found.path()),
            None if found.is_directory => {}
            None => plan.left += 1,
        });
        let of_kind = |kind| {
            let roots =
                mails.iter().filter(|(other, _)| *other == kind).map(|(_, path)| store_of(kind, path));
            roots.collect::<BTreeSet<_>>()
        };
        let kinds = [MailKind::Maildir, MailKind::Sdbox, MailKind::Mdbox, MailKind::Mbox];
        let roots: BTreeMap<_, _> = kinds.into_iter().map(|kind| (kind, of_kind(kind))).collect();
        for (kind, path) in &mails {
            let root = outermost(&store_of(*kind, path), &roots[kind]);
            *plan.stores.entry((root, *kind)).or_default() += 1;
            plan.add(path);
        }
        for path in &companions {
            if plan.is_in_store(path) {
                plan.add(path);
            } else {
                plan.left += 1;
            }
        }
        plan
    }

    fn is_in_store(&self, path: &[u8]) -> bool {
        self.stores.keys().any(|(root, _)| root == b"." || path::is_within(path, root))
    }

    fn add(&mut self, path: &[u8]) {
        self.files.entry(parent(path).to_vec()).or_default().push(name(path).to_vec());
    }

    fn carry_out(&self, bare: BorrowedFd<'_>, target: &Target) -> Result<(), Error> {
        // Without its directories, mdbox's rebuild finds no mailbox to put the mails back into.
        for directory in self.directories.iter().filter(|directory| self.is_in_store(directory)) {
            target.make(bare, directory).map_err(|cause| at(target.path(directory), cause))?;
        }
        for (directory, names) in &self.files {
            self.move_directory(bare, target, directory, names)
                .map_err(|(name, cause)| at(target.path(&join(directory, &name)), cause))?;
        }
        Ok(())
    }

    /// All files of one directory: first all copies to disk, then their names, and only then are they removed.
    fn move_directory(
        &self,
        bare: BorrowedFd<'_>,
        target: &Target,
        directory: &[u8],
        names: &[Vec<u8>],
    ) -> Result<(), (Vec<u8>, io::Error)> {
        let nameless = |errno: Errno| (Vec::new(), errno.into());
        let from = open_beneath(bare, directory).map_err(nameless)?;
        let to = target.make(bare, directory).map_err(|cause| (Vec::new(), cause))?;
        let mut copied = Vec::new();
        for name in names {
            let stat = copy(from.as_fd(), to.as_fd(), name).map_err(|cause| (name.clone(), cause))?;
            copied.push((name, stat));
        }
        fsync(&to).map_err(nameless)?;
        for (name, stat) in copied {
            let now = fstatat(&from, name.as_slice(), AtFlags::AT_SYMLINK_NOFOLLOW)
                .map_err(|errno| (name.clone(), errno.into()))?;
            if !is_same(&stat, &now) {
                return Err((name.clone(), io::Error::other("it was changed while it was copied")));
            }
            unlinkat(&from, name.as_slice(), UnlinkatFlags::NoRemoveDir)
                .map_err(|errno| (name.clone(), errno.into()))?;
        }
        fsync(&from).map_err(nameless)
    }

    /// Removes what has become empty, the deepest first.
    fn clear(&self, bare: BorrowedFd<'_>) {
        let mut directories: Vec<_> = self.files.keys().chain(&self.directories).collect();
        directories.sort();
        for directory in directories.into_iter().rev() {
            remove_if_empty(bare, directory);
        }
    }

    fn report(self, base: &Path) -> Rescued {
        let stores = self.stores.into_iter().map(|((root, kind), mails)| {
            let was = if root == b"." { PathBuf::new() } else { path_buf(&root) };
            RescuedStore { kind, path: base.join(&was), was, mails }
        });
        Rescued { stores: stores.collect(), left: self.left }
    }
}

/// Where the mails go.
struct Target {
    base: OwnedFd,
    base_path: PathBuf,
}

impl Target {
    fn open(directory: &Path, mountpoint: &[u8]) -> Result<Target, Error> {
        let fail = |cause: io::Error| Error::syscall("open", directory, cause);
        let mut base = OwnedFd::from(File::open(directory).map_err(fail)?);
        for component in path::components(mountpoint) {
            base = make_directory(base.as_fd(), component, 0o755).map_err(fail)?;
        }
        Ok(Target { base, base_path: directory.join(path_buf(&mountpoint[1..])) })
    }

    fn path(&self, relative: &[u8]) -> PathBuf {
        self.base_path.join(path_buf(relative))
    }

    /// A directory with those above it, each with the owner and the mode that it has underneath.
    ///
    /// Whoever they belong to can put something else in the place of what is in them; so files are given away and
    /// removed by descriptors only, and no symlink is followed.
    fn make(&self, bare: BorrowedFd<'_>, relative: &[u8]) -> io::Result<OwnedFd> {
        let mut here = self.base.try_clone()?;
        let mut path = b".".to_vec();
        for component in path::components(relative).filter(|component| *component != b".") {
            here = make_directory(here.as_fd(), component, 0o700)?;
            path = join(&path, component);
            // Also when it is there: an interruption may have come in between.
            let stat = open_beneath(bare, &path).and_then(fstat)?;
            fchown(&here, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
            fchmod(&here, Mode::from_bits_truncate(stat.st_mode & 0o777))?;
        }
        Ok(here)
    }
}

/// Makes a directory, durably, if it isn't there, and opens it. Follows no symlink that somebody put in its place.
fn make_directory(above: BorrowedFd<'_>, name: &[u8], mode: u32) -> io::Result<OwnedFd> {
    match mkdirat(above, name, Mode::from_bits_truncate(mode)) {
        Ok(()) => fsync(above)?,
        Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(sys::openat(At::Dir(above), name, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW)?)
}

/// Copies a file to disk and gives it its name once the copy is known to be right; returns what it was like.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &[u8]) -> io::Result<FileStat> {
    let mut source = File::from(open_file(from, name)?);
    let stat = fstat(&source)?;
    match open_file(to, name) {
        Ok(there) if is_equal(&mut source, &mut File::from(there.try_clone()?))? => {
            fsync(&there)?;
            return Ok(stat);
        }
        Ok(_) => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there already, with another content"));
        }
        Err(Errno::ENOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    match unlinkat(to, UNFINISHED, UnlinkatFlags::NoRemoveDir) {
        Err(errno) if errno != Errno::ENOENT => return Err(errno.into()),
        _ => {}
    }
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let mut copy = File::from(sys::openat2(At::Dir(to), UNFINISHED, flags, 0o600, libc::RESOLVE_BENEATH)?);
    io::copy(&mut source, &mut copy)?;
    fchown(&copy, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    fchmod(&copy, Mode::from_bits_truncate(stat.st_mode & 0o777))?;
    let modified = TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec);
    futimens(&copy, &modified, &modified)?;
    copy.sync_all()?;
    // What is compared is to come from the disk, not from memory.
    let _ = posix_fadvise(&copy, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    if !is_equal(&mut source, &mut copy)? {
        return Err(io::Error::other("the copy is not equal to it"));
    }
    renameat2(to, UNFINISHED, to, name, RenameFlags::RENAME_NOREPLACE)?;
    Ok(stat)
}

/// Compares two files from their beginning to their end.
fn is_equal(one: &mut File, other: &mut File) -> io::Result<bool> {
    one.rewind()?;
    other.rewind()?;
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let length = one.read(&mut left)?;
        if length == 0 {
            let more = other.read(&mut right)?;
            one.rewind()?;
            return Ok(more == 0);
        }
        match other.read_exact(&mut right[..length]) {
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
                one.rewind()?;
                return Ok(false);
            }
            outcome => outcome?,
        }
        if left[..length] != right[..length] {
            one.rewind()?;
            return Ok(false);
        }
    }
}

fn is_same(before: &FileStat, now: &FileStat) -> bool {
    let identity = |stat: &FileStat| (stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    identity(before) == identity(now)
}

/// Removes a directory of a mail store, and those above it, as far as they are empty.
fn remove_if_empty(bare: BorrowedFd<'_>, directory: &[u8]) {
    let remove = |path: &[u8]| {
        let above = open_beneath(bare, parent(path))?;
        unlinkat(&above, name(path), UnlinkatFlags::RemoveDir)
    };
    let mut here = directory;
    while here != b"." && remove(here).is_ok() {
        here = parent(here);
    }
}

fn at(path: PathBuf, cause: io::Error) -> Error {
    let exists = cause.kind() == io::ErrorKind::AlreadyExists;
    let error = Error::syscall("write", &path, cause);
    if exists { error.with_kind(ErrorKind::Data) } else { error }
}
