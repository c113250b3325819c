//! The walk along a path: where it really leads, what exists of it, and in which mount it ends.
//!
//! The guard must never wait for a filesystem, and a path walk is where waiting happens: each component is
//! looked up in the filesystem before it. So a component is asked for uncached only where the filesystem it
//! lies in is a local one; elsewhere the kernel's cache answers or nobody does, and the rest of the path is
//! taken as it is written.

use std::borrow::Cow;
use std::cell::RefCell;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::rc::Rc;

use hashbrown::HashMap;
use nix::errno::Errno;

use crate::kernel::Kernel;
use crate::path;
use crate::root::Root;
use crate::sys::{self, At, IdKind, Looked};
use crate::table::MountTable;

/// The kernel's own limit of symlinks in one path.
const MAX_SYMLINKS: usize = 40;

/// More filesystem types than this remembered by mount id, and the memory starts anew: unique ids never come
/// again, so that a host which mounts all day would fill it.
const MAX_REMEMBERED: usize = 1024;

/// Why a walk ended where it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The whole path exists.
    Found,
    /// The next component doesn't exist.
    Missing,
    /// The next component could only be had by asking a filesystem that may not answer.
    Unanswered,
    /// The next component can't be had: `EACCES`, `EIO`, `ENOTCONN`, `ENOTDIR`, `ELOOP`.
    Failed(Errno),
    /// The root directory of this process is not where it was when it became that, so that nobody knows what a path
    /// leads to. Only in a chroot.
    Displaced,
}

/// Where a path leads.
#[derive(Debug)]
pub(crate) struct Walk<'p> {
    /// The path without symlinks, `.` and `..`, as far as it could be found out; the rest as written.
    pub real: Cow<'p, [u8]>,
    /// The deepest part of `real` that exists, or the [`Landmark`] before something missing, open as `O_PATH`.
    pub fd: OwnedFd,
    /// The length of that part; 0 when a `..` behind something missing leads out of it again.
    pub reach: usize,
    /// `statx` of it.
    pub looked: Looked,
    pub stop: Stop,
    /// What the walk passed besides what is on `real`: the symlinks it followed, each with what was left to walk, since
    /// a mountpoint may be registered by a name that leads through one, and the directories that a `..` led out of.
    pub detours: Vec<Vec<u8>>,
}

impl<'p> Walk<'p> {
    /// A walk that is known to end at an open file.
    pub(crate) fn ended_at(real: &'p [u8], fd: OwnedFd, looked: Looked) -> Self {
        let (real, reach) = (Cow::Borrowed(real), real.len());
        Walk { real, fd, reach, looked, stop: Stop::Found, detours: Vec::new() }
    }

    pub(crate) fn into_owned(self) -> Walk<'static> {
        let Walk { real, fd, reach, looked, stop, detours } = self;
        Walk { real: Cow::Owned(real.into_owned()), fd, reach, looked, stop, detours }
    }
}

/// Walks paths. Remembers which mounts are local.
pub(crate) struct Walker {
    pub(crate) kernel: Kernel,
    /// What `/` is.
    pub(crate) root: Root,
    local: RefCell<HashMap<u64, bool>>,
}

/// A place reached on a walk.
struct Place {
    real: Vec<u8>,
    fd: OwnedFd,
    looked: Looked,
}

impl Place {
    fn below(&self, component: &[u8]) -> Vec<u8> {
        let mut real = self.real.clone();
        path::push(&mut real, component);
        real
    }
}

/// How far the cache led along a path.
struct Leap {
    /// Where in the path it ends.
    end: usize,
    fd: OwnedFd,
    looked: Looked,
    /// Why not more of it could be had.
    hindrance: Option<Errno>,
}

impl Leap {
    /// Whether something beyond doesn't exist.
    fn is_missing(&self) -> bool {
        self.hindrance == Some(Errno::ENOENT)
    }
}

/// A place, and the components that are left from there, the next one last.
struct Course {
    place: Place,
    steps: Vec<Vec<u8>>,
    /// Whether the next one is known not to exist.
    missing: bool,
}

impl Course {
    /// The path that lies ahead once a symlink says where it leads.
    fn onward(&self, target: &[u8]) -> Vec<u8> {
        let mut onward = if target.first() == Some(&b'/') { b"/".to_vec() } else { self.place.real.clone() };
        let target = path::components(target).filter(|component| *component != b".");
        for component in target.chain(self.steps()) {
            path::push(&mut onward, component);
        }
        onward
    }

    /// The name of what lies ahead behind a symlink, as far as it is one: a `..` leads out of where the symlink leads to.
    fn name(&self, symlink: &[u8]) -> Vec<u8> {
        let mut name = self.place.below(symlink);
        self.steps().take_while(|step| *step != b"..").for_each(|step| path::push(&mut name, step));
        name
    }

    fn steps(&self) -> impl Iterator<Item = &[u8]> {
        self.steps.iter().rev().map(Vec::as_slice)
    }
}

/// The length of the beginning of a clean path that has no `..` in it, `/` at least.
fn plain_length(path: &[u8]) -> usize {
    let is_up =
        |at: &usize| path[*at] == b'/' && matches!(path[at + 1..], [b'.', b'.'] | [b'.', b'.', b'/', ..]);
    (0..path.len()).find(is_up).map_or(path.len(), |at| at.max(1))
}

/// A path of which the rest could not be walked: taken as it is written.
fn as_written(mut real: Vec<u8>, steps: Vec<Vec<u8>>, detours: &mut Vec<Vec<u8>>) -> Vec<u8> {
    for component in steps.into_iter().rev() {
        match component.as_slice() {
            b".." => {
                detours.push(real.clone());
                path::pop(&mut real);
            }
            component => path::push(&mut real, component),
        }
    }
    real
}

/// The mount table, read at most once for each change of it, and only when somebody asks.
pub(crate) type TableSource<'a> = &'a dyn Fn() -> Option<Rc<MountTable>>;

/// For who wants to know only in which mount a path lies, and not what of it exists: the length of the part that tells,
/// if there is one. Asked for when the path is not to be had as a whole.
pub(crate) type Landmark<'a> = Option<&'a dyn Fn() -> Option<usize>>;

impl Walker {
    pub(crate) fn new(kernel: Kernel, root: Root) -> Self {
        Walker { kernel, root, local: RefCell::default() }
    }

    /// Walks a clean path. `table` stands in for `statmount` where the kernel lacks it.
    ///
    /// # Errors
    /// Only when not even `/` can be opened.
    pub(crate) fn walk<'p>(
        &self,
        path: &'p [u8],
        landmark: Landmark<'_>,
        table: TableSource<'_>,
    ) -> Result<Walk<'p>, Errno> {
        let plain = plain_length(path);
        let mut leap = self.leap(&path[..plain], landmark);
        if landmark.is_some() {
            leap = leap.map(|leap| self.beyond(leap, &path[..plain]));
        }
        let settled = |leap: &Leap| plain == path.len() && (leap.is_missing() || leap.end == plain);
        match leap {
            Some(leap) if settled(&leap) => {
                let stop = if leap.is_missing() { Stop::Missing } else { Stop::Found };
                let Leap { fd, looked, end, .. } = leap;
                Ok(Walk { real: Cow::Borrowed(path), fd, reach: end, looked, stop, detours: Vec::new() })
            }
            leap => self.by_component(self.course(path, leap)?, table),
        }
    }

    /// Goes as far as the cache leads along a path without `..`, in two calls when all of it is there: no symlink on
    /// the way, nothing to be asked of a filesystem. What stands in the way at the end costs one call more for each
    /// component from there on, or one for all from the landmark on.
    fn leap(&self, path: &[u8], mut landmark: Landmark<'_>) -> Option<Leap> {
        if !self.kernel.openat2 {
            return None;
        }
        let resolve = libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS | libc::RESOLVE_CACHED;
        let mut existing = path;
        let mut hindrance = None;
        loop {
            let (at, way) = self.root.at(existing);
            match sys::openat2(at, way, libc::O_PATH, 0, resolve) {
                Ok(fd) => {
                    let looked = sys::look_fd(fd.as_fd(), self.kernel.id).ok()?;
                    return Some(Leap { end: existing.len(), fd, looked, hindrance });
                }
                Err(errno) if existing.len() > 1 => {
                    hindrance = Some(errno);
                    // Any other may be a symlink, which leads to another landmark.
                    let is_on_the_way = matches!(errno, Errno::ENOENT | Errno::EAGAIN);
                    let end = landmark.take().filter(|_| is_on_the_way).and_then(|find| find());
                    existing = match end {
                        Some(end) if end < existing.len() => &existing[..end],
                        _ => path::parent(existing),
                    };
                }
                Err(_) => return None,
            }
        }
    }

    /// Goes on, from where the cache led to, in a filesystem that can be asked: in one call when no symlink and no other
    /// mount is in the way. A tmpfs for one has all its names in the cache but none that doesn't exist.
    fn beyond(&self, leap: Leap, path: &[u8]) -> Leap {
        let rest = &path[leap.end..];
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        let is_local = |id| self.kernel.statmount && self.is_local_mount(id);
        if leap.hindrance != Some(Errno::EAGAIN) || !leap.looked.mount_id.is_some_and(is_local) {
            return leap;
        }
        let resolve = libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS | libc::RESOLVE_NO_XDEV;
        match sys::openat2(At::Dir(leap.fd.as_fd()), rest, libc::O_PATH, 0, resolve) {
            Ok(fd) => match sys::look_fd(fd.as_fd(), self.kernel.id) {
                Ok(looked) => Leap { end: path.len(), fd, looked, hindrance: None },
                Err(_) => leap,
            },
            Err(errno) => Leap { hindrance: Some(errno), ..leap },
        }
    }

    /// What is left to do after a leap along a path.
    fn course(&self, path: &[u8], leap: Option<Leap>) -> Result<Course, Errno> {
        let (place, missing) = match leap {
            Some(leap) => {
                let missing = leap.is_missing();
                let Leap { end, fd, looked, .. } = leap;
                (Place { real: path[..end].to_vec(), fd, looked }, missing)
            }
            None => (self.root()?, false),
        };
        let steps = path::components(&path[place.real.len()..]).rev().map(<[u8]>::to_vec).collect();
        Ok(Course { place, steps, missing })
    }

    fn by_component(&self, mut course: Course, table: TableSource<'_>) -> Result<Walk<'static>, Errno> {
        let mut detours = Vec::new();
        let mut symlinks = 0;
        let stop = loop {
            if course.missing {
                break Stop::Missing;
            }
            let Some(component) = course.steps.pop() else {
                break Stop::Found;
            };
            let next = match self.step(&course.place, &component, table) {
                Ok(next) if next.looked.is_symlink() => {
                    symlinks += 1;
                    self.follow(&course.place, &next, symlinks, table).map(Next::Symlink)
                }
                other => other.map(Next::Place),
            };
            match next {
                Ok(Next::Place(next)) => {
                    let left = std::mem::replace(&mut course.place, next);
                    if component == b".." {
                        detours.push(left.real);
                    }
                }
                Ok(Next::Symlink(target)) => {
                    let onward = course.onward(&target);
                    let leap = self.leap(&onward[..plain_length(&onward)], None);
                    detours.push(course.name(&component));
                    course = self.course(&onward, leap)?;
                }
                Err(why) => {
                    course.steps.push(component);
                    break why;
                }
            }
        };
        let Course { place: Place { real, fd, looked }, steps, .. } = course;
        let leads_out = steps.iter().any(|step| step == b"..");
        let reach = if leads_out { 0 } else { real.len() };
        let real = Cow::Owned(as_written(real, steps, &mut detours));
        Ok(Walk { real, fd, reach, looked, stop, detours })
    }

    fn root(&self) -> Result<Place, Errno> {
        let fd = self.open_root()?;
        let looked = sys::look_fd(fd.as_fd(), self.kernel.id)?;
        Ok(Place { real: b"/".to_vec(), fd, looked })
    }

    /// The root directory.
    pub(crate) fn open_root(&self) -> Result<OwnedFd, Errno> {
        let (at, way) = self.root.at(b"/");
        sys::openat(at, way, libc::O_PATH | libc::O_DIRECTORY)
    }

    /// One component on, without following it if it is a symlink and without triggering it if it is an automount.
    fn step(&self, from: &Place, component: &[u8], table: TableSource<'_>) -> Result<Place, Stop> {
        let fd = self.open_component(from, component, table).map_err(|errno| match errno {
            Errno::ENOENT => Stop::Missing,
            Errno::EAGAIN => Stop::Unanswered,
            errno => Stop::Failed(errno),
        })?;
        let looked = sys::look_fd(fd.as_fd(), self.kernel.id).map_err(Stop::Failed)?;
        let real = if component == b".." { path::parent(&from.real).to_vec() } else { from.below(component) };
        Ok(Place { real, fd, looked })
    }

    fn open_component(
        &self,
        from: &Place,
        component: &[u8],
        table: TableSource<'_>,
    ) -> Result<OwnedFd, Errno> {
        let at = At::Dir(from.fd.as_fd());
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        if self.may_ask(from, table) {
            sys::openat(at, component, flags)
        } else if self.kernel.openat2 {
            sys::openat2(at, component, flags, 0, libc::RESOLVE_CACHED)
        } else {
            Err(Errno::EAGAIN)
        }
    }

    /// What a symlink says. Read only where its filesystem can be asked: there is no cached way to read one.
    fn follow(
        &self,
        from: &Place,
        link: &Place,
        count: usize,
        table: TableSource<'_>,
    ) -> Result<Vec<u8>, Stop> {
        if count > MAX_SYMLINKS {
            return Err(Stop::Failed(Errno::ELOOP));
        }
        if !self.may_ask(from, table) {
            return Err(Stop::Unanswered);
        }
        let target = nix::fcntl::readlinkat(&link.fd, "").map_err(Stop::Failed)?;
        Ok(target.into_vec())
    }

    /// Whether the filesystem at a place is one that answers without a server or a user's process behind it.
    fn may_ask(&self, place: &Place, table: TableSource<'_>) -> bool {
        match place.looked.mount_id {
            Some(id) if self.kernel.statmount => self.is_local_mount(id),
            // The table's own ids, which also hold where its paths are not those that are walked.
            Some(id) if self.kernel.id == IdKind::Reused => table()
                .and_then(|table| table.by_id(u32::try_from(id).ok()?).map(|mount| is_local(&mount.fs_type)))
                .unwrap_or(false),
            _ => table()
                .and_then(|table| table.locate(&place.real).map(|found| is_local(&found.mount.fs_type)))
                .unwrap_or(false),
        }
    }

    /// Whether all that a mount is mounted on is local, so that no walk to its mountpoint can block.
    pub(crate) fn is_reached_locally(&self, mount: u64, parent: u64) -> bool {
        let (mut below, mut id) = (mount, parent);
        loop {
            match sys::mounted_on(id) {
                Ok((fs_type, _)) if !is_local(&fs_type) => return false,
                Ok((_, parent)) if parent == id || parent == 0 => return true,
                Ok((_, parent)) => (below, id) = (id, parent),
                // What the root is mounted on is in no namespace, and told to the privileged only; no walk passes it.
                Err(_) => return self.is_own_root(below),
            }
        }
    }

    fn is_own_root(&self, mount: u64) -> bool {
        let (at, way) = self.root.at(b"/");
        sys::look(at, way, self.kernel.id).is_ok_and(|root| root.mount_id == Some(mount))
    }

    fn is_local_mount(&self, id: u64) -> bool {
        if let Some(local) = self.local.borrow().get(&id) {
            return *local;
        }
        let Ok((fs_type, _)) = sys::mounted_on(id) else {
            return false;
        };
        let local = is_local(&fs_type);
        let mut remembered = self.local.borrow_mut();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(id, local);
        local
    }
}

enum Next {
    Place(Place),
    Symlink(Vec<u8>),
}

/// Filesystem types that answer a look-up by themselves.
///
/// A list of the local ones rather than of the remote: a type nobody has thought of is treated as one that may
/// hang, which costs a cached answer instead of a stuck mail process.
pub(crate) fn is_local(fs_type: &[u8]) -> bool {
    const LOCAL: &[&[u8]] = &[
        b"bcachefs",
        b"btrfs",
        b"cgroup",
        b"cgroup2",
        b"devtmpfs",
        b"erofs",
        b"exfat",
        b"ext2",
        b"ext3",
        b"ext4",
        b"f2fs",
        b"hugetlbfs",
        b"iso9660",
        b"jfs",
        b"nilfs2",
        b"ntfs3",
        b"overlay",
        b"proc",
        b"ramfs",
        b"reiserfs",
        b"rootfs",
        b"squashfs",
        b"sysfs",
        b"tmpfs",
        b"udf",
        b"vfat",
        b"xfs",
        b"zfs",
    ];
    LOCAL.contains(&fs_type)
}
