//! The one place that asks mount-core for verdicts and permits.

use std::path::{Path, PathBuf};

use mount_core::{Cause, Directories, Error, ErrorKind, Mounts, Operation, Refusal, State, WhenMissing};

use crate::permitted::Permitted;
use crate::told::Told;

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
    permitted: Permitted,
    told: Told,
}

/// How a question is to be answered.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// Hold the mounts while it goes on.
    pub(crate) pin: bool,
    /// A precaution: nothing is refused yet, so there is nothing to log.
    pub(crate) quiet: bool,
    /// Look at the mount table, though it was looked at in this turn: what was permitted still is when it is the same.
    pub(crate) now: bool,
}

impl Judge {
    /// A judge that has not looked yet. Settings that mean nothing refuse everything.
    pub(crate) fn new(source: Result<Source, String>) -> Judge {
        Judge { source, mounts: None, looked: None, permitted: Permitted::default(), told: Told::default() }
    }

    /// The registered mountpoints and what of them was permitted, after a look at the registry and at the mount table
    /// when this turn has not had one.
    fn mounts(&mut self, turn: u64) -> Result<(&Mounts, &mut Permitted), Error> {
        let source = self.source.as_ref().map_err(|text| Error::new(ErrorKind::Usage, text))?;
        if let Some(mounts) = self.mounts.take() {
            if self.looked != Some(turn) {
                // On an error the registry is opened afresh the next time, however soon that is.
                mounts.refresh()?;
                self.permitted.enter(mounts.epoch());
            }
            self.looked = Some(turn);
            return Ok((self.mounts.insert(mounts), &mut self.permitted));
        }
        let directories = Directories { state: source.state_dir.clone(), run: source.run_dir.clone() };
        let missing = if source.required { WhenMissing::Refuse } else { WhenMissing::NothingRegistered };
        let mounts = Mounts::open(&directories, missing)?;
        // An epoch of other mounts means nothing to these.
        (self.permitted, self.told) = (Permitted::default(), Told::default());
        self.permitted.enter(mounts.epoch());
        self.looked = Some(turn);
        Ok((self.mounts.insert(mounts), &mut self.permitted))
    }

    /// Whether nothing is registered, so that there is nothing to ask about.
    pub(crate) fn is_idle(&mut self, turn: u64) -> bool {
        self.mounts(turn).is_ok_and(|(mounts, _)| mounts.is_empty())
    }

    /// Tells root that a store lies in this directory, unless there is no registry to go by.
    pub(crate) fn tell(&mut self, turn: u64, path: &Path) {
        if self.mounts(turn).is_ok()
            && let (Ok(source), Some(mounts)) = (&self.source, &self.mounts)
        {
            self.told.enter(self.permitted.epoch(), &source.run_dir);
            self.told.tell(mounts, path);
        }
    }

    /// Whether every path may be used for the operation.
    ///
    /// What makes, moves or deletes is judged afresh. A permit to read, not to take a precaution, or to go on with what
    /// is pinned holds as long as the registry and the mount table stay the same, see [`Permitted`].
    pub(crate) fn verdict(
        &mut self,
        turn: u64,
        operation: Operation,
        paths: &[&Path],
        manner: Manner,
    ) -> Result<(), Refused> {
        let (mounts, permitted) = self.mounts(turn).map_err(|error| no_registry(operation, error))?;
        if manner.now {
            permitted.enter(mounts.epoch());
        }
        let holds = manner.quiet || manner.now || !operation.writes();
        for path in paths {
            if !(holds && permitted.has(operation, path)) {
                mounts.verdict(operation, path)?;
                permitted.add(operation, path);
            }
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
        let (mounts, permitted) = self.mounts(turn).map_err(|error| no_registry(operation, error))?;
        let permit = mounts.authorize(operation, paths)?;
        paths.iter().for_each(|path| permitted.add(operation, path));
        Ok(permit)
    }
}

/// Without a registry nobody knows what ought to be mounted; no single path is to blame.
fn no_registry(operation: Operation, error: Error) -> Refused {
    Refusal::registry(operation, Path::new(""), error).into()
}
