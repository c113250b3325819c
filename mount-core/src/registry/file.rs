//! One registry file: read whole, replaced whole.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content::{Content, raw_line_at, raw_lines};
use super::format::{Header, Lines};
use super::pieces::Pieces;
use super::{Document, Listing, Pattern, Source};
use crate::error::{Error, ErrorKind, quoted};
use crate::root::Root;

/// Largest registry that is read, in bytes: some 500,000 mountpoints.
pub const SIZE_MAX: u64 = 64 << 20;

/// Which version of which file was seen. Another one means that the registry is to be read again.
///
/// A file is only ever replaced, so another version has another inode or another change time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// There was no file.
    Absent,
    /// There was one.
    File {
        /// Device and inode number.
        id: (u64, u64),
        /// Size in bytes.
        size: u64,
        /// Modification time: seconds, nanoseconds.
        modified: (i64, i64),
        /// Change time, which nobody can set back: seconds, nanoseconds.
        changed: (i64, i64),
    },
}

impl Stamp {
    /// The stamp of what is at `path` now, by one statx.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] or [`ErrorKind::Permission`] when that cannot be told.
    pub(super) fn of(root: &Root, path: &Path) -> Result<Self, Error> {
        match root.metadata(path) {
            Ok(metadata) => Ok(Self::from_metadata(&metadata)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                absent(root, path).map(|()| Stamp::Absent)
            }
            Err(cause) => Err(Error::syscall("statx", path, cause)),
        }
    }

    /// Whether both are of a file that was not written to in between. It may have been renamed, which counts as its last
    /// change.
    pub(super) fn is_of_the_same_bytes(self, other: Self) -> bool {
        let bytes = |stamp| match stamp {
            Stamp::Absent => None,
            Stamp::File { id, size, modified, .. } => Some((id, size, modified)),
        };
        bytes(self) == bytes(other)
    }

    pub(super) fn from_metadata(metadata: &Metadata) -> Self {
        Stamp::File {
            id: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A registry file as it was at one instant.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) path: PathBuf,
    /// Shared with the documents made of it.
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) stamp: Stamp,
    pub(super) header: Header,
}

impl Snapshot {
    /// The file it is of.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What [`super::Store::stamp`] returns as long as this is the registry in force.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// What its first line says.
    #[must_use]
    pub fn header(&self) -> Header {
        self.header
    }

    /// Its lines, borrowed.
    #[must_use]
    pub fn lines(&self) -> Lines<'_> {
        Lines::after(self.header, &self.bytes)
    }

    /// What the line says that begins there.
    pub(crate) fn content_at(&self, at: u32) -> Content<'_> {
        self.header.content(raw_line_at(&self.bytes, at))
    }

    /// Its list, to change or to keep.
    #[must_use]
    pub fn document(&self) -> Document {
        Document::after(self.header, &self.bytes)
    }
}

impl Listing for Snapshot {
    fn lines(&self) -> impl Iterator<Item = (u32, &[u8])> {
        raw_lines(&self.bytes, self.header.body)
    }

    /// A line whose state is no word of ours is about its path, since somebody meant that to be guarded.
    fn pattern_at(&self, at: u32) -> Option<Pattern<'_>> {
        match self.content_at(at) {
            Content::Registered(entry) => Some(entry.pattern),
            Content::Forgotten(pattern) => Some(pattern),
            Content::Unreadable { pattern, .. } => pattern,
            Content::Remark => None,
        }
    }
}

/// New bytes for a file, under another name until [`Replacement::publish`].
pub(super) struct Replacement<'a> {
    path: &'a Path,
    old: Option<&'a Source>,
    new: File,
}

impl<'a> Replacement<'a> {
    /// Writes `new` beside `path`, which holds `old`. Dropped unpublished, it leaves nothing behind.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] when `path` is a symbolic link: a rename would replace the link and leave
    /// the file it leads to as it was. [`ErrorKind::Io`] and [`ErrorKind::Permission`] otherwise.
    pub(super) fn stage(path: &'a Path, old: Option<&'a Source>, new: &Pieces<'_>) -> Result<Self, Error> {
        if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
            let text = format!("registry {} is a symbolic link; change the file it leads to", quoted(path));
            return Err(Error::new(ErrorKind::Data, text));
        }
        let new = write(&temporary(path), new).inspect_err(|_| remove_temporary(path))?;
        Ok(Replacement { path, old, new })
    }

    /// What the new version will be known by, but for the time of its last change.
    pub(super) fn stamp(&self) -> Result<Stamp, Error> {
        let metadata = self.new.metadata().map_err(|cause| Error::syscall("statx", self.path, cause))?;
        Ok(Stamp::from_metadata(&metadata))
    }

    /// Waits until the new bytes are on disk.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], for a disk that is full as well.
    pub(super) fn settle(&self) -> Result<(), Error> {
        self.new.sync_all().map_err(|cause| Error::syscall("fsync", &temporary(self.path), cause))
    }

    /// Puts the new bytes, once they have settled, in place, durably.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] or [`ErrorKind::Permission`]; the old bytes are in place then, unless the
    /// text says that they could not be put back.
    pub(super) fn publish(&self) -> Result<(), Error> {
        let temporary = temporary(self.path);
        fs::rename(&temporary, self.path).map_err(|cause| Error::syscall("rename", &temporary, cause))?;
        sync_directory(self.path).map_err(|cause| self.put_back(cause))
    }

    /// Undoes a publication because of `cause`, and returns what is to be reported.
    pub(super) fn put_back(&self, cause: Error) -> Error {
        match self.restore_old() {
            Ok(()) => cause,
            Err(second) => cause.context(format!(
                "registry {} has the new list though it may not last, the old one could not be put back ({})",
                quoted(self.path),
                second.chain()
            )),
        }
    }

    fn restore_old(&self) -> Result<(), Error> {
        let Some(old) = self.old else {
            return fs::remove_file(self.path).map_err(|cause| Error::syscall("unlink", self.path, cause));
        };
        let temporary = temporary(self.path);
        // Its file is still open, though it has no name any more.
        let written = write(&temporary, &old.whole()?.bytes().into())?;
        written.sync_all().map_err(|cause| Error::syscall("fsync", &temporary, cause))?;
        fs::rename(&temporary, self.path).map_err(|cause| Error::syscall("rename", &temporary, cause))
    }
}

impl Drop for Replacement<'_> {
    fn drop(&mut self) {
        remove_temporary(self.path);
    }
}

fn remove_temporary(path: &Path) {
    let _ = fs::remove_file(temporary(path));
}

/// One name is enough, as writers hold the lock; what a killed one left is found and removed by it.
fn temporary(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}

fn write(path: &Path, bytes: &Pieces<'_>) -> Result<File, Error> {
    let file = create(path)?;
    bytes.write_to(&file).map_err(|cause| Error::syscall("write", path, cause))?;
    Ok(file)
}

/// An empty file in the place of whatever has that name.
pub(super) fn create(path: &Path) -> Result<File, Error> {
    let failed = |operation| move |cause: io::Error| Error::syscall(operation, path, cause);
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(failed("unlink")(cause)),
        _ => {}
    }
    let file =
        OpenOptions::new().write(true).create_new(true).mode(0o644).open(path).map_err(failed("open"))?;
    // Mail processes of other users read it, whatever the umask of the writer.
    file.set_permissions(fs::Permissions::from_mode(0o644)).map_err(failed("fchmod"))?;
    Ok(file)
}

fn sync_directory(path: &Path) -> Result<(), Error> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|cause| Error::syscall("fsync", directory, cause))
}

/// Confirms that no registry was meant to be at `path`: not even a symbolic link that leads nowhere.
pub(super) fn absent(root: &Root, path: &Path) -> Result<(), Error> {
    match root.symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(Error::syscall("statx", path, cause)),
        // Made since: a moment ago there was none, and that is a true answer.
        Ok(metadata) if !metadata.is_symlink() => Ok(()),
        Ok(_) => {
            let text = format!("registry {} leads nowhere; bring back what it leads to", quoted(path));
            Err(Error::new(ErrorKind::DamagedRegistry, text))
        }
    }
}
