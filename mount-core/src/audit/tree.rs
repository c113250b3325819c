//! The tree of a bare directory.

use std::os::fd::{AsFd, BorrowedFd};

use nix::dir::{Dir, Type};
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, SFlag, fstatat};

use super::open_beneath;
use crate::path;

/// One thing in it.
pub(super) struct Found<'a> {
    /// The directory that it lies in.
    pub directory: BorrowedFd<'a>,
    /// Path of that directory, relative to the bare one, which itself is `.`.
    pub directory_path: &'a [u8],
    pub name: &'a [u8],
    pub is_directory: bool,
    /// `None` when even that cannot be had.
    pub stat: Option<&'a FileStat>,
}

impl Found<'_> {
    pub(super) fn path(&self) -> Vec<u8> {
        join(self.directory_path, self.name)
    }

    pub(super) fn is_regular(&self) -> bool {
        self.stat.is_some_and(|stat| kind_of(stat) == SFlag::S_IFREG)
    }
}

/// Visits everything at any depth; returns how many directories could not be read.
///
/// By paths relative to the top rather than by descending: no number of open files limits the depth then.
pub(super) fn walk(bare: BorrowedFd<'_>, visit: &mut dyn FnMut(&Found<'_>)) -> u64 {
    let mut unread = 0;
    let mut directories = vec![b".".to_vec()];
    while let Some(directory) = directories.pop() {
        let Ok(mut entries) = open_beneath(bare, &directory).and_then(Dir::from_fd) else {
            unread += 1;
            continue;
        };
        let mut names = Vec::new();
        for entry in entries.iter().flatten() {
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push((name.to_vec(), entry.file_type()));
            }
        }
        for (name, kind) in names {
            let stat = fstatat(&entries, name.as_slice(), AtFlags::AT_SYMLINK_NOFOLLOW).ok();
            let is_directory =
                kind == Some(Type::Directory) || stat.as_ref().map(kind_of) == Some(SFlag::S_IFDIR);
            visit(&Found {
                directory: entries.as_fd(),
                directory_path: &directory,
                name: &name,
                is_directory,
                stat: stat.as_ref(),
            });
            if is_directory {
                directories.push(join(&directory, &name));
            }
        }
    }
    unread
}

/// A relative path; `.` is left out.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory == b"." {
        return name.to_vec();
    }
    let mut path = directory.to_vec();
    path::push(&mut path, name);
    path
}

/// The directory that a relative path lies in; `.` for the top.
pub(super) fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(b".", |cut| &path[..cut])
}

/// The last component of a relative path.
pub(super) fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

fn kind_of(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT)
}
