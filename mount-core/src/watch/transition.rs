//! What can happen to a mountpoint.

use crate::filesystem::Filesystem;
use crate::registry::Pattern;
use crate::state::State;

/// Something that has happened to a registered mountpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Seconds since the epoch at which it was noticed.
    pub at: u64,
    /// The mountpoint, or the wildcard that was registered or removed.
    pub pattern: Pattern<'static>,
    /// What has happened.
    pub change: Change,
    /// The state since then.
    pub state: State,
    /// What is mounted since then.
    pub filesystem: Option<Filesystem>,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was registered.
    Registered,
    /// It is no longer registered.
    Removed,
    /// It was given another state.
    State,
    /// Its filesystem is mounted.
    Mounted,
    /// It is not mounted any more.
    Gone,
    /// It is an automount that nobody uses at present.
    Idle,
    /// Another filesystem is mounted there, perhaps one that is refused: then the text says why.
    Replaced(Option<String>),
    /// It cannot be written any more.
    ReadOnly,
    /// It can be written again.
    ReadWrite,
    /// Whether it is mounted cannot be found out. The text says why.
    Unknown(String),
    /// It doesn't answer.
    Stuck,
    /// It answers with an error, which is the text.
    Failing(String),
    /// It answers again.
    Answers,
}

impl Change {
    /// The one word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Change::Registered => "registered",
            Change::Removed => "removed",
            Change::State => "state",
            Change::Mounted => "mounted",
            Change::Gone => "gone",
            Change::Idle => "idle",
            Change::Replaced(_) => "replaced",
            Change::ReadOnly => "read-only",
            Change::ReadWrite => "read-write",
            Change::Unknown(_) => "unknown",
            Change::Stuck => "stuck",
            Change::Failing(_) => "failing",
            Change::Answers => "answers",
        }
    }

    /// The reason, where there is one to give.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Change::Replaced(reason) => reason.as_deref(),
            Change::Unknown(reason) | Change::Failing(reason) => Some(reason),
            _ => None,
        }
    }
}
