//! The proof that a check was made, and the handle through which directories are created.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{Gid, Uid, fchown};

use crate::detect::{Detector, Observation};
use crate::epoch::Epoch;
use crate::error::{Error, ErrorKind, path_buf};
use crate::lookup::Index;
use crate::memory::Known;
use crate::operation::Operation;
use crate::path;
use crate::refusal::{Cause, Refusal};
use crate::sys::{self, At};

/// Proof that an operation was permitted on the paths it was asked for.
///
/// Holds a directory of every mount it relies on open (`O_PATH`): a plain `umount` answers `EBUSY` as long as it
/// lives, so it is for one operation, never for a session. After a lazy unmount, what is created through it goes to
/// the detached filesystem, never into the bare directory.
///
/// Only [`Mounts::authorize`](crate::Mounts::authorize) makes one.
pub struct Permit {
    operation: Operation,
    pub(crate) pins: Vec<Pin>,
    targets: Vec<Target>,
    detector: Rc<Detector>,
    index: Rc<Index>,
    epoch: Epoch,
}

/// A mountpoint that the permit relies on.
pub(crate) struct Pin {
    pub known: Rc<Known>,
    pub observation: Rc<Observation>,
    /// Its root; `None` where the start of a target keeps the mount busy.
    pub root: Option<Rc<OwnedFd>>,
}

impl Pin {
    /// Where it really is.
    pub(crate) fn mountpoint(&self) -> &[u8] {
        self.observation.mountpoint(&self.known.mountpoint)
    }
}

/// A path that was asked for.
pub(crate) struct Target {
    /// As asked, lexically clean.
    pub asked: Vec<u8>,
    /// Where it really leads; `None` for right there.
    pub real: Option<Vec<u8>>,
    /// Where what is created below it starts from; `None` where it relies on no registered mountpoint.
    pub start: Option<Start>,
}

/// A directory, known to lie in the mount that was judged, on the way that a target really leads.
pub(crate) struct Start {
    pub fd: Rc<OwnedFd>,
    /// The length of the way up to it.
    pub reach: usize,
}

/// Permission bits and owner of what is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, exactly: the umask plays no part.
    pub mode: u32,
    /// User and group; `None` leaves those of the process.
    pub owner: Option<(Uid, Gid)>,
}

impl Attributes {
    /// These permission bits, owned by whoever creates.
    #[must_use]
    pub fn mode(mode: u32) -> Self {
        Attributes { mode, owner: None }
    }

    /// The same, owned by somebody else.
    #[must_use]
    pub fn owned_by(self, user: Uid, group: Gid) -> Self {
        Attributes { owner: Some((user, group)), ..self }
    }
}

/// Nobody else can enter what has not got its owner and mode yet.
const PRIVATE: Mode = Mode::S_IRWXU;

impl Permit {
    /// One that speaks of no path yet, with room for so many.
    pub(crate) fn new(
        operation: Operation,
        detector: Rc<Detector>,
        index: Rc<Index>,
        epoch: Epoch,
        paths: usize,
    ) -> Self {
        let (pins, targets) = (Vec::with_capacity(paths), Vec::with_capacity(paths));
        Permit { operation, pins, targets, detector, index, epoch }
    }

    /// Speaks of a path as well, which relies on the pins from the `first` on; several may rely on the same mount.
    pub(crate) fn add(&mut self, target: Target, first: usize) {
        for at in (first..self.pins.len()).rev() {
            let (others, pin) = (&self.pins[..at], &self.pins[at]);
            let is_same = |other: &Pin| Rc::ptr_eq(&other.observation, &pin.observation);
            if pin.root.is_none() && others.iter().any(is_same) {
                self.pins.remove(at);
            }
        }
        self.targets.push(target);
    }

    /// What was permitted.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The epoch that all paths were judged in, see [`Mounts::epoch`](crate::Mounts::epoch): while it lasts, what
    /// was mounted still is.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The mountpoints this permit holds.
    pub fn mountpoints(&self) -> impl Iterator<Item = &Path> {
        self.pins.iter().map(|pin| Path::new(OsStr::from_bytes(&pin.known.mountpoint)))
    }

    /// Creates a directory and its missing parents; each new one gets the attributes, existing ones stay as they
    /// are. Two that create the same at once both succeed.
    ///
    /// The path must be one that was asked for, or lie below one, with no registered mountpoint on the way from there. It is
    /// walked from what of it existed when it was judged, without following symlinks.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a path outside of what was asked for; as [`Mounts::open`](crate::Mounts::open) for a
    /// registry whose rest turns out to be damaged; [`ErrorKind::Io`] or [`ErrorKind::Permission`] with
    /// the path that could not be created, also when what existed of it has been removed meanwhile.
    pub fn create_dir_all(&self, path: &Path, attributes: &Attributes) -> Result<(), Error> {
        let directory = self.open_beneath(path, Some(attributes))?;
        let fail = |errno: Errno| Error::syscall("create directory", path, errno);
        match fstat(&directory).map_err(fail)?.st_nlink {
            0 => Err(fail(Errno::ENOENT)),
            _ => Ok(()),
        }
    }

    /// Creates a file in a directory that exists; `None` when there is a file of that name already, which stays
    /// as it is.
    ///
    /// # Errors
    /// As [`Permit::create_dir_all`]; also [`ErrorKind::Io`] when the directory is missing.
    pub fn create_file(&self, path: &Path, attributes: &Attributes) -> Result<Option<File>, Error> {
        let fail = |errno: Errno| Error::syscall("create file", path, errno);
        let clean = path::clean(path)?;
        let name = path::components(&clean).next_back().ok_or_else(|| fail(Errno::EISDIR))?;
        let directory = self.open_beneath(&path_buf(path::parent(&clean)), None)?;
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = match nix::fcntl::openat(&directory, name, flags, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(fd) => fd,
            Err(Errno::EEXIST) => return Ok(None),
            Err(errno) => return Err(fail(errno)),
        };
        let file = File::from(fd);
        apply(&file, attributes).map_err(|cause| Error::syscall("set owner and mode of", path, cause))?;
        Ok(Some(file))
    }

    /// Whether the mount table has not changed since the permit was given; one `poll`. Then all mounts are still where
    /// they were, unless a directory above one was renamed, which [`Permit::verify`] sees. `false` says nothing.
    #[must_use]
    pub fn is_undisturbed(&self) -> bool {
        self.detector.notices_changes() && self.epoch.table() == self.detector.generation()
    }

    /// Confirms that all mounts are still where they were when the permit was given. What was done by path
    /// meanwhile is done for certain only then.
    ///
    /// The way to each is walked as by the work itself, so that with a mountpoint that lies within a network or FUSE
    /// filesystem it waits as long as that one doesn't answer. Nothing else waits.
    ///
    /// # Errors
    /// [`Cause::Vanished`] when one was unmounted or covered meanwhile, [`Cause::Displaced`] when what this process has
    /// changed its root to was.
    pub fn verify(&self) -> Result<(), Refusal> {
        let is_there =
            |pin: &&Pin| self.detector.confirms(&pin.known.mountpoint, pin.root.as_deref(), &pin.observation);
        let asked = || self.targets.first().map_or_else(PathBuf::new, |target| path_buf(&target.asked));
        if let Some(pin) = self.pins.iter().rev().find(|pin| !is_there(pin)) {
            let mountpoint = path_buf(&pin.known.mountpoint);
            return Err(Refusal::new(self.operation, &asked(), Some(mountpoint), Cause::Vanished));
        }
        // Where nothing is relied on, it doesn't matter where the paths lead.
        match self.detector.displaced().filter(|_| !self.pins.is_empty()) {
            None => Ok(()),
            Some(chroot) => Err(Refusal::new(self.operation, &asked(), None, Cause::Displaced(chroot))),
        }
    }

    /// Opens a directory beneath the start of its target, creating what is missing when told how.
    fn open_beneath(&self, path: &Path, create: Option<&Attributes>) -> Result<Rc<OwnedFd>, Error> {
        let (mut directory, below) = self.resolve(path)?;
        let fail = |errno: Errno| Error::syscall("open directory", path, errno);
        for component in path::components(&below) {
            let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
            let found = sys::openat(At::Dir(directory.as_fd()), component, flags);
            let next = match (found, create) {
                (Err(Errno::ENOENT), Some(attributes)) => {
                    make_directory(&directory, component, attributes)
                        .map_err(|cause| Error::syscall("create directory", path, cause))?
                }
                (found, _) => found.map_err(fail)?,
            };
            directory = Rc::new(next);
        }
        Ok(directory)
    }

    /// Where to start, and the way from there.
    fn resolve(&self, path: &Path) -> Result<(Rc<OwnedFd>, Vec<u8>), Error> {
        let clean = path::clean(path)?;
        let within = |target: &&Target| path::is_within(&clean, &target.asked);
        let target = self.targets.iter().filter(within).max_by_key(|target| target.asked.len());
        let target = target.filter(|_| path::components(&clean).all(|component| component != b".."));
        let target = target.ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("permit does not speak of {path:?}: ask for it first"))
        })?;
        let mut real = target.real.as_ref().unwrap_or(&target.asked).clone();
        let below = &clean[target.asked.len()..];
        for component in path::components(below) {
            path::push(&mut real, component);
        }
        let name = self.detector.outer_path(&path_buf(&clean));
        for name in [name.as_os_str().as_bytes(), &real] {
            if self.index.has_mountpoint_beyond(name, name.len() - below.len())? {
                let text = format!(
                    "permit does not speak of the mountpoint that {path:?} lies in: ask for it first"
                );
                return Err(Error::new(ErrorKind::Usage, text));
            }
        }
        match &target.start {
            Some(start) => Ok((Rc::clone(&start.fd), real.split_off(start.reach))),
            None => {
                let root = self
                    .detector
                    .outer()
                    .open_root()
                    .map_err(|cause| Error::syscall("open directory", path, cause))?;
                Ok((Rc::new(root), real))
            }
        }
    }
}

fn make_directory(parent: &OwnedFd, name: &[u8], attributes: &Attributes) -> std::io::Result<OwnedFd> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    match nix::sys::stat::mkdirat(parent, name, PRIVATE) {
        Ok(()) => {
            let created = File::from(sys::openat(At::Dir(parent.as_fd()), name, flags)?);
            apply(&created, attributes)?;
            Ok(created.into())
        }
        Err(Errno::EEXIST) => {
            let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
            Ok(sys::openat(At::Dir(parent.as_fd()), name, flags)?)
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Owner first: a mode that lets others in is set only once the owner is right.
fn apply(created: &File, attributes: &Attributes) -> std::io::Result<()> {
    if let Some((user, group)) = attributes.owner {
        fchown(created, Some(user), Some(group))?;
    }
    created.set_permissions(Permissions::from_mode(attributes.mode))
}
