//! The one place that asks mount-core.

use std::path::{Path, PathBuf};

use mount_core::{Cause, Directories, Error, ErrorKind, Mounts, Operation, Refusal, State, WhenMissing};

pub(crate) use mount_core::Permit;

/// Why something may not go on.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The path that was asked about.
    pub(crate) path: PathBuf,
    /// The mountpoint that refuses it; empty when the registry or the question is to blame.
    pub(crate) mountpoint: PathBuf,
    /// What tells one outage of the mountpoint from the next.
    pub(crate) reason: &'static str,
    /// The state of that mountpoint.
    pub(crate) state: Option<State>,
    /// Mountpoint, state and remedy in one line.
    pub(crate) line: String,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused {
            path: refusal.path().to_owned(),
            mountpoint: refusal.mountpoint().unwrap_or(Path::new("")).to_owned(),
            reason: reason(refusal.cause()),
            state: refusal.state(),
            line: refusal.to_string(),
        }
    }
}

fn reason(cause: &Cause) -> &'static str {
    match cause {
        Cause::State(state) => state.as_str(),
        Cause::Presence(presence) => presence.as_str(),
        // The same outage as seen a moment later.
        Cause::Vanished => "not-mounted",
        Cause::ReadOnly => "read-only",
        Cause::Registry(_) => "registry",
        _ => "path",
    }
}

/// Where a registry is, and what it means when there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) state_dir: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) required: bool,
}

/// A registry as one process sees it, looked at once a turn of the event loop.
pub(crate) struct Judge {
    source: Result<Source, String>,
    mounts: Option<Mounts>,
    looked: Option<u64>,
}

impl Judge {
    /// A judge that has not looked yet. Settings that mean nothing refuse everything.
    pub(crate) fn new(source: Result<Source, String>) -> Judge {
        Judge { source, mounts: None, looked: None }
    }

    /// The registered mountpoints, after a look at the registry when this turn has not had one.
    fn mounts(&mut self, turn: u64) -> Result<&Mounts, Error> {
        let source = self.source.as_ref().map_err(|text| Error::new(ErrorKind::Usage, text))?;
        if let Some(mounts) = self.mounts.take() {
            if self.looked != Some(turn) {
                // On an error the registry is opened afresh the next time, however soon that is.
                mounts.refresh()?;
            }
            self.looked = Some(turn);
            return Ok(self.mounts.insert(mounts));
        }
        let directories = Directories { state: source.state_dir.clone(), run: source.run_dir.clone() };
        let missing = if source.required { WhenMissing::Refuse } else { WhenMissing::NothingRegistered };
        let mounts = Mounts::open(&directories, missing)?;
        self.looked = Some(turn);
        Ok(self.mounts.insert(mounts))
    }

    /// Whether every path may be used for the operation.
    pub(crate) fn verdict(
        &mut self,
        turn: u64,
        operation: Operation,
        paths: &[&Path],
    ) -> Result<(), Refused> {
        let mounts = self.mounts(turn).map_err(|error| no_registry(operation, error))?;
        for path in paths {
            mounts.verdict(operation, path)?;
        }
        Ok(())
    }

    /// The same, holding the mounts until the permit is dropped.
    pub(crate) fn authorize(
        &mut self,
        turn: u64,
        operation: Operation,
        paths: &[&Path],
    ) -> Result<Permit, Refused> {
        let mounts = self.mounts(turn).map_err(|error| no_registry(operation, error))?;
        Ok(mounts.authorize(operation, paths)?)
    }
}

/// Without a registry nobody knows what ought to be mounted; no single path is to blame.
fn no_registry(operation: Operation, error: Error) -> Refused {
    Refusal::registry(operation, Path::new(""), error).into()
}
