//! Why something is not permitted now, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::operation::Operation;
use crate::presence::Presence;
use crate::state::State;

/// The answer "not now": always temporary for whoever asked, never "there is no such mailbox".
///
/// Prints as one line that names the operation, the path, the mountpoint, its state and presence, and the remedy.
#[derive(Debug)]
pub struct Refusal(Box<Inner>);

#[derive(Debug)]
struct Inner {
    operation: Operation,
    path: PathBuf,
    mountpoint: Option<PathBuf>,
    by_wildcard: bool,
    cause: Cause,
}

/// What stands in the way.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The mountpoint was set [`State::Offline`] or [`State::Failover`].
    State(State),
    /// The mountpoint is online, but it is not there as it ought to be.
    Presence(Presence),
    /// The filesystem is read-only where read-write was recorded.
    ReadOnly,
    /// It was mounted when the work began, and no longer when it ended.
    Vanished,
    /// The registry cannot be read or is lost, so that nobody knows what ought to be mounted.
    Registry(Error),
    /// The path cannot be judged.
    Path(Error),
    /// This process has changed its root directory, by this name, and it is no longer what the name leads to: it was
    /// bare then, was unmounted since, or was moved.
    Displaced(PathBuf),
}

impl Refusal {
    pub(crate) fn new(operation: Operation, path: &Path, mountpoint: Option<PathBuf>, cause: Cause) -> Self {
        Refusal(Box::new(Inner { operation, path: path.to_owned(), mountpoint, by_wildcard: false, cause }))
    }

    /// The same, when the mountpoint is a child that a wildcard speaks of.
    pub(crate) fn by_wildcard(mut self, by_wildcard: bool) -> Self {
        self.0.by_wildcard = by_wildcard;
        self
    }

    /// A refusal of everything, because the registry cannot be had.
    #[must_use]
    pub fn registry(operation: Operation, path: &Path, error: Error) -> Self {
        Refusal::new(operation, path, None, Cause::Registry(error))
    }

    /// What was to be done.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// What it was to be done to, as it was asked.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The registered mountpoint that stands in the way; `None` when it is the registry or the path itself.
    #[must_use]
    pub fn mountpoint(&self) -> Option<&Path> {
        self.0.mountpoint.as_deref()
    }

    /// What stands in the way.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.0.cause
    }

    /// The state of that mountpoint.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        match self.0.cause {
            Cause::State(state) => Some(state),
            Cause::Presence(_) | Cause::ReadOnly | Cause::Vanished => Some(State::Online),
            Cause::Registry(_) | Cause::Path(_) | Cause::Displaced(_) => None,
        }
    }

    /// What ends the refusal, for the administrator.
    #[must_use]
    pub fn remedy(&self) -> String {
        let at = self.0.mountpoint.as_deref().unwrap_or(&self.0.path);
        let registered = match at.parent().filter(|_| self.0.by_wildcard) {
            Some(parent) => parent.join("*"),
            None => at.to_owned(),
        };
        match &self.0.cause {
            Cause::State(State::Failover) => {
                format!("use the replica, or end the failover with: mountguard state {registered:?} online")
            }
            Cause::State(_) => {
                format!("when it may be used again: mountguard state {registered:?} online")
            }
            Cause::Presence(Presence::WrongFilesystem(_)) => {
                format!("mount the recorded filesystem, or accept this one with: mountguard add {at:?}")
            }
            Cause::Presence(Presence::Stuck) => {
                "find out why it does not answer; it is permitted again as soon as it does".to_owned()
            }
            Cause::Presence(Presence::Unknown(_)) => {
                format!("see what is wrong with: mountguard status {at:?}")
            }
            Cause::Presence(_) | Cause::Vanished if self.0.by_wildcard => {
                format!("mount it, or if it is to be an ordinary directory: mountguard add {at:?} ignore")
            }
            Cause::Presence(_) | Cause::Vanished => {
                format!("mount it, or if it is gone for good: mountguard remove {at:?}")
            }
            Cause::ReadOnly => {
                format!(
                    "check the filesystem and remount it read-write, or accept it with: mountguard add {at:?}"
                )
            }
            Cause::Registry(_) => "see what is wrong with: mountguard state".to_owned(),
            Cause::Path(_) => "name a path that can be judged".to_owned(),
            Cause::Displaced(_) => "log in again once all is mounted".to_owned(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} refused: ", self.0.operation, self.0.path)?;
        if let Some(mountpoint) = self.mountpoint() {
            write!(f, "mountpoint {mountpoint:?} is ")?;
        }
        match &self.0.cause {
            Cause::State(state) => write!(f, "set {state}")?,
            Cause::Presence(presence) => write!(f, "online but {presence}")?,
            Cause::ReadOnly => f.write_str("online but read-only")?,
            Cause::Vanished => f.write_str("online but was unmounted meanwhile")?,
            Cause::Registry(error) | Cause::Path(error) => f.write_str(&error.chain())?,
            Cause::Displaced(chroot) => {
                write!(f, "this session was locked into another directory than {chroot:?} is now")?;
            }
        }
        write!(f, "; {}", self.remedy())
    }
}

impl std::error::Error for Refusal {}
