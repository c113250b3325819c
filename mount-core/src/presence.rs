//! What is observed of a mountpoint, as opposed to what is said of it ([`crate::State`]).

use std::fmt;

/// Whether a filesystem is there.
///
/// Only [`Presence::Mounted`] and [`Presence::Idle`] can become permission.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Presence {
    /// The path is the root of a mount, and of the recorded one where identity is required.
    Mounted,
    /// The path is not the root of a mount: the bare directory is what is seen, or nothing at all.
    NotMounted,
    /// An automount that nobody has asked for yet; using it mounts it.
    Idle,
    /// A mount, but not of the filesystem that was recorded. The text says what was expected and what is there.
    WrongFilesystem(String),
    /// Mounted, but it did not answer the prober.
    Stuck,
    /// Could not be found out. The text says why. Never permission.
    Unknown(String),
}

impl Presence {
    /// The one word for it, without the reason: `mounted`, `not-mounted`, `idle`, `wrong-filesystem`,
    /// `stuck`, `unknown`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Presence::Mounted => "mounted",
            Presence::NotMounted => "not-mounted",
            Presence::Idle => "idle",
            Presence::WrongFilesystem(_) => "wrong-filesystem",
            Presence::Stuck => "stuck",
            Presence::Unknown(_) => "unknown",
        }
    }

    /// The reason behind [`Presence::WrongFilesystem`] and [`Presence::Unknown`].
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Presence::WrongFilesystem(reason) | Presence::Unknown(reason) => Some(reason),
            _ => None,
        }
    }
}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            Some(reason) => write!(f, "{} ({reason})", self.as_str()),
            None => f.write_str(self.as_str()),
        }
    }
}
