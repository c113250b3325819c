//! A mount table that stays open.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::MountTable;
use crate::error::Error;

/// How much is read at a time.
const CHUNK: usize = 64 << 10;

/// An open mountinfo: it goes on listing what it would have listed when it was opened, with the mount namespace and the
/// root directory of that time, whatever its reader's are by now.
///
/// For a process that changes to another root or namespace, where `/proc` may not be mounted, or not be its own. Holds a
/// descriptor, which is closed on exec.
#[derive(Debug, Clone)]
pub struct OpenTable {
    file: Arc<File>,
    /// For errors.
    path: PathBuf,
}

impl OpenTable {
    /// That of this process.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when `/proc` is not mounted.
    pub fn of_self() -> Result<OpenTable, Error> {
        OpenTable::open("/proc/self/mountinfo".into())
    }

    /// That of another process.
    ///
    /// # Errors
    /// As [`MountTable::of_process`].
    pub fn of_process(pid: u32) -> Result<OpenTable, Error> {
        OpenTable::open(format!("/proc/{pid}/mountinfo").into())
    }

    fn open(path: PathBuf) -> Result<OpenTable, Error> {
        let file = File::open(&path).map_err(|cause| Error::syscall("open", &path, cause))?;
        Ok(OpenTable { file: Arc::new(file), path })
    }

    /// # Errors
    /// As [`MountTable::of_self`].
    pub(crate) fn read(&self) -> Result<MountTable, Error> {
        MountTable::from_readings(&self.path, || read_all(&self.file))
    }

    /// The open file, for its notice of changes.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// The whole file, whatever was read of it before.
fn read_all(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let had = bytes.len();
        bytes.resize(had + CHUNK, 0);
        let count = match file.read_at(&mut bytes[had..], had as u64) {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => 0,
            Ok(0) => {
                bytes.truncate(had);
                return Ok(bytes);
            }
            other => other?,
        };
        bytes.truncate(had + count);
    }
}
