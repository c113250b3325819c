//! Looking from inside of a chroot: paths are walked from the root directory that the process has, as the kernel walks
//! them for it, once that root was seen to be where it ought to be.

use std::cell::RefCell;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::{Changes, Detector, Eyes, Method};
use crate::chroot::Outside;
use crate::error::{Error, ErrorKind, path_buf};
use crate::kernel::Kernel;
use crate::path;
use crate::root::Root;
use crate::sys::{self, At, IdKind};
use crate::table::MountTable;
use crate::walk::{Landmark, Stop, Walk, Walker};

/// A changed root directory.
pub(super) struct Inside {
    /// By which name the process changed to it.
    chroot: Vec<u8>,
    /// Walks from the root directory outside.
    pub(super) outer: Walker,
}

impl Inside {
    /// # Errors
    /// [`ErrorKind::Data`] for a name that is not an absolute path, [`ErrorKind::Io`] for a kernel before Linux 5.8:
    /// from inside only a mount id tells whether the root directory is still where it was.
    pub(super) fn new(kernel: Kernel, outside: &Outside, chroot: &Path) -> Result<Self, Error> {
        if kernel.id == IdKind::None || outside.root().metadata(Path::new("/")).is_err() {
            let text = format!("judge from inside of the chroot {chroot:?}: needs Linux 5.8 or later");
            return Err(Error::new(ErrorKind::Io, text));
        }
        let outer = Walker::new(kernel, outside.root().clone());
        Ok(Inside { chroot: path::clean(chroot)?.into_owned(), outer })
    }
}

impl Detector {
    /// Looks at it from inside of a chroot, by what was opened before and the name that it was changed to.
    ///
    /// # Errors
    /// As [`Inside::new`].
    pub(crate) fn in_chroot(outside: &Outside, chroot: &Path) -> Result<Self, Error> {
        let kernel = Kernel::probe();
        let id = if kernel.id == IdKind::None { IdKind::None } else { IdKind::Reused };
        let kernel = Kernel { id, statmount: false, ..kernel };
        let inside = Inside::new(kernel, outside, chroot)?;
        let changes = Changes::new(outside.root().clone());
        Ok(Detector {
            walker: Walker::new(kernel, Root::Own),
            inside: Some(inside),
            method: Method::MountId,
            eyes: Eyes::Live { changes, open: Some(outside.table().clone()), table: RefCell::default() },
        })
    }

    /// Walks a path as this process does, and says where it leads by the names that mountpoints have.
    ///
    /// A landmark is named as mountpoints are, which helps no walk inside of a chroot.
    pub(crate) fn walk<'p>(&self, path: &'p [u8], landmark: Landmark<'_>) -> Result<Walk<'p>, Errno> {
        match &self.inside {
            None => self.walk_outside(path, landmark),
            Some(inside) => self.walk_inside(inside, path),
        }
    }

    /// The walker for paths that are named as mountpoints are.
    pub(crate) fn outer(&self) -> &Walker {
        self.inside.as_ref().map_or(&self.walker, |inside| &inside.outer)
    }

    /// Walks a path from the root directory of this process.
    ///
    /// A session may have locked itself into a bare directory that a filesystem covers by now, or be left behind in one
    /// that was unmounted. There every path leads to something else than outside; such a walk ends before it begins.
    fn walk_inside(&self, inside: &Inside, path: &[u8]) -> Result<Walk<'static>, Errno> {
        let mut root = self.walk_outside(&inside.chroot, None)?;
        for detour in &mut root.detours {
            *detour = joined(detour, path);
        }
        if !self.is_own_root(&root) {
            let real = joined(&root.real, path).into();
            return Ok(Walk { real, stop: Stop::Displaced, ..root.into_owned() });
        }
        let walk = self.walker.walk(path, None, &|| self.table().ok())?;
        Ok(seen_from_outside(walk, root))
    }

    /// Whether a walk from outside ended in the root directory of this process: the same directory of the same mount,
    /// so that what is mounted inside is seen from here as from there. A mount that was detached keeps its id.
    ///
    /// Where it cannot be walked, since parents are closed to the user of the process for example, the mount decides.
    fn is_own_root(&self, walk: &Walk<'_>) -> bool {
        let Ok(own) = sys::look(At::Cwd, b"/", self.walker.kernel.id) else { return false };
        let Some(mount) = own.mount_id else { return false };
        match walk.stop {
            Stop::Found => (walk.looked.mount_id, walk.looked.ino) == (Some(mount), own.ino),
            Stop::Unanswered | Stop::Failed(_) => {
                self.is_listed(&walk.real, mount) || {
                    self.forget_table();
                    self.is_listed(&walk.real, mount)
                }
            }
            Stop::Missing | Stop::Displaced => false,
        }
    }

    /// Whether a path lies in that mount, by a mount table that may be torn.
    fn is_listed(&self, path: &[u8], mount: u64) -> bool {
        let is_it =
            |table: &MountTable| table.locate(path).is_some_and(|found| u64::from(found.mount.id) == mount);
        self.table().is_ok_and(|table| is_it(&table))
    }

    /// By which name this process changed its root, when that no longer leads to the root it has.
    pub(crate) fn displaced(&self) -> Option<PathBuf> {
        let inside = self.inside.as_ref()?;
        let root = self.walk_outside(&inside.chroot, None);
        let is_there = root.is_ok_and(|root| self.is_own_root(&root));
        (!is_there).then(|| self.chroot())
    }

    /// The name that a path of this process has outside.
    pub(crate) fn outer_path(&self, path: &Path) -> PathBuf {
        match &self.inside {
            None => path.to_owned(),
            Some(inside) => path_buf(&joined(&inside.chroot, path.as_os_str().as_bytes())),
        }
    }

    /// Whether this process has changed its root.
    pub(crate) fn is_inside(&self) -> bool {
        self.inside.is_some()
    }

    /// By which name this process changed its root; `/` when it didn't.
    pub(crate) fn chroot(&self) -> PathBuf {
        self.inside.as_ref().map_or_else(|| PathBuf::from("/"), |inside| path_buf(&inside.chroot))
    }
}

/// A walk that began inside, by the names that its places have outside; `root` is the walk to the root directory.
fn seen_from_outside(inside: Walk<'_>, root: Walk<'_>) -> Walk<'static> {
    let outer = |inner: &[u8]| joined(&root.real, inner);
    let reach = if inside.reach == 0 { 0 } else { outer(&inside.real[..inside.reach]).len() };
    let mut detours = root.detours;
    detours.extend(inside.detours.iter().map(|inner| outer(inner)));
    let real = outer(&inside.real).into();
    Walk { real, reach, detours, fd: inside.fd, looked: inside.looked, stop: inside.stop }
}

/// The name outside of what is called so inside, up to a `..`, which leads out of where a symlink leads to.
fn joined(root: &[u8], inner: &[u8]) -> Vec<u8> {
    let mut outer = root.to_vec();
    let plain = path::components(inner).take_while(|component| *component != b"..");
    plain.for_each(|component| path::push(&mut outer, component));
    outer
}
