//! Why the command could not do what it was told, and the exit code that says so.

use std::io;

use mount_core::{Cause, Error, ErrorKind, Refusal};
use nix::errno::Errno;

/// Exit codes of `sysexits.h`, and a shell's for commands that cannot be run.
pub(crate) mod exit {
    pub(crate) const OK: u8 = 0;
    pub(crate) const USAGE: u8 = 64;
    pub(crate) const DATA: u8 = 65;
    pub(crate) const NO_MOUNTPOINT: u8 = 66;
    pub(crate) const IO: u8 = 74;
    pub(crate) const REFUSED: u8 = 75;
    pub(crate) const PERMISSION: u8 = 77;
    pub(crate) const REGISTRY: u8 = 78;
    pub(crate) const CANNOT_RUN: u8 = 126;
    pub(crate) const NO_SUCH_COMMAND: u8 = 127;
}

/// What ends the command early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    Usage(String),
    /// Something went wrong.
    Error(Error),
    /// The registry cannot be read, so that nothing can be judged.
    Registry(Error),
    /// Not now.
    Refused(Refusal),
    /// Nobody reads what is written.
    Output(io::Error),
    /// Known by its exit code and text only: another process has told it.
    Told { code: u8, text: String },
}

impl Failure {
    /// What is wrong, its causes, and what to do about it.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Failure::Usage(text) | Failure::Told { text, .. } => Some(text.clone()),
            Failure::Error(error) | Failure::Registry(error) => Some(match remedy(error) {
                Some(remedy) => format!("{}; {remedy}", error.chain()),
                None => error.chain(),
            }),
            Failure::Refused(refusal) => Some(refusal.to_string()),
            // Whoever read has seen enough.
            Failure::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe => None,
            Failure::Output(cause) => Some(format!("write to standard output: {cause}")),
        }
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => exit::USAGE,
            Failure::Error(error) | Failure::Registry(error) => code_of(error.kind()),
            // Temporary, unless the path is one that will never be judged, or the registry is to blame.
            Failure::Refused(refusal) => match refusal.cause() {
                Cause::Path(error) if error.kind() == ErrorKind::Data => exit::DATA,
                // Damage in a long registry is met by the question only.
                Cause::Registry(error) if error.kind() == ErrorKind::DamagedRegistry => exit::REGISTRY,
                _ => exit::REFUSED,
            },
            Failure::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe => exit::OK,
            Failure::Output(_) => exit::IO,
            Failure::Told { code, .. } => *code,
        }
    }

    /// The same for a command that a mail is waiting for: what the registry is to blame for is temporary, or its sender
    /// would get the mail back.
    pub(crate) fn deferring(self) -> Self {
        let is_of_registry = match &self {
            Failure::Registry(_) | Failure::Told { code: exit::REGISTRY, .. } => true,
            Failure::Refused(refusal) => matches!(refusal.cause(), Cause::Registry(_)),
            _ => false,
        };
        if !is_of_registry {
            return self;
        }
        Failure::Told { code: exit::REFUSED, text: self.text().unwrap_or_default() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Failure::Usage(format!("{error}; see: mountguard --help"))
    }
}

fn code_of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Usage => exit::USAGE,
        ErrorKind::Data => exit::DATA,
        ErrorKind::NotRegistered => exit::NO_MOUNTPOINT,
        ErrorKind::Permission => exit::PERMISSION,
        ErrorKind::DamagedRegistry => exit::REGISTRY,
        ErrorKind::Temporary => exit::REFUSED,
        // Also a class that a later library may add: a failure of the system until this command knows better.
        _ => exit::IO,
    }
}

/// What to do about errors of the system, whose texts cannot know it.
fn remedy(error: &Error) -> Option<&'static str> {
    let errno = Errno::from_raw(error.errno()?);
    match (error.kind(), errno) {
        (ErrorKind::Permission, _) => Some("run it as root"),
        (ErrorKind::Io, Errno::ENOENT) => {
            Some("create the directory it lies in, or name another with --state-dir or --run-dir")
        }
        (ErrorKind::Io, Errno::ENOSPC | Errno::EDQUOT) => Some("make room on that filesystem"),
        (ErrorKind::Io, Errno::EROFS) => Some("remount that filesystem read-write"),
        (ErrorKind::Data, Errno::ELOOP) => Some("its symlinks lead in a circle: mend them"),
        _ => None,
    }
}
