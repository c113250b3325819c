//! The rule of the first Dovecot that had one, written from its description.
//!
//! At each question all mounts of the system are read and each is asked for its device with `stat`; what is asked
//! about is permitted when the device of the nearest existing directory is that of the deepest mount that encloses
//! it by name.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Whether that rule finds the path on the mount that it should be on.
pub(crate) fn is_permitted(path: &Path) -> bool {
    let table = fs::read_to_string("/proc/self/mounts").expect("the mount table");
    let mut deepest: Option<(PathBuf, u64)> = None;
    for line in table.lines() {
        let mountpoint = PathBuf::from(line.split(' ').nth(1).unwrap_or_default());
        // Each and every one, whether it has to do with the path or not.
        let Ok(found) = fs::metadata(&mountpoint) else { continue };
        let is_deeper =
            deepest.as_ref().is_none_or(|(other, _)| mountpoint.as_os_str().len() >= other.as_os_str().len());
        if path.starts_with(&mountpoint) && is_deeper {
            deepest = Some((mountpoint, found.dev()));
        }
    }
    let existing = path.ancestors().find_map(|path| fs::metadata(path).ok());
    existing.zip(deepest).is_some_and(|(existing, (_, device))| existing.dev() == device)
}
