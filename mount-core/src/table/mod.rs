//! The mount table: the kernel's own list of what is mounted where, and the walk through it.
//!
//! Mounts form a tree by parent id. Whether a path is the root of a mount is answered by walking that tree
//! along the path, never by looking for a line with that path: a line may belong to a mount that a later one
//! covers, and lines stand in order of creation, not of stacking.

mod open;
mod parse;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Error, ErrorKind};
pub use open::OpenTable;
pub use parse::Mount;

/// How often a table that came out torn is read again before it is taken as it is.
const READS: usize = 4;

/// One reading of a mount table.
#[derive(Debug, Clone, Default)]
pub struct MountTable {
    mounts: Vec<Mount>,
    /// Mounts by (id of the parent, mountpoint): what a walk looks up at each component.
    children: HashMap<(u32, Vec<u8>), usize>,
    by_id: HashMap<u32, usize>,
    /// The id that mounts directly below the root name as their parent; the root itself may not be listed.
    base: Base,
}

/// What a walk starts in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Base {
    /// The mount at `/` that no other listed mount lies beneath.
    Listed(usize),
    /// The root of the reader is not a mountpoint (a chroot into a plain directory): mounts whose parent is
    /// not listed hang off it.
    #[default]
    Unlisted,
}

impl MountTable {
    /// Reads the table of this process.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when `/proc` is not mounted or cannot be read.
    pub fn of_self() -> Result<Self, Error> {
        Self::from_file(Path::new("/proc/self/mountinfo"))
    }

    /// Reads the table of another process: its mount namespace, as seen from its root directory.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when there is no such process, [`ErrorKind::Permission`] when it may not be looked at.
    pub fn of_process(pid: u32) -> Result<Self, Error> {
        Self::from_file(Path::new(&format!("/proc/{pid}/mountinfo")))
    }

    /// Reads a table from a file, a recorded one for example.
    ///
    /// The kernel hands out `/proc/*/mountinfo` in pieces, and a mount between two of them can drop or repeat
    /// lines; so the file is read until two readings agree, four times at most.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] or [`ErrorKind::Permission`] when the file cannot be read, [`ErrorKind::Data`] with
    /// the line number when a line is not one of a mount table.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        Self::from_readings(path, || fs::read(path))
    }

    /// The same from what reads the file; the path is for errors.
    pub(crate) fn from_readings(path: &Path, read: impl Fn() -> io::Result<Vec<u8>>) -> Result<Self, Error> {
        let read = || read().map_err(|cause| Error::syscall("read mount table", path, cause));
        let mut bytes = read()?;
        for _ in 1..READS {
            let again = read()?;
            if again == bytes {
                break;
            }
            bytes = again;
        }
        Self::parse(&bytes).map_err(|error| error.context(format!("mount table {path:?}")))
    }

    /// Understands the bytes of a mountinfo file.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] naming the first line that is not one of a mount table. A table of which only a part
    /// is understood would call the rest unmounted.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut mounts = Vec::new();
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let mount = Mount::parse(line)
                .ok_or_else(|| Error::new(ErrorKind::Data, format!("line {} is not a mount", number + 1)))?;
            mounts.push(mount);
        }
        Ok(Self::index(mounts))
    }

    fn index(mounts: Vec<Mount>) -> Self {
        let by_id: HashMap<u32, usize> =
            mounts.iter().enumerate().map(|(at, mount)| (mount.id, at)).collect();
        let children = mounts
            .iter()
            .enumerate()
            .filter(|(_, mount)| mount.id != mount.parent)
            .map(|(at, mount)| ((mount.parent, mount.mountpoint.clone()), at))
            .collect();
        let is_base = |mount: &Mount| {
            mount.mountpoint == b"/" && (mount.parent == mount.id || !by_id.contains_key(&mount.parent))
        };
        let base = mounts.iter().position(is_base).map_or(Base::Unlisted, Base::Listed);
        MountTable { mounts, children, by_id, base }
    }

    /// All mounts, in the kernel's order.
    #[must_use]
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// The mount with an id of this table.
    #[must_use]
    pub fn by_id(&self, id: u32) -> Option<&Mount> {
        self.by_id.get(&id).and_then(|at| self.mounts.get(*at))
    }

    /// The mount that a path lies in, and whether the path is that mount's root.
    ///
    /// The path is taken as it is: absolute, without symlinks, `.` or `..`. `None` when the path lies in a root
    /// that the table doesn't list.
    #[must_use]
    pub fn locate(&self, path: &[u8]) -> Option<Located<'_>> {
        let mut here = match self.base {
            Base::Listed(at) => Some(self.topmost(at, b"/")),
            Base::Unlisted => self.orphan(b"/"),
        };
        let mut at_root = path == b"/" || path.is_empty();
        for end in crate::path::prefix_ends(path) {
            let prefix = &path[..end];
            let found = match here {
                Some(at) => self.children.get(&(self.mounts[at].id, prefix.to_vec())).copied(),
                None => self.orphan(prefix),
            };
            if let Some(child) = found {
                here = Some(self.topmost(child, prefix));
            }
            at_root = found.is_some() && end == path.len();
        }
        here.map(|at| Located { mount: &self.mounts[at], is_root: at_root })
    }

    /// The mount on top of the stack that begins with `at`.
    fn topmost(&self, mut at: usize, mountpoint: &[u8]) -> usize {
        // A hostile table can close a circle of parents; a stack is never deeper than the table is long.
        for _ in 0..self.mounts.len() {
            match self.children.get(&(self.mounts[at].id, mountpoint.to_vec())) {
                Some(next) if *next != at => at = *next,
                _ => break,
            }
        }
        at
    }

    /// A mount at `path` whose parent is not listed: one that hangs off an unlisted root.
    fn orphan(&self, path: &[u8]) -> Option<usize> {
        self.mounts
            .iter()
            .position(|mount| mount.mountpoint == path && !self.by_id.contains_key(&mount.parent))
    }
}

/// Where a path lies in a mount table.
#[derive(Debug, Clone, Copy)]
pub struct Located<'table> {
    /// The mount the path lies in.
    pub mount: &'table Mount,
    /// Whether the path is the root of that mount.
    pub is_root: bool,
}

#[cfg(test)]
mod tests;
