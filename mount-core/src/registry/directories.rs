//! Where the two registry files lie.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, quoted};

/// The directories of the persistent and of the runtime registry.
///
/// Neither is ever created here: a missing state directory may be a filesystem that is not mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// Survives a boot; holds the persistent file and the writers' lock.
    pub state: PathBuf,
    /// Empty after a boot; holds the runtime file.
    pub run: PathBuf,
}

impl Directories {
    /// `MOUNTGUARD_STATE_DIR` and `MOUNTGUARD_RUN_DIR`, where set and not empty, else the defaults.
    #[must_use]
    pub fn from_env() -> Self {
        let Directories { state, run } = Directories::default();
        Directories {
            state: directory_from(env::var_os("MOUNTGUARD_STATE_DIR").as_deref(), state),
            run: directory_from(env::var_os("MOUNTGUARD_RUN_DIR").as_deref(), run),
        }
    }

    /// Whether there are two: each of the files would be written over by the other.
    pub(super) fn must_differ(&self) -> Result<(), Error> {
        let place = |directory: &Path| directory.metadata().ok().map(|found| (found.dev(), found.ino()));
        let state = place(&self.state);
        if state.is_none() || state != place(&self.run) {
            return Ok(());
        }
        let text = format!(
            "{} and {} are one directory, but the state directory and the run directory must be two; name another \
             with --state-dir or --run-dir",
            quoted(&self.state),
            quoted(&self.run)
        );
        Err(Error::new(ErrorKind::Usage, text))
    }

    /// The file that is the truth.
    #[must_use]
    pub fn persistent(&self) -> PathBuf {
        self.state.join("mounts")
    }

    /// The file that guards read.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.run.join("mounts")
    }

    /// The file that tells where the lines of a long runtime file are. It may be missing.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        self.run.join("mounts-index")
    }

    /// The file that writers lock. It is never removed, so that all of them lock the same one.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.state.join("mounts.lock")
    }
}

impl Default for Directories {
    /// Dovecot's own: `/var/lib/dovecot` and `/run/dovecot`.
    fn default() -> Self {
        Directories { state: "/var/lib/dovecot".into(), run: "/run/dovecot".into() }
    }
}

fn directory_from(variable: Option<&OsStr>, default: PathBuf) -> PathBuf {
    match variable {
        Some(value) if !value.is_empty() => value.into(),
        _ => default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_variable_leaves_the_default() {
        assert_eq!(directory_from(None, "/a".into()), PathBuf::from("/a"));
        assert_eq!(directory_from(Some(OsStr::new("")), "/a".into()), PathBuf::from("/a"));
        assert_eq!(directory_from(Some(OsStr::new("/b")), "/a".into()), PathBuf::from("/b"));
    }
}
